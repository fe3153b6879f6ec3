/* sim_run.c: one seed from its beginning to its end.
 *
 * Two phases: *safety*, with faults, where nothing has to get done but nothing may go wrong; then
 * *healed*, where everything is up and reaches everything, or a core does while the others keep their
 * faults for ever (sim_core.h), and the cluster has to elect, to answer and to become equal within a
 * bound (K18); a *quiet* while at its end shows that it comes to rest (K19).
 */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_backup.h"
#include "sim/sim_check.h"
#include "sim/sim_cluster.h"
#include "sim/sim_core.h"
#include "sim/sim_enumerate.h"
#include "sim/sim_faults.h"
#include "sim/sim_html.h"
#include "sim/sim_lease.h"
#include "sim/sim_reads.h"
#include "sim/sim_record.h"
#include "sim/sim_schedule.h"
#include "sim/sim_watch.h"
#include "sim/sim_workload.h"

#define PHASE_STEP_US 50000u
#define SAFETY_FACTOR_MAX 3u /* the first phase lasts at most so many times as planned */
#define QUIET_HEARTBEATS 40u
#define CORE_HEARTBEATS 300u /* outsiders have their time to disturb */
#define QUIET_ENTRIES_MAX 6u
#define LEADER_ENTRIES_MAX 3u /* of a new leader: its first one, and two that compare states */
#define BEYOND_US UINT64_C(15000000)
#define HEALED_LEADERS_MAX 8u
#define HEALED_US_MAX UINT64_C(60000000) /* K18: until then everything is equal and answers */

/* --- who is whose --- */

static bool is_client(uint32_t owner)
{
    return owner >= SIM_MEMBERS_MAX;
}

static bool is_watch(const struct sim *s, uint32_t owner)
{
    return is_client(owner) && sim_watch_has(s, owner - SIM_MEMBERS_MAX);
}

static bool net_listens(void *ctx, uint32_t owner)
{
    return sim_member_listens(ctx, owner);
}

static void net_accepted(void *ctx, uint32_t owner, uint64_t number, uint32_t peer)
{
    sim_member_accepted(ctx, owner, number, peer);
}

static bool is_lease_client(uint32_t owner)
{
    return is_client(owner) && sim_is_lease_client(owner - SIM_MEMBERS_MAX);
}

static bool is_backup(uint32_t owner)
{
    return owner == sim_client_owner(SIM_BACKUP_CLIENT);
}

static void net_dialed(void *ctx, uint32_t owner, uint64_t number, int status)
{
    if (is_watch(ctx, owner))
        sim_watch_dialed(ctx, owner - SIM_MEMBERS_MAX, number, status);
    else if (is_backup(owner))
        sim_backup_dialed(ctx, number, status);
    else if (is_lease_client(owner))
        sim_lease_dialed(ctx, owner - SIM_MEMBERS_MAX, number, status);
    else if (is_client(owner))
        sim_client_dialed(ctx, owner - SIM_MEMBERS_MAX, number, status);
    else
        sim_member_dialed(ctx, owner, number, status);
}

static void net_bytes(void *ctx, uint32_t owner, uint64_t number, struct bytes in)
{
    if (is_watch(ctx, owner))
        sim_watch_bytes(ctx, owner - SIM_MEMBERS_MAX, number, in);
    else if (is_backup(owner))
        sim_backup_bytes(ctx, number, in);
    else if (is_lease_client(owner))
        sim_lease_bytes(ctx, owner - SIM_MEMBERS_MAX, number, in);
    else if (is_client(owner))
        sim_client_bytes(ctx, owner - SIM_MEMBERS_MAX, number, in);
    else
        sim_member_bytes(ctx, owner, number, in);
}

static void net_writable(void *ctx, uint32_t owner, uint64_t number)
{
    if (!is_client(owner)) sim_member_writable(ctx, owner, number);
}

static void net_closed(void *ctx, uint32_t owner, uint64_t number)
{
    if (is_watch(ctx, owner))
        sim_watch_closed(ctx, owner - SIM_MEMBERS_MAX, number);
    else if (is_backup(owner))
        sim_backup_closed(ctx, number);
    else if (is_lease_client(owner))
        sim_lease_closed(ctx, owner - SIM_MEMBERS_MAX, number);
    else if (is_client(owner))
        sim_client_closed(ctx, owner - SIM_MEMBERS_MAX, number);
    else
        sim_member_closed(ctx, owner, number);
}

static void make_network(struct sim *s)
{
    const struct sim_net_host host = { .ctx = s,
                                       .listens = net_listens,
                                       .accepted = net_accepted,
                                       .dialed = net_dialed,
                                       .bytes = net_bytes,
                                       .writable = net_writable,
                                       .closed = net_closed };
    struct ms_rand r;
    s->net = sim_net_create(&s->plan.net, &host, &s->events);
    sim_net_set_schedule(s->net, s->schedule);
    sim_net_set_html(s->net, s->opts->html);
    ms_rand_init(&r, s->plan.seed, 2);
    for (uint32_t from = 0; from < SIM_OWNERS_MAX; from++) {
        for (uint32_t to = 0; to < SIM_OWNERS_MAX; to++) {
            bool client = is_client(from) || is_client(to);
            uint32_t base = client ? s->plan.client_latency_us : s->plan.latency_us;
            struct sim_link *l = sim_net_link(s->net, from, to);
            l->latency_us = base / 2 + (uint32_t)ms_rand_below(&r, base + 1);
            l->jitter_us = s->plan.jitter_us;
        }
    }
}

/* --- events --- */

static uint64_t dispatch(struct sim *s, const struct sim_event *ev)
{
    switch (ev->kind) {
    case SIM_EVENT_MEMBER_TICK:
    case SIM_EVENT_MEMBER_FLUSH:
    case SIM_EVENT_MEMBER_START:
    case SIM_EVENT_DISK_PERFORM:
    case SIM_EVENT_DISK_DELIVER:
    case SIM_EVENT_JOB_RUN:
    case SIM_EVENT_JOB_DELIVER: return sim_cluster_event(s, ev);
    case SIM_EVENT_NET_SYN:
    case SIM_EVENT_NET_ACCEPT:
    case SIM_EVENT_NET_DIALED:
    case SIM_EVENT_NET_DELIVER:
    case SIM_EVENT_NET_WRITABLE: return sim_net_event(s->net, ev);
    case SIM_EVENT_CLIENT_WAKE:
        if (is_lease_client(ev->who)) return sim_lease_event(s, ev);
        if (is_backup(ev->who)) sim_backup_event(s, ev);
        if (is_backup(ev->who)) return ev->a;
        if (!is_watch(s, ev->who)) return sim_workload_event(s, ev);
        sim_watch_event(s, ev);
        return ev->a;
    case SIM_EVENT_READ: sim_reads_event(s, ev); return ev->a;
    case SIM_EVENT_FAULT:
    case SIM_EVENT_FAULT_END: return sim_faults_event(s, ev);
    default: MS_UNREACHABLE();
    }
}

static void check_trail(struct sim *s, struct sim_trail *t, bool compare)
{
    size_t i = s->totals.events - 1;
    if (compare) {
        if (i < t->count && t->hashes[i] == s->hash) return;
        sim_fail(SIM_FAIL_DETERMINISM, "K20", "event %zu differs between two runs of the seed", i);
    }
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 65536;
        t->hashes = realloc(t->hashes, t->cap * sizeof *t->hashes);
        MS_ASSERT(t->hashes != NULL);
    }
    t->hashes[t->count++] = s->hash;
}

static void step(struct sim *s, const struct sim_event *ev, struct sim_trail *trail, bool compare)
{
    s->totals.events++;
    if (s->schedule) sim_schedule_before(s, ev);
    sim_fold(s, ev->time_us);
    sim_fold(s, (uint64_t)ev->kind << 32 | ev->who);
    if (!sim_member_holds(s, ev)) sim_fold(s, dispatch(s, ev));
    if (trail) check_trail(s, trail, compare);
}

/* --- phases --- */

static void draw_core(struct sim *s)
{
    struct ms_rand r;
    ms_rand_init(&r, s->plan.seed, 41);
    bool core = ms_rand_below(&r, 2) && !s->plan.beyond && sim_faults_may_last(s) &&
                !sim_check_any_differs(s) && sim_core_draw(s);
    if (!core) s->core = SIM_CORE_ALL;
    struct sim_action a = { .verb = SIM_VERB_HEAL, .members = core ? s->core : 0 };
    if (sim_notes(s)) sim_note(s, &a);
}

static void heal(struct sim *s)
{
    char text[SIM_CORE_TEXT_BYTES];
    bool core = s->core != SIM_CORE_ALL;
    if (core) sim_rare(s, SIM_RARE_CORE);
    sim_trace(s, "healed: %s", sim_core_text(s, text));
    sim_record(s, 0, SIM_RECORD_HEALED, SIM_NOBODY, s->core);
    s->phase = SIM_PHASE_HEALED;
    s->healed_us = sim_now_us(s);
    s->healed_leaders = sim_check_leaders(s);
    sim_faults_heal(s);
    sim_workload_probe(s);
    sim_watch_probe(s);
    sim_leases_heal(s);
}

/* The entries by which a leader completes the change that it is in: who joins is attached and promoted, an
 * exchange is entered and left. */
static uint64_t owed_entries(const struct config *c)
{
    uint64_t owed = config_has_wish(c) || config_is_joint(c) ? 2 : 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].roles & (CONFIG_PROMOTE | CONFIG_JOINS)) owed += 2;
    }
    return owed;
}

static void begin_quiet(struct sim *s)
{
    s->quiet_us = sim_now_us(s);
    s->quiet_commit = sim_check_commit(s);
    s->quiet_leaders = sim_check_leaders(s);
    s->quiet_replays = sim_net_stats(s->net)->replayed_forwards;
    s->quiet_entries_max = QUIET_ENTRIES_MAX + owed_entries(sim_check_config(s));
}

/* What clients have given up their members may still be asking for. */
static bool members_ask(struct sim *s)
{
    struct node_counters counters;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (m->state != SIM_MEMBER_UP) continue;
        node_counters(sim_member_node(m), &counters);
        if (counters.proposals_pending > 0) return true;
    }
    return false;
}

/* So long the log has to stand still. */
static uint64_t quiet_length_us(const struct sim *s)
{
    uint64_t beats = s->core != SIM_CORE_ALL ? CORE_HEARTBEATS : QUIET_HEARTBEATS;
    return beats * 1000 * s->plan.member.node.raft.heartbeat_ms;
}

/* Of a proposal brought back since it began: its entry, and one that compares states, which is done again where reports
 * are lost, each time after double the wait (seed 493365384804). */
static uint64_t replay_entries_max(const struct sim *s)
{
    uint64_t wait_us = 1000 * (uint64_t)s->plan.member.node.digest_ms, entries = 2;
    for (uint64_t us = wait_us; us > 0 && us < sim_now_us(s) - s->quiet_us; us += wait_us) {
        wait_us *= 2;
        entries++;
    }
    return entries;
}

/* K19: with nobody asking for anything the log stands still, but for what a leader has left to tidy up.
 */
static void look_at_quiet(struct sim *s)
{
    bool core = s->core != SIM_CORE_ALL, asked = members_ask(s), were_asked = s->quiet_asked;
    /* What clients had asked of outsiders comes again and again until those give it up. */
    uint64_t given_up_us = 3000 * (uint64_t)s->plan.member.node.request_ms_max;
    bool ask_outsiders = core && sim_now_us(s) < s->healed_us + given_up_us;
    bool ask_members = (asked || were_asked) && sim_now_us(s) < s->idle_us + given_up_us;
    s->quiet_asked = asked;
    if (ask_outsiders || ask_members) {
        begin_quiet(s);
        return;
    }
    uint64_t grown = sim_check_commit(s) - s->quiet_commit, most = s->quiet_entries_max;
    /* Outsiders whose faults stay may go on electing (seed 217809044926); how often, look_for_storm() judges. */
    if (core) most += LEADER_ENTRIES_MAX * (sim_check_leaders(s) - s->quiet_leaders);
    /* Among outsiders the network goes on bringing back old frames (sim_net_set_core()). A proposal that no member
     * sends any more is an entry again at a leader of theirs, and without effect (S3): seed 2655265157. */
    uint64_t replays = sim_net_stats(s->net)->replayed_forwards - s->quiet_replays;
    if (core) most += replay_entries_max(s) * replays;
    if (grown > most) {
        sim_fail(SIM_FAIL_LIVENESS, "K19",
                 "%llu entries are committed though no client asks for anything",
                 (unsigned long long)grown);
    }
    if (sim_now_us(s) < s->quiet_us + quiet_length_us(s) || !sim_check_converged(s)) return;
    uint64_t bytes;
    if (!sim_check_large_log(s, &bytes)) s->phase = SIM_PHASE_OVER; /* else: until it is too late */
}

/* Zone b: it may serve, or not; it has had its time. */
static void look_beyond(struct sim *s)
{
    bool served = sim_workload_probed(s) && sim_workload_idle(s) && sim_check_converged(s);
    if (!served && sim_now_us(s) < s->healed_us + BEYOND_US) return;
    sim_rare(s, SIM_RARE_BEYOND);
    sim_rare(s, served ? SIM_RARE_BEYOND_SERVED : SIM_RARE_BEYOND_OUT);
    s->phase = SIM_PHASE_OVER;
}

static bool is_healed(struct sim *s)
{
    if (!sim_workload_probed(s) || !sim_reads_probed(s) || !sim_leases_probed(s)) return false;
    if (!sim_workload_idle(s) || !sim_leases_over(s)) return false;
    return sim_check_converged(s);
}

static void look_at_healed(struct sim *s)
{
    if (!is_healed(s) || !sim_watch_at_end(s)) return;
    s->phase = SIM_PHASE_QUIET;
    s->idle_us = sim_now_us(s);
    s->quiet_asked = members_ask(s); /* it may be done by the next look, and something be owed then */
    begin_quiet(s);
}

/* K19: nobody took the snapshot that would let the log be cut. */
static void log_too_late(struct sim *s)
{
    uint64_t bytes = 0;
    const struct sim_member *m = sim_check_large_log(s, &bytes);
    if (!m) return;
    sim_fail(SIM_FAIL_LIVENESS, "K19", "m%u keeps %llu bytes of its log at rest, %llu are the most",
             m->index + 1, (unsigned long long)bytes, (unsigned long long)sim_check_log_max(s));
}

static const char *missed(struct sim *s)
{
    if (!sim_workload_probed(s)) return "a write and a read through each member have not succeeded";
    if (!sim_reads_probed(s)) return "a range and a transaction through each member have not succeeded";
    if (!sim_leases_probed(s)) return "no lease could be granted, read, renewed and ended";
    if (sim_check_owes_change(s)) return "a change of the members that nothing hinders is not carried out";
    return "the members are not equal";
}

/* What was equal and answered in time is watched for longer, if the clients were done late (seed 998715497058). */
static bool is_too_late(const struct sim *s)
{
    uint64_t last_us = s->healed_us + HEALED_US_MAX;
    if (s->phase == SIM_PHASE_QUIET) last_us = ms_time_max(last_us, s->quiet_us + 2 * quiet_length_us(s));
    return s->healed_us != 0 && sim_now_us(s) > last_us;
}

/* K18: is it impossible, or has it failed? */
static void too_late(struct sim *s)
{
    char why[512] = "", text[SIM_CORE_TEXT_BYTES];
    if (sim_core_is_hopeless(s, why, sizeof why)) {
        sim_trace(s, "the core cannot elect: %s", why);
        sim_rare(s, SIM_RARE_CORE_HOPELESS);
        s->phase = SIM_PHASE_OVER;
        return;
    }
    if (sim_workload_probed(s) && sim_leases_probed(s) && !sim_leases_over(s)) {
        sim_fail(SIM_FAIL_LIVENESS, "K14",
                 "leases that nothing renews live %llu ms after the end of all faults",
                 (unsigned long long)(sim_now_us(s) - s->healed_us) / 1000);
    }
    sim_check_difference_late(s);
    if (is_healed(s)) {
        if (!sim_watch_at_end(s)) sim_watch_too_late(s);
        log_too_late(s);
    }
    sim_fail(SIM_FAIL_LIVENESS, "K18", "%s %llu ms after the end of the faults of %s", missed(s),
             (unsigned long long)(sim_now_us(s) - s->healed_us) / 1000, sim_core_text(s, text));
}

/* K19: leaders come and go no more than it takes to find one, where one may stay (seed 693533785058). */
static void look_for_storm(struct sim *s)
{
    uint64_t changes = sim_check_leaders(s) - s->healed_leaders;
    char text[SIM_CORE_TEXT_BYTES];
    s->totals.healed_changes = changes;
    if (changes > HEALED_LEADERS_MAX + sim_check_excused_ends(s)) {
        sim_fail(SIM_FAIL_LIVENESS, "K19",
                 "%llu leaders in %llu ms after the end of the faults of %s",
                 (unsigned long long)changes, (unsigned long long)(sim_now_us(s) - s->healed_us) / 1000,
                 sim_core_text(s, text));
    }
}

static void look_at_phase(struct sim *s)
{
    uint64_t now_us = sim_now_us(s), planned_us = s->plan.safety_us;
    bool enough = now_us >= planned_us && sim_workload_enough(s);
    switch (s->phase) {
    case SIM_PHASE_SAFETY:
        if (sim_replays(s)) break; /* it says when */
        if (!enough && now_us < SAFETY_FACTOR_MAX * planned_us) break;
        draw_core(s);
        heal(s);
        break;
    case SIM_PHASE_HEALED:
        if (s->plan.beyond)
            look_beyond(s);
        else
            look_at_healed(s);
        break;
    case SIM_PHASE_QUIET: look_at_quiet(s); break;
    case SIM_PHASE_OVER: break;
    }
    if (s->healed_us != 0) look_for_storm(s);
    if (s->phase == SIM_PHASE_OVER) return;
    if (is_too_late(s)) {
        too_late(s);
        return;
    }
    sim_events_push(&s->events, now_us + PHASE_STEP_US, SIM_EVENT_PHASE, SIM_NOBODY, 0, 0);
}

void sim_phase_perform(struct sim *s, const struct sim_action *a)
{
    if (a->verb == SIM_VERB_END) {
        s->phase = SIM_PHASE_OVER;
    } else if (s->phase == SIM_PHASE_SAFETY) {
        s->core = sim_core_may_be(s, a->members) ? a->members : SIM_CORE_ALL; /* A3 */
        heal(s);
    }
}

static bool is_over(const struct sim *s)
{
    uint64_t max = s->opts->events_max;
    return s->phase == SIM_PHASE_OVER || (max != 0 && s->totals.events >= max);
}

static void loop(struct sim *s, struct sim_trail *trail, bool compare)
{
    struct sim_event ev;
    sim_events_push(&s->events, PHASE_STEP_US, SIM_EVENT_PHASE, SIM_NOBODY, 0, 0);
    while (!is_over(s)) {
        if (s->opts->html) sim_html_look(s); /* while it is still the moment of the last event */
        if (s->schedule && sim_schedule_step(s)) continue;
        bool some = sim_events_pop(&s->events, &ev);
        MS_ASSERT(some); /* the look at the phase is always under way */
        if (ev.kind == SIM_EVENT_PHASE)
            look_at_phase(s);
        else
            step(s, &ev, trail, compare);
    }
}

static void write_page(const struct sim *s)
{
    const struct sim_html_end end = { 0 };
    if (sim_html_write(s, &end)) return;
    perror("sim: the page cannot be written");
    exit(2);
}

static void count_net(struct sim *s)
{
    const struct sim_net_stats *n = sim_net_stats(s->net);
    s->totals.faults[SIM_FAULT_LOSS] += n->lost;
    s->totals.faults[SIM_FAULT_DELAY] += n->delayed;
    s->totals.faults[SIM_FAULT_DUPLICATE] += n->duplicated;
    s->totals.faults[SIM_FAULT_REPLAY] += n->replayed;
    s->totals.rare[SIM_RARE_STREAM_CUT] += n->cut_frames;
    s->totals.rare[SIM_RARE_FRAME_REPLAYED] += n->replayed;
    s->totals.virtual_us += sim_now_us(s);
}

void sim_run(const struct sim_options *opts, uint64_t seed, struct sim_trail *trail, bool compare,
             struct sim_totals *totals, uint64_t *hash)
{
    struct sim s = {
        .opts = opts, .phase = SIM_PHASE_SAFETY, .schedule = opts->schedule, .trace = opts->trace
    };
    s.enumeration = opts->enumeration;
    if (opts->schedule) sim_schedule_rewind(opts->schedule);
    if (sim_replays(&s))
        s.plan = s.schedule->plan;
    else
        sim_plan_draw(&s.plan, opts, seed);
    if (s.enumeration) sim_enumerate_plan(s.enumeration, &s.plan);
    if (sim_notes(&s)) s.schedule->plan = s.plan;
    if (opts->html) sim_html_begin(opts->html);
    sim_report_current(&s);
    sim_events_init(&s.events);
    sim_alloc_init(&s.alloc);
    make_network(&s);
    sim_check_create(&s);
    sim_cluster_create(&s);
    sim_workload_create(&s);
    sim_watch_create(&s);
    sim_leases_create(&s);
    sim_reads_create(&s);
    sim_backup_create(&s);
    sim_record_create(&s);
    sim_faults_create(&s);
    loop(&s, trail, compare);
    sim_check_finish(&s);
    sim_workload_finish(&s);
    count_net(&s);
    if (opts->html) write_page(&s);
    sim_faults_destroy(&s);
    sim_record_destroy(&s);
    sim_watch_destroy(&s);
    sim_leases_destroy(&s);
    sim_reads_destroy(&s);
    sim_backup_destroy(&s);
    sim_workload_destroy(&s);
    sim_cluster_destroy(&s);
    sim_check_destroy(&s);
    sim_net_destroy(s.net);
    if (s.alloc.alive != 0) {
        sim_fail(SIM_FAIL_SAFETY, "K21", "%llu blocks of memory are left over",
                 (unsigned long long)s.alloc.alive);
    }
    sim_events_fini(&s.events);
    *totals = s.totals;
    *hash = s.hash;
    sim_report_current(NULL);
}
