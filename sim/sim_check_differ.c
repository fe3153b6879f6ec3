/* sim_check_differ.c: K24: a member whose state became another one behind its back (sim_faults_state.c) notices
 * it, stops with its word, begins anew, and is equal again; nobody else ever stops for that. Until it has
 * noticed, what it answers to reads is exempt, and its digests are no measure for others; all else holds. */
#include "node/node_private.h"
#include "sim/sim_check_private.h"
#include "sim/sim_record.h"

void sim_check_differs_now(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    c->differs = true;
    c->knows = false;
}

/* It is a member, or may become one again. */
static bool counts(const struct sim *s, uint32_t index)
{
    const struct sim_member *m = &s->cluster->members[index];
    const struct config *config = sim_check_config(s);
    return m->state != SIM_MEMBER_GONE && !m->left_down && config && config_find(config, m->id);
}

bool sim_check_any_differs(const struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if (s->check->members[i].differs && counts(s, i)) return true;
    }
    return false;
}

bool sim_check_differs(const struct sim *s, uint32_t index)
{
    const struct chk_member *c = &s->check->members[index];
    return c->differs || c->wrong_kept;
}

bool sim_check_may_lie(const struct sim *s, uint32_t index, uint64_t since_us)
{
    const struct chk_member *c = &s->check->members[index];
    return (c->differs && !c->knows) || since_us < c->differed_us;
}

/* What it says from here on has to be right. */
static void lies_no_more(struct sim *s, struct chk_member *c)
{
    if (!c->knows) c->differed_us = sim_now_us(s);
}

void chk_differ_over(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->differs) return;
    lies_no_more(s, c);
    c->differs = c->knows = c->told = false;
    if (!c->harmed && !c->broken) sim_record(s, SIM_FAULT_DIVERGE, SIM_RECORD_WHOLE, m->index, 0);
}

void chk_differ_look(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->differs || c->knows || !node_digest_is_wrong(sim_member_node(m))) return;
    lies_no_more(s, c);
    c->knows = true;
}

void sim_check_tells_difference(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->differs) {
        sim_fail(SIM_FAIL_SAFETY, "K24", "m%u says that its state differs, and it does not",
                 m->index + 1);
    }
    lies_no_more(s, c);
    c->knows = c->told = true;
    sim_rare(s, SIM_RARE_DIFFERED);
}

bool sim_check_spreads(const struct sim *s, const struct sim_member *m)
{
    return s->check->members[m->index].spreads;
}

/* It comes back without its state, or with one from before the fault, or with that one. */
void chk_differ_restart(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    struct kv_info info;
    c->spreads = false;
    if (!c->differs) return;
    kv_info(m->kv, &info);
    const struct chk_applied *a =
        info.applied_index > 0 ? chk_applied_at(s->check, info.applied_index) : NULL;
    bool equal = a && a->digest_known && memcmp(&a->digest, &info.digest, sizeof info.digest) == 0;
    if (a && !equal && c->told && !c->lie_lost) {
        sim_fail(SIM_FAIL_SAFETY, "K24", "m%u has said that its state differs, and comes back with it",
                 m->index + 1);
    }
    if (a && !equal) {
        c->knows = c->told = false;
        return;
    }
    if (c->told) sim_rare(s, SIM_RARE_REBUILT);
    sim_check_harmed(s, m); /* its log may begin behind what is gone: then it abstains (K17) */
    chk_differ_over(s, m);
}

void sim_check_difference_late(const struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if (!s->check->members[i].differs || !counts(s, i)) continue;
        sim_fail(SIM_FAIL_LIVENESS, "K24",
                 "the state of m%u differs from that of the others long after the end of all faults",
                 i + 1);
    }
}
