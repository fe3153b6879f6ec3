/* Answers, to the byte. */
#include "tests/http/http_rig.h"
#include "tests/support/test.h"

#define HOST "Host: h\r\n"

static struct http_conn_opts opts = { .body_bytes_max = 1024 };
static struct test_alloc alloc;
static struct http_conn *c;

static void begin(void)
{
    test_alloc_init(&alloc);
    CHECK_EQ(http_conn_create(&c, &opts, &alloc.face), 0);
}

static void end(void)
{
    http_conn_destroy(c);
    CHECK_EQ(alloc.alive, 0);
}

static int feed(const char *text)
{
    CHECK_EQ(http_conn_input(c, bytes_of_str(text)), 0);
    return http_conn_next(c);
}

static void check_sent(const char *expected)
{
    struct buf *out = http_conn_output(c);
    bool same = bytes_equal(buf_bytes(out), bytes_of_str(expected));
    if (!same)
        fprintf(stderr, "sent: %.*s\nnot: %s\n", (int)out->len, (const char *)out->data, expected);
    CHECK(same);
    http_conn_sent(c);
    CHECK_EQ(http_conn_output(c)->len, 0);
}

static void check_answer(const char *request, const struct http_answer *a, const char *expected,
                         int next)
{
    begin();
    CHECK_EQ(feed(request), HTTP_REQUEST);
    http_conn_answer(c, a);
    check_sent(expected);
    CHECK_EQ(http_conn_next(c), next);
    end();
}

#define GET "GET /a HTTP/1.1\r\n" HOST "\r\n"

TEST(http_answer, has_these_bytes)
{
    struct http_answer ok = { .status = 200, .body = bytes_of_str("hello") };
    check_answer(GET, &ok, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", HTTP_NEED_MORE);
    check_answer("HEAD /a HTTP/1.1\r\n" HOST "\r\n", &ok,
                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_NEED_MORE);
    check_answer("GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &ok,
                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", HTTP_CLOSED);
    check_answer("GET /a HTTP/1.0\r\n\r\n", &ok,
                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", HTTP_CLOSED);
    check_answer("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &ok,
                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
                 HTTP_NEED_MORE);
    ok.close = true;
    check_answer(GET, &ok, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                 HTTP_CLOSED);
    struct http_answer none = { .status = 204, .body = bytes_of_str("left out") };
    check_answer(GET, &none, "HTTP/1.1 204 No Content\r\n\r\n", HTTP_NEED_MORE);
    struct http_answer empty = { .status = 200, .content_type = "application/octet-stream" };
    check_answer(
        GET, &empty,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: application/octet-stream\r\n\r\n",
        HTTP_NEED_MORE);
    static const struct http_header headers[] = { { "Retry-After", "1" },
                                                  { "Metastore-Outcome", "unknown" } };
    struct http_answer more = { .status = 504, .headers = headers, .header_count = 2 };
    check_answer(GET, &more,
                 "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
                 "Metastore-Outcome: unknown\r\n\r\n",
                 HTTP_NEED_MORE);
}

TEST(http_answer, of_an_error_is_one_line)
{
    begin();
    CHECK_EQ(feed(GET), HTTP_REQUEST);
    http_conn_answer_text(c, 404, "no such key");
    check_sent("HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nContent-Type: text/plain\r\n\r\nno "
               "such key\n");
    CHECK_EQ(http_conn_next(c), HTTP_NEED_MORE);
    CHECK_EQ(feed("PUT /a HTTP/1.1\r\n" HOST "Content-Length: 1025\r\n\r\n"), HTTP_REFUSED);
    check_sent("HTTP/1.1 413 Content Too Large\r\nContent-Length: 22\r\nContent-Type: text/plain\r\n"
               "Connection: close\r\n\r\nthe body is too large\n");
    CHECK_EQ(http_conn_next(c), HTTP_CLOSED);
    CHECK(!http_conn_wants_input(c));
    CHECK_EQ(feed(GET), HTTP_CLOSED); /* dropped */
    CHECK_EQ(http_conn_output(c)->len, 0);
    end();
    for (int status = 100; status < 600; status++) CHECK(http_status_text(status)[0]);
    CHECK(strcmp(http_status_text(507), "Insufficient Storage") == 0);
}

/* 408 in the middle of a request, 503 to a connection that is one too many. */
TEST(http_answer, without_a_request_closes)
{
    static const char *const before[] = { "", "GET /a HT",
                                          "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na",
                                          "PUT /a HTTP/1.1\r\n" HOST
                                          "Transfer-Encoding: chunked\r\n\r\n3\r\n" };
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        begin();
        CHECK_EQ(feed(before[i]), HTTP_NEED_MORE);
        CHECK_EQ(http_conn_in_request(c), i > 0);
        http_conn_answer_text(c, 408, "too slow");
        check_sent("HTTP/1.1 408 Request Timeout\r\nContent-Length: 9\r\nContent-Type: text/plain\r\n"
                   "Connection: close\r\n\r\ntoo slow\n");
        CHECK_EQ(http_conn_next(c), HTTP_CLOSED);
        CHECK(!http_conn_in_request(c));
        end();
    }
}

TEST(http_answer, continue_comes_before_the_body_and_only_if_it_is_wanted)
{
    begin();
    CHECK_EQ(feed("PUT /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n"),
             HTTP_NEED_MORE);
    check_sent("");
    CHECK_EQ(feed("\r\n"), HTTP_NEED_MORE);
    check_sent("HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_EQ(feed("h"), HTTP_NEED_MORE);
    check_sent("");
    CHECK_EQ(feed("i"), HTTP_REQUEST);
    check_sent("");
    http_conn_answer(c, &(struct http_answer){ .status = 204 });
    check_sent("HTTP/1.1 204 No Content\r\n\r\n");
    CHECK_EQ(
        feed("PUT /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
        HTTP_NEED_MORE);
    check_sent("HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_EQ(feed("0\r\n\r\n"), HTTP_REQUEST);
    http_conn_answer(c, &(struct http_answer){ .status = 204 });
    check_sent("HTTP/1.1 204 No Content\r\n\r\n");
    CHECK_EQ(feed("GET /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"), HTTP_REQUEST);
    check_sent("");
    http_conn_answer(c, &(struct http_answer){ .status = 204 });
    http_conn_sent(c);
    CHECK_EQ(feed("PUT /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n"),
             HTTP_REFUSED);
    check_sent("HTTP/1.1 413 Content Too Large\r\nContent-Length: 22\r\nContent-Type: text/plain\r\n"
               "Connection: close\r\n\r\nthe body is too large\n");
    end();
}

/* HEAD has no body, whatever the answer. */
TEST(http_answer, to_head_has_no_body)
{
    begin();
    CHECK_EQ(feed("HEAD /a HTTP/1.1\r\n" HOST "\r\n"), HTTP_REQUEST);
    http_conn_answer_text(c, 404, "no such key");
    check_sent("HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nContent-Type: text/plain\r\n\r\n");
    CHECK_EQ(feed("HEAD /a HTTP/1.1\r\n" HOST "Content-Length: 2000\r\n\r\n"), HTTP_REFUSED);
    check_sent("HTTP/1.1 413 Content Too Large\r\nContent-Length: 22\r\nContent-Type: text/plain\r\n"
               "Connection: close\r\n\r\n");
    end();
}
