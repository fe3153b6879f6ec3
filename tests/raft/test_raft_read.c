/* Read index: dissertation, 6.4. */
#include "tests/raft/cluster.h"

static struct cluster c;

TEST(read, one_round_confirms_all_reads_of_a_turn)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    uint64_t sent = c.sent[RAFT_MSG_APPEND];
    struct cluster_read *reads[10];
    for (int i = 0; i < 10; i++) reads[i] = cluster_read(&c, N1);
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent);
    cluster_pump(&c);
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent + 2);
    for (int i = 0; i < 10; i++) CHECK(reads[i]->status == 0 && reads[i]->index == 2);
    /* From a follower, in one question and one round more. */
    struct cluster_read *read = cluster_read(&c, N3);
    CHECK_EQ(c.sent[RAFT_MSG_READ], 1);
    CHECK_EQ(read->status, 1);
    cluster_pump(&c);
    CHECK(read->status == 0 && read->index == 2);
    CHECK_EQ(c.sent[RAFT_MSG_READ_REPLY], 1);
    cluster_fini(&c);
    /* Alone. */
    cluster_init(&c, (struct cluster_opts){ .node_count = 1, .seed = 1 });
    cluster_tick(&c, N1);
    cluster_pump(&c);
    read = cluster_read(&c, N1);
    cluster_flush(&c, N1);
    CHECK_EQ(read->status, 0);
    cluster_fini(&c);
}

/* BUGS B01: acks of appends sent before the read came in confirm nothing. */
TEST(read, only_a_round_begun_after_the_read_confirms_it)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .manual_apply = true });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    struct cluster_read *first = cluster_read(&c, N1);
    cluster_flush(&c, N1);
    while (c.message_count > 2) cluster_deliver_at(&c, 0, false);
    CHECK_EQ(c.message_count, 2);
    cluster_deliver_at(&c, 0, false);
    cluster_deliver_at(&c, 0, false);
    cluster_flush(&c, N2);
    cluster_flush(&c, N3); /* two acks of the first round are under way */
    CHECK_EQ(c.message_count, 2);
    struct cluster_read *second = cluster_read(&c, N1);
    cluster_deliver_at(&c, 0, true);
    CHECK_EQ(first->status, 0);
    CHECK_EQ(second->status, 1);
    cluster_flush(&c, N1);                                      /* begins the second round */
    while (cluster_take(&c, RAFT_MSG_APPEND, N1, N2)) continue; /* which reaches nobody */
    while (cluster_take(&c, RAFT_MSG_APPEND, N1, N3)) continue;
    CHECK(c.message_count > 0);
    while (c.message_count > 0) cluster_deliver_at(&c, 0, false); /* late acks, and one twice */
    CHECK_EQ(second->status, 1);
    cluster_advance(&c, HEARTBEAT_MS);
    CHECK_EQ(second->status, 0);
    cluster_fini(&c);
}

/* BUGS B25: a new leader does not know what is committed until an entry of its own term is. */
TEST(read, waits_for_an_entry_of_the_leaders_term)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .manual_store = true });
    c.now_ms += 2 * ELECTION_MS;
    cluster_tick(&c, N1);
    struct raft *r = cluster_raft(&c, N1);
    while (raft_role(r) != RAFT_LEADER) {
        for (uint64_t id = N1; id <= N3; id++) cluster_store(&c, id);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
    }
    struct cluster_read *read = cluster_read(&c, N1);
    cluster_pump(&c);
    c.now_ms += HEARTBEAT_MS;
    cluster_tick(&c, N1);
    cluster_pump(&c); /* rounds come and go, nothing is stored: nothing committed */
    CHECK_EQ(raft_commit_index(r), 0);
    CHECK_EQ(read->status, 1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N4), MS_EBUSY); /* nor a change (B02) */
    c.opts.manual_store = false;
    cluster_pump(&c);
    CHECK(read->status == 0 && read->index == 1);
    cluster_fini(&c);
}

TEST(read, a_deposed_leader_confirms_nothing)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_isolate(&c, N1);
    struct cluster_read *own = cluster_read(&c, N1);
    cluster_pump(&c);
    c.now_ms += ELECTION_MS;
    cluster_tick(&c, N2); /* N1 has not noticed anything yet */
    for (int i = 0; i < 3 && cluster_leader(&c) != N2; i++) {
        cluster_pump(&c);
        c.now_ms += 2 * ELECTION_MS;
        if (raft_role(cluster_raft(&c, N2)) != RAFT_LEADER) cluster_tick(&c, N2);
    }
    cluster_pump(&c);
    CHECK_EQ(raft_role(cluster_raft(&c, N2)), RAFT_LEADER);
    cluster_commit(&c, "b");
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_LEADER);
    struct cluster_read *late = cluster_read(&c, N1);
    cluster_flush(&c, N1);
    CHECK(own->status == 1 && late->status == 1);
    cluster_rejoin(&c, N1);
    cluster_advance(&c, 3 * HEARTBEAT_MS);
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_FOLLOWER);
    CHECK(own->status == MS_ENOLEADER && late->status == MS_ENOLEADER);
    cluster_fini(&c);
}

TEST(read, a_follower_whose_leader_is_gone_says_so)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    struct cluster_read *read = cluster_read(&c, N1);
    CHECK_EQ(read->status, MS_ENOLEADER); /* no leader yet */
    cluster_elect(&c, N1);
    cluster_isolate(&c, N3);
    read = cluster_read(&c, N3); /* the question is lost */
    cluster_pump(&c);
    CHECK_EQ(read->status, 1);
    cluster_advance(&c, 3 * ELECTION_MS);
    CHECK_EQ(read->status, MS_ENOLEADER);
    cluster_rejoin(&c, N3);
    cluster_advance(&c, ELECTION_MS);
    /* Asked of one who does not lead. */
    struct raft_msg m = {
        .type = RAFT_MSG_READ, .from = N2, .to = N3, .term = raft_term(c.nodes[N3].raft)
    };
    m.read.token = 77;
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_take(&c, RAFT_MSG_READ_REPLY, N3, N2));
    CHECK(c.last.read_reply.status == MS_ENOLEADER && c.last.read_reply.token == 77);
    read = cluster_read(&c, N3);
    uint64_t token = read->token;
    cluster_drop_all(&c);
    m = (struct raft_msg){ .type = RAFT_MSG_READ_REPLY, .from = N1, .to = N3, .term = m.term };
    m.read_reply.token = token + 100; /* of another life */
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK_EQ(read->status, 1);
    m.read_reply.token = token;
    m.read_reply.status = MS_EBUSY;
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK_EQ(read->status, MS_ENOLEADER);
    cluster_fini(&c);
}

TEST(read, tables_are_bounded)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_isolate(&c, N3);
    struct cluster_read *first = cluster_read(&c, N3);
    for (uint32_t i = 1; i < RAFT_READS_MAX; i++) CHECK_EQ(cluster_read(&c, N3)->status, 1);
    CHECK_EQ(cluster_read(&c, N3)->status, MS_EBUSY);
    c.now_ms += ELECTION_MS;
    CHECK_EQ(cluster_read(&c, N3)->status, 1); /* in the place of one that nobody waits for any more */
    CHECK_EQ(first->status, MS_ENOLEADER);
    cluster_rejoin(&c, N3);
    cluster_drop_all(&c);
    /* Those of others on the leader: what finds no room is refused, the rest is answered in turns. */
    struct raft_msg m = {
        .type = RAFT_MSG_READ, .from = N2, .to = N1, .term = raft_term(c.nodes[N1].raft)
    };
    for (m.read.token = 1; m.read.token <= 300; m.read.token++) {
        CHECK_EQ(cluster_message(&c, &m), 0);
        if (m.read.token == 5) CHECK_EQ(cluster_message(&c, &m), 0); /* twice is once */
    }
    uint64_t refused = c.sent[RAFT_MSG_READ_REPLY];
    CHECK(refused > 0 && refused < 300);
    CHECK(cluster_take(&c, RAFT_MSG_READ_REPLY, N1, N2));
    CHECK_EQ(c.last.read_reply.status, MS_EBUSY);
    cluster_advance(&c, HEARTBEAT_MS);
    CHECK_EQ(c.sent[RAFT_MSG_READ_REPLY], 300);
    CHECK(raft_deadline_ms(cluster_raft(&c, N1)) > c.now_ms);
    cluster_fini(&c);
}
