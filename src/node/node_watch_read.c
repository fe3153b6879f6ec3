/* node_watch_read.c: what watchers are told: jobs that read the changes (kv_changes.h), and who hears them.
 *
 * Which event of a revision is the last one for a watcher (NW2) is known when all of the revision was looked at:
 * so the events of a revision are gone through twice, unless there is one alone. Where an answer ends inside of a
 * revision, what may be the last event of a range's watcher is kept back: it becomes the place from which that
 * watcher goes on by itself, and the hole behind it what was looked at already. A single key changes once in a
 * revision, so its watchers never wait for the end. */
#include "node/node_private.h"

/* An answer may be for very many: it is told in slices of whole revisions, between which the loop has its turn. */

/* One event, or the marking of one. */
struct telling {
    struct node *n;
    const struct kv_event *event;
    struct kv_place next; /* where the answer ends */
    bool live;            /* it is for those that are live, else for those it was read for */
    bool cut;             /* its revision goes on behind the answer */
    bool alone;           /* it is the only event of its revision */
    uint32_t visits;      /* of watchers */
};

static struct kv_place place_of(const struct kv_event *e)
{
    return (struct kv_place){ .revision = e->revision, .sub = e->sub };
}

static bool hears(struct telling *t, const struct node_watcher *w)
{
    t->visits++;
    if (t->live ? !w->live : !w->reading) return false;
    if (t->event->put ? w->no_puts : w->no_deletes) return false;
    return kv_place_compare(place_of(t->event), w->at) >= 0;
}

static void mark(struct node_watcher *w, void *arg)
{
    struct telling *t = arg;
    if (hears(t, w)) w->match = place_of(t->event);
}

/* It goes on from there by itself. */
static void put_back(struct node *n, struct node_watcher *w, struct kv_place at, uint32_t hole_sub)
{
    w->at = at;
    w->hole_sub = hole_sub;
    w->reading = false;
    node_watch_unlive(n, w);
}

static void hold_back(const struct telling *t, struct node_watcher *w)
{
    put_back(t->n, w, place_of(t->event), t->next.sub);
    if (!ms_list_has(&w->in_queue)) ms_list_push(&t->n->watches.queue, &w->in_queue);
}

static void pause(const struct telling *t, struct node_watcher *w, bool last)
{
    struct kv_place behind = place_of(t->event);
    behind.sub++;
    if (last) behind = (struct kv_place){ .revision = behind.revision + 1 };
    put_back(t->n, w, behind, 0);
    ms_list_remove(&w->in_queue);
    w->paused = true;
    t->n->watches.paused_count++;
}

static void tell(struct node_watcher *w, void *arg)
{
    struct telling *t = arg;
    if (!hears(t, w)) return;
    bool single = w->span->single;
    bool last = single || t->alone || kv_place_compare(w->match, place_of(t->event)) == 0;
    if (last && t->cut && !single) {
        hold_back(t, w);
        return;
    }
    struct node_watch_news news = { .kind = NODE_WATCH_EVENT,
                                    .arg = w->arg,
                                    .event = t->event,
                                    .has_prev = w->prev && t->event->has_prev,
                                    .last = last };
    t->n->watches.events++;
    if (!t->n->host.watch(t->n->host.ctx, &news)) pause(t, w, last);
}

/* Go through the events of one revision, of which run is encoded. False: not ours, so memory is broken. */
static bool each_event(struct telling *t, struct bytes run, node_watch_visit visit)
{
    struct bytes_reader in = bytes_reader_of(run);
    struct kv_event e;
    int rv;
    while ((rv = kv_event_next(&in, &e)) == 0) {
        t->event = &e;
        node_watch_index_each(t->n, e.key, visit, t);
    }
    return rv == MS_EEND;
}

/* The events of the next revision: their bytes and number. */
static uint32_t next_run(struct bytes_reader *in, struct bytes *run, uint64_t *revision)
{
    struct bytes_reader ahead = *in;
    struct kv_event e;
    uint32_t count = 0;
    *run = bytes_of(NULL, 0);
    while (kv_event_next(&ahead, &e) == 0) {
        if (count > 0 && e.revision != *revision) break;
        *revision = e.revision;
        count++;
        *run = bytes_of(in->data + in->at, ahead.at - in->at);
    }
    in->at += run->len;
    return count;
}

/* False: there is more, for the next slice. */
static bool tell_slice(struct node *n, struct node_watch_read *read, bool live)
{
    struct telling t = { .n = n, .next = read->job.changes.next, .live = live };
    struct bytes_reader in = bytes_reader_of(buf_bytes(&read->job.chunk));
    struct bytes run;
    in.at = read->told;
    uint64_t revision = 0;
    uint32_t count;
    bool good = true;
    while (good && (count = next_run(&in, &run, &revision)) > 0) {
        if (t.visits >= NODE_WATCH_VISITS_MAX) {
            n->watches.slices++;
            return false;
        }
        t.cut = t.next.sub > 0 && t.next.revision == revision;
        t.alone = count == 1 && !t.cut;
        if (!t.alone) good = each_event(&t, run, mark);
        if (good) good = each_event(&t, run, tell);
        read->told = in.at;
        /* Who joins meanwhile, joins there (NW6). */
        if (!t.cut) read->behind = (struct kv_place){ .revision = revision + 1 };
        if (live && !t.cut) n->watches.live_at = read->behind;
    }
    MS_ASSERT(good && bytes_reader_left(&in) == 0); /* kv has written it */
    return true;
}

/* --- live --- */

static void submit(struct node *n, struct node_watch_read *read, struct kv_changes *ask)
{
    struct buf chunk = read->job.chunk;
    buf_clear(&chunk);
    ask->key = buf_bytes(&read->key);
    ask->range_end = buf_bytes(&read->end);
    if (read->key.failed || read->end.failed) { /* then of all keys */
        ask->key = ask->range_end = bytes_of(NULL, 0);
    }
    ask->scan_max = n->opts.watch_scan_max;
    ask->bytes_max = n->opts.watch_bytes_max;
    read->job = (struct kv_job){ .kind = KV_JOB_CHANGES, .owner = n, .chunk = chunk, .changes = *ask };
    read->busy = true;
    n->host.submit_job(n->host.ctx, &read->job);
}

/* What is read: from the first key of one range to the end of another, which reaches furthest. */
static void set_keys(struct node_watch_read *read, const struct node_watch_span *first,
                     const struct node_watch_span *reach)
{
    buf_clear(&read->key);
    buf_clear(&read->end);
    buf_append(&read->key, first->key.data, first->key.len);
    if (reach->unbounded)
        buf_append_u8(&read->end, 0);
    else
        buf_append(&read->end, reach->end.data, reach->end.len);
}

static void live_pump(struct node *n)
{
    struct node_watches *ws = &n->watches;
    if (ws->live.busy || ws->live_count == 0 || ws->live_at.revision > n->info.revision) return;
    struct kv_changes ask = { .from = ws->live_at, .prev = ws->prev_count > 0 };
    const struct node_watch_span *first = ws->root;
    while (first->left) first = first->left;
    set_keys(&ws->live, first, ws->root->reach);
    ws->live_number++;
    submit(n, &ws->live, &ask);
}

/* Those whose place is below it have missed what is gone. */
static void live_overtaken(struct node *n, uint64_t compacted_revision)
{
    struct node_watches *ws = &n->watches;
    struct ms_list *next, *at = ms_list_first(&ws->all);
    for (; at; at = next) {
        struct node_watcher *w = MS_LIST_OF(at, struct node_watcher, in_all);
        next = ms_list_after(&ws->all, at);
        if (!w->live || w->at.revision >= compacted_revision) continue;
        node_watch_end(n, w, MS_ECOMPACTED, compacted_revision);
    }
    ws->live_at = (struct kv_place){ .revision = compacted_revision };
}

/* The live read has ended: it may have passed some of them, who have to catch up. */
static void settle_joining(struct node *n)
{
    struct ms_list *at;
    while ((at = ms_list_pop(&n->watches.joining)))
        node_watch_settle(n, MS_LIST_OF(at, struct node_watcher, in_queue));
}

/* --- behind --- */

/* w's place lies where what is read for the first of the queue may pass by. */
static bool is_on_the_way(const struct node_watcher *w, const struct kv_changes *ask)
{
    if (w->hole_sub || kv_place_compare(w->at, ask->from) < 0) return false;
    return w->at.revision - ask->from.revision <= KV_CHANGES_SCAN_MAX;
}

static void catch_up_pump(struct node *n)
{
    struct node_watches *ws = &n->watches;
    struct ms_list *at = ms_list_first(&ws->queue);
    if (ws->catch_up.busy || !at) return;
    const struct node_watcher *head = MS_LIST_OF(at, struct node_watcher, in_queue);
    const struct node_watch_span *first = head->span, *reach = head->span;
    struct kv_changes ask = { .from = head->at, .resume_sub = head->hole_sub };
    ask.no_puts = ask.no_deletes = true;
    for (uint32_t i = 0; at && i < NODE_WATCH_COHORT_MAX; i++, at = ms_list_after(&ws->queue, at)) {
        struct node_watcher *w = MS_LIST_OF(at, struct node_watcher, in_queue);
        if (w != head && (head->hole_sub || !is_on_the_way(w, &ask))) continue;
        w->reading = true;
        ask.prev |= w->prev;
        ask.no_puts &= w->no_puts;
        ask.no_deletes &= w->no_deletes;
        if (bytes_compare(w->span->key, first->key) < 0) first = w->span;
        if (node_watch_index_ends(w->span, reach) > 0) reach = w->span;
    }
    set_keys(&ws->catch_up, first, reach);
    submit(n, &ws->catch_up, &ask);
}

/* The first of those the answer was for goes to the end of the queue: each has its turn. */
static void catch_up_told(struct node *n, int status)
{
    struct node_watches *ws = &n->watches;
    const struct kv_changes *answer = &ws->catch_up.job.changes;
    struct ms_list *next, *at = ms_list_first(&ws->queue), *head = at;
    for (uint32_t i = 0; at && i < NODE_WATCH_COHORT_MAX; i++, at = next) {
        struct node_watcher *w = MS_LIST_OF(at, struct node_watcher, in_queue);
        next = ms_list_after(&ws->queue, at);
        if (!w->reading) continue;
        w->reading = false;
        if (status == MS_ECOMPACTED && w->at.revision < answer->compacted_revision) {
            node_watch_end(n, w, status, answer->compacted_revision);
            if (at == head) head = NULL;
            continue;
        }
        if (status < 0 || kv_place_compare(w->at, answer->next) >= 0) continue;
        w->at = answer->next;
        w->hole_sub = 0;
        if (!node_watch_can_join(n, w)) continue;
        if (at == head) head = NULL;
        ms_list_remove(at);
        node_watch_settle(n, w);
    }
    if (!head || head != ms_list_first(&ws->queue)) return;
    ms_list_remove(head);
    ms_list_push(&ws->queue, head);
}

/* --- both --- */

/* All of the answer was told, or there was none. */
static void finish(struct node *n, struct node_watch_read *read)
{
    struct node_watches *ws = &n->watches;
    int status = read->job.status;
    read->busy = read->telling = false;
    if (status < 0 && status != MS_ECOMPACTED) ws->retry_ms = n->now_ms + NODE_WATCH_RETRY_MS;
    if (read == &ws->catch_up)
        catch_up_told(n, status);
    else if (status == 0)
        ws->live_at = read->job.changes.next;
    else if (status == MS_ECOMPACTED)
        live_overtaken(n, read->job.changes.compacted_revision);
    if (read == &ws->live) settle_joining(n);
    if (read->job.chunk.cap > NODE_WATCH_KEPT_BYTES) buf_fini(&read->job.chunk);
}

static void go_on_telling(struct node *n, struct node_watch_read *read)
{
    if (!read->telling) return;
    bool wrong = node_digest_is_wrong(n); /* then what was read may be, too: it is read again later */
    if (wrong) read->job.changes.next = read->behind;
    if (wrong || tell_slice(n, read, read == &n->watches.live)) finish(n, read);
}

void node_watch_pump(struct node *n)
{
    struct node_watches *ws = &n->watches;
    if (n->failed) return;
    go_on_telling(n, &ws->live);
    go_on_telling(n, &ws->catch_up);
    if (node_digest_is_wrong(n) || ws->retry_ms > n->now_ms) return;
    ws->retry_ms = 0;
    live_pump(n);
    catch_up_pump(n);
}

void node_watch_on_job(struct node *n, struct node_watch_read *read)
{
    int status = read->job.status;
    if (status <= MS_EFATAL) {
        node_fail(n, status, "the engine could not read what has changed");
        return;
    }
    read->told = 0;
    read->behind = read->job.changes.from;
    read->telling = status == 0;
    if (status < 0)
        finish(n, read);
    else
        go_on_telling(n, read);
}

uint64_t node_watch_deadline(const struct node *n)
{
    if (n->watches.live.telling || n->watches.catch_up.telling) return n->now_ms;
    return n->watches.retry_ms ? n->watches.retry_ms : MS_TIME_NEVER;
}
