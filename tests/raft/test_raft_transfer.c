/* Handing over: dissertation, 3.10. */
#include "tests/raft/cluster.h"

static struct cluster c;

static struct raft_leadership leadership(uint64_t id)
{
    struct raft_leadership l;
    raft_leadership(cluster_raft(&c, id), &l);
    return l;
}

TEST(transfer, is_refused_where_it_cannot_be)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N4), 0);
    cluster_pump(&c);
    CHECK_EQ(cluster_transfer(&c, N2, N3), MS_ENOLEADER);
    CHECK_EQ(cluster_transfer(&c, N1, N1), MS_EEXIST);
    CHECK_EQ(cluster_transfer(&c, N1, N7), MS_ENOTFOUND);
    CHECK_EQ(cluster_transfer(&c, N1, N4), MS_ECONFLICT); /* a learner */
    cluster_crash(&c, N3);
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK_EQ(cluster_transfer(&c, N1, N3), MS_EBUSY);
    CHECK_EQ(leadership(N1).transfer_to, 0);
    CHECK_EQ(cluster_transfer(&c, N1, 0), 0);
    CHECK_EQ(leadership(N1).transfer_to, N2);
    CHECK_EQ(cluster_transfer(&c, N1, N3), MS_EBUSY);
    cluster_pump(&c);
    CHECK_EQ(cluster_leader(&c), N2);
    CHECK_EQ(leadership(N1).transfer_to, 0);
    cluster_fini(&c);
}

/* It takes no proposals meanwhile, for its successor has to have them all. */
TEST(transfer, waits_until_the_other_has_everything)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    c.opts.manual_store = true;
    CHECK_EQ(cluster_propose(&c, N1, "a"), 0);
    cluster_flush(&c, N1);
    CHECK_EQ(cluster_transfer(&c, N1, N3), 0);
    CHECK_EQ(cluster_propose(&c, N1, "b"), MS_EBUSY);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N4), MS_EBUSY);
    cluster_store(&c, N1);
    cluster_pump(&c);
    cluster_store(&c, N2);
    cluster_pump(&c); /* committed by N1 and N2, and yet N3 is not there */
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), raft_last_index(cluster_raft(&c, N1)));
    CHECK_EQ(c.sent[RAFT_MSG_TIMEOUT_NOW], 0);
    cluster_store(&c, N3);
    c.opts.manual_store = false;
    cluster_advance(&c, HEARTBEAT_MS);
    CHECK_EQ(cluster_leader(&c), N3);
    CHECK_EQ(c.sent[RAFT_MSG_TIMEOUT_NOW], 1);
    cluster_commit(&c, "c");
    cluster_converge(&c);
    cluster_fini(&c);
}

TEST(transfer, is_given_up_after_an_election_timeout)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    uint64_t term = raft_term(cluster_raft(&c, N1));
    CHECK_EQ(cluster_transfer(&c, N1, N3), 0);
    c.cut[N1][N3] = c.cut[N3][N1] = true;
    cluster_advance(&c, ELECTION_MS / 2);
    CHECK_EQ(cluster_propose(&c, N1, "a"), MS_EBUSY);
    cluster_advance(&c, ELECTION_MS);
    CHECK_EQ(cluster_propose(&c, N1, "a"), 0);
    cluster_pump(&c);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), raft_last_index(cluster_raft(&c, N1)));
    CHECK_EQ(raft_term(cluster_raft(&c, N1)), term);
    cluster_heal(&c);
    cluster_advance(&c, HEARTBEAT_MS);
    CHECK_EQ(cluster_transfer(&c, N1, N3), MS_EBUSY); /* or writes would wait again and again */
    CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK_EQ(cluster_transfer(&c, N1, N3), 0);
    cluster_pump(&c);
    CHECK_EQ(cluster_leader(&c), N3);
    cluster_fini(&c);
}

/* A process that stops closes its connections: who hands over to it need not wait. */
TEST(transfer, is_given_up_when_the_connection_closes)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    struct raft_input down = { .kind = RAFT_INPUT_LINK };
    for (uint64_t peer = N2; peer <= N3; peer++) {
        CHECK_EQ(cluster_transfer(&c, N1, 0), 0);
        uint64_t to = leadership(N1).transfer_to;
        cluster_drop_all(&c);
        down.link.peer = to;
        CHECK_EQ(cluster_step(&c, N1, &down), 0);
        CHECK_EQ(leadership(N1).transfer_to, 0);
    }
    CHECK_EQ(cluster_transfer(&c, N1, 0),
             MS_EBUSY); /* nobody is left, though both have just answered */
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(cluster_transfer(&c, N1, 0), MS_EBUSY); /* they answer again, and rest */
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK_EQ(cluster_transfer(&c, N1, 0), 0);
    cluster_fini(&c);
}

/* Heartbeats still flow, so nobody else would ever notice. */
TEST(transfer, a_leader_whose_log_stalls_goes)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    c.opts.manual_store = true;
    CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    cluster_flush(&c, N1);
    CHECK(cluster_store_begin(&c, N1)); /* and does not end */
    cluster_pump(&c);
    uint64_t until = c.now_ms + 2 * ELECTION_MS - HEARTBEAT_MS;
    while (c.now_ms < until) {
        cluster_advance(&c, HEARTBEAT_MS / 2);
        cluster_store(&c, N2);
        cluster_store(&c, N3);
    }
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK(!leadership(N1).stalled);
    until += 5 * HEARTBEAT_MS;
    while (c.now_ms < until) {
        cluster_advance(&c, HEARTBEAT_MS / 2);
        cluster_store(&c, N2);
        cluster_store(&c, N3);
    }
    CHECK(cluster_leader(&c) == N2 || cluster_leader(&c) == N3);
    CHECK(leadership(N1).stalled);
    CHECK_EQ(leadership(N1).stall_transfers, 1);
    cluster_store_end(&c, N1);
    cluster_store(&c, N1);
    CHECK(!leadership(N1).stalled);
    c.opts.manual_store = false;
    cluster_converge(&c);
    cluster_fini(&c);
}

/* Who leaves wishes a successor and fails its reads in a step that is full already. */
TEST(transfer, a_removed_leader_with_many_reads_finds_room)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 8, .seed = 1, .found = true });
    cluster_elect(&c, N2);
    cluster_elect(&c, N1);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(cluster_transfer(&c, N1, N3), 0);
    c.cut[N1][N3] = c.cut[N3][N1] = true;
    cluster_advance(&c, ELECTION_MS + HEARTBEAT_MS);
    CHECK_EQ(leadership(N1).transfer_to, 0);
    cluster_heal(&c);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N1), 0); /* its successor has failed once */
    for (uint64_t id = N2; id <= N8; id++) {
        for (uint32_t i = 0; i < RAFT_READS_MAX; i++) cluster_read(&c, id);
        cluster_flush(&c, id);
    }
    while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
    cluster_flush(&c, N1); /* a round for all of them, and the removal */
    for (uint32_t i = 0; i < RAFT_READS_MAX; i++) cluster_read(&c, N1);
    uint32_t count = c.message_count;
    for (uint32_t i = 0; i < count; i++) cluster_deliver_at(&c, 0, false);
    for (uint64_t id = N1; id <= N8; id++) cluster_store(&c, id);
    for (uint64_t id = N2; id <= N8; id++) cluster_flush(&c, id);
    struct raft *leader = cluster_raft(&c, N1); /* as far as the removal is committed, no further */
    while (raft_commit_index(leader) < raft_config_index(leader)) cluster_deliver_at(&c, 0, false);
    cluster_flush(&c, N1);
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_FOLLOWER);
    cluster_pump(&c);
    cluster_fini(&c);
}
