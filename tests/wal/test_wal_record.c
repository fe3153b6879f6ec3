/* The bytes of the log: what is encoded is decoded, what is cut short or flipped is refused, and
 * nothing of another life, place or batch is taken. */
#include "base/crc32c.h"
#include "base/ms_err.h"
#include "tests/support/test.h"
#include "wal/wal_record.h"

static uint8_t bytes[WAL_HEADER_BYTES];

static struct wal_record sample(size_t body_bytes)
{
    static uint8_t body[2000];
    struct wal_record rec = { .type = WAL_RECORD_ENTRY, .batch = 77, .written_term = 9, .term = 5 };
    for (size_t i = 0; i < sizeof body; i++) body[i] = (uint8_t)(i * 7);
    rec.index = 123456789;
    rec.body = bytes_of(body, body_bytes);
    return rec;
}

TEST(wal_record, is_decoded_as_it_was_encoded)
{
    static const size_t lens[] = { 0, 1, 455, 2000 };
    for (unsigned i = 0; i < 4; i++) {
        struct wal_record rec = sample(lens[i]), got;
        struct bytes_writer out = bytes_writer_of(bytes, sizeof bytes);
        wal_record_encode(&out, 3, &rec);
        wal_record_encode(&out, 3, &rec);
        CHECK(!out.overflow);
        CHECK_EQ(out.at, 2 * wal_record_bytes(lens[i]));
        struct bytes_reader in = bytes_reader_of(bytes_of(bytes, out.at + 10));
        memset(bytes + out.at, 0, 10);
        for (unsigned k = 0; k < 2; k++) {
            CHECK_EQ(wal_record_decode(&in, 3, &got), 0);
            CHECK(got.type == rec.type && got.batch == 77 && got.written_term == 9 && got.term == 5);
            CHECK(got.index == rec.index && bytes_equal(got.body, rec.body));
        }
        CHECK_EQ(wal_record_decode(&in, 3, &got), MS_EEND);
        struct bytes_reader other = bytes_reader_of(bytes_of(bytes, out.at));
        CHECK_EQ(wal_record_decode(&other, 4, &got), MS_ECORRUPT); /* another life */
        CHECK_EQ(other.at, 0);
    }
}

TEST(wal_record, is_refused_when_cut_or_flipped)
{
    struct wal_record rec = sample(30), got = { .type = 99 };
    struct bytes_writer out = bytes_writer_of(bytes, sizeof bytes);
    wal_record_encode(&out, 3, &rec);
    for (size_t len = 1; len < out.at; len++) {
        struct bytes_reader in = bytes_reader_of(bytes_of(bytes, len));
        CHECK_EQ(wal_record_decode(&in, 3, &got), MS_ESHORT);
        CHECK(in.at == 0 && got.type == 99);
    }
    for (size_t bit = 0; bit < out.at * 8; bit++) {
        struct bytes_reader in = bytes_reader_of(bytes_of(bytes, out.at));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rv = wal_record_decode(&in, 3, &got);
        CHECK(rv == MS_ECORRUPT || rv == MS_ESHORT);
        CHECK(in.at == 0 && got.type == 99);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    struct bytes_writer small = bytes_writer_of(bytes, 50);
    wal_record_encode(&small, 3, &rec);
    CHECK(small.overflow);
}

TEST(wal_record, a_sector_is_judged)
{
    uint8_t sector[DISK_SECTOR_BYTES] = { 0 };
    struct wal_stamp stamp = { .batch32 = 5, .used = 20, .flags = WAL_SECTOR_FIRST }, got = { 0 };
    const uint64_t life =
        (UINT64_C(1) << 32) + 2; /* its low half is small: an earlier one has a large one */
    CHECK_EQ(wal_sector_judge(sector, 9, life, &got), WAL_SECTOR_BLANK);
    memset(sector, 'x', 20);
    wal_sector_seal(sector, 9, life, &stamp);
    CHECK_EQ(wal_sector_judge(sector, 9, life, &got), WAL_SECTOR_OURS);
    CHECK(got.batch32 == 5 && got.used == 20 && got.flags == WAL_SECTOR_FIRST);
    CHECK_EQ(wal_sector_judge(sector, 10, life, &got), WAL_SECTOR_BAD); /* misdirected */
    CHECK_EQ(wal_sector_judge(sector, 9, life + 1, &got), WAL_SECTOR_OLD);
    CHECK_EQ(wal_sector_judge(sector, 9, life + 1000000, &got), WAL_SECTOR_OLD);
    CHECK_EQ(wal_sector_judge(sector, 9, life - 1, &got), WAL_SECTOR_BAD); /* from the future */
    for (size_t bit = 0; bit < sizeof sector * 8; bit++) {
        sector[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_EQ(wal_sector_judge(sector, 9, life, &got), WAL_SECTOR_BAD);
        sector[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    wal_sector_seal(sector, 9, life - 3, &stamp); /* the low half 0xffffffff */
    CHECK_EQ(wal_sector_judge(sector, 9, life, &got), WAL_SECTOR_OLD);
}

static struct wal_mark a_mark(void)
{
    struct wal_mark m = { .seq = 4, .life = 6 };
    m.state = (struct wal_state){ .term = 1, .vote = 2, .incarnation = 3, .snapshot_index = 4 };
    m.state.snapshot_term = 5;
    m.state.flags = WAL_FLAG_DAMAGED;
    m.state.added_index = 6;
    m.state.cluster_uuid[15] = 7;
    return m;
}

TEST(wal_record, state_base_header_and_slot)
{
    struct wal_mark mark = a_mark(), mark2;
    struct bytes_writer out = bytes_writer_of(bytes, sizeof bytes);
    wal_mark_encode(&out, &mark);
    CHECK_EQ(out.at, WAL_MARK_BYTES);
    for (size_t len = 0; len <= out.at; len++) {
        struct bytes_reader in = bytes_reader_of(bytes_of(bytes, len));
        CHECK_EQ(wal_mark_decode(&in, &mark2), len == out.at ? 0 : MS_ESHORT);
    }
    CHECK(memcmp(&mark, &mark2, sizeof mark) == 0);
    bytes[0]++;
    struct bytes_reader newer = bytes_reader_of(bytes_of(bytes, out.at));
    CHECK_EQ(wal_mark_decode(&newer, &mark2), MS_EVERSION);

    struct wal_base base = { 1, 2, 3, 4, 5, 6, 7, 8 }, base2;
    out = bytes_writer_of(bytes, sizeof bytes);
    wal_base_encode(&out, &base);
    struct wal_record rec = { .index = 1, .term = 2, .body = bytes_of(bytes, out.at) };
    CHECK_EQ(out.at, WAL_BASE_BODY_BYTES);
    CHECK_EQ(wal_base_decode(&rec, &base2), 0);
    CHECK(memcmp(&base, &base2, sizeof base) == 0);
    rec.body.len--;
    CHECK_EQ(wal_base_decode(&rec, &base2), MS_ECORRUPT);
    rec.body.len++;
    rec.index = 5; /* above the last index */
    CHECK_EQ(wal_base_decode(&rec, &base2), MS_ECORRUPT);

    struct wal_header h = { .member_id = 9, .life = 4, .segment_bytes = 65536, .nonce = "n" }, h2;
    wal_header_encode(bytes, &h);
    CHECK_EQ(wal_header_decode(bytes_of(bytes, WAL_HEADER_BYTES), &h2), 0);
    CHECK(memcmp(&h, &h2, sizeof h) == 0);
    for (size_t at = 0; at < WAL_HEADER_BYTES; at++) {
        bytes[at] ^= 0x10;
        CHECK_EQ(wal_header_decode(bytes_of(bytes, WAL_HEADER_BYTES), &h2), MS_ECORRUPT);
        bytes[at] ^= 0x10;
    }
    CHECK_EQ(wal_header_decode(bytes_of(bytes, WAL_HEADER_BYTES - 1), &h2), MS_ECORRUPT);
    h.segment_bytes = 65537;
    wal_header_encode(bytes, &h);
    CHECK_EQ(wal_header_decode(bytes_of(bytes, WAL_HEADER_BYTES), &h2), MS_ECORRUPT);

    struct wal_slot slot = { .member_id = 3, .mark = mark }, slot2;
    wal_slot_encode(bytes, &slot);
    CHECK_EQ(wal_slot_decode(bytes_of(bytes, WAL_SLOT_BYTES), &slot2), 0);
    CHECK(memcmp(&slot, &slot2, sizeof slot) == 0);
    for (size_t at = 0; at < WAL_SLOT_BYTES; at++) {
        bytes[at] ^= 1;
        CHECK_EQ(wal_slot_decode(bytes_of(bytes, WAL_SLOT_BYTES), &slot2), MS_ECORRUPT);
        bytes[at] ^= 1;
    }
    bytes_store_u32(bytes + 8, 2); /* a version to come, whole */
    bytes_store_u32(bytes + 12, 0);
    bytes_store_u32(bytes + 12, crc32c(0, bytes, WAL_SLOT_BYTES));
    CHECK_EQ(wal_slot_decode(bytes_of(bytes, WAL_SLOT_BYTES), &slot2), MS_EVERSION);
}
