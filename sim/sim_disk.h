/* sim_disk.h: a simulated disk that keeps the promises of env/disk.h and breaks everything it may.
 *
 * Two images: what a process sees (volatile), and what survives power loss (durable). A write goes to
 * the volatile image; a sync moves the file's sectors to the durable one; names become durable by a
 * sync of their directory. A crash keeps, of what was not synced, any subset of sectors and a subset of
 * the directory operations, drawn from a generator.
 *
 * When an op is performed is the caller's affair: submit() only hands it to the hook. */
#ifndef SIM_SIM_DISK_H
#define SIM_SIM_DISK_H

#include "env/alloc.h"
#include "env/disk.h"
#include "env/rand.h"

struct sim_disk; /* opaque */

struct sim_disk_opts {
    uint64_t capacity_bytes; /* above it writes that need room give MS_ENOSPC; 0: no bound */
    /* Takes a submitted op; performs it later with sim_disk_perform(), ops of one lane in order. */
    void (*submitted)(void *ctx, struct disk_op *op);
    void *ctx;
};

/* alloc: borrowed; a refusal after create is a panic, so give it one that refuses nothing. */
struct sim_disk *sim_disk_create(const struct sim_disk_opts *opts, const struct ms_alloc *alloc);
void sim_disk_destroy(struct sim_disk *d);
struct disk *sim_disk_face(struct sim_disk *d); /* what the core borrows */

/* Carry out op: fills in its results. Does not call anybody. */
void sim_disk_perform(struct sim_disk *d, struct disk_op *op);

/* Power loss, or the process is killed (power false: everything written survives, the page cache lives
 * on). Handles and locks are gone. Ops not performed are the caller's to forget; an op in the middle of
 * being performed may be given as torn (NULL: none): some of its sectors take part in the drawing.
 * Returns true if anything that had been written was lost. rand NULL: nothing survives that was not
 * synced. */
bool sim_disk_crash(struct sim_disk *d, bool power, struct ms_rand *rand, struct disk_op *torn);

/* The durable image, for checkers. Returns bytes read (short past the end), or MS_ENOTFOUND. */
int64_t sim_disk_durable_read(struct sim_disk *d, const char *path, uint64_t offset, void *dst,
                              size_t len);
int64_t sim_disk_visible_read(struct sim_disk *d, const char *path, uint64_t offset, void *dst,
                              size_t len); /* the other one: what a process sees */
int sim_disk_durable_list(struct sim_disk *d, const char *path,
                          int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                          void *arg);

/* Faults: ops for which the hook says so fail with its status (0: no fault). A failed sync calls what
 * it covered clean: a second one succeeds and makes none of it durable. */
void sim_disk_set_fault(struct sim_disk *d, int (*fault)(void *ctx, const struct disk_op *op),
                        void *ctx);
/* What may become of one op instead. In all of them but LIES the caller is told, or can see it. */
enum sim_disk_how {
    SIM_DISK_DONE = 1,
    SIM_DISK_FAILS,      /* nothing was done: MS_EIO */
    SIM_DISK_PART_FAILS, /* a write or read: the first part_bytes were, then MS_EIO */
    SIM_DISK_SHORT,      /* the same, and 0, with done_bytes below len */
    SIM_DISK_SYNC_FAILS, /* a sync, or a write in its sync: MS_EIO, and what it covered is lost */
    SIM_DISK_LIES        /* a write with a sync: 0, and what was written is lost */
};
/* Carry out op in that way; what does not go with its kind is done as usual. */
void sim_disk_perform_as(struct sim_disk *d, struct disk_op *op, enum sim_disk_how how,
                         size_t part_bytes);
/* What syncs have lost is durable all the same: nothing has gone wrong. */
void sim_disk_keep_lost(struct sim_disk *d);
/* The sector at offset cannot be read any more, until it is written. */
int sim_disk_spoil(struct sim_disk *d, const char *path, uint64_t offset);
/* How likely each thing survives the crashes to come, in eighths; SIM_DISK_ODDS_DRAWN: drawn for each. */
#define SIM_DISK_ODDS_DRAWN (-1)
void sim_disk_set_crash_odds(struct sim_disk *d, int eighths);
/* Damage durable and volatile bytes alike: flip bits in the sector at offset, at least one. */
int sim_disk_rot(struct sim_disk *d, const char *path, uint64_t offset, struct ms_rand *rand);
/* Space comes and goes; 0: no bound. */
void sim_disk_set_capacity(struct sim_disk *d, uint64_t capacity_bytes);
/* Everything gone: a replaced disk. */
void sim_disk_wipe(struct sim_disk *d);
uint64_t sim_disk_used_bytes(const struct sim_disk *d);
uint32_t sim_disk_open_files(const struct sim_disk *d);

/* Whether op is one that leaves anything else on the disk than was there. */
bool sim_disk_changes(const struct disk_op *op);

#endif
