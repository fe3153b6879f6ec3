/* The exhaustive search: its steps back lead back, and each of its checks fires on a world that breaks what it
 * looks for. */
#include "sim/sim_exhaust_private.h"
#include "tests/support/test.h"

static struct exh x;
static struct exh_saved *saved[8];

static void setup(void)
{
    struct sim_exhaust_bounds bounds;
    CHECK(sim_exhaust_parse("faults=1,late=1,writes=1", &bounds));
    exh_init(&x, &bounds);
    for (uint32_t i = 0; i < 8; i++) saved[i] = exh_saved_create();
}

static void teardown(void)
{
    for (uint32_t i = 0; i < 8; i++) exh_saved_destroy(saved[i]);
    exh_fini(&x);
}

/* All choices to a depth; behind each the state is what it was. Returns how many there were. */
static uint64_t walk(uint32_t depth)
{
    struct exh_choice c[EXH_CHOICES_MAX];
    uint64_t hash = exh_hash(&x), walked = 0;
    if (depth == 0) return 0;
    uint32_t n = exh_choices(&x, c);
    for (uint32_t i = 0; i < n; i++) {
        struct exh_world world = x.world;
        exh_member_save(&x, c[i].member, saved[depth]);
        exh_choose(&x, c[i]);
        CHECK(exh_hash(&x) != hash || x.world.faults > world.faults);
        walked += 1 + walk(depth - 1);
        x.world = world;
        x.path_len--;
        exh_member_restore(&x, c[i].member, saved[depth]);
        CHECK(exh_hash(&x) == hash);
    }
    return walked;
}

TestSuite(exhaust, .init = setup, .fini = teardown);

Test(exhaust, a_step_back_leads_back)
{
    CHECK_EQ(raft_role(x.rafts[1]), RAFT_LEADER);
    CHECK(walk(5) > 3000);
}

Test(exhaust, bounds_are_read_by_name)
{
    struct sim_exhaust_bounds b;
    CHECK(sim_exhaust_parse(NULL, &b));
    CHECK(b.faults == 2 && b.writes == 2);
    CHECK(sim_exhaust_parse("faults=2,start=2,manual=1", &b));
    CHECK(b.faults == 2 && b.start == 2 && b.manual == 1);
    CHECK(!sim_exhaust_parse("faults=9", &b));
    CHECK(!sim_exhaust_parse("faults", &b));
    CHECK(!sim_exhaust_parse("fault=1", &b));
    CHECK(!sim_exhaust_parse("faults=1x", &b));
}

/* --- worlds in which something is wrong: exit code 10, safety --- */

Test(exhaust, two_leaders_of_a_term_are_found, .exit_code = 10)
{
    x.world.leader_of[raft_term(x.rafts[1])] = 2;
    exh_check_step(&x, 1, raft_commit_index(x.rafts[1]));
}

Test(exhaust, a_leader_without_what_was_committed_is_found, .exit_code = 10)
{
    x.world.leader_of[raft_term(x.rafts[1])] = 0;
    x.world.ledger[1].by_term = 0;
    x.world.ledger[1].entry.term++;
    exh_check_step(&x, 1, raft_commit_index(x.rafts[1]));
}

Test(exhaust, another_entry_committed_is_found, .exit_code = 10)
{
    x.world.ledger[1].entry.term++;
    exh_check_step(&x, 2, 0);
}

Test(exhaust, a_commit_of_what_only_one_disk_has_is_found, .exit_code = 10)
{
    x.world.nodes[2].disk.log.last_index = x.world.nodes[3].disk.log.last_index = 0;
    exh_check_step(&x, 1, 0);
}

static void sends(uint32_t id, struct raft_msg m)
{
    m.from = id;
    m.term = x.world.nodes[id].disk.term;
    exh_check_message(&x, id, &m);
}

Test(exhaust, a_second_vote_is_found, .exit_code = 10)
{
    struct raft_msg m = { .type = RAFT_MSG_VOTE_REPLY, .to = 3, .vote_reply.granted = true };
    x.world.nodes[2].disk.vote = 3; /* it has voted for n1 */
    sends(2, m);
}

Test(exhaust, a_vote_that_is_not_on_the_disk_is_found, .exit_code = 10)
{
    struct raft_msg m = { .type = RAFT_MSG_VOTE_REPLY, .to = 1, .vote_reply.granted = true };
    x.world.nodes[2].disk.vote = 0;
    sends(2, m);
}

Test(exhaust, an_ack_of_what_is_not_on_the_disk_is_found, .exit_code = 10)
{
    struct raft_msg m = { .type = RAFT_MSG_APPEND_REPLY, .to = 1 };
    m.append_reply.ok = true;
    m.append_reply.match_index = 1;
    x.world.nodes[2].disk.log.last_index = 0;
    sends(2, m);
}

Test(exhaust, what_is_on_the_disk_may_be_said)
{
    struct raft_msg ack = { .type = RAFT_MSG_APPEND_REPLY, .to = 1 };
    struct raft_msg vote = { .type = RAFT_MSG_VOTE_REPLY, .to = 1, .vote_reply.granted = true };
    ack.append_reply.ok = true;
    ack.append_reply.match_index = 1;
    sends(2, ack);
    sends(2, vote);
}

Test(exhaust, logs_that_agree_behind_a_difference_are_found, .exit_code = 10)
{
    struct exh_log *l = &x.world.nodes[3].disk.log;
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        struct exh_log *log = &x.world.nodes[id].disk.log;
        log->at[2] = log->at[1];
        log->last_index = 2;
    }
    exh_check_logs(&x, 1);
    l->at[1].payload++;
    exh_check_logs(&x, 3);
}

Test(exhaust, a_stale_read_is_found, .exit_code = 10)
{
    x.world.read[1] = (struct exh_read){ .floor_index = 2, .open = true };
    exh_check_read(&x, 1, 1, 0);
}
