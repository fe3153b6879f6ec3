/* kv_snap_frame.c: the frame around each chunk of a snapshot, and the items in it (docs/FORMATS.md).
 *
 * frame = magic u32, format u8, codec u8, flags u8, reserved u8, seq u32, body_bytes u32, plain_bytes
 * u32, crc u32. The CRC-32C goes over the frame before it and the body, begun with that of the chunk
 * before: a chunk of another snapshot does not fit in, be it whole. */
#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

#define FRAME_MAGIC 0x314b534du /* "MSK1" */
#define FRAME_FORMAT 1u
#define CRC_AT 20u
#define BODY_BYTES_MAX (SNAP_CHUNK_BYTES_HARD_MAX - KV_SNAP_FRAME_BYTES)
static_assert(CRC_AT + 4 == KV_SNAP_FRAME_BYTES, "the CRC ends the frame");

static uint32_t frame_crc(const uint8_t *chunk, size_t body_bytes, uint32_t previous_crc)
{
    uint32_t crc = crc32c(previous_crc, chunk, CRC_AT);
    return crc32c(crc, chunk + KV_SNAP_FRAME_BYTES, body_bytes);
}

uint32_t kv_snap_frame_write(struct buf *chunk, const struct kv_snap_frame *f, uint32_t previous_crc)
{
    MS_ASSERT(chunk->len >= KV_SNAP_FRAME_BYTES);
    MS_ASSERT(chunk->len <= SNAP_CHUNK_BYTES_HARD_MAX);
    uint32_t body_bytes = (uint32_t)(chunk->len - KV_SNAP_FRAME_BYTES);
    struct bytes_writer to = bytes_writer_of(chunk->data, KV_SNAP_FRAME_BYTES);
    bytes_write_u32(&to, FRAME_MAGIC);
    bytes_write_u8(&to, FRAME_FORMAT);
    bytes_write_u8(&to, (uint8_t)f->codec);
    bytes_write_u8(&to, f->flags);
    bytes_write_u8(&to, 0);
    bytes_write_u32(&to, f->seq);
    bytes_write_u32(&to, body_bytes);
    bytes_write_u32(&to, f->plain_bytes);
    uint32_t crc = frame_crc(chunk->data, body_bytes, previous_crc);
    bytes_write_u32(&to, crc);
    return crc;
}

int64_t kv_snap_chunk_bytes(struct bytes b)
{
    if (b.len < KV_SNAP_FRAME_BYTES) return 0;
    uint32_t body_bytes = bytes_load_u32(b.data + 12);
    if (bytes_load_u32(b.data) != FRAME_MAGIC || body_bytes > BODY_BYTES_MAX) return MS_ECORRUPT;
    return (int64_t)KV_SNAP_FRAME_BYTES + body_bytes;
}

int kv_snap_frame_decode(struct bytes chunk, uint32_t previous_crc, struct kv_snap_frame *out)
{
    int64_t len = kv_snap_chunk_bytes(chunk);
    if (len < 0) return (int)len;
    if (len == 0 || (uint64_t)len > chunk.len) return MS_ESHORT;
    const uint8_t *p = chunk.data;
    size_t body_bytes = (size_t)len - KV_SNAP_FRAME_BYTES;
    uint32_t crc = bytes_load_u32(p + CRC_AT);
    /* First: a byte that rotted where the format stands is damage, which peers repair; a later format
     * stops the member. So each format keeps this frame and its checksum (docs/FORMATS.md). */
    if (frame_crc(p, body_bytes, previous_crc) != crc) return MS_ECORRUPT;
    if (p[4] != FRAME_FORMAT || p[5] > KV_CODEC_ZSTD) return MS_EVERSION;
    if ((p[6] & ~(KV_SNAP_FIRST | KV_SNAP_LAST)) || p[7] != 0) return MS_ECORRUPT;
    uint32_t plain_bytes = bytes_load_u32(p + 16);
    if (plain_bytes > BODY_BYTES_MAX) return MS_ECORRUPT; /* before any memory is asked for */
    if (p[5] == KV_CODEC_NONE ? plain_bytes != body_bytes : plain_bytes <= body_bytes)
        return MS_ECORRUPT;
    *out = (struct kv_snap_frame){
        .flags = p[6],
        .codec = (enum kv_codec_kind)p[5],
        .seq = bytes_load_u32(p + 8),
        .crc = crc,
        .plain_bytes = plain_bytes,
        .body = bytes_of(p + KV_SNAP_FRAME_BYTES, body_bytes),
    };
    return 0;
}

int kv_snap_item_next(struct bytes_reader *body, uint8_t *type, struct bytes *out)
{
    uint32_t len;
    if (bytes_reader_left(body) == 0) return MS_EEND;
    if (!bytes_read_u8(body, type) || !bytes_read_u32(body, &len)) return MS_ECORRUPT;
    return bytes_read_span(body, len, out) ? 0 : MS_ECORRUPT;
}

void kv_snap_header_encode(struct buf *out, const struct kv_meta *m)
{
    buf_append_u64(out, m->applied_index);
    buf_append_u64(out, m->applied_term);
    buf_append_u64(out, m->config_index);
    buf_append(out, m->cluster_uuid, MS_UUID_BYTES);
    config_encode(out, &m->config);
}

int kv_snap_header_item_decode(struct bytes in, struct kv_snap_header *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_snap_header h = { 0 };
    if (!bytes_read_u64(&at, &h.index) || !bytes_read_u64(&at, &h.term)) return MS_ECORRUPT;
    if (!bytes_read_u64(&at, &h.config_index)) return MS_ECORRUPT;
    if (!bytes_read_copy(&at, h.cluster_uuid, MS_UUID_BYTES)) return MS_ECORRUPT;
    int rv = config_decode(&at, &h.config);
    if (rv < 0) return rv == MS_EVERSION ? rv : MS_ECORRUPT;
    if (bytes_reader_left(&at) > 0 || h.config_index > h.index) return MS_ECORRUPT;
    *out = h;
    return 0;
}

static int header_of(struct bytes plain, struct kv_snap_header *out)
{
    struct bytes_reader body = bytes_reader_of(plain);
    struct bytes item;
    uint8_t type;
    if (kv_snap_item_next(&body, &type, &item) < 0 || type != KV_ITEM_HEADER) return MS_ECORRUPT;
    return kv_snap_header_item_decode(item, out);
}

int kv_snap_header_decode(struct bytes first_chunk, const struct ms_alloc *alloc,
                          struct kv_snap_header *out)
{
    struct kv_snap_frame frame;
    struct kv_codec codec;
    struct bytes plain;
    int rv = kv_snap_frame_decode(first_chunk, 0, &frame);
    if (rv < 0) return rv;
    if (!(frame.flags & KV_SNAP_FIRST) || frame.seq != 0) return MS_ECORRUPT;
    kv_codec_init(&codec, alloc);
    rv = kv_codec_plain(&codec, &frame, &plain);
    if (rv == 0) rv = header_of(plain, out);
    kv_codec_fini(&codec);
    return rv;
}

uint8_t kv_snap_item_rank(uint8_t type)
{
    static const uint8_t ranks[] = {
        [KV_ITEM_HEADER] = 1,    [KV_ITEM_BINDING] = 2, [KV_ITEM_WINDOW] = 3,
        [KV_ITEM_REVISIONS] = 4, [KV_ITEM_LEASE] = 5,   [KV_ITEM_CURRENT] = 6,
        [KV_ITEM_HISTORY] = 7,   [KV_ITEM_CHANGE] = 8,  [KV_ITEM_TRAILER] = 9,
    };
    return type < sizeof ranks ? ranks[type] : 0;
}
