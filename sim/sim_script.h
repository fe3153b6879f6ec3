/* sim_script.h: a schedule as text, in the language of the protocol stories (tests/raft/script.h): one
 * command a line, comments with #, the same words for the same things. What is different: stories move
 * only by commands, here time runs by itself, so that each action stands behind the time at which it
 * happens; and what is sent is sent over streams, which lose nothing as long as they last.
 *
 *   # The story, in a sentence or two; the first line of every script.
 *   cluster 3 seed=17 clients=2
 *   set election=120 latency=900
 *   at 812.440 crash n2 power for 300
 *   at 1020 put n1 k3 bytes=20 by c0
 *   at 1500 end
 *
 *   cluster N [NAME=VALUE...]  first of all: members n1 to nN, and settings
 *   set NAME=VALUE...          more settings. Names: seed, and those in sim_settings.c, where stories
 *                              have them too called the same. What is not set is calm.
 *   at MS[+TURN] ACTION        in order of time; +TURN: behind so many events of that microsecond
 *
 * As in stories:
 *   crash NODE [power] [for MS]
 *                              power: of its machine, else of its process alone. For so long, then it
 *                              starts; without `for` it does not, here and below
 *   start NODE after MS
 *   partition NODE... | NODE... [| ...] [for MS]
 *   hold LINK... [for MS]      a direction stands still; what is sent there flows when it goes on
 *   drop PICK                  a frame is lost: the first from that time on that PICK means
 *   duplicate PICK after MS    a copy arrives so much later
 *   change NODE add|remove NODE [port=N] by CLIENT [fresh] [rejoin]
 *                              rejoin: then, if it has lost its disk, it is started with --join
 *   change NODE set NODE... [port=N] by CLIENT [fresh]
 *                              +NODE: one on a new machine
 *   change NODE lease on|off by CLIENT [fresh]
 *   transfer NODE [NODE] by CLIENT [fresh]
 *                              asked of the first, by HTTP as all of these
 *   heal [NODE...]             all faults end; or, of these members, while the others keep theirs. Then
 *                              the cluster has to become able to answer, and equal (K18)
 * What only the simulator has:
 *   put NODE KEY bytes=N by CLIENT [fresh] [if absent|present|newest|before|either|changed|neither|another]
 *   get NODE KEY by CLIENT [fresh]
 *   delete NODE KEY by CLIENT [fresh]
 *                              a request through NODE; fresh: on a new connection. A client has one
 *                              request out: if it has, this one is not made
 *   boot NODE calls=N          its next start dies behind so many calls of its disk
 *   job NODE calls=N           it dies behind so many writing calls of its RocksDB
 *   wipe NODE                  it is down: it comes back with an empty disk
 *   rot NODE draw=N            it is down: sectors of its files change; which is drawn from N
 *   losefile NODE draw=N       the same: a file vanishes, or is cut
 *   spoil NODE draw=N          the same: sectors cannot be read any more
 *   eio NODE draw=N            an operation of its disk fails, or is short; which and how from N
 *   lostwrite NODE draw=N      a batch of its log is called durable, and lost when power goes
 *   misdirect NODE draw=N      the same, and it is found where something else stood
 *   nomem NODE draw=N          it is refused memory: which requests, and how many, from N
 *   stuck NODE lanes=N [for MS]
 *                              what its disk is asked for does not come to an end; bits: 1 of the log,
 *                              2 of the state file, 4 of all else
 *   pause NODE [for MS]
 *   nospace NODE free=N [for MS]
 *                              its disk has room for N more bytes
 *   slow NODE disk|engine|link N [for MS]
 *                              N times as slow; link: N bytes a millisecond
 *   clock NODE drift PPM [for MS]
 *   clock NODE stop [jump] [for MS]
 *                              jump: afterwards it shows what it would, had it never stood
 *   clock NODE late MS [for MS]
 *                              timers come late, by up to so much
 *   reset LINK [K]             the Kth connection that the first has opened to the second breaks
 *   delay PICK for MS          a frame is late, and may be overtaken
 *   replay PICK place=N        behind a frame comes one that was sent before, of a few remembered
 *   end                        of the run
 *
 *   NODE  n1 to n12    CLIENT  c0 to c31    KEY  k0 to k63    MS  milliseconds, to three decimals
 *   LINK  from>to, of NODE, CLIENT, * for any member, c* for any client
 *   PICK  LINK [TYPE] [K]: the Kth (first) frame of that type (any) between two members. TYPE: those of
 *         stories, a snapshot being each of its pieces, and forward, forward-reply, gate,
 *         snapshot-offer, snapshot-reply, repair, repair-reply, transfer
 *
 * What only stories have (cut, disk, deliver, release, time, store, apply, ...) decides by hand what
 * here the clock and the seed decide. */
#ifndef SIM_SIM_SCRIPT_H
#define SIM_SIM_SCRIPT_H

#include <stdio.h>

#include "sim/sim_schedule.h"

#define SIM_SCRIPT_BYTES_MAX (8u << 20)

struct sim_script_error {
    uint32_t line;
    char text[160];
};

/* *out: initialised; the schedule, to be replayed. False: *err says why; *out is to be finished all the
 * same. */
bool sim_script_parse(const char *text, size_t len, struct sim_schedule *out,
                      struct sim_script_error *err);
/* Everything but the story at its head. */
void sim_script_print(FILE *f, const struct sim_schedule *sc);
void sim_script_print_action(FILE *f, const struct sim_schedule *sc, const struct sim_action *a);
/* Whether all of it goes together; else why not. NULL: it does. */
const char *sim_plan_problem(const struct sim_plan *p);

#endif
