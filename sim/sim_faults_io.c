/* sim_faults_io.c: what disks do wrong while they are used (sim_io.h). These faults have generators and
 * times of their own, so that what seeds draw otherwise stays what it was. */
#include "sim/sim_check.h"
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define IO_KINDS (SIM_KIND(EIO) | SIM_KIND(STUCK) | SIM_KIND(LOSTWRITE) | SIM_KIND(MISDIRECT))
#define SKIP_MAX 40u
#define READ_SKIP_MAX 4u
#define LIE_SKIP_MAX 10u
#define SPOILS_ONE_IN 4u
#define STAYS_ONE_IN 3u
#define LIE_LOOKS_MAX 24u
#define LATER_SYNCS 100u

static struct ms_rand *io_rand(struct sim *s)
{
    return &s->faults->io_rand;
}

static void schedule_next(struct sim *s)
{
    uint64_t mean_us = 2 * s->plan.fault_gap_us;
    uint64_t gap_us = mean_us / 4 + ms_rand_below(io_rand(s), mean_us * 3 / 2 + 1);
    sim_events_push(&s->events, sim_now_us(s) + gap_us, SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_IO,
                    FAULTS_IO_NEXT);
}

void faults_io_create(struct sim *s)
{
    ms_rand_init(io_rand(s), s->plan.seed, 21);
    if (s->plan.beyond || !(s->plan.faults & IO_KINDS))
        return; /* there damage is all that disks suffer */
    schedule_next(s);
}

/* --- arming: all of it follows from draw --- */

static void arm_failure(struct sim_member *m, uint64_t draw)
{
    static const enum sim_trap traps[] = { SIM_TRAP_LOG,  SIM_TRAP_LOG,  SIM_TRAP_STATE, SIM_TRAP_BULK,
                                           SIM_TRAP_BULK, SIM_TRAP_READ, SIM_TRAP_START };
    struct sim_io *io = &m->io;
    io->rand.state = draw;
    io->trap = traps[ms_rand_below(&io->rand, sizeof traps / sizeof traps[0])];
    uint32_t skip_max = io->trap == SIM_TRAP_READ ? READ_SKIP_MAX : SKIP_MAX; /* they are rare */
    io->trap_skip = (uint32_t)ms_rand_below(&io->rand, 1 + ms_rand_below(&io->rand, skip_max));
}

static void arm_lie(struct sim_member *m, enum sim_fault_kind kind, uint64_t draw)
{
    struct sim_io *io = &m->io;
    if (io->lied != SIM_LIE_NONE) return;
    io->rand.state = draw;
    io->lie = kind == SIM_FAULT_LOSTWRITE ? SIM_LIE_LOST : SIM_LIE_MISDIRECTED;
    io->lie_skip = (uint32_t)ms_rand_below(&io->rand, LIE_SKIP_MAX);
}

static void note(struct sim *s, enum sim_verb verb, uint32_t target, uint64_t draw)
{
    struct sim_action a = { .verb = verb, .who = target, .amount = (int64_t)draw };
    if (sim_notes(s)) sim_note(s, &a);
}

static void look_again(struct sim *s, const struct sim_member *m, uint64_t after_us)
{
    sim_events_push(&s->events, sim_now_us(s) + after_us, SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_IO,
                    m->index);
}

/* --- beginning --- */

static void begin_failure(struct sim *s, struct sim_member *m)
{
    uint64_t draw = ms_rand_u64(io_rand(s));
    if (!faults_may_die(s)) return;
    arm_failure(m, draw);
    note(s, SIM_VERB_EIO, m->index, draw);
    if (m->io.trap == SIM_TRAP_START) faults_die(s, m->index, ms_rand_below(io_rand(s), 2));
}

/* As other damage (sim_faults_damage.c): its machine is down when sectors go bad. */
static void begin_spoil(struct sim *s, struct sim_member *m)
{
    if (!faults_may_wipe(s, m->index)) return;
    faults_die(s, m->index, true);
    faults_damage(s, SIM_FAULT_EIO, m->index);
}

static void begin_lie(struct sim *s, enum sim_fault_kind kind, struct sim_member *m)
{
    uint64_t draw = ms_rand_u64(io_rand(s));
    if (!sim_faults_may_lie(s, m->index)) return;
    arm_lie(m, kind, draw);
    note(s, kind == SIM_FAULT_LOSTWRITE ? SIM_VERB_LOSTWRITE : SIM_VERB_MISDIRECT, m->index, draw);
}

static enum sim_fault_kind draw_kind(struct sim *s)
{
    enum sim_fault_kind kinds[SIM_FAULT_KINDS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
        if (s->plan.faults & IO_KINDS & UINT64_C(1) << i) kinds[count++] = (enum sim_fault_kind)i;
    }
    return kinds[ms_rand_below(io_rand(s), count)];
}

static void begin_one(struct sim *s)
{
    struct sim_member *leader = sim_cluster_leader(s);
    enum sim_fault_kind kind = draw_kind(s);
    uint32_t target = (uint32_t)ms_rand_below(io_rand(s), s->cluster->count);
    uint64_t length_us = s->plan.fault_len_us / 4 + ms_rand_below(io_rand(s), 2 * s->plan.fault_len_us);
    if (ms_rand_below(io_rand(s), 2) && leader) target = leader->index;
    struct sim_member *m = sim_member_at(s, target);
    if (kind == SIM_FAULT_STUCK) {
        faults_begin(s, kind, target, length_us);
        return;
    }
    if (m->state != SIM_MEMBER_UP) return;
    s->totals.faults[kind]++;
    if (kind != SIM_FAULT_EIO)
        begin_lie(s, kind, m);
    else if (ms_rand_below(io_rand(s), SPOILS_ONE_IN) == 0)
        begin_spoil(s, m);
    else
        begin_failure(s, m);
}

/* The log's lane mostly, or all of them, as when the device is gone. */
uint32_t faults_io_lanes(struct sim *s)
{
    static const uint32_t lanes[] = { 1u << DISK_LANE_LOG,         1u << DISK_LANE_LOG,
                                      1u << DISK_LANE_STATE,       1u << DISK_LANE_BULK,
                                      (1u << DISK_LANE_COUNT) - 1, (1u << DISK_LANE_COUNT) - 1 };
    return lanes[ms_rand_below(io_rand(s), sizeof lanes / sizeof lanes[0])];
}

bool faults_io_stays(struct sim *s)
{
    return ms_rand_below(io_rand(s), STAYS_ONE_IN) == 0;
}

/* Power goes at a moment at which nobody can notice what is lost, and that is harmless, if one comes by
 * soon; else later. */
static void look_at_lie(struct sim *s, struct sim_member *m)
{
    struct sim_io *io = &m->io;
    uint64_t sync_us = (uint64_t)s->plan.write_us + s->plan.sync_us;
    if (io->lied == SIM_LIE_NONE) return;
    if (io->lie_looks == 0) {
        faults_die(s, m->index, true);
    } else if (!sim_check_lie_is_last(s, m) || --io->lie_looks == 0) {
        io->lie_looks = 0;
        look_again(s, m, ms_rand_below(io_rand(s), LATER_SYNCS * sync_us));
    } else if (sim_check_lie_may_stand(s, m)) {
        faults_die(s, m->index, true);
    } else {
        look_again(s, m, (s->plan.latency_us + sync_us) / 4 + 1);
    }
}

void faults_io_event(struct sim *s, uint64_t b)
{
    if (b == FAULTS_IO_NEXT) {
        begin_one(s);
        schedule_next(s);
    } else {
        look_at_lie(s, sim_member_at(s, (uint32_t)b));
    }
}

void faults_io_perform(struct sim *s, const struct sim_action *a)
{
    struct sim_member *m = sim_member_at(s, a->who);
    uint64_t draw = (uint64_t)a->amount;
    if (a->verb == SIM_VERB_EIO) {
        arm_failure(m, draw);
    } else if (sim_faults_may_lie(s, a->who)) { /* A3 */
        arm_lie(m, a->verb == SIM_VERB_LOSTWRITE ? SIM_FAULT_LOSTWRITE : SIM_FAULT_MISDIRECT, draw);
    }
}

/* --- lies --- */

bool sim_faults_may_lie(struct sim *s, uint32_t index)
{
    const struct sim_member *m = sim_member_at(s, index);
    return m->state == SIM_MEMBER_UP && !s->plan.beyond && m->io.lied == SIM_LIE_NONE &&
           !sim_check_differs(s, index) && !sim_check_is_broken(s, index) &&
           !sim_check_is_wiped(s, index) && faults_may_wipe(s, index);
}

void sim_faults_lied(struct sim *s, struct sim_member *m)
{
    m->io.lie_looks = ms_rand_below(&m->io.rand, 3) ? LIE_LOOKS_MAX : 0;
    if (!sim_replays(s)) look_again(s, m, 1);
}
