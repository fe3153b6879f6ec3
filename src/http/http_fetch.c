#include "http/http_fetch.h"

#include "base/ms_err.h"
#include "http/http_text.h"

static bool on_header(void *arg, const uint8_t *head, struct http_span name, struct http_span value)
{
    struct http_fetch *f = arg;
    struct bytes text = bytes_of(head + value.at, value.len),
                 title = bytes_of(head + name.at, name.len);
    if (http_text_equal(title, "transfer-encoding")) {
        f->bad |= f->chunked || !bytes_equal(text, bytes_of_str("chunked"));
        f->chunked = true;
    }
    if (http_text_equal(title, "content-length")) {
        f->bad |= f->has_length || !http_text_u64(text, &f->length);
        f->has_length = true;
    }
    if (f->on_header) f->on_header(f->arg, title, text);
    return true;
}

static const struct http_parse_ops ops = { .on_header = on_header };

void http_fetch_init(struct http_fetch *f, bool no_body)
{
    *f = (struct http_fetch){ .no_body = no_body };
}

static void append(struct buf *out, const char *text)
{
    buf_append(out, text, strlen(text));
}

static bool is_of(const char *text, enum http_char_class class)
{
    return http_text_is(bytes_of_str(text), class);
}

bool http_fetch_request(struct buf *out, const struct http_fetch_request *r)
{
    bool v6 = strchr(r->host, ':') != NULL;
    if (!*r->method || !is_of(r->method, HTTP_CHAR_TOKEN) || r->path[0] != '/' ||
        !is_of(r->path, HTTP_CHAR_TARGET))
        return false;
    append(out, r->method);
    append(out, " ");
    append(out, r->path);
    append(out, " HTTP/1.1\r\n");
    buf_append_text(out, "Host: %s%s%s:%u\r\nConnection: close\r\n", v6 ? "[" : "", r->host,
                    v6 ? "]" : "", (unsigned)r->port);
    if (r->has_body) buf_append_text(out, "Content-Length: %zu\r\n", r->body_bytes);
    for (uint32_t i = 0; i < r->header_count; i++) {
        const struct http_fetch_header *h = &r->headers[i];
        if (!*h->name || !is_of(h->name, HTTP_CHAR_TOKEN) || !is_of(h->value, HTTP_CHAR_VALUE))
            return false;
        append(out, h->name);
        append(out, ": ");
        append(out, h->value);
        append(out, "\r\n");
    }
    append(out, "\r\n");
    return true;
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
    bool none = f->no_body || f->parse.status == 204 || f->parse.status == 304;
    if (f->bad || f->parse.status < 200 || (f->chunked && f->has_length)) return MS_EPROTO;
    if (!none && !f->chunked && !f->has_length) return MS_EPROTO;
    f->status = f->parse.status;
    *used = head;
    return none || (f->has_length && f->length == 0) ? MS_EEND : 0;
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
