/* node_backup.c: the state as a stream of chunks for who saves a backup (node_backup() in node.h).
 *
 * It waits for a read index as a read does, so that nothing acknowledged before is missing (P3); then a view
 * is opened, and chunks are read from it one at a time, each when the taker has room for it. A view costs
 * memory, or disk, for as long as it is open: each byte that is taken buys patience, and who takes too little
 * for too long loses it. */
#include "node/node_private.h"

static struct node_backup *backup_of(struct node *n, uint64_t token)
{
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        struct node_backup *b = &n->backups[i];
        if (b->state != NODE_BACKUP_FREE && !b->ended && b->token == token) return b;
    }
    return NULL;
}

static void free_slot(struct node_backup *b)
{
    buf_fini(&b->job.chunk);
    *b = (struct node_backup){ .state = NODE_BACKUP_FREE };
}

void node_backup_fini(struct node_backup *b)
{
    if (b->state != NODE_BACKUP_FREE) buf_fini(&b->job.chunk);
}

static void submit(struct node *n, struct node_backup *b, enum kv_job_kind kind,
                   enum node_backup_state state)
{
    struct buf chunk = b->job.chunk;
    buf_clear(&chunk);
    b->job = (struct kv_job){ .kind = kind, .owner = n, .snapshot = b->view, .chunk = chunk };
    if (kind == KV_JOB_SNAP_OPEN) b->job.info = &b->info;
    b->state = state;
    n->host.submit_job(n->host.ctx, &b->job);
}

/* The taker hears no more of it; the view goes when no job is under way. */
static void end(struct node *n, struct node_backup *b)
{
    b->ended = true;
    if (b->state == NODE_BACKUP_IDLE) submit(n, b, KV_JOB_SNAP_CLOSE, NODE_BACKUP_CLOSE);
}

static void fail(struct node *n, struct node_backup *b, int status)
{
    if (b->ended) return;
    if (b->view)
        log_line(n->log, LOG_WARN, "a backup at index %llu is given up: %s",
                 (unsigned long long)b->info.applied_index, ms_err_text(status));
    n->host.backup(n->host.ctx, b->token, status, bytes_of(NULL, 0), false);
    end(n, b);
}

int node_backup_begin(struct node *n, uint64_t token)
{
    struct node_backup *b = NULL;
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX && !b; i++) {
        if (n->backups[i].state == NODE_BACKUP_FREE) b = &n->backups[i];
    }
    if (!b) return MS_EBUSY;
    *b = (struct node_backup){ .state = NODE_BACKUP_WAIT, .token = token };
    buf_init(&b->job.chunk, n->alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    int rv = node_read_begin(n, token, bytes_of(NULL, 0), b);
    if (rv < 0) free_slot(b);
    return rv;
}

/* The read index is applied. */
void node_backup_open(struct node *n, struct node_backup *b)
{
    MS_ASSERT(b->state == NODE_BACKUP_WAIT);
    if (b->ended)
        free_slot(b);
    else
        submit(n, b, KV_JOB_SNAP_OPEN, NODE_BACKUP_OPEN);
}

/* There was none in time. */
void node_backup_refused(struct node *n, struct node_backup *b, int status)
{
    MS_ASSERT(b->state == NODE_BACKUP_WAIT);
    fail(n, b, status);
    free_slot(b);
}

static void opened(struct node *n, struct node_backup *b)
{
    b->view = b->job.snapshot;
    b->give_up_ms = n->now_ms + NODE_TAKER_PATIENCE_MS;
    log_line(n->log, LOG_INFO, "a backup at index %llu is being saved",
             (unsigned long long)b->info.applied_index);
    submit(n, b, b->ended ? KV_JOB_SNAP_CLOSE : KV_JOB_SNAP_READ,
           b->ended ? NODE_BACKUP_CLOSE : NODE_BACKUP_READ);
}

static void chunk_read(struct node *n, struct node_backup *b)
{
    bool last = b->job.last;
    b->state = NODE_BACKUP_IDLE;
    b->give_up_ms = node_taker_give_up_ms(n, b->give_up_ms, b->job.chunk.len);
    if (!b->ended) n->host.backup(n->host.ctx, b->token, 0, buf_bytes(&b->job.chunk), last);
    if (b->ended || last) end(n, b);
}

void node_backup_on_job(struct node *n, struct node_backup *b)
{
    int status = b->job.status;
    if (status <= MS_EFATAL) {
        node_fail(n, status, "the engine failed while a backup was saved");
    } else if (b->state == NODE_BACKUP_CLOSE) {
        free_slot(b);
    } else if (b->state == NODE_BACKUP_OPEN && status < 0) {
        fail(n, b, status);
        free_slot(b);
    } else if (b->state == NODE_BACKUP_OPEN) {
        opened(n, b);
    } else if (status < 0) {
        b->state = NODE_BACKUP_IDLE;
        fail(n, b, status);
        if (b->state == NODE_BACKUP_IDLE) end(n, b); /* it had ended before */
    } else {
        chunk_read(n, b);
    }
}

void node_backup_next(struct node *n, uint64_t now_ms, uint64_t token)
{
    struct node_backup *b = backup_of(n, token);
    n->now_ms = now_ms;
    if (n->failed || !b || b->state != NODE_BACKUP_IDLE) return;
    submit(n, b, KV_JOB_SNAP_READ, NODE_BACKUP_READ);
}

void node_backup_end(struct node *n, uint64_t now_ms, uint64_t token)
{
    struct node_backup *b = backup_of(n, token);
    n->now_ms = now_ms;
    if (!n->failed && b) end(n, b);
}

void node_backups_abort(struct node *n, int status)
{
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        if (n->backups[i].state != NODE_BACKUP_FREE) fail(n, &n->backups[i], status);
    }
}

void node_backup_tick(struct node *n)
{
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        struct node_backup *b = &n->backups[i];
        if (b->state == NODE_BACKUP_IDLE && b->give_up_ms <= n->now_ms) fail(n, b, MS_ETIMEOUT);
    }
}

bool node_backups_quiet(const struct node *n)
{
    for (uint32_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        if (n->backups[i].state != NODE_BACKUP_FREE) return false;
    }
    return true;
}
