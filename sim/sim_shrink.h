/* sim_shrink.h: a failing seed becomes a small script that fails the same checker (docs/TESTING.md).
 * The run is recorded as a schedule; then whole kinds of faults are left out, single ones, clients,
 * their operations, fates of frames, members, and settings become calm, as long as the same checker
 * fires. Each candidate is a run in a process of its own, bounded by its number of events. */
#ifndef SIM_SIM_SHRINK_H
#define SIM_SIM_SHRINK_H

#include <stdio.h>

#include "sim/sim_schedule.h"

/* How a run has ended. */
struct sim_outcome_of_run {
    uint32_t verdict; /* 0: it has passed, or was given up */
    char checker[16];
    char text[256];
    uint64_t time_us, events;
};

struct sim_shrink_result {
    struct sim_outcome_of_run first, last;
    size_t actions_before, actions_after;
    uint64_t runs;
    struct sim_schedule schedule; /* to be finished by the caller */
};

/* Shrink opts->schedule or, if there is none, opts->seed. Progress goes to stderr. Returns 0; 1: the seed passes; 2: its schedule does not
 * fail in the same way, some decision is not in it. */
int sim_shrink(const struct sim_options *opts, struct sim_shrink_result *out);
/* The script, with a story that says what it is; somebody will tell a better one. */
void sim_shrink_print(FILE *f, const struct sim_options *opts, const struct sim_shrink_result *r);

/* --- sim_shrink_run.c --- */
/* Run a schedule, or (NULL) record the seed's into *recorded, in a process of its own. */
void sim_shrink_run(const struct sim_options *opts, const struct sim_schedule *sc, uint64_t events_max,
                    struct sim_outcome_of_run *out, struct sim_schedule *recorded);

/* --- sim_shrink_edit.c: candidates; *to is made --- */
/* keep: which of from's actions, rising; NULL: all. */
void sim_shrink_filter(struct sim_schedule *to, const struct sim_schedule *from, const uint32_t *keep,
                       size_t count);
/* Nothing behind the failure, and an end. */
void sim_shrink_cut(struct sim_schedule *sc, uint64_t time_us);
/* A cluster without this founder; its requests go to another. False: it is the only one. */
bool sim_shrink_member(struct sim_schedule *to, const struct sim_schedule *from, uint32_t index);
/* keep: which of the links of its HOLDs, rising; a HOLD without any goes. */
void sim_shrink_spans(struct sim_schedule *to, const struct sim_schedule *from, const uint32_t *keep,
                      size_t count);
/* Clients are counted from 0 without a gap. False: they are already. */
bool sim_shrink_clients(struct sim_schedule *to, const struct sim_schedule *from);
/* Without what only makes a line longer. False: there is nothing like that. */
bool sim_shrink_plain(struct sim_action *a);

#endif
