/* test_cli_json.c: answers as they are read, and keys and values as they are written. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_json.h"
#include "tests/support/test.h"

static struct cli_json of(const char *text)
{
    return cli_json_of(text, strlen(text));
}

TEST(cli_json, values_are_found_by_name)
{
    struct cli_json v, item;
    struct cli_json j = of(" {\"a\": 1, \"b\": {\"c\": [1, \"]\\\"\", {}], \"a\": 9}, \"d\": true, "
                           "\"e\":\"x\", \"f\": null}\n");
    CHECK_EQ(cli_json_number(j, "a"), 1);
    CHECK(cli_json_find(j, "b", &v) && cli_json_number(v, "a") == 9);
    CHECK(cli_json_find(v, "c", &v));
    size_t at = 0;
    CHECK(cli_json_next(v, &at, &item) && cli_json_is(item, "1"));
    CHECK(cli_json_next(v, &at, &item) && cli_json_is(item, "\"]\\\"\""));
    CHECK(cli_json_next(v, &at, &item) && cli_json_is(item, "{}"));
    CHECK(!cli_json_next(v, &at, &item));
    CHECK(cli_json_true(j, "d") && !cli_json_true(j, "e"));
    CHECK(cli_json_find(j, "f", &v) && cli_json_is(v, "null"));
    CHECK(!cli_json_find(j, "g", &v) && !cli_json_find(j, "c", &v));
    at = 0;
    CHECK(!cli_json_next(of("[]"), &at, &item) && !cli_json_find(of("{}"), "a", &v));
}

/* Whatever a server sends: nothing is read behind it. */
TEST(cli_json, what_is_cut_or_bent_is_not_found)
{
    static const char whole[] = "{\"a\": [1, {\"b\": \"x\\\"\\u00e4\"}], \"key\": \"t\", \"z\": 12}";
    for (size_t len = 0; len < strlen(whole); len++) {
        char *exact = malloc(len + 1); /* the sanitizer sees what is read behind it */
        struct cli_json v;
        struct cli_text text = { 0 };
        memcpy(exact, whole, len);
        cli_json_find(cli_json_of(exact, len), "z", &v);
        if (cli_json_find(cli_json_of(exact, len), "a", &v)) {
            struct cli_json item;
            for (size_t at = 0; cli_json_next(v, &at, &item);) cli_json_text(item, &text);
        }
        cli_json_bytes(cli_json_of(exact, len), "key", &text);
        cli_text_free(&text);
        free(exact);
    }
    static const char *const bent[] = { "{", "{\"a\"", "{\"a\":",  "{\"a\":}", "[",
                                        "]", "\"",     "{\"a\" 1", "{{{{",     "" };
    for (size_t i = 0; i < sizeof bent / sizeof *bent; i++) {
        struct cli_json v;
        CHECK(!cli_json_find(of(bent[i]), "b", &v));
    }
}

static void round_trip(const char *raw, size_t len, const char *expected)
{
    struct cli_text json = { 0 }, back = { 0 };
    cli_text_printf(&json, "{");
    cli_text_add_json(&json, "value", (struct ms_bytes){ .data = raw, .len = len });
    cli_text_printf(&json, "}");
    if (expected && strcmp(json.data, expected) != 0) fprintf(stderr, "%s\n", json.data);
    CHECK(!expected || strcmp(json.data, expected) == 0);
    CHECK(cli_json_bytes(cli_json_of(json.data, json.len), "value", &back));
    CHECK(back.len == len && memcmp(back.data, raw, len) == 0);
    cli_text_free(&json);
    cli_text_free(&back);
}

TEST(cli_json, any_bytes_go_there_and_back)
{
    round_trip("", 0, "{\"value\": \"\"}");
    round_trip("a\"b\\c\n\t\r/", 9, "{\"value\": \"a\\\"b\\\\c\\n\\t\\r/\"}");
    round_trip("\xc3\xa4", 2, "{\"value\": \"\xc3\xa4\"}");
    round_trip("\0", 1, "{\"value_base64\": \"AA==\"}");
    round_trip("\xff\xfe", 2, "{\"value_base64\": \"//4=\"}");
    round_trip("\x01g1", 3, "{\"value_base64\": \"AWcx\"}");
    round_trip("\xc0\x80", 2, "{\"value_base64\": \"wIA=\"}");     /* overlong */
    round_trip("\xed\xa0\x80", 3, "{\"value_base64\": \"7aCA\"}"); /* a surrogate */
    round_trip("\xf4\x90\x80\x80", 4, NULL);                       /* above U+10FFFF */
    round_trip("\xf0\x9f\x98\x80", 4, "{\"value\": \"\xf0\x9f\x98\x80\"}");
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    for (size_t len = 0; len <= 256; len++) round_trip(all, len, NULL);
    for (size_t from = 32; from < 127; from++) round_trip(all + from, 127 - from, NULL);
}

TEST(cli_json, numbers)
{
    static const char *const bad[] = {
        "", "01", "-1", "1.5", "1e3", "x", "18446744073709551616", "100000000000000000000"
    };
    uint64_t number;
    CHECK(cli_json_u64(of("0"), &number) && number == 0);
    CHECK(cli_json_u64(of("18446744073709551615"), &number) && number == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!cli_json_u64(of(bad[i]), &number));
    CHECK(!cli_json_u64(cli_json_of("1\0", 2), &number));
}

TEST(cli_json, escapes)
{
    struct cli_text t = { 0 };
    CHECK(cli_json_text(of("\"\\u00e4\\ud83d\\ude00\\/\\b\\f\""), &t));
    CHECK(strcmp(t.data, "\xc3\xa4\xf0\x9f\x98\x80/\b\f") == 0);
    cli_text_free(&t);
    static const char *const bad[] = { "\"\\u00e\"", "\"\\ud83d\"", "\"\\ud83d\\u0041\"",
                                       "\"\\x\"",    "\"\\\"",      "1",
                                       "\"" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!cli_json_text(of(bad[i]), &t));
        cli_text_free(&t);
    }
}

TEST(cli_text, keys_in_urls_and_on_lines)
{
    struct cli_text t = { 0 };
    char *line;
    size_t len;
    cli_text_add_encoded(&t, (struct ms_bytes){ .data = "a/b c?&=%+#\0\xff", .len = 13 });
    CHECK(strcmp(t.data, "a/b%20c%3F%26%3D%25%2B%23%00%FF") == 0);
    cli_text_free(&t);
    FILE *to = open_memstream(&line, &len);
    cli_print_field(to, (struct ms_bytes){ .data = "a\tb\n\\\0\xff\xc3\xa4\x7f", .len = 10 });
    fclose(to);
    CHECK(strcmp(line, "a\\tb\\n\\\\\\x00\\xff\xc3\xa4\\x7f") == 0);
    free(line);
}

TEST(cli_text, tables)
{
    struct cli_table *table = calloc(1, sizeof *table);
    char *text;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    cli_table_cell(table, "A");
    cli_table_cell(table, "BB");
    cli_table_row(table);
    cli_table_cell(table, "long");
    cli_table_cell(table, "%d", 5);
    cli_table_row(table);
    cli_table_print(table, to);
    fclose(to);
    CHECK(strcmp(text, "A     BB\nlong  5\n") == 0);
    free(text);
    free(table);
}
