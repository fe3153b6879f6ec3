/* support.c: see support.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ms_assert.h"
#include "fuzz/support.h"

static void *heap_resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len > 0) return realloc(ptr, len);
    free(ptr);
    return NULL;
}

const struct ms_alloc fuzz_heap = { .resize = heap_resize };

void seed_save(const char *dir, const char *name, struct bytes input)
{
    seed_save_parts(dir, name, (struct bytes){ 0 }, input);
}

void seed_save_parts(const char *dir, const char *name, struct bytes head, struct bytes body)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    MS_ASSERT(f != NULL);
    MS_ASSERT(head.len == 0 || fwrite(head.data, 1, head.len, f) == head.len);
    MS_ASSERT(body.len == 0 || fwrite(body.data, 1, body.len, f) == body.len);
    MS_ASSERT(fclose(f) == 0);
}
