/* http_private.h: the inside of a connection, shared by http_conn.c, http_answer.c and http_hello.c. */
#ifndef HTTP_HTTP_PRIVATE_H
#define HTTP_HTTP_PRIVATE_H

#include "http/http_chunks.h"
#include "http/http_head.h"

/* Buffers larger than this are given back after use. */
#define HTTP_KEPT_BYTES_MAX (64u << 10)

enum http_conn_state {
    HTTP_CONN_HEAD,   /* waiting for a head, or inside one */
    HTTP_CONN_BODY,   /* inside a body of known length */
    HTTP_CONN_CHUNKS, /* inside a body of chunks */
    HTTP_CONN_OUT,    /* a request is out */
    HTTP_CONN_CLOSED, /* the last answer is in the output */
    HTTP_CONN_UPGRADED
};

/* The request that is read or out begins at in.data[at]; positions in head and chunks count from there.
 *   W1  while a request is out, in does not move: the request borrows from it, and input goes to behind
 *   W2  behind holds what arrived after the bytes of in */
struct http_conn {
    const struct ms_alloc *alloc;
    struct http_conn_opts opts;
    enum http_conn_state state;
    bool streaming;    /* OUT: its answer has begun */
    bool crlf_skipped; /* the empty line that may stand before a request */
    struct buf in, behind, out;
    size_t at;
    size_t head_len, used; /* of the request; used: head and body as they were sent */
    struct http_head head;
    struct http_chunks chunks;
    struct http_request request;
    struct buf joined; /* lists that the request has in several lines */
};

/* After an answer was queued. */
void http_conn_close(struct http_conn *c);
void http_conn_upgrade(struct http_conn *c);
void http_conn_finish_request(struct http_conn *c);
/* Give memory above HTTP_KEPT_BYTES_MAX back when little of it is in use. */
void http_buf_trim(struct buf *b);
/* Append to the output, all of it or nothing: false, and the output is as before. */
bool http_conn_put(struct http_conn *c, const void *data, size_t len);

#endif
