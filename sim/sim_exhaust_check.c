/* sim_exhaust_check.c: what holds in each state, whatever has happened. Numbers as in docs/TESTING.md; R1 to
 * R9 are asserted by the core itself. The ghosts, who led, whom one voted for, what was committed, are a
 * part of the world: a state with another past is another state. */
#include "sim/sim_exhaust_private.h"

#include "base/ms_assert.h"
#include "sim/sim.h"

#define SAFETY(id, ...) sim_fail(SIM_FAIL_SAFETY, id, __VA_ARGS__)

static unsigned long long ull(uint64_t v)
{
    return v;
}

static bool same(struct exh_entry a, struct exh_entry b)
{
    return a.term == b.term && a.payload == b.payload;
}

static bool log_has(const struct exh_log *l, uint64_t index, struct exh_entry e)
{
    return index <= l->last_index && same(l->at[index], e);
}

/* --- leaders --- */

/* K6: what was committed in an earlier term is in the log of each later leader. */
static void check_completeness(const struct exh *x, uint32_t id, uint64_t term)
{
    const struct exh_world *w = &x->world;
    for (uint64_t i = 1; i <= w->ledger_last; i++) {
        if (w->ledger[i].by_term >= term || log_has(&w->nodes[id].log, i, w->ledger[i].entry)) continue;
        SAFETY("K6", "n%u leads in term %llu without %llu@%llu, which was committed in term %llu", id,
               ull(term), ull(i), ull(w->ledger[i].entry.term), ull(w->ledger[i].by_term));
    }
}

/* K1 */
static void check_leader(struct exh *x, uint32_t id)
{
    uint64_t term = raft_term(x->rafts[id]);
    MS_ASSERT(term < EXH_TERM_MAX);
    uint64_t *leader = &x->world.leader_of[term];
    if (*leader == id) return;
    if (*leader) SAFETY("K1", "n%u and n%llu lead in term %llu", id, ull(*leader), ull(term));
    *leader = id;
    check_completeness(x, id, term);
}

/* --- what is committed --- */

/* K7: at the moment a leader commits, its newest committed entry is of its term and on a majority's disks. */
static void check_rule(const struct exh *x, uint32_t id, uint64_t index)
{
    struct exh_entry e = x->world.nodes[id].log.at[index];
    uint32_t holders = 0;
    for (uint32_t m = 1; m <= EXH_MEMBERS; m++)
        holders += log_has(&x->world.nodes[m].disk.log, index, e);
    if (e.term != raft_term(x->rafts[id])) {
        SAFETY("K7", "n%u, leader of term %llu, commits %llu@%llu", id, ull(raft_term(x->rafts[id])),
               ull(index), ull(e.term));
    }
    if (holders <= EXH_MEMBERS / 2) {
        SAFETY("K7", "n%u commits %llu@%llu, which is on %u disks", id, ull(index), ull(e.term),
               holders);
    }
}

/* K6: an index has one entry for ever. */
static void check_committed(struct exh *x, uint32_t id, uint64_t index)
{
    struct exh_world *w = &x->world;
    struct exh_entry e = w->nodes[id].log.at[index];
    if (w->ledger[index].entry.term == 0) {
        w->ledger[index].entry = e;
        w->ledger[index].by_term = raft_term(x->rafts[id]);
        if (index > w->ledger_last) w->ledger_last = index;
    }
    if (same(w->ledger[index].entry, e)) return;
    SAFETY("K6", "n%u commits %llu@%llu, and %llu@%llu was committed before", id, ull(index),
           ull(e.term), ull(index), ull(w->ledger[index].entry.term));
}

void exh_check_step(struct exh *x, uint32_t id, uint64_t commit_before)
{
    const struct raft *r = x->rafts[id];
    uint64_t commit = raft_commit_index(r);
    if (raft_role(r) == RAFT_LEADER) {
        check_leader(x, id);
        if (commit > commit_before) check_rule(x, id, commit);
    }
    for (uint64_t i = commit_before + 1; i <= commit; i++) check_committed(x, id, i);
}

/* --- what leaves --- */

/* K2: one vote a member and term; also the one for itself. */
static void check_vote(struct exh *x, uint32_t id, uint64_t term, uint64_t candidate)
{
    MS_ASSERT(term < EXH_TERM_MAX);
    uint64_t *vote = &x->world.vote_of[id][term];
    if (*vote && *vote != candidate) {
        SAFETY("K2", "n%u votes for n%llu in term %llu, and has voted for n%llu", id, ull(candidate),
               ull(term), ull(*vote));
    }
    if (x->world.nodes[id].disk.vote != candidate) {
        SAFETY("K3", "n%u votes for n%llu in term %llu, and its disk does not say so", id,
               ull(candidate), ull(term));
    }
    *vote = candidate;
}

/* K8: what is acknowledged is on the disk, as it is in memory. */
static void check_ack(const struct exh *x, uint32_t id, uint64_t index)
{
    const struct exh_node *n = &x->world.nodes[id];
    if (index == 0 || (index <= n->log.last_index && log_has(&n->disk.log, index, n->log.at[index])))
        return;
    SAFETY("K8", "n%u acknowledges what is not on its disk, up to %llu", id, ull(index));
}

void exh_check_message(struct exh *x, uint32_t id, const struct raft_msg *m)
{
    uint64_t term = x->world.nodes[id].disk.term;
    bool pre = m->type == RAFT_MSG_VOTE && m->vote.pre;
    if (m->term != term + pre) {
        SAFETY("K3", "n%u shows term %llu, its disk has %llu", id, ull(m->term), ull(term));
    }
    if (m->type == RAFT_MSG_VOTE && !pre) check_vote(x, id, term, id);
    if (m->type == RAFT_MSG_VOTE_REPLY && m->vote_reply.granted && !m->vote_reply.pre) {
        check_vote(x, id, term, m->to);
    }
    if (m->type == RAFT_MSG_APPEND_REPLY && m->append_reply.ok) {
        check_ack(x, id, m->append_reply.match_index);
    }
}

/* K22: a read is served at what was committed anywhere when it came in, or later. */
void exh_check_read(struct exh *x, uint64_t token, uint64_t index, int status)
{
    MS_ASSERT(token >= 1 && token <= EXH_READS_MAX);
    struct exh_read *read = &x->world.read[token];
    if (!read->open) return;
    read->open = false;
    if (status == 0 && index < read->floor_index) {
        SAFETY("K22", "a read is served at %llu, when it came in %llu was committed", ull(index),
               ull(read->floor_index));
    }
}

/* --- logs --- */

/* K4: an entry that two logs share, they share with all before it. */
static void check_pair(const struct exh_log *a, const struct exh_log *b, uint32_t id, uint32_t other)
{
    uint32_t i = a->last_index < b->last_index ? a->last_index : b->last_index;
    while (i > 0 && a->at[i].term != b->at[i].term) i--;
    for (; i > 0; i--) {
        if (same(a->at[i], b->at[i])) continue;
        SAFETY("K4", "the logs of n%u and n%u differ at %u, and agree behind it", id, other, i);
    }
}

void exh_check_logs(const struct exh *x, uint32_t id)
{
    const struct exh_node *n = &x->world.nodes[id];
    for (uint32_t other = 1; other <= EXH_MEMBERS; other++) {
        const struct exh_node *o = &x->world.nodes[other];
        check_pair(&n->log, &o->log, id, other);
        check_pair(&n->log, &o->disk.log, id, other);
        check_pair(&n->disk.log, &o->log, id, other);
        check_pair(&n->disk.log, &o->disk.log, id, other);
    }
}
