/* Links: what a member dials, says first, waits for, and sends. */
#include <stdio.h>

#include "tests/member/rig.h"

static struct rig r;

static bool node_sends(uint64_t to, uint8_t type, const void *body, size_t len)
{
    struct node *n = rig_node(&r);
    return n->host.send(n->host.ctx, to, type, bytes_of(body, len));
}

static uint32_t dials_of(uint64_t peer)
{
    uint32_t n = 0;
    for (uint64_t i = 1; i <= r.conn_count; i++)
        n += r.conns[i].dialed && r.conns[i].port == 9000 + peer;
    return n;
}

TEST(links, each_peer_is_dialed_once_and_told_who_calls)
{
    rig_start(&r, 2);
    CHECK_EQ(r.conn_count, 2);
    uint64_t conn = rig_dial_of(&r, 3);
    CHECK(strcmp(rig_conn(&r, conn)->host, "127.0.0.1") == 0);
    CHECK(!node_sends(3, 1, "x", 1)); /* not up */
    member_on_dialed(r.m, r.now, conn, 0);
    const char *hello = rig_said(&r, conn);
    CHECK(strstr(hello, "Host: 127.0.0.1:9003\r\n") && strstr(hello, "Metastore-To: 3\r\n"));
    CHECK(strstr(hello, "Metastore-Url: http://127.0.0.1:9001\r\n"));
    rig_answer_hello(&r, conn, 3);
    CHECK(fake_saw(rig_node(&r), "link 3 up") && !fake_saw(rig_node(&r), "link 2 up"));
    CHECK_EQ(rig_node(&r)->judged.member_id, 3);
    CHECK(strcmp(rig_node(&r)->judged.url, "http://127.0.0.1:9003") == 0);
    CHECK(node_sends(3, 1, "x", 1));
    rig_end(&r);
}

TEST(links, frames_of_a_turn_leave_in_one_send_in_their_order)
{
    static uint8_t big[LINK_COPY_BYTES_MAX + 5];
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    uint64_t conn = rig_dial_of(&r, 2);
    struct rig_conn *c = rig_conn(&r, conn);
    uint32_t sends = c->sends;
    CHECK(node_sends(2, 1, "one", 3) && node_sends(2, 2, "", 0) && node_sends(2, 3, "three", 5));
    CHECK_EQ(c->sends, sends);
    rig_turn(&r);
    CHECK_EQ(c->sends, sends + 1);
    memset(big, 'b', sizeof big);
    CHECK(node_sends(2, 4, "before", 6) && node_sends(2, 5, big, sizeof big) &&
          node_sends(2, 6, "z", 1));
    for (int i = 0; i < 8; i++) CHECK(node_sends(2, 7, big, LINK_COPY_BYTES_MAX));
    rig_turn(&r);
    CHECK_EQ(r.tapped_out, 14);
    struct bytes_reader in = bytes_reader_of(bytes_of(c->sent.data + c->seen, c->sent.len - c->seen));
    struct frame f;
    for (uint32_t type = 1; type <= 6; type++) {
        CHECK_EQ(frame_decode(&in, &f), 0);
        CHECK_EQ(f.type, type);
        if (type == 3) CHECK(bytes_equal(f.body, bytes_of_str("three")));
        if (type == 5) CHECK(bytes_equal(f.body, bytes_of(big, sizeof big)));
    }
    for (int i = 0; i < 8; i++) CHECK_EQ(frame_decode(&in, &f), 0);
    CHECK_EQ(bytes_reader_left(&in), 0);
    rig_end(&r);
}

TEST(links, a_full_queue_drops_frames_and_a_dead_one_is_dialed_anew)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    struct rig_conn *c = rig_conn(&r, rig_dial_of(&r, 2));
    c->queued = PEER_QUEUE_BYTES_MAX;
    CHECK(!node_sends(2, 1, "x", 1));
    CHECK_EQ(r.m->counters.frames_dropped, 1);
    c->queued = PEER_QUEUE_BYTES_MAX - 1;
    CHECK(node_sends(2, 1, "x", 1));
    rig_turn(&r);
    for (int i = 0; i < 3; i++) { /* it drains, slowly */
        rig_advance(&r, LINK_STALL_MS - 1);
        c->queued--;
        rig_advance(&r, 1);
        CHECK(c->open);
    }
    rig_advance(&r, LINK_STALL_MS);
    CHECK(!c->open && fake_saw(rig_node(&r), "link 2 down"));
    CHECK_EQ(dials_of(2), 2);
    rig_link_up(&r, 2);
    rig_conn(&r, rig_dial_of(&r, 2))->queued = 7; /* and one that empties is left alone */
    CHECK(node_sends(2, 1, "x", 1));
    rig_turn(&r);
    rig_conn(&r, rig_dial_of(&r, 2))->queued = 0;
    rig_advance(&r, 3 * LINK_STALL_MS);
    CHECK(rig_conn(&r, rig_dial_of(&r, 2))->open);
    rig_end(&r);
}

/* The k-th wait lies between half of min * 2^k and all of it, and never above redial_ms_max. */
TEST(links, attempts_grow_rarer_with_jitter_and_never_stop)
{
    rig_start(&r, 1);
    uint64_t min = r.opts.redial_ms_min, max = r.opts.redial_ms_max, waits[40];
    bool differ = false;
    for (uint32_t i = 0; i < 40; i++) {
        uint64_t began = r.now, backoff = ms_time_min(2 * min << (i < 20 ? i : 20), max);
        CHECK_EQ(dials_of(2), i + 1);
        uint64_t conn = rig_dial_of(&r, 2);
        rig_conn(&r, conn)->open = false;
        member_on_dialed(r.m, r.now, conn, MS_EADDR);
        rig_turn(&r);
        r.now = member_deadline_ms(r.m);
        waits[i] = r.now - began;
        CHECK(waits[i] >= backoff / 2 && waits[i] <= backoff);
        member_on_tick(r.m, r.now);
        rig_turn(&r);
        if (i >= 20 && waits[i] != waits[i - 1]) differ = true;
    }
    CHECK(differ);
    CHECK(r.log_lines >= 1 && r.log_lines <= 2); /* not a line an attempt */
    rig_end(&r);
}

/* That it could not be reached a moment ago does not hide what it says; both are told once. */
TEST(links, a_refusal_is_told_although_the_peer_was_not_reached_before)
{
    rig_start(&r, 1);
    uint64_t conn = rig_dial_of(&r, 2);
    rig_conn(&r, conn)->open = false;
    member_on_dialed(r.m, r.now, conn, MS_EADDR);
    rig_turn(&r);
    CHECK(strstr(r.log, "cannot reach member 2"));
    for (int i = 0; i < 3; i++) {
        rig_advance(&r, r.opts.redial_ms_max);
        uint32_t lines = r.log_lines;
        conn = rig_dial_of(&r, 2);
        member_on_dialed(r.m, r.now, conn, 0);
        rig_text(&r, conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 11\r\n\r\nnot of ours\n");
        CHECK_EQ(r.log_lines, lines + (i == 0));
        CHECK(strstr(r.log, "no link to member 2") && strstr(r.log, "not of ours"));
    }
    rig_node(&r)->status.config.member_count = 1;
    rig_node(&r)->status.config.members[0] = (struct config_member){ .id = 2, .roles = CONFIG_VOTER };
    uint64_t client = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, client, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(strstr(rig_said(&r, client), "\"link\": \"down\", \"refused\": \"not of ours"));
    rig_advance(&r, r.opts.redial_ms_max);
    rig_link_up(&r, 2);
    rig_text(&r, client, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(strstr(rig_said(&r, client), "\"link\": \"up\"}"));
    rig_end(&r);
}

TEST(links, a_peer_that_calls_is_called_back_at_once)
{
    rig_start(&r, 2);
    for (int i = 0; i < 10; i++) {
        uint64_t conn = rig_dial_of(&r, 2);
        rig_conn(&r, conn)->open = false;
        member_on_dialed(r.m, r.now, conn, MS_EADDR);
        rig_advance(&r, r.opts.redial_ms_max);
    }
    uint64_t conn = rig_dial_of(&r, 2);
    rig_conn(&r, conn)->open = false;
    member_on_dialed(r.m, r.now, conn, MS_EADDR);
    rig_turn(&r);
    uint32_t dials = dials_of(2);
    rig_node(&r)->judge = MS_EFOREIGN;
    struct buf hello;
    buf_init(&hello, &r.own.face, 4096);
    rig_hello(&hello, 2, 1);
    rig_bytes(&r, rig_accept(&r, MEMBER_LISTENER_PEER), hello.data, hello.len);
    buf_fini(&hello);
    CHECK_EQ(dials_of(2), dials); /* a stranger does not make us dial */
    rig_node(&r)->judge = 0;
    rig_peer(&r, 2);
    CHECK_EQ(dials_of(2), dials + 1);
    rig_peer(&r, 2); /* it is being dialed already */
    CHECK_EQ(dials_of(2), dials + 1);
    rig_end(&r);
}

TEST(links, dialing_and_the_handshake_share_one_deadline)
{
    rig_start(&r, 1);
    uint64_t conn = rig_dial_of(&r, 2);
    rig_advance(&r, r.opts.dial_ms_max - 10);
    member_on_dialed(r.m, r.now, conn, 0);
    rig_turn(&r);
    rig_text(&r, conn, "HTTP/1.1 101 Switching");
    CHECK(rig_conn(&r, conn)->open);
    rig_advance(&r, 10);
    CHECK(!rig_conn(&r, conn)->open);
    member_on_dialed(r.m, r.now, conn, 0); /* too late: means nothing */
    member_on_closed(r.m, r.now, conn);
    rig_advance(&r, r.opts.redial_ms_max);
    CHECK(rig_dial_of(&r, 2) != conn);
    rig_end(&r);
}

TEST(links, one_that_was_up_is_dialed_at_once_but_once)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    rig_closed(&r, rig_dial_of(&r, 2));
    CHECK(fake_saw(rig_node(&r), "link 2 down"));
    CHECK_EQ(dials_of(2), 2);
    rig_link_up(&r, 2);
    rig_closed(&r, rig_dial_of(&r, 2)); /* flaps: now with a wait */
    CHECK_EQ(dials_of(2), 2);
    rig_advance(&r, r.opts.redial_ms_max);
    CHECK_EQ(dials_of(2), 3);
    rig_link_up(&r, 2);
    rig_advance(&r, LINK_SETTLED_MS);
    rig_closed(&r, rig_dial_of(&r, 2)); /* had settled */
    CHECK_EQ(dials_of(2), 4);
    rig_end(&r);
}

/* Who answers is judged as who calls; each case: the link is closed, never up, and asked again rarely.
 */
TEST(links, a_wrong_answer_gets_no_frame)
{
    static const struct {
        uint64_t from;
        int judge;
        const char *raw, *log;
    } cases[] = {
        { 3, 0, NULL, "member 3 answers there" },
        { 2, MS_EFOREIGN, NULL, "another cluster" },
        { 0, 0, "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nnot with us\n", "not with us" },
        { 0, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "without a reason" },
        { 0, 0, "220 mail.example ESMTP\r\n\r\n", "not a member" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig_start(&r, 1);
        rig_node(&r)->judge = cases[i].judge;
        rig_node(&r)->judge_why = "another cluster";
        uint64_t conn = rig_dial_of(&r, 2);
        member_on_dialed(r.m, r.now, conn, 0);
        rig_turn(&r);
        if (cases[i].raw)
            rig_text(&r, conn, cases[i].raw);
        else
            rig_answer_hello(&r, conn, cases[i].from);
        CHECK(!rig_conn(&r, conn)->open && strstr(r.log, cases[i].log));
        CHECK(!fake_saw(rig_node(&r), "link 2 up") && !node_sends(2, 1, "x", 1));
        rig_advance(&r, r.opts.redial_ms_max / 2 - 1);
        CHECK_EQ(dials_of(2), 1);
        rig_advance(&r, r.opts.redial_ms_max / 2 + 1);
        CHECK_EQ(dials_of(2), 2);
        rig_end(&r);
    }
}

/* Who believes it stops for good: so only the member that was dialed is believed, if it speaks of this
 * member and of its cluster. */
TEST(links, gone_means_that_this_member_was_removed_if_a_peer_says_it)
{
    static const struct {
        uint8_t own; /* first byte of our cluster's uuid; 0: not known yet */
        uint64_t from, to;
        uint8_t cluster;
        bool believed;
    } cases[] = {
        { 5, 2, 1, 5, true },  { 5, 2, 1, 6, false }, { 5, 3, 1, 5, false }, { 5, 2, 3, 5, false },
        { 0, 2, 1, 5, false }, { 0, 2, 1, 0, false }, { 5, 0, 0, 0, false }, /* not a member at all */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig_start(&r, 1);
        rig_node(&r)->identity.cluster_uuid[0] = cases[i].own;
        uint64_t conn = rig_dial_of(&r, 2);
        member_on_dialed(r.m, r.now, conn, 0);
        rig_turn(&r);
        if (cases[i].from)
            rig_answer_removed(&r, conn, cases[i].from, cases[i].to, cases[i].cluster);
        else
            rig_text(&r, conn, "HTTP/1.1 410 Gone\r\nContent-Length: 17\r\n\r\nyou were removed\n");
        CHECK_EQ(fake_saw(rig_node(&r), "removed 2"), cases[i].believed);
        CHECK_EQ(rig_node(&r)->event_count, cases[i].believed);
        CHECK(!rig_conn(&r, conn)->open && strstr(r.log, "you were removed"));
        rig_advance(&r, r.opts.redial_ms_max); /* otherwise a refusal like the rest: asked again */
        CHECK_EQ(dials_of(2), 2);
        rig_end(&r);
    }
}

TEST(links, nothing_is_heard_on_a_connection_we_dialed)
{
    uint8_t wire[FRAME_HEADER_BYTES + 1] = { 0 };
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    frame_header(wire, 1, bytes_of("x", 1));
    wire[FRAME_HEADER_BYTES] = 'x';
    rig_bytes(&r, rig_dial_of(&r, 2), wire, sizeof wire);
    CHECK(!fake_saw(rig_node(&r), "frame 2 1 x") && fake_saw(rig_node(&r), "link 2 down"));
    rig_end(&r);
}

TEST(links, they_follow_the_configuration)
{
    rig_start(&r, 2);
    rig_link_up(&r, 2);
    rig_link_up(&r, 3);
    struct node *n = rig_node(&r);
    uint64_t two = rig_dial_of(&r, 2), three = rig_dial_of(&r, 3);
    n->peers[0] = (struct node_peer){ .id = 2, .url = "http://[::1]:9102" }; /* moved */
    n->peers[1] = (struct node_peer){ .id = 4, .url = "http://host-4:9004" };
    n->host.peers_changed(n->host.ctx);
    CHECK(rig_conn(&r, two)->open); /* not from inside the callback */
    CHECK(node_sends(3, 9, "bye", 3));
    rig_turn(&r);
    CHECK(!rig_conn(&r, two)->open && !rig_conn(&r, three)->open && rig_conn(&r, three)->flushed);
    CHECK(rig_conn(&r, three)->sent.len > 3);
    CHECK(fake_saw(n, "link 2 down") && fake_saw(n, "link 3 down") && !node_sends(3, 1, "x", 1));
    uint64_t moved = rig_dial_of(&r, 102);
    CHECK(moved && strcmp(rig_conn(&r, moved)->host, "::1") == 0);
    CHECK(strcmp(rig_conn(&r, rig_dial_of(&r, 4))->host, "host-4") == 0);
    rig_end(&r);
}
