/* http_parse.c: see http_parse.h. */
#include "http/http_parse.h"

#include <assert.h>
#include <http_parser.h>

#include "base/ms_assert.h"

static_assert(sizeof(struct http_parser) <= sizeof((struct http_parse *)0)->parser, "it fits its room");

static struct http_parser *parser_of(struct http_parse *p)
{
    return (struct http_parser *)p->parser;
}

static struct http_span span_of(const struct http_parse *p, const char *at, size_t len)
{
    return (struct http_span){ .at = (size_t)((const uint8_t *)at - p->head), .len = len };
}

static int on_url(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *p = parser->data;
    return p->ops->on_target(p->arg, p->head, span_of(p, at, len)) ? 0 : 1;
}

static int on_field(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *p = parser->data;
    if (p->name_open) return 1; /* in two pieces: then our lines were not its lines */
    p->name = span_of(p, at, len);
    p->name_open = true;
    return 0;
}

static int on_value(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *p = parser->data;
    if (!p->name_open) return 1; /* a folded line */
    p->name_open = false;
    return p->ops->on_header(p->arg, p->head, p->name, span_of(p, at, len)) ? 0 : 1;
}

/* 1 tells http-parser that no body follows: bodies are ours. upgrade would make it stop by itself. */
static int on_headers_complete(struct http_parser *parser)
{
    struct http_parse *p = parser->data;
    p->keep_alive = http_should_keep_alive(parser) && !(parser->flags & F_CONNECTION_CLOSE);
    p->upgrade = (parser->flags & F_UPGRADE) && (parser->flags & F_CONNECTION_UPGRADE);
    p->status = (int)parser->status_code;
    parser->upgrade = 0;
    return 1;
}

static int on_message_complete(struct http_parser *parser)
{
    struct http_parse *p = parser->data;
    p->ended = true;
    return 0;
}

static const struct http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

static void begin(struct http_parse *p, enum http_parser_type type, const struct http_parse_ops *ops,
                  void *arg)
{
    *p = (struct http_parse){ .ops = ops, .arg = arg };
    http_parser_init(parser_of(p), type);
}

void http_parse_request(struct http_parse *p, const struct http_parse_ops *ops, void *arg)
{
    begin(p, HTTP_REQUEST, ops, arg);
}

void http_parse_response(struct http_parse *p, const struct http_parse_ops *ops, void *arg)
{
    begin(p, HTTP_RESPONSE, ops, arg);
}

static int result_of(enum http_errno error)
{
    switch (error) {
    case HPE_CB_url:
    case HPE_CB_header_value: return HTTP_PARSE_STOPPED;
    case HPE_INVALID_METHOD: return HTTP_PARSE_BAD_METHOD;
    case HPE_HEADER_OVERFLOW: return HTTP_PARSE_TOO_LARGE;
    default: return HTTP_PARSE_BAD;
    }
}

int http_parse_run(struct http_parse *p, const uint8_t *head, size_t from, size_t to)
{
    struct http_parser *parser = parser_of(p);
    MS_ASSERT(!p->ended);
    p->head = head;
    parser->data = p; /* here and not at the beginning: *p may be moved between runs */
    size_t used = http_parser_execute(parser, &settings, (const char *)head + from, to - from);
    if (HTTP_PARSER_ERRNO(parser) != HPE_OK) return result_of(HTTP_PARSER_ERRNO(parser));
    if (used != to - from) return HTTP_PARSE_BAD;
    return p->ended ? HTTP_PARSE_END : HTTP_PARSE_MORE;
}
