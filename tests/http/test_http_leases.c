/* What requests about leases mean. */
#include <stdio.h>

#include "http/http_members.h"
#include "tests/http/route_rig.h"
#include "tests/support/test.h"

static struct route_rig rig;

static const struct {
    const char *method, *target, *body, *meaning;
} rows[] = {
    { "POST", "/_/leases", "{\"ttl\": 5}", "grant 0 for 5" },
    { "POST", "/_/leases", " {\"id\":1,\"ttl\":9000000000} ", "grant 1 for 9000000000" },
    { "POST", "/%5f/leases", "{\"ttl\": 5}", "grant 0 for 5" },
    { "POST", "/_/leases", "", "400 the lease: " },
    { "POST", "/_/leases", "{}", "400 the lease: ttl is missing" },
    { "POST", "/_/leases", "{\"id\": 5}", "400 the lease: ttl is missing" },
    { "POST", "/_/leases", "{\"ttl\": 0}", "400 the lease: ttl is 1 to" },
    { "POST", "/_/leases", "{\"ttl\": 9000000001}", "400 the lease: ttl is 1 to" },
    { "POST", "/_/leases", "{\"ttl\": -1}", "400 the lease: " },
    { "POST", "/_/leases", "{\"ttl\": 1, \"ttl\": 1}", "400 the lease: ttl is there twice" },
    { "POST", "/_/leases", "{\"ttl\": 1, \"id\": 0}", "400 the lease: an id is" },
    { "POST", "/_/leases", "{\"ttl\": 1, \"id\": 9223372036854775808}", "400 the lease: an id is" },
    { "POST", "/_/leases", "{\"ttl\": 1, \"id\": 1, \"id\": 1}", "400 the lease: id is there twice" },
    { "POST", "/_/leases", "{\"ttl\": 1, \"name\": 1}", "400 the lease: a lease has" },
    { "POST", "/_/leases", "{\"ttl\": 1} x", "400 the lease: " },
    { "POST", "/_/leases?ttl=1", "{\"ttl\": 1}", "400 unknown query" },
    { "GET", "/_/leases", "", "list from 0, 10000" },
    { "HEAD", "/_/leases?limit=1&after=9223372036854775807", "", "list from 9223372036854775807, 1" },
    { "GET", "/_/leases?limit=0", "", "400 the query parameter limit can only be: 1 to 10000" },
    { "GET", "/_/leases?limit=10001", "", "400 the query parameter limit" },
    { "GET", "/_/leases?after=9223372036854775808", "", "400 the query parameter after" },
    { "GET", "/_/leases?afer=1", "", "400 unknown query parameter: afer" },
    { "PUT", "/_/leases", "", "405 GET, HEAD, POST" },
    { "DELETE", "/_/leases", "", "405 GET, HEAD, POST" },
    { "GET", "/_/leases/7", "", "get 7" },
    { "HEAD", "/_/leases/7", "", "get 7" },
    { "DELETE", "/_/leases/9223372036854775807", "", "revoke 9223372036854775807" },
    { "POST", "/_/leases/7/keep-alive", "", "keep alive 7" },
    { "GET", "/_/leases/7/keep-alive", "", "405 POST" },
    { "POST", "/_/leases/7", "", "405 GET, HEAD, DELETE" },
    { "PUT", "/_/leases/7", "", "405 GET, HEAD, DELETE" },
    { "GET", "/_/leases/7?keys", "", "400 unknown query" },
    { "GET", "/_/leases/", "", "400 a lease is named" },
    { "GET", "/_/leases/0", "", "400 a lease is named" },
    { "GET", "/_/leases/x", "", "400 a lease is named" },
    { "GET", "/_/leases/9223372036854775808", "", "400 a lease is named" },
    { "POST", "/_/leases//keep-alive", "", "400 a lease is named" },
    { "POST", "/_/leases/keep-alive", "", "400 a lease is named" },
    { "GET", "/_/leasesx", "", "404 " },
    { "PUT", "/k?lease=7", "", "put with 7 for 0" },
    { "PUT", "/k?ttl=7", "", "put with 0 for 7" },
    { "PUT", "/k?ttl=7&lease=7", "", "400 the query parameter ttl can only be: there only without" },
    { "PUT", "/k?ttl=0", "", "400 the query parameter ttl" },
    { "PUT", "/k?ttl=9000000001", "", "400 the query parameter ttl" },
    { "PUT", "/k?lease=0", "", "400 the query parameter lease" },
    { "PUT", "/k?lease=9223372036854775808", "", "400 the query parameter lease" },
    { "PUT", "/k?lease=x", "", "400 the query parameter lease" },
    { "GET", "/k?lease=7", "", "400 unknown query parameter: lease" },
    { "DELETE", "/k?ttl=7", "", "400 unknown query parameter: ttl" },
};

static void say(const struct http_route *route, char *out, size_t cap)
{
    unsigned long long lease = route->lease, ttl_s = route->ttl_s;
    switch (route->kind) {
    case HTTP_ROUTE_LEASE_GRANT: snprintf(out, cap, "grant %llu for %llu", lease, ttl_s); break;
    case HTTP_ROUTE_LEASES_GET:
        snprintf(out, cap, "list from %llu, %llu", lease, (unsigned long long)route->limit);
        break;
    case HTTP_ROUTE_LEASE_GET: snprintf(out, cap, "get %llu", lease); break;
    case HTTP_ROUTE_LEASE_KEEP_ALIVE: snprintf(out, cap, "keep alive %llu", lease); break;
    case HTTP_ROUTE_LEASE_REVOKE: snprintf(out, cap, "revoke %llu", lease); break;
    case HTTP_ROUTE_KEY_PUT: snprintf(out, cap, "put with %llu for %llu", lease, ttl_s); break;
    default:
        snprintf(out, cap, "%d %s", route->status, route->allow ? route->allow : route->text);
        break;
    }
}

TEST(http_leases, each_request_means_what_it_says)
{
    static const struct http_limits limits = { 32, 8 };
    char said[512];
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        route_rig_ask_within(&rig, &limits, rows[i].method, rows[i].target, bytes_of_str(rows[i].body));
        say(&rig.route, said, sizeof said);
        bool good = strncmp(said, rows[i].meaning, strlen(rows[i].meaning)) == 0;
        if (!good)
            fprintf(stderr, "%s %s %s: %s\n", rows[i].method, rows[i].target, rows[i].body, said);
        CHECK(good);
    }
    route_rig_fini(&rig);
}

TEST(http_leases, a_body_has_a_bound)
{
    static char body[HTTP_OPERATOR_BODY_BYTES_MAX + 1];
    route_rig_init(&rig);
    memset(body, ' ', sizeof body);
    memcpy(body, "{\"ttl\": 5}", 10);
    CHECK_EQ(route_rig_ask(&rig, "POST", "/_/leases", bytes_of(body, sizeof body - 1)),
             HTTP_ROUTE_LEASE_GRANT);
    CHECK_EQ(route_rig_ask(&rig, "POST", "/_/leases", bytes_of(body, sizeof body)), HTTP_ROUTE_ERROR);
    CHECK_EQ(rig.route.status, 413);
    route_rig_fini(&rig);
}
