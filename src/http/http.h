/* http.h: HTTP/1.1 without sockets: bytes in, requests out; answers in, bytes out. http-parser is
 * behind http_parse.c alone, so that another parser can replace it; what it lets pass is refused in
 * http_head.c and http_chunks.c (TOOLBOX 3).
 *
 *   H1  at most one request of a connection is out at a time; bytes behind it wait in the connection,
 *       bounded by HTTP_INPUT_BYTES_MAX and one input more, and the caller is told to stop reading
 *   H2  every request gets exactly one answer, in order; after an answer with close nothing more is
 * read H3  malformed input gets an answer with its status and one line, then close; never a crash */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/bytes.h"
#include "base/limits.h"
#include "env/alloc.h"
#include "format/buf.h"
#include "format/config.h"
#include "kv/kv_cmd.h"

#define HTTP_HEADER_BYTES_MAX (80u << 10) /* request line and headers */
#define HTTP_HEADERS_MAX 100u
#define HTTP_INPUT_BYTES_MAX (64u << 10) /* unparsed bytes kept behind a request */
/* A raw path can carry any key of MS_KEY_BYTES_MAX only if it needs no escapes; longer: 414. */
#define HTTP_PATH_BYTES_MAX (72u << 10)

enum http_method {
    HTTP_METHOD_GET = 1,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_PUT,
    HTTP_METHOD_POST,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OTHER
};

/* Valid until it is answered. All borrowed from the connection. */
struct http_request {
    enum http_method method;
    struct bytes target; /* as sent */
    struct bytes path;   /* of target, before '?', still encoded */
    struct bytes query;  /* behind '?', may be empty */
    bool has_query;
    struct bytes body;
    bool keep_alive;
    struct bytes upgrade; /* value of Upgrade, empty if none */
    /* Values of headers that routes ask for; data NULL: not there. Of those that are lists and were sent in
     * several lines: these as one list (RFC 9110, 5.3). */
    struct bytes accept, if_match, if_none_match;
    struct bytes last_event_id; /* twice: 400 */
};

struct http_conn; /* opaque */
struct http_conn_opts {
    size_t body_bytes_max; /* above it: 413 */
    /* NULL, or told of each answer when it is queued, refusals of malformed input too; of one whose length is
     * not known, when it begins. */
    void (*on_answer)(void *arg, int status);
    void *arg;
};

int http_conn_create(struct http_conn **out, const struct http_conn_opts *opts,
                     const struct ms_alloc *alloc);
void http_conn_destroy(struct http_conn *c);

enum http_event {
    HTTP_NEED_MORE = 0, /* all input is used up, no request yet */
    HTTP_REQUEST,       /* http_conn_request() has one; answer it, then call http_conn_next() */
    HTTP_REFUSED,       /* malformed: an answer was queued in the output; flush it, then close */
    HTTP_CLOSED         /* the last answer said close: flush, close; all input is discarded */
};
/* Hand in bytes that arrived, copied, any number. While a request is out they are kept (H1): MS_EBUSY
 * would mean that the caller went on reading although http_conn_wants_input() was false. MS_ENOMEM:
 * close. Behind an answer with close they are dropped. */
int http_conn_input(struct http_conn *c, struct bytes in);
bool http_conn_wants_input(const struct http_conn *c);
/* Go on with what is buffered: an enum http_event, or MS_ENOMEM: close. Call after input and after each
 * answer; the output may have grown after any event ("100 Continue"). While a request is out, it is
 * told once: from then on this is HTTP_NEED_MORE until it is answered. HTTP_REFUSED is told once, then
 * HTTP_CLOSED. */
int http_conn_next(struct http_conn *c);
/* NULL if none is out. */
const struct http_request *http_conn_request(const struct http_conn *c);
/* Bytes of memory that it holds for input and output. */
size_t http_conn_memory(const struct http_conn *c);
bool http_conn_in_request(const struct http_conn *c); /* bytes of an unfinished request have arrived */

struct http_header {
    const char *name, *value;
};
struct http_answer {
    int status;               /* 100..599 */
    const char *content_type; /* NULL: none */
    struct bytes body; /* left out for HEAD, 204; its length is announced all the same for HEAD */
    const struct http_header *headers;
    uint32_t header_count;
    bool close;
};
/* Answer the request that is out; bytes are appended to the output. If none is out (408 in the middle
 * of one, 503 to a connection too many) the answer closes. Not after HTTP_REFUSED, HTTP_CLOSED or 101.
 * If memory is refused the answer is left out whole, and the connection closes. */
void http_conn_answer(struct http_conn *c, const struct http_answer *a);
/* Error answers: a body of one line (a newline is added), text/plain. */
void http_conn_answer_text(struct http_conn *c, int status, const char *line);
/* An answer 200 whose length is not known: begin, any number of parts, end; then it closes. In chunks, or, for
 * HTTP/1.0, up to the end of the connection. Who closes it before the end has told the client that something
 * is missing, if it speaks 1.1. begin and part: false if memory was refused, and nothing was queued. */
bool http_conn_stream_begin(struct http_conn *c, const char *content_type,
                            const struct http_header *headers, uint32_t header_count);
bool http_conn_stream_part(struct http_conn *c, struct bytes part);
bool http_conn_stream_parts(struct http_conn *c, const struct bytes *parts, uint32_t count); /* as one */
void http_conn_stream_end(struct http_conn *c);
/* What has to be sent; when it is, http_conn_sent() clears it and gives large memory back. */
struct buf *http_conn_output(struct http_conn *c);
void http_conn_sent(struct http_conn *c);
/* After the answer 101: no HTTP from here on. Hands out what arrived behind the request. */
void http_conn_take_rest(struct http_conn *c, struct buf *out);

const char *http_status_text(int status); /* "No Content"; never NULL */

/* --- conditions: http_etag.c --- */

/* What a request demands of the state it finds: If-Match, If-None-Match (RFC 9110, 13). The entity tag of a key is
 * the revision at which it was written last, in quotes: "17". Any other tag is one that no key has, and is no
 * mistake; a header that is no list of tags is one. */
#define HTTP_ETAGS_MAX 32u /* in one header */
struct http_condition {
    bool given, any; /* any: "*" */
    uint32_t count;  /* of revisions that a key can have */
    uint64_t revisions[HTTP_ETAGS_MAX];
};
struct http_conditions {
    struct http_condition match, none_match;
};
/* NULL; or what is wrong, a static line: 400. */
const char *http_conditions_read(const struct http_request *r, struct http_conditions *out);

enum http_verdict {
    HTTP_VERDICT_GO = 1,
    HTTP_VERDICT_NOT_MODIFIED, /* a read, by If-None-Match: 304 */
    HTTP_VERDICT_FAILED        /* 412 */
};
/* Of a key last written at mod_revision; 0: there is no such key. */
enum http_verdict http_conditions_judge(const struct http_conditions *c, bool is_read,
                                        uint64_t mod_revision);

/* --- router: what a client's request asks for (SPEC 3) --- */
enum http_route_kind {
    HTTP_ROUTE_ERROR = 1, /* status, text, allow */
    HTTP_ROUTE_ROOT,      /* GET /: http_root_text */
    HTTP_ROUTE_STATUS,    /* GET /status */
    HTTP_ROUTE_KEY_GET,
    HTTP_ROUTE_KEY_PUT,
    HTTP_ROUTE_KEY_DELETE,    /* key */
    HTTP_ROUTE_MEMBER_ADD,    /* member_id, url in text */
    HTTP_ROUTE_MEMBER_REMOVE, /* member_id, force */
    HTTP_ROUTE_MEMBERS_GET,   /* GET /_/members */
    HTTP_ROUTE_MEMBERS_SET,   /* wanted, force */
    HTTP_ROUTE_TRANSFER,      /* member_id, 0: nobody was named */
    HTTP_ROUTE_SETTINGS_GET,  /* GET /_/settings */
    HTTP_ROUTE_SETTINGS_SET,  /* lease_reads */
    HTTP_ROUTE_HEALTH,        /* GET /health, /livez, /readyz: verbose */
    HTTP_ROUTE_LIVEZ,
    HTTP_ROUTE_READYZ,
    HTTP_ROUTE_VERSION,
    HTTP_ROUTE_METRICS,
    HTTP_ROUTE_SNAPSHOT,      /* GET /_/snapshot: a backup */
    HTTP_ROUTE_WATCH,         /* watches */
    HTTP_ROUTE_LEASE_GRANT,   /* ttl_s, lease (0: none was named) */
    HTTP_ROUTE_LEASES_GET,    /* those above the id lease, at most limit */
    HTTP_ROUTE_LEASE_GET,     /* lease, as the next ones */
    HTTP_ROUTE_LEASE_KEEP_ALIVE,
    HTTP_ROUTE_LEASE_REVOKE,
    HTTP_ROUTE_RANGE,         /* range, stale */
    HTTP_ROUTE_KEY_AT,        /* GET /<key>?rev=N: range is of that key alone; stale */
    HTTP_ROUTE_RANGE_DELETE,  /* key and range_end of range */
    HTTP_ROUTE_TXN,           /* POST /_/txn: the body is still to be read (http_txn.h) */
    HTTP_ROUTE_COMPACT        /* revision */
};
struct http_watches; /* http_watch.h */
struct http_route {
    enum http_route_kind kind;
    bool head;       /* HEAD: as GET, without body */
    struct buf *key; /* the caller's, filled with the decoded key */
    /* MEMBERS_SET: the caller's, filled with voters; an empty URL: of a member that is known. */
    struct config *wanted;
    struct http_watches *watches; /* WATCH: the caller's */
    uint64_t member_id;
    bool force, lease_reads;
    struct buf *query; /* the caller's: what was read from the query is borrowed from it */
    bool verbose;      /* HEALTH, LIVEZ, READYZ: tell each check */
    bool stale;        /* KEY_GET, KEY_AT, RANGE: the state of this member, as it is */
    struct kv_op range; /* KEY_AT, RANGE, RANGE_DELETE; borrows from key */
    uint64_t revision;  /* COMPACT */
    bool conditional;  /* KEY_*: conditions is set, and says something */
    struct http_conditions conditions;
    uint64_t lease, ttl_s; /* KEY_PUT: ?lease=, ?ttl=; 0: not there */
    uint64_t limit;
    char url[MS_URL_BYTES_MAX + 1];
    int status;
    const char *allow; /* ERROR 405: value of Allow */
    char text[256];    /* ERROR: one line a person can act on */
};
struct http_limits {
    size_t key_bytes_max, value_bytes_max;
};
/* route->key (which holds a key and the end of a range), route->query, route->wanted and route->watches are set by the caller before; what key held is cleared, query is
 * touched if there is one, and wanted by POST /_/members only. */
void http_route(const struct http_request *r, const struct http_limits *limits,
                struct http_route *route);

/* What GET / says: a few lines. */
extern const char http_root_text[];

/* --- upgrade between members (DESIGN 7) --- */
struct http_hello {
    uint32_t version_min, version_max; /* of the peer protocol */
    uint8_t cluster_uuid[16];          /* zero: not known yet */
    uint64_t member_id, to_id;         /* who is calling, whom it means to call */
    uint64_t added_index;              /* of the caller; 0: not known yet */
    uint8_t nonce[16];                 /* of the caller's data directory */
    char url[MS_URL_BYTES_MAX + 1];    /* of the caller, which always knows it */
    bool snapshots;                    /* the connection is for a snapshot and nothing else */
};
/* Append the request that asks host to speak the peer protocol. */
void http_hello_request(struct buf *out, const char *host, uint16_t port, const struct http_hello *h);
/* Read a hello from a request on the peer listener. MS_EPROTO, and *why says what is missing. */
int http_hello_from_request(const struct http_conn *c, struct http_hello *out, const char **why);
/* Answer 101 with our own hello. */
void http_hello_accept(struct http_conn *c, const struct http_hello *h);
/* Answer 410 and close: h->to_id was removed from the cluster, says h->member_id. body: one line. */
void http_hello_removed(struct http_conn *c, const struct http_hello *h, struct bytes body);
/* The answer to a hello request, as its bytes arrive: returns bytes used up to the end of its headers
 * (and body, for a refusal), 0: more is needed, MS_EPROTO. */
struct http_hello_answer {
    int status; /* 101: hello is set, what follows are frames */
    struct http_hello hello;
    /* Status 410 with all that http_hello_removed() says: member_id says that to_id was removed from
     * its cluster, whose uuid is not zero. The reader judges whether it is meant. */
    bool removed;
    uint8_t cluster_uuid[16];
    uint64_t member_id, to_id;
    char text[200]; /* a refusal's line */
};
int64_t http_hello_answer_parse(struct bytes in, struct http_hello_answer *out);

#endif
