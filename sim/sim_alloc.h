/* sim_alloc.h: memory of a simulated member, counted, so that a leak is a failure of the seed (K21), and
 * refused now and then (sim_faults_memory.c).
 */
#ifndef SIM_SIM_ALLOC_H
#define SIM_SIM_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "env/alloc.h"

struct sim_alloc {
    struct ms_alloc face;  /* what the core borrows */
    uint64_t alive;        /* blocks */
    uint32_t pass, refuse; /* so many requests are granted, then so many are not */
    uint32_t refused;      /* so many were, since somebody has set this to zero */
    bool waits; /* for a snapshot to be loaded: until then all are granted, and not counted */
    bool quiet; /* who asks is the simulator itself */
};

void sim_alloc_init(struct sim_alloc *a);

/* For clients and checkers, whose memory is no member's: the C library's. None is a failure of this process. */
extern const struct ms_alloc sim_alloc_heap;

#endif
