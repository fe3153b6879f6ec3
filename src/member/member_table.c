/* member_table.c: connections by the number the host gave them. Linear probing; a removal moves later
 * ones back, so that there are no tombstones and a table that lives for years stays as fast as it was.
 * At most three quarters of the slots are used. */
#include "member/member_private.h"

#define TABLE_CAPACITY_MIN 64u

static uint32_t home_of(const struct conn_table *t, uint64_t number)
{
    /* Fibonacci hashing (Knuth, volume 3, 6.4): numbers that count up spread evenly. */
    return (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->capacity - 1);
}

void conn_table_init(struct conn_table *t, const struct ms_alloc *alloc)
{
    *t = (struct conn_table){ .alloc = alloc };
}

void conn_table_fini(struct conn_table *t)
{
    ms_free(t->alloc, t->slots);
    *t = (struct conn_table){ .alloc = t->alloc };
}

static void place(struct conn_table *t, struct conn *c)
{
    uint32_t at = home_of(t, c->number);
    while (t->slots[at]) {
        MS_ASSERT(t->slots[at]->number != c->number);
        at = (at + 1) & (t->capacity - 1);
    }
    t->slots[at] = c;
}

static int grow(struct conn_table *t)
{
    struct conn_table bigger = { .alloc = t->alloc, .count = t->count };
    bigger.capacity = t->capacity ? 2 * t->capacity : TABLE_CAPACITY_MIN;
    bigger.slots = ms_alloc_zeroed(t->alloc, bigger.capacity * sizeof(struct conn *));
    if (!bigger.slots) return MS_ENOMEM;
    for (uint32_t i = 0; i < t->capacity; i++) {
        if (t->slots[i]) place(&bigger, t->slots[i]);
    }
    ms_free(t->alloc, t->slots);
    *t = bigger;
    return 0;
}

int conn_table_add(struct conn_table *t, struct conn *c)
{
    if (4 * (t->count + 1) > 3 * t->capacity) {
        int rv = grow(t);
        if (rv < 0) return rv;
    }
    place(t, c);
    t->count++;
    return 0;
}

/* Where number is, or the free slot that ends its run. */
static uint32_t position_of(const struct conn_table *t, uint64_t number)
{
    uint32_t at = home_of(t, number);
    while (t->slots[at] && t->slots[at]->number != number) at = (at + 1) & (t->capacity - 1);
    return at;
}

struct conn *conn_table_find(const struct conn_table *t, uint64_t number)
{
    return t->capacity ? t->slots[position_of(t, number)] : NULL;
}

void conn_table_remove(struct conn_table *t, uint64_t number)
{
    MS_ASSERT(t->count > 0);
    uint32_t mask = t->capacity - 1, hole = position_of(t, number);
    MS_ASSERT(t->slots[hole]);
    for (uint32_t at = (hole + 1) & mask; t->slots[at]; at = (at + 1) & mask) {
        /* It may move back to the hole if its home is not between the hole and itself. */
        uint32_t home = home_of(t, t->slots[at]->number);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        t->slots[hole] = t->slots[at];
        hole = at;
    }
    t->slots[hole] = NULL;
    t->count--;
}
