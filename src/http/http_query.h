/* http_query.h: the parameters of a query: "prefix&limit=10&from=a%2Fb".
 *
 * Names and values are percent-decoded; '+' is a plus, as everywhere in an URL here. Parts between two '&' that
 * are empty count for nothing. A parameter without '=' has no value, which is not an empty one.
 *
 * Each request takes the parameters it knows, by name; what nobody has taken is refused at the end, by name, as
 * is one that is there twice. As with http_json.h, once why is set it stays, so a caller may look at the end
 * only:
 *
 *     http_query_flag(q, "prefix", &prefix);
 *     http_query_u64(q, "limit", &limit);
 *     if (!http_query_end(q)) ... 400, q->why */
#ifndef HTTP_HTTP_QUERY_H
#define HTTP_HTTP_QUERY_H

#include "format/buf.h"

#define HTTP_QUERY_PARAMS_MAX 32u
#define HTTP_QUERY_BYTES_MAX (192u << 10) /* as sent: a key as a value, each byte of it escaped */
#define HTTP_QUERY_WHY_BYTES 160u

struct http_param {
    struct bytes name, value;
    bool has_value, taken;
};

struct http_query {
    struct http_param params[HTTP_QUERY_PARAMS_MAX];
    uint32_t count;
    char why[HTTP_QUERY_WHY_BYTES]; /* empty: good so far; else one line about what is wrong */
};

/* Read raw, what stands behind '?'. text: the caller's scratch, cleared first; names and values are borrowed from
 * it. False: why says what is wrong (a bad escape, a name that is empty, too many, too long, memory). */
bool http_query_init(struct http_query *q, struct bytes raw, struct buf *text);

/* The parameter of that name, from now on taken; NULL: it is not there, or why is set. */
const struct http_param *http_query_take(struct http_query *q, const char *name);
/* As http_query_take(), where something is wrong with a value. *out stays as it is if the parameter is not
 * there. Returns whether it was, and was good. */
bool http_query_flag(struct http_query *q, const char *name,
                     bool *out); /* name, name=true, name=false */
bool http_query_u64(struct http_query *q, const char *name, uint64_t *out);
bool http_query_bytes(struct http_query *q, const char *name, struct bytes *out); /* may be empty */

/* The caller's own refusal of a parameter: what it can be ("asc or desc"). False. */
bool http_query_refuse(struct http_query *q, const char *name, const char *can_be);
/* Whether all was good and every parameter was taken. */
bool http_query_end(struct http_query *q);

#endif
