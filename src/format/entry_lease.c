#include "format/entry_lease.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define ID_BYTES 8u
#define MARK_BYTES 24u
#define REVOKE_BYTES 9u
#define REVOKE_EXPIRED_BYTES 25u

static bool is_id(uint64_t id)
{
    return id > 0 && id <= MS_LEASE_ID_MAX;
}

void entry_lease_grant_encode(struct buf *out, const struct entry_lease_grant *g)
{
    buf_append_u64(out, g->id);
    buf_append_u64(out, g->ttl_ms);
    buf_append(out, g->command.data, g->command.len);
}

int entry_lease_grant_decode(struct bytes body, struct entry_lease_grant *out)
{
    struct bytes_reader in = bytes_reader_of(body);
    struct entry_lease_grant g;
    if (!bytes_read_u64(&in, &g.id) || !bytes_read_u64(&in, &g.ttl_ms)) return MS_ECORRUPT;
    if (g.id != 0 && !is_id(g.id)) return MS_ECORRUPT;
    if (g.ttl_ms == 0 || g.ttl_ms > MS_LEASE_TTL_MS_MAX) return MS_ECORRUPT;
    bytes_read_span(&in, bytes_reader_left(&in), &g.command);
    *out = g;
    return 0;
}

void entry_lease_revoke_encode(struct buf *out, const struct entry_lease_revoke *r)
{
    buf_append_u64(out, r->id);
    buf_append_u8(out, r->expired);
    if (!r->expired) return;
    buf_append_u64(out, r->term);
    buf_append_u64(out, r->renewed_index);
}

int entry_lease_revoke_decode(struct bytes body, struct entry_lease_revoke *out)
{
    struct bytes_reader in = bytes_reader_of(body);
    struct entry_lease_revoke r = { 0 };
    uint8_t expired;
    if (!bytes_read_u64(&in, &r.id) || !bytes_read_u8(&in, &expired)) return MS_ECORRUPT;
    if (!is_id(r.id) || expired > 1) return MS_ECORRUPT;
    r.expired = expired;
    if (body.len != (r.expired ? REVOKE_EXPIRED_BYTES : REVOKE_BYTES)) return MS_ECORRUPT;
    if (r.expired) {
        bytes_read_u64(&in, &r.term);
        bytes_read_u64(&in, &r.renewed_index);
    }
    *out = r;
    return 0;
}

void entry_lease_mark_encode(struct buf *out, const struct entry_lease_mark *m)
{
    buf_append_u64(out, m->id);
    buf_append_u64(out, m->renewed_index);
    buf_append_u64(out, m->remaining_ms);
}

static int count_of(struct bytes body, size_t each, uint32_t *count)
{
    if (body.len == 0 || body.len % each != 0 || body.len / each > MS_LEASE_BATCH_MAX)
        return MS_ECORRUPT;
    *count = (uint32_t)(body.len / each);
    return 0;
}

int entry_lease_ids_count(struct bytes body, uint32_t *count)
{
    uint32_t found;
    int rv = count_of(body, ID_BYTES, &found);
    for (uint32_t i = 0; rv == 0 && i < found; i++) {
        if (!is_id(entry_lease_id_at(body, i))) rv = MS_ECORRUPT;
    }
    if (rv == 0) *count = found;
    return rv;
}

uint64_t entry_lease_id_at(struct bytes body, uint32_t at)
{
    MS_ASSERT((at + (size_t)1) * ID_BYTES <= body.len);
    return bytes_load_u64(body.data + (size_t)at * ID_BYTES);
}

int entry_lease_marks_count(struct bytes body, uint32_t *count)
{
    uint32_t found;
    int rv = count_of(body, MARK_BYTES, &found);
    for (uint32_t i = 0; rv == 0 && i < found; i++) {
        struct entry_lease_mark m = entry_lease_mark_at(body, i);
        if (!is_id(m.id) || m.remaining_ms > MS_LEASE_TTL_MS_MAX) rv = MS_ECORRUPT;
    }
    if (rv == 0) *count = found;
    return rv;
}

struct entry_lease_mark entry_lease_mark_at(struct bytes body, uint32_t at)
{
    MS_ASSERT((at + (size_t)1) * MARK_BYTES <= body.len);
    const uint8_t *p = body.data + (size_t)at * MARK_BYTES;
    return (struct entry_lease_mark){ .id = bytes_load_u64(p),
                                      .renewed_index = bytes_load_u64(p + 8),
                                      .remaining_ms = bytes_load_u64(p + 16) };
}
