/* sim_cluster.h: the members: the real struct member on simulated clock, network, disk and engine
 * thread.
 *
 *   L1  a lane of a disk carries out its ops one at a time, in the order of their submission, and hands
 *       back completions in that order; lanes do not wait for each other
 *   L2  the engine runs one job at a time, in the order of their submission
 *   L3  what was under way when a member died never comes back to any of its lives
 *   L4  a paused process takes no step and begins nothing; what was under way in the kernel goes on,
 * its clock too, and what comes for it waits, and comes all at once, in order, when it runs again */
#ifndef SIM_SIM_CLUSTER_H
#define SIM_SIM_CLUSTER_H

#include "sim/sim.h"
#include "sim/sim_clock.h"
#include "sim/sim_io.h"

#define SIM_LOG_DIR "log"
#define SIM_SNAP_DIR "snap"
#define SIM_DATA_DIR "data" /* of RocksDB; its checkpoints stand in SIM_SNAP_DIR */
#define SIM_PORT_FIRST 7000u

/* A queue of borrowed pointers: those at the front that are done wait for their delivery. */
struct sim_queue {
    void **items;
    uint32_t first, count, cap, done; /* cap: a power of two */
    bool busy;                        /* the first one that is not done is being worked on */
    uint64_t deliver_us;              /* of the newest delivery: they do not overtake each other */
};

struct sim_member_net {
    struct net face; /* first: what the core borrows */
    struct sim *sim;
    uint32_t owner;
};

/* The disk of a member that may die in the middle of its start. */
struct sim_member_disk {
    struct disk face; /* first: what the core borrows */
    struct sim_member *member;
};

enum sim_member_state { SIM_MEMBER_DOWN = 1, SIM_MEMBER_UP, SIM_MEMBER_GONE };

struct sim_member {
    struct sim *sim;
    uint32_t index;
    uint64_t id, life;
    enum sim_member_state state;
    struct member *member;
    struct kv *kv;    /* the member's while it is up; borrowed here to run its jobs */
    bool from_newest; /* RocksDB: it opened with what it held last, not with something older */
    bool on_rocks;    /* its engine */
    struct sim_rocks_env *rocks; /* RocksDB's files and threads, while it is up; NULL: in memory */
    struct sim_alloc alloc;
    struct sim_disk *disk;
    struct sim_member_net net;
    struct sim_member_disk disk_face;
    struct log_sink log;
    bool made_dirs, dying, flush_due, starting;
    uint64_t turn_us; /* flush_due: when the turn began that it ends */
    bool disk_loses; /* files; else its state file may rot */
    bool left_down;  /* for ever */
    bool attached;   /* it has written down who it is: from then on it hears of its removal */
    bool bound;      /* it has written down that the cluster has bound this directory to its id */
    bool joins;      /* started with --join, and url as its own in --cluster */
    char url[MS_URL_BYTES_MAX + 1];
    struct sim_clock clock;
    int32_t drift_ppm;      /* of its clock, when nothing else happens to it */
    uint32_t late_us;       /* so late timers may come; 0: as planned */
    uint64_t tick_us;       /* the earliest tick under way; 0: none */
    uint32_t idle_turns;    /* in a row that ended with the wish to be woken at once (K19) */
    uint32_t pauses;        /* faults that hold the process: it runs at zero (L4) */
    struct sim_event *held; /* what has come for it meanwhile */
    uint32_t held_count, held_cap;
    uint64_t paused_term;            /* in which it led when it was stopped; 0: it did not */
    struct sim_io io;                /* what its disk does wrong */
    uint32_t disk_slow, engine_slow; /* factors, 1: as drawn */
    uint32_t boot_calls_left;        /* it dies after so many calls of its start; UINT32_MAX: never */
    bool boot_failed;
    uint32_t job_calls_left; /* it dies behind so many writing calls of its engine; UINT32_MAX: never */
    bool in_job, job_failed;
    bool stop_wanted;
    int stop_status;
    char stop_reason[256];
    struct sim_queue lanes[DISK_LANE_COUNT], jobs;
    uint64_t noticed_config, noticed_transfer, noticed_us; /* sim_faults_notice(): the last ones */
    uint64_t noticed_term, noticed_held;                   /* the same, of leaderships (plan.mute_leaders) */
    uint64_t served_index;                                 /* applied index when a READ job ran last */
};

struct sim_cluster {
    struct sim_member members[SIM_MEMBERS_MAX];
    uint32_t count;
    struct config config; /* of --cluster */
    struct ms_rand disk_rand, job_rand, sched_rand, seed_rand, crash_rand;
};

void sim_cluster_create(struct sim *s);
void sim_cluster_destroy(struct sim *s);
/* A machine for one more member, not started yet; NULL: SIM_MEMBERS_MAX are there. */
struct sim_member *sim_cluster_add(struct sim *s);
/* The URL under which a member was or shall be added; ports tell attempts apart, and say nothing else.
 */
void sim_member_url(char url[MS_URL_BYTES_MAX + 1], uint64_t id, uint32_t port);

static inline struct sim_member *sim_member_at(struct sim *s, uint32_t index)
{
    return &s->cluster->members[index];
}

static inline const struct node *sim_member_node(const struct sim_member *m)
{
    return member_node(m->member);
}

/* Start a member that is down, after delay_us. */
void sim_member_start_soon(struct sim *s, uint32_t index, uint64_t delay_us);
/* The process dies now. power: so does its machine, and what was not synced survives in part. */
void sim_member_crash(struct sim *s, uint32_t index, bool power);
/* If it has lost its disk: start it anew with --join, as one does with a member that was added. */
void sim_member_rejoin(struct sim *s, uint32_t index);
/* It is down; when it comes back its disk is empty. */
void sim_member_wipe(struct sim *s, uint32_t index);
/* Stop the process and let it run again; pauses of one life add up. */
void sim_member_pause(struct sim *s, uint32_t index);
void sim_member_resume(struct sim *s, uint32_t index);
/* Its clock has changed its ways: what waits for a time of it is looked at anew. */
void sim_member_clock_changed(struct sim *s, uint32_t index);
/* Whether the event has to wait; then it was kept. */
bool sim_member_holds(struct sim *s, const struct sim_event *ev);
uint32_t sim_cluster_up(const struct sim *s);
uint64_t sim_cluster_term(struct sim *s); /* the highest of any member that is up */
/* The member that leads in the highest term, or NULL. */
struct sim_member *sim_cluster_leader(struct sim *s);

/* Its engine's disk said no in the middle of a job: the process is dead, and starts again. */
void sim_member_died_in_job(struct sim_member *m);

/* Handle an event of a MEMBER, DISK or JOB kind. Returns a hash of what it was. */
uint64_t sim_cluster_event(struct sim *s, const struct sim_event *ev);
/* The network's calls for members. */
bool sim_member_listens(struct sim *s, uint32_t index);
void sim_member_accepted(struct sim *s, uint32_t index, uint64_t number, uint32_t peer);
void sim_member_dialed(struct sim *s, uint32_t index, uint64_t number, int status);
void sim_member_bytes(struct sim *s, uint32_t index, uint64_t number, struct bytes in);
void sim_member_writable(struct sim *s, uint32_t index, uint64_t number);
void sim_member_closed(struct sim *s, uint32_t index, uint64_t number);

#endif
