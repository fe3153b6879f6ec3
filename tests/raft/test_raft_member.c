/* Membership: dissertation, chapter 4. */
#include "tests/raft/cluster.h"

static struct cluster c;

static uint8_t roles_of(uint64_t id, uint64_t member)
{
    const struct config_member *m = config_find(raft_config(cluster_raft(&c, id)), member);
    return m ? m->roles : 0;
}

TEST(member, one_is_added_catches_up_and_is_promoted)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 1, .seed = 1, .found = true });
    cluster_pump(&c);
    for (int i = 0; i < 50; i++) cluster_commit(&c, "a");
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_PROMOTE, N2), MS_ENOTFOUND);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N2), 0);
    uint64_t index = raft_last_index(cluster_raft(&c, N1));
    CHECK_EQ(roles_of(N1, N2), CONFIG_LEARNER | CONFIG_PROMOTE);
    CHECK_EQ(raft_config_index(cluster_raft(&c, N1)), index); /* at once */
    CHECK_EQ(config_find(raft_config(cluster_raft(&c, N1)), N2)->added_index, index);
    CHECK_EQ(config_find(raft_config(cluster_raft(&c, N1)), N1)->added_index, 1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N3), MS_EBUSY); /* one at a time (B16) */
    cluster_pump(&c);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), index); /* a learner is not asked (B59) */
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N2), MS_EEXIST);
    CHECK_EQ(cluster_change_url(&c, N1, N3, "http://n2:1"), MS_ECONFLICT);
    CHECK_EQ(cluster_change_url(&c, N1, N3, ""), MS_EINVAL);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_PROMOTE, N2), MS_EBUSY); /* it has nothing yet */
    cluster_start(&c, N2);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N2)), index);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N2)), index);
    CHECK_EQ(raft_config_index(cluster_raft(&c, N2)), index);
    CHECK_EQ(c.nodes[N2].state.config_index, index);
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_PROMOTE, N2), 0);
    CHECK_EQ(roles_of(N1, N2), CONFIG_VOTER);
    cluster_pump(&c);
    CHECK_EQ(roles_of(N2, N2), CONFIG_VOTER);
    CHECK_EQ(config_find(raft_config(cluster_raft(&c, N2)), N2)->added_index, index); /* still */
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_PROMOTE, N2), MS_EEXIST);
    CHECK_EQ(cluster_change_url(&c, N1, N2, "http://elsewhere:2"), 0);
    cluster_pump(&c);
    CHECK(strcmp(config_find(raft_config(cluster_raft(&c, N2)), N2)->url, "http://elsewhere:2") == 0);
    CHECK_EQ(roles_of(N2, N2), CONFIG_VOTER);
    cluster_isolate(&c, N2);
    CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    cluster_pump(&c);
    CHECK(raft_commit_index(cluster_raft(&c, N1)) <
          raft_last_index(cluster_raft(&c, N1))); /* needed now */
    CHECK_EQ(cluster_change(&c, N2, ENTRY_CHANGE_ADD, N3), MS_ENOLEADER);
    cluster_rejoin(&c, N2);
    cluster_converge(&c);
    cluster_fini(&c);
}

TEST(member, removals_are_refused_that_would_stop_the_cluster)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N7), MS_ENOTFOUND);
    cluster_crash(&c, N3);
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N2), MS_ENOQUORUM); /* N1 and the dead N3 */
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N3), 0);
    cluster_pump(&c);
    CHECK_EQ(config_voter_count(raft_config(cluster_raft(&c, N2))), 2);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE_FORCED, N2), 0);
    cluster_pump(&c);
    CHECK_EQ(config_voter_count(raft_config(cluster_raft(&c, N1))), 1);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), raft_last_index(cluster_raft(&c, N1)));
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE_FORCED, N1), MS_ECONFLICT); /* the last voter */
    cluster_fini(&c);
}

/* Found by sim --seed=2563125930 at a2dc80e: a leader just elected took a dead member for a live one. */
TEST(member, who_has_not_answered_yet_is_not_taken_for_live)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_crash(&c, N2);
    cluster_elect(&c, N1);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), raft_last_index(cluster_raft(&c, N1)));
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N3), MS_EBUSY); /* N2 may be on its way */
    cluster_advance(&c, ELECTION_MS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N3), MS_ENOQUORUM);
    CHECK_EQ(cluster_leader(&c), N1);
    cluster_fini(&c);
}

/* The leader talks to a removed member until that knows of its removal; then it is silent, and the
 * member never disturbs anybody. */
TEST(member, a_removed_member_learns_it)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 4, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N4), 0);
    uint64_t index = raft_last_index(cluster_raft(&c, N1)), term = raft_term(cluster_raft(&c, N1));
    uint64_t match;
    bool recent;
    CHECK(!raft_peer_match(cluster_raft(&c, N1), N4, &match, &recent));
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N4)), index);
    CHECK(config_find(&c.nodes[N4].state.config, N4) == NULL); /* applied: it stops by itself */
    c.nodes[N4].state.index = raft_commit_index(cluster_raft(&c, N4));
    cluster_commit(&c, "b");
    cluster_advance(&c, ELECTION_MS);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N4)), index); /* it gets nothing any more */
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK_EQ(raft_term(cluster_raft(&c, N4)), term); /* and campaigns no more */
    CHECK_EQ(cluster_leader(&c), N1);
    /* One that does not answer is given up after a while. */
    cluster_crash(&c, N3);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N3), 0);
    cluster_advance(&c, ELECTION_MS);
    uint64_t sent = c.sent[RAFT_MSG_APPEND];
    cluster_advance(&c, ELECTION_MS);
    CHECK(c.sent[RAFT_MSG_APPEND] > sent + 15);
    cluster_advance(&c, 5 * ELECTION_MS);
    sent = c.sent[RAFT_MSG_APPEND];
    cluster_advance(&c, ELECTION_MS);
    CHECK(c.sent[RAFT_MSG_APPEND] <= sent + 11);
    /* And if it comes back then, not knowing, it stays alone. */
    cluster_start(&c, N3);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK_EQ(raft_term(cluster_raft(&c, N1)), term);
    cluster_fini(&c);
}

/* It hands over before, so that its successor carries the change out. */
TEST(member, a_leader_that_is_to_be_removed_hands_over_first)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N1), MS_EBUSY);
    cluster_pump(&c);
    uint64_t leader = cluster_leader(&c);
    CHECK(leader == N2 || leader == N3); /* without waiting for a timeout */
    CHECK_EQ(cluster_change(&c, leader, ENTRY_CHANGE_REMOVE, N1), 0);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), leader);
    CHECK_EQ(raft_config(cluster_raft(&c, N2))->member_count, 2);
    cluster_fini(&c);
}

/* Dissertation, 4.2.2: if nobody takes over, it leads until the change is committed, without counting
 * itself (B65). */
TEST(member, a_leader_whom_nobody_succeeds_carries_out_its_own_removal)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 4, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_advance(&c, HEARTBEAT_MS);
    cluster_isolate(&c, N4);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N1), MS_EBUSY);
    for (uint64_t end = c.now_ms + 2 * ELECTION_MS; c.now_ms < end; c.now_ms += HEARTBEAT_MS / 2) {
        cluster_tick(&c, N1);
        while (cluster_take(&c, RAFT_MSG_TIMEOUT_NOW, N1, N2)) continue; /* lost on the way */
        while (cluster_take(&c, RAFT_MSG_TIMEOUT_NOW, N1, N3)) continue;
        cluster_pump(&c);
    }
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_LEADER);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N1), 0);
    uint64_t sent = c.sent[RAFT_MSG_TIMEOUT_NOW];
    CHECK_EQ(cluster_propose(&c, N1, "still leading"), 0);
    c.cut[N1][N3] = true; /* N1 and N2 hold it: two of three, but N1 is none of them */
    cluster_pump(&c);
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_LEADER);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), 2);
    c.cut[N1][N3] = false;
    uint64_t term = raft_term(cluster_raft(&c, N1)), at = c.now_ms;
    while (cluster_leader(&c) == N1 && c.now_ms < at + ELECTION_MS) cluster_advance(&c, 10);
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_FOLLOWER);
    CHECK(cluster_leader(&c) == N2 || cluster_leader(&c) == N3); /* without waiting for a timeout */
    CHECK_EQ(c.sent[RAFT_MSG_TIMEOUT_NOW], sent + 1);
    CHECK_EQ(raft_term(cluster_raft(&c, N2)), term + 1);
    cluster_heal(&c);
    cluster_converge(&c);
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK(raft_role(cluster_raft(&c, N1)) == RAFT_FOLLOWER); /* never again */
    cluster_fini(&c);
}

TEST(member, a_change_is_rolled_back_with_the_log)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .found = true });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_isolate(&c, N1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N4), 0);
    cluster_pump(&c);
    CHECK_EQ(raft_config(cluster_raft(&c, N1))->member_count, 4);
    CHECK_EQ(raft_config_index(cluster_raft(&c, N1)), 3);
    cluster_crash(&c, N1);
    c.opts.found = false;
    cluster_start(&c, N1); /* also over a restart */
    CHECK_EQ(raft_config_index(cluster_raft(&c, N1)), 3);
    cluster_advance(&c, 3 * ELECTION_MS);
    cluster_commit(&c, "b");
    cluster_rejoin(&c, N1);
    cluster_converge(&c);
    CHECK_EQ(raft_config(cluster_raft(&c, N1))->member_count, 3);
    CHECK_EQ(raft_config_index(cluster_raft(&c, N1)), 1);
    cluster_fini(&c);
}

/* Two founders of which one is outvoted: its ENTRY_INIT goes, and the bootstrap configuration is in
 * force until the other's comes. */
TEST(member, the_founding_entry_can_be_replaced)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .found = true });
    CHECK_EQ(raft_config_index(cluster_raft(&c, N1)), 0);
    CHECK_EQ(raft_config(cluster_raft(&c, N1))->member_count, 3);
    cluster_elect(&c, N1);
    for (uint64_t id = N1; id <= N3; id++) {
        struct entry e;
        CHECK_EQ(raft_config_index(cluster_raft(&c, id)), 1);
        CHECK_EQ(entry_decode(entry_ref_payload(raft_entry(cluster_raft(&c, id), 1)), &e), 0);
        CHECK(e.kind == ENTRY_INIT && e.body.data[0] == 0x5a);
    }
    cluster_fini(&c);
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .found = true });
    c.now_ms += 2 * ELECTION_MS;
    cluster_tick(&c, N1);
    while (raft_role(cluster_raft(&c, N1)) != RAFT_LEADER) {
        for (uint64_t id = N1; id <= N3; id++) cluster_store(&c, id);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
    }
    cluster_drop_all(&c);
    cluster_store(&c, N1); /* its own, alone */
    CHECK_EQ(raft_config_index(cluster_raft(&c, N1)), 1);
    cluster_isolate(&c, N1);
    cluster_elect(&c, N2);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N2)), 1);
    cluster_commit(&c, "a");
    cluster_rejoin(&c, N1);
    cluster_converge(&c);
    CHECK_EQ(raft_term_at(cluster_raft(&c, N1), 1), raft_term_at(cluster_raft(&c, N2), 1));
    cluster_fini(&c);
}

/* The single-server bug (raft-dev, 2015-07; B02). S1 leads a cluster of four in term 1 and appends the
 * removal of S4... told with additions as Ongaro did: two leaders each append a change that the other
 * has not seen. Without an entry of the own term committed first, both could commit with disjoint
 * majorities. */
TEST(member, no_change_before_an_entry_of_the_own_term_is_committed)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 4, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_isolate(&c, N1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N5), 0); /* S1 alone has it */
    cluster_pump(&c);
    cluster_isolate(&c, N1);
    /* S2 becomes leader of S2, S3, S4, and wishes a change at once. */
    c.now_ms += 2 * ELECTION_MS;
    cluster_tick(&c, N2);
    struct raft *r = cluster_raft(&c, N2);
    for (int i = 0; i < 100 && raft_role(r) != RAFT_LEADER; i++) {
        for (uint64_t id = N2; id <= N4; id++) cluster_store(&c, id);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
    }
    CHECK_EQ(raft_role(r), RAFT_LEADER);
    CHECK_EQ(cluster_change(&c, N2, ENTRY_CHANGE_REMOVE, N1), MS_EBUSY);
    cluster_pump(&c); /* its first entry is committed: by a majority that S1 needs too */
    CHECK_EQ(cluster_change(&c, N2, ENTRY_CHANGE_REMOVE, N1), 0);
    cluster_pump(&c);
    CHECK_EQ(raft_commit_index(r), raft_last_index(r));
    cluster_heal(&c);
    cluster_advance(&c, 5 * ELECTION_MS);
    cluster_converge(&c);
    CHECK_EQ(cluster_leader(&c), N2);
    cluster_fini(&c);
}

#define BITS3(a, b, c) (1u << (a) | 1u << (b) | 1u << (c))

/* Dissertation, 4.3, with a wish before it: from 1, 2, 3 to 1, 4, 5. */
TEST(member, several_are_exchanged_at_once)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    CHECK_EQ(cluster_change_set(&c, N2, ENTRY_CHANGE_SET, BITS3(N1, N4, N5)), MS_ENOLEADER);
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET, BITS3(N1, N2, N3)), MS_EEXIST);
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET, BITS3(N1, N4, N5)), 0);
    cluster_pump(&c);
    struct raft *r = cluster_raft(&c, N1);
    CHECK_EQ(config_voter_count(raft_config(r)), 3);
    CHECK_EQ(roles_of(N2, N2), CONFIG_VOTER | CONFIG_LEAVES);
    CHECK_EQ(roles_of(N1, N4), CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), MS_EBUSY); /* they have nothing yet */
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N6), MS_EBUSY);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_REMOVE, N2), MS_EBUSY);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_PROMOTE, N4), MS_EBUSY);
    cluster_commit(&c, "nobody who joins is waited for");
    CHECK_EQ(raft_commit_index(r), raft_last_index(r));
    cluster_start(&c, N4);
    cluster_advance(&c, 3 * HEARTBEAT_MS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), MS_EBUSY); /* both or none */
    cluster_start(&c, N5);
    cluster_advance(&c, 3 * HEARTBEAT_MS);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), 0);
    CHECK(config_is_joint(raft_config(r)));
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N6), MS_EBUSY);
    cluster_pump(&c);
    CHECK(!config_is_joint(raft_config(r))); /* left by itself */
    CHECK_EQ(raft_config(r)->member_count, 3);
    CHECK_EQ(roles_of(N4, N5), CONFIG_VOTER);
    CHECK(config_find(raft_config(cluster_raft(&c, N4)), N2) == NULL);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), MS_EEXIST);
    cluster_crash(&c, N2);
    cluster_crash(&c, N3);
    cluster_commit(&c, "b");
    CHECK_EQ(raft_commit_index(r), raft_last_index(r));
    cluster_fini(&c);
}

static void catch_up_new_members(uint32_t voters)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET, voters), 0);
    cluster_pump(&c);
    cluster_start(&c, N4);
    cluster_start(&c, N5);
    cluster_advance(&c, 3 * HEARTBEAT_MS);
}

TEST(member, a_joint_configuration_needs_both_majorities)
{
    catch_up_new_members(BITS3(N1, N4, N5));
    struct raft *r = cluster_raft(&c, N1);
    uint64_t commit = raft_commit_index(r);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), 0);
    cluster_isolate(&c, N4);
    cluster_isolate(&c, N5); /* 1, 2, 3: no majority of 1, 4, 5 */
    cluster_pump(&c);
    CHECK_EQ(raft_durable_index(cluster_raft(&c, N3)), commit + 1);
    CHECK_EQ(raft_commit_index(r), commit);
    struct cluster_read *read = cluster_read(&c, N1);
    cluster_advance(&c, HEARTBEAT_MS);
    CHECK_EQ(read->status, 1);
    cluster_fini(&c);
    catch_up_new_members(BITS3(N1, N4, N5));
    r = cluster_raft(&c, N1);
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), 0);
    cluster_isolate(&c, N2);
    cluster_isolate(&c, N3); /* 1, 4, 5: no majority of 1, 2, 3 */
    read = cluster_read(&c, N1);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_durable_index(cluster_raft(&c, N5)), commit + 1);
    CHECK_EQ(raft_commit_index(r), commit);
    CHECK_EQ(read->status, 1);
    cluster_advance(&c, 10 * ELECTION_MS); /* nor is anybody elected so */
    CHECK_EQ(cluster_leader(&c), 0);
    cluster_rejoin(&c, N2);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK(cluster_leader(&c) != 0);
    CHECK(!config_is_joint(raft_config(cluster_raft(&c, N4)))); /* a new leader goes on with it */
    CHECK_EQ(raft_config(cluster_raft(&c, N4))->member_count, 3);
    cluster_fini(&c);
}

TEST(member, a_leader_that_is_exchanged_hands_over_to_one_who_stays)
{
    catch_up_new_members(BITS3(N2, N4, N5));
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), MS_EBUSY);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(cluster_leader(&c), N2);
    CHECK_EQ(cluster_change(&c, N2, ENTRY_CHANGE_EXCHANGE, 0), 0);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_config(cluster_raft(&c, N5))->member_count, 3);
    CHECK_EQ(cluster_leader(&c), N2);
    cluster_fini(&c);
    catch_up_new_members(1u << N4 | 1u << N5); /* nobody stays: out of the joint configuration then */
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_EXCHANGE, 0), 0);
    cluster_advance(&c, 3 * HEARTBEAT_MS);
    CHECK(cluster_leader(&c) == N4 || cluster_leader(&c) == N5);
    CHECK_EQ(raft_config(cluster_raft(&c, N5))->member_count, 2);
    cluster_fini(&c);
}

TEST(member, a_set_that_could_never_commit_is_refused)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_crash(&c, N4);
    cluster_crash(&c, N5);
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET, BITS3(N1, N4, N5)), MS_ENOQUORUM);
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET, BITS3(N6, N4, N5)), MS_ENOQUORUM);
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET, BITS3(N1, N2, N5)), 0);
    cluster_pump(&c);
    CHECK_EQ(raft_config(cluster_raft(&c, N2))->member_count, 3);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), raft_last_index(cluster_raft(&c, N1)));
    CHECK_EQ(cluster_change_set(&c, N1, ENTRY_CHANGE_SET_FORCED, 1u << N5 | 1u << N1), 0);
    cluster_fini(&c);
}

/* One replica, without a cluster around it: every message for others is lost. */
static void settle(struct raft *r, uint64_t now_ms)
{
    struct raft_store store;
    while (raft_store_begin(r, 1 << 20, SIZE_MAX, &store)) {
        struct raft_input in = { .kind = RAFT_INPUT_STORED, .store_token = store.token };
        CHECK_EQ(raft_step(r, now_ms, &in, &c.out), 0);
    }
}

static int change_alone(struct raft *r, uint64_t now_ms, enum entry_change what, uint64_t id)
{
    struct raft_change change = { .change = what, .member_id = id };
    struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &change };
    snprintf(change.url, sizeof change.url, "http://n%d:1", (int)id);
    int rv = raft_step(r, now_ms, &in, &c.out);
    settle(r, now_ms);
    return rv;
}

/* As many members as there can be, and removed ones who have not heard of it yet. */
TEST(member, a_full_cluster_stays_within_its_bounds)
{
    struct test_alloc alloc;
    struct raft_opts o = { .id = 1,
                           .election_ms_min = 1000,
                           .heartbeat_ms = 100,
                           .inflight_count_max = 9,
                           .inflight_bytes_max = 1 << 20,
                           .append_bytes_max = 1 << 16,
                           .uncommitted_bytes_max = 1 << 20,
                           .unapplied_bytes_max = 1 << 20 };
    struct config_member self = { .id = 1, .roles = CONFIG_VOTER, .url = "http://n1:1" };
    struct config config = { 0 };
    struct raft_start start = { .config = &config };
    struct raft_input tick = { .kind = RAFT_INPUT_TICK }, read = { .kind = RAFT_INPUT_READ };
    struct raft *r;
    uint64_t now_ms = 5000;
    test_alloc_init(&alloc);
    CHECK_EQ(config_add(&config, &self), 0);
    CHECK_EQ(raft_create(&r, &o, &start, &alloc.face, NULL, now_ms), 0);
    CHECK_EQ(raft_step(r, now_ms, &tick, &c.out), 0);
    settle(r, now_ms);
    CHECK_EQ(raft_role(r), RAFT_LEADER);
    for (uint64_t id = 2; id <= MS_MEMBERS_MAX; id++) {
        CHECK_EQ(change_alone(r, now_ms, ENTRY_CHANGE_ADD, id), 0);
    }
    CHECK_EQ(change_alone(r, now_ms, ENTRY_CHANGE_ADD, 50), MS_ECONFLICT); /* full */
    for (uint64_t id = 2; id <= MS_MEMBERS_MAX; id++) {
        CHECK_EQ(change_alone(r, now_ms, ENTRY_CHANGE_REMOVE, id), 0);
        CHECK_EQ(change_alone(r, now_ms, ENTRY_CHANGE_ADD, id + 100), 0);
    }
    for (read.read_token = 1; read.read_token <= RAFT_READS_MAX; read.read_token++) {
        CHECK_EQ(raft_step(r, now_ms, &read, &c.out), 0);
    }
    CHECK_EQ(raft_step(r, now_ms + 100, &tick, &c.out), 0); /* everything at once */
    uint32_t appends = 0, reads = 0;
    for (uint32_t i = 0; i < c.out.count; i++) {
        const struct raft_output_item *item = &c.out.items[i];
        appends += item->kind == RAFT_OUTPUT_SEND && item->message.type == RAFT_MSG_APPEND;
        reads += item->kind == RAFT_OUTPUT_READ && item->read.status == 0;
    }
    CHECK_EQ(reads, RAFT_READS_MAX);
    CHECK(appends >= MS_MEMBERS_MAX - 1);
    CHECK_EQ(raft_config(r)->member_count, MS_MEMBERS_MAX);
    for (int role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++)
        CHECK(strlen(raft_role_name(role)) >= 6);
    raft_destroy(r);
    CHECK_EQ(alloc.alive, 0);
}
