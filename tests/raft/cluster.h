/* cluster.h: several replicas of raft in one process, for tests: their disks, the messages between
 * them, one clock. Nothing moves unless the test says so.
 *
 * Every message goes through the codec. What a real disk would hold is kept apart from the replica, so
 * that a crash loses exactly what was not stored. These hold at every moment, or the test ends:
 *   - at most one leader a term, over the whole life of the cluster
 *   - an index that anybody has committed has one (term, payload), for ever, and every leader that
 * comes to be later has it
 *   - no message shows a term, a vote or an ack that is not on its sender's disk
 *   - a confirmed read index is at least what anybody had committed when the read came in */
#ifndef TESTS_RAFT_CLUSTER_H
#define TESTS_RAFT_CLUSTER_H

#include "base/ms_err.h"
#include "env/rand.h"
#include "raft/raft.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define NODES_MAX 8u
#define INDEX_MAX 4096u
#define ELECTION_MS 1000u
#define HEARTBEAT_MS 100u
enum { N1 = 1, N2, N3, N4, N5, N6, N7, N8 };

struct cluster_entry {
    uint64_t term;
    uint8_t *payload;
    size_t len;
};

/* What applying has led to; also what a snapshot holds. */
struct cluster_state {
    uint64_t index, term, config_index, hash;
    struct config config;
};

struct cluster_disk {
    uint64_t term, vote;
    uint64_t base_index, base_term;      /* the log begins behind it */
    struct cluster_entry log[INDEX_MAX]; /* by index */
    uint64_t last_index;
    struct cluster_state snapshot;
};

struct cluster_read {
    uint64_t token, floor_index; /* the highest commit index anywhere when it came in */
    uint64_t index;
    int status; /* 1: no answer yet */
};

struct cluster_node {
    struct raft *raft; /* NULL: not running */
    struct cluster_disk disk;
    struct cluster_state state;
    struct raft_store store; /* under way */
    bool storing, touched;
    struct cluster_entry pending[INDEX_MAX]; /* what the store under way writes, by index */
    struct {
        bool wanted;
        uint64_t first_index, last_index;
    } fetch[NODES_MAX + 1]; /* by peer */
    bool snapshot_wanted[NODES_MAX + 1];
    uint64_t fetch_count, snapshot_count; /* asked for so far */
    struct cluster_read reads[RAFT_READS_MAX * 4];
    uint32_t read_count;
};

struct cluster_message {
    uint64_t from, to;
    struct buf bytes;
};

struct cluster_opts {
    uint32_t node_count; /* the first ones, all voters */
    uint64_t seed;
    bool manual_store; /* stores end by cluster_store() only */
    bool manual_apply;
    bool idle;  /* nobody starts by itself: the test writes the disks first */
    bool found; /* begin with ENTRY_INIT by FOUND, instead of a snapshot that holds the configuration */
    struct raft_opts raft; /* zero fields: defaults */
};

struct cluster;
/* Called after each step, before anything else moves; what was put out is in c->out. */
typedef void (*cluster_watch_cb)(struct cluster *c, uint64_t id, const struct raft_input *in, int rv);

struct cluster {
    struct cluster_opts opts;
    cluster_watch_cb watch; /* or NULL */
    void *watch_ctx;
    struct test_alloc alloc; /* the replicas' */
    struct test_alloc wire;  /* everything else's */
    struct ms_rand rand;
    uint64_t now_ms, next_token;
    struct log_sink log;
    uint64_t log_lines;
    struct config config;                     /* to begin with */
    struct cluster_node nodes[NODES_MAX + 1]; /* by id */
    struct cluster_message *messages;
    uint32_t message_count, message_cap;
    bool cut[NODES_MAX + 1][NODES_MAX + 1]; /* from, to: messages are lost */
    uint64_t leaders[4096];                 /* by term */
    struct {
        uint64_t term, hash;
    } ledger[INDEX_MAX]; /* what was committed, by index */
    uint64_t ledger_last;
    struct raft_output out;
    struct raft_msg_entry decoded[RAFT_MSG_ENTRIES_MAX];
    struct raft_msg last;                    /* what cluster_take() has taken */
    uint64_t sent[RAFT_MSG_TIMEOUT_NOW + 1]; /* messages put out, by type */
    uint64_t sent_entries;
};

void cluster_init(struct cluster *c, struct cluster_opts opts);
void cluster_fini(struct cluster *c); /* and check that nothing has leaked */

/* A member's disk before it starts. */
void cluster_disk_hard(struct cluster *c, uint64_t id, uint64_t term, uint64_t vote);
void cluster_disk_entry(struct cluster *c, uint64_t id, uint64_t term, const char *text);
void cluster_start(struct cluster *c, uint64_t id);
void cluster_crash(struct cluster *c, uint64_t id); /* what is not stored is lost */

/* One input into one replica. Its output goes to the queues. Returns what raft_step() returned. */
int cluster_step(struct cluster *c, uint64_t id, const struct raft_input *in);
int cluster_message(struct cluster *c, const struct raft_msg *m); /* hand it to m->to now */
int cluster_tick(struct cluster *c, uint64_t id);
int cluster_flush(struct cluster *c, uint64_t id);
int cluster_propose(struct cluster *c, uint64_t id, const char *text);
int cluster_propose_bytes(struct cluster *c, uint64_t id, size_t len);
int cluster_change(struct cluster *c, uint64_t id, enum entry_change change, uint64_t member);
int cluster_change_url(struct cluster *c, uint64_t id, uint64_t member, const char *url);
/* The voters shall be the members whose bits (by id) are set. */
int cluster_change_set(struct cluster *c, uint64_t id, enum entry_change what, uint32_t members);
int cluster_transfer(struct cluster *c, uint64_t id, uint64_t to);
struct cluster_read *cluster_read(struct cluster *c, uint64_t id);
bool cluster_store_begin(struct cluster *c, uint64_t id);
void cluster_store_end(struct cluster *c, uint64_t id);
void cluster_store_reach(struct cluster *c, uint64_t id); /* it is on the disk, and nobody says so */
void cluster_store(struct cluster *c, uint64_t id);       /* begin and end until nothing is left */
void cluster_apply(struct cluster *c, uint64_t id);
void cluster_compact(struct cluster *c, uint64_t id, uint64_t index);
void cluster_fetched(struct cluster *c, uint64_t id, uint64_t peer, int status);
/* Take a snapshot of id's state to peer, if it helps, and tell both. */
void cluster_snapshot(struct cluster *c, uint64_t id, uint64_t peer);
/* The two halves of it. An install of what is known already changes nothing. */
void cluster_install(struct cluster *c, uint64_t id, const struct cluster_state *s);
void cluster_snapshot_done(struct cluster *c, uint64_t id, uint64_t peer, uint64_t index, int status);

/* Messages in the queue. */
void cluster_deliver_at(struct cluster *c, uint32_t at, bool keep);         /* keep: a copy stays */
void cluster_peek_at(struct cluster *c, uint32_t at, struct raft_msg *out); /* until the next */
void cluster_copy_at(struct cluster *c, uint32_t at); /* to the end of the queue */
void cluster_drop_at(struct cluster *c, uint32_t at);
void cluster_drop_all(struct cluster *c);
/* Take the first message of a type from the queue into c->last, entries not included; false: none. */
bool cluster_take(struct cluster *c, enum raft_msg_type type, uint64_t from, uint64_t to);

/* Let everything run until it is quiet: messages in order, stores, applies, fetches, snapshots. */
void cluster_pump(struct cluster *c);
/* Let ms pass, in steps, with ticks when they are due, pumping. */
void cluster_advance(struct cluster *c, uint64_t ms);
void cluster_isolate(struct cluster *c, uint64_t id);
void cluster_rejoin(struct cluster *c, uint64_t id);
void cluster_heal(struct cluster *c);

uint64_t cluster_leader(const struct cluster *c); /* of the highest term; 0: none */
void cluster_elect(struct cluster *c, uint64_t id);
void cluster_commit(struct cluster *c, const char *text); /* by the leader, and pump */
void cluster_converge(struct cluster *c);                 /* run until all members are equal, or fail */
struct raft *cluster_raft(const struct cluster *c, uint64_t id);
void cluster_check(struct cluster *c);

#endif
