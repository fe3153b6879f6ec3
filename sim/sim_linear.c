/* sim_linear.c: K11 by search: at the end of a run what clients saw of each key is judged again, by a
 * judge that knows their clocks only (sim_history.h). */
#include "sim/sim_workload_private.h"

/* What says something about the key, to whoever sees only clients. */
static bool is_of(const struct sim_op *op, uint32_t key)
{
    if (op->kind > SIM_OP_DELETE || op->key != key || op->exempt) return false;
    if (op->kind == SIM_OP_GET) return op->outcome == SIM_OUT_OK;
    return op->outcome != SIM_OUT_NO;
}

/* Without positions: the search finds out by itself. */
static struct hist_op seen_of(const struct sim_op *op, uint64_t number)
{
    bool get = op->kind == SIM_OP_GET;
    return (struct hist_op){ .kind = get ? HIST_READ : HIST_WRITE,
                             .value = get                      ? op->value
                                      : op->kind == SIM_OP_PUT ? number
                                                               : 0,
                             .begin = op->begin_us,
                             .end = op->outcome == SIM_OUT_OK ? op->end_us : HIST_NEVER };
}

static size_t history_of(const struct sim_workload *w, uint32_t key, struct hist_op *out)
{
    size_t count = 0;
    for (size_t i = 0; i < w->op_count; i++) {
        if (is_of(&w->ops[i], key)) out[count++] = seen_of(&w->ops[i], i + 1);
    }
    return count;
}

static void judge_key(struct sim *s, uint32_t key, const struct hist_op *ops, size_t count)
{
    struct hist_windows w;
    enum hist_verdict v = hist_check_windows(ops, count, HIST_WINDOW_OPS, HIST_SEARCH_STEPS_MAX, &w);
    s->totals.searched++;
    s->totals.windows += w.searched;
    s->totals.given_up += w.given_up;
    if (v == HIST_LINEARIZABLE) sim_rare(s, SIM_RARE_SEARCHED);
    if (v == HIST_TOO_LONG) {
        sim_trace(s, "K11: the search gives up %llu of %llu parts of the history of k%u at %u steps",
                  (unsigned long long)w.given_up, (unsigned long long)w.searched, key,
                  HIST_SEARCH_STEPS_MAX);
    }
    if (v != HIST_VIOLATION) return;
    sim_fail(SIM_FAIL_SAFETY, "K11", "the search finds no order for the history of k%u", key);
}

void sim_workload_finish(struct sim *s)
{
    const struct sim_workload *w = s->workload;
    if (sim_is_muted(s, SIM_MUTE_SEARCH)) return;
    struct hist_op *ops = malloc((w->op_count + 1) * sizeof *ops);
    MS_ASSERT(ops != NULL);
    for (uint32_t key = 0; key < w->key_count; key++) {
        size_t count = history_of(w, key, ops);
        if (count > 0) judge_key(s, key, ops, count);
    }
    free(ops);
}
