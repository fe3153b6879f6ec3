/* kv_lease_keys.c: the keys of a lease, in order, and leases in order of id.
 *
 * Iterators see what is committed (E2); what entries of the same job have attached is remembered beside
 * it, until the commit. Whether either is attached still says a point read, which sees everything. */
#include "base/ms_err.h"
#include "kv/kv_private.h"

struct walk {
    struct kv *kv;
    uint64_t id;
    struct engine_iter *committed;
    struct mem_iter fresh;
};

static bool committed_key(const struct walk *w, struct bytes *out)
{
    const struct engine_ops *ops = w->kv->engine->ops;
    if (!ops->iter_valid(w->committed)) return false;
    return kv_key_attached_decode(ops->iter_key(w->committed), w->id, out);
}

static bool fresh_key(const struct walk *w, struct bytes *out)
{
    return w->fresh.valid && kv_key_attached_decode(w->fresh.key, w->id, out);
}

/* Take the smaller of both heads. 1: there was one; 0: the end. */
static int walk_step(struct walk *w, uint32_t *count)
{
    struct kv *kv = w->kv;
    struct bytes a, b;
    bool has_a = committed_key(w, &a), has_b = fresh_key(w, &b);
    if (!has_a && !has_b) return 0;
    int order = !has_b ? -1 : !has_a ? 1 : bytes_compare(a, b);
    struct bytes key = order <= 0 ? a : b;
    kv_key_attached(&kv->key, w->id, key);
    if (kv->key.failed) return MS_ENOMEM;
    buf_clear(&kv->lease);
    int rv = kv->engine->ops->get(kv->engine, NULL, buf_bytes(&kv->key), &kv->lease);
    if (rv < 0 && rv != MS_ENOTFOUND) return rv;
    if (rv == 0) {
        buf_append_u32(&kv->range_keys, (uint32_t)key.len);
        buf_append(&kv->range_keys, key.data, key.len);
        ++*count;
    }
    if (order <= 0) kv->engine->ops->iter_next(w->committed);
    if (order >= 0) mem_iter_next(&w->fresh);
    return 1;
}

int kv_lease_keys(struct kv *kv, uint64_t id, const struct bytes *after, uint32_t *count)
{
    struct walk w = { .kv = kv, .id = id };
    kv_key_attached(&kv->key, id, after ? *after : bytes_of(NULL, 0));
    if (after) buf_append_u8(&kv->key, 0); /* the next key possible */
    if (kv->key.failed) return MS_ENOMEM;
    w.committed = kv->engine->ops->iter_open(kv->engine, NULL);
    if (!w.committed) return MS_ENOMEM;
    mem_iter_init(&w.fresh, kv->attached.root);
    kv->engine->ops->iter_seek(w.committed, buf_bytes(&kv->key));
    mem_iter_seek(&w.fresh, buf_bytes(&kv->key));
    buf_clear(&kv->range_keys);
    *count = 0;
    int rv = 1;
    while (rv > 0 && *count < KV_RANGE_BATCH) rv = walk_step(&w, count);
    if (rv >= 0) rv = kv->range_keys.failed ? MS_ENOMEM : kv->engine->ops->iter_status(w.committed);
    kv->engine->ops->iter_close(w.committed);
    return rv;
}

static void end_read(struct kv *kv, struct kv_job *job, int rv, const char *what)
{
    if (rv == MS_ECORRUPT || rv == MS_EVERSION) rv = kv_break(kv, rv, what);
    if (rv == 0 && job->value.failed) rv = MS_ENOMEM;
    job->status = rv;
}

static int list(struct kv *kv, struct kv_job *job, struct engine_iter *i)
{
    const struct engine_ops *ops = kv->engine->ops;
    struct kv_lease l;
    uint64_t id, count = 0;
    for (; ops->iter_valid(i) && kv_key_lease_decode(ops->iter_key(i), &id); ops->iter_next(i)) {
        if (count++ == job->limit) return 0;
        int rv = kv_lease_decode(ops->iter_value(i), id, &l);
        if (rv < 0) return rv;
        buf_append(&job->value, &l, sizeof l);
    }
    job->last = true;
    return ops->iter_status(i);
}

void kv_lease_run_list(struct kv *kv, struct kv_job *job)
{
    struct engine_iter *i = kv->engine->ops->iter_open(kv->engine, NULL);
    job->revision = kv->meta.revision;
    job->last = false;
    kv_key_lease(&kv->key, job->lease + 1);
    if (!i || kv->key.failed) {
        if (i) kv->engine->ops->iter_close(i);
        job->status = MS_ENOMEM;
        return;
    }
    kv->engine->ops->iter_seek(i, buf_bytes(&kv->key));
    int rv = list(kv, job, i);
    kv->engine->ops->iter_close(i);
    end_read(kv, job, rv, "reading leases");
}

/* Keys above job->key, as many as are wanted, batch by batch. */
static int read_keys(struct kv *kv, struct kv_job *job)
{
    struct buf last;
    struct bytes key = job->key, *after = key.len ? &key : NULL;
    uint32_t count = KV_RANGE_BATCH;
    int rv = 0;
    buf_init(&last, kv->alloc, MS_KEY_BYTES_MAX);
    while (rv == 0 && count == KV_RANGE_BATCH && job->value.len < job->limit && !job->value.failed) {
        rv = kv_lease_keys(kv, job->lease, after, &count);
        struct bytes_reader keys = bytes_reader_of(buf_bytes(&kv->range_keys));
        while (rv == 0 && job->value.len < job->limit && kv_range_next_key(&keys, &key)) {
            buf_append_u32(&job->value, (uint32_t)key.len);
            buf_append(&job->value, key.data, key.len);
            buf_clear(&last);
            buf_append(&last, key.data, key.len);
            if (last.failed) rv = MS_ENOMEM;
        }
        job->last = count < KV_RANGE_BATCH && bytes_reader_left(&keys) == 0;
        key = buf_bytes(&last);
        after = &key;
    }
    buf_fini(&last);
    return rv;
}

void kv_lease_run_one(struct kv *kv, struct kv_job *job)
{
    job->revision = kv->meta.revision;
    job->last = false;
    int rv = kv_lease_get(kv, job->lease, &job->the_lease);
    if (rv == 0) rv = read_keys(kv, job);
    end_read(kv, job, rv, "reading a lease");
}
