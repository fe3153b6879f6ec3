/* Ranges, transactions and compactions over HTTP: what is asked of the node, and what its answers become. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/member/rig.h"

static struct rig r;
static uint64_t conn;
static struct buf items;

static void begin(void)
{
    rig_start(&r, 0);
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    buf_init(&items, &r.own.face, 1u << 24);
}

static void end(void)
{
    buf_fini(&items);
    rig_end(&r);
}

static const struct fake_request *newest(enum fake_kind kind)
{
    CHECK_EQ(rig_newest(&r)->kind, kind);
    return rig_newest(&r);
}

static void ask(const char *line, const char *body)
{
    rig_request(&r, conn, line, "", body);
}

static void expect(const char *text)
{
    const char *said = rig_said(&r, conn);
    if (!strstr(said, text)) fprintf(stderr, "wanted '%s', got: %s\n", text, said);
    CHECK(strstr(said, text));
}

static void add(struct kv_answer_item item)
{
    kv_answer_append(&items, &item);
}

static void add_record(const char *key, struct bytes value)
{
    add((struct kv_answer_item){ .kind = KV_ANSWER_RECORD,
                                 .create_revision = 2,
                                 .mod_revision = 3,
                                 .version = 1,
                                 .key = bytes_of_str(key),
                                 .value = value });
}

static void give(int status, bool last)
{
    struct node *n = rig_node(&r);
    struct node_range_piece p = { .token = newest(FAKE_RANGE)->token,
                                  .status = status,
                                  .last = last,
                                  .revision = 9,
                                  .compacted_revision = 4,
                                  .items = buf_bytes(&items) };
    n->host.range(n->host.ctx, &p);
    buf_clear(&items);
    rig_turn(&r);
}

static uint32_t count(const char *what)
{
    char text[64];
    uint32_t sum = 0;
    const struct node *n = rig_node(&r);
    snprintf(text, sizeof text, "%s %llu", what, (unsigned long long)newest(FAKE_RANGE)->token);
    for (uint32_t i = 0; i < n->event_count; i++) sum += strcmp(n->events[i].text, text) == 0;
    return sum;
}

#define BEGIN_RANGE                                                                                    \
    ((struct kv_answer_item){ .kind = KV_ANSWER_BEGIN, .op = KV_OP_RANGE, .revision = 9 })
#define END_RANGE ((struct kv_answer_item){ .kind = KV_ANSWER_END, .count = 2 })

TEST(range, a_short_answer_has_a_length)
{
    begin();
    ask("GET /a/?prefix&limit=3", "");
    CHECK(strcmp((const char *)newest(FAKE_RANGE)->bytes, "a/ a0 3") == 0);
    CHECK(!newest(FAKE_RANGE)->on);
    add(BEGIN_RANGE);
    add_record("a/1", bytes_of_str("x"));
    give(0, false);
    CHECK(rig_said(&r, conn)[0] == 0); /* it may still become a short one */
    CHECK_EQ(count("more"), 1);
    give(0, false); /* a piece may be empty */
    CHECK_EQ(count("more"), 2);
    add(END_RANGE);
    give(0, true);
    const char *said = rig_said(&r, conn);
    CHECK(strstr(said, "HTTP/1.1 200 OK\r\n") && strstr(said, "Content-Length: ") &&
          strstr(said, "Metastore-Revision: 9\r\n") &&
          strstr(said, "Content-Type: application/json\r\n"));
    CHECK(strstr(said, "\r\n\r\n{\"revision\": 9, \"kvs\": [{\"key\": \"a/1\", "));
    CHECK(strstr(said, "\"count\": 2, \"more\": false}\n"));
    CHECK(rig_conn(&r, conn)->open && count("enough") == 0);
    ask("GET /a?prefix&consistency=stale", ""); /* the connection goes on */
    CHECK(newest(FAKE_RANGE)->on);
    give(MS_ENOLEADER, true);
    expect("HTTP/1.1 503 ");
    end();
}

TEST(range, a_long_one_goes_as_its_client_takes_it)
{
    static uint8_t value[100000];
    memset(value, 'v', sizeof value);
    begin();
    ask("GET /_/range?from=a", "");
    add(BEGIN_RANGE);
    add_record("k", bytes_of(value, sizeof value));
    give(0, false);
    const char *said = rig_said(&r, conn);
    CHECK(strstr(said, "Transfer-Encoding: chunked\r\n") && strstr(said, "Metastore-Revision: 9\r\n"));
    CHECK_EQ(count("more"), 1);
    rig_conn(&r, conn)->queued = 1u << 20; /* what was sent has not left */
    add_record("l", bytes_of_str("x"));
    give(0, false);
    CHECK_EQ(count("more"), 1);
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_turn(&r);
    CHECK_EQ(count("more"), 2);
    add(END_RANGE);
    give(0, true);
    expect("\"more\": false}\n\r\n0\r\n\r\n");
    CHECK(!rig_conn(&r, conn)->open);
    end();
}

TEST(range, what_ends_too_early_looks_like_that)
{
    static uint8_t value[100000];
    begin();
    ask("GET /_/range?from=a", "");
    add(BEGIN_RANGE);
    add_record("k", bytes_of(value, sizeof value));
    give(0, false);
    give(MS_ETIMEOUT, true);
    CHECK(!strstr(rig_said(&r, conn), "\r\n0\r\n\r\n"));
    CHECK(!rig_conn(&r, conn)->open);
    /* A client that goes, ends it. */
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask("GET /_/range?from=a", "");
    add(BEGIN_RANGE);
    add_record("k", bytes_of(value, sizeof value));
    give(0, false);
    rig_closed(&r, conn);
    CHECK_EQ(count("enough"), 1);
    end();
}

/* It holds a view. */
TEST(range, what_cannot_begin_for_lack_of_memory_is_not_kept_open)
{
    bool told = false;
    uint32_t refused = 1, answered = 0;
    begin();
    for (; !told; refused++) { /* ends: nothing is refused any more */
        ask("GET /_/range?from=a", "");
        add(BEGIN_RANGE);
        add_record("k", bytes_of_str("value"));
        r.alloc.refuse_at = r.alloc.requests + refused;
        give(0, false);
        told = r.alloc.requests < r.alloc.refuse_at;
        r.alloc.refuse_at = 0;
        CHECK_EQ(count("enough"), !told);
        CHECK_EQ(count("more"), told);
        answered += strncmp(rig_said(&r, conn), "HTTP/1.1 503 ", 13) == 0;
        if (!rig_conn(&r, conn)->open) conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    }
    CHECK(answered > 0);
    end();
}

TEST(range, refusals_say_what_to_do)
{
    static const struct {
        int status;
        const char *said;
    } rows[] = {
        { MS_ECOMPACTED, "HTTP/1.1 410 Gone" }, { MS_ECOMPACTED, "Metastore-Compact-Revision: 4\r\n" },
        { MS_EFUTURE, "HTTP/1.1 400 " },        { MS_ETOOBIG, "ask with a limit" },
        { MS_EBUSY, "as many long ranges" },    { MS_ETIMEOUT, "HTTP/1.1 503 " },
        { MS_ESTOPPED, "HTTP/1.1 503 " },
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask("GET /a?prefix&rev=3", "");
        CHECK_EQ(newest(FAKE_RANGE)->member_id, 3);
        give(rows[i].status, true);
        expect(rows[i].said);
    }
    rig_node(&r)->refuse = MS_EBUSY;
    ask("GET /a?prefix", "");
    expect("HTTP/1.1 503 ");
    rig_node(&r)->refuse = 0;
    end();
}

TEST(range, a_key_as_it_was_is_told_as_a_read_is)
{
    begin();
    ask("GET /k?rev=5", "");
    CHECK(strcmp((const char *)newest(FAKE_RANGE)->bytes, "k  0") == 0);
    add(BEGIN_RANGE);
    add_record("k", bytes_of_str("value"));
    add(END_RANGE);
    give(0, true);
    const char *said = rig_said(&r, conn);
    CHECK(strstr(said, "HTTP/1.1 200 OK\r\n") && strstr(said, "ETag: \"3\"\r\n") &&
          strstr(said, "\r\n\r\nvalue"));
    CHECK(strstr(said, "Metastore-Create-Revision: 2\r\n") && strstr(said, "Metastore-Version: 1\r\n"));
    ask("HEAD /k?rev=5", "");
    add(BEGIN_RANGE);
    add(END_RANGE);
    give(0, true);
    expect("HTTP/1.1 404 ");
    ask("GET /k?rev=2", "");
    give(MS_ECOMPACTED, true);
    expect("Metastore-Compact-Revision: 4\r\n");
    end();
}

static void answer(enum fake_kind kind, struct node_answer a)
{
    struct node *n = rig_node(&r);
    a.token = newest(kind)->token;
    a.items = buf_bytes(&items);
    n->host.answer(n->host.ctx, &a);
    buf_clear(&items);
    rig_turn(&r);
}

TEST(range, a_transaction_is_told_what_it_found)
{
    begin();
    ask("POST /_/txn", "{\"then\": [{\"put\": {\"key\": \"a\", \"value\": \"1\"}}]}");
    CHECK(newest(FAKE_ASKING)->len > 10);
    add((struct kv_answer_item){
        .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .flags = KV_ANSWER_SUCCEEDED, .revision = 9 });
    add((struct kv_answer_item){ .kind = KV_ANSWER_END });
    answer(FAKE_ASKING, (struct node_answer){ .revision = 9, .result = { .succeeded = true } });
    expect("\r\n\r\n{\"revision\": 9, \"succeeded\": true, \"responses\": []}\n");
    /* It is committed, whatever can be said of it. */
    ask("POST /_/txn", "{}");
    answer(FAKE_ASKING, (struct node_answer){ .revision = 9, .items_status = MS_ETOOBIG });
    expect(
        "{\"revision\": 9, \"succeeded\": false, \"responses\": null, \"error\": \"it is committed; ");
    static const struct {
        int status;
        const char *said;
    } rows[] = {
        { MS_EDUPKEY, "HTTP/1.1 400 " },    { MS_ENOTFOUND, "a put keeps the value" },
        { MS_ENOTFOUND, "HTTP/1.1 400 " },  { MS_EFUTURE, "HTTP/1.1 400 " },
        { MS_ECOMPACTED, "HTTP/1.1 410 " }, { MS_EUNKNOWN, "Metastore-Outcome: unknown" },
        { MS_ENOLEADER, "HTTP/1.1 503 " },  { MS_ENOSPC, "HTTP/1.1 507 " },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask("POST /_/txn", "{}");
        answer(FAKE_ASKING, (struct node_answer){ .status = rows[i].status });
        expect(rows[i].said);
    }
    ask("POST /_/txn", "{\"then\": 5}");
    expect("the transaction: a list [ ] was expected, at byte 9 of the body\n");
    end();
}

/* 503 would say that it is not done, and never will be: whoever hears that does it again. */
TEST(range, what_is_done_is_never_told_as_refused_for_lack_of_memory)
{
    static const struct {
        const char *line, *body;
        enum fake_kind kind;
    } rows[] = {
        { "DELETE /a?prefix", "", FAKE_TXN },
        { "POST /_/compact", "{\"revision\": 5}", FAKE_COMPACT },
        { "POST /_/leases", "{\"ttl\": 60}", FAKE_LEASES },
        { "POST /_/leases/7/keep-alive", "", FAKE_LEASES },
        { "POST /_/txn", "{}", FAKE_ASKING },
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t unknown = 0, refused = 1;
        for (bool told = false; !told; refused++) { /* ends: nothing is refused any more */
            ask(rows[i].line, rows[i].body);
            r.alloc.refuse_at = r.alloc.requests + refused;
            answer(rows[i].kind, (struct node_answer){ .revision = 9, .lease = 7, .items_status = MS_ENOMEM });
            told = r.alloc.requests < r.alloc.refuse_at;
            r.alloc.refuse_at = 0;
            const char *said = rig_said(&r, conn);
            unknown += strstr(said, "HTTP/1.1 504 ") && strstr(said, "Metastore-Outcome: unknown\r\n");
            CHECK(!strstr(said, "HTTP/1.1 503 ") && (strstr(said, "HTTP/1.1 200 ") != NULL) == told);
            if (!rig_conn(&r, conn)->open) conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
        }
        CHECK(unknown > 0);
    }
    ask("GET /_/leases/7", "");
    r.alloc.refuse_at = r.alloc.requests + 1;
    answer(FAKE_LEASES, (struct node_answer){ .revision = 9 });
    r.alloc.refuse_at = 0;
    expect("HTTP/1.1 503 ");
    end();
}

TEST(range, a_put_of_a_transaction_is_no_larger_than_any_other)
{
    begin();
    r.m->opts.key_bytes_max = 8;
    r.m->opts.value_bytes_max = 4;
    ask("POST /_/txn", "{\"else\": [{\"put\": {\"key\": \"abcdefghi\", \"value\": \"1\"}}]}");
    expect("HTTP/1.1 413 ");
    ask("POST /_/txn",
        "{\"then\": [{\"txn\": {\"then\": [{\"put\": {\"key\": \"a\", \"value\": \"12345\"}}]}}]}");
    expect("a key or a value of a put is too large\n");
    ask("POST /_/txn",
        "{\"then\": [{\"put\": {\"key\": \"abcdefgh\", \"value\": \"1234\"}}, {\"delete\": "
        "{\"key\": \"abcdefghi\"}}]}");
    CHECK(newest(FAKE_ASKING)->len > 10);
    answer(FAKE_ASKING, (struct node_answer){ .status = MS_ENOSPC });
    expect("HTTP/1.1 507 ");
    end();
}

/* At once it would be more than may wait for its client, which would be cut off. */
static void answer_long_transaction(void)
{
    static uint8_t value[1u << 20];
    memset(value, 'v', sizeof value);
    ask("POST /_/txn", "{}");
    add((struct kv_answer_item){ .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN });
    add(BEGIN_RANGE);
    for (uint64_t i = 0; i <= r.opts.client_queue_bytes_max / 2 / sizeof value; i++)
        add_record("k", bytes_of(value, sizeof value));
    add(END_RANGE);
    add((struct kv_answer_item){ .kind = KV_ANSWER_END });
    answer(FAKE_ASKING, (struct node_answer){ .revision = 9 });
}

TEST(range, a_transaction_that_found_much_goes_as_its_client_takes_it)
{
    begin();
    answer_long_transaction();
    const char *said = rig_said(&r, conn);
    CHECK(strstr(said, "Transfer-Encoding: chunked\r\n") && strstr(said, "Metastore-Revision: 9\r\n"));
    CHECK(strlen(said) > r.opts.client_queue_bytes_max / 2);
    CHECK(strstr(said, "\"succeeded\": false, \"responses\": [") && strstr(said, "]}\n\r\n0\r\n\r\n"));
    rig_turn(&r);
    CHECK(!rig_conn(&r, conn)->open);
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_conn(&r, conn)->queued = 1u << 20; /* this one does not read */
    answer_long_transaction();
    said = rig_said(&r, conn);
    size_t first = strlen(said);
    CHECK(first < 1u << 20 && !strstr(said, "\r\n0\r\n\r\n"));
    CHECK(r.m->clients_bytes > r.opts.client_queue_bytes_max / 2); /* the rest is counted */
    rig_advance(&r, 10);
    CHECK_EQ(strlen(rig_said(&r, conn)), 0);
    rig_conn(&r, conn)->queued = 0;
    member_on_writable(r.m, r.now, conn);
    rig_turn(&r);
    said = rig_said(&r, conn);
    CHECK(first + strlen(said) > r.opts.client_queue_bytes_max / 2 &&
          strstr(said, "]}\n\r\n0\r\n\r\n"));
    /* One that goes away in the middle leaves nothing behind. */
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_conn(&r, conn)->queued = 1u << 20;
    answer_long_transaction();
    rig_closed(&r, conn);
    CHECK(r.m->clients_bytes < 1u << 20);
    end();
}

TEST(range, deletes_of_prefixes_and_compactions)
{
    begin();
    ask("DELETE /a/?prefix", "");
    CHECK(newest(FAKE_TXN)->len > 10);
    answer(FAKE_TXN, (struct node_answer){ .revision = 9, .result = { .deleted = 3 } });
    expect("\r\n\r\n{\"revision\": 9, \"deleted\": 3}\n");
    ask("POST /_/compact", "{\"revision\": 5}");
    CHECK_EQ(newest(FAKE_COMPACT)->member_id, 5);
    answer(FAKE_COMPACT, (struct node_answer){ .revision = 9, .compacted_revision = 5 });
    expect("\r\n\r\n{\"revision\": 9, \"compacted_revision\": 5}\n");
    ask("POST /_/compact", "{\"revision\": 5}");
    answer(FAKE_COMPACT, (struct node_answer){ .status = MS_ECOMPACTED, .compacted_revision = 5 });
    expect("Metastore-Compact-Revision: 5\r\n");
    end();
}
