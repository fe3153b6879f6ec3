/* wal.c: what the parts of the log share, its views, and its checks. */
#include "wal/wal_private.h"

void wal_submit(struct wal *w, struct disk_op *op)
{
    op->owner = w;
    w->disk->ops->submit(w->disk, op);
}

int wal_call(struct wal *w, struct disk_op *op)
{
    bool moves = op->kind == DISK_OP_WRITE || op->kind == DISK_OP_READ;
    op->owner = w;
    int rv = w->disk->ops->call(w->disk, op);
    return rv == 0 && moves && op->done_bytes != op->len ? MS_EIO : rv;
}

int wal_fail(struct wal *w, int status, const char *what, uint64_t life, const struct disk_op *op)
{
    if (life != 0)
        wal_path_segment(w, w->failed_path, life);
    else
        wal_path_name(w, w->failed_path, WAL_STATE_NAME);
    log_line(w->log, LOG_ERROR, "%s: %s failed at offset %llu: %s", w->failed_path, what,
             (unsigned long long)op->offset, ms_err_text(status));
    w->failed_offset = op->offset;
    w->failed = true;
    return status <= MS_EFATAL ? status : MS_EIO;
}

int wal_on_disk(struct wal *w, struct disk_op *op)
{
    int rv = MS_EINVAL;
    MS_ASSERT(w->magic == WAL_MAGIC);
    MS_ASSERT(op->owner == w);
    if (op == &w->log_op || op == &w->state_op) rv = wal_batch_on_disk(w, op);
    if (op == &w->bulk.op) rv = wal_bulk_on_disk(w);
    if (op == &w->reader.op) rv = wal_reader_on_disk(w);
    MS_ASSERT(rv == 0 || rv <= MS_EFATAL);
    if (rv < 0) return rv;
    wal_bulk_kick(w);
    wal_check(w);
    return 0;
}

bool wal_next_event(struct wal *w, struct wal_event *out)
{
    if (w->durable_pending) {
        out->kind = WAL_EVENT_DURABLE;
        out->token = w->durable_token;
        w->durable_pending = false;
        return true;
    }
    if (w->read_pending) {
        *out = w->read_event;
        w->read_event.count = 0; /* the references are the taker's now */
        w->read_pending = false;
        return true;
    }
    if (w->ready_pending) {
        out->kind = WAL_EVENT_READY;
        w->ready_pending = false;
        return true;
    }
    return false;
}

/* Where segments hold nothing that is needed any more: below the place of the first entry. */
void wal_cut(struct wal *w, uint64_t index)
{
    MS_ASSERT(w->magic == WAL_MAGIC);
    wal_index_drop_to(&w->index, index < w->durable_index ? index : w->durable_index);
    wal_retry(w);
}

bool wal_cut_waits(const struct wal *w)
{
    return w->recorded_base != w->index.base_index;
}

void wal_retry(struct wal *w)
{
    w->bulk.lacking = false;
    wal_bulk_kick(w);
    wal_check(w);
}

bool wal_is_short(const struct wal *w)
{
    return w->bulk.is_short;
}

void wal_set_thrifty(struct wal *w, bool thrifty)
{
    w->bulk.thrifty = thrifty;
    wal_bulk_kick(w);
}

const char *wal_failure(const struct wal *w, uint64_t *offset)
{
    *offset = w->failed_offset;
    return w->failed ? w->failed_path : NULL;
}

uint64_t wal_last_index(const struct wal *w)
{
    return wal_index_last(&w->index);
}

uint64_t wal_durable_index(const struct wal *w)
{
    return w->durable_index;
}

uint32_t wal_segments(const struct wal *w)
{
    return (uint32_t)w->segment_count;
}

uint64_t wal_disk_bytes(const struct wal *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->segment_count; i++) sum += w->segments[i].zeroed;
    return sum;
}

uint64_t wal_live_bytes(const struct wal *w)
{
    const struct wal_index *x = &w->index;
    uint64_t sum = 0;
    if (x->count == 0 || w->durable_index <= x->base_index) return 0;
    const struct wal_place *p = &x->places[x->skip];
    uint64_t life = wal_segment_life(w, p->life32);
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct wal_segment *s = &w->segments[i];
        uint64_t start = s->life == life ? p->at / WAL_SECTOR_PAYLOAD : WAL_HEADER_SECTORS;
        if (s->use != WAL_SEGMENT_LIVE || s->life < life || s->end_sector < start) continue;
        sum += (s->end_sector - start) * DISK_SECTOR_BYTES;
    }
    return sum;
}

const uint8_t *wal_nonce(const struct wal *w)
{
    return w->nonce;
}

const struct wal_state *wal_state(const struct wal *w)
{
    return &w->mark.state;
}

const struct wal_state *wal_durable_state(const struct wal *w)
{
    return &w->durable_mark.state;
}

bool wal_quiet(const struct wal *w)
{
    return w->batch.phase != WAL_SYNCING && !w->bulk.busy && !w->reader.busy;
}

static void check_segments(const struct wal *w)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct wal_segment *s = &w->segments[i];
        if (i > 0) MS_ASSERT(w->segments[i - 1].life < s->life);
        MS_ASSERT(s->life <= w->life_max);
        MS_ASSERT(s->zeroed <= s->bytes);
        MS_ASSERT(s->end_sector <= wal_segment_sectors(s));
        if (s->life == w->current_life) MS_ASSERT(s->use == WAL_SEGMENT_LIVE);
        if (s->use == WAL_SEGMENT_NEXT) MS_ASSERT(s->life == w->next_life);
    }
}

void wal_check(const struct wal *w)
{
    const struct wal_batch *b = &w->batch;
    MS_ASSERT(w->magic == WAL_MAGIC);
    wal_index_check(&w->index); /* W1, W2 */
    check_segments(w);
    MS_ASSERT(w->durable_index <= wal_index_last(&w->index)); /* W3 */
    if (b->low_index > 0) { /* W4, W5: only the batch is not durable */
        MS_ASSERT(b->phase != WAL_IDLE);
        MS_ASSERT(w->durable_index < b->low_index);
    }
    if (b->phase == WAL_IDLE) {
        MS_ASSERT(w->durable_index == wal_index_last(&w->index));
        MS_ASSERT(b->low_index == 0);
    }
    MS_ASSERT(w->durable_mark.seq <= w->mark.seq); /* W6 */
    MS_ASSERT(w->durable_mark.state.term <= w->mark.state.term);
}

static void close_file(struct wal *w, disk_file *file)
{
    struct disk_op op = { .kind = DISK_OP_CLOSE, .lane = DISK_LANE_BULK, .file = *file };
    if (*file == DISK_FILE_NONE) return;
    (void)wal_call(w, &op); /* nothing unsynced depends on it */
    *file = DISK_FILE_NONE;
}

void wal_close(struct wal *w)
{
    if (!w) return;
    MS_ASSERT(w->magic == WAL_MAGIC);
    for (size_t i = 0; i < w->segment_count; i++) close_file(w, &w->segments[i].file);
    if (w->bulk.busy) close_file(w, &w->bulk.file);
    if (w->reader.busy) close_file(w, &w->reader.file);
    close_file(w, &w->state_file);
    for (uint32_t i = 0; i < w->read_event.count; i++) {
        entry_ref_drop(w->alloc, w->read_event.entries[i]);
    }
    wal_index_fini(&w->index);
    ms_free(w->alloc, w->segments);
    ms_free(w->alloc, w->batch.bytes);
    ms_free(w->alloc, w->bulk.zeros);
    ms_free(w->alloc, w->bulk.header);
    ms_free(w->alloc, w->reader.buf);
    w->magic = 0;
    ms_free(w->alloc, w);
}
