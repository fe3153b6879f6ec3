/* test_rt_txn.c: ms_txn(). */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "metastore/metastore.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

static struct test_cluster c;
static struct ms_member *m;
static struct ms_txn_result r;

static void begin(enum ms_storage storage)
{
    test_cluster_init(&c, 1, storage);
    test_cluster_start(&c, 0);
    m = c.members[0];
    must_put(m, "first", "1"); /* revision 2: it leads */
}

static struct ms_bytes text(const char *s)
{
    return (struct ms_bytes){ .data = s, .len = strlen(s) };
}

static bool is(struct ms_bytes b, const char *s)
{
    return b.len == strlen(s) && memcmp(b.data, s, b.len) == 0;
}

static struct ms_op put(const char *key, const char *value)
{
    return (struct ms_op){ .kind = MS_OP_PUT, .key = text(key), .value = text(value) };
}

static struct ms_range_options range_of(const char *prefix)
{
    struct ms_range_options o;
    ms_range_options_init(&o);
    o.key = text(prefix);
    o.prefix = true;
    return o;
}

static int run(const struct ms_transaction *t)
{
    ms_txn_free(&r);
    return ms_txn_wait(m, t, &r);
}

static int run_ops(const struct ms_op *ops, size_t count)
{
    return run(&(struct ms_transaction){ .then_ops = ops, .then_count = count });
}

static bool has(const struct ms_kv *kv, const char *key, const char *value, uint64_t mod_revision)
{
    return is(kv->key, key) && is(kv->record.value, value) && kv->record.mod_revision == mod_revision;
}

/* Create it, or read what is there. */
static void check_branches(void)
{
    struct ms_range_options look = range_of("lock");
    struct ms_compare absent = { .target = MS_COMPARE_VERSION, .key = text("lock") };
    struct ms_op create = put("lock", "me"), read = { .kind = MS_OP_RANGE, .range = &look };
    struct ms_transaction t = { .compares = &absent,
                                .compare_count = 1,
                                .then_ops = &create,
                                .then_count = 1,
                                .else_ops = &read,
                                .else_count = 1 };
    CHECK_EQ(run(&t), 0);
    CHECK(r.succeeded && r.revision == 3 && r.result_count == 1 && !r.untold);
    CHECK(r.results[0].kind == MS_OP_PUT && r.results[0].revision == 3 && r.results[0].kv_count == 0);
    create = put("lock", "you");
    CHECK_EQ(run(&t), 0);
    CHECK(!r.succeeded && r.revision == 3 && r.result_count == 1);
    CHECK(r.results[0].kind == MS_OP_RANGE && r.results[0].count == 1 && r.results[0].kv_count == 1);
    CHECK(has(&r.results[0].kvs[0], "lock", "me", 3));
}

/* All kinds of operations, one inside, in their order. */
static void check_operations(void)
{
    struct ms_range_options all = range_of(""), one = range_of("a/");
    all.count_only = true;
    one.limit = 1;
    one.keys_only = true;
    struct ms_op inner[] = { put("b/1", "x"), put("b/2", "y"), { .kind = MS_OP_RANGE, .range = &all } };
    struct ms_compare never = {
        .target = MS_COMPARE_MOD, .order = MS_COMPARE_GREATER, .key = text("lock"), .number = 3
    };
    struct ms_transaction nested = {
        .compares = &never, .compare_count = 1, .else_ops = inner, .else_count = 3
    };
    struct ms_op ops[] = { put("a/1", "1"),
                           put("a/2", "2"),
                           { .kind = MS_OP_TXN, .txn = &nested },
                           { .kind = MS_OP_RANGE, .range = &one },
                           put("lock", "again"),
                           { .kind = MS_OP_DELETE, .key = text("c"), .prefix = true } };
    ops[4].prev_kv = true;
    CHECK_EQ(run_ops(ops, 6), 0);
    CHECK(r.succeeded && r.revision == 4 && r.result_count == 6);
    const struct ms_op_result *in = &r.results[2];
    CHECK(in->kind == MS_OP_TXN && !in->succeeded && in->result_count == 3);
    CHECK(in->results[0].kind == MS_OP_PUT && in->results[2].kind == MS_OP_RANGE);
    CHECK(in->results[2].count == 6 && in->results[2].kv_count == 0 && in->results[2].revision == 4);
    CHECK(r.results[3].count == 2 && r.results[3].more && r.results[3].kv_count == 1);
    CHECK(has(&r.results[3].kvs[0], "a/1", "", 4));
    CHECK(r.results[4].kv_count == 1 && has(&r.results[4].kvs[0], "lock", "me", 3));
    CHECK(r.results[5].kind == MS_OP_DELETE && r.results[5].count == 0);
    struct ms_op gone = {
        .kind = MS_OP_DELETE, .key = text("a/1"), .range_end = text("b/2"), .prev_kv = true
    };
    CHECK_EQ(run_ops(&gone, 1), 0);
    CHECK(r.results[0].count == 3 && r.results[0].kv_count == 3);
    CHECK(has(&r.results[0].kvs[0], "a/1", "1", 4) && has(&r.results[0].kvs[2], "b/1", "x", 4));
}

TEST(rt_txn, does_what_the_compares_say)
{
    static const enum ms_storage storages[] = { MS_STORAGE_MEMORY, MS_STORAGE_ROCKSDB };
    for (int i = 0; i < 2; i++) {
        begin(storages[i]);
        check_branches();
        check_operations();
        CHECK_EQ(run(&(struct ms_transaction){ 0 }), 0);
        CHECK(r.succeeded && r.revision == 5 && r.result_count == 0);
        ms_txn_free(&r);
        test_cluster_fini(&c);
    }
}

TEST(rt_txn, compares_everything_there_is)
{
    begin(MS_STORAGE_MEMORY);
    struct ms_lease lease;
    CHECK_EQ(ms_lease_grant_wait(m, 7, 60, &lease), 0);
    CHECK_EQ(ms_put_leased_wait(m, text("k"), text("b"), 7, NULL), 0); /* revision 3 */
    CHECK_EQ(ms_put_leased_wait(m, text("k"), text("b"), 7, NULL), 0); /* 4 */
    CHECK_EQ(ms_put_wait(m, text("k2"), text("c"), NULL), 0);          /* 5 */
    static const struct {
        struct ms_compare compare;
        bool holds;
    } rows[] = {
        { { .target = MS_COMPARE_VERSION, .number = 2 }, true },
        { { .target = MS_COMPARE_CREATE, .number = 3 }, true },
        { { .target = MS_COMPARE_MOD, .number = 4 }, true },
        { { .target = MS_COMPARE_LEASE, .number = 7 }, true },
        { { .target = MS_COMPARE_VALUE, .value = { "b", 1 } }, true },
        { { .target = MS_COMPARE_VALUE, .order = MS_COMPARE_GREATER, .value = { "a", 1 } }, true },
        { { .target = MS_COMPARE_VALUE, .order = MS_COMPARE_LESS, .value = { "b", 1 } }, false },
        { { .target = MS_COMPARE_MOD, .order = MS_COMPARE_NOT_EQUAL, .number = 4 }, false },
        { { .target = MS_COMPARE_MOD, .order = MS_COMPARE_GREATER, .number = 3, .prefix = true },
          true },
        { { .target = MS_COMPARE_MOD, .order = MS_COMPARE_GREATER, .number = 4, .prefix = true },
          false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ms_compare one = rows[i].compare;
        one.key = text("k");
        CHECK_EQ(run(&(struct ms_transaction){ .compares = &one, .compare_count = 1 }), 0);
        CHECK_EQ(r.succeeded, rows[i].holds);
    }
    ms_txn_free(&r);
    test_cluster_fini(&c);
}

TEST(rt_txn, refuses_what_cannot_be_done)
{
    begin(MS_STORAGE_MEMORY);
    uint64_t revision;
    struct ms_op twice[] = { put("a", "1"), put("a", "2") };
    CHECK_EQ(run_ops(twice, 2), MS_EDUPKEY);
    CHECK(r.result_count == 0 && !r.results);
    struct ms_op keeps = { .kind = MS_OP_PUT, .key = text("none"), .ignore_value = true };
    CHECK_EQ(run_ops(&keeps, 1), MS_ENOTFOUND);
    struct ms_op leased = put("a", "1");
    leased.lease = 9;
    CHECK_EQ(run_ops(&leased, 1), MS_ENOLEASE);
    struct ms_range_options o = range_of("f");
    struct ms_op read = { .kind = MS_OP_RANGE, .range = &o };
    o.revision = 100;
    CHECK_EQ(run_ops(&read, 1), MS_EFUTURE);
    CHECK_EQ(ms_put_wait(m, text("first"), text("2"), &revision), 0);
    CHECK_EQ(ms_put_wait(m, text("first"), text("3"), &revision), 0);
    CHECK_EQ(ms_compact_wait(m, revision), 0);
    o.revision = revision - 1;
    CHECK_EQ(run_ops(&read, 1), MS_ECOMPACTED);
    CHECK_EQ(r.compacted_revision, revision);
    must_have(m, "a", NULL);
    ms_txn_free(&r);
    test_cluster_fini(&c);
}

/* Each by itself: what is refused before it is proposed. */
TEST(rt_txn, refuses_what_makes_no_sense)
{
    static struct ms_op many[1025];
    static char long_key[65537];
    begin(MS_STORAGE_MEMORY);
    struct ms_range_options o = range_of("f"), unknown = o;
    unknown.struct_bytes = 1;
    struct ms_op bad[] = {
        put("", "1"),
        { .kind = MS_OP_DELETE },
        { .kind = (enum ms_op_kind)9, .key = text("a") },
        { .kind = MS_OP_RANGE },
        { .kind = MS_OP_TXN },
        { .kind = MS_OP_RANGE, .range = &o, .prev_kv = true },
        { .kind = MS_OP_RANGE, .range = &unknown },
        { .kind = MS_OP_PUT, .key = text("a"), .prefix = true },
        { .kind = MS_OP_PUT, .key = text("a"), .value = text("v"), .ignore_value = true },
        { .kind = MS_OP_PUT, .key = text("a"), .lease = 1, .ignore_lease = true },
        { .kind = MS_OP_PUT, .key = text("a"), .lease = UINT64_MAX },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(run_ops(&bad[i], 1), MS_EINVAL);
    struct ms_compare odd = { .target = (enum ms_compare_target)5, .key = text("a") };
    CHECK_EQ(run(&(struct ms_transaction){ .compares = &odd, .compare_count = 1 }), MS_EINVAL);
    odd = (struct ms_compare){ .order = (enum ms_compare_order)4, .key = text("a") };
    CHECK_EQ(run(&(struct ms_transaction){ .compares = &odd, .compare_count = 1 }), MS_EINVAL);
    odd = (struct ms_compare){ .order = MS_COMPARE_EQUAL };
    CHECK_EQ(run(&(struct ms_transaction){ .compares = &odd, .compare_count = 1 }), MS_EINVAL);
    for (size_t i = 0; i < 1025; i++)
        many[i] = (struct ms_op){ .kind = MS_OP_DELETE, .key = text("a") };
    CHECK_EQ(run_ops(many, 1025), MS_ETOOBIG);
    CHECK_EQ(run_ops(many, 1024), 0);
    CHECK_EQ(r.result_count, 1024);
    struct ms_op large = put("a", "1");
    large.key = (struct ms_bytes){ long_key, sizeof long_key };
    CHECK_EQ(run_ops(&large, 1), MS_ETOOBIG);
    ms_txn_free(&r);
    test_cluster_fini(&c);
}

/* Four inside of one another and no fifth; one inside of many counts as often as it is there. */
TEST(rt_txn, is_nested_within_bounds)
{
    struct ms_transaction chain[6] = { { 0 } };
    struct ms_op in[6], puts[] = { put("deep", "x"), { .kind = MS_OP_DELETE, .key = text("other") } };
    static struct ms_op same[400];
    begin(MS_STORAGE_MEMORY);
    chain[0] = (struct ms_transaction){ .then_ops = puts, .then_count = 2 };
    for (int i = 1; i < 6; i++) {
        in[i] = (struct ms_op){ .kind = MS_OP_TXN, .txn = &chain[i - 1] };
        chain[i] = (struct ms_transaction){ .then_ops = &in[i], .then_count = 1 };
    }
    CHECK_EQ(run(&chain[5]), MS_ETOOBIG);
    CHECK_EQ(run(&chain[4]), 0);
    const struct ms_op_result *at = r.results;
    for (int i = 0; i < 4; i++, at = at->results) CHECK_EQ(at->result_count, i < 3 ? 1 : 2);
    CHECK(at[0].kind == MS_OP_PUT && at[0].revision == 3 && at[1].kind == MS_OP_DELETE);
    must_have(m, "deep", "x");
    struct ms_transaction empty = { 0 };
    for (size_t i = 0; i < 400; i++) same[i] = (struct ms_op){ .kind = MS_OP_TXN, .txn = &empty };
    CHECK_EQ(run_ops(same, 400), 0);
    CHECK_EQ(r.result_count, 400);
    struct ms_op one_delete = { .kind = MS_OP_DELETE, .key = text("other") };
    struct ms_transaction small[2] = {
        { .then_ops = &one_delete, .then_count = 1 },
        { .then_ops = &one_delete, .then_count = 1, .else_ops = &one_delete, .else_count = 1 }
    };
    for (size_t i = 0; i < 400; i++) same[i].txn = &small[0];
    CHECK_EQ(run_ops(same, 400), 0);
    for (size_t i = 0; i < 400; i++) same[i].txn = &small[1];
    CHECK_EQ(run_ops(same, 400), MS_ETOOBIG);
    ms_txn_free(&r);
    test_cluster_fini(&c);
}

static struct {
    uint32_t count;
    int status;
    bool succeeded, untold;
    size_t kv_count;
} told;

static void on_txn(void *arg, int status, const struct ms_txn_result *result)
{
    CHECK(arg == &told);
    told.count++;
    told.status = status;
    told.succeeded = result->succeeded;
    told.untold = result->untold;
    told.kv_count = result->result_count ? result->results[0].kv_count : 0;
}

static void poll_one(void)
{
    uint32_t before = told.count;
    for (int i = 0; i < 1000 && told.count == before; i++) {
        struct pollfd p = { .fd = ms_fd(m), .events = POLLIN };
        poll(&p, 1, 20);
        ms_poll(m);
    }
    CHECK_EQ(told.count, before + 1);
}

/* What was done is said to be done, whatever can be said of what it found. */
TEST(rt_txn, is_told_from_poll_and_is_done_where_it_found_too_much)
{
    static char value[1000000];
    begin(MS_STORAGE_MEMORY);
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 9; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_EQ(ms_put_wait(m, text(key), (struct ms_bytes){ value, sizeof value }, NULL), 0);
    }
    struct ms_range_options o = range_of("k");
    struct ms_op ops[] = { { .kind = MS_OP_RANGE, .range = &o }, put("done", "1") };
    struct ms_transaction t = { .then_ops = ops, .then_count = 2 };
    o.limit = 5;
    CHECK_EQ(ms_txn(m, &t, on_txn, &told), 0);
    poll_one();
    CHECK(told.status == 0 && told.succeeded && !told.untold && told.kv_count == 5);
    o.limit = 0;
    ops[1] = put("done", "2");
    CHECK_EQ(ms_txn(m, &t, on_txn, &told), 0);
    poll_one();
    CHECK(told.status == 0 && told.succeeded && told.untold && told.kv_count == 0);
    must_have(m, "done", "2");
    struct ms_op twice[] = { put("a", "1"), put("a", "2") };
    t = (struct ms_transaction){ .then_ops = twice, .then_count = 2 };
    CHECK_EQ(ms_txn(m, &t, on_txn, &told), 0);
    poll_one();
    CHECK(told.status == MS_EDUPKEY && !told.succeeded);
    /* Those that nobody polls for go with the member. */
    o.limit = 3;
    t = (struct ms_transaction){ .then_ops = ops, .then_count = 2 };
    for (int i = 0; i < 3; i++) CHECK_EQ(ms_txn(m, &t, on_txn, &told), 0);
    test_cluster_fini(&c);
}
