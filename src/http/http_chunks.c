/* http_chunks.c: see http_chunks.h. */
#include "http/http_chunks.h"

#include "base/ms_assert.h"
#include "http/http_text.h"

#define DIGITS_MAX 16u /* so that a size cannot overflow 64 bits */

static enum http_progress refuse(struct http_refusal *bad, int status, const char *line)
{
    *bad = (struct http_refusal){ status, line };
    return HTTP_PROGRESS_REFUSED;
}

static const char malformed[] = "a malformed chunk";

static enum http_progress on_size(struct http_chunks *k, uint8_t ch, struct http_refusal *bad)
{
    int digit = http_text_hex(ch);
    if (digit >= 0) {
        if (k->digits++ == DIGITS_MAX) return refuse(bad, 400, malformed);
        k->left = k->left << 4 | (uint64_t)digit;
        return HTTP_PROGRESS_MORE;
    }
    if (k->digits == 0) return refuse(bad, 400, malformed);
    if (ch == '\r') {
        k->state = HTTP_CHUNK_SIZE_LF;
    } else if (ch == ';') {
        k->state = HTTP_CHUNK_EXTENSION;
    } else {
        return refuse(bad, 400, malformed);
    }
    return HTTP_PROGRESS_MORE;
}

static enum http_progress on_extension(struct http_chunks *k, uint8_t ch, struct http_refusal *bad)
{
    if (ch == '\r') {
        k->state = HTTP_CHUNK_SIZE_LF;
        return HTTP_PROGRESS_MORE;
    }
    if (ch < ' ' && ch != '\t') return refuse(bad, 400, malformed);
    if (k->extension_bytes++ == HTTP_CHUNK_EXTENSION_BYTES_MAX) {
        return refuse(bad, 400, "the extensions of the chunks are too large");
    }
    return HTTP_PROGRESS_MORE;
}

static enum http_progress on_size_end(struct http_chunks *k, size_t body_bytes_max,
                                      struct http_refusal *bad)
{
    if (k->left > body_bytes_max - k->body_len) return refuse(bad, 413, "the body is too large");
    k->state = k->left ? HTTP_CHUNK_DATA : HTTP_CHUNK_END_CR;
    k->digits = 0;
    return HTTP_PROGRESS_MORE;
}

/* One byte that is not data. */
static enum http_progress on_byte(struct http_chunks *k, uint8_t ch, size_t body_bytes_max,
                                  struct http_refusal *bad)
{
    switch (k->state) {
    case HTTP_CHUNK_SIZE: return on_size(k, ch, bad);
    case HTTP_CHUNK_EXTENSION: return on_extension(k, ch, bad);
    case HTTP_CHUNK_SIZE_LF:
        return ch == '\n' ? on_size_end(k, body_bytes_max, bad) : refuse(bad, 400, malformed);
    case HTTP_CHUNK_DATA_CR:
        if (ch != '\r') return refuse(bad, 400, malformed);
        k->state = HTTP_CHUNK_DATA_LF;
        return HTTP_PROGRESS_MORE;
    case HTTP_CHUNK_DATA_LF:
        if (ch != '\n') return refuse(bad, 400, malformed);
        k->state = HTTP_CHUNK_SIZE;
        return HTTP_PROGRESS_MORE;
    case HTTP_CHUNK_END_CR:
        if (ch != '\r') return refuse(bad, 400, "trailers behind a chunked body are not accepted");
        k->state = HTTP_CHUNK_END_LF;
        return HTTP_PROGRESS_MORE;
    case HTTP_CHUNK_END_LF: return ch == '\n' ? HTTP_PROGRESS_DONE : refuse(bad, 400, malformed);
    case HTTP_CHUNK_DATA: break;
    }
    MS_UNREACHABLE();
}

static void take_data(struct http_chunks *k, uint8_t *data, size_t body_at, size_t len)
{
    size_t n = len - k->at;
    if (n > k->left) n = (size_t)k->left;
    memmove(data + body_at + k->body_len, data + k->at, n);
    k->body_len += n;
    k->at += n;
    k->left -= n;
    if (k->left == 0) k->state = HTTP_CHUNK_DATA_CR;
}

enum http_progress http_chunks_next(struct http_chunks *k, uint8_t *data, size_t body_at, size_t len,
                                    size_t body_bytes_max, struct http_refusal *bad)
{
    while (k->at < len) {
        if (k->state == HTTP_CHUNK_DATA) {
            take_data(k, data, body_at, len);
            continue;
        }
        enum http_progress progress = on_byte(k, data[k->at++], body_bytes_max, bad);
        if (progress != HTTP_PROGRESS_MORE) return progress;
    }
    return HTTP_PROGRESS_MORE;
}
