/* raft_recv_vote.c: RequestVote and its pre-vote form (Raft, 5.2 and 5.4.1; diss. 9.6), and the
 * replies, which may have to wait until the term and the vote in them are durable (BUGS B42). */
#include "raft/raft_private.h"

static void defer(struct raft *r, const struct raft_msg *m, bool granted)
{
    struct raft_deferred d = {
        .to = m->from, .asked_term = m->term, .pre = m->vote.pre, .granted = granted
    };
    uint32_t i = 0;
    while (i < r->deferred_count && r->deferred[i].to != d.to) i++;
    if (i == RAFT_DEFERRED_MAX) return; /* the candidate asks again */
    r->deferred[i] = d;
    if (i == r->deferred_count) r->deferred_count++;
}

static bool may_leave(const struct raft *r, const struct raft_deferred *d)
{
    if (!raft_term_is_durable(r)) return false;
    return d->pre || !d->granted || r->durable_vote == d->to;
}

void raft_vote_flush(struct raft *r)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->deferred_count; i++) {
        const struct raft_deferred *d = &r->deferred[i];
        if (!may_leave(r, d)) {
            r->deferred[kept++] = *d;
            continue;
        }
        struct raft_msg m = { .type = RAFT_MSG_VOTE_REPLY, .to = d->to };
        m.vote_reply.pre = d->pre;
        m.vote_reply.granted = d->granted;
        m.vote_reply.abstain = r->abstain;
        m.vote_reply.asked_term = d->asked_term;
        raft_send(r, &m);
    }
    r->deferred_count = kept;
}

/* At least as up to date as what is durable here (Raft, 5.4.1): first the term, then the index (B43).
 */
static bool is_up_to_date(const struct raft *r, const struct raft_msg *m)
{
    uint64_t last = raft_log_durable(&r->log), term = raft_log_term(&r->log, last);
    if (m->vote.last_term != term) return m->vote.last_term > term;
    return m->vote.last_index >= last;
}

/* A leader that was heard within the minimum election timeout is not disturbed (diss. 4.2.3, 6.4.1), a
 * leader that a quorum still answers neither (check-quorum ends it otherwise). A closed connection to
 * it is a hint that it is gone: then the voter may grant early (DESIGN 7); and one that commits nothing is of
 * no use (raft_doubt.c). */
static bool sticks_to_leader(const struct raft *r)
{
    if (r->role == RAFT_LEADER || raft_is_patient(r)) return true;
    if (r->leader == 0 || r->leader_link_down || raft_leader_stands_still(r)) return false;
    return r->now_ms < r->leader_heard_ms + raft_patience_ms(r);
}

static bool grants_pre(const struct raft *r, const struct raft_msg *m)
{
    if (r->abstain || m->term <= r->term) return false;
    return !sticks_to_leader(r) && is_up_to_date(r, m);
}

static bool grants(struct raft *r, const struct raft_msg *m)
{
    if (r->abstain || m->term < r->term) return false;
    if (raft_is_patient(r) && !m->vote.transfer) return false;
    if (r->vote != 0 && r->vote != m->from) return false;
    if (r->leader != 0) return false; /* this term has its leader */
    return is_up_to_date(r, m);
}

/* A learner answers like anybody: it may have been promoted in a configuration it has not seen yet
 * (BUGS B46). The candidate knows whom to count. */
int raft_recv_vote(struct raft *r, const struct raft_msg *m)
{
    if (m->vote.last_term >= m->term || (m->vote.last_index == 0) != (m->vote.last_term == 0)) {
        return MS_EPROTO; /* its log ends before the term it asks for */
    }
    if (m->vote.pre) { /* changes nothing here */
        defer(r, m, grants_pre(r, m));
        return 0;
    }
    if (m->term > r->term && sticks_to_leader(r) && !m->vote.transfer) {
        defer(r, m, false); /* and its term is not taken over (diss. 4.2.3, BUGS B62) */
        return 0;
    }
    if (m->term > r->term) raft_become_follower(r, m->term, 0);
    bool granted = grants(r, m);
    if (granted) {
        if (r->role != RAFT_FOLLOWER) raft_become_follower(r, r->term, 0); /* its pre-vote is over */
        r->vote = m->from;
        r->campaign_wanted = RAFT_CAMPAIGN_NONE;
        raft_arm_election(r); /* Raft, 5.2: granting puts the own election off */
    }
    defer(r, m, granted);
    return 0;
}
