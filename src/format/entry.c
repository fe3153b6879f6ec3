#include "format/entry.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define FLAG_ORIGIN 1u

void entry_encode(struct buf *out, const struct entry *e)
{
    bool with_origin = e->origin.member_id != 0;
    buf_append_u8(out, e->kind);
    buf_append_u8(out, e->version);
    buf_append_u8(out, with_origin ? FLAG_ORIGIN : 0);
    if (with_origin) {
        buf_append_u64(out, e->origin.member_id);
        buf_append_u64(out, e->origin.added_index);
        buf_append_u64(out, e->origin.incarnation);
        buf_append_u64(out, e->origin.seq);
        buf_append_u64(out, e->origin.low_seq);
    }
    buf_append(out, e->body.data, e->body.len);
}

static bool decode_origin(struct bytes_reader *in, struct entry_origin *o)
{
    return bytes_read_u64(in, &o->member_id) && bytes_read_u64(in, &o->added_index) &&
           bytes_read_u64(in, &o->incarnation) && bytes_read_u64(in, &o->seq) &&
           bytes_read_u64(in, &o->low_seq);
}

int entry_decode(struct bytes payload, struct entry *out)
{
    struct bytes_reader in = bytes_reader_of(payload);
    struct entry e = { 0 };
    uint8_t flags;
    if (payload.len > ENTRY_PAYLOAD_BYTES_MAX) return MS_ECORRUPT;
    if (!bytes_read_u8(&in, &e.kind) || !bytes_read_u8(&in, &e.version)) return MS_ESHORT;
    if (!bytes_read_u8(&in, &flags)) return MS_ESHORT;
    bool known = (e.kind >= ENTRY_NOOP && e.kind <= ENTRY_KIND_MAX) || e.kind == ENTRY_CHANGE_REQUEST;
    if (!known || e.version != ENTRY_VERSION) return MS_EVERSION;
    if (flags & ~FLAG_ORIGIN) return MS_ECORRUPT;
    if (flags & FLAG_ORIGIN) {
        if (!decode_origin(&in, &e.origin)) return MS_ESHORT;
        if (e.origin.member_id == 0 || e.origin.seq == 0) return MS_ECORRUPT;
        if (e.origin.low_seq > e.origin.seq) return MS_ECORRUPT;
    }
    bytes_read_span(&in, bytes_reader_left(&in), &e.body);
    *out = e;
    return 0;
}

struct entry_ref *entry_ref_create(const struct ms_alloc *a, uint64_t index, uint64_t term,
                                   struct bytes payload)
{
    MS_ASSERT(payload.len <= ENTRY_PAYLOAD_BYTES_MAX);
    struct entry_ref *e = ms_alloc(a, sizeof *e + payload.len);
    if (!e) return NULL;
    *e = (struct entry_ref){ .refs = 1, .payload_len = (uint32_t)payload.len, .index = index,
                             .term = term };
    if (payload.len) memcpy(e->payload, payload.data, payload.len);
    return e;
}

struct entry_ref *entry_ref_hold(struct entry_ref *e)
{
    MS_ASSERT(e->refs > 0);
    e->refs++;
    return e;
}

void entry_ref_drop(const struct ms_alloc *a, struct entry_ref *e)
{
    MS_ASSERT(e->refs > 0);
    if (--e->refs == 0) ms_free(a, e);
}
