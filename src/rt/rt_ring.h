/* rt_ring.h: a first-in, first-out queue of pointers. Not thread-safe by itself.
 *
 * It grows, because what is put in has its bound elsewhere (the core's limits on operations and jobs
 * under way), and its users must not fail: a refusal of the few bytes it takes ends the process. */
#ifndef RT_RT_RING_H
#define RT_RT_RING_H

#include <stdbool.h>
#include <stdint.h>

struct rt_ring {
    void **slots;
    uint32_t cap, at, count; /* cap: 0 or a power of two */
};

static inline bool rt_ring_is_empty(const struct rt_ring *r)
{
    return r->count == 0;
}

void rt_ring_push(struct rt_ring *r, void *item);
void *rt_ring_pop(struct rt_ring *r); /* NULL: empty */
void rt_ring_fini(struct rt_ring *r);

#endif
