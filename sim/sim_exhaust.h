/* sim_exhaust.h: all that can happen to a tiny cluster, within bounds.
 *
 * Three members are bare cores of consensus (src/raft, the code that is shipped), with what a disk of theirs
 * holds, and messages on links. A state is taken, everything that may happen next happens to it in turn,
 * and each state that was not met before is kept: breadth first, so that what is found first is as short as
 * can be. States are known by a hash of all that decides what follows (sim_exhaust_hash.c).
 *
 * What may happen next, each a choice:
 *   the first message on the way arrives, in the order in which all were sent; or it is held back, to arrive
 *   at any time after, or never (so many, by the bound late)
 *   time passes until a member wants to be woken: an election timeout, or a heartbeat
 *   a leader is given a write; a member is asked for a linearizable read
 *   a message arrives, and a copy of it is held back; a member is cut off; a member crashes and starts with
 *   what its disk has: a store that was under way is lost, or was on the disk already (faults)
 *   the member that was cut off is reached again
 * Disks are instant, or (manual=1) the ends of stores are on the way as messages are.
 *
 * So the order of sending is what happens by itself, and each way to depart from it has a bound: runs go far, and
 * without a bound of depth the search has an end, as all that is left then is calm.
 *
 * Checked in each state: R1 to R9 of raft.h, and over the cluster K1 to K8 and K22 of docs/TESTING.md
 * (sim_exhaust_check.c). A failure prints the choices as a protocol story (tests/raft/script.h), which
 * raft_scripts replays. */
#ifndef SIM_SIM_EXHAUST_H
#define SIM_SIM_EXHAUST_H

#include <stdbool.h>
#include <stdint.h>

/* name, least, most, default, text */
#define SIM_EXHAUST_BOUND_MAP(X)                                                                       \
    X(depth, 1, 250, 250, "choices behind each other")                                                 \
    X(faults, 0, 8, 2, "crashes, members cut off, messages that come twice")                           \
    X(late, 0, 16, 1, "messages, or ends of stores, held back")                                        \
    X(timeouts, 0, 8, 2, "times that a member is woken")                                               \
    X(writes, 0, 4, 2, "writes")                                                                       \
    X(reads, 0, 4, 0, "linearizable reads")                                                            \
    X(manual, 0, 1, 0, "1: stores take their time")                                                    \
    X(start, 0, 2, 1, "0: nobody has led; 1: n1 leads; 2: n1 and n3 have led, their entries conflict") \
    X(states, 1, 100000000, 5000000, "the search ends when so many are known")

struct sim_exhaust_bounds {
#define X(name, least, most, is, text) uint32_t name;
    SIM_EXHAUST_BOUND_MAP(X)
#undef X
};

/* NAME=VALUE,... over the defaults; text NULL: the defaults. False: *out is undefined. */
bool sim_exhaust_parse(const char *text, struct sim_exhaust_bounds *out);
/* The bounds, a line each, for --help. */
void sim_exhaust_help(void);
/* Search. Returns 0; a failure ends the process with its verdict. now_s: of a clock that is only shown. */
int sim_exhaust(const struct sim_exhaust_bounds *bounds, bool quiet, double (*now_s)(void));

#endif
