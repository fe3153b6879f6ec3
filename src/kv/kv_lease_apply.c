/* kv_lease_apply.c: entries about leases (ETCD.md sections 2 and 6). None of them looks at a clock: a
 * lease ends by an entry, whose fence says that nothing has renewed it in between. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "kv/kv_private.h"

static int tell(struct kv *kv, enum kv_lease_event_kind kind, uint64_t index, uint64_t id, uint64_t ms)
{
    struct kv_lease_event e;
    if (!kv->lease_events) return 0;
    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.index = index;
    e.id = id;
    e.ms = ms;
    buf_append(kv->lease_events, &e, sizeof e);
    return kv->lease_events->failed ? MS_ENOMEM : 0;
}

/* The entry is applied, and has no effect. */
static int refuse(struct kv_result *r, int status)
{
    r->status = status;
    return 0;
}

static uint64_t id_of(uint64_t index, uint64_t attempt)
{
    uint64_t x =
        (index + attempt) * UINT64_C(0x9e3779b97f4a7c15); /* splitmix64: spread, and never twice */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) & MS_LEASE_ID_MAX;
}

/* An id that is free, made of nothing but the index (S1). */
static int pick_id(struct kv *kv, uint64_t index, uint64_t *out)
{
    struct kv_lease l;
    int rv = 0;
    for (uint64_t attempt = 0; rv == 0; attempt++) {
        *out = id_of(index, attempt);
        if (*out != 0) rv = kv_lease_get(kv, *out, &l);
    }
    return rv == MS_ENOTFOUND ? 0 : rv;
}

/* 0; MS_EEXIST, MS_EBUSY: it cannot be granted; else as kv_lease_get(). */
static int check_grant(struct kv *kv, struct entry_lease_grant *g, uint64_t index)
{
    struct kv_lease l;
    if (kv->meta.lease_count >= MS_LEASES_MAX) return MS_EBUSY;
    if (g->id == 0) return pick_id(kv, index, &g->id);
    int rv = kv_lease_get(kv, g->id, &l);
    if (rv == 0) return MS_EEXIST;
    return rv == MS_ENOTFOUND ? 0 : rv;
}

int kv_lease_apply_grant(struct kv *kv, struct bytes body, uint64_t index, struct buf *answers,
                         struct kv_result *r)
{
    struct entry_lease_grant g;
    int rv = entry_lease_grant_decode(body, &g) < 0 ? MS_EINVAL : check_grant(kv, &g, index);
    if (rv == MS_EINVAL || rv == MS_EEXIST || rv == MS_EBUSY) return refuse(r, rv);
    if (rv < 0) return rv;
    struct kv_lease l = {
        .id = g.id, .ttl_ms = g.ttl_ms, .remaining_ms = g.ttl_ms, .renewed_index = index
    };
    if (g.command.len > 0) {
        rv = kv_apply_command(kv, g.command, &l, answers, r);
        if (rv < 0 || r->lease == 0) return rv;
    } else {
        rv = kv_lease_add(kv, &l);
        if (rv < 0) return rv;
        r->lease = l.id;
    }
    return tell(kv, KV_LEASE_GRANTED, index, l.id, l.ttl_ms);
}

static int renew(struct kv *kv, uint64_t id, uint64_t index)
{
    struct kv_lease l;
    int rv = kv_lease_get(kv, id, &l);
    if (rv == MS_ENOTFOUND) return tell(kv, KV_LEASE_UNKNOWN, index, id, 0);
    if (rv < 0) return rv;
    l.remaining_ms = l.ttl_ms;
    l.renewed_index = index;
    rv = kv_lease_set(kv, &l);
    return rv < 0 ? rv : tell(kv, KV_LEASE_RENEWED, index, id, l.ttl_ms);
}

int kv_lease_apply_renew(struct kv *kv, struct bytes body, uint64_t index, struct kv_result *r)
{
    uint32_t count;
    int rv = 0;
    if (entry_lease_ids_count(body, &count) < 0) return refuse(r, MS_EINVAL);
    for (uint32_t i = 0; rv == 0 && i < count; i++) rv = renew(kv, entry_lease_id_at(body, i), index);
    return rv;
}

/* Less may be left than the state says, never more; and of a renewal that came in between, all is. */
static int mark(struct kv *kv, const struct entry_lease_mark *m, uint64_t index)
{
    struct kv_lease l;
    int rv = kv_lease_get(kv, m->id, &l);
    if (rv < 0) return rv == MS_ENOTFOUND ? 0 : rv;
    if (l.renewed_index != m->renewed_index || l.remaining_ms <= m->remaining_ms) return 0;
    l.remaining_ms = m->remaining_ms;
    rv = kv_lease_set(kv, &l);
    return rv < 0 ? rv : tell(kv, KV_LEASE_MARKED, index, l.id, l.remaining_ms);
}

int kv_lease_apply_marks(struct kv *kv, struct bytes body, uint64_t index, struct kv_result *r)
{
    uint32_t count;
    int rv = 0;
    if (entry_lease_marks_count(body, &count) < 0) return refuse(r, MS_EINVAL);
    for (uint32_t i = 0; rv == 0 && i < count; i++) {
        struct entry_lease_mark m = entry_lease_mark_at(body, i);
        rv = mark(kv, &m, index);
    }
    return rv;
}

/* Those in kv->range_keys, at that revision. The last one is copied to last. */
static int delete_batch(struct kv *kv, uint64_t revision, uint32_t *deleted, struct buf *last)
{
    struct bytes_reader keys = bytes_reader_of(buf_bytes(&kv->range_keys));
    struct bytes key;
    while (kv_range_next_key(&keys, &key)) {
        int rv = kv_store_delete(kv, key, revision, (*deleted)++);
        if (rv == 0) rv = kv_range_touch(kv, key);
        if (rv < 0) return rv == MS_ENOTFOUND ? MS_ECORRUPT : rv;
        buf_clear(last);
        buf_append(last, key.data, key.len);
        if (last->failed) return MS_ENOMEM;
    }
    return 0;
}

/* All keys of the lease, in their order, at one revision. */
static int delete_keys(struct kv *kv, uint64_t id, uint64_t revision, uint32_t *deleted)
{
    uint32_t count = KV_RANGE_BATCH;
    struct bytes key, *after = NULL;
    struct buf last;
    int rv = 0;
    buf_init(&last, kv->alloc, MS_KEY_BYTES_MAX);
    while (rv == 0 && count == KV_RANGE_BATCH) {
        rv = kv_lease_keys(kv, id, after, &count);
        if (rv == 0) rv = delete_batch(kv, revision, deleted, &last);
        key = buf_bytes(&last);
        after = &key;
    }
    buf_fini(&last);
    return rv;
}

int kv_lease_apply_revoke(struct kv *kv, struct bytes body, const struct entry_ref *ref,
                          struct kv_result *r)
{
    struct entry_lease_revoke v;
    struct kv_lease l;
    uint64_t revision = kv->meta.revision + 1;
    uint32_t deleted = 0;
    int rv = entry_lease_revoke_decode(body, &v) < 0 ? MS_EINVAL : kv_lease_get(kv, v.id, &l);
    if (rv == MS_EINVAL || rv == MS_ENOTFOUND) return refuse(r, rv == MS_EINVAL ? rv : MS_ENOLEASE);
    if (rv < 0) return rv;
    /* A keep-alive that stands before it in the log has been acknowledged, or will be; and what a leader
     * concludes from its clock is its own term's (etcd #12528, #15247). */
    if (v.expired && (v.term != ref->term || v.renewed_index != l.renewed_index))
        return refuse(r, MS_ECONFLICT);
    rv = delete_keys(kv, v.id, revision, &deleted);
    if (rv == 0) rv = kv_lease_remove(kv, v.id);
    if (rv < 0) return rv;
    r->changed = deleted > 0;
    r->deleted = deleted;
    if (r->changed) kv_take_revision(kv, revision);
    return tell(kv, KV_LEASE_REVOKED, ref->index, v.id, 0);
}
