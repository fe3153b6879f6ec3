/* test_rt_range.c: ms_range() and ms_compact(). */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metastore/metastore.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

static struct ms_bytes text(const char *s)
{
    return (struct ms_bytes){ .data = s, .len = strlen(s) };
}

static struct ms_range_options prefix(const char *key)
{
    struct ms_range_options o;
    ms_range_options_init(&o);
    o.key = text(key);
    o.prefix = true;
    return o;
}

static bool is(struct ms_bytes b, const char *s)
{
    return b.len == strlen(s) && memcmp(b.data, s, b.len) == 0;
}

/* About 3 MB in 600 keys: many pieces. */
static void fill(struct ms_member *m, uint64_t *revision)
{
    static char value[5000];
    char key[16];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 600; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        struct ms_bytes v = { value, sizeof value };
        CHECK_EQ(ms_put_wait(m, text(key), v, revision), 0);
    }
}

TEST(rt_range, reads_what_is_there_and_what_was)
{
    static const enum ms_storage storages[] = { MS_STORAGE_MEMORY, MS_STORAGE_ROCKSDB };
    for (int i = 0; i < 2; i++) {
        struct test_cluster c;
        struct ms_range_result r;
        uint64_t revision;
        test_cluster_init(&c, 1, storages[i]);
        test_cluster_start(&c, 0);
        struct ms_member *m = c.members[0];
        fill(m, &revision);
        must_put(m, "other", "1");
        struct ms_range_options o = prefix("k");
        CHECK_EQ(ms_range_wait(m, &o, &r), 0);
        CHECK(r.kv_count == 600 && r.count == 600 && !r.more && r.revision == revision + 1);
        CHECK(is(r.kvs[0].key, "k0000") && is(r.kvs[599].key, "k0599"));
        CHECK(r.kvs[599].record.mod_revision == revision && r.kvs[599].record.value.len == 5000);
        ms_range_free(&r);
        CHECK_EQ(ms_delete_wait(m, text("k0000"), NULL), 0);
        o.revision = revision;
        o.limit = 2;
        o.keys_only = true;
        CHECK_EQ(ms_range_wait(m, &o, &r), 0);
        CHECK(r.kv_count == 2 && r.count == 600 && r.more && is(r.kvs[0].key, "k0000"));
        CHECK_EQ(r.kvs[0].record.value.len, 0);
        ms_range_free(&r);
        o = prefix("k");
        o.sort = MS_SORT_MOD;
        o.descend = o.stale = true;
        o.limit = 1;
        CHECK_EQ(ms_range_wait(m, &o, &r), 0);
        CHECK(r.kv_count == 1 && is(r.kvs[0].key, "k0599") && r.count == 599);
        ms_range_free(&r);
        test_cluster_fini(&c);
    }
}

static struct {
    uint32_t count;
    int status;
    size_t kv_count;
    uint64_t compacted_revision;
} told;

static void on_range(void *arg, int status, const struct ms_range_result *result)
{
    CHECK(arg == &told);
    told.count++;
    told.status = status;
    told.kv_count = result->kv_count;
    told.compacted_revision = result->compacted_revision;
}

static void on_done(void *arg, int status)
{
    on_range(arg, status, &(struct ms_range_result){ .kv_count = 0 });
}

static void poll_one(struct ms_member *m)
{
    uint32_t before = told.count;
    for (int i = 0; i < 1000 && told.count == before; i++) {
        struct pollfd p = { .fd = ms_fd(m), .events = POLLIN };
        poll(&p, 1, 20);
        ms_poll(m);
    }
    CHECK_EQ(told.count, before + 1);
}

TEST(rt_range, is_told_from_poll_and_is_bounded)
{
    struct test_cluster c;
    struct ms_range_result r;
    uint64_t revision;
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    struct ms_member *m = c.members[0];
    fill(m, &revision);
    struct ms_range_options o = prefix("");
    CHECK_EQ(ms_range(m, &o, on_range, &told), 0);
    poll_one(m);
    CHECK(told.status == 0 && told.kv_count == 600);
    o.bytes_max = 1000000;
    CHECK_EQ(ms_range(m, &o, on_range, &told), 0);
    poll_one(m);
    CHECK_EQ(told.status, MS_ETOOBIG);
    CHECK_EQ(ms_compact_wait(m, revision), 0);
    CHECK_EQ(ms_compact(m, revision, on_done, &told), 0);
    poll_one(m);
    CHECK_EQ(told.status, MS_ECOMPACTED);
    CHECK_EQ(ms_compact_wait(m, revision + 100), MS_EFUTURE);
    CHECK_EQ(ms_compact_wait(m, 0), MS_EINVAL);
    o = prefix("k");
    o.revision = revision - 1;
    CHECK_EQ(ms_range(m, &o, on_range, &told), 0);
    poll_one(m);
    CHECK_EQ(told.status, MS_ECOMPACTED);
    CHECK_EQ(told.compacted_revision, revision);
    o.revision = revision + 1;
    CHECK_EQ(ms_range_wait(m, &o, &r), MS_EFUTURE);
    ms_range_free(&r);
    ms_range_options_init(&o);
    CHECK_EQ(ms_range_wait(m, &o, &r), MS_EINVAL); /* no key */
    o.key = text("a");
    o.struct_bytes = 1;
    CHECK_EQ(ms_range(m, &o, on_range, &told), MS_EINVAL);
    /* Those that nobody polls for go with the member. */
    o = prefix("k");
    for (int i = 0; i < 3; i++) CHECK_EQ(ms_range(m, &o, on_range, &told), 0);
    test_cluster_fini(&c);
}
