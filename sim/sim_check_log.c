/* sim_check_log.c: ghost logs. */
#include <xxhash.h>

#include "sim/sim_check_private.h"

const struct chk_entry *chk_at(const struct chk_log *l, uint64_t index)
{
    if (index == l->base) return &l->at_base;
    if (index < l->base || index > chk_last(l)) return NULL;
    return &l->entries[index - l->base - 1];
}

void chk_cut(struct chk_log *l, uint64_t last)
{
    MS_ASSERT(last >= l->base);
    if (last < chk_last(l)) l->count = last - l->base;
}

void chk_append_entry(struct chk_log *l, const struct chk_entry *e)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->entries = realloc(l->entries, l->cap * sizeof *l->entries);
        MS_ASSERT(l->entries != NULL);
    }
    l->entries[l->count++] = *e;
}

uint64_t chk_hash(struct bytes payload)
{
    return XXH3_64bits(payload.data, payload.len);
}

uint64_t chk_chain(uint64_t before, uint64_t term, uint64_t hash)
{
    uint64_t h = (before ^ term * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xc2b2ae3d27d4eb4f);
    h = (h ^ h >> 31 ^ hash) * UINT64_C(0x165667b19e3779f9);
    return h ^ h >> 29;
}

void chk_append(struct chk_log *l, uint64_t term, uint64_t hash)
{
    struct chk_entry e = { .term = term,
                           .chain = chk_chain(chk_at(l, chk_last(l))->chain, term, hash) };
    chk_append_entry(l, &e);
}

void chk_reset(struct chk_log *l, uint64_t base, const struct chk_entry *at_base)
{
    l->base = base;
    l->at_base = *at_base;
    l->count = 0;
}

void chk_copy(struct chk_log *to, const struct chk_log *from)
{
    chk_reset(to, from->base, &from->at_base);
    for (size_t i = 0; i < from->count; i++) chk_append_entry(to, &from->entries[i]);
}

void chk_log_fini(struct chk_log *l)
{
    free(l->entries);
}
