/* node_snap_take.c: snapshots of our own, so that the log can be cut (DESIGN 5).
 *
 * Memory engine: a view is written chunk by chunk beside the running state, synced, renamed, its
 * directory synced; then the state record that points to it; then the log is cut. A durable engine
 * persists itself instead, and the log is cut at what it persisted. Writes go on meanwhile and hardly
 * notice it: a chunk is a short piece of work for the loop, they are read at a bounded rate, and are
 * synced in parts, so that no heap of dirty pages stands before the log's sync at the end. Running out of space is no disaster
 * here: the attempt is given up and made again later (DESIGN 2.11). */
#include <stdio.h>

#include "node/node_private.h"

#define SHORT_DIVISOR 4u /* of a state without room: so much smaller it may have become small enough */

void node_snap_path(const struct node *n, char out[DISK_PATH_BYTES_MAX], uint64_t index, uint64_t term)
{
    snprintf(out, DISK_PATH_BYTES_MAX, "%s/snap-%016llx-%016llx", n->snap_dir,
             (unsigned long long)index, (unsigned long long)term);
}

void node_snap_temp_path(const struct node *n, char out[DISK_PATH_BYTES_MAX], const char *name)
{
    snprintf(out, DISK_PATH_BYTES_MAX, "%s/%s", n->snap_dir, name);
}

/* The log is kept for a member that a snapshot is sent to, and is cut as far as that allows already: another
 * snapshot would gain nothing, and each further entry would ask for the next one. */
static bool is_held(const struct node *n)
{
    uint64_t needed = node_sends_need(n);
    return needed < n->info.applied_index && needed < raft_first_index(n->raft) + NODE_RETAINED_ENTRIES;
}

static bool is_wanted(const struct node *n)
{
    uint64_t least = n->opts.snapshot_log_bytes, gain = 2 * n->opts.wal_segment_bytes;
    if (n->space.full && gain < least) least = gain; /* the log behind it is given back */
    if (n->take.last_bytes > least) least = n->take.last_bytes;
    uint64_t live = wal_live_bytes(n->wal),
             kept = n->take.kept_bytes; /* what was kept is behind a snapshot */
    return live > kept && live - kept > least &&
           n->info.applied_index > n->store.state.snapshot_index && n->take.retry_ms <= n->now_ms &&
           n->recv.state == NODE_RECV_IDLE && !n->shutting_down && !is_held(n);
}

/* Whether there may be room for what has run out of it before: there is more, or the state has become smaller. */
static bool may_fit(const struct node *n)
{
    const struct node_take *t = &n->take;
    bool smaller = t->content_bytes < t->short_content - t->short_content / SHORT_DIVISOR;
    return t->short_bytes == 0 || n->space.free_bytes > t->short_bytes || smaller;
}

static void submit_job(struct node *n, enum kv_job_kind kind, enum node_take_state state)
{
    struct node_take *t = &n->take;
    struct buf chunk = t->job.chunk;
    buf_clear(&chunk);
    t->job = (struct kv_job){ .kind = kind, .owner = n, .snapshot = t->view, .chunk = chunk };
    if (kind == KV_JOB_SNAP_OPEN || kind == KV_JOB_PERSIST) t->job.info = &t->info;
    t->state = state;
    n->host.submit_job(n->host.ctx, &t->job);
}

static void submit_op(struct node *n, enum disk_op_kind kind, enum node_take_state state)
{
    struct node_take *t = &n->take;
    t->op = (struct disk_op){ .kind = kind, .lane = DISK_LANE_BULK, .owner = n, .file = t->file };
    t->state = state;
    switch (kind) {
    case DISK_OP_OPEN:
        t->op.create = true;
        node_snap_temp_path(n, t->op.path, NODE_TEMP_TAKEN);
        break;
    case DISK_OP_WRITE:
        t->op.offset = t->offset;
        t->op.buf = t->job.chunk.data;
        t->op.len = t->job.chunk.len;
        break;
    case DISK_OP_RENAME:
        node_snap_temp_path(n, t->op.path, NODE_TEMP_TAKEN);
        node_snap_path(n, t->op.path2, t->info.applied_index, t->info.applied_term);
        break;
    case DISK_OP_SYNC_DIR: snprintf(t->op.path, sizeof t->op.path, "%s", n->snap_dir); break;
    case DISK_OP_REMOVE:
        if (state == NODE_TAKE_DISCARD)
            node_snap_temp_path(n, t->op.path, NODE_TEMP_TAKEN);
        else
            node_snap_path(n, t->op.path, t->old_index, t->old_term);
        break;
    default: break;
    }
    n->disk->ops->submit(n->disk, &t->op);
}

/* When the next chunk may be read. A small state is read at once. */
static uint64_t due_ms(const struct node *n)
{
    const struct node_take *t = &n->take;
    if (t->state_bytes <= NODE_TAKE_BURST_BYTES || n->shutting_down) return n->now_ms;
    return t->began_ms + (t->state_bytes - NODE_TAKE_BURST_BYTES) / NODE_TAKE_BYTES_PER_MS;
}

static void read_next(struct node *n)
{
    struct node_take *t = &n->take;
    t->due_ms = due_ms(n);
    if (t->due_ms <= n->now_ms)
        submit_job(n, KV_JOB_SNAP_READ, NODE_TAKE_READ);
    else
        t->state = NODE_TAKE_WAIT;
}

uint64_t node_take_deadline(const struct node *n)
{
    return n->take.state == NODE_TAKE_WAIT ? n->take.due_ms : MS_TIME_NEVER;
}

static void cut_log(struct node *n, uint64_t index)
{
    uint64_t needed = node_sends_need(n);
    n->take.owed_index = index > needed ? index : 0;
    if (index > needed) index = needed;
    index = index > NODE_RETAINED_ENTRIES ? index - NODE_RETAINED_ENTRIES : 0;
    if (index >= raft_first_index(n->raft)) {
        struct raft_input in = { .kind = RAFT_INPUT_COMPACT, .index = index };
        node_step(n, &in);
    }
    wal_cut(n->wal, index); /* it may begin before the log of raft does since the start: create_for_log() */
    n->take.kept_bytes = wal_live_bytes(n->wal);
}

/* What was kept for a member. Where the disk is full nothing may be written for which another snapshot would be taken,
 * and this one allows more. */
static void cut_owed(struct node *n)
{
    uint64_t owed = n->take.owed_index, kept = n->take.kept_bytes;
    if (!n->space.full || owed == 0 || node_sends_need(n) < owed) return;
    uint64_t live = wal_live_bytes(n->wal);
    cut_log(n, owed);
    uint64_t gone = live - wal_live_bytes(n->wal);
    n->take.kept_bytes = kept > gone ? kept - gone : 0; /* what came since is not behind it */
}

void node_take_pump(struct node *n)
{
    struct node_take *t = &n->take;
    if (!n->failed) cut_owed(n);
    if (!n->failed && t->state == NODE_TAKE_WAIT) read_next(n);
    if (n->failed || t->state != NODE_TAKE_IDLE || !is_wanted(n)) return;
    t->status = 0;
    t->offset = t->state_bytes = t->synced = 0;
    t->began_ms = n->now_ms;
    t->file = DISK_FILE_NONE;
    t->view = NULL;
    if (n->opts.storage == NODE_STORAGE_MEMORY)
        submit_job(n, KV_JOB_SNAP_OPEN, NODE_TAKE_OPEN_VIEW);
    else
        submit_job(n, KV_JOB_PERSIST, NODE_TAKE_PERSIST);
}

static void give_up(struct node *n)
{
    struct node_take *t = &n->take;
    if (t->status != t->told_status) /* once, not at each attempt */
        log_line(n->log, LOG_WARN, "a snapshot could not be stored: %s; it is tried again every %u s",
                 ms_err_text(t->status), NODE_SNAP_RETRY_MS / 1000);
    t->told_status = t->status;
    t->retry_ms = n->now_ms + NODE_SNAP_RETRY_MS;
    t->state = NODE_TAKE_IDLE;
    if (t->status == MS_ENOSPC && (t->offset > 0 || t->short_bytes == 0)) { /* else it was not begun */
        t->short_bytes = t->offset + 1;
        t->short_content = t->content_bytes;
    }
    buf_fini(&t->job.chunk);
}

/* It holds space that others may need, and gives it back for good when its name is gone for good. */
static void discard(struct node *n)
{
    submit_op(n, DISK_OP_REMOVE, NODE_TAKE_DISCARD);
}

/* A snapshot of our own or an installed one is durable: let the state point to it; when that is durable
 * too, the log is cut and the file before it removed. */
void node_take_point(struct node *n, uint64_t index, uint64_t term, uint64_t bytes)
{
    struct node_take *t = &n->take;
    MS_ASSERT(index > n->store.state.snapshot_index); /* never two at a time, so never an older one */
    t->pointed_index = index;
    t->pointed_bytes = bytes;
    t->old_index = n->store.state.snapshot_index;
    t->old_term = n->store.state.snapshot_term;
    n->store.state.snapshot_index = index;
    n->store.state.snapshot_term = term;
    node_state_changed(n);
    t->pointed_version = n->store.state_version;
    t->short_bytes = 0;
    t->told_status = 0;
    t->state = NODE_TAKE_POINT;
}

static void point(struct node *n)
{
    struct node_take *t = &n->take;
    bool newer = t->info.applied_index > n->store.state.snapshot_index;
    t->state = NODE_TAKE_IDLE;
    if (newer) n->counters.snapshots_taken++;
    if (newer) node_take_point(n, t->info.applied_index, t->info.applied_term, t->state_bytes);
}

void node_take_stored(struct node *n)
{
    struct node_take *t = &n->take;
    if (t->state != NODE_TAKE_POINT || !node_state_durable(n, t->pointed_version)) return;
    log_line(n->log, LOG_INFO, "snapshot at index %llu: %llu bytes of state",
             (unsigned long long)t->pointed_index, (unsigned long long)t->pointed_bytes);
    t->last_bytes = t->pointed_bytes;
    cut_log(n, t->pointed_index);
    bool old_file = n->opts.storage == NODE_STORAGE_MEMORY && t->old_index != 0;
    t->state = NODE_TAKE_IDLE;
    if (old_file) submit_op(n, DISK_OP_REMOVE, NODE_TAKE_REMOVE);
}

static void close_view(struct node *n)
{
    if (n->take.view)
        submit_job(n, KV_JOB_SNAP_CLOSE, NODE_TAKE_CLOSE_VIEW);
    else
        give_up(n);
}

static void failed(struct node *n, int status)
{
    n->take.status = status;
    close_view(n);
}

static void op_or_failed(struct node *n, int status, enum disk_op_kind kind, enum node_take_state state)
{
    if (status < 0)
        failed(n, status);
    else
        submit_op(n, kind, state);
}

void node_take_on_job(struct node *n)
{
    struct node_take *t = &n->take;
    int status = t->job.status;
    if (status <= MS_EFATAL) {
        node_fail(n, status, "the engine failed while a snapshot was taken");
        return;
    }
    switch (t->state) {
    case NODE_TAKE_OPEN_VIEW:
        t->view = t->job.snapshot;
        t->content_bytes = t->job.content_bytes;
        if (status == 0 && !may_fit(n)) status = MS_ENOSPC;
        op_or_failed(n, status, DISK_OP_OPEN, NODE_TAKE_OPEN_FILE);
        break;
    case NODE_TAKE_READ:
        t->last = t->job.last;
        t->state_bytes += t->job.plain_bytes;
        op_or_failed(n, status, DISK_OP_WRITE, NODE_TAKE_WRITE);
        break;
    case NODE_TAKE_CLOSE_VIEW:
        t->view = NULL;
        buf_fini(&t->job.chunk);
        if (t->file != DISK_FILE_NONE)
            submit_op(n, DISK_OP_CLOSE, NODE_TAKE_CLOSE_FILE);
        else
            give_up(n);
        break;
    case NODE_TAKE_PERSIST:
        if (status < 0)
            failed(n, status);
        else
            point(n);
        break;
    default: MS_UNREACHABLE();
    }
}

static int op_status(const struct node_take *t)
{
    if (t->op.status == 0 && t->op.kind == DISK_OP_WRITE && t->op.done_bytes != t->op.len)
        return MS_EIO;
    return t->op.status;
}

static void fail_written(struct node *n)
{
    char path[DISK_PATH_BYTES_MAX];
    node_snap_temp_path(n, path, NODE_TEMP_TAKEN);
    node_fail_file(n, MS_EIO, "a snapshot could not be written", path, n->take.op.offset);
}

static void chunk_written(struct node *n, int status)
{
    struct node_take *t = &n->take;
    t->offset += t->op.len; /* also what there was no room for: so much is needed */
    if (status < 0)
        failed(n, status);
    else if (t->last)
        submit_op(n, DISK_OP_SYNC, NODE_TAKE_SYNC);
    else if (t->offset - t->synced >= NODE_TAKE_SYNC_BYTES)
        submit_op(n, DISK_OP_SYNC, NODE_TAKE_SYNC_PART);
    else
        read_next(n);
}

static void file_closed(struct node *n)
{
    struct node_take *t = &n->take;
    t->file = DISK_FILE_NONE;
    if (t->status == MS_ENOSPC)
        discard(n);
    else if (t->status < 0)
        give_up(n);
    else
        submit_op(n, DISK_OP_RENAME, NODE_TAKE_RENAME);
}

void node_take_on_disk(struct node *n)
{
    struct node_take *t = &n->take;
    int status = op_status(t);
    bool removes = t->op.kind == DISK_OP_REMOVE;         /* what stays, goes at the next start */
    if (status < 0 && status != MS_ENOSPC && !removes) { /* D5: final where bytes exist */
        fail_written(n);
        return;
    }
    switch (t->state) {
    case NODE_TAKE_OPEN_FILE:
        t->file = status < 0 ? DISK_FILE_NONE : t->op.file;
        op_or_failed(n, status, DISK_OP_TRUNCATE, NODE_TAKE_TRUNCATE);
        break;
    case NODE_TAKE_TRUNCATE: submit_job(n, KV_JOB_SNAP_READ, NODE_TAKE_READ); break;
    case NODE_TAKE_WRITE: chunk_written(n, status); break;
    case NODE_TAKE_SYNC_PART:
        t->synced = t->offset;
        if (status < 0)
            failed(n, status);
        else
            read_next(n);
        break;
    case NODE_TAKE_SYNC:
        t->status = status;
        close_view(n);
        break;
    case NODE_TAKE_CLOSE_FILE: file_closed(n); break;
    case NODE_TAKE_DISCARD: submit_op(n, DISK_OP_SYNC_DIR, NODE_TAKE_DISCARD_SYNC); break;
    case NODE_TAKE_DISCARD_SYNC: give_up(n); break;
    case NODE_TAKE_RENAME:
        t->status = status;
        if (status < 0)
            discard(n);
        else
            submit_op(n, DISK_OP_SYNC_DIR, NODE_TAKE_SYNC_DIR);
        break;
    case NODE_TAKE_SYNC_DIR:
        t->status = status;
        if (status < 0)
            give_up(n);
        else
            point(n);
        break;
    case NODE_TAKE_REMOVE: /* for good: it may be of a state that an installed one has put right */
        submit_op(n, DISK_OP_SYNC_DIR, NODE_TAKE_REMOVE_SYNC);
        break; /* what stays is removed at the next start */
    case NODE_TAKE_REMOVE_SYNC: t->state = NODE_TAKE_IDLE; break;
    default: MS_UNREACHABLE();
    }
}
