/* entry_lease.h: the bodies of entries about leases: made by node, read by kv, byte by byte in
 * docs/FORMATS.md. Numbers are u64. */
#ifndef FORMAT_ENTRY_LEASE_H
#define FORMAT_ENTRY_LEASE_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

/* ENTRY_LEASE_GRANT. id 0: a free one is picked when it is applied. */
struct entry_lease_grant {
    uint64_t id, ttl_ms;
    struct bytes command; /* empty, or a transaction (kv/kv_cmd.h) that goes with it */
};

/* ENTRY_LEASE_REVOKE: the wish of a client, or that it has expired. */
struct entry_lease_revoke {
    uint64_t id;
    bool expired;
    uint64_t term, renewed_index; /* expired: the fence. Both have to hold when it is applied */
};

/* One of ENTRY_LEASE_CHECKPOINT. */
struct entry_lease_mark {
    uint64_t id, renewed_index; /* renewed_index: a fence, as above */
    uint64_t remaining_ms;
};

void entry_lease_grant_encode(struct buf *out, const struct entry_lease_grant *g);
void entry_lease_revoke_encode(struct buf *out, const struct entry_lease_revoke *r);
void entry_lease_mark_encode(struct buf *out, const struct entry_lease_mark *m); /* appends one */

/* 0, MS_ECORRUPT. Ids are 1 to MS_LEASE_ID_MAX, times 1 (a mark: 0) to MS_LEASE_TTL_MS_MAX. */
int entry_lease_grant_decode(struct bytes body, struct entry_lease_grant *out);
int entry_lease_revoke_decode(struct bytes body, struct entry_lease_revoke *out);
/* Bodies of 1 to MS_LEASE_BATCH_MAX ids (ENTRY_LEASE_RENEW) or marks: how many; then one after the other,
 * at below that. MS_ECORRUPT. */
int entry_lease_ids_count(struct bytes body, uint32_t *count);
uint64_t entry_lease_id_at(struct bytes body, uint32_t at);
int entry_lease_marks_count(struct bytes body, uint32_t *count);
struct entry_lease_mark entry_lease_mark_at(struct bytes body, uint32_t at);

#endif
