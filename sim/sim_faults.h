/* sim_faults.h: the fault schedule. Faults begin at drawn times, last for a drawn time, and overlap.
 *
 * All of them are inside of the tolerance promised (docs/TESTING.md, zone a): processes and machines
 * die and come back with what their disks kept, the network does what it likes. So no failure of a seed
 * is ever excused by them. */
#ifndef SIM_SIM_FAULTS_H
#define SIM_SIM_FAULTS_H

#include "sim/sim.h"

struct sim_member;

void sim_faults_create(struct sim *s);
void sim_faults_destroy(struct sim *s);
/* End all faults of s->core, start what is down there, begin no more; the others keep theirs for ever.
 */
void sim_faults_heal(struct sim *s);
/* Whether --faults allows any fault that can stay for ever. */
bool sim_faults_may_last(const struct sim *s);
/* After each turn: a leader in a state that few runs reach is a good target for the next moments. */
void sim_faults_notice(struct sim *s, struct sim_member *m);
/* Carry out an action of a schedule that is a fault. */
void sim_faults_perform(struct sim *s, const struct sim_action *a);
/* Whether a batch of the member may be called durable and be lost, by what is promised. */
bool sim_faults_may_lie(struct sim *s, uint32_t index);
/* One was: now power has to go. */
void sim_faults_lied(struct sim *s, struct sim_member *m);
/* Handle FAULT and FAULT_END. */
uint64_t sim_faults_event(struct sim *s, const struct sim_event *ev);
/* Names separated by commas, "all", "none", or "-name" to leave one out. False: an unknown name. */
bool sim_faults_parse(const char *list, uint64_t *out);

#endif
