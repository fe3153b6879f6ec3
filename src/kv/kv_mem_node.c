/* kv_mem_node.c: inner nodes: search in one, and the heads that make it fast. */
#include "kv/kv_mem_tree.h"

/* Lengthen the prefix only when the node has grown to one of these: it reads every key. */
#define RENEW_COUNT_MIN 8u

uint32_t mem_prefix_shared(struct bytes a, struct bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len, at = 0;
    while (at < len && a.data[at] == b.data[at]) at++;
    return (uint32_t)at;
}

uint32_t mem_head_of(struct bytes key, uint32_t skip)
{
    if (key.len >= skip + 4u) return bytes_load_be32(key.data + skip);
    uint32_t head = 0;
    for (uint32_t i = 0; i < 4; i++) {
        head = head << 8 | (skip + i < key.len ? key.data[skip + i] : 0);
    }
    return head;
}

/* First position whose head is not below (or, with above, is above) head. */
static uint32_t head_position(const struct mem_inner *node, uint32_t low, uint32_t head, bool above)
{
    uint32_t high = node->node.count;
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

/* The first key above key; count if there is none. */
static uint32_t key_position(const struct mem_inner *node, struct bytes key)
{
    uint32_t head = mem_head_of(key, node->prefix_bytes), count = node->node.count;
    uint32_t low = head_position(node, 1, head, false);
    uint32_t high = low;
    if (low < count && node->heads[low] == head) high = head_position(node, low, head, true);
    while (low < high) { /* equal heads say nothing */
        uint32_t middle = (low + high) / 2;
        if (bytes_compare(key, mem_entry_key(node->keys[middle])) >= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (node->prefix_bytes == 0 || count < 2) return low;
    /* Heads compare keys with the node's prefix; another key stands before or behind all of them. */
    const struct mem_entry *e = node->keys[low < count ? low : count - 1u];
    size_t len = key.len < node->prefix_bytes ? key.len : node->prefix_bytes;
    int order = len ? memcmp(key.data, e->data, len) : 0;
    if (order == 0) return low; /* also for a part of the prefix: its head is 0, its place the first */
    return order < 0 ? 1 : count;
}

uint32_t mem_child_position(const struct mem_inner *node, struct bytes key)
{
    return key_position(node, key) - 1;
}

static void head_set(struct mem_inner *node, uint32_t at)
{
    node->heads[at] = mem_head_of(mem_entry_key(node->keys[at]), node->prefix_bytes);
}

static void renew(struct mem_inner *node, uint32_t prefix_bytes)
{
    node->prefix_bytes = prefix_bytes;
    for (uint32_t i = 1; i < node->node.count; i++) head_set(node, i);
}

void mem_heads_renew(struct mem_inner *node)
{
    if (node->node.count < 2) return;
    struct bytes first = mem_entry_key(node->keys[1]);
    renew(node, mem_prefix_shared(first, mem_entry_key(node->keys[node->node.count - 1u])));
}

/* Before key comes in: shortens the prefix if key does not have it, lengthens it now and then. */
static void admit(struct mem_inner *node, struct bytes key)
{
    uint32_t count = node->node.count;
    if (count < 2) {
        node->prefix_bytes = 0;
        return;
    }
    struct bytes low = mem_entry_key(node->keys[1]);
    uint32_t with_key = mem_prefix_shared(key, low);
    bool fits = with_key >= node->prefix_bytes;
    bool grown = count >= RENEW_COUNT_MIN && (count & (count - 1u)) == 0;
    if (fits && !grown) return;
    uint32_t shared = mem_prefix_shared(low, mem_entry_key(node->keys[count - 1u]));
    if (shared > with_key) shared = with_key;
    if (shared != node->prefix_bytes) renew(node, shared);
}

void mem_children_move(struct mem_inner *to, uint32_t to_at, const struct mem_inner *from,
                       uint32_t from_at, uint32_t count)
{
    memmove(&to->children[to_at], &from->children[from_at], count * sizeof(struct mem_node *));
    memmove(&to->heads[to_at], &from->heads[from_at], count * sizeof(uint32_t));
    memmove(&to->keys[to_at], &from->keys[from_at], count * sizeof(struct mem_entry *));
}

void mem_child_insert(struct mem_inner *parent, uint32_t at, struct mem_node *child,
                      struct mem_entry *key)
{
    admit(parent, mem_entry_key(key));
    mem_children_move(parent, at + 1, parent, at, parent->node.count - at);
    parent->children[at] = child;
    parent->keys[at] = key;
    parent->node.count++;
    head_set(parent, at);
}

void mem_child_drop(struct mem_inner *parent, uint32_t at)
{
    mem_children_move(parent, at, parent, at + 1, parent->node.count - at - 1u);
    parent->node.count--;
}

void mem_child_rename(struct mem_inner *parent, uint32_t at, struct mem_entry *key)
{
    admit(parent, mem_entry_key(key));
    parent->keys[at] = key;
    head_set(parent, at);
}
