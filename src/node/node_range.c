/* node_range.c: ranges of keys for clients (node_range() in node.h).
 *
 * One waits for a read index as a read does (P3), or, if it may be stale, for nothing. A short one is then one
 * job and one piece. Of a longer one the state machine keeps a view, and pieces are read from it one at a time,
 * each when the taker has room for it. A view costs memory, or disk, for as long as it is open: each byte that
 * is taken buys patience, and who takes too little for too long loses it. */
#include "node/node_private.h"

static struct node_range *range_of(struct node *n, uint64_t token)
{
    struct node_range *r = n->ranges.first;
    while (r && (r->ended || r->token != token)) r = r->next;
    return r;
}

static void range_free(struct node *n, struct node_range *r)
{
    struct node_range **at = &n->ranges.first;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    n->ranges.count--;
    buf_fini(&r->names);
    buf_fini(&r->job.answer);
    ms_free(n->alloc, r);
}

/* Jobs under way have been given back by now. */
void node_ranges_fini(struct node *n)
{
    while (n->ranges.first) range_free(n, n->ranges.first);
}

static void submit(struct node *n, struct node_range *r, enum kv_job_kind kind,
                   enum node_range_state state)
{
    struct buf answer = r->job.answer;
    buf_clear(&answer);
    r->job =
        (struct kv_job){ .kind = kind, .owner = n, .range = &r->op, .scan = r->scan, .answer = answer };
    r->job.slice_bytes = n->opts.range_piece_bytes;
    r->state = state;
    n->host.submit_job(n->host.ctx, &r->job);
}

/* The taker hears no more of it. What is left goes when no job and no read index is under way. */
static void end(struct node *n, struct node_range *r)
{
    r->ended = true;
    if (r->state == NODE_RANGE_IDLE) submit(n, r, KV_JOB_RANGE_CLOSE, NODE_RANGE_CLOSE);
}

static void tell(struct node *n, struct node_range *r, int status, const char *text)
{
    struct node_range_piece p = { .token = r->token, .status = status, .text = text };
    if (r->ended) return;
    p.last = status < 0 || r->job.last;
    p.revision = r->job.revision;
    p.compacted_revision = r->job.compacted_revision;
    if (status == 0) p.items = buf_bytes(&r->job.answer);
    n->host.range(n->host.ctx, &p);
}

static int range_create(struct node *n, uint64_t token, const struct kv_op *op, struct node_range **out)
{
    if (n->ranges.count >= n->opts.requests_max) return MS_EBUSY;
    struct node_range *r = ms_alloc_zeroed(n->alloc, sizeof *r);
    if (!r) return MS_ENOMEM;
    buf_init(&r->names, n->alloc, 2 * MS_KEY_BYTES_MAX);
    buf_init(&r->job.answer, n->alloc, KV_RANGE_ANSWER_BYTES_MAX);
    buf_append(&r->names, op->key.data, op->key.len);
    buf_append(&r->names, op->range_end.data, op->range_end.len);
    r->token = token;
    r->op = *op;
    r->next = n->ranges.first;
    n->ranges.first = r;
    n->ranges.count++;
    if (r->names.failed) {
        range_free(n, r);
        return MS_ENOMEM;
    }
    r->op.key.data = r->names.data;
    r->op.range_end.data = r->names.data + op->key.len;
    *out = r;
    return 0;
}

int node_range_begin(struct node *n, uint64_t token, const struct kv_op *op, bool stale)
{
    struct node_range *r;
    if (op->key.len > MS_KEY_BYTES_MAX || op->range_end.len > MS_KEY_BYTES_MAX) return MS_EINVAL;
    int rv = range_create(n, token, op, &r);
    if (rv < 0) return rv;
    if (stale) {
        submit(n, r, KV_JOB_RANGE, NODE_RANGE_READ);
        return 0;
    }
    rv = node_read_begin_range(n, token, r);
    if (rv < 0) range_free(n, r);
    return rv;
}

/* The read index is applied. */
void node_range_open(struct node *n, struct node_range *r)
{
    MS_ASSERT(r->state == NODE_RANGE_WAIT);
    if (r->ended)
        range_free(n, r);
    else
        submit(n, r, KV_JOB_RANGE, NODE_RANGE_READ);
}

/* There was none in time. */
void node_range_refused(struct node *n, struct node_range *r, int status, const char *text)
{
    MS_ASSERT(r->state == NODE_RANGE_WAIT);
    tell(n, r, status, text);
    range_free(n, r);
}

static void slice_read(struct node *n, struct node_range *r)
{
    bool begun = r->scan != NULL;
    r->scan = r->job.scan;
    r->state = NODE_RANGE_IDLE;
    r->give_up_ms = begun ? node_taker_give_up_ms(n, r->give_up_ms, r->job.answer.len)
                          : n->now_ms + NODE_TAKER_PATIENCE_MS;
    tell(n, r, r->job.status, NULL);
    if (!r->scan)
        range_free(n, r);
    else if (r->ended)
        end(n, r);
}

void node_range_on_job(struct node *n, struct node_range *r)
{
    if (r->job.status <= MS_EFATAL)
        node_fail(n, r->job.status, "the engine could not read");
    else if (r->state == NODE_RANGE_CLOSE)
        range_free(n, r);
    else
        slice_read(n, r);
}

void node_range_next(struct node *n, uint64_t now_ms, uint64_t token)
{
    struct node_range *r = range_of(n, token);
    n->now_ms = now_ms;
    if (n->failed || !r || r->state != NODE_RANGE_IDLE) return;
    submit(n, r, KV_JOB_RANGE, NODE_RANGE_READ);
}

void node_range_end(struct node *n, uint64_t now_ms, uint64_t token)
{
    struct node_range *r = range_of(n, token);
    n->now_ms = now_ms;
    if (!n->failed && r) end(n, r);
}

static void fail_idle(struct node *n, uint64_t before_ms, int status)
{
    for (struct node_range *r = n->ranges.first; r; r = r->next) {
        if (r->state != NODE_RANGE_IDLE || r->give_up_ms > before_ms) continue;
        tell(n, r, status, NULL);
        end(n, r);
    }
}

void node_ranges_abort(struct node *n, int status)
{
    fail_idle(n, UINT64_MAX, status);
}

void node_range_tick(struct node *n)
{
    fail_idle(n, n->now_ms, MS_ETIMEOUT);
}
