/* sim_faults_space.c: disks that fill up: of one member, of a majority, of all, for a while. Nobody may stop
 * for it, and nothing may be lost; when there is space again the cluster has to serve by itself.
 *
 * It draws from a generator of its own, so that seeds without it are what they were. */
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define PURPOSE_SPACE 21u

static struct ms_rand *rand_of(struct sim *s)
{
    return &s->faults->space_rand;
}

static uint64_t around(struct sim *s, uint64_t mean)
{
    return mean / 4 + ms_rand_below(rand_of(s), mean * 3 / 2 + 1);
}

static void schedule_next(struct sim *s)
{
    uint64_t at_us = sim_now_us(s) + around(s, s->plan.space_gap_us);
    sim_events_push(&s->events, at_us, SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_SPACE, 0);
}

void faults_space_create(struct sim *s)
{
    ms_rand_init(rand_of(s), s->plan.seed, PURPOSE_SPACE);
    if (s->plan.space_gap_us && !sim_replays(s)) schedule_next(s);
}

/* From nothing to more than what makes a member call its disk full. */
void faults_space_draw(struct sim *s, struct sim_fault *f)
{
    uint64_t low = s->plan.member.node.space_low_bytes;
    f->free_bytes = ms_rand_below(rand_of(s), 3) ? ms_rand_below(rand_of(s), low * 5 / 4 + 1) : 0;
}

void faults_space_set(struct sim *s, uint32_t target, uint64_t free_bytes)
{
    struct sim_disk *d = sim_member_at(s, target)->disk;
    uint64_t bytes = sim_disk_used_bytes(d) + free_bytes;
    sim_disk_set_capacity(d, bytes ? bytes : 1);
}

void faults_space_event(struct sim *s)
{
    uint32_t n = s->cluster->count, most = 1;
    uint32_t first = (uint32_t)ms_rand_below(rand_of(s), n);
    const struct sim_member *leader = sim_cluster_leader(s);
    switch (ms_rand_below(rand_of(s), 4)) {
    case 0: most = n; break;
    case 1: most = n / 2 + 1; break;
    case 2:
        if (leader) first = leader->index;
        break;
    default: break;
    }
    for (uint32_t i = 0; i < most; i++) {
        faults_begin(s, SIM_FAULT_NOSPACE, (first + i) % n, around(s, s->plan.space_len_us));
    }
    schedule_next(s);
}
