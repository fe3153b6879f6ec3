/* http_conn.c: one connection: bytes in, requests out (http.h, H1-H3; the answers: http_answer.c).
 *
 * A request is read where it lies: head and body stay in the input buffer, one behind the other, and
 * the request borrows from there. After small requests a connection holds a few hundred bytes. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "http/http_path.h"
#include "http/http_private.h"
#include "http/http_text.h"

static const char answer_continue[] = "HTTP/1.1 100 Continue\r\n\r\n";

int http_conn_create(struct http_conn **out, const struct http_conn_opts *opts,
                     const struct ms_alloc *alloc)
{
    struct http_conn *c = ms_alloc_zeroed(alloc, sizeof *c);
    if (!c) return MS_ENOMEM;
    c->alloc = alloc;
    c->opts = *opts;
    /* Their bounds are the ones of http.h, kept by http_conn_wants_input() and the limits of a request:
     * one input more than those, of any length, is taken. The output's bound is the caller's, who
     * stops to hand in bytes when it is not drained. */
    buf_init(&c->in, alloc, SIZE_MAX / 4);
    buf_init(&c->behind, alloc, SIZE_MAX / 4);
    buf_init(&c->out, alloc, SIZE_MAX / 4);
    buf_init(&c->joined, alloc, 2 * HTTP_HEADER_BYTES_MAX);
    http_head_init(&c->head);
    *out = c;
    return 0;
}

void http_conn_destroy(struct http_conn *c)
{
    if (!c) return;
    buf_fini(&c->in);
    buf_fini(&c->behind);
    buf_fini(&c->out);
    buf_fini(&c->joined);
    ms_free(c->alloc, c);
}

void http_buf_trim(struct buf *b)
{
    if (b->cap <= HTTP_KEPT_BYTES_MAX || b->len > HTTP_KEPT_BYTES_MAX / 2) return;
    if (b->len == 0) {
        buf_fini(b);
        return;
    }
    uint8_t *data = ms_resize(b->alloc, b->data, HTTP_KEPT_BYTES_MAX);
    if (!data) return; /* it stays large: nothing is lost by that */
    b->data = data;
    b->cap = HTTP_KEPT_BYTES_MAX;
}

static bool append(struct buf *b, const void *data, size_t len)
{
    buf_append(b, data, len);
    bool done = !b->failed;
    b->failed = false; /* nothing was appended: what is there stays good */
    return done;
}

bool http_conn_put(struct http_conn *c, const void *data, size_t len)
{
    return append(&c->out, data, len);
}

/* at counts from the beginning of the request. */
static struct bytes span_of(const struct http_conn *c, size_t at, size_t len)
{
    return len ? bytes_of(c->in.data + c->at + at, len) : bytes_of(NULL, 0);
}

/* --- input --- */

/* True after every HTTP_NEED_MORE; the bounds hold also for a caller that goes on without
 * http_conn_next(). */
bool http_conn_wants_input(const struct http_conn *c)
{
    size_t unread = c->in.len - c->at + c->behind.len;
    switch (c->state) {
    case HTTP_CONN_HEAD: return unread <= HTTP_HEADER_BYTES_MAX;
    case HTTP_CONN_BODY: return unread < c->head_len + c->head.length;
    case HTTP_CONN_CHUNKS: return unread - c->chunks.at < HTTP_INPUT_BYTES_MAX;
    case HTTP_CONN_OUT: return unread - c->used < HTTP_INPUT_BYTES_MAX;
    case HTTP_CONN_UPGRADED: return unread < HTTP_INPUT_BYTES_MAX;
    case HTTP_CONN_CLOSED: break;
    }
    return false;
}

/* Forget what lies before the request that is being read. */
static void compact(struct http_conn *c)
{
    MS_ASSERT(c->state != HTTP_CONN_OUT); /* W1 */
    if (c->at == 0) return;
    buf_drop_front(&c->in, c->at);
    c->at = 0;
    http_buf_trim(&c->in);
}

int http_conn_input(struct http_conn *c, struct bytes in)
{
    if (c->state == HTTP_CONN_CLOSED) return 0;
    if (!http_conn_wants_input(c)) return MS_EBUSY;
    if (c->state == HTTP_CONN_OUT || c->behind.len) {
        return append(&c->behind, in.data, in.len) ? 0 : MS_ENOMEM;
    }
    compact(c);
    return append(&c->in, in.data, in.len) ? 0 : MS_ENOMEM;
}

/* Everything in in was read, and more is behind. */
static int pull_behind(struct http_conn *c)
{
    compact(c);
    if (c->in.len == 0) {
        struct buf empty = c->in;
        c->in = c->behind;
        c->behind = empty;
        return 0;
    }
    if (!append(&c->in, c->behind.data, c->behind.len)) return MS_ENOMEM;
    buf_clear(&c->behind);
    http_buf_trim(&c->behind);
    return 0;
}

/* --- requests --- */

static void drop_input(struct http_conn *c)
{
    buf_fini(&c->in);
    buf_fini(&c->behind);
    c->at = 0;
}

void http_conn_close(struct http_conn *c)
{
    drop_input(c);
    c->state = HTTP_CONN_CLOSED;
}

static void next_request(struct http_conn *c)
{
    c->at += c->used;
    c->used = 0;
    buf_fini(&c->joined);
    c->crlf_skipped = false;
    http_head_init(&c->head);
    if (c->at < c->in.len) return;
    buf_clear(&c->in);
    c->at = 0;
    http_buf_trim(&c->in);
}

void http_conn_finish_request(struct http_conn *c)
{
    MS_ASSERT(c->state == HTTP_CONN_OUT);
    next_request(c);
    c->state = HTTP_CONN_HEAD;
}

void http_conn_upgrade(struct http_conn *c)
{
    next_request(c);
    c->state = HTTP_CONN_UPGRADED;
}

static int refuse(struct http_conn *c, const struct http_refusal *why)
{
    http_conn_answer_text(c, why->status, why->line); /* no request is out: it closes */
    return HTTP_REFUSED;
}

/* All lines of a list as one, behind what joined holds. There is room, so nothing moves. */
static struct bytes join(struct http_conn *c, const char *wanted)
{
    struct bytes head = span_of(c, 0, c->head_len), name, value;
    size_t from = c->joined.len;
    for (size_t at = 0; http_head_header(head, &at, &name, &value);) {
        if (!http_text_equal(name, wanted)) continue;
        if (c->joined.len > from) buf_append(&c->joined, ", ", 2);
        buf_append(&c->joined, value.data, value.len);
    }
    MS_ASSERT(!c->joined.failed);
    return bytes_of(c->joined.data + from, c->joined.len - from);
}

/* False: no memory. */
static bool take_asked(struct http_conn *c, struct http_request *r)
{
    const struct http_head *h = &c->head;
    struct bytes values[HTTP_ASKED_COUNT] = { { 0 } };
    /* A line's name and end are longer than what is put between two values. */
    if (h->repeated && !buf_reserve(&c->joined, c->head_len)) return false;
    for (unsigned i = 0; i < HTTP_ASKED_COUNT; i++) {
        struct http_span s = h->asked[i];
        if (h->repeated & 1u << i)
            values[i] = join(c, http_asked_name((enum http_asked)i));
        else if (s.at)
            values[i] = bytes_of(c->in.data + c->at + s.at, s.len);
    }
    r->accept = values[HTTP_ASKED_ACCEPT];
    r->if_match = values[HTTP_ASKED_IF_MATCH];
    r->if_none_match = values[HTTP_ASKED_IF_NONE_MATCH];
    r->last_event_id = values[HTTP_ASKED_LAST_EVENT_ID];
    return true;
}

static int hand_out(struct http_conn *c, size_t body_len)
{
    const struct http_head *h = &c->head;
    struct http_request *r = &c->request;
    if (!take_asked(c, r)) {
        http_conn_close(c);
        return MS_ENOMEM;
    }
    r->method = h->method;
    r->target = span_of(c, h->target.at, h->target.len);
    r->body = span_of(c, c->head_len, body_len);
    r->keep_alive = h->keep_alive;
    r->upgrade = span_of(c, h->upgrade.at, h->upgrade.len);
    http_target_split(r->target, r);
    c->state = HTTP_CONN_OUT;
    return HTTP_REQUEST;
}

static int read_body(struct http_conn *c)
{
    MS_ASSERT(c->head.length <= c->opts.body_bytes_max);
    size_t body_len = (size_t)c->head.length;
    if (c->in.len - c->at - c->head_len < body_len) return HTTP_NEED_MORE;
    c->used = c->head_len + body_len;
    return hand_out(c, body_len);
}

static int read_chunks(struct http_conn *c)
{
    struct http_chunks *k = &c->chunks;
    struct http_refusal bad;
    enum http_progress progress = http_chunks_next(k, c->in.data + c->at, c->head_len,
                                                   c->in.len - c->at, c->opts.body_bytes_max, &bad);
    if (progress == HTTP_PROGRESS_REFUSED) return refuse(c, &bad);
    if (progress == HTTP_PROGRESS_DONE) {
        c->used = k->at;
        return hand_out(c, k->body_len);
    }
    k->at = c->head_len + k->body_len; /* all was read: the framing's room is free again */
    c->in.len = c->at + k->at;
    return HTTP_NEED_MORE;
}

/* The head is complete: what about the body? */
static int begin_body(struct http_conn *c)
{
    const struct http_head *h = &c->head;
    bool has_body = h->is_chunked || h->length > 0;
    c->head_len = h->lines.at;
    if (h->length > c->opts.body_bytes_max) {
        static const struct http_refusal too_large = { 413, "the body is too large" };
        return refuse(c, &too_large);
    }
    /* Also when the body is there already, so that the output does not depend on how input was cut. */
    if (h->expects_continue && has_body &&
        !http_conn_put(c, answer_continue, sizeof answer_continue - 1)) {
        http_conn_close(c);
        return MS_ENOMEM;
    }
    if (!h->is_chunked) {
        c->state = HTTP_CONN_BODY;
        return read_body(c);
    }
    c->chunks = (struct http_chunks){ .at = c->head_len };
    c->state = HTTP_CONN_CHUNKS;
    return read_chunks(c);
}

/* RFC 9112, 2.2: one empty line before a request is ignored. False: more is needed to tell. */
static bool skip_crlf(struct http_conn *c)
{
    struct bytes in = span_of(c, 0, c->in.len - c->at);
    if (c->crlf_skipped || in.len == 0 || in.data[0] != '\r') return in.len > 0;
    if (in.len == 1) return false;
    if (in.data[1] == '\n') c->at += 2;
    c->crlf_skipped = true;
    return c->in.len > c->at;
}

static int read_head(struct http_conn *c)
{
    if (!skip_crlf(c)) return HTTP_NEED_MORE;
    switch (http_head_next(&c->head, span_of(c, 0, c->in.len - c->at))) {
    case HTTP_PROGRESS_DONE: return begin_body(c);
    case HTTP_PROGRESS_REFUSED: return refuse(c, &c->head.bad);
    case HTTP_PROGRESS_MORE: break;
    }
    return HTTP_NEED_MORE;
}

static int step(struct http_conn *c)
{
    switch (c->state) {
    case HTTP_CONN_HEAD: return read_head(c);
    case HTTP_CONN_BODY: return read_body(c);
    case HTTP_CONN_CHUNKS: return read_chunks(c);
    case HTTP_CONN_CLOSED: return HTTP_CLOSED;
    case HTTP_CONN_OUT:
    case HTTP_CONN_UPGRADED: break;
    }
    return HTTP_NEED_MORE;
}

int http_conn_next(struct http_conn *c)
{
    for (;;) { /* at most twice: pull_behind() empties behind */
        int event = step(c);
        if (event != HTTP_NEED_MORE || c->behind.len == 0) return event;
        if (c->state == HTTP_CONN_OUT || c->state == HTTP_CONN_UPGRADED) return event;
        int rv = pull_behind(c);
        if (rv < 0) return rv;
    }
}

const struct http_request *http_conn_request(const struct http_conn *c)
{
    return c->state == HTTP_CONN_OUT ? &c->request : NULL;
}

size_t http_conn_memory(const struct http_conn *c)
{
    return c->in.cap + c->behind.cap + c->out.cap + c->joined.cap;
}

bool http_conn_in_request(const struct http_conn *c)
{
    switch (c->state) {
    case HTTP_CONN_HEAD: return c->in.len > c->at || c->behind.len > 0;
    case HTTP_CONN_BODY:
    case HTTP_CONN_CHUNKS: return true;
    default: return false;
    }
}

struct buf *http_conn_output(struct http_conn *c)
{
    return &c->out;
}

void http_conn_sent(struct http_conn *c)
{
    buf_clear(&c->out);
    http_buf_trim(&c->out);
}

void http_conn_take_rest(struct http_conn *c, struct buf *out)
{
    MS_ASSERT(c->state == HTTP_CONN_UPGRADED);
    struct bytes in = span_of(c, 0, c->in.len - c->at);
    buf_append(out, in.data, in.len);
    buf_append(out, c->behind.data, c->behind.len);
    drop_input(c);
}
