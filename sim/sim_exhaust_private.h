/* sim_exhaust_private.h: the world that is searched.
 *   sim_exhaust.c         the search              sim_exhaust_world.c   choices, and what they do
 *   sim_exhaust_check.c   what must hold          sim_exhaust_member.c  a member's memory, taken and put back
 *   sim_exhaust_hash.c    which states are equal  sim_exhaust_print.c   choices as a story
 *
 * Each choice touches one member. So a step back costs no more than to put that member's memory and the
 * world, which is small, where they were. */
#ifndef SIM_SIM_EXHAUST_PRIVATE_H
#define SIM_SIM_EXHAUST_PRIVATE_H

#include <stdio.h>

#include "raft/raft.h"
#include "sim/sim_exhaust.h"

#define EXH_MEMBERS 3u
#define EXH_LOG_MAX 16u                    /* entries of a log */
#define EXH_WAY_MAX 64u                    /* messages and stores on the way */
#define EXH_TERM_MAX 32u                   /* terms: fewer than this */
#define EXH_READS_MAX 4u                   /* as the bound says */
#define EXH_DEPTH_MAX 250u                 /* likewise */
#define EXH_PATH_MAX (EXH_DEPTH_MAX + 60u) /* with what leads to where the search begins */
#define EXH_CHOICES_MAX 128u
/* The shortest that there are: timeouts are drawn from [1, 2), so that chance has no part in it, and a
 * member that wants to be woken is woken when all that was heard before counts as old. */
#define EXH_ELECTION_MS 1u
#define EXH_HEARTBEAT_MS 1u
#define EXH_STALL_MS 1000000u /* no leader hands over because its store takes long */
#define EXH_APPEND_BYTES 1u   /* one entry an append: more of them can go separate ways */

enum exh_kind {
    EXH_ARRIVE, /* also the end of a store */
    EXH_HOLD,
    EXH_REPEAT, /* arrives, and a copy is held */
    EXH_TIMEOUT,
    EXH_WRITE,
    EXH_READ,
    EXH_CRASH,
    EXH_CRASH_STORED,
    EXH_CUT,
    EXH_HEAL
};

/* member: that it happens to. from, at, nth: of what is on the way, where it stands there, and which it is on its
 * link; else 0. */
struct exh_choice {
    uint8_t kind, member, from, at, nth;
};

/* Payload: a number of the pool. */
struct exh_entry {
    uint64_t term;
    uint32_t payload;
};

struct exh_log {
    uint32_t last_index;
    struct exh_entry at[EXH_LOG_MAX + 1]; /* by index */
};

struct exh_disk {
    uint64_t term, vote;
    struct exh_log log;
};

struct exh_node {
    struct exh_disk disk;
    struct exh_log log;      /* as the member has it in memory, read after each step */
    struct raft_store store; /* under way */
    struct exh_entry pending[EXH_LOG_MAX + 1];
    bool storing, touched;
    uint64_t applied_index;
};

/* A message, by its number in the pool, or the end of a store, from a member to itself. */
struct exh_on_way {
    uint32_t message;
    uint8_t from, to;
    bool held;
};

struct exh_read {
    uint64_t floor_index; /* the highest commit index anywhere when it came in */
    bool open;
};

/* All that changes but the memories of members. */
struct exh_world {
    uint64_t now_ms;
    struct exh_node nodes[EXH_MEMBERS + 1]; /* by id */
    struct exh_on_way way[EXH_WAY_MAX];     /* in the order of sending */
    uint32_t way_count;
    uint32_t cut; /* this member hears nobody, nobody hears it; 0: nobody */
    uint32_t faults, late, timeouts, writes, reads; /* spent */
    uint32_t stores_begun;                          /* by the last choice: bits by id */
    struct exh_read read[EXH_READS_MAX + 1];        /* by token */
    /* What has been, and binds what comes. */
    uint64_t leader_of[EXH_TERM_MAX];
    uint64_t vote_of[EXH_MEMBERS + 1][EXH_TERM_MAX];
    struct {
        struct exh_entry entry;
        uint64_t by_term; /* the leader's that committed it first */
    } ledger[EXH_LOG_MAX + 1];
    uint64_t ledger_last;
};

/* Bytes that occur, messages and payloads, each once: equal numbers are equal bytes. It only grows. */
struct exh_pool {
    struct {
        uint8_t *data;
        uint32_t len;
        uint64_t hash;
    } * items;
    uint32_t *table; /* open addressing, number + 1 */
    uint32_t count, cap, table_cap;
};

struct exh_arena; /* a member's memory */
struct exh_saved; /* a copy of what of it matters */

struct exh {
    struct sim_exhaust_bounds bounds;
    struct exh_world world;
    struct exh_arena *arenas[EXH_MEMBERS + 1];
    struct raft *rafts[EXH_MEMBERS + 1]; /* at the same address for ever */
    struct exh_pool pool;
    struct config config;
    struct raft_output out;
    /* The way to the state at hand: for who prints it. */
    struct exh_choice path[EXH_PATH_MAX + 1];
    uint32_t path_stores[EXH_PATH_MAX + 1]; /* what of them began stores; at 0: before all choices */
    uint32_t path_len;
    bool path_open; /* the last one is not through: it has no stores yet */
};

/* --- sim_exhaust_member.c --- */
uint32_t exh_pool_add(struct exh_pool *p, struct bytes b);
struct bytes exh_pool_at(const struct exh_pool *p, uint32_t number);
void exh_pool_fini(struct exh_pool *p);
void exh_members_init(struct exh *x);
void exh_members_fini(struct exh *x);
/* Begin a life of a member from its disk; any earlier one is gone. */
void exh_member_start(struct exh *x, uint32_t id);
struct exh_saved *exh_saved_create(void);
void exh_saved_destroy(struct exh_saved *s);
void exh_member_save(const struct exh *x, uint32_t id, struct exh_saved *out);
void exh_member_restore(struct exh *x, uint32_t id, const struct exh_saved *s);

/* --- sim_exhaust_world.c --- */
void exh_init(struct exh *x, const struct sim_exhaust_bounds *bounds);
void exh_fini(struct exh *x);
/* What may happen next; at most EXH_CHOICES_MAX. */
uint32_t exh_choices(const struct exh *x, struct exh_choice *out);
void exh_choose(struct exh *x, struct exh_choice c);

/* --- sim_exhaust_check.c; who finds something does not return --- */
void exh_check_step(struct exh *x, uint32_t id, uint64_t commit_before);
void exh_check_message(struct exh *x, uint32_t id, const struct raft_msg *m);
void exh_check_read(struct exh *x, uint64_t token, uint64_t index, int status);
void exh_check_logs(const struct exh *x, uint32_t id);

/* --- sim_exhaust_hash.c --- */
uint64_t exh_hash(const struct exh *x);

/* --- sim_exhaust_print.c --- */
void exh_print_story(FILE *f, const struct exh *x, const char *checker, const char *text);

#endif
