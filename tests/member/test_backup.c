/* GET /_/snapshot: a backup as an answer in chunks, as fast as its client takes it. */
#include <stdio.h>

#include "tests/member/rig.h"

static struct rig r;
static uint64_t conn;

static void begin(void)
{
    rig_start(&r, 0);
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
}

static void ask(void)
{
    rig_text(&r, conn, "GET /_/snapshot HTTP/1.1\r\nHost: a\r\n\r\n");
}

static uint64_t token(void)
{
    const struct node *n = rig_node(&r);
    CHECK(n->request_count > 0 && n->requests[n->request_count - 1].kind == FAKE_BACKUP);
    return n->requests[n->request_count - 1].token;
}

static void give(int status, const char *chunk, bool last)
{
    struct node *n = rig_node(&r);
    n->host.backup(n->host.ctx, token(), status, bytes_of_str(chunk), last);
    rig_turn(&r);
}

static uint32_t count(const char *what)
{
    char text[64];
    uint32_t sum = 0;
    const struct node *n = rig_node(&r);
    snprintf(text, sizeof text, "%s %llu", what, (unsigned long long)token());
    for (uint32_t i = 0; i < n->event_count; i++) sum += strcmp(n->events[i].text, text) == 0;
    return sum;
}

TEST(backup, chunks_follow_each_other_as_they_leave)
{
    begin();
    ask();
    CHECK(rig_said(&r, conn)[0] == 0); /* nothing is said before there is a chunk */
    give(0, "first", false);
    const char *said = rig_said(&r, conn);
    CHECK(strncmp(said, "HTTP/1.1 200 OK\r\n", 17) == 0 &&
          strstr(said, "Transfer-Encoding: chunked\r\n"));
    CHECK(strstr(said, "\r\n\r\n5\r\nfirst\r\n"));
    CHECK_EQ(count("next"), 1);
    rig_conn(&r, conn)->queued = 1u << 20; /* what was sent has not left */
    give(0, "second", false);
    CHECK(strcmp(rig_said(&r, conn), "6\r\nsecond\r\n") == 0);
    CHECK_EQ(count("next"), 1);
    rig_turn(&r);
    CHECK_EQ(count("next"), 1);
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_turn(&r);
    CHECK_EQ(count("next"), 2);
    give(0, "third", true);
    CHECK(strcmp(rig_said(&r, conn), "5\r\nthird\r\n0\r\n\r\n") == 0);
    CHECK(!rig_conn(&r, conn)->open && count("end") == 0);
    rig_end(&r);
}

TEST(backup, refusals_are_answers)
{
    begin();
    rig_node(&r)->refuse = MS_EBUSY;
    ask();
    const char *said = rig_said(&r, conn);
    CHECK(strncmp(said, "HTTP/1.1 503 ", 13) == 0 && strstr(said, "as many backups"));
    rig_node(&r)->refuse = 0;
    ask();
    give(MS_ENOLEADER, "", false);
    said = rig_said(&r, conn);
    CHECK(strncmp(said, "HTTP/1.1 503 ", 13) == 0 && strstr(said, "no leader"));
    CHECK(rig_conn(&r, conn)->open); /* and the connection serves on */
    ask();
    give(MS_ETIMEOUT, "", false);
    CHECK(strncmp(rig_said(&r, conn), "HTTP/1.1 503 ", 13) == 0);
    rig_text(&r, conn, "HEAD /_/snapshot HTTP/1.1\r\nHost: a\r\n\r\n");
    said = rig_said(&r, conn);
    CHECK(strncmp(said, "HTTP/1.1 405 ", 13) == 0 && strstr(said, "Allow: GET\r\n"));
    rig_end(&r);
}

/* There is no last chunk: a client cannot take what it has for a whole. */
TEST(backup, what_breaks_in_its_middle_closes)
{
    begin();
    ask();
    give(0, "first", false);
    rig_said(&r, conn);
    give(MS_ENOMEM, "", false);
    CHECK(rig_said(&r, conn)[0] == 0);
    CHECK(!rig_conn(&r, conn)->open);
    rig_end(&r);
}

/* It holds a view. */
TEST(backup, what_cannot_begin_for_lack_of_memory_is_not_kept_open)
{
    bool told = false;
    uint32_t refused = 1, answered = 0;
    begin();
    for (; !told; refused++) { /* ends: nothing is refused any more */
        ask();
        rig_said(&r, conn);
        r.alloc.refuse_at = r.alloc.requests + refused;
        give(0, "first", false);
        told = r.alloc.requests < r.alloc.refuse_at;
        r.alloc.refuse_at = 0;
        CHECK_EQ(count("end"), !told);
        CHECK_EQ(count("next"), told);
        answered += strncmp(rig_said(&r, conn), "HTTP/1.1 503 ", 13) == 0;
        if (!rig_conn(&r, conn)->open) conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    }
    CHECK(answered > 0);
    rig_end(&r);
}

TEST(backup, who_goes_is_not_read_for)
{
    begin();
    ask();
    give(0, "first", false);
    rig_closed(&r, conn);
    rig_turn(&r);
    CHECK_EQ(count("end"), 1);
    give(0, "second", false); /* what was on its way finds nobody */
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask();
    rig_closed(&r, conn);
    CHECK_EQ(count("end"), 1); /* before its first chunk */
    rig_end(&r);
}

/* Nothing leaves for as long as a client may be idle. */
TEST(backup, who_takes_nothing_is_cut_off)
{
    begin();
    ask();
    rig_conn(&r, conn)->queued = 1u << 20;
    give(0, "first", false);
    rig_advance(&r, 2 * r.opts.client_idle_ms_max + 1000);
    CHECK(!rig_conn(&r, conn)->open);
    CHECK_EQ(count("end"), 1);
    rig_end(&r);
}

TEST(backup, a_member_that_stops_closes_without_an_end)
{
    begin();
    ask();
    give(0, "first", false);
    rig_said(&r, conn);
    member_shutdown(r.m, r.now);
    rig_node(&r)->quiet = true;
    give(MS_ESTOPPED, "", false);
    CHECK(!rig_conn(&r, conn)->open);
    CHECK(!strstr(rig_said(&r, conn), "0\r\n\r\n"));
    rig_end(&r);
}
