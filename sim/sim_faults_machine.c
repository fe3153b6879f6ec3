/* sim_faults_machine.c: faults of processes, machines and disks. */
#include "sim/sim_check.h"
#include "sim/sim_faults_private.h"
#include "sim/sim_workload.h"

#define BOOT_CALLS_MAX 80u
#define BOOT_CALLS_ROCKSDB_MAX 250u
#define JOB_CALLS_MAX 120u

/* Most of the time a majority stays up, else nothing but starts would be tested. */
bool faults_may_die(struct sim *s)
{
    uint32_t n = 0, up = sim_cluster_up(s);
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        n += m->state != SIM_MEMBER_GONE && (!m->joins || m->url[0]);
    }
    return up > 0 && (2 * (up - 1) > n || ms_rand_below(faults_rand(s), 6) == 0);
}

static void die_for(struct sim *s, uint32_t target, bool power, uint64_t down_us)
{
    if (sim_member_at(s, target)->state != SIM_MEMBER_UP) return;
    faults_note_crash(s, target, power, down_us);
    sim_member_crash(s, target, power);
    sim_record(s, power ? SIM_FAULT_POWER : SIM_FAULT_KILL, SIM_RECORD_CRASH, target, power);
    sim_member_start_soon(s, target, down_us);
}

void faults_die(struct sim *s, uint32_t target, bool power)
{
    bool at_once = ms_rand_below(faults_rand(s), 3) == 0;
    die_for(s, target, power, at_once ? 1000 : faults_around(s, s->plan.fault_len_us));
}

void faults_restart(struct sim *s, uint32_t target)
{
    die_for(s, target, false, 1000);
}

void faults_absence(struct sim *s)
{
    bool power = s->plan.absence_power || (s->plan.faults >> SIM_FAULT_POWER & 1);
    uint32_t target = (uint32_t)ms_rand_below(faults_rand(s), s->cluster->count);
    die_for(s, target, power, s->plan.absence_len_us);
}

static void begin_blackout(struct sim *s)
{
    if (ms_rand_below(faults_rand(s), 3) != 0) return;
    for (uint32_t i = 0; i < s->cluster->count; i++) faults_die(s, i, true);
}

static void begin_bootcrash(struct sim *s, uint32_t target)
{
    faults_die(s, target, ms_rand_below(faults_rand(s), 2));
    struct sim_member *m = sim_member_at(s, target);
    uint32_t most = m->on_rocks ? BOOT_CALLS_ROCKSDB_MAX : BOOT_CALLS_MAX;
    m->boot_calls_left = (uint32_t)ms_rand_below(faults_rand(s), most);
}

/* Jobs that write are few: it waits for one. */
static void begin_jobcrash(struct sim *s, uint32_t target)
{
    struct sim_member *m = sim_member_at(s, target);
    if (m->on_rocks) m->job_calls_left = (uint32_t)ms_rand_below(faults_rand(s), JOB_CALLS_MAX);
}

/* A majority of the founders with empty disks at one time is a first start, by all that they can know
 * (DESIGN 4). */
static bool founders_remain(struct sim *s, uint32_t target)
{
    uint32_t wiped = 0;
    for (uint32_t i = 0; i < s->plan.node_count; i++) {
        wiped += i == target || sim_check_is_wiped(s, i) || !sim_member_at(s, i)->bound;
    }
    return 2 * wiped < s->plan.node_count;
}

/* Inside of what is promised: all members are bound to their directories, so that the cluster knows a
 * new one from the old; no change of the members is open; and whoever has no disk is a minority. */
bool faults_may_wipe(struct sim *s, uint32_t target)
{
    const struct config *c = sim_check_config(s);
    if (!c || !config_find(c, sim_member_at(s, target)->id)) return false;
    if (sim_workload_changes(s)) return false;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        const struct config *newest = sim_check_newest_config(s, i);
        if (newest && !config_equal(newest, c)) return false;
        if (!config_find(c, m->id)) continue;
        if (!m->bound && !sim_check_is_wiped(s, i)) return false;
    }
    return sim_record_may_break(s, target) && founders_remain(s, target);
}

static void begin_wipe(struct sim *s, uint32_t target)
{
    struct sim_member *m = sim_member_at(s, target);
    if (m->state == SIM_MEMBER_GONE || !faults_may_wipe(s, target)) return;
    faults_die(s, target, true);
    faults_note_wipe(s, target);
    sim_member_wipe(s, target);
    sim_record(s, SIM_FAULT_WIPE, SIM_RECORD_WIPED, target, 0);
}

/* Damage is noticed, so that it costs what a wipe costs: the member. It may find its disk damaged again
 * before it is repaired. */
static void begin_damage(struct sim *s, enum sim_fault_kind kind, uint32_t target)
{
    const struct sim_member *m = sim_member_at(s, target);
    if (m->state != SIM_MEMBER_UP || !faults_may_wipe(s, target) || s->plan.beyond) return;
    faults_die(s, target, true);
    faults_damage(s, kind, target);
}

void faults_machine_begin(struct sim *s, struct sim_fault *f)
{
    struct sim_member *m = sim_member_at(s, f->target);
    f->life = m->life;
    switch (f->kind) {
    case SIM_FAULT_KILL:
        if (faults_may_die(s)) faults_die(s, f->target, false);
        break;
    case SIM_FAULT_POWER:
        if (faults_may_die(s)) faults_die(s, f->target, true);
        break;
    case SIM_FAULT_BOOTCRASH:
        if (faults_may_die(s)) begin_bootcrash(s, f->target);
        break;
    case SIM_FAULT_JOBCRASH: begin_jobcrash(s, f->target); break;
    case SIM_FAULT_BLACKOUT: begin_blackout(s); break;
    case SIM_FAULT_WIPE: begin_wipe(s, f->target); break;
    case SIM_FAULT_ROT:
    case SIM_FAULT_LOSEFILE: begin_damage(s, f->kind, f->target); break;
    case SIM_FAULT_SLOWDISK: m->disk_slow = 4u << ms_rand_below(faults_rand(s), 6); break;
    case SIM_FAULT_SLOWENGINE: m->engine_slow = 4u << ms_rand_below(faults_rand(s), 6); break;
    case SIM_FAULT_PAUSE: sim_member_pause(s, f->target); break;
    case SIM_FAULT_STUCK:
        f->lanes = faults_io_lanes(s);
        sim_io_hold(m, f->lanes);
        break;
    case SIM_FAULT_NOSPACE:
        faults_space_draw(s, f);
        faults_space_set(s, f->target, f->free_bytes);
        break;
    default: MS_UNREACHABLE();
    }
}

void faults_machine_end(struct sim *s, const struct sim_fault *f)
{
    struct sim_member *m = sim_member_at(s, f->target);
    if (f->kind == SIM_FAULT_SLOWDISK) m->disk_slow = 1;
    if (f->kind == SIM_FAULT_SLOWENGINE) m->engine_slow = 1;
    if (f->kind == SIM_FAULT_STUCK) sim_io_release(m, f->lanes);
    if (f->kind == SIM_FAULT_NOSPACE) sim_disk_set_capacity(m->disk, 0);
    if (f->kind == SIM_FAULT_PAUSE && f->life == m->life) sim_member_resume(s, f->target);
}
