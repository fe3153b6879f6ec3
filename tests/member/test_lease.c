/* Requests about leases: what is asked of the node, and what its answers become. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/member/rig.h"

static struct rig r;
static uint64_t conn;

static void ask(const char *line, const char *body)
{
    rig_request(&r, conn, line, "", body);
}

static void asked(const char *line, const char *body, uint64_t lease, const char *what)
{
    ask(line, body);
    CHECK_EQ(rig_newest(&r)->kind, FAKE_LEASES);
    CHECK_EQ(rig_newest(&r)->member_id, lease);
    CHECK(strcmp((const char *)rig_newest(&r)->bytes, what) == 0);
}

static void answered(struct node_answer a, int status, const char *text)
{
    a.token = rig_newest(&r)->token;
    a.revision = 9;
    rig_node(&r)->host.answer(rig_node(&r)->host.ctx, &a);
    rig_turn(&r);
    CHECK(rig_says(&r, conn, status, text));
}

static void begin(void)
{
    rig_start(&r, 0);
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
}

TEST(lease, granted_renewed_and_revoked)
{
    begin();
    asked("POST /_/leases", "{\"ttl\": 10}", 0, "grant for 10 with 0");
    answered((struct node_answer){ .lease = 7, .ttl_s = 10 }, 200,
             "\r\n\r\n{\"id\": 7, \"ttl\": 10}\n");
    asked("POST /_/leases", "{\"id\": 9223372036854775807, \"ttl\": 9000000000}", MS_LEASE_ID_MAX,
          "grant for 9000000000 with 0");
    answered((struct node_answer){ .status = MS_EEXIST }, 409, "Metastore-Revision: 9\r\n");
    asked("POST /_/leases/7/keep-alive", "", 7, "keep alive");
    answered((struct node_answer){ .lease = 7, .ttl_s = 9 }, 200, "{\"id\": 7, \"ttl\": 9}\n");
    asked("POST /_/leases/7/keep-alive", "", 7, "keep alive");
    answered((struct node_answer){ .status = MS_ENOLEASE }, 404, "no such lease");
    asked("POST /_/leases/7/keep-alive", "", 7, "keep alive");
    answered((struct node_answer){ .status = MS_EUNKNOWN }, 504, "Metastore-Outcome: unknown\r\n");
    asked("DELETE /_/leases/7", "", 7, "revoke");
    answered((struct node_answer){ .status = 0 }, 204, "");
    asked("DELETE /_/leases/7", "", 7, "revoke");
    answered((struct node_answer){ .status = MS_ENOLEASE }, 404, "no such lease");
    rig_end(&r);
}

TEST(lease, what_there_is_of_them_as_json)
{
    static const uint8_t keys[] = "\1\0\0\0a\2\0\0\0\xff\0";
    struct kv_lease l[2] = { { .id = 7, .ttl_ms = 10000, .remaining_ms = 4900, .key_count = 2 },
                             { .id = 8, .ttl_ms = 5000, .remaining_ms = 0 } };
    struct node_answer a = { .the_lease = l[0],
                             .value = bytes_of(keys, sizeof keys - 1),
                             .last = true };
    begin();
    asked("GET /_/leases/7", "", 7, "get");
    answered(
        a, 200,
        "{\"id\": 7, \"ttl\": 4, \"granted_ttl\": 10, \"key_count\": 2, \"keys\": [{\"key\": \"a\"}, "
        "{\"key_base64\": \"/wA=\"}], \"more\": false}\n");
    asked("GET /_/leases/7", "", 7, "get");
    a.last = false;
    answered(a, 200, "\"more\": true}\n");
    asked("GET /_/leases/7", "", 7, "get");
    answered((struct node_answer){ .status = MS_ENOTFOUND }, 404, "no such lease");
    asked("GET /_/leases/7", "", 7, "get");
    answered((struct node_answer){ .status = MS_ENOLEADER }, 503, "Retry-After: 1\r\n");
    asked("GET /_/leases", "", 0, "list 10000");
    a = (struct node_answer){ .value = bytes_of(l, sizeof l), .last = true };
    answered(a, 200,
             "{\"leases\": [{\"id\": 7, \"ttl\": 4, \"granted_ttl\": 10}, {\"id\": 8, \"ttl\": 0, "
             "\"granted_ttl\": 5}], \"more\": false}\n");
    asked("GET /_/leases?after=7&limit=1", "", 7, "list 1");
    answered((struct node_answer){ .value = bytes_of(l, sizeof l[0]) }, 200, "\"more\": true}\n");
    rig_end(&r);
}

static struct kv_op newest_put(void)
{
    struct kv_cmd cmd;
    struct kv_op op;
    CHECK_EQ(kv_cmd_decode(bytes_of(rig_newest(&r)->bytes, rig_newest(&r)->len), &cmd), 0);
    struct bytes_reader ops = bytes_reader_of(cmd.then_ops);
    CHECK(kv_cmd_next_op(&ops, &op) && op.kind == KV_OP_PUT);
    return op;
}

TEST(lease, puts_that_go_with_one)
{
    begin();
    ask("PUT /k?lease=7", "v");
    CHECK_EQ(rig_newest(&r)->kind, FAKE_TXN);
    CHECK_EQ(newest_put().lease, 7);
    answered((struct node_answer){ .status = MS_ENOLEASE }, 404, "no such lease");
    ask("PUT /k?lease=7", "v");
    answered((struct node_answer){ .status = MS_ELEASEFULL }, 409, "as many keys");
    asked("PUT /k?ttl=5", "v", 0, "grant for 5 with 27");
    struct node_answer a = { .lease = 77, .ttl_s = 5, .result.succeeded = true };
    answered(a, 204, "Metastore-Lease: 77\r\nMetastore-Lease-Ttl: 5\r\n");
    rig_end(&r);
}

TEST(lease, an_answer_of_a_member_that_stops_is_the_last)
{
    begin();
    asked("POST /_/leases/7/keep-alive", "", 7, "keep alive");
    member_shutdown(r.m, r.now);
    answered((struct node_answer){ .lease = 7, .ttl_s = 9 }, 200, "Connection: close\r\n");
    rig_end(&r);
}
