/* http_json.h: reads JSON (RFC 8259) of a shape that is known: the caller asks for what must come next,
 * and anything else is a mistake of who sent it. So there is no tree, no memory, no recursion, and the
 * depth is that of the caller (docs/decisions/0003).
 *
 * Narrower than the grammar: numbers are whole, not negative and fit 64 bits; texts, but for keys and values
 * (http_json_bytes()), are ASCII without NUL once their escapes are read, as ids, names and URLs are; an object's unknown or repeated names
 * are the caller's to refuse.
 *
 *   J1  at <= text.len; nothing behind text is read
 *   J2  once why is set it stays, and nothing is read any more: a caller may look at the end only */
#ifndef HTTP_HTTP_JSON_H
#define HTTP_HTTP_JSON_H

#include "format/buf.h"

struct http_json {
    struct bytes text; /* borrowed */
    size_t at;
    const char *why; /* NULL: good so far; else what was expected, static */
};

void http_json_init(struct http_json *j, struct bytes text);

/* A list: enter, then item, a value, item, a value, ... until item says false: the end, or why. */
struct http_json_list {
    bool begun;
};
bool http_json_enter_list(struct http_json *j, struct http_json_list *list);
bool http_json_item(struct http_json *j, struct http_json_list *list);

/* An object: enter, then name, a value, ... until name says false. name: at most cap with its NUL. */
bool http_json_enter_object(struct http_json *j, struct http_json_list *list);
bool http_json_name(struct http_json *j, struct http_json_list *list, char *name, size_t cap);

/* A name that an object may have. is_bytes: NAME_base64, too, which says the same otherwise. */
struct http_json_field {
    const char *name;
    uint32_t bit;
    bool is_bytes;
};
/* The one of that name, or NULL. */
const struct http_json_field *http_json_field_of(const struct http_json_field *fields, size_t count,
                                                 const char *name, bool *base64);

bool http_json_u64(struct http_json *j, uint64_t *out);
bool http_json_is_number(struct http_json *j); /* whether one comes next, as far as its first digit tells */
bool http_json_bool(struct http_json *j, bool *out);
bool http_json_text(struct http_json *j, char *out, size_t cap); /* at most cap with its NUL */

/* A text that may be any UTF-8, NUL included, is appended to out; or, base64, what it stands for. */
bool http_json_bytes(struct http_json *j, bool base64, struct buf *out);

/* Whether all was good and nothing but white space is left. */
bool http_json_end(struct http_json *j);
/* Likewise; else why says so, in a line about what. */
bool http_json_finish(struct http_json *j, const char *what, char *why, size_t why_cap);
/* The caller's own refusal; false. */
bool http_json_refuse(struct http_json *j, const char *why);

#endif
