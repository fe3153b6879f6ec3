#include "format/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/ms_assert.h"

void buf_init(struct buf *b, const struct ms_alloc *alloc, size_t max)
{
    *b = (struct buf){ .alloc = alloc, .max = max };
}

void buf_fini(struct buf *b)
{
    if (b->data) ms_free(b->alloc, b->data);
    *b = (struct buf){ .alloc = b->alloc, .max = b->max };
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed || more > b->max - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more;
    if (need <= b->cap) return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) cap += cap / 2 + 64;
    if (cap > b->max) cap = b->max;
    uint8_t *data = ms_resize(b->alloc, b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0 || !buf_reserve(b, len)) return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void buf_append_u8(struct buf *b, uint8_t v)
{
    buf_append(b, &v, 1);
}

void buf_append_u16(struct buf *b, uint16_t v)
{
    uint8_t le[2];
    bytes_store_u16(le, v);
    buf_append(b, le, sizeof le);
}

void buf_append_u32(struct buf *b, uint32_t v)
{
    uint8_t le[4];
    bytes_store_u32(le, v);
    buf_append(b, le, sizeof le);
}

void buf_append_u64(struct buf *b, uint64_t v)
{
    uint8_t le[8];
    bytes_store_u64(le, v);
    buf_append(b, le, sizeof le);
}

void buf_append_text(struct buf *b, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    MS_ASSERT(len >= 0 && (size_t)len < sizeof text); /* callers format short pieces */
    buf_append(b, text, (size_t)len);
}

void buf_drop_front(struct buf *b, size_t len)
{
    MS_ASSERT(len <= b->len);
    b->len -= len;
    if (b->len) memmove(b->data, b->data + len, b->len);
}
