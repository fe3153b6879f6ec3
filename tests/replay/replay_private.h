/* replay_private.h: one life that is being replayed. All of it is the loop thread's while there is one, else the
 * main thread's; but for the clock, which threads of src/rt read, too. */
#ifndef TESTS_REPLAY_REPLAY_PRIVATE_H
#define TESTS_REPLAY_REPLAY_PRIVATE_H

#include <stdatomic.h>
#include <uv.h>

#include "rt/rt_private.h"
#include "tests/replay/replay.h"
#include "tests/rt/rt_support.h"

/* How the other end breaks a connection off. */
enum end_cut {
    END_WHOLE,
    END_FIN,      /* it says that it sends no more */
    END_RESET,    /* when it has heard everything */
    END_RESET_NOW /* whatever it has heard */
};

/* The other end of one connection of the member. */
struct end {
    uint64_t conn, real;         /* as the member knows it; as src/rt does, 0: not known yet */
    int fd, listener;            /* -1: none */
    bool accepted;               /* the member's part; else it has dialed */
    bool lazy;                   /* reads only when the life cannot go on otherwise */
    bool small;                  /* sockets on both sides that take little */
    enum end_cut breaks, broken; /* how it will be broken off, should it; how it was */
    /* to the member: what the life gives; how much of it was written, was heard of, was given to the member */
    uint8_t *in;
    size_t in_len, in_cap, written, heard, taken;
    /* from the member; turn_len: of it before src/rt wrote last */
    uint8_t *out;
    size_t out_len, out_cap, turn_len, received;
    /* what src/rt has said, and the member does not know yet, but for closed and ended */
    bool dialed, writable, closed, ended;
    /* It knows, and has sent nothing since. The simulator may say so again, of what was sent before. */
    bool told_writable;
    bool dial_fails;  /* nobody listens */
    bool paused;      /* the member takes no bytes */
    bool told;        /* it knows that the connection is closed */
    bool left, flush; /* it has closed the connection; with flush */
    size_t least;     /* then so much of what it sent was out of the hands of src/rt */
};

struct replay_op {
    struct disk_op *op;
    bool back;  /* src/rt has handed it in */
    bool taken; /* the member has been given it: it is the member's again */
};

struct replay_job {
    struct kv_job *job;
    bool back;
};

struct replay {
    const struct replay_opts *opts;
    const struct life *life;
    struct replay_totals *totals;
    struct ms_rand rand;
    char dir[TEMP_DIR_BYTES]; /* of the files of this life; place is in it */
    struct image_place place;
    _Atomic uint64_t now_ms;
    size_t at;                /* the step that comes next */
    size_t given;             /* bytes of all steps before it were handed to their ends ... */
    size_t ahead;             /* ... at most so many steps early */
    bool within;              /* the member is at work: it may ask for something */
    bool over;                /* what comes has no meaning any more */
    _Atomic uint64_t over_ms; /* since when, by the real clock; 0: it is not */
    struct ms_member *host;
    struct member *core;
    struct member_env below; /* what src/rt has given it */
    struct disk disk;        /* the taps */
    struct net net;
    struct end **ends;
    size_t end_count, end_cap;
    struct replay_op *ops;
    size_t op_count, op_cap, ops_out; /* out: src/rt has them */
    struct replay_job *jobs;
    size_t job_count, job_cap;
    uint32_t left_open; /* files that nobody closes, as the life ended over their opening */
    int64_t *files;     /* by descriptor: the simulator's number */
    size_t file_cap;
    bool owed;           /* a member_flush() (RP4) */
    bool owed_by_disk;   /* the last call was of a completion */
    uint32_t owed_turns; /* since when */
    bool writes;         /* src/rt is in rt_net_flush() */
    uv_prepare_t prepare;
    uv_idle_t idle;
    uint64_t moved_us;    /* when something has last gone on */
    uint32_t still;       /* rounds of the loop since */
    struct asked **asked; /* of the library */
    size_t asked_count, asked_cap;
    const struct step *direct; /* an ask that does not go through it */
};
extern struct replay replay;
/* From the director to the thread of the library's caller: requests; NULL: the life is over. */
extern int replay_pipe[2];

/* ---- replay_director.c ---- */

/* The life and its replay differ: says where, and ends the process. */
_Noreturn void replay_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The next step; NULL: the life is over. */
const struct step *replay_next(void);
void replay_moved(void); /* something goes on */
uint64_t replay_real_us(void);
void director_begin(void); /* once, before the first life: ports for all of them */
void director_start(void);

/* ---- replay_taps.c ---- */

void taps_env(const struct member_env *below, struct member_env *out);
/* The member has been given all that belongs to a file under its real number. */
void taps_opened(disk_file file, int64_t number);
void taps_fini(void);

/* ---- replay_input.c ---- */

/* Whether what the step needs has been handed in by src/rt; not of what has to come from it in this moment. */
bool input_is_here(const struct step *s);
int input_perform(const struct step *s, const struct bytes *in); /* of an ask: what it returns */
/* False: the life is over. */
bool input_called(uint64_t now_ms);

/* ---- replay_library.c ---- */

/* True: the library is asked, or was; false: it is for the member itself. */
bool library_ask(const struct step *s);
bool library_goes_on(const struct step *s); /* src/rt has asked for the next piece of a range */
void library_continued(const struct step *s);
void library_asked(const struct step *s, int result);
void library_answer(void *ctx, const struct node_answer *answer);
void library_piece(void *ctx, const struct node_range_piece *piece);
bool library_settled(void);
void library_serve(struct ms_member *m);
void library_over(void);
void library_fini(void);

/* ---- replay_ends.c ---- */

void ends_begin(void); /* once: a port nobody listens on */
struct end *end_add(uint64_t conn);
struct end *end_of(uint64_t conn);      /* fails if there is none */
struct end *end_find(uint64_t conn);    /* NULL: there is none */
struct end *end_of_real(uint64_t real); /* fails if there is none */
/* Dial the member. */
void end_connect(struct end *e, uint16_t port);
/* Where the member shall dial. */
uint16_t end_listen(struct end *e);
void end_take(struct end *e); /* the connection that the member has dialed */
void end_give(struct end *e, const uint8_t *data, size_t len);
void end_sent(struct end *e, const void *data, size_t len); /* the member has sent */
void end_left(struct end *e);                               /* the member has closed */
/* Break it off as it is to be, if it is time to. */
void end_break(struct end *e);
/* True: nothing is missing of what the other ends have to see before the end of the life. */
bool ends_settled(void);
void ends_pump(void);    /* write and read what can be */
void ends_written(void); /* src/rt has written, as far as sockets took it */
void ends_close(void);   /* all, now */
void end_text(const struct end *e, char *out, size_t cap);

#endif
