/* Members whose disks are full (DESIGN 5): who keeps entries, who leads, what is refused. */
#include "tests/raft/cluster.h"

static struct cluster c;

static void set_room(uint64_t id, bool full, uint64_t bytes)
{
    struct raft_input in = { .kind = RAFT_INPUT_ROOM };
    in.room.full = in.room.closed = full;
    in.room.bytes = bytes;
    CHECK_EQ(cluster_step(&c, id, &in), 0);
    cluster_flush(&c, id);
    cluster_pump(&c);
}

static uint64_t last(uint64_t id)
{
    return raft_last_index(cluster_raft(&c, id));
}

TEST(raft_room, entries_are_left_to_those_with_room_while_they_are_a_quorum)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 1 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    set_room(N3, true, 100000);
    uint64_t before = last(N3);
    cluster_commit(&c, "b");
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK_EQ(last(N3), before);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N3)), before);
    CHECK(!raft_lacks_room(cluster_raft(&c, N1)));
    CHECK_EQ(cluster_leader(&c), N1); /* heartbeats are answered all the same */
    struct cluster_read *read = cluster_read(&c, N3);
    cluster_pump(&c);
    CHECK_EQ(read->status, 0);
    /* N2 goes: what is in the log already is finished with N3, and no more is taken. */
    CHECK_EQ(cluster_propose(&c, N1, "c"), 0);
    cluster_crash(&c, N2);
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N1)), last(N1));
    CHECK_EQ(last(N3), last(N1));
    CHECK(raft_lacks_room(cluster_raft(&c, N1)));
    set_room(N3, false, UINT64_MAX);
    CHECK(!raft_lacks_room(cluster_raft(&c, N1)));
    cluster_commit(&c, "d");
    cluster_fini(&c);
}

/* Not for want of room that there is no quorum at all, nor before anybody has spoken. */
TEST(raft_room, is_lacking_only_where_a_quorum_is_alive)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 2 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    CHECK(!raft_lacks_room(cluster_raft(&c, N1)) && !raft_lacks_room(cluster_raft(&c, N2)));
    cluster_crash(&c, N2);
    cluster_crash(&c, N3);
    for (uint32_t ms = 0; ms < 2 * ELECTION_MS; ms += 50) {
        cluster_advance(&c, 50);
        CHECK(!raft_lacks_room(cluster_raft(&c, N1)));
    }
    cluster_start(&c, N2);
    cluster_advance(&c, 10 * ELECTION_MS);
    uint64_t leader = cluster_leader(&c);
    set_room(leader, true, 100000); /* one is full, one is down */
    CHECK(raft_lacks_room(cluster_raft(&c, leader)));
    cluster_fini(&c);
}

TEST(raft_room, a_full_leader_hands_over_to_one_with_room)
{
    struct raft_leadership l;
    cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = 3 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    set_room(N2, true, 100000);
    set_room(N1, true, 100000);
    raft_leadership(cluster_raft(&c, N1), &l);
    CHECK_EQ(l.space_transfers, 1);
    cluster_advance(&c, 2 * ELECTION_MS);
    uint64_t leader = cluster_leader(&c);
    CHECK(leader >= N3);
    cluster_commit(&c, "b");
    /* The other two lose their room: now nobody gains by another leader. */
    set_room(leader == N3 ? N4 : N3, true, 100000);
    CHECK(raft_lacks_room(cluster_raft(&c, leader)));
    set_room(leader, true, 100000);
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), leader);
    cluster_fini(&c);
}

static void say_lacking(uint64_t id, bool full)
{
    struct raft_input in = { .kind = RAFT_INPUT_ROOM };
    in.room.full = in.room.closed = full;
    in.room.bytes = full ? 100000 : UINT64_MAX;
    in.room.lacks = true; /* in life the leader says it all the time */
    CHECK_EQ(cluster_step(&c, id, &in), 0);
    cluster_flush(&c, id);
    cluster_pump(&c);
}

/* N1 is answered by N2 and N3 and lacks room, as N2 is full; N4 and N5, whom it does not reach, have some. */
static void lead_without_room(uint64_t seed)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 5, .seed = seed });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    c.cut[N1][N4] = c.cut[N4][N1] = c.cut[N1][N5] = c.cut[N5][N1] = true;
    set_room(N2, true, 100000);
    cluster_advance(&c, 2 * ELECTION_MS);
    CHECK(raft_lacks_room(cluster_raft(&c, N1)));
}

TEST(raft_room, who_has_room_doubts_a_leader_that_lacks_it)
{
    lead_without_room(6);
    say_lacking(N2, true);
    say_lacking(N3, true);
    cluster_advance(&c, 10 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1); /* who is full gains nothing */
    say_lacking(N3, false);
    cluster_advance(&c, 3 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), N1); /* it has to be told first of what there is */
    cluster_advance(&c, 6 * ELECTION_MS);
    uint64_t leader = cluster_leader(&c);
    CHECK(leader >= N3 && !raft_lacks_room(cluster_raft(&c, leader)));
    cluster_commit(&c, "b");
    cluster_fini(&c);
}

/* The one without a link to its leader is there to be elected, as soon as N3 grants it its vote. */
static void doubt_begins_anew(uint64_t leader, uint64_t other)
{
    c.cut[leader][other] = c.cut[other][leader] = true;
    cluster_advance(&c, 3 * ELECTION_MS);
    CHECK_EQ(cluster_leader(&c), leader);
    cluster_advance(&c, 6 * ELECTION_MS);
    CHECK(cluster_leader(&c) != leader);
    cluster_fini(&c);
}

/* What N3 was told before is no fault of a leader that it hears first, or anew. In life the next leader may lack room
 * as well, and say so before N3 has noticed that the last one says nothing any more. */
TEST(raft_room, the_next_leader_without_room_has_all_its_time)
{
    for (uint32_t silent = 0; silent < 2; silent++) {
        uint64_t leader = silent ? N1 : N2;
        cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 9 });
        cluster_elect(&c, N1);
        cluster_commit(&c, "a");
        say_lacking(N3, false);
        cluster_advance(&c, 3 * ELECTION_MS);
        if (silent) {
            c.cut[N1][N3] = true;
            cluster_advance(&c, ELECTION_MS + 200);
            c.cut[N1][N3] = false;
        } else {
            CHECK_EQ(cluster_transfer(&c, N1, N2), 0);
        }
        cluster_advance(&c, 200);
        CHECK_EQ(cluster_leader(&c), leader);
        doubt_begins_anew(leader, N3 - leader);
    }
}

/* A full member takes what fits the room it has, of one append a part; a proposal that does not fit the
 * leader's own waits. */
TEST(raft_room, is_never_promised_twice)
{
    cluster_init(&c, (struct cluster_opts){ .node_count = 2, .seed = 4 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    uint64_t before = last(N2);
    set_room(N2, true, 2 * (20 + RAFT_STORE_AROUND_BYTES) + 60);
    c.opts.manual_store = true; /* nothing becomes durable, so that room does not come back */
    for (uint32_t i = 0; i < 4; i++) CHECK_EQ(cluster_propose(&c, N1, "twelve bytes"), 0);
    cluster_pump(&c);
    CHECK(last(N2) > before && last(N2) < before + 4);
    c.opts.manual_store = false;
    cluster_pump(&c);
    set_room(N2, true, 0);
    uint64_t then = last(N2);
    for (uint32_t i = 0; i < 4; i++) cluster_propose(&c, N1, "more");
    cluster_advance(&c, ELECTION_MS);
    CHECK_EQ(last(N2), then);
    set_room(N1, true, 10);
    CHECK_EQ(cluster_propose(&c, N1, "does not fit"), MS_EBUSY);
    set_room(N1, false, UINT64_MAX);
    set_room(N2, false, UINT64_MAX);
    cluster_advance(&c, ELECTION_MS);
    CHECK_EQ(last(N2), last(N1));
    CHECK_EQ(raft_commit_index(cluster_raft(&c, N2)), last(N1));
    cluster_fini(&c);
}

/* Room for an entry is never waited for by term and vote. */
TEST(raft_room, a_store_without_room_holds_the_hard_state_alone)
{
    struct raft_store store;
    cluster_init(&c, (struct cluster_opts){ .node_count = 3, .seed = 5 });
    cluster_elect(&c, N1);
    cluster_commit(&c, "a");
    c.opts.manual_store = true;
    CHECK_EQ(cluster_propose(&c, N1, "b"), 0);
    struct raft *r = cluster_raft(&c, N1);
    CHECK(!raft_store_begin(r, 4096, 10, &store)); /* nothing fits, nothing else is new */
    struct raft_msg m = {
        .type = RAFT_MSG_APPEND_REPLY, .from = N2, .to = N1, .term = raft_term(r) + 1
    };
    CHECK_EQ(cluster_message(&c, &m), 0);
    CHECK(raft_store_begin(r, 4096, 10, &store));
    CHECK(store.hard_changed && store.first_index > store.last_index);
    CHECK_EQ(store.term, m.term);
    cluster_fini(&c);
}
