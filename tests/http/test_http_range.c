/* Ranges of keys in queries: what they ask for, and what is refused. */
#include "http/http.h"
#include "http/http_watch.h"

#include <stdio.h>

#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct buf key, query;
static struct config wanted;
static struct http_watches watches;
static struct http_route route;

static void begin(void)
{
    test_alloc_init(&alloc);
    buf_init(&key, &alloc.face, 2 * MS_KEY_BYTES_MAX + 16);
    buf_init(&query, &alloc.face, 1u << 18);
    http_watches_init(&watches, &alloc.face);
}

static void end(void)
{
    buf_fini(&key);
    buf_fini(&query);
    http_watches_fini(&watches);
    CHECK_EQ(alloc.alive, 0);
}

static enum http_route_kind ask(enum http_method method, const char *path, const char *text)
{
    struct http_limits limits = { .key_bytes_max = MS_KEY_BYTES_MAX, .value_bytes_max = 1000 };
    struct http_request r = { .method = method,
                              .path = bytes_of_str(path),
                              .query = bytes_of_str(text) };
    r.has_query = r.query.len > 0;
    route = (struct http_route){ .key = &key, .query = &query, .wanted = &wanted, .watches = &watches };
    http_route(&r, &limits, &route);
    return route.kind;
}

static bool is_range(struct bytes from, struct bytes to)
{
    return bytes_equal(route.range.key, from) && bytes_equal(route.range.range_end, to);
}

#define B(text) bytes_of(text, sizeof(text) - 1)

TEST(http_range, keys_are_named_in_four_ways)
{
    begin();
    CHECK_EQ(ask(HTTP_METHOD_GET, "/_/range", "key=a"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("a"), B("")));
    CHECK_EQ(ask(HTTP_METHOD_GET, "/_/range", "key=a&end=b%00"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("a"), B("b\0")));
    ask(HTTP_METHOD_GET, "/_/range", "key=a&end=");
    CHECK(is_range(B("a"), B("\0"))); /* to the last one */
    ask(HTTP_METHOD_GET, "/_/range", "from=a");
    CHECK(is_range(B("a"), B("\0")));
    ask(HTTP_METHOD_GET, "/_/range", "from=");
    CHECK(is_range(B("\0"), B("\0")));
    ask(HTTP_METHOD_GET, "/_/range", "prefix=a");
    CHECK(is_range(B("a"), B("b")));
    ask(HTTP_METHOD_GET, "/_/range", "prefix=a%ff%ff");
    CHECK(is_range(B("a\xff\xff"), B("b")));
    ask(HTTP_METHOD_GET, "/_/range", "prefix=%ff%ff");
    CHECK(is_range(B("\xff\xff"), B("\0")));
    ask(HTTP_METHOD_GET, "/_/range", "prefix=");
    CHECK(is_range(B("\0"), B("\0")));
    CHECK_EQ(ask(HTTP_METHOD_GET, "/a/", "prefix"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("a/"), B("a0")));
    CHECK_EQ(ask(HTTP_METHOD_GET, "/_/kv/_/", "prefix&limit=1"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("_/"), B("_0")));
    CHECK_EQ(ask(HTTP_METHOD_GET, "/", "prefix"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("\0"), B("\0")));
    CHECK_EQ(ask(HTTP_METHOD_DELETE, "/a/", "prefix"), HTTP_ROUTE_RANGE_DELETE);
    CHECK(is_range(B("a/"), B("a0")));
    end();
}

TEST(http_range, options_say_how_they_are_wanted)
{
    const struct kv_op *op = &route.range;
    begin();
    CHECK_EQ(
        ask(HTTP_METHOD_GET, "/_/range",
            "from=a&limit=3&rev=4&sort=value&order=desc&keys_only&count_only=true&min_mod=1&max_mod=2&"
            "min_create=3&max_create=4&consistency=stale"),
        HTTP_ROUTE_RANGE);
    CHECK(op->kind == KV_OP_RANGE && op->limit == 3 && op->revision == 4);
    CHECK(op->sort_target == KV_SORT_VALUE && op->sort_order == KV_SORT_DESCEND);
    CHECK_EQ(op->flags, KV_KEYS_ONLY | KV_COUNT_ONLY);
    CHECK(op->mod_min == 1 && op->mod_max == 2 && op->create_min == 3 && op->create_max == 4);
    CHECK(route.stale);
    CHECK_EQ(ask(HTTP_METHOD_GET, "/a", "prefix&sort=mod"), HTTP_ROUTE_RANGE);
    CHECK(op->sort_target == KV_SORT_MOD && op->sort_order == KV_SORT_NONE && !route.stale &&
          op->flags == 0);
    CHECK_EQ(ask(HTTP_METHOD_GET, "/a", "rev=7&consistency=stale"), HTTP_ROUTE_KEY_AT);
    CHECK(is_range(B("a"), B("")) && op->revision == 7 && route.stale);
    CHECK_EQ(ask(HTTP_METHOD_HEAD, "/a", "rev=7"), HTTP_ROUTE_KEY_AT);
    CHECK_EQ(ask(HTTP_METHOD_GET, "/a", "rev=0"), HTTP_ROUTE_KEY_GET);
    CHECK_EQ(ask(HTTP_METHOD_GET, "/a", "prefix=false"), HTTP_ROUTE_KEY_GET);
    end();
}

static const struct {
    enum http_method method;
    const char *path, *query;
    int status;
    const char *why;
} refused[] = {
    { HTTP_METHOD_GET, "/_/range", "", 400, "one of key, prefix and from" },
    { HTTP_METHOD_GET, "/_/range", "key=a&prefix=b", 400, "one of key, prefix and from" },
    { HTTP_METHOD_GET, "/_/range", "prefix=a&end=b", 400, "end goes with key" },
    { HTTP_METHOD_GET, "/_/range", "key=", 400, "the key is empty" },
    { HTTP_METHOD_GET, "/_/range", "from=a&sort=size", 400, "sort" },
    { HTTP_METHOD_GET, "/_/range", "from=a&order=up", 400, "order" },
    { HTTP_METHOD_GET, "/_/range", "from=a&limit=-1", 400, "limit" },
    { HTTP_METHOD_GET, "/_/range", "from=a&what", 400, "unknown query parameter: what" },
    { HTTP_METHOD_GET, "/_/range", "from=%zz", 400, "" },
    { HTTP_METHOD_HEAD, "/_/range", "from=a", 405, "" },
    { HTTP_METHOD_POST, "/_/range", "", 405, "" },
    { HTTP_METHOD_GET, "/_/txn", "", 405, "" },
    { HTTP_METHOD_POST, "/_/txn", "a", 400, "takes none" },
    { HTTP_METHOD_POST, "/_/compact", "", 400, "the compaction: " },
    { HTTP_METHOD_HEAD, "/a", "prefix", 405, "HEAD" },
    { HTTP_METHOD_GET, "/a", "prefix=maybe", 400, "prefix" },
    { HTTP_METHOD_GET, "/a", "limit=3", 400, "unknown query parameter: limit" },
    { HTTP_METHOD_PUT, "/a", "prefix", 400, "unknown query parameter: prefix" },
    { HTTP_METHOD_DELETE, "/a", "prefix&limit=3", 400, "unknown query parameter: limit" },
    { HTTP_METHOD_DELETE, "/a", "rev=3", 400, "unknown query parameter: rev" },
    { HTTP_METHOD_DELETE, "/", "prefix", 400, "the key is empty" },
};

TEST(http_range, what_is_wrong_is_named)
{
    begin();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        CHECK_EQ(ask(refused[i].method, refused[i].path, refused[i].query), HTTP_ROUTE_ERROR);
        if (route.status != refused[i].status || !strstr(route.text, refused[i].why))
            fprintf(stderr, "%s?%s: %d %s\n", refused[i].path, refused[i].query, route.status,
                    route.text);
        CHECK_EQ(route.status, refused[i].status);
        CHECK(strstr(route.text, refused[i].why));
    }
    end();
}
