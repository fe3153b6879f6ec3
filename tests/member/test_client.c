/* Clients: requests become calls of the node, answers become HTTP. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/member/rig.h"

static struct rig r;

#define GET_K "GET /k HTTP/1.1\r\nHost: a\r\n\r\n"
#define PUT_K "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nvalue"

static void answer(uint64_t token, int status, const char *value)
{
    fake_answer(rig_node(&r), token, status, value);
    rig_turn(&r);
}

TEST(client, requests_reach_the_node)
{
    struct buf command;
    rig_start(&r, 0);
    buf_init(&command, &r.own.face, 1000);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, PUT_K);
    CHECK_EQ(rig_newest(&r)->kind, FAKE_TXN);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str("k"), bytes_of_str("value")), 0);
    CHECK(bytes_equal(buf_bytes(&command), bytes_of(rig_newest(&r)->bytes, rig_newest(&r)->len)));
    CHECK((rig_newest(&r)->token & MEMBER_TOKEN_LOCAL) == 0);
    CHECK(rig_said(&r, conn)[0] == 0);
    answer(rig_newest(&r)->token, 0, NULL);
    CHECK(rig_says(&r, conn, 204, "\r\n\r\n"));

    rig_text(&r, conn, "DELETE /k HTTP/1.1\r\nHost: a\r\n\r\n");
    buf_clear(&command);
    CHECK_EQ(kv_cmd_encode_delete(&command, bytes_of_str("k")), 0);
    CHECK(bytes_equal(buf_bytes(&command), bytes_of(rig_newest(&r)->bytes, rig_newest(&r)->len)));
    answer(rig_newest(&r)->token, 0, NULL);
    CHECK(rig_says(&r, conn, 204, ""));

    rig_text(&r, conn, "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(rig_newest(&r)->kind == FAKE_READ && rig_newest(&r)->len == 3 && memcmp(rig_newest(&r)->bytes, "a/b", 3) == 0);
    answer(rig_newest(&r)->token, 0, "bytes");
    const char *read = rig_said(&r, conn);
    CHECK(strncmp(read, "HTTP/1.1 200 ", 13) == 0 && strstr(read, "\r\n\r\nbytes"));
    CHECK(strstr(read, "Content-Type: application/octet-stream\r\n"));

    rig_text(&r, conn, "HEAD /k HTTP/1.1\r\nHost: a\r\n\r\n");
    answer(rig_newest(&r)->token, 0, "bytes");
    const char *head = rig_said(&r, conn);
    CHECK(strstr(head, "Content-Length: 5\r\n") && !strstr(head, "bytes\r") &&
          head[strlen(head) - 1] == '\n');

    rig_text(&r, conn, "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\nhttp://four:42379");
    CHECK(rig_newest(&r)->kind == FAKE_CHANGE && rig_newest(&r)->change == ENTRY_CHANGE_ADD &&
          rig_newest(&r)->member_id == 4);
    CHECK(memcmp(rig_newest(&r)->bytes, "http://four:42379", 17) == 0);
    answer(rig_newest(&r)->token, MS_EEXIST, NULL);
    CHECK(rig_says(&r, conn, 204, ""));
    rig_text(&r, conn, "DELETE /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(rig_newest(&r)->change == ENTRY_CHANGE_REMOVE && rig_newest(&r)->member_id == 4);
    answer(rig_newest(&r)->token, 0, NULL);
    rig_text(&r, conn, "DELETE /4?force HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(rig_newest(&r)->change, ENTRY_CHANGE_REMOVE_FORCED);
    answer(rig_newest(&r)->token, 0, NULL);
    CHECK_EQ(r.conn_count, 1);
    buf_fini(&command);
    rig_end(&r);
}

/* SPEC 3: the status says what became of a write; a read is never 504. refused: at once, by the return.
 */
TEST(client, errors_become_statuses)
{
    static const struct {
        const char *request;
        int code, status;
        bool refused_too;
        const char *text;
    } cases[] = {
        { PUT_K, MS_EBUSY, 503, true, "Retry-After: 1\r\n" },
        { PUT_K, MS_ENOLEADER, 503, true, "Retry-After: 1\r\n" },
        { PUT_K, MS_ENOTREADY, 503, true, "Retry-After: 1\r\n" },
        { PUT_K, MS_ESTOPPED, 503, true, "ask another" },
        { PUT_K, MS_ENOMEM, 503, true, "Retry-After: 1\r\n" },
        { PUT_K, MS_EUNKNOWN, 504, false, "Metastore-Outcome: unknown\r\n" },
        { PUT_K, MS_ETIMEOUT, 504, false, "Metastore-Outcome: unknown\r\n" },
        { PUT_K, MS_ETOOBIG, 413, true, "larger than" },
        { PUT_K, MS_ENOSPC, 507, false, "space" },
        { PUT_K, MS_EINVAL, 400, true, "" },
        { GET_K, MS_ENOTFOUND, 404, false, "no such key" },
        { GET_K, MS_EUNKNOWN, 503, false, "Retry-After: 1\r\n" },
        { GET_K, MS_ETIMEOUT, 503, false, "Retry-After: 1\r\n" },
        { GET_K, MS_ENOLEADER, 503, true, "Retry-After: 1\r\n" },
        { "DELETE /7 HTTP/1.1\r\nHost: a\r\n\r\n", MS_ENOTFOUND, 404, false, "the members are 1 2" },
        { "DELETE /7 HTTP/1.1\r\nHost: a\r\n\r\n", MS_ECONFLICT, 409, false, "" },
        { "DELETE /7 HTTP/1.1\r\nHost: a\r\n\r\n", MS_ENOQUORUM, 409, false, "quorum" },
        { "DELETE /7 HTTP/1.1\r\nHost: a\r\n\r\n", MS_ETIMEOUT, 504, false, "unknown" },
    };
    rig_start(&r, 0);
    struct node *n = rig_node(&r);
    n->status.config.member_count = 2;
    n->status.config.members[0].id = 1;
    n->status.config.members[1].id = 2;
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rig_text(&r, conn, cases[i].request);
        answer(rig_newest(&r)->token, cases[i].code, NULL);
        CHECK(rig_says(&r, conn, cases[i].status, cases[i].text));
        if (!cases[i].refused_too) continue;
        n->refuse = cases[i].code;
        rig_text(&r, conn, cases[i].request);
        n->refuse = 0;
        CHECK(rig_says(&r, conn, cases[i].status, cases[i].text));
    }
    rig_text(&r, conn, PUT_K);
    struct node_answer told = { .token = rig_newest(&r)->token, .status = MS_ENOLEADER, .text = "told why" };
    n->host.answer(n->host.ctx, &told);
    rig_turn(&r);
    CHECK(rig_says(&r, conn, 503, "told why\n"));
    rig_text(&r, conn, "POST /k HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    CHECK(rig_says(&r, conn, 405, "Allow: "));
    rig_text(&r, conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(rig_says(&r, conn, 200, "MetaStore"));
    rig_end(&r);
}

TEST(client, status_is_json_for_people)
{
    rig_start(&r, 1);
    rig_link_up(&r, 2);
    struct node_status *s = &rig_node(&r)->status;
    *s = (struct node_status){ .id = 1,
                               .term = 3,
                               .leader = 2,
                               .role = RAFT_FOLLOWER,
                               .revision = 9,
                               .storage = NODE_STORAGE_ROCKSDB,
                               .abstains = true,
                               .abstain_reason = "a \"quoted\" reason",
                               .disk_stalled = true,
                               .stall_transfers = 4,
                               .disk_full = true,
                               .disk_free_bytes = 17,
                               .config.member_count = 3 };
    for (uint32_t i = 0; i < 3; i++) {
        struct config_member *m = &s->config.members[i];
        m->id = i + 1;
        m->roles = i == 2 ? CONFIG_LEARNER | CONFIG_PROMOTE : CONFIG_VOTER;
        snprintf(m->url, sizeof m->url, "http://h:%u", i);
    }
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *said = rig_said(&r, conn);
    static const char *const parts[] = {
        "Content-Type: application/json\r\n",
        "\n  \"id\": 1,\n",
        "\"role\": \"follower\",\n",
        "\"term\": 3,\n",
        "\"leader\": 2,\n",
        "\"storage\": \"rocksdb\",\n",
        "\"revision\": 9,\n",
        "\"cluster\": null,\n",
        "\"abstains\": true,\n",
        "\"abstain_reason\": \"a \\\"quoted\\\" reason\",\n",
        "\"transfer_target\": null,\n",
        "\"disk_stalled\": true,\n",
        "\"stall_transfers\": 4,\n",
        "\"disk_full\": true,\n",
        "\"disk_free_bytes\": 17,\n",
        "\"quorum_full\": false,\n",
        "\"space_transfers\": 0,\n",
        "\"lease_reads\": false,\n",
        "\"lease_ms\": 0,\n",
        "\"lease_held\": false,\n",
        "\n  \"members\": [\n    {\"id\": 1, \"url\": \"http://h:0\", \"role\": \"voter\", ",
        "\"link\": \"self\"},\n",
        "{\"id\": 2, \"url\": \"http://h:1\", \"role\": \"voter\", \"link\": \"up\"},\n",
        "{\"id\": 3, \"url\": \"http://h:2\", \"role\": \"learner\", \"link\": \"down\"}\n  ]\n}\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(said, parts[i])) fprintf(stderr, "missing %s in %s\n", parts[i], said);
        CHECK(strstr(said, parts[i]));
    }
    s->learner = true;
    s->leader = 0;
    s->transfer_target = 3;
    s->disk_free_bytes = UINT64_MAX; /* not looked at yet */
    s->lease_ms = 900;
    s->lease_held = true;
    rig_text(&r, conn, "GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    said = rig_said(&r, conn);
    CHECK(strstr(said, "\"role\": \"learner\"") && strstr(said, "\"leader\": null,"));
    CHECK(strstr(said, "\"transfer_target\": 3,\n") && strstr(said, "\"lease_reads\": true,\n"));
    CHECK(strstr(said, "\"disk_free_bytes\": null,\n"));
    CHECK(strstr(said, "\"lease_ms\": 900,\n") && strstr(said, "\"lease_held\": true,\n"));
    rig_end(&r);
}

/* L1, L2: in order, one at a time, and a turn's answers in one send. */
TEST(client, pipelined_requests_are_answered_in_order)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn,
             "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /9/ HTTP/1.1\r\nHost: a\r\n\r\n" PUT_K
             "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(rig_node(&r)->request_count, 1);
    answer(rig_newest(&r)->token, 0, "first");
    CHECK_EQ(rig_node(&r)->request_count, 2);
    answer(rig_newest(&r)->token, 0, "second");
    CHECK_EQ(rig_node(&r)->request_count, 3);
    CHECK_EQ(rig_conn(&r, conn)->sends, 2);
    CHECK_EQ(rig_newest(&r)->kind, FAKE_TXN);
    answer(rig_newest(&r)->token, 0, NULL); /* the 404 behind it is answered in the same turn */
    CHECK_EQ(rig_conn(&r, conn)->sends, 3);
    answer(rig_newest(&r)->token, MS_ENOTFOUND, NULL);
    const char *said = rig_said(&r, conn);
    const char *one = strstr(said, "first"), *two = strstr(said, "second"),
               *three = strstr(said, " 204 ");
    CHECK(one && two && three && one < two && two < three && strstr(three, "no such key"));
    rig_end(&r);
}

static uint64_t flush_token;

static void answer_in_flush(struct node *n)
{
    if (flush_token == 0) return;
    uint64_t token = flush_token;
    flush_token = 0;
    fake_answer(n, token, 0, "v");
}

/* An answer that comes from node_flush() leaves in that turn, and the next request begins in it. */
TEST(client, answers_of_a_flush_leave_in_its_turn)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, GET_K GET_K);
    rig_node(&r)->on_flush = answer_in_flush;
    flush_token = rig_newest(&r)->token;
    uint32_t flushes = rig_node(&r)->flush_count;
    rig_turn(&r);
    CHECK(rig_says(&r, conn, 200, "v"));
    CHECK_EQ(rig_node(&r)->request_count, 2);
    CHECK_EQ(rig_node(&r)->flush_count, flushes + 2); /* the second request does not wait for a turn */
    rig_end(&r);
}

/* M6. */
TEST(client, an_answer_for_a_client_that_left_finds_nobody)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, PUT_K);
    uint64_t token = rig_newest(&r)->token;
    rig_closed(&r, conn);
    uint64_t next = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    answer(token, 0, NULL);
    rig_text(&r, next, GET_K);
    CHECK(rig_newest(&r)->token != token);
    answer(token, 0, "wrong");
    CHECK(rig_said(&r, next)[0] == 0);
    answer(rig_newest(&r)->token, 0, "right");
    CHECK(rig_says(&r, next, 200, "right"));
    rig_end(&r);
}

TEST(client, more_than_clients_max_are_told_to_come_again)
{
    rig_template(0);
    rig_init(&r);
    r.opts.clients_max = 3;
    CHECK_EQ(rig_create(&r), 0);
    uint64_t conns[3];
    for (int i = 0; i < 3; i++) conns[i] = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    uint64_t over = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    CHECK(!rig_conn(&r, over)->open && rig_conn(&r, over)->flushed);
    CHECK(rig_says(&r, over, 503, "Retry-After: 1\r\n"));
    rig_closed(&r, conns[1]);
    uint64_t fits = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    CHECK(rig_conn(&r, fits)->open);
    rig_end(&r);
}

/* L3: a client that does not read is not read from, and is cut off when nothing leaves at all. */
TEST(client, who_does_not_read_is_not_read_from)
{
    enum { LEN = 100000, TIMES = 5 };
    static char value[LEN + 1];
    rig_start(&r, 0);
    memset(value, 'v', LEN);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    struct rig_conn *c = rig_conn(&r, conn);
    rig_text(&r, conn, GET_K GET_K GET_K GET_K GET_K GET_K);
    for (int i = 0; i < TIMES && !c->paused; i++) {
        c->queued += LEN; /* nothing leaves */
        answer(rig_newest(&r)->token, 0, value);
    }
    CHECK(c->paused && c->queued > CLIENT_PAUSE_BYTES);
    uint32_t begun = rig_node(&r)->request_count;
    answer(rig_newest(&r)->token, 0, "v");
    CHECK(begun < 6 && rig_node(&r)->request_count == begun);
    rig_advance(&r, r.opts.client_idle_ms_max - 1);
    c->queued -= CLIENT_PROGRESS_BYTES; /* some left: it is alive */
    rig_advance(&r, 2);
    CHECK(c->open);
    c->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_turn(&r);
    CHECK(!c->paused && rig_node(&r)->request_count == begun + 1);
    c->queued = CLIENT_PAUSE_BYTES + 1;
    answer(rig_newest(&r)->token, 0, value);
    rig_advance(&r, r.opts.client_idle_ms_max + 1);
    CHECK(!c->open && !c->flushed);
    rig_end(&r);
}

/* It has said to close, and its answer did not fit: it ends, and is gone, when what waits has left. */
TEST(client, who_wants_to_close_ends_when_all_has_left)
{
    enum { LEN = CLIENT_PAUSE_BYTES + 1 };
    static char value[LEN + 1];
    memset(value, 'v', LEN);
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, "GET /k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    rig_conn(&r, conn)->queued = LEN; /* nothing leaves */
    answer(rig_newest(&r)->token, 0, value);
    CHECK(rig_conn(&r, conn)->open);
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    CHECK(!rig_conn(&r, conn)->open && rig_conn(&r, conn)->flushed);
    rig_end(&r);
}

/* The host waits a moment only for what is closed: a slow client has the time of one that goes on. */
TEST(client, a_last_answer_may_be_taken_slowly)
{
    enum { LEN = 4 * CLIENT_PROGRESS_BYTES };
    static char value[LEN + 1];
    memset(value, 'v', LEN);
    rig_start(&r, 0);
    for (int taken = 0; taken < 2; taken++) {
        uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
        struct rig_conn *c = rig_conn(&r, conn);
        rig_text(&r, conn, "GET /k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        c->queued = LEN; /* nothing leaves */
        answer(rig_newest(&r)->token, 0, value);
        rig_advance(&r, r.opts.client_idle_ms_max - 1);
        CHECK(c->open);
        c->queued -= CLIENT_PROGRESS_BYTES;
        rig_advance(&r, 2);
        CHECK(c->open);
        rig_text(&r, conn, GET_K); /* is not heard any more */
        if (taken) {
            c->queued = 0;
            member_on_writable(r.m, r.now, conn);
        } else {
            rig_advance(&r, r.opts.client_idle_ms_max);
        }
        CHECK(!c->open && c->flushed == taken);
    }
    CHECK_EQ(rig_node(&r)->request_count, 2);
    rig_end(&r);
}

TEST(client, a_queue_over_its_limit_is_cut_off)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, GET_K);
    rig_conn(&r, conn)->queued = (size_t)r.opts.client_queue_bytes_max + 1;
    answer(rig_newest(&r)->token, 0, "v");
    CHECK(!rig_conn(&r, conn)->open && !rig_conn(&r, conn)->flushed);
    rig_end(&r);
}

/* What waited before it counts: that one answer is larger is not the client's doing. */
TEST(client, an_answer_above_the_limit_of_a_queue_is_given)
{
    enum { LEN = 1 << 20 };
    static char value[LEN + 1];
    memset(value, 'v', LEN);
    rig_init(&r);
    r.opts.client_queue_bytes_max = LEN;
    rig_template(0);
    CHECK_EQ(rig_create(&r), 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    struct rig_conn *c = rig_conn(&r, conn);
    c->clogged = true;
    rig_text(&r, conn, GET_K);
    answer(rig_newest(&r)->token, 0, value);
    CHECK(c->open && c->queued > LEN);
    rig_turn(&r);
    CHECK(c->open);
    c->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_text(&r, conn, GET_K); /* it has read it, and goes on */
    answer(rig_newest(&r)->token, 0, value);
    CHECK(c->open && c->queued > LEN);
    rig_end(&r);
}

/* Requests that are answered at once do not pile up in memory either. */
TEST(client, a_flood_of_cheap_requests_is_taken_in_pieces)
{
    static char flood[60000];
    const char *one = "GET /status HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t len = 0, count = 0;
    rig_start(&r, 0);
    while (len + strlen(one) < sizeof flood) {
        memcpy(flood + len, one, strlen(one));
        len += strlen(one);
        count++;
    }
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    struct rig_conn *c = rig_conn(&r, conn);
    rig_bytes(&r, conn, flood, len);
    CHECK(c->sends == 1 && c->sent.len < CLIENT_PAUSE_BYTES + 4096);
    CHECK_EQ(member_deadline_ms(r.m), r.now);
    rig_advance(&r, 0);
    size_t answers = 0;
    for (const char *at = rig_said(&r, conn); (at = strstr(at, "HTTP/1.1 200 OK")); at++) answers++;
    CHECK_EQ(answers, count);
    rig_end(&r);
}

/* L4. */
TEST(client, only_the_middle_of_a_request_is_timed)
{
    rig_start(&r, 0);
    uint32_t idle = r.opts.client_idle_ms_max;
    uint64_t quiet = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             slow = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    uint64_t waits = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             dead = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, waits, PUT_K);
    static char piece[CLIENT_PROGRESS_BYTES + 1];
    char head[128];
    memset(piece, 'v', CLIENT_PROGRESS_BYTES);
    snprintf(head, sizeof head, "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\nva",
             CLIENT_PROGRESS_BYTES + 4);
    rig_text(&r, slow, head);
    rig_text(&r, dead, "GET /");
    rig_advance(&r, idle - 1);
    rig_text(&r, dead, "k"); /* a byte now and then is not enough */
    rig_text(&r, slow, piece);
    rig_advance(&r, 1);
    CHECK(!rig_conn(&r, dead)->open && rig_conn(&r, dead)->flushed);
    CHECK(rig_says(&r, dead, 408, "Connection: close\r\n"));
    CHECK(rig_conn(&r, slow)->open);
    rig_advance(&r, idle - 2);
    rig_text(&r, slow, "ue");
    CHECK_EQ(rig_node(&r)->request_count, 2);
    rig_advance(&r, 10 * idle);
    CHECK(rig_conn(&r, quiet)->open && rig_conn(&r, slow)->open && rig_conn(&r, waits)->open);
    CHECK_EQ(member_deadline_ms(r.m), MS_TIME_NEVER);
    rig_end(&r);
}

/* L4: who finishes requests is not timed by the first of them. */
TEST(client, requests_that_overlap_are_each_timed)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 5; i++) {
        rig_advance(&r, r.opts.client_idle_ms_max - 1);
        rig_text(&r, conn, "Host: a\r\n\r\nGET / HTTP/1.1\r\n");
        CHECK(rig_says(&r, conn, 200, "MetaStore"));
    }
    rig_advance(&r, r.opts.client_idle_ms_max);
    CHECK(rig_says(&r, conn, 408, "Connection: close\r\n"));
    rig_end(&r);
}

/* L9: of pipelined requests so many are carried out at once, and then those of others. */
TEST(client, one_that_asks_much_leaves_others_their_turn)
{
    enum { COUNT = 200 };
    static char many[COUNT * 40];
    rig_start(&r, 0);
    uint64_t noisy = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             other = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    many[0] = 0;
    for (int i = 0; i < COUNT; i++) strcat(many, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    member_on_bytes(r.m, r.now, noisy, bytes_of_str(many));
    size_t done = (size_t)r.m->measure.requests[MEASURE_PAGE].took.count;
    CHECK_EQ(done, CLIENT_REQUESTS_PER_ROUND_MAX);
    member_on_bytes(r.m, r.now, other, bytes_of_str("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(r.m->measure.requests[MEASURE_PAGE].took.count, done + 1);
    for (int turn = 0;
         turn < COUNT / (int)CLIENT_REQUESTS_PER_ROUND_MAX && member_deadline_ms(r.m) <= r.now; turn++)
        rig_turn(&r);
    CHECK_EQ(r.m->measure.requests[MEASURE_PAGE].took.count, COUNT + 1);
    CHECK(member_deadline_ms(r.m) > r.now);
    rig_end(&r);
}

/* L9: together they are bounded; who holds little is left alone. */
TEST(client, who_holds_much_is_cut_when_all_hold_too_much)
{
    enum { LEN = 100000, CLIENTS = 30 };
    static char piece[LEN + 1];
    uint64_t conns[CLIENTS], before;
    uint32_t open = 0;
    rig_init(&r);
    rig_template(0);
    r.opts.clients_bytes_max = 10 * LEN;
    CHECK_EQ(rig_create(&r), 0);
    rig_turn(&r);
    uint64_t small = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, small, "GET / HTTP/1.1\r\n");
    memset(piece, 'v', LEN);
    for (int i = 0; i < CLIENTS; i++) {
        conns[i] = rig_accept(&r, MEMBER_LISTENER_CLIENT);
        rig_text(&r, conns[i], "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
        rig_text(&r, conns[i], piece);
        CHECK(r.m->clients_bytes <= 10 * LEN + CLIENTS * CLIENT_SMALL_BYTES);
    }
    for (int i = 0; i < CLIENTS; i++) open += rig_conn(&r, conns[i])->open;
    CHECK(open >= 5 && open <= 10);
    CHECK(rig_says(&r, conns[CLIENTS - 1], 503, "too many bytes"));
    rig_text(&r, small, "Host: a\r\n\r\n");
    CHECK(rig_says(&r, small, 200, "MetaStore"));
    before = r.m->clients_bytes;
    for (int i = 0; i < CLIENTS; i++) {
        if (rig_conn(&r, conns[i])->open) rig_closed(&r, conns[i]);
    }
    CHECK(before > 5 * LEN && r.m->clients_bytes < LEN);
    rig_end(&r);
}

/* A client that says that it sends no more reads all its answers; then the connection is closed. */
TEST(client, who_sends_no_more_is_answered_first)
{
    rig_start(&r, 1);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT),
             idle = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    uint64_t half = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, GET_K PUT_K);
    member_on_ended(r.m, r.now, conn);
    rig_turn(&r);
    CHECK(rig_conn(&r, conn)->open);
    answer(rig_newest(&r)->token, 0, "one");
    CHECK(rig_conn(&r, conn)->open && rig_says(&r, conn, 200, "one"));
    answer(rig_newest(&r)->token, 0, NULL);
    CHECK(!rig_conn(&r, conn)->open && rig_conn(&r, conn)->flushed && rig_says(&r, conn, 204, ""));
    rig_text(&r, half, "GET /k");
    member_on_ended(r.m, r.now, half);
    member_on_ended(r.m, r.now, idle);
    CHECK(!rig_conn(&r, idle)->open && !rig_conn(&r, half)->open && rig_said(&r, half)[0] == 0);
    uint64_t peer = rig_peer(&r, 2);
    member_on_ended(r.m, r.now, peer);
    CHECK(!rig_conn(&r, peer)->open);
    rig_end(&r);
}

TEST(client, close_is_honoured_and_nothing_is_read_behind_it)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, conn, "GET /k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET_K);
    answer(rig_newest(&r)->token, 0, "v");
    CHECK(rig_says(&r, conn, 200, "Connection: close\r\n"));
    CHECK_EQ(rig_node(&r)->request_count, 1);
    CHECK(!rig_conn(&r, conn)->open && rig_conn(&r, conn)->flushed);
    uint64_t bad = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(&r, bad, "nonsense\r\n\r\n");
    CHECK(rig_says(&r, bad, 400, ""));
    CHECK(!rig_conn(&r, bad)->open);
    rig_end(&r);
}
