/* histogram.c: see histogram.h. */
#include "format/histogram.h"

static const struct {
    uint32_t us;
    const char *seconds;
} bounds[HISTOGRAM_BUCKETS] = { { 100, "0.0001" }, { 250, "0.00025" }, { 500, "0.0005" },
                                { 1000, "0.001" }, { 2500, "0.0025" }, { 5000, "0.005" },
                                { 10000, "0.01" }, { 25000, "0.025" }, { 50000, "0.05" },
                                { 100000, "0.1" }, { 250000, "0.25" }, { 500000, "0.5" },
                                { 1000000, "1" },  { 2500000, "2.5" }, { 5000000, "5" },
                                { 10000000, "10" } };

void histogram_add(struct histogram *h, uint64_t took_us)
{
    unsigned bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS && took_us > bounds[bucket].us) bucket++;
    if (bucket < HISTOGRAM_BUCKETS) h->buckets[bucket]++;
    h->count++;
    h->sum_us += took_us;
}

const char *histogram_bound_text(unsigned bucket)
{
    return bounds[bucket].seconds;
}
