/* test_lease.c: time for leases, in clusters of real nodes. */
#include "tests/node/nodes.h"

static struct nodes c;

#define TTL_S 10u
#define LIFE_MS                                                                                        \
    (TTL_S * 1000u + NODE_LEASE_GRACE_MS) /* what a lease lives at least; and a hundredth more */
#define LATEST_MS (LIFE_MS + LIFE_MS / 100u + 100u)

static bool has(const char *key)
{
    return nodes_wait(&c, nodes_get(&c, nodes_leader(&c), key)) == 0;
}

static uint64_t kept_alive(uint64_t id, uint64_t lease)
{
    uint64_t token = nodes_lease_keep_alive(&c, id, lease);
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK_EQ(nodes_answer_of(&c, token)->lease, lease);
    return nodes_answer_of(&c, token)->ttl_s;
}

static void granted(uint64_t id, uint64_t lease, const char *key)
{
    uint64_t token = nodes_lease_grant(&c, id, lease, TTL_S, key);
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK_EQ(nodes_answer_of(&c, token)->lease, lease);
    CHECK_EQ(nodes_answer_of(&c, token)->ttl_s, TTL_S);
}

static uint64_t remaining_ms(uint64_t id, uint64_t lease)
{
    uint64_t token = nodes_lease_get(&c, id, lease);
    CHECK_EQ(nodes_wait(&c, token), 0);
    return nodes_answer_of(&c, token)->the_lease.remaining_ms;
}

TEST(node_lease, a_key_dies_with_its_lease_and_not_before)
{
    nodes_found(&c, 3, 1);
    uint64_t at = nodes_follower(&c);
    granted(at, 7, "k");
    uint64_t begun = c.now_ms;
    nodes_run(&c, 4000);
    uint64_t left = remaining_ms(at, 7);
    CHECK(left > 5500 && left < 6100);
    while (c.now_ms + 200 < begun + LIFE_MS) {
        CHECK(has("k"));
        nodes_run(&c, 100);
    }
    nodes_run(&c, begun + LATEST_MS - c.now_ms);
    CHECK(!has("k"));
    CHECK_EQ(nodes_wait(&c, nodes_lease_get(&c, at, 7)), MS_ENOTFOUND);
    CHECK_EQ(nodes_wait(&c, nodes_lease_keep_alive(&c, at, 7)), MS_ENOLEASE); /* never a success */
    CHECK_EQ(nodes_wait(&c, nodes_lease_revoke(&c, at, 7)), MS_ENOLEASE);
    CHECK_EQ(nodes_wait(&c, nodes_put_leased(&c, at, "k", 7)), MS_ENOLEASE);
    nodes_fini(&c);
}

TEST(node_lease, lives_as_long_as_it_is_kept_alive_through_any_member)
{
    nodes_found(&c, 3, 2);
    granted(1, 7, "k");
    for (uint32_t i = 0; i < 9; i++) {
        nodes_run(&c, 9000);
        CHECK_EQ(kept_alive(1 + i % 3, 7), TTL_S);
    }
    uint64_t index = raft_last_index(node_raft(c.members[1].node));
    CHECK(has("k"));
    CHECK_EQ(nodes_wait(&c, nodes_lease_revoke(&c, 2, 7)), 0);
    CHECK(!has("k"));
    CHECK(raft_last_index(node_raft(c.members[1].node)) > index);
    nodes_fini(&c);
}

TEST(node_lease, a_time_that_is_too_short_is_made_longer_and_an_id_picked)
{
    nodes_found(&c, 1, 3);
    uint64_t token = nodes_lease_grant(&c, 1, 0, 0, NULL);
    CHECK_EQ(nodes_wait(&c, token), 0);
    uint64_t least_s = (3 * c.opts.raft.election_ms_min / 2 + 999) / 1000;
    CHECK_EQ(nodes_answer_of(&c, token)->ttl_s, least_s);
    CHECK(nodes_answer_of(&c, token)->lease != 0);
    struct node *n = c.members[1].node;
    struct bytes none = { 0 };
    CHECK_EQ(node_lease_grant(n, c.now_ms, 1, 5, MS_LEASE_TTL_S_MAX + 1, none), MS_EINVAL);
    CHECK_EQ(node_lease_grant(n, c.now_ms, 1, MS_LEASE_ID_MAX + 1, 10, none), MS_EINVAL);
    CHECK_EQ(node_lease_keep_alive(n, c.now_ms, 1, 0), MS_EINVAL);
    CHECK_EQ(node_lease_get(n, c.now_ms, 1, 0, 0), MS_EINVAL);
    CHECK_EQ(node_leases_get(n, c.now_ms, 1, 0, 0), MS_EINVAL);
    nodes_fini(&c);
}

/* As many as come in a turn are one entry, and each is told what became of its own. */
TEST(node_lease, keep_alives_of_a_turn_are_one_entry)
{
    uint64_t tokens[40];
    nodes_found(&c, 3, 4);
    uint64_t at = nodes_follower(&c);
    for (uint64_t id = 1; id <= 20; id++) granted(at, id, NULL);
    nodes_agree(&c);
    uint64_t before = raft_last_index(node_raft(c.members[at].node));
    for (uint64_t id = 1; id <= 40; id++) tokens[id - 1] = nodes_lease_keep_alive(&c, at, id);
    for (uint64_t id = 1; id <= 40; id++) {
        CHECK_EQ(nodes_wait(&c, tokens[id - 1]), id <= 20 ? 0 : MS_ENOLEASE);
        if (id <= 20) CHECK_EQ(nodes_answer_of(&c, tokens[id - 1])->lease, id);
    }
    CHECK_EQ(raft_last_index(node_raft(c.members[at].node)), before + 1);
    nodes_fini(&c);
}

/* More than an entry takes: several entries. */
TEST(node_lease, keep_alives_without_end_are_several_entries)
{
    nodes_init(&c, 1, 5);
    c.opts.requests_max = 6000;
    nodes_start_and_elect(&c);
    granted(1, 7, NULL);
    uint64_t before = raft_last_index(node_raft(c.members[1].node)), first = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        uint64_t token = nodes_lease_keep_alive(&c, 1, 7);
        if (i == 0) first = token;
    }
    for (uint32_t i = 0; i < 5000; i++) CHECK_EQ(nodes_wait(&c, first + i), 0);
    CHECK_EQ(raft_last_index(node_raft(c.members[1].node)), before + 2);
    nodes_fini(&c);
}

static int hold_appends(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->type == NODE_FRAME_RAFT ? NODES_HOLD : NODES_PASS;
}

/* Somebody may have applied it long before: the client is told how much is left for certain. */
TEST(node_lease, what_took_long_is_acknowledged_with_less)
{
    nodes_init(&c, 3, 6);
    c.opts.raft.election_ms_min = 3000;
    c.opts.request_ms_max = 5000;
    nodes_start_and_elect(&c);
    uint64_t at = nodes_leader(&c);
    granted(at, 7, NULL);
    uint64_t token = nodes_lease_keep_alive(&c, at, 7);
    c.filter = hold_appends;
    nodes_run(&c, 2000);
    CHECK_EQ(c.answers[token].count, 0);
    c.filter = NULL;
    nodes_release_held(&c);
    CHECK_EQ(nodes_wait(&c, token), 0);
    CHECK_EQ(nodes_answer_of(&c, token)->ttl_s, TTL_S - 2); /* half the grace is free */
    nodes_fini(&c);
}

/* Neither longer nor shorter: who leads next has timed it as well. */
TEST(node_lease, a_new_leader_goes_on)
{
    nodes_found(&c, 3, 7);
    uint64_t first = nodes_leader(&c);
    granted(first, 7, "k");
    uint64_t begun = c.now_ms;
    nodes_run(&c, 6000);
    nodes_crash(&c, first, true);
    nodes_run(&c, 1500);
    uint64_t second = nodes_elect(&c);
    CHECK(second != first);
    CHECK(has("k"));
    nodes_run(&c, begun + LIFE_MS - 200 - c.now_ms);
    CHECK(has("k"));
    nodes_run(&c, begun + LATEST_MS - c.now_ms);
    CHECK(!has("k"));
    nodes_fini(&c);
}

/* Half of its time is written down; a restart of all gives back no more than that. */
TEST(node_lease, a_restart_gives_back_what_was_not_written_down)
{
    nodes_found(&c, 3, 8);
    granted(1, 7, "k");
    nodes_run(&c, 8000);
    for (uint64_t id = 1; id <= 3; id++) nodes_crash(&c, id, true);
    nodes_start_and_elect(&c);
    uint64_t left = remaining_ms(nodes_leader(&c), 7);
    CHECK(left <= 5010); /* a thousandth more, for the clocks */
    CHECK(has("k"));
    nodes_run(&c, 5000 + NODE_LEASE_GRACE_MS + 300);
    CHECK(!has("k"));
    nodes_fini(&c);
}

/* A member that had to load a snapshot times what is in it, and can lead. */
TEST(node_lease, an_installed_state_brings_them)
{
    nodes_init(&c, 3, 9);
    c.opts.snapshot_log_bytes = 20000;
    nodes_start_and_elect(&c);
    uint64_t behind = nodes_follower(&c);
    nodes_crash(&c, behind, true);
    uint64_t at = nodes_elect(&c);
    for (uint64_t id = 1; id <= 1100; id++) granted(at, id, id == 1100 ? "k" : NULL);
    nodes_fill(&c, at, 120, 4000);
    nodes_run(&c, 2000);
    nodes_start(&c, behind);
    nodes_agree(&c);
    CHECK(c.frames_seen[NODE_FRAME_SNAP_CHUNK] > 0);
    nodes_run(&c, 100);
    const struct node *n = c.members[behind].node;
    CHECK(n->leases.scanned);
    node_lease_table_check(&n->leases.table);
    CHECK_EQ(n->leases.table.count, n->info.lease_count);
    nodes_wait(&c, nodes_transfer(&c, at, behind));
    nodes_run(&c, LATEST_MS + 6000);
    CHECK(!has("k"));
    CHECK_EQ(n->leases.table.count, 0);
    nodes_fini(&c);
}

/* What a snapshot holds of leases is looked at later, where there is no memory now. */
TEST(node_lease, those_of_a_snapshot_are_timed_as_soon_as_there_is_memory)
{
    nodes_init(&c, 1, 18);
    c.opts.snapshot_log_bytes = 10000;
    nodes_start_and_elect(&c);
    granted(1, 7, "k");
    nodes_fill(&c, 1, 40, 1000);
    NODES_UNTIL(&c, 5000, c.members[1].node->store.state.snapshot_index > 0);
    nodes_crash(&c, 1, true);
    nodes_start(&c, 1);
    struct node_leases *leases = &c.members[1].node->leases;
    size_t max = leases->job.value.max;
    uint64_t ms, index;
    leases->job.value.max = 0;
    nodes_elect(&c);
    CHECK(nodes_is_up(&c, 1) && !node_lease_time(c.members[1].node, 7, &ms, &index));
    leases->job.value.max = max;
    NODES_UNTIL(&c, 1000, node_lease_time(c.members[1].node, 7, &ms, &index));
    nodes_run(&c, 15000);
    CHECK(!has("k"));
    nodes_fini(&c);
}

/* Many at once: each takes its own revision, and what is under way is bounded. */
TEST(node_lease, all_that_expire_together_go)
{
    nodes_found(&c, 3, 10);
    uint64_t at = nodes_leader(&c);
    uint64_t last = 0;
    char key[16];
    for (uint64_t id = 1; id <= 700; id++) {
        snprintf(key, sizeof key, "k%u", (unsigned)id);
        last = nodes_lease_grant(&c, at, id, TTL_S, key);
        if (id % 100 == 0) nodes_settle(&c);
    }
    CHECK_EQ(nodes_wait(&c, last), 0);
    struct node_status s;
    nodes_status_of(&c, at, &s);
    CHECK_EQ(s.lease_count, 700);
    uint64_t revision = s.revision;
    nodes_run(&c, LATEST_MS + 500);
    nodes_status_of(&c, at, &s);
    CHECK_EQ(s.lease_count, 0);
    CHECK_EQ(s.key_count, 0);
    CHECK_EQ(s.revision, revision + 700);
    nodes_fini(&c);
}

/* A leader that was cut off, and still thinks it is one, ends nothing; nor do its words when they are heard. */
TEST(node_lease, a_leader_of_the_past_ends_nothing)
{
    nodes_found(&c, 3, 11);
    uint64_t old = nodes_leader(&c);
    granted(old, 7, "k");
    nodes_agree(&c);
    nodes_isolate(&c, old);
    uint64_t other = old % 3 + 1;
    NODES_UNTIL(&c, 20000, nodes_leader(&c) != old);
    for (uint32_t i = 0; i < 5; i++) {
        nodes_run(&c, 4000);
        CHECK_EQ(kept_alive(other, 7), TTL_S);
    }
    nodes_heal(&c);
    nodes_agree(&c);
    CHECK(has("k"));
    nodes_fini(&c);
}

static uint64_t last_index(uint64_t id)
{
    return raft_last_index(node_raft(c.members[id].node));
}

/* Its proposals went with the term in which it had made them: it waits for none of them when it leads again, though its log is
 * shorter than it was then. */
TEST(node_lease, ends_of_a_lost_term_hold_up_no_others)
{
    nodes_found(&c, 3, 13);
    uint64_t old = nodes_leader(&c), token;
    granted(old, 7, "k");
    const struct node_lease *l = node_lease_find(&c.members[old].node->leases.table, 7);
    NODES_UNTIL(&c, LATEST_MS, l->deadline_ms < c.now_ms + 50);
    nodes_isolate(&c, old);
    for (uint32_t i = 0; i < 50; i++) CHECK_EQ(nodes_try_put(&c, old, "lost", "x", &token), 0);
    NODES_UNTIL(&c, 200, c.members[old].node->leases.asked_index > 50); /* it has proposed the end */
    uint64_t asked = c.members[old].node->leases.asked_index;
    NODES_UNTIL(&c, 20000, nodes_leader(&c) != old);
    nodes_run(&c, 2 * c.opts.request_ms_max); /* nobody waits for those writes any more */
    nodes_heal(&c);
    nodes_agree(&c);
    CHECK_EQ(nodes_wait(&c, nodes_transfer(&c, nodes_leader(&c), old)), 0);
    CHECK_EQ(nodes_elect(&c), old);
    granted(old, 8, "m");
    uint64_t begun = c.now_ms;
    nodes_run(&c, LIFE_MS - 200);
    CHECK(has("m"));
    nodes_run(&c, begun + LATEST_MS - c.now_ms);
    CHECK(!has("m") && !has("k"));
    CHECK(last_index(old) < asked);
    nodes_fini(&c);
}

/* What has died within five seconds costs its grant and its end. */
TEST(node_lease, of_a_short_life_nothing_is_written_down)
{
    nodes_found(&c, 1, 12);
    CHECK_EQ(nodes_wait(&c, nodes_lease_grant(&c, 1, 7, 3, NULL)), 0);
    uint64_t index = last_index(1);
    nodes_run(&c, 3500);
    CHECK_EQ(last_index(1), index);
    nodes_run(&c, 4000);
    CHECK_EQ(last_index(1), index + 1);
    nodes_fini(&c);
}

TEST(node_lease, of_a_long_life_something_is_written_down_every_five_minutes)
{
    nodes_found(&c, 1, 13);
    CHECK_EQ(nodes_wait(&c, nodes_lease_grant(&c, 1, 7, 1000, NULL)), 0);
    uint64_t index = last_index(1);
    nodes_run(&c, 299000);
    CHECK_EQ(last_index(1), index);
    nodes_run(&c, 2000);
    CHECK_EQ(last_index(1), index + 1);
    nodes_fini(&c);
}

/* Without memory for the entry all that is due stays due, also what found its place before it was refused. */
TEST(node_lease, what_is_left_is_written_down_as_soon_as_there_is_memory)
{
    enum { LEASES = 3, MARK_BYTES = 24 };
    nodes_found(&c, 1, 16);
    for (uint64_t id = 1; id <= LEASES; id++) granted(1, id, "k");
    struct buf *body = &c.members[1].node->leases.body;
    size_t max = body->max;
    uint64_t index = last_index(1), retry_ms = c.opts.raft.heartbeat_ms + 10;
    body->max = 0;
    nodes_run(&c, 5500);
    body->max = (LEASES - 1) * MARK_BYTES;
    nodes_run(&c, retry_ms);
    CHECK_EQ(last_index(1), index);
    body->max = max;
    nodes_run(&c, retry_ms);
    CHECK_EQ(last_index(1), index + 1);
    CHECK_EQ(body->len, LEASES * MARK_BYTES);
    nodes_fini(&c);
}

static uint64_t deadline_ms(uint64_t id, uint64_t lease)
{
    uint64_t ms, index;
    CHECK(node_lease_time(c.members[id].node, lease, &ms, &index));
    return ms;
}

/* TL1, TL2 */
TEST(node_lease, is_timed_for_the_slowest_clock_and_marks_prolong_nothing)
{
    static const uint64_t ttl_ms = 100000 * UINT64_C(1000);
    nodes_found(&c, 1, 14);
    CHECK_EQ(nodes_wait(&c, nodes_lease_grant(&c, 1, 7, ttl_ms / 1000, NULL)), 0);
    uint64_t before = deadline_ms(1, 7);
    CHECK(before >= c.now_ms + ttl_ms + ttl_ms / NODE_LEASE_RATE);
    nodes_run(&c, 4000);
    struct kv_lease_event e = { .kind = KV_LEASE_MARKED, .id = 7, .ms = ttl_ms };
    node_lease_event(c.members[1].node, &e);
    CHECK_EQ(deadline_ms(1, 7), before);
    e.ms = 50000;
    node_lease_event(c.members[1].node, &e);
    CHECK(deadline_ms(1, 7) < before);
    nodes_fini(&c);
}

TEST(node_lease, so_many_ends_are_under_way_and_no_more)
{
    nodes_init(&c, 3, 15);
    c.opts.raft.election_ms_min = 3000;
    nodes_start_and_elect(&c);
    uint64_t at = nodes_leader(&c), last = 0;
    for (uint64_t id = 1; id <= 700; id++) {
        last = nodes_lease_grant(&c, at, id, TTL_S, NULL);
        if (id % 100 == 0) nodes_settle(&c);
    }
    CHECK_EQ(nodes_wait(&c, last), 0);
    nodes_run(&c, LIFE_MS - 500);
    uint64_t index = last_index(at);
    c.filter = hold_appends;
    nodes_run(&c, LATEST_MS - LIFE_MS + 1000);
    CHECK(last_index(at) > index && last_index(at) <= index + 256);
    c.filter = NULL;
    nodes_release_held(&c);
    nodes_run(&c, 2000);
    CHECK_EQ(last_index(at), index + 700);
    nodes_fini(&c);
}
