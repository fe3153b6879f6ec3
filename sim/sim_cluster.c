/* sim_cluster.c: the life of members: made, started, crashed, started again. */
#include "sim/sim_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks.h"
#include "sim/sim_check.h"
#include "sim/sim_enumerate.h"
#include "sim/sim_faults.h"
#include "sim/sim_lease.h"
#include "sim/sim_machine.h"
#include "sim/sim_reads.h"
#include "sim/sim_rocks_env.h"
#include "wal/wal_inspect.h"
#include "sim/sim_workload.h"

#define LIVES_MAX 100000u
#define OPERATOR_US_MAX 1500000u /* until somebody starts what has stopped */
#define REFUSED_US 200000u       /* who found no room is started again */

/* --- what a member calls: the network --- */

static struct sim_member *net_member(struct net *face)
{
    struct sim_member_net *n = (struct sim_member_net *)(void *)face;
    return sim_member_at(n->sim, n->owner);
}

/* A member is called m<id> on the network; its port says nothing more. */
static uint64_t face_dial(struct net *face, const char *host, uint16_t port)
{
    struct sim_member *m = net_member(face);
    unsigned long to = strtoul(host + 1, NULL, 10);
    (void)port;
    MS_ASSERT(host[0] == 'm' && to >= 1 && to <= SIM_MEMBERS_MAX);
    return m->dying ? 0 : sim_net_dial(m->sim->net, m->index, (uint32_t)to - 1);
}

static void face_send(struct net *face, uint64_t conn, const void *data, size_t len)
{
    struct sim_member *m = net_member(face);
    if (m->dying) return;
    /* What it tells it has worked out in this turn, in which it may have stood still. */
    uint64_t since_us = m->flush_due ? m->turn_us : sim_now_us(m->sim);
    sim_lease_member_sends(m->sim, sim_net_peer(m->sim->net, conn), since_us);
    sim_net_send(m->sim->net, conn, data, len);
}

static size_t face_queued(struct net *face, uint64_t conn)
{
    struct sim_member *m = net_member(face);
    return m->dying ? 0 : sim_net_queued(m->sim->net, conn);
}

static void face_close(struct net *face, uint64_t conn, bool flush)
{
    struct sim_member *m = net_member(face);
    if (!m->dying) sim_net_close(m->sim->net, conn, flush);
}

static void face_pause(struct net *face, uint64_t conn, bool paused)
{
    struct sim_member *m = net_member(face);
    if (!m->dying) sim_net_pause(m->sim->net, conn, paused);
}

static const struct net_ops face_ops = {
    .dial = face_dial,
    .send = face_send,
    .queued = face_queued,
    .close = face_close,
    .pause = face_pause,
};

/* --- what a member calls: its host --- */

static void host_submit_job(void *ctx, struct kv_job *job)
{
    sim_machine_submit_job(ctx, job);
}

static void host_stopped(void *ctx, int status, const char *reason)
{
    struct sim_member *m = ctx;
    m->stop_wanted = true;
    m->stop_status = status;
    snprintf(m->stop_reason, sizeof m->stop_reason, "%s", reason);
}

static void host_answer(void *ctx, const struct node_answer *answer)
{
    sim_reads_answer(ctx, answer);
}

static void host_range(void *ctx, const struct node_range_piece *piece)
{
    sim_reads_range(ctx, piece);
}

static void host_tap(void *ctx, bool out, uint64_t peer, uint8_t type, struct bytes body)
{
    struct sim_member *m = ctx;
    sim_check_frame(m->sim, m, out, peer, type, body);
}

static void log_write(void *ctx, enum log_level level, const char *line)
{
    struct sim_member *m = ctx;
    (void)level;
    sim_trace(m->sim, "m%u  | %s", m->index + 1, line);
}

/* --- making the cluster --- */

void sim_member_url(char url[MS_URL_BYTES_MAX + 1], uint64_t id, uint32_t port)
{
    snprintf(url, MS_URL_BYTES_MAX + 1, "http://m%llu:%u", (unsigned long long)id, port);
}

static void disk_submitted(void *ctx, struct disk_op *op)
{
    sim_machine_submit_op(ctx, op);
}

/* --- what a member calls: the disk --- */

static struct sim_member *disk_member(struct disk *face)
{
    return ((struct sim_member_disk *)(void *)face)->member;
}

static struct disk *disk_below(struct disk *face)
{
    return sim_disk_face(disk_member(face)->disk);
}

static void disk_submit(struct disk *face, struct disk_op *op)
{
    disk_below(face)->ops->submit(disk_below(face), op);
}

/* After so many calls of a start, or so many writing ones of the engine, the process is dead: the last
 * one may still be carried out, none behind it is. (A call that fails without that is another fault: a
 * sync that fails loses what it covers.) */
static int disk_call(struct disk *face, struct disk_op *op)
{
    struct sim_member *m = disk_member(face);
    struct disk *below = disk_below(face);
    uint32_t *left = m->starting ? &m->boot_calls_left : &m->job_calls_left;
    bool *failed = m->starting ? &m->boot_failed : &m->job_failed;
    if (!m->starting && !m->in_job) return below->ops->call(below, op);
    bool counts = m->starting || sim_disk_changes(op);
    if (!*failed && (!counts || *left > 0)) {
        size_t part_bytes = 0;
        enum sim_disk_how how = SIM_DISK_DONE;
        /* What an engine cannot read stays so, as a spoiled sector does; a read that fails once would have
         * it thrown away, and that member is not on record as broken. */
        if (counts) how = sim_io_fate(m, op, m->starting, &part_bytes);
        if (counts && *left != UINT32_MAX) --*left;
        if (sim_enumerate_at(m, op, false)) return op->status = MS_EIO;
        sim_disk_perform_as(m->disk, op, how, part_bytes);
        return sim_enumerate_at(m, op, true) ? MS_EIO : op->status;
    }
    if (!*failed && ms_rand_below(&m->sim->cluster->crash_rand, 2)) below->ops->call(below, op);
    *failed = true;
    op->status = MS_EIO;
    return MS_EIO;
}

static int disk_list(struct disk *face, const char *path,
                     int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                     void *arg)
{
    return disk_below(face)->ops->list(disk_below(face), path, cb, arg);
}

static int disk_lock(struct disk *face, const char *path)
{
    return disk_below(face)->ops->lock(disk_below(face), path);
}

static const struct disk_ops disk_face_ops = {
    .submit = disk_submit,
    .call = disk_call,
    .list = disk_list,
    .lock = disk_lock,
};

/* Clocks of different machines have nothing to do with each other. */
static void boot_clock(struct sim_member *m)
{
    struct sim *s = m->sim;
    sim_lease_clock(s, &m->clock);
    uint64_t shows_ms = 1000 + ms_rand_below(&s->cluster->seed_rand, 1u << 30);
    sim_clock_init(&m->clock, sim_now_us(s), 1000 * shows_ms, m->drift_ppm);
}

static void member_make(struct sim *s, uint32_t index)
{
    struct sim_member *m = sim_member_at(s, index);
    *m = (struct sim_member){ .sim = s,
                              .index = index,
                              .id = index + 1,
                              .state = SIM_MEMBER_DOWN,
                              .disk_slow = 1,
                              .engine_slow = 1,
                              .boot_calls_left = UINT32_MAX,
                              .job_calls_left = UINT32_MAX };
    m->net = (struct sim_member_net){ .face = { .ops = &face_ops }, .sim = s, .owner = index };
    m->log = (struct log_sink){ .ctx = m, .level = LOG_ERROR, .write = NULL };
    if (s->trace) {
        m->log.level = LOG_DEBUG;
        m->log.write = log_write;
    }
    struct sim_disk_opts opts = { .submitted = disk_submitted, .ctx = m };
    sim_alloc_init(&m->alloc);
    m->disk = sim_disk_create(&opts, &s->alloc.face);
    MS_ASSERT(m->disk != NULL);
    m->disk_face = (struct sim_member_disk){ .face = { .ops = &disk_face_ops }, .member = m };
    m->on_rocks = s->plan.storage == SIM_STORAGE_ROCKSDB ||
                  (s->plan.storage == SIM_STORAGE_MIXED && (s->plan.seed + index) % 2 == 0);
    m->disk_loses = (s->plan.seed >> index & 1) != 0;
    m->drift_ppm = sim_clock_draw_drift(&s->plan, &s->cluster->seed_rand);
    boot_clock(m);
}

struct sim_member *sim_cluster_add(struct sim *s)
{
    if (s->cluster->count == SIM_MEMBERS_MAX) return NULL;
    member_make(s, s->cluster->count);
    struct sim_member *m = sim_member_at(s, s->cluster->count++);
    m->joins = true;
    return m;
}

void sim_cluster_create(struct sim *s)
{
    struct sim_cluster *c = calloc(1, sizeof *c);
    MS_ASSERT(c != NULL);
    s->cluster = c;
    c->count = s->plan.node_count;
    ms_rand_init(&c->disk_rand, s->plan.seed, 10);
    ms_rand_init(&c->job_rand, s->plan.seed, 11);
    ms_rand_init(&c->sched_rand, s->plan.seed, 12);
    ms_rand_init(&c->seed_rand, s->plan.seed, 13);
    ms_rand_init(&c->crash_rand, s->plan.seed, 14);
    for (uint32_t i = 0; i < c->count; i++) {
        struct config_member cm = { .id = i + 1, .roles = CONFIG_VOTER };
        sim_member_url(cm.url, cm.id, SIM_PORT_FIRST);
        MS_ASSERT(config_add(&c->config, &cm) == 0);
        member_make(s, i);
        sim_member_start_soon(s, i, ms_rand_below(&c->seed_rand, 300000));
    }
}

static void member_free(struct sim_member *m)
{
    if (m->rocks) sim_rocks_env_die(m->rocks); /* what RocksDB does to end, reaches no disk */
    if (m->member) {
        m->dying = true;
        member_destroy(m->member);
        m->dying = false;
    }
    m->member = NULL;
    m->kv = NULL;
    sim_rocks_env_destroy(m->rocks);
    m->rocks = NULL;
    sim_machine_reset(m);
    if (m->alloc.alive != 0) {
        sim_fail(SIM_FAIL_SAFETY, "K21", "m%u leaves %llu blocks of memory over", m->index + 1,
                 (unsigned long long)m->alloc.alive);
    }
}

void sim_cluster_destroy(struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        sim_disk_crash(m->disk, false, NULL, NULL);
        member_free(m);
        if (sim_disk_open_files(m->disk) != 0) {
            sim_fail(SIM_FAIL_SAFETY, "K21", "m%u left %u files open", i + 1,
                     sim_disk_open_files(m->disk));
        }
        sim_disk_destroy(m->disk);
        sim_machine_fini(m);
        sim_io_fini(m);
    }
    free(s->cluster);
    s->cluster = NULL;
}

/* --- starting --- */

void sim_member_start_soon(struct sim *s, uint32_t index, uint64_t delay_us)
{
    sim_events_push(&s->events, sim_now_us(s) + delay_us, SIM_EVENT_MEMBER_START, index,
                    sim_member_at(s, index)->life, 0);
}

static int call(struct sim_member *m, enum disk_op_kind kind, const char *path)
{
    struct disk *d = sim_disk_face(m->disk);
    struct disk_op op = { .kind = kind };
    snprintf(op.path, sizeof op.path, "%s", path);
    return d->ops->call(d, &op);
}

/* What the daemon does before it opens a member: directories, and the lock. */
static void prepare_dirs(struct sim_member *m)
{
    struct disk *d = sim_disk_face(m->disk);
    if (!m->made_dirs) {
        MS_ASSERT(call(m, DISK_OP_MKDIR, SIM_LOG_DIR) == 0 &&
                  call(m, DISK_OP_MKDIR, SIM_SNAP_DIR) == 0);
        if (m->on_rocks) MS_ASSERT(call(m, DISK_OP_MKDIR, SIM_DATA_DIR) == 0);
        MS_ASSERT(call(m, DISK_OP_SYNC_DIR, ".") == 0);
        m->made_dirs = true;
    }
    MS_ASSERT(d->ops->lock(d, SIM_LOG_DIR) == 0);
}

/* What stands behind --cluster: the founders; for one that joins, itself too. */
static void cluster_list(const struct sim *s, const struct sim_member *m, struct config *out)
{
    struct config_member self = { .id = m->id, .roles = CONFIG_VOTER };
    *out = s->cluster->config;
    if (!m->joins || config_find(out, m->id)) return;
    memcpy(self.url, m->url, sizeof self.url);
    MS_ASSERT(config_add(out, &self) == 0);
}

static uint64_t rocks_now_us(void *ctx)
{
    const struct sim_member *m = ctx;
    return sim_now_us(m->sim);
}

static int open_rocksdb(struct sim_member *m, bool alone, const struct ms_alloc *alloc,
                        struct engine **out, char why[256])
{
    struct sim_rocks_env_opts env = { .disk = &m->disk_face.face, .now_us = rocks_now_us, .ctx = m };
    struct kv_rocks_opts opts;
    m->rocks = sim_rocks_env_create(&env);
    kv_rocks_opts_default(&opts, &m->disk_face.face);
    opts.dir = SIM_DATA_DIR;
    opts.snap_dir = SIM_SNAP_DIR;
    opts.beside_bytes = m->sim->plan.member.node.wal_segment_bytes; /* as rt_start.c */
    opts.profile = KV_ROCKS_SIMULATION;
    opts.flush_every = m->sim->plan.flush_every;
    opts.compact_every = m->sim->plan.compact_every;
    opts.env = sim_rocks_env_name(m->rocks);
    opts.settle = sim_rocks_env_settle;
    opts.settle_ctx = m->rocks;
    struct wal_recovery seen;
    bool wrong = wal_identify(SIM_LOG_DIR, m->id, &m->disk_face.face, alloc, &seen) == 0 &&
                 seen.state.flags & WAL_FLAG_STATE_WRONG;
    int rv = kv_rocks_open_or_rebuild(out, &opts, alone, wrong, alloc, &m->log, why, 256);
    if (rv < 0) return rv;
    m->from_newest = kv_rocks_source(*out) == KV_ROCKS_FROM_NEWEST;
    if (kv_rocks_source(*out) == KV_ROCKS_FROM_CHECKPOINT) sim_rare(m->sim, SIM_RARE_FROM_CHECKPOINT);
    if (kv_rocks_source(*out) == KV_ROCKS_FROM_NOTHING && m->attached)
        sim_rare(m->sim, SIM_RARE_FROM_NOTHING);
    return 0;
}

static int open_store(struct sim_member *m, bool alone, const struct ms_alloc *alloc, char why[256])
{
    struct engine *engine = NULL;
    int rv = 0;
    if (m->on_rocks)
        rv = open_rocksdb(m, alone, alloc, &engine, why);
    else
        engine = kv_mem_create(alloc);
    if (rv == 0 && !engine) rv = MS_ENOMEM;
    if (rv < 0) return rv;
    rv = kv_create(&m->kv, engine, alloc, &m->log);
    if (rv < 0) engine->ops->close(engine);
    return rv;
}

static int member_open(struct sim *s, struct sim_member *m, char why[256])
{
    struct ms_rand *r = &s->cluster->seed_rand;
    struct config list;
    struct member_opts opts = s->plan.member;
    struct member_env env = {
        .disk = &m->disk_face.face, .net = &m->net.face, .alloc = &m->alloc.face, .log = &m->log
    };
    env.host = (struct member_host){ .ctx = m,
                                     .submit_job = host_submit_job,
                                     .stopped = host_stopped,
                                     .answer = host_answer,
                                     .range = host_range,
                                     .tap = host_tap };
    opts.node.id = m->id;
    opts.node.log_dir = SIM_LOG_DIR;
    opts.node.snap_dir = SIM_SNAP_DIR;
    cluster_list(s, m, &list);
    opts.node.cluster = &list;
    opts.node.join = m->joins;
    opts.node.seed = ms_rand_u64(r);
    for (size_t i = 0; i < sizeof opts.node.entropy; i += 8) {
        bytes_store_u64(opts.node.entropy + i, ms_rand_u64(r));
    }
    opts.node.storage = m->on_rocks ? NODE_STORAGE_ROCKSDB : NODE_STORAGE_MEMORY;
    int rv = open_store(m, list.member_count == 1, env.alloc, why);
    if (rv < 0 && !why[0]) snprintf(why, 256, "%s", ms_err_text(rv)); /* as ms_open() does */
    if (rv < 0) return rv;
    rv = member_create(&m->member, &opts, m->kv, &env, sim_machine_now_ms(m), why, 256);
    if (rv < 0) {
        if (m->rocks) sim_rocks_env_die(m->rocks);
        kv_destroy(m->kv);
        m->kv = NULL;
        m->member = NULL;
    }
    return rv;
}

/* Its disk has failed, or it had no memory. Somebody starts it again, or its machine: it is one that crashed.
 */
static void start_again(struct sim *s, struct sim_member *m, const char *why)
{
    struct ms_rand *r = &s->cluster->crash_rand;
    bool power = ms_rand_below(r, 2);
    uint64_t down_us = ms_rand_below(r, 2) ? 1000 : ms_rand_below(r, OPERATOR_US_MAX);
    sim_trace(s, "m%u  stops: %s", m->index + 1, why);
    if (m->io.failed) sim_rare(s, SIM_RARE_IO_FAILED);
    sim_io_died(m);
    member_free(m);
    if (power)
        sim_io_power_cut(m, r, NULL);
    else
        sim_disk_crash(m->disk, false, NULL, NULL);
    sim_member_start_soon(s, m->index, down_us);
}

/* It does not go on, and says why: only damage, and a disk that fails, are reasons to. One that found
 * its database damaged while it ran knows it at its next start. */
static void reported(struct sim *s, struct sim_member *m, int status, const char *why)
{
    bool noticed = status == MS_ELOSTDATA && sim_check_is_latent(s, m->index);
    if (noticed) {
        sim_rare(s, SIM_RARE_DATABASE_DAMAGED);
        sim_check_harmed(s, m);
    }
    if (status == MS_EDIVERGED && why[0]) {
        sim_check_tells_difference(s, m);
        start_again(s, m, why);
        return;
    }
    bool failed = m->io.failed && (status == MS_EIO || (m->on_rocks && status == MS_ELOSTDATA));
    /* To be refused memory is no damage, and nobody calls it that. */
    bool starved = m->alloc.refused > 0 && (status == MS_ENOMEM || status == MS_EFATAL);
    if ((failed || noticed || starved) && why[0]) {
        start_again(s, m, why);
        return;
    }
    if (!sim_check_was_harmed(s, m->index) || !why[0]) {
        sim_fail(SIM_FAIL_SAFETY, "K17", "m%u stops by itself: %s (%s)", m->index + 1, why,
                 ms_err_text(status));
    }
    sim_trace(s, "m%u  stays down: %s", m->index + 1, why);
    sim_disk_crash(m->disk, false, NULL, NULL);
    m->left_down = true;
}

static bool is_full(struct sim_member *m)
{
    struct disk *d = sim_disk_face(m->disk);
    struct disk_op op = { .kind = DISK_OP_FREE_SPACE };
    d->ops->call(d, &op);
    return op.size_bytes <= 2 * m->sim->plan.member.node.wal_segment_bytes;
}

static void member_start(struct sim *s, struct sim_member *m)
{
    char why[256] = "";
    prepare_dirs(m);
    m->starting = true;
    m->alloc.refused = 0;
    int rv = member_open(s, m, why);
    m->starting = false;
    m->boot_calls_left = UINT32_MAX;
    if (m->boot_failed) { /* the machine died during the start, whatever came of it */
        m->boot_failed = false;
        sim_rare(s, SIM_RARE_BOOT_CRASH);
        sim_trace(s, "m%u  dies during its start", m->index + 1);
        bool power = ms_rand_below(&s->cluster->crash_rand, 2) || sim_enumerate_has_cut(s);
        sim_check_crash(s, m, power, NULL);
        sim_io_died(m);
        if (power)
            sim_io_power_cut(m, &s->cluster->crash_rand, NULL);
        else
            sim_disk_crash(m->disk, false, NULL, NULL);
        member_free(m);
        sim_member_start_soon(s, m->index, 1000);
        return;
    }
    if (rv < 0) member_free(m);
    if (rv == MS_EREMOVED) {
        sim_disk_crash(m->disk, false, NULL, NULL);
        m->state = SIM_MEMBER_GONE;
        return;
    }
    if (rv == MS_ENOSPC && is_full(m)) { /* said in a clear word, and tried again */
        sim_trace(s, "m%u  does not start: %s", m->index + 1, why);
        sim_rare(s, SIM_RARE_START_REFUSED);
        sim_check_crash(s, m, false, NULL);
        sim_disk_crash(m->disk, false, NULL, NULL);
        sim_member_start_soon(s, m->index, REFUSED_US);
        return;
    }
    if (rv < 0) {
        if (m->alloc.refused > 0) sim_rare(s, SIM_RARE_NO_MEMORY_START);
        reported(s, m, rv, why);
        return;
    }
    m->state = SIM_MEMBER_UP;
    m->io.lie_true = false;
    sim_trace(s, "m%u  starts, life %llu", m->index + 1, (unsigned long long)m->life);
    sim_check_started(s, m);
    sim_machine_after(m);
}

void sim_member_died_in_job(struct sim_member *m)
{
    struct sim *s = m->sim;
    bool cut = sim_enumerate_has_cut(s);
    bool power = cut || ms_rand_below(&s->cluster->crash_rand, 2);
    m->job_failed = false;
    m->job_calls_left = UINT32_MAX;
    sim_rare(s, SIM_RARE_JOB_CRASH);
    sim_trace(s, "m%u  dies in the middle of a job of its engine", m->index + 1);
    sim_member_crash(s, m->index, power);
    sim_member_start_soon(s, m->index, 1000);
    if (cut) sim_enumerate_cut_others(s);
}

/* What was kept for a stopped process comes now. */
static void release_held(struct sim_member *m)
{
    for (uint32_t i = 0; i < m->held_count; i++) {
        const struct sim_event *e = &m->held[i];
        sim_events_push(&m->sim->events, e->time_us, e->kind, e->who, e->a, e->b);
    }
    m->held_count = 0;
}

/* --- dying --- */

static void notice_leader_dies(struct sim *s, const struct raft *r)
{
    struct raft_leadership l;
    raft_leadership(r, &l);
    sim_rare(s, SIM_RARE_LEADER_DIED);
    if (config_is_joint(raft_config(r))) sim_rare(s, SIM_RARE_JOINT_DIED);
    if (l.transfer_to != 0) sim_rare(s, SIM_RARE_TRANSFER_DIED);
}

void sim_member_crash(struct sim *s, uint32_t index, bool power)
{
    struct sim_member *m = sim_member_at(s, index);
    if (m->state != SIM_MEMBER_UP) return;
    struct disk_op *torn = sim_machine_torn_op(m);
    bool leads = raft_role(node_raft(sim_member_node(m))) == RAFT_LEADER;
    if (leads) notice_leader_dies(s, node_raft(sim_member_node(m)));
    sim_trace(s, "m%u  %s%s", index + 1, power ? "loses power" : "is killed",
              torn ? " in a write" : "");
    s->totals.crashes++;
    if (power && torn) sim_rare(s, SIM_RARE_TORN_WRITE);
    if (power && torn && torn->lane == DISK_LANE_STATE) sim_rare(s, SIM_RARE_VOTE_TORN);
    sim_check_crash(s, m, power, torn);
    sim_io_died(m);
    if (power ? sim_io_power_cut(m, &s->cluster->crash_rand, torn)
              : sim_disk_crash(m->disk, false, &s->cluster->crash_rand, torn)) {
        s->totals.crashes_lossy++;
        sim_rare(s, SIM_RARE_LOST_UNSYNCED);
    }
    sim_net_drop_owner(s->net, index, power);
    sim_workload_member_died(s, index);
    member_free(m);
    m->state = SIM_MEMBER_DOWN;
    m->life++;
    m->pauses = 0;
    if (power) boot_clock(m); /* it tells the time since the machine started */
    release_held(m);          /* it is for a life that is over, or for nobody */
    MS_ASSERT(m->life < LIVES_MAX);
    if (sim_cluster_up(s) == 0) sim_rare(s, SIM_RARE_ALL_DOWN);
}

void sim_member_rejoin(struct sim *s, uint32_t index)
{
    struct sim_member *m = sim_member_at(s, index);
    if (!sim_check_is_wiped(s, index) || m->joins) return;
    m->joins = true;
    sim_member_url(m->url, m->id, SIM_PORT_FIRST);
    if (m->state != SIM_MEMBER_UP) return;
    sim_member_crash(s, index, false);
    sim_member_start_soon(s, index, 1000);
}

void sim_member_wipe(struct sim *s, uint32_t index)
{
    struct sim_member *m = sim_member_at(s, index);
    MS_ASSERT(m->state == SIM_MEMBER_DOWN);
    sim_trace(s, "m%u  loses its disk", index + 1);
    m->io.lied = SIM_LIE_NONE;
    sim_rare(s, SIM_RARE_WIPED);
    sim_check_wiped(s, m);
    sim_disk_wipe(m->disk);
    m->made_dirs = m->attached = m->bound = false;
}

/* It has stopped by itself. */
void sim_machine_stopped(struct sim_member *m)
{
    struct sim *s = m->sim;
    bool leads = raft_role(node_raft(sim_member_node(m))) == RAFT_LEADER;
    if (m->io.failed && leads) sim_rare(s, SIM_RARE_IO_FAILED_LEADER);
    if (m->alloc.refused > 0 && m->stop_status != 0) sim_rare(s, SIM_RARE_NO_MEMORY_STOPPED);
    sim_trace(s, "m%u  stops: %s", m->index + 1, m->stop_reason);
    sim_check_crash(s, m, false, NULL);
    sim_disk_crash(m->disk, false, NULL, NULL);
    sim_net_drop_owner(s->net, m->index, false);
    sim_workload_member_died(s, m->index);
    member_free(m);
    m->state = m->stop_status == 0 ? SIM_MEMBER_GONE : SIM_MEMBER_DOWN;
    if (m->state == SIM_MEMBER_GONE) sim_check_left(s, m);
    m->life++;
    if (m->stop_status != 0) reported(s, m, m->stop_status, m->stop_reason);
}

/* --- pauses --- */

void sim_member_pause(struct sim *s, uint32_t index)
{
    struct sim_member *m = sim_member_at(s, index);
    if (m->state != SIM_MEMBER_UP || m->pauses++ > 0) return;
    const struct raft *r = node_raft(sim_member_node(m));
    m->paused_term = raft_role(r) == RAFT_LEADER ? raft_term(r) : 0;
    if (m->paused_term) sim_rare(s, SIM_RARE_LEADER_PAUSED);
    sim_trace(s, "m%u  is stopped", index + 1);
}

void sim_member_resume(struct sim *s, uint32_t index)
{
    struct sim_member *m = sim_member_at(s, index);
    if (m->pauses == 0 || --m->pauses > 0) return;
    sim_trace(s, "m%u  goes on", index + 1);
    if (m->paused_term && sim_cluster_term(s) > m->paused_term) sim_rare(s, SIM_RARE_LEADER_DEPOSED);
    release_held(m);
    sim_machine_resume(m);
}

/* The kernel answers for a stopped process what it can: it carries out the write that is under way, and
 * makes connections. */
bool sim_member_holds(struct sim *s, const struct sim_event *ev)
{
    if (ev->who >= s->cluster->count) return false;
    struct sim_member *m = sim_member_at(s, ev->who);
    if (m->pauses == 0 || ev->kind == SIM_EVENT_DISK_PERFORM) return false;
    if (ev->kind == SIM_EVENT_MEMBER_START || ev->kind == SIM_EVENT_NET_SYN) return false;
    if (m->held_count == m->held_cap) {
        m->held_cap = m->held_cap ? 2 * m->held_cap : 64;
        m->held = realloc(m->held, m->held_cap * sizeof *m->held);
        MS_ASSERT(m->held != NULL);
    }
    m->held[m->held_count++] = *ev;
    return true;
}

void sim_member_clock_changed(struct sim *s, uint32_t index)
{
    struct sim_member *m = sim_member_at(s, index);
    if (m->state == SIM_MEMBER_UP) sim_machine_clock_changed(m);
}

/* --- views --- */

uint32_t sim_cluster_up(const struct sim *s)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < s->cluster->count; i++)
        up += s->cluster->members[i].state == SIM_MEMBER_UP;
    return up;
}

uint64_t sim_cluster_term(struct sim *s)
{
    uint64_t term = 0;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        if (m->state != SIM_MEMBER_UP) continue;
        uint64_t t = raft_term(node_raft(sim_member_node(m)));
        if (t > term) term = t;
    }
    return term;
}

struct sim_member *sim_cluster_leader(struct sim *s)
{
    struct sim_member *best = NULL;
    uint64_t best_term = 0;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        if (m->state != SIM_MEMBER_UP) continue;
        const struct raft *r = node_raft(sim_member_node(m));
        if (raft_role(r) != RAFT_LEADER || raft_term(r) <= best_term) continue;
        best = m;
        best_term = raft_term(r);
    }
    return best;
}

/* --- inputs --- */

bool sim_member_listens(struct sim *s, uint32_t index)
{
    return index < s->cluster->count && sim_member_at(s, index)->state == SIM_MEMBER_UP;
}

void sim_member_accepted(struct sim *s, uint32_t index, uint64_t number, uint32_t peer)
{
    struct sim_member *m = sim_member_at(s, index);
    bool client = peer >= SIM_MEMBERS_MAX;
    member_on_accept(m->member, sim_machine_now_ms(m), number,
                     client ? MEMBER_LISTENER_CLIENT : MEMBER_LISTENER_PEER);
    sim_machine_after(m);
}

void sim_member_dialed(struct sim *s, uint32_t index, uint64_t number, int status)
{
    struct sim_member *m = sim_member_at(s, index);
    member_on_dialed(m->member, sim_machine_now_ms(m), number, status);
    sim_machine_after(m);
}

void sim_member_bytes(struct sim *s, uint32_t index, uint64_t number, struct bytes in)
{
    struct sim_member *m = sim_member_at(s, index);
    member_on_bytes(m->member, sim_machine_now_ms(m), number, in);
    sim_machine_after(m);
}

void sim_member_writable(struct sim *s, uint32_t index, uint64_t number)
{
    struct sim_member *m = sim_member_at(s, index);
    member_on_writable(m->member, sim_machine_now_ms(m), number);
    sim_machine_after(m);
}

void sim_member_closed(struct sim *s, uint32_t index, uint64_t number)
{
    struct sim_member *m = sim_member_at(s, index);
    member_on_closed(m->member, sim_machine_now_ms(m), number);
    sim_machine_after(m);
}

uint64_t sim_cluster_event(struct sim *s, const struct sim_event *ev)
{
    struct sim_member *m = sim_member_at(s, ev->who);
    if (ev->a != m->life) return 0; /* L3 */
    if (ev->kind == SIM_EVENT_MEMBER_START) {
        if (m->state == SIM_MEMBER_DOWN && !m->left_down) member_start(s, m);
        return 1;
    }
    return m->state == SIM_MEMBER_UP ? sim_machine_event(m, ev) : 0;
}
