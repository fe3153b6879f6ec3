/* sim_check_config.c: K15: the configuration in force is the newest one in the log; what is committed
 * one after the other has quorums that meet; at most one waits for being committed. */
#include "sim/sim_check_private.h"

static bool decode_config(uint64_t index, struct bytes payload, struct config *out)
{
    struct entry e;
    if (entry_decode(payload, &e) < 0) return false;
    if (e.kind != ENTRY_INIT && e.kind != ENTRY_CONFIG) return false;
    struct bytes_reader in = bytes_reader_of(e.body);
    struct bytes uuid;
    if (e.kind == ENTRY_INIT && !bytes_read_span(&in, MS_UUID_BYTES, &uuid)) return false;
    if (config_decode(&in, out) < 0) return false;
    config_resolve(out, index);
    return true;
}

static const struct chk_config *find_config(const struct sim_check *k, uint64_t index, uint64_t term)
{
    for (size_t i = k->config_count; i > 0; i--) {
        if (k->configs[i - 1]->index == index && k->configs[i - 1]->term == term)
            return k->configs[i - 1];
    }
    return NULL;
}

static const struct chk_config *add_config(struct sim_check *k, uint64_t index, uint64_t term,
                                           const struct config *config)
{
    struct chk_config *c = malloc(sizeof *c);
    MS_ASSERT(c != NULL);
    *c = (struct chk_config){ .index = index, .term = term, .config = *config };
    if (k->config_count == k->config_cap) {
        k->config_cap = k->config_cap ? 2 * k->config_cap : 8;
        k->configs = realloc(k->configs, k->config_cap * sizeof(struct chk_config *));
        MS_ASSERT(k->configs != NULL);
    }
    k->configs[k->config_count++] = c;
    return c;
}

static void push_config(struct chk_member *c, const struct chk_config *config)
{
    if (c->config_count == c->config_cap) {
        c->config_cap = c->config_cap ? 2 * c->config_cap : 8;
        c->configs = realloc(c->configs, c->config_cap * sizeof(struct chk_config *));
        MS_ASSERT(c->configs != NULL);
    }
    c->configs[c->config_count++] = config;
}

void chk_config_seen(struct sim *s, struct chk_member *c, uint64_t index, uint64_t term,
                     struct bytes payload)
{
    struct config config;
    if (payload.len == 0 || (payload.data[0] != ENTRY_INIT && payload.data[0] != ENTRY_CONFIG)) return;
    if (!decode_config(index, payload, &config)) {
        sim_fail(SIM_FAIL_SAFETY, "K15", "entry %llu holds no configuration",
                 (unsigned long long)index);
    }
    const struct chk_config *known = find_config(s->check, index, term);
    push_config(c, known ? known : add_config(s->check, index, term, &config));
}

void chk_config_cut(struct chk_member *c, uint64_t last)
{
    while (c->config_count > 0 && c->configs[c->config_count - 1]->index > last) c->config_count--;
}

void chk_config_rebase(struct sim *s, struct chk_member *c, uint64_t base)
{
    const struct chk_config *newest = NULL;
    c->config_count = 0;
    for (size_t i = 0; i < s->check->config_count; i++) {
        const struct chk_config *k = s->check->configs[i];
        if (k->index > base || (newest && k->index < newest->index)) continue;
        const struct chk_entry *e = chk_at(&s->check->ledger, k->index);
        if (e && e->term == k->term) newest = k;
    }
    if (newest) push_config(c, newest);
}

/* After a start: raft begins behind base, which may be far above what the log holds, and has the log up
 * to last behind it. The list is that of the whole log. */
void chk_config_restart(struct sim *s, struct chk_member *c, uint64_t base, uint64_t last)
{
    size_t first = 0;
    chk_config_cut(c, last);
    while (first < c->config_count && c->configs[first]->index <= base) first++;
    size_t kept = c->config_count - first;
    const struct chk_config **behind = malloc((kept + 1) * sizeof(struct chk_config *));
    MS_ASSERT(behind != NULL);
    for (size_t i = 0; i < kept; i++) behind[i] = c->configs[first + i];
    chk_config_rebase(s, c, base);
    for (size_t i = 0; i < kept; i++) push_config(c, behind[i]);
    free(behind);
}

static void check_waiting(const struct sim *s, const struct sim_member *m, const struct chk_member *c)
{
    uint32_t waiting = 0;
    for (size_t i = c->config_count; i > 0 && c->configs[i - 1]->index > chk_last(&s->check->ledger);
         i--) {
        waiting++;
    }
    if (waiting > 1) {
        sim_fail(SIM_FAIL_SAFETY, "K15",
                 "m%u has a second configuration, entry %llu, before one is committed", m->index + 1,
                 (unsigned long long)c->configs[c->config_count - 1]->index);
    }
}

/* Nobody may change the members who has not committed an entry of its own term: another leader may have changed
 * them meanwhile, and quorums of both would be apart. The founding entry comes before all others. */
static void check_own_term(const struct sim *s, const struct sim_member *m, const struct chk_config *newest)
{
    const struct chk_log *ledger = &s->check->ledger;
    uint64_t last = chk_last(ledger);
    while (last > 0 && chk_at(ledger, last)->term > newest->term) last--;
    if (newest->index == 1 || (last > 0 && chk_at(ledger, last)->term == newest->term)) return;
    sim_fail(SIM_FAIL_SAFETY, "K15",
             "m%u changes the members by entry %llu of term %llu, of which nothing is committed",
             m->index + 1, (unsigned long long)newest->index, (unsigned long long)newest->term);
}

/* In the moment in which a leader makes a voter of a learner it has heard of it of late: one that is dead would count
 * in each quorum from then on. */
static void check_promoted(const struct sim_member *m, const struct chk_member *c)
{
    const struct raft *r = node_raft(sim_member_node(m));
    const struct chk_config *top = c->configs[c->config_count - 1];
    const struct chk_config *before = c->config_count > 1 ? c->configs[c->config_count - 2] : NULL;
    for (uint32_t i = 0; i < top->config.member_count && before; i++) {
        const struct config_member *now = &top->config.members[i];
        const struct config_member *was = config_find(&before->config, now->id);
        uint64_t match;
        bool recent;
        if (!was || !(was->roles & CONFIG_LEARNER) || !(now->roles & CONFIG_VOTER)) continue;
        if (now->id == m->id || (raft_peer_match(r, now->id, &match, &recent) && recent)) continue;
        sim_fail(SIM_FAIL_SAFETY, "K15",
                 "m%u makes a voter of m%llu by entry %llu, and has not heard of it of late", m->index + 1,
                 (unsigned long long)now->id, (unsigned long long)top->index);
    }
}

/* The newest configuration is the leader's own. */
static void check_own(struct sim *s, const struct sim_member *m, const struct chk_config *top)
{
    struct chk_member *c = chk_member(s, m);
    check_own_term(s, m, top);
    if (c->judged != top) check_promoted(m, c);
    c->judged = top;
}

void chk_config_check(struct sim *s, const struct sim_member *m)
{
    const struct chk_member *c = chk_member(s, m);
    const struct raft *r = node_raft(sim_member_node(m));
    const struct chk_config *top = c->config_count ? c->configs[c->config_count - 1] : NULL;
    check_waiting(s, m, c);
    if (top && top->term == raft_term(r) && raft_role(r) == RAFT_LEADER) check_own(s, m, top);
    if (!top) {
        if (raft_config_index(r) > c->mem.base) {
            sim_fail(SIM_FAIL_SAFETY, "K15", "m%u uses a configuration that is not in its log",
                     m->index + 1);
        }
        return;
    }
    if (raft_config_index(r) == top->index && config_equal(raft_config(r), &top->config)) return;
    sim_fail(SIM_FAIL_SAFETY, "K15",
             "m%u uses the configuration of entry %llu, the newest is that of %llu", m->index + 1,
             (unsigned long long)raft_config_index(r), (unsigned long long)top->index);
}

/* Whether the members in the set (bits by id) are a majority of those with role. */
static bool majority_of(const struct config *c, uint8_t role, uint32_t set)
{
    uint32_t all = 0, in = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (!(c->members[i].roles & role)) continue;
        all++;
        in += set >> c->members[i].id & 1;
    }
    return all == 0 || 2 * in > all;
}

bool sim_check_is_quorum(const struct config *c, uint32_t set)
{
    return majority_of(c, CONFIG_VOTER, set) && majority_of(c, CONFIG_OUTGOING, set);
}

/* No quorum of one lies outside of a quorum of the other: tried for every set of members. */
static bool quorums_meet(const struct config *a, const struct config *b)
{
    uint32_t all = 1u << (SIM_MEMBERS_MAX + 1);
    for (uint32_t set = 0; set < all; set += 2) {
        if (sim_check_is_quorum(a, set) && sim_check_is_quorum(b, (all - 1) & ~set)) return false;
    }
    return true;
}

void sim_check_left(struct sim *s, const struct sim_member *m)
{
    if (chk_member(s, m)->removed) return;
    sim_fail(SIM_FAIL_SAFETY, "K15", "m%u stops as one who was removed, and never was", m->index + 1);
}

void chk_config_committed(struct sim *s, uint64_t index, uint64_t term)
{
    const struct chk_config *c = find_config(s->check, index, term),
                            *before = s->check->committed_config;
    if (!c) return;
    if (before && !quorums_meet(&before->config, &c->config)) {
        sim_fail(SIM_FAIL_SAFETY, "K15",
                 "the configurations of entries %llu and %llu have quorums apart",
                 (unsigned long long)before->index, (unsigned long long)index);
    }
    if (config_is_joint(&c->config)) sim_rare(s, SIM_RARE_JOINT);
    if (!config_find(&c->config, s->check->leaders[s->check->leader_term]))
        sim_rare(s, SIM_RARE_LEADER_REMOVED);
    s->check->committed_config = c;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        struct chk_member *m = &s->check->members[i];
        bool listed = config_find(&c->config, i + 1);
        m->removed = m->removed || (m->listed && !listed);
        m->listed = listed;
    }
    chk_wipe_config(s, &c->config);
}
