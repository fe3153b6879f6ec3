/* test_rt_options.c: what ms_open() is asked for: taken apart rightly, refused in one clear line. */
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_options.h"
#include "tests/support/test.h"

TEST(rt_options, endpoints)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
        uint16_t port;
    } rows[] = {
        { "127.0.0.1", "127.0.0.1", 7 },
        { "127.0.0.1:80", "127.0.0.1", 80 },
        { "localhost:65535", "localhost", 65535 },
        { "[::1]", "::1", 7 },
        { "[::1]:80", "::1", 80 },
        { "::1", "::1", 7 },
        { "fe80::1%eth0", "fe80::1%eth0", 7 },
        { "0.0.0.0", "0.0.0.0", 7 },
        { "", NULL, 0 },
        { ":80", NULL, 0 },
        { "a:", NULL, 0 },
        { "a:0", NULL, 0 },
        { "a:65536", NULL, 0 },
        { "a:99999999999999999999", NULL, 0 },
        { "a:8x", NULL, 0 },
        { "a:+8", NULL, 0 },
        { "[]", NULL, 0 },
        { "[::1", NULL, 0 },
        { "[::1]x", NULL, 0 },
        { "[::1]x:80", NULL, 0 },
        { "[::1]:80:90", NULL, 0 },
        { "http://a", NULL, 0 },
        { "a b", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rt_endpoint got;
        int rv = rt_endpoint_parse(rows[i].text, strlen(rows[i].text), 7, &got);
        if (rv != (rows[i].host ? 0 : MS_EINVAL)) fprintf(stderr, "row %s\n", rows[i].text);
        CHECK_EQ(rv, rows[i].host ? 0 : MS_EINVAL);
        if (!rows[i].host) continue;
        CHECK(strcmp(got.host, rows[i].host) == 0);
        CHECK_EQ(got.port, rows[i].port);
    }
}

TEST(rt_options, clusters)
{
    static const struct {
        const char *list;
        const char *why; /* a part of it; NULL: fine */
    } rows[] = {
        { "http://a:1", NULL },
        { "http://a:1,http://b:1", NULL },
        { "7=http://a:1,3=http://b:1", NULL },
        { "http://a:1/,5=http://[::1]:2", NULL },
        { "9999999999999999999=http://a:1", NULL },
        { "", "not a peer URL" },
        { "http://a:1,", "not a peer URL" },
        { ",http://a:1", "not a peer URL" },
        { "a:1", "not a peer URL" },
        { "http://a", "not a peer URL" },
        { "http://a:0", "not a peer URL" },
        { "http://a:1/x", "not a peer URL" },
        { "https://a:1", "TLS" },
        { "http://a:1,http://a:1", "twice" },
        { "http://a:1,http://a:1/", "twice" },
        { "1=http://a:1,1=http://b:1", "two entries for member 1" },
        { "2=http://a:1,http://b:1", "two entries for member 2" },
        { "0=http://a:1", "not a member id" },
        { "=http://a:1", "not a member id" },
        { "-1=http://a:1", "not a member id" },
        { "10000000000000000000=http://a:1", "not a member id" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config got;
        char why[MS_WHY_BYTES] = "";
        int rv = rt_cluster_parse(rows[i].list, &got, why);
        if (rv != (rows[i].why ? MS_EINVAL : 0)) fprintf(stderr, "row %s: %s\n", rows[i].list, why);
        CHECK_EQ(rv, rows[i].why ? MS_EINVAL : 0);
        if (rows[i].why) CHECK(strstr(why, rows[i].why) != NULL);
    }
    struct config got;
    char why[MS_WHY_BYTES];
    CHECK_EQ(rt_cluster_parse("7=http://a:1/,3=http://b:1,http://c:1", &got, why), MS_EINVAL);
    CHECK_EQ(rt_cluster_parse("7=http://a:1/,http://b:1,http://c:1", &got, why), 0);
    CHECK_EQ(got.member_count, 3);
    CHECK_EQ(got.members[0].id, 2);
    CHECK_EQ(got.members[1].id, 3);
    CHECK(strcmp(config_find(&got, 7)->url, "http://a:1") == 0);
    CHECK_EQ(config_find(&got, 7)->roles, CONFIG_VOTER);
}

static char long_list[40 * 16];

/* Each row changes one thing of a good set. */
TEST(rt_options, what_is_refused_and_why)
{
    struct ms_options good, o;
    struct rt_setup s;
    char why[MS_WHY_BYTES] = "";
    ms_options_init(&good);
    good.id = 2;
    good.cluster = "http://a:1,http://b:2";
    CHECK_EQ(rt_setup_init(&s, &good, why), 0);
    CHECK(strcmp(s.own.host, "b") == 0 && s.own.port == 2);
    CHECK(strcmp(s.peer.host, "b") == 0 && s.peer.port == 2);
    CHECK(strcmp(s.data_dir, ".") == 0);
    CHECK_EQ(s.api_count, 0);
    for (int i = 0; i < 33; i++) {
        size_t len = strlen(long_list);
        snprintf(long_list + len, sizeof long_list - len, "%shttp://a:%d", i ? "," : "", i + 1);
    }
#define REFUSED(change, part)                                                                          \
    do {                                                                                               \
        o = good;                                                                                      \
        change;                                                                                        \
        CHECK_EQ(rt_setup_init(&s, &o, why), MS_EINVAL);                                               \
        if (!strstr(why, part)) fprintf(stderr, "%s: %s\n", #change, why);                             \
        CHECK(strstr(why, part) != NULL);                                                              \
    } while (0)
    REFUSED(o.id = 0, "--id");
    REFUSED(o.id = 3, "--id 3: --cluster has no entry");
    REFUSED(o.cluster = NULL, "--cluster");
    REFUSED(o.cluster = long_list, "more than 32");
    REFUSED(o.http_port = 0, "--port");
    REFUSED(o.storage = 3, "--storage");
    REFUSED(o.log_level = 9, "--log-level");
    REFUSED(o.heartbeat_ms = 0, "--heartbeat-ms");
    REFUSED(o.election_ms = 150, "at least twice");
    REFUSED(o.request_ms = 0, "--request-timeout-ms");
    REFUSED(o.request_bytes_max = MS_TXN_BYTES_MAX + 1, "--max-request-bytes");
    REFUSED(o.disk_stall_ms = 3600001, "--disk-stall-ms");
    REFUSED(o.key_bytes_max = 0, "--max-key-bytes");
    REFUSED(o.value_bytes_max = MS_VALUE_BYTES_MAX + 1, "--max-value-bytes");
    REFUSED(o.requests_max = 0, "--max-requests");
    REFUSED(o.client_ms = 99, "--client-timeout-ms");
    REFUSED(o.client_queue_bytes_max = 1, "--max-client-queue-bytes");
    REFUSED(o.clients_bytes_max = 1, "--max-clients-bytes");
    REFUSED(o.log_format = (enum ms_log_format)9, "--log-format");
    REFUSED(o.clients_max = 0, "--max-clients");
    REFUSED(o.wal_segment_bytes += 1, "multiple");
    REFUSED(o.snapshot_bytes_per_s = SNAP_BYTES_PER_S_MAX + 1, "--snapshot-rate");
    REFUSED(o.listen = "", "--listen");
    REFUSED(o.listen = "a,,b", "--listen");
    REFUSED(o.listen = "a,b,c,d,e,f,g,h,i", "more than 8");
    REFUSED(o.listen_peer = "http://x", "--listen-peer");
    REFUSED(o.struct_bytes = 0, "ms_options_init");
    REFUSED(o.struct_bytes += 8, "ms_options_init");
    REFUSED(o.data_dir = long_list; o.storage = MS_STORAGE_MEMORY, "--data-dir");
}

TEST(rt_options, addresses_and_older_embedders)
{
    struct ms_options o;
    struct rt_setup s;
    char why[MS_WHY_BYTES] = "";
    ms_options_init(&o);
    o.cluster = "http://10.0.0.1:5/";
    o.listen = "0.0.0.0,[::1]:9,h:10";
    o.listen_peer = "192.168.0.1";
    o.data_dir = "/x/y//";
    CHECK_EQ(rt_setup_init(&s, &o, why), 0);
    CHECK_EQ(s.api_count, 3);
    CHECK(strcmp(s.api[0].host, "0.0.0.0") == 0 && s.api[0].port == o.http_port);
    CHECK(strcmp(s.api[1].host, "::1") == 0 && s.api[1].port == 9);
    CHECK(strcmp(s.api[2].host, "h") == 0 && s.api[2].port == 10);
    CHECK(strcmp(s.peer.host, "192.168.0.1") == 0 && s.peer.port == 5);
    CHECK(strcmp(s.own.host, "10.0.0.1") == 0);
    CHECK(strcmp(s.data_dir, "/x/y") == 0);
    o.log_level = MS_LOG_ERROR; /* behind what an older header knew */
    o.struct_bytes = offsetof(struct ms_options, log_level);
    CHECK_EQ(rt_setup_init(&s, &o, why), 0);
    CHECK_EQ(s.options.log_level, MS_LOG_INFO);
    CHECK_EQ(s.options.revisions_kept, o.revisions_kept);
    o.data_dir = "/";
    CHECK_EQ(rt_setup_init(&s, &o, why), 0);
    CHECK(strcmp(s.data_dir, "/") == 0);
}
