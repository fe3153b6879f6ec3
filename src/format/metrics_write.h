/* metrics_write.h: writes Prometheus' text format, version 0.0.4, to the end of a buffer: families, each opened once
 * with its help and type, and their samples. Whether memory was refused is told by out->failed at the end.
 *
 * labels: as they stand between the braces, name="value", without escapes in the values; "": none. */
#ifndef FORMAT_METRICS_WRITE_H
#define FORMAT_METRICS_WRITE_H

#include "format/buf.h"
#include "format/histogram.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_type { METRICS_COUNTER = 1, METRICS_GAUGE, METRICS_HISTOGRAM };

/* help: one line without backslashes. */
void metrics_family(struct buf *out, const char *name, enum metrics_type type, const char *help);
void metrics_sample(struct buf *out, const char *name, const char *labels, uint64_t value);
void metrics_sample_us(struct buf *out, const char *name, const char *labels,
                       uint64_t us); /* as seconds */
void metrics_sample_histogram(struct buf *out, const char *name, const char *labels,
                              const struct histogram *h);

/* A family of one sample without labels. */
void metrics_counter(struct buf *out, const char *name, uint64_t value, const char *help);
void metrics_gauge(struct buf *out, const char *name, uint64_t value, const char *help);

#endif
