/* wal_read.c: entries back from disk, for peers that are behind what is kept in memory.
 *
 * A read has a handle of its own: the segment may cease to be the current one meanwhile. It may also be
 * cut away and used again: what was read is then worth nothing, and the answer is MS_ENOTFOUND. As long
 * as the segment is part of the log, bytes that fail their checks are damage to acknowledged data. */
#include "wal/wal_private.h"

void wal_gather(const uint8_t *bytes, uint64_t sector, uint64_t at, uint8_t *dst, size_t len)
{
    uint64_t from = at - sector * WAL_SECTOR_PAYLOAD;
    while (len > 0) {
        uint64_t in_sector = from % WAL_SECTOR_PAYLOAD;
        size_t part = (size_t)(WAL_SECTOR_PAYLOAD - in_sector);
        if (part > len) part = len;
        memcpy(dst, bytes + from / WAL_SECTOR_PAYLOAD * DISK_SECTOR_BYTES + in_sector, part);
        dst += part;
        from += part;
        len -= part;
    }
}

/* Where the bytes of an entry end at the latest: where the next one begins, or what is durable of the
 * segment ends. */
static uint64_t entry_end(struct wal *w, const struct wal_segment *s, uint64_t index)
{
    if (index < w->durable_index) {
        const struct wal_place *next = wal_index_place(&w->index, index + 1);
        if (next->life32 == (uint32_t)s->life) return next->at;
    }
    return s->end_sector * WAL_SECTOR_PAYLOAD;
}

/* How many entries, and which sectors. */
static void read_plan(struct wal *w, uint64_t last_index)
{
    struct wal_reader *r = &w->reader;
    const struct wal_place *first = wal_index_place(&w->index, r->first_index);
    r->life = wal_segment_life(w, first->life32);
    const struct wal_segment *s = wal_segment_find(w, r->life);
    MS_ASSERT(s != NULL);
    uint64_t end = entry_end(w, s, r->first_index);
    r->count = 1;
    while (r->first_index + r->count <= last_index && r->count < WAL_READ_ENTRIES_MAX) {
        uint64_t index = r->first_index + r->count;
        uint64_t next_end = entry_end(w, s, index);
        if (wal_index_place(&w->index, index)->life32 != first->life32) break;
        if (next_end - first->at > r->bytes_max + (uint64_t)(r->count + 1) * WAL_RECORD_HEADER_BYTES)
            break;
        end = next_end;
        r->count++;
    }
    if (r->count == 1 && end - first->at > WAL_READ_BYTES_FIRST) end = first->at + WAL_READ_BYTES_FIRST;
    r->sector = first->at / WAL_SECTOR_PAYLOAD;
    r->sector_count = (end + WAL_SECTOR_PAYLOAD - 1) / WAL_SECTOR_PAYLOAD - r->sector;
}

static void read_submit_data(struct wal *w)
{
    struct wal_reader *r = &w->reader;
    r->step = WAL_READ_DATA;
    r->op = (struct disk_op){ .kind = DISK_OP_READ, .lane = DISK_LANE_BULK, .file = r->file };
    r->op.offset = r->sector * DISK_SECTOR_BYTES;
    r->op.buf = r->buf;
    r->op.len = (size_t)r->sector_count * DISK_SECTOR_BYTES;
    wal_submit(w, &r->op);
}

int wal_read(struct wal *w, uint64_t first_index, uint64_t last_index, size_t bytes_max, uint64_t token)
{
    struct wal_reader *r = &w->reader;
    MS_ASSERT(w->magic == WAL_MAGIC);
    if (r->busy || w->read_pending) return MS_EBUSY;
    if (first_index > last_index) return MS_EINVAL;
    if (first_index <= w->index.base_index || last_index > w->durable_index) return MS_ENOTFOUND;
    r->first_index = first_index;
    r->bytes_max = bytes_max;
    r->token = token;
    r->status = 0;
    read_plan(w, last_index);
    r->buf = ms_alloc(w->alloc, (size_t)r->sector_count * DISK_SECTOR_BYTES);
    if (!r->buf) return MS_ENOMEM;
    w->read_event.count = 0;
    r->busy = true;
    r->file = DISK_FILE_NONE;
    r->step = WAL_READ_OPEN;
    r->op = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_BULK };
    wal_path_segment(w, r->op.path, r->life);
    wal_submit(w, &r->op);
    return 0;
}

static void read_close(struct wal *w, int status)
{
    struct wal_reader *r = &w->reader;
    r->status = status;
    r->step = WAL_READ_CLOSE;
    r->op = (struct disk_op){ .kind = DISK_OP_CLOSE, .lane = DISK_LANE_BULK, .file = r->file };
    wal_submit(w, &r->op);
}

static void read_end(struct wal *w)
{
    struct wal_reader *r = &w->reader;
    struct wal_event *ev = &w->read_event;
    ev->kind = WAL_EVENT_READ;
    ev->token = r->token;
    ev->status = ev->count > 0 ? 0 : r->status;
    ms_free(w->alloc, r->buf);
    r->buf = NULL;
    r->busy = false;
    r->file = DISK_FILE_NONE;
    w->read_pending = true;
}

static int read_damaged(struct wal *w, uint64_t sector, const char *what)
{
    char path[DISK_PATH_BYTES_MAX];
    wal_path_segment(w, path, w->reader.life);
    log_line(w->log, LOG_ERROR, "%s, offset %llu: %s: acknowledged data is damaged", path,
             (unsigned long long)(sector * DISK_SECTOR_BYTES), what);
    w->failed = true;
    return MS_ELOSTDATA;
}

/* The record at a place, gathered into scratch memory. MS_ESHORT: more has to be read, *need sectors.
 */
static int read_record(struct wal *w, uint64_t at, uint8_t **scratch, struct wal_record *rec,
                       uint64_t *need)
{
    const struct wal_reader *r = &w->reader;
    uint64_t end = (r->sector + r->sector_count) * WAL_SECTOR_PAYLOAD;
    uint64_t there = at < end ? end - at : 0;
    uint8_t header[8];
    *need = r->sector_count + 1;
    if (there < WAL_RECORD_HEADER_BYTES) return MS_ESHORT;
    wal_gather(r->buf, r->sector, at, header, sizeof header);
    uint32_t body_bytes = bytes_load_u32(header + 4);
    size_t len = wal_record_bytes(body_bytes);
    if (body_bytes > WAL_BODY_BYTES_MAX) return MS_ECORRUPT;
    *need = (at + len + WAL_SECTOR_PAYLOAD - 1) / WAL_SECTOR_PAYLOAD - r->sector;
    if (there < len) return MS_ESHORT;
    uint8_t *p = ms_resize(w->alloc, *scratch, len);
    if (!p) return MS_ENOMEM;
    *scratch = p;
    wal_gather(r->buf, r->sector, at, p, len);
    struct bytes_reader in = bytes_reader_of(bytes_of(p, len));
    int rv = wal_record_decode(&in, r->life, rec);
    return rv < 0 ? MS_ECORRUPT : 0;
}

/* Entries out of what was read. MS_ESHORT: not even the first is whole. */
static int read_entries(struct wal *w, uint64_t *need)
{
    struct wal_reader *r = &w->reader;
    struct wal_event *ev = &w->read_event;
    uint8_t *scratch = NULL;
    size_t bytes = 0;
    int rv = 0;
    for (uint64_t i = 0; i < r->count; i++) {
        struct wal_record rec;
        uint64_t more, at = wal_index_place(&w->index, r->first_index + i)->at;
        rv = read_record(w, at, &scratch, &rec, &more);
        if (rv == 0 && (rec.type != WAL_RECORD_ENTRY || rec.index != r->first_index + i))
            rv = MS_ECORRUPT;
        if (rv == 0 && i > 0 && bytes + rec.body.len > r->bytes_max) break;
        if (i == 0) *need = more;
        if (rv == 0) ev->entries[i] = entry_ref_create(w->alloc, rec.index, rec.term, rec.body);
        if (rv == 0 && !ev->entries[i]) rv = MS_ENOMEM;
        if (rv < 0) break;
        bytes += rec.body.len;
        ev->count++;
    }
    ms_free(w->alloc, scratch);
    if (rv == MS_ECORRUPT) return rv;
    return ev->count > 0 ? 0 : rv;
}

/* Read again, once the length of the first entry is known. */
static int read_more(struct wal *w, uint64_t sector_count)
{
    struct wal_reader *r = &w->reader;
    uint8_t *p = ms_resize(w->alloc, r->buf, (size_t)sector_count * DISK_SECTOR_BYTES);
    if (!p) return MS_ENOMEM;
    r->buf = p;
    r->sector_count = sector_count;
    r->count = 1;
    read_submit_data(w);
    return 0;
}

/* The places planned with are still the places: none was cut or superseded meanwhile. */
static bool read_still_valid(struct wal *w)
{
    const struct wal_reader *r = &w->reader;
    const struct wal_segment *s = wal_segment_find(w, r->life);
    if (!s || s->use != WAL_SEGMENT_LIVE) return false;
    if (r->first_index <= w->index.base_index) return false;
    if (r->first_index + r->count - 1 > w->durable_index) return false;
    const struct wal_place *first = wal_index_place(&w->index, r->first_index);
    const struct wal_place *last = wal_index_place(&w->index, r->first_index + r->count - 1);
    return first->life32 == (uint32_t)r->life && last->life32 == (uint32_t)r->life &&
           first->at / WAL_SECTOR_PAYLOAD == r->sector;
}

static int read_data(struct wal *w)
{
    struct wal_reader *r = &w->reader;
    uint64_t need = 0;
    struct wal_stamp stamp;
    if (!read_still_valid(w)) {
        read_close(w, MS_ENOTFOUND);
        return 0;
    }
    for (uint64_t i = 0; i < r->sector_count; i++) {
        const uint8_t *sector = r->buf + i * DISK_SECTOR_BYTES;
        if (wal_sector_judge(sector, r->sector + i, r->life, &stamp) != WAL_SECTOR_OURS) {
            return read_damaged(w, r->sector + i, "a sector fails its checks");
        }
    }
    int rv = read_entries(w, &need);
    if (rv == MS_ECORRUPT) return read_damaged(w, r->sector, "a record fails its checks");
    if (rv == MS_ESHORT) {
        const struct wal_segment *s = wal_segment_find(w, r->life);
        if (need <= r->sector_count || r->sector + need > s->end_sector) {
            return read_damaged(w, r->sector, "a record has a wrong length");
        }
        rv = read_more(w, need);
        if (rv == 0) return 0;
    }
    read_close(w, rv);
    return 0;
}

int wal_reader_on_disk(struct wal *w)
{
    struct wal_reader *r = &w->reader;
    int status = r->op.status;
    MS_ASSERT(r->busy);
    switch (r->step) {
    case WAL_READ_OPEN:
        if (status < 0) {
            if (status != MS_ENOTFOUND)
                return wal_fail(w, status, "opening a segment", r->life, &r->op);
            if (read_still_valid(w)) return read_damaged(w, 0, "the segment is missing");
            r->status = MS_ENOTFOUND;
            read_end(w);
            return 0;
        }
        r->file = r->op.file;
        read_submit_data(w);
        return 0;
    case WAL_READ_DATA:
        if (status == 0 && r->op.done_bytes != r->op.len) status = MS_EIO;
        if (status < 0 && status != MS_ESHORT)
            return wal_fail(w, status, "reading a segment", r->life, &r->op);
        return read_data(w);
    case WAL_READ_CLOSE:
        if (status < 0) return wal_fail(w, status, "closing a segment", r->life, &r->op);
        read_end(w);
        return 0;
    }
    MS_UNREACHABLE();
}
