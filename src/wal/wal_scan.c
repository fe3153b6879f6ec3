/* wal_scan.c: reading one segment as it was found: bytes that may be anything.
 *
 * A batch that was acknowledged has all its sectors whole. So if in the run of a batch the first sector
 * that is not whole is cleanly old (blank, or of an earlier life), that batch was never acknowledged:
 * it was torn. If it is neither, it has rotted, and whether the batch was acknowledged cannot be known.
 */
#include <stdio.h>

#include "wal/wal_recover.h"

void wal_scan_damage(struct wal_recover *r, uint64_t life, uint64_t sector, const char *what)
{
    char path[DISK_PATH_BYTES_MAX];
    if (r->damaged) return;
    r->damaged = true;
    wal_path_segment(r->w, path, life);
    snprintf(r->out->detail, sizeof r->out->detail, "%s, offset %llu: %s", path,
             (unsigned long long)(sector * DISK_SECTOR_BYTES), what);
}

int wal_scan_refuse_version(struct wal_recover *r, const char *path, const char *what)
{
    snprintf(r->out->detail, sizeof r->out->detail,
             "%s: %s is of a version of the format that this program does not know (it knows %u)", path,
             what, WAL_FORMAT_VERSION);
    return MS_EVERSION;
}

static int read_part(struct wal_recover *r, disk_file file, uint64_t offset, uint8_t *dst, size_t len)
{
    struct disk_op *op = &r->w->log_op;
    *op =
        (struct disk_op){ .kind = DISK_OP_READ, .lane = DISK_LANE_LOG, .file = file, .offset = offset };
    op->buf = dst;
    op->len = len;
    int rv = wal_call(r->w, op);
    return rv == MS_ESHORT ? 0 : rv;
}

/* Sector by sector. One that cannot be read is damaged as one is that has rotted: neither old nor new.
 * Others of its segment are there, and what is missing the peers have. */
static int read_salvage(struct wal_recover *r, uint64_t life, disk_file file, uint64_t offset,
                        uint8_t *dst, size_t len)
{
    char path[DISK_PATH_BYTES_MAX];
    int rv = 0;
    wal_path_segment(r->w, path, life);
    for (size_t at = 0, part; at < len && (rv == 0 || rv == MS_EIO); at += part) {
        part = len - at < DISK_SECTOR_BYTES ? len - at : DISK_SECTOR_BYTES;
        rv = read_part(r, file, offset + at, dst + at, part);
        if (rv != MS_EIO) continue;
        memset(dst + at, WAL_UNREADABLE_BYTE, part);
        log_line(r->w->log, LOG_ERROR, "%s, offset %llu: cannot be read", path,
                 (unsigned long long)(offset + at));
    }
    return rv == MS_EIO ? 0 : rv;
}

/* len bytes from offset on; what is behind the end of the file is zero. */
static int read_file(struct wal_recover *r, uint64_t life, uint64_t offset, uint8_t *dst, size_t len)
{
    struct disk_op *op = &r->w->log_op;
    *op = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_LOG };
    wal_path_segment(r->w, op->path, life);
    int rv = wal_call(r->w, op);
    if (rv < 0) return rv;
    disk_file file = op->file;
    rv = read_part(r, file, offset, dst, len);
    if (rv == MS_EIO) rv = read_salvage(r, life, file, offset, dst, len);
    *op = (struct disk_op){ .kind = DISK_OP_CLOSE, .lane = DISK_LANE_LOG, .file = file };
    int closed = wal_call(r->w, op);
    return rv < 0 ? rv : closed;
}

static int read_segment(struct wal_recover *r, uint64_t life, uint8_t *dst, size_t len)
{
    char path[DISK_PATH_BYTES_MAX];
    int rv = read_file(r, life, 0, dst, len);
    if (rv == 0) return 0;
    wal_path_segment(r->w, path, life);
    snprintf(r->out->detail, sizeof r->out->detail, "%s cannot be read", path);
    return rv;
}

static int reserve(struct wal_recover *r, uint8_t **p, size_t *have, size_t want)
{
    if (want <= *have) return 0;
    uint8_t *q = ms_resize(r->w->alloc, *p, want);
    if (!q) return MS_ENOMEM;
    *p = q;
    *have = want;
    return 0;
}

int wal_scan_load(struct wal_recover *r, const struct wal_found_segment *f)
{
    if (r->loaded_life == f->life) return 0;
    r->loaded_life = 0;
    int rv = reserve(r, &r->buf, &r->buf_bytes, (size_t)f->bytes);
    if (rv == 0) rv = read_segment(r, f->life, r->buf, (size_t)f->bytes);
    if (rv == 0) r->loaded_life = f->life;
    return rv;
}

/* The records at the head of a batch, which all stand in its first sector: BASE or RESET, STATE. */
static int take_prefix(struct wal_recover *r, const uint8_t *sector, uint64_t life,
                       struct wal_base *base, uint8_t *base_type, uint64_t *batch)
{
    struct bytes_reader in = bytes_reader_of(bytes_of(sector, WAL_SECTOR_PAYLOAD));
    struct wal_record rec;
    *base_type = 0;
    while (wal_record_decode(&in, life, &rec) == 0 && rec.type != WAL_RECORD_ENTRY) {
        *batch = rec.batch;
        if (rec.type == WAL_RECORD_BASE || rec.type == WAL_RECORD_RESET) {
            if (wal_base_decode(&rec, base) == 0) *base_type = rec.type;
        }
        if (rec.type == WAL_RECORD_STATE && r) {
            struct wal_mark mark;
            struct bytes_reader body = bytes_reader_of(rec.body);
            int rv = wal_mark_decode(&body, &mark);
            if (rv == MS_EVERSION) return rv;
            if (rv == 0 && (!r->mark_known || mark.seq >= r->mark.seq)) {
                r->mark = mark;
                r->mark_known = true;
            }
        }
    }
    return 0;
}

static int refuse_segment(struct wal_recover *r, const struct wal_found_segment *f, const char *what)
{
    char path[DISK_PATH_BYTES_MAX];
    wal_path_segment(r->w, path, f->life);
    return wal_scan_refuse_version(r, path, what);
}

int wal_scan_head(struct wal_recover *r, struct wal_found_segment *f)
{
    uint8_t head[WAL_HEADER_BYTES + DISK_SECTOR_BYTES];
    struct wal_stamp stamp;
    uint64_t batch;
    uint8_t base_type;
    int rv = read_segment(r, f->life, head, sizeof head);
    if (rv < 0) return rv;
    rv = wal_header_decode(bytes_of(head, WAL_HEADER_BYTES), &f->header);
    if (rv == MS_EVERSION) return refuse_segment(r, f, "the header"); /* whole, but not for us */
    f->header_whole = rv == 0 && f->header.life == f->life;
    f->bytes =
        f->header_whole ? f->header.segment_bytes : f->size / WAL_HEADER_BYTES * WAL_HEADER_BYTES;
    if (f->bytes > WAL_SEGMENT_BYTES_MAX) f->bytes = WAL_SEGMENT_BYTES_MAX;
    const uint8_t *first = head + WAL_HEADER_BYTES;
    if (wal_sector_judge(first, WAL_HEADER_SECTORS, f->life, &stamp) != WAL_SECTOR_OURS) return 0;
    rv = take_prefix(NULL, first, f->life, &f->base, &base_type, &batch);
    f->base_whole = base_type != 0 && (stamp.flags & WAL_SECTOR_FIRST);
    return rv;
}

static const uint8_t *sector_at(const struct wal_recover *r, uint64_t sector)
{
    return r->buf + sector * DISK_SECTOR_BYTES;
}

/* What begins at sector of the loaded segment. */
static struct wal_run_of_sectors run_at(const struct wal_recover *r, const struct wal_found_segment *f,
                                        uint64_t sector)
{
    struct wal_run_of_sectors run = { 0 };
    uint64_t end = f->bytes / DISK_SECTOR_BYTES;
    for (uint64_t i = sector; i < end; i++) {
        struct wal_stamp s;
        run.bad_sector = i;
        if (wal_sector_judge(sector_at(r, i), i, f->life, &s) != WAL_SECTOR_OURS) return run;
        if (i == sector) run.batch32 = s.batch32;
        if (s.batch32 != run.batch32) return run;
        if ((i == sector) != ((s.flags & WAL_SECTOR_FIRST) != 0)) return run;
        if (!(s.flags & WAL_SECTOR_LAST) && s.used != WAL_SECTOR_PAYLOAD) return run;
        run.payload_bytes += s.used;
        if (s.flags & WAL_SECTOR_LAST) {
            run.count = i - sector + 1;
            return run;
        }
    }
    run.bad_sector = end;
    return run;
}

int wal_scan_loose(struct wal_recover *r, const struct wal_found_segment *f, bool *any_batch,
                   bool *any_ours)
{
    uint64_t end = f->bytes / DISK_SECTOR_BYTES;
    *any_batch = *any_ours = false;
    for (uint64_t i = WAL_HEADER_SECTORS; i < end;) {
        struct wal_stamp stamp;
        struct wal_base base;
        uint8_t type;
        uint64_t batch = 0;
        bool ours = wal_sector_judge(sector_at(r, i), i, f->life, &stamp) == WAL_SECTOR_OURS;
        struct wal_run_of_sectors run = { 0 };
        if (ours) run = run_at(r, f, i);
        *any_ours |= ours;
        if (run.count == 0) {
            i++;
            continue;
        }
        *any_batch = true;
        int rv = take_prefix(r, sector_at(r, i), f->life, &base, &type, &batch);
        if (rv == MS_EVERSION) return refuse_segment(r, f, "a state");
        if (rv < 0) return rv;
        if (type != 0) {
            r->newest = base;
            r->newest_known = true;
            r->newest_is_reset = type == WAL_RECORD_RESET;
            r->newest_batch = batch;
        }
        i += run.count;
    }
    return 0;
}

/* --- taking records --- */

/* W1, W2 as facts about bytes: MS_ECORRUPT if the record cannot follow what was read. */
static int take_entry(struct wal_recover *r, const struct wal_record *rec, struct wal_place place)
{
    struct wal_index *x = &r->w->index;
    if (rec->index == 0 || rec->index > wal_index_last(x) + 1) return MS_ECORRUPT;
    if (rec->written_term < r->w->last_written_term || rec->written_term < rec->term)
        return MS_ECORRUPT;
    if (rec->body.len > ENTRY_PAYLOAD_BYTES_MAX) return MS_ECORRUPT;
    /* Below where the first segment's log begins: superseded entries whose places are cut away; the
     * term before it is known to nobody who needs it, since a base above it follows. */
    if (rec->index <= x->base_index) wal_index_reset(x, rec->index - 1, 0);
    if (rec->term < wal_index_term(x, rec->index - 1)) return MS_ECORRUPT;
    if (wal_index_reserve(x) < 0) return MS_ENOMEM;
    wal_index_drop_from(x, rec->index);
    wal_index_append(x, rec->index, rec->term, place);
    r->w->last_written_term = rec->written_term;
    return 0;
}

/* opens: it is the first record of the segment that the log begins with. */
static int take_base(struct wal_recover *r, const struct wal_record *rec, bool opens)
{
    struct wal_index *x = &r->w->index;
    struct wal_base base;
    if (wal_base_decode(rec, &base) < 0) return MS_ECORRUPT;
    if (opens) {
        wal_index_reset(x, base.last_index, base.last_term);
        r->w->last_written_term = base.last_written_term;
    }
    if (r->newest_known && rec->batch == r->newest_batch) r->newest_reached = true;
    if (rec->type == WAL_RECORD_RESET) {
        wal_index_reset(x, base.index, base.term);
        return 0;
    }
    if (base.last_index != wal_index_last(x)) return MS_ECORRUPT;
    if (base.index <= x->base_index) return 0;
    if (wal_index_term(x, base.index) != base.term) return MS_ECORRUPT;
    wal_index_drop_to(x, base.index);
    return 0;
}

static int take_record(struct wal_recover *r, const struct wal_record *rec, struct wal_place place,
                       bool opens)
{
    struct bytes_reader body = bytes_reader_of(rec->body);
    struct wal_mark mark;
    int rv;
    if (opens && rec->type != WAL_RECORD_BASE && rec->type != WAL_RECORD_RESET) return MS_ECORRUPT;
    switch (rec->type) {
    case WAL_RECORD_ENTRY: return take_entry(r, rec, place);
    case WAL_RECORD_STATE:
        rv = wal_mark_decode(&body, &mark);
        if (rv == MS_ESHORT || bytes_reader_left(&body) > 0) return MS_ECORRUPT;
        if (rv == 0 && (!r->mark_known || mark.seq >= r->mark.seq)) r->mark = mark;
        if (rv == 0) r->mark_known = true;
        return rv;
    case WAL_RECORD_BASE:
    case WAL_RECORD_RESET: return take_base(r, rec, opens);
    default: return MS_EVERSION;
    }
}

/* Gather the record at offset `at` of a batch's payload and decode it. */
static int record_at(struct wal_recover *r, const struct wal_found_segment *f, uint64_t place,
                     size_t room, struct wal_record *rec)
{
    uint8_t header[8];
    if (room < WAL_RECORD_HEADER_BYTES) return MS_ECORRUPT;
    wal_gather(r->buf, 0, place, header, sizeof header);
    size_t body_bytes = bytes_load_u32(header + 4);
    if (body_bytes > room - WAL_RECORD_HEADER_BYTES) return MS_ECORRUPT;
    size_t len = wal_record_bytes(body_bytes);
    int rv = reserve(r, &r->scratch, &r->scratch_bytes, len);
    if (rv < 0) return rv;
    wal_gather(r->buf, 0, place, r->scratch, len);
    struct bytes_reader in = bytes_reader_of(bytes_of(r->scratch, len));
    return wal_record_decode(&in, f->life, rec) < 0 ? MS_ECORRUPT : 0;
}

static int take_batch(struct wal_recover *r, struct wal_found_segment *f, uint64_t sector,
                      const struct wal_run_of_sectors *run, bool opens_log)
{
    uint64_t start = sector * WAL_SECTOR_PAYLOAD, batch = 0;
    for (size_t at = 0; at < run->payload_bytes;) {
        struct wal_record rec;
        struct wal_place place = { .life32 = (uint32_t)f->life, .at = (uint32_t)(start + at) };
        int rv = record_at(r, f, start + at, run->payload_bytes - at, &rec);
        if (rv < 0) return rv;
        if (at == 0) batch = rec.batch;
        if (rec.batch != batch || (uint32_t)batch != run->batch32) return MS_ECORRUPT;
        if (r->next_batch != 0 && batch != r->next_batch) return MS_ECORRUPT;
        rv = take_record(r, &rec, place, opens_log && at == 0);
        if (rv < 0) return rv;
        at += wal_record_bytes(rec.body.len);
    }
    if (batch == 0) return MS_ECORRUPT;
    r->next_batch = batch + 1;
    return 0;
}

int wal_scan_batches(struct wal_recover *r, struct wal_found_segment *f)
{
    uint64_t end = f->bytes / DISK_SECTOR_BYTES;
    if (f->limit_sector != 0 && f->limit_sector < end) end = f->limit_sector;
    while (f->end_sector < end && !r->damaged) {
        struct wal_run_of_sectors run = run_at(r, f, f->end_sector);
        bool expected = r->next_batch == 0 || run.batch32 == (uint32_t)r->next_batch;
        if (run.count == 0 || !expected) {
            uint64_t bad = run.count == 0 ? run.bad_sector : f->end_sector;
            /* Where it ends is not known if its successor's first sector is damaged: that is told
             * there. */
            if (f->has_successor && (f->limit_sector != 0 || bad != f->end_sector)) {
                wal_scan_damage(r, f->life, bad, "a sector of an acknowledged batch is damaged");
            }
            return 0;
        }
        if (run.count > end - f->end_sector) {
            wal_scan_damage(r, f->life, f->end_sector, "a batch goes on behind the segment's end");
            return 0;
        }
        if (r->stop_life == f->life && r->stop_sector == f->end_sector) {
            wal_scan_damage(r, f->life, f->end_sector,
                            "the records of a batch are not what can follow");
            return 0;
        }
        int rv = take_batch(r, f, f->end_sector, &run, r->next_batch == 0);
        if (rv == MS_ECORRUPT) {
            MS_ASSERT(r->stop_life == 0);
            r->stop_life = f->life;
            r->stop_sector = f->end_sector;
        }
        if (rv == MS_EVERSION) return refuse_segment(r, f, "a record");
        if (rv < 0) return rv;
        f->last_sector = f->end_sector;
        f->end_sector += run.count;
    }
    return 0;
}

int wal_scan_records(struct wal_recover *r, const struct wal_found_segment *f, wal_scan_record_cb cb,
                     void *arg)
{
    int rv = f->end_sector > WAL_HEADER_SECTORS ? wal_scan_load(r, f) : 0;
    for (uint64_t s = WAL_HEADER_SECTORS; rv == 0 && s < f->end_sector;) {
        struct wal_run_of_sectors run = run_at(r, f, s);
        uint64_t start = s * WAL_SECTOR_PAYLOAD;
        if (run.count == 0) return MS_EIO; /* it was whole a moment ago */
        for (size_t at = 0; rv == 0 && at < run.payload_bytes;) {
            struct wal_place place = { .life32 = (uint32_t)f->life, .at = (uint32_t)(start + at) };
            struct wal_record rec;
            rv = record_at(r, f, start + at, run.payload_bytes - at, &rec);
            if (rv == MS_ECORRUPT) return MS_EIO;
            if (rv < 0) return rv;
            rv = cb(arg, f, place, &rec);
            at += wal_record_bytes(rec.body.len);
        }
        s += run.count;
    }
    return rv;
}

bool wal_scan_is_clean(const struct wal_recover *r, const struct wal_found_segment *f)
{
    for (uint64_t i = WAL_HEADER_SECTORS; i < f->bytes / DISK_SECTOR_BYTES; i++) {
        struct wal_stamp s;
        enum wal_sector_kind kind = wal_sector_judge(sector_at(r, i), i, f->life, &s);
        if (kind != WAL_SECTOR_BLANK && kind != WAL_SECTOR_OLD) return false;
    }
    return true;
}

/* What stands behind the end, where batch is the next number. A sector of a batch before that one is what is left of one
 * that was torn, and written anew: it was zeroed in between, but a disk that failed then may have shown zeros that it did
 * not have (BUGS B22). */
static enum wal_sector_kind judge_behind(const struct wal_recover *r, const struct wal_found_segment *f,
                                         uint64_t sector, uint64_t batch, struct wal_stamp *s)
{
    enum wal_sector_kind kind = wal_sector_judge(sector_at(r, sector), sector, f->life, s);
    bool before = kind == WAL_SECTOR_OURS && (int32_t)(s->batch32 - (uint32_t)batch) < 0;
    return before ? WAL_SECTOR_OLD : kind;
}

int wal_scan_tail(struct wal_recover *r, struct wal_found_segment *f)
{
    uint64_t end = f->bytes / DISK_SECTOR_BYTES, x = f->end_sector;
    struct wal_run_of_sectors run = run_at(r, f, x);
    bool any_new = false;
    uint64_t batch = r->next_batch != 0 ? r->next_batch : 1;
    if (x == end) return 0;
    if (run.count == 0 && run.batch32 == (uint32_t)batch) x = run.bad_sector;
    for (uint64_t i = f->end_sector; i < end; i++) {
        struct wal_stamp s;
        enum wal_sector_kind kind = judge_behind(r, f, i, batch, &s);
        if (kind == WAL_SECTOR_OURS && s.batch32 != (uint32_t)batch) {
            wal_scan_damage(r, f->life, x, "an acknowledged batch is damaged, a later one is there");
            return 0;
        }
        if (kind == WAL_SECTOR_OURS) any_new = true;
        if (kind == WAL_SECTOR_OURS || kind == WAL_SECTOR_BAD) f->dirty_sector = i + 1;
    }
    struct wal_stamp s;
    enum wal_sector_kind kind =
        x < end ? judge_behind(r, f, x, batch, &s) : WAL_SECTOR_BAD;
    if (f->size < f->bytes && x >= f->size / DISK_SECTOR_BYTES) {
        wal_scan_damage(r, f->life, x, "the file is cut short");
    } else if (kind == WAL_SECTOR_BAD || kind == WAL_SECTOR_OURS) {
        wal_scan_damage(r, f->life, x, "a sector is neither old nor new");
    } else if (any_new) {
        r->torn = true;
        char path[DISK_PATH_BYTES_MAX];
        wal_path_segment(r->w, path, f->life);
        snprintf(r->out->detail, sizeof r->out->detail, "%s, offset %llu: batch %llu was torn", path,
                 (unsigned long long)(f->end_sector * DISK_SECTOR_BYTES), (unsigned long long)batch);
    }
    return 0;
}

int wal_scan_entry(struct wal_recover *r, uint64_t index, uint64_t *term, struct bytes *payload)
{
    const struct wal_place place = *wal_index_place(&r->w->index, index);
    struct wal_record rec;
    size_t i = r->entry_segment; /* entries stand in segments in order */
    while (i < r->count && !(r->at[i].in_chain && (uint32_t)r->at[i].life == place.life32)) i++;
    MS_ASSERT(i < r->count);
    r->entry_segment = i;
    const struct wal_found_segment *f = &r->at[i];
    int rv = wal_scan_load(r, f);
    if (rv < 0) return rv;
    size_t room = (size_t)(f->end_sector * WAL_SECTOR_PAYLOAD - place.at);
    rv = record_at(r, f, place.at, room, &rec);
    if (rv < 0) return rv == MS_ECORRUPT ? MS_EIO : rv; /* it was whole a moment ago */
    *term = rec.term;
    *payload = rec.body;
    return rec.index == index ? 0 : MS_EIO;
}
