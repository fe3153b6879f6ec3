/* sim_workload.c: which operations clients begin, when, and through whom. */
#include "sim/sim_backup.h"
#include "sim/sim_core.h"
#include "sim/sim_lease.h"
#include "sim/sim_limits.h"
#include "sim/sim_schedule.h"
#include "sim/sim_workload_private.h"

#define PROBE_PAUSE_US 50000u
#define VALUE_BYTES_MIN 12u

#define PURPOSE_PROBE 33u

static void wake_in(struct sim *s, struct sim_client *c, uint64_t delay_us)
{
    sim_events_push(&s->events, sim_now_us(s) + delay_us, SIM_EVENT_CLIENT_WAKE,
                    sim_client_owner(c->index), ++c->wake, 0);
}

static void rest(struct sim *s, struct sim_client *c)
{
    c->state = SIM_CLIENT_RESTING;
    if (s->workload->probing) {
        if (c->index != 0)
            sim_client_drop(s, c); /* its place is for the probe */
        else if (!s->workload->probed)
            wake_in(s, c, PROBE_PAUSE_US);
        return;
    }
    if (sim_replays(s)) { /* its next operation is an action */
        c->wake++;
        return;
    }
    uint64_t mean_us = sim_is_admin(s, c) ? s->plan.admin_us : s->plan.think_us;
    wake_in(s, c, ms_rand_below(&s->workload->rand, 2 * mean_us + 1));
}

void sim_workload_create(struct sim *s)
{
    struct sim_workload *w = calloc(1, sizeof *w);
    MS_ASSERT(w != NULL);
    s->workload = w;
    ms_rand_init(&w->rand, s->plan.seed, 30);
    w->client_count = s->plan.client_count + (s->plan.admin_us != 0);
    w->key_count = s->plan.key_count;
    sim_limits_init(&w->limits_rand, &s->plan);
    sim_condition_init(s);
    w->request_cap = sim_limits_most(&s->plan) + 1024;
    w->request = malloc(w->request_cap);
    MS_ASSERT(w->request != NULL && w->client_count <= SIM_LEASE_CLIENT_FIRST);
    for (uint32_t i = 0; i < w->client_count; i++) {
        struct sim_client *c = &w->clients[i];
        *c = (struct sim_client){ .index = i, .target = i % s->plan.node_count };
        rest(s, c);
    }
}

void sim_workload_destroy(struct sim *s)
{
    struct sim_workload *w = s->workload;
    for (uint32_t i = 0; i < w->client_count; i++) free(w->clients[i].in);
    sim_ledger_fini(w);
    free(w->request);
    free(w);
    s->workload = NULL;
}

/* --- which --- */

/* The probe: a PUT through anybody, a GET through each member, a PUT through each. A member serves reads while what
 * it proposes is lost, or taken for a repetition. */
#define PROBE_STEPS (1 + 2 * SIM_MEMBERS_MAX)

static enum sim_op_kind probe_kind(uint32_t step)
{
    return step >= 1 && step <= SIM_MEMBERS_MAX ? SIM_OP_GET : SIM_OP_PUT;
}

/* Of steps from 1 on. */
static uint32_t probe_member(uint32_t step)
{
    return (step - 1) % SIM_MEMBERS_MAX;
}

bool sim_workload_asks(struct sim *s, uint32_t index)
{
    const struct config *c = sim_check_config(s);
    if (index >= s->cluster->count || (c && !config_find(c, sim_member_at(s, index)->id))) return false;
    return sim_core_expects(s, index);
}

static bool skips(struct sim *s, uint32_t step)
{
    return step >= 1 && step < PROBE_STEPS && !sim_workload_asks(s, probe_member(step));
}

/* Whether a member may serve: it has not been removed, and has been started at all. */
static bool serves(struct sim *s, uint32_t index)
{
    const struct sim_member *m = sim_member_at(s, index);
    if (s->core && !sim_core_expects(s, index)) return false;
    if (s->workload->probing && !sim_workload_asks(s, index)) return false;
    return m->state != SIM_MEMBER_GONE && (!m->joins || m->url[0]);
}

/* fresh: on a connection of its own, even if the last one would do. */
static void set_target(struct sim *s, struct sim_client *c, uint32_t target, bool fresh)
{
    if (fresh || target != c->target) sim_client_drop(s, c);
    c->target = target;
    c->target_bad = false;
}

static void choose_target(struct sim *s, struct sim_client *c, uint32_t want)
{
    struct ms_rand *r = &s->workload->rand;
    uint32_t count = s->cluster->count, target = c->target;
    if (want < count)
        target = want;
    else if (c->target_bad || ms_rand_below(r, 100) >= s->plan.stick_percent) {
        target = (uint32_t)ms_rand_below(r, count);
        for (uint32_t i = 0; i < count && !serves(s, target); i++) target = (target + 1) % count;
    }
    c->fresh = target != c->target || ms_rand_below(r, 64) == 0;
    set_target(s, c, target, c->fresh);
}

static void draw_op(struct sim *s, struct sim_op *op)
{
    struct ms_rand *r = &s->workload->rand;
    uint64_t dice = ms_rand_below(r, 100);
    op->key = (uint32_t)ms_rand_below(r, s->workload->key_count);
    if (dice < s->plan.read_percent)
        op->kind = SIM_OP_GET;
    else if (dice < s->plan.read_percent + s->plan.delete_percent)
        op->kind = SIM_OP_DELETE;
    else
        op->kind = SIM_OP_PUT;
}

static void probe_step_done(struct sim *s)
{
    struct sim_workload *w = s->workload;
    do {
        w->probe_step++;
    } while (skips(s, w->probe_step));
    if (w->probe_step >= PROBE_STEPS) w->probed = true;
}

/* False: there is nothing to do now. want: through which member; UINT32_MAX: any. */
static bool choose_op(struct sim *s, const struct sim_client *c, struct sim_op *op, uint32_t *want)
{
    const struct sim_workload *w = s->workload;
    *want = UINT32_MAX;
    if (w->probing && skips(s, w->probe_step)) { /* removed only now, by an operation from before */
        probe_step_done(s);
        return false;
    }
    if (sim_is_admin(s, c)) return sim_admin_draw(s, op);
    draw_op(s, op);
    if (!w->probing) return true;
    op->kind = probe_kind(w->probe_step);
    if (w->probe_step > 0) *want = probe_member(w->probe_step);
    return true;
}

const char *sim_op_name(uint32_t kind)
{
    static const char *const names[] = { "",       "put", "get",      "delete", "add",
                                         "remove", "set", "transfer", "lease" };
    return kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
}

static void trace_op(const struct sim *s, const struct sim_client *c, const struct sim_op *op)
{
    bool change = op->kind > SIM_OP_DELETE;
    uint64_t what = op->kind == SIM_OP_SET ? op->set : change ? op->member_id : op->key;
    sim_trace(s, "c%u  begins operation %llu, %s %s%llx through m%u", c->index,
              (unsigned long long)c->number, sim_op_name(op->kind), change ? "m" : "k",
              (unsigned long long)what, c->target + 1);
}

static void op_note(struct sim *s, const struct sim_client *c, struct sim_op *op)
{
    struct sim_action a = { .verb = (enum sim_verb)(SIM_VERB_PUT + op->kind - SIM_OP_PUT),
                            .who = op->target,
                            .client = c->index,
                            .key = op->key,
                            .fresh = c->fresh };
    if (op->kind == SIM_OP_PUT) a.amount = op->value_bytes;
    a.condition = op->demand.condition;
    if (op->kind > SIM_OP_DELETE) sim_admin_note(op, &a);
    sim_note(s, &a);
    op->action = s->schedule->count;
}

static void op_send(struct sim *s, struct sim_client *c, struct sim_op *op)
{
    sim_condition_decide(s, op);
    c->number = sim_ledger_begin(s, op);
    if (op->kind == SIM_OP_TRANSFER) sim_ledger_op(s, c->number)->term = sim_check_term(s, op->target);
    trace_op(s, c, op);
    wake_in(s, c, (uint64_t)s->plan.client_timeout_ms * 1000);
    sim_client_request(s, c);
}

static void draw_limits(struct sim *s, struct sim_op *op)
{
    struct sim_workload *w = s->workload;
    if (op->kind != SIM_OP_PUT || w->probing) return;
    if (sim_limits_draw(&w->limits_rand, &s->plan, op->key, &op->value_bytes))
        s->totals.faults[SIM_FAULT_LIMITS]++;
}

static void op_begin(struct sim *s, struct sim_client *c)
{
    struct sim_op op = { .client = c->index };
    uint32_t want;
    if (!choose_op(s, c, &op, &want)) {
        rest(s, c);
        return;
    }
    choose_target(s, c, want);
    op.target = c->target;
    op.value_bytes = VALUE_BYTES_MIN;
    op.value_bytes +=
        (uint32_t)ms_rand_below(&s->workload->rand, s->plan.value_bytes_max - VALUE_BYTES_MIN);
    draw_limits(s, &op);
    if (op.kind == SIM_OP_PUT && !s->workload->probing) sim_condition_draw(s, &op);
    if (sim_notes(s) && !s->workload->probing) op_note(s, c, &op);
    op_send(s, c, &op);
}

/* --- operations of a schedule --- */

void sim_workload_perform(struct sim *s, const struct sim_action *a)
{
    struct sim_workload *w = s->workload;
    struct sim_client *c = &w->clients[a->client];
    struct sim_op op = { .client = a->client, .target = a->who, .key = a->key };
    bool out = a->client >= w->client_count || c->state != SIM_CLIENT_RESTING;
    if (out || w->probing || a->who >= s->cluster->count) return; /* A2 */
    if (a->verb <= SIM_VERB_DELETE) op.kind = (enum sim_op_kind)(SIM_OP_PUT + a->verb - SIM_VERB_PUT);
    if (a->verb == SIM_VERB_PUT) op.value_bytes = (uint32_t)a->amount;
    op.demand.condition = a->condition;
    if (a->verb > SIM_VERB_DELETE && !sim_admin_perform(s, a, &op)) return;
    set_target(s, c, a->who, a->fresh);
    op_send(s, c, &op);
}

bool sim_workload_decides(const struct sim *s, const struct sim_event *ev)
{
    uint32_t client = ev->who - SIM_MEMBERS_MAX;
    if (sim_is_lease_client(client) || client == SIM_BACKUP_CLIENT)
        return false; /* they are no part of a schedule */
    const struct sim_client *c = &s->workload->clients[ev->who - SIM_MEMBERS_MAX];
    return ev->a == c->wake && c->state == SIM_CLIENT_RESTING;
}

/* --- the probe --- */

void sim_workload_probe(struct sim *s)
{
    struct sim_workload *w = s->workload;
    w->probing = true;
    w->probed = false;
    w->probe_step = 0;
    ms_rand_init(&w->rand, s->plan.seed, PURPOSE_PROBE); /* no schedule has what is drawn from here on */
    for (uint32_t i = 0; i < w->client_count; i++) {
        if (w->clients[i].state == SIM_CLIENT_RESTING) rest(s, &w->clients[i]);
    }
}

void sim_client_done(struct sim *s, struct sim_client *c, enum sim_outcome outcome)
{
    struct sim_workload *w = s->workload;
    struct sim_op *op = sim_ledger_op(s, c->number);
    enum sim_op_kind wanted = probe_kind(w->probe_step);
    sim_ledger_end(s, c->number, outcome);
    bool mine = w->probing && c->index == 0 && op->begin_us >= s->healed_us && op->kind == wanted;
    if (mine && w->probe_step > 0) mine = op->target == probe_member(w->probe_step);
    if (mine && outcome == SIM_OUT_OK && !w->probed) probe_step_done(s);
    rest(s, c);
}

/* --- events and views --- */

static void timed_out(struct sim *s, struct sim_client *c)
{
    sim_client_drop(s, c);
    c->target_bad = true;
    sim_client_done(s, c, c->sent ? SIM_OUT_UNKNOWN : SIM_OUT_NO);
}

uint64_t sim_workload_event(struct sim *s, const struct sim_event *ev)
{
    struct sim_client *c = &s->workload->clients[ev->who - SIM_MEMBERS_MAX];
    if (ev->a != c->wake) return 0;
    if (c->state != SIM_CLIENT_RESTING)
        timed_out(s, c);
    else if (!s->workload->probing || (c->index == 0 && !s->workload->probed))
        op_begin(s, c);
    return ev->a;
}

bool sim_workload_enough(const struct sim *s)
{
    return s->workload->op_count >= s->plan.op_count;
}

bool sim_workload_idle(const struct sim *s)
{
    for (uint32_t i = 0; i < s->workload->client_count; i++) {
        if (s->workload->clients[i].state != SIM_CLIENT_RESTING) return false;
    }
    return true;
}

bool sim_workload_probed(const struct sim *s)
{
    return s->workload->probed;
}
