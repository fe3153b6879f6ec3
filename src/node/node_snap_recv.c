/* node_snap_recv.c: taking a snapshot from the leader and installing it (Raft, section 7).
 *
 * It begins with an offer, on a stream of its own; the answer says which chunk comes next, so a stream
 * that broke goes on where it was (BUGS B54: a chunk of another place is never taken). Chunks of a
 * window are heard while one of them is being taken. One transfer at a time: a newer one, or a new
 * term, ends it.
 *
 * Each chunk is written to a file (memory engine: its durability) and loaded beside the present state;
 * at the end the file is made durable, then the state is swapped, then raft is told, then the log is
 * begun anew behind it. A crash between any two of these finds either the old state or the whole new
 * one: the file counts only under its final name, and a log that does not reach it is begun anew at
 * start. */
#include <stdio.h>

#include "node/node_private.h"

static bool has_file(const struct node *n)
{
    return n->opts.storage == NODE_STORAGE_MEMORY;
}

/* Longer than the sender's. */
static uint64_t give_up_ms(const struct node *n)
{
    return 400u * (uint64_t)n->opts.raft.heartbeat_ms;
}

/* The chunk that is being taken. */
static struct buf *chunk_now(struct node_recv *r)
{
    return &r->chunks[r->taken_seq % SNAP_WINDOW_CHUNKS_MAX];
}

static void submit_op(struct node *n, enum disk_op_kind kind, enum node_recv_state state)
{
    struct node_recv *r = &n->recv;
    r->op = (struct disk_op){ .kind = kind, .lane = DISK_LANE_BULK, .owner = n, .file = r->file };
    r->state = state;
    switch (kind) {
    case DISK_OP_OPEN:
        r->op.create = true;
        node_snap_temp_path(n, r->op.path, NODE_TEMP_RECEIVED);
        break;
    case DISK_OP_WRITE:
        r->op.offset = r->offset;
        r->op.buf = chunk_now(r)->data;
        r->op.len = chunk_now(r)->len;
        break;
    case DISK_OP_RENAME:
        node_snap_temp_path(n, r->op.path, NODE_TEMP_RECEIVED);
        node_snap_path(n, r->op.path2, r->index, r->snap_term);
        break;
    case DISK_OP_SYNC_DIR: snprintf(r->op.path, sizeof r->op.path, "%s", n->snap_dir); break;
    case DISK_OP_REMOVE: node_snap_temp_path(n, r->op.path, NODE_TEMP_RECEIVED); break;
    default: break;
    }
    n->disk->ops->submit(n->disk, &r->op);
}

static void submit_job(struct node *n, enum kv_job_kind kind, bool keep, enum node_recv_state state)
{
    struct node_recv *r = &n->recv;
    r->job = (struct kv_job){ .kind = kind, .owner = n, .last = keep };
    if (kind == KV_JOB_LOAD_CHUNK) r->job.chunk = *chunk_now(r); /* lent: kv only reads it */
    if (kind == KV_JOB_LOAD_END) r->job.info = &r->info;
    r->state = state;
    n->host.submit_job(n->host.ctx, &r->job);
}

static void answer(struct node *n, uint64_t to, const struct node_snap_ack *m)
{
    buf_clear(&n->frame);
    node_snap_ack_encode(&n->frame, m);
    node_send_frame(n, to, NODE_FRAME_SNAP_ACK);
}

static void acknowledge(struct node *n, int status, bool installed)
{
    struct node_recv *r = &n->recv;
    struct node_snap_ack m = { .term = r->term,
                               .stream = r->stream,
                               .taken = r->taken_seq,
                               .next = r->heard_seq,
                               .status = (int16_t)status,
                               .installed = installed };
    answer(n, r->from, &m);
}

static void finish(struct node *n)
{
    node_recv_fini(n);
    n->recv.state = NODE_RECV_IDLE;
    n->apply.held = false;
}

static void aborted(struct node *n)
{
    struct node_recv *r = &n->recv;
    if (r->status == MS_ENOSPC) {
        r->short_bytes = r->offset + 1;
        r->short_ms = n->now_ms + NODE_SNAP_SHORT_MS;
    }
    acknowledge(n, r->status, false);
    finish(n);
}

/* What there is of it holds space that others may need. */
static void abort_closed(struct node *n)
{
    if (n->recv.status == MS_ENOSPC && has_file(n))
        submit_op(n, DISK_OP_REMOVE, NODE_RECV_ABORT_DISCARD);
    else
        aborted(n);
}

/* Give up: end the loading, close the file, say so to the sender. */
static void abort_with(struct node *n, int status)
{
    struct node_recv *r = &n->recv;
    r->status = status;
    log_line(n->log, LOG_WARN, "the snapshot from member %llu is given up: %s",
             (unsigned long long)r->from, ms_err_text(status));
    if (r->loading)
        submit_job(n, KV_JOB_LOAD_END, false, NODE_RECV_ABORT);
    else if (r->file != DISK_FILE_NONE)
        submit_op(n, DISK_OP_CLOSE, NODE_RECV_ABORT_CLOSE);
    else
        abort_closed(n);
}

/* All chunks are loaded and, where there is one, the file is durable: swap. From here until it is done
 * nothing is applied (P7); an apply that is under way ends before, since jobs run in order. */
static void swap(struct node *n)
{
    n->apply.held = true;
    submit_job(n, KV_JOB_LOAD_END, true, NODE_RECV_END);
}

/* A state that has been reached meanwhile in the ordinary way is never taken back. */
static bool is_overtaken(const struct node *n)
{
    uint64_t applied = n->info.applied_index;
    if (n->apply.busy) applied += n->apply.job.count;
    return applied >= n->recv.index;
}

static void swap_or_leave(struct node *n)
{
    if (is_overtaken(n))
        abort_with(n, MS_EEXIST);
    else
        swap(n);
}

/* Why what was begun has no point any more; 0: it has. */
static int is_spoiled(const struct node *n)
{
    const struct node_recv *r = &n->recv;
    if (n->shutting_down) return MS_ESTOPPED;
    if (r->term != raft_term(n->raft)) return MS_ENOLEADER; /* who sends it leads no more */
    return r->superseded ? MS_ETIMEOUT : 0;
}

static void take_next(struct node *n)
{
    struct node_recv *r = &n->recv;
    if (r->taken_seq == r->heard_seq)
        r->state = NODE_RECV_WAIT;
    else if (has_file(n))
        submit_op(n, DISK_OP_WRITE, NODE_RECV_WRITE);
    else
        submit_job(n, KV_JOB_LOAD_CHUNK, false, NODE_RECV_LOAD);
}

static void chunk_taken(struct node *n)
{
    struct node_recv *r = &n->recv;
    struct buf *chunk = chunk_now(r);
    r->offset += chunk->len;
    r->state_bytes += r->job.plain_bytes;
    buf_clear(chunk);
    if (chunk->cap > SNAP_CHUNK_BYTES_MAX) buf_fini(chunk);
    r->taken_seq++;
    if (r->complete && r->taken_seq == r->heard_seq) {
        if (has_file(n))
            submit_op(n, DISK_OP_SYNC, NODE_RECV_SYNC);
        else
            swap_or_leave(n);
        return;
    }
    int spoiled = is_spoiled(n);
    if (spoiled < 0) {
        abort_with(n, spoiled);
        return;
    }
    acknowledge(n, 0, false);
    take_next(n);
}

/* The state is that of the snapshot. Raft hears of it only now; the log follows. */
static void installed(struct node *n)
{
    struct node_recv *r = &n->recv;
    struct node_store *st = &n->store;
    n->counters.snapshots_received++;
    log_line(n->log, LOG_INFO, "installed a snapshot at index %llu from member %llu",
             (unsigned long long)r->index, (unsigned long long)r->from);
    if (raft_term_at(n->raft, r->index) != r->snap_term) {
        st->reset_wanted = true;
        st->reset_index = r->index;
        st->reset_term = r->snap_term;
    }
    node_take_point(n, r->index, r->snap_term, r->state_bytes);
    struct raft_input in = { .kind = RAFT_INPUT_INSTALLED };
    in.installed.index = r->index;
    in.installed.term = r->snap_term;
    in.installed.config_index = r->info.config_index;
    in.installed.config = &r->info.config;
    node_step(n, &in);
    if (n->failed) return;
    node_info_changed(n, &r->info);
    node_digest_forget(n, n->opts.id);
    node_leases_replaced(n);
    if (n->host.probe) n->host.probe(n->host.ctx, n, "installed", r->index, 0);
    acknowledge(n, 0, true);
    r->done_term = r->term;
    r->done_stream = r->stream;
    r->done_seq = r->taken_seq;
    r->short_bytes = 0;
    finish(n);
}

void node_recv_on_job(struct node *n)
{
    struct node_recv *r = &n->recv;
    int status = r->job.status;
    if (status <= MS_EFATAL) {
        node_fail(n, status, "the engine failed while a snapshot was installed");
        return;
    }
    switch (r->state) {
    case NODE_RECV_BEGIN:
        if (status < 0) {
            abort_with(n, status);
            break;
        }
        r->loading = true;
        if (has_file(n))
            submit_op(n, DISK_OP_WRITE, NODE_RECV_WRITE);
        else
            submit_job(n, KV_JOB_LOAD_CHUNK, false, NODE_RECV_LOAD);
        break;
    case NODE_RECV_LOAD:
        if (status < 0)
            abort_with(n, status);
        else
            chunk_taken(n);
        break;
    case NODE_RECV_END:
        r->loading = false;
        if (status == 0)
            installed(n);
        else
            abort_with(n, status); /* the old state stands */
        break;
    case NODE_RECV_ABORT:
        r->loading = false;
        if (r->file != DISK_FILE_NONE) {
            submit_op(n, DISK_OP_CLOSE, NODE_RECV_ABORT_CLOSE);
        } else {
            abort_closed(n);
        }
        break;
    default: MS_UNREACHABLE();
    }
}

void node_recv_on_disk(struct node *n)
{
    struct node_recv *r = &n->recv;
    int status = r->op.status;
    if (status == 0 && r->op.kind == DISK_OP_WRITE && r->op.done_bytes != r->op.len) status = MS_EIO;
    if (status < 0 && status != MS_ENOSPC && r->op.kind != DISK_OP_REMOVE) { /* D5 */
        char path[DISK_PATH_BYTES_MAX];
        node_snap_temp_path(n, path, NODE_TEMP_RECEIVED);
        node_fail_file(n, MS_EIO, "a snapshot could not be written", path, r->op.offset);
        return;
    }
    if (r->state == NODE_RECV_OPEN_FILE) r->file = status < 0 ? DISK_FILE_NONE : r->op.file;
    if (r->state == NODE_RECV_ABORT_CLOSE) {
        r->file = DISK_FILE_NONE;
        abort_closed(n);
        return;
    }
    if (r->state == NODE_RECV_ABORT_DISCARD) {
        submit_op(n, DISK_OP_SYNC_DIR, NODE_RECV_ABORT_SYNC);
        return;
    }
    if (r->state == NODE_RECV_ABORT_SYNC) {
        aborted(n);
        return;
    }
    if (status < 0) {
        if (r->state == NODE_RECV_WRITE) r->offset += r->op.len; /* so much is needed */
        abort_with(n, status);
        return;
    }
    switch (r->state) {
    case NODE_RECV_OPEN_FILE: submit_op(n, DISK_OP_TRUNCATE, NODE_RECV_TRUNCATE); break;
    case NODE_RECV_TRUNCATE: submit_job(n, KV_JOB_LOAD_BEGIN, false, NODE_RECV_BEGIN); break;
    case NODE_RECV_WRITE: submit_job(n, KV_JOB_LOAD_CHUNK, false, NODE_RECV_LOAD); break;
    case NODE_RECV_SYNC: submit_op(n, DISK_OP_CLOSE, NODE_RECV_CLOSE_FILE); break;
    case NODE_RECV_CLOSE_FILE:
        r->file = DISK_FILE_NONE;
        submit_op(n, DISK_OP_RENAME, NODE_RECV_RENAME);
        break;
    case NODE_RECV_RENAME: submit_op(n, DISK_OP_SYNC_DIR, NODE_RECV_SYNC_DIR); break;
    case NODE_RECV_SYNC_DIR: swap_or_leave(n); break;
    default: MS_UNREACHABLE();
    }
}

/* The frame and the snapshot inside it have to speak of the same state, of our cluster. */
static int check_header(const struct node *n, const struct node_snap_chunk *m)
{
    static const uint8_t unknown[MS_UUID_BYTES];
    struct kv_snap_header h;
    int rv = kv_snap_header_decode(m->chunk, n->alloc, &h);
    if (rv < 0) return rv;
    if (h.index != m->index || h.term != m->snap_term) return MS_ECORRUPT;
    const uint8_t *own = n->store.state.cluster_uuid;
    bool known = memcmp(own, unknown, MS_UUID_BYTES) != 0;
    return known && memcmp(own, h.cluster_uuid, MS_UUID_BYTES) != 0 ? MS_EFOREIGN : 0;
}

static bool hear(struct node *n, const struct node_snap_chunk *m)
{
    struct node_recv *r = &n->recv;
    struct buf *chunk = &r->chunks[r->heard_seq % SNAP_WINDOW_CHUNKS_MAX];
    buf_append(chunk, m->chunk.data, m->chunk.len);
    if (chunk->failed) {
        buf_clear(chunk); /* as if it had not come: it is offered again */
        return false;
    }
    r->heard_seq++;
    r->complete = m->last;
    r->give_up_ms = n->now_ms + give_up_ms(n);
    return true;
}

static void begin(struct node *n, uint64_t from, const struct node_snap_chunk *m)
{
    struct node_recv *r = &n->recv, old = *r;
    *r = (struct node_recv){ .from = from,
                             .term = m->term,
                             .stream = m->stream,
                             .index = m->index,
                             .snap_term = m->snap_term,
                             .file = DISK_FILE_NONE,
                             .invited_term = old.invited_term,
                             .invited_stream = old.invited_stream,
                             .done_term = old.done_term,
                             .done_stream = old.done_stream,
                             .done_seq = old.done_seq,
                             .short_bytes = old.short_bytes,
                             .short_ms = old.short_ms };
    for (uint32_t i = 0; i < SNAP_WINDOW_CHUNKS_MAX; i++)
        buf_init(&r->chunks[i], n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    if (!hear(n, m))
        finish(n);
    else if (has_file(n))
        submit_op(n, DISK_OP_OPEN, NODE_RECV_OPEN_FILE);
    else
        submit_job(n, KV_JOB_LOAD_BEGIN, false, NODE_RECV_BEGIN);
}

/* The state is that far, or the log will bring it there: a log that durably holds the snapshot's last
 * entry holds all before it too (Raft, 5.3). An older state never takes the place of a newer one. */
static bool is_needless(const struct node *n, uint64_t index, uint64_t term)
{
    if (index <= n->info.applied_index || index <= raft_commit_index(n->raft)) return true;
    return index <= raft_durable_index(n->raft) && raft_term_at(n->raft, index) == term;
}

static bool is_busy(const struct node *n)
{
    return n->take.state != NODE_TAKE_IDLE || n->shutting_down; /* one file at a time */
}

/* A snapshot needs room, and the last one may have needed more than there is. */
static bool has_no_room(const struct node *n)
{
    const struct node_recv *r = &n->recv;
    bool was_short = r->short_bytes && n->now_ms < r->short_ms;
    return n->space.full || (was_short && n->space.free_bytes <= r->short_bytes);
}

static bool is_of(const struct node_recv *r, uint64_t from, uint64_t term, uint64_t stream)
{
    return r->state != NODE_RECV_IDLE && from == r->from && term == r->term && stream == r->stream;
}

/* Only the leader of the present term sends: an older one may no longer know what is committed. And of
 * its transfers the newest counts; streams are numbered in order. */
static bool is_stale(const struct node *n, uint64_t from, uint64_t term, uint64_t stream)
{
    const struct node_recv *r = &n->recv;
    if (term != raft_term(n->raft) || from != raft_leader(n->raft)) return true;
    return term == r->invited_term && stream < r->invited_stream;
}

/* What is answered to an offer of a stream that is not the one under way. */
static int judge_offer(struct node *n, const struct node_snap_offer *m)
{
    struct node_recv *r = &n->recv;
    if (is_needless(n, m->index, m->snap_term)) return MS_EEXIST;
    if (has_no_room(n)) return MS_ENOSPC;
    if (r->state == NODE_RECV_WAIT) {
        abort_with(n, MS_ETIMEOUT); /* a newer transfer takes its place */
    } else if (r->state != NODE_RECV_IDLE) {
        r->superseded = true;
    }
    return r->state != NODE_RECV_IDLE || is_busy(n) ? MS_EBUSY : 0;
}

void node_on_snap_offer(struct node *n, uint64_t from, struct bytes body)
{
    struct node_recv *r = &n->recv;
    struct node_snap_offer m;
    if (node_snap_offer_decode(body, &m) < 0) return;
    if (is_stale(n, from, m.term, m.stream)) return;
    struct node_snap_ack a = { .term = m.term, .stream = m.stream, .offer = m.number };
    if (m.term == r->done_term && m.stream == r->done_stream) {
        a.installed = true; /* our answer was lost */
        a.taken = a.next = r->done_seq;
    } else if (is_of(r, from, m.term, m.stream)) {
        a.taken = r->taken_seq;
        a.next = r->heard_seq;
    } else {
        a.status = (int16_t)judge_offer(n, &m);
        r->invited_term = m.term;
        r->invited_stream = m.stream;
    }
    answer(n, from, &a);
}

static void on_first_chunk(struct node *n, uint64_t from, const struct node_snap_chunk *m)
{
    if (is_busy(n) || is_needless(n, m->index, m->snap_term))
        return; /* the next offer's answer says so */
    int rv = check_header(n, m);
    if (rv == 0) {
        begin(n, from, m);
        return;
    }
    log_line(n->log, LOG_WARN, "a snapshot from member %llu was refused: %s", (unsigned long long)from,
             ms_err_text(rv));
    struct node_snap_ack a = { .term = m->term, .stream = m->stream, .status = (int16_t)rv };
    answer(n, from, &a);
}

void node_on_snap_chunk(struct node *n, uint64_t from, struct bytes body)
{
    struct node_recv *r = &n->recv;
    struct node_snap_chunk m;
    if (node_snap_chunk_decode(body, &m) < 0) return;
    if (is_stale(n, from, m.term, m.stream)) return;
    if (m.term != r->invited_term || m.stream != r->invited_stream) return; /* never offered */
    if (r->state == NODE_RECV_IDLE) {
        bool done = m.term == r->done_term && m.stream == r->done_stream;
        if (m.seq == 0 && !done) on_first_chunk(n, from, &m);
        return;
    }
    if (!is_of(r, from, m.term, m.stream) || m.seq != r->heard_seq || r->complete) return;
    if (r->heard_seq - r->taken_seq >= SNAP_WINDOW_CHUNKS_MAX) return; /* no correct sender does that */
    if (hear(n, &m) && r->state == NODE_RECV_WAIT) take_next(n);
}

void node_recv_tick(struct node *n)
{
    struct node_recv *r = &n->recv;
    if (r->state != NODE_RECV_WAIT) return;
    int status = is_spoiled(n);
    if (status == 0 && r->give_up_ms <= n->now_ms) status = MS_ETIMEOUT;
    if (status < 0) abort_with(n, status);
}

void node_recv_stop(struct node *n)
{
    if (n->recv.state == NODE_RECV_WAIT) abort_with(n, MS_ESTOPPED);
}

void node_recv_fini(struct node *n)
{
    for (uint32_t i = 0; i < SNAP_WINDOW_CHUNKS_MAX; i++) {
        if (n->recv.chunks[i].alloc) buf_fini(&n->recv.chunks[i]);
    }
}
