/* base64.h: bytes as text and back (RFC 4648, 4): the alphabet with '+' and '/', padded, without line ends. */
#ifndef FORMAT_BASE64_H
#define FORMAT_BASE64_H

#include "format/buf.h"

/* Of len bytes, len at most SIZE_MAX / 2. */
#define BASE64_ENCODED_BYTES(len) (((len) + 2) / 3 * 4)

/* Append the text of raw; out->failed tells of memory. */
void base64_encode(struct buf *out, struct bytes raw);
/* Append the bytes that text stands for. Each run of bytes has one text: a wrong length, a byte outside of the
 * alphabet, missing padding, and bits that the last character has too many are refused.
 * 0; MS_EINVAL; MS_ETOOBIG: no room in out; MS_ENOMEM. Then nothing was appended. */
int base64_decode(struct buf *out, struct bytes text);

#endif
