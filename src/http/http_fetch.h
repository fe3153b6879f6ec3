/* http_fetch.h: a request of ours, and the answer to it as its bytes arrive: a body of any length, handed out in
 * pieces. Only what our own members send is taken: a length, or exactly chunks, or a status without a body. */
#ifndef HTTP_HTTP_FETCH_H
#define HTTP_HTTP_FETCH_H

#include "http/http_chunks.h"
#include "http/http_parse.h"

#define HTTP_FETCH_HEAD_BYTES_MAX (16u << 10)

struct http_fetch_header {
    const char *name, *value;
};

struct http_fetch_request {
    const char *method, *host, *path;
    uint16_t port;
    const struct http_fetch_header *headers;
    uint32_t header_count;
    bool has_body;
    size_t body_bytes;
};
/* Append the head of a request; the body follows it. False: the method, the path or a header has bytes that do not
 * belong there, and would make another request of it. */
bool http_fetch_request(struct buf *out, const struct http_fetch_request *r);

struct http_fetch {
    struct http_parse parse;
    struct http_chunks chunks;
    int status;   /* 0: the head is not complete yet */
    bool no_body; /* it answers HEAD */
    bool chunked, has_length, bad;
    uint64_t length; /* what is left of it */
    /* NULL, or set behind init: told each header, borrowed. Of a head that turns out bad, too. */
    void (*on_header)(void *arg, struct bytes name, struct bytes value);
    void *arg;
};

/* no_body: the request was HEAD. */
void http_fetch_init(struct http_fetch *f, bool no_body);
/* Go on with bytes, which are changed. *used: as many are done with; before the head is complete (status 0)
 * none, and the same bytes and more are handed in again. *body: a piece of it, borrowed from bytes.
 * 0; MS_EEND: the body is complete; MS_EPROTO: this is no answer of a member. */
int http_fetch_next(struct http_fetch *f, uint8_t *bytes, size_t len, size_t *used, struct bytes *body);

#endif
