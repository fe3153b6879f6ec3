#include "tests/kv_rocks/system_disk.h"

#include "rt/rt_disk.h"

uint64_t disk_room = UINT64_MAX;

static int disk_call(struct disk *d, struct disk_op *op)
{
    (void)d;
    rt_disk_execute(op);
    if (op->kind == DISK_OP_FREE_SPACE && disk_room != UINT64_MAX) op->size_bytes = disk_room;
    return op->status;
}

static const struct disk_ops disk_ops = { .call = disk_call, .list = rt_disk_list };
struct disk system_disk = { .ops = &disk_ops };
