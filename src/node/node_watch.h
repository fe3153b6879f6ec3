/* node_watch.h: watches: what changes in a range of keys, told as it is applied (part of node.h).
 *
 * A watch is served from what this member has applied, which is committed: it needs no leader, and a member that
 * is behind tells later, never anything else.
 *
 *   NW1  a watcher hears exactly the changes of its keys from its start revision on that its filters let
 *        through, each once, in order of (revision, sub)
 *   NW2  what it hears of a revision ends with an event marked last: who has heard that goes on at the next
 *        revision, on any member; before it, at that same revision
 *   NW3  no events wait for it in memory: who does not take them is a place in the history (kv_changes.h),
 *        and goes on from there when there is room
 *   NW4  when compaction has overtaken that place it is told, and that is the end; nothing is left out in
 *        silence
 *   NW5  a mark of progress at revision r is given only when all up to r was told */
#ifndef NODE_NODE_WATCH_H
#define NODE_NODE_WATCH_H

#include "kv/kv_changes.h"

struct node;
struct node_watcher; /* opaque; valid until it is cancelled, or its end was told */

struct node_watch_opts {
    struct bytes key, range_end; /* etcd's range; borrowed during the call */
    uint64_t start_revision;     /* the first that is told; 0: what comes next. May lie in the future */
    bool prev;                   /* with the record that was superseded */
    bool no_puts, no_deletes;
};

enum node_watch_kind { NODE_WATCH_EVENT = 1, NODE_WATCH_END };

/* To struct node_host's watch(). Borrowed during the call. */
struct node_watch_news {
    enum node_watch_kind kind;
    void *arg; /* of node_watch() */
    /* EVENT */
    const struct kv_event *event;
    bool has_prev; /* event->prev is there and was asked for */
    bool last;     /* NW2 */
    /* END: MS_ECOMPACTED: what came next is gone, and compacted_revision is the first that is not; MS_ESTOPPED */
    int status;
    uint64_t compacted_revision;
};

/* Watch. Nothing is told from inside the call. MS_ECOMPACTED: *compacted_revision is the first that can be asked
 * for; MS_EBUSY: watches_max of node_opts; MS_EINVAL: the key is empty; MS_ENOTREADY: nothing was
 * applied yet, as of a member that waits to be let in; MS_ETOOBIG, MS_ENOMEM, MS_ESTOPPED. */
int node_watch(struct node *n, uint64_t now_ms, const struct node_watch_opts *opts, void *arg,
               struct node_watcher **out, uint64_t *compacted_revision);
/* Nothing more is told. */
void node_watch_cancel(struct node *n, struct node_watcher *w);
/* There is room again, after watch() has returned false. */
void node_watch_resume(struct node *n, uint64_t now_ms, struct node_watcher *w);
/* The revision up to which all was told (NW5). 0: there is no such yet, as the watch begins above it. in_sync: and
 * that is all that this member has applied. */
uint64_t node_watch_progress(const struct node *n, const struct node_watcher *w, bool *in_sync);

struct node_watch_stats {
    uint32_t watchers;
    uint32_t behind;    /* of these: they catch up, from the history */
    uint32_t paused;    /* they wait for room at their side */
    uint64_t events;    /* told, since the start */
    uint64_t overtaken; /* ended by compaction, likewise */
};

#endif
