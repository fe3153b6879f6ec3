/* test_kv_model.c: the state machine above the memory engine says what the model says
 * (tests/support/kv_model/kv_model.h). MS_SEED chooses another run. */
#include <stdlib.h>

#include "tests/support/kv_model/kv_model.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define OPERATIONS 100000u

TEST(kv_model, memory_says_what_the_model_says)
{
    const char *seed = getenv("MS_SEED");
    struct test_alloc a;
    test_alloc_init(&a);
    struct kv_model_fixture f = { .engine = kv_mem_create(&a.face), .alloc = &a.face };
    CHECK(f.engine != NULL);
    kv_model_run(&f, seed ? strtoull(seed, NULL, 10) : 7, OPERATIONS);
    CHECK_EQ(a.alive, 0);
}
