/* node_watch.c: watchers: how they come, wait, go on and end (node_watch.h). What they are told is read in
 * node_watch_read.c. */
#include "node/node_private.h"

void node_watches_init(struct node *n)
{
    struct node_watches *ws = &n->watches;
    struct node_watch_read *reads[] = { &ws->live, &ws->catch_up };
    ms_list_init(&ws->all);
    ms_list_init(&ws->queue);
    ms_list_init(&ws->joining);
    for (uint32_t i = 0; i < 2; i++) {
        buf_init(&reads[i]->job.chunk, n->alloc, KV_CHANGES_BUF_BYTES_MAX);
        buf_init(&reads[i]->key, n->alloc, MS_KEY_BYTES_MAX);
        buf_init(&reads[i]->end, n->alloc, MS_KEY_BYTES_MAX + 1u);
    }
}

static void watcher_free(struct node *n, struct node_watcher *w)
{
    struct node_watches *ws = &n->watches;
    node_watch_unlive(n, w);
    ws->count--;
    ws->paused_count -= w->paused;
    ws->prev_count -= w->prev;
    ms_list_remove(&w->in_all);
    ms_list_remove(&w->in_queue);
    node_watch_index_remove(n, w);
    ms_free(n->alloc, w);
}

static struct node_watcher *first_of_all(const struct node *n)
{
    struct ms_list *at = ms_list_first(&n->watches.all);
    return at ? MS_LIST_OF(at, struct node_watcher, in_all) : NULL;
}

void node_watches_fini(struct node *n)
{
    struct node_watches *ws = &n->watches;
    struct node_watch_read *reads[] = { &ws->live, &ws->catch_up };
    struct node_watcher *w;
    if (!ws->all.next) return; /* the node did not come that far */
    while ((w = first_of_all(n))) watcher_free(n, w);
    for (uint32_t i = 0; i < 2; i++) {
        buf_fini(&reads[i]->job.chunk);
        buf_fini(&reads[i]->key);
        buf_fini(&reads[i]->end);
    }
}

/* While nobody is live, live_at is what was applied last: nothing is read for nobody. */
static struct kv_place live_place(struct node *n)
{
    struct node_watches *ws = &n->watches;
    if (ws->live_count == 0 && !ws->live.busy)
        ws->live_at = (struct kv_place){ .revision = n->info.revision + 1 };
    return ws->live_at;
}

bool node_watch_can_join(struct node *n, const struct node_watcher *w)
{
    struct kv_place live = live_place(n);
    if (w->hole_sub != 0 || w->at.sub != 0) return false;
    return live.sub > 0 ? w->at.revision > live.revision : w->at.revision >= live.revision;
}

void node_watch_settle(struct node *n, struct node_watcher *w)
{
    MS_ASSERT(!w->live && !w->paused && !ms_list_has(&w->in_queue));
    struct node_watches *ws = &n->watches;
    if (!node_watch_can_join(n, w)) {
        ms_list_push(&ws->queue, &w->in_queue);
    } else if (ws->live.busy && w->born == ws->live_number) { /* NW8 */
        ms_list_push(&ws->joining, &w->in_queue);
    } else {
        w->live = true;
        ws->live_count++;
    }
}

void node_watch_unlive(struct node *n, struct node_watcher *w)
{
    n->watches.live_count -= w->live;
    w->live = false;
}

static int check_opts(const struct node *n, const struct node_watch_opts *opts)
{
    if (n->info.applied_index == 0) return MS_ENOTREADY; /* it may never belong to a cluster */
    if (opts->key.len == 0) return MS_EINVAL;
    if (opts->key.len > MS_KEY_BYTES_MAX || opts->range_end.len > MS_KEY_BYTES_MAX) return MS_ETOOBIG;
    return n->watches.count < n->opts.watches_max ? 0 : MS_EBUSY;
}

int node_watch_begin(struct node *n, const struct node_watch_opts *opts, void *arg,
                     struct node_watcher **out, uint64_t *compacted_revision)
{
    struct node_watches *ws = &n->watches;
    uint64_t start = opts->start_revision ? opts->start_revision : n->info.revision + 1;
    int rv = check_opts(n, opts);
    if (rv < 0) return rv;
    *compacted_revision = n->info.compacted_revision;
    if (start < n->info.compacted_revision) return MS_ECOMPACTED;
    struct node_watcher *w = ms_alloc_zeroed(n->alloc, sizeof *w);
    if (!w) return MS_ENOMEM;
    w->arg = arg;
    w->start_revision = opts->start_revision;
    w->at.revision = start;
    w->born = ws->live_number;
    w->prev = opts->prev;
    w->no_puts = opts->no_puts;
    w->no_deletes = opts->no_deletes;
    rv = node_watch_index_add(n, w, opts->key, opts->range_end);
    if (rv < 0) {
        ms_free(n->alloc, w);
        return rv;
    }
    ms_list_push(&ws->all, &w->in_all);
    ws->count++;
    ws->prev_count += w->prev;
    node_watch_settle(n, w);
    *out = w;
    return 0;
}

void node_watch_cancel(struct node *n, struct node_watcher *w)
{
    watcher_free(n, w);
}

void node_watch_resume(struct node *n, uint64_t now_ms, struct node_watcher *w)
{
    n->now_ms = now_ms;
    if (!w->paused) return;
    w->paused = false;
    n->watches.paused_count--;
    node_watch_settle(n, w);
}

void node_watch_end(struct node *n, struct node_watcher *w, int status, uint64_t compacted_revision)
{
    struct node_watch_news news = { .kind = NODE_WATCH_END,
                                    .arg = w->arg,
                                    .status = status,
                                    .compacted_revision = compacted_revision };
    n->watches.overtaken += status == MS_ECOMPACTED;
    watcher_free(n, w);
    n->host.watch(n->host.ctx, &news);
}

void node_watches_end(struct node *n, int status)
{
    struct node_watcher *w;
    while ((w = first_of_all(n))) node_watch_end(n, w, status, 0);
}

bool node_watches_quiet(const struct node *n)
{
    return !n->watches.live.busy && !n->watches.catch_up.busy;
}

uint64_t node_watch_progress(const struct node *n, const struct node_watcher *w, bool *in_sync)
{
    struct kv_place at = w->live ? n->watches.live_at : w->at;
    uint64_t revision = at.revision - 1; /* the one at hand is not told to its end */
    *in_sync = w->live && at.revision > n->info.revision;
    if (w->live && revision < w->at.revision - 1) return 0; /* it begins above it */
    return revision < w->start_revision ? 0 : revision;
}

void node_watch_stats(const struct node *n, struct node_watch_stats *out)
{
    const struct node_watches *ws = &n->watches;
    *out = (struct node_watch_stats){ .watchers = ws->count,
                                      .behind = ws->count - ws->live_count - ws->paused_count,
                                      .paused = ws->paused_count,
                                      .events = ws->events,
                                      .overtaken = ws->overtaken };
}

void node_watch_check(const struct node *n)
{
    const struct node_watches *ws = &n->watches;
    MS_ASSERT(ws->live_count + ws->paused_count <= ws->count);
    MS_ASSERT(ws->prev_count <= ws->count);
    if (ws->live_count > 0) MS_ASSERT(ws->live_at.revision <= n->info.revision + 1); /* NW6 */
}
