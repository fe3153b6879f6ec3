/* kv_private.h: the inside of kv, shared by its files. */
#ifndef KV_KV_PRIVATE_H
#define KV_KV_PRIVATE_H

#include "kv/kv.h"
#include "kv/kv_answer.h"
#include "kv/kv_mem_tree.h"

/* ---- Keys of the engine (kv_key.c; docs/FORMATS.md). The first byte is the space; revisions stand
 * last, so that what rises all the time is added at the end of the map. */
#define KV_SPACE_LEASE 'L'
#define KV_SPACE_ATTACHED 'a'
#define KV_SPACE_CURRENT 'c'
#define KV_SPACE_HISTORY 'h'
#define KV_SPACE_META 'm'
#define KV_SPACE_REVS 'r'

/* Each clears out and writes one key into it. A refused allocation shows in out->failed. */
void kv_key_current(struct buf *out, struct bytes key);
void kv_key_history(struct buf *out, struct bytes key, uint64_t mod_revision);
void kv_key_rev(struct buf *out, uint64_t revision, uint32_t sub);
void kv_key_lease(struct buf *out, uint64_t id);
void kv_key_attached(struct buf *out, uint64_t id, struct bytes key);
/* Take keys apart. False: not a key of that space. key is appended to user_key, which is cleared. */
bool kv_key_history_decode(struct bytes in, struct buf *user_key, uint64_t *mod_revision);
bool kv_key_rev_decode(struct bytes in, uint64_t *revision, uint32_t *sub);
bool kv_key_lease_decode(struct bytes in, uint64_t *id);
/* The user key, borrowed. */
bool kv_key_attached_decode(struct bytes in, uint64_t id, struct bytes *user_key);

/* The range of etcd (ETCD.md section 2): a key alone, [key, range_end), or from key on. */
struct kv_range {
    struct bytes key, end;
    bool single, unbounded; /* end counts only if neither is set */
};
struct kv_range kv_range_of(struct bytes key, struct bytes range_end);
bool kv_range_holds(const struct kv_range *r, struct bytes key);

/* ---- Records (kv_record.c). */
struct kv_record {
    uint64_t create_revision, mod_revision, version, lease;
    struct bytes value;
};
/* A record that was superseded: at that revision the key was put again or deleted. */
struct kv_old_record {
    uint64_t superseded_revision;
    struct bytes encoded; /* the record as it stood in current */
    struct kv_record record;
};
enum kv_change_mark { KV_CHANGE_PUT = 1, KV_CHANGE_DELETE = 2 };
/* What stands at [revision, sub]. */
struct kv_change {
    enum kv_change_mark mark;
    uint64_t prev_mod_revision; /* of the record it superseded; 0: there was none */
    struct bytes key;
};

void kv_record_encode(struct buf *out, const struct kv_record *r);
void kv_old_record_encode(struct buf *out, uint64_t superseded_revision, struct bytes encoded);
void kv_change_encode(struct buf *out, const struct kv_change *c);
/* 0, MS_ECORRUPT, MS_EVERSION. Spans are borrowed. */
int kv_record_decode(struct bytes in, struct kv_record *out);
int kv_old_record_decode(struct bytes in, struct kv_old_record *out);
int kv_change_decode(struct bytes in, struct kv_change *out);
/* All but the id, which stands in the key. */
void kv_lease_encode(struct buf *out, const struct kv_lease *l);
int kv_lease_decode(struct bytes in, uint64_t id, struct kv_lease *out);

/* ---- At-most-once windows (kv_window.c). */
#define KV_WINDOW_WORDS (ORIGIN_WINDOW / 64u + 1u) /* low_seq may stand anywhere in its word */
#define KV_WINDOW_ENCODED_BYTES_MAX (33u + 8u * KV_WINDOW_WORDS)

struct kv_window {
    uint64_t member_id, added_index, incarnation;
    uint64_t low_seq;                /* everything below is settled */
    uint64_t high_seq;               /* the highest one applied; below low_seq: none in the window */
    uint64_t words[KV_WINDOW_WORDS]; /* bit seq % 64 of word seq / 64 % KV_WINDOW_WORDS: applied */
    struct kv_digest digest;         /* of the element it is now */
    bool dirty;                      /* differs from what the engine has */
};

/* S3. Accepts the proposal and notes it (0), or changes nothing: MS_EDUPLICATE. */
int kv_window_accept(struct kv_window *w, const struct entry_origin *origin);
bool kv_window_has(const struct kv_window *w, uint64_t seq);
/* Into a buffer of KV_WINDOW_ENCODED_BYTES_MAX; returns the length. One encoding for each window. */
size_t kv_window_encode(const struct kv_window *w, uint8_t *out);
int kv_window_decode(struct bytes in, struct kv_window *out); /* 0 or MS_ECORRUPT */

/* ---- Digest (kv_digest.c): sums over elements, S4. */
struct kv_digest kv_digest_of_record(struct bytes key, struct bytes encoded);
struct kv_digest kv_digest_of_window(const struct kv_window *w);
struct kv_digest kv_digest_of_binding(const struct kv_binding *b);
struct kv_digest kv_digest_of_lease(uint64_t id, struct bytes encoded);
struct kv_digest kv_digest_of_revisions(uint64_t revision, uint64_t compacted_revision);
/* encoded: config_encode()'s bytes. */
struct kv_digest kv_digest_of_config(uint64_t config_index, struct bytes encoded);
void kv_digest_add(struct kv_digest *sum, struct kv_digest element);
void kv_digest_sub(struct kv_digest *sum, struct kv_digest element);

/* ---- Metadata (kv_meta.c): all of the replicated state beside keys, cached in memory. */
struct kv_meta {
    uint64_t applied_index, applied_term;
    uint64_t revision, compacted_revision, config_index, key_count, lease_count;
    uint8_t cluster_uuid[MS_UUID_BYTES];
    struct config config;
    struct kv_binding bindings[MS_MEMBERS_MAX]; /* by member_id */
    struct kv_window windows[MS_MEMBERS_MAX];   /* by member_id */
    uint32_t binding_count, window_count;
    struct kv_digest digest;
};

#define KV_BINDING_ENCODED_BYTES (16u + MS_UUID_BYTES)
void kv_binding_encode(const struct kv_binding *b, uint8_t *out);
int kv_binding_decode(struct bytes in, struct kv_binding *out); /* 0 or MS_ECORRUPT */

/* The state of nothing: revision 1. MS_ENOMEM. */
int kv_meta_init(struct kv_meta *m, const struct ms_alloc *alloc);
/* Read what is committed in the engine; an empty engine is the state of nothing. MS_ECORRUPT,
 * MS_EVERSION, MS_ENOMEM, fatal errors. */
int kv_meta_load(struct kv_meta *m, struct engine *engine, const struct ms_alloc *alloc);
/* The digest of everything but current records and leases. MS_ENOMEM. */
int kv_meta_digest(const struct kv_meta *m, const struct ms_alloc *alloc, struct kv_digest *out);
struct kv_window *kv_meta_window(struct kv_meta *m, uint64_t member_id); /* or NULL */
/* Insert one; there is none of that member, and it is a member. */
struct kv_window *kv_meta_window_add(struct kv_meta *m, const struct kv_window *w);
struct kv_binding *kv_meta_binding(struct kv_meta *m, uint64_t member_id); /* or NULL */
void kv_meta_binding_add(struct kv_meta *m, const struct kv_binding *b);
bool kv_meta_is_member(const struct kv_meta *m, uint64_t member_id, uint64_t added_index);
void kv_meta_info(const struct kv_meta *m, struct kv_info *out);

struct kv;
/* Write to the engine, not committed yet. MS_ENOMEM, fatal errors. */
int kv_meta_put_state(struct kv *kv, const struct kv_meta *m);
int kv_meta_put_cluster(struct kv *kv, const struct kv_meta *m);
int kv_meta_put_binding(struct kv *kv, const struct kv_binding *b);
int kv_meta_put_window(struct kv *kv, const struct kv_window *w);
int kv_meta_put_lease_count(struct kv *kv, const struct kv_meta *m);
int kv_meta_remove_binding(struct kv *kv, uint64_t member_id);
int kv_meta_remove_window(struct kv *kv, uint64_t member_id);

/* ---- Bodies of chunks made smaller (kv_snap_codec.c). */
enum kv_codec_kind { KV_CODEC_NONE, KV_CODEC_ZSTD };
struct kv_snap_frame;
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;
struct kv_codec {
    const struct ms_alloc *alloc;
    struct ZSTD_CCtx_s *compressor;   /* NULL: not needed so far */
    struct ZSTD_DCtx_s *decompressor; /* likewise */
    struct buf body;
};
void kv_codec_init(struct kv_codec *c, const struct ms_alloc *alloc);
void kv_codec_fini(struct kv_codec *c); /* gives its memory back; it can be used again */
/* Make the body behind the frame of chunk smaller in place. Which enum kv_codec_kind it has now:
 * KV_CODEC_NONE where it would not get smaller, or is very large; MS_ENOMEM. */
int kv_codec_compress(struct kv_codec *c, struct buf *chunk);
/* The plain body of frame, which kv_snap_frame_decode() has given. Borrowed from frame or from c, until
 * the next call. MS_ECORRUPT, MS_ENOMEM. */
int kv_codec_plain(struct kv_codec *c, const struct kv_snap_frame *frame, struct bytes *out);

/* ---- The state machine. */
struct kv_snapshot;
struct kv_scan;
struct kv_load;
struct kv_check;

struct kv {
    uint32_t magic;
    int broken; /* a fatal status: apply failed half-way, memory and engine differ */
    struct engine *engine;
    const struct ms_alloc *alloc;
    const struct log_sink *log;
    struct kv_meta meta;
    struct buf key;    /* an engine key */
    struct buf old;    /* a record read from the engine */
    struct buf record; /* a record being made */
    struct buf aux;    /* other values being made */
    /* User keys changed since the last commit, which iterators do not see yet (E2): first noted,
     * borrowed from the entries; sorted in only when a range is read. */
    struct buf touched_notes; /* struct bytes */
    struct mem_tree touched;
    struct buf range_keys;    /* of kv_range_read() and kv_lease_keys() */
    struct buf lease;         /* a lease's record, read or being made */
    struct mem_tree attached; /* engine keys of what was attached since the last commit */
    bool lease_count_dirty;
    struct buf *lease_events; /* of the job; NULL: nobody asks */
    struct kv_check *check;
    struct kv_snapshot *snapshots[KV_SNAPSHOTS_MAX];
    struct kv_scan *scans[KV_RANGES_MAX]; /* ranges that are read in several jobs */
    size_t selected_bytes;                /* of what all ranges keep to sort it */
    uint32_t answer_keys;                 /* looked at for the answers of the job under way */
    struct kv_load *load;
    struct kv_codec codec; /* of the chunk that is being read or loaded */
};

#define KV_MAGIC 0x6b765331u

/* Current records (kv_store.c). get: into kv->old, which out borrows. MS_ENOTFOUND, MS_ECORRUPT,
 * MS_EVERSION, MS_ENOMEM, fatal errors. */
int kv_store_get(struct kv *kv, struct bytes key, struct kv_record *out);
/* The put op at [revision, sub]; the record it replaces moves to the history. MS_ENOTFOUND: it keeps
 * the value of a key that is absent. */
int kv_store_put(struct kv *kv, const struct kv_op *op, uint64_t revision, uint32_t sub);
/* The record of key moves to the history. MS_ENOTFOUND: nothing changed. */
int kv_store_delete(struct kv *kv, struct bytes key, uint64_t revision, uint32_t sub);

/* Ranges over what is current, changes that are not committed included (kv_range.c). */
#define KV_RANGE_BATCH 256u
/* Each change of a key must be told: note() borrows key until the commit, touch() copies it. MS_ENOMEM.
 */
int kv_range_note(struct kv *kv, struct bytes key);
int kv_range_touch(struct kv *kv, struct bytes key);
void kv_range_forget(struct kv *kv); /* all changes are committed */
/* The first KV_RANGE_BATCH keys of r above *after (NULL: from the start) into kv->range_keys: *count,
 * and from kv_range_next_key() in order. MS_ENOMEM, fatal errors. */
int kv_range_read(struct kv *kv, const struct kv_range *r, const struct bytes *after, uint32_t *count);
bool kv_range_next_key(struct bytes_reader *keys, struct bytes *out);
/* Look at the keys of r one by one, until visit says stop (1) or fails. visit may change the key it is
 * shown. 0, or what visit failed with; MS_ENOMEM, fatal errors. */
typedef int (*kv_visit_cb)(struct kv *kv, struct bytes key, void *arg);
int kv_range_each(struct kv *kv, const struct kv_range *r, kv_visit_cb visit, void *arg);

/* ---- The records of a range as they were committed at a revision (kv_walk.c). */
#define KV_WALK_RECORD 1
#define KV_WALK_NOTHING 2 /* the key had no record at the revision */
struct kv_walk {
    struct kv *kv;
    const struct engine_ops *ops;
    struct kv_range range;
    bool down;                             /* from the last key to the first */
    uint64_t revision;                     /* 0: what is current */
    struct engine_iter *current, *history; /* history NULL: revision 0 */
    struct buf history_key;                /* the key at the head of the history */
    bool used_current, used_history;       /* what was given stood there */
    uint32_t steps;                        /* work done so far */
};
/* view NULL: over what is committed now; then it is closed before the next put. r is borrowed. MS_ENOMEM. */
int kv_walk_open(struct kv_walk *w, struct kv *kv, struct engine_view *view, const struct kv_range *r,
                 bool down, uint64_t revision);
/* KV_WALK_RECORD, KV_WALK_NOTHING, 0: the end; MS_ECORRUPT, MS_EVERSION, MS_ENOMEM, fatal errors. key and
 * out are borrowed until the next call. Uses kv->key. */
int kv_walk_next(struct kv_walk *w, struct bytes *key, struct kv_record *out);
void kv_walk_close(struct kv_walk *w);

/* ---- Which of them are given, and in which order (kv_select.c). */
#define KV_SELECT_BYTES_MAX (16u << 20)        /* kept of one range to sort it; above it MS_ETOOBIG */
#define KV_SELECT_BYTES_IN_ALL_MAX (64u << 20) /* of all ranges at a time; above it MS_EBUSY */
struct kv_selected;
struct kv_select {
    struct kv *kv;
    uint64_t limit, mod_min, mod_max, create_min, create_max; /* as in struct kv_op */
    enum kv_sort_target target;
    bool descend, keys_only, count_only;
    bool sorted;             /* kept in heap until all were seen */
    bool draining;           /* all were seen */
    uint64_t count, matched; /* in the range; of these through the filters */
    struct kv_selected **heap;
    uint32_t len, cap;
    size_t bytes; /* of what the heap points to */
};
void kv_select_init(struct kv_select *s, struct kv *kv, const struct kv_op *op);
void kv_select_fini(struct kv_select *s);
/* One more record of the range. 1: it is to be given now, as out, which borrows; 0: it is not;
 * MS_ETOOBIG, MS_EBUSY, MS_ENOMEM. */
int kv_select_add(struct kv_select *s, struct bytes key, const struct kv_record *r,
                  struct kv_answer_item *out);
/* All were seen: what was kept comes by next() and drop(). */
void kv_select_drain(struct kv_select *s);
bool kv_select_next(struct kv_select *s, struct kv_answer_item *out); /* borrowed until drop() */
void kv_select_drop(struct kv_select *s);
void kv_select_end(const struct kv_select *s, struct kv_answer_item *out); /* the END of the answer */

/* Whether a range may ask for this revision (0: now). 0, MS_EFUTURE, MS_ECOMPACTED. */
int kv_range_revision(const struct kv *kv, uint64_t revision);
void kv_range_run(struct kv *kv, struct kv_job *job);
void kv_scan_close(struct kv *kv, struct kv_scan *s);

/* ---- Answers of transactions (kv_txn_answer.c). Making one changes nothing (S1), and what goes wrong with
 * it is its own affair: status. The functions return MS_ECORRUPT, MS_EVERSION and fatal errors alone. */
struct kv_txn_answer {
    struct kv *kv;
    struct buf *out;
    size_t begin;    /* where it stands in out */
    uint32_t looked; /* keys looked at for it */
    int status;      /* 0; MS_ETOOBIG, MS_ENOMEM: it has been given up, and out is as before */
};
void kv_txn_answer_init(struct kv_txn_answer *a, struct kv *kv, struct buf *out);
/* Append the BEGIN of an operation; returns where it stands. */
size_t kv_txn_answer_begin(struct kv_txn_answer *a, enum kv_op_kind op, uint32_t flags);
/* The record that key has now, if it has one. */
int kv_txn_answer_prev(struct kv_txn_answer *a, struct bytes key);
/* All between BEGIN and END of a range: *end is the latter. */
int kv_txn_answer_range(struct kv_txn_answer *a, const struct kv_op *op, struct kv_answer_item *end);
/* Append the END of what has begun at at, and write the revision into its BEGIN. */
void kv_txn_answer_end(struct kv_txn_answer *a, size_t at, uint64_t revision, uint32_t flags,
                       uint64_t count);
/* Whether a command asks for a range at a revision of its own. */
bool kv_txn_reads_the_past(struct bytes command);

/* Transactions (kv_txn.c). Returns MS_ENOMEM or fatal errors; else r->status says what became of it.
 * grant: NULL, or the lease that is granted if something of what runs hangs on it. answer NULL: nobody asks
 * for it. */
int kv_txn_apply(struct kv *kv, struct bytes command, const struct kv_lease *grant,
                 struct kv_txn_answer *answer, struct kv_result *r);
/* As kv_txn_apply(); its answer, if there are answers to append it to, is where r says (kv_apply.c). */
int kv_apply_command(struct kv *kv, struct bytes command, const struct kv_lease *grant, struct buf *answers,
                     struct kv_result *r);
/* Whether two operations of cmd that can both run write the same key, one of them a put (kv_check.c).
 * 0, MS_EDUPKEY, MS_ENOMEM. */
int kv_check_duplicates(struct kv *kv, const struct kv_cmd *cmd);

/* The changes of an entry take this revision. */
void kv_take_revision(struct kv *kv, uint64_t revision);

/* Leases (kv_lease.c). get: MS_ENOTFOUND, MS_ECORRUPT, MS_EVERSION, MS_ENOMEM, fatal errors. */
int kv_lease_get(struct kv *kv, uint64_t id, struct kv_lease *out);
int kv_lease_add(struct kv *kv, const struct kv_lease *l);
/* Of the lease that kv_lease_get() has read last, nothing else of leases having been done since. */
int kv_lease_set(struct kv *kv, const struct kv_lease *l);
int kv_lease_remove(struct kv *kv, uint64_t id); /* no key hangs on it */
/* The record of key names that lease from now on, or does not any more (S6). id 0: nothing to do. */
int kv_lease_attach(struct kv *kv, uint64_t id, struct bytes key);
int kv_lease_detach(struct kv *kv, uint64_t id, struct bytes key);
/* Whether a put may name it. 0, MS_ENOLEASE, MS_ELEASEFULL; else as get. */
int kv_lease_plan(struct kv *kv, const struct kv_op *put);
void kv_lease_forget(struct kv *kv); /* all changes are committed */
/* The first KV_RANGE_BATCH keys attached to id above *after (NULL: from the start), changes that are not
 * committed included: as kv_range_read (kv_lease_keys.c). */
int kv_lease_keys(struct kv *kv, uint64_t id, const struct bytes *after, uint32_t *count);
void kv_lease_run_list(struct kv *kv, struct kv_job *job);
void kv_lease_run_one(struct kv *kv, struct kv_job *job);
/* Entries (kv_lease_apply.c). As kv_txn_apply. answers: of the transaction that goes with a grant, as for
 * kv_apply_command(). */
int kv_lease_apply_grant(struct kv *kv, struct bytes body, uint64_t index, struct buf *answers,
                         struct kv_result *r);
int kv_lease_apply_renew(struct kv *kv, struct bytes body, uint64_t index, struct kv_result *r);
int kv_lease_apply_revoke(struct kv *kv, struct bytes body, const struct entry_ref *ref,
                          struct kv_result *r);
int kv_lease_apply_marks(struct kv *kv, struct bytes body, uint64_t index, struct kv_result *r);

/* Compaction (kv_compact.c). As kv_txn_apply. */
int kv_compact_apply(struct kv *kv, uint64_t revision, struct kv_result *r);

void kv_apply_run(struct kv *kv, struct kv_job *job);
void kv_changes_run(struct kv *kv, struct kv_job *job);
void kv_snap_open(struct kv *kv, struct kv_job *job);
void kv_snap_read(struct kv *kv, struct kv_job *job);
void kv_snap_close(struct kv *kv, struct kv_snapshot *s);
void kv_load_begin(struct kv *kv, struct kv_job *job);
void kv_load_chunk(struct kv *kv, struct kv_job *job);
void kv_load_end(struct kv *kv, struct kv_job *job);
int kv_load_abandon(struct kv *kv); /* nothing under way is fine */
/* Give back what only snapshots need, if none is open or being loaded. */
void kv_snap_rest(struct kv *kv);

/* Fill in job->info, if there is one, with what is now. */
void kv_job_info(const struct kv *kv, struct kv_job *job);
/* A failure in the middle of a change: memory and engine may differ, so it ends the member. Logs;
 * returns a status at or below MS_EFATAL and remembers it. */
int kv_break(struct kv *kv, int status, const char *what);

/* ---- Chunks of a snapshot (kv_snap_frame.c). */
#define KV_SNAP_FIRST 1u
#define KV_SNAP_LAST 2u
enum kv_snap_item {
    KV_ITEM_HEADER = 1,
    KV_ITEM_BINDING,
    KV_ITEM_WINDOW,
    KV_ITEM_REVISIONS,
    KV_ITEM_CURRENT,
    KV_ITEM_HISTORY,
    KV_ITEM_CHANGE,
    KV_ITEM_TRAILER,
    KV_ITEM_LEASE /* between REVISIONS and CURRENT */
};
/* Where an item stands in the stream: the kinds rise by this. */
uint8_t kv_snap_item_rank(uint8_t type);
struct kv_snap_frame {
    uint8_t flags;
    enum kv_codec_kind codec;
    uint32_t seq, crc;
    uint32_t plain_bytes; /* of the body without its codec */
    struct bytes body;
};
/* Fill the first KV_SNAP_FRAME_BYTES of chunk, behind which its body stands, with the flags, codec, seq
 * and plain_bytes of f. previous_crc: of the chunk before, 0 for the first. Returns its crc. */
uint32_t kv_snap_frame_write(struct buf *chunk, const struct kv_snap_frame *f, uint32_t previous_crc);
/* MS_ESHORT, MS_ECORRUPT, MS_EVERSION. chunk may be longer than the one chunk. */
int kv_snap_frame_decode(struct bytes chunk, uint32_t previous_crc, struct kv_snap_frame *out);
/* Next item of a body. 0; MS_EEND; MS_ECORRUPT. */
int kv_snap_item_next(struct bytes_reader *body, uint8_t *type, struct bytes *out);
void kv_snap_header_encode(struct buf *out, const struct kv_meta *m);
int kv_snap_header_item_decode(struct bytes in, struct kv_snap_header *out);

#endif
