#include "tests/member_real/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define PEER_PORT(id) ((uint16_t)(9000 + (id)))
#define TICK_MS 10u

/* --- events --- */

static struct cluster_event *push(struct cluster *c, enum cluster_event_kind kind,
                                  struct cluster_member *to)
{
    MS_ASSERT(c->pending < CLUSTER_EVENTS_MAX);
    struct cluster_event *e = &c->events[(c->first + c->pending++) % CLUSTER_EVENTS_MAX];
    *e = (struct cluster_event){ .kind = kind, .to = to };
    buf_init(&e->bytes, &c->own.face, 64u << 20);
    return e;
}

static void disk_submitted(void *ctx, struct disk_op *op)
{
    struct cluster_member *m = ctx;
    push(m->c, EVENT_DISK, m)->op = op;
}

static void host_submit_job(void *ctx, struct kv_job *job)
{
    struct cluster_member *m = ctx;
    push(m->c, EVENT_JOB, m)->job = job;
}

/* --- the net --- */

static uint64_t side_open(struct cluster *c, struct cluster_member *of)
{
    MS_ASSERT(c->side_count + 1 < CLUSTER_CONNS_MAX);
    struct cluster_side *s = &c->sides[++c->side_count];
    *s = (struct cluster_side){ .of = of, .open = true };
    buf_init(&s->heard, &c->own.face, 64u << 20);
    return c->side_count;
}

static void side_join(struct cluster *c, uint64_t a, uint64_t b)
{
    c->sides[a].side = b;
    c->sides[b].side = a;
}

static uint64_t net_dial(struct net *n, const char *host, uint16_t port)
{
    struct cluster_member *m = (struct cluster_member *)n;
    struct cluster *c = m->c;
    uint64_t id = port - PEER_PORT(0), conn = side_open(c, m);
    struct cluster_member *to = id >= 1 && id <= CLUSTER_MEMBERS_MAX ? &c->members[id] : NULL;
    (void)host;
    if (!to || !to->runs) {
        struct cluster_event *e = push(c, EVENT_DIALED, m);
        e->conn = conn;
        e->status = MS_EADDR;
        return conn;
    }
    uint64_t other = side_open(c, to);
    side_join(c, conn, other);
    struct cluster_event *accept = push(c, EVENT_ACCEPT, to);
    accept->conn = other;
    accept->status = MEMBER_LISTENER_PEER;
    push(c, EVENT_DIALED, m)->conn = conn;
    return conn;
}

static void side_send(struct cluster *c, uint64_t conn, const void *data, size_t len)
{
    struct cluster_side *other = &c->sides[c->sides[conn].side];
    MS_ASSERT(c->sides[conn].open);
    if (!other->open) return;
    if (!other->of) {
        buf_append(&other->heard, data, len);
        return;
    }
    struct cluster_event *e = push(c, EVENT_BYTES, other->of);
    e->conn = c->sides[conn].side;
    buf_append(&e->bytes, data, len);
}

static void side_close(struct cluster *c, uint64_t conn)
{
    struct cluster_side *s = &c->sides[conn];
    s->open = false;
    if (s->side == 0 || !c->sides[s->side].open) return;
    if (c->sides[s->side].of)
        push(c, EVENT_CLOSED, c->sides[s->side].of)->conn = s->side;
    else
        c->sides[s->side].open = false;
}

static void net_send(struct net *n, uint64_t conn, const void *data, size_t len)
{
    side_send(((struct cluster_member *)n)->c, conn, data, len);
}

static size_t net_queued(struct net *n, uint64_t conn)
{
    (void)n, (void)conn;
    return 0;
}

static void net_close(struct net *n, uint64_t conn, bool flush)
{
    (void)flush;
    side_close(((struct cluster_member *)n)->c, conn);
}

static void net_pause(struct net *n, uint64_t conn, bool paused)
{
    (void)n, (void)conn, (void)paused;
}

static const struct net_ops net_ops = {
    .dial = net_dial, .send = net_send, .queued = net_queued, .close = net_close, .pause = net_pause
};

/* --- members --- */

static void host_stopped(void *ctx, int status, const char *reason)
{
    struct cluster_member *m = ctx;
    m->stopped = true;
    m->stop_status = status;
    snprintf(m->stop_reason, sizeof m->stop_reason, "%s", reason);
}

static void host_log(void *ctx, enum log_level level, const char *line)
{
    struct cluster_member *m = ctx;
    if (m->c->verbose || level >= LOG_ERROR) {
        fprintf(stderr, "%8llu member %llu: %s\n", (unsigned long long)m->c->now,
                (unsigned long long)m->id, line);
    }
}

static void list_of(struct config *list, uint32_t voters, uint64_t and_id)
{
    *list = (struct config){ 0 };
    for (uint64_t id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
        if (id > voters && id != and_id) continue;
        struct config_member m = { .id = id, .roles = CONFIG_VOTER };
        snprintf(m.url, sizeof m.url, "http://127.0.0.1:%u", PEER_PORT(id));
        CHECK_EQ(config_add(list, &m), 0);
    }
}

int cluster_start(struct cluster *c, uint64_t id, bool join)
{
    struct cluster_member *m = &c->members[id];
    struct member_opts opts;
    struct config list;
    char why[512] = "";
    list_of(&list, c->count, id);
    member_opts_default(&opts);
    opts.node.id = id;
    opts.node.join = join;
    opts.node.log_dir = "log";
    opts.node.snap_dir = "snap";
    opts.node.cluster = &list;
    opts.node.seed = 100 * id + c->side_count;
    opts.node.request_bytes_max = 64u << 10; /* a request fits a segment */
    opts.node.wal_segment_bytes = 1u << 20;
    opts.node.wal_prewrite_bytes = 64u << 10;
    memset(opts.node.entropy, (int)(id + c->side_count), sizeof opts.node.entropy);
    struct engine *engine = kv_mem_create(&c->alloc.face);
    CHECK(engine != NULL);
    CHECK_EQ(kv_create(&m->kv, engine, &c->alloc.face, &m->log), 0);
    struct member_env env = { .disk = sim_disk_face(m->disk),
                              .net = &m->net,
                              .alloc = &c->alloc.face,
                              .log = &m->log,
                              .host = {
                                  .ctx = m, .submit_job = host_submit_job, .stopped = host_stopped } };
    m->stopped = false;
    int rv = member_create(&m->m, &opts, m->kv, &env, c->now, why, sizeof why);
    if (rv < 0) {
        kv_destroy(m->kv);
        fprintf(stderr, "member %llu: %s\n", (unsigned long long)id, why);
        return rv;
    }
    m->runs = true;
    member_flush(m->m, c->now);
    return 0;
}

static void make_dir(struct sim_disk *d, const char *path)
{
    struct disk_op op = { .kind = DISK_OP_MKDIR };
    snprintf(op.path, sizeof op.path, "%s", path);
    sim_disk_perform(d, &op);
    CHECK_EQ(op.status, 0);
    op = (struct disk_op){ .kind = DISK_OP_SYNC_DIR, .path = "." };
    sim_disk_perform(d, &op);
    CHECK_EQ(op.status, 0);
}

void cluster_init(struct cluster *c, uint32_t voters)
{
    memset(c, 0, sizeof *c);
    test_alloc_init(&c->alloc);
    test_alloc_init(&c->own);
    c->now = 1000;
    c->count = voters;
    c->verbose = getenv("MS_VERBOSE") != NULL;
    for (uint64_t id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
        struct cluster_member *m = &c->members[id];
        *m = (struct cluster_member){ .net = { &net_ops }, .c = c, .id = id };
        m->log = (struct log_sink){ .ctx = m, .level = LOG_DEBUG, .write = host_log };
        struct sim_disk_opts opts = { .submitted = disk_submitted, .ctx = m };
        m->disk = sim_disk_create(&opts, &c->own.face);
        make_dir(m->disk, "log");
        make_dir(m->disk, "snap");
    }
    for (uint64_t id = 1; id <= voters; id++) CHECK_EQ(cluster_start(c, id, false), 0);
}

/* What is under way to a member that is gone. */
static void forget(struct cluster *c, struct cluster_member *m)
{
    for (uint32_t i = 0; i < c->pending; i++) {
        struct cluster_event *e = &c->events[(c->first + i) % CLUSTER_EVENTS_MAX];
        if (e->to != m) continue;
        if (e->kind == EVENT_JOB) kv_run(m->kv, e->job); /* a real engine thread is waited for, too */
        e->to = NULL;
    }
}

static void take_down(struct cluster *c, struct cluster_member *m)
{
    m->runs = false;
    forget(c, m);
    member_destroy(m->m);
    sim_disk_crash(m->disk, true, NULL, NULL);
    for (uint64_t i = 1; i <= c->side_count; i++) {
        if (c->sides[i].of == m && c->sides[i].open) side_close(c, i);
    }
}

void cluster_kill(struct cluster *c, uint64_t id)
{
    take_down(c, &c->members[id]);
}

void cluster_wipe(struct cluster *c, uint64_t id)
{
    sim_disk_wipe(c->members[id].disk);
    make_dir(c->members[id].disk, "log");
    make_dir(c->members[id].disk, "snap");
}

void cluster_fini(struct cluster *c)
{
    for (uint64_t id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
        if (c->members[id].runs) take_down(c, &c->members[id]);
        sim_disk_destroy(c->members[id].disk);
    }
    CHECK_EQ(c->alloc.alive, 0);
    for (uint32_t i = 0; i < c->pending; i++) {
        buf_fini(&c->events[(c->first + i) % CLUSTER_EVENTS_MAX].bytes);
    }
    for (uint64_t i = 1; i <= c->side_count; i++) buf_fini(&c->sides[i].heard);
    CHECK_EQ(c->own.alive, 0);
}

/* --- running --- */

static void handle(struct cluster *c, struct cluster_event *e)
{
    struct cluster_member *m = e->to;
    bool for_conn = e->kind >= EVENT_ACCEPT;
    if (!m || !m->runs || (for_conn && !c->sides[e->conn].open)) return;
    switch (e->kind) {
    case EVENT_DISK:
        sim_disk_perform(m->disk, e->op);
        member_on_disk(m->m, c->now, e->op);
        break;
    case EVENT_JOB:
        kv_run(m->kv, e->job);
        member_on_job(m->m, c->now, e->job);
        break;
    case EVENT_ACCEPT: member_on_accept(m->m, c->now, e->conn, (enum member_listener)e->status); break;
    case EVENT_DIALED:
        if (e->status < 0) c->sides[e->conn].open = false;
        member_on_dialed(m->m, c->now, e->conn, e->status);
        break;
    case EVENT_BYTES: member_on_bytes(m->m, c->now, e->conn, buf_bytes(&e->bytes)); break;
    case EVENT_CLOSED:
        c->sides[e->conn].open = false;
        member_on_closed(m->m, c->now, e->conn);
        break;
    }
    member_flush(m->m, c->now);
}

static void settle(struct cluster *c)
{
    for (uint32_t steps = 0; c->pending > 0; steps++) {
        MS_ASSERT(steps < 1000000); /* something goes round in circles */
        struct cluster_event e = c->events[c->first];
        c->first = (c->first + 1) % CLUSTER_EVENTS_MAX;
        c->pending--;
        handle(c, &e);
        buf_fini(&e.bytes);
    }
}

static void reap(struct cluster *c)
{
    for (uint64_t id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
        struct cluster_member *m = &c->members[id];
        if (m->runs && m->stopped) take_down(c, m);
    }
}

void cluster_run(struct cluster *c, uint64_t ms)
{
    for (uint64_t end = c->now + ms; c->now < end; c->now += TICK_MS) {
        for (uint64_t id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
            struct cluster_member *m = &c->members[id];
            if (!m->runs || member_deadline_ms(m->m) > c->now) continue;
            member_on_tick(m->m, c->now);
            member_flush(m->m, c->now);
        }
        settle(c);
        reap(c);
    }
}

struct node_status cluster_status(struct cluster *c, uint64_t id)
{
    struct node_status s;
    CHECK(c->members[id].runs);
    node_status(member_node(c->members[id].m), &s);
    return s;
}

static uint64_t agreed_leader(struct cluster *c)
{
    uint64_t leader = 0;
    for (uint64_t id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
        if (!c->members[id].runs) continue;
        uint64_t says = cluster_status(c, id).leader;
        if (says == 0 || !c->members[says].runs || (leader && says != leader)) return 0;
        leader = says;
    }
    return leader;
}

uint64_t cluster_leader(struct cluster *c)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t leader = agreed_leader(c);
        if (leader) return leader;
        cluster_run(c, TICK_MS);
    }
    CHECK(!"a leader within 10 s");
    return 0;
}

const char *cluster_request(struct cluster *c, uint64_t id, const char *text)
{
    uint64_t ours = side_open(c, NULL), theirs = side_open(c, &c->members[id]);
    side_join(c, ours, theirs);
    struct cluster_event *e = push(c, EVENT_ACCEPT, &c->members[id]);
    e->conn = theirs;
    e->status = MEMBER_LISTENER_CLIENT;
    side_send(c, ours, text, strlen(text));
    for (int i = 0; i < 1000 && c->sides[ours].heard.len == 0; i++) cluster_run(c, TICK_MS);
    side_close(c, ours);
    cluster_run(c, TICK_MS);
    buf_append_u8(&c->sides[ours].heard, 0);
    return (const char *)c->sides[ours].heard.data;
}
