#include "rt/rt_alloc.h"

#include <stdlib.h>

static void *heap_resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len > 0) return realloc(ptr, len);
    free(ptr);
    return NULL;
}

const struct ms_alloc *rt_alloc_heap(void)
{
    static const struct ms_alloc heap = { .resize = heap_resize };
    return &heap;
}
