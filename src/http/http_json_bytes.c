/* http_json_bytes.c: texts that are keys and values: any UTF-8, or base64 of anything (http_json.h). */
#include "base/ms_err.h"
#include "format/base64.h"
#include "format/utf8.h"
#include "http/http_json.h"
#include "http/http_text.h"

static bool is_high_surrogate(uint32_t ch)
{
    return ch >= 0xd800 && ch < 0xdc00;
}

static bool is_low_surrogate(uint32_t ch)
{
    return ch >= 0xdc00 && ch < 0xe000;
}

/* Behind "\u". False: not four hexadecimal digits. */
static bool read_unit(struct http_json *j, uint32_t *out)
{
    *out = 0;
    if (j->text.len - j->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        int digit = http_text_hex(j->text.data[j->at++]);
        if (digit < 0) return false;
        *out = *out * 16 + (uint32_t)digit;
    }
    return true;
}

static void append_character(struct buf *out, uint32_t ch)
{
    if (ch < 0x80) {
        buf_append_u8(out, (uint8_t)ch);
        return;
    }
    if (ch < 0x800) {
        buf_append_u8(out, (uint8_t)(0xc0 | ch >> 6));
    } else if (ch < 0x10000) {
        buf_append_u8(out, (uint8_t)(0xe0 | ch >> 12));
        buf_append_u8(out, (uint8_t)(0x80 | (ch >> 6 & 0x3f)));
    } else {
        buf_append_u8(out, (uint8_t)(0xf0 | ch >> 18));
        buf_append_u8(out, (uint8_t)(0x80 | (ch >> 12 & 0x3f)));
        buf_append_u8(out, (uint8_t)(0x80 | (ch >> 6 & 0x3f)));
    }
    buf_append_u8(out, (uint8_t)(0x80 | (ch & 0x3f)));
}

/* Behind "\u": one character, which may take two units (RFC 8259, 7). */
static bool read_unicode(struct http_json *j, struct buf *out)
{
    uint32_t ch, low;
    if (!read_unit(j, &ch) || is_low_surrogate(ch)) return false;
    if (is_high_surrogate(ch)) {
        if (j->text.len - j->at < 2 || memcmp(j->text.data + j->at, "\\u", 2) != 0) return false;
        j->at += 2;
        if (!read_unit(j, &low) || !is_low_surrogate(low)) return false;
        ch = 0x10000 + ((ch - 0xd800) << 10) + (low - 0xdc00);
    }
    append_character(out, ch);
    return true;
}

/* Behind a backslash. */
static bool read_escape(struct http_json *j, struct buf *out)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (j->at == j->text.len) return false;
    uint8_t ch = j->text.data[j->at++];
    if (ch == 'u') return read_unicode(j, out);
    const char *at = ch ? strchr(names, ch) : NULL;
    if (at) buf_append_u8(out, (uint8_t)meanings[at - names]);
    return at != NULL;
}

static bool read_character(struct http_json *j, struct buf *out)
{
    uint8_t ch = j->text.data[j->at];
    if (ch == '\\') {
        j->at++;
        return read_escape(j, out);
    }
    size_t len = ch < 0x20 ? 0 : utf8_next(j->text, j->at);
    buf_append(out, j->text.data + j->at, len);
    j->at += len;
    return len > 0;
}

static bool skip_to_quote(struct http_json *j)
{
    while (j->at < j->text.len && strchr(" \t\r\n", j->text.data[j->at]) && j->text.data[j->at])
        j->at++;
    if (j->at == j->text.len || j->text.data[j->at] != '"') return false;
    j->at++;
    return true;
}

static bool read_base64(struct http_json *j, struct buf *out)
{
    const uint8_t *from = j->text.data + j->at;
    const uint8_t *end = memchr(from, '"', j->text.len - j->at);
    if (!end) return http_json_refuse(j, "a text has no end");
    switch (base64_decode(out, bytes_of(from, (size_t)(end - from)))) {
    case 0: j->at += (size_t)(end - from) + 1; return true;
    case MS_EINVAL: return http_json_refuse(j, "this is not base64, with its padding");
    case MS_ENOMEM: out->failed = true; return http_json_refuse(j, "out of memory");
    default: return http_json_refuse(j, "a text is too long");
    }
}

bool http_json_bytes(struct http_json *j, bool base64, struct buf *out)
{
    if (j->why) return false;
    if (!skip_to_quote(j)) return http_json_refuse(j, "a text in \" \" was expected");
    if (base64) return read_base64(j, out);
    while (j->at < j->text.len && j->text.data[j->at] != '"') {
        if (!read_character(j, out))
            return http_json_refuse(j, "a text is not UTF-8, or has a bad escape");
    }
    if (j->at == j->text.len) return http_json_refuse(j, "a text has no end");
    j->at++;
    return !out->failed || http_json_refuse(j, "a text is too long");
}
