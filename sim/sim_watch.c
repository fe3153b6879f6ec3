/* sim_watch.c: clients that watch, and what they are up to; who proposes transactions beside them. */
#include <stdio.h>

#include "kv/kv_cmd.h"
#include "sim/sim_core.h"
#include "sim/sim_machine.h"
#include "sim/sim_watch_private.h"

#define DIAL_US 3000000u /* for a connection and the head of an answer */
#define TXN_GAP_US 150000u
#define SILENT_BEATS 4u /* nothing is heard for so long: the connection is dead */

static struct sim_watch *watch_of(struct sim *s, uint32_t client)
{
    return &s->watches->items[SIM_CLIENTS_MAX - 1 - client];
}

bool sim_watch_has(const struct sim *s, uint32_t client)
{
    return client + s->watches->count >= SIM_CLIENTS_MAX;
}

static uint64_t draw(struct sim *s, uint64_t below)
{
    return ms_rand_below(&s->watches->rand, below);
}

static void wake_in(struct sim *s, struct sim_watch *w, uint64_t delay_us)
{
    sim_events_push(&s->events, sim_now_us(s) + delay_us, SIM_EVENT_CLIENT_WAKE,
                    sim_client_owner(w->client), ++w->wake, 0);
}

static void draw_wish(struct sim *s, struct sim_watch *w)
{
    static const char *const prefixes[] = { "", "k", "t", "k1" };
    w->prefix = draw(s, 3) > 0;
    if (w->prefix)
        snprintf(w->key, sizeof w->key, "%s", prefixes[draw(s, 4)]);
    else if (draw(s, 2))
        snprintf(w->key, sizeof w->key, "k%u", (unsigned)draw(s, s->plan.key_count));
    else
        snprintf(w->key, sizeof w->key, "t%u", (unsigned)draw(s, SIM_WATCH_TXN_KEYS));
    w->prev = draw(s, 2);
    w->progress = draw(s, 2);
    w->no_puts = draw(s, 8) == 0;
    w->no_deletes = draw(s, 6) == 0;
    w->next_revision = draw(s, 2) ? 1 : 0;
}

void sim_watch_create(struct sim *s)
{
    struct sim_watches *ws = calloc(1, sizeof *ws);
    MS_ASSERT(ws != NULL);
    s->watches = ws;
    uint32_t room = SIM_CLIENTS_MAX - 1 - s->plan.client_count; /* an operator has a place, too */
    ws->count = s->plan.watch_count < room ? s->plan.watch_count : room;
    ws->revision = 1;
    ms_rand_init(&ws->rand, s->plan.seed, 31);
    for (uint32_t i = 0; i < ws->count; i++) {
        struct sim_watch *w = &ws->items[i];
        *w = (struct sim_watch){ .client = SIM_CLIENTS_MAX - 1 - i, .state = SIM_WATCH_RESTING };
        buf_init(&w->in, &sim_alloc_heap, 64u << 20);
        buf_init(&w->text, &sim_alloc_heap, 64u << 20);
        draw_wish(s, w);
        if (w->next_revision) sim_watch_place(s, w, 1);
        wake_in(s, w, draw(s, 2000000));
    }
    /* The first of them has a second timer, which proposes. */
    if (ws->count) ws->txn_wake = UINT64_C(1) << 32;
    if (ws->count)
        sim_events_push(&s->events, sim_now_us(s) + draw(s, 2 * TXN_GAP_US), SIM_EVENT_CLIENT_WAKE,
                        sim_client_owner(ws->items[0].client), ws->txn_wake, 0);
}

void sim_watch_destroy(struct sim *s)
{
    for (uint32_t i = 0; i < s->watches->count; i++) {
        buf_fini(&s->watches->items[i].in);
        buf_fini(&s->watches->items[i].text);
    }
    free(s->watches->history);
    free(s->watches);
    s->watches = NULL;
}

/* --- connections --- */

static bool serves(struct sim *s, uint32_t index)
{
    const struct sim_member *m = sim_member_at(s, index);
    const struct config *c = sim_check_config(s);
    if (s->core && !sim_core_expects(s, index)) return false;
    if (s->watches->behave && c && !config_find(c, m->id)) return false;
    return m->state != SIM_MEMBER_GONE && (!m->joins || m->url[0]);
}

static void drop(struct sim *s, struct sim_watch *w)
{
    if (w->conn) sim_net_close(s->net, w->conn, false);
    w->conn = 0;
    w->slow = w->has_head = false;
    w->state = SIM_WATCH_RESTING;
    buf_clear(&w->in);
    buf_clear(&w->text); /* half an event is none */
}

void sim_watch_rest(struct sim *s, struct sim_watch *w, uint64_t most_ms)
{
    drop(s, w);
    wake_in(s, w, 1000 + draw(s, most_ms * 1000));
}

static void connect(struct sim *s, struct sim_watch *w)
{
    uint32_t count = s->cluster->count;
    w->target = (uint32_t)draw(s, count);
    for (uint32_t i = 0; i < count && !serves(s, w->target); i++) w->target = (w->target + 1) % count;
    w->state = SIM_WATCH_DIALING;
    w->conn = sim_net_dial(s->net, sim_client_owner(w->client), w->target);
    wake_in(s, w, DIAL_US);
}

void sim_watch_dialed(struct sim *s, uint32_t client, uint64_t number, int status)
{
    struct sim_watch *w = watch_of(s, client);
    if (w->conn != number || w->state != SIM_WATCH_DIALING) return;
    if (status < 0) {
        w->conn = 0;
        sim_watch_rest(s, w, 300);
        return;
    }
    w->state = SIM_WATCH_WAITING;
    w->heard_us = w->dialed_us = sim_now_us(s);
    sim_watch_request(s, w);
}

void sim_watch_bytes(struct sim *s, uint32_t client, uint64_t number, struct bytes in)
{
    struct sim_watch *w = watch_of(s, client);
    if (w->conn != number) return;
    bool streamed = w->state == SIM_WATCH_STREAMING;
    sim_watch_read(s, w, in);
    if (!streamed && w->state == SIM_WATCH_STREAMING) wake_in(s, w, 1000 + draw(s, 1500000));
}

void sim_watch_closed(struct sim *s, uint32_t client, uint64_t number)
{
    struct sim_watch *w = watch_of(s, client);
    if (w->conn != number) return;
    w->conn = 0;
    sim_watch_rest(s, w, 300);
}

/* --- what they are up to --- */

static bool is_silent(const struct sim *s, const struct sim_watch *w)
{
    uint64_t beats_us = SILENT_BEATS * 1000 * (uint64_t)s->plan.member.watch_beat_ms;
    return !w->slow && sim_now_us(s) > w->heard_us + beats_us;
}

static void set_slow(struct sim *s, struct sim_watch *w, bool slow)
{
    if (w->slow == slow) return;
    w->slow = slow;
    w->heard_us = sim_now_us(s);
    sim_net_pause(s->net, w->conn, slow);
    if (slow) sim_rare(s, SIM_RARE_WATCH_SLOW);
}

static void stir(struct sim *s, struct sim_watch *w)
{
    uint64_t what = s->watches->behave ? 9 : draw(s, 10);
    bool lost = is_silent(s, w) || (s->watches->behave && !serves(s, w->target));
    if (lost || what < 2) {
        sim_watch_rest(s, w, 400);
        return;
    }
    set_slow(s, w, what < 5 && !w->slow);
    wake_in(s, w, 1000 + draw(s, 1500000));
}

/* Puts and a deletion of a range, all at one revision, through the member's own interface. */
static void propose(struct sim *s, struct sim_member *m)
{
    struct sim_watches *ws = s->watches;
    struct kv_op ops[SIM_WATCH_TXN_KEYS + 1];
    char keys[SIM_WATCH_TXN_KEYS + 1][4], value[32];
    struct buf command;
    uint32_t count = 0;
    uint64_t cut = draw(s, 3) ? 0 : draw(s, SIM_WATCH_TXN_KEYS);
    snprintf(value, sizeof value, "v%llu", (unsigned long long)++ws->txn_number);
    for (uint32_t i = 0; i <= SIM_WATCH_TXN_KEYS; i++) snprintf(keys[i], sizeof keys[i], "t%u", i);
    if (cut)
        ops[count++] = (struct kv_op){ .kind = KV_OP_DELETE,
                                       .key = bytes_of_str(keys[0]),
                                       .range_end = bytes_of_str(keys[cut]) };
    for (uint64_t i = cut; i < SIM_WATCH_TXN_KEYS; i++) {
        if (draw(s, 2)) continue;
        ops[count++] = (struct kv_op){ .kind = KV_OP_PUT,
                                       .key = bytes_of_str(keys[i]),
                                       .value = bytes_of_str(value) };
    }
    buf_init(&command, &sim_alloc_heap, MS_TXN_BYTES_MAX);
    int rv = kv_cmd_encode(&command, NULL, 0, ops, count, NULL, 0);
    MS_ASSERT(rv == 0);
    uint64_t token = MEMBER_TOKEN_LOCAL | ++ws->txn_token;
    member_propose_txn(m->member, sim_machine_now_ms(m), token, buf_bytes(&command));
    buf_fini(&command);
    sim_machine_after(m);
}

static void txn_due(struct sim *s)
{
    struct sim_watches *ws = s->watches;
    if (ws->behave) return;
    struct sim_member *m = sim_member_at(s, (uint32_t)draw(s, s->cluster->count));
    if (m->state == SIM_MEMBER_UP && m->member && m->pauses == 0 && !m->starting) propose(s, m);
    sim_events_push(&s->events, sim_now_us(s) + 1000 + draw(s, 2 * TXN_GAP_US), SIM_EVENT_CLIENT_WAKE,
                    sim_client_owner(ws->items[0].client), ws->txn_wake, 0);
}

void sim_watch_event(struct sim *s, const struct sim_event *ev)
{
    struct sim_watch *w = watch_of(s, ev->who - SIM_MEMBERS_MAX);
    if (ev->a == s->watches->txn_wake) {
        txn_due(s);
        return;
    }
    if (ev->a != w->wake) return;
    switch (w->state) {
    case SIM_WATCH_RESTING: connect(s, w); break;
    case SIM_WATCH_STREAMING: stir(s, w); break;
    default: sim_watch_rest(s, w, 300); break; /* it takes too long */
    }
}

void sim_watch_probe(struct sim *s)
{
    struct sim_watches *ws = s->watches;
    ws->behave = true;
    for (uint32_t i = 0; i < ws->count; i++) {
        struct sim_watch *w = &ws->items[i];
        if (w->state == SIM_WATCH_STREAMING) wake_in(s, w, 1000);
    }
}

/* NULL: nobody. */
static const struct sim_watch *first_behind(const struct sim *s)
{
    const struct sim_watches *ws = s->watches;
    for (uint32_t i = 0; i < ws->count; i++) {
        const struct sim_watch *w = &ws->items[i];
        if (w->next_revision == 0 || !sim_watch_has_all(s, w)) return w;
    }
    return NULL;
}

bool sim_watch_at_end(const struct sim *s)
{
    return !first_behind(s);
}

void sim_watch_too_late(struct sim *s)
{
    static const char *const states[] = { "", "resting", "dialing", "waiting", "streaming" };
    const struct sim_watch *w = first_behind(s);
    MS_ASSERT(w != NULL);
    sim_fail(SIM_FAIL_LIVENESS, "K13",
             "c%u, watching %s%s at m%u, %s, has not heard all: event %zu of %zu, asked from revision "
             "%llu, %llu ms ago",
             w->client, w->key, w->prefix ? "*" : "", w->target + 1, states[w->state], w->cursor,
             s->watches->history_count, (unsigned long long)w->asked_revision,
             (unsigned long long)(sim_now_us(s) - w->heard_us) / 1000);
}

bool sim_watch_is_txn_key(struct bytes key)
{
    return key.len >= 2 && key.data[0] == 't';
}
