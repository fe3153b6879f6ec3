/* sim_alloc.h: memory of a simulated cluster, counted, so that a leak is a failure of the seed (K21).
 */
#ifndef SIM_SIM_ALLOC_H
#define SIM_SIM_ALLOC_H

#include <stdint.h>

#include "env/alloc.h"

struct sim_alloc {
    struct ms_alloc face; /* what the core borrows */
    uint64_t alive;       /* blocks */
};

void sim_alloc_init(struct sim_alloc *a);

#endif
