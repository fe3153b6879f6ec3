/* kv_store.c: current records and what becomes of them (DESIGN 6).
 *
 *   current[key] -> record            read with one lookup
 *   history[key, mod_revision] -> superseded_revision, record as it was
 *   revs[revision, sub] -> put or deleted, mod_revision of what was superseded, key
 *
 * A key changes at most once in a revision (kv_check.c), so [key, mod_revision] names one record. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

static int put_at(struct kv *kv, const struct buf *key, const struct buf *value)
{
    if (key->failed || value->failed) return MS_ENOMEM;
    return kv->engine->ops->put(kv->engine, buf_bytes(key), buf_bytes(value));
}

int kv_store_get(struct kv *kv, struct bytes key, struct kv_record *out)
{
    kv_key_current(&kv->key, key);
    if (kv->key.failed) return MS_ENOMEM;
    buf_clear(&kv->old);
    int rv = kv->engine->ops->get(kv->engine, NULL, buf_bytes(&kv->key), &kv->old);
    if (rv < 0) return rv;
    return kv_record_decode(buf_bytes(&kv->old), out);
}

/* What kv_store_get() has read, moves to the history. */
static int supersede(struct kv *kv, struct bytes key, const struct kv_record *old, uint64_t revision)
{
    MS_ASSERT(old->mod_revision < revision);
    kv_digest_sub(&kv->meta.digest, kv_digest_of_record(key, buf_bytes(&kv->old)));
    kv_key_history(&kv->key, key, old->mod_revision);
    buf_clear(&kv->aux);
    kv_old_record_encode(&kv->aux, revision, buf_bytes(&kv->old));
    return put_at(kv, &kv->key, &kv->aux);
}

static int add_change(struct kv *kv, const struct kv_change *change, uint64_t revision, uint32_t sub)
{
    kv_key_rev(&kv->key, revision, sub);
    buf_clear(&kv->aux);
    kv_change_encode(&kv->aux, change);
    return put_at(kv, &kv->key, &kv->aux);
}

static int put_current(struct kv *kv, struct bytes key, const struct kv_record *record)
{
    buf_clear(&kv->record);
    kv_record_encode(&kv->record, record);
    kv_key_current(&kv->key, key);
    int rv = put_at(kv, &kv->key, &kv->record);
    if (rv < 0) return rv;
    kv_digest_add(&kv->meta.digest, kv_digest_of_record(key, buf_bytes(&kv->record)));
    return 0;
}

int kv_store_put(struct kv *kv, const struct kv_op *op, uint64_t revision, uint32_t sub)
{
    struct kv_record old = { 0 };
    int rv = kv_store_get(kv, op->key, &old);
    bool found = rv == 0;
    if (rv < 0 && rv != MS_ENOTFOUND) return rv;
    if (!found && (op->flags & (KV_IGNORE_VALUE | KV_IGNORE_LEASE))) return MS_ENOTFOUND;
    struct kv_record record = {
        .create_revision = found ? old.create_revision : revision,
        .mod_revision = revision,
        .version = old.version + 1, /* 1 for a key that was absent, also if it was deleted before */
        .lease = op->flags & KV_IGNORE_LEASE ? old.lease : op->lease,
        .value = op->flags & KV_IGNORE_VALUE ? old.value : op->value,
    };
    struct kv_change change = { .mark = KV_CHANGE_PUT,
                                .prev_mod_revision = old.mod_revision,
                                .key = op->key };
    if (found) {
        rv = supersede(kv, op->key, &old, revision);
        if (rv < 0) return rv;
    } else {
        kv->meta.key_count++;
    }
    rv = put_current(kv, op->key, &record);
    if (rv == 0 && record.lease != old.lease) {
        rv = kv_lease_detach(kv, old.lease, op->key);
        if (rv == 0) rv = kv_lease_attach(kv, record.lease, op->key);
    }
    if (rv < 0) return rv;
    return add_change(kv, &change, revision, sub);
}

int kv_store_delete(struct kv *kv, struct bytes key, uint64_t revision, uint32_t sub)
{
    struct kv_record old;
    int rv = kv_store_get(kv, key, &old);
    if (rv < 0) return rv;
    struct kv_change change = { .mark = KV_CHANGE_DELETE,
                                .prev_mod_revision = old.mod_revision,
                                .key = key };
    rv = supersede(kv, key, &old, revision);
    if (rv < 0) return rv;
    kv_key_current(&kv->key, key);
    if (kv->key.failed) return MS_ENOMEM;
    rv = kv->engine->ops->remove(kv->engine, buf_bytes(&kv->key));
    if (rv < 0) return rv;
    kv->meta.key_count--;
    rv = kv_lease_detach(kv, old.lease, key);
    if (rv < 0) return rv;
    return add_change(kv, &change, revision, sub);
}
