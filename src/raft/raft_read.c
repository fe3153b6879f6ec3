/* raft_read.c: read index (diss. 6.4).
 *
 * A leader confirms a read by a round of appends begun after the read came in: a number of its own
 * making, unique in its term, that every append carries and every reply echoes. One round confirms all
 * reads that were waiting when it began. A round is never tied to what the asker calls its read (BUGS
 * B01), and none begins before an entry of the leader's own term is committed: only then does its
 * commit index cover everything that was committed before (BUGS B25). */
#include "raft/raft_private.h"

void raft_put_read(struct raft *r, uint64_t token, uint64_t index, int status)
{
    MS_ASSERT(r->out->count < RAFT_OUTPUT_PER_STEP_MAX);
    struct raft_output_item *item = &r->out->items[r->out->count++];
    memset(item, 0, sizeof *item);
    item->kind = RAFT_OUTPUT_READ;
    item->read.token = token;
    item->read.index = index;
    item->read.status = status;
}

void raft_reads_fail(struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++) raft_put_read(r, r->reads[i].token, 0, MS_ENOLEADER);
    r->read_count = 0;
}

/* The oldest read, if it has waited longer than anybody waits for an answer. */
static bool drop_oldest(struct raft *r)
{
    if (r->reads[0].asked_ms + r->opts.election_ms_min > r->now_ms) return false;
    raft_put_read(r, r->reads[0].token, 0, MS_ENOLEADER);
    r->read_count--;
    memmove(&r->reads[0], &r->reads[1], r->read_count * sizeof r->reads[0]);
    return true;
}

int raft_on_read(struct raft *r, uint64_t token)
{
    if (r->leader == 0) {
        raft_put_read(r, token, 0, MS_ENOLEADER);
        return 0;
    }
    if (r->read_count == RAFT_READS_MAX && !drop_oldest(r)) return MS_EBUSY;
    r->reads[r->read_count++] = (struct raft_read){ .token = token, .asked_ms = r->now_ms };
    return 0;
}

static bool begin(struct raft *r, struct raft_read *reads, uint32_t count, uint64_t round)
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        if (reads[i].round) continue;
        reads[i].round = round;
        reads[i].index = r->commit_index;
        any = true;
    }
    return any;
}

void raft_reads_begin_round(struct raft *r)
{
    if (r->role != RAFT_LEADER || !raft_committed_own_term(r)) return;
    bool lease = raft_lease_held(r); /* then no round is needed: the present one is as good */
    uint64_t round = r->round + !lease;
    bool local = begin(r, r->reads, r->read_count, round);
    bool remote = begin(r, r->remote, r->remote_count, round);
    if (!lease && (local || remote)) raft_round_begin(r);
}

static uint64_t counted_round(const struct raft *r, uint64_t id)
{
    if (id == r->opts.id) return r->round;
    const struct raft_peer *p = raft_peer_find(r, id);
    return p && !p->abstains ? p->counted_round : 0;
}

static void answer_local(struct raft *r, uint64_t confirmed)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->read_count; i++) {
        struct raft_read read = r->reads[i];
        if (read.round == 0 || read.round > confirmed)
            r->reads[kept++] = read;
        else
            raft_put_read(r, read.token, read.index, 0);
    }
    r->read_count = kept;
}

static void answer_remote(struct raft *r, uint64_t confirmed)
{
    uint32_t kept = 0, room = RAFT_OUTPUT_PER_STEP_MAX - RAFT_OUTPUT_LAST_MAX - 2 * RAFT_PEERS_MAX - 4;
    for (uint32_t i = 0; i < r->remote_count; i++) {
        struct raft_read read = r->remote[i];
        bool done = read.round != 0 && read.round <= confirmed;
        if (!done || r->out->count >= room) {
            r->replies_left = r->replies_left || done;
            r->remote[kept++] = read;
            continue;
        }
        struct raft_msg m = { .type = RAFT_MSG_READ_REPLY, .to = read.from };
        m.read_reply.token = read.token;
        m.read_reply.index = read.index;
        raft_send(r, &m);
    }
    r->remote_count = kept;
}

static void ask_leader(struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (r->reads[i].sent) continue;
        struct raft_msg m = { .type = RAFT_MSG_READ, .to = r->leader };
        m.read.token = r->reads[i].token;
        raft_send(r, &m);
        r->reads[i].sent = true;
    }
}

void raft_reads_flush(struct raft *r)
{
    r->replies_left = false;
    if (r->role == RAFT_LEADER) {
        bool lease = raft_lease_held(r);
        uint64_t confirmed = lease ? r->round : raft_quorum(r, &r->log.config, counted_round);
        answer_local(r, confirmed);
        answer_remote(r, confirmed);
    } else if (r->leader != 0 && raft_term_is_durable(r)) {
        ask_leader(r);
    }
}
