/* Who is a member, and who may vote: DESIGN 4. The gate, attaching, lost disks, removal. */
#include "tests/node/nodes.h"

static struct nodes c;

static bool abstains(uint64_t id)
{
    struct node_status s;
    nodes_status_of(&c, id, &s);
    CHECK(s.abstains == (s.abstain_reason != NULL));
    return s.abstains;
}

static void replace_list(uint32_t count)
{
    c.cluster = (struct config){ 0 };
    for (uint64_t id = 1; id <= count; id++) {
        struct config_member cm = { .id = id, .roles = CONFIG_VOTER };
        nodes_url(cm.url, id);
        CHECK_EQ(config_add(&c.cluster, &cm), 0);
    }
}

TEST(node_identity, a_cluster_is_founded_by_a_fresh_majority_only)
{
    nodes_init(&c, 5, 1);
    for (uint64_t id = 1; id <= 2; id++) nodes_start(&c, id);
    nodes_run(&c, 3000);
    for (uint64_t id = 1; id <= 2; id++) {
        CHECK(abstains(id));
        CHECK_EQ(raft_term(node_raft(c.members[id].node)), 0); /* no vote before the gate */
        CHECK(!(c.members[id].node->store.state.flags & WAL_FLAG_GATE_PASSED));
    }
    nodes_start(&c, 3);
    nodes_elect(&c);
    nodes_write(&c, 1, "k", "v");
    nodes_start(&c, 4); /* late: the cluster is there already */
    nodes_start(&c, 5);
    nodes_agree(&c);
    NODES_UNTIL(&c, 3000, !abstains(4) && !abstains(5)); /* attached */
    nodes_expect(&c, 5, "k", "v");
    uint8_t uuid[MS_UUID_BYTES] = { 0 };
    for (uint64_t id = 1; id <= 5; id++) {
        struct node_status s;
        nodes_status_of(&c, id, &s);
        CHECK(memcmp(s.cluster_uuid, uuid, sizeof uuid) != 0);
        if (id > 1) CHECK(memcmp(s.cluster_uuid, c.members[1].node->info.cluster_uuid, 16) == 0);
        CHECK_EQ(s.config.member_count, 5);
        for (uint32_t i = 0; i < 5; i++) CHECK_EQ(s.config.members[i].added_index, 1);
    }
    nodes_fini(&c);
}

TEST(node_identity, one_member_passes_at_once_and_keeps_its_cluster)
{
    nodes_init(&c, 1, 2);
    nodes_start(&c, 1);
    uint64_t begun = c.now_ms;
    nodes_elect(&c);
    CHECK(c.now_ms - begun < 100); /* a sole voter waits for no timeout */
    uint8_t uuid[MS_UUID_BYTES];
    memcpy(uuid, c.members[1].node->info.cluster_uuid, sizeof uuid);
    nodes_crash(&c, 1, true);
    nodes_start(&c, 1);
    nodes_elect(&c);
    CHECK(memcmp(c.members[1].node->info.cluster_uuid, uuid, sizeof uuid) == 0);
    nodes_fini(&c);
}

/* Two of three believe in other lists: nobody is founded by mistake. */
TEST(node_identity, another_list_is_not_the_same_cluster)
{
    nodes_init(&c, 3, 3);
    nodes_start(&c, 1);
    nodes_start(&c, 2);
    nodes_crash(&c, 2, false);
    nodes_wipe(&c, 2);
    replace_list(2);
    nodes_crash(&c, 1, false);
    nodes_wipe(&c, 1);
    nodes_start(&c, 1); /* 1 of {1, 2} */
    replace_list(3);
    nodes_start(&c, 2); /* 2 of {1, 2, 3} */
    nodes_run(&c, 2000);
    CHECK(abstains(1) && abstains(2));
    CHECK(strstr(c.members[1].last_warning, "--cluster") ||
          strstr(c.members[2].last_warning, "--cluster"));
    nodes_start(&c, 3); /* with 2 a majority of its list */
    NODES_UNTIL(&c, 5000, nodes_leader(&c) != 0);
    CHECK(nodes_leader(&c) != 1);
    nodes_fini(&c);
}

/* Power goes at each operation of the start of a cluster: nothing is blocked, and two never found. */
TEST(node_identity, power_cuts_during_bootstrap_block_nothing)
{
    for (uint64_t cut = 1;; cut++) {
        nodes_init(&c, 3, 100 + cut);
        for (uint64_t id = 1; id <= 3; id++) c.members[id].ops_until = cut;
        nodes_start_all(&c);
        nodes_run(&c, 400);
        bool lost = false;
        for (uint64_t id = 1; id <= 3; id++) {
            if (!nodes_is_up(&c, id)) nodes_start(&c, id);
            lost |= c.members[id].starts > 1;
            c.members[id].ops_until = 0;
        }
        nodes_elect(&c);
        nodes_write(&c, 1, "k", "v");
        nodes_agree(&c);
        for (uint64_t id = 2; id <= 3; id++)
            CHECK(memcmp(c.members[id].node->info.cluster_uuid, c.members[1].node->info.cluster_uuid,
                         MS_UUID_BYTES) == 0);
        nodes_fini(&c);
        if (!lost || cut > 60) {
            CHECK(cut > 10);
            break;
        }
    }
}

/* A wiped member looks like a first start. Its peers are not fresh: it must not vote, or an
 * acknowledged write could be lost with only one disk gone. */
TEST(node_identity, a_wiped_member_abstains_until_it_is_removed_and_added_anew)
{
    nodes_found(&c, 3, 5);
    nodes_write(&c, 1, "k", "v");
    uint64_t leader = nodes_leader(&c), wiped = nodes_follower(&c), third = 6 - leader - wiped;
    nodes_crash(&c, wiped, true);
    nodes_wipe(&c, wiped);
    nodes_start(&c, wiped);
    nodes_run(&c, 2000);
    CHECK(abstains(wiped));
    CHECK_EQ(raft_term(node_raft(c.members[wiped].node)), 0);
    nodes_crash(&c, third, true); /* what is left is no quorum */
    uint64_t token = nodes_put(&c, leader, "k2", "v");
    CHECK(nodes_wait(&c, token) < 0);
    nodes_start(&c, third);
    nodes_agree_but(&c, wiped);
    CHECK(abstains(wiped));

    leader = nodes_leader(&c);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, wiped)), 0);
    if (nodes_is_up(&c, wiped)) nodes_crash(&c, wiped, false);
    nodes_wipe(&c, wiped);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_ADD, wiped)), 0);
    c.members[wiped].join = true;
    nodes_start(&c, wiped);
    NODES_UNTIL(&c, 5000, !abstains(wiped) && nodes_all_applied(&c));
    nodes_expect(&c, wiped, "k", "v");
    const struct config_member *m = config_find(&c.members[wiped].node->info.config, wiped);
    CHECK(m != NULL && m->added_index > 1);
    NODES_UNTIL(&c, 5000, config_is_voter(&c.members[wiped].node->info.config, wiped));
    /* And counts: the third may go. */
    nodes_crash(&c, third, true);
    nodes_write(&c, wiped, "k3", "v");
    nodes_fini(&c);
}

TEST(node_identity, a_member_joins_as_a_learner_and_is_promoted_after_its_attach)
{
    nodes_found(&c, 3, 6);
    nodes_fill(&c, 1, 30, 100);
    nodes_start(&c, 4); /* before it is known: it waits */
    nodes_run(&c, 1000);
    CHECK(abstains(4));
    CHECK_EQ(raft_last_index(node_raft(c.members[4].node)), 0);
    uint64_t leader = nodes_leader(&c);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, nodes_follower(&c), ENTRY_CHANGE_ADD, 4)), 0);
    const struct config_member *m = config_find(raft_config(node_raft(c.members[leader].node)), 4);
    CHECK(m != NULL && (m->roles & CONFIG_LEARNER));
    NODES_UNTIL(&c, 5000, config_is_voter(raft_config(node_raft(c.members[leader].node)), 4));
    const struct node *n = c.members[leader].node;
    CHECK(node_binding(n, 4, config_find(&n->info.config, 4)->added_index) != NULL);
    nodes_agree(&c);
    CHECK(!abstains(4));
    CHECK_EQ(c.members[4].node->store.state.added_index, m->added_index);
    nodes_write(&c, 4, "from4", "v");
    nodes_crash(&c, 4, true);
    nodes_start(&c, 4);
    CHECK(!abstains(4)); /* at once after a restart, before anything is applied */
    nodes_agree(&c);

    /* One that never comes up is never promoted, and holds nothing up. */
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_ADD, 5)), 0);
    nodes_run(&c, 2000);
    m = config_find(raft_config(node_raft(c.members[nodes_leader(&c)].node)), 5);
    CHECK(m != NULL && (m->roles & CONFIG_LEARNER));
    nodes_write(&c, 1, "k", "v");
    nodes_fini(&c);
}

/* One member alone has committed the attach, and once it has promoted the other it needs it: a power cut there may not
 * leave one that abstains until there is a leader, whom it would have to elect. */
TEST(node_identity, a_member_takes_part_once_its_attachment_is_durable)
{
    nodes_found(&c, 1, 7);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, 1, ENTRY_CHANGE_ADD, 2)), 0);
    nodes_start(&c, 2);
    struct nodes_member *m = &c.members[2];
    m->hold_disk = true;
    NODES_UNTIL(&c, 5000, m->op_count > 0);
    for (int i = 0; i < 1000 && !(m->node->store.state.flags & WAL_FLAG_ATTACHED); i++) {
        nodes_run(&c, 5);
        if (m->op_count > 0) nodes_complete_op(&c, 2);
    }
    CHECK(m->node->store.state.flags & WAL_FLAG_ATTACHED);
    CHECK(!(wal_durable_state(m->node->wal)->flags & WAL_FLAG_ATTACHED));
    nodes_run(&c, 1000);
    CHECK(abstains(2) && !config_is_voter(raft_config(node_raft(c.members[1].node)), 2));
    nodes_crash(&c, 2, true);
    m->hold_disk = false;
    nodes_start(&c, 2);
    NODES_UNTIL(&c, 5000, config_is_voter(raft_config(node_raft(c.members[1].node)), 2));
    CHECK(!abstains(2));
    nodes_crash(&c, 2, true);
    nodes_start(&c, 2);
    CHECK(!abstains(2));
    nodes_write(&c, 2, "k", "v");
    nodes_fini(&c);
}

static void check_removed(uint64_t id)
{
    struct nodes_member *m = &c.members[id];
    CHECK(!nodes_is_up(&c, id));
    CHECK(m->stopped && m->stop_status == 0);
    CHECK(strstr(m->stop_reason, "removed") != NULL);
    for (int i = 0; i < 2; i++) { /* again at each start */
        CHECK_EQ(nodes_try_start(&c, id), MS_EREMOVED);
        CHECK(strstr(m->why, "removed") != NULL);
    }
}

TEST(node_identity, a_removed_member_stops_and_says_so_at_each_start)
{
    nodes_found(&c, 3, 7);
    uint64_t leader = nodes_leader(&c), gone = nodes_follower(&c), third = 6 - leader - gone;
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, gone)), 0);
    NODES_UNTIL(&c, 6000, !nodes_is_up(&c, gone));
    check_removed(gone);
    nodes_write(&c, third, "k", "v");

    /* The leader itself. */
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, third, ENTRY_CHANGE_REMOVE, leader)), 0);
    NODES_UNTIL(&c, 6000, !nodes_is_up(&c, leader));
    check_removed(leader);
    NODES_UNTIL(&c, 5000, nodes_leader(&c) == third);
    nodes_expect(&c, third, "k", "v");
    /* The last one stays. */
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, third, ENTRY_CHANGE_REMOVE, third)), MS_ECONFLICT);
    nodes_write(&c, third, "k", "v2");
    nodes_fini(&c);
}

/* It was down when it was removed; the cluster has forgotten it. Any peer's handshake tells it. */
TEST(node_identity, a_member_removed_while_it_was_down_hears_of_it_by_handshake)
{
    nodes_found(&c, 3, 8);
    uint64_t gone = nodes_follower(&c), leader = nodes_leader(&c);
    nodes_crash(&c, gone, true);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, gone)), 0);
    nodes_run(&c, 8000); /* nobody talks to it any more */
    nodes_start(&c, gone);
    NODES_UNTIL(&c, 3000, !nodes_is_up(&c, gone));
    check_removed(gone);

    /* Its id comes back with a new disk; the old one stays removed. */
    nodes_wipe(&c, gone);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_ADD, gone)), 0);
    c.members[gone].join = true;
    nodes_start(&c, gone);
    NODES_UNTIL(&c, 5000, config_is_voter(raft_config(node_raft(c.members[leader].node)), gone));
    nodes_agree(&c);
    CHECK(!abstains(gone));
    nodes_write(&c, gone, "k", "v");
    nodes_fini(&c);
}

static struct node_identity identity_of(uint64_t id)
{
    struct node_identity i;
    node_identity(c.members[id].node, &i);
    return i;
}

static int judge(uint64_t by, const struct node_identity *peer)
{
    char why[NODE_WHY_BYTES] = "";
    int rv = node_judge_peer(c.members[by].node, c.now_ms, peer, why, sizeof why);
    if (rv < 0) CHECK(why[0] != 0);
    c.members[by].dirty = true;
    return rv;
}

/* Zero means "not known yet"; any other difference is refused. */
TEST(node_identity, handshakes_refuse_every_difference)
{
    nodes_found(&c, 3, 9);
    struct node_identity two = identity_of(2), bad;
    CHECK_EQ(two.member_id, 2);
    CHECK_EQ(two.added_index, 1);
    CHECK_EQ(judge(1, &two), 0);
    bad = two;
    bad.cluster_uuid[5] ^= 1;
    CHECK_EQ(judge(1, &bad), MS_EFOREIGN);
    bad = two;
    bad.nonce[3] ^= 1;
    CHECK_EQ(judge(1, &bad), MS_EFOREIGN);
    bad = two;
    bad.member_id = 1;
    CHECK_EQ(judge(1, &bad), MS_EFOREIGN); /* itself */
    bad = two;
    bad.member_id = 4; /* nobody has added it */
    bad.added_index = 0;
    CHECK_EQ(judge(1, &bad), MS_EFOREIGN);
    bad = two;
    memset(bad.cluster_uuid, 0, sizeof bad.cluster_uuid);
    bad.added_index = 0;
    CHECK_EQ(judge(1, &bad), 0); /* it does not know yet: the same directory */

    /* Removed, and added anew: the earlier life hears that it was removed, the new one is welcome. */
    nodes_crash(&c, 2, true);
    uint64_t leader = nodes_elect(&c);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, 2)), 0);
    nodes_agree(&c);
    CHECK_EQ(judge(1, &two), MS_EREMOVED);
    CHECK_EQ(judge(3, &two), MS_EREMOVED);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, leader, ENTRY_CHANGE_ADD, 2)), 0);
    nodes_agree(&c);
    CHECK_EQ(judge(1, &two), MS_EREMOVED);
    bad = two;
    bad.added_index = config_find(&c.members[1].node->info.config, 2)->added_index;
    bad.nonce[0] ^= 1; /* not bound yet: any directory */
    CHECK_EQ(judge(1, &bad), 0);
    nodes_fini(&c);
}

/* A member with the disk of another cluster is a stranger to this one, both ways. */
TEST(node_identity, another_cluster_with_the_same_list_is_foreign)
{
    nodes_init(&c, 1, 10);
    nodes_start(&c, 1);
    nodes_elect(&c);
    struct node_identity other = identity_of(1);
    nodes_fini(&c);
    nodes_found(&c, 3, 11);
    other.member_id = 2;
    CHECK_EQ(judge(1, &other), MS_EFOREIGN);
    CHECK_EQ(judge(3, &other), MS_EFOREIGN);
    nodes_fini(&c);
}

static void gate_frame(uint64_t to, uint64_t from, bool fresh, bool reply_wanted, uint64_t list_hash)
{
    struct node_gate m = { .fresh = fresh, .reply_wanted = reply_wanted, .list_hash = list_hash };
    struct test_alloc a;
    struct buf wire;
    test_alloc_init(&a);
    buf_init(&wire, &a.face, 64);
    node_gate_encode(&wire, &m);
    node_on_frame(c.members[to].node, c.now_ms, from, NODE_FRAME_GATE, buf_bytes(&wire));
    buf_fini(&wire);
    c.members[to].dirty = true;
}

/* Played by hand: what peers say, and what it makes of the gate. */
TEST(node_identity, the_gate_counts_each_listed_peer_once_and_a_bootstrapped_one_closes_it)
{
    nodes_init(&c, 5, 12);
    nodes_start(&c, 1);
    struct node *n = c.members[1].node;
    uint64_t hash = n->gate.list_hash;
    for (int i = 0; i < 5; i++) gate_frame(1, 2, true, false, hash); /* one peer, five times */
    gate_frame(1, 3, true, false, hash + 1);                         /* another list */
    gate_frame(1, 77, true, false, hash);                            /* not in the list */
    nodes_run(&c, NODE_GATE_HEARD_TIMEOUTS * c.opts.raft.election_ms_min);
    CHECK(abstains(1) && n->gate.wanted);
    gate_frame(1, 4, true, false, hash); /* what 2 said is too long ago: it may be no longer so */
    nodes_run(&c, 100);
    CHECK(abstains(1) && n->gate.wanted);
    gate_frame(1, 2, true, false, hash);
    gate_frame(1, 4, true, false, hash); /* with itself: three of five */
    nodes_run(&c, 100);
    CHECK(!n->gate.wanted && (wal_durable_state(n->wal)->flags & WAL_FLAG_GATE_PASSED));
    CHECK(!abstains(1));
    nodes_crash(&c, 1, true);

    nodes_start(&c, 2);
    n = c.members[2].node;
    gate_frame(2, 3, true, false, hash);
    gate_frame(2, 1, false, false, hash); /* it knows a committed entry */
    gate_frame(2, 4, true, false, hash);
    gate_frame(2, 5, true, false, hash);
    nodes_run(&c, 1000);
    CHECK(abstains(2) && n->gate.closed);
    CHECK(strstr(c.members[2].last_warning, "running already") != NULL);
    CHECK(!(n->store.state.flags & WAL_FLAG_GATE_PASSED));
    nodes_crash(&c, 2, true); /* it remembers, though nobody tells it again, and says so to others */
    nodes_start(&c, 2);
    n = c.members[2].node;
    for (uint64_t id = 3; id <= 5; id++) gate_frame(2, id, true, false, hash);
    nodes_run(&c, 1000);
    CHECK(abstains(2) && n->gate.closed && !node_is_fresh(n));
    nodes_fini(&c);

    /* A handshake tells as much; of a stranger's cluster only for now. */
    nodes_init(&c, 3, 14);
    nodes_start(&c, 1);
    n = c.members[1].node;
    struct node_identity peer = { .member_id = 9, .added_index = 1, .cluster_uuid = { 7 } };
    char why[NODE_WHY_BYTES];
    CHECK_EQ(node_judge_peer(n, c.now_ms, &peer, why, sizeof why), 0);
    CHECK(n->gate.closed && !(n->store.state.flags & WAL_FLAG_GATE_CLOSED));
    nodes_crash(&c, 1, true);
    nodes_start(&c, 1);
    n = c.members[1].node;
    CHECK(!n->gate.closed && n->gate.wanted);
    peer.member_id = 3;
    CHECK_EQ(node_judge_peer(n, c.now_ms, &peer, why, sizeof why), 0);
    nodes_run(&c, 100);
    CHECK(wal_durable_state(n->wal)->flags & WAL_FLAG_GATE_CLOSED);
    nodes_fini(&c);

    /* Its pass is durable before raft hears of it; an earlier batch that ends is not it. */
    nodes_init(&c, 3, 13);
    nodes_start(&c, 1);
    n = c.members[1].node;
    c.members[1].hold_disk = true;
    nodes_run(&c, 50); /* the first batch is under way */
    gate_frame(1, 2, true, false, n->gate.list_hash);
    nodes_run(&c, 1000);
    CHECK(abstains(1));
    CHECK_EQ(raft_term(node_raft(n)), 0);
    for (int i = 0; i < 100 && abstains(1); i++) {
        CHECK(raft_config_index(node_raft(n)) == 0 && raft_config(node_raft(n))->member_count == 0);
        nodes_complete_op(&c, 1);
    }
    CHECK(wal_durable_state(n->wal)->flags & WAL_FLAG_GATE_PASSED);
    CHECK(!abstains(1));
    nodes_fini(&c);
}

static bool talks_to(uint64_t by, uint64_t id)
{
    struct node_peer peers[MS_MEMBERS_MAX + 1];
    uint32_t count = node_peers(c.members[by].node, peers);
    for (uint32_t i = 0; i < count; i++) {
        if (peers[i].id == id) return true;
    }
    return false;
}

/* Who was judged when an entry that made it a member was in the log goes on being answered when that entry is
 * rolled back: it may be a member by what this one has not heard of, and lead. */
TEST(node_identity, who_was_judged_by_a_change_that_is_rolled_back_is_answered)
{
    nodes_found(&c, 3, 30);
    uint64_t old = nodes_leader(&c), other = nodes_follower(&c);
    nodes_isolate(&c, old);
    nodes_change(&c, old, ENTRY_CHANGE_ADD, 4);
    nodes_settle(&c);
    CHECK(config_find(raft_config(node_raft(c.members[old].node)), 4) != NULL);
    struct node_identity four = identity_of(other);
    four.member_id = 4;
    four.added_index = 1000; /* it knows more */
    nodes_url(four.url, 4);
    CHECK_EQ(judge(old, &four), 0);
    nodes_run(&c, 3000);
    CHECK(nodes_leader(&c) != old && nodes_leader(&c) != 0);
    nodes_heal(&c);
    nodes_write(&c, other, "k", "v");
    nodes_agree(&c);
    CHECK(config_find(raft_config(node_raft(c.members[old].node)), 4) == NULL);
    CHECK(talks_to(old, 4));
    CHECK(!talks_to(other, 4));
    nodes_fini(&c);
}

/* One that joins knows of its cluster what its command line says, and all may be others by now: each of them is
 * answered, whoever it is that leads. */
TEST(node_identity, one_that_joins_answers_all_members_of_a_cluster_that_it_does_not_know)
{
    nodes_init(&c, 3, 31);
    c.members[4].join = true;
    nodes_start(&c, 4);
    struct node_identity peer = { .added_index = 1, .cluster_uuid = { 7 } };
    for (peer.member_id = 11; peer.member_id <= 30; peer.member_id++) {
        nodes_url(peer.url, peer.member_id);
        CHECK_EQ(judge(4, &peer), 0);
    }
    for (uint64_t id = 11; id <= 30; id++) CHECK(talks_to(4, id));
    nodes_fini(&c);
}

static int raft_to_two_is_lost(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->type == NODE_FRAME_RAFT && f->to == 2 ? NODES_DROP : NODES_PASS;
}

/* A founder that has no log yet knows --cluster only, and the leader may be one that was added since: it believes
 * those of its list what cluster they are of. */
TEST(node_identity, a_founder_without_a_log_follows_a_leader_that_it_does_not_know)
{
    nodes_init(&c, 3, 17);
    c.filter = raft_to_two_is_lost;
    nodes_start_all(&c);
    NODES_UNTIL(&c, 5000, nodes_leader(&c) != 0 && nodes_leader(&c) != 2);
    nodes_write(&c, nodes_leader(&c), "k", "v");
    c.members[4].join = true;
    nodes_start(&c, 4);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, nodes_leader(&c), ENTRY_CHANGE_ADD, 4)), 0);
    NODES_UNTIL(&c, 10000, config_is_voter(raft_config(node_raft(c.members[1].node)), 4));
    nodes_run(&c, 500);
    nodes_transfer(&c, nodes_leader(&c), 4);
    NODES_UNTIL(&c, 5000, nodes_leader(&c) == 4);
    CHECK_EQ(c.members[2].node->info.applied_index, 0);
    nodes_crash(&c, 2, false); /* what it has heard of goes, and the gate's note stays */
    nodes_start(&c, 2);
    c.filter = NULL;
    NODES_UNTIL(&c, 5000, nodes_all_applied(&c));
    nodes_expect(&c, 2, "k", "v");
    nodes_fini(&c);
}
