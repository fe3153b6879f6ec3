#include "sim/sim_net.h"

#include <string.h>
#include <xxhash.h>

#include "base/ms_err.h"
#include "sim/sim_net_private.h"

#define NUMBER_SLOT_BITS 20u
#define SYN_RETRY_US 500000u
#define SYN_ATTEMPTS_MAX 12u
#define SILENCE_US_MAX 3000000u

struct sim_net *sim_net_create(const struct sim_net_opts *opts, const struct sim_net_host *host,
                               struct sim_events *events)
{
    struct sim_net *n = calloc(1, sizeof *n);
    MS_ASSERT(n != NULL);
    n->opts = *opts;
    n->host = *host;
    n->events = events;
    n->scratch = malloc(opts->deliver_bytes_max);
    MS_ASSERT(n->scratch != NULL);
    ms_rand_init(&n->rand, opts->seed, 1);
    return n;
}

static void pieces_drop(struct sim_end *e)
{
    while (e->first) {
        struct sim_piece *p = e->first;
        e->first = p->next;
        free(p);
    }
    e->last = NULL;
    e->queued = 0;
}

static void conn_clear(struct sim_conn *c)
{
    for (int i = 0; i < 2; i++) {
        pieces_drop(&c->end[i]);
        free(c->end[i].partial);
    }
    *c = (struct sim_conn){ .slot = c->slot };
}

void sim_net_destroy(struct sim_net *n)
{
    for (uint32_t i = 0; i < n->conn_count; i++) {
        conn_clear(n->conns[i]);
        free(n->conns[i]);
    }
    sim_frames_fini(n);
    free(n->conns);
    free(n->free_slots);
    free(n->scratch);
    free(n);
}

/* --- who is who --- */

struct sim_conn *sim_net_conn(const struct sim_net *n, uint64_t number)
{
    uint32_t slot = (uint32_t)(number >> 1 & ((1u << NUMBER_SLOT_BITS) - 1));
    return slot < n->conn_count ? n->conns[slot] : NULL;
}

struct sim_end *sim_net_end(const struct sim_net *n, uint64_t number)
{
    struct sim_conn *c = sim_net_conn(n, number);
    return number && c && c->end[number & 1].number == number ? &c->end[number & 1] : NULL;
}

struct sim_end *sim_net_other(const struct sim_net *n, const struct sim_end *e)
{
    return &sim_net_conn(n, e->number)->end[!(e->number & 1)];
}

static struct sim_conn *conn_take(struct sim_net *n)
{
    if (n->free_count > 0) return n->conns[n->free_slots[--n->free_count]];
    if (n->conn_count == n->conn_cap) {
        n->conn_cap = n->conn_cap ? 2 * n->conn_cap : 64;
        n->conns = realloc(n->conns, n->conn_cap * sizeof n->conns[0]);
        n->free_slots = realloc(n->free_slots, n->conn_cap * sizeof n->free_slots[0]);
    }
    MS_ASSERT(n->conns != NULL && n->free_slots != NULL && n->conn_count < 1u << NUMBER_SLOT_BITS);
    struct sim_conn *c = calloc(1, sizeof *c);
    MS_ASSERT(c != NULL);
    c->slot = n->conn_count;
    n->conns[n->conn_count++] = c;
    return c;
}

static void conn_give(struct sim_net *n, struct sim_conn *c)
{
    conn_clear(c);
    n->free_slots[n->free_count++] = c->slot;
}

static void end_open(struct sim_net *n, struct sim_conn *c, int side, uint32_t owner, bool peers)
{
    c->end[side] = (struct sim_end){ .owner = owner, .open = true };
    c->end[side].number =
        ++n->next_number << (NUMBER_SLOT_BITS + 1) | (uint64_t)c->slot << 1 | (uint64_t)side;
    c->end[side].stream = peers ? SIM_STREAM_HELLO : SIM_STREAM_RAW;
}

struct sim_link *sim_net_link(struct sim_net *n, uint32_t from, uint32_t to)
{
    MS_ASSERT(from < SIM_OWNERS_MAX && to < SIM_OWNERS_MAX);
    return &n->links[from][to];
}

static uint64_t draw_latency(struct sim_net *n, uint32_t from, uint32_t to)
{
    const struct sim_link *l = &n->links[from][to];
    return l->latency_us + (l->jitter_us ? ms_rand_below(&n->rand, l->jitter_us) : 0);
}

/* --- bytes on their way --- */

/* See to it that an event comes when the first piece (or the end behind all pieces) is due. */
static void schedule(struct sim_net *n, struct sim_end *e)
{
    struct sim_end *to = sim_net_other(n, e);
    if (!e->first && !e->fin) return;
    if (to->number == 0 || !to->open || to->paused || n->links[e->owner][to->owner].blocked) return;
    e->scheduled = true;
    sim_events_push(n->events, e->first ? e->first->ready_us : e->ready_us, SIM_EVENT_NET_DELIVER,
                    to->owner, e->number, ++e->schedule);
}

void sim_net_put(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len, bool frame,
                 uint64_t late_us)
{
    uint32_t to = sim_net_other(n, e)->owner;
    const struct sim_link *l = &n->links[e->owner][to];
    struct sim_piece *p = malloc(sizeof *p + len), **at = &e->first;
    MS_ASSERT(p != NULL);
    *p = (struct sim_piece){ .len = (uint32_t)len, .frame = frame, .number = n->putting };
    memcpy(p->data, data, len);
    p->ready_us = n->events->now_us + draw_latency(n, e->owner, to);
    if (l->bytes_per_ms) {
        if (e->drain_us < n->events->now_us) e->drain_us = n->events->now_us;
        e->drain_us += (uint64_t)len * 1000u / l->bytes_per_ms;
        if (p->ready_us < e->drain_us) p->ready_us = e->drain_us;
    }
    if (p->ready_us < e->ready_us) p->ready_us = e->ready_us;
    if (late_us == 0) e->ready_us = p->ready_us;
    p->ready_us += late_us;
    e->queued += len;
    if (e->last && e->last->ready_us <= p->ready_us) at = &e->last->next;
    while (*at && ((*at)->at > 0 || (*at)->ready_us <= p->ready_us)) at = &(*at)->next;
    p->next = *at;
    *at = p;
    if (!p->next) e->last = p;
    if (!e->scheduled || e->first == p) schedule(n, e);
}

uint64_t sim_net_peer(const struct sim_net *n, uint64_t number)
{
    const struct sim_end *e = sim_net_end(n, number);
    return e ? sim_net_other(n, e)->number : 0;
}

void sim_net_send(struct sim_net *n, uint64_t number, const void *data, size_t len)
{
    struct sim_end *e = sim_net_end(n, number);
    MS_ASSERT(e != NULL && e->open); /* N2: an end that was closed is not used any more */
    if (e->cut || len == 0) return;
    if (e->stream == SIM_STREAM_RAW)
        sim_net_put(n, e, data, len, false, 0);
    else
        sim_frames_send(n, e, data, len);
    if (sim_net_queued(n, number) > 0) e->owes_writable = true;
}

size_t sim_net_queued(const struct sim_net *n, uint64_t number)
{
    const struct sim_end *e = sim_net_end(n, number);
    if (!e || e->queued <= n->opts.socket_bytes) return 0;
    return e->queued - n->opts.socket_bytes;
}

void sim_net_pause(struct sim_net *n, uint64_t number, bool paused)
{
    struct sim_end *e = sim_net_end(n, number);
    if (!e || e->paused == paused) return;
    e->paused = paused;
    struct sim_end *from = sim_net_other(n, e);
    if (!paused && from->number) schedule(n, from);
}

/* Take what is due off the queue, or only a part of it; returns its length. *out is borrowed from the
 * scratch buffer, or from *whole, which the caller frees. */
static size_t pieces_take(struct sim_net *n, struct sim_end *e, const uint8_t **out,
                          struct sim_piece **whole)
{
    size_t due = 0, len = 0;
    uint64_t now_us = n->events->now_us;
    for (struct sim_piece *p = e->first; p && p->ready_us <= now_us; p = p->next) {
        due += p->len - p->at;
        if (due >= n->opts.deliver_bytes_max) break;
    }
    if (due > n->opts.deliver_bytes_max) due = n->opts.deliver_bytes_max;
    bool cut = due > 1 && ms_rand_below(&n->rand, 256) < n->opts.cut_odds;
    if (cut) due = 1 + ms_rand_below(&n->rand, ms_rand_below(&n->rand, 4) ? due - 1 : 16 % due + 1);
    *whole = NULL;
    *out = n->scratch;
    while (len < due) {
        struct sim_piece *p = e->first;
        size_t part = p->len - p->at < due - len ? p->len - p->at : due - len;
        bool ends = p->at + part == p->len;
        if (len == 0 && part == due && ends) {
            *out = p->data + p->at;
            *whole = p;
        } else {
            memcpy(n->scratch + len, p->data + p->at, part);
        }
        len += part;
        p->at += (uint32_t)part;
        e->queued -= part;
        if (!ends) {
            if (cut) p->ready_us = now_us + 1 + ms_rand_below(&n->rand, 1000);
            break;
        }
        if (p->number) sim_html_arrived(n->html, now_us, p->number);
        e->first = p->next;
        if (!e->first) e->last = NULL;
        if (*whole != p) free(p);
    }
    return len;
}

/* The end `to` learns that the connection is closed. */
static void end_closed(struct sim_net *n, struct sim_end *from, struct sim_end *to)
{
    struct sim_conn *c = sim_net_conn(n, to->number);
    uint32_t owner = to->owner;
    uint64_t number = to->number;
    to->open = false;
    to->cut = true;
    pieces_drop(to);
    if (!from->open) conn_give(n, c);
    n->host.closed(n->host.ctx, owner, number);
}

static void owe_writable(struct sim_net *n, struct sim_end *e)
{
    if (!e->owes_writable || !e->open || sim_net_queued(n, e->number) > 0) return;
    e->owes_writable = false;
    sim_events_push(n->events, n->events->now_us, SIM_EVENT_NET_WRITABLE, e->owner, e->number, 0);
}

/* The kernel makes a connection, the process takes it over when it runs, and before it reads. */
static void take_over(struct sim_net *n, struct sim_end *e)
{
    if (!e->waits) return;
    e->waits = false;
    n->host.accepted(n->host.ctx, e->owner, e->number, sim_net_other(n, e)->owner);
}

static uint64_t deliver(struct sim_net *n, const struct sim_event *ev)
{
    struct sim_end *e = sim_net_end(n, ev->a);
    const uint8_t *data;
    struct sim_piece *whole;
    if (!e || ev->b != e->schedule) return 0;
    e->scheduled = false;
    struct sim_end *to = sim_net_other(n, e);
    if (to->number == 0 || !to->open || to->paused) return 0;
    if (n->links[e->owner][to->owner].blocked) return 0;
    take_over(n, to);
    if (sim_net_end(n, ev->a) != e || !to->open) return 0; /* it was refused at once */
    if (!e->first) {
        if (e->fin) end_closed(n, e, to);
        return 1;
    }
    if (e->first->ready_us > n->events->now_us) {
        schedule(n, e);
        return 0;
    }
    size_t len = pieces_take(n, e, &data, &whole);
    n->stats.deliveries++;
    n->stats.bytes += len;
    uint64_t hash = XXH3_64bits(data, len);
    schedule(n, e); /* before the receiver acts: it may close */
    owe_writable(n, e);
    n->host.bytes(n->host.ctx, to->owner, to->number, bytes_of(data, len));
    free(whole);
    return hash;
}

/* --- opening and closing --- */

uint64_t sim_net_dial(struct sim_net *n, uint32_t owner, uint32_t to)
{
    struct sim_conn *c = conn_take(n);
    bool peers = owner < SIM_MEMBERS_MAX && to < SIM_MEMBERS_MAX;
    end_open(n, c, 0, owner, peers);
    c->end[1].owner = to;
    sim_events_push(n->events, n->events->now_us + draw_latency(n, owner, to), SIM_EVENT_NET_SYN, to,
                    c->end[0].number, 0);
    return c->end[0].number;
}

static void syn(struct sim_net *n, const struct sim_event *ev)
{
    struct sim_end *from = sim_net_end(n, ev->a);
    if (!from || !from->open) return;
    struct sim_conn *c = sim_net_conn(n, ev->a);
    uint32_t to = c->end[1].owner;
    uint64_t back_us = n->events->now_us + draw_latency(n, to, from->owner);
    if (n->links[from->owner][to].blocked || n->links[to][from->owner].blocked) {
        if (ev->b < SYN_ATTEMPTS_MAX) {
            sim_events_push(n->events, n->events->now_us + SYN_RETRY_US, SIM_EVENT_NET_SYN, to, ev->a,
                            ev->b + 1);
        } else {
            sim_events_push(n->events, back_us, SIM_EVENT_NET_DIALED, from->owner, ev->a,
                            (uint64_t)-MS_ETIMEOUT);
        }
        return;
    }
    if (!n->host.listens(n->host.ctx, to)) {
        sim_events_push(n->events, back_us, SIM_EVENT_NET_DIALED, from->owner, ev->a,
                        (uint64_t)-MS_EADDR);
        return;
    }
    bool peers = from->stream != SIM_STREAM_RAW;
    end_open(n, c, 1, to, peers);
    c->end[1].waits = true;
    c->end[1].ready_us = back_us;
    sim_events_push(n->events, back_us, SIM_EVENT_NET_DIALED, from->owner, ev->a, 0);
    sim_events_push(n->events, n->events->now_us, SIM_EVENT_NET_ACCEPT, to, c->end[1].number, 0);
}

static void dialed(struct sim_net *n, const struct sim_event *ev)
{
    struct sim_end *e = sim_net_end(n, ev->a);
    if (!e || !e->open) return;
    int status = -(int)ev->b;
    uint32_t owner = e->owner;
    if (status < 0) conn_give(n, sim_net_conn(n, ev->a));
    n->host.dialed(n->host.ctx, owner, ev->a, status);
}

/* Nothing leaves e any more but what is queued; then the other end is closed. */
static void direction_end(struct sim_net *n, struct sim_end *e, uint64_t late_us)
{
    struct sim_end *to = sim_net_other(n, e);
    uint64_t arrival_us = n->events->now_us + draw_latency(n, e->owner, to->owner) + late_us;
    e->cut = true;
    e->fin = true;
    if (e->ready_us < arrival_us) e->ready_us = arrival_us;
    schedule(n, e);
}

/* The owner of e is done with it. */
static void end_leave(struct sim_net *n, struct sim_end *e, bool keep, uint64_t late_us)
{
    struct sim_end *to = sim_net_other(n, e);
    e->open = false;
    if (to->number == 0 || !to->open) {
        conn_give(n, sim_net_conn(n, e->number));
        return;
    }
    pieces_drop(to);
    to->cut = true;
    if (keep)
        sim_frames_flush(n, e);
    else
        pieces_drop(e);
    direction_end(n, e, late_us);
}

void sim_net_close(struct sim_net *n, uint64_t number, bool flush)
{
    struct sim_end *e = sim_net_end(n, number);
    if (!e || !e->open) return;
    end_leave(n, e, flush || ms_rand_below(&n->rand, 2), 0);
}

void sim_net_drop_owner(struct sim_net *n, uint32_t owner, bool silent)
{
    for (uint32_t i = 0; i < n->conn_count; i++) {
        for (int side = 0; side < 2; side++) {
            struct sim_end *e = &n->conns[i]->end[side];
            if (!e->number || !e->open || e->owner != owner) continue;
            end_leave(n, e, !silent, silent ? ms_rand_below(&n->rand, SILENCE_US_MAX) : 0);
        }
    }
}

/* Keep a random number of the queued bytes. */
static void pieces_cut(struct sim_net *n, struct sim_end *e)
{
    size_t keep = e->queued ? ms_rand_below(&n->rand, e->queued + 1) : 0;
    struct sim_piece **at = &e->first;
    e->queued = keep;
    e->last = NULL;
    while (*at && keep >= (*at)->len - (*at)->at) {
        keep -= (*at)->len - (*at)->at;
        e->last = *at;
        at = &(*at)->next;
    }
    if (keep > 0) {
        if ((*at)->frame) n->stats.cut_frames++;
        (*at)->len = (*at)->at + (uint32_t)keep;
        e->last = *at;
        at = &(*at)->next;
    }
    while (*at) {
        struct sim_piece *p = *at;
        *at = p->next;
        free(p);
    }
}

static bool is_whole(const struct sim_conn *c)
{
    return c->end[0].open && c->end[1].open;
}

/* Which one a reset is for: a place among all that are whole. */
static bool draw_reset(struct sim_net *n, uint32_t *out)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < n->conn_count; i++) open += is_whole(n->conns[i]);
    if (open > 0) *out = (uint32_t)ms_rand_below(&n->rand, open);
    return open > 0;
}

static void conn_reset(struct sim_net *n, struct sim_conn *c)
{
    for (int side = 0; side < 2; side++) {
        sim_frames_flush(n, &c->end[side]);
        pieces_cut(n, &c->end[side]);
        direction_end(n, &c->end[side], ms_rand_below(&n->rand, 50000));
    }
    n->stats.resets++;
}

bool sim_net_reset_one(struct sim_net *n, struct sim_net_pick *out)
{
    struct sim_conn *c = NULL;
    uint32_t pick;
    if (!draw_reset(n, &pick)) return false;
    for (uint32_t i = 0; !c; i++) {
        if (is_whole(n->conns[i]) && pick-- == 0) c = n->conns[i];
    }
    *out = (struct sim_net_pick){ .from = c->end[0].owner, .to = c->end[1].owner };
    for (uint32_t i = 0; i <= c->slot; i++) {
        const struct sim_end *e = n->conns[i]->end;
        out->nth += is_whole(n->conns[i]) && e[0].owner == out->from && e[1].owner == out->to;
    }
    conn_reset(n, c);
    return true;
}

bool sim_net_reset(struct sim_net *n, const struct sim_net_pick *pick)
{
    struct sim_conn *c = NULL;
    uint32_t drawn, nth = pick->nth;
    for (uint32_t i = 0; i < n->conn_count && nth > 0; i++) {
        const struct sim_end *e = n->conns[i]->end;
        if (!is_whole(n->conns[i]) || e[0].owner != pick->from || e[1].owner != pick->to) continue;
        c = n->conns[i];
        nth--;
    }
    if (!c || !draw_reset(n, &drawn))
        return false; /* drawn as when it was recorded: then there was one */
    conn_reset(n, c);
    return true;
}

void sim_net_block(struct sim_net *n, uint32_t from, uint32_t to, int by)
{
    struct sim_link *l = sim_net_link(n, from, to);
    MS_ASSERT(by > 0 || l->blocked > 0);
    l->blocked = (uint16_t)(l->blocked + by);
    if (l->blocked) return;
    for (uint32_t i = 0; i < n->conn_count; i++) {
        for (int side = 0; side < 2; side++) {
            struct sim_end *e = &n->conns[i]->end[side];
            if (e->number && e->owner == from && n->conns[i]->end[!side].owner == to) schedule(n, e);
        }
    }
}

/* A link that was slow is no longer: what waits for it comes soon. */
static void hurry(struct sim_net *n, struct sim_end *e)
{
    uint64_t soon_us = n->events->now_us + draw_latency(n, e->owner, sim_net_other(n, e)->owner);
    e->drain_us = 0;
    if (e->ready_us > soon_us) e->ready_us = soon_us;
    for (struct sim_piece *p = e->first; p; p = p->next) {
        if (p->ready_us > soon_us) p->ready_us = soon_us;
    }
    schedule(n, e);
}

void sim_net_set_drain(struct sim_net *n, uint32_t owner, uint32_t bytes_per_ms)
{
    for (uint32_t i = 0; i < SIM_OWNERS_MAX; i++) {
        n->links[owner][i].bytes_per_ms = bytes_per_ms;
        n->links[i][owner].bytes_per_ms = bytes_per_ms;
    }
    for (uint32_t i = 0; i < n->conn_count && bytes_per_ms == 0; i++) {
        struct sim_conn *c = n->conns[i];
        bool theirs = c->end[0].number && (c->end[0].owner == owner || c->end[1].owner == owner);
        for (int side = 0; side < 2 && theirs; side++) {
            if (c->end[side].number) hurry(n, &c->end[side]);
        }
    }
}

void sim_net_set_odds(struct sim_net *n, const struct sim_frame_odds *odds)
{
    n->odds = *odds;
}

void sim_net_set_schedule(struct sim_net *n, struct sim_schedule *schedule)
{
    n->schedule = schedule;
}

void sim_net_set_html(struct sim_net *n, struct sim_html *html)
{
    n->html = html;
}

void sim_net_set_core(struct sim_net *n, uint32_t members)
{
    n->core = members;
}

uint32_t sim_net_open_ends(const struct sim_net *n, uint32_t owner)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < n->conn_count; i++) {
        for (int side = 0; side < 2; side++) {
            const struct sim_end *e = &n->conns[i]->end[side];
            open += e->number && e->open && e->owner == owner;
        }
    }
    return open;
}

uint64_t sim_net_event(struct sim_net *n, const struct sim_event *ev)
{
    struct sim_end *e;
    switch (ev->kind) {
    case SIM_EVENT_NET_SYN: syn(n, ev); break;
    case SIM_EVENT_NET_ACCEPT:
        e = sim_net_end(n, ev->a);
        if (e && e->open) take_over(n, e);
        break;
    case SIM_EVENT_NET_DIALED: dialed(n, ev); break;
    case SIM_EVENT_NET_DELIVER: return deliver(n, ev);
    case SIM_EVENT_NET_WRITABLE:
        e = sim_net_end(n, ev->a);
        if (e && e->open && !e->cut) n->host.writable(n->host.ctx, ev->who, ev->a);
        break;
    default: MS_UNREACHABLE();
    }
    return ev->a;
}

const struct sim_net_stats *sim_net_stats(const struct sim_net *n)
{
    return &n->stats;
}
