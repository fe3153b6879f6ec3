/* sim_events.h: what will happen, in the order in which it happens: by (time, sequence), so that two
 * things due at the same moment happen in the order in which they were decided. Time is virtual. */
#ifndef SIM_SIM_EVENTS_H
#define SIM_SIM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_EVENT_MAP(X)                                                                               \
    X(NONE, "none")                                                                                    \
    X(MEMBER_TICK, "tick")      /* who: member; a: its life */                                         \
    X(MEMBER_FLUSH, "flush")    /* who: member; a: its life */                                         \
    X(MEMBER_START, "start")    /* who: member */                                                      \
    X(DISK_PERFORM, "perform")  /* who: member; a: life; b: lane */                                    \
    X(DISK_DELIVER, "disk")     /* who: member; a: life; b: lane */                                    \
    X(JOB_RUN, "job-run")       /* who: member; a: life */                                             \
    X(JOB_DELIVER, "job")       /* who: member; a: life */                                             \
    X(NET_SYN, "syn")           /* who: the one dialed; a: end of the dialer; b: attempt */            \
    X(NET_ACCEPT, "accept")     /* who: the one dialed; a: its end */                                  \
    X(NET_DIALED, "dialed")     /* who: the dialer; a: its end; b: -status */                          \
    X(NET_DELIVER, "bytes")     /* who: the receiver; a: end of the sender */                          \
    X(NET_WRITABLE, "writable") /* who: the sender; a: its end */                                      \
    X(CLIENT_WAKE, "client")    /* who: client; a: number of the operation it belongs to */            \
    X(FAULT, "fault")           /* the next fault begins */                                            \
    X(FAULT_END, "fault-end")   /* a: which one ends */                                                \
    X(PHASE, "phase")           /* a look at whether the phase is over */                              \
    X(READ, "read")             /* a: the range that goes on; 0: a new one */

enum sim_event_kind {
#define X(name, text) SIM_EVENT_##name,
    SIM_EVENT_MAP(X)
#undef X
        SIM_EVENT_KINDS
};

const char *sim_event_name(enum sim_event_kind kind);

#define SIM_NOBODY UINT32_MAX

struct sim_event {
    uint64_t time_us, seq;
    enum sim_event_kind kind;
    uint32_t who; /* whom it reaches; SIM_NOBODY */
    uint64_t a, b;
};

struct sim_events {
    struct sim_event *heap; /* four children a node: fewer cache misses than two */
    size_t count, cap;
    uint64_t now_us, next_seq;
};

void sim_events_init(struct sim_events *q);
void sim_events_fini(struct sim_events *q);
/* A time in the past means now. */
void sim_events_push(struct sim_events *q, uint64_t time_us, enum sim_event_kind kind, uint32_t who,
                     uint64_t a, uint64_t b);
/* Take the next event and move now_us to it. False: nothing will ever happen any more. */
bool sim_events_pop(struct sim_events *q, struct sim_event *out);

#endif
