/* Ranges of keys in queries: what they ask for, and what is refused. */
#include <stdio.h>

#include "tests/http/route_rig.h"
#include "tests/support/test.h"

static struct route_rig rig;

static enum http_route_kind ask(const char *method, const char *path, const char *query)
{
    char target[512];
    snprintf(target, sizeof target, "%s%s%s", path, query[0] ? "?" : "", query);
    return route_rig_ask(&rig, method, target, bytes_of(NULL, 0));
}

static bool is_range(struct bytes from, struct bytes to)
{
    return bytes_equal(rig.route.range.key, from) && bytes_equal(rig.route.range.range_end, to);
}

#define B(text) bytes_of(text, sizeof(text) - 1)

TEST(http_range, keys_are_named_in_four_ways)
{
    route_rig_init(&rig);
    CHECK_EQ(ask("GET", "/_/range", "key=a"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("a"), B("")));
    CHECK_EQ(ask("GET", "/_/range", "key=a&end=b%00"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("a"), B("b\0")));
    ask("GET", "/_/range", "key=a&end=");
    CHECK(is_range(B("a"), B("\0"))); /* to the last one */
    ask("GET", "/_/range", "from=a");
    CHECK(is_range(B("a"), B("\0")));
    ask("GET", "/_/range", "from=");
    CHECK(is_range(B("\0"), B("\0")));
    ask("GET", "/_/range", "prefix=a");
    CHECK(is_range(B("a"), B("b")));
    ask("GET", "/_/range", "prefix=a%ff%ff");
    CHECK(is_range(B("a\xff\xff"), B("b")));
    ask("GET", "/_/range", "prefix=%ff%ff");
    CHECK(is_range(B("\xff\xff"), B("\0")));
    ask("GET", "/_/range", "prefix=");
    CHECK(is_range(B("\0"), B("\0")));
    CHECK_EQ(ask("GET", "/a/", "prefix"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("a/"), B("a0")));
    CHECK_EQ(ask("GET", "/_/kv/_/", "prefix&limit=1"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("_/"), B("_0")));
    CHECK_EQ(ask("GET", "/", "prefix"), HTTP_ROUTE_RANGE);
    CHECK(is_range(B("\0"), B("\0")));
    CHECK_EQ(ask("DELETE", "/a/", "prefix"), HTTP_ROUTE_RANGE_DELETE);
    CHECK(is_range(B("a/"), B("a0")));
    route_rig_fini(&rig);
}

TEST(http_range, options_say_how_they_are_wanted)
{
    const struct kv_op *op = &rig.route.range;
    route_rig_init(&rig);
    CHECK_EQ(
        ask("GET", "/_/range",
            "from=a&limit=3&rev=4&sort=value&order=desc&keys_only&count_only=true&min_mod=1&max_mod=2&"
            "min_create=3&max_create=4&consistency=stale"),
        HTTP_ROUTE_RANGE);
    CHECK(op->kind == KV_OP_RANGE && op->limit == 3 && op->revision == 4);
    CHECK(op->sort_target == KV_SORT_VALUE && op->sort_order == KV_SORT_DESCEND);
    CHECK_EQ(op->flags, KV_KEYS_ONLY | KV_COUNT_ONLY);
    CHECK(op->mod_min == 1 && op->mod_max == 2 && op->create_min == 3 && op->create_max == 4);
    CHECK(rig.route.stale);
    CHECK_EQ(ask("GET", "/a", "prefix&sort=mod"), HTTP_ROUTE_RANGE);
    CHECK(op->sort_target == KV_SORT_MOD && op->sort_order == KV_SORT_NONE && !rig.route.stale &&
          op->flags == 0);
    CHECK_EQ(ask("GET", "/a", "rev=7&consistency=stale"), HTTP_ROUTE_KEY_AT);
    CHECK(is_range(B("a"), B("")) && op->revision == 7 && rig.route.stale);
    CHECK_EQ(ask("HEAD", "/a", "rev=7"), HTTP_ROUTE_KEY_AT);
    CHECK_EQ(ask("GET", "/a", "rev=0"), HTTP_ROUTE_KEY_GET);
    CHECK_EQ(ask("GET", "/a", "prefix=false"), HTTP_ROUTE_KEY_GET);
    route_rig_fini(&rig);
}

static const struct {
    const char *method, *path, *query;
    int status;
    const char *why;
} refused[] = {
    { "GET", "/_/range", "", 400, "one of key, prefix and from" },
    { "GET", "/_/range", "key=a&prefix=b", 400, "one of key, prefix and from" },
    { "GET", "/_/range", "prefix=a&end=b", 400, "end goes with key" },
    { "GET", "/_/range", "key=", 400, "the key is empty" },
    { "GET", "/_/range", "from=a&sort=size", 400, "sort" },
    { "GET", "/_/range", "from=a&order=up", 400, "order" },
    { "GET", "/_/range", "from=a&limit=-1", 400, "limit" },
    { "GET", "/_/range", "from=a&what", 400, "unknown query parameter: what" },
    { "GET", "/_/range", "from=%zz", 400, "" },
    { "HEAD", "/_/range", "from=a", 405, "" },
    { "POST", "/_/range", "", 405, "" },
    { "GET", "/_/txn", "", 405, "" },
    { "POST", "/_/txn", "a", 400, "takes none" },
    { "POST", "/_/compact", "", 400, "the compaction: " },
    { "HEAD", "/a", "prefix", 405, "HEAD" },
    { "GET", "/a", "prefix=maybe", 400, "prefix" },
    { "GET", "/a", "limit=3", 400, "unknown query parameter: limit" },
    { "PUT", "/a", "prefix", 400, "unknown query parameter: prefix" },
    { "DELETE", "/a", "prefix&limit=3", 400, "unknown query parameter: limit" },
    { "DELETE", "/a", "rev=3", 400, "unknown query parameter: rev" },
    { "DELETE", "/", "prefix", 400, "the key is empty" },
};

TEST(http_range, what_is_wrong_is_named)
{
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        CHECK_EQ(ask(refused[i].method, refused[i].path, refused[i].query), HTTP_ROUTE_ERROR);
        if (rig.route.status != refused[i].status || !strstr(rig.route.text, refused[i].why))
            fprintf(stderr, "%s?%s: %d %s\n", refused[i].path, refused[i].query, rig.route.status,
                    rig.route.text);
        CHECK_EQ(rig.route.status, refused[i].status);
        CHECK(strstr(rig.route.text, refused[i].why));
    }
    route_rig_fini(&rig);
}

TEST(http_range, a_key_has_a_bound)
{
    static const char *const forms[] = { "/_/range?key=", "/_/range?prefix=", "/_/range?from=",
                                         "/_/range?key=a&end=" };
    static char key[MS_KEY_BYTES_MAX + 2], target[sizeof key + 64];
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        for (size_t len = MS_KEY_BYTES_MAX; len <= MS_KEY_BYTES_MAX + 1; len++) {
            memset(key, 'k', len);
            key[len] = 0;
            int n = snprintf(target, sizeof target, "%s%s", forms[i], key);
            CHECK(n > 0 && (size_t)n < sizeof target);
            bool fits = len == MS_KEY_BYTES_MAX;
            CHECK_EQ(route_rig_ask(&rig, "GET", target, bytes_of(NULL, 0)),
                     fits ? HTTP_ROUTE_RANGE : HTTP_ROUTE_ERROR);
            if (!fits) CHECK(rig.route.status == 400 && strstr(rig.route.text, "a key is too long"));
        }
    }
    route_rig_fini(&rig);
}
