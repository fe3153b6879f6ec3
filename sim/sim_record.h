/* sim_record.h: the fault ledger: every fault that was injected, one line a record, and whether all of
 * them together stay inside of what is promised. So a failure is never excused by "too many faults":
 * either the ledger says that they were inside, and the failure is one, or the run has failed itself.
 *
 * Zones (docs/TESTING.md): (a) inside: members without a disk, or with a damaged one, are a minority of
 * the voters; damage can be told; with lease reads clocks keep to their bound. (b) beyond, detectable:
 * disks of a majority are damaged; then nothing has to be available, and nothing may be wrong. */
#ifndef SIM_SIM_RECORD_H
#define SIM_SIM_RECORD_H

#include <stdio.h>

#include "sim/sim.h"

enum sim_record_what {
    SIM_RECORD_BEGIN = 1, /* value: for how long, in ms */
    SIM_RECORD_END,
    SIM_RECORD_FOR_EVER,
    SIM_RECORD_CRASH,  /* value: 1: the power, 0: the process */
    SIM_RECORD_WIPED,  /* its disk is empty */
    SIM_RECORD_ROT,    /* value: sector of a file of its disk */
    SIM_RECORD_CUT,    /* value: to which length a file was cut */
    SIM_RECORD_GONE,   /* a file has vanished */
    SIM_RECORD_WHOLE,  /* repaired, or attached with a new disk */
    SIM_RECORD_RATE,   /* value: of its clock, in ppm above real */
    SIM_RECORD_HEALED, /* value: bits of the core */
    SIM_RECORD_FAILED, /* value: kind of the operation that did */
    SIM_RECORD_STATE,  /* its state is another one; value: its applied index */
    SIM_RECORD_LIE,    /* value: offset of a write that was called durable, and is not */
};

void sim_record_create(struct sim *s);
void sim_record_destroy(struct sim *s);
void sim_record(struct sim *s, enum sim_fault_kind kind, enum sim_record_what what, uint32_t member,
                int64_t value);
/* Whether one more disk may be lost or damaged, by what is on record and the configuration in force. */
bool sim_record_may_break(struct sim *s, uint32_t member);
/* Whether any member has lost its disk, or has a damaged one, and is not whole again. */
bool sim_record_any_broken(const struct sim *s);
/* The newest ones, as JSON, a line each. */
void sim_record_print(const struct sim *s, FILE *f);
/* All of them as numbers: time in us, kind, what, member or -1, value; five a record, commas between. */
void sim_record_print_numbers(const struct sim *s, FILE *f);
const char *sim_record_what_name(uint32_t what); /* NULL: there is none so high */

#endif
