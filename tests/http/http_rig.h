/* http_rig.h: a connection under test, with a log of what came out of it.
 *
 * The log has one item an event, so that runs over differently cut input can be compared as text:
 *   "PUT /a?q [body] keep;"   a request ("close" if the client asked for that, "up=x" with Upgrade: x,
 *                             "accept=", "match=", "none=", "last=" with Accept, If-Match, If-None-Match,
 *                             Last-Event-ID)
 *   "!400;"                   refused, with that status
 *   "#;"                      closed */
#ifndef TESTS_HTTP_HTTP_RIG_H
#define TESTS_HTTP_HTTP_RIG_H

#include "env/rand.h"
#include "http/http.h"
#include "tests/support/test_alloc.h"

struct http_rig {
    struct test_alloc alloc;
    struct http_conn *c;
    struct buf log;
    struct buf sent;     /* the whole output */
    struct buf out_copy; /* late: what the request that is out said when it came */
    bool late;           /* answer only when the connection wants no more input, and at the end */
    int error;           /* the last negative result */
};

void rig_init(struct http_rig *rig, size_t body_bytes_max);
void rig_fini(struct http_rig *rig); /* checks that nothing is left over */
void rig_feed(struct http_rig *rig, struct bytes piece);
void rig_end(struct http_rig *rig); /* answers what is still out */
/* The log and the output as text, borrowed. */
const char *rig_log(struct http_rig *rig);
const char *rig_sent(struct http_rig *rig);

/* Feed text whole; afterwards as many ways as make sense, each compared with the first: byte by byte,
 * cut at random, answered late. The log must be expected. */
void rig_check(const char *name, struct bytes text, size_t body_bytes_max, const char *expected);

#endif
