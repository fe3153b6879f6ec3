/* metastore.h: a MetaStore replica inside your process. C11, and C++.
 *
 * A member owns a loop thread of its own, its log writers and an engine thread. There is no
 * global state; several members may live in one process. Callbacks come only from ms_poll(), on the
 * thread that calls it; ms_fd() becomes readable when ms_poll() has something to do. Blocking forms
 * (ms_*_wait) may be called from any thread, but not from inside a callback.
 *
 * Words: *borrowed* stays yours; *given* is ours on success; *owned* is yours, freed with the call named.
 * Errors: negative codes of errors.h; ms_strerror() says them in words. */
#ifndef METASTORE_METASTORE_H
#define METASTORE_METASTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metastore/errors.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MS_API __attribute__((visibility("default")))
#else
#define MS_API
#endif

struct ms_member; /* one replica; opaque */

/* Bytes that may hold anything, NUL included. */
struct ms_bytes {
    const void *data;
    size_t len;
};

enum ms_storage { MS_STORAGE_MEMORY = 1, MS_STORAGE_ROCKSDB = 2 };
enum ms_log_level { MS_LOG_DEBUG, MS_LOG_INFO, MS_LOG_WARN, MS_LOG_ERROR };

/* How a member is started. Fill with ms_options_init(), then change what you need. Strings are borrowed
 * until ms_open() returns. */
enum ms_log_format {
    MS_LOG_TEXT, /* 2026-01-02T03:04:05.678Z INFO  what there is to say */
    MS_LOG_JSON  /* {"time": "2026-01-02T03:04:05.678Z", "level": "info", "message": "..."} */
};

struct ms_options {
    size_t struct_bytes;     /* set by ms_options_init(): tells versions of this struct apart */
    uint64_t id;             /* 1 and up (1) */
    const char *cluster;     /* comma-separated peer URLs, each also as id=url (http://127.0.0.1:9021) */
    bool join;               /* join an existing cluster (false) */
    enum ms_storage storage; /* (memory) */
    const char *data_dir;    /* below it lie the directories of the README ("." ) */
    bool http;               /* serve the HTTP API (true) */
    uint16_t http_port;      /* (9121) */
    const char *listen;      /* NULL: loopback and the host of the own peer URL; else comma-separated
                                addresses, each with an optional :port */
    const char *listen_peer; /* NULL: host and port of the own peer URL; else address:port */
    uint32_t heartbeat_ms;   /* (100) */
    uint32_t election_ms;    /* least election timeout; drawn from [it, twice it) (1000) */
    uint32_t request_ms;     /* longest wait of a request (5000) */
    size_t request_bytes_max; /* largest request (1572864) */
    size_t key_bytes_max;    /* (65536) */
    size_t value_bytes_max;  /* (1572864) */
    uint32_t clients_max;    /* HTTP connections (10000); fewer where the process may not open so many files */
    uint64_t snapshot_log_bytes; /* a snapshot when the log since the last one is larger (67108864) */
    uint64_t wal_segment_bytes;  /* (16777216) */
    uint64_t revisions_kept;     /* older ones are compacted automatically (10000); 0: all are kept */
    enum ms_log_level log_level; /* (info) */
    /* NULL: standard error. Called from the member's threads. line is borrowed, without newline. */
    void (*log)(void *arg, enum ms_log_level level, const char *line);
    void *log_arg;
    uint32_t disk_stall_ms; /* a leader whose log takes longer for one write hands the leadership over,
                               while its heartbeats still flow; 0: twice election_ms (0) */
    uint64_t snapshot_bytes_per_s; /* sent to peers, all together (67108864); 0: as fast as it goes */
    uint64_t min_free_bytes; /* with less free on the disk the member takes no entries that others can
                                keep; at least wal_segment_bytes; 0: twice that, or an eighth of a
                                disk so small that this is less, but once that (0) */
    uint32_t watches_max;    /* watches at a time (100000) */
    uint32_t watch_beat_ms;  /* on a watch over HTTP something is sent at least so often (15000) */
    uint32_t digest_ms; /* members compare the digests of their states so often, where there was something
                           to apply; one that differs from a majority stops with MS_EDIVERGED, and its next
                           ms_open() builds its state anew (10000); 0: never */
    uint32_t requests_max;  /* requests under way at a time (16384) */
    uint32_t client_ms;     /* a client in the middle of a request, or that does not read, has to move 16 KiB in each
                               so long, or to finish (30000) */
    uint64_t client_queue_bytes_max; /* answers that wait for one client to read them, before one more is added
                                        (8388608) */
    uint64_t clients_bytes_max; /* what connections hold in all: requests that are not whole, answers that are not
                                   read; above it who holds more than 16 KiB is cut off (268435456) */
    enum ms_log_format log_format;  /* of lines to standard error (text) */
};

MS_API void ms_options_init(struct ms_options *options);

/* Open the data, recover, bind the listeners, start. Blocks until the member serves or has failed.
 * why       receives one line that says what is wrong and where; at least MS_WHY_BYTES.
 * Returns 0 and *out owned (ms_close), or MS_EINVAL (an option), MS_EADDR (a listener), MS_ELOCKED (the
 * directory), MS_EFOREIGN (data of another engine, member or cluster), MS_EACCES, MS_ENOTFOUND (./data is
 * absent), MS_ECORRUPT, MS_ELOSTDATA, MS_EREMOVED (it was removed from its cluster), MS_ENOMEM, MS_EIO. */
#define MS_WHY_BYTES 512
MS_API int ms_open(struct ms_member **out, const struct ms_options *options, char why[MS_WHY_BYTES]);

/* Stop politely: finish what was accepted, close connections, flush. Blocks, bounded by request_ms and
 * a little. Callbacks that did not run yet never will. Frees the member. */
MS_API void ms_close(struct ms_member *member);

/* A file descriptor that is readable when ms_poll() has something to do. It stays ours. */
MS_API int ms_fd(const struct ms_member *member);
/* Run what callbacks are due, without blocking. Returns how many ran; MS_EREMOVED once the member was
 * removed and has stopped by itself, another error at or below MS_EFATAL once it has stopped for that
 * reason (ms_stop_reason says it in words). One thread at a time. */
MS_API int ms_poll(struct ms_member *member);
/* One line, valid until ms_close(); NULL while the member runs. */
MS_API const char *ms_stop_reason(const struct ms_member *member);

/* Set key to value.
 * key, value  borrowed; copied before this returns.
 * cb    runs exactly once, from ms_poll(): status 0 and the revision; MS_EUNKNOWN if the write may or may
 *       not be applied; anything else: it was not and never will be.
 * Returns 0 if accepted, or MS_EINVAL (an empty key), MS_EBUSY, MS_ETOOBIG, MS_ENOMEM, MS_ESTOPPED: then cb never
 * runs. Any thread.
 * MS_ENOSPC: no quorum of the members has room on its disks; later there may be some. */
typedef void (*ms_put_cb)(void *arg, int status, uint64_t revision);
MS_API int ms_put(struct ms_member *member, struct ms_bytes key, struct ms_bytes value, ms_put_cb cb,
                  void *arg);
/* As ms_put(). Blocks. revision may be NULL. */
MS_API int ms_put_wait(struct ms_member *member, struct ms_bytes key, struct ms_bytes value,
                       uint64_t *revision);

/* Delete key; an absent one too is 0. As ms_put(). */
MS_API int ms_delete(struct ms_member *member, struct ms_bytes key, ms_put_cb cb, void *arg);
MS_API int ms_delete_wait(struct ms_member *member, struct ms_bytes key, uint64_t *revision);

/* Read key, linearizably. cb: status 0 and the value, borrowed during the call; MS_ENOTFOUND;
 * MS_ENOLEADER, MS_ETIMEOUT if it could not be confirmed in time. Returns as ms_put(). */
typedef void (*ms_get_cb)(void *arg, int status, struct ms_bytes value, uint64_t mod_revision);
MS_API int ms_get(struct ms_member *member, struct ms_bytes key, ms_get_cb cb, void *arg);
/* *value is owned, freed with ms_value_free(); empty where there is none. mod_revision may be NULL. */
MS_API int ms_get_wait(struct ms_member *member, struct ms_bytes key, struct ms_bytes *value,
                       uint64_t *mod_revision);
MS_API void ms_value_free(struct ms_bytes value);

struct ms_record {
    uint64_t create_revision, mod_revision, version, lease;
    struct ms_bytes value;
};

/* Ranges: all keys from one to another, as they are, or as they were at a revision that is not compacted. */
enum ms_sort { MS_SORT_KEY, MS_SORT_VERSION, MS_SORT_CREATE, MS_SORT_MOD, MS_SORT_VALUE };
/* Fill with ms_range_options_init(), then change what you need. Borrowed during the call. */
struct ms_range_options {
    size_t struct_bytes;
    struct ms_bytes key;
    struct ms_bytes range_end; /* empty: the one key; else all from key to below it; one NUL: all from key on */
    bool prefix;               /* all keys that begin with key, which may be empty; range_end does not count */
    uint64_t limit;            /* 0: none */
    uint64_t revision;         /* 0: now */
    enum ms_sort sort;         /* before the limit. What is equal stands by key. By another than the key it is held
                                  in memory, or as much of it as the limit says: MS_ETOOBIG above 16 MiB */
    bool descend, keys_only, count_only;
    bool stale; /* the state of this member, at once and without the others */
    uint64_t mod_min, mod_max, create_min, create_max; /* 0: no bound */
    size_t bytes_max; /* of the answer; above it MS_ETOOBIG. 64 MiB */
};
MS_API void ms_range_options_init(struct ms_range_options *options);

struct ms_kv {
    struct ms_bytes key;
    struct ms_record record; /* keys_only: its value is empty */
};
struct ms_range_result {
    uint64_t revision;           /* the store's, when it was read; all of it is of that moment */
    uint64_t compacted_revision; /* MS_ECOMPACTED: the first one that can be read */
    uint64_t count;              /* keys in the range, whatever the limit and the bounds */
    bool more;                   /* the limit has cut */
    size_t kv_count;
    struct ms_kv *kvs;
};
/* Runs exactly once, from ms_poll(). status 0; MS_ECOMPACTED, MS_EFUTURE (the revision); MS_ETOOBIG; MS_EBUSY (too
 * many long ones at a time); MS_ENOLEADER, MS_ETIMEOUT if it could not be confirmed in time. result is borrowed
 * during the call. */
typedef void (*ms_range_cb)(void *arg, int status, const struct ms_range_result *result);

/* Read a range, linearizably.
 * Returns 0 if accepted, or MS_EINVAL, MS_ETOOBIG (a key), MS_EBUSY, MS_ENOMEM, MS_ESTOPPED: then cb never runs.
 * Any thread. */
MS_API int ms_range(struct ms_member *member, const struct ms_range_options *options, ms_range_cb cb, void *arg);
/* As ms_range(). Blocks. *out is owned, freed with ms_range_free(). */
MS_API int ms_range_wait(struct ms_member *member, const struct ms_range_options *options,
                         struct ms_range_result *out);
MS_API void ms_range_free(struct ms_range_result *result);

/* Transactions: compares, and what is done if all of them hold, or else; in one step, at one revision. A field that
 * is left zero asks for nothing. Everything below is borrowed during the call. */
enum ms_compare_target {
    MS_COMPARE_VERSION,
    MS_COMPARE_CREATE,
    MS_COMPARE_MOD,
    MS_COMPARE_VALUE,
    MS_COMPARE_LEASE
};
enum ms_compare_order {
    MS_COMPARE_EQUAL,
    MS_COMPARE_GREATER,
    MS_COMPARE_LESS,
    MS_COMPARE_NOT_EQUAL
};
/* What a key has, is compared with what stands here: EQUAL, GREATER, LESS, NOT_EQUAL to it. A key that is not there
 * has 0 for its numbers, and no value for which a compare would hold. */
struct ms_compare {
    enum ms_compare_target target;
    enum ms_compare_order order;
    struct ms_bytes key, range_end; /* as in struct ms_range_options. Of several keys it has to hold for each */
    bool prefix;                    /* likewise */
    uint64_t number;                /* all targets but VALUE */
    struct ms_bytes value;          /* VALUE */
};

enum ms_op_kind { MS_OP_PUT = 1, MS_OP_DELETE, MS_OP_RANGE, MS_OP_TXN };
struct ms_transaction;
struct ms_op {
    enum ms_op_kind kind;
    struct ms_bytes key, range_end; /* PUT: no range_end; DELETE: as in struct ms_range_options */
    bool prefix;                    /* DELETE: likewise */
    bool prev_kv;                   /* PUT, DELETE: the result has what was there before */
    struct ms_bytes value;          /* PUT */
    uint64_t lease;                 /* PUT: the key hangs on it from now on; 0: on none */
    bool ignore_value, ignore_lease;      /* PUT: the key, which has to exist, keeps the one it has */
    const struct ms_range_options *range; /* RANGE; its stale and bytes_max do not count */
    const struct ms_transaction *txn;     /* TXN: one inside, at most 4 deep; its compares are made before anything
                                             is done */
};
/* At most 1024 operations, and as many compares, those of transactions inside included. No key may be written twice
 * by what can run together, if one of the writes is a put. */
struct ms_transaction {
    const struct ms_compare *compares; /* none: they hold */
    const struct ms_op *then_ops, *else_ops;
    size_t compare_count, then_count, else_count;
};

/* What one operation found. */
struct ms_op_result {
    enum ms_op_kind kind;
    uint64_t revision; /* the store's when it was done: after the first write the one of this transaction */
    uint64_t count;    /* DELETE: keys that were deleted; RANGE: keys in it, whatever the limit and the bounds */
    bool more;         /* RANGE: the limit has cut */
    size_t kv_count;   /* RANGE: what it found; PUT, DELETE with prev_kv: what was there */
    struct ms_kv *kvs;
    bool succeeded; /* TXN: its compares held */
    size_t result_count; /* TXN: of its operations that ran, in their order */
    struct ms_op_result *results;
};
struct ms_txn_result {
    bool succeeded;    /* the compares held: then_ops were done, else else_ops */
    uint64_t revision; /* the store's after it: its own, if it changed something */
    uint64_t compacted_revision; /* MS_ECOMPACTED: the first one that can be read */
    bool untold; /* it is done, and what it found is more than can be told (8 MiB of keys and values, 65536 keys looked
                    at), or there was no memory for it: there are no results */
    size_t result_count; /* of the operations that ran, in their order */
    struct ms_op_result *results;
};
/* Runs exactly once, from ms_poll(). status 0: it was done, and result, borrowed during the call, says which way;
 * MS_EUNKNOWN: nobody knows. Anything else: nothing was done and never will be: MS_EDUPKEY (a key is written twice),
 * MS_ENOTFOUND (a put keeps the value or the lease of a key that does not exist), MS_ENOLEASE, MS_ELEASEFULL,
 * MS_ECOMPACTED, MS_EFUTURE (of a range), MS_ENOLEADER, MS_ENOSPC, MS_EBUSY. */
typedef void (*ms_txn_cb)(void *arg, int status, const struct ms_txn_result *result);

/* Do a transaction.
 * txn     borrowed, with all that it points to; copied before this returns.
 * Returns 0 if accepted, or MS_EINVAL (an empty key, a field that does not go with the kind), MS_ETOOBIG, MS_EBUSY,
 * MS_ENOMEM, MS_ESTOPPED: then cb never runs. Any thread. */
MS_API int ms_txn(struct ms_member *member, const struct ms_transaction *txn, ms_txn_cb cb, void *arg);
/* As ms_txn(). Blocks; returns the status, or why it was not accepted. *out is owned, freed with ms_txn_free(). */
MS_API int ms_txn_wait(struct ms_member *member, const struct ms_transaction *txn,
                       struct ms_txn_result *out);
MS_API void ms_txn_free(struct ms_txn_result *result);

/* Watches: what changes in a key, or a range of keys, told as this member applies it. That needs no leader; a
 * member that is behind tells later, and never anything else. */
struct ms_watcher; /* opaque */

enum ms_watch_kind {
    MS_WATCH_PUT = 1,
    MS_WATCH_DELETE,
    MS_WATCH_PROGRESS, /* asked for with ms_watch_progress() */
    MS_WATCH_END       /* nothing more comes */
};
/* Borrowed during the call. */
struct ms_watch_event {
    enum ms_watch_kind kind;
    struct ms_bytes key;
    uint64_t revision;      /* at which it was put or deleted. PROGRESS: all up to it was told; 0: it cannot be
                               said yet. END, MS_ECOMPACTED: the first revision that can be watched from */
    bool last;              /* the last one of its revision: to miss nothing, and hear nothing twice, go on at
                               revision + 1 behind it, and at the same revision behind any other */
    struct ms_record now;   /* PUT */
    bool has_prev;          /* it was asked for, there was one, and it is not compacted */
    struct ms_record prev;  /* what stood there before */
    int status;             /* END: MS_ECOMPACTED (what comes next is compacted: it was not taken for too long),
                               MS_ESTOPPED, MS_ENOMEM */
};
typedef void (*ms_watch_cb)(void *arg, const struct ms_watch_event *event);

/* Fill with ms_watch_options_init(), then change what you need. Borrowed during ms_watch(). */
struct ms_watch_options {
    size_t struct_bytes;
    struct ms_bytes key;
    struct ms_bytes range_end; /* empty: the one key; else all from key to below it; one NUL: all from key on */
    bool prefix;               /* all keys that begin with key, which may be empty; range_end does not count */
    uint64_t start_revision;   /* the first one told; 0: what comes next. It may lie in the future */
    bool prev;                 /* with what stood there before */
    bool no_puts, no_deletes;
};
MS_API void ms_watch_options_init(struct ms_watch_options *options);

/* Watch.
 * cb    from ms_poll(), events in order of their revisions, each once; events of one revision follow each other.
 *       A watcher that ms_poll() is not called for costs a bounded amount of memory: it goes on from the history
 *       then, and is told if that was compacted. MS_WATCH_END is the last call.
 * Returns 0 and *out owned (ms_watch_cancel, also behind its end); MS_ECOMPACTED and *compacted_revision (may be
 * NULL), the first one that can be watched from; MS_EINVAL, MS_ETOOBIG (the key), MS_EBUSY (watches_max),
 * MS_ENOTREADY (a member that waits to be let into its cluster), MS_ENOMEM, MS_ESTOPPED. Any thread. */
MS_API int ms_watch(struct ms_member *member, const struct ms_watch_options *options, ms_watch_cb cb, void *arg,
                    struct ms_watcher **out, uint64_t *compacted_revision);
/* Ask for an MS_WATCH_PROGRESS, behind what is to be told before it. MS_ESTOPPED, MS_ENOMEM: none comes. */
MS_API int ms_watch_progress(struct ms_watcher *watcher);
/* No call comes any more, but for one that is running. Frees the watcher. Any thread, also from its callback; before
 * ms_close(). NULL is fine. */
MS_API void ms_watch_cancel(struct ms_watcher *watcher);

/* How a request ends that has nothing to tell beside its status: runs exactly once, from ms_poll(). */
typedef void (*ms_done_cb)(void *arg, int status);

/* Forget the history before revision, on all members; reading at it goes on working. status 0; MS_EFUTURE;
 * MS_ECOMPACTED; MS_EUNKNOWN, MS_ENOLEADER: some of it may be forgotten. Returns as ms_put(); MS_EINVAL: 0. */
MS_API int ms_compact(struct ms_member *member, uint64_t revision, ms_done_cb cb, void *arg);
MS_API int ms_compact_wait(struct ms_member *member, uint64_t revision);

/* Leases. Keys that hang on one are deleted when it ends: when nothing has kept it alive for its time, or when
 * it is revoked. No key dies within the ttl told here, whichever member leads, as long as no clock runs faster
 * than true time by more than a thousandth; it dies about a second later than that. */
struct ms_lease {
    uint64_t id;          /* 1 to MS_LEASE_MAX_ID */
    uint64_t ttl;         /* seconds that it lives at least, from now on */
    uint64_t granted_ttl; /* of a time to live */
    uint64_t key_count;   /* likewise: keys that hang on it ... */
    struct ms_bytes *keys; /* ... and the first of them, in order; */
    size_t key_total;      /* so many */
};
#define MS_LEASE_MAX_ID 9223372036854775807ull
/* How a request about a lease ends: runs exactly once, from ms_poll(). status 0 and the lease, borrowed during
 * the call; MS_ENOLEASE (it was never granted, has expired or was revoked), MS_EUNKNOWN, MS_ENOLEADER,
 * MS_EBUSY; then lease is NULL. */
typedef void (*ms_lease_cb)(void *arg, int status, const struct ms_lease *lease);

/* Grant a lease for ttl seconds, 1 to 9000000000; less than one and a half election timeouts is granted as
 * that. id 0: the cluster picks one. Also MS_EEXIST: there is a lease of that id.
 * Returns 0 if accepted, or MS_EINVAL, MS_EBUSY, MS_ENOMEM, MS_ESTOPPED: then cb never runs. Any thread. */
MS_API int ms_lease_grant(struct ms_member *member, uint64_t id, uint64_t ttl, ms_lease_cb cb, void *arg);
/* As ms_lease_grant(). Blocks. out: as of the callback, for the others too. */
MS_API int ms_lease_grant_wait(struct ms_member *member, uint64_t id, uint64_t ttl, struct ms_lease *out);
/* All its time again. */
MS_API int ms_lease_keep_alive(struct ms_member *member, uint64_t id, ms_lease_cb cb, void *arg);
MS_API int ms_lease_keep_alive_wait(struct ms_member *member, uint64_t id, struct ms_lease *out);
/* How much is left, by the clock of this member, and which keys hang on it; linearizable. */
MS_API int ms_lease_time_to_live(struct ms_member *member, uint64_t id, ms_lease_cb cb, void *arg);
/* *out is owned, freed with ms_lease_free(); empty where there is none. */
MS_API int ms_lease_time_to_live_wait(struct ms_member *member, uint64_t id, struct ms_lease *out);
MS_API void ms_lease_free(struct ms_lease *lease); /* its keys */
/* It ends, with all keys that hang on it, at one revision. */
MS_API int ms_lease_revoke(struct ms_member *member, uint64_t id, ms_done_cb cb, void *arg);
MS_API int ms_lease_revoke_wait(struct ms_member *member, uint64_t id);

/* As ms_put(), and key hangs on that lease from now on; 0: on none, as with ms_put(). Also MS_ENOLEASE, and
 * MS_ELEASEFULL (65536 keys hang on it): nothing is written. */
MS_API int ms_put_leased(struct ms_member *member, struct ms_bytes key, struct ms_bytes value, uint64_t lease,
                         ms_put_cb cb, void *arg);
MS_API int ms_put_leased_wait(struct ms_member *member, struct ms_bytes key, struct ms_bytes value,
                              uint64_t lease, uint64_t *revision);

/* Add a member (as a learner, promoted by itself), or update the URL of one; remove one. Status codes:
 * MS_ECONFLICT (URL in use; last voter), MS_ENOQUORUM (too few live voters would remain; force says yes to
 * that), MS_ENOTFOUND. url is borrowed. */
MS_API int ms_member_add_wait(struct ms_member *member, uint64_t id, const char *url);
MS_API int ms_member_remove_wait(struct ms_member *member, uint64_t id, bool force);

struct ms_voter {
    uint64_t id;
    const char *url; /* NULL: of a member that is known already, as it is known */
};
#define MS_VOTERS_MAX 32
/* Make the voters exactly those given, several in one change (joint consensus). It is done (0) when the
 * cluster has committed to it; the exchange then goes on by itself, whoever leads: new members come as
 * learners, and once all of them have caught up, they take the place of those that leave. ms_status() of
 * any member tells how far it is. A later call takes the place of an exchange that is still under way.
 * voters  borrowed during the call; 1 to MS_VOTERS_MAX, in any order, each id and url once.
 * force   also if no quorum of live voters would be left.
 * cb: status 0; MS_ENOTFOUND (a member without url is not known), MS_ECONFLICT (an url is another's),
 * MS_ENOQUORUM, MS_EBUSY, MS_ENOLEADER; MS_EUNKNOWN if it may or may not come.
 * Returns 0 if accepted, or MS_EINVAL, MS_EBUSY, MS_ENOMEM, MS_ESTOPPED: then cb never runs. Any thread. */
MS_API int ms_change_members(struct ms_member *member, const struct ms_voter *voters, uint32_t count,
                             bool force, ms_done_cb cb, void *arg);
/* As ms_change_members(). Blocks. */
MS_API int ms_change_members_wait(struct ms_member *member, const struct ms_voter *voters,
                                  uint32_t count, bool force);

/* Hand the leadership to a member; 0: to the best of the others. May be asked of any member.
 * cb: status 0 once the target (any other, if none is named) leads; MS_ENOTFOUND (no member),
 * MS_ECONFLICT (no voter, or no other one), MS_ETIMEOUT, MS_ENOLEADER: somebody leads or will,
 * ms_status() tells who.
 * Returns as ms_change_members(). Any thread. */
MS_API int ms_transfer(struct ms_member *member, uint64_t target, ms_done_cb cb, void *arg);
MS_API int ms_transfer_wait(struct ms_member *member, uint64_t target);

/* Whether a leader may serve reads on a lease instead of asking a quorum: faster, and right only while
 * the clocks of all members run at rates less than a tenth apart. Of the whole cluster; off at first.
 * cb: status 0; MS_ENOLEADER, MS_EBUSY; MS_EUNKNOWN.
 * Returns as ms_change_members(). Any thread. */
MS_API int ms_set_lease_reads(struct ms_member *member, bool on, ms_done_cb cb, void *arg);
MS_API int ms_set_lease_reads_wait(struct ms_member *member, bool on);

enum ms_role { MS_ROLE_FOLLOWER = 1, MS_ROLE_PRE_CANDIDATE, MS_ROLE_CANDIDATE, MS_ROLE_LEADER };
#define MS_STATUS_MEMBERS_MAX 32
enum ms_part {
    MS_PART_VOTER = 1,
    MS_PART_LEARNER,
    MS_PART_JOINING, /* a learner that is to vote together with others */
    MS_PART_LEAVING, /* a voter that goes then */
    MS_PART_OUTGOING /* votes for the old configuration only */
};
struct ms_status_member {
    uint64_t id;
    bool voter, learner;
    enum ms_part part;
    char url[256];
};
struct ms_status {
    uint64_t id, term, leader; /* leader 0: unknown */
    uint64_t transfer_target;  /* to whom it is handing the leadership over; 0: to nobody */
    uint64_t stall_transfers;  /* leaderships it gave away because its disk stalled */
    enum ms_role role;
    bool learner, ready, abstains;
    bool disk_stalled;
    bool lease_reads, lease_held; /* the setting; whether it holds a lease now */
    bool disk_full;     /* its disk has less free than min_free_bytes, or its log could not grow */
    bool quorum_full;   /* no quorum has room: writes give MS_ENOSPC, reads go on */
    uint64_t disk_free_bytes; /* as of half a second ago; UINT64_MAX: not known yet */
    uint64_t space_transfers; /* leaderships it gave away because its disk was full */
    uint64_t commit_index, applied_index, revision;
    uint32_t member_count;
    struct ms_status_member members[MS_STATUS_MEMBERS_MAX];
};
/* A recent picture, the last one once it has stopped; never blocks on the cluster. Any thread. In C++ the
 * struct of the same name has to be written with its keyword; g++ would warn of that here. */
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
MS_API int ms_status(struct ms_member *member, struct ms_status *out);
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Looking at the log of a member, which changes nothing in it: `metastore wal` is made of this. */
enum ms_wal_found {
    MS_WAL_EMPTY = 1, /* no log yet, as before the first start */
    MS_WAL_SOUND,     /* everything that recovery checks is right */
    MS_WAL_TORN,      /* the last batch was cut by a crash, before it was acknowledged; the next start
                         removes what there is of it */
    MS_WAL_DAMAGED    /* acknowledged data is damaged or missing: the member would abstain until the
                         others have repaired it */
};

/* One record, or (last) what was found, in one line without newline: for people, or one JSON object.
 * line is borrowed during the call. Non-zero ends it and is what ms_wal_read() returns: give a number
 * above 0, so that it is not taken for one of our errors. */
typedef int (*ms_wal_line_cb)(void *arg, const char *line, bool last);

/* Fill with ms_wal_options_init(), then change what you need. */
struct ms_wal_options {
    size_t struct_bytes;
    ms_wal_line_cb line; /* NULL: only the report is wanted (NULL) */
    void *arg;
    bool json;           /* lines are JSON objects (false) */
    bool in_use;         /* also the log of a member that is running (false) */
    uint64_t from_index; /* with either of them not 0 only entries are given, */
    uint64_t to_index;   /* those whose index lies between them, both included (0, 0) */
};
MS_API void ms_wal_options_init(struct ms_wal_options *options);

struct ms_wal_report {
    enum ms_wal_found found;
    bool state_copy_damaged; /* one of the two places where term and vote stand; the next start rewrites
                                it from the other one */
    bool in_use;             /* a member was running on it: it may have changed meanwhile */
    uint64_t member_id;      /* 0: no file says whose it is */
    uint64_t base_index;     /* the log begins behind it: a snapshot holds the rest */
    uint64_t last_index;     /* == base_index: no entries */
    uint64_t term, vote;     /* vote 0: none */
    char log_dir[512];       /* where the log is, in or at dir */
    char text[1536];         /* what was found in one line: which file, at which offset, what it means */
};

/* Read the log in dir, check all that recovery would check and that every entry can be decoded, and give
 * each record up to the log's end or its damage. Opens files for reading only and keeps no lock.
 * dir      borrowed; a member's directory (metaStore-<id>, data/<id>) or the log's own.
 * options  borrowed; NULL: defaults.
 * why      receives one line when this fails; at least MS_WHY_BYTES.
 * Returns 0 and *out, whatever was found; or MS_ENOTFOUND (no such directory, or no log in it),
 * MS_ELOCKED (a member runs on it, and in_use is false), MS_EVERSION, MS_EFOREIGN (files of several
 * members or clusters), MS_EACCES, MS_EIO, MS_ENOMEM, MS_ETOOBIG (the path), MS_EINVAL (options), or what
 * line returned. Blocks; needs about the memory of one segment (ms_options.wal_segment_bytes). */
MS_API int ms_wal_read(const char *dir, const struct ms_wal_options *options, struct ms_wal_report *out,
                       char why[MS_WHY_BYTES]);

/* Backups: `metastore snapshot` is made of these. A backup is one file, the snapshot of a cluster's state:
 * every key with its value, history, and who its members were. It does not depend on the engine. All of
 * these calls block, and need the memory of a chunk (some MB), but where a state has to be held in memory:
 * for restoring into, or saving from, a member of the memory engine. */

struct ms_snapshot_report {
    bool whole;         /* checked from end to end; else text says what is wrong, and */
    uint64_t damage_offset; /* where the chunk begins in which that was seen */
    uint64_t bytes;         /* of the file */
    /* Of the state. Of a damaged backup index, term, cluster and members as far as they could be read. */
    uint64_t index, term, revision, compacted_revision, key_count;
    char cluster[33], digest[33]; /* hexadecimal; empty: not known */
    uint32_t member_count;
    struct ms_status_member members[MS_STATUS_MEMBERS_MAX];
    char text[1024]; /* in one line */
};

/* Read a backup and check all of it.
 * Returns 0 and *out, whole or not; or MS_ENOTFOUND, MS_EACCES, MS_EIO, MS_EINVAL (no file), MS_EVERSION,
 * MS_ENOMEM, with why. */
MS_API int ms_snapshot_status(const char *file, struct ms_snapshot_report *out, char why[MS_WHY_BYTES]);

/* Save a backup of a running cluster over HTTP: its state at a moment after this was called, so that every
 * write that was acknowledged before is in it. The member that is asked goes on serving meanwhile.
 * endpoints  comma-separated URLs of the HTTP API of members, tried in this order until one answers;
 *            http://127.0.0.1:9121 or 127.0.0.1:9121. Borrowed, as file.
 * file       replaced in one step when the backup has come whole, was synced, and was read back; until then
 *            it stands as <file>.tmp, which is removed when this fails.
 * out        what was saved; may be NULL.
 * Returns 0; MS_EADDR (nobody answers), MS_EBUSY (too many backups at once), MS_ENOLEADER, MS_ETIMEOUT,
 * MS_ECORRUPT (what came is damaged, or broke off), MS_EPROTO (no such answer), MS_EINVAL, MS_ELOCKED (the
 * same file is being written), MS_ENOSPC, MS_EACCES, MS_EIO, MS_ENOMEM, with why. */
MS_API int ms_snapshot_save(const char *file, const char *endpoints, struct ms_snapshot_report *out,
                            char why[MS_WHY_BYTES]);

/* Save a backup of a member that does not run, without changing it: its state, and all of its log behind
 * that. What is committed is not told from what only stands in the log: so everything that was acknowledged
 * and that this member has is in it, and perhaps writes whose outcome nobody was told. A member that was
 * behind when it stopped lacks what the others acknowledged without it: of several, take the one with the
 * highest term and index.
 * options  id, data_dir, storage; borrowed.
 * Returns 0; MS_ELOCKED (it runs), MS_ENOTFOUND (no member there), MS_ELOSTDATA (its data is damaged, or it
 * was removed from its cluster), MS_EVERSION, MS_EFOREIGN, MS_EINVAL, MS_ENOSPC, MS_EACCES, MS_EIO,
 * MS_ENOMEM, with why. The file is replaced in one step when the backup is whole, synced, and was read back;
 * until then it stands as <file>.tmp, which is removed when this fails. out may be NULL. */
MS_API int ms_snapshot_save_offline(const char *file, const struct ms_options *options,
                                    struct ms_snapshot_report *out, char why[MS_WHY_BYTES]);

/* What revisions are raised by unless there is a reason for another number: more than any cluster has
 * written between the backup and its end. */
#define MS_REVISION_BUMP UINT64_C(1000000000)
/* Make the directories of a new cluster of one member from a backup; ms_open() with the same options then
 * serves it, and members can be added. It has a cluster identity of its own. Keys keep their values and
 * revisions; the store's revision is raised, and everything up to it compacted, so that a watcher that goes
 * on behind a revision of the old cluster is told that it was compacted, instead of missing something.
 * Settings of the old cluster (lease reads) are off again.
 * options  id, cluster (which has to name this one member), storage, data_dir, wal_segment_bytes and log;
 *          borrowed. The others count for ms_open() only.
 * Returns 0; MS_ECORRUPT, MS_ESHORT (a damaged backup: nothing was made), MS_EEXIST (a directory is not
 * empty), MS_ELOCKED, MS_EFOREIGN, MS_EINVAL, MS_ETOOBIG (the revision), MS_ENOSPC, MS_EACCES, MS_EIO,
 * MS_ENOMEM, with why. What was made is taken away again; after a crash in its middle ms_open() refuses the
 * directories. */
MS_API int ms_snapshot_restore(const char *file, const struct ms_options *options, uint64_t revision_bump,
                               char why[MS_WHY_BYTES]);

MS_API const char *ms_strerror(int code); /* static, never NULL */
MS_API const char *ms_version(void);      /* "0.1.0", static */
/* Version, commit and what it was built with, several lines; static. */
MS_API const char *ms_build_info(void);

#ifdef __cplusplus
}
#endif

#endif
