#include "sim/sim_record.h"

#include <stdlib.h>

#include "base/ms_assert.h"
#include "sim/sim_check.h"
#include "sim/sim_clock.h"

#define PRINTED_MAX 60u

struct record {
    uint64_t time_us;
    int64_t value;
    uint32_t member;
    uint8_t kind, what;
};

struct sim_records {
    struct record *items;
    size_t count, cap;
    uint32_t broken; /* bits: members whose disk is lost or damaged, and not whole again */
};

void sim_record_create(struct sim *s)
{
    s->records = calloc(1, sizeof *s->records);
    MS_ASSERT(s->records != NULL);
}

void sim_record_destroy(struct sim *s)
{
    free(s->records->items);
    free(s->records);
    s->records = NULL;
}

/* --- the budget --- */

/* Learners are on their way to be voters: with a broken disk they count, without they do not. */
static bool is_minority(const struct config *c, uint32_t set)
{
    uint32_t voters = 0, in = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        voters += config_is_voter(c, c->members[i].id);
        in += set >> (c->members[i].id - 1) & 1;
    }
    return 2 * in < voters;
}

bool sim_record_may_break(struct sim *s, uint32_t member)
{
    const struct config *c = sim_check_config(s);
    if (s->plan.beyond) return true;
    return c && !config_is_joint(c) && is_minority(c, s->records->broken | 1u << member);
}

bool sim_record_any_broken(const struct sim *s)
{
    return s->records->broken != 0;
}

static void check_disks(struct sim *s, const struct record *r)
{
    const struct config *c = sim_check_config(s);
    if (s->plan.beyond) {
        /* What cannot be told from the outside is promised nothing, and is not injected (zone c). */
        if (r->what != SIM_RECORD_WIPED) return;
    }
    if (c && is_minority(c, s->records->broken)) return;
    sim_fail(SIM_FAIL_ASSERTION, "LEDGER", "more disks are broken than is promised: members %x",
             s->records->broken);
}

static void check_clocks(struct sim *s, const struct record *r)
{
    if (!s->plan.leases || (r->value >= SIM_CLOCK_SLOW_PPM && r->value <= SIM_CLOCK_FAST_PPM)) return;
    sim_fail(SIM_FAIL_ASSERTION, "LEDGER", "the clock of m%u is %lld ppm off with lease reads",
             r->member + 1, (long long)r->value);
}

static void follow(struct sim *s, const struct record *r)
{
    switch (r->what) {
    case SIM_RECORD_WIPED:
    case SIM_RECORD_ROT:
    case SIM_RECORD_CUT:
    case SIM_RECORD_GONE:
    case SIM_RECORD_STATE:
    case SIM_RECORD_LIE:
        s->records->broken |= 1u << r->member;
        check_disks(s, r);
        break;
    case SIM_RECORD_WHOLE: s->records->broken &= ~(1u << r->member); break;
    case SIM_RECORD_RATE: check_clocks(s, r); break;
    default: break;
    }
}

/* --- printing --- */

static const char *const whats[] = { "",      "begin",  "end",    "for-ever", "crash",
                                     "wiped", "rot",    "cut",    "gone",     "whole",
                                     "rate",  "healed", "failed", "state",    "lie" };

static void print_one(FILE *f, const struct record *r)
{
    fprintf(f, "{\"t_us\":%llu,\"fault\":\"%s\",\"what\":\"%s\"", (unsigned long long)r->time_us,
            r->what == SIM_RECORD_HEALED ? "" : sim_fault_name((enum sim_fault_kind)r->kind),
            whats[r->what]);
    if (r->member != SIM_NOBODY) fprintf(f, ",\"member\":%u", r->member + 1);
    fprintf(f, ",\"value\":%lld}\n", (long long)r->value);
}

void sim_record_print(const struct sim *s, FILE *f)
{
    const struct sim_records *k = s->records;
    if (!k) return;
    size_t first = k->count > PRINTED_MAX ? k->count - PRINTED_MAX : 0;
    fprintf(f, "ledger: %zu faults, zone %s, lease reads %s, the last %zu:\n", k->count,
            s->plan.beyond ? "b (beyond, detectable)" : "a (inside)",
            s->plan.leases ? "possible" : "off", k->count - first);
    for (size_t i = first; i < k->count; i++) print_one(f, &k->items[i]);
}

const char *sim_record_what_name(uint32_t what)
{
    return what < sizeof whats / sizeof whats[0] ? whats[what] : NULL;
}

void sim_record_print_numbers(const struct sim *s, FILE *f)
{
    const struct sim_records *k = s->records;
    for (size_t i = 0; k && i < k->count; i++) {
        const struct record *r = &k->items[i];
        fprintf(f, "%s%llu,%d,%d,%d,%lld", i ? "," : "", (unsigned long long)r->time_us, r->kind,
                r->what, r->member == SIM_NOBODY ? -1 : (int)r->member, (long long)r->value);
    }
}

void sim_record(struct sim *s, enum sim_fault_kind kind, enum sim_record_what what, uint32_t member,
                int64_t value)
{
    struct sim_records *k = s->records;
    if (k->count == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 256;
        k->items = realloc(k->items, k->cap * sizeof *k->items);
        MS_ASSERT(k->items != NULL);
    }
    k->items[k->count] = (struct record){ .time_us = sim_now_us(s),
                                          .value = value,
                                          .member = member,
                                          .kind = (uint8_t)kind,
                                          .what = (uint8_t)what };
    const struct record *r = &k->items[k->count++];
    if (s->trace) print_one(stdout, r);
    follow(s, r);
}
