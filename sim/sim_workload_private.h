/* sim_workload_private.h: the inside of the workload.
 *   sim_workload.c  which operations, when, through whom    sim_client.c  one client's HTTP
 *   sim_admin.c     changes of the membership
 *   sim_ledger.c    what was asked, told and applied: K11, K12, K22
 *   sim_linear.c    K11 again, by search                     sim_told.c    what answers tell: K23
 *   sim_condition.c  PUTs with If-Match and If-None-Match */
#ifndef SIM_SIM_WORKLOAD_PRIVATE_H
#define SIM_SIM_WORKLOAD_PRIVATE_H

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "sim/sim_check.h"
#include "sim/sim_history.h"
#include "sim/sim_schedule.h"
#include "sim/sim_workload.h"

#define SIM_KEYS_MAX 64u
#define SIM_RESPONSE_BYTES_MAX (256u << 10)

enum sim_op_kind {
    SIM_OP_PUT = 1,
    SIM_OP_GET,
    SIM_OP_DELETE, /* behind it: what operators do */
    SIM_OP_ADD,
    SIM_OP_REMOVE,
    SIM_OP_SET,
    SIM_OP_TRANSFER,
    SIM_OP_LEASE
};
enum sim_outcome { SIM_OUT_PENDING = 1, SIM_OUT_OK, SIM_OUT_NO, SIM_OUT_UNKNOWN };

/* What the headers of an answer say of its key and of the store; 0: nothing. */
struct sim_told {
    int status; /* of the answer */
    uint64_t etag, revision, create_revision, version;
};

/* What a PUT demands of the key, with revisions. */
struct sim_demand {
    enum sim_condition condition;
    uint64_t newest, before; /* 1, which no key has: there was none */
};

/* Number i of the ledger is operation i + 1; a PUT writes a value that says so. */
struct sim_op {
    enum sim_op_kind kind;
    enum sim_outcome outcome;
    uint32_t client, key, target;
    uint32_t value_bytes; /* of a PUT */
    uint64_t begin_us, end_us;
    uint64_t floor;      /* of the key's register when it began (K11) */
    uint64_t bound;      /* highest commit index of any member then (K22) */
    uint64_t index;      /* PUT: where it was applied; 0: not yet */
    uint64_t revision;   /* PUT: that of its entry */
    uint64_t oldest;     /* the store's revision when it began: no answer is about an earlier one */
    struct sim_demand demand; /* PUT */
    bool denied;              /* PUT: its entry has come, and it was not to be done */
    struct sim_told told;
    uint32_t applied;    /* how often (K12) */
    uint64_t value;      /* GET: number of the PUT whose value it saw; 0: absent */
    bool exempt;         /* GET: of a member whose state had become another one (K24) */
    uint64_t term;       /* TRANSFER: of the member that was asked, when it began */
    uint64_t member_id;  /* ADD, REMOVE, TRANSFER (0: to anybody); LEASE: 1 on, 0 off */
    uint32_t port;       /* ADD, SET: of URLs, one an attempt */
    bool rejoins;        /* ADD, replayed: what has been decided when it was told */
    size_t action;       /* ADD, recorded: its place in the schedule, from 1 */
    uint32_t set, fresh; /* SET: bits of ids: who shall vote; whose machines are new */
};

/* A request that a member may be about to serve. */
struct sim_read {
    uint32_t key;
    uint64_t number, bound;
    bool given_up; /* the client has gone, the member may still serve it */
};

enum sim_client_state { SIM_CLIENT_RESTING = 1, SIM_CLIENT_DIALING, SIM_CLIENT_WAITING };

struct sim_client {
    enum sim_client_state state;
    uint32_t index;
    uint64_t conn; /* 0: none */
    uint32_t target;
    bool target_bad; /* try another one next time */
    uint64_t number; /* of the operation that is out */
    bool sent;
    bool fresh;    /* it was decided to have a new connection */
    uint64_t wake; /* number of the newest timer */
    uint8_t *in;   /* of an answer */
    size_t in_len, in_cap;
};

struct sim_workload {
    struct ms_rand rand, limits_rand, condition_rand;
    struct sim_client clients[SIM_CLIENTS_MAX];
    uint32_t client_count, key_count;
    struct sim_op *ops;
    size_t op_count, op_cap;
    struct hist_register registers[SIM_KEYS_MAX];
    struct {
        struct sim_read *items;
        size_t count, cap;
    } reads[SIM_MEMBERS_MAX];
    struct sim_deletions {
        uint64_t *revisions; /* behind each entry that deletes the key, or would if there were one */
        size_t count, cap;
    } deletions[SIM_KEYS_MAX];
    bool probing;
    uint32_t probe_step; /* of sim_workload.c */
    bool probed;
    uint64_t adding; /* the member that the administrator tries to add; 0: none */
    uint32_t next_port;
    uint64_t changing_until_us; /* a change may still come of what the administrator gave up */
    char *request;
    size_t request_cap;
};

/* --- sim_ledger.c --- */
uint64_t sim_ledger_begin(struct sim *s, const struct sim_op *op); /* returns its number */
struct sim_op *sim_ledger_op(struct sim *s, uint64_t number);
void sim_ledger_sent(struct sim *s, uint64_t number); /* a GET is on its way to its target */
void sim_ledger_end(struct sim *s, uint64_t number, enum sim_outcome outcome);
/* The value that operation number writes; returns its length. */
size_t sim_ledger_value(struct sim *s, uint64_t number, char *out, size_t cap);
/* Which operation wrote these bytes; 0: none. */
uint64_t sim_ledger_writer(struct sim *s, struct bytes value);
/* The number of a key that is a letter and a number below count. */
bool sim_key_number(struct bytes key, char letter, uint32_t count, uint32_t *out);
void sim_ledger_fini(struct sim_workload *w);

/* --- sim_admin.c: the last client changes the membership, if the plan has that --- */
bool sim_is_admin(const struct sim *s, const struct sim_client *c);
bool sim_admin_draw(struct sim *s, struct sim_op *op); /* false: nothing to do now */
/* The same as actions of a schedule; false: it cannot be done. */
void sim_admin_note(const struct sim_op *op, struct sim_action *out);
bool sim_admin_perform(struct sim *s, const struct sim_action *a, struct sim_op *out);
void sim_admin_told(struct sim *s, struct sim_op *op, enum sim_outcome outcome);
/* Body and path of its request; the body is of at most cap bytes. */
void sim_admin_request(const struct sim_op *op, char path[32], char *body, size_t cap);

/* --- sim_told.c --- */
/* What a client's key was at a revision; all zero: there was none. */
const struct sim_truth_version *sim_told_truth(const struct sim *s, uint32_t key, uint64_t revision);
void sim_told_deletion(struct sim_workload *w, uint32_t key, uint64_t revision); /* one was applied */
void sim_told_judge(struct sim *s, uint64_t n, const struct sim_op *op);         /* it has ended well */
void sim_told_denied(struct sim *s, uint64_t n, const struct sim_op *op); /* by its condition */
void sim_told_fini(struct sim_workload *w);

/* --- sim_condition.c --- */
void sim_condition_init(struct sim *s);
void sim_condition_draw(struct sim *s, struct sim_op *op);
void sim_condition_decide(struct sim *s, struct sim_op *op); /* its revisions, in the moment it begins */
/* The headers of a request, of at most cap bytes with their end. */
void sim_condition_headers(const struct sim_demand *d, char *out, size_t cap);
/* The entry of operation n was applied; done: what it is to write was written. */
void sim_condition_applied(struct sim *s, uint64_t n, const struct sim_op *op, bool done);

/* --- sim_client.c --- */
void sim_client_request(struct sim *s, struct sim_client *c); /* the operation c->number */
void sim_client_drop(struct sim *s, struct sim_client *c);    /* its connection */
/* sim_workload.c: the operation that was out has ended. */
void sim_client_done(struct sim *s, struct sim_client *c, enum sim_outcome outcome);

#endif
