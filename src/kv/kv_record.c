/* kv_record.c: values of the engine. Numbers are varints (seven bits a byte, low ones first) in their
 * shortest form, so that each record has one encoding, which the digest is made of (S4). */
#include "base/ms_err.h"
#include "kv/kv_private.h"

#define RECORD_FORMAT 1u
#define LEASE_FORMAT 1u
#define VARINT_BYTES_MAX 10u

static void append_varint(struct buf *out, uint64_t v)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    size_t len = 0;
    for (; v >= 0x80; v >>= 7) bytes[len++] = (uint8_t)(v | 0x80);
    bytes[len++] = (uint8_t)v;
    buf_append(out, bytes, len);
}

/* False: cut off, above 64 bits, or longer than needed. */
static bool read_varint(struct bytes_reader *in, uint64_t *out)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < VARINT_BYTES_MAX; i++) {
        uint8_t byte;
        if (!bytes_read_u8(in, &byte)) return false;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) return false;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (i > 0 && byte == 0) return false;
        *out = v;
        return true;
    }
    return false;
}

void kv_record_encode(struct buf *out, const struct kv_record *r)
{
    buf_append_u8(out, RECORD_FORMAT);
    append_varint(out, r->create_revision);
    append_varint(out, r->mod_revision - r->create_revision);
    append_varint(out, r->version);
    append_varint(out, r->lease);
    buf_append(out, r->value.data, r->value.len);
}

int kv_record_decode(struct bytes in, struct kv_record *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_record r = { 0 };
    uint8_t format;
    uint64_t age;
    if (!bytes_read_u8(&at, &format)) return MS_ECORRUPT;
    if (format != RECORD_FORMAT) return MS_EVERSION;
    if (!read_varint(&at, &r.create_revision) || !read_varint(&at, &age)) return MS_ECORRUPT;
    if (!read_varint(&at, &r.version) || !read_varint(&at, &r.lease)) return MS_ECORRUPT;
    r.mod_revision = r.create_revision + age;
    if (r.create_revision == 0 || r.mod_revision < age || r.version == 0) return MS_ECORRUPT;
    if (bytes_reader_left(&at) > MS_VALUE_BYTES_MAX) return MS_ECORRUPT;
    bytes_read_span(&at, bytes_reader_left(&at), &r.value);
    *out = r;
    return 0;
}

void kv_old_record_encode(struct buf *out, uint64_t superseded_revision, struct bytes encoded)
{
    append_varint(out, superseded_revision);
    buf_append(out, encoded.data, encoded.len);
}

int kv_old_record_decode(struct bytes in, struct kv_old_record *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_old_record r = { 0 };
    if (!read_varint(&at, &r.superseded_revision)) return MS_ECORRUPT;
    bytes_read_span(&at, bytes_reader_left(&at), &r.encoded);
    int rv = kv_record_decode(r.encoded, &r.record);
    if (rv < 0) return rv;
    if (r.superseded_revision <= r.record.mod_revision) return MS_ECORRUPT;
    *out = r;
    return 0;
}

void kv_change_encode(struct buf *out, const struct kv_change *c)
{
    buf_append_u8(out, (uint8_t)c->mark);
    append_varint(out, c->prev_mod_revision);
    buf_append(out, c->key.data, c->key.len);
}

int kv_change_decode(struct bytes in, struct kv_change *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_change c = { 0 };
    uint8_t mark;
    if (!bytes_read_u8(&at, &mark)) return MS_ECORRUPT;
    if (mark != KV_CHANGE_PUT && mark != KV_CHANGE_DELETE) return MS_ECORRUPT;
    if (!read_varint(&at, &c.prev_mod_revision)) return MS_ECORRUPT;
    bytes_read_span(&at, bytes_reader_left(&at), &c.key);
    if (c.key.len == 0 || c.key.len > MS_KEY_BYTES_MAX) return MS_ECORRUPT;
    if (mark == KV_CHANGE_DELETE && c.prev_mod_revision == 0) return MS_ECORRUPT;
    c.mark = (enum kv_change_mark)mark;
    *out = c;
    return 0;
}

void kv_lease_encode(struct buf *out, const struct kv_lease *l)
{
    buf_append_u8(out, LEASE_FORMAT);
    append_varint(out, l->ttl_ms);
    append_varint(out, l->remaining_ms);
    append_varint(out, l->renewed_index);
    append_varint(out, l->key_count);
}

int kv_lease_decode(struct bytes in, uint64_t id, struct kv_lease *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_lease l = { .id = id };
    uint8_t format;
    if (!bytes_read_u8(&at, &format)) return MS_ECORRUPT;
    if (format != LEASE_FORMAT) return MS_EVERSION;
    if (!read_varint(&at, &l.ttl_ms) || !read_varint(&at, &l.remaining_ms)) return MS_ECORRUPT;
    if (!read_varint(&at, &l.renewed_index) || !read_varint(&at, &l.key_count)) return MS_ECORRUPT;
    if (bytes_reader_left(&at) > 0 || id == 0 || id > MS_LEASE_ID_MAX) return MS_ECORRUPT;
    if (l.ttl_ms == 0 || l.ttl_ms > MS_LEASE_TTL_MS_MAX) return MS_ECORRUPT;
    if (l.remaining_ms > l.ttl_ms) return MS_ECORRUPT;
    *out = l;
    return 0;
}
