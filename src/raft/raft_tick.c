/* raft_tick.c: what time, and a closed connection, bring about. */
#include "raft/raft_private.h"

/* A leader whom no quorum has answered for an election timeout serves nobody: it makes room for
 * another, and its clients look elsewhere (diss. 6.2; BUGS B63). */
static void check_quorum(struct raft *r)
{
    r->check_ms = r->now_ms + r->opts.election_ms_min;
    if (raft_quorum(r, &r->log.config, raft_may_live)) return;
    log_line(r->log_sink, LOG_WARN, "raft: no answers from a quorum: stepping down in term %llu",
             (unsigned long long)r->term);
    raft_become_follower(r, r->term, 0);
}

/* Who may not campaign has to notice all the same that nobody leads it any more. */
static void election_timeout(struct raft *r)
{
    if (r->leader != 0 && !raft_may_campaign(r)) raft_become_follower(r, r->term, 0);
    raft_campaign(r, RAFT_CAMPAIGN_PRE);
}

int raft_on_tick(struct raft *r)
{
    if (r->role == RAFT_LEADER) check_quorum(r); /* who steps down has a fresh timeout */
    if (r->role != RAFT_LEADER && r->now_ms >= r->election_ms) election_timeout(r);
    return 0;
}

static void link_of_peer(struct raft *r, uint64_t peer, bool up)
{
    struct raft_peer *p = raft_peer_find(r, peer);
    if (!p) return;
    /* What was under way on the old connection is lost; the new one is tried at once. */
    if (!up && p->state == RAFT_PEER_REPLICATE) raft_peer_probe(p, p->match + 1);
    if (!up) p->answered = false; /* it hears nothing of us: to be live it has to answer anew */
    if (!up) raft_transfer_lost(r, peer);
    if (up) p->heartbeat_ms = r->now_ms;
}

/* A process that dies closes its connections: no need to wait for the whole timeout. Pre-vote makes it
 * safe, a random delay keeps the others from asking at the same moment (DESIGN 7). */
int raft_on_link(struct raft *r, uint64_t peer, bool up)
{
    if (r->role == RAFT_LEADER) {
        link_of_peer(r, peer, up);
        return 0;
    }
    if (r->role != RAFT_FOLLOWER || peer == 0 || peer != r->leader) return 0;
    if (up && r->leader_link_down) raft_arm_election(r);
    r->leader_link_down = !up;
    if (up || !raft_may_campaign(r) || r->log.config.lease_ms > 0) return 0;
    uint64_t delay =
        ms_rand_below(&r->rand_link, r->opts.election_ms_min / RAFT_LINK_DELAY_DIVISOR + 1);
    r->election_ms = ms_time_min(r->election_ms, r->now_ms + delay);
    return 0;
}

uint64_t raft_deadline_ms(const struct raft *r)
{
    uint64_t deadline = r->peer_count > 0 ? r->check_ms : MS_TIME_NEVER;
    if (!r->started || r->replies_left) return r->now_ms;
    if (r->role != RAFT_LEADER) return r->election_ms;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        deadline = ms_time_min(deadline, r->peers[i].heartbeat_ms);
    }
    return deadline;
}
