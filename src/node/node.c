/* node.c: the life of a node, its inputs, and the order of a turn. */
#include <stdio.h>

#include "node/node_private.h"

void node_fail(struct node *n, int status, const char *reason)
{
    char text[NODE_WHY_BYTES + DISK_PATH_BYTES_MAX];
    if (n->failed) return;
    n->failed = true;
    snprintf(text, sizeof text, "%s: %s", reason, ms_err_text(status));
    log_line(n->log, LOG_ERROR, "stopping: %s", text);
    if (n->stopped) return;
    n->stopped = true;
    n->host.stop(n->host.ctx, status, text);
}

void node_fail_file(struct node *n, int status, const char *what, const char *path, uint64_t offset)
{
    char text[NODE_WHY_BYTES / 2 + DISK_PATH_BYTES_MAX];
    snprintf(text, sizeof text, "%s: %s, offset %llu", what, path, (unsigned long long)offset);
    node_fail(n, status, text);
}

const struct config *node_config(const struct node *n)
{
    const struct config *c = raft_config(n->raft);
    return c->member_count > 0 ? c : &n->cluster;
}

bool node_is_leader(const struct node *n)
{
    return raft_role(n->raft) == RAFT_LEADER;
}

void node_answer_status(struct node *n, uint64_t token, int status, const char *text)
{
    struct node_answer a = { .token = token, .status = status, .text = text };
    n->host.answer(n->host.ctx, &a);
}

void node_check(const struct node *n)
{
    const struct node_proposals *p = &n->proposals;
    MS_ASSERT(n->magic == NODE_MAGIC);
    MS_ASSERT(n->info.applied_index <= raft_commit_index(n->raft)); /* P4 */
    MS_ASSERT(n->info.applied_index <= raft_durable_index(n->raft));
    node_sends_check(n);
    MS_ASSERT(n->recv.taken_seq <= n->recv.heard_seq); /* P9 */
    MS_ASSERT(n->recv.heard_seq - n->recv.taken_seq <= SNAP_WINDOW_CHUNKS_MAX);
    if (n->recv.state == NODE_RECV_END) MS_ASSERT(n->apply.held);                      /* P7 */
    MS_ASSERT(p->low_seq <= p->next_seq && p->next_seq - p->low_seq <= ORIGIN_WINDOW); /* P8 */
    node_watch_check(n);
}

static int check_opts(const struct node_opts *o, char *why, size_t why_cap)
{
    if (o->id == 0 || o->id > MS_MEMBER_ID_MAX) {
        snprintf(why, why_cap, "a member id is a number from 1 up");
    } else if (!config_find(o->cluster, o->id)) {
        snprintf(why, why_cap, "member %llu is not in the list of the cluster",
                 (unsigned long long)o->id);
    } else if (o->wal_segment_bytes < 2 * (uint64_t)o->request_bytes_max + (64u << 10)) {
        snprintf(why, why_cap, "a log segment of %llu bytes is too small for requests of %zu bytes",
                 (unsigned long long)o->wal_segment_bytes, o->request_bytes_max);
    } else if (o->request_bytes_max > MS_TXN_BYTES_MAX) {
        snprintf(why, why_cap, "requests of more than %u bytes are not possible", MS_TXN_BYTES_MAX);
    } else if (o->space_low_bytes && o->space_low_bytes < o->wal_segment_bytes) {
        snprintf(why, why_cap, "a log segment of %llu bytes has to fit what is kept free, %llu",
                 (unsigned long long)o->wal_segment_bytes, (unsigned long long)o->space_low_bytes);
    } else if (o->requests_max == 0 || o->request_ms_max == 0 || o->raft.heartbeat_ms == 0) {
        snprintf(why, why_cap, "limits and times have to be above 0");
    } else {
        return 0;
    }
    return MS_EINVAL;
}

static int init(struct node *n, char *why, size_t why_cap)
{
    buf_init(&n->frame, n->alloc, NET_FRAME_BYTES_MAX);
    buf_init(&n->scratch, n->alloc, ENTRY_PAYLOAD_BYTES_MAX + CONFIG_ENCODED_BYTES_MAX);
    buf_init(&n->take.job.chunk, n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    n->recv.file = n->take.file = DISK_FILE_NONE;
    node_space_init(n);
    node_watches_init(n);
    node_leases_init(n);
    buf_init(&n->apply.lease_events, n->alloc, NODE_LEASE_EVENTS_BYTES_MAX);
    n->decoded = ms_alloc(n->alloc, RAFT_MSG_ENTRIES_MAX * sizeof *n->decoded);
    int rv = n->decoded ? node_proposals_init(n) : MS_ENOMEM;
    if (rv == 0) rv = node_boot(n, why, why_cap);
    if (rv < 0) return rv;
    node_leases_replaced(n);
    rv = node_gate_init(n);
    if (rv < 0) return rv;
    node_update_abstain(n);
    return n->failed ? MS_EIO : 0;
}

int node_create(struct node **out, const struct node_opts *opts, struct kv *kv, struct disk *disk,
                const struct ms_alloc *alloc, const struct log_sink *log, const struct node_host *host,
                uint64_t now_ms, char *why, size_t why_cap)
{
    *out = NULL;
    why[0] = 0;
    int rv = check_opts(opts, why, why_cap);
    if (rv < 0) return rv;
    struct node *n = ms_alloc_zeroed(alloc, sizeof *n);
    if (!n) {
        snprintf(why, why_cap, "%s", ms_err_text(MS_ENOMEM));
        return MS_ENOMEM;
    }
    n->magic = NODE_MAGIC;
    n->now_ms = now_ms;
    n->opts = *opts;
    n->cluster = *opts->cluster;
    snprintf(n->log_dir, sizeof n->log_dir, "%s", opts->log_dir);
    snprintf(n->snap_dir, sizeof n->snap_dir, "%s", opts->snap_dir);
    n->opts.log_dir = n->log_dir;
    n->opts.snap_dir = n->snap_dir;
    n->opts.cluster = &n->cluster;
    n->alloc = alloc;
    n->log = log;
    n->disk = disk;
    n->host = *host;
    n->kv = kv;
    ms_rand_init(&n->rand, opts->seed, 1);
    rv = init(n, why, why_cap);
    if (rv < 0) {
        if (!why[0]) snprintf(why, why_cap, "%s", ms_err_text(rv));
        n->kv = NULL; /* stays the caller's */
        node_destroy(n);
        return rv;
    }
    node_check(n);
    *out = n;
    return 0;
}

static void close_file(struct node *n, disk_file file)
{
    struct disk_op op = { .kind = DISK_OP_CLOSE, .file = file };
    if (file != DISK_FILE_NONE) n->disk->ops->call(n->disk, &op);
}

static void drop_jobs(struct node *n)
{
    close_file(n, n->take.file);
    close_file(n, n->recv.file);
    if (n->apply.busy) {
        for (uint32_t i = 0; i < n->apply.count; i++) entry_ref_drop(n->alloc, n->apply.entries[i]);
        if (n->apply.job.asked) buf_fini(&n->apply.job.answers);
    }
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        node_send_fini(&n->sends[i]);
    }
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX; i++) node_backup_fini(&n->backups[i]);
    buf_fini(&n->take.job.chunk);
    node_recv_fini(n);
}

void node_destroy(struct node *n)
{
    struct wal_event ev;
    if (!n) return;
    MS_ASSERT(n->magic == NODE_MAGIC);
    drop_jobs(n);
    node_watches_fini(n);
    node_reads_fini(n);
    node_ranges_fini(n);
    node_proposals_fini(n);
    node_leases_fini(n);
    buf_fini(&n->apply.lease_events);
    while (n->wal && wal_next_event(n->wal, &ev)) {
        for (uint32_t i = 0; ev.kind == WAL_EVENT_READ && i < ev.count; i++) {
            entry_ref_drop(n->alloc, ev.entries[i]);
        }
    }
    if (n->raft) raft_destroy(n->raft);
    if (n->wal) wal_close(n->wal);
    if (n->kv) kv_destroy(n->kv); /* closes the views of snapshots under way, too */
    ms_free(n->alloc, n->decoded);
    buf_fini(&n->frame);
    buf_fini(&n->scratch);
    n->magic = 0;
    ms_free(n->alloc, n);
}

/* --- requests --- */

int node_accept(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    if (n->failed || n->stopped || n->removed || n->shutting_down) return MS_ESTOPPED;
    if (node_digest_is_wrong(n)) return MS_ESTOPPED;
    return 0;
}

uint64_t node_taker_give_up_ms(const struct node *n, uint64_t give_up_ms, size_t len)
{
    return ms_time_min(give_up_ms + len * 1000u / NODE_TAKER_LEAST_BYTES_PER_S,
                       n->now_ms + NODE_TAKER_PATIENCE_MS);
}

int node_propose_txn(struct node *n, uint64_t now_ms, uint64_t token, struct bytes command)
{
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (command.len > n->opts.request_bytes_max) return MS_ETOOBIG;
    return node_propose(n, token, ENTRY_TXN, command);
}

int node_txn(struct node *n, uint64_t now_ms, uint64_t token, struct bytes command)
{
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (command.len > n->opts.request_bytes_max) return MS_ETOOBIG;
    return node_propose_asking(n, token, ENTRY_TXN, command);
}

int node_compact(struct node *n, uint64_t now_ms, uint64_t token, uint64_t revision)
{
    int rv = node_accept(n, now_ms);
    if (rv == 0 && revision == 0) rv = MS_EINVAL;
    return rv < 0 ? rv : node_read_begin_compaction(n, token, revision);
}

int node_range(struct node *n, uint64_t now_ms, uint64_t token, const struct kv_op *op, bool stale)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : node_range_begin(n, token, op, stale);
}

int node_read(struct node *n, uint64_t now_ms, uint64_t token, struct bytes key)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : node_read_begin(n, token, key, NULL);
}

int node_read_stale(struct node *n, uint64_t now_ms, uint64_t token, struct bytes key)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : node_read_now(n, token, key);
}

int node_backup(struct node *n, uint64_t now_ms, uint64_t token)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : node_backup_begin(n, token);
}

int node_watch(struct node *n, uint64_t now_ms, const struct node_watch_opts *opts, void *arg,
               struct node_watcher **out, uint64_t *compacted_revision)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : node_watch_begin(n, opts, arg, out, compacted_revision);
}

static int propose_change(struct node *n, uint64_t token, enum entry_change change, uint64_t member_id,
                          const char *url, const struct config *wanted)
{
    size_t url_len = url ? strlen(url) : 0;
    if (url_len > MS_URL_BYTES_MAX) return MS_ETOOBIG;
    buf_clear(&n->scratch);
    buf_append_u8(&n->scratch, (uint8_t)change);
    buf_append_u64(&n->scratch, member_id);
    buf_append_u8(&n->scratch, (uint8_t)url_len);
    buf_append(&n->scratch, url, url_len);
    if (wanted) config_encode(&n->scratch, wanted);
    if (n->scratch.failed) return MS_ENOMEM;
    return node_propose(n, token, ENTRY_CHANGE_REQUEST, buf_bytes(&n->scratch));
}

int node_change(struct node *n, uint64_t now_ms, uint64_t token, enum entry_change change,
                uint64_t member_id, const char *url)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : propose_change(n, token, change, member_id, url, NULL);
}

int node_change_set(struct node *n, uint64_t now_ms, uint64_t token, const struct config *wanted,
                    bool force)
{
    enum entry_change change = force ? ENTRY_CHANGE_SET_FORCED : ENTRY_CHANGE_SET;
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : propose_change(n, token, change, 0, NULL, wanted);
}

int node_set_lease(struct node *n, uint64_t now_ms, uint64_t token, bool on)
{
    int rv = node_accept(n, now_ms);
    return rv < 0 ? rv : propose_change(n, token, ENTRY_CHANGE_LEASE, on, NULL, NULL);
}

/* --- inputs --- */

void node_on_frame(struct node *n, uint64_t now_ms, uint64_t from, uint8_t type, struct bytes body)
{
    n->now_ms = now_ms;
    if (n->failed) return;
    node_guest_heard(n, from);
    switch (type) {
    case NODE_FRAME_RAFT: node_on_raft_frame(n, from, body); break;
    case NODE_FRAME_FORWARD: node_on_forward(n, from, body); break;
    case NODE_FRAME_FORWARD_REPLY: node_on_forward_reply(n, body); break;
    case NODE_FRAME_GATE: node_on_gate(n, from, body); break;
    case NODE_FRAME_SNAP_OFFER: node_on_snap_offer(n, from, body); break;
    case NODE_FRAME_SNAP_CHUNK: node_on_snap_chunk(n, from, body); break;
    case NODE_FRAME_SNAP_ACK: node_on_snap_ack(n, from, body); break;
    case NODE_FRAME_REPAIR: node_on_repair(n, from, body); break;
    case NODE_FRAME_REPAIR_REPLY: node_on_repair_reply(n, body); break;
    case NODE_FRAME_TRANSFER: node_on_transfer(n, body); break;
    case NODE_FRAME_ROOM: node_on_room(n, from, body); break;
    case NODE_FRAME_DIGEST: node_on_digest(n, from, body); break;
    default:
        log_line(n->log, LOG_WARN, "a frame of unknown type %d from member %llu was refused", (int)type,
                 (unsigned long long)from);
    }
}

bool node_frame_is_of_stream(uint8_t type)
{
    return type == NODE_FRAME_SNAP_OFFER || type == NODE_FRAME_SNAP_CHUNK;
}

void node_on_stream(struct node *n, uint64_t now_ms, uint64_t peer, bool up)
{
    n->now_ms = now_ms;
    if (!n->failed) node_send_on_stream(n, peer, up);
}

void node_on_stream_room(struct node *n, uint64_t now_ms, uint64_t peer)
{
    n->now_ms = now_ms;
    if (!n->failed) node_send_on_room(n, peer);
}

void node_on_link(struct node *n, uint64_t now_ms, uint64_t peer, bool up)
{
    n->now_ms = now_ms;
    if (n->failed) return;
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    in.link.peer = peer;
    in.link.up = up;
    node_digest_forget(n, peer);
    node_step(n, &in);
    if (up && peer == raft_leader(n->raft)) node_propose_relink(n);
}

static void log_failed(struct node *n, int status)
{
    uint64_t offset;
    const char *path = wal_failure(n->wal, &offset);
    node_fail_file(n, status, "the log could not be written", path ? path : n->log_dir, offset);
}

void node_on_disk(struct node *n, uint64_t now_ms, struct disk_op *op)
{
    n->now_ms = now_ms;
    if (n->failed) {
        bool opened = op->kind == DISK_OP_OPEN && op->status == 0;
        if (opened && op == &n->take.op) n->take.file = op->file;
        if (opened && op == &n->recv.op) n->recv.file = op->file;
        return; /* node_destroy() closes them */
    }
    if (op == &n->take.op) {
        node_take_on_disk(n);
    } else if (op == &n->recv.op) {
        node_recv_on_disk(n);
    } else if (op == &n->space.op) {
        node_space_on_disk(n);
    } else {
        int rv = wal_on_disk(n->wal, op);
        if (rv <= MS_EFATAL) log_failed(n, rv);
        node_store_events(n);
    }
}

void node_on_job(struct node *n, uint64_t now_ms, struct kv_job *job)
{
    n->now_ms = now_ms;
    if (n->failed) return; /* node_destroy() frees what it held */
    if (job == &n->apply.job) {
        node_apply_done(n);
        return;
    }
    if (job == &n->take.job) {
        node_take_on_job(n);
        return;
    }
    if (job == &n->recv.job) {
        node_recv_on_job(n);
        return;
    }
    if (job == &n->leases.job) {
        node_lease_on_job(n);
        return;
    }
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (job != &n->sends[i].job) continue;
        node_send_on_job(n, &n->sends[i]);
        return;
    }
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        if (job != &n->backups[i].job) continue;
        node_backup_on_job(n, &n->backups[i]);
        return;
    }
    if (job->kind == KV_JOB_CHANGES) {
        bool live = job == &n->watches.live.job;
        node_watch_on_job(n, live ? &n->watches.live : &n->watches.catch_up);
        return;
    }
    if (job->kind == KV_JOB_RANGE || job->kind == KV_JOB_RANGE_CLOSE) {
        node_range_on_job(
            n, (struct node_range *)(void *)((char *)job - offsetof(struct node_range, job)));
        return;
    }
    MS_ASSERT(job->kind == KV_JOB_READ || job->kind == KV_JOB_LEASE || job->kind == KV_JOB_LEASES);
    node_read_done(n, (struct node_read *)(void *)((char *)job - offsetof(struct node_read, job)));
}

static void forget_departed(struct node *n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n->departed_count; i++) {
        if (n->departed[i].until_ms > n->now_ms) n->departed[kept++] = n->departed[i];
    }
    bool changed = kept != n->departed_count;
    n->departed_count = kept;
    for (uint32_t i = 0; i < NODE_GUESTS_MAX; i++) {
        if (n->guests[i].peer.id == 0 || n->guests[i].until_ms > n->now_ms) continue;
        n->guests[i] = (struct node_departed){ 0 };
        changed = true;
    }
    if (changed) n->host.peers_changed(n->host.ctx);
}

static void housekeeping(struct node *n)
{
    n->house_ms = n->now_ms + n->opts.raft.heartbeat_ms;
    node_gate_tick(n);
    node_repair_tick(n);
    node_leader_tick(n);
    node_send_tick(n);
    node_recv_tick(n);
    node_read_tick(n);
    node_space_tick(n);
    node_backup_tick(n);
    node_range_tick(n);
    if (n->space_ms <= n->now_ms) { /* there may be space again (DESIGN 2.11) */
        n->space_ms = n->now_ms + NODE_SPACE_RETRY_MS;
        wal_retry(n->wal);
    }
    forget_departed(n);
}

void node_on_tick(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    if (n->failed) return;
    if (raft_deadline_ms(n->raft) <= now_ms) node_step_kind(n, RAFT_INPUT_TICK);
    node_propose_tick(n);
    if (n->house_ms <= now_ms) housekeeping(n);
}

/* Proposals and reads first, so that raft's flush sends all of the turn at once; the log begins its
 * batch right behind it, in parallel with the network (diss. 10.2.1). */
void node_flush(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    if (n->failed) return;
    node_space_pump(n);
    node_transfer_pump(n);
    node_lease_pump(n);
    node_propose_pump(n);
    node_read_pump(n);
    node_fetch_pump(n);
    node_compact_pump(n);
    node_step_kind(n, RAFT_INPUT_FLUSH);
    node_store_pump(n);
    node_apply_pump(n);
    node_read_run(n);
    node_watch_pump(n);
    node_take_pump(n);
    node_send_pump(n);
    if (raft_leader(n->raft) != 0 && raft_term(n->raft) != n->seen_leader_term) {
        n->seen_leader_term = raft_term(n->raft);
        n->counters.leader_changes++;
    }
    if (!n->failed && raft_config_index(n->raft) != n->seen_config_index) {
        n->seen_config_index = raft_config_index(n->raft);
        n->host.peers_changed(n->host.ctx);
    }
    if (!n->failed) node_check(n);
}

uint64_t node_deadline_ms(const struct node *n)
{
    if (n->failed) return MS_TIME_NEVER;
    uint64_t at = ms_time_min(raft_deadline_ms(n->raft), n->house_ms);
    at = ms_time_min(at, node_propose_deadline(n));
    at = ms_time_min(at, node_transfer_deadline(n));
    at = ms_time_min(at, node_lease_deadline(n));
    at = ms_time_min(at, node_send_deadline(n));
    at = ms_time_min(at, node_take_deadline(n));
    at = ms_time_min(at, node_watch_deadline(n));
    if (n->apply.retry_ms > n->now_ms) at = ms_time_min(at, n->apply.retry_ms);
    return ms_time_min(at, node_read_deadline(n));
}

void node_shutdown(struct node *n, uint64_t now_ms)
{
    n->now_ms = now_ms;
    n->shutting_down = true;
    if (n->failed) return;
    node_transfer_leave(n);
    node_sends_abort(n);
    node_backups_abort(n, MS_ESTOPPED);
    node_watches_end(n, MS_ESTOPPED);
    node_ranges_abort(n, MS_ESTOPPED);
    node_recv_stop(n);
}

bool node_is_quiet(const struct node *n)
{
    if (n->failed) return true;
    if (n->leaving || n->transfers.count > 0) return false;
    for (uint32_t i = 0; i < NODE_SENDS_MAX; i++) {
        if (n->sends[i].state != NODE_SEND_FREE) return false;
    }
    if (!node_backups_quiet(n) || !node_watches_quiet(n) || n->ranges.count > 0) return false;
    bool jobs = n->apply.busy || n->take.state != NODE_TAKE_IDLE || n->recv.state != NODE_RECV_IDLE;
    return !jobs && !n->space.busy && !n->leases.scanning && n->leases.renewal_count == 0 &&
           n->proposals.live_count == 0 && n->reads.live_count == 0 && !n->store.busy &&
           wal_quiet(n->wal);
}

void node_counters(const struct node *n, struct node_counters *out)
{
    *out = n->counters;
    out->proposals_pending = n->proposals.live_count;
    out->reads_pending = n->reads.live_count;
    out->log_segments = wal_segments(n->wal);
}

bool node_peer_lag(const struct node *n, uint64_t peer, uint64_t *lag)
{
    uint64_t match;
    bool recent;
    if (!raft_peer_match(n->raft, peer, &match, &recent)) return false;
    *lag = raft_last_index(n->raft) - match;
    return true;
}

void node_leadership(const struct node *n, struct node_leadership *out)
{
    *out = (struct node_leadership){ .term = raft_term(n->raft), .leader = raft_leader(n->raft) };
}

void node_status(const struct node *n, struct node_status *out)
{
    const struct config_member *self = config_find(raft_config(n->raft), n->opts.id);
    *out = (struct node_status){ .id = n->opts.id, .storage = n->opts.storage };
    out->term = raft_term(n->raft);
    out->leader = raft_leader(n->raft);
    out->role = raft_role(n->raft);
    out->commit_index = raft_commit_index(n->raft);
    out->last_index = raft_last_index(n->raft);
    out->durable_index = raft_durable_index(n->raft);
    out->applied_index = n->info.applied_index;
    out->snapshot_index = n->store.state.snapshot_index;
    out->revision = n->info.revision;
    out->compacted_revision = n->info.compacted_revision;
    out->key_count = n->info.key_count;
    out->lease_count = n->info.lease_count;
    out->log_bytes = wal_disk_bytes(n->wal);
    out->learner = self && (self->roles & CONFIG_LEARNER);
    out->abstains = raft_abstains(n->raft);
    out->abstain_reason = n->abstain_reason;
    out->ready = out->leader != 0 && out->applied_index > 0 && !out->abstains;
    out->has_quorum_contact = out->leader != 0;
    struct raft_leadership l;
    raft_leadership(n->raft, &l);
    out->transfer_target = l.transfer_to;
    out->stall_transfers = l.stall_transfers;
    out->disk_stalled = l.stalled;
    out->space_transfers = l.space_transfers;
    out->disk_full = n->space.full;
    out->disk_free_bytes = n->space.free_bytes;
    out->quorum_full = node_space_is_lacking(n);
    out->lease_held = l.lease_held;
    out->lease_ms = raft_config(n->raft)->lease_ms;
    out->digest = n->info.digest;
    node_watch_stats(n, &out->watch);
    out->config = *node_config(n);
    memcpy(out->cluster_uuid, n->info.cluster_uuid, MS_UUID_BYTES);
}

const struct raft *node_raft(const struct node *n)
{
    return n->raft;
}

const struct wal *node_wal(const struct node *n)
{
    return n->wal;
}

const struct kv *node_kv(const struct node *n)
{
    return n->kv;
}

uint64_t node_applied_index(const struct node *n)
{
    return n->info.applied_index;
}
