#include "base/bytes.h"

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
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
