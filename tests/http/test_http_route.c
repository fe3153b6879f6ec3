/* What paths and methods mean (SPEC 3), and how paths are decoded. */
#include "http/http_members.h"
#include "tests/http/route_rig.h"
#include "tests/support/test.h"

#define KEY_BYTES_MAX 32u
#define VALUE_BYTES_MAX 8u

static struct route_rig rig;

static void run(const char *method, const char *target, struct bytes body)
{
    static const struct http_limits limits = { KEY_BYTES_MAX, VALUE_BYTES_MAX };
    route_rig_ask_within(&rig, &limits, method, target, body);
}

struct row {
    const char *method, *target, *meaning;
};

/* The meaning as text: "key abc", "member 3", or a status and what the line begins with. */
static const struct row rows[] = {
    { "GET", "/", "root" },
    { "HEAD", "/", "root head" },
    { "PUT", "/", "400 the key is empty" },
    { "DELETE", "/", "400 the key is empty" },
    { "POST", "/", "405 GET, HEAD" },
    { "OPTIONS", "/", "405 GET, HEAD" },
    { "OPTIONS", "*", "400 the path does not begin" },
    { "GET", "*", "400 the path does not begin" },
    { "GET", "/?a", "400 unknown query" },
    { "GET", "/?", "root" },
    /* keys */
    { "GET", "/my-key", "get my-key" },
    { "HEAD", "/my-key", "get my-key head" },
    { "PUT", "/my-key", "put my-key" },
    { "DELETE", "/my-key", "delete my-key" },
    { "POST", "/my-key", "405 GET, HEAD, PUT, DELETE" },
    { "PATCH", "/my-key", "405 GET, HEAD, PUT, DELETE" },
    { "GET", "/a?", "get a" },
    { "GET", "/a?force", "400 unknown query parameter: force" },
    { "GET", "/a?consistency=stale", "get a stale" },
    { "HEAD", "/a?consistency=%73tale&", "get a stale head" },
    { "GET", "/a?consistency=linearizable", "get a" },
    { "GET", "/a?consistency", "400 the query parameter consistency can only be: there with a value" },
    { "GET", "/a?consistency=fresh",
      "400 the query parameter consistency can only be: linearizable or" },
    { "GET", "/a?consistency=stale&consistency=stale",
      "400 the query parameter consistency is there more" },
    { "PUT", "/a?consistency=stale", "400 unknown query parameter: consistency" },
    { "GET", "/a?x=%zz", "400 a bad percent-escape in the query" },
    { "PUT", "/a?x=1", "400 unknown query" },
    { "DELETE", "/a?force", "400 unknown query" },
    { "GET", "/a/b//c/", "get a/b//c/" },
    { "GET", "//a", "get /a" },
    { "GET", "/a/../b/./%2e%2E", "get a/../b/./.." },
    { "GET", "/a+b%20c%2Fd%2bz", "get a+b c/d+z" },
    { "GET", "/%61%zz", "400 a bad percent" },
    { "GET", "/a%", "400 a bad percent" },
    { "GET", "/a%4", "400 a bad percent" },
    { "GET", "/%%41", "400 a bad percent" },
    { "GET", "http://host:1/a/b", "get a/b" },
    { "GET", "HTTP://host/a", "get a" },
    { "GET", "http://u@host/a", "400 the path does not begin" },
    { "GET", "http:///a", "400 the path does not begin" },
    { "GET", "https://host/a", "400 the path does not begin" },
    { "GET", "/0123456789abcdef0123456789abcdef", "get 0123456789abcdef0123456789abcdef" },
    { "GET", "/0123456789abcdef0123456789abcdefg", "414 the key is too long" },
    { "GET", "/0123456789abcdef0123456789abcde%66", "get 0123456789abcdef0123456789abcdef" },
    { "GET", "/0123456789abcdef0123456789abcdef01234567", "414 the key is too long" },
    { "GET", "/_/kv/0123456789abcdef0123456789abcdef", "get 0123456789abcdef0123456789abcdef" },
    { "GET", "/_/kv/0123456789abcdef0123456789abcdefg", "414 the key is too long" },
    /* members */
    { "DELETE", "/3", "remove 3" },
    { "DELETE", "/3?", "remove 3" },
    { "DELETE", "/3?force", "remove 3 force" },
    { "DELETE", "/3?force=1", "400 unknown query" },
    { "DELETE", "/3?force&force", "400 unknown query" },
    { "DELETE", "/3?FORCE", "400 unknown query" },
    { "DELETE", "/9999999999999999999", "remove 9999999999999999999" },
    { "DELETE", "/12345678901234567890", "delete 12345678901234567890" },
    { "DELETE", "/0", "400 member ids begin" },
    { "DELETE", "/03", "400 a member id has no leading zero" },
    { "DELETE", "/0000000000000000000", "400 a member id has no leading zero" },
    { "DELETE", "/00000000000000000000", "delete 00000000000000000000" },
    { "DELETE", "/%33", "delete 3" },
    { "DELETE", "/3/", "delete 3/" },
    { "DELETE", "/-3", "delete -3" },
    { "DELETE", "/_/kv/3", "delete 3" },
    { "GET", "/3", "get 3" },
    { "HEAD", "/3", "get 3 head" },
    { "PUT", "/3", "put 3" },
    { "PUT", "/0", "put 0" },
    { "PUT", "/03", "put 03" },
    { "OPTIONS", "/3", "405 GET, HEAD, PUT, POST, DELETE" },
    { "POST", "/0", "400 member ids begin" },
    { "POST", "/12345678901234567890", "405 GET, HEAD, PUT, DELETE" },
    /* reserved names */
    { "GET", "/status", "status" },
    { "HEAD", "/status", "status head" },
    { "GET", "/status?a", "400 unknown query" },
    { "PUT", "/status", "403 a reserved name; the key of that name is /_/kv/status" },
    { "DELETE", "/status", "403 a reserved name; the key of that name is /_/kv/status" },
    { "POST", "/status", "405 GET, HEAD" },
    { "GET", "/_/members", "members" },
    { "HEAD", "/_/members", "members head" },
    { "GET", "/%5f/%6dembers", "members" },
    { "GET", "/_/members?force", "400 unknown query" },
    { "POST", "/_/members", "400 the wanted members: a list" },
    { "POST", "/_/members?forced", "400 unknown query" },
    { "POST", "/_/members?force=1", "400 unknown query" },
    { "PUT", "/_/members", "403 a reserved name; the key of that name is /_/kv/_/members" },
    { "DELETE", "/_/members", "403 a reserved name; the key of that name is /_/kv/_/members" },
    { "OPTIONS", "/_/members", "405 GET, HEAD, POST" },
    { "POST", "/_/members/", "405 GET, HEAD" },
    { "POST", "/_/leader", "transfer 0" },
    { "POST", "/_/leader?force", "400 unknown query" },
    { "GET", "/_/leader", "405 POST" },
    { "HEAD", "/_/leader", "405 POST" },
    { "PUT", "/_/leader", "403 a reserved name; the key of that name is /_/kv/_/leader" },
    { "GET", "/_/settings", "settings" },
    { "GET", "/_/settings?a", "400 unknown query" },
    { "POST", "/_/settings", "400 the settings: an object" },
    { "POST", "/_/settings?a", "400 unknown query" },
    { "DELETE", "/_/settings", "403 a reserved name; the key of that name is /_/kv/_/settings" },
    { "GET", "/_/kv/_/members", "get _/members" },
    /* watches */
    { "GET", "/a?watch", "watch" },
    { "GET", "/_/kv/_/a?watch&rev=1", "watch" },
    { "GET", "/?watch&prefix", "watch" },
    { "GET", "/?watch", "400 the key is empty" },
    { "HEAD", "/a?watch", "405 GET" },
    { "HEAD", "/?watch&prefix", "405 GET" },
    { "GET", "/a?watch&wrong", "400 unknown query parameter: wrong" },
    { "GET", "/a?watch=false", "400 unknown query parameter: watch" },
    { "PUT", "/a?watch", "400 unknown query parameter: watch" },
    { "POST", "/_/watch", "400 watches: a list" },
    { "POST", "/_/watch?a", "400 unknown query" },
    { "GET", "/_/watch", "405 POST" },
    { "PUT", "/_/watch", "403 a reserved name; the key of that name is /_/kv/_/watch" },
    { "GET", "/health", "health" },
    { "HEAD", "/health", "health head" },
    { "GET", "/health?verbose", "400 unknown query" },
    { "GET", "/livez", "livez" },
    { "GET", "/livez?verbose", "livez verbose" },
    { "GET", "/readyz", "readyz" },
    { "GET", "/readyz?verbose=false", "readyz" },
    { "GET", "/readyz?verbose&exclude=x", "400 unknown query parameter: exclude" },
    { "GET", "/version", "version" },
    { "GET", "/metrics", "metrics" },
    { "GET", "/metrics?x", "400 unknown query" },
    { "POST", "/readyz", "405 GET, HEAD" },
    { "GET", "/v3/kv", "404 a reserved name" },
    { "PUT", "/health", "403 a reserved name; the key of that name is /_/kv/health" },
    { "PUT", "/he%61lth", "403 a reserved name; the key of that name is /_/kv/he%61lth" },
    { "DELETE", "/livez", "403 a reserved name; the key of that name is /_/kv/livez" },
    { "PUT", "/readyz", "403 a reserved name; the key of that name is /_/kv/readyz" },
    { "PUT", "/metrics", "403 a reserved name; the key of that name is /_/kv/metrics" },
    { "PUT", "/version", "403 a reserved name; the key of that name is /_/kv/version" },
    { "PUT", "/v3/kv/put", "403 a reserved name; the key of that name is /_/kv/v3/kv/put" },
    { "POST", "/v3/kv/put", "405 GET, HEAD" },
    { "GET", "/v3/", "404 a reserved name" },
    { "GET", "/_/", "404 a reserved name" },
    { "GET", "/_/peer", "404 a reserved name" },
    { "PUT", "/_/x", "403 a reserved name; the key of that name is /_/kv/_/x" },
    { "PUT", "/%5f%2fx", "403 a reserved name; the key of that name is /_/kv/%5f%2fx" },
    { "PUT", "/_/kv", "403 a reserved name; the key of that name is /_/kv/_/kv" },
    { "PUT", "/_", "put _" },
    { "PUT", "/v3", "put v3" },
    { "PUT", "/healthy", "put healthy" },
    { "PUT", "/health/", "put health/" },
    { "PUT", "/_/kv/health", "put health" },
    { "GET", "/_/kv/health", "get health" },
    { "DELETE", "/_/kv/health", "delete health" },
    { "PUT", "/%5F/kv/health", "put health" },
    { "GET", "/_/kv/_/kv/", "get _/kv/" },
    { "GET", "/_/kv/", "400 the key is empty" },
    { "PUT", "/_/kv/", "400 the key is empty" },
    { "POST", "/_/kv/a", "405 GET, HEAD, PUT, DELETE" },
    { "GET", "/_/kv/a?b", "400 unknown query" },
};

static void meaning(char *out, size_t cap)
{
    static const char *const kinds[] = {
        [HTTP_ROUTE_ROOT] = "root",
        [HTTP_ROUTE_STATUS] = "status",
        [HTTP_ROUTE_WATCH] = "watch",
        [HTTP_ROUTE_KEY_GET] = "get",
        [HTTP_ROUTE_KEY_PUT] = "put",
        [HTTP_ROUTE_KEY_DELETE] = "delete",
        [HTTP_ROUTE_MEMBER_ADD] = "add",
        [HTTP_ROUTE_MEMBER_REMOVE] = "remove",
        [HTTP_ROUTE_MEMBERS_GET] = "members",
        [HTTP_ROUTE_TRANSFER] = "transfer",
        [HTTP_ROUTE_SETTINGS_GET] = "settings",
        [HTTP_ROUTE_HEALTH] = "health",
        [HTTP_ROUTE_LIVEZ] = "livez",
        [HTTP_ROUTE_READYZ] = "readyz",
        [HTTP_ROUTE_VERSION] = "version",
        [HTTP_ROUTE_METRICS] = "metrics",
    };
    if (rig.route.kind == HTTP_ROUTE_ERROR) {
        snprintf(out, cap, "%d %s", rig.route.status,
                 rig.route.allow ? rig.route.allow : rig.route.text);
        return;
    }
    size_t n = (size_t)snprintf(out, cap, "%s", kinds[rig.route.kind]);
    bool is_member =
        rig.route.kind == HTTP_ROUTE_MEMBER_ADD || rig.route.kind == HTTP_ROUTE_MEMBER_REMOVE;
    bool is_key = rig.route.kind >= HTTP_ROUTE_KEY_GET && rig.route.kind <= HTTP_ROUTE_KEY_DELETE;
    if (is_member || rig.route.kind == HTTP_ROUTE_TRANSFER) {
        n += (size_t)snprintf(out + n, cap - n, " %llu", (unsigned long long)rig.route.member_id);
    } else if (is_key) {
        n += (size_t)snprintf(out + n, cap - n, " %.*s", (int)rig.key.len, (const char *)rig.key.data);
    }
    snprintf(out + n, cap - n, "%s%s%s%s", rig.route.force ? " force" : "",
             rig.route.verbose ? " verbose" : "", rig.route.stale ? " stale" : "",
             rig.route.head ? " head" : "");
}

static bool matches(const char *got, const char *expected)
{
    bool is_error = expected[0] >= '0' && expected[0] <= '9';
    return is_error ? strncmp(got, expected, strlen(expected)) == 0 : strcmp(got, expected) == 0;
}

TEST(http_route, paths_and_methods_mean_what_the_specification_says)
{
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char got[512];
        run(rows[i].method, rows[i].target, bytes_of(NULL, 0));
        meaning(got, sizeof got);
        bool same = matches(got, rows[i].meaning);
        if (!same)
            fprintf(stderr, "%s %s: %s, not %s\n", rows[i].method, rows[i].target, got,
                    rows[i].meaning);
        CHECK(same);
        if (rig.route.kind == HTTP_ROUTE_ERROR) {
            CHECK(rig.route.text[0] && !strchr(rig.route.text, '\n'));
            CHECK((rig.route.status == 405) == (rig.route.allow != NULL));
        }
    }
    route_rig_fini(&rig);
}

/* A name too long to be shown is still refused with a line. */
TEST(http_route, a_long_reserved_name_is_not_shown)
{
    static const struct http_limits limits = { 4096, 8 };
    char target[1024] = "/v3/";
    route_rig_init(&rig);
    memset(target + 4, 'x', sizeof target - 5);
    target[sizeof target - 1] = 0;
    route_rig_ask_within(&rig, &limits, "PUT", target, bytes_of(NULL, 0));
    CHECK_EQ(rig.route.status, 403);
    CHECK(strcmp(rig.route.text, "a reserved name; the key of that name is /_/kv/<key>") == 0);
    route_rig_fini(&rig);
}

/* Every byte can be in a key, escaped. */
TEST(http_route, keys_are_bytes)
{
    static const struct http_limits limits = { 1024, 8 };
    char target[1 + 3 * 256 + 1] = "/";
    route_rig_init(&rig);
    for (int i = 0; i < 256; i++)
        snprintf(target + 1 + 3 * i, 4, i % 2 ? "%%%02x" : "%%%02X", (unsigned)i);
    CHECK_EQ(route_rig_ask(&rig, "GET", target, bytes_of(NULL, 0)), HTTP_ROUTE_KEY_GET);
    CHECK_EQ(rig.key.len, 256);
    for (int i = 0; i < 256; i++) CHECK_EQ(rig.key.data[i], i);
    struct http_request r = { .method = HTTP_METHOD_GET, .path = bytes_of_str(target) };
    r.path.len -= 1; /* an escape that would be good if one read on */
    http_route(&r, &limits, &rig.route);
    CHECK_EQ(rig.route.status, 400);
    route_rig_fini(&rig);
}

TEST(http_route, values_have_a_limit)
{
    route_rig_init(&rig);
    run("PUT", "/a", bytes_of("01234567", VALUE_BYTES_MAX));
    CHECK_EQ(rig.route.kind, HTTP_ROUTE_KEY_PUT);
    run("PUT", "/a", bytes_of("012345678", VALUE_BYTES_MAX + 1));
    CHECK_EQ(rig.route.status, 413);
    run("GET", "/a", bytes_of("012345678", VALUE_BYTES_MAX + 1)); /* nobody looks at it */
    CHECK_EQ(rig.route.kind, HTTP_ROUTE_KEY_GET);
    route_rig_fini(&rig);
}

TEST(http_route, a_member_is_added_with_its_url)
{
    static const struct {
        const char *body, *url, *text;
    } urls[] = {
        { "http://127.0.0.1:42379", "http://127.0.0.1:42379", NULL },
        { " \r\n\thttp://h:1\r\n ", "http://h:1", NULL },
        { "http://h:1/", "http://h:1", NULL },
        { "http://[::1]:65535", "http://[::1]:65535", NULL },
        { "", NULL, "a peer URL has the form" },
        { "\n", NULL, "a peer URL has the form" },
        { "https://h:1", NULL, "https:// between members is not supported yet" },
        { "http://h", NULL, "a peer URL has the form" },
        { "http://h:0", NULL, "a peer URL has the form" },
        { "http://h:65536", NULL, "a peer URL has the form" },
        { "http://h:1/x", NULL, "a peer URL has the form" },
        { "http://h :1", NULL, "a peer URL has the form" },
        { "h:1", NULL, "a peer URL has the form" },
        { "ftp://h:1", NULL, "a peer URL has the form" },
    };
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        run("POST", "/4", bytes_of_str(urls[i].body));
        CHECK_EQ(rig.route.kind, urls[i].url ? HTTP_ROUTE_MEMBER_ADD : HTTP_ROUTE_ERROR);
        if (urls[i].url) {
            CHECK_EQ(rig.route.member_id, 4);
            CHECK(strcmp(rig.route.url, urls[i].url) == 0);
        } else {
            CHECK_EQ(rig.route.status, 400);
            CHECK(strncmp(rig.route.text, urls[i].text, strlen(urls[i].text)) == 0);
            CHECK_EQ(rig.route.url[0], 0);
        }
    }
    run("POST", "/4", bytes_of("http://h:1\0", 11));
    CHECK_EQ(rig.route.status, 400);
    char longest[MS_URL_BYTES_MAX + 2] = "http://";
    memset(longest + 7, 'h', sizeof longest - 8);
    memcpy(longest + MS_URL_BYTES_MAX - 2, ":1", 3);
    run("POST", "/4", bytes_of_str(longest));
    CHECK_EQ(rig.route.kind, HTTP_ROUTE_MEMBER_ADD);
    memcpy(longest + MS_URL_BYTES_MAX - 2, "h:1", 4);
    run("POST", "/4", bytes_of_str(longest));
    CHECK_EQ(rig.route.status, 400);
    run("POST", "/4?force", bytes_of_str("http://h:1"));
    CHECK_EQ(rig.route.status, 400);
    route_rig_fini(&rig);
}

/* The URLs of 1 to 3 in the order of ids, "-" for none; or the line that says what is wrong. */
static void check_members(const char *body, const char *expected)
{
    char got[1024] = "";
    run("POST", "/_/members", bytes_of_str(body));
    if (rig.route.kind == HTTP_ROUTE_ERROR) {
        CHECK_EQ(rig.route.status, 400);
        snprintf(got, sizeof got, "%s", rig.route.text);
    } else {
        CHECK_EQ(rig.route.kind, HTTP_ROUTE_MEMBERS_SET);
        for (uint32_t i = 0; i < rig.wanted.member_count; i++) {
            size_t n = strlen(got);
            CHECK_EQ(rig.wanted.members[i].roles, CONFIG_VOTER);
            CHECK_EQ(rig.wanted.members[i].added_index, 0);
            snprintf(got + n, sizeof got - n, "%s%llu %s", i ? ", " : "",
                     (unsigned long long)rig.wanted.members[i].id,
                     rig.wanted.members[i].url[0] ? rig.wanted.members[i].url : "-");
        }
    }
    if (strcmp(got, expected) != 0) fprintf(stderr, "%s: %s, not %s\n", body, got, expected);
    CHECK(strcmp(got, expected) == 0);
}

TEST(http_route, a_set_of_members_is_a_list)
{
    route_rig_init(&rig);
    check_members("[{\"id\": 1}]", "1 -");
    check_members(" [ {\"url\":\"http:\\/\\/h:1\\u002f\",\"id\":3} ,\r\n\t{\"id\":2} ] ",
                  "2 -, 3 http://h:1");
    check_members("[{\"id\": 9999999999999999999, \"url\": \"http://[::1]:1\"}]",
                  "9999999999999999999 http://[::1]:1");
#define W "the wanted members: "
    check_members("[]", W "a cluster has at least one voter, at byte 2 of the body");
    check_members("", W "a list [ ] was expected, at byte 0 of the body");
    check_members("{}", W "a list [ ] was expected, at byte 0 of the body");
    check_members("[1]", W "an object { } was expected, at byte 1 of the body");
    check_members("[{}]", W "a member has no id, at byte 3 of the body");
    check_members("[{\"id\": 0}]",
                  W "ids are numbers of 1 to 19 digits, from 1 up, at byte 9 of the body");
    check_members("[{\"id\": 10000000000000000000}]",
                  W "ids are numbers of 1 to 19 digits, from 1 up, at byte 28 of the body");
    check_members("[{\"id\": \"1\"}]", W "a whole number was expected, at byte 8 of the body");
    check_members("[{\"id\": 1}, {\"id\": 1}]", W "a member is there twice, at byte 21 of the body");
    check_members("[{\"id\": 1, \"id\": 1}]", W "an id is there twice, at byte 16 of the body");
    check_members("[{\"id\": 1, \"role\": 1}]",
                  W "members have an id and a url, and nothing else, at byte 18 of the body");
    check_members("[{\"id\": 1, \"url\": \"\"}]",
                  W "a peer URL has the form http://host:port, at byte 20 of the body");
    check_members("[{\"id\":1,\"url\":\"http://h:1\",\"url\":\"http://h:1\"}]",
                  W "a url is there twice, at byte 34 of the body");
    check_members("[{\"id\":1,\"url\":\"http://h:1\"},{\"id\":2,\"url\":\"http://h:1/\"}]",
                  W "two members have the same url, at byte 57 of the body");
    check_members("[{\"id\": 1}] x", W "something stands behind the end, at byte 12 of the body");
    check_members("[{\"id\": 1}",
                  W "a comma or the end of the list was expected, at byte 10 of the body");
#undef W
    run("POST", "/_/members?force", bytes_of_str("[{\"id\": 1}]"));
    CHECK(rig.route.kind == HTTP_ROUTE_MEMBERS_SET && rig.route.force);
    run("POST", "/_/members", bytes_of_str("[{\"id\": 1}]"));
    CHECK(rig.route.kind == HTTP_ROUTE_MEMBERS_SET && !rig.route.force);
    route_rig_fini(&rig);
}

/* As many as a cluster may have, and not one more; a body that is too long is not read at all. */
TEST(http_route, a_set_of_members_has_a_limit)
{
    static char body[HTTP_OPERATOR_BODY_BYTES_MAX + 2];
    route_rig_init(&rig);
    for (uint32_t count = MS_MEMBERS_MAX; count <= MS_MEMBERS_MAX + 1; count++) {
        size_t n = (size_t)snprintf(body, sizeof body, "[");
        for (uint32_t i = count; i >= 1; i--) {
            n += (size_t)snprintf(body + n, sizeof body - n, "{\"id\": %u}%s", i, i > 1 ? "," : "]");
        }
        run("POST", "/_/members", bytes_of(body, n));
        CHECK_EQ(rig.route.kind, count <= MS_MEMBERS_MAX ? HTTP_ROUTE_MEMBERS_SET : HTTP_ROUTE_ERROR);
    }
    CHECK_EQ(rig.route.status, 400);
    CHECK_EQ(rig.wanted.member_count, MS_MEMBERS_MAX);
    memset(body, ' ', sizeof body);
    run("POST", "/_/members", bytes_of(body, HTTP_OPERATOR_BODY_BYTES_MAX));
    CHECK_EQ(rig.route.status, 400);
    run("POST", "/_/members", bytes_of(body, HTTP_OPERATOR_BODY_BYTES_MAX + 1));
    CHECK_EQ(rig.route.status, 413);
    route_rig_fini(&rig);
}

TEST(http_route, a_leader_is_named_or_not)
{
    static const struct {
        const char *body;
        uint64_t id; /* UINT64_MAX: refused */
    } rows_leader[] = { { "", 0 },
                        { " \n", 0 },
                        { "3", 3 },
                        { "3\n", 3 },
                        { "9999999999999999999", UINT64_C(9999999999999999999) },
                        { "10000000000000000000", UINT64_MAX },
                        { "0", UINT64_MAX },
                        { "03", UINT64_MAX },
                        { "x", UINT64_MAX },
                        { "3 4", UINT64_MAX },
                        { "-1", UINT64_MAX } };
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof rows_leader / sizeof rows_leader[0]; i++) {
        run("POST", "/_/leader", bytes_of_str(rows_leader[i].body));
        bool good = rows_leader[i].id != UINT64_MAX;
        CHECK_EQ(rig.route.kind, good ? HTTP_ROUTE_TRANSFER : HTTP_ROUTE_ERROR);
        if (good) CHECK(rig.route.member_id == rows_leader[i].id);
        if (!good) CHECK_EQ(rig.route.status, 400);
    }
    route_rig_fini(&rig);
}

TEST(http_route, settings_are_an_object)
{
    static const struct {
        const char *body, *why; /* NULL: good */
        bool on;
    } rows_settings[] = {
        { "{\"lease_reads\": true}", NULL, true },
        { "{ \"lease_reads\" :false } ", NULL, false },
        { "{}", "the settings: no setting is named", false },
        { "{\"lease_reads\": 1}", "the settings: true or false was expected", false },
        { "{\"lease_reads\": true, \"lease_reads\": true}", "the settings: a setting is there twice",
          false },
        { "{\"lease\": true}", "the settings: an unknown setting", false },
        { "{\"a_name_that_is_longer_than_any\": true}", "the settings: a text is too long", false },
        { "true", "the settings: an object", false },
    };
    route_rig_init(&rig);
    for (size_t i = 0; i < sizeof rows_settings / sizeof rows_settings[0]; i++) {
        const char *why = rows_settings[i].why;
        run("POST", "/_/settings", bytes_of_str(rows_settings[i].body));
        CHECK_EQ(rig.route.kind, why ? HTTP_ROUTE_ERROR : HTTP_ROUTE_SETTINGS_SET);
        if (why) CHECK(rig.route.status == 400 && strncmp(rig.route.text, why, strlen(why)) == 0);
        if (!why) CHECK_EQ(rig.route.lease_reads, rows_settings[i].on);
    }
    route_rig_fini(&rig);
}

/* What is kept from one request to the next has room for the next one. */
TEST(http_route, refused_memory_is_asked_for_again)
{
    char target[256] = "/%61";
    memset(target + 4, 'b', 26);
    route_rig_init(&rig);
    rig.alloc.refuse_at = 1;
    run("GET", "/a", bytes_of(NULL, 0));
    CHECK_EQ(rig.route.status, 503);
    run("GET", "/a", bytes_of(NULL, 0));
    CHECK_EQ(rig.route.kind, HTTP_ROUTE_KEY_GET);
    rig.alloc.refuse_at = rig.alloc.requests + 1;
    run("GET", target, bytes_of(NULL, 0));
    CHECK_EQ(rig.route.kind, HTTP_ROUTE_KEY_GET);
    route_rig_fini(&rig);
}

TEST(http_route, a_backup_can_only_be_got)
{
    route_rig_init(&rig);
    run("GET", "/_/snapshot", bytes_of(NULL, 0));
    CHECK_EQ(rig.route.kind, HTTP_ROUTE_SNAPSHOT);
    run("HEAD", "/_/snapshot", bytes_of(NULL, 0));
    CHECK(rig.route.kind == HTTP_ROUTE_ERROR && rig.route.status == 405 &&
          strcmp(rig.route.allow, "GET") == 0);
    run("POST", "/_/snapshot", bytes_of(NULL, 0));
    CHECK(rig.route.kind == HTTP_ROUTE_ERROR && rig.route.status == 405);
    run("PUT", "/_/snapshot", bytes_of(NULL, 0));
    CHECK(rig.route.kind == HTTP_ROUTE_ERROR && rig.route.status == 403);
    run("GET", "/_/snapshot?x", bytes_of(NULL, 0));
    CHECK(rig.route.kind == HTTP_ROUTE_ERROR && rig.route.status == 400);
    route_rig_fini(&rig);
}

#define TEN "0123456789"

/* At each request for memory: it is the member's trouble, and no fault of the request. */
TEST(http_route, refused_memory_is_no_bad_request)
{
    static const struct {
        const char *method, *target, *body;
    } asked[] = {
        { "GET", "/some-key", "" },
        { "GET", "/%61", "" },
        { "GET", "/some-key?rev=7", "" },
        { "GET", "/some-key?watch&prefix", "" },
        { "GET", "/some-key?prefix&limit=3", "" },
        { "GET", "/_/range?from=a&limit=3", "" },
        { "PUT", "/some-key?lease=7", "v" },
        { "GET", "/_/leases?limit=3", "" },
        { "POST", "/_/watch", "[{\"id\": 1, \"prefix\": \"a\"}]" },
        { "GET", "/_/range?prefix=" TEN TEN TEN TEN TEN TEN TEN, "" },
        { "POST", "/_/watch", "[{\"id\": 1, \"key_base64\": \"a2V5\"}]" },
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        bool done = false;
        for (uint64_t nth = 1; !done; nth++) { /* ends: nothing is refused any more */
            route_rig_init(&rig);
            rig.alloc.refuse_at = nth;
            route_rig_ask(&rig, asked[i].method, asked[i].target, bytes_of_str(asked[i].body));
            done = rig.alloc.requests < nth;
            bool good = done ? rig.route.kind != HTTP_ROUTE_ERROR : rig.route.status == 503;
            if (!good)
                fprintf(stderr, "%s: %d %s\n", asked[i].target, rig.route.status, rig.route.text);
            CHECK(good);
            route_rig_fini(&rig);
        }
    }
}
