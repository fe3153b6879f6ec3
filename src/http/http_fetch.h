/* http_fetch.h: the answer to a GET of ours, as its bytes arrive: a body of any length, handed out in pieces.
 * Only what our own members send is taken: a length, or exactly chunks. */
#ifndef HTTP_HTTP_FETCH_H
#define HTTP_HTTP_FETCH_H

#include "http/http_chunks.h"
#include "http/http_parse.h"

#define HTTP_FETCH_HEAD_BYTES_MAX (16u << 10)

struct http_fetch {
    struct http_parse parse;
    struct http_chunks chunks;
    int status; /* 0: the head is not complete yet */
    bool chunked, has_length, bad;
    uint64_t length; /* what is left of it */
};

void http_fetch_init(struct http_fetch *f);
/* Append the request. */
void http_fetch_request(struct buf *out, const char *host, uint16_t port, const char *path);
/* Go on with bytes, which are changed. *used: as many are done with; before the head is complete (status 0)
 * none, and the same bytes and more are handed in again. *body: a piece of it, borrowed from bytes.
 * 0; MS_EEND: the body is complete; MS_EPROTO: this is no answer of a member. */
int http_fetch_next(struct http_fetch *f, uint8_t *bytes, size_t len, size_t *used, struct bytes *body);

#endif
