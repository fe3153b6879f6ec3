/* kv_digest.c: the digest of the state (S4): the sum over its elements of XXH3-128, each half modulo
 * 2^64. A sum can be kept while elements come and go, in any order, and made anew by a scan.
 *
 * element = tag u8, then what docs/FORMATS.md says of the tag. */
#include <xxhash.h>

#include "kv/kv_private.h"

enum tag { TAG_RECORD = 1, TAG_CONFIG, TAG_BINDING, TAG_WINDOW, TAG_REVISIONS, TAG_LEASE };

static struct kv_digest from_hash(XXH128_hash_t h)
{
    return (struct kv_digest){ .hi = h.high64, .lo = h.low64 };
}

/* Long parts stand in an element by their own hashes: they need not be brought together. */
static uint8_t *store_hash(uint8_t *out, struct bytes part)
{
    XXH128_hash_t h = XXH3_128bits(part.len ? part.data : (const uint8_t *)"", part.len);
    bytes_store_u64(out, h.high64);
    bytes_store_u64(out + 8, h.low64);
    return out + 16;
}

struct kv_digest kv_digest_of_record(struct bytes key, struct bytes encoded)
{
    uint8_t element[33] = { TAG_RECORD };
    store_hash(store_hash(element + 1, key), encoded);
    return from_hash(XXH3_128bits(element, sizeof element));
}

struct kv_digest kv_digest_of_window(const struct kv_window *w)
{
    uint8_t element[1 + KV_WINDOW_ENCODED_BYTES_MAX];
    element[0] = TAG_WINDOW;
    size_t len = kv_window_encode(w, element + 1);
    return from_hash(XXH3_128bits(element, 1 + len));
}

struct kv_digest kv_digest_of_binding(const struct kv_binding *b)
{
    uint8_t element[1 + KV_BINDING_ENCODED_BYTES];
    element[0] = TAG_BINDING;
    kv_binding_encode(b, element + 1);
    return from_hash(XXH3_128bits(element, sizeof element));
}

struct kv_digest kv_digest_of_lease(uint64_t id, struct bytes encoded)
{
    uint8_t element[25] = { TAG_LEASE };
    bytes_store_u64(element + 1, id);
    store_hash(element + 9, encoded);
    return from_hash(XXH3_128bits(element, sizeof element));
}

struct kv_digest kv_digest_of_revisions(uint64_t revision, uint64_t compacted_revision)
{
    uint8_t element[17] = { TAG_REVISIONS };
    bytes_store_u64(element + 1, revision);
    bytes_store_u64(element + 9, compacted_revision);
    return from_hash(XXH3_128bits(element, sizeof element));
}

struct kv_digest kv_digest_of_config(uint64_t config_index, struct bytes encoded)
{
    uint8_t element[25] = { TAG_CONFIG };
    bytes_store_u64(element + 1, config_index);
    store_hash(element + 9, encoded);
    return from_hash(XXH3_128bits(element, sizeof element));
}

void kv_digest_add(struct kv_digest *sum, struct kv_digest element)
{
    sum->hi += element.hi;
    sum->lo += element.lo;
}

void kv_digest_sub(struct kv_digest *sum, struct kv_digest element)
{
    sum->hi -= element.hi;
    sum->lo -= element.lo;
}

bool kv_digest_equal(struct kv_digest a, struct kv_digest b)
{
    return a.hi == b.hi && a.lo == b.lo;
}
