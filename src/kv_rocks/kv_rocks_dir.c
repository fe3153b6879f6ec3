/* kv_rocks_dir.c: generations, pointer and checkpoints as directories, over env/disk.h; nothing of
 * RocksDB in here. What has to survive is synced: the file, then the directory that names it. */
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define ROCKS_POINTER_NAME "CURRENT-DB"
#define ROCKS_POINTER_BYTES_MAX 64
#define ROCKS_COPY_BYTES 16384

static int rocks_path(struct kv_rocks *e, char out[ROCKS_PATH_BYTES], const char *dir, const char *name)
{
    int len = snprintf(out, ROCKS_PATH_BYTES, "%s/%s", dir, name);
    if (len < 0 || len >= ROCKS_PATH_BYTES) {
        return rocks_fail(e, MS_EINVAL, "a path below %s is too long", dir);
    }
    return 0;
}

void rocks_path_generation(const struct kv_rocks *e, uint64_t number, char out[ROCKS_PATH_BYTES])
{
    snprintf(out, ROCKS_PATH_BYTES, "%s/db-%llu", e->dir, (unsigned long long)number);
}

void rocks_path_checkpoint(const struct kv_rocks *e, uint64_t number, char out[ROCKS_PATH_BYTES])
{
    snprintf(out, ROCKS_PATH_BYTES, "%s/cp-%llu", e->snap_dir, (unsigned long long)number);
}

/* The number in prefix<number>, at most 18 digits; 0: it is another name. */
static uint64_t rocks_name_number(const char *name, const char *prefix)
{
    size_t skip = strlen(prefix), digits = 0;
    uint64_t number = 0;
    if (strncmp(name, prefix, skip) != 0) return 0;
    for (const char *p = name + skip; *p; p++) {
        if (*p < '0' || *p > '9' || ++digits > 18) return 0;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    return number;
}

/* --- single operations --- */

static int rocks_call(struct kv_rocks *e, struct disk_op *op)
{
    op->lane = DISK_LANE_BULK;
    return e->disk->ops->call(e->disk, op);
}

/* An operation on one or two names. */
static int rocks_call_path(struct kv_rocks *e, enum disk_op_kind kind, const char *path,
                           const char *path2)
{
    struct disk_op op = { .kind = kind };
    snprintf(op.path, sizeof op.path, "%s", path);
    if (path2) snprintf(op.path2, sizeof op.path2, "%s", path2);
    return rocks_call(e, &op);
}

int rocks_dir_sync(struct kv_rocks *e, const char *path)
{
    int rv = rocks_call_path(e, DISK_OP_SYNC_DIR, path, NULL);
    return rv < 0 ? rocks_fail_disk(e, rv, "syncing", path) : 0;
}

int rocks_dir_make(struct kv_rocks *e, const char *path)
{
    int rv = rocks_call_path(e, DISK_OP_MKDIR, path, NULL);
    return rv < 0 && rv != MS_EEXIST ? rocks_fail_disk(e, rv, "making", path) : 0;
}

int rocks_dir_rename(struct kv_rocks *e, const char *from, const char *to)
{
    int rv = rocks_call_path(e, DISK_OP_RENAME, from, to);
    return rv < 0 ? rocks_fail_disk(e, rv, "renaming", from) : 0;
}

static int rocks_file_open(struct kv_rocks *e, const char *path, bool create, disk_file *out)
{
    struct disk_op op = { .kind = DISK_OP_OPEN, .create = create };
    snprintf(op.path, sizeof op.path, "%s", path);
    int rv = rocks_call(e, &op);
    *out = op.file;
    return rv;
}

static void rocks_file_close(struct kv_rocks *e, disk_file file)
{
    struct disk_op op = { .kind = DISK_OP_CLOSE, .file = file };
    (void)rocks_call(e, &op); /* what had to be durable was synced before */
}

static int rocks_file_write(struct kv_rocks *e, disk_file file, uint64_t offset, void *data, size_t len)
{
    struct disk_op op = {
        .kind = DISK_OP_WRITE, .file = file, .offset = offset, .buf = data, .len = len
    };
    int rv = rocks_call(e, &op);
    return rv == 0 && op.done_bytes != len ? MS_EIO : rv;
}

static int rocks_file_sync(struct kv_rocks *e, disk_file file)
{
    struct disk_op op = { .kind = DISK_OP_SYNC, .file = file };
    return rocks_call(e, &op);
}

/* Up to cap bytes from offset on; fewer at the file's end. */
static int rocks_file_read(struct kv_rocks *e, disk_file file, uint64_t offset, void *out, size_t cap,
                           size_t *len)
{
    struct disk_op op = {
        .kind = DISK_OP_READ, .file = file, .offset = offset, .buf = out, .len = cap
    };
    int rv = rocks_call(e, &op);
    *len = op.done_bytes;
    return rv == MS_ESHORT ? 0 : rv;
}

int rocks_file_remove(struct kv_rocks *e, const char *name)
{
    char path[ROCKS_PATH_BYTES];
    int rv = rocks_path(e, path, e->dir, name);
    return rv < 0 ? rv : rocks_call_path(e, DISK_OP_REMOVE, path, NULL);
}

int rocks_file_fill(struct kv_rocks *e, const char *name, size_t len)
{
    char zeros[ROCKS_COPY_BYTES] = { 0 };
    char path[ROCKS_PATH_BYTES];
    disk_file file = DISK_FILE_NONE;
    int rv = rocks_path(e, path, e->dir, name);
    if (rv == 0) rv = rocks_file_open(e, path, true, &file);
    if (rv < 0) return rv;
    size_t there = 0;
    rv = rocks_file_read(e, file, len - 1, zeros, 1, &there);
    for (size_t at = there ? len : 0; rv == 0 && at < len; at += sizeof zeros)
        rv = rocks_file_write(e, file, at, zeros, sizeof zeros);
    if (rv == 0) rv = rocks_file_sync(e, file);
    rocks_file_close(e, file);
    if (rv < 0) (void)rocks_file_remove(e, name);
    return rv;
}

/* --- lists --- */

struct rocks_walk {
    struct kv_rocks *e;
    const char *path, *to; /* the directory; where it is cloned to */
    const char *prefix;
    uint64_t number;
    bool told; /* what failed has been recorded by the callback */
};

/* Its names in order; cb may change the directory, as disk_ops.list says. */
static int rocks_dir_walk(struct rocks_walk *w,
                          int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes))
{
    int rv = w->e->disk->ops->list(w->e->disk, w->path, cb, w);
    return rv < 0 && !w->told ? rocks_fail_disk(w->e, rv, "listing", w->path) : rv;
}

static int rocks_walk_told(struct rocks_walk *w, int rv)
{
    w->told = rv < 0;
    return rv;
}

static int rocks_remove_one(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct rocks_walk *w = arg;
    char file[ROCKS_PATH_BYTES];
    (void)size_bytes;
    int rv = rocks_path(w->e, file, w->path, name);
    if (rv < 0) return rocks_walk_told(w, rv);
    rv = rocks_call_path(w->e, is_dir ? DISK_OP_REMOVE_DIR : DISK_OP_REMOVE, file, NULL);
    return rocks_walk_told(w, rv < 0 ? rocks_fail_disk(w->e, rv, "removing", file) : 0);
}

static int rocks_note_nothing(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    (void)arg;
    (void)name;
    (void)is_dir;
    (void)size_bytes;
    return 1; /* there is something: enough */
}

bool rocks_dir_exists(struct kv_rocks *e, const char *path)
{
    return e->disk->ops->list(e->disk, path, rocks_note_nothing, NULL) != MS_ENOTFOUND;
}

int rocks_dir_remove(struct kv_rocks *e, const char *path)
{
    struct rocks_walk w = { .e = e, .path = path };
    if (!rocks_dir_exists(e, path)) return 0;
    int rv = rocks_dir_walk(&w, rocks_remove_one);
    if (rv < 0) return rv;
    rv = rocks_call_path(e, DISK_OP_REMOVE_DIR, path, NULL);
    return rv < 0 ? rocks_fail_disk(e, rv, "removing", path) : 0;
}

/* The highest number of prefix<number>. */
static int rocks_note_newest(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct rocks_walk *w = arg;
    uint64_t number = rocks_name_number(name, w->prefix);
    (void)is_dir;
    (void)size_bytes;
    if (number > w->number) w->number = number;
    return 0;
}

static int rocks_dir_newest(struct kv_rocks *e, const char *path, const char *prefix, uint64_t *out)
{
    struct rocks_walk w = { .e = e, .path = path, .prefix = prefix };
    int rv = rocks_dir_walk(&w, rocks_note_newest);
    *out = w.number;
    return rv;
}

/* Directories prefix<anything> whose number is not to be kept. */
static int rocks_tidy_one(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct rocks_walk *w = arg;
    char victim[ROCKS_PATH_BYTES];
    (void)is_dir;
    (void)size_bytes;
    if (strncmp(name, w->prefix, strlen(w->prefix)) != 0) return 0;
    if (w->number != 0 && rocks_name_number(name, w->prefix) == w->number) return 0;
    int rv = rocks_path(w->e, victim, w->path, name);
    return rocks_walk_told(w, rv < 0 ? rv : rocks_dir_remove(w->e, victim));
}

static int rocks_dir_tidy_in(struct kv_rocks *e, const char *path, const char *prefix, uint64_t keep)
{
    struct rocks_walk w = { .e = e, .path = path, .prefix = prefix, .number = keep };
    return rocks_dir_walk(&w, rocks_tidy_one);
}

int rocks_dir_tidy(struct kv_rocks *e, uint64_t keep_generation, uint64_t keep_checkpoint)
{
    int rv = rocks_dir_tidy_in(e, e->snap_dir, "cp-", keep_checkpoint);
    return rv < 0 ? rv : rocks_dir_tidy_in(e, e->dir, "db-", keep_generation);
}

/* --- the pointer --- */

static int rocks_pointer_fill(struct kv_rocks *e, const char *path, char *text, size_t len)
{
    disk_file file;
    int rv = rocks_file_open(e, path, true, &file);
    if (rv < 0) return rocks_fail_disk(e, rv, "creating", path);
    struct disk_op empty = { .kind = DISK_OP_TRUNCATE, .file = file };
    rv = rocks_call(e, &empty);
    if (rv == 0) rv = rocks_file_write(e, file, 0, text, len);
    if (rv == 0) rv = rocks_file_sync(e, file);
    rocks_file_close(e, file);
    return rv < 0 ? rocks_fail_disk(e, rv, "writing", path) : 0;
}

int rocks_pointer_write(struct kv_rocks *e, uint64_t number, bool damaged)
{
    char tmp[ROCKS_PATH_BYTES], path[ROCKS_PATH_BYTES], text[ROCKS_POINTER_BYTES_MAX];
    int rv = rocks_path(e, path, e->dir, ROCKS_POINTER_NAME);
    if (rv == 0) rv = rocks_path(e, tmp, e->dir, ROCKS_POINTER_NAME ".tmp");
    if (rv < 0) return rv;
    int len = snprintf(text, sizeof text, "db-%llu%s\n", (unsigned long long)number,
                       damaged ? " damaged" : "");
    rv = rocks_pointer_fill(e, tmp, text, (size_t)len);
    if (rv == 0) rv = rocks_dir_rename(e, tmp, path);
    if (rv < 0) return rv;
    return rocks_dir_sync(e, e->dir) < 0 ? MS_EIO : 0; /* whichever it names now: final (DESIGN 2.11) */
}

int rocks_pointer_remove(struct kv_rocks *e)
{
    char path[ROCKS_PATH_BYTES];
    int rv = rocks_path(e, path, e->dir, ROCKS_POINTER_NAME);
    if (rv < 0) return rv;
    rv = rocks_call_path(e, DISK_OP_REMOVE, path, NULL);
    if (rv < 0 && rv != MS_ENOTFOUND) return rocks_fail_disk(e, rv, "removing", path);
    return rocks_dir_sync(e, e->dir);
}

/* A pointer that says nothing we would write counts as damaged: it is there, so this is no first start.
 */
static void rocks_pointer_parse(char *text, struct rocks_scan *out)
{
    char *end = strchr(text, '\n');
    out->has_pointer = true;
    out->pointer_damaged = true;
    if (!end || end[1] != '\0') return;
    *end = '\0';
    char *mark = strchr(text, ' ');
    if (mark) *mark = '\0';
    out->pointer = rocks_name_number(text, "db-");
    out->pointer_damaged = mark || out->pointer == 0;
}

static int rocks_pointer_read(struct kv_rocks *e, struct rocks_scan *out)
{
    char path[ROCKS_PATH_BYTES], text[ROCKS_POINTER_BYTES_MAX];
    disk_file file;
    size_t len;
    int rv = rocks_path(e, path, e->dir, ROCKS_POINTER_NAME);
    if (rv < 0) return rv;
    rv = rocks_file_open(e, path, false, &file);
    if (rv < 0) return rv == MS_ENOTFOUND ? 0 : rocks_fail_disk(e, rv, "opening", path);
    rv = rocks_file_read(e, file, 0, text, sizeof text - 1, &len);
    rocks_file_close(e, file);
    if (rv < 0) return rocks_fail_disk(e, rv, "reading", path);
    text[len] = '\0';
    rocks_pointer_parse(text, out);
    return 0;
}

int rocks_dir_scan(struct kv_rocks *e, struct rocks_scan *out)
{
    *out = (struct rocks_scan){ 0 };
    int rv = rocks_pointer_read(e, out);
    if (rv == 0) rv = rocks_dir_newest(e, e->dir, "db-", &out->generation_max);
    if (rv == 0) rv = rocks_dir_newest(e, e->snap_dir, "cp-", &out->checkpoint_max);
    if (out->pointer > out->generation_max) out->generation_max = out->pointer;
    return rv;
}

/* --- copies --- */

static int rocks_bytes_copy(struct kv_rocks *e, disk_file in, disk_file out)
{
    char block[ROCKS_COPY_BYTES];
    uint64_t offset = 0;
    for (size_t len = sizeof block; len == sizeof block; offset += len) {
        int rv = rocks_file_read(e, in, offset, block, sizeof block, &len);
        if (rv == 0 && len > 0) rv = rocks_file_write(e, out, offset, block, len);
        if (rv < 0) return rv;
    }
    return rocks_file_sync(e, out);
}

static int rocks_file_copy(struct kv_rocks *e, const char *from, const char *to)
{
    disk_file in, out;
    int rv = rocks_file_open(e, from, false, &in);
    if (rv < 0) return rocks_fail_disk(e, rv, "opening", from);
    rv = rocks_file_open(e, to, true, &out);
    if (rv == 0) {
        rv = rocks_bytes_copy(e, in, out);
        rocks_file_close(e, out);
    }
    rocks_file_close(e, in);
    return rv < 0 ? rocks_fail_disk(e, rv, "copying to", to) : 0;
}

static bool rocks_name_is_table(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".sst") == 0;
}

static int rocks_clone_one(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct rocks_walk *w = arg;
    char source[ROCKS_PATH_BYTES], target[ROCKS_PATH_BYTES];
    (void)is_dir;
    (void)size_bytes;
    int rv = rocks_path(w->e, source, w->path, name);
    if (rv == 0) rv = rocks_path(w->e, target, w->to, name);
    if (rv < 0) return rocks_walk_told(w, rv);
    if (!rocks_name_is_table(name)) return rocks_walk_told(w, rocks_file_copy(w->e, source, target));
    rv = rocks_call_path(w->e, DISK_OP_LINK, source, target);
    return rocks_walk_told(w, rv < 0 ? rocks_fail_disk(w->e, rv, "linking", source) : 0);
}

int rocks_dir_clone(struct kv_rocks *e, const char *from, const char *to)
{
    struct rocks_walk w = { .e = e, .path = from, .to = to };
    int rv = rocks_dir_remove(e, to);
    if (rv == 0) rv = rocks_dir_make(e, to);
    if (rv < 0) return rv;
    rv = rocks_dir_walk(&w, rocks_clone_one);
    if (rv == 0) rv = rocks_dir_sync(e, to);
    return rv < 0 ? rv : rocks_dir_sync(e, e->dir);
}
