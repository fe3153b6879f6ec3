/* sim_told.c: what headers of answers tell of revisions (docs/API.md), held against the model of the whole
 * history (K23): a write tells the revision of its own entry, a read what the key was at the revision it tells. */
#include <stdio.h>

#include "sim/sim_reads.h"
#include "sim/sim_schedule.h"
#include "sim/sim_workload_private.h"

const struct sim_truth_version *sim_told_truth(const struct sim *s, uint32_t key, uint64_t revision)
{
    static const struct sim_truth_version none = { 0 };
    char name[16];
    snprintf(name, sizeof name, "k%u", (unsigned)key);
    const struct sim_truth_version *v = sim_truth_at(sim_reads_truth(s), bytes_of_str(name), revision);
    return v ? v : &none;
}

void sim_told_deletion(struct sim_workload *w, uint32_t key, uint64_t revision)
{
    struct sim_deletions *d = &w->deletions[key];
    if (d->count == d->cap) {
        d->cap = 2 * d->cap + 16;
        d->revisions = realloc(d->revisions, d->cap * sizeof *d->revisions);
        MS_ASSERT(d->revisions != NULL);
    }
    d->revisions[d->count++] = revision;
}

void sim_told_fini(struct sim_workload *w)
{
    for (uint32_t i = 0; i < SIM_KEYS_MAX; i++) free(w->deletions[i].revisions);
}

/* A value tells whose a put is; of deletions any that it can have been counts. */
static void judge_put(uint64_t n, const struct sim_op *op)
{
    if (op->told.etag == op->revision && op->told.revision == op->revision) return;
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "operation %llu, a put, took revision %llu, and is told ETag %llu at revision %llu",
             (unsigned long long)n, (unsigned long long)op->revision, (unsigned long long)op->told.etag,
             (unsigned long long)op->told.revision);
}

static void judge_delete(const struct sim_workload *w, uint64_t n, const struct sim_op *op)
{
    const struct sim_deletions *d = &w->deletions[op->key];
    for (size_t i = d->count; i > 0; i--) {
        if (d->revisions[i - 1] == op->told.revision && op->told.revision >= op->oldest) return;
    }
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "operation %llu, a delete begun at revision %llu, is told revision %llu, which is of none",
             (unsigned long long)n, (unsigned long long)op->oldest,
             (unsigned long long)op->told.revision);
}

static void check_moment(struct sim *s, uint64_t n, const struct sim_op *op)
{
    uint64_t newest = sim_reads_truth(s)->revision, told = op->told.revision;
    bool early = told < op->oldest && !sim_is_muted(s, SIM_MUTE_K22);
    if (!early && told > 0 && told <= newest) return;
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "operation %llu is answered at revision %llu; it was %llu when it began, and is %llu",
             (unsigned long long)n, (unsigned long long)told, (unsigned long long)op->oldest,
             (unsigned long long)newest);
}

static void judge_read(struct sim *s, uint64_t n, const struct sim_op *op)
{
    const struct sim_told *t = &op->told;
    if (op->exempt || sim_is_muted(s, SIM_MUTE_ORDER)) return;
    check_moment(s, n, op);
    const struct sim_truth_version *v = sim_told_truth(s, op->key, t->revision);
    uint64_t written = op->value ? sim_ledger_op(s, op->value)->revision : 0;
    bool is_so = written == v->mod && t->etag == v->mod && t->create_revision == v->create &&
                 t->version == v->version;
    if (is_so) return;
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "operation %llu reads k%u at revision %llu as put at %llu with ETag %llu, created at %llu, "
             "version %llu, not put at %llu, created at %llu, version %llu",
             (unsigned long long)n, op->key, (unsigned long long)t->revision,
             (unsigned long long)written, (unsigned long long)t->etag,
             (unsigned long long)t->create_revision, (unsigned long long)t->version,
             (unsigned long long)v->mod, (unsigned long long)v->create, (unsigned long long)v->version);
}

/* Its entry was there, did nothing, and what it found is what is told. */
void sim_told_denied(struct sim *s, uint64_t n, const struct sim_op *op)
{
    if (!op->denied)
        sim_fail(SIM_FAIL_SAFETY, "K12", "operation %llu is told 412, and no entry of it was refused",
                 (unsigned long long)n);
    uint64_t mod = sim_told_truth(s, op->key, op->revision)->mod;
    bool exempt = sim_check_may_lie(s, op->target, op->begin_us);
    if (op->told.revision == op->revision && (op->told.etag == mod || exempt)) return;
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "operation %llu was refused at revision %llu, as k%u was of revision %llu, and is told "
             "ETag %llu at revision %llu",
             (unsigned long long)n, (unsigned long long)op->revision, op->key, (unsigned long long)mod,
             (unsigned long long)op->told.etag, (unsigned long long)op->told.revision);
}

void sim_told_judge(struct sim *s, uint64_t n, const struct sim_op *op)
{
    switch (op->kind) {
    case SIM_OP_PUT: judge_put(n, op); break;
    case SIM_OP_GET: judge_read(s, n, op); break;
    default: judge_delete(s->workload, n, op); break;
    }
}
