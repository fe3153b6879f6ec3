#include "node/node_lease_table.h"

#include <string.h>

#include "base/ms_assert.h"

#define CAPACITY_AT_FIRST 64u

void node_lease_table_init(struct node_lease_table *t, const struct ms_alloc *alloc)
{
    *t = (struct node_lease_table){ .alloc = alloc };
}

void node_lease_table_fini(struct node_lease_table *t)
{
    ms_free(t->alloc, t->items);
    ms_free(t->alloc, t->heap);
    ms_free(t->alloc, t->buckets);
    node_lease_table_init(t, t->alloc);
}

static uint32_t *bucket_of(const struct node_lease_table *t, uint64_t id)
{
    uint64_t x = id * UINT64_C(0x9e3779b97f4a7c15); /* ids of clients may be 1, 2, 3 */
    return &t->buckets[(x ^ x >> 32) & (t->capacity - 1)];
}

struct node_lease *node_lease_find(const struct node_lease_table *t, uint64_t id)
{
    if (t->count == 0) return NULL;
    for (uint32_t at = *bucket_of(t, id); at; at = t->items[at - 1].next) {
        if (t->items[at - 1].id == id) return &t->items[at - 1];
    }
    return NULL;
}

static void link_item(struct node_lease_table *t, uint32_t at)
{
    uint32_t *bucket = bucket_of(t, t->items[at].id);
    t->items[at].next = *bucket;
    *bucket = at + 1;
}

static void unlink_item(struct node_lease_table *t, uint32_t at)
{
    uint32_t *link = bucket_of(t, t->items[at].id);
    while (*link != at + 1) link = &t->items[*link - 1].next;
    *link = t->items[at].next;
}

/* The order of the heap. Equal times go by id, so that equal tables give equal orders. */
static bool before(const struct node_lease *a, const struct node_lease *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static void place(struct node_lease_table *t, uint32_t at, uint32_t item)
{
    t->heap[at] = item;
    t->items[item].heap_at = at;
}

/* The item that stands at at goes to where it belongs. */
static void sift(struct node_lease_table *t, uint32_t at)
{
    uint32_t item = t->heap[at];
    while (at > 0 && before(&t->items[item], &t->items[t->heap[(at - 1) / 2]])) {
        place(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (uint32_t child = 2 * at + 1; child < t->count; child = 2 * at + 1) {
        if (child + 1 < t->count && before(&t->items[t->heap[child + 1]], &t->items[t->heap[child]]))
            child++;
        if (!before(&t->items[t->heap[child]], &t->items[item])) break;
        place(t, at, t->heap[child]);
        at = child;
    }
    place(t, at, item);
}

/* Each array is larger, or as it was; capacity says how much of all of them counts. */
static bool grow(struct node_lease_table *t)
{
    uint32_t capacity = t->capacity ? 2 * t->capacity : CAPACITY_AT_FIRST;
    struct node_lease *items = ms_resize(t->alloc, t->items, capacity * sizeof *items);
    if (!items) return false;
    t->items = items;
    uint32_t *heap = ms_resize(t->alloc, t->heap, capacity * sizeof *heap);
    if (!heap) return false;
    t->heap = heap;
    uint32_t *buckets = ms_resize(t->alloc, t->buckets, capacity * sizeof *buckets);
    if (!buckets) return false;
    t->buckets = buckets;
    t->capacity = capacity;
    memset(buckets, 0, capacity * sizeof *buckets);
    for (uint32_t i = 0; i < t->count; i++) link_item(t, i);
    return true;
}

struct node_lease *node_lease_add(struct node_lease_table *t, uint64_t id, uint64_t due_ms)
{
    if (t->count == t->capacity && !grow(t)) return NULL;
    uint32_t at = t->count++;
    t->items[at] = (struct node_lease){ .id = id, .due_ms = due_ms };
    link_item(t, at);
    place(t, at, at);
    sift(t, at);
    return &t->items[at];
}

void node_lease_remove(struct node_lease_table *t, struct node_lease *l)
{
    uint32_t at = (uint32_t)(l - t->items), heap_at = l->heap_at, last = t->count - 1;
    unlink_item(t, at);
    t->count--;
    if (heap_at != last) {
        place(t, heap_at, t->heap[last]);
        sift(t, heap_at);
    }
    if (at == last) return;
    /* The last item takes its place in the array. */
    unlink_item(t, last);
    t->items[at] = t->items[last];
    t->heap[t->items[at].heap_at] = at;
    link_item(t, at);
}

void node_lease_set_due(struct node_lease_table *t, struct node_lease *l, uint64_t due_ms)
{
    l->due_ms = due_ms;
    sift(t, l->heap_at);
}

struct node_lease *node_lease_first(const struct node_lease_table *t)
{
    return t->count > 0 ? &t->items[t->heap[0]] : NULL;
}

void node_lease_table_check(const struct node_lease_table *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        MS_ASSERT(t->heap[i] < t->count && t->items[t->heap[i]].heap_at == i);
        if (i > 0) MS_ASSERT(!before(&t->items[t->heap[i]], &t->items[t->heap[(i - 1) / 2]]));
        MS_ASSERT(node_lease_find(t, t->items[i].id) == &t->items[i]);
    }
}
