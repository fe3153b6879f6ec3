/* alloc.h: where memory comes from. The core calls no malloc of its own, so that a test can refuse
 * any allocation and count what is left over. */
#ifndef ENV_ALLOC_H
#define ENV_ALLOC_H

#include <stddef.h>

struct ms_alloc {
    void *ctx;
    /* Resize ptr (NULL: a new block) to len bytes; len 0 frees and returns NULL. NULL: refused, ptr
     * unchanged. Blocks are aligned for any type, contents of new bytes are undefined. */
    void *(*resize)(void *ctx, void *ptr, size_t len);
};

static inline void *ms_alloc(const struct ms_alloc *a, size_t len)
{
    return a->resize(a->ctx, NULL, len);
}

static inline void *ms_resize(const struct ms_alloc *a, void *ptr, size_t len)
{
    return a->resize(a->ctx, ptr, len);
}

static inline void ms_free(const struct ms_alloc *a, void *ptr)
{
    if (ptr) a->resize(a->ctx, ptr, 0);
}

/* A zeroed block, or NULL. */
void *ms_alloc_zeroed(const struct ms_alloc *a, size_t len);

#endif
