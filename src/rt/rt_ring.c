#include "rt/rt_ring.h"

#include <stdlib.h>

#include "base/ms_assert.h"

static void ring_grow(struct rt_ring *r)
{
    uint32_t cap = r->cap ? 2 * r->cap : 16;
    void **slots = malloc(cap * sizeof *slots);
    MS_ASSERT(slots != NULL);
    for (uint32_t i = 0; i < r->count; i++) slots[i] = r->slots[(r->at + i) & (r->cap - 1)];
    free(r->slots);
    *r = (struct rt_ring){ .slots = slots, .cap = cap, .count = r->count };
}

void rt_ring_push(struct rt_ring *r, void *item)
{
    if (r->count == r->cap) ring_grow(r);
    r->slots[(r->at + r->count++) & (r->cap - 1)] = item;
}

void *rt_ring_pop(struct rt_ring *r)
{
    if (r->count == 0) return NULL;
    void *item = r->slots[r->at];
    r->at = (r->at + 1) & (r->cap - 1);
    r->count--;
    return item;
}

void rt_ring_fini(struct rt_ring *r)
{
    free(r->slots);
    *r = (struct rt_ring){ 0 };
}
