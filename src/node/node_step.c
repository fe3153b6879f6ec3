/* node_step.c: inputs into raft, and raft's outputs to where they belong. */
#include "node/node_private.h"

bool node_send_stream(struct node *n, uint64_t to, enum node_frame type)
{
    MS_ASSERT(node_frame_is_of_stream((uint8_t)type) && !n->frame.failed);
    return n->host.send_stream(n->host.ctx, to, (uint8_t)type, buf_bytes(&n->frame));
}

void node_send_frame(struct node *n, uint64_t to, enum node_frame type)
{
    if (n->frame.failed) {
        log_line(n->log, LOG_WARN, "a frame of type %d for member %llu was dropped: no memory",
                 (int)type, (unsigned long long)to);
        return;
    }
    n->host.send(n->host.ctx, to, (uint8_t)type, buf_bytes(&n->frame));
}

static void send_message(struct node *n, const struct raft_msg *m)
{
    buf_clear(&n->frame);
    raft_msg_encode(&n->frame, m);
    node_send_frame(n, m->to, NODE_FRAME_RAFT);
}

static void put_out(struct node *n, const struct raft_output_item *item)
{
    switch (item->kind) {
    case RAFT_OUTPUT_SEND: send_message(n, &item->message); break;
    case RAFT_OUTPUT_READ:
        if (!node_on_read_index(n, item->read.token, item->read.index, item->read.status))
            node_repair_confirmed(n, item->read.token, item->read.status);
        break;
    case RAFT_OUTPUT_SNAPSHOT: node_send_begin(n, item->peer); break;
    case RAFT_OUTPUT_FETCH:
        node_fetch(n, item->fetch.peer, item->fetch.first_index, item->fetch.last_index);
        break;
    }
}

/* What follows when the term or the leader is another one than before. */
static void notice_leader(struct node *n)
{
    uint64_t term = raft_term(n->raft), leader = raft_leader(n->raft);
    if (term == n->seen_term && leader == n->seen_leader) return;
    n->seen_term = term;
    n->seen_leader = leader;
    if (leader != n->opts.id) node_sends_abort(n);
    if (leader == 0) return;
    node_propose_relink(n);
    n->reads.retry_ms = 0;
    n->repair_index = n->repair_first = 0;
}

/* None of what put_out() calls may step raft again: the items borrow from the replica. */
int node_step(struct node *n, const struct raft_input *in)
{
    if (n->failed) return MS_ESTOPPED;
    int rv = raft_step(n->raft, n->now_ms, in, &n->out);
    for (uint32_t i = 0; i < n->out.count; i++) put_out(n, &n->out.items[i]);
    n->out.count = 0;
    if (rv <= MS_EFATAL) node_fail(n, rv, "raft cannot go on");
    notice_leader(n);
    return rv;
}

int node_step_kind(struct node *n, enum raft_input_kind kind)
{
    struct raft_input in = { .kind = kind };
    return node_step(n, &in);
}

void node_on_raft_frame(struct node *n, uint64_t from, struct bytes body)
{
    struct raft_msg m;
    int rv = raft_msg_decode(body, n->decoded, &m);
    if (rv == 0 && m.from != from) rv = MS_EPROTO;
    if (rv == 0) {
        struct raft_input in = { .kind = RAFT_INPUT_MESSAGE, .message = &m };
        rv = node_step(n, &in);
    }
    if (rv < 0 && rv != MS_ESTOPPED) {
        log_line(n->log, LOG_WARN, "a raft message from member %llu was refused: %s",
                 (unsigned long long)from, ms_err_text(rv));
    }
}
