/* test_kv_lease.c: leases in the state machine: what ETCD.md says of them, sections 2 and 6. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "tests/kv/kv_fixture.h"
#include "tests/kv/lease_model.h"
#include "tests/support/test.h"

static struct fixture f;
static struct buf body;

static void begin(void)
{
    fixture_init(&f);
    fixture_found(&f, 1);
    buf_init(&body, &f.alloc.face, MS_TXN_BYTES_MAX + 64u);
}

static void end(void)
{
    fixture_check_digest(&f);
    buf_fini(&body);
    fixture_fini(&f);
}

static struct kv_result apply_body(uint8_t kind)
{
    struct kv_result r = fixture_apply(&f, kind, NULL, buf_bytes(&body));
    buf_clear(&body);
    return r;
}

static struct kv_result grant(uint64_t id, uint64_t ttl_ms)
{
    struct entry_lease_grant g = { .id = id, .ttl_ms = ttl_ms };
    entry_lease_grant_encode(&body, &g);
    return apply_body(ENTRY_LEASE_GRANT);
}

static struct kv_result revoke(uint64_t id)
{
    struct entry_lease_revoke v = { .id = id };
    entry_lease_revoke_encode(&body, &v);
    return apply_body(ENTRY_LEASE_REVOKE);
}

static struct kv_result put(const char *key, uint64_t lease, uint32_t flags)
{
    struct kv_op op = { .kind = KV_OP_PUT,
                        .flags = flags,
                        .key = bytes_of_str(key),
                        .lease = lease,
                        .value = bytes_of_str(flags & KV_IGNORE_VALUE ? "" : "v") };
    CHECK_EQ(kv_cmd_encode(&body, NULL, 0, &op, 1, NULL, 0), 0);
    return apply_body(ENTRY_TXN);
}

static struct kv_lease lease_of(uint64_t id, int status)
{
    struct kv_job job = { .kind = KV_JOB_LEASE, .lease = id };
    buf_init(&job.value, &f.alloc.face, 16);
    kv_run(f.kv, &job);
    CHECK_EQ(job.status, status);
    buf_fini(&job.value);
    return job.the_lease;
}

static uint64_t lease_of_key(const char *key)
{
    struct kv_job job;
    fixture_read(&f, bytes_of_str(key), &job);
    CHECK_EQ(job.status, 0);
    buf_fini(&job.value);
    return job.lease;
}

TEST(kv_lease, grants_take_no_revision_and_an_id_is_taken_once)
{
    begin();
    struct kv_result r = grant(7, 10000);
    CHECK_EQ(r.status, 0);
    CHECK_EQ(r.lease, 7);
    CHECK_EQ(r.revision, 1);
    CHECK(!r.changed);
    CHECK_EQ(grant(7, 5000).status, MS_EEXIST);
    CHECK_EQ(lease_of(7, 0).ttl_ms, 10000);
    uint64_t one = grant(0, 1).lease, two = grant(0, 1).lease; /* the state machine picks */
    CHECK(one > 0 && one <= MS_LEASE_ID_MAX && two > 0 && two <= MS_LEASE_ID_MAX && one != two);
    CHECK_EQ(grant(MS_LEASE_ID_MAX, MS_LEASE_TTL_MS_MAX).status, 0);
    CHECK_EQ(grant(MS_LEASE_ID_MAX + 1, 1).status, MS_EINVAL);
    CHECK_EQ(grant(9, 0).status, MS_EINVAL);
    CHECK_EQ(grant(9, MS_LEASE_TTL_MS_MAX + 1).status, MS_EINVAL);
    CHECK_EQ((kv_info(f.kv, &f.info), f.info.lease_count), 4);
    end();
}

TEST(kv_lease, the_end_of_a_lease_deletes_its_keys_in_order_at_one_revision)
{
    begin();
    grant(7, 10000);
    put("b", 7, 0);
    put("a", 7, 0);
    put("c", 0, 0);
    CHECK_EQ(lease_of(7, 0).key_count, 2);
    struct kv_result r = revoke(7);
    CHECK(r.status == 0 && r.changed);
    CHECK_EQ(r.revision, 5);
    CHECK_EQ(r.deleted, 2);
    CHECK(fixture_has(&f, "a", NULL) && fixture_has(&f, "b", NULL) && fixture_has(&f, "c", "v"));
    static const char *const order[] = { "a", "b" };
    for (uint32_t sub = 0; sub < 2; sub++) {
        struct kv_change change;
        struct buf found;
        buf_init(&found, &f.alloc.face, 1000);
        kv_key_rev(&body, 5, sub);
        CHECK_EQ(f.kv->engine->ops->get(f.kv->engine, NULL, buf_bytes(&body), &found), 0);
        CHECK_EQ(kv_change_decode(buf_bytes(&found), &change), 0);
        CHECK_EQ(change.mark, KV_CHANGE_DELETE);
        CHECK(bytes_equal(change.key, bytes_of_str(order[sub])));
        buf_fini(&found);
    }
    buf_clear(&body);
    r = revoke(7); /* gone */
    CHECK_EQ(r.status, MS_ENOLEASE);
    CHECK_EQ(r.revision, 5);
    grant(8, 1000);
    CHECK_EQ(revoke(8).revision, 5); /* no key, no revision */
    lease_of(8, MS_ENOTFOUND);
    end();
}

TEST(kv_lease, a_put_attaches_detaches_and_keeps)
{
    begin();
    grant(7, 10000);
    grant(8, 10000);
    put("k", 7, 0);
    put("k", 8, 0); /* to another one */
    CHECK_EQ(lease_of(7, 0).key_count, 0);
    CHECK_EQ(lease_of(8, 0).key_count, 1);
    put("k", 0, KV_IGNORE_LEASE);
    CHECK_EQ(lease_of_key("k"), 8);
    put("k", 8, KV_IGNORE_VALUE);
    CHECK_EQ(lease_of(8, 0).key_count, 1);
    put("k", 0, 0); /* to none */
    CHECK_EQ(lease_of(8, 0).key_count, 0);
    put("k", 8, 0);
    fixture_delete(&f, "k");
    CHECK_EQ(lease_of(8, 0).key_count, 0);
    put("k", 0, 0);
    revoke(7);
    revoke(8);
    CHECK(fixture_has(&f, "k", "v")); /* no lease it ever had has a hold on it */
    end();
}

TEST(kv_lease, a_put_with_a_dead_lease_fails_its_whole_transaction)
{
    begin();
    grant(7, 10000);
    struct kv_op inner = { .kind = KV_OP_PUT, .key = bytes_of_str("b"), .lease = 8 };
    struct buf nested;
    buf_init(&nested, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode(&nested, NULL, 0, &inner, 1, NULL, 0), 0);
    struct kv_op ops[2] = { { .kind = KV_OP_PUT, .key = bytes_of_str("a"), .lease = 7 },
                            { .kind = KV_OP_TXN, .txn = buf_bytes(&nested) } };
    CHECK_EQ(kv_cmd_encode(&body, NULL, 0, ops, 2, NULL, 0), 0);
    struct kv_result r = apply_body(ENTRY_TXN);
    CHECK_EQ(r.status, MS_ENOLEASE);
    CHECK(!r.changed);
    CHECK_EQ(r.revision, 1);
    CHECK(fixture_has(&f, "a", NULL) && fixture_has(&f, "b", NULL));
    CHECK_EQ(lease_of(7, 0).key_count, 0);
    CHECK_EQ(put("a", MS_LEASE_ID_MAX + 1, 0).status, MS_ENOLEASE);
    CHECK_EQ(put("a", KV_LEASE_OF_GRANT, 0).status, MS_ENOLEASE); /* no grant goes with it */
    buf_fini(&nested);
    end();
}

static struct kv_result grant_with(uint64_t version_wanted, bool in_else)
{
    struct kv_compare c = { .target = KV_CMP_VERSION,
                            .key = bytes_of_str("k"),
                            .number = version_wanted };
    struct kv_op op = { .kind = KV_OP_PUT,
                        .key = bytes_of_str("k"),
                        .lease = KV_LEASE_OF_GRANT,
                        .value = bytes_of_str("v") };
    struct entry_lease_grant g = { .ttl_ms = 3000 };
    struct buf command;
    buf_init(&command, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode(&command, &c, 1, &op, 1, &op, in_else), 0);
    g.command = buf_bytes(&command);
    entry_lease_grant_encode(&body, &g);
    buf_fini(&command);
    return apply_body(ENTRY_LEASE_GRANT);
}

TEST(kv_lease, a_grant_and_its_transaction_are_one)
{
    begin();
    struct kv_result r = grant_with(0, false);
    CHECK(r.status == 0 && r.succeeded && r.changed && r.lease != 0);
    CHECK_EQ(r.revision, 2);
    CHECK_EQ(lease_of_key("k"), r.lease);
    CHECK_EQ(lease_of(r.lease, 0).key_count, 1);
    uint64_t first = r.lease;
    r = grant_with(0, false); /* the compare does not hold, nothing hangs on it: not granted */
    CHECK(r.status == 0 && !r.succeeded && r.lease == 0);
    CHECK_EQ(lease_of_key("k"), first);
    CHECK_EQ((kv_info(f.kv, &f.info), f.info.lease_count), 1);
    r = grant_with(0, true); /* what runs then hangs on it */
    CHECK(r.status == 0 && !r.succeeded && r.lease != 0);
    CHECK_EQ(lease_of_key("k"), r.lease);
    CHECK_EQ(lease_of(first, 0).key_count, 0);
    end();
}

/* What the transaction found is told to who asks, as that of any other: here the key as it is, where the compare
 * does not hold. */
TEST(kv_lease, a_grant_tells_what_its_transaction_found)
{
    static const bool asked = true;
    begin();
    put("k", 0, 0);
    struct kv_compare c = { .target = KV_CMP_VERSION, .key = bytes_of_str("k") };
    struct kv_op ops[] = {
        { .kind = KV_OP_PUT, .key = c.key, .lease = KV_LEASE_OF_GRANT, .value = c.key },
        { .kind = KV_OP_RANGE, .key = c.key, .flags = KV_KEYS_ONLY },
    };
    struct buf command;
    buf_init(&command, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode(&command, &c, 1, &ops[0], 1, &ops[1], 1), 0);
    entry_lease_grant_encode(
        &body, &(struct entry_lease_grant){ .ttl_ms = 3000, .command = buf_bytes(&command) });
    fixture_add(&f, ENTRY_LEASE_GRANT, NULL, buf_bytes(&body));
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = f.entries,
                          .asked = &asked,
                          .results = f.results,
                          .count = 1,
                          .info = &f.info };
    buf_init(&job.answers, &f.alloc.face, KV_APPLY_ANSWERS_BYTES_MAX);
    kv_run(f.kv, &job);
    CHECK_EQ(job.status, 0);
    CHECK(f.results[0].status == 0 && !f.results[0].succeeded && f.results[0].lease == 0);
    struct kv_answer_reader in;
    struct kv_answer_item item;
    uint64_t found = 0;
    kv_answer_reader_init(&in);
    kv_answer_reader_feed(
        &in, bytes_of(job.answers.data + f.results[0].answer_at, f.results[0].answer_bytes));
    while (kv_answer_next(&in, &item) == 0) {
        if (item.kind == KV_ANSWER_RECORD) found = item.mod_revision;
    }
    CHECK(in.done);
    CHECK_EQ(found, 2);
    entry_ref_drop(&f.alloc.face, f.entries[0]);
    f.count = 0;
    buf_fini(&job.answers);
    buf_fini(&command);
    end();
}

/* A keep-alive that was acknowledged beats an expiry that stands behind it in the log; and a leader of the
 * past concludes nothing. */
TEST(kv_lease, an_expiry_is_fenced_by_the_last_renewal_and_by_the_term)
{
    begin();
    grant(7, 10000);
    struct entry_lease_revoke v = {
        .id = 7, .expired = true, .term = 1, .renewed_index = lease_of(7, 0).renewed_index
    };
    buf_append_u64(&body, 7);
    apply_body(ENTRY_LEASE_RENEW);
    entry_lease_revoke_encode(&body, &v);
    CHECK_EQ(apply_body(ENTRY_LEASE_REVOKE).status, MS_ECONFLICT);
    v.renewed_index = lease_of(7, 0).renewed_index;
    v.term = 2; /* the fixture's entries are of term 1 */
    entry_lease_revoke_encode(&body, &v);
    CHECK_EQ(apply_body(ENTRY_LEASE_REVOKE).status, MS_ECONFLICT);
    v.term = 1;
    entry_lease_revoke_encode(&body, &v);
    CHECK_EQ(apply_body(ENTRY_LEASE_REVOKE).status, 0);
    lease_of(7, MS_ENOTFOUND);
    end();
}

TEST(kv_lease, what_remains_is_marked_and_a_renewal_gives_all_of_it_back)
{
    begin();
    grant(7, 10000);
    uint64_t granted = f.index;
    struct entry_lease_mark m = { .id = 7, .renewed_index = granted, .remaining_ms = 4000 };
    entry_lease_mark_encode(&body, &m);
    m.remaining_ms = 6000; /* more again: not taken */
    entry_lease_mark_encode(&body, &m);
    m = (struct entry_lease_mark){ .id = 8 }; /* nobody */
    entry_lease_mark_encode(&body, &m);
    CHECK_EQ(apply_body(ENTRY_LEASE_CHECKPOINT).status, 0);
    CHECK_EQ(lease_of(7, 0).remaining_ms, 4000);
    buf_append_u64(&body, 7);
    CHECK_EQ(apply_body(ENTRY_LEASE_RENEW).revision, 1);
    CHECK_EQ(lease_of(7, 0).remaining_ms, 10000);
    m = (struct entry_lease_mark){ .id = 7, .renewed_index = granted, .remaining_ms = 100 };
    entry_lease_mark_encode(&body, &m); /* it was made before the renewal */
    apply_body(ENTRY_LEASE_CHECKPOINT);
    CHECK_EQ(lease_of(7, 0).remaining_ms, 10000);
    end();
}

TEST(kv_lease, bodies_that_say_nothing_are_refused)
{
    static const uint8_t kinds[] = { ENTRY_LEASE_GRANT, ENTRY_LEASE_REVOKE, ENTRY_LEASE_RENEW,
                                     ENTRY_LEASE_CHECKPOINT };
    begin();
    grant(1, 1000);
    for (uint32_t i = 0; i < sizeof kinds; i++) {
        CHECK_EQ(apply_body(kinds[i]).status, MS_EINVAL);
        buf_append(&body, "\1\0\0\0\0\0\0\0\1\0", 10);
        CHECK_EQ(apply_body(kinds[i]).status, MS_EINVAL);
    }
    buf_append_u64(&body, 0);
    CHECK_EQ(apply_body(ENTRY_LEASE_RENEW).status, MS_EINVAL);
    for (uint32_t i = 0; i <= MS_LEASE_BATCH_MAX; i++) buf_append_u64(&body, 1);
    CHECK_EQ(apply_body(ENTRY_LEASE_RENEW).status, MS_EINVAL);
    end();
}

TEST(kv_lease, as_many_keys_as_may_be_hang_on_one)
{
    char key[16];
    struct kv_op ops[1024];
    static char names[1024][16];
    begin();
    grant(7, 10000);
    for (uint32_t i = 0; i < MS_LEASE_KEYS_MAX; i += 1024) {
        for (uint32_t j = 0; j < 1024; j++) {
            snprintf(names[j], sizeof names[j], "k%u", i + j);
            ops[j] = (struct kv_op){ .kind = KV_OP_PUT, .key = bytes_of_str(names[j]), .lease = 7 };
        }
        CHECK_EQ(kv_cmd_encode(&body, NULL, 0, ops, 1024, NULL, 0), 0);
        CHECK_EQ(apply_body(ENTRY_TXN).status, 0);
    }
    snprintf(key, sizeof key, "k%u", MS_LEASE_KEYS_MAX);
    CHECK_EQ(put(key, 7, 0).status, MS_ELEASEFULL);
    CHECK_EQ(put("k5", 7, 0).status, 0); /* hangs there already */
    CHECK_EQ(put("k5", 0, 0).status, 0);
    CHECK_EQ(put(key, 7, 0).status, 0);
    struct kv_result r = revoke(7);
    CHECK_EQ(r.deleted, MS_LEASE_KEYS_MAX);
    CHECK_EQ(r.key_count, 1);
    end();
}

TEST(kv_lease, random_steps_agree_with_a_model)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        fixture_init(&f);
        lease_model_reset();
        lease_model_run(&f, seed, 100, NULL);
        fixture_fini(&f);
    }
}

/* Another cluster takes them over, with all their time before them, and no key hangs on nothing. */
TEST(kv_lease, a_state_that_is_taken_over_keeps_them)
{
    static struct fixture g;
    struct kv_refound r = {
        .cluster_uuid = { 1 }, .member_id = 1, .url = "http://a:1", .revision_bump = 100
    };
    struct buf dump;
    fixture_init(&f);
    fixture_found(&f, 1);
    lease_model_reset();
    lease_model_run(&f, 81, 40, NULL);
    buf_init(&dump, &f.alloc.face, 1u << 20);
    CHECK_EQ(fixture_dump(&f, &dump), 0);
    fixture_init(&g);
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN, .refound = &r, .info = &g.info };
    kv_run(g.kv, &job);
    job.kind = KV_JOB_LOAD_CHUNK; /* it is a single one */
    job.chunk = dump;
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, 0);
    job.kind = KV_JOB_LOAD_END;
    job.last = true;
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, 0);
    CHECK(g.info.lease_count > 0);
    lease_model_refound(g.info.revision);
    lease_model_check(&g);
    g.index = g.info.applied_index;
    lease_model_run(&g, 80, 20, NULL);
    fixture_fini(&g);
    buf_fini(&dump);
    fixture_fini(&f);
}

/* A snapshot brings leases and what hangs on them, and it goes on there. */
TEST(kv_lease, snapshots_hold_them)
{
    static struct fixture g;
    fixture_init(&f);
    fixture_found(&f, 1);
    lease_model_reset();
    lease_model_run(&f, 77, 40, NULL);
    struct buf dump;
    buf_init(&dump, &f.alloc.face, 1u << 20);
    CHECK_EQ(fixture_dump(&f, &dump), 0);
    fixture_init(&g);
    CHECK_EQ(fixture_load(&g, buf_bytes(&dump)), 0);
    lease_model_check(&g);
    lease_model_run(&g, 78, 20, NULL);
    fixture_fini(&g);
    buf_fini(&dump);
    fixture_fini(&f);
}
