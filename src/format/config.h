/* config.h: the membership of a cluster, as it stands in configuration entries and snapshots.
 *
 * Joint consensus (Raft dissertation, 4.3) needs two sets of voters: VOTER is the incoming set,
 * OUTGOING the set being left; both set: a member of both. A configuration is joint while any member is
 * OUTGOING. A member with neither is a learner; PROMOTE says that it shall become a voter.
 *
 *   C1  members are sorted by id, ids are unique and 1 to MS_MEMBER_ID_MAX
 *   C2  LEARNER excludes VOTER; every member has at least one of VOTER, OUTGOING, LEARNER
 *   C3  URLs are unique, 1 to MS_URL_BYTES_MAX bytes */
#ifndef FORMAT_CONFIG_H
#define FORMAT_CONFIG_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

enum config_role {
    CONFIG_VOTER = 1,
    CONFIG_OUTGOING = 2,
    CONFIG_LEARNER = 4,
    CONFIG_PROMOTE = 8 /* with LEARNER: the leader promotes it once it has caught up */
};

struct config_member {
    uint64_t id;
    uint64_t added_index; /* index of the entry that added it; in an entry: 0 means this entry */
    uint8_t roles;
    char url[MS_URL_BYTES_MAX + 1];
};

struct config {
    uint32_t member_count;
    struct config_member members[MS_MEMBERS_MAX];
};

const struct config_member *config_find(const struct config *c, uint64_t id); /* or NULL */
const struct config_member *config_find_url(const struct config *c, const char *url); /* or NULL */
bool config_is_voter(const struct config *c, uint64_t id); /* VOTER or OUTGOING */
bool config_is_joint(const struct config *c);
uint32_t config_voter_count(const struct config *c); /* members with VOTER */

/* Insert m, keeping order. MS_EBUSY: MS_MEMBERS_MAX reached; MS_EEXIST: the id or the URL is there. */
int config_add(struct config *c, const struct config_member *m);
/* Remove a member. MS_ENOTFOUND. */
int config_remove(struct config *c, uint64_t id);
bool config_equal(const struct config *a, const struct config *b);

/* Replace every added_index of 0 by index: what the entry at index says. */
void config_resolve(struct config *c, uint64_t index);

/* version u8 = 1, count u8, then a member: id u64, added_index u64, roles u8, url_len u8, url. */
#define CONFIG_ENCODED_BYTES_MAX (2u + MS_MEMBERS_MAX * (18u + MS_URL_BYTES_MAX))
void config_encode(struct buf *out, const struct config *c);
/* Moves *in past it. MS_ESHORT, MS_ECORRUPT (C1-C3 do not hold), MS_EVERSION; then nothing changed. */
int config_decode(struct bytes_reader *in, struct config *out);

/* Check a peer URL: http://host:port, nothing behind it but an optional slash. host is copied out
 * (without brackets), at most host_cap bytes with its NUL. MS_EINVAL. */
int config_url_parse(const char *url, char *host, size_t host_cap, uint16_t *port);

#endif
