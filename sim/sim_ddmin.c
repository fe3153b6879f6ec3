#include "sim/sim_ddmin.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"

/* Try to do without `len` items at `at`. */
static bool without(uint32_t *items, size_t *count, size_t at, size_t len, uint32_t *scratch,
                    sim_ddmin_test test, void *ctx)
{
    size_t behind = *count - at - len;
    memcpy(scratch, items, at * sizeof *items);
    memcpy(scratch + at, items + at + len, behind * sizeof *items);
    if (!test(ctx, scratch, at + behind)) return false;
    memmove(items + at, items + at + len, behind * sizeof *items);
    *count -= len;
    return true;
}

/* One round; false: nothing went. */
static bool sweep(uint32_t *items, size_t *count, size_t part, uint32_t *scratch, sim_ddmin_test test,
                  void *ctx)
{
    bool any = false;
    for (size_t at = 0; at < *count;) {
        size_t len = part < *count - at ? part : *count - at;
        if (without(items, count, at, len, scratch, test, ctx))
            any = true;
        else
            at += len;
    }
    return any;
}

size_t sim_ddmin(uint32_t *items, size_t count, sim_ddmin_test test, void *ctx)
{
    if (count == 0) return 0;
    uint32_t *scratch = malloc(count * sizeof *scratch);
    MS_ASSERT(scratch != NULL);
    for (size_t part = count; part > 0;) {
        bool any = sweep(items, &count, part, scratch, test, ctx);
        if (part > count) part = count;
        if (!any || part > 1) part /= 2;
    }
    free(scratch);
    return count;
}
