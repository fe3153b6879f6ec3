/* member_stream.c: the connections dialed for snapshots (DESIGN 3), beside the links: one a transfer,
 * so that no heartbeat and no append ever stands behind a chunk. Each is a link that is dialed once:
 * the node says when, and hears how it ended. The handshake, its judgement and the watch over the queue
 * are those of links.
 *
 * The node asks from inside a turn; dialing and closing happen at its end (M5). */
#include "member/member_private.h"

static struct link *stream_of(struct member *m, uint64_t peer_id)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct link *l = &m->streams[i];
        if (l->peer_id == peer_id && !l->unwanted) return l;
    }
    return NULL;
}

static void stream_free(struct link *l)
{
    buf_fini(&l->in);
    buf_fini(&l->out);
    *l = (struct link){ 0 };
}

/* --- what the node calls --- */

static void stream_add(struct member *m, uint64_t peer_id)
{
    struct link *l = stream_of(m, 0); /* a free one */
    MS_ASSERT(l != NULL); /* beside NODE_SENDS_MAX only those are open that go with this turn */
    *l = (struct link){ .conn = { .kind = CONN_LINK }, .peer_id = peer_id, .is_stream = true };
    buf_init(&l->in, m->env.alloc, LINK_HELLO_BYTES_MAX);
    buf_init(&l->out, m->env.alloc, LINK_OUT_BYTES_MAX);
    l->state = LINK_IDLE;
    l->at_ms = m->now_ms;
}

void streams_want(struct member *m, uint64_t to, bool wanted)
{
    struct link *l = stream_of(m, to);
    if (wanted && !l)
        stream_add(m, to);
    else if (!wanted && l && l->state == LINK_IDLE)
        stream_free(l);
    else if (!wanted && l)
        l->unwanted = true;
}

bool streams_send(struct member *m, uint64_t to, uint8_t type, struct bytes body)
{
    struct link *l = stream_of(m, to);
    if (!l || l->state != LINK_UP) return false;
    if (member_net_queued(m, l->conn.number) + l->out.len >= STREAM_QUEUE_BYTES_MAX) return false;
    return link_send(m, l, type, body);
}

/* --- the end of a turn --- */

static void stream_dial(struct member *m, struct link *l)
{
    const struct link *to = links_find(m, l->peer_id);
    if (!to || to->at_ms == MS_TIME_NEVER) { /* no peer of ours any more, or one without an address */
        stream_ended(m, l);
        return;
    }
    memcpy(l->url, to->url, sizeof l->url);
    memcpy(l->host, to->host, sizeof l->host);
    l->port = to->port;
    link_dial(m, l);
}

static void stream_close(struct member *m, struct link *l)
{
    if (l->state != LINK_IDLE) {
        conn_table_remove(&m->table, l->conn.number);
        member_net_close(m, l->conn.number, false); /* whatever is queued has no taker any more */
    }
    stream_free(l);
}

void streams_flush(struct member *m)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct link *l = &m->streams[i];
        if (l->peer_id == 0) continue;
        if (l->unwanted)
            stream_close(m, l);
        else if (l->state == LINK_IDLE)
            stream_dial(m, l);
        else if (l->state == LINK_UP)
            link_flush(m, l);
    }
}

/* --- what happens to them --- */

void stream_ended(struct member *m, struct link *l)
{
    uint64_t peer_id = l->peer_id;
    bool wanted = !l->unwanted;
    stream_free(l);
    if (wanted) node_on_stream(m->node, m->now_ms, peer_id, false);
}

void stream_on_writable(struct member *m, const struct link *l)
{
    if (!l->unwanted) node_on_stream_room(m->node, m->now_ms, l->peer_id);
}

void streams_tick(struct member *m)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct link *l = &m->streams[i];
        if (l->peer_id != 0 && l->state != LINK_IDLE) link_tick(m, l);
    }
}

uint64_t streams_deadline_ms(const struct member *m)
{
    uint64_t at = MS_TIME_NEVER;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        const struct link *l = &m->streams[i];
        if (l->peer_id != 0) at = ms_time_min(at, link_deadline_ms(l));
    }
    return at;
}

void streams_close(struct member *m)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (m->streams[i].peer_id != 0) stream_close(m, &m->streams[i]);
    }
}

void streams_fini(struct member *m)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++) stream_free(&m->streams[i]);
}
