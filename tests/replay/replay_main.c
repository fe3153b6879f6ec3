/* replay_main.c: the command line of rt_replay. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "sim/sim.h"
#include "tests/replay/replay_private.h"

#define FAULTS                                                                                         \
    (SIM_KIND(LOSS) | SIM_KIND(DELAY) | SIM_KIND(DUPLICATE) | SIM_KIND(REPLAY) | SIM_KIND(CUT) |       \
     SIM_KIND(RESET) | SIM_KIND(PARTITION) | SIM_KIND(ONEWAY) | SIM_KIND(PARTIAL) | SIM_KIND(BRIDGE) | \
     SIM_KIND(CLOG) | SIM_KIND(SWIZZLE) | SIM_KIND(SLOWLINK) | SIM_KIND(KILL) | SIM_KIND(POWER) |      \
     SIM_KIND(BLACKOUT) | SIM_KIND(WIPE) | SIM_KIND(SLOWDISK) | SIM_KIND(SLOWENGINE) |                 \
     SIM_KIND(PAUSE) | SIM_KIND(DRIFT) | SIM_KIND(STALL) | SIM_KIND(LATE) | SIM_KIND(STUCK))
#define PURPOSE 500u
#define OPS_DEFAULT 120u
#define INPUTS_DEFAULT 6000u
#define PATIENCE_MS_DEFAULT 20000u

struct options {
    struct replay_opts replay;
    uint64_t start, seeds, fresh, inputs_max;
    uint32_t ops;
    bool all_kinds, self_check;
    enum sim_storage storage;
};

static const char help[] =
    "rt_replay: lives of simulated members, lived again on the real runtime\n"
    "\n"
    "  --seed S      that one again          --start S     the first seed (1)\n"
    "  --seeds N     how many (1)            --fresh N     and so many that nobody has chosen\n"
    "  --inputs N    of a life at most       --ops N       about how many operations a seed has\n"
    "  --storage X   memory, rocksdb or mixed (drawn)\n"
    "  --all-kinds   every kind of step has to have been met\n"
    "  --break NAME  as if src/rt had a bug, which has to be found: exit 1\n"
    "  --self-check  all of these bugs at once, in a process each: exit 0 if all are found\n"
    "  --patience MS how long nothing may go on before src/rt is said to hang (20000)\n"
    "  --verbose     what the member logs\n"
    "\n"
    "exit: 0 all is equal, 1 something differs, 2 usage; others are the simulator's\n";

static const char *const breaks[] = {
#define X(name, text) text,
    BREAK_MAP(X)
#undef X
};

static _Noreturn void usage(const char *what)
{
    fprintf(stderr, "rt_replay: %s\n\n%s\nbugs:", what, help);
    for (int i = 1; i < BREAKS; i++) fprintf(stderr, " %s", breaks[i]);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end) usage("not a number");
    return v;
}

static enum replay_break break_of(const char *name)
{
    for (int i = 1; i < BREAKS; i++) {
        if (strcmp(breaks[i], name) == 0) return (enum replay_break)i;
    }
    usage("no such bug");
}

enum {
    OPT_SEED = 256,
    OPT_START,
    OPT_SEEDS,
    OPT_FRESH,
    OPT_INPUTS,
    OPT_OPS,
    OPT_STORAGE,
    OPT_ALL,
    OPT_BREAK,
    OPT_SELF_CHECK,
    OPT_PATIENCE,
    OPT_VERBOSE,
    OPT_HELP
};

static const struct option long_options[] = { { "seed", required_argument, NULL, OPT_SEED },
                                              { "start", required_argument, NULL, OPT_START },
                                              { "seeds", required_argument, NULL, OPT_SEEDS },
                                              { "fresh", required_argument, NULL, OPT_FRESH },
                                              { "inputs", required_argument, NULL, OPT_INPUTS },
                                              { "ops", required_argument, NULL, OPT_OPS },
                                              { "storage", required_argument, NULL, OPT_STORAGE },
                                              { "all-kinds", no_argument, NULL, OPT_ALL },
                                              { "break", required_argument, NULL, OPT_BREAK },
                                              { "self-check", no_argument, NULL, OPT_SELF_CHECK },
                                              { "patience", required_argument, NULL, OPT_PATIENCE },
                                              { "verbose", no_argument, NULL, OPT_VERBOSE },
                                              { "help", no_argument, NULL, OPT_HELP },
                                              { NULL, 0, NULL, 0 } };

static void take_option(struct options *o, int opt)
{
    switch (opt) {
    case OPT_SEED:
        o->start = number(optarg);
        o->seeds = 1;
        o->fresh = 0;
        break;
    case OPT_START: o->start = number(optarg); break;
    case OPT_SEEDS: o->seeds = number(optarg); break;
    case OPT_FRESH: o->fresh = number(optarg); break;
    case OPT_INPUTS: o->inputs_max = number(optarg); break;
    case OPT_OPS: o->ops = (uint32_t)number(optarg); break;
    case OPT_STORAGE:
        o->storage = sim_storage_parse(optarg);
        if (o->storage == SIM_STORAGE_DRAWN && strcmp(optarg, "drawn") != 0) usage("no such storage");
        break;
    case OPT_ALL: o->all_kinds = true; break;
    case OPT_BREAK: o->replay.breaks = break_of(optarg); break;
    case OPT_SELF_CHECK: o->self_check = true; break;
    case OPT_PATIENCE: o->replay.patience_ms = (uint32_t)number(optarg); break;
    case OPT_VERBOSE: o->replay.verbose = true; break;
    case OPT_HELP: fputs(help, stdout); exit(0);
    default: usage("unknown option");
    }
}

/* A seed has one to five members, half of the seeds some on RocksDB, and of the faults some; one in four has none. */
static void simulate(const struct options *o, uint64_t seed, struct recording *r)
{
    struct ms_rand rand;
    struct sim_totals totals;
    uint64_t hash;
    static const uint32_t nodes[] = { 1, 3, 3, 5 };
    static const enum sim_storage stores[] = { SIM_STORAGE_MEMORY, SIM_STORAGE_MEMORY,
                                               SIM_STORAGE_ROCKSDB, SIM_STORAGE_MIXED };
    ms_rand_init(&rand, seed, PURPOSE);
    struct sim_options s = { .storage = o->storage, .faults_given = true, .ops = o->ops };
    s.nodes = nodes[ms_rand_below(&rand, sizeof nodes / sizeof *nodes)];
    if (ms_rand_below(&rand, 4)) s.faults = FAULTS & ms_rand_u64(&rand);
    /* K14 counts from when an answer leaves. A pause in the middle of a turn, between the two, fails it. */
    if (s.nodes == 1) s.faults &= ~SIM_KIND(PAUSE);
    if (s.storage == SIM_STORAGE_DRAWN) s.storage = stores[ms_rand_below(&rand, 4)];
    record_begin(r, seed, o->inputs_max);
    sim_run(&s, seed, NULL, false, &totals, &hash);
    record_end();
}

static void run_seed(const struct options *o, uint64_t seed, struct replay_totals *t)
{
    struct recording r;
    printf("rt_replay: seed %llu\n", (unsigned long long)seed); /* whatever ends the process */
    fflush(stdout);
    simulate(o, seed, &r);
    for (size_t i = 0; i < r.count; i++) {
        replay_life(&o->replay, r.lives[i], t);
        life_destroy(r.lives[i]);
    }
    free(r.lives);
}

static void print_totals(const struct replay_totals *t, uint64_t seeds)
{
    printf("rt_replay: %llu lives of %llu seeds, all equal\n", (unsigned long long)t->lives,
           (unsigned long long)seeds);
    for (int k = 0; k < STEP_KINDS; k++)
        printf("%s%s %llu", k ? ", " : "", step_name((enum step_kind)k),
               (unsigned long long)t->steps[k]);
    printf("\ndials that failed %llu, closed by an end %llu, by a reset %llu; bytes in %llu, out %llu\n"
           "sockets that were full %llu, closed with something to flush %llu, requests of the library "
           "%llu, waits %llu\n",
           (unsigned long long)t->dials_failed, (unsigned long long)t->ended,
           (unsigned long long)t->reset, (unsigned long long)t->bytes_in,
           (unsigned long long)t->bytes_out, (unsigned long long)t->full,
           (unsigned long long)t->flushed, (unsigned long long)t->asked, (unsigned long long)t->waits);
}

/* What a run has not met it has not tested. */
static int missing(const struct replay_totals *t)
{
    int missing = 0;
    for (int k = 0; k < STEP_KINDS; k++) {
        if (t->steps[k] > 0 || k == STEP_STOPPED) continue; /* few members are removed */
        printf("rt_replay: no step of the kind \"%s\" was met\n", step_name((enum step_kind)k));
        missing = 1;
    }
    if (t->dials_failed && t->ended && t->reset && t->full && t->flushed && t->asked) return missing;
    printf("rt_replay: dials that fail, ends, resets, full sockets, closing with a flush, requests of "
           "the library: one of "
           "them was not met\n");
    return 1;
}

/* So that files are written fast, and to no disk. */
static void choose_place(void)
{
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK | X_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
}

static void run_all(const struct options *o, struct replay_totals *totals)
{
    uint32_t fresh;
    for (uint64_t i = 0; i < o->seeds; i++) run_seed(o, o->start + i, totals);
    for (uint64_t i = 0; i < o->fresh; i++) {
        if (getrandom(&fresh, sizeof fresh, 0) != sizeof fresh) usage("no randomness");
        run_seed(o, fresh, totals);
    }
}

/* ---- what has to be found ---- */

static _Noreturn void run_broken(struct options o, enum replay_break bug)
{
    struct replay_totals totals = { 0 };
    if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(2);
    o.replay.breaks = bug;
    ends_begin();
    director_begin();
    run_all(&o, &totals);
    _exit(0);
}

static int self_check(const struct options *o)
{
    pid_t children[BREAKS];
    int missed = 0, status;
    for (int i = 1; i < BREAKS; i++) {
        children[i] = fork();
        MS_ASSERT(children[i] >= 0);
        if (children[i] == 0) run_broken(*o, (enum replay_break)i);
    }
    for (int i = 1; i < BREAKS; i++) {
        pid_t ended = waitpid(children[i], &status, 0);
        MS_ASSERT(ended == children[i]);
        bool found = WIFEXITED(status) && WEXITSTATUS(status) == 1;
        printf("rt_replay: %s %s\n", breaks[i], found ? "is found" : "IS NOT FOUND");
        missed |= !found;
    }
    return missed;
}

int main(int argc, char **argv)
{
    struct options o = {
        .start = 1,
        .seeds = 1,
        .ops = OPS_DEFAULT,
        .inputs_max = INPUTS_DEFAULT,
    };
    o.replay.patience_ms = PATIENCE_MS_DEFAULT;
    struct replay_totals totals = { 0 };
    char again[100] = "";
    int opt;
    while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) take_option(&o, opt);
    if (optind < argc) usage("what is that?");
    choose_place();
    if (o.inputs_max != INPUTS_DEFAULT || o.ops != OPS_DEFAULT || o.storage != SIM_STORAGE_DRAWN)
        snprintf(again, sizeof again, " --inputs %llu --ops %u --storage %s",
                 (unsigned long long)o.inputs_max, o.ops, sim_storage_name(o.storage));
    o.replay.again = again;
    if (o.self_check) return self_check(&o);
    ends_begin();
    director_begin();
    run_all(&o, &totals);
    print_totals(&totals, o.seeds + o.fresh);
    return o.all_kinds ? missing(&totals) : 0;
}
