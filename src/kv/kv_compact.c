/* kv_compact.c: history that nobody may ask for any more. Reading at the compacted revision still
 * works, as in etcd, and so does a watch that begins there: changes below it go, and the records that
 * were superseded at or below it. No iterator is needed, as [revision, sub] are consecutive: point
 * reads see what is not committed yet. */
#include "base/ms_err.h"
#include "kv/kv_private.h"

static int remove_at_key(struct kv *kv)
{
    if (kv->key.failed) return MS_ENOMEM;
    return kv->engine->ops->remove(kv->engine, buf_bytes(&kv->key));
}

/* The change at [revision, sub], and what it superseded. MS_ENOTFOUND: it was the last sub before. */
static int compact_change(struct kv *kv, uint64_t revision, uint32_t sub, bool keep_change)
{
    struct kv_change change;
    kv_key_rev(&kv->key, revision, sub);
    if (kv->key.failed) return MS_ENOMEM;
    buf_clear(&kv->old);
    int rv = kv->engine->ops->get(kv->engine, NULL, buf_bytes(&kv->key), &kv->old);
    if (rv < 0) return rv;
    rv = kv_change_decode(buf_bytes(&kv->old), &change);
    if (rv < 0) return rv;
    if (!keep_change) {
        rv = remove_at_key(kv);
        if (rv < 0) return rv;
    }
    if (change.prev_mod_revision == 0) return 0;
    kv_key_history(&kv->key, change.key, change.prev_mod_revision);
    return remove_at_key(kv); /* what an earlier compaction removed, is removed again, at no harm */
}

int kv_compact_apply(struct kv *kv, uint64_t revision, struct kv_result *r)
{
    struct kv_meta *m = &kv->meta;
    if (revision > m->revision) r->status = MS_EFUTURE;
    if (revision <= m->compacted_revision) r->status = MS_ECOMPACTED;
    if (r->status < 0) return 0;
    /* Revision 1 is the empty store and changed nothing. */
    for (uint64_t at = m->compacted_revision > 2 ? m->compacted_revision : 2; at <= revision; at++) {
        int rv = 0;
        for (uint32_t sub = 0; rv == 0; sub++) rv = compact_change(kv, at, sub, at == revision);
        if (rv != MS_ENOTFOUND) return rv;
    }
    kv_digest_sub(&m->digest, kv_digest_of_revisions(m->revision, m->compacted_revision));
    m->compacted_revision = revision;
    kv_digest_add(&m->digest, kv_digest_of_revisions(m->revision, m->compacted_revision));
    return 0;
}
