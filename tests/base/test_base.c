/* test_base.c: bytes, checksums, buffers. */
#include <signal.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "env/rand.h"
#include "format/buf.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

TEST(bytes, a_reader_never_passes_its_end_and_moves_only_on_success)
{
    static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7 };
    struct bytes_reader r = bytes_reader_of(bytes_of(data, sizeof data));
    struct bytes span;
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;
    uint8_t u8;
    CHECK(!bytes_read_u64(&r, &u64) && r.at == 0);
    CHECK(bytes_read_u32(&r, &u32) && u32 == 0x04030201);
    CHECK(!bytes_read_u32(&r, &u32) && r.at == 4);
    CHECK(bytes_read_u16(&r, &u16) && u16 == 0x0605);
    CHECK(!bytes_read_span(&r, SIZE_MAX, &span) && !bytes_read_span(&r, 2, &span) && r.at == 6);
    CHECK(bytes_read_u8(&r, &u8) && u8 == 7);
    CHECK(!bytes_read_u8(&r, &u8));
    CHECK(bytes_read_span(&r, 0, &span) && span.len == 0);
}

TEST(bytes, a_writer_that_overflows_writes_nothing_more)
{
    uint8_t room[10] = { 0 };
    struct bytes_writer w = bytes_writer_of(room, sizeof room);
    bytes_write_u64(&w, 0x1122334455667788);
    bytes_write_u32(&w, 1);
    CHECK(w.overflow && w.at == 8);
    bytes_write_u8(&w, 9);
    CHECK(w.at == 8 && room[8] == 0 && room[0] == 0x88);
}

TEST(bytes, keys_are_ordered_as_unsigned_with_prefixes_first)
{
    CHECK(bytes_compare(bytes_of("a", 1), bytes_of("b", 1)) < 0);
    CHECK(bytes_compare(bytes_of("a", 1), bytes_of("ab", 2)) < 0);
    CHECK(bytes_compare(bytes_of("\xff", 1), bytes_of("a", 1)) > 0);
    CHECK_EQ(bytes_compare(bytes_of("", 0), bytes_of(NULL, 0)), 0);
    uint8_t be[8];
    bytes_store_be64(be, 0x0102030405060708);
    CHECK(be[0] == 1 && be[7] == 8 && bytes_load_be64(be) == 0x0102030405060708);
}

/* RFC 3720, B.4 has the values for 32 bytes of zeros, of ones, rising and falling. */
TEST(crc32c, agrees_with_the_published_values_and_with_its_table)
{
    uint8_t data[4099];
    memset(data, 0, 32);
    CHECK_EQ(crc32c(0, data, 32), 0x8a9136aa);
    memset(data, 0xff, 32);
    CHECK_EQ(crc32c(0, data, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) data[i] = (uint8_t)i;
    CHECK_EQ(crc32c(0, data, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++) data[i] = (uint8_t)(31 - i);
    CHECK_EQ(crc32c(0, data, 32), 0x113fdb5c);
    struct ms_rand rand;
    ms_rand_init(&rand, 1, 1);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)ms_rand_u64(&rand);
    for (size_t len = 0; len < sizeof data; len += 13) {
        size_t cut = len ? ms_rand_below(&rand, len) : 0;
        uint32_t whole = crc32c(0, data, len);
        CHECK_EQ(whole, crc32c_by_table(0, data, len));
        CHECK_EQ(whole, crc32c(crc32c(0, data, cut), data + cut, len - cut));
    }
}

TEST(rand, purposes_of_one_seed_are_apart_and_bounds_hold)
{
    struct ms_rand a, b;
    ms_rand_init(&a, 7, 1);
    ms_rand_init(&b, 7, 2);
    CHECK(ms_rand_u64(&a) != ms_rand_u64(&b));
    int seen[5] = { 0 };
    for (int i = 0; i < 10000; i++) {
        uint64_t v = ms_rand_between(&a, 10, 14);
        CHECK(v >= 10 && v <= 14);
        seen[v - 10]++;
    }
    for (int i = 0; i < 5; i++) CHECK(seen[i] > 1800 && seen[i] < 2200);
}

TEST(buf, grows_to_its_cap_and_not_further)
{
    struct test_alloc alloc;
    struct buf b;
    test_alloc_init(&alloc);
    buf_init(&b, &alloc.face, 100);
    for (int i = 0; i < 100; i++) buf_append_u8(&b, (uint8_t)i);
    CHECK(b.len == 100 && !b.failed && b.data[99] == 99);
    buf_append_u8(&b, 1);
    CHECK(b.failed && b.len == 100);
    buf_clear(&b);
    buf_append_text(&b, "%d-%s", 5, "x");
    CHECK(bytes_equal(buf_bytes(&b), bytes_of_str("5-x")));
    buf_drop_front(&b, 2);
    CHECK(bytes_equal(buf_bytes(&b), bytes_of_str("x")));
    buf_fini(&b);
    alloc.refuse_at = alloc.requests + 1;
    buf_append_u64(&b, 1);
    CHECK(b.failed && b.len == 0);
    CHECK_EQ(alloc.alive, 0);
}

TEST(errors, every_code_has_words_and_unknown_ones_too)
{
    CHECK(strcmp(ms_err_text(0), "success") == 0);
    CHECK(strcmp(ms_err_text(MS_EBUSY), "a bounded queue is full") == 0);
    CHECK(strstr(ms_err_text(-9999), "unknown") != NULL);
    CHECK(MS_EIO <= MS_EFATAL && MS_ENOQUORUM > MS_EFATAL);
}

#ifndef MS_PLAIN
Test(asserts, stop_the_process, .signal = SIGABRT)
{
    volatile int one = 1;
    MS_ASSERT(one == 2);
}
#endif
