/* sim_reads.h: who reads ranges and proposes transactions that ask what they find, as an embedding program would,
 * and K23: what they are told is what the state was.
 *
 * A seed that has them asks any member: ranges with all options, linearizable or stale, now or at any revision, short
 * and long ones, some of which are given up in their middle; transactions over the keys of all clients and over keys
 * q0 to q7, nested, with ranges and with what was replaced. Each answer is held against the model of sim_truth.h at
 * the revision it tells; a linearizable one tells no revision that was over when it was asked for. What is refused as
 * compacted or to come has to be that. A transaction that was answered was applied, once; one that was refused never
 * is. When all is healed, each member has to give a whole range, and to do a transaction (K18). */
#ifndef SIM_SIM_READS_H
#define SIM_SIM_READS_H

#include "sim/sim.h"
#include "sim/sim_cluster.h"
#include "sim/sim_truth.h"

void sim_reads_create(struct sim *s);
void sim_reads_destroy(struct sim *s);
void sim_reads_event(struct sim *s, const struct sim_event *ev);
/* All is healed, and each member has given a range and done a transaction since; or nobody reads. */
bool sim_reads_probed(const struct sim *s);

/* From members. Answers to others are none of theirs. */
void sim_reads_answer(struct sim_member *m, const struct node_answer *a);
void sim_reads_range(struct sim_member *m, const struct node_range_piece *p);
/* An entry was applied for the first time. */
void sim_reads_applied(struct sim *s, const struct entry *e, const struct kv_result *result);
/* The model, with all entries that any member has applied. */
const struct sim_truth *sim_reads_truth(const struct sim *s);
bool sim_reads_is_key(struct bytes key); /* one of q0 to q7 */

#endif
