/* member_accept.c: connections that peers dialed, on which this member hears and, behind its hello,
 * never says anything. Nothing is heard before the hello was judged (M3). Of one peer the newest
 * connection of each kind counts (frames, or a snapshot): an older one belongs to an earlier life of
 * it, or to a network path that died silently. */
#include <stdio.h>

#include "member/member_private.h"

#define PEER_BODY_BYTES_MAX                                                                            \
    1024u /* a hello has no body; a stray request gets its answer all the same */

static void peer_free(struct member *m, struct peer *p)
{
    ms_list_remove(&p->timer.node);
    if (p->http) http_conn_destroy(p->http);
    buf_fini(&p->in);
    if (p->prev)
        p->prev->next = p->next;
    else
        m->peers = p->next;
    if (p->next) p->next->prev = p->prev;
    m->peer_count--;
    ms_free(m->env.alloc, p);
}

static void peer_close(struct member *m, struct peer *p, bool flush)
{
    conn_table_remove(&m->table, p->conn.number);
    member_net_close(m, p->conn.number, flush);
    peer_free(m, p);
}

static struct peer *peer_create(struct member *m, uint64_t number)
{
    struct http_conn_opts opts = { .body_bytes_max = PEER_BODY_BYTES_MAX };
    struct peer *p = ms_alloc_zeroed(m->env.alloc, sizeof *p);
    if (!p) return NULL;
    p->conn = (struct conn){ .number = number, .kind = CONN_PEER };
    buf_init(&p->in, m->env.alloc, FRAME_HEADER_BYTES + NET_FRAME_BYTES_MAX);
    if (http_conn_create(&p->http, &opts, m->env.alloc) < 0) goto fail_http;
    if (conn_table_add(&m->table, &p->conn) < 0) goto fail_table;
    p->next = m->peers;
    if (p->next) p->next->prev = p;
    m->peers = p;
    m->peer_count++;
    return p;
fail_table:
    http_conn_destroy(p->http);
fail_http:
    ms_free(m->env.alloc, p);
    return NULL;
}

void peer_accept(struct member *m, uint64_t conn)
{
    struct peer *p = m->peer_count < PEER_CONNS_MAX ? peer_create(m, conn) : NULL;
    if (!p) {
        member_refuse(m, conn, 503, true, "too many connections of peers; try again");
        return;
    }
    member_timer_set(&m->handshakes, &p->timer, m->now_ms + m->opts.dial_ms_max);
}

/* --- the hello --- */

static void peer_send_output(struct member *m, struct peer *p)
{
    const struct buf *out = http_conn_output(p->http);
    if (out->len) member_net_send(m, p->conn.number, out->data, out->len);
    http_conn_sent(p->http);
}

static void note_refusal(struct member *m, int status, const char *why)
{
    m->counters.hellos_refused++;
    if (m->now_ms < m->refusal_log_ms) return;
    m->refusal_log_ms = m->now_ms + MEMBER_COMPLAIN_MS;
    log_line(
        m->env.log, LOG_WARN,
        "refused a connection on the peer port (%d): %s; more of these are only counted for a minute",
        status, why);
}

/* One line for the peer, one for our own log (rarely), and the end of this connection. caller: who was
 * removed, with 410; it believes that only from a member that says who it is. */
static void peer_refuse(struct member *m, struct peer *p, int status, uint64_t caller, const char *why)
{
    const struct http_header headers[] = { { "Upgrade", PEER_UPGRADE } };
    char line[MEMBER_WHY_BYTES + 2];
    int len = snprintf(line, sizeof line, "%s\n", why);
    struct http_answer a = { .status = status,
                             .content_type = "text/plain",
                             .close = true,
                             .headers = headers,
                             .header_count = status == 426,
                             .body = bytes_of(line, (size_t)len) };
    note_refusal(m, status, why);
    if (status == 410) {
        struct http_hello ours;
        member_hello(m, &ours, caller);
        http_hello_removed(p->http, &ours, a.body);
    } else {
        http_conn_answer(p->http, &a);
    }
    peer_send_output(m, p);
    peer_close(m, p, true);
}

/* What is wrong with the hello; 0: nothing. */
static int hello_status(struct member *m, const struct http_hello *h, char *why, size_t why_cap)
{
    struct node_identity peer = { .member_id = h->member_id, .added_index = h->added_index };
    uint64_t self = m->opts.node.id;
    memcpy(peer.cluster_uuid, h->cluster_uuid, sizeof peer.cluster_uuid);
    memcpy(peer.nonce, h->nonce, sizeof peer.nonce);
    memcpy(peer.url, h->url, sizeof peer.url);
    if (h->version_min > PEER_PROTOCOL_VERSION || h->version_max < PEER_PROTOCOL_VERSION) {
        snprintf(why, why_cap,
                 "this member speaks version %u of the peer protocol, the caller %u to %u",
                 PEER_PROTOCOL_VERSION, h->version_min, h->version_max);
        return 426;
    }
    if (h->to_id != self || h->member_id == self) {
        snprintf(why, why_cap, "this is member %llu; the caller says it is %llu and looks for %llu",
                 (unsigned long long)self, (unsigned long long)h->member_id,
                 (unsigned long long)h->to_id);
        return 421;
    }
    int rv = node_judge_peer(m->node, m->now_ms, &peer, why, why_cap);
    if (rv == 0) return 0;
    return rv == MS_EREMOVED ? 410 : 403;
}

static void replace_older(struct member *m, const struct peer *newer)
{
    for (struct peer *p = m->peers, *next; p; p = next) {
        next = p->next;
        if (p == newer || p->peer_id != newer->peer_id || p->is_stream != newer->is_stream) continue;
        peer_close(m, p, false);
    }
}

/* True: it is a peer from now on. */
static bool peer_welcome(struct member *m, struct peer *p, const struct http_hello *theirs)
{
    struct http_hello ours;
    member_hello(m, &ours, theirs->member_id);
    ours.snapshots = theirs->snapshots;
    http_hello_accept(p->http, &ours);
    if (http_conn_output(p->http)->len == 0) { /* no memory for it */
        peer_close(m, p, false);
        return false;
    }
    peer_send_output(m, p);
    http_conn_take_rest(p->http, &p->in);
    http_conn_destroy(p->http);
    p->http = NULL;
    if (p->in.failed) {
        peer_close(m, p, false);
        return false;
    }
    ms_list_remove(&p->timer.node);
    p->peer_id = theirs->member_id;
    p->is_stream = theirs->snapshots;
    replace_older(m, p);
    links_hint(m, p->peer_id);
    return true;
}

/* A request has arrived. True: it was a hello and p is a peer; false: p is gone. */
static bool peer_judge(struct member *m, struct peer *p)
{
    struct http_hello hello;
    char why[MEMBER_WHY_BYTES] = "";
    const char *missing = NULL;
    if (http_conn_request(p->http)->upgrade.len == 0) {
        snprintf(why, sizeof why,
                 "this port is for the peers of member %llu; clients use the port of "
                 "--port",
                 (unsigned long long)m->opts.node.id);
        peer_refuse(m, p, 426, 0, why);
        return false;
    }
    if (http_hello_from_request(p->http, &hello, &missing) < 0) {
        peer_refuse(m, p, 400, 0, missing ? missing : "this is no hello of a member");
        return false;
    }
    int status = hello_status(m, &hello, why, sizeof why);
    if (status == 0) return peer_welcome(m, p, &hello);
    peer_refuse(m, p, status, hello.member_id, why);
    return false;
}

/* --- frames --- */

/* MS_EPROTO: it belongs on another connection. */
static int peer_frame(struct member *m, const struct peer *p, const struct frame *f)
{
    if (node_frame_is_of_stream(f->type) != p->is_stream) return MS_EPROTO;
    if (m->env.host.tap) m->env.host.tap(m->env.host.ctx, false, p->peer_id, f->type, f->body);
    node_on_frame(m->node, m->now_ms, p->peer_id, f->type, f->body);
    return 0;
}

/* All whole frames of in. 0: all of it is used up, or what is left is the begin of a frame. */
static int peer_frames(struct member *m, const struct peer *p, struct bytes_reader *in)
{
    for (;;) { /* ends: each round takes at least a header from in */
        struct frame f;
        int rv = frame_decode(in, &f);
        if (rv == MS_ESHORT) return 0;
        if (rv == 0) rv = peer_frame(m, p, &f);
        if (rv < 0) return rv;
    }
}

/* How many bytes are missing to the frame that p->in begins, or to its header. */
static size_t frame_missing(const struct buf *in)
{
    size_t need = FRAME_HEADER_BYTES;
    if (in->len >= FRAME_HEADER_BYTES) need += bytes_load_u32(in->data);
    return need - in->len;
}

static void peer_buffer_shrink(struct peer *p)
{
    buf_clear(&p->in);
    if (p->in.cap > PEER_INPUT_KEPT_BYTES) buf_fini(&p->in);
}

/* Complete the frame that an earlier piece began. MS_ESHORT: it is still unfinished. */
static int peer_complete(struct member *m, struct peer *p, struct bytes_reader *in)
{
    struct bytes piece;
    while (p->in.len > 0) {
        size_t more = frame_missing(&p->in), left = bytes_reader_left(in);
        if (more > left) more = left;
        bytes_read_span(in, more, &piece);
        buf_append(&p->in, piece.data, piece.len);
        if (p->in.failed) return MS_ENOMEM;
        struct bytes_reader whole = bytes_reader_of(buf_bytes(&p->in));
        int rv = peer_frames(m, p, &whole);
        if (rv < 0) return rv;
        if (whole.at == whole.len)
            peer_buffer_shrink(p);
        else if (bytes_reader_left(in) == 0)
            return MS_ESHORT;
    }
    return 0;
}

static int peer_hear(struct member *m, struct peer *p, struct bytes in)
{
    struct bytes_reader r = bytes_reader_of(in);
    int rv = peer_complete(m, p, &r);
    if (rv < 0) return rv == MS_ESHORT ? 0 : rv;
    rv = peer_frames(m, p, &r);
    if (rv < 0) return rv;
    buf_append(&p->in, r.data + r.at, bytes_reader_left(&r));
    return p->in.failed ? MS_ENOMEM : 0;
}

static void peer_on_frames(struct member *m, struct peer *p, struct bytes in)
{
    int rv = peer_hear(m, p, in);
    if (rv == 0) return;
    if (rv == MS_ECORRUPT) m->counters.frames_corrupt++;
    log_line(m->env.log, LOG_WARN, "connection from member %llu closed: %s",
             (unsigned long long)p->peer_id, rv == MS_ECORRUPT ? "a damaged frame" : ms_err_text(rv));
    peer_close(m, p, false);
}

void peer_on_bytes(struct member *m, struct peer *p, struct bytes in)
{
    m->measure.peer_received_bytes += in.len;
    if (!p->http) {
        peer_on_frames(m, p, in);
        return;
    }
    if (http_conn_input(p->http, in) < 0) {
        peer_close(m, p, false);
        return;
    }
    int event = http_conn_next(p->http);
    if (event == HTTP_REQUEST) {
        if (!peer_judge(m, p)) return;
        /* Frames that came with the hello wait in p->in as if a piece of a frame had come. */
        struct buf rest = p->in;
        buf_init(&p->in, m->env.alloc, rest.max);
        peer_on_frames(m, p, buf_bytes(&rest));
        buf_fini(&rest);
        return;
    }
    peer_send_output(m, p);
    if (event != HTTP_NEED_MORE) peer_close(m, p, event > 0);
}

void peer_on_closed(struct member *m, struct peer *p)
{
    conn_table_remove(&m->table, p->conn.number);
    peer_free(m, p);
}

/* --- all of them --- */

void peers_tick(struct member *m)
{
    struct ms_list *node;
    while ((node = ms_list_first(&m->handshakes))) {
        struct peer *p = MS_LIST_OF(node, struct peer, timer.node);
        if (m->now_ms < p->timer.at_ms) break;
        peer_close(m, p, false);
    }
}

/* Whom the node lets in it lists. Who is not listed, or no more, cannot be answered: it dials again, says
 * hello, and is listed again, or hears that it was removed. That goes for one that was never listed as
 * well: in the turn in which it came another may have taken its place among the node's guests. */
void peers_sync(struct member *m)
{
    for (struct peer *p = m->peers, *next; p; p = next) {
        next = p->next;
        if (!p->http && !links_find(m, p->peer_id)) peer_close(m, p, false);
    }
}

void peers_close(struct member *m)
{
    while (m->peers) peer_close(m, m->peers, true);
}

void peers_fini(struct member *m)
{
    while (m->peers) peer_free(m, m->peers);
}
