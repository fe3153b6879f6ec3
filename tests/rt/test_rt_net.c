/* test_rt_net.c: the real network keeps the promises of env/net.h (N1 to N3). One net talks to itself.
 */
#include <dirent.h>
#include <errno.h>
#ifdef __linux__
#include <linux/filter.h>
#endif
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ms_err.h"
#include "rt/rt_net_private.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

#define TAG 7
#define BULK_BYTES (8u << 20)
#define ROUNDS_MAX 20000
#define SHORT_LINGER_MS 500u
#define LONG_LINGER_MS 60000u /* what ends far sooner has not waited for it */

struct fixture {
    uv_loop_t loop;
    struct rt_net net;
    uint16_t port;
    /* what was reported */
    uint64_t accepted, dialed, closed, writable;
    uint32_t accepted_count, dialed_count, closed_count, writable_count;
    int dial_status, tag;
    uint64_t got_bytes, got_conn;
    uint8_t expect; /* bytes are a running count, modulo 251 */
    bool in_call;   /* of ours into the net: nothing may be reported */
    int threads_before;
};

static void on_accepted(void *ctx, uint64_t conn, int tag)
{
    struct fixture *f = ctx;
    CHECK(!f->in_call);
    f->accepted = conn;
    f->tag = tag;
    f->accepted_count++;
}

static void on_dialed(void *ctx, uint64_t conn, int status)
{
    struct fixture *f = ctx;
    CHECK(!f->in_call);
    f->dialed = conn;
    f->dial_status = status;
    f->dialed_count++;
}

static void on_bytes(void *ctx, uint64_t conn, struct bytes in)
{
    struct fixture *f = ctx;
    CHECK(!f->in_call && in.len > 0);
    f->got_conn = conn;
    f->got_bytes += in.len;
    for (size_t i = 0; i < in.len; i++) {
        CHECK_EQ(in.data[i], f->expect);
        f->expect = (uint8_t)((f->expect + 1) % 251);
    }
}

static void on_writable(void *ctx, uint64_t conn)
{
    struct fixture *f = ctx;
    CHECK(!f->in_call);
    CHECK_EQ(f->net.face.ops->queued(&f->net.face, conn), 0);
    f->writable = conn;
    f->writable_count++;
}

static void on_closed(void *ctx, uint64_t conn)
{
    struct fixture *f = ctx;
    CHECK(!f->in_call);
    f->closed = conn;
    f->closed_count++;
}

/* How many threads this process has; where no /proc tells, 1. */
static int thread_count(void)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;
    if (!dir) return 1;
    for (struct dirent *e; (e = readdir(dir));) count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void fixture_init(struct fixture *f, uint32_t conns_max)
{
    struct rt_net_events events = { .ctx = f,
                                    .accepted = on_accepted,
                                    .dialed = on_dialed,
                                    .bytes = on_bytes,
                                    .writable = on_writable,
                                    .closed = on_closed };
    union rt_addr at;
    char why[256] = "";
    memset(f, 0, sizeof *f);
    f->threads_before = thread_count();
    f->port = free_port();
    CHECK_EQ(uv_loop_init(&f->loop), 0);
    CHECK_EQ(rt_net_init(&f->net, &f->loop, &events, conns_max), 0);
    f->net.linger_ms = LONG_LINGER_MS;
    CHECK(rt_addr_parse("127.0.0.1", f->port, &at));
    CHECK_EQ(rt_net_listen(&f->net, &at, TAG, why, sizeof why), 0);
}

/* Look-ups are detached and outlive the net. As such a thread ends, the C library frees the resolver's
 * state of it, and that after the thread has left what LeakSanitizer looks at: a test that ended in
 * between was said to leak 28 bytes. */
static void fixture_fini(struct fixture *f)
{
    rt_net_stop(&f->net);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    CHECK_EQ(uv_loop_close(&f->loop), 0);
    rt_net_fini(&f->net);
    while (thread_count() > f->threads_before) usleep(1000);
}

static void turn(struct fixture *f)
{
    rt_net_flush(&f->net);
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

#define UNTIL(condition)                                                                               \
    do {                                                                                               \
        int rounds = 0;                                                                                \
        while (!(condition) && ++rounds < ROUNDS_MAX) {                                                \
            turn(&f);                                                                                  \
            if (rounds > 100) uv_sleep(1);                                                             \
        }                                                                                              \
        CHECK(condition);                                                                              \
    } while (0)

#define CALL(...)                                                                                      \
    do {                                                                                               \
        f.in_call = true;                                                                              \
        __VA_ARGS__;                                                                                   \
        f.in_call = false;                                                                             \
    } while (0)

static uint64_t connect_pair(struct fixture *fixture, const char *host)
{
#define f (*fixture)
    uint32_t dialed = f.dialed_count, accepted = f.accepted_count;
    uint64_t conn;
    CALL(conn = f.net.face.ops->dial(&f.net.face, host, f.port));
    UNTIL(f.dialed_count == dialed + 1 && f.accepted_count == accepted + 1);
    CHECK_EQ(f.dialed, conn);
    CHECK_EQ(f.dial_status, 0);
    CHECK_EQ(f.tag, TAG);
    return conn;
#undef f
}

static uint8_t *bulk_make(void)
{
    uint8_t *bulk = malloc(BULK_BYTES);
    CHECK(bulk != NULL);
    for (uint32_t i = 0; i < BULK_BYTES; i++) bulk[i] = (uint8_t)(i % 251);
    return bulk;
}

/* N1, N3: more than a socket takes at once arrives whole, and the sender learns that it has left. */
TEST(rt_net, bulk_arrives_in_order_whatever_the_reader_does)
{
    static struct fixture f;
    uint8_t *bulk = bulk_make();
    fixture_init(&f, 8);
    uint64_t conn = connect_pair(&f, "127.0.0.1"), other = f.accepted;
    struct net *n = &f.net.face;
    CALL(n->ops->pause(n, other, true));
    for (uint32_t at = 0; at < BULK_BYTES; at += 1u << 16)
        CALL(n->ops->send(n, conn, bulk + at, 1u << 16));
    CHECK_EQ(n->ops->queued(n, conn), BULK_BYTES);
    for (int i = 0; i < 50; i++) turn(&f);
    CHECK_EQ(f.got_bytes, 0); /* it reads nothing, so it stays with us */
    CHECK(n->ops->queued(n, conn) > 0);
    CHECK_EQ(f.writable_count, 0);
    CALL(n->ops->send(n, conn, bulk + BULK_BYTES % 251, 4)); /* behind what libuv has in hand */
    CALL(n->ops->pause(n, other, false));
    UNTIL(f.got_bytes == BULK_BYTES + 4 && f.writable_count > 0);
    CHECK_EQ(f.got_conn, other);
    CHECK_EQ(f.writable, conn);
    CHECK_EQ(n->ops->queued(n, conn), 0);
    fixture_fini(&f);
    free(bulk);
}

/* N2, and a close with flush: nothing of the answer is lost, also when input was left unread. */
TEST(rt_net, a_close_with_flush_loses_nothing)
{
    static struct fixture f;
    uint8_t *bulk = bulk_make();
    fixture_init(&f, 8);
    uint64_t conn = connect_pair(&f, "127.0.0.1"), other = f.accepted;
    struct net *n = &f.net.face;
    CALL(n->ops->pause(n, other, true));
    CALL(n->ops->send(n, conn, "unread", 6));
    turn(&f);
    CALL(n->ops->send(n, other, bulk, BULK_BYTES));
    CALL(n->ops->close(n, other, true));
    CHECK_EQ(n->ops->queued(n, other), 0); /* gone, as far as the core can see */
    uint64_t began = uv_hrtime();
    UNTIL(f.closed_count == 1);
    CHECK_EQ(f.closed, conn);
    CHECK_EQ(f.got_bytes, BULK_BYTES);
    UNTIL(f.net.conn_count == 0);
    CHECK((uv_hrtime() - began) / 1000000 <
          LONG_LINGER_MS / 2); /* each side hears the other's end at once */
    CHECK_EQ(f.closed_count, 1);
    fixture_fini(&f);
    free(bulk);
}

/* A client that has said all it wants to say (nc -N) still gets its answer. */
TEST(rt_net, a_half_closed_client_gets_the_rest)
{
    static struct fixture f;
    static uint8_t got[1u << 16];
    uint8_t *bulk = bulk_make();
    fixture_init(&f, 8);
    union rt_addr at;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(rt_addr_parse("127.0.0.1", f.port, &at));
    CHECK_EQ(connect(client, &at.any, sizeof at.v4), 0);
    UNTIL(f.accepted_count == 1);
    CALL(f.net.face.ops->send(&f.net.face, f.accepted, bulk, BULK_BYTES));
    CALL(f.net.face.ops->close(&f.net.face, f.accepted, true));
    turn(&f);
    CHECK_EQ(shutdown(client, SHUT_WR), 0);
    for (int i = 0; i < 20; i++) turn(&f);
    uint64_t sum = 0, began = uv_hrtime();
    ssize_t len = 1;
    while (len != 0) {
        turn(&f);
        len = recv(client, got, sizeof got, MSG_DONTWAIT);
        if (len < 0) CHECK_EQ(errno, EAGAIN);
        if (len > 0) CHECK_EQ(got[0], bulk[sum]);
        if (len > 0) sum += (uint64_t)len;
    }
    CHECK_EQ(sum, BULK_BYTES);
    UNTIL(f.net.conn_count == 0); /* both have said all: nothing to wait for */
    CHECK((uv_hrtime() - began) / 1000000 < LONG_LINGER_MS / 2);
    close(client);
    fixture_fini(&f);
    free(bulk);
}

static int connect_plainly(struct fixture *fixture)
{
    union rt_addr at;
    int bytes = 4096, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
    CHECK(rt_addr_parse("127.0.0.1", fixture->port, &at));
    CHECK_EQ(connect(client, &at.any, sizeof at.v4), 0);
    for (int i = 0; i < ROUNDS_MAX && fixture->accepted_count == 0; i++) turn(fixture);
    CHECK_EQ(fixture->accepted_count, 1);
    return client;
}

static void turn_for(struct fixture *fixture, uint64_t ms)
{
    uint64_t until = uv_hrtime() / 1000000 + ms;
    while (uv_hrtime() / 1000000 < until) {
        turn(fixture);
        uv_sleep(1);
    }
}

#ifdef __linux__
/* Who goes without a word acknowledges nothing; who does not read does, and may stay. */
TEST(rt_net, who_does_not_read_stays_and_who_is_gone_is_noticed)
{
    static struct fixture f;
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog deaf = { .len = 1, .filter = &nothing };
    for (int gone = 0; gone < 2; gone++) {
        uint8_t *bulk = bulk_make();
        fixture_init(&f, 8);
        f.net.unanswered_ms = 400;
        int client = connect_plainly(&f);
        if (!gone) CALL(f.net.face.ops->send(&f.net.face, f.accepted, bulk, BULK_BYTES));
        turn_for(&f, 2000);
        CHECK_EQ(f.closed_count, 0);
        CHECK_EQ(setsockopt(client, SOL_SOCKET, SO_ATTACH_FILTER, &deaf, sizeof deaf), 0);
        if (gone) CALL(f.net.face.ops->send(&f.net.face, f.accepted, "beat", 4));
        UNTIL(f.closed_count == 1);
        close(client);
        fixture_fini(&f);
        free(bulk);
    }
}
#endif

/* RN3: the other side never reads and never closes. */
TEST(rt_net, a_close_with_flush_has_a_bound)
{
    static struct fixture f;
    uint8_t *bulk = bulk_make();
    fixture_init(&f, 8);
    f.net.linger_ms = SHORT_LINGER_MS;
    uint64_t conn = connect_pair(&f, "127.0.0.1"), other = f.accepted;
    struct net *n = &f.net.face;
    CALL(n->ops->pause(n, conn, true));
    uint64_t began = uv_hrtime();
    CALL(n->ops->send(n, other, bulk, BULK_BYTES));
    CALL(n->ops->close(n, other, true));
    UNTIL(f.net.conn_count == 1);
    uint64_t took_ms = (uv_hrtime() - began) / 1000000;
    CHECK(took_ms + 100 >= SHORT_LINGER_MS && took_ms < LONG_LINGER_MS / 2);
    CALL(n->ops->close(n, conn, false));
    CHECK_EQ(f.closed_count, 0); /* N2: both were closed by us */
    fixture_fini(&f);
    free(bulk);
}

#ifdef __linux__
/* A host has two addresses, and nothing at all answers at the first: there the backlog is full, so that the system
 * tries for minutes. */
TEST(rt_net, an_address_that_does_not_answer_is_left_for_the_next)
{
    enum { WAITING = 3 };
    static struct fixture f;
    struct rt_addrs two = { .count = 2 };
    int waiting[WAITING], hole = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof two.list[0].v4;
    fixture_init(&f, 8);
    CHECK(rt_addr_parse("127.0.0.1", 0, &two.list[0]));
    CHECK(rt_addr_parse("127.0.0.1", f.port, &two.list[1]));
    CHECK_EQ(bind(hole, &two.list[0].any, len), 0);
    CHECK_EQ(listen(hole, 0), 0);
    CHECK_EQ(getsockname(hole, &two.list[0].any, &len), 0);
    for (int i = 0; i < WAITING; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(waiting[i], &two.list[0].any, len);
    }
    for (int dropped = 0; dropped < 2; dropped++) {
        uint32_t dialed = f.dialed_count;
        struct rt_conn *c = rt_conn_create(&f.net);
        uint64_t conn = c->number;
        c->state = RT_CONN_DIALING;
        c->dial = calloc(1, sizeof *c->dial);
        CALL(rt_conn_on_resolved(&f.net, conn, 0, &two));
        for (int i = 0; i < 20; i++) turn(&f);
        CHECK_EQ(f.dialed_count, dialed);
        if (dropped) {
            CALL(f.net.face.ops->close(&f.net.face, conn, false)); /* no word of it */
            UNTIL(f.net.conn_count == 2);
            continue;
        }
        UNTIL(f.dialed_count == 1 && f.accepted_count == 1);
        CHECK(f.dialed == conn && f.dial_status == 0);
    }
    for (int i = 0; i < WAITING; i++) close(waiting[i]);
    close(hole);
    fixture_fini(&f);
}
#endif

TEST(rt_net, dials_end_once_and_never_inside_the_call)
{
    static struct fixture f;
    fixture_init(&f, 8);
    struct net *n = &f.net.face;
    uint64_t conn, before = connect_pair(&f, "localhost"); /* perhaps ::1 first, where nobody listens */
    CALL(n->ops->close(n, before, false));
    UNTIL(f.closed_count == 1 && f.net.conn_count == 0);
    CALL(conn = n->ops->dial(n, "127.0.0.1", free_port())); /* nobody there */
    CHECK(conn != before);
    UNTIL(f.dialed_count == 2);
    CHECK(f.dialed == conn && f.dial_status == MS_EADDR);
    CALL(conn = n->ops->dial(n, "no-such-host.invalid", 1));
    UNTIL(f.dialed_count == 3);
    CHECK(f.dialed == conn && f.dial_status == MS_EADDR);
    CALL(conn = n->ops->dial(n, "255.255.255.255", 1)); /* refused by the kernel at once */
    UNTIL(f.dialed_count == 4);
    CHECK(f.dialed == conn && f.dial_status == MS_EADDR);
    CALL(conn = n->ops->dial(n, "127.0.0.1", f.port)); /* closed by us before it ended: no word */
    CALL(n->ops->close(n, conn, false));
    CALL(conn = n->ops->dial(n, "no-such-host.invalid", 1));
    CALL(n->ops->close(n, conn, true));
    UNTIL(f.net.conn_count == 0 && f.net.resolver.shared != NULL);
    for (int i = 0; i < 50; i++) turn(&f);
    CHECK_EQ(f.dialed_count, 4);
    CALL(n->ops->dial(n, "no-such-host.invalid", 1)); /* under way when all ends */
    fixture_fini(&f);
}

/* A name with several addresses: the first ones lead nowhere. */
TEST(rt_net, addresses_of_a_name_are_tried_in_order)
{
    static struct fixture f;
    fixture_init(&f, 8);
    struct rt_addrs addrs = { .count = 3 };
    struct net *n = &f.net.face;
    uint64_t conn;
    CHECK(rt_addr_parse("255.255.255.255", f.port, &addrs.list[0])); /* refused at once */
    CHECK(rt_addr_parse("127.0.0.1", free_port(), &addrs.list[1]));  /* refused later */
    CHECK(rt_addr_parse("127.0.0.1", f.port, &addrs.list[2]));
    CALL(conn = n->ops->dial(n, "no-such-host.invalid", 1));
    rt_conn_on_resolved(&f.net, conn, 0, &addrs);
    UNTIL(f.dialed_count == 1 && f.accepted_count == 1);
    CHECK(f.dialed == conn && f.dial_status == 0);
    CALL(n->ops->send(n, conn, "\0\1\2", 3));
    UNTIL(f.got_bytes == 3);
    addrs.count = 2;
    CALL(conn = n->ops->dial(n, "no-such-host.invalid", 1));
    rt_conn_on_resolved(&f.net, conn, 0, &addrs);
    UNTIL(f.dialed_count == 2);
    CHECK(f.dialed == conn && f.dial_status == MS_EADDR);
    CALL(conn = n->ops->dial(n, "no-such-host.invalid", 1));
    rt_conn_on_resolved(&f.net, conn, 0, &addrs);
    CALL(n->ops->close(n, conn, false)); /* between two of them */
    UNTIL(f.net.conn_count == 2);
    CHECK_EQ(f.dialed_count, 2);
    fixture_fini(&f);
}

TEST(rt_net, what_is_over_the_bound_is_closed_at_once)
{
    static struct fixture f;
    fixture_init(&f, 4);
    connect_pair(&f, "127.0.0.1");
    connect_pair(&f, "127.0.0.1");
    CALL(f.net.face.ops->dial(&f.net.face, "127.0.0.1", f.port)); /* ours are not counted as a danger */
    UNTIL(f.closed_count == 1);
    CHECK_EQ(f.accepted_count, 2);
    CHECK_EQ(f.dialed_count, 3);
    fixture_fini(&f);
}

/* However many come to another listener, who comes to this one has a place. */
TEST(rt_net, places_are_kept_for_a_listener)
{
    static struct fixture f;
    union rt_addr at;
    char why[256];
    uint16_t port = free_port();
    fixture_init(&f, 8);
    f.net.kept = 4;
    f.net.kept_tag = TAG + 1;
    CHECK(rt_addr_parse("127.0.0.1", port, &at));
    CHECK_EQ(rt_net_listen(&f.net, &at, TAG + 1, why, sizeof why), 0);
    connect_pair(&f, "127.0.0.1");
    connect_pair(&f, "127.0.0.1");
    CALL(f.net.face.ops->dial(&f.net.face, "127.0.0.1", f.port));
    UNTIL(f.closed_count == 1);
    CHECK_EQ(f.accepted_count, 2);
    CALL(f.net.face.ops->dial(&f.net.face, "127.0.0.1", port));
    UNTIL(f.accepted_count == 3);
    CHECK_EQ(f.tag, TAG + 1);
    fixture_fini(&f);
}

TEST(rt_net, listeners)
{
    static struct fixture f;
    union rt_addr at;
    char why[256];
    fixture_init(&f, 4);
    CHECK(rt_addr_parse("127.0.0.1", f.port, &at));
    CHECK_EQ(rt_net_listen(&f.net, &at, TAG, why, sizeof why), MS_EADDR);
    CHECK(strstr(why, "cannot listen on 127.0.0.1:") && strstr(why, "in use"));
    CHECK(rt_addr_parse("192.0.2.1", f.port, &at)); /* TEST-NET-1: none of ours */
    CHECK_EQ(rt_net_listen(&f.net, &at, TAG, why, sizeof why), MS_ENOTFOUND);
    rt_net_unlisten(&f.net, TAG + 1);
    CHECK_EQ(f.net.listener_count, 1);
    rt_net_unlisten(&f.net, TAG);
    CHECK_EQ(f.net.listener_count, 0);
    CHECK(rt_addr_parse("127.0.0.1", f.port, &at));
    CHECK_EQ(rt_net_listen(&f.net, &at, TAG, why, sizeof why), 0);
    CHECK(rt_addr_parse("::1", 80, &at));
    rt_addr_text(&at, why);
    CHECK(strcmp(why, "[::1]:80") == 0);
    fixture_fini(&f);
}
