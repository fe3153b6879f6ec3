/* sim_scenario.c: plans bent towards states that few seeds would reach by themselves. One seed in
 * SCENARIO_ONE_IN has one; what it draws comes from a generator of its own, so that all the others are
 * what they were. Where the command line chooses faults or members there is none. */
#include <string.h>

#include "sim/sim.h"

#define PURPOSE_SCENARIO 400u
#define SCENARIO_ONE_IN 4u
#define MS 1000u

static uint32_t between(struct ms_rand *r, uint64_t lo, uint64_t hi)
{
    return (uint32_t)ms_rand_between(r, lo, hi);
}

/* These faults, and nothing else that the seed has drawn. */
static void only(struct sim_plan *p, uint64_t faults)
{
    p->faults = faults;
    p->odds = (struct sim_frame_odds){ .delay_us_max = p->odds.delay_us_max };
    p->net.cut_odds = 0;
    p->absence_us = p->memory_gap_us = p->diverge_gap_us = p->space_gap_us = 0;
}

/* Leaders follow each other before their entries have spread (Raft, figure 8): they fall silent
 * (sim_faults.c), a message has one entry, and little else happens. */
static void draw_terms(struct sim_plan *p, struct ms_rand *r)
{
    struct raft_opts *o = &p->member.node.raft;
    p->faults |= SIM_KIND(SWIZZLE);
    p->faults &= ~(SIM_KIND(WIPE) | SIM_KIND(BLACKOUT) | SIM_KIND(LOSS) | SIM_KIND(DELAY));
    p->odds = (struct sim_frame_odds){ .delay_us_max = p->odds.delay_us_max };
    p->node_count = 3;
    p->churn = p->exchanges = false;
    o->inflight_count_max = 1;
    o->append_bytes_max = 64;
    o->election_ms_min = between(r, 80, 200);
    o->heartbeat_ms = o->election_ms_min / between(r, 5, 8);
    p->latency_us = between(r, 1000, 4000);
    p->sync_us = between(r, 1000, 6000);
    p->fault_gap_us = between(r, 1000, 3000) * MS;
    p->fault_len_us = between(r, 100, 1000) * MS;
    p->absence_us = 0;
    p->mute_leaders = true;
}

/* Joint configurations under leaders that die, and leaders that are to go while nobody takes over. */
static void draw_changes(struct sim_plan *p, struct ms_rand *r)
{
    p->faults |= SIM_KIND(KILL) | SIM_KIND(POWER) | SIM_KIND(PAUSE) | SIM_KIND(SWIZZLE);
    p->exchanges = true;
    p->churn = p->transfers = p->leases = false;
    p->mute_heirs = true;
    p->member.node.raft.append_bytes_max = 64; /* who takes over has to catch up first, and does not */
    p->member.node.raft.inflight_count_max = 1;
    p->member.node.raft.election_ms_min = between(r, 120, 250);
    p->member.node.raft.heartbeat_ms = p->member.node.raft.election_ms_min / between(r, 5, 8);
    p->latency_us = between(r, 1000, 4000);
    p->think_us /= 2;
    p->admin_us = between(r, 200, 800) * (uint64_t)MS;
    p->fault_gap_us = between(r, 150, 600) * MS;
    p->fault_len_us = between(r, 100, 500) * MS;
}

/* Machines come while those who vote are slow to follow, and hear all at once: whoever is new has caught up before the
 * change that brought it is committed. */
static void draw_newcomers(struct sim_plan *p, struct ms_rand *r)
{
    p->faults |= SIM_KIND(SWIZZLE) | SIM_KIND(PARTITION) | SIM_KIND(SLOWDISK);
    p->faults &= ~SIM_KIND(WIPE);
    p->churn = true;
    p->exchanges = p->transfers = p->leases = false;
    p->node_count = 3;
    p->member.node.raft.append_bytes_max = 64;
    p->member.node.raft.inflight_count_max = 1;
    p->member.node.raft.election_ms_min = between(r, 120, 300);
    p->member.node.raft.heartbeat_ms = p->member.node.raft.election_ms_min / between(r, 5, 8);
    p->latency_us = between(r, 1000, 5000);
    p->admin_us = between(r, 100, 400) * (uint64_t)MS;
    p->fault_gap_us = between(r, 150, 600) * MS;
    p->fault_len_us = between(r, 200, 800) * MS;
}

/* A cluster that begins with one member, or two, and grows: each that comes is needed for a quorum at once. */
static void draw_growth(struct sim_plan *p, struct ms_rand *r)
{
    p->node_count = between(r, 1, 2);
    p->churn = ms_rand_below(r, 3) > 0;
    p->exchanges = !p->churn || ms_rand_below(r, 2) == 0;
    p->admin_us = between(r, 200, 1500) * (uint64_t)MS;
}

/* Machines that come new onto disks that are full. */
static void draw_space(struct sim_plan *p, struct ms_rand *r)
{
    p->faults |= SIM_KIND(NOSPACE) | SIM_KIND(WIPE);
    p->churn = true;
    p->admin_us = between(r, 300, 1500) * (uint64_t)MS;
    p->member.node.space_low_bytes = p->member.node.wal_segment_bytes * between(r, 1, 3);
    p->space_gap_us = p->safety_us / between(r, 12, 24);
    p->space_len_us = p->safety_us / between(r, 6, 12);
}

/* RocksDB's files are damaged, and its processes die in its jobs. */
static void draw_database(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r)
{
    p->storage = ms_rand_below(r, 2) ? SIM_STORAGE_MIXED : SIM_STORAGE_ROCKSDB;
    if (opts->storage != SIM_STORAGE_DRAWN) p->storage = opts->storage;
    p->faults |= SIM_KIND(JOBCRASH) | SIM_KIND(ROT) | SIM_KIND(LOSEFILE) | SIM_KIND(POWER);
    p->faults &= ~(SIM_KIND(WIPE) | SIM_KIND(LOSTWRITE) | SIM_KIND(MISDIRECT) | SIM_KIND(DIVERGE));
    p->diverge_gap_us = 0;
    p->member.node.snapshot_log_bytes = between(r, 2048, 8192);
    p->compact_every = between(r, 1, 4);
    p->flush_every = between(r, 3, 20);
    p->fault_gap_us = between(r, 150, 400) * MS;
    p->fault_len_us = between(r, 100, 600) * MS;
}

/* Reads by lease, in a cluster that comes near the end of one: its leader is cut off again and again, for about as long as
 * others need to take over; answers are held up, and in some seeds part of what it should hear is lost. */
static void draw_leases(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r)
{
    struct raft_opts *o = &p->member.node.raft;
    sim_plan_draw_tight(p, opts, r);
    p->leases = p->transfers = true;
    p->churn = p->exchanges = false;
    p->node_count = 3;
    o->heartbeat_ms = o->election_ms_min / 25;
    only(p, SIM_KIND(PARTITION) | SIM_KIND(SWIZZLE) | SIM_KIND(ONEWAY) | SIM_KIND(CLOG));
    if (ms_rand_below(r, 2)) {
        p->faults |= SIM_KIND(LOSS);
        p->odds.lose = between(r, 20000, 150000);
    }
    if (ms_rand_below(r, 3)) p->latency_us = between(r, 2000, 6000);
    p->safety_us *= 2;
    p->admin_us = between(r, 100, 600) * (uint64_t)MS;
    p->fault_gap_us = between(r, 300, 500) * MS;
    p->fault_len_us = o->election_ms_min * between(r, 100, 200) * MS / 100;
}

/* Whoever was away comes back behind the log, and its snapshot comes in many pieces, some of them twice or late, while
 * memory is refused and machines go. */
static void draw_installs(struct sim_plan *p, struct ms_rand *r)
{
    only(p, SIM_KIND(KILL) | SIM_KIND(POWER) | SIM_KIND(NOMEM) | SIM_KIND(DUPLICATE) | SIM_KIND(REPLAY));
    if (p->storage != SIM_STORAGE_MEMORY) p->faults |= SIM_KIND(JOBCRASH);
    p->odds.duplicate = between(r, 5000, 50000);
    p->odds.replay = between(r, 5000, 50000);
    p->member.node.snapshot_log_bytes = 2048;
    /* What a leader knows of others is so old that it sends them what they do not need. */
    p->member.node.raft.inflight_count_max = 64;
    p->latency_us = between(r, 2000, 12000);
    p->think_us /= 2;
    p->member.node.snapshot_chunk_bytes = between(r, 256, 1024);
    p->value_bytes_max = 512;
    p->memory_gap_us = p->safety_us / between(r, 16, 32);
    p->fault_gap_us = between(r, 300, 900) * MS;
    p->fault_len_us = between(r, 500, 2000) * MS;
}

/* Batches have many sectors, disks are slow to write them, and power fails again before what a start has found is far
 * behind. */
static void draw_outages(struct sim_plan *p, struct ms_rand *r)
{
    uint64_t blackout = p->faults & SIM_KIND(BLACKOUT);
    only(p, blackout | SIM_KIND(KILL) | SIM_KIND(POWER) | SIM_KIND(BOOTCRASH) | SIM_KIND(SLOWDISK));
    p->member.node.raft.append_bytes_max = 65536;
    p->value_bytes_max = 2048;
    p->read_percent = 20;
    p->write_us = between(r, 500, 2000);
    p->sync_us = between(r, 2000, 6000);
    p->think_us /= 2;
    p->fault_gap_us = between(r, 60, 250) * MS;
    p->fault_len_us = between(r, 20, 150) * MS;
}

/* Machines come back with empty disks, and make what they wrote before anew, slowly, while they are asked for more. */
static void draw_returns(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r)
{
    p->faults |= SIM_KIND(WIPE) | SIM_KIND(SLOWENGINE);
    p->faults &= ~(SIM_KIND(KILL) | SIM_KIND(POWER) | SIM_KIND(BLACKOUT) | SIM_KIND(BOOTCRASH) | SIM_KIND(NOMEM));
    p->memory_gap_us = p->absence_us = 0;
    p->churn = true;
    p->leases = false;
    p->member.node.snapshot_log_bytes = 1u << 20;
    p->member.node.raft.append_bytes_max = 64;
    p->member.node.raft.inflight_count_max = 1;
    if (!opts->clients) p->client_count = between(r, 8, 16);
    p->admin_us = between(r, 200, 800) * (uint64_t)MS;
    p->fault_gap_us = between(r, 500, 2000) * MS;
    p->fault_len_us = between(r, 100, 500) * MS;
}

static const char *const names[SIM_SCENARIOS] = {
    "drawn",
#define X(name, text) text,
    SIM_SCENARIO_MAP(X)
#undef X
};

const char *sim_scenario_name(enum sim_scenario scenario)
{
    return names[scenario];
}

enum sim_scenario sim_scenario_parse(const char *name)
{
    for (int i = SIM_SCENARIO_DRAWN + 1; i < SIM_SCENARIOS; i++) {
        if (strcmp(name, names[i]) == 0) return (enum sim_scenario)i;
    }
    return SIM_SCENARIO_DRAWN;
}

/* Which one the seed has; DRAWN: none. */
static enum sim_scenario choose(struct ms_rand *r, const struct sim_options *opts)
{
    static const enum sim_scenario drawn[] = { SIM_SCENARIO_CHANGES,  SIM_SCENARIO_SPACE,
                                               SIM_SCENARIO_NEWCOMERS, SIM_SCENARIO_DATABASE,
                                               SIM_SCENARIO_GROWTH,   SIM_SCENARIO_TERMS,
                                               SIM_SCENARIO_TERMS,    SIM_SCENARIO_TERMS,
                                               SIM_SCENARIO_LEASES,   SIM_SCENARIO_INSTALLS,
                                               SIM_SCENARIO_OUTAGES,  SIM_SCENARIO_RETURNS };
    bool has = ms_rand_below(r, SCENARIO_ONE_IN) == 0 && !opts->faults_given && !opts->nodes;
    if (opts->scenario) return opts->scenario;
    enum sim_scenario one = has ? drawn[ms_rand_below(r, sizeof drawn / sizeof drawn[0])] : SIM_SCENARIO_DRAWN;
    bool not_here = one == SIM_SCENARIO_DATABASE && opts->storage != SIM_STORAGE_DRAWN;
    return not_here ? SIM_SCENARIO_DRAWN : one;
}

void sim_scenario_draw(struct sim_plan *p, const struct sim_options *opts)
{
    struct ms_rand rand, *r = &rand;
    ms_rand_init(r, p->seed, PURPOSE_SCENARIO);
    enum sim_scenario one = choose(r, opts);
    if (p->beyond || (p->tight && one != SIM_SCENARIO_LEASES)) return;
    switch (one) {
    case SIM_SCENARIO_TERMS: draw_terms(p, r); break;
    case SIM_SCENARIO_CHANGES: draw_changes(p, r); break;
    case SIM_SCENARIO_NEWCOMERS: draw_newcomers(p, r); break;
    case SIM_SCENARIO_SPACE: draw_space(p, r); break;
    case SIM_SCENARIO_DATABASE: draw_database(p, opts, r); break;
    case SIM_SCENARIO_GROWTH: draw_growth(p, r); break;
    case SIM_SCENARIO_LEASES: draw_leases(p, opts, r); break;
    case SIM_SCENARIO_INSTALLS: draw_installs(p, r); break;
    case SIM_SCENARIO_OUTAGES: draw_outages(p, r); break;
    case SIM_SCENARIO_RETURNS: draw_returns(p, opts, r); break;
    default: break;
    }
}
