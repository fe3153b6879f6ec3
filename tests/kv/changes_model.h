/* changes_model.h: KV_JOB_CHANGES against a list of all changes ever made. */
#ifndef TESTS_KV_CHANGES_MODEL_H
#define TESTS_KV_CHANGES_MODEL_H

#include "tests/kv/kv_fixture.h"

/* f is new. Random transactions and compactions, and behind each of them a look from a random place, with a
 * random range, filters and bounds of a job. In the end from every place that there is. */
void changes_model_run(struct fixture *f, uint64_t seed, uint32_t rounds);
/* The same looks at f, which holds what the fixture of the last changes_model_run() held. */
void changes_model_check(struct fixture *f);

#endif
