/* member_slots.c: which connection an answer belongs to. A token is the slot's number and a generation
 * of 31 bits, so that the top bit, MEMBER_TOKEN_LOCAL, is never set. A generation comes back after 2^31
 * requests in one slot; no request is under way for so long. */
#include "member/member_private.h"

#define GENERATION_MASK 0x7fffffffu
#define SLOTS_CAPACITY_MIN 16u

static int grow(struct client_slots *s, const struct ms_alloc *alloc)
{
    uint32_t capacity = s->capacity ? 2 * s->capacity : SLOTS_CAPACITY_MIN;
    if (capacity > s->max) capacity = s->max;
    struct client_slot *items = ms_resize(alloc, s->items, capacity * sizeof *items);
    if (!items) return MS_ENOMEM;
    for (uint32_t i = capacity; i-- > s->capacity;) {
        items[i] = (struct client_slot){ .next_free = s->first_free };
        s->first_free = i;
    }
    s->items = items;
    s->capacity = capacity;
    return 0;
}

int slots_add(struct client_slots *s, const struct ms_alloc *alloc, struct client *c)
{
    if (s->count >= s->max) return MS_EBUSY;
    if (s->count == s->capacity) {
        int rv = grow(s, alloc);
        if (rv < 0) return rv;
    }
    struct client_slot *slot = &s->items[s->first_free];
    c->slot = s->first_free;
    s->first_free = slot->next_free;
    slot->client = c;
    s->count++;
    return 0;
}

void slots_remove(struct client_slots *s, struct client *c)
{
    struct client_slot *slot = &s->items[c->slot];
    MS_ASSERT(slot->client == c);
    slot->client = NULL;
    slot->next_free = s->first_free;
    s->first_free = c->slot;
    s->count--;
}

uint64_t slots_begin(struct client_slots *s, struct client *c)
{
    struct client_slot *slot = &s->items[c->slot];
    slot->generation = (slot->generation + 1) & GENERATION_MASK;
    c->generation = slot->generation;
    return (uint64_t)slot->generation << 32 | c->slot;
}

struct client *slots_find(const struct client_slots *s, uint64_t token)
{
    uint32_t at = (uint32_t)token, generation = (uint32_t)(token >> 32);
    MS_ASSERT(at < s->capacity);
    struct client *c = s->items[at].client;
    return c && c->busy && c->generation == generation ? c : NULL;
}
