/* kv_rocks_error.c: what went wrong, as a code for the replica and as a line for the operator.
 * rocksdb/c.h reports errors as text only; the words matched here are those of Status::ToString() and
 * of strerror(), which RocksDB appends. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

int rocks_fail(struct kv_rocks *e, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(e->why, sizeof e->why, format, args);
    va_end(args);
    if (len < 0) e->why[0] = '\0';
    log_line(e->log, LOG_ERROR, "rocksdb: %s", e->why);
    return code;
}

int rocks_fail_disk(struct kv_rocks *e, int status, const char *what, const char *path)
{
    return rocks_fail(e, status, "%s %s: %s", what, path, ms_err_text(status));
}

/* The stored bytes are wrong, or a sector of them cannot be read any more: peers have them. A write that
 * fails says nothing about what is stored. */
static bool rocks_says_damage(const char *err)
{
    bool reading = strstr(err, "While pread") || strstr(err, "While reading");
    if (strncmp(err, "Corruption", strlen("Corruption")) == 0) return true;
    return reading && strstr(err, "Input/output error");
}

int rocks_fail_db(struct kv_rocks *e, const struct rocks_gen *g, const char *what, char *err)
{
    bool damaged = rocks_says_damage(err);
    int rv = rocks_fail(e, damaged ? MS_ELOSTDATA : MS_EIO, "%s db-%llu: %s", what,
                        (unsigned long long)g->number, err);
    rocksdb_free(err);
    /* A database can open well and be rotten inside: without the mark every start would trust it anew,
     * and stop again at the same block. */
    if (damaged && g == e->current && !e->marked_damaged) {
        e->marked_damaged = rocks_pointer_write(e, g->number, true) == 0;
    }
    return rv;
}

/* Words of rocksdb_open, in the order in which they are looked for. Only what speaks of the stored
 * bytes is MS_ECORRUPT: after that code a caller may throw this replica's copy away. A lock, a right, a
 * compression this build lacks, anything unknown: the operator looks first. */
static const struct {
    const char *words;
    int code;
} rocks_open_errors[] = {
    { "lock hold by", MS_ELOCKED },
    { "LOCK: Resource temporarily unavailable", MS_ELOCKED },
    { "Permission denied", MS_EACCES },
    { "Read-only file system", MS_EACCES },
    { "No space left on device", MS_ENOSPC },
    { "no space left on the disk", MS_ENOSPC }, /* the simulated disk's words */
    { "Disk quota exceeded", MS_ENOSPC },
    { "Cannot allocate memory", MS_ENOMEM },
    { "does not exist (create_if_missing", MS_ECORRUPT }, /* CURRENT or the whole directory is gone */
    { "No such file or directory", MS_ECORRUPT },
};

static int code_of(const char *err)
{
    if (rocks_says_damage(err)) return MS_ECORRUPT;
    for (size_t i = 0; i < sizeof rocks_open_errors / sizeof rocks_open_errors[0]; i++) {
        if (strstr(err, rocks_open_errors[i].words)) return rocks_open_errors[i].code;
    }
    return MS_EIO;
}

int rocks_fail_open(struct kv_rocks *e, const char *what, const char *path, char *err)
{
    int code = rocks_fail(e, code_of(err), "%s %s: %s", what, path, err);
    rocksdb_free(err);
    return code;
}
