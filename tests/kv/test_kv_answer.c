/* test_kv_answer.c: answers are read as they were written, and nothing else is. */
#include "base/ms_err.h"
#include "kv/kv_answer.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc memory;
static struct buf out;
static const struct kv_answer_item items[] = {
    { .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .flags = KV_ANSWER_SUCCEEDED, .revision = 7 },
    { .kind = KV_ANSWER_BEGIN, .op = KV_OP_RANGE, .flags = KV_ANSWER_KEYS_ONLY, .revision = 6 },
    { .kind = KV_ANSWER_RECORD, .create_revision = 2, .mod_revision = 3, .version = 4, .lease = 5 },
    { .kind = KV_ANSWER_END, .flags = KV_ANSWER_MORE, .count = 9 },
    { .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .revision = 6 },
    { .kind = KV_ANSWER_BEGIN, .op = KV_OP_PUT, .revision = 7 },
    { .kind = KV_ANSWER_END },
    { .kind = KV_ANSWER_END, .count = 1 },
    { .kind = KV_ANSWER_END, .count = 2 },
};
#define COUNT (sizeof items / sizeof items[0])

static struct kv_answer_item item_at(size_t i)
{
    struct kv_answer_item item = items[i];
    if (item.kind != KV_ANSWER_RECORD) return item;
    item.key = bytes_of_str("key");
    item.value = bytes_of("v\0", 2);
    return item;
}

static void write_all(void)
{
    test_alloc_init(&memory);
    buf_init(&out, &memory.face, 1000);
    for (size_t i = 0; i < COUNT; i++) {
        struct kv_answer_item item = item_at(i);
        size_t before = out.len;
        kv_answer_append(&out, &item);
        CHECK_EQ(out.len - before, kv_answer_item_bytes(&item));
    }
}

TEST(kv_answer, is_read_as_it_was_written)
{
    struct kv_answer_reader r;
    struct kv_answer_item got;
    write_all();
    kv_answer_reader_init(&r);
    kv_answer_reader_feed(&r, buf_bytes(&out));
    for (size_t i = 0; i < COUNT; i++) {
        struct kv_answer_item wanted = item_at(i);
        CHECK(!r.done);
        CHECK_EQ(kv_answer_next(&r, &got), 0);
        CHECK(got.kind == wanted.kind && got.op == wanted.op && got.flags == wanted.flags);
        CHECK(got.revision == wanted.revision && got.count == wanted.count);
        CHECK(got.create_revision == wanted.create_revision && got.mod_revision == wanted.mod_revision);
        CHECK(got.version == wanted.version && got.lease == wanted.lease);
        CHECK(bytes_equal(got.key, wanted.key) && bytes_equal(got.value, wanted.value));
    }
    CHECK(r.done);
    CHECK_EQ(kv_answer_next(&r, &got), MS_EEND);
    kv_answer_reader_feed(&r, buf_bytes(&out));
    CHECK_EQ(kv_answer_next(&r, &got), MS_ECORRUPT); /* nothing comes behind its end */
    buf_fini(&out);
}

static int read_all(struct bytes in)
{
    struct kv_answer_reader r;
    struct kv_answer_item got;
    int rv;
    kv_answer_reader_init(&r);
    kv_answer_reader_feed(&r, in);
    while ((rv = kv_answer_next(&r, &got)) == 0) continue;
    if (rv == MS_EEND && !r.done) rv = MS_ESHORT;
    return rv;
}

TEST(kv_answer, nothing_else_is_read)
{
    static const uint8_t end_only[] = { KV_ANSWER_END, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    write_all();
    CHECK_EQ(read_all(buf_bytes(&out)), MS_EEND);
    for (size_t len = 0; len < out.len; len++) {
        int rv = read_all(bytes_of(out.data, len));
        CHECK(rv == MS_ECORRUPT || rv == MS_ESHORT);
    }
    CHECK_EQ(read_all(bytes_of(end_only, sizeof end_only)), MS_ECORRUPT);
    /* A record outside of an operation; an operation in one that is no transaction; too deep. */
    uint8_t first = out.data[0];
    out.data[0] = KV_ANSWER_RECORD;
    CHECK_EQ(read_all(buf_bytes(&out)), MS_ECORRUPT);
    out.data[0] = first;
    out.data[1] = KV_OP_RANGE;
    CHECK_EQ(read_all(buf_bytes(&out)), MS_ECORRUPT);
    buf_clear(&out);
    for (uint32_t i = 0; i < KV_ANSWER_DEPTH_MAX + 1; i++) {
        struct kv_answer_item nested = { .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN };
        CHECK_EQ(read_all(buf_bytes(&out)), MS_ESHORT);
        kv_answer_append(&out, &nested);
    }
    CHECK_EQ(read_all(buf_bytes(&out)), MS_ECORRUPT);
    buf_fini(&out);
}
