#include "sim/sim_report.h"

#include "sim/sim_record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "sim/sim_enumerate.h"
#include "sim/sim_history.h"
#include "sim/sim_html.h"

#ifndef MS_COMMIT
#define MS_COMMIT "unknown"
#endif

#define PROGRESS_S 5.0
#define LINE_COLUMNS 96

static sim_report_caught catcher;
static void *catcher_ctx;
static const struct sim *current; /* the run that is under way: what a panic belongs to */

void sim_report_current(const struct sim *s)
{
    current = s;
}

const char *sim_fault_name(enum sim_fault_kind kind)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_FAULT_MAP(X)
#undef X
    };
    return names[kind];
}

const char *sim_mute_name(enum sim_mute judge)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_MUTE_MAP(X)
#undef X
    };
    return names[judge];
}

static const char *rare_text(enum sim_rare r)
{
    static const char *const texts[] = {
#define X(name, text) text,
        SIM_RARE_MAP(X)
#undef X
    };
    return texts[r];
}

void sim_trace(const struct sim *s, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (!s->trace && !s->opts->html) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (s->opts->html) sim_html_line(s->opts->html, sim_now_us(s), line);
    if (s->trace) printf("%10.3f %s\n", (double)sim_now_us(s) / 1000.0, line);
}

/* For the first time in the run. */
void sim_trace_rare(const struct sim *s, enum sim_rare r)
{
    sim_trace(s, "reached: %s", rare_text(r));
}

/* --- failures --- */

const char *sim_report_commit(void)
{
    return MS_COMMIT;
}

void sim_report_options(FILE *f, const struct sim_options *o)
{
    if (o->storage) fprintf(f, " --storage=%s", sim_storage_name(o->storage));
    if (o->scenario) fprintf(f, " --scenario=%s", sim_scenario_name(o->scenario));
    if (o->nodes) fprintf(f, " --nodes=%u", o->nodes);
    if (o->clients) fprintf(f, " --clients=%u", o->clients);
    if (o->ops) fprintf(f, " --ops=%u", o->ops);
    for (uint32_t i = 0, n = 0; i < SIM_MUTES; i++) {
        if (o->muted >> i & 1)
            fprintf(f, "%s%s", n++ ? "," : " --mute=", sim_mute_name((enum sim_mute)i));
    }
    if (!o->faults_given) return;
    fprintf(f, " --faults=%s", o->faults ? "" : "none");
    for (uint32_t i = 0, n = 0; i < SIM_FAULT_KINDS; i++) {
        if (o->faults >> i & 1)
            fprintf(f, "%s%s", n++ ? "," : "", sim_fault_name((enum sim_fault_kind)i));
    }
}

void sim_report_catch(sim_report_caught caught, void *ctx)
{
    catcher = caught;
    catcher_ctx = ctx;
}

static void print_case(FILE *f, const struct sim_options *o)
{
    struct sim_options chosen = *o;
    chosen.faults_given = false; /* it has none */
    sim_report_options(f, &chosen);
    fprintf(f, " --enumerate");
    if (sim_enumerate_case(o->enumeration) != UINT64_MAX)
        fprintf(f, " --point=%llu", (unsigned long long)sim_enumerate_case(o->enumeration));
}

void sim_report_again(FILE *f, const struct sim *s, bool twice)
{
    const struct sim_options *o = s->opts;
    if (o->script)
        fprintf(f, "build/sim --script=%s", o->script);
    else
        fprintf(f, "build/sim --seed=%llu", (unsigned long long)s->plan.seed);
    if (!o->script && !o->enumeration) sim_report_options(f, o);
    if (o->enumeration) print_case(f, o);
    if (twice) fprintf(f, " --twice");
}

/* What the members have become in the event that failed is on it too. */
static void write_page(enum sim_verdict verdict, const char *kind, const char *checker,
                       const char *text)
{
    const struct sim_html_end end = {
        .kind = kind, .checker = checker, .text = text, .twice = verdict == SIM_FAIL_DETERMINISM
    };
    sim_html_look(current);
    if (!sim_html_write(current, &end)) perror("sim: the page cannot be written");
}

void sim_fail(enum sim_verdict verdict, const char *checker, const char *format, ...)
{
    const char *kind = verdict == SIM_FAIL_SAFETY      ? "safety"
                       : verdict == SIM_FAIL_LIVENESS  ? "liveness"
                       : verdict == SIM_FAIL_ASSERTION ? "assertion"
                                                       : "determinism";
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    if (catcher) {
        catcher(catcher_ctx, current, verdict, checker, text);
        _exit(verdict);
    }
    if (current) {
        fprintf(stderr,
                "sim: FAIL %s seed=%llu time=%llums checker=%s events=%llu commit=%s ; again: ", kind,
                (unsigned long long)current->plan.seed, (unsigned long long)sim_now_us(current) / 1000,
                checker, (unsigned long long)current->totals.events, MS_COMMIT);
        sim_report_again(stderr, current, verdict == SIM_FAIL_DETERMINISM);
    } else {
        fprintf(stderr, "sim: FAIL %s checker=%s commit=%s", kind, checker, MS_COMMIT);
    }
    fprintf(stderr, "\n     %s\n", text);
    if (current && !current->opts->quiet) sim_record_print(current, stderr);
    fflush(stderr);
    if (current && current->opts->html) write_page(verdict, kind, checker, text);
    _exit(verdict); /* the cluster is in the middle of something: nothing is taken down */
}

void sim_report_word(FILE *f, int *column, const char *word)
{
    int len = (int)strlen(word);
    if (*column + 1 + len > LINE_COLUMNS) {
        fprintf(f, "\n ");
        *column = 1;
    }
    fprintf(f, " %s", word);
    *column += 1 + len;
}

/* --- batches --- */

void sim_batch_init(struct sim_batch *b, const struct sim_options *opts)
{
    *b = (struct sim_batch){ .opts = opts, .progress_s = PROGRESS_S };
}

void sim_batch_fini(struct sim_batch *b)
{
    free(b->seeds);
}

void sim_batch_add(struct sim_batch *b, const struct sim_totals *t)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 256;
        b->seeds = realloc(b->seeds, b->cap * sizeof *b->seeds);
        MS_ASSERT(b->seeds != NULL);
    }
    b->seeds[b->count++] = *t;
}

static struct sim_totals sum_of(const struct sim_batch *b)
{
    struct sim_totals sum = { 0 };
    for (size_t i = 0; i < b->count; i++) {
        const struct sim_totals *t = &b->seeds[i];
        sum.events += t->events;
        sum.ops_begun += t->ops_begun;
        sum.ops_ok += t->ops_ok;
        sum.ops_unknown += t->ops_unknown;
        sum.virtual_us += t->virtual_us;
        sum.searched += t->searched;
        sum.windows += t->windows;
        sum.given_up += t->given_up;
        for (int f = 0; f < SIM_FAULT_KINDS; f++) sum.faults[f] += t->faults[f];
        for (int r = 0; r < SIM_RARES; r++) sum.rare[r] += t->rare[r] > 0;
    }
    return sum;
}

static uint64_t faults_of(const struct sim_totals *t)
{
    uint64_t n = 0;
    for (int f = 0; f < SIM_FAULT_KINDS; f++) n += t->faults[f];
    return n;
}

void sim_batch_progress(struct sim_batch *b, double real_s)
{
    if (b->opts->quiet || real_s < b->progress_s) return;
    b->progress_s = real_s + PROGRESS_S;
    struct sim_totals sum = sum_of(b);
    uint32_t reached = 0;
    for (int r = 0; r < SIM_RARES; r++) reached += sum.rare[r] > 0;
    fprintf(stderr,
            "sim: %zu seed%s, %.0f events/s, %.0fx real time, %llu faults, %u of %u rare states\n",
            b->count, b->count == 1 ? "" : "s", (double)b->runs_events / real_s,
            (double)sum.virtual_us / 1e6 / real_s, (unsigned long long)faults_of(&sum), reached,
            (unsigned)SIM_RARES);
}

static int order_u64(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Of a field of the totals that stands so far from their beginning. */
static uint64_t median(const struct sim_batch *b, size_t offset)
{
    uint64_t *v = malloc((b->count + 1) * sizeof *v), m;
    MS_ASSERT(v != NULL && b->count > 0);
    for (size_t i = 0; i < b->count; i++) memcpy(&v[i], (const char *)&b->seeds[i] + offset, sizeof *v);
    qsort(v, b->count, sizeof *v, order_u64);
    m = v[b->count / 2];
    free(v);
    return m;
}

static uint64_t healed_changes_max(const struct sim_batch *b)
{
    uint64_t max = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->seeds[i].healed_changes > max) max = b->seeds[i].healed_changes;
    }
    return max;
}

#define MEDIAN(b, field) ((unsigned long long)median(b, offsetof(struct sim_totals, field)))

static void print_faults(const struct sim_totals *sum)
{
    int column = 7;
    printf("faults:");
    for (int f = 0; f < SIM_FAULT_KINDS; f++) {
        char word[64];
        snprintf(word, sizeof word, "%s %llu", sim_fault_name((enum sim_fault_kind)f),
                 (unsigned long long)sum->faults[f]);
        sim_report_word(stdout, &column, word);
    }
    printf("\n");
}

/* The commonest first, so that the rarest are what a terminal shows last. Of one seed, those it has reached. */
static void print_rare(const struct sim_totals *sum, size_t seeds)
{
    bool printed[SIM_RARES] = { false };
    printf(seeds > 1 ? "rare states, in how many seeds:\n" : "rare states it has reached:\n");
    for (int n = 0; n < SIM_RARES; n++) {
        int next = -1;
        for (int r = 0; r < SIM_RARES; r++) {
            if (!printed[r] && (next < 0 || sum->rare[r] > sum->rare[next])) next = r;
        }
        printed[next] = true;
        if (seeds > 1)
            printf("  %6.2f %%  %s\n", 100.0 * (double)sum->rare[next] / (double)seeds,
                   rare_text((enum sim_rare)next));
        else if (sum->rare[next] > 0)
            printf("  %s\n", rare_text((enum sim_rare)next));
    }
}

void sim_batch_summary(const struct sim_batch *b, double real_s)
{
    if (b->count == 0) return;
    struct sim_totals sum = sum_of(b);
    double seeds = (double)b->count;
    printf("sim: %zu seed%s passed in %.1f s: %.0f events/s, %.0fx real time, %.3f s a run\n", b->count,
           b->count == 1 ? "" : "s", real_s, (double)b->runs_events / real_s,
           (double)sum.virtual_us / 1e6 / real_s * (b->opts->twice ? 2 : 1),
           real_s / seeds / (b->opts->twice ? 2 : 1));
    printf("%s%llu events, %llu acknowledged operations, %llu entries, %llu leader changes,\n"
           "  %llu crashes, %llu that lost unsynced data\n",
           b->count == 1 ? "" : "median of a seed: ", MEDIAN(b, events), MEDIAN(b, ops_ok),
           MEDIAN(b, entries), MEDIAN(b, leader_changes), MEDIAN(b, crashes), MEDIAN(b, crashes_lossy));
    printf("operations: %llu begun, %.1f %% acknowledged, %.1f %% of unknown outcome\n",
           (unsigned long long)sum.ops_begun,
           100.0 * (double)sum.ops_ok / (double)(sum.ops_begun + !sum.ops_begun),
           100.0 * (double)sum.ops_unknown / (double)(sum.ops_begun + !sum.ops_begun));
    printf("K11 by search: histories of %llu keys in %llu parts, %llu of them given up at %u steps\n",
           (unsigned long long)sum.searched, (unsigned long long)sum.windows,
           (unsigned long long)sum.given_up, HIST_SEARCH_STEPS_MAX);
    printf("leaders after healing: median %llu, at most %llu\n", MEDIAN(b, healed_changes),
           (unsigned long long)healed_changes_max(b));
    printf("seeds with a snapshot installed: %.0f %%\n",
           100.0 * (double)sum.rare[SIM_RARE_SNAP_INSTALLED] / seeds);
    if (b->opts->quiet) return;
    print_faults(&sum);
    print_rare(&sum, b->count);
}

/* --- what a batch has to reach --- */

/* Seeds that all are in memory never reach it. */
static bool is_of_rocksdb(enum sim_rare r)
{
    return r == SIM_RARE_JOB_CRASH || r == SIM_RARE_FROM_CHECKPOINT || r == SIM_RARE_DATABASE_DAMAGED ||
           r == SIM_RARE_FROM_NOTHING || r == SIM_RARE_PERSISTED;
}

/* A choice on the command line may leave out what leads to some of them. */
static bool is_free(const struct sim_options *o)
{
    return !o->faults_given && !o->nodes && !o->clients && !o->ops && !o->muted &&
           !o->scenario;
}

bool sim_batch_misses(const struct sim_batch *b, FILE *f)
{
    const struct sim_options *o = b->opts;
    struct sim_totals sum = sum_of(b);
    bool misses = false;
    if (o->rare_from == 0 || b->count < o->rare_from || !is_free(o)) return false;
    for (int r = 0; r < SIM_RARES; r++) {
        if (o->storage == SIM_STORAGE_MEMORY && is_of_rocksdb((enum sim_rare)r)) continue;
        if (sum.rare[r] > 0) continue;
        fprintf(f, "sim: FAIL rare states: none of %zu seeds has reached \"%s\"\n", b->count,
                rare_text((enum sim_rare)r));
        misses = true;
    }
    return misses;
}
