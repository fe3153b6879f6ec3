/* kv_snap_codec.c: bodies of chunks, smaller by zstd; the one file that includes zstd.h.
 *
 * Its contexts get their memory through env/alloc.h (docs/decisions/0005). They are made when they are
 * first needed and given back when nobody is left who might: an idle member holds none. */
#define ZSTD_STATIC_LINKING_ONLY /* contexts on memory of ours; no other use is made of that part */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

/* The fastest level that is not made for speed alone: tests/bench/bench_kv.c has the figures. */
#define LEVEL 1
/* A larger body, which is one large record, stays plain: it would take several milliseconds. */
#define BODY_BYTES_MAX (256u << 10)
static_assert(BODY_BYTES_MAX >= SNAP_CHUNK_BYTES_MAX, "ordinary chunks are made smaller");

static void *zstd_alloc(void *alloc, size_t len)
{
    return ms_alloc(alloc, len);
}

static void zstd_free(void *alloc, void *ptr)
{
    ms_free(alloc, ptr);
}

static ZSTD_customMem memory_of(const struct ms_alloc *alloc)
{
    return (ZSTD_customMem){ zstd_alloc, zstd_free, (void *)(uintptr_t)alloc };
}

void kv_codec_init(struct kv_codec *c, const struct ms_alloc *alloc)
{
    *c = (struct kv_codec){ .alloc = alloc };
    buf_init(&c->body, alloc, SNAP_CHUNK_BYTES_HARD_MAX);
}

void kv_codec_fini(struct kv_codec *c)
{
    ZSTD_freeCCtx(c->compressor);
    ZSTD_freeDCtx(c->decompressor);
    buf_fini(&c->body);
    c->compressor = NULL;
    c->decompressor = NULL;
}

int kv_codec_compress(struct kv_codec *c, struct buf *chunk)
{
    MS_ASSERT(chunk->len > KV_SNAP_FRAME_BYTES);
    size_t plain_bytes = chunk->len - KV_SNAP_FRAME_BYTES;
    if (plain_bytes > BODY_BYTES_MAX) return KV_CODEC_NONE;
    if (!c->compressor) c->compressor = ZSTD_createCCtx_advanced(memory_of(c->alloc));
    buf_clear(&c->body);
    if (!c->compressor || !buf_reserve(&c->body, plain_bytes)) return MS_ENOMEM;
    /* The room is a function of the body alone, so that equal bodies give equal chunks. */
    size_t len = ZSTD_compressCCtx(c->compressor, c->body.data, plain_bytes - 1,
                                   chunk->data + KV_SNAP_FRAME_BYTES, plain_bytes, LEVEL);
    if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation) return MS_ENOMEM;
    if (ZSTD_isError(len)) {
        MS_ASSERT(ZSTD_getErrorCode(len) == ZSTD_error_dstSize_tooSmall);
        return KV_CODEC_NONE;
    }
    memcpy(chunk->data + KV_SNAP_FRAME_BYTES, c->body.data, len);
    chunk->len = KV_SNAP_FRAME_BYTES + len;
    return KV_CODEC_ZSTD;
}

/* One frame of zstd as we write it: one that says how long its content is, and nothing behind it. The
 * library would also read older formats, with malloc, and frames that are to be skipped. */
static bool is_one_frame(struct bytes body, size_t plain_bytes)
{
    if (body.len < 4 || bytes_load_u32(body.data) != ZSTD_MAGICNUMBER) return false;
    if (ZSTD_getFrameContentSize(body.data, body.len) != plain_bytes) return false;
    return ZSTD_findFrameCompressedSize(body.data, body.len) == body.len;
}

int kv_codec_plain(struct kv_codec *c, const struct kv_snap_frame *frame, struct bytes *out)
{
    size_t plain_bytes = frame->plain_bytes;
    MS_ASSERT(plain_bytes <= SNAP_CHUNK_BYTES_HARD_MAX); /* the frame was looked at */
    if (frame->codec == KV_CODEC_NONE) {
        *out = frame->body;
        return 0;
    }
    if (!is_one_frame(frame->body, plain_bytes)) return MS_ECORRUPT;
    if (!c->decompressor) c->decompressor = ZSTD_createDCtx_advanced(memory_of(c->alloc));
    buf_clear(&c->body);
    if (!c->decompressor || !buf_reserve(&c->body, plain_bytes)) return MS_ENOMEM;
    size_t len = ZSTD_decompressDCtx(c->decompressor, c->body.data, plain_bytes, frame->body.data,
                                     frame->body.len);
    if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation) return MS_ENOMEM;
    if (ZSTD_isError(len) || len != plain_bytes) return MS_ECORRUPT;
    c->body.len = len;
    *out = buf_bytes(&c->body);
    return 0;
}
