/* Streams of snapshots: connections beside the links, dialed when the node wants one (DESIGN 3). */
#include "tests/member/rig.h"

static struct rig r;

static bool stream_sends(uint64_t to, const void *body, size_t len)
{
    struct node *n = rig_node(&r);
    return n->host.send_stream(n->host.ctx, to, FAKE_FRAME_OF_STREAM, bytes_of(body, len));
}

static void want(uint64_t to, bool wanted)
{
    struct node *n = rig_node(&r);
    n->host.stream(n->host.ctx, to, wanted);
}

static uint32_t dials_of(uint64_t peer)
{
    uint32_t n = 0;
    for (uint64_t i = 1; i <= r.conn_count; i++)
        n += r.conns[i].dialed && r.conns[i].port == 9000 + peer;
    return n;
}

static uint32_t saw(const char *event)
{
    const struct node *n = rig_node(&r);
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->event_count; i++) count += strcmp(n->events[i].text, event) == 0;
    return count;
}

/* A stream to peer that is up. */
static uint64_t stream_up(uint64_t peer)
{
    want(peer, true);
    rig_turn(&r);
    uint64_t conn = rig_dial_of(&r, peer);
    member_on_dialed(r.m, r.now, conn, 0);
    rig_turn(&r);
    rig_answer_stream(&r, conn, peer);
    rig_said(&r, conn);
    return conn;
}

TEST(streams, are_dialed_beside_the_link_and_say_what_they_are)
{
    rig_start(&r, 2);
    rig_link_up(&r, 2);
    uint64_t link = rig_dial_of(&r, 2);
    want(2, true);
    CHECK_EQ(dials_of(2), 1); /* not from inside the node's call */
    rig_turn(&r);
    CHECK_EQ(dials_of(2), 2);
    CHECK(!stream_sends(2, "x", 1)); /* not up */
    uint64_t conn = rig_dial_of(&r, 2);
    member_on_dialed(r.m, r.now, conn, 0);
    const char *hello = rig_said(&r, conn);
    CHECK(strstr(hello, "Metastore-To: 2\r\n") && strstr(hello, "Metastore-Stream: snapshot\r\n"));
    CHECK(!saw("stream 2 up"));
    rig_answer_stream(&r, conn, 2);
    CHECK_EQ(saw("stream 2 up"), 1);
    CHECK_EQ(rig_node(&r)->judged.member_id, 2); /* as everybody is */
    CHECK_EQ(saw("link 2 up"), 1);

    uint32_t link_sends = rig_conn(&r, link)->sends;
    CHECK(stream_sends(2, "chunk", 5));
    rig_turn(&r);
    const struct rig_conn *c = rig_conn(&r, conn);
    struct bytes_reader in = bytes_reader_of(bytes_of(c->sent.data + c->seen, c->sent.len - c->seen));
    struct frame f;
    CHECK_EQ(frame_decode(&in, &f), 0);
    CHECK(f.type == FAKE_FRAME_OF_STREAM && bytes_equal(f.body, bytes_of_str("chunk")));
    CHECK_EQ(rig_conn(&r, link)->sends, link_sends);
    CHECK_EQ(r.tapped_out, 1);
    rig_end(&r);
}

/* A member that takes it for a link would take its chunks for something else. */
TEST(streams, who_does_not_know_them_is_refused)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    want(2, true);
    rig_turn(&r);
    uint64_t conn = rig_dial_of(&r, 2);
    member_on_dialed(r.m, r.now, conn, 0);
    rig_turn(&r);
    rig_answer_hello(&r, conn, 2);
    CHECK(!rig_conn(&r, conn)->open && !saw("stream 2 up"));
    CHECK_EQ(saw("stream 2 down"), 1);
    CHECK_EQ(saw("link 2 down"), 0);
    want(2, true);
    rig_turn(&r);
    conn = rig_dial_of(&r, 2);
    member_on_dialed(r.m, r.now, conn, 0);
    rig_turn(&r);
    rig_node(&r)->judge = MS_EFOREIGN;
    rig_answer_stream(&r, conn, 2);
    CHECK(!rig_conn(&r, conn)->open && !saw("stream 2 up"));
    CHECK_EQ(saw("stream 2 down"), 2);
    rig_end(&r);
}

TEST(streams, end_once_and_are_dialed_again_only_if_wanted)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    rig_closed(&r, stream_up(2));
    CHECK_EQ(saw("stream 2 down"), 1);
    rig_advance(&r, 10000);
    CHECK_EQ(dials_of(2), 2);
    want(2, true); /* a dial that fails */
    rig_turn(&r);
    uint64_t conn = rig_dial_of(&r, 2);
    rig_conn(&r, conn)->open = false;
    member_on_dialed(r.m, r.now, conn, MS_EADDR);
    rig_turn(&r);
    CHECK_EQ(saw("stream 2 down"), 2);
    want(2, true); /* and one that takes too long */
    rig_turn(&r);
    conn = rig_dial_of(&r, 2);
    rig_advance(&r, r.opts.dial_ms_max);
    CHECK(!rig_conn(&r, conn)->open);
    CHECK_EQ(saw("stream 2 down"), 3);
    want(9, true); /* no peer of ours */
    rig_turn(&r);
    CHECK_EQ(saw("stream 9 down"), 1);
    CHECK_EQ(saw("link 2 down"), 0);
    CHECK_EQ(dials_of(2), 4);
    rig_end(&r);
}

TEST(streams, that_are_not_wanted_any_more_are_closed_at_the_end_of_the_turn)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    uint64_t conn = stream_up(2);
    want(2, false);
    CHECK(rig_conn(&r, conn)->open);
    CHECK(!stream_sends(2, "x", 1));
    want(2, true); /* for another transfer */
    rig_turn(&r);
    CHECK(!rig_conn(&r, conn)->open && rig_dial_of(&r, 2) != conn);
    CHECK_EQ(saw("stream 2 down"), 0); /* it knows */
    uint32_t dials = dials_of(2);
    want(2, false);
    rig_turn(&r);
    want(2, true); /* thought better of within a turn */
    want(2, false);
    rig_turn(&r);
    CHECK_EQ(dials_of(2), dials);
    CHECK_EQ(saw("stream 2 down"), 0);
    stream_up(2);
    rig_end(&r); /* what is open is freed */
}

TEST(streams, a_full_queue_takes_no_more_until_it_is_empty)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    uint64_t conn = stream_up(2);
    rig_conn(&r, conn)->queued = STREAM_QUEUE_BYTES_MAX - 1;
    CHECK(stream_sends(2, "x", 1));
    rig_conn(&r, conn)->queued = STREAM_QUEUE_BYTES_MAX;
    CHECK(!stream_sends(2, "x", 1));
    CHECK_EQ(r.m->counters.frames_dropped, 0); /* it is not lost: it waits with the node */
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    CHECK_EQ(saw("stream 2 room"), 1);
    CHECK(stream_sends(2, "x", 1));
    rig_conn(&r, conn)->queued = 1000; /* and one from which nothing leaves is dead */
    rig_turn(&r);
    rig_advance(&r, 2 * LINK_STALL_MS);
    CHECK(!rig_conn(&r, conn)->open);
    CHECK_EQ(saw("stream 2 down"), 1);
    CHECK_EQ(saw("link 2 down"), 0);
    rig_end(&r);
}

/* --- accepted --- */

static void frame_arrives(uint64_t conn, uint8_t type, const char *body)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct buf wire;
    buf_init(&wire, &r.own.face, 1000);
    frame_header(header, type, bytes_of_str(body));
    buf_append(&wire, header, sizeof header);
    buf_append(&wire, body, strlen(body));
    rig_bytes(&r, conn, wire.data, wire.len);
    buf_fini(&wire);
}

TEST(streams, come_in_beside_the_other_connection_of_their_peer)
{
    rig_start(&r, 2);
    uint64_t frames = rig_peer(&r, 2), stream = rig_peer_stream(&r, 2), others = rig_peer_stream(&r, 3);
    CHECK(rig_conn(&r, frames)->open && rig_conn(&r, stream)->open);
    frame_arrives(frames, 7, "f");
    frame_arrives(stream, FAKE_FRAME_OF_STREAM, "s");
    CHECK(saw("frame 2 7 f") && saw("frame 2 99 s"));
    uint64_t newer = rig_peer_stream(&r, 2); /* of one kind the newest counts */
    CHECK(rig_conn(&r, frames)->open && !rig_conn(&r, stream)->open && rig_conn(&r, newer)->open);
    newer = rig_peer(&r, 2);
    CHECK(!rig_conn(&r, frames)->open && rig_conn(&r, newer)->open && rig_conn(&r, others)->open);
    rig_node(&r)->peer_count = 1; /* 3 leaves */
    rig_node(&r)->host.peers_changed(rig_node(&r)->host.ctx);
    rig_turn(&r);
    CHECK(!rig_conn(&r, others)->open && rig_conn(&r, newer)->open);
    rig_end(&r);
}

TEST(streams, carry_snapshots_and_nothing_else)
{
    rig_start(&r, 1);
    uint64_t frames = rig_peer(&r, 2), stream = rig_peer_stream(&r, 2);
    frame_arrives(stream, 1, "raft");
    CHECK(!rig_conn(&r, stream)->open && rig_conn(&r, frames)->open);
    frame_arrives(frames, FAKE_FRAME_OF_STREAM, "chunk");
    CHECK(!rig_conn(&r, frames)->open);
    CHECK(!saw("frame 2 1 raft") && !saw("frame 2 99 chunk"));
    rig_end(&r);
}
