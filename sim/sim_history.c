/* sim_history.c: judging by the position in the log. */
#include "sim/sim_history.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"

void hist_register_fini(struct hist_register *r)
{
    free(r->versions);
    *r = (struct hist_register){ 0 };
}

void hist_applied(struct hist_register *r, uint64_t position, uint64_t value)
{
    MS_ASSERT(r->count == 0 || position > r->versions[r->count - 1].position);
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->versions = realloc(r->versions, r->cap * sizeof *r->versions);
        MS_ASSERT(r->versions != NULL);
    }
    r->versions[r->count++] = (struct hist_version){ .position = position, .value = value };
}

/* The floor is at a write that has happened, so a later write is above it; a read may be at it. */
static void raise_floor(struct hist_register *r, uint64_t position)
{
    if (position > r->floor) r->floor = position;
}

bool hist_write_ended(struct hist_register *r, uint64_t floor, uint64_t position)
{
    if (position <= floor) return false;
    raise_floor(r, position);
    return true;
}

bool hist_delete_ended(struct hist_register *r, uint64_t floor)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct hist_version *v = &r->versions[i];
        if (v->value != 0 || v->position <= floor) continue;
        raise_floor(r, v->position);
        return true;
    }
    return false;
}

/* The register holds versions[i] from its position to the next one's. The read takes effect at the
 * first moment not below floor at which it holds value: later ones would only bind what follows more.
 */
bool hist_read_ended(struct hist_register *r, uint64_t floor, uint64_t value)
{
    uint64_t first_end = r->count ? r->versions[0].position : HIST_NEVER;
    if (value == 0 && floor < first_end) return true;
    size_t i = 0, hi = r->count;
    while (i < hi) { /* the first version that ends above the floor: versions below are over */
        size_t mid = i + (hi - i) / 2;
        uint64_t end = mid + 1 < r->count ? r->versions[mid + 1].position : HIST_NEVER;
        if (end > floor)
            hi = mid;
        else
            i = mid + 1;
    }
    for (; i < r->count; i++) {
        if (r->versions[i].value != value) continue;
        raise_floor(r, r->versions[i].position > floor ? r->versions[i].position : floor);
        return true;
    }
    return false;
}

/* --- whole histories --- */

struct moment {
    uint64_t time;
    size_t op;
    bool ends;
};

static int moment_order(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    if (x->ends != y->ends) return x->ends ? 1 : -1; /* touching operations are concurrent */
    return x->op < y->op ? -1 : x->op > y->op;
}

static int position_order(const void *a, const void *b)
{
    const struct hist_version *x = a, *y = b;
    return x->position < y->position ? -1 : x->position > y->position;
}

static bool op_ended(struct hist_register *r, const struct hist_op *op, uint64_t floor)
{
    if (op->kind == HIST_READ) return hist_read_ended(r, floor, op->value);
    if (op->position == 0) return false; /* a write that was acknowledged and is in no log */
    return hist_write_ended(r, floor, op->position);
}

static bool order_moments(struct hist_register *r, const struct hist_op *ops,
                          const struct moment *moments, size_t count, uint64_t *floors)
{
    for (size_t i = 0; i < count; i++) {
        const struct moment *m = &moments[i];
        const struct hist_op *op = &ops[m->op];
        if (!m->ends)
            floors[m->op] = r->floor;
        else if (!op_ended(r, op, floors[m->op]))
            return false;
    }
    return true;
}

/* An effect binds, whether or not its client heard of it: a write that was never answered may not have
 * taken effect before something that had ended when it was invoked. */
static bool unanswered_fit(const struct hist_op *ops, size_t count, const uint64_t *floors)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind != HIST_WRITE || ops[i].end != HIST_NEVER || ops[i].position == 0) continue;
        if (ops[i].position <= floors[i]) return false;
    }
    return true;
}

enum hist_verdict hist_check_order(const struct hist_op *ops, size_t count)
{
    struct hist_register r = { 0 };
    struct moment *moments = malloc((2 * count + 1) * sizeof *moments);
    struct hist_version *writes = malloc((count + 1) * sizeof *writes);
    uint64_t *floors = calloc(count + 1, sizeof *floors);
    MS_ASSERT(moments && writes && floors);
    size_t moment_count = 0, write_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct hist_op *op = &ops[i];
        if (op->kind == HIST_READ && op->end == HIST_NEVER) continue;
        moments[moment_count++] = (struct moment){ .time = op->begin, .op = i };
        if (op->end != HIST_NEVER) {
            moments[moment_count++] = (struct moment){ .time = op->end, .op = i, .ends = true };
        }
        if (op->kind != HIST_WRITE || op->position == 0) continue;
        writes[write_count++] = (struct hist_version){ .position = op->position, .value = op->value };
    }
    qsort(moments, moment_count, sizeof *moments, moment_order);
    qsort(writes, write_count, sizeof *writes, position_order);
    for (size_t i = 0; i < write_count; i++) hist_applied(&r, writes[i].position, writes[i].value);
    bool fine =
        order_moments(&r, ops, moments, moment_count, floors) && unanswered_fit(ops, count, floors);
    hist_register_fini(&r);
    free(moments);
    free(writes);
    free(floors);
    return fine ? HIST_LINEARIZABLE : HIST_VIOLATION;
}
