#include <stdio.h>
#include <stdlib.h>

#include "base/ms_assert.h"

_Noreturn void ms_host_panic(const char *condition, const char *file, int line)
{
    fprintf(stderr, "assertion failed: %s at %s:%d\n", condition, file, line);
    abort();
}
