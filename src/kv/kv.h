/* kv.h: the replicated state machine, written once above engine.h (DESIGN 6).
 *
 * Its face is asynchronous by jobs: the node fills a job, its host runs it with kv_run() on the thread
 * where the engine lives (the loop for memory, but for long jobs; the engine thread for RocksDB), and hands
 * it back. One job at a time, in order of submission.
 *
 *   S1  apply(state, entry) is a pure function: equal on every member, engine and restart. No clock, no
 *       option, no local failure decides a result (DESIGN 2.9)
 *   S2  entries are applied in order of index, each exactly once; data, applied index and all replicated
 *       metadata of an entry reach the engine in one commit (DESIGN 2.10)
 *   S3  a proposal with an origin is applied at most once: rejected if its origin is not a member under
 *       its added_index, is of an older incarnation, lies below the window, or was applied before
 *   S4  the digest is a function of current records, leases, configuration, bindings, windows, current
 *       and compacted revision; a scan gives the same value as the incremental one
 *   S5  revision 1 is the empty store; a transaction that changes something takes the next one; so does
 *       the end of a lease that deletes keys, one for all of them
 *   S6  a key's lease is one that exists, and is attached to that one alone: what a put attaches, the next
 *       put, a delete, or the end of the lease detaches */
#ifndef KV_KV_H
#define KV_KV_H

#include "env/alloc.h"
#include "env/log.h"
#include "format/config.h"
#include "format/entry.h"
#include "kv/engine.h"
#include "kv/kv_answer.h"
#include "kv/kv_changes.h"
#include "kv/kv_cmd.h"

struct kv; /* opaque; kv_private.h */

#define KV_SNAPSHOTS_MAX 8u

/* Ranges that are longer than a slice, at a time. */
#define KV_RANGES_MAX 32u
/* A slice of a range ends when it has looked at so many keys (those with a history count more), or has given
 * so many bytes and the record that went beyond them: a millisecond or two. */
#define KV_RANGE_SLICE_STEPS 4096u
#define KV_RANGE_SLICE_BYTES (64u << 10)
#define KV_RANGE_ANSWER_BYTES_MAX                                                                      \
    (KV_RANGE_SLICE_BYTES + KV_ANSWER_ITEM_BYTES_MAX + KV_ANSWER_BEGIN_BYTES + KV_ANSWER_END_BYTES)

/* The answer of a transaction, and the keys that may be looked at to make it: beyond either it is too large. */
#define KV_ANSWER_BYTES_MAX (8u << 20)
#define KV_ANSWER_KEYS_MAX 65536u
/* A job ends behind an entry with which its answers are larger, or more keys were looked at. */
#define KV_APPLY_ANSWERS_BYTES (1u << 20)
#define KV_APPLY_ANSWERS_KEYS KV_ANSWER_KEYS_MAX
#define KV_APPLY_ANSWERS_BYTES_MAX (KV_APPLY_ANSWERS_BYTES + KV_ANSWER_BYTES_MAX)

struct kv_digest {
    uint64_t hi, lo; /* sums modulo 2^64 of the halves of XXH3-128 over each element */
};
bool kv_digest_equal(struct kv_digest a, struct kv_digest b);

struct kv_binding {
    uint64_t member_id, added_index;
    uint8_t nonce[MS_UUID_BYTES];
};

/* What the node wants to know of the state beside keys; small, copied. */
struct kv_info {
    uint64_t applied_index, applied_term;
    uint64_t revision, compacted_revision;
    uint64_t config_index;
    struct config config;
    uint8_t cluster_uuid[MS_UUID_BYTES]; /* zero: nothing applied yet */
    struct kv_binding bindings[MS_MEMBERS_MAX];
    uint32_t binding_count;
    struct kv_digest digest;
    uint64_t key_count, lease_count;
};

/* A lease, as the state has it. Time runs outside (node/node_lease.c); here is what it is counted from. */
struct kv_lease {
    uint64_t id, ttl_ms;
    uint64_t remaining_ms;  /* ttl_ms, until a leader has written down that less is left */
    uint64_t renewed_index; /* of the entry that granted or renewed it last: the fence of an expiry */
    uint64_t key_count;     /* attached */
};

/* What an entry did to a lease, in the order of applying; for who times them and answers clients. */
enum kv_lease_event_kind {
    KV_LEASE_GRANTED = 1,
    KV_LEASE_RENEWED,
    KV_LEASE_UNKNOWN, /* of a renewal: there is no such lease. There is one event for each of its ids */
    KV_LEASE_MARKED,  /* its remaining time was written down */
    KV_LEASE_REVOKED
};
struct kv_lease_event {
    uint64_t index, id; /* of the entry; of the lease */
    uint64_t ms;        /* GRANTED, RENEWED: of its ttl; MARKED: that remain */
    enum kv_lease_event_kind kind;
};

/* engine: given, closed by kv_destroy. Reads what the engine holds (a durable engine after a restart).
 * MS_EVERSION, MS_ECORRUPT, MS_ENOMEM, fatal errors; then the engine stays the caller's. */
int kv_create(struct kv **out, struct engine *engine, const struct ms_alloc *alloc,
              const struct log_sink *log);
void kv_destroy(struct kv *kv);
/* Only while no job is under way. */
void kv_info(const struct kv *kv, struct kv_info *out);
void kv_engine_stats(const struct kv *kv, struct engine_stats *out); /* on the engine's thread */

enum kv_job_kind {
    KV_JOB_APPLY = 1,
    KV_JOB_READ,
    KV_JOB_RANGE, /* the next slice of a range */
    KV_JOB_RANGE_CLOSE,
    KV_JOB_LEASES,    /* those with an id above lease */
    KV_JOB_LEASE,     /* one, and its keys */
    KV_JOB_SNAP_OPEN, /* a view of the state as it is now; MS_EBUSY: KV_SNAPSHOTS_MAX are open */
    KV_JOB_SNAP_READ, /* its next chunk; after an error it can only be closed */
    KV_JOB_SNAP_CLOSE,
    KV_JOB_LOAD_BEGIN, /* install: chunks in order, then end; MS_EBUSY: one is under way. An APPLY in
                          between gives it up: then CHUNK and END answer MS_ECONFLICT */
    KV_JOB_LOAD_CHUNK,
    KV_JOB_LOAD_END,
    KV_JOB_PERSIST, /* a durable engine makes its state durable -> info.applied_index is durable */
    KV_JOB_CHANGES  /* what changed from a revision on, as much as one job may be (kv_changes.h);
                          MS_ECOMPACTED: some of it is compacted */
};

/* A state taken over by a new cluster, whose only member it names (KV_JOB_LOAD_BEGIN). Keys stay, with
 * their values, versions and revisions. Of the old cluster nothing else does: configuration and settings,
 * bindings and windows. History goes as well: revision and compacted revision both become the old revision
 * + bump. So what the new cluster writes has revisions that the old one never gave out, and who asks for
 * what came behind one of the old ones hears that it was compacted, and misses nothing in silence. Leases
 * stay, as keys hang on them, each with all of its time before it. */
struct kv_refound {
    uint8_t cluster_uuid[MS_UUID_BYTES];
    uint64_t member_id;
    uint8_t nonce[MS_UUID_BYTES]; /* of its data directory: it is attached */
    char url[MS_URL_BYTES_MAX + 1];
    uint64_t revision_bump; /* the sum is at most KV_REVISION_MAX, or LOAD_END gives MS_ETOOBIG */
};
#define KV_REVISION_MAX (UINT64_MAX >> 1)

/* What applying one entry gave. */
struct kv_result {
    uint64_t index;
    int status; /* 0; MS_EDUPLICATE (S3). TXN that is refused: MS_EDUPKEY; MS_ENOTFOUND (it keeps the value
                   or lease of a key that is absent); MS_EFUTURE, MS_ECOMPACTED (a range); MS_EINVAL (what it
                   is made of). COMPACT: MS_EFUTURE, MS_ECOMPACTED, MS_EINVAL. Of leases: MS_ENOLEASE (also of
                   a transaction: a put names it), MS_EEXIST, MS_EBUSY (MS_LEASES_MAX exist), MS_ELEASEFULL
                   (MS_LEASE_KEYS_MAX hang on it), MS_ECONFLICT (an expiry that is fenced off) */
    bool succeeded;          /* TXN: the compares held */
    bool changed;            /* a revision was taken, or configuration or bindings changed */
    uint64_t revision;       /* the store's after it */
    uint64_t deleted;        /* keys */
    uint64_t lease;          /* LEASE_GRANT: its id; 0: nothing that its transaction did hangs on it */
    uint64_t key_count, lease_count; /* the store's after it */
    struct kv_digest digest; /* after it */
    /* TXN that was asked for, or one that goes with a LEASE_GRANT, status 0: where in job->answers its answer stands (kv_answer.h), or why there is
     * none: MS_ETOOBIG, MS_ENOMEM. What it did is done all the same. */
    int answer_status;
    size_t answer_at, answer_bytes;
};

#define KV_APPLY_ENTRIES_MAX 512u

struct kv_job {
    enum kv_job_kind kind;
    uint64_t token; /* the submitter's */
    void *owner;    /* likewise */
    int status;     /* 0 or an error; at or below MS_EFATAL the member stops. Set by kv_run(). An APPLY
                       that fails is always fatal, out of memory too (MS_EFATAL) */

    /* APPLY: consecutive entries; references are the submitter's. */
    struct entry_ref **entries;
    struct kv_result *results; /* room for count, the submitter's */
    uint32_t count;     /* 1 to KV_APPLY_ENTRIES_MAX. Comes back smaller if the answers have become
                                  too many: the entries behind wait for another job */
    const bool *asked;  /* NULL, or for each entry: its answer is asked for */
    struct buf answers; /* with asked: the caller inits it, KV_APPLY_ANSWERS_BYTES_MAX */
    struct buf *lease_events; /* NULL, or struct kv_lease_event are appended. The submitter's */
    bool info_changed; /* configuration, bindings, cluster or compacted revision: info is filled in */

    /* READ: linearizable once the caller has waited for the read index; one key. */
    struct bytes key; /* borrowed until the job is back */
    struct buf value; /* the caller inits it; status MS_ENOTFOUND: absent */
    uint64_t create_revision, mod_revision, version, lease;
    uint64_t revision; /* the store's */

    /* LEASES: struct kv_lease into value, at most limit, those above the id lease, in order of id; last:
     * there are no more. LEASE: the one of the id lease into the_lease, MS_ENOTFOUND; its keys above key (empty:
     * all) into value, each a length u32 and as many bytes, in order; it ends behind the first one that
     * reaches limit bytes; last: there are no more. */
    struct kv_lease the_lease;
    uint64_t limit;
    /* RANGE. scan NULL: begins; then the job sets it, and it stands for the rest, until last or an error: then
     * it is NULL again. RANGE_CLOSE gives up the rest. All slices are of one moment.
     * status: 0; MS_EINVAL; MS_EFUTURE; MS_ECOMPACTED; MS_ETOOBIG (more to sort than can be kept); MS_EBUSY
     * (KV_RANGES_MAX are under way); MS_ENOMEM. */
    const struct kv_op *range; /* borrowed while it begins */
    size_t slice_bytes;        /* a slice ends with the record that goes beyond; 0: KV_RANGE_SLICE_BYTES */
    void *scan;
    struct buf answer; /* the caller inits it, KV_RANGE_ANSWER_BYTES_MAX, and empties it: appended to */
    uint64_t compacted_revision; /* with revision: when it began */

    /* SNAP_*, LOAD_*. Chunks are bytes to be stored or sent as they are; kv checks them when loading. */
    void *snapshot;         /* OPEN sets it, READ and CLOSE take it */
    uint64_t content_bytes; /* OPEN sets it: about how large the state is */
    size_t chunk_bytes_max; /* READ: one item apart, chunks are no longer; 0: SNAP_CHUNK_BYTES_MAX */
    size_t plain_bytes;     /* READ, LOAD_CHUNK: of the chunk, had it no codec */
    struct buf chunk;       /* READ fills it, LOAD_CHUNK reads it */
    bool last;              /* READ, RANGE: this was the last one. LOAD_END: keep (false: give up) */
    /* LOAD_BEGIN: NULL, or whose it becomes; borrowed until LOAD_END. MS_EINVAL there: it was nobody's, the
     * state of no cluster. */
    const struct kv_refound *refound;

    /* CHANGES. Events are appended to chunk, which the submitter inits with KV_CHANGES_BUF_BYTES_MAX. */
    struct kv_changes changes;

    /* The submitter's, filled in. OPEN: of the view. APPLY: if info_changed. LOAD_END, PERSIST: of now.
     * NULL for READ, RANGE, CHANGES, SNAP_READ, SNAP_CLOSE, LOAD_BEGIN, LOAD_CHUNK. */
    struct kv_info *info;
};

/* Do the job, on the engine's thread. */
void kv_run(struct kv *kv, struct kv_job *job);
/* Whether nothing but the size of the state bounds how long it takes (a range is deleted, a lease with its
 * keys ends, much history is compacted): a host whose loop does jobs by itself gives such a one to a thread. It is
 * as short as others if there is not much to do. On the engine's thread, no job running. */
bool kv_job_is_long(struct kv *kv, const struct kv_job *job);

/* Recompute the digest by a scan (S4), for tests and the simulator. */
int kv_digest_by_scan(struct kv *kv, struct kv_digest *out);
/* Whether the origin's proposal seq was applied; for checkers. False also if that is not known any more:
 * the proposal is settled (below the origin's low_seq), of an earlier incarnation, or the origin gone. */
bool kv_origin_applied(const struct kv *kv, uint64_t member_id, uint64_t incarnation, uint64_t seq);

/* The header of a snapshot's first chunk, without loading it: for choosing among files. alloc: for the
 * length of the call. MS_ESHORT, MS_ECORRUPT, MS_EVERSION, MS_ENOMEM. */
struct kv_snap_header {
    uint64_t index, term, config_index;
    uint8_t cluster_uuid[MS_UUID_BYTES];
    struct config config;
};
int kv_snap_header_decode(struct bytes first_chunk, const struct ms_alloc *alloc,
                          struct kv_snap_header *out);
/* Each chunk begins with a fixed frame, so that a file of chunks can be cut again:
 * returns the whole length of the chunk at b, 0 if b is too short to tell, or MS_ECORRUPT. */
int64_t kv_snap_chunk_bytes(struct bytes b);
#define KV_SNAP_FRAME_BYTES 24u

#endif
