/* test_kv_changes.c: KV_JOB_CHANGES (kv_changes.h) on the engine in memory; on RocksDB:
 * tests/kv_rocks/test_kv_rocks_changes.c. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "tests/kv/changes_model.h"
#include "tests/support/test.h"

TEST(kv_changes, are_those_of_a_list_of_all_that_was_done)
{
    struct fixture f;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        fixture_init(&f);
        changes_model_run(&f, seed, 250);
        fixture_fini(&f);
    }
}

/* Changes, and what they need of the history, travel with a snapshot. */
TEST(kv_changes, are_the_same_behind_a_snapshot)
{
    struct fixture f, other;
    struct buf chunks;
    fixture_init(&f);
    fixture_init(&other);
    fixture_found(&f, 1);
    buf_init(&chunks, &f.alloc.face, 64u << 20);
    changes_model_run(&f, 99, 400);
    CHECK_EQ(fixture_dump(&f, &chunks), 0);
    CHECK_EQ(fixture_load(&other, buf_bytes(&chunks)), 0);
    changes_model_check(&other);
    buf_fini(&chunks);
    fixture_fini(&f);
    fixture_fini(&other);
}

static struct kv_job ask(struct fixture *f, uint64_t revision, bool prev)
{
    struct kv_job job = { .kind = KV_JOB_CHANGES };
    job.changes.from.revision = revision;
    job.changes.prev = prev;
    buf_init(&job.chunk, &f->alloc.face, KV_CHANGES_BUF_BYTES_MAX);
    kv_run(f->kv, &job);
    return job;
}

/* As in etcd: what was put at the compacted revision can be watched, what it superseded is gone. */
TEST(kv_changes, begin_at_the_compacted_revision)
{
    struct fixture f;
    struct kv_event e;
    fixture_init(&f);
    fixture_put(&f, "a", "1"); /* 2 */
    fixture_put(&f, "a", "2"); /* 3 */
    fixture_put(&f, "a", "3"); /* 4 */
    fixture_compact(&f, 3);
    struct kv_job job = ask(&f, 2, true);
    CHECK_EQ(job.status, MS_ECOMPACTED);
    CHECK_EQ(job.changes.compacted_revision, 3);
    buf_fini(&job.chunk);
    job = ask(&f, 3, true);
    CHECK_EQ(job.status, 0);
    struct bytes_reader in = bytes_reader_of(buf_bytes(&job.chunk));
    CHECK_EQ(kv_event_next(&in, &e), 0);
    CHECK(e.revision == 3 && e.put && !e.has_prev && bytes_equal(e.now.value, bytes_of_str("2")));
    CHECK_EQ(kv_event_next(&in, &e), 0);
    CHECK(e.revision == 4 && e.has_prev && bytes_equal(e.prev.value, bytes_of_str("2")));
    CHECK_EQ(kv_event_next(&in, &e), MS_EEND);
    buf_fini(&job.chunk);
    fixture_fini(&f);
}

/* Two of the largest events fit one answer, whatever its bounds: so each answer gets further. */
TEST(kv_changes, of_the_largest_records_come_in_twos)
{
    struct fixture f;
    struct kv_event e;
    char *value = calloc(1, MS_VALUE_BYTES_MAX + 1);
    uint32_t events = 0;
    memset(value, 'x', MS_VALUE_BYTES_MAX - 1000);
    fixture_init(&f);
    for (uint32_t i = 0; i < 4; i++) fixture_put(&f, "a", value);
    struct kv_job job = ask(&f, 2, true);
    CHECK_EQ(job.status, 0);
    struct bytes_reader in = bytes_reader_of(buf_bytes(&job.chunk));
    for (; kv_event_next(&in, &e) == 0; events++) CHECK_EQ(e.now.value.len, strlen(value));
    CHECK_EQ(events, 2);
    CHECK_EQ(job.changes.next.revision, 4);
    buf_fini(&job.chunk);
    fixture_fini(&f);
    free(value);
}

TEST(kv_changes, refuse_memory_and_are_asked_again)
{
    struct fixture f;
    fixture_init(&f);
    fixture_put(&f, "a", "1");
    fixture_put(&f, "a", "2");
    for (uint32_t refused = 1;; refused++) {
        f.alloc.refuse_at = f.alloc.requests + refused;
        struct kv_job job = ask(&f, 2, true);
        bool met = f.alloc.requests >= f.alloc.refuse_at;
        f.alloc.refuse_at = 0;
        buf_fini(&job.chunk);
        CHECK_EQ(job.status, met ? MS_ENOMEM : 0);
        if (!met) break;
    }
    fixture_fini(&f);
}

/* An event that was cut anywhere, or says what no job writes, is refused. */
TEST(kv_changes, events_are_read_whole_or_not_at_all)
{
    struct fixture f;
    struct kv_event e;
    fixture_init(&f);
    fixture_put(&f, "a", "1");
    fixture_put(&f, "a", "2");
    struct kv_job job = ask(&f, 3, true);
    for (size_t len = 1; len < job.chunk.len; len++) {
        struct bytes_reader in = bytes_reader_of(bytes_of(job.chunk.data, len));
        CHECK_EQ(kv_event_next(&in, &e), MS_ECORRUPT);
        CHECK_EQ(in.at, 0);
    }
    job.chunk.data[0] ^= 1; /* neither put nor deleted */
    struct bytes_reader in = bytes_reader_of(buf_bytes(&job.chunk));
    CHECK_EQ(kv_event_next(&in, &e), MS_ECORRUPT);
    buf_fini(&job.chunk);
    fixture_fini(&f);
}

/* The end of a revision that is larger than a job is looked for, while its last event so far is kept back. */
TEST(kv_changes, of_a_hole_are_not_looked_at_again)
{
    struct fixture f;
    struct kv_op ops[20];
    char keys[20];
    struct buf command;
    struct kv_job job = { .kind = KV_JOB_CHANGES };
    fixture_init(&f);
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    buf_init(&job.chunk, &f.alloc.face, KV_CHANGES_BUF_BYTES_MAX);
    for (uint32_t i = 0; i < 20; i++) {
        keys[i] = (char)('a' + i);
        ops[i] = (struct kv_op){ .kind = KV_OP_PUT, .key = bytes_of(&keys[i], 1) };
    }
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, ops, 20, NULL, 0), 0);
    fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    job.changes = (struct kv_changes){ .from = { .revision = 2 }, .key = bytes_of_str("a") };
    job.changes.scan_max = 4;
    kv_run(f.kv, &job);
    CHECK_EQ(job.status, 0);
    CHECK(job.changes.next.revision == 2 && job.changes.next.sub == 4);
    size_t one = job.chunk.len;
    job.changes.resume_sub = 4;
    buf_clear(&job.chunk);
    kv_run(f.kv, &job);
    CHECK_EQ(job.chunk.len, one); /* a again */
    CHECK(job.changes.next.revision == 2 && job.changes.next.sub == 7);
    buf_fini(&job.chunk);
    buf_fini(&command);
    fixture_fini(&f);
}
