/* raft_check.c: the invariants of raft.h by number, on the state and on its change since the last step.
 * What costs more than a few comparisons is done in debug builds only, and bounded there too. */
#include "raft/raft_private.h"

/* R3, R1, R4, and that nothing committed or applied is taken back. */
static void check_change(const struct raft *r)
{
    const struct raft_seen *s = &r->seen;
    MS_ASSERT(r->term >= s->term);
    if (r->term == s->term && s->vote != 0) MS_ASSERT(r->vote == s->vote);
    MS_ASSERT(r->commit_index >= s->commit_index);
    MS_ASSERT(r->applied_index >= s->applied_index);
    bool leads_on = r->role == RAFT_LEADER && s->role == RAFT_LEADER && r->term == s->term;
    if (!leads_on) return;
    MS_ASSERT(r->log.last_index >= s->last_index);
    bool hands_over = r->transfer_out.to != 0 && r->transfer_out.to == s->transfer_to;
    if (hands_over) MS_ASSERT(r->log.last_index == s->last_index); /* R9 */
    /* An installed snapshot holds committed entries, of whatever term. */
    if (r->commit_index > s->commit_index && r->commit_index > r->log.covered_index) {
        MS_ASSERT(raft_log_term(&r->log, r->commit_index) == r->term);
    }
}

static void check_state(const struct raft *r)
{
    const struct raft_log *l = &r->log;
    MS_ASSERT(r->commit_index <= l->last_index); /* R1 */
    MS_ASSERT(r->applied_index <= r->commit_index);
    MS_ASSERT(l->stored_index <= l->last_index && l->covered_index <= l->last_index); /* R2 */
    MS_ASSERT(l->base_index <= l->stored_index);
    MS_ASSERT(r->durable_term <= r->term);
    if (r->store.under_way) MS_ASSERT(r->store.last_index <= l->last_index);
    MS_ASSERT(l->ring_first > l->base_index && l->ring_first <= l->last_index + 1);
    MS_ASSERT(l->config_index >= l->settled_index); /* R6 */
    MS_ASSERT(l->config_index <= l->last_index);
    if (r->role == RAFT_LEADER)
        MS_ASSERT(r->leader == r->opts.id && r->vote == r->opts.id && !r->abstain);
    if (r->role == RAFT_CANDIDATE) MS_ASSERT(r->leader == 0 && r->vote == r->opts.id);
    if (r->role == RAFT_PRE_CANDIDATE) MS_ASSERT(r->leader == 0);
    if (r->doubting) MS_ASSERT(r->role == RAFT_FOLLOWER && r->leader != 0);
    if (r->role != RAFT_LEADER) MS_ASSERT(r->peer_count == 0 && r->remote_count == 0);
    uint64_t heir = r->transfer_out.to; /* R9 */
    if (heir) MS_ASSERT(r->role == RAFT_LEADER && config_is_voter(&l->config, heir));
    if (config_is_joint(&l->config)) MS_ASSERT(!config_has_wish(&l->config));
}

static void check_peers(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        MS_ASSERT(p->match < p->next); /* R7 */
        MS_ASSERT(p->match >= p->seen_match);
        MS_ASSERT(p->next <= r->log.last_index + 1);
        MS_ASSERT(p->counted_match <= p->match);
        MS_ASSERT(p->counted_round <= r->round);
        if (p->state == RAFT_PEER_PROBE) MS_ASSERT(p->inflight_count == 0 && p->inflight_bytes == 0);
        if (p->inflight_count == 0) MS_ASSERT(p->inflight_bytes == 0);
        p->seen_match = p->match;
    }
}

#ifdef MS_DEBUG
#define CHECK_ENTRIES_MAX 64u

/* R8 in the newest entries and in all runs; L1 to L3 of raft_log.c. */
static void check_log(const struct raft *r)
{
    const struct raft_log *l = &r->log;
    uint64_t from = l->ring_first;
    if (l->last_index > CHECK_ENTRIES_MAX && from < l->last_index - CHECK_ENTRIES_MAX) {
        from = l->last_index - CHECK_ENTRIES_MAX;
    }
    for (uint64_t i = from; i <= l->last_index; i++) {
        const struct entry_ref *e = raft_log_entry(l, i);
        MS_ASSERT(e != NULL && e->index == i && e->term == raft_log_term(l, i));
        MS_ASSERT(e->term >= raft_log_term(l, i - 1) && e->term <= r->term);
    }
    for (uint32_t i = 0; i < l->run_count; i++) {
        uint64_t before = i ? l->runs[i - 1].first_index : l->base_index;
        MS_ASSERT(l->runs[i].first_index > before && l->runs[i].first_index <= l->last_index);
        if (i) MS_ASSERT(l->runs[i].term > l->runs[i - 1].term);
    }
    if (l->last_index > l->base_index) {
        MS_ASSERT(l->run_count > 0 && l->runs[0].first_index == l->base_index + 1);
    } else {
        MS_ASSERT(l->run_count == 0);
    }
}

/* R6: the configuration in force, decoded again from where it stands. */
static void check_config(struct raft *r)
{
    const struct raft_log *l = &r->log;
    if (l->config_first == l->config_end) {
        MS_ASSERT(l->config_index == l->settled_index);
        return;
    }
    MS_ASSERT(l->config_at[l->config_end - 1] == l->config_index);
    MS_ASSERT(l->config_at[l->config_first] > l->settled_index);
    const struct entry_ref *e = raft_log_entry(l, l->config_index);
    MS_ASSERT(e != NULL);
    int rv = raft_log_config_of(entry_ref_payload(e), l->config_index, &r->scratch_config);
    MS_ASSERT(rv == 1 && config_equal(&r->scratch_config, &l->config));
    /* A leader has at most one that is not committed; who follows may not know yet what is. */
    bool several = l->config_end - l->config_first > 1;
    bool own = r->role == RAFT_LEADER && raft_log_term(l, l->config_index) == r->term;
    if (own && several) MS_ASSERT(l->config_at[l->config_end - 2] <= r->commit_index);
}
#endif

void raft_check(struct raft *r)
{
    check_change(r);
    check_state(r);
    check_peers(r);
#ifdef MS_DEBUG
    check_log(r);
    check_config(r);
#endif
    r->seen = (struct raft_seen){ .term = r->term,
                                  .vote = r->vote,
                                  .commit_index = r->commit_index,
                                  .last_index = r->log.last_index,
                                  .applied_index = r->applied_index,
                                  .transfer_to = r->transfer_out.to,
                                  .role = r->role };
}
