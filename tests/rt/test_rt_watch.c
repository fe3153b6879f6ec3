/* test_rt_watch.c: ms_watch(): from the loop's thread to ms_poll(). */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "metastore/metastore.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

static struct ms_bytes text(const char *s)
{
    return (struct ms_bytes){ .data = s, .len = strlen(s) };
}

struct heard {
    enum ms_watch_kind kind;
    uint64_t revision, prev_version;
    bool last;
    char key[8], value[8];
    int status;
};
struct listener {
    struct heard heard[4000];
    uint32_t count;
    size_t bytes;
    struct ms_watcher *cancel_in_callback;
    bool cancelled;
};
static struct listener l;

static void copy(char *to, size_t cap, struct ms_bytes from)
{
    size_t len = from.len < cap - 1 ? from.len : cap - 1;
    memset(to, 0, cap);
    if (len) memcpy(to, from.data, len);
}

static void on_event(void *arg, const struct ms_watch_event *e)
{
    struct listener *to = arg;
    CHECK(!to->cancelled);
    CHECK(to->count < 4000);
    struct heard *h = &to->heard[to->count++];
    *h = (struct heard){
        .kind = e->kind, .revision = e->revision, .last = e->last, .status = e->status
    };
    copy(h->key, sizeof h->key, e->key);
    copy(h->value, sizeof h->value, e->now.value);
    if (e->has_prev) h->prev_version = e->prev.version;
    to->bytes += e->now.value.len;
    if (!to->cancel_in_callback) return;
    ms_watch_cancel(to->cancel_in_callback);
    to->cancelled = true;
}

/* ms_fd() wakes for what is there. */
static void poll_until(struct ms_member *m, uint32_t count)
{
    for (int i = 0; i < 1000 && l.count < count; i++) {
        struct pollfd p = { .fd = ms_fd(m), .events = POLLIN };
        poll(&p, 1, 20);
        ms_poll(m);
    }
    CHECK(l.count >= count);
}

static struct ms_watcher *watch(struct ms_member *m, const char *key, bool prefix, uint64_t start)
{
    struct ms_watch_options o;
    struct ms_watcher *w;
    ms_watch_options_init(&o);
    o.key = text(key);
    o.prefix = prefix;
    o.start_revision = start;
    o.prev = true;
    memset(&l, 0, sizeof l);
    CHECK_EQ(ms_watch(m, &o, on_event, &l, &w, NULL), 0);
    return w;
}

TEST(rt_watch, tells_history_and_then_what_happens)
{
    static const enum ms_storage storages[] = { MS_STORAGE_MEMORY, MS_STORAGE_ROCKSDB };
    for (int i = 0; i < 2; i++) {
        struct test_cluster c;
        uint64_t first;
        test_cluster_init(&c, 1, storages[i]);
        test_cluster_start(&c, 0);
        struct ms_member *m = c.members[0];
        CHECK_EQ(ms_put_wait(m, text("a"), text("1"), &first), 0);
        must_put(m, "b", "2");
        must_put(m, "other", "3");
        struct ms_watcher *w = watch(m, "", true, first);
        poll_until(m, 3);
        CHECK(l.heard[0].revision == first && l.heard[2].revision == first + 2 && l.heard[2].last);
        CHECK(strcmp(l.heard[1].key, "b") == 0 && strcmp(l.heard[1].value, "2") == 0);
        must_put(m, "a", "4");
        CHECK_EQ(ms_delete_wait(m, text("a"), NULL), 0);
        poll_until(m, 5);
        CHECK(l.heard[3].kind == MS_WATCH_PUT && l.heard[3].prev_version == 1);
        CHECK(l.heard[4].kind == MS_WATCH_DELETE && l.heard[4].prev_version == 2);
        CHECK_EQ(ms_watch_progress(w), 0);
        poll_until(m, 6);
        CHECK(l.heard[5].kind == MS_WATCH_PROGRESS && l.heard[5].revision == first + 4);
        ms_watch_cancel(w);
        must_put(m, "a", "5");
        ms_poll(m);
        CHECK_EQ(l.count, 6);
        test_cluster_fini(&c);
    }
}

/* Nobody polls: what waits is bounded, and nothing is lost (RW1). */
TEST(rt_watch, that_is_not_polled_goes_on_where_it_was)
{
    static char value[10000];
    struct test_cluster c;
    uint64_t first, revision;
    memset(value, 'v', sizeof value);
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    struct ms_member *m = c.members[0];
    CHECK_EQ(ms_put_wait(m, text("a"), text("0"), &first), 0);
    struct ms_watcher *w = watch(m, "a", false, first + 1);
    struct ms_bytes big = { value, sizeof value };
    for (int i = 0; i < 200; i++) CHECK_EQ(ms_put_wait(m, text("a"), big, &revision), 0);
    ms_poll(m);
    CHECK(l.count > 10 && l.count < 60); /* 256 KiB of them */
    poll_until(m, 200);
    for (uint32_t i = 0; i < 200; i++) CHECK_EQ(l.heard[i].revision, first + 1 + i);
    CHECK_EQ(l.bytes, 200 * sizeof value);
    ms_watch_cancel(w);
    test_cluster_fini(&c);
}

TEST(rt_watch, may_be_cancelled_from_its_callback)
{
    struct test_cluster c;
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    struct ms_member *m = c.members[0];
    must_put(m, "a", "1");
    struct ms_watcher *w = watch(m, "a", false, 0);
    l.cancel_in_callback = w;
    must_put(m, "a", "2");
    must_put(m, "a", "3");
    poll_until(m, 1);
    ms_poll(m);
    CHECK_EQ(l.count, 1);
    test_cluster_fini(&c);
}

TEST(rt_watch, ends_with_its_member)
{
    struct test_cluster c;
    struct ms_watch_options o;
    struct ms_watcher *w;
    uint64_t compacted = 0;
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    struct ms_member *m = c.members[0];
    must_put(m, "a", "1");
    watch(m, "a", false, 0); /* ms_close() frees it */
    ms_watch_options_init(&o);
    CHECK_EQ(ms_watch(m, &o, on_event, &l, &w, &compacted), MS_EINVAL);
    o.struct_bytes = 3;
    o.key = text("a");
    CHECK_EQ(ms_watch(m, &o, on_event, &l, &w, &compacted), MS_EINVAL);
    CHECK(w == NULL);
    test_cluster_fini(&c);
}
