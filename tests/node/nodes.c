#include "tests/node/nodes.h"

#include <stdlib.h>

#define LOG_DIR "log"
#define SNAP_DIR "snap"
#define SETTLE_TURNS_MAX 1000000u
#define LINK_EVERY_MS 20u

static void drop_stream_frames(struct nodes *c, uint64_t from, uint64_t to)
{
    for (struct nodes_frame **at = &c->frames; *at;) {
        struct nodes_frame *f = *at;
        if (!f->on_stream || f->from != from || f->to != to) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        free(f);
    }
}

/* --- what the node calls --- */

static void op_submitted(void *ctx, struct disk_op *op)
{
    struct nodes_member *m = ctx;
    CHECK(m->op_count < NODES_OPS_MAX);
    m->ops[(m->op_first + m->op_count++) % NODES_OPS_MAX] = op;
}

static void frame_add(struct nodes_member *m, uint64_t to, bool on_stream, uint8_t type,
                      struct bytes body)
{
    struct nodes_frame *f = malloc(sizeof *f + body.len), **at = &m->nodes->frames;
    CHECK(f != NULL);
    *f = (struct nodes_frame){ .from = m->id, .to = to, .type = type, .len = body.len };
    f->on_stream = on_stream;
    f->due_ms = m->nodes->now_ms + m->nodes->delay_ms[m->id][to];
    if (body.len) memcpy(f->data, body.data, body.len);
    while (*at) at = &(*at)->next;
    *at = f;
}

static bool host_send(void *ctx, uint64_t to, uint8_t type, struct bytes body)
{
    struct nodes_member *m = ctx;
    CHECK(!node_frame_is_of_stream(type));
    if (to == 0 || to > NODES_MAX || !m->linked[to]) return false;
    frame_add(m, to, false, type, body);
    return true;
}

static void host_stream(void *ctx, uint64_t to, bool wanted)
{
    struct nodes_member *m = ctx;
    CHECK(to >= 1 && to <= NODES_MAX);
    if (!wanted) drop_stream_frames(m->nodes, m->id, to);
    m->stream[to] = wanted ? NODES_STREAM_WANTED : NODES_STREAM_NONE;
    m->stream_full[to] = false;
}

static bool host_send_stream(void *ctx, uint64_t to, uint8_t type, struct bytes body)
{
    struct nodes_member *m = ctx;
    CHECK(node_frame_is_of_stream(type));
    if (m->stream[to] != NODES_STREAM_UP || m->stream_full[to]) return false;
    frame_add(m, to, true, type, body);
    return true;
}

static void host_answer(void *ctx, const struct node_answer *a)
{
    struct nodes_member *m = ctx;
    CHECK(a->token > 0 && a->token < NODES_TOKENS_MAX);
    struct nodes_answer *to = &m->nodes->answers[a->token];
    CHECK_EQ(to->member, m->id);
    CHECK_EQ(to->count, 0);
    to->count = 1;
    to->status = a->status;
    to->index = a->index;
    to->revision = a->revision;
    to->version = a->version;
    to->lease = a->lease;
    to->ttl_s = a->ttl_s;
    to->the_lease = a->the_lease;
    to->value_len = a->value.len;
    size_t len = a->value.len < NODES_VALUE_BYTES_MAX ? a->value.len : NODES_VALUE_BYTES_MAX;
    if (len) memcpy(to->value, a->value.data, len);
    snprintf(to->text, sizeof to->text, "%s", a->text ? a->text : "");
    to->compacted_revision = a->compacted_revision;
    to->items_status = a->items_status;
    to->items_len = a->items.len;
    len = a->items.len < NODES_ITEMS_BYTES_MAX ? a->items.len : NODES_ITEMS_BYTES_MAX;
    if (len) memcpy(to->items, a->items.data, len);
}

static void host_backup(void *ctx, uint64_t token, int status, struct bytes chunk, bool last)
{
    struct nodes_member *m = ctx;
    if (m->nodes->on_backup) m->nodes->on_backup(m, token, status, chunk, last);
}

static bool host_watch(void *ctx, const struct node_watch_news *news)
{
    struct nodes_member *m = ctx;
    return !m->nodes->on_watch || m->nodes->on_watch(m, news);
}

static void host_range(void *ctx, const struct node_range_piece *p)
{
    struct nodes_member *m = ctx;
    if (m->nodes->on_range) m->nodes->on_range(m, p);
}

static void host_submit_job(void *ctx, struct kv_job *job)
{
    struct nodes_member *m = ctx;
    CHECK(m->job_count < NODES_JOBS_MAX);
    m->jobs[(m->job_first + m->job_count++) % NODES_JOBS_MAX] = job;
}

static void host_peers_changed(void *ctx)
{
    struct nodes_member *m = ctx;
    m->peers_changed_count++;
}

static void host_stop(void *ctx, int status, const char *reason)
{
    struct nodes_member *m = ctx;
    CHECK(!m->stopped);
    m->stopped = true;
    m->stop_status = status;
    snprintf(m->stop_reason, sizeof m->stop_reason, "%s", reason);
    if (status < 0 && !m->may_stop) {
        fprintf(stderr, "member %llu stops: %s\n", (unsigned long long)m->id, reason);
        CHECK(m->may_stop);
    }
}

/* Equal indexes, equal states: apply is a pure function (DESIGN 2.9). */
static void host_probe(void *ctx, const struct node *n, const char *event, uint64_t a, uint64_t b)
{
    struct nodes_member *m = ctx;
    (void)event;
    (void)b;
    CHECK(a < NODES_INDEXES_MAX);
    struct nodes_digest *d = &m->nodes->digests[a];
    if (m->may_differ) return;
    if (!d->known) *d = (struct nodes_digest){ .known = true, .digest = n->info.digest };
    CHECK(d->digest.hi == n->info.digest.hi && d->digest.lo == n->info.digest.lo);
}

static void log_write(void *ctx, enum log_level level, const char *line)
{
    struct nodes_member *m = ctx;
    if (level >= LOG_WARN) snprintf(m->last_warning, sizeof m->last_warning, "%s", line);
    if (getenv("MS_NODES_LOG"))
        fprintf(stderr, "%6llu m%llu %s\n", (unsigned long long)m->nodes->now_ms,
                (unsigned long long)m->id, line);
}

/* --- life --- */

void nodes_url(char url[MS_URL_BYTES_MAX + 1], uint64_t id)
{
    snprintf(url, MS_URL_BYTES_MAX + 1, "http://127.0.0.1:%u", 9000u + (unsigned)id);
}

static void make_dirs(struct nodes_member *m)
{
    static const char *const dirs[] = { LOG_DIR, SNAP_DIR };
    for (int i = 0; i < 2; i++) {
        struct disk_op mkdir = { .kind = DISK_OP_MKDIR };
        snprintf(mkdir.path, sizeof mkdir.path, "%s", dirs[i]);
        CHECK_EQ(m->disk->ops->call(m->disk, &mkdir), 0);
    }
    struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "." };
    CHECK_EQ(m->disk->ops->call(m->disk, &sync), 0);
}

static void member_init(struct nodes *c, uint64_t id)
{
    struct nodes_member *m = &c->members[id];
    struct sim_disk_opts opts = { .submitted = op_submitted, .ctx = m };
    m->nodes = c;
    m->id = id;
    m->join = id > c->count;
    m->log = (struct log_sink){ .ctx = m, .level = LOG_INFO, .write = log_write };
    test_alloc_init(&m->alloc);
    test_alloc_init(&m->sim_alloc);
    m->sim = sim_disk_create(&opts, &m->sim_alloc.face);
    m->disk = sim_disk_face(m->sim);
    make_dirs(m);
}

void nodes_init(struct nodes *c, uint32_t count, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    c->count = count;
    c->now_ms = 1000;
    ms_rand_init(&c->rand, seed, 5);
    c->opts = (struct node_opts){ .storage = NODE_STORAGE_MEMORY,
                                  .log_dir = LOG_DIR,
                                  .snap_dir = SNAP_DIR,
                                  .request_ms_max = 1000,
                                  .snapshot_log_bytes = 64u << 20,
                                  .requests_max = 5000,
                                  .watches_max = 1000,
                                  .request_bytes_max = 16u << 10,
                                  .revisions_kept = 1000,
                                  .wal_segment_bytes = 128u << 10,
                                  .wal_prewrite_bytes = 16u << 10,
                                  .raft = { .election_ms_min = 100,
                                            .heartbeat_ms = 20,
                                            .inflight_count_max = 64,
                                            .inflight_bytes_max = 4u << 20,
                                            .append_bytes_max = 64u << 10,
                                            .uncommitted_bytes_max = 8u << 20,
                                            .cache_bytes_max = 1u << 20,
                                            .unapplied_bytes_max = 8u << 20 } };
    for (uint64_t id = 1; id <= count; id++) {
        struct config_member cm = { .id = id, .roles = CONFIG_VOTER };
        nodes_url(cm.url, id);
        CHECK_EQ(config_add(&c->cluster, &cm), 0);
    }
    for (uint64_t id = 1; id <= NODES_MAX; id++) member_init(c, id);
}

bool nodes_is_up(const struct nodes *c, uint64_t id)
{
    return c->members[id].node != NULL;
}

static void link_down(struct nodes *c, uint64_t from, uint64_t to)
{
    struct nodes_member *m = &c->members[from];
    if (!m->linked[to]) return;
    m->linked[to] = false;
    if (!m->node || m->stopped) return;
    node_on_link(m->node, c->now_ms, to, false);
    m->dirty = true;
}

bool nodes_cut_stream(struct nodes *c, uint64_t from, uint64_t to)
{
    struct nodes_member *m = &c->members[from];
    if (m->stream[to] == NODES_STREAM_NONE) return false;
    m->stream[to] = NODES_STREAM_NONE;
    m->stream_full[to] = false;
    drop_stream_frames(c, from, to);
    if (!m->node || m->stopped) return true;
    node_on_stream(m->node, c->now_ms, to, false);
    m->dirty = true;
    return true;
}

void nodes_stream_room(struct nodes *c, uint64_t from, uint64_t to)
{
    struct nodes_member *m = &c->members[from];
    m->stream_full[to] = false;
    if (!m->node || m->stream[to] != NODES_STREAM_UP) return;
    node_on_stream_room(m->node, c->now_ms, to);
    m->dirty = true;
}

/* Frames on a connection that breaks are lost, those that were delayed too. */
static void drop_frames(struct nodes *c, uint64_t from, uint64_t to)
{
    for (struct nodes_frame **at = &c->frames; *at;) {
        struct nodes_frame *f = *at;
        if ((from && f->from != from) || (to && f->to != to)) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        free(f);
    }
}

static void unlink_all(struct nodes *c, uint64_t id)
{
    drop_frames(c, id, 0);
    drop_frames(c, 0, id);
    for (uint64_t other = 1; other <= NODES_MAX; other++) {
        c->members[id].linked[other] = false;
        c->members[id].stream[other] = NODES_STREAM_NONE;
        link_down(c, other, id);
        nodes_cut_stream(c, other, id);
    }
}

static void take_down(struct nodes *c, struct nodes_member *m, bool power, struct disk_op *torn)
{
    struct node *n = m->node;
    m->node = NULL;
    m->kv = NULL;
    sim_disk_crash(m->sim, power, &c->rand, torn);
    node_destroy(n);
    m->op_count = m->job_count = 0;
    m->hold_disk = m->hold_jobs = m->hold_changes = false;
    CHECK_EQ(m->alloc.alive, 0);
    CHECK_EQ(sim_disk_open_files(m->sim), 0);
    unlink_all(c, m->id);
}

void nodes_crash(struct nodes *c, uint64_t id, bool power)
{
    struct nodes_member *m = &c->members[id];
    CHECK(m->node != NULL);
    take_down(c, m, power, m->op_count ? m->ops[m->op_first % NODES_OPS_MAX] : NULL);
}

void nodes_wipe(struct nodes *c, uint64_t id)
{
    CHECK(!nodes_is_up(c, id));
    sim_disk_wipe(c->members[id].sim);
    make_dirs(&c->members[id]);
}

int nodes_try_start(struct nodes *c, uint64_t id)
{
    struct nodes_member *m = &c->members[id];
    struct node_opts opts = c->opts;
    struct node_host host = { .ctx = m,
                              .send = host_send,
                              .stream = host_stream,
                              .send_stream = host_send_stream,
                              .answer = host_answer,
                              .backup = host_backup,
                              .watch = host_watch,
                              .range = host_range,
                              .submit_job = host_submit_job,
                              .peers_changed = host_peers_changed,
                              .stop = host_stop,
                              .probe = host_probe };
    struct kv *kv = NULL;
    CHECK(!m->node);
    m->stopped = m->power_lost = false;
    m->starts++;
    opts.id = id;
    struct config list = c->cluster; /* who joins is started with a list that has it */
    struct config_member self = { .id = id, .roles = CONFIG_VOTER };
    nodes_url(self.url, id);
    if (!config_find(&list, id)) CHECK_EQ(config_add(&list, &self), 0);
    opts.cluster = &list;
    opts.join = m->join;
    opts.seed = ms_rand_u64(&c->rand);
    for (size_t i = 0; i < sizeof opts.entropy; i += 8)
        bytes_store_u64(opts.entropy + i, ms_rand_u64(&c->rand));
    CHECK_EQ(kv_create(&kv, kv_mem_create(&m->alloc.face), &m->alloc.face, &m->log), 0);
    struct node *n = NULL;
    int rv = node_create(&n, &opts, kv, m->disk, &m->alloc.face, &m->log, &host, c->now_ms, m->why,
                         sizeof m->why);
    if (rv < 0) {
        CHECK(n == NULL);
        CHECK(m->why[0] != 0);
        kv_destroy(kv);
        m->op_count = m->job_count = 0;
        sim_disk_crash(m->sim, false, NULL, NULL);
        CHECK_EQ(m->alloc.alive, 0);
        return rv;
    }
    m->node = n;
    m->kv = kv;
    m->dirty = true;
    return 0;
}

void nodes_start(struct nodes *c, uint64_t id)
{
    int rv = nodes_try_start(c, id);
    if (rv < 0) fprintf(stderr, "member %llu: %s\n", (unsigned long long)id, c->members[id].why);
    CHECK_EQ(rv, 0);
}

void nodes_start_all(struct nodes *c)
{
    for (uint64_t id = 1; id <= c->count; id++) nodes_start(c, id);
}

static void free_frames(struct nodes_frame **list)
{
    while (*list) {
        struct nodes_frame *f = *list;
        *list = f->next;
        free(f);
    }
}

void nodes_fini(struct nodes *c)
{
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        struct nodes_member *m = &c->members[id];
        if (m->node) nodes_crash(c, id, false);
        sim_disk_destroy(m->sim);
        CHECK_EQ(m->sim_alloc.alive, 0);
    }
    free_frames(&c->frames);
    free_frames(&c->held);
}

/* --- the network --- */

void nodes_cut(struct nodes *c, uint64_t a, uint64_t b)
{
    c->cut[a][b] = c->cut[b][a] = true;
    drop_frames(c, a, b);
    drop_frames(c, b, a);
    link_down(c, a, b);
    link_down(c, b, a);
    nodes_cut_stream(c, a, b);
    nodes_cut_stream(c, b, a);
}

void nodes_isolate(struct nodes *c, uint64_t id)
{
    for (uint64_t other = 1; other <= NODES_MAX; other++) {
        if (other != id) nodes_cut(c, id, other);
    }
}

void nodes_heal(struct nodes *c)
{
    memset(c->cut, 0, sizeof c->cut);
    c->link_ms = 0;
}

void nodes_release_held(struct nodes *c)
{
    struct nodes_frame **at = &c->frames;
    while (*at) at = &(*at)->next;
    *at = c->held;
    c->held = NULL;
}

static bool knows_peer(const struct nodes_member *m, uint64_t id)
{
    struct node_peer peers[MS_MEMBERS_MAX + 1];
    uint32_t count = node_peers(m->node, peers);
    for (uint32_t i = 0; i < count; i++) {
        char url[MS_URL_BYTES_MAX + 1];
        nodes_url(url, peers[i].id);
        CHECK(peers[i].id != m->id && strcmp(url, peers[i].url) == 0);
        if (peers[i].id == id) return true;
    }
    return false;
}

/* from dials to, both say hello, both judge. */
static void dial(struct nodes *c, struct nodes_member *from, struct nodes_member *to)
{
    struct node_identity caller, called;
    char why[NODE_WHY_BYTES] = "";
    node_identity(from->node, &caller);
    node_identity(to->node, &called);
    from->dirty = to->dirty = true;
    int rv = node_judge_peer(to->node, c->now_ms, &caller, why, sizeof why);
    if (rv < 0) CHECK(why[0] != 0);
    if (rv == MS_EREMOVED) node_on_removed(from->node, c->now_ms, to->id);
    if (rv < 0 || node_judge_peer(from->node, c->now_ms, &called, why, sizeof why) < 0) return;
    from->linked[to->id] = true;
    node_on_link(from->node, c->now_ms, to->id, true);
}

/* A stream that is wanted comes up, or there is none to be had. */
static void stream_pass(struct nodes *c, struct nodes_member *from, uint64_t id)
{
    struct nodes_member *to = &c->members[id];
    if (from->stream[id] != NODES_STREAM_WANTED) return;
    if (c->cut[from->id][id] || !to->node || to->stopped) {
        nodes_cut_stream(c, from->id, id);
        return;
    }
    from->stream[id] = NODES_STREAM_UP;
    from->stream_ups++;
    from->dirty = true;
    node_on_stream(from->node, c->now_ms, id, true);
}

static void link_pass(struct nodes *c)
{
    c->link_ms = c->now_ms + LINK_EVERY_MS;
    for (uint64_t a = 1; a <= NODES_MAX; a++) {
        for (uint64_t b = 1; b <= NODES_MAX; b++) {
            struct nodes_member *from = &c->members[a], *to = &c->members[b];
            if (a == b || !from->node || from->stopped) continue;
            stream_pass(c, from, b);
            bool wanted = knows_peer(from, b);
            if (from->linked[b] && !wanted) link_down(c, a, b);
            if (from->linked[b] || !wanted || c->cut[a][b]) continue;
            if (to->node && !to->stopped) dial(c, from, to);
        }
    }
}

/* The oldest frame that is due: on each connection they stay in order. */
static struct nodes_frame *take_due(struct nodes *c)
{
    for (struct nodes_frame **at = &c->frames; *at; at = &(*at)->next) {
        struct nodes_frame *f = *at;
        if (f->due_ms > c->now_ms) continue;
        *at = f->next;
        f->next = NULL;
        return f;
    }
    return NULL;
}

static void deliver(struct nodes *c, struct nodes_frame *f, int copies)
{
    struct nodes_member *to = &c->members[f->to];
    for (int i = 0; i < copies && to->node && !to->stopped; i++) {
        c->frames_seen[f->type]++;
        node_on_frame(to->node, c->now_ms, f->from, f->type, bytes_of(f->data, f->len));
        to->dirty = true;
    }
    free(f);
}

static bool net_turn(struct nodes *c)
{
    struct nodes_frame *f = take_due(c);
    if (!f) return false;
    int copies = c->filter ? c->filter(c, f) : NODES_PASS;
    if (copies == NODES_HOLD) {
        struct nodes_frame **at = &c->held;
        while (*at) at = &(*at)->next;
        *at = f;
        return true;
    }
    deliver(c, f, copies);
    return true;
}

/* --- turns --- */

static bool disk_turn(struct nodes *c, struct nodes_member *m)
{
    if (m->hold_disk || m->op_count == 0) return false;
    struct disk_op *op = m->ops[m->op_first % NODES_OPS_MAX];
    if (m->ops_until && m->ops_done >= m->ops_until) {
        m->ops_until = 0;
        m->power_lost = true;
        take_down(c, m, true, op);
        return true;
    }
    m->op_first++;
    m->op_count--;
    m->ops_done++;
    sim_disk_perform(m->sim, op);
    node_on_disk(m->node, c->now_ms, op);
    m->dirty = true;
    return true;
}

static bool job_turn(struct nodes *c, struct nodes_member *m)
{
    if (m->hold_jobs || m->job_count == 0) return false;
    if (m->hold_changes && m->jobs[m->job_first % NODES_JOBS_MAX]->kind == KV_JOB_CHANGES) return false;
    struct kv_job *job = m->jobs[m->job_first++ % NODES_JOBS_MAX];
    m->job_count--;
    kv_run(m->kv, job);
    node_on_job(m->node, c->now_ms, job);
    m->dirty = true;
    return true;
}

static bool member_turn(struct nodes *c, struct nodes_member *m)
{
    if (!m->node) return false;
    if (m->stopped) { /* the process ends */
        take_down(c, m, false, NULL);
        return true;
    }
    if (m->dirty) {
        m->dirty = false;
        node_flush(m->node, c->now_ms);
        return true;
    }
    return disk_turn(c, m) || job_turn(c, m);
}

void nodes_settle(struct nodes *c)
{
    bool moved = true;
    for (uint32_t turn = 0; moved; turn++) {
        CHECK(turn < SETTLE_TURNS_MAX);
        moved = false;
        for (uint64_t id = 1; id <= NODES_MAX; id++) moved |= member_turn(c, &c->members[id]);
        moved |= net_turn(c);
    }
}

void nodes_complete_op(struct nodes *c, uint64_t id)
{
    struct nodes_member *m = &c->members[id];
    CHECK(m->hold_disk && m->op_count > 0);
    m->hold_disk = false;
    disk_turn(c, m);
    m->hold_disk = true;
    nodes_settle(c);
}

static uint64_t next_time(const struct nodes *c)
{
    uint64_t at = c->link_ms;
    for (const struct nodes_frame *f = c->frames; f; f = f->next) at = ms_time_min(at, f->due_ms);
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        if (c->members[id].node) at = ms_time_min(at, node_deadline_ms(c->members[id].node));
    }
    return at;
}

static void tick_all(struct nodes *c)
{
    if (c->link_ms <= c->now_ms) link_pass(c);
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        struct nodes_member *m = &c->members[id];
        if (!m->node || m->stopped || node_deadline_ms(m->node) > c->now_ms) continue;
        node_on_tick(m->node, c->now_ms);
        m->dirty = true;
    }
}

void nodes_run(struct nodes *c, uint64_t ms)
{
    uint64_t end = c->now_ms + ms;
    uint32_t same = 0; /* ticks without time passing: a node that wants to be woken without end */
    nodes_settle(c);
    for (;;) {
        uint64_t at = next_time(c);
        if (at > end) break;
        same = at <= c->now_ms ? same + 1 : 0;
        CHECK(same < 100);
        if (at > c->now_ms) c->now_ms = at;
        tick_all(c);
        nodes_settle(c);
    }
    c->now_ms = end;
}

/* --- views --- */

uint64_t nodes_leader(const struct nodes *c)
{
    uint64_t best = 0, term = 0;
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        const struct node *n = c->members[id].node;
        if (!n || raft_role(node_raft(n)) != RAFT_LEADER || raft_term(node_raft(n)) <= term) continue;
        best = id;
        term = raft_term(node_raft(n));
    }
    return best;
}

uint64_t nodes_follower(const struct nodes *c)
{
    uint64_t leader = nodes_leader(c);
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        if (nodes_is_up(c, id) && id != leader) return id;
    }
    return 0;
}

void nodes_status_of(const struct nodes *c, uint64_t id, struct node_status *out)
{
    CHECK(nodes_is_up(c, id));
    node_status(c->members[id].node, out);
}

bool nodes_all_applied(const struct nodes *c)
{
    return nodes_all_applied_but(c, 0);
}

bool nodes_all_applied_but(const struct nodes *c, uint64_t but)
{
    uint64_t leader = nodes_leader(c);
    struct node_status lead, s;
    if (!leader) return false;
    nodes_status_of(c, leader, &lead);
    if (lead.applied_index != lead.last_index) return false;
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        if (!nodes_is_up(c, id) || id == but) continue;
        nodes_status_of(c, id, &s);
        if (s.leader != leader || s.term != lead.term || s.applied_index != lead.applied_index)
            return false;
    }
    return true;
}

void nodes_agree(struct nodes *c)
{
    NODES_UNTIL(c, 20000, nodes_all_applied(c));
}

void nodes_agree_but(struct nodes *c, uint64_t id)
{
    NODES_UNTIL(c, 20000, nodes_all_applied_but(c, id));
}

uint64_t nodes_elect(struct nodes *c)
{
    nodes_agree(c);
    return nodes_leader(c);
}

static bool all_attached(const struct nodes *c)
{
    for (uint64_t id = 1; id <= c->count; id++) {
        if (nodes_is_up(c, id) && c->members[id].node->info.binding_count != c->count) return false;
    }
    return true;
}

void nodes_found(struct nodes *c, uint32_t count, uint64_t seed)
{
    nodes_init(c, count, seed);
    nodes_start_all(c);
    NODES_UNTIL(c, 10000, all_attached(c) && nodes_all_applied(c));
}

uint64_t nodes_start_and_elect(struct nodes *c)
{
    nodes_start_all(c);
    return nodes_elect(c);
}

void nodes_restart_stopped(struct nodes *c, uint64_t id)
{
    CHECK(c->members[id].stopped);
    c->members[id].may_differ = c->members[id].may_stop = false;
    nodes_start(c, id);
}

/* --- requests --- */

static uint64_t token_begin(struct nodes *c, uint64_t id)
{
    uint64_t token = ++c->next_token;
    CHECK(token < NODES_TOKENS_MAX && nodes_is_up(c, id));
    c->answers[token].member = id;
    return token;
}

static int token_end(struct nodes *c, uint64_t id, uint64_t token, int rv)
{
    CHECK_EQ(c->answers[token].count, 0); /* never from inside the call */
    if (rv < 0) c->answers[token].member = 0;
    c->members[id].dirty = true;
    return rv;
}

int nodes_try_txn(struct nodes *c, uint64_t id, struct bytes command, uint64_t *token)
{
    *token = token_begin(c, id);
    int rv = node_propose_txn(c->members[id].node, c->now_ms, *token, command);
    return token_end(c, id, *token, rv);
}

int nodes_try_put(struct nodes *c, uint64_t id, const char *key, const char *value, uint64_t *token)
{
    struct test_alloc a;
    struct buf cmd;
    test_alloc_init(&a);
    buf_init(&cmd, &a.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode_put(&cmd, bytes_of_str(key), bytes_of_str(value)), 0);
    int rv = nodes_try_txn(c, id, buf_bytes(&cmd), token);
    buf_fini(&cmd);
    return rv;
}

uint64_t nodes_put(struct nodes *c, uint64_t id, const char *key, const char *value)
{
    uint64_t token;
    CHECK_EQ(nodes_try_put(c, id, key, value, &token), 0);
    return token;
}

uint64_t nodes_get(struct nodes *c, uint64_t id, const char *key)
{
    uint64_t token = token_begin(c, id);
    int rv = node_read(c->members[id].node, c->now_ms, token, bytes_of_str(key));
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_get_stale(struct nodes *c, uint64_t id, const char *key)
{
    uint64_t token = token_begin(c, id);
    int rv = node_read_stale(c->members[id].node, c->now_ms, token, bytes_of_str(key));
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_txn(struct nodes *c, uint64_t id, struct bytes command)
{
    uint64_t token = token_begin(c, id);
    CHECK_EQ(token_end(c, id, token, node_txn(c->members[id].node, c->now_ms, token, command)), 0);
    return token;
}

uint64_t nodes_compact(struct nodes *c, uint64_t id, uint64_t revision)
{
    uint64_t token = token_begin(c, id);
    CHECK_EQ(token_end(c, id, token, node_compact(c->members[id].node, c->now_ms, token, revision)), 0);
    return token;
}

uint64_t nodes_change(struct nodes *c, uint64_t id, enum entry_change change, uint64_t member_id)
{
    uint64_t token = token_begin(c, id);
    char url[MS_URL_BYTES_MAX + 1];
    nodes_url(url, member_id);
    const char *given = change == ENTRY_CHANGE_ADD ? url : NULL;
    int rv = node_change(c->members[id].node, c->now_ms, token, change, member_id, given);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_lease_grant(struct nodes *c, uint64_t id, uint64_t lease, uint64_t ttl_s,
                           const char *put)
{
    struct kv_op op = { .kind = KV_OP_PUT, .lease = KV_LEASE_OF_GRANT, .value = bytes_of_str("v") };
    uint64_t token = token_begin(c, id);
    struct buf command;
    buf_init(&command, &c->members[id].alloc.face, MS_TXN_BYTES_MAX);
    if (put) {
        op.key = bytes_of_str(put);
        CHECK_EQ(kv_cmd_encode(&command, NULL, 0, &op, 1, NULL, 0), 0);
    }
    int rv = node_lease_grant(c->members[id].node, c->now_ms, token, lease, ttl_s, buf_bytes(&command));
    buf_fini(&command);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_lease_revoke(struct nodes *c, uint64_t id, uint64_t lease)
{
    uint64_t token = token_begin(c, id);
    int rv = node_lease_revoke(c->members[id].node, c->now_ms, token, lease);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_lease_keep_alive(struct nodes *c, uint64_t id, uint64_t lease)
{
    uint64_t token = token_begin(c, id);
    int rv = node_lease_keep_alive(c->members[id].node, c->now_ms, token, lease);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_lease_get(struct nodes *c, uint64_t id, uint64_t lease)
{
    uint64_t token = token_begin(c, id);
    int rv = node_lease_get(c->members[id].node, c->now_ms, token, lease, 1000);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_put_leased(struct nodes *c, uint64_t id, const char *key, uint64_t lease)
{
    struct kv_op op = {
        .kind = KV_OP_PUT, .key = bytes_of_str(key), .lease = lease, .value = bytes_of_str("v")
    };
    uint64_t token = token_begin(c, id);
    struct buf command;
    buf_init(&command, &c->members[id].alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, &op, 1, NULL, 0), 0);
    int rv = node_propose_txn(c->members[id].node, c->now_ms, token, buf_bytes(&command));
    buf_fini(&command);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_change_set(struct nodes *c, uint64_t id, uint32_t members)
{
    uint64_t token = token_begin(c, id);
    struct config wanted = { 0 };
    for (uint64_t member = 1; member <= NODES_MAX; member++) {
        const struct config_member *known = config_find(&c->members[id].node->info.config, member);
        struct config_member m = { .id = member, .roles = CONFIG_VOTER };
        if (known) m.added_index = known->added_index; /* as without a URL */
        nodes_url(m.url, member);
        if (members >> member & 1) CHECK_EQ(config_add(&wanted, &m), 0);
    }
    int rv = node_change_set(c->members[id].node, c->now_ms, token, &wanted, false);
    CHECK_EQ(token_end(c, id, token, rv), 0);
    return token;
}

uint64_t nodes_set_lease(struct nodes *c, uint64_t id, bool on)
{
    uint64_t token = token_begin(c, id);
    CHECK_EQ(token_end(c, id, token, node_set_lease(c->members[id].node, c->now_ms, token, on)), 0);
    return token;
}

uint64_t nodes_transfer(struct nodes *c, uint64_t id, uint64_t target)
{
    uint64_t token = token_begin(c, id);
    CHECK_EQ(token_end(c, id, token, node_transfer(c->members[id].node, c->now_ms, token, target)), 0);
    return token;
}

const struct nodes_answer *nodes_answer_of(const struct nodes *c, uint64_t token)
{
    return &c->answers[token];
}

int nodes_wait(struct nodes *c, uint64_t token)
{
    NODES_UNTIL(c, 5000, c->answers[token].count == 1);
    return c->answers[token].status;
}

void nodes_write(struct nodes *c, uint64_t id, const char *key, const char *value)
{
    uint64_t token = nodes_put(c, id, key, value);
    int status = nodes_wait(c, token);
    if (status < 0) fprintf(stderr, "write of %s: %s\n", key, c->answers[token].text);
    CHECK_EQ(status, 0);
}

void nodes_expect(struct nodes *c, uint64_t id, const char *key, const char *value)
{
    uint64_t token = nodes_get(c, id, key);
    int status = nodes_wait(c, token);
    const struct nodes_answer *a = nodes_answer_of(c, token);
    CHECK_EQ(status, value ? 0 : MS_ENOTFOUND);
    if (!value) return;
    CHECK_EQ(a->value_len, strlen(value));
    if (strncmp(a->value, value, NODES_VALUE_BYTES_MAX) != 0)
        fprintf(stderr, "%s is \"%s\" and should be \"%s\"\n", key, a->value, value);
    CHECK(strncmp(a->value, value, NODES_VALUE_BYTES_MAX) == 0);
}

void nodes_fill(struct nodes *c, uint64_t id, uint32_t count, size_t len)
{
    static char value[64u << 10];
    char key[32];
    CHECK(len < sizeof value);
    memset(value, 'f', len);
    value[len] = 0;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(key, sizeof key, "fill-%u", i % 20);
        nodes_write(c, id, key, value);
    }
}

/* --- files --- */

struct finder {
    const char *prefix;
    uint32_t nth, seen;
    char name[DISK_NAME_BYTES_MAX];
    uint64_t size_bytes;
};

static int find_name(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct finder *f = arg;
    if (is_dir || strncmp(name, f->prefix, strlen(f->prefix)) != 0) return 0;
    if (f->seen++ == f->nth) {
        snprintf(f->name, sizeof f->name, "%s", name);
        f->size_bytes = size_bytes;
    }
    return 0;
}

bool nodes_find_file(struct nodes *c, uint64_t id, const char *dir, const char *prefix, uint32_t nth,
                     char path[DISK_PATH_BYTES_MAX], uint64_t *size_bytes)
{
    struct finder f = { .prefix = prefix, .nth = nth };
    struct disk *d = c->members[id].disk;
    CHECK_EQ(d->ops->list(d, dir, find_name, &f), 0);
    if (f.seen <= nth) return false;
    snprintf(path, DISK_PATH_BYTES_MAX, "%s/%s", dir, f.name);
    if (size_bytes) *size_bytes = f.size_bytes;
    return true;
}

void nodes_rot(struct nodes *c, uint64_t id, const char *path, uint64_t offset)
{
    CHECK(!nodes_is_up(c, id));
    CHECK_EQ(sim_disk_rot(c->members[id].sim, path, offset, &c->rand), 0);
}
