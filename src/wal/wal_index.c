/* wal_index.c: for each entry of the log its place, in 8 bytes, and for each term its first index. */
#include "wal/wal_private.h"

void wal_index_init(struct wal_index *x, const struct ms_alloc *alloc)
{
    *x = (struct wal_index){ .alloc = alloc };
}

void wal_index_fini(struct wal_index *x)
{
    ms_free(x->alloc, x->places);
    ms_free(x->alloc, x->runs);
    *x = (struct wal_index){ .alloc = x->alloc };
}

uint64_t wal_index_term(const struct wal_index *x, uint64_t index)
{
    size_t lo = 0, hi = x->run_count; /* the last run that begins at or below index */
    MS_ASSERT(index >= x->base_index);
    MS_ASSERT(index <= wal_index_last(x));
    if (index == x->base_index) return x->base_term;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->runs[mid].index <= index)
            lo = mid;
        else
            hi = mid;
    }
    return x->runs[lo].term;
}

struct wal_place *wal_index_place(struct wal_index *x, uint64_t index)
{
    MS_ASSERT(index > x->base_index);
    MS_ASSERT(index <= wal_index_last(x));
    return &x->places[x->skip + (size_t)(index - x->base_index - 1)];
}

/* Room for one more place: by growing, or by moving down what is left when half of it is dropped. */
static int places_reserve(struct wal_index *x)
{
    if (x->skip + x->count < x->cap) return 0;
    if (x->skip >= x->cap / 2 && x->skip > 0) {
        memmove(x->places, x->places + x->skip, x->count * sizeof x->places[0]);
        x->skip = 0;
        return 0;
    }
    size_t cap = x->cap ? 2 * x->cap : 64;
    struct wal_place *p = ms_resize(x->alloc, x->places, cap * sizeof *p);
    if (!p) return MS_ENOMEM;
    x->places = p;
    x->cap = cap;
    return 0;
}

static int runs_reserve(struct wal_index *x)
{
    if (x->run_count < x->run_cap) return 0;
    size_t cap = x->run_cap ? 2 * x->run_cap : 16;
    struct wal_run *p = ms_resize(x->alloc, x->runs, cap * sizeof *p);
    if (!p) return MS_ENOMEM;
    x->runs = p;
    x->run_cap = cap;
    return 0;
}

int wal_index_reserve(struct wal_index *x)
{
    int rv = places_reserve(x);
    return rv < 0 ? rv : runs_reserve(x);
}

void wal_index_append(struct wal_index *x, uint64_t index, uint64_t term, struct wal_place place)
{
    MS_ASSERT(index == wal_index_last(x) + 1);
    MS_ASSERT(term >= wal_index_term(x, index - 1));
    MS_ASSERT(x->skip + x->count < x->cap);
    MS_ASSERT(x->run_count < x->run_cap);
    if (x->run_count == 0 || x->runs[x->run_count - 1].term != term) {
        x->runs[x->run_count++] = (struct wal_run){ .index = index, .term = term };
    }
    x->places[x->skip + x->count++] = place;
}

void wal_index_drop_from(struct wal_index *x, uint64_t index)
{
    MS_ASSERT(index > x->base_index);
    if (index > wal_index_last(x)) return;
    x->count = (size_t)(index - x->base_index - 1);
    while (x->run_count > 0 && x->runs[x->run_count - 1].index >= index) x->run_count--;
}

void wal_index_drop_to(struct wal_index *x, uint64_t index)
{
    size_t dropped = 0;
    if (index <= x->base_index) return;
    uint64_t term = wal_index_term(x, index);
    x->skip += (size_t)(index - x->base_index);
    x->count -= (size_t)(index - x->base_index);
    x->base_index = index;
    x->base_term = term;
    while (dropped + 1 < x->run_count && x->runs[dropped + 1].index <= index + 1) dropped++;
    if (x->count == 0) dropped = x->run_count;
    x->run_count -= dropped;
    memmove(x->runs, x->runs + dropped, x->run_count * sizeof x->runs[0]);
    if (x->count == 0) x->skip = 0;
}

void wal_index_reset(struct wal_index *x, uint64_t index, uint64_t term)
{
    x->base_index = index;
    x->base_term = term;
    x->skip = x->count = x->run_count = 0;
}

void wal_index_check(const struct wal_index *x)
{
    MS_ASSERT(x->skip + x->count <= x->cap);
    MS_ASSERT((x->count == 0) == (x->run_count == 0));
    if (x->run_count > 0) {
        MS_ASSERT(x->runs[0].index <= x->base_index + 1);
        MS_ASSERT(x->runs[0].term >= x->base_term);
        MS_ASSERT(x->runs[x->run_count - 1].index <= wal_index_last(x));
    }
#ifdef MS_DEBUG
    for (size_t i = 1; i < x->run_count; i++) {
        MS_ASSERT(x->runs[i - 1].index < x->runs[i].index);
        MS_ASSERT(x->runs[i - 1].term < x->runs[i].term);
    }
#endif
}
