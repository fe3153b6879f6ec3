#include "sim/sim_shrink.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_ddmin.h"
#include "sim/sim_limits.h"
#include "sim/sim_report.h"
#include "sim/sim_script.h"
#include "sim/sim_settings.h"

#define ROUNDS_MAX 6u
#define RUNS_MAX 10000u
#define SEEDS_TRIED 4u /* of a candidate, once nothing else helps */
#define EVENTS_SPARE 20000u

struct shrink {
    const struct sim_options *opts;
    struct sim_shrink_result *result;
    struct sim_schedule *best; /* the result's */
    uint64_t events_max;
    uint64_t seed;   /* of what is drawn still, in the newest run that failed */
    uint32_t tries;  /* seeds a candidate is given */
    uint32_t *fixed; /* of a pass: actions that are not its affair */
    size_t fixed_count;
};

/* --- one candidate --- */

static bool is_the_same(const struct sim_outcome_of_run *a, const struct sim_outcome_of_run *b)
{
    if (a->verdict != b->verdict || strcmp(a->checker, b->checker) != 0) return false;
    return a->verdict != SIM_FAIL_ASSERTION || strcmp(a->text, b->text) == 0;
}

static bool fails_with(struct shrink *sh, const struct sim_schedule *candidate, uint64_t seed)
{
    struct sim_shrink_result *r = sh->result;
    struct sim_schedule run = *candidate; /* its actions are only read */
    struct sim_outcome_of_run out;
    if (r->runs >= RUNS_MAX) return false;
    r->runs++;
    run.plan.seed = run.plan.net.seed = seed;
    sim_shrink_run(sh->opts, &run, sh->events_max, &out, NULL);
    if (!is_the_same(&out, &r->first)) return false;
    r->last = out;
    sh->seed = seed;
    return true;
}

/* Whether it fails as the seed did, with the newest seed or with others, which nobody has tried. */
static bool fails(struct shrink *sh, const struct sim_schedule *candidate)
{
    if (sim_plan_problem(&candidate->plan)) return false;
    bool same = fails_with(sh, candidate, sh->seed);
    for (uint32_t i = 1; i < sh->tries && !same; i++) {
        same = fails_with(sh, candidate, sh->result->runs);
    }
    return same;
}

/* The best one is another now. */
static void take_best(struct shrink *sh, const struct sim_schedule *next)
{
    sim_schedule_fini(sh->best);
    *sh->best = *next;
    sh->best->plan.seed = sh->best->plan.net.seed = sh->seed;
    sim_shrink_cut(sh->best, sh->result->last.time_us);
}

/* It becomes the best one, if it fails; it is the callee's in any case. */
static bool adopt(struct shrink *sh, struct sim_schedule *candidate)
{
    if (!fails(sh, candidate)) {
        sim_schedule_fini(candidate);
        return false;
    }
    take_best(sh, candidate);
    return true;
}

static void progress(const struct shrink *sh, const char *pass)
{
    const struct sim_shrink_result *r = sh->result;
    fprintf(stderr, "sim: shrink: %-9s %zu of %zu actions, %llu of %llu events, %llu runs\n", pass,
            sh->best->count, r->actions_before, (unsigned long long)r->last.events,
            (unsigned long long)r->first.events, (unsigned long long)r->runs);
}

/* --- actions --- */

typedef bool (*chooser)(const struct sim_action *a, uint32_t which);

static int order_u32(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static bool try_actions(void *ctx, const uint32_t *items, size_t count)
{
    struct shrink *sh = ctx;
    size_t all = sh->fixed_count + count;
    uint32_t *keep = malloc((all + 1) * sizeof *keep);
    struct sim_schedule candidate;
    MS_ASSERT(keep != NULL);
    memcpy(keep, sh->fixed, sh->fixed_count * sizeof *keep);
    memcpy(keep + sh->fixed_count, items, count * sizeof *keep);
    qsort(keep, all, sizeof *keep, order_u32);
    sim_shrink_filter(&candidate, sh->best, keep, all);
    bool same = fails(sh, &candidate);
    sim_schedule_fini(&candidate);
    free(keep);
    return same;
}

/* What is left of a pass becomes the best one. */
static void keep_actions(struct shrink *sh, const uint32_t *items, size_t count)
{
    struct sim_schedule next;
    uint32_t *keep = malloc((sh->fixed_count + count + 1) * sizeof *keep);
    MS_ASSERT(keep != NULL);
    memcpy(keep, sh->fixed, sh->fixed_count * sizeof *keep);
    memcpy(keep + sh->fixed_count, items, count * sizeof *keep);
    qsort(keep, sh->fixed_count + count, sizeof *keep, order_u32);
    sim_shrink_filter(&next, sh->best, keep, sh->fixed_count + count);
    take_best(sh, &next);
    free(keep);
}

/* Leave out what the chooser chooses: all of it at once, or (fine) as much as can be. */
static void pass_actions(struct shrink *sh, chooser chosen, uint32_t which, bool fine)
{
    size_t total = sh->best->count, count = 0, left;
    uint32_t *items = malloc((total + 1) * sizeof *items);
    sh->fixed = malloc((total + 1) * sizeof *sh->fixed);
    MS_ASSERT(items != NULL && sh->fixed != NULL);
    sh->fixed_count = 0;
    for (uint32_t i = 0; i < total; i++) {
        if (chosen(&sh->best->actions[i], which))
            items[count++] = i;
        else
            sh->fixed[sh->fixed_count++] = i;
    }
    if (fine)
        left = sim_ddmin(items, count, try_actions, sh);
    else
        left = count > 0 && try_actions(sh, items, 0) ? 0 : count;
    if (left < count) keep_actions(sh, items, left);
    free(sh->fixed);
    free(items);
}

static bool of_class(const struct sim_action *a, uint32_t which)
{
    return sim_verb_class(a->verb) == which;
}

static bool of_verb(const struct sim_action *a, uint32_t which)
{
    return a->verb == which && a->verb != SIM_VERB_END;
}

static bool of_client(const struct sim_action *a, uint32_t which)
{
    return of_class(a, SIM_CLASS_OP) && a->client == which;
}

static bool of_member(const struct sim_action *a, uint32_t which)
{
    bool fate = of_class(a, SIM_CLASS_FATE);
    return fate && (a->from == which || a->to == which);
}

/* --- links --- */

static bool try_spans(void *ctx, const uint32_t *items, size_t count)
{
    struct shrink *sh = ctx;
    struct sim_schedule candidate;
    sim_shrink_spans(&candidate, sh->best, items, count);
    bool same = fails(sh, &candidate);
    sim_schedule_fini(&candidate);
    return same;
}

static void pass_spans(struct shrink *sh)
{
    size_t total = sh->best->span_count;
    uint32_t *items = malloc((total + 1) * sizeof *items);
    struct sim_schedule next;
    MS_ASSERT(items != NULL);
    for (uint32_t i = 0; i < total; i++) items[i] = i;
    size_t left = sim_ddmin(items, total, try_spans, sh);
    sim_shrink_spans(&next, sh->best, items, left);
    if (left < total)
        adopt(sh, &next);
    else
        sim_schedule_fini(&next);
    free(items);
}

/* --- what is not an action --- */

static void pass_members(struct shrink *sh)
{
    for (uint32_t i = sh->best->plan.node_count; i-- > 0;) {
        struct sim_schedule candidate;
        if (i < sh->best->plan.node_count && sim_shrink_member(&candidate, sh->best, i))
            adopt(sh, &candidate);
    }
}

static void pass_clients(struct shrink *sh)
{
    struct sim_schedule candidate;
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) pass_actions(sh, of_client, i, false);
    if (sim_shrink_clients(&candidate, sh->best)) adopt(sh, &candidate);
}

/* With these settings as they are, and all others calm. */
static void make_settings(struct sim_schedule *to, const struct sim_schedule *from,
                          const uint32_t *items, size_t count)
{
    struct sim_plan calm;
    sim_plan_calm(&calm);
    calm.node_count = from->plan.node_count;
    calm.seed = calm.net.seed = from->plan.seed;
    for (size_t i = 0; i < count; i++) {
        sim_setting_set(&calm, items[i], sim_setting_get(&from->plan, items[i]));
    }
    sim_limits_fit(&calm);
    sim_shrink_filter(to, from, NULL, 0);
    to->plan = calm;
    for (size_t i = 0; i < to->count; i++) {
        struct sim_action *a = &to->actions[i];
        bool large = a->verb == SIM_VERB_PUT && a->amount >= (int64_t)calm.value_bytes_max;
        if (large && !calm.limits) a->amount = (int64_t)calm.value_bytes_max - 1;
    }
}

static bool try_settings(void *ctx, const uint32_t *items, size_t count)
{
    struct shrink *sh = ctx;
    struct sim_schedule candidate;
    make_settings(&candidate, sh->best, items, count);
    bool same = fails(sh, &candidate);
    sim_schedule_fini(&candidate);
    return same;
}

static void pass_settings(struct shrink *sh)
{
    struct sim_plan calm;
    struct sim_schedule candidate;
    uint32_t items[256], count = 0;
    MS_ASSERT(sim_setting_count() <= 256);
    sim_plan_calm(&calm);
    for (uint32_t i = 0; i < sim_setting_count(); i++) {
        bool number_of_clients = strcmp(sim_setting_name(i), "clients") == 0;
        if (number_of_clients) items[count++] = i;
        if (number_of_clients || sim_setting_get(&calm, i) == sim_setting_get(&sh->best->plan, i))
            continue;
        items[count++] = i;
    }
    size_t left = sim_ddmin(items, count, try_settings, sh);
    make_settings(&candidate, sh->best, items, left);
    if (left < count) adopt(sh, &candidate);
    if (left == count) sim_schedule_fini(&candidate);
}

/* --- lines --- */

/* These actions as they are, all others without what only makes a line longer. */
static void make_plain(struct sim_schedule *to, const struct sim_schedule *from, const uint32_t *items,
                       size_t count)
{
    size_t next = 0;
    sim_shrink_filter(to, from, NULL, 0);
    for (uint32_t i = 0; i < to->count; i++) {
        if (next < count && items[next] == i)
            next++;
        else
            sim_shrink_plain(&to->actions[i]);
    }
    for (size_t i = 1; i < to->count; i++) { /* one that is not plain may come too late now */
        if (to->actions[i].at_us < to->actions[i - 1].at_us)
            to->actions[i].at_us = to->actions[i - 1].at_us;
    }
}

static bool try_plain(void *ctx, const uint32_t *items, size_t count)
{
    struct shrink *sh = ctx;
    struct sim_schedule candidate;
    make_plain(&candidate, sh->best, items, count);
    bool same = fails(sh, &candidate);
    sim_schedule_fini(&candidate);
    return same;
}

static void pass_plain(struct shrink *sh)
{
    struct sim_schedule candidate;
    uint32_t *items = malloc((sh->best->count + 1) * sizeof *items), count = 0;
    MS_ASSERT(items != NULL);
    for (uint32_t i = 0; i < sh->best->count; i++) {
        struct sim_action a = sh->best->actions[i];
        if (sim_shrink_plain(&a)) items[count++] = i;
    }
    size_t left = sim_ddmin(items, count, try_plain, sh);
    make_plain(&candidate, sh->best, items, left);
    adopt(sh, &candidate);
    free(items);
}

/* --- all of it --- */

static size_t size_of(const struct sim_schedule *sc)
{
    struct sim_plan calm;
    size_t size = 100 * (sc->count + sc->span_count) + sc->plan.node_count;
    sim_plan_calm(&calm);
    for (uint32_t i = 0; i < sim_setting_count(); i++) {
        size += sim_setting_get(&calm, i) != sim_setting_get(&sc->plan, i);
    }
    return size;
}

static void coarse(struct shrink *sh)
{
    pass_actions(sh, of_class, SIM_CLASS_FATE, false);
    pass_actions(sh, of_class, SIM_CLASS_FAULT, false);
    for (uint32_t verb = 0; verb < SIM_VERBS; verb++) pass_actions(sh, of_verb, verb, false);
    progress(sh, "kinds");
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) pass_actions(sh, of_member, i, false);
    /* Members, and clients that are no actions, are most of what a run costs: all runs behind are shorter. */
    pass_members(sh);
    pass_settings(sh);
    progress(sh, "sizes");
}

static void one_round(struct shrink *sh)
{
    pass_actions(sh, of_class, SIM_CLASS_FAULT, true);
    pass_spans(sh);
    progress(sh, "faults");
    pass_clients(sh);
    progress(sh, "clients");
    pass_actions(sh, of_class, SIM_CLASS_OP, true);
    progress(sh, "requests");
    pass_members(sh);
    progress(sh, "members");
    pass_actions(sh, of_class, SIM_CLASS_FATE, true);
    progress(sh, "frames");
    pass_settings(sh);
    progress(sh, "settings");
}

/* Until nothing goes any more. What is left of chance may be why: more seeds help. */
static void rounds(struct shrink *sh, uint32_t tries)
{
    size_t before = 0;
    sh->tries = tries;
    for (uint32_t i = 0; i < ROUNDS_MAX && size_of(sh->best) != before; i++) {
        before = size_of(sh->best);
        one_round(sh);
    }
}

static bool begin(struct shrink *sh)
{
    struct sim_shrink_result *r = sh->result;
    struct sim_outcome_of_run replayed;
    sim_shrink_cut(sh->best, r->first.time_us);
    sh->seed = sh->best->plan.seed;
    r->actions_before = sh->best->count - 1;
    r->runs++;
    sim_shrink_run(sh->opts, sh->best, 0, &replayed, NULL);
    r->last = replayed;
    sh->events_max = r->first.events + r->first.events / 4 + EVENTS_SPARE;
    return is_the_same(&replayed, &r->first);
}

int sim_shrink(const struct sim_options *opts, struct sim_shrink_result *out)
{
    struct shrink sh = { .opts = opts, .result = out, .best = &out->schedule };
    *out = (struct sim_shrink_result){ 0 };
    sim_schedule_init(&out->schedule);
    if (opts->schedule) sim_shrink_filter(&out->schedule, opts->schedule, NULL, 0);
    sim_shrink_run(opts, opts->schedule, 0, &out->first, &out->schedule);
    if (out->first.verdict == 0) return 1;
    if (!begin(&sh)) return 2;
    progress(&sh, "recorded");
    coarse(&sh);
    rounds(&sh, 1);
    rounds(&sh, SEEDS_TRIED);
    pass_plain(&sh);
    progress(&sh, "lines");
    out->actions_after = sh.best->count - 1;
    return 0;
}

void sim_shrink_print(FILE *f, const struct sim_options *opts, const struct sim_shrink_result *r)
{
    fprintf(f, "# %s: %s.\n", r->last.checker, r->last.text);
    if (opts->script)
        fprintf(f, "# Shrunk from %s", opts->script);
    else
        fprintf(f, "# Shrunk from seed %llu", (unsigned long long)opts->seed);
    if (!opts->script) sim_report_options(f, opts);
    fprintf(f, " at commit %s: %zu actions of %zu, %llu events of %llu.\n", sim_report_commit(),
            r->actions_after, r->actions_before, (unsigned long long)r->last.events,
            (unsigned long long)r->first.events);
    sim_script_print(f, &r->schedule);
}
