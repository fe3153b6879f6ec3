/* raft_change.c: membership, one member at a time or several by a joint configuration (diss. chapter
 * 4). A configuration is in force as soon as it is in the log, and rolled back with it.
 *
 * Two conditions make changes safe: none while an earlier one is not committed (diss. 4.1; BUGS
 * B16), and none before this leader has committed an entry of its own term (the bug that Ongaro
 * reported on raft-dev, 2015-07: without it two leaders can change into disjoint majorities; BUGS B02).
 */
#include "raft/raft_private.h"

static int add(const struct raft_change *change, struct config *c)
{
    const struct config_member *known = config_find(c, change->member_id);
    const struct config_member *holder = config_find_url(c, change->url);
    struct config_member m = { .id = change->member_id, .roles = CONFIG_LEARNER | CONFIG_PROMOTE };
    size_t len = strnlen(change->url, sizeof change->url);
    if (len == 0 || len > MS_URL_BYTES_MAX) return MS_EINVAL;
    if (m.id == 0 || m.id > MS_MEMBER_ID_MAX) return MS_EINVAL;
    if (holder) return holder == known ? MS_EEXIST : MS_ECONFLICT;
    if (!known && config_has_wish(c)) return MS_EBUSY; /* that change comes first */
    if (known) { /* the same member at another address */
        memcpy(c->members[known - c->members].url, change->url, len + 1);
        return 0;
    }
    memcpy(m.url, change->url, len + 1);
    return config_add(c, &m) < 0 ? MS_ECONFLICT : 0; /* MS_MEMBERS_MAX: waiting does not help */
}

/* A change that leaves no quorum of live voters would stop the cluster, its own commit included. */
static int check_live(const struct raft *r, const struct config *c)
{
    if (raft_quorum(r, c, raft_lives)) return 0;
    return raft_quorum(r, c, raft_may_live) ? MS_EBUSY : MS_ENOQUORUM;
}

static int remove_member(struct raft *r, const struct raft_change *change, struct config *c)
{
    const struct config_member *m = config_find(c, change->member_id);
    if (!m) return MS_ENOTFOUND;
    bool voter = m->roles & CONFIG_VOTER;
    if (config_has_wish(c)) return MS_EBUSY;
    if (voter && config_voter_count(c) == 1) return MS_ECONFLICT;
    int rv = config_remove(c, change->member_id);
    MS_ASSERT(rv == 0);
    if (!voter) return 0;
    if (change->change != ENTRY_CHANGE_REMOVE_FORCED) rv = check_live(r, c);
    if (rv == 0 && raft_hand_over_first(r, c)) return MS_EBUSY; /* its successor is asked again */
    return rv;
}

/* Not before it has caught up: a voter that lags would hold up every commit it is needed for (diss.
 * 4.2.1). */
static bool has_caught_up(const struct raft *r, uint64_t id)
{
    const struct raft_peer *p = raft_peer_find(r, id);
    if (!p || !raft_peer_live(r, p) || p->counted_match == 0) return false;
    return p->counted_match + RAFT_PROMOTE_LAG_MAX >= r->log.last_index;
}

static int promote(const struct raft *r, const struct raft_change *change, struct config *c)
{
    const struct config_member *m = config_find(c, change->member_id);
    if (!m) return MS_ENOTFOUND;
    if (m->roles & CONFIG_VOTER) return MS_EEXIST;
    if ((m->roles & CONFIG_JOINS) || !has_caught_up(r, m->id)) return MS_EBUSY;
    c->members[m - c->members].roles = CONFIG_VOTER;
    return 0;
}

/* Out of the wish into what carries it out. */
static int enter(struct raft *r, struct config *c, bool forced)
{
    struct config wish = *c;
    config_enter(c);
    int rv = forced ? 0 : check_live(r, c);
    if (rv == 0 && raft_hand_over_first(r, &wish)) return MS_EBUSY;
    return rv;
}

static int exchange(struct raft *r, struct config *c)
{
    if (!config_has_wish(c)) return MS_EEXIST;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        if ((m->roles & CONFIG_JOINS) && !has_caught_up(r, m->id)) return MS_EBUSY;
    }
    return enter(r, c, false);
}

/* Whether the wished voters could commit, if all that join are there by then. */
static uint64_t is_live_or_joins(const struct raft *r, uint64_t id)
{
    const struct config_member *m = config_find(&r->log.config, id);
    return !m || (m->roles & CONFIG_LEARNER) || raft_may_live(r, id);
}

static bool anybody_joins(const struct config *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].roles & CONFIG_JOINS) return true;
    }
    return false;
}

static int wish(struct raft *r, const struct raft_change *change, struct config *c)
{
    bool forced = change->change == ENTRY_CHANGE_SET_FORCED;
    int rv = change->wanted ? config_wish(c, change->wanted) : MS_EINVAL;
    if (rv < 0 || !config_has_wish(c)) return rv; /* URLs, or a wish taken back */
    if (!anybody_joins(c)) return enter(r, c, forced);
    struct config after = *c;
    config_enter(
        &after); /* force does not help there: who joins has to hear of all that is committed */
    return raft_quorum(r, &after, is_live_or_joins) ? 0 : MS_ENOQUORUM;
}

/* The leader's own patience becomes everybody's. */
static int set_lease(const struct raft *r, bool on, struct config *c)
{
    if ((c->lease_ms > 0) == on) return MS_EEXIST;
    c->lease_ms = on ? r->opts.election_ms_min : 0;
    c->lease_index = 0;
    return 0;
}

/* Write the configuration into the log. added_index stays 0 for who is added by it: that is its index.
 */
static int append_config(struct raft *r, const struct raft_change *change, struct config *c)
{
    struct buf members;
    struct entry e = { .kind = ENTRY_CONFIG, .version = ENTRY_VERSION, .origin = change->origin };
    buf_init(&members, r->alloc, CONFIG_ENCODED_BYTES_MAX);
    config_encode(&members, c);
    e.body = buf_bytes(&members);
    buf_clear(&r->scratch);
    entry_encode(&r->scratch, &e);
    bool failed = members.failed || r->scratch.failed;
    buf_fini(&members);
    if (failed) return MS_ENOMEM;
    config_resolve(c, r->log.last_index + 1);
    return raft_lead_append(r, buf_bytes(&r->scratch), c);
}

int raft_on_change(struct raft *r, const struct raft_change *change)
{
    struct config *c = &r->scratch_config;
    int rv = MS_EINVAL;
    if (r->role != RAFT_LEADER) return MS_ENOLEADER;
    if (!raft_committed_own_term(r) || r->log.config_index > r->commit_index) return MS_EBUSY;
    if (config_is_joint(&r->log.config)) return MS_EBUSY; /* a change that is not complete */
    if (r->transfer_out.to) return MS_EBUSY;
    *c = r->log.config;
    switch (change->change) {
    case ENTRY_CHANGE_ADD: rv = add(change, c); break;
    case ENTRY_CHANGE_REMOVE:
    case ENTRY_CHANGE_REMOVE_FORCED: rv = remove_member(r, change, c); break;
    case ENTRY_CHANGE_PROMOTE: rv = promote(r, change, c); break;
    case ENTRY_CHANGE_SET:
    case ENTRY_CHANGE_SET_FORCED: rv = wish(r, change, c); break;
    case ENTRY_CHANGE_LEASE: rv = set_lease(r, change->member_id == 1, c); break;
    case ENTRY_CHANGE_EXCHANGE: rv = exchange(r, c); break;
    }
    return rv < 0 ? rv : append_config(r, change, c);
}

/* A joint configuration is left as soon as it is committed, by whoever leads then (diss. 4.3). */
void raft_leave_joint(struct raft *r)
{
    static const struct raft_change own; /* of nobody */
    struct config *c = &r->scratch_config;
    if (r->role != RAFT_LEADER || !config_is_joint(&r->log.config)) return;
    if (!raft_committed_own_term(r) || r->log.config_index > r->commit_index) return;
    *c = r->log.config;
    config_leave(c);
    if (r->transfer_out.to || raft_hand_over_first(r, c)) return;
    append_config(r, &own, c); /* no memory: tried again at the next flush */
}
