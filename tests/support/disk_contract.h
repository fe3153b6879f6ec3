/* disk_contract.h: the promises of env/disk.h as one test body, to be called over every implementation.
 */
#ifndef TESTS_SUPPORT_DISK_CONTRACT_H
#define TESTS_SUPPORT_DISK_CONTRACT_H

#include "env/disk.h"

struct disk_contract {
    struct disk *disk;
    const char *dir; /* exists and is empty; what the body makes in it stays there */
    void *ctx;
    /* Wait for the next completion of an op that was submitted, and give it. */
    struct disk_op *(*next_completion)(void *ctx);
    /* Another process's view of the same files, to see that a lock holds; NULL: skipped. */
    struct disk *other;
    /* Power loss that keeps nothing that was not synced; the disk can be used again when it returns.
     * NULL: cannot be had, and what D2 to D4 promise is not looked at. */
    void (*crash)(void *ctx);
};

/* Fails the running test at the first promise that is not kept. */
void disk_contract_run(const struct disk_contract *c);

#endif
