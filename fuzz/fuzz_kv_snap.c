/* fuzz_kv_snap.c: chunks of a snapshot, as a peer may send them. They are refused and the old state
 * stays; or they are installed, and the state is whole: its digest is the scanned one, and its own
 * snapshot installs to the same state again. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's; absent where the corpus is only replayed. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));

static void *fuzz_resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len > 0) return realloc(ptr, len);
    free(ptr);
    return NULL;
}

static const struct ms_alloc alloc = { .resize = fuzz_resize };

static struct kv *create(void)
{
    struct kv *kv;
    int rv = kv_create(&kv, kv_mem_create(&alloc), &alloc, NULL);
    MS_ASSERT(rv == 0);
    return kv;
}

/* Each chunk in a block of its own, so that a read beyond its end is seen. */
static int load_chunk(struct kv *kv, struct bytes chunk)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_CHUNK };
    buf_init(&job.chunk, &alloc, chunk.len + 1);
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
    buf_init(&job.chunk, &alloc, SNAP_CHUNK_BYTES_HARD_MAX);
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

static void check_installed(struct kv *kv, struct bytes chunks)
{
    struct kv_snap_header header;
    struct kv_digest scanned;
    struct kv_info info;
    int rv = kv_digest_by_scan(kv, &scanned);
    MS_ASSERT(rv == 0);
    kv_info(kv, &info);
    MS_ASSERT(kv_digest_equal(scanned, info.digest));
    rv = kv_snap_header_decode(chunks, &header);
    MS_ASSERT(rv == 0);
    MS_ASSERT(header.index == info.applied_index);
    MS_ASSERT(config_equal(&header.config, &info.config));
    struct buf first, second;
    struct kv *other = create();
    buf_init(&first, &alloc, 1u << 30);
    buf_init(&second, &alloc, 1u << 30);
    dump(kv, &first);
    rv = load(other, buf_bytes(&first));
    MS_ASSERT(rv == 0);
    dump(other, &second);
    MS_ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
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

static void repair_frame(uint8_t *data, size_t size, uint32_t seq, uint32_t *crc)
{
    size_t len = body_bytes(data, size);
    bool last = size - KV_SNAP_FRAME_BYTES - len < KV_SNAP_FRAME_BYTES;
    memcpy(data, "MSK1\1\0\0\0", 8);
    data[6] = (uint8_t)((seq == 0 ? KV_SNAP_FIRST : 0) | (last ? KV_SNAP_LAST : 0));
    bytes_store_u32(data + 8, seq);
    bytes_store_u32(data + 12, (uint32_t)len);
    bytes_store_u32(data + 16, (uint32_t)len);
    *crc = crc32c(crc32c(*crc, data, 20), data + KV_SNAP_FRAME_BYTES, len);
    bytes_store_u32(data + 20, *crc);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct repair r = { 0 };
    uint32_t seq = 0, crc = 0;
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 == 0) return size; /* frames may stay damaged, too */
    for (size_t at = 0; size - at >= KV_SNAP_FRAME_BYTES;) {
        size_t len = body_bytes(data + at, size - at);
        count_items(&r, data + at + KV_SNAP_FRAME_BYTES, len);
        at += KV_SNAP_FRAME_BYTES + len;
    }
    if (seed % 8 > 1) repair_totals(&r);
    for (size_t at = 0; size - at >= KV_SNAP_FRAME_BYTES; seq++) {
        size_t len = body_bytes(data + at, size - at);
        repair_frame(data + at, size - at, seq, &crc);
        at += KV_SNAP_FRAME_BYTES + len;
    }
    return size;
}
