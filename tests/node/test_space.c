/* Running out of space (DESIGN 2.11 and 5): nothing stops, nothing acknowledged is lost, and service
 * resumes by itself. */
#include "kv/kv_private.h"
#include "tests/node/nodes.h"

static struct nodes c;

#define LOW_BYTES (256u << 10) /* two segments */

static void begin(uint32_t count, uint64_t seed)
{
    nodes_init(&c, count, seed);
    c.opts.space_low_bytes = LOW_BYTES;
    nodes_start_and_elect(&c);
    nodes_run(&c, 1000); /* segments are prepared, disks looked at */
}

/* One alone, whose state is small and whose log is not. */
static void begin_alone(uint64_t seed)
{
    nodes_init(&c, 1, seed);
    c.opts.space_low_bytes = LOW_BYTES;
    c.opts.revisions_kept = 5;
    nodes_start_and_elect(&c);
    nodes_run(&c, 1000);
}

static void write_many(uint32_t count)
{
    static char value[2000];
    memset(value, 'v', sizeof value - 1);
    for (uint32_t i = 0; i < count; i++) nodes_write(&c, 1, "k", value);
}

/* So much is free from now on. */
static void leave(uint64_t id, uint64_t free_bytes)
{
    struct sim_disk *d = c.members[id].sim;
    sim_disk_set_capacity(d, sim_disk_used_bytes(d) + free_bytes);
}

static struct node_status status_of(uint64_t id)
{
    struct node_status s;
    nodes_status_of(&c, id, &s);
    return s;
}

static void expect_refused(uint64_t id)
{
    uint64_t token;
    CHECK_EQ(nodes_try_put(&c, id, "k", "refused", &token), MS_ENOSPC);
}

/* The others go on without the disk of one; it follows as soon as it has room. */
TEST(node_space, one_of_three_is_done_without)
{
    begin(3, 1);
    uint64_t full = nodes_follower(&c), leader = nodes_leader(&c);
    leave(full, 4096);
    NODES_UNTIL(&c, 2000, status_of(full).disk_full);
    CHECK(status_of(full).disk_free_bytes == 4096 && strstr(c.members[full].last_warning, "disk full"));
    nodes_write(&c, full, "k", "through it"); /* it goes on in what is prepared */
    nodes_expect(&c, full, "k", "through it");
    nodes_fill(&c, leader, 200, 2000); /* until that is used up */
    uint64_t kept = status_of(full).durable_index, token;
    CHECK(kept < status_of(leader).durable_index &&
          wal_batch_room(node_wal(c.members[full].node)) > 20000);
    for (uint32_t i = 0; i < 50; i++) nodes_write(&c, leader, "k", "v");
    CHECK_EQ(status_of(full).durable_index, kept); /* what it holds back is for worse */
    CHECK_EQ(nodes_try_put(&c, full, "k", "w", &token), MS_ENOTREADY);
    nodes_expect(&c, leader, "k", "v");
    CHECK(!status_of(leader).quorum_full && !status_of(leader).disk_full);
    sim_disk_set_capacity(c.members[full].sim, 0);
    NODES_UNTIL(&c, 2000, !status_of(full).disk_full && nodes_all_applied(&c));
    nodes_expect(&c, full, "k", "v");
    nodes_agree(&c);
    nodes_fini(&c);
}

/* Seven, of whom three have room (1, 4, 5), and links that only some have. Member 1 reaches whom 4 and 5 do not, and
 * they reach whom 1 does not: each finds a quorum, none finds one with room, and each may be elected in place of the
 * other. That gains nothing, and costs an entry each time where disks are full. */
TEST(node_space, leaders_without_room_do_not_take_turns_for_ever)
{
    static const char *const links = "12 14 15 16 26 37 43 45 47 53 57 ";
    for (uint64_t seed = 2; seed <= 3; seed++) {
        begin(7, seed);
        nodes_write(&c, nodes_leader(&c), "k", "v");
        for (uint64_t a = 1; a <= 7; a++) {
            for (uint64_t b = 1; b <= 7; b++) {
                char link[4] = { (char)('0' + a), (char)('0' + b), ' ', 0 };
                char back[4] = { (char)('0' + b), (char)('0' + a), ' ', 0 };
                if (a < b && !strstr(links, link) && !strstr(links, back)) nodes_cut(&c, a, b);
            }
            if (a != 1 && a != 4 && a != 5) leave(a, 0);
        }
        nodes_run(&c, 60000);
        uint64_t term = raft_term(node_raft(c.members[1].node));
        nodes_run(&c, 60000);
        uint64_t more = raft_term(node_raft(c.members[1].node)) - term;
        CHECK(more <= 2 * 60000 / (64 * c.opts.raft.election_ms_min));
        nodes_fini(&c);
    }
}

static uint64_t unheard;

static int nothing_to_one(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->to == unheard ? NODES_DROP : NODES_PASS;
}

static bool is_voter(uint64_t id)
{
    return config_is_voter(raft_config(node_raft(c.members[nodes_leader(&c)].node)), id);
}

/* A learner that was attached, and has no room for what it lacks, does not catch up. Others that have are promoted. */
TEST(node_space, a_learner_without_room_holds_up_no_other)
{
    begin(3, 5);
    uint64_t leader = nodes_leader(&c);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_ADD, 4)), 0);
    unheard = 4;
    c.filter = nothing_to_one;
    nodes_start(&c, 4);
    nodes_run(&c, 1000);
    const struct node *n = c.members[leader].node;
    CHECK(node_binding(n, 4, config_find(&n->info.config, 4)->added_index) != NULL);
    nodes_fill(&c, leader, 2000, 300);
    leave(4, 0);
    nodes_run(&c, 2000);
    c.filter = NULL;
    NODES_UNTIL(&c, 5000, status_of(4).disk_full && !status_of(4).abstains);
    nodes_run(&c, 2000);
    CHECK(!is_voter(4) && status_of(leader).durable_index > status_of(4).durable_index + 1000);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_ADD, 5)), 0);
    nodes_start(&c, 5);
    NODES_UNTIL(&c, 5000, is_voter(5));
    sim_disk_set_capacity(c.members[4].sim, 0);
    NODES_UNTIL(&c, 5000, is_voter(4));
    nodes_agree(&c);
    nodes_fini(&c);
}

/* Its log could not even store that others lead it into the future: so it lets them lead. */
TEST(node_space, a_full_leader_hands_over)
{
    begin(3, 2);
    uint64_t leader = nodes_leader(&c);
    leave(leader, 0);
    NODES_UNTIL(&c, 3000, nodes_leader(&c) != leader && nodes_leader(&c) != 0);
    CHECK_EQ(status_of(leader).space_transfers, 1);
    nodes_write(&c, nodes_leader(&c), "k", "v");
    nodes_run(&c, 3000);
    CHECK_EQ(status_of(leader).space_transfers, 1); /* and that was that */
    nodes_fini(&c);
}

TEST(node_space, when_all_are_full_writes_are_refused_and_reads_go_on)
{
    begin(3, 3);
    uint64_t leader = nodes_leader(&c), follower = nodes_follower(&c);
    nodes_write(&c, leader, "k", "v");
    for (uint64_t id = 1; id <= 3; id++) leave(id, 0);
    nodes_run(&c, 3000);
    leader = nodes_leader(&c); /* who was found full first may have handed over */
    follower = nodes_follower(&c);
    CHECK(leader && status_of(leader).quorum_full && status_of(follower).quorum_full);
    expect_refused(leader);
    expect_refused(follower);
    nodes_expect(&c, leader, "k", "v");
    nodes_expect(&c, follower, "k", "v");
    /* Votes go on, and so does what a new leader needs to serve reads. */
    nodes_crash(&c, leader, true);
    uint64_t next = nodes_elect(&c);
    NODES_UNTIL(&c, 3000, status_of(next).quorum_full);
    expect_refused(next);
    nodes_expect(&c, next, "k", "v");
    nodes_start(&c, leader); /* with a full disk */
    nodes_run(&c, 1000);
    nodes_expect(&c, leader, "k", "v");
    expect_refused(leader);
    /* A change may be the way out. */
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, next, ENTRY_CHANGE_REMOVE, leader)), 0);
    for (uint64_t id = 1; id <= 3; id++) sim_disk_set_capacity(c.members[id].sim, 0);
    NODES_UNTIL(&c, 3000, !status_of(next).quorum_full);
    nodes_write(&c, next, "k", "w");
    nodes_fini(&c);
}

/* With one down and one full nobody is left to write to; that one is down is not what the client hears. */
TEST(node_space, who_is_down_has_no_room_either)
{
    begin(3, 4);
    uint64_t leader = nodes_leader(&c), follower = nodes_follower(&c), third = 6 - leader - follower;
    nodes_crash(&c, third, true);
    nodes_write(&c, leader, "k", "v");
    leave(follower, 0);
    NODES_UNTIL(&c, 3000, status_of(leader).quorum_full);
    expect_refused(leader);
    nodes_start(&c, third);
    NODES_UNTIL(&c, 3000, !status_of(leader).quorum_full);
    nodes_write(&c, leader, "k", "w");
    /* And with two down it is the quorum that is missing. */
    nodes_crash(&c, third, true);
    nodes_crash(&c, leader, true);
    nodes_run(&c, 2000);
    uint64_t token = nodes_put(&c, follower, "k", "x");
    CHECK_EQ(nodes_wait(&c, token), MS_ENOLEADER);
    nodes_fini(&c);
}

/* A leader that two others answer, of whom one is full, and that does not reach two with room: it finds no
 * quorum with room and could refuse writes for ever (raft_doubt.c). */
TEST(node_space, a_leader_without_room_does_not_hold_those_who_have_it)
{
    uint64_t leader, others[4], count = 0, token;
    begin(5, 8);
    leader = nodes_leader(&c);
    for (uint64_t id = 1; id <= 5; id++) {
        if (id != leader) others[count++] = id;
    }
    nodes_write(&c, leader, "k", "v");
    nodes_cut(&c, leader, others[2]);
    nodes_cut(&c, leader, others[3]);
    leave(others[0], 0); /* and stays so */
    NODES_UNTIL(&c, 3000, status_of(leader).quorum_full && status_of(others[1]).quorum_full);
    CHECK_EQ(nodes_try_put(&c, others[1], "k", "refused", &token), MS_ENOSPC);
    NODES_UNTIL(&c, 20000, nodes_leader(&c) != leader && nodes_leader(&c) != 0);
    CHECK(nodes_leader(&c) != others[0]);
    nodes_run(&c, 1000);
    CHECK(!status_of(others[1]).quorum_full);
    nodes_write(&c, others[1], "k", "w");
    nodes_heal(&c);
    nodes_run(&c, 5000);
    nodes_expect(&c, leader, "k", "w");
    nodes_fini(&c);
}

/* What has left for a leader may come to it twice, and late: that it had no room when it came first says
 * nothing of the second time (P2). */
static int forwards_twice(struct nodes *n, const struct nodes_frame *f)
{
    (void)n;
    if (f->type == NODE_FRAME_ROOM) return NODES_DROP;
    return f->type == NODE_FRAME_FORWARD ? NODES_HOLD : NODES_PASS;
}

TEST(node_space, what_was_forwarded_is_never_called_refused)
{
    begin(3, 5);
    uint64_t leader = nodes_leader(&c), follower = nodes_follower(&c);
    for (uint64_t id = 1; id <= 3; id++) leave(id, 0);
    c.filter = forwards_twice;
    NODES_UNTIL(&c, 3000, status_of(leader).quorum_full);
    CHECK(!status_of(follower).quorum_full);
    uint64_t token = nodes_put(&c, follower, "k", "v");
    nodes_run(&c, 100);
    nodes_release_held(&c); /* refused */
    nodes_run(&c, 100);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0);
    for (uint64_t id = 1; id <= 3; id++) sim_disk_set_capacity(c.members[id].sim, 0);
    c.filter = NULL;
    CHECK_EQ(nodes_wait(&c, token), 0);
    nodes_fini(&c);
}

/* The log takes all the space; then a snapshot is taken early, and what is behind it is given back. */
TEST(node_space, a_log_that_fills_the_disk_is_cut)
{
    begin_alone(6);
    leave(1, 5 * c.opts.wal_segment_bytes);
    char value[2000];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = 0;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        uint64_t token;
        if (nodes_try_put(&c, 1, "k", value, &token) < 0) refused++;
        nodes_run(&c, 5);
    }
    CHECK(refused < 1800 && nodes_is_up(&c, 1));
    CHECK(status_of(1).snapshot_index > 0);
    nodes_expect(&c, 1, "k", value);
    nodes_fini(&c);
}

/* Somebody else takes what was free while nothing is asked of the member: what it could give back, it gives back, though
 * nothing more is written before it has. */
TEST(node_space, what_is_behind_a_snapshot_is_given_back_without_another_write)
{
    begin_alone(6);
    write_many(500);
    nodes_run(&c, 5000);
    CHECK(status_of(1).snapshot_index == 0 && !status_of(1).disk_full);
    leave(1, 4096);
    NODES_UNTIL(&c, 2000, status_of(1).disk_full);
    NODES_UNTIL(&c, 10000, status_of(1).snapshot_index > 0);
    NODES_UNTIL(&c, 10000, !status_of(1).disk_full);
    nodes_write(&c, 1, "k", "v");
    nodes_fini(&c);
}

/* Likewise where a part of it was kept for a member that had just been sent a snapshot. */
TEST(node_space, what_was_kept_for_a_member_is_given_back_when_it_is_no_longer)
{
    begin_alone(6);
    struct node *n = c.members[1].node;
    write_many(150);
    n->keep_index = n->info.applied_index;
    n->keep_until_ms = UINT64_MAX;
    write_many(350);
    leave(1, 4096);
    NODES_UNTIL(&c, 2000, status_of(1).disk_full);
    NODES_UNTIL(&c, 10000, status_of(1).snapshot_index > 0);
    nodes_run(&c, 3000);
    CHECK(status_of(1).disk_full);
    n->keep_until_ms = c.now_ms + NODE_KEEP_MS;
    NODES_UNTIL(&c, NODE_KEEP_MS + 5000, !status_of(1).disk_full);
    nodes_write(&c, 1, "k", "v");
    nodes_fini(&c);
}

/* What a snapshot has needed in vain says nothing of a state that has become small since. */
TEST(node_space, a_state_that_has_become_small_is_stored)
{
    static char value[2000];
    char key[16];
    struct ms_rand rand;
    begin_alone(8);
    ms_rand_init(&rand, 1, 1);
    for (uint32_t i = 0; i < 600; i++) {
        for (size_t at = 0; at + 1 < sizeof value; at++) value[at] = (char)ms_rand_between(&rand, 33, 126);
        snprintf(key, sizeof key, "k%u", i);
        nodes_write(&c, 1, key, value);
    }
    struct node *n = c.members[1].node;
    leave(1, 3 * LOW_BYTES);
    nodes_run(&c, 1000);
    n->opts.snapshot_log_bytes = 100000;
    NODES_UNTIL(&c, 5000, n->take.short_bytes > 0);
    NODES_UNTIL(&c, 5000, !status_of(1).disk_full);
    nodes_run(&c, 3 * NODE_SNAP_RETRY_MS);
    CHECK(n->counters.snapshots_taken == 0 && n->take.offset == 0); /* the disk is not filled again in vain */
    for (uint32_t i = 0; i < 600; i++) {
        snprintf(key, sizeof key, "k%u", i);
        nodes_write(&c, 1, key, "small");
    }
    NODES_UNTIL(&c, 120000, status_of(1).snapshot_index > 0);
    nodes_fini(&c);
}

static bool engine_starves;

static int engine_ready(struct engine *e)
{
    (void)e;
    return engine_starves ? MS_ENOSPC : 0;
}

/* An engine that has no room for more now (kv_rocks_space.c) is asked again; what it has is served. */
TEST(node_space, an_engine_without_room_is_waited_for)
{
    static struct engine_ops ops;
    begin(1, 7);
    nodes_write(&c, 1, "k", "v");
    struct engine *e = c.members[1].kv->engine;
    ops = *e->ops;
    ops.ready = engine_ready;
    e->ops = &ops;
    engine_starves = true;
    uint64_t token = nodes_put(&c, 1, "k", "w");
    nodes_run(&c, c.opts.request_ms_max / 4);
    CHECK(nodes_is_up(&c, 1) && nodes_answer_of(&c, token)->count == 0);
    uint64_t applied = status_of(1).applied_index;
    CHECK(applied < status_of(1).commit_index);
    engine_starves = false;
    CHECK_EQ(nodes_wait(&c, token), 0);
    nodes_expect(&c, 1, "k", "w");
    nodes_fini(&c);
}
