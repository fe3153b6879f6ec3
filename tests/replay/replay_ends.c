/* replay_ends.c: the other ends of the member's connections: plain sockets, which do what its peers and clients did in
 * its life, and compare what comes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "rt/rt_net_private.h"
#include "tests/replay/replay_private.h"

#define LAZY_ONE_IN 2u
#define SMALL_ONE_IN 4u
#define SMALL_BUFFER_BYTES 1 /* as small as the kernel lets it be: src/rt meets sockets that are full */
#define SMALL_SEGMENT_BYTES 256
#define READ_BYTES (64u << 10)
#define SLOT_MASK ((UINT64_C(1) << RT_CONN_SLOT_BITS) - 1)

static uint16_t closed_port;

/* ---- sockets ---- */

static struct sockaddr_in address(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons(port) };
}

static int socket_make(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MS_ASSERT(fd >= 0);
    return fd;
}

static uint16_t bind_any(int fd)
{
    struct sockaddr_in at = address(0);
    socklen_t len = sizeof at;
    int rv = bind(fd, (struct sockaddr *)&at, len);
    if (rv == 0) rv = getsockname(fd, (struct sockaddr *)&at, &len);
    MS_ASSERT(rv == 0);
    return ntohs(at.sin_port);
}

/* The socket stays bound and does not listen, as long as the process lives. */
void ends_begin(void)
{
    closed_port = bind_any(socket_make());
}

/* With segments that are smaller still: else the kernel waits for timers until a window is worth a segment. */
static void small_buffer(int fd)
{
    int bytes = SMALL_BUFFER_BYTES, segment = SMALL_SEGMENT_BYTES;
    int rv = setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (rv == 0) rv = setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    MS_ASSERT(rv == 0);
}

static void socket_ready(struct end *e, int fd)
{
    int one = 1;
    int rv = fcntl(fd, F_SETFL, O_NONBLOCK);
    if (rv == 0) rv = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    MS_ASSERT(rv == 0);
    e->fd = fd;
}

static void fd_close(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void reset(int *fd)
{
    struct linger none = { .l_onoff = 1 };
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    fd_close(fd);
}

/* src/rt's own socket takes little, too. */
static void shrink_theirs(const struct end *e)
{
    struct rt_net *n = &replay.host->net;
    uint64_t slot = e->real & SLOT_MASK;
    struct rt_conn *c = slot < n->slot_count ? n->slots[slot] : NULL;
    int bytes = SMALL_BUFFER_BYTES;
    if (c && c->number == e->real) uv_send_buffer_size((uv_handle_t *)&c->tcp, &bytes);
}

/* ---- the table ---- */

struct end *end_add(uint64_t conn)
{
    struct end *e = calloc(1, sizeof *e);
    MS_ASSERT(e != NULL);
    e->conn = conn;
    e->fd = e->listener = -1;
    e->lazy = ms_rand_below(&replay.rand, LAZY_ONE_IN) == 0;
    e->small = ms_rand_below(&replay.rand, SMALL_ONE_IN) == 0;
    e->breaks = END_FIN + (enum end_cut)ms_rand_below(&replay.rand, 3);
    replay.ends = replay_grow(replay.ends, replay.end_count, &replay.end_cap, sizeof(struct end *));
    replay.ends[replay.end_count++] = e;
    return e;
}

struct end *end_find(uint64_t conn)
{
    for (size_t i = replay.end_count; i > 0; i--) {
        if (replay.ends[i - 1]->conn == conn) return replay.ends[i - 1];
    }
    return NULL;
}

struct end *end_of(uint64_t conn)
{
    struct end *e = end_find(conn);
    if (!e || e->left) replay_fail("there is no connection %llu any more", (unsigned long long)conn);
    return e;
}

struct end *end_of_real(uint64_t real)
{
    for (size_t i = replay.end_count; i > 0; i--) {
        struct end *e = replay.ends[i - 1];
        if (e->real != real) continue;
        if (e->left || e->told)
            replay_fail("src/rt tells something of connection %llu behind its end (N2)",
                        (unsigned long long)e->conn);
        return e;
    }
    replay_fail("src/rt tells something of a connection that does not exist, or behind its end (N2)");
}

/* Nothing comes of it any more, and nothing is expected. */
static bool is_over(const struct end *e)
{
    return e->fd < 0 && e->listener < 0 && (e->left || e->told);
}

static void end_free(struct end *e)
{
    fd_close(&e->fd);
    fd_close(&e->listener);
    free(e->in);
    free(e->out);
    free(e);
}

static void forget_those_over(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < replay.end_count; i++) {
        if (is_over(replay.ends[i]))
            end_free(replay.ends[i]);
        else
            replay.ends[kept++] = replay.ends[i];
    }
    replay.end_count = kept;
}

/* By resets: many lives would leave more ports waiting than there are. */
void ends_close(void)
{
    for (size_t i = 0; i < replay.end_count; i++) {
        if (replay.ends[i]->fd >= 0) reset(&replay.ends[i]->fd);
        end_free(replay.ends[i]);
    }
    free(replay.ends);
    replay.ends = NULL;
    replay.end_count = replay.end_cap = 0;
}

/* ---- making connections ---- */

void end_connect(struct end *e, uint16_t port)
{
    struct sockaddr_in to = address(port);
    int fd = socket_make();
    if (e->small) small_buffer(fd);
    e->accepted = true;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        replay_fail("src/rt does not listen on port %u: %s", port, strerror(errno));
    socket_ready(e, fd);
}

/* Each dial has a listener of its own: so it is known whose connection has come. */
uint16_t end_listen(struct end *e)
{
    if (e->dial_fails) return closed_port;
    e->listener = socket_make();
    if (e->small) small_buffer(e->listener);
    uint16_t port = bind_any(e->listener);
    int rv = listen(e->listener, 1);
    MS_ASSERT(rv == 0);
    return port;
}

void end_take(struct end *e)
{
    struct pollfd come = { .fd = e->listener, .events = POLLIN };
    int fd = poll(&come, 1, (int)replay.opts->patience_ms) == 1 ? accept(e->listener, NULL, NULL) : -1;
    if (fd < 0) replay_fail("src/rt says that it has connected, and it has not");
    socket_ready(e, fd);
    fd_close(&e->listener);
    if (e->small) shrink_theirs(e);
}

/* ---- to the member ---- */

static void append(uint8_t **to, size_t *len, size_t *cap, const void *data, size_t more)
{
    if (*len + more > *cap) {
        *cap = 2 * (*len + more);
        *to = realloc(*to, *cap);
        MS_ASSERT(*to != NULL);
    }
    memcpy(*to + *len, data, more);
    *len += more;
}

void end_give(struct end *e, const uint8_t *data, size_t len)
{
    append(&e->in, &e->in_len, &e->in_cap, data, len);
}

static void pump_out(struct end *e)
{
    while (e->fd >= 0 && !e->left && e->broken == END_WHOLE && e->written < e->in_len) {
        ssize_t n = send(e->fd, e->in + e->written, e->in_len - e->written, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n < 0)
            replay_fail("src/rt has closed connection %llu: %s", (unsigned long long)e->conn,
                        strerror(errno));
        e->written += (size_t)n;
        replay_moved();
    }
}

void end_break(struct end *e)
{
    bool heard_all = e->received == e->out_len;
    if (e->broken != END_WHOLE || (!heard_all && e->breaks != END_RESET_NOW)) return;
    e->broken = e->breaks;
    if (e->broken == END_FIN) {
        shutdown(e->fd, SHUT_WR);
    } else {
        reset(&e->fd);
    }
    replay_moved();
}

/* ---- from the member ---- */

void end_sent(struct end *e, const void *data, size_t len)
{
    append(&e->out, &e->out_len, &e->out_cap, data, len);
    e->writable = e->told_writable = false; /* it is to be said of what comes now */
    if (e->small && e->accepted) shrink_theirs(e);
}

void end_left(struct end *e)
{
    e->left = true;
    fd_close(&e->listener);
}

/* Its reading has not to wait any longer. */
static bool reads(const struct end *e)
{
    const struct step *s = replay_next();
    bool wanted = s && s->conn == e->conn && (s->kind == STEP_WRITABLE || s->kind == STEP_CLOSED);
    return !s || wanted || !e->lazy || e->left || e->told;
}

/* src/rt has closed. */
static void finished(struct end *e)
{
    bool may = e->left || e->told || e->closed || replay.host->core_stopped;
    bool whole = e->left ? e->flush : e->broken == END_WHOLE;
    if (!may)
        replay_fail("src/rt has closed connection %llu, which nobody has asked for",
                    (unsigned long long)e->conn);
    if (whole ? e->received < e->out_len : e->left && e->received < e->least)
        replay_fail(
            "of %zu bytes sent on connection %llu %zu have arrived when src/rt closed it, %s (RP3)",
            e->out_len, (unsigned long long)e->conn, e->received,
            whole ? "and all were to" : "and more had left the member");
    fd_close(&e->fd);
    replay_moved();
}

static void pump_in(struct end *e)
{
    static uint8_t buffer[READ_BYTES];
    while (e->fd >= 0 && reads(e)) {
        ssize_t n = recv(e->fd, buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) {
            finished(e);
            return;
        }
        if ((size_t)n > e->out_len - e->received ||
            memcmp(e->out + e->received, buffer, (size_t)n) != 0)
            replay_fail("what arrives of connection %llu, %zd bytes behind %zu, is not what the member "
                        "has sent (RP3)",
                        (unsigned long long)e->conn, n, e->received);
        e->received += (size_t)n;
        replay.totals->bytes_out += (size_t)n;
        replay_moved();
    }
}

/* ---- all ---- */

void ends_pump(void)
{
    for (size_t i = 0; i < replay.end_count; i++) {
        pump_out(replay.ends[i]);
        pump_in(replay.ends[i]);
    }
    forget_those_over();
}

void ends_written(void)
{
    struct net *net = replay.below.net;
    for (size_t i = 0; i < replay.end_count; i++) {
        struct end *e = replay.ends[i];
        if (!e->left && e->turn_len < e->out_len && net->ops->queued(net, e->real) > 0)
            replay.totals->full++;
        e->turn_len = e->out_len;
    }
}

bool ends_settled(void)
{
    for (size_t i = 0; i < replay.end_count; i++) {
        const struct end *e = replay.ends[i];
        bool open = e->broken == END_WHOLE && !e->left;
        if (e->fd >= 0 && (!open || e->received < e->out_len)) return false;
    }
    return true;
}

void end_text(const struct end *e, char *out, size_t cap)
{
    snprintf(out, cap,
             "conn %llu (src/rt's %llx): given %zu, written %zu, heard %zu, taken %zu; sent %zu, "
             "received %zu;%s%s%s%s%s%s%s%s",
             (unsigned long long)e->conn, (unsigned long long)e->real, e->in_len, e->written, e->heard,
             e->taken, e->out_len, e->received, e->fd >= 0 ? " open" : "", e->dialed ? " dialed" : "",
             e->writable ? " writable" : "", e->closed ? " closed" : "", e->ended ? " ended" : "",
             e->left ? " left" : "", e->told ? " told" : "", e->lazy ? " lazy" : "");
}
