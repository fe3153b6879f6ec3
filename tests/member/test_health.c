/* Pages for machines: whether the member serves, what it is, what it counts. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/member/rig.h"

static struct rig r;

static void begin(void)
{
    rig_start(&r, 0);
    rig_node(&r)->status = (struct node_status){
        .id = 1, .term = 2, .leader = 1, .role = RAFT_LEADER, .applied_index = 5, .commit_index = 5
    };
}

static void ask(uint64_t conn, const char *path)
{
    char line[128];
    snprintf(line, sizeof line, "GET %s", path);
    rig_request(&r, conn, line, "", NULL);
}

static void finish(int status)
{
    struct node *n = rig_node(&r);
    CHECK_EQ(n->request_count, 1);
    CHECK_EQ(n->requests[0].kind, FAKE_READ);
    fake_answer(n, n->requests[0].token, status, status ? NULL : "");
    rig_turn(&r);
}

static void expect(uint64_t conn, int status, const char *body)
{
    const char *said = rig_said(&r, conn), *end = strstr(said, "\r\n\r\n");
    bool good = atoi(said + 9) == status && end && strcmp(end + 4, body) == 0 &&
                (strstr(said, "\r\nRetry-After: ") != NULL) == (status == 503);
    if (!good) fprintf(stderr, "wanted %d and '%s', got: %s\n", status, body, said);
    CHECK(good);
}

TEST(health, a_member_is_ready_when_a_read_is_confirmed)
{
    begin();
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask(conn, "/readyz");
    CHECK(rig_said(&r, conn)[0] == 0);
    finish(0);
    expect(conn, 200, "ok\n");
    ask(conn, "/readyz?verbose");
    finish(MS_ENOTFOUND); /* confirmed that there is no such key */
    expect(conn, 200,
           "[+]running ok\n[+]recovered ok\n[+]counts ok\n[+]leader ok\n[+]caught_up ok\n[+]read ok\n"
           "readyz check passed\n");
    ask(conn, "/health");
    finish(0);
    expect(conn, 200, "{\"health\":\"true\",\"reason\":\"\"}\n");
    ask(conn, "/health");
    finish(MS_ENOLEADER);
    expect(conn, 503, "{\"health\":\"false\",\"reason\":\"a read could not be confirmed by a quorum in time\"}\n");
    rig_node(&r)->refuse = MS_EBUSY;
    ask(conn, "/readyz");
    expect(conn, 503, "a read could not be confirmed by a quorum in time\n");
    rig_end(&r);
}

TEST(health, what_is_known_to_be_wrong_is_said_at_once)
{
    begin();
    struct node_status *s = &rig_node(&r)->status;
    const struct node_status good = *s;
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    s->leader = 0;
    ask(conn, "/readyz");
    expect(conn, 503, "no leader is known\n");
    ask(conn, "/health");
    expect(conn, 503, "{\"health\":\"false\",\"reason\":\"no leader is known\"}\n");
    ask(conn, "/livez");
    expect(conn, 200, "ok\n");
    *s = good;
    s->abstains = true;
    s->abstain_reason = "its \"disk\" was lost";
    ask(conn, "/health");
    expect(conn, 503, "{\"health\":\"false\",\"reason\":\"its \\\"disk\\\" was lost\"}\n");
    *s = good;
    s->applied_index = s->commit_index = 0;
    ask(conn, "/readyz");
    expect(conn, 503, "it has no state of the cluster yet\n");
    *s = good;
    s->commit_index = s->applied_index + MEMBER_READY_LAG_MAX + 1;
    ask(conn, "/readyz?verbose");
    expect(conn, 503,
           "[+]running ok\n[+]recovered ok\n[+]counts ok\n[+]leader ok\n[-]caught_up failed: it is still applying "
           "what was committed\nreadyz check failed\n");
    s->commit_index--;
    ask(conn, "/readyz");
    finish(0);
    expect(conn, 200, "ok\n");
    rig_end(&r);
}

TEST(health, half_a_page_is_none)
{
    bool told = false;
    uint32_t refused = 1, seen = 0;
    begin();
    for (; !told; refused++) { /* ends: nothing is refused any more */
        uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
        buf_fini(&r.m->text); /* its memory is asked for anew */
        ask(conn, "/health");
        r.alloc.refuse_at = r.alloc.requests + refused;
        finish(0);
        told = r.alloc.requests < r.alloc.refuse_at;
        r.alloc.refuse_at = 0;
        const char *said = rig_said(&r, conn);
        seen += strncmp(said, "HTTP/1.1 503 ", 13) == 0;
        bool good = strncmp(said, "HTTP/1.1 200 ", 13) == 0;
        if (good) CHECK(strstr(said, "\r\n\r\n{\"health\":\"true\",\"reason\":\"\"}\n"));
        if (rig_conn(&r, conn)->open) rig_closed(&r, conn);
    }
    CHECK(seen > 0);
    rig_end(&r);
}

/* The value of a sample that is printed once. */
static uint64_t sample(const char *said, const char *name)
{
    char line[256];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(said, line);
    if (!at) fprintf(stderr, "no sample %s\n", name);
    CHECK(at && !strstr(at + 1, line));
    return strtoull(at + strlen(line), NULL, 10);
}

TEST(metrics, requests_are_counted_by_what_they_were_and_how_they_ended)
{
    begin();
    rig_node(&r)->counters.proposals_pending = 3;
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT), other = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask(conn, "/k");
    finish(0);
    ask(conn, "/k");
    finish(MS_ENOTFOUND);
    ask(conn, "/k?x");
    rig_text(&r, other, "nonsense\r\n");
    ask(conn, "/k"); /* not answered yet */
    uint64_t third = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, third, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *said = rig_said(&r, third);
    CHECK(strstr(said, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CHECK_EQ(sample(said, "metastore_http_requests_total{route=\"get\",code=\"200\"}"), 1);
    CHECK_EQ(sample(said, "metastore_http_requests_total{route=\"get\",code=\"404\"}"), 1);
    CHECK_EQ(sample(said, "metastore_http_requests_total{route=\"refused\",code=\"400\"}"), 1);
    CHECK_EQ(sample(said, "metastore_http_requests_total{route=\"malformed\",code=\"400\"}"), 1);
    CHECK_EQ(sample(said, "metastore_http_request_duration_seconds_count{route=\"get\"}"), 2);
    CHECK_EQ(sample(said, "metastore_http_request_duration_seconds_bucket{route=\"get\",le=\"+Inf\"}"), 2);
    CHECK_EQ(sample(said, "metastore_http_requests_in_flight"), 2);
    CHECK_EQ(sample(said, "metastore_http_connections"), 2);
    CHECK_EQ(sample(said, "metastore_http_connections_accepted_total"), 3);
    CHECK_EQ(sample(said, "metastore_proposals_pending"), 3);
    CHECK_EQ(sample(said, "metastore_raft_is_leader"), 1);
    rig_closed(&r, conn); /* whoever goes is in flight no longer */
    rig_text(&r, third, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(sample(rig_said(&r, third), "metastore_http_requests_in_flight"), 1);
    rig_end(&r);
}

TEST(metrics, times_are_counted_in_buckets)
{
    struct histogram h = { 0 };
    struct buf out;
    rig_start(&r, 0);
    histogram_add(&h, 100);
    histogram_add(&h, 101);
    histogram_add(&h, 20000000);
    CHECK(h.buckets[0] == 1 && h.buckets[1] == 1 && h.count == 3 && h.sum_us == 20000201);
    buf_init(&out, &r.own.face, 1u << 16);
    metrics_sample_histogram(&out, "t", "a=\"b\"", &h);
    buf_append_u8(&out, 0);
    const char *text = (const char *)out.data;
    CHECK(strstr(text, "t_bucket{a=\"b\",le=\"0.0001\"} 1\nt_bucket{a=\"b\",le=\"0.00025\"} 2\n"));
    CHECK(strstr(text, "t_bucket{a=\"b\",le=\"10\"} 2\nt_bucket{a=\"b\",le=\"+Inf\"} 3\n"));
    CHECK(strstr(text, "t_sum{a=\"b\"} 20.000201\nt_count{a=\"b\"} 3\n"));
    buf_fini(&out);
    rig_end(&r);
}

TEST(health, a_version_is_told)
{
    begin();
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask(conn, "/version");
    expect(conn, 200, "{\"version\": \"unknown\", \"commit\": \"unknown\", \"peer_protocol\": 1}\n");
    rig_end(&r);
}
