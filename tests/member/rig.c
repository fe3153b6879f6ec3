#include "tests/member/rig.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the fake net --- */

static uint64_t net_dial(struct net *n, const char *host, uint16_t port)
{
    struct rig *r = (struct rig *)n;
    MS_ASSERT(r->conn_count + 1 < RIG_CONNS_MAX);
    struct rig_conn *c = &r->conns[++r->conn_count];
    *c = (struct rig_conn){ .open = true, .dialed = true, .port = port };
    snprintf(c->host, sizeof c->host, "%s", host);
    buf_init(&c->sent, &r->own.face, RIG_SENT_BYTES_MAX);
    return r->conn_count;
}

static void net_send(struct net *n, uint64_t conn, const void *data, size_t len)
{
    struct rig_conn *c = rig_conn((struct rig *)n, conn);
    MS_ASSERT(c->open && len > 0);
    buf_append(&c->sent, data, len);
    if (c->clogged) c->queued += len;
    c->sends++;
}

static size_t net_queued(struct net *n, uint64_t conn)
{
    struct rig_conn *c = rig_conn((struct rig *)n, conn);
    MS_ASSERT(c->open);
    return c->queued;
}

static void net_close(struct net *n, uint64_t conn, bool flush)
{
    struct rig_conn *c = rig_conn((struct rig *)n, conn);
    MS_ASSERT(c->open);
    c->open = false;
    c->flushed = flush;
}

static void net_pause(struct net *n, uint64_t conn, bool paused)
{
    struct rig_conn *c = rig_conn((struct rig *)n, conn);
    MS_ASSERT(c->open && c->paused != paused);
    c->paused = paused;
}

static const struct net_ops net_ops = {
    .dial = net_dial, .send = net_send, .queued = net_queued, .close = net_close, .pause = net_pause
};

/* --- the fake host --- */

static void host_stopped(void *ctx, int status, const char *reason)
{
    struct rig *r = ctx;
    MS_ASSERT(!r->stopped);
    r->stopped = true;
    r->stop_status = status;
    snprintf(r->stop_reason, sizeof r->stop_reason, "%s", reason);
}

static void host_answer(void *ctx, const struct node_answer *answer)
{
    struct rig *r = ctx;
    r->local_answers++;
    r->local_token = answer->token;
}

static void host_tap(void *ctx, bool out, uint64_t peer, uint8_t type, struct bytes body)
{
    struct rig *r = ctx;
    (void)peer, (void)type, (void)body;
    if (out)
        r->tapped_out++;
    else
        r->tapped_in++;
}

static void host_log(void *ctx, enum log_level level, const char *line)
{
    struct rig *r = ctx;
    (void)level;
    r->log_lines++;
    snprintf(r->log, sizeof r->log, "%s", line);
}

/* --- life --- */

void rig_template(uint32_t peers)
{
    fake_template = (struct node){ .deadline_ms = MS_TIME_NEVER, .quiet = true };
    fake_create_status = 0;
    for (uint32_t i = 0; i < peers; i++) {
        struct node_peer *p = &fake_template.peers[fake_template.peer_count++];
        p->id = i + 2;
        snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", 9000 + i + 2);
    }
}

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->net.ops = &net_ops;
    test_alloc_init(&r->alloc);
    test_alloc_init(&r->own);
    r->now = 1000;
    r->sink = (struct log_sink){ .ctx = r, .level = LOG_DEBUG, .write = host_log };
    member_opts_default(&r->opts);
    r->opts.node.seed = 7;
}

int rig_create(struct rig *r)
{
    char why[256] = "";
    struct member_env env = {
        .disk = &r->disk,
        .net = &r->net,
        .alloc = &r->alloc.face,
        .log = &r->sink,
        .host = { .ctx = r, .stopped = host_stopped, .answer = host_answer, .tap = host_tap }
    };
    int rv = member_create(&r->m, &r->opts, NULL, &env, r->now, why, sizeof why);
    if (rv < 0) CHECK(why[0] != 0 || rv == MS_ENOMEM);
    return rv;
}

void rig_start(struct rig *r, uint32_t peers)
{
    rig_template(peers);
    rig_init(r);
    CHECK_EQ(rig_create(r), 0);
    rig_turn(r);
}

void rig_end(struct rig *r)
{
    if (r->m) member_destroy(r->m);
    CHECK_EQ(r->alloc.alive, 0);
    for (uint64_t i = 1; i <= r->conn_count; i++) buf_fini(&r->conns[i].sent);
    CHECK_EQ(r->own.alive, 0);
}

/* --- inputs --- */

struct node *rig_node(struct rig *r)
{
    return r->m->node;
}

void rig_turn(struct rig *r)
{
    member_flush(r->m, r->now);
}

void rig_advance(struct rig *r, uint64_t ms)
{
    uint64_t end = r->now + ms;
    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t at = member_deadline_ms(r->m);
        if (at > end) break;
        if (at > r->now) r->now = at;
        member_on_tick(r->m, r->now);
        rig_turn(r);
        CHECK(i < 9999); /* a deadline that does not go away */
    }
    r->now = end;
    member_on_tick(r->m, r->now);
    rig_turn(r);
}

uint64_t rig_accept(struct rig *r, enum member_listener listener)
{
    CHECK(r->conn_count + 1 < RIG_CONNS_MAX);
    struct rig_conn *c = &r->conns[++r->conn_count];
    *c = (struct rig_conn){ .open = true };
    buf_init(&c->sent, &r->own.face, RIG_SENT_BYTES_MAX);
    member_on_accept(r->m, r->now, r->conn_count, listener);
    rig_turn(r);
    return r->conn_count;
}

void rig_bytes(struct rig *r, uint64_t conn, const void *data, size_t len)
{
    CHECK(rig_conn(r, conn)->open);
    member_on_bytes(r->m, r->now, conn, bytes_of(data, len));
    rig_turn(r);
}

void rig_text(struct rig *r, uint64_t conn, const char *text)
{
    rig_bytes(r, conn, text, strlen(text));
}

void rig_closed(struct rig *r, uint64_t conn)
{
    CHECK(rig_conn(r, conn)->open);
    rig_conn(r, conn)->open = false;
    member_on_closed(r->m, r->now, conn);
    rig_turn(r);
}

/* --- what is seen --- */

struct rig_conn *rig_conn(struct rig *r, uint64_t conn)
{
    MS_ASSERT(conn >= 1 && conn <= r->conn_count);
    return &r->conns[conn];
}

const char *rig_said(struct rig *r, uint64_t conn)
{
    struct rig_conn *c = rig_conn(r, conn);
    buf_append_u8(&c->sent, 0);
    c->sent.len--;
    const char *said = (const char *)c->sent.data + c->seen;
    c->seen = c->sent.len;
    return said;
}

uint64_t rig_dial_of(struct rig *r, uint64_t peer)
{
    for (uint64_t i = r->conn_count; i >= 1; i--) {
        if (r->conns[i].dialed && r->conns[i].port == 9000 + peer) return i;
    }
    return 0;
}

static struct http_hello hello_of(uint64_t from, uint64_t to)
{
    struct http_hello h = { .version_min = PEER_PROTOCOL_VERSION,
                            .version_max = PEER_PROTOCOL_VERSION,
                            .member_id = from,
                            .to_id = to };
    snprintf(h.url, sizeof h.url, "http://127.0.0.1:%u", (unsigned)(9000 + from));
    return h;
}

const struct fake_request *rig_newest(struct rig *r)
{
    const struct node *n = rig_node(r);
    CHECK(n->request_count > 0);
    return &n->requests[n->request_count - 1];
}

void rig_request(struct rig *r, uint64_t conn, const char *line, const char *headers, const char *body)
{
    char text[2048], length[64] = "";
    if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    int len = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n%s%s\r\n%s", line, headers, length,
                       body ? body : "");
    CHECK(len > 0 && (size_t)len < sizeof text);
    rig_node(r)->request_count = 0;
    rig_text(r, conn, text);
}

bool rig_says(struct rig *r, uint64_t conn, int status, const char *text)
{
    char begin[32];
    const char *said = rig_said(r, conn);
    snprintf(begin, sizeof begin, "HTTP/1.1 %d ", status);
    bool good = strncmp(said, begin, strlen(begin)) == 0 && strstr(said, text) &&
                (strstr(said, "\r\nRetry-After: ") != NULL) == (status == 503);
    if (!good) fprintf(stderr, "wanted %d and '%s', got: %s\n", status, text, said);
    return good;
}

void rig_hello(struct buf *out, uint64_t from, uint64_t to)
{
    struct http_hello h = hello_of(from, to);
    http_hello_request(out, "127.0.0.1", 9001, &h);
}

/* With the real encoder: a connection of our own reads a hello and answers it. */
static void answer_hello(struct rig *r, uint64_t conn, const struct http_hello *ours, bool removed)
{
    struct http_conn_opts opts = { .body_bytes_max = 100 };
    struct http_conn *c;
    struct buf hello;
    buf_init(&hello, &r->own.face, 4096);
    rig_hello(&hello, ours->to_id, ours->member_id);
    CHECK_EQ(http_conn_create(&c, &opts, &r->own.face), 0);
    CHECK_EQ(http_conn_input(c, buf_bytes(&hello)), 0);
    CHECK_EQ(http_conn_next(c), HTTP_REQUEST);
    if (removed)
        http_hello_removed(c, ours, bytes_of_str("you were removed\n"));
    else
        http_hello_accept(c, ours);
    rig_bytes(r, conn, http_conn_output(c)->data, http_conn_output(c)->len);
    http_conn_destroy(c);
    buf_fini(&hello);
}

void rig_answer_hello(struct rig *r, uint64_t conn, uint64_t from)
{
    struct http_hello ours = hello_of(from, 1);
    answer_hello(r, conn, &ours, false);
}

void rig_answer_removed(struct rig *r, uint64_t conn, uint64_t from, uint64_t to, uint8_t cluster)
{
    struct http_hello ours = hello_of(from, to);
    ours.cluster_uuid[0] = cluster;
    answer_hello(r, conn, &ours, true);
}

void rig_link_up(struct rig *r, uint64_t peer)
{
    uint64_t conn = rig_dial_of(r, peer);
    CHECK(conn != 0 && rig_conn(r, conn)->open);
    member_on_dialed(r->m, r->now, conn, 0);
    rig_turn(r);
    rig_answer_hello(r, conn, peer);
    rig_said(r, conn);
}

void rig_answer_stream(struct rig *r, uint64_t conn, uint64_t from)
{
    struct http_hello ours = hello_of(from, 1);
    ours.snapshots = true;
    answer_hello(r, conn, &ours, false);
}

static uint64_t peer_says(struct rig *r, uint64_t id, bool snapshots)
{
    struct buf hello;
    struct http_hello theirs = hello_of(id, 1);
    uint64_t conn = rig_accept(r, MEMBER_LISTENER_PEER);
    theirs.snapshots = snapshots;
    buf_init(&hello, &r->own.face, 4096);
    http_hello_request(&hello, "127.0.0.1", 9001, &theirs);
    rig_bytes(r, conn, hello.data, hello.len);
    buf_fini(&hello);
    const char *said = rig_said(r, conn);
    CHECK(strncmp(said, "HTTP/1.1 101 ", 13) == 0);
    CHECK_EQ(strstr(said, "Metastore-Stream: snapshot\r\n") != NULL, snapshots);
    return conn;
}

uint64_t rig_peer(struct rig *r, uint64_t id)
{
    return peer_says(r, id, false);
}

uint64_t rig_peer_stream(struct rig *r, uint64_t id)
{
    return peer_says(r, id, true);
}
