/* Watches (node_watch.h): what a watcher hears is what a plain reading of the changes gives, however it is cut
 * into jobs, paused, gone and come again. */
#include "tests/node/nodes.h"

static struct nodes c;

#define WATCHERS_MAX 24u
#define HEARD_MAX 60000u
#define MARKS_MAX 4000u
#define KEY_COUNT 10u

struct heard {
    uint64_t revision, prev_mod; /* prev_mod 0: without */
    uint32_t sub;
    bool put, last;
    char key, value[12];
};
static struct heard truth[HEARD_MAX];
static uint32_t truth_count;

/* One client: whatever its connections, it wants to hear everything from its start on. */
struct watch {
    struct node_watcher *w; /* NULL: not connected */
    struct node_watch_opts opts;
    char key[2], end[2];
    uint64_t member, first_revision;
    struct heard heard[HEARD_MAX / WATCHERS_MAX];
    uint32_t count, whole; /* events; up to here the last revision is complete */
    struct {
        uint64_t revision;
        uint32_t count;
    } marks[MARKS_MAX / WATCHERS_MAX];
    uint32_t mark_count;
    bool paused, ended;
    int status;
    uint64_t compacted;
};
static struct watch watches[WATCHERS_MAX];
static uint32_t pause_percent;

static struct heard heard_of(const struct kv_event *e, bool has_prev, bool last)
{
    struct heard h = { .revision = e->revision, .sub = e->sub, .put = e->put, .last = last };
    h.key = (char)e->key.data[0];
    if (has_prev) h.prev_mod = e->prev.mod_revision;
    size_t len = e->now.value.len < sizeof h.value ? e->now.value.len : sizeof h.value;
    if (e->put && len) memcpy(h.value, e->now.value.data, len);
    return h;
}

static bool on_watch(struct nodes_member *m, const struct node_watch_news *news)
{
    struct watch *t = news->arg;
    CHECK_EQ(t->member, m->id);
    CHECK(t->w != NULL && !t->paused); /* nothing behind a false or an end */
    if (news->kind == NODE_WATCH_END) {
        t->ended = true;
        t->status = news->status;
        t->compacted = news->compacted_revision;
        t->w = NULL;
        return true;
    }
    CHECK(t->count < HEARD_MAX / WATCHERS_MAX);
    t->heard[t->count++] = heard_of(news->event, news->has_prev, news->last);
    if (news->last) t->whole = t->count;
    t->paused = ms_rand_below(&c.rand, 100) < pause_percent;
    return !t->paused;
}

static uint64_t draw(uint64_t below)
{
    return ms_rand_below(&c.rand, below);
}

/* Behind the last revision that was heard whole. */
static uint64_t resume_revision(const struct watch *t)
{
    return t->whole ? t->heard[t->whole - 1].revision + 1 : t->first_revision;
}

static void connect(struct watch *t, uint64_t member)
{
    uint64_t compacted;
    t->member = member;
    t->count = t->whole; /* the rest of that revision comes again */
    t->paused = t->ended = false;
    t->opts.start_revision = resume_revision(t);
    CHECK_EQ(node_watch(c.members[member].node, c.now_ms, &t->opts, t, &t->w, &compacted), 0);
}

static void disconnect(struct watch *t)
{
    if (t->w) node_watch_cancel(c.members[t->member].node, t->w);
    t->w = NULL;
}

/* A random range, filters, start. */
static void watch_init(struct watch *t, uint64_t member)
{
    memset(t, 0, sizeof *t);
    t->key[0] = (char)('a' + draw(KEY_COUNT));
    t->end[0] = (char)('a' + draw(KEY_COUNT + 1));
    t->opts.key = bytes_of(t->key, 1);
    if (draw(3)) t->opts.range_end = bytes_of(t->end, 1);
    if (draw(6) == 0) t->opts.range_end = bytes_of("", 1);
    t->opts.prev = draw(2);
    t->opts.no_puts = draw(6) == 0;
    t->opts.no_deletes = draw(6) == 0;
    struct node_status s;
    nodes_status_of(&c, member, &s);
    t->first_revision = 1 + draw(s.revision + 5);
    connect(t, member);
}

static bool wants(const struct watch *t, const struct heard *h)
{
    bool single = t->opts.range_end.len == 0,
         open = t->opts.range_end.len && !t->opts.range_end.data[0];
    if (h->put ? t->opts.no_puts : t->opts.no_deletes) return false;
    if (h->revision < t->first_revision || h->key < t->key[0]) return false;
    return single ? h->key == t->key[0] : open || h->key < t->end[0];
}

/* All that ever changed, read from the state of a member as one. */
static void read_truth(uint64_t member)
{
    struct kv_job job = { .kind = KV_JOB_CHANGES, .changes = { .prev = true } };
    struct test_alloc a;
    struct kv_event e;
    test_alloc_init(&a);
    buf_init(&job.chunk, &a.face, KV_CHANGES_BUF_BYTES_MAX);
    truth_count = 0;
    do {
        job.changes.from = job.changes.next;
        buf_clear(&job.chunk);
        kv_run(c.members[member].kv, &job);
        CHECK_EQ(job.status, 0);
        struct bytes_reader in = bytes_reader_of(buf_bytes(&job.chunk));
        while (kv_event_next(&in, &e) == 0) truth[truth_count++] = heard_of(&e, e.has_prev, false);
    } while (job.changes.next.revision <= job.revision);
    buf_fini(&job.chunk);
}

/* NW1, NW2. */
static void check_heard(const struct watch *t)
{
    uint32_t at = 0, mark = 0;
    for (uint32_t i = 0; i < truth_count; i++) {
        struct heard want = truth[i];
        if (!wants(t, &want)) continue;
        for (; mark < t->mark_count && t->marks[mark].revision < want.revision; mark++) {
            CHECK(t->marks[mark].count >= at); /* NW5 */
        }
        CHECK(at < t->count);
        const struct heard *h = &t->heard[at++];
        CHECK(h->revision == want.revision && h->sub == want.sub && h->put == want.put);
        CHECK(h->key == want.key && memcmp(h->value, want.value, sizeof h->value) == 0);
        CHECK_EQ(h->prev_mod, t->opts.prev ? want.prev_mod : 0);
        bool last = at == t->count || t->heard[at].revision != h->revision;
        CHECK_EQ(h->last, last);
    }
    CHECK_EQ(at, t->count);
}

/* Several puts and deletions, of one revision. */
static void write_some(uint64_t member)
{
    struct kv_op ops[KEY_COUNT + 1];
    char keys[KEY_COUNT + 1], value[16];
    struct test_alloc a;
    struct buf command;
    uint32_t count = 0;
    uint64_t token;
    for (char at = 'a'; at <= 'a' + (int)KEY_COUNT; at++) keys[at - 'a'] = at;
    uint64_t cut = draw(3) ? 0 : draw(KEY_COUNT);
    snprintf(value, sizeof value, "%u", (unsigned)draw(1000000));
    if (cut)
        ops[count++] = (struct kv_op){ .kind = KV_OP_DELETE,
                                       .key = bytes_of(keys, 1),
                                       .range_end = bytes_of(keys + cut, 1) };
    for (uint64_t i = cut; i < KEY_COUNT; i++) {
        if (draw(3)) continue;
        ops[count++] = (struct kv_op){ .kind = KV_OP_PUT,
                                       .key = bytes_of(keys + i, 1),
                                       .value = bytes_of_str(value) };
    }
    test_alloc_init(&a);
    buf_init(&command, &a.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, ops, count, NULL, 0), 0);
    CHECK_EQ(nodes_try_txn(&c, member, buf_bytes(&command), &token), 0);
    buf_fini(&command);
}

static void note_mark(struct watch *t)
{
    bool in_sync;
    uint64_t revision = node_watch_progress(c.members[t->member].node, t->w, &in_sync);
    if (revision == 0 || t->mark_count == MARKS_MAX / WATCHERS_MAX) return;
    CHECK(revision >= t->opts.start_revision);
    if (t->mark_count && t->marks[t->mark_count - 1].revision > revision) return; /* connected anew */
    t->marks[t->mark_count].revision = revision;
    t->marks[t->mark_count++].count = t->count;
}

static void stir(struct watch *t, uint32_t members)
{
    uint64_t what = draw(12);
    if (!t->w) {
        if (what < 3) connect(t, 1 + draw(members));
    } else if (what == 0) {
        disconnect(t);
    } else if (what < 4 && t->paused) {
        t->paused = false;
        node_watch_resume(c.members[t->member].node, c.now_ms, t->w);
        c.members[t->member].dirty = true;
    } else if (what == 4) {
        note_mark(t);
    }
}

static bool all_in_sync(uint32_t members)
{
    bool all = true;
    for (uint32_t i = 0; i < WATCHERS_MAX; i++) {
        struct watch *t = &watches[i];
        bool in_sync;
        if (!t->w) connect(t, 1 + draw(members));
        if (t->paused) {
            t->paused = false;
            node_watch_resume(c.members[t->member].node, c.now_ms, t->w);
        }
        c.members[t->member].dirty = true;
        node_watch_progress(c.members[t->member].node, t->w, &in_sync);
        all = all && in_sync;
    }
    return all;
}

static void finish(uint32_t members)
{
    pause_percent = 0;
    NODES_UNTIL(&c, 5000, all_in_sync(members));
    read_truth(1);
    for (uint32_t i = 0; i < WATCHERS_MAX; i++) {
        check_heard(&watches[i]);
        disconnect(&watches[i]);
    }
    for (uint64_t id = 1; id <= members; id++) {
        CHECK_EQ(c.members[id].node->watches.count, 0);
        CHECK(c.members[id].node->watches.root == NULL);
        node_check(c.members[id].node);
    }
    nodes_fini(&c);
}

static void story(uint64_t seed, uint32_t members, uint32_t scan, size_t bytes)
{
    nodes_init(&c, members, seed);
    c.opts.watch_scan_max = scan;
    c.opts.watch_bytes_max = bytes;
    c.opts.revisions_kept = 0;
    c.on_watch = on_watch;
    nodes_start_and_elect(&c);
    pause_percent = 20;
    for (uint32_t i = 0; i < WATCHERS_MAX; i++) watch_init(&watches[i], 1 + draw(members));
    for (uint32_t round = 0; round < 200; round++) {
        for (uint64_t i = draw(4); i > 0; i--) write_some(1 + draw(members));
        for (uint32_t i = 0; i < WATCHERS_MAX; i++) stir(&watches[i], members);
        for (uint64_t id = 1; id <= members; id++) c.members[id].hold_jobs = draw(3) == 0;
        nodes_run(&c, 1 + draw(4));
        node_check(c.members[1].node);
    }
    for (uint64_t id = 1; id <= members; id++) c.members[id].hold_jobs = false;
    finish(members);
}

TEST(watch, hears_what_changed_whatever_happens_to_it)
{
    for (uint64_t seed = 1; seed <= 6; seed++) story(seed, 1, 0, 0);
}

TEST(watch, hears_the_same_if_revisions_are_larger_than_a_job)
{
    for (uint64_t seed = 11; seed <= 16; seed++) story(seed, 1, 2 + (uint32_t)(seed % 4), 0);
    for (uint64_t seed = 21; seed <= 24; seed++) story(seed, 1, 0, 60);
}

/* A client goes on at any member: revisions are the same everywhere. */
TEST(watch, goes_on_at_another_member)
{
    for (uint64_t seed = 31; seed <= 33; seed++) story(seed, 3, 5, 0);
}

/* --- one thing at a time --- */

static struct watch *t0 = &watches[0];

static void watch_all(struct watch *t, uint64_t member, uint64_t start)
{
    memset(t, 0, sizeof *t);
    t->opts.key = bytes_of("", 1);
    t->opts.range_end = bytes_of("", 1);
    t->first_revision = start;
    connect(t, member);
}

static void begin(uint32_t members, uint64_t kept)
{
    nodes_init(&c, members, 7);
    c.opts.revisions_kept = kept;
    c.on_watch = on_watch;
    pause_percent = 0;
    nodes_start_and_elect(&c);
}

static void end(void)
{
    disconnect(t0);
    nodes_fini(&c);
}

static uint64_t revision_of(uint64_t member)
{
    struct node_status s;
    nodes_status_of(&c, member, &s);
    return s.revision;
}

static uint64_t compacted_of(uint64_t member)
{
    struct node_status s;
    nodes_status_of(&c, member, &s);
    return s.compacted_revision;
}

TEST(watch, of_a_revision_that_is_compacted_is_refused)
{
    uint64_t compacted = 0;
    begin(1, 5);
    for (int i = 0; i < 40; i++) nodes_write(&c, 1, "k", "v");
    NODES_UNTIL(&c, 30000, compacted_of(1) > 10);
    struct node_watch_opts opts = { .key = bytes_of_str("k"), .start_revision = compacted_of(1) - 1 };
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &opts, t0, &t0->w, &compacted), MS_ECOMPACTED);
    CHECK_EQ(compacted, compacted_of(1));
    t0->w = NULL;
    watch_all(t0, 1, compacted); /* at it is possible */
    nodes_run(&c, 20);
    CHECK(t0->count > 0 && t0->heard[0].revision == compacted);
    end();
}

/* Who does not take what it is told costs no memory; compaction goes on, and it is told so. */
TEST(watch, that_is_slow_is_overtaken_by_compaction_and_told)
{
    begin(1, 5);
    pause_percent = 100;
    watch_all(t0, 1, 1);
    nodes_write(&c, 1, "k", "v");
    nodes_run(&c, 20);
    CHECK_EQ(t0->count, 1);
    CHECK(t0->paused);
    for (int i = 0; i < 40; i++) nodes_write(&c, 1, "k", "v");
    NODES_UNTIL(&c, 30000, compacted_of(1) > 10);
    CHECK_EQ(t0->count, 1);
    t0->paused = false;
    node_watch_resume(c.members[1].node, c.now_ms, t0->w);
    node_flush(c.members[1].node, c.now_ms);
    nodes_run(&c, 20);
    CHECK(t0->ended);
    CHECK_EQ(t0->status, MS_ECOMPACTED);
    CHECK_EQ(t0->compacted, compacted_of(1));
    CHECK_EQ(c.members[1].node->watches.count, 0);
    end();
}

/* So many that an answer is told in slices. Some come, go and rest between them. */
#define CROWD 900u
static struct {
    struct node_watcher *w;
    uint64_t last;
    bool paused;
} crowd[CROWD];

static bool on_crowd(struct nodes_member *m, const struct node_watch_news *news)
{
    (void)m;
    size_t i = (size_t)((uint8_t *)news->arg - (uint8_t *)crowd) / sizeof crowd[0];
    CHECK_EQ(news->event->revision, crowd[i].last + 1); /* each revision changes the key */
    CHECK(news->last && !crowd[i].paused);
    crowd[i].last++;
    crowd[i].paused = draw(40) == 0;
    return !crowd[i].paused;
}

static void crowd_stir(void)
{
    struct node_watch_opts opts = { .key = bytes_of_str("k") };
    uint64_t compacted;
    for (uint32_t i = 0; i < CROWD; i++) {
        if (crowd[i].paused) node_watch_resume(c.members[1].node, c.now_ms, crowd[i].w);
        crowd[i].paused = false;
        if (draw(20)) continue;
        node_watch_cancel(c.members[1].node, crowd[i].w);
        opts.start_revision = crowd[i].last + 1;
        CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &opts, &crowd[i], &crowd[i].w, &compacted), 0);
    }
}

TEST(watch, of_a_crowd_is_told_in_slices)
{
    struct node_watch_opts opts = { .key = bytes_of_str("k"), .start_revision = 2 };
    uint64_t compacted, token;
    begin(1, 0);
    c.on_watch = on_crowd;
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i].last = 1;
        CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &opts, &crowd[i], &crowd[i].w, &compacted), 0);
    }
    for (uint32_t round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) CHECK_EQ(nodes_try_put(&c, 1, "k", "v", &token), 0);
        nodes_run(&c, 5);
        for (int turn = 0; turn < 20; turn++) {
            crowd_stir();
            node_flush(c.members[1].node, c.now_ms);
            nodes_run(&c, 1);
        }
    }
    CHECK(c.members[1].node->watches.slices > 10);
    for (int turn = 0; turn < 100; turn++) {
        crowd_stir();
        node_flush(c.members[1].node, c.now_ms);
        nodes_run(&c, 1);
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        if (!crowd[i].paused) CHECK_EQ(crowd[i].last, revision_of(1));
        node_watch_cancel(c.members[1].node, crowd[i].w);
    }
    t0->w = NULL;
    end();
}

/* Events of the future: not one before the revision that was asked for, and no mark either. */
TEST(watch, from_a_future_revision_waits_for_it)
{
    bool in_sync;
    begin(1, 0);
    nodes_write(&c, 1, "k", "1"); /* 2 */
    watch_all(t0, 1, 5);
    nodes_write(&c, 1, "k", "2"); /* 3 */
    nodes_run(&c, 20);
    CHECK_EQ(t0->count, 0);
    CHECK_EQ(node_watch_progress(c.members[1].node, t0->w, &in_sync), 0);
    nodes_write(&c, 1, "k", "3");
    CHECK_EQ(node_watch_progress(c.members[1].node, t0->w, &in_sync), 0);
    nodes_write(&c, 1, "k", "4"); /* 5 */
    nodes_run(&c, 20);
    CHECK_EQ(t0->count, 1);
    CHECK_EQ(t0->heard[0].revision, 5);
    CHECK_EQ(node_watch_progress(c.members[1].node, t0->w, &in_sync), 5);
    CHECK(in_sync);
    end();
}

/* Start revision 0: what comes next; a mark says where that is. */
TEST(watch, from_now_on)
{
    bool in_sync;
    begin(1, 0);
    nodes_write(&c, 1, "k", "1");
    watch_all(t0, 1, 0);
    CHECK_EQ(node_watch_progress(c.members[1].node, t0->w, &in_sync), 2);
    nodes_write(&c, 1, "k", "2");
    nodes_run(&c, 20);
    CHECK(t0->count == 1 && t0->heard[0].revision == 3);
    end();
}

/* What is being read for others is read of their keys only: who comes meanwhile, and could be one of them by its
 * revision, must not take it for its own. */
TEST(watch, that_comes_in_the_middle_of_a_read_misses_nothing)
{
    struct watch *t1 = &watches[1];
    uint64_t compacted;
    begin(1, 0);
    nodes_write(&c, 1, "a", "1");
    memset(t0, 0, sizeof *t0);
    *t0 = (struct watch){ .opts = { .key = bytes_of_str("a") }, .member = 1 };
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &t0->opts, t0, &t0->w, &compacted), 0);
    c.members[1].hold_changes = true;
    nodes_write(&c, 1, "k", "1");
    CHECK(c.members[1].node->watches.live.busy);
    memset(t1, 0, sizeof *t1);
    *t1 = (struct watch){ .opts = { .key = bytes_of_str("k"), .start_revision = 3, .prev = true },
                          .member = 1 };
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &t1->opts, t1, &t1->w, &compacted), 0);
    c.members[1].hold_changes = false;
    nodes_run(&c, 20);
    nodes_write(&c, 1, "k", "2");
    nodes_run(&c, 20);
    CHECK(t0->count == 0 && t1->count == 2);
    CHECK(t1->heard[0].revision == 3 && t1->heard[1].revision == 4 && t1->heard[1].prev_mod == 3);
    node_watch_cancel(c.members[1].node, t1->w);
    t1->w = NULL;
    end();
}

/* What a member has applied is committed: it tells it without a leader. */
TEST(watch, needs_no_leader)
{
    begin(3, 0);
    nodes_write(&c, 1, "k", "1");
    nodes_agree(&c);
    nodes_isolate(&c, 1);
    nodes_run(&c, 500);
    watch_all(t0, 1, 2);
    nodes_run(&c, 20);
    CHECK_EQ(t0->count, 1);
    end();
}

/* The log grows, the state does not. */
static void fill_log(uint64_t member, uint32_t count)
{
    static uint8_t value[4000];
    struct kv_compare never = { .target = KV_CMP_VERSION,
                                .key = bytes_of_str("k"),
                                .number = 1u << 30 };
    struct kv_op put = { .kind = KV_OP_PUT, .key = never.key, .value = bytes_of(value, sizeof value) };
    struct test_alloc a;
    struct buf command;
    uint64_t token;
    test_alloc_init(&a);
    buf_init(&command, &a.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, &never, 1, &put, 1, NULL, 0), 0);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(nodes_try_txn(&c, member, buf_bytes(&command), &token), 0);
        nodes_run(&c, 5);
    }
    buf_fini(&command);
}

/* A member that was away installs a snapshot: the state jumps, and the history has come along. */
static void jump(uint64_t kept)
{
    begin(3, kept);
    c.opts.snapshot_log_bytes = 64u << 10;
    for (uint64_t id = 1; id <= 3; id++) nodes_crash(&c, id, false);
    nodes_start_and_elect(&c);
    uint64_t away = nodes_follower(&c), other = 6 - away - nodes_leader(&c);
    nodes_write(&c, other, "k", "v");
    nodes_agree(&c);
    watch_all(t0, away, 1);
    nodes_run(&c, 20);
    CHECK_EQ(t0->count, 1);
    nodes_isolate(&c, away);
    for (int i = 0; i < 30; i++) nodes_write(&c, other, "k", "v");
    fill_log(other, 150);
    nodes_run(&c, 3000);
    if (kept) CHECK(compacted_of(other) > 3);
    nodes_heal(&c);
    NODES_UNTIL(&c, 20000, revision_of(away) == revision_of(other));
    CHECK(c.frames_seen[NODE_FRAME_SNAP_CHUNK] > 0);
    nodes_run(&c, 50);
}

TEST(watch, goes_on_behind_a_snapshot_that_is_installed)
{
    jump(0);
    CHECK_EQ(t0->count + 1, revision_of(t0->member));
    read_truth(t0->member);
    check_heard(t0);
    end();
}

TEST(watch, is_told_if_a_snapshot_has_jumped_over_what_it_waits_for)
{
    jump(5);
    CHECK(t0->ended);
    CHECK_EQ(t0->status, MS_ECOMPACTED);
    CHECK(t0->compacted > 3);
    end();
}

TEST(watch, ends_when_the_member_stops)
{
    begin(1, 0);
    watch_all(t0, 1, 1);
    node_shutdown(c.members[1].node, c.now_ms);
    CHECK(t0->ended);
    CHECK_EQ(t0->status, MS_ESTOPPED);
    uint64_t compacted;
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &t0->opts, t0, &t0->w, &compacted), MS_ESTOPPED);
    t0->w = NULL;
    nodes_run(&c, 50);
    CHECK(node_is_quiet(c.members[1].node));
    end();
}

/* A member that waits to be let into its cluster has nothing to tell, perhaps for ever. */
TEST(watch, of_nothing_is_refused)
{
    uint64_t compacted;
    nodes_init(&c, 2, 7);
    nodes_start(&c, 1); /* alone it is no quorum */
    nodes_run(&c, 300);
    struct node_watch_opts opts = { .key = bytes_of_str("k") };
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &opts, t0, &t0->w, &compacted), MS_ENOTREADY);
    t0->w = NULL;
    nodes_fini(&c);
}

TEST(watch, is_refused_above_the_limit)
{
    uint64_t compacted;
    struct node_watcher *w;
    begin(1, 0);
    c.members[1].node->opts.watches_max = 1;
    watch_all(t0, 1, 1);
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &t0->opts, t0, &w, &compacted), MS_EBUSY);
    struct node_watch_opts opts = { .key = bytes_of("", 0) };
    disconnect(t0);
    CHECK_EQ(node_watch(c.members[1].node, c.now_ms, &opts, t0, &w, &compacted), MS_EINVAL);
    end();
}

/* Refused memory delays what is told, and loses nothing. */
TEST(watch, survives_refused_memory)
{
    begin(1, 0);
    for (uint64_t refused = 1; refused < 60; refused++) {
        struct test_alloc *a = &c.members[1].alloc;
        uint64_t compacted;
        memset(t0, 0, sizeof *t0);
        t0->opts.key = bytes_of_str("k");
        t0->opts.start_revision = t0->first_revision = 1;
        t0->member = 1;
        nodes_write(&c, 1, "k", "v");
        a->refuse_at = a->requests + refused;
        int rv = node_watch(c.members[1].node, c.now_ms, &t0->opts, t0, &t0->w, &compacted);
        if (rv == 0) {
            node_flush(c.members[1].node, c.now_ms);
            nodes_run(&c, 10);
        }
        a->refuse_at = 0;
        CHECK(rv == 0 || rv == MS_ENOMEM);
        if (rv == MS_ENOMEM) t0->w = NULL;
        nodes_run(&c, 200);
        if (rv == 0) CHECK_EQ(t0->count, refused);
        disconnect(t0);
    }
    end();
}
