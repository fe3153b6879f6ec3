/* config.h: the membership of a cluster, as it stands in configuration entries and snapshots.
 *
 * Joint consensus (Raft dissertation, 4.3) needs two sets of voters: VOTER is the incoming set,
 * OUTGOING the set being left; both set: a member of both. A configuration is joint while any member is
 * OUTGOING. A member with neither is a learner; PROMOTE says that it shall become a voter.
 *
 * An exchange of several members begins as a wish that stands in the configuration, so that it outlives
 * leaders: JOINS marks learners that become voters together, LEAVES the voters that go then. A wish
 * changes no majority. When all that join have caught up, one joint configuration carries it out, and
 * the one after that is the result.
 *
 *   C1  members are sorted by id, ids are unique and 1 to MS_MEMBER_ID_MAX
 *   C2  LEARNER excludes VOTER; every member has at least one of VOTER, OUTGOING, LEARNER
 *   C3  URLs are unique, 1 to MS_URL_BYTES_MAX bytes
 *   C4  JOINS comes with LEARNER and PROMOTE, LEAVES with VOTER; neither in a joint configuration
 *   C5  lease_index is 0 where lease_ms is, except in an entry, where it means this entry */
#ifndef FORMAT_CONFIG_H
#define FORMAT_CONFIG_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

enum config_role {
    CONFIG_VOTER = 1,
    CONFIG_OUTGOING = 2,
    CONFIG_LEARNER = 4,
    CONFIG_PROMOTE = 8, /* with LEARNER: the leader promotes it once it has caught up */
    CONFIG_JOINS = 16,  /* with LEARNER: promoted together with the others that join */
    CONFIG_LEAVES = 32  /* with VOTER: goes when those that join are voters */
};

struct config_member {
    uint64_t id;
    uint64_t added_index; /* index of the entry that added it; in an entry: 0 means this entry */
    uint8_t roles;
    char url[MS_URL_BYTES_MAX + 1];
};

struct config {
    uint32_t member_count;
    uint32_t lease_ms; /* leaders may serve reads by a lease of so long; 0: they may not (DESIGN 3) */
    uint64_t lease_index; /* of the entry that switched it on; in an entry: 0 means this entry */
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

/* --- an exchange of members --- */
bool config_has_wish(const struct config *c); /* anybody joins or leaves */
/* Write into c the wish that the voters be those of wanted, in place of any wish it had: learners it
 * does not want go at once, unknown members come as learners, known ones take the URL it gives. One with
 * an added_index is wanted as it is known: its URL stays.
 * MS_EEXIST: c says so already; MS_EINVAL: nobody is wanted; MS_ECONFLICT: a URL is another member's,
 * or there is no room; MS_ENOTFOUND: one that is wanted as it is known is not; then c is undefined. */
int config_wish(struct config *c, const struct config *wanted);
/* Carry the wish out: into a joint configuration, or, where only one voter comes or goes, into the
 * result (diss. 4.1: then old and new majorities overlap anyhow). */
void config_enter(struct config *c);
void config_leave(struct config *c); /* joint: what comes after it */

/* --- in words --- */
enum config_part {
    CONFIG_PART_VOTER = 1,
    CONFIG_PART_LEARNER,
    CONFIG_PART_JOINING, /* a learner that is to vote together with others */
    CONFIG_PART_LEAVING, /* a voter that goes then */
    CONFIG_PART_OUTGOING /* votes for the old configuration only, and goes with it */
};
enum config_part config_part(uint8_t roles);
const char *config_part_name(uint8_t roles); /* "voter", ...: static */
/* "voter 1 2 3; joining 4; leaving 2; reads by lease": at most cap with its NUL, cut if it is longer. */
void config_describe(const struct config *c, char *out, size_t cap);

/* Replace every added_index of 0, and a lease_index that means this entry, by index: what the entry at
 * index says. */
void config_resolve(struct config *c, uint64_t index);

/* version u8 = 1, count u8, lease_ms u32, lease_index u64, then a member: id u64, added_index u64,
 * roles u8, url_len u8, url. */
#define CONFIG_ENCODED_BYTES_MAX (14u + MS_MEMBERS_MAX * (18u + MS_URL_BYTES_MAX))
void config_encode(struct buf *out, const struct config *c);
/* Moves *in past it. MS_ESHORT, MS_ECORRUPT (C1-C5 do not hold), MS_EVERSION; then nothing changed. */
int config_decode(struct bytes_reader *in, struct config *out);

/* Check a peer URL: http://host:port, nothing behind it but an optional slash. host is copied out
 * (without brackets), at most host_cap bytes with its NUL. MS_EINVAL. */
int config_url_parse(const char *url, char *host, size_t host_cap, uint16_t *port);

#endif
