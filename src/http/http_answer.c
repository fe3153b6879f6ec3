/* http_answer.c: answers: a status line, a fixed set of headers, the body, put together with one
 * reservation, so that an answer is in the output whole or not at all. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "http/http_private.h"
#include "http/http_text.h"

/* Status line, Content-Length, Connection, and the CRLFs: more than the fixed texts take. */
#define FIXED_BYTES_MAX 192u
#define STATUS_TEXT_BYTES_MAX 40u

const char *http_status_text(int status)
{
    switch (status) {
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unnamed";
    }
}

static uint8_t *put(uint8_t *to, const void *data, size_t len)
{
    if (len) memcpy(to, data, len);
    return to + len;
}

static uint8_t *put_text(uint8_t *to, const char *text)
{
    return put(to, text, strlen(text));
}

#define PUT_LITERAL(to, text) put(to, text, sizeof text - 1)

static uint8_t *put_header(uint8_t *to, const char *name, const char *value)
{
    to = put_text(to, name);
    to = PUT_LITERAL(to, ": ");
    to = put_text(to, value);
    return PUT_LITERAL(to, "\r\n");
}

static uint8_t *put_status(uint8_t *to, int status)
{
    if (status == 200) return PUT_LITERAL(to, "HTTP/1.1 200 OK\r\n");
    if (status == 204) return PUT_LITERAL(to, "HTTP/1.1 204 No Content\r\n");
    const char *text = http_status_text(status);
    MS_ASSERT(strlen(text) <= STATUS_TEXT_BYTES_MAX);
    to = PUT_LITERAL(to, "HTTP/1.1 ");
    to += http_text_from_u64(to, (uint64_t)status);
    *to++ = ' ';
    to = put_text(to, text);
    return PUT_LITERAL(to, "\r\n");
}

static size_t headers_bytes(const struct http_answer *a)
{
    size_t n = a->content_type ? strlen("Content-Type: \r\n") + strlen(a->content_type) : 0;
    for (uint32_t i = 0; i < a->header_count; i++) {
        n += strlen(a->headers[i].name) + strlen(a->headers[i].value) + strlen(": \r\n");
    }
    return n;
}

enum persistence { PERSISTENCE_DEFAULT, PERSISTENCE_KEEP_ALIVE, PERSISTENCE_CLOSE };

static uint8_t *put_head(uint8_t *to, const struct http_answer *a, size_t body_len,
                         enum persistence persistence)
{
    to = put_status(to, a->status);
    /* RFC 9110, 8.6: 1xx and 204 have no Content-Length; of a 304 it would be that of the 200. */
    if (a->status >= 200 && a->status != 204 && a->status != 304) {
        to = PUT_LITERAL(to, "Content-Length: ");
        to += http_text_from_u64(to, body_len);
        to = PUT_LITERAL(to, "\r\n");
    }
    if (a->content_type) to = put_header(to, "Content-Type", a->content_type);
    for (uint32_t i = 0; i < a->header_count; i++) {
        to = put_header(to, a->headers[i].name, a->headers[i].value);
    }
    if (persistence == PERSISTENCE_CLOSE) to = PUT_LITERAL(to, "Connection: close\r\n");
    if (persistence == PERSISTENCE_KEEP_ALIVE) to = PUT_LITERAL(to, "Connection: keep-alive\r\n");
    return PUT_LITERAL(to, "\r\n");
}

/* Queue a, whose body is followed by end. False: no memory, and nothing was queued. */
static bool queue(struct http_conn *c, const struct http_answer *a, const char *end,
                  enum persistence persistence)
{
    size_t end_len = strlen(end), body_len = a->body.len + end_len;
    bool bodiless =
        c->head.method == HTTP_METHOD_HEAD || a->status < 200 || a->status == 204 || a->status == 304;
    size_t need = FIXED_BYTES_MAX + headers_bytes(a) + (bodiless ? 0 : body_len);
    if (!buf_reserve(&c->out, need)) {
        c->out.failed = false;
        return false;
    }
    uint8_t *begin = c->out.data + c->out.len;
    uint8_t *to = put_head(begin, a, body_len, persistence);
    if (!bodiless) {
        to = put(to, a->body.data, a->body.len);
        to = put(to, end, end_len);
    }
    MS_ASSERT((size_t)(to - begin) <= need);
    c->out.len += (size_t)(to - begin);
    return true;
}

static void answer(struct http_conn *c, const struct http_answer *a, const char *end)
{
    bool out = c->state == HTTP_CONN_OUT;
    MS_ASSERT(!c->streaming);
    MS_ASSERT(c->state != HTTP_CONN_CLOSED && c->state != HTTP_CONN_UPGRADED); /* H2 */
    MS_ASSERT(a->status == 101 || (a->status >= 200 && a->status <= 599));
    MS_ASSERT(out || a->status != 101);
    /* Without a request that is out, what was read so far is unfinished: no next one can be found. */
    bool close = a->close || !out || !c->request.keep_alive;
    enum persistence persistence = PERSISTENCE_DEFAULT;
    if (a->status == 101) {
        close = false;
    } else if (close) {
        persistence = PERSISTENCE_CLOSE;
    } else if (c->head.is_1_0) {
        persistence = PERSISTENCE_KEEP_ALIVE;
    }
    bool queued = queue(c, a, end, persistence);
    if (c->opts.on_answer) c->opts.on_answer(c->opts.arg, a->status);
    if (close || !queued) {
        http_conn_close(c); /* unanswered for lack of memory: the client sees the connection end */
    } else if (a->status == 101) {
        http_conn_upgrade(c);
    } else {
        http_conn_finish_request(c);
    }
}

void http_conn_answer(struct http_conn *c, const struct http_answer *a)
{
    answer(c, a, "");
}

void http_conn_answer_text(struct http_conn *c, int status, const char *line)
{
    struct http_answer a = { .status = status,
                             .content_type = "text/plain",
                             .body = bytes_of_str(line) };
    answer(c, &a, "\n");
}

/* --- answers of unknown length --- */

bool http_conn_stream_begin(struct http_conn *c, const char *content_type,
                            const struct http_header *headers, uint32_t header_count)
{
    struct http_answer a = {
        .content_type = content_type, .headers = headers, .header_count = header_count
    };
    MS_ASSERT(c->state == HTTP_CONN_OUT && !c->streaming && c->head.method != HTTP_METHOD_HEAD);
    if (!buf_reserve(&c->out, FIXED_BYTES_MAX + headers_bytes(&a))) {
        c->out.failed = false;
        return false;
    }
    uint8_t *begin = c->out.data + c->out.len, *to = put_status(begin, 200);
    to = put_header(to, "Content-Type", content_type);
    for (uint32_t i = 0; i < header_count; i++) to = put_header(to, headers[i].name, headers[i].value);
    if (!c->head.is_1_0) to = PUT_LITERAL(to, "Transfer-Encoding: chunked\r\n");
    to = PUT_LITERAL(to, "Connection: close\r\n\r\n");
    MS_ASSERT((size_t)(to - begin) <= FIXED_BYTES_MAX + headers_bytes(&a));
    c->out.len += (size_t)(to - begin);
    c->streaming = true;
    if (c->opts.on_answer) c->opts.on_answer(c->opts.arg, 200);
    return true;
}

/* RFC 9112, 7.1: the size in hexadecimal digits, CRLF, data, CRLF. */
bool http_conn_stream_parts(struct http_conn *c, const struct bytes *parts, uint32_t count)
{
    char size[24];
    size_t len = 0;
    MS_ASSERT(c->streaming);
    for (uint32_t i = 0; i < count; i++) len += parts[i].len;
    if (len == 0) return true; /* a chunk of nothing would be the last one */
    int size_len = c->head.is_1_0 ? 0 : snprintf(size, sizeof size, "%zx\r\n", len);
    if (!buf_reserve(&c->out, (size_t)size_len + len + 2)) {
        c->out.failed = false;
        return false;
    }
    buf_append(&c->out, size, (size_t)size_len);
    for (uint32_t i = 0; i < count; i++) buf_append(&c->out, parts[i].data, parts[i].len);
    if (!c->head.is_1_0) buf_append(&c->out, "\r\n", 2);
    return true;
}

bool http_conn_stream_part(struct http_conn *c, struct bytes part)
{
    return http_conn_stream_parts(c, &part, 1);
}

void http_conn_stream_end(struct http_conn *c)
{
    MS_ASSERT(c->streaming);
    /* Without memory for these bytes the client sees what it has to see: an end that came too early. */
    if (!c->head.is_1_0) http_conn_put(c, "0\r\n\r\n", 5);
    c->streaming = false;
    http_conn_close(c);
}
