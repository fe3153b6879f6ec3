/* What requests for watches say, and what is refused. */
#include "http/http_watch.h"

#include "http/http_json.h"
#include "http/http_query.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct http_watches ws;
static char why[256];

static void begin(void)
{
    test_alloc_init(&alloc);
    http_watches_init(&ws, &alloc.face);
}

static void end(void)
{
    http_watches_fini(&ws);
    CHECK_EQ(alloc.alive, 0);
}

static bool query(const char *text, struct bytes key, const char *last_event_id)
{
    struct http_query q;
    struct buf scratch;
    bool watch = false;
    struct bytes id = last_event_id ? bytes_of_str(last_event_id) : bytes_of(NULL, 0);
    buf_init(&scratch, &alloc.face, 1u << 16);
    CHECK(http_query_init(&q, bytes_of_str(text), &scratch));
    CHECK(http_query_flag(&q, "watch", &watch) && watch);
    bool good = http_watch_read_query(&q, key, id, &ws, why, sizeof why);
    buf_fini(&scratch);
    return good;
}

static bool is_range(uint32_t i, struct bytes key, struct bytes range_end)
{
    return bytes_equal(http_watch_key(&ws, &ws.items[i]), key) &&
           bytes_equal(http_watch_end(&ws, &ws.items[i]), range_end);
}

static struct bytes text(const char *s)
{
    return bytes_of_str(s);
}

static const struct bytes none, nul = { (const uint8_t *)"", 1 };

TEST(http_watch, a_query_is_a_key_or_a_prefix)
{
    begin();
    CHECK(query("watch", text("ab"), NULL));
    CHECK(ws.count == 1 && !ws.several && is_range(0, text("ab"), none));
    CHECK_EQ(ws.items[0].start_revision, 0);
    CHECK(query("watch&prefix", text("ab"), NULL) && is_range(0, text("ab"), text("ac")));
    CHECK(query("watch&prefix", text("a\xff"), NULL) && is_range(0, text("a\xff"), text("b")));
    CHECK(query("watch&prefix", text("\xff\xff"), NULL) && is_range(0, text("\xff\xff"), nul));
    CHECK(query("watch&prefix", none, NULL) && is_range(0, nul, nul));
    CHECK(!query("watch", none, NULL));
    CHECK(query("rev=7&watch&prev_kv&noput", text("a"), NULL));
    CHECK(ws.items[0].start_revision == 7 && ws.items[0].prev_kv && ws.items[0].no_puts);
    CHECK(!ws.items[0].no_deletes && !ws.items[0].progress);
    CHECK(query("watch&progress&nodelete", text("a"), NULL));
    CHECK(ws.items[0].no_deletes && ws.items[0].progress);
    CHECK(!query("watch&rev=-1", text("a"), NULL));
    CHECK(!query("watch&rev=18446744073709551615", text("a"), NULL));
    CHECK(!query("watch&other", text("a"), NULL));
    end();
}

/* It comes from a reader that has all up to it, and so counts before rev. */
TEST(http_watch, goes_on_behind_the_last_event_id)
{
    begin();
    CHECK(query("watch&rev=3", text("a"), "41") && ws.items[0].start_revision == 42);
    CHECK(query("watch&rev=3", text("a"), " ") && ws.items[0].start_revision == 3);
    CHECK(!query("watch", text("a"), "x"));
    CHECK(!query("watch", text("a"), "-1"));
    CHECK(!query("watch", text("a"), "9223372036854775807"));
    end();
}

static bool list(const char *body)
{
    return http_watch_read_list(bytes_of_str(body), &ws, why, sizeof why);
}

TEST(http_watch, a_list_has_watches_with_ids)
{
    begin();
    CHECK(list(
        "[{\"id\":0,\"key\":\"a\"},{\"id\":1,\"prefix\":\"b\",\"start_revision\":5,\"prev_kv\":true},"
        "{\"id\":2,\"range\":[\"c\",\"d\"],\"noput\":true,\"nodelete\":false,\"progress\":true},"
        "{\"id\":3,\"key_base64\":\"AP8=\"},{\"id\":4,\"range\":[\"c\",\"\"]},"
        "{\"id\":5,\"range_base64\":[\"YQ==\",\"Yg==\"]},{\"id\":6,\"prefix\":\"\"},"
        "{\"id\":7,\"end_base64\":\"Yg==\",\"key\":\"a\"},{\"id\":8,\"from\":\"z\"}]"));
    CHECK(ws.several && ws.count == 9);
    CHECK(is_range(0, text("a"), none) && ws.items[0].id == 0);
    CHECK(is_range(1, text("b"), text("c")) && ws.items[1].start_revision == 5 && ws.items[1].prev_kv);
    CHECK(is_range(2, text("c"), text("d")) && ws.items[2].no_puts && ws.items[2].progress);
    CHECK(!ws.items[2].no_deletes);
    CHECK(is_range(3, bytes_of("\0\xff", 2), none));
    CHECK(is_range(4, text("c"), nul));
    CHECK(is_range(5, text("a"), text("b")));
    CHECK(is_range(6, nul, nul));
    CHECK(is_range(7, text("a"), text("b")));
    CHECK(is_range(8, text("z"), nul));
    end();
}

TEST(http_watch, a_list_that_is_wrong_is_refused_with_a_line)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "[{}]",
        "[{\"id\":1}]",
        "[{\"key\":\"a\"}]",
        "[{\"id\":1,\"key\":\"\"}]",
        "[{\"id\":1,\"key\":\"a\",\"prefix\":\"b\"}]",
        "[{\"id\":1,\"id\":1,\"key\":\"a\"}]",
        "[{\"id\":1,\"key\":\"a\"},{\"id\":1,\"key\":\"b\"}]",
        "[{\"id\":1,\"key\":\"a\",\"x\":1}]",
        "[{\"id\":1,\"prefix\":\"a\",\"end\":\"b\"}]",
        "[{\"id\":1,\"key\":\"a\",\"from\":\"b\"}]",
        "[{\"id\":1,\"range\":[\"a\"]}]",
        "[{\"id\":1,\"range\":[\"a\",\"b\",\"c\"]}]",
        "[{\"id\":1,\"key_base64\":\"AP8\"}]",
        "[{\"id\":1,\"key\":\"a\"}",
        "[{\"id\":1,\"key\":\"a\"}] x",
        "[{\"id\":1,\"key\":\"a\",\"start_revision\":9999999999999999999}]",
        "[{\"id\":1,\"key\":\"\\ud800\"}]",
        "[{\"id\":1,\"key\":\"a}]",
    };
    begin();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        why[0] = 0;
        CHECK(!list(wrong[i]));
        CHECK(why[0] && !strchr(why, '\n'));
    }
    end();
}

TEST(http_watch, a_stream_has_so_many_and_no_more)
{
    char body[HTTP_WATCHES_MAX * 24u + 64u];
    begin();
    for (uint32_t count = HTTP_WATCHES_MAX; count <= HTTP_WATCHES_MAX + 1; count++) {
        int len = 0;
        for (uint32_t i = 0; i < count; i++)
            len += snprintf(body + len, sizeof body - (size_t)len, "%c{\"id\":%u,\"key\":\"a\"}",
                            i ? ',' : '[', i);
        snprintf(body + len, sizeof body - (size_t)len, "]");
        CHECK_EQ(list(body), count <= HTTP_WATCHES_MAX);
    }
    end();
}

/* Keys as JSON has them: escapes, characters beyond the first plane, NUL. */
TEST(http_watch, texts_may_be_any_utf8)
{
    static const struct {
        const char *json, *bytes;
        size_t len; /* 0: refused */
    } rows[] = {
        { "\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r", 9 },
        { "\"\\u0000\"", "\0", 1 },
        { "\"\\u00e9\\u20ac\"", "\xc3\xa9\xe2\x82\xac", 5 },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4 },
        { " \t\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80", 4 },
        { "\"\\ud83d\"", "", 0 },
        { "\"\\ud83dx\"", "", 0 },
        { "\"\\ude00\"", "", 0 },
        { "\"\\ud83d\\u0041\"", "", 0 },
        { "\"\xff\"", "", 0 },
        { "\"\n\"", "", 0 },
        { "\"\\x\"", "", 0 },
        { "\"\\u12\"", "", 0 },
        { "\"\\", "", 0 },
        { "\"a", "", 0 },
        { "1", "", 0 },
        { "", "", 0 },
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_json j;
        buf_clear(&ws.text);
        http_json_init(&j, bytes_of_str(rows[i].json));
        CHECK_EQ(http_json_bytes(&j, false, &ws.text), rows[i].len > 0);
        if (rows[i].len == 0) continue;
        CHECK(bytes_equal(buf_bytes(&ws.text), bytes_of(rows[i].bytes, rows[i].len)));
        CHECK(http_json_end(&j));
    }
    end();
}
