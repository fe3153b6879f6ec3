#include "sim/sim_alloc.h"

#include <stdlib.h>

#include "base/ms_assert.h"

static bool is_refused(struct sim_alloc *a)
{
    if (a->refuse == 0 || a->waits || a->quiet) return false;
    if (a->pass > 0) {
        a->pass--;
        return false;
    }
    a->refuse--;
    a->refused++;
    return true;
}

static void *resize(void *ctx, void *ptr, size_t len)
{
    struct sim_alloc *a = ctx;
    if (len == 0) {
        if (ptr) a->alive--;
        free(ptr);
        return NULL;
    }
    if (is_refused(a)) return NULL;
    void *p = realloc(ptr, len);
    if (p && !ptr) a->alive++;
    return p;
}

void sim_alloc_init(struct sim_alloc *a)
{
    *a = (struct sim_alloc){ .face = { .resize = resize } };
    a->face.ctx = a;
}

static void *heap_resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len == 0) {
        free(ptr);
        return NULL;
    }
    void *p = realloc(ptr, len);
    MS_ASSERT(p != NULL);
    return p;
}

const struct ms_alloc sim_alloc_heap = { .resize = heap_resize };
