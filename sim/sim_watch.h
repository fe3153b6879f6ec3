/* sim_watch.h: clients that watch over HTTP, and K13: what they hear is what happened.
 *
 * A seed that has them draws how many; each watches a key or a prefix, with or without the record before, and is
 * slow, goes away, comes back at any member with the id of the last event it had, or with a revision. What it hears
 * is held against the history (sim_watch_truth.c), which is made by applying each entry once to a model, when the
 * first member applies it. So each event is judged when it arrives:
 *
 *   ordered, unique, reliable   it is the next one in the history that this watch may hear
 *   right                       with the value, the revisions, and the record before that the model has
 *   atomic                      an id stands with the last of a revision and with no other
 *   resumable, bookmarkable     what comes after a new beginning is what comes behind the last id
 *   honest                      marks of progress never run ahead; only what is compacted is called so
 *
 * and in the healed phase each of them has to come to the end of the history.
 *
 * Beside them somebody proposes transactions of several changes, as an embedding program would: keys t0 to t7. */
#ifndef SIM_SIM_WATCH_H
#define SIM_SIM_WATCH_H

#include "sim/sim.h"

#define SIM_WATCHES_MAX 8u /* they have the highest numbers of clients */

void sim_watch_create(struct sim *s);
void sim_watch_destroy(struct sim *s);

bool sim_watch_has(const struct sim *s, uint32_t client); /* whether this client is one that watches */
void sim_watch_event(struct sim *s, const struct sim_event *ev);
void sim_watch_dialed(struct sim *s, uint32_t client, uint64_t number, int status);
void sim_watch_bytes(struct sim *s, uint32_t client, uint64_t number, struct bytes in);
void sim_watch_closed(struct sim *s, uint32_t client, uint64_t number);

void sim_watch_probe(struct sim *s); /* from now on they behave, and have to come to the end */
bool sim_watch_at_end(const struct sim *s);
_Noreturn void sim_watch_too_late(struct sim *s); /* somebody is not */

/* An entry was applied for the first time. */
void sim_watch_applied(struct sim *s, const struct entry *e, const struct kv_result *result);
/* Whether a key is one of the transactions that are proposed beside the watches. */
bool sim_watch_is_txn_key(struct bytes key);

#endif
