/* metrics_write.c: see metrics_write.h. */
#include "format/metrics_write.h"

#define US_PER_S 1000000u

void metrics_family(struct buf *out, const char *name, enum metrics_type type, const char *help)
{
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"
    };
    buf_append_text(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void put_name(struct buf *out, const char *name, const char *suffix, const char *labels)
{
    buf_append_text(out, labels[0] ? "%s%s{%s} " : "%s%s%s ", name, suffix, labels);
}

static void put_u64(struct buf *out, uint64_t value)
{
    buf_append_text(out, "%llu\n", (unsigned long long)value);
}

static void put_us(struct buf *out, uint64_t us)
{
    buf_append_text(out, "%llu.%06u\n", (unsigned long long)(us / US_PER_S), (unsigned)(us % US_PER_S));
}

void metrics_sample(struct buf *out, const char *name, const char *labels, uint64_t value)
{
    put_name(out, name, "", labels);
    put_u64(out, value);
}

void metrics_sample_us(struct buf *out, const char *name, const char *labels, uint64_t us)
{
    put_name(out, name, "", labels);
    put_us(out, us);
}

/* Buckets are cumulative there. */
void metrics_sample_histogram(struct buf *out, const char *name, const char *labels,
                              const struct histogram *h)
{
    const char *comma = labels[0] ? "," : "";
    uint64_t below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += h->buckets[i];
        buf_append_text(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels, comma,
                        histogram_bound_text(i), (unsigned long long)below);
    }
    buf_append_text(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma,
                    (unsigned long long)h->count);
    put_name(out, name, "_sum", labels);
    put_us(out, h->sum_us);
    put_name(out, name, "_count", labels);
    put_u64(out, h->count);
}

static void family_of_one(struct buf *out, const char *name, enum metrics_type type, uint64_t value,
                          const char *help)
{
    metrics_family(out, name, type, help);
    metrics_sample(out, name, "", value);
}

void metrics_counter(struct buf *out, const char *name, uint64_t value, const char *help)
{
    family_of_one(out, name, METRICS_COUNTER, value, help);
}

void metrics_gauge(struct buf *out, const char *name, uint64_t value, const char *help)
{
    family_of_one(out, name, METRICS_GAUGE, value, help);
}
