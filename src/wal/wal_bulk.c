/* wal_bulk.c: what is done in the background, one job at a time: zeroing ahead of the append position,
 * a piece at a time; preparing the next segment, from a spare one or anew; dropping spare ones.
 *
 * A segment gets its name only when its header, and for a new one the first piece of zeros, is durable;
 * and it takes batches only when its name is durable. So under a name there is always a whole header,
 * or else it is damage. A spare one keeps its old name until then: nothing refers to it any more. */
#include "wal/wal_private.h"

int wal_bulk_init(struct wal *w)
{
    w->bulk = (struct wal_bulk){ .file = DISK_FILE_NONE };
    w->bulk.zeros = ms_alloc_zeroed(w->alloc, w->prewrite_bytes);
    w->bulk.header = ms_alloc_zeroed(w->alloc, WAL_HEADER_BYTES);
    return w->bulk.zeros && w->bulk.header ? 0 : MS_ENOMEM;
}

static struct disk_op *bulk_op(struct wal *w, enum wal_bulk_step step, enum disk_op_kind kind)
{
    struct wal_bulk *k = &w->bulk;
    k->step = step;
    k->op = (struct disk_op){ .kind = kind, .lane = DISK_LANE_BULK, .file = k->file };
    return &k->op;
}

static void bulk_submit(struct wal *w)
{
    w->bulk.busy = true;
    wal_submit(w, &w->bulk.op);
}

/* --- making a segment: the ops, one after the other --- */

static void make_begin(struct wal *w, uint64_t life, uint64_t from_life)
{
    w->bulk.life = life;
    w->bulk.from_life = from_life;
    w->bulk.file = DISK_FILE_NONE;
    struct disk_op *op = bulk_op(w, WAL_BULK_OPEN, DISK_OP_OPEN);
    op->create = from_life == 0;
    wal_path_segment(w, op->path, from_life);
}

static void make_header(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    struct wal_header h = { .member_id = w->member_id, .life = k->life };
    memcpy(h.nonce, w->nonce, MS_UUID_BYTES);
    memcpy(h.cluster_uuid, w->mark.state.cluster_uuid, MS_UUID_BYTES);
    h.segment_bytes = w->segment_bytes;
    wal_header_encode(k->header, &h);
    struct disk_op *op = bulk_op(w, WAL_BULK_HEADER, DISK_OP_WRITE);
    op->buf = k->header;
    op->len = WAL_HEADER_BYTES;
    op->sync = true;
}

/* The first piece of a new one, behind the header: up to the next border of a piece. */
static void make_first(struct wal *w)
{
    uint64_t end = w->prewrite_bytes;
    if (end < WAL_SEGMENT_BYTES_LEAST) end = WAL_SEGMENT_BYTES_LEAST;
    if (end > w->segment_bytes) end = w->segment_bytes;
    struct disk_op *op = bulk_op(w, WAL_BULK_FIRST, DISK_OP_WRITE);
    op->offset = WAL_HEADER_BYTES;
    op->buf = w->bulk.zeros;
    op->len = (size_t)(end - WAL_HEADER_BYTES);
    op->sync = true;
    w->bulk.size = end;
}

static void make_rename(struct wal *w)
{
    struct disk_op *op = bulk_op(w, WAL_BULK_RENAME, DISK_OP_RENAME);
    wal_path_segment(w, op->path, w->bulk.from_life);
    wal_path_segment(w, op->path2, w->bulk.life);
}

/* The op that follows the one that has just ended well; false: the segment is made. */
static bool make_next(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    switch (k->step) {
    case WAL_BULK_OPEN:
        k->file = k->op.file;
        k->size = k->op.size_bytes;
        if (k->from_life == 0 && k->size > 0)
            bulk_op(w, WAL_BULK_EMPTY, DISK_OP_TRUNCATE);
        else
            make_header(w);
        return true;
    case WAL_BULK_EMPTY: make_header(w); return true;
    case WAL_BULK_HEADER:
        if (k->from_life == 0)
            make_first(w);
        else
            make_rename(w);
        return true;
    case WAL_BULK_FIRST: make_rename(w); return true;
    case WAL_BULK_RENAME:
        wal_path_name(w, bulk_op(w, WAL_BULK_SYNC_DIR, DISK_OP_SYNC_DIR)->path, ".");
        return true;
    default: MS_ASSERT(k->step == WAL_BULK_SYNC_DIR); return false;
    }
}

static struct wal_segment made_segment(const struct wal *w)
{
    struct wal_segment s = { .life = w->bulk.life, .bytes = w->segment_bytes, .file = w->bulk.file };
    s.zeroed = w->bulk.size < s.bytes ? w->bulk.size : s.bytes;
    s.end_sector = WAL_HEADER_SECTORS;
    return s;
}

int wal_bulk_create(struct wal *w, uint64_t life)
{
    struct wal_bulk *k = &w->bulk;
    int rv = wal_segment_reserve(w);
    if (rv < 0) return rv;
    make_begin(w, life, 0);
    do {
        rv = wal_call(w, &k->op);
        if (rv == 0 && k->op.kind == DISK_OP_WRITE && k->op.done_bytes != k->op.len) rv = MS_EIO;
    } while (rv == 0 && make_next(w));
    if (rv < 0) {
        k->busy = true; /* wal_close() gives its file back */
        return rv;
    }
    struct wal_segment s = made_segment(w);
    s.use = WAL_SEGMENT_LIVE;
    k->file = DISK_FILE_NONE;
    w->life_max = life;
    w->current_life = life;
    wal_segment_add(w, &s);
    return 0;
}

/* --- choosing a job --- */

static bool job_close(struct wal *w)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        struct wal_segment *s = &w->segments[i];
        if (s->file == DISK_FILE_NONE || s->life == w->current_life || s->life == w->next_life)
            continue;
        w->bulk.file = s->file;
        w->bulk.life = s->life;
        bulk_op(w, WAL_BULK_CLOSE, DISK_OP_CLOSE);
        return true;
    }
    return false;
}

static bool job_zero(struct wal *w, uint64_t life)
{
    struct wal_segment *s = wal_segment_find(w, life);
    if (!s || s->sealed || s->zeroed == s->bytes || w->bulk.lacking) return false;
    uint64_t end = (s->zeroed / w->prewrite_bytes + 1) * w->prewrite_bytes;
    if (end > s->bytes) end = s->bytes;
    w->bulk.file = s->file;
    w->bulk.life = life;
    struct disk_op *op = bulk_op(w, WAL_BULK_ZERO, DISK_OP_WRITE);
    op->offset = s->zeroed;
    op->buf = w->bulk.zeros;
    op->len = (size_t)(end - s->zeroed);
    op->sync = true;
    return true;
}

/* Spare ones of full size can be recycled; the oldest goes first. NULL: none. */
static struct wal_segment *spare_segment(struct wal *w, bool usable)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        struct wal_segment *s = &w->segments[i];
        bool fits = s->bytes == w->segment_bytes && s->zeroed == s->bytes;
        if (s->use == WAL_SEGMENT_SPARE && fits == usable) return s;
    }
    return NULL;
}

static bool job_prepare(struct wal *w)
{
    if (w->next_life != 0) return false;
    if (wal_segment_reserve(w) < 0) return false; /* first: the segments may move */
    struct wal_segment *spare = spare_segment(w, true);
    if (!spare && w->bulk.lacking) return false;
    make_begin(w, w->life_max + 1, spare ? spare->life : 0);
    return true;
}

static bool job_remove(struct wal *w)
{
    struct wal_segment *s = spare_segment(w, false);
    size_t spares = 0,
           most = w->bulk.thrifty ? 0 : w->spare_segments_max; /* the next one is prepared */
    for (size_t i = 0; i < w->segment_count; i++) spares += w->segments[i].use == WAL_SEGMENT_SPARE;
    if (!s && spares > most) s = spare_segment(w, true);
    if (!s) return false;
    w->bulk.life = s->life;
    wal_path_segment(w, bulk_op(w, WAL_BULK_REMOVE, DISK_OP_REMOVE)->path, s->life);
    return true;
}

void wal_bulk_kick(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    if (k->busy || !k->started || w->failed) return;
    if (job_close(w) || job_zero(w, w->current_life) || job_prepare(w) || job_zero(w, w->next_life) ||
        job_remove(w)) {
        bulk_submit(w);
    } else if (!k->lacking) {
        k->is_short = false; /* nothing has to grow */
    }
}

/* --- what becomes of a job --- */

static void made(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    struct wal_segment s = made_segment(w);
    s.use = WAL_SEGMENT_NEXT;
    if (k->from_life != 0) wal_segment_forget(w, k->from_life);
    if (k->from_life == 0) k->is_short = false;
    wal_segment_add(w, &s);
    k->file = DISK_FILE_NONE;
    w->life_max = s.life;
    w->next_life = s.life;
}

/* Something could not grow. It is tried again and again, and told once. */
static void run_short(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    k->lacking = true;
    if (k->is_short) return;
    k->is_short = true;
    log_line(w->log, LOG_WARN, "log in %s: no space to grow; it goes on in what it has", w->dir);
}

/* A segment could not be made because there is no room: not fatal, the current one goes on. */
static void make_give_up(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    run_short(w);
    if (k->file != DISK_FILE_NONE) {
        bulk_op(w, WAL_BULK_GIVE_UP_CLOSE, DISK_OP_CLOSE);
        bulk_submit(w);
    }
}

static void make_gave_up_close(struct wal *w)
{
    w->bulk.file = DISK_FILE_NONE;
    if (w->bulk.from_life != 0) return; /* its old name and contents stay as they are */
    wal_path_segment(w, bulk_op(w, WAL_BULK_GIVE_UP_REMOVE, DISK_OP_REMOVE)->path, 0);
    bulk_submit(w);
}

static int bulk_failed(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    if (k->op.status == MS_ENOSPC && k->step <= WAL_BULK_SYNC_DIR) {
        make_give_up(w);
        return 0;
    }
    if (k->op.status == MS_ENOSPC && k->step == WAL_BULK_ZERO) {
        run_short(w);
        k->file = DISK_FILE_NONE;
        return 0;
    }
    /* It had its final name already when that could not be synced. */
    if (k->op.status == MS_ENOTFOUND && k->step == WAL_BULK_GIVE_UP_REMOVE) return 0;
    if (k->op.status == MS_ENOTFOUND &&
        (k->step == WAL_BULK_REMOVE || (k->step == WAL_BULK_OPEN && k->from_life != 0))) {
        wal_segment_forget(w, k->step == WAL_BULK_REMOVE ? k->life : k->from_life); /* gone already */
        return 0;
    }
    bool named = k->step == WAL_BULK_ZERO || k->step == WAL_BULK_REMOVE || k->step == WAL_BULK_CLOSE;
    uint64_t life = named ? k->life : k->from_life;
    if (life == 0) life = k->life;
    return wal_fail(w, k->op.status, "preparing a segment", life, &k->op);
}

static int bulk_done(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    struct wal_segment *s = wal_segment_find(w, k->life);
    switch (k->step) {
    case WAL_BULK_GIVE_UP_CLOSE: make_gave_up_close(w); return 0;
    case WAL_BULK_GIVE_UP_REMOVE: return 0;
    case WAL_BULK_ZERO:
        MS_ASSERT(s != NULL);
        s->zeroed = k->op.offset + k->op.len;
        k->file = DISK_FILE_NONE;
        k->is_short = false;
        return 0;
    case WAL_BULK_CLOSE:
        MS_ASSERT(s != NULL);
        s->file = DISK_FILE_NONE;
        k->file = DISK_FILE_NONE;
        return 0;
    case WAL_BULK_REMOVE:
        wal_segment_forget(w, k->life);
        if (k->thrifty) {
            wal_path_name(w, bulk_op(w, WAL_BULK_REMOVE_SYNC, DISK_OP_SYNC_DIR)->path, ".");
            bulk_submit(w);
        }
        return 0;
    case WAL_BULK_REMOVE_SYNC: return 0;
    default:
        if (make_next(w))
            bulk_submit(w);
        else
            made(w);
        return 0;
    }
}

int wal_bulk_on_disk(struct wal *w)
{
    struct wal_bulk *k = &w->bulk;
    bool was_ready = wal_ready(w);
    MS_ASSERT(k->busy);
    k->busy = false;
    if (k->op.status == 0 && k->op.kind == DISK_OP_WRITE && k->op.done_bytes != k->op.len) {
        k->op.status = MS_EIO;
    }
    int rv = k->op.status < 0 ? bulk_failed(w) : bulk_done(w);
    if (rv < 0) return rv;
    wal_batch_try(w);
    if (!was_ready && wal_ready(w)) w->ready_pending = true;
    return 0;
}
