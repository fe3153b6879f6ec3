/* member_watch.c: watches as server-sent events (WHATWG HTML, 9.2): GET /<key>?watch, POST /_/watch.
 *
 *   L6  a watch is told only what its connection has room for: when watch_queue_bytes_max wait there, or
 *       WATCHES_BYTES_MAX at all of them together, the node is asked to wait; it keeps a place, no events
 *   L7  an id stands with the last event of a revision and nowhere else, so that Last-Event-ID goes on behind
 *       whole revisions. A stream of several watches has no ids: each of them goes on at a revision of its own
 *   L8  where nothing is to be told, a beat goes out each watch_beat_ms: that is how a peer that is gone is found
 *
 * What an event says is written once, for all who hear it (M5: it is told to one after the other). */
#include <stdio.h>

#include "format/json_write.h"
#include "member/member_private.h"

struct client_watch {
    struct watch_owner owner; /* first */
    struct client *client;
    struct node_watcher *watcher; /* NULL: it has ended */
    uint64_t id;
    bool progress;
    bool paused; /* the node waits to be asked */
};

/* The watches of one connection, whose answer is their stream. */
struct client_stream {
    struct client *client;
    struct member_timer beat;
    struct ms_list waiting;     /* some of its watches are paused */
    uint64_t beat_bytes;        /* sent and to be sent at the last beat */
    size_t counted;             /* what waits there: its part of watch_bytes */
    bool several;
    uint32_t count, live;
    struct client_watch watches[];
};

/* --- texts --- */

static void write_record(struct json_write *w, const struct kv_event_record *r)
{
    json_field_bytes(w, "value", r->value);
    json_field_u64(w, "create_revision", r->create_revision);
    json_field_u64(w, "mod_revision", r->mod_revision);
    json_field_u64(w, "version", r->version);
    json_field_u64(w, "lease", r->lease);
}

static void write_event(struct buf *out, const struct kv_event *e, bool has_prev)
{
    struct json_write w;
    buf_clear(out);
    json_write_init(&w, out, 0);
    json_object_begin(&w);
    json_field_bytes(&w, "key", e->key);
    if (e->put)
        write_record(&w, &e->now);
    else
        json_field_u64(&w, "mod_revision", e->revision);
    if (has_prev) {
        json_field_object(&w, "prev");
        json_field_bytes(&w, "key", e->key);
        write_record(&w, &e->prev);
        json_object_end(&w);
    }
    json_object_end(&w);
}

/* The text of an event, made once: it is told to all its watchers before the next one is. Borrowed. */
static struct bytes text_of(struct member *m, const struct node_watch_news *news)
{
    struct watch_text *t = &m->watch_texts[news->has_prev];
    const struct kv_event *e = news->event;
    if (t->revision != e->revision || t->sub != e->sub || t->text.failed || t->text.len == 0) {
        if (t->text.cap > MEMBER_SCRATCH_KEPT_BYTES) buf_fini(&t->text);
        write_event(&t->text, e, news->has_prev);
        t->revision = e->revision;
        t->sub = e->sub;
    }
    return t->text.failed ? bytes_of(NULL, 0) : buf_bytes(&t->text);
}

/* Give the memory of large ones back. */
static void trim_texts(struct member *m)
{
    for (int i = 0; i < 2; i++) {
        if (m->watch_texts[i].text.cap > MEMBER_SCRATCH_KEPT_BYTES) buf_fini(&m->watch_texts[i].text);
    }
}

/* --- the stream --- */

static struct client_stream *stream_of(const struct client *c)
{
    return c->watch;
}

/* What waits at connections of watches, all together. */
static void count(struct member *m, struct client_stream *s, size_t bytes)
{
    m->watch_bytes += bytes - s->counted; /* modulo 2^64: it may be less than before */
    s->counted = bytes;
}

static bool has_room_of_its_own(const struct member *m, const struct client *c)
{
    return !c->broken && c->watch->counted < m->opts.watch_queue_bytes_max;
}

static bool has_room(const struct member *m, const struct client *c)
{
    return has_room_of_its_own(m, c) && m->watch_bytes < WATCHES_BYTES_MAX;
}

/* One chunk of the answer. */
static void put_parts(struct member *m, struct client *c, const struct bytes *parts,
                      uint32_t part_count)
{
    size_t before = http_conn_output(c->http)->len;
    if (c->broken) return;
    if (!http_conn_stream_parts(c->http, parts, part_count)) {
        c->broken = true; /* something would be missing: the connection shows it by closing */
        client_set_ready(m, c);
    }
    count(m, c->watch, c->watch->counted + http_conn_output(c->http)->len - before);
    client_set_dirty(m, c);
}

static void put_text(struct member *m, struct client *c, const char *text, int len)
{
    struct bytes part = bytes_of(text, (size_t)len);
    put_parts(m, c, &part, 1);
}

static void put_event(struct member *m, struct client_watch *cw, const struct node_watch_news *news)
{
    const struct client_stream *s = cw->client->watch;
    char head[96], tail[64];
    struct bytes text = text_of(m, news);
    if (text.len == 0) {
        cw->client->broken = true; /* no memory */
        client_set_ready(m, cw->client);
        return;
    }
    const char *name = news->event->put ? "put" : "delete";
    unsigned long long id = cw->id, revision = news->event->revision;
    int head_len, tail_len;
    if (s->several) {
        head_len = snprintf(head, sizeof head, "event: %s\ndata: {\"watch\": %llu, \"complete\": %s, ",
                            name, id, news->last ? "true" : "false");
    } else {
        head_len = snprintf(head, sizeof head, "event: %s\ndata: {", name);
    }
    if (news->last && !s->several)
        tail_len = snprintf(tail, sizeof tail, "\nid: %llu\n\n", revision);
    else
        tail_len = snprintf(tail, sizeof tail, "\n\n");
    struct bytes parts[] = { bytes_of(head, (size_t)head_len), bytes_of(text.data + 1, text.len - 1),
                             bytes_of(tail, (size_t)tail_len) };
    put_parts(m, cw->client, parts, 3);
}

static void put_compacted(struct member *m, struct client_watch *cw, uint64_t revision)
{
    char text[160], which[48] = "";
    if (cw->client->watch->several)
        snprintf(which, sizeof which, "\"watch\": %llu, ", (unsigned long long)cw->id);
    int len = snprintf(text, sizeof text, "event: compacted\ndata: {%s\"compact_revision\": %llu}\n\n",
                       which, (unsigned long long)revision);
    put_text(m, cw->client, text, len);
}

/* The last watch of it has ended. */
static void stream_end(struct member *m, struct client *c)
{
    if (!c->broken) {
        http_conn_stream_end(c->http);
        c->busy = c->streaming = false;
    }
    client_set_ready(m, c);
    client_set_dirty(m, c);
}

static void ended(struct member *m, struct client_watch *cw, const struct node_watch_news *news)
{
    struct client_stream *s = cw->client->watch;
    cw->watcher = NULL;
    cw->paused = false;
    s->live--;
    if (news->status == MS_ECOMPACTED) put_compacted(m, cw, news->compacted_revision);
    if (s->live == 0) stream_end(m, cw->client);
}

bool watches_tell(struct member *m, const struct node_watch_news *news)
{
    struct client_watch *cw = news->arg;
    if (news->kind == NODE_WATCH_END) {
        ended(m, cw, news);
        return false;
    }
    put_event(m, cw, news);
    cw->paused = !has_room(m, cw->client); /* watch_sent() comes, as something was put */
    return !cw->paused;
}

/* --- room --- */

static void resume(struct member *m, struct client_stream *s)
{
    ms_list_remove(&s->waiting);
    for (uint32_t i = 0; i < s->count; i++) {
        struct client_watch *cw = &s->watches[i];
        if (!cw->paused) continue;
        cw->paused = false;
        node_watch_resume(m->node, m->now_ms, cw->watcher);
    }
}

bool watches_can_resume(const struct member *m)
{
    return m->watch_bytes < WATCHES_BYTES_MAX && ms_list_first(&m->watch_waiting);
}

void watches_resume(struct member *m)
{
    struct ms_list round, *node;
    if (!watches_can_resume(m)) return;
    ms_list_take(&m->watch_waiting, &round);
    while ((node = ms_list_pop(&round))) {
        struct client_stream *s = MS_LIST_OF(node, struct client_stream, waiting);
        if (has_room_of_its_own(m, s->client)) resume(m, s);
        /* else watch_sent() brings it back */
    }
}

void watch_sent(struct member *m, struct client *c)
{
    struct client_stream *s = stream_of(c);
    if (!s) return;
    count(m, s, member_net_queued(m, c->conn.number) + http_conn_output(c->http)->len);
    if (!has_room_of_its_own(m, c) || ms_list_has(&s->waiting)) return;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->watches[i].paused) continue;
        ms_list_push(&m->watch_waiting, &s->waiting);
        return;
    }
}

/* --- beats --- */

/* Where all of its watches are; 0: one of them has no place yet. */
static uint64_t least_progress(const struct member *m, const struct client_stream *s)
{
    uint64_t least = UINT64_MAX;
    bool in_sync;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct client_watch *cw = &s->watches[i];
        if (!cw->watcher) continue;
        uint64_t revision = node_watch_progress(m->node, cw->watcher, &in_sync);
        if (revision < least) least = revision;
    }
    return least == UINT64_MAX ? 0 : least;
}

static void put_progress(struct member *m, struct client_watch *cw, bool *some)
{
    char text[128], which[48] = "";
    bool in_sync;
    if (!cw->watcher || !cw->progress) return;
    uint64_t revision = node_watch_progress(m->node, cw->watcher, &in_sync);
    if (revision == 0) return;
    if (cw->client->watch->several)
        snprintf(which, sizeof which, "\"watch\": %llu, ", (unsigned long long)cw->id);
    int len = snprintf(text, sizeof text, "event: progress\ndata: {%s\"revision\": %llu}\n\n", which,
                       (unsigned long long)revision);
    put_text(m, cw->client, text, len);
    *some = true;
}

static void beat(struct member *m, struct client_stream *s)
{
    char text[64];
    bool some = false;
    for (uint32_t i = 0; i < s->count; i++) put_progress(m, &s->watches[i], &some);
    if (some) return;
    int len = snprintf(text, sizeof text, ": %llu\n\n", (unsigned long long)least_progress(m, s));
    put_text(m, s->client, text, len);
}

static uint64_t told_bytes(const struct client *c)
{
    return c->sent_bytes + http_conn_output(c->http)->len;
}

static void set_beat(struct member *m, struct client_stream *s)
{
    s->beat_bytes = told_bytes(s->client);
    member_timer_set(&m->watch_beats, &s->beat, m->now_ms + m->opts.watch_beat_ms);
}

void watches_tick(struct member *m)
{
    struct ms_list *node;
    while ((node = ms_list_first(&m->watch_beats))) {
        struct client_stream *s = MS_LIST_OF(node, struct client_stream, beat.node);
        if (m->now_ms < s->beat.at_ms) break;
        if (s->beat_bytes == told_bytes(s->client) && !s->client->stalled) beat(m, s);
        set_beat(m, s);
    }
}

/* --- begin and end --- */

void watch_free(struct member *m, struct client *c)
{
    struct client_stream *s = stream_of(c);
    if (!s) return;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->watches[i].watcher) node_watch_cancel(m->node, s->watches[i].watcher);
    }
    count(m, s, 0);
    ms_list_remove(&s->beat.node);
    ms_list_remove(&s->waiting);
    ms_free(m->env.alloc, s);
    c->watch = NULL;
}

static void answer_compacted(struct member *m, struct client *c, uint64_t revision)
{
    char number[24], line[160];
    struct http_header header = { "Metastore-Compact-Revision", number };
    snprintf(number, sizeof number, "%llu", (unsigned long long)revision);
    snprintf(line, sizeof line,
             "that revision has been compacted; the first one that can be watched from is %s", number);
    answer_line(m, c, 410, line, &header, 1);
}

static int stream_create(struct member *m, struct client *c, uint32_t watch_count, bool several)
{
    struct client_stream *s =
        ms_alloc_zeroed(m->env.alloc, sizeof *s + watch_count * sizeof s->watches[0]);
    if (!s) return MS_ENOMEM;
    s->client = c;
    s->several = several;
    s->count = watch_count;
    c->watch = s;
    return 0;
}

/* 0, or what the node said. Where there are several a watch of what is compacted is none of the request's
 * failures: its stream says so. */
static int watch_one(struct member *m, struct client_stream *s, uint32_t i,
                     const struct http_watches *ws, uint64_t *compacted)
{
    const struct http_watch *w = &ws->items[i];
    struct client_watch *cw = &s->watches[i];
    struct node_watch_opts opts = { .key = http_watch_key(ws, w),
                                    .range_end = http_watch_end(ws, w),
                                    .start_revision = w->start_revision,
                                    .prev = w->prev_kv,
                                    .no_puts = w->no_puts,
                                    .no_deletes = w->no_deletes };
    *cw = (struct client_watch){ .client = s->client, .id = w->id, .progress = w->progress };
    int rv = node_watch(m->node, m->now_ms, &opts, cw, &cw->watcher, compacted);
    if (rv < 0) cw->watcher = NULL;
    if (rv == 0) s->live++;
    return rv;
}

/* The head of the answer is out at once: the client knows that from now on it watches. */
static bool stream_begin(struct member *m, struct client *c)
{
    struct headers h = { .count = 0 };
    struct node_status status;
    node_status(m->node, &status);
    headers_add(&h, "Cache-Control", "no-store");
    headers_add_store(&h, m, status.revision);
    return http_conn_stream_begin(c->http, "text/event-stream", h.items, h.count);
}

static void refuse(struct member *m, struct client *c, int rv, uint64_t compacted)
{
    watch_free(m, c);
    if (rv == MS_ECOMPACTED)
        answer_compacted(m, c, compacted);
    else
        answer_failure(m, c, rv,
                       rv == MS_EBUSY ? "as many watches as may be are open; try again later" : NULL);
}

void watch_begin(struct member *m, struct client *c, const struct http_watches *ws)
{
    uint64_t compacted[HTTP_WATCHES_MAX] = { 0 };
    int rv = stream_create(m, c, ws->count, ws->several);
    for (uint32_t i = 0; i < ws->count && rv == 0; i++) {
        rv = watch_one(m, c->watch, i, ws, &compacted[i]);
        if (rv == 0) compacted[i] = 0;
        if (rv == MS_ECOMPACTED && ws->several) rv = 0;
        if (rv < 0) break;
    }
    if (rv == 0 && !stream_begin(m, c)) rv = MS_ENOMEM;
    if (rv < 0) {
        refuse(m, c, rv, compacted[0]);
        return;
    }
    c->busy = c->streaming = true;
    set_beat(m, c->watch);
    for (uint32_t i = 0; i < ws->count; i++) {
        if (compacted[i]) put_compacted(m, &c->watch->watches[i], compacted[i]);
    }
    if (c->watch->live == 0) stream_end(m, c);
    client_set_dirty(m, c);
}

void watches_init(struct member *m)
{
    ms_list_init(&m->watch_beats);
    ms_list_init(&m->watch_waiting);
    http_watches_init(&m->watches, m->env.alloc);
    for (int i = 0; i < 2; i++) buf_init(&m->watch_texts[i].text, m->env.alloc, WATCH_TEXT_BYTES_MAX);
}

void watches_fini(struct member *m)
{
    http_watches_fini(&m->watches);
    for (int i = 0; i < 2; i++) buf_fini(&m->watch_texts[i].text);
}

void watches_flushed(struct member *m)
{
    trim_texts(m);
    if (m->watches.text.cap > MEMBER_SCRATCH_KEPT_BYTES / 4) buf_fini(&m->watches.text);
}
