/* wal_append.c: batches: collected, sealed into sectors, written and synced as one.
 *
 * The records of a batch are laid out behind room for its prefix (BASE or RESET, STATE), without number
 * and checksum, since the segment that takes them is known at commit only. Then payload becomes
 * sectors, in place, from the end on. */
#include "wal/wal_private.h"

static_assert(WAL_ENTRY_OVERHEAD == WAL_RECORD_HEADER_BYTES, "as promised in wal.h");

size_t wal_batch_bytes_max(const struct wal *w)
{
    uint64_t sectors = w->segment_bytes / DISK_SECTOR_BYTES - WAL_HEADER_SECTORS;
    uint64_t room = sectors * WAL_SECTOR_PAYLOAD - WAL_PREFIX_BYTES;
    return room < WAL_BATCH_BYTES_MAX ? (size_t)room : WAL_BATCH_BYTES_MAX;
}

/* A batch lies in one segment, the current or the next one. */
size_t wal_batch_room(const struct wal *w)
{
    uint64_t most = 0;
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct wal_segment *s = &w->segments[i];
        if (s->life != w->current_life && s->life != w->next_life) continue;
        if (wal_segment_room(s) > most) most = wal_segment_room(s);
    }
    uint64_t bytes = most * WAL_SECTOR_PAYLOAD;
    bytes = bytes > WAL_PREFIX_BYTES ? bytes - WAL_PREFIX_BYTES : 0;
    return bytes < wal_batch_bytes_max(w) ? (size_t)bytes : wal_batch_bytes_max(w);
}

/* Room for records of that length, and for the sectors they become. */
static int batch_reserve(struct wal *w, size_t len)
{
    struct wal_batch *b = &w->batch;
    size_t need = (size_t)wal_sectors_for(WAL_PREFIX_BYTES + len) * DISK_SECTOR_BYTES;
    if (need <= b->cap) return 0;
    if (need < 2 * b->cap) need = 2 * b->cap;
    uint8_t *p = ms_resize(w->alloc, b->bytes, need);
    if (!p) return MS_ENOMEM;
    b->bytes = p;
    b->cap = need;
    return 0;
}

int wal_batch_init(struct wal *w)
{
    w->batch = (struct wal_batch){ .phase = WAL_IDLE };
    return batch_reserve(w, WAL_HEADER_BYTES);
}

bool wal_ready(const struct wal *w)
{
    if (w->failed || w->batch.phase != WAL_IDLE || w->durable_pending) return false;
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct wal_segment *s = &w->segments[i];
        if (s->life != w->current_life && s->life != w->next_life) continue;
        if (wal_segment_room(s) >= WAL_READY_SECTORS) return true;
    }
    return !w->bulk.started; /* the first batch of all gets the background going */
}

void wal_batch_begin(struct wal *w)
{
    struct wal_batch *b = &w->batch;
    uint64_t last = wal_index_last(&w->index);
    MS_ASSERT(w->magic == WAL_MAGIC);
    MS_ASSERT(wal_ready(w));
    b->phase = WAL_OPEN;
    b->len = 0;
    b->reset = false;
    b->low_index = 0;
    b->before_index = last;
    b->before_term = wal_index_term(&w->index, last);
    b->before_written_term = w->last_written_term;
}

void wal_batch_state(struct wal *w, const struct wal_state *state)
{
    const struct wal_state *old = &w->mark.state;
    MS_ASSERT(w->batch.phase == WAL_OPEN);
    MS_ASSERT(state->term >= old->term);
    if (state->term == old->term && old->vote != 0) MS_ASSERT(state->vote == old->vote);
    bool same = state->term == old->term && state->vote == old->vote &&
                state->incarnation == old->incarnation && state->flags == old->flags &&
                state->snapshot_index == old->snapshot_index &&
                state->snapshot_term == old->snapshot_term && state->added_index == old->added_index &&
                memcmp(state->cluster_uuid, old->cluster_uuid, MS_UUID_BYTES) == 0;
    if (same) return;
    /* A number that the log does not have yet is taken again: so the file is never two ahead of it. */
    if (w->mark.seq == w->log_seq) w->mark.seq++;
    w->mark.state = *state;
    w->file_behind = true;
}

int wal_batch_entry(struct wal *w, uint64_t written_term, uint64_t index, uint64_t term,
                    struct bytes payload)
{
    struct wal_batch *b = &w->batch;
    struct wal_index *x = &w->index;
    size_t record_bytes = wal_record_bytes(payload.len);
    MS_ASSERT(b->phase == WAL_OPEN);
    MS_ASSERT(index > x->base_index);
    MS_ASSERT(index <= wal_index_last(x) + 1);
    MS_ASSERT(written_term >= w->last_written_term && written_term >= term);
    MS_ASSERT(term >= wal_index_term(x, index - 1));
    if (payload.len > ENTRY_PAYLOAD_BYTES_MAX) return MS_ETOOBIG;
    if (record_bytes > wal_batch_bytes_max(w) - b->len) return MS_ETOOBIG;
    if (batch_reserve(w, b->len + record_bytes) < 0 || wal_index_reserve(x) < 0) return MS_ENOMEM;
    wal_index_drop_from(x, index);
    if (w->durable_index >= index) w->durable_index = index - 1;
    if (b->low_index >= index) b->low_index = 0;
    struct wal_place place = { .at = (uint32_t)b->len }; /* for now: within the batch */
    wal_index_append(x, index, term, place);
    if (b->low_index == 0) b->low_index = index;
    struct wal_record rec = { .type = WAL_RECORD_ENTRY, .written_term = written_term, .term = term };
    rec.index = index;
    rec.body = payload;
    struct bytes_writer out = bytes_writer_of(b->bytes + WAL_PREFIX_BYTES + b->len, record_bytes);
    wal_record_encode(&out, 0, &rec);
    MS_ASSERT(!out.overflow);
    b->len += record_bytes;
    w->last_written_term = written_term;
    return 0;
}

void wal_batch_reset(struct wal *w, uint64_t index, uint64_t term)
{
    struct wal_batch *b = &w->batch;
    MS_ASSERT(b->phase == WAL_OPEN);
    wal_index_reset(&w->index, index, term);
    if (w->durable_index > index) w->durable_index = index;
    b->reset = true;
    b->low_index = 0;
    b->len = 0;
    b->before_index = index;
    b->before_term = term;
}

/* The oldest segment that holds an entry, seen from a batch that goes to life. */
static uint64_t first_life(struct wal *w, uint64_t life)
{
    uint64_t index = w->index.base_index + 1;
    if (w->index.count == 0 || (w->batch.low_index != 0 && index >= w->batch.low_index)) return life;
    return wal_segment_life(w, wal_index_place(&w->index, index)->life32);
}

static size_t prefix_base(struct wal *w, struct bytes_writer *out, const struct wal_segment *s)
{
    struct wal_batch *b = &w->batch;
    struct wal_segment *prev = wal_segment_find(w, w->current_life);
    uint8_t body[WAL_BASE_BODY_BYTES];
    struct bytes_writer body_out = bytes_writer_of(body, sizeof body);
    struct wal_base base = { .first_life = b->first_life, .last_index = b->before_index };
    base.last_term = b->before_term;
    base.last_written_term = b->before_written_term;
    if (s->end_sector == WAL_HEADER_SECTORS && prev && prev != s) {
        base.prev_life = prev->life;
        base.prev_sector = prev->end_sector;
    }
    wal_base_encode(&body_out, &base);
    struct wal_record rec = { .type = b->reset ? WAL_RECORD_RESET : WAL_RECORD_BASE };
    rec.index = w->index.base_index;
    rec.term = w->index.base_term;
    rec.body = bytes_of(body, body_out.at);
    wal_record_encode(out, 0, &rec);
    return out->at;
}

static size_t prefix_state(struct wal *w, struct bytes_writer *out, const struct wal_segment *s)
{
    uint8_t body[WAL_MARK_BYTES];
    struct bytes_writer body_out = bytes_writer_of(body, sizeof body);
    w->mark.life = s->life;
    wal_mark_encode(&body_out, &w->mark);
    struct wal_record rec = { .type = WAL_RECORD_STATE, .term = w->mark.state.term };
    rec.body = bytes_of(body, body_out.at);
    wal_record_encode(out, 0, &rec);
    return out->at;
}

/* What a batch has to begin with if it goes to s. */
static bool needs_base(const struct wal *w, const struct wal_segment *s)
{
    return s->end_sector == WAL_HEADER_SECTORS || w->batch.reset || wal_cut_waits(w);
}

static bool needs_state(const struct wal *w, const struct wal_segment *s)
{
    return s->end_sector == WAL_HEADER_SECTORS || w->mark.seq != w->log_seq;
}

static uint64_t sectors_in(const struct wal *w, const struct wal_segment *s)
{
    size_t len = w->batch.len;
    if (needs_base(w, s)) len += wal_record_bytes(WAL_BASE_BODY_BYTES);
    if (needs_state(w, s)) len += wal_record_bytes(WAL_MARK_BYTES);
    return wal_sectors_for(len);
}

/* Number and checksum for each record; places become those in the segment. */
static void seal_records(struct wal *w, size_t prefix_len, size_t len, uint64_t start_sector)
{
    struct wal_batch *b = &w->batch;
    for (size_t at = 0, n; at < len; at += n) {
        n = wal_record_bytes(bytes_load_u32(b->bytes + at + 4));
        wal_record_seal(b->bytes + at, b->life, w->next_batch);
    }
    if (b->low_index == 0) return;
    for (uint64_t i = b->low_index; i <= wal_index_last(&w->index); i++) {
        struct wal_place *p = wal_index_place(&w->index, i);
        p->life32 = (uint32_t)b->life;
        p->at += (uint32_t)(start_sector * WAL_SECTOR_PAYLOAD + prefix_len);
    }
}

/* Payload to sectors, in place. From the last on: each goes up, over what has moved already. */
static void seal_sectors(struct wal *w, size_t len, uint64_t start_sector)
{
    struct wal_batch *b = &w->batch;
    for (uint64_t i = b->sector_count; i-- > 0;) {
        uint8_t *to = b->bytes + i * DISK_SECTOR_BYTES;
        size_t from = (size_t)i * WAL_SECTOR_PAYLOAD;
        size_t used = len - from < WAL_SECTOR_PAYLOAD ? len - from : WAL_SECTOR_PAYLOAD;
        struct wal_stamp stamp = { .batch32 = (uint32_t)w->next_batch, .used = (uint16_t)used };
        if (i == 0) stamp.flags |= WAL_SECTOR_FIRST;
        if (i == b->sector_count - 1) stamp.flags |= WAL_SECTOR_LAST;
        memmove(to, b->bytes + from, used);
        memset(to + used, 0, WAL_SECTOR_PAYLOAD - used);
        wal_sector_seal(to, start_sector + i, b->life, &stamp);
    }
}

/* Build the batch for segment s. Its bytes go to the disk as they are then. */
static void batch_build(struct wal *w, struct wal_segment *s)
{
    struct wal_batch *b = &w->batch;
    uint8_t prefix[WAL_PREFIX_BYTES];
    struct bytes_writer out = bytes_writer_of(prefix, sizeof prefix);
    /* A new segment is told to the state file, too: so that it is missed when it vanishes. */
    if (s->end_sector == WAL_HEADER_SECTORS && w->mark.seq == w->log_seq) {
        w->mark.seq++;
        w->file_behind = true;
    }
    b->life = s->life;
    b->first_life = first_life(w, s->life);
    b->with_base = needs_base(w, s);
    if (b->with_base) prefix_base(w, &out, s);
    if (needs_state(w, s)) prefix_state(w, &out, s);
    MS_ASSERT(!out.overflow);
    size_t len = out.at + b->len;
    memmove(b->bytes + out.at, b->bytes + WAL_PREFIX_BYTES, b->len);
    memcpy(b->bytes, prefix, out.at);
    b->sector_count = wal_sectors_for(len);
    seal_records(w, out.at, len, s->end_sector);
    seal_sectors(w, len, s->end_sector);
}

static void batch_submit(struct wal *w, struct wal_segment *s)
{
    struct wal_batch *b = &w->batch;
    batch_build(w, s);
    b->base_index = w->index.base_index;
    b->last_index = wal_index_last(&w->index);
    b->log_done = false;
    b->state_done = !w->file_behind;
    b->phase = WAL_SYNCING;
    w->log_seq = w->mark.seq;
    w->file_behind = false;
    if (s->life == w->next_life) {
        s->use = WAL_SEGMENT_LIVE;
        w->next_life = 0;
        w->current_life = s->life;
    }
    w->log_op = (struct disk_op){ .kind = DISK_OP_WRITE, .lane = DISK_LANE_LOG, .file = s->file };
    w->log_op.offset = s->end_sector * DISK_SECTOR_BYTES;
    w->log_op.buf = b->bytes;
    w->log_op.len = (size_t)b->sector_count * DISK_SECTOR_BYTES;
    w->log_op.sync = true;
    if (!b->state_done) wal_state_submit(w);
    wal_submit(w, &w->log_op);
}

void wal_batch_try(struct wal *w)
{
    if (w->batch.phase != WAL_WAITING) return;
    struct wal_segment *s = wal_segment_find(w, w->current_life);
    if (!s || s->sealed || sectors_in(w, s) > wal_segment_sectors(s) - s->end_sector) {
        s = wal_segment_find(w, w->next_life);
    }
    if (s && sectors_in(w, s) <= wal_segment_room(s)) batch_submit(w, s);
}

static void batch_end(struct wal *w)
{
    w->batch.phase = WAL_IDLE;
    w->batch.low_index = 0;
    w->durable_pending = true;
    w->durable_token = w->batch.token;
    w->bulk.lacking = false;
}

void wal_batch_commit(struct wal *w, uint64_t token)
{
    struct wal_batch *b = &w->batch;
    MS_ASSERT(b->phase == WAL_OPEN);
    w->bulk.started = true;
    b->token = token;
    if (b->len == 0 && !b->reset && w->mark.seq == w->log_seq && !wal_cut_waits(w)) {
        batch_end(w);
    } else {
        b->phase = WAL_WAITING;
        wal_batch_try(w);
    }
    wal_bulk_kick(w);
    wal_check(w);
}

/* The batch says that nothing older than first_life is needed. */
static void release_segments(struct wal *w, uint64_t oldest)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        struct wal_segment *s = &w->segments[i];
        bool old = s->use == WAL_SEGMENT_LIVE && s->life < oldest && s->life != w->current_life;
        if (!old && s->use != WAL_SEGMENT_DOOMED) continue;
        s->use = WAL_SEGMENT_SPARE;
        if (s->sealed) s->zeroed = 0; /* damaged: to be removed */
    }
}

static void batch_durable(struct wal *w)
{
    struct wal_batch *b = &w->batch;
    struct wal_segment *s = wal_segment_find(w, b->life);
    MS_ASSERT(s != NULL);
    s->end_sector += b->sector_count;
    w->next_batch++;
    w->durable_index = b->last_index;
    w->durable_mark = w->mark;
    if (b->with_base) {
        w->recorded_base = b->base_index;
        release_segments(w, b->first_life);
    }
    batch_end(w);
}

int wal_batch_on_disk(struct wal *w, struct disk_op *op)
{
    struct wal_batch *b = &w->batch;
    bool is_log = op == &w->log_op;
    MS_ASSERT(b->phase == WAL_SYNCING);
    if (op->status == 0 && op->done_bytes != op->len) op->status = MS_EIO;
    if (op->status < 0)
        return wal_fail(w, op->status, is_log ? "writing a batch" : "writing the state",
                        is_log ? b->life : 0, op);
    *(is_log ? &b->log_done : &b->state_done) = true;
    if (b->log_done && b->state_done) batch_durable(w);
    return 0;
}
