/* sim_main.c: the command line of the simulator. The one place that looks at a real clock, for its
 * progress line and for --minutes, never for a decision of a run. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/ms_assert.h"
#include "sim/sim_enumerate.h"
#include "sim/sim_exhaust.h"
#include "sim/sim_faults.h"
#include "sim/sim_html.h"
#include "sim/sim_lease.h"
#include "sim/sim_report.h"
#include "sim/sim_script.h"
#include "sim/sim_shrink.h"

#define SEEDS_DEFAULT 200u

/* No run of a seed has to do with it: the one thing that is asked for, if it is. */
static bool exhaust;
static struct sim_exhaust_bounds exhaust_bounds;

_Noreturn void ms_host_panic(const char *condition, const char *file, int line)
{
    sim_fail(SIM_FAIL_ASSERTION, "K21", "assertion failed: %s at %s:%d", condition, file, line);
}

static const char help[] =
    "sim: whole MetaStore clusters on simulated clock, network and disks, checked at every step\n"
    "\n"
    "  sim                     seeds from a random start, each twice; exit 0 if all passed\n"
    "  sim --seed S            that run again, identical to the bit\n"
    "  sim --shrink S          make a failing seed, or script, small: prints a script that fails in\n"
    "                          the same way\n"
    "  sim --script FILE...    replay scripts (sim/sim_script.h)\n"
    "  sim --enumerate         a small run, repeated with a power cut before and after each operation "
    "of\n"
    "                          its disks, of one member and of all, with several choices of what\n"
    "                          survives; --seed, --seeds, --start, --nodes, --ops as below\n"
    "  sim --enumerate --seed S --point K\n"
    "                          that one of its cases again\n"
    "  sim --exhaustive[=NAME=VALUE,...]\n"
    "                          all that can happen to three bare cores of consensus, within bounds (below)\n"
    "\n"
    "  --seeds N               how many (200)          --minutes M     begin no more seeds after so "
    "long\n"
    "  --start S               the first seed          --nodes N       1 to 7 (drawn: 3 or 5)\n"
    "  --clients N             1 to 32 (drawn)         --ops N         about how many a seed (drawn)\n"
    "  --faults LIST           only these, \"none\", or -name,... for all but these (drawn)\n"
    "  --share N               of an enumeration: one case in N\n"
    "  --mute LIST             leave out judges: K22, K11-order, K11-search\n"
    "  --rare-from N           a batch of N seeds (2000) has to reach all rare states; 0: none has to\n"
    "  --storage NAME          memory, rocksdb or mixed (a seed in twenty is not all in memory)\n"
    "  --twice, --no-twice     run each seed two times and compare (batches: yes)\n"
    "  --trace                 a line for each thing that happens       --quiet    less\n"
    "  --html FILE             with --seed, or one --script: the run as a page to look at in a "
    "browser, one\n"
    "                          file, whether it passes or fails\n"
    "\n"
    "exit: 0 passed, 10 safety, 11 liveness, 12 assertion, 13 determinism, 14 rare states, 2 usage\n";

enum {
    OPT_SEED = 256,
    OPT_SHRINK,
    OPT_SCRIPT,
    OPT_ENUMERATE,
    OPT_POINT,
    OPT_EXHAUSTIVE,
    OPT_SHARE,
    OPT_SEEDS,
    OPT_START,
    OPT_NODES,
    OPT_STORAGE,
    OPT_OPS,
    OPT_MINUTES,
    OPT_FAULTS,
    OPT_MUTE,
    OPT_RARE_FROM,
    OPT_CLIENTS,
    OPT_TRACE,
    OPT_HTML,
    OPT_TWICE,
    OPT_NO_TWICE,
    OPT_QUIET,
    OPT_HELP
};

static const struct option long_options[] = { { "seed", required_argument, NULL, OPT_SEED },
                                              { "shrink", required_argument, NULL, OPT_SHRINK },
                                              { "script", required_argument, NULL, OPT_SCRIPT },
                                              { "enumerate", no_argument, NULL, OPT_ENUMERATE },
                                              { "point", required_argument, NULL, OPT_POINT },
                                              { "exhaustive", optional_argument, NULL, OPT_EXHAUSTIVE },
                                              { "share", required_argument, NULL, OPT_SHARE },
                                              { "seeds", required_argument, NULL, OPT_SEEDS },
                                              { "start", required_argument, NULL, OPT_START },
                                              { "nodes", required_argument, NULL, OPT_NODES },
                                              { "storage", required_argument, NULL, OPT_STORAGE },
                                              { "ops", required_argument, NULL, OPT_OPS },
                                              { "minutes", required_argument, NULL, OPT_MINUTES },
                                              { "faults", required_argument, NULL, OPT_FAULTS },
                                              { "mute", required_argument, NULL, OPT_MUTE },
                                              { "rare-from", required_argument, NULL, OPT_RARE_FROM },
                                              { "clients", required_argument, NULL, OPT_CLIENTS },
                                              { "trace", no_argument, NULL, OPT_TRACE },
                                              { "html", required_argument, NULL, OPT_HTML },
                                              { "twice", no_argument, NULL, OPT_TWICE },
                                              { "no-twice", no_argument, NULL, OPT_NO_TWICE },
                                              { "quiet", no_argument, NULL, OPT_QUIET },
                                              { "help", no_argument, NULL, OPT_HELP },
                                              { NULL, 0, NULL, 0 } };

static void print_help(void)
{
    fputs(help, stdout);
    printf("\nfaults:");
    for (int f = 0; f < SIM_FAULT_KINDS; f++) printf(" %s", sim_fault_name((enum sim_fault_kind)f));
    printf("\n\nbounds of --exhaustive:\n");
    sim_exhaust_help();
}

static _Noreturn void usage(const char *what, const char *value)
{
    fprintf(stderr, "sim: %s%s; see --help\n", what, value);
    exit(2);
}

static uint64_t number(const char *text, uint64_t lo, uint64_t hi)
{
    char *end;
    uint64_t v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || v < lo || v > hi) usage("a number out of range: ", text);
    return v;
}

static uint32_t muted(const char *list)
{
    uint32_t set = 0;
    for (size_t len; *list; list += len + (list[len] == ',')) {
        uint32_t i = 0;
        len = strcspn(list, ",");
        while (i < SIM_MUTES && (strlen(sim_mute_name((enum sim_mute)i)) != len ||
                                 memcmp(list, sim_mute_name((enum sim_mute)i), len) != 0))
            i++;
        if (i == SIM_MUTES) usage("not a judge that can be left out: ", list);
        set |= 1u << i;
    }
    return set;
}

static void take_option(struct sim_options *o, int opt)
{
    switch (opt) {
    case OPT_SEED:
        o->seed = number(optarg, 0, UINT64_MAX);
        o->seed_given = true;
        o->twice = false;
        break;
    case OPT_SHRINK:
        o->shrink = true;
        if (strspn(optarg, "0123456789") == strlen(optarg))
            o->seed = number(optarg, 0, UINT64_MAX);
        else
            o->script = optarg;
        break;
    case OPT_SCRIPT: o->script = optarg; break;
    case OPT_ENUMERATE: o->enumerate = true; break;
    case OPT_POINT:
        o->point = number(optarg, 0, UINT64_MAX);
        o->point_given = true;
        break;
    case OPT_EXHAUSTIVE:
        exhaust = true;
        if (!sim_exhaust_parse(optarg, &exhaust_bounds)) usage("not bounds of --exhaustive: ", optarg);
        break;
    case OPT_SHARE: o->share = number(optarg, 1, 1000000); break;
    case OPT_SEEDS: o->seeds = number(optarg, 1, UINT64_MAX); break;
    case OPT_START:
        o->start = number(optarg, 0, UINT64_MAX);
        o->start_given = true;
        break;
    case OPT_NODES: o->nodes = (uint32_t)number(optarg, 1, 7); break;
    case OPT_OPS: o->ops = (uint32_t)number(optarg, 1, 1000000); break;
    case OPT_CLIENTS: o->clients = (uint32_t)number(optarg, 1, SIM_LEASE_CLIENT_FIRST - 1); break;
    case OPT_MINUTES:
        o->minutes = strtod(optarg, NULL);
        if (o->seeds == SEEDS_DEFAULT) o->seeds = UINT64_MAX;
        break;
    case OPT_FAULTS:
        if (!sim_faults_parse(optarg, &o->faults)) usage("unknown fault in ", optarg);
        o->faults_given = true;
        break;
    case OPT_RARE_FROM: o->rare_from = number(optarg, 0, UINT64_MAX); break;
    case OPT_MUTE: o->muted = muted(optarg); break;
    case OPT_STORAGE:
        o->storage = sim_storage_parse(optarg);
        if (o->storage == SIM_STORAGE_DRAWN) usage("not a storage of the simulator: ", optarg);
        break;
    case OPT_TRACE: o->trace = true; break;
    case OPT_HTML:
        sim_html_destroy(o->html);
        o->html = sim_html_create(optarg);
        break;
    case OPT_TWICE: o->twice = o->twice_given = true; break;
    case OPT_NO_TWICE: o->twice = false; break;
    case OPT_QUIET: o->quiet = true; break;
    case OPT_HELP: print_help(); exit(0);
    default: usage("unknown option", "");
    }
}

static double real_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_seed(const struct sim_options *o, uint64_t seed, struct sim_batch *b)
{
    struct sim_trail trail = { 0 };
    struct sim_totals totals, again;
    uint64_t hash, hash_again;
    sim_run(o, seed, o->twice ? &trail : NULL, false, &totals, &hash);
    b->runs_events += totals.events;
    if (o->twice) {
        sim_run(o, seed, &trail, true, &again, &hash_again);
        b->runs_events += again.events;
    }
    free(trail.hashes);
    sim_batch_add(b, &totals);
    if (o->seed_given) {
        printf("sim: seed %llu passed, hash %016llx\n", (unsigned long long)seed,
               (unsigned long long)hash);
    }
}

/* --- scripts --- */

static void parse_script(const char *path, struct sim_schedule *out)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(SIM_SCRIPT_BYTES_MAX);
    struct sim_script_error err;
    if (!f || !text) usage("cannot read ", path);
    size_t len = fread(text, 1, SIM_SCRIPT_BYTES_MAX, f);
    if (ferror(f) || len == SIM_SCRIPT_BYTES_MAX) usage("cannot read ", path);
    fclose(f);
    sim_schedule_init(out);
    if (!sim_script_parse(text, len, out, &err)) {
        fprintf(stderr, "sim: %s:%u: %s\n", path, err.line, err.text);
        exit(2);
    }
    free(text);
}

static void print_shrunk(const struct sim_options *o, int rv, const struct sim_shrink_result *r,
                         double spent_s)
{
    if (rv == 1) printf("sim: it passes\n");
    if (rv == 2) {
        fprintf(stderr, "sim: it fails %s: %s\n     its schedule, which follows, gives %s: %s\n",
                r->first.checker, r->first.text, r->last.verdict ? r->last.checker : "nothing",
                r->last.text);
    }
    if (rv == 0) {
        fprintf(stderr, "sim: shrink: %zu actions became %zu, %llu events %llu, in %llu runs, %.1f s\n",
                r->actions_before, r->actions_after, (unsigned long long)r->first.events,
                (unsigned long long)r->last.events, (unsigned long long)r->runs, spent_s);
    }
    if (rv != 1) sim_shrink_print(stdout, o, r);
}

static int shrink(const struct sim_options *opts)
{
    struct sim_options o = *opts;
    struct sim_schedule sc;
    struct sim_shrink_result r;
    double begin_s = real_s();
    sim_schedule_init(&sc);
    if (o.script) parse_script(o.script, &sc);
    if (o.script) o.schedule = &sc;
    int rv = sim_shrink(&o, &r);
    print_shrunk(&o, rv, &r, real_s() - begin_s);
    sim_schedule_fini(&r.schedule);
    sim_schedule_fini(&sc);
    return rv == 1 ? 0 : (int)r.first.verdict;
}

static void run_script(const struct sim_options *opts, const char *path)
{
    struct sim_options o = *opts;
    struct sim_schedule sc;
    struct sim_trail trail = { 0 };
    struct sim_totals totals;
    uint64_t hash;
    parse_script(path, &sc);
    o.script = path;
    o.schedule = &sc;
    sim_run(&o, sc.plan.seed, o.twice ? &trail : NULL, false, &totals, &hash);
    if (o.twice) sim_run(&o, sc.plan.seed, &trail, true, &totals, &hash);
    free(trail.hashes);
    sim_schedule_fini(&sc);
    printf("sim: %s passed, %llu events, hash %016llx\n", path, (unsigned long long)totals.events,
           (unsigned long long)hash);
}

static void choose_start(struct sim_options *o)
{
    uint32_t start;
    if (o->seed_given) {
        o->start = o->seed;
        o->seeds = 1;
    } else if (!o->start_given) {
        if (getrandom(&start, sizeof start, 0) != sizeof start) usage("no randomness", "");
        o->start = start;
    }
    if (!o->seed_given) printf("sim: seeds from %llu on\n", (unsigned long long)o->start);
    fflush(stdout);
}

static int enumerate(struct sim_options *o)
{
    int rv = 0;
    if (o->point_given && !o->seed_given) usage("--point needs --seed", "");
    if (o->seeds == SEEDS_DEFAULT) o->seeds = 1;
    choose_start(o);
    for (uint64_t i = 0; i < o->seeds && rv == 0; i++) rv = sim_enumerate(o, o->start + i);
    return rv;
}

int main(int argc, char **argv)
{
    struct sim_options o = { .seeds = SEEDS_DEFAULT, .twice = true, .rare_from = SIM_RARE_FROM_SEEDS };
    struct sim_batch b;
    int opt;
    while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) take_option(&o, opt);
    bool one = o.script ? optind == argc : o.seed_given;
    if (o.html && (!one || o.shrink || o.enumerate)) usage("--html needs --seed, or one --script", "");
    if (o.shrink) return shrink(&o);
    if (o.script) {
        if (!o.twice_given) o.twice = false;
        run_script(&o, o.script);
        for (; optind < argc; optind++) run_script(&o, argv[optind]);
        sim_html_destroy(o.html);
        return 0;
    }
    if (optind < argc) usage("what is ", argv[optind]);
    if (o.enumerate) return enumerate(&o);
    if (exhaust) return sim_exhaust(&exhaust_bounds, o.quiet, real_s);
    choose_start(&o);
    sim_batch_init(&b, &o);
    double begin_s = real_s();
    for (uint64_t i = 0; i < o.seeds; i++) {
        run_seed(&o, o.start + i, &b);
        double spent_s = real_s() - begin_s;
        sim_batch_progress(&b, spent_s);
        if (o.minutes > 0 && spent_s > o.minutes * 60) break;
    }
    sim_batch_summary(&b, real_s() - begin_s);
    bool missing = sim_batch_misses(&b, stderr);
    sim_batch_fini(&b);
    sim_html_destroy(o.html);
    return missing ? SIM_FAIL_RARE : 0;
}
