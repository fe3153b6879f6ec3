/* The life of a member: starting, stopping, being removed, memory that is refused. */
#include <stdio.h>

#include "base/ms_err.h"
#include "tests/member/rig.h"

static struct rig r;

#define PUT_K "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nvalue"
#define GET_K "GET /k HTTP/1.1\r\nHost: a\r\n\r\n"

static uint64_t newest_token(void)
{
    struct node *n = rig_node(&r);
    return n->requests[n->request_count - 1].token;
}

TEST(life, requests_of_the_process_have_tokens_of_their_own)
{
    rig_start(&r, 0);
    uint64_t token = MEMBER_TOKEN_LOCAL | 77;
    CHECK_EQ(member_read(r.m, r.now, token, bytes_of_str("k")), 0);
    CHECK_EQ(newest_token(), token);
    fake_answer(rig_node(&r), token, 0, "v");
    CHECK(r.local_answers == 1 && r.local_token == token);
    CHECK_EQ(member_propose_txn(r.m, r.now, token, bytes_of_str("c")), 0);
    CHECK_EQ(member_change(r.m, r.now, token, ENTRY_CHANGE_REMOVE, 3, NULL), 0);
    struct config wanted = { .member_count = 1, .members[0] = { .id = 5, .roles = CONFIG_VOTER } };
    CHECK_EQ(member_change_set(r.m, r.now, token, &wanted, false), MS_ENOTFOUND); /* no URL */
    snprintf(wanted.members[0].url, sizeof wanted.members[0].url, "http://h:5");
    CHECK_EQ(member_change_set(r.m, r.now, token, &wanted, false), 0);
    CHECK_EQ(member_transfer(r.m, r.now, token, 0), 0);
    CHECK_EQ(member_set_lease(r.m, r.now, token, true), 0);
    rig_end(&r);
}

TEST(life, shutting_down_finishes_what_was_accepted)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    uint64_t peer = rig_peer(&r, 2), link = rig_dial_of(&r, 2);
    uint64_t busy = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             idle = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    uint64_t half = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, busy, PUT_K GET_K);
    rig_text(&r, half, "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nva");
    rig_node(&r)->quiet = false;
    member_shutdown(r.m, r.now);
    rig_turn(&r);
    CHECK(rig_node(&r)->shutting_down && !r.stopped);
    CHECK(rig_conn(&r, idle)->open && rig_conn(&r, half)->open && rig_conn(&r, busy)->open);
    /* What comes now is answered: it was not applied, and the connection ends. */
    rig_text(&r, idle, PUT_K);
    const char *refused = rig_said(&r, idle);
    CHECK(strstr(refused, "HTTP/1.1 503 ") && strstr(refused, "Retry-After: 1\r\n"));
    CHECK(strstr(refused, "Connection: close\r\n") && strstr(refused, "ask another one"));
    CHECK(!rig_conn(&r, idle)->open && rig_conn(&r, idle)->flushed);
    rig_text(&r, half, "lue");
    CHECK(strstr(rig_said(&r, half), "HTTP/1.1 503 ") && !rig_conn(&r, half)->open);
    CHECK(rig_conn(&r, link)->open && rig_conn(&r, peer)->open); /* a write needs its quorum */
    uint64_t late = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    CHECK(!rig_conn(&r, late)->open && strstr(rig_said(&r, late), "HTTP/1.1 503 "));
    fake_answer(rig_node(&r), newest_token(), 0, NULL);
    rig_turn(&r);
    const char *said = rig_said(&r, busy);
    CHECK(strstr(said, "HTTP/1.1 204 ") && strstr(said, "Connection: close\r\n"));
    CHECK(!rig_conn(&r, busy)->open && rig_conn(&r, busy)->flushed && !r.stopped);
    rig_node(&r)->quiet = true;
    rig_turn(&r);
    CHECK(r.stopped && r.stop_status == 0); /* no client is left: nobody needs time */
    CHECK(!rig_conn(&r, link)->open && !rig_conn(&r, peer)->open);
    CHECK_EQ(member_deadline_ms(r.m), MS_TIME_NEVER);
    CHECK_EQ(member_read(r.m, r.now, MEMBER_TOKEN_LOCAL, bytes_of_str("k")), MS_ESTOPPED);
    rig_accept(&r, MEMBER_LISTENER_CLIENT); /* inputs that come too late mean nothing */
    member_on_tick(r.m, r.now);
    rig_end(&r);
}

/* A keep-alive connection gets a little time: a request may be on its way. Then it is closed unasked.
 */
TEST(life, shutting_down_waits_a_little_for_idle_clients)
{
    rig_start(&r, 0);
    uint64_t idle = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             half = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, half, "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nva");
    rig_node(&r)->quiet = true;
    member_shutdown(r.m, r.now);
    rig_turn(&r);
    CHECK_EQ(member_deadline_ms(r.m), r.now + MEMBER_GRACE_MS);
    rig_advance(&r, MEMBER_GRACE_MS - 1);
    CHECK(!r.stopped && rig_conn(&r, idle)->open);
    rig_advance(&r, 1);
    CHECK(r.stopped && !rig_conn(&r, idle)->open && rig_said(&r, idle)[0] == 0);
    CHECK(strstr(rig_said(&r, half), "HTTP/1.1 503 ") && !rig_conn(&r, half)->open);
    rig_end(&r);
}

/* Past that, a member that is not quiet yet waits for its node, not for the clock. */
TEST(life, shutting_down_does_not_spin)
{
    rig_start(&r, 0);
    rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_node(&r)->quiet = false;
    member_shutdown(r.m, r.now);
    rig_advance(&r, MEMBER_GRACE_MS);
    CHECK(!r.stopped && member_deadline_ms(r.m) > r.now);
    rig_end(&r);
}

TEST(life, shutting_down_is_bounded)
{
    rig_start(&r, 0);
    uint64_t write = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             read = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             lease = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             leases = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, write, PUT_K);
    rig_text(&r, read, GET_K);
    rig_request(&r, lease, "GET /_/leases/7", "", "");
    rig_request(&r, leases, "GET /_/leases", "", "");
    member_shutdown(r.m, r.now);
    rig_advance(&r, r.opts.node.request_ms_max - 1);
    CHECK(!r.stopped);
    rig_advance(&r, 1);
    CHECK(r.stopped && r.stop_status == 0);
    CHECK(strstr(rig_said(&r, write), "HTTP/1.1 504 ")); /* it may yet be applied */
    CHECK(strstr(rig_said(&r, read), "HTTP/1.1 503 "));
    CHECK(rig_says(&r, lease, 503, "this member is stopping") && rig_says(&r, leases, 503, "this member is stopping"));
    rig_end(&r);
}

TEST(life, a_node_that_stops_takes_the_member_with_it)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    uint64_t answered = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, answered, PUT_K);
    struct node *n = rig_node(&r);
    fake_answer(n, newest_token(), 0, NULL);
    n->host.stop(n->host.ctx, 0, "removed");
    n->host.stop(n->host.ctx, MS_EIO, "a later reason");
    CHECK(!r.stopped); /* not from inside the callback */
    rig_turn(&r);
    CHECK(r.stopped && r.stop_status == 0 && strcmp(r.stop_reason, "removed") == 0);
    CHECK(strstr(rig_said(&r, answered), "HTTP/1.1 204 "));
    CHECK(!rig_conn(&r, answered)->open && rig_conn(&r, answered)->flushed);
    rig_end(&r);
}

TEST(life, a_member_that_cannot_start_leaves_nothing)
{
    rig_template(1);
    rig_init(&r);
    fake_create_status = MS_EFOREIGN;
    CHECK_EQ(rig_create(&r), MS_EFOREIGN);
    CHECK(r.m == NULL);
    rig_end(&r);
}

/* One story with a bit of everything; it has to survive any refusal of memory. */
static void story(void)
{
    uint64_t client = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    uint64_t link = rig_dial_of(&r, 2);
    uint8_t header[FRAME_HEADER_BYTES];
    struct node *n = rig_node(&r);
    struct buf hello;
    if (rig_conn(&r, client)->open)
        rig_text(&r, client, PUT_K GET_K "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    for (uint32_t i = 0; i < 2 && n->request_count > i; i++) {
        fake_answer(n, n->requests[i].token, 0, "value");
        rig_turn(&r);
    }
    if (link && rig_conn(&r, link)->open) {
        member_on_dialed(r.m, r.now, link, 0);
        rig_turn(&r);
        if (rig_conn(&r, link)->open) rig_answer_hello(&r, link, 2);
        n->host.send(n->host.ctx, 2, 1, bytes_of_str("frame"));
        rig_turn(&r);
    }
    buf_init(&hello, &r.own.face, 4096);
    rig_hello(&hello, 2, 1);
    frame_header(header, 1, bytes_of_str("heard"));
    buf_append(&hello, header, sizeof header);
    uint64_t peer = rig_accept(&r, MEMBER_LISTENER_PEER);
    if (rig_conn(&r, peer)->open) rig_bytes(&r, peer, hello.data, hello.len);
    if (rig_conn(&r, peer)->open) rig_text(&r, peer, "heard");
    buf_fini(&hello);
    rig_advance(&r, 100);
    member_shutdown(r.m, r.now);
    rig_advance(&r, r.opts.node.request_ms_max);
    CHECK(r.stopped);
}

TEST(life, any_allocation_may_fail)
{
    bool whole = false;
    uint64_t refuse = 1;
    for (; !whole; refuse++) {
        CHECK(refuse < 500);
        rig_template(1);
        rig_init(&r);
        r.alloc.refuse_at = refuse;
        if (rig_create(&r) == 0) {
            rig_turn(&r);
            story();
        }
        whole = r.alloc.requests < refuse;
        if (whole)
            CHECK(fake_saw(rig_node(&r), "link 2 up") && fake_saw(rig_node(&r), "frame 2 1 heard"));
        rig_end(&r);
    }
    CHECK(refuse > 15);
}
