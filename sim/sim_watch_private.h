/* sim_watch_private.h: the inside of watching.
 *   sim_watch.c         when clients connect, go, are slow; who proposes transactions
 *   sim_watch_stream.c  their HTTP: answers in chunks, server-sent events, JSON
 *   sim_watch_truth.c   the history, and the judges of K13 */
#ifndef SIM_SIM_WATCH_PRIVATE_H
#define SIM_SIM_WATCH_PRIVATE_H

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "sim/sim_check.h"
#include "sim/sim_cluster.h"
#include "sim/sim_watch.h"

#define SIM_WATCH_KEY_BYTES 8u
#define SIM_WATCH_KEYS_MAX 128u
#define SIM_WATCH_TXN_KEYS 8u

struct sim_watch_record {
    bool present;
    uint64_t create_revision, mod_revision, version, lease;
    uint64_t value; /* its hash */
    size_t value_bytes;
};

struct sim_watch_event {
    uint64_t revision;
    char key[SIM_WATCH_KEY_BYTES];
    bool put;
    struct sim_watch_record now, prev; /* prev: may be absent */
};

/* What a stream says of an event. */
struct sim_watch_heard {
    bool put, has_id, has_prev;
    uint64_t id;
    char key[SIM_WATCH_KEY_BYTES];
    struct sim_watch_record now, prev;
};

enum sim_watch_state {
    SIM_WATCH_RESTING = 1,
    SIM_WATCH_DIALING,
    SIM_WATCH_WAITING, /* for the head of the answer */
    SIM_WATCH_STREAMING
};

struct sim_watch {
    uint32_t client, target;
    enum sim_watch_state state;
    uint64_t conn, wake, heard_us, dialed_us;
    bool slow;
    /* What it asks for. */
    char key[SIM_WATCH_KEY_BYTES];
    bool prefix, prev, no_puts, no_deletes, progress;
    /* How far it is. next_revision 0: it has not been told yet where it begins. */
    uint64_t next_revision, last_id;
    bool has_id;
    size_t cursor, safe;     /* in the history: the next event; behind the last one with an id */
    uint64_t asked_revision; /* of the present stream; 0: from now on */
    /* What has arrived: of the answer, and of its chunks. */
    struct buf in, text;
    bool has_head;
};

struct sim_watches {
    struct ms_rand rand;
    struct sim_watch items[SIM_WATCHES_MAX];
    uint32_t count;
    bool behave;
    uint64_t txn_wake, txn_number, txn_token;
    struct {
        char name[SIM_WATCH_KEY_BYTES];
        struct sim_watch_record record;
    } keys[SIM_WATCH_KEYS_MAX]; /* in order of names */
    uint32_t key_count;
    struct sim_watch_event *history;
    size_t history_count, history_cap;
    uint64_t revision, compacted;
};

/* --- sim_watch_stream.c --- */
void sim_watch_request(struct sim *s, struct sim_watch *w);
void sim_watch_read(struct sim *s, struct sim_watch *w, struct bytes in);
void sim_watch_rest(struct sim *s, struct sim_watch *w,
                    uint64_t most_ms); /* sim_watch.c: without connection */

/* --- sim_watch_truth.c --- */
void sim_watch_place(struct sim *s, struct sim_watch *w,
                     uint64_t revision); /* before its first event */
void sim_watch_judge(struct sim *s, struct sim_watch *w, const struct sim_watch_heard *h);
/* All up to revision was sent. marked: it is an event of progress. */
void sim_watch_judge_mark(struct sim *s, struct sim_watch *w, uint64_t revision, bool marked);
void sim_watch_judge_compacted(struct sim *s, struct sim_watch *w, uint64_t revision);
bool sim_watch_has_all(const struct sim *s, const struct sim_watch *w);

#endif
