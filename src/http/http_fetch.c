#include "http/http_fetch.h"

#include "base/ms_err.h"
#include "http/http_text.h"

static bool is_name(const uint8_t *head, struct http_span name, const char *wanted)
{
    if (name.len != strlen(wanted)) return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = head[name.at + i];
        if (c >= 'A' && c <= 'Z') c = (uint8_t)(c - 'A' + 'a');
        if (c != (uint8_t)wanted[i]) return false;
    }
    return true;
}

static bool on_header(void *arg, const uint8_t *head, struct http_span name, struct http_span value)
{
    struct http_fetch *f = arg;
    struct bytes text = bytes_of(head + value.at, value.len);
    if (is_name(head, name, "transfer-encoding")) {
        f->bad |= f->chunked || !bytes_equal(text, bytes_of_str("chunked"));
        f->chunked = true;
    }
    if (is_name(head, name, "content-length")) {
        f->bad |= f->has_length || !http_text_u64(text, &f->length);
        f->has_length = true;
    }
    return true;
}

static const struct http_parse_ops ops = { .on_header = on_header };

void http_fetch_init(struct http_fetch *f)
{
    *f = (struct http_fetch){ .status = 0 };
}

void http_fetch_request(struct buf *out, const char *host, uint16_t port, const char *path)
{
    bool v6 = strchr(host, ':') != NULL;
    buf_append_text(out, "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n\r\n", path,
                    v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)port);
}

/* Behind the empty line that ends the head; 0: it has not come yet. */
static size_t head_bytes(const uint8_t *bytes, size_t len)
{
    for (size_t i = 3; i < len; i++) {
        if (bytes[i] == '\n' && bytes[i - 1] == '\r' && bytes[i - 2] == '\n' && bytes[i - 3] == '\r')
            return i + 1;
    }
    return 0;
}

static int read_head(struct http_fetch *f, const uint8_t *bytes, size_t len, size_t *used)
{
    size_t head = head_bytes(bytes, len);
    if (head == 0) return len > HTTP_FETCH_HEAD_BYTES_MAX ? MS_EPROTO : 0;
    if (head > HTTP_FETCH_HEAD_BYTES_MAX) return MS_EPROTO;
    http_parse_response(&f->parse, &ops, f);
    if (http_parse_run(&f->parse, bytes, 0, head) != HTTP_PARSE_END) return MS_EPROTO;
    if (f->bad || f->chunked == f->has_length || f->parse.status < 200) return MS_EPROTO;
    f->status = f->parse.status;
    *used = head;
    return f->has_length && f->length == 0 ? MS_EEND : 0;
}

static int read_length(struct http_fetch *f, const uint8_t *bytes, size_t len, size_t *used,
                       struct bytes *body)
{
    size_t n = len < f->length ? len : (size_t)f->length;
    *body = bytes_of(bytes, n);
    *used = n;
    f->length -= n;
    return f->length == 0 ? MS_EEND : 0;
}

/* http_chunks.c puts the body together at the beginning of bytes; each time begins anew there. */
static int read_chunks(struct http_fetch *f, uint8_t *bytes, size_t len, size_t *used,
                       struct bytes *body)
{
    struct http_refusal bad;
    f->chunks.at = f->chunks.body_len = 0;
    enum http_progress progress = http_chunks_next(&f->chunks, bytes, 0, len, SIZE_MAX / 2, &bad);
    if (progress == HTTP_PROGRESS_REFUSED) return MS_EPROTO;
    *body = bytes_of(bytes, f->chunks.body_len);
    *used = f->chunks.at;
    return progress == HTTP_PROGRESS_DONE ? MS_EEND : 0;
}

int http_fetch_next(struct http_fetch *f, uint8_t *bytes, size_t len, size_t *used, struct bytes *body)
{
    *used = 0;
    *body = bytes_of(NULL, 0);
    if (f->status == 0) return read_head(f, bytes, len, used);
    return f->chunked ? read_chunks(f, bytes, len, used, body) : read_length(f, bytes, len, used, body);
}
