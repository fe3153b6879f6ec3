/* wal_record.c: encoders and decoders of the log (docs/FORMATS.md, "The log"). */
#include "wal/wal_record.h"

#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"

#define MARK_VERSION 1u
#define HEADER_MAGIC UINT64_C(0x4745534c4157534d) /* "MSWALSEG" */
#define SLOT_MAGIC UINT64_C(0x544154534c41574d)   /* "MWALSTAT" */
#define HEADER_CRC_AT 12u                         /* behind magic and version, in headers and slots */

static_assert(2 * WAL_RECORD_HEADER_BYTES + WAL_MARK_BYTES + WAL_BASE_BODY_BYTES <= WAL_SECTOR_PAYLOAD,
              "what a segment begins with fits its first sector");
static_assert(WAL_SEGMENT_BYTES_MAX / DISK_SECTOR_BYTES * WAL_SECTOR_PAYLOAD <= UINT32_MAX,
              "a place in a segment fits 32 bits");

static uint32_t crc_u64(uint32_t crc, uint64_t v)
{
    uint8_t bytes[8];
    bytes_store_u64(bytes, v);
    return crc32c(crc, bytes, sizeof bytes);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* --- records --- */

/* Over a whole record but its first four bytes, and the life. */
static uint32_t record_crc(const uint8_t *record, size_t len, uint64_t life)
{
    return crc_u64(crc32c(0, record + 4, len - 4), life);
}

void wal_record_encode(struct bytes_writer *out, uint64_t life, const struct wal_record *rec)
{
    size_t start = out->at;
    bytes_write_u32(out, 0);
    bytes_write_u32(out, (uint32_t)rec->body.len);
    bytes_write_u8(out, rec->type);
    bytes_write_u64(out, rec->batch);
    bytes_write_u64(out, rec->written_term);
    bytes_write_u64(out, rec->term);
    bytes_write_u64(out, rec->index);
    bytes_write_raw(out, rec->body.data, rec->body.len);
    if (!out->overflow && life != 0) wal_record_seal(out->data + start, life, rec->batch);
}

void wal_record_seal(uint8_t *record, uint64_t life, uint64_t batch)
{
    size_t len = wal_record_bytes(bytes_load_u32(record + 4));
    bytes_store_u64(record + 9, batch);
    bytes_store_u32(record, record_crc(record, len, life));
}

int wal_record_decode(struct bytes_reader *in, uint64_t life, struct wal_record *out)
{
    struct bytes_reader at = *in;
    struct wal_record rec = { 0 };
    uint32_t crc, body_bytes;
    const uint8_t *start = in->data ? in->data + in->at : NULL;
    if (all_zero(start, bytes_reader_left(in))) return MS_EEND;
    if (!bytes_read_u32(&at, &crc) || !bytes_read_u32(&at, &body_bytes)) return MS_ESHORT;
    if (body_bytes > WAL_BODY_BYTES_MAX) return MS_ECORRUPT;
    if (!bytes_read_u8(&at, &rec.type) || !bytes_read_u64(&at, &rec.batch)) return MS_ESHORT;
    if (!bytes_read_u64(&at, &rec.written_term) || !bytes_read_u64(&at, &rec.term)) return MS_ESHORT;
    if (!bytes_read_u64(&at, &rec.index)) return MS_ESHORT;
    if (!bytes_read_span(&at, body_bytes, &rec.body)) return MS_ESHORT;
    if (record_crc(start, at.at - in->at, life) != crc) return MS_ECORRUPT;
    if (rec.type == 0 || rec.batch >= WAL_NUMBER_END || rec.index >= WAL_NUMBER_END) return MS_ECORRUPT;
    *out = rec;
    *in = at;
    return 0;
}

void wal_mark_encode(struct bytes_writer *out, const struct wal_mark *mark)
{
    const struct wal_state *s = &mark->state;
    bytes_write_u8(out, MARK_VERSION);
    bytes_write_u64(out, mark->seq);
    bytes_write_u64(out, mark->life);
    bytes_write_u64(out, s->term);
    bytes_write_u64(out, s->vote);
    bytes_write_u64(out, s->incarnation);
    bytes_write_u64(out, s->snapshot_index);
    bytes_write_u64(out, s->snapshot_term);
    bytes_write_u64(out, s->flags);
    bytes_write_u64(out, s->added_index);
    bytes_write_raw(out, s->cluster_uuid, MS_UUID_BYTES);
}

int wal_mark_decode(struct bytes_reader *in, struct wal_mark *out)
{
    struct bytes_reader at = *in;
    struct wal_mark m = { 0 };
    struct wal_state *s = &m.state;
    uint8_t version;
    if (!bytes_read_u8(&at, &version)) return MS_ESHORT;
    if (version != MARK_VERSION) return MS_EVERSION;
    if (!bytes_read_u64(&at, &m.seq) || !bytes_read_u64(&at, &m.life)) return MS_ESHORT;
    if (!bytes_read_u64(&at, &s->term) || !bytes_read_u64(&at, &s->vote)) return MS_ESHORT;
    if (!bytes_read_u64(&at, &s->incarnation)) return MS_ESHORT;
    if (!bytes_read_u64(&at, &s->snapshot_index) || !bytes_read_u64(&at, &s->snapshot_term)) {
        return MS_ESHORT;
    }
    if (!bytes_read_u64(&at, &s->flags) || !bytes_read_u64(&at, &s->added_index)) return MS_ESHORT;
    if (!bytes_read_copy(&at, s->cluster_uuid, MS_UUID_BYTES)) return MS_ESHORT;
    if (m.seq >= WAL_NUMBER_END || m.life >= WAL_NUMBER_END) return MS_ECORRUPT;
    *out = m;
    *in = at;
    return 0;
}

void wal_base_encode(struct bytes_writer *out, const struct wal_base *base)
{
    bytes_write_u64(out, base->first_life);
    bytes_write_u64(out, base->last_index);
    bytes_write_u64(out, base->last_term);
    bytes_write_u64(out, base->last_written_term);
    bytes_write_u64(out, base->prev_life);
    bytes_write_u64(out, base->prev_sector);
}

int wal_base_decode(const struct wal_record *rec, struct wal_base *out)
{
    struct bytes_reader in = bytes_reader_of(rec->body);
    struct wal_base b = { .index = rec->index, .term = rec->term };
    bool whole = bytes_read_u64(&in, &b.first_life) && bytes_read_u64(&in, &b.last_index) &&
                 bytes_read_u64(&in, &b.last_term) && bytes_read_u64(&in, &b.last_written_term) &&
                 bytes_read_u64(&in, &b.prev_life) && bytes_read_u64(&in, &b.prev_sector);
    if (!whole || bytes_reader_left(&in) > 0) return MS_ECORRUPT;
    if (b.index > b.last_index || b.last_index >= WAL_NUMBER_END) return MS_ECORRUPT;
    if (b.first_life >= WAL_NUMBER_END || b.prev_life >= WAL_NUMBER_END) return MS_ECORRUPT;
    *out = b;
    return 0;
}

/* --- sectors --- */

#define STAMP_LIFE 4u
#define STAMP_BATCH 8u
#define STAMP_USED 12u
#define STAMP_FLAGS 14u

/* Over payload, the stamp behind its checksum, the sector's number and the life. */
static uint32_t sector_crc(const uint8_t *bytes, uint64_t sector, uint64_t life)
{
    uint32_t crc = crc32c(0, bytes, WAL_SECTOR_PAYLOAD);
    crc = crc32c(crc, bytes + WAL_SECTOR_PAYLOAD + 4, WAL_STAMP_BYTES - 4);
    return crc_u64(crc_u64(crc, sector), life);
}

void wal_sector_seal(uint8_t *bytes, uint64_t sector, uint64_t life, const struct wal_stamp *stamp)
{
    uint8_t *at = bytes + WAL_SECTOR_PAYLOAD;
    MS_ASSERT(stamp->used <= WAL_SECTOR_PAYLOAD);
    bytes_store_u32(at + STAMP_LIFE, (uint32_t)life);
    bytes_store_u32(at + STAMP_BATCH, stamp->batch32);
    bytes_store_u16(at + STAMP_USED, stamp->used);
    bytes_store_u16(at + STAMP_FLAGS, stamp->flags);
    bytes_store_u32(at, sector_crc(bytes, sector, life));
}

enum wal_sector_kind wal_sector_judge(const uint8_t *bytes, uint64_t sector, uint64_t life,
                                      struct wal_stamp *stamp)
{
    const uint8_t *at = bytes + WAL_SECTOR_PAYLOAD;
    if (all_zero(bytes, DISK_SECTOR_BYTES)) return WAL_SECTOR_BLANK;
    /* The whole number of an earlier life is the nearest one below with this low half. */
    uint64_t written = life - ((uint32_t)life - bytes_load_u32(at + STAMP_LIFE));
    if (written == 0 || written > life) return WAL_SECTOR_BAD;
    if (sector_crc(bytes, sector, written) != bytes_load_u32(at)) return WAL_SECTOR_BAD;
    struct wal_stamp s = { .batch32 = bytes_load_u32(at + STAMP_BATCH) };
    s.used = (uint16_t)(at[STAMP_USED] | at[STAMP_USED + 1] << 8);
    s.flags = (uint16_t)(at[STAMP_FLAGS] | at[STAMP_FLAGS + 1] << 8);
    if (s.used > WAL_SECTOR_PAYLOAD || s.flags > (WAL_SECTOR_FIRST | WAL_SECTOR_LAST)) {
        return WAL_SECTOR_BAD;
    }
    if (written < life) return WAL_SECTOR_OLD;
    *stamp = s;
    return WAL_SECTOR_OURS;
}

/* --- what begins with magic, version and a checksum over the rest --- */

static void seal_block(uint8_t *out, size_t len)
{
    bytes_store_u32(out + HEADER_CRC_AT, 0);
    bytes_store_u32(out + HEADER_CRC_AT, crc32c(0, out, len));
}

/* Check it and give a reader behind the checksum. */
static int open_block(struct bytes in, uint64_t magic, size_t len, struct bytes_reader *out)
{
    static const uint8_t zeros[4];
    uint32_t crc, sum;
    if (in.len < len || bytes_load_u64(in.data) != magic) return MS_ECORRUPT;
    crc = bytes_load_u32(in.data + HEADER_CRC_AT);
    sum = crc32c(0, in.data, HEADER_CRC_AT);
    sum = crc32c(sum, zeros, sizeof zeros);
    sum = crc32c(sum, in.data + HEADER_CRC_AT + 4, len - HEADER_CRC_AT - 4);
    if (sum != crc) return MS_ECORRUPT;
    if (bytes_load_u32(in.data + 8) != WAL_FORMAT_VERSION) return MS_EVERSION;
    *out = bytes_reader_of(bytes_of(in.data, len));
    out->at = HEADER_CRC_AT + 4;
    return 0;
}

static struct bytes_writer begin_block(uint8_t *out, size_t len, uint64_t magic)
{
    struct bytes_writer w = bytes_writer_of(out, len);
    memset(out, 0, len);
    bytes_write_u64(&w, magic);
    bytes_write_u32(&w, WAL_FORMAT_VERSION);
    bytes_write_u32(&w, 0);
    return w;
}

void wal_header_encode(uint8_t *out, const struct wal_header *header)
{
    struct bytes_writer w = begin_block(out, WAL_HEADER_BYTES, HEADER_MAGIC);
    bytes_write_u64(&w, header->member_id);
    bytes_write_raw(&w, header->nonce, MS_UUID_BYTES);
    bytes_write_raw(&w, header->cluster_uuid, MS_UUID_BYTES);
    bytes_write_u64(&w, header->life);
    bytes_write_u64(&w, header->segment_bytes);
    seal_block(out, WAL_HEADER_BYTES);
}

int wal_header_decode(struct bytes in, struct wal_header *out)
{
    struct bytes_reader r;
    struct wal_header h = { 0 };
    int rv = open_block(in, HEADER_MAGIC, WAL_HEADER_BYTES, &r);
    if (rv < 0) return rv;
    bool whole = bytes_read_u64(&r, &h.member_id) && bytes_read_copy(&r, h.nonce, MS_UUID_BYTES) &&
                 bytes_read_copy(&r, h.cluster_uuid, MS_UUID_BYTES) && bytes_read_u64(&r, &h.life) &&
                 bytes_read_u64(&r, &h.segment_bytes);
    MS_ASSERT(whole);
    if (h.life == 0 || h.life >= WAL_NUMBER_END || h.segment_bytes % WAL_HEADER_BYTES != 0)
        return MS_ECORRUPT;
    if (h.segment_bytes < WAL_SEGMENT_BYTES_MIN || h.segment_bytes > WAL_SEGMENT_BYTES_MAX) {
        return MS_ECORRUPT;
    }
    *out = h;
    return 0;
}

void wal_slot_encode(uint8_t *out, const struct wal_slot *slot)
{
    struct bytes_writer w = begin_block(out, WAL_SLOT_BYTES, SLOT_MAGIC);
    bytes_write_u64(&w, slot->member_id);
    bytes_write_raw(&w, slot->nonce, MS_UUID_BYTES);
    wal_mark_encode(&w, &slot->mark);
    seal_block(out, WAL_SLOT_BYTES);
}

int wal_slot_decode(struct bytes in, struct wal_slot *out)
{
    struct bytes_reader r;
    struct wal_slot s = { 0 };
    int rv = open_block(in, SLOT_MAGIC, WAL_SLOT_BYTES, &r);
    if (rv < 0) return rv;
    bool whole = bytes_read_u64(&r, &s.member_id) && bytes_read_copy(&r, s.nonce, MS_UUID_BYTES);
    MS_ASSERT(whole);
    rv = wal_mark_decode(&r, &s.mark);
    if (rv < 0) return rv;
    *out = s;
    return 0;
}
