#include "rt/rt_clock.h"

#include <stdio.h>
#include <time.h>

#ifdef CLOCK_BOOTTIME
#define RT_CLOCK CLOCK_BOOTTIME
#else
#define RT_CLOCK CLOCK_MONOTONIC /* macOS: it counts while asleep there */
#endif

uint64_t rt_clock_ms(void)
{
    struct timespec t;
    clock_gettime(RT_CLOCK, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

uint64_t rt_clock_us(void)
{
    struct timespec t;
    clock_gettime(RT_CLOCK, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void rt_clock_text(char out[RT_CLOCK_TEXT_BYTES])
{
    struct timespec t;
    struct tm tm;
    char seconds[24];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, RT_CLOCK_TEXT_BYTES, "%s.%03dZ", seconds, (int)(t.tv_nsec / 1000000));
}
