#include "rt/rt_net.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_net_private.h"

#define SLOT_MASK ((UINT64_C(1) << RT_CONN_SLOT_BITS) - 1)

/* ---- the table ---- */

static int slots_grow(struct rt_net *n)
{
    uint32_t cap = n->slot_cap ? 2 * n->slot_cap : 64;
    struct rt_conn **slots = realloc(n->slots, cap * sizeof *slots);
    if (!slots) return MS_ENOMEM;
    n->slots = slots;
    uint32_t *free_slots = realloc(n->free_slots, cap * sizeof *free_slots);
    if (!free_slots) return MS_ENOMEM;
    n->free_slots = free_slots;
    n->slot_cap = cap;
    return 0;
}

struct rt_conn *rt_conn_create(struct rt_net *n)
{
    if (n->conn_count >= SLOT_MASK) return NULL;
    if (n->free_count == 0 && n->slot_count == n->slot_cap && slots_grow(n) < 0) return NULL;
    struct rt_conn *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    if (uv_tcp_init(n->loop, &c->tcp) != 0) {
        free(c);
        return NULL;
    }
    uint32_t slot = n->free_count > 0 ? n->free_slots[--n->free_count] : n->slot_count++;
    c->tcp.data = c;
    c->net = n;
    c->number = ++n->serial << RT_CONN_SLOT_BITS | slot;
    n->slots[slot] = c;
    n->conn_count++;
    return c;
}

struct rt_conn *rt_conn_find(struct rt_net *n, uint64_t number)
{
    uint64_t slot = number & SLOT_MASK;
    if (slot >= n->slot_count) return NULL;
    struct rt_conn *c = n->slots[slot];
    if (!c || c->number != number || c->state >= RT_CONN_LINGER) return NULL;
    return c;
}

void rt_conn_on_closed(uv_handle_t *handle)
{
    struct rt_conn *c = handle->data;
    struct rt_net *n = c->net;
    uint32_t slot = (uint32_t)(c->number & SLOT_MASK);
    MS_ASSERT(n->slots[slot] == c && !c->writing);
    n->slots[slot] = NULL;
    n->free_slots[n->free_count++] = slot;
    n->conn_count--;
    free(c->dial);
    free(c->out);
    free(c);
}

void rt_conn_close(struct rt_conn *c)
{
    if (c->state == RT_CONN_CLOSING) return;
    c->state = RT_CONN_CLOSING;
    rt_link_remove(&c->dirty);
    rt_link_remove(&c->linger);
    rt_link_remove(&c->attempt);
    /* A dial that goes to its next address is closing the handle already, and then looks at the state.
     */
    if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, rt_conn_on_closed);
}

void rt_conn_mark_dirty(struct rt_conn *c)
{
    if (!c->dirty.next) rt_link_push(&c->net->dirty, &c->dirty);
}

void rt_conn_fail(struct rt_conn *c, int status)
{
    if (c->failed == 0) c->failed = status;
    rt_conn_mark_dirty(c);
}

void rt_conn_report_end(struct rt_conn *c, int status)
{
    struct rt_net *n = c->net;
    uint64_t number = c->number;
    bool dialing = c->state == RT_CONN_DIALING, open = c->state == RT_CONN_OPEN;
    rt_conn_close(c);
    if (n->stopping) return;
    if (dialing) n->events.dialed(n->events.ctx, number, status);
    if (open) n->events.closed(n->events.ctx, number);
}

/* ---- what the core calls ---- */

/* A number for a connection that could not even be made: the failure is reported by the next flush, as
 * all others are, so the core sees one way only. */
static uint64_t net_dial(struct net *face, const char *host, uint16_t port)
{
    struct rt_net *n = (struct rt_net *)face;
    struct rt_conn *c = n->stopping ? NULL : rt_conn_create(n);
    if (!c) {
        MS_ASSERT(n->refused_count <
                  RT_DIALS_REFUSED_MAX); /* the core has a bound on dials under way */
        return n->refused[n->refused_count++] = ++n->serial << RT_CONN_SLOT_BITS | SLOT_MASK;
    }
    c->state = RT_CONN_DIALING;
    rt_conn_dial(c, host, port);
    return c->number;
}

static void net_send(struct net *face, uint64_t conn, const void *data, size_t len)
{
    struct rt_conn *c = rt_conn_find((struct rt_net *)face, conn);
    if (!c || len == 0) return;
    rt_conn_queue(c, data, len);
}

static size_t net_queued(struct net *face, uint64_t conn)
{
    const struct rt_conn *c = rt_conn_find((struct rt_net *)face, conn);
    return c ? rt_conn_queued(c) : 0;
}

static void net_close(struct net *face, uint64_t conn, bool flush)
{
    struct rt_conn *c = rt_conn_find((struct rt_net *)face, conn);
    if (!c) return;
    if (flush && c->state == RT_CONN_OPEN && c->failed == 0) {
        rt_conn_linger(c);
    } else {
        rt_conn_close(c);
    }
}

static void net_pause(struct net *face, uint64_t conn, bool paused)
{
    struct rt_conn *c = rt_conn_find((struct rt_net *)face, conn);
    if (!c || c->paused == paused) return;
    c->paused = paused;
    if (c->state != RT_CONN_OPEN || c->peer_ended) return;
    if (paused) {
        uv_read_stop((uv_stream_t *)&c->tcp);
    } else {
        rt_conn_read(c);
    }
}

/* ---- a turn ---- */

static void flush_one(struct rt_conn *c)
{
    struct rt_net *n = c->net;
    if (c->failed == 0 && c->state != RT_CONN_DIALING) rt_conn_write(c);
    if (c->failed != 0) {
        rt_conn_report_end(c, c->failed);
        return;
    }
    if (!c->was_queued || rt_conn_queued(c) > 0) return;
    c->was_queued = false;
    if (c->state == RT_CONN_OPEN) n->events.writable(n->events.ctx, c->number);
}

static void report_refused(struct rt_net *n)
{
    uint32_t count = n->refused_count;
    uint64_t refused[RT_DIALS_REFUSED_MAX];
    memcpy(refused, n->refused, count * sizeof *refused);
    n->refused_count = 0;
    for (uint32_t i = 0; i < count; i++) n->events.dialed(n->events.ctx, refused[i], MS_ENOMEM);
}

/* What is marked while the list is worked through waits for the next flush, or this one might never
 * end: a connection that takes all it is given would keep its writer writing. */
void rt_net_flush(struct rt_net *n)
{
    struct rt_link now = n->dirty;
    if (n->dirty.next != &n->dirty) {
        now.next->prev = now.prev->next = &now;
        n->dirty.next = n->dirty.prev = &n->dirty;
        while (now.next != &now) {
            struct rt_link *l = now.next;
            rt_link_remove(l);
            flush_one(RT_CONN_OF(l, dirty));
        }
    }
    report_refused(n);
    rt_net_accept_pending(n);
    rt_conn_linger_arm(n);
}

size_t rt_net_unwritten(const struct rt_net *n)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < n->slot_count; i++) {
        const struct rt_conn *c = n->slots[i];
        if (c && (c->state == RT_CONN_OPEN || c->state == RT_CONN_LINGER)) sum += rt_conn_queued(c);
    }
    return sum;
}

bool rt_net_lingers(const struct rt_net *n)
{
    return n->linger.next != &n->linger;
}

/* ---- life ---- */

static const struct net_ops ops = {
    .dial = net_dial, .send = net_send, .queued = net_queued, .close = net_close, .pause = net_pause
};

int rt_net_init(struct rt_net *n, uv_loop_t *loop, const struct rt_net_events *events,
                uint32_t conns_max)
{
    *n = (struct rt_net){ .face.ops = &ops,
                          .loop = loop,
                          .events = *events,
                          .linger_ms = RT_LINGER_MS,
                          .attempt_ms = RT_ATTEMPT_MS,
                          .unanswered_ms = RT_UNANSWERED_MS };
    n->conns_max = conns_max < SLOT_MASK ? conns_max : (uint32_t)SLOT_MASK;
    n->dirty.prev = n->dirty.next = &n->dirty;
    n->linger.prev = n->linger.next = &n->linger;
    n->attempts.prev = n->attempts.next = &n->attempts;
    n->read_buffer = malloc(RT_READ_BUFFER_BYTES);
    if (!n->read_buffer) return MS_ENOMEM;
    int rv = rt_resolver_init(&n->resolver, loop, rt_conn_on_resolved, n);
    if (rv < 0) {
        free(n->read_buffer);
        return rv;
    }
    uv_timer_init(loop, &n->linger_timer);
    n->linger_timer.data = n;
    uv_timer_init(loop, &n->attempt_timer);
    n->attempt_timer.data = n;
    uv_timer_init(loop, &n->look_timer);
    n->look_timer.data = n;
    uv_unref((uv_handle_t *)&n->look_timer);
    return 0;
}

void rt_net_stop(struct rt_net *n)
{
    n->stopping = true;
    rt_net_unlisten(n, 0);
    for (uint32_t i = 0; i < n->slot_count; i++) {
        if (n->slots[i]) rt_conn_close(n->slots[i]);
    }
    rt_resolver_stop(&n->resolver);
    uv_close((uv_handle_t *)&n->linger_timer, NULL);
    uv_close((uv_handle_t *)&n->attempt_timer, NULL);
    uv_close((uv_handle_t *)&n->look_timer, NULL);
}

void rt_net_fini(struct rt_net *n)
{
    MS_ASSERT(n->conn_count == 0 && n->listener_count == 0);
    free(n->slots);
    free(n->free_slots);
    free(n->read_buffer);
}
