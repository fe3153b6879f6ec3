#include "rt/rt_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_clock.h"
#include "rt/rt_thread.h"

/* ---- lanes ---- */

static void *lane_main(void *arg)
{
    struct rt_disk_lane *lane = arg;
    struct rt_disk *d = lane->disk;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (!d->stopping && rt_ring_is_empty(&lane->queue)) pthread_cond_wait(&lane->wake, &d->lock);
        if (d->stopping) break;
        struct disk_op *op = rt_ring_pop(&lane->queue);
        pthread_mutex_unlock(&d->lock);
        bool is_batch = op->lane == DISK_LANE_LOG && op->kind == DISK_OP_WRITE && op->sync;
        uint64_t began_us = rt_clock_us();
        rt_disk_execute(op);
        uint64_t took_us = rt_clock_us() - began_us;
        pthread_mutex_lock(&d->lock);
        if (is_batch) histogram_add(&d->log_write, took_us);
        if (is_batch) d->log_written_bytes += op->done_bytes;
        rt_ring_push(&d->done, op);
        uv_async_send(&d->async); /* under the lock: rt_disk_stop() closes it only after this */
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void disk_submit(struct disk *face, struct disk_op *op)
{
    static const char *const names[DISK_LANE_COUNT] = { "ms-log", "ms-state", "ms-bulk" };
    struct rt_disk *d = (struct rt_disk *)face;
    struct rt_disk_lane *lane = &d->lanes[op->lane];
    pthread_mutex_lock(&d->lock);
    MS_ASSERT(!d->stopping);
    if (!lane->started &&
        rt_thread_start(&lane->thread, names[op->lane], RT_WORKER_STACK_BYTES, lane_main, lane) == 0)
        lane->started = true;
    if (lane->started) {
        rt_ring_push(&lane->queue, op);
        pthread_cond_signal(&lane->wake);
    } else {
        op->status = MS_ENOMEM; /* submit never fails: a refusal is a completion */
        rt_ring_push(&d->done, op);
        uv_async_send(&d->async);
    }
    pthread_mutex_unlock(&d->lock);
}

static void on_async(uv_async_t *async)
{
    struct rt_disk *d = async->data;
    for (;;) {
        pthread_mutex_lock(&d->lock);
        struct disk_op *op = rt_ring_pop(&d->done);
        pthread_mutex_unlock(&d->lock);
        if (!op) return;
        d->completed(d->ctx, op);
    }
}

/* ---- what blocks, at start-up ---- */

static int disk_call(struct disk *face, struct disk_op *op)
{
    (void)face;
    rt_disk_execute(op);
    return op->status;
}

struct names {
    char **items;
    size_t count, cap;
};

static void names_fini(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) free(n->items[i]);
    free(n->items);
}

static int names_add(struct names *n, const char *name)
{
    if (n->count == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 32;
        char **items = realloc(n->items, cap * sizeof *items);
        if (!items) return MS_ENOMEM;
        n->items = items;
        n->cap = cap;
    }
    n->items[n->count] = strdup(name);
    return n->items[n->count] ? (n->count++, 0) : MS_ENOMEM;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(struct names *n, DIR *dir)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e) return errno ? rt_disk_error(errno) : 0;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        int rv = names_add(n, e->d_name);
        if (rv < 0) return rv;
    }
}

int rt_disk_list(struct disk *face, const char *path,
                 int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes), void *arg)
{
    struct names names = { 0 };
    DIR *dir = opendir(path);
    (void)face;
    if (!dir) return rt_disk_error(errno);
    int rv = names_read(&names, dir);
    if (rv == 0 && names.count > 0) qsort(names.items, names.count, sizeof *names.items, names_compare);
    for (size_t i = 0; rv == 0 && i < names.count; i++) {
        struct stat st;
        if (fstatat(dirfd(dir), names.items[i], &st, 0) != 0) {
            if (errno != ENOENT) rv = rt_disk_error(errno);
            continue; /* gone meanwhile, or a link to nowhere */
        }
        rv = cb(arg, names.items[i], S_ISDIR(st.st_mode), (uint64_t)st.st_size);
    }
    names_fini(&names);
    closedir(dir);
    return rv;
}

/* The lock is on the directory itself: no file that somebody could remove, and the kernel drops it with
 * the process, however that ends. */
int rt_disk_lock_dir(const char *path, int *out)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return rt_disk_error(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int rv = errno == EWOULDBLOCK ? MS_ELOCKED : rt_disk_error(errno);
        close(fd);
        return rv;
    }
    *out = fd;
    return 0;
}

static int disk_lock(struct disk *face, const char *path)
{
    struct rt_disk *d = (struct rt_disk *)face;
    MS_ASSERT(d->lock_count < RT_DISK_LOCKS_MAX);
    int fd, rv = rt_disk_lock_dir(path, &fd);
    if (rv == 0) d->locks[d->lock_count++] = fd;
    return rv;
}

/* ---- life ---- */

static const struct disk_ops ops = {
    .submit = disk_submit, .call = disk_call, .list = rt_disk_list, .lock = disk_lock
};

int rt_disk_init(struct rt_disk *d, uv_loop_t *loop, void (*completed)(void *ctx, struct disk_op *op),
                 void *ctx)
{
    *d = (struct rt_disk){ .face.ops = &ops, .completed = completed, .ctx = ctx };
    if (uv_async_init(loop, &d->async, on_async) != 0) return MS_ENOMEM;
    d->async.data = d;
    pthread_mutex_init(&d->lock, NULL);
    for (int i = 0; i < DISK_LANE_COUNT; i++) {
        d->lanes[i].disk = d;
        pthread_cond_init(&d->lanes[i].wake, NULL);
    }
    return 0;
}

/* Nobody hears of what is left. A file whose closing still waits is closed, and one whose opening was not heard of
 * is nobody's. */
static void forget(struct rt_disk *d)
{
    struct disk_op *op;
    for (int i = 0; i < DISK_LANE_COUNT; i++) {
        while ((op = rt_ring_pop(&d->lanes[i].queue))) {
            if (op->kind == DISK_OP_CLOSE) rt_disk_execute(op);
        }
    }
    while ((op = rt_ring_pop(&d->done))) {
        if (op->kind == DISK_OP_OPEN && op->status == 0) close(op->file);
    }
}

void rt_disk_stop(struct rt_disk *d)
{
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    for (int i = 0; i < DISK_LANE_COUNT; i++) pthread_cond_signal(&d->lanes[i].wake);
    pthread_mutex_unlock(&d->lock);
    for (int i = 0; i < DISK_LANE_COUNT; i++) {
        if (d->lanes[i].started) pthread_join(d->lanes[i].thread, NULL);
    }
    forget(d);
    uv_close((uv_handle_t *)&d->async, NULL);
}

void rt_disk_measured(struct rt_disk *d, struct histogram *log_write, uint64_t *bytes)
{
    pthread_mutex_lock(&d->lock);
    *log_write = d->log_write;
    *bytes = d->log_written_bytes;
    pthread_mutex_unlock(&d->lock);
}

void rt_disk_fini(struct rt_disk *d)
{
    for (int i = 0; i < DISK_LANE_COUNT; i++) {
        rt_ring_fini(&d->lanes[i].queue);
        pthread_cond_destroy(&d->lanes[i].wake);
    }
    rt_ring_fini(&d->done);
    pthread_mutex_destroy(&d->lock);
    while (d->lock_count > 0) close(d->locks[--d->lock_count]);
}
