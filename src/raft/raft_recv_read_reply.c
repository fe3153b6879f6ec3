/* raft_recv_read_reply.c: the leader has confirmed a read, or cannot. */
#include "raft/raft_private.h"

int raft_recv_read_reply(struct raft *r, const struct raft_msg *m)
{
    if (m->term > r->term) {
        raft_become_follower(r, m->term, 0); /* has failed all reads that were asked in the old term */
        return 0;
    }
    if (m->term < r->term || m->from != r->leader) return 0;
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (r->reads[i].token != m->read_reply.token || !r->reads[i].sent) continue;
        int status = m->read_reply.status < 0 ? MS_ENOLEADER : 0;
        raft_put_read(r, m->read_reply.token, m->read_reply.index, status);
        r->read_count--;
        memmove(&r->reads[i], &r->reads[i + 1], (r->read_count - i) * sizeof r->reads[0]);
        return 0;
    }
    return 0;
}
