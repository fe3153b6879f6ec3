/* node_transfer.c: the leadership is handed over, by a client's wish or because this member goes (diss.
 * 3.10). What a wish asks for is a fact that everybody sees, who leads; so it is passed on to the
 * leader until that is so, and answered by looking. */
#include "node/node_private.h"

int node_transfer(struct node *n, uint64_t now_ms, uint64_t token, uint64_t target)
{
    const struct config *c = node_config(n);
    struct node_transfers *t = &n->transfers;
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (target && !config_find(c, target)) return MS_ENOTFOUND;
    if (target && !config_is_voter(c, target)) return MS_ECONFLICT;
    if (!target && config_voter_count(c) < 2) return MS_ECONFLICT; /* to whom? */
    if (t->count == NODE_TRANSFERS_MAX) return MS_EBUSY;
    t->items[t->count++] = (struct node_transfer){ .token = token,
                                                   .target = target,
                                                   .from = raft_leader(n->raft),
                                                   .deadline_ms = now_ms + n->opts.request_ms_max };
    t->again_ms = now_ms;
    return 0;
}

/* Ask whoever leads. A refusal says that it is not possible now: asked again. */
static void ask(struct node *n, uint64_t target)
{
    struct raft_input in = { .kind = RAFT_INPUT_TRANSFER, .peer = target };
    struct node_transfer_wish m = { .term = raft_term(n->raft), .target = target };
    uint64_t leader = raft_leader(n->raft);
    if (leader == n->opts.id) {
        node_step(n, &in);
    } else if (leader) {
        buf_clear(&n->frame);
        node_transfer_encode(&n->frame, &m);
        node_send_frame(n, leader, NODE_FRAME_TRANSFER);
    }
}

void node_on_transfer(struct node *n, struct bytes body)
{
    struct node_transfer_wish m;
    if (node_transfer_decode(body, &m) < 0 || !node_is_leader(n)) return;
    if (m.term != raft_term(n->raft)) return;
    struct raft_input in = { .kind = RAFT_INPUT_TRANSFER, .peer = m.target };
    node_step(n, &in);
}

static bool has_come_true(const struct node *n, const struct node_transfer *t)
{
    uint64_t leader = raft_leader(n->raft);
    if (t->target) return leader == t->target;
    return leader && t->from && leader != t->from;
}

static void look(struct node *n, bool again)
{
    struct node_transfers *t = &n->transfers;
    uint32_t kept = 0, count = t->count;
    t->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct node_transfer item = t->items[i];
        if (has_come_true(n, &item)) {
            node_answer_status(n, item.token, 0, NULL);
        } else if (item.deadline_ms <= n->now_ms) {
            node_answer_status(n, item.token, MS_ENOLEADER,
                               "nobody has taken over within the request timeout");
        } else {
            if (item.from == 0) item.from = raft_leader(n->raft);
            if (again) ask(n, item.target);
            t->items[kept++] = item;
        }
    }
    t->count = kept;
}

/* A leader that goes hands over as long as anybody could take over, and a bound has not passed. */
static void leave(struct node *n)
{
    struct raft_leadership l;
    if (!n->leaving) return;
    if (!node_is_leader(n) || n->leave_ms <= n->now_ms) {
        n->leaving = false;
        return;
    }
    ask(n, 0);
    raft_leadership(n->raft, &l);
    n->leaving = l.transfer_to != 0;
}

void node_transfer_pump(struct node *n)
{
    struct node_transfers *t = &n->transfers;
    bool again = t->again_ms <= n->now_ms;
    if (t->count == 0 && !n->leaving) return;
    if (again) t->again_ms = n->now_ms + n->opts.raft.heartbeat_ms;
    look(n, again);
    leave(n);
}

void node_transfer_leave(struct node *n)
{
    n->leaving = node_is_leader(n);
    n->leave_ms = n->now_ms + NODE_LEAVE_TIMEOUTS * (uint64_t)n->opts.raft.election_ms_min;
}

uint64_t node_transfer_deadline(const struct node *n)
{
    const struct node_transfers *t = &n->transfers;
    if (t->count == 0 && !n->leaving) return MS_TIME_NEVER;
    uint64_t at = t->again_ms;
    for (uint32_t i = 0; i < t->count; i++) at = ms_time_min(at, t->items[i].deadline_ms);
    return at;
}
