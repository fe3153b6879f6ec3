/* rt_net_dial.c: to a peer: its host may be a name with several addresses, tried in order. libuv's
 * handle stands for one attempt, so between two of them it is closed and made anew; the connection's
 * number stays. */
#include <stdlib.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_net_private.h"

static void on_connected(uv_connect_t *request, int status);

/* The handle of the attempt before is gone. */
static void on_next(uv_handle_t *handle)
{
    struct rt_conn *c = handle->data;
    if (c->state == RT_CONN_CLOSING) {
        rt_conn_on_closed(handle);
        return;
    }
    int rv = uv_tcp_init(c->net->loop, &c->tcp);
    MS_ASSERT(rv == 0);
    c->tcp.data = c;
    rt_conn_dial_next(c);
}

static void attempt_failed(struct rt_conn *c)
{
    struct rt_dial *d = c->dial;
    if (++d->at == d->addrs.count) {
        rt_conn_fail(c, MS_EADDR);
        return;
    }
    uv_close((uv_handle_t *)&c->tcp, on_next);
}

void rt_conn_dial_next(struct rt_conn *c)
{
    struct rt_dial *d = c->dial;
    d->request.data = c;
    if (uv_tcp_connect(&d->request, &c->tcp, &d->addrs.list[d->at].any, on_connected) < 0)
        attempt_failed(c);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct rt_conn *c = request->data;
    struct rt_net *n = c->net;
    if (c->state == RT_CONN_CLOSING) return;
    if (status < 0) {
        attempt_failed(c);
        return;
    }
    free(c->dial);
    c->dial = NULL;
    c->state = RT_CONN_OPEN;
    uv_tcp_nodelay(&c->tcp, 1);
    if (!c->paused) rt_conn_read(c);
    n->events.dialed(n->events.ctx, c->number, 0);
}

void rt_conn_on_resolved(void *ctx, uint64_t number, int status, const struct rt_addrs *addrs)
{
    struct rt_conn *c = rt_conn_find(ctx, number);
    if (!c || c->state != RT_CONN_DIALING) return;
    if (status < 0) {
        rt_conn_fail(c, status);
        return;
    }
    c->dial->addrs = *addrs;
    rt_conn_dial_next(c);
}

void rt_conn_dial(struct rt_conn *c, const char *host, uint16_t port)
{
    c->dial = calloc(1, sizeof *c->dial);
    if (!c->dial) {
        rt_conn_fail(c, MS_ENOMEM);
        return;
    }
    if (rt_addr_parse(host, port, &c->dial->addrs.list[0])) {
        c->dial->addrs.count = 1;
        rt_conn_dial_next(c);
        return;
    }
    int rv = rt_resolve_start(&c->net->resolver, host, port, c->number);
    if (rv < 0) rt_conn_fail(c, rv);
}
