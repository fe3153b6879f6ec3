/* replay_taps.c: what the replayed member asks for has to be what it asked for in its life; then it goes to src/rt. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "tests/replay/replay_private.h"

#define BREAK_SHIFT DISK_SECTOR_BYTES
#define BY_NAME_ONE_IN 8u /* dials whose host is a name, for the resolver */

/* Takes made. The next step has to be the same. */
static const struct step *match(struct step made)
{
    const struct step *want = replay_next();
    char is[1500], was[1500];
    if (!replay.within) {
        step_text(&made, is, sizeof is);
        replay_fail("the member asks for something though it was not called: %s", is);
    }
    if (!want || !step_equal(want, &made)) {
        step_text(&made, is, sizeof is);
        snprintf(was, sizeof was, "nothing");
        if (want) step_text(want, was, sizeof was);
        replay_fail("the member asks for something else\n  in its life: %s\n  now:         %s", was,
                    is);
    }
    step_fini(&made);
    replay.at++;
    replay.totals->steps[want->kind]++;
    return want;
}

/* What the life has at this place, if it is of that kind. */
static int64_t recorded(enum step_kind kind, int number)
{
    const struct step *want = replay_next();
    return want && want->kind == kind ? want->numbers[number] : 0;
}

/* ---- the disk ---- */

static void path_simulated(char path[DISK_PATH_BYTES_MAX])
{
    const char *const real[] = { replay.place.snap, replay.place.log };
    const char *const simulated[] = { IMAGE_SNAP, IMAGE_LOG };
    for (int i = 0; i < 2; i++) {
        size_t len = strlen(real[i]);
        char rest[DISK_PATH_BYTES_MAX];
        if (strncmp(path, real[i], len) != 0 || (path[len] && path[len] != '/')) continue;
        memcpy(rest, path + len, strlen(path + len) + 1);
        snprintf(path, DISK_PATH_BYTES_MAX, "%s%s", simulated[i], rest);
        return;
    }
}

/* As if it were one of the simulated disk. */
static void op_into(struct step *s, const struct disk_op *op)
{
    struct disk_op copy = *op;
    bool known = op->file >= 0 && (size_t)op->file < replay.file_cap;
    path_simulated(copy.path);
    path_simulated(copy.path2);
    step_of_op(s, &copy);
    if (step_op_has_file(op->kind)) s->numbers[3] = known ? replay.files[op->file] : -1;
}

void taps_opened(disk_file file, int64_t number)
{
    if (file < 0) return;
    while ((size_t)file >= replay.file_cap)
        replay.files =
            replay_grow(replay.files, replay.file_cap, &replay.file_cap, sizeof *replay.files);
    replay.files[file] = number;
}

/* What its life did not carry out before its end is not carried out now: so the files can be compared. */
static void disk_submit(struct disk *face, struct disk_op *op)
{
    size_t number = replay.op_count;
    (void)face;
    struct step made = { .kind = STEP_SUBMIT, .numbers = { (int64_t)number } };
    op_into(&made, op);
    match(made);
    replay.ops = replay_grow(replay.ops, replay.op_count, &replay.op_cap, sizeof *replay.ops);
    replay.ops[replay.op_count++] = (struct replay_op){ .op = op };
    MS_ASSERT(number < replay.life->op_count);
    if (!replay.life->performed[number]) return;
    replay.ops_out++;
    if (replay.opts->breaks == BREAK_OFFSET && op->kind == DISK_OP_WRITE) op->offset += BREAK_SHIFT;
    replay.below.disk->ops->submit(replay.below.disk, op);
}

static int disk_call(struct disk *face, struct disk_op *op)
{
    struct disk *below = replay.below.disk;
    struct step made = { .kind = STEP_CALL };
    (void)face;
    if (replay.over) return below->ops->call(below, op);
    op_into(&made, op);
    int rv = below->ops->call(below, op);
    step_of_result(&made, op);
    const struct step *want = match(made);
    if (op->kind == DISK_OP_OPEN && rv == 0) taps_opened(op->file, want->opened);
    return rv;
}

struct listing {
    int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes);
    void *arg;
};

static int on_name(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    const struct listing *l = arg;
    match((struct step){ .kind = STEP_NAME,
                         .text = replay_text("%s", name),
                         .numbers = { is_dir, is_dir ? 0 : (int64_t)size_bytes } });
    return l->cb(l->arg, name, is_dir, size_bytes);
}

static int disk_list(struct disk *face, const char *path,
                     int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                     void *arg)
{
    struct listing l = { .cb = cb, .arg = arg };
    char simulated[DISK_PATH_BYTES_MAX];
    (void)face;
    snprintf(simulated, sizeof simulated, "%s", path);
    path_simulated(simulated);
    match((struct step){ .kind = STEP_LIST, .text = replay_text("%s", simulated) });
    int rv = replay.below.disk->ops->list(replay.below.disk, path, on_name, &l);
    match((struct step){ .kind = STEP_LISTED, .numbers = { rv } });
    return rv;
}

static int disk_lock(struct disk *face, const char *path)
{
    (void)face;
    return replay.below.disk->ops->lock(replay.below.disk, path);
}

static const struct disk_ops disk_taps = {
    .submit = disk_submit, .call = disk_call, .list = disk_list, .lock = disk_lock
};

/* ---- the network ---- */

/* Whether the dial that has just been matched comes to nothing in the life. */
static bool dial_fails(uint64_t conn)
{
    for (size_t i = replay.at; i < replay.life->count; i++) {
        const struct step *s = &replay.life->steps[i];
        if (s->conn == conn && s->kind == STEP_DIALED) return s->numbers[0] < 0;
        if (s->conn == conn && s->kind == STEP_CLOSE) return false;
    }
    return false;
}

static uint64_t net_dial(struct net *face, const char *host, uint16_t port)
{
    const struct step *want = replay_next();
    (void)face;
    uint64_t conn = want && want->kind == STEP_DIAL ? want->conn : 0;
    match((struct step){
        .kind = STEP_DIAL, .conn = conn, .text = replay_text("%s", host), .numbers = { port } });
    struct end *e = end_add(conn);
    e->dial_fails = dial_fails(conn);
    replay.totals->dials_failed += e->dial_fails;
    bool by_name = ms_rand_below(&replay.rand, BY_NAME_ONE_IN) == 0;
    e->real = replay.below.net->ops->dial(replay.below.net, by_name ? "localhost" : "127.0.0.1",
                                          end_listen(e));
    return conn;
}

static void net_send(struct net *face, uint64_t conn, const void *data, size_t len)
{
    (void)face;
    match((struct step){
        .kind = STEP_SEND, .conn = conn, .numbers = { (int64_t)len }, .hash = step_hash(data, len) });
    struct end *e = end_of(conn);
    end_sent(e, data, len);
    replay.below.net->ops->send(replay.below.net, e->real, data, len);
}

/* What is queued is what was sent and not written: all of this turn, and nothing that has arrived. */
static size_t queued_check(const struct end *e)
{
    size_t queued = replay.below.net->ops->queued(replay.below.net, e->real);
    size_t least = replay.writes ? 0 : e->out_len - e->turn_len, most = e->out_len - e->received;
    bool failed = e->broken != END_WHOLE || e->closed; /* then src/rt may have given all of it up */
    if (!failed && (queued < least || queued > most))
        replay_fail("queued() of connection %llu is %zu: of %zu bytes sent %zu are of this turn, %zu "
                    "have arrived",
                    (unsigned long long)e->conn, queued, e->out_len, least, e->received);
    return queued;
}

/* The member hears what it heard in its life: how fast a socket drains is not src/rt's to decide. */
static size_t net_queued(struct net *face, uint64_t conn)
{
    (void)face;
    int64_t answer = recorded(STEP_QUEUED, 0);
    match((struct step){ .kind = STEP_QUEUED, .conn = conn, .numbers = { answer } });
    queued_check(end_of(conn));
    return (size_t)answer;
}

static void net_close(struct net *face, uint64_t conn, bool flush)
{
    (void)face;
    if (replay.over) return;
    match((struct step){ .kind = STEP_CLOSE, .conn = conn, .numbers = { flush } });
    struct end *e = end_find(conn);
    if (!e) return; /* one of which it has been told that it is closed */
    e->least = e->out_len - queued_check(e);
    e->flush = flush;
    replay.totals->flushed += flush && e->out_len > e->received;
    if (replay.opts->breaks == BREAK_CUT_CLOSE) flush = false;
    replay.below.net->ops->close(replay.below.net, e->real, flush);
    end_left(e);
}

static void net_pause(struct net *face, uint64_t conn, bool paused)
{
    (void)face;
    match((struct step){ .kind = STEP_PAUSE, .conn = conn, .numbers = { paused } });
    struct end *e = end_of(conn);
    e->paused = paused;
    replay.below.net->ops->pause(replay.below.net, e->real, paused);
}

static const struct net_ops net_taps = {
    .dial = net_dial, .send = net_send, .queued = net_queued, .close = net_close, .pause = net_pause
};

/* ---- the host ---- */

static void host_submit_job(void *ctx, struct kv_job *job)
{
    struct step made = { .kind = STEP_JOB, .numbers = { (int64_t)replay.job_count, job->kind } };
    if (job->kind == KV_JOB_APPLY) made.numbers[2] = job->count;
    match(made);
    replay.jobs = replay_grow(replay.jobs, replay.job_count, &replay.job_cap, sizeof *replay.jobs);
    replay.jobs[replay.job_count++] = (struct replay_job){ .job = job };
    replay.below.host.submit_job(ctx, job);
}

static void host_stopped(void *ctx, int status, const char *reason)
{
    match((struct step){ .kind = STEP_STOPPED,
                         .numbers = { status },
                         .text = reason ? replay_text("%s", reason) : NULL });
    replay.below.host.stopped(ctx, status, reason);
}

static void host_answer(void *ctx, const struct node_answer *answer)
{
    struct step made = { .kind = STEP_ANSWER };
    step_of_answer(&made, answer);
    match(made);
    library_answer(ctx, answer);
}

static void host_range(void *ctx, const struct node_range_piece *piece)
{
    struct step made = { .kind = STEP_PIECE };
    step_of_piece(&made, piece);
    match(made);
    library_piece(ctx, piece);
}

/* ---- all of it ---- */

void taps_env(const struct member_env *below, struct member_env *out)
{
    replay.below = *below;
    replay.disk.ops = &disk_taps;
    replay.net.ops = &net_taps;
    *out = *below;
    out->disk = &replay.disk;
    out->net = &replay.net;
    out->host = (struct member_host){ .ctx = below->host.ctx,
                                      .submit_job = host_submit_job,
                                      .stopped = host_stopped,
                                      .answer = host_answer,
                                      .range = host_range };
}

void taps_fini(void)
{
    free(replay.ops);
    free(replay.jobs);
    free(replay.files);
}
