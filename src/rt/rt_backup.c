#include "rt/rt_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_alloc.h"
#include "rt/rt_disk.h"

#define BACKUP_MODE 0600 /* what is in there may be secret */
#define SYNC_BYTES (1u << 20)

int rt_backup_fail(int status, const char *what, const char *path, char *why)
{
    snprintf(why, MS_WHY_BYTES, "cannot %s %s: %s", what, path, ms_err_text(status));
    return status;
}

/* ---- reading ---- */

int rt_chunks_open(struct rt_chunks *c, const char *path, char *why)
{
    struct stat st;
    *c = (struct rt_chunks){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    if (c->fd < 0) return rt_backup_fail(rt_disk_error(errno), "open", path, why);
    int rv = fstat(c->fd, &st) != 0 ? rt_disk_error(errno) : S_ISREG(st.st_mode) ? 0 : MS_EINVAL;
    if (rv < 0) {
        close(c->fd);
        if (rv != MS_EINVAL) return rt_backup_fail(rv, "open", path, why);
        snprintf(why, MS_WHY_BYTES, "%s is no file", path);
        return rv;
    }
    c->size_bytes = (uint64_t)st.st_size;
    buf_init(&c->chunk, rt_alloc_heap(), SNAP_CHUNK_BYTES_HARD_MAX);
    return 0;
}

void rt_chunks_close(struct rt_chunks *c)
{
    close(c->fd);
    buf_fini(&c->chunk);
}

static int read_at(const struct rt_chunks *c, uint8_t *dst, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(c->fd, dst + done, len - done, (off_t)(c->offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rt_disk_error(errno);
        if (n == 0) return MS_ECORRUPT; /* cut short meanwhile */
        done += (size_t)n;
    }
    return 0;
}

int rt_chunks_next(struct rt_chunks *c)
{
    c->offset += c->chunk.len;
    buf_clear(&c->chunk);
    uint64_t left = c->size_bytes - c->offset;
    if (left == 0) return MS_EEND;
    if (left < KV_SNAP_FRAME_BYTES) return MS_ESHORT;
    if (!buf_reserve(&c->chunk, KV_SNAP_FRAME_BYTES)) return MS_ENOMEM;
    int rv = read_at(c, c->chunk.data, KV_SNAP_FRAME_BYTES);
    if (rv < 0) return rv;
    int64_t len = kv_snap_chunk_bytes(bytes_of(c->chunk.data, KV_SNAP_FRAME_BYTES));
    if (len < 0 || (uint64_t)len > left) return len < 0 ? MS_ECORRUPT : MS_ESHORT;
    if (!buf_reserve(&c->chunk, (size_t)len)) return MS_ENOMEM;
    rv = read_at(c, c->chunk.data, (size_t)len);
    if (rv == 0) c->chunk.len = (size_t)len;
    return rv;
}

int rt_backup_load(struct rt_chunks *c, struct kv *kv, const struct kv_refound *refound,
                   struct kv_info *info)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN, .refound = refound };
    kv_run(kv, &job);
    int rv = job.status;
    if (rv < 0) return rv;
    job.kind = KV_JOB_LOAD_CHUNK;
    while (rv == 0) {
        rv = rt_chunks_next(c);
        job.chunk = c->chunk;
        if (rv == 0) kv_run(kv, &job);
        if (rv == 0) rv = job.status;
    }
    job.kind = KV_JOB_LOAD_END;
    job.last = rv == MS_EEND;
    job.info = info;
    kv_run(kv, &job);
    return job.last || job.status <= MS_EFATAL ? job.status : rv;
}

int rt_backup_check(const char *path, struct ms_snapshot_report *out, char *why)
{
    int rv = ms_snapshot_status(path, out, why);
    if (rv < 0 || out->whole) return rv;
    snprintf(why, MS_WHY_BYTES, "%.*s", (int)MS_WHY_BYTES - 1, out->text);
    return MS_ECORRUPT;
}

/* ---- writing ---- */

/* Who writes the same backup has it locked; what a process that was killed has left is written anew. Between
 * opening and locking it may have been given its name, or have gone: then it is not ours to cut. */
static int open_temp(const char *path, int *out)
{
    struct stat mine, named;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, BACKUP_MODE);
    if (fd < 0) return rt_disk_error(errno);
    int rv = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0
             : errno == EWOULDBLOCK            ? MS_ELOCKED
                                               : rt_disk_error(errno);
    if (rv == 0 && (fstat(fd, &mine) != 0 || stat(path, &named) != 0 || mine.st_ino != named.st_ino ||
                    mine.st_dev != named.st_dev))
        rv = MS_ELOCKED;
    if (rv == 0 && ftruncate(fd, 0) != 0) rv = rt_disk_error(errno);
    if (rv == 0)
        *out = fd;
    else
        close(fd);
    return rv;
}

int rt_backup_create(struct rt_backup *b, const char *path, char *why)
{
    size_t len = strlen(path);
    *b = (struct rt_backup){ .fd = -1 };
    if (len == 0 || len + sizeof ".tmp" > sizeof b->temp || path[len - 1] == '/') {
        snprintf(why, MS_WHY_BYTES, "\"%.200s\" is no name for a file", path);
        return MS_EINVAL;
    }
    snprintf(b->path, sizeof b->path, "%s", path);
    snprintf(b->temp, sizeof b->temp, "%s.tmp", path);
    int rv = open_temp(b->temp, &b->fd);
    return rv < 0 ? rt_backup_fail(rv, "write", b->temp, why) : 0;
}

int rt_backup_write(struct rt_backup *b, struct bytes data, char *why)
{
    while (data.len > 0) {
        ssize_t n = write(b->fd, data.data, data.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rt_backup_fail(rt_disk_error(errno), "write", b->temp, why);
        data = bytes_of(data.data + n, data.len - (size_t)n);
        b->bytes += (uint64_t)n;
    }
    /* In parts: a member on the same disk waits for a large sync with its own small one. */
    if (b->bytes - b->synced_bytes < SYNC_BYTES) return 0;
    b->synced_bytes = b->bytes;
    return fsync(b->fd) != 0 ? rt_backup_fail(MS_EIO, "sync", b->temp, why) : 0;
}

void rt_backup_abandon(struct rt_backup *b)
{
    if (b->fd < 0) return;
    unlink(b->temp); /* before it is closed: the lock is still ours */
    close(b->fd);
    b->fd = -1;
}

static int sync_parent(const char *path, char *why)
{
    char parent[DISK_PATH_BYTES_MAX];
    struct disk_op op = { .kind = DISK_OP_SYNC_DIR };
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(parent, sizeof parent, ".");
    else
        snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    snprintf(op.path, sizeof op.path, "%s", parent);
    rt_disk_execute(&op);
    return op.status < 0 ? rt_backup_fail(op.status, "sync the directory", parent, why) : 0;
}

int rt_backup_finish(struct rt_backup *b, struct ms_snapshot_report *out, char *why)
{
    int rv = fsync(b->fd) != 0 ? rt_backup_fail(MS_EIO, "sync", b->temp, why) : 0;
    if (rv == 0) rv = rt_backup_check(b->temp, out, why);
    if (rv == 0 && rename(b->temp, b->path) != 0)
        rv = rt_backup_fail(rt_disk_error(errno), "name", b->path, why);
    if (rv < 0) {
        rt_backup_abandon(b);
        return rv;
    }
    close(b->fd);
    b->fd = -1;
    return sync_parent(b->path, why);
}

int rt_backup_dump(struct rt_backup *b, struct kv *kv, char *why)
{
    struct kv_job job = { .kind = KV_JOB_SNAP_OPEN };
    buf_init(&job.chunk, rt_alloc_heap(), SNAP_CHUNK_BYTES_HARD_MAX);
    kv_run(kv, &job);
    int rv = job.status;
    job.kind = KV_JOB_SNAP_READ;
    while (rv == 0 && !job.last) {
        kv_run(kv, &job);
        rv = job.status;
        if (rv < 0) break;
        rv = rt_backup_write(b, buf_bytes(&job.chunk), why);
    }
    if (job.status < 0) snprintf(why, MS_WHY_BYTES, "the state cannot be read: %s", ms_err_text(rv));
    job.kind = KV_JOB_SNAP_CLOSE;
    if (job.snapshot) kv_run(kv, &job);
    buf_fini(&job.chunk);
    return rv;
}
