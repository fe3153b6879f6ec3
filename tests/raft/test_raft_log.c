/* Replication: Raft, section 5.3 and 5.4.2, its figures 7 and 8. */
#include "tests/raft/cluster.h"

static struct cluster c;
static const uint8_t txn[] = { ENTRY_TXN, ENTRY_VERSION, 0, 'x' };

/* An append of entries of the given terms (0 ends them). */
static struct raft_msg append(uint64_t from, uint64_t to, uint64_t term, uint64_t prev_index,
                              uint64_t prev_term, uint64_t commit, const uint64_t *terms)
{
    static struct raft_msg_entry entries[16];
    struct raft_msg m = { .type = RAFT_MSG_APPEND, .from = from, .to = to, .term = term };
    m.append.prev_index = prev_index;
    m.append.prev_term = prev_term;
    m.append.commit_index = commit;
    m.append.entries = entries;
    for (; terms && terms[m.append.count]; m.append.count++) {
        entries[m.append.count].term = terms[m.append.count];
        entries[m.append.count].payload = bytes_of(txn, sizeof txn);
    }
    return m;
}

static void write_log(uint64_t id, const char *terms)
{
    for (; *terms; terms++) cluster_disk_entry(&c, id, (uint64_t)(*terms - '0'), "x");
}

static void check_log(uint64_t id, const char *terms)
{
    struct raft *r = cluster_raft(&c, id);
    CHECK_EQ(raft_last_index(r), strlen(terms));
    for (uint64_t i = 0; terms[i]; i++) CHECK_EQ(raft_term_at(r, i + 1), terms[i] - '0');
}

/* Raft, figure 7: whatever the logs of the others are, the leader of term 8 makes them equal to its
 * own. */
TEST(log, figure_7)
{
    const char *logs[] = { "1114455666",   "111445566", "1114",       "11144556666",
                           "111445566677", "1114444",   "11122233333" };
    cluster_init(&c, (struct cluster_opts){ .node_count = 7, .seed = 1, .idle = true });
    for (uint64_t id = N1; id <= N7; id++) {
        /* The same entry wherever index and term are the same: the text is what follows in the
         * leader's. */
        for (const char *t = logs[id - 1]; *t; t++) {
            char text[32];
            snprintf(text, sizeof text, "%d of %c", (int)(t - logs[id - 1]), *t);
            cluster_disk_entry(&c, id, (uint64_t)(*t - '0'), text);
        }
        cluster_disk_hard(&c, id, 7, 0);
        cluster_start(&c, id);
    }
    cluster_elect(&c, N1);
    cluster_converge(&c);
    for (uint64_t id = N1; id <= N7; id++) check_log(id, "11144556668");
    cluster_fini(&c);
}

/* Raft, figure 8: an entry of an older term is not committed by being on a majority, and may still be
 * replaced; once an entry of the leader's own term is, it cannot any more. */
TEST(log, figure_8)
{
    for (int variant = 0; variant < 2; variant++) {
        cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = 1, .idle = true });
        write_log(N1, "12");
        write_log(N2, "12");
        write_log(N3, "1");
        write_log(N4, "1");
        write_log(N5, "13");
        for (uint64_t id = N1; id <= N5; id++) {
            cluster_disk_hard(&c, id, 3, 0);
            cluster_start(&c, id);
        }
        /* (c): S1 leads term 4. Its own first entry does not reach anybody; the entry of term 2 reaches
         * S3. */
        c.opts.manual_store = true;
        cluster_isolate(&c, N5);
        cluster_isolate(&c, N4);
        struct raft *r = cluster_raft(&c, N1);
        c.now_ms += 2 * ELECTION_MS;
        cluster_tick(&c, N1);
        while (raft_role(r) != RAFT_LEADER) {
            for (uint64_t id = N1; id <= N3; id++) cluster_store(&c, id);
            while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
        }
        cluster_drop_all(&c);
        CHECK_EQ(raft_term(r), 4);
        cluster_store(&c, N1);
        static const uint64_t two[] = { 2, 0 };
        struct raft_msg m = append(N1, N3, 4, 1, 1, 0, two);
        struct entry_ref *ref = raft_entry(r, 2);
        ((struct raft_msg_entry *)(uintptr_t)m.append.entries)[0].payload = entry_ref_payload(ref);
        CHECK_EQ(cluster_message(&c, &m), 0);
        cluster_store(&c, N3);
        CHECK(cluster_take(&c, RAFT_MSG_APPEND_REPLY, N3, N1));
        CHECK(c.last.append_reply.ok && c.last.append_reply.match_index == 2);
        struct raft_msg ack = c.last;
        CHECK_EQ(cluster_message(&c, &ack), 0);
        ack.from = N2; /* S2 has it anyway */
        CHECK_EQ(cluster_message(&c, &ack), 0);
        CHECK_EQ(raft_commit_index(r), 0); /* S1, S2, S3: a majority, and still not committed (B09) */
        if (variant == 0) { /* (d): S1 fails, S5 is elected by S3 and S4, and replaces it */
            cluster_drop_all(&c);
            cluster_heal(&c);
            cluster_crash(&c, N1);
            cluster_crash(&c, N2);
            c.opts.manual_store = false;
            cluster_elect(&c, N5);
            cluster_pump(&c);
            CHECK_EQ(raft_term_at(cluster_raft(&c, N3), 2), 3);
            CHECK_EQ(raft_commit_index(cluster_raft(&c, N5)), 3);
        } else { /* (e): the entry of term 4 reaches a majority: both are committed, S5 cannot win */
            c.opts.manual_store = false;
            cluster_advance(&c, 2 * HEARTBEAT_MS);
            CHECK_EQ(raft_commit_index(r), 3);
            cluster_crash(&c, N1);
            cluster_heal(&c);
            cluster_advance(&c, 20 * ELECTION_MS);
            CHECK(cluster_leader(&c) == N2 || cluster_leader(&c) == N3);
        }
        cluster_start(&c, N1);
        if (variant == 0) cluster_start(&c, N2);
        cluster_converge(&c);
        cluster_fini(&c);
    }
}

TEST(log, a_follower_takes_what_fits_and_nothing_else)
{
    static const uint64_t e23[] = { 2, 3, 0 }, e2[] = { 2, 0 }, falling[] = { 3, 2, 0 },
                          e4[] = { 4, 0 };
    static const uint64_t future[] = { 9, 0 };
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .idle = true });
    write_log(N1, "1222");
    cluster_disk_hard(&c, N1, 3, 0);
    cluster_start(&c, N1);
    struct raft *r = cluster_raft(&c, N1);
    /* Heartbeats and repetitions truncate nothing (B39); the commit index goes no further than what is
     * known to agree (B36). */
    struct raft_msg m = append(N2, N1, 3, 2, 2, 4, NULL);
    CHECK_EQ(cluster_message(&c, &m), 0);
    cluster_flush(&c, N1);
    CHECK_EQ(raft_last_index(r), 4);
    CHECK_EQ(raft_commit_index(r), 2);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND_REPLY, N1, N2));
    CHECK(c.last.append_reply.ok && c.last.append_reply.match_index == 2);
    m = append(N2, N1, 3, 1, 1, 0, e2);
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK_EQ(raft_last_index(r), 4);
    /* A conflict ends the log before it. */
    m = append(N2, N1, 3, 2, 2, 2, e23);
    CHECK_EQ(cluster_message(&c, &m), 0);
    check_log(N1, "1223");
    CHECK_EQ(raft_durable_index(r), 3);
    cluster_flush(&c, N1);
    cluster_drop_all(&c);
    cluster_store(&c, N1);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND_REPLY, N1, N2));
    CHECK(c.last.append_reply.ok && c.last.append_reply.match_index == 4);
    /* What no correct leader says: against what is committed, or against what it said before. */
    m = append(N2, N1, 3, 2, 1, 2, NULL);
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = append(N2, N1, 3, 3, 2, 2, e2);
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = append(N2, N1, 3, 4, 3, 2, falling);
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    m = append(N2, N1, 3, 4, 3, 2, future);
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    struct raft_msg_entry bad = { .term = 3, .payload = bytes_of("\xc8\x01\x00", 3) }; /* a request */
    m = append(N2, N1, 3, 4, 3, 2, NULL);
    m.append.entries = &bad;
    m.append.count = 1;
    CHECK_EQ(cluster_message(&c, &m), MS_EPROTO);
    check_log(N1, "1223");
    /* A gap is rejected with a hint; a stale leader learns the term. */
    m = append(N3, N1, 4, 9, 4, 2, e4);
    CHECK_EQ(cluster_message(&c, &m), 0);
    cluster_store(&c, N1);
    cluster_flush(&c, N1);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND_REPLY, N1, N3));
    CHECK(!c.last.append_reply.ok && c.last.append_reply.prev_index == 9);
    CHECK(c.last.append_reply.hint_index == 4 && c.last.append_reply.hint_term == 3);
    m = append(N2, N1, 3, 0, 0, 0, NULL);
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND_REPLY, N1, N2));
    CHECK(!c.last.append_reply.ok && c.last.term == 4);
    /* An unknown kind of entry stops the member. */
    static const uint8_t unknown[] = { 99, ENTRY_VERSION, 0 };
    bad.payload = bytes_of(unknown, sizeof unknown);
    bad.term = 4;
    m = append(N3, N1, 4, 4, 3, 2, NULL);
    m.append.entries = &bad;
    m.append.count = 1;
    struct raft_input in = { .kind = RAFT_INPUT_MESSAGE, .message = &m };
    CHECK_EQ(raft_step(r, c.now_ms, &in, &c.out), MS_EUNSUPPORTED);
    cluster_fini(&c);
}

/* The part of a store that is superseded while it is under way does not count when it ends (B52). */
TEST(log, a_store_counts_only_as_far_as_it_still_holds)
{
    static const uint64_t e111[] = { 1, 1, 1, 0 }, e22[] = { 2, 2, 0 };
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .manual_store = true });
    struct raft *r = cluster_raft(&c, N1);
    struct raft_msg m = append(N2, N1, 1, 0, 0, 0, e111);
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(cluster_store_begin(&c, N1));
    m = append(N3, N1, 2, 1, 1, 0, e22);
    CHECK_EQ(cluster_message(&c, &m), 0);
    check_log(N1, "122");
    cluster_store_end(&c, N1); /* term 1; of the entries only the first */
    CHECK_EQ(raft_durable_index(r), 1);
    CHECK_EQ(c.message_count, 0); /* the ack is of term 2, which is not durable */
    CHECK(cluster_store_begin(&c, N1));
    CHECK_EQ(c.nodes[N1].store.first_index, 2);
    CHECK(c.nodes[N1].store.hard_changed && c.nodes[N1].store.term == 2);
    cluster_store_end(&c, N1);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND_REPLY, N1, N3));
    CHECK(c.last.append_reply.match_index == 3 && c.last.term == 2);
    CHECK(!cluster_take(&c, RAFT_MSG_APPEND_REPLY, N1, N2));
    cluster_fini(&c);
}

/* One round trip a term, not one an entry (Raft, 5.3 at its end; B77). */
TEST(log, a_conflict_is_found_a_term_at_a_time)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 2, .seed = 1, .idle = true });
    for (int i = 0; i < 100; i++) cluster_disk_entry(&c, N1, 1, "common");
    for (int i = 0; i < 100; i++) cluster_disk_entry(&c, N2, 1, "common");
    for (int i = 0; i < 300; i++)
        cluster_disk_entry(&c, N2, 2, "lost"); /* of a leader nobody heard of */
    for (int i = 0; i < 200; i++) cluster_disk_entry(&c, N1, 3, "kept");
    for (int i = 0; i < 200; i++) cluster_disk_entry(&c, N1, 4, "kept");
    cluster_start(&c, N1);
    cluster_start(&c, N2);
    cluster_elect(&c, N1);
    cluster_converge(&c);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N2)), 501);
    CHECK(c.sent[RAFT_MSG_APPEND] < 20);
    CHECK(c.sent_entries < 501); /* and nothing twice */
    cluster_fini(&c);
}

/* The other way round: here it is the follower who knows which of its entries cannot match. */
TEST(log, a_conflict_with_a_newer_term_is_found_too)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .idle = true });
    for (uint64_t id = N1; id <= N3; id++) {
        for (int i = 0; i < 100; i++) cluster_disk_entry(&c, id, 1, "common");
        for (int i = 0; i < 200 && id != N2; i++) cluster_disk_entry(&c, id, 3, "kept");
        for (int i = 0; i < 400 && id == N2; i++) cluster_disk_entry(&c, id, 5, "lost");
        cluster_disk_hard(&c, id, 5, 0);
        cluster_start(&c, id);
    }
    cluster_elect(&c, N1); /* by N3: N2's log is of a higher term, but it is alone with it */
    cluster_converge(&c);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N2)), 301);
    CHECK(c.sent[RAFT_MSG_APPEND] < 30);
    cluster_fini(&c);
}

TEST(log, acks_out_of_order_move_nothing_back)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    for (int i = 0; i < 10; i++) cluster_commit(&c, "a");
    struct raft *r = cluster_raft(&c, N1);
    uint64_t match, last = raft_last_index(r), commit = raft_commit_index(r);
    bool recent;
    struct raft_msg old = { .type = RAFT_MSG_APPEND_REPLY, .from = N2, .to = N1, .term = raft_term(r) };
    old.append_reply.ok = true;
    for (uint64_t i = 0; i <= last; i++) { /* B37 */
        old.append_reply.match_index = last - i;
        CHECK_EQ(cluster_message(&c, &old), 0);
        CHECK(raft_peer_match(r, N2, &match, &recent));
        CHECK_EQ(match, last);
    }
    old.append_reply =
        (typeof(old.append_reply)){ .prev_index = last - 3, .hint_index = 1, .hint_term = 1 };
    CHECK_EQ(cluster_message(&c, &old), 0); /* a reject from long ago */
    CHECK(raft_peer_match(r, N2, &match, &recent) && match == last);
    CHECK_EQ(raft_commit_index(r), commit);
    uint64_t sent = c.sent_entries;
    cluster_commit(&c, "b");
    CHECK_EQ(c.sent_entries, sent + 2); /* to each peer once */
    cluster_fini(&c);
}

TEST(log, what_is_lost_under_way_is_sent_again)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_advance(&c, ELECTION_MS);
    cluster_isolate(&c, N2);
    for (int i = 0; i < 40; i++) { /* more than the window holds */
        CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
        cluster_pump(&c);
    }
    cluster_rejoin(&c, N2);
    uint64_t last = raft_last_index(cluster_raft(&c, N1)), sent = c.sent_entries;
    CHECK(raft_last_index(cluster_raft(&c, N2)) < last);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N2)), last);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N2)), last);
    CHECK(c.sent_entries <= sent + 2 * 40);
    /* The same when only the acks are lost. */
    c.cut[N2][N1] = true;
    for (int i = 0; i < 40; i++) cluster_commit(&c, "c");
    c.cut[N2][N1] = false;
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    uint64_t match;
    bool recent;
    CHECK(raft_peer_match(cluster_raft(&c, N1), N2, &match, &recent));
    CHECK_EQ(match, raft_last_index(cluster_raft(&c, N1)));
    cluster_fini(&c);
}

TEST(log, limits_hold)
{
    struct raft_opts o = { .inflight_count_max = 2,
                           .append_bytes_max = 100,
                           .uncommitted_bytes_max = 1000,
                           .unapplied_bytes_max = 500 };
    cluster_init(&c, (struct cluster_opts){ .node_count = 2, .seed = 1, .raft = o });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    struct raft *r = cluster_raft(&c, N1);
    uint64_t commit = raft_commit_index(r), appends = c.sent[RAFT_MSG_APPEND];
    cluster_isolate(&c, N2);
    int rv = 0, count = 0;
    for (; rv == 0; count++) rv = cluster_propose_bytes(&c, N1, 50);
    CHECK_EQ(rv, MS_EBUSY); /* a leader's uncommitted bytes */
    CHECK(count > 10 && count < 25);
    cluster_pump(&c);
    CHECK(c.sent[RAFT_MSG_APPEND] <=
          appends + 2); /* the window, and entries fill no more than a message */
    cluster_rejoin(&c, N2);
    cluster_advance(&c, 2 * HEARTBEAT_MS);
    CHECK_EQ(raft_commit_index(r), raft_last_index(r));
    CHECK(raft_commit_index(r) > commit);
    CHECK_EQ(cluster_propose_bytes(&c, N1, 5000), 0); /* one always fits */
    cluster_pump(&c);
    CHECK_EQ(raft_commit_index(r), raft_last_index(r));
    /* A state machine that is slow: its member takes nothing more, the leader goes on trying gently. */
    c.opts.manual_apply = true;
    for (int i = 0; i < 30; i++) {
        if (cluster_propose_bytes(&c, N1, 50) < 0) break;
        cluster_pump(&c);
        cluster_apply(&c, N1);
    }
    cluster_advance(&c, ELECTION_MS / 2);
    struct raft *slow = cluster_raft(&c, N2);
    CHECK(raft_last_index(slow) < raft_last_index(r));
    CHECK((raft_commit_index(slow) - c.nodes[N2].state.index) * 50 < 1000);
    appends = c.sent[RAFT_MSG_APPEND];
    cluster_advance(&c, ELECTION_MS);
    CHECK(c.sent[RAFT_MSG_APPEND] <= appends + 4 * ELECTION_MS / HEARTBEAT_MS);
    CHECK_EQ(cluster_leader(&c), N1); /* and hears it all the time */
    c.opts.manual_apply = false;
    cluster_advance(&c, 3 * HEARTBEAT_MS);
    CHECK_EQ(raft_last_index(slow), raft_last_index(r));
    CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    struct raft_input in = { .kind = RAFT_INPUT_PROPOSE, .payload = bytes_of("\xc8\x01\x00", 3) };
    CHECK_EQ(cluster_step(&c, N1, &in), MS_EINVAL);
    cluster_fini(&c);
}

/* Entries that are no longer in memory are fetched from the log on disk, one fetch a peer at a time. */
TEST(log, a_peer_far_behind_is_served_from_disk)
{
    struct raft_opts o = { .cache_bytes_max = 500, .append_bytes_max = 300, .inflight_count_max = 4 };
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .raft = o });
    cluster_elect(&c, N1);
    cluster_isolate(&c, N3);
    for (int i = 0; i < 200; i++) cluster_commit(&c, "entry");
    struct raft *r = cluster_raft(&c, N1);
    CHECK(raft_entry(r, 100) == NULL && raft_entry(r, raft_last_index(r)) != NULL);
    CHECK(raft_term_at(r, 100) == raft_term(r)); /* terms are known all the same */
    cluster_rejoin(&c, N3);
    cluster_converge(&c);
    CHECK(c.nodes[N1].fetch_count > 3);
    CHECK_EQ(c.nodes[N1].snapshot_count, 0);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N3)), raft_last_index(r));
    /* A fetch that fails is asked for again, but not at once. */
    cluster_isolate(&c, N2);
    for (int i = 0; i < 100; i++) cluster_commit(&c, "entry");
    cluster_rejoin(&c, N2);
    for (int i = 0; i < 200 && !c.nodes[N1].fetch[N2].wanted; i++) {
        c.now_ms += 5;
        cluster_tick(&c, N1);
        for (uint64_t id = N1; id <= N3; id++) cluster_store(&c, id);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
        cluster_flush(&c, N2);
        cluster_flush(&c, N3);
    }
    CHECK(c.nodes[N1].fetch[N2].wanted);
    uint64_t fetches = c.nodes[N1].fetch_count;
    cluster_fetched(&c, N1, N2, MS_EIO);
    cluster_flush(&c, N1);
    CHECK_EQ(c.nodes[N1].fetch_count, fetches);
    /* Nor only when there is nothing else to send. */
    for (int i = 0; i < 40 && c.nodes[N1].fetch_count == fetches; i++) {
        c.now_ms += HEARTBEAT_MS / 20;
        cluster_read(&c, N1);
        cluster_flush(&c, N1);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
        cluster_flush(&c, N2);
        cluster_flush(&c, N3);
        while (c.message_count > 0) cluster_deliver_at(&c, 0, false);
    }
    CHECK(c.nodes[N1].fetch_count > fetches);
    cluster_converge(&c);
    CHECK_EQ(raft_last_index(cluster_raft(&c, N2)), raft_last_index(r));
    cluster_fini(&c);
}

TEST(log, a_turn_is_one_message_a_peer)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    uint64_t sent = c.sent[RAFT_MSG_APPEND];
    for (int i = 0; i < 50; i++) CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent);
    cluster_flush(&c, N1);
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent + 2);
    cluster_flush(&c, N1);
    CHECK_EQ(c.sent[RAFT_MSG_APPEND], sent + 2);
    cluster_pump(&c);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N3)), 52);
    cluster_fini(&c);
}

TEST(log, a_log_that_makes_no_sense_is_not_restored)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 1, .seed = 1, .idle = true });
    struct raft_opts o = { .id = 1, .election_ms_min = 100, .heartbeat_ms = 10 };
    struct raft_start start = {
        .term = 5, .snapshot_index = 3, .snapshot_term = 2, .applied_index = 3, .config = &c.config
    };
    struct raft *r;
    CHECK_EQ(raft_create(&r, &o, &start, &c.alloc.face, NULL, 0), 0);
    struct bytes x = bytes_of(txn, sizeof txn);
    CHECK_EQ(raft_restore_entry(r, 3, 2, x), 0); /* covered by the snapshot */
    CHECK_EQ(raft_restore_entry(r, 5, 2, x), MS_ECORRUPT);
    CHECK_EQ(raft_restore_entry(r, 4, 1, x), MS_ECORRUPT);
    CHECK_EQ(raft_restore_entry(r, 4, 2, bytes_of("\x01", 1)), MS_ECORRUPT);
    CHECK_EQ(raft_restore_entry(r, 4, 2, bytes_of("\x63\x01\x00", 3)), MS_EUNSUPPORTED);
    CHECK_EQ(raft_restore_entry(r, 4, 2, x), 0);
    CHECK_EQ(raft_restore_entry(r, 5, 9, x),
             0); /* the hard state was lost: the term is at least this */
    CHECK_EQ(raft_term(r), 9);
    CHECK_EQ(raft_last_index(r), 5);
    CHECK_EQ(raft_durable_index(r), 5);
    CHECK_EQ(raft_commit_index(r), 3);
    struct raft_store store;
    CHECK(raft_store_begin(r, 1000, SIZE_MAX, &store) && store.hard_changed && store.term == 9);
    raft_destroy(r);
    start.term = 1; /* the snapshot was durable before its term */
    start.vote = 2;
    CHECK_EQ(raft_create(&r, &o, &start, &c.alloc.face, NULL, 0), 0);
    CHECK(raft_term(r) == 2 && raft_vote(r) == 0);
    raft_destroy(r);
    start.applied_index = 7; /* the state machine is ahead of the log: something is lost */
    CHECK_EQ(raft_create(&r, &o, &start, &c.alloc.face, NULL, 0), 0);
    CHECK_EQ(raft_restore_entry(r, 4, 2, x), 0);
    struct raft_input in = { .kind = RAFT_INPUT_TICK };
    CHECK_EQ(raft_step(r, 1, &in, &c.out), MS_ELOSTDATA);
    raft_destroy(r);
    cluster_fini(&c);
}

/* Damage brings back entries that had been replaced: as many as before, of an earlier term. */
TEST(log, who_has_older_entries_than_it_acknowledged_is_sent_them_again)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    uint64_t agreed = raft_last_index(cluster_raft(&c, N1)), old_term = raft_term(cluster_raft(&c, N1));
    cluster_elect(&c, N2);
    cluster_commit(&c, "b");
    cluster_commit(&c, "c");
    struct raft *r = cluster_raft(&c, N2);
    uint64_t last = raft_last_index(r);
    CHECK(last > agreed + 1);
    cluster_isolate(&c, N3);
    struct raft_msg no = { .type = RAFT_MSG_APPEND_REPLY, .from = N3, .to = N2, .term = raft_term(r) };
    no.append_reply.abstain = true;
    no.append_reply.prev_index = no.append_reply.hint_index = last; /* all it has acknowledged */
    no.append_reply.hint_term = old_term;
    cluster_propose(&c, N2, "d");
    cluster_heal(&c);
    cluster_drop_all(&c);
    CHECK_EQ(cluster_message(&c, &no), 0);
    cluster_flush(&c, N2);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND, N2, N3));
    CHECK_EQ(c.last.append.prev_index, agreed);
    cluster_fini(&c);
}

/* A disk has lost a batch that it had called durable, and nothing on it tells. What the member refuses
 * then it has acknowledged in this term. A refusal that was late says the same; one of a round that was
 * begun after the acknowledgement came is none, and the leader begins anew. */
TEST(log, who_lost_what_it_had_acknowledged_is_sent_it_again)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    cluster_commit(&c, "b");
    struct raft *r = cluster_raft(&c, N1);
    uint64_t last = raft_last_index(r), term = raft_term(r);
    struct raft_msg no = { .type = RAFT_MSG_APPEND_REPLY, .from = N3, .to = N1, .term = term };
    cluster_isolate(&c, N3);
    cluster_propose(&c, N1, "c"); /* N3 is behind: the leader probes where it last knew it to be */
    cluster_pump(&c);
    no.append_reply.prev_index = last + 1;
    no.append_reply.hint_index = last - 1;
    no.append_reply.hint_term = term;
    CHECK_EQ(cluster_message(&c, &no), 0);
    cluster_flush(&c, N1);
    no.append_reply.prev_index = last; /* a late one, or news */
    CHECK_EQ(cluster_message(&c, &no), 0);
    cluster_heal(&c);
    cluster_drop_all(&c);
    cluster_tick(&c, N1);
    c.now_ms += 2 * ELECTION_MS / 3;
    cluster_tick(&c, N1);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND, N1, N3));
    CHECK_EQ(c.last.append.prev_index, last);
    CHECK(c.last.append.round > 0); /* it asks */
    cluster_drop_all(&c);
    no.append_reply.round = c.last.append.round - 1;
    CHECK_EQ(cluster_message(&c, &no), 0);
    cluster_flush(&c, N1);
    CHECK(!cluster_take(&c, RAFT_MSG_APPEND, N1, N3)); /* late: nothing has changed */
    no.append_reply.round++;
    CHECK_EQ(cluster_message(&c, &no), 0);
    cluster_flush(&c, N1);
    CHECK(cluster_take(&c, RAFT_MSG_APPEND, N1, N3));
    CHECK_EQ(c.last.append.prev_index, last - 1);
    CHECK(c.last.append.count > 0);
    cluster_fini(&c);
}

/* What a leader has sent once it never sends otherwise in the same term (5.3): a follower that took it would have
 * acknowledged what is gone. */
TEST(log, a_leader_that_contradicts_itself_is_refused)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1, .idle = true });
    write_log(N3, "11");
    cluster_disk_hard(&c, N3, 3, 0);
    cluster_start(&c, N3);
    struct raft_msg first = append(N1, N3, 4, 2, 1, 0, (const uint64_t[]){ 3, 3, 0 });
    CHECK_EQ(cluster_message(&c, &first), 0);
    check_log(N3, "1133");
    struct raft_msg second = append(N1, N3, 4, 2, 1, 0, (const uint64_t[]){ 4, 0 });
    CHECK_EQ(cluster_message(&c, &second), MS_EPROTO);
    check_log(N3, "1133");
    struct raft_msg of_next_term = append(N2, N3, 5, 2, 1, 0, (const uint64_t[]){ 4, 0 });
    CHECK_EQ(cluster_message(&c, &of_next_term), 0); /* another leader may */
    check_log(N3, "114");
    cluster_fini(&c);
}
