/* kv_mem_leaf.c: leaves, which hold their entries packed.
 *
 * What all keys share stands once in front; the four bytes behind it are the head of the entry's slot,
 * where the search looks; what is left of the key stands before the value, in the record. Records grow
 * from the end of the block towards the slots. */
#include "base/ms_assert.h"
#include "kv/kv_mem_tree.h"

#define HEAD_BYTES 4u
#define ALLOCATION_STEP 16u /* what allocators round to, with 8 bytes of their own */

static size_t padded(size_t prefix_bytes)
{
    return (prefix_bytes + 7) & ~(size_t)7;
}

static struct mem_slot *slots_of(const struct mem_leaf *leaf)
{
    return (struct mem_slot *)(leaf->data + padded(leaf->prefix_bytes) / 8);
}

static uint32_t begin_of(const struct mem_slot *slots, uint32_t at)
{
    return at > 0 ? slots[at - 1].end : 0; /* nearer to the end of the block */
}

static uint32_t record_len(const struct mem_slot *slots, uint32_t at)
{
    return slots[at].end - begin_of(slots, at);
}

static uint8_t *record_of(const struct mem_leaf *leaf, const struct mem_slot *slots, uint32_t at)
{
    return (uint8_t *)leaf + leaf->block_bytes - slots[at].end;
}

static size_t records_bytes(const struct mem_leaf *leaf)
{
    return leaf->node.count ? slots_of(leaf)[leaf->node.count - 1u].end : 0;
}

size_t mem_leaf_used(const struct mem_leaf *leaf)
{
    return sizeof *leaf + padded(leaf->prefix_bytes) + leaf->node.count * sizeof(struct mem_slot) +
           records_bytes(leaf);
}

/* Of a packed key: the bytes that prefix and head do not say. */
static size_t rest_len(size_t key_len, size_t prefix_bytes)
{
    return key_len > prefix_bytes + HEAD_BYTES ? key_len - prefix_bytes - HEAD_BYTES : 0;
}

struct mem_entry *mem_leaf_entry(const struct mem_leaf *leaf, uint32_t at)
{
    const struct mem_slot *slots = slots_of(leaf);
    struct mem_entry *e = NULL;
    if (slots[at].key_len == MEM_KEY_ELSEWHERE) memcpy(&e, record_of(leaf, slots, at), sizeof e);
    return e;
}

struct bytes mem_leaf_value(const struct mem_leaf *leaf, uint32_t at)
{
    const struct mem_slot *slots = slots_of(leaf);
    const struct mem_entry *e = mem_leaf_entry(leaf, at);
    if (e) return mem_entry_value(e);
    size_t rest = rest_len(slots[at].key_len, leaf->prefix_bytes);
    return bytes_of(record_of(leaf, slots, at) + rest, record_len(slots, at) - rest);
}

struct bytes mem_leaf_key(const struct mem_leaf *leaf, uint32_t at, uint8_t *scratch)
{
    const struct mem_slot *slots = slots_of(leaf);
    const struct mem_entry *e = mem_leaf_entry(leaf, at);
    uint8_t head[HEAD_BYTES];
    if (e) return mem_entry_key(e);
    size_t len = slots[at].key_len, prefix = leaf->prefix_bytes, rest = rest_len(len, prefix);
    size_t in_head = len - prefix - rest;
    bytes_store_be32(head, slots[at].head);
    memcpy(scratch, leaf->data, prefix);
    memcpy(scratch + prefix, head, in_head);
    memcpy(scratch + prefix + in_head, record_of(leaf, slots, at), rest);
    return bytes_of(scratch, len);
}

/* Of a key whose prefix and head are those of the entry. */
static int rest_compare(const struct mem_leaf *leaf, const struct mem_slot *slots, uint32_t at,
                        struct bytes key)
{
    const struct mem_entry *e = mem_leaf_entry(leaf, at);
    if (e) return bytes_compare(key, mem_entry_key(e));
    size_t mine = rest_len(key.len, leaf->prefix_bytes);
    size_t its = rest_len(slots[at].key_len, leaf->prefix_bytes), len = mine < its ? mine : its;
    int order = len ? memcmp(key.data + key.len - mine, record_of(leaf, slots, at), len) : 0;
    if (order != 0) return order;
    return key.len < slots[at].key_len ? -1 : key.len > slots[at].key_len;
}

uint32_t mem_leaf_position(const struct mem_leaf *leaf, struct bytes key, bool *found)
{
    const struct mem_slot *slots = slots_of(leaf);
    uint32_t low = 0, high = leaf->node.count, prefix = leaf->prefix_bytes;
    size_t with_prefix = key.len < prefix ? key.len : prefix;
    int order = with_prefix ? memcmp(key.data, leaf->data, with_prefix) : 0;
    *found = false;
    if (order != 0 || key.len < prefix) return order > 0 ? high : 0;
    uint32_t head = mem_head_of(key, prefix);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        order = head < slots[middle].head ? -1 : head > slots[middle].head;
        if (order == 0) order = rest_compare(leaf, slots, middle, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t mem_item_bytes(const struct mem_item *item, uint32_t prefix_bytes)
{
    if (item->entry) return sizeof(struct mem_slot) + sizeof item->entry;
    return sizeof(struct mem_slot) + rest_len(item->key.len, prefix_bytes) + item->value.len;
}

size_t mem_leaf_bytes(const struct mem_leaf *leaf, uint32_t from, uint32_t count, uint32_t prefix_bytes)
{
    const struct mem_slot *slots = slots_of(leaf);
    size_t bytes = sizeof *leaf + padded(prefix_bytes) + count * sizeof *slots;
    for (uint32_t at = from; at < from + count; at++) {
        bytes += record_len(slots, at);
        if (slots[at].key_len == MEM_KEY_ELSEWHERE) continue;
        bytes += rest_len(slots[at].key_len, prefix_bytes);
        bytes -= rest_len(slots[at].key_len, leaf->prefix_bytes);
    }
    return bytes;
}

/* An empty one. Its prefix is the caller's to write. */
static struct mem_leaf *leaf_alloc(struct mem_tree *t, size_t bytes, uint32_t prefix_bytes)
{
    bytes = (bytes + 8 + ALLOCATION_STEP - 1) / ALLOCATION_STEP * ALLOCATION_STEP - 8;
    MS_ASSERT(bytes <= MEM_LEAF_BYTES_MAX); /* T7 */
    struct mem_leaf *leaf = ms_alloc(t->alloc, bytes);
    if (!leaf) return NULL;
    *leaf = (struct mem_leaf){ .node = { .birth = t->epoch },
                               .prefix_bytes = (uint16_t)prefix_bytes,
                               .block_bytes = (uint16_t)bytes };
    t->bytes += bytes;
    return leaf;
}

static uint8_t *record_append(struct mem_leaf *leaf, uint32_t head, uint32_t key_len, size_t len)
{
    struct mem_slot *slots = slots_of(leaf);
    uint32_t at = leaf->node.count++;
    slots[at] = (struct mem_slot){ .head = head,
                                   .end = (uint16_t)(begin_of(slots, at) + len),
                                   .key_len = (uint16_t)key_len };
    return record_of(leaf, slots, at);
}

/* What item's record is, at to. */
static void record_write(const struct mem_leaf *leaf, uint8_t *to, const struct mem_item *item)
{
    if (item->entry) {
        memcpy(to, &item->entry, sizeof item->entry);
        return;
    }
    size_t rest = rest_len(item->key.len, leaf->prefix_bytes);
    if (rest) memcpy(to, item->key.data + item->key.len - rest, rest);
    if (item->value.len) memcpy(to + rest, item->value.data, item->value.len);
}

/* Append entries [from, from + count) of other, in which the prefix may be another. */
static void append_range(struct mem_leaf *leaf, const struct mem_leaf *other, uint32_t from,
                         uint32_t count)
{
    const struct mem_slot *slots = slots_of(other);
    uint8_t scratch[MEM_INLINE_BYTES_MAX];
    for (uint32_t at = from; at < from + count; at++) {
        struct mem_item item = { .key = mem_leaf_key(other, at, scratch),
                                 .value = mem_leaf_value(other, at),
                                 .entry = mem_leaf_entry(other, at) };
        size_t len = mem_item_bytes(&item, leaf->prefix_bytes) - sizeof(struct mem_slot);
        uint32_t head = mem_head_of(item.key, leaf->prefix_bytes);
        record_write(leaf, record_append(leaf, head, slots[at].key_len, len), &item);
    }
}

struct mem_leaf *mem_leaf_copy(struct mem_tree *t, const struct mem_leaf *from_leaf, uint32_t from,
                               uint32_t count, uint32_t prefix_bytes, size_t more)
{
    uint8_t scratch[MEM_INLINE_BYTES_MAX];
    MS_ASSERT(count > 0);
    struct mem_leaf *leaf =
        leaf_alloc(t, mem_leaf_bytes(from_leaf, from, count, prefix_bytes) + more, prefix_bytes);
    if (!leaf) return NULL;
    memcpy(leaf->data, mem_leaf_key(from_leaf, from, scratch).data, prefix_bytes);
    append_range(leaf, from_leaf, from, count);
    return leaf;
}

static uint32_t key_len_of(const struct mem_item *item)
{
    return item->entry ? MEM_KEY_ELSEWHERE : (uint32_t)item->key.len;
}

struct mem_leaf *mem_leaf_create(struct mem_tree *t, const struct mem_item *item)
{
    size_t prefix = item->key.len < MEM_PREFIX_BYTES_MAX ? item->key.len : MEM_PREFIX_BYTES_MAX;
    size_t bytes = mem_item_bytes(item, (uint32_t)prefix);
    struct mem_leaf *leaf = leaf_alloc(t, sizeof *leaf + padded(prefix) + bytes, (uint32_t)prefix);
    if (!leaf) return NULL;
    memcpy(leaf->data, item->key.data, prefix);
    uint32_t head = mem_head_of(item->key, (uint32_t)prefix);
    bytes -= sizeof(struct mem_slot);
    record_write(leaf, record_append(leaf, head, key_len_of(item), bytes), item);
    return leaf;
}

struct mem_leaf *mem_leaf_writable(struct mem_tree *t, struct mem_node **slot, size_t more)
{
    struct mem_leaf *old = (struct mem_leaf *)*slot;
    size_t used = mem_leaf_used(old), records = records_bytes(old), need = used + more;
    bool ours = old->node.birth == t->epoch;
    if (ours && need <= old->block_bytes) return old;
    if (ours) need += need / 8; /* it grows step by step, perhaps at its end: not a copy each time */
    if (need > MEM_LEAF_BYTES_MAX) need = MEM_LEAF_BYTES_MAX;
    struct mem_leaf *leaf = leaf_alloc(t, need, old->prefix_bytes);
    if (!leaf) return NULL;
    leaf->node.count = old->node.count;
    memcpy(leaf->data, old->data, used - records - sizeof *old);
    memcpy((uint8_t *)leaf + leaf->block_bytes - records,
           (const uint8_t *)old + old->block_bytes - records, records);
    *slot = &leaf->node;
    t->bytes -= old->block_bytes;
    mem_kill(t, old);
    return leaf;
}

/* Make the record at, and with it all behind, longer or shorter at its end that faces the slots. */
static void record_resize(struct mem_leaf *leaf, uint32_t at, int32_t by)
{
    struct mem_slot *slots = slots_of(leaf);
    uint8_t *records = record_of(leaf, slots, leaf->node.count - 1u);
    uint32_t behind = slots[leaf->node.count - 1u].end - slots[at].end;
    memmove(records - by, records, behind);
    for (uint32_t i = at; i < leaf->node.count; i++) slots[i].end = (uint16_t)(slots[i].end + by);
}

void mem_leaf_insert(struct mem_leaf *leaf, uint32_t at, const struct mem_item *item)
{
    struct mem_slot *slots = slots_of(leaf);
    size_t len = mem_item_bytes(item, leaf->prefix_bytes) - sizeof *slots;
    MS_ASSERT(mem_leaf_used(leaf) + sizeof *slots + len <= leaf->block_bytes);
    memmove(&slots[at + 1], &slots[at], (leaf->node.count - at) * sizeof *slots);
    leaf->node.count++;
    slots[at] = (struct mem_slot){ .head = mem_head_of(item->key, leaf->prefix_bytes),
                                   .end = (uint16_t)begin_of(slots, at),
                                   .key_len = (uint16_t)key_len_of(item) };
    record_resize(leaf, at, (int32_t)len);
    record_write(leaf, record_of(leaf, slots, at), item);
}

void mem_leaf_replace(struct mem_leaf *leaf, uint32_t at, const struct mem_item *item)
{
    struct mem_slot *slots = slots_of(leaf);
    size_t len = mem_item_bytes(item, leaf->prefix_bytes) - sizeof *slots;
    int32_t by = (int32_t)len - (int32_t)record_len(slots, at);
    MS_ASSERT(by <= 0 || mem_leaf_used(leaf) + (size_t)by <= leaf->block_bytes);
    if (by != 0) record_resize(leaf, at, by);
    slots[at].key_len = (uint16_t)key_len_of(item);
    record_write(leaf, record_of(leaf, slots, at), item);
}

void mem_leaf_remove(struct mem_leaf *leaf, uint32_t at)
{
    struct mem_slot *slots = slots_of(leaf);
    record_resize(leaf, at, -(int32_t)record_len(slots, at));
    memmove(&slots[at], &slots[at + 1], (leaf->node.count - at - 1u) * sizeof *slots);
    leaf->node.count--;
}

void mem_leaf_append(struct mem_leaf *leaf, const struct mem_leaf *other)
{
    append_range(leaf, other, 0, other->node.count);
}
