/* JSON of a shape that is known: what is good, and that nothing else is. */
#include "http/http_json.h"
#include "tests/support/test.h"

static struct http_json j;

static void begin(const char *text)
{
    http_json_init(&j, bytes_of_str(text));
}

static bool reads_u64(const char *text, uint64_t *out)
{
    begin(text);
    return http_json_u64(&j, out) && http_json_end(&j);
}

TEST(http_json, numbers_are_whole)
{
    static const char *const bad[] = { "",
                                       "-1",
                                       "1.0",
                                       "1e3",
                                       "1E3",
                                       "01",
                                       "00",
                                       "+1",
                                       "0x1",
                                       "1 2",
                                       "\"1\"",
                                       ".1",
                                       "18446744073709551616",
                                       "99999999999999999999999" };
    uint64_t v;
    CHECK(reads_u64("0", &v) && v == 0);
    CHECK(reads_u64(" \t\r\n7 \t\r\n", &v) && v == 7);
    CHECK(reads_u64("18446744073709551615", &v) && v == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(!reads_u64(bad[i], &v) && j.why);
    http_json_init(&j, bytes_of(NULL, 0));
    CHECK(!http_json_u64(&j, &v));
}

TEST(http_json, bools_are_words)
{
    static const char *const bad[] = { "", "True", "tru", "fals", "1", "null", "truefalse" };
    bool v;
    begin("true");
    CHECK(http_json_bool(&j, &v) && v && http_json_end(&j));
    begin(" false ");
    CHECK(http_json_bool(&j, &v) && !v && http_json_end(&j));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(bad[i]);
        CHECK(!(http_json_bool(&j, &v) && http_json_end(&j)));
    }
}

static bool reads_text(const char *text, const char *expected)
{
    char out[8];
    begin(text);
    return http_json_text(&j, out, sizeof out) && http_json_end(&j) && strcmp(out, expected) == 0;
}

TEST(http_json, texts_are_ascii_with_escapes)
{
    static const char *const bad[] = { "\"",          "\"a",          "a",           "'a'",
                                       "\"\\x\"",     "\"\\u00\"",    "\"\\u0000\"", "\"\\u0080\"",
                                       "\"\\ud83d\"", "\"\\u00g1\"",  "\"\\\"",      "\"\n\"",
                                       "\"\x7f\"",    "\"\xc3\xa9\"", "\"12345678\"" };
    CHECK(reads_text("\"\"", ""));
    CHECK(reads_text(" \"a b\" ", "a b"));
    CHECK(reads_text("\"1234567\"", "1234567"));
    CHECK(reads_text("\"\\\"\\\\\\/\\u002F\"", "\"\\//"));
    CHECK(reads_text("\"\\b\\f\\n\\r\\t\\u007f\"", "\b\f\n\r\t\x7f"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(!reads_text(bad[i], "") && j.why);
}

static int list_length(const char *text)
{
    struct http_json_list list;
    uint64_t v;
    int n = 0;
    begin(text);
    if (!http_json_enter_list(&j, &list)) return -1;
    while (http_json_item(&j, &list) && http_json_u64(&j, &v)) n++;
    return http_json_end(&j) ? n : -1;
}

TEST(http_json, lists_have_commas_between)
{
    static const char *const bad[] = { "",     "[",   "]",     "[1",     "[1,", "[1,]",
                                       "[,1]", "[,]", "[1 2]", "[1,,2]", "[1}", "[1]]" };
    CHECK_EQ(list_length("[]"), 0);
    CHECK_EQ(list_length(" [ ] "), 0);
    CHECK_EQ(list_length("[1]"), 1);
    CHECK_EQ(list_length("[ 1 ,2, 3 ]"), 3);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(list_length(bad[i]), -1);
}

TEST(http_json, objects_have_names)
{
    static const char *const bad[] = { "{",     "{\"a\"}",           "{\"a\":}",   "{\"a\" 1}",
                                       "{a:1}", "{\"a\":1,}",        "{,\"a\":1}", "{\"a\":1]",
                                       "{1:1}", "{\"a\":1 \"b\":1}", "[\"a\":1}",  "{\"long\":1}" };
    struct http_json_list list;
    char name[4];
    uint64_t v, sum = 0;
    begin(" { \"a\" : 1 , \"b\\u0062\":2 } ");
    CHECK(http_json_enter_object(&j, &list));
    while (http_json_name(&j, &list, name, sizeof name) && http_json_u64(&j, &v)) sum += v;
    CHECK(http_json_end(&j) && sum == 3 && strcmp(name, "bb") == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(bad[i]);
        if (http_json_enter_object(&j, &list)) {
            while (http_json_name(&j, &list, name, sizeof name) && http_json_u64(&j, &v)) continue;
        }
        CHECK(!http_json_end(&j));
    }
}

/* J2: the first mistake is the one that is told. */
TEST(http_json, nothing_is_read_behind_a_mistake)
{
    uint64_t v;
    bool b;
    char out[8];
    struct http_json_list list;
    begin("x1");
    CHECK(!http_json_refuse(&j, "first") && !http_json_refuse(&j, "second"));
    CHECK(!http_json_u64(&j, &v) && !http_json_bool(&j, &b) && !http_json_text(&j, out, sizeof out));
    CHECK(!http_json_enter_list(&j, &list) && !http_json_enter_object(&j, &list));
    CHECK(!http_json_item(&j, &list) && !http_json_name(&j, &list, out, sizeof out) &&
          !http_json_end(&j));
    CHECK(j.at == 0 && strcmp(j.why, "first") == 0);
}
