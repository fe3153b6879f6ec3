/* kv_run.c: kv as a whole, and its jobs. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

/* A note for each operation of each entry of a job. */
#define NOTES_BYTES_MAX (KV_APPLY_ENTRIES_MAX * MS_TXN_OPS_MAX * sizeof(struct bytes))

int kv_create(struct kv **out, struct engine *engine, const struct ms_alloc *alloc,
              const struct log_sink *log)
{
    struct kv *kv = ms_alloc_zeroed(alloc, sizeof *kv);
    if (!kv) return MS_ENOMEM;
    kv->magic = KV_MAGIC;
    kv->engine = engine;
    kv->alloc = alloc;
    kv->log = log;
    buf_init(&kv->key, alloc, ENGINE_KEY_BYTES_MAX);
    buf_init(&kv->old, alloc, ENGINE_VALUE_BYTES_MAX);
    buf_init(&kv->record, alloc, ENGINE_VALUE_BYTES_MAX);
    buf_init(&kv->aux, alloc, ENGINE_VALUE_BYTES_MAX);
    buf_init(&kv->touched_notes, alloc, NOTES_BYTES_MAX);
    buf_init(&kv->range_keys, alloc, KV_RANGE_BATCH * (MS_KEY_BYTES_MAX + 4u));
    buf_init(&kv->lease, alloc, ENGINE_VALUE_BYTES_MAX);
    mem_tree_init(&kv->touched, alloc);
    mem_tree_init(&kv->attached, alloc);
    kv_codec_init(&kv->codec, alloc);
    int rv = kv_meta_load(&kv->meta, engine, alloc);
    if (rv < 0) {
        ms_free(alloc, kv);
        return rv;
    }
    *out = kv;
    return 0;
}

void kv_destroy(struct kv *kv)
{
    MS_ASSERT(kv->magic == KV_MAGIC);
    kv_load_abandon(kv); /* a failure leaves what was there before, which is what is wanted */
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (kv->snapshots[i]) kv_snap_close(kv, kv->snapshots[i]);
    }
    for (uint32_t i = 0; i < KV_RANGES_MAX; i++) {
        if (kv->scans[i]) kv_scan_close(kv, kv->scans[i]);
    }
    kv->engine->ops->close(kv->engine);
    buf_fini(&kv->key);
    buf_fini(&kv->old);
    buf_fini(&kv->record);
    buf_fini(&kv->aux);
    buf_fini(&kv->touched_notes);
    buf_fini(&kv->range_keys);
    buf_fini(&kv->lease);
    mem_tree_fini(&kv->touched);
    mem_tree_fini(&kv->attached);
    kv_codec_fini(&kv->codec);
    ms_free(kv->alloc, kv->check);
    kv->magic = 0;
    ms_free(kv->alloc, kv);
}

void kv_info(const struct kv *kv, struct kv_info *out)
{
    kv_meta_info(&kv->meta, out);
}

void kv_engine_stats(const struct kv *kv, struct engine_stats *out)
{
    const struct engine_ops *ops = kv->engine->ops;
    *out = (struct engine_stats){ .content_bytes = ops->bytes(kv->engine) };
    if (ops->stats) ops->stats(kv->engine, out);
}

void kv_job_info(const struct kv *kv, struct kv_job *job)
{
    if (job->info) kv_meta_info(&kv->meta, job->info);
}

int kv_break(struct kv *kv, int status, const char *what)
{
    log_line(kv->log, LOG_ERROR, "kv: %s failed: %s; the member stops", what, ms_err_text(status));
    if (status == MS_ECORRUPT || status == MS_EVERSION) status = MS_ELOSTDATA;
    if (status > MS_EFATAL) status = MS_EFATAL;
    kv->broken = status;
    return status;
}

static void run_read(struct kv *kv, struct kv_job *job)
{
    struct kv_record record;
    job->revision = kv->meta.revision;
    job->status = MS_EINVAL;
    if (job->key.len == 0 || job->key.len > MS_KEY_BYTES_MAX) return;
    int rv = kv_store_get(kv, job->key, &record);
    if (rv == MS_ECORRUPT || rv == MS_EVERSION) rv = kv_break(kv, rv, "read");
    job->status = rv;
    if (rv < 0) return;
    buf_append(&job->value, record.value.data, record.value.len);
    if (job->value.failed) job->status = MS_ENOMEM;
    job->create_revision = record.create_revision;
    job->mod_revision = record.mod_revision;
    job->version = record.version;
    job->lease = record.lease;
}

static void run_persist(struct kv *kv, struct kv_job *job)
{
    job->status = kv->engine->ops->persist(kv->engine);
    kv_job_info(kv, job);
}

void kv_run(struct kv *kv, struct kv_job *job)
{
    MS_ASSERT(kv->magic == KV_MAGIC);
    job->status = kv->broken;
    /* What only gives back, is done in any state. */
    if (job->kind == KV_JOB_SNAP_CLOSE) {
        if (job->snapshot) kv_snap_close(kv, job->snapshot);
        job->snapshot = NULL;
        job->status = 0;
    }
    if (job->kind == KV_JOB_RANGE_CLOSE) {
        if (job->scan) kv_scan_close(kv, job->scan);
        job->scan = NULL;
        job->status = 0;
    }
    if (kv->broken) return;
    switch (job->kind) {
    case KV_JOB_APPLY: kv_apply_run(kv, job); break;
    case KV_JOB_READ: run_read(kv, job); break;
    case KV_JOB_LEASES: kv_lease_run_list(kv, job); break;
    case KV_JOB_LEASE: kv_lease_run_one(kv, job); break;
    case KV_JOB_RANGE: kv_range_run(kv, job); break;
    case KV_JOB_RANGE_CLOSE: break;
    case KV_JOB_SNAP_OPEN: kv_snap_open(kv, job); break;
    case KV_JOB_SNAP_READ: kv_snap_read(kv, job); break;
    case KV_JOB_SNAP_CLOSE: break;
    case KV_JOB_LOAD_BEGIN: kv_load_begin(kv, job); break;
    case KV_JOB_LOAD_CHUNK: kv_load_chunk(kv, job); break;
    case KV_JOB_LOAD_END: kv_load_end(kv, job); break;
    case KV_JOB_PERSIST: run_persist(kv, job); break;
    case KV_JOB_CHANGES: kv_changes_run(kv, job); break;
    }
}

bool kv_origin_applied(const struct kv *kv, uint64_t member_id, uint64_t incarnation, uint64_t seq)
{
    for (uint32_t i = 0; i < kv->meta.window_count; i++) {
        const struct kv_window *w = &kv->meta.windows[i];
        if (w->member_id != member_id || w->incarnation != incarnation) continue;
        return kv_window_has(w, seq);
    }
    return false;
}

static int scan_leases(struct kv *kv, struct engine_iter *i, struct kv_digest *sum)
{
    const struct engine_ops *ops = kv->engine->ops;
    const uint8_t first = KV_SPACE_LEASE;
    uint64_t id;
    for (ops->iter_seek(i, bytes_of(&first, 1)); ops->iter_valid(i); ops->iter_next(i)) {
        if (!kv_key_lease_decode(ops->iter_key(i), &id)) break;
        kv_digest_add(sum, kv_digest_of_lease(id, ops->iter_value(i)));
    }
    return ops->iter_status(i);
}

static int scan_records(struct kv *kv, struct engine_iter *i, struct kv_digest *sum)
{
    const struct engine_ops *ops = kv->engine->ops;
    const uint8_t first = KV_SPACE_CURRENT;
    for (ops->iter_seek(i, bytes_of(&first, 1)); ops->iter_valid(i); ops->iter_next(i)) {
        struct bytes key = ops->iter_key(i);
        if (key.data[0] != KV_SPACE_CURRENT) break;
        key = bytes_of(key.data + 1, key.len - 1);
        kv_digest_add(sum, kv_digest_of_record(key, ops->iter_value(i)));
    }
    return ops->iter_status(i);
}

int kv_digest_by_scan(struct kv *kv, struct kv_digest *out)
{
    struct kv_digest sum;
    struct kv_meta *stored = ms_alloc(kv->alloc, sizeof *stored);
    if (!stored) return MS_ENOMEM;
    int rv = kv_meta_load(stored, kv->engine, kv->alloc);
    if (rv == 0) rv = kv_meta_digest(stored, kv->alloc, &sum);
    ms_free(kv->alloc, stored);
    if (rv < 0) return rv;
    struct engine_iter *i = kv->engine->ops->iter_open(kv->engine, NULL);
    if (!i) return MS_ENOMEM;
    rv = scan_records(kv, i, &sum);
    if (rv == 0) rv = scan_leases(kv, i, &sum);
    kv->engine->ops->iter_close(i);
    if (rv == 0) *out = sum;
    return rv;
}
