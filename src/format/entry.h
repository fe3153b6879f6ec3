/* entry.h: what one log entry says, and its one encoding, which is the same in memory, on disk and on
 * the wire (index and term stand outside of it).
 *
 * payload = kind u8, version u8, flags u8, [origin: 5 x u64], body. */
#ifndef FORMAT_ENTRY_H
#define FORMAT_ENTRY_H

#include "base/bytes.h"
#include "base/limits.h"
#include "env/alloc.h"
#include "format/buf.h"

enum entry_kind {
    ENTRY_NOOP = 1,    /* a leader's first entry in its term (Raft, section 8); no body */
    ENTRY_INIT = 2,    /* first entry of a cluster: uuid 16 bytes, then a configuration */
    ENTRY_CONFIG = 3,  /* a configuration (format/config.h) */
    ENTRY_ATTACH = 4,  /* member id u64, added_index u64, nonce 16 bytes (DESIGN 4) */
    ENTRY_TXN = 5,     /* a transaction of the data model (kv/kv_cmd.h) */
    ENTRY_COMPACT = 6, /* revision u64: history below it may go */
    ENTRY_DIGEST = 7,  /* names an index at which members report their digests; no body */
    ENTRY_LEASE_GRANT = 8, /* leases: format/entry_lease.h */
    ENTRY_LEASE_REVOKE = 9,
    ENTRY_LEASE_RENEW = 10,
    ENTRY_LEASE_CHECKPOINT = 11,
    ENTRY_KIND_MAX = 11
};
/* In a forwarded proposal only, never in a log: a wish that the leader turns into an ENTRY_CONFIG.
 * body = config index u64 (of the configuration it was made for), change u8 (enum entry_change), member
 * id u64, url_len u8, url; SET: then the wanted members, as a configuration of voters (config_wish()). */
#define ENTRY_CHANGE_REQUEST 200

enum entry_change {
    ENTRY_CHANGE_ADD = 1, /* as a learner with PROMOTE; a known id: its URL is updated */
    ENTRY_CHANGE_REMOVE = 2,
    ENTRY_CHANGE_PROMOTE = 3, /* the leader's own, once a learner has caught up */
    ENTRY_CHANGE_REMOVE_FORCED = 4,
    ENTRY_CHANGE_SET = 5,        /* the voters shall be these: a wish, or at once where nobody joins */
    ENTRY_CHANGE_SET_FORCED = 6, /* though no quorum of them is known to live */
    ENTRY_CHANGE_LEASE = 7,      /* member id 1: reads by lease are on, 0: off */
    ENTRY_CHANGE_EXCHANGE = 8    /* the leader's own, once all that join have caught up */
};

#define ENTRY_VERSION 1
#define MS_UUID_BYTES 16

/* Who proposed it, so that it is applied at most once (DESIGN 3, Forwarding). member_id 0: nobody, an
 * entry of the leader's own that needs no such care. */
struct entry_origin {
    uint64_t member_id;
    uint64_t added_index; /* the index of the entry that added the origin */
    uint64_t incarnation; /* the origin's start counter */
    uint64_t seq;         /* 1 and up within an incarnation */
    uint64_t low_seq;     /* everything below it is settled */
};

struct entry {
    uint8_t kind, version;
    struct entry_origin origin;
    struct bytes body; /* borrowed */
};

/* Append the payload of e to out. */
void entry_encode(struct buf *out, const struct entry *e);
/* MS_ESHORT, MS_ECORRUPT, MS_EVERSION (an unknown kind or version: the member stops, never skips). */
int entry_decode(struct bytes payload, struct entry *out);

/* One entry in memory, shared by reference: the log, a message under way, a job of the state machine.
 * Counts are touched on the loop thread only. */
struct entry_ref {
    uint32_t refs;
    uint32_t payload_len;
    uint64_t index, term;
    uint8_t payload[];
};

/* A new entry with one reference and a copy of payload; NULL: no memory. */
struct entry_ref *entry_ref_create(const struct ms_alloc *a, uint64_t index, uint64_t term,
                                   struct bytes payload);
struct entry_ref *entry_ref_hold(struct entry_ref *e);              /* one more reference */
void entry_ref_drop(const struct ms_alloc *a, struct entry_ref *e); /* the last one frees it */

/* 0: of a payload that says nothing. */
static inline uint8_t entry_ref_kind(const struct entry_ref *e)
{
    return e->payload_len ? e->payload[0] : 0;
}

static inline struct bytes entry_ref_payload(const struct entry_ref *e)
{
    return bytes_of(e->payload, e->payload_len);
}

#endif
