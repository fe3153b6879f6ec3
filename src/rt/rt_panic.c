/* rt_panic.c: where an assertion of the core ends in a real process. The state of this replica can no
 * longer be trusted, so nothing is flushed and nothing is answered: what was acknowledged is on disk.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/ms_assert.h"

_Noreturn void ms_host_panic(const char *condition, const char *file, int line)
{
    fprintf(stderr, "metastore: assertion failed: %s at %s:%d\n", condition, file, line);
    abort();
}
