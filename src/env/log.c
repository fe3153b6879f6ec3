#include "env/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const struct log_sink *sink, enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX];
    va_list args;
    if (!sink || !sink->write || level < sink->level) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sink->write(sink->ctx, level, line);
}
