/* sim_enumerate.h: power cuts at every operation of the disks of one run.
 *
 * A small calm run is made twice: once to count, and once to stop before and after each operation that
 * changes a disk (writes, syncs, names), those of starts too. There the process divides: the copy loses
 * the power of one member, or of all, with one choice of what survives; it goes on with the rest of the
 * run, all checkers look, everything is healed and has to become able to answer and equal. The original
 * goes on to the next operation. So each case costs what is behind its cut, and is the same each time:
 * sim --enumerate --seed=S --point=K takes the one cut in the process itself. With members on RocksDB each
 * case is a run from the beginning, in a process of its own.
 *
 *   case = operation * SIM_ENUM_CASES + (before, or after) * SIM_ENUM_CHOICES + choice */
#ifndef SIM_SIM_ENUMERATE_H
#define SIM_SIM_ENUMERATE_H

#include "sim/sim.h"

/* Choices: of whom, and what survives of what was not synced. */
#define SIM_ENUM_CHOICE_MAP(X)                                                                         \
    X(ONE_NOTHING, "one member, nothing unsynced survives")                                            \
    X(ONE_ALL, "one member, everything survives")                                                      \
    X(ONE_DRAWN, "one member, a drawn half survives")                                                  \
    X(ONE_DRAWN_AGAIN, "one member, drawn otherwise")                                                  \
    X(EACH_NOTHING, "all members, nothing survives")                                                   \
    X(EACH_DRAWN, "all members, what survives is drawn")

enum sim_enum_choice {
#define X(name, text) SIM_ENUM_##name,
    SIM_ENUM_CHOICE_MAP(X)
#undef X
        SIM_ENUM_CHOICES
};
#define SIM_ENUM_CASES (2u * SIM_ENUM_CHOICES)

struct sim_enumeration; /* opaque */

/* Enumerate the run of a seed. Returns the exit code: 0, or the verdict of a case that failed. */
int sim_enumerate(const struct sim_options *opts, uint64_t seed);

/* --- during a run --- */
/* What is special about its plan. */
void sim_enumerate_plan(const struct sim_enumeration *e, struct sim_plan *p);
/* op is about to be carried out, or was. True: power was cut, and the member is dead; in a start
 * (m->starting): it is as good as dead. */
struct sim_member;
bool sim_enumerate_at(struct sim_member *m, const struct disk_op *op, bool after);
/* Power was cut in the middle of a job of an engine, which has ended: of all others, if that is the case. */
void sim_enumerate_cut_others(struct sim *s);
/* Whether power was cut: then a start that died did so of that. */
bool sim_enumerate_has_cut(const struct sim *s);
/* Of the case that runs; UINT64_MAX: it is the original. */
uint64_t sim_enumerate_case(const struct sim_enumeration *e);

#endif
