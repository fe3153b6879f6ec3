/* rt_log.h: where the lines of a member go: the embedder's function, or standard error. */
#ifndef RT_RT_LOG_H
#define RT_RT_LOG_H

#include "env/log.h"
#include "metastore/metastore.h"

struct rt_log {
    struct log_sink sink; /* what the core borrows */
    void (*write)(void *arg, enum ms_log_level level, const char *line);
    void *arg;
};

void rt_log_init(struct rt_log *log, const struct ms_options *options);

#endif
