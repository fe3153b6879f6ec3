/* histogram.h: how long things took, counted in fixed buckets. Times are in microseconds. */
#ifndef FORMAT_HISTOGRAM_H
#define FORMAT_HISTOGRAM_H

#include <stdint.h>

/* Upper bounds of the buckets: from what a memory's answer takes to what nobody waits for. What is longer than the
 * last one is counted in no bucket, only in all. */
#define HISTOGRAM_BUCKETS 16u

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS]; /* not longer than its bound, and longer than the one before */
    uint64_t count, sum_us;
};

void histogram_add(struct histogram *h, uint64_t took_us);
const char *histogram_bound_text(unsigned bucket); /* in seconds, "0.0025"; static */

#endif
