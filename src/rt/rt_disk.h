/* rt_disk.h: env/disk.h over POSIX files.
 *
 * Each lane is a thread with a queue, started when its first op comes. What is done goes into one
 * queue, and the loop is woken once for all that has gathered there (uv_async_send coalesces, so the
 * loop takes everything). A handle is a file descriptor.
 *
 *   RD1  an op belongs to its lane's thread from submit() until the loop takes it back (D7)
 *   RD2  a failed fdatasync is reported once and never tried again (D5): the kernel may have marked the
 *        pages clean, so a second one would succeed without having written them
 *
 * Owns its threads, the descriptors of locks, the async handle in the loop it is given. */
#ifndef RT_RT_DISK_H
#define RT_RT_DISK_H

#include <pthread.h>
#include <uv.h>

#include "env/disk.h"
#include "format/histogram.h"
#include "rt/rt_ring.h"

struct rt_disk;

struct rt_disk_lane {
    struct rt_disk *disk;
    struct rt_ring queue;
    pthread_cond_t wake;
    pthread_t thread;
    bool started;
};

#define RT_DISK_LOCKS_MAX 4

struct rt_disk {
    struct disk face;     /* what the core borrows */
    pthread_mutex_t lock; /* of the queues, stopping, and what is measured */
    struct rt_disk_lane lanes[DISK_LANE_COUNT];
    struct rt_ring done;
    bool stopping;
    struct histogram log_write; /* of batches of the log: writes that sync, on their lane */
    uint64_t log_written_bytes;
    uv_async_t async;
    void (*completed)(void *ctx, struct disk_op *op); /* on the loop thread */
    void *ctx;
    int locks[RT_DISK_LOCKS_MAX];
    uint32_t lock_count;
};

/* loop: borrowed; completed is called from it for each op. MS_ENOMEM. */
int rt_disk_init(struct rt_disk *d, uv_loop_t *loop, void (*completed)(void *ctx, struct disk_op *op),
                 void *ctx);
/* Waits for the ops that are being executed, forgets the others but for what they hold open, closes the async
 * handle: no completion comes after this. The loop has to turn once more before rt_disk_fini(). Locks are still
 * held. */
void rt_disk_stop(struct rt_disk *d);
/* How long batches of the log took to be written and synced, and their bytes. */
void rt_disk_measured(struct rt_disk *d, struct histogram *log_write, uint64_t *bytes);
/* Gives the locks back. */
void rt_disk_fini(struct rt_disk *d);

/* Execute op on the calling thread and fill in its results (rt_disk_op.c). */
void rt_disk_execute(struct disk_op *op);
/* disk_ops.list, of any disk: it needs nothing but the path. */
int rt_disk_list(struct disk *face, const char *path,
                 int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes), void *arg);
/* Lock a directory for as long as *out is open. MS_ELOCKED: another process has it. */
int rt_disk_lock_dir(const char *path, int *out);
/* Of a disk from which files are only read; submitting and locking are mistakes (rt_wal.c). */
extern const struct disk_ops rt_disk_reading_ops;
/* errno of anything but a sync, as an error code. */
int rt_disk_error(int errno_value);

#endif
