/* sim_plan.c: what a seed draws before anything happens. Swarm testing (Groce and others, 2012): a run
 * that has all faults at once is often less telling than one that has few, so each seed leaves some
 * out, and draws its own sizes, down to the smallest that work. */
#include <string.h>

#include "sim/sim.h"
#include "sim/sim_clock.h"
#include "sim/sim_lease.h"
#include "sim/sim_limits.h"
#include "sim/sim_watch.h"

#define MS 1000u
#define PURPOSE_PLAN 100u
#define PURPOSE_FAULT 200u /* and the kind's number: kinds that came later have a generator each */
#define PURPOSE_SPACE 101u
#define PURPOSE_DIGEST 102u
#define PURPOSE_DIVERGE 103u
#define PURPOSE_MEMORY 104u
#define MEMORY_ONE_IN 3u /* seeds that have drawn NOMEM keep it */
#define PURPOSE_LOSS 106u
#define LOSSY_ONE_IN 8u /* seeds with LOSS lose up to half of all frames */
#define PURPOSE_LIMITS 105u
#define LIMITS_ONE_IN 3u /* seeds that have drawn LIMITS keep it */
#define DIVERGE_ONE_IN 3u /* seeds that have drawn DIVERGE keep it */
#define SPACE_ONE_IN 3u /* seeds that have drawn NOSPACE keep it */
#define PURPOSE_STORAGE 300u
#define PURPOSE_WATCH 301u
#define WATCH_ONE_IN 3u /* seeds with clients that watch */
#define PURPOSE_READS 304u
#define READS_ONE_IN 3u /* seeds in which somebody reads ranges */
#define PURPOSE_BACKUPS 306u
#define BACKUPS_ONE_IN 4u /* seeds in which somebody saves backups */
#define PURPOSE_CONDITIONS 310u
#define CONDITIONS_ONE_IN 3u /* seeds with conditional PUTs */
#define ROCKSDB_ONE_IN 20u
#define PURPOSE_LEASES 302u
#define BEYOND_ONE_IN 20u /* seeds in zone b */

static uint32_t between(struct ms_rand *r, uint64_t lo, uint64_t hi)
{
    return (uint32_t)ms_rand_between(r, lo, hi);
}

static bool one_in(struct ms_rand *r, uint64_t n)
{
    return ms_rand_below(r, n) == 0;
}

/* lo to hi, each order of magnitude equally likely. */
static uint32_t spread(struct ms_rand *r, uint32_t lo, uint32_t hi)
{
    uint32_t doublings = 0;
    while (lo << doublings < hi / 2) doublings++;
    uint32_t base = lo << ms_rand_below(r, doublings + 1);
    uint32_t v = base + (uint32_t)ms_rand_below(r, base + 1);
    return v < hi ? v : hi;
}

static uint32_t pick(struct ms_rand *r, const uint32_t *values, uint32_t count)
{
    return values[ms_rand_below(r, count)];
}

#define PICK(r, ...)                                                                                   \
    pick(r, (const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void draw_faults(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r)
{
    uint32_t odds = PICK(r, 25, 45, 45, 70);
    for (uint32_t i = 0; i <= SIM_FAULT_LATE; i++) {
        if (ms_rand_below(r, 100) < odds) p->faults |= UINT64_C(1) << i;
    }
    /* So that what a seed draws otherwise stays what it was when a kind is added. */
    for (uint32_t i = SIM_FAULT_LATE + 1; i < SIM_FAULT_KINDS; i++) {
        struct ms_rand own;
        ms_rand_init(&own, p->seed, PURPOSE_FAULT + i);
        if (ms_rand_below(&own, 100) < odds) p->faults |= UINT64_C(1) << i;
    }
    if (!(p->faults & (SIM_KIND(POWER) | SIM_KIND(BLACKOUT))) && !one_in(r, 4)) {
        p->faults |= SIM_KIND(POWER); /* most runs lose unsynced data */
    }
    if (opts->faults_given) p->faults = opts->faults;
    p->fault_gap_us = spread(r, 150, 2000) * MS;
    p->fault_len_us = spread(r, 100, 2500) * MS;
}

/* A network hardly worth the name. */
static void draw_heavy_loss(struct sim_plan *p)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_LOSS);
    if (p->odds.lose && one_in(&own, LOSSY_ONE_IN)) p->odds.lose = between(&own, 150000, 500000);
}

static void draw_network(struct sim_plan *p, struct ms_rand *r)
{
    p->latency_us = spread(r, 50, 8000);
    p->jitter_us = spread(r, 10, 4000);
    p->client_latency_us = spread(r, 20, 2000);
    p->net.seed = p->seed;
    p->net.cut_odds = p->faults & SIM_KIND(CUT) ? PICK(r, 8, 64, 200) : 0;
    p->net.socket_bytes = PICK(r, 0, 4096, 65536, 262144);
    p->net.deliver_bytes_max = PICK(r, 2048, 16384, 65536);
    if (p->faults & SIM_KIND(LOSS)) p->odds.lose = spread(r, 500, 150000);
    if (p->faults & SIM_KIND(DELAY)) p->odds.delay = spread(r, 500, 150000);
    if (p->faults & SIM_KIND(DUPLICATE)) p->odds.duplicate = spread(r, 500, 100000);
    if (p->faults & SIM_KIND(REPLAY)) p->odds.replay = spread(r, 500, 50000);
    p->odds.delay_us_max = spread(r, 2000, 500000);
    draw_heavy_loss(p);
}

static const char *const storage_names[] = { "drawn", "memory", "rocksdb", "mixed" };

const char *sim_storage_name(enum sim_storage storage)
{
    return storage_names[storage];
}

enum sim_storage sim_storage_parse(const char *name)
{
    for (int i = SIM_STORAGE_MEMORY; i <= SIM_STORAGE_MIXED; i++) {
        if (strcmp(name, storage_names[i]) == 0) return (enum sim_storage)i;
    }
    return SIM_STORAGE_DRAWN;
}

/* Of a clock when nothing happens to it. */
int32_t sim_clock_draw_drift(const struct sim_plan *p, struct ms_rand *r)
{
    uint64_t range = (uint64_t)(SIM_CLOCK_FAST_PPM - SIM_CLOCK_SLOW_PPM);
    if (p->tight) return ms_rand_below(r, 2) ? SIM_CLOCK_SLOW_PPM : SIM_CLOCK_FAST_PPM;
    if (!(p->faults & SIM_KIND(DRIFT))) return 0;
    return SIM_CLOCK_SLOW_PPM + (int32_t)ms_rand_below(r, range + 1);
}

static void draw_machines(struct sim_plan *p, struct ms_rand *r)
{
    p->write_us = spread(r, 20, 1000);
    p->sync_us = spread(r, 50, 6000);
    p->read_us = spread(r, 20, 500);
    p->disk_tail_ppm = one_in(r, 3) ? spread(r, 100, 20000) : 0;
    p->disk_tail_us = spread(r, 5000, 200000);
    p->job_us = PICK(r, 0, 0, 20, 200, 2000);
    p->job_tail_ppm = one_in(r, 4) ? spread(r, 100, 10000) : 0;
    p->job_tail_us = spread(r, 5000, 200000);
    p->turn_us = PICK(r, 0, 20, 200, 1000);
    p->leases = one_in(r, 2);
    if (p->leases) p->faults &= ~(SIM_KIND(STALL)); /* T2 */
    p->timer_late_us = PICK(r, 100, 1000, 5000);
}

static void draw_raft(struct sim_plan *p, struct ms_rand *r)
{
    struct raft_opts *o = &p->member.node.raft;
    o->election_ms_min = spread(r, 80, 600);
    o->heartbeat_ms = o->election_ms_min / between(r, 5, 12);
    o->inflight_count_max = PICK(r, 1, 2, 8, 64, 256);
    o->append_bytes_max = PICK(r, 64, 1024, 8192, 65536, 1u << 20);
    o->inflight_bytes_max = PICK(r, 1024, 16384, 1u << 20, 16u << 20);
    o->uncommitted_bytes_max = PICK(r, 16384, 1u << 20, 64u << 20);
    o->cache_bytes_max = PICK(r, 0, 1024, 16384, 16u << 20);
    o->unapplied_bytes_max = PICK(r, 4096, 65536, 64u << 20);
}

static void draw_member(struct sim_plan *p, struct ms_rand *r)
{
    struct member_opts *m = &p->member;
    struct node_opts *o = &m->node;
    member_opts_default(m);
    draw_raft(p, r);
    o->request_bytes_max = PICK(r, 4096, 4096, 8192, 65536);
    o->wal_segment_bytes = 2 * (uint64_t)o->request_bytes_max + (64u << 10);
    o->wal_segment_bytes *= PICK(r, 1, 1, 1, 4, 16);
    o->wal_prewrite_bytes = PICK(r, 4096, 16384, 65536);
    o->snapshot_log_bytes = PICK(r, 2048, 4096, 8192, 8192, 16384, 65536, 1u << 20);
    o->requests_max = PICK(r, 4, 64, 16384);
    o->request_ms_max = spread(r, 800, 4000);
    o->revisions_kept = PICK(r, 0, 5, 50, 10000);
    m->clients_max = PICK(r, 3, 16, 10000);
    m->key_bytes_max = 256;
    m->value_bytes_max = o->request_bytes_max - 1024;
    m->dial_ms_max = spread(r, 100, 2000);
    m->redial_ms_min = spread(r, 5, 50);
    m->redial_ms_max = spread(r, 100, 1000);
    m->client_idle_ms_max = spread(r, 500, 30000);
    m->client_queue_bytes_max = PICK(r, 65536, 8u << 20);
}

static void draw_workload(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r)
{
    uint32_t per_client_us;
    bool wipes = p->faults & SIM_KIND(WIPE) && !one_in(r, 4);
    p->churn = wipes || one_in(r, 4);
    p->exchanges = one_in(r, 4);
    p->transfers = one_in(r, 4);
    bool admin = p->churn || p->exchanges || p->transfers || p->leases;
    uint64_t harm = SIM_KIND(ROT);
    p->beyond = one_in(r, BEYOND_ONE_IN) && (!opts->faults_given || opts->faults & harm);
    if (p->beyond) { /* nobody tidies up, and damage is all that disks suffer */
        p->faults &= ~(SIM_KIND(WIPE));
        admin = false;
    }
    p->admin_us = admin ? between(r, 500, 4000) * (uint64_t)MS : 0;
    p->client_count = opts->clients ? opts->clients : between(r, 2, 10);
    p->key_count = spread(r, 2, 64);
    p->op_count = opts->ops ? opts->ops : between(r, 450, 900);
    p->value_bytes_max = PICK(r, 32, 128, 512, 2048);
    p->read_percent = PICK(r, 20, 35, 50, 65);
    p->delete_percent = PICK(r, 0, 5, 15);
    p->stick_percent = PICK(r, 20, 80, 95);
    p->client_timeout_ms = p->member.node.request_ms_max * PICK(r, 1, 2, 3) / 2;
    p->safety_us = between(r, 12000, 30000) * (uint64_t)MS;
    if (p->faults & (SIM_KIND(KILL) | SIM_KIND(POWER)) && !one_in(r, 3)) {
        p->absence_us = p->safety_us / between(r, 2, 6);
        p->absence_len_us = p->safety_us / between(r, 3, 5); /* then only a snapshot brings it back */
    }
    per_client_us = (uint32_t)(p->safety_us * p->client_count / p->op_count);
    p->think_us = per_client_us / between(r, 1, 4);
}

/* Chunks so small that a transfer has many, and breaks in the middle. */
static void draw_transfers(struct sim_plan *p, struct ms_rand *r)
{
    struct node_opts *o = &p->member.node;
    o->snapshot_chunk_bytes = PICK(r, 256, 512, 1024, 4096, 0);
    o->snapshot_bytes_per_s = PICK(r, 0, 0, 100000, 1u << 20, 10u << 20);
}

void sim_plan_draw_tight(struct sim_plan *p, const struct sim_options *opts, struct ms_rand *r)
{
    struct raft_opts *o = &p->member.node.raft;
    uint64_t wanted = SIM_KIND(PARTITION) | SIM_KIND(PARTIAL) | SIM_KIND(ONEWAY);
    uint64_t unwanted = SIM_KIND(SLOWDISK) | SIM_KIND(SLOWENGINE) | SIM_KIND(DELAY);
    p->tight = true;
    if (!opts->faults_given) p->faults = (p->faults | wanted) & ~unwanted;
    p->odds.delay = 0;
    p->latency_us = between(r, 50, 200);
    p->jitter_us = 20;
    p->write_us = 20;
    p->sync_us = between(r, 50, 200);
    p->disk_tail_ppm = p->job_tail_ppm = p->job_us = p->turn_us = 0;
    p->timer_late_us = 100;
    o->election_ms_min = between(r, 400, 600);
    o->heartbeat_ms = o->election_ms_min / between(r, 10, 25);
    p->fault_gap_us = between(r, 300, 1500) * MS;
    p->fault_len_us = between(r, 1000, 2500) * MS;
}

/* Without it no member looks at its disk's space, and runs are what they were before there was this fault.
 */
static void draw_space(struct sim_plan *p, const struct sim_options *opts)
{
    struct ms_rand rand, *r = &rand;
    uint64_t bit = SIM_KIND(NOSPACE);
    ms_rand_init(r, p->seed, PURPOSE_SPACE);
    bool kept = opts->faults_given || one_in(r, SPACE_ONE_IN);
    if (!kept || p->beyond) p->faults &= ~bit;
    if (!(p->faults & bit)) return;
    p->member.node.space_low_bytes = p->member.node.wal_segment_bytes * PICK(r, 1, 2, 3);
    p->space_gap_us = p->safety_us / between(r, 3, 12);
    p->space_len_us = p->safety_us / between(r, 6, 30);
}

/* RocksDB takes its time: few seeds have it. */
static void draw_storage(struct sim_plan *p, const struct sim_options *opts)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_STORAGE);
    uint64_t n = ms_rand_below(&own, ROCKSDB_ONE_IN);
    p->storage = n > 0                    ? SIM_STORAGE_MEMORY
                 : ms_rand_below(&own, 3) ? SIM_STORAGE_MIXED
                                          : SIM_STORAGE_ROCKSDB;
    if (opts->storage != SIM_STORAGE_DRAWN) p->storage = opts->storage;
    if (p->storage == SIM_STORAGE_MEMORY)
        p->faults &= ~(SIM_KIND(JOBCRASH));
    else if (!opts->faults_given && !one_in(&own, 4))
        p->faults |= SIM_KIND(JOBCRASH);
    p->compact_every = PICK(&own, 0, 1, 2, 4);
    p->flush_every = PICK(&own, 0, 0, 3, 10, 37);
}

/* How often members compare their states. */
static void draw_digests(struct sim_plan *p)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_DIGEST);
    p->member.node.digest_ms = PICK(&own, 0, 50, 200, 1000);
}

/* Without it runs are what they were before there was this fault. Where nobody compares, nobody notices. */
static void draw_divergence(struct sim_plan *p, const struct sim_options *opts)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_DIVERGE);
    bool kept = opts->faults_given || one_in(&own, DIVERGE_ONE_IN);
    if (!kept || p->beyond) p->faults &= ~SIM_KIND(DIVERGE);
    if (!(p->faults & SIM_KIND(DIVERGE))) return;
    p->diverge_gap_us = p->safety_us / between(&own, 3, 8);
    if (p->member.node.digest_ms == 0) p->member.node.digest_ms = PICK(&own, 50, 200, 1000);
}

/* Likewise. */
static void draw_memory(struct sim_plan *p, const struct sim_options *opts)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_MEMORY);
    bool kept = opts->faults_given || one_in(&own, MEMORY_ONE_IN);
    if (!kept || p->beyond) p->faults &= ~SIM_KIND(NOMEM);
    if (p->faults & SIM_KIND(NOMEM)) p->memory_gap_us = p->safety_us / between(&own, 4, 16);
}

/* Likewise. */
static void draw_limits(struct sim_plan *p, const struct sim_options *opts)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_LIMITS);
    bool kept = opts->faults_given || one_in(&own, LIMITS_ONE_IN);
    if (!kept) p->faults &= ~SIM_KIND(LIMITS);
    if (!(p->faults & SIM_KIND(LIMITS))) return;
    p->limits = one_in(&own, 2) ? SIM_LIMITS_VALUE : SIM_LIMITS_REQUEST;
    sim_limits_fit(p);
}

/* Seeds that have none run as they did before there were watches. */
static void draw_watches(struct sim_plan *p)
{
    struct ms_rand rand, *r = &rand;
    struct member_opts *m = &p->member;
    ms_rand_init(r, p->seed, PURPOSE_WATCH);
    if (!one_in(r, WATCH_ONE_IN) || p->beyond) return;
    p->watch_count = between(r, 1, SIM_WATCHES_MAX);
    m->node.watch_scan_max = PICK(r, 2, 3, 8, 0);
    m->node.watch_bytes_max = PICK(r, 1, 200, 0, 0);
    m->watch_queue_bytes_max = PICK(r, 1, 1000, 8192, 65536);
    m->watch_beat_ms = spread(r, 200, 3000);
    m->clients_max += 2 * p->watch_count; /* nobody else has less for it */
}

static void draw_leases(struct sim_plan *p)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_LEASES);
    p->lease_think_us = 200 * MS; /* in a script without them it says nothing */
    if (one_in(&own, 2)) return;
    p->lease_clients = between(&own, 1, SIM_LEASE_CLIENTS_MAX);
    p->lease_think_us = PICK(&own, 30, 100, 100, 300) * MS;
}

/* Seeds that have none run as they did before there were any. */
static void draw_reads(struct sim_plan *p)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_READS);
    p->reads = one_in(&own, READS_ONE_IN) && !p->beyond;
    if (p->reads) p->member.node.range_piece_bytes = PICK(&own, 0, 1, 100, 400);
}

/* Likewise. A condition would make requests longer than their limits expect. */
static void draw_conditions(struct sim_plan *p)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_CONDITIONS);
    p->conditions = one_in(&own, CONDITIONS_ONE_IN) && !p->limits;
}

/* Likewise. */
static void draw_backups(struct sim_plan *p)
{
    struct ms_rand own;
    ms_rand_init(&own, p->seed, PURPOSE_BACKUPS);
    p->backups = one_in(&own, BACKUPS_ONE_IN) && !p->beyond;
    if (p->backups) p->member.clients_max++; /* nobody else has less for it */
}

void sim_plan_draw(struct sim_plan *p, const struct sim_options *opts, uint64_t seed)
{
    struct ms_rand rand, *r = &rand;
    ms_rand_init(r, seed, PURPOSE_PLAN);
    *p = (struct sim_plan){ .seed = seed };
    p->node_count = PICK(r, 3, 3, 5);
    if (opts->nodes) p->node_count = opts->nodes;
    draw_faults(p, opts, r);
    draw_network(p, r);
    draw_machines(p, r);
    draw_member(p, r);
    draw_workload(p, opts, r);
    if (p->leases && one_in(r, 2)) sim_plan_draw_tight(p, opts, r);
    draw_transfers(p, r);
    draw_storage(p, opts);
    draw_space(p, opts);
    draw_digests(p);
    draw_divergence(p, opts);
    draw_memory(p, opts);
    draw_limits(p, opts);
    draw_watches(p);
    draw_leases(p);
    draw_reads(p);
    draw_backups(p);
    draw_conditions(p);
    sim_scenario_draw(p, opts);
}
