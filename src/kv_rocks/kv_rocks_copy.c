/* kv_rocks_copy.c: a second set of directories with the same content, made of hard links: for who wants to
 * go on from a state without changing it. */
#include <stdio.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks.h"
#include "kv_rocks/kv_rocks_private.h"

static void set_dirs(struct kv_rocks *e, const struct kv_rocks_opts *opts)
{
    e->disk = opts->disk;
    snprintf(e->dir, sizeof e->dir, "%s", opts->dir);
    snprintf(e->snap_dir, sizeof e->snap_dir, "%s", opts->snap_dir);
}

/* The database that counts, as db-1. What stands in the way of that is what opening the copy will find:
 * then it goes by the checkpoint, as opening the original would. */
static int copy_generation(struct kv_rocks *from, struct kv_rocks *to, const struct rocks_scan *scan)
{
    char source[ROCKS_PATH_BYTES], target[ROCKS_PATH_BYTES];
    bool damaged = scan->pointer_damaged;
    rocks_path_generation(from, scan->pointer, source);
    rocks_path_generation(to, 1, target);
    if (!damaged) damaged = rocks_dir_clone(to, source, target) < 0;
    if (damaged && scan->checkpoint_max == 0)
        return rocks_fail(to, MS_ECORRUPT, "%s holds no database that can be read", from->dir);
    return rocks_pointer_write(to, 1, damaged);
}

static int copy(struct kv_rocks *from, struct kv_rocks *to)
{
    char source[ROCKS_PATH_BYTES], target[ROCKS_PATH_BYTES];
    struct rocks_scan scan;
    int rv = rocks_dir_scan(from, &scan);
    if (rv == 0) rv = rocks_dir_make(to, to->dir);
    if (rv == 0) rv = rocks_dir_make(to, to->snap_dir);
    if (rv < 0) return rv;
    if (!scan.has_pointer && scan.checkpoint_max > 0)
        return rocks_fail(to, MS_ECORRUPT, "%s/CURRENT-DB is missing", from->dir);
    if (!scan.has_pointer)
        return 0; /* nothing was ever persisted: the log is whole from its beginning */
    if (scan.checkpoint_max > 0) {
        rocks_path_checkpoint(from, scan.checkpoint_max, source);
        rocks_path_checkpoint(to, 1, target);
        rv = rocks_dir_clone(to, source, target);
    }
    return rv < 0 ? rv : copy_generation(from, to, &scan);
}

int kv_rocks_copy(const struct kv_rocks_opts *from, const struct kv_rocks_opts *to,
                  const struct log_sink *log, char *why, size_t why_cap)
{
    struct kv_rocks source = { .log = log }, target = { .log = log };
    set_dirs(&source, from);
    set_dirs(&target, to);
    int rv = copy(&source, &target);
    snprintf(why, why_cap, "%s", source.why[0] ? source.why : target.why);
    return rv;
}
