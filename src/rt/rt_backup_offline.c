/* rt_backup_offline.c: ms_snapshot_save_offline(): the state of a member that does not run, and all of its
 * log behind that.
 *
 * Nothing of the member's is changed. The log may end in entries that were never committed; to apply them
 * to the member's own state would be wrong for good, so this is done to a copy: in memory, or in a database
 * of hard links, below the member's directory, that goes again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#include "wal/wal_inspect.h"

#define COPY_NAME "backup.tmp"
#define BATCH_ENTRIES 64u
static_assert(BATCH_ENTRIES <= KV_APPLY_ENTRIES_MAX, "a job takes a batch");

struct offline {
    struct rt_setup setup;
    struct rt_dirs dirs;
    struct rt_sync_disk disk;
    struct disk reading;
    struct rt_log log;
    char copy[DISK_PATH_BYTES_MAX];
    struct kv *kv;
    struct kv_info info; /* of the state without its log */
    struct wal_inspection found;
    bool matches; /* the log goes on from the state */
    struct entry_ref *entries[BATCH_ENTRIES];
    struct kv_result results[BATCH_ENTRIES];
    uint32_t count;
    uint64_t next_index;
    char *why;
};

static bool has_rocksdb(const struct offline *o)
{
    return o->setup.options.storage == MS_STORAGE_ROCKSDB;
}

static int refuse(struct offline *o, int status, const char *dir, const char *what)
{
    snprintf(o->why, MS_WHY_BYTES, "%s: %s", dir, what);
    return status;
}

/* ---- where it is ---- */

static int is_there(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    (void)arg, (void)name, (void)is_dir, (void)size_bytes;
    return 1;
}

static int take_member(struct offline *o)
{
    int rv = rt_dirs_find(&o->dirs, &o->setup, &o->disk.face, o->why);
    if (rv < 0) return rv;
    rv = rt_disk_list(&o->disk.face, o->dirs.home, is_there, NULL);
    if (rv == 0 || rv == MS_ENOTFOUND)
        return refuse(o, MS_ENOTFOUND, o->dirs.home, "there is no member's data");
    if (rv < 0) return refuse(o, rv, o->dirs.home, ms_err_text(rv));
    rv = o->disk.face.ops->lock(&o->disk.face, o->dirs.home);
    if (rv == MS_ELOCKED) return refuse(o, rv, o->dirs.home, "in use: a member is running on it");
    if (rv < 0) return refuse(o, rv, o->dirs.home, ms_err_text(rv));
    return rt_dirs_partial_check(&o->dirs, o->why);
}

/* ---- the log, judged ---- */

static int judge_log(struct offline *o)
{
    const struct wal_recovery *found = &o->found.recovery;
    int rv = wal_inspect(o->dirs.log, &o->reading, rt_alloc_heap(), &o->found, NULL, NULL);
    if (rv < 0) return refuse(o, rv, o->dirs.log, found->detail[0] ? found->detail : ms_err_text(rv));
    if (o->found.file_count == 0)
        return refuse(o, MS_ELOSTDATA, o->dirs.log, "the log of the member is not there");
    if (found->found == WAL_FOUND_DAMAGED) {
        snprintf(o->why, MS_WHY_BYTES, "acknowledged data is damaged: %.400s", found->detail);
        return MS_ELOSTDATA;
    }
    if (found->state.flags & WAL_FLAG_DAMAGED)
        return refuse(o, MS_ELOSTDATA, o->dirs.log,
                      "its log was damaged, and not repaired by other members since");
    if (found->state.flags & WAL_FLAG_REMOVED)
        return refuse(o, MS_EREMOVED, o->dirs.log,
                      "the member was removed from its cluster: save another one");
    if (o->found.member_id != 0 && o->found.member_id != o->setup.options.id)
        return refuse(o, MS_EFOREIGN, o->dirs.log, "it is the log of another member");
    return 0;
}

/* ---- the state ---- */

static int make_kv(struct offline *o, struct engine *engine)
{
    int rv = engine ? kv_create(&o->kv, engine, rt_alloc_heap(), &o->log.sink) : MS_ENOMEM;
    if (rv == 0) return 0;
    if (engine) engine->ops->close(engine);
    return refuse(o, rv, o->dirs.home, ms_err_text(rv));
}

struct newest {
    uint64_t index, term, below_index, below_term; /* below: of the one that was damaged */
    bool any, below;
};

/* The names of node_snap_take.c; they are listed in rising order. */
static int note_snapshot(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct newest *n = arg;
    unsigned long long index, term;
    char end;
    (void)size_bytes;
    if (is_dir || strlen(name) != 38) return 0;
    if (sscanf(name, "snap-%16llx-%16llx%c", &index, &term, &end) != 2) return 0;
    if (n->below && (index > n->below_index || (index == n->below_index && term >= n->below_term)))
        return 0;
    n->index = index;
    n->term = term;
    n->any = true;
    return 0;
}

static int load_file(struct offline *o, uint64_t index, uint64_t term)
{
    struct rt_chunks c;
    char path[DISK_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/snap-%016llx-%016llx", o->dirs.snap, (unsigned long long)index,
             (unsigned long long)term);
    int rv = rt_chunks_open(&c, path, o->why);
    if (rv < 0) return rv;
    rv = rt_backup_load(&c, o->kv, NULL, &o->info);
    if (rv < 0) refuse(o, rv, path, ms_err_text(rv));
    rt_chunks_close(&c);
    return rv;
}

/* The newest snapshot that is whole, as a start takes it; none is fine, if the log begins at the start. */
static int load_newest(struct offline *o)
{
    struct newest n = { 0 };
    for (;;) {
        n.any = false;
        int rv = rt_disk_list(&o->disk.face, o->dirs.snap, note_snapshot, &n);
        if (rv < 0 && rv != MS_ENOTFOUND) return refuse(o, rv, o->dirs.snap, ms_err_text(rv));
        if (!n.any) return 0;
        rv = load_file(o, n.index, n.term);
        if (rv != MS_ECORRUPT && rv != MS_ESHORT) return rv;
        n.below = true;
        n.below_index = n.index;
        n.below_term = n.term;
    }
}

static int remove_copy(struct offline *o, struct kv_rocks_opts *opts)
{
    int rv = 0;
    if (access(o->copy, F_OK) == 0) {
        rv = kv_rocks_wipe(opts, &o->log.sink, o->why, MS_WHY_BYTES);
        rmdir(opts->snap_dir);
        rmdir(o->copy);
    }
    return rv;
}

static int open_copy(struct offline *o)
{
    struct kv_rocks_opts from, to;
    struct engine *engine;
    char snap[DISK_PATH_BYTES_MAX];
    kv_rocks_opts_default(&from, &o->disk.face);
    from.dir = o->dirs.home;
    from.snap_dir = o->dirs.snap;
    to = from;
    if (snprintf(o->copy, sizeof o->copy, "%s/" COPY_NAME, o->dirs.home) >= (int)sizeof o->copy ||
        snprintf(snap, sizeof snap, "%s/snap", o->copy) >= (int)sizeof snap)
        return refuse(o, MS_ETOOBIG, o->dirs.home, "the path is too long");
    to.dir = o->copy;
    to.snap_dir = snap;
    int rv = remove_copy(o, &to);
    if (rv == 0) rv = kv_rocks_copy(&from, &to, &o->log.sink, o->why, MS_WHY_BYTES);
    if (rv == 0) rv = kv_rocks_open(&engine, &to, rt_alloc_heap(), &o->log.sink, o->why, MS_WHY_BYTES);
    if (rv == 0) rv = make_kv(o, engine);
    return rv == MS_ECORRUPT ? MS_ELOSTDATA : rv;
}

static void close_state(struct offline *o)
{
    struct kv_rocks_opts opts;
    char snap[DISK_PATH_BYTES_MAX + 8], why[MS_WHY_BYTES];
    char *said = o->why;
    if (o->kv) kv_destroy(o->kv);
    if (!o->copy[0]) return;
    kv_rocks_opts_default(&opts, &o->disk.face);
    snprintf(snap, sizeof snap, "%s/snap", o->copy);
    opts.dir = o->copy;
    opts.snap_dir = snap;
    o->why = why; /* what was said before is what matters */
    remove_copy(o, &opts);
    o->why = said;
}

/* ---- the log, applied ---- */

static int apply(struct offline *o)
{
    struct kv_job job = { .kind = KV_JOB_APPLY, .entries = o->entries, .results = o->results };
    job.count = o->count;
    job.info = &o->info;
    if (o->count > 0) kv_run(o->kv, &job);
    for (uint32_t i = 0; i < o->count; i++) entry_ref_drop(rt_alloc_heap(), o->entries[i]);
    o->count = 0;
    return job.status;
}

static int take_entry(struct offline *o, const struct wal_record *rec)
{
    if (rec->index != o->next_index)
        return MS_ECORRUPT; /* the reader gives them one behind the other */
    struct entry_ref *e = entry_ref_create(rt_alloc_heap(), rec->index, rec->term, rec->body);
    if (!e) return MS_ENOMEM;
    o->entries[o->count++] = e;
    o->next_index++;
    return o->count == BATCH_ENTRIES ? apply(o) : 0;
}

/* As node_boot.c: what a log of another history holds behind the state goes at the next start. */
static int on_record(void *arg, const struct wal_seen *seen)
{
    struct offline *o = arg;
    const struct wal_record *rec = &seen->rec;
    if (seen->fate != WAL_FATE_LIVE) return 0;
    if (rec->index == o->info.applied_index) o->matches = rec->term == o->info.applied_term;
    if (rec->index < o->next_index || !o->matches) return 0;
    return take_entry(o, rec);
}

static int apply_log(struct offline *o)
{
    const struct wal_recovery *found = &o->found.recovery;
    struct kv_info *state = &o->info;
    kv_info(o->kv, state);
    if (found->base_index > state->applied_index) {
        snprintf(o->why, MS_WHY_BYTES,
                 "the log in %s begins behind index %llu, and the state in %s reaches %llu only",
                 o->dirs.log, (unsigned long long)found->base_index, o->dirs.snap,
                 (unsigned long long)state->applied_index);
        return MS_ELOSTDATA;
    }
    o->matches = state->applied_index == found->base_index;
    o->next_index = state->applied_index + 1;
    int rv = wal_inspect(o->dirs.log, &o->reading, rt_alloc_heap(), &o->found, on_record, o);
    if (rv == 0) rv = apply(o);
    while (o->count > 0) entry_ref_drop(rt_alloc_heap(), o->entries[--o->count]);
    if (rv < 0) return refuse(o, rv, o->dirs.log, ms_err_text(rv));
    kv_info(o->kv, state);
    if (state->applied_index > 0) return 0;
    return refuse(o, MS_ENOTFOUND, o->dirs.home, "nothing was ever written by this member");
}

/* ---- the whole ---- */

static int save(struct offline *o, const char *file, struct ms_snapshot_report *out)
{
    struct rt_backup b;
    int rv = rt_backup_create(&b, file, o->why);
    if (rv < 0) return rv;
    if (has_rocksdb(o)) {
        rv = open_copy(o);
    } else {
        rv = make_kv(o, kv_mem_create(rt_alloc_heap()));
        if (rv == 0) rv = load_newest(o);
    }
    if (rv == 0) rv = apply_log(o);
    if (rv == 0) rv = rt_backup_dump(&b, o->kv, o->why);
    close_state(o);
    if (rv == 0) return rt_backup_finish(&b, out, o->why);
    rt_backup_abandon(&b);
    return rv;
}

int ms_snapshot_save_offline(const char *file, const struct ms_options *options,
                             struct ms_snapshot_report *out, char why[MS_WHY_BYTES])
{
    struct ms_snapshot_report *report = malloc(sizeof *report);
    struct offline *o = calloc(1, sizeof *o);
    struct ms_options own = *options;
    int rv = report && o ? 0 : MS_ENOMEM;
    snprintf(why, MS_WHY_BYTES, "%s", rv < 0 ? ms_err_text(rv) : "");
    if (rv < 0) goto end;
    o->why = why;
    /* Who the members are stands in the data; the command line need not know. */
    char cluster[64];
    snprintf(cluster, sizeof cluster, "%llu=http://127.0.0.1:1", (unsigned long long)options->id);
    own.cluster = cluster;
    rv = rt_setup_init(&o->setup, &own, why);
    if (rv < 0) goto end;
    rt_log_init(&o->log, &o->setup.options);
    rt_sync_disk_init(&o->disk);
    o->reading.ops = &rt_disk_reading_ops;
    rv = take_member(o);
    if (rv == 0) rv = judge_log(o);
    if (rv == 0) rv = save(o, file, report);
    rt_sync_disk_fini(&o->disk);
    if (rv == 0 && out) *out = *report;
end:
    free(report);
    free(o);
    return rv;
}
