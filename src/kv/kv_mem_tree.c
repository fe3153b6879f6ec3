/* kv_mem_tree.c: search, put and remove. Nodes are split and joined on the way down, so that each step
 * leaves a whole tree behind (T4) and nothing has to be undone on the way up. */
#include "kv/kv_mem_tree.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define COUNT_LOW 16u /* a node as small as this is joined with a neighbour before it loses more */
#define COUNT_JOINED_MAX 48u /* both into one if it leaves room to grow, else both even */

const struct mem_entry *mem_tree_find(const struct mem_node *root, struct bytes key)
{
    const struct mem_node *node = root;
    if (!node) return NULL;
    while (node->level > 0) node = node->slots[mem_child_position(node, key)];
    uint32_t at = mem_leaf_position(node, key);
    if (at == node->count || mem_key_compare(key, node->slots[at]) != 0) return NULL;
    return node->slots[at];
}

static struct mem_entry *entry_create(struct mem_tree *t, struct bytes key, struct bytes value)
{
    struct mem_entry *e = ms_alloc(t->alloc, sizeof *e + key.len + value.len);
    if (!e) return NULL;
    e->birth = t->epoch;
    e->key_len = (uint32_t)key.len;
    e->value_len = (uint32_t)value.len;
    memcpy(e->data, key.data, key.len);
    if (value.len) memcpy(e->data + key.len, value.data, value.len);
    return e;
}

static size_t entry_bytes(const struct mem_entry *e)
{
    return sizeof *e + e->key_len + e->value_len;
}

static size_t node_bytes(uint32_t level)
{
    return level == 0 ? sizeof(struct mem_node) : sizeof(struct mem_inner);
}

static struct mem_node *node_create(struct mem_tree *t, uint32_t level)
{
    struct mem_node *node = ms_alloc(t->alloc, node_bytes(level));
    if (!node) return NULL;
    node->birth = t->epoch;
    node->count = 0;
    node->level = (uint16_t)level;
    node->prefix_bytes = 0;
    if (level > 0) ((struct mem_inner *)node)->keys[0] = NULL;
    t->bytes += node_bytes(level);
    return node;
}

/* The node in *slot, which is the working root's, copied if somebody else sees it. NULL: no memory. */
static struct mem_node *writable(struct mem_tree *t, void **slot)
{
    struct mem_node *old = *slot;
    if (old->birth == t->epoch) return old;
    struct mem_node *node = ms_alloc(t->alloc, node_bytes(old->level));
    if (!node) return NULL;
    memcpy(node, old, node_bytes(old->level));
    node->birth = t->epoch;
    *slot = node;
    mem_kill(t, old);
    return node;
}

/* Move count slots with their heads, and the keys before them in inner nodes, within or between nodes;
 * the heads stay true if both have the same prefix. */
static void slots_move(struct mem_node *to, uint32_t to_at, const struct mem_node *from,
                       uint32_t from_at, uint32_t count)
{
    memmove(&to->slots[to_at], &from->slots[from_at], count * sizeof to->slots[0]);
    memmove(&to->heads[to_at], &from->heads[from_at], count * sizeof to->heads[0]);
    if (to->level == 0) return;
    struct mem_inner *a = (struct mem_inner *)to;
    const struct mem_inner *b = (const struct mem_inner *)from;
    memmove(&a->keys[to_at], &b->keys[from_at], count * sizeof a->keys[0]);
}

static void child_insert(struct mem_node *parent, uint32_t at, struct mem_node *child,
                         struct mem_entry *key)
{
    mem_heads_admit(parent, mem_entry_key(key));
    slots_move(parent, at + 1, parent, at, parent->count - at);
    parent->slots[at] = child;
    ((struct mem_inner *)parent)->keys[at] = key;
    mem_heads_set(parent, at, mem_entry_key(key));
    parent->count++;
}

static void child_drop(struct mem_node *parent, uint32_t at)
{
    slots_move(parent, at, parent, at + 1, parent->count - at - 1u);
    parent->count--;
}

/* The shortest key that is above left's and not above right's. NULL: no memory. */
static struct mem_entry *separator_create(struct mem_tree *t, const struct mem_entry *left,
                                          const struct mem_entry *right)
{
    uint32_t len = mem_prefix_shared(mem_entry_key(left), mem_entry_key(right));
    MS_ASSERT(len < right->key_len);
    return entry_create(t, bytes_of(right->data, len + 1), bytes_of(NULL, 0));
}

static void separator_kill(struct mem_tree *t, struct mem_entry *e)
{
    t->bytes -= entry_bytes(e);
    mem_kill(t, e);
}

/* Split the full and writable child in parent's slot at. A leaf to whose end key is added keeps all but
 * its last entry: keys that come in rising order (revisions do) leave full leaves behind. */
static bool split_child(struct mem_tree *t, struct mem_node *parent, uint32_t at, struct bytes key)
{
    struct mem_node *left = parent->slots[at];
    uint32_t keep = MEM_FANOUT / 2;
    if (left->level == 0 && mem_key_compare(key, left->slots[left->count - 1u]) > 0)
        keep = MEM_FANOUT - 1;
    struct mem_entry *middle = left->level
                                   ? ((struct mem_inner *)left)->keys[keep]
                                   : separator_create(t, left->slots[keep - 1], left->slots[keep]);
    if (!middle) return false;
    struct mem_node *right = node_create(t, left->level);
    if (!right) {
        if (left->level == 0) ms_free(t->alloc, middle);
        return false;
    }
    if (left->level == 0) t->bytes += entry_bytes(middle);
    right->count = (uint16_t)(MEM_FANOUT - keep);
    right->prefix_bytes = left->prefix_bytes;
    slots_move(right, 0, left, keep, right->count);
    left->count = (uint16_t)keep;
    child_insert(parent, at + 1, right, middle);
    return true;
}

/* A full root becomes the only child of a new one, which put then splits. */
static bool root_grow(struct mem_tree *t)
{
    MS_ASSERT(t->root->level + 1u < MEM_HEIGHT_MAX);
    struct mem_node *root = node_create(t, t->root->level + 1u);
    if (!root) return false;
    root->slots[0] = t->root;
    root->count = 1;
    if (!split_child(t, root, 0, bytes_of("", 0))) {
        t->bytes -= node_bytes(root->level);
        ms_free(t->alloc, root);
        return false;
    }
    t->root = root;
    return true;
}

/* The writable leaf that holds or shall hold key, with room for it. NULL: no memory. */
static struct mem_node *leaf_for_put(struct mem_tree *t, struct bytes key)
{
    if (!t->root) t->root = node_create(t, 0);
    if (!t->root) return NULL;
    struct mem_node *node = writable(t, (void **)&t->root);
    if (!node) return NULL;
    if (node->count == MEM_FANOUT) {
        if (!root_grow(t)) return NULL;
        node = t->root;
    }
    while (node->level > 0) {
        uint32_t at = mem_child_position(node, key);
        struct mem_node *child = writable(t, &node->slots[at]);
        if (!child) return NULL;
        if (child->count == MEM_FANOUT) {
            if (!split_child(t, node, at, key)) return NULL;
            child = node->slots[mem_child_position(node, key)];
        }
        node = child;
    }
    return node;
}

int mem_tree_put(struct mem_tree *t, struct bytes key, struct bytes value)
{
    if (!mem_dead_reserve(t)) return MS_ENOMEM;
    struct mem_entry *e = entry_create(t, key, value);
    if (!e) return MS_ENOMEM;
    struct mem_node *leaf = leaf_for_put(t, key);
    if (!leaf) {
        ms_free(t->alloc, e);
        return MS_ENOMEM;
    }
    uint32_t at = mem_leaf_position(leaf, key);
    t->bytes += entry_bytes(e);
    if (at < leaf->count && mem_key_compare(key, leaf->slots[at]) == 0) {
        struct mem_entry *old = leaf->slots[at];
        t->bytes -= entry_bytes(old);
        leaf->slots[at] = e;
        mem_kill(t, old);
        return 0;
    }
    mem_heads_admit(leaf, key);
    slots_move(leaf, at + 1, leaf, at, leaf->count - at);
    leaf->slots[at] = e;
    mem_heads_set(leaf, at, key);
    leaf->count++;
    t->entry_count++;
    return 0;
}

/* Everything of the right child goes into the left one. */
static void join_merge(struct mem_tree *t, struct mem_node *parent, uint32_t at)
{
    struct mem_node *left = parent->slots[at], *right = parent->slots[at + 1];
    struct mem_entry *between = ((struct mem_inner *)parent)->keys[at + 1];
    if (left->level > 0) {
        ((struct mem_inner *)right)->keys[0] = between;
    } else {
        separator_kill(t, between);
    }
    slots_move(left, left->count, right, 0, right->count);
    left->count = (uint16_t)(left->count + right->count);
    mem_heads_renew(left);
    child_drop(parent, at + 1);
    t->bytes -= node_bytes(right->level);
    mem_kill(t, right);
}

/* Move slots over the border between two children until both hold about the same. */
static void slots_even(struct mem_node *left, struct mem_node *right)
{
    uint32_t total = left->count + (uint32_t)right->count, keep = total / 2;
    if (keep > left->count) {
        uint32_t moved = keep - left->count;
        slots_move(left, left->count, right, 0, moved);
        slots_move(right, 0, right, moved, right->count - moved);
    } else {
        uint32_t moved = left->count - keep;
        slots_move(right, moved, right, 0, right->count);
        slots_move(right, 0, left, keep, moved);
    }
    left->count = (uint16_t)keep;
    right->count = (uint16_t)(total - keep);
    mem_heads_renew(left);
    mem_heads_renew(right);
}

/* Another separator in the place of the one at. */
static void separator_set(struct mem_node *parent, uint32_t at, struct mem_entry *e)
{
    mem_heads_admit(parent, mem_entry_key(e));
    ((struct mem_inner *)parent)->keys[at] = e;
    mem_heads_set(parent, at, mem_entry_key(e));
}

static const struct mem_entry *entry_across(const struct mem_node *left, const struct mem_node *right,
                                            uint32_t at)
{
    return at < left->count ? left->slots[at] : right->slots[at - left->count];
}

static bool join_even(struct mem_tree *t, struct mem_node *parent, uint32_t at)
{
    struct mem_node *left = parent->slots[at], *right = parent->slots[at + 1];
    struct mem_entry *between = ((struct mem_inner *)parent)->keys[at + 1];
    if (left->level > 0) {
        struct mem_inner *inner = (struct mem_inner *)right;
        inner->keys[0] = between;
        slots_even(left, right);
        separator_set(parent, at + 1, inner->keys[0]);
        inner->keys[0] = NULL;
        return true;
    }
    uint32_t keep = (left->count + (uint32_t)right->count) / 2;
    struct mem_entry *e =
        separator_create(t, entry_across(left, right, keep - 1), entry_across(left, right, keep));
    if (!e) return false;
    t->bytes += entry_bytes(e);
    separator_set(parent, at + 1, e);
    separator_kill(t, between);
    slots_even(left, right);
    return true;
}

/* Make one good child of two poor ones, or share between them. False: no memory. */
static bool join_children(struct mem_tree *t, struct mem_node *parent, uint32_t at)
{
    struct mem_node *left = writable(t, &parent->slots[at]);
    if (!left) return false;
    struct mem_node *right = writable(t, &parent->slots[at + 1]);
    if (!right) return false;
    if (left->count + (uint32_t)right->count > COUNT_JOINED_MAX) return join_even(t, parent, at);
    join_merge(t, parent, at);
    return true;
}

/* A root with one child is replaced by that child. */
static void root_shrink(struct mem_tree *t)
{
    struct mem_node *root = t->root;
    if (root->level == 0 || root->count > 1) return;
    t->root = root->slots[0];
    t->bytes -= node_bytes(root->level);
    mem_kill(t, root);
}

/* The writable leaf that holds key, which is there; it can lose an entry (T6). NULL: no memory. */
static struct mem_node *leaf_for_remove(struct mem_tree *t, struct bytes key)
{
    struct mem_node *node = writable(t, (void **)&t->root);
    while (node && node->level > 0) {
        uint32_t at = mem_child_position(node, key);
        struct mem_node *child = node->slots[at];
        if (child->count <= COUNT_LOW) {
            if (!join_children(t, node, at > 0 ? at - 1 : at)) return NULL;
            at = mem_child_position(node, key);
        }
        child = writable(t, &node->slots[at]);
        if (node == t->root) root_shrink(t);
        node = child;
    }
    return node;
}

/* A leaf may become empty only as the root. */
static void root_trim(struct mem_tree *t)
{
    if (t->root->count > 0) return;
    t->bytes -= node_bytes(0);
    mem_kill(t, t->root);
    t->root = NULL;
}

int mem_tree_remove(struct mem_tree *t, struct bytes key)
{
    if (!mem_tree_find(t->root, key)) return 0;
    if (!mem_dead_reserve(t)) return MS_ENOMEM;
    struct mem_node *leaf = leaf_for_remove(t, key);
    if (!leaf) return MS_ENOMEM;
    uint32_t at = mem_leaf_position(leaf, key);
    struct mem_entry *e = leaf->slots[at];
    slots_move(leaf, at, leaf, at + 1, leaf->count - at - 1u);
    leaf->count--;
    t->entry_count--;
    t->bytes -= entry_bytes(e);
    mem_kill(t, e);
    root_trim(t);
    return 0;
}
