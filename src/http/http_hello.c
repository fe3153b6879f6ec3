/* http_hello.c: the upgrade with which a connection between members begins (DESIGN 7), both sides.
 *
 *   GET /_/peer HTTP/1.1                         HTTP/1.1 101 Switching Protocols
 *   Host: host:port                              Connection: Upgrade
 *   Connection: Upgrade                          Upgrade: metastore-peer
 *   Upgrade: metastore-peer                      and the same seven headers, of the one who answers
 *   Metastore-Versions: 1-1
 *   Metastore-Cluster: 32 hexadecimal digits
 *   Metastore-Member: 1        who speaks
 *   Metastore-To: 2            whom it means
 *   Metastore-Added: 17
 *   Metastore-Nonce: 32 hexadecimal digits
 *   Metastore-Url: http://host:port        where the one who speaks is dialed
 *   Metastore-Stream: snapshot             only of a connection that is for a snapshot
 *
 * Who was removed hears 410 with Upgrade, Metastore-Cluster, Metastore-Member and Metastore-To. With
 * less than these a 410 says nothing: a proxy, or another service on a reused address, may give it.
 *
 * Each header stands there once, in one spelling: what is read and written again has the same bytes.
 * Headers of other names are skipped: a later version may say more. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/config.h"
#include "http/http_private.h"
#include "http/http_text.h"

#define HELLO_PATH "/_/peer"
#define HELLO_PROTOCOL "metastore-peer"
#define HELLO_ANSWER_HEAD_BYTES_MAX (8u << 10)
#define HELLO_ANSWER_BODY_BYTES_MAX (4u << 10)
#define HEX16_BYTES 32u
#define VERSIONS_BYTES_MAX 24u

#define HELLO_STREAM "snapshot"

enum field { VERSIONS, CLUSTER, MEMBER, TO, ADDED, NONCE, URL, STREAM, FIELD_COUNT };
#define FIELDS_ALL ((1u << FIELD_COUNT) - 1)
#define FIELDS_REQUIRED (FIELDS_ALL & ~(1u << STREAM))
#define FIELDS_REMOVED (1u << CLUSTER | 1u << MEMBER | 1u << TO)

static const char *const field_names[FIELD_COUNT] = {
    "Metastore-Versions", "Metastore-Cluster", "Metastore-Member", "Metastore-To",
    "Metastore-Added",    "Metastore-Nonce",   "Metastore-Url",    "Metastore-Stream",
};
static const char *const field_missing[FIELD_COUNT] = {
    "the header Metastore-Versions is missing", "the header Metastore-Cluster is missing",
    "the header Metastore-Member is missing",   "the header Metastore-To is missing",
    "the header Metastore-Added is missing",    "the header Metastore-Nonce is missing",
    "the header Metastore-Url is missing",      "the header Metastore-Stream is missing",
};
static const char *const field_malformed[FIELD_COUNT] = {
    "the header Metastore-Versions is malformed or repeated",
    "the header Metastore-Cluster is malformed or repeated",
    "the header Metastore-Member is malformed or repeated",
    "the header Metastore-To is malformed or repeated",
    "the header Metastore-Added is malformed or repeated",
    "the header Metastore-Nonce is malformed or repeated",
    "the header Metastore-Url is malformed or repeated",
    "the header Metastore-Stream is malformed or repeated",
};

/* --- writing --- */

struct hello_text {
    char versions[VERSIONS_BYTES_MAX], cluster[HEX16_BYTES + 1], nonce[HEX16_BYTES + 1];
    char member[HTTP_TEXT_U64_BYTES_MAX + 1], to[HTTP_TEXT_U64_BYTES_MAX + 1];
    char added[HTTP_TEXT_U64_BYTES_MAX + 1];
};

static void hex16(char out[HEX16_BYTES + 1], const uint8_t id[16])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = digits[id[i] >> 4];
        out[2 * i + 1] = digits[id[i] & 15];
    }
    out[HEX16_BYTES] = 0;
}

static void decimal(char out[HTTP_TEXT_U64_BYTES_MAX + 1], uint64_t v)
{
    out[http_text_from_u64((uint8_t *)out, v)] = 0;
}

static bool id_valid(uint64_t id)
{
    return id >= 1 && id <= MS_MEMBER_ID_MAX;
}

static bool url_valid(const char *url)
{
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    return config_url_parse(url, host, sizeof host, &port) == 0;
}

/* Returns how many headers: the last one stands there only for a stream. */
static uint32_t text_of(const struct http_hello *h, struct hello_text *t,
                        struct http_header out[FIELD_COUNT])
{
    MS_ASSERT(h->version_min >= 1 && h->version_min <= h->version_max);
    MS_ASSERT(id_valid(h->member_id) && id_valid(h->to_id));
    MS_ASSERT(url_valid(h->url));
    snprintf(t->versions, sizeof t->versions, "%u-%u", (unsigned)h->version_min,
             (unsigned)h->version_max);
    hex16(t->cluster, h->cluster_uuid);
    hex16(t->nonce, h->nonce);
    decimal(t->member, h->member_id);
    decimal(t->to, h->to_id);
    decimal(t->added, h->added_index);
    const char *const values[FIELD_COUNT] = { t->versions, t->cluster, t->member, t->to,
                                              t->added,    t->nonce,   h->url,    HELLO_STREAM };
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        out[i] = (struct http_header){ .name = field_names[i], .value = values[i] };
    }
    return h->snapshots ? FIELD_COUNT : FIELD_COUNT - 1;
}
static_assert(STREAM == FIELD_COUNT - 1, "what may be left out stands last");

void http_hello_request(struct buf *out, const char *host, uint16_t port, const struct http_hello *h)
{
    struct hello_text text;
    struct http_header fields[FIELD_COUNT];
    bool is_ipv6 = strchr(host, ':') != NULL;
    MS_ASSERT(strlen(host) <= MS_URL_BYTES_MAX);
    uint32_t count = text_of(h, &text, fields);
    buf_append_text(out, "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\n", HELLO_PATH, is_ipv6 ? "[" : "", host,
                    is_ipv6 ? "]" : "", (unsigned)port);
    buf_append_text(out, "Connection: Upgrade\r\nUpgrade: %s\r\n", HELLO_PROTOCOL);
    for (uint32_t i = 0; i < count; i++) {
        buf_append_text(out, "%s: %s\r\n", fields[i].name, fields[i].value);
    }
    buf_append(out, "\r\n", 2);
}

void http_hello_accept(struct http_conn *c, const struct http_hello *h)
{
    struct hello_text text;
    struct http_header headers[2 + FIELD_COUNT] = { { "Connection", "Upgrade" },
                                                    { "Upgrade", HELLO_PROTOCOL } };
    uint32_t count = text_of(h, &text, headers + 2);
    http_conn_answer(
        c, &(struct http_answer){ .status = 101, .headers = headers, .header_count = 2 + count });
}

void http_hello_removed(struct http_conn *c, const struct http_hello *h, struct bytes body)
{
    struct hello_text text;
    struct http_header fields[FIELD_COUNT];
    text_of(h, &text, fields);
    const struct http_header headers[] = {
        { "Upgrade", HELLO_PROTOCOL }, fields[CLUSTER], fields[MEMBER], fields[TO]
    };
    http_conn_answer(c, &(struct http_answer){ .status = 410,
                                               .content_type = "text/plain",
                                               .body = body,
                                               .headers = headers,
                                               .header_count = sizeof headers / sizeof headers[0],
                                               .close = true });
}

/* --- reading --- */

static bool read_number(struct bytes text, uint64_t *out)
{
    if (text.len > 1 && text.data[0] == '0') return false; /* one spelling */
    return http_text_u64(text, out);
}

static bool read_id(struct bytes text, uint64_t *out)
{
    return read_number(text, out) && id_valid(*out);
}

static bool read_versions(struct bytes text, struct http_hello *h)
{
    const uint8_t *dash = text.len ? memchr(text.data, '-', text.len) : NULL;
    if (!dash) return false;
    size_t at = (size_t)(dash - text.data);
    uint64_t min, max;
    if (!read_number(bytes_of(text.data, at), &min)) return false;
    if (!read_number(bytes_of(dash + 1, text.len - at - 1), &max)) return false;
    if (min < 1 || min > max || max > UINT32_MAX) return false;
    h->version_min = (uint32_t)min;
    h->version_max = (uint32_t)max;
    return true;
}

static bool read_hex16(struct bytes text, uint8_t out[16])
{
    if (text.len != HEX16_BYTES) return false;
    for (size_t i = 0; i < 16; i++) {
        uint8_t a = text.data[2 * i], b = text.data[2 * i + 1];
        if ((a >= 'A' && a <= 'F') || (b >= 'A' && b <= 'F')) return false; /* one spelling */
        int high = http_text_hex(a), low = http_text_hex(b);
        if (high < 0 || low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A head holds no NUL (HTTP_CHAR_VALUE). */
static bool read_url(struct bytes text, char out[MS_URL_BYTES_MAX + 1])
{
    if (text.len == 0 || text.len > MS_URL_BYTES_MAX) return false;
    memcpy(out, text.data, text.len);
    out[text.len] = 0;
    return url_valid(out);
}

static bool read_stream(struct bytes text, struct http_hello *h)
{
    h->snapshots = bytes_equal(text, bytes_of_str(HELLO_STREAM));
    return h->snapshots;
}

static bool read_field(enum field field, struct bytes value, struct http_hello *h)
{
    switch (field) {
    case VERSIONS: return read_versions(value, h);
    case CLUSTER: return read_hex16(value, h->cluster_uuid);
    case MEMBER: return read_id(value, &h->member_id);
    case TO: return read_id(value, &h->to_id);
    case ADDED: return read_number(value, &h->added_index);
    case NONCE: return read_hex16(value, h->nonce);
    case URL: return read_url(value, h->url);
    case STREAM: return read_stream(value, h);
    case FIELD_COUNT: break;
    }
    MS_UNREACHABLE();
}

/* wanted: a bit for each field that is looked at; required: for each that has to be there. */
static int read_fields(struct bytes head, unsigned wanted, unsigned required, struct http_hello *out,
                       const char **why)
{
    struct http_hello hello = { 0 };
    bool seen[FIELD_COUNT] = { false };
    size_t at = 0;
    struct bytes name, value;
    while (http_head_header(head, &at, &name, &value)) {
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            if (!(wanted >> i & 1) || !http_text_equal(name, field_names[i])) continue;
            if (seen[i] || !read_field((enum field)i, value, &hello)) {
                *why = field_malformed[i];
                return MS_EPROTO;
            }
            seen[i] = true;
        }
    }
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if ((required >> i & 1) && !seen[i]) {
            *why = field_missing[i];
            return MS_EPROTO;
        }
    }
    *out = hello;
    return 0;
}

int http_hello_from_request(const struct http_conn *c, struct http_hello *out, const char **why)
{
    const struct http_request *r = http_conn_request(c);
    MS_ASSERT(r != NULL);
    *why = NULL;
    if (r->method != HTTP_METHOD_GET || !bytes_equal(r->target, bytes_of_str(HELLO_PATH))) {
        *why = "only members speak here: GET " HELLO_PATH;
    } else if (c->head.is_1_0 || !r->keep_alive || !http_text_equal(r->upgrade, HELLO_PROTOCOL)) {
        *why = "only members speak here: Upgrade: " HELLO_PROTOCOL;
    } else if (r->body.len) {
        *why = "a hello has no body";
    }
    if (*why) return MS_EPROTO;
    return read_fields(bytes_of(c->in.data + c->at, c->head_len), FIELDS_ALL, FIELDS_REQUIRED, out,
                       why);
}

/* --- the answer to our hello --- */

struct answer_head {
    struct http_lines lines;
    struct http_parse parse;
    bool is_ours, has_length, is_coded;
    uint64_t length;
};

static bool on_answer_header(void *arg, const uint8_t *head, struct http_span name_span,
                             struct http_span value_span)
{
    struct answer_head *h = arg;
    struct bytes name = bytes_of(head + name_span.at, name_span.len);
    struct bytes value = http_text_trim(bytes_of(head + value_span.at, value_span.len));
    if (!http_text_is(name, HTTP_CHAR_TOKEN) || !http_text_is(value, HTTP_CHAR_VALUE)) return false;
    if (http_text_equal(name, "Upgrade")) h->is_ours = http_text_equal(value, HELLO_PROTOCOL);
    if (http_text_equal(name, "Transfer-Encoding")) h->is_coded = true;
    if (http_text_equal(name, "Content-Length")) {
        if (h->has_length || !http_text_u64(value, &h->length)) return false;
        h->has_length = true;
    }
    return true;
}

/* The first line of a refusal, made fit for a log line. */
static void take_line(struct bytes body, char *out, size_t cap)
{
    size_t n = 0;
    while (n < body.len && n < cap - 1 && body.data[n] != '\n' && body.data[n] != '\r') {
        out[n] = body.data[n] < ' ' || body.data[n] > '~' ? '?' : (char)body.data[n];
        n++;
    }
    out[n] = 0;
}

/* A 410 is believed only with all that a member says with it. */
static void take_removal(const struct answer_head *h, struct bytes head, struct http_hello_answer *out)
{
    static const uint8_t unknown[sizeof out->cluster_uuid];
    struct http_hello by;
    const char *why;
    if (h->parse.status != 410 || !h->is_ours) return;
    if (read_fields(head, FIELDS_REMOVED, FIELDS_REMOVED, &by, &why) < 0) return;
    if (memcmp(by.cluster_uuid, unknown, sizeof unknown) == 0) return;
    out->removed = true;
    memcpy(out->cluster_uuid, by.cluster_uuid, sizeof out->cluster_uuid);
    out->member_id = by.member_id;
    out->to_id = by.to_id;
}

/* A refusal that comes in chunks, or ends with the connection, is no member's: its text is left out. */
static int64_t take_refusal(const struct answer_head *h, struct bytes in, struct http_hello_answer *out)
{
    size_t head_len = h->lines.at;
    size_t body_len = h->has_length && !h->is_coded ? (size_t)h->length : 0;
    if (h->length > HELLO_ANSWER_BODY_BYTES_MAX || h->parse.status < 200) return MS_EPROTO;
    if (in.len - head_len < body_len) return 0;
    *out = (struct http_hello_answer){ .status = h->parse.status };
    take_removal(h, bytes_of(in.data, head_len), out);
    take_line(bytes_of(in.data + head_len, body_len), out->text, sizeof out->text);
    return (int64_t)(head_len + body_len);
}

int64_t http_hello_answer_parse(struct bytes in, struct http_hello_answer *out)
{
    static const struct http_parse_ops ops = { .on_header = on_answer_header };
    struct answer_head h = { 0 };
    struct http_refusal bad;
    http_parse_response(&h.parse, &ops, &h);
    enum http_progress progress = http_lines_next(&h.lines, in, HELLO_ANSWER_HEAD_BYTES_MAX, &bad);
    if (progress == HTTP_PROGRESS_REFUSED) return MS_EPROTO;
    int result = h.lines.at ? http_parse_run(&h.parse, in.data, 0, h.lines.at) : HTTP_PARSE_MORE;
    if (result > HTTP_PARSE_END) return MS_EPROTO;
    if ((progress == HTTP_PROGRESS_DONE) != (result == HTTP_PARSE_END)) return MS_EPROTO;
    if (progress == HTTP_PROGRESS_MORE) return 0;
    if (h.parse.status != 101) return take_refusal(&h, in, out);
    struct http_hello hello;
    const char *why;
    if (!h.is_ours || !h.parse.upgrade) return MS_EPROTO;
    struct bytes head = bytes_of(in.data, h.lines.at);
    if (read_fields(head, FIELDS_ALL, FIELDS_REQUIRED, &hello, &why) < 0) return MS_EPROTO;
    *out = (struct http_hello_answer){ .status = 101, .hello = hello };
    return (int64_t)h.lines.at;
}
