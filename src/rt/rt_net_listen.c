/* rt_net_listen.c: listeners, and connections that come in. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_net_private.h"

struct rt_listener {
    uv_tcp_t tcp;
    struct rt_net *net;
    int tag;
    bool pending; /* libuv waits until what has come in is accepted */
};

static bool is_full(const struct rt_listener *l)
{
    const struct rt_net *n = l->net;
    uint32_t kept = l->tag == n->kept_tag ? 0 : n->kept;
    return n->conn_count + kept >= n->conns_max;
}

/* false: no memory now, libuv holds it until we come back. */
static bool accept_one(struct rt_listener *l)
{
    struct rt_net *n = l->net;
    bool full = is_full(l);
    struct rt_conn *c = rt_conn_create(n);
    if (!c) return false;
    c->state = RT_CONN_OPEN;
    if (uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&c->tcp) != 0 || full || n->stopping) {
        rt_conn_close(c);
        return true;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    rt_conn_notice_dead(c);
    rt_conn_read(c);
    c->accepted = true;
    n->events.accepted(n->events.ctx, c->number, l->tag);
    return true;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct rt_listener *l = stream->data;
    if (status < 0) return; /* it went away before we took it, or descriptors ran out */
    l->pending = !accept_one(l);
}

void rt_net_accept_pending(struct rt_net *n)
{
    for (uint32_t i = 0; i < n->listener_count; i++) {
        struct rt_listener *l = n->listeners[i];
        if (l->pending) l->pending = !accept_one(l);
    }
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int listener_open(struct rt_listener *l, const union rt_addr *addr)
{
    int rv = uv_tcp_bind(&l->tcp, &addr->any, 0);
    if (rv == 0) rv = uv_listen((uv_stream_t *)&l->tcp, RT_BACKLOG, on_connection);
    return rv;
}

int rt_net_listen(struct rt_net *n, const union rt_addr *addr, int tag, char *why, size_t why_cap)
{
    char text[RT_ADDR_TEXT_BYTES];
    MS_ASSERT(n->listener_count < RT_LISTENERS_MAX);
    struct rt_listener *l = calloc(1, sizeof *l);
    if (!l || uv_tcp_init(n->loop, &l->tcp) != 0) {
        free(l);
        snprintf(why, why_cap, "%s", ms_err_text(MS_ENOMEM));
        return MS_ENOMEM;
    }
    l->net = n;
    l->tag = tag;
    l->tcp.data = l;
    int rv = listener_open(l, addr);
    if (rv < 0) {
        rt_addr_text(addr, text);
        snprintf(why, why_cap, "cannot listen on %s: %s", text, uv_strerror(rv));
        uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
        return rv == UV_EADDRNOTAVAIL || rv == UV_EAFNOSUPPORT ? MS_ENOTFOUND : MS_EADDR;
    }
    n->listeners[n->listener_count++] = l;
    return 0;
}

void rt_net_unlisten(struct rt_net *n, int tag)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n->listener_count; i++) {
        struct rt_listener *l = n->listeners[i];
        if (tag != 0 && l->tag != tag) {
            n->listeners[kept++] = l;
        } else {
            uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
        }
    }
    n->listener_count = kept;
}
