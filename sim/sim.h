/* sim.h: one run of the simulator: a whole cluster and its clients from one seed.
 *
 * What happens is decided by the seed and the options alone: the plan is drawn first, then every module
 * draws from generators of its own (DESIGN 2.7). Real time and memory addresses decide nothing.
 *
 *   sim_plan.c      what the seed draws: sizes, timeouts, speeds, which faults
 *   sim_scenario.c  plans bent towards rare states
 *   sim_run.c       the loop, the two phases, the end
 *   sim_cluster.c   members on simulated clock, disk and engine thread; sim_clock.c that clock
 *   sim_net*.c      byte streams            sim_disk*.c     disks
 *   sim_faults*.c   the fault schedule      sim_workload.c  clients over HTTP
 *   sim_watch*.c    clients that watch, and K13
 *   sim_lease.c     clients of leases; sim_check_lease.c their judge
 *   sim_reads.c     ranges and transactions beside them, sim_truth.c what they have to be told, and K23
 *   sim_limits.c    sizes at limits
 *   sim_backup.c    somebody who saves backups, and K25
 *   sim_record.c    the ledger of faults, and what of them is inside of the promise
 *   sim_core.c      who is healed in the second phase, and what is asked of them
 *   sim_check*.c    the checkers K1 to K25 of docs/TESTING.md; sim_history*.c the two judges of K11
 *   sim_schedule.c  the run as a list of actions, recorded and replayed; sim_script*.c as text
 *   sim_shrink*.c   a failing seed becomes a small script
 *   sim_enumerate.c power cuts at every operation of a run
 *   sim_html*.c     a run as a page          page/           what stands on it
 *   sim_exhaust*.c  another thing: all that can happen to three bare cores of consensus
 *   sim_report.c    what is printed          sim_main.c      the command line */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "env/rand.h"
#include "member/member.h"
#include "sim/sim_alloc.h"
#include "sim/sim_disk.h"
#include "sim/sim_events.h"
#include "sim/sim_net.h"

/* Kinds of faults; a seed draws which of them it has. name, text of --faults */
#define SIM_FAULT_MAP(X)                                                                               \
    X(LOSS, "loss")           /* frames between members vanish */                                      \
    X(DELAY, "delay")         /* frames are late and overtaken */                                      \
    X(DUPLICATE, "duplicate") /* frames come twice */                                                  \
    X(REPLAY, "replay")       /* frames of earlier connections come again */                           \
    X(CUT, "cut")             /* bytes arrive in pieces cut anywhere */                                \
    X(RESET, "reset")         /* connections break, wherever their bytes are */                        \
    X(PARTITION, "partition") /* two sides, nothing between them */                                    \
    X(ONEWAY, "oneway")       /* one member hears all and is not heard, or the reverse */              \
    X(PARTIAL, "partial")     /* single pairs do not reach each other */                               \
    X(BRIDGE, "bridge")       /* two sides, and one member that reaches both */                        \
    X(CLOG, "clog")           /* single directions stand still for a moment */                         \
    X(SWIZZLE, "swizzle")     /* members fall silent one after the other, and come back in           \
                                   another order */ \
    X(SLOWLINK, "slowlink")   /* a member's links drain slowly */                                      \
    X(KILL, "kill")           /* a process dies; what it wrote is in the page cache */                 \
    X(POWER, "power")         /* a machine dies; what was not synced survives in part */               \
    X(BOOTCRASH, "bootcrash") /* it dies again in the middle of its start */                           \
    X(BLACKOUT, "blackout")   /* all machines lose power at once */                                    \
    X(WIPE, "wipe")           /* a machine comes back with an empty disk */                            \
    X(ROT, "rot")             /* sectors of a disk change by themselves */                             \
    X(LOSEFILE, "losefile")   /* a file of a disk vanishes or is cut */                                \
    X(SLOWDISK, "slowdisk")   /* a disk with long tails */                                             \
    X(SLOWENGINE, "slowengine") /* a state machine that takes its time */                              \
    X(PAUSE, "pause")           /* a process stands still (SIGSTOP), clocks go on */                   \
    X(DRIFT, "drift")           /* clocks run at rates of their own, and change them */                \
    X(STALL, "stall")           /* a clock stands still, then goes on or jumps ahead */                \
    X(LATE, "late")             /* timers come late, the process runs otherwise */                     \
    X(EIO, "eio")               /* an operation of a disk fails, or does a part; sectors unreadable */ \
    X(STUCK, "stuck")           /* operations of a disk do not come to an end */                       \
    X(LOSTWRITE, "lostwrite")   /* a write that was synced is lost when power goes */                  \
    X(MISDIRECT, "misdirect")   /* the same, and it is found where something else stood */             \
    X(NOSPACE, "nospace")       /* disks are nearly or quite full: of one, a majority, all */          \
    X(JOBCRASH, "jobcrash")     /* it dies in the middle of what RocksDB writes */                     \
    X(DIVERGE, "diverge")       /* the state of a member is another one all of a sudden */            \
    X(NOMEM, "nomem")           /* allocations of a member are refused */                             \
    X(LIMITS, "limits")         /* writes of just the size that is allowed, and of a byte more */

enum sim_fault_kind {
#define X(name, text) SIM_FAULT_##name,
    SIM_FAULT_MAP(X)
#undef X
        SIM_FAULT_KINDS
};
static_assert(SIM_FAULT_KINDS <= 64, "a set of kinds is bits of an uint64_t");
#define SIM_KIND(name) (UINT64_C(1) << SIM_FAULT_##name)

/* States that only rich runs reach; the summary says in how many seeds they were seen. A batch that is large
 * enough and leaves one out has failed: something has become narrower than it was. */
#define SIM_RARE_FROM_SEEDS 2000u
#define SIM_RARE_MAP(X)                                                                                \
    X(ELECTION, "a second leader")                                                                     \
    X(SPLIT_VOTE, "a candidate without a majority")                                                    \
    X(SUFFIX_REPLACED, "entries superseded")                                                           \
    X(OLD_TERM_KEPT, "an entry of an old term committed by a new leader")                              \
    X(SNAP_TAKEN, "a snapshot stored")                                                                 \
    X(SNAP_INSTALLED, "a snapshot installed")                                                          \
    X(SNAP_LOADED, "a snapshot loaded at start")                                                       \
    X(SNAP_RESUMED, "a transfer that went on in its middle, and was installed")                        \
    X(SNAP_REFUSED, "a snapshot refused that was not needed")                                          \
    X(LOST_UNSYNCED, "a crash that lost unsynced data")                                                \
    X(TORN_WRITE, "a power cut during a write")                                                        \
    X(BOOT_CRASH, "a crash during start-up")                                                           \
    X(JOB_CRASH, "a crash in the middle of a flush, compaction or checkpoint")                         \
    X(FROM_CHECKPOINT, "a database restored from its checkpoint")                                      \
    X(DATABASE_DAMAGED, "a damaged database that its member noticed while it ran")                     \
    X(FROM_NOTHING, "a database begun anew although its member had one")                               \
    X(ALL_DOWN, "all members down")                                                                    \
    X(LEADER_DIED, "a leader died")                                                                    \
    X(LEADER_PAUSED, "a leader stopped for a while")                                                   \
    X(LEADER_DEPOSED, "a leader that comes back from a pause to a later term")                         \
    X(BRIDGED, "a leader that is the only one to reach both sides")                                    \
    X(SWIZZLED, "a majority that fell silent one after the other")                                     \
    X(CLOCKS_APART, "a leader whose clock is 5 % slower than a follower's")                            \
    X(CLOCK_STOOD, "a leader whose clock stood still")                                                 \
    X(STREAM_CUT, "a frame cut by a reset")                                                            \
    X(FRAME_REPLAYED, "a frame of an earlier connection")                                              \
    X(DUPLICATE_REFUSED, "a proposal applied once and refused once")                                   \
    X(OUTCOME_UNKNOWN, "a write of unknown outcome")                                                   \
    X(UNKNOWN_APPLIED, "a write of unknown outcome that was applied")                                  \
    X(COMPACTED, "history compacted")                                                                  \
    X(READ_BACK, "entries read back from disk")                                                        \
    X(JOINT, "a joint configuration committed")                                                        \
    X(JOINT_NEW_LEADER, "a leader elected with a joint configuration in its log")                      \
    X(TRANSFERRED, "a leadership handed over")                                                         \
    X(LEASE_HELD, "a leader with a lease of reads")                                                    \
    X(LEASE_ENDED, "a leader that comes back to find another after its lease")                         \
    X(STALL_TRANSFER, "a leadership given away for a disk that stalls")                                \
    X(SPACE_TRANSFER, "a leadership given away for a disk that is full")                               \
    X(NO_ROOM, "a member that finds its disk full")                                                    \
    X(QUORUM_FULL, "writes refused because no quorum has room")                                        \
    X(START_REFUSED, "a first start without room for its files")                                       \
    X(WIPED, "a disk lost with all that was on it")                                                    \
    X(WIPED_REPLACED, "a member that lost its disk, removed and added anew")                           \
    X(DAMAGED, "damage found by recovery")                                                             \
    X(REPAIRED, "a damaged member made whole by its peers")                                            \
    X(IO_FAILED, "a member that stopped because its disk failed")                                      \
    X(IO_FAILED_LEADER, "a leader that stopped because its disk failed")                               \
    X(IO_FAILED_SYNC, "a sync that failed, and the next one succeeded without writing")                \
    X(IO_FAILED_BULK, "a failure while a snapshot was stored or a segment prepared")                   \
    X(IO_FAILED_READ, "entries that could not be read back")                                           \
    X(IO_SHORT, "a write or read that was short")                                                      \
    X(IO_FAILED_START, "a start that failed because its disk did")                                     \
    X(UNREADABLE, "sectors that could not be read at a start")                                         \
    X(STUCK_LEADER, "a leader whose log stood still")                                                  \
    X(STUCK_DEPOSED, "a leader whose log stood still, and another was found")                          \
    X(LIED, "a disk that lost what it had called durable")                                             \
    X(LIE_NOTICED, "a lost write noticed at the next start")                                           \
    X(LIE_UNNOTICED, "a lost write that nobody can notice, where that is harmless")                    \
    X(MISDIRECTED, "a write found where something else had stood")                                     \
    X(BEYOND, "disks of a majority damaged (zone b)")                                                  \
    X(BEYOND_SERVED, "zone b: the cluster could serve again")                                          \
    X(BEYOND_OUT, "zone b: the cluster stayed out of service")                                         \
    X(CORE, "a second phase with a core")                                                              \
    X(CORE_PARTIAL, "a core with half connected members beside it")                                    \
    X(CORE_HOPELESS, "a core that cannot elect, proved")                                               \
    X(OUTSIDE_LEADER, "a core that follows a leader outside of it")                                    \
    X(LEASE_EXPIRED, "a lease that expired")                                                           \
    X(LEASE_RENEWED, "a keep-alive acknowledged")                                                      \
    X(LEASE_FENCED, "an expiry that came too late")                                                    \
    X(LEASE_MARKED, "what remains of a lease written down")                                            \
    X(PERSISTED, "a flush and checkpoint of RocksDB")                                                  \
    X(WATCH_SLOW, "a watch that was not read for a while")                                             \
    X(WATCH_COMPACTED, "a watch from a revision that is compacted")                                    \
    X(WATCH_OVERTAKEN, "a watch that compaction has overtaken")                                        \
    X(DIFFERED, "a member that noticed that its state differs")                                        \
    X(REBUILT, "a state that differed, built anew")                                                    \
    X(BACKUP, "a backup that was saved")                                                               \
    X(READ_LONG, "a range in several pieces")                                                          \
    X(READ_OLD, "a range at an older revision")                                                        \
    X(READ_STALE, "a range from a member that is behind")                                              \
    X(CONDITION_HELD, "a write done on a condition")                                                   \
    X(CONDITION_FAILED, "a write not done, by its condition")                                          \
    X(READ_COMPACTED, "a range at a compacted revision")                                               \
    X(SEARCHED, "a history judged by search")                                                          \
    X(FIGURE_8, "an entry that a majority held, superseded before it was committed (figure 8)")        \
    X(COMMIT_BEFORE_OWN, "an entry committed before its leader's own disk had it")                     \
    X(SNAP_OVER_SUFFIX, "a snapshot installed over entries that it supersedes")                        \
    X(SNAP_CUT_RACE, "a log cut by the leader while a snapshot was on its way from it")            \
    X(CHANGE_BACK, "a change of the members taken back with the entries behind it")                    \
    X(LEADER_REMOVED, "a leader that commits its own removal")                                         \
    X(JOINT_DIED, "a leader that died with a joint configuration in its log")                          \
    X(TRANSFER_DIED, "a leader that died while it handed over")                                        \
    X(VOTE_TORN, "a power cut while term and vote were written")                                       \
    X(ROT_LAST, "damage to the last record that its member had called durable")                        \
    X(AT_LIMIT, "a write of just the size that is allowed")                                            \
    X(BEYOND_LIMIT, "a write refused for a byte too many")                                             \
    X(NO_MEMORY, "a member that was refused memory, and went on")                                      \
    X(NO_MEMORY_STOPPED, "a member that stopped because it was refused memory")                        \
    X(NO_MEMORY_START, "a start that failed because it was refused memory")                            \
    X(RECYCLED, "a recycled segment read at a start, with records of its earlier life")                \
    X(LEASE_LAST_READ, "a read served by a lease in its last heartbeat")

enum sim_rare {
#define X(name, text) SIM_RARE_##name,
    SIM_RARE_MAP(X)
#undef X
        SIM_RARES
};

/* Judges that a run can do without (--mute), so that it is seen what the others find. name, text */
#define SIM_MUTE_MAP(X)                                                                                \
    X(K22, "K22")           /* at which index a read is served */                                      \
    X(ORDER, "K11-order")   /* K11 on line, by revision */                                             \
    X(SEARCH, "K11-search") /* K11 by search */

enum sim_mute {
#define X(name, text) SIM_MUTE_##name,
    SIM_MUTE_MAP(X)
#undef X
        SIM_MUTES
};

/* Of the members: all in memory, all on RocksDB, or some of each. */
enum sim_storage { SIM_STORAGE_DRAWN, SIM_STORAGE_MEMORY, SIM_STORAGE_ROCKSDB, SIM_STORAGE_MIXED };

/* Plans bent towards what few seeds reach (sim_scenario.c): X(its constant, its name). */
#define SIM_SCENARIO_MAP(X)                                                                            \
    X(TERMS, "terms")         /* leaders follow each other before their entries have spread */         \
    X(CHANGES, "changes")     /* joint configurations under leaders that die */                        \
    X(NEWCOMERS, "newcomers") /* machines come while voters are slow to follow */                      \
    X(SPACE, "space")         /* machines come new onto full disks */                                  \
    X(DATABASE, "database")   /* RocksDB's files are damaged, its processes die in its jobs */         \
    X(GROWTH, "growth")       /* a cluster of one or two grows */                                      \
    X(LEASES, "leases")       /* who reads by lease is cut off, and all else is fast */                \
    X(INSTALLS, "installs")   /* who comes back needs a snapshot, and is disturbed in taking it */     \
    X(OUTAGES, "outages")     /* one power cut behind another, while much is written */                \
    X(RETURNS, "returns")     /* disks are lost, the log still has all that their members wrote */
enum sim_scenario {
    SIM_SCENARIO_DRAWN,
#define X(name, text) SIM_SCENARIO_##name,
    SIM_SCENARIO_MAP(X)
#undef X
    SIM_SCENARIOS
};

struct sim_options {
    uint64_t seed, start, seeds;
    bool seed_given, start_given;
    double minutes;
    uint32_t nodes, clients, ops; /* 0: drawn */
    enum sim_storage storage;
    enum sim_scenario scenario;
    uint64_t faults; /* bits of kinds allowed */
    bool faults_given;
    uint32_t muted; /* bits of enum sim_mute */
    bool trace, twice, twice_given, quiet, shrink;
    const char *script;                  /* where the schedule comes from; NULL: from nowhere */
    struct sim_schedule *schedule;       /* recorded or replayed (sim_schedule.h); NULL: neither */
    bool enumerate, point_given;         /* sim_enumerate.h: cut power everywhere, or in one case */
    uint64_t point, share;               /* that case; only one in so many cases, 0: all */
    struct sim_enumeration *enumeration; /* that the run belongs to; NULL: none */
    struct sim_html *html;               /* the page of the run (sim_html.h); NULL: none */
    uint64_t events_max;                 /* the run is given up behind so many; 0: never */
    uint64_t rare_from; /* a batch of so many seeds has to reach each rare state; 0: none has to */
};

/* What a seed draws before anything happens. Times are of virtual microseconds. */
struct sim_plan {
    uint64_t seed;
    uint32_t node_count, client_count, key_count, op_count;
    enum sim_storage storage;
    uint32_t flush_every;   /* RocksDB: commits between two flushes beside those of persists; 0: none */
    uint32_t compact_every; /* persists between two compactions; 0: none */
    uint64_t faults;
    uint64_t safety_us;    /* length of the phase with faults */
    uint64_t fault_gap_us; /* mean time between faults */
    uint64_t fault_len_us; /* mean length of one */
    uint64_t absence_us;   /* when one member goes for long; 0: never */
    uint64_t absence_len_us;
    bool absence_power;    /* its machine goes in any case */
    uint64_t space_gap_us; /* mean time between disks that fill up; 0: never */
    uint64_t space_len_us;
    uint64_t memory_gap_us; /* mean time between members that are refused memory; 0: never */
    uint64_t diverge_gap_us; /* mean time between states that become others; 0: never */
    uint32_t latency_us, jitter_us, client_latency_us;
    struct sim_net_opts net;
    struct sim_frame_odds odds;
    uint32_t write_us, read_us, sync_us, disk_tail_ppm, disk_tail_us;
    uint32_t job_us, job_tail_ppm, job_tail_us, turn_us, timer_late_us;
    uint32_t value_bytes_max, client_timeout_ms, think_us;
    uint32_t limits; /* sizes at limits: of values, of requests (sim_limits.h) */
    uint32_t read_percent, delete_percent, stick_percent;
    uint32_t watch_count; /* clients that watch (sim_watch.h) */
    bool reads;  /* somebody reads ranges (sim_reads.h) */
    bool conditions; /* some PUTs have conditions (sim_condition.c) */
    bool backups; /* somebody saves backups (sim_backup.h) */
    bool beyond; /* zone b: disks of a majority are damaged (sim_record.h) */
    bool tight;  /* and everything but an election is quick, clocks are as far apart as they may be */
    bool mute_leaders; /* they fall silent before what they append has spread, as often as not */
    bool mute_heirs; /* whom the leadership is handed over falls silent, as often as not */
    bool leases; /* lease reads may be switched on: clocks keep to their bound (T2) */
    uint64_t admin_us;                /* mean time between what an operator does; 0: nothing */
    uint32_t lease_clients, lease_think_us; /* sim_lease.h */
    bool churn, exchanges, transfers; /* members, several at once, the leadership */
    struct member_opts member;
};

struct sim_totals {
    uint64_t events, ops_begun, ops_ok, ops_failed, ops_unknown;
    uint64_t leader_changes, healed_changes, crashes, crashes_lossy, snapshots_taken,
        snapshots_installed;
    uint64_t faults[SIM_FAULT_KINDS], rare[SIM_RARES];
    uint64_t virtual_us, entries;
    uint64_t searched, windows, given_up; /* by K11 search: keys, parts of histories, not judged */
};

struct sim_cluster;
struct sim_workload;
struct sim_watches;
struct sim_reads;
struct sim_backups;
struct sim_faults;
struct sim_check;
struct sim_records;
struct sim_schedule;
struct sim_action;
struct sim_enumeration;
struct sim_leases;

enum sim_phase { SIM_PHASE_SAFETY = 1, SIM_PHASE_HEALED, SIM_PHASE_QUIET, SIM_PHASE_OVER };

struct sim {
    const struct sim_options *opts;
    struct sim_plan plan;
    struct sim_events events;
    struct sim_alloc alloc;
    struct sim_net *net;
    struct sim_cluster *cluster;
    struct sim_workload *workload;
    struct sim_watches *watches;
    struct sim_leases *leases;
    struct sim_reads *reads;
    struct sim_backups *backups;
    struct sim_faults *faults;
    struct sim_check *check;
    struct sim_records *records;
    struct sim_schedule *schedule;       /* of opts */
    struct sim_enumeration *enumeration; /* likewise */
    enum sim_phase phase;
    uint64_t healed_us, idle_us, quiet_us, quiet_commit, quiet_leaders, quiet_entries_max;
    uint64_t quiet_replays; /* proposals that the network had brought back by then */
    bool quiet_asked; /* at the last look some member had proposals */
    uint32_t core;           /* bits by index: who was healed (sim_core.h); 0: nobody yet */
    uint64_t healed_leaders; /* how many there had been by then (K19) */
    uint64_t hash;           /* K20: of all that has happened */
    struct sim_totals totals;
    bool trace;
};

static inline uint64_t sim_now_us(const struct sim *s)
{
    return s->events.now_us;
}

/* K20: fold a value into the rolling hash. */
static inline void sim_fold(struct sim *s, uint64_t v)
{
    uint64_t h = (s->hash ^ v) * UINT64_C(0x9fb21c651e98df25);
    s->hash = h ^ h >> 29;
}

void sim_trace_rare(const struct sim *s, enum sim_rare r); /* sim_report.c */
static inline void sim_rare(struct sim *s, enum sim_rare r)
{
    if (s->totals.rare[r]++ == 0) sim_trace_rare(s, r);
}

static inline bool sim_is_muted(const struct sim *s, enum sim_mute judge)
{
    return s->opts->muted >> judge & 1;
}

/* Members and clients as owners of connections. */
static inline uint32_t sim_client_owner(uint32_t client)
{
    return SIM_MEMBERS_MAX + client;
}

/* --- sim_plan.c --- */
const char *sim_storage_name(enum sim_storage storage);
enum sim_storage sim_storage_parse(const char *name); /* DRAWN: it is none */
void sim_plan_draw(struct sim_plan *p, const struct sim_options *opts, uint64_t seed);
/* Between the end of a lease and the first moment in which another can lead lies a tenth of an election
 * timeout. Only a cluster in which all else is much faster than that comes near it: make it one. */
void sim_plan_draw_tight(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r);
/* sim_scenario.c: bend the plan towards what few seeds reach, in some; in all where the options name a scenario. */
void sim_scenario_draw(struct sim_plan *p, const struct sim_options *opts);
const char *sim_scenario_name(enum sim_scenario scenario);
enum sim_scenario sim_scenario_parse(const char *name); /* DRAWN: it is none */
int32_t sim_clock_draw_drift(const struct sim_plan *p, struct ms_rand *r);

/* --- sim_run.c --- */
/* Carry out a HEAL or an END. */
void sim_phase_perform(struct sim *s, const struct sim_action *a);
struct sim_trail {
    uint64_t *hashes; /* after each event; of the first of two runs */
    size_t count, cap;
};
/* Run one seed to its end; a failure does not return. trail: NULL, or filled (compare false), or
 * compared with (K20). */
void sim_run(const struct sim_options *opts, uint64_t seed, struct sim_trail *trail, bool compare,
             struct sim_totals *totals, uint64_t *hash);

/* --- sim_report.c --- */
enum sim_verdict {
    SIM_FAIL_SAFETY = 10,
    SIM_FAIL_LIVENESS = 11,
    SIM_FAIL_ASSERTION = 12,
    SIM_FAIL_DETERMINISM = 13,
    SIM_FAIL_RARE = 14 /* of a batch: it has not reached what it has to */
};
/* Print what failed and how to see it again, and end the process with the verdict as its code. */
_Noreturn void sim_fail(enum sim_verdict verdict, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Which run a failure belongs to. */
void sim_report_current(const struct sim *s);
void sim_trace(const struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *sim_fault_name(enum sim_fault_kind kind);
const char *sim_mute_name(enum sim_mute judge);

#endif
