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
    bool is_long = kv_job_is_long(&job);
    for (uint32_t i = 0; i < f->count; i++) entry_ref_drop(&f->alloc.face, f->entries[i]);
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
    fixture_add(&f, ENTRY_COMPACT, NULL, bytes_of("12345678", 8));
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

TEST(kv_long, other_jobs)
{
    struct kv_job job = { .kind = KV_JOB_READ };
    CHECK(!kv_job_is_long(&job));
    job.kind = KV_JOB_LOAD_END;
    CHECK(kv_job_is_long(&job));
}
