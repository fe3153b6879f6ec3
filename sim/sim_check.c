/* sim_check.c: the life of the ghost, and what is asked of it. */
#include "sim/sim_check_private.h"
#include "sim/sim_core.h"

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
        chk_log_fini(&c->before_lie);
        chk_log_fini(&c->before_first);
        chk_log_fini(&c->lost);
        chk_batch_fini(&c->written);
        chk_tried_fini(c);
        free(c->configs);
        free(c->votes);
    }
    for (size_t i = 0; i < k->config_count; i++) free(k->configs[i]);
    chk_streams_fini(k);
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
    if (!m->from_newest && chk_member(s, m)->latent) { /* found now; what it opened with is whole */
        sim_check_harmed(s, m);
        chk_member(s, m)->latent = false;
    }
    chk_differ_restart(s, m);
    chk_disk_restart(s, m);
    chk_mem_restart(s, m);
    chk_applied_restart(s, m);
    chk_load_restart(s, m);
    chk_size_restart(s, m);
    chk_member(s, m)->started = true;
    chk_wipe_look(s, m);
}

uint64_t sim_check_commit(const struct sim *s)
{
    return s->check->commit;
}

bool sim_check_committed(const struct sim *s, uint64_t index)
{
    return index > 0 && index <= chk_last(&s->check->ledger);
}

const struct config *sim_check_config(const struct sim *s)
{
    return s->check->committed_config ? &s->check->committed_config->config : NULL;
}

const struct config *sim_check_newest_config(const struct sim *s, uint32_t index)
{
    const struct chk_member *c = &s->check->members[index];
    return c->config_count ? &c->configs[c->config_count - 1]->config : NULL;
}

uint64_t sim_check_leaders(const struct sim *s)
{
    return s->check->leader_terms;
}

uint64_t sim_check_excused_ends(const struct sim *s)
{
    return s->check->excused_ends;
}

bool sim_check_has_led(const struct sim *s, uint64_t id)
{
    for (uint64_t term = 1; term <= s->check->leader_term; term++) {
        if (s->check->leaders[term] == id) return true;
    }
    return false;
}

uint64_t sim_check_term(const struct sim *s, uint32_t index)
{
    return s->check->members[index].term;
}

bool sim_check_led_by_two(const struct sim *s, uint64_t term)
{
    uint64_t first = 0;
    for (uint64_t t = term ? term : 1; t <= s->check->leader_term; t++) {
        uint64_t id = s->check->leaders[t];
        if (first && id && id != first) return true;
        if (first == 0) first = id;
    }
    return false;
}

static bool is_committed(const struct sim *s, const struct chk_config *c)
{
    const struct chk_entry *e = chk_at(&s->check->ledger, c->index);
    return e && e->term == c->term;
}

bool sim_check_lease_since(const struct sim *s, uint64_t index, bool on)
{
    const struct chk_config *before = NULL;
    for (size_t i = 0; i < s->check->config_count; i++) {
        const struct chk_config *c = s->check->configs[i];
        if (!is_committed(s, c)) continue;
        if (c->index <= index && (!before || c->index > before->index)) before = c;
        if (c->index > index && (c->config.lease_ms > 0) == on) return true;
    }
    return before && (before->config.lease_ms > 0) == on;
}

bool sim_check_removed_since(const struct sim *s, uint64_t index, uint64_t id)
{
    for (size_t i = 0; i < s->check->config_count; i++) {
        const struct chk_config *c = s->check->configs[i];
        if (c->index > index && is_committed(s, c) && !config_find(&c->config, id)) return true;
    }
    return false;
}

/* Of all configurations that are committed: whether one has the member, or (id 0) the URL. */
static bool was_committed(const struct sim *s, uint64_t id, const char *url)
{
    for (size_t i = 0; i < s->check->config_count; i++) {
        const struct chk_config *c = s->check->configs[i];
        if (!is_committed(s, c)) continue;
        if (id ? config_find(&c->config, id) != NULL : config_find_url(&c->config, url) != NULL)
            return true;
    }
    return false;
}

bool sim_check_url_committed(const struct sim *s, const char *url)
{
    return was_committed(s, 0, url);
}

static bool is_equal(const struct sim *s, const struct sim_member *m, struct kv_info *info)
{
    if (m->state != SIM_MEMBER_UP || m->jobs.count > 0) return false;
    uint64_t commit = raft_commit_index(node_raft(sim_member_node(m)));
    kv_info(m->kv, info);
    return info->applied_index == commit && commit == s->check->commit;
}

/* Whether a member that is none any more has to have stopped by now: it knew that it was one, and it
 * knows somebody who can tell. One whose peers were all removed while it was away looks for them for
 * ever. */
static bool must_stop(const struct sim *s, const struct sim_member *m, const struct config *config)
{
    if (!m->attached || m->state == SIM_MEMBER_GONE || !was_committed(s, m->id, NULL)) return false;
    if (m->state != SIM_MEMBER_UP) return true;
    struct node_peer peers[MS_MEMBERS_MAX + 1];
    uint32_t count = node_peers(sim_member_node(m), peers);
    for (uint32_t i = 0; i < count; i++) {
        if (config_find(config, peers[i].id)) return true;
    }
    return false;
}

/* Members (bits by id) that can do what a configuration asks of them, and are where the leader is. */
static uint32_t able_members(struct sim *s, const struct config *config)
{
    uint32_t set = 0;
    struct kv_info info;
    for (uint32_t i = 0; i < config->member_count; i++) {
        uint64_t id = config->members[i].id;
        if (id > s->cluster->count || !sim_core_expects(s, (uint32_t)id - 1)) continue;
        if (is_equal(s, sim_member_at(s, (uint32_t)id - 1), &info)) set |= 1u << id;
    }
    return set;
}

/* All that join are there, and those who vote then can commit. */
static bool owes_exchange(const struct config *config, uint32_t able)
{
    struct config after = *config;
    for (uint32_t i = 0; i < config->member_count; i++) {
        const struct config_member *m = &config->members[i];
        if ((m->roles & CONFIG_JOINS) && !(able >> m->id & 1)) return false;
    }
    config_enter(&after);
    return sim_check_is_quorum(&after, able);
}

static bool owes_promotion(const struct config *config, uint32_t able)
{
    for (uint32_t i = 0; i < config->member_count; i++) {
        const struct config_member *m = &config->members[i];
        if ((m->roles & CONFIG_PROMOTE) && (able >> m->id & 1)) return true;
    }
    return false;
}

/* A wish waits for members that may never come, and for a quorum that may never live: machines that stay down, or wait
 * for their removal, excuse it. Beside a core, and in zone b, somebody always may be missing. */
bool sim_check_owes_change(struct sim *s)
{
    const struct config *config = sim_check_config(s);
    if (!config || s->core != SIM_CORE_ALL) return false;
    if (config_is_joint(config)) return true;
    if (s->plan.beyond) return false;
    uint32_t able = able_members(s, config);
    return config_has_wish(config) ? owes_exchange(config, able) : owes_promotion(config, able);
}

bool sim_check_converged(struct sim *s)
{
    const struct config *config = sim_check_config(s);
    struct kv_info info, first;
    bool any = false;
    uint32_t members = 0; /* that are equal, or of a core and removed since by a leader outside of it */
    for (uint32_t i = 0; i < s->cluster->count && config; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (!config_find(config, m->id)) {
            if (s->core == SIM_CORE_ALL && must_stop(s, m, config)) return false;
            members += s->core != SIM_CORE_ALL && sim_in_core(s, i) && m->state == SIM_MEMBER_GONE;
            continue;
        }
        if (!sim_core_expects(s, i)) continue;
        if (!is_equal(s, m, &info)) return false;
        if (!any) first = info;
        any = true;
        members++;
        if (memcmp(&info.digest, &first.digest, sizeof first.digest) != 0) return false;
    }
    return members > 0 && !sim_check_owes_change(s);
}

void sim_check_finish(struct sim *s)
{
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct sim_member *m = sim_member_at(s, i);
        struct kv_info info;
        struct kv_digest scanned;
        m->alloc.quiet = true;
        if (m->state != SIM_MEMBER_UP || s->check->members[i].latent) continue;
        kv_info(m->kv, &info);
        if (kv_digest_by_scan(m->kv, &scanned) < 0 ||
            memcmp(&scanned, &info.digest, sizeof scanned) != 0) {
            sim_fail(SIM_FAIL_SAFETY, "K10", "m%u: a scan of the state gives another digest", i + 1);
        }
    }
    s->totals.entries = chk_last(&s->check->ledger);
    if (s->check->leader_terms > 0) s->totals.leader_changes = s->check->leader_terms - 1;
}
