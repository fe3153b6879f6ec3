/* buf.h: a buffer that grows on demand and is born with its cap. */
#ifndef FORMAT_BUF_H
#define FORMAT_BUF_H

#include <stdbool.h>

#include "base/bytes.h"
#include "env/alloc.h"

struct buf {
    const struct ms_alloc *alloc;
    uint8_t *data;
    size_t len, cap, max;
    bool failed; /* an append did not fit max, or memory was refused; nothing is appended after it */
};

void buf_init(struct buf *b, const struct ms_alloc *alloc, size_t max);
void buf_fini(struct buf *b);      /* frees; may be called again, and after buf_init alone */
void buf_clear(struct buf *b);     /* len 0, failed false, memory kept */
bool buf_reserve(struct buf *b, size_t more); /* room for more bytes behind len */
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_u8(struct buf *b, uint8_t v);
void buf_append_u16(struct buf *b, uint16_t v);
void buf_append_u32(struct buf *b, uint32_t v);
void buf_append_u64(struct buf *b, uint64_t v);
void buf_append_text(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop_front(struct buf *b, size_t len); /* remove the first len bytes */

static inline struct bytes buf_bytes(const struct buf *b)
{
    return bytes_of(b->data, b->len);
}

#endif
