/* kv_rocks_open.c: which content a start finds.
 *
 * The pointer's generation if it opens; else the checkpoint, behind which the replica's log is whole;
 * else, if nothing was ever persisted, a new one, behind which the whole log is; else MS_ECORRUPT.
 * RocksDB's repair and best-effort recovery are not used: they open with acknowledged data missing. */
#include <stdio.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define ROCKS_ASIDE_NAME "damaged"

/* Restore the checkpoint into a new generation and let the pointer name it. It is read through first:
 * its tables are hard links to those of the generation that has just failed. */
static int rocks_restore(struct kv_rocks *e, const struct rocks_scan *scan)
{
    char from[ROCKS_PATH_BYTES], to[ROCKS_PATH_BYTES];
    uint64_t number = scan->generation_max + 1;
    rocks_path_checkpoint(e, scan->checkpoint_max, from);
    rocks_path_generation(e, number, to);
    e->source = KV_ROCKS_FROM_CHECKPOINT;
    log_line(e->log, LOG_WARN, "rocksdb: restoring the checkpoint %s", from);
    int rv = rocks_dir_clone(e, from, to);
    if (rv == 0) rv = rocks_gen_open(e, number, false, &e->current);
    if (rv == 0) rv = rocks_gen_verify(e, e->current);
    return rv < 0 ? rv : rocks_pointer_write(e, number, false);
}

/* No pointer and no checkpoint: nothing has ever been persisted, so the replica's log is whole from its
 * beginning. db-1 may be there, if the first start was cut short before the pointer was written. */
static int rocks_first_start(struct kv_rocks *e, const struct rocks_scan *scan)
{
    char path[ROCKS_PATH_BYTES];
    int rv = MS_ECORRUPT;
    e->source = KV_ROCKS_FROM_NOTHING;
    if (scan->generation_max > 0) rv = rocks_gen_open(e, 1, false, &e->current);
    if (rv == MS_ECORRUPT) {
        rocks_path_generation(e, 1, path);
        rv = rocks_dir_remove(e, path);
        if (rv == 0) rv = rocks_gen_open(e, 1, true, &e->current);
    }
    if (rv == 0) rv = rocks_dir_sync(e, e->dir);
    return rv < 0 ? rv : rocks_pointer_write(e, 1, false);
}

/* The first generation does not open, and there is no checkpoint: persist never succeeded, so that the
 * replica's log was never cut. A power cut in a write of RocksDB's manifest is enough for that. What is
 * there is put aside, in case the checkpoint was lost in another way: then the node misses the beginning
 * of its log, and says so. */
static int rocks_begin_anew(struct kv_rocks *e)
{
    char from[ROCKS_PATH_BYTES], to[ROCKS_PATH_BYTES], aside[ROCKS_PATH_BYTES];
    int rv = 0;
    e->source = KV_ROCKS_FROM_NOTHING;
    rocks_path_generation(e, 1, from);
    rocks_path_generation(e, 2, to);
    snprintf(aside, sizeof aside, "%s/" ROCKS_ASIDE_NAME, e->dir);
    log_line(e->log, LOG_WARN, "rocksdb: nothing was persisted yet: %s is put aside as %s", from,
             aside);
    if (rocks_dir_exists(e, from)) { /* else this start is the second one that tries */
        rv = rocks_dir_remove(e, aside);
        if (rv == 0) rv = rocks_dir_rename(e, from, aside);
    }
    if (rv == 0) rv = rocks_dir_remove(e, to);
    if (rv == 0) rv = rocks_gen_open(e, 2, true, &e->current);
    if (rv == 0) rv = rocks_dir_sync(e, e->dir);
    return rv < 0 ? rv : rocks_pointer_write(e, 2, false);
}

/* Without a checkpoint the pointer never named another generation than the first, or the second of a
 * start like this one (R2). */
static bool rocks_never_persisted(const struct rocks_scan *scan)
{
    if (!scan->has_pointer || scan->checkpoint_max > 0) return false;
    return scan->pointer == 1 || (scan->pointer == 0 && scan->generation_max == 1);
}

static int rocks_open_newest(struct kv_rocks *e, const struct rocks_scan *scan)
{
    int rv = MS_ECORRUPT;
    if (!scan->has_pointer && scan->checkpoint_max == 0 && scan->generation_max <= 1) {
        return rocks_first_start(e, scan);
    }
    if (!scan->has_pointer) {
        rocks_fail(e, rv, "%s/CURRENT-DB is missing", e->dir);
    } else if (scan->pointer_damaged) {
        rocks_fail(e, rv, "%s/CURRENT-DB says that its database is damaged", e->dir);
    } else {
        rv = rocks_gen_open(e, scan->pointer, false, &e->current);
    }
    if (rv != MS_ECORRUPT) return rv;
    if (scan->checkpoint_max > 0) return rocks_restore(e, scan);
    return rocks_never_persisted(scan) ? rocks_begin_anew(e) : rv;
}

int rocks_open_state(struct kv_rocks *e)
{
    struct rocks_scan scan;
    int rv = rocks_dir_scan(e, &scan);
    if (rv < 0) return rv;
    e->generation_max = scan.generation_max;
    e->checkpoint_max = scan.checkpoint_max;
    rv = rocks_open_newest(e, &scan);
    if (rv < 0) return rv;
    rv = rocks_dir_tidy(e, e->current->number, e->checkpoint_max);
    if (rv < 0 || e->checkpoint_max > 0 || e->current->number == 1) return rv;
    /* A replace that died between its switch and its checkpoint: the log was cut for it (R2). */
    rv = rocks_gen_flush(e, e->current);
    if (rv == 0) rv = rocks_checkpoint_make(e, e->current);
    return rv < 0 ? rv : rocks_checkpoint_publish(e);
}

int kv_rocks_open_or_rebuild(struct engine **out, const struct kv_rocks_opts *opts, bool alone,
                             bool wrong, const struct ms_alloc *alloc, const struct log_sink *log,
                             char *why, size_t why_cap)
{
    int rv = 0;
    if (wrong) {
        log_line(log, LOG_WARN,
                 "the database in %s is not what the other members have: it is begun anew", opts->dir);
        rv = kv_rocks_wipe(opts, log, why, why_cap);
    }
    if (rv == 0) rv = kv_rocks_open(out, opts, alloc, log, why, why_cap);
    if (rv != MS_ECORRUPT || alone) return rv;
    log_line(log, LOG_ERROR, "%s: rebuilding it from the log and the other members", why);
    rv = kv_rocks_wipe(opts, log, why, why_cap);
    return rv < 0 ? rv : kv_rocks_open(out, opts, alloc, log, why, why_cap);
}
