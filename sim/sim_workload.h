/* sim_workload.h: clients that speak HTTP over simulated streams, through the API that users see, and
 * the ledger of what they asked for and were told.
 *
 * Every write has a value of its own, so that reads tell which write they saw. A client has one request
 * out at a time; a retry is a new operation with a new value. What it is told is held against what was
 * applied: a success was applied once, a refusal never (K12), and all of it is linearizable (K11, K22).
 */
#ifndef SIM_SIM_WORKLOAD_H
#define SIM_SIM_WORKLOAD_H

#include <stdio.h>

#include "sim/sim.h"
#include "sim/sim_cluster.h"

void sim_workload_create(struct sim *s);
void sim_workload_destroy(struct sim *s);

/* No more new operations but those of the probe: one client that writes and reads through every member
 * (K18). */
void sim_workload_probe(struct sim *s);
/* Whether a member has to serve now that all is healed: it belongs to the cluster, and to what was healed. */
bool sim_workload_asks(struct sim *s, uint32_t index);
bool sim_workload_enough(const struct sim *s);  /* as many operations as planned */
bool sim_workload_idle(const struct sim *s);    /* no operation is out */
bool sim_workload_probed(const struct sim *s);  /* the probe has succeeded everywhere */
bool sim_workload_changes(const struct sim *s); /* a change of the members may be under way */
void sim_workload_finish(struct sim *s);        /* the slow judge of histories, at the end */

/* Begin an operation of a schedule. */
void sim_workload_perform(struct sim *s, const struct sim_action *a);
/* Whether a client begins an operation of its own choice at this event. */
bool sim_workload_decides(const struct sim *s, const struct sim_event *ev);
uint64_t sim_workload_event(struct sim *s, const struct sim_event *ev);
void sim_client_dialed(struct sim *s, uint32_t client, uint64_t number, int status);
void sim_client_bytes(struct sim *s, uint32_t client, uint64_t number, struct bytes in);
void sim_client_closed(struct sim *s, uint32_t client, uint64_t number);

/* For the page: all operations that had not ended by from_us, as numbers: begin and end in us (0: none),
 * client, kind, member asked, key or -1, outcome (sim_outcome), value seen or number of the PUT, index of
 * its entry or 0, number; ten each, commas between. */
void sim_workload_print_numbers(const struct sim *s, FILE *f, uint64_t from_us);
const char *sim_op_name(uint32_t kind); /* NULL: there is none so high */

/* From the checkers: an entry was applied for the first time; a read is being served. */
void sim_workload_applied(struct sim *s, struct bytes payload, const struct kv_result *result);
void sim_workload_read_runs(struct sim *s, const struct sim_member *m, struct bytes key,
                            uint64_t applied);
void sim_workload_member_died(struct sim *s, uint32_t index);

#endif
