/* http_route.c: what a client's request asks for (SPEC 3).
 *
 * Whether a path is a member is read from its raw bytes, as SPEC says: "/%34" is the key "4". Whether
 * it is reserved is read from the decoded key, so that no spelling of a reserved name becomes a key. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "http/http_leases.h"
#include "http/http_members.h"
#include "http/http_path.h"
#include "http/http_query.h"
#include "http/http_range.h"
#include "http/http_text.h"
#include "http/http_txn.h"
#include "http/http_watch.h"

#define MEMBER_DIGITS_MAX 19u
#define SHOWN_NAME_BYTES_MAX 100u

static const char allow_read[] = "GET, HEAD";
static const char allow_key[] = "GET, HEAD, PUT, DELETE";
static const char allow_any[] = "GET, HEAD, PUT, POST, DELETE";
static const char kv_prefix[] = "_/kv/";
static const char force[] = "force";

const char http_root_text[] =
    "MetaStore: a strongly consistent, replicated key-value store for metadata.\n"
    "GET, PUT, DELETE /<key>   read, write, delete a key; /_/kv/<key> for any key, also a reserved "
    "name\n"
    "                          ETag is its revision; If-Match: \"<revision>\" or *, If-None-Match: * "
    "make it conditional\n"
    "                          GET /<key>?consistency=stale reads this member alone\n"
    "                          PUT /<key>?ttl=<seconds>, ?lease=<id>: it goes with its lease\n"
    "GET /<key>?watch          what changes from now on, as server-sent events; &prefix, &rev=N, "
    "&prev_kv, "
    "&progress\n"
    "                          POST /_/watch: several on one stream: [{\"id\": 1, \"key\": \"a\"}, "
    "...]\n"
    "GET /<prefix>?prefix      the keys that begin so, as JSON; &limit=N, &rev=N, &keys_only, "
    "&count_only; "
    "DELETE /<prefix>?prefix\n"
    "GET /_/range              any range: ?key=a&end=b, ?prefix=a, ?from=a; &sort=, &order=, ...\n"
    "POST /_/txn               {\"compare\": [...], \"then\": [...], \"else\": [...]}\n"
    "POST /_/compact           {\"revision\": N}: forget what was before it\n"
    "POST, DELETE /<id>        add member <id> (body: its peer URL), remove member <id>\n"
    "GET /status               how this member and its cluster are\n"
    "GET /health, /livez, /readyz, /metrics, /version   for machines that look after it\n"
    "GET, POST /_/members      who is a member; the set of voters that shall be: [{\"id\": 1, \"url\": "
    "\"http://host:port\"}]\n"
    "GET /_/snapshot           a backup of the whole state: metastore snapshot save\n"
    "POST /_/leader            hand the leadership over (body: an id, or nothing)\n"
    "GET, POST /_/leases       the leases; grant one: {\"ttl\": seconds, \"id\": number or left out}\n"
    "GET, DELETE /_/leases/<id>, POST /_/leases/<id>/keep-alive\n"
    "GET, POST /_/settings     {\"lease_reads\": true or false}\n";

/* route->text is there already. */
static void fail_as_said(struct http_route *route, int status)
{
    route->kind = HTTP_ROUTE_ERROR;
    route->status = status;
}

static void fail(struct http_route *route, int status, const char *text)
{
    snprintf(route->text, sizeof route->text, "%s", text);
    fail_as_said(route, status);
}

static void not_allowed(struct http_route *route, const char *allow, const char *text)
{
    fail(route, 405, text);
    route->allow = allow;
}

static bool is_read(const struct http_request *r)
{
    return r->method == HTTP_METHOD_GET || r->method == HTTP_METHOD_HEAD;
}

static bool no_parameters(const struct http_request *r, struct http_route *route)
{
    if (r->query.len == 0) return true;
    fail(route, 400, "unknown query parameter: this request takes none");
    return false;
}

/* --- members --- */

static bool is_number(struct bytes raw)
{
    if (raw.len == 0 || raw.len > MEMBER_DIGITS_MAX) return false;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9') return false;
    }
    return true;
}

static bool begins_with(struct bytes text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* The body of an addition into route->url. */
static bool read_url(const struct http_request *r, struct http_route *route)
{
    const char *why;
    if (http_read_url(r->body, route->url, &why)) return true;
    fail(route, 400, why);
    return false;
}

static void route_add(const struct http_request *r, struct http_route *route)
{
    if (!no_parameters(r, route) || !read_url(r, route)) return;
    route->kind = HTTP_ROUTE_MEMBER_ADD;
}

static void route_remove(const struct http_request *r, struct http_route *route)
{
    if (r->query.len && !bytes_equal(r->query, bytes_of_str(force))) {
        fail(route, 400, "unknown query parameter: the removal of a member takes only ?force");
        return;
    }
    route->force = r->query.len != 0;
    route->kind = HTTP_ROUTE_MEMBER_REMOVE;
}

static void route_member(const struct http_request *r, struct bytes raw, struct http_route *route)
{
    if (raw.data[0] == '0') {
        fail(route, 400,
             raw.len == 1 ? "member ids begin at 1"
                          : "a member id has no leading zero; for a key: /_/kv/<key>");
        return;
    }
    bool fits = http_text_u64(raw, &route->member_id); /* 19 digits always do */
    MS_ASSERT(fits);
    if (r->method == HTTP_METHOD_POST) {
        route_add(r, route);
    } else {
        route_remove(r, route);
    }
}

/* --- keys --- */

static bool is_reserved(struct bytes key)
{
    static const char *const names[] = { "health", "livez", "readyz", "metrics", "version", "status" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bytes_equal(key, bytes_of_str(names[i]))) return true;
    }
    return begins_with(key, "v3/") || begins_with(key, "_/");
}

/* It has that kind, if its reader found it good; else the text says why not. */
static void route_as_read(struct http_route *route, bool good, enum http_route_kind kind)
{
    if (good)
        route->kind = kind;
    else
        fail_as_said(route, 400);
}

static void route_members(const struct http_request *r, struct http_route *route)
{
    bool forced = bytes_equal(r->query, bytes_of_str(force));
    if (r->query.len && !forced) {
        fail(route, 400, "unknown query parameter: an exchange of members takes only ?force");
        return;
    }
    route->force = forced;
    route_as_read(route, http_read_members(r->body, route->wanted, route->text, sizeof route->text),
                  HTTP_ROUTE_MEMBERS_SET);
}

static void route_leader(const struct http_request *r, struct http_route *route)
{
    if (!no_parameters(r, route)) return;
    route_as_read(route, http_read_leader(r->body, &route->member_id, route->text, sizeof route->text),
                  HTTP_ROUTE_TRANSFER);
}

static void route_settings(const struct http_request *r, struct http_route *route)
{
    if (!no_parameters(r, route)) return;
    route_as_read(route,
                  http_read_settings(r->body, &route->lease_reads, route->text, sizeof route->text),
                  HTTP_ROUTE_SETTINGS_SET);
}

static void route_watches(const struct http_request *r, struct http_route *route)
{
    if (!no_parameters(r, route)) return;
    if (http_watch_read_list(r->body, route->watches, route->text, sizeof route->text)) {
        route->kind = HTTP_ROUTE_WATCH;
    } else {
        fail_as_said(route, route->watches->text.failed ? 503 : 400);
    }
}

static bool page_parameters(const struct http_request *r, enum http_route_kind kind,
                            struct http_route *route)
{
    struct http_query q;
    if (kind != HTTP_ROUTE_LIVEZ && kind != HTTP_ROUTE_READYZ) return no_parameters(r, route);
    if (http_query_init(&q, r->query, route->query)) http_query_flag(&q, "verbose", &route->verbose);
    if (http_query_end(&q)) return true;
    fail(route, 400, q.why);
    return false;
}

static void set_range(struct http_route *route, const struct http_keys *k)
{
    route->range.key = http_keys_key(k, route->key);
    route->range.range_end = http_keys_end(k, route->key);
}

static void route_range(const struct http_request *r, struct http_route *route)
{
    struct http_query q;
    struct http_keys k;
    if (http_query_init(&q, r->query, route->query) && http_range_read_keys(&q, route->key, &k) &&
        http_range_read_options(&q, &route->range, &route->stale)) {
        set_range(route, &k);
        route->kind = HTTP_ROUTE_RANGE;
    } else {
        fail(route, route->key->failed ? 503 : 400, q.why);
    }
}

static void route_txn(const struct http_request *r, struct http_route *route)
{
    if (no_parameters(r, route)) route->kind = HTTP_ROUTE_TXN;
}

static void route_compact(const struct http_request *r, struct http_route *route)
{
    if (!no_parameters(r, route)) return;
    route_as_read(route, http_read_compact(r->body, &route->revision, route->text, sizeof route->text),
                  HTTP_ROUTE_COMPACT);
}

/* What may be read and posted. read 0: nothing to read. */
static const struct {
    const char *name;
    enum http_route_kind read;
    void (*post)(const struct http_request *r, struct http_route *route);
    const char *allow;
    bool no_head; /* what its headers would say is not known before it is asked for */
} pages[] = {
    { "status", HTTP_ROUTE_STATUS, NULL, allow_read, false },
    { "health", HTTP_ROUTE_HEALTH, NULL, allow_read, false },
    { "livez", HTTP_ROUTE_LIVEZ, NULL, allow_read, false },
    { "readyz", HTTP_ROUTE_READYZ, NULL, allow_read, false },
    { "version", HTTP_ROUTE_VERSION, NULL, allow_read, false },
    { "metrics", HTTP_ROUTE_METRICS, NULL, allow_read, false },
    { "_/members", HTTP_ROUTE_MEMBERS_GET, route_members, "GET, HEAD, POST", false },
    { "_/settings", HTTP_ROUTE_SETTINGS_GET, route_settings, "GET, HEAD, POST", false },
    { "_/leader", 0, route_leader, "POST", false },
    { "_/snapshot", HTTP_ROUTE_SNAPSHOT, NULL, "GET", true },
    { "_/watch", 0, route_watches, "POST", true },
    { "_/range", HTTP_ROUTE_RANGE, NULL, "GET", true },
    { "_/txn", 0, route_txn, "POST", true },
    { "_/compact", 0, route_compact, "POST", true },
};
#define PAGE_COUNT (sizeof pages / sizeof pages[0])

static size_t page_of(struct bytes key)
{
    size_t at = 0;
    while (at < PAGE_COUNT && !bytes_equal(key, bytes_of_str(pages[at].name))) at++;
    return at;
}

static void route_page(const struct http_request *r, size_t at, struct http_route *route)
{
    bool read = is_read(r) && !(pages[at].no_head && r->method == HTTP_METHOD_HEAD);
    /* What a client says is larger than what an operator does; the connection bounds it. */
    bool large = pages[at].post == route_txn;
    if (read && pages[at].read == HTTP_ROUTE_RANGE) {
        route_range(r, route);
    } else if (read && pages[at].read) {
        if (page_parameters(r, pages[at].read, route)) route->kind = pages[at].read;
    } else if (r->method != HTTP_METHOD_POST || !pages[at].post) {
        not_allowed(route, pages[at].allow, "a reserved name, which cannot be asked for that");
    } else if (r->body.len > HTTP_OPERATOR_BODY_BYTES_MAX && !large) {
        fail(route, 413, "the body is too large for what it can say here");
    } else {
        pages[at].post(r, route);
    }
}

/* raw is printable ASCII, so it can be shown as it was sent. */
static void route_reserved(const struct http_request *r, struct bytes raw, struct http_route *route)
{
    if (http_lease_has_path(buf_bytes(route->key))) {
        int status = http_lease_route(r, buf_bytes(route->key), route);
        if (status) fail_as_said(route, status);
        return;
    }
    size_t page = page_of(buf_bytes(route->key));
    if (r->method == HTTP_METHOD_PUT || r->method == HTTP_METHOD_DELETE) {
        if (raw.len > SHOWN_NAME_BYTES_MAX) raw = bytes_of_str("<key>");
        snprintf(route->text, sizeof route->text, "a reserved name; the key of that name is /%s%.*s",
                 kv_prefix, (int)raw.len, (const char *)raw.data);
        fail_as_said(route, 403);
    } else if (page < PAGE_COUNT) {
        route_page(r, page, route);
    } else if (is_read(r)) {
        fail(route, 404, "a reserved name that does not exist in this version");
    } else {
        not_allowed(route, allow_read, "a reserved name, which can only be read");
    }
}

/* ?watch. False: it is not that. */
static bool route_watch(const struct http_request *r, struct http_route *route)
{
    struct http_query q;
    bool watch = false;
    if (!is_read(r) || r->query.len == 0 || !http_query_init(&q, r->query, route->query)) return false;
    if (!http_query_flag(&q, "watch", &watch) || !watch) return false;
    if (r->method == HTTP_METHOD_HEAD) {
        not_allowed(route, "GET", "a watch has no end, so there is nothing that HEAD could say of it");
    } else if (http_watch_read_query(&q, buf_bytes(route->key), r->last_event_id, route->watches,
                                     route->text, sizeof route->text)) {
        route->kind = HTTP_ROUTE_WATCH;
    } else {
        fail_as_said(route, route->watches->text.failed ? 503 : 400);
    }
    return true;
}

/* ?prefix. False: it is not that. */
static bool route_prefix(const struct http_request *r, struct http_route *route)
{
    struct http_query q;
    struct http_keys k = { .key_len = route->key->len };
    bool prefix = false, deletes = r->method == HTTP_METHOD_DELETE;
    if (r->query.len == 0 || !(is_read(r) || deletes)) return false;
    if (!http_query_init(&q, r->query, route->query)) return false;
    http_query_flag(&q, "prefix", &prefix);
    if (!prefix && !q.why[0]) return false;
    http_keys_set_prefix(&k, route->key);
    if (r->method == HTTP_METHOD_HEAD) {
        not_allowed(route, "GET, DELETE",
                    "what HEAD would say of a range is not known before it is read");
    } else if (deletes && (r->if_match.data || r->if_none_match.data)) {
        fail(route, 400, "If-Match and If-None-Match are for a key alone; see POST /_/txn");
    } else if (!(deletes ? http_query_end(&q)
                         : http_range_read_options(&q, &route->range, &route->stale))) {
        fail(route, 400, q.why);
    } else if (route->key->failed) {
        fail(route, 503, "out of memory");
    } else {
        set_range(route, &k);
        route->kind = deletes ? HTTP_ROUTE_RANGE_DELETE : HTTP_ROUTE_RANGE;
    }
    return true;
}

static bool key_parameters(const struct http_request *r, struct http_route *route)
{
    struct http_query q;
    bool no_prefix; /* prefix=false, or route_prefix() had taken it */
    if (r->query.len == 0) return true;
    if (http_query_init(&q, r->query, route->query)) {
        if (is_read(r)) {
            http_query_flag(&q, "prefix", &no_prefix);
            http_range_read_consistency(&q, &route->stale);
            http_query_u64(&q, "rev", &route->range.revision);
        }
        if (r->method == HTTP_METHOD_PUT) http_lease_parameters(&q, route);
    }
    if (http_query_end(&q)) return true;
    fail(route, 400, q.why);
    return false;
}

static bool key_conditions(const struct http_request *r, struct http_route *route)
{
    route->conditional = r->if_match.data || r->if_none_match.data;
    if (!route->conditional) return true;
    const char *why = http_conditions_read(r, &route->conditions);
    if (!why) return true;
    fail(route, 400, why);
    return false;
}

static void route_key(const struct http_request *r, const struct http_limits *limits,
                      bool is_number_too, struct http_route *route)
{
    if (r->method == HTTP_METHOD_POST || r->method == HTTP_METHOD_OTHER) {
        not_allowed(route, is_number_too ? allow_any : allow_key,
                    "not for keys: they take GET, PUT and DELETE; POST is for members, /<id>");
        return;
    }
    if (route_watch(r, route)) return;
    if (route->key->len > 0 && route_prefix(r, route)) return;
    if (route->key->len == 0) {
        fail(route, 400, "the key is empty");
        return;
    }
    if (!key_parameters(r, route) || !key_conditions(r, route)) return;
    if (r->method == HTTP_METHOD_PUT && r->body.len > limits->value_bytes_max) {
        fail(route, 413, "the value is too large");
        return;
    }
    switch (r->method) {
    case HTTP_METHOD_PUT: route->kind = HTTP_ROUTE_KEY_PUT; break;
    case HTTP_METHOD_DELETE: route->kind = HTTP_ROUTE_KEY_DELETE; break;
    default:
        route->range.kind = KV_OP_RANGE;
        route->range.key = buf_bytes(route->key);
        route->kind = route->range.revision > 0 ? HTTP_ROUTE_KEY_AT : HTTP_ROUTE_KEY_GET;
        break;
    }
}

static bool read_key(struct bytes raw, size_t bytes_max, struct http_route *route)
{
    switch (http_percent_decode(raw, bytes_max, route->key)) {
    case 0: return true;
    case MS_EINVAL: fail(route, 400, "a bad percent-escape in the path"); return false;
    case MS_ETOOBIG: fail(route, 414, "the key is too long"); return false;
    default: fail(route, 503, "out of memory"); return false;
    }
}

/* --- all of them --- */

static void route_root(const struct http_request *r, struct http_route *route)
{
    if (r->method == HTTP_METHOD_PUT || r->method == HTTP_METHOD_DELETE) {
        fail(route, 400, "the key is empty");
    } else if (!is_read(r)) {
        not_allowed(route, allow_read, "not for /: it can only be read");
    } else if (!route_watch(r, route) && !route_prefix(r, route) && no_parameters(r, route)) {
        route->kind = HTTP_ROUTE_ROOT;
    }
}

static void route_path(const struct http_request *r, struct bytes raw, const struct http_limits *limits,
                       struct http_route *route)
{
    const size_t prefix_len = sizeof kv_prefix - 1;
    bool changes_members = r->method == HTTP_METHOD_POST || r->method == HTTP_METHOD_DELETE;
    if (is_number(raw) && changes_members) {
        route_member(r, raw, route);
        return;
    }
    /* The prefix may be spelled with escapes, so it comes off after decoding. */
    if (!read_key(raw, limits->key_bytes_max + prefix_len, route)) return;
    struct buf *key = route->key;
    bool is_kv = begins_with(buf_bytes(key), kv_prefix);
    if (is_kv) buf_drop_front(key, prefix_len);
    if (key->len > limits->key_bytes_max) {
        fail(route, 414, "the key is too long");
    } else if (!is_kv && is_reserved(buf_bytes(key))) {
        route_reserved(r, raw, route);
    } else {
        route_key(r, limits, is_number(raw), route);
    }
}

void http_route(const struct http_request *r, const struct http_limits *limits,
                struct http_route *route)
{
    route->kind = 0;
    route->head = r->method == HTTP_METHOD_HEAD;
    route->member_id = 0;
    route->lease = route->ttl_s = route->limit = 0;
    route->force = route->lease_reads = false;
    route->stale = route->conditional = route->verbose = false;
    route->range = (struct kv_op){ 0 };
    route->revision = 0;
    route->url[0] = route->text[0] = 0;
    route->status = 0;
    route->allow = NULL;
    buf_clear(route->key);
    buf_clear(route->query);
    if (r->path.len == 0 || r->path.data[0] != '/') {
        fail(route, 400, "the path does not begin with a slash");
    } else if (r->query.len <= HTTP_QUERY_BYTES_MAX && !buf_reserve(route->query, r->query.len)) {
        /* Here, as http_query_init(), which needs no more, could only call it a bad request. */
        fail(route, 503, "out of memory");
    } else if (r->path.len == 1) {
        route_root(r, route);
    } else {
        route_path(r, bytes_of(r->path.data + 1, r->path.len - 1), limits, route);
    }
    MS_ASSERT(route->kind != 0);
}
