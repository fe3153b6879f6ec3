/* sim_faults_clock.c: faults of clocks. Without lease reads no rate is promised: a clock may run at
 * half or twice the speed, or stand still. With them all keep to the bound (sim_clock.h, T2); a timer
 * that comes late is allowed always. */
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define SLOWEST_PPM (-500000)
#define FASTEST_PPM 1000000
#define LATE_US_MAX 300000u
#define APART_PPM 50000

static int32_t draw_drift(struct sim *s)
{
    bool bound = s->plan.leases;
    int32_t lo = bound ? SIM_CLOCK_SLOW_PPM : SLOWEST_PPM,
            hi = bound ? SIM_CLOCK_FAST_PPM : FASTEST_PPM;
    if (ms_rand_below(faults_rand(s), 3) == 0) return ms_rand_below(faults_rand(s), 2) ? lo : hi;
    return lo + (int32_t)ms_rand_below(faults_rand(s), (uint64_t)(hi - lo) + 1);
}

static void note_apart(struct sim *s)
{
    const struct sim_member *leader = sim_cluster_leader(s);
    for (uint32_t i = 0; leader && i < s->cluster->count; i++) {
        const struct sim_clock *c = &sim_member_at(s, i)->clock;
        if (c->drift_ppm - leader->clock.drift_ppm > APART_PPM) sim_rare(s, SIM_RARE_CLOCKS_APART);
    }
}

void faults_stop_clock(struct sim *s, uint32_t target)
{
    sim_clock_stop(&sim_member_at(s, target)->clock, sim_now_us(s));
    sim_record(s, SIM_FAULT_STALL, SIM_RECORD_RATE, target, -1000000);
}

bool faults_clock_begin(struct sim *s, const struct sim_fault *f)
{
    struct sim_member *m = sim_member_at(s, f->target);
    switch (f->kind) {
    case SIM_FAULT_DRIFT:
        sim_clock_set_drift(&m->clock, sim_now_us(s), draw_drift(s));
        sim_record(s, SIM_FAULT_DRIFT, SIM_RECORD_RATE, f->target, m->clock.drift_ppm);
        note_apart(s);
        break;
    case SIM_FAULT_STALL:
        faults_stop_clock(s, f->target);
        if (m == sim_cluster_leader(s)) sim_rare(s, SIM_RARE_CLOCK_STOOD);
        break;
    case SIM_FAULT_LATE:
        m->late_us = 1000 + (uint32_t)ms_rand_below(faults_rand(s), LATE_US_MAX);
        break;
    default: return false;
    }
    sim_member_clock_changed(s, f->target);
    return true;
}

bool faults_clock_end(struct sim *s, struct sim_fault *f)
{
    struct sim_member *m = sim_member_at(s, f->target);
    switch (f->kind) {
    case SIM_FAULT_DRIFT: sim_clock_set_drift(&m->clock, sim_now_us(s), m->drift_ppm); break;
    case SIM_FAULT_STALL:
        if (!sim_replays(s)) f->jump = ms_rand_below(faults_rand(s), 2);
        faults_note_jump(s, f);
        sim_clock_go(&m->clock, sim_now_us(s), f->jump);
        break;
    case SIM_FAULT_LATE: m->late_us = 0; break;
    default: return false;
    }
    sim_member_clock_changed(s, f->target);
    return true;
}
