#include "cli/cli_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (memory) return memory;
    fputs("metastore: out of memory\n", stderr);
    exit(3);
}

void cli_text_free(struct cli_text *t)
{
    free(t->data);
    *t = (struct cli_text){ 0 };
}

void cli_text_add(struct cli_text *t, const void *data, size_t len)
{
    if (t->cap - t->len < len + 1) {
        t->cap = (t->cap + len + 1) * 3 / 2 + 64;
        t->data = must(realloc(t->data, t->cap));
    }
    if (len > 0) memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = 0;
}

void cli_text_printf(struct cli_text *t, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < (int)sizeof small) {
        cli_text_add(t, small, len > 0 ? (size_t)len : 0);
        return;
    }
    char *large = must(malloc((size_t)len + 1));
    va_start(args, format);
    vsnprintf(large, (size_t)len + 1, format, args);
    va_end(args);
    cli_text_add(t, large, (size_t)len);
    free(large);
}

struct ms_bytes cli_bytes(const char *text)
{
    return (struct ms_bytes){ .data = text, .len = strlen(text) };
}

void cli_text_add_encoded(struct cli_text *t, struct ms_bytes raw)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/:@";
    const unsigned char *at = raw.data;
    for (size_t i = 0; i < raw.len; i++) {
        if (at[i] && strchr(plain, at[i]))
            cli_text_add(t, at + i, 1);
        else
            cli_text_printf(t, "%%%02X", at[i]);
    }
}

/* ---- bytes that may be anything ---- */

/* The bytes of the character of UTF-8 (RFC 3629) at the beginning of at; 0: there is none. */
static size_t character(const unsigned char *at, size_t len)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (n == 4 && (at[0] < 0xf0 || at[0] > 0xf4)) return 0;
    if (n > len) return 0;
    if (at[0] == 0xe0) low = 0xa0;
    if (at[0] == 0xed) high = 0x9f;
    if (at[0] == 0xf0) low = 0x90;
    if (at[0] == 0xf4) high = 0x8f;
    if (n > 1 && (at[1] < low || at[1] > high)) return 0;
    for (size_t i = 2; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    return n;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

static bool is_plain(struct ms_bytes raw)
{
    const unsigned char *at = raw.data;
    for (size_t i = 0; i < raw.len;) {
        size_t n = character(at + i, raw.len - i);
        if (n == 0 || (is_control(at[i]) && !strchr("\t\n\r", at[i])) || at[i] == 0) return false;
        i += n;
    }
    return true;
}

static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '\t': return "\\t";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\\': return "\\\\";
    default: return NULL;
    }
}

static void add_base64(struct cli_text *t, struct ms_bytes raw)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = raw.data;
    for (size_t i = 0; i < raw.len; i += 3) {
        size_t n = raw.len - i < 3 ? raw.len - i : 3;
        uint32_t bits = (uint32_t)at[i] << 16 | (n > 1 ? (uint32_t)at[i + 1] << 8 : 0) |
                        (n > 2 ? (uint32_t)at[i + 2] : 0);
        char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
                         n > 1 ? digits[bits >> 6 & 63] : '=', n > 2 ? digits[bits & 63] : '=' };
        cli_text_add(t, four, 4);
    }
}

void cli_text_add_json(struct cli_text *t, const char *name, struct ms_bytes raw)
{
    const char *at = raw.data;
    bool plain = is_plain(raw);
    cli_text_printf(t, "\"%s%s\": \"", name, plain ? "" : "_base64");
    if (!plain) add_base64(t, raw);
    for (size_t i = 0; plain && i < raw.len; i++) {
        const char *escape = at[i] == '"' ? "\\\"" : short_escape((unsigned char)at[i]);
        cli_text_add(t, escape ? escape : at + i, escape ? strlen(escape) : 1);
    }
    cli_text_add(t, "\"", 1);
}

void cli_print_field(FILE *to, struct ms_bytes raw)
{
    const unsigned char *at = raw.data;
    for (size_t i = 0; i < raw.len;) {
        size_t n = character(at + i, raw.len - i);
        const char *escape = short_escape(at[i]);
        if (escape)
            fputs(escape, to);
        else if (n == 0 || is_control(at[i]))
            fprintf(to, "\\x%02x", at[i]);
        else
            fwrite(at + i, 1, n, to);
        i += n ? n : 1;
    }
}

/* ---- tables ---- */

void cli_table_cell(struct cli_table *t, const char *format, ...)
{
    struct cli_text text = { 0 };
    char small[2200];
    va_list args;
    va_start(args, format);
    vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (t->rows == CLI_ROWS_MAX || t->at == CLI_COLUMNS_MAX) return;
    cli_text_add(&text, small, strlen(small));
    t->cells[t->rows][t->at++] = text.data;
    if (t->at > t->columns) t->columns = t->at;
}

void cli_table_row(struct cli_table *t)
{
    if (t->rows < CLI_ROWS_MAX) t->rows++;
    t->at = 0;
}

void cli_table_print(struct cli_table *t, FILE *to)
{
    size_t width[CLI_COLUMNS_MAX] = { 0 };
    for (unsigned r = 0; r < t->rows; r++) {
        /* What stands in the last cell of a row may be as long as it likes. */
        for (unsigned c = 0; c + 1 < t->columns && t->cells[r][c] && t->cells[r][c + 1]; c++) {
            size_t len = strlen(t->cells[r][c]);
            if (len > width[c]) width[c] = len;
        }
    }
    for (unsigned r = 0; r < t->rows; r++) {
        for (unsigned c = 0; c < t->columns && t->cells[r][c]; c++) {
            bool last = c + 1 == t->columns || !t->cells[r][c + 1];
            fprintf(to, "%-*s%s", last ? 0 : (int)width[c], t->cells[r][c], last ? "\n" : "  ");
            free(t->cells[r][c]);
        }
    }
    *t = (struct cli_table){ 0 };
}
