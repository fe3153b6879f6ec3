/* rt_http.h: one request to one endpoint, with blocking sockets and a limit on every wait. What stands above
 * it, many endpoints and what may be asked twice, is rt_http.c. */
#ifndef RT_RT_HTTP_H
#define RT_RT_HTTP_H

#include "format/buf.h"
#include "format/config.h"
#include "http/http_fetch.h"
#include "metastore/client.h"

struct rt_http_endpoint {
    char url[MS_URL_BYTES_MAX + 16]; /* http://host:port */
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
};
/* Of len bytes, where http:// may be missing. MS_EINVAL with why. */
int rt_http_endpoint_parse(struct rt_http_endpoint *e, const char *text, size_t len, char *why);

struct rt_http_exchange {
    /* What is asked; borrowed. */
    const struct rt_http_endpoint *endpoint;
    const struct ms_http_request *request;
    uint64_t connect_by_ms, answer_by_ms; /* of rt_clock_ms() */
    uint32_t idle_ms; /* between pieces of a body that is streamed; it may outlast answer_by_ms */
    char *why;        /* MS_WHY_BYTES */
    /* What became of it. */
    struct buf head,
        body; /* of the answer: its headers, each "name\0value\0"; its body, if that is not streamed */
    int status;    /* 0: no head of an answer has come */
    bool sent;     /* to its end: it may have been carried out */
    bool streamed; /* on_body was called */
    /* The inside. */
    int fd;
    struct http_fetch fetch;
    uint8_t *input;
    size_t input_len;
};

/* body_bytes_max: of a body that is not streamed. MS_ENOMEM. */
int rt_http_exchange_init(struct rt_http_exchange *x, size_t body_bytes_max);
void rt_http_exchange_fini(struct rt_http_exchange *x);
/* Run it; may be run again. 0: the whole answer has come; MS_EADDR, MS_ETIMEOUT, MS_ESHORT (broke off in the body),
 * MS_EPROTO, MS_ETOOBIG, MS_ENOMEM, MS_EINVAL, or what on_body said. */
int rt_http_exchange_run(struct rt_http_exchange *x);

#endif
