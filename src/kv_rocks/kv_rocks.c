/* kv_rocks.c: engine.h over one RocksDB database.
 *
 * put and remove gather in an indexed batch, so that get sees them; commit writes the batch without
 * RocksDB's log; persist flushes and checkpoints. While a replace is under way the batch belongs to the
 * generation that is being built. */
#include "kv_rocks/kv_rocks.h"

#include <stdio.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

struct engine_view {
    struct kv_rocks *owner;
    struct rocks_gen *gen;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *options;
};

struct engine_iter {
    struct kv_rocks *owner;
    struct rocks_gen *gen;
    rocksdb_iterator_t *at;
};

static struct kv_rocks *rocks_of(struct engine *e)
{
    return (struct kv_rocks *)e; /* face is the first member */
}

static const char *rocks_chars(struct bytes b)
{
    return b.len ? (const char *)b.data : "";
}

/* What is not committed, over the database: only this needs the batch's index, and a copy. */
static int rocks_get_pending(struct kv_rocks *e, struct bytes key, struct buf *out)
{
    char *err = NULL;
    size_t len = 0;
    char *value = rocksdb_writebatch_wi_get_from_batch_and_db(e->batch, e->current->db, e->read_options,
                                                              rocks_chars(key), key.len, &len, &err);
    if (err) return rocks_fail_db(e, e->current, "reading", err);
    if (!value) return MS_ENOTFOUND;
    buf_append(out, value, len);
    rocksdb_free(value);
    return out->failed ? MS_ENOMEM : 0;
}

static int rocks_get(struct engine *engine, struct engine_view *view, struct bytes key, struct buf *out)
{
    struct kv_rocks *e = rocks_of(engine);
    struct rocks_gen *g = view ? view->gen : e->current;
    char *err = NULL;
    size_t len = 0;
    MS_ASSERT(key.len > 0 && key.len <= ENGINE_KEY_BYTES_MAX);
    if (!view && !e->next && rocksdb_writebatch_wi_count(e->batch) > 0) {
        return rocks_get_pending(e, key, out);
    }
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned(g->db, view ? view->options : e->read_options,
                                                      rocks_chars(key), key.len, &err);
    if (err) return rocks_fail_db(e, g, "reading", err);
    if (!pin) return MS_ENOTFOUND;
    const char *value = rocksdb_pinnableslice_value(pin, &len);
    buf_append(out, value, len);
    rocksdb_pinnableslice_destroy(pin);
    return out->failed ? MS_ENOMEM : 0;
}

static int rocks_put(struct engine *engine, struct bytes key, struct bytes value)
{
    struct kv_rocks *e = rocks_of(engine);
    MS_ASSERT(key.len > 0 && key.len <= ENGINE_KEY_BYTES_MAX);
    MS_ASSERT(value.len <= ENGINE_VALUE_BYTES_MAX);
    rocksdb_writebatch_wi_put(e->batch, rocks_chars(key), key.len, rocks_chars(value), value.len);
    return 0;
}

static int rocks_remove(struct engine *engine, struct bytes key)
{
    struct kv_rocks *e = rocks_of(engine);
    MS_ASSERT(key.len > 0 && key.len <= ENGINE_KEY_BYTES_MAX);
    rocksdb_writebatch_wi_delete(e->batch, rocks_chars(key), key.len);
    return 0;
}

static int rocks_ready(struct engine *engine)
{
    return rocks_space_ready(rocks_of(engine));
}

static int rocks_commit(struct engine *engine)
{
    struct kv_rocks *e = rocks_of(engine);
    struct rocks_gen *g = e->next ? e->next : e->current;
    char *err = NULL;
    if (rocksdb_writebatch_wi_count(e->batch) == 0) return 0;
    rocks_space_written(e);
    rocksdb_write_writebatch_wi(g->db, e->write_options, e->batch, &err);
    rocksdb_writebatch_wi_clear(e->batch);
    if (err) {
        int rv = rocks_fail_db(e, g, "writing", err);
        return e->next ? rocks_space_judge(e, g, rv) : rv;
    }
    if (e->next || e->flush_every == 0 || ++e->commit_count % e->flush_every != 0) return 0;
    return rocks_space_for_flush(e) == 0 ? rocks_gen_flush(e, g) : 0; /* as a full buffer would be */
}

static struct engine_view *rocks_view_open(struct engine *engine)
{
    struct kv_rocks *e = rocks_of(engine);
    struct engine_view *view = ms_alloc_zeroed(e->alloc, sizeof *view);
    if (!view) return NULL;
    view->owner = e;
    view->gen = rocks_gen_hold(e->current);
    view->snapshot = rocksdb_create_snapshot(view->gen->db);
    view->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(view->options, view->snapshot);
    return view;
}

static void rocks_view_close(struct engine *engine, struct engine_view *view)
{
    struct kv_rocks *e = rocks_of(engine);
    MS_ASSERT(view->owner == e);
    rocksdb_readoptions_destroy(view->options);
    rocksdb_release_snapshot(view->gen->db, view->snapshot);
    rocks_gen_drop(e, view->gen);
    ms_free(e->alloc, view);
}

static struct engine_iter *rocks_iter_open(struct engine *engine, struct engine_view *view)
{
    struct kv_rocks *e = rocks_of(engine);
    struct engine_iter *i = ms_alloc_zeroed(e->alloc, sizeof *i);
    if (!i) return NULL;
    i->owner = e;
    i->gen = rocks_gen_hold(view ? view->gen : e->current);
    i->at = rocksdb_create_iterator(i->gen->db, view ? view->options : e->read_options);
    return i;
}

static void rocks_iter_seek(struct engine_iter *i, struct bytes key)
{
    rocksdb_iter_seek(i->at, rocks_chars(key), key.len);
}

static struct bytes rocks_iter_key(const struct engine_iter *i)
{
    size_t len = 0;
    const char *key = rocksdb_iter_key(i->at, &len);
    return bytes_of(key, len);
}

static void rocks_iter_seek_before(struct engine_iter *i, struct bytes key)
{
    rocksdb_iter_seek_for_prev(i->at, rocks_chars(key), key.len);
    if (rocksdb_iter_valid(i->at) && bytes_equal(rocks_iter_key(i), key)) rocksdb_iter_prev(i->at);
}

static void rocks_iter_next(struct engine_iter *i)
{
    rocksdb_iter_next(i->at);
}

static void rocks_iter_prev(struct engine_iter *i)
{
    rocksdb_iter_prev(i->at);
}

static bool rocks_iter_valid(const struct engine_iter *i)
{
    return rocksdb_iter_valid(i->at);
}

static struct bytes rocks_iter_value(const struct engine_iter *i)
{
    size_t len = 0;
    const char *value = rocksdb_iter_value(i->at, &len);
    return bytes_of(value, len);
}

static int rocks_iter_status(const struct engine_iter *i)
{
    char *err = NULL;
    rocksdb_iter_get_error(i->at, &err);
    return err ? rocks_fail_db(i->owner, i->gen, "iterating", err) : 0;
}

static void rocks_iter_close(struct engine_iter *i)
{
    struct kv_rocks *e = i->owner;
    rocksdb_iter_destroy(i->at);
    rocks_gen_drop(e, i->gen);
    ms_free(e->alloc, i);
}

/* A running engine knows two kinds of failure of its directories: no room, which passes, and the rest.
 */
static int rocks_fatal(int rv)
{
    bool passes = rv == 0 || rv == MS_ENOMEM || rv == MS_ENOSPC || rv <= MS_EFATAL;
    return passes ? rv : MS_EIO;
}

static int rocks_persist(struct engine *engine)
{
    struct kv_rocks *e = rocks_of(engine);
    int rv = rocks_space_for_flush(e);
    if (rv == 0) rv = rocks_gen_flush(e, e->current);
    if (rv == 0 && rocks_space_for_compaction(e) && e->compact_every > 0 &&
        ++e->persist_count % e->compact_every == 0)
        rv = rocks_gen_compact(e, e->current);
    if (rv == 0) rv = rocks_checkpoint_make(e, e->current);
    if (rv == 0) rv = rocks_checkpoint_publish(e);
    return rocks_fatal(rv);
}

static int rocks_replace_begin(struct engine *engine)
{
    struct kv_rocks *e = rocks_of(engine);
    char path[ROCKS_PATH_BYTES];
    MS_ASSERT(!e->next);
    rocksdb_writebatch_wi_clear(e->batch);
    rocks_path_generation(e, e->generation_max + 1, path);
    int rv = rocks_dir_remove(e, path);
    if (rv == 0) rv = rocks_gen_open(e, e->generation_max + 1, true, &e->next);
    return rocks_fatal(rv);
}

/* Make the new generation the one that counts (R1). Its checkpoint is made before and published after
 * the switch (R2): one of the new content must not be found beside a pointer to the old one, and the
 * replica's log is cut as soon as this returns, so that the old checkpoint is of no more use. */
static int rocks_replace_keep(struct kv_rocks *e)
{
    int rv = rocks_space_judge(e, e->next, rocks_gen_flush(e, e->next));
    if (rv == 0) rv = rocks_checkpoint_make(e, e->next);
    if (rv == 0) rv = rocks_dir_sync(e, e->dir);
    if (rv == 0) rv = rocks_pointer_write(e, e->next->number, false);
    if (rv < 0) return rv;
    struct rocks_gen *old = e->current;
    e->current = e->next;
    e->next = NULL;
    e->marked_damaged = false;
    old->obsolete = true;
    rocks_gen_drop(e, old); /* R3: views may still be reading it */
    rocks_space_replaced(e);
    /* The content has been replaced: from here on there is no failure that leaves it as it was. */
    return rocks_checkpoint_publish(e) < 0 ? MS_EIO : 0;
}

static int rocks_replace_end(struct engine *engine, bool keep)
{
    struct kv_rocks *e = rocks_of(engine);
    int rv = 0;
    MS_ASSERT(e->next);
    rocksdb_writebatch_wi_clear(e->batch);
    if (keep) rv = rocks_replace_keep(e);
    if (e->next) { /* given up, or failed before the switch; if in it, the next start looks at both */
        e->next->obsolete = rv > MS_EFATAL;
        rocks_gen_drop(e, e->next);
        e->next = NULL;
    }
    return rocks_fatal(rv);
}

static uint64_t rocks_bytes(const struct engine *engine)
{
    const struct kv_rocks *e = (const struct kv_rocks *)engine;
    uint64_t tables = 0, buffers = 0;
    rocksdb_property_int(e->current->db, "rocksdb.estimate-live-data-size", &tables);
    rocksdb_property_int(e->current->db, "rocksdb.cur-size-all-mem-tables", &buffers);
    return tables + buffers;
}

static void rocks_stats(const struct engine *engine, struct engine_stats *out)
{
    const struct kv_rocks *e = (const struct kv_rocks *)engine;
    rocksdb_property_int(e->current->db, "rocksdb.total-sst-files-size", &out->file_bytes);
    rocksdb_property_int(e->current->db, "rocksdb.block-cache-usage", &out->cache_bytes);
    rocksdb_property_int(e->current->db, "rocksdb.cur-size-all-mem-tables", &out->buffer_bytes);
}

enum kv_rocks_source kv_rocks_source(const struct engine *engine)
{
    return ((const struct kv_rocks *)engine)->source;
}

static void rocks_release(struct kv_rocks *e)
{
    if (e->batch) rocksdb_writebatch_wi_destroy(e->batch);
    if (e->flush_options) rocksdb_flushoptions_destroy(e->flush_options);
    if (e->read_options) rocksdb_readoptions_destroy(e->read_options);
    if (e->write_options) rocksdb_writeoptions_destroy(e->write_options);
    if (e->options) rocksdb_options_destroy(e->options);
    ms_free(e->alloc, e);
}

static void rocks_close(struct engine *engine)
{
    struct kv_rocks *e = rocks_of(engine);
    if (e->next) rocks_replace_end(engine, false);
    MS_ASSERT(e->current->refs == 1); /* every view and iterator is closed before the engine */
    rocks_gen_drop(e, e->current);
    rocks_release(e);
}

static const struct engine_ops rocks_ops = {
    .get = rocks_get,
    .put = rocks_put,
    .remove = rocks_remove,
    .commit = rocks_commit,
    .ready = rocks_ready,
    .view_open = rocks_view_open,
    .view_close = rocks_view_close,
    .iter_open = rocks_iter_open,
    .iter_seek = rocks_iter_seek,
    .iter_seek_before = rocks_iter_seek_before,
    .iter_next = rocks_iter_next,
    .iter_prev = rocks_iter_prev,
    .iter_valid = rocks_iter_valid,
    .iter_key = rocks_iter_key,
    .iter_value = rocks_iter_value,
    .iter_status = rocks_iter_status,
    .iter_close = rocks_iter_close,
    .persist = rocks_persist,
    .replace_begin = rocks_replace_begin,
    .replace_end = rocks_replace_end,
    .bytes = rocks_bytes,
    .stats = rocks_stats,
    .durable = true,
    .close = rocks_close,
};

/* The paths, and the directory for checkpoints. */
static int rocks_dirs_init(struct kv_rocks *e, const struct kv_rocks_opts *opts)
{
    size_t dir_len = strlen(opts->dir), snap_len = strlen(opts->snap_dir);
    if (dir_len >= sizeof e->dir || snap_len >= sizeof e->snap_dir) {
        return rocks_fail(e, MS_EINVAL, "the data directory's path is longer than %zu bytes",
                          sizeof e->dir - 1);
    }
    e->disk = opts->disk;
    e->write_buffer_bytes = opts->write_buffer_bytes;
    e->beside_bytes = opts->beside_bytes;
    e->compacts_itself = e->reserves = opts->profile != KV_ROCKS_SIMULATION;
    e->flush_every = opts->flush_every;
    e->compact_every = opts->compact_every;
    e->settle = opts->settle;
    e->settle_ctx = opts->settle_ctx;
    memcpy(e->dir, opts->dir, dir_len + 1);
    memcpy(e->snap_dir, opts->snap_dir, snap_len + 1);
    int rv = rocks_dir_sync(e, e->dir); /* it has to be there: ./data/{id} is the caller's to make */
    if (rv == 0) rv = rocks_dir_make(e, e->snap_dir);
    return rv < 0 ? rv : rocks_dir_sync(e, e->dir);
}

static int rocks_init(struct kv_rocks *e, const struct kv_rocks_opts *opts)
{
    int rv = rocks_dirs_init(e, opts);
    if (rv < 0) return rv;
    e->options = rocks_options_create(e, opts);
    e->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(e->write_options, 1);
    e->read_options = rocksdb_readoptions_create();
    e->flush_options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(e->flush_options, 1);
    e->batch = rocksdb_writebatch_wi_create(0, 1);
    rocks_reserve_release(e);
    rv = rocks_open_state(e);
    if (rv == 0) rocks_reserve_make(e);
    return rv;
}

int kv_rocks_open(struct engine **out, const struct kv_rocks_opts *opts, const struct ms_alloc *alloc,
                  const struct log_sink *log, char *why, size_t why_cap)
{
    struct kv_rocks *e = ms_alloc_zeroed(alloc, sizeof *e);
    if (why_cap) why[0] = '\0';
    if (!e) return MS_ENOMEM;
    e->face.ops = &rocks_ops;
    e->alloc = alloc;
    e->log = log;
    int rv = rocks_init(e, opts);
    if (rv == 0) {
        *out = &e->face;
        return 0;
    }
    snprintf(why, why_cap, "%s", e->why);
    rocks_gen_drop(e, e->current);
    rocks_release(e);
    return rv;
}

int kv_rocks_wipe(const struct kv_rocks_opts *opts, const struct log_sink *log, char *why,
                  size_t why_cap)
{
    struct kv_rocks e = { .log = log };
    int rv = rocks_dirs_init(&e, opts);
    /* The pointer goes last: while it is there, what is half removed does not look like a first start.
     */
    if (rv == 0) rv = rocks_dir_tidy(&e, 0, 0);
    if (rv == 0) rv = rocks_dir_sync(&e, e.snap_dir);
    if (rv == 0) rv = rocks_pointer_remove(&e);
    if (rv == 0) rocks_reserve_drop(&e);
    snprintf(why, why_cap, "%s", e.why);
    return rv;
}
