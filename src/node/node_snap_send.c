/* node_snap_send.c: a leader streams snapshots to followers whose entries are no longer in its log
 * (Raft, section 7; DESIGN 3: bounded chunks on their own stream, resumable, never delaying
 * heartbeats).
 *
 * Each transfer has a connection of its own. The view is read ahead of the acknowledgements by a
 * window; what the connection does not take stays in the window, so a slow taker stops the reading, and
 * nobody else. A connection begins with an offer, and its answer says where the chunks go on: what was
 * not acknowledged is still in the window, so a transfer survives its connections, as long as there is
 * patience left. Each acknowledged byte buys some; who takes too little for too long holds a view and a
 * piece of the log for nothing. */
#include "node/node_private.h"

/* In heartbeats. */
#define OFFER_BEATS 5u /* what is not answered is asked about; doubles, since the link may be slow */
#define OFFER_DOUBLINGS_MAX 4u
#define REDIAL_DOUBLINGS_MAX 4u /* of one heartbeat */
#define SILENCE_BEATS 100u      /* a connection without any answer for so long is dialed anew */
#define PATIENCE_BEATS 300u     /* the most that is waited for progress */
#define EVICT_BEATS 20u         /* who is away for so long makes room for another */

#define LEAST_BYTES_PER_S (64u << 10) /* patience that an acknowledged byte buys */
#define BURST_MS 100u                 /* of --snapshot-rate that may leave at once */
#define LOG_KEPT_FACTOR 2u            /* of the log that is kept for transfers: log_kept_max() */

static uint64_t beats_ms(const struct node *n, uint32_t count)
{
    return (uint64_t)count * n->opts.raft.heartbeat_ms;
}

static struct buf *window_at(struct node_send *s, uint64_t seq)
{
    return &s->window[seq % SNAP_WINDOW_CHUNKS_MAX];
}

/* It has a view, and is not about to end. */
static bool is_live(const struct node_send *s)
{
    return (s->state == NODE_SEND_IDLE || s->state == NODE_SEND_READ) && !s->doomed;
}

static struct node_send *live_of(struct node *n, uint64_t peer)
{
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].peer == peer && is_live(&n->sends[i])) return &n->sends[i];
    }
    return NULL;
}

static void submit(struct node *n, struct node_send *s, enum kv_job_kind kind,
                   enum node_send_state state)
{
    struct buf chunk = s->job.chunk;
    buf_clear(&chunk);
    s->job = (struct kv_job){ .kind = kind, .owner = n, .snapshot = s->view, .chunk = chunk };
    if (kind == KV_JOB_SNAP_OPEN) s->job.info = &s->info;
    if (kind == KV_JOB_SNAP_READ) s->job.chunk_bytes_max = n->opts.snapshot_chunk_bytes;
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

/* The transfer has ended. Raft is told when the view is closed, since this may run inside a step of it.
 */
static void end(struct node *n, struct node_send *s, int status)
{
    if (s->state == NODE_SEND_CLOSE || s->doomed) return;
    if (status < 0) {
        log_line(n->log, LOG_INFO, "the snapshot for member %llu is given up: %s",
                 (unsigned long long)s->peer, ms_err_text(status));
    }
    if (status == 0) n->counters.snapshots_sent++;
    s->status = status;
    if (s->state != NODE_SEND_OPEN) n->host.stream(n->host.ctx, s->peer, false);
    if (s->state == NODE_SEND_IDLE)
        submit(n, s, KV_JOB_SNAP_CLOSE, NODE_SEND_CLOSE);
    else
        s->doomed = true; /* a job is under way: when it is back */
}

/* A transfer whose taker is away holds a place that another could use. */
static void make_room(struct node *n)
{
    struct node_send *victim = NULL;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        struct node_send *s = &n->sends[i];
        if (!is_live(s) || s->up || n->now_ms < s->heard_ms + beats_ms(n, EVICT_BEATS)) continue;
        if (!victim || s->heard_ms < victim->heard_ms) victim = s;
    }
    if (victim) end(n, victim, MS_EBUSY);
}

/* Called from inside a step of raft. */
void node_send_begin(struct node *n, uint64_t peer)
{
    struct node_send *s = NULL;
    bool known = false;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].state == NODE_SEND_FREE)
            s = &n->sends[i];
        else
            known |= n->sends[i].peer == peer;
    }
    if (!s && !known) make_room(n);
    if (!s || known || n->shutting_down) { /* not now: raft hears it at the next tick, and asks again */
        if (n->refused_send_count < MS_MEMBERS_MAX) n->refused_sends[n->refused_send_count++] = peer;
        return;
    }
    *s = (struct node_send){ .peer = peer, .term = raft_term(n->raft), .stream = ++n->next_stream };
    buf_init(&s->job.chunk, n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    for (uint32_t i = 0; i < SNAP_WINDOW_CHUNKS_MAX; i++)
        buf_init(&s->window[i], n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    s->heard_ms = n->now_ms;
    s->give_up_ms = n->now_ms + beats_ms(n, PATIENCE_BEATS);
    submit(n, s, KV_JOB_SNAP_OPEN, NODE_SEND_OPEN);
}

/* --- the view --- */

static void free_slot(struct node *n, struct node_send *s)
{
    uint64_t peer = s->peer, index = s->index, bytes = s->read_bytes;
    int status = s->status;
    bool leads = node_is_leader(n) && s->term == raft_term(n->raft);
    node_send_fini(s);
    *s = (struct node_send){ .state = NODE_SEND_FREE };
    if (leads && status == 0) {
        n->keep_index = index;
        n->keep_bytes = bytes;
        n->keep_until_ms = n->now_ms + NODE_KEEP_MS;
    }
    if (leads) tell_raft(n, peer, index, status);
}

void node_send_fini(struct node_send *s)
{
    if (s->state == NODE_SEND_FREE) return;
    buf_fini(&s->job.chunk);
    for (uint32_t i = 0; i < SNAP_WINDOW_CHUNKS_MAX; i++) buf_fini(&s->window[i]);
}

static void dial(struct node *n, struct node_send *s)
{
    s->dialing = true;
    n->host.stream(n->host.ctx, s->peer, true);
}

static void opened(struct node *n, struct node_send *s)
{
    s->state = NODE_SEND_IDLE;
    s->index = s->info.applied_index;
    s->snap_term = s->info.applied_term;
    log_line(n->log, LOG_INFO, "sending a snapshot at index %llu to member %llu",
             (unsigned long long)s->index, (unsigned long long)s->peer);
    dial(n, s);
}

/* The chunk takes its place in the window, and the buffer that was there reads the next one. */
static void chunk_read(struct node_send *s)
{
    struct buf *place = window_at(s, s->read_seq), chunk = s->job.chunk;
    s->job.chunk = *place;
    *place = chunk;
    s->window_bytes += chunk.len;
    s->read_bytes += chunk.len;
    s->read_seq++;
    s->complete = s->job.last;
    s->state = NODE_SEND_IDLE;
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
        if (s->state != NODE_SEND_CLOSE && status < 0) s->status = status;
        free_slot(n, s);
        return;
    }
    bool doomed = s->doomed;
    s->doomed = false;
    if (doomed) {
        submit(n, s, KV_JOB_SNAP_CLOSE, NODE_SEND_CLOSE);
    } else if (status < 0) {
        s->state = NODE_SEND_IDLE;
        end(n, s, status);
    } else if (s->state == NODE_SEND_OPEN) {
        opened(n, s);
    } else {
        chunk_read(s);
    }
}

static void read_ahead(struct node *n, struct node_send *s)
{
    if (s->state != NODE_SEND_IDLE || s->complete) return;
    if (s->read_seq - s->taken_seq >= SNAP_WINDOW_CHUNKS_MAX) return;
    if (s->window_bytes >= SNAP_WINDOW_BYTES_MAX) return;
    submit(n, s, KV_JOB_SNAP_READ, NODE_SEND_READ);
}

/* --- the rate: of all transfers together, since they leave by the same door --- */

/* After any time that has passed there is no more than a burst; a debt takes what it takes. */
static void refill(struct node *n)
{
    uint64_t rate = n->opts.snapshot_bytes_per_s, passed = n->now_ms - n->send_credit_ms;
    if (rate == 0) return;
    int64_t most = (int64_t)(BURST_MS * rate);
    n->send_credit_ms = n->now_ms;
    if (passed > (uint64_t)(most - n->send_credit) / rate)
        n->send_credit = most;
    else
        n->send_credit += (int64_t)(passed * rate);
}

static bool has_credit(const struct node *n)
{
    return n->opts.snapshot_bytes_per_s == 0 || n->send_credit > 0;
}

static bool has_chunk(const struct node_send *s)
{
    return is_live(s) && s->placed && !s->full && s->sent_seq < s->read_seq;
}

uint64_t node_send_deadline(const struct node *n)
{
    bool waits = false;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) waits |= has_chunk(&n->sends[i]);
    if (!waits || has_credit(n)) return MS_TIME_NEVER;
    return n->send_credit_ms + (uint64_t)-n->send_credit / n->opts.snapshot_bytes_per_s + 1;
}

/* --- the connection --- */

static void ask_soon(struct node *n, struct node_send *s)
{
    s->offer_ms = n->now_ms + (beats_ms(n, OFFER_BEATS) << s->doublings);
}

/* Nothing is awaited, so the silence is ours. */
static bool is_answered(const struct node_send *s)
{
    return s->placed && s->taken_seq == s->sent_seq;
}

static void offer(struct node *n, struct node_send *s)
{
    struct node_snap_offer m = { .term = s->term,
                                 .stream = s->stream,
                                 .index = s->index,
                                 .snap_term = s->snap_term,
                                 .number = s->offer + 1 };
    buf_clear(&n->frame);
    node_snap_offer_encode(&n->frame, &m);
    if (n->frame.failed || !node_send_stream(n, s->peer, NODE_FRAME_SNAP_OFFER)) return;
    s->offer++;
    s->offered_seq = s->sent_seq;
    ask_soon(n, s);
    if (s->doublings < OFFER_DOUBLINGS_MAX) s->doublings++;
}

static bool send_chunk(struct node *n, struct node_send *s)
{
    const struct buf *chunk = window_at(s, s->sent_seq);
    struct node_snap_chunk m = { .term = s->term,
                                 .stream = s->stream,
                                 .index = s->index,
                                 .snap_term = s->snap_term,
                                 .seq = s->sent_seq,
                                 .last = s->complete && s->sent_seq + 1 == s->read_seq,
                                 .chunk = buf_bytes(chunk) };
    buf_clear(&n->frame);
    node_snap_chunk_encode(&n->frame, &m);
    if (n->frame.failed) return false;
    if (!node_send_stream(n, s->peer, NODE_FRAME_SNAP_CHUNK)) {
        s->full = true;
        return false;
    }
    if (is_answered(s)) {
        s->heard_ms = n->now_ms; /* silence counts from here */
        s->doublings = 0;
        ask_soon(n, s);
    }
    s->sent_seq++;
    if (n->opts.snapshot_bytes_per_s) n->send_credit -= (int64_t)chunk->len * 1000;
    return true;
}

/* Chunk by chunk in turn, whoever was first the last time. */
static void send_chunks(struct node *n)
{
    bool any = true;
    n->send_turn++;
    for (uint32_t pass = 0; pass < SNAP_WINDOW_CHUNKS_MAX && any; pass++) {
        any = false;
        for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
            struct node_send *s = &n->sends[(n->send_turn + i) % NODE_SENDS_MAX];
            if (has_chunk(s) && has_credit(n)) any |= send_chunk(n, s);
        }
    }
}

void node_send_pump(struct node *n)
{
    refill(n);
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        struct node_send *s = &n->sends[i];
        if (!is_live(s)) continue;
        if (s->up && s->offer_ms <= n->now_ms && !is_answered(s)) offer(n, s);
        read_ahead(n, s);
    }
    send_chunks(n);
}

static void connection_lost(struct node *n, struct node_send *s)
{
    s->up = s->placed = s->dialing = s->full = false;
    s->redial_ms = n->now_ms + (beats_ms(n, 1) << s->redials);
    if (s->redials < REDIAL_DOUBLINGS_MAX) s->redials++;
}

void node_send_on_stream(struct node *n, uint64_t peer, bool up)
{
    struct node_send *s = live_of(n, peer);
    if (!s) return;
    if (!up) {
        connection_lost(n, s);
        return;
    }
    s->up = true;
    s->dialing = s->placed = s->full = false;
    s->heard_ms = s->offer_ms = n->now_ms;
    s->doublings = 0;
}

void node_send_on_room(struct node *n, uint64_t peer)
{
    struct node_send *s = live_of(n, peer);
    if (s) s->full = false;
}

/* --- answers --- */

/* Our own limit is not the taker's fault. */
static uint64_t least_bytes_per_s(const struct node *n)
{
    uint64_t share = n->opts.snapshot_bytes_per_s / (2u * NODE_SENDS_MAX);
    if (n->opts.snapshot_bytes_per_s == 0 || share > LEAST_BYTES_PER_S) return LEAST_BYTES_PER_S;
    return share + 1;
}

static void taken(struct node *n, struct node_send *s, uint64_t seq)
{
    uint64_t bytes = 0, most = n->now_ms + beats_ms(n, PATIENCE_BEATS);
    if (seq <= s->taken_seq || seq > s->read_seq) return;
    for (; s->taken_seq < seq; s->taken_seq++) {
        struct buf *chunk = window_at(s, s->taken_seq);
        bytes += chunk->len;
        buf_clear(chunk);
        if (chunk->cap > SNAP_CHUNK_BYTES_MAX) buf_fini(chunk);
    }
    s->window_bytes -= bytes;
    if (s->sent_seq < s->taken_seq) s->sent_seq = s->taken_seq;
    s->give_up_ms = ms_time_min(s->give_up_ms + bytes * 1000 / least_bytes_per_s(n), most);
    s->doublings = 0;
    ask_soon(n, s);
}

/* Where it goes on; the window holds all behind what was acknowledged. A taker that knows nothing of it any
 * more, as after a restart, says 0; an answer that names a chunk which it has taken since was overtaken by
 * that. */
static void placed(struct node *n, struct node_send *s, uint64_t seq)
{
    if (seq > 0 && seq < s->taken_seq) seq = s->taken_seq;
    if (seq < s->taken_seq || seq > s->read_seq) {
        end(n, s, MS_ECONFLICT);
        return;
    }
    if (!s->placed && seq > 0) {
        log_line(n->log, LOG_INFO, "the snapshot for member %llu goes on at chunk %llu",
                 (unsigned long long)s->peer, (unsigned long long)seq);
    }
    /* On a connection that lives, what was sent behind the offer may still be on its way. */
    if (!s->placed || seq < s->offered_seq) s->sent_seq = seq;
    s->placed = true;
    s->doublings = s->redials = 0;
    ask_soon(n, s);
}

static void offer_answered(struct node *n, struct node_send *s, const struct node_snap_ack *m)
{
    if (m->offer != s->offer || !s->up) return; /* of an earlier offer */
    if (m->status == 0) {
        taken(n, s, m->taken); /* what it said before may have been lost */
        placed(n, s, m->next);
    } else if (m->status == MS_EBUSY) {
        s->placed = false;
        s->doublings = 0;
        ask_soon(n, s);
    } else {
        end(n, s, m->status);
    }
}

void node_on_snap_ack(struct node *n, uint64_t from, struct bytes body)
{
    struct node_snap_ack m;
    if (node_snap_ack_decode(body, &m) < 0) return;
    struct node_send *s = live_of(n, from);
    if (!s || m.term != s->term || m.stream != s->stream) return;
    s->heard_ms = n->now_ms;
    if (m.installed || m.status == MS_EEXIST)
        end(n, s, 0);
    else if (m.offer != 0)
        offer_answered(n, s, &m);
    else if (m.status < 0)
        end(n, s, m.status);
    else
        taken(n, s, m.taken);
}

/* --- time --- */

static void send_tick(struct node *n, struct node_send *s)
{
    s->full = false; /* in case the word of room was lost with a connection */
    if (s->give_up_ms <= n->now_ms) {
        end(n, s, MS_ETIMEOUT);
    } else if (s->up && !is_answered(s) && s->heard_ms + beats_ms(n, SILENCE_BEATS) <= n->now_ms) {
        n->host.stream(n->host.ctx, s->peer, false);
        connection_lost(n, s);
    } else if (!s->up && !s->dialing && s->redial_ms <= n->now_ms) {
        dial(n, s);
    }
}

void node_send_tick(struct node *n)
{
    while (n->refused_send_count > 0) {
        uint64_t peer = n->refused_sends[--n->refused_send_count];
        if (node_is_leader(n)) tell_raft(n, peer, 0, MS_EBUSY);
    }
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (is_live(&n->sends[i])) send_tick(n, &n->sends[i]);
    }
}

void node_sends_abort(struct node *n)
{
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].state != NODE_SEND_FREE) end(n, &n->sends[i], MS_ENOLEADER);
    }
}

void node_sends_check(const struct node *n)
{
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        const struct node_send *s = &n->sends[i];
        MS_ASSERT(s->taken_seq <= s->sent_seq && s->sent_seq <= s->read_seq); /* P9 */
        MS_ASSERT(s->read_seq - s->taken_seq <= SNAP_WINDOW_CHUNKS_MAX);
    }
}

/* The disk is not a follower's to fill; and where the log has become larger than the snapshot, another
 * snapshot costs no more. A segment is what the log grows by. */
static uint64_t log_kept_max(const struct node *n)
{
    uint64_t size = n->opts.snapshot_log_bytes;
    if (n->take.last_bytes > size) size = n->take.last_bytes;
    if (n->keep_until_ms > n->now_ms && n->keep_bytes > size) size = n->keep_bytes;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].state != NODE_SEND_FREE && n->sends[i].read_bytes > size)
            size = n->sends[i].read_bytes;
    }
    return LOG_KEPT_FACTOR * (size + n->opts.wal_segment_bytes);
}

/* A follower goes on behind the snapshot it was sent: if the log were cut beyond it meanwhile, it would
 * need a whole new one, and under load never catch up. */
uint64_t node_sends_need(const struct node *n)
{
    uint64_t index = UINT64_MAX;
    if (wal_live_bytes(n->wal) > log_kept_max(n)) return index;
    if (n->keep_until_ms > n->now_ms) index = n->keep_index;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        const struct node_send *s = &n->sends[i];
        if (s->state != NODE_SEND_FREE && s->index > 0 && s->index < index) index = s->index;
    }
    return index;
}
