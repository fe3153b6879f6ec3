/* http_watch.h: what requests for watches ask for (docs/API.md):
 *
 *   GET /<key>?watch[&prefix][&rev=N][&prev_kv][&progress][&noput][&nodelete], Last-Event-ID: N
 *   POST /_/watch  [{"id": 1, "key": "a"}, {"id": 2, "prefix": "b/", "start_revision": 5}, ...]
 */
#ifndef HTTP_HTTP_WATCH_H
#define HTTP_HTTP_WATCH_H

#include "http/http_range.h"

#define HTTP_WATCHES_MAX 256u                     /* on one stream */
#define HTTP_WATCHES_TEXT_BYTES_MAX (1024u << 10) /* keys and ends of all of them */

struct http_watch {
    uint64_t id;
    struct http_keys keys;   /* in text */
    uint64_t start_revision; /* 0: from what comes next */
    bool prev_kv, progress, no_puts, no_deletes;
};
struct http_watches {
    struct buf text;
    bool several; /* each event says of which watch it is */
    uint32_t count;
    struct http_watch items[HTTP_WATCHES_MAX];
};

static inline struct bytes http_watch_key(const struct http_watches *ws, const struct http_watch *w)
{
    return http_keys_key(&w->keys, &ws->text);
}

/* etcd's range_end: empty for one key. */
static inline struct bytes http_watch_end(const struct http_watches *ws, const struct http_watch *w)
{
    return http_keys_end(&w->keys, &ws->text);
}

void http_watches_init(struct http_watches *ws, const struct ms_alloc *alloc);
void http_watches_fini(struct http_watches *ws);

/* Of all keys that begin so; all keys: an empty one. ws->text.failed tells of memory. */
void http_watch_set_prefix(struct http_watches *ws, struct http_watch *w, struct bytes prefix);

/* The watch of one key, or of all keys that begin so. q: "watch" is taken. last_event_id: of the header, data
 * NULL: not there. False: why (at least 256 bytes) says what is wrong: 400. */
bool http_watch_read_query(struct http_query *q, struct bytes key, struct bytes last_event_id,
                           struct http_watches *ws, char *why, size_t why_cap);
/* The watches of a list. False as above. */
bool http_watch_read_list(struct bytes body, struct http_watches *ws, char *why, size_t why_cap);

#endif
