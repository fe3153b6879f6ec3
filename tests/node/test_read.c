/* Linearizable reads on every member: P3 of node.h (Raft dissertation, 6.4; BUGS B01, B25). */
#include "tests/node/nodes.h"

static struct nodes c;

TEST(node_read, sees_every_write_acknowledged_before_it_on_every_member)
{
    char value[16];
    nodes_found(&c, 3, 1);
    for (int i = 0; i < 60; i++) {
        uint64_t writer = 1 + (uint64_t)i % 3;
        snprintf(value, sizeof value, "%d", i);
        nodes_write(&c, writer, "k", value);
        for (uint64_t id = 1; id <= 3; id++) nodes_expect(&c, id, "k", value);
    }
    nodes_expect(&c, 1, "absent", NULL);
    /* One that answers at once would have answered with the old value: the follower applies nothing. */
    uint64_t at = nodes_follower(&c);
    c.members[at].hold_jobs = true;
    nodes_write(&c, nodes_leader(&c), "k", "new");
    uint64_t token = nodes_get(&c, at, "k");
    nodes_run(&c, 50);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);
    c.members[at].hold_jobs = false;
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK(strcmp(nodes_answer_of(&c, token)->value, "new") == 0);
    CHECK(nodes_answer_of(&c, token)->index > 0);
    nodes_fini(&c);
}

/* The old leader is cut off, and a new one has acknowledged a write: the old one may never answer with
 * what it holds, whatever it believes itself to be. */
TEST(node_read, never_answers_with_a_stale_value_where_the_leader_is_cut_off)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        nodes_found(&c, 3, seed);
        nodes_write(&c, 1, "k", "old");
        uint64_t old = nodes_leader(&c), other = nodes_follower(&c);
        nodes_isolate(&c, old);
        uint64_t first = nodes_get(&c, old, "k"); /* at once, it does not know yet */
        NODES_UNTIL(&c, 5000, nodes_leader(&c) != old);
        nodes_write(&c, other, "k", "new");
        uint64_t second = nodes_get(&c, old, "k");
        /* Those that end without a leader end at their deadline, never before. */
        uint64_t asked = c.now_ms;
        CHECK_EQ(nodes_wait(&c, second), MS_ENOLEADER);
        CHECK(c.now_ms - asked >= c.opts.request_ms_max && c.now_ms - asked <= 1100);
        CHECK_EQ(nodes_wait(&c, first), MS_ENOLEADER);
        CHECK(nodes_answer_of(&c, second)->text[0] != 0);
        uint64_t third = nodes_get(&c, old, "k");
        nodes_run(&c, 200);
        nodes_heal(&c); /* in time */
        CHECK_EQ(nodes_wait(&c, third), 0);
        CHECK(strcmp(nodes_answer_of(&c, third)->value, "new") == 0);
        nodes_fini(&c);
    }
}

/* What this member has, without anybody else; and what it has not, it does not wait for. */
TEST(node_read, a_stale_one_tells_what_this_member_has_and_asks_nobody)
{
    nodes_found(&c, 3, 1);
    nodes_write(&c, 1, "k", "old");
    uint64_t at = nodes_follower(&c), leader = nodes_leader(&c);
    nodes_expect(&c, at, "k", "old");
    nodes_isolate(&c, at);
    nodes_write(&c, leader, "k", "new");
    uint64_t asked = c.now_ms, token = nodes_get_stale(&c, at, "k");
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK(strcmp(nodes_answer_of(&c, token)->value, "old") == 0);
    CHECK(c.now_ms - asked < 50);
    token = nodes_get_stale(&c, at, "absent");
    CHECK_EQ(nodes_wait(&c, token), MS_ENOTFOUND);
    nodes_heal(&c);
    nodes_expect(&c, at, "k", "new");
    token = nodes_get_stale(&c, at, "k");
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK(strcmp(nodes_answer_of(&c, token)->value, "new") == 0);
    nodes_fini(&c);
}

static uint32_t dropped;
static struct raft_msg_entry entries[RAFT_MSG_ENTRIES_MAX];

static int drop_read_replies(struct nodes *cluster, const struct nodes_frame *f)
{
    struct raft_msg m;
    (void)cluster;
    if (f->type != NODE_FRAME_RAFT) return NODES_PASS;
    CHECK_EQ(raft_msg_decode(bytes_of(f->data, f->len), entries, &m), 0);
    if (m.type != RAFT_MSG_READ_REPLY) return NODES_PASS;
    dropped++;
    return NODES_DROP;
}

static int hold_read_replies(struct nodes *cluster, const struct nodes_frame *f)
{
    return drop_read_replies(cluster, f) == NODES_DROP ? NODES_HOLD : NODES_PASS;
}

static int double_read_replies(struct nodes *cluster, const struct nodes_frame *f)
{
    return drop_read_replies(cluster, f) == NODES_DROP ? NODES_TWICE : NODES_PASS;
}

static uint64_t silent;
static int only_read_replies(struct nodes *cluster, const struct nodes_frame *f)
{
    if (drop_read_replies(cluster, f) == NODES_DROP) return NODES_PASS;
    return f->to == silent || f->from == silent ? NODES_DROP : NODES_PASS;
}

TEST(node_read, asks_again_when_an_answer_is_lost)
{
    nodes_found(&c, 3, 30);
    nodes_write(&c, 1, "k", "v");
    uint64_t at = nodes_follower(&c), tokens[20];
    c.filter = drop_read_replies;
    for (int i = 0; i < 20; i++) {
        tokens[i] = nodes_get(&c, at, "k");
        nodes_run(&c, 2); /* several groups */
    }
    nodes_run(&c, 300);
    CHECK(dropped >= 2); /* asked again */
    for (int i = 0; i < 20; i++) CHECK_EQ(nodes_answer_of(&c, tokens[i])->count, 0);
    c.filter = NULL;
    for (int i = 0; i < 20; i++) CHECK_EQ(nodes_wait(&c, tokens[i]), 0);

    /* A late answer to a question that was given up, and every answer twice. */
    c.filter = hold_read_replies;
    tokens[0] = nodes_get(&c, at, "k");
    nodes_run(&c, 10);
    CHECK(c.held != NULL);
    c.filter = double_read_replies;
    nodes_write(&c, nodes_leader(&c), "k", "v2");
    CHECK_EQ(nodes_wait(&c, tokens[0]), 0);
    nodes_release_held(&c);
    nodes_expect(&c, at, "k", "v2");
    nodes_fini(&c);
}

/* An answer of an earlier life confirms nothing in this one (B01): the tokens differ. */
TEST(node_read, answers_of_an_earlier_life_confirm_nothing)
{
    nodes_found(&c, 3, 31);
    nodes_write(&c, 1, "k", "old");
    uint64_t at = nodes_follower(&c), leader = nodes_leader(&c);
    c.filter = hold_read_replies;
    nodes_get(&c, at, "k");
    nodes_run(&c, 10);
    CHECK(c.held != NULL);
    c.filter = NULL;
    nodes_crash(&c, at, false);
    nodes_start(&c, at);
    nodes_agree(&c);
    silent = at; /* it hears nothing, and still believes in its leader */
    c.filter = only_read_replies;
    nodes_write(&c, leader, "k", "new");
    CHECK_EQ(raft_leader(node_raft(c.members[at].node)), leader);
    uint64_t token = nodes_get(&c, at, "k");
    nodes_settle(&c);
    nodes_release_held(&c);
    nodes_run(&c, 30);
    CHECK(c.frames == NULL && dropped > 0); /* the old answer was delivered */
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);
    c.filter = NULL;
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK(strcmp(nodes_answer_of(&c, token)->value, "new") == 0);
    nodes_fini(&c);
}

TEST(node_read, has_limits_and_survives_a_change_of_leader)
{
    uint64_t tokens[40], extra;
    nodes_init(&c, 3, 32);
    c.opts.requests_max = 40;
    nodes_start_and_elect(&c);
    nodes_write(&c, 1, "k", "v");
    uint64_t old = nodes_leader(&c), at = nodes_follower(&c);
    nodes_isolate(&c, old);
    for (int i = 0; i < 40; i++) tokens[i] = nodes_get(&c, at, "k");
    extra = ++c.next_token;
    CHECK_EQ(node_read(c.members[at].node, c.now_ms, extra, bytes_of_str("k")), MS_EBUSY);
    for (int i = 0; i < 40; i++) CHECK_EQ(nodes_wait(&c, tokens[i]), 0); /* by the next leader */
    CHECK(nodes_leader(&c) != old);
    nodes_expect(&c, at, "k", "v");
    node_shutdown(c.members[at].node, c.now_ms);
    CHECK_EQ(node_read(c.members[at].node, c.now_ms, extra, bytes_of_str("k")), MS_ESTOPPED);
    nodes_fini(&c);
}

/* One register, one writer at a time, readers everywhere, cuts and crashes: a read that began after a
 * write had been acknowledged never sees anything older. */
TEST(node_read, is_never_older_than_what_was_acknowledged)
{
    for (uint64_t seed = 200; seed < 212; seed++) {
        struct ms_rand r;
        ms_rand_init(&r, seed, 2);
        nodes_found(&c, 3, seed);
        uint64_t write = 0, acked = 0, reads[200], floor[200], count = 0, writes = 0;
        for (int round = 0; round < 200; round++) {
            uint64_t id = 1 + ms_rand_below(&r, 3);
            const struct nodes_answer *w = nodes_answer_of(&c, write);
            if (write && w->count && w->status == 0) acked = w->revision;
            bool lost = write && !w->count && !nodes_is_up(&c, w->member);
            if (!write || w->count || lost) {
                char value[16];
                snprintf(value, sizeof value, "%llu", (unsigned long long)++writes);
                uint64_t writer = 1 + ms_rand_below(&r, 3);
                write = nodes_is_up(&c, writer) ? nodes_put(&c, writer, "k", value) : 0;
            }
            if (nodes_is_up(&c, id)) {
                reads[count] = nodes_get(&c, id, "k");
                floor[count++] = acked;
            }
            switch (ms_rand_below(&r, 25)) {
            case 0:
                if (nodes_is_up(&c, id)) nodes_crash(&c, id, true);
                break;
            case 1: nodes_isolate(&c, id); break;
            case 2: nodes_cut(&c, 1 + id % 3, id); break;
            case 3:
            case 4: nodes_heal(&c); break;
            case 5:
            case 6:
                for (uint64_t m = 1; m <= 3; m++) {
                    if (!nodes_is_up(&c, m)) nodes_start(&c, m);
                }
                break;
            case 7: c.members[id].hold_jobs = !c.members[id].hold_jobs; break;
            case 8: c.delay_ms[id][1 + id % 3] = ms_rand_below(&r, 30); break;
            default: break;
            }
            nodes_run(&c, ms_rand_below(&r, 30));
        }
        uint64_t good = 0;
        for (uint64_t i = 0; i < count; i++) {
            const struct nodes_answer *a = nodes_answer_of(&c, reads[i]);
            if (!a->count || (a->status != 0 && a->status != MS_ENOTFOUND)) continue;
            good++;
            CHECK(a->revision >= floor[i]);
        }
        CHECK(good > 10);
        nodes_fini(&c);
    }
}
