/* log.h: lines for the operator. The core formats, the host decides where they go. */
#ifndef ENV_LOG_H
#define ENV_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_sink {
    void *ctx;
    enum log_level level; /* lines below it are not formatted */
    /* line: one line without its newline, borrowed. */
    void (*write)(void *ctx, enum log_level level, const char *line);
};

#define LOG_LINE_BYTES_MAX 1024

/* Format and write one line; longer ones are cut. sink may be NULL. */
void log_line(const struct log_sink *sink, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
