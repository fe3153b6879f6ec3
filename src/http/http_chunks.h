/* http_chunks.h: a body in chunks (RFC 9112, 7.1), put together in place: data moves down over the
 * framing.
 *
 * Stricter than http-parser, which takes spaces behind a size and any two bytes behind a chunk's data:
 *   size in 1 to 16 hexadecimal digits, then CRLF or ";" extension CRLF; data; CRLF. No trailers.
 * Extensions are skipped, HTTP_CHUNK_EXTENSION_BYTES_MAX of them in a body. */
#ifndef HTTP_HTTP_CHUNKS_H
#define HTTP_HTTP_CHUNKS_H

#include "http/http_head.h"

#define HTTP_CHUNK_EXTENSION_BYTES_MAX 4096u

enum http_chunk_state {
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_END_CR,
    HTTP_CHUNK_END_LF
};

struct http_chunks {
    size_t at;       /* how far the bytes below were read */
    size_t body_len; /* put together so far */
    uint64_t left;   /* of this chunk: its size while that is read, then its missing bytes */
    uint32_t digits, extension_bytes;
    enum http_chunk_state state;
};

/* Go on: the body is put together from data[body_at] on, len bytes are there. MORE: all len bytes were
 * read. DONE: the body is complete, and the bytes from k->at on are behind it. */
enum http_progress http_chunks_next(struct http_chunks *k, uint8_t *data, size_t body_at, size_t len,
                                    size_t body_bytes_max, struct http_refusal *bad);

#endif
