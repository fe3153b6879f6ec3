/* Connections: pipelining and its bounds, memory. */
#include "base/ms_err.h"
#include "http/http_private.h"
#include "tests/http/http_rig.h"
#include "tests/support/test.h"

#define BODY_BYTES_MAX (1u << 20)
#define GET_A "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

/* H1: while a request is out, input is kept up to the bound, and not taken above it; nothing is lost.
 */
TEST(http_conn, input_behind_a_slow_request_is_bounded)
{
    struct http_rig rig;
    const struct bytes get = bytes_of_str(GET_A);
    rig_init(&rig, BODY_BYTES_MAX);
    CHECK_EQ(http_conn_input(rig.c, get), 0);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
    size_t kept = 0, behind = 0;
    for (; http_conn_wants_input(rig.c); kept++) {
        CHECK_EQ(http_conn_input(rig.c, get), 0);
        CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE); /* told once */
        CHECK(!http_conn_in_request(rig.c));
        behind += get.len;
    }
    CHECK(behind >= HTTP_INPUT_BYTES_MAX && behind < HTTP_INPUT_BYTES_MAX + get.len);
    CHECK_EQ(http_conn_input(rig.c, get), MS_EBUSY);
    CHECK(rig.c->in.cap + rig.c->behind.cap < 2 * HTTP_INPUT_BYTES_MAX);
    for (size_t i = 0; i <= kept; i++) {
        CHECK(http_conn_request(rig.c) != NULL);
        http_conn_answer(rig.c, &(struct http_answer){ .status = 204 });
        CHECK(http_conn_request(rig.c) == NULL);
        CHECK_EQ(http_conn_next(rig.c), i < kept ? HTTP_REQUEST : HTTP_NEED_MORE);
        CHECK(http_conn_wants_input(rig.c));
    }
    CHECK(!http_conn_in_request(rig.c));
    rig_fini(&rig);
}

/* The bound does not lean on the caller: without http_conn_next() input is not taken for ever either.
 */
TEST(http_conn, input_is_bounded_before_it_is_read)
{
    static const char *const before[] = {
        "", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    };
    static const size_t max[] = { HTTP_HEADER_BYTES_MAX, 200u + BODY_BYTES_MAX,
                                  200u + HTTP_INPUT_BYTES_MAX };
    static uint8_t piece[16384];
    memset(piece, 'G', sizeof piece);
    for (size_t i = 0; i < 3; i++) {
        struct http_rig rig;
        rig_init(&rig, BODY_BYTES_MAX);
        CHECK_EQ(http_conn_input(rig.c, bytes_of_str(before[i])), 0);
        CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE);
        size_t taken = 0;
        for (; http_conn_wants_input(rig.c); taken += sizeof piece) {
            CHECK_EQ(http_conn_input(rig.c, bytes_of(piece, sizeof piece)), 0);
            CHECK(taken <= max[i]);
        }
        CHECK(taken + 200 >= max[i] - 200);
        CHECK_EQ(http_conn_input(rig.c, bytes_of(piece, sizeof piece)), MS_EBUSY);
        CHECK_EQ(http_conn_next(rig.c), i == 1 ? HTTP_REQUEST : HTTP_REFUSED);
        rig_fini(&rig);
    }
}

/* H2: thousands in one piece, requests of all sizes, answered in order. */
TEST(http_conn, pipelined_requests_are_answered_in_order)
{
    struct http_rig rig;
    struct buf text, expected;
    struct ms_rand rand;
    ms_rand_init(&rand, 5, 1);
    rig_init(&rig, BODY_BYTES_MAX);
    buf_init(&text, &rig.alloc.face, 16u << 20);
    buf_init(&expected, &rig.alloc.face, 16u << 20);
    for (unsigned i = 0; i < 5000; i++) {
        char body[512];
        unsigned len = i % 500 ? (unsigned)ms_rand_below(&rand, 20) : (unsigned)sizeof body;
        memset(body, 'a' + (int)(i % 26), sizeof body);
        buf_append_text(&text, "PUT /%u HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n%.*s", i, len,
                        (int)len, body);
        buf_append_text(&expected, "PUT /%u [%.*s] keep;", i, (int)len, body);
    }
    buf_append(&expected, "", 1);
    rig_feed(&rig, buf_bytes(&text));
    CHECK(strcmp(rig_log(&rig), (const char *)expected.data) == 0);
    rig_check("pipelined", buf_bytes(&text), BODY_BYTES_MAX, (const char *)expected.data);
    buf_fini(&text);
    buf_fini(&expected);
    rig_fini(&rig);
}

TEST(http_conn, large_bodies_come_whole)
{
    struct http_rig rig;
    struct buf text, expected;
    struct ms_rand rand;
    ms_rand_init(&rand, 6, 1);
    rig_init(&rig, BODY_BYTES_MAX);
    buf_init(&text, &rig.alloc.face, 16u << 20);
    buf_init(&expected, &rig.alloc.face, 16u << 20);
    buf_append_text(&text, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n", BODY_BYTES_MAX);
    buf_append_text(&expected, "PUT /a [");
    for (size_t i = 0; i < BODY_BYTES_MAX; i++) buf_append_u8(&expected, (uint8_t)('a' + i % 23));
    buf_append(&text, expected.data + 8, BODY_BYTES_MAX);
    buf_append_text(&expected, "] keep;");
    size_t first_len = expected.len;
    buf_append_text(&text, "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < BODY_BYTES_MAX;) {
        size_t n = (size_t)ms_rand_between(&rand, 1, 30000);
        if (n > BODY_BYTES_MAX - at) n = BODY_BYTES_MAX - at;
        buf_append_text(&text, "%zx\r\n", n);
        buf_append(&text, expected.data + 8 + at, n);
        buf_append(&text, "\r\n", 2);
        at += n;
    }
    buf_append_text(&text, "0\r\n\r\n" GET_A);
    CHECK(buf_reserve(&expected, first_len));
    buf_append(&expected, expected.data, first_len);
    buf_append_text(&expected, "GET /a [] keep;");
    for (size_t piece = 1000; piece <= 64000; piece *= 4) {
        struct http_rig each;
        rig_init(&each, BODY_BYTES_MAX);
        each.late = piece == 4000;
        for (size_t at = 0; at < text.len; at += piece) {
            size_t n = text.len - at < piece ? text.len - at : piece;
            rig_feed(&each, bytes_of(text.data + at, n));
        }
        rig_end(&each);
        CHECK(bytes_equal(buf_bytes(&each.log), buf_bytes(&expected)));
        rig_fini(&each);
    }
    buf_fini(&text);
    buf_fini(&expected);
    rig_fini(&rig);
}

static size_t held_bytes(const struct http_conn *c)
{
    return sizeof *c + c->in.cap + c->behind.cap + c->out.cap;
}

/* Idle connections are many. */
TEST(http_conn, holds_little_memory_between_requests_and_asks_for_none)
{
    struct http_rig rig;
    static const char put[] = "PUT /config/some/key HTTP/1.1\r\nHost: 127.0.0.1:12380\r\nUser-Agent: "
                              "curl/7.88.1\r\nAccept: */*\r\nContent-Length: 100\r\nContent-Type: "
                              "application/x-www-form-urlencoded\r\n\r\n";
    char body[100];
    memset(body, 'b', sizeof body);
    rig_init(&rig, BODY_BYTES_MAX);
    CHECK(held_bytes(rig.c) < 1024);
    uint64_t requests = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 2) requests = rig.alloc.requests;
        CHECK_EQ(http_conn_input(rig.c, bytes_of(put, sizeof put - 1)), 0);
        CHECK_EQ(http_conn_input(rig.c, bytes_of(body, sizeof body)), 0);
        CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
        CHECK_EQ(http_conn_input(rig.c, bytes_of_str(GET_A)), 0);
        http_conn_answer(rig.c, &(struct http_answer){ .status = 204 });
        CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
        http_conn_answer(rig.c,
                         &(struct http_answer){ .status = 200, .body = bytes_of(body, sizeof body) });
        CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE);
        http_conn_sent(rig.c);
    }
    CHECK_EQ(rig.alloc.requests, requests); /* none in the steady state */
    CHECK(held_bytes(rig.c) < 4096);
    rig_fini(&rig);
}

TEST(http_conn, gives_large_memory_back)
{
    struct http_rig rig;
    struct test_alloc alloc;
    struct buf text;
    rig_init(&rig, BODY_BYTES_MAX);
    test_alloc_init(&alloc);
    buf_init(&text, &alloc.face, 16u << 20);
    buf_append_text(&text, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n", BODY_BYTES_MAX);
    CHECK(buf_reserve(&text, BODY_BYTES_MAX + 5));
    memset(text.data + text.len, 'x', BODY_BYTES_MAX);
    text.len += BODY_BYTES_MAX;
    buf_append(&text, "GET /", 5);
    CHECK_EQ(http_conn_input(rig.c, buf_bytes(&text)), 0);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
    CHECK_EQ(http_conn_input(rig.c, buf_bytes(&text)), 0); /* behind it */
    http_conn_answer(rig.c, &(struct http_answer){ .status = 200, .body = buf_bytes(&text) });
    http_conn_sent(rig.c);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REFUSED); /* "GET /PUT ..." */
    CHECK(held_bytes(rig.c) < 2048);
    rig_fini(&rig);

    rig_init(&rig, BODY_BYTES_MAX);
    CHECK_EQ(http_conn_input(rig.c, buf_bytes(&text)), 0);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
    http_conn_answer(rig.c, &(struct http_answer){ .status = 200, .body = buf_bytes(&text) });
    http_conn_sent(rig.c);
    CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE);
    CHECK(http_conn_in_request(rig.c));
    CHECK_EQ(http_conn_input(rig.c, bytes_of_str("a HTTP/1.1\r\nHost: h\r\n\r\n")), 0);
    CHECK(held_bytes(rig.c) < HTTP_KEPT_BYTES_MAX + 2048);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
    CHECK(bytes_equal(http_conn_request(rig.c)->path, bytes_of_str("/a")));
    http_conn_answer(rig.c, &(struct http_answer){ .status = 204 });
    CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE);

    CHECK_EQ(http_conn_input(rig.c, bytes_of(text.data, text.len - 5)), 0);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
    http_conn_answer(rig.c, &(struct http_answer){ .status = 204 });
    CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE);
    http_conn_sent(rig.c);
    CHECK(!http_conn_in_request(rig.c));
    CHECK(held_bytes(rig.c) < 2048);
    buf_fini(&text);
    rig_fini(&rig);
}

/* Framing takes no room once it was read: chunks of one byte cost no more than one large one. */
TEST(http_conn, reads_small_chunks_in_bounded_memory)
{
    struct http_rig rig;
    static const char chunk[] = "1;x\r\nb\r\n";
    const size_t body_bytes = 400; /* so many extensions are allowed */
    rig_init(&rig, BODY_BYTES_MAX);
    CHECK_EQ(http_conn_input(rig.c, bytes_of_str("PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                                 "chunked\r\n\r\n")),
             0);
    for (size_t i = 0; i < body_bytes; i++) {
        CHECK_EQ(http_conn_next(rig.c), HTTP_NEED_MORE);
        CHECK_EQ(http_conn_input(rig.c, bytes_of(chunk, sizeof chunk - 1)), 0);
    }
    CHECK_EQ(http_conn_input(rig.c, bytes_of_str("0\r\n\r\n")), 0);
    CHECK_EQ(http_conn_next(rig.c), HTTP_REQUEST);
    CHECK_EQ(http_conn_request(rig.c)->body.len, body_bytes);
    CHECK(rig.c->in.cap < 2 * body_bytes);
    rig_fini(&rig);
}

/* Refuse each allocation in turn: what came out is a beginning of what would have, every answer in the
 * output is whole, and nothing is left over. */
static const char sweep_text[] = GET_A
    "PUT /b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n50\r\n"
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n0\r\n\r\n"
    "PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcFROB / HTTP/1.1\r\n\r\n";

static bool sweep(uint64_t refuse_at, struct buf *all, size_t piece, bool stop)
{
    struct test_alloc alloc;
    struct http_conn_opts opts = { .body_bytes_max = 1000 };
    struct http_conn *c;
    test_alloc_init(&alloc);
    alloc.refuse_at = refuse_at;
    int event = http_conn_create(&c, &opts, &alloc.face);
    if (event < 0) {
        CHECK_EQ(event, MS_ENOMEM);
        CHECK_EQ(alloc.alive, 0);
        return true;
    }
    size_t sent = 0;
    for (size_t at = 0; event >= 0 && event != HTTP_CLOSED && at < sizeof sweep_text - 1; at += piece) {
        size_t left = sizeof sweep_text - 1 - at;
        int rv = http_conn_input(c, bytes_of(sweep_text + at, left < piece ? left : piece));
        if (rv == MS_ENOMEM && !stop) { /* nothing has changed: again */
            rv = http_conn_input(c, bytes_of(sweep_text + at, left < piece ? left : piece));
            CHECK_EQ(rv, 0);
        }
        if (rv < 0) {
            CHECK_EQ(rv, MS_ENOMEM);
            break;
        }
        while ((event = http_conn_next(c)) == HTTP_REQUEST) {
            http_conn_answer(
                c, &(struct http_answer){ .status = 200, .body = http_conn_request(c)->body });
        }
        if (event < 0) CHECK_EQ(event, MS_ENOMEM);
    }
    struct buf *out = http_conn_output(c);
    sent = out->len;
    CHECK(!out->failed);
    if (refuse_at == 0) {
        buf_append(all, out->data, out->len);
    } else {
        CHECK(sent <= all->len && (sent == 0 || memcmp(out->data, all->data, sent) == 0));
        bool ends = sent == all->len || sent == 0 || memcmp(all->data + sent, "HTTP/1.1 ", 9) == 0;
        CHECK(ends);
    }
    bool met = refuse_at && alloc.requests >= refuse_at;
    http_conn_destroy(c);
    CHECK_EQ(alloc.alive, 0);
    return met;
}

TEST(http_conn, survives_every_refused_allocation)
{
    struct test_alloc alloc;
    struct buf all;
    test_alloc_init(&alloc);
    for (size_t piece = 1; piece < 1000; piece = piece * 5 + 2) {
        buf_init(&all, &alloc.face, 1u << 16);
        sweep(0, &all, piece, true);
        CHECK(all.len > 200);
        uint64_t n = 1;
        while (sweep(n, &all, piece, n % 2)) n++;
        CHECK(n >= 3);
        buf_fini(&all);
    }
}
