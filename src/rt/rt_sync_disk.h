/* rt_sync_disk.h: a disk without threads: each operation is done when it is submitted, and its completion
 * waits to be taken. For commands, which have nothing else to do meanwhile. */
#ifndef RT_RT_SYNC_DISK_H
#define RT_RT_SYNC_DISK_H

#include "env/disk.h"
#include "rt/rt_ring.h"

#define RT_SYNC_DISK_LOCKS_MAX 2

struct rt_sync_disk {
    struct disk face; /* what the core borrows */
    struct rt_ring done;
    int locks[RT_SYNC_DISK_LOCKS_MAX];
    uint32_t lock_count;
};

void rt_sync_disk_init(struct rt_sync_disk *d);
void rt_sync_disk_fini(struct rt_sync_disk *d);            /* gives the locks back */
struct disk_op *rt_sync_disk_next(struct rt_sync_disk *d); /* a completion; NULL: none */

#endif
