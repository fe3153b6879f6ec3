/* sim_condition.c: PUTs that are to be carried out on a condition only (RFC 9110, 13; docs/API.md). Whether one holds
 * is worked out here from what HTTP says of it, and held against what its entry did (K23). */
#include <stdio.h>

#include "sim/sim_truth.h"
#include "sim/sim_workload_private.h"

#define PURPOSE_CONDITION 311u
#define CONDITIONAL_ONE_IN 3u /* PUTs */
#define NO_REVISION 1u        /* an empty store has it, and no key */

void sim_condition_init(struct sim *s)
{
    ms_rand_init(&s->workload->condition_rand, s->plan.seed, PURPOSE_CONDITION);
}

void sim_condition_draw(struct sim *s, struct sim_op *op)
{
    struct ms_rand *r = &s->workload->condition_rand;
    if (!s->plan.conditions || ms_rand_below(r, CONDITIONAL_ONE_IN) != 0) return;
    op->demand.condition = (enum sim_condition)(1 + ms_rand_below(r, SIM_CONDITIONS - 1));
}

void sim_condition_decide(struct sim *s, struct sim_op *op)
{
    struct sim_demand *d = &op->demand;
    if (!d->condition) return;
    d->newest = sim_told_truth(s, op->key, UINT64_MAX)->mod;
    d->before = d->newest ? sim_told_truth(s, op->key, d->newest - 1)->mod : 0;
    if (d->newest == 0) d->newest = NO_REVISION;
    if (d->before == 0) d->before = NO_REVISION;
}

void sim_condition_headers(const struct sim_demand *d, char *out, size_t cap)
{
    unsigned long long newest = d->newest, before = d->before;
    int len = 0;
    switch (d->condition) {
    case SIM_CONDITION_ABSENT: len = snprintf(out, cap, "If-None-Match: *\r\n"); break;
    case SIM_CONDITION_PRESENT: len = snprintf(out, cap, "If-Match: *\r\n"); break;
    case SIM_CONDITION_NEWEST: len = snprintf(out, cap, "If-Match: \"%llu\"\r\n", newest); break;
    case SIM_CONDITION_BEFORE: len = snprintf(out, cap, "If-Match: \"%llu\"\r\n", before); break;
    case SIM_CONDITION_EITHER:
        len = snprintf(out, cap, "If-Match: \"%llu\", \"%llu\"\r\n", newest, before);
        break;
    case SIM_CONDITION_CHANGED: len = snprintf(out, cap, "If-None-Match: \"%llu\"\r\n", newest); break;
    case SIM_CONDITION_NEITHER:
        len = snprintf(out, cap, "If-None-Match: \"%llu\", \"%llu\"\r\n", newest, before);
        break;
    case SIM_CONDITION_ANOTHER:
        len = snprintf(out, cap, "If-Match: *\r\nIf-None-Match: \"%llu\"\r\n", newest);
        break;
    case SIM_CONDITION_NONE:
    case SIM_CONDITIONS: out[0] = 0; break;
    }
    MS_ASSERT(len >= 0 && (size_t)len < cap);
}

/* mod: the revision of the key; 0: there is none. */
static bool holds(const struct sim_demand *d, uint64_t mod)
{
    bool newest = mod == d->newest, before = mod == d->before;
    switch (d->condition) {
    case SIM_CONDITION_ABSENT: return mod == 0;
    case SIM_CONDITION_PRESENT: return mod != 0;
    case SIM_CONDITION_NEWEST: return newest;
    case SIM_CONDITION_BEFORE: return before;
    case SIM_CONDITION_EITHER: return newest || before;
    case SIM_CONDITION_CHANGED: return !newest;
    case SIM_CONDITION_NEITHER: return !newest && !before;
    case SIM_CONDITION_ANOTHER: return mod != 0 && !newest;
    case SIM_CONDITION_NONE:
    case SIM_CONDITIONS: break;
    }
    return true;
}

void sim_condition_applied(struct sim *s, uint64_t n, const struct sim_op *op, bool done)
{
    uint64_t mod = sim_told_truth(s, op->key, op->revision - done)->mod;
    if (op->demand.condition) sim_rare(s, done ? SIM_RARE_CONDITION_HELD : SIM_RARE_CONDITION_FAILED);
    if (holds(&op->demand, mod) == done) return;
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "operation %llu is %s if %s, of revisions %llu and %llu: k%u was of revision %llu",
             (unsigned long long)n, done ? "done" : "not done",
             sim_condition_name(op->demand.condition), (unsigned long long)op->demand.newest,
             (unsigned long long)op->demand.before, op->key, (unsigned long long)mod);
}
