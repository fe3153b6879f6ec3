/* sim_history_search.c: judging by search alone (Wing and Gong, 1993; Lowe, 2017): try every order that
 * real time allows, and never enter the same configuration (what has been placed, what the register
 * holds) twice. */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_history.h"

#define WORDS (HIST_SEARCH_OPS_MAX / 64u)

struct set {
    uint64_t words[WORDS];
};

struct config_seen {
    struct set placed;
    uint64_t value;
    bool used;
};

struct search {
    struct hist_op ops[HIST_SEARCH_OPS_MAX];
    size_t count, must; /* must: those that have ended and so have to be placed */
    struct config_seen *seen;
    size_t seen_cap, seen_count;
    uint64_t steps_left;
};

static bool has(const struct set *s, size_t i)
{
    return s->words[i / 64] >> (i % 64) & 1;
}

static uint64_t config_hash(const struct set *s, uint64_t value)
{
    uint64_t h = value;
    for (size_t i = 0; i < WORDS; i++) h = (h ^ s->words[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
    return h ^ h >> 32;
}

static size_t seen_find(const struct search *q, const struct set *placed, uint64_t value)
{
    size_t i = config_hash(placed, value) & (q->seen_cap - 1);
    while (q->seen[i].used &&
           (q->seen[i].value != value || memcmp(&q->seen[i].placed, placed, sizeof *placed) != 0)) {
        i = (i + 1) & (q->seen_cap - 1);
    }
    return i;
}

static void seen_grow(struct search *q)
{
    struct config_seen *old = q->seen;
    size_t old_cap = q->seen_cap;
    q->seen_cap = old_cap ? 2 * old_cap : 1024;
    q->seen = calloc(q->seen_cap, sizeof *q->seen);
    MS_ASSERT(q->seen != NULL);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].used) q->seen[seen_find(q, &old[i].placed, old[i].value)] = old[i];
    }
    free(old);
}

/* True if the configuration is a new one. */
static bool seen_add(struct search *q, const struct set *placed, uint64_t value)
{
    if (2 * q->seen_count >= q->seen_cap) seen_grow(q);
    size_t i = seen_find(q, placed, value);
    if (q->seen[i].used) return false;
    q->seen[i] = (struct config_seen){ .placed = *placed, .value = value, .used = true };
    q->seen_count++;
    return true;
}

static enum hist_verdict place(struct search *q, const struct set *placed, uint64_t value, size_t done)
{
    uint64_t first_end = HIST_NEVER;
    if (done == q->must) return HIST_LINEARIZABLE;
    if (q->steps_left == 0) return HIST_TOO_LONG;
    q->steps_left--;
    for (size_t i = 0; i < q->count; i++) {
        if (!has(placed, i) && q->ops[i].end < first_end) first_end = q->ops[i].end;
    }
    for (size_t i = 0; i < q->count && q->ops[i].begin <= first_end; i++) { /* sorted by begin */
        const struct hist_op *op = &q->ops[i];
        if (has(placed, i) || (op->kind == HIST_READ && op->value != value)) continue;
        struct set next = *placed;
        uint64_t next_value = op->kind == HIST_WRITE ? op->value : value;
        next.words[i / 64] |= UINT64_C(1) << (i % 64);
        if (!seen_add(q, &next, next_value)) continue;
        enum hist_verdict v = place(q, &next, next_value, done + (op->end != HIST_NEVER));
        if (v != HIST_VIOLATION) return v;
    }
    return HIST_VIOLATION;
}

static bool was_read(const struct hist_op *ops, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == HIST_READ && ops[i].end != HIST_NEVER && ops[i].value == value) return true;
    }
    return false;
}

/* A write without an answer that nobody read need not have happened; a read without one says nothing.
 */
static bool matters(const struct hist_op *ops, size_t count, const struct hist_op *op)
{
    if (op->end != HIST_NEVER) return true;
    return op->kind == HIST_WRITE && was_read(ops, count, op->value);
}

static int begin_order(const void *a, const void *b)
{
    const struct hist_op *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

enum hist_verdict hist_check_search(const struct hist_op *ops, size_t count, uint64_t steps_max)
{
    struct search *q = calloc(1, sizeof *q);
    struct set nothing = { { 0 } };
    enum hist_verdict v = HIST_TOO_LONG;
    MS_ASSERT(q != NULL);
    q->steps_left = steps_max;
    for (size_t i = 0; i < count; i++) {
        if (!matters(ops, count, &ops[i])) continue;
        if (q->count == HIST_SEARCH_OPS_MAX) goto done;
        q->ops[q->count++] = ops[i];
        q->must += ops[i].end != HIST_NEVER;
    }
    qsort(q->ops, q->count, sizeof q->ops[0], begin_order);
    v = place(q, &nothing, 0, 0);
done:
    free(q->seen);
    free(q);
    return v;
}
