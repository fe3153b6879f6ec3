/* base64.c: see base64.h. */
#include "format/base64.h"

#include "base/ms_err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct bytes raw)
{
    if (raw.len == 0) return;
    if (raw.len > SIZE_MAX / 2 || !buf_reserve(out, BASE64_ENCODED_BYTES(raw.len))) {
        out->failed = true;
        return;
    }
    uint8_t *to = out->data + out->len;
    for (size_t at = 0; at < raw.len; at += 3) {
        size_t left = raw.len - at;
        uint32_t three = (uint32_t)raw.data[at] << 16;
        if (left > 1) three |= (uint32_t)raw.data[at + 1] << 8;
        if (left > 2) three |= raw.data[at + 2];
        *to++ = (uint8_t)alphabet[three >> 18];
        *to++ = (uint8_t)alphabet[three >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[three >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[three & 63] : '=';
    }
    out->len += BASE64_ENCODED_BYTES(raw.len);
}

static int value_of(uint8_t ch)
{
    if (ch >= 'A' && ch <= 'Z') return ch - 'A';
    if (ch >= 'a' && ch <= 'z') return ch - 'a' + 26;
    if (ch >= '0' && ch <= '9') return ch - '0' + 52;
    if (ch == '+') return 62;
    return ch == '/' ? 63 : -1;
}

/* count characters, 2 to 4, into their count - 1 bytes. */
static bool decode_group(const uint8_t *text, size_t count, uint8_t *to)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < count ? value_of(text[i]) : 0;
        if (value < 0) return false;
        bits = bits << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i < count - 1; i++) to[i] = (uint8_t)(bits >> (16 - 8 * i));
    uint32_t unused = 0xffffffu >> (8 * (count - 1)); /* bits behind the last byte */
    return (bits & unused) == 0;
}

int base64_decode(struct buf *out, struct bytes text)
{
    size_t pad = 0;
    if (text.len % 4 != 0) return MS_EINVAL;
    while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=') pad++;
    size_t len = text.len / 4 * 3 - pad;
    if (out->failed) return MS_ENOMEM;
    if (text.len == 0) return 0;
    if (len > out->max - out->len) return MS_ETOOBIG;
    if (!buf_reserve(out, len)) {
        out->failed = false;
        return MS_ENOMEM;
    }
    uint8_t *to = out->data + out->len;
    for (size_t at = 0; at < text.len; at += 4, to += 3) {
        size_t count = at + 4 == text.len ? 4 - pad : 4;
        if (!decode_group(text.data + at, count, to)) return MS_EINVAL;
    }
    out->len += len;
    return 0;
}
