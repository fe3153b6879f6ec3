/* node_snap_send.c: a leader streams snapshots to followers whose entries are no longer in its log
 * (Raft, section 7). One chunk is under way at a time and is sent again until it is acknowledged, so
 * that a transfer delays no heartbeat and survives lost frames. */
#include "node/node_private.h"

#define SEND_PATIENCE_MAX 4u

static uint64_t resend_ms(const struct node *n)
{
    return 5u * (uint64_t)n->opts.raft.heartbeat_ms;
}

static uint64_t give_up_ms(const struct node *n)
{
    return 100u * (uint64_t)n->opts.raft.heartbeat_ms;
}

static void submit(struct node *n, struct node_send *s, enum kv_job_kind kind,
                   enum node_send_state state)
{
    struct buf chunk = s->job.chunk;
    if (kind == KV_JOB_SNAP_READ) buf_clear(&chunk);
    s->job = (struct kv_job){ .kind = kind, .owner = n, .snapshot = s->view, .chunk = chunk };
    if (kind == KV_JOB_SNAP_OPEN) s->job.info = &s->info;
    s->state = state;
    n->host.submit_job(n->host.ctx, &s->job);
}

static void tell_raft(struct node *n, uint64_t peer, uint64_t index, int status)
{
    struct raft_input in = { .kind = RAFT_INPUT_SNAPSHOT_DONE };
    in.snapshot_done.peer = peer;
    in.snapshot_done.index = index;
    in.snapshot_done.status = status;
    node_step(n, &in);
}

/* The transfer has ended; raft is told at the next tick, since this may run inside a step of raft. */
static void end(struct node *n, struct node_send *s, int status)
{
    s->status = status;
    if (s->state == NODE_SEND_WAIT)
        submit(n, s, KV_JOB_SNAP_CLOSE, NODE_SEND_CLOSE);
    else
        s->doomed = true; /* a job is under way: when it is back */
}

/* Called from inside a step of raft. */
void node_send_begin(struct node *n, uint64_t peer)
{
    struct node_send *s = NULL;
    bool closing = false;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].state == NODE_SEND_FREE)
            s = &n->sends[i];
        else
            closing |= n->sends[i].peer == peer;
    }
    if (!s || closing) { /* no room now: raft hears it at the next tick, and asks again */
        if (n->refused_send_count < MS_MEMBERS_MAX) n->refused_sends[n->refused_send_count++] = peer;
        return;
    }
    *s = (struct node_send){ .peer = peer, .term = raft_term(n->raft), .stream = ++n->next_stream };
    buf_init(&s->job.chunk, n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    s->give_up_ms = n->now_ms + give_up_ms(n);
    submit(n, s, KV_JOB_SNAP_OPEN, NODE_SEND_OPEN);
}

static void send_chunk(struct node *n, struct node_send *s)
{
    struct node_snap_chunk m = { .term = s->term,
                                 .stream = s->stream,
                                 .index = s->index,
                                 .snap_term = s->snap_term,
                                 .seq = s->seq,
                                 .last = s->last,
                                 .chunk = buf_bytes(&s->job.chunk) };
    s->resend_ms = n->now_ms + (resend_ms(n) << s->patience);
    buf_clear(&n->frame);
    node_snap_chunk_encode(&n->frame, &m);
    node_send_frame(n, s->peer, NODE_FRAME_SNAP_CHUNK);
}

/* An ack that comes after the chunk was sent again says that the link is slower than the wait, or that
 * a frame was lost. If it is slow, copies of the same chunk would fill it, each one making the next ack
 * later still: so the wait grows. Silence alone says nothing: who comes back is served soon. */
static void learn_patience(struct node_send *s)
{
    if (s->resent && s->patience < SEND_PATIENCE_MAX) s->patience++;
    if (!s->resent && s->patience > 0) s->patience--;
    s->resent = false;
}

static void free_slot(struct node *n, struct node_send *s)
{
    uint64_t peer = s->peer, index = s->index;
    int status = s->status;
    bool leads = node_is_leader(n) && s->term == raft_term(n->raft);
    buf_fini(&s->job.chunk);
    *s = (struct node_send){ .state = NODE_SEND_FREE };
    if (leads && status == 0) {
        n->keep_index = index;
        n->keep_until_ms = n->now_ms + NODE_KEEP_MS;
    }
    if (leads) tell_raft(n, peer, index, status);
}

void node_send_on_job(struct node *n, struct node_send *s)
{
    int status = s->job.status;
    if (s->state == NODE_SEND_OPEN && status == 0) s->view = s->job.snapshot;
    if (status <= MS_EFATAL) {
        node_fail(n, status, "the engine failed while a snapshot was sent");
        return;
    }
    if (s->state == NODE_SEND_CLOSE || !s->view) {
        if (s->state != NODE_SEND_CLOSE) s->status = status < 0 ? status : s->status;
        free_slot(n, s);
        return;
    }
    if (s->doomed || status < 0) {
        if (status < 0) s->status = status;
        submit(n, s, KV_JOB_SNAP_CLOSE, NODE_SEND_CLOSE);
        return;
    }
    if (s->state == NODE_SEND_OPEN) {
        s->index = s->info.applied_index;
        s->snap_term = s->info.applied_term;
        log_line(n->log, LOG_INFO, "sending a snapshot at index %llu to member %llu",
                 (unsigned long long)s->index, (unsigned long long)s->peer);
        submit(n, s, KV_JOB_SNAP_READ, NODE_SEND_READ);
        return;
    }
    s->last = s->job.last;
    s->state = NODE_SEND_WAIT;
    send_chunk(n, s);
}

void node_on_snap_ack(struct node *n, uint64_t from, struct bytes body)
{
    struct node_snap_ack m;
    if (node_snap_ack_decode(body, &m) < 0) return;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        struct node_send *s = &n->sends[i];
        if (s->state != NODE_SEND_WAIT || s->peer != from) continue;
        if (m.term != s->term || m.stream != s->stream) continue;
        if (m.status < 0) {
            end(n, s, m.status == MS_EEXIST ? 0 : m.status);
        } else if (s->last && m.installed) {
            end(n, s, 0);
        } else if (m.seq == s->seq + 1 && !s->last) {
            s->seq++;
            learn_patience(s);
            s->give_up_ms = n->now_ms + give_up_ms(n);
            submit(n, s, KV_JOB_SNAP_READ, NODE_SEND_READ);
        }
    }
}

void node_send_tick(struct node *n)
{
    while (n->refused_send_count > 0) {
        uint64_t peer = n->refused_sends[--n->refused_send_count];
        if (node_is_leader(n)) tell_raft(n, peer, 0, MS_EBUSY);
    }
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        struct node_send *s = &n->sends[i];
        if (s->state != NODE_SEND_WAIT) continue;
        if (s->give_up_ms <= n->now_ms) {
            end(n, s, MS_ETIMEOUT);
        } else if (s->resend_ms <= n->now_ms) {
            s->resent = true;
            send_chunk(n, s);
        }
    }
}

void node_sends_abort(struct node *n)
{
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        struct node_send *s = &n->sends[i];
        if (s->state != NODE_SEND_FREE && s->state != NODE_SEND_CLOSE) end(n, s, MS_ENOLEADER);
    }
}

/* A follower goes on behind the snapshot it was sent: if the log were cut beyond it meanwhile, it would
 * need a whole new one, and under load never catch up. */
uint64_t node_sends_need(const struct node *n)
{
    uint64_t index = n->keep_until_ms > n->now_ms ? n->keep_index : UINT64_MAX;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        const struct node_send *s = &n->sends[i];
        if (s->state != NODE_SEND_FREE && s->index > 0 && s->index < index) index = s->index;
    }
    return index;
}
