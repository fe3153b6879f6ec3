/* Requests, good and bad, each fed whole and cut in many ways with the same outcome (http.h, H1-H3).
 * Every leniency of http-parser that TOOLBOX 3 lists has a row here. */
#include "tests/http/http_rig.h"
#include "tests/support/test.h"

#define BODY_BYTES_MAX 64u

struct row {
    const char *name, *text, *log;
};

#define HOST "Host: h\r\n"
#define GET_B                                                                                          \
    "GET /b HTTP/1.1\r\n" HOST "\r\n" /* a second request, to see where the first one ended            \
                                       */
#define B "GET /b [] keep;"

static const struct row good[] = {
    { "get", "GET /a HTTP/1.1\r\n" HOST "\r\n", "GET /a [] keep;" },
    { "head", "HEAD /a HTTP/1.1\r\n" HOST "\r\n" GET_B, "HEAD /a [] keep;" B },
    { "put", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET_B, "PUT /a [abc] keep;" B },
    { "put, empty", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n" GET_B, "PUT /a [] keep;" B },
    { "no length is no body", "PUT /a HTTP/1.1\r\n" HOST "\r\n" GET_B, "PUT /a [] keep;" B },
    { "post", "POST /1 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "POST /1 [x] keep;" },
    { "delete with a body", "DELETE /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx" GET_B,
      "DELETE /a [x] keep;" B },
    { "get with a body", "GET /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx" GET_B,
      "GET /a [x] keep;" B },
    { "methods that are known and of no use",
      "PATCH /a HTTP/1.1\r\n" HOST "\r\nOPTIONS * HTTP/1.1\r\n" HOST "\r\nTRACE /a HTTP/1.1\r\n" HOST
      "\r\n",
      "OTHER /a [] keep;OTHER * [] keep;OTHER /a [] keep;" },
    { "body of the largest size",
      "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 64\r\n\r\n"
      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" GET_B,
      "PUT /a [0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef] keep;" B },
    { "chunks",
      "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n00d\r\n0123456789abc\r\nA\r\n0123456789\r\n0\r\n\r\n" GET_B,
      "PUT /a [abc0123456789abc0123456789] keep;" B },
    { "chunks: none", "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET_B,
      "PUT /a [] keep;" B },
    { "chunks: case of the coding",
      "PUT /a HTTP/1.1\r\n" HOST "transfer-encoding: Chunked \r\n\r\n1\r\nx\r\n0\r\n\r\n",
      "PUT /a [x] keep;" },
    { "chunks: extensions",
      "PUT /a HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n0;c\r\n\r\n" GET_B,
      "PUT /a [x] keep;" B },
    { "query", "GET /a?x=1&y?z HTTP/1.1\r\n" HOST "\r\nGET /a? HTTP/1.1\r\n" HOST "\r\n",
      "GET /a?x=1&y?z [] keep;GET /a? [] keep;" },
    { "dots, slashes, plus, escapes stay", "GET //a/../b/./%2e+%00 HTTP/1.1\r\n" HOST "\r\n",
      "GET //a/../b/./%2e+%00 [] keep;" },
    { "printable bytes in the path", "GET /!\"$&'()*,-:;<=>@[\\]^_`{|}~ HTTP/1.1\r\n" HOST "\r\n",
      "GET /!\"$&'()*,-:;<=>@[\\]^_`{|}~ [] keep;" },
    { "absolute", "GET http://h:1/a/b?q HTTP/1.1\r\n" HOST "\r\nGET http://h HTTP/1.1\r\n" HOST "\r\n",
      "GET /a/b?q [] keep;GET / [] keep;" },
    { "absolute, without a path", "GET http://h?q HTTP/1.1\r\n" HOST "\r\n", "GET /?q [] keep;" },
    { "absolute of another scheme is no path", "GET https://h/a HTTP/1.1\r\n" HOST "\r\n",
      "GET https://h/a [] keep;" },
    { "1.0 closes", "GET /a HTTP/1.0\r\n\r\n" GET_B, "GET /a [] close;#;" },
    { "1.0 keeps when asked",
      "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
      "GET /a [] keep;GET /b [] close;#;" },
    { "close: what follows is dropped", "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET_B,
      "GET /a [] close;#;" },
    { "close in a list", "GET /a HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n" GET_B,
      "GET /a [] close;#;" },
    { "close beats keep-alive",
      "GET /a HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
      "GET /a [] close;#;" },
    { "one empty line before a request", "\r\n" GET_B "\r\n" GET_B, B B },
    { "headers without value and with blanks",
      "GET /a HTTP/1.1\r\nHost:\r\nX:\r\nY: \t \r\nZ:\tz\t\r\n\r\n" GET_B, "GET /a [] keep;" B },
    { "bytes above 127 in a value", "GET /a HTTP/1.1\r\n" HOST "X: \xc3\xa4\xff\r\n\r\n",
      "GET /a [] keep;" },
    { "upgrade is offered, not taken",
      "GET /a HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" GET_B,
      "GET /a [] keep up=h2c;" B },
    { "upgrade with a body",
      "PUT /a HTTP/1.1\r\n" HOST
      "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi" GET_B,
      "PUT /a [hi] keep up=x;" B },
    { "upgrade without Connection is none", "GET /a HTTP/1.1\r\n" HOST "Upgrade: h2c\r\n\r\n" GET_B,
      "GET /a [] keep;" B },
    { "expectations of 1.0 are ignored",
      "PUT /a HTTP/1.0\r\nExpect: dragons\r\nContent-Length: 1\r\n\r\nx", "PUT /a [x] close;#;" },
    { "expect without a body", "GET /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n" GET_B,
      "GET /a [] keep;" B },
    { "expect", "PUT /a HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx" GET_B,
      "PUT /a [x] keep;" B },
    { "headers that routes ask for",
      "GET /a HTTP/1.1\r\n" HOST "accept: text/event-stream\r\nIF-MATCH: \"1\"\r\nIf-None-Match: *\r\n"
      "Last-Event-ID:  12 \r\n\r\n" GET_B,
      "GET /a [] keep accept=text/event-stream match=\"1\" none=* last=12;" B },
    { "a range that is no part of a value",
      "DELETE /a HTTP/1.1\r\n" HOST "Content-Range: bytes 2-2/3\r\n\r\n" GET_B, "DELETE /a [] keep;" B },
    { "a header that is there without a value",
      "GET /a HTTP/1.1\r\n" HOST "If-Match:\r\nLast-Event-ID: \r\n\r\n", "GET /a [] keep match= last=;" },
    { "a list in several lines is one list",
      "PUT /a HTTP/1.1\r\n" HOST "If-Match: \"1\"\r\nAccept: a\r\nX: y\r\nif-match: \"2\", \"3\"\r\n"
      "Accept:b\r\nIf-Match:\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" GET_B,
      "PUT /a [x] keep accept=a, b match=\"1\", \"2\", \"3\", ;" B },
    { "unfinished", "GET /a HTTP/1.1\r\n" HOST, "" },
    { "unfinished body", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", "" },
    { "unfinished chunks", "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "" },
    { "nothing", "", "" },
};

#define BAD(status) "!" #status ";#;"
#define CHUNKED "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static const struct row bad[] = {
    /* What TOOLBOX 3 lists as accepted by http-parser. */
    { "space before the colon", "PUT /a HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc", BAD(400) },
    { "space in a name", "GET /a HTTP/1.1\r\n" HOST "X Y: 3\r\n\r\n", BAD(400) },
    { "bare LF in the request line", "GET /a HTTP/1.1\n" HOST "\r\n", BAD(400) },
    { "bare LF in a header", "GET /a HTTP/1.1\r\nHost: h\n\r\n", BAD(400) },
    { "bare LF at the end", "GET /a HTTP/1.1\r\n" HOST "\n", BAD(400) },
    { "folded", "GET /a HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", BAD(400) },
    { "folded with a tab", "GET /a HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n", BAD(400) },
    { "folded Content-Length", "PUT /a HTTP/1.1\r\n" HOST "Content-Length:\r\n 3\r\n\r\nabc",
      BAD(400) },
    { "folded Transfer-Encoding",
      "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", BAD(400) },
    { "folded, before any header", "GET /a HTTP/1.1\r\n Host: h\r\n\r\n", BAD(400) },
    { "tab in the path", "GET /a\tb HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "8-bit byte in the path", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "space behind a chunk size", CHUNKED "3 \r\nabc\r\n0\r\n\r\n", BAD(400) },
    { "trailer", CHUNKED "0\r\nX: y\r\n\r\n", BAD(400) },
    { "HTTP/0.9", "GET /a\r\n", BAD(400) },
    { "HTTP/1.2", "GET /a HTTP/1.2\r\n" HOST "\r\n", BAD(505) },
    { "HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD(501) },
    { "HTTP/9.9", "GET /a HTTP/9.9\r\n" HOST "\r\n", BAD(505) },
    { "no Host", "GET /a HTTP/1.1\r\n\r\n", BAD(400) },
    { "a list of codings",
      "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", BAD(501) },
    { "absurd length", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n",
      BAD(413) },
    { "CONNECT", "CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", BAD(501) },
    /* What it does not list. */
    { "junk behind a chunk", CHUNKED "3\r\nabcXY0\r\n\r\n", BAD(400) },
    { "junk behind a chunk's CR", CHUNKED "3\r\nabc\rY0\r\n\r\n", BAD(400) },
    { "junk behind a chunk size's CR", CHUNKED "3\rXabc\r\n0\r\n\r\n", BAD(400) },
    { "bare LF behind a chunk size", CHUNKED "3\nabc\r\n0\r\n\r\n", BAD(400) },
    { "bare LF at the end of the chunks", CHUNKED "0\r\n\n", BAD(400) },
    { "bare LF in an extension", CHUNKED "1;\nx\r\n0\r\n\r\n", BAD(400) },
    { "spaces in the request line", "GET  /a HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "more spaces in the request line", "GET /a  HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "space at the end of the request line", "GET /a HTTP/1.1 \r\n" HOST "\r\n", BAD(400) },
    { "ICE", "SOURCE /a ICE/1.0\r\n" HOST "\r\n", BAD(400) },
    { "two digits of version", "GET /a HTTP/1.11\r\n" HOST "\r\n", BAD(400) },
    { "CR inside a line", "GET /a HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", BAD(400) },
    { "two CR", "GET /a HTTP/1.1\r\n" HOST "\r\r\n", BAD(400) },
    { "two Host", "GET /a HTTP/1.1\r\n" HOST HOST "\r\n", BAD(400) },
    { "a strange Host", "GET /a HTTP/1.1\r\nHost: h/x\r\n\r\n", BAD(400) },
    { "userinfo in Host", "GET /a HTTP/1.1\r\nHost: u@h\r\n\r\n", BAD(400) },
    { "two empty lines before a request", "\r\n\r\n" GET_B, BAD(400) },
    { "chunks in 1.0", "PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD(400) },
    { "two Transfer-Encoding",
      "PUT /a HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      BAD(501) },
    { "chunk size missing altogether", CHUNKED "\r\n\r\n", BAD(400) },
    { "chunk size missing before an extension", CHUNKED ";x\r\n\r\n", BAD(400) },
    { "another byte for the CR behind a chunk", CHUNKED "3\r\nabcX\n0\r\n\r\n", BAD(400) },
    /* Of two faults the one in the earlier line is told, however the bytes come (http_head.h, E2). */
    { "two faults", "GET /a HTTP/9.9\r\nX: y\n", BAD(505) },
    { "a part", "PUT /a HTTP/1.1\r\n" HOST "content-range: bytes 2-2/3\r\nContent-Length: 1\r\n\r\nx", BAD(400) },
    { "two faults, the other way", "GET /a HTTP/1.1\r\nX: y\nExpect: dragons\r\n\r\n", BAD(400) },
    { "two faults in headers", "GET /a HTTP/1.1\r\nExpect: dragons\r\nX: y\n", BAD(417) },
    /* What it refuses by itself, too. */
    { "TLS", "\x16\x03\x01\x02", BAD(400) },
    { "not HTTP", "hello\r\n", BAD(400) },
    { "lower-case method", "get /a HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "unknown method", "FROB /a HTTP/1.1\r\n" HOST "\r\n", BAD(501) },
    { "no path", "GET a HTTP/1.1\r\n" HOST "\r\n", BAD(400) },
    { "a header without a colon", "GET /a HTTP/1.1\r\n" HOST "X\r\n\r\n", BAD(400) },
    { "a header without a name", "GET /a HTTP/1.1\r\n" HOST ": x\r\n\r\n", BAD(400) },
    { "two Last-Event-ID", "GET /a HTTP/1.1\r\n" HOST "Last-Event-ID: 1\r\nLast-Event-ID: 1\r\n\r\n",
      BAD(400) },
    { "DEL in a value", "GET /a HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", BAD(400) },
    { "control byte in a value", "GET /a HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", BAD(400) },
    { "both lengths",
      "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      BAD(400) },
    { "both lengths, the other way",
      "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
      BAD(400) },
    { "two lengths", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
      BAD(400) },
    { "two lengths in one", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", BAD(400) },
    { "signed length", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc", BAD(400) },
    { "empty length", "PUT /a HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nabc", BAD(400) },
    { "length in hexadecimal", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc", BAD(400) },
    { "length above 2^64", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n",
      BAD(400) },
    { "chunk without a size", CHUNKED "\r\nabc\r\n0\r\n\r\n", BAD(400) },
    { "chunk size with a sign", CHUNKED "-1\r\nabc\r\n0\r\n\r\n", BAD(400) },
    { "chunk size of 17 digits", CHUNKED "00000000000000001\r\nx\r\n0\r\n\r\n", BAD(400) },
    { "chunk size above the limit", CHUNKED "ffffffffffffffff\r\nx", BAD(413) },
    { "chunk longer than its size", CHUNKED "3\r\nabcd\r\n0\r\n\r\n", BAD(400) },
    /* Limits and expectations. */
    { "body too large by one", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 65\r\n\r\n", BAD(413) },
    { "body too large, expected",
      "PUT /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 65\r\n\r\n", BAD(413) },
    { "chunks too large by one", CHUNKED "20\r\n0123456789abcdef0123456789abcdef\r\n21\r\n", BAD(413) },
    { "another expectation", "PUT /a HTTP/1.1\r\n" HOST "Expect: dragons\r\nContent-Length: 1\r\n\r\nx",
      BAD(417) },
};

TEST(http_request, good_ones_come_out_and_end_where_they_end)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        rig_check(good[i].name, bytes_of_str(good[i].text), BODY_BYTES_MAX, good[i].log);
    }
}

/* Alone, and behind a good request, whose answer comes first. */
TEST(http_request, bad_ones_are_refused_with_their_status_and_closed)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[1024], log[128];
        rig_check(bad[i].name, bytes_of_str(bad[i].text), BODY_BYTES_MAX, bad[i].log);
        snprintf(text, sizeof text, "%s%s%s", GET_B, bad[i].text, GET_B);
        snprintf(log, sizeof log, "%s%s", B, bad[i].log);
        rig_check(bad[i].name, bytes_of_str(text), BODY_BYTES_MAX, log);
    }
}

/* NUL bytes do not fit into the tables above. */
TEST(http_request, nul_bytes_pass_in_bodies_alone)
{
    static const char body[] = "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na\0b" GET_B;
    struct http_rig rig;
    rig_init(&rig, BODY_BYTES_MAX);
    rig_feed(&rig, bytes_of(body, sizeof body - 1));
    static const char log[] = "PUT /a [a\0b] keep;" B;
    CHECK(bytes_equal(buf_bytes(&rig.log), bytes_of(log, sizeof log - 1)));
    rig_fini(&rig);
    static const char *const where[] = { "GET /a|b HTTP/1.1\r\n" HOST "\r\n",
                                         "GET /a HTTP/1.1\r\nX|: y\r\n" HOST "\r\n",
                                         "GET /a HTTP/1.1\r\nX: y|\r\n" HOST "\r\n",
                                         "|" GET_B,
                                         "GET /a HTTP/1.1\r\nX:|\r\n" HOST "\r\n",
                                         CHUNKED "3|\r\nabc\r\n0\r\n\r\n",
                                         CHUNKED "1;|\r\nx\r\n0\r\n\r\n" };
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        char text[256];
        size_t len = strlen(where[i]);
        memcpy(text, where[i], len);
        *(char *)memchr(text, '|', len) = 0;
        rig_check(where[i], bytes_of(text, len), BODY_BYTES_MAX, BAD(400));
    }
}

/* Each limit: what just fits passes, one byte more is refused, however it comes. */
static struct buf big;

static void begin(void)
{
    static struct test_alloc alloc;
    test_alloc_init(&alloc);
    buf_init(&big, &alloc.face, 1u << 20);
}

static void fill(char byte, size_t len)
{
    CHECK(buf_reserve(&big, len));
    memset(big.data + big.len, byte, len);
    big.len += len;
}

static void check_limit(const char *name, const char *before, size_t len, const char *after,
                        const char *log)
{
    begin();
    buf_append(&big, before, strlen(before));
    fill('x', len);
    buf_append(&big, after, strlen(after));
    struct http_rig rig;
    for (size_t piece = 1; piece <= big.len; piece = piece * 7 + 1) {
        size_t at = 0;
        rig_init(&rig, BODY_BYTES_MAX);
        for (; at + piece < big.len; at += piece) rig_feed(&rig, bytes_of(big.data + at, piece));
        rig_feed(&rig, bytes_of(big.data + at, big.len - at));
        const char *got = rig_log(&rig), *tail = got + strlen(got) - strlen(log);
        bool ends_so = strlen(got) >= strlen(log) && strcmp(tail, log) == 0;
        if (!ends_so) fprintf(stderr, "%s, %zu: ...%.60s\n", name, len, got);
        CHECK(ends_so);
        rig_fini(&rig);
    }
    buf_fini(&big);
}

TEST(http_request, limits_hold_to_the_byte)
{
    const char *end = " HTTP/1.1\r\n" HOST "\r\n";
    check_limit("path", "GET /", HTTP_PATH_BYTES_MAX - 1, end, "x [] keep;");
    check_limit("path", "GET /", HTTP_PATH_BYTES_MAX, end, BAD(414));
    check_limit("endless path", "GET /", HTTP_HEADER_BYTES_MAX + 10, "", BAD(414));
    const char *head = "GET /a HTTP/1.1\r\n" HOST "X: ";
    size_t room = HTTP_HEADER_BYTES_MAX - strlen(head) - 4;
    check_limit("headers", head, room, "\r\n\r\n", "GET /a [] keep;");
    check_limit("headers", head, room + 1, "\r\n\r\n", BAD(431));
    check_limit("endless headers", head, HTTP_HEADER_BYTES_MAX, "", BAD(431));
    check_limit("extensions", CHUNKED "1;", 4096, "\r\nx\r\n0\r\n\r\n", "PUT /a [x] keep;");
    check_limit("extensions", CHUNKED "1;", 4097, "\r\nx\r\n0\r\n\r\n", BAD(400));
    check_limit("zeros in a chunk size", CHUNKED "00000000000000000", 0, "", BAD(400));
    begin();
    for (uint32_t headers = HTTP_HEADERS_MAX; headers <= HTTP_HEADERS_MAX + 1; headers++) {
        buf_clear(&big);
        buf_append_text(&big, "GET /a HTTP/1.1\r\n" HOST);
        for (uint32_t i = 1; i < headers; i++) buf_append_text(&big, "X%u: y\r\n", i);
        buf_append(&big, "\r\n", 2);
        rig_check("headers", buf_bytes(&big), BODY_BYTES_MAX,
                  headers <= HTTP_HEADERS_MAX ? "GET /a [] keep;" : BAD(431));
    }
    buf_fini(&big);
}
