/* kv_rocks_open.c: which content a start finds.
 *
 * The pointer's generation if it opens; else the checkpoint, behind which the replica's log is whole;
 * else, if there never was anything, a new one; else MS_ECORRUPT. RocksDB's repair and best-effort
 * recovery are not used: they open with acknowledged data missing (TOOLBOX 1.6). */
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

/* Restore the checkpoint into a new generation and let the pointer name it. It is read through first:
 * its tables are hard links to those of the generation that has just failed. */
static int rocks_restore(struct kv_rocks *e, const struct rocks_scan *scan)
{
    char from[ROCKS_PATH_BYTES], to[ROCKS_PATH_BYTES];
    uint64_t number = scan->generation_max + 1;
    rocks_path_checkpoint(e, scan->checkpoint_max, from);
    rocks_path_generation(e, number, to);
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
    if (scan->generation_max > 0) rv = rocks_gen_open(e, 1, false, &e->current);
    if (rv == MS_ECORRUPT) {
        rocks_path_generation(e, 1, path);
        rv = rocks_dir_remove(e, path);
        if (rv == 0) rv = rocks_gen_open(e, 1, true, &e->current);
    }
    if (rv == 0) rv = rocks_dir_sync(e, e->dir);
    return rv < 0 ? rv : rocks_pointer_write(e, 1, false);
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
    if (rv != MS_ECORRUPT || scan->checkpoint_max == 0) return rv;
    return rocks_restore(e, scan);
}

int rocks_open_state(struct kv_rocks *e)
{
    struct rocks_scan scan;
    int rv = rocks_dir_scan(e, &scan);
    if (rv < 0) return rv;
    e->generation_max = scan.generation_max;
    e->checkpoint_max = scan.checkpoint_max;
    rv = rocks_open_newest(e, &scan);
    return rv < 0 ? rv : rocks_dir_tidy(e, e->current->number, e->checkpoint_max);
}
