/* replay.h: the glue of src/rt, held to what a simulated member lived through.
 *
 * A seed of the simulator is run, and of each life of its members everything is recorded that crosses member.h and
 * the interfaces below it: the disk it began with, each input with its time, each thing it asked for. Then ms_open()
 * hosts the same member, with the same options, seeds and clock, on a directory with those files. The director gives
 * it what it was given, by real means: sockets, files, jobs, timers. What src/rt hands to the member is held until the
 * recorded moment, has to be what was recorded, and what the member asks for then has to be the same, too. As the
 * member is a function of its inputs, a difference is one that src/rt has made.
 *
 *   replay_trace.c     a life as a list of steps    replay_image.c   the files of a disk
 *   replay_wrap.c      the calls of both hosts, which the linker leads here (--wrap)
 *   replay_record.c    the simulator's side: everything is noted, and passed on
 *   replay_taps.c      what the replayed member asks for: compared, and passed on to src/rt
 *   replay_sync.c      what src/rt asks of the kernel for a sync
 *   replay_input.c     what src/rt hands in: checked, and given to the member in its turn
 *   replay_library.c   a caller of the library, who asks what the simulator has asked
 *   replay_ends.c      the other ends of its connections
 *   replay_director.c  one life from its start to its end
 *   replay_main.c      the command line
 *
 *   RP1  an input reaches the member when it is its turn, at its recorded time, and not before src/rt has delivered it
 *   RP2  bytes are delivered as they were sent by the other end, none twice, none while the member has paused
 *   RP3  what the member sends arrives at the other end: all of it, unless it closed without flush or was cut off
 *   RP4  after each call into the member src/rt calls member_flush() before it waits (R4 of rt_private.h)
 *   RP5  an operation of the disk has the recorded results; at the end the files are those of the simulated disk
 *   RP6  what is called synced was given to the kernel before, by the right call: whether the kernel does it nobody
 *        sees without cutting power
 *   RP7  requests of the library reach the member as they were made, and their callers hear what it answers, once */
#ifndef TESTS_REPLAY_REPLAY_H
#define TESTS_REPLAY_REPLAY_H

#include <sys/types.h>

#include "env/rand.h"
#include "kv_rocks/kv_rocks.h"
#include "member/member.h"
#include "sim/sim_disk.h"

/* ---- replay_image.c ---- */

#define IMAGE_LOG "log" /* as the simulator calls the directories */
#define IMAGE_SNAP "snap"
#define IMAGE_DATA "data" /* of RocksDB */

struct image_file {
    char path[DISK_PATH_BYTES_MAX]; /* one of them, or below one of them */
    bool is_dir;
    uint8_t *bytes;
    size_t len;
};

struct image {
    struct image_file *files; /* sorted by path */
    size_t count, cap;
};

/* Where these stand in the real file system. data may hold the two others. */
struct image_place {
    bool rocksdb; /* there is one */
    char log[DISK_PATH_BYTES_MAX], snap[DISK_PATH_BYTES_MAX], data[DISK_PATH_BYTES_MAX];
};

void image_of_sim(struct image *out, struct sim_disk *d); /* as a process sees it */
void image_of_place(struct image *out, const struct image_place *p);
void image_write(const struct image *i, const struct image_place *p);
/* True, or why says where they differ. What belongs to RocksDB is its own affair: only files that the member writes are
 * looked at. */
bool image_equal(bool rocksdb, const struct image *a, const struct image *b, char *why, size_t why_cap);
void image_fini(struct image *i);

/* ---- replay_trace.c ---- */

/* name, then the names of its numbers, in order */
#define STEP_MAP(X)                                                                                    \
    /* inputs */                                                                                       \
    X(ACCEPT, "accept", "listener")                                                                    \
    X(DIALED, "dialed", "status")                                                                      \
    X(BYTES, "bytes", "len")                                                                           \
    X(WRITABLE, "writable")                                                                            \
    X(CLOSED, "closed")                                                                                \
    X(DISK_DONE, "disk done", "op", "kind", "status", "done_bytes", "size_bytes")                      \
    X(JOB_DONE, "job done", "job", "kind", "status", "count", "last", "revision")                      \
    X(TICK, "tick")                                                                                    \
    X(FLUSH, "flush")                                                                                  \
    X(ASK, "ask", "call", "token", "stale")                                                            \
    /* what the member asks for */                                                                     \
    X(DIAL, "dial", "port")                                                                            \
    X(SEND, "send", "len")                                                                             \
    X(QUEUED, "queued", "answer")                                                                      \
    X(CLOSE, "close", "flush")                                                                         \
    X(PAUSE, "pause", "paused")                                                                        \
    X(SUBMIT, "disk", "op", "kind", "lane", "file", "offset", "len", "sync", "create")                 \
    X(CALL, "disk call", "status", "kind", "done_bytes", "file", "offset", "len", "sync", "create",    \
      "size_bytes")                                                                                    \
    X(LIST, "list")                                                                                    \
    X(NAME, "name", "is_dir", "size_bytes")                                                            \
    X(LISTED, "listed", "result")                                                                      \
    X(JOB, "job", "job", "kind", "count")                                                              \
    X(STOPPED, "stopped", "status")                                                                    \
    X(ANSWER, "answer", "token", "status", "index", "revision", "mod_revision", "lease")               \
    X(PIECE, "piece", "token", "status", "last", "revision", "compacted_revision")                     \
    X(ASKED, "asked", "result")

enum step_kind {
#define X(name, ...) STEP_##name,
    STEP_MAP(X)
#undef X
        STEP_KINDS
};

#define STEP_NUMBERS_MAX 9
struct step {
    enum step_kind kind;
    uint64_t now_ms; /* of an input */
    uint64_t conn;   /* as the simulator numbers them; 0: it is about none */
    int64_t numbers[STEP_NUMBERS_MAX];
    uint64_t hash;  /* of bytes that are not kept */
    int64_t opened; /* DISK_DONE, CALL: the file, as the simulator numbers them; not compared */
    char *text;     /* a host, paths, a reason; NULL: none. Owned, as data and op */
    uint8_t *data;  /* BYTES, ASK */
    size_t len;
    struct kv_op *op; /* ASK for a range; its keys stand in data */
};

enum ask { ASK_PROPOSE, ASK_TXN, ASK_READ, ASK_RANGE, ASK_RANGE_NEXT, ASK_RANGE_END };

struct life {
    uint64_t seed;
    uint32_t number; /* of this member */
    struct member_opts opts;
    struct config cluster;
    uint64_t now_ms;
    int status; /* of member_create() */
    struct image first, last;
    struct step *steps;
    size_t count, cap, inputs;
    bool *performed; /* of each op: it was carried out before the end */
    size_t op_count, op_cap, job_count;
};

bool step_is_input(enum step_kind kind);
const char *step_name(enum step_kind kind);
void step_text(const struct step *s, char *out, size_t cap);
bool step_equal(const struct step *a, const struct step *b);
void step_fini(struct step *s);
uint64_t step_hash(const void *data, size_t len);
/* The numbers of a SUBMIT or a CALL (kind is set); paths and file are the caller's to translate. */
void step_of_op(struct step *s, const struct disk_op *op);
bool step_op_has_file(enum disk_op_kind kind);
/* Results of an op into a DISK_DONE or a CALL. */
void step_of_result(struct step *s, const struct disk_op *op);
void step_of_job_done(struct step *s, const struct kv_job *job, uint64_t number);
void step_of_answer(struct step *s, const struct node_answer *a);
void step_of_piece(struct step *s, const struct node_range_piece *p);

/* Takes over what it points to. The pointer is good until the next one. */
struct step *life_add(struct life *l, struct step s);
void life_destroy(struct life *l);

void *replay_grow(void *items, size_t count, size_t *cap, size_t item_bytes);
char *replay_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- replay_record.c ---- */

struct recording {
    struct life **lives;
    size_t count, cap;
};

/* From here on lives are noted, each up to so many inputs, until record_end(). */
void record_begin(struct recording *r, uint64_t seed, size_t inputs_max);
void record_end(void);

int record_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                  const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap);
/* The life of a member, or of a disk, is over. */
void record_died(const struct member *m);
void record_crashed(struct sim_disk *d);
void record_performed(const struct disk_op *op);
/* The step to fill in; NULL: nothing is noted of this member. */
struct step *record_input(const struct member *m, enum step_kind kind, uint64_t now_ms, uint64_t conn);
void record_disk_done(const struct member *m, uint64_t now_ms, const struct disk_op *op);
void record_job_done(const struct member *m, uint64_t now_ms, const struct kv_job *job);
void record_ask(const struct member *m, uint64_t now_ms, enum ask call, uint64_t token,
                struct bytes data, const struct kv_op *op, bool stale);
void record_asked(const struct member *m, int result);
/* RocksDB is about to be opened, before its member is made. */
void record_database(const struct kv_rocks_opts *opts);

/* ---- replay_director.c ---- */

struct ms_member;

enum replay_break {
#define BREAK_MAP(X)                                                                                   \
    X(NONE, "none")                                                                                    \
    X(DROP_BYTE, "drop-byte")     /* the last byte of a read is lost */                                \
    X(OFFSET, "offset")           /* a write goes to a wrong place */                                  \
    X(NO_FLUSH, "no-flush")       /* no flush after a completion of the disk */                        \
    X(NO_WRITABLE, "no-writable") /* it is never told that a queue has run empty */                    \
    X(LATE_TICK, "late-tick")     /* the timer is armed for a second too late */                       \
    X(CUT_CLOSE, "cut-close")     /* what is closed with flush is closed at once */                    \
    X(NO_SYNC, "no-sync")         /* what is to be synced is not */
#define X(name, text) BREAK_##name,
    BREAK_MAP(X)
#undef X
        BREAKS
};

struct replay_opts {
    enum replay_break breaks;
    uint32_t patience_ms; /* so long nothing may go on */
    const char *again;    /* options that a repetition needs beside the seed */
    bool verbose;
};

struct replay_totals {
    uint64_t lives, steps[STEP_KINDS], dials_failed, bytes_in, bytes_out, ended, reset, full, flushed,
        asked, waits;
};

/* Live one life again. A difference ends the process with 1. */
void replay_life(const struct replay_opts *opts, const struct life *l, struct replay_totals *totals);

/* ---- what replay_wrap.c leads to ---- */

enum replay_mode { REPLAY_OFF, REPLAY_RECORDS, REPLAY_REPLAYS };
extern enum replay_mode replay_mode;

int input_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                 const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap);
void input_accept(uint64_t now_ms, uint64_t real, int listener);
void input_dialed(uint64_t now_ms, uint64_t real, int status);
void input_bytes(uint64_t now_ms, uint64_t real, struct bytes in);
void input_writable(uint64_t now_ms, uint64_t real);
void input_closed(uint64_t now_ms, uint64_t real, bool ended);
void input_disk(uint64_t now_ms, struct disk_op *op);
void input_job(uint64_t now_ms, struct kv_job *job);
void input_tick(uint64_t now_ms);
void input_flush(uint64_t now_ms);
int input_ask(enum ask call, uint64_t now_ms, uint64_t token, struct bytes data, const struct kv_op *op,
              bool stale);
void input_range_next(uint64_t now_ms, uint64_t token);
void input_range_end(uint64_t now_ms);
uint64_t input_clock_ms(void);
uint64_t input_deadline_ms(uint64_t deadline_ms);
struct rt_net;
void input_net_flush(struct rt_net *n);

/* What the linker calls the functions themselves. */
#define WRAPPED_MAP(X)                                                                                 \
    X(int, member_create,                                                                              \
      (struct member * *out, const struct member_opts *opts, struct kv *kv,                            \
       const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap))                      \
    X(void, member_destroy, (struct member * m))                                                       \
    X(void, member_on_accept,                                                                          \
      (struct member * m, uint64_t now_ms, uint64_t conn, enum member_listener listener))              \
    X(void, member_on_dialed, (struct member * m, uint64_t now_ms, uint64_t conn, int status))         \
    X(void, member_on_bytes, (struct member * m, uint64_t now_ms, uint64_t conn, struct bytes in))     \
    X(void, member_on_writable, (struct member * m, uint64_t now_ms, uint64_t conn))                   \
    X(void, member_on_ended, (struct member * m, uint64_t now_ms, uint64_t conn))                      \
    X(void, member_on_closed, (struct member * m, uint64_t now_ms, uint64_t conn))                     \
    X(void, member_on_disk, (struct member * m, uint64_t now_ms, struct disk_op * op))                 \
    X(void, member_on_job, (struct member * m, uint64_t now_ms, struct kv_job * job))                  \
    X(void, member_on_tick, (struct member * m, uint64_t now_ms))                                      \
    X(void, member_flush, (struct member * m, uint64_t now_ms))                                        \
    X(uint64_t, member_deadline_ms, (const struct member *m))                                          \
    X(int, member_propose_txn,                                                                         \
      (struct member * m, uint64_t now_ms, uint64_t token, struct bytes command))                      \
    X(int, member_txn, (struct member * m, uint64_t now_ms, uint64_t token, struct bytes command))     \
    X(int, member_read, (struct member * m, uint64_t now_ms, uint64_t token, struct bytes key))        \
    X(int, member_range,                                                                               \
      (struct member * m, uint64_t now_ms, uint64_t token, const struct kv_op *op, bool stale))        \
    X(void, member_range_next, (struct member * m, uint64_t now_ms, uint64_t token))                   \
    X(void, member_range_end, (struct member * m, uint64_t now_ms, uint64_t token))                    \
    X(int, kv_rocks_open_or_rebuild,                                                                   \
      (struct engine * *out, const struct kv_rocks_opts *opts, bool alone, bool wrong,                 \
       const struct ms_alloc *alloc, const struct log_sink *log, char *why, size_t why_cap))           \
    X(bool, sim_disk_crash,                                                                            \
      (struct sim_disk * d, bool power, struct ms_rand *rand, struct disk_op *torn))                   \
    X(void, sim_disk_perform_as,                                                                       \
      (struct sim_disk * d, struct disk_op * op, enum sim_disk_how how, size_t part_bytes))            \
    X(uint64_t, rt_clock_ms, (void))                                                                   \
    X(void, rt_net_flush, (struct rt_net * n))                                                         \
    X(void, rt_disk_execute, (struct disk_op * op))                                                    \
    X(ssize_t, pwrite, (int fd, const void *data, size_t len, off_t at))                               \
    X(int, fdatasync, (int fd))                                                                        \
    X(int, fsync, (int fd))
#define X(type, name, args)                                                                            \
    type __real_##name args;                                                                           \
    type __wrap_##name args;
WRAPPED_MAP(X)
#undef X

#endif
