/* raft_quorum.c: majorities. Every decision of a quorum in raft is one call of raft_quorum(), so that
 * learners, outgoing voters and absent members are treated in one place. */
#include "raft/raft_private.h"

/* The value reached by a majority of the members with role; 0 if there is none (BUGS B86). */
static uint64_t majority_value(const struct raft *r, const struct config *c, uint8_t role,
                               raft_value_cb value)
{
    uint64_t values[MS_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (!(c->members[i].roles & role)) continue; /* learners count nowhere (BUGS B59) */
        uint64_t v = value(r, c->members[i].id);
        uint32_t at = count++;
        for (; at > 0 && values[at - 1] < v; at--) values[at] = values[at - 1];
        values[at] = v;
    }
    return count ? values[count / 2] : 0; /* descending: count / 2 + 1 members have at least this */
}

uint64_t raft_quorum(const struct raft *r, const struct config *c, raft_value_cb value)
{
    uint64_t incoming = majority_value(r, c, CONFIG_VOTER, value);
    if (!config_is_joint(c)) return incoming;
    uint64_t outgoing = majority_value(r, c, CONFIG_OUTGOING, value); /* both majorities (diss. 4.3) */
    return incoming < outgoing ? incoming : outgoing;
}

static uint64_t is_self(const struct raft *r, uint64_t id)
{
    return id == r->opts.id;
}

bool raft_is_sole_voter(const struct raft *r)
{
    return raft_quorum(r, &r->log.config, is_self) == 1;
}
