/* node_private.h: the inside of a node. One concern a file:
 *   node.c           life, inputs, status        node_step.c      raft in, raft out
 *   node_boot.c      recovery at start           node_store.c     the log: batches, reads, events
 *   node_propose.c   proposals and forwarding    node_apply.c     apply, and what follows from it
 *   node_read.c      linearizable reads          node_gate.c      identity, gate, attach, abstaining
 *   node_snap_take.c snapshots of our own        node_snap_send.c, node_snap_recv.c  to and from peers
 *   node_space.c     running out of space        node_transfer.c  handing over
 *   node_watch*.c    watches (node_watch_private.h)
 *   node_range.c     ranges of keys              node_compact.c   compaction by hand
 *   node_digest.c    comparing states
 *   node_lease.c     time for leases             node_lease_calls.c  what clients ask of them
 *
 * Invariants, asserted by number in node_check():
 *   P4  applied index <= min(commit index, durable index)
 *   P7  at most one apply job is under way, and none while a snapshot is being swapped in
 *   P9  of a transfer: taken <= sent <= read <= taken + SNAP_WINDOW_CHUNKS_MAX, on both sides
 *   P8  every settled proposal is below low_seq or marked so; low_seq <= next_seq <= low_seq + window
 */
#ifndef NODE_NODE_PRIVATE_H
#define NODE_NODE_PRIVATE_H

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "env/rand.h"
#include "format/entry_lease.h"
#include "node/node.h"
#include "node/node_lease_table.h"
#include "node/node_msg.h"
#include "node/node_watch_private.h"

#define NODE_MAGIC 0x4d534e4fu
#define NODE_APPLY_BYTES_MAX (1u << 20) /* payloads in one apply job; one entry always fits */
#define NODE_STORE_BYTES_MAX (1u << 20) /* payloads in one batch; one entry always fits */
#define NODE_READ_GROUPS 8u             /* read rounds this member may have under way */
#define NODE_RETAINED_ENTRIES 64u       /* kept behind a snapshot for those just a little behind */
#define NODE_FETCH_BYTES_MAX (1u << 20)
#define NODE_DEPARTED_MS 5000u    /* a removed peer is still talked to, so that it learns it */
#define NODE_APPLY_RETRY_MS 200u  /* after the engine had no room for more */
#define NODE_SPACE_RETRY_MS 2000u /* after the disk was full */
#define NODE_TAKE_BURST_BYTES (1u << 20)
#define NODE_TAKE_BYTES_PER_MS (32u << 10) /* of the state: a chunk is due every two milliseconds */
#define NODE_TAKE_SYNC_BYTES (1u << 20)    /* of the file */
#define NODE_SNAP_RETRY_MS 5000u           /* after a snapshot could not be taken */
#define NODE_SNAP_SHORT_MS 300000u         /* after one that was received has found no room */
#define NODE_GUESTS_MAX MS_MEMBERS_MAX     /* peers outside of the configuration applied here ... */
#define NODE_GUEST_MS 60000u               /* ... are talked to for so long after they were heard */
#define NODE_KEEP_MS 10000u                /* log behind a snapshot that was just sent is kept */
#define NODE_WHY_BYTES 256u
#define NODE_LEASE_GRACE_MS 1000u /* a lease lives so much longer than its time (node_lease.c, TL1) */
#define NODE_LEASE_RATE 1000u     /* no clock runs faster than true time by more than this part of it */
#define NODE_LEASE_BODY_KEPT_BYTES (64u << 10)
/* What an apply job can say: its entries, but one, have NODE_APPLY_BYTES_MAX, and 8 bytes an id at least. */
#define NODE_LEASE_EVENTS_BYTES_MAX                                                                    \
    ((NODE_APPLY_BYTES_MAX / 8u + MS_LEASE_BATCH_MAX) * sizeof(struct kv_lease_event))

/* One proposal of this member, from acceptance until its client is answered. */
struct node_proposal {
    uint64_t token, deadline_ms;
    uint64_t sent_ms, sent_term;
    uint64_t attempt;     /* of the newest sending */
    uint64_t refused;     /* the newest attempt that is known to be in no log */
    uint32_t sends;       /* sendings that were not refused: 0 means certainly not in any log */
    uint32_t repeats;     /* of the newest sending, over the same link, without a refusal between */
    uint8_t kind;         /* ENTRY_TXN, ENTRY_CHANGE_REQUEST, those of leases that clients ask for */
    struct node_renewals *renewals; /* ENTRY_LEASE_RENEW: who is answered, owned; token is unused */
    bool live;            /* not answered yet */
    bool left;            /* was sent to another member at least once */
    bool asks;            /* TXN: for what each operation finds */
    uint64_t compact_to;  /* COMPACT: it is a step on the way there */
    uint64_t named_config, snapshots_before; /* CHANGE_REQUEST: the index of the configuration that the
                                                payload names; counters.snapshots_received then */
    int16_t refusal;      /* why the last sending was refused, for the answer at the deadline */
    struct bytes body;    /* owned, before it is encoded */
    struct bytes payload; /* owned, encoded at first sending; empty before */
};

struct node_proposals {
    struct node_proposal *slots; /* by seq modulo capacity; grows to ORIGIN_WINDOW */
    uint32_t capacity, live_count;
    uint32_t asking_count; /* of those that ask for answers */
    uint64_t low_seq, next_seq;
    uint64_t unsent_seq; /* from here on nothing was sent to the present leader */
    uint64_t resend_ms;  /* when to begin again at low_seq, in case frames were lost */
};

/* A wish for a change that this member has refused for good, as a leader. Whether a quorum would be left may look
 * otherwise when a copy of the frame comes: it is refused like the first. */
#define NODE_REFUSED_MAX 16u /* the newest ones */
struct node_refused {
    struct entry_origin origin;
    int16_t status;
};

/* What is read in place of a key: fields of its job. */
struct node_read_wish {
    enum kv_job_kind kind;
    uint64_t lease, limit;
};

struct node_read {
    struct node_read *next;
    uint64_t token, deadline_ms;
    uint64_t index;             /* the read index, once known */
    struct node_backup *backup; /* NULL, or what is opened then, in place of reading a key */
    struct node_range *range;   /* likewise */
    uint64_t compact_to;        /* likewise: a compaction to it by hand begins; 0: none */
    struct node_read_wish wish; /* kind 0: a key is read */
    struct buf key;
    struct kv_job job;
};

struct node_read_list {
    struct node_read *first, *last;
    uint32_t count;
};

/* Reads that share one read index. token 0: the slot is free. */
struct node_read_group {
    uint64_t token, asked_ms, index;
    bool confirmed;
    struct node_read_list reads;
};

struct node_reads {
    struct node_read_list waiting; /* not in a group yet */
    struct node_read_list running; /* their jobs are under way */
    struct node_read_group groups[NODE_READ_GROUPS];
    struct node_read *spare;
    uint32_t spare_count, live_count;
    uint64_t next_token;
    uint64_t retry_ms; /* no leader answered: not before */
};

struct node_store {
    bool busy;
    uint64_t batch_token;                                  /* of the batch under way */
    uint64_t raft_token;                                   /* of the raft_store in it; 0: none */
    struct wal_state state;                                /* what shall be durable ... */
    bool state_dirty;                                      /* ... and is not in any batch yet */
    uint64_t state_version, stored_version, batch_version; /* which state is durable */
    bool reset_wanted;
    uint64_t reset_index, reset_term;
};

/* What of the log a peer asked for that is no longer in memory; one wal_read at a time. */
struct node_fetches {
    struct {
        uint64_t peer, first_index, last_index;
    } wanted[MS_MEMBERS_MAX];
    uint32_t count;
    bool busy;
    uint64_t busy_peer, busy_first, busy_last, token;
};

struct node_apply {
    struct kv_job job;
    struct entry_ref *entries[KV_APPLY_ENTRIES_MAX];
    struct kv_result results[KV_APPLY_ENTRIES_MAX];
    bool asked[KV_APPLY_ENTRIES_MAX];
    uint32_t count; /* of entries; the job may do less */
    struct kv_info info; /* the job's */
    struct buf lease_events; /* likewise */
    bool busy;
    bool held;         /* a snapshot is being swapped in (P7) */
    uint64_t retry_ms; /* the engine has no room for more: asked again then; 0: it has */
};

/* In order; what fails goes to CLOSE_VIEW with a status. */
enum node_take_state {
    NODE_TAKE_IDLE,
    NODE_TAKE_OPEN_VIEW,
    NODE_TAKE_OPEN_FILE,
    NODE_TAKE_TRUNCATE,
    NODE_TAKE_READ,
    NODE_TAKE_WRITE,
    NODE_TAKE_SYNC_PART,
    NODE_TAKE_WAIT, /* for due_ms */
    NODE_TAKE_SYNC,
    NODE_TAKE_CLOSE_VIEW,
    NODE_TAKE_CLOSE_FILE,
    NODE_TAKE_RENAME,
    NODE_TAKE_SYNC_DIR,
    NODE_TAKE_POINT,
    NODE_TAKE_REMOVE,
    NODE_TAKE_REMOVE_SYNC,
    NODE_TAKE_PERSIST,
    NODE_TAKE_DISCARD, /* what there is of it, when there was no room for more */
    NODE_TAKE_DISCARD_SYNC
};

struct node_take {
    enum node_take_state state;
    struct kv_job job;
    struct kv_info info;
    struct disk_op op;
    disk_file file;
    uint64_t offset;
    uint64_t state_bytes;      /* of the chunks without their codec */
    uint64_t synced;           /* offset up to which the file is synced */
    uint64_t began_ms, due_ms; /* the view was opened; the next chunk may be read */
    void *view;
    uint64_t retry_ms;
    uint64_t kept_bytes;      /* of the log when it was last cut: they are behind a snapshot already */
    uint64_t owed_index;      /* it could have been cut to here, and was kept for a member; 0: it was not */
    uint64_t last_bytes;      /* size of the newest snapshot without its codec */
    bool last;                /* the chunk under way is the last one */
    uint64_t pointed_version; /* the state that points to the new snapshot ... */
    uint64_t pointed_index, pointed_bytes; /* ... which is this one */
    uint64_t old_index, old_term;          /* file to remove once that is durable; 0: none */
    uint64_t content_bytes;   /* about how large the state is in its engine */
    uint64_t short_bytes;     /* the last one ran out of space behind so many; 0: it did not ... */
    uint64_t short_content;   /* ... with content_bytes of it */
    int status;               /* of what failed */
    int told_status;          /* that the log has told last */
};

enum node_send_state {
    NODE_SEND_FREE,
    NODE_SEND_OPEN,
    NODE_SEND_IDLE, /* no job is under way */
    NODE_SEND_READ,
    NODE_SEND_CLOSE
};

struct node_send {
    enum node_send_state state;
    uint64_t peer, term, stream, index, snap_term;
    bool doomed; /* ended while a job is under way */
    int status;  /* what raft is told */

    /* Chunks, by seq modulo its size; read from the view and not acknowledged as taken. */
    struct buf window[SNAP_WINDOW_CHUNKS_MAX];
    size_t window_bytes;
    uint64_t read_bytes;                    /* of the view, so far */
    uint64_t taken_seq, sent_seq, read_seq; /* each: of the next one. sent: on this connection */
    bool complete;                          /* all of the view is read */

    bool dialing, up;     /* the connection */
    bool placed;          /* an offer on it was answered: chunks flow */
    bool full;            /* it takes no more for now */
    uint64_t offer;       /* number of the newest offer */
    uint64_t offered_seq; /* what was sent before it */
    uint64_t offer_ms;    /* if nothing is answered by then, another one */
    uint64_t redial_ms, heard_ms, give_up_ms;
    uint32_t doublings, redials; /* of the waits for an answer, for the next dial */
    struct kv_job job;
    struct kv_info info;
    void *view;
};

/* Who takes a backup or a range, piece by piece, keeps a view open. */
#define NODE_TAKER_PATIENCE_MS 30000u            /* the most that is waited for a taker */
#define NODE_TAKER_LEAST_BYTES_PER_S (16u << 10) /* patience that a byte buys */

/* In order, IDLE and READ in turn. */
enum node_backup_state {
    NODE_BACKUP_FREE,
    NODE_BACKUP_WAIT, /* for a read index */
    NODE_BACKUP_OPEN,
    NODE_BACKUP_READ,
    NODE_BACKUP_IDLE, /* a chunk is with its taker */
    NODE_BACKUP_CLOSE
};

struct node_backup {
    enum node_backup_state state;
    uint64_t token;
    bool ended; /* for its taker */
    uint64_t give_up_ms;
    struct kv_job job;
    struct kv_info info;
    void *view;
};
static_assert(NODE_SENDS_MAX + NODE_BACKUPS_MAX + 1u <= KV_SNAPSHOTS_MAX, "each finds a view");

/* In order, IDLE and READ in turn. */
enum node_range_state {
    NODE_RANGE_WAIT, /* for a read index */
    NODE_RANGE_READ,
    NODE_RANGE_IDLE, /* a piece is with its taker */
    NODE_RANGE_CLOSE
};

struct node_range {
    struct node_range *next;
    enum node_range_state state;
    uint64_t token;
    bool ended; /* for its taker */
    uint64_t give_up_ms;
    struct kv_op op;
    struct buf names; /* what op borrows */
    struct kv_job job;
    void *scan; /* the rest of it; NULL: none */
};

struct node_ranges {
    struct node_range *first;
    uint32_t count;
};

/* In order (memory engine; a durable engine has no file). What fails goes to ABORT. */
enum node_recv_state {
    NODE_RECV_IDLE,
    NODE_RECV_OPEN_FILE,
    NODE_RECV_TRUNCATE,
    NODE_RECV_BEGIN,
    NODE_RECV_WAIT,
    NODE_RECV_WRITE,
    NODE_RECV_LOAD,
    NODE_RECV_SYNC,
    NODE_RECV_CLOSE_FILE,
    NODE_RECV_RENAME,
    NODE_RECV_SYNC_DIR,
    NODE_RECV_END,
    NODE_RECV_ABORT,
    NODE_RECV_ABORT_CLOSE,
    NODE_RECV_ABORT_DISCARD, /* there was no room for more */
    NODE_RECV_ABORT_SYNC
};

struct node_recv {
    enum node_recv_state state;
    uint64_t from, term, stream, index, snap_term;
    struct buf chunks[SNAP_WINDOW_CHUNKS_MAX]; /* by seq modulo its size: heard and not taken yet */
    uint64_t taken_seq, heard_seq;             /* each: of the next one */
    bool complete;                             /* the last one was heard */
    bool loading;                              /* LOAD_BEGIN was done: it has to be ended */
    bool superseded; /* there is a newer one: give up when no job is under way */
    int status;
    uint64_t short_bytes; /* the last one ran out of space behind so many; 0: it did not ... */
    uint64_t short_ms;    /* ... which says nothing from then on: the state may be smaller by now */
    uint64_t give_up_ms;
    uint64_t invited_term, invited_stream;     /* the offer that was answered last */
    uint64_t done_term, done_stream, done_seq; /* the newest transfer that was installed */
    disk_file file;
    uint64_t offset;
    uint64_t state_bytes; /* of the chunks without their codec */
    struct disk_op op;
    struct kv_job job;
    struct kv_info info;
};

struct node_gate_peer {
    uint64_t id;
    bool heard, fresh;
    uint64_t heard_ms; /* what it said counts for a while only */
};
#define NODE_GATE_HEARD_TIMEOUTS 2u /* election timeouts */

struct node_gatekeeper {
    bool wanted;   /* fresh, no --join, not passed: asking around */
    bool closed;   /* found its peers bootstrapped: never passes in this life */
    bool founding; /* passed, durably: raft has the bootstrap configuration */
    uint8_t cluster_uuid[MS_UUID_BYTES]; /* that a member of --cluster told last; zero: none has */
    uint64_t list_hash, ask_ms;
    uint64_t pass_version; /* state version that holds the pass; 0: not passing */
    struct node_gate_peer peers[MS_MEMBERS_MAX];
};

/* Nonces heard in handshakes, for the leader to attach. */
struct node_nonce {
    uint64_t member_id;
    uint8_t nonce[MS_UUID_BYTES];
};

/* A wish that another lead, until that is seen. */
struct node_transfer {
    uint64_t token, target, from, deadline_ms;
};

#define NODE_TRANSFERS_MAX 8u
#define NODE_LEAVE_TIMEOUTS 2u /* election timeouts in which a leader that goes tries to hand over */

struct node_transfers {
    struct node_transfer items[NODE_TRANSFERS_MAX];
    uint32_t count;
    uint64_t again_ms; /* when the leader is asked again */
};

/* A ring by index. */
#define NODE_DIGESTS_KEPT 8u
#define NODE_DIGEST_REPEATS_MAX 10u /* the time between two doubles so often */
struct node_digest_reports {
    uint64_t member_id; /* 0: free */
    struct node_digest_report kept[NODE_DIGESTS_KEPT];
};

struct node_digests {
    struct node_digest_reports members[MS_MEMBERS_MAX]; /* this one included */
    uint64_t last_index;                                /* where digests were to be reported last */
    uint64_t proposed_ms;                               /* leader: the last one */
    uint32_t repeats; /* since then, as somebody's report is missing */
    uint64_t hopeless_index; /* no digest could be right there; 0: or one was since */
    uint64_t wrong_index;    /* the own state was found wrong there; 0: it was not ... */
    uint64_t wrong_version;  /* ... and this state says so */
};

struct node_leases {
    struct node_lease_table table;
    struct node_renewals *renewals; /* came in this turn */
    uint32_t renewal_count;         /* not answered yet */
    struct buf body, grant;         /* scratch: of entries */
    struct kv_job job;              /* of the scan */
    bool scanned, scanning;
    bool scan_again; /* what the job under way reads is of a state that has been replaced */
    uint64_t scan_after;
    uint64_t scan_ms;                 /* not before: memory was refused */
    uint64_t asked_term, asked_index; /* as leader: up to here stands what it has proposed */
    uint64_t retry_ms;                /* as leader: not before */
};

/* On a leader: a damaged member has asked, and is answered when a round confirms that nobody else leads. */
struct node_repair_asked {
    uint64_t token, from, number; /* token 0: free */
};

struct node_departed {
    struct node_peer peer;
    uint64_t until_ms;
};

struct node_space {
    struct disk_op op;
    bool busy;
    uint32_t dir; /* that is looked at */
    uint32_t seen_dir, least_dir;
    uint64_t seen_bytes, free_bytes; /* the least of all; UINT64_MAX: not known, or enough */
    uint64_t total_bytes;            /* of the log's disk */
    uint64_t poll_ms;
    bool full;
    bool closed;                 /* too little is prepared to take entries that others can keep */
    bool told_full, told_closed; /* raft knows these */
    bool told_lacks;             /* likewise */
    uint64_t room_bytes;         /* likewise */
    bool told;                   /* as leader: that there is no quorum with room */
    uint64_t number;             /* of what was told last */
    bool lacks, logged;          /* as follower: what the leader of heard_term has said last */
    uint64_t heard_term, heard_number, lacks_until_ms;
};

struct node {
    uint32_t magic;
    uint64_t now_ms;
    struct node_opts opts;
    struct config cluster; /* of --cluster */
    char log_dir[DISK_PATH_BYTES_MAX], snap_dir[DISK_PATH_BYTES_MAX];
    const struct ms_alloc *alloc;
    const struct log_sink *log;
    struct disk *disk;
    struct node_host host;
    struct ms_rand rand;

    struct raft *raft;
    struct wal *wal;
    struct kv *kv;
    struct kv_info info; /* of the applied state */
    uint64_t seen_term, seen_leader, seen_config_index;
    uint8_t nonce[MS_UUID_BYTES];

    struct node_store store;
    struct node_fetches fetches;
    struct node_proposals proposals;
    struct node_refused refused[NODE_REFUSED_MAX];
    uint32_t refused_next;
    struct node_reads reads;
    struct node_counters counters; /* what is under way is counted when asked for */
    uint64_t seen_leader_term;     /* of the last leader that was counted */
    struct node_apply apply;
    struct node_watches watches;
    struct node_take take;
    struct node_backup backups[NODE_BACKUPS_MAX];
    struct node_ranges ranges;
    struct node_send sends[NODE_SENDS_MAX];
    uint64_t refused_sends[MS_MEMBERS_MAX]; /* peers raft asked a snapshot for when there was no room */
    uint32_t refused_send_count;
    uint64_t next_stream;
    uint32_t send_turn;
    int64_t send_credit; /* bytes times 1000 that may be sent now, at ... */
    uint64_t send_credit_ms;
    /* Of the snapshot that was sent last: its taker follows the log. */
    uint64_t keep_index, keep_bytes, keep_until_ms;
    struct node_recv recv;
    struct node_gatekeeper gate;
    struct node_nonce nonces[MS_MEMBERS_MAX];
    uint32_t nonce_count;
    struct node_departed departed[MS_MEMBERS_MAX];
    uint32_t departed_count;
    struct node_departed guests[NODE_GUESTS_MAX]; /* peer.id 0: free */

    struct node_leases leases;
    struct node_space space;
    struct node_digests digests;
    uint64_t space_ms;              /* when the log tries to grow again */
    uint64_t house_ms;              /* next housekeeping */
    uint64_t attach_ms;                        /* a leader's own attaches: not before */
    uint64_t own_term;                         /* in which it has proposed of its own, by kind, ... */
    uint64_t own_index[ENTRY_KIND_MAX + 1];    /* ... what stands last at these indexes of its log */
    struct node_repair_asked repairs[MS_MEMBERS_MAX];
    uint64_t repair_first, repair_number, repair_ms, repair_term,
        repair_index; /* target; 0: not known */
    const char *abstain_reason;
    bool removed; /* stops once that is durable */
    uint64_t removed_version;
    struct node_transfers transfers;
    int exchange_status; /* why an exchange of members waited when that was logged last */
    bool leaving;        /* shutting down, and still to hand over ... */
    uint64_t leave_ms;   /* ... not after this */
    bool shutting_down, failed, stopped;

    struct raft_output out;
    struct buf frame;               /* scratch: the frame being encoded */
    struct buf scratch;             /* scratch: an entry being encoded */
    struct raft_msg_entry *decoded; /* RAFT_MSG_ENTRIES_MAX, for incoming appends */
};

/* --- node.c --- */
void node_fail(struct node *n, int status, const char *reason);
void node_fail_file(struct node *n, int status, const char *what, const char *path, uint64_t offset);
const struct config *node_config(const struct node *n); /* in force, or of --cluster while unknown */
bool node_is_leader(const struct node *n);
int node_accept(struct node *n, uint64_t now_ms); /* a request: 0, MS_ESTOPPED */
/* Until when a taker is waited for, from now on, that takes len bytes more. */
uint64_t node_taker_give_up_ms(const struct node *n, uint64_t give_up_ms, size_t len);
void node_send_frame(struct node *n, uint64_t to, enum node_frame type);  /* n->frame */
bool node_send_stream(struct node *n, uint64_t to, enum node_frame type); /* likewise */
void node_answer_status(struct node *n, uint64_t token, int status, const char *text);
void node_check(const struct node *n);

/* --- node_step.c --- */
int node_step(struct node *n, const struct raft_input *in);
int node_step_kind(struct node *n, enum raft_input_kind kind);
void node_on_raft_frame(struct node *n, uint64_t from, struct bytes body);

/* --- node_boot.c --- */
int node_boot(struct node *n, char *why, size_t why_cap);
void node_snap_path(const struct node *n, char out[DISK_PATH_BYTES_MAX], uint64_t index, uint64_t term);
void node_snap_temp_path(const struct node *n, char out[DISK_PATH_BYTES_MAX], const char *name);
#define NODE_TEMP_TAKEN "taken.tmp"
#define NODE_TEMP_RECEIVED "received.tmp"

/* --- node_store.c --- */
void node_state_changed(struct node *n); /* store.state was changed: make it durable */
bool node_state_durable(const struct node *n, uint64_t version);
void node_store_pump(struct node *n);
void node_store_events(struct node *n);
void node_fetch(struct node *n, uint64_t peer, uint64_t first_index, uint64_t last_index);
void node_fetch_pump(struct node *n);

/* --- node_propose.c --- */
int node_proposals_init(struct node *n);
void node_proposals_fini(struct node *n);
int node_propose(struct node *n, uint64_t token, uint8_t kind, struct bytes body);
void node_propose_pump(struct node *n);
void node_propose_again(struct node *n); /* look at all of them anew */
/* There is another leader, or a new link to it: what was sent before may be lost. */
void node_propose_relink(struct node *n);
void node_propose_tick(struct node *n);
void node_on_forward(struct node *n, uint64_t from, struct bytes body);
void node_on_forward_reply(struct node *n, struct bytes body);
/* items: what its operations found, if it asks for that. lease_events: what its entry did to leases. */
void node_proposal_applied(struct node *n, uint64_t seq, const struct kv_result *result,
                           struct bytes items, struct bytes lease_events);
bool node_proposal_asks(const struct node *n, uint64_t seq);
int node_propose_asking(struct node *n, uint64_t token, uint8_t kind, struct bytes body);
int node_propose_compaction(struct node *n, uint64_t token, struct bytes body, uint64_t revision);
/* renewals: given; on error they stay the caller's. */
int node_propose_renewals(struct node *n, struct node_renewals *renewals, struct bytes body);
int node_propose_own(struct node *n, uint8_t kind, struct bytes body); /* the leader's, no origin */
/* Whether one of that kind is not applied yet: what it would change is as it was, and to propose it again for
 * as long as a quorum is slow would fill the log. */
bool node_own_pending(const struct node *n, uint8_t kind);
uint64_t node_propose_deadline(const struct node *n);

/* --- node_read.c --- */
void node_reads_fini(struct node *n);
/* backup: NULL, or what is opened in place of reading a key. */
int node_read_begin(struct node *n, uint64_t token, struct bytes key, struct node_backup *backup);
int node_read_begin_range(struct node *n, uint64_t token, struct node_range *range);
int node_read_begin_compaction(struct node *n, uint64_t token, uint64_t revision);
int node_read_now(struct node *n, uint64_t token, struct bytes key);
void node_read_pump(struct node *n); /* ask for what waits */
void node_read_run(struct node *n);  /* run what is confirmed and applied */
/* A token no other life of this member has used: an old reply must not confirm a new read (B01). */
uint64_t node_read_token(struct node *n);
bool node_on_read_index(struct node *n, uint64_t token, uint64_t index, int status); /* a read's? */
void node_read_done(struct node *n, struct node_read *read);
void node_read_tick(struct node *n);
uint64_t node_read_deadline(const struct node *n);

/* As node_read_begin(), of something else than a key. */
int node_read_begin_wish(struct node *n, uint64_t token, const struct node_read_wish *wish);

/* --- node_lease.c --- */
void node_leases_init(struct node *n);
void node_leases_fini(struct node *n);
void node_leases_replaced(struct node *n); /* the state was: n->info is of the new one */
void node_lease_event(struct node *n, const struct kv_lease_event *e);
void node_lease_on_job(struct node *n);
void node_lease_pump(struct node *n);
uint64_t node_lease_deadline(const struct node *n);
/* What is left, by this member's clock, of a lease as the state has it. */
uint64_t node_lease_remaining_ms(const struct node *n, const struct kv_lease *lease);

/* --- node_lease_calls.c --- */
void node_renewals_pump(struct node *n);
/* Answer all of them, each with its own part, and free them. */
void node_renewals_answer(struct node *n, struct node_renewals *r, const struct node_answer *answer,
                          struct bytes events);
void node_renewals_free(struct node *n, struct node_renewals *r);
/* The seconds that are acknowledged now, of a ttl_ms whose entry was accepted then; or that it is too late. */
void node_lease_answer_time(const struct node *n, uint64_t ttl_ms, uint64_t accepted_ms,
                            struct node_answer *a);
void node_lease_read_done(struct node *n, struct kv_job *job, struct node_answer *a);

/* --- node_transfer.c --- */
void node_on_transfer(struct node *n, struct bytes body);
void node_transfer_pump(struct node *n);
void node_transfer_leave(struct node *n);
uint64_t node_transfer_deadline(const struct node *n);

/* --- node_space.c --- */
void node_space_init(struct node *n);
void node_space_tick(struct node *n);
void node_space_pump(struct node *n); /* tell raft */
void node_space_on_disk(struct node *n);
void node_on_room(struct node *n, uint64_t from, struct bytes body);
bool node_space_is_lacking(const struct node *n); /* no quorum has room: no writes */
bool node_space_is_closed(const struct node *n);  /* what is written here would not come back here */

/* --- node_digest.c --- */
void node_digest_applied(struct node *n, const struct kv_result *result); /* an ENTRY_DIGEST */
void node_on_digest(struct node *n, uint64_t from, struct bytes body);
void node_digest_forget(struct node *n, uint64_t id); /* its state may be another one now */
bool node_digest_is_wrong(const struct node *n);
void node_digest_stored(struct node *n); /* some state became durable */
void node_digest_tick(struct node *n);   /* leader only */

/* --- node_apply.c --- */
void node_apply_pump(struct node *n);
void node_apply_done(struct node *n);
void node_info_changed(struct node *n, const struct kv_info *info);

/* --- node_gate.c --- */
int node_gate_init(struct node *n);
void node_gate_tick(struct node *n);
void node_on_gate(struct node *n, uint64_t from, struct bytes body);
void node_gate_close(struct node *n, uint64_t by); /* that member belongs to a running cluster */
void node_gate_stored(struct node *n);             /* some state became durable */
void node_update_abstain(struct node *n);
void node_compact_pump(struct node *n);
bool node_has_committed(const struct node *n); /* an entry of the present term */
void node_leader_tick(struct node *n); /* attach, promote, compact: what only a leader does */
void node_mark_removed(struct node *n, const char *reason);
bool node_is_fresh(const struct node *n);
void node_guest_heard(struct node *n, uint64_t id); /* node_identity.c */
void node_repair_tick(struct node *n);
void node_on_repair(struct node *n, uint64_t from, struct bytes body);
void node_repair_confirmed(struct node *n, uint64_t token, int status); /* if token is of one */
void node_on_repair_reply(struct node *n, struct bytes body);
const struct kv_binding *node_binding(const struct node *n, uint64_t id, uint64_t added_index);

/* --- node_snap_take.c --- */
void node_take_pump(struct node *n);
uint64_t node_take_deadline(const struct node *n);
void node_take_on_job(struct node *n);
void node_take_on_disk(struct node *n);
void node_take_point(struct node *n, uint64_t index, uint64_t term, uint64_t bytes);
void node_take_stored(struct node *n); /* some state became durable: the log may be cut */

/* --- node_range.c --- */
int node_range_begin(struct node *n, uint64_t token, const struct kv_op *op, bool stale);
void node_range_open(struct node *n, struct node_range *r);
void node_range_refused(struct node *n, struct node_range *r, int status, const char *text);
void node_range_on_job(struct node *n, struct node_range *r);
void node_range_tick(struct node *n);
void node_ranges_abort(struct node *n, int status);
void node_ranges_fini(struct node *n);

/* --- node_compact.c --- */
void node_compact_begin(struct node *n, uint64_t token, uint64_t revision);
void node_compact_applied(struct node *n, uint64_t token, uint64_t revision, int status);

/* --- node_backup.c --- */
int node_backup_begin(struct node *n, uint64_t token);
void node_backup_open(struct node *n, struct node_backup *b);
void node_backup_refused(struct node *n, struct node_backup *b, int status);
void node_backup_on_job(struct node *n, struct node_backup *b);
void node_backup_tick(struct node *n);
void node_backups_abort(struct node *n, int status);
bool node_backups_quiet(const struct node *n);
void node_backup_fini(struct node_backup *b);

/* --- node_snap_send.c --- */
void node_send_begin(struct node *n, uint64_t peer);
void node_send_on_job(struct node *n, struct node_send *s);
void node_send_tick(struct node *n);
void node_send_pump(struct node *n); /* read, offer and send what may be */
uint64_t node_send_deadline(const struct node *n);
void node_send_on_stream(struct node *n, uint64_t peer, bool up);
void node_send_on_room(struct node *n, uint64_t peer);
void node_send_fini(struct node_send *s);
void node_sends_check(const struct node *n);
void node_on_snap_ack(struct node *n, uint64_t from, struct bytes body);
void node_sends_abort(struct node *n);          /* no leader any more */
uint64_t node_sends_need(const struct node *n); /* the log from here on is needed; UINT64_MAX: none */

/* --- node_snap_recv.c --- */
void node_on_snap_offer(struct node *n, uint64_t from, struct bytes body);
void node_on_snap_chunk(struct node *n, uint64_t from, struct bytes body);
void node_recv_on_job(struct node *n);
void node_recv_on_disk(struct node *n);
void node_recv_tick(struct node *n);
void node_recv_stop(struct node *n); /* shutting down: give up what waits for more */
void node_recv_fini(struct node *n);

#endif
