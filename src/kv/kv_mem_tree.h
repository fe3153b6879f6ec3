/* kv_mem_tree.h: a B+tree of byte strings with copy-on-write states; the inside of kv_mem.
 *
 * There are up to three kinds of root over one pool of blocks (leaves, inner nodes, entries): the
 * working one that put and remove change, the one of the last commit, and one for each open view. A
 * block carries the epoch of its birth; a commit begins a new epoch. What was born in this epoch is seen
 * by the working root alone and is changed in place; anything older is copied along the path before it
 * is changed.
 *
 * A leaf holds its keys and values packed (kv_mem_leaf.c), and is as large as they are: a map of many
 * small ones costs little more than their bytes. What would crowd a leaf has a block of its own.
 *
 *   T1  a block older than the working epoch never changes
 *   T2  each block is reachable from the working root, or it stands on exactly one dead list, or among
 *       the unseen
 *   T3  the dead list of a view holds what died after it and before the next newer view; of it, a view
 *       sees what was born at or before its epoch
 *   T4  put and remove change one thing at a time, each complete in itself and with its memory at hand
 *       first: refused memory leaves the same content behind
 *   T5  commit and the closing of a view need no memory, and the last view to close takes no time that
 *       grows with what it kept: commits free that, MEM_UNSEEN_PER_COMMIT chunks each
 *   T6  a leaf has an entry, an inner node two children; separators are at most the smallest key of
 *       their child and above every key of the child before
 *   T7  a leaf's block has at most MEM_LEAF_BYTES_MAX bytes
 *   T8  edge, where it is known, was born in the working epoch, and its last child is the last leaf */
#ifndef KV_KV_MEM_TREE_H
#define KV_KV_MEM_TREE_H

#include "base/bytes.h"
#include "env/alloc.h"

#define MEM_FANOUT 64u
#define MEM_HEIGHT_MAX 16u /* inner nodes keep 15 children or more: 15^15 leaves are out of reach */
#define MEM_DEAD_PER_CHUNK 62u
#define MEM_UNSEEN_PER_COMMIT 8u
#define MEM_LEAF_BYTES_MAX 2040u  /* with the allocator's 8 a power of two */
#define MEM_INLINE_BYTES_MAX 384u /* key and value in a leaf; more has a block of its own */
#define MEM_PREFIX_BYTES_MAX 256u

/* A key with its value in a block of its own; also a separator, with no value. Key first. */
struct mem_entry {
    uint64_t birth;
    uint32_t key_len, value_len;
    uint8_t data[];
};

/* How leaves and inner nodes begin. */
struct mem_node {
    uint64_t birth;
    uint16_t count; /* of entries or children */
    uint16_t level; /* 0: a leaf */
};

/* Keys of a node share their first prefix_bytes bytes; a head is the next four of them, big-endian,
 * zeros beyond the end. Most comparisons are decided by heads, which lie side by side. */
struct mem_inner {
    struct mem_node node;
    uint32_t prefix_bytes;
    uint32_t heads[MEM_FANOUT]; /* of keys, from 1 on */
    struct mem_node *children[MEM_FANOUT];
    struct mem_entry *keys[MEM_FANOUT]; /* keys[i] stands before children[i]; keys[0] is unused */
};

#define MEM_KEY_ELSEWHERE UINT16_MAX
struct mem_slot {
    uint32_t head;
    uint16_t end;     /* where the record ends, counted from the end of the block to the front */
    uint16_t key_len; /* MEM_KEY_ELSEWHERE: the record is a pointer to a struct mem_entry */
};

/* Prefix, padded to 8 bytes; slots; what is free; records, the first one last. A record is what head
 * and prefix do not say of the key, then the value. */
struct mem_leaf {
    struct mem_node node;
    uint16_t prefix_bytes;
    uint16_t block_bytes;
    uint64_t data[];
};

/* Blocks that left the working root while somebody could still see them. */
struct mem_dead {
    struct mem_dead *next;
    uint64_t count;
    void *blocks[MEM_DEAD_PER_CHUNK];
};

struct mem_view {
    struct mem_tree *tree;
    const struct mem_node *root; /* NULL: empty */
    uint64_t epoch;
    struct mem_dead *dead;
    struct mem_view *older, *newer;
};

struct mem_tree {
    const struct ms_alloc *alloc;
    struct mem_node *root; /* working; NULL: empty */
    const struct mem_node *committed;
    uint64_t epoch;              /* of the working root */
    uint64_t bytes, entry_count; /* of the working root: of its blocks, as asked for */
    struct mem_inner *edge;      /* of this epoch, above the last leaf; NULL: not known */
    struct mem_dead *dead;       /* died in this epoch, seen by the last commit or by views */
    struct mem_dead *unseen;     /* whose last view has closed; freed a few at a time (T5) */
    struct mem_dead *spare;      /* empty chunks, so that kill needs no memory (T4, T5) */
    uint32_t spare_count;
    struct mem_view *newest;
};

void mem_tree_init(struct mem_tree *t, const struct ms_alloc *alloc);
/* Frees all blocks. No view is open. The tree is empty and usable afterwards. */
void mem_tree_fini(struct mem_tree *t);

/* Whether key is there under root, and its value, borrowed as long as the root's blocks live. */
bool mem_tree_find(const struct mem_node *root, struct bytes key, struct bytes *value);
/* MS_ENOMEM: the content is as before. Both borrow. */
int mem_tree_put(struct mem_tree *t, struct bytes key, struct bytes value);
int mem_tree_remove(struct mem_tree *t, struct bytes key);
void mem_tree_commit(struct mem_tree *t);

/* A view of the last commit. NULL: no memory. */
struct mem_view *mem_view_open(struct mem_tree *t);
void mem_view_close(struct mem_view *v);

/* ---- Private to the tree's files. */

/* A slot for what mem_kill() may be told by one operation. */
bool mem_dead_reserve(struct mem_tree *t);
/* block has left the working root: frees it, or keeps it for those who still see it. */
void mem_kill(struct mem_tree *t, void *block);

static inline struct bytes mem_entry_key(const struct mem_entry *e)
{
    return bytes_of(e->data, e->key_len);
}

static inline struct bytes mem_entry_value(const struct mem_entry *e)
{
    return bytes_of(e->data + e->key_len, e->value_len);
}

/* Counted in t->bytes by the caller, if it comes into the tree. NULL: no memory. */
struct mem_entry *mem_entry_create(struct mem_tree *t, struct bytes key, struct bytes value);
static inline size_t mem_entry_bytes(const struct mem_entry *e)
{
    return sizeof *e + e->key_len + e->value_len;
}

/* Keys of a node (kv_mem_node.c). */
uint32_t mem_prefix_shared(struct bytes a, struct bytes b);
uint32_t mem_head_of(struct bytes key, uint32_t skip); /* the four bytes behind the first skip */
/* Which child of an inner node holds key. */
uint32_t mem_child_position(const struct mem_inner *node, struct bytes key);
/* Put in the child with the key that stands before it; there is room. */
void mem_child_insert(struct mem_inner *parent, uint32_t at, struct mem_node *child,
                      struct mem_entry *key);
void mem_child_drop(struct mem_inner *parent, uint32_t at); /* and the key before it */
/* Another separator in the place of the one at. */
void mem_child_rename(struct mem_inner *parent, uint32_t at, struct mem_entry *key);
/* Move count children with the keys before them, within or between nodes. Heads have to be renewed. */
void mem_children_move(struct mem_inner *to, uint32_t to_at, const struct mem_inner *from,
                       uint32_t from_at, uint32_t count);
void mem_heads_renew(struct mem_inner *node); /* all, with the longest prefix */

/* Packed leaves (kv_mem_leaf.c). What is to be put: of its own block, if there is one. */
struct mem_item {
    struct bytes key, value;
    struct mem_entry *entry;
};
/* What all keys of a leaf have in common. Borrowed. */
static inline struct bytes mem_leaf_prefix(const struct mem_leaf *leaf)
{
    return bytes_of(leaf->data, leaf->prefix_bytes);
}
/* Position of the first entry with a key >= key; count if there is none. */
uint32_t mem_leaf_position(const struct mem_leaf *leaf, struct bytes key, bool *found);
struct bytes mem_leaf_value(const struct mem_leaf *leaf, uint32_t at);
/* Assembled in scratch, of MEM_INLINE_BYTES_MAX bytes, unless it has a block of its own. */
struct bytes mem_leaf_key(const struct mem_leaf *leaf, uint32_t at, uint8_t *scratch);
struct mem_entry *mem_leaf_entry(const struct mem_leaf *leaf, uint32_t at); /* NULL: it is packed */
/* A leaf of the entries [from, from + count), with more bytes free. prefix_bytes: all of these keys, and
 * what else is to come in, have that much in common. NULL: no memory. */
struct mem_leaf *mem_leaf_copy(struct mem_tree *t, const struct mem_leaf *from_leaf, uint32_t from,
                               uint32_t count, uint32_t prefix_bytes, size_t more);
/* A leaf of one entry. */
struct mem_leaf *mem_leaf_create(struct mem_tree *t, const struct mem_item *item);
/* Make room in the leaf at *slot for more bytes, and make it the working epoch's own. NULL: no memory.
 */
struct mem_leaf *mem_leaf_writable(struct mem_tree *t, struct mem_node **slot, size_t more);
/* Bytes that a leaf fills, that a leaf of some of its entries would fill, and that an item adds. */
size_t mem_leaf_used(const struct mem_leaf *leaf);
size_t mem_leaf_bytes(const struct mem_leaf *leaf, uint32_t from, uint32_t count,
                      uint32_t prefix_bytes);
size_t mem_item_bytes(const struct mem_item *item, uint32_t prefix_bytes);
/* These have the room, a writable leaf, and an item that has the leaf's prefix. */
void mem_leaf_insert(struct mem_leaf *leaf, uint32_t at, const struct mem_item *item);
void mem_leaf_replace(struct mem_leaf *leaf, uint32_t at, const struct mem_item *item);
void mem_leaf_remove(struct mem_leaf *leaf, uint32_t at);
/* Append the entries of another leaf, which has at least the prefix of this one. */
void mem_leaf_append(struct mem_leaf *leaf, const struct mem_leaf *other);

/* A path from a root to an entry. Good as long as the root's blocks live. */
struct mem_iter {
    const struct mem_node *root;
    const struct mem_node *nodes[MEM_HEIGHT_MAX]; /* by level */
    uint32_t at[MEM_HEIGHT_MAX];
    bool valid;
    struct bytes key; /* of the entry; perhaps in scratch */
    uint8_t scratch[MEM_INLINE_BYTES_MAX];
};

void mem_iter_init(struct mem_iter *i, const struct mem_node *root); /* not valid until it is moved */
void mem_iter_seek(struct mem_iter *i, struct bytes key);            /* first key >= key */
void mem_iter_seek_before(struct mem_iter *i, struct bytes key);     /* last key < key */
void mem_iter_next(struct mem_iter *i);
void mem_iter_prev(struct mem_iter *i);
struct bytes mem_iter_value(const struct mem_iter *i); /* only if valid, as i->key */

#endif
