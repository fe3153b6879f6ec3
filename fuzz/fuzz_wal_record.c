/* fuzz_wal_record.c: every decoder of the log. What is decoded is encoded again to the same bytes, or
 * at least to the same meaning where bytes are left over; on an error nothing has moved.
 *
 * Input: which decoder u8, life u64, bytes. */
#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "wal/wal_record.h"

#define PREFIX_BYTES 9u

enum { RECORDS, SECTOR, HEADER, SLOT, DECODERS };

static void check_body(const struct wal_record *rec)
{
    uint8_t again[WAL_MARK_BYTES];
    struct bytes_writer out = bytes_writer_of(again, sizeof again);
    struct bytes_reader in = bytes_reader_of(rec->body);
    struct wal_mark mark;
    struct wal_base base;
    if (rec->type == WAL_RECORD_STATE && wal_mark_decode(&in, &mark) == 0) {
        wal_mark_encode(&out, &mark);
        MS_ASSERT(in.at == out.at && memcmp(again, rec->body.data, out.at) == 0);
    }
    if (rec->type == WAL_RECORD_BASE && wal_base_decode(rec, &base) == 0) {
        wal_base_encode(&out, &base);
        MS_ASSERT(rec->body.len == out.at && memcmp(again, rec->body.data, out.at) == 0);
        MS_ASSERT(base.index <= base.last_index);
    }
}

static void check_records(struct bytes in, uint64_t life)
{
    static uint8_t again[1 << 16];
    struct bytes_reader r = bytes_reader_of(in);
    for (;;) { /* ends: a record takes at least its header */
        struct wal_record rec = { .type = 99 };
        size_t at = r.at;
        int rv = wal_record_decode(&r, life, &rec);
        if (rv < 0) {
            MS_ASSERT(rv == MS_EEND || rv == MS_ESHORT || rv == MS_ECORRUPT);
            MS_ASSERT(r.at == at && rec.type == 99);
            return;
        }
        struct bytes_writer out = bytes_writer_of(again, sizeof again);
        wal_record_encode(&out, life, &rec);
        if (!out.overflow) MS_ASSERT(out.at == r.at - at && memcmp(again, in.data + at, out.at) == 0);
        check_body(&rec);
    }
}

static void check_sector(struct bytes in, uint64_t life)
{
    uint8_t sector[DISK_SECTOR_BYTES] = { 0 }, again[DISK_SECTOR_BYTES];
    struct wal_stamp stamp;
    memcpy(sector, in.data, in.len < sizeof sector ? in.len : sizeof sector);
    enum wal_sector_kind kind = wal_sector_judge(sector, 8, life, &stamp);
    MS_ASSERT(kind >= WAL_SECTOR_BLANK && kind <= WAL_SECTOR_BAD);
    if (kind != WAL_SECTOR_OURS) return;
    memcpy(again, sector, sizeof again);
    wal_sector_seal(again, 8, life, &stamp);
    MS_ASSERT(memcmp(again, sector, sizeof again) == 0);
    MS_ASSERT(wal_sector_judge(sector, 9, life, &stamp) == WAL_SECTOR_BAD);
    MS_ASSERT(wal_sector_judge(sector, 8, life + 1, &stamp) == WAL_SECTOR_OLD);
}

static void check_header(struct bytes in)
{
    uint8_t again[WAL_HEADER_BYTES];
    struct wal_header h, h2;
    int rv = wal_header_decode(in, &h);
    MS_ASSERT(rv == 0 || rv == MS_ECORRUPT || rv == MS_EVERSION);
    if (rv < 0) return;
    wal_header_encode(again, &h);
    MS_ASSERT(wal_header_decode(bytes_of(again, sizeof again), &h2) == 0);
    MS_ASSERT(memcmp(&h, &h2, sizeof h) == 0);
}

static void check_slot(struct bytes in)
{
    uint8_t again[WAL_SLOT_BYTES];
    struct wal_slot s, s2;
    int rv = wal_slot_decode(in, &s);
    MS_ASSERT(rv == 0 || rv == MS_ECORRUPT || rv == MS_EVERSION || rv == MS_ESHORT);
    if (rv < 0) return;
    wal_slot_encode(again, &s);
    MS_ASSERT(wal_slot_decode(bytes_of(again, sizeof again), &s2) == 0);
    MS_ASSERT(memcmp(&s, &s2, sizeof s) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < PREFIX_BYTES) return 0;
    struct bytes in = bytes_of(data + PREFIX_BYTES, len - PREFIX_BYTES);
    uint64_t life = bytes_load_u64(data + 1) >> 1; /* below WAL_NUMBER_END */
    if (life == 0) life = 1;
    switch (data[0] % DECODERS) {
    case RECORDS: check_records(in, life); break;
    case SECTOR: check_sector(in, life); break;
    case HEADER: check_header(in); break;
    default: check_slot(in); break;
    }
    return 0;
}

static void repair_records(uint8_t *data, size_t size, uint64_t life, bool leave_last)
{
    for (size_t at = 0; size - at >= WAL_RECORD_HEADER_BYTES;) {
        size_t left = size - at - WAL_RECORD_HEADER_BYTES;
        size_t body_bytes = bytes_load_u32(data + at + 4);
        if (body_bytes >= left && leave_last) return;
        if (body_bytes > left) body_bytes = left;
        bytes_store_u32(data + at + 4, (uint32_t)body_bytes);
        wal_record_seal(data + at, life, bytes_load_u64(data + at + 9));
        at += wal_record_bytes(body_bytes);
    }
}

/* Magic and checksum of a header or a slot. */
static void repair_block(uint8_t *data, const uint8_t *example, size_t len)
{
    memcpy(data, example, 12);
    bytes_store_u32(data + 12, 0);
    bytes_store_u32(data + 12, crc32c(0, data, len));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint8_t example[WAL_HEADER_BYTES];
    struct wal_header header = { .life = 1 };
    struct wal_slot slot = { .member_id = 1 };
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size < PREFIX_BYTES || seed % 8 == 0) return size;
    uint8_t *in = data + PREFIX_BYTES;
    size_t len = size - PREFIX_BYTES;
    uint64_t life = bytes_load_u64(data + 1) >> 1;
    if (life == 0) life = 1;
    if (data[0] % DECODERS == RECORDS) repair_records(in, len, life, seed % 8 == 1);
    if (data[0] % DECODERS == SECTOR && len >= DISK_SECTOR_BYTES) {
        struct wal_stamp stamp = { .batch32 = bytes_load_u32(in + WAL_SECTOR_PAYLOAD + 8) };
        stamp.used =
            (uint16_t)(bytes_load_u32(in + WAL_SECTOR_PAYLOAD + 12) % (WAL_SECTOR_PAYLOAD + 1));
        stamp.flags = in[WAL_SECTOR_PAYLOAD + 14] % 4;
        wal_sector_seal(in, 8, life, &stamp);
    }
    if (data[0] % DECODERS == HEADER && len >= WAL_HEADER_BYTES) {
        wal_header_encode(example, &header);
        repair_block(in, example, WAL_HEADER_BYTES);
    }
    if (data[0] % DECODERS == SLOT && len >= WAL_SLOT_BYTES) {
        wal_slot_encode(example, &slot);
        repair_block(in, example, WAL_SLOT_BYTES);
    }
    return size;
}
