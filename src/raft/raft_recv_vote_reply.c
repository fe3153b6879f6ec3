/* raft_recv_vote_reply.c: counting of votes and pre-votes. */
#include "raft/raft_private.h"

/* A reply counts in the campaign that asked for it, and only there: a pre-vote is never taken for a
 * vote, one of an earlier term never for one of this (BUGS B40, B61). */
static bool is_of_campaign(const struct raft *r, const struct raft_msg *m)
{
    bool doubts = r->doubting && raft_leader_stands_still(r);
    if (r->role == RAFT_PRE_CANDIDATE || doubts)
        return m->vote_reply.pre && m->vote_reply.asked_term == r->term + 1;
    if (r->role == RAFT_CANDIDATE) return !m->vote_reply.pre && m->vote_reply.asked_term == r->term;
    return false;
}

int raft_recv_vote_reply(struct raft *r, const struct raft_msg *m)
{
    if (m->vote_reply.granted && m->term > m->vote_reply.asked_term) return MS_EPROTO;
    if (m->vote_reply.granted && !m->vote_reply.pre && m->term != m->vote_reply.asked_term) {
        return MS_EPROTO;
    }
    if (m->term > r->term) { /* BUGS B18, B89: a higher term is learned from any reply */
        raft_become_follower(r, m->term, 0);
        return 0;
    }
    if (!is_of_campaign(r, m) || r->ask_due) return 0;
    if (m->vote_reply.abstain) return 0; /* neither for nor against (DESIGN 4) */
    raft_tally_add(r, m->from, m->vote_reply.granted);
    raft_tally_decide(r);
    return 0;
}
