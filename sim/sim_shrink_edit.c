/* sim_shrink_edit.c: smaller schedules out of larger ones. */
#include <string.h>

#include "sim/sim_settings.h"
#include "sim/sim_shrink.h"

#define MS 1000u
#define PLAIN_BYTES 20

static void begin(struct sim_schedule *to, const struct sim_schedule *from)
{
    sim_schedule_init(to);
    to->mode = SIM_SCHEDULE_REPLAYS;
    to->plan = from->plan;
}

void sim_shrink_filter(struct sim_schedule *to, const struct sim_schedule *from, const uint32_t *keep,
                       size_t count)
{
    begin(to, from);
    for (size_t i = 0; i < (keep ? count : from->count); i++) {
        sim_schedule_add_from(to, from, &from->actions[keep ? keep[i] : i]);
    }
}

void sim_shrink_cut(struct sim_schedule *sc, uint64_t time_us)
{
    struct sim_action end = { .verb = SIM_VERB_END, .at_us = (time_us / MS + 2) * MS };
    while (sc->count > 0) {
        const struct sim_action *a = &sc->actions[sc->count - 1];
        if (a->at_us <= time_us && a->verb != SIM_VERB_END) break;
        sc->span_count = a->span_first;
        sc->count--;
    }
    sim_schedule_add(sc, &end);
}

/* --- members --- */

static uint32_t moved(uint32_t at, uint32_t gone)
{
    return at < SIM_MEMBERS_MAX && at > gone ? at - 1 : at;
}

/* Those above it move down. */
static uint32_t without_bit(uint32_t set, uint32_t bit)
{
    uint32_t below = (1u << bit) - 1;
    return (set & below) | (set >> 1 & ~below);
}

/* What operators say names members by id. */
static bool move_change(struct sim_action *a, uint32_t gone)
{
    a->members = without_bit(a->members, gone + 1);
    a->joins = without_bit(a->joins, gone + 1);
    if (a->topic == SIM_TOPIC_LEASE) return true;
    if (a->topic == SIM_TOPIC_SET) return a->members != 0;
    if (a->subject == gone + 1) return false;
    if (a->subject > gone + 1) a->subject--;
    return true;
}

/* Requests through the one that is gone go through another. */
static bool move_action(struct sim_action *a, uint32_t gone)
{
    enum sim_action_class class = sim_verb_class(a->verb);
    bool links = a->verb == SIM_VERB_RESET || class == SIM_CLASS_FATE;
    if (class == SIM_CLASS_FAULT && !links && a->who == gone && a->verb != SIM_VERB_HOLD &&
        a->verb != SIM_VERB_PARTITION)
        return false;
    if (links && (a->from == gone || a->to == gone)) return false;
    if (a->verb == SIM_VERB_CHANGE || a->verb == SIM_VERB_TRANSFER) {
        if (!move_change(a, gone)) return false;
    } else {
        a->members = without_bit(a->members, gone);
    }
    a->who = class == SIM_CLASS_OP && a->who == gone ? 0 : moved(a->who, gone);
    a->from = moved(a->from, gone);
    a->to = moved(a->to, gone);
    memmove(&a->group[gone], &a->group[gone + 1], SIM_MEMBERS_MAX - gone - 1);
    a->group[SIM_MEMBERS_MAX - 1] = 0;
    return true;
}

bool sim_shrink_member(struct sim_schedule *to, const struct sim_schedule *from, uint32_t index)
{
    if (from->plan.node_count < 2) return false;
    begin(to, from);
    to->plan.node_count--;
    for (size_t i = 0; i < from->count; i++) {
        struct sim_action a = from->actions[i];
        const struct sim_span *spans = &from->spans[a.span_first];
        uint32_t count = 0;
        for (uint32_t k = 0; k < a.span_count; k++)
            count += spans[k].from != index && spans[k].to != index;
        if (!move_action(&a, index) || (a.verb == SIM_VERB_HOLD && count == 0)) continue;
        count = a.span_count;
        sim_schedule_add(to, &a);
        for (uint32_t k = 0; k < count; k++) {
            if (spans[k].from == index || spans[k].to == index) continue;
            sim_schedule_span(to, moved(spans[k].from, index), moved(spans[k].to, index));
        }
    }
    return true;
}

/* --- links --- */

void sim_shrink_spans(struct sim_schedule *to, const struct sim_schedule *from, const uint32_t *keep,
                      size_t count)
{
    size_t next = 0;
    begin(to, from);
    for (size_t i = 0; i < from->count; i++) {
        const struct sim_action *a = &from->actions[i];
        if (a->verb != SIM_VERB_HOLD) {
            sim_schedule_add(to, a);
            continue;
        }
        uint32_t end = a->span_first + a->span_count;
        if (next < count && keep[next] < end) sim_schedule_add(to, a);
        for (; next < count && keep[next] < end; next++) {
            sim_schedule_span(to, from->spans[keep[next]].from, from->spans[keep[next]].to);
        }
    }
}

/* --- clients --- */

static uint32_t clients_used(const struct sim_schedule *sc)
{
    uint32_t used = 0;
    for (size_t i = 0; i < sc->count; i++) {
        const struct sim_action *a = &sc->actions[i];
        if (sim_verb_class(a->verb) == SIM_CLASS_OP) used |= 1u << a->client;
        if (a->from >= SIM_MEMBERS_MAX) used |= 1u << (a->from - SIM_MEMBERS_MAX);
        for (uint32_t k = 0; k < a->span_count; k++) {
            const struct sim_span *l = &sc->spans[a->span_first + k];
            if (l->from >= SIM_MEMBERS_MAX && l->from < SIM_OWNERS_MAX)
                used |= 1u << (l->from - SIM_MEMBERS_MAX);
            if (l->to >= SIM_MEMBERS_MAX && l->to < SIM_OWNERS_MAX)
                used |= 1u << (l->to - SIM_MEMBERS_MAX);
        }
    }
    return used;
}

static uint32_t bits(uint32_t set)
{
    return (uint32_t)__builtin_popcount(set);
}

static uint8_t moved_client(uint8_t end, uint32_t used)
{
    if (end < SIM_MEMBERS_MAX || end >= SIM_OWNERS_MAX) return end;
    return (uint8_t)(SIM_MEMBERS_MAX + bits(used & ((1u << (end - SIM_MEMBERS_MAX)) - 1)));
}

bool sim_shrink_clients(struct sim_schedule *to, const struct sim_schedule *from)
{
    uint32_t used = clients_used(from), count = bits(used) ? bits(used) : 1;
    if (from->plan.client_count == count && from->plan.admin_us == 0) return false;
    sim_shrink_filter(to, from, NULL, 0);
    to->plan.client_count = count;
    to->plan.admin_us = 0;
    for (size_t i = 0; i < to->count; i++) {
        struct sim_action *a = &to->actions[i];
        if (sim_verb_class(a->verb) == SIM_CLASS_OP) a->client = bits(used & ((1u << a->client) - 1));
        a->from = moved_client((uint8_t)a->from, used);
    }
    for (size_t i = 0; i < to->span_count; i++) {
        to->spans[i].from = moved_client(to->spans[i].from, used);
        to->spans[i].to = moved_client(to->spans[i].to, used);
    }
    return true;
}

/* --- lines --- */

bool sim_shrink_plain(struct sim_action *a)
{
    struct sim_action before = *a;
    bool fate = sim_verb_class(a->verb) == SIM_CLASS_FATE;
    a->at_us -= a->at_us % MS;
    if (!fate) a->turn = 0;
    if (a->for_us > 0) a->for_us = (a->for_us + MS - 1) / MS * MS;
    if (a->verb == SIM_VERB_DELAY || a->verb == SIM_VERB_DUPLICATE || a->verb == SIM_VERB_START ||
        a->topic == SIM_TOPIC_LATE)
        a->amount = (a->amount + MS - 1) / MS * MS;
    if (a->verb == SIM_VERB_PUT) a->amount = PLAIN_BYTES;
    a->condition = SIM_CONDITION_NONE;
    a->fresh = a->jump = a->rejoin = false;
    return memcmp(&before, a, sizeof before) != 0;
}
