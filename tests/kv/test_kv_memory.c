/* test_kv_memory.c: each allocation refused in turn. Apply ends the member (DESIGN 2.9: to skip an
 * entry that others apply is to diverge); everything else is an error that changes nothing. */
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f;

static void add_txn(struct fixture *t)
{
    struct kv_compare c = { .target = KV_CMP_VERSION,
                            .result = KV_CMP_GREATER,
                            .key = bytes_of_str("a"),
                            .range_end = bytes_of_str("b") };
    struct kv_op ops[] = {
        { .kind = KV_OP_PUT, .key = bytes_of_str("new"), .value = bytes_of_str("v") },
        { .kind = KV_OP_PUT, .key = bytes_of_str("k1"), .value = bytes_of_str("changed") },
        { .kind = KV_OP_DELETE, .key = bytes_of_str("k2"), .range_end = bytes_of_str("k5") },
    };
    struct entry_origin o = { .member_id = 1, .added_index = 1, .incarnation = 1, .seq = 1 };
    struct buf command;
    buf_init(&command, &t->alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, &c, 1, ops, 2, ops, 3), 0);
    fixture_add(t, ENTRY_TXN, &o, buf_bytes(&command));
    buf_fini(&command);
}

static void add_leased(struct fixture *t)
{
    struct kv_op ops[2] = { { .kind = KV_OP_PUT, .key = bytes_of_str("leased"), .lease = 7 },
                            { .kind = KV_OP_PUT, .key = bytes_of_str("k3"), .lease = 7 } };
    struct buf command;
    buf_init(&command, &t->alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, ops, 2, NULL, 0), 0);
    fixture_add(t, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
}

/* A cluster with some keys, and a job that does all there is to do. */
static void prepare(struct fixture *t)
{
    uint8_t body[32] = { 1 };
    char key[8];
    fixture_init(t);
    fixture_found(t, 2);
    for (int i = 0; i < 130; i++) {
        snprintf(key, sizeof key, "k%d", i % 9);
        fixture_put(t, key, "some value");
    }
    uint8_t lease[17] = { 7 };
    lease[8] = 100;
    fixture_apply(t, ENTRY_LEASE_GRANT, NULL, bytes_of(lease, 16));
    add_txn(t);
    add_leased(t);
    fixture_add(t, ENTRY_LEASE_RENEW, NULL, bytes_of(lease, 8));
    lease[8] = 0;
    fixture_add(t, ENTRY_LEASE_REVOKE, NULL, bytes_of(lease, 9));
    lease[0] = 8;
    lease[8] = 100;
    fixture_add(t, ENTRY_LEASE_GRANT, NULL, bytes_of(lease, 16));
    body[8] = 1;
    fixture_add(t, ENTRY_ATTACH, NULL, bytes_of(body, 32));
    bytes_store_u64(body, 100);
    fixture_add(t, ENTRY_COMPACT, NULL, bytes_of(body, 8));
    struct config c = config_of(3);
    struct buf encoded;
    buf_init(&encoded, &t->alloc.face, 1 << 14);
    config_encode(&encoded, &c);
    fixture_add(t, ENTRY_CONFIG, NULL, buf_bytes(&encoded));
    buf_fini(&encoded);
}

TEST(kv_memory, refused_in_apply_ends_the_member)
{
    struct kv_digest digest = { 0, 0 };
    uint32_t refusals = 0;
    prepare(&f);
    CHECK_EQ(fixture_run(&f), 0);
    fixture_check_digest(&f);
    digest = f.info.digest;
    fixture_fini(&f);
    for (uint64_t n = 1;; n++) {
        prepare(&f);
        f.alloc.refuse_at = f.alloc.requests + n;
        int rv = fixture_run(&f);
        bool refused = f.alloc.requests >= f.alloc.refuse_at;
        f.alloc.refuse_at = 0;
        CHECK_EQ(rv, refused ? MS_EFATAL : 0);
        struct kv_job job;
        fixture_read(&f, bytes_of_str("k1"), &job);
        CHECK_EQ(job.status, rv);
        buf_fini(&job.value);
        kv_info(f.kv, &f.info);
        if (rv == 0) CHECK(kv_digest_equal(digest, f.info.digest));
        fixture_fini(&f);
        if (!refused) break;
        refusals++;
    }
    CHECK(refusals > 20);
}

TEST(kv_memory, refused_elsewhere_changes_nothing)
{
    struct buf stream;
    struct kv_job job;
    prepare(&f);
    CHECK_EQ(fixture_run(&f), 0);
    buf_init(&stream, &f.alloc.face, 16 << 20);
    for (uint64_t n = 1;; n++) {
        buf_fini(&stream);
        f.alloc.refuse_at = f.alloc.requests + n;
        int rv = fixture_dump(&f, &stream);
        bool refused = f.alloc.requests >= f.alloc.refuse_at;
        f.alloc.refuse_at = 0;
        CHECK_EQ(rv, refused ? MS_ENOMEM : 0);
        fixture_check_digest(&f);
        if (!refused) break;
        CHECK(n < 1000);
    }
    struct kv_digest digest = f.info.digest;
    for (uint64_t n = 1;; n++) {
        fixture_read(&f, bytes_of_str("k1"), &job);
        buf_fini(&job.value);
        f.alloc.refuse_at = f.alloc.requests + n;
        fixture_read(&f, bytes_of_str("k1"), &job);
        bool refused = f.alloc.requests >= f.alloc.refuse_at;
        f.alloc.refuse_at = 0;
        CHECK_EQ(job.status, refused ? MS_ENOMEM : 0);
        buf_fini(&job.value);
        if (!refused) break;
    }

    struct fixture g;
    fixture_init(&g);
    fixture_put(&g, "old", "state");
    struct kv_digest old = (kv_info(g.kv, &g.info), g.info.digest);
    for (uint64_t n = 1;; n++) {
        g.alloc.refuse_at = g.alloc.requests + n;
        int rv = fixture_load(&g, buf_bytes(&stream));
        bool refused = g.alloc.requests >= g.alloc.refuse_at;
        g.alloc.refuse_at = 0;
        CHECK_EQ(rv, refused ? MS_ENOMEM : 0);
        fixture_check_digest(&g);
        CHECK(kv_digest_equal(g.info.digest, refused ? old : digest));
        CHECK(fixture_has(&g, "old", refused ? "state" : NULL));
        if (!refused) break;
        CHECK(n < 3000);
    }
    struct kv_digest scanned;
    g.alloc.refuse_at = g.alloc.requests + 1;
    CHECK_EQ(kv_digest_by_scan(g.kv, &scanned), MS_ENOMEM);
    fixture_fini(&g);
    buf_fini(&stream);
    fixture_fini(&f);
}

TEST(kv_memory, refused_in_creation)
{
    struct test_alloc a;
    struct kv *kv;
    test_alloc_init(&a);
    for (uint64_t n = 1;; n++) {
        a.refuse_at = a.requests + n;
        struct engine *e = kv_mem_create(&a.face);
        int rv = e ? kv_create(&kv, e, &a.face, NULL) : MS_ENOMEM;
        bool refused = a.requests >= a.refuse_at;
        CHECK_EQ(rv, refused ? MS_ENOMEM : 0);
        if (rv == 0) kv_destroy(kv);
        if (rv < 0 && e) e->ops->close(e); /* still the caller's */
        CHECK_EQ(a.alive, 0);
        if (!refused) break;
    }
}
