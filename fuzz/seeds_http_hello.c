/* seeds_http_hello.c: a small corpus for fuzz_http_hello, made with the real encoders:
 * seeds_http_hello <directory>. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "http/http.h"

static void write_seed(const char *dir, const char *name, uint8_t side, struct bytes text)
{
    seed_save_parts(dir, name, bytes_of(&side, 1), text);
}

/* The call, and what it is answered with: 101, or a refusal with this status. */
static void write_pair(const char *dir, const char *what, const struct http_hello *hello, int status)
{
    struct http_conn_opts opts = { .body_bytes_max = 64 };
    struct http_conn *c;
    struct buf call;
    char name[64];
    buf_init(&call, &fuzz_heap, 1u << 16);
    http_hello_request(&call, "127.0.0.1", 9021, hello);
    int rv = http_conn_create(&c, &opts, &fuzz_heap);
    MS_ASSERT(rv == 0);
    rv = http_conn_input(c, buf_bytes(&call));
    MS_ASSERT(rv == 0 && http_conn_next(c) == HTTP_REQUEST);
    if (status == 101) {
        http_hello_accept(c, hello);
    } else if (status == 410) {
        http_hello_removed(c, hello, bytes_of_str("member 2 was removed from the cluster\n"));
    } else {
        http_conn_answer_text(c, status, "member 3 is not in the configuration");
    }
    snprintf(name, sizeof name, "call-%s", what);
    write_seed(dir, name, 1, buf_bytes(&call));
    snprintf(name, sizeof name, "answer-%s", what);
    write_seed(dir, name, 0, buf_bytes(http_conn_output(c)));
    http_conn_destroy(c);
    buf_fini(&call);
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    struct http_hello hello = {
        .version_min = 1, .version_max = 1, .member_id = 1, .to_id = 2, .url = "http://127.0.0.1:9021"
    };
    write_pair(argv[1], "101", &hello, 101);
    hello.snapshots = true;
    write_pair(argv[1], "snapshot", &hello, 101);
    hello.snapshots = false;
    hello.member_id = MS_MEMBER_ID_MAX;
    hello.version_max = UINT32_MAX;
    hello.added_index = 17;
    memset(hello.cluster_uuid, 0xc5, sizeof hello.cluster_uuid);
    memset(hello.nonce, 0x3a, sizeof hello.nonce);
    memcpy(hello.url, "http://[::1]:80/", sizeof "http://[::1]:80/");
    write_pair(argv[1], "410", &hello, 410);
    write_pair(argv[1], "403", &hello, 403);
    return 0;
}
