/* Handing the leadership over, exchanging members and switching leases, by the wish of clients. */
#include "tests/node/nodes.h"

static struct nodes c;

TEST(node_transfer, goes_to_whom_a_client_of_any_member_names)
{
    nodes_found(&c, 3, 1);
    uint64_t leader = nodes_leader(&c), to = nodes_follower(&c), third = 6 - leader - to;
    uint64_t term = raft_term(node_raft(c.members[leader].node));
    CHECK_EQ(nodes_wait(&c, nodes_transfer(&c, third, to)), 0);
    CHECK_EQ(nodes_leader(&c), to);
    CHECK_EQ(raft_term(node_raft(c.members[to].node)), term + 1);
    CHECK_EQ(nodes_wait(&c, nodes_transfer(&c, third, to)), 0); /* it is so */
    CHECK_EQ(nodes_wait(&c, nodes_transfer(&c, to, 0)), 0);
    CHECK(nodes_leader(&c) != to);
    struct node *n = c.members[to].node;
    CHECK_EQ(node_transfer(n, c.now_ms, 1, 9), MS_ENOTFOUND);
    nodes_write(&c, to, "k", "v");
    nodes_fini(&c);
}

/* Where nobody else could lead, nobody is waited for. */
TEST(node_transfer, needs_another_voter)
{
    nodes_found(&c, 1, 1);
    struct node *n = c.members[1].node;
    CHECK_EQ(node_transfer(n, c.now_ms, 1, 0), MS_ECONFLICT);
    CHECK_EQ(nodes_wait(&c, nodes_transfer(&c, 1, 1)), 0); /* it leads already */
    nodes_fini(&c);
}

TEST(node_transfer, that_cannot_be_ends_at_its_deadline_and_nothing_is_lost)
{
    nodes_found(&c, 3, 2);
    uint64_t leader = nodes_leader(&c), to = nodes_follower(&c);
    nodes_crash(&c, to, true);
    nodes_run(&c, 3000);
    leader = nodes_leader(&c);
    uint64_t token = nodes_transfer(&c, leader, to), begun = c.now_ms;
    CHECK_EQ(nodes_wait(&c, token), MS_ENOLEADER);
    CHECK(c.now_ms >= begun + c.opts.request_ms_max);
    CHECK(strstr(nodes_answer_of(&c, token)->text, "taken over") != NULL);
    nodes_write(&c, leader, "k", "v");
    CHECK_EQ(nodes_leader(&c), leader);
    for (uint32_t i = 0; i < NODE_TRANSFERS_MAX; i++) nodes_transfer(&c, leader, to);
    CHECK_EQ(node_transfer(c.members[leader].node, c.now_ms, 1, to), MS_EBUSY); /* bounded */
    nodes_run(&c, 2 * c.opts.request_ms_max);
    nodes_fini(&c);
}

/* What was accepted before and during it is done, by whoever leads. */
TEST(node_transfer, fails_no_write)
{
    nodes_found(&c, 3, 3);
    uint64_t tokens[60], leader = nodes_leader(&c);
    for (uint32_t i = 0; i < 60; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        if (i == 20) nodes_transfer(&c, leader, 0);
        tokens[i] = nodes_put(&c, 1 + i % 3, key, "v");
        nodes_run(&c, 3);
    }
    for (uint32_t i = 0; i < 60; i++) CHECK_EQ(nodes_wait(&c, tokens[i]), 0);
    CHECK(nodes_leader(&c) != leader);
    nodes_agree(&c);
    nodes_fini(&c);
}

TEST(node_transfer, precedes_a_shutdown_of_the_leader)
{
    nodes_found(&c, 3, 4);
    uint64_t leader = nodes_leader(&c), other = nodes_follower(&c);
    struct node *n = c.members[leader].node;
    uint64_t mine = nodes_put(&c, leader, "mine", "v");
    node_shutdown(n, c.now_ms);
    CHECK(!node_is_quiet(n));
    CHECK_EQ(node_propose_txn(n, c.now_ms, 1, bytes_of_str("x")), MS_ESTOPPED);
    uint64_t begun = c.now_ms;
    NODES_UNTIL(&c, 1000, node_is_quiet(n));
    CHECK(c.now_ms < begun + c.opts.raft.election_ms_min); /* nobody waited for a timeout */
    CHECK_EQ(nodes_answer_of(&c, mine)->status, 0);
    CHECK(raft_role(node_raft(n)) != RAFT_LEADER);
    nodes_crash(&c, leader, false);
    nodes_write(&c, other, "k", "v");
    nodes_fini(&c);

    nodes_found(&c, 1, 5); /* nobody to hand over to */
    n = c.members[1].node;
    node_shutdown(n, c.now_ms);
    NODES_UNTIL(&c, 100, node_is_quiet(n));
    nodes_fini(&c);
}

TEST(node_transfer, several_members_are_exchanged_at_once)
{
    nodes_found(&c, 3, 6);
    nodes_fill(&c, 1, 30, 100);
    CHECK_EQ(nodes_wait(&c, nodes_change_set(&c, nodes_follower(&c), 1u << 1 | 1u << 4 | 1u << 5)), 0);
    nodes_start(&c, 4);
    nodes_run(&c, 2000);
    nodes_write(&c, 2, "while", "waiting"); /* for 5, which does not start */
    uint64_t leader = nodes_leader(&c);
    CHECK(!config_is_voter(raft_config(node_raft(c.members[leader].node)), 4));
    nodes_start(&c, 5);
    NODES_UNTIL(&c, 10000, !nodes_is_up(&c, 2) && !nodes_is_up(&c, 3));
    CHECK(c.members[2].stopped && c.members[2].stop_status == 0);
    nodes_agree(&c);
    const struct config *config = raft_config(node_raft(c.members[4].node));
    CHECK_EQ(config->member_count, 3);
    CHECK_EQ(config_voter_count(config), 3);
    nodes_write(&c, 5, "k", "v");
    nodes_expect(&c, 1, "while", "waiting");
    nodes_fini(&c);
}

TEST(node_transfer, leases_are_switched_for_all)
{
    nodes_found(&c, 3, 7);
    struct node_status s;
    CHECK_EQ(nodes_wait(&c, nodes_set_lease(&c, nodes_follower(&c), true)), 0);
    nodes_run(&c, 500);
    nodes_status_of(&c, nodes_leader(&c), &s);
    CHECK(s.lease_held && s.lease_ms == c.opts.raft.election_ms_min);
    nodes_status_of(&c, nodes_follower(&c), &s);
    CHECK(!s.lease_held && s.lease_ms == c.opts.raft.election_ms_min);
    nodes_write(&c, 1, "k", "v");
    for (uint64_t id = 1; id <= 3; id++) nodes_expect(&c, id, "k", "v");
    for (uint64_t id = 1; id <= 3; id++) { /* known from the log again, and from snapshots */
        nodes_crash(&c, id, true);
        nodes_start(&c, id);
    }
    nodes_elect(&c);
    nodes_write(&c, 1, "l", "v");
    nodes_run(&c, 500);
    nodes_status_of(&c, nodes_leader(&c), &s);
    CHECK(s.lease_held);
    CHECK_EQ(nodes_wait(&c, nodes_set_lease(&c, 1, true)), MS_EEXIST);
    CHECK_EQ(nodes_wait(&c, nodes_set_lease(&c, 1, false)), 0);
    nodes_status_of(&c, nodes_leader(&c), &s);
    CHECK(!s.lease_held && s.lease_ms == 0);
    nodes_fini(&c);
}
