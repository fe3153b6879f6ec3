/* raft.h: consensus, without input or output of its own.
 *
 * A replica is advanced by raft_step(), one input at a time, and by the store calls. It reads no clock,
 * no file, sends nothing: what should happen is put out as struct raft_output items.
 *
 * Two watermarks (DESIGN 2.3): last index (in memory) and durable index (a store that has ended).
 * Votes, acks, the leader's own vote for commit, and campaigning look at the durable one only, and
 * nothing of a term leaves before that term is durable.
 *
 * Invariants, asserted by number in raft_check():
 *   R1  commit index <= last index; on a leader, the commit index moves only to entries of its own term
 *       (Raft, 5.4.2)
 *   R2  durable index <= last index, durable term <= term
 *   R3  term never falls; within a term the vote, once given, never changes
 *   R4  a leader never rewrites or drops entries of its own log
 *   R5  the entry at or below the commit index is never superseded
 *   R6  the configuration in force is the newest one in the log, else the snapshot's; a leader appends
 *       one only when all before it are committed (who follows may not know yet what is)
 *   R7  on a leader, match < next for every peer, and match never falls within a term, except for a peer
 *       that says it abstains: damage may have cut its log, and its acks do not count
 *   R8  indexes are consecutive and terms never fall as indexes rise
 *   R9  only a leader hands over, to a voter of its configuration; while it does so its log does not grow
 *
 * Sources: Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm" (Raft); Ongaro's
 * dissertation (diss.); etcd-io/raft's notes on asynchronous storage writes; the single-server-change
 * bug (raft-dev, 2015-07). Reads by lease: diss. 6.4.1. */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "env/alloc.h"
#include "env/clock.h"
#include "env/log.h"
#include "format/config.h"
#include "format/entry.h"
#include "raft/raft_msg.h"

struct raft; /* opaque; raft_private.h */

struct raft_opts {
    uint64_t id;
    uint32_t election_ms_min; /* timeouts are drawn from [min, 2 min) */
    uint32_t heartbeat_ms;
    uint32_t inflight_count_max;    /* appends under way to one peer, in messages ... */
    uint64_t inflight_bytes_max;    /* ... and in bytes */
    uint32_t append_bytes_max;      /* entries in one append; one entry always fits */
    uint64_t uncommitted_bytes_max; /* a leader refuses proposals above it: MS_EBUSY */
    uint64_t cache_bytes_max;       /* entries kept in memory that are durable and applied */
    uint64_t unapplied_bytes_max;   /* with more committed and not applied, nobody takes new entries */
    uint32_t stall_ms; /* a leader whose log does not answer for longer hands over; 0: twice
                        * election_ms_min */
    uint64_t seed;     /* of the election timeouts */
    uint8_t
        cluster_uuid[MS_UUID_BYTES]; /* written into ENTRY_INIT if this replica founds the cluster */
};

/* What was recovered from disk. */
struct raft_start {
    uint64_t term, vote;                    /* vote 0: none */
    uint64_t snapshot_index, snapshot_term; /* the log begins behind it; 0, 0: from the beginning */
    const struct config *config;            /* in force at snapshot_index; NULL: none known */
    uint64_t config_index;                  /* of the entry it came from */
    uint64_t applied_index; /* the state machine's, >= snapshot_index; committed by definition */
    bool abstain;           /* DESIGN 4: take the log, but acks and votes are not counted */
};

/* alloc, log: borrowed, outlive it. On error *out is NULL. */
int raft_create(struct raft **out, const struct raft_opts *opts, const struct raft_start *start,
                const struct ms_alloc *alloc, const struct log_sink *log, uint64_t now_ms);
void raft_destroy(struct raft *r);

/* Start-up only, before the first step: the recovered entries behind the snapshot, in order, durable.
 */
int raft_restore_entry(struct raft *r, uint64_t index, uint64_t term, struct bytes payload);

enum raft_input_kind {
    RAFT_INPUT_TICK = 1,      /* time has passed */
    RAFT_INPUT_MESSAGE,       /* message: borrowed for the step */
    RAFT_INPUT_STORED,        /* store_token: the store of raft_store_begin() is durable */
    RAFT_INPUT_PROPOSE,       /* payload: an encoded entry; leader only (MS_ENOLEADER), MS_EBUSY */
    RAFT_INPUT_CHANGE,        /* change: leader only; see below */
    RAFT_INPUT_TRANSFER,      /* peer: leader only; hand over to it (0: to the best of the others) */
    RAFT_INPUT_READ,          /* read_token: ask for a read index, on any member */
    RAFT_INPUT_APPLIED,       /* index: the state machine has applied up to it */
    RAFT_INPUT_LINK,          /* peer, up: our own connection to it opened or closed: a hint */
    RAFT_INPUT_COMPACT,       /* index: a durable snapshot (or checkpoint) covers the log up to it */
    RAFT_INPUT_INSTALLED,     /* installed: a snapshot was installed, durably */
    RAFT_INPUT_SNAPSHOT_DONE, /* peer, index, status: what RAFT_OUTPUT_SNAPSHOT asked for has ended */
    RAFT_INPUT_FETCHED,       /* peer, entries: what RAFT_OUTPUT_FETCH asked for (status < 0: failed) */
    RAFT_INPUT_FOUND,         /* config: the bootstrap configuration of a member that passed the gate */
    RAFT_INPUT_ABSTAIN,       /* abstain: begin or end abstaining */
    RAFT_INPUT_ROOM,          /* room: of the own disk, and what the leader says of all */
    RAFT_INPUT_FLUSH          /* end of a turn: send what is due, start the read round (one for all) */
};

struct raft_change {
    enum entry_change change;
    uint64_t member_id;
    char url[MS_URL_BYTES_MAX + 1]; /* ADD only */
    const struct config *wanted;    /* SET only; borrowed for the step */
    struct entry_origin origin; /* carried by the configuration entry, so that its applying answers */
};

struct raft_input {
    enum raft_input_kind kind;
    union {
        const struct raft_msg *message;
        uint64_t store_token;
        struct bytes payload;
        const struct raft_change *change;
        uint64_t read_token;
        uint64_t index; /* APPLIED, COMPACT */
        uint64_t peer;  /* TRANSFER */
        struct {
            uint64_t peer;
            bool up;
        } link;
        struct {
            uint64_t index, term, config_index;
            const struct config *config;
        } installed;
        struct {
            uint64_t peer, index;
            int status;
        } snapshot_done;
        struct {
            uint64_t peer;
            struct entry_ref **entries; /* consecutive; references are borrowed, raft holds its own */
            uint32_t count;
            int status;
        } fetched;
        const struct config *config;
        bool abstain;
        struct {
            bool full;   /* DESIGN 5: below the mark; another shall lead, and it counts as without room */
            bool closed; /* and what it still could take is kept for when the others are no quorum */
            uint64_t bytes; /* of entries that are not durable yet: what the log still takes, with what
                             * stands around each payload; UINT64_MAX: as much as comes */
            bool lacks; /* on a follower: its leader says that it lacks room (raft_lacks_room()) */
        } room;
    };
};

enum raft_output_kind {
    RAFT_OUTPUT_SEND = 1, /* message; entries in it are borrowed until the next step */
    RAFT_OUTPUT_READ,     /* read.token, read.index, read.status: 0, or MS_ENOLEADER: ask again later */
    RAFT_OUTPUT_SNAPSHOT, /* peer needs a snapshot: stream one, then RAFT_INPUT_SNAPSHOT_DONE. It is put
                           * out again while that takes long: a stream that is under way goes on */
    RAFT_OUTPUT_FETCH     /* fetch: entries no longer in memory, for peer; answer with FETCHED */
};

struct raft_output_item {
    enum raft_output_kind kind;
    union {
        struct raft_msg message;
        struct {
            uint64_t token, index;
            int status;
        } read;
        uint64_t peer;
        struct {
            uint64_t peer, first_index, last_index;
        } fetch;
    };
};

/* A step puts out at most this many items. */
#define RAFT_READS_MAX 64u /* read tokens under way on one member */
#define RAFT_OUTPUT_LAST_MAX                                                                           \
    (RAFT_READS_MAX + 1u) /* a leader's last: to its successor, and failed reads */
#define RAFT_OUTPUT_PER_STEP_MAX (2u * MS_MEMBERS_MAX + RAFT_READS_MAX + 8u + RAFT_OUTPUT_LAST_MAX)

struct raft_output {
    struct raft_output_item items[RAFT_OUTPUT_PER_STEP_MAX];
    uint32_t count;
};

/* Advance the replica by one input at now_ms (never falling). out is emptied, then filled; the caller
 * starts all of it before the next step, since items borrow from the replica.
 * Returns 0; for PROPOSE and CHANGE also: MS_ENOLEADER, MS_EBUSY (over a limit, or a change is pending,
 * or nothing of the own term is committed yet: try again later), and for CHANGE MS_ECONFLICT (URL in
 * use, last voter), MS_ENOQUORUM, MS_ENOTFOUND (no such member), MS_EEXIST (nothing would change: done
 * already); for TRANSFER MS_ENOTFOUND, MS_ECONFLICT (no voter), MS_EEXIST (it leads), MS_EBUSY (nobody
 * to take over answers now, or another is under way); for READ MS_EBUSY (RAFT_READS_MAX); MS_EPROTO: a
 * message no correct peer sends (the replica is unchanged); MS_ENOMEM; at or below MS_EFATAL the caller
 * stops the member. */
int raft_step(struct raft *r, uint64_t now_ms, const struct raft_input *in, struct raft_output *out);
uint64_t raft_deadline_ms(const struct raft *r); /* when to TICK next */

/* What has to be made durable, as one batch: the hard state, then entries first to last (which
 * supersede the suffix of the log from first on). */
struct raft_store {
    uint64_t token; /* for RAFT_INPUT_STORED; unique in this life */
    bool hard_changed;
    uint64_t term, vote;
    uint64_t first_index, last_index; /* first > last: no entries */
};

#define RAFT_STORE_AROUND_BYTES 64u /* what a log is taken to put around each payload */

/* If anything is not durable and no store is under way: fill *out (at least one entry, up to bytes_max
 * with what stands around each payload, and none that goes beyond room_bytes) and return true; the caller
 * makes it durable and steps RAFT_INPUT_STORED. So term and vote never wait for room for an entry. */
bool raft_store_begin(struct raft *r, size_t bytes_max, size_t room_bytes, struct raft_store *out);

enum raft_role { RAFT_FOLLOWER = 1, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };
const char *raft_role_name(enum raft_role role); /* "follower", ...: static */

/* Const views; the simulator's checkers read these too. */
enum raft_role raft_role(const struct raft *r);
uint64_t raft_term(const struct raft *r);
uint64_t raft_vote(const struct raft *r);
uint64_t raft_leader(const struct raft *r); /* 0: unknown */
bool raft_abstains(const struct raft *r);
/* On a leader: a quorum answers, but not one of members with room on their disks (RAFT_INPUT_ROOM). What
 * is proposed now could only be kept in what they hold back. */
bool raft_lacks_room(const struct raft *r);
uint64_t raft_commit_index(const struct raft *r);
uint64_t raft_last_index(const struct raft *r);
uint64_t raft_durable_index(const struct raft *r);
/* Likewise, as far as it is known to be the log of the leader that is followed; without one, what is committed. */
uint64_t raft_agreed_index(const struct raft *r);
uint64_t raft_first_index(const struct raft *r); /* of the log; snapshot index + 1 */
/* Term of the entry at index; 0 if the log does not know (below snapshot index, above the last). */
uint64_t raft_term_at(const struct raft *r, uint64_t index);
/* The entry if it is in memory, else NULL. Borrowed until the next step. */
struct entry_ref *raft_entry(const struct raft *r, uint64_t index);
const struct config *raft_config(const struct raft *r); /* in force: as appended */
uint64_t raft_config_index(const struct raft *r);
struct raft_leadership {
    uint64_t transfer_to;     /* is taking over; 0: nobody */
    uint64_t stall_transfers; /* in this life: begun because the own log stalled */
    uint64_t space_transfers; /* likewise: because the own disk is full */
    bool stalled;             /* the own log has owed an answer for longer than stall_ms, on any role */
    bool lease_held;          /* reads are served by lease now */
};
void raft_leadership(const struct raft *r, struct raft_leadership *out);
/* On a leader: how far a peer's log is known to agree; false: not a leader, or no such peer. recent: it
 * answered within one election timeout. */
bool raft_peer_match(const struct raft *r, uint64_t peer, uint64_t *match_index, bool *recent);

#endif
