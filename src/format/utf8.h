/* utf8.h: what is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef FORMAT_UTF8_H
#define FORMAT_UTF8_H

#include "base/bytes.h"

/* The bytes, 1 to 4, of the character at text.data[at], at < text.len; 0: there is none. */
size_t utf8_next(struct bytes text, size_t at);
/* Is all of it UTF-8, without control characters (C0 and DEL) other than tab, LF and CR? An empty text is. */
bool utf8_is_plain_text(struct bytes text);

#endif
