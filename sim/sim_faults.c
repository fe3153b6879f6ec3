/* sim_faults.c: when which fault begins and ends. */
#include "sim/sim_check.h"
#include "sim/sim_core.h"
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define BIAS_ONE_IN 3u

/* Those that begin and end; the others are odds that hold all the time. */
#define WITH_TIMES                                                                                     \
    (SIM_KIND(RESET) | SIM_KIND(PARTITION) | SIM_KIND(ONEWAY) | SIM_KIND(PARTIAL) | SIM_KIND(CLOG) |   \
     SIM_KIND(SLOWLINK) | SIM_KIND(KILL) | SIM_KIND(POWER) | SIM_KIND(BOOTCRASH) | SIM_KIND(WIPE) |    \
     SIM_KIND(ROT) | SIM_KIND(LOSEFILE) | SIM_KIND(BLACKOUT) | SIM_KIND(SLOWDISK) |                    \
     SIM_KIND(SLOWENGINE) | SIM_KIND(BRIDGE) | SIM_KIND(SWIZZLE) | SIM_KIND(PAUSE) | SIM_KIND(DRIFT) | \
     SIM_KIND(STALL) | SIM_KIND(LATE) | SIM_KIND(JOBCRASH))

uint64_t faults_around(struct sim *s, uint64_t mean)
{
    return mean / 4 + ms_rand_below(faults_rand(s), mean * 3 / 2 + 1);
}

/* The leader every other time: what happens to it tells most. */
uint32_t faults_draw_target(struct sim *s)
{
    struct sim_member *leader = sim_cluster_leader(s);
    if (leader && ms_rand_below(faults_rand(s), 2)) return leader->index;
    return (uint32_t)ms_rand_below(faults_rand(s), s->cluster->count);
}

static void schedule_next(struct sim *s)
{
    if (s->faults->kind_count == 0) return;
    sim_events_push(&s->events, sim_now_us(s) + faults_around(s, s->plan.fault_gap_us), SIM_EVENT_FAULT,
                    SIM_NOBODY, 0, 0);
}

void sim_faults_create(struct sim *s)
{
    struct sim_faults *f = calloc(1, sizeof *f);
    MS_ASSERT(f != NULL);
    s->faults = f;
    ms_rand_init(&f->rand, s->plan.seed, 20);
    for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
        if (s->plan.faults & WITH_TIMES & UINT64_C(1) << i) f->kinds[f->kind_count++] = i;
    }
    sim_net_set_odds(s->net, &s->plan.odds);
    faults_space_create(s);
    faults_state_create(s);
    faults_memory_create(s);
    if (sim_replays(s)) return;
    faults_io_create(s);
    schedule_next(s);
    if (s->plan.beyond) {
        uint64_t at_us = s->plan.safety_us / 4 + ms_rand_below(&f->rand, s->plan.safety_us / 2);
        sim_events_push(&s->events, at_us, SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_DISASTER, 0);
    }
    if (s->plan.absence_us == 0) return;
    sim_events_push(&s->events, s->plan.absence_us, SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_ABSENCE,
                    0);
}

void sim_faults_destroy(struct sim *s)
{
    free(s->faults);
    s->faults = NULL;
}

static void end(struct sim *s, struct sim_fault *f)
{
    faults_net_end(s, f);
    if (!faults_clock_end(s, f)) faults_machine_end(s, f);
    sim_record(s, f->kind, SIM_RECORD_END, f->target, 0);
    f->used = false;
}

struct sim_fault *faults_slot(struct sim *s, enum sim_fault_kind kind, uint32_t target)
{
    struct sim_faults *all = s->faults;
    struct sim_fault *f = NULL;
    for (uint32_t i = 0; i < FAULTS_ACTIVE_MAX && !f; i++) {
        if (!all->active[i].used) f = &all->active[i];
    }
    if (!f) return NULL;
    *f = (struct sim_fault){ .used = true, .id = ++all->next_id, .kind = kind, .target = target };
    return f;
}

bool faults_begin(struct sim *s, enum sim_fault_kind kind, uint32_t target, uint64_t length_us)
{
    struct sim_fault *f = faults_slot(s, kind, target);
    if (!f) return false;
    s->totals.faults[kind]++;
    sim_record(s, kind, SIM_RECORD_BEGIN, target, (int64_t)(length_us / 1000));
    if (!faults_net_begin(s, f) && !faults_clock_begin(s, f)) faults_machine_begin(s, f);
    faults_note(s, f, length_us);
    sim_events_push(&s->events, sim_now_us(s) + length_us, SIM_EVENT_FAULT_END, SIM_NOBODY, f->id, 0);
    return true;
}

static void begin_one(struct sim *s)
{
    struct sim_faults *f = s->faults;
    enum sim_fault_kind kind = f->kinds[ms_rand_below(faults_rand(s), f->kind_count)];
    uint64_t length_us = faults_around(s, s->plan.fault_len_us);
    uint32_t target = faults_draw_target(s);
    if (kind == SIM_FAULT_CLOG) length_us /= 4;
    if (kind == SIM_FAULT_SWIZZLE)
        faults_swizzle(s, length_us);
    else
        faults_begin(s, kind, target, length_us);
}

/* --- bias --- */

static void begin_bias(struct sim *s, uint32_t target)
{
    static const enum sim_fault_kind kinds[] = { SIM_FAULT_KILL, SIM_FAULT_POWER, SIM_FAULT_PAUSE,
                                                 SIM_FAULT_SWIZZLE };
    enum sim_fault_kind kind = kinds[ms_rand_below(faults_rand(s), 4)];
    if (!(s->plan.faults >> kind & 1)) return;
    faults_begin(s, kind, target, faults_around(s, s->plan.fault_len_us));
}

static void cut_links(struct sim *s, uint32_t a, uint32_t b)
{
    const struct sim_net_pick picks[] = { { .from = a, .to = b, .nth = 1 },
                                          { .from = b, .to = a, .nth = 1 } };
    for (int i = 0; i < 2; i++) {
        if (sim_net_reset(s->net, &picks[i])) faults_note_reset(s, &picks[i]);
    }
}

/* Somebody stands for election again and again, cut off from a leader that others keep a lease for: the
 * leader falls silent, and one of those forgets it, if anything can make it. */
static void begin_lease_trial(struct sim *s, uint32_t voter)
{
    const struct sim_member *leader = sim_cluster_leader(s);
    if (!leader || leader->index == voter) return;
    uint64_t length_us = 2000 * (uint64_t)s->plan.member.node.raft.election_ms_min;
    bool kill = s->plan.faults >> SIM_FAULT_KILL & 1, reset = s->plan.faults >> SIM_FAULT_RESET & 1;
    if (kill && reset) kill = ms_rand_below(faults_rand(s), 2);
    if (!kill && !reset) return;
    if (kill)
        faults_restart(s, voter);
    else
        cut_links(s, leader->index, voter);
    faults_begin(s, SIM_FAULT_SWIZZLE, leader->index, length_us);
}

static void notice_candidate(struct sim *s, struct sim_member *m, const struct raft *r)
{
    uint64_t timeout_us = 1000 * (uint64_t)s->plan.member.node.raft.election_ms_min;
    uint32_t other = (uint32_t)ms_rand_below(faults_rand(s), s->cluster->count);
    if (raft_config(r)->lease_ms == 0 || other == m->index) return;
    m->noticed_us = sim_now_us(s) + timeout_us; /* once a candidacy */
    if (ms_rand_below(faults_rand(s), BIAS_ONE_IN) != 0) return;
    sim_events_push(&s->events, sim_now_us(s) + ms_rand_below(faults_rand(s), timeout_us),
                    SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_LEASE, other);
}

/* For one to four election timeouts: others take over meanwhile, and it comes back to them. */
static void fall_silent(struct sim *s, uint32_t index)
{
    uint64_t ms = s->plan.member.node.raft.election_ms_min;
    if (!(s->plan.faults & SIM_KIND(SWIZZLE))) return;
    ms += ms_rand_below(faults_rand(s), 3 * ms);
    sim_events_push(&s->events, sim_now_us(s), SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_SWIZZLE,
                    ms << 8 | index);
}

/* Raft, figure 8: a leader falls silent before anybody else has what it appends; the next one likewise; the
 * first comes back and leads, and falls silent when a majority holds what it had, and nobody else what it
 * has appended since. */
static void notice_spreading(struct sim *s)
{
    struct sim_member *leader = sim_cluster_leader(s);
    if (!leader) return;
    uint64_t term = raft_term(node_raft(sim_member_node(leader)));
    bool fresh = term != leader->noticed_term;
    bool held = term != leader->noticed_held && sim_check_old_term_held(s, leader);
    if (!fresh && !held) return;
    leader->noticed_term = term;
    if (held) leader->noticed_held = term;
    if (!held && ms_rand_below(faults_rand(s), 3) == 0) return;
    fall_silent(s, leader->index);
}

void sim_faults_notice(struct sim *s, struct sim_member *m)
{
    struct raft_leadership l;
    if (s->faults->healed || sim_replays(s) || m->state != SIM_MEMBER_UP) return;
    const struct raft *r = node_raft(sim_member_node(m));
    if (s->plan.mute_leaders) notice_spreading(s);
    bool stands = s->plan.tight && raft_role(r) == RAFT_PRE_CANDIDATE;
    if (stands && sim_now_us(s) >= m->noticed_us) notice_candidate(s, m, r);
    if (raft_role(r) != RAFT_LEADER) return;
    raft_leadership(r, &l);
    bool joint = raft_config_index(r) != m->noticed_config && config_is_joint(raft_config(r));
    bool hands_over = l.transfer_to != 0 && raft_term(r) != m->noticed_transfer;
    m->noticed_config = raft_config_index(r);
    if (hands_over) m->noticed_transfer = raft_term(r);
    if (hands_over && s->plan.mute_heirs && ms_rand_below(faults_rand(s), BIAS_ONE_IN) != 0) {
        fall_silent(s, (uint32_t)l.transfer_to - 1); /* so that a leader commits its own removal */
        return;
    }
    if ((!joint && !hands_over) || ms_rand_below(faults_rand(s), BIAS_ONE_IN) != 0) return;
    uint64_t soon_us = ms_rand_below(faults_rand(s), 4 * (uint64_t)s->plan.latency_us + 1);
    sim_events_push(&s->events, sim_now_us(s) + soon_us, SIM_EVENT_FAULT, SIM_NOBODY, FAULTS_EVENT_BIAS,
                    m->index);
}

static void begin_event(struct sim *s, const struct sim_event *ev)
{
    switch (ev->a) {
    case FAULTS_EVENT_ABSENCE: faults_absence(s); break;
    case FAULTS_EVENT_SWIZZLE:
        faults_begin(s, SIM_FAULT_SWIZZLE, (uint32_t)ev->b & 255, (ev->b >> 8) * 1000);
        break;
    case FAULTS_EVENT_DISASTER: faults_disaster(s); break;
    case FAULTS_EVENT_IO: faults_io_event(s, ev->b); break;
    case FAULTS_EVENT_STATE: faults_state_event(s); break;
    case FAULTS_EVENT_SPACE: faults_space_event(s); break;
    case FAULTS_EVENT_MEMORY: faults_memory_event(s); break;
    case FAULTS_EVENT_LEASE: begin_lease_trial(s, (uint32_t)ev->b); break;
    case FAULTS_EVENT_BIAS: begin_bias(s, (uint32_t)ev->b); break;
    default:
        begin_one(s);
        schedule_next(s);
        break;
    }
}

uint64_t sim_faults_event(struct sim *s, const struct sim_event *ev)
{
    struct sim_faults *f = s->faults;
    if (ev->kind == SIM_EVENT_FAULT && !f->healed) begin_event(s, ev);
    for (uint32_t i = 0; i < FAULTS_ACTIVE_MAX && ev->kind == SIM_EVENT_FAULT_END; i++) {
        if (f->active[i].used && f->active[i].id == ev->a) end(s, &f->active[i]);
    }
    return ev->a;
}

/* Somebody on its command line is a member still, and has not lost what he knows. */
static bool knows_anybody(struct sim *s, uint32_t index)
{
    const struct config *c = sim_check_config(s);
    for (uint32_t i = 0; i < s->plan.node_count && c; i++) {
        if (i != index && !sim_check_is_wiped(s, i) && config_find(c, i + 1)) return true;
    }
    return false;
}

void sim_faults_heal(struct sim *s)
{
    struct sim_faults *f = s->faults;
    f->healed = true;
    for (uint32_t i = 0; i < FAULTS_ACTIVE_MAX; i++) {
        if (!f->active[i].used) continue;
        if (s->core != SIM_CORE_ALL) faults_net_keep_outside(s, &f->active[i]);
        end(s, &f->active[i]);
    }
    sim_net_set_core(s->net, s->core);
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        m->boot_calls_left = m->job_calls_left = UINT32_MAX;
        sim_io_settle(m);
        if (m->state == SIM_MEMBER_UP && m->alloc.refused > 0) sim_rare(s, SIM_RARE_NO_MEMORY);
        m->alloc.refuse = 0;
        if (sim_replays(s) && sim_in_core(s, i)) m->left_down = false; /* nobody said when it starts */
        if (s->core == SIM_CORE_ALL && !knows_anybody(s, i)) sim_member_rejoin(s, i);
        bool known = !m->joins || m->url[0]; /* to the administrator */
        if (m->state == SIM_MEMBER_DOWN && known && sim_in_core(s, i))
            sim_member_start_soon(s, i, 1000);
    }
    if (s->core != SIM_CORE_ALL && !sim_replays(s)) faults_core_begin(s);
}

bool sim_faults_may_last(const struct sim *s)
{
    return faults_may_last(s);
}

bool sim_faults_parse(const char *list, uint64_t *out)
{
    uint64_t set = 0;
    while (*list) {
        size_t len = strcspn(list, ",");
        bool minus = *list == '-', known = false;
        const char *name = list + minus;
        size_t name_len = len - minus;
        if (set == 0 && minus) set = UINT64_MAX >> (64 - SIM_FAULT_KINDS);
        for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
            const char *n = sim_fault_name((enum sim_fault_kind)i);
            bool all = name_len == 3 && memcmp(name, "all", 3) == 0;
            if (!all && (strlen(n) != name_len || memcmp(n, name, name_len) != 0)) continue;
            set = minus ? set & ~(UINT64_C(1) << i) : set | UINT64_C(1) << i;
            known = true;
        }
        if (!known && !(name_len == 4 && memcmp(name, "none", 4) == 0)) return false;
        list += len + (list[len] == ',');
    }
    *out = set;
    return true;
}
