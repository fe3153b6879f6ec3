/* kv_changes.c: the changes of revisions, for watches (kv_changes.h). revs[revision, sub] says what happened to
 * which key; the record that was put then is the current one, or has moved to the history since, where
 * [key, mod_revision] names it (kv_store.c). What was superseded above the compacted revision is all there;
 * what was superseded at it is gone (kv_compact.c). As in etcd a watch may begin at the compacted revision: its
 * changes are kept, without what they superseded. */
#include "base/ms_err.h"
#include "kv/kv_private.h"

#define EVENT_PUT 1u
#define EVENT_DELETE 2u
#define EVENT_PREV 4u

struct walk {
    struct kv *kv;
    struct kv_changes *changes;
    struct kv_range range;
    struct buf *out;
    uint32_t scanned, events;
    /* As it was before the revision at hand, if that is not the first one: what does not become whole is left
     * to the next job (KC3). */
    uint64_t revision;
    size_t whole_bytes;
    bool has_whole;
};

/* ---- One event. */

static void append_span(struct buf *out, struct bytes span)
{
    buf_append_u32(out, (uint32_t)span.len);
    buf_append(out, span.data, span.len);
}

/* The record of key that was put at that revision, as encoded, into kv->old. MS_ENOTFOUND. */
static int find_record(struct kv *kv, struct bytes key, uint64_t mod_revision, struct bytes *out)
{
    struct kv_record record;
    struct kv_old_record old;
    int rv = kv_store_get(kv, key, &record);
    if (rv < 0 && rv != MS_ENOTFOUND) return rv;
    *out = buf_bytes(&kv->old);
    if (rv == 0 && record.mod_revision == mod_revision) return 0;
    kv_key_history(&kv->key, key, mod_revision);
    if (kv->key.failed) return MS_ENOMEM;
    buf_clear(&kv->old);
    rv = kv->engine->ops->get(kv->engine, NULL, buf_bytes(&kv->key), &kv->old);
    if (rv < 0) return rv;
    rv = kv_old_record_decode(buf_bytes(&kv->old), &old);
    if (rv < 0) return rv;
    *out = old.encoded;
    return old.record.mod_revision == mod_revision ? 0 : MS_ECORRUPT;
}

/* change borrows from the iterator, which stays where it is. */
static int append_event(struct walk *w, struct kv_place at, const struct kv_change *change)
{
    struct kv *kv = w->kv;
    struct bytes record;
    size_t begin = w->out->len;
    uint8_t flags = change->mark == KV_CHANGE_PUT ? EVENT_PUT : EVENT_DELETE;
    buf_append_u8(w->out, flags);
    buf_append_u64(w->out, at.revision);
    buf_append_u32(w->out, at.sub);
    append_span(w->out, change->key);
    if (change->mark == KV_CHANGE_PUT) {
        int rv = find_record(kv, change->key, at.revision, &record);
        if (rv < 0) return rv == MS_ENOTFOUND ? MS_ECORRUPT : rv;
        append_span(w->out, record);
    }
    /* At the compacted revision it is gone, as a rule; only there it may be. */
    bool gone = at.revision <= kv->meta.compacted_revision;
    if (w->changes->prev && change->prev_mod_revision != 0 && !gone) {
        int rv = find_record(kv, change->key, change->prev_mod_revision, &record);
        if (rv < 0) return rv == MS_ENOTFOUND ? MS_ECORRUPT : rv;
        append_span(w->out, record);
        if (!w->out->failed) w->out->data[begin] = (uint8_t)(flags | EVENT_PREV);
    }
    w->events++;
    return w->out->failed ? MS_ENOMEM : 0;
}

/* ---- The walk. */

static bool is_wanted(const struct walk *w, const struct kv_change *change)
{
    const struct kv_changes *c = w->changes;
    if (change->mark == KV_CHANGE_PUT ? c->no_puts : c->no_deletes) return false;
    return c->key.len == 0 || kv_range_holds(&w->range, change->key);
}

static bool is_full(const struct walk *w)
{
    return w->scanned >= w->changes->scan_max ||
           (w->events >= 2 && w->out->len >= w->changes->bytes_max);
}

/* No more fits: the place where the next job goes on. */
static void stop_at(struct walk *w, struct kv_place at)
{
    if (at.sub > 0 && w->has_whole && at.revision == w->revision) {
        w->out->len = w->whole_bytes;
        at.sub = 0;
    }
    w->changes->next = at;
}

static int visit(struct walk *w, struct kv_place at, struct bytes encoded)
{
    struct kv_change change;
    int rv = kv_change_decode(encoded, &change);
    if (rv < 0) return rv;
    if (at.revision != w->revision) {
        w->has_whole = w->revision != 0;
        w->whole_bytes = w->out->len;
        w->revision = at.revision;
    }
    w->scanned++;
    return is_wanted(w, &change) ? append_event(w, at, &change) : 0;
}

static int seek(struct walk *w, struct engine_iter *i, uint64_t revision, uint32_t sub)
{
    kv_key_rev(&w->kv->key, revision, sub);
    if (w->kv->key.failed) return MS_ENOMEM;
    w->kv->engine->ops->iter_seek(i, buf_bytes(&w->kv->key));
    return 0;
}

/* Behind the change at hand, and behind the hole that may be there. */
static int step(struct walk *w, struct engine_iter *i, struct kv_place at)
{
    const struct kv_changes *c = w->changes;
    bool hole = w->scanned == 1 && at.revision == c->from.revision && c->resume_sub > at.sub + 1;
    if (hole) return seek(w, i, at.revision, c->resume_sub);
    w->kv->engine->ops->iter_next(i);
    return 0;
}

/* To the end of what there is, or until the job is full. */
static int walk(struct walk *w, struct engine_iter *i)
{
    struct kv_changes *c = w->changes;
    const struct engine_ops *ops = w->kv->engine->ops;
    int rv = seek(w, i, c->from.revision, c->from.sub);
    while (rv == 0 && ops->iter_valid(i)) {
        struct kv_place at;
        struct bytes key = ops->iter_key(i);
        if (key.data[0] != KV_SPACE_REVS) break;
        if (!kv_key_rev_decode(key, &at.revision, &at.sub)) return MS_ECORRUPT;
        if (is_full(w)) {
            stop_at(w, at);
            return 0;
        }
        rv = visit(w, at, ops->iter_value(i));
        if (rv == 0) rv = step(w, i, at);
    }
    c->next = (struct kv_place){ .revision = w->kv->meta.revision + 1 };
    return rv < 0 ? rv : ops->iter_status(i);
}

void kv_changes_run(struct kv *kv, struct kv_job *job)
{
    struct kv_changes *c = &job->changes;
    struct walk w = { .kv = kv, .changes = c, .out = &job->chunk };
    job->revision = kv->meta.revision;
    c->compacted_revision = kv->meta.compacted_revision;
    c->next = c->from;
    if (c->scan_max == 0) c->scan_max = KV_CHANGES_SCAN_MAX;
    if (c->bytes_max == 0) c->bytes_max = KV_CHANGES_BYTES_MAX;
    w.range = kv_range_of(c->key, c->range_end);
    job->status = MS_ECOMPACTED;
    if (c->from.revision < c->compacted_revision) return;
    job->status = 0;
    if (c->from.revision > kv->meta.revision) return;
    struct engine_iter *i = kv->engine->ops->iter_open(kv->engine, NULL);
    job->status = i ? walk(&w, i) : MS_ENOMEM;
    if (i) kv->engine->ops->iter_close(i);
    if (job->status == MS_ECORRUPT || job->status == MS_EVERSION) {
        job->status = kv_break(kv, job->status, "reading changes");
    }
}

/* ---- Reading events. */

static bool read_span(struct bytes_reader *in, size_t max, struct bytes *out)
{
    uint32_t len;
    return bytes_read_u32(in, &len) && len <= max && bytes_read_span(in, len, out);
}

static int read_record(struct bytes_reader *in, struct kv_event_record *out)
{
    struct bytes encoded;
    struct kv_record r;
    if (!read_span(in, KV_EVENT_BYTES_MAX, &encoded)) return MS_ECORRUPT;
    int rv = kv_record_decode(encoded, &r);
    if (rv < 0) return rv;
    *out = (struct kv_event_record){ .create_revision = r.create_revision,
                                     .mod_revision = r.mod_revision,
                                     .version = r.version,
                                     .lease = r.lease,
                                     .value = r.value };
    return 0;
}

int kv_event_next(struct bytes_reader *in, struct kv_event *out)
{
    struct bytes_reader at = *in;
    struct kv_event e = { 0 };
    uint8_t flags;
    int rv = 0;
    if (bytes_reader_left(&at) == 0) return MS_EEND;
    if (!bytes_read_u8(&at, &flags) || flags > (EVENT_DELETE | EVENT_PREV)) return MS_ECORRUPT;
    e.put = flags & EVENT_PUT;
    e.has_prev = flags & EVENT_PREV;
    if (e.put == ((flags & EVENT_DELETE) != 0)) return MS_ECORRUPT;
    if (!bytes_read_u64(&at, &e.revision) || !bytes_read_u32(&at, &e.sub)) return MS_ECORRUPT;
    if (!read_span(&at, MS_KEY_BYTES_MAX, &e.key) || e.key.len == 0) return MS_ECORRUPT;
    if (e.put) rv = read_record(&at, &e.now);
    if (rv == 0 && e.put && e.now.mod_revision != e.revision) rv = MS_ECORRUPT;
    if (rv == 0 && e.has_prev) rv = read_record(&at, &e.prev);
    if (rv == 0 && e.has_prev && e.prev.mod_revision >= e.revision) rv = MS_ECORRUPT;
    if (rv < 0) return rv;
    *out = e;
    *in = at;
    return 0;
}
