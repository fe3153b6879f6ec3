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

#define UNREAD UINT64_MAX /* what the register holds at the beginning of a window, until that is read */

struct search {
    struct hist_op ops[HIST_SEARCH_OPS_MAX]; /* in order of begin */
    size_t count, must;                      /* must: those that have ended and so have to be placed */
    const struct hist_op *before;            /* a window: what began before it */
    size_t before_count;
    uint64_t
        overwritten; /* a write of them that ended earlier than this was overwritten before the window */
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

/* Whether the register may have held the value when the window began. */
static bool may_open(const struct search *q, uint64_t value)
{
    if (value == 0 && q->overwritten == 0) return true; /* nothing had been written */
    for (size_t i = 0; i < q->before_count; i++) {
        const struct hist_op *op = &q->before[i];
        if (op->kind == HIST_WRITE && op->value == value && op->end >= q->overwritten) return true;
    }
    return false;
}

static bool may_read(const struct search *q, uint64_t held, uint64_t value)
{
    return held == UNREAD ? may_open(q, value) : held == value;
}

static bool is_open_delete(const struct hist_op *op)
{
    return op->kind == HIST_WRITE && op->value == 0 && op->end == HIST_NEVER;
}

/* Deletes without an answer are all alike: that the first one is left for later than another need not be tried. */
static bool is_second_open_delete(const struct search *q, const struct set *placed, size_t at)
{
    if (!is_open_delete(&q->ops[at])) return false;
    for (size_t i = 0; i < at; i++) {
        if (!has(placed, i) && is_open_delete(&q->ops[i])) return true;
    }
    return false;
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
        if (has(placed, i) || (op->kind == HIST_READ && !may_read(q, value, op->value))) continue;
        if (is_second_open_delete(q, placed, i)) continue;
        struct set next = *placed;
        uint64_t next_value = op->value; /* written, or read */
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

/* Leave out what does not matter; false: what is left is too much. */
static bool take(struct search *q, const struct hist_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!matters(ops, count, &ops[i])) continue;
        if (q->count == HIST_SEARCH_OPS_MAX) return false;
        q->ops[q->count++] = ops[i];
        q->must += ops[i].end != HIST_NEVER;
    }
    qsort(q->ops, q->count, sizeof q->ops[0], begin_order);
    return true;
}

static enum hist_verdict run(struct search *q, uint64_t value)
{
    struct set nothing = { { 0 } };
    enum hist_verdict v = place(q, &nothing, value, 0);
    free(q->seen);
    return v;
}

enum hist_verdict hist_check_search(const struct hist_op *ops, size_t count, uint64_t steps_max)
{
    struct search *q = calloc(1, sizeof *q);
    MS_ASSERT(q != NULL);
    q->steps_left = steps_max;
    enum hist_verdict v = take(q, ops, count) ? run(q, 0) : HIST_TOO_LONG;
    free(q);
    return v;
}

/* --- windows --- */

/* What may take effect in the window, or never: nothing of it has to be placed. */
static struct hist_op open_write(const struct hist_op *op)
{
    struct hist_op open = *op;
    open.end = HIST_NEVER;
    return open;
}

/* Writes from before the window that may take effect in it; what has surely been overwritten before it. */
static size_t take_open(struct search *q, uint64_t begin, struct hist_op *out)
{
    size_t count = 0;
    for (size_t i = 0; i < q->before_count; i++) {
        const struct hist_op *op = &q->before[i];
        if (op->kind != HIST_WRITE) continue;
        if (op->end >= begin)
            out[count++] = open_write(op);
        else if (op->begin > q->overwritten)
            q->overwritten = op->begin;
    }
    return count;
}

/* Operations of the window. What goes on when the next one begins may not have taken effect in it. */
static size_t take_own(const struct hist_op *ops, size_t count, uint64_t horizon, struct hist_op *out)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].end < horizon)
            out[taken++] = ops[i];
        else if (ops[i].kind == HIST_WRITE)
            out[taken++] = open_write(&ops[i]);
    }
    return taken;
}

/* The window of size operations from first on; sorted: all count of them; room: for as many. */
static enum hist_verdict search_window(const struct hist_op *sorted, size_t count, size_t first,
                                       size_t size, uint64_t steps_max, struct hist_op *room)
{
    struct search *q = calloc(1, sizeof *q);
    MS_ASSERT(q != NULL);
    q->steps_left = steps_max;
    q->before = sorted;
    q->before_count = first;
    uint64_t horizon = first + size < count ? sorted[first + size].begin : HIST_NEVER;
    size_t taken = take_open(q, sorted[first].begin, room);
    taken += take_own(&sorted[first], size, horizon, room + taken);
    enum hist_verdict v = take(q, room, taken) ? run(q, first > 0 ? UNREAD : 0) : HIST_TOO_LONG;
    free(q);
    return v;
}

enum hist_verdict hist_check_windows(const struct hist_op *ops, size_t count, size_t window,
                                     uint64_t steps_max, struct hist_windows *out)
{
    struct hist_op *sorted = malloc((count + 1) * sizeof *sorted);
    struct hist_op *room = malloc((count + 1) * sizeof *room);
    enum hist_verdict all = HIST_LINEARIZABLE;
    MS_ASSERT(sorted && room && window >= 2);
    *out = (struct hist_windows){ 0 };
    memcpy(sorted, ops, count * sizeof *ops);
    qsort(sorted, count, sizeof *sorted, begin_order);
    for (size_t first = 0; first < count && all != HIST_VIOLATION; first += window / 2) {
        size_t size = count - first < window ? count - first : window;
        enum hist_verdict v = search_window(sorted, count, first, size, steps_max, room);
        out->searched++;
        out->given_up += v == HIST_TOO_LONG;
        if (v != HIST_LINEARIZABLE) all = v;
        if (first + size == count) break;
    }
    free(sorted);
    free(room);
    return all;
}
