#include "http/http_leases.h"

#include <stdio.h>

#include "http/http_json.h"
#include "http/http_members.h"
#include "http/http_text.h"

#define LIMIT_MAX 10000u /* leases in one answer */
#define NAME_BYTES_MAX 16u

static const char prefix[] = "_/leases";
static const char keep_alive[] = "/keep-alive";

static bool begins_with(struct bytes text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

static struct bytes behind(struct bytes text, size_t len)
{
    return bytes_of(text.data + len, text.len - len);
}

bool http_lease_has_path(struct bytes path)
{
    if (!begins_with(path, prefix)) return false;
    return path.len == sizeof prefix - 1 || path.data[sizeof prefix - 1] == '/';
}

static int refuse(struct http_route *route, int status, const char *text)
{
    snprintf(route->text, sizeof route->text, "%s", text);
    return status;
}

static int not_allowed(struct http_route *route, const char *allow)
{
    route->allow = allow;
    return refuse(route, 405, "leases cannot be asked for that");
}

static bool is_ttl(uint64_t ttl_s)
{
    return ttl_s >= 1 && ttl_s <= MS_LEASE_TTL_S_MAX;
}

/* --- POST /_/leases --- */

static bool read_field(struct http_json *j, const char *name, struct http_route *route)
{
    if (strcmp(name, "ttl") == 0) {
        if (route->ttl_s) return http_json_refuse(j, "ttl is there twice");
        if (!http_json_u64(j, &route->ttl_s)) return false;
        return is_ttl(route->ttl_s) || http_json_refuse(j, "ttl is 1 to 9000000000 seconds");
    }
    if (strcmp(name, "id") == 0) {
        if (route->lease) return http_json_refuse(j, "id is there twice");
        if (!http_json_u64(j, &route->lease)) return false;
        if (route->lease >= 1 && route->lease <= MS_LEASE_ID_MAX) return true;
        return http_json_refuse(j, "an id is 1 to 9223372036854775807");
    }
    return http_json_refuse(j, "a lease has a ttl and perhaps an id, and nothing else");
}

static int route_grant(const struct http_request *r, struct http_route *route)
{
    struct http_json j;
    struct http_json_list fields;
    char name[NAME_BYTES_MAX];
    if (r->query.len)
        return refuse(route, 400, "unknown query parameter: the body says what is granted");
    if (r->body.len > HTTP_OPERATOR_BODY_BYTES_MAX)
        return refuse(route, 413, "the body is too large for what it can say here");
    http_json_init(&j, r->body);
    if (http_json_enter_object(&j, &fields)) {
        while (http_json_name(&j, &fields, name, sizeof name) && read_field(&j, name, route)) continue;
        if (!j.why && !route->ttl_s) http_json_refuse(&j, "ttl is missing");
    }
    if (!http_json_finish(&j, "the lease", route->text, sizeof route->text)) return 400;
    route->kind = HTTP_ROUTE_LEASE_GRANT;
    return 0;
}

/* --- GET /_/leases --- */

static int route_list(const struct http_request *r, struct http_route *route)
{
    struct http_query q;
    route->limit = LIMIT_MAX;
    if (r->query.len && http_query_init(&q, r->query, route->query)) {
        http_query_u64(&q, "after", &route->lease);
        http_query_u64(&q, "limit", &route->limit);
        if (route->lease > MS_LEASE_ID_MAX) http_query_refuse(&q, "after", "the id of a lease");
        if (route->limit == 0 || route->limit > LIMIT_MAX) http_query_refuse(&q, "limit", "1 to 10000");
    }
    if (r->query.len && !http_query_end(&q)) return refuse(route, 400, q.why);
    route->kind = HTTP_ROUTE_LEASES_GET;
    return 0;
}

/* --- /_/leases/<id> --- */

static int route_one(const struct http_request *r, struct bytes name, struct http_route *route)
{
    size_t suffix = sizeof keep_alive - 1;
    bool keeps = name.len > suffix && begins_with(behind(name, name.len - suffix), keep_alive);
    bool reads = r->method == HTTP_METHOD_GET || r->method == HTTP_METHOD_HEAD;
    if (keeps) name.len -= suffix;
    if (!http_text_u64(name, &route->lease) || route->lease == 0 || route->lease > MS_LEASE_ID_MAX)
        return refuse(route, 400, "a lease is named by its id: /_/leases/<number>");
    if (r->query.len) return refuse(route, 400, "unknown query parameter: this request takes none");
    if (keeps && r->method != HTTP_METHOD_POST) return not_allowed(route, "POST");
    if (keeps)
        route->kind = HTTP_ROUTE_LEASE_KEEP_ALIVE;
    else if (reads)
        route->kind = HTTP_ROUTE_LEASE_GET;
    else if (r->method == HTTP_METHOD_DELETE)
        route->kind = HTTP_ROUTE_LEASE_REVOKE;
    else
        return not_allowed(route, "GET, HEAD, DELETE");
    return 0;
}

int http_lease_route(const struct http_request *r, struct bytes path, struct http_route *route)
{
    struct bytes rest = behind(path, sizeof prefix - 1);
    if (rest.len > 0) return route_one(r, behind(rest, 1), route);
    if (r->method == HTTP_METHOD_POST) return route_grant(r, route);
    if (r->method == HTTP_METHOD_GET || r->method == HTTP_METHOD_HEAD) return route_list(r, route);
    return not_allowed(route, "GET, HEAD, POST");
}

bool http_lease_parameters(struct http_query *q, struct http_route *route)
{
    bool names = http_query_u64(q, "lease", &route->lease);
    if (names && (route->lease == 0 || route->lease > MS_LEASE_ID_MAX))
        return http_query_refuse(q, "lease", "the id of a lease");
    if (!http_query_u64(q, "ttl", &route->ttl_s)) return q->why[0] == 0;
    if (!is_ttl(route->ttl_s)) return http_query_refuse(q, "ttl", "1 to 9000000000 seconds");
    return !names || http_query_refuse(q, "ttl", "there only without lease");
}
