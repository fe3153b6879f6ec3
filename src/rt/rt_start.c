/* rt_start.c: starting, in steps, and their undoing.
 *
 * The listeners are bound before any data is touched: a port in use leaves everything as it was.
 * Clients that come in during recovery wait in the backlog. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv_rocks/kv_rocks.h"
#include "rt/rt_alloc.h"
#include "rt/rt_clock.h"
#include "rt/rt_private.h"
#include "wal/wal_inspect.h"

#ifdef __APPLE__
#include <sys/random.h>
#endif

static int refuse(struct ms_member *m, int status, const char *what)
{
    snprintf(m->why, MS_WHY_BYTES, "%s: %s", what, ms_err_text(status));
    return status;
}

/* ---- the loop and what hangs on it ---- */

static int start_loop(struct ms_member *m)
{
    if (uv_loop_init(&m->loop) != 0) return refuse(m, MS_ENOMEM, "cannot make an event loop");
    uv_timer_init(&m->loop, &m->timer);
    uv_timer_init(&m->loop, &m->stop_timer);
    uv_prepare_init(&m->loop, &m->prepare);
    uv_idle_init(&m->loop, &m->idle);
    m->timer.data = m->stop_timer.data = m->prepare.data = m->idle.data = m->async.data = m;
    if (uv_async_init(&m->loop, &m->async, rt_loop_on_command) != 0) {
        uv_loop_close(&m->loop);
        return refuse(m, MS_ENOMEM, "cannot make an event loop");
    }
    m->level = RT_LEVEL_LOOP;
    return 0;
}

static int start_disk(struct ms_member *m)
{
    int rv = rt_disk_init(&m->disk, &m->loop, rt_loop_on_disk, m);
    if (rv < 0) return refuse(m, rv, "cannot prepare for disk operations");
    m->level = RT_LEVEL_DISK;
    return 0;
}

/* How many connections there may be. A file that cannot be opened stops a member, and a connection too many does
 * not: so files come first. Of very few descriptors each side has half. */
static uint32_t conns_possible(const struct ms_member *m, uint64_t *files)
{
    bool rocksdb = m->setup.options.storage == MS_STORAGE_ROCKSDB;
    uint64_t kept = rocksdb ? RT_FILES_KEPT_ROCKSDB : RT_FILES_KEPT;
    struct rlimit limit;
    *files = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : UINT64_MAX;
    uint64_t left = *files / 2 > kept ? *files - kept : *files / 2;
    return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

/* Beside those of clients. */
#define OTHER_CONNS (PEER_CONNS_MAX + RT_SLACK_CONNS)
static_assert(OTHER_CONNS - OTHER_CONNS / 3 == PEER_CONNS_MAX, "a third is for refusing politely");

static int start_net(struct ms_member *m, const struct rt_net_events *events)
{
    uint64_t files;
    uint32_t possible = conns_possible(m, &files), wanted = m->setup.options.clients_max;
    uint32_t others = possible / 2 > OTHER_CONNS ? OTHER_CONNS : possible / 2;
    m->clients_max = wanted < possible - others ? wanted : possible - others;
    if (m->clients_max < wanted)
        log_line(&m->log.sink, LOG_WARN,
                 "as the process may open %llu files, no more than %u connections of clients are taken",
                 (unsigned long long)files, m->clients_max);
    int rv = rt_net_init(&m->net, &m->loop, events, m->clients_max + others);
    if (rv < 0) return refuse(m, rv, "cannot prepare for connections");
    /* Clients that are refused stay for a moment, and may be many: the places of peers are not theirs. */
    m->net.kept = others - others / 3;
    m->net.kept_tag = MEMBER_LISTENER_PEER;
    m->level = RT_LEVEL_NET;
    return 0;
}

/* ---- the state machine ---- */

static int open_rocksdb(struct ms_member *m, bool wrong, struct engine **out)
{
    bool alone = m->setup.cluster.member_count == 1;
    struct kv_rocks_opts opts;
    kv_rocks_opts_default(&opts, &m->disk.face);
    opts.dir = m->dirs.home;
    opts.snap_dir = m->dirs.snap;
    opts.beside_bytes = m->setup.options.wal_segment_bytes;
    return kv_rocks_open_or_rebuild(out, &opts, alone, wrong, rt_alloc_heap(), &m->log.sink, m->why,
                                    MS_WHY_BYTES);
}

/* A log that is going to be refused is found out before the database is opened: that writes to it. */
static int check_log(struct ms_member *m, bool *wrong)
{
    struct wal_recovery seen;
    int rv = wal_identify(m->dirs.log, m->setup.options.id, &m->disk.face, rt_alloc_heap(), &seen);
    *wrong = seen.state.flags & WAL_FLAG_STATE_WRONG;
    if (rv == 0) return 0;
    snprintf(m->why, MS_WHY_BYTES, "the log in %s: %s%s%s", m->dirs.log, ms_err_text(rv),
             seen.detail[0] ? ": " : "", seen.detail);
    return rv;
}

static int start_store(struct ms_member *m)
{
    bool rocksdb = m->setup.options.storage == MS_STORAGE_ROCKSDB, wrong;
    struct engine *engine = NULL;
    int rv = 0;
    if (rocksdb) {
        rv = check_log(m, &wrong);
        if (rv == 0) rv = open_rocksdb(m, wrong, &engine);
        if (rv < 0) return rv;
    } else {
        engine = kv_mem_create(rt_alloc_heap());
        if (!engine) return refuse(m, MS_ENOMEM, "cannot make the state machine");
    }
    rv = kv_create(&m->kv, engine, rt_alloc_heap(), &m->log.sink);
    if (rv < 0) {
        engine->ops->close(engine);
        return refuse(m, rv, m->dirs.home);
    }
    rv = rt_engine_init(&m->engine, &m->loop, rocksdb, rt_loop_on_job, m);
    if (rv < 0) {
        kv_destroy(m->kv);
        return refuse(m, rv, "cannot prepare the state machine's thread");
    }
    m->engine.kv = m->kv;
    m->level = RT_LEVEL_STORE;
    return 0;
}

/* ---- the member ---- */

static int fill_opts(struct ms_member *m, struct member_opts *o)
{
    const struct ms_options *from = &m->setup.options;
    member_opts_default(o);
    o->version = ms_version();
    o->commit = rt_build_commit();
    o->clients_max = m->clients_max;
    o->key_bytes_max = from->key_bytes_max;
    o->value_bytes_max = from->value_bytes_max;
    o->node.id = from->id;
    o->node.storage = from->storage == MS_STORAGE_ROCKSDB ? NODE_STORAGE_ROCKSDB : NODE_STORAGE_MEMORY;
    o->node.log_dir = m->dirs.log;
    o->node.snap_dir = m->dirs.snap;
    o->node.cluster = &m->setup.cluster;
    o->node.join = from->join;
    o->node.request_ms_max = from->request_ms;
    o->node.snapshot_log_bytes = from->snapshot_log_bytes;
    o->node.snapshot_bytes_per_s = from->snapshot_bytes_per_s;
    o->node.request_bytes_max = from->request_bytes_max;
    o->node.revisions_kept = from->revisions_kept;
    o->node.watches_max = from->watches_max;
    o->node.requests_max = from->requests_max;
    o->client_idle_ms_max = from->client_ms;
    o->client_queue_bytes_max = from->client_queue_bytes_max;
    o->clients_bytes_max = from->clients_bytes_max;
    o->watch_beat_ms = from->watch_beat_ms;
    o->node.digest_ms = from->digest_ms;
    o->node.wal_segment_bytes = from->wal_segment_bytes;
    o->node.space_low_bytes = from->min_free_bytes ? from->min_free_bytes : NODE_SPACE_LOW_AUTO;
    o->node.raft.heartbeat_ms = from->heartbeat_ms;
    o->node.raft.election_ms_min = from->election_ms;
    o->node.raft.stall_ms = from->disk_stall_ms;
    if (getentropy(o->node.entropy, sizeof o->node.entropy) != 0 ||
        getentropy(&o->node.seed, sizeof o->node.seed) != 0)
        return refuse(m, MS_EIO, "the system gives no random numbers");
    return 0;
}

static int start_core(struct ms_member *m, const struct member_host *host)
{
    struct member_opts opts;
    struct member_env env = { .disk = &m->disk.face,
                              .net = &m->net.face,
                              .alloc = rt_alloc_heap(),
                              .log = &m->log.sink,
                              .host = *host };
    int rv = fill_opts(m, &opts);
    if (rv < 0) return rv;
    rv = member_create(&m->core, &opts, m->kv, &env, rt_clock_ms(), m->why, MS_WHY_BYTES);
    if (rv < 0 && !m->why[0]) refuse(m, rv, m->dirs.home);
    if (rv < 0) return rv;
    m->kv = NULL; /* given */
    m->level = RT_LEVEL_CORE;
    return 0;
}

int rt_start(struct ms_member *m)
{
    struct rt_net_events events;
    struct member_host host;
    rt_loop_wire(m, &events, &host);
    m->started_s = (uint64_t)time(NULL);
    int rv = start_loop(m);
    if (rv == 0) rv = start_disk(m);
    if (rv == 0) rv = start_net(m, &events);
    if (rv == 0) rv = rt_dirs_find(&m->dirs, &m->setup, &m->disk.face, m->why);
    if (rv == 0) rv = rt_listen(m);
    if (rv == 0) rv = rt_dirs_lock(&m->dirs, &m->setup, &m->disk.face, m->why);
    if (rv == 0) rv = rt_dirs_make(&m->dirs, &m->disk.face, m->why);
    if (rv == 0) rv = start_store(m);
    if (rv == 0) rv = start_core(m, &host);
    return rv;
}

/* ---- and back ---- */

static void close_loop_handles(struct ms_member *m)
{
    uv_close((uv_handle_t *)&m->timer, NULL);
    uv_close((uv_handle_t *)&m->stop_timer, NULL);
    uv_close((uv_handle_t *)&m->prepare, NULL);
    uv_close((uv_handle_t *)&m->idle, NULL);
    uv_close((uv_handle_t *)&m->async, NULL);
}

/* First everything that could still report something is stopped and its threads joined; only then does
 * the member go, whose buffers they had borrowed. */
void rt_unstart(struct ms_member *m)
{
    enum rt_level level = m->level;
    m->phase = RT_PHASE_DOWN;
    rt_requests_abort(m);
    if (level >= RT_LEVEL_STORE) rt_engine_stop(&m->engine);
    if (level >= RT_LEVEL_NET) rt_net_stop(&m->net);
    if (level >= RT_LEVEL_DISK) rt_disk_stop(&m->disk);
    if (level >= RT_LEVEL_LOOP) {
        close_loop_handles(m);
        uv_run(&m->loop, UV_RUN_DEFAULT);
        MS_ASSERT(uv_loop_close(&m->loop) == 0);
    }
    if (level >= RT_LEVEL_CORE) member_destroy(m->core);
    m->core = NULL;
    if (level >= RT_LEVEL_STORE) {
        if (m->kv) kv_destroy(m->kv);
        rt_engine_fini(&m->engine);
    }
    if (level >= RT_LEVEL_NET) rt_net_fini(&m->net);
    if (level >= RT_LEVEL_DISK) rt_disk_fini(&m->disk);
    m->level = RT_LEVEL_NONE;
}
