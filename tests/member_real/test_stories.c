/* The stories of SPEC 3 on whole members, from the bytes of a client to the bytes of its answer. */
#include <stdio.h>

#include "base/ms_err.h"
#include "tests/member_real/cluster.h"

static struct cluster c;

static bool answers(uint64_t id, const char *request, int status, const char *text)
{
    char begin[32];
    const char *said = cluster_request(&c, id, request);
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", status);
    bool good = strncmp(said, begin, strlen(begin)) == 0 && strstr(said, text);
    if (!good)
        fprintf(stderr, "member %llu: %s wanted %d, got %s\n", (unsigned long long)id, request, status,
                said);
    return good;
}

static bool puts_key(uint64_t id, const char *key, const char *value)
{
    char request[256];
    snprintf(request, sizeof request, "PUT /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
             key, strlen(value), value);
    return answers(id, request, 204, "");
}

static bool has_key(uint64_t id, const char *key, const char *value)
{
    char request[128];
    snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", key);
    return value ? answers(id, request, 200, value) : answers(id, request, 404, "no such key");
}

TEST(stories, one_member_serves)
{
    cluster_init(&c, 1);
    CHECK_EQ(cluster_leader(&c), 1);
    CHECK(has_key(1, "my-key", NULL) && puts_key(1, "my-key", "hello") &&
          has_key(1, "my-key", "hello"));
    CHECK(answers(1, "DELETE /my-key HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""));
    CHECK(has_key(1, "my-key", NULL) && puts_key(1, "kept", "value"));
    cluster_kill(&c, 1);
    CHECK_EQ(cluster_start(&c, 1, false), 0);
    CHECK(has_key(1, "kept", "value"));
    CHECK(answers(1, "DELETE /1 HTTP/1.1\r\nHost: a\r\n\r\n", 409, ""));
    cluster_fini(&c);
}

TEST(stories, any_member_takes_any_request_and_a_lost_one_catches_up)
{
    cluster_init(&c, 3);
    uint64_t leader = cluster_leader(&c);
    for (uint64_t id = 1; id <= 3; id++) {
        char key[16];
        snprintf(key, sizeof key, "foo%llu", (unsigned long long)id);
        CHECK(puts_key(id, key, "one") && has_key(1 + id % 3, key, "one"));
    }
    cluster_kill(&c, leader);
    uint64_t other = 1 + leader % 3;
    CHECK(puts_key(other, "bar", "two"));
    CHECK(cluster_leader(&c) != leader);
    CHECK(has_key(other, "foo1", "one") && has_key(other, "bar", "two"));
    CHECK_EQ(cluster_start(&c, leader, false), 0);
    CHECK(has_key(leader, "bar", "two") && has_key(leader, "foo3", "one"));
    cluster_fini(&c);
}

TEST(stories, members_come_and_go)
{
    cluster_init(&c, 3);
    cluster_leader(&c);
    CHECK(puts_key(1, "k", "v"));
    CHECK(answers(1, "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nhttp://127.0.0.1:9004",
                  204, ""));
    CHECK(answers(2, "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nhttp://127.0.0.1:9004",
                  204, ""));
    CHECK(answers(2, "POST /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nhttp://127.0.0.1:9004",
                  409, ""));
    CHECK(answers(2, "DELETE /9 HTTP/1.1\r\nHost: a\r\n\r\n", 404, "1 2 3 4"));
    CHECK_EQ(cluster_start(&c, 4, true), 0);
    CHECK(has_key(4, "k", "v"));
    cluster_run(&c, 5000);
    struct node_status s = cluster_status(&c, 1);
    CHECK(config_is_voter(&s.config, 4));
    CHECK(answers(1, "DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""));
    cluster_run(&c, 8000);
    CHECK(!c.members[3].runs && c.members[3].stopped && c.members[3].stop_status == 0);
    CHECK(puts_key(4, "k", "w") && has_key(1, "k", "w"));
    CHECK_EQ(cluster_start(&c, 3, false), MS_EREMOVED); /* and again at each start */
    cluster_fini(&c);
}

TEST(stories, a_member_shuts_down_politely)
{
    cluster_init(&c, 3);
    uint64_t leader = cluster_leader(&c);
    CHECK(puts_key(1, "k", "v"));
    member_shutdown(c.members[leader].m, c.now);
    cluster_run(&c, 2000);
    CHECK(c.members[leader].stopped && c.members[leader].stop_status == 0);
    CHECK(has_key(1 + leader % 3, "k", "v"));
    cluster_fini(&c);
}

/* DESIGN 4: an emptied directory is another directory; with it comes no vote and no old data. */
TEST(stories, one_that_lost_its_disk_is_kept_out_until_it_is_added_anew)
{
    cluster_init(&c, 3);
    cluster_leader(&c);
    CHECK(puts_key(1, "k", "v"));
    cluster_run(&c, 3000); /* all are attached */
    cluster_kill(&c, 3);
    cluster_wipe(&c, 3);
    CHECK_EQ(cluster_start(&c, 3, false), 0);
    cluster_run(&c, 5000);
    CHECK(cluster_status(&c, 3).abstains);
    CHECK(puts_key(1, "k", "w") && has_key(2, "k", "w"));
    CHECK(answers(1, "DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""));
    cluster_run(&c, 5000);
    if (c.members[3].runs) cluster_kill(&c, 3);
    cluster_wipe(&c, 3);
    CHECK(answers(1, "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nhttp://127.0.0.1:9003",
                  204, ""));
    CHECK_EQ(cluster_start(&c, 3, true), 0);
    CHECK(has_key(3, "k", "w"));
    cluster_run(&c, 5000);
    struct node_status s = cluster_status(&c, 1);
    CHECK(config_is_voter(&s.config, 3) && !cluster_status(&c, 3).abstains);
    cluster_fini(&c);
}

/* Bodies near the limit take the long way round: forwarded, replicated, read back. */
TEST(stories, large_values_travel)
{
    static char request[70000], value[60001];
    cluster_init(&c, 3);
    uint64_t leader = cluster_leader(&c), other = 1 + leader % 3;
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 20; i++) {
        value[0] = (char)('a' + i);
        snprintf(request, sizeof request,
                 "PUT /k%d HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", i, strlen(value),
                 value);
        CHECK(answers(i % 2 ? leader : other, request, 204, ""));
    }
    cluster_kill(&c, leader);
    CHECK(has_key(other, "k19", value) && has_key(6 - leader - other, "k19", value));
    snprintf(request, sizeof request,
             "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 66000\r\n\r\n%s%.6000s", value, value);
    CHECK(answers(other, request, 413, "larger"));
    cluster_fini(&c);
}
/* DESIGN 3: a peer answers its handshake with REMOVED; it writes that down and stops. */
TEST(stories, one_removed_while_it_was_down_hears_of_it)
{
    cluster_init(&c, 3);
    cluster_leader(&c);
    CHECK(puts_key(1, "k", "v"));
    cluster_kill(&c, 3);
    CHECK(answers(1, "DELETE /3 HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""));
    CHECK_EQ(cluster_start(&c, 3, false), 0);
    cluster_run(&c, 10000);
    CHECK(!c.members[3].runs && c.members[3].stopped && c.members[3].stop_status == 0);
    CHECK_EQ(cluster_start(&c, 3, false), MS_EREMOVED);
    cluster_fini(&c);
}

/* Nobody whom it knew is left: those who know it dial it, and it answers where their hello says. */
TEST(stories, one_that_was_away_is_found_by_members_it_has_never_heard_of)
{
    cluster_init(&c, 3);
    cluster_leader(&c);
    CHECK(puts_key(1, "k", "v"));
    cluster_run(&c, 3000); /* all are attached */
    cluster_kill(&c, 3);
    for (uint64_t id = 4; id <= 5; id++) {
        char request[128];
        snprintf(request, sizeof request,
                 "POST /%llu HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nhttp://127.0.0.1:900%llu",
                 (unsigned long long)id, (unsigned long long)id);
        CHECK(answers(1, request, 204, ""));
        CHECK_EQ(cluster_start(&c, id, true), 0);
        cluster_run(&c, 5000);
    }
    CHECK(answers(4, "DELETE /1 HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""));
    CHECK(answers(4, "DELETE /2 HTTP/1.1\r\nHost: a\r\n\r\n", 204, ""));
    cluster_run(&c, 10000);
    CHECK(c.members[1].stopped && c.members[2].stopped && puts_key(5, "k", "w"));
    CHECK_EQ(cluster_start(&c, 3, false), 0);
    cluster_run(&c, 10000);
    CHECK(has_key(3, "k", "w") && puts_key(3, "k", "x") && has_key(4, "k", "x"));
    CHECK_EQ(cluster_status(&c, 3).config.member_count, 3);
    cluster_kill(&c, 5); /* its acks count */
    CHECK(puts_key(4, "k", "y") && has_key(3, "k", "y"));
    cluster_fini(&c);
}
