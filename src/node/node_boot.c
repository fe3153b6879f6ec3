/* node_boot.c: recovery at start; the one place of the node that blocks.
 *
 * Memory engine: the newest snapshot file that loads, then the log behind it. A durable engine: what it
 * holds, then the log behind that. Whatever the state does not reach through the log is a loss: a
 * member with peers abstains and is rebuilt by them, a member alone stops and says what is missing
 * (DESIGN 4, 5). */
#include <stdio.h>

#include "node/node_private.h"
#include "wal/wal_inspect.h"

struct boot {
    struct node *n;
    struct wal_recovery found;
    uint64_t snap_index, snap_term; /* of the state that was loaded */
    uint64_t start_index;           /* raft begins behind it */
    bool matches;                   /* the log holds (snap_index, snap_term) */
    int status;
};

/* --- snapshot files --- */

#define BOOT_SNAPSHOTS_MAX 16u
#define BOOT_INCARNATIONS_SKIPPED (1u << 20)

struct snapshot_list {
    struct {
        uint64_t index, term;
    } files[BOOT_SNAPSHOTS_MAX]; /* the newest ones, in rising order */
    uint32_t count;
};

static int parse_hex(const char *s, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < 16; i++) {
        char c = s[i];
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out << 4 | (uint64_t)(c - 'a' + 10);
        else
            return MS_EINVAL;
    }
    return 0;
}

static int note_snapshot(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct snapshot_list *l = arg;
    uint64_t index, term;
    (void)size_bytes;
    if (is_dir || strlen(name) != 38 || strncmp(name, "snap-", 5) != 0 || name[21] != '-') return 0;
    if (parse_hex(name + 5, &index) < 0 || parse_hex(name + 22, &term) < 0) return 0;
    if (l->count == BOOT_SNAPSHOTS_MAX)
        memmove(&l->files[0], &l->files[1], --l->count * sizeof l->files[0]);
    l->files[l->count].index = index;
    l->files[l->count].term = term;
    l->count++;
    return 0;
}

static int run_job(struct node *n, enum kv_job_kind kind, struct buf *chunk, bool keep,
                   struct kv_info *info)
{
    struct kv_job job = { .kind = kind, .last = keep, .info = info };
    if (chunk) job.chunk = *chunk;
    kv_run(n->kv, &job);
    n->take.last_bytes += job.plain_bytes; /* of the snapshot that is being loaded */
    return job.status;
}

static int read_at(struct node *n, disk_file file, uint64_t offset, void *dst, size_t len)
{
    struct disk_op op = {
        .kind = DISK_OP_READ, .file = file, .offset = offset, .buf = dst, .len = len
    };
    int rv = n->disk->ops->call(n->disk, &op);
    if (rv == 0 && op.done_bytes != len) rv = MS_EIO;
    if (rv != MS_EIO) return rv;
    log_line(n->log, LOG_ERROR, "a snapshot cannot be read at offset %llu", (unsigned long long)offset);
    return MS_ECORRUPT; /* what cannot be read is damaged: the peers have it */
}

/* Read the chunk at offset. MS_EEND: the file ends here. */
static int read_chunk(struct node *n, disk_file file, uint64_t offset, uint64_t file_bytes,
                      struct buf *chunk)
{
    buf_clear(chunk);
    if (offset == file_bytes) return MS_EEND;
    if (file_bytes - offset < KV_SNAP_FRAME_BYTES) return MS_ECORRUPT;
    if (!buf_reserve(chunk, KV_SNAP_FRAME_BYTES)) return MS_ENOMEM;
    int rv = read_at(n, file, offset, chunk->data, KV_SNAP_FRAME_BYTES);
    if (rv < 0) return rv;
    int64_t len = kv_snap_chunk_bytes(bytes_of(chunk->data, KV_SNAP_FRAME_BYTES));
    if (len < (int64_t)KV_SNAP_FRAME_BYTES || (uint64_t)len > file_bytes - offset) return MS_ECORRUPT;
    if (!buf_reserve(chunk, (size_t)len)) return MS_ENOMEM;
    rv = read_at(n, file, offset, chunk->data, (size_t)len);
    if (rv == 0) chunk->len = (size_t)len;
    return rv;
}

static int check_first(struct node *n, const struct buf *chunk, uint64_t index, uint64_t term)
{
    struct kv_snap_header h;
    int rv = kv_snap_header_decode(buf_bytes(chunk), n->alloc, &h);
    if (rv < 0) return rv;
    return h.index == index && h.term == term ? 0 : MS_ECORRUPT; /* the name lies about the content */
}

static int load_chunks(struct node *n, disk_file file, uint64_t file_bytes, uint64_t index,
                       uint64_t term)
{
    struct buf chunk;
    uint64_t offset = 0;
    n->take.last_bytes = 0;
    int rv = run_job(n, KV_JOB_LOAD_BEGIN, NULL, false, NULL);
    if (rv < 0) return rv;
    buf_init(&chunk, n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    while ((rv = read_chunk(n, file, offset, file_bytes, &chunk)) == 0) {
        if (offset == 0) rv = check_first(n, &chunk, index, term);
        if (rv == 0) rv = run_job(n, KV_JOB_LOAD_CHUNK, &chunk, false, NULL);
        if (rv < 0) break;
        offset += chunk.len;
    }
    buf_fini(&chunk);
    bool whole = rv == MS_EEND;
    if (!whole) n->take.last_bytes = 0;
    int ended = run_job(n, KV_JOB_LOAD_END, NULL, whole, &n->info);
    return whole ? ended : rv;
}

/* A process that was killed may have renamed it and not synced the directory. The log is going to be
 * cut behind it, and older ones go, so its name has to be durable first. */
static int sync_name(struct node *n)
{
    struct disk_op op = { .kind = DISK_OP_SYNC_DIR };
    snprintf(op.path, sizeof op.path, "%s", n->snap_dir);
    return n->disk->ops->call(n->disk, &op);
}

static int load_snapshot(struct node *n, uint64_t index, uint64_t term)
{
    struct disk_op op = { .kind = DISK_OP_OPEN };
    node_snap_path(n, op.path, index, term);
    int rv = n->disk->ops->call(n->disk, &op);
    if (rv < 0) return rv;
    struct disk_op close_op = { .kind = DISK_OP_CLOSE, .file = op.file };
    rv = load_chunks(n, op.file, op.size_bytes, index, term);
    n->disk->ops->call(n->disk, &close_op);
    return rv == 0 ? sync_name(n) : rv;
}

static void remove_file(struct node *n, const char *path)
{
    struct disk_op op = { .kind = DISK_OP_REMOVE };
    memcpy(op.path, path, strlen(path) + 1);
    n->disk->ops->call(n->disk, &op); /* what cannot be removed is tried again at the next start */
}

/* The members have found this state to be wrong (node_digest.c): it goes, durably, before anything else. A state
 * file that is damaged does not tell; then the log does, and open_log() refuses. */
static int leave_wrong_state(struct boot *b, char *why, size_t why_cap)
{
    struct node *n = b->n;
    struct snapshot_list list = { .count = 0 };
    struct wal_recovery seen;
    char path[DISK_PATH_BYTES_MAX];
    int rv = wal_identify(n->log_dir, n->opts.id, n->disk, n->alloc, &seen);
    if (rv == MS_ENOMEM) { /* then it may be wrong */
        snprintf(why, why_cap, "the log in %s: %s", n->log_dir, ms_err_text(rv));
        return rv;
    }
    if (rv < 0 || !(seen.state.flags & WAL_FLAG_STATE_WRONG))
        return 0; /* open_log() says what is wrong with it */
    log_line(n->log, LOG_WARN,
             "the snapshots in %s are of a state that the other members do not have: they go",
             n->snap_dir);
    do {
        list.count = 0;
        rv = n->disk->ops->list(n->disk, n->snap_dir, note_snapshot, &list);
        for (uint32_t i = 0; i < list.count; i++) {
            struct disk_op op = { .kind = DISK_OP_REMOVE };
            node_snap_path(n, path, list.files[i].index, list.files[i].term);
            memcpy(op.path, path, sizeof path);
            rv = n->disk->ops->call(n->disk, &op);
            if (rv < 0) break;
        }
    } while (rv == 0 && list.count == BOOT_SNAPSHOTS_MAX);
    if (rv == 0 || rv == MS_ENOTFOUND) rv = sync_name(n);
    if (rv < 0)
        snprintf(why, why_cap, "the snapshots in %s cannot be removed: %s", n->snap_dir,
                 ms_err_text(rv));
    return rv;
}

/* Load the newest snapshot that is whole; older ones and leftovers go. The older ones for good, as when they are
 * replaced (node_snap_take.c). */
static int load_newest(struct boot *b, char *why, size_t why_cap)
{
    struct node *n = b->n;
    struct snapshot_list list = { .count = 0 };
    char path[DISK_PATH_BYTES_MAX];
    bool older = false;
    int rv = n->disk->ops->list(n->disk, n->snap_dir, note_snapshot, &list);
    if (rv < 0 && rv != MS_ENOTFOUND) {
        snprintf(why, why_cap, "%s cannot be read: %s", n->snap_dir, ms_err_text(rv));
        return rv;
    }
    for (uint32_t i = list.count; i > 0; i--) {
        uint64_t index = list.files[i - 1].index, term = list.files[i - 1].term;
        node_snap_path(n, path, index, term);
        if (b->snap_index > 0) {
            remove_file(n, path);
            older = true;
            continue;
        }
        rv = load_snapshot(n, index, term);
        if (rv == MS_ENOMEM || rv == MS_EIO || rv == MS_EVERSION) {
            snprintf(why, why_cap, "%s cannot be loaded: %s", path, ms_err_text(rv));
            return rv;
        }
        if (rv < 0) {
            log_line(n->log, LOG_ERROR, "%s is damaged (%s) and is left alone", path, ms_err_text(rv));
            continue;
        }
        b->snap_index = index;
        b->snap_term = term;
    }
    rv = older ? sync_name(n) : 0;
    if (rv < 0 && rv != MS_ENOSPC) { /* then at the next start */
        snprintf(why, why_cap, "%s cannot be synced: %s", n->snap_dir, ms_err_text(rv));
        return rv;
    }
    node_snap_temp_path(n, path, NODE_TEMP_TAKEN);
    remove_file(n, path);
    node_snap_temp_path(n, path, NODE_TEMP_RECEIVED);
    remove_file(n, path);
    return 0;
}

/* --- the log --- */

static int create_raft(struct boot *b, uint64_t index, uint64_t term)
{
    struct node *n = b->n;
    struct raft_opts opts = n->opts.raft;
    opts.id = n->opts.id;
    opts.seed = ms_rand_u64(&n->rand);
    memcpy(opts.cluster_uuid, n->opts.entropy + MS_UUID_BYTES, MS_UUID_BYTES);
    struct raft_start start = { .term = b->found.state.term,
                                .vote = b->found.state.vote,
                                .snapshot_index = index,
                                .snapshot_term = term,
                                .applied_index = n->info.applied_index,
                                .abstain = true };
    if (n->info.config_index > 0) {
        start.config = &n->info.config;
        start.config_index = n->info.config_index;
    }
    b->start_index = index;
    return raft_create(&n->raft, &opts, &start, n->alloc, n->log, n->now_ms);
}

/* Raft begins at the base of the log where the configuration of the state was in force there already,
 * so that peers a little behind are served from the log; else at the state. */
static int create_for_log(struct boot *b)
{
    const struct kv_info *info = &b->n->info;
    bool from_base = b->found.base_index <= b->snap_index && info->config_index <= b->found.base_index;
    b->matches = b->snap_index == b->found.base_index;
    if (from_base) return create_raft(b, b->found.base_index, b->found.base_term);
    return create_raft(b, b->snap_index, b->snap_term);
}

static int restore_entry(void *arg, uint64_t index, uint64_t term, struct bytes payload)
{
    struct boot *b = arg;
    if (!b->n->raft) {
        int rv = create_for_log(b);
        if (rv < 0) return rv;
    }
    if (index == b->snap_index) b->matches = term == b->snap_term;
    if (index <= b->start_index) return 0;
    if (index > b->snap_index && !b->matches) return 0; /* another history: it goes, see begin_anew() */
    return raft_restore_entry(b->n->raft, index, term, payload);
}

/* The log does not reach the state, or is of another history: it begins anew behind the state. */
static int begin_anew(struct boot *b)
{
    struct node *n = b->n;
    if (n->raft) raft_destroy(n->raft);
    n->raft = NULL;
    n->store.reset_wanted = true;
    n->store.reset_index = b->snap_index;
    n->store.reset_term = b->snap_term;
    return create_raft(b, b->snap_index, b->snap_term);
}

/* Whether nobody else has the data, as far as this member still knows: by what it holds, else by its
 * command line. */
static bool is_alone(const struct node *n)
{
    const struct config *logged = n->raft ? raft_config(n->raft) : NULL;
    if (logged && logged->member_count > 0) return logged->member_count == 1;
    if (n->info.config_index > 0) return n->info.config.member_count == 1;
    return n->cluster.member_count == 1 && !n->opts.join;
}

/* Acknowledged data is gone from this disk: peers have it, or nobody. */
static int suffer_loss(struct boot *b, const char *what, char *why, size_t why_cap)
{
    struct node *n = b->n;
    if (is_alone(n)) {
        snprintf(why, why_cap, "%s; there is no other member to repair it from", what);
        return MS_ELOSTDATA;
    }
    log_line(n->log, LOG_ERROR, "%s: abstaining until the other members have repaired it", what);
    b->found.state.flags |= WAL_FLAG_DAMAGED;
    return 0;
}

static int judge_recovery(struct boot *b, char *why, size_t why_cap)
{
    struct node *n = b->n;
    char what[NODE_WHY_BYTES + DISK_PATH_BYTES_MAX];
    if (b->found.found == WAL_FOUND_DAMAGED) {
        int rv = suffer_loss(b, b->found.detail, why, why_cap);
        if (rv < 0) return rv;
    }
    if (b->found.state_lost) {
        snprintf(what, sizeof what, "both copies of term and vote below %s are damaged", n->log_dir);
        int rv = suffer_loss(b, what, why, why_cap);
        if (rv < 0) return rv;
    }
    /* Something was in the log before there was a snapshot: the vote of this member is gone, too. */
    if (b->found.found == WAL_FOUND_NEW && b->snap_index > 0) {
        snprintf(what, sizeof what, "the log in %s is gone, and %s holds a snapshot of index %llu",
                 n->log_dir, n->snap_dir, (unsigned long long)b->snap_index);
        return suffer_loss(b, what, why, why_cap);
    }
    if (b->found.base_index > b->snap_index) {
        snprintf(what, sizeof what,
                 "the log in %s begins behind index %llu, and no snapshot in %s reaches it", n->log_dir,
                 (unsigned long long)b->found.base_index, n->snap_dir);
        return suffer_loss(b, what, why, why_cap);
    }
    return 0;
}

/* A snapshot, or a database, that somebody has put beside the log of another cluster. */
static int check_cluster(const struct boot *b, char *why, size_t why_cap)
{
    static const uint8_t unknown[MS_UUID_BYTES];
    const struct node *n = b->n;
    const uint8_t *logged = b->found.state.cluster_uuid;
    if (n->info.applied_index == 0 || memcmp(logged, unknown, MS_UUID_BYTES) == 0) return 0;
    if (memcmp(logged, n->info.cluster_uuid, MS_UUID_BYTES) == 0) return 0;
    snprintf(
        why, why_cap,
        "the log in %s is of another cluster than the state (%s): one of them is not this member's",
        n->log_dir, n->opts.storage == NODE_STORAGE_MEMORY ? n->snap_dir : "the database beside it");
    return MS_EFOREIGN;
}

static int open_log(struct boot *b, char *why, size_t why_cap)
{
    struct node *n = b->n;
    struct wal_opts opts = { .dir = n->log_dir,
                             .member_id = n->opts.id,
                             .segment_bytes = n->opts.wal_segment_bytes,
                             .prewrite_bytes = n->opts.wal_prewrite_bytes,
                             .spare_segments_max = 2 };
    memcpy(opts.nonce, n->opts.entropy, MS_UUID_BYTES);
    int rv = wal_open(&n->wal, &opts, n->disk, n->alloc, n->log, &b->found, restore_entry, b);
    if (rv < 0) {
        snprintf(why, why_cap, "the log in %s: %s%s%s", n->log_dir, ms_err_text(rv),
                 b->found.detail[0] ? ": " : "", b->found.detail);
        return rv;
    }
    if (b->found.state.flags & WAL_FLAG_REMOVED) {
        snprintf(why, why_cap, "member %llu was removed from its cluster; %s is of no more use",
                 (unsigned long long)n->opts.id, n->log_dir);
        return MS_EREMOVED;
    }
    if ((b->found.state.flags & WAL_FLAG_STATE_WRONG) && n->info.applied_index > 0) {
        /* The state file was damaged, and is whole again now. */
        snprintf(why, why_cap,
                 "the state of this member is to be left, which only another start can do");
        return MS_EDIVERGED;
    }
    rv = check_cluster(b, why, why_cap);
    if (rv == 0) rv = judge_recovery(b, why, why_cap);
    if (rv < 0) return rv;
    if (!n->raft) rv = create_for_log(b);
    if (rv < 0) return rv;
    bool reaches =
        b->matches && raft_last_index(n->raft) >= b->snap_index && b->found.base_index <= b->snap_index;
    return reaches ? 0 : begin_anew(b);
}

static void begin_life(struct boot *b)
{
    struct node *n = b->n;
    struct node_store *st = &n->store;
    st->state = b->found.state;
    st->state.term = raft_term(n->raft);
    st->state.vote = raft_vote(n->raft);
    st->state.flags &= ~(uint64_t)WAL_FLAG_STATE_WRONG; /* it is gone */
    st->state.incarnation++;
    /* How often this member has started is lost with its state: leave all those numbers behind. */
    if (b->found.state_lost) st->state.incarnation += BOOT_INCARNATIONS_SKIPPED;
    st->state.snapshot_index = b->snap_index;
    st->state.snapshot_term = b->snap_term;
    /* A snapshot may have brought what the log had not written down yet when power failed. */
    if (n->info.applied_index > 0) {
        memcpy(st->state.cluster_uuid, n->info.cluster_uuid, MS_UUID_BYTES);
    }
    memcpy(n->nonce, b->found.nonce, MS_UUID_BYTES);
    n->next_stream = st->state.incarnation << 32;
    node_state_changed(n);
    log_line(n->log, LOG_INFO, "recovered: state at index %llu, log up to %llu, term %llu, start %llu",
             (unsigned long long)n->info.applied_index, (unsigned long long)raft_last_index(n->raft),
             (unsigned long long)raft_term(n->raft), (unsigned long long)st->state.incarnation);
}

int node_boot(struct node *n, char *why, size_t why_cap)
{
    struct boot b = { .n = n };
    int rv = 0;
    kv_info(n->kv, &n->info);
    if (n->opts.storage == NODE_STORAGE_MEMORY) rv = leave_wrong_state(&b, why, why_cap);
    if (rv == 0 && n->opts.storage == NODE_STORAGE_MEMORY) rv = load_newest(&b, why, why_cap);
    if (rv < 0) return rv;
    kv_info(n->kv, &n->info);
    b.snap_index = n->info.applied_index;
    b.snap_term = n->info.applied_term;
    rv = open_log(&b, why, why_cap);
    if (rv < 0) return rv;
    begin_life(&b);
    return 0;
}
