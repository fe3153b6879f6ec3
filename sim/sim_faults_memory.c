/* sim_faults_memory.c: memory that is refused: one request of a member for it, some in a row, or many. Who is
 * refused gives up what it was about (a client hears 503, a frame is not sent), or stops with its word and is
 * started again by somebody, as one that crashed. What it has promised stands, and nobody calls it damage.
 *
 * All memory of a member goes through env/alloc.h; what RocksDB takes for itself does not.
 *
 * It draws from a generator of its own, so that seeds without it are what they were. */
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define PURPOSE_MEMORY 23u
#define PASS_DOUBLINGS 14u /* of requests that are granted before */
#define START_ONE_IN 4u
#define LOAD_ONE_IN 4u /* while a snapshot is loaded, which is rare */
#define LOAD_PASS_MAX 64u
#define START_PASS_MAX 200u

static struct ms_rand *rand_of(struct sim *s)
{
    return &s->faults->memory_rand;
}

static void schedule_next(struct sim *s)
{
    uint64_t mean_us = s->plan.memory_gap_us;
    uint64_t gap_us = mean_us / 4 + ms_rand_below(rand_of(s), mean_us * 3 / 2 + 1);
    sim_events_push(&s->events, sim_now_us(s) + gap_us, SIM_EVENT_FAULT, SIM_NOBODY,
                    FAULTS_EVENT_MEMORY, 0);
}

void faults_memory_create(struct sim *s)
{
    ms_rand_init(rand_of(s), s->plan.seed, PURPOSE_MEMORY);
    if (s->plan.memory_gap_us && !sim_replays(s)) schedule_next(s);
}

void faults_memory_arm(struct sim *s, uint32_t target, uint64_t draw)
{
    struct sim_alloc *a = &sim_member_at(s, target)->alloc;
    struct ms_rand rand = { .state = draw }, *r = &rand;
    bool start = sim_member_at(s, target)->state != SIM_MEMBER_UP;
    a->pass =
        (uint32_t)ms_rand_below(r, start ? START_PASS_MAX : 1u << ms_rand_below(r, PASS_DOUBLINGS));
    a->waits = !start && ms_rand_below(r, LOAD_ONE_IN) == 0;
    if (a->waits) a->pass = (uint32_t)ms_rand_below(r, LOAD_PASS_MAX);
    switch (ms_rand_below(r, 4)) {
    case 0: a->refuse = 2 + (uint32_t)ms_rand_below(r, 8); break;
    case 1: a->refuse = start ? 2 : 10 + (uint32_t)ms_rand_below(r, 100); break;
    default: a->refuse = 1; break;
    }
    sim_record(s, SIM_FAULT_NOMEM, SIM_RECORD_FAILED, target, a->pass);
}

void faults_memory_event(struct sim *s)
{
    struct sim_member *leader = sim_cluster_leader(s), *m;
    uint32_t target = (uint32_t)ms_rand_below(rand_of(s), s->cluster->count);
    uint64_t draw = ms_rand_u64(rand_of(s)) >> 1; /* a script has it as a positive number */
    bool at_start = ms_rand_below(rand_of(s), START_ONE_IN) == 0;
    if (ms_rand_below(rand_of(s), 3) == 0 && leader) target = leader->index;
    m = sim_member_at(s, target);
    if (m->state == SIM_MEMBER_UP && faults_may_die(s)) {
        struct sim_action a = { .verb = SIM_VERB_NOMEM, .who = target, .amount = (int64_t)draw };
        s->totals.faults[SIM_FAULT_NOMEM]++;
        if (at_start) faults_restart(s, target);
        if (sim_notes(s)) sim_note(s, &a);
        faults_memory_arm(s, target, draw);
    }
    schedule_next(s);
}
