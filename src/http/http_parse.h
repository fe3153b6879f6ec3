/* http_parse.h: http-parser 2.9.4 behind a small face, so that llhttp can replace it (it has been
 * without a maintainer since 2020). http_parse.c alone includes its header, whose names (enum
 * http_method, HTTP_REQUEST) collide with those of http.h.
 *
 * It is given heads only, in whole lines that end with CRLF, each line once; bodies never reach it: in
 * Debian's build (HTTP_PARSER_STRICT=0) it takes any two bytes for the CRLF behind a chunk. So each
 * target, name and value comes in one piece, and is told as an offset from the beginning of the head,
 * because the buffer below may move between two runs. */
#ifndef HTTP_HTTP_PARSE_H
#define HTTP_HTTP_PARSE_H

#include "base/bytes.h"

enum http_parse_result {
    HTTP_PARSE_MORE = 0,
    HTTP_PARSE_END,     /* the empty line was seen; keep_alive, upgrade, status are set */
    HTTP_PARSE_STOPPED, /* a callback returned false */
    HTTP_PARSE_BAD,
    HTTP_PARSE_BAD_METHOD, /* a method it does not know */
    HTTP_PARSE_TOO_LARGE
};

struct http_span {
    size_t at, len;
};

/* Return false to stop. */
struct http_parse_ops {
    bool (*on_target)(void *arg, const uint8_t *head, struct http_span target); /* NULL: a response */
    bool (*on_header)(void *arg, const uint8_t *head, struct http_span name, struct http_span value);
};

struct http_parse {
    uint64_t parser[4]; /* struct http_parser */
    const struct http_parse_ops *ops;
    void *arg;
    const uint8_t *head;   /* during a run */
    struct http_span name; /* of the header whose value has not come yet */
    bool name_open, ended;
    bool keep_alive, upgrade; /* as http-parser reads Connection and Upgrade */
    int status;               /* of a response */
};

void http_parse_request(struct http_parse *p, const struct http_parse_ops *ops, void *arg);
void http_parse_response(struct http_parse *p, const struct http_parse_ops *ops, void *arg);
/* Go on with the lines head[from] to head[to]: an enum http_parse_result. Not again after anything but
 * MORE. */
int http_parse_run(struct http_parse *p, const uint8_t *head, size_t from, size_t to);

#endif
