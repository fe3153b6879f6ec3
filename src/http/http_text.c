/* http_text.c: see http_text.h. */
#include "http/http_text.h"

#define V HTTP_CHAR_VALUE
#define T HTTP_CHAR_TOKEN | V
#define U HTTP_CHAR_TARGET | V
#define H HTTP_CHAR_HOST | V

/* clang-format off */
static const uint8_t classes[256] = {
    ['\t'] = V, [' '] = V, [0x80 ... 0xff] = V,
    ['0' ... '9'] = T | U | H, ['A' ... 'Z'] = T | U | H, ['a' ... 'z'] = T | U | H,
    ['!'] = T | U | H,         ['"'] = U,                 ['#'] = T,
    ['$' ... '\''] = T | U | H, ['(' ... ')'] = U | H,    ['*' ... '+'] = T | U | H,
    [','] = U,                 ['-' ... '.'] = T | U | H, ['/'] = U,
    [':' ... ';'] = U | H,     ['<'] = U,                 ['='] = U | H,
    ['>' ... '@'] = U,         ['['] = U | H,             ['\\'] = U,
    [']'] = U | H,             ['^'] = T | U,             ['_'] = T | U | H,
    ['`'] = T | U,             ['{'] = U,                 ['|'] = T | U,
    ['}'] = U,                 ['~'] = T | U | H,
};
/* clang-format on */

bool http_text_is(struct bytes text, enum http_char_class class)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!(classes[text.data[i]] & class)) return false;
    }
    return true;
}

static uint8_t lower(uint8_t ch)
{
    return ch >= 'A' && ch <= 'Z' ? (uint8_t)(ch | 0x20) : ch;
}

bool http_text_equal(struct bytes text, const char *name)
{
    size_t i = 0;
    for (; i < text.len && name[i]; i++) {
        if (lower(text.data[i]) != lower((uint8_t)name[i])) return false;
    }
    return i == text.len && !name[i];
}

static bool is_blank(uint8_t ch)
{
    return ch == ' ' || ch == '\t';
}

struct bytes http_text_trim(struct bytes text)
{
    size_t from = 0, to = text.len;
    while (from < to && is_blank(text.data[from])) from++;
    while (to > from && is_blank(text.data[to - 1])) to--;
    return from ? bytes_of(text.data + from, to - from) : bytes_of(text.data, to);
}

bool http_text_u64(struct bytes text, uint64_t *out)
{
    uint64_t v = 0;
    if (text.len == 0 || text.len > HTTP_TEXT_U64_BYTES_MAX) return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9 || v > (UINT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

size_t http_text_from_u64(uint8_t *out, uint64_t v)
{
    uint8_t digits[HTTP_TEXT_U64_BYTES_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v);
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

int http_text_hex(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    uint8_t letter = lower(digit);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}
