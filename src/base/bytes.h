/* bytes.h: borrowed spans, a bounded reader and a bounded writer. Little-endian, fixed widths.
 *
 * Under every bytes_read_* lies one check, n > len - at, which cannot wrap. On false nothing moves. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes. data may be NULL only when len is 0. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){ .data = data, .len = len };
}

static inline struct bytes bytes_of_str(const char *s)
{
    return (struct bytes){ .data = (const uint8_t *)s, .len = strlen(s) };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order of keys: bytes as unsigned, a prefix before what it begins. <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

struct bytes_reader {
    const uint8_t *data;
    size_t len, at;
};

static inline struct bytes_reader bytes_reader_of(struct bytes b)
{
    return (struct bytes_reader){ .data = b.data, .len = b.len };
}

static inline size_t bytes_reader_left(const struct bytes_reader *r)
{
    return r->len - r->at;
}

/* Writes into a buffer of fixed size. The first write that does not fit sets overflow and writes
 * nothing; so do all after it. Callers check overflow once, at the end. */
struct bytes_writer {
    uint8_t *data;
    size_t cap, at;
    bool overflow;
};

static inline struct bytes_writer bytes_writer_of(void *data, size_t cap)
{
    return (struct bytes_writer){ .data = data, .cap = cap };
}

void bytes_write_u8(struct bytes_writer *w, uint8_t v);
void bytes_write_u32(struct bytes_writer *w, uint32_t v);
void bytes_write_u64(struct bytes_writer *w, uint64_t v);
void bytes_write_raw(struct bytes_writer *w, const void *data, size_t len);

static inline uint32_t bytes_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t bytes_load_u64(const uint8_t *p)
{
    return (uint64_t)bytes_load_u32(p) | (uint64_t)bytes_load_u32(p + 4) << 32;
}

static inline void bytes_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void bytes_store_u32(uint8_t *p, uint32_t v)
{
    bytes_store_u16(p, (uint16_t)v);
    bytes_store_u16(p + 2, (uint16_t)(v >> 16));
}

static inline void bytes_store_u64(uint8_t *p, uint64_t v)
{
    bytes_store_u32(p, (uint32_t)v);
    bytes_store_u32(p + 4, (uint32_t)(v >> 32));
}

/* Big-endian, for keys of ordered maps. */
static inline void bytes_store_be32(uint8_t *p, uint32_t v)
{
    for (int i = 3; i >= 0; i--, v >>= 8) p[i] = (uint8_t)v;
}

static inline uint32_t bytes_load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void bytes_store_be64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8) p[i] = (uint8_t)v;
}

static inline uint64_t bytes_load_be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    return v;
}

/* The one bounds check: the next len bytes, or NULL. */
static inline const uint8_t *bytes_take(struct bytes_reader *r, size_t len)
{
    if (len > r->len - r->at) return NULL;
    const uint8_t *p = r->data + r->at;
    r->at += len;
    return p;
}

/* Each bytes_read_*: true and the position moves, or false and nothing has changed. A span is borrowed.
 * Here and not in bytes.c, since recovery and apply are made of these. */
static inline bool bytes_read_u8(struct bytes_reader *r, uint8_t *out)
{
    const uint8_t *p = bytes_take(r, 1);
    if (!p) return false;
    *out = *p;
    return true;
}

static inline bool bytes_read_u16(struct bytes_reader *r, uint16_t *out)
{
    const uint8_t *p = bytes_take(r, 2);
    if (!p) return false;
    *out = (uint16_t)(p[0] | p[1] << 8);
    return true;
}

static inline bool bytes_read_u32(struct bytes_reader *r, uint32_t *out)
{
    const uint8_t *p = bytes_take(r, 4);
    if (!p) return false;
    *out = bytes_load_u32(p);
    return true;
}

static inline bool bytes_read_u64(struct bytes_reader *r, uint64_t *out)
{
    const uint8_t *p = bytes_take(r, 8);
    if (!p) return false;
    *out = bytes_load_u64(p);
    return true;
}

static inline bool bytes_read_span(struct bytes_reader *r, size_t len, struct bytes *out)
{
    if (len > r->len - r->at) return false;
    *out = (struct bytes){ .data = len ? r->data + r->at : NULL, .len = len };
    r->at += len;
    return true;
}

static inline bool bytes_read_copy(struct bytes_reader *r, void *dst, size_t len)
{
    struct bytes span;
    if (!bytes_read_span(r, len, &span)) return false;
    if (len) memcpy(dst, span.data, len);
    return true;
}

#endif
