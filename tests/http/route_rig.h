/* route_rig.h: the meaning of one request at a time, with memory that can be refused. */
#ifndef TESTS_HTTP_ROUTE_RIG_H
#define TESTS_HTTP_ROUTE_RIG_H

#include "format/config.h"
#include "http/http.h"
#include "http/http_watch.h"
#include "tests/support/test_alloc.h"

struct route_rig {
    struct test_alloc alloc;
    struct buf key, query;
    struct config wanted;
    struct http_watches watches;
    struct http_route route; /* of the last request; its fields are in the buffers above */
};

void route_rig_init(struct route_rig *rig);
void route_rig_fini(struct route_rig *rig); /* checks that nothing is left over */
/* method: as in a request, or any other text. Key and value have the largest bounds there are. */
enum http_route_kind route_rig_ask(struct route_rig *rig, const char *method, const char *target,
                                   struct bytes body);
enum http_route_kind route_rig_ask_within(struct route_rig *rig, const struct http_limits *limits,
                                          const char *method, const char *target, struct bytes body);

#endif
