/* Random runs: messages are lost, repeated and come out of order; members crash, restart, are cut off;
 * logs are compacted, members added, removed and exchanged, leaderships handed over, leases switched. What must hold at every step stands in cluster.h; at
 * the end everything is healed, and the cluster has to elect, commit and become equal. */
#include <stdlib.h>

#include "tests/raft/cluster.h"

#define STEPS 3000

static struct cluster c;
static uint64_t added[NODES_MAX + 1]; /* members that were ever added */
static uint64_t commits, elections, installs, changes, reads, restarts;
static uint64_t wishes, exchanges, transfers, leases_held;

static uint64_t draw(uint64_t bound)
{
    return ms_rand_below(&c.rand, bound);
}

static uint64_t any_running(void)
{
    uint64_t id = 1 + draw(NODES_MAX);
    for (uint32_t i = 0; i < NODES_MAX && !c.nodes[id].raft; i++) id = id % NODES_MAX + 1;
    return c.nodes[id].raft ? id : 0;
}

static void move_messages(void)
{
    for (uint64_t n = draw(16); n > 0 && c.message_count > 0; n--) {
        bool in_order = draw(20) > 0;
        uint32_t at = in_order ? 0 : (uint32_t)draw(c.message_count);
        uint64_t fate = draw(100);
        if (fate < 97) {
            cluster_deliver_at(&c, at, fate >= 92 && c.message_count < 200);
        } else {
            c.cut[c.messages[at].from][c.messages[at].to] = true; /* lose this one */
            uint64_t from = c.messages[at].from, to = c.messages[at].to;
            cluster_deliver_at(&c, at, false);
            c.cut[from][to] = false;
        }
    }
}

static void pass_time(void)
{
    c.now_ms += draw(40) == 0 ? draw(3 * ELECTION_MS) : draw(40);
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        if (!c.nodes[id].raft || draw(3) == 0) continue;
        if (raft_deadline_ms(c.nodes[id].raft) <= c.now_ms) cluster_tick(&c, id);
    }
}

static void move_disks(void)
{
    uint64_t id = any_running();
    if (!id) return;
    if (c.nodes[id].storing)
        cluster_store_end(&c, id);
    else
        cluster_store_begin(&c, id);
    if (draw(2)) cluster_apply(&c, id);
    if (draw(2)) cluster_flush(&c, id);
}

static void crash_or_restart(void)
{
    uint64_t id = 1 + draw(NODES_MAX);
    if (c.nodes[id].raft) {
        if (draw(2) == 0) return;
        cluster_crash(&c, id);
    } else if (id <= c.opts.node_count || added[id]) {
        cluster_start(&c, id);
        restarts++;
    }
}

static void join(uint64_t id)
{
    added[id] = 1;
    cluster_start(&c, id);
}

/* Some of the members, and some who never were. */
static void wish_for_members(uint64_t leader)
{
    uint32_t wanted = 0;
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        bool known = config_find(raft_config(c.nodes[leader].raft), id);
        bool is_new = id > c.opts.node_count && !added[id];
        if (known ? draw(4) > 0 : is_new && draw(4) == 0) wanted |= 1u << id;
    }
    if (!wanted || cluster_change_set(&c, leader, ENTRY_CHANGE_SET, wanted) < 0) return;
    wishes++;
    for (uint64_t id = c.opts.node_count + 1; id <= NODES_MAX; id++) {
        if ((wanted >> id & 1) && !added[id]) join(id);
    }
}

static void lead_otherwise(void)
{
    uint64_t leader = cluster_leader(&c);
    if (!leader) return;
    switch (draw(8)) {
    case 0: cluster_change(&c, leader, ENTRY_CHANGE_LEASE, draw(4) > 0); break;
    case 1: transfers += cluster_transfer(&c, leader, draw(2) ? 0 : 1 + draw(NODES_MAX)) == 0; break;
    case 2: wish_for_members(leader); break;
    default: exchanges += cluster_change(&c, leader, ENTRY_CHANGE_EXCHANGE, 0) == 0; break;
    }
}

static void change_members(void)
{
    uint64_t leader = cluster_leader(&c), id = 1 + draw(NODES_MAX);
    if (!leader) return;
    const struct config *config = raft_config(c.nodes[leader].raft);
    const struct config_member *m = config_find(config, id);
    int rv = MS_EBUSY;
    if (!m && id > c.opts.node_count && !added[id]) {
        rv = cluster_change(&c, leader, ENTRY_CHANGE_ADD, id);
        if (rv == 0) join(id);
    } else if (m && (m->roles & CONFIG_LEARNER)) {
        rv = cluster_change(&c, leader, ENTRY_CHANGE_PROMOTE, id);
    } else if (m && draw(3) == 0 && config_voter_count(config) > 2) {
        rv = cluster_change(&c, leader, ENTRY_CHANGE_REMOVE, id);
    }
    changes += rv == 0;
}

static void move_requests(void)
{
    uint64_t id = draw(4) ? cluster_leader(&c) : any_running();
    if (!id) return;
    struct raft_leadership l;
    raft_leadership(cluster_raft(&c, id), &l);
    leases_held += l.lease_held;
    if (draw(3) == 0)
        cluster_read(&c, id);
    else
        cluster_propose_bytes(&c, id, 1 + draw(60));
    if (draw(2)) cluster_flush(&c, id);
}

static void move_snapshots(void)
{
    uint64_t id = any_running();
    if (!id) return;
    if (draw(2)) cluster_compact(&c, id, c.nodes[id].state.index - draw(3));
    for (uint64_t peer = 1; peer <= NODES_MAX; peer++) {
        struct cluster_node *n = &c.nodes[id];
        if (n->fetch[peer].wanted) cluster_fetched(&c, id, peer, draw(5) ? 0 : MS_EIO);
        if (!n->snapshot_wanted[peer]) continue;
        cluster_snapshot(&c, id, peer);
        installs++;
    }
}

static void cut_or_heal(void)
{
    uint64_t a = 1 + draw(NODES_MAX), b = 1 + draw(NODES_MAX);
    switch (draw(5)) {
    case 0: c.cut[a][b] = true; break; /* one way */
    case 1: cluster_isolate(&c, a); break;
    default: cluster_heal(&c); break; /* as often as it breaks */
    }
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    in.link.peer = b;
    in.link.up = draw(2);
    if (c.nodes[a].raft && a != b) cluster_step(&c, a, &in);
}

static void step(void)
{
    uint64_t kind = draw(100);
    if (kind < 40)
        move_messages();
    else if (kind < 60)
        move_disks();
    else if (kind < 72)
        pass_time();
    else if (kind < 86)
        move_requests();
    else if (kind < 89)
        move_snapshots();
    else if (kind < 92)
        lead_otherwise();
    else if (kind < 95)
        change_members();
    else if (kind < 97)
        cut_or_heal();
    else if (kind < 98)
        crash_or_restart();
    else
        pass_time();
}

/* Everything works again: the cluster has to come to an end. */
static void finish(void)
{
    cluster_heal(&c);
    c.opts.manual_store = false;
    c.opts.manual_apply = false;
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        bool known = id <= c.opts.node_count || added[id];
        if (known && !c.nodes[id].raft) cluster_start(&c, id);
    }
    for (int i = 0; i < 300 && !cluster_leader(&c); i++) cluster_advance(&c, 100);
    for (int i = 0; i < 100; i++) {
        uint64_t leader = cluster_leader(&c);
        cluster_advance(&c, 100);
        if (leader && cluster_propose(&c, leader, "at last") == 0) break;
    }
    for (int i = 0; i < 20; i++) { /* a wish that stands comes true, now that everybody is there */
        uint64_t leader = cluster_leader(&c);
        if (leader) cluster_change(&c, leader, ENTRY_CHANGE_EXCHANGE, 0);
        cluster_advance(&c, 500);
    }
    cluster_converge(&c);
    uint64_t leader = cluster_leader(&c);
    CHECK(!config_is_joint(raft_config(c.nodes[leader].raft)));
    CHECK(raft_commit_index(c.nodes[leader].raft) == raft_last_index(c.nodes[leader].raft));
    CHECK(c.ledger_last == raft_commit_index(c.nodes[leader].raft));
    struct cluster_read *read = cluster_read(&c, leader);
    cluster_pump(&c);
    CHECK_EQ(read->status, 0);
}

static void run(uint64_t seed)
{
    struct raft_opts tight = { .inflight_count_max = 3,
                               .inflight_bytes_max = 200,
                               .append_bytes_max = 100,
                               .uncommitted_bytes_max = 2000,
                               .cache_bytes_max = 300,
                               .unapplied_bytes_max = 600 };
    struct cluster_opts opts = { .node_count = 1 + (uint32_t)(seed % 5),
                                 .seed = seed,
                                 .manual_store = true,
                                 .manual_apply = true,
                                 .found = seed % 3 == 0 };
    if (seed % 2) opts.raft = tight;
    memset(added, 0, sizeof added);
    cluster_init(&c, opts);
    for (int i = 0; i < STEPS; i++) {
        step();
        if (i % 16 == 0) cluster_check(&c);
    }
    finish();
    for (uint32_t t = 0; t < sizeof c.leaders / sizeof c.leaders[0]; t++)
        elections += c.leaders[t] != 0;
    commits += c.ledger_last;
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        for (uint32_t i = 0; i < c.nodes[id].read_count; i++) reads += c.nodes[id].reads[i].status == 0;
    }
    cluster_fini(&c);
}

/* RAFT_SEED and RAFT_SEEDS in the environment: which seeds, and how many; each is printed. */
static void run_seeds(uint64_t first, uint64_t count)
{
    const char *from = getenv("RAFT_SEED"), *many = getenv("RAFT_SEEDS");
    if (from) first = strtoull(from, NULL, 10);
    if (from) count = many ? strtoull(many, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (from) fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
    if (from) return;
    CHECK(commits > 20 * count && elections > 2 * count && reads > 4 * count); /* rich, or no proof */
    CHECK(installs > count && changes > count && restarts > 2 * count);
    CHECK(2 * wishes > count && 12 * exchanges > count && 2 * transfers > count && leases_held > count);
}

TEST(random, nothing_committed_is_ever_lost)
{
    run_seeds(1, 150);
}

TEST(random, nor_with_other_seeds)
{
    run_seeds(10001, 150);
}
