#include "rt/rt_sync_disk.h"

#include <unistd.h>

#include "base/ms_assert.h"
#include "rt/rt_disk.h"

static void sync_submit(struct disk *face, struct disk_op *op)
{
    struct rt_sync_disk *d = (struct rt_sync_disk *)face;
    rt_disk_execute(op);
    rt_ring_push(&d->done, op);
}

static int sync_call(struct disk *face, struct disk_op *op)
{
    (void)face;
    rt_disk_execute(op);
    return op->status;
}

static int sync_lock(struct disk *face, const char *path)
{
    struct rt_sync_disk *d = (struct rt_sync_disk *)face;
    MS_ASSERT(d->lock_count < RT_SYNC_DISK_LOCKS_MAX);
    int fd, rv = rt_disk_lock_dir(path, &fd);
    if (rv == 0) d->locks[d->lock_count++] = fd;
    return rv;
}

static const struct disk_ops ops = {
    .submit = sync_submit, .call = sync_call, .list = rt_disk_list, .lock = sync_lock
};

void rt_sync_disk_init(struct rt_sync_disk *d)
{
    *d = (struct rt_sync_disk){ .face.ops = &ops };
}

void rt_sync_disk_fini(struct rt_sync_disk *d)
{
    rt_ring_fini(&d->done);
    while (d->lock_count > 0) close(d->locks[--d->lock_count]);
}

struct disk_op *rt_sync_disk_next(struct rt_sync_disk *d)
{
    return rt_ring_pop(&d->done);
}
