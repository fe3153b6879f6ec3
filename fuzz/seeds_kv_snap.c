/* seeds_kv_snap.c: writes a small corpus for fuzz_kv_snap into the directory argv[1]: snapshots of an
 * empty state and of one with something of everything, this also cut into small chunks; each as it is
 * written today and as it was before there was a codec. */
#include "base/ms_assert.h"
#include "format/entry_lease.h"
#include "fuzz/support.h"
#include "kv/kv_private.h"

static struct kv *kv;
static struct kv_codec codec;
static uint64_t last_index;

/* A frame around the body behind it, coded if wanted and if that makes it smaller. */
static uint32_t close_chunk(struct buf *chunk, bool coded, uint8_t flags, uint32_t seq, uint32_t crc)
{
    struct kv_snap_frame frame = { .flags = flags, .seq = seq };
    frame.plain_bytes = (uint32_t)(chunk->len - KV_SNAP_FRAME_BYTES);
    if (coded) frame.codec = (enum kv_codec_kind)kv_codec_compress(&codec, chunk);
    return kv_snap_frame_write(chunk, &frame, crc);
}

static void make_plain(struct buf *chunk)
{
    struct kv_snap_frame frame;
    struct bytes plain;
    int rv = kv_snap_frame_decode(buf_bytes(chunk), 0, &frame);
    if (rv == 0) rv = kv_codec_plain(&codec, &frame, &plain);
    MS_ASSERT(rv == 0);
    if (frame.codec == KV_CODEC_NONE) return;
    chunk->len = KV_SNAP_FRAME_BYTES;
    buf_append(chunk, plain.data, plain.len);
    close_chunk(chunk, false, frame.flags, 0, 0);
}

/* The one chunk that a small state takes; chunk is plain. */
static void save(const char *dir, const char *name, const char *plain_name, struct buf *chunk)
{
    struct kv_job job = { .kind = KV_JOB_SNAP_OPEN };
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0);
    buf_init(&job.chunk, &fuzz_heap, SNAP_CHUNK_BYTES_HARD_MAX);
    job.kind = KV_JOB_SNAP_READ;
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && job.last);
    *chunk = job.chunk;
    job.kind = KV_JOB_SNAP_CLOSE;
    kv_run(kv, &job);
    seed_save(dir, name, buf_bytes(chunk));
    make_plain(chunk);
    seed_save(dir, plain_name, buf_bytes(chunk));
}

/* The same items, as many in each chunk. */
static void save_cut(const char *dir, const char *name, const struct buf *whole, bool coded,
                     uint32_t items)
{
    static const uint8_t frame[KV_SNAP_FRAME_BYTES];
    size_t at = KV_SNAP_FRAME_BYTES;
    uint32_t crc = 0;
    struct buf input;
    buf_init(&input, &fuzz_heap, 1u << 20);
    for (uint32_t seq = 0; at < whole->len; seq++) {
        struct buf chunk;
        buf_init(&chunk, &fuzz_heap, SNAP_CHUNK_BYTES_HARD_MAX);
        buf_append(&chunk, frame, sizeof frame);
        for (uint32_t n = 0; n < items && at < whole->len; n++) {
            size_t len = 5 + bytes_load_u32(whole->data + at + 1);
            buf_append(&chunk, whole->data + at, len);
            at += len;
        }
        uint8_t flags = seq == 0 ? KV_SNAP_FIRST : at == whole->len ? KV_SNAP_LAST : 0;
        crc = close_chunk(&chunk, coded, flags, seq, crc);
        buf_append(&input, chunk.data, chunk.len);
        buf_fini(&chunk);
    }
    MS_ASSERT(!input.failed);
    seed_save(dir, name, buf_bytes(&input));
    buf_fini(&input);
}

static void apply(uint8_t kind, const struct entry_origin *origin, struct bytes body)
{
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    struct kv_result result;
    struct kv_info info;
    struct buf payload;
    if (origin) e.origin = *origin;
    buf_init(&payload, &fuzz_heap, ENTRY_PAYLOAD_BYTES_MAX);
    entry_encode(&payload, &e);
    struct entry_ref *ref = entry_ref_create(&fuzz_heap, ++last_index, 1, buf_bytes(&payload));
    MS_ASSERT(ref != NULL);
    struct kv_job job = {
        .kind = KV_JOB_APPLY, .entries = &ref, .results = &result, .count = 1, .info = &info
    };
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && result.status == 0);
    entry_ref_drop(&fuzz_heap, ref);
    buf_fini(&payload);
}

static void put(const char *key, size_t value_len, const struct entry_origin *origin)
{
    static const uint8_t value[100];
    struct buf command;
    buf_init(&command, &fuzz_heap, MS_TXN_BYTES_MAX);
    int rv = value_len > 0 ? kv_cmd_encode_put(&command, bytes_of_str(key), bytes_of(value, value_len))
                           : kv_cmd_encode_delete(&command, bytes_of_str(key));
    MS_ASSERT(rv == 0);
    apply(ENTRY_TXN, origin, buf_bytes(&command));
    buf_fini(&command);
}

static void lease(void)
{
    struct kv_op op = { .kind = KV_OP_PUT, .key = bytes_of_str("l"), .lease = 7 };
    struct buf body;
    buf_init(&body, &fuzz_heap, 1000);
    entry_lease_grant_encode(&body, &(struct entry_lease_grant){ .id = 7, .ttl_ms = 5000 });
    apply(ENTRY_LEASE_GRANT, NULL, buf_bytes(&body));
    buf_clear(&body);
    int rv = kv_cmd_encode(&body, NULL, 0, &op, 1, NULL, 0);
    MS_ASSERT(rv == 0);
    apply(ENTRY_TXN, NULL, buf_bytes(&body));
    buf_fini(&body);
}

static void found(void)
{
    struct config c = { .member_count = 2,
                        .members = { { .id = 1, .roles = CONFIG_VOTER, .url = "http://a:1" },
                                     { .id = 2, .roles = CONFIG_LEARNER, .url = "http://b:1" } } };
    uint8_t attach[32] = { 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'n' };
    struct buf body;
    buf_init(&body, &fuzz_heap, 1000);
    buf_append(&body, "0123456789abcdef", MS_UUID_BYTES);
    config_encode(&body, &c);
    apply(ENTRY_INIT, NULL, buf_bytes(&body));
    apply(ENTRY_ATTACH, NULL, bytes_of(attach, sizeof attach));
    buf_fini(&body);
}

int main(int argc, char **argv)
{
    struct entry_origin o = {
        .member_id = 1, .added_index = 1, .incarnation = 3, .seq = 70, .low_seq = 5
    };
    uint8_t revision[8] = { 3 };
    struct buf empty, small;
    MS_ASSERT(argc == 2);
    kv_codec_init(&codec, &fuzz_heap);
    int rv = kv_create(&kv, kv_mem_create(&fuzz_heap), &fuzz_heap, NULL);
    MS_ASSERT(rv == 0);
    save(argv[1], "empty-zstd", "empty", &empty);
    found();
    put("a", 3, &o);
    put("a", 5, NULL);
    put("b", 2, NULL);
    put("a", 0, NULL);
    put("a", 1, NULL);
    apply(ENTRY_COMPACT, NULL, bytes_of(revision, sizeof revision));
    save(argv[1], "small-zstd", "small", &small);
    struct buf leased;
    lease();
    save(argv[1], "leased-zstd", "leased", &leased);
    buf_fini(&leased);
    save_cut(argv[1], "chunks", &small, false, 2);
    save_cut(argv[1], "chunks-zstd", &small, true, 5);
    buf_fini(&empty);
    buf_fini(&small);
    kv_destroy(kv);
    kv_codec_fini(&codec);
    return 0;
}
