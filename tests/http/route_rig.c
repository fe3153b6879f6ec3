#include "tests/http/route_rig.h"

#include "base/limits.h"
#include "http/http_path.h"
#include "http/http_query.h"
#include "tests/support/test.h"

void route_rig_init(struct route_rig *rig)
{
    memset(rig, 0, sizeof *rig);
    test_alloc_init(&rig->alloc);
    buf_init(&rig->key, &rig->alloc.face, 2 * MS_KEY_BYTES_MAX + 16);
    buf_init(&rig->query, &rig->alloc.face, HTTP_QUERY_BYTES_MAX);
    http_watches_init(&rig->watches, &rig->alloc.face);
}

void route_rig_fini(struct route_rig *rig)
{
    buf_fini(&rig->key);
    buf_fini(&rig->query);
    http_watches_fini(&rig->watches);
    CHECK_EQ(rig->alloc.alive, 0);
}

static enum http_method method_of(const char *name)
{
    static const char *const names[] = { "GET", "HEAD", "PUT", "POST", "DELETE" };
    for (int i = 0; i < 5; i++) {
        if (strcmp(names[i], name) == 0) return (enum http_method)(HTTP_METHOD_GET + i);
    }
    return HTTP_METHOD_OTHER;
}

enum http_route_kind route_rig_ask_within(struct route_rig *rig, const struct http_limits *limits,
                                          const char *method, const char *target, struct bytes body)
{
    struct http_request r = { .method = method_of(method), .body = body };
    r.target = bytes_of_str(target);
    http_target_split(r.target, &r);
    rig->route = (struct http_route){
        .key = &rig->key, .query = &rig->query, .wanted = &rig->wanted, .watches = &rig->watches
    };
    /* Rubbish, for what must be written. */
    memset(rig->route.text, 'x', sizeof rig->route.text);
    memset(rig->route.url, 'x', sizeof rig->route.url);
    http_route(&r, limits, &rig->route);
    return rig->route.kind;
}

enum http_route_kind route_rig_ask(struct route_rig *rig, const char *method, const char *target,
                                   struct bytes body)
{
    static const struct http_limits limits = { MS_KEY_BYTES_MAX, MS_VALUE_BYTES_MAX };
    return route_rig_ask_within(rig, &limits, method, target, body);
}
