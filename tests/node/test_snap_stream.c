/* A transfer of a snapshot on its own stream: its window, its rate, where it goes on after a break, who
 * is refused, and when patience ends (Raft, section 7; DESIGN 3; BUGS B54). */
#include "tests/node/nodes.h"

static struct nodes c;

#define CHUNK_BYTES 4000u
#define LARGE_COUNT 40u

/* What has come through, by the filters below. */
static struct {
    uint64_t chunks, first_seq, next_seq, most_ahead, stream, taken_seq, answers, refusals;
    uint64_t cut_at; /* the stream is cut when this chunk is due, and cut_at moves on */
    uint64_t cuts;
    bool gap, anew;
} seen;

static void watch_chunk(const struct nodes_frame *f)
{
    struct node_snap_chunk m;
    CHECK_EQ(node_snap_chunk_decode(bytes_of(f->data, f->len), &m), 0);
    if (seen.chunks == 0) seen.first_seq = m.seq;
    if (seen.stream && m.stream != seen.stream) seen.anew = true;
    if (m.seq > seen.next_seq) seen.gap = true;
    if (m.seq == seen.next_seq) seen.next_seq++;
    if (m.seq + 1 - seen.taken_seq > seen.most_ahead) seen.most_ahead = m.seq + 1 - seen.taken_seq;
    seen.stream = m.stream;
    seen.chunks++;
}

static void watch_ack(const struct nodes_frame *f)
{
    struct node_snap_ack m;
    CHECK_EQ(node_snap_ack_decode(bytes_of(f->data, f->len), &m), 0);
    if (m.offer) seen.answers++;
    if (m.status < 0 && m.status != MS_EBUSY) seen.refusals++;
    if (!m.offer && m.status == 0) seen.taken_seq = m.taken;
}

static int watch(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    if (f->type == NODE_FRAME_SNAP_CHUNK) watch_chunk(f);
    if (f->type == NODE_FRAME_SNAP_ACK) watch_ack(f);
    return NODES_PASS;
}

static struct node_send *send_to(uint64_t id)
{
    struct node *n = c.members[nodes_leader(&c)].node;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].state != NODE_SEND_FREE && n->sends[i].peer == id) return &n->sends[i];
    }
    return NULL;
}

static uint32_t sends_count(uint64_t leader)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++)
        count += c.members[leader].node->sends[i].state != NODE_SEND_FREE;
    return count;
}

static uint32_t views_count(uint64_t leader)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++)
        count += c.members[leader].node->sends[i].view != NULL;
    return count;
}

/* The log of all who are up begins behind index. */
static bool all_cut(uint64_t index)
{
    for (uint64_t id = 1; id <= c.count; id++) {
        if (nodes_is_up(&c, id) && raft_first_index(node_raft(c.members[id].node)) <= index + 1)
            return false;
    }
    return true;
}

/* Text that nobody makes much smaller, so that as many bytes travel as are written. */
static void fill_value(char *value, size_t size)
{
    struct ms_rand r;
    ms_rand_init(&r, 7, 0);
    for (size_t i = 0; i + 1 < size; i++) value[i] = (char)(' ' + ms_rand_below(&r, 95));
    value[size - 1] = 0;
}

/* A cluster of count; the followers `behind` (from the first one on) are down and need a snapshot of
 * many chunks. */
static void leave_behind(uint32_t count, uint32_t behind, uint64_t ids[], uint64_t seed)
{
    static char value[15000];
    char key[16];
    memset(&seen, 0, sizeof seen);
    fill_value(value, sizeof value);
    nodes_init(&c, count, seed);
    c.opts.snapshot_log_bytes = 30000;
    c.opts.raft.cache_bytes_max = 20000;
    c.opts.revisions_kept = 20;
    c.opts.snapshot_chunk_bytes = CHUNK_BYTES;
    uint64_t leader = nodes_start_and_elect(&c);
    nodes_run(&c, 300);
    nodes_write(&c, leader, "before", "v");
    nodes_agree(&c);
    uint64_t last = c.members[leader].node->info.applied_index;
    for (uint64_t id = 1; id <= count && behind > 0; id++) {
        if (id == leader) continue;
        nodes_crash(&c, id, false);
        c.delay_ms[leader][id] = c.delay_ms[id][leader] = 5; /* so that a transfer takes its time */
        ids[--behind] = id;
    }
    for (uint32_t i = 0; i < LARGE_COUNT || !all_cut(last); i++) {
        CHECK(i < 1000);
        snprintf(key, sizeof key, "large-%u", i % LARGE_COUNT);
        nodes_write(&c, leader, key, value);
    }
    nodes_run(&c, 300);
    CHECK_EQ(nodes_leader(&c), leader);
    CHECK_EQ(sends_count(leader), 0); /* nothing is offered to who is down */
    c.filter = watch;
}

TEST(snap_stream, chunks_flow_in_a_window_and_in_order)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 1);
    nodes_start(&c, behind);
    nodes_agree(&c);
    CHECK(seen.chunks > LARGE_COUNT && seen.next_seq == seen.chunks && !seen.gap && !seen.anew);
    CHECK(seen.most_ahead > 1 && seen.most_ahead <= SNAP_WINDOW_CHUNKS_MAX);
    nodes_run(&c, 50);
    CHECK_EQ(c.members[nodes_leader(&c)].stream_ups, 1);
    CHECK_EQ(c.members[nodes_leader(&c)].stream[behind],
             NODES_STREAM_NONE); /* closed with the transfer */
    nodes_expect(&c, behind, "before", "v");
    nodes_fini(&c);
}

static int cut_now_and_then(struct nodes *cluster, const struct nodes_frame *f)
{
    struct node_snap_chunk m;
    if (f->type == NODE_FRAME_SNAP_CHUNK && seen.cuts < 4) {
        CHECK_EQ(node_snap_chunk_decode(bytes_of(f->data, f->len), &m), 0);
        if (m.seq == seen.cut_at) {
            seen.cut_at += 7;
            seen.cuts++;
            CHECK(nodes_cut_stream(cluster, f->from, f->to));
            return NODES_DROP;
        }
    }
    return watch(cluster, f);
}

/* What was taken is not sent again, and nothing is left out. */
TEST(snap_stream, goes_on_where_it_was_when_its_connection_breaks)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 2);
    seen.cut_at = 5;
    c.filter = cut_now_and_then;
    nodes_start(&c, behind);
    nodes_agree(&c);
    CHECK_EQ(seen.cuts, 4);
    CHECK_EQ(c.members[nodes_leader(&c)].stream_ups, 5);
    CHECK(!seen.anew && !seen.gap && seen.refusals == 0);
    CHECK_EQ(seen.chunks, seen.next_seq); /* each came once */
    nodes_fini(&c);
}

static int lose_acks(struct nodes *cluster, const struct nodes_frame *f)
{
    struct node_snap_ack m;
    if (f->type == NODE_FRAME_SNAP_ACK) {
        CHECK_EQ(node_snap_ack_decode(bytes_of(f->data, f->len), &m), 0);
        if (!m.offer) return NODES_DROP;
    }
    return watch(cluster, f);
}

/* The connection breaks, and what the receiver said last was lost: the answer to the next offer says
 * more than the acknowledgements did. */
TEST(snap_stream, goes_on_behind_what_was_taken_though_the_acks_were_lost)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 3);
    c.filter = lose_acks;
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 3000, seen.chunks == SNAP_WINDOW_CHUNKS_MAX);
    nodes_run(&c, 5);
    struct node_send *s = send_to(behind);
    CHECK(s->taken_seq == 0 && s->sent_seq == SNAP_WINDOW_CHUNKS_MAX);
    CHECK_EQ(c.members[behind].node->recv.taken_seq, SNAP_WINDOW_CHUNKS_MAX);
    CHECK(nodes_cut_stream(&c, nodes_leader(&c), behind));
    NODES_UNTIL(&c, 1000, seen.answers >= 2);
    c.filter = watch;
    nodes_agree(&c);
    CHECK(!seen.anew && !seen.gap);
    CHECK_EQ(seen.chunks, seen.next_seq);
    nodes_fini(&c);
}

/* Heard and not taken yet, since the disk is slow: it is not sent again either. */
TEST(snap_stream, goes_on_behind_what_was_heard)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 15);
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 3000, seen.taken_seq > 2);
    c.members[behind].hold_disk = true;
    nodes_run(&c, 40);
    const struct node_recv *r = &c.members[behind].node->recv;
    CHECK(r->heard_seq > r->taken_seq + 1);
    uint64_t answers = seen.answers;
    CHECK(nodes_cut_stream(&c, nodes_leader(&c), behind));
    NODES_UNTIL(&c, 1000, seen.answers > answers);
    nodes_run(&c, 10);
    c.members[behind].hold_disk = false;
    nodes_agree(&c);
    CHECK(!seen.anew && !seen.gap && seen.chunks == seen.next_seq);
    nodes_fini(&c);
}

/* What a lossy net does and a stream never does: a hole is found by asking, and sent again. */
static uint32_t lossy_seen;
static int lossy(struct nodes *cluster, const struct nodes_frame *f)
{
    if (f->type == NODE_FRAME_SNAP_CHUNK && lossy_seen++ % (2 * SNAP_WINDOW_CHUNKS_MAX) == 3)
        return NODES_DROP;
    return watch(cluster, f);
}

TEST(snap_stream, a_chunk_that_was_lost_is_sent_again_with_those_behind_it)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 4);
    c.filter = lossy;
    nodes_start(&c, behind);
    nodes_agree(&c);
    CHECK(seen.gap && !seen.anew && seen.chunks > seen.next_seq);
    CHECK_EQ(c.members[nodes_leader(&c)].stream_ups, 1); /* the connection is none the worse for it */
    nodes_fini(&c);
}

/* The view is read no further than the window while nothing leaves, and goes on when there is room. */
TEST(snap_stream, a_full_connection_stops_the_reading)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 5);
    nodes_start(&c, behind);
    uint64_t leader = nodes_leader(&c);
    NODES_UNTIL(&c, 3000, c.members[leader].stream[behind] == NODES_STREAM_UP);
    c.members[leader].stream_full[behind] = true;
    nodes_run(&c, 200);
    struct node_send *s = send_to(behind);
    uint64_t read = s->read_seq, chunks = seen.chunks;
    CHECK(read - s->taken_seq == SNAP_WINDOW_CHUNKS_MAX && s->state == NODE_SEND_IDLE);
    nodes_run(&c, 500);
    CHECK(s->read_seq == read && seen.chunks == chunks);
    CHECK_EQ(nodes_leader(&c), leader);
    nodes_stream_room(&c, leader, behind);
    nodes_agree(&c);
    CHECK(!seen.anew && !seen.gap && seen.chunks == seen.next_seq);
    nodes_fini(&c);
}

TEST(snap_stream, is_no_faster_than_it_may_be)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 6);
    c.opts.snapshot_bytes_per_s = 100000;
    uint64_t leader = nodes_leader(&c);
    nodes_crash(&c, leader, false); /* it reads its options when it starts */
    nodes_start(&c, leader);
    leader = nodes_elect(&c);
    CHECK_EQ(c.members[leader].node->opts.snapshot_bytes_per_s != 0, true);
    nodes_start(&c, behind);
    uint64_t began_ms = c.now_ms;
    NODES_UNTIL(&c, 20000, c.members[behind].node->recv.done_stream != 0);
    uint64_t took_ms = c.now_ms - began_ms, bytes = c.members[behind].node->recv.offset;
    CHECK(bytes > 500000);
    CHECK(took_ms >= (bytes - 100000) / 100 && took_ms < bytes / 100 + 1500);
    nodes_fini(&c);
}

/* A chunk may cost more than a burst has, and nothing but heartbeats may wake a leader. */
TEST(snap_stream, is_no_slower_where_heartbeats_are_rare)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 6);
    c.opts.snapshot_bytes_per_s = 20000;
    c.opts.snapshot_chunk_bytes = 0;
    c.opts.raft.heartbeat_ms = 1000;
    c.opts.raft.election_ms_min = 3000;
    for (uint64_t id = 1; id <= 3; id++) {
        if (nodes_is_up(&c, id)) nodes_crash(&c, id, false);
    }
    for (uint64_t id = 1; id <= 3; id++) {
        if (id != behind) nodes_start(&c, id);
    }
    nodes_elect(&c);
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 10000, c.members[behind].node->recv.state != NODE_RECV_IDLE);
    uint64_t began_ms = c.now_ms;
    NODES_UNTIL(&c, 100000, c.members[behind].node->recv.done_stream != 0);
    uint64_t bytes = c.members[behind].node->recv.offset;
    CHECK(bytes > 200000 && c.now_ms - began_ms < bytes / 20 + 1500);
    nodes_fini(&c);
}

/* --- several --- */

static uint64_t deaf;
static int deaf_one(struct nodes *cluster, const struct nodes_frame *f)
{
    if (f->type == NODE_FRAME_SNAP_CHUNK && f->to == deaf) return NODES_DROP;
    return watch(cluster, f);
}

/* Two at a time, one of whom takes nothing: the other is served, writes go on, and the patience with
 * the first one ends: neither its view nor the log behind it is kept. */
TEST(snap_stream, one_who_takes_nothing_delays_nobody_and_holds_nothing_for_ever)
{
    uint64_t behind[2];
    leave_behind(5, 2, behind, 7);
    deaf = behind[0];
    c.filter = deaf_one;
    uint64_t leader = nodes_leader(&c);
    nodes_start(&c, behind[0]);
    NODES_UNTIL(&c, 1000, send_to(behind[0]) != NULL);
    uint64_t stream = send_to(behind[0])->stream;
    uint64_t began_ms = c.now_ms;
    nodes_start(&c, behind[1]);
    NODES_UNTIL(&c, 3000, c.members[behind[1]].node->recv.done_stream != 0);
    CHECK(c.now_ms - began_ms < 1000);
    CHECK(send_to(behind[0]) && send_to(behind[0])->stream == stream);
    nodes_write(&c, leader, "meanwhile", "v");
    nodes_run(&c, 8000); /* 300 heartbeats are 6 s */
    CHECK(!send_to(behind[0]) || send_to(behind[0])->stream > stream);
    CHECK(views_count(leader) <= 1);
    nodes_crash(&c, behind[0], true);
    nodes_run(&c, 8000);
    CHECK(sends_count(leader) == 0 && views_count(leader) == 0);
    CHECK_EQ(nodes_leader(&c), leader);
    c.filter = watch;
    nodes_start(&c, behind[0]);
    nodes_agree(&c);
    nodes_fini(&c);
}

/* While a transfer hangs, the log grows to a bound and no further. */
TEST(snap_stream, the_log_is_not_kept_for_ever_for_one_who_is_slow)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 8);
    deaf = behind;
    c.filter = deaf_one;
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 1000, send_to(behind) && send_to(behind)->index > 0);
    uint64_t leader = nodes_leader(&c), index = send_to(behind)->index, until_ms = c.now_ms + 5000;
    const struct node *n = c.members[leader].node;
    while (c.now_ms < until_ms && raft_first_index(n->raft) <= index) nodes_fill(&c, leader, 50, 8000);
    CHECK(raft_first_index(n->raft) > index); /* though the transfer is still under way */
    CHECK(send_to(behind) && send_to(behind)->index == index);
    c.filter = watch;
    nodes_agree(&c);
    nodes_fini(&c);
}

/* --- who is refused --- */

static void give(uint64_t to, uint64_t from, uint8_t type, const struct buf *wire)
{
    node_on_frame(c.members[to].node, c.now_ms, from, type, buf_bytes(wire));
    c.members[to].dirty = true;
}

static struct node_snap_ack last_ack;
static uint32_t acks;
static int catch_acks(struct nodes *cluster, const struct nodes_frame *f)
{
    (void)cluster;
    if (f->type != NODE_FRAME_SNAP_ACK) return NODES_PASS;
    CHECK_EQ(node_snap_ack_decode(bytes_of(f->data, f->len), &last_ack), 0);
    acks++;
    return NODES_DROP;
}

/* Offer m to `at` by hand; returns the status of the answer, 1: there was none. */
static int offered(uint64_t at, uint64_t from, struct node_snap_offer m)
{
    struct buf wire;
    uint32_t before = acks;
    buf_init(&wire, &c.members[at].sim_alloc.face, 1000);
    node_snap_offer_encode(&wire, &m);
    give(at, from, NODE_FRAME_SNAP_OFFER, &wire);
    buf_fini(&wire);
    nodes_settle(&c);
    if (acks == before) return 1;
    CHECK(last_ack.term == m.term && last_ack.stream == m.stream && last_ack.offer == m.number);
    return last_ack.status;
}

static void give_chunk(uint64_t at, uint64_t from, const struct node_snap_offer *o, uint64_t seq)
{
    struct node_snap_chunk m = {
        o->term, o->stream, o->index, o->snap_term, seq, false, bytes_of_str("no chunk of kv's at all")
    };
    struct buf wire;
    buf_init(&wire, &c.members[at].sim_alloc.face, 1000);
    node_snap_chunk_encode(&wire, &m);
    give(at, from, NODE_FRAME_SNAP_CHUNK, &wire);
    buf_fini(&wire);
    nodes_settle(&c);
}

/* The answer to an offer names where the taker was then; what it has taken since has overtaken it. */
TEST(snap_stream, an_answer_that_was_overtaken_ends_nothing)
{
    uint64_t behind;
    struct buf wire;
    leave_behind(3, 1, &behind, 17);
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 3000, send_to(behind) && send_to(behind)->taken_seq > 3);
    const struct node_send *s = send_to(behind);
    struct node_snap_ack late = {
        .term = s->term, .stream = s->stream, .offer = s->offer, .taken = 1, .next = 1
    };
    buf_init(&wire, &c.members[behind].sim_alloc.face, 1000);
    node_snap_ack_encode(&wire, &late);
    give(nodes_leader(&c), behind, NODE_FRAME_SNAP_ACK, &wire);
    buf_fini(&wire);
    CHECK(send_to(behind) == s && s->stream == late.stream);
    nodes_agree(&c);
    CHECK(!seen.anew);
    nodes_fini(&c);
}

TEST(snap_stream, what_the_log_holds_is_refused)
{
    nodes_found(&c, 3, 9);
    nodes_fill(&c, nodes_leader(&c), 10, 100);
    nodes_agree(&c);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c), other = 6 - leader - at;
    c.filter = catch_acks;
    const struct raft *r = node_raft(c.members[at].node);
    struct node_snap_offer o = { .term = raft_term(r), .stream = 1, .number = 1 };
    /* What it has applied; what is committed. */
    o.index = raft_commit_index(r);
    o.snap_term = raft_term_at(r, o.index);
    CHECK_EQ(offered(at, leader, o), MS_EEXIST);
    o.index -= 5;
    CHECK_EQ(offered(at, leader, o), MS_EEXIST);
    /* What it holds durably and does not know to be committed. */
    nodes_crash(&c, other, false);
    c.members[leader].hold_disk = true;
    nodes_put(&c, leader, "k", "v");
    nodes_run(&c, 30);
    CHECK(raft_durable_index(r) > raft_commit_index(r));
    o.index = raft_durable_index(r);
    o.snap_term = raft_term_at(r, o.index);
    CHECK_EQ(offered(at, leader, o), MS_EEXIST);
    /* But another entry at that index is another log. */
    if (o.term > 1) {
        o.snap_term = o.term - 1;
        CHECK_EQ(offered(at, leader, o), 0);
    }
    o.snap_term = o.term;
    o.index++;
    CHECK_EQ(offered(at, leader, o), 0);
    CHECK(c.members[at].node->recv.state == NODE_RECV_IDLE);
    c.members[leader].hold_disk = false;
    nodes_fini(&c);
}

/* The leader hears that it is not needed, and goes back to probing. */
static bool probed;
static bool is_probe(const struct nodes_frame *f)
{
    static struct raft_msg_entry entries[RAFT_MSG_ENTRIES_MAX];
    struct raft_msg m;
    CHECK_EQ(raft_msg_decode(bytes_of(f->data, f->len), entries, &m), 0);
    return m.type == RAFT_MSG_APPEND && m.append.prev_index > 0;
}

static int lose_install(struct nodes *cluster, const struct nodes_frame *f)
{
    struct node_snap_ack m;
    /* Its acks would say it too. */
    if (f->type == NODE_FRAME_RAFT && f->from == deaf && !probed) return NODES_DROP;
    if (f->type == NODE_FRAME_RAFT && f->to == deaf && seen.refusals > 0) probed |= is_probe(f);
    if (f->type == NODE_FRAME_SNAP_ACK) {
        CHECK_EQ(node_snap_ack_decode(bytes_of(f->data, f->len), &m), 0);
        if (m.installed) return NODES_DROP;
    }
    return watch(cluster, f);
}

TEST(snap_stream, a_leader_whose_snapshot_is_refused_probes)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 10);
    uint64_t leader = nodes_leader(&c);
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 1000, seen.chunks > 0);
    deaf = behind;
    c.filter = lose_install;
    NODES_UNTIL(&c, 3000, c.members[behind].node->recv.done_stream != 0);
    nodes_run(&c, 30);             /* its log follows */
    nodes_crash(&c, behind, true); /* it forgets that it has installed it, not what it has installed */
    CHECK(seen.refusals == 0 && send_to(behind) != NULL);
    nodes_start(&c, behind);
    probed = false;
    NODES_UNTIL(&c, 2000, seen.refusals == 1);
    NODES_UNTIL(&c, 100, probed);
    NODES_UNTIL(&c, 2000, nodes_all_applied(&c));
    CHECK(!seen.anew && c.members[behind].node->recv.done_stream == 0);
    nodes_write(&c, leader, "after", "v");
    nodes_agree(&c);
    CHECK_EQ(nodes_leader(&c), leader);
    CHECK_EQ(sends_count(leader), 0);
    nodes_fini(&c);
}

TEST(snap_stream, streams_of_the_past_are_refused)
{
    nodes_found(&c, 3, 11);
    uint64_t leader = nodes_leader(&c), at = nodes_follower(&c), other = 6 - leader - at;
    nodes_crash(&c, leader, false); /* so that there are earlier terms */
    nodes_elect(&c);
    nodes_start(&c, leader);
    nodes_agree(&c);
    leader = nodes_leader(&c);
    at = nodes_follower(&c);
    other = 6 - leader - at;
    c.filter = catch_acks;
    struct node *n = c.members[at].node;
    struct node_snap_offer o = { .term = raft_term(n->raft), .stream = 7, .number = 1 };
    o.index = raft_last_index(n->raft) + 100;
    o.snap_term = o.term;

    struct node_snap_offer old = o;
    old.snap_term = --old.term;
    CHECK_EQ(offered(at, leader, old), 1); /* of an earlier term */
    CHECK_EQ(offered(at, other, o), 1);    /* of one who does not lead */
    uint32_t before = acks;
    give_chunk(at, leader, &o, 0); /* never offered: not even looked at */
    CHECK(n->recv.state == NODE_RECV_IDLE && n->recv.invited_stream == 0 && acks == before);

    CHECK_EQ(offered(at, leader, o), 0);
    give_chunk(at, leader, &o, 1); /* in the middle */
    CHECK(n->recv.state == NODE_RECV_IDLE);
    old = o;
    old.stream--;
    CHECK_EQ(offered(at, leader, old), 1); /* of an earlier transfer */
    give_chunk(at, leader, &old, 0);
    CHECK(n->recv.state == NODE_RECV_IDLE);
    CHECK_EQ(n->recv.invited_stream, 7);
    nodes_fini(&c);
}

/* A transfer is under way; then its leader leads no more: what was taken goes, and the next leader
 * begins anew. */
TEST(snap_stream, a_new_leader_begins_anew)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 12);
    seen.cut_at = 9;
    c.filter = cut_now_and_then;
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 3000, seen.cuts == 1);
    uint64_t leader = nodes_leader(&c), term = raft_term(node_raft(c.members[leader].node));
    const struct node *n = c.members[behind].node;
    CHECK(n->recv.taken_seq > 0 && n->recv.term == term);
    nodes_crash(&c, leader, false);
    nodes_elect(&c);
    c.filter = watch;
    memset(&seen, 0, sizeof seen);
    nodes_start(&c, leader);
    nodes_agree(&c);
    CHECK(n->recv.done_term > term);
    CHECK(seen.first_seq == 0 && !seen.gap);
    nodes_fini(&c);
}

/* The receiver forgets what it has taken when it restarts: the transfer is given up at once and another
 * one begun, from the first chunk. */
TEST(snap_stream, a_receiver_that_restarts_gets_a_new_one)
{
    uint64_t behind;
    leave_behind(3, 1, &behind, 13);
    nodes_start(&c, behind);
    NODES_UNTIL(&c, 3000, seen.taken_seq > 3);
    uint64_t stream = seen.stream, began_ms = c.now_ms;
    nodes_crash(&c, behind, true);
    memset(&seen, 0, sizeof seen);
    nodes_start(&c, behind);
    nodes_agree(&c);
    CHECK(seen.stream > stream && seen.first_seq == 0);
    CHECK(c.now_ms - began_ms < 2000);                         /* no patience is waited for */
    CHECK(!strstr(c.members[behind].last_warning, "refused")); /* nor is anything sent that is gone */
    nodes_fini(&c);
}

/* One who is away holds a place; the fifth who comes takes it. */
TEST(snap_stream, who_is_away_makes_room)
{
    nodes_found(&c, 3, 14);
    uint64_t leader = nodes_leader(&c);
    struct node *n = c.members[leader].node;
    for (uint64_t id = 4; id < 4 + NODE_SENDS_MAX; id++)
        node_send_begin(n, id); /* there are none such */
    nodes_settle(&c);
    CHECK_EQ(views_count(leader), NODE_SENDS_MAX);
    node_send_begin(n, 8);
    CHECK_EQ(n->refused_send_count, 1); /* they have just been begun */
    nodes_run(&c, 600);
    CHECK(views_count(leader) == NODE_SENDS_MAX && !send_to(8));
    node_send_begin(n, 8);
    nodes_run(&c, 30);
    CHECK_EQ(views_count(leader), NODE_SENDS_MAX - 1);
    node_send_begin(n, 8);
    nodes_run(&c, 30);
    CHECK(views_count(leader) == NODE_SENDS_MAX && send_to(8));
    nodes_fini(&c);
}

/* Whom it leads asks for another one, and there may be nobody to hand over to. */
TEST(snap_stream, a_leader_that_shuts_down_begins_none)
{
    uint64_t none;
    leave_behind(1, 0, &none, 17);
    CHECK_EQ(nodes_wait(&c, nodes_change(&c, 1, ENTRY_CHANGE_ADD, 2)), 0);
    deaf = 2;
    c.filter = deaf_one;
    nodes_start(&c, 2);
    NODES_UNTIL(&c, 5000, send_to(2) != NULL);
    node_shutdown(c.members[1].node, c.now_ms);
    c.members[1].dirty = true;
    nodes_run(&c, 500);
    CHECK(nodes_leader(&c) == 1 && node_is_quiet(c.members[1].node));
    nodes_run(&c, 2000);
    CHECK(node_is_quiet(c.members[1].node));
    nodes_fini(&c);
}
