/* wal_rig.h: a log on a simulated disk, its ops performed one by one, and beside it a model: what was
 * acknowledged and must be found again. */
#ifndef TESTS_WAL_WAL_RIG_H
#define TESTS_WAL_WAL_RIG_H

#include "base/ms_err.h"
#include "env/rand.h"
#include "sim/sim_disk.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"
#include "wal/wal.h"

#define RIG_OPS_MAX 16u
#define RIG_ENTRIES_MAX 4096u
#define RIG_SEGMENT_BYTES (64u << 10)

/* A log as the model sees it: an entry is its term and the seed of its payload. */
struct rig_log {
    uint64_t base_index, last_index;
    struct rig_entry {
        uint64_t term, seed, len;
    } at[RIG_ENTRIES_MAX]; /* by index */
    struct wal_state state;
};

struct rig {
    struct test_alloc sim_alloc, alloc;
    struct sim_disk *sim;
    struct disk *disk;
    struct disk_op *queue[RIG_OPS_MAX];
    unsigned head, tail;
    uint64_t performed;   /* ops so far, over all lives */
    uint64_t crash_at;    /* stop performing before this op (from 1); 0: never */
    struct ms_rand order; /* which lane goes first */

    struct wal_opts opts;
    struct wal *wal;
    struct wal_recovery found;
    struct rig_log recovered; /* what wal_open gave */
    struct rig_log acked;     /* durable: must be found again */
    struct rig_log latest;    /* with the batch under way: may be found */
    uint64_t token, written_term;
    bool batch_busy;
    struct wal_event read; /* the last one */
    bool read_done;
    int failed; /* what wal_on_disk said */
    char last_log[256];
    struct log_sink log;
};

void rig_init(struct rig *r, uint64_t capacity_bytes);
void rig_fini(struct rig *r);
/* Open; the recovered log is in r->recovered. Returns what wal_open says. */
int rig_open(struct rig *r);
void rig_close(struct rig *r);
/* Power loss or kill, with ops under way; rand NULL: nothing unsynced survives. */
void rig_crash(struct rig *r, bool power, struct ms_rand *rand);
/* Perform one op; false: there is none, or it is time to crash. */
bool rig_step(struct rig *r);
/* Perform until nothing is under way; false: stopped by crash_at. */
bool rig_settle(struct rig *r);
/* Perform until ready. */
bool rig_until_ready(struct rig *r);

/* Batches: begin and commit keep the model. */
void rig_begin(struct rig *r);
void rig_entry(struct rig *r, uint64_t index, uint64_t term, size_t len);
void rig_state(struct rig *r, uint64_t term, uint64_t vote);
void rig_reset(struct rig *r, uint64_t index, uint64_t term);
void rig_commit(struct rig *r);
/* One batch of count entries behind the last one, until durable; false: stopped by crash_at. */
bool rig_append(struct rig *r, uint64_t term, unsigned count, size_t len);
/* Entries first to last, each as a read of its own or together. */
void rig_expect_read(struct rig *r, uint64_t first, uint64_t last);

/* The recovered log is the acknowledged one, or the one with the batch that was under way. */
void rig_expect_recovered(struct rig *r);
bool rig_log_equal(const struct rig_log *a, const struct rig_log *b);
/* The model goes on from what was recovered. */
void rig_adopt(struct rig *r);
/* The file of the newest segment, or of the nth from the oldest. */
void rig_segment_path(struct rig *r, unsigned nth, char *out, unsigned *count);

#endif
