/* sim_machine.h: what a member stands on: its clock, the lanes of its disk, its engine thread. */
#ifndef SIM_SIM_MACHINE_H
#define SIM_SIM_MACHINE_H

#include "sim/sim_cluster.h"

uint64_t sim_machine_now_ms(const struct sim_member *m);
void sim_machine_submit_op(struct sim_member *m, struct disk_op *op);
void sim_machine_submit_job(struct sim_member *m, struct kv_job *job);
/* The op that is being carried out in this moment and may be torn by a power cut; NULL: none. */
struct disk_op *sim_machine_torn_op(struct sim_member *m);
void sim_machine_reset(struct sim_member *m);  /* nothing is under way any more */
void sim_machine_resume(struct sim_member *m); /* go on with what is queued */
void sim_machine_clock_changed(struct sim_member *m);
void sim_machine_fini(struct sim_member *m);
uint64_t sim_machine_event(struct sim_member *m, const struct sim_event *ev);
/* After each input: the checkers look, a turn's end is scheduled. */
void sim_machine_after(struct sim_member *m);
/* sim_cluster.c: the member has stopped by itself. */
void sim_machine_stopped(struct sim_member *m);

#endif
