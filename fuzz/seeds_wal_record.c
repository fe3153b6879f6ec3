/* seeds_wal_record.c: writes a small corpus for fuzz_wal_record into the directory argv[1]. */
#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "wal/wal_record.h"

#define LIFE 5u

static uint8_t out[9 + WAL_HEADER_BYTES];

static void save(const char *dir, const char *name, uint8_t decoder, size_t len)
{
    out[0] = decoder;
    bytes_store_u64(out + 1, LIFE << 1);
    seed_save(dir, name, bytes_of(out, 9 + len));
}

static struct wal_mark a_mark(void)
{
    struct wal_mark m = { .seq = 3, .life = LIFE };
    m.state = (struct wal_state){ .term = 4, .vote = 2, .incarnation = 1, .snapshot_index = 9 };
    return m;
}

static size_t records(uint8_t *to, size_t cap)
{
    uint8_t body[200] = { 1, 1, 0, 'x' };
    struct bytes_writer w = bytes_writer_of(to, cap), b = bytes_writer_of(body, sizeof body);
    struct wal_base base = {
        .first_life = 2, .last_index = 12, .last_term = 4, .last_written_term = 4
    };
    struct wal_mark mark = a_mark();
    struct wal_record rec = { .type = WAL_RECORD_BASE, .batch = 8, .term = 3, .index = 9 };
    wal_base_encode(&b, &base);
    rec.body = bytes_of(body, b.at);
    wal_record_encode(&w, LIFE, &rec);
    b = bytes_writer_of(body, sizeof body);
    wal_mark_encode(&b, &mark);
    rec = (struct wal_record){ .type = WAL_RECORD_STATE, .batch = 8, .body = bytes_of(body, b.at) };
    wal_record_encode(&w, LIFE, &rec);
    rec = (struct wal_record){ .type = WAL_RECORD_ENTRY, .batch = 8, .written_term = 5, .term = 4 };
    rec.index = 13;
    rec.body = bytes_of(body, 100);
    wal_record_encode(&w, LIFE, &rec);
    MS_ASSERT(!w.overflow);
    return w.at;
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    uint8_t *in = out + 9;
    size_t len = records(in, WAL_HEADER_BYTES);
    save(argv[1], "records", 0, len);
    save(argv[1], "records_padded", 0, len + 50);
    save(argv[1], "records_cut", 0, len - 7);
    struct wal_stamp stamp = { .batch32 = 8, .used = (uint16_t)len };
    stamp.flags = WAL_SECTOR_FIRST | WAL_SECTOR_LAST;
    wal_sector_seal(in, 8, LIFE, &stamp);
    save(argv[1], "sector", 1, DISK_SECTOR_BYTES);
    in[7] ^= 1;
    save(argv[1], "sector_rotten", 1, DISK_SECTOR_BYTES);
    struct wal_header h = { .member_id = 3, .life = LIFE, .segment_bytes = 16u << 20, .nonce = "n" };
    wal_header_encode(in, &h);
    save(argv[1], "header", 2, WAL_HEADER_BYTES);
    struct wal_slot slot = { .member_id = 3, .mark = a_mark() };
    wal_slot_encode(in, &slot);
    save(argv[1], "slot", 3, WAL_SLOT_BYTES);
    return 0;
}
