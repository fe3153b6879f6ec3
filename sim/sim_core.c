#include "sim/sim_core.h"

#include <stdio.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_check.h"
#include "sim/sim_cluster.h"

#define TOO_SMALL_ONE_IN 10u                 /* cores of one member: the proof has to be able to hold */
#define OUTSIDE_LEADER_US UINT64_C(20000000) /* so long the core has to find one of its own */
#define VOTER_TIMEOUTS 2u                    /* so long a voter waits for a leader at most */

/* --- drawing --- */

/* It votes, and its votes count. */
static bool is_eligible(struct sim *s, uint32_t index)
{
    const struct sim_member *m = sim_member_at(s, index);
    if (m->left_down || sim_check_is_broken(s, index)) return false;
    if (m->state != SIM_MEMBER_UP && sim_check_was_harmed(s, index)) return false; /* it may be about to stay down for that */
    return m->state != SIM_MEMBER_GONE && m->attached && config_is_voter(sim_check_config(s), m->id);
}

/* Whether the set (bits by index) is a quorum of what is committed. A newer configuration may stand in
 * the log of some member: then it may turn out that the core is none (sim_core_is_hopeless()). */
static bool is_enough(const struct sim *s, uint32_t set)
{
    return sim_check_is_quorum(sim_check_config(s), set << 1);
}

bool sim_core_may_be(struct sim *s, uint32_t set)
{
    if (!sim_check_config(s) || set >> s->cluster->count || sim_check_any_differs(s)) return false;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if ((set >> i & 1) && !is_eligible(s, i)) return false;
    }
    bool single = (set & (set - 1)) == 0;
    return set != 0 && (single || is_enough(s, set));
}

/* A core that has to find a leader of its own tells more. */
static void put_last(uint32_t *order, uint32_t count, uint32_t index)
{
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (order[i] != index) continue;
        order[i] = order[i + 1];
        order[i + 1] = index;
    }
}

bool sim_core_draw(struct sim *s)
{
    struct ms_rand r;
    uint32_t order[SIM_MEMBERS_MAX], count = 0, set = 0;
    ms_rand_init(&r, s->plan.seed, 40);
    if (!sim_check_config(s)) return false;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if (!is_eligible(s, i)) continue;
        uint32_t at = (uint32_t)ms_rand_below(&r, count + 1);
        order[count++] = order[at];
        order[at] = i;
    }
    const struct sim_member *leader = sim_cluster_leader(s);
    if (leader && ms_rand_below(&r, 3) == 0) put_last(order, count, leader->index);
    bool small = ms_rand_below(&r, TOO_SMALL_ONE_IN) == 0;
    for (uint32_t i = 0; i < count && !(small && set); i++) {
        if (!is_enough(s, set) || ms_rand_below(&r, 4) == 0) set |= 1u << order[i];
    }
    if (set == 0 || (!small && !is_enough(s, set))) return false;
    s->core = set;
    return true;
}

/* --- what is asked of it --- */

static bool reach_each_other(struct sim *s, uint32_t a, uint32_t b)
{
    return !sim_net_link(s->net, a, b)->blocked && !sim_net_link(s->net, b, a)->blocked;
}

bool sim_core_reaches(struct sim *s, uint32_t index)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if (sim_in_core(s, i) && !reach_each_other(s, index, i)) return false;
    }
    return true;
}

/* A leader whom some member of the core follows in this moment. */
static bool is_followed(struct sim *s, const struct sim_member *leader)
{
    uint64_t term = raft_term(node_raft(sim_member_node(leader)));
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (!sim_in_core(s, i) || m->state != SIM_MEMBER_UP) continue;
        const struct raft *r = node_raft(sim_member_node(m));
        if (raft_term(r) == term && raft_leader(r) == leader->id) return true;
    }
    return false;
}

bool sim_core_expects(struct sim *s, uint32_t index)
{
    if (sim_check_waits(s, index) || (s->core == SIM_CORE_ALL && sim_member_at(s, index)->left_down)) {
        return false;
    }
    /* It was removed and has stopped for good; to name its id again does not bring it back. */
    if (sim_member_at(s, index)->state == SIM_MEMBER_GONE) return false;
    if (s->core == SIM_CORE_ALL) return true;
    if (!sim_in_core(s, index)) return false;
    if (sim_now_us(s) < s->healed_us + OUTSIDE_LEADER_US) return true;
    const struct sim_member *leader = sim_cluster_leader(s);
    if (!leader || sim_in_core(s, leader->index) || !is_followed(s, leader)) return true;
    if (reach_each_other(s, index, leader->index)) return true;
    sim_rare(s, SIM_RARE_OUTSIDE_LEADER);
    return false;
}

static bool lost_lately(struct sim *s, uint32_t from, uint32_t to)
{
    uint64_t timeout_us = 1000 * (uint64_t)s->plan.member.node.raft.election_ms_min;
    uint64_t lost_us = sim_net_link(s->net, from, to)->lost_us;
    return lost_us != 0 && sim_now_us(s) <= lost_us + VOTER_TIMEOUTS * timeout_us;
}

bool sim_core_excuses_end(struct sim *s, uint32_t leader)
{
    const struct sim_member *m = sim_member_at(s, leader);
    const struct config *c = raft_config(node_raft(sim_member_node(m)));
    uint32_t reached = 1u << m->id, kept = reached;
    if (s->phase == SIM_PHASE_SAFETY || s->core == SIM_CORE_ALL || is_enough(s, s->core)) return false;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        uint32_t bit = 1u << sim_member_at(s, i)->id;
        if (!reach_each_other(s, leader, i)) continue;
        reached |= bit;
        if (!lost_lately(s, leader, i) && !lost_lately(s, i, leader)) kept |= bit;
    }
    return sim_check_is_quorum(c, reached) && !sim_check_is_quorum(c, kept);
}

const char *sim_core_text(const struct sim *s, char out[SIM_CORE_TEXT_BYTES])
{
    size_t len = (size_t)snprintf(out, SIM_CORE_TEXT_BYTES, "the core");
    if (s->core == SIM_CORE_ALL) return "all members";
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        if (sim_in_core(s, i))
            len += (size_t)snprintf(out + len, SIM_CORE_TEXT_BYTES - len, " m%u", i + 1);
    }
    return out;
}

/* --- the proof --- */

static bool is_up_to_date(const struct raft *candidate, const struct raft *voter)
{
    uint64_t last = raft_durable_index(candidate), its = raft_durable_index(voter);
    uint64_t term = raft_term_at(candidate, last), its_term = raft_term_at(voter, its);
    return term != its_term ? term > its_term : last >= its;
}

/* Who in the core would vote for the candidate (bits by id). */
static uint32_t voters_for(struct sim *s, const struct raft *candidate)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (!sim_in_core(s, i) || m->state != SIM_MEMBER_UP) continue;
        const struct raft *r = node_raft(sim_member_node(m));
        if (!raft_abstains(r) && is_up_to_date(candidate, r)) set |= 1u << m->id;
    }
    return set;
}

bool sim_core_is_hopeless(struct sim *s, char *why, size_t why_cap)
{
    size_t len = 0;
    if (s->core == SIM_CORE_ALL) return false;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (!sim_in_core(s, i)) continue;
        if (m->state == SIM_MEMBER_GONE) continue;
        if (m->state != SIM_MEMBER_UP) return false; /* nothing in the core excuses that */
        const struct raft *r = node_raft(sim_member_node(m));
        uint32_t votes = voters_for(s, r);
        bool stands = !raft_abstains(r) && config_is_voter(raft_config(r), m->id);
        if (stands && sim_check_is_quorum(raft_config(r), votes)) return false;
        int more = snprintf(why + len, why_cap - len, "m%u %s; ", i + 1,
                            raft_abstains(r) ? "abstains"
                            : stands         ? "gets no quorum of the configuration in its log"
                                             : "is no voter by its log");
        if (more > 0 && len + (size_t)more < why_cap) len += (size_t)more;
    }
    return true;
}
