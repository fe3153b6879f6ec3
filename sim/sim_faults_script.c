/* sim_faults_script.c: faults as actions of a schedule: noted when they are drawn, carried out when a
 * schedule is replayed. What is noted is what has come of a draw, not the draw. */
#include "sim/sim_core.h"
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define START_US 1000 /* a process needs so long to start */

/* --- noting --- */

static uint64_t members_but(uint32_t count, uint32_t one)
{
    return ((UINT64_C(1) << count) - 1) & ~(UINT64_C(1) << one);
}

static uint64_t clients_of(const struct sim *s)
{
    return ((UINT64_C(1) << s->plan.client_count) - 1) << SIM_MEMBERS_MAX;
}

/* Two sides with nothing between them: the sides; false: it is something else. */
static bool is_partition(const struct sim *s, const struct sim_fault *f, uint8_t *group)
{
    uint32_t n = s->cluster->count;
    for (uint32_t i = 0; i < n; i++) group[i] = f->blocked[0] >> i & 1 ? 2 : 1;
    for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
        uint64_t apart = 0;
        for (uint32_t to = 0; to < n && from < n; to++) {
            apart |= (uint64_t)(group[from] != group[to]) << to;
        }
        if (f->blocked[from] != apart) return false;
    }
    return f->blocked[0] != 0;
}

static void note_span(struct sim *s, uint32_t from, uint32_t to)
{
    bool room = sim_schedule_span(s->schedule, from, to);
    MS_ASSERT(room);
}

/* All that one sends to a sort of others, or hears from them, is one span. */
static void note_spans(struct sim *s, const struct sim_fault *f)
{
    uint32_t n = s->cluster->count;
    uint64_t left[SIM_OWNERS_MAX], clients = clients_of(s);
    memcpy(left, f->blocked, sizeof left);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t others = members_but(n, i), hears = 0;
        if (others && (left[i] & others) == others) {
            note_span(s, i, SIM_ANY_MEMBER);
            left[i] &= ~others;
        }
        if ((left[i] & clients) == clients) {
            note_span(s, i, SIM_ANY_CLIENT);
            left[i] &= ~clients;
        }
        for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++)
            hears |= (f->blocked[from] >> i & 1) << from;
        if (others && (hears & others) == others) note_span(s, SIM_ANY_MEMBER, i);
        if ((hears & clients) == clients) note_span(s, SIM_ANY_CLIENT, i);
        for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
            bool covered = others >> from & 1 ? (hears & others) == others
                                              : clients >> from & 1 && (hears & clients) == clients;
            if (covered) left[from] &= ~(UINT64_C(1) << i);
        }
    }
    for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
        for (uint32_t to = 0; left[from] >> to && to < SIM_OWNERS_MAX; to++) {
            if (left[from] >> to & 1) note_span(s, from, to);
        }
    }
}

static void note_links(struct sim *s, const struct sim_fault *f, struct sim_action *a)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < SIM_OWNERS_MAX; i++) any |= f->blocked[i];
    if (!any) return;
    bool sides = is_partition(s, f, a->group);
    a->verb = sides ? SIM_VERB_PARTITION : SIM_VERB_HOLD;
    if (!sides) memset(a->group, 0, sizeof a->group);
    sim_note(s, a);
    if (!sides) note_spans(s, f);
}

static void note_amount(struct sim *s, struct sim_action *a, enum sim_verb verb, enum sim_topic topic,
                        int64_t amount)
{
    a->verb = verb;
    a->topic = topic;
    a->amount = amount;
    sim_note(s, a);
}

void faults_note(struct sim *s, struct sim_fault *f, uint64_t length_us)
{
    const struct sim_member *m = sim_member_at(s, f->target);
    struct sim_action a = { .who = f->target, .for_us = length_us };
    if (!sim_notes(s)) return;
    size_t before = s->schedule->count;
    switch (f->kind) {
    case SIM_FAULT_SLOWLINK:
        note_amount(s, &a, SIM_VERB_SLOW, SIM_TOPIC_LINK,
                    sim_net_link(s->net, f->target, f->target)->bytes_per_ms);
        break;
    case SIM_FAULT_SLOWDISK: note_amount(s, &a, SIM_VERB_SLOW, SIM_TOPIC_DISK, m->disk_slow); break;
    case SIM_FAULT_SLOWENGINE:
        note_amount(s, &a, SIM_VERB_SLOW, SIM_TOPIC_ENGINE, m->engine_slow);
        break;
    case SIM_FAULT_NOSPACE:
        note_amount(s, &a, SIM_VERB_NOSPACE, SIM_TOPIC_NONE, (int64_t)f->free_bytes);
        break;
    case SIM_FAULT_PAUSE: note_amount(s, &a, SIM_VERB_PAUSE, SIM_TOPIC_NONE, 0); break;
    case SIM_FAULT_STUCK: note_amount(s, &a, SIM_VERB_STUCK, SIM_TOPIC_NONE, f->lanes); break;
    case SIM_FAULT_DRIFT:
        note_amount(s, &a, SIM_VERB_CLOCK, SIM_TOPIC_DRIFT, m->clock.drift_ppm);
        break;
    case SIM_FAULT_STALL: note_amount(s, &a, SIM_VERB_CLOCK, SIM_TOPIC_STOP, 0); break;
    case SIM_FAULT_LATE: note_amount(s, &a, SIM_VERB_CLOCK, SIM_TOPIC_LATE, m->late_us); break;
    case SIM_FAULT_BOOTCRASH:
        a.for_us = 0;
        if (m->boot_calls_left != UINT32_MAX)
            note_amount(s, &a, SIM_VERB_BOOT, SIM_TOPIC_NONE, m->boot_calls_left);
        break;
    case SIM_FAULT_JOBCRASH:
        a.for_us = 0;
        if (m->job_calls_left != UINT32_MAX)
            note_amount(s, &a, SIM_VERB_JOB, SIM_TOPIC_NONE, m->job_calls_left);
        break;
    default: note_links(s, f, &a); break;
    }
    if (s->schedule->count > before) f->action = s->schedule->count;
}

/* How a stall ends is drawn at its end. */
void faults_note_jump(struct sim *s, const struct sim_fault *f)
{
    if (sim_notes(s) && f->action > 0) s->schedule->actions[f->action - 1].jump = f->jump;
}

void faults_note_crash(struct sim *s, uint32_t target, bool power, uint64_t down_us)
{
    struct sim_action a = { .verb = SIM_VERB_CRASH, .who = target, .power = power, .for_us = down_us };
    if (sim_notes(s)) sim_note(s, &a);
}

void faults_note_start(struct sim *s, uint32_t target, uint64_t delay_us)
{
    struct sim_action a = { .verb = SIM_VERB_START, .who = target, .amount = (int64_t)delay_us };
    if (sim_notes(s)) sim_note(s, &a);
}

/* Which bytes is drawn from what is on the disk: the generator as it is says all of it. */
void faults_note_damage(struct sim *s, enum sim_fault_kind kind, uint32_t target)
{
    enum sim_verb verb = kind == SIM_FAULT_ROT   ? SIM_VERB_ROT
                         : kind == SIM_FAULT_EIO ? SIM_VERB_SPOIL
                                                 : SIM_VERB_LOSEFILE;
    struct sim_action a = { .verb = verb, .who = target, .amount = (int64_t)faults_rand(s)->state };
    if (sim_notes(s)) sim_note(s, &a);
}

void faults_note_wipe(struct sim *s, uint32_t target)
{
    struct sim_action a = { .verb = SIM_VERB_WIPE, .who = target };
    if (sim_notes(s)) sim_note(s, &a);
}

void faults_note_reset(struct sim *s, const struct sim_net_pick *pick)
{
    struct sim_action a = {
        .verb = SIM_VERB_RESET, .from = pick->from, .to = pick->to, .nth = pick->nth
    };
    if (sim_notes(s)) sim_note(s, &a);
}

void faults_note_hold(struct sim *s, uint32_t from, uint32_t to)
{
    struct sim_action a = { .verb = SIM_VERB_HOLD };
    if (!sim_notes(s)) return;
    sim_note(s, &a);
    note_span(s, from, to);
}

void faults_note_for_ever(struct sim *s, enum sim_fault_kind kind, uint32_t target)
{
    const struct sim_member *m = sim_member_at(s, target);
    bool power = kind == SIM_FAULT_POWER, down = power || kind == SIM_FAULT_KILL;
    struct sim_action a = { .who = target, .power = power };
    if (!sim_notes(s)) return;
    if (!down) a.amount = START_US;
    if (down || m->state == SIM_MEMBER_DOWN) {
        a.verb = down ? SIM_VERB_CRASH : SIM_VERB_START;
        sim_note(s, &a);
    }
    if (kind == SIM_FAULT_PAUSE) note_amount(s, &a, SIM_VERB_PAUSE, SIM_TOPIC_NONE, 0);
    if (kind == SIM_FAULT_STALL) note_amount(s, &a, SIM_VERB_CLOCK, SIM_TOPIC_STOP, 0);
    if (kind == SIM_FAULT_STUCK) note_amount(s, &a, SIM_VERB_STUCK, SIM_TOPIC_NONE, OUTSIDER_LANES);
    if (kind == SIM_FAULT_SLOWDISK) {
        note_amount(s, &a, SIM_VERB_SLOW, SIM_TOPIC_DISK, OUTSIDER_DISK_SLOW);
    }
}

/* --- carrying out --- */

static enum sim_fault_kind crash_kind(const struct sim_action *a)
{
    return a->power ? SIM_FAULT_POWER : SIM_FAULT_KILL;
}

/* Inside of what is promised, or not at all (A3). */
static void wipe(struct sim *s, const struct sim_action *a)
{
    if (sim_member_at(s, a->who)->state != SIM_MEMBER_DOWN || !faults_may_wipe(s, a->who)) return;
    sim_member_wipe(s, a->who);
    sim_record(s, SIM_FAULT_WIPE, SIM_RECORD_WIPED, a->who, 0);
}

static void damage(struct sim *s, const struct sim_action *a)
{
    bool down = sim_member_at(s, a->who)->state == SIM_MEMBER_DOWN;
    if (!down || (!s->plan.beyond && !faults_may_wipe(s, a->who))) return;
    faults_rand(s)->state = (uint64_t)a->amount;
    faults_damage(s,
                  a->verb == SIM_VERB_ROT     ? SIM_FAULT_ROT
                  : a->verb == SIM_VERB_SPOIL ? SIM_FAULT_EIO
                                              : SIM_FAULT_LOSEFILE,
                  a->who);
}

static void crash(struct sim *s, const struct sim_action *a)
{
    struct sim_member *m = sim_member_at(s, a->who);
    bool up = m->state == SIM_MEMBER_UP;
    sim_member_crash(s, a->who, a->power);
    if (up) sim_record(s, crash_kind(a), SIM_RECORD_CRASH, a->who, a->power);
    if (a->for_us == 0)
        m->left_down = true;
    else if (up)
        sim_member_start_soon(s, a->who, a->for_us);
}

static void start(struct sim *s, const struct sim_action *a)
{
    struct sim_member *m = sim_member_at(s, a->who);
    if (m->state != SIM_MEMBER_DOWN || (m->joins && !m->url[0])) return;
    m->left_down = false;
    sim_member_start_soon(s, a->who, (uint64_t)a->amount);
}

static bool is_meant(const struct sim *s, uint8_t end, uint32_t owner)
{
    uint32_t members = s->cluster->count, clients = s->plan.client_count;
    if (end == SIM_ANY_MEMBER) return owner < members;
    if (end == SIM_ANY_CLIENT) return owner >= SIM_MEMBERS_MAX && owner < SIM_MEMBERS_MAX + clients;
    return end == owner;
}

/* Nothing stands between members of the core, nor between them and clients. */
static bool may_hold(const struct sim *s, uint32_t from, uint32_t to)
{
    bool members = from < SIM_MEMBERS_MAX && to < SIM_MEMBERS_MAX;
    return s->core == 0 || (members && !(sim_in_core(s, from) && sim_in_core(s, to)));
}

static void hold_spans(struct sim *s, struct sim_fault *f, const struct sim_action *a)
{
    for (uint32_t i = 0; i < a->span_count; i++) {
        const struct sim_span *l = &s->schedule->spans[a->span_first + i];
        for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
            for (uint32_t to = 0; is_meant(s, l->from, from) && to < SIM_OWNERS_MAX; to++) {
                if (is_meant(s, l->to, to) && may_hold(s, from, to)) faults_block(s, f, from, to);
            }
        }
    }
}

static void part(struct sim *s, struct sim_fault *f, const struct sim_action *a)
{
    for (uint32_t from = 0; from < SIM_MEMBERS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_MEMBERS_MAX; to++) {
            bool both = a->group[from] && a->group[to];
            bool apart = both && a->group[from] != a->group[to];
            if (apart && may_hold(s, from, to)) faults_block(s, f, from, to);
        }
    }
}

static void set_clock(struct sim *s, struct sim_fault *f, const struct sim_action *a)
{
    struct sim_member *m = sim_member_at(s, a->who);
    if (f->kind == SIM_FAULT_STALL) faults_stop_clock(s, a->who);
    if (f->kind == SIM_FAULT_DRIFT) {
        sim_clock_set_drift(&m->clock, sim_now_us(s), (int32_t)a->amount);
        sim_record(s, SIM_FAULT_DRIFT, SIM_RECORD_RATE, a->who, a->amount);
    }
    if (f->kind == SIM_FAULT_LATE) m->late_us = (uint32_t)a->amount;
    f->jump = a->jump;
    sim_member_clock_changed(s, a->who);
}

static void set_slow(struct sim *s, const struct sim_fault *f, const struct sim_action *a)
{
    struct sim_member *m = sim_member_at(s, a->who);
    if (f->kind == SIM_FAULT_SLOWDISK) m->disk_slow = (uint32_t)a->amount;
    if (f->kind == SIM_FAULT_SLOWENGINE) m->engine_slow = (uint32_t)a->amount;
    if (f->kind == SIM_FAULT_SLOWLINK) sim_net_set_drain(s->net, a->who, (uint32_t)a->amount);
}

/* The kind that ends as this action does. */
static enum sim_fault_kind kind_of(const struct sim_action *a)
{
    switch (a->topic) {
    case SIM_TOPIC_DISK: return SIM_FAULT_SLOWDISK;
    case SIM_TOPIC_ENGINE: return SIM_FAULT_SLOWENGINE;
    case SIM_TOPIC_LINK: return SIM_FAULT_SLOWLINK;
    case SIM_TOPIC_DRIFT: return SIM_FAULT_DRIFT;
    case SIM_TOPIC_STOP: return SIM_FAULT_STALL;
    case SIM_TOPIC_LATE: return SIM_FAULT_LATE;
    default: break;
    }
    switch (a->verb) {
    case SIM_VERB_PAUSE: return SIM_FAULT_PAUSE;
    case SIM_VERB_STUCK: return SIM_FAULT_STUCK;
    case SIM_VERB_NOSPACE: return SIM_FAULT_NOSPACE;
    default: return SIM_FAULT_PARTITION;
    }
}

/* What is healed stays so; with lease reads on, clocks keep to their bound (T2). */
static bool is_allowed(const struct sim *s, const struct sim_action *a)
{
    bool links = a->verb == SIM_VERB_HOLD || a->verb == SIM_VERB_PARTITION;
    if (a->verb == SIM_VERB_RESET && s->core != 0) return false;
    if (!links && s->core != 0 && sim_in_core(s, a->who)) return false;
    bool slow = a->amount<SIM_CLOCK_SLOW_PPM, fast = a->amount> SIM_CLOCK_FAST_PPM;
    if (a->verb != SIM_VERB_CLOCK || !s->plan.leases) return true;
    return a->topic == SIM_TOPIC_LATE || (a->topic == SIM_TOPIC_DRIFT && !slow && !fast);
}

/* One that lasts: its slot says how it ends. */
static void begin(struct sim *s, const struct sim_action *a)
{
    struct sim_fault *f = faults_slot(s, kind_of(a), a->who);
    if (!f) return;
    sim_record(s, f->kind, SIM_RECORD_BEGIN, a->who, (int64_t)(a->for_us / 1000));
    f->life = sim_member_at(s, a->who)->life;
    switch (a->verb) {
    case SIM_VERB_PAUSE: sim_member_pause(s, a->who); break;
    case SIM_VERB_STUCK:
        f->lanes = (uint32_t)a->amount;
        sim_io_hold(sim_member_at(s, a->who), f->lanes);
        break;
    case SIM_VERB_NOSPACE: faults_space_set(s, a->who, (uint64_t)a->amount); break;
    case SIM_VERB_SLOW: set_slow(s, f, a); break;
    case SIM_VERB_CLOCK: set_clock(s, f, a); break;
    case SIM_VERB_HOLD: hold_spans(s, f, a); break;
    case SIM_VERB_PARTITION: part(s, f, a); break;
    default: MS_UNREACHABLE();
    }
    if (a->for_us == 0) return;
    sim_events_push(&s->events, sim_now_us(s) + a->for_us, SIM_EVENT_FAULT_END, SIM_NOBODY, f->id, 0);
}

void sim_faults_perform(struct sim *s, const struct sim_action *a)
{
    struct sim_net_pick pick = { .from = a->from, .to = a->to, .nth = a->nth };
    if (a->who >= s->cluster->count || !is_allowed(s, a)) return; /* A2, A3 */
    sim_trace(s, "line %u: %s, m%u", a->line, sim_verb_name(a->verb), a->who + 1);
    switch (a->verb) {
    case SIM_VERB_CRASH: crash(s, a); break;
    case SIM_VERB_START: start(s, a); break;
    case SIM_VERB_WIPE: wipe(s, a); break;
    case SIM_VERB_ROT:
    case SIM_VERB_SPOIL:
    case SIM_VERB_LOSEFILE: damage(s, a); break;
    case SIM_VERB_EIO:
    case SIM_VERB_LOSTWRITE:
    case SIM_VERB_MISDIRECT: faults_io_perform(s, a); break;
    case SIM_VERB_DIVERGE: faults_diverge(s, a->who, (uint64_t)a->amount); break;
    case SIM_VERB_NOMEM: faults_memory_arm(s, a->who, (uint64_t)a->amount); break;
    case SIM_VERB_BOOT: sim_member_at(s, a->who)->boot_calls_left = (uint32_t)a->amount; break;
    case SIM_VERB_JOB: sim_member_at(s, a->who)->job_calls_left = (uint32_t)a->amount; break;
    case SIM_VERB_RESET: sim_net_reset(s->net, &pick); break;
    default: begin(s, a); break;
    }
}
