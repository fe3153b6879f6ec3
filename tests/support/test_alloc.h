/* test_alloc.h: an allocator that counts what is alive and can refuse the n-th request. */
#ifndef TESTS_SUPPORT_TEST_ALLOC_H
#define TESTS_SUPPORT_TEST_ALLOC_H

#include <stdint.h>

#include "env/alloc.h"

struct test_alloc {
    struct ms_alloc face; /* what the code under test borrows */
    uint64_t requests, alive;
    uint64_t refuse_at; /* the request (from 1) that gets NULL; 0: none */
};

void test_alloc_init(struct test_alloc *a);

#endif
