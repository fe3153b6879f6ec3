/* raft_recv_timeout_now.c: the leader wishes this member to take over (diss. 3.10). */
#include "raft/raft_private.h"

int raft_recv_timeout_now(struct raft *r, const struct raft_msg *m)
{
    if (m->term < r->term) return 0;
    if (m->term == r->term && (r->role == RAFT_LEADER || (r->leader && r->leader != m->from))) {
        return MS_EPROTO; /* only the leader of the term sends it */
    }
    raft_follow_leader(r, m->term, m->from);
    raft_campaign(r, RAFT_CAMPAIGN_TRANSFER); /* looks by itself whether it may (BUGS B66) */
    return 0;
}
