/* sim_check.c: the life of the ghost, and what is asked of it. */
#include "sim/sim_check_private.h"

void sim_check_create(struct sim *s)
{
    s->check = calloc(1, sizeof *s->check);
    MS_ASSERT(s->check != NULL);
    s->check->decoded = malloc(RAFT_MSG_ENTRIES_MAX * sizeof *s->check->decoded);
    MS_ASSERT(s->check->decoded != NULL);
}

void sim_check_destroy(struct sim *s)
{
    struct sim_check *k = s->check;
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        struct chk_member *c = &k->members[i];
        chk_log_fini(&c->mem);
        chk_log_fini(&c->durable);
        chk_log_fini(&c->torn_log);
        chk_batch_fini(&c->written);
        free(c->configs);
        free(c->votes);
    }
    for (size_t i = 0; i < k->config_count; i++) free(k->configs[i]);
    chk_log_fini(&k->ledger);
    free(k->configs);
    free(k->applied);
    free(k->leaders);
    free(k->seen);
    free(k->decoded);
    free(k);
    s->check = NULL;
}

void sim_check_started(struct sim *s, struct sim_member *m)
{
    chk_disk_restart(s, m);
    chk_mem_restart(s, m);
    chk_applied_restart(s, m);
    chk_member(s, m)->started = true;
}

uint64_t sim_check_commit(const struct sim *s)
{
    return s->check->commit;
}

bool sim_check_quorum_holds(struct sim *s, uint64_t index)
{
    const struct chk_config *c = s->check->committed_config;
    const struct chk_entry *e = chk_at(&s->check->ledger, index);
    return c && e && chk_quorum(s, &c->config, index, e->term);
}

bool sim_check_converged(struct sim *s)
{
    const struct sim_member *first = NULL;
    struct kv_info info, other;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (m->state == SIM_MEMBER_GONE) continue;
        if (m->state != SIM_MEMBER_UP || m->jobs.count > 0) return false;
        const struct raft *r = node_raft(sim_member_node(m));
        kv_info(m->kv, first ? &other : &info);
        const struct kv_info *now = first ? &other : &info;
        if (now->applied_index != raft_commit_index(r) || raft_commit_index(r) != s->check->commit)
            return false;
        if (!first)
            first = m;
        else if (memcmp(&info.digest, &other.digest, sizeof info.digest) != 0)
            return false;
    }
    return first != NULL;
}

void sim_check_finish(struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        struct kv_info info;
        struct kv_digest scanned;
        if (m->state != SIM_MEMBER_UP) continue;
        kv_info(m->kv, &info);
        if (kv_digest_by_scan(m->kv, &scanned) < 0 ||
            memcmp(&scanned, &info.digest, sizeof scanned) != 0) {
            sim_fail(SIM_FAIL_SAFETY, "K10", "m%u: a scan of the state gives another digest", i + 1);
        }
    }
    s->totals.entries = chk_last(&s->check->ledger);
    if (s->check->leader_terms > 0) s->totals.leader_changes = s->check->leader_terms - 1;
}
