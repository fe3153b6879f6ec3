/* Reads and writes with conditions: what is asked of the node, and what its answers become. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/member/rig.h"

static struct rig r;

#define LAST_REVISION 4u /* of a key in the model; 0: it is absent */

static void finish(struct node_answer a)
{
    a.token = rig_newest(&r)->token;
    rig_node(&r)->host.answer(rig_node(&r)->host.ctx, &a);
    rig_turn(&r);
}

static void ask(uint64_t conn, const char *line, const char *headers)
{
    rig_request(&r, conn, line, headers, NULL);
}

static void expect(uint64_t conn, int status, const char *text)
{
    CHECK(rig_says(&r, conn, status, text));
}

/* --- the transaction means what the conditions say --- */

static bool holds(const struct kv_compare *c, uint64_t revision)
{
    uint64_t value = c->target == KV_CMP_MOD ? revision : revision ? 1 : 0; /* MOD or VERSION */
    CHECK(c->target == KV_CMP_MOD || c->target == KV_CMP_VERSION);
    CHECK(c->range_end.len == 0 && bytes_equal(c->key, bytes_of_str("k")));
    switch (c->result) {
    case KV_CMP_EQUAL: return value == c->number;
    case KV_CMP_NOT_EQUAL: return value != c->number;
    case KV_CMP_GREATER: return value > c->number;
    case KV_CMP_LESS: return value < c->number;
    }
    return false;
}

/* Whether the compares of the newest command hold for a key of that revision; *writes: what is done then. */
static bool run(uint64_t revision, bool *writes)
{
    struct kv_cmd cmd;
    struct kv_compare c;
    bool all = true;
    CHECK_EQ(kv_cmd_decode(bytes_of(rig_newest(&r)->bytes, rig_newest(&r)->len), &cmd), 0);
    struct bytes_reader compares = bytes_reader_of(cmd.compares);
    while (kv_cmd_next_compare(&compares, &c)) all = all && holds(&c, revision);
    CHECK(cmd.then_count == 1 && cmd.else_count == 1);
    struct bytes_reader ops = bytes_reader_of(all ? cmd.then_ops : cmd.else_ops);
    struct kv_op op;
    CHECK(kv_cmd_next_op(&ops, &op) && bytes_equal(op.key, bytes_of_str("k")) && op.range_end.len == 0);
    *writes = op.kind == KV_OP_DELETE;
    CHECK(*writes || (op.kind == KV_OP_RANGE && op.flags == KV_KEYS_ONLY));
    return all;
}

static void check_write(uint64_t conn, const char *headers, const struct http_conditions *c)
{
    for (uint64_t revision = 0; revision <= LAST_REVISION; revision++) {
        bool writes, wanted = http_conditions_judge(c, false, revision) == HTTP_VERDICT_GO;
        ask(conn, "DELETE /k", headers);
        bool succeeded = run(revision, &writes);
        if (writes != wanted) fprintf(stderr, "at %d: %s", (int)revision, headers);
        CHECK_EQ(writes, wanted);
        finish((struct node_answer){ .revision = 9, .result.succeeded = succeeded });
        expect(conn, wanted ? 204 : 412, "Metastore-Revision: 9\r\n");
    }
}

TEST(condition, the_transaction_of_a_write_is_done_exactly_if_they_hold)
{
    static const char *const lists[] = {
        NULL, "*", "\"1\"", "\"2\"", "\"1\",\"2\"", "W/\"1\"", "\"1\",\"2\",\"9\"", "\"x\""
    };
    const size_t count = sizeof lists / sizeof lists[0];
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    for (size_t i = 0; i < count * count; i++) {
        const char *match = lists[i / count], *none = lists[i % count];
        struct http_request request = { 0 };
        struct http_conditions c;
        char headers[128] = "";
        if (match) snprintf(headers, sizeof headers, "If-Match: %s\r\n", match);
        if (none)
            snprintf(headers + strlen(headers), sizeof headers - strlen(headers),
                     "If-None-Match: %s\r\n", none);
        if (!match && !none) continue;
        if (match) request.if_match = bytes_of_str(match);
        if (none) request.if_none_match = bytes_of_str(none);
        CHECK(http_conditions_read(&request, &c) == NULL);
        check_write(conn, headers, &c);
    }
    rig_end(&r);
}

TEST(condition, who_is_refused_is_told_the_tag_there_is)
{
    struct kv_answer_item begin = { .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .revision = 9 };
    struct kv_answer_item end = { .kind = KV_ANSWER_END, .count = 1 };
    struct kv_answer_item record = { .kind = KV_ANSWER_RECORD,
                                     .mod_revision = 7,
                                     .key = bytes_of_str("k") };
    struct buf items;
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    buf_init(&items, &r.own.face, 1u << 16);
    for (int there = 1; there >= 0; there--) {
        buf_clear(&items);
        kv_answer_append(&items, &begin);
        begin.op = KV_OP_RANGE;
        kv_answer_append(&items, &begin);
        begin.op = KV_OP_TXN;
        if (there) kv_answer_append(&items, &record);
        kv_answer_append(&items, &end);
        kv_answer_append(&items, &end);
        ask(conn, "PUT /k", "If-Match: \"3\"\r\n");
        finish((struct node_answer){ .revision = 9, .items = buf_bytes(&items) });
        const char *said = rig_said(&r, conn);
        CHECK_EQ(atoi(said + 9), 412);
        CHECK_EQ(strstr(said, "ETag: \"7\"\r\n") != NULL, there);
        CHECK_EQ(strstr(said, "ETag: ") != NULL, there);
    }
    ask(conn, "PUT /k", "If-Match: \"3\"\r\n"); /* what there is cannot be told: that is not "nothing" */
    finish((struct node_answer){ .revision = 9, .items_status = MS_ENOMEM });
    CHECK_EQ(atoi(rig_said(&r, conn) + 9), 503);
    buf_fini(&items);
    rig_end(&r);
}

TEST(condition, a_put_tells_the_tag_of_what_it_wrote)
{
    rig_start(&r, 0);
    rig_node(&r)->status.term = 3;
    rig_node(&r)->status.leader = 2;
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask(conn, "PUT /k", "");
    finish((struct node_answer){ .revision = 12, .result = { .succeeded = true, .changed = true } });
    expect(
        conn, 204,
        "ETag: \"12\"\r\nMetastore-Revision: 12\r\nMetastore-Term: 3\r\nMetastore-Leader: 2\r\n\r\n");
    rig_node(&r)->status.leader = 0;
    ask(conn, "PUT /k", "If-None-Match: *\r\n");
    finish((struct node_answer){ .revision = 13, .result = { .succeeded = true, .changed = true } });
    expect(conn, 204, "ETag: \"13\"\r\nMetastore-Revision: 13\r\nMetastore-Term: 3\r\n\r\n");
    ask(conn, "DELETE /k", "");
    finish((struct node_answer){ .revision = 14, .result = { .succeeded = true, .changed = true } });
    expect(conn, 204, "204 No Content\r\nMetastore-Revision: 14\r\n");
    ask(conn, "PUT /k", "If-Match: 12\r\n");
    expect(conn, 400, "in quotes");
    CHECK_EQ(rig_node(&r)->request_count, 0);
    rig_end(&r);
}

TEST(condition, reads_are_judged_by_what_they_found)
{
    static const struct {
        const char *headers;
        bool there;
        int status;
    } rows[] = {
        { "", true, 200 },
        { "", false, 404 },
        { "If-None-Match: \"7\"\r\n", true, 304 },
        { "If-None-Match: \"7\"\r\n", false, 404 },
        { "If-None-Match: \"6\"\r\n", true, 200 },
        { "If-Match: \"7\"\r\n", true, 200 },
        { "If-Match: \"6\"\r\n", true, 412 },
        { "If-Match: \"7\"\r\n", false, 412 },
        { "If-Match: \"7\"\r\nIf-None-Match: *\r\n", true, 304 },
    };
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask(conn, "GET /k", rows[i].headers);
        CHECK_EQ(rig_newest(&r)->kind, FAKE_READ);
        struct node_answer a = { .status = rows[i].there ? 0 : MS_ENOTFOUND, .revision = 9 };
        if (rows[i].there) {
            a.value = bytes_of_str("value");
            a.create_revision = 5;
            a.mod_revision = 7;
            a.version = 2;
            a.lease = 77;
        }
        finish(a);
        const char *said = rig_said(&r, conn);
        CHECK_EQ(atoi(said + 9), rows[i].status);
        CHECK(strstr(said, "Metastore-Revision: 9\r\n") && strstr(said, "Metastore-Term: "));
        CHECK_EQ(strstr(said, "Content-Length: ") != NULL, rows[i].status != 304);
        CHECK_EQ(strstr(said, "ETag: \"7\"\r\n") != NULL, rows[i].there);
        CHECK_EQ(
            strstr(said,
                   "Metastore-Create-Revision: 5\r\nMetastore-Version: 2\r\nMetastore-Lease: 77\r\n") !=
                NULL,
            rows[i].status == 200);
        CHECK_EQ(strstr(said, "\r\n\r\nvalue") != NULL, rows[i].status == 200);
    }
    rig_end(&r);
}

TEST(condition, a_stale_read_asks_for_no_more_than_this_member)
{
    rig_start(&r, 0);
    uint64_t conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask(conn, "GET /k?consistency=stale", "");
    CHECK(rig_newest(&r)->kind == FAKE_READ_STALE && rig_newest(&r)->len == 1 && rig_newest(&r)->bytes[0] == 'k');
    finish((struct node_answer){ .value = bytes_of_str("old"), .revision = 3, .mod_revision = 2 });
    expect(conn, 200, "\r\n\r\nold");
    rig_end(&r);
}
