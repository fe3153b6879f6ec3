/* system_disk.h: the system's files, without a loop: an engine only calls and lists. */
#ifndef TESTS_KV_ROCKS_SYSTEM_DISK_H
#define TESTS_KV_ROCKS_SYSTEM_DISK_H

#include "env/disk.h"

extern struct disk system_disk;
extern uint64_t disk_room; /* what a test says is free; UINT64_MAX: what is */

#endif
