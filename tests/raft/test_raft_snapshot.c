/* Compaction and snapshots: Raft, section 7. */
#include "tests/raft/cluster.h"

static struct cluster c;

static void compact(uint64_t id)
{
    cluster_compact(&c, id, c.nodes[id].state.index);
}

TEST(snapshot, a_peer_behind_the_log_gets_one)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .found = true });
    cluster_elect(&c, N1);
    cluster_isolate(&c, N3);
    for (int i = 0; i < 20; i++) cluster_commit(&c, "a");
    CHECK_EQ(cluster_change(&c, N1, ENTRY_CHANGE_ADD, N4), 0);
    cluster_pump(&c);
    struct raft *r = cluster_raft(&c, N1);
    compact(N1);
    CHECK_EQ(raft_first_index(r), 23);
    CHECK_EQ(raft_last_index(r), 22);
    CHECK(raft_term_at(r, 22) != 0 && raft_term_at(r, 21) == 0); /* B75 */
    CHECK_EQ(raft_config_index(r), 22);
    cluster_rejoin(&c, N3);
    for (int i = 0; i < 3; i++) { /* it is asked for once, and heartbeats go on meanwhile */
        c.now_ms += HEARTBEAT_MS;
        cluster_tick(&c, N1);
        while (i == 2 && cluster_take(&c, RAFT_MSG_APPEND, N1, N3)) {
            CHECK_EQ(c.last.append.prev_index, 0);
            CHECK(c.last.append.commit_index <= 1); /* no more than it is known to have */
        }
        for (uint64_t id = N1; id <= N3; id++) cluster_store(&c, id);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
        for (uint64_t id = N1; id <= N3; id++) cluster_flush(&c, id);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
    }
    CHECK(c.nodes[N1].snapshot_wanted[N3]);
    CHECK(c.nodes[N1].snapshot_count <= 2); /* N3, N4 */
    struct raft_input in = { .kind = RAFT_INPUT_SNAPSHOT_DONE };
    in.snapshot_done.peer = N3;
    in.snapshot_done.status = MS_ETIMEOUT;
    uint64_t count = c.nodes[N1].snapshot_count;
    CHECK_EQ(cluster_step(&c, N1, &in), 0);
    cluster_flush(&c, N1);
    CHECK_EQ(c.nodes[N1].snapshot_count, count); /* not again at once */
    c.now_ms += HEARTBEAT_MS;
    cluster_tick(&c, N1);
    CHECK_EQ(c.nodes[N1].snapshot_count, count + 1);
    cluster_start(&c, N4); /* a learner gets one too, and the configuration with it */
    cluster_converge(&c);
    CHECK_EQ(raft_first_index(cluster_raft(&c, N3)), 23);
    CHECK_EQ(raft_config_index(cluster_raft(&c, N4)), 22);
    CHECK_EQ(cluster_leader(&c), N1);
    cluster_commit(&c, "b");
    /* From a log that is a snapshot and nothing else one can restart, vote and win. */
    compact(N3);
    cluster_crash(&c, N3);
    c.opts.found = false;
    cluster_start(&c, N3);
    cluster_advance(&c, HEARTBEAT_MS);
    cluster_elect(&c, N3);
    cluster_commit(&c, "c");
    cluster_converge(&c);
    cluster_fini(&c);
}

/* A transfer holds a view of the state and a piece of the log: one who is down gets no offer, however
 * long that is, and one at once when it is heard again. */
TEST(snapshot, who_does_not_answer_is_offered_none)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .found = true });
    cluster_elect(&c, N1);
    cluster_isolate(&c, N3);
    cluster_advance(&c, ELECTION_MS + HEARTBEAT_MS); /* what it said last is long ago */
    for (int i = 0; i < 20; i++) cluster_commit(&c, "a");
    compact(N1);
    cluster_advance(&c, 5 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1);
    CHECK_EQ(c.nodes[N1].snapshot_count, 0);
    cluster_rejoin(&c, N3);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(c.nodes[N1].snapshot_count, 1);
    cluster_converge(&c);
    cluster_fini(&c);
}

/* What follows a snapshot in the log stays if the log holds the snapshot's last entry (Raft, figure
 * 13). */
TEST(snapshot, installing_keeps_a_suffix_that_fits)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .idle = true });
    for (int i = 0; i < 10; i++) cluster_disk_entry(&c, N1, 1, "a");
    cluster_start(&c, N1);
    struct raft *r = cluster_raft(&c, N1);
    struct raft_msg m = { .type = RAFT_MSG_APPEND, .from = N2, .to = N1, .term = 2 };
    CHECK_EQ(cluster_message(&c, &m), 0);
    cluster_store(&c, N1);
    cluster_flush(&c, N1);
    cluster_drop_all(&c);
    struct raft_input in = { .kind = RAFT_INPUT_INSTALLED };
    in.installed.index = 6;
    in.installed.term = 1;
    in.installed.config = &c.config;
    CHECK_EQ(raft_step(r, c.now_ms, &in, &c.out), 0);
    CHECK_EQ(raft_last_index(r), 10);
    CHECK_EQ(raft_commit_index(r), 6);
    CHECK_EQ(raft_durable_index(r), 10);
    struct raft_input flush = { .kind = RAFT_INPUT_FLUSH };
    CHECK_EQ(raft_step(r, c.now_ms, &flush, &c.out), 0);
    CHECK_EQ(c.out.count, 1);
    CHECK(c.out.items[0].message.append_reply.ok &&
          c.out.items[0].message.append_reply.match_index == 6);
    in.installed.index = 5; /* older than what is applied */
    CHECK_EQ(raft_step(r, c.now_ms, &in, &c.out), 0);
    CHECK_EQ(raft_commit_index(r), 6);
    /* A log that does not hold it is replaced; what a store holds of the old one does not count. */
    m.append.prev_index = 10;
    m.append.prev_term = 1;
    static const uint8_t noop[] = { ENTRY_NOOP, ENTRY_VERSION, 0 };
    struct raft_msg_entry e = { .term = 2, .payload = bytes_of(noop, sizeof noop) };
    m.append.count = 1;
    m.append.entries = &e;
    struct raft_input msg = { .kind = RAFT_INPUT_MESSAGE, .message = &m };
    CHECK_EQ(raft_step(r, c.now_ms, &msg, &c.out), 0);
    struct raft_store store;
    CHECK(raft_store_begin(r, 1000, SIZE_MAX, &store) && store.first_index == 11);
    in.installed.index = 20;
    in.installed.term = 2;
    in.installed.config_index = 9;
    CHECK_EQ(raft_step(r, c.now_ms, &in, &c.out), 0);
    CHECK_EQ(raft_first_index(r), 21);
    CHECK_EQ(raft_last_index(r), 20);
    CHECK_EQ(raft_durable_index(r), 20);
    CHECK_EQ(raft_commit_index(r), 20);
    CHECK_EQ(raft_config_index(r), 9);
    CHECK_EQ(raft_term_at(r, 20), 2);
    struct raft_input stored = { .kind = RAFT_INPUT_STORED, .store_token = store.token };
    CHECK_EQ(raft_step(r, c.now_ms, &stored, &c.out), 0);
    CHECK_EQ(c.out.count, 1);
    CHECK_EQ(c.out.items[0].message.append_reply.match_index, 20);
    m.append.prev_index = 20;
    m.append.prev_term = 2;
    CHECK_EQ(raft_step(r, c.now_ms, &msg, &c.out), 0);
    CHECK(raft_store_begin(r, 1000, SIZE_MAX, &store));
    CHECK(store.first_index == 21 && store.last_index == 21);
    /* A snapshot that contradicts what is committed here: somebody's state is wrong. */
    in.installed.index = 21;
    in.installed.term = 1;
    m.append.count = 0;
    m.append.prev_index = 21;
    m.append.commit_index = 21;
    CHECK_EQ(raft_step(r, c.now_ms, &msg, &c.out), 0);
    CHECK_EQ(raft_commit_index(r), 21);
    CHECK_EQ(raft_step(r, c.now_ms, &in, &c.out), MS_EDIVERGED);
    cluster_fini(&c);
}

/* The store may be behind a snapshot that was installed over entries in memory. */
TEST(snapshot, installing_over_entries_that_are_not_stored_yet)
{
    struct cluster_opts opts = { .node_count = 3, .seed = 1, .manual_store = true };
    opts.raft.cache_bytes_max = 1;
    cluster_init(&c, opts);
    struct raft *r = cluster_raft(&c, N1);
    static const uint8_t noop[] = { ENTRY_NOOP, ENTRY_VERSION, 0 };
    struct raft_msg_entry e[4];
    for (int i = 0; i < 4; i++)
        e[i] = (struct raft_msg_entry){ .term = 1, .payload = bytes_of(noop, 3) };
    struct raft_msg m = { .type = RAFT_MSG_APPEND, .from = N2, .to = N1, .term = 1 };
    m.append.count = 4;
    m.append.entries = e;
    CHECK_EQ(cluster_message(&c, &m), 0);
    c.nodes[N1].disk.snapshot = (struct cluster_state){ .index = 3, .term = 1, .config = c.config };
    c.nodes[N1].state = c.nodes[N1].disk.snapshot;
    struct raft_input in = { .kind = RAFT_INPUT_INSTALLED };
    in.installed.index = 3;
    in.installed.term = 1;
    in.installed.config = &c.config;
    CHECK_EQ(cluster_step(&c, N1, &in), 0);
    CHECK_EQ(raft_durable_index(r), 3); /* the snapshot holds them */
    CHECK_EQ(raft_commit_index(r), 3);
    struct raft_input compact_in = { .kind = RAFT_INPUT_COMPACT, .index = 3 };
    CHECK_EQ(cluster_step(&c, N1, &compact_in), 0);
    CHECK_EQ(raft_first_index(r), 1); /* the store still needs them */
    CHECK(cluster_store_begin(&c, N1));
    CHECK_EQ(c.nodes[N1].store.first_index, 1); /* the log on disk has no gap */
    CHECK_EQ(c.nodes[N1].store.last_index, 4);
    cluster_store_end(&c, N1);
    CHECK_EQ(raft_durable_index(r), 4);
    CHECK_EQ(cluster_step(&c, N1, &compact_in), 0);
    CHECK_EQ(raft_first_index(r), 4);
    cluster_fini(&c);
}

/* A member whose log was cut by damage abstains; its leader starts again from what it has left. */
TEST(snapshot, a_damaged_log_is_filled_again)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    for (int i = 0; i < 20; i++) cluster_commit(&c, "a");
    uint64_t term = raft_term(cluster_raft(&c, N1)), match;
    bool recent;
    cluster_crash(&c, N2);
    c.nodes[N2].disk.last_index = 5;
    cluster_start(&c, N2);
    struct raft_input in = { .kind = RAFT_INPUT_ABSTAIN, .abstain = true };
    CHECK_EQ(cluster_step(&c, N2, &in), 0);
    cluster_isolate(&c, N3);
    CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    cluster_advance(&c, 3 * HEARTBEAT_MS);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N2)), 22); /* in the same term, from the same leader */
    CHECK_EQ(raft_term(cluster_raft(&c, N2)), term);
    CHECK(raft_peer_match(cluster_raft(&c, N1), N2, &match, &recent));
    CHECK(match == 22 && !recent);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), 21); /* its acks do not count */
    in.abstain = false;
    CHECK_EQ(cluster_step(&c, N2, &in), 0);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), 22);
    cluster_fini(&c);
}
