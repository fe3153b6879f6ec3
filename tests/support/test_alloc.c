#include "tests/support/test_alloc.h"

#include <stdlib.h>

static void *test_resize(void *ctx, void *ptr, size_t len)
{
    struct test_alloc *a = ctx;
    if (len == 0) {
        if (ptr) a->alive--;
        free(ptr);
        return NULL;
    }
    if (++a->requests == a->refuse_at) return NULL;
    void *p = realloc(ptr, len);
    if (p && !ptr) a->alive++;
    return p;
}

void test_alloc_init(struct test_alloc *a)
{
    *a = (struct test_alloc){ .face = { .resize = test_resize } };
    a->face.ctx = a;
}
