/* kv_key.c: keys of the engine. Six spaces, told apart by the first byte (docs/FORMATS.md).
 *
 * In the history a key is followed by a revision. So that keys keep their order there, none may run
 * into the revision of another: a NUL is written as 00 FF and the end as 00 01, which is below whatever
 * can follow the same bytes in a longer key. */
#include "kv/kv_private.h"

#define ESCAPE_NUL 0xffu
#define ESCAPE_END 0x01u

static void append_be64(struct buf *out, uint64_t v)
{
    uint8_t be[8];
    bytes_store_be64(be, v);
    buf_append(out, be, sizeof be);
}

static void append_escaped(struct buf *out, struct bytes key)
{
    size_t at = 0;
    while (at < key.len) {
        const uint8_t *nul = memchr(key.data + at, 0, key.len - at);
        size_t plain = nul ? (size_t)(nul - key.data) - at : key.len - at;
        buf_append(out, key.data + at, plain);
        at += plain;
        if (!nul) break;
        buf_append_u8(out, 0);
        buf_append_u8(out, ESCAPE_NUL);
        at++;
    }
    buf_append_u8(out, 0);
    buf_append_u8(out, ESCAPE_END);
}

static void begin(struct buf *out, uint8_t space)
{
    buf_clear(out);
    buf_append_u8(out, space);
}

void kv_key_current(struct buf *out, struct bytes key)
{
    begin(out, KV_SPACE_CURRENT);
    buf_append(out, key.data, key.len);
}

void kv_key_history(struct buf *out, struct bytes key, uint64_t mod_revision)
{
    begin(out, KV_SPACE_HISTORY);
    append_escaped(out, key);
    append_be64(out, mod_revision);
}

void kv_key_rev(struct buf *out, uint64_t revision, uint32_t sub)
{
    begin(out, KV_SPACE_REVS);
    append_be64(out, revision);
    for (int shift = 24; shift >= 0; shift -= 8) buf_append_u8(out, (uint8_t)(sub >> shift));
}

void kv_key_lease(struct buf *out, uint64_t id)
{
    begin(out, KV_SPACE_LEASE);
    append_be64(out, id);
}

void kv_key_attached(struct buf *out, uint64_t id, struct bytes key)
{
    begin(out, KV_SPACE_ATTACHED);
    append_be64(out, id);
    buf_append(out, key.data, key.len);
}

static bool read_escaped(struct bytes_reader *in, struct buf *key)
{
    uint8_t byte, next;
    while (bytes_read_u8(in, &byte)) {
        if (byte != 0) {
            buf_append_u8(key, byte);
            continue;
        }
        if (!bytes_read_u8(in, &next)) return false;
        if (next == ESCAPE_END) return true;
        if (next != ESCAPE_NUL) return false;
        buf_append_u8(key, 0);
    }
    return false;
}

static bool read_be64(struct bytes_reader *in, uint64_t *out)
{
    struct bytes b;
    if (!bytes_read_span(in, 8, &b)) return false;
    *out = bytes_load_be64(b.data);
    return true;
}

bool kv_key_history_decode(struct bytes in, struct buf *user_key, uint64_t *mod_revision)
{
    struct bytes_reader at = bytes_reader_of(in);
    uint8_t space;
    buf_clear(user_key);
    if (!bytes_read_u8(&at, &space) || space != KV_SPACE_HISTORY) return false;
    if (!read_escaped(&at, user_key) || !read_be64(&at, mod_revision)) return false;
    return bytes_reader_left(&at) == 0 && user_key->len > 0;
}

bool kv_key_rev_decode(struct bytes in, uint64_t *revision, uint32_t *sub)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct bytes be;
    uint8_t space;
    if (!bytes_read_u8(&at, &space) || space != KV_SPACE_REVS) return false;
    if (!read_be64(&at, revision) || !bytes_read_span(&at, 4, &be)) return false;
    *sub = (uint32_t)be.data[0] << 24 | (uint32_t)be.data[1] << 16 | (uint32_t)be.data[2] << 8 |
           be.data[3];
    return bytes_reader_left(&at) == 0;
}

bool kv_key_lease_decode(struct bytes in, uint64_t *id)
{
    struct bytes_reader at = bytes_reader_of(in);
    uint8_t space;
    if (!bytes_read_u8(&at, &space) || space != KV_SPACE_LEASE) return false;
    return read_be64(&at, id) && bytes_reader_left(&at) == 0;
}

bool kv_key_attached_decode(struct bytes in, uint64_t id, struct bytes *user_key)
{
    struct bytes_reader at = bytes_reader_of(in);
    uint8_t space;
    uint64_t of;
    if (!bytes_read_u8(&at, &space) || space != KV_SPACE_ATTACHED) return false;
    if (!read_be64(&at, &of) || of != id) return false;
    return bytes_read_span(&at, bytes_reader_left(&at), user_key);
}

struct kv_range kv_range_of(struct bytes key, struct bytes range_end)
{
    bool from_key = range_end.len == 1 && range_end.data[0] == 0;
    return (struct kv_range){
        .key = key, .end = range_end, .single = range_end.len == 0, .unbounded = from_key
    };
}

/* Keys are below an end that is larger, or that has none. */
static bool below_end(const struct kv_range *r, struct bytes key)
{
    if (r->single) return bytes_equal(key, r->key);
    return r->unbounded || bytes_compare(key, r->end) < 0;
}

bool kv_range_holds(const struct kv_range *r, struct bytes key)
{
    return bytes_compare(key, r->key) >= 0 && below_end(r, key);
}
