/* json_write.c: see json_write.h. */
#include "format/json_write.h"

#include "base/ms_assert.h"
#include "format/base64.h"
#include "format/utf8.h"

void json_write_init(struct json_write *w, struct buf *out, uint32_t lines_depth)
{
    *w = (struct json_write){ .out = out, .lines_depth = lines_depth };
}

static void put(struct json_write *w, const char *text)
{
    buf_append(w->out, text, strlen(text));
}

static uint64_t bit_of(uint32_t depth)
{
    return UINT64_C(1) << (depth - 1);
}

/* Items of the container at this depth stand on lines of their own. */
static void new_line(struct json_write *w, uint32_t depth)
{
    buf_append_u8(w->out, '\n');
    for (uint32_t i = 0; i < depth; i++) put(w, "  ");
}

/* Before each item of the container that is open: what separates it from the one before. */
static void begin_item(struct json_write *w)
{
    if (w->depth == 0) return;
    bool lines = w->depth <= w->lines_depth;
    if (w->has_items & bit_of(w->depth)) put(w, lines ? "," : ", ");
    if (lines) new_line(w, w->depth);
    w->has_items |= bit_of(w->depth);
}

static void begin_value(struct json_write *w)
{
    if (w->depth && (w->is_object & bit_of(w->depth))) {
        MS_ASSERT(w->named);
        w->named = false;
    } else {
        MS_ASSERT(!w->named);
        begin_item(w);
    }
}

static void begin_container(struct json_write *w, bool is_object)
{
    begin_value(w);
    MS_ASSERT(w->depth < JSON_WRITE_DEPTH_MAX);
    w->depth++;
    w->has_items &= ~bit_of(w->depth);
    w->is_object &= ~bit_of(w->depth);
    if (is_object) w->is_object |= bit_of(w->depth);
    buf_append_u8(w->out, is_object ? '{' : '[');
}

static void end_container(struct json_write *w, bool is_object)
{
    MS_ASSERT(w->depth > 0 && !w->named);
    MS_ASSERT(is_object == ((w->is_object & bit_of(w->depth)) != 0));
    bool some = (w->has_items & bit_of(w->depth)) != 0;
    if (some && w->depth <= w->lines_depth) new_line(w, w->depth - 1);
    w->depth--;
    buf_append_u8(w->out, is_object ? '}' : ']');
}

void json_object_begin(struct json_write *w)
{
    begin_container(w, true);
}

void json_object_end(struct json_write *w)
{
    end_container(w, true);
}

void json_list_begin(struct json_write *w)
{
    begin_container(w, false);
}

void json_list_end(struct json_write *w)
{
    end_container(w, false);
}

static void name_with(struct json_write *w, const char *name, const char *suffix)
{
    MS_ASSERT(w->depth && (w->is_object & bit_of(w->depth)) && !w->named);
    begin_item(w);
    buf_append_u8(w->out, '"');
    put(w, name);
    put(w, suffix);
    put(w, "\": ");
    w->named = true;
}

void json_name(struct json_write *w, const char *name)
{
    name_with(w, name, "");
}

void json_u64(struct json_write *w, uint64_t value)
{
    begin_value(w);
    buf_append_text(w->out, "%llu", (unsigned long long)value);
}

void json_i64(struct json_write *w, int64_t value)
{
    begin_value(w);
    buf_append_text(w->out, "%lld", (long long)value);
}

void json_bool(struct json_write *w, bool value)
{
    begin_value(w);
    put(w, value ? "true" : "false");
}

void json_null(struct json_write *w)
{
    begin_value(w);
    put(w, "null");
}

/* RFC 8259, 7: quotes, backslashes and control characters are escaped; DEL too, for terminals. */
static void put_escaped(struct json_write *w, uint8_t ch)
{
    switch (ch) {
    case '"': put(w, "\\\""); break;
    case '\\': put(w, "\\\\"); break;
    case '\n': put(w, "\\n"); break;
    case '\r': put(w, "\\r"); break;
    case '\t': put(w, "\\t"); break;
    default: buf_append_text(w->out, "\\u%04x", ch); break;
    }
}

static bool is_plain(uint8_t ch)
{
    return ch >= 0x20 && ch < 0x7f && ch != '"' && ch != '\\';
}

void json_string(struct json_write *w, struct bytes text)
{
    size_t plain_from = 0, at = 0;
    begin_value(w);
    buf_append_u8(w->out, '"');
    while (at < text.len) {
        size_t len = is_plain(text.data[at]) ? 1 : utf8_next(text, at);
        if (len > 1 || is_plain(text.data[at])) {
            at += len;
            continue;
        }
        buf_append(w->out, text.data + plain_from, at - plain_from);
        if (len == 0)
            put(w, "\xef\xbf\xbd");
        else
            put_escaped(w, text.data[at]);
        plain_from = ++at;
    }
    if (text.len) buf_append(w->out, text.data + plain_from, at - plain_from);
    buf_append_u8(w->out, '"');
}

void json_string_begin(struct json_write *w)
{
    begin_value(w);
    buf_append_u8(w->out, '"');
}

void json_string_end(struct json_write *w)
{
    buf_append_u8(w->out, '"');
}

void json_text(struct json_write *w, const char *text)
{
    if (text)
        json_string(w, bytes_of_str(text));
    else
        json_null(w);
}

void json_base64(struct json_write *w, struct bytes raw)
{
    json_string_begin(w);
    base64_encode(w->out, raw);
    json_string_end(w);
}

void json_hex(struct json_write *w, struct bytes raw)
{
    static const char digits[] = "0123456789abcdef";
    json_string_begin(w);
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t pair[2] = { (uint8_t)digits[raw.data[i] >> 4], (uint8_t)digits[raw.data[i] & 15] };
        buf_append(w->out, pair, sizeof pair);
    }
    json_string_end(w);
}

/* --- with their names --- */

void json_field_u64(struct json_write *w, const char *name, uint64_t value)
{
    json_name(w, name);
    json_u64(w, value);
}

void json_field_i64(struct json_write *w, const char *name, int64_t value)
{
    json_name(w, name);
    json_i64(w, value);
}

void json_field_bool(struct json_write *w, const char *name, bool value)
{
    json_name(w, name);
    json_bool(w, value);
}

void json_field_null(struct json_write *w, const char *name)
{
    json_name(w, name);
    json_null(w);
}

void json_field_text(struct json_write *w, const char *name, const char *text)
{
    json_name(w, name);
    json_text(w, text);
}

void json_field_hex(struct json_write *w, const char *name, struct bytes raw)
{
    json_name(w, name);
    json_hex(w, raw);
}

void json_field_object(struct json_write *w, const char *name)
{
    json_name(w, name);
    json_object_begin(w);
}

void json_field_list(struct json_write *w, const char *name)
{
    json_name(w, name);
    json_list_begin(w);
}

void json_field_bytes(struct json_write *w, const char *name, struct bytes raw)
{
    if (utf8_is_plain_text(raw)) {
        json_name(w, name);
        json_string(w, raw);
    } else {
        name_with(w, name, JSON_BASE64_SUFFIX);
        json_base64(w, raw);
    }
}
