/* kv_rocks_gen.c: one database directory from open to removal, and its checkpoints. */
#include <stdio.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define ROCKS_CHECKPOINT_NEW "cp-new"

void rocks_settle(struct kv_rocks *e)
{
    if (e->settle) e->settle(e->settle_ctx);
}

int rocks_gen_open(struct kv_rocks *e, uint64_t number, bool create, struct rocks_gen **out)
{
    char path[ROCKS_PATH_BYTES], *err = NULL;
    struct rocks_gen *g = ms_alloc_zeroed(e->alloc, sizeof *g);
    if (!g) return rocks_fail(e, MS_ENOMEM, "no memory for a database");
    rocks_path_generation(e, number, path);
    int rv = rocks_reserve_check(e, path);
    if (rv < 0) {
        ms_free(e->alloc, g);
        return rv;
    }
    rocksdb_options_set_create_if_missing(e->options, create);
    rocksdb_options_set_error_if_exists(e->options, create);
    g->db = rocksdb_open(e->options, path, &err);
    rocks_settle(e);
    if (err) {
        ms_free(e->alloc, g);
        return rocks_fail_open(e, "opening", path, err);
    }
    g->number = number;
    g->refs = 1;
    if (number > e->generation_max) e->generation_max = number;
    *out = g;
    return 0;
}

struct rocks_gen *rocks_gen_hold(struct rocks_gen *g)
{
    g->refs++;
    return g;
}

void rocks_gen_drop(struct kv_rocks *e, struct rocks_gen *g)
{
    char path[ROCKS_PATH_BYTES];
    if (!g) return;
    MS_ASSERT(g->refs > 0);
    if (--g->refs > 0) return;
    rocksdb_close(g->db);
    rocks_settle(e);
    /* What cannot be removed now is removed at the next start; it has been logged. */
    if (g->obsolete) {
        rocks_path_generation(e, g->number, path);
        rocks_dir_remove(e, path);
    }
    ms_free(e->alloc, g);
}

int rocks_gen_flush(struct kv_rocks *e, struct rocks_gen *g)
{
    char *err = NULL;
    rocksdb_flush(g->db, e->flush_options, &err);
    rocks_settle(e);
    return err ? rocks_fail_db(e, g, "flushing", err) : 0;
}

int rocks_gen_compact(struct kv_rocks *e, struct rocks_gen *g)
{
    rocksdb_compact_range(g->db, NULL, 0, NULL, 0); /* gives no status: the next write has it */
    rocks_settle(e);
    return rocks_gen_flush(e, g);
}

int rocks_gen_verify(struct kv_rocks *e, struct rocks_gen *g)
{
    char path[ROCKS_PATH_BYTES], *err = NULL;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(options, 1);
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_iterator_t *i = rocksdb_create_iterator(g->db, options);
    for (rocksdb_iter_seek_to_first(i); rocksdb_iter_valid(i); rocksdb_iter_next(i)) {
    }
    rocksdb_iter_get_error(i, &err);
    rocksdb_iter_destroy(i);
    rocksdb_readoptions_destroy(options);
    if (!err) return 0;
    rocks_path_generation(e, g->number, path);
    return rocks_fail_open(e, "reading through", path, err); /* no memory, too many files: no damage */
}

/* A checkpoint that failed harms nothing that is there: for want of room it is made again later
 * (DESIGN 5), whereas RocksDB takes no more writes after a flush that failed. */
static int rocks_fail_checkpoint(struct kv_rocks *e, struct rocks_gen *g, char *err)
{
    return rocks_space_judge(e, g, rocks_fail_db(e, g, "checkpointing", err));
}

int rocks_checkpoint_make(struct kv_rocks *e, struct rocks_gen *g)
{
    char path[ROCKS_PATH_BYTES], *err = NULL;
    snprintf(path, sizeof path, "%s/" ROCKS_CHECKPOINT_NEW, e->snap_dir);
    int rv = rocks_dir_remove(e, path); /* of an attempt that failed */
    if (rv < 0) return rv;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(g->db, &err);
    if (err) return rocks_fail_checkpoint(e, g, err);
    /* RocksDB syncs the files it copies and the new directory; the tables were synced when written. */
    rocksdb_checkpoint_create(checkpoint, path, 0, &err);
    rocksdb_checkpoint_object_destroy(checkpoint);
    rocks_settle(e);
    return err ? rocks_fail_checkpoint(e, g, err) : 0;
}

int rocks_checkpoint_publish(struct kv_rocks *e)
{
    char from[ROCKS_PATH_BYTES], to[ROCKS_PATH_BYTES];
    uint64_t old = e->checkpoint_max;
    snprintf(from, sizeof from, "%s/" ROCKS_CHECKPOINT_NEW, e->snap_dir);
    rocks_path_checkpoint(e, old + 1, to);
    int rv = rocks_dir_rename(e, from, to);
    if (rv == 0) rv = rocks_dir_sync(e, e->snap_dir);
    if (rv < 0) return rv;
    e->checkpoint_max = old + 1;
    if (old == 0) return 0;
    rocks_path_checkpoint(e, old, to);
    return rocks_dir_remove(e, to);
}
