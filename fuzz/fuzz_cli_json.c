/* fuzz_cli_json.c: JSON as any server may send it to the command line: what is found lies inside of it and is found
 * again in a copy; and any bytes that are written as JSON are read back as they were. */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "cli/cli_json.h"
#include "fuzz/support.h"

#define DEPTH_MAX 6u

static void check_inside(struct cli_json outer, struct cli_json inner)
{
    MS_ASSERT(inner.len > 0);
    MS_ASSERT(inner.at >= outer.at && inner.at + inner.len <= outer.at + outer.len);
}

static void look(struct cli_json j, unsigned depth)
{
    static const char *const names[] = { "a", "key", "value", "kvs", "responses", "revision", "more" };
    struct cli_json found;
    struct cli_text text = { 0 };
    uint64_t number;
    if (cli_json_text(j, &text)) MS_ASSERT(text.len <= j.len);
    if (cli_json_u64(j, &number)) MS_ASSERT(j.len <= 20);
    text.len = 0;
    cli_json_bytes(j, "value", &text);
    cli_text_free(&text);
    for (size_t i = 0; depth < DEPTH_MAX && i < sizeof names / sizeof *names; i++) {
        if (!cli_json_find(j, names[i], &found)) continue;
        check_inside(j, found);
        if (cli_json_u64(found, &number)) MS_ASSERT(cli_json_number(j, names[i]) == number);
        MS_ASSERT(!cli_json_true(j, names[i]) || (found.len == 4 && memcmp(found.at, "true", 4) == 0));
        look(found, depth + 1);
    }
    size_t at = 0, before = 0;
    while (depth < DEPTH_MAX && cli_json_next(j, &at, &found)) {
        MS_ASSERT(at > before); /* it ends */
        before = at;
        check_inside(j, found);
        look(found, depth + 1);
    }
}

static void round_trip(const uint8_t *data, size_t len)
{
    struct cli_text json = { 0 }, back = { 0 };
    cli_text_printf(&json, "{");
    cli_text_add_json(&json, "value", (struct ms_bytes){ .data = data, .len = len });
    cli_text_printf(&json, "}");
    MS_ASSERT(cli_json_bytes(cli_json_of(json.data, json.len), "value", &back));
    MS_ASSERT(back.len == len && (len == 0 || memcmp(back.data, data, len) == 0));
    cli_text_free(&json);
    cli_text_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *exact = malloc(len ? len : 1); /* the sanitizer sees what is read behind it */
    MS_ASSERT(exact != NULL);
    if (len > 0) memcpy(exact, data, len);
    look(cli_json_of(exact, len), 0);
    free(exact);
    round_trip(data, len);
    return 0;
}
