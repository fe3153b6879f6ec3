/* kv_range.c: the keys of a range, as they are now. An engine's iterators see only what is committed
 * (E2), but an entry must see what earlier entries of its job did. Changed keys are therefore
 * remembered until the commit, and those in the range are looked up one by one beside the iterator.
 *
 * Remembering is on the path of every put, ranges are rare: so a put only notes where its key stands in
 * the entry, and the notes are sorted into a small tree when a range is read. */
#include "base/ms_err.h"
#include "kv/kv_private.h"

int kv_range_note(struct kv *kv, struct bytes key)
{
    buf_append(&kv->touched_notes, &key, sizeof key);
    return kv->touched_notes.failed ? MS_ENOMEM : 0;
}

int kv_range_touch(struct kv *kv, struct bytes key)
{
    return mem_tree_put(&kv->touched, key, bytes_of(NULL, 0));
}

void kv_range_forget(struct kv *kv)
{
    buf_clear(&kv->touched_notes);
    if (kv->touched.root) mem_tree_fini(&kv->touched);
}

static int sort_notes(struct kv *kv)
{
    for (size_t at = 0; at < kv->touched_notes.len; at += sizeof(struct bytes)) {
        struct bytes key;
        memcpy(&key, kv->touched_notes.data + at, sizeof key);
        int rv = kv_range_touch(kv, key);
        if (rv < 0) return rv;
    }
    buf_clear(&kv->touched_notes);
    return 0;
}

/* The committed and the touched keys of a range, side by side. */
struct walk {
    struct kv *kv;
    const struct kv_range *range;
    const struct engine_ops *ops;
    struct engine_iter *committed;
    struct mem_iter touched;
};

static bool committed_key(const struct walk *w, struct bytes *out)
{
    if (!w->ops->iter_valid(w->committed)) return false;
    struct bytes key = w->ops->iter_key(w->committed);
    if (key.data[0] != KV_SPACE_CURRENT) return false;
    *out = bytes_of(key.data + 1, key.len - 1);
    return kv_range_holds(w->range, *out);
}

static bool touched_key(const struct walk *w, struct bytes *out)
{
    if (!w->touched.valid) return false;
    *out = w->touched.key;
    return kv_range_holds(w->range, *out);
}

static void append_key(struct kv *kv, struct bytes key, uint32_t *count)
{
    buf_append_u32(&kv->range_keys, (uint32_t)key.len);
    buf_append(&kv->range_keys, key.data, key.len);
    ++*count;
}

/* Take the smaller of both heads. 1: there was one; 0: the end. */
static int walk_step(struct walk *w, uint32_t *count)
{
    struct bytes a, b;
    struct kv_record record;
    bool has_a = committed_key(w, &a), has_b = touched_key(w, &b);
    if (!has_a && !has_b) return 0;
    int order = !has_b ? -1 : !has_a ? 1 : bytes_compare(a, b);
    if (order < 0) {
        append_key(w->kv, a, count);
        w->ops->iter_next(w->committed);
        return 1;
    }
    int rv = kv_store_get(w->kv, b, &record);
    if (rv < 0 && rv != MS_ENOTFOUND) return rv;
    if (rv == 0) append_key(w->kv, b, count);
    if (order == 0) w->ops->iter_next(w->committed);
    mem_iter_next(&w->touched);
    return 1;
}

static int walk(struct walk *w, uint32_t *count)
{
    struct kv *kv = w->kv;
    int rv = 1;
    /* kv->key holds the place to start from, and kv_store_get() will use it for others. */
    w->ops->iter_seek(w->committed, buf_bytes(&kv->key));
    mem_iter_seek(&w->touched, bytes_of(kv->key.data + 1, kv->key.len - 1));
    buf_clear(&kv->range_keys);
    while (rv > 0 && *count < KV_RANGE_BATCH) rv = walk_step(w, count);
    if (rv < 0) return rv;
    if (kv->range_keys.failed) return MS_ENOMEM;
    return w->ops->iter_status(w->committed);
}

int kv_range_read(struct kv *kv, const struct kv_range *r, const struct bytes *after, uint32_t *count)
{
    struct walk w = { .kv = kv, .range = r, .ops = kv->engine->ops };
    int rv = sort_notes(kv);
    if (rv < 0) return rv;
    kv_key_current(&kv->key, after ? *after : r->key);
    if (after) buf_append_u8(&kv->key, 0); /* the next key possible */
    if (kv->key.failed) return MS_ENOMEM;
    mem_iter_init(&w.touched, kv->touched.root);
    w.committed = w.ops->iter_open(kv->engine, NULL);
    if (!w.committed) return MS_ENOMEM;
    *count = 0;
    rv = walk(&w, count);
    w.ops->iter_close(w.committed);
    return rv;
}

bool kv_range_next_key(struct bytes_reader *keys, struct bytes *out)
{
    uint32_t len;
    return bytes_read_u32(keys, &len) && bytes_read_span(keys, len, out);
}

int kv_range_each(struct kv *kv, const struct kv_range *r, kv_visit_cb visit, void *arg)
{
    struct buf last; /* kv->range_keys is filled anew each time */
    struct bytes key, *after = NULL;
    uint32_t count = KV_RANGE_BATCH;
    int rv = 0;
    buf_init(&last, kv->alloc, MS_KEY_BYTES_MAX);
    while (rv == 0 && count == KV_RANGE_BATCH) {
        rv = kv_range_read(kv, r, after, &count);
        if (rv < 0) break;
        struct bytes_reader keys = bytes_reader_of(buf_bytes(&kv->range_keys));
        while (rv == 0 && kv_range_next_key(&keys, &key)) {
            rv = visit(kv, key, arg);
            if (rv != 0 || bytes_reader_left(&keys) > 0) continue;
            buf_clear(&last);
            buf_append(&last, key.data, key.len);
            if (last.failed) rv = MS_ENOMEM;
        }
        key = buf_bytes(&last);
        after = &key;
    }
    buf_fini(&last);
    return rv < 0 ? rv : 0;
}
