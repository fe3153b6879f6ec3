/* sim_backup.h: somebody saves backups over HTTP, and K25: what came whole is the state of one moment.
 *
 * A seed that has it asks any member now and then, reads the answer fast or with pauses, and goes away in its middle
 * at times. An answer that has its end is loaded as a backup is restored: it is a state that the cluster had at the
 * index it tells, no earlier than what was committed when it was asked for, and it can be made another cluster's. */
#ifndef SIM_SIM_BACKUP_H
#define SIM_SIM_BACKUP_H

#include "sim/sim.h"
#include "sim/sim_lease.h"

#define SIM_BACKUP_CLIENT (SIM_LEASE_CLIENT_FIRST - 1u) /* below those of leases */

void sim_backup_create(struct sim *s);
void sim_backup_destroy(struct sim *s);
void sim_backup_event(struct sim *s, const struct sim_event *ev);
void sim_backup_dialed(struct sim *s, uint64_t number, int status);
void sim_backup_bytes(struct sim *s, uint64_t number, struct bytes in);
void sim_backup_closed(struct sim *s, uint64_t number);

#endif
