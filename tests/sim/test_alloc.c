/* Memory of simulated members: which requests are refused, and that nothing else changes for it. */
#include "sim/sim_alloc.h"
#include "tests/support/test.h"

TEST(alloc, refuses_so_many_behind_so_many)
{
    struct sim_alloc a;
    sim_alloc_init(&a);
    a.pass = 2;
    a.refuse = 3;
    void *first = ms_alloc(&a.face, 10), *second = ms_resize(&a.face, NULL, 20);
    CHECK(first != NULL && second != NULL);
    CHECK(ms_alloc(&a.face, 1) == NULL);
    CHECK(ms_resize(&a.face, first, 1000) == NULL); /* and first is what it was */
    CHECK(ms_alloc_zeroed(&a.face, 1) == NULL);
    CHECK_EQ(a.refused, 3);
    CHECK_EQ(a.alive, 2);
    first = ms_resize(&a.face, first, 1000);
    CHECK(first != NULL);
    ms_free(&a.face, first);
    ms_free(&a.face, second);
    CHECK_EQ(a.alive, 0);
}

TEST(alloc, gives_back_and_serves_the_simulator_in_any_case)
{
    struct sim_alloc a;
    sim_alloc_init(&a);
    void *p = ms_alloc(&a.face, 10);
    a.refuse = 1;
    ms_free(&a.face, p);
    CHECK_EQ(a.alive, 0);
    CHECK_EQ(a.refused, 0);
    a.waits = true;
    p = ms_alloc(&a.face, 10);
    CHECK(p != NULL);
    ms_free(&a.face, p);
    a.waits = false;
    a.quiet = true;
    p = ms_alloc(&a.face, 10);
    CHECK(p != NULL);
    a.quiet = false;
    CHECK(ms_alloc(&a.face, 10) == NULL);
    ms_free(&a.face, p);
}
