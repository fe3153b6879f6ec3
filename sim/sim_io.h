/* sim_io.h: what a disk does wrong while its member runs: operations that fail, that do a part, that
 * never end, writes that are called durable and are not.
 *
 * A failure is armed for one of the operations to come, and hits it whatever it is by then. What follows
 * is inside of the promise (docs/TESTING.md): a member whose write or sync failed stops (DESIGN 2.11),
 * and is started again by somebody, as after a crash. What a failed sync covered is called clean by the
 * kernel and is gone when power goes.
 *
 * A lie is one batch of the log at a time. Until power goes nobody can see it; then it is decided by the
 * ghost whether it may be true (sim_check_lie_stands()): a lost batch behind which others were synced
 * is noticed at the next start; a last one is not, and is only let be lost where that cannot matter. */
#ifndef SIM_SIM_IO_H
#define SIM_SIM_IO_H

#include "sim/sim_disk.h"

struct sim;
struct sim_member;

enum sim_trap {
    SIM_TRAP_NONE,
    SIM_TRAP_LOG,   /* a write of the log */
    SIM_TRAP_STATE, /* of the state file */
    SIM_TRAP_BULK,  /* anything that prepares a segment or stores a snapshot */
    SIM_TRAP_READ,  /* reading entries back */
    SIM_TRAP_START  /* anything a start writes or makes durable */
};

enum sim_lie { SIM_LIE_NONE, SIM_LIE_LOST, SIM_LIE_MISDIRECTED };

struct sim_io {
    struct ms_rand rand; /* of what is armed */
    enum sim_trap trap;
    uint32_t trap_skip;             /* so many operations that match pass before one fails */
    bool failed;                    /* an operation has, in this life or start: it may stop */
    uint64_t must_stop_us;          /* a write or sync that failed was handed back then; 0: none was */
    uint8_t stuck[DISK_LANE_COUNT]; /* faults that hold a lane: it begins nothing */
    uint64_t stuck_term;            /* in which it led when its log was held; 0: it did not */
    enum sim_lie lie;               /* armed */
    uint32_t lie_skip;
    uint32_t lie_looks; /* for a moment at which nobody can notice it */
    enum sim_lie lied;  /* a batch was; its bytes */
    bool lie_true;      /* it was lost, and the member has not been up since */
    uint8_t *lied_bytes;
    struct sim_lie_place {
        char path[DISK_PATH_BYTES_MAX];
        uint64_t offset;
        uint8_t *before; /* what stood there then */
        size_t len;
    } place; /* MISDIRECTED: where it went */
};

/* What becomes of op, which is carried out now. starting: it is a call of a start. */
enum sim_disk_how sim_io_fate(struct sim_member *m, const struct disk_op *op, bool starting,
                              size_t *part_bytes);
/* op comes back to the member. */
void sim_io_delivered(struct sim_member *m, const struct disk_op *op);
/* K17: a member whose write or sync has failed does not go on. After each turn. */
void sim_io_check(struct sim_member *m);
/* Its process is gone. */
void sim_io_died(struct sim_member *m);
/* Power goes: as sim_disk_crash(), with lies decided. Returns true if anything written was lost. */
bool sim_io_power_cut(struct sim_member *m, struct ms_rand *rand, struct disk_op *torn);
/* Nothing is wrong any more, and nothing was lost. */
void sim_io_settle(struct sim_member *m);
void sim_io_hold(struct sim_member *m, uint32_t lanes);
void sim_io_release(struct sim_member *m, uint32_t lanes);
void sim_io_fini(struct sim_member *m);

#endif
