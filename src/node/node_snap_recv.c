/* node_snap_recv.c: taking a snapshot from the leader and installing it (Raft, section 7).
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

static uint64_t give_up_ms(const struct node *n)
{
    return 200u * (uint64_t)n->opts.raft.heartbeat_ms;
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
        r->op.buf = r->chunk.data;
        r->op.len = r->chunk.len;
        break;
    case DISK_OP_RENAME:
        node_snap_temp_path(n, r->op.path, NODE_TEMP_RECEIVED);
        node_snap_path(n, r->op.path2, r->index, r->snap_term);
        break;
    case DISK_OP_SYNC_DIR: snprintf(r->op.path, sizeof r->op.path, "%s", n->snap_dir); break;
    default: break;
    }
    n->disk->ops->submit(n->disk, &r->op);
}

static void submit_job(struct node *n, enum kv_job_kind kind, bool keep, enum node_recv_state state)
{
    struct node_recv *r = &n->recv;
    r->job = (struct kv_job){ .kind = kind, .owner = n, .last = keep };
    if (kind == KV_JOB_LOAD_CHUNK) r->job.chunk = r->chunk; /* lent: kv only reads it */
    if (kind == KV_JOB_LOAD_END) r->job.info = &r->info;
    r->state = state;
    n->host.submit_job(n->host.ctx, &r->job);
}

static void acknowledge_as(struct node *n, uint64_t to, uint64_t term, uint64_t stream, uint64_t seq,
                           int status, bool installed)
{
    struct node_snap_ack m = {
        .term = term, .stream = stream, .seq = seq, .status = (int16_t)status, .installed = installed
    };
    buf_clear(&n->frame);
    node_snap_ack_encode(&n->frame, &m);
    node_send_frame(n, to, NODE_FRAME_SNAP_ACK);
}

static void acknowledge(struct node *n, int status, bool installed)
{
    struct node_recv *r = &n->recv;
    acknowledge_as(n, r->from, r->term, r->stream, r->seq, status, installed);
}

static void finish(struct node *n)
{
    struct node_recv *r = &n->recv;
    buf_fini(&r->chunk);
    r->state = NODE_RECV_IDLE;
    n->apply.held = false;
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
    else {
        acknowledge(n, status, false);
        finish(n);
    }
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

static void chunk_taken(struct node *n)
{
    struct node_recv *r = &n->recv;
    r->offset += r->chunk.len;
    r->seq++;
    if (r->last) {
        if (has_file(n))
            submit_op(n, DISK_OP_SYNC, NODE_RECV_SYNC);
        else
            swap_or_leave(n);
        return;
    }
    r->state = NODE_RECV_WAIT;
    acknowledge(n, 0, false);
}

/* The state is that of the snapshot. Raft hears of it only now; the log follows. */
static void installed(struct node *n)
{
    struct node_recv *r = &n->recv;
    struct node_store *st = &n->store;
    log_line(n->log, LOG_INFO, "installed a snapshot at index %llu from member %llu",
             (unsigned long long)r->index, (unsigned long long)r->from);
    if (raft_term_at(n->raft, r->index) != r->snap_term) {
        st->reset_wanted = true;
        st->reset_index = r->index;
        st->reset_term = r->snap_term;
    }
    node_take_point(n, r->index, r->snap_term, r->offset);
    struct raft_input in = { .kind = RAFT_INPUT_INSTALLED };
    in.installed.index = r->index;
    in.installed.term = r->snap_term;
    in.installed.config_index = r->info.config_index;
    in.installed.config = &r->info.config;
    node_step(n, &in);
    if (n->failed) return;
    node_info_changed(n, &r->info);
    if (n->host.probe) n->host.probe(n->host.ctx, n, "installed", r->index, 0);
    acknowledge(n, 0, true);
    r->done_term = r->term;
    r->done_stream = r->stream;
    r->done_seq = r->seq;
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
            acknowledge(n, r->status, false);
            finish(n);
        }
        break;
    default: MS_UNREACHABLE();
    }
}

void node_recv_on_disk(struct node *n)
{
    struct node_recv *r = &n->recv;
    int status = r->op.status;
    if (status < 0 && status != MS_ENOSPC) {
        node_fail(n, MS_EIO, "a snapshot could not be written");
        return;
    }
    if (r->state == NODE_RECV_OPEN_FILE) r->file = status < 0 ? DISK_FILE_NONE : r->op.file;
    if (r->state == NODE_RECV_ABORT_CLOSE) {
        r->file = DISK_FILE_NONE;
        acknowledge(n, r->status, false);
        finish(n);
        return;
    }
    if (status < 0) {
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

static void take_chunk(struct node *n, const struct node_snap_chunk *m)
{
    struct node_recv *r = &n->recv;
    buf_clear(&r->chunk);
    buf_append(&r->chunk, m->chunk.data, m->chunk.len);
    if (r->chunk.failed) {
        abort_with(n, MS_ENOMEM);
        return;
    }
    r->last = m->last;
    r->give_up_ms = n->now_ms + give_up_ms(n);
    if (has_file(n))
        submit_op(n, DISK_OP_WRITE, NODE_RECV_WRITE);
    else
        submit_job(n, KV_JOB_LOAD_CHUNK, false, NODE_RECV_LOAD);
}

/* The frame and the snapshot inside it have to speak of the same state, of our cluster. */
static int check_header(const struct node *n, const struct node_snap_chunk *m)
{
    static const uint8_t unknown[MS_UUID_BYTES];
    struct kv_snap_header h;
    int rv = kv_snap_header_decode(m->chunk, &h);
    if (rv < 0) return rv;
    if (h.index != m->index || h.term != m->snap_term) return MS_ECORRUPT;
    const uint8_t *own = n->store.state.cluster_uuid;
    bool known = memcmp(own, unknown, MS_UUID_BYTES) != 0;
    return known && memcmp(own, h.cluster_uuid, MS_UUID_BYTES) != 0 ? MS_EFOREIGN : 0;
}

static void begin(struct node *n, uint64_t from, const struct node_snap_chunk *m)
{
    struct node_recv *r = &n->recv;
    uint64_t done_term = r->done_term, done_stream = r->done_stream, done_seq = r->done_seq;
    *r = (struct node_recv){ .from = from,
                             .term = m->term,
                             .stream = m->stream,
                             .index = m->index,
                             .snap_term = m->snap_term,
                             .file = DISK_FILE_NONE,
                             .last = m->last,
                             .done_term = done_term,
                             .done_stream = done_stream,
                             .done_seq = done_seq };
    r->give_up_ms = n->now_ms + give_up_ms(n);
    buf_init(&r->chunk, n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    buf_append(&r->chunk, m->chunk.data, m->chunk.len);
    if (r->chunk.failed) {
        acknowledge(n, MS_ENOMEM, false);
        finish(n);
        return;
    }
    if (has_file(n))
        submit_op(n, DISK_OP_OPEN, NODE_RECV_OPEN_FILE);
    else
        submit_job(n, KV_JOB_LOAD_BEGIN, false, NODE_RECV_BEGIN);
}

void node_on_snap_chunk(struct node *n, uint64_t from, struct bytes body)
{
    struct node_recv *r = &n->recv;
    struct node_snap_chunk m;
    if (node_snap_chunk_decode(body, &m) < 0) return;
    /* Only from the leader of the present term: an older one may no longer know what is committed. */
    if (m.term != raft_term(n->raft) || from != raft_leader(n->raft)) return;
    if (m.term == r->done_term && m.stream == r->done_stream) {
        acknowledge_as(n, from, m.term, m.stream, r->done_seq, 0, true); /* our answer was lost */
        return;
    }
    bool same =
        r->state != NODE_RECV_IDLE && m.term == r->term && m.stream == r->stream && from == r->from;
    if (same) {
        if (r->state != NODE_RECV_WAIT) return; /* busy with the chunk before */
        if (m.seq == r->seq)
            take_chunk(n, &m);
        else if (m.seq < r->seq)
            acknowledge(n, 0, false);
        return;
    }
    if (r->state == NODE_RECV_WAIT) {
        abort_with(n, MS_ETIMEOUT); /* a newer transfer takes its place; its first chunk comes again */
        return;
    }
    if (r->state != NODE_RECV_IDLE) return;
    if (m.seq != 0) { /* of a transfer that this life knows nothing of: it has to begin anew */
        acknowledge_as(n, from, m.term, m.stream, 0, MS_EINVAL, false);
        return;
    }
    if (m.index <= n->info.applied_index || m.index <= raft_commit_index(n->raft)) {
        acknowledge_as(n, from, m.term, m.stream, 0, MS_EEXIST, false); /* not needed any more */
        return;
    }
    if (n->take.state != NODE_TAKE_IDLE || n->shutting_down)
        return; /* one file at a time: it comes again */
    int rv = check_header(n, &m);
    if (rv < 0) {
        log_line(n->log, LOG_WARN, "a snapshot from member %llu was refused: %s",
                 (unsigned long long)from, ms_err_text(rv));
        acknowledge_as(n, from, m.term, m.stream, 0, rv, false);
        return;
    }
    begin(n, from, &m);
}

void node_recv_tick(struct node *n)
{
    struct node_recv *r = &n->recv;
    if (r->state == NODE_RECV_WAIT && r->give_up_ms <= n->now_ms) abort_with(n, MS_ETIMEOUT);
}

void node_recv_stop(struct node *n)
{
    if (n->recv.state == NODE_RECV_WAIT) abort_with(n, MS_ESTOPPED);
}

void node_recv_fini(struct node *n)
{
    if (n->recv.chunk.alloc) buf_fini(&n->recv.chunk);
}
