#include "cli/cli_json.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct cli_json cli_json_of(const char *text, size_t len)
{
    while (len > 0 && is_blank(*text)) text++, len--;
    while (len > 0 && is_blank(text[len - 1])) len--;
    return (struct cli_json){ .at = text, .len = len };
}

/* ---- spans ---- */

static size_t skip_blanks(struct cli_json j, size_t at)
{
    while (at < j.len && is_blank(j.at[at])) at++;
    return at;
}

/* Behind the text that begins at at, or j.len + 1: it has no end. */
static size_t skip_text(struct cli_json j, size_t at)
{
    for (at++; at < j.len; at++) {
        if (j.at[at] == '"') return at + 1;
        if (j.at[at] == '\\') at++;
    }
    return j.len + 1;
}

/* Behind the value that begins at at; j.len + 1: it has no end. */
static size_t skip_value(struct cli_json j, size_t at)
{
    size_t depth = 0;
    while (at < j.len) {
        char c = j.at[at];
        if (c == '"') {
            at = skip_text(j, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return at; /* the end of what is around a number or a literal */
            depth--;
            at++;
        } else {
            if (depth == 0 && (c == ',' || is_blank(c))) return at;
            at++;
            if (depth == 0) continue;
        }
        if (depth == 0 && at <= j.len && (c == '"' || c == '}' || c == ']')) return at;
    }
    return depth == 0 && at == j.len ? at : j.len + 1;
}

/* What stands in a container, one after the other; *at: 0 for the first. */
static bool next_value(struct cli_json j, size_t *at, struct cli_json *out)
{
    if (*at == 0) *at = 1;
    size_t from = skip_blanks(j, *at);
    if (from < j.len && (j.at[from] == ',' || j.at[from] == ':')) from = skip_blanks(j, from + 1);
    if (from + 1 >= j.len) return false;
    size_t end = skip_value(j, from);
    if (end > j.len || end == from) return false;
    *out = (struct cli_json){ .at = j.at + from, .len = end - from };
    *at = end;
    return true;
}

bool cli_json_next(struct cli_json list, size_t *at, struct cli_json *out)
{
    return list.len >= 2 && list.at[0] == '[' && next_value(list, at, out);
}

bool cli_json_find(struct cli_json object, const char *name, struct cli_json *out)
{
    struct cli_json title, value;
    size_t at = 0, len = strlen(name);
    if (object.len < 2 || object.at[0] != '{') return false;
    while (next_value(object, &at, &title) && next_value(object, &at, &value)) {
        if (title.len != len + 2 || title.at[0] != '"' || memcmp(title.at + 1, name, len) != 0)
            continue;
        *out = value;
        return true;
    }
    return false;
}

/* ---- values ---- */

bool cli_json_is(struct cli_json value, const char *literal)
{
    return value.len == strlen(literal) && memcmp(value.at, literal, value.len) == 0;
}

bool cli_json_u64(struct cli_json value, uint64_t *out)
{
    uint64_t number = 0;
    if (value.len == 0 || (value.at[0] == '0' && value.len > 1)) return false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        if (c < '0' || c > '9' || number > (UINT64_MAX - (uint64_t)(c - '0')) / 10) return false;
        number = number * 10 + (uint64_t)(c - '0');
    }
    *out = number;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex4(struct cli_json j, size_t at, uint32_t *out)
{
    *out = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = i < j.len ? hex_digit(j.at[i]) : -1;
        if (digit < 0) return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

static void add_utf8(struct cli_text *t, uint32_t c)
{
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    cli_text_add(t, out, n);
}

/* An escape by number: a u and four hexadecimal digits, or two such escapes for a character that needs them
 * (RFC 8259, 7). *at: where the u stands, and afterwards what comes behind it all. */
static bool add_unicode(struct cli_json j, size_t *at, struct cli_text *out)
{
    uint32_t high, low;
    if (!hex4(j, *at + 1, &high)) return false;
    *at += 5;
    if (high >= 0xd800 && high < 0xdc00) {
        if (*at + 1 >= j.len || j.at[*at] != '\\' || j.at[*at + 1] != 'u' || !hex4(j, *at + 2, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff) return false;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    add_utf8(out, high);
    return true;
}

bool cli_json_text(struct cli_json value, struct cli_text *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"') return false;
    struct cli_json j = { .at = value.at + 1, .len = value.len - 2 };
    cli_text_add(out, "", 0);
    for (size_t at = 0; at < j.len;) {
        size_t run = at;
        while (run < j.len && j.at[run] != '\\') run++;
        cli_text_add(out, j.at + at, run - at);
        at = run + 1;
        if (run >= j.len) return true;
        if (at >= j.len) return false;
        const char *found = j.at[at] ? strchr(from, j.at[at]) : NULL;
        if (found)
            cli_text_add(out, to + (found - from), 1);
        else if (j.at[at] == 'u' && add_unicode(j, &at, out))
            continue;
        else
            return false;
        at++;
    }
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool add_base64(struct cli_json value, struct cli_text *out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    if (value.len < 2 || value.at[0] != '"') return false;
    cli_text_add(out, "", 0);
    for (size_t i = 1; i + 1 < value.len && value.at[i] != '='; i++) {
        int digit = base64_digit(value.at[i]);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        char byte = (char)(bits >> count & 0xff);
        cli_text_add(out, &byte, 1);
    }
    return true;
}

/* ---- of an object ---- */

uint64_t cli_json_number(struct cli_json object, const char *name)
{
    struct cli_json value;
    uint64_t number;
    return cli_json_find(object, name, &value) && cli_json_u64(value, &number) ? number : 0;
}

bool cli_json_true(struct cli_json object, const char *name)
{
    struct cli_json value;
    return cli_json_find(object, name, &value) && cli_json_is(value, "true");
}

bool cli_json_bytes(struct cli_json object, const char *name, struct cli_text *out)
{
    struct cli_json value;
    char other[64];
    if (cli_json_find(object, name, &value)) return cli_json_text(value, out);
    snprintf(other, sizeof other, "%s_base64", name);
    return cli_json_find(object, other, &value) && add_base64(value, out);
}
