/* http_leases.h: what requests say of leases.
 *
 *   POST   /_/leases                  {"ttl": seconds, "id": number}; id may be left out
 *   GET    /_/leases                  ?after=<id>&limit=<number>
 *   GET    /_/leases/<id>
 *   POST   /_/leases/<id>/keep-alive
 *   DELETE /_/leases/<id>
 *   PUT    /<key>                     ?lease=<id> or ?ttl=<seconds> */
#ifndef HTTP_HTTP_LEASES_H
#define HTTP_HTTP_LEASES_H

#include "http/http.h"
#include "http/http_query.h"

/* Whether a decoded path, without its first slash, is one of these. */
bool http_lease_has_path(struct bytes path);
/* Fills in route: kind, lease, ttl_s, limit. 0; else the status of a refusal, with route->text, and for 405 route->allow. */
int http_lease_route(const struct http_request *r, struct bytes path, struct http_route *route);
/* ?lease= and ?ttl= of a put. False: q->why says what is wrong. */
bool http_lease_parameters(struct http_query *q, struct http_route *route);

#endif
