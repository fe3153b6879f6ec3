/* http_head.c: see http_head.h. */
#include "http/http_head.h"

#include "base/ms_assert.h"
#include "http/http_text.h"

#define FIRST_LINE_REST_BYTES 11u /* " HTTP/1.1" CRLF */

static bool refuse(struct http_refusal *bad, int status, const char *line)
{
    *bad = (struct http_refusal){ status, line };
    return false;
}

/* --- lines --- */

static bool first_byte_good(uint8_t ch)
{
    return ch >= 'A' && ch <= 'Z';
}

static bool line_good(const struct http_lines *lines, const uint8_t *line, size_t len,
                      struct http_refusal *bad)
{
    if (len < 2 || line[len - 2] != '\r') {
        return refuse(bad, 400, "a line of the head ends with LF alone, not with CRLF");
    }
    if (memchr(line, '\r', len - 2)) return refuse(bad, 400, "a CR inside a line of the head");
    if (lines->first_end && (line[0] == ' ' || line[0] == '\t')) {
        return refuse(bad, 400, "a header is folded over two lines");
    }
    return true;
}

static enum http_progress too_long(const struct http_lines *lines, struct http_refusal *bad)
{
    if (lines->first_end) {
        refuse(bad, 431, "the headers are too large");
    } else {
        refuse(bad, 414, "the path is too long");
    }
    return HTTP_PROGRESS_REFUSED;
}

enum http_progress http_lines_next(struct http_lines *lines, struct bytes head, size_t bytes_max,
                                   struct http_refusal *bad)
{
    if (head.len == 0) return HTTP_PROGRESS_MORE;
    if (!first_byte_good(head.data[0])) { /* TLS, binary: not worth waiting for a line */
        refuse(bad, 400, "this is not HTTP: the first line does not begin with a method");
        return HTTP_PROGRESS_REFUSED;
    }
    while (lines->at < head.len) {
        const uint8_t *line = head.data + lines->at;
        const uint8_t *lf = memchr(head.data + lines->scan_at, '\n', head.len - lines->scan_at);
        size_t end = lf ? (size_t)(lf - head.data) + 1 : head.len;
        if (end > bytes_max) return too_long(lines, bad);
        lines->scan_at = end;
        if (!lf) return HTTP_PROGRESS_MORE;
        size_t len = end - lines->at;
        if (!line_good(lines, line, len, bad)) return HTTP_PROGRESS_REFUSED;
        lines->at = end;
        if (!lines->first_end) lines->first_end = end;
        if (len == 2) return HTTP_PROGRESS_DONE;
    }
    return HTTP_PROGRESS_MORE;
}

bool http_head_header(struct bytes head, size_t *at, struct bytes *name, struct bytes *value)
{
    if (*at == 0) {
        const uint8_t *first = memchr(head.data, '\n', head.len);
        MS_ASSERT(first); /* E1 was checked */
        *at = (size_t)(first - head.data) + 1;
    }
    const uint8_t *line = head.data + *at;
    const uint8_t *end = memchr(line, '\n', head.len - *at);
    MS_ASSERT(end);
    const uint8_t *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon) return false; /* the empty line */
    *name = bytes_of(line, (size_t)(colon - line));
    *value = http_text_trim(bytes_of(colon + 1, (size_t)(end - 1 - (colon + 1))));
    *at = (size_t)(end - head.data) + 1;
    return true;
}

/* --- the request line --- */

static enum http_method method_of(struct bytes name)
{
    switch (name.len) {
    case 3:
        if (memcmp(name.data, "GET", 3) == 0) return HTTP_METHOD_GET;
        if (memcmp(name.data, "PUT", 3) == 0) return HTTP_METHOD_PUT;
        break;
    case 4:
        if (memcmp(name.data, "HEAD", 4) == 0) return HTTP_METHOD_HEAD;
        if (memcmp(name.data, "POST", 4) == 0) return HTTP_METHOD_POST;
        break;
    case 6:
        if (memcmp(name.data, "DELETE", 6) == 0) return HTTP_METHOD_DELETE;
        break;
    default: break;
    }
    return HTTP_METHOD_OTHER;
}

static bool is_digit(uint8_t ch)
{
    return ch >= '0' && ch <= '9';
}

/* Behind the target stands " HTTP/1.1" CRLF, to the byte. http-parser would take further spaces,
 * "ICE/", no version at all (0.9), and any digits. */
static bool version_good(struct http_head *h, const uint8_t *rest, size_t len)
{
    if (len != FIRST_LINE_REST_BYTES || memcmp(rest, " HTTP/", 6) != 0 || !is_digit(rest[6]) ||
        rest[7] != '.' || !is_digit(rest[8])) {
        return refuse(&h->bad, 400, "the request line is not: method, path, HTTP/1.1");
    }
    if (rest[6] != '1' || (rest[8] != '0' && rest[8] != '1')) {
        return refuse(&h->bad, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    h->is_1_0 = rest[8] == '0';
    return true;
}

static bool on_target(void *arg, const uint8_t *head, struct http_span target)
{
    struct http_head *h = arg;
    size_t end = target.at + target.len;
    MS_ASSERT(end <= h->lines.first_end);
    struct bytes method = bytes_of(head, target.at ? target.at - 1 : 0);
    if (method.len == 0 || !http_text_is(method, HTTP_CHAR_TOKEN)) { /* a second space, too */
        return refuse(&h->bad, 400, "the request line is not: method, path, HTTP/1.1");
    }
    if (target.len > HTTP_PATH_BYTES_MAX) return refuse(&h->bad, 414, "the path is too long");
    if (!http_text_is(bytes_of(head + target.at, target.len), HTTP_CHAR_TARGET)) {
        return refuse(&h->bad, 400, "the path holds a byte that must be percent-encoded");
    }
    if (!version_good(h, head + end, h->lines.first_end - end)) return false;
    if (method.len == 7 && memcmp(method.data, "CONNECT", 7) == 0) {
        return refuse(&h->bad, 501, "CONNECT: this is no proxy");
    }
    h->method = method_of(method);
    h->target = target;
    return true;
}

/* --- headers --- */

static bool on_host(struct http_head *h, struct bytes value)
{
    if (h->has_host) return refuse(&h->bad, 400, "more than one Host header");
    if (!http_text_is(value, HTTP_CHAR_HOST)) return refuse(&h->bad, 400, "a malformed Host header");
    h->has_host = true;
    return true;
}

static bool on_length(struct http_head *h, struct bytes value)
{
    static const char text[] = "Content-Length is not one decimal number";
    if (h->has_length) return refuse(&h->bad, 400, text);
    if (!http_text_u64(value, &h->length)) return refuse(&h->bad, 400, text);
    h->has_length = true;
    return true;
}

/* A list, even one that ends with chunked, is refused: two readers could disagree about its end. */
static bool on_transfer_encoding(struct http_head *h, struct bytes value)
{
    if (h->is_chunked || !http_text_equal(value, "chunked")) {
        return refuse(&h->bad, 501, "Transfer-Encoding can only be: chunked");
    }
    h->is_chunked = true;
    return true;
}

/* RFC 9110, 10.1.1: a server ignores the expectations of an HTTP/1.0 request. */
static bool on_expect(struct http_head *h, struct bytes value)
{
    if (h->is_1_0) return true;
    if (!http_text_equal(value, "100-continue")) {
        return refuse(&h->bad, 417, "Expect can only be: 100-continue");
    }
    h->expects_continue = true;
    return true;
}

static const struct {
    const char *name;
    uint8_t len;
    bool is_list;
} asked[HTTP_ASKED_COUNT] = {
    [HTTP_ASKED_ACCEPT] = { "Accept", 6, true },
    [HTTP_ASKED_IF_MATCH] = { "If-Match", 8, true },
    [HTTP_ASKED_IF_NONE_MATCH] = { "If-None-Match", 13, true },
    [HTTP_ASKED_LAST_EVENT_ID] = { "Last-Event-ID", 13, false },
};

const char *http_asked_name(enum http_asked which)
{
    return asked[which].name;
}

static bool on_asked(struct http_head *h, const uint8_t *head, struct bytes name, struct bytes value)
{
    unsigned which = 0;
    while (which < HTTP_ASKED_COUNT &&
           (name.len != asked[which].len || !http_text_equal(name, asked[which].name))) {
        which++;
    }
    if (which == HTTP_ASKED_COUNT) return true;
    if (h->asked[which].at == 0) {
        h->asked[which] = (struct http_span){ (size_t)(value.data - head), value.len };
        return true;
    }
    if (!asked[which].is_list) return refuse(&h->bad, 400, "more than one Last-Event-ID header");
    h->repeated |= 1u << which;
    return true;
}

static bool on_header(void *arg, const uint8_t *head, struct http_span name_span,
                      struct http_span value_span)
{
    struct http_head *h = arg;
    struct bytes name = bytes_of(head + name_span.at, name_span.len);
    struct bytes value = http_text_trim(bytes_of(head + value_span.at, value_span.len));
    if (++h->header_count > HTTP_HEADERS_MAX) return refuse(&h->bad, 431, "too many headers");
    if (name.len == 0 || !http_text_is(name, HTTP_CHAR_TOKEN)) { /* "Content-Length : 3" too */
        return refuse(&h->bad, 400, "a header's name holds a space or another byte it cannot");
    }
    if (!http_text_is(value, HTTP_CHAR_VALUE)) { /* http-parser does not look at its first byte */
        return refuse(&h->bad, 400, "a header's value holds a control byte");
    }
    switch (name.len) {
    case 4: return http_text_equal(name, "Host") ? on_host(h, value) : true;
    case 6:
        return http_text_equal(name, "Expect") ? on_expect(h, value) : on_asked(h, head, name, value);
    case 7:
        if (http_text_equal(name, "Upgrade")) {
            h->upgrade = (struct http_span){ (size_t)(value.data - head), value.len };
        }
        return true;
    case 13:
        h->is_part |= http_text_equal(name, "Content-Range");
        return on_asked(h, head, name, value);
    case 14: return http_text_equal(name, "Content-Length") ? on_length(h, value) : true;
    case 17: return http_text_equal(name, "Transfer-Encoding") ? on_transfer_encoding(h, value) : true;
    default: return on_asked(h, head, name, value);
    }
}

/* --- the head --- */

static const struct http_parse_ops parse_ops = { .on_target = on_target, .on_header = on_header };

void http_head_init(struct http_head *h)
{
    *h = (struct http_head){ 0 };
    http_parse_request(&h->parse, &parse_ops, h);
}

static enum http_progress refused(struct http_head *h, int result)
{
    if (h->bad.status) return HTTP_PROGRESS_REFUSED;
    switch (result) {
    case HTTP_PARSE_BAD_METHOD: refuse(&h->bad, 501, "an unknown method"); break;
    case HTTP_PARSE_TOO_LARGE: refuse(&h->bad, 431, "the headers are too large"); break;
    default: refuse(&h->bad, 400, "a malformed request"); break;
    }
    return HTTP_PROGRESS_REFUSED;
}

/* What can only be said when all headers are known. Who writes a part (RFC 9110, 14.5) does not mean it to be the
 * whole. */
static enum http_progress finish(struct http_head *h)
{
    if (h->is_chunked && h->has_length) {
        refuse(&h->bad, 400, "both Content-Length and Transfer-Encoding");
    } else if (h->is_chunked && h->is_1_0) {
        refuse(&h->bad, 400, "Transfer-Encoding in an HTTP/1.0 request");
    } else if (!h->has_host && !h->is_1_0) {
        refuse(&h->bad, 400, "the Host header is missing");
    } else if (h->is_part && h->method == HTTP_METHOD_PUT) {
        refuse(&h->bad, 400, "a part of a value (Content-Range) cannot be written");
    }
    if (h->bad.status) return HTTP_PROGRESS_REFUSED;
    h->keep_alive = h->parse.keep_alive;
    if (!h->parse.upgrade) h->upgrade = (struct http_span){ 0 };
    return HTTP_PROGRESS_DONE;
}

enum http_progress http_head_next(struct http_head *h, struct bytes in)
{
    struct http_refusal bad_line;
    size_t from = h->lines.at;
    enum http_progress progress = http_lines_next(&h->lines, in, HTTP_HEADER_BYTES_MAX, &bad_line);
    int result = HTTP_PARSE_MORE;
    if (h->lines.at > from) result = http_parse_run(&h->parse, in.data, from, h->lines.at);
    if (result > HTTP_PARSE_END) return refused(h, result); /* E2: it is in an earlier line */
    if (progress == HTTP_PROGRESS_REFUSED) {
        h->bad = bad_line;
        return progress;
    }
    if ((progress == HTTP_PROGRESS_DONE) != (result == HTTP_PARSE_END)) {
        return refused(h, HTTP_PARSE_BAD);
    }
    return progress == HTTP_PROGRESS_DONE ? finish(h) : HTTP_PROGRESS_MORE;
}
