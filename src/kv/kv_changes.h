/* kv_changes.h: what changed, revision by revision: the job KV_JOB_CHANGES (kv.h) and the events it writes.
 *
 *   KC1  the events from a place up to another are exactly the changes there, in order of (revision, sub),
 *        each with the record that was put and, where it is wanted and still there, the one it superseded
 *   KC2  next is behind the last change that was looked at: to go on there leaves out nothing and repeats
 *        nothing
 *   KC3  an answer ends between two revisions; only one that holds a single revision, which is larger than a
 *        job may be, ends inside of it, with next.sub above 0 */
#ifndef KV_KV_CHANGES_H
#define KV_KV_CHANGES_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

#define KV_EVENT_BYTES_MAX (2u * (MS_VALUE_BYTES_MAX + 64u) + MS_KEY_BYTES_MAX + 64u) /* encoded */
/* Of one job: what is read of the state by it. Two events always fit, however large. */
#define KV_CHANGES_BYTES_MAX (256u << 10)
#define KV_CHANGES_SCAN_MAX 4096u /* changes that are looked at */
#define KV_CHANGES_BUF_BYTES_MAX (KV_CHANGES_BYTES_MAX + 2u * KV_EVENT_BYTES_MAX)

/* A place between changes: before the one with that sub. */
struct kv_place {
    uint64_t revision;
    uint32_t sub;
};

struct kv_changes {
    struct kv_place from;
    /* Behind the change at from nothing is looked at before this sub of the same revision: it was, and there
     * was nothing. 0: there is no such hole. */
    uint32_t resume_sub;
    /* Only changes of these keys: etcd's range, borrowed until the job is back; key empty: of all. */
    struct bytes key, range_end;
    bool no_puts, no_deletes, prev;
    uint32_t scan_max; /* at least 2; 0: KV_CHANGES_SCAN_MAX */
    size_t bytes_max;  /* 0: KV_CHANGES_BYTES_MAX */

    /* Answer; the events are in the job's chunk. */
    struct kv_place next;
    uint64_t compacted_revision; /* MS_ECOMPACTED: the first one that can be asked for */
};

struct kv_event_record {
    uint64_t create_revision, mod_revision, version, lease;
    struct bytes value;
};

struct kv_event {
    uint64_t revision;
    uint32_t sub;
    bool put;      /* else the key was deleted */
    bool has_prev; /* asked for, there was one, and it is not compacted */
    struct bytes key;
    struct kv_event_record now; /* put */
    struct kv_event_record prev;
};

/* The next event; its spans are borrowed. 0; MS_EEND; MS_ECORRUPT, MS_EVERSION: then *in has not moved. */
int kv_event_next(struct bytes_reader *in, struct kv_event *out);

#endif
