/* sim_faults_core.c: the end of the first phase: the core is healed, and what is outside of it has its
 * fault for ever. */
#include "sim/sim_core.h"
#include "sim/sim_faults_private.h"

static const enum sim_fault_kind outsider_kinds[] = {
    SIM_FAULT_KILL,    SIM_FAULT_POWER, SIM_FAULT_PAUSE, SIM_FAULT_PARTITION, SIM_FAULT_ONEWAY,
    SIM_FAULT_PARTIAL, SIM_FAULT_CLOG,  SIM_FAULT_STALL, SIM_FAULT_SLOWDISK
};
#define OUTSIDER_KINDS (sizeof outsider_kinds / sizeof outsider_kinds[0])

static void hold(struct sim *s, uint32_t from, uint32_t to)
{
    sim_net_block(s->net, from, to, 1); /* never let go */
    faults_note_hold(s, from, to);
}

/* Links between an outsider and the core: none; one way only; some pairs; any directions. */
static void half_connect(struct sim *s, enum sim_fault_kind kind, uint32_t outsider)
{
    bool deaf = ms_rand_below(faults_rand(s), 2);
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if (!sim_in_core(s, i)) continue;
        bool whole = kind == SIM_FAULT_PARTITION;
        bool pair = kind == SIM_FAULT_PARTIAL && ms_rand_below(faults_rand(s), 2);
        bool one = kind == SIM_FAULT_ONEWAY, any = kind == SIM_FAULT_CLOG;
        if (whole || pair || (one && deaf) || (any && ms_rand_below(faults_rand(s), 2)))
            hold(s, i, outsider);
        if (whole || pair || (one && !deaf) || (any && ms_rand_below(faults_rand(s), 2)))
            hold(s, outsider, i);
    }
}

static void for_ever(struct sim *s, enum sim_fault_kind kind, struct sim_member *m)
{
    bool down = kind == SIM_FAULT_KILL || kind == SIM_FAULT_POWER;
    s->totals.faults[kind]++;
    faults_note_for_ever(s, kind, m->index);
    sim_record(s, kind, SIM_RECORD_FOR_EVER, m->index, 0);
    if (down) sim_member_crash(s, m->index, kind == SIM_FAULT_POWER);
    if (down) m->left_down = true;
    if (!down && m->state == SIM_MEMBER_DOWN) sim_member_start_soon(s, m->index, 1000);
    if (kind == SIM_FAULT_PAUSE) sim_member_pause(s, m->index);
    if (kind == SIM_FAULT_STALL) faults_stop_clock(s, m->index);
    if (kind == SIM_FAULT_STUCK) sim_io_hold(m, OUTSIDER_LANES);
    if (kind == SIM_FAULT_SLOWDISK) m->disk_slow = OUTSIDER_DISK_SLOW;
    bool half = kind == SIM_FAULT_PARTIAL || kind == SIM_FAULT_ONEWAY || kind == SIM_FAULT_CLOG;
    if (half) sim_rare(s, SIM_RARE_CORE_PARTIAL);
    half_connect(s, kind, m->index);
}

static uint64_t kinds_allowed(const struct sim *s)
{
    uint64_t allowed = s->opts->faults_given ? s->opts->faults : UINT64_MAX;
    if (s->plan.leases) allowed &= ~(SIM_KIND(STALL)); /* T2 */
    return allowed;
}

bool faults_may_last(const struct sim *s)
{
    for (size_t i = 0; i < OUTSIDER_KINDS; i++) {
        if (kinds_allowed(s) >> outsider_kinds[i] & 1) return true;
    }
    return false;
}

static uint32_t outsiders(const struct sim *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->cluster->count; i++) count += !sim_in_core(s, i);
    return count;
}

/* A leader whose log stands still goes only if it knows a quorum without it: so it has to reach it. And while
 * reads by lease are on, nobody doubts a leader that commits nothing (docs/decisions/0009): another outsider, half
 * connected, would lead for ever by the answers of the one that stores nothing. */
static bool may_stick(struct sim *s, const struct sim_member *m)
{
    return sim_core_reaches(s, m->index) && (!s->plan.leases || outsiders(s) == 1);
}

static void outsider(struct sim *s, struct sim_member *m)
{
    uint64_t allowed = kinds_allowed(s);
    enum sim_fault_kind kind;
    if (m->state == SIM_MEMBER_GONE || (m->joins && !m->url[0])) return;
    do {
        kind = outsider_kinds[ms_rand_below(faults_rand(s), OUTSIDER_KINDS)];
    } while (!(allowed >> kind & 1));
    bool stays = s->plan.faults >> SIM_FAULT_STUCK & 1 && faults_io_stays(s);
    if (stays && may_stick(s, m)) kind = SIM_FAULT_STUCK;
    for_ever(s, kind, m);
}

void faults_core_begin(struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        if (!sim_in_core(s, i)) outsider(s, sim_member_at(s, i));
    }
}
