/* script_private.h: the inside of the runner of scripts.
 *   script.c           lines, words, dispatch     script_command.c  what the commands do
 *   script_net.c       messages on the way        script_trace.c    what a step is seen to have done */
#ifndef TESTS_RAFT_SCRIPT_PRIVATE_H
#define TESTS_RAFT_SCRIPT_PRIVATE_H

#include "tests/raft/cluster.h"
#include "tests/raft/script.h"

#define SCRIPT_WORDS_MAX 64u
#define SCRIPT_LINE_BYTES_MAX 512u
#define SCRIPT_HOLDS_MAX 16u
#define SCRIPT_FLIGHTS_MAX 16u
#define SCRIPT_TURNS_MAX 20000u

enum script_level { SCRIPT_TRACE_ALL, SCRIPT_TRACE_STATES, SCRIPT_TRACE_OFF };

/* What the trace has already said of a member. */
struct script_seen {
    enum raft_role role;
    uint64_t term, leader, vote, commit, first, last, config_index;
    struct raft_leadership leadership;
    uint64_t terms[INDEX_MAX]; /* of the log, by index */
};

struct script_node {
    struct script_seen seen;
    bool manual_disk, manual_apply;
};

/* 0 for any. */
enum script_kind { SCRIPT_PRE_VOTE = RAFT_MSG_TIMEOUT_NOW + 1, SCRIPT_PRE_VOTE_REPLY, SCRIPT_SNAPSHOT };
#define SCRIPT_NTH_LAST UINT32_MAX
struct script_pick {
    uint64_t from, to;
    uint32_t kind; /* enum raft_msg_type or enum script_kind */
    uint32_t nth;  /* 1 and up, or SCRIPT_NTH_LAST */
    bool all;
};

/* A snapshot on the way. */
struct script_flight {
    uint64_t from, to;
    struct cluster_state state;
};

struct script {
    struct cluster cluster;
    bool began; /* cluster_init() was called */
    struct script_node nodes[NODES_MAX + 1];
    struct script_pick holds[SCRIPT_HOLDS_MAX];
    uint32_t hold_count;
    struct script_flight flights[SCRIPT_FLIGHTS_MAX];
    uint32_t flight_count;
    enum script_level level;
    struct test_alloc alloc;
    struct buf out;
    char words_text[SCRIPT_LINE_BYTES_MAX];
    char *words[SCRIPT_WORDS_MAX];
    uint32_t word_count;
    char error[160];
};

/* --- script.c: all of them true, or the script is told what is wrong --- */
bool script_fail(struct script *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool script_number(struct script *s, const char *word, uint64_t *out);
bool script_node(struct script *s, const char *word, uint64_t *out);
bool script_running(struct script *s, const char *word, uint64_t *out);
bool script_link(struct script *s, const char *word, uint64_t *from, uint64_t *to);

/* --- script_command.c --- */
bool script_command(struct script *s);
bool script_settle(struct script *s); /* the end of a turn, for all members */

/* --- script_net.c --- */
bool script_deliver(struct script *s);
bool script_drop(struct script *s);
bool script_duplicate(struct script *s);
bool script_hold(struct script *s);
bool script_release(struct script *s);
void script_take_flights(struct script *s, uint64_t id); /* snapshots that id was asked for set out */
bool script_run_network(struct script *s);

/* --- script_trace.c --- */
void script_say(struct script *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void script_watch(struct cluster *c, uint64_t id, const struct raft_input *in, int rv);
void script_see(struct script *s, uint64_t id); /* begin anew: say nothing of what is there */
void script_say_message(struct script *s, const char *fate, const struct raft_msg *m);
void script_say_flight(struct script *s, const char *fate, const struct script_flight *f);
void script_say_member(struct script *s, uint64_t id);
void script_say_config(struct script *s, uint64_t id);
const char *script_error_name(int code);
const char *script_kind_name(uint32_t kind); /* NULL: none */
uint32_t script_kind_of(const struct raft_msg *m);

#endif
