#include "sim/sim_alloc.h"

#include <stdlib.h>

static void *resize(void *ctx, void *ptr, size_t len)
{
    struct sim_alloc *a = ctx;
    if (len == 0) {
        if (ptr) a->alive--;
        free(ptr);
        return NULL;
    }
    void *p = realloc(ptr, len);
    if (p && !ptr) a->alive++;
    return p;
}

void sim_alloc_init(struct sim_alloc *a)
{
    *a = (struct sim_alloc){ .face = { .resize = resize } };
    a->face.ctx = a;
}
