/* kv_lease.c: leases in the state, and the keys that hang on them (S6).
 *
 *   L[id] -> ttl, remaining time, index of the last renewal, number of keys
 *   a[id, key] -> nothing
 *
 * Both stand in the engine and nothing of them in memory: a restart does not depend on how many there
 * are. The other way round, from a key to its lease, is in its record. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

int kv_lease_get(struct kv *kv, uint64_t id, struct kv_lease *out)
{
    kv_key_lease(&kv->key, id);
    if (kv->key.failed) return MS_ENOMEM;
    buf_clear(&kv->lease);
    int rv = kv->engine->ops->get(kv->engine, NULL, buf_bytes(&kv->key), &kv->lease);
    if (rv < 0) return rv;
    return kv_lease_decode(buf_bytes(&kv->lease), id, out);
}

static int put_record(struct kv *kv, const struct kv_lease *l)
{
    kv_key_lease(&kv->key, l->id);
    buf_clear(&kv->lease);
    kv_lease_encode(&kv->lease, l);
    if (kv->key.failed || kv->lease.failed) return MS_ENOMEM;
    kv_digest_add(&kv->meta.digest, kv_digest_of_lease(l->id, buf_bytes(&kv->lease)));
    return kv->engine->ops->put(kv->engine, buf_bytes(&kv->key), buf_bytes(&kv->lease));
}

int kv_lease_add(struct kv *kv, const struct kv_lease *l)
{
    MS_ASSERT(kv->meta.lease_count < MS_LEASES_MAX);
    kv->meta.lease_count++;
    kv->lease_count_dirty = true;
    return put_record(kv, l);
}

int kv_lease_set(struct kv *kv, const struct kv_lease *l)
{
    /* kv_lease_get() has left the record as it was. */
    kv_digest_sub(&kv->meta.digest, kv_digest_of_lease(l->id, buf_bytes(&kv->lease)));
    return put_record(kv, l);
}

int kv_lease_remove(struct kv *kv, uint64_t id)
{
    struct kv_lease l;
    int rv = kv_lease_get(kv, id, &l);
    if (rv < 0) return rv;
    MS_ASSERT(l.key_count == 0);
    kv_digest_sub(&kv->meta.digest, kv_digest_of_lease(id, buf_bytes(&kv->lease)));
    kv->meta.lease_count--;
    kv->lease_count_dirty = true;
    return kv->engine->ops->remove(kv->engine, buf_bytes(&kv->key)); /* as kv_lease_get() has left it */
}

/* A record names a lease that is not there: what is stored contradicts itself. */
static int get_of_record(struct kv *kv, uint64_t id, struct kv_lease *out)
{
    int rv = kv_lease_get(kv, id, out);
    return rv == MS_ENOTFOUND ? MS_ECORRUPT : rv;
}

int kv_lease_attach(struct kv *kv, uint64_t id, struct bytes key)
{
    struct kv_lease l;
    if (id == 0) return 0;
    int rv = get_of_record(kv, id, &l);
    if (rv < 0) return rv;
    l.key_count++;
    rv = kv_lease_set(kv, &l);
    if (rv < 0) return rv;
    kv_key_attached(&kv->key, id, key);
    if (kv->key.failed) return MS_ENOMEM;
    rv = kv->engine->ops->put(kv->engine, buf_bytes(&kv->key), bytes_of(NULL, 0));
    if (rv < 0) return rv;
    return mem_tree_put(&kv->attached, buf_bytes(&kv->key), bytes_of(NULL, 0));
}

int kv_lease_detach(struct kv *kv, uint64_t id, struct bytes key)
{
    struct kv_lease l;
    if (id == 0) return 0;
    int rv = get_of_record(kv, id, &l);
    if (rv == 0 && l.key_count == 0) rv = MS_ECORRUPT;
    if (rv < 0) return rv;
    l.key_count--;
    rv = kv_lease_set(kv, &l);
    if (rv < 0) return rv;
    kv_key_attached(&kv->key, id, key);
    if (kv->key.failed) return MS_ENOMEM;
    return kv->engine->ops->remove(kv->engine, buf_bytes(&kv->key));
}

int kv_lease_plan(struct kv *kv, const struct kv_op *put)
{
    struct kv_record record;
    struct kv_lease l;
    if (put->lease > MS_LEASE_ID_MAX) return MS_ENOLEASE;
    int rv = kv_lease_get(kv, put->lease, &l);
    if (rv == MS_ENOTFOUND) return MS_ENOLEASE;
    if (rv < 0 || l.key_count < MS_LEASE_KEYS_MAX) return rv;
    rv = kv_store_get(kv, put->key, &record);
    if (rv < 0 && rv != MS_ENOTFOUND) return rv;
    return rv == 0 && record.lease == put->lease ? 0 : MS_ELEASEFULL; /* what hangs there may be written */
}

void kv_lease_forget(struct kv *kv)
{
    if (kv->attached.root) mem_tree_fini(&kv->attached);
    kv->lease_count_dirty = false;
}
