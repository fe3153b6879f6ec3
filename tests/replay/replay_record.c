/* replay_record.c: the simulator's side: what its members are given and ask for is noted, and passed on. */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_cluster.h"
#include "tests/replay/replay.h"

struct recorder;
struct record_disk {
    struct disk face; /* first */
    struct recorder *owner;
};
struct record_net {
    struct net face; /* first */
    struct recorder *owner;
};

/* What was submitted and has not come back. */
struct under_way {
    const void *item;
    uint64_t number;
};

/* Of one member of the simulator, for one life after the other. */
struct recorder {
    struct life *life; /* NULL: it is over, or was cut: what comes is passed on */
    const struct member *member;
    struct sim_disk *sim_disk;
    struct record_disk disk;
    struct record_net net;
    struct member_env below;
    struct under_way *ops, *jobs;
    size_t op_count, op_cap, job_count, job_cap;
    uint32_t lives;
    struct image before; /* RocksDB: as it was before the database was opened; empty: it was not */
};

static struct recorder recorders[SIM_MEMBERS_MAX];
static struct recording *recording;
static uint64_t recording_seed;
static size_t inputs_max;

/* ---- small things ---- */

static struct step *note(struct recorder *r, enum step_kind kind, uint64_t conn)
{
    return r->life ? life_add(r->life, (struct step){ .kind = kind, .conn = conn }) : NULL;
}

static struct recorder *recorder_of(const struct member *m)
{
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        if (recorders[i].life && recorders[i].member == m) return &recorders[i];
    }
    return NULL;
}

static void push(struct under_way **items, size_t *count, size_t *cap, const void *item,
                 uint64_t number)
{
    *items = replay_grow(*items, *count, cap, sizeof **items);
    (*items)[(*count)++] = (struct under_way){ .item = item, .number = number };
}

/* Where an item stands; count: nowhere. */
static size_t find(const struct under_way *items, size_t count, const void *item)
{
    size_t i = 0;
    while (i < count && items[i].item != item) i++;
    return i;
}

static uint64_t take(struct under_way *items, size_t *count, const void *item)
{
    size_t i = find(items, *count, item);
    MS_ASSERT(i < *count);
    uint64_t number = items[i].number;
    items[i] = items[--*count];
    return number;
}

/* ---- the disk ---- */

static struct recorder *disk_owner(struct disk *face)
{
    return ((struct record_disk *)(void *)face)->owner;
}

static void disk_submit(struct disk *face, struct disk_op *op)
{
    struct recorder *r = disk_owner(face);
    struct step *s = note(r, STEP_SUBMIT, 0);
    if (s) {
        struct life *l = r->life;
        l->performed = replay_grow(l->performed, l->op_count, &l->op_cap, sizeof *l->performed);
        l->performed[l->op_count] = false;
        s->numbers[0] = (int64_t)l->op_count;
        step_of_op(s, op);
        push(&r->ops, &r->op_count, &r->op_cap, op, l->op_count++);
    }
    r->below.disk->ops->submit(r->below.disk, op);
}

static int disk_call(struct disk *face, struct disk_op *op)
{
    struct recorder *r = disk_owner(face);
    struct step s = { .kind = STEP_CALL };
    step_of_op(&s, op);
    int rv = r->below.disk->ops->call(r->below.disk, op);
    step_of_result(&s, op);
    if (r->life)
        life_add(r->life, s);
    else
        step_fini(&s);
    return rv;
}

struct listing {
    struct recorder *owner;
    int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes);
    void *arg;
};

static int on_name(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct listing *l = arg;
    struct step *s = note(l->owner, STEP_NAME, 0);
    if (s) {
        s->text = replay_text("%s", name);
        s->numbers[0] = is_dir;
        s->numbers[1] = is_dir ? 0 : (int64_t)size_bytes;
    }
    return l->cb(l->arg, name, is_dir, size_bytes);
}

static int disk_list(struct disk *face, const char *path,
                     int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                     void *arg)
{
    struct recorder *r = disk_owner(face);
    struct listing l = { .owner = r, .cb = cb, .arg = arg };
    struct step *s = note(r, STEP_LIST, 0);
    if (s) s->text = replay_text("%s", path);
    int rv = r->below.disk->ops->list(r->below.disk, path, on_name, &l);
    s = note(r, STEP_LISTED, 0);
    if (s) s->numbers[0] = rv;
    return rv;
}

static int disk_lock(struct disk *face, const char *path)
{
    struct disk *below = disk_owner(face)->below.disk;
    return below->ops->lock(below, path);
}

static const struct disk_ops disk_taps = {
    .submit = disk_submit, .call = disk_call, .list = disk_list, .lock = disk_lock
};

/* ---- the network ---- */

static struct recorder *net_owner(struct net *face)
{
    return ((struct record_net *)(void *)face)->owner;
}

static uint64_t net_dial(struct net *face, const char *host, uint16_t port)
{
    struct recorder *r = net_owner(face);
    uint64_t conn = r->below.net->ops->dial(r->below.net, host, port);
    struct step *s = note(r, STEP_DIAL, conn);
    if (s) s->text = replay_text("%s", host);
    if (s) s->numbers[0] = port;
    return conn;
}

static void net_send(struct net *face, uint64_t conn, const void *data, size_t len)
{
    struct recorder *r = net_owner(face);
    struct step *s = note(r, STEP_SEND, conn);
    if (s) s->numbers[0] = (int64_t)len;
    if (s) s->hash = step_hash(data, len);
    r->below.net->ops->send(r->below.net, conn, data, len);
}

static size_t net_queued(struct net *face, uint64_t conn)
{
    struct recorder *r = net_owner(face);
    size_t queued = r->below.net->ops->queued(r->below.net, conn);
    struct step *s = note(r, STEP_QUEUED, conn);
    if (s) s->numbers[0] = (int64_t)queued;
    return queued;
}

static void net_close(struct net *face, uint64_t conn, bool flush)
{
    struct recorder *r = net_owner(face);
    struct step *s = note(r, STEP_CLOSE, conn);
    if (s) s->numbers[0] = flush;
    r->below.net->ops->close(r->below.net, conn, flush);
}

static void net_pause(struct net *face, uint64_t conn, bool paused)
{
    struct recorder *r = net_owner(face);
    struct step *s = note(r, STEP_PAUSE, conn);
    if (s) s->numbers[0] = paused;
    r->below.net->ops->pause(r->below.net, conn, paused);
}

static const struct net_ops net_taps = {
    .dial = net_dial, .send = net_send, .queued = net_queued, .close = net_close, .pause = net_pause
};

/* ---- the host ---- */

static void host_submit_job(void *ctx, struct kv_job *job)
{
    struct recorder *r = ctx;
    struct step *s = note(r, STEP_JOB, 0);
    if (s) {
        s->numbers[0] = (int64_t)r->life->job_count;
        s->numbers[1] = job->kind;
        if (job->kind == KV_JOB_APPLY) s->numbers[2] = job->count;
        push(&r->jobs, &r->job_count, &r->job_cap, job, r->life->job_count++);
    }
    r->below.host.submit_job(r->below.host.ctx, job);
}

static void host_stopped(void *ctx, int status, const char *reason)
{
    struct recorder *r = ctx;
    struct step *s = note(r, STEP_STOPPED, 0);
    if (s) s->numbers[0] = status;
    if (s && reason) s->text = replay_text("%s", reason);
    r->below.host.stopped(r->below.host.ctx, status, reason);
}

static void host_answer(void *ctx, const struct node_answer *answer)
{
    struct recorder *r = ctx;
    struct step *s = note(r, STEP_ANSWER, 0);
    if (s) step_of_answer(s, answer);
    r->below.host.answer(r->below.host.ctx, answer);
}

static void host_range(void *ctx, const struct node_range_piece *piece)
{
    struct recorder *r = ctx;
    struct step *s = note(r, STEP_PIECE, 0);
    if (s) step_of_piece(s, piece);
    r->below.host.range(r->below.host.ctx, piece);
}

static void host_tap(void *ctx, bool out, uint64_t peer, uint8_t type, struct bytes body)
{
    struct recorder *r = ctx;
    r->below.host.tap(r->below.host.ctx, out, peer, type, body);
}

/* ---- lives ---- */

void record_begin(struct recording *r, uint64_t seed, size_t max)
{
    *r = (struct recording){ 0 };
    recording = r;
    recording_seed = seed;
    inputs_max = max;
    replay_mode = REPLAY_RECORDS;
}

void record_end(void)
{
    replay_mode = REPLAY_OFF;
    recording = NULL;
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        MS_ASSERT(!recorders[i].life);
        image_fini(&recorders[i].before);
        free(recorders[i].ops);
        free(recorders[i].jobs);
        recorders[i] = (struct recorder){ 0 };
    }
}

static void life_over(struct recorder *r)
{
    image_of_sim(&r->life->last, r->sim_disk);
    r->life = NULL;
    r->op_count = r->job_count = 0;
}

static void life_begin(struct recorder *r, const struct member_opts *opts, uint64_t now_ms)
{
    struct life *l = calloc(1, sizeof *l);
    MS_ASSERT(l != NULL);
    l->seed = recording_seed;
    l->number = r->lives++;
    l->opts = *opts;
    l->cluster = *opts->node.cluster;
    l->now_ms = now_ms;
    if (r->before.count == 0) image_of_sim(&r->before, r->sim_disk);
    l->first = r->before;
    r->before = (struct image){ 0 };
    r->life = l;
    recording->lives =
        replay_grow(recording->lives, recording->count, &recording->cap, sizeof *recording->lives);
    recording->lives[recording->count++] = l;
}

void record_database(const struct kv_rocks_opts *opts)
{
    struct sim_member *m = ((struct sim_member_disk *)(void *)opts->disk)->member;
    struct recorder *r = &recorders[m->id - 1];
    image_fini(&r->before); /* of one that did not open */
    image_of_sim(&r->before, m->disk);
}

int record_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                  const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap)
{
    MS_ASSERT(opts->node.id >= 1 && opts->node.id <= SIM_MEMBERS_MAX);
    struct recorder *r = &recorders[opts->node.id - 1];
    struct member_env tapped = *env;
    MS_ASSERT(!r->life);
    r->below = *env;
    r->disk = (struct record_disk){ .face = { .ops = &disk_taps }, .owner = r };
    r->net = (struct record_net){ .face = { .ops = &net_taps }, .owner = r };
    r->sim_disk = ((struct sim_member_disk *)(void *)env->disk)->member->disk;
    tapped.disk = &r->disk.face;
    tapped.net = &r->net.face;
    tapped.host = (struct member_host){ .ctx = r,
                                        .submit_job = host_submit_job,
                                        .stopped = host_stopped,
                                        .answer = host_answer,
                                        .range = host_range,
                                        .tap = host_tap };
    life_begin(r, opts, now_ms);
    int rv = __real_member_create(out, opts, kv, &tapped, now_ms, why, why_cap);
    r->life->status = rv;
    r->member = *out;
    if (rv < 0) life_over(r);
    return rv;
}

void record_died(const struct member *m)
{
    struct recorder *r = recorder_of(m);
    if (r) life_over(r);
}

void record_crashed(struct sim_disk *d)
{
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        if (recorders[i].life && recorders[i].sim_disk == d) life_over(&recorders[i]);
    }
}

void record_performed(const struct disk_op *op)
{
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        struct recorder *r = &recorders[i];
        size_t at = find(r->ops, r->op_count, op);
        if (r->life && at < r->op_count) r->life->performed[r->ops[at].number] = true;
    }
}

/* ---- inputs ---- */

struct step *record_input(const struct member *m, enum step_kind kind, uint64_t now_ms, uint64_t conn)
{
    struct recorder *r = recorder_of(m);
    if (r && r->life->inputs >= inputs_max) {
        life_over(r);
        r = NULL;
    }
    if (!r) return NULL;
    struct step *s = note(r, kind, conn);
    s->now_ms = now_ms;
    return s;
}

void record_disk_done(const struct member *m, uint64_t now_ms, const struct disk_op *op)
{
    struct step *s = record_input(m, STEP_DISK_DONE, now_ms, 0);
    if (!s) return;
    struct recorder *r = recorder_of(m);
    s->numbers[0] = (int64_t)take(r->ops, &r->op_count, op);
    step_of_result(s, op);
}

void record_job_done(const struct member *m, uint64_t now_ms, const struct kv_job *job)
{
    struct step *s = record_input(m, STEP_JOB_DONE, now_ms, 0);
    if (!s) return;
    struct recorder *r = recorder_of(m);
    step_of_job_done(s, job, take(r->jobs, &r->job_count, job));
}

/* A copy of op whose keys stand in *data. */
static struct kv_op *op_copy(const struct kv_op *op, uint8_t **data, size_t *len)
{
    struct kv_op *copy = malloc(sizeof *copy);
    MS_ASSERT(copy != NULL);
    *copy = *op;
    *len = op->key.len + op->range_end.len;
    *data = malloc(*len + 1);
    MS_ASSERT(*data != NULL);
    if (op->key.len > 0) memcpy(*data, op->key.data, op->key.len);
    if (op->range_end.len > 0) memcpy(*data + op->key.len, op->range_end.data, op->range_end.len);
    copy->key.data = *data;
    copy->range_end.data = *data + op->key.len;
    return copy;
}

void record_ask(const struct member *m, uint64_t now_ms, enum ask call, uint64_t token,
                struct bytes data, const struct kv_op *op, bool stale)
{
    struct step *s = record_input(m, STEP_ASK, now_ms, 0);
    if (!s) return;
    s->numbers[0] = call;
    s->numbers[1] = (int64_t)token;
    s->numbers[2] = stale;
    if (op) {
        s->op = op_copy(op, &s->data, &s->len);
        return;
    }
    s->data = malloc(data.len + 1);
    MS_ASSERT(s->data != NULL);
    s->len = data.len;
    if (data.len > 0) memcpy(s->data, data.data, data.len);
}

void record_asked(const struct member *m, int result)
{
    struct recorder *r = recorder_of(m);
    if (r) note(r, STEP_ASKED, 0)->numbers[0] = result;
}
