/* fuzz_kv_snap.c: chunks of a snapshot, as a peer may send them. They are refused and the old state
 * stays; or they are installed, and the state is whole: its digest is the scanned one, and its own
 * snapshot installs to the same state again, with its codec and without. */
#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "kv/kv_private.h"

static struct kv *create(void)
{
    struct kv *kv;
    int rv = kv_create(&kv, kv_mem_create(&fuzz_heap), &fuzz_heap, NULL);
    MS_ASSERT(rv == 0);
    return kv;
}

/* Each chunk in a block of its own, so that a read beyond its end is seen. */
static int load_chunk(struct kv *kv, struct bytes chunk)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_CHUNK };
    buf_init(&job.chunk, &fuzz_heap, chunk.len + 1);
    buf_append(&job.chunk, chunk.data, chunk.len);
    kv_run(kv, &job);
    buf_fini(&job.chunk);
    return job.status;
}

static int load(struct kv *kv, struct bytes chunks)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN };
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0);
    int rv = 0;
    while (rv == 0 && chunks.len > 0) {
        int64_t len = kv_snap_chunk_bytes(chunks);
        MS_ASSERT(len == MS_ECORRUPT || (len >= 0 && len <= (int64_t)SNAP_CHUNK_BYTES_HARD_MAX));
        if (len <= 0 || (uint64_t)len > chunks.len) len = (int64_t)chunks.len;
        rv = load_chunk(kv, bytes_of(chunks.data, (size_t)len));
        chunks = bytes_of(chunks.data + len, chunks.len - (size_t)len);
    }
    job.kind = KV_JOB_LOAD_END;
    job.last = true;
    kv_run(kv, &job);
    if (rv < 0) MS_ASSERT(job.status == rv);
    return job.status;
}

static void dump(struct kv *kv, struct buf *out)
{
    struct kv_job job = { .kind = KV_JOB_SNAP_OPEN };
    buf_init(&job.chunk, &fuzz_heap, SNAP_CHUNK_BYTES_HARD_MAX);
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0);
    for (job.kind = KV_JOB_SNAP_READ; !job.last;) {
        kv_run(kv, &job);
        MS_ASSERT(job.status == 0);
        buf_append(out, job.chunk.data, job.chunk.len);
    }
    job.kind = KV_JOB_SNAP_CLOSE;
    kv_run(kv, &job);
    buf_fini(&job.chunk);
}

/* ---- Chunks without their codec, and with it again. */
static size_t body_bytes(const uint8_t *data, size_t size);

/* Append the chunk at data as a plain one; what cannot be read is taken as if it were plain. */
static void unpack_chunk(struct kv_codec *codec, const uint8_t *data, size_t len, struct buf *out)
{
    struct kv_snap_frame frame = { .codec = data[5] == KV_CODEC_ZSTD ? KV_CODEC_ZSTD : KV_CODEC_NONE,
                                   .plain_bytes = bytes_load_u32(data + 16),
                                   .body = bytes_of(data + KV_SNAP_FRAME_BYTES, len) };
    struct bytes plain = frame.body;
    bool fits = frame.plain_bytes <= SNAP_CHUNK_BYTES_HARD_MAX - KV_SNAP_FRAME_BYTES;
    if (!fits || kv_codec_plain(codec, &frame, &plain) < 0) plain = frame.body;
    size_t at = out->len;
    buf_append(out, data, KV_SNAP_FRAME_BYTES);
    buf_append(out, plain.data, plain.len);
    MS_ASSERT(!out->failed);
    out->data[at + 5] = KV_CODEC_NONE;
    bytes_store_u32(out->data + at + 12, (uint32_t)plain.len);
    bytes_store_u32(out->data + at + 16, (uint32_t)plain.len);
}

static void unpack(const uint8_t *data, size_t size, struct buf *out)
{
    struct kv_codec codec;
    kv_codec_init(&codec, &fuzz_heap);
    for (size_t at = 0; size - at >= KV_SNAP_FRAME_BYTES;) {
        size_t len = body_bytes(data + at, size - at);
        unpack_chunk(&codec, data + at, len, out);
        at += KV_SNAP_FRAME_BYTES + len;
    }
    kv_codec_fini(&codec);
}

/* Make the chunks of a plain stream smaller whose bit in which is set, and put the right CRCs on all. */
static void pack(const struct buf *plain, uint32_t which, struct buf *out)
{
    struct kv_codec codec;
    struct buf chunk;
    uint32_t crc = 0;
    kv_codec_init(&codec, &fuzz_heap);
    for (size_t at = 0, n = 0; plain->len - at >= KV_SNAP_FRAME_BYTES; n++) {
        size_t len = KV_SNAP_FRAME_BYTES + body_bytes(plain->data + at, plain->len - at);
        buf_init(&chunk, &fuzz_heap, len + 1);
        buf_append(&chunk, plain->data + at, len);
        struct kv_snap_frame frame = { .flags = chunk.data[6], .seq = bytes_load_u32(chunk.data + 8) };
        frame.plain_bytes = (uint32_t)(len - KV_SNAP_FRAME_BYTES);
        if (which >> n % 32 & 1 && frame.plain_bytes > 0)
            frame.codec = (enum kv_codec_kind)kv_codec_compress(&codec, &chunk);
        if (len <= SNAP_CHUNK_BYTES_HARD_MAX) crc = kv_snap_frame_write(&chunk, &frame, crc);
        buf_append(out, chunk.data, chunk.len);
        buf_fini(&chunk);
        at += len;
    }
    kv_codec_fini(&codec);
}

static void check_plain(const struct buf *stream, struct kv_digest digest)
{
    struct kv *kv = create();
    struct kv_info info;
    struct buf plain, repaired;
    buf_init(&plain, &fuzz_heap, 1u << 30);
    buf_init(&repaired, &fuzz_heap, 1u << 30);
    unpack(stream->data, stream->len, &plain);
    pack(&plain, 0, &repaired);
    int rv = load(kv, buf_bytes(&repaired));
    MS_ASSERT(rv == 0);
    kv_info(kv, &info);
    MS_ASSERT(kv_digest_equal(info.digest, digest));
    buf_fini(&plain);
    buf_fini(&repaired);
    kv_destroy(kv);
}

static void check_installed(struct kv *kv, struct bytes chunks)
{
    struct kv_snap_header header;
    struct kv_digest scanned;
    struct kv_info info;
    int rv = kv_digest_by_scan(kv, &scanned);
    MS_ASSERT(rv == 0);
    kv_info(kv, &info);
    MS_ASSERT(kv_digest_equal(scanned, info.digest));
    rv = kv_snap_header_decode(chunks, &fuzz_heap, &header);
    MS_ASSERT(rv == 0);
    MS_ASSERT(header.index == info.applied_index);
    MS_ASSERT(config_equal(&header.config, &info.config));
    struct buf first, second;
    struct kv *other = create();
    buf_init(&first, &fuzz_heap, 1u << 30);
    buf_init(&second, &fuzz_heap, 1u << 30);
    dump(kv, &first);
    rv = load(other, buf_bytes(&first));
    MS_ASSERT(rv == 0);
    dump(other, &second);
    MS_ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    check_plain(&first, info.digest);
    buf_fini(&first);
    buf_fini(&second);
    kv_destroy(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct kv *kv = create();
    struct kv_info before, after;
    kv_info(kv, &before);
    int rv = load(kv, bytes_of(data, len));
    kv_info(kv, &after);
    if (rv < 0) {
        MS_ASSERT(rv == MS_ESHORT || rv == MS_ECORRUPT || rv == MS_EVERSION);
        MS_ASSERT(kv_digest_equal(before.digest, after.digest));
        MS_ASSERT(after.applied_index == 0);
    } else {
        check_installed(kv, bytes_of(data, len));
    }
    kv_destroy(kv);
    return 0;
}

/* ---- Repairing, so that mutations get as far as the items, and some as far as the end. */
struct repair {
    struct kv_digest digest;
    uint64_t items, keys;
    uint8_t *revisions, *trailer; /* of these items */
    uint32_t revisions_len, trailer_len;
};

static void count_item(struct repair *r, uint8_t type, uint8_t *item, uint32_t len)
{
    struct bytes in = bytes_of(item, len);
    struct kv_binding binding;
    struct kv_window window;
    r->items++;
    if (type == KV_ITEM_HEADER && len > 40) {
        struct bytes config = bytes_of(item + 40, len - 40);
        kv_digest_add(&r->digest, kv_digest_of_config(bytes_load_u64(item + 16), config));
    }
    if (type == KV_ITEM_BINDING && kv_binding_decode(in, &binding) == 0) {
        kv_digest_add(&r->digest, kv_digest_of_binding(&binding));
    }
    if (type == KV_ITEM_WINDOW && kv_window_decode(in, &window) == 0) {
        kv_digest_add(&r->digest, kv_digest_of_window(&window));
    }
    if (type == KV_ITEM_REVISIONS) {
        r->revisions = item;
        r->revisions_len = len;
    }
    if (type == KV_ITEM_TRAILER) {
        r->trailer = item;
        r->trailer_len = len;
    }
    if (type == KV_ITEM_LEASE && len >= 8) {
        struct bytes lease = bytes_of(item + 8, len - 8);
        kv_digest_add(&r->digest, kv_digest_of_lease(bytes_load_u64(item), lease));
    }
    if (type != KV_ITEM_CURRENT || len < 4) return;
    uint32_t key_len = bytes_load_u32(item);
    if (key_len > len - 4) return;
    r->keys++;
    struct bytes key = bytes_of(item + 4, key_len);
    struct bytes record = bytes_of(item + 4 + key_len, len - 4 - key_len);
    kv_digest_add(&r->digest, kv_digest_of_record(key, record));
}

static void count_items(struct repair *r, uint8_t *body, size_t len)
{
    size_t at = 0;
    while (len - at >= 5) {
        uint32_t item_len = bytes_load_u32(body + at + 1);
        if (item_len > len - at - 5) return;
        count_item(r, body[at], body + at + 5, item_len);
        at += 5 + item_len;
    }
}

static void repair_totals(struct repair *r)
{
    if (r->revisions && r->revisions_len == 24) {
        bytes_store_u64(r->revisions + 16, r->keys);
        kv_digest_add(&r->digest, kv_digest_of_revisions(bytes_load_u64(r->revisions),
                                                         bytes_load_u64(r->revisions + 8)));
    }
    if (r->trailer && r->trailer_len == 24) {
        bytes_store_u64(r->trailer, r->items);
        bytes_store_u64(r->trailer + 8, r->digest.hi);
        bytes_store_u64(r->trailer + 16, r->digest.lo);
    }
}

/* How far the chunk at data goes; its frame says so, as long as there are as many bytes. */
static size_t body_bytes(const uint8_t *data, size_t size)
{
    size_t len = bytes_load_u32(data + 12), left = size - KV_SNAP_FRAME_BYTES;
    return len < left ? len : left;
}

/* The rest of the frame, so that it fits in its place. plain: the body is. */
static void repair_frame(uint8_t *data, size_t size, uint32_t seq, bool plain, uint32_t *crc)
{
    size_t len = body_bytes(data, size);
    bool last = size - KV_SNAP_FRAME_BYTES - len < KV_SNAP_FRAME_BYTES;
    memcpy(data, "MSK1\1", 5);
    data[6] = (uint8_t)((seq == 0 ? KV_SNAP_FIRST : 0) | (last ? KV_SNAP_LAST : 0));
    data[7] = 0;
    bytes_store_u32(data + 8, seq);
    bytes_store_u32(data + 12, (uint32_t)len);
    if (plain) {
        data[5] = KV_CODEC_NONE;
        bytes_store_u32(data + 16, (uint32_t)len);
    }
    *crc = crc32c(crc32c(*crc, data, 20), data + KV_SNAP_FRAME_BYTES, len);
    bytes_store_u32(data + 20, *crc);
}

static void repair_frames(uint8_t *data, size_t size, bool plain)
{
    uint32_t seq = 0, crc = 0;
    for (size_t at = 0; size - at >= KV_SNAP_FRAME_BYTES; seq++) {
        size_t len = body_bytes(data + at, size - at);
        repair_frame(data + at, size - at, seq, plain, &crc);
        at += KV_SNAP_FRAME_BYTES + len;
    }
}

static void repair_items(uint8_t *data, size_t size)
{
    struct repair r = { 0 };
    for (size_t at = 0; size - at >= KV_SNAP_FRAME_BYTES;) {
        size_t len = body_bytes(data + at, size - at);
        count_items(&r, data + at + KV_SNAP_FRAME_BYTES, len);
        at += KV_SNAP_FRAME_BYTES + len;
    }
    repair_totals(&r);
}

/* Mutate what stands behind the codec, and put it in front again. */
static size_t mutate_plain(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct buf plain, packed;
    buf_init(&plain, &fuzz_heap, 1u << 30);
    buf_init(&packed, &fuzz_heap, 1u << 30);
    unpack(data, size, &plain);
    size_t room = plain.len + 4096;
    bool ok = buf_reserve(&plain, 4096);
    MS_ASSERT(ok);
    plain.len = LLVMFuzzerMutate(plain.data, plain.len, room);
    if (seed % 8 > 2) repair_items(plain.data, plain.len);
    repair_frames(plain.data, plain.len, true);
    pack(&plain, seed >> 3, &packed);
    if (packed.len > 0 && packed.len <= max_size) {
        memcpy(data, packed.data, packed.len);
        size = packed.len;
    }
    buf_fini(&plain);
    buf_fini(&packed);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (seed % 8 > 1 && size >= KV_SNAP_FRAME_BYTES) return mutate_plain(data, size, max_size, seed);
    size = LLVMFuzzerMutate(data, size, max_size);
    /* Frames may stay damaged, too; or they are whole, and what the codec reads is damaged. */
    if (seed % 8 == 1) repair_frames(data, size, false);
    return size;
}
