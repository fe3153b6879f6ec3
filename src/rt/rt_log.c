#include "rt/rt_log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/rt_clock.h"

static_assert((int)MS_LOG_DEBUG == (int)LOG_DEBUG && (int)MS_LOG_ERROR == (int)LOG_ERROR,
              "the public levels are the core's");

/* One write a line, so that lines of several threads or processes do not mix. */
static void stderr_write(void *arg, enum ms_log_level level, const char *line)
{
    static const char *const names[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };
    char when[RT_CLOCK_TEXT_BYTES], text[LOG_LINE_BYTES_MAX + 64];
    (void)arg;
    rt_clock_text(when);
    int len = snprintf(text, sizeof text, "%s %s %s\n", when, names[level], line);
    if (len >= (int)sizeof text) len = (int)sizeof text - 1;
    if (write(STDERR_FILENO, text, (size_t)len) < 0) return; /* nobody listens: nothing to be done */
}

static void sink_write(void *ctx, enum log_level level, const char *line)
{
    struct rt_log *log = ctx;
    log->write(log->arg, (enum ms_log_level)level, line);
}

void rt_log_init(struct rt_log *log, const struct ms_options *options)
{
    log->write = options->log ? options->log : stderr_write;
    log->arg = options->log_arg;
    log->sink = (struct log_sink){ .ctx = log,
                                   .level = (enum log_level)options->log_level,
                                   .write = sink_write };
}
