/* Members compare their states at indexes that the log names (node_digest.c). */
#include "kv/kv_private.h"
#include "tests/node/nodes.h"
#include "wal/wal_inspect.h"

static struct nodes c;

#define PERIOD_MS 200u

static void begin(uint32_t count, uint64_t seed)
{
    nodes_init(&c, count, seed);
    c.opts.digest_ms = PERIOD_MS;
    nodes_start_and_elect(&c);
    nodes_run(&c, 1000); /* all are attached */
}

/* The value of key becomes another one in the memory of this member, behind everybody's back. applied: as if it
 * had applied something else; or else it rots, and the sum of the state does not know. */
static void spoil(uint64_t id, const char *key, bool applied)
{
    struct kv *kv = c.members[id].kv;
    struct kv_record record;
    struct buf encoded;
    nodes_settle(&c);
    c.members[id].may_differ = true;
    CHECK_EQ(kv_store_get(kv, bytes_of_str(key), &record), 0);
    if (applied) {
        kv_digest_sub(&kv->meta.digest, kv_digest_of_record(bytes_of_str(key), buf_bytes(&kv->old)));
    }
    record.value = bytes_of_str("rotten");
    buf_init(&encoded, kv->alloc, 4096);
    kv_record_encode(&encoded, &record);
    if (applied) {
        kv_digest_add(&kv->meta.digest, kv_digest_of_record(bytes_of_str(key), buf_bytes(&encoded)));
    }
    kv_key_current(&kv->key, bytes_of_str(key));
    CHECK_EQ(kv->engine->ops->put(kv->engine, buf_bytes(&kv->key), buf_bytes(&encoded)), 0);
    CHECK_EQ(kv->engine->ops->commit(kv->engine), 0);
    buf_fini(&encoded);
}

/* k at every member, and then something else in the memory of `bad` alone. */
static void spoil_one(uint64_t bad)
{
    nodes_write(&c, nodes_leader(&c), "k", "v");
    spoil(bad, "k", false);
}

static uint32_t stopped_count(int status)
{
    uint32_t count = 0;
    for (uint64_t id = 1; id <= c.count; id++) {
        const struct nodes_member *m = &c.members[id];
        count += m->stopped && m->stop_status == status;
    }
    return count;
}

static void expect_wrong(uint64_t id)
{
    c.members[id].may_stop = true;
    NODES_UNTIL(&c, 5000, c.members[id].stopped);
    CHECK_EQ(c.members[id].stop_status, MS_EDIVERGED);
    CHECK(strstr(c.members[id].stop_reason, "builds it anew"));
    CHECK_EQ(stopped_count(MS_EDIVERGED), 1);
}

/* It is back with what the others have, and nothing is found wrong any more. */
static void expect_good(uint64_t id, const char *key, const char *value)
{
    NODES_UNTIL(&c, 20000, nodes_all_applied(&c));
    nodes_agree(&c);
    nodes_expect(&c, id, key, value);
    nodes_run(&c, 3000);
    CHECK(!c.members[id].stopped);
}

static void expect_rebuilt(uint64_t id, const char *key, const char *value)
{
    nodes_restart_stopped(&c, id);
    expect_good(id, key, value);
}

TEST(node_digest, states_are_compared_and_an_idle_cluster_writes_nothing)
{
    begin(3, 1);
    nodes_write(&c, 1, "k", "v");
    nodes_run(&c, 2000);
    CHECK(c.frames_seen[NODE_FRAME_DIGEST] >= 6);
    uint64_t frames = c.frames_seen[NODE_FRAME_DIGEST];
    struct node_status before, after;
    nodes_status_of(&c, 1, &before);
    nodes_run(&c, 5000);
    nodes_status_of(&c, 1, &after);
    CHECK_EQ(before.last_index, after.last_index);
    CHECK_EQ(frames, c.frames_seen[NODE_FRAME_DIGEST]);
    nodes_fini(&c);
}

/* It stops before anybody hears of it, and has what the others have when it is back: from its log. */
TEST(node_digest, who_differs_stops_and_is_rebuilt_from_its_log)
{
    begin(3, 2);
    uint64_t bad = nodes_follower(&c);
    spoil_one(bad);
    nodes_write(&c, nodes_leader(&c), "k", "w"); /* the sum carries it on from here */
    expect_wrong(bad);
    expect_rebuilt(bad, "k", "w");
    nodes_fini(&c);
}

/* Its log begins behind a snapshot that is as wrong as what came of it: both go, and the others give theirs. */
TEST(node_digest, who_differs_leaves_its_snapshots_too)
{
    char path[DISK_PATH_BYTES_MAX];
    uint64_t size, bad;
    nodes_init(&c, 3, 3);
    c.opts.snapshot_log_bytes = 20000;
    nodes_start_and_elect(&c);
    nodes_run(&c, 1000);
    bad = nodes_follower(&c);
    nodes_write(&c, 1, "rot", "v");
    spoil(bad, "rot", true);
    nodes_fill(&c, nodes_leader(&c), 300, 200);
    nodes_run(&c, 2000);
    CHECK(nodes_find_file(&c, bad, "snap", "snap-", 0, path, &size));
    for (uint64_t id = 1; id <= 3; id++) c.members[id].node->opts.digest_ms = PERIOD_MS;
    nodes_write(&c, nodes_leader(&c), "another", "w");
    expect_wrong(bad);
    struct test_alloc *a = &c.members[bad].alloc, kv_alloc;
    struct kv *kv = NULL;
    test_alloc_init(&kv_alloc); /* what makes the kv the fixture does not expect to fail */
    CHECK_EQ(kv_create(&kv, kv_mem_create(&kv_alloc.face), &kv_alloc.face, NULL), 0);
    uint64_t made = kv_alloc.requests;
    kv_destroy(kv);
    c.members[bad].may_differ = c.members[bad].may_stop = false;
    int rv = MS_ENOMEM;
    for (uint64_t n = 1; rv < 0; n++) { /* without memory to find out it begins with neither */
        CHECK_EQ(rv, MS_ENOMEM);
        a->refuse_at = a->requests + made + n;
        rv = nodes_try_start(&c, bad);
        a->refuse_at = 0;
    }
    expect_good(bad, "rot", "v");
    nodes_fini(&c);
}

/* A leader is no exception. */
TEST(node_digest, a_leader_that_differs_stops)
{
    begin(3, 4);
    uint64_t bad = nodes_leader(&c);
    spoil_one(bad);
    nodes_write(&c, bad, "k", "w");
    expect_wrong(bad);
    nodes_elect(&c);
    nodes_expect(&c, nodes_leader(&c), "k", "w");
    nodes_fini(&c);
}

/* Two that differ: nobody can say which is right. */
TEST(node_digest, without_a_majority_all_stop_and_keep_what_they_have)
{
    begin(2, 5);
    uint64_t bad = nodes_follower(&c);
    spoil_one(bad);
    for (uint64_t id = 1; id <= 2; id++) c.members[id].may_stop = true;
    nodes_write(&c, nodes_leader(&c), "k", "w");
    NODES_UNTIL(&c, 5000, c.members[1].stopped && c.members[2].stopped);
    CHECK_EQ(stopped_count(MS_EDIVERGED), 2);
    CHECK(strstr(c.members[bad].stop_reason, "keep their data"));
    struct wal_recovery seen;
    struct nodes_member *m = &c.members[bad];
    CHECK_EQ(wal_identify("log", bad, m->disk, &m->alloc.face, &seen), 0);
    CHECK(seen.state.incarnation > 0 && !(seen.state.flags & WAL_FLAG_STATE_WRONG));
    nodes_fini(&c);
}

/* With one of three away two that differ decide nothing: the third one may share either. */
TEST(node_digest, a_missing_report_decides_nothing)
{
    begin(3, 6);
    uint64_t bad = nodes_follower(&c), leader = nodes_leader(&c), away = 6 - bad - leader;
    spoil_one(bad);
    nodes_crash(&c, away, false);
    nodes_write(&c, leader, "k", "w");
    nodes_run(&c, 3000);
    CHECK(!c.members[bad].stopped && !c.members[leader].stopped);
    nodes_start(&c, away);
    expect_wrong(bad);
    nodes_fini(&c);
}

static uint64_t held_for;
static int hold_digests(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->type == NODE_FRAME_DIGEST && f->to == held_for ? NODES_HOLD : NODES_PASS;
}

static void hear_digests(void)
{
    c.filter = NULL;
    nodes_release_held(&c);
}

/* What the next start does depends on the flag; and from the moment in which it is known nothing is served. */
TEST(node_digest, that_it_differs_is_durable_before_it_stops)
{
    begin(3, 7);
    uint64_t bad = held_for = nodes_follower(&c);
    struct node *n = c.members[bad].node;
    c.filter = hold_digests;
    spoil_one(bad);
    nodes_write(&c, nodes_leader(&c), "k", "w");
    nodes_run(&c, 1000);
    CHECK(!node_digest_is_wrong(n));
    c.members[bad].hold_disk = c.members[bad].may_stop = true;
    nodes_write(&c, nodes_leader(&c), "k", "x"); /* stored there before the flag is */
    hear_digests();
    nodes_run(&c, 20);
    nodes_complete_op(&c, bad);
    CHECK(n->digests.wrong_index != 0 && !c.members[bad].stopped);
    CHECK_EQ(node_read_stale(n, c.now_ms, 1, bytes_of_str("k")), MS_ESTOPPED);
    c.members[bad].hold_disk = false;
    NODES_UNTIL(&c, 1000, c.members[bad].stopped);
    expect_rebuilt(bad, "k", "x");
    nodes_fini(&c);
}

static int drop_digests(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->type == NODE_FRAME_DIGEST && f->to == held_for ? NODES_DROP : NODES_PASS;
}

/* Reports go with the connection that closes, and perhaps nobody writes any more. */
TEST(node_digest, where_a_report_was_lost_states_are_compared_again)
{
    begin(3, 12);
    uint64_t bad = held_for = nodes_follower(&c);
    nodes_write(&c, nodes_leader(&c), "k", "v");
    spoil(bad, "k", true);
    c.filter = drop_digests;
    nodes_write(&c, nodes_leader(&c), "other", "w");
    nodes_run(&c, 1000);
    CHECK(!node_digest_is_wrong(c.members[bad].node));
    c.filter = NULL;
    expect_wrong(bad);
    nodes_fini(&c);
}

static void hear(struct node *n, uint64_t from, struct node_digest_report report)
{
    struct buf body;
    buf_init(&body, n->alloc, 100);
    node_digest_encode(&body, &report);
    node_on_digest(n, from, buf_bytes(&body));
    buf_fini(&body);
    c.members[n->opts.id].dirty = true;
}

/* As if its state were compared again at the same index, and its digest were 0: what was told before that was
 * forgotten (V3). */
static void tell_again(struct node *n)
{
    node_digest_applied(n, &(struct kv_result){ .index = n->digests.last_index });
}

/* V1: the wrong one has a majority of the one, the right one of the other, so that neither is right (V3). */
TEST(node_digest, in_a_joint_configuration_both_majorities_count)
{
    static const uint8_t roles[] = { CONFIG_VOTER | CONFIG_OUTGOING, CONFIG_VOTER, CONFIG_VOTER,
                                     CONFIG_OUTGOING, CONFIG_OUTGOING };
    begin(5, 8);
    nodes_write(&c, 1, "k", "v");
    nodes_run(&c, 2000);
    struct node *n = c.members[1].node;
    struct node_digest_report other = { .index = n->digests.last_index, .digest = { .hi = 1 } };
    for (uint32_t i = 0; i < 5; i++) n->info.config.members[i].roles = roles[i];
    hear(n, 2, other);
    CHECK(!node_digest_is_wrong(n) && n->digests.hopeless_index == 0);
    hear(n, 3, other);
    CHECK(!node_digest_is_wrong(n) && n->digests.hopeless_index == other.index);
    c.members[1].may_stop = true;
    tell_again(n);
    hear(n, 4, (struct node_digest_report){ .index = other.index });
    hear(n, 5, (struct node_digest_report){ .index = other.index });
    hear(n, 2, other);
    CHECK(!n->failed);
    hear(n, 3, other);
    nodes_run(&c, 20);
    CHECK(c.members[1].stopped && strstr(c.members[1].stop_reason, "keep their data"));
    nodes_fini(&c);
}

/* After a restart a member tells again what it finds in its log. */
TEST(node_digest, an_old_report_takes_no_newer_ones_place)
{
    begin(3, 9);
    struct node *n = c.members[1].node;
    struct node_digest_report newer = { .index = 10 * NODE_DIGESTS_KEPT, .digest = { .hi = 1 } },
                              older = { .index = 9 * NODE_DIGESTS_KEPT };
    hear(n, 2, newer);
    hear(n, 2, older);
    const struct node_digest_reports *r = n->digests.members;
    while (r->member_id != 2) r++;
    CHECK_EQ(r->kept[0].index, newer.index);
    CHECK_EQ(r->kept[0].digest.hi, 1);
    nodes_fini(&c);
}

/* Member 2 differed, and was rebuilt since; now member 3 does. Nobody differs from both at once. */
TEST(node_digest, what_was_told_before_a_restart_is_forgotten)
{
    begin(3, 13);
    nodes_write(&c, nodes_leader(&c), "k", "v");
    nodes_run(&c, 1000);
    struct node *n = c.members[1].node;
    struct node_digest_report of_before = { .index = n->digests.last_index, .digest = { .hi = 1 } },
                              of_now = { .index = n->digests.last_index, .digest = { .hi = 2 } };
    hear(n, 2, of_before);
    node_on_link(n, c.now_ms, 2, false);
    node_on_link(n, c.now_ms, 2, true);
    hear(n, 3, of_now);
    CHECK(!node_digest_is_wrong(n) && n->digests.hopeless_index == 0);
    hear(n, 2, of_before);
    CHECK(n->digests.hopeless_index == of_now.index);
    nodes_fini(&c);
}

/* The same, but that the connection to the former member 2 has ended is noticed too late. */
TEST(node_digest, it_takes_two_comparisons_to_find_that_nobody_is_right)
{
    begin(3, 14);
    nodes_write(&c, nodes_leader(&c), "k", "v");
    nodes_run(&c, 1000);
    struct node *n = c.members[1].node;
    struct node_digest_report one = { .digest = { .hi = 1 } }, other = { .digest = { .hi = 2 } };
    for (uint32_t i = 0; i < 2; i++) { /* a majority that shares one ends the doubt */
        one.index = other.index = n->digests.last_index;
        hear(n, 2, one);
        hear(n, 3, other);
        CHECK(!n->failed && n->digests.hopeless_index == one.index);
        nodes_write(&c, nodes_leader(&c), "k", "w");
        nodes_run(&c, 1000);
        CHECK(n->digests.last_index > one.index && n->digests.hopeless_index == 0);
    }
    one.index = other.index = n->digests.last_index;
    hear(n, 2, one);
    hear(n, 3, other);
    c.members[1].may_stop = true;
    tell_again(n);
    hear(n, 2, one);
    CHECK(!n->failed); /* member 3 has not told again */
    hear(n, 3, other);
    CHECK(n->failed);
    nodes_fini(&c);
}

/* A snapshot has taken the place of the state that was wrong before others could say so. */
TEST(node_digest, a_state_that_was_replaced_is_not_judged)
{
    nodes_init(&c, 3, 10);
    c.opts.digest_ms = PERIOD_MS;
    c.opts.snapshot_log_bytes = 20000;
    nodes_start_and_elect(&c);
    nodes_run(&c, 1000);
    uint64_t bad = held_for = nodes_follower(&c);
    c.filter = hold_digests;
    spoil_one(bad);
    nodes_write(&c, nodes_leader(&c), "k", "w");
    nodes_run(&c, 1000);
    nodes_isolate(&c, bad);
    nodes_fill(&c, nodes_leader(&c), 300, 200);
    nodes_run(&c, 2000);
    nodes_heal(&c);
    NODES_UNTIL(&c, 20000, c.frames_seen[NODE_FRAME_SNAP_CHUNK] > 0 && nodes_all_applied(&c));
    c.members[bad].may_differ = false;
    hear_digests();
    nodes_run(&c, 1000);
    CHECK(!c.members[bad].stopped);
    nodes_expect(&c, bad, "k", "w");
    nodes_fini(&c);
}

static int hold_raft(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->type == NODE_FRAME_RAFT ? NODES_HOLD : NODES_PASS;
}

TEST(node_digest, one_entry_is_waited_for_before_the_next)
{
    nodes_init(&c, 3, 11);
    c.opts.digest_ms = PERIOD_MS;
    c.opts.raft.election_ms_min = 3000;
    nodes_start_and_elect(&c);
    nodes_run(&c, 1000);
    uint64_t at = nodes_leader(&c);
    const struct raft *raft = node_raft(c.members[at].node);
    nodes_write(&c, at, "k", "v");
    uint64_t before = raft_last_index(raft);
    c.filter = hold_raft;
    nodes_run(&c, 8 * PERIOD_MS);
    CHECK_EQ(raft_last_index(raft), before + 1);
    c.filter = NULL;
    nodes_release_held(&c);
    nodes_agree(&c);
    nodes_fini(&c);
}
