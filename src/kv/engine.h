/* engine.h: an ordered map of bytes: what a storage engine is. Synchronous; one thread at a time.
 * tests/kv/engine_contract.c holds kv_mem and kv_rocks to the same promises:
 *
 *   E1  keys are ordered as unsigned bytes, a prefix before what it begins; 1 to
 *       ENGINE_KEY_BYTES_MAX bytes; values 0 to ENGINE_VALUE_BYTES_MAX
 *   E2  put and remove between two commits are one atomic step; get sees them at once; iterators and
 *       views see only what is committed
 *   E3  a view is the map at the moment it was opened, whatever is committed after
 *   E4  durable engines: after a crash the map is the one after some commit, no earlier than the last
 *       persist that succeeded
 *   E5  a replace swaps the whole content at its end, or (crash, abort) not at all */
#ifndef KV_ENGINE_H
#define KV_ENGINE_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

#define ENGINE_KEY_BYTES_MAX (2u * MS_KEY_BYTES_MAX + 64u)
#define ENGINE_VALUE_BYTES_MAX (MS_VALUE_BYTES_MAX + MS_KEY_BYTES_MAX + 1024u)

struct engine {
    const struct engine_ops *ops;
};
/* What it needs, for GET /metrics. */
struct engine_stats {
    uint64_t content_bytes;             /* as bytes() */
    uint64_t file_bytes;                /* of its tables on disk */
    uint64_t cache_bytes, buffer_bytes; /* in memory: what was read, and what was not flushed yet */
};
struct engine_view; /* opaque, the engine's */
struct engine_iter; /* likewise */

struct engine_ops {
    /* Append the value of key to out. MS_ENOTFOUND; errors of the disk are at or below MS_EFATAL.
     * view NULL: now, with what is not committed yet. */
    int (*get)(struct engine *e, struct engine_view *view, struct bytes key, struct buf *out);
    /* Both borrow. MS_ENOMEM, fatal errors. Removing what is absent is fine. */
    int (*put)(struct engine *e, struct bytes key, struct bytes value);
    int (*remove)(struct engine *e, struct bytes key);
    int (*commit)(struct engine *e);
    /* Asked before a batch is begun: 0, or MS_ENOSPC: to take it the engine might have to write where there
     * is no room now, which would be its end. It comes right when there is room. NULL: always ready. */
    int (*ready)(struct engine *e);

    struct engine_view *(*view_open)(struct engine *e); /* NULL: no memory */
    void (*view_close)(struct engine *e, struct engine_view *view);

    /* Over a view, or (view NULL) over what is committed now; then it is closed before the next put. */
    struct engine_iter *(*iter_open)(struct engine *e, struct engine_view *view);
    void (*iter_seek)(struct engine_iter *i, struct bytes key);        /* first key >= key */
    void (*iter_seek_before)(struct engine_iter *i, struct bytes key); /* last key < key */
    void (*iter_next)(struct engine_iter *i);
    void (*iter_prev)(struct engine_iter *i);
    bool (*iter_valid)(const struct engine_iter *i);
    struct bytes (*iter_key)(const struct engine_iter *i); /* borrowed until the iterator moves */
    struct bytes (*iter_value)(const struct engine_iter *i);
    /* Why it is not valid: 0: there is no such key; or a fatal error of the disk, which the next seek
     * forgets. */
    int (*iter_status)(const struct engine_iter *i);
    void (*iter_close)(struct engine_iter *i);

    /* Make what is committed durable, as a synced flush and checkpoint. MS_ENOSPC: there is no room for
     * that now, and nothing has changed. The memory engine: MS_EINVAL, it has nothing durable (snapshots
     * are its durability). */
    int (*persist)(struct engine *e);

    /* Build a new content beside the present one: put and commit go to it, get and views to the old
     * one, until replace_end(true) swaps them, durably where the engine is durable. What was put is
     * committed before that. A replace_end that fails has ended it too, with the old content in place.
     * Views stay what they were (E3). */
    int (*replace_begin)(struct engine *e);
    int (*replace_end)(struct engine *e, bool keep);

    uint64_t (*bytes)(const struct engine *e); /* about how large the content is */
    void (*stats)(const struct engine *e, struct engine_stats *out); /* NULL: all are 0 */
    bool durable;                                                    /* survives restarts by itself */
    void (*close)(struct engine *e);                                 /* frees e */
};

/* kv_mem.c: an ordered map in memory with copy-on-write views. */
struct engine *kv_mem_create(const struct ms_alloc *alloc);
/* kv_null.c: keeps nothing of what is put, and has no views: for who loads a snapshot only to have it
 * checked. NULL: no memory. */
struct engine *kv_null_create(const struct ms_alloc *alloc);

#endif
