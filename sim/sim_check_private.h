/* sim_check_private.h: the ghost. */
#ifndef SIM_SIM_CHECK_PRIVATE_H
#define SIM_SIM_CHECK_PRIVATE_H

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "node/node_msg.h"
#include "sim/sim_check.h"

/* A term far above what elections of one run can reach means a storm (K19). */
#define CHECK_TERM_MAX 20000u

/* An entry stands for itself and all before it: chain is a hash over the terms and payloads of the
 * whole prefix, so that two logs are equal up to an index if their chains at it are. */
struct chk_entry {
    uint64_t term, chain;
};

struct chk_log {
    uint64_t base; /* holds entries base + 1 and up; what is below is known by its chain only */
    struct chk_entry at_base;
    struct chk_entry *entries;
    size_t count, cap;
};

struct chk_hard {
    uint64_t term, vote;
};

/* What one batch of the log brings, decoded from its bytes. */
struct chk_batch {
    disk_file file;
    bool has_hard, has_reset;
    bool first; /* of its segment */
    uint64_t seq; /* of its state record */
    bool lost; /* a sync over it has failed: a later one writes nothing */
    struct chk_hard hard;
    uint64_t reset_index, reset_term;
    struct {
        uint64_t index, term, hash;
    } * entries;
    size_t count, cap;
    uint8_t *bytes; /* payload of sectors of a batch that is not whole yet */
    size_t len, bytes_cap;
};

struct chk_config {
    uint64_t index, term;
    struct config config;
};

/* A transfer of a snapshot, by the hashes of its chunks. */
struct chk_stream {
    uint64_t from, term, number;
    uint64_t *chunks;
    size_t count, cap;
    bool resumed;   /* it went on in its middle */
    uint64_t offer; /* the newest one ... */
    bool quiet;     /* ... and no chunk was sent since */
    bool due;       /* it was answered: the next chunk is this one */
    uint64_t due_seq;
    uint64_t taken; /* the sender has heard that all below are */
};

/* An entry of a job that failed, and what it gave: it may have become durable all the same. */
struct chk_tried {
    uint64_t term;
    uint8_t *payload;
    size_t len;
    struct kv_result result;
};

/* A view of a state, and how much of it was read, without its codec. */
struct chk_view {
    const void *view;
    uint64_t bytes;
};

struct chk_member {
    struct chk_log mem;                  /* what raft holds in this life */
    struct chk_log durable;              /* what syncs that have completed cover */
    struct chk_hard log_copy, file_copy; /* term and vote, likewise (W6) */
    struct chk_batch written;            /* carried out, its sync is still missing */
    bool written_open;
    /* The first batch of a segment is promised once the state file tells of it as well (wal_append.c), so that the segment
     * is missed when it vanishes. What was durable before it, and which number the file has to have reached. */
    struct chk_log before_first;
    struct chk_hard hard_before_first;
    uint64_t first_seq, file_seq;
    uint64_t snap_index; /* of the newest snapshot that it durably has */
    uint64_t persisted_index; /* RocksDB: of its checkpoint; snap_index may be a later one */
    /* After a crash: what the write that was under way may have left. */
    bool torn;
    struct chk_log torn_log;
    struct chk_hard torn_hard;
    bool started;
    /* A batch that its disk has called durable and loses when power goes (sim_check_lie.c). */
    bool lie_open, lie_resets; /* there is one; it begins the log anew */
    bool lie_lost;             /* power has gone since, and the batch with it, or a part */
    bool lie_last;             /* and nothing was synced behind it, so that nobody can notice */
    uint64_t lie_batches;      /* it and those since */
    struct chk_log before_lie;
    /* Its disk is gone, and what it had promised with it: until this directory is attached it abstains.
     * What it held counts for what was committed with its acks, until it is removed: no quorum of the
     * others is without one who holds that too. */
    bool harmed;             /* its disk was damaged since it was up last */
    bool broken, was_harmed; /* it has noticed, and abstains until it is repaired; at any time */
    bool listed, removed;    /* by committed configurations: the newest one; one before has ended it */
    bool wiped, was_wiped, removed_since, attach_known;
    uint8_t attach_nonce[MS_UUID_BYTES]; /* of the directory attached to its id last */
    struct chk_log lost;
    uint64_t lost_snap_index;
    bool latent; /* files of its database are damaged, and it has not noticed, or not said so */
    bool differs;         /* its state became another one behind its back ... */
    bool wrong_kept;      /* it is right again, and an older snapshot on its disk may not be */
    bool knows, told;     /* ... which it has noticed; and has stopped for */
    bool spreads;         /* it offers a snapshot of it */
    uint64_t differed_us; /* until then its answers to reads were exempt */
    /* As they were after the last input. */
    enum raft_role role;
    uint64_t term, vote, commit, last, last_term;
    uint64_t applied;
    struct chk_tried *tried; /* of the last life's last job, if that failed */
    size_t tried_count;
    bool leased; /* it held a lease of reads, and has not yet seen a later leader */
    uint64_t lease_read_us; /* when it served a read by the lease it holds; 0: it has not */
    uint64_t acked_term, acked_index;  /* what it has acknowledged to the leader of that term */
    const struct chk_config **configs; /* in the log, rising */
    size_t config_count, config_cap;
    const struct chk_config *judged; /* the newest one that it wrote as a leader */
    struct chk_stream *invited; /* whose offer was accepted last; NULL: none in this life */
    struct chk_stream *load;    /* that is being loaded ... */
    uint64_t loaded;            /* ... so many chunks of it */
    uint64_t load_term, load_first; /* of the leader when it began; where its log began then */
    uint64_t *votes; /* by term: to whom this member has granted its vote, over all its lives */
    size_t votes_cap;
    struct chk_view views[KV_SNAPSHOTS_MAX];
};

/* What is known of a ledger entry beside itself. */
struct chk_applied {
    uint64_t commit_term; /* of the member that committed it first */
    bool known;           /* it was applied */
    bool digest_known;    /* by a member whose state is as it should be */
    struct kv_digest digest;
    uint64_t result_hash;
};

struct chk_seen {
    uint64_t index, term, chain;
};

struct sim_check {
    struct chk_member members[SIM_MEMBERS_MAX];
    struct chk_log ledger;       /* K6: what is committed, for ever */
    struct chk_applied *applied; /* of ledger entries, [index - 1] */
    size_t applied_cap;
    uint64_t commit;   /* the highest commit index any member has reached */
    uint64_t *leaders; /* by term */
    size_t leaders_cap;
    uint64_t leader_terms, leader_term; /* how many; the highest */
    uint64_t excused_ends;              /* of leaderships (K19) */
    struct chk_seen *seen;              /* K4: chains by (index, term), open addressing */
    size_t seen_count, seen_cap;
    struct chk_config **configs; /* all ever seen in a log */
    size_t config_count, config_cap;
    const struct chk_config *committed_config;
    struct chk_stream **streams; /* all of the run */
    size_t stream_count, stream_cap;
    uint64_t state_bytes_max, entry_bytes_max; /* of any view; of any entry that was applied */
    struct raft_msg_entry *decoded;
    struct disk_op scratch_op;
};

static inline struct chk_member *chk_member(struct sim *s, const struct sim_member *m)
{
    return &s->check->members[m->index];
}

/* --- sim_check_log.c --- */
static inline uint64_t chk_last(const struct chk_log *l)
{
    return l->base + l->count;
}
/* NULL: not known. */
const struct chk_entry *chk_at(const struct chk_log *l, uint64_t index);
void chk_cut(struct chk_log *l, uint64_t last); /* drop what is behind last */
void chk_append(struct chk_log *l, uint64_t term, uint64_t hash);
void chk_append_entry(struct chk_log *l, const struct chk_entry *e);
void chk_reset(struct chk_log *l, uint64_t base, const struct chk_entry *at_base);
void chk_copy(struct chk_log *to, const struct chk_log *from);
void chk_log_fini(struct chk_log *l);
uint64_t chk_hash(struct bytes payload);
uint64_t chk_chain(uint64_t before, uint64_t term, uint64_t hash);

/* --- sim_check_raft.c --- */
void chk_mem_restart(struct sim *s, struct sim_member *m);
/* Whether the member durably holds the entry, in its log or in a snapshot. */
bool chk_holds(const struct chk_member *c, uint64_t index, uint64_t term);
/* The same, of one that has lost its disk as well: what it held. */
bool chk_held(const struct chk_member *c, uint64_t index, uint64_t term);
/* Whether a quorum of c durably holds the entry (K7). */
bool chk_quorum(const struct sim *s, const struct config *c, uint64_t index, uint64_t term);

/* --- sim_check_config.c --- */
void chk_config_seen(struct sim *s, struct chk_member *c, uint64_t index, uint64_t term,
                     struct bytes payload);
void chk_config_cut(struct chk_member *c, uint64_t last);
/* The log begins anew behind base, which is committed. */
void chk_config_rebase(struct sim *s, struct chk_member *c, uint64_t base);
void chk_config_restart(struct sim *s, struct chk_member *c, uint64_t base, uint64_t last);
void chk_config_check(struct sim *s, const struct sim_member *m);
void chk_config_committed(struct sim *s, uint64_t index, uint64_t term);

/* --- sim_check_wipe.c --- */
/* A configuration without it is committed, or with it: from then on its lost disk means nothing. */
void chk_wipe_config(struct sim *s, const struct config *committed);
void chk_wipe_look(struct sim *s, const struct sim_member *m); /* after a start */
/* It promises something that counts. */
void chk_wipe_counts(struct sim *s, const struct sim_member *m, const char *what);

/* --- sim_check_damage.c --- */
/* What a start has recovered; noticed: the member knows of damage. */
void chk_database_whole(struct sim *s, const struct sim_member *m);
void chk_damage_found(struct sim *s, const struct sim_member *m, const struct chk_log *log,
                      bool noticed);
void chk_damage_counts(struct sim *s, const struct sim_member *m, const char *what);

/* --- sim_check_differ.c --- */
void chk_differ_look(struct sim *s, const struct sim_member *m); /* after each input */
void chk_differ_restart(struct sim *s, struct sim_member *m);
void chk_differ_over(struct sim *s, const struct sim_member *m); /* another state has taken its place */

/* --- sim_check_lie.c --- */
/* Whether what was found is what is left when the last batch, which nobody can miss, is lost. */
bool chk_lie_explains(struct sim *s, struct chk_member *c, const struct chk_log *found);

/* --- sim_check_disk.c --- */
/* Whether op writes a batch of the log; and whether that begins the log anew. */
bool chk_batch_look(const struct disk_op *op, bool *resets);
bool chk_same_log(const struct chk_log *a, const struct chk_log *b);
bool chk_hard_at_least(const struct chk_hard *now, const struct chk_hard *before);
void chk_disk_restart(struct sim *s, struct sim_member *m);
void chk_batch_fini(struct chk_batch *b);

/* --- sim_check_snap.c --- */
void chk_snap_look(struct sim *s, const struct sim_member *m);

/* --- sim_check_stream.c --- */
void chk_stream_frame(struct sim *s, const struct sim_member *m, bool out, uint64_t peer, uint8_t type,
                      struct bytes body);
void chk_load_begins(struct sim *s, const struct sim_member *m);
void chk_load_chunk(struct sim *s, const struct sim_member *m, struct bytes chunk);
void chk_load_restart(struct sim *s, const struct sim_member *m);
void chk_streams_fini(struct sim_check *k);

/* --- sim_check_size.c --- */
void chk_size_read(struct sim *s, const struct sim_member *m, const struct kv_job *job); /* a piece of a view */
void chk_size_closes(struct sim *s, const struct sim_member *m, const struct kv_job *job);
void chk_size_applied(struct sim *s, const struct kv_job *job);
void chk_size_restart(struct sim *s, const struct sim_member *m);

/* --- sim_check_apply.c --- */
struct chk_applied *chk_applied_at(struct sim_check *k, uint64_t index);
void chk_check_digest(struct sim *s, const struct sim_member *m, uint64_t index,
                      const struct kv_digest *digest, const char *checker, const char *what);
void chk_applied_restart(struct sim *s, struct sim_member *m);
void chk_tried_fini(struct chk_member *c);

#endif
