/* fuzz_http.c: a client's bytes, cut anywhere. What comes out of a connection must not depend on how
 * its input was cut, nor on how late its requests were answered: same requests, same answers, to the
 * byte.
 *
 * input: u8 seed of the cuts, u8 largest piece, then the bytes of the connection. */
#include <stdlib.h>

#include "base/ms_assert.h"
#include "env/rand.h"
#include "format/base64.h"
#include "fuzz/support.h"
#include "http/http.h"
#include "http/http_query.h"
#include "http/http_watch.h"

#define BODY_BYTES_MAX 300u
#define KEY_BYTES_MAX 100u

struct run {
    struct http_conn *c;
    struct buf log; /* of requests, routes and output */
    bool late;      /* requests are answered when no more input is wanted, and at the end */
};

static void log_bytes(struct buf *log, struct bytes b)
{
    buf_append_u32(log, (uint32_t)b.len);
    buf_append(log, b.data, b.len);
}

/* A key that came out of a path leads back to itself. */
static void check_key(struct bytes key)
{
    static const struct http_limits limits = { KEY_BYTES_MAX, BODY_BYTES_MAX };
    struct buf path, again;
    MS_ASSERT(key.len >= 1 && key.len <= KEY_BYTES_MAX);
    buf_init(&path, &fuzz_heap, 1u << 16);
    buf_init(&again, &fuzz_heap, 1u << 16);
    buf_append_text(&path, "/_/kv/");
    for (size_t i = 0; i < key.len; i++) buf_append_text(&path, "%%%02x", key.data[i]);
    struct http_request r = { .method = HTTP_METHOD_GET, .path = buf_bytes(&path) };
    struct http_route route = { .key = &again, .query = &path }; /* GET: the rest is not touched */
    http_route(&r, &limits, &route);
    MS_ASSERT(route.kind == HTTP_ROUTE_KEY_GET && bytes_equal(buf_bytes(&again), key));
    buf_fini(&path);
    buf_fini(&again);
}

static void log_conditions(struct buf *log, const struct http_route *route)
{
    if (!route->conditional || route->kind == HTTP_ROUTE_ERROR) return;
    const struct http_conditions *c = &route->conditions;
    MS_ASSERT(c->match.count <= HTTP_ETAGS_MAX && c->none_match.count <= HTTP_ETAGS_MAX);
    MS_ASSERT(!(c->match.given && http_conditions_judge(c, true, 0) != HTTP_VERDICT_FAILED));
    for (uint32_t i = 0; i < c->match.count; i++) buf_append_u64(log, c->match.revisions[i]);
    for (uint32_t i = 0; i < c->none_match.count; i++) buf_append_u64(log, c->none_match.revisions[i]);
}

/* What watches ask for lies in their text, and is a range. */
static void log_watches(struct buf *log, const struct http_watches *ws)
{
    MS_ASSERT(ws->count >= 1 && ws->count <= HTTP_WATCHES_MAX);
    for (uint32_t i = 0; i < ws->count; i++) {
        const struct http_watch *w = &ws->items[i];
        MS_ASSERT(w->keys.key_len >= 1 && w->keys.key_at + w->keys.key_len <= ws->text.len);
        MS_ASSERT(w->keys.end_at + w->keys.end_len <= ws->text.len);
        buf_append_u64(log, w->id);
        buf_append_u64(log, w->start_revision);
        log_bytes(log, http_watch_key(ws, w));
        log_bytes(log, http_watch_end(ws, w));
    }
}

static void log_route(struct buf *log, const struct http_request *r)
{
    static const struct http_limits limits = { KEY_BYTES_MAX, BODY_BYTES_MAX - 1 };
    struct buf key, text;
    struct config wanted;
    static struct http_watches watches;
    struct http_route route = { .key = &key, .query = &text, .wanted = &wanted, .watches = &watches };
    http_watches_init(&watches, &fuzz_heap);
    buf_init(&key, &fuzz_heap, 1u << 16);
    buf_init(&text, &fuzz_heap, HTTP_QUERY_BYTES_MAX);
    http_route(r, &limits, &route);
    buf_append_u8(log, (uint8_t)route.kind);
    switch (route.kind) {
    case HTTP_ROUTE_ERROR:
        MS_ASSERT(route.status >= 400 && route.status < 500 && route.text[0] &&
                  !strchr(route.text, '\n'));
        buf_append_u16(log, (uint16_t)route.status);
        break;
    case HTTP_ROUTE_KEY_GET:
    case HTTP_ROUTE_KEY_PUT:
    case HTTP_ROUTE_KEY_DELETE: check_key(buf_bytes(&key)); break;
    case HTTP_ROUTE_MEMBERS_SET: buf_append_u32(log, wanted.member_count); break;
    case HTTP_ROUTE_SETTINGS_SET: buf_append_u8(log, route.lease_reads); break;
    case HTTP_ROUTE_MEMBER_ADD: log_bytes(log, bytes_of_str(route.url)); /* fall through */
    case HTTP_ROUTE_MEMBER_REMOVE:
        MS_ASSERT(route.member_id >= 1 && route.member_id <= MS_MEMBER_ID_MAX);
        buf_append_u64(log, route.member_id);
        break;
    case HTTP_ROUTE_WATCH: log_watches(log, &watches); break;
    default: break;
    }
    log_bytes(log, buf_bytes(&key));
    http_watches_fini(&watches);
    log_conditions(log, &route);
    buf_fini(&key);
    buf_fini(&text);
}

static void log_query(struct buf *log, struct bytes raw)
{
    struct buf text;
    struct http_query q;
    buf_init(&text, &fuzz_heap, HTTP_QUERY_BYTES_MAX);
    bool good = http_query_init(&q, raw, &text);
    MS_ASSERT(good == (q.why[0] == 0) && q.count <= HTTP_QUERY_PARAMS_MAX);
    for (uint32_t i = 0; i < q.count; i++) {
        MS_ASSERT(q.params[i].name.len > 0);
        log_bytes(log, q.params[i].name);
        log_bytes(log, q.params[i].value);
    }
    MS_ASSERT(http_query_end(&q) == (good && q.count == 0)); /* nothing was taken */
    log_bytes(log, bytes_of_str(q.why));
    buf_fini(&text);
}

/* Bytes have one text: what can be decoded is what they are encoded to. */
static void check_base64(struct bytes text)
{
    struct buf raw, again;
    buf_init(&raw, &fuzz_heap, BODY_BYTES_MAX);
    buf_init(&again, &fuzz_heap, 2 * BODY_BYTES_MAX);
    if (base64_decode(&raw, text) == 0) {
        base64_encode(&again, buf_bytes(&raw));
        MS_ASSERT(bytes_equal(buf_bytes(&again), text));
    }
    buf_fini(&raw);
    buf_fini(&again);
}

static void log_request(struct buf *log, const struct http_request *r)
{
    MS_ASSERT(r->body.len <= BODY_BYTES_MAX && r->path.len >= 1);
    buf_append_u8(log, (uint8_t)r->method);
    buf_append_u8(log, r->keep_alive);
    log_bytes(log, r->target);
    log_bytes(log, r->path);
    log_bytes(log, r->query);
    log_bytes(log, r->body);
    log_bytes(log, r->upgrade);
    log_bytes(log, r->accept);
    log_bytes(log, r->if_match);
    log_bytes(log, r->if_none_match);
    log_bytes(log, r->last_event_id);
    log_query(log, r->query);
    check_base64(r->body);
    log_route(log, r);
}

static void answer(struct run *run)
{
    const struct http_request *r = http_conn_request(run->c);
    bool close = r->path.len % 7 == 6;
    log_request(&run->log, r); /* when it is answered: it was valid until then */
    http_conn_answer(run->c, &(struct http_answer){
                                 .status = r->body.len ? 200 : 204, .body = r->body, .close = close });
}

static void pump(struct run *run)
{
    int event;
    while ((event = http_conn_next(run->c)) == HTTP_REQUEST) {
        if (run->late) return;
        answer(run);
    }
    MS_ASSERT(event >= 0);
}

static void feed(struct run *run, struct bytes piece)
{
    while (!http_conn_wants_input(run->c) && http_conn_request(run->c)) {
        answer(run);
        pump(run);
    }
    int rv = http_conn_input(run->c, piece);
    MS_ASSERT(rv == 0);
    pump(run);
}

static void begin(struct run *run, bool late)
{
    struct http_conn_opts opts = { .body_bytes_max = BODY_BYTES_MAX };
    *run = (struct run){ .late = late };
    buf_init(&run->log, &fuzz_heap, SIZE_MAX / 4);
    int rv = http_conn_create(&run->c, &opts, &fuzz_heap);
    MS_ASSERT(rv == 0);
}

static void end(struct run *run)
{
    while (http_conn_request(run->c)) {
        answer(run);
        pump(run);
    }
    buf_append_u8(&run->log, http_conn_in_request(run->c));
    log_bytes(&run->log, buf_bytes(http_conn_output(run->c)));
    MS_ASSERT(!run->log.failed);
    http_conn_destroy(run->c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct run whole, cut;
    struct ms_rand rand;
    if (len < 2) return 0;
    ms_rand_init(&rand, data[0], 1);
    begin(&whole, false);
    feed(&whole, bytes_of(data + 2, len - 2));
    end(&whole);
    begin(&cut, data[0] & 1);
    for (size_t at = 2; at < len;) {
        size_t n = (size_t)ms_rand_between(&rand, 1, 1u + data[1]);
        if (n > len - at) n = len - at;
        uint8_t *piece = malloc(n); /* of its own, so that reading past its end is seen */
        MS_ASSERT(piece != NULL);
        memcpy(piece, data + at, n);
        feed(&cut, bytes_of(piece, n));
        free(piece);
        at += n;
    }
    end(&cut);
    MS_ASSERT(bytes_equal(buf_bytes(&whole.log), buf_bytes(&cut.log)));
    buf_fini(&whole.log);
    buf_fini(&cut.log);
    return 0;
}
