/* test_kv_snap_codec.c: chunks of a snapshot made smaller: what gets smaller, that plain streams are read
 * as before, and that a body which is not what its frame says is refused before it costs anything. */
#include <stdlib.h>
#include <zstd.h>

#include "base/crc32c.h"
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f, g;

#define DUMP_BYTES_MAX (64u << 20)

static void dump(struct buf *out)
{
    buf_init(out, &f.alloc.face, DUMP_BYTES_MAX);
    CHECK_EQ(fixture_dump(&f, out), 0);
}

static void put(const char *key, struct bytes value)
{
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str(key), value), 0);
    CHECK_EQ(fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&command)).status, 0);
    buf_fini(&command);
}

static void put_random(const char *key, size_t len)
{
    uint8_t *value = malloc(len);
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        value[i] = (uint8_t)x;
    }
    put(key, bytes_of(value, len));
    free(value);
}

static void put_zeros(const char *key, size_t len)
{
    uint8_t *value = calloc(1, len);
    put(key, bytes_of(value, len));
    free(value);
}

/* The codec of chunk number n of a stream, and how long it is. */
static int codec_of(const struct buf *stream, uint32_t n, size_t *len)
{
    size_t at = 0;
    for (;; n--) {
        int64_t bytes = kv_snap_chunk_bytes(bytes_of(stream->data + at, stream->len - at));
        CHECK(bytes > 0);
        if (len) *len = (size_t)bytes;
        if (n == 0) return stream->data[at + 5];
        at += (size_t)bytes;
    }
}

/* The same stream as it was written before there was a codec. */
static void make_plain(const struct buf *stream, struct buf *out)
{
    struct kv_snap_frame frame;
    struct kv_codec codec;
    struct bytes plain;
    struct buf chunk;
    uint32_t crc = 0, out_crc = 0;
    buf_init(out, &f.alloc.face, DUMP_BYTES_MAX);
    buf_init(&chunk, &f.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    kv_codec_init(&codec, &f.alloc.face);
    for (size_t at = 0; at < stream->len;) {
        struct bytes left = bytes_of(stream->data + at, stream->len - at);
        CHECK_EQ(kv_snap_frame_decode(left, crc, &frame), 0);
        CHECK_EQ(kv_codec_plain(&codec, &frame, &plain), 0);
        CHECK_EQ(plain.len, frame.plain_bytes);
        crc = frame.crc;
        at += (size_t)kv_snap_chunk_bytes(left);
        buf_clear(&chunk);
        buf_append(&chunk, left.data, KV_SNAP_FRAME_BYTES);
        buf_append(&chunk, plain.data, plain.len);
        frame.codec = KV_CODEC_NONE;
        out_crc = kv_snap_frame_write(&chunk, &frame, out_crc);
        buf_append(out, chunk.data, chunk.len);
    }
    CHECK(!out->failed);
    kv_codec_fini(&codec);
    buf_fini(&chunk);
}

static void check_same_state(void)
{
    kv_info(f.kv, &f.info);
    kv_info(g.kv, &g.info);
    CHECK(kv_digest_equal(f.info.digest, g.info.digest));
    CHECK_EQ(f.info.applied_index, g.info.applied_index);
    fixture_check_digest(&g);
}

TEST(kv_snap_codec, what_gets_smaller_is_made_smaller)
{
    struct buf stream, plain;
    size_t len;
    fixture_init(&f);
    fixture_init(&g);
    fixture_found(&f, 3);
    put_zeros("a", SNAP_CHUNK_BYTES_MAX - 1000); /* chunk 0: metadata and this */
    put_random("b", SNAP_CHUNK_BYTES_MAX - 1000);
    put_zeros("c", MS_VALUE_BYTES_MAX); /* too large to be done in one turn of the loop */
    dump(&stream);
    CHECK_EQ(codec_of(&stream, 0, &len), KV_CODEC_ZSTD);
    CHECK(len < 1000);
    CHECK_EQ(codec_of(&stream, 1, &len), KV_CODEC_NONE);
    CHECK(len > SNAP_CHUNK_BYTES_MAX - 1000);
    CHECK_EQ(codec_of(&stream, 2, &len), KV_CODEC_NONE);
    CHECK(len > MS_VALUE_BYTES_MAX);
    CHECK_EQ(fixture_load(&g, buf_bytes(&stream)), 0);
    check_same_state();

    /* A stream of before is installed as ever. */
    make_plain(&stream, &plain);
    CHECK(plain.len > stream.len + SNAP_CHUNK_BYTES_MAX / 2);
    fixture_fini(&g);
    fixture_init(&g);
    CHECK_EQ(fixture_load(&g, buf_bytes(&plain)), 0);
    check_same_state();
    buf_fini(&stream);
    buf_fini(&plain);
    fixture_fini(&f);
    fixture_fini(&g);
}

/* Any length, any content: what was compressed comes back, and never is longer than it was. */
TEST(kv_snap_codec, bodies_of_any_length_come_back)
{
    static uint8_t body[256u << 10];
    struct kv_codec codec;
    struct buf chunk;
    struct bytes plain;
    fixture_init(&f);
    kv_codec_init(&codec, &f.alloc.face);
    buf_init(&chunk, &f.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    for (size_t i = 0; i < sizeof body; i++) body[i] = (uint8_t)(i * i >> (i / 5000 % 11));
    for (size_t len = 1; len <= sizeof body; len += 1 + len / 3) {
        buf_clear(&chunk);
        buf_reserve(&chunk, KV_SNAP_FRAME_BYTES);
        chunk.len = KV_SNAP_FRAME_BYTES;
        buf_append(&chunk, body, len);
        int kind = kv_codec_compress(&codec, &chunk);
        CHECK(kind == KV_CODEC_NONE || kind == KV_CODEC_ZSTD);
        size_t body_bytes = chunk.len - KV_SNAP_FRAME_BYTES;
        CHECK(kind == KV_CODEC_NONE ? body_bytes == len : body_bytes < len);
        struct kv_snap_frame frame = { .codec = (enum kv_codec_kind)kind,
                                       .plain_bytes = (uint32_t)len,
                                       .body = bytes_of(chunk.data + KV_SNAP_FRAME_BYTES, body_bytes) };
        CHECK_EQ(kv_codec_plain(&codec, &frame, &plain), 0);
        CHECK(bytes_equal(plain, bytes_of(body, len)));
    }
    buf_fini(&chunk);
    kv_codec_fini(&codec);
    fixture_fini(&f);
}

/* A member that takes and sends no snapshot holds nothing of the codec. */
TEST(kv_snap_codec, memory_goes_with_the_last_snapshot)
{
    struct kv_job a = { .kind = KV_JOB_SNAP_OPEN }, b = { .kind = KV_JOB_SNAP_OPEN };
    fixture_init(&f);
    fixture_put(&f, "a", "1");
    kv_run(f.kv, &a);
    kv_run(f.kv, &b);
    buf_init(&a.chunk, &f.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    a.kind = KV_JOB_SNAP_READ;
    kv_run(f.kv, &a);
    a.kind = b.kind = KV_JOB_SNAP_CLOSE;
    kv_run(f.kv, &a);
    CHECK(f.kv->codec.compressor != NULL && f.kv->codec.body.data != NULL);
    kv_run(f.kv, &b);
    CHECK(f.kv->codec.compressor == NULL && f.kv->codec.body.data == NULL);
    buf_fini(&a.chunk);
    fixture_fini(&f);
}

/* One chunk with this body, coded as it says, loaded into a state machine of nothing. Nothing was asked
 * of the allocator for the body if *memory is false afterwards. */
static int load_body(struct bytes body, enum kv_codec_kind codec, uint32_t plain_bytes, bool *memory)
{
    static const uint8_t frame[KV_SNAP_FRAME_BYTES];
    struct kv_snap_frame head = { .flags = KV_SNAP_FIRST | KV_SNAP_LAST,
                                  .codec = codec,
                                  .plain_bytes = plain_bytes };
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN };
    fixture_init(&g);
    buf_init(&job.chunk, &g.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    buf_append(&job.chunk, frame, sizeof frame);
    buf_append(&job.chunk, body.data, body.len);
    kv_snap_frame_write(&job.chunk, &head, 0);
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, 0);
    uint64_t before = g.alloc.requests;
    job.kind = KV_JOB_LOAD_CHUNK;
    kv_run(g.kv, &job);
    *memory = g.alloc.requests > before;
    buf_fini(&job.chunk);
    fixture_fini(&g);
    return job.status;
}

static size_t zstd_of(const void *data, size_t len, bool says_length, uint8_t *out, size_t cap)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, says_length);
    size_t n = ZSTD_compress2(c, out, cap, data, len);
    CHECK(!ZSTD_isError(n));
    ZSTD_freeCCtx(c);
    return n;
}

TEST(kv_snap_codec, a_body_that_is_not_what_its_frame_says_is_refused)
{
    static uint8_t zeros[MS_VALUE_BYTES_MAX * 2], out[4096];
    const uint32_t most = SNAP_CHUNK_BYTES_HARD_MAX - KV_SNAP_FRAME_BYTES;
    bool memory;
    size_t n = zstd_of(zeros, sizeof zeros, true, out, sizeof out);
    struct bytes bomb = bytes_of(out, n);
    CHECK(n < 1000);
    /* It says how large it is, and that is too much; or the frame around it says something else. */
    CHECK_EQ(load_body(bomb, KV_CODEC_ZSTD, sizeof zeros, &memory), MS_ECORRUPT);
    CHECK(!memory);
    CHECK_EQ(load_body(bomb, KV_CODEC_ZSTD, UINT32_MAX, &memory), MS_ECORRUPT);
    CHECK(!memory);
    CHECK_EQ(load_body(bomb, KV_CODEC_ZSTD, most, &memory), MS_ECORRUPT);
    CHECK(!memory);
    /* It lies: the field of four bytes that tells its length, changed. */
    CHECK_EQ(out[4] >> 6, 2);
    bytes_store_u32(out + 5 + !(out[4] >> 5 & 1), most);
    CHECK_EQ(load_body(bomb, KV_CODEC_ZSTD, most, &memory), MS_ECORRUPT);
    CHECK(memory);

    n = zstd_of(zeros, 5000, true, out, sizeof out);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_ZSTD, 5001, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_ZSTD, (uint32_t)n, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_NONE, 5000, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, n), (enum kv_codec_kind)2, 5000, &memory), MS_EVERSION);
    CHECK_EQ(load_body(bytes_of(out, n - 1), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, 3), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, 0), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, 0), KV_CODEC_ZSTD, 0, &memory), MS_ECORRUPT);
    CHECK_EQ(load_body(bytes_of(out, 0), KV_CODEC_NONE, 0, &memory), MS_ECORRUPT);
    /* Two frames, the second one empty; one that is to be skipped; one of an older format, which the
     * library would read with memory of its own; one that does not say how long it is. */
    size_t more = zstd_of(zeros, 0, true, out + n, sizeof out - n);
    CHECK_EQ(load_body(bytes_of(out, n + more), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    bytes_store_u32(out, 0x184d2a50u);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    bytes_store_u32(out, 0xfd2fb527u);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    CHECK(!memory);
    n = zstd_of(zeros, 5000, false, out, sizeof out);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_ZSTD, 5000, &memory), MS_ECORRUPT);
    CHECK(!memory);
}

/* What decompresses as it should is still looked at: zeros are no items. */
TEST(kv_snap_codec, items_are_checked_behind_the_codec)
{
    static uint8_t zeros[5000], out[4096];
    bool memory;
    size_t n = zstd_of(zeros, sizeof zeros, true, out, sizeof out);
    CHECK_EQ(load_body(bytes_of(out, n), KV_CODEC_ZSTD, sizeof zeros, &memory), MS_ECORRUPT);
    CHECK(memory);
}
