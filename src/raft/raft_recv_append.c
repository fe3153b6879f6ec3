/* raft_recv_append.c: AppendEntries and the heartbeat on a follower (Raft, 5.3), and what it answers.
 *
 * An ack tells what is durable here and known to equal the leader's log; it leaves when both the term
 * and the entries are durable. Several appends of one turn may share one ack. */
#include "raft/raft_private.h"

static uint64_t term_of_entry(const struct raft_msg *m, uint64_t index)
{
    if (index == m->append.prev_index) return m->append.prev_term;
    return m->append.entries[index - m->append.prev_index - 1].term;
}

/* Whether the message contradicts what is committed here, which every leader has (Raft, 5.4.3), or what
 * this leader has said before in this term (Raft, 5.3: leader append-only). */
static bool contradicts(const struct raft *r, const struct raft_msg *m)
{
    uint64_t last = m->append.prev_index + m->append.count, known = r->commit_index;
    bool same_leader = m->term == r->term && m->from == r->leader;
    if (same_leader && r->follow.verified > known) known = r->follow.verified;
    if (last > known) last = known;
    for (uint64_t i = m->append.prev_index; i <= last; i++) {
        uint64_t term = raft_log_term(&r->log, i);
        if (i > 0 && term != 0 && term != term_of_entry(m, i)) return true;
    }
    return false;
}

/* All that can be wrong with it is found before anything is changed. */
static int validate(struct raft *r, const struct raft_msg *m)
{
    uint64_t term = m->append.prev_term;
    if (m->append.count > RAFT_MSG_ENTRIES_MAX || m->append.prev_index > RAFT_NUMBER_MAX)
        return MS_EPROTO;
    if ((m->append.prev_index == 0) != (term == 0)) return MS_EPROTO;
    for (uint32_t i = 0; i < m->append.count; i++) {
        const struct raft_msg_entry *e = &m->append.entries[i];
        if (e->term == 0 || e->term < term || e->term > m->term) return MS_EPROTO; /* R8 */
        term = e->term;
        uint64_t index = m->append.prev_index + 1 + i;
        int rv = raft_log_config_of(e->payload, index, &r->scratch_config);
        if (rv < 0) return rv;
    }
    if (term > m->term) return MS_EPROTO;
    return contradicts(r, m) ? MS_EPROTO : 0;
}

/* Where the logs may agree: the newest entry up to prev of at most its term; a whole term is skipped in
 * one round trip (Raft, 5.3 at its end; etcd-io/raft does the same from both sides; BUGS B77). */
static void reject(struct raft *r, const struct raft_msg *m)
{
    struct raft_follow *f = &r->follow;
    f->reject_due = true;
    f->reject_prev = m->append.prev_index;
    f->reject_index = raft_log_find_term(&r->log, m->append.prev_index, m->append.prev_term);
    if (f->reject_index < r->commit_index) f->reject_index = r->commit_index;
    f->reject_term = raft_log_term(&r->log, f->reject_index);
}

/* Too far ahead of the state machine, or no room on the disk: as if it were lost, so that memory stays
 * bounded. */
static void refuse_for_now(struct raft *r, const struct raft_msg *m)
{
    struct raft_follow *f = &r->follow;
    f->reject_due = true;
    f->reject_prev = m->append.prev_index;
    f->reject_index = r->log.last_index;
    f->reject_term = raft_log_term(&r->log, r->log.last_index);
}

/* Take the entries: what is there already stays, a conflict ends the log before it (Raft, 5.3). An
 * append without entries truncates nothing (BUGS B39). */
static int take_entries(struct raft *r, const struct raft_msg *m, uint32_t count, bool *changed)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_msg_entry *e = &m->append.entries[i];
        uint64_t index = m->append.prev_index + 1 + i;
        if (index <= r->commit_index) continue;
        if (index <= r->log.last_index) {
            if (raft_log_term(&r->log, index) == e->term) continue; /* log matching (Raft, 5.3) */
            if (index <= r->follow.verified) return MS_EPROTO; /* a leader never rewrites its log (5.3) */
            raft_truncate(r, index);
        }
        int is_config = raft_log_config_of(e->payload, index, &r->scratch_config);
        MS_ASSERT(is_config >= 0); /* validated */
        int rv = raft_append(r, e->term, e->payload, is_config ? &r->scratch_config : NULL);
        if (rv < 0) return rv;
        *changed = true;
    }
    return 0;
}

static void verified_to(struct raft *r, const struct raft_msg *m, uint64_t last)
{
    struct raft_follow *f = &r->follow;
    if (last > f->verified) f->verified = last;
    uint64_t commit = m->append.commit_index < f->verified ? m->append.commit_index : f->verified;
    raft_commit_to(r, commit); /* never beyond what is known to be the leader's (Raft, fig. 2; B36) */
}

/* Whether the logs agree at prev. Below the commit index they do. */
static bool fits(const struct raft *r, const struct raft_msg *m)
{
    uint64_t prev = m->append.prev_index;
    if (prev <= r->commit_index) return true;
    return prev <= r->log.last_index && raft_log_term(&r->log, prev) == m->append.prev_term;
}

static int accept(struct raft *r, const struct raft_msg *m)
{
    struct raft_follow *f = &r->follow;
    bool changed = false;
    if (!fits(r, m)) {
        reject(r, m);
        return 0;
    }
    uint32_t count = raft_room_for(r, m);
    if (m->append.count > 0 && (count == 0 || raft_is_far_ahead(r))) {
        verified_to(r, m, m->append.prev_index);
        refuse_for_now(r, m);
        return 0;
    }
    int rv = take_entries(r, m, count, &changed);
    if (rv < 0) return rv; /* what was taken stays; the leader sends the rest again */
    verified_to(r, m, m->append.prev_index + count);
    /* Something new to store: its ack comes with the store. Unless the leader needs a sign of life
     * first: a read round waits for it, or the disk takes long. */
    if (!changed || f->round != f->echoed_round) f->ack_due = true;
    if (f->acked_ms + r->opts.heartbeat_ms <= r->now_ms) f->ack_due = true;
    return 0;
}

static void tell_newer_term(struct raft *r, const struct raft_msg *m)
{
    struct raft_msg reply = { .type = RAFT_MSG_APPEND_REPLY, .to = m->from };
    if (!raft_term_is_durable(r)) return; /* it sends again */
    reply.append_reply.abstain = r->abstain;
    reply.append_reply.full = r->full;
    reply.append_reply.closed = r->closed;
    reply.append_reply.prev_index = m->append.prev_index;
    raft_send(r, &reply);
}

int raft_recv_append(struct raft *r, const struct raft_msg *m)
{
    if (m->term < r->term) { /* Raft, 5.1: a stale leader learns that it is one */
        tell_newer_term(r, m);
        return 0;
    }
    if (m->term == r->term && (r->role == RAFT_LEADER || (r->leader && r->leader != m->from))) {
        return MS_EPROTO; /* two leaders in a term */
    }
    int rv = validate(r, m);
    if (rv < 0) return rv;
    raft_follow_leader(r, m->term, m->from);
    if (m->append.round > r->follow.round) r->follow.round = m->append.round;
    rv = accept(r, m);
    if (rv == 0) raft_doubt_leader(r);
    return rv;
}

void raft_append_flush(struct raft *r)
{
    struct raft_follow *f = &r->follow;
    if (r->role != RAFT_FOLLOWER || r->leader == 0 || !raft_term_is_durable(r)) return;
    struct raft_msg m = { .type = RAFT_MSG_APPEND_REPLY, .to = r->leader };
    m.append_reply.abstain = r->abstain;
    m.append_reply.full = r->full;
    m.append_reply.closed = r->closed;
    m.append_reply.round = f->round;
    if (f->reject_due) {
        m.append_reply.prev_index = f->reject_prev;
        m.append_reply.hint_index = f->reject_index;
        m.append_reply.hint_term = f->reject_term;
        raft_send(r, &m);
    }
    if (f->ack_due) {
        m.append_reply.ok = true;
        m.append_reply.match_index = raft_agreed_index(r); /* BUGS B08, B50 */
        m.append_reply.prev_index = m.append_reply.hint_index = m.append_reply.hint_term = 0;
        raft_send(r, &m);
    }
    if (!f->reject_due && !f->ack_due) return;
    f->echoed_round = f->round;
    f->acked_ms = r->now_ms;
    f->reject_due = f->ack_due = false;
}
