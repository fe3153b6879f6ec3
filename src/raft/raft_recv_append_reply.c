/* raft_recv_append_reply.c: what a follower says about its log, on the leader (Raft, 5.3). */
#include "raft/raft_private.h"

int raft_recv_append_reply(struct raft *r, const struct raft_msg *m)
{
    if (m->term > r->term) {
        raft_become_follower(r, m->term, 0); /* Raft, 5.1 */
        return 0;
    }
    if (m->term < r->term || r->role != RAFT_LEADER) return 0;
    if (m->append_reply.ok && m->append_reply.match_index > r->log.last_index) return MS_EPROTO;
    if (m->append_reply.round > r->round) return MS_EPROTO; /* a round that was never begun */
    struct raft_peer *p = raft_peer_find(r, m->from);
    if (!p) return 0; /* no member any more, and not waited for */
    p->abstains = m->append_reply.abstain;
    p->full = m->append_reply.full;
    p->closed = m->append_reply.closed;
    p->reply_ms = r->now_ms;
    if (!p->abstains) {
        p->heard_ms = r->now_ms;
        p->answered = true;
        if (m->append_reply.round > p->counted_round) p->counted_round = m->append_reply.round;
    }
    if (m->append_reply.ok)
        raft_peer_took(r, p, m->append_reply.match_index);
    else
        raft_peer_rejected(r, p, m);
    return 0;
}
