/* Elections: Raft, section 5.2 and 5.4.1; dissertation, 4.2.3, 6.2, 9.6. */
#include "tests/raft/cluster.h"

static struct cluster c;

static struct raft_msg vote_request(uint64_t from, uint64_t to, uint64_t term, uint64_t last_index,
                                    uint64_t last_term)
{
    struct raft_msg m = { .type = RAFT_MSG_VOTE, .from = from, .to = to, .term = term };
    m.vote.last_index = last_index;
    m.vote.last_term = last_term;
    return m;
}

static struct raft_msg heartbeat(uint64_t from, uint64_t to, uint64_t term)
{
    return (struct raft_msg){ .type = RAFT_MSG_APPEND, .from = from, .to = to, .term = term };
}

TEST(election, one_leader_comes_by_itself_and_stays)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = seed });
        cluster_advance(&c, 5 * ELECTION_MS);
        uint64_t leader = cluster_leader(&c);
        CHECK(leader != 0);
        uint64_t term = raft_term(cluster_raft(&c, leader)), lines = c.log_lines;
        CHECK(lines >= 7); /* each says what it becomes */
        cluster_commit(&c, "a");
        cluster_advance(&c, 10 * ELECTION_MS);
        CHECK_EQ(c.log_lines, lines); /* and nothing while nothing happens */
        CHECK_EQ(cluster_leader(&c), leader);
        for (uint64_t id = N1; id <= N5; id++) {
            CHECK_EQ(raft_term(cluster_raft(&c, id)), term);
            CHECK_EQ(raft_leader(cluster_raft(&c, id)), leader);
            CHECK_EQ(raft_commit_index(cluster_raft(&c, id)), 2);
        }
        cluster_fini(&c);
    }
}

TEST(election, a_sole_voter_waits_for_nobody)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 1, .seed = 1, .found = true });
    struct raft *r = cluster_raft(&c, N1);
    CHECK(raft_role(r) == RAFT_CANDIDATE); /* FOUND was enough */
    cluster_pump(&c);
    CHECK(raft_role(r) == RAFT_LEADER);
    cluster_commit(&c, "a");
    CHECK_EQ(raft_commit_index(r), 2);
    CHECK_EQ(raft_config_index(r), 1);
    CHECK_EQ(raft_config(r)->members[0].added_index, 1); /* ENTRY_INIT has added it */
    CHECK_EQ(raft_deadline_ms(r), MS_TIME_NEVER);
    cluster_crash(&c, N1);
    c.opts.found = false; /* it knows by its log now */
    cluster_start(&c, N1);
    r = cluster_raft(&c, N1);
    CHECK_EQ(raft_deadline_ms(r), c.now_ms); /* wants its first tick at once */
    cluster_tick(&c, N1);
    CHECK(raft_role(r) == RAFT_CANDIDATE);
    CHECK_EQ(raft_config_index(r), 1);
    cluster_pump(&c);
    CHECK(raft_role(r) == RAFT_LEADER);
    CHECK_EQ(raft_commit_index(r), 3);
    CHECK_EQ(c.sent[RAFT_MSG_VOTE], 0);
    cluster_fini(&c);
}

TEST(election, a_sole_voter_commits_only_what_is_durable)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 1, .seed = 1, .manual_store = true });
    cluster_tick(&c, N1);
    struct raft *r = cluster_raft(&c, N1);
    CHECK(raft_role(r) == RAFT_CANDIDATE); /* its own vote is not durable yet (B50) */
    cluster_store_begin(&c, N1);
    CHECK(raft_role(r) == RAFT_CANDIDATE);
    cluster_store_end(&c, N1);
    CHECK(raft_role(r) == RAFT_LEADER);
    CHECK_EQ(raft_last_index(r), 1);
    CHECK_EQ(raft_commit_index(r), 0);
    CHECK(cluster_store_begin(&c, N1));
    CHECK_EQ(cluster_propose(&c, N1, "later"), 0);
    CHECK(!cluster_store_begin(&c, N1)); /* one at a time */
    cluster_store_end(&c, N1);
    CHECK_EQ(raft_commit_index(r), 1);
    CHECK_EQ(raft_durable_index(r), 1);
    cluster_store(&c, N1);
    CHECK_EQ(raft_commit_index(r), 2);
    cluster_fini(&c);
}

/* Raft, section 5.4.1: a voter refuses a candidate whose log is behind its own. Terms come first. */
TEST(election, refuses_a_candidate_with_a_log_that_is_behind)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = 1, .idle = true });
    cluster_disk_entry(&c, N1, 2, "a");
    cluster_disk_entry(&c, N1, 4, "b");
    cluster_start(&c, N1);
    struct {
        uint64_t last_index, last_term;
        bool granted;
    } cases[] = { { 1, 4, false }, { 9, 3, false }, { 2, 4, true }, { 3, 4, true }, { 1, 5, true } };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int pre = 1; pre >= 0; pre--) {
            struct raft_msg m = vote_request(N2, N1, 6 + i, cases[i].last_index, cases[i].last_term);
            m.vote.pre = pre;
            CHECK_EQ(cluster_message(&c, &m), 0);
            cluster_store(&c, N1);
            CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N2));
            CHECK_EQ(c.last.vote_reply.granted, cases[i].granted);
            CHECK_EQ(c.last.vote_reply.pre, pre);
            CHECK_EQ(c.last.vote_reply.asked_term, 6 + i);
            if (!pre) CHECK_EQ(raft_vote(cluster_raft(&c, N1)), cases[i].granted ? N2 : 0);
            if (pre)
                CHECK_EQ(raft_term(cluster_raft(&c, N1)), i ? 5 + i : 4); /* asks, changes nothing */
        }
    }
    cluster_fini(&c);
}

TEST(election, one_vote_a_term_also_over_a_restart)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .manual_store = true });
    struct raft_msg m = vote_request(N2, N1, 5, 0, 0);
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(!cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N2)); /* not before it is durable (B42) */
    CHECK(cluster_store_begin(&c, N1));
    CHECK(!cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N2));
    struct raft_msg other = vote_request(N3, N1, 5, 0, 0);
    CHECK_EQ(cluster_message(&c, &other), 0);
    cluster_store_end(&c, N1);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N2));
    CHECK(c.last.vote_reply.granted && c.last.term == 5);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N3));
    CHECK(!c.last.vote_reply.granted);
    CHECK_EQ(cluster_message(&c, &m), 0); /* the same candidate again: yes, at once */
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N2));
    CHECK(c.last.vote_reply.granted);
    cluster_crash(&c, N1);
    cluster_start(&c, N1);
    CHECK_EQ(cluster_message(&c, &other), 0);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N3));
    CHECK(!c.last.vote_reply.granted);
    CHECK_EQ(raft_vote(cluster_raft(&c, N1)), N2);
    /* A vote that a newer term has overtaken before it was durable never leaves. */
    m.term = 6;
    other.term = 7;
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_store_begin(&c, N1));
    CHECK_EQ(cluster_message(&c, &other), 0);
    cluster_store_end(&c, N1);
    CHECK_EQ(c.message_count, 0);
    cluster_store(&c, N1);
    CHECK(!cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N2));
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N1, N3));
    CHECK(c.last.vote_reply.granted && c.last.term == 7);
    cluster_fini(&c);
}

TEST(election, a_voter_that_hears_its_leader_is_not_disturbed)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    uint64_t term = raft_term(cluster_raft(&c, N1));
    cluster_advance(&c, ELECTION_MS);
    uint64_t last = raft_last_index(cluster_raft(&c, N2));
    for (int pre = 0; pre <= 1; pre++) {
        struct raft_msg m = vote_request(N3, N2, term + 1, last, term);
        m.vote.pre = pre;
        CHECK_EQ(cluster_message(&c, &m), 0);
        CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N2, N3));
        CHECK(!c.last.vote_reply.granted && c.last.term == term);
        CHECK_EQ(raft_term(cluster_raft(&c, N2)), term); /* not even the term is taken over (B62) */
        m.to = N1;                                       /* nor is the leader moved */
        CHECK_EQ(cluster_message(&c, &m), 0);
        CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_LEADER);
    }
    cluster_drop_all(&c);
    /* A member that was cut off comes back without having moved its term, and disturbs nobody. */
    cluster_isolate(&c, N3);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK_EQ(raft_term(cluster_raft(&c, N3)), term);
    CHECK_EQ(raft_role(cluster_raft(&c, N3)), RAFT_PRE_CANDIDATE);
    cluster_rejoin(&c, N3);
    cluster_advance(&c, 3 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK_EQ(raft_term(cluster_raft(&c, N1)), term);
    /* Its own connection to the leader has closed: now it may grant early. */
    struct raft_msg m = vote_request(N3, N2, term + 1, raft_last_index(cluster_raft(&c, N2)), term);
    m.vote.pre = true;
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    in.link.peer = N1;
    CHECK_EQ(cluster_step(&c, N2, &in), 0);
    CHECK(raft_deadline_ms(cluster_raft(&c, N2)) <= c.now_ms + ELECTION_MS / 10);
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N2, N3));
    CHECK(c.last.vote_reply.granted && c.last.vote_reply.pre);
    /* The leader is alive after all. */
    m = heartbeat(N1, N2, term);
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(raft_deadline_ms(cluster_raft(&c, N2)) >= c.now_ms + ELECTION_MS);
    cluster_fini(&c);
}

TEST(election, a_closed_connection_speeds_fail_over)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 3 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_advance(&c, ELECTION_MS);
    cluster_crash(&c, N1);
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    in.link.peer = N1;
    CHECK_EQ(cluster_step(&c, N2, &in), 0);
    CHECK_EQ(cluster_step(&c, N3, &in), 0);
    cluster_advance(&c, 300);
    CHECK(cluster_leader(&c) == N2 || cluster_leader(&c) == N3);
    cluster_commit(&c, "b");
    cluster_fini(&c);
}

TEST(election, a_leader_without_answers_steps_down)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_isolate(&c, N1);
    cluster_advance(&c, ELECTION_MS - 50);
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_LEADER);
    cluster_advance(&c, 200);
    CHECK(raft_role(cluster_raft(&c, N1)) != RAFT_LEADER);
    CHECK_EQ(cluster_propose(&c, N1, "lost"), MS_ENOLEADER);
    cluster_advance(&c, 3 * ELECTION_MS);
    cluster_commit(&c, "b");
    cluster_rejoin(&c, N1);
    cluster_converge(&c);
    cluster_fini(&c);
}

/* BUGS B18, B64: one cohort has the longer log, the other the higher term; the vote that one of them
 * needs is behind a higher term than it knows. */
TEST(election, a_higher_term_is_learned_from_a_refused_pre_vote)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .idle = true });
    cluster_disk_entry(&c, N1, 1, "a");
    cluster_disk_entry(&c, N1, 2, "b");
    cluster_disk_entry(&c, N2, 1, "a");
    cluster_disk_hard(&c, N2, 8, N2);
    cluster_start(&c, N1);
    cluster_start(&c, N2); /* N3 never starts: both of these are needed */
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK(raft_term(cluster_raft(&c, N1)) >= 9);
    cluster_fini(&c);
}

TEST(election, only_votes_of_this_campaign_count_and_each_once)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = 1 });
    c.now_ms += 2 * ELECTION_MS;
    CHECK_EQ(cluster_tick(&c, N1), 0);
    struct raft *r = cluster_raft(&c, N1);
    CHECK_EQ(raft_role(r), RAFT_PRE_CANDIDATE);
    struct raft_msg reply = { .type = RAFT_MSG_VOTE_REPLY, .from = N2, .to = N1, .term = 1 };
    reply.vote_reply.granted = true;
    reply.vote_reply.asked_term = 1;
    CHECK_EQ(cluster_message(&c, &reply),
             0); /* a vote, of a higher term, but nobody has asked for it */
    CHECK_EQ(raft_role(r), RAFT_FOLLOWER);
    c.now_ms += 2 * ELECTION_MS;
    cluster_store(&c, N1);
    CHECK_EQ(cluster_tick(&c, N1), 0);
    CHECK_EQ(raft_role(r), RAFT_PRE_CANDIDATE);
    reply.vote_reply.pre = true;
    reply.vote_reply.asked_term = raft_term(r) + 1;
    for (int i = 0; i < 5; i++) CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_PRE_CANDIDATE); /* one voter, one vote (B61) */
    reply.from = N3;
    reply.vote_reply.abstain = true;
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_PRE_CANDIDATE);
    reply.vote_reply.abstain = false;
    reply.from = N7; /* no member */
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_PRE_CANDIDATE);
    reply.from = N3;
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_CANDIDATE);
    cluster_store(&c, N1);
    reply.from = N4; /* a pre-vote is no vote (B40) */
    CHECK_EQ(cluster_message(&c, &reply), 0);
    reply.from = N5;
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_CANDIDATE);
    reply.vote_reply.pre = false;
    reply.term = raft_term(r);
    reply.vote_reply.asked_term = raft_term(r);
    reply.from = N4;
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_CANDIDATE);
    reply.from = N5;
    CHECK_EQ(cluster_message(&c, &reply), 0);
    CHECK_EQ(raft_role(r), RAFT_LEADER);
    cluster_fini(&c);
}

/* BUGS B08: nobody campaigns with a log that is in memory only. */
TEST(election, campaigns_from_durable_state_only)
{
    static const uint8_t noop[] = { ENTRY_NOOP, ENTRY_VERSION, 0 };
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .manual_store = true });
    struct raft *r = cluster_raft(&c, N1);
    struct raft_msg_entry e = { .term = 3, .payload = bytes_of(noop, sizeof noop) };
    struct raft_msg m = heartbeat(N2, N1, 3);
    m.append.count = 1;
    m.append.entries = &e;
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_store_begin(&c, N1));
    c.now_ms += 3 * ELECTION_MS;
    CHECK_EQ(cluster_tick(&c, N1), 0);
    CHECK_EQ(raft_role(r), RAFT_FOLLOWER);
    CHECK(raft_deadline_ms(r) > c.now_ms); /* no busy waiting */
    CHECK_EQ(c.message_count, 0);          /* an ack of the entry neither */
    cluster_store_end(&c, N1);
    CHECK_EQ(raft_role(r), RAFT_PRE_CANDIDATE);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE, N1, N3));
    CHECK(c.last.vote.pre && c.last.term == 4 && c.last.vote.last_index == 1 &&
          c.last.vote.last_term == 3);
    /* A leader that shows up meanwhile ends the wish. */
    e.term = 4;
    m.term = 4;
    m.append.prev_index = 1;
    m.append.prev_term = 3;
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_store_begin(&c, N1));
    c.now_ms += 3 * ELECTION_MS;
    CHECK_EQ(cluster_tick(&c, N1), 0);
    m.append.prev_index = 2;
    m.append.prev_term = 4;
    m.append.count = 0;
    CHECK_EQ(cluster_message(&c, &m), 0);
    cluster_store_end(&c, N1);
    CHECK_EQ(raft_role(r), RAFT_FOLLOWER);
    cluster_fini(&c);
}

TEST(election, a_member_that_may_not_campaign_does_not)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_start(&c, N4); /* knows no configuration with itself in it */
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK_EQ(raft_role(cluster_raft(&c, N4)), RAFT_FOLLOWER);
    CHECK_EQ(raft_term(cluster_raft(&c, N4)), 0);
    /* But it votes when asked: it may be a voter in a configuration it has not seen (B46). */
    struct raft_msg m = vote_request(N2, N4, 9, 5, 1);
    CHECK_EQ(cluster_message(&c, &m), 0);
    cluster_store(&c, N4);
    CHECK(cluster_take(&c, RAFT_MSG_VOTE_REPLY, N4, N2));
    CHECK(c.last.vote_reply.granted);
    struct raft_msg now = { .type = RAFT_MSG_TIMEOUT_NOW, .from = N2, .to = N4, .term = 9 };
    CHECK_EQ(cluster_message(&c, &now), 0);
    CHECK_EQ(raft_role(cluster_raft(&c, N4)), RAFT_FOLLOWER);
    cluster_fini(&c);
}

TEST(election, leadership_is_handed_over_without_waiting)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    uint64_t term = raft_term(cluster_raft(&c, N1)), pre = c.sent[RAFT_MSG_VOTE];
    cluster_elect(&c, N2); /* TIMEOUT_NOW; everybody has just heard of N1 */
    CHECK_EQ(raft_term(cluster_raft(&c, N2)), term + 1);
    CHECK_EQ(c.sent[RAFT_MSG_VOTE], pre + 2); /* no pre-vote */
    CHECK_EQ(raft_role(cluster_raft(&c, N1)), RAFT_FOLLOWER);
    cluster_commit(&c, "b");
    struct raft_msg old = { .type = RAFT_MSG_TIMEOUT_NOW, .from = N1, .to = N3, .term = term };
    CHECK_EQ(cluster_message(&c, &old), 0);
    old.term = term + 1; /* not the leader of that term */
    CHECK_EQ(cluster_message(&c, &old), MS_EPROTO);
    CHECK_EQ(raft_role(cluster_raft(&c, N3)), RAFT_FOLLOWER);
    cluster_fini(&c);
}

TEST(election, who_abstains_takes_the_log_and_counts_nowhere)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    struct raft_input in = { .kind = RAFT_INPUT_ABSTAIN, .abstain = true };
    CHECK_EQ(cluster_step(&c, N3, &in), 0);
    CHECK(raft_abstains(cluster_raft(&c, N3)) && !raft_abstains(cluster_raft(&c, N1)));
    cluster_commit(&c, "b"); /* N1 and N2 */
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N3)), 3);
    cluster_crash(&c, N2);
    CHECK_EQ(cluster_propose(&c, N1, "c"), 0);
    cluster_pump(&c);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N3)), 4);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), 3);
    uint64_t match;
    bool recent;
    CHECK(raft_peer_match(cluster_raft(&c, N1), N3, &match, &recent));
    CHECK(match == 4); /* progress moves all the same */
    struct cluster_read *read = cluster_read(&c, N1);
    cluster_pump(&c);
    CHECK_EQ(read->status, 1);
    cluster_advance(&c, 5 * ELECTION_MS); /* no quorum: N1 steps down, nobody is elected */
    CHECK_EQ(cluster_leader(&c), 0);
    CHECK_EQ(raft_role(cluster_raft(&c, N3)), RAFT_FOLLOWER); /* never campaigns */
    in.abstain = false;
    CHECK_EQ(cluster_step(&c, N3, &in), 0);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK(cluster_leader(&c) != 0);
    cluster_commit(&c, "d");
    /* A leader that is told to abstain makes room. */
    uint64_t leader = cluster_leader(&c);
    cluster_start(&c, N2);
    cluster_pump(&c);
    in.abstain = true;
    CHECK_EQ(cluster_step(&c, leader, &in), 0);
    CHECK_EQ(raft_role(cluster_raft(&c, leader)), RAFT_FOLLOWER);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK(cluster_leader(&c) != 0 && cluster_leader(&c) != leader);
    cluster_commit(&c, "e");
    cluster_fini(&c);
}

TEST(election, messages_that_no_correct_peer_sends_are_refused)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    uint64_t term = raft_term(cluster_raft(&c, N1));
    struct raft_msg good = heartbeat(N1, N2, term), m = good;
    m.from = N2;
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = good, m.term = 0;
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = good, m.term = UINT64_MAX;
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = good, m.from = N3; /* two leaders in a term */
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = good, m.append.prev_index = 1; /* without a term */
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = vote_request(N3, N2, term + 1, 1, term + 1); /* a log of the future */
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    struct raft_input in = { .kind = RAFT_INPUT_MESSAGE, .message = &good };
    CHECK_EQ(cluster_step(&c, N3, &in), MS_EPROTO); /* for another */
    struct raft_msg ack = { .type = RAFT_MSG_APPEND_REPLY, .from = N2, .to = N1, .term = term };
    ack.append_reply.ok = true;
    ack.append_reply.match_index = 99;
    CHECK_EQ(cluster_message(&c, &ack), MS_EPROTO);
    ack.append_reply.match_index = 0;
    ack.append_reply.round = 99;
    CHECK_EQ(cluster_message(&c, &ack), MS_EPROTO);
    cluster_commit(&c, "a"); /* nothing has come of it */
    CHECK_EQ(raft_term(cluster_raft(&c, N1)), term);
    cluster_fini(&c);
}

/* A leader that sends with each turn has no heartbeat due, and looks for its quorum all the same. */
TEST(election, a_busy_leader_is_woken_to_look_for_its_quorum)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    struct raft *r = cluster_raft(&c, N1);
    uint64_t begun = c.now_ms;
    cluster_isolate(&c, N1);
    while (raft_role(r) == RAFT_LEADER && c.now_ms < begun + 4 * ELECTION_MS) {
        c.now_ms += 10;
        cluster_propose(&c, N1, "a");
        cluster_read(&c, N1); /* a round: appends to all */
        cluster_flush(&c, N1);
        cluster_drop_all(&c);
        if (raft_deadline_ms(r) <= c.now_ms) cluster_tick(&c, N1);
    }
    CHECK(c.now_ms <= begun + 2 * ELECTION_MS + 20);
    cluster_fini(&c);
}
