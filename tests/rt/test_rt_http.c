/* test_rt_http.c: metastore/client.h: what is asked again, and what never is. The members are threads that say what
 * they are told to. */
#include <string.h>

#include "metastore/client.h"
#include "tests/rt/fake_member.h"
#include "tests/support/test.h"

static struct ms_http *client(uint32_t timeout_ms)
{
    struct ms_http_options options;
    struct ms_http *http;
    char why[MS_WHY_BYTES];
    ms_http_options_init(&options);
    options.endpoints = fake_endpoints;
    options.timeout_ms = timeout_ms;
    CHECK_EQ(ms_http_open(&http, &options, why), 0);
    return http;
}

static int ask(struct ms_http *http, const char *method, const char *body, int *status)
{
    struct ms_http_request request = { .method = method, .path = "/k" };
    struct ms_http_answer answer;
    char why[MS_WHY_BYTES];
    if (body) request.body = (struct ms_bytes){ .data = body, .len = strlen(body) };
    int rv = ms_http_ask(http, &request, &answer, why);
    *status = answer.status;
    ms_http_answer_free(&answer);
    return rv;
}

static void end(struct ms_http *http)
{
    ms_http_close(http);
    fake_end_all();
}

/* What a write is answered with, by one member that says this, and then that. */
static int status_of_put(const char *first, const char *then, uint32_t timeout_ms)
{
    int status;
    fake_add(first, then);
    struct ms_http *http = client(timeout_ms);
    CHECK_EQ(ask(http, "PUT", "v", &status), 0);
    end(http);
    return status;
}

#define DONE "HTTP/1.1 204 No Content\r\nMetastore-Revision: 7\r\nETag: \"5\"\r\n\r\n"
#define BUSY "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 6\r\n\r\nlater\n"
#define UNKNOWN "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 4\r\n\r\nwho\n"
#define HALF "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
#define FOUND "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvalue"

TEST(rt_http, a_write_goes_on_where_it_was_refused)
{
    int status;
    fake_add(BUSY, NULL);
    fake_add(DONE, NULL);
    struct ms_http *http = client(5000);
    CHECK_EQ(ask(http, "PUT", "v", &status), 0);
    CHECK_EQ(status, 204);
    CHECK_EQ(fakes[0].requests, 1);
    CHECK(strstr(fakes[1].last, "PUT /k HTTP/1.1\r\n") &&
          strstr(fakes[1].last, "Content-Length: 1\r\n"));
    CHECK_EQ(ask(http, "PUT", "v", &status), 0); /* at the one that answered */
    CHECK_EQ(fakes[0].requests, 1);
    CHECK_EQ(fakes[1].requests, 2);
    end(http);
}

TEST(rt_http, another_round_where_all_were_busy)
{
    CHECK_EQ(status_of_put(BUSY, DONE, 5000), 204);
    CHECK_EQ(fakes[0].requests, 2);
}

TEST(rt_http, when_the_time_is_over_the_refusal_is_the_answer)
{
    CHECK_EQ(status_of_put(BUSY, NULL, 300), 503);
    CHECK(fakes[0].requests > 1);
}

/* RH1. */
TEST(rt_http, a_write_of_unknown_outcome_is_sent_once)
{
    static const char *const ends[] = { NULL, UNKNOWN, HALF };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int status;
        fake_add(ends[i], NULL);
        fake_add(DONE, NULL);
        struct ms_http *http = client(5000);
        CHECK_EQ(ask(http, "PUT", "v", &status), MS_EUNKNOWN);
        CHECK_EQ(fakes[0].requests, 1);
        CHECK_EQ(fakes[1].requests, 0);
        end(http);
    }
}

TEST(rt_http, a_read_is_repeated_until_it_has_come_whole)
{
    static const char *const ends[] = { NULL, UNKNOWN, HALF, BUSY, "SSH-2.0-OpenSSH_9.2\r\n\r\n" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int status;
        fake_add(ends[i], NULL);
        fake_add(FOUND, NULL);
        struct ms_http *http = client(5000);
        CHECK_EQ(ask(http, "GET", NULL, &status), 0);
        CHECK_EQ(status, 200);
        CHECK_EQ(fakes[0].requests, 1);
        CHECK_EQ(fakes[1].requests, 1);
        end(http);
    }
}

TEST(rt_http, nobody_listens)
{
    int status;
    snprintf(fake_endpoints, sizeof fake_endpoints, "127.0.0.1:1");
    struct ms_http *http = client(200);
    CHECK_EQ(ask(http, "PUT", "v", &status), MS_EADDR);
    CHECK_EQ(status, 0);
    ms_http_close(http);
    fake_endpoints[0] = 0;
}

static int count_piece(void *arg, const struct ms_http_answer *answer, struct ms_bytes piece)
{
    size_t *bytes = arg;
    CHECK_EQ(answer->status, 200);
    *bytes += piece.len;
    return *bytes >= 1000 ? 17 : 0;
}

/* RH2. */
TEST(rt_http, a_stream_that_breaks_is_not_begun_again)
{
    struct ms_http_answer answer;
    char why[MS_WHY_BYTES];
    size_t bytes = 0;
    fake_add(HALF, NULL);
    fake_add(FOUND, NULL);
    struct ms_http *http = client(5000);
    struct ms_http_request request = {
        .method = "GET", .path = "/k", .on_body = count_piece, .arg = &bytes
    };
    CHECK_EQ(ms_http_ask(http, &request, &answer, why), MS_ESHORT);
    CHECK_EQ(bytes, 4);
    ms_http_answer_free(&answer);
    CHECK_EQ(ms_http_ask(http, &request, &answer, why), 0); /* at the next one */
    CHECK_EQ(bytes, 9);
    ms_http_answer_free(&answer);
    bytes = 1000;
    CHECK_EQ(ms_http_ask(http, &request, &answer, why), 17);
    ms_http_answer_free(&answer);
    end(http);
}

TEST(rt_http, headers_and_bodies_of_an_answer)
{
    struct ms_http_answer answer;
    char why[MS_WHY_BYTES];
    fake_add(DONE, FOUND);
    struct ms_http *http = client(5000);
    struct ms_http_request request = { .method = "DELETE", .path = "/k" };
    CHECK_EQ(ms_http_ask(http, &request, &answer, why), 0);
    CHECK_EQ(ms_http_answer_number(&answer, "metastore-revision"), 7);
    CHECK_EQ(ms_http_answer_number(&answer, "ETag"), 5);
    CHECK(ms_http_answer_number(&answer, "Metastore-Lease") == 0 && answer.body.len == 0);
    CHECK(strcmp(answer.body.data, "") == 0 && strcmp(answer.endpoint, ms_http_endpoint(http, 0)) == 0);
    ms_http_answer_free(&answer);
    CHECK_EQ(ms_http_ask(http, &request, &answer, why), 0);
    CHECK(answer.body.len == 5 && strcmp(answer.body.data, "value") == 0);
    ms_http_answer_free(&answer);
    end(http);
}

TEST(rt_http, what_would_be_another_request_is_not_sent)
{
    static const struct ms_http_header bad = { "If-Match", "*\r\nX: y" };
    struct ms_http_request rows[] = {
        { .method = "GET", .path = "/a b" },
        { .method = "GET", .path = "a" },
        { .method = "GET /", .path = "/" },
        { .method = "GET", .path = "/", .headers = &bad, .header_count = 1 },
        { .method = "GET", .path = "/", .headers = &bad, .header_count = 1000 },
    };
    fake_add(DONE, NULL);
    struct ms_http *http = client(5000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ms_http_answer answer;
        char why[MS_WHY_BYTES];
        CHECK_EQ(ms_http_ask(http, &rows[i], &answer, why), MS_EINVAL);
        ms_http_answer_free(&answer);
    }
    end(http);
    CHECK(!strstr(fakes[0].last, "HTTP"));
}

TEST(rt_http, an_answer_has_its_bound)
{
    struct ms_http_options options;
    struct ms_http *http;
    char why[MS_WHY_BYTES];
    int status;
    fake_add(FOUND, NULL);
    ms_http_options_init(&options);
    options.endpoints = fake_endpoints;
    for (size_t most = 4; most <= 5; most++) {
        options.body_bytes_max = most;
        CHECK_EQ(ms_http_open(&http, &options, why), 0);
        CHECK_EQ(ask(http, "GET", NULL, &status), most == 5 ? 0 : MS_ETOOBIG);
        ms_http_close(http);
    }
    fake_end_all();
}

TEST(rt_http, endpoints)
{
    struct ms_http_options options;
    struct ms_http *http = NULL;
    char why[MS_WHY_BYTES];
    static const char *const bad[] = {
        "", "http://a", "a:1,", "a:1,,b:1", "http://a:1/x", "http://x:y"
    };
    ms_http_options_init(&options);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.endpoints = bad[i];
        CHECK_EQ(ms_http_open(&http, &options, why), MS_EINVAL);
        CHECK(strstr(why, "no endpoint"));
    }
    options.endpoints = "a:1,http://b:2";
    CHECK_EQ(ms_http_open(&http, &options, why), 0);
    CHECK(strcmp(ms_http_endpoint(http, 0), "http://a:1") == 0);
    CHECK(strcmp(ms_http_endpoint(http, 1), "http://b:2") == 0 && !ms_http_endpoint(http, 2));
    ms_http_close(http);
}
