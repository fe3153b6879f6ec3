/* sim_lease.h: clients of leases, and K14: what was promised of keys that hang on leases.
 *
 * Beside the clients of the workload, with connections, keys (l0, l1, ...) and a generator of their own, so that
 * whatever they do shifts nothing of what a seed draws otherwise. They grant leases, by ids of their own and by
 * ids the cluster picks, attach keys, keep leases alive in time and too late, revoke them, and let them expire.
 *
 * The ghost of the leases is made from the entries, when they are applied for the first time, and from what
 * members sent to their clients, when they sent it. The judge, K14:
 *
 *   - a lease ends by an entry: of a client's, or an expiry whose term is that of the entry, and whose renewal is
 *     the last one; with it go all keys that hang on it, and no others
 *   - no lease expires before the time that was acknowledged has passed since, by clocks that keep to the rates
 *     they have in this run
 *   - a keep-alive is acknowledged when a renewal of it is committed; one that is not found is of a lease that is
 *     dead
 *   - no put that names a dead lease has an effect
 *   - no member gives a lease more time than the state does, and none moves a deadline but for a renewal, or
 *     because it was written down that less is left
 *   - a leader that can commit has it written down what is left of a lease once half of its ttl has gone, 5 s at
 *     least, so that restarts give back no more than that (TL2)
 *   - when all is healed, each lease that nothing renews dies
 *   - what is acknowledged stands in the log as it was asked for: a lease that is no shorter, a key that was put on
 *     the lease that was named; and what is told of its time is not less than that by more than the answer took,
 *     nor, when it is read, more than the member gives it
 *
 * When all is healed they grant, read, renew and end a lease, each through the next member, until it succeeds (K18). */
#ifndef SIM_SIM_LEASE_H
#define SIM_SIM_LEASE_H

#include "format/entry.h"
#include "kv/kv.h"
#include "sim/sim.h"
#include "sim/sim_cluster.h"
#include "sim/sim_watch.h"

#define SIM_LEASE_CLIENTS_MAX 3u
/* Below those that watch. */
#define SIM_LEASE_CLIENT_FIRST (SIM_CLIENTS_MAX - SIM_WATCHES_MAX - SIM_LEASE_CLIENTS_MAX)

void sim_leases_create(struct sim *s);
void sim_leases_destroy(struct sim *s);

bool sim_is_lease_client(uint32_t client);
uint64_t sim_lease_event(struct sim *s, const struct sim_event *ev);
void sim_lease_dialed(struct sim *s, uint32_t client, uint64_t number, int status);
void sim_lease_bytes(struct sim *s, uint32_t client, uint64_t number, struct bytes in);
void sim_lease_closed(struct sim *s, uint32_t client, uint64_t number);
/* A member sends on a connection what it has worked out at since_us or later; number: of the other end. */
void sim_lease_member_sends(struct sim *s, uint64_t number, uint64_t since_us);
void sim_leases_heal(struct sim *s); /* they begin nothing more but the probe */
/* Members have granted, read, renewed and ended a lease since, one after the other; or there are no such clients. */
bool sim_leases_probed(const struct sim *s);
/* Nothing is under way, and no lease is left. */
bool sim_leases_over(const struct sim *s);

/* The ghost. */
void sim_lease_applied(struct sim *s, const struct entry *e, uint64_t term, const struct kv_result *r);
/* Whether the key is one of theirs. */
bool sim_lease_key(struct bytes key);
void sim_lease_clock(struct sim *s, const struct sim_clock *c); /* of a member, before it is forgotten */
void sim_lease_turn(struct sim *s, const struct sim_member *m);
void sim_lease_forget(struct sim *s, const struct sim_member *m); /* it has started, or loaded a state */

#endif
