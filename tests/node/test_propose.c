/* Proposals: P1, P2 and P5 of node.h, DESIGN 3, Forwarding. */
#include "tests/node/nodes.h"

static struct nodes c;

static uint64_t version_of(uint64_t id, const char *key)
{
    uint64_t token = nodes_get(&c, id, key);
    int status = nodes_wait(&c, token);
    if (status == MS_ENOTFOUND) return 0;
    CHECK_EQ(status, 0);
    return nodes_answer_of(&c, token)->version;
}

TEST(node_propose, is_answered_once_on_any_member_after_it_was_applied_there)
{
    uint64_t tokens[3][50];
    char key[32];
    nodes_found(&c, 3, 1);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "k%d", i);
        for (uint64_t id = 1; id <= 3; id++) tokens[id - 1][i] = nodes_put(&c, id, key, "v");
    }
    for (int i = 0; i < 50; i++) {
        for (uint64_t id = 1; id <= 3; id++) {
            CHECK_EQ(nodes_wait(&c, tokens[id - 1][i]), 0);
            const struct nodes_answer *a = nodes_answer_of(&c, tokens[id - 1][i]);
            CHECK(a->index > 0 && a->revision > 1);
            CHECK(a->index <= c.members[id].node->info.applied_index); /* P1 */
        }
    }
    nodes_run(&c, 3000); /* beyond every deadline: nothing is answered again */
    nodes_agree(&c);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "k%d", i);
        CHECK_EQ(version_of(1, key), 3);
    }
    nodes_fini(&c);
}

TEST(node_propose, that_was_never_sent_ends_without_a_leader)
{
    nodes_found(&c, 3, 2);
    uint64_t lone = nodes_follower(&c);
    nodes_isolate(&c, lone);
    nodes_run(&c, 500); /* it has lost its leader */
    CHECK_EQ(raft_leader(node_raft(c.members[lone].node)), 0);
    uint64_t token = nodes_put(&c, lone, "never", "v"), asked = c.now_ms;
    CHECK_EQ(nodes_wait(&c, token), MS_ENOLEADER);
    CHECK(c.now_ms - asked >= 1000 && c.now_ms - asked <= 1050);
    CHECK(nodes_answer_of(&c, token)->text[0] != 0);
    nodes_heal(&c);
    nodes_agree(&c);
    nodes_run(&c, 2000);
    nodes_expect(&c, lone, "never", NULL); /* P2: and it never will be */

    /* In time, it is sent to the leader that comes. */
    nodes_isolate(&c, lone);
    nodes_run(&c, 500);
    token = nodes_put(&c, lone, "late", "v");
    nodes_run(&c, 300);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);
    nodes_heal(&c);
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK_EQ(version_of(lone, "late"), 1);
    nodes_fini(&c);
}

/* A leader alone appends, and cannot commit. */
TEST(node_propose, that_was_appended_and_lost_its_leader_is_unknown)
{
    nodes_found(&c, 3, 3);
    uint64_t old = nodes_leader(&c);
    nodes_isolate(&c, old);
    uint64_t at_leader = nodes_put(&c, old, "lost", "v");
    nodes_run(&c, 1);
    CHECK(raft_last_index(node_raft(c.members[old].node)) > c.members[old].node->info.applied_index);
    CHECK_EQ(nodes_wait(&c, at_leader), MS_EUNKNOWN);
    nodes_heal(&c);
    nodes_agree(&c);

    /* Forwarded, and the leader dies with it. */
    old = nodes_leader(&c);
    uint64_t at = nodes_follower(&c);
    for (uint64_t id = 1; id <= 3; id++) {
        if (id != old && id != at) nodes_crash(&c, id, false);
    }
    uint64_t forwarded = nodes_put(&c, at, "lost2", "v");
    c.members[at].hold_disk = true; /* the leader alone stores it */
    nodes_run(&c, 1);
    nodes_crash(&c, old, true);
    c.members[at].hold_disk = false;
    CHECK_EQ(nodes_wait(&c, forwarded), MS_EUNKNOWN);
    nodes_fini(&c);
}

static uint64_t filter_to, filter_from;
static uint8_t filter_type;
static int filter_action;
static uint32_t filter_hits;
static int filter_one(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    if (f->type != filter_type || (filter_to && f->to != filter_to)) return NODES_PASS;
    if (filter_from && f->from != filter_from) return NODES_PASS;
    filter_hits++;
    return filter_action;
}

static void filter(uint8_t type, uint64_t from, uint64_t to, int action)
{
    filter_type = type;
    filter_from = from;
    filter_to = to;
    filter_action = action;
    filter_hits = 0;
    c.filter = filter_one;
}

/* The old leader has appended and replicated it, nobody has heard that it is committed; the new leader
 * gets it again: one version (P5, and the window of the state machine). */
TEST(node_propose, is_sent_to_each_new_leader_and_applied_once)
{
    for (uint64_t seed = 10; seed < 16; seed++) {
        nodes_found(&c, 3, seed);
        uint64_t old = nodes_leader(&c), at = nodes_follower(&c);
        uint64_t tokens[20];
        char key[16];
        /* Acks never reach the leader: it cannot commit. */
        filter(NODE_FRAME_RAFT, 0, old, NODES_DROP);
        for (int i = 0; i < 20; i++) {
            snprintf(key, sizeof key, "k%d", i);
            tokens[i] = nodes_put(&c, at, key, "v");
            if (i % 5 == 0) nodes_run(&c, 1);
        }
        nodes_run(&c, 10);
        c.filter = NULL;
        nodes_isolate(&c, old);
        for (int i = 0; i < 20; i++) CHECK_EQ(nodes_wait(&c, tokens[i]), 0);
        CHECK(nodes_leader(&c) != old || raft_term(node_raft(c.members[old].node)) > 1);
        nodes_heal(&c);
        nodes_agree(&c);
        for (int i = 0; i < 20; i++) {
            snprintf(key, sizeof key, "k%d", i);
            CHECK_EQ(version_of(old, key), 1);
        }
        nodes_fini(&c);
    }
}

/* Frames are doubled and come late: of a proposal, and of its refusal. */
TEST(node_propose, repeated_and_late_forwards_do_nothing_more)
{
    nodes_found(&c, 3, 20);
    uint64_t at = nodes_follower(&c);
    filter(NODE_FRAME_FORWARD, 0, 0, NODES_TWICE);
    nodes_write(&c, at, "twice", "v");
    CHECK(filter_hits >= 1);
    CHECK_EQ(version_of(at, "twice"), 1);

    filter(NODE_FRAME_FORWARD, at, 0, NODES_HOLD); /* lost for now: sent again by time */
    uint64_t token = nodes_put(&c, at, "late", "v");
    nodes_run(&c, 10);
    CHECK(c.held != NULL && nodes_answer_of(&c, token)->count == 0);
    c.filter = NULL;
    CHECK_EQ(nodes_wait(&c, token), 0);
    nodes_release_held(&c);
    nodes_run(&c, 100);
    CHECK_EQ(version_of(at, "late"), 1);

    /* The same, and it comes back only after its origin has settled it and gone far beyond: it is below
     * the low-water mark. */
    filter(NODE_FRAME_FORWARD, at, 0, NODES_HOLD);
    token = nodes_put(&c, at, "later", "v");
    nodes_run(&c, 10);
    c.filter = NULL;
    CHECK_EQ(nodes_wait(&c, token), 0);
    nodes_fill(&c, at, 30, 10);
    nodes_release_held(&c);
    nodes_run(&c, 100);
    CHECK_EQ(version_of(at, "later"), 1);
    nodes_fini(&c);
}

/* Nobody else speaks for a member: a forward whose origin is not its sender goes nowhere. */
TEST(node_propose, of_an_earlier_life_or_of_another_member_is_refused)
{
    nodes_found(&c, 3, 21);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c), third = 6 - leader - at;
    filter(NODE_FRAME_FORWARD, at, 0, NODES_HOLD);
    nodes_put(&c, at, "old", "v");
    nodes_run(&c, 5);
    CHECK(c.held != NULL);
    struct nodes_frame *f = c.held;
    node_on_frame(c.members[leader].node, c.now_ms, third, f->type, bytes_of(f->data, f->len));
    c.members[leader].dirty = true;
    c.filter = NULL;
    nodes_crash(&c, at, true);
    nodes_start(&c, at);
    nodes_agree(&c);
    nodes_write(&c, at, "new", "v"); /* from now on its earlier life is over for everybody */
    nodes_release_held(&c);
    nodes_run(&c, 100);
    nodes_agree(&c);
    nodes_expect(&c, at, "old", NULL);
    nodes_expect(&c, at, "new", "v");
    nodes_fini(&c);
}

TEST(node_propose, has_limits)
{
    uint64_t token = 0;
    static char big[20u << 10];
    nodes_init(&c, 1, 22);
    c.opts.requests_max = 5000;
    nodes_start_and_elect(&c);
    memset(big, 'b', sizeof big - 1);
    CHECK_EQ(nodes_try_put(&c, 1, "k", big, &token), MS_ETOOBIG);
    c.members[1].hold_disk = true; /* nothing is committed */
    nodes_run(&c, 1);
    uint32_t accepted = 0, first = 0;
    while (accepted <= ORIGIN_WINDOW && nodes_try_put(&c, 1, "k", "v", &token) == 0) {
        if (accepted++ == 0) first = (uint32_t)token;
    }
    CHECK_EQ(accepted, ORIGIN_WINDOW); /* DESIGN 3: nothing beyond the window */
    CHECK_EQ(nodes_try_put(&c, 1, "k", "v", &token), MS_EBUSY);
    nodes_settle(&c);
    c.members[1].hold_disk = false;
    for (uint32_t i = 0; i < accepted; i++) CHECK_EQ(nodes_wait(&c, first + i), 0);
    CHECK_EQ(version_of(1, "k"), accepted);
    nodes_write(&c, 1, "k", "last"); /* and the window has moved on */
    nodes_crash(&c, 1, false);

    c.opts.requests_max = 3;
    nodes_start(&c, 1);
    nodes_elect(&c);
    c.members[1].hold_disk = true;
    nodes_run(&c, 1);
    for (int i = 0; i < 3; i++) nodes_put(&c, 1, "k", "v");
    CHECK_EQ(nodes_try_put(&c, 1, "k", "v", &token), MS_EBUSY);
    node_shutdown(c.members[1].node, c.now_ms);
    CHECK_EQ(nodes_try_put(&c, 1, "k", "v", &token), MS_ESTOPPED);
    CHECK(!node_is_quiet(c.members[1].node));
    c.members[1].hold_disk = false;
    NODES_UNTIL(&c, 1000, node_is_quiet(c.members[1].node));
    for (uint64_t t = token - 4; t < token - 1; t++) CHECK_EQ(nodes_answer_of(&c, t)->count, 1);
    nodes_fini(&c);
}

/* What is sent to the log at once has to fit it, be its segments as small as the options allow. */
TEST(node_propose, a_burst_larger_than_a_segment_goes_in_several_batches)
{
    static char value[16000];
    uint64_t first = 0;
    nodes_init(&c, 1, 23);
    c.opts.wal_segment_bytes = 96u << 10;
    nodes_start_and_elect(&c);
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 40; i++) {
        uint64_t token = nodes_put(&c, 1, "k", value);
        if (i == 0) first = token;
    }
    for (uint64_t i = 0; i < 40; i++) CHECK_EQ(nodes_wait(&c, first + i), 0);
    for (int i = 0; i < 4000; i++) { /* small ones, of which the log's own bytes are the larger part */
        uint64_t token = nodes_put(&c, 1, "k", "");
        if (i == 0) first = token;
    }
    for (uint64_t i = 0; i < 4000; i++) CHECK_EQ(nodes_wait(&c, first + i), 0);
    nodes_fini(&c);
}

static void reply(uint64_t to, uint64_t incarnation, uint64_t seq, uint64_t attempt, int16_t status)
{
    struct node_forward_reply m = { incarnation, seq, attempt, status };
    struct test_alloc a;
    struct buf wire;
    test_alloc_init(&a);
    buf_init(&wire, &a.face, 100);
    node_forward_reply_encode(&wire, &m);
    node_on_frame(c.members[to].node, c.now_ms, nodes_leader(&c), NODE_FRAME_FORWARD_REPLY,
                  buf_bytes(&wire));
    buf_fini(&wire);
    c.members[to].dirty = true;
}

/* A reply says that this one sending was not appended; of any other it says nothing (P2). */
TEST(node_propose, a_refusal_counts_for_the_sending_it_names)
{
    nodes_found(&c, 3, 24);
    uint64_t at = nodes_follower(&c);
    filter(NODE_FRAME_FORWARD, at, 0, NODES_HOLD);
    uint64_t token = nodes_put(&c, at, "k", "v");
    nodes_run(&c, 5);
    struct node *n = c.members[at].node;
    uint64_t incarnation = n->store.state.incarnation, seq = n->proposals.next_seq - 1;
    struct node_forward sent;
    struct entry e;
    CHECK(c.held != NULL);
    CHECK_EQ(node_forward_decode(bytes_of(c.held->data, c.held->len), &sent), 0);
    CHECK_EQ(entry_decode(sent.payload, &e), 0);
    CHECK_EQ(e.origin.seq, seq);
    CHECK_EQ(e.origin.incarnation, incarnation);

    reply(at, incarnation + 1, seq, sent.attempt, MS_ECONFLICT);
    reply(at, incarnation, seq + 1, sent.attempt, MS_ECONFLICT);
    reply(at, incarnation, seq - 1, sent.attempt, MS_ECONFLICT);
    reply(at, incarnation, seq, sent.attempt + 1, MS_ECONFLICT);
    nodes_settle(&c);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);

    nodes_run(&c, 300); /* sent again, held again: the first may still be on its way */
    CHECK(filter_hits >= 2);
    reply(at, incarnation, seq, sent.attempt, MS_ECONFLICT); /* stale: the newest is another */
    nodes_settle(&c);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);
    reply(at, incarnation, seq, filter_hits, MS_ECONFLICT); /* and again, doubled */
    reply(at, incarnation, seq, filter_hits, MS_ECONFLICT);
    nodes_settle(&c);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0); /* one sending is still out */
    c.filter = NULL;
    nodes_release_held(&c);
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK_EQ(version_of(at, "k"), 1);

    /* The only sending was refused for good: certainly not applied. */
    filter(NODE_FRAME_FORWARD, at, 0, NODES_DROP);
    token = nodes_put(&c, at, "no", "v");
    nodes_run(&c, 5);
    reply(at, incarnation, n->proposals.next_seq - 1, 1, MS_ECONFLICT);
    nodes_settle(&c);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 1);
    CHECK_EQ(nodes_answer_of(&c, token)->status, MS_ECONFLICT);
    reply(at, incarnation, n->proposals.next_seq - 1, 1, MS_ECONFLICT); /* settled: too late */

    /* Refused by one who leads no more: sent again, and in no log when time is up. */
    token = nodes_put(&c, at, "busy", "v");
    while (nodes_answer_of(&c, token)->count == 0) {
        struct node_proposal *s =
            &n->proposals.slots[(n->proposals.next_seq - 1) & (n->proposals.capacity - 1)];
        if (s->sends) reply(at, incarnation, n->proposals.next_seq - 1, s->attempt, MS_EBUSY);
        nodes_run(&c, 1);
    }
    /* What has left this process may be told to be unknown; never to be there. */
    int status = nodes_answer_of(&c, token)->status;
    CHECK(status == MS_EBUSY || status == MS_EUNKNOWN);
    c.filter = NULL;
    nodes_run(&c, 500);
    nodes_expect(&c, at, "busy", NULL);
    nodes_expect(&c, at, "no", NULL);
    nodes_fini(&c);
}

/* A leader that takes long to commit is not kept from it by what it is sent (K19: backlogs of copies). */
TEST(node_propose, is_sent_again_ever_more_rarely)
{
    nodes_init(&c, 3, 26);
    c.opts.request_ms_max = 200 * c.opts.raft.heartbeat_ms;
    nodes_start_and_elect(&c);
    uint64_t at = nodes_follower(&c);
    filter(NODE_FRAME_FORWARD, at, 0, NODES_DROP);
    uint64_t token = nodes_put(&c, at, "k", "v");
    nodes_run(&c, 150 * c.opts.raft.heartbeat_ms + 10); /* at 0, 10, 30, 70 and 150 heartbeats */
    CHECK_EQ(filter_hits, 5);
    c.filter = NULL;
    nodes_cut(&c, at, nodes_leader(&c)); /* a new link: soon again */
    nodes_run(&c, 2 * c.opts.raft.heartbeat_ms);
    nodes_heal(&c);
    CHECK_EQ(nodes_wait(&c, token), 0);
    nodes_fini(&c);
}

static int twice_and_deaf(struct nodes *n, const struct nodes_frame *f)
{
    (void)n;
    if (f->type == NODE_FRAME_FORWARD) return NODES_TWICE;
    return f->type == NODE_FRAME_RAFT && f->to == filter_to ? NODES_DROP : NODES_PASS;
}

/* The first copy of a wish is taken, the second one refused for that: it was not refused (P2). */
TEST(node_propose, a_change_that_came_twice_is_not_called_refused)
{
    nodes_found(&c, 3, 27);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c);
    filter_to = at; /* does not hear that it is done */
    c.filter = twice_and_deaf;
    uint64_t token = nodes_change(&c, at, ENTRY_CHANGE_ADD, 4);
    while (nodes_answer_of(&c, token)->count == 0) nodes_run(&c, 10);
    CHECK_EQ(nodes_answer_of(&c, token)->status, MS_EUNKNOWN);
    CHECK(config_find(raft_config(node_raft(c.members[leader].node)), 4) != NULL);
    c.filter = NULL;
    nodes_agree(&c);

    /* Two that meet: the one that was overtaken is asked for anew, and done. */
    uint64_t mine = nodes_change(&c, at, ENTRY_CHANGE_ADD, 5);
    uint64_t theirs = nodes_change(&c, nodes_leader(&c), ENTRY_CHANGE_ADD, 6);
    CHECK_EQ(nodes_wait(&c, mine), 0);
    CHECK_EQ(nodes_wait(&c, theirs), 0);
    nodes_fini(&c);
}

/* It is asked for again upon the next configuration, where one it wants as it was known is known no more. */
TEST(node_propose, a_set_takes_nobody_in_who_was_removed_while_it_waited)
{
    nodes_found(&c, 4, 30);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c), gone = 1;
    while (gone == leader || gone == at) gone++;
    filter(NODE_FRAME_FORWARD, at, 0, NODES_DROP);
    uint64_t token = nodes_change_set(&c, at, 1u << leader | 1u << at | 1u << gone);
    nodes_run(&c, 10);
    CHECK_EQ(filter_hits, 1);
    c.filter = NULL;
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, gone)), 0);
    CHECK_EQ(nodes_wait(&c, token), MS_ENOTFOUND);
    nodes_run(&c, 500);
    CHECK(config_find(&c.members[leader].node->info.config, gone) == NULL);
    CHECK_EQ(c.members[leader].node->info.config.member_count, 3);
    nodes_fini(&c);
}

static uint8_t copy_data[512];
static size_t copy_len;
static int keeps_a_copy(struct nodes *n, const struct nodes_frame *f)
{
    (void)n;
    if (f->type != NODE_FRAME_FORWARD) return NODES_PASS;
    CHECK(f->len <= sizeof copy_data);
    memcpy(copy_data, f->data, copy_len = f->len);
    return NODES_PASS;
}

/* Two of five are down: who removes a third is told that no quorum would be left. They come back, and so does
 * a copy of the wish: nobody is removed. */
TEST(node_propose, a_change_that_was_refused_is_refused_when_it_comes_again)
{
    nodes_found(&c, 5, 28);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c), down[2], victim = 0, count = 0;
    for (uint64_t id = 1; id <= 5; id++) {
        if (id == leader || id == at) continue;
        if (count < 2)
            nodes_crash(&c, down[count++] = id, true);
        else
            victim = id;
    }
    nodes_run(&c, 2000);
    CHECK_EQ(nodes_leader(&c), leader);
    c.filter = keeps_a_copy;
    uint64_t token = nodes_change(&c, at, ENTRY_CHANGE_REMOVE, victim);
    CHECK_EQ(nodes_wait(&c, token), MS_ENOQUORUM);
    c.filter = NULL;
    for (uint32_t i = 0; i < 2; i++) nodes_start(&c, down[i]);
    nodes_agree(&c);
    CHECK_EQ(nodes_leader(&c), leader);
    node_on_frame(c.members[leader].node, c.now_ms, at, NODE_FRAME_FORWARD,
                  bytes_of(copy_data, copy_len));
    c.members[leader].dirty = true;
    nodes_run(&c, 500);
    CHECK(config_find(&c.members[at].node->info.config, victim) != NULL);
    nodes_fini(&c);
}

/* SPEC 3: a change that meets another in progress waits for it. */
TEST(node_propose, a_change_waits_for_another_in_progress)
{
    nodes_found(&c, 3, 25);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c);
    uint64_t first = nodes_change(&c, at, ENTRY_CHANGE_ADD, 4);
    uint64_t second = nodes_change(&c, leader, ENTRY_CHANGE_ADD, 5);
    uint64_t same = nodes_change(&c, at, ENTRY_CHANGE_ADD, 4);
    uint64_t write = nodes_put(&c, at, "k", "not held up by them");
    CHECK_EQ(nodes_wait(&c, first), 0);
    CHECK_EQ(nodes_wait(&c, second), 0);
    CHECK_EQ(nodes_wait(&c, same), MS_EEXIST); /* done already */
    CHECK_EQ(nodes_wait(&c, write), 0);
    nodes_agree(&c);
    CHECK_EQ(c.members[at].node->info.config.member_count, 5);

    CHECK_EQ(nodes_wait(&c, nodes_change(&c, at, ENTRY_CHANGE_REMOVE, 77)), MS_ENOTFOUND);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, 77)), MS_ENOTFOUND);
    uint64_t remove = nodes_change(&c, at, ENTRY_CHANGE_REMOVE, 5);
    CHECK_EQ(nodes_wait(&c, remove), 0);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, 4)), 0);

    /* The one before does not end: time runs out, certainly without effect. */
    c.opts.request_ms_max = 1000;
    for (uint64_t id = 1; id <= 3; id++) {
        if (id != leader) c.members[id].hold_disk = true; /* no quorum stores anything */
    }
    first = nodes_change(&c, leader, ENTRY_CHANGE_ADD, 4);
    nodes_run(&c, 1);
    second = nodes_change(&c, leader, ENTRY_CHANGE_ADD, 5);
    nodes_run(&c, 60); /* short of losing the leader */
    CHECK_EQ(nodes_answer_of(&c, second)->count, 0);
    CHECK_EQ(nodes_wait(&c, second), MS_EBUSY);
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = false;
    nodes_agree(&c);
    CHECK(config_find(&c.members[at].node->info.config, 5) == NULL);
    nodes_fini(&c);
}

/* The window, what is settled, what repeats: a storm of crashes and cuts, and every key in the end has
 * exactly the number of versions that its answers allow. */
TEST(node_propose, storms_end_with_every_write_applied_as_answered)
{
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct ms_rand r;
        uint64_t tokens[120], count = 0;
        char keys[120][16];
        ms_rand_init(&r, seed, 1);
        nodes_found(&c, 3, seed);
        for (int round = 0; round < 120; round++) {
            uint64_t id = 1 + ms_rand_below(&r, 3);
            if (nodes_is_up(&c, id)) {
                snprintf(keys[count], sizeof keys[count], "s%d", round);
                tokens[count] = nodes_put(&c, id, keys[count], "v");
                count++;
            }
            switch (ms_rand_below(&r, 12)) {
            case 0:
                if (nodes_is_up(&c, id)) nodes_crash(&c, id, ms_rand_below(&r, 2));
                break;
            case 1: nodes_isolate(&c, id); break;
            case 2: nodes_heal(&c); break;
            case 3:
            case 4:
                for (uint64_t m = 1; m <= 3; m++) {
                    if (!nodes_is_up(&c, m)) nodes_start(&c, m);
                }
                break;
            default: break;
            }
            nodes_run(&c, ms_rand_below(&r, 60));
        }
        nodes_heal(&c);
        for (uint64_t m = 1; m <= 3; m++) {
            if (!nodes_is_up(&c, m)) nodes_start(&c, m);
        }
        nodes_run(&c, 2000);
        nodes_agree(&c);
        for (uint64_t i = 0; i < count; i++) {
            const struct nodes_answer *a = nodes_answer_of(&c, tokens[i]);
            uint64_t version = version_of(1, keys[i]);
            CHECK(version <= 1); /* never twice */
            if (a->count && a->status == 0) CHECK_EQ(version, 1);
            if (a->count && a->status != 0 && a->status != MS_EUNKNOWN) CHECK_EQ(version, 0);
        }
        nodes_fini(&c);
    }
}

/* P4, DESIGN 2.3: what others have committed is not applied before it is durable here. */
TEST(node_propose, nothing_is_applied_before_it_is_durable_in_the_own_log)
{
    nodes_found(&c, 3, 26);
    uint64_t leader = nodes_leader(&c), slow = nodes_follower(&c);
    struct node *n = c.members[slow].node;
    uint64_t applied = n->info.applied_index;
    c.members[slow].hold_disk = true;
    for (int i = 0; i < 5; i++) nodes_write(&c, leader, "k", "v");
    nodes_run(&c, 50);
    CHECK(raft_last_index(node_raft(n)) >= applied + 5); /* in memory it has them */
    CHECK_EQ(raft_durable_index(node_raft(n)), applied);
    CHECK_EQ(n->info.applied_index, applied);
    c.members[slow].hold_disk = false;
    nodes_agree(&c);
    CHECK(n->info.applied_index >= applied + 5);

    /* The leader's own disk is the slow one: the others make the quorum. */
    n = c.members[leader].node;
    applied = n->info.applied_index;
    c.members[leader].hold_disk = true;
    uint64_t token = nodes_put(&c, leader, "k", "v2");
    nodes_run(&c, 50);
    CHECK(raft_commit_index(node_raft(n)) > applied);
    CHECK_EQ(n->info.applied_index, applied);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);
    c.members[leader].hold_disk = false;
    CHECK_EQ(nodes_wait(&c, token), 0);
    nodes_fini(&c);
}

/* Compaction of a long history is no long step that others wait behind, and keeps up with a burst. */
TEST(node_propose, much_history_goes_in_small_steps)
{
    enum { KEPT = 1000, STEP = 256 };
    nodes_init(&c, 1, 9);
    nodes_start_and_elect(&c);
    const struct kv_info *info = &c.members[1].node->info;
    CHECK_EQ(c.opts.revisions_kept, KEPT);
    for (uint64_t i = 0, before = info->compacted_revision; i < 2500; i++) {
        nodes_write(&c, 1, "k", "v");
        CHECK(info->compacted_revision - before <= STEP);
        before = info->compacted_revision;
    }
    CHECK(info->compacted_revision > 1000);
    CHECK(info->revision - info->compacted_revision <= KEPT + 2 * STEP);
    nodes_fill(&c, 1, 5000, 10);
    NODES_UNTIL(&c, 2000, info->revision - info->compacted_revision <= KEPT + 2 * STEP);
    CHECK(info->revision - info->compacted_revision >= KEPT);
    nodes_fini(&c);
}
