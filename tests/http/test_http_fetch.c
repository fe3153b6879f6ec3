/* test_http_fetch.c: answers of unknown length, as they are sent and as they are read, cut anywhere. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ms_err.h"
#include "http/http_fetch.h"
#include "tests/http/http_rig.h"
#include "tests/support/test.h"

/* Read text, step bytes at a time, into body; what the last call said. */
static int fetch(const char *text, size_t len, size_t step, struct buf *body, int *status)
{
    struct http_fetch f;
    struct buf in;
    int rv = 0;
    http_fetch_init(&f, false);
    buf_init(&in, body->alloc, 1u << 20);
    buf_clear(body);
    for (size_t at = 0; rv == 0 && at < len; at += step) {
        buf_append(&in, text + at, len - at < step ? len - at : step);
        for (;;) {
            struct bytes piece;
            size_t used;
            rv = http_fetch_next(&f, in.data, in.len, &used, &piece);
            buf_append(body, piece.data, piece.len);
            buf_drop_front(&in, used);
            if (rv < 0 || used == 0 || in.len == 0) break;
        }
    }
    *status = f.status;
    buf_fini(&in);
    return rv;
}

static void expect(const char *text, int end, int status, const char *body)
{
    struct test_alloc alloc;
    struct buf got;
    int said;
    test_alloc_init(&alloc);
    buf_init(&got, &alloc.face, 1u << 20);
    for (size_t step = 1; step <= strlen(text); step++) {
        CHECK_EQ(fetch(text, strlen(text), step, &got, &said), end);
        if (end == MS_EPROTO) continue;
        CHECK_EQ(said, status);
        CHECK(bytes_equal(buf_bytes(&got), bytes_of_str(body)));
    }
    buf_fini(&got);
    CHECK_EQ(alloc.alive, 0);
}

TEST(http_fetch, bodies_come_whole_or_are_seen_to_be_cut)
{
    expect(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        MS_EEND, 200, "hello world");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n wor", 0, 200,
           "hello wor");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0, 200, "hello");
    expect("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nlater", MS_EEND, 503, "later");
    expect("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlat", 0, 503, "lat");
    expect("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", MS_EEND, 404, "");
    expect("HTTP/1.1 200 OK\r\nTransf", 0, 0, "");
}

TEST(http_fetch, answers_without_a_body)
{
    expect("HTTP/1.1 204 No Content\r\nETag: \"5\"\r\n\r\n", MS_EEND, 204, "");
    expect("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", MS_EEND, 304, "");
    struct http_fetch f;
    struct bytes piece;
    size_t used;
    char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    http_fetch_init(&f, true);
    CHECK_EQ(http_fetch_next(&f, (uint8_t *)head, strlen(head), &used, &piece), MS_EEND);
    CHECK_EQ(used, strlen(head));
}

static void count_header(void *arg, struct bytes name, struct bytes value)
{
    int *sum = arg;
    CHECK(name.len > 0 && value.len > 0);
    (*sum)++;
}

TEST(http_fetch, requests_and_headers)
{
    struct test_alloc alloc;
    struct buf out;
    const struct http_fetch_header headers[] = { { "If-Match", "\"5\"" } };
    struct http_fetch_request r = { .method = "PUT",
                                    .host = "::1",
                                    .path = "/a?b",
                                    .port = 80,
                                    .headers = headers,
                                    .header_count = 1,
                                    .has_body = true,
                                    .body_bytes = 3 };
    test_alloc_init(&alloc);
    buf_init(&out, &alloc.face, 1000);
    CHECK(http_fetch_request(&out, &r));
    CHECK(bytes_equal(
        buf_bytes(&out),
        bytes_of_str("PUT /a?b HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\nContent-Length: "
                     "3\r\nIf-Match: \"5\"\r\n\r\n")));
    buf_fini(&out);
    struct http_fetch f;
    struct bytes piece;
    size_t used;
    int sum = 0;
    char head[] = "HTTP/1.1 204 No Content\r\nA: b\r\nC: d\r\n\r\n";
    http_fetch_init(&f, false);
    f.on_header = count_header;
    f.arg = &sum;
    CHECK_EQ(http_fetch_next(&f, (uint8_t *)head, strlen(head), &used, &piece), MS_EEND);
    CHECK_EQ(sum, 2);
}

TEST(http_fetch, other_answers_are_none)
{
    expect("SSH-2.0-OpenSSH_9.2\r\n\r\n", MS_EPROTO, 0, "");
    expect("HTTP/1.1 200 OK\r\n\r\n", MS_EPROTO, 0,
           ""); /* up to the end: nobody could tell whether it is all */
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", MS_EPROTO, 0, "");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", MS_EPROTO, 0,
           "");
    expect("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", MS_EPROTO, 0, "");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", MS_EPROTO, 0, "");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", MS_EPROTO, 0, "");
    char *large = malloc(HTTP_FETCH_HEAD_BYTES_MAX + 100);
    memset(large, 'a', HTTP_FETCH_HEAD_BYTES_MAX + 100);
    struct http_fetch f;
    struct bytes piece;
    size_t used;
    http_fetch_init(&f, false);
    CHECK_EQ(http_fetch_next(&f, (uint8_t *)large, HTTP_FETCH_HEAD_BYTES_MAX + 100, &used, &piece),
             MS_EPROTO);
    free(large);
}

/* What a connection streams is what is read of it; and a client of 1.0 gets it up to the end. */
TEST(http_fetch, streams_of_a_connection)
{
    struct test_alloc alloc;
    struct http_conn_opts opts = { .body_bytes_max = 100 };
    struct http_conn *c;
    struct buf got;
    int status;
    for (int version = 0; version <= 1; version++) {
        char request[64];
        test_alloc_init(&alloc);
        buf_init(&got, &alloc.face, 1u << 20);
        CHECK_EQ(http_conn_create(&c, &opts, &alloc.face), 0);
        int len =
            snprintf(request, sizeof request, "GET /x HTTP/1.%d\r\nHost: a\r\n\r\nGET /y", version);
        CHECK_EQ(http_conn_input(c, bytes_of(request, (size_t)len)), 0);
        CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
        CHECK(http_conn_stream_begin(c, "application/octet-stream", NULL, 0));
        CHECK(http_conn_stream_part(c, bytes_of_str("some")));
        CHECK(http_conn_stream_part(c, bytes_of_str("")));
        CHECK_EQ(http_conn_next(c),
                 HTTP_NEED_MORE); /* what is pipelined waits, and is dropped at the end */
        CHECK(http_conn_stream_part(c, bytes_of_str(" bytes and more of them")));
        http_conn_stream_end(c);
        CHECK_EQ(http_conn_next(c), HTTP_CLOSED);
        struct buf *out = http_conn_output(c);
        if (version == 1) {
            CHECK_EQ(fetch((const char *)out->data, out->len, 7, &got, &status), MS_EEND);
            CHECK_EQ(status, 200);
            CHECK(bytes_equal(buf_bytes(&got), bytes_of_str("some bytes and more of them")));
        } else {
            buf_append_u8(out, 0);
            CHECK(strstr((const char *)out->data,
                         "Connection: close\r\n\r\nsome bytes and more of them"));
            CHECK(!strstr((const char *)out->data, "chunked"));
        }
        http_conn_destroy(c);
        buf_fini(&got);
        CHECK_EQ(alloc.alive, 0);
    }
}

TEST(http_fetch, a_part_without_memory_is_left_out_whole)
{
    struct test_alloc alloc;
    struct http_conn_opts opts = { .body_bytes_max = 100 };
    struct http_conn *c;
    static uint8_t large[100000];
    test_alloc_init(&alloc);
    CHECK_EQ(http_conn_create(&c, &opts, &alloc.face), 0);
    CHECK_EQ(http_conn_input(c, bytes_of_str("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")), 0);
    CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
    CHECK(http_conn_stream_begin(c, "a/b", NULL, 0));
    size_t before = http_conn_output(c)->len;
    alloc.refuse_at = alloc.requests + 1;
    CHECK(!http_conn_stream_part(c, bytes_of(large, sizeof large)));
    alloc.refuse_at = 0;
    CHECK_EQ(http_conn_output(c)->len, before);
    CHECK(http_conn_stream_part(c, bytes_of(large, sizeof large)));
    http_conn_destroy(c);
    CHECK_EQ(alloc.alive, 0);
}
