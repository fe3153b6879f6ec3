#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ms_err.h"
#include "rt/rt_alloc.h"
#include "rt/rt_clock.h"
#include "rt/rt_http.h"

#define INPUT_BYTES (128u << 10)
#define HEADERS_MAX 32u
#define REQUEST_HEAD_BYTES_MAX (1u << 20) /* a key of 64 KiB, percent-encoded, and more than enough */

static int refuse(struct rt_http_exchange *x, int status, const char *what)
{
    snprintf(x->why, MS_WHY_BYTES, "%s: %s", x->endpoint->url, what);
    return status;
}

/* ---- the connection ---- */

/* 0, MS_ETIMEOUT or MS_EIO. */
static int wait_until(int fd, short events, uint64_t end_ms)
{
    struct pollfd p = { .fd = fd, .events = events };
    for (;;) {
        uint64_t now = rt_clock_ms(), left = now >= end_ms ? 0 : end_ms - now;
        int n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
        if (n > 0) return 0;
        if (n == 0 && rt_clock_ms() >= end_ms) return MS_ETIMEOUT;
        if (n < 0 && errno != EINTR) return MS_EIO;
    }
}

static int connect_one(const struct addrinfo *a, uint64_t end_ms)
{
    int error = 0, fd = socket(a->ai_family, SOCK_STREAM, 0);
    socklen_t len = sizeof error;
    if (fd < 0) return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    int rv = connect(fd, a->ai_addr, a->ai_addrlen);
    if (rv != 0 && errno == EINPROGRESS)
        rv = wait_until(fd, POLLOUT, end_ms) == 0 &&
                     getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0
                 ? 0
                 : -1;
    if (rv == 0) return fd;
    close(fd);
    return -1;
}

static int dial(struct rt_http_exchange *x)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
    char service[8];
    uint64_t left = 0;
    snprintf(service, sizeof service, "%u", x->endpoint->port);
    if (getaddrinfo(x->endpoint->host, service, &hints, &all) != 0)
        return refuse(x, MS_EADDR, "no such host");
    for (const struct addrinfo *a = all; a; a = a->ai_next) left++;
    /* Each has a share of the time: one that does not answer does not use up all of it. */
    for (const struct addrinfo *a = all; a && x->fd < 0; a = a->ai_next, left--) {
        uint64_t now = rt_clock_ms(), by = x->connect_by_ms;
        x->fd = connect_one(a, now < by ? now + (by - now) / left : by);
    }
    freeaddrinfo(all);
    return x->fd < 0 ? refuse(x, MS_EADDR, "nobody answers there") : 0;
}

/* MS_EADDR: it broke. An answer may be there all the same: who refuses a request need not read its end. */
static int send_all(struct rt_http_exchange *x, struct bytes data)
{
    for (size_t done = 0; done < data.len;) {
        ssize_t n = send(x->fd, data.data + done, data.len - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR && errno != EAGAIN)
            return refuse(x, MS_EADDR, "the connection broke");
        else if (wait_until(x->fd, POLLOUT, x->answer_by_ms) < 0)
            return refuse(x, MS_ETIMEOUT, "it takes no request");
    }
    return 0;
}

static int ask(struct rt_http_exchange *x)
{
    const struct ms_http_request *r = x->request;
    struct buf head;
    struct http_fetch_header headers[HEADERS_MAX];
    struct http_fetch_request wanted = {
        .method = r->method,
        .host = x->endpoint->host,
        .path = r->path,
        .port = x->endpoint->port,
        .headers = headers,
        .header_count = r->header_count,
        .has_body = r->body.data != NULL,
        .body_bytes = r->body.len,
    };
    int rv = 0;
    if (r->header_count > HEADERS_MAX) return refuse(x, MS_EINVAL, "the request has too many headers");
    for (uint32_t i = 0; i < r->header_count; i++)
        headers[i] = (struct http_fetch_header){ r->headers[i].name, r->headers[i].value };
    buf_init(&head, rt_alloc_heap(), REQUEST_HEAD_BYTES_MAX);
    if (!http_fetch_request(&head, &wanted))
        rv = refuse(x, MS_EINVAL,
                    "the request's method, path or headers have bytes that cannot stand there");
    else if (head.failed)
        rv = refuse(x, MS_ETOOBIG, "the path and the headers of the request are too long");
    if (rv == 0) rv = send_all(x, buf_bytes(&head));
    if (rv == 0 && r->body.data) rv = send_all(x, bytes_of(r->body.data, r->body.len));
    buf_fini(&head);
    if (rv == 0) x->sent = true;
    return rv;
}

/* More input. MS_EEND: the other side has closed. */
static int hear(struct rt_http_exchange *x)
{
    uint64_t end_ms = x->streamed ? rt_clock_ms() + x->idle_ms : x->answer_by_ms;
    for (;;) {
        ssize_t n = recv(x->fd, x->input + x->input_len, INPUT_BYTES - x->input_len, 0);
        if (n > 0) x->input_len += (size_t)n;
        if (n > 0) return 0;
        if (n == 0 || (errno != EINTR && errno != EAGAIN)) return MS_EEND;
        if (errno == EAGAIN && wait_until(x->fd, POLLIN, end_ms) < 0)
            return refuse(x, MS_ETIMEOUT,
                          x->status ? "nothing came any more" : "no answer came in time");
    }
}

/* ---- the answer ---- */

static void on_header(void *arg, struct bytes name, struct bytes value)
{
    struct rt_http_exchange *x = arg;
    buf_append(&x->head, name.data, name.len);
    buf_append_u8(&x->head, 0);
    buf_append(&x->head, value.data, value.len);
    buf_append_u8(&x->head, 0);
}

static int take(struct rt_http_exchange *x, struct bytes body)
{
    if (x->request->on_body && x->status == 200) {
        struct ms_http_answer answer = { .status = x->status,
                                         .endpoint = x->endpoint->url,
                                         .head = &x->head };
        x->streamed = true;
        return x->request->on_body(x->request->arg, &answer,
                                   (struct ms_bytes){ .data = body.data, .len = body.len });
    }
    buf_append(&x->body, body.data, body.len);
    return x->body.failed || x->body.len == x->body.max
               ? refuse(x, MS_ETOOBIG, "the answer is too long")
               : 0;
}

/* What is in the input, as far as it goes. 0: more is needed; MS_EEND: it is complete. */
static int digest(struct rt_http_exchange *x)
{
    for (;;) {
        struct bytes body;
        size_t used;
        int rv = http_fetch_next(&x->fetch, x->input, x->input_len, &used, &body);
        if (rv < 0 && rv != MS_EEND)
            return refuse(x, rv, "what came is no answer of a member: is this its HTTP port?");
        x->status = x->fetch.status;
        int taken = body.len > 0 ? take(x, body) : 0;
        if (taken != 0) return taken;
        x->input_len -= used;
        memmove(x->input, x->input + used, x->input_len);
        if (rv == MS_EEND || used == 0 || x->input_len == 0) return rv;
    }
}

static int receive(struct rt_http_exchange *x)
{
    int rv = 0;
    while (rv == 0) {
        rv = hear(x);
        if (rv == MS_EEND)
            return x->status ? refuse(x, MS_ESHORT, "the answer broke off")
                             : refuse(x, MS_EADDR, "it closed the connection");
        if (rv == 0) rv = digest(x);
    }
    return rv == MS_EEND ? 0 : rv;
}

int rt_http_exchange_run(struct rt_http_exchange *x)
{
    buf_clear(&x->head);
    buf_clear(&x->body);
    http_fetch_init(&x->fetch, strcmp(x->request->method, "HEAD") == 0);
    x->fetch.on_header = on_header;
    x->fetch.arg = x;
    x->status = 0;
    x->input_len = 0;
    x->sent = x->streamed = false;
    int rv = dial(x);
    if (rv == 0) rv = ask(x);
    if (rv == 0 || (rv == MS_EADDR && x->fd >= 0)) {
        int heard = receive(x);
        if (rv == 0 || heard == 0) rv = heard;
    }
    if (rv == 0 && (x->head.failed || x->body.failed))
        rv = refuse(x, MS_ENOMEM, ms_err_text(MS_ENOMEM));
    if (x->fd >= 0) close(x->fd);
    x->fd = -1;
    return rv;
}

int rt_http_exchange_init(struct rt_http_exchange *x, size_t body_bytes_max)
{
    *x = (struct rt_http_exchange){ .fd = -1, .input = malloc(INPUT_BYTES) };
    buf_init(&x->head, rt_alloc_heap(), 2 * HTTP_FETCH_HEAD_BYTES_MAX);
    buf_init(&x->body, rt_alloc_heap(), body_bytes_max + 1); /* and a NUL */
    return x->input ? 0 : MS_ENOMEM;
}

void rt_http_exchange_fini(struct rt_http_exchange *x)
{
    buf_fini(&x->head);
    buf_fini(&x->body);
    free(x->input);
}

int rt_http_endpoint_parse(struct rt_http_endpoint *e, const char *text, size_t len, char *why)
{
    bool scheme = memchr(text, '/', len) != NULL;
    int n = snprintf(e->url, sizeof e->url, "%s%.*s", scheme ? "" : "http://", (int)len, text);
    if (n < (int)sizeof e->url && config_url_parse(e->url, e->host, sizeof e->host, &e->port) == 0)
        return 0;
    snprintf(why, MS_WHY_BYTES, "\"%.*s\" is no endpoint: http://host:port", len < 200 ? (int)len : 200,
             text);
    return MS_EINVAL;
}
