/* disk.h: files, as the core sees them. src/rt and sim implement it and are held to the same promises
 * by tests/support/disk_contract.c:
 *
 *   D1  a read past the end zero-fills the rest and gives MS_ESHORT, with op->done_bytes what was there
 *   D2  once a sync has completed with 0, every write to that file completed before it was submitted
 *       survives power loss
 *   D3  until then any part of those writes may survive, sector (512 bytes) by sector
 *   D4  creating, renaming, linking, removing a name is durable only after a sync of its directory
 *   D5  a sync that failed is final: what it covered is unknown, and the replica stops
 *   D6  completions come back as inputs carrying the op, in any order across lanes; within one lane ops
 *       are executed in the order of their submission
 *   D7  the op and its buffer are borrowed from submit() until its completion
 *
 * Paths are relative to the member's working directory or absolute, NUL-terminated, at most
 * DISK_PATH_BYTES_MAX with the NUL. */
#ifndef ENV_DISK_H
#define ENV_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_PATH_BYTES_MAX 512
#define DISK_NAME_BYTES_MAX 128
#define DISK_SECTOR_BYTES 512u

typedef int32_t disk_file; /* a handle; valid ones are >= 0 */
#define DISK_FILE_NONE (-1)

/* A lane is a queue with a worker of its own, so that slow bulk work delays no vote and no commit. */
enum disk_lane { DISK_LANE_LOG, DISK_LANE_STATE, DISK_LANE_BULK, DISK_LANE_COUNT };

enum disk_op_kind {
    DISK_OP_OPEN,       /* path; create: make it if absent (else MS_ENOTFOUND) -> file, size_bytes */
    DISK_OP_CLOSE,      /* file */
    DISK_OP_READ,       /* file, offset, buf, len -> done_bytes */
    DISK_OP_WRITE,      /* file, offset, buf, len; sync: then as DISK_OP_SYNC, in one op */
    DISK_OP_SYNC,       /* file: data, and what is needed to read it back (fdatasync) */
    DISK_OP_TRUNCATE,   /* file, offset: the new size */
    DISK_OP_RENAME,     /* path -> path2, which it replaces */
    DISK_OP_LINK,       /* path -> path2, a second name */
    DISK_OP_REMOVE,     /* path: a file; MS_ENOTFOUND if absent */
    DISK_OP_REMOVE_DIR, /* path: an empty directory */
    DISK_OP_MKDIR,      /* path; MS_EEXIST if there. Parents must exist (MS_ENOTFOUND) */
    DISK_OP_SYNC_DIR,   /* path */
    DISK_OP_FREE_SPACE /* path -> size_bytes: what is free for us on its file system; total_bytes: all */
};

struct disk_op {
    enum disk_op_kind kind;
    enum disk_lane lane;
    uint64_t token; /* the submitter's; comes back untouched */
    void *owner;    /* likewise: who in the core submitted it */
    disk_file file;
    uint64_t offset;
    void *buf; /* WRITE reads it, READ fills it */
    size_t len;
    bool sync, create;
    char path[DISK_PATH_BYTES_MAX], path2[DISK_PATH_BYTES_MAX];
    /* results */
    int status; /* 0 or an error code */
    size_t done_bytes;
    uint64_t size_bytes, total_bytes;
};

struct disk {
    const struct disk_ops *ops;
};

struct disk_ops {
    /* Start op; its completion comes later as an input of the member, never from inside this call.
     * Never fails: a refusal is a completion with an error. */
    void (*submit)(struct disk *d, struct disk_op *op);
    /* Do op now and wait for it: at start-up, or on a thread that may wait, as the engine's. Any thread.
     * Returns op->status. */
    int (*call)(struct disk *d, struct disk_op *op);
    /* Names in a directory, sorted, "." and ".." left out; cb's non-zero return ends it and is
     * returned. MS_ENOTFOUND if the directory is absent. Blocks, as call does; cb may change the
     * directory. */
    int (*list)(struct disk *d, const char *path,
                int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes), void *arg);
    /* Take the directory for this process until the disk is closed: MS_ELOCKED if another has it. */
    int (*lock)(struct disk *d, const char *path);
};

#endif
