/* sim_check_apply.c: entries are applied in order, once, only when committed and durable (K9); every
 * member has the same state at the same index, after restarts and snapshots too (K10, K16); a proposal
 * takes effect once (K12, through the workload's ledger of clients). */
#include <xxhash.h>

#include "sim/sim_check_private.h"
#include "sim/sim_lease.h"
#include "sim/sim_workload.h"

struct chk_applied *chk_applied_at(struct sim_check *k, uint64_t index)
{
    if (index > k->applied_cap) {
        size_t more = k->applied_cap ? 2 * k->applied_cap : 1024;
        while (more < index) more *= 2;
        k->applied = realloc(k->applied, more * sizeof *k->applied);
        MS_ASSERT(k->applied != NULL);
        memset(k->applied + k->applied_cap, 0, (more - k->applied_cap) * sizeof *k->applied);
        k->applied_cap = more;
    }
    return &k->applied[index - 1];
}

void chk_check_digest(struct sim *s, const struct sim_member *m, uint64_t index,
                      const struct kv_digest *digest, const char *checker, const char *what)
{
    struct chk_applied *a = chk_applied_at(s->check, index);
    if (!a->known) {
        sim_fail(SIM_FAIL_SAFETY, checker, "m%u has %s at index %llu, which nobody has applied",
                 m->index + 1, what, (unsigned long long)index);
    }
    if (chk_member(s, m)->differs) return; /* K24 */
    if (!a->digest_known) {
        a->digest = *digest;
        a->digest_known = true;
    }
    if (memcmp(&a->digest, digest, sizeof *digest) != 0) {
        sim_fail(SIM_FAIL_SAFETY, checker, "m%u: the digest of %s at index %llu differs", m->index + 1,
                 what, (unsigned long long)index);
    }
}

/* --- applying --- */

static void apply_begins(struct sim *s, const struct sim_member *m, const struct kv_job *job)
{
    const struct chk_member *c = chk_member(s, m);
    const struct raft *r = node_raft(sim_member_node(m));
    for (uint32_t i = 0; i < job->count; i++) {
        const struct entry_ref *e = job->entries[i];
        const struct chk_entry *committed = chk_at(&s->check->ledger, e->index);
        const struct chk_entry *before = chk_at(&s->check->ledger, e->index - 1);
        if (e->index != c->applied + 1 + i) {
            sim_fail(SIM_FAIL_SAFETY, "K9", "m%u applies entry %llu behind entry %llu", m->index + 1,
                     (unsigned long long)e->index, (unsigned long long)c->applied + i);
        }
        if (e->index > raft_commit_index(r) || !committed) {
            sim_fail(SIM_FAIL_SAFETY, "K9", "m%u applies entry %llu, which is not committed",
                     m->index + 1, (unsigned long long)e->index);
        }
        if (!chk_holds(c, e->index, e->term)) {
            sim_fail(SIM_FAIL_SAFETY, "K9", "m%u applies entry %llu, which is not durable there",
                     m->index + 1, (unsigned long long)e->index);
        }
        if (chk_chain(before->chain, e->term, chk_hash(entry_ref_payload(e))) != committed->chain) {
            sim_fail(SIM_FAIL_SAFETY, "K9", "m%u applies another entry %llu than was committed",
                     m->index + 1, (unsigned long long)e->index);
        }
    }
}

static uint64_t result_hash(const struct kv_result *r)
{
    uint64_t fields[] = { r->index,     (uint64_t)(int64_t)r->status,
                          r->succeeded, r->changed,
                          r->revision,  r->deleted };
    return XXH3_64bits(fields, sizeof fields);
}

/* An entry has taken effect at a member: the first one of them tells all ghosts, the others have to agree. */
static void applied(struct sim *s, const struct sim_member *m, struct bytes payload, uint64_t term,
                    const struct kv_result *r)
{
    struct chk_applied *a = chk_applied_at(s->check, r->index);
    struct entry e;
    if (!a->known) {
        a->known = true;
        a->result_hash = result_hash(r);
        sim_workload_applied(s, payload, r);
        if (entry_decode(payload, &e) == 0) sim_lease_applied(s, &e, term, r);
    }
    chk_check_digest(s, m, r->index, &r->digest, "K10", "the state");
    if (a->result_hash != result_hash(r)) {
        sim_fail(SIM_FAIL_SAFETY, "K10", "m%u: applying entry %llu gives another result", m->index + 1,
                 (unsigned long long)r->index);
    }
}

static void apply_ended(struct sim *s, struct sim_member *m, const struct kv_job *job)
{
    struct chk_member *c = chk_member(s, m);
    if (job->status < 0) sim_check_job_failed(s, m, job);
    /* Its database is damaged, or it was refused memory: it stops. */
    bool starved = m->alloc.refused > 0 && job->status == MS_EFATAL;
    if (job->status < 0 && (c->latent || m->io.failed || starved)) return;
    if (job->status < 0) {
        sim_fail(SIM_FAIL_SAFETY, "K9", "m%u cannot apply entry %llu: %s", m->index + 1,
                 (unsigned long long)job->entries[0]->index, ms_err_text(job->status));
    }
    for (uint32_t i = 0; i < job->count; i++) {
        const struct entry_ref *e = job->entries[i];
        MS_ASSERT(job->results[i].index == e->index);
        applied(s, m, entry_ref_payload(e), e->term, &job->results[i]);
    }
    c->applied = job->entries[job->count - 1]->index;
    chk_size_applied(s, job);
}

/* --- applying that failed --- */

void chk_tried_fini(struct chk_member *c)
{
    for (size_t i = 0; i < c->tried_count; i++) free(c->tried[i].payload);
    free(c->tried);
    c->tried = NULL;
    c->tried_count = 0;
}

void sim_check_job_failed(struct sim *s, struct sim_member *m, const struct kv_job *job)
{
    struct chk_member *c = chk_member(s, m);
    if (job->kind != KV_JOB_APPLY) return;
    chk_tried_fini(c);
    c->tried = calloc(job->count, sizeof *c->tried);
    MS_ASSERT(c->tried != NULL);
    for (uint32_t i = 0; i < job->count && job->results[i].index == job->entries[i]->index; i++) {
        struct bytes payload = entry_ref_payload(job->entries[i]);
        struct chk_tried *t = &c->tried[c->tried_count++];
        *t = (struct chk_tried){ .term = job->entries[i]->term, .result = job->results[i] };
        t->payload = malloc(payload.len + 1);
        MS_ASSERT(t->payload != NULL);
        memcpy(t->payload, payload.data, payload.len);
        t->len = payload.len;
    }
}

/* What it tells now stands on entries that it may have been the first to apply, in a job that failed and that
 * its engine had made durable, whole or in part. */
static void tried_restart(struct sim *s, const struct sim_member *m, uint64_t applied_index)
{
    struct chk_member *c = chk_member(s, m);
    for (size_t i = 0; i < c->tried_count && c->tried[i].result.index <= applied_index; i++) {
        const struct chk_tried *t = &c->tried[i];
        applied(s, m, bytes_of(t->payload, t->len), t->term, &t->result);
    }
    chk_tried_fini(c);
}

/* --- snapshots --- */

static void view_opened(struct sim *s, const struct sim_member *m, const struct kv_job *job)
{
    if (job->status < 0 || job->info->applied_index == 0) return;
    chk_check_digest(s, m, job->info->applied_index, &job->info->digest, "K16", "a view");
    s->totals.snapshots_taken++;
    sim_rare(s, SIM_RARE_SNAP_TAKEN);
}

void sim_check_backup(struct sim *s, uint32_t index, const struct kv_info *info, uint64_t begin_us)
{
    uint64_t at = info->applied_index;
    const struct chk_applied *a = at > 0 ? chk_applied_at(s->check, at) : NULL;
    if (sim_check_may_lie(s, index, begin_us)) return;
    if (a && a->digest_known && memcmp(&a->digest, &info->digest, sizeof a->digest) == 0) return;
    sim_fail(SIM_FAIL_SAFETY, "K25", "the backup from m%u is of no state that there was at index %llu",
             index + 1, (unsigned long long)at);
}

static void load_ended(struct sim *s, struct sim_member *m, const struct kv_job *job)
{
    struct chk_member *c = chk_member(s, m);
    if (job->status < 0 || !job->last) return;
    if (job->info->applied_index < c->applied) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u installs a snapshot of index %llu, it has applied %llu",
                 m->index + 1, (unsigned long long)job->info->applied_index,
                 (unsigned long long)c->applied);
    }
    if (c->differs && !m->on_rocks) c->wrong_kept = true;
    /* Who has noticed stops all the same, as soon as its mark is stored, and begins anew (seed 493365392736). */
    if (!c->knows) chk_differ_over(s, m);
    chk_check_digest(s, m, job->info->applied_index, &job->info->digest, "K16",
                     "an installed snapshot");
    c->applied = job->info->applied_index;
    sim_lease_forget(s, m);
    if (m->on_rocks) {
        c->snap_index = c->persisted_index = c->applied; /* durable when the job ends (E5) */
        chk_database_whole(s, m);
    }
    s->totals.snapshots_installed++;
    sim_rare(s, SIM_RARE_SNAP_INSTALLED);
    const struct sim_member *leader = sim_cluster_leader(s);
    if (leader && raft_term(node_raft(sim_member_node(leader))) == c->load_term &&
        raft_first_index(node_raft(sim_member_node(leader))) > c->load_first)
        sim_rare(s, SIM_RARE_SNAP_CUT_RACE);
    sim_trace(s, "m%u  has installed a snapshot of index %llu", m->index + 1,
              (unsigned long long)c->applied);
}

static void check_scan(struct sim_member *m, const struct kv_info *info)
{
    struct kv_digest scanned;
    m->alloc.quiet = true;
    int rv = kv_digest_by_scan(m->kv, &scanned);
    m->alloc.quiet = false;
    if (rv == 0 && memcmp(&scanned, &info->digest, sizeof scanned) == 0) return;
    sim_fail(SIM_FAIL_SAFETY, "K10", "m%u: a scan of the state at index %llu %s", m->index + 1,
             (unsigned long long)info->applied_index,
             rv < 0 ? ms_err_text(rv) : "gives another digest");
}

/* A durable engine holds what it held when it last said so, or more; and when it has opened with that, the
 * same database opens with no less. It may not open at all: RocksDB makes durable in one sync the name of a
 * manifest and a CURRENT that tells that name, and power that goes before may leave CURRENT alone (D4). Then
 * what was persisted counts, which the log is not cut beyond. */
static void engine_restart(struct sim *s, struct sim_member *m, const struct kv_info *info)
{
    struct chk_member *c = chk_member(s, m);
    uint64_t least = m->from_newest ? c->snap_index : c->persisted_index;
    if (info->applied_index < least && !c->latent) {
        sim_fail(SIM_FAIL_SAFETY, "K16",
                 "m%u had persisted its state up to index %llu, it opens with %llu", m->index + 1,
                 (unsigned long long)least, (unsigned long long)info->applied_index);
    }
    c->snap_index = info->applied_index;
    if (c->persisted_index > c->snap_index) c->persisted_index = c->snap_index;
    if (!c->latent) check_scan(m, info);
}

/* It was told that this is durable; the next start shows whether it was. */
static void persisted(struct sim *s, const struct sim_member *m, const struct kv_job *job)
{
    struct chk_member *c = chk_member(s, m);
    if (job->status < 0) return;
    chk_check_digest(s, m, job->info->applied_index, &job->info->digest, "K16", "a persisted state");
    c->persisted_index = job->info->applied_index;
    if (c->persisted_index > c->snap_index) c->snap_index = c->persisted_index;
    s->totals.snapshots_taken++;
    sim_rare(s, SIM_RARE_PERSISTED);
}

void chk_applied_restart(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    struct kv_info info;
    kv_info(m->kv, &info);
    c->applied = info.applied_index;
    sim_lease_forget(s, m);
    if (m->on_rocks) engine_restart(s, m, &info);
    tried_restart(s, m, info.applied_index);
    if (info.applied_index == 0) return;
    sim_rare(s, SIM_RARE_SNAP_LOADED);
    chk_check_digest(s, m, info.applied_index, &info.digest, "K16", "a snapshot loaded at start");
    if (info.applied_index > c->snap_index) { /* its log is going to be cut there */
        sim_fail(SIM_FAIL_SAFETY, "K16",
                 "m%u starts from a snapshot of index %llu, which is not durable", m->index + 1,
                 (unsigned long long)info.applied_index);
    }
}

/* --- the hooks --- */

void sim_check_job_begins(struct sim *s, struct sim_member *m, const struct kv_job *job)
{
    if (job->kind == KV_JOB_APPLY) apply_begins(s, m, job);
    if (job->kind == KV_JOB_LOAD_BEGIN) {
        const struct sim_member *leader = sim_cluster_leader(s);
        const struct raft *r = leader ? node_raft(sim_member_node(leader)) : NULL;
        chk_member(s, m)->load_term = r ? raft_term(r) : 0;
        chk_member(s, m)->load_first = r ? raft_first_index(r) : 0;
        chk_load_begins(s, m);
    }
    if (job->kind == KV_JOB_SNAP_CLOSE) chk_size_closes(s, m, job);
    if (job->kind == KV_JOB_LOAD_CHUNK) chk_load_chunk(s, m, buf_bytes(&job->chunk));
    if (job->kind != KV_JOB_READ) return;
    struct raft_leadership l;
    raft_leadership(node_raft(sim_member_node(m)), &l);
    if (l.lease_held) chk_member(s, m)->lease_read_us = sim_now_us(s);
    sim_workload_read_runs(s, m, job->key, chk_member(s, m)->applied);
}

void sim_check_job_ended(struct sim *s, struct sim_member *m, const struct kv_job *job)
{
    switch (job->kind) {
    case KV_JOB_APPLY: apply_ended(s, m, job); break;
    case KV_JOB_PERSIST: persisted(s, m, job); break;
    case KV_JOB_SNAP_OPEN: view_opened(s, m, job); break;
    case KV_JOB_SNAP_READ: chk_size_read(s, m, job); break;
    case KV_JOB_LOAD_END: load_ended(s, m, job); break;
    default: break;
    }
}
