/* rt_measure.c: see rt_measure.h. What the system does not tell is 0. */
#include "rt/rt_measure.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rt/rt_clock.h"
#include "rt/rt_private.h"

static uint64_t us_of(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
}

static uint64_t resident_bytes(void)
{
    unsigned long long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2) resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Linux tells the count as the directory's size since 6.2; before that its names have to be counted. */
static uint64_t open_files(void)
{
    static const char path[] = "/proc/self/fd";
    struct stat st;
    uint64_t count = 0;
    if (stat(path, &st) != 0) return 0;
    if (st.st_size > 0) return (uint64_t)st.st_size;
    DIR *dir = opendir(path);
    if (!dir) return 0;
    while (readdir(dir)) count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the one that was opened for this */
}

uint64_t rt_measure_now_us(void *ctx)
{
    (void)ctx;
    return rt_clock_us();
}

void rt_measure(void *ctx, struct member_measured *out)
{
    struct ms_member *m = ctx;
    struct rusage usage;
    struct rlimit files;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->cpu_us = us_of(&usage.ru_utime) + us_of(&usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) out->files_max = (uint64_t)files.rlim_cur;
    out->resident_bytes = resident_bytes();
    out->open_files = open_files();
    out->started_s = m->started_s;
    rt_disk_measured(&m->disk, &out->log_write, &out->log_written_bytes);
    rt_engine_stats(&m->engine, &out->engine);
}
