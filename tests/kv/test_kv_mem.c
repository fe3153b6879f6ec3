/* test_kv_mem.c: the memory engine keeps the contract of engines, frees all it takes, and survives the
 * refusal of any allocation with its content in place. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/engine.h"
#include "tests/support/engine_contract.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct engine *open_mem(void *ctx)
{
    struct test_alloc *a = ctx;
    return kv_mem_create(&a->face);
}

TEST(kv_mem, keeps_the_contract_of_engines)
{
    struct test_alloc a;
    test_alloc_init(&a);
    struct engine_fixture f = { .ctx = &a, .open = open_mem, .alloc = &a.face };
    engine_contract_all(&f);
    CHECK_EQ(a.alive, 0);
}
