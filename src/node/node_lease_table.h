/* node_lease_table.h: leases by id, and in order of when something is due: a hash table and a heap over one
 * array. 100,000 of them take about 7 MB.
 *
 *   LT1  heap[item.heap_at] is the item; no parent in the heap is due after its child, ids break ties
 *   LT2  each item is in the chain of its bucket, once */
#ifndef NODE_NODE_LEASE_TABLE_H
#define NODE_NODE_LEASE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "env/alloc.h"

/* Times by the own clock of this member (now_ms). */
struct node_lease {
    uint64_t id, ttl_ms;
    uint64_t deadline_ms;   /* it has expired then */
    uint64_t mark_ms;       /* what remains of it is written down then; MS_TIME_NEVER */
    uint64_t due_ms;        /* when a leader looks at it */
    uint64_t renewed_index; /* of the entry that granted or renewed it */
    uint32_t heap_at, next; /* next: in its bucket, index + 1; 0: the last one */
};

struct node_lease_table {
    const struct ms_alloc *alloc;
    struct node_lease *items;
    uint32_t *heap;    /* indexes of items */
    uint32_t *buckets; /* capacity of them: index + 1; 0: empty */
    uint32_t count, capacity;
};

void node_lease_table_init(struct node_lease_table *t, const struct ms_alloc *alloc);
void node_lease_table_fini(struct node_lease_table *t); /* empty, and usable again */

/* NULL: there is none. Valid until the next add or remove. */
struct node_lease *node_lease_find(const struct node_lease_table *t, uint64_t id);
/* A new one, due at due_ms; the rest is zero. The id is not there. NULL: no memory. */
struct node_lease *node_lease_add(struct node_lease_table *t, uint64_t id, uint64_t due_ms);
void node_lease_remove(struct node_lease_table *t, struct node_lease *l);
void node_lease_set_due(struct node_lease_table *t, struct node_lease *l, uint64_t due_ms);
/* What is due first; NULL: there is nothing. */
struct node_lease *node_lease_first(const struct node_lease_table *t);
void node_lease_table_check(const struct node_lease_table *t); /* LT1, LT2; takes its time */

#endif
