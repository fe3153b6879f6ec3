/* rt_private.h: the inside of struct ms_member, which hosts one struct member on a loop thread.
 *
 *   rt_member.c    ms_open, ms_close, ms_fd, ms_poll, ms_status
 *   rt_request.c   requests of the library: from the caller's thread to the loop and back
 *   rt_watch.c     watches of the library
 *   rt_start.c     the steps of starting, on the loop thread, in the order in which they are undone
 *   rt_loop.c      the turn of the loop, what the member asks of its host, stopping
 *
 * A start runs on the loop thread from the first step, so that the core only ever sees one thread.
 *
 *   R1  the core (core, kv, disk.face, net.face) is touched by the loop thread only, and by none after
 *       RT_PHASE_DOWN
 *   R2  lock guards what stands under it below; nothing is called while it is held
 *   R3  a request is in exactly one place: commands, slots, done; it ends exactly once
 *   R4  each turn ends in one member_flush() before the loop waits */
#ifndef RT_RT_PRIVATE_H
#define RT_RT_PRIVATE_H

#include <pthread.h>
#include <uv.h>

#include "base/list.h"
#include "member/member.h"
#include "rt/rt_dirs.h"
#include "rt/rt_disk.h"
#include "rt/rt_engine.h"
#include "rt/rt_log.h"
#include "rt/rt_net.h"
#include "rt/rt_wake.h"

#define RT_REQUESTS_MAX 4096u            /* of the library, from ms_put() to its callback */
#define RT_REQUEST_BYTES_MAX (64u << 20) /* of all of them */
#define RT_TURN_ROUNDS_MAX 8u            /* flushes in one turn; then the loop looks at its sockets */
#define RT_TURN_MS_MAX 2u                /* of the memory engine's jobs in one turn (heartbeats wait); long
                                            ones are not the loop's (rt_engine.h) */
#define RT_STOP_FLUSH_MS 1000u           /* for last answers, once the member has stopped */
#define RT_STOP_LINGER_MS 200u           /* for clients to close their side behind these */
#define RT_STOP_GRACE_MS 1000u           /* beyond request_ms, for the member to stop */
#define RT_SLACK_CONNS 64u               /* above what the member counts, for it to refuse politely */
#define RT_FILES_KEPT 64u                /* descriptors that connections leave: log, snapshots, listeners */
#define RT_FILES_KEPT_ROCKSDB 640u       /* likewise; it keeps 512 of its own open */

/* How far a start has come: what rt_unstart() has to end. */
enum rt_level {
    RT_LEVEL_NONE,
    RT_LEVEL_LOOP,
    RT_LEVEL_DISK,
    RT_LEVEL_NET,
    RT_LEVEL_STORE, /* kv and the thread it runs on */
    RT_LEVEL_CORE
};

enum rt_phase {
    RT_PHASE_STARTING,
    RT_PHASE_RUNNING,
    RT_PHASE_DRAINING, /* ms_close: the member finishes what it has accepted */
    RT_PHASE_FLUSHING, /* the member has stopped; its last bytes are written */
    RT_PHASE_DOWN
};

enum rt_request_kind {
    RT_REQUEST_TXN = 1,
    RT_REQUEST_ASKING, /* a TXN whose results are wanted */
    RT_REQUEST_READ,
    RT_REQUEST_CHANGE,
    RT_REQUEST_CHANGE_SET,
    RT_REQUEST_TRANSFER,
    RT_REQUEST_LEASE,
    RT_REQUEST_RANGE,
    RT_REQUEST_COMPACT,
    RT_REQUEST_WATCH,
    RT_REQUEST_STATUS,
    RT_REQUEST_LEASE_GRANT, /* behind it: all about leases */
    RT_REQUEST_LEASE_REVOKE,
    RT_REQUEST_LEASE_KEEP_ALIVE,
    RT_REQUEST_LEASE_GET
};

struct rt_waiter {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ended;
};

struct rt_request {
    struct ms_list in_list;      /* commands or done */
    struct rt_request *due_next; /* in ranges_due */
    enum rt_request_kind kind;
    enum entry_change change;
    uint64_t member_id;
    bool on; /* CHANGE_SET: force; LEASE: the setting; RANGE: stale */
    ms_put_cb put_cb;
    ms_get_cb get_cb;
    ms_done_cb done_cb;
    ms_lease_cb lease_cb;
    ms_range_cb range_cb;
    ms_txn_cb txn_cb;
    void *arg;
    struct rt_waiter *waiter; /* the blocking form; then no callback */
    struct ms_status *status_out;
    struct ms_watcher *watcher;        /* WATCH */
    struct node_watch_opts watch_opts; /* WATCH: key and range_end stand in input */
    size_t bytes;     /* counted against RT_REQUEST_BYTES_MAX */
    struct buf input; /* TXN, ASKING: the command; READ: the key; CHANGE: the URL with its NUL;
                         CHANGE_SET: a struct config */
    /* how it ended */
    int status;
    uint64_t revision;
    void *value;
    size_t value_len;
    /* RANGE: what is asked, its key and range_end standing in input; what has come of it; how it ended (owned). */
    uint64_t token;
    struct kv_op op;
    size_t key_len;
    struct buf answer;
    struct ms_range_result range;
    struct ms_txn_result txn; /* ASKING: how it ended (owned) */
    struct ms_lease lease; /* LEASE_*: what is asked, then how it ended; its keys are owned */
};

struct rt_slots {
    struct rt_request *items[RT_REQUESTS_MAX];
    uint16_t free_items[RT_REQUESTS_MAX]; /* a stack */
    uint32_t free_count;
};

struct ms_member {
    struct rt_setup setup;
    struct rt_dirs dirs;
    struct rt_log log;
    struct rt_wake wake; /* ms_fd() */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    int start_status; /* 1: still starting */
    bool close_wanted, loop_over;
    struct ms_list commands, done; /* requests */
    struct ms_list watchers;       /* all */
    struct ms_list watch_ready;    /* have something for ms_poll() */
    struct ms_list watch_resumes;  /* have something for the loop */
    uint32_t request_count;
    size_t request_bytes;
    int stop_status; /* what ms_poll() says; 0: it runs */
    char stop_reason[MS_WHY_BYTES];
    struct ms_status last_status; /* once it is down */

    /* the loop thread's */
    char *why; /* of ms_open(), while starting */
    uv_loop_t loop;
    uv_timer_t timer, stop_timer;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_async_t async;
    struct rt_disk disk;
    struct rt_net net;
    struct rt_engine engine;
    struct kv *kv;
    uint32_t clients_max; /* as asked for, or as many as there are descriptors for */
    struct member *core;
    struct rt_slots *slots; /* from the first request on */
    struct rt_request *ranges_due; /* whose next piece is to be asked for */
    enum rt_level level;
    enum rt_phase phase;
    uint64_t started_s;       /* Unix time */
    uint64_t linger_until_ms; /* FLUSHING */
    bool core_stopped;        /* it has said so; core_status, core_reason */
    int core_status;
    char core_reason[MS_WHY_BYTES];
    char serving[256]; /* the addresses, for a person */
    bool dirty;        /* the member has had input since its last flush */
};

/* rt_start.c: on the loop thread. */
int rt_start(struct ms_member *m);    /* writes m->why on error; then rt_unstart() all the same */
void rt_unstart(struct ms_member *m); /* ends all that was begun, in reverse; no event comes any more */

const char *rt_build_commit(void); /* rt_build.c; static */

/* rt_listen.c: bind what the options say. MS_EADDR, and m->why. */
int rt_listen(struct ms_member *m);
void rt_listen_announce(struct ms_member *m); /* one line: what is served where */

/* rt_loop.c */
void *rt_loop_main(void *arg);
void rt_loop_wire(struct ms_member *m, struct rt_net_events *events, struct member_host *host);
void rt_loop_on_disk(void *ctx, struct disk_op *op);
void rt_loop_on_job(void *ctx, struct kv_job *job);
void rt_loop_on_command(uv_async_t *async);

/* rt_request.c: the callers' threads. */
struct rt_request *rt_request_create(enum rt_request_kind kind); /* NULL: no memory */
void rt_request_free(struct rt_request *r);
/* On 0 the request is the loop's, else it is freed. */
int rt_request_submit(struct ms_member *m, struct rt_request *r);
/* Submit and wait for its end; then *r is the caller's, to be freed. */
int rt_request_wait(struct ms_member *m, struct rt_request *r);
/* rt_lease.c: what became of a request about a lease, into r. 0, MS_ENOMEM. */
int rt_lease_take(struct rt_request *r, const struct node_answer *answer);

/* rt_request.c: loop thread. */
void rt_requests_take(struct ms_member *m); /* all that have been queued, into the member */
void rt_requests_answer(struct ms_member *m, const struct node_answer *answer);
void rt_requests_abort(struct ms_member *m); /* the member is gone */
void rt_requests_free(struct ms_member *m);  /* what no ms_poll() has taken */

/* Loop thread: the request of a token; its end, with which the token is free again. */
struct rt_request *rt_request_of(const struct ms_member *m, uint64_t token);
void rt_request_slot_end(struct ms_member *m, uint64_t token, int status);

/* rt_txn.c: loop thread: what became of a transaction, into r. */
void rt_txn_take(struct rt_request *r, const struct node_answer *answer);

/* rt_range.c: any thread. The keys that a caller names: borrowed from it, or from text, to which what they need is
 * appended. MS_EINVAL, MS_ETOOBIG, MS_ENOMEM. */
int rt_keys_make(struct buf *text, struct ms_bytes key, struct ms_bytes range_end, bool prefix,
                 struct bytes *key_out, struct bytes *end_out);
/* All of a range but its keys. MS_EINVAL. */
int rt_range_op(const struct ms_range_options *o, struct kv_op *op);
/* A RECORD, with its bytes copied to *to, which moves behind them. */
struct ms_kv rt_kv_make(const struct kv_answer_item *item, uint8_t **to);

/* rt_range.c: loop thread. */
int rt_range_hand_in(struct ms_member *m, struct rt_request *r, uint64_t token);
void rt_range_piece(void *ctx, const struct node_range_piece *p);
void rt_ranges_resume(struct ms_member *m);

/* rt_watch.c */
void rt_watches_init(struct ms_member *m);
void rt_watches_fini(struct ms_member *m);
int rt_watch_take(struct ms_member *m, struct rt_request *r); /* loop thread: a WATCH */
void rt_watches_resume(struct ms_member *m);                  /* likewise: those that ms_poll() has emptied */
void rt_watches_abort(struct ms_member *m);                   /* likewise: the member is gone */
bool rt_watch_told(void *ctx, struct member_watch *w, const struct node_watch_news *news);
bool rt_watches_any(const struct ms_member *m); /* under lock: something for ms_poll() */
/* Those of list, which were watch_ready; how many callbacks ran. */
int rt_watches_poll(struct ms_member *m, struct ms_list *list);

void rt_status_fill(const struct ms_member *m, struct ms_status *out);

#endif
