/* member_health.c: GET /health, /livez, /readyz: whether this member serves, for balancers and whoever restarts it.
 *
 *   /livez    it answers, so it lives: only a member that is about to stop fails
 *   /readyz   it has recovered, counts, follows a leader, has applied what that has committed, and reads here are
 *             confirmed by a quorum: tried by reading
 *   /health   the same as /readyz, in the words that etcd's tools know
 *
 * 200, or 503 and the first thing that is wrong. */
#include <stdio.h>

#include "member/member_private.h"

#define HEALTH_CHECKS_MAX 8u

struct check {
    const char *name, *why; /* why NULL: good */
};

struct checks {
    struct check items[HEALTH_CHECKS_MAX];
    uint32_t count;
};

static void add(struct checks *all, const char *name, const char *why)
{
    MS_ASSERT(all->count < HEALTH_CHECKS_MAX);
    all->items[all->count++] = (struct check){ name, why };
}

/* NULL: all are good. */
static const char *first_wrong(const struct checks *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->items[i].why) return all->items[i].why;
    }
    return NULL;
}

/* What can be said without asking anybody. */
static void look(const struct member *m, enum http_route_kind probe, struct checks *all)
{
    struct node_status s;
    all->count = 0;
    add(all, "running", m->phase == MEMBER_RUNNING ? NULL : "this member is stopping");
    if (probe == HTTP_ROUTE_LIVEZ) return;
    node_status(m->node, &s);
    add(all, "recovered", s.applied_index > 0 ? NULL : "it has no state of the cluster yet");
    add(all, "counts", !s.abstains ? NULL : s.abstain_reason ? s.abstain_reason : "it abstains");
    add(all, "leader", s.leader != 0 ? NULL : "no leader is known");
    bool near = s.commit_index - s.applied_index <= MEMBER_READY_LAG_MAX;
    add(all, "caught_up", near ? NULL : "it is still applying what was committed");
}

static void text_of(const struct client *c, const struct checks *all, struct buf *out)
{
    const char *name = c->probe == HTTP_ROUTE_LIVEZ ? "livez" : "readyz", *why = first_wrong(all);
    for (uint32_t i = 0; c->verbose && i < all->count; i++) {
        const struct check *check = &all->items[i];
        if (check->why)
            buf_append_text(out, "[-]%s failed: %s\n", check->name, check->why);
        else
            buf_append_text(out, "[+]%s ok\n", check->name);
    }
    if (c->verbose)
        buf_append_text(out, "%s check %s\n", name, why ? "failed" : "passed");
    else
        buf_append_text(out, "%s\n", why ? why : "ok");
}

/* As etcd writes it, to the blank: some compare it as text. */
static void json_of(const struct checks *all, struct buf *out)
{
    const char *why = first_wrong(all);
    struct json_write w;
    buf_append_text(out, "{\"health\":\"%s\",\"reason\":", why ? "false" : "true");
    json_write_init(&w, out, 0);
    json_text(&w, why ? why : "");
    buf_append_text(out, "}\n");
}

static void answer(struct member *m, struct client *c, const struct checks *all)
{
    bool json = c->probe == HTTP_ROUTE_HEALTH;
    buf_clear(&m->text);
    if (json)
        json_of(all, &m->text);
    else
        text_of(c, all, &m->text);
    if (m->text.failed) {
        answer_failure(m, c, MS_ENOMEM, NULL);
        return;
    }
    static const struct http_header retry = { "Retry-After", "1" };
    bool wrong = first_wrong(all) != NULL;
    http_conn_answer(c->http,
                     &(struct http_answer){ .status = wrong ? 503 : 200,
                                            .content_type = json ? MEMBER_JSON_TYPE : "text/plain",
                                            .body = buf_bytes(&m->text),
                                            .headers = &retry,
                                            .header_count = wrong,
                                            .close = m->phase != MEMBER_RUNNING });
}

bool health_request(struct member *m, struct client *c, const struct http_route *route)
{
    struct checks all;
    c->probe = route->kind;
    c->verbose = route->verbose;
    look(m, c->probe, &all);
    if (c->probe != HTTP_ROUTE_LIVEZ && !first_wrong(&all)) return false;
    answer(m, c, &all);
    return true;
}

void health_answer(struct member *m, struct client *c, int read_status)
{
    struct checks all;
    bool good =
        read_status == 0 || read_status == MS_ENOTFOUND; /* whether there is such a key or not */
    look(m, c->probe, &all);
    add(&all, "read", good ? NULL : "a read could not be confirmed by a quorum in time");
    answer(m, c, &all);
}

void version_json(struct member *m, struct buf *out)
{
    struct json_write w;
    json_write_init(&w, out, 0);
    json_object_begin(&w);
    json_field_text(&w, "version", m->opts.version);
    json_field_text(&w, "commit", m->opts.commit);
    json_field_u64(&w, "peer_protocol", PEER_PROTOCOL_VERSION);
    json_object_end(&w);
    buf_append_u8(out, '\n');
}
