/* kv_mem_node.c: search in one node, and the heads that make it fast. */
#include "kv/kv_mem_tree.h"

#include "base/ms_assert.h"

/* Lengthen the prefix only when the node has grown to one of these: it reads every key. */
#define RENEW_COUNT_MIN 8u

int mem_key_compare(struct bytes key, const struct mem_entry *e)
{
    size_t len = key.len < e->key_len ? key.len : e->key_len;
    int order = len ? memcmp(key.data, e->data, len) : 0;
    if (order != 0) return order;
    return key.len < e->key_len ? -1 : key.len > e->key_len;
}

uint32_t mem_prefix_shared(struct bytes a, struct bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len, at = 0;
    while (at < len && a.data[at] == b.data[at]) at++;
    return (uint32_t)at;
}

static uint32_t first_key(const struct mem_node *node)
{
    return node->level ? 1 : 0;
}

static const struct mem_entry *key_at(const struct mem_node *node, uint32_t at)
{
    return node->level ? ((const struct mem_inner *)node)->keys[at] : node->slots[at];
}

static uint32_t head_of(struct bytes key, uint32_t skip)
{
    uint32_t head = 0;
    for (uint32_t i = 0; i < 4; i++) {
        head = head << 8 | (skip + i < key.len ? key.data[skip + i] : 0);
    }
    return head;
}

/* First position whose head is not below (or, with above, is above) head. */
static uint32_t head_position(const struct mem_node *node, uint32_t low, uint32_t head, bool above)
{
    uint32_t high = node->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (node->heads[middle] < head || (above && node->heads[middle] == head)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* First position whose key is not below (or, with above, is above) key. */
static uint32_t position(const struct mem_node *node, struct bytes key, bool above)
{
    uint32_t first = first_key(node), head = head_of(key, node->prefix_bytes);
    uint32_t low = head_position(node, first, head, false);
    uint32_t high = low;
    if (low < node->count && node->heads[low] == head) high = head_position(node, low, head, true);
    while (low < high) { /* equal heads say nothing */
        uint32_t middle = (low + high) / 2;
        int order = mem_key_compare(key, key_at(node, middle));
        if (order > 0 || (above && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (node->prefix_bytes == 0 || node->count <= first) return low;
    /* Heads compare keys with the node's prefix; another key stands before or behind all of them. */
    const struct mem_entry *e = key_at(node, low < node->count ? low : node->count - 1u);
    size_t len = key.len < node->prefix_bytes ? key.len : node->prefix_bytes;
    int order = len ? memcmp(key.data, e->data, len) : 0;
    if (order == 0) return low; /* also for a part of the prefix: its head is 0, its place the first */
    return order < 0 ? first : node->count;
}

uint32_t mem_leaf_position(const struct mem_node *leaf, struct bytes key)
{
    return position(leaf, key, false);
}

uint32_t mem_child_position(const struct mem_node *node, struct bytes key)
{
    return position(node, key, true) - 1;
}

void mem_heads_set(struct mem_node *node, uint32_t at, struct bytes key)
{
    node->heads[at] = head_of(key, node->prefix_bytes);
}

static void renew(struct mem_node *node, uint32_t prefix_bytes)
{
    node->prefix_bytes = prefix_bytes;
    for (uint32_t i = first_key(node); i < node->count; i++) {
        mem_heads_set(node, i, mem_entry_key(key_at(node, i)));
    }
}

void mem_heads_renew(struct mem_node *node)
{
    uint32_t first = first_key(node);
    if (node->count <= first) return;
    renew(node, mem_prefix_shared(mem_entry_key(key_at(node, first)),
                                  mem_entry_key(key_at(node, node->count - 1u))));
}

void mem_heads_admit(struct mem_node *node, struct bytes key)
{
    uint32_t first = first_key(node), count = node->count;
    if (count <= first) {
        node->prefix_bytes = 0;
        return;
    }
    struct bytes low = mem_entry_key(key_at(node, first));
    uint32_t with_key = mem_prefix_shared(key, low);
    bool fits = with_key >= node->prefix_bytes;
    bool grown = count >= RENEW_COUNT_MIN && (count & (count - 1u)) == 0;
    if (fits && !grown) return;
    uint32_t shared = mem_prefix_shared(low, mem_entry_key(key_at(node, count - 1u)));
    if (shared > with_key) shared = with_key;
    if (shared != node->prefix_bytes) renew(node, shared);
}
