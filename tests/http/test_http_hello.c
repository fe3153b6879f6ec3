/* The upgrade between members, both sides (DESIGN 7). */
#include "base/ms_err.h"
#include "tests/http/http_rig.h"
#include "tests/support/test.h"

static struct test_alloc alloc;
static struct http_conn *c;
static struct buf text, rest;

static const struct http_hello hello_small = {
    .version_min = 1, .version_max = 1, .member_id = 1, .to_id = 2, .url = "http://a:1"
};
static struct http_hello hello_large = {
    .version_min = 7,
    .version_max = UINT32_MAX,
    .cluster_uuid = { 0xff, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xa0 },
    .member_id = MS_MEMBER_ID_MAX,
    .to_id = 10,
    .added_index = UINT64_MAX,
    .nonce = { 0x0f, 0xf0, 3 },
    .snapshots = true,
    .url = "http://", /* begin() makes it as long as one may be */
};

static void begin(void)
{
    static const char scheme[] = "http://", port[] = ":65535";
    memset(hello_large.url, 'h', MS_URL_BYTES_MAX);
    memcpy(hello_large.url, scheme, sizeof scheme - 1);
    memcpy(hello_large.url + MS_URL_BYTES_MAX - (sizeof port - 1), port, sizeof port);
    test_alloc_init(&alloc);
    CHECK_EQ(http_conn_create(&c, &(struct http_conn_opts){ .body_bytes_max = 64 }, &alloc.face), 0);
    buf_init(&text, &alloc.face, 1u << 16);
    buf_init(&rest, &alloc.face, 1u << 20);
}

static void end(void)
{
    http_conn_destroy(c);
    buf_fini(&text);
    buf_fini(&rest);
    CHECK_EQ(alloc.alive, 0);
}

static bool same(const struct http_hello *a, const struct http_hello *b)
{
    return a->version_min == b->version_min && a->version_max == b->version_max &&
           memcmp(a->cluster_uuid, b->cluster_uuid, 16) == 0 && a->member_id == b->member_id &&
           a->to_id == b->to_id && a->added_index == b->added_index &&
           memcmp(a->nonce, b->nonce, 16) == 0 && strcmp(a->url, b->url) == 0 &&
           a->snapshots == b->snapshots;
}

/* Call, answer, and the frames behind each come out again, whatever the pieces. */
static void round_trip(const struct http_hello *call, const struct http_hello *reply, size_t piece)
{
    struct http_hello got;
    const char *why;
    begin();
    http_hello_request(&text, "host", 9021, call);
    buf_append(&text, "FRAMES", 6);
    int event = HTTP_NEED_MORE;
    for (size_t at = 0; at < text.len; at += piece) {
        size_t n = text.len - at < piece ? text.len - at : piece;
        CHECK_EQ(http_conn_input(c, bytes_of(text.data + at, n)), 0);
        if (event == HTTP_NEED_MORE) event = http_conn_next(c);
    }
    CHECK_EQ(event, HTTP_REQUEST);
    CHECK_EQ(http_hello_from_request(c, &got, &why), 0);
    CHECK(same(&got, call));
    http_hello_accept(c, reply);
    CHECK_EQ(http_conn_next(c), HTTP_NEED_MORE);
    CHECK_EQ(http_conn_input(c, bytes_of_str("MORE")), 0);
    http_conn_take_rest(c, &rest);
    CHECK(bytes_equal(buf_bytes(&rest), bytes_of_str("FRAMESMORE")));

    struct buf *out = http_conn_output(c);
    struct http_hello_answer answer;
    int64_t head = (int64_t)out->len;
    buf_append(out, "FRAMES", 6);
    for (size_t len = 0; len <= out->len; len++) {
        memset(&answer, 0xee, sizeof answer);
        int64_t used = http_hello_answer_parse(bytes_of(out->data, len), &answer);
        CHECK_EQ(used, (int64_t)len < head ? 0 : head);
    }
    CHECK_EQ(answer.status, 101);
    CHECK(same(&answer.hello, reply) && !answer.removed && answer.text[0] == 0);
    end();
}

TEST(http_hello, goes_round)
{
    for (size_t piece = 1; piece < 1000; piece = piece * 4 + 3) {
        round_trip(&hello_small, &hello_large, piece);
        round_trip(&hello_large, &hello_small, piece);
    }
    begin();
    http_hello_request(&text, "::1", 80, &hello_small);
    buf_append(&text, "", 1);
    CHECK(strstr((const char *)text.data, "\r\nHost: [::1]:80\r\n") != NULL);
    end();
}

/* A text in which the line that begins with name is replaced by line (NULL: left out). */
static void replace_line(struct buf *b, const char *name, const char *line)
{
    buf_append(b, "", 1);
    char *at = strstr((char *)b->data, name);
    CHECK(at != NULL);
    const char *behind = strstr(at, "\r\n") + 2;
    struct buf tail;
    buf_init(&tail, &alloc.face, 1u << 16);
    buf_append(&tail, behind, strlen(behind));
    b->len = (size_t)(at - (char *)b->data);
    if (line) buf_append_text(b, "%s\r\n", line);
    buf_append(b, tail.data, tail.len);
    buf_fini(&tail);
}

static const struct {
    const char *name, *line, *why;
} changes[] = {
    { "Metastore-Versions", NULL, "the header Metastore-Versions is missing" },
    { "Metastore-Versions", "Metastore-Versions: 1", "malformed" },
    { "Metastore-Versions", "Metastore-Versions: -", "malformed" },
    { "Metastore-Versions", "Metastore-Versions:", "malformed" },
    { "Metastore-Versions", "Metastore-Versions: 0-1", "malformed" },
    { "Metastore-Versions", "Metastore-Versions: 2-1", "malformed" },
    { "Metastore-Versions", "Metastore-Versions: 01-1", "malformed" },
    { "Metastore-Versions", "Metastore-Versions: 1-4294967296", "malformed" },
    { "Metastore-Versions", "Metastore-Versions: 1 - 1", "malformed" },
    { "Metastore-Cluster", NULL, "the header Metastore-Cluster is missing" },
    { "Metastore-Cluster", "Metastore-Cluster: 00", "malformed" },
    { "Metastore-Cluster", "Metastore-Cluster: 0000000000000000000000000000000g", "malformed" },
    { "Metastore-Cluster", "Metastore-Cluster: 000000000000000000000000000000AB", "malformed" },
    { "Metastore-Cluster", "Metastore-Cluster: 000000000000000000000000000000000", "malformed" },
    { "Metastore-Member", NULL, "the header Metastore-Member is missing" },
    { "Metastore-Member", "Metastore-Member: 0", "malformed" },
    { "Metastore-Member", "Metastore-Member: 01", "malformed" },
    { "Metastore-Member", "Metastore-Member: -1", "malformed" },
    { "Metastore-Member", "Metastore-Member: 10000000000000000000", "malformed" },
    { "Metastore-Member", "Metastore-Member: 99999999999999999999", "malformed" },
    { "Metastore-To", NULL, "the header Metastore-To is missing" },
    { "Metastore-To", "Metastore-To: x", "malformed" },
    { "Metastore-Added", NULL, "the header Metastore-Added is missing" },
    { "Metastore-Added", "Metastore-Added: 18446744073709551616", "malformed" },
    { "Metastore-Nonce", NULL, "the header Metastore-Nonce is missing" },
    { "Metastore-Nonce", "Metastore-Nonce: ", "malformed" },
    { "Metastore-Nonce", "Metastore-To: 3\r\nMetastore-Nonce: 00000000000000000000000000000000",
      "the header Metastore-To is malformed or repeated" },
    { "Metastore-Url", NULL, "the header Metastore-Url is missing" },
    { "Metastore-Url", "Metastore-Url:", "malformed" },
    { "Metastore-Url", "Metastore-Url: -", "malformed" },
    { "Metastore-Url", "Metastore-Url: https://a:1", "malformed" },
    { "Metastore-Url", "Metastore-Url: http://a", "malformed" },
    { "Metastore-Url", "Metastore-Url: http://a:1/x", "malformed" },
    { "Metastore-Url", "Metastore-Url: http://a:1 http://b:1", "malformed" },
    { "Metastore-Url", "Metastore-Url: http://a:1\r\nMetastore-Url: http://a:1", "malformed" },
    { "Metastore-Stream", "Metastore-Stream: raft", "malformed" },
    { "Metastore-Stream", "Metastore-Stream:", "malformed" },
    { "Metastore-Stream", "Metastore-Stream: Snapshot", "malformed" },
    { "Metastore-Stream", "Metastore-Stream: snapshot\r\nMetastore-Stream: snapshot", "malformed" },
    { "Upgrade: ", NULL, "Upgrade" },
    { "Upgrade: ", "Upgrade: websocket", "Upgrade" },
    { "Connection", NULL, "Upgrade" },
    { "Connection", "Connection: close, Upgrade", "Upgrade" },
    { "GET", "GET /_/peer HTTP/1.0", "Upgrade" },
    { "GET", "GET /_/peer HTTP/1.0\r\nConnection: keep-alive", "Upgrade" },
    { "GET", "GET / HTTP/1.1", "only members speak here" },
    { "GET", "PUT /_/peer HTTP/1.1", "only members speak here" },
    { "GET", "GET /_/peer?x HTTP/1.1", "only members speak here" },
};

TEST(http_hello, a_garbled_call_is_refused_with_what_is_wrong)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct http_hello got;
        const char *why = NULL;
        begin();
        http_hello_request(&text, "host", 1, &hello_large);
        replace_line(&text, changes[i].name, changes[i].line);
        CHECK_EQ(http_conn_input(c, buf_bytes(&text)), 0);
        CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
        CHECK_EQ(http_hello_from_request(c, &got, &why), MS_EPROTO);
        bool named = why && strstr(why, changes[i].why);
        if (!named) fprintf(stderr, "%s: %s\n", changes[i].line, why);
        CHECK(named);
        end();
    }
}

/* One byte more than a URL may have. */
TEST(http_hello, a_url_is_bounded)
{
    struct http_hello got;
    const char *why;
    char line[400];
    begin();
    snprintf(line, sizeof line, "Metastore-Url: %s/", hello_large.url);
    http_hello_request(&text, "host", 1, &hello_large);
    replace_line(&text, "Metastore-Url", line);
    CHECK_EQ(http_conn_input(c, buf_bytes(&text)), 0);
    CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
    CHECK_EQ(http_hello_from_request(c, &got, &why), MS_EPROTO);
    CHECK(strcmp(why, "the header Metastore-Url is malformed or repeated") == 0);
    end();
}

/* What a later version adds is skipped; names of headers come in any case. */
TEST(http_hello, other_headers_are_skipped)
{
    struct http_hello got;
    const char *why;
    begin();
    http_hello_request(&text, "host", 1, &hello_large);
    replace_line(&text, "Metastore-To", "METASTORE-TO:10\r\nMetastore-Later: x\r\nMetastore-To-Be: y");
    CHECK_EQ(http_conn_input(c, buf_bytes(&text)), 0);
    CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
    CHECK_EQ(http_hello_from_request(c, &got, &why), 0);
    CHECK(same(&got, &hello_large));
    end();
}

TEST(http_hello, a_garbled_answer_is_a_protocol_error)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct http_hello_answer answer;
        begin();
        http_hello_request(&text, "host", 1, &hello_small);
        CHECK_EQ(http_conn_input(c, buf_bytes(&text)), 0);
        CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
        http_hello_accept(c, &hello_large);
        const char *name = strcmp(changes[i].name, "GET") == 0 ? "HTTP" : changes[i].name;
        replace_line(http_conn_output(c), name, changes[i].line);
        struct bytes out = buf_bytes(http_conn_output(c));
        bool is_close = changes[i].line && strstr(changes[i].line, "close"); /* harmless in an answer */
        CHECK_EQ(http_hello_answer_parse(out, &answer), is_close ? (int64_t)out.len : MS_EPROTO);
        end();
    }
    static const char *const bad[] = {
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "\x15\x03\x01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_hello_answer answer;
        CHECK_EQ(http_hello_answer_parse(bytes_of_str(bad[i]), &answer), MS_EPROTO);
    }
    char endless[10000] = "HTTP/1.1 200 OK\r\nX: ";
    memset(endless + 20, 'x', sizeof endless - 20);
    struct http_hello_answer answer;
    CHECK_EQ(http_hello_answer_parse(bytes_of(endless, 8192), &answer), 0);
    CHECK_EQ(http_hello_answer_parse(bytes_of(endless, 8193), &answer), MS_EPROTO);
}

TEST(http_hello, a_refusal_says_why)
{
    struct http_hello_answer answer;
    begin();
    http_hello_request(&text, "host", 1, &hello_small);
    CHECK_EQ(http_conn_input(c, buf_bytes(&text)), 0);
    CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
    http_conn_answer_text(c, 410, "member 1 was removed\x7f");
    struct bytes out = buf_bytes(http_conn_output(c));
    for (size_t len = 0; len < out.len; len++) {
        CHECK_EQ(http_hello_answer_parse(bytes_of(out.data, len), &answer), 0);
    }
    CHECK_EQ(http_hello_answer_parse(out, &answer), (int64_t)out.len);
    CHECK(answer.status == 410 && !answer.removed); /* anybody can say that much */
    CHECK(strcmp(answer.text, "member 1 was removed?") == 0);
    end();
    static const char coded[] = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK_EQ(http_hello_answer_parse(bytes_of_str(coded), &answer), (int64_t)sizeof coded - 1);
    CHECK(answer.status == 404 && !answer.removed && answer.text[0] == 0);
    char long_line[600] = "HTTP/1.1 409 Conflict\r\nContent-Length: 500\r\n\r\n";
    size_t head = strlen(long_line);
    memset(long_line + head, 'y', 500);
    CHECK_EQ(http_hello_answer_parse(bytes_of(long_line, head + 500), &answer), (int64_t)(head + 500));
    CHECK_EQ(strlen(answer.text), sizeof answer.text - 1);
}

/* 410 as a member says it, in which the line that begins with name is replaced (NULL: none is). */
static void hear_removal(const struct http_hello *by, const char *name, const char *line,
                         struct http_hello_answer *answer)
{
    http_hello_request(&text, "host", 1, &hello_small);
    CHECK_EQ(http_conn_input(c, buf_bytes(&text)), 0);
    CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
    http_hello_removed(c, by, bytes_of_str("member 10 was removed\n"));
    CHECK_EQ(http_conn_next(c), HTTP_CLOSED);
    if (name) replace_line(http_conn_output(c), name, line);
    struct bytes out = buf_bytes(http_conn_output(c));
    for (size_t len = 0; len < out.len; len++) {
        CHECK_EQ(http_hello_answer_parse(bytes_of(out.data, len), answer), 0);
    }
    memset(answer, 0xee, sizeof *answer);
    CHECK_EQ(http_hello_answer_parse(out, answer), (int64_t)out.len);
    CHECK(answer->status == 410 && strcmp(answer->text, "member 10 was removed") == 0);
}

TEST(http_hello, a_removal_says_who_removed_whom_from_what)
{
    static const char twice[] = "Metastore-Cluster: fffe0102030405060708090a0b0c0da0\r\n"
                                "Metastore-Cluster: fffe0102030405060708090a0b0c0da0";
    static const struct {
        const char *name, *line;
        bool removed;
    } cases[] = {
        { NULL, NULL, true },
        { "Content-Type", "Metastore-Url: -", true }, /* not one of the four */
        { "Upgrade: ", NULL, false },
        { "Upgrade: ", "Upgrade: websocket", false },
        { "Metastore-Cluster", NULL, false },
        { "Metastore-Cluster", "Metastore-Cluster: 00000000000000000000000000000000", false },
        { "Metastore-Cluster", "Metastore-Cluster: fffe", false },
        { "Metastore-Cluster", twice, false },
        { "Metastore-Member", NULL, false },
        { "Metastore-Member", "Metastore-Member: 0", false },
        { "Metastore-To", NULL, false },
        { "Metastore-To", "Metastore-To: 010", false },
    };
    static const uint8_t unknown[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_hello_answer answer;
        begin();
        hear_removal(&hello_large, cases[i].name, cases[i].line, &answer);
        CHECK_EQ(answer.removed, cases[i].removed);
        CHECK(memcmp(answer.cluster_uuid, answer.removed ? hello_large.cluster_uuid : unknown, 16) ==
              0);
        CHECK_EQ(answer.member_id, answer.removed ? MS_MEMBER_ID_MAX : 0);
        CHECK_EQ(answer.to_id, answer.removed ? 10 : 0);
        end();
    }
    static const char other[] =
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nUpgrade: metastore-peer\r\n"
        "Metastore-Cluster: fffe0102030405060708090a0b0c0da0\r\n"
        "Metastore-Member: 1\r\nMetastore-To: 2\r\n\r\n";
    struct http_hello_answer answer;
    CHECK_EQ(http_hello_answer_parse(bytes_of_str(other), &answer), (int64_t)sizeof other - 1);
    CHECK(answer.status == 403 && !answer.removed && answer.to_id == 0);
}
