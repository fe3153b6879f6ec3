/* kv_walk.c: the records of a range as they were at a revision, in the order of their keys, up or down.
 *
 * What a key had at revision R is its current record, if that is not younger; else the youngest of the
 * history that is not, provided that it was superseded behind R. Keys that are in one of the two spaces
 * only (never superseded; deleted since) make it a walk along both, side by side. What is looked at is
 * committed: of a view, or what is committed now.
 *
 * A space that could not be read has no head, as one that has ended. The walk fails there at once and does not
 * go on along the other one: a slice may end before both have, and its successor begins behind the damage. */
#include "base/ms_err.h"
#include "kv/kv_private.h"

/* Reading along is cheap; for a key with a history there are two searches. */
#define STEP_CURRENT 1u
#define STEP_HISTORY 8u

static const uint8_t behind_current = KV_SPACE_CURRENT + 1, behind_history = KV_SPACE_HISTORY + 1;

/* To the first key of the range; downwards to the last one. kv->key is free meanwhile. */
static void seek_current(struct kv_walk *w)
{
    struct buf *place = &w->kv->key;
    if (!w->down) {
        kv_key_current(place, w->range.key);
        w->ops->iter_seek(w->current, buf_bytes(place));
    } else if (w->range.unbounded) {
        w->ops->iter_seek_before(w->current, bytes_of(&behind_current, 1));
    } else {
        kv_key_current(place, w->range.end);
        w->ops->iter_seek_before(w->current, buf_bytes(place));
    }
}

static void seek_history(struct kv_walk *w)
{
    struct buf *place = &w->kv->key;
    if (!w->down) {
        kv_key_history(place, w->range.key, 0);
        w->ops->iter_seek(w->history, buf_bytes(place));
    } else if (w->range.unbounded) {
        w->ops->iter_seek_before(w->history, bytes_of(&behind_history, 1));
    } else {
        kv_key_history(place, w->range.end, 0);
        w->ops->iter_seek_before(w->history, buf_bytes(place));
    }
}

int kv_walk_open(struct kv_walk *w, struct kv *kv, struct engine_view *view, const struct kv_range *r,
                 bool down, uint64_t revision)
{
    *w = (struct kv_walk){ .kv = kv, .ops = kv->engine->ops, .range = *r, .revision = revision };
    w->down = down && !r->single;
    buf_init(&w->history_key, kv->alloc, MS_KEY_BYTES_MAX);
    w->current = w->ops->iter_open(kv->engine, view);
    if (revision > 0) w->history = w->ops->iter_open(kv->engine, view);
    if (!w->current || (revision > 0 && !w->history)) goto fail;
    seek_current(w);
    if (kv->key.failed) goto fail; /* before the other one begins it anew */
    if (w->history) seek_history(w);
    if (kv->key.failed) goto fail;
    return 0;
fail:
    kv_walk_close(w);
    return MS_ENOMEM;
}

void kv_walk_close(struct kv_walk *w)
{
    if (w->current) w->ops->iter_close(w->current);
    if (w->history) w->ops->iter_close(w->history);
    w->current = w->history = NULL;
    buf_fini(&w->history_key);
}

/* What is at the head of the current records, if it is in the range. 1, 0, errors of the engine. */
static int current_head(const struct kv_walk *w, struct bytes *key)
{
    if (!w->ops->iter_valid(w->current)) return w->ops->iter_status(w->current);
    struct bytes at = w->ops->iter_key(w->current);
    if (at.data[0] != KV_SPACE_CURRENT) return 0;
    *key = bytes_of(at.data + 1, at.len - 1);
    return kv_range_holds(&w->range, *key);
}

/* Likewise of the history. MS_ECORRUPT, MS_ENOMEM, too. */
static int history_head(struct kv_walk *w, struct bytes *key)
{
    uint64_t mod_revision;
    if (!w->history) return 0;
    if (!w->ops->iter_valid(w->history)) return w->ops->iter_status(w->history);
    struct bytes at = w->ops->iter_key(w->history);
    if (at.data[0] != KV_SPACE_HISTORY) return 0;
    bool whole = kv_key_history_decode(at, &w->history_key, &mod_revision);
    if (w->history_key.failed) return MS_ENOMEM;
    if (!whole) return MS_ECORRUPT;
    *key = buf_bytes(&w->history_key);
    return kv_range_holds(&w->range, *key);
}

/* What was given, or passed over, is behind. */
static int advance(struct kv_walk *w)
{
    struct buf *place = &w->kv->key;
    if (w->used_current && w->down) w->ops->iter_prev(w->current);
    if (w->used_current && !w->down) w->ops->iter_next(w->current);
    if (w->used_history) {
        kv_key_history(place, buf_bytes(&w->history_key), w->down ? 0 : UINT64_MAX);
        if (place->failed) return MS_ENOMEM;
        if (w->down)
            w->ops->iter_seek_before(w->history, buf_bytes(place));
        else
            w->ops->iter_seek(w->history, buf_bytes(place));
    }
    w->used_current = w->used_history = false;
    return 0;
}

/* The record that history_key had at the revision, out of the history. 1; 0: it had none there. */
static int find_in_history(struct kv_walk *w, struct kv_record *out)
{
    struct buf *place = &w->kv->key;
    struct kv_old_record old;
    kv_key_history(place, buf_bytes(&w->history_key), w->revision + 1);
    if (place->failed) return MS_ENOMEM;
    w->ops->iter_seek_before(w->history, buf_bytes(place));
    if (!w->ops->iter_valid(w->history)) return w->ops->iter_status(w->history);
    struct bytes at = w->ops->iter_key(w->history);
    /* The same key: the place and what stands there differ in the revision alone. */
    if (at.len != place->len || memcmp(at.data, place->data, at.len - 8) != 0) return 0;
    int rv = kv_old_record_decode(w->ops->iter_value(w->history), &old);
    if (rv < 0) return rv;
    *out = old.record;
    return old.superseded_revision > w->revision;
}

int kv_walk_next(struct kv_walk *w, struct bytes *key, struct kv_record *out)
{
    struct bytes a, b;
    int rv = advance(w);
    if (rv < 0) return rv;
    int has_a = current_head(w, &a);
    if (has_a < 0) return has_a;
    int has_b = history_head(w, &b);
    if (has_b < 0) return has_b;
    if (!has_a && !has_b) return 0;
    int order = !has_b ? -1 : !has_a ? 1 : bytes_compare(a, b);
    if (w->down && has_a && has_b) order = -order;
    w->used_current = order <= 0;
    w->used_history = order >= 0;
    *key = w->used_history ? b : a;
    w->steps += w->used_history ? STEP_HISTORY : STEP_CURRENT;
    if (w->used_current) {
        rv = kv_record_decode(w->ops->iter_value(w->current), out);
        if (rv < 0) return rv;
        if (w->revision == 0 || out->mod_revision <= w->revision) return KV_WALK_RECORD;
    }
    rv = w->used_history ? find_in_history(w, out) : 0;
    if (rv < 0) return rv;
    return rv > 0 ? KV_WALK_RECORD : KV_WALK_NOTHING;
}
