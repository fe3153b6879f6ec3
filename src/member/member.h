/* member.h: one whole member without I/O: a node, the links to its peers, its HTTP front. src/rt hosts
 * it on libuv, sim on simulated clock, network and disk: the same code.
 *
 * All calls come from one thread. Completions and bytes are handed in; what should happen goes out
 * through net, disk and the host. Nothing is called back into the member from inside these.
 *
 *   M1  a turn is any number of inputs, then member_flush(); throughput comes from turns that hold many
 *   M2  connections are bounded: clients by clients_max, peers by PEER_CONNS_MAX
 *   M3  a peer is heard only after its hello was judged (node_judge_peer) */
#ifndef MEMBER_MEMBER_H
#define MEMBER_MEMBER_H

#include "env/net.h"
#include "format/histogram.h"
#include "http/http.h"
#include "node/node.h"

struct member; /* opaque; member_private.h */

#define PEER_CONNS_MAX (4u * MS_MEMBERS_MAX)
/* A link whose queue is fuller drops frames. */
#define PEER_QUEUE_BYTES_MAX (2u * NET_FRAME_BYTES_MAX)
#define PEER_PROTOCOL_VERSION 1u

enum member_listener { MEMBER_LISTENER_CLIENT = 1, MEMBER_LISTENER_PEER };

struct member_opts {
    struct node_opts node;
    uint32_t clients_max; /* connections; above it they are refused with 503 and closed */
    size_t key_bytes_max, value_bytes_max;
    uint32_t
        watch_queue_bytes_max; /* a connection of watches takes no more events while so much waits */
    uint32_t watch_beat_ms;    /* something is sent on a watch at least so often */
    uint64_t
        clients_bytes_max; /* held for all of them: input that is no whole request, answers not read */
    uint32_t client_idle_ms_max; /* a connection that sends nothing in the middle of a request: 408 */
    uint64_t client_queue_bytes_max;       /* a client that does not read its answers is cut off */
    uint32_t dial_ms_max;                  /* a dial or a handshake that takes longer is given up */
    uint32_t redial_ms_min, redial_ms_max; /* back-off, with jitter */
    const char *version, *commit;          /* of the program, for GET /version; static */
};
void member_opts_default(struct member_opts *o);

/* What the host measures, for GET /metrics. */
struct member_measured {
    uint64_t cpu_us, resident_bytes, open_files, files_max,
        started_s;              /* of the process; started_s: Unix time */
    struct histogram log_write; /* of a batch: write and sync, as one */
    uint64_t log_written_bytes;
    struct engine_stats engine;
};

/* A watch of this process. The caller's, who leaves it in place until it is cancelled or has ended. */
struct watch_owner {
    bool local; /* true of all of these; a client's begins so, too */
};
struct member_watch {
    struct watch_owner owner; /* first; set by member_watch() */
    struct node_watcher *watcher;
};

struct member_host {
    void *ctx;
    void (*submit_job)(void *ctx, struct kv_job *job); /* as struct node_host */
    /* status 0: removed from its cluster, or shut down as asked. */
    void (*stopped)(void *ctx, int status, const char *reason);
    /* Answers of member_put() and its like. */
    void (*answer)(void *ctx, const struct node_answer *answer);
    /* Pieces of member_range(); NULL where nobody calls that. */
    void (*range)(void *ctx, const struct node_range_piece *piece);
    /* Both NULL where nothing is measured: as a simulation does not. A clock of which nothing depends but what
     * is shown, and what the process needs. */
    uint64_t (*now_us)(void *ctx);
    void (*measure)(void *ctx, struct member_measured *out);
    /* What a watch of member_watch() is told: as watch() of struct node_host. */
    bool (*watch)(void *ctx, struct member_watch *w, const struct node_watch_news *news);
    /* NULL, or the simulator's tap: each frame that is sent (out) and heard. */
    void (*tap)(void *ctx, bool out, uint64_t peer, uint8_t type, struct bytes body);
};

struct member_env {
    struct disk *disk;
    struct net *net;
    const struct ms_alloc *alloc;
    const struct log_sink *log;
    struct member_host host;
};

/* Recover and start; blocks. As node_create. */
int member_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                  const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap);
void member_destroy(struct member *m);

/* Inputs. */
void member_on_accept(struct member *m, uint64_t now_ms, uint64_t conn, enum member_listener listener);
void member_on_dialed(struct member *m, uint64_t now_ms, uint64_t conn, int status);
void member_on_bytes(struct member *m, uint64_t now_ms, uint64_t conn, struct bytes in);
void member_on_writable(struct member *m, uint64_t now_ms, uint64_t conn);
void member_on_ended(struct member *m, uint64_t now_ms, uint64_t conn);
void member_on_closed(struct member *m, uint64_t now_ms, uint64_t conn);
void member_on_disk(struct member *m, uint64_t now_ms, struct disk_op *op);
void member_on_job(struct member *m, uint64_t now_ms, struct kv_job *job);
void member_on_tick(struct member *m, uint64_t now_ms);
void member_flush(struct member *m, uint64_t now_ms);
uint64_t member_deadline_ms(const struct member *m);

/* Requests from the same process (the library): as node_propose_txn and its like. Tokens of these have
 * MEMBER_TOKEN_LOCAL set and are otherwise the caller's. */
#define MEMBER_TOKEN_LOCAL (UINT64_C(1) << 63)
int member_propose_txn(struct member *m, uint64_t now_ms, uint64_t token, struct bytes command);
int member_read(struct member *m, uint64_t now_ms, uint64_t token, struct bytes key);
/* As node_txn(), node_compact(), node_range() and what goes with it. */
int member_txn(struct member *m, uint64_t now_ms, uint64_t token, struct bytes command);
int member_compact(struct member *m, uint64_t now_ms, uint64_t token, uint64_t revision);
int member_range(struct member *m, uint64_t now_ms, uint64_t token, const struct kv_op *op, bool stale);
void member_range_next(struct member *m, uint64_t now_ms, uint64_t token);
void member_range_end(struct member *m, uint64_t now_ms, uint64_t token);
int member_change(struct member *m, uint64_t now_ms, uint64_t token, enum entry_change change,
                  uint64_t member_id, const char *url);
/* wanted: an empty URL is that of a member known here. MS_ENOTFOUND: one that came without an URL is
 * not known; MS_ECONFLICT: an URL is another's. */
int member_change_set(struct member *m, uint64_t now_ms, uint64_t token, const struct config *wanted,
                      bool force);
int member_transfer(struct member *m, uint64_t now_ms, uint64_t token, uint64_t target);
int member_set_lease(struct member *m, uint64_t now_ms, uint64_t token, bool on);
int member_lease_grant(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id, uint64_t ttl_s);
int member_lease_revoke(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id);
int member_lease_keep_alive(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id);
int member_lease_get(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id);

/* Watches from the same process: as node_watch() and its like; host.watch() is told. */
int member_watch(struct member *m, uint64_t now_ms, const struct node_watch_opts *opts,
                 struct member_watch *w, uint64_t *compacted_revision);
void member_watch_cancel(struct member *m, struct member_watch *w);
void member_watch_resume(struct member *m, uint64_t now_ms, struct member_watch *w);
uint64_t member_watch_progress(const struct member *m, const struct member_watch *w);

/* Stop politely: refuse new requests, finish what was accepted (within a bound), close connections
 * after their answers; then host.stopped. */
void member_shutdown(struct member *m, uint64_t now_ms);

const struct node *member_node(const struct member *m);

#endif
