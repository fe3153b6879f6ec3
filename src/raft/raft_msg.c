/* raft_msg.c: codec of the messages between replicas.
 *
 * message = version u8 = 1, type u8, from u64, to u64, term u64, then by type, all little-endian:
 *   VOTE          flags u8 (1 pre, 2 transfer), last_index u64, last_term u64
 *   VOTE_REPLY    flags u8 (1 pre, 2 granted, 4 abstain), asked_term u64
 *   APPEND        prev_index u64, prev_term u64, commit_index u64, round u64, count u32, then count
 *                 times: term u64, payload_len u32, payload
 *   APPEND_REPLY  flags u8 (1 ok, 2 abstain, 4 full, 8 closed), match_index u64, prev_index u64, hint_index u64,
 *                 hint_term u64, round u64
 *   READ          token u64
 *   READ_REPLY    token u64, index u64, status u16 (two's complement)
 *   TIMEOUT_NOW   nothing
 *
 * There is one encoding of each message: what decodes encodes to the same bytes. */
#include "raft/raft_msg.h"
#include "base/limits.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"

#define MSG_VERSION 1

static_assert(RAFT_MSG_ENTRIES_MAX * 12u + 128u < 32u << 10, "what stands beside payloads is small");

static void encode_append(struct buf *out, const struct raft_msg *m)
{
    buf_append_u64(out, m->append.prev_index);
    buf_append_u64(out, m->append.prev_term);
    buf_append_u64(out, m->append.commit_index);
    buf_append_u64(out, m->append.round);
    buf_append_u32(out, m->append.count);
    for (uint32_t i = 0; i < m->append.count; i++) {
        const struct raft_msg_entry *e = &m->append.entries[i];
        struct bytes payload = e->ref ? entry_ref_payload(e->ref) : e->payload;
        buf_append_u64(out, e->term);
        buf_append_u32(out, (uint32_t)payload.len);
        buf_append(out, payload.data, payload.len);
    }
}

static void encode_append_reply(struct buf *out, const struct raft_msg *m)
{
    buf_append_u8(out, (uint8_t)(m->append_reply.ok | m->append_reply.abstain << 1 |
                                 m->append_reply.full << 2 | m->append_reply.closed << 3));
    buf_append_u64(out, m->append_reply.match_index);
    buf_append_u64(out, m->append_reply.prev_index);
    buf_append_u64(out, m->append_reply.hint_index);
    buf_append_u64(out, m->append_reply.hint_term);
    buf_append_u64(out, m->append_reply.round);
}

void raft_msg_encode(struct buf *out, const struct raft_msg *m)
{
    buf_append_u8(out, MSG_VERSION);
    buf_append_u8(out, (uint8_t)m->type);
    buf_append_u64(out, m->from);
    buf_append_u64(out, m->to);
    buf_append_u64(out, m->term);
    switch (m->type) {
    case RAFT_MSG_VOTE:
        buf_append_u8(out, (uint8_t)(m->vote.pre | m->vote.transfer << 1));
        buf_append_u64(out, m->vote.last_index);
        buf_append_u64(out, m->vote.last_term);
        break;
    case RAFT_MSG_VOTE_REPLY:
        buf_append_u8(out, (uint8_t)(m->vote_reply.pre | m->vote_reply.granted << 1 |
                                     m->vote_reply.abstain << 2));
        buf_append_u64(out, m->vote_reply.asked_term);
        break;
    case RAFT_MSG_APPEND: encode_append(out, m); break;
    case RAFT_MSG_APPEND_REPLY: encode_append_reply(out, m); break;
    case RAFT_MSG_READ: buf_append_u64(out, m->read.token); break;
    case RAFT_MSG_READ_REPLY:
        buf_append_u64(out, m->read_reply.token);
        buf_append_u64(out, m->read_reply.index);
        buf_append_u16(out, (uint16_t)m->read_reply.status);
        break;
    case RAFT_MSG_TIMEOUT_NOW: break;
    }
}

/* A byte of which only the bits in known may be set. */
static int read_flags(struct bytes_reader *in, uint8_t known, uint8_t *out)
{
    if (!bytes_read_u8(in, out)) return MS_ESHORT;
    return *out & ~known ? MS_ECORRUPT : 0;
}

static int decode_vote(struct bytes_reader *in, struct raft_msg *m)
{
    uint8_t flags;
    int rv = read_flags(in, 3, &flags);
    if (rv < 0) return rv;
    m->vote.pre = flags & 1;
    m->vote.transfer = flags >> 1 & 1;
    bool whole = bytes_read_u64(in, &m->vote.last_index) && bytes_read_u64(in, &m->vote.last_term);
    return whole ? 0 : MS_ESHORT;
}

static int decode_vote_reply(struct bytes_reader *in, struct raft_msg *m)
{
    uint8_t flags;
    int rv = read_flags(in, 7, &flags);
    if (rv < 0) return rv;
    m->vote_reply.pre = flags & 1;
    m->vote_reply.granted = flags >> 1 & 1;
    m->vote_reply.abstain = flags >> 2 & 1;
    return bytes_read_u64(in, &m->vote_reply.asked_term) ? 0 : MS_ESHORT;
}

static int decode_entry(struct bytes_reader *in, struct raft_msg_entry *e)
{
    uint32_t len;
    e->ref = NULL;
    if (!bytes_read_u64(in, &e->term) || !bytes_read_u32(in, &len)) return MS_ESHORT;
    if (len > ENTRY_PAYLOAD_BYTES_MAX) return MS_ECORRUPT;
    return bytes_read_span(in, len, &e->payload) ? 0 : MS_ESHORT;
}

static int decode_append(struct bytes_reader *in, struct raft_msg_entry *entries, struct raft_msg *m)
{
    uint32_t count;
    if (!bytes_read_u64(in, &m->append.prev_index)) return MS_ESHORT;
    if (!bytes_read_u64(in, &m->append.prev_term)) return MS_ESHORT;
    if (!bytes_read_u64(in, &m->append.commit_index)) return MS_ESHORT;
    if (!bytes_read_u64(in, &m->append.round) || !bytes_read_u32(in, &count)) return MS_ESHORT;
    if (count > RAFT_MSG_ENTRIES_MAX) return MS_ECORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        int rv = decode_entry(in, &entries[i]);
        if (rv < 0) return rv;
    }
    m->append.count = count;
    m->append.entries = entries;
    return 0;
}

static int decode_append_reply(struct bytes_reader *in, struct raft_msg *m)
{
    uint8_t flags;
    int rv = read_flags(in, 15, &flags);
    if (rv < 0) return rv;
    m->append_reply.ok = flags & 1;
    m->append_reply.abstain = flags >> 1 & 1;
    m->append_reply.full = flags >> 2 & 1;
    m->append_reply.closed = flags >> 3 & 1;
    bool whole = bytes_read_u64(in, &m->append_reply.match_index) &&
                 bytes_read_u64(in, &m->append_reply.prev_index) &&
                 bytes_read_u64(in, &m->append_reply.hint_index) &&
                 bytes_read_u64(in, &m->append_reply.hint_term) &&
                 bytes_read_u64(in, &m->append_reply.round);
    return whole ? 0 : MS_ESHORT;
}

static int decode_read_reply(struct bytes_reader *in, struct raft_msg *m)
{
    uint16_t status;
    if (!bytes_read_u64(in, &m->read_reply.token)) return MS_ESHORT;
    if (!bytes_read_u64(in, &m->read_reply.index) || !bytes_read_u16(in, &status)) return MS_ESHORT;
    m->read_reply.status = (int16_t)status;
    return m->read_reply.status > 0 ? MS_ECORRUPT : 0;
}

static int decode_body(struct bytes_reader *in, struct raft_msg_entry *entries, struct raft_msg *m)
{
    switch (m->type) {
    case RAFT_MSG_VOTE: return decode_vote(in, m);
    case RAFT_MSG_VOTE_REPLY: return decode_vote_reply(in, m);
    case RAFT_MSG_APPEND: return decode_append(in, entries, m);
    case RAFT_MSG_APPEND_REPLY: return decode_append_reply(in, m);
    case RAFT_MSG_READ: return bytes_read_u64(in, &m->read.token) ? 0 : MS_ESHORT;
    case RAFT_MSG_READ_REPLY: return decode_read_reply(in, m);
    case RAFT_MSG_TIMEOUT_NOW: return 0;
    }
    return MS_EVERSION; /* a type that a later program may know */
}

int raft_msg_decode(struct bytes b, struct raft_msg_entry *entries, struct raft_msg *out)
{
    struct bytes_reader in = bytes_reader_of(b);
    struct raft_msg m;
    uint8_t version, type;
    memset(&m, 0, sizeof m);
    if (!bytes_read_u8(&in, &version) || !bytes_read_u8(&in, &type)) return MS_ESHORT;
    if (version != MSG_VERSION) return MS_EVERSION;
    m.type = (enum raft_msg_type)type;
    if (!bytes_read_u64(&in, &m.from) || !bytes_read_u64(&in, &m.to)) return MS_ESHORT;
    if (!bytes_read_u64(&in, &m.term)) return MS_ESHORT;
    int rv = decode_body(&in, entries, &m);
    if (rv < 0) return rv;
    if (bytes_reader_left(&in) != 0) return MS_ECORRUPT;
    *out = m;
    return 0;
}
