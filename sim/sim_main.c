/* sim_main.c: the command line of the simulator. The one place that looks at a real clock, for its
 * progress line and for --minutes, never for a decision of a run. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
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
    "  sim                  seeds from a random start, each run twice and compared\n"
    "  sim --seed S         that run again, identical to the bit\n"
    "  sim --shrink S       make a failing seed, or script, small: prints a script that fails alike\n"
    "  sim --script FILE... replay scripts (their language: sim/sim_script.h)\n"
    "  sim --enumerate      a small run, repeated with a power cut before and after each operation\n"
    "                       of its disks, of one member and of all, with several choices of what\n"
    "                       survives; with --seed or --seeds and --start, --nodes, --ops, --storage\n"
    "  sim --enumerate --seed S --point K\n"
    "                       one of its cases again\n"
    "  sim --exhaustive[=NAME=VALUE,...]\n"
    "                       all that can happen to three bare cores of consensus, within bounds\n"
    "\n"
    "what is run (what is not given is drawn for each seed):\n"
    "  --seeds N            how many (200)\n"
    "  --start S            the first one (random)\n"
    "  --minutes M          begin no more after so long\n"
    "  --nodes N            members at first, 1 to 7 (3 or 5, seldom 1 or 2)\n"
    "  --clients N          1 to 32\n"
    "  --ops N              requests of a seed, about\n"
    "  --storage NAME       memory, rocksdb, or mixed (one seed in twenty is not all in memory)\n"
    "  --scenario NAME      all seeds bent towards one rare thing (one seed in four is bent towards some;\n"
    "                       those of zone b never are, those of tight leases by \"leases\" alone)\n"
    "  --faults LIST        these alone, or \"none\"; -name,... for all but these\n"
    "  --twice, --no-twice  run each seed two times and compare (batches do)\n"
    "  --share N            of an enumeration: one case in N\n"
    "\n"
    "what is judged and told:\n"
    "  --mute LIST          leave out judges: K22, K11-order, K11-search\n"
    "  --rare-from N        so large a batch has to reach all rare states (2000; 0: none has to)\n"
    "  --trace              a line for each thing that happens, with the virtual time in ms\n"
    "  --html FILE          with --seed, or one --script: the run as a page for a browser, one file,\n"
    "                       whether it passes or fails\n"
    "  --quiet              no progress, no faults and states in the summary, no ledger of a failure\n"
    "\n"
    "exit code: 0 passed, 2 wrong use; failed: 10 safety, 11 liveness, 12 assertion, 13 determinism,\n"
    "14 a rare state that no seed has reached\n";

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
    OPT_SCENARIO,
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
                                              { "scenario", required_argument, NULL, OPT_SCENARIO },
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
    printf("\nscenarios:");
    for (int i = SIM_SCENARIO_DRAWN + 1, column = 10; i < SIM_SCENARIOS; i++)
        sim_report_word(stdout, &column, sim_scenario_name((enum sim_scenario)i));
    printf("\n\nfaults:");
    for (int f = 0, column = 7; f < SIM_FAULT_KINDS; f++)
        sim_report_word(stdout, &column, sim_fault_name((enum sim_fault_kind)f));
    printf("\n\nbounds of --exhaustive:\n");
    sim_exhaust_help();
}

__attribute__((format(printf, 1, 2))) static _Noreturn void usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "sim: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "; see --help\n");
    va_end(args);
    exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t lo, uint64_t hi)
{
    char *end;
    errno = 0;
    uint64_t v = strtoull(text, &end, 10);
    bool is_number = *text >= '0' && *text <= '9' && !*end && errno == 0;
    if (is_number && v >= lo && v <= hi) return v;
    if (hi == UINT64_MAX)
        usage("--%s takes a number from %llu on, not %s", option, (unsigned long long)lo, text);
    usage("--%s takes a number from %llu to %llu, not %s", option, (unsigned long long)lo,
          (unsigned long long)hi, text);
}

static double minutes(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (*end || end == text || !(v > 0)) usage("--minutes takes a time above 0, not %s", text);
    return v;
}

/* A run may take long: that its page cannot be written is said before. */
static struct sim_html *page(const char *path)
{
    FILE *f = fopen(path, "ab");
    if (!f) usage("cannot write %s: %s", path, strerror(errno));
    fclose(f);
    return sim_html_create(path);
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
        if (i == SIM_MUTES) usage("--mute: %.*s is no judge that can be left out", (int)len, list);
        set |= 1u << i;
    }
    return set;
}

static void take_option(struct sim_options *o, int opt, const char *name)
{
    switch (opt) {
    case OPT_SEED:
        o->seed = number(name, optarg, 0, UINT64_MAX);
        o->seed_given = true;
        o->twice = false;
        break;
    case OPT_SHRINK:
        o->shrink = true;
        if (strspn(optarg, "0123456789") == strlen(optarg))
            o->seed = number(name, optarg, 0, UINT64_MAX);
        else
            o->script = optarg;
        break;
    case OPT_SCRIPT: o->script = optarg; break;
    case OPT_ENUMERATE: o->enumerate = true; break;
    case OPT_POINT:
        o->point = number(name, optarg, 0, UINT64_MAX);
        o->point_given = true;
        break;
    case OPT_EXHAUSTIVE:
        exhaust = true;
        if (!sim_exhaust_parse(optarg, &exhaust_bounds))
            usage("--exhaustive: %s are no bounds", optarg);
        break;
    case OPT_SHARE: o->share = number(name, optarg, 1, 1000000); break;
    case OPT_SEEDS: o->seeds = number(name, optarg, 1, UINT64_MAX); break;
    case OPT_START:
        o->start = number(name, optarg, 0, UINT64_MAX);
        o->start_given = true;
        break;
    case OPT_NODES: o->nodes = (uint32_t)number(name, optarg, 1, 7); break;
    case OPT_OPS: o->ops = (uint32_t)number(name, optarg, 1, 1000000); break;
    case OPT_CLIENTS: o->clients = (uint32_t)number(name, optarg, 1, SIM_LEASE_CLIENT_FIRST - 1); break;
    case OPT_MINUTES:
        o->minutes = minutes(optarg);
        if (o->seeds == SEEDS_DEFAULT) o->seeds = UINT64_MAX;
        break;
    case OPT_FAULTS:
        if (!sim_faults_parse(optarg, &o->faults))
            usage("--faults: there is an unknown one in %s", optarg);
        o->faults_given = true;
        break;
    case OPT_RARE_FROM: o->rare_from = number(name, optarg, 0, UINT64_MAX); break;
    case OPT_MUTE: o->muted = muted(optarg); break;
    case OPT_STORAGE:
        o->storage = sim_storage_parse(optarg);
        if (o->storage == SIM_STORAGE_DRAWN)
            usage("--storage takes memory, rocksdb or mixed, not %s", optarg);
        break;
    case OPT_SCENARIO:
        o->scenario = sim_scenario_parse(optarg);
        if (o->scenario == SIM_SCENARIO_DRAWN) usage("--scenario: there is no %s", optarg);
        break;
    case OPT_TRACE: o->trace = true; break;
    case OPT_HTML:
        sim_html_destroy(o->html);
        o->html = page(optarg);
        break;
    case OPT_TWICE: o->twice = o->twice_given = true; break;
    case OPT_NO_TWICE: o->twice = false; break;
    case OPT_QUIET: o->quiet = true; break;
    case OPT_HELP: print_help(); exit(0);
    default: MS_UNREACHABLE();
    }
}

static void take_options(struct sim_options *o, int argc, char **argv)
{
    int opt, which = 0;
    opterr = 0; /* getopt's words name the program by its path */
    while ((opt = getopt_long(argc, argv, ":", long_options, &which)) != -1) {
        if (opt == ':') usage("%s needs a value", argv[optind - 1]);
        if (opt == '?') usage("%s is no option, or takes no value", argv[optind - 1]);
        take_option(o, opt, long_options[which].name);
    }
}

/* What would be of no effect is a mistake. */
static void check_options(const struct sim_options *o, int argc, char **argv)
{
    bool one = o->script ? optind == argc : o->seed_given;
    bool batch = o->seeds != SEEDS_DEFAULT || o->start_given;
    if (o->html && (!one || o->shrink || o->enumerate || exhaust))
        usage("--html needs --seed, or one --script");
    if (o->seed_given && batch) usage("--seed is one run: without --seeds, --start, --minutes");
    if (o->seed_given && (o->script || o->shrink))
        usage("--script and --shrink have their seed: without --seed");
    if (!o->enumerate && (o->point_given || o->share > 1))
        usage("--point and --share are for --enumerate");
    if (o->point_given && !o->seed_given) usage("--point needs --seed");
    if (o->scenario && (o->script || o->enumerate || exhaust || o->nodes || o->faults_given))
        usage("--scenario draws members and faults of seeds: without --nodes, --faults, --script and others");
    if (o->scenario == SIM_SCENARIO_DATABASE && o->storage == SIM_STORAGE_MEMORY)
        usage("--scenario=database needs members on RocksDB: without --storage=memory");
    if (optind < argc && (!o->script || o->shrink)) usage("%s is not expected", argv[optind]);
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
    if (!f || !text) usage("cannot read %s", path);
    size_t len = fread(text, 1, SIM_SCRIPT_BYTES_MAX, f);
    if (ferror(f) || len == SIM_SCRIPT_BYTES_MAX) usage("cannot read %s", path);
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
        if (getrandom(&start, sizeof start, 0) != sizeof start)
            usage("there is no randomness for a first seed: give --start");
        o->start = start;
    }
    if (!o->seed_given) printf("sim: seeds from %llu on\n", (unsigned long long)o->start);
    fflush(stdout);
}

static int enumerate(struct sim_options *o)
{
    int rv = 0;
    if (o->seeds == SEEDS_DEFAULT) o->seeds = 1;
    choose_start(o);
    for (uint64_t i = 0; i < o->seeds && rv == 0; i++) rv = sim_enumerate(o, o->start + i);
    return rv;
}

int main(int argc, char **argv)
{
    struct sim_options o = { .seeds = SEEDS_DEFAULT, .twice = true, .rare_from = SIM_RARE_FROM_SEEDS };
    struct sim_batch b;
    take_options(&o, argc, argv);
    check_options(&o, argc, argv);
    if (o.shrink) return shrink(&o);
    if (o.script) {
        if (!o.twice_given) o.twice = false;
        run_script(&o, o.script);
        for (; optind < argc; optind++) run_script(&o, argv[optind]);
        sim_html_destroy(o.html);
        return 0;
    }
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
