/* What operators ask for: exchanges of members, transfers of the leadership, settings. */
#include <stdio.h>

#include "tests/member/rig.h"

static struct rig r;
static uint64_t conn;

/* Members 1 and 2 are voters, and a client is there. */
static void begin(void)
{
    rig_start(&r, 0);
    struct config *c = &rig_node(&r)->status.config;
    c->member_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        c->members[i] = (struct config_member){ .id = i + 1, .added_index = 1, .roles = CONFIG_VOTER };
        snprintf(c->members[i].url, sizeof c->members[i].url, "http://h:%u", i + 1);
    }
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
}

static void ask(const char *line, const char *body)
{
    rig_request(&r, conn, line, "", body);
}

static void end_with(int status)
{
    fake_answer(rig_node(&r), rig_newest(&r)->token, status, NULL);
    rig_turn(&r);
}

static bool says(int status, const char *text)
{
    return rig_says(&r, conn, status, text);
}

TEST(operator, a_set_of_members_reaches_the_node_with_all_urls)
{
    begin();
    ask("POST /_/members", "[{\"id\": 2}, {\"id\": 4, \"url\": \"http://four:4\"}]");
    CHECK(rig_newest(&r)->kind == FAKE_CHANGE_SET && !rig_newest(&r)->on);
    CHECK(strcmp((const char *)rig_newest(&r)->bytes, "2 http://h:2 as known, 4 http://four:4") == 0);
    end_with(0);
    CHECK(says(204, "\r\n\r\n"));
    ask("POST /_/members?force", "[{\"id\": 1, \"url\": \"http://new:1/\"}]");
    CHECK(rig_newest(&r)->on && strcmp((const char *)rig_newest(&r)->bytes, "1 http://new:1") == 0);
    end_with(MS_EEXIST); /* it is so already */
    CHECK(says(204, ""));
    rig_end(&r);
}

TEST(operator, a_set_of_members_may_be_refused)
{
    begin();
    ask("POST /_/members", "[{\"id\": 1}, {\"id\": 7}]");
    CHECK(says(404, "member 7 is not known, so its url is needed; the members are 1 2\n"));
    ask("POST /_/members", "[{\"id\": 2}, {\"id\": 4, \"url\": \"http://h:2\"}]");
    CHECK(says(409, "a url of the list is another member's already\n"));
    ask("POST /_/members", "nonsense");
    CHECK(says(400, "the wanted members: a list [ ] was expected, at byte 0 of the body\n"));
    CHECK_EQ(rig_node(&r)->request_count, 0);
    ask("POST /_/members", "[{\"id\": 1}]");
    end_with(MS_ENOQUORUM);
    CHECK(says(409, "quorum"));
    ask("POST /_/members", "[{\"id\": 1}]");
    end_with(MS_ECONFLICT);
    CHECK(says(409, "no room for more"));
    ask("POST /_/members", "[{\"id\": 1}]");
    end_with(MS_EBUSY);
    CHECK(says(503, "Retry-After: 1\r\n"));
    ask("POST /_/members", "[{\"id\": 1}]");
    end_with(MS_EUNKNOWN);
    CHECK(says(504, "Metastore-Outcome: unknown\r\n"));
    rig_end(&r);
}

/* How large values may be says nothing about how much an operator may say; what is too much is not. */
TEST(operator, a_body_has_a_limit_of_its_own)
{
    static char padded[HTTP_OPERATOR_BODY_BYTES_MAX + 200];
    rig_template(0);
    rig_init(&r);
    r.opts.value_bytes_max = 10;
    CHECK_EQ(rig_create(&r), 0);
    rig_turn(&r);
    conn = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    ask("POST /_/members", "[{\"id\": 4, \"url\": \"http://four:4\"}]");
    CHECK_EQ(rig_newest(&r)->kind, FAKE_CHANGE_SET);
    end_with(0);
    CHECK(says(204, ""));
    ask("PUT /k", "more than ten");
    CHECK(says(413, "the value is too large"));
    size_t n = (size_t)snprintf(padded, sizeof padded,
                                "POST /_/members HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
                                HTTP_OPERATOR_BODY_BYTES_MAX + 1);
    memset(padded + n, ' ', HTTP_OPERATOR_BODY_BYTES_MAX + 1);
    rig_bytes(&r, conn, padded, n + HTTP_OPERATOR_BODY_BYTES_MAX + 1);
    CHECK(says(413, "too large"));
    rig_end(&r);
}

TEST(operator, members_are_listed_with_their_roles)
{
    static const uint8_t roles[] = { CONFIG_VOTER,
                                     CONFIG_LEARNER | CONFIG_PROMOTE,
                                     CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS,
                                     CONFIG_VOTER | CONFIG_LEAVES,
                                     CONFIG_OUTGOING,
                                     CONFIG_VOTER | CONFIG_OUTGOING };
    begin();
    struct config *c = &rig_node(&r)->status.config;
    c->member_count = 6;
    for (uint32_t i = 0; i < 6; i++) {
        c->members[i] = (struct config_member){ .id = i + 1, .roles = roles[i] };
        snprintf(c->members[i].url, sizeof c->members[i].url, "http://h:%u", i + 1);
    }
    ask("GET /_/members", "");
    CHECK(says(200, "Content-Type: application/json\r\n\r\n["
                    "\n  {\"id\": 1, \"url\": \"http://h:1\", \"role\": \"voter\"},"
                    "\n  {\"id\": 2, \"url\": \"http://h:2\", \"role\": \"learner\"},"
                    "\n  {\"id\": 3, \"url\": \"http://h:3\", \"role\": \"joining\"},"
                    "\n  {\"id\": 4, \"url\": \"http://h:4\", \"role\": \"leaving\"},"
                    "\n  {\"id\": 5, \"url\": \"http://h:5\", \"role\": \"outgoing\"},"
                    "\n  {\"id\": 6, \"url\": \"http://h:6\", \"role\": \"voter\"}\n]\n"));
    c->member_count = 0;
    ask("GET /_/members", "");
    CHECK(says(200, "\r\n\r\n[]\n"));
    rig_end(&r);
}

TEST(operator, the_leadership_is_handed_over)
{
    static const struct {
        int code, status;
        const char *text;
    } ends[] = {
        { 0, 204, "" },
        { MS_ENOTFOUND, 404, "no such member; the members are 1 2\n" },
        { MS_ECONFLICT, 409, "it is no voter, or there is no other one that could lead\n" },
        { MS_ETIMEOUT, 503, "the leadership was not handed over in time" },
        { MS_EUNKNOWN, 503, "Retry-After: 1\r\n" },
        { MS_ENOLEADER, 503, "Retry-After: 1\r\n" },
        { MS_EBUSY, 503, "Retry-After: 1\r\n" },
    };
    begin();
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        ask("POST /_/leader", i % 2 ? "" : "2\n");
        CHECK(rig_newest(&r)->kind == FAKE_TRANSFER && rig_newest(&r)->member_id == (i % 2 ? 0 : 2));
        end_with(ends[i].code);
        CHECK(says(ends[i].status, ends[i].text));
    }
    ask("POST /_/leader", "two");
    CHECK(says(400, "the body must be empty, or the id of the member that shall lead\n"));
    ask("GET /_/leader", "");
    CHECK(says(405, "Allow: POST\r\n"));
    ask("PUT /_/leader", "2");
    CHECK(says(403, "/_/kv/_/leader"));
    rig_end(&r);
}

TEST(operator, settings_are_read_and_set)
{
    begin();
    ask("GET /_/settings", "");
    CHECK(says(200, "\r\n\r\n{\"lease_reads\": false}\n"));
    rig_node(&r)->status.lease_ms = 1;
    ask("GET /_/settings", "");
    CHECK(says(200, "\r\n\r\n{\"lease_reads\": true}\n"));
    ask("POST /_/settings", "{\"lease_reads\": true}");
    CHECK(rig_newest(&r)->kind == FAKE_LEASE && rig_newest(&r)->on);
    end_with(MS_EEXIST); /* it is so already */
    CHECK(says(204, ""));
    ask("POST /_/settings", "{\"lease_reads\": false}");
    CHECK(rig_newest(&r)->kind == FAKE_LEASE && !rig_newest(&r)->on);
    end_with(0);
    CHECK(says(204, ""));
    ask("POST /_/settings", "{\"lease_reads\": false}");
    end_with(MS_EUNKNOWN);
    CHECK(says(504, "Metastore-Outcome: unknown\r\n"));
    ask("POST /_/settings", "{}");
    CHECK(says(400, "the settings: no setting is named"));
    rig_end(&r);
}

/* The end of a member leaves no request without an answer. */
TEST(operator, a_stopping_member_answers)
{
    begin();
    ask("POST /_/leader", "");
    uint64_t setting = rig_accept(&r, MEMBER_LISTENER_CLIENT);
    rig_text(
        &r, setting,
        "POST /_/settings HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n{\"lease_reads\": true}");
    struct node *n = rig_node(&r);
    n->host.stop(n->host.ctx, 0, "removed");
    rig_turn(&r);
    CHECK(says(503, "Connection: close\r\n"));
    CHECK(strstr(rig_said(&r, setting), "HTTP/1.1 504 "));
    rig_end(&r);
}
