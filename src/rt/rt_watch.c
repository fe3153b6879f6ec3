/* rt_watch.c: watches of the library: from the loop's thread, where they are told, to ms_poll().
 *
 *   RW1  what is told and not polled waits in the watcher, at most RT_WATCH_QUEUE_BYTES_MAX and one event; then
 *        the member keeps a place for it, and is asked to go on when ms_poll() has emptied it
 *   RW2  the member knows a watcher from ms_watch() until it is detached: by its end, by a cancellation, or because
 *        the member is gone. It is freed by who cancels, or behind the callback that is running, or by ms_close() */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "http/http_watch.h"
#include "rt/rt_alloc.h"
#include "rt/rt_clock.h"
#include "rt/rt_private.h"

#define RT_WATCH_QUEUE_BYTES_MAX (256u << 10)

/* A copy of what was told; its bytes stand behind it. */
struct item {
    struct item *next;
    size_t bytes;
    struct ms_watch_event event;
};

struct ms_watcher {
    struct member_watch inner; /* first; the loop's thread's */
    struct ms_member *member;
    ms_watch_cb cb;
    void *arg;
    /* under the member's lock */
    struct ms_list in_all, in_ready, in_resumes;
    struct item *first, *last;
    size_t bytes;
    bool paused, progress_wanted, cancel_wanted, broken; /* for the loop to see to */
    bool detached;
    bool ended, end_told; /* end: what is told last */
    struct ms_watch_event end;
    bool in_poll, cancelled;
};

void rt_watches_init(struct ms_member *m)
{
    ms_list_init(&m->watchers);
    ms_list_init(&m->watch_ready);
    ms_list_init(&m->watch_resumes);
}

static void watcher_free(struct ms_watcher *w)
{
    ms_list_remove(&w->in_all);
    ms_list_remove(&w->in_ready);
    ms_list_remove(&w->in_resumes);
    while (w->first) {
        struct item *next = w->first->next;
        free(w->first);
        w->first = next;
    }
    free(w);
}

void rt_watches_fini(struct ms_member *m)
{
    struct ms_list *at;
    while ((at = ms_list_first(&m->watchers))) watcher_free(MS_LIST_OF(at, struct ms_watcher, in_all));
}

bool rt_watches_any(const struct ms_member *m)
{
    return ms_list_first(&m->watch_ready) != NULL;
}

/* Under lock. */
static void set_ready(struct ms_watcher *w)
{
    struct ms_member *m = w->member;
    if (ms_list_has(&w->in_ready)) return;
    bool first = !ms_list_first(&m->done) && !rt_watches_any(m);
    ms_list_push(&m->watch_ready, &w->in_ready);
    if (first) rt_wake_raise(&m->wake);
}

/* Under lock: the loop has to see to something. */
static void set_resume(struct ms_watcher *w)
{
    struct ms_member *m = w->member;
    if (w->detached || m->loop_over) return;
    bool first = !ms_list_first(&m->watch_resumes);
    if (!ms_list_has(&w->in_resumes)) ms_list_push(&m->watch_resumes, &w->in_resumes);
    if (first) uv_async_send(&m->async);
}

/* ---- loop thread ---- */

static void copy_bytes(struct ms_bytes *out, uint8_t **to, struct bytes from)
{
    *out = (struct ms_bytes){ .data = *to, .len = from.len };
    if (from.len > 0) memcpy(*to, from.data, from.len);
    *to += from.len;
}

static void copy_record(struct ms_record *out, uint8_t **to, const struct kv_event_record *from)
{
    *out = (struct ms_record){ .create_revision = from->create_revision,
                               .mod_revision = from->mod_revision,
                               .version = from->version,
                               .lease = from->lease };
    copy_bytes(&out->value, to, from->value);
}

static struct item *item_create(const struct node_watch_news *news)
{
    const struct kv_event *e = news->event;
    size_t bytes = sizeof(struct item) + e->key.len;
    if (e->put) bytes += e->now.value.len;
    if (news->has_prev) bytes += e->prev.value.len;
    struct item *item = calloc(1, bytes);
    if (!item) return NULL;
    uint8_t *to = (uint8_t *)(item + 1);
    item->bytes = bytes;
    item->event = (struct ms_watch_event){ .kind = e->put ? MS_WATCH_PUT : MS_WATCH_DELETE,
                                           .revision = e->revision,
                                           .last = news->last,
                                           .has_prev = news->has_prev };
    copy_bytes(&item->event.key, &to, e->key);
    if (e->put) copy_record(&item->event.now, &to, &e->now);
    if (news->has_prev) copy_record(&item->event.prev, &to, &e->prev);
    return item;
}

/* Under lock. */
static void append(struct ms_watcher *w, struct item *item)
{
    if (w->last)
        w->last->next = item;
    else
        w->first = item;
    w->last = item;
    w->bytes += item->bytes;
    set_ready(w);
}

/* Under lock. */
static void set_end(struct ms_watcher *w, int status, uint64_t revision)
{
    if (w->ended) return;
    w->ended = w->detached = true;
    w->end = (struct ms_watch_event){ .kind = MS_WATCH_END, .status = status, .revision = revision };
    set_ready(w);
}

bool rt_watch_told(void *ctx, struct member_watch *inner, const struct node_watch_news *news)
{
    struct ms_member *m = ctx;
    struct ms_watcher *w = (struct ms_watcher *)inner;
    struct item *item = news->kind == NODE_WATCH_EVENT ? item_create(news) : NULL;
    pthread_mutex_lock(&m->lock);
    if (news->kind == NODE_WATCH_END) {
        set_end(w, news->status, news->compacted_revision);
    } else if (!item) {
        w->broken = true; /* it cannot be cancelled from here */
        set_resume(w);
    } else {
        append(w, item);
        w->paused = w->bytes >= RT_WATCH_QUEUE_BYTES_MAX;
    }
    bool more = item && !w->paused;
    pthread_mutex_unlock(&m->lock);
    return more;
}

static void tell_progress(struct ms_watcher *w)
{
    struct item *item = calloc(1, sizeof *item);
    uint64_t revision = member_watch_progress(w->member->core, &w->inner);
    pthread_mutex_lock(&w->member->lock);
    if (item) {
        item->bytes = sizeof *item;
        item->event = (struct ms_watch_event){ .kind = MS_WATCH_PROGRESS, .revision = revision };
        append(w, item);
    } else {
        w->broken = true;
    }
    pthread_mutex_unlock(&w->member->lock);
}

/* What is wanted of w, now out of its list. */
static void see_to(struct ms_watcher *w, bool cancel, bool progress, bool go_on)
{
    struct ms_member *m = w->member;
    if (progress) tell_progress(w);
    if (cancel || w->broken) {
        member_watch_cancel(m->core, &w->inner);
        pthread_mutex_lock(&m->lock);
        if (cancel)
            w->detached = true;
        else
            set_end(w, MS_ENOMEM, 0);
        pthread_cond_broadcast(&m->changed);
        pthread_mutex_unlock(&m->lock);
    } else if (go_on) {
        member_watch_resume(m->core, rt_clock_ms(), &w->inner);
        m->dirty = true;
    }
}

void rt_watches_resume(struct ms_member *m)
{
    struct ms_list *at;
    pthread_mutex_lock(&m->lock);
    while ((at = ms_list_pop(&m->watch_resumes))) {
        struct ms_watcher *w = MS_LIST_OF(at, struct ms_watcher, in_resumes);
        if (w->detached) continue;
        bool cancel = w->cancel_wanted, progress = w->progress_wanted;
        bool go_on = w->paused && w->bytes < RT_WATCH_QUEUE_BYTES_MAX;
        w->progress_wanted = false;
        if (go_on) w->paused = false;
        pthread_mutex_unlock(&m->lock);
        see_to(w, cancel, progress, go_on);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
}

void rt_watches_abort(struct ms_member *m)
{
    pthread_mutex_lock(&m->lock);
    struct ms_list *at = ms_list_first(&m->watchers);
    for (; at; at = ms_list_after(&m->watchers, at)) {
        set_end(MS_LIST_OF(at, struct ms_watcher, in_all), MS_ESTOPPED, 0);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static int begin(struct ms_member *m, struct rt_request *r)
{
    struct ms_watcher *w = r->watcher;
    struct node_watch_opts opts = r->watch_opts;
    opts.key = bytes_of(r->input.data, opts.key.len);
    opts.range_end = bytes_of(r->input.data + opts.key.len, r->input.len - opts.key.len);
    return member_watch(m->core, rt_clock_ms(), &opts, &w->inner, &r->revision);
}

int rt_watch_take(struct ms_member *m, struct rt_request *r)
{
    int rv = begin(m, r);
    m->dirty = true;
    if (rv < 0) return rv;
    pthread_mutex_lock(&m->lock);
    ms_list_push(&m->watchers, &r->watcher->in_all);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

/* ---- the callers' threads ---- */

void ms_watch_options_init(struct ms_watch_options *options)
{
    *options = (struct ms_watch_options){ .struct_bytes = sizeof *options };
}

/* Key and end, one behind the other. */
static int put_range(struct rt_request *r, const struct ms_watch_options *o)
{
    struct http_watches ws;
    struct bytes key = bytes_of(o->key.data, o->key.len);
    int rv = 0;
    if (!o->prefix) {
        buf_append(&r->input, key.data, key.len);
        buf_append(&r->input, o->range_end.data, o->range_end.len);
        r->watch_opts.key.len = key.len;
        return r->input.failed ? MS_ENOMEM : 0;
    }
    http_watches_init(&ws, rt_alloc_heap());
    http_watch_set_prefix(&ws, &ws.items[0], key);
    if (ws.text.failed) rv = MS_ENOMEM;
    if (rv == 0) {
        struct bytes from = http_watch_key(&ws, &ws.items[0]), end = http_watch_end(&ws, &ws.items[0]);
        buf_append(&r->input, from.data, from.len);
        buf_append(&r->input, end.data, end.len);
        r->watch_opts.key.len = from.len;
        if (r->input.failed) rv = MS_ENOMEM;
    }
    http_watches_fini(&ws);
    return rv;
}

static int check(const struct ms_member *m, const struct ms_watch_options *o)
{
    size_t most = m->setup.options.key_bytes_max;
    if (!o || o->struct_bytes != sizeof *o) return MS_EINVAL;
    if (o->key.len == 0 && !o->prefix) return MS_EINVAL;
    return o->key.len <= most && o->range_end.len <= most ? 0 : MS_ETOOBIG;
}

static int watch_wait(struct ms_member *m, const struct ms_watch_options *o, struct ms_watcher *w,
                      uint64_t *compacted_revision)
{
    struct rt_request *r = rt_request_create(RT_REQUEST_WATCH);
    if (!r) return MS_ENOMEM;
    r->watcher = w;
    r->watch_opts = (struct node_watch_opts){ .start_revision = o->start_revision,
                                              .prev = o->prev,
                                              .no_puts = o->no_puts,
                                              .no_deletes = o->no_deletes };
    int rv = put_range(r, o);
    if (rv < 0) {
        rt_request_free(r);
        return rv;
    }
    rv = rt_request_wait(m, r);
    if (rv < 0) return rv;
    rv = r->status;
    if (rv == MS_ECOMPACTED && compacted_revision) *compacted_revision = r->revision;
    rt_request_free(r);
    return rv;
}

int ms_watch(struct ms_member *member, const struct ms_watch_options *options, ms_watch_cb cb,
             void *arg, struct ms_watcher **out, uint64_t *compacted_revision)
{
    *out = NULL;
    int rv = check(member, options);
    if (rv < 0) return rv;
    struct ms_watcher *w = calloc(1, sizeof *w);
    if (!w) return MS_ENOMEM;
    w->member = member;
    w->cb = cb;
    w->arg = arg;
    rv = watch_wait(member, options, w, compacted_revision);
    if (rv < 0)
        free(w);
    else
        *out = w;
    return rv;
}

int ms_watch_progress(struct ms_watcher *watcher)
{
    struct ms_member *m = watcher->member;
    pthread_mutex_lock(&m->lock);
    int rv = watcher->detached || m->loop_over ? MS_ESTOPPED : 0;
    if (rv == 0) {
        watcher->progress_wanted = true;
        set_resume(watcher);
    }
    pthread_mutex_unlock(&m->lock);
    return rv;
}

void ms_watch_cancel(struct ms_watcher *watcher)
{
    if (!watcher) return;
    struct ms_member *m = watcher->member;
    pthread_mutex_lock(&m->lock);
    watcher->cancel_wanted = true;
    set_resume(watcher);
    while (!watcher->detached && !m->loop_over) pthread_cond_wait(&m->changed, &m->lock);
    watcher->cancelled = true;
    bool now = !watcher->in_poll; /* else who polls does it */
    if (now) watcher_free(watcher);
    pthread_mutex_unlock(&m->lock);
}

/* ---- ms_poll ---- */

/* The next thing to be told, taken out; NULL: nothing any more. Under lock. */
static struct item *next_item(struct ms_watcher *w)
{
    struct item *item = w->first;
    if (w->cancelled || !item) return NULL;
    w->first = item->next;
    if (!w->first) w->last = NULL;
    w->bytes -= item->bytes;
    return item;
}

/* Tell all that w has. Under lock, which is let go for each call. */
static int poll_one(struct ms_member *m, struct ms_watcher *w)
{
    struct item *item;
    int count = 0;
    w->in_poll = true;
    while ((item = next_item(w))) {
        pthread_mutex_unlock(&m->lock);
        w->cb(w->arg, &item->event);
        free(item);
        count++;
        pthread_mutex_lock(&m->lock);
    }
    if (w->ended && !w->end_told && !w->cancelled) {
        w->end_told = true;
        pthread_mutex_unlock(&m->lock);
        w->cb(w->arg, &w->end);
        count++;
        pthread_mutex_lock(&m->lock);
    }
    w->in_poll = false;
    if (w->paused) set_resume(w);
    if (w->cancelled) watcher_free(w);
    return count;
}

int rt_watches_poll(struct ms_member *m, struct ms_list *list)
{
    struct ms_list *at;
    int count = 0;
    pthread_mutex_lock(&m->lock);
    while ((at = ms_list_pop(list))) count += poll_one(m, MS_LIST_OF(at, struct ms_watcher, in_ready));
    pthread_mutex_unlock(&m->lock);
    return count;
}
