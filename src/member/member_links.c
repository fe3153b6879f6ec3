/* member_links.c: the connections this member dials, one to each peer, on which it sends and never
 * hears; and what a stream (member_stream.c) does as they do. idle -> dialing -> hello -> up; whatever
 * goes wrong leads back to idle, and from there again after a back-off that doubles from redial_ms_min
 * to redial_ms_max, with jitter, so that members that lost each other at the same moment do not meet
 * again at the same moment.
 *
 * A link that had been up is dialed at once when it closes: mostly the process behind it was restarted.
 * Once only until it has been up for LINK_SETTLED_MS again, or a peer that closes what it accepts would
 * be dialed without end. */
#include <stdarg.h>
#include <stdio.h>

#include "member/member_private.h"

static uint64_t backoff_first(const struct member *m)
{
    return ms_time_min(2 * (uint64_t)m->opts.redial_ms_min, m->opts.redial_ms_max);
}

static bool link_is_open(const struct link *l)
{
    return l->state != LINK_IDLE;
}

static struct link *link_of(const struct member *m, uint64_t peer_id)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        if (m->links[i]->peer_id == peer_id) return m->links[i];
    }
    return NULL;
}

/* One complaint of a kind about a peer, whichever of its connections it is about. A refusal is a kind
 * of its own: that it could not be reached before must not hide what it says now. */
static bool may_complain(struct member *m, struct link *l, bool refused)
{
    if (l->is_stream) l = link_of(m, l->peer_id);
    if (!l) return false;
    uint64_t *not_before = refused ? &l->complain_refused_ms : &l->complain_ms;
    if (m->now_ms < *not_before) return false;
    *not_before = m->now_ms + MEMBER_COMPLAIN_MS;
    return true;
}

const struct link *links_find(const struct member *m, uint64_t peer_id)
{
    return link_of(m, peer_id);
}

/* --- dialing and giving up --- */

/* Wait before the next attempt; the wait is between half the back-off and all of it. */
static void link_wait(struct member *m, struct link *l)
{
    l->state = LINK_IDLE;
    l->at_ms = m->now_ms + ms_rand_between(&m->rand, l->backoff_ms / 2, l->backoff_ms);
    l->backoff_ms = ms_time_min(2 * l->backoff_ms, m->opts.redial_ms_max);
}

void link_dial(struct member *m, struct link *l)
{
    l->conn.number = m->env.net->ops->dial(m->env.net, l->host, l->port);
    if (conn_table_add(&m->table, &l->conn) < 0) {
        member_net_close(m, l->conn.number, false);
        if (l->is_stream)
            stream_ended(m, l);
        else
            link_wait(m, l);
        return;
    }
    buf_clear(&l->in);
    buf_clear(&l->out);
    l->sent_bytes = l->stall_drained = 0;
    l->stall_ms = MS_TIME_NEVER;
    l->state = LINK_DIALING;
    l->at_ms = m->now_ms + m->opts.dial_ms_max;
}

/* The peer has just said a good hello to us, so it is there: no need to wait for the back-off. How
 * often that happens is bounded by its own. */
void links_hint(struct member *m, uint64_t peer_id)
{
    struct link *l = link_of(m, peer_id);
    if (!l || l->state != LINK_IDLE || l->at_ms == MS_TIME_NEVER) return;
    l->backoff_ms = backoff_first(m);
    link_dial(m, l);
}

/* The connection has ended, by whomever; the table knows it no longer. */
static void link_ended(struct member *m, struct link *l)
{
    if (l->is_stream) { /* dialed again by who wants it */
        stream_ended(m, l);
        return;
    }
    bool was_up = l->state == LINK_UP;
    bool settled = was_up && m->now_ms - l->at_ms >= LINK_SETTLED_MS;
    buf_fini(&l->in);
    buf_fini(&l->out);
    l->state = LINK_IDLE;
    if (settled) {
        l->redialed = false;
        l->backoff_ms = backoff_first(m);
        l->complain_ms = l->complain_refused_ms = 0;
    }
    if (was_up) node_on_link(m->node, m->now_ms, l->peer_id, false);
    if (was_up && !l->redialed) {
        l->redialed = true;
        link_dial(m, l);
    } else {
        link_wait(m, l);
    }
}

static void link_give_up(struct member *m, struct link *l)
{
    MS_ASSERT(link_is_open(l));
    conn_table_remove(&m->table, l->conn.number);
    member_net_close(m, l->conn.number, false);
    link_ended(m, l);
}

/* It cannot work until somebody changes something: ask rarely. */
static void link_refuse(struct member *m, struct link *l, const char *why)
{
    snprintf(l->why, sizeof l->why, "%s", why);
    if (may_complain(m, l, true)) {
        log_line(m->env.log, LOG_WARN, "no link to member %llu at %s: %s",
                 (unsigned long long)l->peer_id, l->url, why);
    }
    l->backoff_ms = m->opts.redial_ms_max;
    link_give_up(m, l);
}

/* --- sending --- */

static void link_watch_queue(struct member *m, struct link *l)
{
    if (l->stall_ms != MS_TIME_NEVER) return;
    size_t queued = member_net_queued(m, l->conn.number);
    if (queued == 0) return;
    l->stall_ms = m->now_ms + LINK_STALL_MS;
    l->stall_drained = l->sent_bytes - queued;
}

static void link_put(struct member *m, struct link *l, const void *data, size_t len)
{
    member_net_send(m, l->conn.number, data, len);
    m->measure.peer_sent_bytes += len;
    l->sent_bytes += len;
}

void link_push(struct member *m, struct link *l)
{
    if (l->out.len) link_put(m, l, l->out.data, l->out.len);
    buf_clear(&l->out);
}

bool link_send(struct member *m, struct link *l, uint8_t type, struct bytes body)
{
    uint8_t header[FRAME_HEADER_BYTES];
    bool copy = body.len <= LINK_COPY_BYTES_MAX;
    size_t more = FRAME_HEADER_BYTES + (copy ? body.len : 0);
    if (l->out.len + more > LINK_OUT_BYTES_MAX) link_push(m, l);
    if (!buf_reserve(&l->out, more)) {
        link_push(m, l);
        return false;
    }
    frame_header(header, type, body);
    buf_append(&l->out, header, sizeof header);
    if (copy) {
        buf_append(&l->out, body.data, body.len);
    } else {
        link_push(m, l);
        link_put(m, l, body.data, body.len);
    }
    if (m->env.host.tap) m->env.host.tap(m->env.host.ctx, true, l->peer_id, type, body);
    return true;
}

bool links_send(struct member *m, uint64_t to, uint8_t type, struct bytes body)
{
    struct link *l = link_of(m, to);
    MS_ASSERT(!node_frame_is_of_stream(type));
    if (!l || l->state != LINK_UP) return false;
    bool room = member_net_queued(m, l->conn.number) + l->out.len < PEER_QUEUE_BYTES_MAX;
    if (room && link_send(m, l, type, body)) return true;
    m->counters.frames_dropped++;
    return false;
}

void link_flush(struct member *m, struct link *l)
{
    link_push(m, l);
    link_watch_queue(m, l);
}

void links_flush(struct member *m)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        if (m->links[i]->state == LINK_UP) link_flush(m, m->links[i]);
    }
}

/* --- the handshake --- */

void link_on_dialed(struct member *m, struct link *l, int status)
{
    struct http_hello hello;
    if (l->state != LINK_DIALING) return;
    if (status < 0) {
        if (may_complain(m, l, false)) {
            log_line(m->env.log, LOG_INFO, "cannot reach member %llu at %s (%s); trying on",
                     (unsigned long long)l->peer_id, l->url, ms_err_text(status));
        }
        conn_table_remove(&m->table, l->conn.number);
        link_ended(m, l);
        return;
    }
    member_hello(m, &hello, l->peer_id);
    hello.snapshots = l->is_stream;
    http_hello_request(&l->out, l->host, l->port, &hello);
    if (l->out.failed) {
        link_give_up(m, l);
        return;
    }
    link_push(m, l);
    l->state = LINK_HELLO;
}

static const char *link_kind(const struct link *l)
{
    return l->is_stream ? "stream of a snapshot" : "link";
}

static void link_up(struct member *m, struct link *l)
{
    l->why[0] = 0;
    l->state = LINK_UP;
    l->at_ms = m->now_ms;
    buf_fini(&l->in);
    log_line(m->env.log, LOG_INFO, "%s to member %llu at %s is up", link_kind(l),
             (unsigned long long)l->peer_id, l->url);
    if (!l->is_stream)
        node_on_link(m->node, m->now_ms, l->peer_id, true);
    else if (!l->unwanted)
        node_on_stream(m->node, m->now_ms, l->peer_id, true);
}

static void link_judge(struct member *m, struct link *l, const struct http_hello *h)
{
    struct node_identity peer = { .member_id = h->member_id, .added_index = h->added_index };
    char why[MEMBER_WHY_BYTES] = "";
    memcpy(peer.cluster_uuid, h->cluster_uuid, sizeof peer.cluster_uuid);
    memcpy(peer.nonce, h->nonce, sizeof peer.nonce);
    memcpy(peer.url, h->url, sizeof peer.url);
    if (h->member_id != l->peer_id || h->to_id != m->opts.node.id) {
        snprintf(why, sizeof why, "member %llu answers there, and it takes this one for member %llu",
                 (unsigned long long)h->member_id, (unsigned long long)h->to_id);
        link_refuse(m, l, why);
    } else if (h->version_min > PEER_PROTOCOL_VERSION || h->version_max < PEER_PROTOCOL_VERSION) {
        snprintf(why, sizeof why, "it speaks versions %u to %u of the peer protocol, this one %u",
                 h->version_min, h->version_max, PEER_PROTOCOL_VERSION);
        link_refuse(m, l, why);
    } else if (h->snapshots != l->is_stream) {
        link_refuse(m, l, "it takes the connection for another kind than it is");
    } else if (node_judge_peer(m->node, m->now_ms, &peer, why, sizeof why) < 0) {
        link_refuse(m, l, why);
    } else {
        link_up(m, l);
    }
}

/* Is this for us to believe? Another cluster's member, or another one of ours, on an address that was
 * reused, has nothing to say about us; while we know no cluster (zeros) we are removed from none. */
static bool removes_us(const struct member *m, const struct link *l, const struct http_hello_answer *a)
{
    struct node_identity self;
    if (!a->removed || a->member_id != l->peer_id || a->to_id != m->opts.node.id) return false;
    node_identity(m->node, &self);
    return memcmp(a->cluster_uuid, self.cluster_uuid, sizeof self.cluster_uuid) == 0;
}

static void link_hello_bytes(struct member *m, struct link *l, struct bytes in)
{
    struct http_hello_answer answer;
    buf_append(&l->in, in.data, in.len);
    if (l->in.failed) {
        link_refuse(m, l, "its answer is too long for a member");
        return;
    }
    int64_t used = http_hello_answer_parse(buf_bytes(&l->in), &answer);
    if (used == 0) return;
    if (used < 0) {
        link_refuse(m, l, "what answers there is not a member");
    } else if (answer.status != 101) {
        if (removes_us(m, l, &answer)) node_on_removed(m->node, m->now_ms, l->peer_id);
        link_refuse(m, l, answer.text[0] ? answer.text : "it refused without a reason");
    } else if ((size_t)used != l->in.len) {
        link_refuse(m, l, "it sent more than its hello");
    } else {
        link_judge(m, l, &answer.hello);
    }
}

void link_on_bytes(struct member *m, struct link *l, struct bytes in)
{
    /* What a peer has to say it says on the connection that it dialed. */
    if (l->state == LINK_HELLO)
        link_hello_bytes(m, l, in);
    else
        link_refuse(m, l, "it sends on a connection that is for listening");
}

void link_on_closed(struct member *m, struct link *l)
{
    if (l->state == LINK_UP) {
        log_line(m->env.log, LOG_INFO, "%s to member %llu at %s is closed", link_kind(l),
                 (unsigned long long)l->peer_id, l->url);
    }
    conn_table_remove(&m->table, l->conn.number);
    link_ended(m, l);
}

/* --- time --- */

static void link_check_queue(struct member *m, struct link *l)
{
    size_t queued = member_net_queued(m, l->conn.number);
    uint64_t drained = l->sent_bytes - queued;
    l->stall_ms = MS_TIME_NEVER; /* links_flush() goes on watching */
    if (queued > 0 && drained == l->stall_drained) {
        log_line(m->env.log, LOG_WARN, "member %llu at %s takes nothing; connecting anew",
                 (unsigned long long)l->peer_id, l->url);
        link_give_up(m, l);
    }
}

void link_tick(struct member *m, struct link *l)
{
    if (l->state == LINK_UP) {
        if (m->now_ms >= l->stall_ms) link_check_queue(m, l);
        return;
    }
    if (m->now_ms < l->at_ms) return;
    if (may_complain(m, l, false)) {
        log_line(m->env.log, LOG_INFO, "member %llu at %s does not answer; trying on",
                 (unsigned long long)l->peer_id, l->url);
    }
    link_give_up(m, l);
}

void links_tick(struct member *m)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        struct link *l = m->links[i];
        if (l->state != LINK_IDLE)
            link_tick(m, l);
        else if (m->now_ms >= l->at_ms)
            link_dial(m, l);
    }
}

uint64_t link_deadline_ms(const struct link *l)
{
    return l->state == LINK_UP ? l->stall_ms : l->at_ms;
}

uint64_t links_deadline_ms(const struct member *m)
{
    uint64_t at = m->peers_changed ? m->sync_ms : MS_TIME_NEVER;
    for (uint32_t i = 0; i < m->link_count; i++) at = ms_time_min(at, link_deadline_ms(m->links[i]));
    return at;
}

/* --- which there are --- */

static void link_free(struct member *m, struct link *l)
{
    buf_fini(&l->in);
    buf_fini(&l->out);
    ms_free(m->env.alloc, l);
}

/* Not a peer any more: what it was still to hear is flushed. */
static void link_remove(struct member *m, struct link *l)
{
    bool was_up = l->state == LINK_UP;
    if (was_up) link_push(m, l);
    if (link_is_open(l)) {
        conn_table_remove(&m->table, l->conn.number);
        member_net_close(m, l->conn.number, was_up);
    }
    l->state = LINK_IDLE;
    if (was_up) node_on_link(m->node, m->now_ms, l->peer_id, false);
    link_free(m, l);
}

static int link_add(struct member *m, const struct node_peer *peer)
{
    struct link *l = ms_alloc_zeroed(m->env.alloc, sizeof *l);
    if (!l) return MS_ENOMEM;
    l->conn.kind = CONN_LINK;
    l->peer_id = peer->id;
    l->listed = true;
    memcpy(l->url, peer->url, sizeof l->url);
    buf_init(&l->in, m->env.alloc, LINK_HELLO_BYTES_MAX);
    buf_init(&l->out, m->env.alloc, LINK_OUT_BYTES_MAX);
    l->state = LINK_IDLE;
    l->backoff_ms = backoff_first(m);
    l->at_ms = m->now_ms;
    if (config_url_parse(l->url, l->host, sizeof l->host, &l->port) < 0) {
        log_line(m->env.log, LOG_ERROR, "member %llu has no usable URL: %s",
                 (unsigned long long)l->peer_id, l->url);
        l->at_ms = MS_TIME_NEVER;
    }
    MS_ASSERT(m->link_count < LINKS_MAX);
    m->links[m->link_count++] = l;
    return 0;
}

void links_sync(struct member *m)
{
    struct node_peer peers[LINKS_MAX];
    struct link *gone[LINKS_MAX];
    uint32_t count = node_peers(m->node, peers), kept = 0, gone_count = 0;
    MS_ASSERT(count <= LINKS_MAX);
    m->peers_changed = false;
    for (uint32_t i = 0; i < m->link_count; i++) m->links[i]->listed = false;
    for (uint32_t i = 0; i < count; i++) {
        struct link *l = link_of(m, peers[i].id);
        if (l && strcmp(l->url, peers[i].url) == 0) l->listed = true;
    }
    for (uint32_t i = 0; i < m->link_count; i++) {
        if (m->links[i]->listed)
            m->links[kept++] = m->links[i];
        else
            gone[gone_count++] = m->links[i];
    }
    m->link_count = kept; /* before the node is told: what it sends then must not meet those that go */
    for (uint32_t i = 0; i < gone_count; i++) link_remove(m, gone[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (link_of(m, peers[i].id) || link_add(m, &peers[i]) == 0) continue;
        m->peers_changed = true;
        m->sync_ms = m->now_ms + m->opts.redial_ms_min;
        break;
    }
    peers_sync(m);
    links_tick(m);
}

void links_close(struct member *m)
{
    for (uint32_t i = 0; i < m->link_count; i++) {
        struct link *l = m->links[i];
        if (!link_is_open(l)) continue;
        if (l->state == LINK_UP) link_push(m, l);
        conn_table_remove(&m->table, l->conn.number);
        member_net_close(m, l->conn.number, l->state == LINK_UP);
        l->state = LINK_IDLE;
        l->at_ms = MS_TIME_NEVER;
    }
}

void links_fini(struct member *m)
{
    for (uint32_t i = 0; i < m->link_count; i++) link_free(m, m->links[i]);
    m->link_count = 0;
}
