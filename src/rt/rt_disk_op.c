/* rt_disk_op.c: one disk operation, in system calls. Short reads and writes and EINTR are looped over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_disk.h"

/* Metadata may be secret (etcd keeps its files from others as well). */
#define FILE_MODE 0600
#define DIR_MODE 0700

int rt_disk_error(int errno_value)
{
    switch (errno_value) {
    case ENOENT: return MS_ENOTFOUND;
    case EEXIST:
    case ENOTEMPTY: return MS_EEXIST;
    case ENOSPC:
    case EDQUOT: return MS_ENOSPC;
    case EACCES:
    case EPERM:
    case EROFS: return MS_EACCES;
    case ENOMEM: return MS_ENOMEM;
    default: return MS_EIO;
    }
}

/* What a system call that gives 0 or -1 came to. */
static int outcome(int rv)
{
    return rv == 0 ? 0 : rt_disk_error(errno);
}

static int op_open(struct disk_op *op)
{
    struct stat st;
    int fd;
    do {
        fd = open(op->path, O_RDWR | O_CLOEXEC | (op->create ? O_CREAT : 0), FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return rt_disk_error(errno);
    if (fstat(fd, &st) != 0) {
        int rv = rt_disk_error(errno);
        close(fd);
        return rv;
    }
    op->file = fd;
    op->size_bytes = (uint64_t)st.st_size;
    return 0;
}

static int op_read(struct disk_op *op)
{
    uint8_t *dst = op->buf;
    op->done_bytes = 0;
    while (op->done_bytes < op->len) {
        ssize_t n = pread(op->file, dst + op->done_bytes, op->len - op->done_bytes,
                          (off_t)(op->offset + op->done_bytes));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rt_disk_error(errno);
        if (n == 0) {
            memset(dst + op->done_bytes, 0, op->len - op->done_bytes);
            return MS_ESHORT;
        }
        op->done_bytes += (size_t)n;
    }
    return 0;
}

/* RD2: no case of its own for EINTR. That a file system finds only now that it has no room for what was
 * written says nothing else than a write that finds it: whose bytes exist already takes it as final. */
static int sync_outcome(int rv)
{
    if (rv == 0) return 0;
    return rt_disk_error(errno) == MS_ENOSPC ? MS_ENOSPC : MS_EIO;
}

static int sync_file(int fd)
{
#ifdef __APPLE__
    /* fsync there leaves the bytes in the drive's cache. */
    return sync_outcome(fcntl(fd, F_FULLFSYNC) == -1 ? -1 : 0);
#else
    return sync_outcome(fdatasync(fd));
#endif
}

static int op_write(struct disk_op *op)
{
    const uint8_t *src = op->buf;
    op->done_bytes = 0;
    while (op->done_bytes < op->len) {
        ssize_t n = pwrite(op->file, src + op->done_bytes, op->len - op->done_bytes,
                           (off_t)(op->offset + op->done_bytes));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rt_disk_error(errno);
        if (n == 0) return MS_EIO;
        op->done_bytes += (size_t)n;
    }
    return op->sync ? sync_file(op->file) : 0;
}

static int op_truncate(const struct disk_op *op)
{
    int rv;
    do {
        rv = ftruncate(op->file, (off_t)op->offset);
    } while (rv != 0 && errno == EINTR);
    return outcome(rv);
}

static int op_sync_dir(const struct disk_op *op)
{
    int fd = open(op->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return rt_disk_error(errno);
    int rv = sync_outcome(fsync(fd));
    close(fd);
    return rv;
}

static int op_free_space(struct disk_op *op)
{
    struct statvfs st;
    if (statvfs(op->path, &st) != 0) return rt_disk_error(errno);
    op->size_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    op->total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    return 0;
}

static int execute(struct disk_op *op)
{
    switch (op->kind) {
    case DISK_OP_OPEN: return op_open(op);
    case DISK_OP_CLOSE: return outcome(close(op->file));
    case DISK_OP_READ: return op_read(op);
    case DISK_OP_WRITE: return op_write(op);
    case DISK_OP_SYNC: return sync_file(op->file);
    case DISK_OP_TRUNCATE: return op_truncate(op);
    case DISK_OP_RENAME: return outcome(rename(op->path, op->path2));
    case DISK_OP_LINK: return outcome(link(op->path, op->path2));
    case DISK_OP_REMOVE: return outcome(unlink(op->path));
    case DISK_OP_REMOVE_DIR: return outcome(rmdir(op->path));
    case DISK_OP_MKDIR: return outcome(mkdir(op->path, DIR_MODE));
    case DISK_OP_SYNC_DIR: return op_sync_dir(op);
    case DISK_OP_FREE_SPACE: return op_free_space(op);
    }
    MS_UNREACHABLE();
}

void rt_disk_execute(struct disk_op *op)
{
    op->status = execute(op);
}
