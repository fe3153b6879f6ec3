/* Starting from what a disk holds: DESIGN 4 and 5. What is gone is gone from this disk only, or for
 * ever: a member with peers abstains and is repaired by them, a member alone stops and says what is
 * missing. And starting with memory refused, and ending at any moment. */
#include "tests/node/nodes.h"
#include "wal/wal_private.h"

static struct nodes c;

static bool is_damaged(uint64_t id)
{
    return c.members[id].node->store.state.flags & WAL_FLAG_DAMAGED;
}

static void remove_all(uint64_t id, const char *dir, const char *prefix)
{
    struct nodes_member *m = &c.members[id];
    char path[DISK_PATH_BYTES_MAX];
    while (nodes_find_file(&c, id, dir, prefix, 0, path, NULL)) {
        struct disk_op op = { .kind = DISK_OP_REMOVE }, sync = { .kind = DISK_OP_SYNC_DIR };
        memcpy(op.path, path, sizeof op.path);
        snprintf(sync.path, sizeof sync.path, "%s", dir);
        CHECK_EQ(m->disk->ops->call(m->disk, &op), 0);
        CHECK_EQ(m->disk->ops->call(m->disk, &sync), 0);
    }
}

/* All of them: a removal whose directory was not synced is undone by a power cut. */
static void rot_snapshots(uint64_t id)
{
    char path[DISK_PATH_BYTES_MAX];
    uint32_t count = 0;
    while (nodes_find_file(&c, id, "snap", "snap-", count, path, NULL)) {
        nodes_rot(&c, id, path, 700);
        count++;
    }
    CHECK(count > 0);
}

/* Members whose logs begin behind a snapshot; what is before it is in no segment any more. */
#define LOG_BEGINS_BEHIND 200u
static void with_snapshots(uint32_t count, uint64_t seed)
{
    nodes_init(&c, count, seed);
    c.opts.snapshot_log_bytes = 20000;
    c.opts.revisions_kept = 20;
    nodes_start_and_elect(&c);
    nodes_run(&c, 300);
    nodes_write(&c, 1, "old", "v");
    for (int i = 0; i < 40; i++) {
        nodes_fill(&c, nodes_leader(&c), 20, 1000);
        bool all = true;
        for (uint64_t id = 1; id <= count; id++)
            all &= raft_first_index(node_raft(c.members[id].node)) > LOG_BEGINS_BEHIND;
        if (all) break;
    }
    nodes_agree(&c);
    nodes_run(&c, 200);
    for (uint64_t id = 1; id <= count; id++)
        CHECK(raft_first_index(node_raft(c.members[id].node)) > LOG_BEGINS_BEHIND);
}

TEST(node_boot, a_member_alone_that_lost_its_snapshot_does_not_start)
{
    char path[DISK_PATH_BYTES_MAX];
    with_snapshots(1, 1);
    c.opts.snapshot_log_bytes = 64u << 20; /* no more of them */
    nodes_crash(&c, 1, true);
    nodes_start(&c, 1); /* it would */
    nodes_elect(&c);
    nodes_crash(&c, 1, true);
    rot_snapshots(1);
    for (int i = 0; i < 2; i++) { /* and the attempt has made nothing worse */
        CHECK_EQ(nodes_try_start(&c, 1), MS_ELOSTDATA);
        CHECK(strstr(c.members[1].why, "snap") != NULL && strstr(c.members[1].why, "index") != NULL);
        CHECK(strstr(c.members[1].why, "no other member") != NULL);
    }
    CHECK(nodes_find_file(&c, 1, "snap", "snap-", 0, path, NULL)); /* the evidence is left alone */
    remove_all(1, "snap", "snap-");
    CHECK_EQ(nodes_try_start(&c, 1), MS_ELOSTDATA);
    nodes_fini(&c);
}

TEST(node_boot, a_member_with_peers_that_lost_its_snapshot_is_repaired)
{
    for (int missing = 0; missing < 2; missing++) {
        with_snapshots(3, 2);
        uint64_t id = nodes_follower(&c), leader = nodes_leader(&c), third = 6 - id - leader;
        nodes_crash(&c, id, true);
        if (missing)
            remove_all(id, "snap", "snap-");
        else
            rot_snapshots(id);
        nodes_crash(&c, leader, true);
        nodes_start(&c, id);
        struct node_status s;
        nodes_status_of(&c, id, &s);
        CHECK(s.abstains && strstr(s.abstain_reason, "damaged") != NULL);
        CHECK(is_damaged(id));
        /* Its vote does not count: what it has lost may be what it had acknowledged. */
        nodes_run(&c, 2000);
        CHECK_EQ(nodes_leader(&c), 0);
        nodes_crash(&c, id, true); /* a restart changes nothing about that */
        nodes_start(&c, id);
        nodes_run(&c, 1000);
        CHECK(is_damaged(id) && nodes_leader(&c) == 0);
        nodes_start(&c, leader);
        NODES_UNTIL(&c, 10000, !is_damaged(id));
        nodes_agree(&c);
        nodes_status_of(&c, id, &s);
        CHECK(!s.abstains);
        nodes_expect(&c, id, "old", "v");
        nodes_crash(&c, third, true);
        nodes_write(&c, id, "k", "with two"); /* it counts again */
        nodes_crash(&c, id, true);
        nodes_start(&c, third);
        nodes_start(&c, id);
        nodes_agree(&c);
        nodes_fini(&c);
    }
}

/* A snapshot that a power cut has left under its final name without a record of it, and one before it
 * that is whole: the older one and the log behind it hold everything. */
TEST(node_boot, a_damaged_newest_snapshot_falls_back_to_the_one_before)
{
    char old_path[DISK_PATH_BYTES_MAX], path[DISK_PATH_BYTES_MAX];
    uint64_t size;
    with_snapshots(1, 3);
    c.opts.snapshot_log_bytes = 64u << 20; /* no more of them */
    struct nodes_member *m = &c.members[1];
    nodes_run(&c, 200);
    nodes_write(&c, 1, "k", "v");
    uint64_t applied = m->node->info.applied_index, term = m->node->info.applied_term;
    nodes_crash(&c, 1, true);
    CHECK(nodes_find_file(&c, 1, "snap", "snap-", 0, old_path, &size));
    /* A newer one: garbage of the right name, then one whose content is another than its name says. */
    for (int kind = 0; kind < 2; kind++) {
        static uint8_t bytes[1u << 20];
        struct disk_op open = { .kind = DISK_OP_OPEN, .create = true };
        struct disk_op in = { .kind = DISK_OP_OPEN };
        memcpy(in.path, old_path, sizeof in.path);
        snprintf(open.path, sizeof open.path, "snap/snap-%016llx-%016llx", (unsigned long long)applied,
                 (unsigned long long)term);
        CHECK(size < sizeof bytes);
        memset(bytes, 0xee, sizeof bytes);
        CHECK_EQ(m->disk->ops->call(m->disk, &in), 0);
        struct disk_op read = {
            .kind = DISK_OP_READ, .file = in.file, .buf = bytes, .len = (size_t)size
        };
        if (kind == 1) CHECK_EQ(m->disk->ops->call(m->disk, &read), 0);
        CHECK_EQ(m->disk->ops->call(m->disk, &open), 0);
        struct disk_op write = {
            .kind = DISK_OP_WRITE, .file = open.file, .buf = bytes, .len = (size_t)size, .sync = true
        };
        struct disk_op close = { .kind = DISK_OP_CLOSE, .file = open.file };
        struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "snap" };
        CHECK_EQ(m->disk->ops->call(m->disk, &write), 0);
        CHECK_EQ(m->disk->ops->call(m->disk, &close), 0);
        close.file = in.file;
        CHECK_EQ(m->disk->ops->call(m->disk, &close), 0);
        CHECK_EQ(m->disk->ops->call(m->disk, &sync), 0);
        memcpy(path, open.path, sizeof path);
        nodes_start(&c, 1);
        nodes_elect(&c);
        nodes_expect(&c, 1, "k", "v");
        nodes_expect(&c, 1, "old", "v");
        nodes_crash(&c, 1, true);
    }
    nodes_fini(&c);
}

static int count_name(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    (void)size_bytes;
    if (!is_dir && strncmp(name, "snap-", 5) == 0) (*(uint32_t *)arg)++;
    return 0;
}

/* It may be of a state that was another than that of the others, and was put right by an installed snapshot. */
TEST(node_boot, no_power_cut_brings_back_the_snapshot_before_the_newest)
{
    with_snapshots(3, 9);
    for (uint64_t id = 1; id <= 3; id++) {
        uint32_t durable = 0;
        CHECK_EQ(sim_disk_durable_list(c.members[id].sim, "snap", count_name, &durable), 0);
        CHECK_EQ(durable, 1);
    }
    nodes_fini(&c);
}

/* The process was killed before it had removed that one itself. */
TEST(node_boot, a_start_removes_the_snapshot_before_the_newest_for_good)
{
    with_snapshots(1, 11);
    c.opts.snapshot_log_bytes = 64u << 20; /* no more of them */
    struct nodes_member *m = &c.members[1];
    uint32_t durable = 0;
    nodes_crash(&c, 1, true);
    struct disk_op open = { .kind = DISK_OP_OPEN, .create = true };
    snprintf(open.path, sizeof open.path, "snap/snap-%016x-%016x", 1u, 1u);
    CHECK_EQ(m->disk->ops->call(m->disk, &open), 0);
    struct disk_op close = { .kind = DISK_OP_CLOSE, .file = open.file };
    struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "snap" };
    CHECK_EQ(m->disk->ops->call(m->disk, &close), 0);
    CHECK_EQ(m->disk->ops->call(m->disk, &sync), 0);
    CHECK_EQ(sim_disk_durable_list(m->sim, "snap", count_name, &durable), 0);
    CHECK_EQ(durable, 2);
    nodes_start(&c, 1);
    durable = 0;
    CHECK_EQ(sim_disk_durable_list(m->sim, "snap", count_name, &durable), 0);
    CHECK_EQ(durable, 1);
    nodes_fini(&c);
}

/* The snapshot of a member reaches further than its log: everything is in the snapshot. */
TEST(node_boot, a_log_behind_its_snapshot_begins_anew)
{
    for (uint32_t count = 1; count <= 3; count += 2) {
        with_snapshots(count, 4);
        uint64_t id = count == 1 ? 1 : nodes_follower(&c);
        uint64_t at = c.members[id].node->store.state.snapshot_index;
        nodes_crash(&c, id, true);
        remove_all(id, "log", "wal-");
        int rv = nodes_try_start(&c, id);
        if (rv == 0) { /* taken for whole, or for damaged: never for a new member */
            CHECK(c.members[id].node->info.applied_index >= at);
            nodes_agree(&c);
            nodes_expect(&c, id, "old", "v");
        } else {
            CHECK_EQ(count, 1);
            CHECK_EQ(rv, MS_ELOSTDATA);
        }
        nodes_fini(&c);
    }
}

/* The log of another history: an uncommitted suffix of a leader that was cut off, beside a snapshot
 * that was installed over it, with the power going before the log has followed. */
TEST(node_boot, a_log_of_another_history_gives_way_to_the_snapshot)
{
    uint32_t seen = 0;
    for (uint64_t cut = 1; cut <= 40; cut++) {
        nodes_init(&c, 3, 50);
        c.opts.snapshot_log_bytes = 20000;
        c.opts.revisions_kept = 20;
        c.opts.raft.cache_bytes_max = 20000;
        nodes_start_all(&c);
        nodes_elect(&c);
        nodes_run(&c, 300);
        nodes_agree(&c);
        uint64_t old = nodes_leader(&c);
        nodes_isolate(&c, old);
        static char value[900];
        memset(value, 'u', sizeof value - 1);
        for (int i = 0; i < 150; i++) nodes_put(&c, old, "lost", value);
        nodes_run(&c, 400);
        uint64_t long_index = raft_last_index(node_raft(c.members[old].node));
        uint64_t lead = nodes_leader(&c);
        CHECK(lead != old);
        for (int i = 0; i < 20 && raft_first_index(node_raft(c.members[lead].node)) < 60; i++)
            nodes_fill(&c, lead, 20, 1000);
        CHECK(raft_first_index(node_raft(c.members[lead].node)) < long_index);
        nodes_write(&c, lead, "kept", "v");
        nodes_run(&c, 1200); /* all that the old leader was asked has been answered */
        struct nodes_member *m = &c.members[old];
        m->ops_until = m->ops_done + cut;
        nodes_heal(&c);
        for (int i = 0; i < 60 && !m->power_lost; i++) nodes_run(&c, 5);
        bool lost = m->power_lost;
        if (lost) nodes_start(&c, old);
        m->ops_until = 0;
        seen += lost;
        CHECK(!is_damaged(old));
        nodes_agree(&c);
        nodes_expect(&c, old, "kept", "v");
        nodes_expect(&c, old, "lost", NULL);
        nodes_fini(&c);
        if (!lost) break;
    }
    CHECK(seen > 5);
}

/* Rot in the log itself: in the middle of what was acknowledged. */
TEST(node_boot, a_rotten_log_is_told_or_repaired)
{
    char path[DISK_PATH_BYTES_MAX];
    for (uint32_t count = 1; count <= 3; count += 2) {
        nodes_found(&c, count, 5);
        nodes_fill(&c, 1, 40, 1000);
        nodes_agree(&c);
        uint64_t id = count == 1 ? 1 : nodes_follower(&c);
        nodes_crash(&c, id, true);
        CHECK(nodes_find_file(&c, id, "log", "wal-", 0, path, NULL));
        nodes_rot(&c, id, path, 20 * DISK_SECTOR_BYTES);
        int rv = nodes_try_start(&c, id);
        if (count == 1) {
            CHECK_EQ(rv, MS_ELOSTDATA);
            CHECK(strstr(c.members[1].why, path) != NULL); /* file and offset */
        } else {
            CHECK_EQ(rv, 0);
            CHECK(is_damaged(id));
            uint32_t seen = 0;
            for (int i = 0; is_damaged(id) && i < 10000; i++) {
                struct node_status s;
                nodes_status_of(&c, id, &s);
                CHECK(!s.ready); /* who restarts members one by one has to wait for it */
                seen += s.leader != 0 && s.applied_index > 0;
                nodes_run(&c, 1);
            }
            CHECK(seen > 0);
            CHECK(!is_damaged(id));
            nodes_agree(&c);
            nodes_crash(&c, id, true);
            nodes_start(&c, id);
            CHECK(!is_damaged(id));
            nodes_agree(&c);
        }
        nodes_fini(&c);
    }
}

static int no_snapshots(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    return f->type == NODE_FRAME_SNAP_OFFER ? NODES_DROP : NODES_PASS;
}

/* What a damaged log holds may reach as far as the leader's does, and be of an earlier term: that is no repair. */
TEST(node_boot, a_log_as_long_as_the_leaders_is_not_repaired_before_it_is_the_same)
{
    char path[DISK_PATH_BYTES_MAX];
    nodes_init(&c, 3, 6);
    c.opts.snapshot_log_bytes = 20000;
    c.opts.revisions_kept = 20;
    uint64_t old = nodes_start_and_elect(&c);
    nodes_write(&c, old, "k", "v");
    nodes_agree(&c);
    nodes_isolate(&c, old);
    for (int i = 0; i < 600; i++) {
        nodes_put(&c, old, "k", "of nobody else");
        if (i % 20 == 0) nodes_run(&c, 1);
    }
    NODES_UNTIL(&c, 5000, nodes_leader(&c) != old && nodes_leader(&c) != 0);
    struct wal *w = c.members[old].node->wal;
    uint64_t end = wal_segment_find(w, w->current_life)->end_sector;
    wal_path_segment(w, path, w->current_life);
    nodes_crash(&c, old, true);
    nodes_rot(&c, old, path, (end - 30) * DISK_SECTOR_BYTES);
    const struct raft *leads = node_raft(c.members[nodes_leader(&c)].node);
    nodes_fill(&c, nodes_leader(&c), 200, 1000);
    CHECK(raft_first_index(leads) > 40);
    c.filter = no_snapshots;
    nodes_heal(&c);
    nodes_start(&c, old);
    const struct raft *r = node_raft(c.members[old].node);
    CHECK(is_damaged(old) && raft_last_index(r) > raft_last_index(leads));
    NODES_UNTIL(&c, 5000, raft_leader(r) == nodes_leader(&c));
    nodes_run(&c, 500);
    CHECK(is_damaged(old) && raft_last_index(r) > raft_last_index(leads));
    c.filter = NULL;
    NODES_UNTIL(&c, 5000, !is_damaged(old));
    nodes_agree(&c);
    nodes_fini(&c);
}

/* Who has lost its vote may have given it to another than the leader that it finds: one that does not know yet. */
TEST(node_boot, a_leader_of_the_past_repairs_nobody)
{
    char path[DISK_PATH_BYTES_MAX], state[DISK_PATH_BYTES_MAX];
    nodes_init(&c, 3, 7);
    c.opts.raft.election_ms_min = 400;
    uint64_t past = nodes_start_and_elect(&c);
    nodes_write(&c, past, "k", "v");
    nodes_agree(&c);
    struct wal *w[4] = { NULL };
    uint64_t end[4] = { 0 };
    for (uint64_t id = 1; id <= 3; id++) {
        w[id] = c.members[id].node->wal;
        end[id] = wal_segment_find(w[id], w[id]->current_life)->end_sector;
    }
    nodes_isolate(&c, past);
    NODES_UNTIL(&c, 200, nodes_leader(&c) != past);
    uint64_t present = nodes_leader(&c), damaged = 6 - past - present;
    nodes_write(&c, present, "acknowledged", "v");
    wal_path_segment(w[damaged], path, w[damaged]->current_life);
    nodes_isolate(&c, present);
    nodes_crash(&c, damaged, true);
    nodes_rot(&c, damaged, path, end[damaged] * DISK_SECTOR_BYTES);
    CHECK(nodes_find_file(&c, damaged, "log", "state", 0, state, NULL));
    for (uint64_t slot = 0; slot < 2; slot++) nodes_rot(&c, damaged, state, slot * WAL_SLOT_STRIDE);
    nodes_heal(&c);
    nodes_isolate(&c, present);
    nodes_start(&c, damaged);
    CHECK(is_damaged(damaged) && raft_role(node_raft(c.members[past].node)) == RAFT_LEADER);
    nodes_run(&c, 1000);
    CHECK(is_damaged(damaged));
    nodes_heal(&c);
    NODES_UNTIL(&c, 10000, !is_damaged(damaged));
    nodes_expect(&c, damaged, "acknowledged", "v");
    nodes_agree(&c);
    nodes_fini(&c);
}

/* With both copies of its state the count of its starts is gone. If it began again at one, what it asks would bear numbers that
 * entries of its earlier lives have, and be taken for answered. */
TEST(node_boot, who_lost_its_state_asks_under_numbers_of_no_earlier_life)
{
    char path[DISK_PATH_BYTES_MAX];
    nodes_found(&c, 3, 5);
    nodes_fill(&c, 1, 40, 1000);
    nodes_agree(&c);
    uint64_t id = nodes_follower(&c), before = 0;
    for (int i = 0; i < 5; i++) {
        nodes_crash(&c, id, true);
        nodes_start(&c, id);
        before = c.members[id].node->store.state.incarnation;
    }
    nodes_crash(&c, id, true);
    CHECK(nodes_find_file(&c, id, "log", "wal-", 0, path, NULL));
    nodes_rot(&c, id, path, 20 * DISK_SECTOR_BYTES);
    CHECK(nodes_find_file(&c, id, "log", "state", 0, path, NULL));
    for (uint64_t slot = 0; slot < 2; slot++) nodes_rot(&c, id, path, slot * WAL_SLOT_STRIDE);
    CHECK_EQ(nodes_try_start(&c, id), 0);
    CHECK(is_damaged(id));
    CHECK(c.members[id].node->store.state.incarnation > before);
    NODES_UNTIL(&c, 10000, !is_damaged(id));
    nodes_agree(&c);
    nodes_fini(&c);
}

TEST(node_boot, refuses_options_that_cannot_work)
{
    static const struct {
        uint64_t segment_bytes;
        size_t request_bytes;
        uint32_t requests, request_ms, heartbeat_ms;
    } bad[] = { { 64u << 10, 64u << 10, 10, 10, 10 },
                { 64u << 20, MS_TXN_BYTES_MAX + 1, 10, 10, 10 },
                { 128u << 10, 16u << 10, 0, 10, 10 },
                { 128u << 10, 16u << 10, 10, 0, 10 },
                { 128u << 10, 16u << 10, 10, 10, 0 } };
    nodes_init(&c, 1, 6);
    const struct node_opts good = c.opts;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c.opts.wal_segment_bytes = bad[i].segment_bytes;
        c.opts.request_bytes_max = bad[i].request_bytes;
        c.opts.requests_max = bad[i].requests;
        c.opts.request_ms_max = bad[i].request_ms;
        c.opts.raft.heartbeat_ms = bad[i].heartbeat_ms;
        CHECK_EQ(nodes_try_start(&c, 1), MS_EINVAL);
    }
    c.opts = good;
    nodes_start(&c, 1);
    nodes_fini(&c);
}

/* Every request for memory of a start is refused once: a new member, and one with a snapshot and a log.
 * Each ends with MS_ENOMEM and nothing left over, and the next start is as if nothing had been. */
TEST(node_boot, refused_memory_at_start_ends_cleanly)
{
    for (int kind = 0; kind < 2; kind++) {
        if (kind == 0) {
            nodes_init(&c, 1, 7);
        } else {
            with_snapshots(1, 7);
            nodes_crash(&c, 1, true);
        }
        struct test_alloc *a = &c.members[1].alloc;
        struct test_alloc kv_alloc;
        test_alloc_init(&kv_alloc);
        /* Beyond what makes the kv, which the fixture does not expect to fail. */
        struct kv *kv = NULL;
        CHECK_EQ(kv_create(&kv, kv_mem_create(&kv_alloc.face), &kv_alloc.face, NULL), 0);
        uint64_t first = kv_alloc.requests + 1, n = first;
        kv_destroy(kv);
        int rv;
        do {
            a->requests = 0;
            a->refuse_at = n;
            rv = nodes_try_start(&c, 1);
            bool refused = a->requests >= n;
            a->refuse_at = 0;
            if (!refused) CHECK_EQ(rv, 0);
            if (refused && rv == 0) nodes_crash(&c, 1, false); /* it could do without */
            if (refused && rv < 0) CHECK_EQ(rv, MS_ENOMEM);
            if (!refused) break;
            n += n < first + 60 ? 1 : 7; /* many are alike: one for each entry of the log */
        } while (true);
        CHECK(n > first + 10);
        nodes_elect(&c);
        if (kind == 1) nodes_expect(&c, 1, "old", "v");
        nodes_write(&c, 1, "k", "v");
        nodes_fini(&c);
    }
}

/* Members that took each other for started with other lists would never found their cluster. */
TEST(node_boot, who_starts_where_memory_is_refused_has_the_list_that_others_have)
{
    bool refused = true;
    nodes_init(&c, 3, 7);
    nodes_start(&c, 2);
    struct test_alloc *a = &c.members[1].alloc;
    for (uint64_t n = 1; refused; n++) {
        uint64_t made = 10; /* for the kv: the fixture does not expect that to fail */
        a->refuse_at = a->requests + made + n;
        int rv = nodes_try_start(&c, 1);
        refused = a->requests >= a->refuse_at;
        a->refuse_at = 0;
        if (rv < 0) continue;
        CHECK_EQ(c.members[1].node->gate.list_hash, c.members[2].node->gate.list_hash);
        nodes_crash(&c, 1, false);
    }
    nodes_fini(&c);
}

/* Memory is refused while it runs: requests end with an error or are carried out, and the member goes
 * on or stops with a reason; what was acknowledged stays. */
TEST(node_boot, refused_memory_while_it_runs_loses_nothing)
{
    for (uint64_t n = 1; n < 400; n += 1 + n / 40) {
        nodes_found(&c, 1, 8);
        nodes_write(&c, 1, "k", "acknowledged");
        struct nodes_member *m = &c.members[1];
        m->may_stop = true;
        m->alloc.requests = 0;
        m->alloc.refuse_at = n;
        uint64_t token = 0;
        for (int i = 0; i < 20 && nodes_is_up(&c, 1); i++) {
            int rv = nodes_try_put(&c, 1, "more", "v", &token);
            CHECK(rv == 0 || rv == MS_ENOMEM || rv == MS_ESTOPPED);
            nodes_settle(&c);
        }
        m->alloc.refuse_at = 0;
        if (!nodes_is_up(&c, 1)) nodes_start(&c, 1);
        nodes_run(&c, 1500);
        nodes_elect(&c);
        nodes_expect(&c, 1, "k", "acknowledged");
        nodes_write(&c, 1, "k2", "v");
        nodes_fini(&c);
    }
}

/* The process may end between any two inputs, with anything under way: nothing is left (the fixture
 * looks at memory and at open files). */
TEST(node_boot, it_may_be_destroyed_at_any_moment)
{
    for (uint64_t seed = 300; seed < 340; seed++) {
        struct ms_rand r;
        ms_rand_init(&r, seed, 4);
        nodes_init(&c, 3, seed);
        c.opts.snapshot_log_bytes = 5000;
        c.opts.revisions_kept = 5;
        c.opts.raft.cache_bytes_max = 2000;
        nodes_start_all(&c);
        nodes_run(&c, ms_rand_below(&r, 600));
        for (int round = 0; round < 25; round++) {
            uint64_t id = 1 + ms_rand_below(&r, 3);
            struct nodes_member *m = &c.members[id];
            if (!nodes_is_up(&c, id)) {
                nodes_start(&c, id);
            } else {
                m->hold_disk = ms_rand_below(&r, 4) == 0;
                m->hold_jobs = ms_rand_below(&r, 4) == 0;
                nodes_put(&c, id, "k", "some bytes for the log to hold");
                nodes_get(&c, id, "k");
                if (ms_rand_below(&r, 3) == 0) m->ops_until = m->ops_done + 1 + ms_rand_below(&r, 15);
                if (ms_rand_below(&r, 8) == 0) nodes_crash(&c, id, ms_rand_below(&r, 2));
            }
            nodes_run(&c, ms_rand_below(&r, 80));
        }
        if (seed % 2) {
            for (uint64_t id = 1; id <= 3; id++) c.members[id].ops_until = 0;
            for (uint64_t id = 1; id <= 3; id++) {
                if (!nodes_is_up(&c, id)) nodes_start(&c, id);
                c.members[id].hold_disk = c.members[id].hold_jobs = false;
            }
            nodes_agree(&c);
        }
        nodes_fini(&c);
    }
}
