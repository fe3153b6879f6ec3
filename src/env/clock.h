/* clock.h: how time reaches the core. It is an argument everywhere (DESIGN 2.5): now_ms is
 * milliseconds of a clock that never goes back and is the same clock for one life of a member
 * (CLOCK_BOOTTIME in src/rt). Nothing in the core compares it with another member's. */
#ifndef ENV_CLOCK_H
#define ENV_CLOCK_H

#include <stdint.h>

#define MS_TIME_NEVER UINT64_MAX /* a deadline that does not come */

static inline uint64_t ms_time_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t ms_time_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
