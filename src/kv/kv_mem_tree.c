/* kv_mem_tree.c: search, put and remove. Nodes are split and joined on the way down, so that each step
 * leaves a whole tree behind (T4) and nothing has to be undone on the way up. */
#include "kv/kv_mem_tree.h"

#include <assert.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define COUNT_LOW 16u /* an inner node that small is joined with a neighbour before it loses more */
#define COUNT_JOINED_MAX 48u /* both into one if it leaves room to grow, else both even */
#define LEAF_BYTES_LOW (MEM_LEAF_BYTES_MAX / 4) /* likewise for leaves, which are not made even */
#define LEAF_BYTES_JOINED_MAX (MEM_LEAF_BYTES_MAX / 4 * 3)
/* A leaf is split when an item does not fit; each half, with the item, has to be a leaf again. */
static_assert(MEM_LEAF_BYTES_MAX / 2 + 2 * (MEM_INLINE_BYTES_MAX + sizeof(struct mem_slot)) +
                      MEM_PREFIX_BYTES_MAX / 2 <=
                  MEM_LEAF_BYTES_MAX,
              "one split makes room");

bool mem_tree_find(const struct mem_node *root, struct bytes key, struct bytes *value)
{
    const struct mem_node *node = root;
    bool found;
    if (!node) return false;
    while (node->level > 0) {
        const struct mem_inner *inner = (const struct mem_inner *)node;
        node = inner->children[mem_child_position(inner, key)];
    }
    const struct mem_leaf *leaf = (const struct mem_leaf *)node;
    uint32_t at = mem_leaf_position(leaf, key, &found);
    if (found) *value = mem_leaf_value(leaf, at);
    return found;
}

struct mem_entry *mem_entry_create(struct mem_tree *t, struct bytes key, struct bytes value)
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

static void entry_kill(struct mem_tree *t, struct mem_entry *e)
{
    if (!e) return;
    t->bytes -= mem_entry_bytes(e);
    mem_kill(t, e);
}

static void leaf_kill(struct mem_tree *t, struct mem_leaf *leaf)
{
    t->bytes -= leaf->block_bytes;
    mem_kill(t, leaf);
}

static struct mem_inner *inner_create(struct mem_tree *t, uint32_t level)
{
    struct mem_inner *node = ms_alloc(t->alloc, sizeof *node);
    if (!node) return NULL;
    node->node = (struct mem_node){ .birth = t->epoch, .level = (uint16_t)level };
    node->prefix_bytes = 0;
    node->keys[0] = NULL;
    t->bytes += sizeof *node;
    return node;
}

static void inner_kill(struct mem_tree *t, struct mem_inner *node)
{
    t->edge = NULL;
    t->bytes -= sizeof *node;
    mem_kill(t, node);
}

/* The inner node in *slot, which is the working root's, copied if somebody else sees it. NULL: no
 * memory. */
static struct mem_inner *inner_writable(struct mem_tree *t, struct mem_node **slot)
{
    struct mem_inner *old = (struct mem_inner *)*slot;
    if (old->node.birth == t->epoch) return old;
    struct mem_inner *node = ms_alloc(t->alloc, sizeof *node);
    if (!node) return NULL;
    memcpy(node, old, sizeof *node);
    node->node.birth = t->epoch;
    *slot = &node->node;
    mem_kill(t, old);
    return node;
}

/* The root becomes the only child of a new one, which is split or given up next. */
static bool root_raise(struct mem_tree *t)
{
    MS_ASSERT(t->root->level + 1u < MEM_HEIGHT_MAX);
    struct mem_inner *root = inner_create(t, t->root->level + 1u);
    if (!root) return false;
    root->children[0] = t->root;
    root->node.count = 1;
    t->root = &root->node;
    return true;
}

/* A root with one child is replaced by that child. */
static void root_shrink(struct mem_tree *t)
{
    struct mem_inner *root = (struct mem_inner *)t->root;
    if (!root || root->node.level == 0 || root->node.count > 1) return;
    t->root = root->children[0];
    inner_kill(t, root);
}

/* Split the full and writable child in parent's slot at. */
static bool inner_split(struct mem_tree *t, struct mem_inner *parent, uint32_t at)
{
    const uint32_t keep = MEM_FANOUT / 2;
    struct mem_inner *left = (struct mem_inner *)parent->children[at];
    struct mem_inner *right = inner_create(t, left->node.level);
    if (!right) return false;
    struct mem_entry *middle = left->keys[keep];
    t->edge = NULL;
    right->prefix_bytes = left->prefix_bytes;
    mem_children_move(right, 0, left, keep, MEM_FANOUT - keep);
    right->node.count = MEM_FANOUT - keep;
    left->node.count = keep;
    mem_child_insert(parent, at + 1, &right->node, middle);
    return true;
}

/* The shortest key that is above left and not above right, as a new one. NULL: no memory. */
static struct mem_entry *separator_create(struct mem_tree *t, struct bytes left, struct bytes right)
{
    uint32_t len = mem_prefix_shared(left, right);
    MS_ASSERT(len < right.len);
    struct mem_entry *e = mem_entry_create(t, bytes_of(right.data, len + 1), bytes_of(NULL, 0));
    if (e) t->bytes += mem_entry_bytes(e);
    return e;
}

static uint32_t prefix_shared(struct bytes a, struct bytes b)
{
    uint32_t shared = mem_prefix_shared(a, b);
    return shared < MEM_PREFIX_BYTES_MAX ? shared : MEM_PREFIX_BYTES_MAX;
}

/* What the entries from first to last, perhaps of the next leaf, have in common. */
static uint32_t range_prefix(const struct mem_leaf *a, uint32_t first, const struct mem_leaf *b,
                             uint32_t last)
{
    uint8_t low[MEM_INLINE_BYTES_MAX], high[MEM_INLINE_BYTES_MAX];
    return prefix_shared(mem_leaf_key(a, first, low), mem_leaf_key(b, last, high));
}

/* How many entries the left one of two halves gets. */
static uint32_t split_position(const struct mem_leaf *leaf)
{
    uint32_t count = leaf->node.count, low = 1, high = count - 1u;
    size_t half = mem_leaf_bytes(leaf, 0, count, leaf->prefix_bytes) / 2;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (mem_leaf_bytes(leaf, 0, middle, leaf->prefix_bytes) < half) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Two leaves in the place of the one at, which has two entries or more. False: no memory. */
static bool leaf_split(struct mem_tree *t, struct mem_inner *parent, uint32_t at)
{
    struct mem_leaf *leaf = (struct mem_leaf *)parent->children[at];
    uint32_t keep = split_position(leaf), more = leaf->node.count - keep;
    uint8_t low[MEM_INLINE_BYTES_MAX], high[MEM_INLINE_BYTES_MAX];
    struct mem_entry *between =
        separator_create(t, mem_leaf_key(leaf, keep - 1, low), mem_leaf_key(leaf, keep, high));
    if (!between) return false;
    struct mem_leaf *left = mem_leaf_copy(t, leaf, 0, keep, range_prefix(leaf, 0, leaf, keep - 1), 0);
    if (!left) goto fail_left;
    struct mem_leaf *right =
        mem_leaf_copy(t, leaf, keep, more, range_prefix(leaf, keep, leaf, keep + more - 1), 0);
    if (!right) goto fail_right;
    parent->children[at] = &left->node;
    mem_child_insert(parent, at + 1, &right->node, between);
    leaf_kill(t, leaf);
    return true;
fail_right:
    leaf_kill(t, left);
fail_left:
    entry_kill(t, between);
    return false;
}

/* A leaf of the item alone beside the one at, on the right or on the left. False: no memory. */
static bool leaf_add(struct mem_tree *t, struct mem_inner *parent, uint32_t at,
                     const struct mem_item *item, bool on_right)
{
    struct mem_leaf *leaf = (struct mem_leaf *)parent->children[at];
    uint8_t scratch[MEM_INLINE_BYTES_MAX];
    struct bytes near = mem_leaf_key(leaf, on_right ? leaf->node.count - 1u : 0, scratch);
    struct mem_entry *between =
        on_right ? separator_create(t, near, item->key) : separator_create(t, item->key, near);
    if (!between) return false;
    struct mem_leaf *added = mem_leaf_create(t, item);
    if (!added) {
        entry_kill(t, between);
        return false;
    }
    mem_child_insert(parent, at + 1, on_right ? &added->node : &leaf->node, between);
    if (!on_right) parent->children[at] = &added->node;
    t->entry_count++;
    return true;
}

enum put_state { PUT_DONE, PUT_NO_ROOM, PUT_NO_MEMORY };

static enum put_state leaf_replace(struct mem_tree *t, struct mem_node **slot, uint32_t at,
                                   const struct mem_item *item)
{
    struct mem_leaf *leaf = (struct mem_leaf *)*slot;
    struct mem_entry *old = mem_leaf_entry(leaf, at);
    struct mem_item was = { .key = item->key, .value = mem_leaf_value(leaf, at), .entry = old };
    size_t before = mem_item_bytes(&was, leaf->prefix_bytes);
    size_t after = mem_item_bytes(item, leaf->prefix_bytes), more = after > before ? after - before : 0;
    if (mem_leaf_used(leaf) + more > MEM_LEAF_BYTES_MAX) return PUT_NO_ROOM;
    leaf = mem_leaf_writable(t, slot, more);
    if (!leaf) return PUT_NO_MEMORY;
    mem_leaf_replace(leaf, at, item);
    entry_kill(t, old);
    return PUT_DONE;
}

/* A key that has less in common with all others than these have: they are written anew. */
static enum put_state leaf_insert_foreign(struct mem_tree *t, struct mem_node **slot, uint32_t at,
                                          const struct mem_item *item, uint32_t shared)
{
    struct mem_leaf *leaf = (struct mem_leaf *)*slot;
    size_t bytes = mem_leaf_bytes(leaf, 0, leaf->node.count, shared),
           more = mem_item_bytes(item, shared);
    if (bytes + more > MEM_LEAF_BYTES_MAX) return PUT_NO_ROOM;
    struct mem_leaf *made = mem_leaf_copy(t, leaf, 0, leaf->node.count, shared, more);
    if (!made) return PUT_NO_MEMORY;
    mem_leaf_insert(made, at, item);
    *slot = &made->node;
    leaf_kill(t, leaf);
    t->entry_count++;
    return PUT_DONE;
}

static enum put_state leaf_put(struct mem_tree *t, struct mem_node **slot, const struct mem_item *item)
{
    struct mem_leaf *leaf = (struct mem_leaf *)*slot;
    bool found;
    uint32_t at = mem_leaf_position(leaf, item->key, &found);
    if (found) return leaf_replace(t, slot, at, item);
    uint32_t shared = mem_prefix_shared(item->key, mem_leaf_prefix(leaf));
    if (shared < leaf->prefix_bytes) return leaf_insert_foreign(t, slot, at, item, shared);
    size_t more = mem_item_bytes(item, shared);
    if (mem_leaf_used(leaf) + more > MEM_LEAF_BYTES_MAX) return PUT_NO_ROOM;
    leaf = mem_leaf_writable(t, slot, more);
    if (!leaf) return PUT_NO_MEMORY;
    mem_leaf_insert(leaf, at, item);
    t->entry_count++;
    return PUT_DONE;
}

/* Put into the child at of parent, which has room for another one. A key behind a full leaf begins a new
 * leaf: keys that come in rising order (revisions do) leave full leaves behind. So does one that would
 * take its prefix from a leaf and make it too large. */
static bool put_below(struct mem_tree *t, struct mem_inner *parent, uint32_t at,
                      const struct mem_item *item)
{
    enum put_state state = leaf_put(t, &parent->children[at], item);
    if (state != PUT_NO_ROOM) return state == PUT_DONE;
    const struct mem_leaf *leaf = (const struct mem_leaf *)parent->children[at];
    bool found;
    uint32_t position = mem_leaf_position(leaf, item->key, &found);
    bool foreign = mem_prefix_shared(item->key, mem_leaf_prefix(leaf)) < leaf->prefix_bytes;
    if (position == leaf->node.count) return leaf_add(t, parent, at, item, true);
    if (foreign) return leaf_add(t, parent, at, item, false);
    if (!leaf_split(t, parent, at)) return false;
    state = leaf_put(t, &parent->children[mem_child_position(parent, item->key)], item);
    MS_ASSERT(state != PUT_NO_ROOM);
    return state == PUT_DONE;
}

/* Keys that rise (revisions, all of a snapshot) go behind all others again and again: no descent then. */
static bool goes_to_edge(const struct mem_tree *t, struct bytes key)
{
    const struct mem_inner *edge = t->edge;
    bool found;
    if (!edge || edge->node.count == MEM_FANOUT) return false;
    const struct mem_leaf *leaf = (const struct mem_leaf *)edge->children[edge->node.count - 1u];
    return mem_leaf_position(leaf, key, &found) == leaf->node.count;
}

/* The writable node above the leaf for key, with room for another child. NULL: no memory. */
static struct mem_inner *parent_for_put(struct mem_tree *t, struct bytes key)
{
    if (goes_to_edge(t, key)) return t->edge;
    bool is_edge = true;
    struct mem_inner *node = inner_writable(t, &t->root);
    if (node && node->node.count == MEM_FANOUT) {
        if (!root_raise(t)) return NULL;
        node = (struct mem_inner *)t->root;
        if (!inner_split(t, node, 0)) {
            root_shrink(t);
            return NULL;
        }
    }
    while (node && node->node.level > 1) {
        uint32_t at = mem_child_position(node, key);
        struct mem_inner *child = inner_writable(t, &node->children[at]);
        if (child && child->node.count == MEM_FANOUT) {
            if (!inner_split(t, node, at)) return NULL;
            at = mem_child_position(node, key);
            child = (struct mem_inner *)node->children[at];
        }
        is_edge = is_edge && at + 1u == node->node.count;
        node = child;
    }
    if (node && is_edge) t->edge = node;
    return node;
}

static bool put_item(struct mem_tree *t, const struct mem_item *item)
{
    if (!t->root) {
        struct mem_leaf *leaf = mem_leaf_create(t, item);
        if (!leaf) return false;
        t->root = &leaf->node;
        t->entry_count++;
        return true;
    }
    if (t->root->level == 0) {
        enum put_state state = leaf_put(t, &t->root, item);
        if (state != PUT_NO_ROOM) return state == PUT_DONE;
        if (!root_raise(t)) return false;
        bool done = put_below(t, (struct mem_inner *)t->root, 0, item);
        root_shrink(t); /* if it was not split */
        return done;
    }
    struct mem_inner *parent = parent_for_put(t, item->key);
    return parent && put_below(t, parent, mem_child_position(parent, item->key), item);
}

int mem_tree_put(struct mem_tree *t, struct bytes key, struct bytes value)
{
    struct mem_item item = { .key = key, .value = value };
    if (!mem_dead_reserve(t)) return MS_ENOMEM;
    if (key.len + value.len > MEM_INLINE_BYTES_MAX) {
        item.entry = mem_entry_create(t, key, value);
        if (!item.entry) return MS_ENOMEM;
    }
    if (!put_item(t, &item)) {
        ms_free(t->alloc, item.entry);
        return MS_ENOMEM;
    }
    if (item.entry) t->bytes += mem_entry_bytes(item.entry);
    return 0;
}

/* Move children over the border between two nodes until both hold about the same. */
static void children_even(struct mem_inner *left, struct mem_inner *right)
{
    uint32_t total = left->node.count + (uint32_t)right->node.count, keep = total / 2;
    if (keep > left->node.count) {
        uint32_t moved = keep - left->node.count;
        mem_children_move(left, left->node.count, right, 0, moved);
        mem_children_move(right, 0, right, moved, right->node.count - moved);
    } else {
        uint32_t moved = left->node.count - keep;
        mem_children_move(right, moved, right, 0, right->node.count);
        mem_children_move(right, 0, left, keep, moved);
    }
    left->node.count = (uint16_t)keep;
    right->node.count = (uint16_t)(total - keep);
    mem_heads_renew(left);
    mem_heads_renew(right);
}

/* Make one good child of two poor ones, or share between them. False: no memory. */
static bool inner_join(struct mem_tree *t, struct mem_inner *parent, uint32_t at)
{
    struct mem_inner *left = inner_writable(t, &parent->children[at]);
    if (!left) return false;
    struct mem_inner *right = inner_writable(t, &parent->children[at + 1]);
    if (!right) return false;
    uint32_t total = left->node.count + (uint32_t)right->node.count;
    t->edge = NULL;
    right->keys[0] = parent->keys[at + 1];
    if (total > COUNT_JOINED_MAX) {
        children_even(left, right);
        mem_child_rename(parent, at + 1, right->keys[0]);
        right->keys[0] = NULL;
        return true;
    }
    mem_children_move(left, left->node.count, right, 0, right->node.count);
    left->node.count = (uint16_t)total;
    mem_heads_renew(left);
    mem_child_drop(parent, at + 1);
    inner_kill(t, right);
    return true;
}

/* Make one leaf of the two at and behind, if it is a good one. False: no memory. */
static bool leaf_join(struct mem_tree *t, struct mem_inner *parent, uint32_t at)
{
    struct mem_leaf *left = (struct mem_leaf *)parent->children[at];
    struct mem_leaf *right = (struct mem_leaf *)parent->children[at + 1];
    uint32_t shared = range_prefix(left, 0, right, right->node.count - 1u);
    size_t bytes = mem_leaf_bytes(left, 0, left->node.count, shared);
    size_t more = mem_leaf_bytes(right, 0, right->node.count, shared) -
                  mem_leaf_bytes(right, 0, 0, shared); /* of its entries alone */
    if (bytes + more > LEAF_BYTES_JOINED_MAX) return true;
    struct mem_leaf *leaf = mem_leaf_copy(t, left, 0, left->node.count, shared, more);
    if (!leaf) return false;
    mem_leaf_append(leaf, right);
    entry_kill(t, parent->keys[at + 1]);
    mem_child_drop(parent, at + 1);
    parent->children[at] = &leaf->node;
    leaf_kill(t, left);
    leaf_kill(t, right);
    return true;
}

/* The writable node above the leaf for key; it can lose a child (T6). NULL: no memory. */
static struct mem_inner *parent_for_remove(struct mem_tree *t, struct bytes key)
{
    struct mem_inner *node = inner_writable(t, &t->root);
    while (node && node->node.level > 1) {
        uint32_t at = mem_child_position(node, key);
        if (node->children[at]->count <= COUNT_LOW) {
            if (!inner_join(t, node, at > 0 ? at - 1 : at)) return NULL;
            at = mem_child_position(node, key);
        }
        struct mem_inner *child = inner_writable(t, &node->children[at]);
        if (&node->node == t->root) root_shrink(t);
        node = child;
    }
    return node;
}

/* The last entry of the leaf at takes the leaf with it. */
static void leaf_drop(struct mem_tree *t, struct mem_inner *parent, uint32_t at)
{
    struct mem_leaf *leaf = (struct mem_leaf *)parent->children[at];
    entry_kill(t, parent->keys[at > 0 ? at : 1]);
    mem_child_drop(parent, at);
    entry_kill(t, mem_leaf_entry(leaf, 0));
    leaf_kill(t, leaf);
}

/* From the leaf at *slot, which has more entries than this. False: no memory. */
static bool leaf_remove(struct mem_tree *t, struct mem_node **slot, struct bytes key)
{
    struct mem_leaf *leaf = mem_leaf_writable(t, slot, 0);
    bool found;
    if (!leaf) return false;
    uint32_t at = mem_leaf_position(leaf, key, &found);
    struct mem_entry *e = mem_leaf_entry(leaf, at);
    mem_leaf_remove(leaf, at);
    entry_kill(t, e); /* perhaps key was its */
    return true;
}

static bool remove_below(struct mem_tree *t, struct mem_inner *parent, struct bytes key)
{
    uint32_t at = mem_child_position(parent, key);
    const struct mem_leaf *leaf = (const struct mem_leaf *)parent->children[at];
    if (leaf->node.count == 1) {
        leaf_drop(t, parent, at);
        return true;
    }
    if (mem_leaf_used(leaf) <= LEAF_BYTES_LOW) {
        if (!leaf_join(t, parent, at > 0 ? at - 1 : at)) return false;
        at = mem_child_position(parent, key);
    }
    return leaf_remove(t, &parent->children[at], key);
}

static bool remove_key(struct mem_tree *t, struct bytes key)
{
    if (t->root->level > 0) {
        struct mem_inner *parent = parent_for_remove(t, key);
        bool done = parent && remove_below(t, parent, key);
        root_shrink(t);
        return done;
    }
    if (t->root->count > 1) return leaf_remove(t, &t->root, key);
    struct mem_leaf *leaf = (struct mem_leaf *)t->root;
    t->root = NULL;
    entry_kill(t, mem_leaf_entry(leaf, 0));
    leaf_kill(t, leaf);
    return true;
}

int mem_tree_remove(struct mem_tree *t, struct bytes key)
{
    struct bytes value;
    if (!mem_tree_find(t->root, key, &value)) return 0;
    if (!mem_dead_reserve(t)) return MS_ENOMEM;
    if (!remove_key(t, key)) return MS_ENOMEM;
    t->entry_count--;
    return 0;
}
