/* sim_check_lease.c: K14 (sim_lease.h). */
#include <stdlib.h>
#include <string.h>

#include "format/entry_lease.h"
#include "kv/kv_cmd.h"
#include "node/node_private.h"
#include "sim/sim_check_private.h"
#include "sim/sim_lease_private.h"
#include "sim/sim_workload_private.h"

#define MILLION INT64_C(1000000)
#define MARK_MS_MIN 5000u
#define MARK_MS_MOST 300000u
#define MARK_CHANCES_MAX 4u /* missed: full queues, a leadership that is being handed over */

struct lease_ghost *lease_find(const struct sim_leases *ls, uint64_t id)
{
    for (size_t i = ls->count; i > 0; i--) { /* young ones are asked for */
        if (ls->ghosts[i - 1].id == id) return &ls->ghosts[i - 1];
    }
    return NULL;
}

static unsigned long long number(uint64_t v)
{
    return (unsigned long long)v;
}

/* --- keys --- */

static bool key_index(struct bytes key, uint32_t *out)
{
    return sim_key_number(key, 'l', LEASE_KEYS, out);
}

bool sim_lease_key(struct bytes key)
{
    uint32_t ignored;
    return key_index(key, &ignored);
}

/* Returns how many there were. */
static uint64_t drop_keys(struct sim_leases *ls, uint64_t id)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < LEASE_KEYS; i++) {
        if (!ls->present[i] || ls->keys[i] != id) continue;
        ls->present[i] = false;
        count++;
    }
    return count;
}

/* The operations of a transaction that took effect. granted: what its entry granted, or 0. */
static void ops_applied(struct sim *s, struct bytes ops, uint64_t granted, const struct kv_result *r)
{
    struct sim_leases *ls = s->leases;
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    uint32_t key;
    while (kv_cmd_next_op(&run, &op)) {
        if (!key_index(op.key, &key)) continue;
        if (op.lease == KV_LEASE_OF_GRANT) op.lease = granted;
        struct lease_ghost *g = op.lease ? lease_find(ls, op.lease) : NULL;
        if (op.kind == KV_OP_PUT && op.lease && !(g && g->alive)) {
            sim_fail(SIM_FAIL_SAFETY, "K14", "entry %llu puts a key on lease %llu, which is dead",
                     number(r->index), number(op.lease));
        }
        ls->present[key] = op.kind == KV_OP_PUT;
        ls->keys[key] = op.kind == KV_OP_PUT ? op.lease : 0;
        if (op.kind == KV_OP_PUT) *(g ? &g->hung_us[key] : &ls->free_us[key]) = sim_now_us(s);
    }
}

static void txn_applied(struct sim *s, struct bytes body, uint64_t granted, const struct kv_result *r)
{
    struct kv_cmd cmd;
    struct kv_op op;
    if (kv_cmd_decode(body, &cmd) < 0) return;
    if (r->status == 0) {
        ops_applied(s, r->succeeded ? cmd.then_ops : cmd.else_ops, granted, r);
        return;
    }
    struct bytes_reader run = bytes_reader_of(cmd.then_ops);
    if (r->status != MS_ENOLEASE || !kv_cmd_next_op(&run, &op)) return;
    const struct lease_ghost *g = lease_find(s->leases, op.lease);
    if (g && g->alive) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "entry %llu is refused, though lease %llu lives",
                 number(r->index), number(op.lease));
    }
}

/* --- lives --- */

static void granted(struct sim *s, const struct entry *e, const struct kv_result *r)
{
    struct sim_leases *ls = s->leases;
    struct entry_lease_grant grant;
    if (entry_lease_grant_decode(e->body, &grant) < 0 || r->status != 0) return;
    if (r->lease == 0) return; /* its transaction did something else */
    if (lease_find(ls, r->lease)) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "entry %llu grants lease %llu again", number(r->index),
                 number(r->lease));
    }
    if (ls->count == ls->cap) {
        ls->cap = ls->cap ? 2 * ls->cap : 64;
        ls->ghosts = realloc(ls->ghosts, ls->cap * sizeof *ls->ghosts);
        MS_ASSERT(ls->ghosts != NULL);
    }
    ls->ghosts[ls->count++] = (struct lease_ghost){ .id = r->lease,
                                                    .ttl_ms = grant.ttl_ms,
                                                    .remaining_ms = grant.ttl_ms,
                                                    .renewed_index = r->index,
                                                    .renewed_us = sim_now_us(s),
                                                    .touched_index = r->index,
                                                    .alive = true };
    ls->alive++;
    if (grant.command.len > 0) txn_applied(s, grant.command, r->lease, r);
}

static void renewed(struct sim *s, const struct entry *e, const struct kv_result *r)
{
    uint32_t count;
    if (r->status != 0 || entry_lease_ids_count(e->body, &count) < 0) return;
    for (uint32_t i = 0; i < count; i++) {
        struct lease_ghost *g = lease_find(s->leases, entry_lease_id_at(e->body, i));
        if (!g || !g->alive) continue;
        g->remaining_ms = g->ttl_ms;
        g->renewed_index = g->touched_index = r->index;
        g->renewed_us = sim_now_us(s);
    }
}

static void marked(struct sim *s, const struct entry *e, const struct kv_result *r)
{
    uint32_t count;
    if (r->status != 0 || entry_lease_marks_count(e->body, &count) < 0) return;
    for (uint32_t i = 0; i < count; i++) {
        struct entry_lease_mark m = entry_lease_mark_at(e->body, i);
        struct lease_ghost *g = lease_find(s->leases, m.id);
        if (!g || !g->alive || g->renewed_index != m.renewed_index) continue;
        if (m.remaining_ms >= g->remaining_ms) continue;
        g->remaining_ms = m.remaining_ms;
        g->touched_index = r->index;
        sim_rare(s, SIM_RARE_LEASE_MARKED);
    }
}

static int64_t life_us(struct sim *s, const struct lease_ghost *g, uint64_t ttl_s);

/* Until when it lives at least; clocks may have changed their rates since that was told. */
static uint64_t promised_until_us(struct sim *s, const struct lease_ghost *g)
{
    int64_t life = g->promised_s ? life_us(s, g, g->promised_s) : 0;
    return life > 0 ? g->promised_us + (uint64_t)life : 0;
}

static void check_expiry(struct sim *s, const struct lease_ghost *g, const struct entry_lease_revoke *v,
                         uint64_t term, const struct kv_result *r)
{
    if (v->term != term) {
        sim_fail(SIM_FAIL_SAFETY, "K14",
                 "entry %llu of term %llu ends lease %llu by what was concluded in term %llu",
                 number(r->index), number(term), number(g->id), number(v->term));
    }
    if (v->renewed_index != g->renewed_index) {
        sim_fail(SIM_FAIL_SAFETY, "K14",
                 "entry %llu ends lease %llu as not renewed since entry %llu, it was at entry %llu",
                 number(r->index), number(g->id), number(v->renewed_index), number(g->renewed_index));
    }
    uint64_t until_us = promised_until_us(s, g);
    if (!s->leases->clocks.stood && sim_now_us(s) < until_us) {
        sim_fail(SIM_FAIL_SAFETY, "K14",
                 "lease %llu expires %llu us before the time that was acknowledged", number(g->id),
                 number(until_us - sim_now_us(s)));
    }
}

static void revoked(struct sim *s, const struct entry *e, uint64_t term, const struct kv_result *r)
{
    struct sim_leases *ls = s->leases;
    struct entry_lease_revoke v;
    if (entry_lease_revoke_decode(e->body, &v) < 0) return;
    struct lease_ghost *g = lease_find(ls, v.id);
    bool alive = g && g->alive;
    if (v.expired && r->status == MS_ECONFLICT) sim_rare(s, SIM_RARE_LEASE_FENCED);
    if (r->status == MS_ENOLEASE && alive) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "entry %llu does not find lease %llu, which lives",
                 number(r->index), number(v.id));
    }
    if (r->status != 0) return;
    if (!alive) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "entry %llu ends lease %llu, which does not live",
                 number(r->index), number(v.id));
    }
    if (v.expired) check_expiry(s, g, &v, term, r);
    uint64_t keys = drop_keys(ls, v.id);
    if (r->deleted != keys) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "with lease %llu %llu keys go, %llu hang on it", number(v.id),
                 number(r->deleted), number(keys));
    }
    if (v.expired) sim_rare(s, SIM_RARE_LEASE_EXPIRED);
    g->alive = false;
    g->expired = v.expired;
    g->died_us = sim_now_us(s);
    ls->alive--;
}

void sim_lease_applied(struct sim *s, const struct entry *e, uint64_t term, const struct kv_result *r)
{
    switch (e->kind) {
    case ENTRY_TXN: txn_applied(s, e->body, 0, r); break;
    case ENTRY_LEASE_GRANT: granted(s, e, r); break;
    case ENTRY_LEASE_RENEW: renewed(s, e, r); break;
    case ENTRY_LEASE_REVOKE: revoked(s, e, term, r); break;
    case ENTRY_LEASE_CHECKPOINT: marked(s, e, r); break;
    default: break;
    }
}

/* --- time --- */

/* The least true time that ttl_s acknowledged at the latest possible moment leaves. The entry was applied by
 * whoever expires it no earlier than it was accepted, which is half the grace before that, and as much more
 * as was taken off the ttl, by a clock that may be slow; the lease is timed by one that may be fast. */
static int64_t life_us(struct sim *s, const struct lease_ghost *g, uint64_t ttl_s)
{
    struct lease_clocks *clocks = &s->leases->clocks;
    for (uint32_t i = 0; i < s->cluster->count; i++) sim_lease_clock(s, &sim_member_at(s, i)->clock);
    int64_t whole_us = 1000 * (int64_t)(g->ttl_ms + NODE_LEASE_GRACE_MS);
    int64_t took_us = 1000 * (int64_t)(NODE_LEASE_GRACE_MS / 2 + g->ttl_ms) - 1000000 * (int64_t)ttl_s;
    int64_t turns_us = 1000 * (int64_t)(NODE_LEASE_GRACE_MS / 2);
    int64_t fast = MILLION + clocks->fastest_ppm, slow = MILLION + clocks->slowest_ppm;
    return whole_us * MILLION / fast - (took_us + turns_us) * MILLION / slow;
}

void sim_lease_clock(struct sim *s, const struct sim_clock *c)
{
    struct lease_clocks *to;
    if (!s->leases) return;
    to = &s->leases->clocks;
    if (c->fastest_ppm > to->fastest_ppm) to->fastest_ppm = c->fastest_ppm;
    if (c->slowest_ppm < to->slowest_ppm) to->slowest_ppm = c->slowest_ppm;
    to->stood |= c->stood;
}

void lease_promised(struct sim *s, uint64_t id, uint64_t ttl_s, uint64_t at_us)
{
    struct lease_ghost *g = lease_find(s->leases, id);
    if (!g || ttl_s * 1000 > g->ttl_ms) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "%llu s of lease %llu are acknowledged, which has not so many",
                 number(ttl_s), number(id));
    }
    if (at_us + ttl_s * 1000000 > g->promised_us + g->promised_s * 1000000) {
        g->promised_us = at_us;
        g->promised_s = ttl_s;
    }
    uint64_t until_us = promised_until_us(s, g);
    if (!g->alive && g->expired && !s->leases->clocks.stood && g->died_us < until_us) {
        sim_fail(SIM_FAIL_SAFETY, "K14",
                 "lease %llu had expired %llu us before the time that is acknowledged", number(id),
                 number(until_us - g->died_us));
    }
}

/* --- what was asked for, against what the entries say --- */

void lease_check_granted(struct sim *s, uint64_t id, uint64_t asked_s)
{
    const struct lease_ghost *g = lease_find(s->leases, id);
    if (g && g->ttl_ms >= 1000 * asked_s) return;
    sim_fail(SIM_FAIL_SAFETY, "K14", "lease %llu is granted for %llu ms, %llu s were asked for",
             number(id), number(g ? g->ttl_ms : 0), number(asked_s));
}

void lease_check_put(struct sim *s, uint64_t id, uint32_t key, uint64_t since_us)
{
    const struct sim_leases *ls = s->leases;
    const struct lease_ghost *g = id ? lease_find(ls, id) : NULL;
    uint64_t put_us = g ? g->hung_us[key] : id ? 0 : ls->free_us[key];
    if (put_us > 0 && put_us >= since_us) return;
    sim_fail(SIM_FAIL_SAFETY, "K14",
             "l%u is acknowledged as put on lease %llu (0: on none), and no entry says so", key,
             number(id));
}

/* All of it but what the answer has cost: by the time between request and answer, on a clock that may be fast,
 * less the half of the grace that is free. The rest is for whole milliseconds and seconds. */
void lease_check_told(struct sim *s, uint64_t id, uint64_t ttl_s, uint64_t since_us)
{
    const struct lease_ghost *g = lease_find(s->leases, id);
    const struct lease_clocks *clocks = &s->leases->clocks;
    for (uint32_t i = 0; i < s->cluster->count; i++) sim_lease_clock(s, &sim_member_at(s, i)->clock);
    if (!g || clocks->stood) return;
    uint64_t fast = (uint64_t)(MILLION + clocks->fastest_ppm);
    uint64_t took_ms = (sim_now_us(s) - since_us) * fast / MILLION / 1000 + 2;
    uint64_t late_ms = took_ms > NODE_LEASE_GRACE_MS / 2 ? took_ms - NODE_LEASE_GRACE_MS / 2 : 0;
    if (ttl_s * 1000 + 999 + late_ms >= g->ttl_ms) return;
    sim_fail(SIM_FAIL_SAFETY, "K14",
             "%llu s of lease %llu are told, %llu ms after they were asked for, and it has %llu ms",
             number(ttl_s), number(id), number(took_ms), number(g->ttl_ms));
}

void lease_check_read(struct sim *s, uint32_t member, uint64_t id, uint64_t left_s, uint64_t since_us)
{
    const struct sim_member *m = sim_member_at(s, member);
    const struct lease_ghost *g = lease_find(s->leases, id);
    const struct lease_seen *seen = g ? &g->seen[member] : NULL;
    bool timed = seen && seen->epoch == s->leases->epochs[member] + 1;
    if (!timed || m->clock.stood || left_s == 0) return; /* 0: it may end at any time, or is late to */
    uint64_t asked_us = sim_clock_us(&m->clock, sim_now_us(s));
    asked_us -= (sim_now_us(s) - since_us) * (uint64_t)(MILLION + m->clock.fastest_ppm) / MILLION;
    if (left_s * 1000 + asked_us / 1000 + NODE_LEASE_GRACE_MS <= seen->deadline_ms + 1) return;
    sim_fail(SIM_FAIL_SAFETY, "K14",
             "m%u tells that %llu s of lease %llu are left, and gives it %llu ms", member + 1,
             number(left_s), number(id),
             number(seen->deadline_ms - NODE_LEASE_GRACE_MS - asked_us / 1000));
}

/* --- what members think --- */

void sim_lease_forget(struct sim *s, const struct sim_member *m)
{
    if (s->leases) s->leases->epochs[m->index]++;
}

static void look(struct sim *s, const struct sim_member *m, struct lease_ghost *g, uint64_t applied)
{
    struct lease_seen now = { .epoch = s->leases->epochs[m->index] + 1 };
    struct lease_seen *before = &g->seen[m->index];
    uint64_t now_ms = sim_clock_us(&m->clock, sim_now_us(s)) / 1000;
    if (!node_lease_time(sim_member_node(m), g->id, &now.deadline_ms, &now.renewed_index)) {
        before->epoch = 0; /* the state was replaced, and is not looked through yet */
        return;
    }
    bool same = before->epoch == now.epoch && before->renewed_index == now.renewed_index;
    if (same && now.deadline_ms > before->deadline_ms) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "m%u gives lease %llu %llu ms more, which nothing has renewed",
                 m->index + 1, number(g->id), number(now.deadline_ms - before->deadline_ms));
    }
    bool unmarked = g->renewed_index == now.renewed_index && g->touched_index == g->renewed_index;
    if (same && unmarked && now.deadline_ms < before->deadline_ms) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "m%u takes %llu ms from lease %llu, which nothing has said",
                 m->index + 1, number(before->deadline_ms - now.deadline_ms), number(g->id));
    }
    *before = now;
    uint64_t most_ms = g->remaining_ms + g->remaining_ms / NODE_LEASE_RATE + NODE_LEASE_GRACE_MS + 1;
    if (applied >= g->touched_index && now.deadline_ms > now_ms + most_ms) {
        sim_fail(SIM_FAIL_SAFETY, "K14", "m%u gives lease %llu %llu ms more than the state does",
                 m->index + 1, number(g->id), number(now.deadline_ms - now_ms - most_ms));
    }
}

/* What is left of it is written down when so much has gone, so that a restart gives back no more (TL2). */
static uint64_t mark_after_ms(uint64_t ttl_ms)
{
    uint64_t ms = ttl_ms / 64 > MARK_MS_MOST ? ttl_ms / 64 : MARK_MS_MOST;
    if (ms > ttl_ms / 2) ms = ttl_ms / 2;
    return ms > MARK_MS_MIN ? ms : MARK_MS_MIN;
}

/* Begins anew with each term, life, renewal, and mark. */
static bool is_same_watch(const struct lease_mark_watch *a, const struct lease_mark_watch *b)
{
    return a->epoch == b->epoch && a->term == b->term && a->renewed_index == b->renewed_index &&
           a->touched_index == b->touched_index;
}

/* It is due at a turn of a leader. If so was appended nothing of it before the next entry that came behind
 * that turn and is applied by now, the leader had a chance, and has missed it. */
static void look_at_mark(struct sim *s, const struct sim_member *m, struct lease_ghost *g,
                         uint64_t applied)
{
    const struct raft *r = node_raft(sim_member_node(m));
    struct lease_mark_watch *w = &g->marks[m->index];
    const struct lease_seen *seen = &g->seen[m->index];
    uint64_t now_ms = sim_clock_us(&m->clock, sim_now_us(s)) / 1000;
    struct lease_mark_watch now = { .epoch = seen->epoch,
                                    .term = raft_role(r) == RAFT_LEADER ? raft_term(r) : 0,
                                    .renewed_index = seen->renewed_index,
                                    .touched_index = g->touched_index <= applied ? g->touched_index : 0,
                                    .since_ms = now_ms };
    if (!is_same_watch(w, &now)) *w = now;
    bool commits = raft_term_at(r, raft_commit_index(r)) == w->term;
    bool is_due = now_ms >= w->since_ms + mark_after_ms(g->ttl_ms) && now_ms < seen->deadline_ms;
    bool full = s->plan.member.node.space_low_bytes > 0;
    if (w->term == 0 || full || !commits || !is_due) return;
    if (w->chances > 0 && applied <= w->chance_index) return;
    if (w->chances > 0 && now_ms < w->chance_ms + s->plan.member.node.raft.heartbeat_ms) return;
    if (++w->chances > MARK_CHANCES_MAX) {
        sim_fail(SIM_FAIL_SAFETY, "K14",
                 "m%u leads, and %llu ms of lease %llu have gone without a word of it in the log",
                 m->index + 1, number(now_ms - w->since_ms), number(g->id));
    }
    w->chance_ms = now_ms;
    w->chance_index = raft_last_index(r);
}

void sim_lease_turn(struct sim *s, const struct sim_member *m)
{
    const struct sim_leases *ls = s->leases;
    if (!ls || ls->alive == 0) return;
    uint64_t applied = node_applied_index(sim_member_node(m));
    for (size_t i = 0; i < ls->count; i++) {
        struct lease_ghost *g = &ls->ghosts[i];
        if (!g->alive) continue;
        look(s, m, g, applied);
        if (g->seen[m->index].epoch) look_at_mark(s, m, g, applied);
    }
}
