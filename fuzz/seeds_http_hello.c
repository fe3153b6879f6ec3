/* seeds_http_hello.c: a small corpus for fuzz_http_hello, made with the real encoders:
 * seeds_http_hello <directory>. */
#include <stdio.h>
#include <stdlib.h>

#include "http/http.h"

static void *resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len) return realloc(ptr, len);
    free(ptr);
    return NULL;
}

static const struct ms_alloc alloc = { .resize = resize };

static bool write_seed(const char *dir, const char *name, uint8_t side, struct bytes text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f) return false;
    size_t done = fwrite(&side, 1, 1, f) + fwrite(text.data, 1, text.len, f);
    return fclose(f) == 0 && done == text.len + 1;
}

/* The call, and what it is answered with: 101, or a refusal with this status. */
static bool write_pair(const char *dir, const char *what, const struct http_hello *hello, int status)
{
    struct http_conn_opts opts = { .body_bytes_max = 64 };
    struct http_conn *c;
    struct buf call;
    char name[64];
    buf_init(&call, &alloc, 1u << 16);
    http_hello_request(&call, "127.0.0.1", 9021, hello);
    if (http_conn_create(&c, &opts, &alloc) < 0) return false;
    if (http_conn_input(c, buf_bytes(&call)) < 0 || http_conn_next(c) != HTTP_REQUEST) return false;
    if (status == 101) {
        http_hello_accept(c, hello);
    } else if (status == 410) {
        http_hello_removed(c, hello, bytes_of_str("member 2 was removed from the cluster\n"));
    } else {
        http_conn_answer_text(c, status, "member 3 is not in the configuration");
    }
    snprintf(name, sizeof name, "call-%s", what);
    bool done = write_seed(dir, name, 1, buf_bytes(&call));
    snprintf(name, sizeof name, "answer-%s", what);
    done = done && write_seed(dir, name, 0, buf_bytes(http_conn_output(c)));
    http_conn_destroy(c);
    buf_fini(&call);
    return done;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    struct http_hello hello = {
        .version_min = 1, .version_max = 1, .member_id = 1, .to_id = 2, .url = "http://127.0.0.1:9021"
    };
    if (!write_pair(argv[1], "101", &hello, 101)) return 1;
    hello.snapshots = true;
    if (!write_pair(argv[1], "snapshot", &hello, 101)) return 1;
    hello.snapshots = false;
    hello.member_id = MS_MEMBER_ID_MAX;
    hello.version_max = UINT32_MAX;
    hello.added_index = 17;
    memset(hello.cluster_uuid, 0xc5, sizeof hello.cluster_uuid);
    memset(hello.nonce, 0x3a, sizeof hello.nonce);
    memcpy(hello.url, "http://[::1]:80/", sizeof "http://[::1]:80/");
    if (!write_pair(argv[1], "410", &hello, 410)) return 1;
    return write_pair(argv[1], "403", &hello, 403) ? 0 : 1;
}
