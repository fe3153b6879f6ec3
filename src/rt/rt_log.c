#include "rt/rt_log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format/json_write.h"
#include "rt/rt_alloc.h"
#include "rt/rt_clock.h"

/* Each byte of a line may be an escape of six. */
#define JSON_LINE_BYTES_MAX (6u * LOG_LINE_BYTES_MAX + 128u)

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

static void stderr_write_json(void *arg, enum ms_log_level level, const char *line)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char when[RT_CLOCK_TEXT_BYTES];
    struct buf text;
    struct json_write w;
    (void)arg;
    rt_clock_text(when);
    buf_init(&text, rt_alloc_heap(), JSON_LINE_BYTES_MAX);
    json_write_init(&w, &text, 0);
    json_object_begin(&w);
    json_field_text(&w, "time", when);
    json_field_text(&w, "level", names[level]);
    json_field_text(&w, "message", line);
    json_object_end(&w);
    buf_append_u8(&text, '\n');
    if (!text.failed && write(STDERR_FILENO, text.data, text.len) < 0) { /* nobody listens */
    }
    buf_fini(&text);
}

void rt_log_init(struct rt_log *log, const struct ms_options *options)
{
    log->write = options->log                         ? options->log
                 : options->log_format == MS_LOG_JSON ? stderr_write_json
                                                      : stderr_write;
    log->arg = options->log_arg;
    log->sink = (struct log_sink){ .ctx = log,
                                   .level = (enum log_level)options->log_level,
                                   .write = sink_write };
}
