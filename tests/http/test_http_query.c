/* Parameters of a query: decoded, taken by name, and refused by name. */
#include "http/http_query.h"

#include <stdio.h>

#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct buf text;
static struct http_query q;

static bool begin(const char *raw)
{
    test_alloc_init(&alloc);
    buf_init(&text, &alloc.face, 1u << 20);
    return http_query_init(&q, bytes_of_str(raw), &text);
}

static void end(void)
{
    buf_fini(&text);
    CHECK_EQ(alloc.alive, 0);
}

static void expect_why(const char *why)
{
    if (strcmp(q.why, why) != 0) fprintf(stderr, "%s\nexpected: %s\n", q.why, why);
    CHECK(strcmp(q.why, why) == 0);
    CHECK(!http_query_end(&q));
    end();
}

TEST(http_query, names_and_values_are_decoded_and_plus_is_a_plus)
{
    struct bytes from, to, none = bytes_of_str("as before");
    CHECK(begin("&from=a%2Fb+c&%74o=x%3d%26=y&&empty=&"));
    CHECK_EQ(q.count, 3);
    CHECK(http_query_bytes(&q, "from", &from) && bytes_equal(from, bytes_of_str("a/b+c")));
    CHECK(http_query_bytes(&q, "to", &to) && bytes_equal(to, bytes_of_str("x=&=y")));
    CHECK(!http_query_bytes(&q, "none", &none) && bytes_equal(none, bytes_of_str("as before")));
    CHECK(!http_query_end(&q)); /* one is left */
    expect_why("unknown query parameter: empty");
    CHECK(begin("empty="));
    CHECK(http_query_bytes(&q, "empty", &none) && none.len == 0 && http_query_end(&q));
    end();
    CHECK(begin("") && q.count == 0 && http_query_end(&q));
    end();
}

TEST(http_query, a_flag_has_no_value_or_says_yes_or_no)
{
    static const struct {
        const char *raw;
        bool good, yes;
    } rows[] = { { "f", true, true },    { "f=true", true, true }, { "f=false", true, false },
                 { "f=", false, false }, { "f=1", false, false },  { "f=True", false, false } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool yes = false;
        CHECK(begin(rows[i].raw));
        CHECK_EQ(http_query_flag(&q, "f", &yes), rows[i].good);
        CHECK_EQ(yes, rows[i].yes);
        CHECK_EQ(http_query_end(&q), rows[i].good);
        end();
    }
}

TEST(http_query, numbers_are_digits)
{
    static const char *const bad[] = { "n", "n=", "n=-1", "n=1x", "n=18446744073709551616" };
    uint64_t n = 0;
    CHECK(begin("n=18446744073709551615"));
    CHECK(http_query_u64(&q, "n", &n) && n == UINT64_MAX && http_query_end(&q));
    end();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(begin(bad[i]) && !http_query_u64(&q, "n", &n));
        expect_why("the query parameter n can only be: a number");
    }
}

TEST(http_query, what_is_wrong_is_named)
{
    uint64_t n;
    CHECK(!begin("a=%4"));
    expect_why("a bad percent-escape in the query");
    CHECK(!begin("a%zz"));
    expect_why("a bad percent-escape in the query");
    CHECK(!begin("=x"));
    expect_why("a query parameter without a name");
    CHECK(begin("n=1&n=1"));
    CHECK(!http_query_u64(&q, "n", &n));
    expect_why("the query parameter n is there more than once");
    CHECK(begin("n=1&x%0a%ff%20y=2"));
    CHECK(http_query_u64(&q, "n", &n) && !http_query_end(&q));
    expect_why("unknown query parameter: x???y");
    CHECK(begin("a-name-that-is-longer-than-anybody-would-write-it=1") && !http_query_end(&q));
    expect_why("unknown query parameter: a-name-that-is-longer-than-anybody-would...");
    CHECK(begin("a=1&b=2"));
    http_query_refuse(&q, "a", "this");
    CHECK(!http_query_u64(&q, "b", &n)); /* the first refusal stays */
    expect_why("the query parameter a can only be: this");
}

TEST(http_query, parameters_are_bounded)
{
    struct buf raw;
    CHECK(begin(""));
    end();
    buf_init(&raw, &alloc.face, 1u << 20);
    for (unsigned i = 0; i < HTTP_QUERY_PARAMS_MAX; i++) buf_append_text(&raw, "p%u&", i);
    CHECK(http_query_init(&q, buf_bytes(&raw), &text));
    buf_append_text(&raw, "one=more");
    CHECK(!http_query_init(&q, buf_bytes(&raw), &text));
    CHECK(strcmp(q.why, "too many query parameters") == 0);
    buf_clear(&raw);
    while (raw.len <= HTTP_QUERY_BYTES_MAX) buf_append(&raw, "aaaaaaaa", 8);
    CHECK(!http_query_init(&q, buf_bytes(&raw), &text));
    CHECK(strcmp(q.why, "the query is too long") == 0);
    buf_fini(&raw);
    buf_fini(&text);
}
