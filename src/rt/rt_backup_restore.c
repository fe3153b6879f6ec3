/* rt_backup_restore.c: ms_snapshot_restore(): a backup becomes the directories of a new cluster of one.
 *
 *   1  the backup is read to its end; then the directory is made and locked; it and others have to be empty
 *   2  rt_dirs_partial() is made in it, durably: from here on a start refuses this directory
 *   3  the state: a snapshot file (memory), a database and its checkpoint (rocksdb), durable
 *   4  a log that begins behind the state, with the identity of the member, durable
 *   5  rt_dirs_partial() goes, durably: it is a member
 *
 * So a crash leaves what no start takes for a member, old or new; a failure takes away what was made. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks.h"
#include "rt/rt_alloc.h"
#include "rt/rt_backup.h"
#include "rt/rt_dirs.h"
#include "rt/rt_disk.h"
#include "rt/rt_log.h"
#include "rt/rt_options.h"
#include "rt/rt_sync_disk.h"
#include "wal/wal.h"

#ifdef __APPLE__
#include <sys/random.h>
#endif

#define PREWRITE_BYTES (1u << 20) /* of the log: what a start would make, too */
#define CLEAN_DEPTH_MAX 4u

struct restore {
    const char *file;
    struct rt_setup setup;
    struct rt_dirs dirs;
    struct rt_sync_disk disk;
    struct rt_log log;
    struct kv *kv;
    struct kv_refound refound;
    struct kv_info info;
    struct ms_snapshot_report report; /* of the file, then of what is made of it */
    char *why;
};

static int refuse(struct restore *r, int status, const char *what)
{
    return rt_backup_fail(status, what, r->dirs.home, r->why);
}

static int call(struct restore *r, enum disk_op_kind kind, const char *path, const char *what)
{
    struct disk_op op = { .kind = kind, .create = true, .file = DISK_FILE_NONE };
    snprintf(op.path, sizeof op.path, "%s", path);
    int rv = r->disk.face.ops->call(&r->disk.face, &op);
    if (rv == 0 && kind == DISK_OP_OPEN) close(op.file);
    return rv < 0 ? rt_backup_fail(rv, what, path, r->why) : 0;
}

/* ---- who it becomes ---- */

static int new_identity(struct restore *r, uint64_t bump)
{
    const struct config_member *self = config_find(&r->setup.cluster, r->setup.options.id);
    MS_ASSERT(self != NULL); /* rt_setup_init() has seen to that */
    if (r->setup.cluster.member_count != 1) {
        snprintf(r->why, MS_WHY_BYTES,
                 "--cluster: a restored cluster begins with one member; others are added to it then");
        return MS_EINVAL;
    }
    r->refound.member_id = self->id;
    r->refound.revision_bump = bump;
    snprintf(r->refound.url, sizeof r->refound.url, "%s", self->url);
    if (getentropy(r->refound.cluster_uuid, MS_UUID_BYTES) != 0 ||
        getentropy(r->refound.nonce, MS_UUID_BYTES) != 0)
        return refuse(r, MS_EIO, "get random numbers for");
    return 0;
}

/* ---- directories ---- */

static int anything(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    char *first = arg;
    (void)is_dir, (void)size_bytes;
    snprintf(first, DISK_NAME_BYTES_MAX, "%s", name);
    return 1;
}

static int empty_check(struct restore *r, const char *dir)
{
    char name[DISK_NAME_BYTES_MAX];
    int rv = rt_disk_list(&r->disk.face, dir, anything, name);
    if (rv == 0 || rv == MS_ENOTFOUND) return 0;
    if (rv < 0) return rt_backup_fail(rv, "look into", dir, r->why);
    snprintf(r->why, MS_WHY_BYTES,
             "%s is not empty (%s): a backup is restored into new directories only", dir, name);
    return MS_EEXIST;
}

/* The names are known; what is there already has to be empty, whoever made it. */
static int take_directories(struct restore *r)
{
    int rv = empty_check(r, r->dirs.home);
    if (rv == 0) rv = empty_check(r, r->dirs.snap);
    if (rv == 0) rv = rt_dirs_lock(&r->dirs, &r->setup, &r->disk.face, r->why);
    return rv;
}

static int remove_one(void *arg, const char *name, bool is_dir, uint64_t size_bytes);

struct clean {
    struct restore *r;
    const char *dir;
    uint32_t depth;
};

static void clean(struct restore *r, const char *dir, uint32_t depth)
{
    struct clean c = { .r = r, .dir = dir, .depth = depth };
    rt_disk_list(&r->disk.face, dir, remove_one, &c);
    rmdir(dir);
}

static int remove_one(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    const struct clean *c = arg;
    char path[DISK_PATH_BYTES_MAX];
    (void)size_bytes;
    if (snprintf(path, sizeof path, "%s/%s", c->dir, name) >= (int)sizeof path) return 0;
    if (!is_dir)
        unlink(path);
    else if (c->depth < CLEAN_DEPTH_MAX)
        clean(c->r, path, c->depth + 1);
    return 0;
}

static int mark_partial(struct restore *r, bool partial)
{
    char path[DISK_PATH_BYTES_MAX];
    rt_dirs_partial(&r->dirs, path);
    int rv = call(r, partial ? DISK_OP_OPEN : DISK_OP_REMOVE, path, partial ? "make" : "remove");
    return rv == 0 ? call(r, DISK_OP_SYNC_DIR, r->dirs.home, "sync the directory") : rv;
}

/* ---- the state ---- */

static int open_engine(struct restore *r, struct engine **out)
{
    struct kv_rocks_opts opts;
    if (r->setup.options.storage == MS_STORAGE_MEMORY) {
        *out = kv_mem_create(rt_alloc_heap());
        return *out ? 0 : refuse(r, MS_ENOMEM, "hold the state of");
    }
    kv_rocks_opts_default(&opts, &r->disk.face);
    opts.dir = r->dirs.home;
    opts.snap_dir = r->dirs.snap;
    return kv_rocks_open(out, &opts, rt_alloc_heap(), &r->log.sink, r->why, MS_WHY_BYTES);
}

static int open_kv(struct restore *r)
{
    struct engine *engine;
    int rv = open_engine(r, &engine);
    if (rv < 0) return rv;
    rv = kv_create(&r->kv, engine, rt_alloc_heap(), &r->log.sink);
    if (rv == 0) return 0;
    engine->ops->close(engine);
    return refuse(r, rv, "make the state in");
}

static int load_failed(struct restore *r, const struct rt_chunks *c, int status)
{
    const char *text = ms_err_text(status);
    if (status == MS_ETOOBIG) text = "its revision cannot be raised so far";
    if (status == MS_EINVAL) text = "it holds no cluster: the member it was taken of had none yet";
    snprintf(r->why, MS_WHY_BYTES, "%s, offset %llu: %s", r->file, (unsigned long long)c->offset, text);
    return status;
}

static int load(struct restore *r)
{
    struct rt_chunks c;
    int rv = rt_chunks_open(&c, r->file, r->why);
    if (rv < 0) return rv;
    rv = rt_backup_load(&c, r->kv, &r->refound, &r->info);
    if (rv < 0) load_failed(r, &c, rv);
    rt_chunks_close(&c);
    return rv;
}

/* The name that node_boot.c looks for. */
static int write_snapshot(struct restore *r)
{
    struct rt_backup b;
    char path[DISK_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/snap-%016llx-%016llx", r->dirs.snap,
             (unsigned long long)r->info.applied_index, (unsigned long long)r->info.applied_term);
    int rv = rt_backup_create(&b, path, r->why);
    if (rv < 0) return rv;
    rv = rt_backup_dump(&b, r->kv, r->why);
    if (rv == 0) return rt_backup_finish(&b, &r->report, r->why);
    rt_backup_abandon(&b);
    return rv;
}

static int persist(struct restore *r)
{
    struct kv_job job = { .kind = KV_JOB_PERSIST };
    kv_run(r->kv, &job);
    return job.status < 0 ? refuse(r, job.status, "write the database in") : 0;
}

static int make_state(struct restore *r)
{
    int rv = open_kv(r);
    if (rv < 0) return rv;
    rv = load(r);
    if (rv == 0) rv = r->setup.options.storage == MS_STORAGE_MEMORY ? write_snapshot(r) : persist(r);
    kv_destroy(r->kv);
    r->kv = NULL;
    return rv;
}

/* ---- the log ---- */

/* Until the batch is durable. */
static int wait_durable(struct restore *r, struct wal *w)
{
    struct wal_event ev;
    struct disk_op *op;
    while ((op = rt_sync_disk_next(&r->disk)) != NULL) {
        int rv = wal_on_disk(w, op);
        if (rv < 0) return rv;
        while (wal_next_event(w, &ev)) {
            if (ev.kind == WAL_EVENT_DURABLE) return 0;
        }
    }
    return MS_ENOSPC; /* nothing is under way, so it waits for room */
}

static void write_batch(struct restore *r, struct wal *w)
{
    struct wal_state state = { .term = r->info.applied_term,
                               .snapshot_index = r->info.applied_index,
                               .snapshot_term = r->info.applied_term,
                               .flags = WAL_FLAG_ATTACHED,
                               .added_index = r->info.applied_index };
    memcpy(state.cluster_uuid, r->info.cluster_uuid, MS_UUID_BYTES);
    wal_batch_begin(w);
    wal_batch_reset(w, r->info.applied_index, r->info.applied_term);
    wal_batch_state(w, &state);
    wal_batch_commit(w, 1);
}

static int no_entry(void *arg, uint64_t index, uint64_t term, struct bytes payload)
{
    (void)arg, (void)index, (void)term, (void)payload;
    return MS_EEXIST; /* the directory was empty */
}

static int make_log(struct restore *r)
{
    struct wal_opts opts = { .dir = r->dirs.log,
                             .member_id = r->refound.member_id,
                             .segment_bytes = r->setup.options.wal_segment_bytes,
                             .prewrite_bytes = PREWRITE_BYTES,
                             .spare_segments_max = 2 };
    struct wal_recovery found;
    struct wal *w;
    memcpy(opts.nonce, r->refound.nonce, MS_UUID_BYTES);
    int rv = wal_open(&w, &opts, &r->disk.face, rt_alloc_heap(), &r->log.sink, &found, no_entry, NULL);
    if (rv < 0) return rt_backup_fail(rv, "make the log in", r->dirs.log, r->why);
    write_batch(r, w);
    rv = wait_durable(r, w);
    while (rt_sync_disk_next(&r->disk)) { /* done, and of no more interest */
    }
    wal_close(w);
    return rv < 0 ? rt_backup_fail(rv, "write the log in", r->dirs.log, r->why) : 0;
}

/* ---- the whole ---- */

static int make_member(struct restore *r)
{
    int rv = mark_partial(r, true);
    if (rv == 0) rv = rt_dirs_make(&r->dirs, &r->disk.face, r->why);
    if (rv == 0) rv = make_state(r);
    if (rv == 0) rv = make_log(r);
    if (rv == 0) rv = mark_partial(r, false);
    if (rv == 0) return 0;
    if (strcmp(r->dirs.snap, r->dirs.home) != 0) clean(r, r->dirs.snap, 0);
    clean(r, r->dirs.home, 0);
    return rv;
}

static int restore(struct restore *r, const struct ms_options *options, uint64_t bump)
{
    int rv = rt_setup_init(&r->setup, options, r->why);
    if (rv == 0) rv = new_identity(r, bump);
    if (rv < 0) return rv;
    rt_log_init(&r->log, &r->setup.options);
    rt_sync_disk_init(&r->disk);
    rv = rt_backup_check(r->file, &r->report, r->why);
    if (rv == 0) rv = rt_dirs_find(&r->dirs, &r->setup, &r->disk.face, r->why);
    if (rv == 0) rv = take_directories(r);
    if (rv == 0) rv = make_member(r);
    rt_sync_disk_fini(&r->disk);
    return rv;
}

int ms_snapshot_restore(const char *file, const struct ms_options *options, uint64_t revision_bump,
                        char why[MS_WHY_BYTES])
{
    struct restore *r = ms_alloc_zeroed(rt_alloc_heap(), sizeof *r);
    why[0] = 0;
    if (!r) {
        snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(MS_ENOMEM));
        return MS_ENOMEM;
    }
    r->file = file;
    r->why = why;
    int rv = restore(r, options, revision_bump);
    ms_free(rt_alloc_heap(), r);
    return rv;
}
