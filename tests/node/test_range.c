/* Ranges of keys, what transactions find, and compaction by hand, through whole nodes (node_range(), node_txn()
 * and node_compact() in node.h). */
#include "tests/node/nodes.h"

static struct nodes c;

static struct taker {
    uint64_t token;
    bool hold, ended; /* hold: it does not ask on */
    uint32_t pieces, records;
    int status;
    uint64_t revision, compacted_revision, count;
    struct kv_answer_reader reader;
} takers[8];
#define FIRST_TOKEN 1000u

static void on_range(struct nodes_member *m, const struct node_range_piece *p)
{
    struct taker *t = &takers[p->token - FIRST_TOKEN];
    struct kv_answer_item item;
    (void)m;
    CHECK(!t->ended);
    t->status = p->status;
    t->ended = p->last;
    t->revision = p->revision;
    t->compacted_revision = p->compacted_revision;
    if (p->status < 0) CHECK(p->last);
    if (p->status < 0) return;
    t->pieces++;
    kv_answer_reader_feed(&t->reader, p->items);
    while (kv_answer_next(&t->reader, &item) == 0) {
        t->records += item.kind == KV_ANSWER_RECORD;
        if (item.kind == KV_ANSWER_END) t->count = item.count;
    }
    CHECK_EQ(bytes_reader_left(&t->reader.in), 0);
    CHECK_EQ(t->reader.done, p->last);
}

/* fill writes of 5000 bytes to the keys that nodes_fill() takes. */
static void begin(uint32_t count, uint64_t seed, uint32_t fill)
{
    memset(takers, 0, sizeof takers);
    nodes_found(&c, count, seed);
    c.on_range = on_range;
    nodes_fill(&c, nodes_leader(&c), fill, 5000);
    nodes_agree(&c);
}

static int ask_for(int i, uint64_t id, bool stale, uint64_t revision)
{
    struct kv_op op = { .kind = KV_OP_RANGE, .revision = revision };
    op.key = op.range_end = bytes_of("", 1);
    takers[i] = (struct taker){ .token = FIRST_TOKEN + (uint64_t)i };
    kv_answer_reader_init(&takers[i].reader);
    c.members[id].dirty = true;
    return node_range(c.members[id].node, c.now_ms, takers[i].token, &op, stale);
}

static void run(uint64_t ms, uint64_t id)
{
    for (uint64_t end = c.now_ms + ms; c.now_ms < end;) {
        nodes_run(&c, 5);
        for (int i = 0; i < 8; i++) {
            struct taker *t = &takers[i];
            if (!t->token || t->ended || t->hold || t->pieces == 0) continue;
            node_range_next(c.members[id].node, c.now_ms, t->token);
        }
    }
}

static void client_goes(int i, uint64_t id)
{
    node_range_end(c.members[id].node, c.now_ms, takers[i].token);
    takers[i].ended = true;
}

static bool is_quiet(uint64_t id)
{
    return c.members[id].node->ranges.count == 0 && c.members[id].node->reads.live_count == 0;
}

static struct node_status status_of(uint64_t id)
{
    struct node_status s;
    nodes_status_of(&c, id, &s);
    return s;
}

TEST(node_range, has_what_was_acknowledged_before_and_is_of_one_moment)
{
    begin(3, 1, 60);
    uint64_t at = nodes_follower(&c), keys = status_of(at).key_count;
    CHECK(keys > 10);
    nodes_write(&c, nodes_leader(&c), "just", "now");
    CHECK_EQ(ask_for(0, at, false, 0), 0);
    nodes_run(&c, 50);
    CHECK(takers[0].pieces == 1 &&
          !takers[0].ended); /* the next one is not read before it is asked for */
    for (int i = 0; i < 5; i++) nodes_write(&c, at, "later", "x");
    run(500, at);
    CHECK(takers[0].ended && takers[0].status == 0);
    CHECK(takers[0].pieces > 1);
    CHECK_EQ(takers[0].records, keys + 1);
    CHECK_EQ(takers[0].count, keys + 1);
    CHECK(is_quiet(at));
    nodes_fini(&c);
}

TEST(node_range, a_stale_one_needs_nobody)
{
    begin(3, 2, 5);
    uint64_t at = nodes_follower(&c), keys = status_of(at).key_count;
    nodes_isolate(&c, at);
    nodes_write(&c, nodes_leader(&c), "unseen", "x");
    CHECK_EQ(ask_for(0, at, true, 0), 0);
    CHECK_EQ(ask_for(1, at, false, 0), 0);
    nodes_run(&c, 20);
    CHECK(takers[0].ended && takers[0].status == 0);
    CHECK_EQ(takers[0].records, keys);
    CHECK(!takers[1].ended);
    run(1100, at);
    CHECK(takers[1].ended);
    CHECK_EQ(takers[1].status, MS_ENOLEADER);
    CHECK(is_quiet(at));
    nodes_fini(&c);
}

TEST(node_range, who_does_not_ask_on_loses_it)
{
    begin(1, 3, 60);
    for (int i = 0; i < 3; i++) CHECK_EQ(ask_for(i, 1, false, 0), 0);
    takers[0].hold = true;
    nodes_run(&c, 50);
    client_goes(2, 1); /* its client has gone */
    run(NODE_TAKER_PATIENCE_MS - 1000, 1);
    CHECK(takers[1].ended && takers[1].status == 0);
    CHECK(!takers[0].ended);
    run(2000, 1);
    CHECK(takers[0].ended);
    CHECK_EQ(takers[0].status, MS_ETIMEOUT);
    node_range_next(c.members[1].node, c.now_ms, takers[0].token); /* of no meaning any more */
    node_range_end(c.members[1].node, c.now_ms, takers[0].token);
    nodes_run(&c, 10);
    CHECK(is_quiet(1));
    nodes_fini(&c);
}

/* Each byte buys patience, and a slice every 20 s too little of it. */
TEST(node_range, who_takes_almost_nothing_loses_it)
{
    begin(1, 10, 60);
    c.members[1].node->opts.range_piece_bytes = 8000;
    CHECK_EQ(ask_for(0, 1, false, 0), 0);
    nodes_run(&c, 20000);
    CHECK(takers[0].pieces == 1 && !takers[0].ended);
    node_range_next(c.members[1].node, c.now_ms, takers[0].token);
    nodes_run(&c, 5000);
    CHECK(takers[0].pieces == 2 && !takers[0].ended);
    nodes_run(&c, 15000);
    CHECK(takers[0].ended);
    CHECK_EQ(takers[0].status, MS_ETIMEOUT);
    nodes_run(&c, 10);
    CHECK(is_quiet(1));
    nodes_fini(&c);
}

TEST(node_range, there_are_so_many_and_no_more)
{
    begin(1, 11, 0);
    c.members[1].node->opts.requests_max = 3;
    c.members[1].hold_jobs = true;
    for (int i = 0; i < 3; i++) CHECK_EQ(ask_for(i, 1, true, 0), 0);
    CHECK_EQ(ask_for(3, 1, true, 0), MS_EBUSY);
    c.members[1].hold_jobs = false;
    nodes_run(&c, 20);
    CHECK(is_quiet(1));
    CHECK_EQ(ask_for(4, 1, true, 0), 0);
    nodes_run(&c, 20);
    CHECK(takers[4].ended && takers[4].status == 0);
    nodes_fini(&c);
}

TEST(node_range, a_client_may_go_at_any_time)
{
    begin(3, 4, 60);
    uint64_t at = nodes_follower(&c);
    CHECK_EQ(ask_for(0, at, false, 0), 0);
    client_goes(0, at); /* waiting for a read index */
    CHECK_EQ(ask_for(1, at, true, 0), 0);
    client_goes(1, at); /* its job is under way */
    nodes_run(&c, 100);
    CHECK(is_quiet(at));
    /* And with the node itself, whatever is under way. */
    CHECK_EQ(ask_for(2, at, false, 0), 0);
    CHECK_EQ(ask_for(3, at, true, 0), 0);
    nodes_run(&c, 100);
    CHECK(takers[3].pieces == 1 && !takers[3].ended);
    CHECK_EQ(ask_for(4, at, false, 0), 0);
    nodes_fini(&c);
}

TEST(node_range, a_node_that_stops_ends_it)
{
    begin(1, 5, 60);
    CHECK_EQ(ask_for(0, 1, false, 0), 0);
    nodes_run(&c, 50);
    CHECK(takers[0].pieces == 1 && !takers[0].ended);
    node_shutdown(c.members[1].node, c.now_ms);
    CHECK_EQ(takers[0].status, MS_ESTOPPED);
    CHECK_EQ(ask_for(1, 1, true, 0), MS_ESTOPPED);
    nodes_run(&c, 50);
    CHECK(node_is_quiet(c.members[1].node));
    nodes_fini(&c);
}

TEST(node_range, says_what_cannot_be_read)
{
    begin(3, 6, 3);
    uint64_t at = nodes_follower(&c), revision = status_of(at).revision;
    CHECK_EQ(nodes_wait(&c, nodes_compact(&c, at, revision - 1)), 0);
    nodes_agree(&c);
    CHECK_EQ(ask_for(0, at, false, revision - 2), 0);
    CHECK_EQ(ask_for(1, at, false, revision - 1), 0);
    CHECK_EQ(ask_for(2, at, false, revision + 1), 0);
    run(50, at);
    CHECK_EQ(takers[0].status, MS_ECOMPACTED);
    CHECK_EQ(takers[0].compacted_revision, revision - 1);
    CHECK_EQ(takers[1].status, 0);
    CHECK_EQ(takers[2].status, MS_EFUTURE);
    CHECK_EQ(takers[2].revision, revision);
    nodes_fini(&c);
}

/* ---- Compaction by hand. */
TEST(node_compact, goes_in_steps_through_any_member)
{
    begin(3, 7, 3);
    uint64_t at = nodes_follower(&c);
    for (int i = 0; i < 2500; i++) nodes_put(&c, nodes_leader(&c), "k", "v");
    NODES_UNTIL(&c, 5000, status_of(at).revision > 2500);
    nodes_agree(&c);
    uint64_t revision = status_of(at).revision, before = c.members[at].node->info.applied_index;
    uint64_t compacted = c.members[at].node->info.compacted_revision;
    CHECK_EQ(nodes_wait(&c, nodes_compact(&c, at, revision + 1)), MS_EFUTURE);
    CHECK_EQ(c.members[at].node->info.compacted_revision, compacted);
    CHECK(revision - compacted > 1200); /* more than a step */
    uint64_t token = nodes_compact(&c, at, revision - 5);
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK_EQ(nodes_answer_of(&c, token)->compacted_revision, revision - 5);
    nodes_agree(&c);
    for (uint64_t id = 1; id <= 3; id++) {
        CHECK_EQ(c.members[id].node->info.compacted_revision, revision - 5);
    }
    CHECK(c.members[at].node->info.applied_index >= before + 2); /* no entry compacts all of it */
    token = nodes_compact(&c, at, revision - 5);
    CHECK_EQ(nodes_wait(&c, token), MS_ECOMPACTED);
    CHECK_EQ(nodes_answer_of(&c, token)->compacted_revision, revision - 5);
    CHECK_EQ(node_compact(c.members[at].node, c.now_ms, 9999, 0), MS_EINVAL);
    /* Two at a time: who comes later finds it done. */
    uint64_t one = nodes_compact(&c, 1, revision), two = nodes_compact(&c, 2, revision);
    CHECK_EQ(nodes_wait(&c, one), 0);
    CHECK_EQ(nodes_wait(&c, two), 0);
    nodes_fini(&c);
}

/* ---- Transactions that ask what they find. */
static struct bytes encode(struct buf *out, const struct kv_op *ops, uint32_t count)
{
    buf_init(out, &c.members[1].alloc.face, 100000);
    CHECK_EQ(kv_cmd_encode(out, NULL, 0, ops, count, NULL, 0), 0);
    return buf_bytes(out);
}

static uint32_t find_record(const struct nodes_answer *a, struct bytes value)
{
    struct kv_answer_reader r;
    struct kv_answer_item item;
    uint32_t found = 0;
    kv_answer_reader_init(&r);
    kv_answer_reader_feed(&r, bytes_of(a->items, a->items_len));
    while (kv_answer_next(&r, &item) == 0) {
        found += item.kind == KV_ANSWER_RECORD && bytes_equal(item.value, value);
    }
    CHECK(r.done);
    return found;
}

TEST(node_txn, tells_its_proposer_what_it_found)
{
    struct kv_op ops[] = {
        { .kind = KV_OP_PUT,
          .flags = KV_PREV_KV,
          .key = bytes_of_str("k"),
          .value = bytes_of_str("2") },
        { .kind = KV_OP_RANGE, .key = bytes_of_str("k") },
    };
    struct buf command;
    begin(3, 8, 0);
    for (uint64_t id = 1; id <= 3; id++) {
        nodes_write(&c, id, "k", "1");
        uint64_t token = nodes_txn(&c, id, encode(&command, ops, 2)),
                 silent = nodes_put(&c, id, "x", "y");
        buf_fini(&command);
        CHECK_EQ(nodes_wait(&c, token), 0);
        const struct nodes_answer *a = nodes_answer_of(&c, token);
        CHECK_EQ(a->items_status, 0);
        CHECK_EQ(find_record(a, bytes_of_str("1")), 1);
        CHECK_EQ(find_record(a, bytes_of_str("2")), 1);
        CHECK_EQ(nodes_wait(&c, silent), 0);
        CHECK_EQ(nodes_answer_of(&c, silent)->items_len, 0);
        CHECK_EQ(c.members[id].node->proposals.asking_count, 0);
    }
    nodes_fini(&c);
}

TEST(node_txn, many_long_answers_come_in_several_jobs)
{
    struct kv_op op = { .kind = KV_OP_RANGE, .key = bytes_of("", 1), .range_end = bytes_of("", 1) };
    struct buf command;
    uint64_t tokens[30];
    begin(3, 9, 100); /* half a megabyte of values, or less */
    uint64_t at = nodes_follower(&c);
    struct bytes encoded = encode(&command, &op, 1);
    c.members[at].hold_jobs = true;
    for (int i = 0; i < 30; i++) tokens[i] = nodes_txn(&c, at, encoded);
    buf_fini(&command);
    nodes_run(&c, 200);
    c.members[at].hold_jobs = false;
    size_t len = 0;
    for (int i = 0; i < 30; i++) {
        CHECK_EQ(nodes_wait(&c, tokens[i]), 0);
        const struct nodes_answer *a = nodes_answer_of(&c, tokens[i]);
        CHECK_EQ(a->items_status, 0);
        if (i > 0) CHECK_EQ(a->items_len, len);
        len = a->items_len;
    }
    CHECK(30 * len > 2 * KV_APPLY_ANSWERS_BYTES);
    nodes_agree(&c);
    nodes_fini(&c);
}
