#include "env/alloc.h"

#include <string.h>

void *ms_alloc_zeroed(const struct ms_alloc *a, size_t len)
{
    void *p = ms_alloc(a, len);
    if (p) memset(p, 0, len);
    return p;
}
