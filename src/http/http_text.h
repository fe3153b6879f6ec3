/* http_text.h: small pieces of protocol text: classes of bytes, names in any case, numbers.
 *
 * Everything here is bounded by the span it is given and reads nothing behind it. */
#ifndef HTTP_HTTP_TEXT_H
#define HTTP_HTTP_TEXT_H

#include "base/bytes.h"

enum http_char_class {
    HTTP_CHAR_TOKEN = 1,  /* RFC 9110, 5.6.2: tchar, what names of headers and methods are made of */
    HTTP_CHAR_TARGET = 2, /* printable ASCII without space and '#': what a request target may hold */
    HTTP_CHAR_HOST = 4,   /* RFC 3986, 3.2: host and port, without userinfo */
    HTTP_CHAR_VALUE = 8   /* RFC 9110, 5.5: what a header's value may hold: no control bytes but tab */
};

/* Is every byte of text of one class? An empty text is. */
bool http_text_is(struct bytes text, enum http_char_class class);
/* Equal but for the case of ASCII letters. */
bool http_text_equal(struct bytes text, const char *name);
/* Without spaces and tabs at both ends. */
struct bytes http_text_trim(struct bytes text);

/* Decimal digits and nothing else, 1 to 20 of them, that fit 64 bits. Leading zeros pass. */
bool http_text_u64(struct bytes text, uint64_t *out);
#define HTTP_TEXT_U64_BYTES_MAX 20u
/* Write v in decimal; returns the digits written, at most HTTP_TEXT_U64_BYTES_MAX. */
size_t http_text_from_u64(uint8_t *out, uint64_t v);
/* The value of one hexadecimal digit, or -1. */
int http_text_hex(uint8_t digit);

#endif
