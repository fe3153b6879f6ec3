/* replay_director.c: one life, from its start to its end. The director runs on the loop's thread, behind each turn of
 * src/rt: it sees to it that what the life has next comes about, and waits until src/rt has handed it in. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "metastore/metastore.h"
#include "tests/replay/replay_private.h"

#define STILL_SPIN 50u /* rounds of the loop before it is slowed down, as others need the processor */
#define OWED_TURNS_MAX 100u
#define AHEAD_MAX 64u
#define CONTEXT_STEPS 12u
#define LOOK_UP_MS_MAX 5000u
#define OTHER_PORT_FIRST 1u

struct replay replay;
int replay_pipe[2];

/* ---- saying what is wrong ---- */

static void print_context(void)
{
    char text[1500];
    size_t from = replay.at > CONTEXT_STEPS ? replay.at - CONTEXT_STEPS : 0;
    for (size_t i = from; i <= replay.at && i < replay.life->count; i++) {
        step_text(&replay.life->steps[i], text, sizeof text);
        fprintf(stderr, "%s %6zu  %s\n", i == replay.at ? ">" : " ", i, text);
    }
    for (size_t i = 0; i < replay.end_count; i++) {
        end_text(replay.ends[i], text, sizeof text);
        fprintf(stderr, "  %s\n", text);
    }
}

/* With all below it, as far as that goes: src/rt may still be writing. */
static void dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        char path[DISK_PATH_BYTES_MAX + DISK_NAME_BYTES_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_type == DT_DIR)
            dir_remove(path);
        else
            unlink(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

void replay_fail(const char *format, ...)
{
    const struct life *l = replay.life;
    va_list args;
    fprintf(stderr, "rt_replay: FAIL seed %llu, member %llu, life %u, step %zu of %zu: ",
            (unsigned long long)l->seed, (unsigned long long)l->opts.node.id, l->number, replay.at,
            l->count);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    print_context();
    fprintf(stderr, "again: rt_replay --seed %llu%s\n", (unsigned long long)l->seed,
            replay.opts->again);
    fflush(NULL);
    dir_remove(replay.dir);
    _exit(1);
}

/* ---- small things ---- */

uint64_t replay_real_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

const struct step *replay_next(void)
{
    return replay.at < replay.life->count ? &replay.life->steps[replay.at] : NULL;
}

void replay_moved(void)
{
    replay.still = 0;
}

/* ---- the end ---- */

/* All that the life wanted of src/rt is done. Once that has begun to end by itself, it may drop operations. */
static bool is_settled(void)
{
    bool disk = replay.ops_out == 0 || replay.host->phase >= RT_PHASE_DOWN;
    return disk && ends_settled() && library_settled();
}

/* What src/rt has opened for a member that has not heard of it when its life ends. */
static uint32_t count_left_open(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < replay.op_count; i++) {
        const struct replay_op *o = &replay.ops[i];
        count += o->op->kind == DISK_OP_OPEN && o->back && !o->taken;
    }
    return count;
}

static void end_life(void)
{
    replay.left_open = count_left_open();
    replay.over = true;
    atomic_store(&replay.over_ms, replay_real_us() / 1000);
    ends_close();
    if (!replay.host->core_stopped)
        replay.below.host.stopped(replay.below.host.ctx, 0, "the life is over");
    uv_close((uv_handle_t *)&replay.prepare, NULL);
    uv_close((uv_handle_t *)&replay.idle, NULL);
    library_over();
}

/* ---- making the next input come about ---- */

/* Bytes may be on their way long before it is their turn. */
static void give_bytes(void)
{
    for (; replay.given < replay.life->count && replay.given <= replay.at + replay.ahead;
         replay.given++) {
        const struct step *s = &replay.life->steps[replay.given];
        if (s->kind != STEP_BYTES) continue;
        struct end *e = end_find(s->conn);
        if (!e) return;
        end_give(e, s->data, s->len);
    }
}

static void accept_one(const struct step *s)
{
    const struct rt_setup *setup = &replay.host->setup;
    if (end_find(s->conn)) return; /* it is under way */
    bool peer = s->numbers[0] == MEMBER_LISTENER_PEER;
    end_connect(end_add(s->conn), peer ? setup->peer.port : (uint16_t)setup->options.http_port);
}

static void stimulate(const struct step *s)
{
    give_bytes();
    if (s->kind == STEP_ACCEPT) accept_one(s);
    if (s->kind == STEP_CLOSED) end_break(end_of(s->conn));
    if (s->kind == STEP_FLUSH) replay.host->dirty = true;
}

/* What src/rt has handed in before its turn, as far as the life goes on with that. */
static void advance(void)
{
    const struct step *s;
    while ((s = replay_next()) != NULL) {
        atomic_store(&replay.now_ms, s->now_ms);
        stimulate(s);
        if (!input_is_here(s)) return;
        replay.host->dirty = true;
        input_perform(s, NULL);
    }
}

/* ---- the loop ---- */

/* RP4. Where a turn has had too many rounds src/rt lets the loop look at its sockets first, and does not wait. */
static void check_owed(void)
{
    if (!replay.owed || replay.host->core_stopped) return;
    if (!uv_is_active((uv_handle_t *)&replay.host->idle) || ++replay.owed_turns > OWED_TURNS_MAX)
        replay_fail("src/rt has handed something in and waits without a member_flush() (RP4)");
}

static void wait_a_little(void)
{
    if (replay.still == 0) replay.moved_us = replay_real_us();
    if (replay.still++ < STILL_SPIN) return;
    replay.totals->waits++;
    nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
    if (replay_real_us() - replay.moved_us < 1000 * (uint64_t)replay.opts->patience_ms) return;
    if (replay_next()) replay_fail("src/rt does not hand in what comes next");
    replay_fail(
        "the life is over, and src/rt does not come to its end: %zu operations of the disk are out",
        replay.ops_out);
}

/* Behind src/rt's own prepare callback, which ends a turn: libuv calls the one first that was started last. */
static void on_turn_end(uv_prepare_t *prepare)
{
    (void)prepare;
    check_owed();
    ends_pump();
    advance();
    ends_pump();
    if (!replay_next() && is_settled()) {
        end_life();
        return;
    }
    wait_a_little();
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* the loop does not wait while the director does */
}

void director_start(void)
{
    uv_loop_t *loop = &replay.host->loop;
    uv_prepare_init(loop, &replay.prepare);
    uv_idle_init(loop, &replay.idle);
    uv_prepare_start(&replay.prepare, on_turn_end);
    uv_idle_start(&replay.idle, on_idle);
    replay_moved();
}

/* ---- from outside of the loop ---- */

static void log_line_out(void *arg, enum ms_log_level level, const char *line)
{
    (void)arg, (void)level;
    if (replay.opts->verbose) fprintf(stderr, "  | %s\n", line);
}

/* The same two for all lives: nobody else gets them. */
static uint16_t peer_port, http_port;

/* What libuv opens once for the process is no life's. */
void director_begin(void)
{
    uv_loop_t first;
    int rv = uv_loop_init(&first);
    if (rv == 0) rv = uv_loop_close(&first);
    if (rv == 0) rv = pipe(replay_pipe);
    MS_ASSERT(rv == 0);
    peer_port = free_port();
    http_port = free_port();
}

/* As many members as there were; who alone has a damaged database is treated otherwise. The others are dialed where
 * the member is told to, and never by these. */
static void cluster_fill(char *out, size_t cap)
{
    const struct life *l = replay.life;
    size_t at = 0;
    for (uint32_t i = 0; i < l->cluster.member_count && at < cap; i++) {
        uint64_t id = l->cluster.members[i].id;
        at += (size_t)snprintf(out + at, cap - at, "%s%llu=http://127.0.0.1:%u", i ? "," : "",
                               (unsigned long long)id,
                               id == l->opts.node.id ? peer_port : OTHER_PORT_FIRST + i);
    }
}

static void options_fill(struct ms_options *o, const char *dir, char *cluster, size_t cluster_cap)
{
    uint64_t id = replay.life->opts.node.id;
    cluster_fill(cluster, cluster_cap);
    ms_options_init(o);
    o->id = id;
    o->storage = replay.place.rocksdb ? MS_STORAGE_ROCKSDB : MS_STORAGE_MEMORY;
    o->cluster = cluster;
    o->data_dir = dir;
    o->http_port = http_port;
    o->log_level = replay.opts->verbose ? MS_LOG_DEBUG : MS_LOG_ERROR;
    o->log = log_line_out;
}

static void place_find(struct image_place *p, const char *dir)
{
    unsigned long long id = replay.life->opts.node.id;
    char parent[DISK_PATH_BYTES_MAX];
    p->rocksdb = replay.life->opts.node.storage == NODE_STORAGE_ROCKSDB;
    if (!p->rocksdb) {
        snprintf(p->log, sizeof p->log, "%s/metaStore-%llu", dir, id);
        snprintf(p->snap, sizeof p->snap, "%s/metaStore-%llu-snap", dir, id);
        return;
    }
    snprintf(p->data, sizeof p->data, "%s/data/%llu", dir, id);
    snprintf(p->log, sizeof p->log, "%s/data/%llu/wal", dir, id);
    snprintf(p->snap, sizeof p->snap, "%s/data/%llu/snap", dir, id);
    snprintf(parent, sizeof parent, "%s/data", dir);
    int rv = mkdir(parent, 0700);
    MS_ASSERT(rv == 0);
}

static void run(const char *dir)
{
    struct ms_options o;
    struct ms_member *m = NULL;
    char cluster[64 * MS_MEMBERS_MAX], why[MS_WHY_BYTES];
    options_fill(&o, dir, cluster, sizeof cluster);
    replay_mode = REPLAY_REPLAYS;
    int rv = ms_open(&m, &o, why);
    if (rv != replay.life->status) replay_fail("ms_open() says: %s", why);
    if (rv == 0) {
        library_serve(m);
        ms_close(m);
    }
    replay_mode = REPLAY_OFF;
}

static void compare_files(void)
{
    struct image now;
    char why[DISK_PATH_BYTES_MAX + 200];
    if (replay.ops_out > 0) return; /* it stopped by itself, and src/rt has dropped them */
    image_of_place(&now, &replay.place);
    if (!image_equal(replay.place.rocksdb, &replay.life->last, &now, why, sizeof why))
        replay_fail("at the end %s (RP5)", why);
    image_fini(&now);
}

/* A look-up of a name that nobody waits for any more may have its own open still. */
static void check_descriptors(uint32_t before)
{
    for (uint32_t tries = 0; open_descriptors() > before + replay.left_open; tries++) {
        if (tries == LOOK_UP_MS_MAX)
            replay_fail("src/rt has left %u descriptors open", open_descriptors() - before);
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
}

void replay_life(const struct replay_opts *opts, const struct life *l, struct replay_totals *totals)
{
    replay = (struct replay){ .opts = opts, .life = l, .totals = totals, .now_ms = l->now_ms };
    ms_rand_init(&replay.rand, l->seed ^ l->opts.node.id << 32 ^ (uint64_t)l->number << 48, 1);
    replay.ahead = ms_rand_below(&replay.rand, 2) ? ms_rand_below(&replay.rand, AHEAD_MAX) : 0;
    temp_dir_make(replay.dir);
    place_find(&replay.place, replay.dir);
    image_write(&l->first, &replay.place);
    uint32_t before = open_descriptors();
    run(replay.dir);
    check_descriptors(before);
    compare_files();
    totals->lives++;
    dir_remove(replay.dir);
    taps_fini();
    library_fini();
}
