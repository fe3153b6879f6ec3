/* config_exchange.c: several members come and go in one change (Raft dissertation, 4.3; the wish that
 * precedes the joint configuration is ours: it lets the new ones catch up first, as 4.2.1 asks for a
 * single one). */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/config.h"

bool config_has_wish(const struct config *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].roles & (CONFIG_JOINS | CONFIG_LEAVES)) return true;
    }
    return false;
}

/* Members that are not wanted: voters leave later, the others go now. */
static void let_go(struct config *c, const struct config *wanted)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        struct config_member m = c->members[i];
        bool voter = m.roles & CONFIG_VOTER, stays = config_find(wanted, m.id);
        if (!voter && !stays) continue;
        if (voter) m.roles = stays ? CONFIG_VOTER : CONFIG_VOTER | CONFIG_LEAVES;
        c->members[kept++] = m;
    }
    c->member_count = kept;
}

/* One that is wanted as it was known may have been removed since, or have moved: its URL is an old one. */
static int take_in(struct config *c, const struct config_member *w)
{
    const struct config_member *known = config_find(c, w->id), *holder = config_find_url(c, w->url);
    struct config_member m = { .id = w->id, .roles = CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS };
    bool as_known = w->added_index != 0;
    if (as_known && !known) return MS_ENOTFOUND;
    if (!as_known && holder && holder != known) return MS_ECONFLICT;
    memcpy(m.url, w->url, sizeof m.url);
    if (!known) return config_add(c, &m) < 0 ? MS_ECONFLICT : 0;
    struct config_member *at = &c->members[known - c->members];
    if (!as_known) memcpy(at->url, w->url, sizeof at->url);
    if (at->roles & CONFIG_LEARNER) at->roles = m.roles;
    return 0;
}

int config_wish(struct config *c, const struct config *wanted)
{
    struct config before = *c;
    MS_ASSERT(!config_is_joint(c));
    if (wanted->member_count == 0) return MS_EINVAL;
    let_go(c, wanted);
    for (uint32_t i = 0; i < wanted->member_count; i++) {
        int rv = take_in(c, &wanted->members[i]);
        if (rv < 0) return rv;
    }
    return config_equal(c, &before) ? MS_EEXIST : 0;
}

void config_enter(struct config *c)
{
    uint32_t changes = 0, kept = 0;
    MS_ASSERT(config_has_wish(c));
    for (uint32_t i = 0; i < c->member_count; i++) {
        changes += (c->members[i].roles & (CONFIG_JOINS | CONFIG_LEAVES)) != 0;
    }
    uint8_t outgoing = changes > 1 ? CONFIG_OUTGOING : 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        struct config_member m = c->members[i];
        if (m.roles & CONFIG_JOINS)
            m.roles = CONFIG_VOTER;
        else if (m.roles & CONFIG_LEAVES)
            m.roles = outgoing;
        else if (m.roles & CONFIG_VOTER)
            m.roles |= outgoing;
        if (m.roles) c->members[kept++] = m;
    }
    c->member_count = kept;
}

void config_leave(struct config *c)
{
    uint32_t kept = 0;
    MS_ASSERT(config_is_joint(c));
    for (uint32_t i = 0; i < c->member_count; i++) {
        struct config_member m = c->members[i];
        m.roles &= (uint8_t)~CONFIG_OUTGOING;
        if (m.roles) c->members[kept++] = m;
    }
    c->member_count = kept;
}
