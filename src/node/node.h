/* node.h: one replica: raft, wal and kv wired together. Sans-IO; the composition with connections is
 * src/member. All calls come from one thread; the host is called back only to queue things, and must
 * not call into the node from inside.
 *
 *   P1  a client is told success only when its entry was applied here, which means committed and
 *       durable on a quorum
 *   P2  an error other than MS_EUNKNOWN means that the proposal was not applied and never will be
 *   P3  a read answers from a state that holds every write acknowledged before the read came in
 *   P4  only what is committed and durable in the own log is applied (DESIGN 2.3)
 *   P5  a proposal is sent to each leader at most once a connection and resent to each new one; the
 *       origin's token makes the repetition harmless
 *   P6  the member votes, and its acks count, only if it does not abstain (DESIGN 4) */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "env/alloc.h"
#include "env/clock.h"
#include "env/disk.h"
#include "env/log.h"
#include "format/config.h"
#include "format/entry.h"
#include "kv/kv.h"
#include "node/node_watch.h"
#include "raft/raft.h"
#include "wal/wal.h"

struct node; /* opaque; node_private.h */

#define NODE_SENDS_MAX 4u   /* snapshots being sent at the same time */
#define NODE_BACKUPS_MAX 2u /* being saved at the same time */

/* Frames of this type belong on the connection of a snapshot, and no others do. */
bool node_frame_is_of_stream(uint8_t type);

/* Two segments; on a disk that is not eight times as large an eighth of it, but a segment at least. */
#define NODE_SPACE_LOW_AUTO UINT64_MAX

enum node_storage { NODE_STORAGE_MEMORY = 1, NODE_STORAGE_ROCKSDB };

struct node_opts {
    uint64_t id;
    enum node_storage storage;
    const char *log_dir;          /* of the WAL: exists and is locked */
    const char *snap_dir;         /* memory: snapshot files. rocksdb: where the engine checkpoints */
    const struct config *cluster; /* of --cluster: all voters, added_index 0 */
    bool join;
    uint32_t request_ms_max;       /* a request is answered by then: 503 or 504 */
    uint64_t snapshot_bytes_per_s; /* sent to all peers together; 0: no limit */
    size_t snapshot_chunk_bytes;   /* sent ones are no longer; 0: SNAP_CHUNK_BYTES_MAX */
    uint64_t snapshot_log_bytes;   /* a snapshot is taken when the log since the last one is larger */
    uint32_t requests_max;         /* client requests under way; above it MS_EBUSY */
    uint32_t watches_max;          /* watchers; above it MS_EBUSY */
    uint32_t watch_scan_max;       /* of one job for them, as scan_max and bytes_max of ... */
    size_t watch_bytes_max;        /* ... struct kv_changes; 0: those of kv_changes.h */
    size_t request_bytes_max;      /* an encoded command; above it MS_ETOOBIG */
    size_t range_piece_bytes;      /* of a range; 0: KV_RANGE_SLICE_BYTES */
    uint64_t revisions_kept;       /* automatic compaction keeps this many; 0: never compacts */
    uint32_t digest_ms;            /* members compare their states so often; 0: never */
    uint64_t wal_segment_bytes;
    uint32_t wal_prewrite_bytes;
    uint64_t
        space_low_bytes;   /* with less free space no entries are taken that others can keep; at least
                               * a segment; NODE_SPACE_LOW_AUTO; 0: the space is not looked at */
    struct raft_opts raft; /* id, seed and cluster_uuid are filled in by the node */
    uint64_t seed;
    uint8_t entropy[32]; /* truly random: nonce and, if it founds a cluster, the uuid */
};

struct node_answer {
    uint64_t token;
    int status;
    uint64_t index; /* where it was applied, or the read index */
    uint64_t revision;
    struct kv_result result; /* of a proposal, status 0 */
    struct bytes value;      /* of a read, borrowed during the call */
    struct bytes items;      /* of node_txn(), likewise: an answer (kv_answer.h); items_status says why not */
    int items_status;        /* MS_ETOOBIG, MS_ENOMEM: what it did is done all the same */
    uint64_t compacted_revision; /* of node_compact() */
    uint64_t create_revision, mod_revision, version;
    uint64_t lease;            /* of a key; that was granted or renewed */
    uint64_t ttl_s;            /* of a grant or a keep-alive: the lease lives so long at least from now on */
    struct kv_lease the_lease; /* of node_lease_get(); remaining_ms is of now */
    bool last;                 /* of reads of leases: there is no more behind it */
    const char *text; /* an error: why, one line; NULL: ms_err_text says enough */
};

/* Of node_range(). */
struct node_range_piece {
    uint64_t token;
    int status;
    bool last;          /* nothing more comes of it: always with an error */
    struct bytes items; /* of an answer (kv_answer.h), whole ones; borrowed during the call, may be empty */
    uint64_t revision, compacted_revision; /* the store's when it began; 0 with an error: not known */
    const char *text;                      /* as in node_answer */
};

struct node_host {
    void *ctx;
    /* Queue a frame for a member. False: no connection, or its queue is full; the frame is dropped, and
     * everything here survives that. body is borrowed during the call. */
    bool (*send)(void *ctx, uint64_t to, uint8_t type, struct bytes body);
    /* A connection for a snapshot, beside the one on which send() sends: dial one (its end, or that it
     * is up, comes as node_on_stream()), or close it (nothing of it comes any more). */
    void (*stream)(void *ctx, uint64_t to, bool wanted);
    /* As send(), on that connection. False: there is none, or no room; node_on_stream_room() follows.
     */
    bool (*send_stream)(void *ctx, uint64_t to, uint8_t type, struct bytes body);
    /* The end of a request; its token is free again. */
    void (*answer)(void *ctx, const struct node_answer *answer);
    /* Of node_backup(). status 0: a chunk, borrowed; unless it is the last one, node_backup_next() asks for
     * another. Else it has ended, and nothing more comes. */
    void (*backup)(void *ctx, uint64_t token, int status, struct bytes chunk, bool last);
    /* Of node_watch(). False: this was taken, but nothing more before node_watch_resume(). Behind an END
     * the answer means nothing. */
    bool (*watch)(void *ctx, const struct node_watch_news *news);
    /* The next piece of a node_range(); unless it is the last one, node_range_next() asks for another. */
    void (*range)(void *ctx, const struct node_range_piece *piece);
    /* Run job on the engine's thread; node_on_job() later, never from inside. In order. */
    void (*submit_job)(void *ctx, struct kv_job *job);
    /* The set of peers or URLs may have changed: read node_peers(). */
    void (*peers_changed)(void *ctx);
    /* The member stops by itself. status 0: it was removed (exit code 0). reason: one line. */
    void (*stop)(void *ctx, int status, const char *reason);
    /* NULL, or the simulator's tap: every state of the log that becomes durable, and every message. */
    void (*probe)(void *ctx, const struct node *n, const char *event, uint64_t a, uint64_t b);
};

/* Recover and start; blocks. kv: given, its engine holds what it held (memory: empty; a snapshot file
 * is loaded here). Errors as wal_open, MS_EREMOVED (it was removed: exit 0), MS_ELOSTDATA; why (at
 * least 256 bytes) says what and where. On error kv stays the caller's. */
int node_create(struct node **out, const struct node_opts *opts, struct kv *kv, struct disk *disk,
                const struct ms_alloc *alloc, const struct log_sink *log, const struct node_host *host,
                uint64_t now_ms, char *why, size_t why_cap);
/* Frees everything, also what is under way: the host has made sure that no completion comes any more.
 */
void node_destroy(struct node *n);

/* Requests. token: the caller's, unique among those under way. Answered exactly once by host.answer,
 * never from inside the call. Negative return: refused at once, no answer will come (MS_EBUSY,
 * MS_ETOOBIG, MS_ENOTREADY, MS_ESTOPPED, MS_ENOMEM, MS_ENOSPC: no quorum has room on its disks):
 * certainly not applied. */
int node_propose_txn(struct node *n, uint64_t now_ms, uint64_t token, struct bytes command);
/* As node_propose_txn(), and asks what each operation found. */
int node_txn(struct node *n, uint64_t now_ms, uint64_t token, struct bytes command);
int node_read(struct node *n, uint64_t now_ms, uint64_t token, struct bytes key);
/* As node_read(), of the state as this member has it now, whatever the others have: needs nobody, and may miss
 * writes that were acknowledged long ago. index: what had been applied. */
int node_read_stale(struct node *n, uint64_t now_ms, uint64_t token, struct bytes key);
int node_change(struct node *n, uint64_t now_ms, uint64_t token, enum entry_change change,
                uint64_t member_id, const char *url);

/* Leases: kv.h, and ETCD.md sections 2 and 6. Ids are 1 to MS_LEASE_ID_MAX, else MS_EINVAL.
 * Grant for ttl_s seconds (less than one and a half election timeouts: for that; at most MS_LEASE_TTL_S_MAX). id 0:
 * the cluster picks one. command: empty, or a transaction that is applied with it in one step, whose puts name it as
 * KV_LEASE_OF_GRANT. Answers lease, ttl_s, result as of node_propose_txn(), items as of node_txn(); MS_EEXIST, MS_EBUSY (there are as many
 * leases as may be), MS_ENOLEASE (a put names another one, which is dead). */
int node_lease_grant(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id, uint64_t ttl_s,
                     struct bytes command);
/* Answers also MS_ENOLEASE. */
int node_lease_revoke(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id);
/* Answers lease and ttl_s: the seconds that it lives at least, from now on; MS_ENOLEASE. */
int node_lease_keep_alive(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id);
/* Linearizable, as node_read(). Answers the_lease, and of its keys about keys_bytes in value (each a length u32
 * and as many bytes); MS_ENOTFOUND. What remains is by this member's clock, which may give it a little more than
 * the leader's. */
#define NODE_LEASE_KEYS_BYTES_MAX (1u << 20)
int node_lease_get(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id, size_t keys_bytes);
/* Likewise. Answers at most limit leases with ids above after, in their order: struct kv_lease in value. */
#define NODE_LEASES_LISTED_MAX 10000u
int node_leases_get(struct node *n, uint64_t now_ms, uint64_t token, uint64_t after, uint32_t limit);

/* Make the voters exactly those of wanted: each with role VOTER and a URL; one with an added_index is a
 * member and stays as it is known by then (MS_ENOTFOUND: it is none). Those that are new come as
 * learners and are exchanged all at once when they have caught up; the request is answered when the
 * entry that says so is applied, which may be long before. force: though no quorum of them is known to
 * live, which serves only where nobody joins. Answers also: MS_EEXIST (it is so), MS_ECONFLICT (a URL is another member's, or no room),
 * MS_ENOQUORUM, MS_EINVAL (nobody is wanted, or a URL that nobody could dial). */
int node_change_set(struct node *n, uint64_t now_ms, uint64_t token, const struct config *wanted,
                    bool force);
/* Switch reads by lease (diss. 6.4.1) on or off, for the whole cluster; MS_EEXIST: it is so. They rest
 * on clocks that run at rates less than a tenth apart, on all members. */
int node_set_lease(struct node *n, uint64_t now_ms, uint64_t token, bool on);
/* Hand the leadership to target (0: to the best of the others). Answered with 0 when it (another than
 * now) leads, or MS_ENOLEADER at the deadline. Returns also MS_ENOTFOUND (no member), MS_ECONFLICT (no
 * voter, or no other one). */
int node_transfer(struct node *n, uint64_t now_ms, uint64_t token, uint64_t target);

/* Compact the history up to revision, on all members; reading at it goes on working. Answers: MS_EFUTURE,
 * MS_ECOMPACTED (nothing was done); MS_EUNKNOWN, MS_ENOLEADER and others: some of it may be done. */
int node_compact(struct node *n, uint64_t now_ms, uint64_t token, uint64_t revision);
/* Read the range op, in pieces: all of one moment, which is after this call, with all that was acknowledged
 * before; stale: of the state as this member has it, at once. op: copied. They come by host.range(), never from
 * inside these calls, the first one by itself; it ends with the last one, or with an error: as of KV_JOB_RANGE
 * (kv.h); MS_ENOLEADER; MS_ETIMEOUT (it is taken too slowly); MS_ESTOPPED. Returns as node_read(). */
int node_range(struct node *n, uint64_t now_ms, uint64_t token, const struct kv_op *op, bool stale);
void node_range_next(struct node *n, uint64_t now_ms, uint64_t token);
/* Nobody takes it any more. One that has ended, or never was, is fine. */
void node_range_end(struct node *n, uint64_t now_ms, uint64_t token);

/* Save a backup: the state at a moment after this call, with all that was acknowledged before, as chunks of a
 * snapshot (kv.h). They come by host.backup(), never from inside these calls, the first one by itself; it
 * ends with the last one, or with an error: MS_ENOLEADER, MS_ETIMEOUT (it is taken too slowly),
 * MS_ESTOPPED, MS_ENOMEM. Returns as node_read(); MS_EBUSY: NODE_BACKUPS_MAX are under way. */
int node_backup(struct node *n, uint64_t now_ms, uint64_t token);
void node_backup_next(struct node *n, uint64_t now_ms, uint64_t token);
/* Nobody takes it any more. One that has ended, or never was, is fine. */
void node_backup_end(struct node *n, uint64_t now_ms, uint64_t token);

/* Inputs. */
void node_on_frame(struct node *n, uint64_t now_ms, uint64_t from, uint8_t type, struct bytes body);
void node_on_link(struct node *n, uint64_t now_ms, uint64_t peer, bool up); /* our own dialed one */
/* The connection of host.stream(): it is up; it has ended, or there was none to be had. */
void node_on_stream(struct node *n, uint64_t now_ms, uint64_t peer, bool up);
void node_on_stream_room(struct node *n, uint64_t now_ms, uint64_t peer);
void node_on_disk(struct node *n, uint64_t now_ms, struct disk_op *op); /* whose owner chain is ours */
void node_on_job(struct node *n, uint64_t now_ms, struct kv_job *job);
void node_on_tick(struct node *n, uint64_t now_ms);
/* End of a turn: starts the batch, sends what is due, starts the read round. */
void node_flush(struct node *n, uint64_t now_ms);
uint64_t node_deadline_ms(const struct node *n);

/* Hand over if this member leads, finish what was accepted, refuse new requests; node_is_quiet() then
 * tells when nothing is left. */
void node_shutdown(struct node *n, uint64_t now_ms);
bool node_is_quiet(const struct node *n);

/* Identity, for handshakes (DESIGN 4). */
struct node_identity {
    uint8_t cluster_uuid[MS_UUID_BYTES], nonce[MS_UUID_BYTES];
    uint64_t member_id, added_index;
    char url[MS_URL_BYTES_MAX + 1]; /* where it is reached by peers */
};
void node_identity(const struct node *n, struct node_identity *out);
/* Judge a peer that says hello (either side). 0: fine; MS_EFOREIGN (another cluster, or its directory
 * is not the one bound to its id), MS_EREMOVED (it was removed); why is filled. A peer whose id is not
 * bound yet is noted, and attached by the leader; one that is not in the configuration known here,
 * because this member is behind, is listed by node_peers() for as long as it is heard. */
int node_judge_peer(struct node *n, uint64_t now_ms, const struct node_identity *peer, char *why,
                    size_t why_cap);
/* A peer refused us with REMOVED: the member writes that down and stops. */
void node_on_removed(struct node *n, uint64_t now_ms, uint64_t by);

struct node_peer {
    uint64_t id;
    char url[MS_URL_BYTES_MAX + 1];
};
/* The members to talk to, this one left out; for up to MS_MEMBERS_MAX peers. Returns the count. */
uint32_t node_peers(const struct node *n, struct node_peer *out);

struct node_status {
    uint64_t id, term, leader, commit_index, applied_index, last_index, durable_index;
    uint64_t snapshot_index, revision, compacted_revision, key_count, lease_count;
    uint64_t log_bytes;
    enum raft_role role;
    bool learner, abstains, ready, has_quorum_contact;
    const char *abstain_reason; /* NULL if it does not */
    uint64_t transfer_target;   /* is taking over from this leader; 0: nobody */
    uint64_t stall_transfers; /* leaderships given away because the own log stalled, since the start */
    bool disk_stalled;        /* the log does not answer now */
    bool disk_full;           /* below space_low_bytes, or the log could not grow */
    bool quorum_full;         /* no quorum has room: writes give MS_ENOSPC */
    uint64_t disk_free_bytes; /* when it was looked at last; UINT64_MAX: it was not */
    uint64_t space_transfers; /* leaderships given away because the own disk was full */
    uint32_t lease_ms;        /* of reads by lease, in this cluster; 0: off */
    bool lease_held;          /* this leader serves reads by lease now */
    enum node_storage storage;
    uint8_t cluster_uuid[MS_UUID_BYTES];
    struct kv_digest digest;
    struct node_watch_stats watch;
    struct config config; /* in force */
};
void node_status(const struct node *n, struct node_status *out);

/* Who leads, in which term, as far as this member knows; leader 0: nobody it knows of. */
struct node_leadership {
    uint64_t term, leader;
};
void node_leadership(const struct node *n, struct node_leadership *out);

/* What has happened since the start, and what is under way. */
struct node_counters {
    uint64_t leader_changes;              /* terms in which a leader was seen */
    uint64_t proposals, proposals_failed; /* of this member's clients; failed: answered with an error */
    uint64_t reads;
    uint64_t snapshots_taken, snapshots_sent, snapshots_received;
    uint32_t proposals_pending, reads_pending;
    uint32_t log_segments; /* files of the log, spare ones too */
};
void node_counters(const struct node *n, struct node_counters *out);
/* On the leader: by how many entries a peer's log is behind; false: not the leader, or no such peer. */
bool node_peer_lag(const struct node *n, uint64_t peer, uint64_t *lag);

/* For checkers. */
const struct raft *node_raft(const struct node *n);
const struct wal *node_wal(const struct node *n);
const struct kv *node_kv(const struct node *n);
uint64_t node_applied_index(const struct node *n);
/* How it times a lease. False: it does not (yet). */
bool node_lease_time(const struct node *n, uint64_t id, uint64_t *deadline_ms, uint64_t *renewed_index);

#endif
