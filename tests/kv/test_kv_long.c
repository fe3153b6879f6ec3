/* test_kv_long.c: which jobs only the size of the state bounds. */
#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

#define KEY_A                                                                                          \
    {                                                                                                  \
        (const uint8_t *)"a", 1                                                                        \
    }
#define KEY_Z                                                                                          \
    {                                                                                                  \
        (const uint8_t *)"z", 1                                                                        \
    }

/* The job that applies what waits in f, which is dropped. */
static bool waiting_is_long(struct fixture *f)
{
    struct kv_job job = { .kind = KV_JOB_APPLY, .entries = f->entries, .count = f->count };
    bool is_long = kv_job_is_long(f->kv, &job);
    for (uint32_t i = 0; i < f->count; i++) entry_ref_drop(&f->alloc.face, f->entries[i]);
    f->index -= f->count; /* they were never made */
    f->count = 0;
    return is_long;
}

static void add_txn(struct fixture *f, const struct kv_compare *compare, const struct kv_op *then_op,
                    const struct kv_op *else_op)
{
    struct buf command;
    buf_init(&command, &f->alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, compare, compare ? 1 : 0, then_op, then_op ? 1 : 0, else_op,
                           else_op ? 1 : 0),
             0);
    fixture_add(f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
}

static const struct kv_compare one_compared = { .key = KEY_A },
                               many_compared = { .key = KEY_A, .range_end = KEY_Z };
static const struct kv_op one_put = { .kind = KV_OP_PUT, .key = KEY_A };
static const struct kv_op one_deleted = { .kind = KV_OP_DELETE, .key = KEY_A };
static const struct kv_op many_deleted = { .kind = KV_OP_DELETE, .key = KEY_A, .range_end = KEY_Z };
static const struct kv_op many_read = { .kind = KV_OP_RANGE, .key = KEY_A, .range_end = KEY_Z };

TEST(kv_long, single_keys_are_short)
{
    struct fixture f;
    fixture_init(&f);
    add_txn(&f, &one_compared, &one_put, &one_deleted);
    fixture_add(&f, ENTRY_NOOP, NULL, bytes_of(NULL, 0));
    CHECK(!waiting_is_long(&f));
    fixture_fini(&f);
}

TEST(kv_long, one_long_entry_makes_a_long_job)
{
    struct fixture f;
    fixture_init(&f);
    add_txn(&f, &one_compared, &one_put, NULL);
    add_txn(&f, NULL, &one_put, &many_deleted);
    CHECK(waiting_is_long(&f));
    add_txn(&f, NULL, &many_read, NULL);
    CHECK(waiting_is_long(&f));
    add_txn(&f, &many_compared, &one_put, NULL);
    CHECK(waiting_is_long(&f));
    fixture_add(&f, ENTRY_LEASE_REVOKE, NULL, bytes_of("", 0));
    CHECK(waiting_is_long(&f));
    fixture_fini(&f);
}

/* A range in a transaction within a transaction, also in one that goes with the grant of a lease. */
TEST(kv_long, nested_ranges_are_found)
{
    struct fixture f;
    struct buf inner, body;
    fixture_init(&f);
    buf_init(&inner, &f.alloc.face, MS_TXN_BYTES_MAX);
    buf_init(&body, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&inner, NULL, 0, NULL, 0, &many_deleted, 1), 0);
    struct kv_op nested = { .kind = KV_OP_TXN, .txn = buf_bytes(&inner) };
    add_txn(&f, NULL, &nested, NULL);
    CHECK(waiting_is_long(&f));
    struct entry_lease_grant grant = { .id = 1, .ttl_ms = 1000, .command = buf_bytes(&inner) };
    entry_lease_grant_encode(&body, &grant);
    fixture_add(&f, ENTRY_LEASE_GRANT, NULL, buf_bytes(&body));
    CHECK(waiting_is_long(&f));
    buf_fini(&inner);
    buf_fini(&body);
    fixture_fini(&f);
}

/* Bytes that are no command have no effect, and nothing is read beyond them. */
TEST(kv_long, what_cannot_be_read_is_short)
{
    struct fixture f;
    fixture_init(&f);
    fixture_add(&f, ENTRY_TXN, NULL, bytes_of("\x01\x00\x00\x01", 4));
    fixture_add(&f, ENTRY_LEASE_GRANT, NULL, bytes_of("\x01", 1));
    CHECK(!waiting_is_long(&f));
    fixture_fini(&f);
}

static bool compaction_is_long(struct fixture *f, uint64_t revision)
{
    uint8_t body[8];
    bytes_store_u64(body, revision);
    fixture_add(f, ENTRY_COMPACT, NULL, bytes_of(body, sizeof body));
    return waiting_is_long(f);
}

/* The members' own compactions are short, unless a revision in them deleted a whole range. */
TEST(kv_long, a_compaction_is_as_long_as_what_it_forgets)
{
    struct fixture f;
    char key[8];
    fixture_init(&f);
    fixture_found(&f, 1);
    for (uint32_t i = 0; i < 256; i++) {
        snprintf(key, sizeof key, "k%03u", i);
        fixture_put(&f, key, "v");
    }
    uint64_t before = fixture_put(&f, "a", "v").revision;
    CHECK(!compaction_is_long(&f, before));
    CHECK(!compaction_is_long(&f, before + 1)); /* of the future: it has no effect */
    struct kv_op all = { .kind = KV_OP_DELETE, .key = { (const uint8_t *)"k", 1 }, .range_end = KEY_Z };
    add_txn(&f, NULL, &all, NULL);
    CHECK_EQ(fixture_run(&f), 0);
    CHECK(!compaction_is_long(&f, before));
    CHECK(compaction_is_long(&f, before + 1));
    CHECK_EQ(fixture_compact(&f, before + 1).status, 0);
    CHECK(!compaction_is_long(&f, before + 1)); /* it was made */
    for (uint32_t i = 0; i < 600; i++) fixture_put(&f, "a", "w");
    CHECK(compaction_is_long(&f, before + 601));
    fixture_fini(&f);
}

TEST(kv_long, other_jobs)
{
    struct kv_job job = { .kind = KV_JOB_READ };
    CHECK(!kv_job_is_long(NULL, &job));
    job.kind = KV_JOB_LOAD_END;
    CHECK(kv_job_is_long(NULL, &job));
}
