/* Backups of a running node: which state they hold, who gets one, and that nothing stays behind. */
#include "tests/node/nodes.h"

static struct nodes c;

/* What a taker has heard. */
struct taker {
    uint64_t token;
    int status;
    bool ended, last, hold; /* hold: asks for nothing more by itself */
    uint32_t chunks;
    struct buf stream;
};
static struct taker takers[4];

static struct taker *taker_of(uint64_t token)
{
    for (int i = 0; i < 4; i++) {
        if (takers[i].token == token) return &takers[i];
    }
    CHECK(false);
    return NULL;
}

static void on_backup(struct nodes_member *m, uint64_t token, int status, struct bytes chunk, bool last)
{
    struct taker *t = taker_of(token);
    (void)m;
    CHECK(!t->ended);
    t->status = status;
    t->ended = status < 0 || last;
    t->last = last;
    if (status < 0) return;
    t->chunks++;
    buf_append(&t->stream, chunk.data, chunk.len);
}

static void begin(uint32_t count, uint64_t seed)
{
    memset(takers, 0, sizeof takers);
    nodes_found(&c, count, seed);
    c.on_backup = on_backup;
    nodes_fill(&c, nodes_leader(&c), 40, 5000);
    nodes_agree(&c);
}

static int take(int i, uint64_t id)
{
    struct taker *t = &takers[i];
    *t = (struct taker){ .token = 1000 + (uint64_t)i };
    buf_init(&t->stream, &c.members[id].alloc.face, 1u << 24);
    return node_backup(c.members[id].node, c.now_ms, t->token);
}

static void run(uint64_t ms, uint64_t id)
{
    for (uint64_t end = c.now_ms + ms; c.now_ms < end;) {
        nodes_run(&c, 5);
        for (int i = 0; i < 4; i++) {
            struct taker *t = &takers[i];
            if (!t->token || t->ended || t->hold || t->chunks == 0) continue;
            node_backup_next(c.members[id].node, c.now_ms, t->token);
        }
    }
}

static void check_holds(const struct taker *t, const char *key, const char *value)
{
    struct test_alloc a;
    struct kv *kv;
    struct bytes left = buf_bytes(&t->stream);
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN };
    test_alloc_init(&a);
    CHECK(t->ended && t->last && t->status == 0);
    CHECK_EQ(kv_create(&kv, kv_mem_create(&a.face), &a.face, NULL), 0);
    kv_run(kv, &job);
    while (left.len > 0) {
        int64_t len = kv_snap_chunk_bytes(left);
        CHECK(len > 0);
        job.kind = KV_JOB_LOAD_CHUNK;
        job.chunk = (struct buf){ .data = (uint8_t *)(uintptr_t)left.data, .len = (size_t)len };
        kv_run(kv, &job);
        CHECK_EQ(job.status, 0);
        left = bytes_of(left.data + len, left.len - (size_t)len);
    }
    job.kind = KV_JOB_LOAD_END;
    job.last = true;
    kv_run(kv, &job);
    CHECK_EQ(job.status, 0);
    job = (struct kv_job){ .kind = KV_JOB_READ, .key = bytes_of_str(key) };
    buf_init(&job.value, &a.face, 1u << 20);
    kv_run(kv, &job);
    CHECK_EQ(job.status, value ? 0 : MS_ENOTFOUND);
    if (value) CHECK(bytes_equal(buf_bytes(&job.value), bytes_of_str(value)));
    buf_fini(&job.value);
    kv_destroy(kv);
}

static void end(void)
{
    for (int i = 0; i < 4; i++) {
        if (takers[i].token) buf_fini(&takers[i].stream);
    }
    nodes_fini(&c); /* finds what was left over */
}

/* P3: through a follower that hears late, too. */
TEST(backup, has_what_was_acknowledged_before)
{
    begin(3, 1);
    uint64_t id = nodes_follower(&c), leader = nodes_leader(&c);
    c.delay_ms[leader][id] = 30;
    nodes_write(&c, leader, "newest", "value");
    CHECK_EQ(take(0, id), 0);
    CHECK_EQ(take(1, leader), 0);
    nodes_write(&c, leader, "later", "value"); /* may be in it or not */
    run(500, id);
    run(500, leader);
    check_holds(&takers[0], "newest", "value");
    check_holds(&takers[1], "newest", "value");
    CHECK(takers[0].chunks > 1);
    nodes_write(&c, leader, "behind", "value");
    check_holds(&takers[0], "behind", NULL);
    end();
}

TEST(backup, there_are_not_too_many_at_once)
{
    begin(1, 2);
    for (int i = 0; i < (int)NODE_BACKUPS_MAX; i++) {
        CHECK_EQ(take(i, 1), 0);
        takers[i].hold = true;
    }
    CHECK_EQ(take(3, 1), MS_EBUSY);
    takers[3].token = 0;
    run(100, 1);
    CHECK_EQ(takers[0].chunks, 1); /* the next one comes when it is asked for */
    node_backup_end(c.members[1].node, c.now_ms, takers[0].token);
    node_backup_end(c.members[1].node, c.now_ms, takers[0].token);
    run(10, 1);
    CHECK(node_backups_quiet(c.members[1].node) == false);
    CHECK_EQ(take(3, 1), 0);
    run(200, 1);
    check_holds(&takers[3], "nothing", NULL);
    CHECK(!takers[1].ended);
    takers[1].hold = false;
    run(500, 1);
    check_holds(&takers[1], "nothing", NULL);
    CHECK(node_backups_quiet(c.members[1].node));
    end();
}

TEST(backup, who_does_not_ask_on_loses_it)
{
    begin(1, 3);
    CHECK_EQ(take(0, 1), 0);
    takers[0].hold = true;
    run(NODE_TAKER_PATIENCE_MS + 1000, 1);
    CHECK(takers[0].ended && takers[0].status == MS_ETIMEOUT);
    CHECK(node_backups_quiet(c.members[1].node));
    end();
}

/* A little now and then is not enough either: the view has to be closed some day. */
TEST(backup, who_takes_next_to_nothing_loses_it)
{
    begin(1, 6);
    nodes_fill(&c, 1, 200, 5000);
    CHECK_EQ(take(0, 1), 0);
    takers[0].hold = true;
    for (uint32_t i = 0; i < 20 && !takers[0].ended; i++) {
        run(NODE_TAKER_PATIENCE_MS - 2000, 1); /* always in time, were it only for the last one */
        node_backup_next(c.members[1].node, c.now_ms, takers[0].token);
    }
    CHECK(takers[0].ended && takers[0].status == MS_ETIMEOUT && takers[0].chunks > 1);
    end();
}

TEST(backup, without_a_quorum_there_is_none)
{
    begin(3, 4);
    uint64_t id = nodes_follower(&c);
    nodes_isolate(&c, id);
    CHECK_EQ(take(0, id), 0);
    CHECK_EQ(take(1, id), 0);
    node_backup_end(c.members[id].node, c.now_ms,
                    takers[1].token); /* its taker goes before it begins */
    run(2 * c.opts.request_ms_max, id);
    CHECK(takers[0].ended && takers[0].status == MS_ENOLEADER && takers[0].chunks == 0);
    CHECK(!takers[1].ended && takers[1].chunks == 0);
    CHECK(node_backups_quiet(c.members[id].node));
    nodes_heal(&c);
    nodes_agree(&c);
    end();
}

TEST(backup, a_node_that_stops_ends_it)
{
    begin(1, 5);
    CHECK_EQ(take(0, 1), 0);
    CHECK_EQ(take(1, 1), 0);
    takers[0].hold = takers[1].hold = true;
    run(50, 1);
    node_backup_next(c.members[1].node, c.now_ms, takers[1].token); /* a job is under way */
    node_shutdown(c.members[1].node, c.now_ms);
    CHECK(takers[0].ended && takers[0].status == MS_ESTOPPED);
    CHECK(takers[1].ended && takers[1].status == MS_ESTOPPED);
    CHECK_EQ(node_backup(c.members[1].node, c.now_ms, 7), MS_ESTOPPED);
    run(50, 1);
    CHECK(node_is_quiet(c.members[1].node));
    end();
}
