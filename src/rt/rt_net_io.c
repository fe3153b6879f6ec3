/* rt_net_io.c: bytes in, bytes out, and the slow way of closing.
 *
 * A connection closed with flush is not closed at once: a close() with input unread makes the kernel
 * send a reset, which may destroy the last answer before the client has read it. So we write what is
 * queued, say that we are done (shutdown), and drop what still comes until the other side closes too,
 * or linger_ms have passed (RFC 9112, 9.6). */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/ms_err.h"
#include "rt/rt_net_private.h"

/* ---- out ---- */

size_t rt_conn_queued(const struct rt_conn *c)
{
    return c->out_len + uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

void rt_conn_queue(struct rt_conn *c, const void *data, size_t len)
{
    if (c->failed != 0) return;
    if (len > c->out_cap - c->out_len) {
        size_t cap = c->out_cap ? 2 * c->out_cap : 1024;
        while (cap - c->out_len < len) cap *= 2;
        uint8_t *out = realloc(c->out, cap);
        if (!out) { /* N3: send never fails, the connection does */
            rt_conn_fail(c, MS_ENOMEM);
            return;
        }
        c->out = out;
        c->out_cap = cap;
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    c->was_queued = true;
    rt_conn_mark_dirty(c);
}

static void out_release(struct rt_conn *c)
{
    free(c->out);
    c->out = NULL;
    c->out_len = c->out_cap = 0;
}

static void on_written(uv_write_t *request, int status)
{
    struct rt_conn *c = request->data;
    free(c->writing->data);
    free(c->writing);
    c->writing = NULL;
    if (c->state == RT_CONN_CLOSING) return;
    if (status < 0) {
        rt_conn_fail(c, MS_EEND);
    } else {
        rt_conn_mark_dirty(c);
    }
}

/* Hand the rest to libuv, which waits for the socket. */
static void write_rest(struct rt_conn *c, size_t written)
{
    struct rt_write *w = malloc(sizeof *w);
    if (!w) {
        rt_conn_fail(c, MS_ENOMEM);
        return;
    }
    uv_buf_t rest = uv_buf_init((char *)c->out + written, (unsigned)(c->out_len - written));
    w->data = c->out;
    w->request.data = c;
    int rv = uv_write(&w->request, (uv_stream_t *)&c->tcp, &rest, 1, on_written);
    if (rv < 0) {
        free(w);
        rt_conn_fail(c, MS_EEND);
        return;
    }
    c->writing = w;
    c->out = NULL;
    c->out_len = c->out_cap = 0;
}

/* All is written, and the core will send no more: say so to the other side. */
static void finish_writing(struct rt_conn *c)
{
    uv_os_fd_t fd;
    if (c->shut) return;
    c->shut = true;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) shutdown(fd, SHUT_WR);
    if (c->peer_ended) rt_conn_close(c);
}

void rt_conn_write(struct rt_conn *c)
{
    if (c->writing) return;
    if (c->out_len > 0) {
        uv_buf_t all = uv_buf_init((char *)c->out, (unsigned)c->out_len);
        int n = uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
        if (n < 0 && n != UV_EAGAIN) {
            rt_conn_fail(c, MS_EEND);
            return;
        }
        if (n < 0 || (size_t)n < c->out_len) {
            write_rest(c, n < 0 ? 0 : (size_t)n);
            return;
        }
        out_release(c);
    }
    if (c->state == RT_CONN_LINGER) finish_writing(c);
}

/* ---- in ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    const struct rt_conn *c = handle->data;
    (void)suggested;
    *out = uv_buf_init(c->net->read_buffer, RT_READ_BUFFER_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *in)
{
    struct rt_conn *c = stream->data;
    struct rt_net *net = c->net;
    if (c->state == RT_CONN_LINGER) {
        if (n >= 0) return;
        uv_read_stop(stream);
        c->peer_ended = true;
        if (n != UV_EOF || c->shut) rt_conn_close(c);
    } else if (c->state == RT_CONN_OPEN && n == UV_EOF && c->accepted && net->events.ended) {
        uv_read_stop(stream);
        c->peer_ended = true;
        net->events.ended(net->events.ctx, c->number);
    } else if (c->state == RT_CONN_OPEN && n < 0) {
        rt_conn_report_end(c, MS_EEND);
    } else if (c->state == RT_CONN_OPEN && n > 0) {
        net->events.bytes(net->events.ctx, c->number, bytes_of(in->base, (size_t)n));
    }
}

void rt_conn_read(struct rt_conn *c)
{
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0) rt_conn_fail(c, MS_EEND);
}

/* ---- the end ---- */

void rt_conn_linger(struct rt_conn *c)
{
    struct rt_net *n = c->net;
    c->state = RT_CONN_LINGER;
    c->linger_until_ms = uv_now(n->loop) + n->linger_ms;
    rt_link_push(&n->linger, &c->linger);
    if (c->paused && !c->peer_ended) rt_conn_read(c);
    rt_conn_mark_dirty(c);
}

static void on_linger_over(uv_timer_t *timer)
{
    struct rt_net *n = timer->data;
    while (n->linger.next != &n->linger) {
        struct rt_conn *c = RT_CONN_OF(n->linger.next, linger);
        if (c->linger_until_ms > uv_now(n->loop)) break;
        rt_conn_close(c);
    }
    rt_conn_linger_arm(n);
}

/* The list is in the order of its times, as all get the same span: one timer serves its head. */
void rt_conn_linger_arm(struct rt_net *n)
{
    if (n->linger.next == &n->linger || uv_is_active((uv_handle_t *)&n->linger_timer)) return;
    uint64_t until = RT_CONN_OF(n->linger.next, linger)->linger_until_ms, now = uv_now(n->loop);
    uv_timer_start(&n->linger_timer, on_linger_over, until > now ? until - now : 0, 0);
}
