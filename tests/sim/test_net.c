/* The simulated network keeps the promises of env/net.h (N1 to N3), whatever it does to pieces, and
 * treats frames between members as whole ones. */
#include <stdlib.h>
#include <string.h>

#include "base/ms_err.h"
#include "member/frame.h"
#include "node/node_msg.h"
#include "sim/sim_net.h"
#include "tests/support/test.h"

#define MEMBER_A 0u
#define MEMBER_B 1u
#define CLIENT SIM_MEMBERS_MAX
#define STREAM_MAX (1u << 20)

struct fixture {
    struct sim_events events;
    struct sim_net *net;
    bool listens;
    uint64_t dialed, accepted;
    int status;
    uint8_t *got[SIM_OWNERS_MAX];
    size_t got_len[SIM_OWNERS_MAX];
    uint32_t closed[SIM_OWNERS_MAX], writable, deliveries;
};

static bool on_listens(void *ctx, uint32_t owner)
{
    struct fixture *f = ctx;
    (void)owner;
    return f->listens;
}

static void on_accepted(void *ctx, uint32_t owner, uint64_t number, uint32_t peer)
{
    struct fixture *f = ctx;
    (void)owner;
    (void)peer;
    f->accepted = number;
}

static void on_dialed(void *ctx, uint32_t owner, uint64_t number, int status)
{
    struct fixture *f = ctx;
    (void)owner;
    CHECK_EQ(number, f->dialed);
    f->status = status;
}

static void on_bytes(void *ctx, uint32_t owner, uint64_t number, struct bytes in)
{
    struct fixture *f = ctx;
    (void)number;
    CHECK(f->closed[owner] == 0); /* V3 */
    CHECK(f->got_len[owner] + in.len <= STREAM_MAX);
    memcpy(f->got[owner] + f->got_len[owner], in.data, in.len);
    f->got_len[owner] += in.len;
    f->deliveries++;
}

static void on_writable(void *ctx, uint32_t owner, uint64_t number)
{
    struct fixture *f = ctx;
    (void)owner;
    (void)number;
    f->writable++;
}

static void on_closed(void *ctx, uint32_t owner, uint64_t number)
{
    struct fixture *f = ctx;
    (void)number;
    f->closed[owner]++;
}

static void run(struct fixture *f)
{
    struct sim_event ev;
    while (sim_events_pop(&f->events, &ev)) sim_net_event(f->net, &ev);
}

static void setup(struct fixture *f, uint64_t seed, uint32_t cut_odds)
{
    struct sim_net_opts opts = {
        .seed = seed, .cut_odds = cut_odds, .socket_bytes = 100, .deliver_bytes_max = 4096
    };
    struct sim_net_host host = { .ctx = f,
                                 .listens = on_listens,
                                 .accepted = on_accepted,
                                 .dialed = on_dialed,
                                 .bytes = on_bytes,
                                 .writable = on_writable,
                                 .closed = on_closed };
    *f = (struct fixture){ .listens = true, .status = 1 };
    sim_events_init(&f->events);
    f->net = sim_net_create(&opts, &host, &f->events);
    for (uint32_t i = 0; i < SIM_OWNERS_MAX; i++) {
        f->got[i] = malloc(STREAM_MAX);
        for (uint32_t k = 0; k < SIM_OWNERS_MAX; k++) {
            *sim_net_link(f->net, i, k) = (struct sim_link){ .latency_us = 500, .jitter_us = 300 };
        }
    }
}

static void teardown(struct fixture *f)
{
    sim_net_destroy(f->net);
    sim_events_fini(&f->events);
    for (uint32_t i = 0; i < SIM_OWNERS_MAX; i++) free(f->got[i]);
}

static void dial(struct fixture *f, uint32_t from, uint32_t to)
{
    f->dialed = sim_net_dial(f->net, from, to);
    run(f);
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 31 + i / 256);
}

static void send_pattern(struct fixture *f, uint64_t end, size_t from, size_t len)
{
    uint8_t *data = malloc(len);
    for (size_t i = 0; i < len; i++) data[i] = pattern(from + i);
    sim_net_send(f->net, end, data, len);
    free(data);
}

static void check_pattern(const struct fixture *f, uint32_t owner, size_t len)
{
    CHECK_EQ(f->got_len[owner], len);
    for (size_t i = 0; i < len; i++) CHECK(f->got[owner][i] == pattern(i));
}

TEST(sim_net, bytes_arrive_in_order_once_cut_anywhere)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fixture f;
        size_t sent = 0;
        setup(&f, seed, 200);
        dial(&f, CLIENT, MEMBER_A);
        CHECK_EQ(f.status, 0);
        for (size_t part = 1; part < 60; part++) {
            send_pattern(&f, f.dialed, sent, part * 7);
            sent += part * 7;
        }
        CHECK_EQ(sim_net_queued(f.net, f.dialed), sent - 100);
        run(&f);
        check_pattern(&f, MEMBER_A, sent);
        CHECK(f.deliveries > 3);
        CHECK_EQ(f.writable, 1); /* N3: it has fallen to zero once */
        sim_net_close(f.net, f.dialed, true);
        run(&f);
        CHECK(f.closed[MEMBER_A] == 1 && f.closed[CLIENT] == 0); /* N2 */
        teardown(&f);
    }
}

TEST(sim_net, dialing)
{
    struct fixture f;
    setup(&f, 1, 0);
    f.listens = false;
    dial(&f, MEMBER_A, MEMBER_B);
    CHECK_EQ(f.status, MS_EADDR);
    f.listens = true;
    sim_net_block(f.net, MEMBER_B, MEMBER_A, 1); /* the answer does not come */
    dial(&f, MEMBER_A, MEMBER_B);
    CHECK_EQ(f.status, MS_ETIMEOUT);
    sim_net_block(f.net, MEMBER_B, MEMBER_A, -1);
    f.status = 1;
    f.dialed = sim_net_dial(f.net, MEMBER_A, MEMBER_B);
    sim_net_close(f.net, f.dialed, false); /* given up: nobody hears of it */
    run(&f);
    CHECK_EQ(f.status, 1);
    CHECK(f.closed[MEMBER_A] == 0 && sim_net_open_ends(f.net, MEMBER_B) == 0);
    teardown(&f);
}

TEST(sim_net, blocked_and_paused_wait_and_flow_again)
{
    struct fixture f;
    setup(&f, 3, 100);
    dial(&f, CLIENT, MEMBER_A);
    sim_net_block(f.net, CLIENT, MEMBER_A, 1);
    send_pattern(&f, f.dialed, 0, 1000);
    run(&f);
    CHECK_EQ(f.got_len[MEMBER_A], 0);
    sim_net_block(f.net, CLIENT, MEMBER_A, -1);
    sim_net_pause(f.net, f.accepted, true);
    run(&f);
    CHECK_EQ(f.got_len[MEMBER_A], 0);
    sim_net_pause(f.net, f.accepted, false);
    run(&f);
    check_pattern(&f, MEMBER_A, 1000);
    teardown(&f);
}

TEST(sim_net, a_reset_keeps_a_prefix_and_closes_both)
{
    size_t least = STREAM_MAX, most = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct fixture f;
        struct sim_net_pick pick;
        setup(&f, seed, 0);
        dial(&f, CLIENT, MEMBER_A);
        send_pattern(&f, f.dialed, 0, 1000);
        CHECK(sim_net_reset_one(f.net, &pick));
        run(&f);
        check_pattern(&f, MEMBER_A, f.got_len[MEMBER_A]);
        CHECK(f.closed[MEMBER_A] == 1 && f.closed[CLIENT] == 1);
        CHECK(!sim_net_reset_one(f.net, &pick));
        if (f.got_len[MEMBER_A] < least) least = f.got_len[MEMBER_A];
        if (f.got_len[MEMBER_A] > most) most = f.got_len[MEMBER_A];
        teardown(&f);
    }
    CHECK(least < 200 && most > 800);
}

/* --- frames --- */

static void send_frame(struct fixture *f, uint8_t type, uint32_t number)
{
    uint8_t frame[FRAME_HEADER_BYTES + 4];
    bytes_store_u32(frame + FRAME_HEADER_BYTES, number);
    frame_header(frame, type, bytes_of(frame + FRAME_HEADER_BYTES, 4));
    sim_net_send(f->net, f->dialed, frame, 5); /* in two calls: the network finds its borders */
    sim_net_send(f->net, f->dialed, frame + 5, sizeof frame - 5);
}

static const char hello[] = "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n";

static void open_peers(struct fixture *f)
{
    dial(f, MEMBER_A, MEMBER_B);
    sim_net_send(f->net, f->dialed, hello, sizeof hello - 1);
}

/* Every frame that arrives is whole; seen counts them by number. */
static void count_frames(const struct fixture *f, uint32_t *seen, uint32_t count, bool *in_order)
{
    struct bytes_reader in = bytes_reader_of(bytes_of(f->got[MEMBER_B], f->got_len[MEMBER_B]));
    uint32_t last = 0;
    in.at = sizeof hello - 1;
    *in_order = true;
    while (bytes_reader_left(&in) > 0) {
        struct frame frame;
        CHECK_EQ(frame_decode(&in, &frame), 0);
        uint32_t number = bytes_load_u32(frame.body.data);
        CHECK(number < count);
        seen[number]++;
        if (number < last) *in_order = false;
        last = number;
    }
}

#define FRAMES 400u

static void frames_under(const struct sim_frame_odds *odds, uint8_t type, uint32_t *missing,
                         uint32_t *repeated, bool *in_order)
{
    struct fixture f;
    uint32_t seen[FRAMES] = { 0 };
    setup(&f, 9, 100);
    sim_net_set_odds(f.net, odds);
    open_peers(&f);
    for (uint32_t i = 0; i < FRAMES; i++) send_frame(&f, type, i);
    run(&f);
    count_frames(&f, seen, FRAMES, in_order);
    *missing = *repeated = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        *missing += seen[i] == 0;
        *repeated += seen[i] > 1;
    }
    teardown(&f);
}

TEST(sim_net, frames_meet_their_fates)
{
    uint32_t missing, repeated;
    bool in_order;
    struct sim_frame_odds none = { 0 }, lose = { .lose = 200000 };
    struct sim_frame_odds late = { .delay = 300000, .delay_us_max = 5000 };
    struct sim_frame_odds twice = { .duplicate = 300000, .delay_us_max = 5000 };
    struct sim_frame_odds again = { .replay = 300000 };
    frames_under(&none, NODE_FRAME_RAFT, &missing, &repeated, &in_order);
    CHECK(missing == 0 && repeated == 0 && in_order);
    frames_under(&lose, NODE_FRAME_RAFT, &missing, &repeated, &in_order);
    CHECK(missing > 40 && missing < 160 && repeated == 0 && in_order);
    frames_under(&late, NODE_FRAME_RAFT, &missing, &repeated, &in_order);
    CHECK(missing == 0 && repeated == 0 && !in_order);
    frames_under(&twice, NODE_FRAME_RAFT, &missing, &repeated, &in_order);
    CHECK(missing == 0 && repeated > 40);
    frames_under(&again, NODE_FRAME_RAFT, &missing, &repeated, &in_order);
    CHECK(missing == 0 && repeated > 10);
    /* What lives on a stream without repetitions is not repeated. */
    frames_under(&twice, NODE_FRAME_GATE, &missing, &repeated, &in_order);
    CHECK(missing == 0 && repeated == 0);
}

TEST(sim_net, a_dropped_owner_is_heard_of)
{
    struct fixture f;
    setup(&f, 5, 0);
    dial(&f, CLIENT, MEMBER_A);
    send_pattern(&f, f.accepted, 0, 100);
    sim_net_drop_owner(f.net, MEMBER_A, true);
    run(&f);
    CHECK(f.closed[CLIENT] == 1 && f.closed[MEMBER_A] == 0 && f.got_len[CLIENT] == 0);
    teardown(&f);
}

TEST(sim_events, come_by_time_then_by_sequence)
{
    struct sim_events q;
    struct sim_event ev;
    uint64_t last_time = 0, last_a = 0;
    sim_events_init(&q);
    for (uint64_t i = 0; i < 1000; i++) {
        sim_events_push(&q, i * 7919 % 50, SIM_EVENT_FAULT, SIM_NOBODY, i, 0);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK(sim_events_pop(&q, &ev));
        CHECK(ev.time_us > last_time || (ev.time_us == last_time && (i == 0 || ev.a > last_a)));
        last_time = ev.time_us;
        last_a = ev.a;
    }
    CHECK(!sim_events_pop(&q, &ev));
    sim_events_push(&q, 1, SIM_EVENT_FAULT, SIM_NOBODY, 0, 0); /* in the past: now */
    CHECK(sim_events_pop(&q, &ev) && ev.time_us == last_time);
    sim_events_fini(&q);
}
