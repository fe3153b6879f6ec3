/* cli_json.h: what members answer as JSON, read in place: a value is a span of the text. What is not JSON is not
 * found; nothing behind the span is read. */
#ifndef CLI_CLI_JSON_H
#define CLI_CLI_JSON_H

#include "cli/cli_text.h"

struct cli_json {
    const char *at; /* borrowed */
    size_t len;
};

struct cli_json cli_json_of(const char *text, size_t len);
/* The value of that name in an object, not in what is inside of it. */
bool cli_json_find(struct cli_json object, const char *name, struct cli_json *out);
/* The items of a list, one after the other: *at is 0 for the first. */
bool cli_json_next(struct cli_json list, size_t *at, struct cli_json *out);
bool cli_json_is(struct cli_json value, const char *literal); /* true, false, null */
bool cli_json_u64(struct cli_json value, uint64_t *out);
bool cli_json_text(struct cli_json value, struct cli_text *out); /* appended, without its escapes */

/* Of an object: a number, or 0; a truth; "name" or "name_base64", appended: false if there is neither. */
uint64_t cli_json_number(struct cli_json object, const char *name);
bool cli_json_true(struct cli_json object, const char *name);
bool cli_json_bytes(struct cli_json object, const char *name, struct cli_text *out);

#endif
