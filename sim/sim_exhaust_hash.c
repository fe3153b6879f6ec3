/* sim_exhaust_hash.c: which states are equal: those after which the same can follow.
 *
 * Left out is what decides nothing, or only what the log tells as well: tokens of stores, generators (timeouts
 * here have one length), the configuration, which never changes, handing over, which nobody does, who led or
 * was voted for in terms that nobody is in any more. Times count by how long ago they are or how soon, and no
 * further than anybody looks before the bound of timeouts is spent, since time only moves with those. The
 * bounds that are spent are not here either: the search compares them (sim_exhaust.c). */
#include "sim/sim_exhaust_private.h"

#include "raft/raft_private.h"

#define DOUBT_MS (4u * EXH_ELECTION_MS) /* raft_doubt.c looks back so far */

/* What is left of time. */
struct time {
    uint64_t now_ms;
    uint32_t steps; /* how often it may still move; each time by no more than EXH_ELECTION_MS */
};

static void fold(uint64_t *h, uint64_t v)
{
    *h = (*h ^ v) * UINT64_C(0x9fb21c651e98df25);
    *h ^= *h >> 29;
}

static void fold_two(uint64_t *h, uint64_t a, uint64_t b)
{
    fold(h, a);
    fold(h, b);
}

static void fold_age(uint64_t *h, struct time t, uint64_t then_ms, uint64_t most)
{
    uint64_t age = t.now_ms > then_ms ? t.now_ms - then_ms : 0;
    fold(h, age < most ? age : most);
}

static void fold_due(uint64_t *h, struct time t, uint64_t due_ms)
{
    fold(h, due_ms > t.now_ms ? due_ms - t.now_ms : 0);
}

/* Whether a follower can come to doubt its leader, and from when on. */
static void fold_doubt(uint64_t *h, struct time t, const struct raft *r)
{
    uint64_t doubts_ms = r->waiting_ms + DOUBT_MS, last_ms = t.now_ms + t.steps * EXH_ELECTION_MS;
    fold_age(h, t, r->leader_heard_ms, last_ms >= t.now_ms + DOUBT_MS || last_ms >= doubts_ms ? 2 : 1);
    if (doubts_ms > last_ms) return;
    fold_due(h, t, doubts_ms);
    fold_due(h, t, r->doubt_ms);
}

static void fold_log(uint64_t *h, const struct exh_log *l)
{
    fold(h, l->last_index);
    for (uint32_t i = 1; i <= l->last_index; i++) fold_two(h, l->at[i].term, l->at[i].payload);
}

static void fold_follow(uint64_t *h, const struct raft *r, struct time t)
{
    const struct raft_follow *f = &r->follow;
    fold_two(h, f->verified, f->round);
    fold(h, f->echoed_round);
    fold_age(h, t, f->acked_ms, EXH_HEARTBEAT_MS);
    fold_two(h, f->ack_due, f->reject_due);
    if (!f->reject_due) return;
    fold_two(h, f->reject_prev, f->reject_index);
    fold(h, f->reject_term);
}

static void fold_campaign(uint64_t *h, const struct raft *r)
{
    fold_two(h, r->campaign_wanted, r->transfer | r->ask_due << 1 | r->doubting << 2);
    fold(h, r->tally.count);
    for (uint32_t i = 0; i < r->tally.count; i++) fold_two(h, r->tally.ids[i], r->tally.ballots[i]);
    fold(h, r->deferred_count);
    for (uint32_t i = 0; i < r->deferred_count; i++) {
        const struct raft_deferred *d = &r->deferred[i];
        fold_two(h, d->to, d->asked_term);
        fold(h, d->pre | d->granted << 1);
    }
}

static void fold_reads(uint64_t *h, const struct raft_read *reads, uint32_t count)
{
    fold(h, count);
    for (uint32_t i = 0; i < count; i++) {
        fold_two(h, reads[i].token, reads[i].from);
        fold_two(h, reads[i].round, reads[i].index);
        fold(h, reads[i].sent);
    }
}

static void fold_peer(uint64_t *h, const struct raft_peer *p, struct time t)
{
    fold_two(h, p->id, p->state | (uint64_t)p->answered << 8 | (uint64_t)p->probe_sent << 9);
    fold_two(h, p->match, p->next);
    fold_two(h, p->counted_match, p->counted_round);
    fold_two(h, p->state == RAFT_PEER_PROBE ? p->probe_last : 0, p->doubt_round);
    fold_two(h, p->sent_round, p->sent_commit);
    if (t.steps > 0) fold_age(h, t, p->heard_ms, EXH_ELECTION_MS);
    fold_due(h, t, p->heartbeat_ms);
    fold(h, p->inflight_count);
    for (uint32_t i = 0; i < p->inflight_count; i++) {
        fold(h, p->inflight[(p->inflight_first + i) % RAFT_INFLIGHT_MAX].last_index);
    }
}

static void fold_member(uint64_t *h, const struct raft *r, struct time t)
{
    fold_two(h, r->term, r->vote);
    fold_two(h, r->durable_term, r->durable_vote);
    fold_two(h, r->role, r->leader);
    fold_two(h, r->commit_index, r->applied_index);
    fold_two(h, r->log.stored_index, r->log.config_index);
    fold_two(h, r->log.settled_index, r->uncommitted_bytes);
    fold(h, r->store.under_way);
    if (r->store.under_way) fold_two(h, r->store.last_index, r->store.term << 8 | r->store.vote);
    if (t.steps > 0) fold_due(h, t, r->role == RAFT_LEADER ? r->check_ms : r->election_ms);
    fold_doubt(h, t, r);
    fold_follow(h, r, t);
    fold_campaign(h, r);
    fold_two(h, r->round, r->transfer_out.to);
    fold_reads(h, r->reads, r->read_count);
    fold_reads(h, r->remote, r->remote_count);
    for (uint32_t i = 0; i < r->peer_count; i++) fold_peer(h, &r->peers[i], t);
}

static void fold_node(uint64_t *h, const struct exh_node *n)
{
    fold_log(h, &n->log);
    fold_two(h, n->disk.term, n->disk.vote);
    fold_log(h, &n->disk.log);
    fold(h, n->storing);
    if (!n->storing) return;
    fold_two(h, n->store.term, n->store.vote);
    fold_two(h, n->store.first_index, n->store.last_index);
    for (uint64_t i = n->store.first_index; i <= n->store.last_index; i++) {
        fold_two(h, n->pending[i].term, n->pending[i].payload);
    }
}

/* What is held back has no order any more. */
static void fold_way(uint64_t *h, const struct exh_world *w)
{
    uint64_t held = 0;
    for (uint32_t i = 0; i < w->way_count; i++) {
        const struct exh_on_way *what = &w->way[i];
        uint64_t one = 1;
        fold_two(&one, what->message, what->from << 8 | what->to);
        if (what->held)
            held += one;
        else
            fold(h, one);
    }
    fold_two(h, held, w->cut);
}

static void fold_past(uint64_t *h, const struct exh *x)
{
    const struct exh_world *w = &x->world;
    uint64_t oldest = UINT64_MAX;
    fold_two(h, w->reads, w->writes);
    for (uint32_t i = 1; i <= w->reads; i++) fold_two(h, w->read[i].open, w->read[i].floor_index);
    fold(h, w->ledger_last);
    for (uint64_t i = 1; i <= w->ledger_last; i++) {
        fold_two(h, w->ledger[i].entry.term, w->ledger[i].entry.payload);
        fold(h, w->ledger[i].by_term);
    }
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        uint64_t term = w->nodes[id].disk.term;
        if (term < oldest) oldest = term;
        for (; term < EXH_TERM_MAX; term++) {
            if (w->vote_of[id][term]) fold_two(h, term << 8 | id, w->vote_of[id][term]);
        }
    }
    for (uint64_t term = oldest; term < EXH_TERM_MAX; term++) {
        if (w->leader_of[term]) fold_two(h, term, w->leader_of[term]);
    }
}

uint64_t exh_hash(const struct exh *x)
{
    struct time t = { x->world.now_ms, x->bounds.timeouts - x->world.timeouts };
    uint64_t h = 1;
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        fold_member(&h, x->rafts[id], t);
        fold_node(&h, &x->world.nodes[id]);
    }
    fold_way(&h, &x->world);
    fold_past(&h, x);
    return h;
}
