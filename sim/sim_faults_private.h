/* sim_faults_private.h: the inside of the fault schedule.
 *   sim_faults.c          when which fault begins and ends, healing, --faults
 *   sim_faults_net.c      what happens to links
 *   sim_faults_clock.c    what happens to clocks and timers
 *   sim_faults_damage.c   what rots and vanishes on disks
 *   sim_faults_space.c    disks that fill up
 *   sim_faults_state.c    states that become others
 *   sim_faults_memory.c   memory that is refused
 *   sim_faults_core.c     what stays for ever
 *   sim_faults_io.c       what disks do wrong while they are used
 *   sim_faults_machine.c  what happens to processes, machines and disks
 *   sim_faults_script.c   the same as actions of a schedule */
#ifndef SIM_SIM_FAULTS_PRIVATE_H
#define SIM_SIM_FAULTS_PRIVATE_H

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_cluster.h"
#include "sim/sim_faults.h"
#include "sim/sim_record.h"

#define FAULTS_ACTIVE_MAX 32u
#define OUTSIDER_DISK_SLOW 16u
#define OUTSIDER_LANES (1u << DISK_LANE_LOG | 1u << DISK_LANE_BULK)

/* A fault that has begun and not ended. */
struct sim_fault {
    bool used;
    uint64_t id;
    enum sim_fault_kind kind;
    uint32_t target;
    uint32_t lanes;                   /* STUCK: bits */
    uint64_t life;                    /* of the target: a pause ends with it */
    uint64_t free_bytes;              /* NOSPACE: of its disk */
    bool jump;                        /* STALL: how it ends */
    size_t action;                    /* recorded: its place in the schedule, from 1 */
    uint64_t blocked[SIM_OWNERS_MAX]; /* by sender: bits of receivers */
};

struct sim_faults {
    struct ms_rand rand, io_rand, space_rand, state_rand, memory_rand;
    struct sim_fault active[FAULTS_ACTIVE_MAX];
    uint64_t next_id;
    bool healed;
    uint32_t kinds[SIM_FAULT_KINDS], kind_count;
};

static inline struct ms_rand *faults_rand(struct sim *s)
{
    return &s->faults->rand;
}

/* --- sim_faults.c --- */
struct sim_fault *faults_slot(struct sim *s, enum sim_fault_kind kind, uint32_t target);
/* Begin one; false: too many have. */
bool faults_begin(struct sim *s, enum sim_fault_kind kind, uint32_t target, uint64_t length_us);
uint64_t faults_around(struct sim *s, uint64_t mean); /* a quarter of it to seven quarters */
uint32_t faults_draw_target(struct sim *s);           /* a member; the leader every other time */

/* --- sim_faults_net.c --- */
bool faults_net_begin(struct sim *s, struct sim_fault *f); /* false: it is none of the network */
/* Let several members fall silent, each at a time of its own, by begin events of SWIZZLE. */
void faults_swizzle(struct sim *s, uint64_t length_us);
#define FAULTS_EVENT_ABSENCE 1u /* in a of a FAULT event; 0: the next one of the schedule */
#define FAULTS_EVENT_LEASE 5u   /* b: a voter that keeps a lease */
#define FAULTS_EVENT_BIAS 3u    /* b: the member */
#define FAULTS_EVENT_SWIZZLE 2u /* b: the member, and above it the length in ms */
void faults_net_end(struct sim *s, struct sim_fault *f);
void faults_block(struct sim *s, struct sim_fault *f, uint32_t from, uint32_t to);
/* Links between members of the core, and to clients, are free; the others stay as they are. */
void faults_net_keep_outside(struct sim *s, struct sim_fault *f);

/* --- sim_faults_clock.c --- */
bool faults_clock_begin(struct sim *s, const struct sim_fault *f); /* false: it is none of clocks */
bool faults_clock_end(struct sim *s, struct sim_fault *f);
void faults_stop_clock(struct sim *s, uint32_t target);

/* --- sim_faults_space.c --- */
void faults_space_create(struct sim *s);
void faults_space_event(struct sim *s);
void faults_space_draw(struct sim *s, struct sim_fault *f);
void faults_space_set(struct sim *s, uint32_t target, uint64_t free_bytes);
#define FAULTS_EVENT_SPACE 7u

/* --- sim_faults_state.c --- */
void faults_state_create(struct sim *s);
void faults_state_event(struct sim *s);
/* If that is inside of what is promised. */
void faults_diverge(struct sim *s, uint32_t target, uint64_t draw);
#define FAULTS_EVENT_STATE 8u

/* --- sim_faults_memory.c --- */
void faults_memory_create(struct sim *s);
void faults_memory_event(struct sim *s);
/* Of a schedule: as it was drawn. */
void faults_memory_arm(struct sim *s, uint32_t target, uint64_t draw);
#define FAULTS_EVENT_MEMORY 9u

/* --- sim_faults_script.c: what is decided is noted, if the run is recorded --- */
void faults_note(struct sim *s, struct sim_fault *f, uint64_t length_us); /* it has begun */
void faults_note_jump(struct sim *s, const struct sim_fault *f);
void faults_note_crash(struct sim *s, uint32_t target, bool power, uint64_t down_us);
void faults_note_start(struct sim *s, uint32_t target, uint64_t delay_us);
void faults_note_damage(struct sim *s, enum sim_fault_kind kind, uint32_t target);
void faults_note_wipe(struct sim *s, uint32_t target);
void faults_note_reset(struct sim *s, const struct sim_net_pick *pick);
void faults_note_hold(struct sim *s, uint32_t from, uint32_t to); /* for ever */
void faults_note_for_ever(struct sim *s, enum sim_fault_kind kind, uint32_t target);

/* --- sim_faults_core.c --- */
bool faults_may_last(const struct sim *s); /* --faults leaves one that can stay for ever */
void faults_core_begin(struct sim *s);     /* everybody outside of the core gets one */

/* --- sim_faults_damage.c --- */
void faults_damage(struct sim *s, enum sim_fault_kind kind, uint32_t target); /* it is down */
void faults_disaster(struct sim *s);
#define FAULTS_EVENT_DISASTER 4u

/* --- sim_faults_io.c --- */
void faults_io_create(struct sim *s);
void faults_io_event(struct sim *s, uint64_t b); /* b: FAULTS_IO_NEXT, or whose lie is to come true */
uint32_t faults_io_lanes(struct sim *s);
bool faults_io_stays(struct sim *s); /* whether the next outsider's disk stands still for ever */
/* Of a schedule: it is carried out as it was drawn. */
void faults_io_perform(struct sim *s, const struct sim_action *a);
#define FAULTS_EVENT_IO 6u
#define FAULTS_IO_NEXT UINT64_MAX

/* --- sim_faults_machine.c --- */
void faults_die(struct sim *s, uint32_t target, bool power);
bool faults_may_die(struct sim *s);
void faults_machine_begin(struct sim *s, struct sim_fault *f);
void faults_machine_end(struct sim *s, const struct sim_fault *f);
/* Whether its disk may be lost, by what is promised. */
bool faults_may_wipe(struct sim *s, uint32_t target);
/* Its process dies and is back at once. */
void faults_restart(struct sim *s, uint32_t target);
/* A member goes for so long that the others have cut their logs when it comes back. */
void faults_absence(struct sim *s);

#endif
