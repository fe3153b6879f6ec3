#include "sim/sim_faults.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_cluster.h"

#define ACTIVE_MAX 32u
#define BOOT_CALLS_MAX 80u
#define ABSENCE 1u /* in a FAULT event: it is that one */

/* Those that begin and end; the others are odds that hold all the time. */
#define WITH_TIMES                                                                                     \
    (1u << SIM_FAULT_RESET | 1u << SIM_FAULT_PARTITION | 1u << SIM_FAULT_ONEWAY |                      \
     1u << SIM_FAULT_PARTIAL | 1u << SIM_FAULT_CLOG | 1u << SIM_FAULT_SLOWLINK |                       \
     1u << SIM_FAULT_KILL | 1u << SIM_FAULT_POWER | 1u << SIM_FAULT_BOOTCRASH |                        \
     1u << SIM_FAULT_BLACKOUT | 1u << SIM_FAULT_SLOWDISK | 1u << SIM_FAULT_SLOWENGINE |                \
     1u << SIM_FAULT_PAUSE)

struct active {
    bool used;
    uint64_t id;
    enum sim_fault_kind kind;
    uint32_t target;
    uint64_t blocked[SIM_OWNERS_MAX]; /* by sender: bits of receivers */
};

struct sim_faults {
    struct ms_rand rand;
    struct active active[ACTIVE_MAX];
    uint64_t next_id;
    bool healed;
    uint32_t kinds[SIM_FAULT_KINDS], kind_count;
};

static struct ms_rand *rand_of(struct sim *s)
{
    return &s->faults->rand;
}

static uint64_t around(struct sim *s, uint64_t mean)
{
    return mean / 4 + ms_rand_below(rand_of(s), mean * 3 / 2 + 1);
}

static void schedule_next(struct sim *s)
{
    if (s->faults->kind_count == 0) return;
    sim_events_push(&s->events, sim_now_us(s) + around(s, s->plan.fault_gap_us), SIM_EVENT_FAULT,
                    SIM_NOBODY, 0, 0);
}

void sim_faults_create(struct sim *s)
{
    struct sim_faults *f = calloc(1, sizeof *f);
    MS_ASSERT(f != NULL);
    s->faults = f;
    ms_rand_init(&f->rand, s->plan.seed, 20);
    for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
        if (s->plan.faults & WITH_TIMES & 1u << i) f->kinds[f->kind_count++] = i;
    }
    sim_net_set_odds(s->net, &s->plan.odds);
    schedule_next(s);
    if (s->plan.absence_us == 0) return;
    sim_events_push(&s->events, s->plan.absence_us, SIM_EVENT_FAULT, SIM_NOBODY, ABSENCE, 0);
}

void sim_faults_destroy(struct sim *s)
{
    free(s->faults);
    s->faults = NULL;
}

/* --- the network --- */

static void block(struct sim *s, struct active *a, uint32_t from, uint32_t to)
{
    if (from == to || (a->blocked[from] >> to & 1)) return;
    a->blocked[from] |= UINT64_C(1) << to;
    sim_net_block(s->net, from, to, 1);
}

static void unblock_all(struct sim *s, struct active *a)
{
    for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_OWNERS_MAX; to++) {
            if (a->blocked[from] >> to & 1) sim_net_block(s->net, from, to, -1);
        }
        a->blocked[from] = 0;
    }
}

/* The leader every other time: what happens to it tells most. */
static uint32_t draw_target(struct sim *s)
{
    struct sim_member *leader = sim_cluster_leader(s);
    if (leader && ms_rand_below(rand_of(s), 2)) return leader->index;
    return (uint32_t)ms_rand_below(rand_of(s), s->cluster->count);
}

static void begin_partition(struct sim *s, struct active *a)
{
    uint32_t n = s->cluster->count, side = 1u << draw_target(s);
    for (uint32_t i = 0; i < n; i++) {
        if (ms_rand_below(rand_of(s), 3) == 0) side |= 1u << i;
    }
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++) {
            if ((side >> from & 1) != (side >> to & 1)) block(s, a, from, to);
        }
    }
}

static void begin_oneway(struct sim *s, struct active *a)
{
    uint32_t target = draw_target(s);
    bool deaf = ms_rand_below(rand_of(s), 2);
    for (uint32_t i = 0; i < s->cluster->count; i++) block(s, a, deaf ? i : target, deaf ? target : i);
}

static void begin_partial(struct sim *s, struct active *a)
{
    for (uint64_t pairs = 1 + ms_rand_below(rand_of(s), 3); pairs > 0; pairs--) {
        uint32_t x = draw_target(s), y = (uint32_t)ms_rand_below(rand_of(s), s->cluster->count);
        block(s, a, x, y);
        block(s, a, y, x);
    }
}

static uint32_t draw_owner(struct sim *s)
{
    uint32_t i = (uint32_t)ms_rand_below(rand_of(s), s->cluster->count + s->plan.client_count);
    return i < s->cluster->count ? i : sim_client_owner(i - s->cluster->count);
}

static void begin_clog(struct sim *s, struct active *a)
{
    for (uint64_t links = 1 + ms_rand_below(rand_of(s), 8); links > 0; links--) {
        block(s, a, draw_owner(s), draw_target(s));
    }
}

/* --- machines --- */

/* Most of the time a majority stays up, else nothing but starts would be tested. */
static bool may_die(struct sim *s)
{
    uint32_t n = 0, up = sim_cluster_up(s);
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        n += m->state != SIM_MEMBER_GONE && (!m->joins || m->url[0]);
    }
    return up > 0 && (2 * (up - 1) > n || ms_rand_below(rand_of(s), 6) == 0);
}

static void die_for(struct sim *s, uint32_t target, bool power, uint64_t down_us)
{
    if (sim_member_at(s, target)->state != SIM_MEMBER_UP) return;
    sim_member_crash(s, target, power);
    sim_member_start_soon(s, target, down_us);
}

static void die(struct sim *s, uint32_t target, bool power)
{
    bool at_once = ms_rand_below(rand_of(s), 3) == 0;
    die_for(s, target, power, at_once ? 1000 : around(s, s->plan.fault_len_us));
}

/* A member goes for so long that the others have cut their logs when it comes back. */
static void begin_absence(struct sim *s)
{
    bool power = s->plan.faults >> SIM_FAULT_POWER & 1;
    die_for(s, (uint32_t)ms_rand_below(rand_of(s), s->cluster->count), power, s->plan.absence_len_us);
}

static void begin_blackout(struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) die(s, i, true);
}

static void begin_bootcrash(struct sim *s, uint32_t target)
{
    die(s, target, ms_rand_below(rand_of(s), 2));
    sim_member_at(s, target)->boot_calls_left = (uint32_t)ms_rand_below(rand_of(s), BOOT_CALLS_MAX);
}

static void begin(struct sim *s, struct active *a, uint64_t length_us)
{
    struct sim_member *m = sim_member_at(s, a->target);
    switch (a->kind) {
    case SIM_FAULT_RESET: sim_net_reset_one(s->net); break;
    case SIM_FAULT_PARTITION: begin_partition(s, a); break;
    case SIM_FAULT_ONEWAY: begin_oneway(s, a); break;
    case SIM_FAULT_PARTIAL: begin_partial(s, a); break;
    case SIM_FAULT_CLOG: begin_clog(s, a); break;
    case SIM_FAULT_SLOWLINK:
        sim_net_set_drain(s->net, a->target, 1u << ms_rand_below(rand_of(s), 10));
        break;
    case SIM_FAULT_KILL:
        if (may_die(s)) die(s, a->target, false);
        break;
    case SIM_FAULT_POWER:
        if (may_die(s)) die(s, a->target, true);
        break;
    case SIM_FAULT_BOOTCRASH:
        if (may_die(s)) begin_bootcrash(s, a->target);
        break;
    case SIM_FAULT_BLACKOUT:
        if (ms_rand_below(rand_of(s), 3) == 0) begin_blackout(s);
        break;
    case SIM_FAULT_SLOWDISK: m->disk_slow = 4u << ms_rand_below(rand_of(s), 6); break;
    case SIM_FAULT_SLOWENGINE: m->engine_slow = 4u << ms_rand_below(rand_of(s), 6); break;
    case SIM_FAULT_PAUSE: sim_member_pause(s, a->target, sim_now_us(s) + length_us); break;
    default: MS_UNREACHABLE();
    }
}

static void end(struct sim *s, struct active *a)
{
    unblock_all(s, a);
    if (a->kind == SIM_FAULT_SLOWLINK) sim_net_set_drain(s->net, a->target, 0);
    if (a->kind == SIM_FAULT_SLOWDISK) sim_member_at(s, a->target)->disk_slow = 1;
    if (a->kind == SIM_FAULT_SLOWENGINE) sim_member_at(s, a->target)->engine_slow = 1;
    a->used = false;
}

static void begin_one(struct sim *s)
{
    struct sim_faults *f = s->faults;
    struct active *a = NULL;
    for (uint32_t i = 0; i < ACTIVE_MAX && !a; i++) {
        if (!f->active[i].used) a = &f->active[i];
    }
    if (!a) return;
    uint64_t length_us = around(s, s->plan.fault_len_us);
    *a = (struct active){ .used = true, .id = ++f->next_id, .target = draw_target(s) };
    a->kind = f->kinds[ms_rand_below(rand_of(s), f->kind_count)];
    if (a->kind == SIM_FAULT_CLOG) length_us /= 4;
    s->totals.faults[a->kind]++;
    sim_trace(s, "fault %s, m%u, for %llu ms", sim_fault_name(a->kind), a->target + 1,
              (unsigned long long)length_us / 1000);
    begin(s, a, length_us);
    sim_events_push(&s->events, sim_now_us(s) + length_us, SIM_EVENT_FAULT_END, SIM_NOBODY, a->id, 0);
}

uint64_t sim_faults_event(struct sim *s, const struct sim_event *ev)
{
    struct sim_faults *f = s->faults;
    if (ev->kind == SIM_EVENT_FAULT && ev->a == ABSENCE) {
        if (!f->healed) begin_absence(s);
    } else if (ev->kind == SIM_EVENT_FAULT && !f->healed) {
        begin_one(s);
        schedule_next(s);
    }
    for (uint32_t i = 0; i < ACTIVE_MAX && ev->kind == SIM_EVENT_FAULT_END; i++) {
        if (f->active[i].used && f->active[i].id == ev->a) end(s, &f->active[i]);
    }
    return ev->a;
}

void sim_faults_heal(struct sim *s)
{
    struct sim_faults *f = s->faults;
    f->healed = true;
    for (uint32_t i = 0; i < ACTIVE_MAX; i++) {
        if (f->active[i].used) end(s, &f->active[i]);
    }
    sim_net_set_odds(s->net, &(struct sim_frame_odds){ 0 });
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        m->boot_calls_left = UINT32_MAX;
        m->paused_until_us = 0;
        bool known = !m->joins || m->url[0]; /* to the administrator */
        if (m->state == SIM_MEMBER_DOWN && known) sim_member_start_soon(s, i, 1000);
    }
}

bool sim_faults_parse(const char *list, uint32_t *out)
{
    uint32_t set = 0;
    while (*list) {
        size_t len = strcspn(list, ",");
        bool minus = *list == '-', known = false;
        const char *name = list + minus;
        size_t name_len = len - minus;
        if (set == 0 && minus) set = (1u << SIM_FAULT_KINDS) - 1;
        for (uint32_t i = 0; i < SIM_FAULT_KINDS; i++) {
            const char *n = sim_fault_name((enum sim_fault_kind)i);
            bool all = name_len == 3 && memcmp(name, "all", 3) == 0;
            if (!all && (strlen(n) != name_len || memcmp(n, name, name_len) != 0)) continue;
            set = minus ? set & ~(1u << i) : set | 1u << i;
            known = true;
        }
        if (!known && !(name_len == 4 && memcmp(name, "none", 4) == 0)) return false;
        list += len + (list[len] == ',');
    }
    *out = set;
    return true;
}
