/* seeds_http.c: a small corpus for fuzz_http: seeds_http <directory>. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "fuzz/support.h"

#define HOST "Host: h\r\n"

static const char *const seeds[] = {
    "GET /a HTTP/1.1\r\n" HOST "\r\n",
    "PUT /a/b%20c HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
    "PUT /_/kv/health HTTP/1.1\r\n" HOST
    "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
    "PUT /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "POST /4 HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhttp://h:1\n",
    "DELETE /4?force HTTP/1.1\r\n" HOST "\r\nDELETE /04 HTTP/1.1\r\n" HOST "\r\n",
    "HEAD /status HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "GET http://h:1/a?b HTTP/1.1\r\n" HOST "Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "\r\nOPTIONS * HTTP/1.1\r\n" HOST "X:\r\n\r\nFROB / HTTP/1.1\r\n\r\n",
    "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "GET /a HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n",
    "GET /a?prefix&limit=10&from=%2F+b&=x&limit HTTP/1.1\r\n" HOST
    "Accept: a\r\nLast-Event-ID: 7\r\n\r\n",
    "PUT /a HTTP/1.1\r\n" HOST "If-Match: \"1\"\r\nIf-None-Match: *\r\nif-match: \"2\"\r\n\r\n",
    "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\nAGE/+2Zvbw==",
    "PUT /v3/kv HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\nGET /%zz HTTP/1.1\r\n" HOST "\r\n",
};

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        char name[24];
        uint8_t cuts[2] = { (uint8_t)i, (uint8_t)(i * 5) };
        snprintf(name, sizeof name, "%02zu", i);
        seed_save_parts(argv[1], name, bytes_of(cuts, sizeof cuts), bytes_of_str(seeds[i]));
    }
    return 0;
}
