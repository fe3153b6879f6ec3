/* json_write.h: writes JSON (RFC 8259) to the end of a buffer: what is written is always one valid value. Who
 * uses it wrongly (a value without a name in an object, an end that does not fit) is stopped by an assertion;
 * whether memory was refused is told by out->failed at the end.
 *
 * Items of the outer containers can stand on a line each, for people; what is inside of these is on their line.
 *
 * A run of bytes that may be anything (keys, values) is written by json_field_bytes(): as text if it is text,
 * else under another name in base64, so that a reader sees which it is. The same names are taken where such a
 * field is read. */
#ifndef FORMAT_JSON_WRITE_H
#define FORMAT_JSON_WRITE_H

#include "format/buf.h"

#define JSON_WRITE_DEPTH_MAX 64u
#define JSON_BASE64_SUFFIX "_base64"

struct json_write {
    struct buf *out;
    uint32_t depth;       /* containers that are open */
    uint32_t lines_depth; /* those that are less deep have an item a line */
    uint64_t has_items;   /* of open containers: bit i of the one at depth i */
    uint64_t is_object;
    bool named; /* a name has been written, and its value comes next */
};

/* lines_depth 0: all on one line. out is borrowed until the last call. */
void json_write_init(struct json_write *w, struct buf *out, uint32_t lines_depth);

void json_object_begin(struct json_write *w);
void json_object_end(struct json_write *w);
void json_list_begin(struct json_write *w);
void json_list_end(struct json_write *w);

/* In an object each value is named first. name: printable ASCII without quote and backslash. */
void json_name(struct json_write *w, const char *name);
void json_u64(struct json_write *w, uint64_t value);
void json_i64(struct json_write *w, int64_t value);
void json_bool(struct json_write *w, bool value);
void json_null(struct json_write *w);
/* What is not UTF-8 in it becomes U+FFFD, byte by byte. */
void json_string(struct json_write *w, struct bytes text);
void json_text(struct json_write *w, const char *text); /* NULL: null */
/* A string that the caller appends to out between the two: printable ASCII without quote and backslash. */
void json_string_begin(struct json_write *w);
void json_string_end(struct json_write *w);
void json_base64(struct json_write *w, struct bytes raw);
void json_hex(struct json_write *w, struct bytes raw); /* a string of hexadecimal digits */

/* A name and its value. */
void json_field_u64(struct json_write *w, const char *name, uint64_t value);
void json_field_i64(struct json_write *w, const char *name, int64_t value);
void json_field_bool(struct json_write *w, const char *name, bool value);
void json_field_null(struct json_write *w, const char *name);
void json_field_text(struct json_write *w, const char *name, const char *text); /* NULL: null */
void json_field_hex(struct json_write *w, const char *name, struct bytes raw);
void json_field_object(struct json_write *w, const char *name); /* begins it */
void json_field_list(struct json_write *w, const char *name);
/* name: text, if raw is plain text (utf8.h); else name with JSON_BASE64_SUFFIX: its base64. */
void json_field_bytes(struct json_write *w, const char *name, struct bytes raw);

#endif
