#include "node/node_lease_table.h"

#include <stdlib.h>

#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

/* Random steps, with memory refused now and then, against an array. */
TEST(node_lease_table, does_what_an_array_does)
{
    enum { IDS = 300 };
    static uint64_t due[IDS + 1]; /* 0: not there */
    struct test_alloc alloc;
    struct node_lease_table t;
    uint32_t count = 0;
    test_alloc_init(&alloc);
    node_lease_table_init(&t, &alloc.face);
    srand(1);
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t id = 1 + (uint64_t)(rand() % IDS), at = 1 + (uint64_t)(rand() % 1000);
        struct node_lease *l = node_lease_find(&t, id * 1000);
        CHECK_EQ(l != NULL, due[id] != 0);
        if (!l) {
            alloc.refuse_at = rand() % 3 ? 0 : alloc.requests + 1 + (uint64_t)(rand() % 3);
            if (node_lease_add(&t, id * 1000, at)) {
                due[id] = at;
                count++;
            }
            alloc.refuse_at = 0;
        } else if (rand() % 3 == 0) {
            node_lease_remove(&t, l);
            due[id] = 0;
            count--;
        } else {
            node_lease_set_due(&t, l, at);
            due[id] = at;
        }
        CHECK_EQ(t.count, count);
        if (i % 100 == 0) node_lease_table_check(&t);
        uint64_t least = UINT64_MAX;
        for (uint32_t k = 1; k <= IDS; k++) {
            if (due[k] && due[k] < least) least = due[k];
        }
        CHECK_EQ(node_lease_first(&t) ? node_lease_first(&t)->due_ms : UINT64_MAX, least);
    }
    node_lease_table_fini(&t);
    CHECK_EQ(alloc.alive, 0);
}
