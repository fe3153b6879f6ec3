/* test_json_write.c: JSON as it is written, base64, and what counts as text. */
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "format/base64.h"
#include "format/json_write.h"
#include "format/utf8.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct buf out;
static struct json_write w;

static void begin(uint32_t lines_depth)
{
    test_alloc_init(&alloc);
    buf_init(&out, &alloc.face, 1u << 20);
    json_write_init(&w, &out, lines_depth);
}

static void expect(const char *text)
{
    bool same = bytes_equal(buf_bytes(&out), bytes_of_str(text));
    if (!same) fprintf(stderr, "%.*s\nexpected: %s\n", (int)out.len, (const char *)out.data, text);
    CHECK(same && !out.failed);
    buf_fini(&out);
    CHECK_EQ(alloc.alive, 0);
}

TEST(json_write, objects_and_lists_are_separated_and_nested)
{
    begin(0);
    json_object_begin(&w);
    json_field_u64(&w, "a", UINT64_MAX);
    json_field_i64(&w, "b", INT64_MIN);
    json_field_list(&w, "c");
    json_bool(&w, true);
    json_null(&w);
    json_object_begin(&w);
    json_object_end(&w);
    json_list_end(&w);
    json_field_object(&w, "d");
    json_field_bool(&w, "e", false);
    json_field_null(&w, "f");
    json_object_end(&w);
    json_field_text(&w, "g", NULL);
    json_field_hex(&w, "h", bytes_of("\x00\xfe", 2));
    json_object_end(&w);
    expect("{\"a\": 18446744073709551615, \"b\": -9223372036854775808, \"c\": [true, null, {}], "
           "\"d\": {\"e\": false, \"f\": null}, \"g\": null, \"h\": \"00fe\"}");
}

TEST(json_write, outer_containers_can_have_an_item_a_line)
{
    begin(2);
    json_object_begin(&w);
    json_field_u64(&w, "a", 1);
    json_field_list(&w, "b");
    for (uint64_t i = 1; i <= 2; i++) {
        json_object_begin(&w);
        json_field_u64(&w, "c", i);
        json_field_u64(&w, "d", i);
        json_object_end(&w);
    }
    json_list_end(&w);
    json_field_list(&w, "e");
    json_list_end(&w);
    json_object_end(&w);
    expect("{\n  \"a\": 1,\n  \"b\": [\n    {\"c\": 1, \"d\": 1},\n    {\"c\": 2, \"d\": 2}\n  ],\n"
           "  \"e\": []\n}");
}

static void expect_string(struct bytes text, const char *json)
{
    begin(0);
    json_string(&w, text);
    expect(json);
}

TEST(json_write, strings_are_escaped_and_always_valid)
{
    expect_string(bytes_of(NULL, 0), "\"\"");
    expect_string(bytes_of_str("a \"b\" \\ /"), "\"a \\\"b\\\" \\\\ /\"");
    expect_string(bytes_of("\0\1\n\r\t\x1f\x7f", 7), "\"\\u0000\\u0001\\n\\r\\t\\u001f\\u007f\"");
    expect_string(bytes_of_str("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
                  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_string(bytes_of_str("a\xffz\xe2\x82"), "\"a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(json_write, bytes_are_text_where_they_are_text)
{
    begin(0);
    json_object_begin(&w);
    json_field_bytes(&w, "key", bytes_of_str("a\tb\xc3\xa4\n"));
    json_field_bytes(&w, "value", bytes_of("\0a", 2));
    json_field_bytes(&w, "empty", bytes_of(NULL, 0));
    json_object_end(&w);
    expect("{\"key\": \"a\\tb\xc3\xa4\\n\", \"value_base64\": \"AGE=\", \"empty\": \"\"}");
}

TEST(json_write, refused_memory_is_told_at_the_end)
{
    begin(0);
    buf_fini(&out);
    buf_init(&out, &alloc.face, 4);
    json_object_begin(&w);
    json_field_bytes(&w, "value", bytes_of("\0", 1));
    json_object_end(&w);
    CHECK(out.failed && out.len <= 4);
    buf_fini(&out);
}

/* --- UTF-8 --- */

TEST(utf8, plain_text_has_no_control_characters_and_no_bad_sequence)
{
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {
        { "", true },
        { "a b~", true },
        { "\t\n\r", true },
        { "\x1f", false },
        { "\x7f", false },
        { "\x80", false },
        { "\xc2\x80", true },
        { "\xc1\xbf", false },     /* overlong */
        { "\xe0\x9f\xbf", false }, /* overlong */
        { "\xe0\xa0\x80", true },
        { "\xed\x9f\xbf", true },
        { "\xed\xa0\x80", false }, /* a surrogate */
        { "\xef\xbf\xbf", true },
        { "\xf0\x8f\xbf\xbf", false }, /* overlong */
        { "\xf0\x90\x80\x80", true },
        { "\xf4\x8f\xbf\xbf", true },
        { "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", false },
        { "a\xe2\x82", false }, /* cut */
        { "\xe2\x82z", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_EQ(utf8_is_plain_text(bytes_of_str(rows[i].text)), rows[i].plain);
    }
    CHECK(!utf8_is_plain_text(bytes_of("\0", 1)));
}

/* --- base64 --- */

static int decode(const char *text)
{
    buf_clear(&out);
    return base64_decode(&out, bytes_of_str(text));
}

TEST(base64, known_answers_both_ways)
{
    static const char *const rows[][2] = { { "", "" },
                                           { "f", "Zg==" },
                                           { "fo", "Zm8=" },
                                           { "foo", "Zm9v" },
                                           { "foob", "Zm9vYg==" },
                                           { "fooba", "Zm9vYmE=" },
                                           { "foobar", "Zm9vYmFy" },
                                           { "\xff\xef\xbe", "/+++" } };
    begin(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        base64_encode(&out, bytes_of_str(rows[i][0]));
        CHECK(bytes_equal(buf_bytes(&out), bytes_of_str(rows[i][1])));
        CHECK_EQ(decode(rows[i][1]), 0);
        CHECK(bytes_equal(buf_bytes(&out), bytes_of_str(rows[i][0])));
    }
    buf_fini(&out);
}

TEST(base64, what_has_another_spelling_is_refused)
{
    static const char *const bad[] = { "Z",    "Zg",       "Zg=",  "Zh==",   "Zm9=",
                                       "====", "Zg==Zg==", "Z===", "Zm9v\n", "Zm 9",
                                       "Zm9-", "Zm9_",     "=Zg=", "Zg=v",   "Zm9vZ===" };
    begin(0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(decode(bad[i]), MS_EINVAL);
        CHECK_EQ(out.len, 0);
    }
    buf_fini(&out);
    buf_init(&out, &alloc.face, 2);
    CHECK_EQ(decode("Zm9v"), MS_ETOOBIG);
    CHECK(!out.failed);
    CHECK_EQ(decode("Zm8="), 0);
    buf_fini(&out);
    alloc.refuse_at = alloc.requests + 1;
    CHECK_EQ(decode("Zg=="), MS_ENOMEM);
    CHECK(!out.failed);
    CHECK_EQ(decode("Zg=="), 0);
    buf_fini(&out);
}
