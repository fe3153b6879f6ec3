/* Accepted connections of peers: the hello, and what is heard behind it. */
#include <stdio.h>

#include "tests/member/rig.h"

static struct rig r;

static struct buf frames;

static void frames_begin(void)
{
    buf_init(&frames, &r.own.face, 64u << 20);
}

static void frames_add(uint8_t type, const void *body, size_t len)
{
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header(header, type, bytes_of(body, len));
    buf_append(&frames, header, sizeof header);
    buf_append(&frames, body, len);
}

TEST(accept, what_is_no_hello_gets_a_line_and_is_closed)
{
    static const struct {
        const char *request, *status, *line;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 ", "port is for the peers of member 1" },
        { "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nv", "HTTP/1.1 426 ", "clients use" },
        { "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
          "HTTP/1.1 400 ", "" },
        { "gibberish\r\n\r\n", "HTTP/1.1 400 ", "" },
    };
    rig_start(&r, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t conn = rig_accept(&r, MEMBER_LISTENER_PEER);
        rig_text(&r, conn, cases[i].request);
        const char *said = rig_said(&r, conn);
        CHECK(strncmp(said, cases[i].status, strlen(cases[i].status)) == 0);
        CHECK(strstr(said, cases[i].line) && said[strlen(said) - 1] == '\n');
        CHECK(!rig_conn(&r, conn)->open && rig_conn(&r, conn)->flushed);
    }
    CHECK(r.log_lines <= 1); /* strangers do not fill the log */
    rig_end(&r);
}

/* 410 says who removed whom from which cluster. */
static void is_a_removal(const char *said, uint64_t of)
{
    struct http_hello_answer answer;
    CHECK_EQ(http_hello_answer_parse(bytes_of_str(said), &answer), (int64_t)strlen(said));
    CHECK(answer.removed && answer.member_id == 1 && answer.to_id == of);
    CHECK(answer.cluster_uuid[0] == 6 && answer.cluster_uuid[1] == 0);
}

TEST(accept, a_hello_is_judged)
{
    static const struct {
        uint32_t version_min, version_max;
        uint64_t from, to;
        int judge;
        const char *status, *line;
    } cases[] = {
        { 1, 1, 2, 1, 0, "HTTP/1.1 101 ", "" },
        { 1, 9, 2, 1, 0, "HTTP/1.1 101 ", "" },
        { 2, 9, 2, 1, 0, "HTTP/1.1 426 ", "the caller 2 to 9" },
        { 1, 1, 2, 7, 0, "HTTP/1.1 421 ", "this is member 1" },
        { 1, 1, 1, 1, 0, "HTTP/1.1 421 ", "this is member 1" },
        { 1, 1, 2, 1, MS_EFOREIGN, "HTTP/1.1 403 ", "the judge said so" },
        { 1, 1, 2, 1, MS_EREMOVED, "HTTP/1.1 410 ", "the judge said so" },
    };
    rig_start(&r, 1);
    rig_node(&r)->identity.cluster_uuid[0] = 6;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_hello h = { .version_min = cases[i].version_min,
                                .version_max = cases[i].version_max,
                                .member_id = cases[i].from,
                                .to_id = cases[i].to,
                                .nonce = { 5 },
                                .cluster_uuid = { 6 },
                                .added_index = 7,
                                .url = "http://two:22" };
        struct buf hello;
        buf_init(&hello, &r.own.face, 4096);
        http_hello_request(&hello, "a", 1, &h);
        rig_node(&r)->judge = cases[i].judge;
        rig_node(&r)->judge_why = "the judge said so";
        uint64_t conn = rig_accept(&r, MEMBER_LISTENER_PEER);
        rig_bytes(&r, conn, hello.data, hello.len);
        const char *said = rig_said(&r, conn);
        CHECK(strncmp(said, cases[i].status, strlen(cases[i].status)) == 0 &&
              strstr(said, cases[i].line));
        CHECK_EQ(rig_conn(&r, conn)->open, said[9] == '1');
        if (cases[i].judge == MS_EREMOVED) is_a_removal(said, 2);
        if (said[9] == '1') CHECK(strstr(said, "\r\nMetastore-Url: http://127.0.0.1:9001\r\n"));
        buf_fini(&hello);
    }
    const struct node_identity *judged = &rig_node(&r)->judged;
    CHECK(judged->member_id == 2 && judged->nonce[0] == 5 && judged->cluster_uuid[0] == 6 &&
          judged->added_index == 7 && strcmp(judged->url, "http://two:22") == 0);
    CHECK_EQ(r.m->counters.hellos_refused, 5);
    rig_end(&r);
}

/* N1: however the stream is cut, the same frames are heard, also those that come with the hello. */
TEST(accept, frames_are_heard_however_the_stream_is_cut)
{
    static uint8_t big[300000];
    rig_start(&r, 1);
    for (size_t piece = 1; piece < 400000; piece = piece < 40 ? piece + 1 : piece * 3) {
        bool quick = piece >= 40; /* one byte at a time goes without the big one */
        frames_begin();
        rig_hello(&frames, 2, 1);
        frames_add(1, "one", 3);
        frames_add(2, "", 0);
        if (quick) frames_add(3, big, sizeof big);
        frames_add(4, "four", 4);
        uint64_t conn = rig_accept(&r, MEMBER_LISTENER_PEER);
        struct node *n = rig_node(&r);
        n->event_count = 0;
        for (size_t at = 0; at < frames.len; at += piece) {
            size_t len = frames.len - at < piece ? frames.len - at : piece;
            rig_bytes(&r, conn, frames.data + at, len);
        }
        CHECK_EQ(n->event_count, quick ? 4 : 3);
        CHECK(fake_saw(n, "frame 2 1 one") && fake_saw(n, "frame 2 2 ") &&
              fake_saw(n, "frame 2 4 four"));
        CHECK_EQ(fake_saw(n, "frame 2 3 of 300000"), quick);
        CHECK_EQ(r.m->peers->in.len, 0);
        CHECK(r.m->peers->in.cap <= PEER_INPUT_KEPT_BYTES);
        buf_fini(&frames);
    }
    rig_end(&r);
}

TEST(accept, a_damaged_frame_ends_the_connection)
{
    for (size_t piece = 1; piece <= 100; piece += 33) {
        rig_start(&r, 1);
        uint64_t conn = rig_peer(&r, 2);
        frames_begin();
        frames_add(1, "good", 4);
        frames_add(2, "damaged", 7);
        frames.data[frames.len - 2] ^= 1;
        frames_add(3, "behind", 6);
        for (size_t at = 0; at < frames.len && rig_conn(&r, conn)->open; at += piece) {
            size_t len = frames.len - at < piece ? frames.len - at : piece;
            rig_bytes(&r, conn, frames.data + at, len);
        }
        struct node *n = rig_node(&r);
        CHECK(fake_saw(n, "frame 2 1 good") && n->event_count == 1 && !rig_conn(&r, conn)->open);
        CHECK_EQ(r.m->counters.frames_corrupt, 1);
        buf_fini(&frames);
        rig_end(&r);
    }
}

TEST(accept, of_one_peer_the_newest_connection_counts)
{
    rig_start(&r, 2);
    uint64_t old = rig_peer(&r, 2), other = rig_peer(&r, 3), newer = rig_peer(&r, 2);
    CHECK(!rig_conn(&r, old)->open && rig_conn(&r, other)->open && rig_conn(&r, newer)->open);
    rig_end(&r);
}

TEST(accept, strangers_and_slow_ones_are_bounded)
{
    rig_start(&r, 1);
    uint64_t first = rig_accept(&r, MEMBER_LISTENER_PEER);
    rig_advance(&r, r.opts.dial_ms_max - 1);
    uint64_t second = rig_accept(&r, MEMBER_LISTENER_PEER), peer = rig_peer(&r, 2);
    rig_text(&r, second, "GET /_/peer HTTP/1.1\r\n");
    rig_advance(&r, 1);
    CHECK(!rig_conn(&r, first)->open && rig_conn(&r, second)->open);
    rig_advance(&r, r.opts.dial_ms_max);
    CHECK(!rig_conn(&r, second)->open && rig_conn(&r, peer)->open);
    for (uint32_t i = 1; i < PEER_CONNS_MAX; i++) {
        CHECK(rig_conn(&r, rig_accept(&r, MEMBER_LISTENER_PEER))->open);
    }
    uint64_t over = rig_accept(&r, MEMBER_LISTENER_PEER);
    CHECK(!rig_conn(&r, over)->open && strstr(rig_said(&r, over), "HTTP/1.1 503 "));
    rig_end(&r);
}

TEST(accept, who_left_the_configuration_has_to_say_hello_again)
{
    rig_start(&r, 2);
    uint64_t leaver = rig_peer(&r, 3), stays = rig_peer(&r, 2);
    struct node *n = rig_node(&r);
    n->peer_count = 1;
    n->host.peers_changed(n->host.ctx);
    rig_turn(&r);
    CHECK(!rig_conn(&r, leaver)->open && rig_conn(&r, stays)->open);
    rig_end(&r);
}

/* The node has let it in, and another has taken its place before it was listed: nothing can be said to it, and
 * only a hello gives it a place again. */
TEST(accept, who_was_let_in_and_is_not_listed_has_to_say_hello_again)
{
    rig_start(&r, 1);
    uint64_t stays = rig_peer(&r, 2), evicted = rig_peer(&r, 9), stream = rig_peer_stream(&r, 9);
    struct node *n = rig_node(&r);
    n->host.peers_changed(n->host.ctx);
    rig_turn(&r);
    CHECK(rig_conn(&r, stays)->open);
    CHECK(!rig_conn(&r, evicted)->open && !rig_conn(&r, stream)->open);
    rig_end(&r);
}
