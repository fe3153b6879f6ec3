/* Watches as server-sent events, around a node that says what the test wants. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/member/rig.h"

static struct rig r;
static uint64_t conn;

static void begin(void)
{
    rig_start(&r, 0);
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
}

static struct node_watcher *watcher(uint32_t i)
{
    CHECK(i < rig_node(&r)->watcher_count);
    return &rig_node(&r)->watchers[i];
}

static void ask(const char *target)
{
    char line[128];
    snprintf(line, sizeof line, "GET %s", target);
    rig_request(&r, conn, line, "", NULL);
}

static void post(const char *body)
{
    rig_request(&r, conn, "POST /_/watch", "", body);
}

static struct kv_event put_event(const char *key, const char *value, uint64_t revision)
{
    struct kv_event e = { .revision = revision, .put = true, .key = bytes_of_str(key) };
    e.now = (struct kv_event_record){ .create_revision = 2,
                                      .mod_revision = revision,
                                      .version = 3,
                                      .lease = 4,
                                      .value = bytes_of_str(value) };
    return e;
}

/* Of key a, with a value of so many bytes. */
static struct kv_event long_event(size_t value_len, uint64_t revision)
{
    static char value[4u << 20];
    CHECK(value_len <= sizeof value);
    memset(value, 'v', value_len);
    struct kv_event e = put_event("a", "", revision);
    e.now.value = bytes_of(value, value_len);
    return e;
}

/* What the host answers. */
static bool tell(uint32_t i, const struct kv_event *e, bool has_prev, bool last)
{
    struct node *n = rig_node(&r);
    struct node_watch_news news = {
        .kind = NODE_WATCH_EVENT, .arg = watcher(i)->arg, .event = e, .has_prev = has_prev, .last = last
    };
    return n->host.watch(n->host.ctx, &news);
}

static void end_watch(uint32_t i, int status, uint64_t compacted)
{
    struct node *n = rig_node(&r);
    struct node_watch_news news = { .kind = NODE_WATCH_END,
                                    .arg = watcher(i)->arg,
                                    .status = status,
                                    .compacted_revision = compacted };
    watcher(i)->live = false;
    n->host.watch(n->host.ctx, &news);
    rig_turn(&r);
}

TEST(watch, its_head_is_out_at_once)
{
    begin();
    ask("/a%00b?watch&rev=5&prev_kv&noput");
    const char *said = rig_said(&r, conn);
    CHECK(strncmp(said, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", 50) == 0);
    CHECK(strstr(said, "Cache-Control: no-store\r\n") && strstr(said, "Metastore-Term: "));
    CHECK(strstr(said, "Transfer-Encoding: chunked\r\n"));
    const struct node_watcher *w = watcher(0);
    CHECK(w->opts.key.len == 3 && memcmp(w->key, "a\0b", 3) == 0 && w->opts.range_end.len == 0);
    CHECK(w->opts.start_revision == 5 && w->opts.prev && w->opts.no_puts && !w->opts.no_deletes);
    rig_closed(&r, conn);
    CHECK(fake_saw(rig_node(&r), "cancel 0"));
    rig_end(&r);
}

TEST(watch, an_id_stands_with_the_last_event_of_a_revision_alone)
{
    begin();
    ask("/a?watch");
    rig_said(&r, conn);
    struct kv_event one = put_event("a", "x\n\"y", 7), two = { .revision = 7, .sub = 1 };
    two.key = bytes_of("\xff", 1);
    two.prev = one.now;
    tell(0, &one, false, false);
    tell(0, &two, true, true);
    rig_turn(&r);
    const char *said = rig_said(&r, conn);
    CHECK(strstr(said,
                 "event: put\ndata: {\"key\": \"a\", \"value\": \"x\\n\\\"y\", \"create_revision\": 2, "
                 "\"mod_revision\": 7, \"version\": 3, \"lease\": 4}\n\n\r\n"));
    CHECK(strstr(said, "event: delete\ndata: {\"key_base64\": \"/w==\", \"mod_revision\": 7, \"prev\": "
                       "{\"key_base64\": \"/w==\", \"value\": \"x\\n\\\"y\","));
    CHECK(strstr(said, "}}\nid: 7\n\n\r\n"));
    CHECK_EQ(rig_conn(&r, conn)->sends, 2); /* the head, and the events of a turn in one (L2) */
    rig_end(&r);
}

/* The same event, told with and without the record before: each has its own text. */
TEST(watch, of_several_on_a_stream_each_event_says_whose_it_is)
{
    begin();
    post("[{\"id\":3,\"key\":\"a\",\"nodelete\":true},{\"id\":4,\"prefix\":\"a\",\"prev_kv\":true,"
         "\"progress\":true}]");
    CHECK(strstr(rig_said(&r, conn), "200 OK"));
    CHECK(watcher(0)->opts.no_deletes && !watcher(0)->opts.no_puts && !watcher(1)->opts.no_deletes);
    CHECK(watcher(1)->opts.range_end.len == 1 && watcher(1)->end[0] == 'b');
    struct kv_event e = put_event("a", "v", 9);
    e.prev = e.now;
    e.prev.value = bytes_of_str("before");
    tell(0, &e, false, true);
    tell(1, &e, true, false);
    rig_turn(&r);
    const char *said = rig_said(&r, conn);
    const char *first = strstr(said, "data: {\"watch\": 3, \"complete\": true, \"key\": \"a\"");
    const char *second = strstr(said, "data: {\"watch\": 4, \"complete\": false, \"key\": \"a\"");
    CHECK(first && second && strstr(said, "before") > second);
    CHECK(!strstr(said, "id:"));
    end_watch(0, MS_ECOMPACTED, 20);
    CHECK(strstr(rig_said(&r, conn),
                 "event: compacted\ndata: {\"watch\": 3, \"compact_revision\": 20}\n\n"));
    CHECK(rig_conn(&r, conn)->open);
    end_watch(1, MS_ECOMPACTED, 20);
    CHECK(strstr(rig_said(&r, conn), "\r\n0\r\n\r\n"));
    CHECK(!rig_conn(&r, conn)->open);
    rig_end(&r);
}

TEST(watch, of_what_is_compacted_is_gone)
{
    begin();
    rig_node(&r)->compacted_revision = 30;
    ask("/a?watch&rev=29");
    const char *said = rig_said(&r, conn);
    CHECK(strncmp(said, "HTTP/1.1 410 Gone\r\n", 19) == 0);
    CHECK(strstr(said, "Metastore-Compact-Revision: 30\r\n"));
    CHECK(rig_conn(&r, conn)->open); /* and serves on */
    post("[{\"id\":1,\"key\":\"a\",\"start_revision\":5}]");
    said = rig_said(&r, conn);
    CHECK(strstr(said, "200 OK") && strstr(said, "{\"watch\": 1, \"compact_revision\": 30}"));
    CHECK(!rig_conn(&r, conn)->open);
    rig_end(&r);
}

TEST(watch, refusals_are_answers)
{
    begin();
    rig_node(&r)->refuse = MS_EBUSY;
    ask("/a?watch");
    CHECK(rig_says(&r, conn, 503, "as many watches"));
    rig_node(&r)->refuse = MS_ESTOPPED;
    ask("/a?watch");
    CHECK(rig_says(&r, conn, 503, "is stopping"));
    rig_end(&r);
}

/* L6: the node is told to wait, and asked to go on when what was sent has left. */
TEST(watch, that_is_not_read_waits)
{
    begin();
    ask("/a?watch");
    struct kv_event e = long_event(40000, 7);
    CHECK(tell(0, &e, false, true));
    CHECK(!tell(0, &e, false, true)); /* more than watch_queue_bytes_max */
    rig_conn(&r, conn)->queued = CLIENT_PAUSE_BYTES + 1;
    rig_turn(&r);
    rig_advance(&r, 50);
    CHECK(!fake_saw(rig_node(&r), "resume 0"));
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_turn(&r);
    CHECK(fake_saw(rig_node(&r), "resume 0"));
    rig_end(&r);
}

/* Within a turn there may be too much for one sending, though the peer reads: it goes on with the next turn. */
TEST(watch, that_is_read_goes_on_by_itself)
{
    begin();
    ask("/a?watch");
    struct kv_event e = long_event(70000, 7);
    CHECK(!tell(0, &e, false, true));
    rig_turn(&r);
    CHECK_EQ(member_deadline_ms(r.m), r.now);
    rig_turn(&r);
    CHECK(fake_saw(rig_node(&r), "resume 0"));
    CHECK(member_deadline_ms(r.m) > r.now);
    rig_end(&r);
}

/* Many who do not read, each within its own bound: all of them together have one, too. */
TEST(watch, of_many_who_do_not_read_there_is_a_bound)
{
    uint64_t conns[24];
    uint32_t taking = 0;
    begin();
    struct kv_event e = long_event(4u << 20, 7);
    for (uint32_t i = 0; i < 24; i++) {
        conns[i] = conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
        ask("/a?watch");
    }
    for (uint32_t i = 0; i < 24; i++) {
        if (r.m->watch_bytes < WATCHES_BYTES_MAX) taking++;
        tell(i, &e, false, true);
        rig_conn(&r, conns[i])->queued = e.now.value.len;
        rig_turn(&r);
        e.revision++;
    }
    CHECK(taking >= 16 && taking < 24);
    for (uint32_t i = 0; i < 24; i++) {
        rig_conn(&r, conns[i])->queued = 0;
        member_on_writable(r.m, r.now, conns[i]);
        rig_turn(&r);
    }
    CHECK_EQ(r.m->watch_bytes, 0);
    for (uint32_t i = 0; i < 24; i++) {
        char text[32];
        snprintf(text, sizeof text, "resume %u", i);
        CHECK(fake_saw(rig_node(&r), text));
    }
    rig_end(&r);
}

/* L8 */
TEST(watch, beats_while_nothing_happens)
{
    begin();
    ask("/a?watch");
    watcher(0)->progress = 12;
    rig_said(&r, conn);
    rig_advance(&r, r.opts.watch_beat_ms + 10);
    CHECK(strstr(rig_said(&r, conn), "\r\n: 12\n\n\r\n"));
    uint64_t other = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    uint64_t first = conn;
    conn = other;
    ask("/a?watch&progress");
    rig_said(&r, other);
    rig_advance(&r, r.opts.watch_beat_ms + 10);
    const char *said = rig_said(&r, other);
    CHECK(strstr(said, ": 0\n\n") && !strstr(said, "event: progress")); /* it has no place yet */
    watcher(1)->progress = 13;
    rig_advance(&r, r.opts.watch_beat_ms + 10);
    CHECK(strstr(rig_said(&r, other), "event: progress\ndata: {\"revision\": 13}\n\n"));
    rig_said(&r, first);
    /* What is told is a beat as well. */
    struct kv_event e = put_event("a", "v", 14);
    rig_advance(&r, r.opts.watch_beat_ms / 2);
    tell(0, &e, false, true);
    rig_turn(&r);
    rig_said(&r, first);
    rig_advance(&r, r.opts.watch_beat_ms / 2 + 20);
    CHECK(!strstr(rig_said(&r, first), ": 12"));
    rig_end(&r);
}

/* Of several on a stream the beat says where all of them are. */
TEST(watch, of_several_beat_with_the_least)
{
    begin();
    post("[{\"id\":1,\"key\":\"a\"},{\"id\":2,\"key\":\"b\"}]");
    watcher(0)->progress = 9;
    watcher(1)->progress = 12;
    rig_said(&r, conn);
    rig_advance(&r, r.opts.watch_beat_ms + 10);
    CHECK(strstr(rig_said(&r, conn), "\r\n: 9\n\n\r\n"));
    rig_end(&r);
}

/* A client that does not read hears nothing but what happened, when it reads again. */
TEST(watch, that_is_not_read_has_no_beats)
{
    begin();
    r.m->opts.watch_beat_ms = 1000;
    ask("/a?watch");
    struct kv_event e = put_event("a", "v", 7);
    rig_conn(&r, conn)->queued = CLIENT_PAUSE_BYTES + 1;
    tell(0, &e, false, true);
    rig_turn(&r);
    uint32_t sends = rig_conn(&r, conn)->sends;
    rig_advance(&r, 5000);
    CHECK(rig_conn(&r, conn)->open);
    CHECK_EQ(rig_conn(&r, conn)->sends, sends);
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_advance(&r, 1100);
    CHECK(rig_conn(&r, conn)->sends > sends);
    rig_end(&r);
}

TEST(watch, what_a_large_event_took_is_given_back)
{
    begin();
    ask("/a?watch");
    struct kv_event e = long_event(4u << 20, 7);
    tell(0, &e, false, true);
    rig_turn(&r);
    CHECK(strstr(rig_said(&r, conn), "id: 7\n\n"));
    CHECK(r.m->watch_texts[0].text.cap <= MEMBER_SCRATCH_KEPT_BYTES);
    rig_end(&r);
}

TEST(watch, ends_with_the_member)
{
    begin();
    ask("/a?watch");
    member_shutdown(r.m, r.now);
    end_watch(0, MS_ESTOPPED, 0);
    const char *said = rig_said(&r, conn);
    CHECK(strstr(said, "0\r\n\r\n"));
    rig_end(&r);
}

enum outcome { TOLD, REFUSED, BROKEN };

/* What becomes of a watch and its first event when the nth request for memory is refused. */
static enum outcome with_memory_refused(uint64_t nth)
{
    r.alloc.refuse_at = r.alloc.requests + nth;
    ask("/a?watch&prefix");
    if (rig_node(&r)->watcher_count && watcher(0)->live) {
        struct kv_event e = put_event("a", "v", 7);
        tell(0, &e, false, true);
    }
    rig_turn(&r);
    r.alloc.refuse_at = 0;
    rig_turn(&r);
    const char *said = rig_said(&r, conn);
    if (!rig_conn(&r, conn)->open) return BROKEN;
    if (strncmp(said, "HTTP/1.1 503 ", 13) == 0) return REFUSED;
    CHECK(strstr(said, "id: 7\n\n")); /* an event is never left out */
    return TOLD;
}

TEST(watch, refused_memory_breaks_a_stream_and_nothing_else)
{
    uint32_t seen[3] = { 0 };
    for (uint64_t nth = 1; seen[TOLD] == 0; nth++) { /* ends: nothing is refused any more */
        begin();
        seen[with_memory_refused(nth)]++;
        conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
        ask("/b?watch");
        CHECK(rig_says(&r, conn, 200, "text/event-stream"));
        rig_end(&r);
    }
    CHECK(seen[BROKEN] > 0 && seen[REFUSED] > 0);
}
