/* kv_mem_iter.c: walking a root of the tree both ways. Leaves are not chained (a chain would have to be
 * copied as a whole), so an iterator keeps the path from the root. */
#include "base/ms_assert.h"
#include "kv/kv_mem_tree.h"

void mem_iter_init(struct mem_iter *i, const struct mem_node *root)
{
    i->root = root;
    i->valid = false;
}

/* Below the node at level, follow the first or the last slots down to a leaf. */
static void descend_edge(struct mem_iter *i, uint32_t level, bool last)
{
    for (; level > 0; level--) {
        const struct mem_node *child = i->nodes[level]->slots[i->at[level]];
        i->nodes[level - 1] = child;
        i->at[level - 1] = last ? child->count - 1u : 0;
    }
}

static void step_forward(struct mem_iter *i)
{
    uint32_t level = 0;
    while (level <= i->root->level && i->at[level] + 1u >= i->nodes[level]->count) level++;
    i->valid = level <= i->root->level;
    if (!i->valid) return;
    i->at[level]++;
    descend_edge(i, level, false);
}

static void step_back(struct mem_iter *i)
{
    uint32_t level = 0;
    while (level <= i->root->level && i->at[level] == 0) level++;
    i->valid = level <= i->root->level;
    if (!i->valid) return;
    i->at[level]--;
    descend_edge(i, level, true);
}

/* The path to where key is or would be; at[0] may be the leaf's count. */
static void descend_to(struct mem_iter *i, struct bytes key)
{
    const struct mem_node *node = i->root;
    MS_ASSERT(node->level < MEM_HEIGHT_MAX);
    for (; node->level > 0; node = node->slots[i->at[node->level]]) {
        i->nodes[node->level] = node;
        i->at[node->level] = mem_child_position(node, key);
    }
    i->nodes[0] = node;
    i->at[0] = mem_leaf_position(node, key);
}

void mem_iter_seek(struct mem_iter *i, struct bytes key)
{
    i->valid = i->root != NULL;
    if (!i->valid) return;
    descend_to(i, key);
    if (i->at[0] < i->nodes[0]->count) return;
    i->at[0] = i->nodes[0]->count - 1u;
    step_forward(i);
}

void mem_iter_seek_before(struct mem_iter *i, struct bytes key)
{
    i->valid = i->root != NULL;
    if (!i->valid) return;
    descend_to(i, key);
    step_back(i);
}

void mem_iter_next(struct mem_iter *i)
{
    if (i->valid) step_forward(i);
}

void mem_iter_prev(struct mem_iter *i)
{
    if (i->valid) step_back(i);
}

const struct mem_entry *mem_iter_entry(const struct mem_iter *i)
{
    MS_ASSERT(i->valid);
    return i->nodes[0]->slots[i->at[0]];
}
