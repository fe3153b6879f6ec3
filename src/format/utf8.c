/* utf8.c: see utf8.h. */
#include "format/utf8.h"

static bool in(uint8_t ch, uint8_t from, uint8_t to)
{
    return ch >= from && ch <= to;
}

/* RFC 3629, 4: the second byte's range depends on the first; the others are 80-BF. */
static size_t tail(const uint8_t *p, size_t left, size_t len, uint8_t from, uint8_t to)
{
    if (left < len || !in(p[1], from, to)) return 0;
    for (size_t i = 2; i < len; i++) {
        if (!in(p[i], 0x80, 0xbf)) return 0;
    }
    return len;
}

size_t utf8_next(struct bytes text, size_t at)
{
    const uint8_t *p = text.data + at;
    size_t left = text.len - at;
    if (p[0] < 0x80) return 1;
    if (in(p[0], 0xc2, 0xdf)) return tail(p, left, 2, 0x80, 0xbf);
    if (p[0] == 0xe0) return tail(p, left, 3, 0xa0, 0xbf);
    if (p[0] == 0xed) return tail(p, left, 3, 0x80, 0x9f);
    if (in(p[0], 0xe1, 0xef)) return tail(p, left, 3, 0x80, 0xbf);
    if (p[0] == 0xf0) return tail(p, left, 4, 0x90, 0xbf);
    if (in(p[0], 0xf1, 0xf3)) return tail(p, left, 4, 0x80, 0xbf);
    if (p[0] == 0xf4) return tail(p, left, 4, 0x80, 0x8f);
    return 0;
}

bool utf8_is_plain_text(struct bytes text)
{
    for (size_t at = 0; at < text.len;) {
        uint8_t ch = text.data[at];
        if ((ch < 0x20 && ch != '\t' && ch != '\n' && ch != '\r') || ch == 0x7f) return false;
        size_t len = utf8_next(text, at);
        if (len == 0) return false;
        at += len;
    }
    return true;
}
