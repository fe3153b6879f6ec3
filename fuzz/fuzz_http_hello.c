/* fuzz_http_hello.c: the upgrade between members. What is accepted comes out the same when written
 * again, and a verdict does not change when more bytes follow.
 *
 * input: u8 side (even: an answer to our call; odd: a call to us), then the peer's bytes. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "http/http.h"

static bool same(const struct http_hello *a, const struct http_hello *b)
{
    return a->version_min == b->version_min && a->version_max == b->version_max &&
           memcmp(a->cluster_uuid, b->cluster_uuid, 16) == 0 && a->member_id == b->member_id &&
           a->to_id == b->to_id && a->added_index == b->added_index &&
           memcmp(a->nonce, b->nonce, 16) == 0 && strcmp(a->url, b->url) == 0 &&
           a->snapshots == b->snapshots;
}

/* Write hello as a call, read it, accept it with the same, read that. */
static void check_round(const struct http_hello *hello)
{
    struct http_conn_opts opts = { .body_bytes_max = 64 };
    struct http_conn *c;
    struct http_hello got;
    struct http_hello_answer answer;
    const char *why;
    struct buf call;
    buf_init(&call, &fuzz_heap, 1u << 16);
    int rv = http_conn_create(&c, &opts, &fuzz_heap);
    MS_ASSERT(rv == 0);
    http_hello_request(&call, "h", 1, hello);
    rv = http_conn_input(c, buf_bytes(&call));
    MS_ASSERT(rv == 0);
    rv = http_conn_next(c);
    MS_ASSERT(rv == HTTP_REQUEST);
    rv = http_hello_from_request(c, &got, &why);
    MS_ASSERT(rv == 0 && same(&got, hello));
    http_hello_accept(c, hello);
    struct bytes out = buf_bytes(http_conn_output(c));
    int64_t used = http_hello_answer_parse(out, &answer);
    MS_ASSERT(used == (int64_t)out.len && answer.status == 101 && same(&answer.hello, hello));
    http_conn_destroy(c);
    buf_fini(&call);
}

/* Write the removal that was read, read that. */
static void check_removal(const struct http_hello_answer *removal)
{
    static const uint8_t unknown[16];
    struct http_conn_opts opts = { .body_bytes_max = 64 };
    struct http_hello by = { .version_min = 1,
                             .version_max = 1,
                             .member_id = removal->member_id,
                             .to_id = removal->to_id,
                             .url = "http://h:1" };
    struct http_hello_answer got;
    struct http_conn *c;
    memcpy(by.cluster_uuid, removal->cluster_uuid, sizeof by.cluster_uuid);
    MS_ASSERT(removal->status == 410 && memcmp(by.cluster_uuid, unknown, sizeof unknown) != 0);
    int rv = http_conn_create(&c, &opts, &fuzz_heap);
    MS_ASSERT(rv == 0);
    http_hello_removed(c, &by, bytes_of_str("gone\n"));
    struct bytes out = buf_bytes(http_conn_output(c));
    int64_t used = http_hello_answer_parse(out, &got);
    MS_ASSERT(used == (int64_t)out.len && got.status == 410 && got.removed);
    MS_ASSERT(memcmp(got.cluster_uuid, by.cluster_uuid, sizeof by.cluster_uuid) == 0);
    MS_ASSERT(got.member_id == by.member_id && got.to_id == by.to_id);
    http_conn_destroy(c);
}

static void on_answer(struct bytes in)
{
    struct http_hello_answer answer, early;
    int64_t used = http_hello_answer_parse(in, &answer);
    MS_ASSERT(used == MS_EPROTO || (used >= 0 && (size_t)used <= in.len));
    if (used > 0 && answer.status == 101) check_round(&answer.hello);
    if (used > 0 && answer.removed) check_removal(&answer);
    if (used > 0) MS_ASSERT(strlen(answer.text) < sizeof answer.text);
    for (size_t n = 0; n < in.len; n += 1 + in.len / 16) {
        int64_t then = http_hello_answer_parse(bytes_of(in.data, n), &early);
        if (then != 0) MS_ASSERT(then == used);
        if (used > 0 && then == 0) MS_ASSERT(n < (size_t)used);
    }
}

static void on_call(struct bytes in)
{
    struct http_conn_opts opts = { .body_bytes_max = 64 };
    struct http_conn *c;
    struct http_hello hello;
    const char *why = NULL;
    int rv = http_conn_create(&c, &opts, &fuzz_heap);
    MS_ASSERT(rv == 0);
    rv = http_conn_input(c, in);
    MS_ASSERT(rv == 0);
    if (http_conn_next(c) == HTTP_REQUEST) {
        rv = http_hello_from_request(c, &hello, &why);
        MS_ASSERT((rv == 0) == (why == NULL));
        if (rv == 0) {
            struct buf rest;
            buf_init(&rest, &fuzz_heap, SIZE_MAX / 4);
            check_round(&hello);
            http_hello_accept(c, &hello);
            http_conn_take_rest(c, &rest);
            struct bytes tail = bytes_of(in.data + (in.len - rest.len), rest.len);
            MS_ASSERT(rest.len < in.len && bytes_equal(buf_bytes(&rest), tail));
            buf_fini(&rest);
        }
    }
    http_conn_destroy(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1) return 0;
    if (data[0] & 1) {
        on_call(bytes_of(data + 1, len - 1));
    } else {
        on_answer(bytes_of(data + 1, len - 1));
    }
    return 0;
}
