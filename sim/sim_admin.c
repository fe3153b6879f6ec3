/* sim_admin.c: an administrator who adds and removes members through the API while everything else goes
 * on. It does one thing at a time, tries again what failed, and starts the machine of a new member as
 * soon as the cluster may know it. Each attempt names another port, so that a configuration tells which
 * attempt it came from. */
#include <stdio.h>

#include "sim/sim_workload_private.h"

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

bool sim_admin_draw(struct sim *s, struct sim_op *op)
{
    const struct config *c = sim_check_config(s);
    if (!c) return false;
    if (ms_rand_below(&s->workload->rand, 4) && draw_replace(s, c, op)) return true;
    bool room =
        s->cluster->count < SIM_MEMBERS_MAX && c->member_count < s->plan.node_count + MEMBERS_MORE;
    bool wanted = c->member_count < 3 || ms_rand_below(&s->workload->rand, 2);
    if (s->workload->adding || (room && wanted)) {
        draw_add(s, op);
        return true;
    }
    return draw_remove(s, c, op);
}

/* The machine is started when the cluster may know its member. */
static void add_told(struct sim *s, const struct sim_op *op, const char *url, enum sim_outcome outcome)
{
    struct sim_member *m = machine_of(s, op->member_id);
    if (outcome == SIM_OUT_NO && !sim_check_url_committed(s, url)) return;
    if (!m->url[0]) memcpy(m->url, url, sizeof m->url);
    if (m->state == SIM_MEMBER_DOWN) sim_member_start_soon(s, m->index, 1000);
    if (outcome == SIM_OUT_OK) s->workload->adding = 0;
}

/* K12 for changes: told "done", it is committed; told "never", it is not. */
void sim_admin_told(struct sim *s, struct sim_op *op, enum sim_outcome outcome)
{
    char url[MS_URL_BYTES_MAX + 1];
    const struct config *c = sim_check_config(s);
    sim_member_url(url, op->member_id, op->port);
    if (op->kind == SIM_OP_REMOVE) {
        if (outcome == SIM_OUT_OK && config_find(c, op->member_id)) {
            sim_fail(SIM_FAIL_SAFETY, "K12",
                     "the removal of m%llu is acknowledged, it is a member still",
                     (unsigned long long)op->member_id);
        }
        return;
    }
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
