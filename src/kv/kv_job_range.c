/* kv_job_range.c: a range, read in slices (KV_JOB_RANGE). A slice looks at so many keys and gives so many
 * bytes, then other jobs have their turn. An answer that one slice holds needs nothing but that job; for a
 * longer one a view is opened behind the first slice, and each slice goes on behind the last key of the one
 * before, so that all of it is of one moment. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

struct kv_scan {
    struct engine_view *view; /* NULL: the first slice, or all keys have been looked at */
    struct buf names;         /* what range borrows; when it goes on, the last key instead of one end */
    struct kv_range range;
    bool down;
    uint64_t revision; /* at which the records are; 0: the current ones */
    uint64_t store_revision, compacted_revision; /* when it began */
    size_t slice_bytes;
    bool begun;
    struct kv_select select;
};

static bool is_valid(const struct kv_op *op)
{
    if (op->kind != KV_OP_RANGE || op->key.len == 0) return false;
    if (op->key.len > MS_KEY_BYTES_MAX || op->range_end.len > MS_KEY_BYTES_MAX) return false;
    if (op->flags & ~(uint32_t)(KV_KEYS_ONLY | KV_COUNT_ONLY)) return false;
    return op->sort_order <= KV_SORT_DESCEND && op->sort_target <= KV_SORT_VALUE;
}

int kv_range_revision(const struct kv *kv, uint64_t revision)
{
    if (revision == 0) return 0;
    if (revision > kv->meta.revision) return MS_EFUTURE;
    return revision >= kv->meta.compacted_revision ? 0 : MS_ECOMPACTED;
}

/* The names of the range into memory of its own: [key, end). */
static int set_names(struct kv_scan *s, const struct kv_range *r)
{
    struct buf old = s->names; /* what r may borrow from */
    buf_init(&s->names, old.alloc, old.max);
    buf_append(&s->names, r->key.data, r->key.len);
    buf_append(&s->names, r->end.data, r->end.len);
    buf_fini(&old);
    if (s->names.failed) return MS_ENOMEM;
    s->range = *r;
    s->range.key = bytes_of(s->names.data, r->key.len);
    s->range.end = bytes_of(s->names.data + r->key.len, r->end.len);
    return 0;
}

static int scan_create(struct kv *kv, const struct kv_job *job, struct kv_scan **out)
{
    const struct kv_op *op = job->range;
    struct kv_range range = kv_range_of(op->key, op->range_end);
    struct kv_scan *s = ms_alloc_zeroed(kv->alloc, sizeof *s);
    if (!s) return MS_ENOMEM;
    buf_init(&s->names, kv->alloc, 2 * MS_KEY_BYTES_MAX + 1);
    kv_select_init(&s->select, kv, op);
    s->down = op->sort_order == KV_SORT_DESCEND && op->sort_target == KV_SORT_KEY;
    s->slice_bytes = job->slice_bytes ? job->slice_bytes : KV_RANGE_SLICE_BYTES;
    s->store_revision = job->revision;
    s->compacted_revision = job->compacted_revision;
    /* At the store's own revision all is current. */
    if (op->revision != kv->meta.revision) s->revision = op->revision;
    int rv = set_names(s, &range);
    if (rv < 0) {
        buf_fini(&s->names);
        ms_free(kv->alloc, s);
        return rv;
    }
    *out = s;
    return 0;
}

static void close_view(struct kv *kv, struct kv_scan *s)
{
    if (s->view) kv->engine->ops->view_close(kv->engine, s->view);
    s->view = NULL;
}

void kv_scan_close(struct kv *kv, struct kv_scan *s)
{
    for (uint32_t i = 0; i < KV_RANGES_MAX; i++) {
        if (kv->scans[i] == s) kv->scans[i] = NULL;
    }
    close_view(kv, s);
    kv_select_fini(&s->select);
    buf_fini(&s->names);
    ms_free(kv->alloc, s);
}

/* It goes on in later jobs: a place among those that do, and a view of this moment. */
static int scan_keep(struct kv *kv, struct kv_scan *s)
{
    uint32_t at = 0;
    while (at < KV_RANGES_MAX && kv->scans[at] && kv->scans[at] != s) at++;
    if (at == KV_RANGES_MAX) return MS_EBUSY;
    kv->scans[at] = s;
    if (s->view || s->select.draining) return 0;
    s->view = kv->engine->ops->view_open(kv->engine);
    return s->view ? 0 : MS_ENOMEM;
}

/* The next slice begins behind key. */
static int go_on_behind(struct kv_scan *s, struct bytes key, struct buf *next)
{
    struct kv_range rest = s->range;
    buf_clear(next);
    buf_append(next, key.data, key.len);
    if (!s->down) buf_append_u8(next, 0); /* the next key possible */
    if (next->failed) return MS_ENOMEM;
    if (s->down) {
        rest.end = buf_bytes(next);
        rest.unbounded = false;
    } else {
        rest.key = buf_bytes(next);
    }
    return set_names(s, &rest);
}

static bool slice_is_full(const struct kv_scan *s, const struct kv_walk *w, const struct buf *out)
{
    return w->steps >= KV_RANGE_SLICE_STEPS || out->len >= s->slice_bytes;
}

/* 0: all of the range was looked at; 1: the slice is full. */
static int walk(struct kv *kv, struct kv_scan *s, struct kv_walk *w, struct buf *out)
{
    struct kv_answer_item item;
    struct kv_record record;
    struct bytes key;
    int rv;
    while ((rv = kv_walk_next(w, &key, &record)) > 0) {
        if (rv == KV_WALK_RECORD) {
            rv = kv_select_add(&s->select, key, &record, &item);
            if (rv < 0) return rv;
            if (rv > 0) kv_answer_append(out, &item);
            if (out->failed) return MS_ENOMEM;
        }
        /* Behind a key alone there is nothing more. */
        if (s->range.single || !slice_is_full(s, w, out)) continue;
        rv = go_on_behind(s, key, &kv->aux);
        return rv < 0 ? rv : 1;
    }
    return rv;
}

static int look(struct kv *kv, struct kv_scan *s, struct buf *out)
{
    struct kv_walk w;
    int rv = kv_walk_open(&w, kv, s->view, &s->range, s->down, s->revision);
    if (rv < 0) return rv;
    rv = walk(kv, s, &w, out);
    kv_walk_close(&w);
    if (rv != 0) return rv;
    close_view(kv, s); /* what is still to be given is in memory */
    kv_select_drain(&s->select);
    return 0;
}

/* What was kept to be sorted. 0: all of it is given; 1: the slice is full. */
static int give(struct kv_scan *s, struct buf *out)
{
    struct kv_answer_item item;
    while (kv_select_next(&s->select, &item)) {
        if (out->len >= s->slice_bytes) return 1;
        kv_answer_append(out, &item);
        if (out->failed) return MS_ENOMEM;
        kv_select_drop(&s->select);
    }
    return 0;
}

static void begin(struct kv_scan *s, struct kv_job *job)
{
    struct kv_answer_item item = { .kind = KV_ANSWER_BEGIN, .op = KV_OP_RANGE };
    if (s->begun) return;
    item.revision = job->revision;
    item.flags = s->select.keys_only ? KV_ANSWER_KEYS_ONLY : 0;
    kv_answer_append(&job->answer, &item);
    s->begun = true;
}

/* One slice. 0: the answer has ended; 1: there is more. Where all has to be seen first nothing is said before
 * that: so that what cannot be sorted is refused, and not broken off. */
static int slice(struct kv *kv, struct kv_scan *s, struct kv_job *job)
{
    struct kv_answer_item item;
    int rv = 0;
    if (!s->select.sorted && !s->select.count_only) begin(s, job);
    if (!s->select.draining) rv = look(kv, s, &job->answer);
    if (rv == 0) begin(s, job);
    if (rv == 0) rv = give(s, &job->answer);
    if (rv > 0 && job->answer.failed) rv = MS_ENOMEM; /* of what has begun it: nothing was given since */
    if (rv != 0) return rv;
    kv_select_end(&s->select, &item);
    kv_answer_append(&job->answer, &item);
    return job->answer.failed ? MS_ENOMEM : 0;
}

static int scan_begin(struct kv *kv, struct kv_job *job, struct kv_scan **out)
{
    job->revision = kv->meta.revision;
    job->compacted_revision = kv->meta.compacted_revision;
    if (!is_valid(job->range)) return MS_EINVAL;
    int rv = kv_range_revision(kv, job->range->revision);
    if (rv < 0) return rv;
    return scan_create(kv, job, out);
}

void kv_range_run(struct kv *kv, struct kv_job *job)
{
    struct kv_scan *s = job->scan;
    int rv = s ? 0 : scan_begin(kv, job, &s);
    job->last = false;
    job->scan = NULL;
    if (s) {
        job->revision = s->store_revision;
        job->compacted_revision = s->compacted_revision;
    }
    if (rv == 0) rv = slice(kv, s, job);
    if (rv > 0) {
        rv = scan_keep(kv, s);
        if (rv == 0) job->scan = s;
    } else {
        job->last = rv == 0;
    }
    if (s && !job->scan) kv_scan_close(kv, s);
    if (rv == MS_ECORRUPT || rv == MS_EVERSION) rv = kv_break(kv, rv, "reading a range");
    job->status = rv;
}
