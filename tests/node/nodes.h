/* nodes.h: a cluster of real nodes (raft, wal, kv_mem, simulated disks) in one process and one thread.
 * What connections and threads are elsewhere is done here by hand: frames can be dropped, doubled, held
 * and delayed; disk operations and jobs are completed one by one, or not at all; a member loses power
 * before any operation of its disk that a test names.
 *
 * Watched all the time, in every test:
 *   - a token is answered at most once, and never by a member that has not accepted it
 *   - two members that have applied the same index have the same state (by its digest)
 *   - no member stops by itself, unless the test has allowed it
 *   - a member that is down has left neither memory nor open files */
#ifndef TESTS_NODE_NODES_H
#define TESTS_NODE_NODES_H

#include "base/ms_err.h"
#include "node/node_private.h"
#include "sim/sim_disk.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define NODES_MAX 8u
#define NODES_OPS_MAX 64u
#define NODES_JOBS_MAX 16384u
#define NODES_TOKENS_MAX 16384u
#define NODES_INDEXES_MAX 65536u
#define NODES_VALUE_BYTES_MAX 64u
#define NODES_ITEMS_BYTES_MAX 256u

struct nodes_frame {
    struct nodes_frame *next;
    uint64_t due_ms, from, to;
    uint8_t type;
    bool on_stream;
    size_t len;
    uint8_t data[];
};

struct nodes_answer {
    uint64_t member; /* that accepted it; 0: nobody */
    uint32_t count;
    int status;
    uint64_t index, revision, version, lease, ttl_s;
    struct kv_lease the_lease;
    size_t value_len;
    char value[NODES_VALUE_BYTES_MAX + 1], text[128];
    uint64_t compacted_revision;
    int items_status;
    size_t items_len;
    uint8_t items[NODES_ITEMS_BYTES_MAX]; /* as far as they fit */
};

struct nodes;
struct nodes_member {
    struct nodes *nodes;
    uint64_t id;
    struct test_alloc alloc, sim_alloc;
    struct sim_disk *sim;
    struct disk *disk;
    struct node *node; /* NULL: down */
    struct kv *kv;     /* the node's */
    struct log_sink log;
    bool join;
    bool linked[NODES_MAX + 1]; /* our own dialed connection to a member */
    /* Our own stream of a snapshot to a member. full: it takes nothing for now. */
    enum { NODES_STREAM_NONE, NODES_STREAM_WANTED, NODES_STREAM_UP } stream[NODES_MAX + 1];
    bool stream_full[NODES_MAX + 1];
    uint32_t stream_ups;
    bool dirty; /* to be flushed */

    struct disk_op *ops[NODES_OPS_MAX];
    uint32_t op_first, op_count;
    struct kv_job *jobs[NODES_JOBS_MAX];
    uint32_t job_first, job_count;
    bool hold_disk, hold_jobs;
    bool hold_changes;  /* jobs from the first one on that reads changes */
    uint64_t ops_done;  /* over all lives */
    uint64_t ops_until; /* power is lost when the next op would be beyond it; 0: never */
    bool power_lost;    /* by that */

    bool may_stop;   /* with an error: a test that wants it sets this */
    bool may_differ; /* in its state: likewise */
    bool stopped;    /* host.stop was called */
    int stop_status;
    char stop_reason[NODE_WHY_BYTES], why[NODE_WHY_BYTES], last_warning[256];
    uint32_t starts, peers_changed_count;
};

enum { NODES_DROP = 0, NODES_PASS = 1, NODES_TWICE = 2, NODES_HOLD = -1 };

struct nodes {
    uint64_t now_ms;
    uint32_t count;        /* in --cluster */
    struct config cluster; /* --cluster */
    struct node_opts opts; /* the same for all; a test may change them before a start */
    struct nodes_member members[NODES_MAX + 1]; /* by id */
    bool cut[NODES_MAX + 1][NODES_MAX + 1];
    uint64_t delay_ms[NODES_MAX + 1][NODES_MAX + 1];
    struct nodes_frame *frames, *held;
    /* NULL, or what becomes of a frame. */
    int (*filter)(struct nodes *c, const struct nodes_frame *f);
    /* NULL, or who hears of backups. */
    void (*on_backup)(struct nodes_member *m, uint64_t token, int status, struct bytes chunk,
                      bool last);
    /* NULL: it takes everything; or who hears of watches. */
    bool (*on_watch)(struct nodes_member *m, const struct node_watch_news *news);
    /* NULL, or who hears of ranges. */
    void (*on_range)(struct nodes_member *m, const struct node_range_piece *p);
    uint64_t frames_seen[16]; /* by type, delivered */
    uint64_t link_ms;
    uint64_t next_token;
    struct nodes_answer answers[NODES_TOKENS_MAX];
    struct nodes_digest {
        bool known;
        struct kv_digest digest;
    } digests[NODES_INDEXES_MAX];
    struct ms_rand rand;
};

/* Members 1 to count; nothing is started. */
void nodes_init(struct nodes *c, uint32_t count, uint64_t seed);
void nodes_fini(struct nodes *c);
void nodes_url(char url[MS_URL_BYTES_MAX + 1], uint64_t id);

/* 0, or what node_create said (members[id].why). */
int nodes_try_start(struct nodes *c, uint64_t id);
void nodes_start(struct nodes *c, uint64_t id);
void nodes_start_all(struct nodes *c);
void nodes_crash(struct nodes *c, uint64_t id, bool power);
void nodes_wipe(struct nodes *c, uint64_t id); /* down: its disk is a new one */
bool nodes_is_up(const struct nodes *c, uint64_t id);

void nodes_cut(struct nodes *c, uint64_t a, uint64_t b);
/* Break the stream of a snapshot, with all that is on it. False: there is none. */
bool nodes_cut_stream(struct nodes *c, uint64_t from, uint64_t to);
void nodes_stream_room(struct nodes *c, uint64_t from, uint64_t to); /* no longer full */
void nodes_isolate(struct nodes *c, uint64_t id);
void nodes_heal(struct nodes *c);
void nodes_release_held(struct nodes *c);

/* Everything that can happen without time passing. */
void nodes_settle(struct nodes *c);
void nodes_run(struct nodes *c, uint64_t ms);
/* One operation of a disk that is held, and the end of that turn. */
void nodes_complete_op(struct nodes *c, uint64_t id);
/* Run until condition, which has to come within ms. */
#define NODES_UNTIL(c, ms, condition)                                                                  \
    do {                                                                                               \
        uint64_t until_ = (c)->now_ms + (ms);                                                          \
        while (!(condition) && (c)->now_ms < until_) nodes_run((c), 5);                                \
        CHECK(condition);                                                                              \
    } while (0)

/* The leader of the highest term among those that are up; 0: none. */
uint64_t nodes_leader(const struct nodes *c);
uint64_t nodes_follower(const struct nodes *c); /* the first one that does not lead */
/* Run until there is a leader that all who are up follow, with everything applied; returns it. */
uint64_t nodes_elect(struct nodes *c);
void nodes_found(struct nodes *c, uint32_t count, uint64_t seed); /* init, start all, elect, attach */
uint64_t nodes_start_and_elect(struct nodes *c); /* for those who change options behind nodes_init() */
/* A member that has stopped, as it was allowed to, is back, and may not do so again. */
void nodes_restart_stopped(struct nodes *c, uint64_t id);
bool nodes_all_applied(const struct nodes *c);
bool nodes_all_applied_but(const struct nodes *c, uint64_t id);
void nodes_agree_but(struct nodes *c, uint64_t id); /* one who does not take part */
void nodes_agree(struct nodes *c);                  /* run until all who are up have applied the same */
void nodes_status_of(const struct nodes *c, uint64_t id, struct node_status *out);

/* Requests: the token, to be looked up in answers; the _try_ ones return what the node said. */
int nodes_try_put(struct nodes *c, uint64_t id, const char *key, const char *value, uint64_t *token);
int nodes_try_txn(struct nodes *c, uint64_t id, struct bytes command, uint64_t *token);
uint64_t nodes_put(struct nodes *c, uint64_t id, const char *key, const char *value);
uint64_t nodes_get(struct nodes *c, uint64_t id, const char *key);
uint64_t nodes_get_stale(struct nodes *c, uint64_t id, const char *key);
uint64_t nodes_txn(struct nodes *c, uint64_t id, struct bytes command); /* node_txn() */
uint64_t nodes_compact(struct nodes *c, uint64_t id, uint64_t revision);
uint64_t nodes_change(struct nodes *c, uint64_t id, enum entry_change change, uint64_t member_id);
uint64_t nodes_change_set(struct nodes *c, uint64_t id, uint32_t members); /* bits by id */
uint64_t nodes_set_lease(struct nodes *c, uint64_t id, bool on);
/* put: NULL, or a key that is put with it, attached to it. */
uint64_t nodes_lease_grant(struct nodes *c, uint64_t id, uint64_t lease, uint64_t ttl_s,
                           const char *put);
uint64_t nodes_lease_revoke(struct nodes *c, uint64_t id, uint64_t lease);
uint64_t nodes_lease_keep_alive(struct nodes *c, uint64_t id, uint64_t lease);
uint64_t nodes_lease_get(struct nodes *c, uint64_t id, uint64_t lease);
uint64_t nodes_put_leased(struct nodes *c, uint64_t id, const char *key, uint64_t lease);
uint64_t nodes_transfer(struct nodes *c, uint64_t id, uint64_t target);
const struct nodes_answer *nodes_answer_of(const struct nodes *c, uint64_t token);
/* Run until it is answered; returns the status. */
int nodes_wait(struct nodes *c, uint64_t token);
void nodes_write(struct nodes *c, uint64_t id, const char *key, const char *value);  /* succeeds */
void nodes_expect(struct nodes *c, uint64_t id, const char *key, const char *value); /* NULL: none */
/* count writes of len bytes at id, so that the log grows. */
void nodes_fill(struct nodes *c, uint64_t id, uint32_t count, size_t len);

/* The nth file (from the oldest) in a directory of a member whose name begins so; false: none. */
bool nodes_find_file(struct nodes *c, uint64_t id, const char *dir, const char *prefix, uint32_t nth,
                     char path[DISK_PATH_BYTES_MAX], uint64_t *size_bytes);
/* Damage the sector at offset of a file of a member that is down. */
void nodes_rot(struct nodes *c, uint64_t id, const char *path, uint64_t offset);

#endif
