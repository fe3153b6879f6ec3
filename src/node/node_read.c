/* node_read.c: linearizable reads on every member (Raft dissertation, 6.4).
 *
 * Reads that wait together share one read index: they form a group, raft is asked once for it, and when
 * this member has applied the index the leader confirmed, all of them are run. A group is closed when
 * it asks, so that the index is always younger than every read in it (P3). A group that gets no answer
 * dissolves, and its reads join the next one. */
#include "node/node_private.h"

#define SPARE_READS_MAX 128u

static void list_push(struct node_read_list *l, struct node_read *r)
{
    r->next = NULL;
    if (l->last)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
    l->count++;
}

static struct node_read *list_pop(struct node_read_list *l)
{
    struct node_read *r = l->first;
    if (!r) return NULL;
    l->first = r->next;
    if (!l->first) l->last = NULL;
    l->count--;
    return r;
}

/* Put what is in from before what is in to: those waited longer. */
static void list_prepend(struct node_read_list *to, struct node_read_list *from)
{
    if (!from->first) return;
    from->last->next = to->first;
    to->first = from->first;
    if (!to->last) to->last = from->last;
    to->count += from->count;
    *from = (struct node_read_list){ 0 };
}

static struct node_read *read_create(struct node *n)
{
    struct node_reads *rs = &n->reads;
    struct node_read *r = rs->spare;
    if (r) {
        rs->spare = r->next;
        rs->spare_count--;
        return r;
    }
    r = ms_alloc_zeroed(n->alloc, sizeof *r);
    if (!r) return NULL;
    buf_init(&r->key, n->alloc, MS_KEY_BYTES_MAX);
    buf_init(&r->job.value, n->alloc, MS_VALUE_BYTES_MAX);
    return r;
}

static void read_free(struct node *n, struct node_read *r)
{
    buf_fini(&r->key);
    buf_fini(&r->job.value);
    ms_free(n->alloc, r);
}

static void read_release(struct node *n, struct node_read *r)
{
    struct node_reads *rs = &n->reads;
    bool large = r->key.cap > 4096 || r->job.value.cap > 4096; /* no hoard of large buffers */
    rs->live_count--;
    if (large || rs->spare_count >= SPARE_READS_MAX) {
        read_free(n, r);
        return;
    }
    r->next = rs->spare;
    rs->spare = r;
    rs->spare_count++;
}

static void list_free(struct node *n, struct node_read_list *l)
{
    struct node_read *r;
    while ((r = list_pop(l)) != NULL) read_free(n, r);
}

/* Reads whose jobs are under way are owned by their jobs: the host has given those back by now. */
void node_reads_fini(struct node *n)
{
    struct node_reads *rs = &n->reads;
    list_free(n, &rs->waiting);
    list_free(n, &rs->running);
    for (uint32_t i = 0; i < NODE_READ_GROUPS; i++) list_free(n, &rs->groups[i].reads);
    while (rs->spare) {
        struct node_read *r = rs->spare;
        rs->spare = r->next;
        read_free(n, r);
    }
}

static int prepare(struct node *n, uint64_t token, struct bytes key, struct node_read **out)
{
    struct node_reads *rs = &n->reads;
    if (rs->live_count >= n->opts.requests_max) return MS_EBUSY;
    struct node_read *r = read_create(n);
    if (!r) return MS_ENOMEM;
    rs->live_count++;
    n->counters.reads++;
    r->token = token;
    r->backup = NULL;
    r->range = NULL;
    r->compact_to = 0;
    r->wish = (struct node_read_wish){ 0 };
    r->deadline_ms = n->now_ms + n->opts.request_ms_max;
    buf_clear(&r->key);
    buf_append(&r->key, key.data, key.len);
    if (r->key.failed) {
        read_release(n, r);
        return MS_ENOMEM;
    }
    *out = r;
    return 0;
}

int node_read_begin(struct node *n, uint64_t token, struct bytes key, struct node_backup *backup)
{
    struct node_read *r;
    int rv = prepare(n, token, key, &r);
    if (rv < 0) return rv;
    r->backup = backup;
    list_push(&n->reads.waiting, r);
    return 0;
}

int node_read_begin_range(struct node *n, uint64_t token, struct node_range *range)
{
    int rv = node_read_begin(n, token, bytes_of(NULL, 0), NULL);
    if (rv == 0) n->reads.waiting.last->range = range;
    return rv;
}

int node_read_begin_compaction(struct node *n, uint64_t token, uint64_t revision)
{
    int rv = node_read_begin(n, token, bytes_of(NULL, 0), NULL);
    if (rv == 0) n->reads.waiting.last->compact_to = revision;
    return rv;
}

int node_read_begin_wish(struct node *n, uint64_t token, const struct node_read_wish *wish)
{
    int rv = node_read_begin(n, token, bytes_of(NULL, 0), NULL);
    if (rv == 0) n->reads.waiting.last->wish = *wish;
    return rv;
}

static void group_dissolve(struct node *n, struct node_read_group *g)
{
    list_prepend(&n->reads.waiting, &g->reads);
    *g = (struct node_read_group){ 0 };
}

static void run_read(struct node *n, struct node_read *r)
{
    struct kv_job *job = &r->job;
    struct buf value = job->value;
    buf_clear(&value);
    *job = (struct kv_job){ .kind = KV_JOB_READ, .owner = n, .value = value };
    job->key = buf_bytes(&r->key);
    if (r->wish.kind) job->kind = r->wish.kind;
    job->lease = r->wish.lease;
    job->limit = r->wish.limit;
    list_push(&n->reads.running, r);
    n->host.submit_job(n->host.ctx, job);
}

/* The job waits in no queue of ours: it has no deadline. */
int node_read_now(struct node *n, uint64_t token, struct bytes key)
{
    struct node_read *r;
    int rv = prepare(n, token, key, &r);
    if (rv < 0) return rv;
    r->index = n->info.applied_index;
    run_read(n, r);
    return 0;
}

static void run(struct node *n, struct node_read *r)
{
    if (r->backup) {
        node_backup_open(n, r->backup);
    } else if (r->range) {
        node_range_open(n, r->range);
    } else if (r->compact_to) {
        node_compact_begin(n, r->token, r->compact_to);
    } else {
        run_read(n, r);
        return;
    }
    read_release(n, r);
}

void node_read_run(struct node *n)
{
    if (n->failed || node_digest_is_wrong(n)) return;
    for (uint32_t i = 0; i < NODE_READ_GROUPS; i++) {
        struct node_read_group *g = &n->reads.groups[i];
        if (!g->confirmed || g->index > n->info.applied_index) continue;
        struct node_read *r;
        while ((r = list_pop(&g->reads)) != NULL) {
            r->index = g->index;
            run(n, r);
        }
        *g = (struct node_read_group){ 0 };
    }
}

uint64_t node_read_token(struct node *n)
{
    return n->store.state.incarnation << 32 | (++n->reads.next_token & UINT32_MAX);
}

/* Index of a free group; NODE_READ_GROUPS: none. */
static uint32_t free_group(const struct node_reads *rs)
{
    uint32_t i = 0;
    while (i < NODE_READ_GROUPS && rs->groups[i].token != 0) i++;
    return i;
}

static void ask(struct node *n)
{
    struct node_reads *rs = &n->reads;
    uint32_t at = free_group(rs);
    if (at == NODE_READ_GROUPS) return; /* they wait for the next free group */
    struct node_read_group *g = &rs->groups[at];
    *g =
        (struct node_read_group){ .token = node_read_token(n), .asked_ms = n->now_ms, .reads = rs->waiting };
    rs->waiting = (struct node_read_list){ 0 };
    struct raft_input in = { .kind = RAFT_INPUT_READ, .read_token = g->token };
    if (node_step(n, &in) < 0) {
        group_dissolve(n, g);
        rs->retry_ms = n->now_ms + n->opts.raft.heartbeat_ms / 2 + 1;
    }
}

void node_read_pump(struct node *n)
{
    if (n->failed) return;
    if (!node_state_durable(n, 1)) return; /* tokens carry the incarnation, which has to be durable */
    if (n->reads.waiting.count > 0 && n->reads.retry_ms <= n->now_ms) ask(n);
}

bool node_on_read_index(struct node *n, uint64_t token, uint64_t index, int status)
{
    struct node_reads *rs = &n->reads;
    for (uint32_t i = 0; i < NODE_READ_GROUPS; i++) {
        struct node_read_group *g = &rs->groups[i];
        if (g->token != token || g->confirmed) continue;
        if (status == 0) {
            g->confirmed = true;
            g->index = index;
        } else {
            group_dissolve(n, g);
            rs->retry_ms = n->now_ms + n->opts.raft.heartbeat_ms / 2 + 1;
        }
        return true;
    }
    return false;
}

static void list_remove(struct node_read_list *l, struct node_read *r)
{
    struct node_read *before = NULL, *at = l->first;
    while (at && at != r) {
        before = at;
        at = at->next;
    }
    MS_ASSERT(at == r);
    if (before)
        before->next = r->next;
    else
        l->first = r->next;
    if (l->last == r) l->last = before;
    l->count--;
}

/* The job of a read is back. Jobs end in order, so it is mostly the first of the list. */
void node_read_done(struct node *n, struct node_read *r)
{
    struct kv_job *job = &r->job;
    struct node_answer a = { .token = r->token, .status = job->status, .index = r->index };
    list_remove(&n->reads.running, r);
    a.revision = job->revision;
    if (job->status == 0 && job->kind != KV_JOB_READ) node_lease_read_done(n, job, &a);
    if (job->status == 0) {
        a.value = buf_bytes(&job->value);
        a.create_revision = job->create_revision;
        a.mod_revision = job->mod_revision;
        a.version = job->version;
        a.lease = job->lease;
    }
    if (job->status <= MS_EFATAL)
        node_fail(n, job->status, "the engine could not read");
    else
        n->host.answer(n->host.ctx, &a);
    read_release(n, r);
}

static const char not_confirmed[] = "the read could not be confirmed in time";

static void expire(struct node *n, struct node_read_list *l)
{
    struct node_read_list kept = { 0 };
    struct node_read *r;
    while ((r = list_pop(l)) != NULL) {
        if (r->deadline_ms > n->now_ms) {
            list_push(&kept, r);
            continue;
        }
        if (r->backup)
            node_backup_refused(n, r->backup, MS_ENOLEADER);
        else if (r->range)
            node_range_refused(n, r->range, MS_ENOLEADER, not_confirmed);
        else
            node_answer_status(n, r->token, MS_ENOLEADER, not_confirmed);
        read_release(n, r);
    }
    *l = kept;
}

void node_read_tick(struct node *n)
{
    struct node_reads *rs = &n->reads;
    /* As long as raft waits for the answer: a round trip to the leader and one of its round may take
     * several heartbeats, and an answer to a token that was given up is lost. */
    uint64_t patience_ms = n->opts.raft.election_ms_min;
    expire(n, &rs->waiting);
    for (uint32_t i = 0; i < NODE_READ_GROUPS; i++) {
        struct node_read_group *g = &rs->groups[i];
        if (g->token == 0) continue;
        expire(n, &g->reads);
        if (g->reads.count == 0)
            *g = (struct node_read_group){ 0 };
        else if (!g->confirmed && g->asked_ms + patience_ms <= n->now_ms)
            group_dissolve(n, g);
    }
}

uint64_t node_read_deadline(const struct node *n)
{
    /* Housekeeping comes often enough for everything else; a waiting read may ask at retry_ms. What
     * keeps it from asking (no free group, the incarnation not durable) ends with an input, not with
     * time: waking for it would be waking without end. */
    const struct node_reads *rs = &n->reads;
    bool can_ask = free_group(rs) < NODE_READ_GROUPS && node_state_durable(n, 1);
    return rs->waiting.count > 0 && can_ask ? rs->retry_ms : MS_TIME_NEVER;
}
