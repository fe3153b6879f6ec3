/* rt_alloc.h: memory from the C library, for the core. */
#ifndef RT_RT_ALLOC_H
#define RT_RT_ALLOC_H

#include "env/alloc.h"

/* Thread-safe, static, never NULL. */
const struct ms_alloc *rt_alloc_heap(void);

#endif
