#include "rt/rt_dirs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"

static void path_set(char out[DISK_PATH_BYTES_MAX], const char *format, const char *dir, uint64_t id)
{
    snprintf(out, DISK_PATH_BYTES_MAX, format, dir, (unsigned long long)id);
}

static int failed(int status, const char *what, const char *path, char *why)
{
    snprintf(why, MS_WHY_BYTES, "cannot %s %s: %s", what, path, ms_err_text(status));
    return status;
}

/* ---- whose data ---- */

struct find_file {
    struct disk *disk;
    const char *dir;
    uint32_t depth;
};

/* 1: there is a file somewhere below. Empty directories are what a start that failed leaves behind. */
static int has_file(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    const struct find_file *f = arg;
    char path[DISK_PATH_BYTES_MAX];
    struct find_file below = { .disk = f->disk, .dir = path, .depth = f->depth + 1 };
    (void)size_bytes;
    if (!is_dir) return 1;
    if (f->depth == 2) return 0;
    if (snprintf(path, sizeof path, "%s/%s", f->dir, name) >= (int)sizeof path) return 0;
    return f->disk->ops->list(f->disk, path, has_file, &below);
}

static int foreign_check(struct disk *disk, const char *dir, const char *engine, char *why)
{
    struct find_file f = { .disk = disk, .dir = dir };
    int rv = disk->ops->list(disk, dir, has_file, &f);
    if (rv == 0 || rv == MS_ENOTFOUND) return 0;
    if (rv < 0) return failed(rv, "look into", dir, why);
    snprintf(why, MS_WHY_BYTES, "%s holds data of the %s engine: start with --storage %s, or elsewhere",
             dir, engine, engine);
    return MS_EFOREIGN;
}

/* ---- the parents ---- */

static int nothing(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    (void)arg, (void)name, (void)is_dir, (void)size_bytes;
    return 1;
}

static bool is_there(struct disk *disk, const char *dir)
{
    return disk->ops->list(disk, dir, nothing, NULL) >= 0;
}

static void parent_of(const char *dir, char out[DISK_PATH_BYTES_MAX])
{
    const char *slash = strrchr(dir, '/');
    if (!slash) {
        snprintf(out, DISK_PATH_BYTES_MAX, ".");
    } else {
        snprintf(out, DISK_PATH_BYTES_MAX, "%.*s", slash == dir ? 1 : (int)(slash - dir), dir);
    }
}

static int parents_check(const struct rt_setup *s, struct disk *disk, char *why)
{
    char parent[DISK_PATH_BYTES_MAX], data[DISK_PATH_BYTES_MAX];
    int rv = disk->ops->list(disk, s->data_dir, nothing, NULL);
    if (rv == MS_EIO) { /* most likely a file */
        snprintf(why, MS_WHY_BYTES, "%s cannot be read as a directory", s->data_dir);
        return rv;
    }
    if (rv < 0) {
        parent_of(s->data_dir, parent);
        if (!is_there(disk, parent)) return failed(MS_ENOTFOUND, "find the directory", parent, why);
    }
    if (s->options.storage != MS_STORAGE_ROCKSDB) return 0;
    snprintf(data, sizeof data, "%s/data", s->data_dir);
    rv = disk->ops->list(disk, data, nothing, NULL);
    if (rv >= 0) return 0;
    if (rv != MS_ENOTFOUND) return failed(rv, "look into", data, why);
    snprintf(why, MS_WHY_BYTES,
             "the directory %s does not exist: --storage rocksdb needs it, make it first", data);
    return MS_ENOTFOUND;
}

int rt_dirs_find(struct rt_dirs *out, const struct rt_setup *s, struct disk *disk, char *why)
{
    char memory[DISK_PATH_BYTES_MAX], rocksdb[DISK_PATH_BYTES_MAX];
    path_set(memory, "%s/metaStore-%llu", s->data_dir, s->options.id);
    path_set(rocksdb, "%s/data/%llu", s->data_dir, s->options.id);
    int rv = parents_check(s, disk, why);
    if (rv < 0) return rv;
    if (s->options.storage == MS_STORAGE_MEMORY) {
        path_set(out->home, "%s/metaStore-%llu", s->data_dir, s->options.id);
        path_set(out->log, "%s/metaStore-%llu", s->data_dir, s->options.id);
        path_set(out->snap, "%s/metaStore-%llu-snap", s->data_dir, s->options.id);
        return foreign_check(disk, rocksdb, "rocksdb", why);
    }
    path_set(out->home, "%s/data/%llu", s->data_dir, s->options.id);
    path_set(out->log, "%s/data/%llu/wal", s->data_dir, s->options.id);
    path_set(out->snap, "%s/data/%llu/snap", s->data_dir, s->options.id);
    rv = foreign_check(disk, memory, "memory", why);
    if (rv == 0) path_set(memory, "%s/metaStore-%llu-snap", s->data_dir, s->options.id);
    return rv == 0 ? foreign_check(disk, memory, "memory", why) : rv;
}

/* ---- taking it ---- */

/* A name is durable only after its directory was synced (D4). */
static int make(struct disk *disk, const char *dir, char *why)
{
    struct disk_op op = { .kind = DISK_OP_MKDIR };
    snprintf(op.path, sizeof op.path, "%s", dir);
    int rv = disk->ops->call(disk, &op);
    if (rv == MS_EEXIST && is_there(disk, dir)) {
        rv = access(dir, W_OK | X_OK) == 0 ? 0 : MS_EACCES;
        return rv == 0 ? 0 : failed(rv, "write to the directory", dir, why);
    }
    if (rv < 0) return failed(rv, "make the directory", dir, why);
    op = (struct disk_op){ .kind = DISK_OP_SYNC_DIR };
    parent_of(dir, op.path);
    rv = disk->ops->call(disk, &op);
    return rv == 0 ? 0 : failed(rv, "sync the directory", op.path, why);
}

void rt_dirs_partial(const struct rt_dirs *dirs, char out[DISK_PATH_BYTES_MAX])
{
    int len = snprintf(out, DISK_PATH_BYTES_MAX, "%s/restore.tmp", dirs->home);
    MS_ASSERT(len > 0 && len < DISK_PATH_BYTES_MAX);
}

int rt_dirs_partial_check(const struct rt_dirs *dirs, char *why)
{
    char path[DISK_PATH_BYTES_MAX];
    rt_dirs_partial(dirs, path);
    if (access(path, F_OK) != 0) return 0;
    snprintf(why, MS_WHY_BYTES,
             "%s holds a backup that was restored in part only: remove %s%s%s, then restore it anew",
             dirs->home, dirs->home, strcmp(dirs->log, dirs->home) == 0 ? " and " : "",
             strcmp(dirs->log, dirs->home) == 0 ? dirs->snap : "");
    return MS_ELOSTDATA;
}

int rt_dirs_lock(const struct rt_dirs *dirs, const struct rt_setup *s, struct disk *disk, char *why)
{
    int rv = is_there(disk, s->data_dir) ? 0 : make(disk, s->data_dir, why);
    if (rv == 0) rv = make(disk, dirs->home, why);
    if (rv < 0) return rv;
    rv = disk->ops->lock(disk, dirs->home);
    if (rv == MS_ELOCKED) {
        snprintf(why, MS_WHY_BYTES, "the directory %s is in use by another process", dirs->home);
        return rv;
    }
    if (rv < 0) return failed(rv, "lock the directory", dirs->home, why);
    return rt_dirs_partial_check(dirs, why);
}

int rt_dirs_make(const struct rt_dirs *dirs, struct disk *disk, char *why)
{
    int rv = 0;
    if (strcmp(dirs->log, dirs->home) != 0) rv = make(disk, dirs->log, why);
    return rv == 0 ? make(disk, dirs->snap, why) : rv;
}
