#include "sim/sim_enumerate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "sim/sim_cluster.h"
#include "sim/sim_record.h"
#include "sim/sim_report.h"

#define MS 1000u
#define PURPOSE_CASE 1000u /* and the case's number: what is drawn in it */
#define PURPOSE_SHARE (UINT64_C(1) << 32)
#define OPS_DEFAULT 60u
#define DOWN_LATE_US (300u * MS)
#define PROGRESS_S 5.0
#define OP_KINDS (DISK_OP_FREE_SPACE + 1)

enum mode { COUNTS, DIVIDES, CUTS };

/* What the copies leave behind for the original. */
struct results {
    uint64_t hash, done, events;
    uint64_t total, in_starts, by_kind[OP_KINDS]; /* of who has counted */
    uint64_t rare[SIM_RARES];
};

struct sim_enumeration {
    const struct sim_options *opts;
    enum mode mode;
    uint64_t next; /* case */
    uint64_t total;
    uint64_t wanted;         /* CUTS: this one */
    uint64_t current;        /* UINT64_MAX: power is on */
    struct results *results; /* shared */
    long running, running_max;
    int failed; /* verdict of a copy that did; 0: none */
    double begin_s, progress_s;
};

static double real_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *choice_text(enum sim_enum_choice choice)
{
    static const char *const texts[] = {
#define X(name, text) text,
        SIM_ENUM_CHOICE_MAP(X)
#undef X
    };
    return texts[choice];
}

static const char *kind_text(int kind)
{
    static const char *const texts[OP_KINDS] = {
        [DISK_OP_OPEN] = "created",   [DISK_OP_WRITE] = "writes",
        [DISK_OP_SYNC] = "syncs",     [DISK_OP_TRUNCATE] = "truncates",
        [DISK_OP_RENAME] = "renames", [DISK_OP_LINK] = "links",
        [DISK_OP_REMOVE] = "removes", [DISK_OP_REMOVE_DIR] = "rmdirs",
        [DISK_OP_MKDIR] = "mkdirs",   [DISK_OP_SYNC_DIR] = "directory syncs"
    };
    return texts[kind];
}

/* --- the run --- */

/* Small, so that many copies of its rest are cheap, and with all that happens to a log: segments that
 * fill and are used again, snapshots, a member that is away until it needs one. */
void sim_enumerate_plan(const struct sim_enumeration *e, struct sim_plan *p)
{
    struct node_opts *o = &p->member.node;
    p->faults = 0;
    p->storage = e->opts->storage != SIM_STORAGE_DRAWN ? e->opts->storage : SIM_STORAGE_MEMORY;
    p->net.cut_odds = 0;
    p->odds = (struct sim_frame_odds){ 0 };
    p->node_count = e->opts->nodes ? e->opts->nodes : 3;
    p->op_count = e->opts->ops ? e->opts->ops : OPS_DEFAULT;
    p->watch_count = 0;
    p->client_count = e->opts->clients ? e->opts->clients : 2;
    p->key_count = 8;
    p->read_percent = 10;
    p->delete_percent = 10;
    p->value_bytes_max = 2048;
    p->beyond = p->tight = p->leases = p->churn = p->exchanges = p->transfers = false;
    p->admin_us = p->space_gap_us = p->diverge_gap_us = p->memory_gap_us = 0;
    p->safety_us = 2500 * (uint64_t)MS;
    p->absence_us = 500 * (uint64_t)MS;
    p->absence_len_us = 1200 * (uint64_t)MS;
    p->absence_power = p->seed & 1;
    p->think_us = (uint32_t)(p->safety_us * p->client_count / p->op_count / 2);
    p->latency_us = 200;
    p->client_latency_us = 100;
    p->jitter_us = 50;
    p->job_us = p->job_tail_ppm = p->disk_tail_ppm = 0;
    p->write_us = p->write_us < 200 ? p->write_us : 200;
    p->sync_us = p->sync_us < 1000 ? p->sync_us : 1000;
    o->raft.election_ms_min = 100;
    o->raft.heartbeat_ms = 15;
    o->request_bytes_max = 4096;
    o->request_ms_max = 800;
    p->client_timeout_ms = 800;
    p->member.value_bytes_max = o->request_bytes_max - 1024;
    o->wal_segment_bytes = 2 * (uint64_t)o->request_bytes_max + (64u << 10);
    o->wal_prewrite_bytes = 65536;
    o->snapshot_log_bytes = 24576;
    o->snapshot_bytes_per_s = 0;
}

/* --- cutting --- */

static void lose_power(struct sim *s, struct sim_member *m, uint64_t down_us)
{
    if (m->state != SIM_MEMBER_UP) return;
    sim_record(s, SIM_FAULT_POWER, SIM_RECORD_CRASH, m->index, 1);
    sim_member_crash(s, m->index, true);
    sim_member_start_soon(s, m->index, down_us);
}

static void cut(struct sim_enumeration *e, struct sim_member *m, uint64_t number)
{
    static const int odds[] = {
        [SIM_ENUM_ONE_NOTHING] = 0,  [SIM_ENUM_ONE_ALL] = 8,
        [SIM_ENUM_ONE_DRAWN] = 4,    [SIM_ENUM_ONE_DRAWN_AGAIN] = SIM_DISK_ODDS_DRAWN,
        [SIM_ENUM_EACH_NOTHING] = 0, [SIM_ENUM_EACH_DRAWN] = SIM_DISK_ODDS_DRAWN
    };
    struct sim *s = m->sim;
    enum sim_enum_choice choice = (enum sim_enum_choice)(number % SIM_ENUM_CHOICES);
    uint64_t down_us = number / SIM_ENUM_CASES % 2 ? MS : DOWN_LATE_US;
    e->current = number;
    ms_rand_init(&s->cluster->crash_rand, s->plan.seed, PURPOSE_CASE + number);
    sim_trace(s, "m%u  case %llu: %s", m->index + 1, (unsigned long long)number, choice_text(choice));
    for (uint32_t i = 0; i < s->cluster->count; i++)
        sim_disk_set_crash_odds(sim_member_at(s, i)->disk, odds[choice]);
    if (m->in_job) { /* the others follow when the job has come to its end: sim_enumerate_cut_others() */
        m->job_calls_left = 0;
        m->job_failed = true;
        return;
    }
    if (m->starting) {
        m->boot_calls_left = 0;
        m->boot_failed = true;
    } else {
        lose_power(s, m, down_us);
    }
    sim_enumerate_cut_others(s);
}

void sim_enumerate_cut_others(struct sim *s)
{
    uint64_t number = s->enumeration->current;
    uint64_t down_us = number / SIM_ENUM_CASES % 2 ? MS : DOWN_LATE_US;
    if (number % SIM_ENUM_CHOICES < SIM_ENUM_EACH_NOTHING) return;
    for (uint32_t i = 0; i < s->cluster->count; i++)
        lose_power(s, sim_member_at(s, i), down_us + i * 10 * (uint64_t)MS);
}

/* --- copies --- */

static void reap(struct sim_enumeration *e)
{
    int status;
    pid_t pid = wait(&status);
    MS_ASSERT(pid > 0);
    e->running--;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : SIM_FAIL_ASSERTION;
    if (code != 0 && e->failed == 0) e->failed = code;
}

static void progress(struct sim_enumeration *e)
{
    double spent_s = real_s() - e->begin_s;
    if (e->opts->quiet || spent_s < e->progress_s) return;
    e->progress_s = spent_s + PROGRESS_S;
    fprintf(stderr, "sim: case %llu of %llu, %llu cuts, %.0f cuts/s\n", (unsigned long long)e->next,
            (unsigned long long)e->total, (unsigned long long)e->results->done,
            (double)e->results->done / spent_s);
}

/* True in the copy. */
static bool divide(struct sim_enumeration *e)
{
    while (e->running >= e->running_max) reap(e);
    progress(e);
    if (e->failed) return false;
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    MS_ASSERT(pid >= 0);
    if (pid != 0) e->running++;
    return pid == 0;
}

static void count(struct sim_enumeration *e, const struct sim_member *m, const struct disk_op *op)
{
    e->results->by_kind[op->kind]++;
    e->results->in_starts += m->starting;
}

/* --share: of all choices and kinds of operations some. */
static bool is_shared(const struct sim_enumeration *e, uint64_t seed, uint64_t number)
{
    struct ms_rand r;
    if (e->opts->share <= 1) return true;
    ms_rand_init(&r, seed, PURPOSE_SHARE + number);
    return ms_rand_below(&r, e->opts->share) == 0;
}

bool sim_enumerate_at(struct sim_member *m, const struct disk_op *op, bool after)
{
    struct sim_enumeration *e = m->sim->enumeration;
    if (!e || e->current != UINT64_MAX || m->sim->phase != SIM_PHASE_SAFETY || !sim_disk_changes(op))
        return false;
    if (e->mode == COUNTS && !after) count(e, m, op);
    for (uint32_t choice = 0; choice < SIM_ENUM_CHOICES; choice++) {
        uint64_t number = e->next++;
        bool wanted = e->mode == CUTS && number == e->wanted;
        bool shared = e->mode == DIVIDES && is_shared(e, m->sim->plan.seed, number);
        if (!wanted && !(shared && e->failed == 0 && divide(e))) continue;
        cut(e, m, number);
        return true;
    }
    return false;
}

bool sim_enumerate_has_cut(const struct sim *s)
{
    return s->enumeration && s->enumeration->current != UINT64_MAX;
}

uint64_t sim_enumerate_case(const struct sim_enumeration *e)
{
    return e->current;
}

/* A copy is through: it leaves what it found, and ends. */
static _Noreturn void leave(struct sim_enumeration *e, const struct sim_totals *t, uint64_t hash)
{
    struct results *r = e->results;
    struct ms_rand mix;
    ms_rand_init(&mix, hash, e->current);
    __atomic_fetch_xor(&r->hash, ms_rand_u64(&mix), __ATOMIC_RELAXED); /* in whatever order they end */
    __atomic_fetch_add(&r->done, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&r->events, t->events, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < SIM_RARES; i++)
        __atomic_fetch_add(&r->rare[i], t->rare[i] > 0, __ATOMIC_RELAXED);
    fflush(stdout);
    _exit(0);
}

static uint64_t run(struct sim_enumeration *e, const struct sim_options *opts, uint64_t seed,
                    enum mode mode)
{
    struct sim_options o = *opts;
    struct sim_totals totals;
    uint64_t hash;
    e->mode = mode;
    e->next = 0;
    o.enumeration = e;
    o.faults_given = true; /* none */
    o.faults = 0;
    sim_run(&o, seed, NULL, false, &totals, &hash);
    if (e->results && e->current != UINT64_MAX) leave(e, &totals, hash);
    return hash;
}

/* RocksDB has threads, which a copy of the process would not have: each case is a run from the
 * beginning. */
static void run_each(struct sim_enumeration *e, const struct sim_options *opts, uint64_t seed)
{
    for (uint64_t number = 0; number < e->total && e->failed == 0; number++) {
        e->next = number;
        if (!is_shared(e, seed, number) || !divide(e)) continue;
        e->wanted = number;
        run(e, opts, seed, CUTS);
        fprintf(stderr, "sim: case %llu is not there the second time\n", (unsigned long long)number);
        _exit(SIM_FAIL_DETERMINISM);
    }
}

static void print_counts(const struct sim_enumeration *e, uint64_t seed)
{
    uint64_t ops = e->total / SIM_ENUM_CASES;
    printf("sim: seed %llu: %llu operations, %llu in starts:", (unsigned long long)seed,
           (unsigned long long)ops, (unsigned long long)e->results->in_starts);
    for (int i = 0; i < (int)OP_KINDS; i++) {
        uint64_t n = e->results->by_kind[i];
        if (n) printf(" %s %llu", kind_text(i), (unsigned long long)n);
    }
    printf("; %llu cases\n", (unsigned long long)e->total);
}

static int enumerate_all(struct sim_enumeration *e, const struct sim_options *opts, uint64_t seed)
{
    const struct results *r = e->results;
    print_counts(e, seed);
    if (opts->storage == SIM_STORAGE_DRAWN || opts->storage == SIM_STORAGE_MEMORY)
        run(e, opts, seed, DIVIDES);
    else
        run_each(e, opts, seed);
    while (e->running > 0) reap(e);
    if (e->failed) return e->failed;
    printf(
        "sim: %llu power cuts passed in %.1f s: %llu that lost unsynced data, %llu in a write, %llu in "
        "a start, %llu of all members, %llu before a snapshot was installed, hash %016llx\n",
        (unsigned long long)r->done, real_s() - e->begin_s,
        (unsigned long long)r->rare[SIM_RARE_LOST_UNSYNCED],
        (unsigned long long)r->rare[SIM_RARE_TORN_WRITE],
        (unsigned long long)r->rare[SIM_RARE_BOOT_CRASH],
        (unsigned long long)r->rare[SIM_RARE_ALL_DOWN],
        (unsigned long long)r->rare[SIM_RARE_SNAP_INSTALLED], (unsigned long long)r->hash);
    return 0;
}

int sim_enumerate(const struct sim_options *opts, uint64_t seed)
{
    struct sim_enumeration e = { .opts = opts, .current = UINT64_MAX, .begin_s = real_s() };
    e.progress_s = PROGRESS_S;
    e.running_max = sysconf(_SC_NPROCESSORS_ONLN);
    if (e.running_max < 1) e.running_max = 1;
    if (opts->point_given) {
        e.wanted = opts->point;
        uint64_t hash = run(&e, opts, seed, CUTS);
        printf("sim: seed %llu, case %llu %s, hash %016llx\n", (unsigned long long)seed,
               (unsigned long long)opts->point, e.current == UINT64_MAX ? "is not there" : "passed",
               (unsigned long long)hash);
        return e.current == UINT64_MAX ? 2 : 0;
    }
    e.results =
        mmap(NULL, sizeof *e.results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MS_ASSERT(e.results != MAP_FAILED);
    if (divide(&e)) {
        run(&e, opts, seed, COUNTS);
        e.results->total = e.next;
        fflush(stdout);
        _exit(0);
    }
    while (e.running > 0) reap(&e);
    if (e.failed) return e.failed;
    e.total = e.results->total;
    int rv = enumerate_all(&e, opts, seed);
    munmap(e.results, sizeof *e.results);
    return rv;
}
