/* sim_check_raft.c: one leader a term (K1), equal logs (K4), a leader that only appends (K5), one
 * history of what is committed (K6), committed by a quorum of durable copies and in the own term (K7).
 */
#include "node/node_private.h"
#include "sim/sim_check_private.h"
#include "sim/sim_core.h"

static uint64_t *by_term(uint64_t **array, size_t *cap, uint64_t term)
{
    if (term > CHECK_TERM_MAX) {
        sim_fail(SIM_FAIL_LIVENESS, "K19", "term %llu: elections without end",
                 (unsigned long long)term);
    }
    if (term >= *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        while (more <= term) more *= 2;
        *array = realloc(*array, more * sizeof **array);
        MS_ASSERT(*array != NULL);
        memset(*array + *cap, 0, (more - *cap) * sizeof **array);
        *cap = more;
    }
    return &(*array)[term];
}

/* --- K1 --- */

static void check_leader(struct sim *s, const struct sim_member *m, uint64_t term)
{
    struct sim_check *k = s->check;
    uint64_t *leader = by_term(&k->leaders, &k->leaders_cap, term);
    if (*leader == m->id) return;
    if (*leader != 0) {
        sim_fail(SIM_FAIL_SAFETY, "K1", "m%u leads in term %llu, in which m%llu led", m->index + 1,
                 (unsigned long long)term, (unsigned long long)*leader);
    }
    *leader = m->id;
    if (++k->leader_terms > 1) sim_rare(s, SIM_RARE_ELECTION);
    if (config_is_joint(raft_config(node_raft(sim_member_node(m))))) {
        sim_rare(s, SIM_RARE_JOINT_NEW_LEADER);
    }
    if (term > k->leader_term) k->leader_term = term;
    sim_trace(s, "m%u  leads in term %llu", m->index + 1, (unsigned long long)term);
}

static void notice_space(struct sim *s, const struct sim_member *m, const struct raft *r)
{
    struct raft_leadership l;
    struct node_status status = { 0 };
    raft_leadership(r, &l);
    if (s->totals.rare[SIM_RARE_NO_ROOM] == 0) node_status(sim_member_node(m), &status);
    if (status.disk_full) sim_rare(s, SIM_RARE_NO_ROOM);
    if (l.space_transfers > 0) sim_rare(s, SIM_RARE_SPACE_TRANSFER);
}

/* K14, for reads: who holds a lease leads alone (diss. 6.4.1). It is asked at the end of each turn,
 * when raft knows the time of the member's clock. */
void sim_check_turn(struct sim *s, struct sim_member *m)
{
    struct raft_leadership l;
    struct chk_member *c = chk_member(s, m);
    const struct raft *r = node_raft(sim_member_node(m));
    if (s->plan.member.node.space_low_bytes) notice_space(s, m, r);
    if (raft_config(r)->lease_ms == 0) return;
    if (sim_member_node(m)->failed) return; /* it answers nothing any more, and raft is told no time */
    raft_leadership(r, &l);
    if (l.stall_transfers > 0) sim_rare(s, SIM_RARE_STALL_TRANSFER);
    bool newer = s->check->leader_term > raft_term(r);
    if (!l.lease_held) {
        uint64_t beat_us = 1000 * (uint64_t)s->plan.member.node.raft.heartbeat_ms;
        if (c->lease_read_us && sim_now_us(s) < c->lease_read_us + beat_us)
            sim_rare(s, SIM_RARE_LEASE_LAST_READ);
        c->lease_read_us = 0;
        if (c->leased && newer) sim_rare(s, SIM_RARE_LEASE_ENDED);
        c->leased = c->leased && !newer;
        return;
    }
    c->leased = true;
    sim_rare(s, SIM_RARE_LEASE_HELD);
    if (!newer) return;
    sim_fail(SIM_FAIL_SAFETY, "K14",
             "m%u holds a lease of reads in term %llu, m%llu leads in term %llu", m->index + 1,
             (unsigned long long)raft_term(r),
             (unsigned long long)s->check->leaders[s->check->leader_term],
             (unsigned long long)s->check->leader_term);
}

/* --- K4 --- */

static size_t seen_slot(const struct sim_check *k, uint64_t index, uint64_t term)
{
    size_t i = chk_chain(index, term, 0) & (k->seen_cap - 1);
    while (k->seen[i].index && (k->seen[i].index != index || k->seen[i].term != term)) {
        i = (i + 1) & (k->seen_cap - 1);
    }
    return i;
}

static void seen_grow(struct sim_check *k)
{
    struct chk_seen *old = k->seen;
    size_t old_cap = k->seen_cap;
    k->seen_cap = old_cap ? 2 * old_cap : 4096;
    k->seen = calloc(k->seen_cap, sizeof *k->seen);
    MS_ASSERT(k->seen != NULL);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].index) k->seen[seen_slot(k, old[i].index, old[i].term)] = old[i];
    }
    free(old);
}

static void check_match(struct sim *s, const struct sim_member *m, uint64_t index,
                        const struct chk_entry *e)
{
    struct sim_check *k = s->check;
    if (2 * k->seen_count >= k->seen_cap) seen_grow(k);
    size_t i = seen_slot(k, index, e->term);
    if (k->seen[i].index == 0) {
        k->seen[i] = (struct chk_seen){ .index = index, .term = e->term, .chain = e->chain };
        k->seen_count++;
    } else if (k->seen[i].chain != e->chain) {
        sim_fail(SIM_FAIL_SAFETY, "K4",
                 "m%u: entry %llu of term %llu has another history than elsewhere", m->index + 1,
                 (unsigned long long)index, (unsigned long long)e->term);
    }
}

/* --- the log in memory --- */

static const struct chk_entry *committed_at(struct sim *s, const struct sim_member *m, uint64_t index)
{
    const struct chk_entry *e = chk_at(&s->check->ledger, index);
    if (!e) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u begins its log behind %llu, which is not committed",
                 m->index + 1, (unsigned long long)index);
    }
    return e;
}

static void append_mem(struct sim *s, struct sim_member *m, const struct raft *r, uint64_t index)
{
    struct chk_member *c = chk_member(s, m);
    const struct entry_ref *e = raft_entry(r, index);
    MS_ASSERT(e != NULL && e->index == index && e->term == raft_term_at(r, index));
    chk_append(&c->mem, e->term, chk_hash(entry_ref_payload(e)));
    check_match(s, m, index, chk_at(&c->mem, index));
    chk_config_seen(s, c, index, e->term, entry_ref_payload(e));
}

/* Raft, figure 8: that a majority holds an entry of an earlier term does not make it committed. */
static bool is_figure_8(const struct sim *s, const struct chk_member *c, uint64_t index)
{
    const struct config *config = sim_check_config(s);
    const struct chk_entry *e = chk_at(&c->mem, index);
    return config && e && index > chk_last(&s->check->ledger) && chk_quorum(s, config, index, e->term);
}

bool sim_check_old_term_held(const struct sim *s, const struct sim_member *leader)
{
    const struct raft *r = node_raft(sim_member_node(leader));
    uint64_t next = raft_commit_index(r) + 1;
    if (next > raft_last_index(r) || raft_term_at(r, next) == raft_term(r)) return false;
    return is_figure_8(s, &s->check->members[leader->index], next);
}

/* Leader completeness (Raft, 5.4.3): nobody in the term that committed an entry, or in a later one, has it replaced. In
 * an earlier term a leader that was overtaken may. */
static void check_dropped(struct sim *s, const struct sim_member *m, uint64_t index)
{
    const struct chk_entry *committed = chk_at(&s->check->ledger, index);
    const struct chk_entry *held = chk_at(&chk_member(s, m)->mem, index);
    if (!committed || held->chain != committed->chain) return;
    if (raft_term(node_raft(sim_member_node(m))) < chk_applied_at(s->check, index)->commit_term) return;
    sim_fail(SIM_FAIL_SAFETY, "K6", "m%u drops entry %llu, which is committed", m->index + 1,
             (unsigned long long)index);
}

static void drop_suffix(struct sim *s, struct sim_member *m, uint64_t last, bool leads)
{
    struct chk_member *c = chk_member(s, m);
    sim_rare(s, SIM_RARE_SUFFIX_REPLACED);
    if (is_figure_8(s, c, last + 1)) sim_rare(s, SIM_RARE_FIGURE_8);
    if (c->config_count > 1 && c->configs[c->config_count - 1]->index > last)
        sim_rare(s, SIM_RARE_CHANGE_BACK);
    if (leads) {
        sim_fail(SIM_FAIL_SAFETY, "K5", "m%u, the leader, drops its entries behind %llu", m->index + 1,
                 (unsigned long long)last);
    }
    if (last < c->commit) {
        sim_fail(SIM_FAIL_SAFETY, "K6", "m%u drops entries behind %llu, and %llu is committed",
                 m->index + 1, (unsigned long long)last, (unsigned long long)c->commit);
    }
    check_dropped(s, m, last + 1);
    if (raft_term(node_raft(sim_member_node(m))) == c->acked_term && last < c->acked_index) {
        sim_fail(SIM_FAIL_SAFETY, "K8",
                 "m%u drops entries behind %llu, it has acknowledged %llu in this term", m->index + 1,
                 (unsigned long long)last, (unsigned long long)c->acked_index);
    }
    chk_cut(&c->mem, last);
    chk_config_cut(c, last);
}

/* What it holds last is not what was committed there, or is behind all of that. */
static bool is_superseded(const struct sim *s, const struct chk_member *c)
{
    uint64_t last = chk_last(&c->mem);
    const struct chk_entry *mine = chk_at(&c->mem, last), *committed = chk_at(&s->check->ledger, last);
    return last > c->mem.base && mine && (!committed || committed->chain != mine->chain);
}

/* Make the ghost of the log in memory what it is. */
static void follow_mem(struct sim *s, struct sim_member *m, const struct raft *r)
{
    struct chk_member *c = chk_member(s, m);
    uint64_t last = raft_last_index(r), base = raft_first_index(r) - 1,
             term_last = raft_term_at(r, last);
    bool led = c->role == RAFT_LEADER && c->term == raft_term(r);
    if (last == c->last && term_last == c->last_term && base <= chk_last(&c->mem)) return;
    uint64_t i = last < chk_last(&c->mem) ? last : chk_last(&c->mem);
    while (i >= base && i > c->mem.base && raft_term_at(r, i) != chk_at(&c->mem, i)->term) i--;
    if (i < base || (i == base && raft_term_at(r, i) != chk_at(&c->mem, i)->term)) {
        if (is_superseded(s, c)) sim_rare(s, SIM_RARE_SNAP_OVER_SUFFIX);
        chk_reset(&c->mem, base, committed_at(s, m, base));
        chk_config_rebase(s, c, base);
        i = base;
    }
    if (i < chk_last(&c->mem)) drop_suffix(s, m, i, led);
    while (i < last) append_mem(s, m, r, ++i);
    c->last = last;
    c->last_term = term_last;
}

/* After a start: what raft holds has to be what the log durably holds, at most. */
void chk_mem_restart(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    const struct raft *r = node_raft(sim_member_node(m));
    uint64_t base = raft_first_index(r) - 1, last = raft_last_index(r);
    c->role = 0;
    c->vote = raft_vote(r);
    c->commit = raft_commit_index(r);
    c->term = raft_term(r);
    chk_reset(&c->mem, base, base ? committed_at(s, m, base) : &(struct chk_entry){ 0 });
    for (uint64_t i = base + 1; i <= last; i++) {
        const struct chk_entry *e = chk_at(&c->durable, i);
        if (!e || i == c->durable.base || e->term != raft_term_at(r, i)) {
            sim_fail(SIM_FAIL_SAFETY, "K8", "m%u starts with entry %llu, which is not durable",
                     m->index + 1, (unsigned long long)i);
        }
        chk_append_entry(&c->mem, e);
        check_match(s, m, i, e);
    }
    chk_config_restart(s, c, base, last);
    c->last = last;
    c->last_term = raft_term_at(r, last);
}

/* --- K6, K7 --- */

bool chk_holds(const struct chk_member *c, uint64_t index, uint64_t term)
{
    const struct chk_entry *e = chk_at(&c->durable, index);
    return index <= c->durable.base || index <= c->snap_index || (e && e->term == term);
}

bool chk_held(const struct chk_member *c, uint64_t index, uint64_t term)
{
    if (chk_holds(c, index, term)) return true;
    if (!c->broken && !c->harmed && (!c->wiped || c->removed_since)) return false;
    const struct chk_entry *e = chk_at(&c->lost, index);
    return index <= c->lost.base || index <= c->lost_snap_index || (e && e->term == term);
}

static bool majority(const struct sim *s, const struct config *c, uint8_t role, uint64_t index,
                     uint64_t term)
{
    uint32_t all = 0, hold = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (!(c->members[i].roles & role)) continue;
        MS_ASSERT(c->members[i].id <= SIM_MEMBERS_MAX);
        all++;
        hold += chk_held(&s->check->members[c->members[i].id - 1], index, term);
    }
    return all == 0 || 2 * hold > all;
}

bool chk_quorum(const struct sim *s, const struct config *c, uint64_t index, uint64_t term)
{
    return majority(s, c, CONFIG_VOTER, index, term) && majority(s, c, CONFIG_OUTGOING, index, term);
}

/* By the configuration in force; or by the one before, if the newest one is behind the entry: then it
 * may have been appended after the commit, in the same input. */
static bool committed_by_quorum(const struct sim *s, const struct sim_member *m, uint64_t index,
                                uint64_t term)
{
    const struct chk_member *c = &s->check->members[m->index];
    const struct raft *r = node_raft(sim_member_node(m));
    if (chk_quorum(s, raft_config(r), index, term)) return true;
    if (raft_config_index(r) <= index || c->config_count < 2) return false;
    return chk_quorum(s, &c->configs[c->config_count - 2]->config, index, term);
}

static void ledger_append(struct sim *s, const struct sim_member *m, uint64_t index,
                          const struct chk_entry *e)
{
    struct sim_check *k = s->check;
    const struct raft *r = node_raft(sim_member_node(m));
    if (!committed_by_quorum(s, m, index, e->term)) {
        sim_fail(SIM_FAIL_SAFETY, "K7",
                 "m%u commits entry %llu of term %llu, which no quorum durably holds", m->index + 1,
                 (unsigned long long)index, (unsigned long long)e->term);
    }
    if (e->term != raft_term(r)) sim_rare(s, SIM_RARE_OLD_TERM_KEPT);
    if (!chk_holds(chk_member(s, m), index, e->term)) sim_rare(s, SIM_RARE_COMMIT_BEFORE_OWN);
    chk_append_entry(&k->ledger, e);
    chk_applied_at(k, index)->commit_term = raft_term(r);
    chk_config_committed(s, index, e->term);
}

static void check_commit(struct sim *s, struct sim_member *m, const struct raft *r)
{
    struct sim_check *k = s->check;
    struct chk_member *c = chk_member(s, m);
    uint64_t commit = raft_commit_index(r);
    bool leads = raft_role(r) == RAFT_LEADER && c->role == RAFT_LEADER && c->term == raft_term(r);
    if (commit == c->commit) return;
    if (commit < c->commit || commit > chk_last(&c->mem)) {
        sim_fail(SIM_FAIL_SAFETY, "K6", "m%u moves its commit index from %llu to %llu", m->index + 1,
                 (unsigned long long)c->commit, (unsigned long long)commit);
    }
    if (leads && raft_term_at(r, commit) != raft_term(r)) {
        sim_fail(SIM_FAIL_SAFETY, "K7", "m%u, leader of term %llu, commits entry %llu of term %llu",
                 m->index + 1, (unsigned long long)raft_term(r), (unsigned long long)commit,
                 (unsigned long long)raft_term_at(r, commit));
    }
    /* A quorum for the newest is one for all before it: they are the same log. */
    for (uint64_t i = chk_last(&k->ledger) + 1; i <= commit; i++) {
        ledger_append(s, m, i, chk_at(&c->mem, i));
    }
    const struct chk_entry *mine = chk_at(&c->mem, commit), *theirs = chk_at(&k->ledger, commit);
    if (mine->term != theirs->term || mine->chain != theirs->chain) {
        sim_fail(SIM_FAIL_SAFETY, "K6", "m%u commits another entry %llu than was committed",
                 m->index + 1, (unsigned long long)commit);
    }
    c->commit = commit;
    if (commit > k->commit) k->commit = commit;
}

/* A new leader holds everything that was committed in earlier terms (Raft, 5.4.3). One that was elected
 * and heard of it late knows nothing of what a later leader has committed in between. */
static void check_new_leader(struct sim *s, const struct sim_member *m)
{
    const struct chk_member *c = chk_member(s, m);
    uint64_t committed = chk_last(&s->check->ledger), term = raft_term(node_raft(sim_member_node(m)));
    while (committed > 0 && chk_applied_at(s->check, committed)->commit_term >= term) committed--;
    const struct chk_entry *mine = chk_at(&c->mem, committed);
    if (committed < c->mem.base) return;
    if (!mine || mine->chain != chk_at(&s->check->ledger, committed)->chain) {
        sim_fail(SIM_FAIL_SAFETY, "K6", "m%u is elected and lacks entry %llu, which is committed",
                 m->index + 1, (unsigned long long)committed);
    }
}

/* --- the hook --- */

void sim_check_member(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    const struct raft *r = node_raft(sim_member_node(m));
    uint64_t term = raft_term(r);
    enum raft_role role = raft_role(r);
    follow_mem(s, m, r);
    chk_differ_look(s, m);
    if (term < c->term) sim_fail(SIM_FAIL_SAFETY, "K3", "m%u goes back in term", m->index + 1);
    if (term == c->term && c->vote != 0 && raft_vote(r) != c->vote) {
        sim_fail(SIM_FAIL_SAFETY, "K2", "m%u changes its vote in term %llu", m->index + 1,
                 (unsigned long long)term);
    }
    bool ends = c->role == RAFT_LEADER && (role != RAFT_LEADER || term != c->term);
    if (ends && sim_core_excuses_end(s, m->index)) s->check->excused_ends++;
    if (role == RAFT_LEADER) check_leader(s, m, term);
    if (role == RAFT_LEADER && (c->role != RAFT_LEADER || c->term != term)) check_new_leader(s, m);
    if (c->role == RAFT_CANDIDATE && role != RAFT_LEADER && term > c->term) {
        sim_rare(s, SIM_RARE_SPLIT_VOTE);
    }
    check_commit(s, m, r);
    chk_config_check(s, m);
    c->role = role;
    c->term = term;
    c->vote = raft_vote(r);
}
