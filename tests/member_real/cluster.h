/* cluster.h: a few whole members, with real nodes, in one process: time stands still but for ticks, the
 * net delivers in order and at once, a disk op is done when its turn comes. No faults but the ones a
 * test makes: those are the simulator's. */
#ifndef TESTS_MEMBER_REAL_CLUSTER_H
#define TESTS_MEMBER_REAL_CLUSTER_H

#include "member/member.h"
#include "sim/sim_disk.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define CLUSTER_MEMBERS_MAX 5u
#define CLUSTER_CONNS_MAX 4096u
#define CLUSTER_EVENTS_MAX 65536u

struct cluster;

struct cluster_member {
    struct net net; /* first: the fake net is found from it */
    struct cluster *c;
    uint64_t id;
    bool runs, stopped;
    int stop_status;
    char stop_reason[256];
    struct member *m;
    struct kv *kv;
    struct sim_disk *disk;
    struct log_sink log;
};

/* One side of a connection; side is the number of the other one. A test's own client has no member. */
struct cluster_side {
    struct cluster_member *of;
    uint64_t side;
    bool open;
    struct buf heard; /* of a test's client */
};

enum cluster_event_kind {
    EVENT_DISK = 1,
    EVENT_JOB,
    EVENT_ACCEPT,
    EVENT_DIALED,
    EVENT_BYTES,
    EVENT_CLOSED
};

struct cluster_event {
    enum cluster_event_kind kind;
    struct cluster_member *to;
    uint64_t conn;
    int status;
    struct disk_op *op;
    struct kv_job *job;
    struct buf bytes;
};

struct cluster {
    struct test_alloc alloc, own;
    uint64_t now;
    uint32_t count;
    struct cluster_member members[CLUSTER_MEMBERS_MAX + 1]; /* by id */
    struct cluster_side sides[CLUSTER_CONNS_MAX];
    uint64_t side_count;
    struct cluster_event events[CLUSTER_EVENTS_MAX]; /* a ring */
    uint32_t first, pending;
    bool verbose;
};

void cluster_init(struct cluster *c, uint32_t voters); /* members 1 to voters are started */
void cluster_fini(struct cluster *c);
/* join: with its id added to the list of the voters, as --join wants it. */
int cluster_start(struct cluster *c, uint64_t id, bool join);
void cluster_kill(struct cluster *c, uint64_t id); /* its disk stays */
void cluster_wipe(struct cluster *c, uint64_t id); /* of one that was killed: a new, empty disk */
void cluster_run(struct cluster *c, uint64_t ms);
uint64_t cluster_leader(struct cluster *c); /* runs until all that run agree on one */
/* One request on a connection of its own; the answer, borrowed until the next one. */
const char *cluster_request(struct cluster *c, uint64_t id, const char *text);
struct node_status cluster_status(struct cluster *c, uint64_t id);

#endif
