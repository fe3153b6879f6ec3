#include "base/bytes.h"

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

/* The one bounds check: the next len bytes, or NULL. */
static const uint8_t *take(struct bytes_reader *r, size_t len)
{
    if (len > r->len - r->at) return NULL;
    const uint8_t *p = r->data + r->at;
    r->at += len;
    return p;
}

bool bytes_read_u8(struct bytes_reader *r, uint8_t *out)
{
    const uint8_t *p = take(r, 1);
    if (!p) return false;
    *out = *p;
    return true;
}

bool bytes_read_u16(struct bytes_reader *r, uint16_t *out)
{
    const uint8_t *p = take(r, 2);
    if (!p) return false;
    *out = (uint16_t)(p[0] | p[1] << 8);
    return true;
}

bool bytes_read_u32(struct bytes_reader *r, uint32_t *out)
{
    const uint8_t *p = take(r, 4);
    if (!p) return false;
    *out = bytes_load_u32(p);
    return true;
}

bool bytes_read_u64(struct bytes_reader *r, uint64_t *out)
{
    const uint8_t *p = take(r, 8);
    if (!p) return false;
    *out = bytes_load_u64(p);
    return true;
}

bool bytes_read_span(struct bytes_reader *r, size_t len, struct bytes *out)
{
    if (len > r->len - r->at) return false;
    *out = (struct bytes){ .data = len ? r->data + r->at : NULL, .len = len };
    r->at += len;
    return true;
}

bool bytes_read_copy(struct bytes_reader *r, void *dst, size_t len)
{
    struct bytes span;
    if (!bytes_read_span(r, len, &span)) return false;
    if (len) memcpy(dst, span.data, len);
    return true;
}

/* Room for the next len bytes, or NULL and overflow is set. */
static uint8_t *put(struct bytes_writer *w, size_t len)
{
    if (w->overflow || len > w->cap - w->at) {
        w->overflow = true;
        return NULL;
    }
    uint8_t *p = w->data + w->at;
    w->at += len;
    return p;
}

void bytes_write_u8(struct bytes_writer *w, uint8_t v)
{
    uint8_t *p = put(w, 1);
    if (p) *p = v;
}

void bytes_write_u32(struct bytes_writer *w, uint32_t v)
{
    uint8_t *p = put(w, 4);
    if (p) bytes_store_u32(p, v);
}

void bytes_write_u64(struct bytes_writer *w, uint64_t v)
{
    uint8_t *p = put(w, 8);
    if (p) bytes_store_u64(p, v);
}

void bytes_write_raw(struct bytes_writer *w, const void *data, size_t len)
{
    if (len == 0) return;
    uint8_t *p = put(w, len);
    if (p) memcpy(p, data, len);
}
