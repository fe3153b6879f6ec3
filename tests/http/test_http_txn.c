/* Transactions as JSON: what they say becomes this command and no other; what is wrong is named, with its place. */
#include "http/http_txn.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ms_err.h"
#include "kv/kv_cmd.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct buf command, wanted;
static char why[256];

static void begin(void)
{
    test_alloc_init(&alloc);
    buf_init(&command, &alloc.face, MS_TXN_BYTES_MAX);
    buf_init(&wanted, &alloc.face, MS_TXN_BYTES_MAX);
}

static void end(void)
{
    buf_fini(&command);
    buf_fini(&wanted);
    CHECK_EQ(alloc.alive, 0);
}

static int read_text(const char *body)
{
    buf_clear(&command);
    int rv = http_read_txn(bytes_of_str(body), &alloc.face, &command, why, sizeof why);
    if (rv < 0) CHECK_EQ(command.len, 0);
    return rv;
}

static void want(const struct kv_compare *compares, uint32_t compare_count,
                 const struct kv_op *then_ops, uint32_t then_count, const struct kv_op *else_ops,
                 uint32_t else_count)
{
    buf_clear(&wanted);
    CHECK_EQ(
        kv_cmd_encode(&wanted, compares, compare_count, then_ops, then_count, else_ops, else_count), 0);
}

static void same(const char *body)
{
    int rv = read_text(body);
    if (rv < 0) fprintf(stderr, "%s\n", why);
    CHECK_EQ(rv, 0);
    CHECK(bytes_equal(buf_bytes(&command), buf_bytes(&wanted)));
}

#define B(text) bytes_of(text, sizeof(text) - 1)

TEST(http_txn, compares_have_five_targets_and_four_results)
{
    const struct kv_compare c[] = {
        { .target = KV_CMP_MOD, .result = KV_CMP_EQUAL, .key = B("a"), .number = 5 },
        { .target = KV_CMP_CREATE, .result = KV_CMP_NOT_EQUAL, .key = B("\xff"), .number = 0 },
        { .target = KV_CMP_VERSION,
          .result = KV_CMP_LESS,
          .key = B("a"),
          .range_end = B("b"),
          .number = 1 },
        { .target = KV_CMP_LEASE, .result = KV_CMP_GREATER, .key = B("p/"), .range_end = B("p0") },
        { .target = KV_CMP_VALUE,
          .result = KV_CMP_EQUAL,
          .key = B("a"),
          .range_end = B("\0"),
          .value = B("x\0") },
    };
    begin();
    want(c, 5, NULL, 0, NULL, 0);
    same("{\"compare\": ["
         "{\"key\": \"a\", \"target\": \"mod\", \"op\": \"=\", \"value\": 5},"
         "{\"value\": 0, \"op\": \"!=\", \"target\": \"create\", \"key_base64\": \"/w==\"},"
         "{\"key\": \"a\", \"end\": \"b\", \"target\": \"version\", \"op\": \"<\", \"value\": 1},"
         "{\"prefix\": \"p/\", \"target\": \"lease\", \"op\": \">\", \"value\": 0},"
         "{\"from\": \"a\", \"target\": \"value\", \"op\": \"=\", \"value\": \"x\\u0000\"}]}");
    want(NULL, 0, NULL, 0, NULL, 0);
    same(" { } ");
    same("{\"else\":[],\"compare\":[],\"then\":[]}");
    end();
}

TEST(http_txn, operations_say_all_that_a_command_can)
{
    const struct kv_op then_ops[] = {
        { .kind = KV_OP_PUT, .key = B("k"), .value = B("v"), .lease = 7, .flags = KV_PREV_KV },
        { .kind = KV_OP_PUT, .key = B("i"), .flags = KV_IGNORE_VALUE | KV_IGNORE_LEASE },
        { .kind = KV_OP_RANGE,
          .key = B("\0"),
          .range_end = B("\0"),
          .limit = 3,
          .revision = 4,
          .sort_order = KV_SORT_DESCEND,
          .sort_target = KV_SORT_CREATE,
          .flags = KV_KEYS_ONLY,
          .mod_min = 1,
          .mod_max = 2,
          .create_min = 3,
          .create_max = 4 },
        { .kind = KV_OP_DELETE, .key = B("a"), .range_end = B("\0"), .flags = KV_PREV_KV },
    };
    const struct kv_op else_ops[] = { { .kind = KV_OP_RANGE, .key = B("x"), .flags = KV_COUNT_ONLY },
                                      { .kind = KV_OP_DELETE, .key = B("\xc3\xa9") } };
    begin();
    want(NULL, 0, then_ops, 4, else_ops, 2);
    same("{\"else\": [{\"get\": {\"key\": \"x\", \"count_only\": true, \"keys_only\": false}}, "
         "{\"delete\": {\"key\": \"\xc3\xa9\"}}],"
         "\"then\": ["
         "{\"put\": {\"key\": \"k\", \"value_base64\": \"dg==\", \"lease\": 7, \"prev_kv\": true}},"
         "{\"put\": {\"key\": \"i\", \"ignore_value\": true, \"ignore_lease\": true}},"
         "{\"get\": {\"prefix\": \"\", \"limit\": 3, \"rev\": 4, \"sort\": \"create\", \"order\": "
         "\"desc\", "
         "\"keys_only\": true, \"min_mod\": 1, \"max_mod\": 2, \"min_create\": 3, \"max_create\": 4}},"
         "{\"delete\": {\"key\": \"a\", \"end\": \"\", \"prev_kv\": true}}]}");
    end();
}

TEST(http_txn, transactions_stand_in_one_another)
{
    struct kv_op put = { .kind = KV_OP_PUT, .key = B("a"), .value = B("1") };
    struct kv_op get = { .kind = KV_OP_RANGE, .key = B("b"), .range_end = B("c") };
    struct kv_op ops[3] = { put, { .kind = KV_OP_TXN }, { .kind = KV_OP_TXN } };
    struct kv_op inner[2] = { { .kind = KV_OP_TXN }, get };
    struct buf one, two, three;
    begin();
    buf_init(&one, &alloc.face, 10000);
    buf_init(&two, &alloc.face, 10000);
    buf_init(&three, &alloc.face, 10000);
    CHECK_EQ(kv_cmd_encode(&three, NULL, 0, &put, 1, NULL, 0), 0);
    inner[0].txn = buf_bytes(&three);
    CHECK_EQ(kv_cmd_encode(&one, NULL, 0, inner, 2, &put, 1), 0);
    CHECK_EQ(kv_cmd_encode(&two, NULL, 0, NULL, 0, inner, 1), 0);
    ops[1].txn = buf_bytes(&one);
    ops[2].txn = buf_bytes(&two);
    want(NULL, 0, ops, 3, ops + 2, 1);
    same("{\"then\": [{\"put\": {\"key\": \"a\", \"value\": \"1\"}},"
         "{\"txn\": {\"then\": [{\"txn\": {\"then\": [{\"put\": {\"key\": \"a\", \"value\": \"1\"}}]}},"
         "{\"get\": {\"key\": \"b\", \"end\": \"c\"}}], \"else\": [{\"put\": {\"key\": \"a\", "
         "\"value\": \"1\"}}]}},"
         "{\"txn\": {\"else\": [{\"txn\": {\"then\": [{\"put\": {\"key\": \"a\", \"value\": "
         "\"1\"}}]}}]}}],"
         "\"else\": [{\"txn\": {\"else\": [{\"txn\": {\"then\": [{\"put\": {\"key\": \"a\", \"value\": "
         "\"1\"}}]}}]}}]}");
    buf_fini(&one);
    buf_fini(&two);
    buf_fini(&three);
    end();
}

static const struct {
    const char *body, *why;
} refused[] = {
    { "", "an object { } was expected, at byte 0" },
    { "[]", "an object { } was expected" },
    { "{\"when\": []}", "compare, then and else, and nothing else" },
    { "{\"then\": [], \"then\": []}", "is there twice" },
    { "{\"then\": {}}", "a list [ ] was expected" },
    { "{\"then\": [{}]}", "an operation is an object of one" },
    { "{\"then\": [{\"get\": {\"key\": \"a\"}, \"put\": {}}]}", "an operation is an object of one" },
    { "{\"then\": [{\"fetch\": {}}]}", "a put, get, delete or txn" },
    { "{\"then\": [{\"get\": {}}]}", "no key is named" },
    { "{\"then\": [{\"get\": {\"key\": \"\"}}]}", "the key is empty" },
    { "{\"then\": [{\"get\": {\"key\": \"a\", \"prefix\": \"b\"}}]}",
      "twice, or two that say the same" },
    { "{\"then\": [{\"get\": {\"prefix\": \"a\", \"end\": \"b\"}}]}", "end goes with key" },
    { "{\"then\": [{\"get\": {\"key\": \"a\", \"value\": \"b\"}}]}", "a get has a key" },
    { "{\"then\": [{\"get\": {\"key\": \"a\", \"sort\": \"size\"}}]}", "sort: key, version" },
    { "{\"then\": [{\"get\": {\"key\": \"a\", \"order\": \"up\"}}]}", "order: asc or desc" },
    { "{\"then\": [{\"get\": {\"key\": \"a\", \"limit\": -1}}]}",
      "a whole number was expected, at byte 40" },
    { "{\"then\": [{\"put\": {\"key\": \"a\"}}]}", "a put has a value, or ignore_value" },
    { "{\"then\": [{\"put\": {\"key\": \"a\", \"value\": \"\", \"ignore_value\": true}}]}",
      "a put has a value, or" },
    { "{\"then\": [{\"put\": {\"key\": \"a\", \"value\": 5}}]}", "a text in \" \" was expected" },
    { "{\"then\": [{\"put\": {\"prefix\": \"a\", \"value\": \"5\"}}]}", "a put has a key" },
    { "{\"then\": [{\"put\": {\"key\": \"a\", \"value\": \"\", \"lease\": 1, \"ignore_lease\": "
      "true}}]}",
      "does not go together" },
    { "{\"then\": [{\"put\": {\"key\": \"a\", \"value_base64\": \"?\"}}]}", "not base64" },
    { "{\"then\": [{\"put\": {\"key\": \"\xff\", \"value\": \"\"}}]}", "not UTF-8" },
    { "{\"then\": [{\"delete\": {\"key\": \"a\", \"limit\": 1}}]}", "a delete has a key" },
    { "{\"compare\": [{\"key\": \"a\"}]}", "a target, an op and a value" },
    { "{\"compare\": [{\"key\": \"a\", \"target\": \"mod\", \"op\": \"==\"}]}", "op: =, !=, < or >" },
    { "{\"compare\": [{\"key\": \"a\", \"target\": \"size\"}]}", "target: mod, create" },
    { "{\"compare\": [{\"key\": \"a\", \"target\": \"mod\", \"op\": \"=\", \"value\": \"5\"}]}",
      "all else with a number" },
    { "{\"compare\": [{\"key\": \"a\", \"target\": \"value\", \"op\": \"=\", \"value\": 5}]}",
      "all else with a number" },
    { "{} x", "" },
    { "{\"then\": [{\"txn\": {\"then\": [{\"txn\": {\"then\": [{\"txn\": {\"then\": [{\"txn\": "
      "{\"then\": [{\"txn\": {}}]}}]}}]}}]}}]}",
      "too deep" },
};

TEST(http_txn, what_is_wrong_is_named_with_its_place)
{
    begin();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        why[0] = 0;
        CHECK_EQ(read_text(refused[i].body), MS_EINVAL);
        if (!strstr(why, refused[i].why)) fprintf(stderr, "%s: %s\n", refused[i].body, why);
        CHECK(strstr(why, refused[i].why) && strstr(why, "the transaction: ") &&
              strstr(why, " of the body"));
    }
    end();
}

static void many(const char *item, uint32_t count, const char *list)
{
    char *body = malloc(100 + count * (strlen(item) + 1)), *at = body;
    CHECK(body != NULL);
    at += sprintf(at, "{\"%s\": [", list);
    for (uint32_t i = 0; i < count; i++) at += sprintf(at, "%s%s", i ? "," : "", item);
    sprintf(at, "]}");
    int rv = read_text(body);
    CHECK_EQ(rv, count > MS_TXN_OPS_MAX ? MS_EINVAL : 0);
    if (rv < 0) CHECK(strstr(why, "too many"));
    free(body);
}

TEST(http_txn, there_are_not_too_many)
{
    static const char get[] = "{\"get\": {\"key\": \"a\"}}";
    static const char compare[] = "{\"key\": \"a\", \"target\": \"mod\", \"op\": \"=\", \"value\": 5}";
    begin();
    many(get, MS_TXN_OPS_MAX, "then");
    many(get, MS_TXN_OPS_MAX + 1, "then");
    many(compare, MS_TXN_OPS_MAX, "compare");
    many(compare, MS_TXN_OPS_MAX + 1, "compare");
    end();
}

TEST(http_txn, without_memory_nothing_is_left_behind)
{
    static const char body[] =
        "{\"compare\": [{\"key\": \"a\", \"target\": \"mod\", \"op\": \"=\", \"value\": 5}],"
        "\"then\": [{\"txn\": {\"then\": [{\"put\": {\"prefix_base64\": \"\"}}]}}]}";
    static const char good[] =
        "{\"compare\": [{\"key\": \"a\", \"target\": \"mod\", \"op\": \"=\", \"value\": 5}],"
        "\"then\": [{\"txn\": {\"then\": [{\"get\": {\"prefix\": \"abc\"}}]}}]}";
    begin();
    CHECK_EQ(read_text(body), MS_EINVAL);
    bool ended = false;
    for (uint64_t at = 1; !ended; at++) {
        buf_fini(&command);
        alloc.refuse_at = alloc.requests + at;
        int rv = read_text(good);
        ended = alloc.requests < alloc.refuse_at;
        CHECK_EQ(rv, ended ? 0 : MS_ENOMEM);
    }
    alloc.refuse_at = 0;
    end();
}

TEST(http_txn, a_compaction_has_a_revision)
{
    uint64_t revision = 0;
    CHECK(http_read_compact(bytes_of_str(" {\"revision\": 5}\n"), &revision, why, sizeof why));
    CHECK_EQ(revision, 5);
    static const char *const bad[] = { "",
                                       "5",
                                       "{}",
                                       "{\"revision\": 0}",
                                       "{\"revision\": 1, \"revision\": 2}",
                                       "{\"rev\": 5}",
                                       "{\"revision\": 5} x",
                                       "{\"revision\": -5}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why[0] = 0;
        CHECK(!http_read_compact(bytes_of_str(bad[i]), &revision, why, sizeof why));
        CHECK(strstr(why, "the compaction: "));
    }
}
