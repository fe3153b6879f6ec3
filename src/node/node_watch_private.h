/* node_watch_private.h: the inside of watches, shared by node_watch*.c (part of node_private.h).
 *
 * A watcher is *live* or a place in the history. Live ones share one place, live_at: one job reads what was
 * applied behind it, for all of them, and each event is told to those whose range holds its key. The others wait
 * in a queue, where the first one's place decides what is read next; those beside it whose place is covered by
 * that read hear it as well. Who has come to live_at joins. So each change is read a few times, however many
 * watch, and nobody waits for another's history.
 *
 *   NW6  live: what is below live_at was told, or lies below `at` and is not to be
 *   NW7  in the queue: not live, not paused; what is below `at` was told; the change at `at` is next, but for a
 *        hole: then that change is to be told, and none between it and hole_sub of the same revision is
 *   NW8  what is read for live ones holds what is for each that was there when it was asked for, and no more: who
 *        came since hears nothing of it */
#ifndef NODE_NODE_WATCH_PRIVATE_H
#define NODE_NODE_WATCH_PRIVATE_H

#include "base/list.h"
#include "kv/kv.h"
#include "node/node_watch.h"

#define NODE_WATCH_COHORT_MAX 1024u /* of the queue that hear what is read for its first one */
#define NODE_WATCH_VISITS_MAX                                                                          \
    20000u /* watchers visited before the loop has its turn; a revision always is told */
#define NODE_WATCH_RETRY_MS 100u         /* after memory was refused */
#define NODE_WATCH_KEPT_BYTES (1u << 20) /* a larger answer's buffer is given back */

/* A range that is watched (node_watch_index.c). */
struct node_watch_span {
    struct node_watch_span *left, *right;
    struct node_watch_span *reach; /* of itself and all below: the one with the largest end */
    uint64_t priority;
    struct ms_list watchers;
    struct bytes key, end; /* end: not if unbounded */
    bool unbounded;
    bool single; /* one key: changes once in a revision */
};

struct node_watcher {
    struct ms_list in_all, in_span, in_queue;
    struct node_watch_span *span;
    void *arg;
    uint64_t start_revision; /* as asked for */
    struct kv_place at;
    uint32_t hole_sub; /* 0: no hole */
    uint64_t born;     /* number of the newest live read when it came: that one does not know of it */
    struct kv_place match; /* of the revision being told: its last one so far */
    bool prev, no_puts, no_deletes;
    bool live, paused;
    bool reading; /* in the queue: what is being read is for it, too */
};

struct node_watch_read {
    struct kv_job job;
    bool busy;              /* until all of its answer is told */
    bool telling;           /* the job is back ... */
    size_t told;            /* ... and so much of its answer was told: */
    struct kv_place behind; /* all before this */
    struct buf key, end;    /* what the job borrows */
};

struct node_watches {
    struct ms_list all;   /* in order of creation */
    struct ms_list queue; /* NW7 */
    struct ms_list
        joining; /* may be live when the live read at hand has ended, which does not know of them */
    uint64_t live_number; /* of the newest live read */
    struct node_watch_span *root;
    uint64_t span_count; /* ever made */
    uint32_t count, live_count, paused_count, prev_count;
    struct kv_place live_at;
    struct node_watch_read live, catch_up;
    uint64_t retry_ms; /* nothing is read before; 0: no such wait */
    uint64_t events, overtaken;
    uint64_t slices; /* behind which more of an answer was to be told */
};

/* <0, 0, >0. */
static inline int kv_place_compare(struct kv_place a, struct kv_place b)
{
    if (a.revision != b.revision) return a.revision < b.revision ? -1 : 1;
    return (a.sub > b.sub) - (a.sub < b.sub);
}

/* --- node_watch_index.c --- */
typedef void (*node_watch_visit)(struct node_watcher *w, void *arg);
int node_watch_index_add(struct node *n, struct node_watcher *w, struct bytes key, struct bytes end);
void node_watch_index_remove(struct node *n, struct node_watcher *w);
/* Those whose range holds key, always in the same order. visit must not add or remove any. */
void node_watch_index_each(const struct node *n, struct bytes key, node_watch_visit visit, void *arg);
/* <0, 0, >0: which of two ranges ends first. */
int node_watch_index_ends(const struct node_watch_span *a, const struct node_watch_span *b);

/* --- node_watch.c --- */
int node_watch_begin(struct node *n, const struct node_watch_opts *opts, void *arg,
                     struct node_watcher **out, uint64_t *compacted_revision);
void node_watches_init(struct node *n);
void node_watches_fini(struct node *n);
void node_watches_end(struct node *n, int status); /* all of them */
bool node_watches_quiet(const struct node *n);
void node_watch_check(const struct node *n);
void node_watch_stats(const struct node *n, struct node_watch_stats *out);
/* Tell w of its end; it is gone. */
void node_watch_end(struct node *n, struct node_watcher *w, int status, uint64_t compacted_revision);
/* w has a place and is neither live nor queued nor paused: make it live where that is right, else queue it. */
void node_watch_settle(struct node *n, struct node_watcher *w);
void node_watch_unlive(struct node *n, struct node_watcher *w);
/* Whether w, at its place, can be live. */
bool node_watch_can_join(struct node *n, const struct node_watcher *w);

/* --- node_watch_read.c --- */
void node_watch_pump(struct node *n);
void node_watch_on_job(struct node *n, struct node_watch_read *read);
uint64_t node_watch_deadline(const struct node *n);

#endif
