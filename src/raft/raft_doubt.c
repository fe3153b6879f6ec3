/* raft_doubt.c: a leader that is answered, and commits or takes nothing.
 *
 * Check-quorum counts answers, and a member whose disk stands still answers: so a leader may keep a quorum
 * that cannot store anything for it, while others, whom it does not reach, could. Those who follow it see
 * that what they have stored of its own term is not committed. Whoever hears it without a gap and sees that for
 * RAFT_DOUBT_TIMEOUTS election timeouts asks for pre-votes, and grants them. A quorum that agrees, or hears
 * no leader at all, elects another one (diss. 9.6 for why that is safe). The asker goes on following: the next
 * heartbeat comes before the answers, and where there is no quorum nothing has changed.
 *
 * A leader that lacks room on disks (raft_room.c) has nothing to commit, and takes nothing: others, whom it does
 * not reach, may have room. So those with room doubt it likewise, after as long a time in which it says so. The next
 * one may find no quorum with room either, and be doubted by those that do not reach whom it reaches: each time that is
 * so in a row the patience doubles, or they would take turns for ever, each with an entry into full disks.
 *
 * As with closed connections this rests on nobody counting on the patience of voters: while reads by lease
 * are on, leaders do (diss. 6.4.1), so nobody doubts. */
#include "raft/raft_private.h"

#define RAFT_DOUBT_TIMEOUTS 4u
#define RAFT_DOUBT_DOUBLINGS_MAX 4u
#define RAFT_DOUBT_STEPS 8u /* so that not all ask at the same moment */

/* Whether an entry of the leader's own term is stored here. Before that it may have much to send, and commits none
 * of it (Raft, 5.4.2). */
static bool holds_own_term(const struct raft *r)
{
    uint64_t stored = raft_log_durable(&r->log);
    uint64_t same = stored < r->follow.verified ? stored : r->follow.verified;
    return same > r->commit_index && raft_log_term(&r->log, same) == r->term;
}

static uint64_t patience_ms(const struct raft *r)
{
    return RAFT_DOUBT_TIMEOUTS * (uint64_t)r->opts.election_ms_min;
}

bool raft_leader_stands_still(const struct raft *r)
{
    if (r->role != RAFT_FOLLOWER || r->leader == 0 || r->log.config.lease_ms > 0) return false;
    if (r->lacks && r->now_ms >= r->lacks_ms + (patience_ms(r) << r->lacks_terms)) return true;
    return holds_own_term(r) && r->now_ms >= r->waiting_ms + patience_ms(r);
}

static void doubt_later(struct raft *r)
{
    r->waiting_ms = r->lacks_ms = r->now_ms;
}

void raft_doubt_next(struct raft *r)
{
    if (r->lacks && r->lacks_terms < RAFT_DOUBT_DOUBLINGS_MAX) r->lacks_terms++;
    doubt_later(r);
}

void raft_doubt_heard(struct raft *r)
{
    bool gap = r->now_ms > r->leader_heard_ms + r->opts.election_ms_min;
    if (gap)
        doubt_later(r); /* what it committed meanwhile, or found room for, it could not tell */
}

void raft_doubt_leader(struct raft *r)
{
    uint64_t timeout_ms = r->opts.election_ms_min;
    if (!holds_own_term(r)) r->waiting_ms = r->now_ms;
    if (!r->lacks && r->now_ms >= r->lacks_ms + patience_ms(r)) r->lacks_terms = 0;
    if (!raft_leader_stands_still(r) || r->now_ms < r->doubt_ms || !raft_may_campaign(r)) return;
    r->doubt_ms = r->now_ms + RAFT_DOUBT_TIMEOUTS * timeout_ms +
                  r->opts.id % RAFT_DOUBT_STEPS * timeout_ms / RAFT_DOUBT_STEPS;
    r->doubting = r->ask_due = true;
    r->tally.count = 0;
}
