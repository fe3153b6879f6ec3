/* raft_recv_read.c: a member asks the leader for a read index (diss. 6.4). */
#include "raft/raft_private.h"

static void refuse(struct raft *r, const struct raft_msg *m, int status)
{
    struct raft_msg reply = { .type = RAFT_MSG_READ_REPLY, .to = m->from };
    if (!raft_term_is_durable(r)) return; /* the asker's patience ends by itself */
    reply.read_reply.token = m->read.token;
    reply.read_reply.status = (int16_t)status;
    raft_send(r, &reply);
}

int raft_recv_read(struct raft *r, const struct raft_msg *m)
{
    if (m->term > r->term) raft_become_follower(r, m->term, 0);
    if (r->role != RAFT_LEADER || m->term < r->term) {
        refuse(r, m, MS_ENOLEADER);
        return 0;
    }
    for (uint32_t i = 0; i < r->remote_count; i++) {
        if (r->remote[i].from == m->from && r->remote[i].token == m->read.token)
            return 0; /* duplicate */
    }
    if (r->remote_count == RAFT_REMOTE_READS_MAX) {
        refuse(r, m, MS_EBUSY);
        return 0;
    }
    r->remote[r->remote_count++] =
        (struct raft_read){ .token = m->read.token, .from = m->from, .asked_ms = r->now_ms };
    return 0;
}
