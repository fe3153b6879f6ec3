/* raft_private.h: the inside of a replica. One concern a file:
 *   raft.c            life, views             raft_step.c      dispatch, and what a step puts out
 *   raft_tick.c       timers                  raft_role.c      follower, candidate, leader
 *   raft_recv_*.c     one a message           raft_log.c       entries, terms, configurations
 *   raft_progress.c   a leader's peers        raft_send.c      appends to them
 *   raft_store.c      what becomes durable    raft_change.c    membership
 *   raft_read.c       read index              raft_quorum.c    majorities, joint ones too
 *   raft_lease.c      reads by lease          raft_transfer.c  handing over
 *   raft_room.c       disks without room
 *   raft_snapshot.c   compacted and installed raft_check.c     R1 to R9
 *   raft_msg.c        codec
 *
 * Handlers change state; what shall leave is state too (a vote to answer, an ack that is due), and the
 * end of the step, flush() in raft_step.c, puts out what may leave by then. So nothing is lost that has to wait
 * for the disk, and nothing leaves before it. */
#ifndef RAFT_RAFT_PRIVATE_H
#define RAFT_RAFT_PRIVATE_H

#include "base/limits.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "env/rand.h"
#include "raft/raft.h"

#define RAFT_MAGIC 0x4d535246u
#define RAFT_NUMBER_MAX                                                                                \
    (UINT64_MAX >> 2)                 /* of a term or an index in a message: no sum of two wraps       \
                                       */
#define RAFT_PEERS_MAX MS_MEMBERS_MAX /* members, and removed ones that still have to hear it */
#define RAFT_INFLIGHT_MAX 128u        /* hard bound of opts.inflight_count_max */
#define RAFT_REMOTE_READS_MAX 256u    /* read tokens of other members under way on a leader */
#define RAFT_DEFERRED_MAX 8u          /* vote replies that wait for the disk */
#define RAFT_SEND_PASSES_MAX 4u       /* appends to one peer in one step */
#define RAFT_PROMOTE_LAG_MAX 1000u    /* entries a learner may lack when it is promoted */
#define RAFT_GONE_TIMEOUTS 5u         /* election timeouts a removed peer is still served */
#define RAFT_LINK_DELAY_DIVISOR 10u   /* of election_ms_min: delay of an early pre-vote */
#define RAFT_STALL_TIMEOUTS 2u        /* election timeouts the log may owe an answer, unless opts say */
#define RAFT_TRANSFER_REST 5u /* election timeouts in which who failed to take over is not asked */
#define RAFT_ROUNDS_KEPT 512u /* read rounds whose beginning is remembered */
/* The clocks of two members may differ in rate by less than one part in so many (lease reads). */
#define RAFT_CLOCK_ERROR_DIVISOR 10u
#define RAFT_CLOCK_GRAIN_MS 2u /* two clocks are read in whole milliseconds */

/* Every entry from first_index on, up to the next run, has this term. */
struct raft_term_run {
    uint64_t first_index, term;
};

/* The log behind a base. Entries that are durable and applied may be gone from memory; terms are known
 * for all of it. */
struct raft_log {
    const struct ms_alloc *alloc;
    uint64_t base_index, base_term;
    uint64_t last_index;
    uint64_t stored_index;  /* durable in the store, as they are here */
    uint64_t covered_index; /* a durable snapshot holds everything up to here */
    struct raft_term_run *runs;
    uint32_t run_count, run_cap;
    struct entry_ref **ring; /* entries ring_first to last_index, by index modulo ring_cap */
    uint64_t ring_first, ring_cap;
    uint64_t ring_bytes;
    struct config config; /* in force: the newest in the log, else settled */
    uint64_t config_index;
    struct config settled; /* the newest at or below the applied index: never rolled back */
    uint64_t settled_index;
    uint64_t *config_at; /* indexes of configuration entries above settled_index */
    uint32_t config_first, config_end, config_cap;
};

enum raft_peer_state {
    RAFT_PEER_PROBE = 1, /* where the logs agree is not known: one append at a time */
    RAFT_PEER_REPLICATE, /* pipelined: next runs ahead of match */
    RAFT_PEER_SNAPSHOT   /* needs entries that are compacted */
};

struct raft_inflight {
    uint64_t last_index, bytes;
};

struct raft_peer {
    uint64_t id, added_index; /* identity: an id that was added anew is another member */
    enum raft_peer_state state;
    uint64_t match, next;
    uint64_t counted_match;           /* by replies that count (DESIGN 4) */
    uint64_t counted_round;           /* likewise: the newest read round it has echoed */
    uint64_t heard_ms;                /* the newest reply that counts; before it, when we began */
    bool answered;                    /* there was one, since our connection to it closed last */
    uint64_t reply_ms;                /* the newest reply of any kind; 0: none yet */
    bool abstains;                    /* said the newest reply */
    bool full, closed;                /* likewise */
    bool probe_sent;                  /* PROBE: wait for the reply, or for the next heartbeat */
    uint64_t probe_last, probe_bytes; /* what the probe carried: its last entry, its payloads */
    bool fetching;                    /* RAFT_OUTPUT_FETCH is under way */
    uint64_t fetch_ms;                /* one has failed: not before this */
    uint64_t heartbeat_ms;            /* next one is due */
    uint64_t snapshot_ms;             /* SNAPSHOT: ask for it again then */
    uint64_t sent_round, sent_commit;
    uint64_t rest_ms;    /* it failed to take over: not asked again before this */
    uint64_t gone_index; /* removed by the configuration at this index; 0: a member */
    uint64_t gone_round; /* the first round begun after that was committed; 0: it is not */
    uint64_t gone_ms;    /* and then served no longer than until here */
    uint64_t doubt_round; /* begun when it refused what it had acknowledged; 0: it has not */
    uint64_t seen_match; /* at the last raft_check() */
    struct raft_inflight inflight[RAFT_INFLIGHT_MAX];
    uint32_t inflight_first, inflight_count;
    uint64_t inflight_bytes;
};

struct raft_read {
    uint64_t token;
    uint64_t from;  /* 0: asked by this member */
    uint64_t round; /* on a leader: the round that confirms it; 0: not begun */
    uint64_t index;
    uint64_t asked_ms;
    bool sent; /* on a follower: the leader was asked */
};

struct raft_deferred {
    uint64_t to, asked_term;
    bool pre, granted;
};

enum raft_campaign {
    RAFT_CAMPAIGN_NONE,
    RAFT_CAMPAIGN_PRE,
    RAFT_CAMPAIGN_VOTE,
    RAFT_CAMPAIGN_TRANSFER
};

enum raft_ballot { RAFT_BALLOT_NONE, RAFT_BALLOT_GRANTED, RAFT_BALLOT_REFUSED };

/* One campaign: who has said what, one voter once. */
struct raft_tally {
    uint64_t ids[MS_MEMBERS_MAX];
    enum raft_ballot ballots[MS_MEMBERS_MAX];
    uint32_t count;
};

/* A leader that hands over (diss. 3.10). */
struct raft_transfer {
    uint64_t to;        /* 0: none is under way */
    uint64_t until_ms;  /* then it is given up */
    uint64_t resend_ms; /* TIMEOUT_NOW again, not before */
    bool failed;        /* one was given up in this term, or has ended the one before */
    bool sent;          /* TIMEOUT_NOW, ever in this term: no lease any more */
};

/* When a read round began: no append that carries its number has left before. */
struct raft_round {
    uint64_t number, begun_ms;
};

/* What a follower owes its leader. */
struct raft_follow {
    uint64_t verified; /* up to here this log is the leader's, said appends of this term */
    uint64_t round, echoed_round;
    uint64_t acked_ms;
    bool ack_due;
    bool reject_due;
    uint64_t reject_prev, reject_index, reject_term;
};

struct raft_store_way {
    bool under_way;
    uint64_t token, term, vote;
    uint64_t last_index; /* of what it stores and was not superseded since */
    uint64_t owed_ms;    /* not clean: since then the log has not answered, nor taken what there is */
};

/* The state at the end of the last step, for invariants about its change. */
struct raft_seen {
    uint64_t term, vote, commit_index, last_index, applied_index, transfer_to;
    enum raft_role role;
};

struct raft {
    uint32_t magic;
    struct raft_opts opts;
    const struct ms_alloc *alloc;
    const struct log_sink *log_sink;
    uint64_t now_ms;
    struct ms_rand rand_election, rand_link;
    bool started;

    uint64_t term, vote;
    uint64_t durable_term, durable_vote;
    enum raft_role role;
    uint64_t leader;
    bool abstain;
    bool full, closed;   /* the own disk (RAFT_INPUT_ROOM) ... */
    uint64_t room_bytes; /* ... takes this much of what is not durable; UINT64_MAX: as much as comes */
    bool lacks;          /* as follower with room: its leader says that no quorum has any ... */
    uint64_t lacks_ms;   /* ... or not, since then (raft_doubt.c) */
    uint32_t lacks_terms; /* so many leaders in a row did, and the next one has longer; bounded */
    struct raft_log log;
    uint64_t commit_index, applied_index;
    uint64_t uncommitted_bytes, unapplied_bytes; /* payloads above the two */
    struct raft_store_way store;
    uint64_t next_token;

    uint64_t election_ms; /* the election timeout ends; unused on a leader */
    uint64_t leader_heard_ms;
    bool leader_link_down;              /* our connection to it has closed since it was last heard */
    uint64_t waiting_ms;                /* since then what is behind the commit index waits (raft_doubt.c) */
    uint64_t doubt_ms;                  /* the leader is not doubted again before */
    bool doubting;                      /* a follower has asked for pre-votes (raft_doubt.c) */
    enum raft_campaign campaign_wanted; /* as soon as everything is durable */
    bool transfer;                      /* the campaign that is running was wished by the leader */
    bool ask_due;                       /* the vote requests of the campaign have not left yet */
    struct raft_tally tally;
    struct raft_deferred deferred[RAFT_DEFERRED_MAX];
    uint32_t deferred_count;
    struct raft_follow follow;
    uint64_t handed_to, handed_ms; /* who was told to take over; 0: somebody has led since, or still does */

    struct raft_peer *peers; /* RAFT_PEERS_MAX; used on a leader only, sorted by nothing but age */
    uint32_t peer_count;
    uint64_t round;                             /* newest read round of this term */
    struct raft_round rounds[RAFT_ROUNDS_KEPT]; /* by number modulo */
    uint64_t lease_round_ms;                    /* leases are on: the next round begins then */
    struct raft_transfer transfer_out;
    uint64_t stall_transfers, space_transfers;
    uint64_t
        check_ms; /* a leader looks for its quorum, also if it sends so much that no heartbeat is due */
    uint64_t silent_ms; /* started with reads by lease on: no vote before */

    struct raft_read reads[RAFT_READS_MAX];
    uint32_t read_count;
    struct raft_read remote[RAFT_REMOTE_READS_MAX];
    uint32_t remote_count;
    bool replies_left; /* confirmed reads of others that found no room in the last step */

    struct raft_output *out;     /* of the step that is running */
    struct raft_msg_entry *pool; /* entries of this step's appends; fixed up at its end */
    uint32_t pool_count, pool_cap;
    struct entry_ref **held; /* fetched entries in this step's appends */
    uint32_t held_count, held_cap;
    struct buf scratch; /* an entry being encoded */
    struct config scratch_config;
    struct raft_seen seen;
};

/* --- raft_log.c --- */
int raft_log_init(struct raft_log *l, const struct ms_alloc *alloc, const struct raft_start *start);
void raft_log_fini(struct raft_log *l);
uint64_t raft_log_term(const struct raft_log *l, uint64_t index);           /* 0: not known */
struct entry_ref *raft_log_entry(const struct raft_log *l, uint64_t index); /* NULL: not in memory */
uint64_t raft_log_durable(const struct raft_log *l);
/* The newest index up to index whose term is at most term (never below the base). */
uint64_t raft_log_find_term(const struct raft_log *l, uint64_t index, uint64_t term);
/* Append a copy of payload. config: what raft_log_config_of() found in it, or NULL. MS_ENOMEM: nothing
 * has changed. */
int raft_log_append(struct raft_log *l, uint64_t term, struct bytes payload,
                    const struct config *config);
/* In any configuration before the newest one that may still come into force again. */
bool raft_log_was_voter(const struct raft_log *l, uint64_t id);
void raft_log_truncate(struct raft_log *l, uint64_t from_index);
void raft_log_settle(struct raft_log *l, uint64_t applied_index);
void raft_log_compact(struct raft_log *l, uint64_t index);
void raft_log_evict(struct raft_log *l, uint64_t upto_index, uint64_t bytes_max);
void raft_log_reset(struct raft_log *l, uint64_t index, uint64_t term, const struct config *config,
                    uint64_t config_index);
/* 1: payload carries a configuration, decoded into *out as of index; 0: a sound entry without one;
 * MS_EPROTO: no entry of a log; MS_EUNSUPPORTED: of a kind or version this program does not know. */
int raft_log_config_of(struct bytes payload, uint64_t index, struct config *out);

/* --- raft_doubt.c --- */
/* On a follower: what is stored here of its leader's term waits for its commit for too long; or the leader
 * has said for as long that it lacks room, and there is room here. */
bool raft_leader_stands_still(const struct raft *r);
void raft_doubt_next(struct raft *r); /* in a new term: its leader has all its time, from now on */
void raft_doubt_heard(struct raft *r); /* before leader_heard_ms becomes now */
void raft_doubt_leader(struct raft *r); /* asks for pre-votes where the leader stands still */

/* --- raft_quorum.c --- */
typedef uint64_t (*raft_value_cb)(const struct raft *r, uint64_t id);
/* The largest value that a majority of the voters has reached, in each set of a joint configuration
 * (diss. 4.3). No voters: 0. */
uint64_t raft_quorum(const struct raft *r, const struct config *c, raft_value_cb value);
bool raft_is_sole_voter(const struct raft *r);

/* --- raft_role.c --- */
void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader);
void raft_follow_leader(struct raft *r, uint64_t term, uint64_t leader); /* and heard it right now */
void raft_campaign(struct raft *r, enum raft_campaign kind);
void raft_campaign_stored(struct raft *r); /* everything may be durable now */
void raft_campaign_flush(struct raft *r);
void raft_tally_add(struct raft *r, uint64_t id, bool granted);
void raft_tally_decide(struct raft *r);
void raft_arm_election(struct raft *r);
bool raft_may_campaign(const struct raft *r);
bool raft_term_is_durable(const struct raft *r);
bool raft_committed_own_term(const struct raft *r);
/* Append to the own log, as the leader. */
int raft_lead_append(struct raft *r, struct bytes payload, const struct config *config);

/* --- raft_commit.c --- */
void raft_commit_to(struct raft *r, uint64_t index);
void raft_commit_advance(struct raft *r); /* on a leader */
void raft_applied_to(struct raft *r, uint64_t index);
bool raft_is_far_ahead(const struct raft *r); /* the log of the state machine: unapplied_bytes_max */
void raft_truncate(struct raft *r, uint64_t from_index); /* the log and everything that counts on it */
int raft_append(struct raft *r, uint64_t term, struct bytes payload, const struct config *config);

/* --- raft_progress.c --- */
void raft_peers_begin(struct raft *r);   /* a new leader knows nothing of anybody */
void raft_peers_sync(struct raft *r);    /* after a change of the configuration */
void raft_peers_resolve(struct raft *r); /* after the entry that founds the cluster */
void raft_peers_committed(struct raft *r);
void raft_peers_expire(struct raft *r);
struct raft_peer *raft_peer_find(const struct raft *r, uint64_t id);
bool raft_peer_recent(const struct raft *r, const struct raft_peer *p); /* or so new that it may be */
bool raft_peer_live(const struct raft *r, const struct raft_peer *p);   /* it has answered lately */
/* For raft_quorum(): 1 for oneself and for a peer that is live; or that is recent. */
uint64_t raft_lives(const struct raft *r, uint64_t id);
uint64_t raft_may_live(const struct raft *r, uint64_t id);
void raft_peer_probe(struct raft_peer *p, uint64_t next);
void raft_peer_took(struct raft *r, struct raft_peer *p, uint64_t match); /* an ok reply */
void raft_peer_rejected(struct raft *r, struct raft_peer *p, const struct raft_msg *m);
bool raft_peer_window_open(const struct raft *r, const struct raft_peer *p);
void raft_peer_sent(struct raft_peer *p, uint64_t last_index, uint64_t bytes);

/* --- raft_send.c --- */
void raft_send(struct raft *r, struct raft_msg *m); /* fills in from and, unless given, the term */
bool raft_has_room(
    const struct raft *r); /* for one more message, and then for the end of a leadership */
void raft_send_flush(struct raft *r);
void raft_send_fixup(struct raft *r);
void raft_send_release(struct raft *r); /* what the last step's items borrowed */
int raft_on_fetched(struct raft *r, const struct raft_input *in);

/* --- raft_store.c --- */
int raft_on_stored(struct raft *r, uint64_t token);
void raft_store_superseded(struct raft *r, uint64_t from_index);
bool raft_is_clean(const struct raft *r); /* everything is durable, nothing under way */

/* --- raft_change.c --- */
int raft_on_change(struct raft *r, const struct raft_change *change);
void raft_leave_joint(struct raft *r); /* if it is time */

/* --- raft_transfer.c --- */
int raft_on_transfer(struct raft *r, uint64_t to);
/* Begin to hand over, if it has not been tried and anybody could take over. True: a change that removes
 * this leader has to wait for that. */
bool raft_hand_over_first(struct raft *r, const struct config *after);
void raft_transfer_tick(struct raft *r);
void raft_transfer_again(struct raft *r); /* leading, at the beginning of a term */
void raft_transfer_lost(struct raft *r, uint64_t peer); /* the connection to it has closed */
void raft_transfer_flush(struct raft *r);
void raft_transfer_last(struct raft *r); /* whoever leaves wishes a successor at once */
bool raft_is_stalled(const struct raft *r);

/* --- raft_room.c --- */
int raft_on_room(struct raft *r, const struct raft_input *in);
bool raft_has_spare_quorum(const struct raft *r); /* who is full is not needed */
bool raft_may_leave_full(const struct raft *r);   /* others can go on without this leader's disk */
/* Of the appended entries those that there is room to store. */
uint32_t raft_room_for(const struct raft *r, const struct raft_msg *m);
bool raft_has_room_for(const struct raft *r, uint64_t payload_len);

/* --- raft_lease.c --- */
uint64_t raft_patience_ms(const struct raft *r); /* how long a silent leader is waited for, at least */
bool raft_is_patient(const struct raft *r);      /* no vote, no campaign now: a lease may rest on it */
bool raft_lease_held(const struct raft *r);      /* this leader may serve reads now, without a round */
void raft_round_begin(struct raft *r);
void raft_lease_flush(struct raft *r);

/* --- raft_read.c --- */
int raft_on_read(struct raft *r, uint64_t token);
void raft_put_read(struct raft *r, uint64_t token, uint64_t index, int status);
void raft_reads_fail(struct raft *r);
void raft_reads_begin_round(struct raft *r); /* for all that have come in */
void raft_reads_flush(struct raft *r);       /* send, answer */

/* --- raft_snapshot.c --- */
int raft_on_compact(struct raft *r, uint64_t index);
int raft_on_installed(struct raft *r, const struct raft_input *in);
int raft_on_snapshot_done(struct raft *r, const struct raft_input *in);

/* --- raft_tick.c --- */
int raft_on_tick(struct raft *r);
int raft_on_link(struct raft *r, uint64_t peer, bool up);

/* --- raft_recv_*.c --- */
int raft_recv_vote(struct raft *r, const struct raft_msg *m);
int raft_recv_vote_reply(struct raft *r, const struct raft_msg *m);
int raft_recv_append(struct raft *r, const struct raft_msg *m);
int raft_recv_append_reply(struct raft *r, const struct raft_msg *m);
int raft_recv_read(struct raft *r, const struct raft_msg *m);
int raft_recv_read_reply(struct raft *r, const struct raft_msg *m);
int raft_recv_timeout_now(struct raft *r, const struct raft_msg *m);
void raft_vote_flush(struct raft *r);   /* replies that waited for the disk */
void raft_append_flush(struct raft *r); /* the ack, or the reject, that is due */

/* --- raft_check.c --- */
void raft_check(struct raft *r);

#endif
