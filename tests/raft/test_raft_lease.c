/* Reads by lease: dissertation, 6.4.1; the rules are told in raft_lease.c. */
#include "tests/raft/cluster.h"

#define LEASE_MS (ELECTION_MS - ELECTION_MS / 10 - 2)

static struct cluster c;

static bool holds(uint64_t id)
{
    struct raft_leadership l;
    raft_leadership(cluster_raft(&c, id), &l);
    return l.lease_held;
}

static void begin(void)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    CHECK(!holds(N1)); /* off unless switched on */
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 1), 0);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 0), MS_EBUSY);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK(holds(N1));
    CHECK_EQ(raft_config(cluster_raft(&c, N3))->lease_ms, ELECTION_MS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 1), MS_EEXIST);
}

/* Send a round now and let nothing be heard after it. */
static uint64_t cut_off_after_a_round(uint64_t id)
{
    uint64_t sent = c.sent[RAFT_MSG_APPEND];
    while (c.sent[RAFT_MSG_APPEND] == sent) cluster_advance(&c, 1);
    cluster_isolate(&c, id);
    return c.now_ms;
}

TEST(lease, a_read_costs_no_message_and_ends_with_the_lease)
{
    begin();
    uint64_t sent_ms = cut_off_after_a_round(N1);
    while (c.now_ms < sent_ms + LEASE_MS - 1) cluster_advance(&c, 1);
    CHECK(holds(N1));
    uint64_t sent = c.sent[RAFT_MSG_APPEND];
    struct cluster_read *read = cluster_read(&c, N1);
    cluster_flush(&c, N1);
    CHECK_EQ(read->status, 0);
    CHECK_EQ(read->index, raft_commit_index(cluster_raft(&c, N1)));
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent);
    cluster_advance(&c, 1);
    read = cluster_read(&c, N1);
    cluster_flush(&c, N1);
    CHECK(!holds(N1));
    CHECK_EQ(read->status, 1);
    cluster_fini(&c);
}

/* Who asks the leader from elsewhere gains the round, too. */
TEST(lease, serves_other_members)
{
    begin();
    struct cluster_read *read = cluster_read(&c, N2);
    cluster_flush(&c, N2);
    cluster_deliver_at(&c, 0, false);
    uint64_t sent = c.sent[RAFT_MSG_APPEND];
    cluster_flush(&c, N1);
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent);
    CHECK_EQ(c.sent[RAFT_MSG_READ_REPLY], 1);
    cluster_pump(&c);
    CHECK_EQ(read->status, 0);
    cluster_fini(&c);
}

TEST(lease, does_not_outlive_a_wish_that_another_lead)
{
    begin();
    CHECK_EQ(cluster_transfer(&c, N1, N2), 0);
    cluster_flush(&c, N1);
    CHECK_EQ(c.sent[RAFT_MSG_TIMEOUT_NOW], 1);
    CHECK(!holds(N1));
    cluster_drop_all(&c); /* it never arrives: the leader stays, and has no lease in this term */
    c.cut[N1][N2] = c.cut[N2][N1] = true;
    cluster_advance(&c, 3 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK(!holds(N1));
    struct cluster_read *read = cluster_read(&c, N1);
    cluster_pump(&c);
    CHECK_EQ(read->status, 0); /* by a round */
    cluster_fini(&c);
}

/* A leader that is not heard is waited for as long as its lease may last: by those who heard it,
 * whatever became of their connection, and by those who were started since. */
TEST(lease, voters_are_patient)
{
    begin();
    uint64_t sent_ms = cut_off_after_a_round(N1);
    cluster_crash(&c, N3);
    cluster_start(&c, N3);
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    in.link.peer = N1;
    CHECK_EQ(cluster_step(&c, N2, &in), 0);
    while (c.now_ms < sent_ms + ELECTION_MS) {
        cluster_advance(&c, 10);
        CHECK(cluster_leader(&c) == N1 || cluster_leader(&c) == 0);
    }
    struct raft_msg m = { .type = RAFT_MSG_VOTE, .from = N2, .to = N3, .term = 9 };
    m.vote.last_index = raft_durable_index(cluster_raft(&c, N2));
    m.vote.last_term = raft_term_at(cluster_raft(&c, N2), m.vote.last_index);
    cluster_drop_all(&c);
    cluster_crash(&c, N3);
    cluster_start(&c, N3);
    CHECK_EQ(cluster_message(&c, &m), 0);
    cluster_store(&c, N3);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N3, N2));
    CHECK(!c.last.vote_reply.granted);
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK(cluster_leader(&c) == N2 || cluster_leader(&c) == N3);
    cluster_fini(&c);
}

/* Only who holds the entry durably knows of its duty. */
TEST(lease, acks_of_who_does_not_know_of_it_do_not_count)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    c.opts.manual_store = true;
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 1), 0);
    for (int i = 0; i < 4; i++) {
        cluster_advance(&c, HEARTBEAT_MS);
        cluster_store(&c, N1);
    }
    CHECK(!holds(N1)); /* the others answer, and have not stored it */
    cluster_store(&c, N2);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK(holds(N1));
    c.opts.manual_store = false;
    cluster_pump(&c);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 0), 0);
    CHECK(!holds(N1)); /* at once */
    cluster_pump(&c);
    CHECK_EQ(raft_config(cluster_raft(&c, N2))->lease_ms, 0);
    cluster_fini(&c);
}

/* The leader's patience becomes everybody's, also of who would be less patient by its own options. */
TEST(lease, a_follower_of_less_patience_waits_as_long)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        cluster_init(
            &c, (struct cluster_opts){ .node_count = 3, .seed = seed, .idle = true, .found = true });
        for (uint64_t id = N1; id <= N3; id++) {
            c.opts.raft.election_ms_min = id == N1 ? 2 * ELECTION_MS : ELECTION_MS;
            cluster_start(&c, id);
        }
        cluster_elect(&c, N2);
        cluster_elect(&c, N1); /* not who founded it */
        cluster_advance(&c, 2 * HEARTBEAT_MS);
        c.cut[N1][N3] = c.cut[N3][N1] = true;
        cluster_advance(&c, ELECTION_MS + HEARTBEAT_MS);
        CHECK_EQ(cluster_leader(&c), N1);
        cluster_drop_all(&c);
        CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 1), 0);
        cluster_flush(&c, N1);
        cluster_deliver_at(&c, 0, false); /* N2 hears of it, and nothing of N1 after it */
        cluster_store(&c, N2);
        cluster_store(&c, N1);
        cluster_flush(&c, N2);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
        CHECK(holds(N1));
        c.cut[N1][N2] = c.cut[N2][N1] = true;
        for (int i = 0; i < 200; i++) {
            cluster_advance(&c, 10);
            if (raft_role(cluster_raft(&c, N2)) == RAFT_LEADER) cluster_propose(&c, N2, "a");
            cluster_read(&c, N1); /* the fixture looks whether it is fresh */
            cluster_flush(&c, N1);
        }
        cluster_fini(&c);
    }
}

/* A follower whose log goes on behind the lease entry with what another leader has left there may hold a
 * later word that leases are off, until an entry of this term takes its place. */
TEST(lease, an_ack_that_ends_before_the_own_term_does_not_count)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = 1 });
    cluster_elect(&c, N1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_LEASE, 1), 0);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    uint64_t lease_index = raft_config_index(cluster_raft(&c, N1));
    cluster_crash(&c, N1);
    cluster_isolate(&c, N2);
    cluster_advance(&c, 6 * ELECTION_MS);
    uint64_t leader = cluster_leader(&c), with = leader == N3 ? N4 : N3;
    CHECK(leader >= N3 && holds(leader));
    for (uint64_t id = N3; id <= N5; id++) {
        if (id != leader && id != with) cluster_isolate(&c, id);
    }
    for (int i = 0; i < 12 && !cluster_take(&c, RAFT_MSG_APPEND, leader, with); i++) {
        c.now_ms += 10;
        cluster_tick(&c, leader);
    }
    CHECK(c.last.type == RAFT_MSG_APPEND && c.last.from == leader);
    cluster_drop_all(&c);
    c.now_ms += LEASE_MS - 20; /* of this round; those before it have ended */
    struct raft_msg ack = { .type = RAFT_MSG_APPEND_REPLY, .from = with, .to = leader, .term = c.last.term };
    ack.append_reply.ok = true;
    ack.append_reply.match_index = raft_last_index(cluster_raft(&c, leader));
    ack.append_reply.round = c.last.append.round;
    CHECK_EQ(cluster_message(&c, &ack), 0);
    cluster_flush(&c, leader);
    CHECK(raft_role(cluster_raft(&c, leader)) == RAFT_LEADER && !holds(leader));
    ack.from = N2;
    ack.append_reply.match_index = lease_index;
    CHECK_EQ(cluster_message(&c, &ack), 0);
    cluster_flush(&c, leader);
    CHECK(raft_role(cluster_raft(&c, leader)) == RAFT_LEADER && !holds(leader));
    ack.append_reply.match_index = raft_last_index(cluster_raft(&c, leader));
    CHECK_EQ(cluster_message(&c, &ack), 0);
    cluster_flush(&c, leader);
    CHECK(holds(leader));
    cluster_fini(&c);
}
