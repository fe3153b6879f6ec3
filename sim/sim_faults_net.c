/* sim_faults_net.c: faults of links: sides that do not reach each other, members that only hear or are
 * only heard, single pairs, directions that stand still, slow drains. */
#include "sim/sim_core.h"
#include "sim/sim_faults_private.h"

void faults_block(struct sim *s, struct sim_fault *f, uint32_t from, uint32_t to)
{
    if (from == to || (f->blocked[from] >> to & 1)) return;
    f->blocked[from] |= UINT64_C(1) << to;
    sim_net_block(s->net, from, to, 1);
}

static void unblock_all(struct sim *s, struct sim_fault *f)
{
    for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
        for (uint32_t to = 0; f->blocked[from] && to < SIM_OWNERS_MAX; to++) {
            if (f->blocked[from] >> to & 1) sim_net_block(s->net, from, to, -1);
        }
        f->blocked[from] = 0;
    }
}

static void begin_partition(struct sim *s, struct sim_fault *f)
{
    uint32_t n = s->cluster->count, side = 1u << faults_draw_target(s);
    for (uint32_t i = 0; i < n; i++) {
        if (ms_rand_below(faults_rand(s), 3) == 0) side |= 1u << i;
    }
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++) {
            if ((side >> from & 1) != (side >> to & 1)) faults_block(s, f, from, to);
        }
    }
}

static void begin_oneway(struct sim *s, struct sim_fault *f)
{
    uint32_t target = faults_draw_target(s);
    bool deaf = ms_rand_below(faults_rand(s), 2);
    for (uint32_t i = 0; i < s->cluster->count; i++)
        faults_block(s, f, deaf ? i : target, deaf ? target : i);
}

static void begin_partial(struct sim *s, struct sim_fault *f)
{
    for (uint64_t pairs = 1 + ms_rand_below(faults_rand(s), 3); pairs > 0; pairs--) {
        uint32_t x = faults_draw_target(s);
        uint32_t y = (uint32_t)ms_rand_below(faults_rand(s), s->cluster->count);
        faults_block(s, f, x, y);
        faults_block(s, f, y, x);
    }
}

/* Two sides, and one member of neither, which reaches both (not transitive: what all of them can agree
 * on goes through it). */
static void begin_bridge(struct sim *s, struct sim_fault *f)
{
    uint32_t n = s->cluster->count, side = 0;
    for (uint32_t i = 0; i < n; i++) side |= (uint32_t)ms_rand_below(faults_rand(s), 2) << i;
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++) {
            if (from == f->target || to == f->target) continue;
            if ((side >> from & 1) != (side >> to & 1)) faults_block(s, f, from, to);
        }
    }
    const struct sim_member *leader = sim_cluster_leader(s);
    if (leader && leader->index == f->target) sim_rare(s, SIM_RARE_BRIDGED);
}

/* Nothing reaches it, nothing comes from it, not for clients either; nothing is lost. */
static void begin_silence(struct sim *s, struct sim_fault *f)
{
    uint32_t members = s->cluster->count, all = members + s->plan.client_count;
    for (uint32_t i = 0; i < all; i++) {
        uint32_t other = i < members ? i : sim_client_owner(i - members);
        faults_block(s, f, other, f->target);
        faults_block(s, f, f->target, other);
    }
}

static void shuffle(struct sim *s, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)ms_rand_below(faults_rand(s), i + 1);
        order[i] = order[at];
        order[at] = i;
    }
}

/* The first ones begin in one order and end in another (FoundationDB's swizzle): what one side has
 * settled while another was silent meets what that one still holds. */
void faults_swizzle(struct sim *s, uint64_t length_us)
{
    uint32_t n = s->cluster->count, begins[SIM_MEMBERS_MAX], ends[SIM_MEMBERS_MAX];
    uint32_t count = 1 + (uint32_t)ms_rand_below(faults_rand(s), n);
    uint64_t gap_us = length_us / n;
    shuffle(s, begins, n);
    shuffle(s, ends, n);
    if (2 * count > n) sim_rare(s, SIM_RARE_SWIZZLED);
    for (uint32_t i = 0; i < n; i++) {
        if (begins[i] >= count) continue;
        uint64_t ms = (length_us + ends[i] * gap_us - begins[i] * gap_us) / 1000;
        sim_events_push(&s->events, sim_now_us(s) + begins[i] * gap_us, SIM_EVENT_FAULT, SIM_NOBODY,
                        FAULTS_EVENT_SWIZZLE, ms << 8 | i);
    }
}

static uint32_t draw_owner(struct sim *s)
{
    uint32_t members = s->cluster->count;
    uint32_t i = (uint32_t)ms_rand_below(faults_rand(s), members + s->plan.client_count);
    return i < members ? i : sim_client_owner(i - members);
}

static void begin_clog(struct sim *s, struct sim_fault *f)
{
    for (uint64_t links = 1 + ms_rand_below(faults_rand(s), 8); links > 0; links--) {
        uint32_t to = faults_draw_target(s); /* not as arguments: compilers order those as they like */
        faults_block(s, f, draw_owner(s), to);
    }
}

static void begin_reset(struct sim *s)
{
    struct sim_net_pick pick;
    if (sim_net_reset_one(s->net, &pick)) faults_note_reset(s, &pick);
}

bool faults_net_begin(struct sim *s, struct sim_fault *f)
{
    switch (f->kind) {
    case SIM_FAULT_RESET: begin_reset(s); break;
    case SIM_FAULT_PARTITION: begin_partition(s, f); break;
    case SIM_FAULT_ONEWAY: begin_oneway(s, f); break;
    case SIM_FAULT_PARTIAL: begin_partial(s, f); break;
    case SIM_FAULT_BRIDGE: begin_bridge(s, f); break;
    case SIM_FAULT_CLOG: begin_clog(s, f); break;
    case SIM_FAULT_SWIZZLE: begin_silence(s, f); break;
    case SIM_FAULT_SLOWLINK:
        sim_net_set_drain(s->net, f->target, 1u << ms_rand_below(faults_rand(s), 10));
        break;
    default: return false;
    }
    return true;
}

void faults_net_keep_outside(struct sim *s, struct sim_fault *f)
{
    for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
        for (uint32_t to = 0; f->blocked[from] && to < SIM_OWNERS_MAX; to++) {
            bool members = from < SIM_MEMBERS_MAX && to < SIM_MEMBERS_MAX;
            bool outside = members && !(sim_in_core(s, from) && sim_in_core(s, to));
            if (!(f->blocked[from] >> to & 1)) continue;
            if (!outside) sim_net_block(s->net, from, to, -1);
        }
        f->blocked[from] = 0; /* what is held is nobody's any more */
    }
}

void faults_net_end(struct sim *s, struct sim_fault *f)
{
    unblock_all(s, f);
    if (f->kind == SIM_FAULT_SLOWLINK) sim_net_set_drain(s->net, f->target, 0);
}
