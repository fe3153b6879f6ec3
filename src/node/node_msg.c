/* node_msg.c: codec of the node's own frames. All fields fixed width, little-endian; what is variable
 * stands last and fills the rest of the frame. */
#include "node/node_msg.h"

#include "base/ms_err.h"

static int read_bool(struct bytes_reader *in, bool *out)
{
    uint8_t v;
    if (!bytes_read_u8(in, &v)) return MS_ESHORT;
    if (v > 1) return MS_ECORRUPT;
    *out = v;
    return 0;
}

static bool read_i16(struct bytes_reader *in, int16_t *out)
{
    uint16_t v;
    if (!bytes_read_u16(in, &v)) return false;
    *out = (int16_t)v;
    return true;
}

static int at_end(const struct bytes_reader *in)
{
    return bytes_reader_left(in) == 0 ? 0 : MS_ECORRUPT;
}

void node_forward_encode(struct buf *out, const struct node_forward *m)
{
    buf_append_u64(out, m->attempt);
    buf_append(out, m->payload.data, m->payload.len);
}

int node_forward_decode(struct bytes in, struct node_forward *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_forward m;
    if (!bytes_read_u64(&r, &m.attempt)) return MS_ESHORT;
    bytes_read_span(&r, bytes_reader_left(&r), &m.payload);
    if (m.payload.len == 0 || m.payload.len > ENTRY_PAYLOAD_BYTES_MAX) return MS_ECORRUPT;
    *out = m;
    return 0;
}

void node_forward_reply_encode(struct buf *out, const struct node_forward_reply *m)
{
    buf_append_u64(out, m->incarnation);
    buf_append_u64(out, m->seq);
    buf_append_u64(out, m->attempt);
    buf_append_u16(out, (uint16_t)m->status);
}

int node_forward_reply_decode(struct bytes in, struct node_forward_reply *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_forward_reply m;
    if (!bytes_read_u64(&r, &m.incarnation) || !bytes_read_u64(&r, &m.seq)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.attempt) || !read_i16(&r, &m.status)) return MS_ESHORT;
    if (m.status >= 0) return MS_ECORRUPT; /* only refusals are told */
    if (at_end(&r) < 0) return MS_ECORRUPT;
    *out = m;
    return 0;
}

void node_gate_encode(struct buf *out, const struct node_gate *m)
{
    buf_append_u8(out, m->fresh);
    buf_append_u8(out, m->passed);
    buf_append_u8(out, m->reply_wanted);
    buf_append_u64(out, m->list_hash);
}

int node_gate_decode(struct bytes in, struct node_gate *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_gate m;
    int rv = read_bool(&r, &m.fresh);
    if (rv == 0) rv = read_bool(&r, &m.passed);
    if (rv == 0) rv = read_bool(&r, &m.reply_wanted);
    if (rv < 0) return rv;
    if (!bytes_read_u64(&r, &m.list_hash)) return MS_ESHORT;
    if (at_end(&r) < 0) return MS_ECORRUPT;
    *out = m;
    return 0;
}

static bool is_a_snapshot(uint64_t term, uint64_t index, uint64_t snap_term)
{
    return index != 0 && snap_term != 0 && snap_term <= term;
}

void node_snap_offer_encode(struct buf *out, const struct node_snap_offer *m)
{
    buf_append_u64(out, m->term);
    buf_append_u64(out, m->stream);
    buf_append_u64(out, m->index);
    buf_append_u64(out, m->snap_term);
    buf_append_u64(out, m->number);
}

int node_snap_offer_decode(struct bytes in, struct node_snap_offer *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_snap_offer m;
    if (!bytes_read_u64(&r, &m.term) || !bytes_read_u64(&r, &m.stream)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.index) || !bytes_read_u64(&r, &m.snap_term)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.number)) return MS_ESHORT;
    if (m.number == 0 || !is_a_snapshot(m.term, m.index, m.snap_term)) return MS_ECORRUPT;
    if (at_end(&r) < 0) return MS_ECORRUPT;
    *out = m;
    return 0;
}

void node_snap_chunk_encode(struct buf *out, const struct node_snap_chunk *m)
{
    buf_append_u64(out, m->term);
    buf_append_u64(out, m->stream);
    buf_append_u64(out, m->index);
    buf_append_u64(out, m->snap_term);
    buf_append_u64(out, m->seq);
    buf_append_u8(out, m->last);
    buf_append(out, m->chunk.data, m->chunk.len);
}

int node_snap_chunk_decode(struct bytes in, struct node_snap_chunk *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_snap_chunk m;
    if (!bytes_read_u64(&r, &m.term) || !bytes_read_u64(&r, &m.stream)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.index) || !bytes_read_u64(&r, &m.snap_term)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.seq)) return MS_ESHORT;
    int rv = read_bool(&r, &m.last);
    if (rv < 0) return rv;
    bytes_read_span(&r, bytes_reader_left(&r), &m.chunk);
    if (m.chunk.len == 0 || m.chunk.len > SNAP_CHUNK_BYTES_HARD_MAX) return MS_ECORRUPT;
    if (!is_a_snapshot(m.term, m.index, m.snap_term)) return MS_ECORRUPT;
    *out = m;
    return 0;
}

void node_snap_ack_encode(struct buf *out, const struct node_snap_ack *m)
{
    buf_append_u64(out, m->term);
    buf_append_u64(out, m->stream);
    buf_append_u64(out, m->offer);
    buf_append_u64(out, m->taken);
    buf_append_u64(out, m->next);
    buf_append_u16(out, (uint16_t)m->status);
    buf_append_u8(out, m->installed);
}

int node_snap_ack_decode(struct bytes in, struct node_snap_ack *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_snap_ack m;
    if (!bytes_read_u64(&r, &m.term) || !bytes_read_u64(&r, &m.stream)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.offer) || !bytes_read_u64(&r, &m.taken)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.next)) return MS_ESHORT;
    if (!read_i16(&r, &m.status)) return MS_ESHORT;
    int rv = read_bool(&r, &m.installed);
    if (rv < 0) return rv;
    if (m.status > 0 || m.taken > m.next || at_end(&r) < 0) return MS_ECORRUPT;
    *out = m;
    return 0;
}

void node_repair_encode(struct buf *out, const struct node_repair *m)
{
    buf_append_u64(out, m->number);
    buf_append_u64(out, m->term);
    buf_append_u64(out, m->last_index);
}

int node_repair_decode(struct bytes in, struct node_repair *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_repair m;
    if (!bytes_read_u64(&r, &m.number) || !bytes_read_u64(&r, &m.term)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.last_index)) return MS_ESHORT;
    if (at_end(&r) < 0) return MS_ECORRUPT;
    *out = m;
    return 0;
}

void node_transfer_encode(struct buf *out, const struct node_transfer_wish *m)
{
    buf_append_u64(out, m->term);
    buf_append_u64(out, m->target);
}

int node_transfer_decode(struct bytes in, struct node_transfer_wish *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_transfer_wish m;
    if (!bytes_read_u64(&r, &m.term) || !bytes_read_u64(&r, &m.target)) return MS_ESHORT;
    int rv = at_end(&r);
    if (rv == 0) *out = m;
    return rv;
}

void node_room_encode(struct buf *out, const struct node_room *m)
{
    buf_append_u64(out, m->term);
    buf_append_u64(out, m->number);
    buf_append_u8(out, m->lacks);
}

int node_room_decode(struct bytes in, struct node_room *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_room m;
    uint8_t lacks;
    if (!bytes_read_u64(&r, &m.term) || !bytes_read_u64(&r, &m.number)) return MS_ESHORT;
    if (!bytes_read_u8(&r, &lacks)) return MS_ESHORT;
    if (lacks > 1) return MS_ECORRUPT;
    m.lacks = lacks;
    int rv = at_end(&r);
    if (rv == 0) *out = m;
    return rv;
}

void node_digest_encode(struct buf *out, const struct node_digest_report *m)
{
    buf_append_u64(out, m->index);
    buf_append_u64(out, m->digest.hi);
    buf_append_u64(out, m->digest.lo);
}

int node_digest_decode(struct bytes in, struct node_digest_report *out)
{
    struct bytes_reader r = bytes_reader_of(in);
    struct node_digest_report m;
    if (!bytes_read_u64(&r, &m.index) || !bytes_read_u64(&r, &m.digest.hi)) return MS_ESHORT;
    if (!bytes_read_u64(&r, &m.digest.lo)) return MS_ESHORT;
    int rv = at_end(&r);
    if (rv == 0 && m.index == 0) rv = MS_ECORRUPT;
    if (rv == 0) *out = m;
    return rv;
}
