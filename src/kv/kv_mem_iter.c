/* kv_mem_iter.c: walking a root of the tree both ways. Leaves are not chained (a chain would have to be
 * copied as a whole), so an iterator keeps the path from the root. */
#include "base/ms_assert.h"
#include "kv/kv_mem_tree.h"

void mem_iter_init(struct mem_iter *i, const struct mem_node *root)
{
    i->root = root;
    i->valid = false;
}

static const struct mem_leaf *leaf_of(const struct mem_iter *i)
{
    return (const struct mem_leaf *)i->nodes[0];
}

static const struct mem_node *child_of(const struct mem_iter *i, uint32_t level)
{
    return ((const struct mem_inner *)i->nodes[level])->children[i->at[level]];
}

/* Below the node at level, follow the first or the last children down to a leaf. */
static void descend_edge(struct mem_iter *i, uint32_t level, bool last)
{
    for (; level > 0; level--) {
        const struct mem_node *child = child_of(i, level);
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
    bool found;
    MS_ASSERT(i->root->level < MEM_HEIGHT_MAX);
    i->nodes[i->root->level] = i->root;
    for (uint32_t level = i->root->level; level > 0; level--) {
        i->at[level] = mem_child_position((const struct mem_inner *)i->nodes[level], key);
        i->nodes[level - 1] = child_of(i, level);
    }
    i->at[0] = mem_leaf_position(leaf_of(i), key, &found);
}

static void key_renew(struct mem_iter *i)
{
    if (i->valid) i->key = mem_leaf_key(leaf_of(i), i->at[0], i->scratch);
}

void mem_iter_seek(struct mem_iter *i, struct bytes key)
{
    i->valid = i->root != NULL;
    if (!i->valid) return;
    descend_to(i, key);
    if (i->at[0] == i->nodes[0]->count) {
        i->at[0]--;
        step_forward(i);
    }
    key_renew(i);
}

void mem_iter_seek_before(struct mem_iter *i, struct bytes key)
{
    i->valid = i->root != NULL;
    if (!i->valid) return;
    descend_to(i, key);
    step_back(i);
    key_renew(i);
}

void mem_iter_next(struct mem_iter *i)
{
    if (i->valid) step_forward(i);
    key_renew(i);
}

void mem_iter_prev(struct mem_iter *i)
{
    if (i->valid) step_back(i);
    key_renew(i);
}

struct bytes mem_iter_value(const struct mem_iter *i)
{
    MS_ASSERT(i->valid);
    return mem_leaf_value(leaf_of(i), i->at[0]);
}
