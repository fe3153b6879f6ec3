#include "sim/sim_schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "member/frame.h"
#include "node/node_msg.h"
#include "raft/raft_msg.h"
#include "sim/sim_faults.h"
#include "sim/sim_watch.h"
#include "sim/sim_workload.h"

/* --- names --- */

enum sim_action_class sim_verb_class(enum sim_verb verb)
{
    static const enum sim_action_class classes[] = {
#define X(name, text, class) SIM_CLASS_##class,
        SIM_VERB_MAP(X)
#undef X
    };
    return classes[verb];
}

const char *sim_verb_name(enum sim_verb verb)
{
    static const char *const names[] = {
#define X(name, text, class) text,
        SIM_VERB_MAP(X)
#undef X
    };
    return names[verb];
}

const char *sim_condition_name(enum sim_condition c)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_CONDITION_MAP(X)
#undef X
    };
    return names[c];
}

const char *sim_topic_name(enum sim_topic topic)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_TOPIC_MAP(X)
#undef X
    };
    return names[topic];
}

const char *sim_frame_name(enum sim_frame frame)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_FRAME_MAP(X)
#undef X
    };
    return names[frame];
}

static enum sim_frame raft_frame_of(const uint8_t *message, size_t len)
{
    const size_t type_at = 1, flags_at = 2 + 3 * 8; /* raft/raft_msg.c */
    if (len <= type_at) return SIM_FRAME_OTHER;
    bool pre = len > flags_at && (message[flags_at] & 1);
    switch (message[type_at]) {
    case RAFT_MSG_VOTE: return pre ? SIM_FRAME_PRE_VOTE : SIM_FRAME_VOTE;
    case RAFT_MSG_VOTE_REPLY: return pre ? SIM_FRAME_PRE_VOTE_REPLY : SIM_FRAME_VOTE_REPLY;
    case RAFT_MSG_APPEND: return SIM_FRAME_APPEND;
    case RAFT_MSG_APPEND_REPLY: return SIM_FRAME_APPEND_REPLY;
    case RAFT_MSG_READ: return SIM_FRAME_READ;
    case RAFT_MSG_READ_REPLY: return SIM_FRAME_READ_REPLY;
    case RAFT_MSG_TIMEOUT_NOW: return SIM_FRAME_TIMEOUT_NOW;
    default: return SIM_FRAME_OTHER;
    }
}

enum sim_frame sim_frame_of_type(uint8_t type, struct bytes body)
{
    switch (type) {
    case NODE_FRAME_RAFT: return raft_frame_of(body.data, body.len);
    case NODE_FRAME_FORWARD: return SIM_FRAME_FORWARD;
    case NODE_FRAME_FORWARD_REPLY: return SIM_FRAME_FORWARD_REPLY;
    case NODE_FRAME_GATE: return SIM_FRAME_GATE;
    case NODE_FRAME_SNAP_OFFER: return SIM_FRAME_SNAPSHOT_OFFER;
    case NODE_FRAME_SNAP_CHUNK: return SIM_FRAME_SNAPSHOT;
    case NODE_FRAME_SNAP_ACK: return SIM_FRAME_SNAPSHOT_REPLY;
    case NODE_FRAME_REPAIR: return SIM_FRAME_REPAIR;
    case NODE_FRAME_REPAIR_REPLY: return SIM_FRAME_REPAIR_REPLY;
    case NODE_FRAME_TRANSFER: return SIM_FRAME_TRANSFER;
    default: return SIM_FRAME_OTHER;
    }
}

enum sim_frame sim_frame_of(const uint8_t *data, size_t len)
{
    return sim_frame_of_type(data[FRAME_HEADER_BYTES - 1],
                             bytes_of(data + FRAME_HEADER_BYTES, len - FRAME_HEADER_BYTES));
}

/* --- the list --- */

void sim_schedule_init(struct sim_schedule *sc)
{
    *sc = (struct sim_schedule){ .mode = SIM_SCHEDULE_RECORDS };
}

void sim_schedule_fini(struct sim_schedule *sc)
{
    free(sc->actions);
    free(sc->spans);
    *sc = (struct sim_schedule){ 0 };
}

struct sim_action *sim_schedule_add(struct sim_schedule *sc, const struct sim_action *a)
{
    if (sc->count == sc->cap) {
        sc->cap = sc->cap ? 2 * sc->cap : 256;
        sc->actions = realloc(sc->actions, sc->cap * sizeof *sc->actions);
        MS_ASSERT(sc->actions != NULL);
    }
    struct sim_action *out = &sc->actions[sc->count++];
    *out = *a;
    out->span_first = (uint32_t)sc->span_count;
    out->span_count = 0;
    return out;
}

bool sim_schedule_span(struct sim_schedule *sc, uint32_t from, uint32_t to)
{
    struct sim_action *a = &sc->actions[sc->count - 1];
    MS_ASSERT(sc->count > 0 && a->span_first + a->span_count == sc->span_count);
    if (a->span_count == SIM_SPANS_MAX) return false;
    if (sc->span_count == sc->span_cap) {
        sc->span_cap = sc->span_cap ? 2 * sc->span_cap : 256;
        sc->spans = realloc(sc->spans, sc->span_cap * sizeof *sc->spans);
        MS_ASSERT(sc->spans != NULL);
    }
    sc->spans[sc->span_count++] = (struct sim_span){ .from = (uint8_t)from, .to = (uint8_t)to };
    a->span_count++;
    return true;
}

void sim_schedule_add_from(struct sim_schedule *to, const struct sim_schedule *from,
                           const struct sim_action *a)
{
    sim_schedule_add(to, a);
    for (uint32_t i = 0; i < a->span_count; i++) {
        const struct sim_span *l = &from->spans[a->span_first + i];
        sim_schedule_span(to, l->from, l->to);
    }
}

void sim_schedule_copy(struct sim_schedule *to, const struct sim_schedule *from)
{
    sim_schedule_init(to);
    to->mode = from->mode;
    to->plan = from->plan;
    for (size_t i = 0; i < from->count; i++) sim_schedule_add_from(to, from, &from->actions[i]);
}

void sim_schedule_rewind(struct sim_schedule *sc)
{
    sc->hash = sc->turn_us = sc->turn = 0;
    sc->next = sc->next_fate = 0;
    sc->waiting_count = 0;
    memset(sc->sent, 0, sizeof sc->sent);
}

/* --- recording --- */

struct sim_action *sim_note(struct sim *s, const struct sim_action *a)
{
    struct sim_schedule *sc = s->schedule;
    struct sim_action *out = sim_schedule_add(sc, a);
    out->at_us = sim_now_us(s);
    out->turn = sc->turn_us == out->at_us ? sc->turn : 0;
    return out;
}

/* The events in which a run that is recorded decides do not exist when it is replayed, nor do the ends
 * of faults that were nothing. */
static bool decides(struct sim *s, const struct sim_event *ev)
{
    switch (ev->kind) {
    case SIM_EVENT_FAULT:
    case SIM_EVENT_FAULT_END:
    case SIM_EVENT_PHASE: return true;
    case SIM_EVENT_CLIENT_WAKE:
        return !sim_watch_has(s, ev->who - SIM_MEMBERS_MAX) && sim_workload_decides(s, ev);
    default: return false;
    }
}

void sim_schedule_before(struct sim *s, const struct sim_event *ev)
{
    struct sim_schedule *sc = s->schedule;
    if (sc->turn_us != ev->time_us) {
        sc->turn_us = ev->time_us;
        sc->turn = 0;
    }
    if (decides(s, ev)) return;
    sc->turn++;
    if (s->phase != SIM_PHASE_SAFETY) return;
    sc->hash = (sc->hash ^ ev->time_us ^ (uint64_t)ev->kind << 48 ^ (uint64_t)ev->who << 56) *
               UINT64_C(0x9fb21c651e98df25);
    sc->hash ^= sc->hash >> 29;
}

/* --- replaying --- */

static struct sim_action *next_of(struct sim_schedule *sc, size_t *at, bool fate)
{
    while (*at < sc->count) {
        struct sim_action *a = &sc->actions[*at];
        if ((sim_verb_class(a->verb) == SIM_CLASS_FATE) == fate) return a;
        ++*at;
    }
    return NULL;
}

static bool is_due(const struct sim *s, const struct sim_action *a)
{
    const struct sim_schedule *sc = s->schedule;
    const struct sim_events *q = &s->events;
    if (q->count == 0 || a->at_us < q->heap[0].time_us) return true;
    if (a->at_us > q->heap[0].time_us) return false;
    return a->turn <= (sc->turn_us == a->at_us ? sc->turn : 0);
}

static void perform(struct sim *s, const struct sim_action *a)
{
    switch (sim_verb_class(a->verb)) {
    case SIM_CLASS_OP: sim_workload_perform(s, a); break;
    case SIM_CLASS_FAULT: sim_faults_perform(s, a); break;
    case SIM_CLASS_FATE: MS_UNREACHABLE();
    case SIM_CLASS_PHASE: sim_phase_perform(s, a); break;
    }
}

bool sim_schedule_step(struct sim *s)
{
    struct sim_schedule *sc = s->schedule;
    if (sc->mode != SIM_SCHEDULE_REPLAYS) return false;
    const struct sim_action *a = next_of(sc, &sc->next, false);
    if (!a || !is_due(s, a)) return false;
    sc->next++;
    if (s->events.now_us < a->at_us) s->events.now_us = a->at_us;
    sim_fold(s, a->at_us);
    sim_fold(s, (uint64_t)a->verb << 32 | a->who);
    perform(s, a);
    return true;
}

/* --- frames --- */

static void fates_due(struct sim_schedule *sc, uint64_t now_us)
{
    struct sim_action *a;
    while ((a = next_of(sc, &sc->next_fate, true)) != NULL && a->at_us <= now_us) {
        sc->next_fate++;
        if (sc->waiting_count < SIM_WAITING_MAX) sc->waiting[sc->waiting_count++] = a;
        a->turn = a->nth; /* how many frames it waits for */
    }
}

static void meet(struct sim_fates *f, const struct sim_action *a)
{
    switch (a->verb) {
    case SIM_VERB_DROP: f->drop = true; break;
    case SIM_VERB_DELAY:
        f->delay = true;
        f->delay_us = (uint64_t)a->amount;
        break;
    case SIM_VERB_DUPLICATE:
        f->duplicate = true;
        f->duplicate_us = (uint64_t)a->amount;
        break;
    case SIM_VERB_REPLAY:
        f->replay = true;
        f->place = (uint64_t)a->amount;
        break;
    default: MS_UNREACHABLE();
    }
}

static void fates_of(struct sim_schedule *sc)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sc->waiting_count; i++) {
        struct sim_action *a = sc->waiting[i];
        bool meant = a->from == sc->from && a->to == sc->to;
        if (a->frame != SIM_FRAME_ANY && a->frame != sc->frame) meant = false;
        if (meant && --a->turn == 0)
            meet(&sc->fates, a);
        else
            sc->waiting[kept++] = a;
    }
    sc->waiting_count = kept;
}

void sim_schedule_frame(struct sim_schedule *sc, uint64_t now_us, uint32_t from, uint32_t to,
                        const uint8_t *data, size_t len)
{
    sc->from = from;
    sc->to = to;
    sc->frame = sim_frame_of(data, len);
    sc->fates = (struct sim_fates){ 0 };
    if (sc->sent[from][to][sc->frame].us != now_us) sc->sent[from][to][sc->frame].count = 0;
    sc->sent[from][to][sc->frame].us = now_us;
    sc->sent[from][to][sc->frame].count++;
    if (sc->mode != SIM_SCHEDULE_REPLAYS) return;
    fates_due(sc, now_us);
    if (sc->waiting_count > 0) fates_of(sc);
}

static void record_fate(struct sim_schedule *sc, enum sim_verb verb, uint64_t amount)
{
    struct sim_action a = { .verb = verb,
                            .at_us = sc->sent[sc->from][sc->to][sc->frame].us,
                            .nth = sc->sent[sc->from][sc->to][sc->frame].count,
                            .from = sc->from,
                            .to = sc->to,
                            .frame = sc->frame,
                            .amount = (int64_t)amount };
    sim_schedule_add(sc, &a);
}

bool sim_schedule_fate(struct sim_schedule *sc, enum sim_verb verb, bool drawn, uint64_t *amount)
{
    const struct sim_fates *f = &sc->fates;
    if (sc->mode == SIM_SCHEDULE_RECORDS) {
        if (drawn) record_fate(sc, verb, *amount);
        return drawn;
    }
    switch (verb) {
    case SIM_VERB_DROP: return f->drop;
    case SIM_VERB_DELAY: *amount = f->delay_us; return f->delay;
    case SIM_VERB_DUPLICATE: *amount = f->duplicate_us; return f->duplicate;
    case SIM_VERB_REPLAY: *amount = f->place; return f->replay;
    default: MS_UNREACHABLE();
    }
}
