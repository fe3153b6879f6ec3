/* rt_net_dial.c: to a peer: its host may be a name with several addresses, tried in order. libuv's
 * handle stands for one attempt, so between two of them it is closed and made anew; the connection's
 * number stays. An address that does not answer at all is given up after attempt_ms, as the system tries it for
 * minutes and the core gives up the dial long before; the last one has all the time there is. */
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
    rt_link_remove(&c->attempt);
    if (++d->at == d->addrs.count) {
        rt_conn_fail(c, MS_EADDR);
        return;
    }
    uv_close((uv_handle_t *)&c->tcp, on_next);
}

static void on_attempts_due(uv_timer_t *timer);

/* In the order of their times, as all get the same span: one timer serves the first. */
static void attempts_arm(struct rt_net *n)
{
    if (n->attempts.next == &n->attempts || uv_is_active((uv_handle_t *)&n->attempt_timer)) return;
    uint64_t next_ms = RT_CONN_OF(n->attempts.next, attempt)->dial->next_ms, now = uv_now(n->loop);
    uv_timer_start(&n->attempt_timer, on_attempts_due, next_ms > now ? next_ms - now : 0, 0);
}

static void on_attempts_due(uv_timer_t *timer)
{
    struct rt_net *n = timer->data;
    while (n->attempts.next != &n->attempts) {
        struct rt_conn *c = RT_CONN_OF(n->attempts.next, attempt);
        if (c->dial->next_ms > uv_now(n->loop)) break;
        attempt_failed(c);
    }
    attempts_arm(n);
}

void rt_conn_dial_next(struct rt_conn *c)
{
    struct rt_dial *d = c->dial;
    struct rt_net *n = c->net;
    d->request.data = c;
    if (uv_tcp_connect(&d->request, &c->tcp, &d->addrs.list[d->at].any, on_connected) < 0) {
        attempt_failed(c);
        return;
    }
    if (d->at + 1 == d->addrs.count) return;
    d->next_ms = uv_now(n->loop) + n->attempt_ms;
    rt_link_push(&n->attempts, &c->attempt);
    attempts_arm(n);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct rt_conn *c = request->data;
    struct rt_net *n = c->net;
    if (c->state == RT_CONN_CLOSING) return;
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return; /* it was given up: on_next() goes on */
    if (status < 0) {
        attempt_failed(c);
        return;
    }
    rt_link_remove(&c->attempt);
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
