/* test_kv_fixtures.c: snapshots of format 1 that are kept in git (tests/fixtures/make_v1.py) stay readable,
 * byte for byte what they were; and what is of a later format is refused by that word, while a rotten byte
 * where a format stands is damage like any other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

#define STREAM_BYTES_MAX (1u << 20)

static struct fixture f;
static uint8_t read_in[STREAM_BYTES_MAX];

/* The whole file; ends the test if it is not there. */
static struct bytes stream_of(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/v1/%s", MS_FIXTURES, name);
    FILE *file = fopen(path, "rb");
    if (!file) perror(path);
    CHECK(file != NULL);
    size_t len = fread(read_in, 1, sizeof read_in, file);
    fclose(file);
    CHECK(len > 0 && len < sizeof read_in);
    return bytes_of(read_in, len);
}

/* What tests/fixtures/v1/expected.json says of a stream; the story version_1_snapshots looks at each key. */
static void check_contents(uint64_t index, uint64_t revision, uint64_t compacted, const char *last)
{
    CHECK_EQ(f.info.applied_index, index);
    CHECK_EQ(f.info.revision, revision);
    CHECK_EQ(f.info.compacted_revision, compacted);
    CHECK_EQ(f.info.key_count, 35);
    CHECK_EQ(f.info.config.member_count, 2);
    CHECK_EQ(f.info.config.members[0].id, 1);
    CHECK_EQ(f.info.config.members[1].id, 2);
    CHECK(fixture_has(&f, "last", last));
    CHECK(fixture_has(&f, "key-10", NULL));
    CHECK(fixture_has(&f, "filler", NULL));
    fixture_check_digest(&f);
}

/* Made before there was a codec: all chunks are plain. */
TEST(kv_fixtures, a_plain_stream_of_format_1)
{
    fixture_init(&f);
    CHECK_EQ(fixture_load(&f, stream_of("rocksdb-stream.snap")), 0);
    check_contents(344, 329, 288, "129");
    fixture_put(&f, "more", "1");
    kv_info(f.kv, &f.info);
    CHECK_EQ(f.info.revision, 330);
    fixture_fini(&f);
}

TEST(kv_fixtures, a_compressed_stream_of_format_1)
{
    fixture_init(&f);
    CHECK_EQ(fixture_load(&f, stream_of("rocksdb-stream-zstd.snap")), 0);
    check_contents(320, 304, 263, "105");
    fixture_fini(&f);
}

/* The head of a chunk with one byte changed; its checksum fits, or not. */
static int load_changed(unsigned at, uint8_t value, bool fits)
{
    struct bytes all = stream_of("rocksdb-stream.snap");
    int64_t len = kv_snap_chunk_bytes(all);
    CHECK(len > KV_SNAP_FRAME_BYTES && (uint64_t)len <= all.len);
    read_in[at] = value;
    uint32_t crc = crc32c(0, read_in, 20);
    crc = crc32c(crc, read_in + KV_SNAP_FRAME_BYTES, (size_t)len - KV_SNAP_FRAME_BYTES);
    if (fits) bytes_store_u32(read_in + 20, crc);
    fixture_init(&f);
    int rv = fixture_load(&f, all);
    fixture_fini(&f);
    return rv;
}

TEST(kv_fixtures, a_later_format_is_refused_by_that_word)
{
    CHECK_EQ(load_changed(4, 2, true), MS_EVERSION);
    CHECK_EQ(load_changed(4, 0, true), MS_EVERSION);
    CHECK_EQ(load_changed(5, 2, true), MS_EVERSION);
    CHECK_EQ(load_changed(5, 255, true), MS_EVERSION);
}

/* A member that takes rot for a later format would not start, instead of being repaired. */
TEST(kv_fixtures, rot_is_no_later_format)
{
    for (unsigned at = 0; at < KV_SNAP_FRAME_BYTES; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t value = (uint8_t)(stream_of("rocksdb-stream.snap").data[at] ^ (1u << bit));
            int rv = load_changed(at, value, false);
            CHECK(rv == MS_ECORRUPT || rv == MS_ESHORT);
        }
    }
}
