/* lease_model.h: random steps of leases and their keys, against a model as plain as can be: an array of
 * leases, an array of keys. Over any engine. */
#ifndef TESTS_KV_LEASE_MODEL_H
#define TESTS_KV_LEASE_MODEL_H

#include "tests/kv/kv_fixture.h"

/* steps of seed; f holds what an earlier call left there, or nothing. Between them restart(f) is called now
 * and then, if there is one: it makes f->kv anew over the same engine. */
void lease_model_run(struct fixture *f, uint64_t seed, uint32_t steps,
                     void (*restart)(struct fixture *f));
/* The model as it is, of f: after another way than entries has brought the state there. */
void lease_model_check(struct fixture *f);
void lease_model_reset(void);
/* All time of all leases is before them: a state that was taken over. */
void lease_model_refound(uint64_t revision);

#endif
