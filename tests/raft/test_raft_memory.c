/* Memory: every allocation may be refused, and an idle replica is small. */
#include "tests/raft/cluster.h"

static struct cluster c;

/* What needs memory while a cluster works: logs that grow, conflicts, messages, changes, fetches. */
static void live(void)
{
    cluster_tick(&c, N1);
    cluster_advance(&c, 3 * ELECTION_MS);
    for (int i = 0; i < 100; i++) {
        uint64_t leader = cluster_leader(&c);
        if (leader) cluster_propose(&c, leader, "entry");
        if (leader && i == 50) cluster_change(&c, leader, ENTRY_CHANGE_ADD, N4);
        if (i == 10) cluster_isolate(&c, N3);
        if (i == 80) cluster_heal(&c);
        if (i % 8 == 0) cluster_advance(&c, 10);
    }
}

TEST(memory, a_refused_allocation_is_a_clean_error)
{
    struct raft_opts o = { .cache_bytes_max = 500, .append_bytes_max = 300 };
    struct cluster_opts opts = { .node_count = 3, .seed = 4, .raft = o, .found = true };
    uint64_t refused = 0;
    for (uint64_t n = 1;; n += n < 60 ? 1 : 7) {
        cluster_init(&c, opts);
        c.alloc.refuse_at = c.alloc.requests + n;
        live();
        bool met = c.alloc.requests >= c.alloc.refuse_at;
        refused += met;
        c.alloc.refuse_at = 0;
        cluster_heal(&c);
        cluster_start(&c, N4);
        cluster_advance(&c, 5 * ELECTION_MS);
        CHECK(cluster_leader(&c) != 0);
        CHECK_EQ(cluster_propose(&c, cluster_leader(&c), "at last"), 0);
        cluster_converge(&c);
        CHECK(c.ledger_last > 60);
        cluster_fini(&c);
        if (!met) break;
    }
    CHECK(refused > 60);
}

TEST(memory, also_when_it_starts)
{
    static const uint8_t txn[] = { ENTRY_TXN, ENTRY_VERSION, 0 };
    struct raft_opts o = {
        .id = 1, .election_ms_min = 100, .heartbeat_ms = 10, .cache_bytes_max = 1 << 20
    };
    struct raft_start start = { .term = 300 };
    struct test_alloc alloc;
    int rv = MS_ENOMEM;
    test_alloc_init(&alloc);
    for (uint64_t n = 1; rv < 0; n++) {
        struct raft *r;
        alloc.refuse_at = alloc.requests + n;
        rv = raft_create(&r, &o, &start, &alloc.face, NULL, 0);
        for (uint64_t i = 1; rv == 0 && i <= 200; i++) {
            rv = raft_restore_entry(r, i, i, bytes_of(txn, sizeof txn)); /* a run each */
        }
        CHECK(rv == 0 || rv == MS_ENOMEM);
        if (rv == 0) CHECK_EQ(raft_term_at(r, 100), 100);
        raft_destroy(r);
        CHECK_EQ(alloc.alive, 0);
    }
}

struct counter {
    struct ms_alloc face;
    struct test_alloc *below;
    size_t bytes;
};

static void *count_resize(void *ctx, void *ptr, size_t len)
{
    struct counter *k = ctx;
    k->bytes += len;
    return k->below->face.resize(k->below, ptr, len);
}

TEST(memory, an_idle_replica_is_small)
{
    struct test_alloc alloc;
    struct counter k = { .face = { .resize = count_resize }, .below = &alloc };
    struct raft_opts o = { .id = 1, .election_ms_min = 100, .heartbeat_ms = 10 };
    struct raft_start start = { 0 };
    struct raft *r;
    k.face.ctx = &k;
    test_alloc_init(&alloc);
    CHECK_EQ(raft_create(&r, &o, &start, &k.face, NULL, 0), 0);
    CHECK(k.bytes < 300u << 10);
    raft_destroy(r);
    CHECK_EQ(alloc.alive, 0);
}
