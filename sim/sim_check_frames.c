/* sim_check_frames.c: what leaves a member promises only what its disk holds (K3, K8), and it votes
 * once in a term (K2), over all its lives. */
#include "sim/sim_check_private.h"
#include "sim/sim_frame_text.h"
#include "sim/sim_schedule.h"

/* Both copies hold it (W6). */
static bool hard_is_durable(const struct chk_member *c, uint64_t term, uint64_t vote)
{
    const struct chk_hard *copies[] = { &c->log_copy, &c->file_copy };
    for (int i = 0; i < 2; i++) {
        if (copies[i]->term < term) return false;
        if (copies[i]->term == term && vote != 0 && copies[i]->vote != vote) return false;
    }
    return true;
}

static void check_hard(struct sim *s, const struct sim_member *m, uint64_t term, uint64_t vote,
                       const char *what)
{
    const struct chk_member *c = chk_member(s, m);
    if (hard_is_durable(c, term, vote)) return;
    sim_fail(SIM_FAIL_SAFETY, "K3",
             "m%u sends %s of term %llu, vote %llu; its disk holds (%llu, %llu) and (%llu, %llu)",
             m->index + 1, what, (unsigned long long)term, (unsigned long long)vote,
             (unsigned long long)c->log_copy.term, (unsigned long long)c->log_copy.vote,
             (unsigned long long)c->file_copy.term, (unsigned long long)c->file_copy.vote);
}

static void check_vote(struct sim *s, struct sim_member *m, uint64_t term, uint64_t candidate)
{
    struct chk_member *c = chk_member(s, m);
    MS_ASSERT(term <= CHECK_TERM_MAX);
    if (term >= c->votes_cap) {
        size_t more = c->votes_cap ? 2 * c->votes_cap : 64;
        while (more <= term) more *= 2;
        c->votes = realloc(c->votes, more * sizeof *c->votes);
        MS_ASSERT(c->votes != NULL);
        memset(c->votes + c->votes_cap, 0, (more - c->votes_cap) * sizeof *c->votes);
        c->votes_cap = more;
    }
    if (c->votes[term] != 0 && c->votes[term] != candidate) {
        sim_fail(SIM_FAIL_SAFETY, "K2", "m%u votes for m%llu in term %llu, it has voted for m%llu",
                 m->index + 1, (unsigned long long)candidate, (unsigned long long)term,
                 (unsigned long long)c->votes[term]);
    }
    c->votes[term] = candidate;
    check_hard(s, m, term, candidate, "a vote");
}

/* The log up to index, as the member has it in memory, is on its disk. */
static void check_durable(struct sim *s, const struct sim_member *m, uint64_t index, const char *what)
{
    const struct chk_member *c = chk_member(s, m);
    const struct chk_entry *mem = chk_at(&c->mem, index), *disk = chk_at(&c->durable, index);
    if (index <= c->durable.base || index <= c->snap_index) return;
    if (mem && disk && mem->term == disk->term && mem->chain == disk->chain) return;
    sim_fail(SIM_FAIL_SAFETY, "K8", "m%u sends %s for entry %llu, its disk holds entries up to %llu%s",
             m->index + 1, what, (unsigned long long)index, (unsigned long long)chk_last(&c->durable),
             disk ? ", another one" : "");
}

static void check_ack(struct sim *s, const struct sim_member *m, const struct raft_msg *msg)
{
    struct chk_member *c = chk_member(s, m);
    uint64_t index = msg->append_reply.match_index;
    chk_wipe_counts(s, m, "an ack");
    check_durable(s, m, index, "an ack");
    if (msg->term != c->acked_term || index > c->acked_index) c->acked_index = index;
    c->acked_term = msg->term;
}

static void check_vote_request(struct sim *s, struct sim_member *m, const struct raft_msg *msg)
{
    chk_wipe_counts(s, m, "a candidature");
    if (msg->vote.last_index > 0) check_durable(s, m, msg->vote.last_index, "a candidature");
    if (!msg->vote.pre) check_vote(s, m, msg->term, m->id);
}

static void check_sent(struct sim *s, struct sim_member *m, const struct raft_msg *msg)
{
    switch (msg->type) {
    case RAFT_MSG_VOTE: check_vote_request(s, m, msg); break;
    case RAFT_MSG_VOTE_REPLY:
        if (msg->vote_reply.granted && !msg->vote_reply.abstain) chk_wipe_counts(s, m, "a vote");
        if (msg->vote_reply.pre) break;
        if (!msg->vote_reply.granted)
            check_hard(s, m, msg->term, 0, "a refusal");
        else if (!msg->vote_reply.abstain)
            check_vote(s, m, msg->term, msg->to);
        break;
    case RAFT_MSG_APPEND_REPLY:
        check_hard(s, m, msg->term, 0, "an answer");
        if (msg->append_reply.ok && !msg->append_reply.abstain) {
            check_ack(s, m, msg);
        }
        break;
    case RAFT_MSG_APPEND: check_hard(s, m, msg->term, m->id, "an append"); break;
    case RAFT_MSG_READ:
    case RAFT_MSG_READ_REPLY:
    case RAFT_MSG_TIMEOUT_NOW: check_hard(s, m, msg->term, 0, "a message"); break;
    }
}

static void trace_frame(const struct sim *s, const struct sim_member *m, bool out, uint64_t peer,
                        uint8_t type, struct bytes body, const struct raft_msg *msg)
{
    char text[SIM_FRAME_TEXT_BYTES];
    sim_frame_text(text, body, msg);
    sim_trace(s, "m%u %s m%llu %s: %s", m->index + 1, out ? "->" : "<-", (unsigned long long)peer,
              sim_frame_name(sim_frame_of_type(type, body)), text);
}

void sim_check_frame(struct sim *s, struct sim_member *m, bool out, uint64_t peer, uint8_t type,
                     struct bytes body)
{
    struct raft_msg msg;
    bool raft = type == NODE_FRAME_RAFT && raft_msg_decode(body, s->check->decoded, &msg) == 0;
    if (s->trace) trace_frame(s, m, out, peer, type, body, raft ? &msg : NULL);
    chk_stream_frame(s, m, out, peer, type, body);
    if (!out || !raft) return;
    sim_check_member(s, m); /* what it sends speaks of the log as it is now */
    check_sent(s, m, &msg);
}
