/* sim_admin.c: an administrator who adds and removes members through the API while everything else goes
 * on. It does one thing at a time, tries again what failed, and starts the machine of a new member as
 * soon as the cluster may know it. Each attempt names another port, so that a configuration tells which
 * attempt it came from. */
#include <stdio.h>

#include "sim/sim_record.h"
#include "sim/sim_schedule.h"
#include "sim/sim_workload_private.h"

#define CHANGE_US_MAX UINT64_C(10000000) /* after that a change of unknown outcome is over */
#define MEMBERS_LEAST 2u
#define MEMBERS_MORE 3u /* than at the beginning, at most */

bool sim_is_admin(const struct sim *s, const struct sim_client *c)
{
    return c->index == s->plan.client_count;
}

static struct sim_member *machine_of(struct sim *s, uint64_t id)
{
    return sim_member_at(s, (uint32_t)id - 1);
}

static void draw_add(struct sim *s, struct sim_op *op)
{
    struct sim_workload *w = s->workload;
    if (w->adding == 0) {
        struct sim_member *m = sim_cluster_add(s);
        MS_ASSERT(m != NULL);
        w->adding = m->id;
    }
    op->kind = SIM_OP_ADD;
    op->member_id = w->adding;
    op->port = SIM_PORT_FIRST + ++w->next_port;
}

static bool draw_remove(struct sim *s, const struct config *c, struct sim_op *op)
{
    uint32_t at = (uint32_t)ms_rand_below(&s->workload->rand, c->member_count);
    if (c->member_count <= MEMBERS_LEAST || c->members[at].id == s->workload->adding) return false;
    op->kind = SIM_OP_REMOVE;
    op->member_id = c->members[at].id;
    return true;
}

/* A member that has lost its disk is removed, then added anew under the same id. */
static bool draw_replace(struct sim *s, const struct config *c, struct sim_op *op)
{
    struct sim_workload *w = s->workload;
    for (uint32_t i = 0; i < s->cluster->count && w->adding == 0; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (!sim_check_waits(s, i) || m->state == SIM_MEMBER_GONE) continue;
        if (!config_find(c, m->id)) {
            w->adding = m->id;
            draw_add(s, op);
            return true;
        }
        op->kind = SIM_OP_REMOVE;
        op->member_id = m->id;
        return true;
    }
    return false;
}

/* --- several at once --- */

/* A machine that no member has, made for an earlier attempt; or a new one. */
static struct sim_member *spare_machine(struct sim *s, const struct config *c, uint32_t taken)
{
    for (uint32_t i = s->plan.node_count; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        bool unused = m->state == SIM_MEMBER_DOWN && !m->url[0] && m->id != s->workload->adding;
        if (unused && !(taken >> m->id & 1) && !config_find(c, m->id)) return m;
    }
    return sim_cluster_add(s);
}

/* Some voters go, some machines come, at least one thing of the two. */
static bool draw_set(struct sim *s, const struct config *c, struct sim_op *op)
{
    struct ms_rand *r = &s->workload->rand;
    uint32_t goes = (uint32_t)ms_rand_below(r, 3), comes = (uint32_t)ms_rand_below(r, 3), voters = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].roles & CONFIG_VOTER) op->set |= 1u << c->members[i].id;
        voters += c->members[i].roles & CONFIG_VOTER;
    }
    for (; goes > 0 && voters > MEMBERS_LEAST; goes--) {
        uint64_t id = c->members[ms_rand_below(r, c->member_count)].id;
        if (op->set >> id & 1) voters--;
        op->set &= ~(1u << id);
    }
    for (; comes > 0 && voters < s->plan.node_count + MEMBERS_MORE; comes--) {
        const struct sim_member *m = spare_machine(s, c, op->set);
        if (!m) break;
        op->set |= 1u << m->id;
        op->fresh |= 1u << m->id;
        voters++;
    }
    op->kind = SIM_OP_SET;
    op->port = SIM_PORT_FIRST + ++s->workload->next_port;
    return op->set != 0;
}

static bool draw_transfer(struct sim *s, const struct config *c, struct sim_op *op)
{
    struct ms_rand *r = &s->workload->rand;
    op->kind = SIM_OP_TRANSFER;
    op->member_id = ms_rand_below(r, 3) ? c->members[ms_rand_below(r, c->member_count)].id : 0;
    return true;
}

/* On most of the time, so that reads are served by it. */
static bool draw_lease(struct sim *s, const struct config *c, struct sim_op *op)
{
    op->kind = SIM_OP_LEASE;
    op->member_id = c->lease_ms == 0 || ms_rand_below(&s->workload->rand, 5) != 0;
    return true;
}

static bool draw_member(struct sim *s, const struct config *c, struct sim_op *op)
{
    if (ms_rand_below(&s->workload->rand, 4) && draw_replace(s, c, op)) return true;
    bool room =
        s->cluster->count < SIM_MEMBERS_MAX && c->member_count < s->plan.node_count + MEMBERS_MORE;
    bool wanted = c->member_count < 3 || ms_rand_below(&s->workload->rand, 2);
    if (s->workload->adding || (room && wanted)) {
        draw_add(s, op);
        return true;
    }
    return !sim_record_any_broken(s) && draw_remove(s, c, op);
}

bool sim_admin_draw(struct sim *s, struct sim_op *op)
{
    const struct config *c = sim_check_config(s);
    const struct sim_plan *p = &s->plan;
    if (!c) return false;
    if (p->leases && (c->lease_ms == 0 || ms_rand_below(&s->workload->rand, 6) == 0)) {
        return draw_lease(s, c, op);
    }
    switch (ms_rand_below(&s->workload->rand, 3)) {
    case 0: return p->churn && draw_member(s, c, op);
    case 1: return p->exchanges && !sim_record_any_broken(s) && draw_set(s, c, op);
    default: return p->transfers && draw_transfer(s, c, op);
    }
}

bool sim_workload_changes(const struct sim *s)
{
    const struct sim_workload *w = s->workload;
    if (s->plan.admin_us == 0) return false;
    bool out = w->clients[s->plan.client_count].state != SIM_CLIENT_RESTING;
    return out || sim_now_us(s) < w->changing_until_us;
}

/* --- what is asked --- */

static void set_body(const struct sim_op *op, char *body, size_t cap)
{
    size_t len = 0;
    for (uint64_t id = 1; id <= SIM_MEMBERS_MAX; id++) {
        char url[MS_URL_BYTES_MAX + 1];
        if (!(op->set >> id & 1)) continue;
        len += (size_t)snprintf(body + len, cap - len, "%s{\"id\": %llu", len ? ", " : "[",
                                (unsigned long long)id);
        sim_member_url(url, id, op->port);
        if (op->fresh >> id & 1) {
            len += (size_t)snprintf(body + len, cap - len, ", \"url\": \"%s\"", url);
        }
        len += (size_t)snprintf(body + len, cap - len, "}");
        MS_ASSERT(len + 2 < cap);
    }
    snprintf(body + len, cap - len, "]");
}

void sim_admin_request(const struct sim_op *op, char path[32], char *body, size_t cap)
{
    char url[MS_URL_BYTES_MAX + 1];
    snprintf(path, 32, "%llu", (unsigned long long)op->member_id);
    switch (op->kind) {
    case SIM_OP_ADD:
        sim_member_url(url, op->member_id, op->port);
        snprintf(body, cap, "%s", url);
        break;
    case SIM_OP_SET:
        snprintf(path, 32, "_/members");
        set_body(op, body, cap);
        break;
    case SIM_OP_TRANSFER:
        if (op->member_id) snprintf(body, cap, "%s", path);
        snprintf(path, 32, "_/leader");
        break;
    case SIM_OP_LEASE:
        snprintf(body, cap, "{\"lease_reads\": %s}", op->member_id ? "true" : "false");
        snprintf(path, 32, "_/settings");
        break;
    default: break;
    }
}

/* --- as actions of a schedule --- */

void sim_admin_note(const struct sim_op *op, struct sim_action *out)
{
    static const enum sim_topic topics[] = {
        [SIM_OP_ADD] = SIM_TOPIC_ADD,     [SIM_OP_REMOVE] = SIM_TOPIC_REMOVE,
        [SIM_OP_SET] = SIM_TOPIC_SET,     [SIM_OP_TRANSFER] = SIM_TOPIC_NONE,
        [SIM_OP_LEASE] = SIM_TOPIC_LEASE,
    };
    out->verb = op->kind == SIM_OP_TRANSFER ? SIM_VERB_TRANSFER : SIM_VERB_CHANGE;
    out->topic = topics[op->kind];
    out->subject = (uint32_t)op->member_id;
    out->amount = op->port;
    out->members = op->set;
    out->joins = op->fresh;
}

static enum sim_op_kind kind_of(const struct sim_action *a)
{
    switch (a->topic) {
    case SIM_TOPIC_ADD: return SIM_OP_ADD;
    case SIM_TOPIC_REMOVE: return SIM_OP_REMOVE;
    case SIM_TOPIC_SET: return SIM_OP_SET;
    case SIM_TOPIC_LEASE: return SIM_OP_LEASE;
    default: return SIM_OP_TRANSFER;
    }
}

static bool make_machines(struct sim *s, uint64_t highest)
{
    while (s->cluster->count < highest) {
        if (!sim_cluster_add(s)) return false;
    }
    return true;
}

/* No operator adds a machine whose disk says that it is, or was, a member; unless that disk is lost. */
static bool may_add(struct sim *s, uint64_t id)
{
    if (!make_machines(s, id)) return false;
    const struct sim_member *m = machine_of(s, id);
    bool new = m->joins && !m->url[0], again = s->workload->adding == id;
    return m->state != SIM_MEMBER_GONE && (new || again || sim_check_waits(s, m->index));
}

static bool may_set(struct sim *s, uint32_t joins)
{
    for (uint64_t id = 1; id <= SIM_MEMBERS_MAX; id++) {
        if (!(joins >> id & 1)) continue;
        if (!make_machines(s, id) || s->workload->adding == id) return false;
        const struct sim_member *m = machine_of(s, id);
        if (!m->joins || m->url[0] || m->state != SIM_MEMBER_DOWN) return false;
    }
    return true;
}

bool sim_admin_perform(struct sim *s, const struct sim_action *a, struct sim_op *out)
{
    out->kind = kind_of(a);
    out->member_id = a->subject;
    out->port = (uint32_t)a->amount;
    out->set = a->members;
    out->fresh = a->joins;
    out->rejoins = a->rejoin;
    switch (out->kind) {
    case SIM_OP_LEASE: return s->plan.leases; /* else clocks keep to no bound */
    case SIM_OP_REMOVE: return s->workload->adding != a->subject;
    case SIM_OP_SET: return may_set(s, out->fresh);
    case SIM_OP_ADD:
        if (!may_add(s, a->subject)) return false;
        s->workload->adding = a->subject;
        return true;
    default: return true;
    }
}

/* --- what is told --- */

/* Whether one that lost its disk is now started with --join: decided when its adding is told. */
static bool rejoins(struct sim *s, const struct sim_op *op)
{
    if (sim_replays(s)) return op->rejoins;
    bool drawn = ms_rand_below(&s->workload->rand, 2);
    if (sim_notes(s) && op->action > 0) s->schedule->actions[op->action - 1].rejoin = drawn;
    return drawn;
}

/* The machine is started when the cluster may know its member. */
static void add_told(struct sim *s, const struct sim_op *op, const char *url, enum sim_outcome outcome)
{
    struct sim_member *m = machine_of(s, op->member_id);
    if (outcome == SIM_OUT_NO && !sim_check_url_committed(s, url)) return;
    if (!m->url[0]) memcpy(m->url, url, sizeof m->url);
    if (rejoins(s, op)) sim_member_rejoin(s, m->index);
    if (m->state == SIM_MEMBER_DOWN) sim_member_start_soon(s, m->index, 1000);
    if (outcome == SIM_OUT_OK) s->workload->adding = 0;
}

/* Machines are started as soon as the cluster may know their members. */
static void set_told(struct sim *s, const struct sim_op *op, enum sim_outcome outcome)
{
    for (uint64_t id = 1; id <= SIM_MEMBERS_MAX; id++) {
        char url[MS_URL_BYTES_MAX + 1];
        if (!(op->fresh >> id & 1)) continue;
        sim_member_url(url, id, op->port);
        bool committed = sim_check_url_committed(s, url);
        if (outcome == SIM_OUT_NO && committed) {
            sim_fail(SIM_FAIL_SAFETY, "K12",
                     "m%llu came as %s, the administrator is told that it never does",
                     (unsigned long long)id, url);
        }
        if (outcome == SIM_OUT_NO) continue;
        struct sim_member *m = machine_of(s, id);
        memcpy(m->url, url, sizeof m->url);
        if (m->state == SIM_MEMBER_DOWN) sim_member_start_soon(s, m->index, 1000);
    }
}

/* To anybody: whom the asked member takes for the leader in the end is another one than whom it took for it
 * before, and both have led no earlier than in the term in which it was asked. */
static void check_handed_over(struct sim *s, const struct sim_op *op)
{
    if (sim_check_led_by_two(s, op->term)) return;
    sim_fail(SIM_FAIL_SAFETY, "K12",
             "a transfer to anybody is acknowledged by m%u, nobody has taken over since term %llu",
             op->target + 1, (unsigned long long)op->term);
}

static void transfer_told(struct sim *s, const struct sim_op *op, enum sim_outcome outcome)
{
    if (outcome != SIM_OUT_OK) return;
    sim_rare(s, SIM_RARE_TRANSFERRED);
    if (op->member_id == 0) check_handed_over(s, op);
    if (op->member_id == 0 || sim_check_has_led(s, op->member_id)) return;
    sim_fail(SIM_FAIL_SAFETY, "K12", "a transfer to m%llu is acknowledged, it has never led",
             (unsigned long long)op->member_id);
}

static void lease_told(struct sim *s, const struct sim_op *op, enum sim_outcome outcome)
{
    if (outcome != SIM_OUT_OK || sim_check_lease_since(s, op->bound, op->member_id)) return;
    sim_fail(SIM_FAIL_SAFETY, "K12", "lease reads are acknowledged as switched %s, and are not",
             op->member_id ? "on" : "off");
}

/* That it is a member by now proves nothing: a change that was given up may have come behind the removal. */
static void remove_told(struct sim *s, const struct sim_op *op, enum sim_outcome outcome)
{
    if (outcome != SIM_OUT_OK || sim_check_removed_since(s, op->bound, op->member_id)) return;
    sim_fail(SIM_FAIL_SAFETY, "K12", "the removal of m%llu is acknowledged and not committed",
             (unsigned long long)op->member_id);
}

static void member_added(struct sim *s, const struct sim_op *op, enum sim_outcome outcome)
{
    char url[MS_URL_BYTES_MAX + 1];
    sim_member_url(url, op->member_id, op->port);
    bool committed = sim_check_url_committed(s, url);
    if (outcome == SIM_OUT_OK && !committed) {
        sim_fail(SIM_FAIL_SAFETY, "K12", "the adding of m%llu is acknowledged and not committed",
                 (unsigned long long)op->member_id);
    }
    if (outcome == SIM_OUT_NO && committed) {
        sim_fail(SIM_FAIL_SAFETY, "K12",
                 "m%llu was added as %s, the administrator is told that it never is",
                 (unsigned long long)op->member_id, url);
    }
    add_told(s, op, url, outcome);
}

/* K12 for changes: told "done", it is committed; told "never", it is not. */
void sim_admin_told(struct sim *s, struct sim_op *op, enum sim_outcome outcome)
{
    s->workload->changing_until_us = outcome == SIM_OUT_UNKNOWN ? sim_now_us(s) + CHANGE_US_MAX : 0;
    switch (op->kind) {
    case SIM_OP_ADD: member_added(s, op, outcome); break;
    case SIM_OP_REMOVE: remove_told(s, op, outcome); break;
    case SIM_OP_SET: set_told(s, op, outcome); break;
    case SIM_OP_TRANSFER: transfer_told(s, op, outcome); break;
    case SIM_OP_LEASE: lease_told(s, op, outcome); break;
    default: MS_UNREACHABLE();
    }
}
