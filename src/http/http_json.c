/* http_json.c: see http_json.h. Each call reads one piece of the grammar, from left to right. */
#include "http/http_json.h"

#include <stdio.h>

#include "base/ms_assert.h"
#include "http/http_text.h"

#define CH_NONE (-1)

void http_json_init(struct http_json *j, struct bytes text)
{
    *j = (struct http_json){ .text = text };
}

bool http_json_refuse(struct http_json *j, const char *why)
{
    if (!j->why) j->why = why;
    return false;
}

static int peek(const struct http_json *j)
{
    MS_ASSERT(j->at <= j->text.len); /* J1 */
    return j->at < j->text.len ? j->text.data[j->at] : CH_NONE;
}

static void skip_space(struct http_json *j)
{
    for (int ch = peek(j); ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r'; ch = peek(j)) j->at++;
}

/* The next character that is no white space must be ch. */
static bool take(struct http_json *j, char ch, const char *why)
{
    if (j->why) return false;
    skip_space(j);
    if (peek(j) != ch) return http_json_refuse(j, why);
    j->at++;
    return true;
}

/* --- lists and objects --- */

bool http_json_enter_list(struct http_json *j, struct http_json_list *list)
{
    *list = (struct http_json_list){ 0 };
    return take(j, '[', "a list [ ] was expected");
}

bool http_json_enter_object(struct http_json *j, struct http_json_list *list)
{
    *list = (struct http_json_list){ 0 };
    return take(j, '{', "an object { } was expected");
}

static bool next(struct http_json *j, struct http_json_list *list, char end, const char *why)
{
    if (j->why) return false;
    skip_space(j);
    if (peek(j) == end) {
        /* A comma stands before each item but the first, so none is open here. */
        j->at++;
        return false;
    }
    if (list->begun && !take(j, ',', why)) return false;
    list->begun = true;
    return true;
}

bool http_json_item(struct http_json *j, struct http_json_list *list)
{
    return next(j, list, ']', "a comma or the end of the list was expected");
}

bool http_json_name(struct http_json *j, struct http_json_list *list, char *name, size_t cap)
{
    return next(j, list, '}', "a comma or the end of the object was expected") &&
           http_json_text(j, name, cap) && take(j, ':', "a colon was expected behind a name");
}

const struct http_json_field *http_json_field_of(const struct http_json_field *fields, size_t count,
                                                 const char *name, bool *base64)
{
    static const char suffix[] = "_base64";
    size_t len = strlen(name), suffix_len = sizeof suffix - 1;
    *base64 = len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
    if (*base64) len -= suffix_len;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(fields[i].name, name, len) != 0 || fields[i].name[len]) continue;
        return fields[i].is_bytes || !*base64 ? &fields[i] : NULL;
    }
    return NULL;
}

/* --- values --- */

static bool is_digit(int ch)
{
    return ch >= '0' && ch <= '9';
}

bool http_json_u64(struct http_json *j, uint64_t *out)
{
    if (j->why) return false;
    skip_space(j);
    size_t from = j->at;
    if (!is_digit(peek(j))) return http_json_refuse(j, "a whole number was expected");
    while (is_digit(peek(j))) j->at++;
    struct bytes digits = bytes_of(j->text.data + from, j->at - from);
    int behind = peek(j);
    bool whole = behind != '.' && behind != 'e' && behind != 'E';
    /* RFC 8259, 6: no leading zeros. */
    bool plain = digits.len == 1 || digits.data[0] != '0';
    if (plain && whole && http_text_u64(digits, out)) return true;
    return http_json_refuse(j, "a whole number was expected");
}

bool http_json_is_number(struct http_json *j)
{
    if (j->why) return false;
    skip_space(j);
    return is_digit(peek(j));
}

static bool take_word(struct http_json *j, const char *word)
{
    size_t len = strlen(word);
    if (j->text.len - j->at < len || memcmp(j->text.data + j->at, word, len) != 0) return false;
    j->at += len;
    return true;
}

bool http_json_bool(struct http_json *j, bool *out)
{
    if (j->why) return false;
    skip_space(j);
    *out = take_word(j, "true");
    return *out || take_word(j, "false") || http_json_refuse(j, "true or false was expected");
}

/* Behind "\u": four digits, of an ASCII character that is not NUL; else CH_NONE. */
static int read_unicode(struct http_json *j)
{
    int ch = 0;
    for (int i = 0; i < 4; i++) {
        int digit = peek(j) == CH_NONE ? -1 : http_text_hex((uint8_t)peek(j));
        if (digit < 0) return CH_NONE;
        ch = ch * 16 + digit;
        j->at++;
    }
    return ch >= 1 && ch < 0x80 ? ch : CH_NONE;
}

/* Behind a backslash; CH_NONE: not an escape, or not one of what a text may hold here. */
static int read_escape(struct http_json *j)
{
    int ch = peek(j);
    if (ch == CH_NONE) return CH_NONE;
    j->at++;
    switch (ch) {
    case '"':
    case '\\':
    case '/': return ch;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': return read_unicode(j);
    default: return CH_NONE;
    }
}

/* One character of a text, its escape read; CH_NONE: none that may stand there. */
static int read_char(struct http_json *j)
{
    int ch = peek(j);
    if (ch < 0x20 || ch >= 0x7f) return CH_NONE; /* CH_NONE, too */
    j->at++;
    return ch == '\\' ? read_escape(j) : ch;
}

bool http_json_text(struct http_json *j, char *out, size_t cap)
{
    size_t len = 0;
    MS_ASSERT(cap > 0);
    out[0] = 0;
    if (!take(j, '"', "a text in \" \" was expected")) return false;
    while (peek(j) != '"') {
        int ch = read_char(j);
        if (ch == CH_NONE) return http_json_refuse(j, "a text has no end, or not ASCII in it");
        if (len + 1 >= cap) return http_json_refuse(j, "a text is too long");
        out[len++] = (char)ch;
    }
    j->at++;
    out[len] = 0;
    return true;
}

bool http_json_end(struct http_json *j)
{
    if (j->why) return false;
    skip_space(j);
    return j->at == j->text.len || http_json_refuse(j, "something stands behind the end");
}

bool http_json_finish(struct http_json *j, const char *what, char *why, size_t why_cap)
{
    if (http_json_end(j)) return true;
    snprintf(why, why_cap, "%s: %s, at byte %zu of the body", what, j->why, j->at);
    return false;
}
