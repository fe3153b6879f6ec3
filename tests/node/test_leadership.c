/* Who leads, and who notices: what raft promises, seen from whole nodes. */
#include "tests/node/nodes.h"

static struct nodes c;

/* A leader that cannot hand over gives up after an election timeout and takes proposals again (diss.
 * 3.10): a wish that cannot be fulfilled fails no write. */
TEST(node_leadership, a_transfer_that_cannot_be_fails_no_write)
{
    nodes_found(&c, 3, 3);
    uint64_t leader = nodes_leader(&c), to = nodes_follower(&c);
    c.members[to].hold_disk = true; /* it answers, and stores nothing */
    nodes_put(&c, leader, "a", "v");
    nodes_run(&c, 20);
    nodes_transfer(&c, leader, to);
    uint64_t token = nodes_put(&c, leader, "b", "v");
    nodes_run(&c, 5 * c.opts.raft.election_ms_min); /* half of the request timeout */
    CHECK_EQ(nodes_answer_of(&c, token)->count, 1);
    CHECK_EQ(nodes_wait(&c, token), 0);
    c.members[to].hold_disk = false;
    nodes_run(&c, 1000);
    nodes_fini(&c);
}

/* Its log hangs in what the member has written for its own sake, that it has a snapshot: of raft's nothing has been
 * begun, and what comes waits for ever. */
TEST(node_leadership, a_leader_whose_log_hangs_before_it_takes_an_entry_goes)
{
    nodes_init(&c, 3, 3);
    c.opts.snapshot_log_bytes = 1000;
    uint64_t leader = nodes_start_and_elect(&c);
    struct node *n = c.members[leader].node;
    nodes_agree(&c);
    c.members[leader].hold_disk = true;
    nodes_put(&c, leader, "a", "v");
    nodes_run(&c, 20);
    for (uint32_t i = 0; n->store.raft_token || !n->store.busy; i++) {
        CHECK(i < 100);
        if (c.members[leader].op_count > 0) nodes_complete_op(&c, leader);
        nodes_run(&c, 1);
    }
    nodes_run(&c, 10 * c.opts.raft.election_ms_min);
    CHECK_EQ(nodes_leader(&c), leader); /* nobody waits for it */
    nodes_put(&c, nodes_follower(&c), "b", "v");
    NODES_UNTIL(&c, 10 * c.opts.raft.election_ms_min, nodes_leader(&c) != leader);
    c.members[leader].hold_disk = false;
    nodes_agree(&c);
    nodes_fini(&c);
}

static uint64_t from, only_to;

static int tell_one(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->from == from && f->to != only_to ? NODES_DROP : NODES_PASS;
}

/* A voter whose removal is not committed goes on starting elections (diss. 4.2.2), also after a restart
 * of the memory engine, which has forgotten what was applied. */
TEST(node_leadership, an_open_removal_survives_a_restart)
{
    nodes_found(&c, 4, 3);
    uint64_t leader = nodes_leader(&c), gone = leader == 4 ? 3 : 4;
    nodes_write(&c, leader, "a", "v");
    nodes_run(&c, 500);
    uint64_t index = raft_last_index(node_raft(c.members[leader].node));
    from = leader;
    only_to = gone;
    c.filter = tell_one;
    nodes_change(&c, leader, ENTRY_CHANGE_REMOVE, gone);
    NODES_UNTIL(&c, 300, raft_durable_index(node_raft(c.members[gone].node)) > index);
    nodes_crash(&c, leader, true);
    c.filter = NULL;
    nodes_crash(&c, gone, true);
    nodes_start(&c, gone);
    NODES_UNTIL(&c, 60000, nodes_leader(&c) != 0);
    nodes_fini(&c);
}

/* A member that does not campaign (a learner, or one that abstains) has to notice as well that nobody
 * leads it any more. */
TEST(node_leadership, a_learner_that_is_cut_off_is_not_ready)
{
    struct node_status s;
    nodes_found(&c, 3, 6);
    CHECK_EQ(nodes_wait(&c, nodes_change_set(&c, 1, 0x3e)), 0); /* 1 to 5; 5 is never started */
    nodes_start(&c, 4);
    nodes_run(&c, 2000);
    nodes_status_of(&c, 4, &s);
    CHECK(s.learner && s.ready && s.has_quorum_contact);
    uint64_t before = nodes_leader(&c);
    nodes_isolate(&c, 4);
    CHECK_EQ(nodes_wait(&c, nodes_transfer(&c, before, 0)), 0);
    CHECK(nodes_leader(&c) != before);
    nodes_run(&c, 100 * c.opts.raft.election_ms_min);
    nodes_status_of(&c, 4, &s);
    uint64_t token = nodes_transfer(&c, 4, before);
    nodes_run(&c, 10);
    CHECK(!s.has_quorum_contact && !s.ready);
    CHECK_EQ(nodes_answer_of(&c, token)->count, 0); /* not yet, and it is not so */
    nodes_heal(&c);
    nodes_fini(&c);
}

/* Kinds that a leader proposes of its own, and how often each stands in its log behind index. */
static uint32_t own_count(uint64_t id, uint64_t index, uint8_t kind)
{
    const struct raft *r = node_raft(c.members[id].node);
    uint32_t count = 0;
    for (uint64_t i = index + 1; i <= raft_last_index(r); i++) {
        const struct entry_ref *e = raft_entry(r, i);
        count += e && entry_ref_kind(e) == kind;
    }
    return count;
}

/* For as long as disks are slow: what it would change is as it was, so it would propose it again and again. */
TEST(node_leadership, what_a_leader_has_proposed_waits_for_its_commit)
{
    nodes_init(&c, 3, 5);
    c.opts.revisions_kept = 5;
    c.opts.digest_ms = 20;
    uint64_t leader = nodes_start_and_elect(&c);
    nodes_run(&c, 1000);
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = id != leader;
    struct node_status s;
    nodes_status_of(&c, leader, &s);
    uint64_t last = s.last_index;
    for (uint32_t i = 0; i < 30; i++) nodes_put(&c, leader, "k", "v");
    nodes_run(&c, 500);
    CHECK(own_count(leader, last, ENTRY_COMPACT) + own_count(leader, last, ENTRY_DIGEST) <= 2);
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = false;
    nodes_agree(&c);
    NODES_UNTIL(&c, 2000,
                own_count(leader, last, ENTRY_COMPACT) > 0 &&
                    own_count(leader, last, ENTRY_DIGEST) > 0);
    nodes_status_of(&c, leader, &s);
    CHECK(s.compacted_revision > 20);
    last = s.last_index;
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = id != leader;
    nodes_put(&c, leader, "k", "v");
    nodes_run(&c, 500); /* something was applied since the last digest: one is due, and only one */
    CHECK(own_count(leader, last, ENTRY_DIGEST) <= 1);
    CHECK(own_count(leader, last, ENTRY_COMPACT) <= 1);
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = false;
    nodes_agree(&c);
    nodes_fini(&c);
}

/* Two of five whom the leader does not reach, one who does not store: it is answered by a quorum and commits
 * nothing. The others elect one that can. */
TEST(node_leadership, a_leader_that_commits_nothing_is_left)
{
    nodes_found(&c, 5, 11);
    uint64_t leader = nodes_leader(&c), stuck = leader % 5 + 1, keen = stuck % 5 + 1;
    for (uint64_t id = 1; id <= 5; id++) {
        if (id != leader && id != stuck && id != keen) nodes_cut(&c, leader, id);
    }
    c.members[stuck].hold_disk = true;
    nodes_put(&c, leader, "k", "v");
    NODES_UNTIL(&c, 20 * c.opts.raft.election_ms_min,
                nodes_leader(&c) != leader && nodes_leader(&c) != 0);
    CHECK(nodes_leader(&c) != stuck);
    nodes_write(&c, keen, "k", "w");
    nodes_expect(&c, keen, "k", "w");
    c.members[stuck].hold_disk = false;
    nodes_heal(&c);
    nodes_agree(&c);
    nodes_fini(&c);
}

/* Where nobody can do better it stays: pre-votes disturb nobody. */
TEST(node_leadership, a_leader_that_nobody_can_replace_stays)
{
    nodes_found(&c, 3, 12);
    uint64_t leader = nodes_leader(&c), term = raft_term(node_raft(c.members[leader].node));
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = id != leader;
    nodes_put(&c, leader, "k", "v");
    nodes_run(&c, 20 * c.opts.raft.election_ms_min);
    for (uint64_t id = 1; id <= 3; id++) c.members[id].hold_disk = false;
    nodes_write(&c, leader, "k", "w");
    CHECK_EQ(nodes_leader(&c), leader);
    CHECK_EQ(raft_term(node_raft(c.members[leader].node)), term);
    nodes_fini(&c);
}
