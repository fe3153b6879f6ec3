/* Answers as JSON. */
#include "http/http_found.h"

#include <stdio.h>

#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct buf items, text;

static void begin(void)
{
    test_alloc_init(&alloc);
    buf_init(&items, &alloc.face, 100000);
    buf_init(&text, &alloc.face, 100000);
}

static void end(void)
{
    buf_fini(&items);
    buf_fini(&text);
    CHECK_EQ(alloc.alive, 0);
}

static void add_begin(enum kv_op_kind op, uint32_t flags, uint64_t revision)
{
    struct kv_answer_item item = {
        .kind = KV_ANSWER_BEGIN, .op = op, .flags = flags, .revision = revision
    };
    kv_answer_append(&items, &item);
}

static void add_record(struct bytes key, struct bytes value)
{
    struct kv_answer_item item = { .kind = KV_ANSWER_RECORD,
                                   .create_revision = 2,
                                   .mod_revision = 3,
                                   .version = 4,
                                   .lease = 5,
                                   .key = key,
                                   .value = value };
    kv_answer_append(&items, &item);
}

static void add_end(uint32_t flags, uint64_t count)
{
    struct kv_answer_item item = { .kind = KV_ANSWER_END, .flags = flags, .count = count };
    kv_answer_append(&items, &item);
}

/* All at once, and item by item. */
static void expect(const char *json)
{
    for (int pieces = 0; pieces < 2; pieces++) {
        struct http_found f;
        buf_clear(&text);
        http_found_init(&f, &text);
        if (pieces == 0) CHECK(http_found_write(&f, buf_bytes(&items)));
        struct kv_answer_reader cut;
        struct kv_answer_item item;
        kv_answer_reader_init(&cut);
        kv_answer_reader_feed(&cut, buf_bytes(&items));
        for (size_t at = 0; pieces == 1 && kv_answer_next(&cut, &item) == 0; at = cut.in.at) {
            CHECK(!http_found_is_done(&f));
            CHECK(http_found_write(&f, bytes_of(items.data + at, cut.in.at - at)));
        }
        CHECK(http_found_is_done(&f));
        buf_append_u8(&text, 0);
        if (strcmp((char *)text.data, json) != 0) fprintf(stderr, "%s\n", (char *)text.data);
        CHECK(strcmp((char *)text.data, json) == 0);
    }
    buf_clear(&items);
}

#define REVISIONS "\"create_revision\": 2, \"mod_revision\": 3, \"version\": 4, \"lease\": 5"

TEST(http_found, a_range)
{
    begin();
    add_begin(KV_OP_RANGE, 0, 9);
    add_record(bytes_of_str("a"), bytes_of("x\n", 2));
    add_record(bytes_of("\xff", 1), bytes_of("\0", 1));
    add_end(KV_ANSWER_MORE, 7);
    expect("{\"revision\": 9, \"kvs\": [{\"key\": \"a\", " REVISIONS ", \"value\": \"x\\n\"}, "
           "{\"key_base64\": \"/w==\", " REVISIONS
           ", \"value_base64\": \"AA==\"}], \"count\": 7, \"more\": true}\n");
    add_begin(KV_OP_RANGE, KV_ANSWER_KEYS_ONLY, 9);
    add_record(bytes_of_str("a"), bytes_of(NULL, 0));
    add_end(0, 1);
    expect("{\"revision\": 9, \"kvs\": [{\"key\": \"a\", " REVISIONS
           "}], \"count\": 1, \"more\": false}\n");
    add_begin(KV_OP_RANGE, 0, 1);
    add_end(0, 0);
    expect("{\"revision\": 1, \"kvs\": [], \"count\": 0, \"more\": false}\n");
    end();
}

TEST(http_found, a_transaction)
{
    begin();
    add_begin(KV_OP_TXN, KV_ANSWER_SUCCEEDED, 9);
    add_begin(KV_OP_PUT, 0, 9);
    add_end(0, 0);
    add_begin(KV_OP_PUT, 0, 9);
    add_record(bytes_of_str("a"), bytes_of_str("x"));
    add_end(0, 0);
    add_begin(KV_OP_DELETE, 0, 9);
    add_record(bytes_of_str("a"), bytes_of_str("x"));
    add_record(bytes_of_str("b"), bytes_of_str("y"));
    add_end(0, 2);
    add_begin(KV_OP_DELETE, 0, 9);
    add_end(0, 0);
    add_begin(KV_OP_TXN, 0, 9);
    add_begin(KV_OP_RANGE, 0, 9);
    add_end(0, 0);
    add_end(0, 1);
    add_end(0, 5);
    expect(
        "{\"revision\": 9, \"succeeded\": true, \"responses\": [{\"put\": {\"revision\": 9}}, "
        "{\"put\": {\"revision\": 9, \"prev_kv\": {\"key\": \"a\", " REVISIONS ", \"value\": \"x\"}}}, "
        "{\"delete\": {\"revision\": 9, \"prev_kvs\": [{\"key\": \"a\", " REVISIONS
        ", \"value\": \"x\"}, "
        "{\"key\": \"b\", " REVISIONS ", \"value\": \"y\"}], \"deleted\": 2}}, "
        "{\"delete\": {\"revision\": 9, \"deleted\": 0}}, "
        "{\"txn\": {\"revision\": 9, \"succeeded\": false, \"responses\": [{\"get\": {\"revision\": 9, "
        "\"kvs\": [], \"count\": 0, \"more\": false}}]}}]}\n");
    end();
}
