/* replay_sync.c: what one operation of the disk asks of the kernel, on the thread that carries it out (RP6). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/replay/replay_private.h"

static _Thread_local struct {
    int file; /* that has been given to fdatasync(), and not written since; -1: none */
    char dir[DISK_PATH_BYTES_MAX]; /* that has been given to fsync(); empty: none */
} synced;

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (synced.file == fd) synced.file = -1;
    return __real_pwrite(fd, data, len, at);
}

static bool is_broken(void)
{
    return replay_mode == REPLAY_REPLAYS && replay.opts->breaks == BREAK_NO_SYNC;
}

int __wrap_fdatasync(int fd)
{
    if (is_broken()) return 0;
    synced.file = fd;
    return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    char link[64];
    if (is_broken()) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, synced.dir, sizeof synced.dir - 1);
    synced.dir[len > 0 ? len : 0] = 0;
    return __real_fsync(fd);
}

static bool is_dir(const char *path)
{
    char real[PATH_MAX];
    return realpath(path, real) && strcmp(real, synced.dir) == 0;
}

void __wrap_rt_disk_execute(struct disk_op *op)
{
    bool file = op->kind == DISK_OP_SYNC || (op->kind == DISK_OP_WRITE && op->sync);
    synced.file = -1;
    synced.dir[0] = 0;
    __real_rt_disk_execute(op);
    if (replay_mode != REPLAY_REPLAYS || op->status < 0) return;
    if (file && synced.file != op->file) replay_fail("src/rt calls a file synced that is not (RP6)");
    if (op->kind == DISK_OP_SYNC_DIR && !is_dir(op->path))
        replay_fail("src/rt calls the directory %s synced, which is not (RP6)", op->path);
}
