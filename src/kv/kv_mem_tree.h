/* kv_mem_tree.h: a B+tree of byte strings with copy-on-write states; the inside of kv_mem.
 *
 * There are up to three kinds of root over one pool of blocks (nodes, entries, separators): the working
 * one that put and remove change, the one of the last commit, and one for each open view. A block
 * carries the epoch of its birth; a commit begins a new epoch. What was born in this epoch is seen by
 * the working root alone and is changed in place; anything older is copied along the path before it is
 * changed.
 *
 *   T1  a block older than the working epoch never changes
 *   T2  each block is reachable from the working root, or it stands on exactly one dead list
 *   T3  the dead list of a view holds what died after it and before the next newer view; of it, a view
 *       sees what was born at or before its epoch
 *   T4  put and remove change one thing at a time, each complete in itself and with its memory at hand
 *       first: refused memory leaves the same content behind
 *   T5  commit and the closing of a view need no memory
 *   T6  a node other than the root has an entry, an inner node two children; separators are at most the
 *       smallest key of their child and above every key of the child before */
#ifndef KV_KV_MEM_TREE_H
#define KV_KV_MEM_TREE_H

#include "base/bytes.h"
#include "env/alloc.h"

#define MEM_FANOUT 64u
#define MEM_HEIGHT_MAX 16u /* inner nodes keep 15 children or more: 15^15 leaves are out of reach */
#define MEM_DEAD_PER_CHUNK 62u

/* A key with its value; also a separator, with no value. One block, key first. */
struct mem_entry {
    uint64_t birth;
    uint32_t key_len, value_len;
    uint8_t data[];
};

/* Keys of a node share their first prefix_bytes bytes; a head is the next four of them, big-endian,
 * zeros beyond the end. Most comparisons are decided by heads, which lie side by side, and do not reach
 * for the entries, each of which is a cache miss. */
struct mem_node {
    uint64_t birth;
    uint16_t count; /* of slots */
    uint16_t level; /* 0: a leaf */
    uint32_t prefix_bytes;
    uint32_t heads[MEM_FANOUT]; /* leaf: of the entries; inner: of keys, from 1 on */
    void *slots[MEM_FANOUT];    /* leaf: struct mem_entry, by key; inner: struct mem_node */
};

struct mem_inner {
    struct mem_node node;
    struct mem_entry *keys[MEM_FANOUT]; /* keys[i] stands before slots[i]; keys[0] is unused */
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
    uint64_t bytes, entry_count; /* of the working root */
    struct mem_dead *dead;       /* died in this epoch, seen by the last commit or by views */
    struct mem_dead *spare;      /* empty chunks, so that kill needs no memory (T4, T5) */
    uint32_t spare_count;
    struct mem_view *newest;
};

void mem_tree_init(struct mem_tree *t, const struct ms_alloc *alloc);
/* Frees all blocks. No view is open. The tree is empty and usable afterwards. */
void mem_tree_fini(struct mem_tree *t);

/* The entry of key under root, or NULL. */
const struct mem_entry *mem_tree_find(const struct mem_node *root, struct bytes key);
/* MS_ENOMEM: the content is as before. Both borrow. */
int mem_tree_put(struct mem_tree *t, struct bytes key, struct bytes value);
int mem_tree_remove(struct mem_tree *t, struct bytes key);
void mem_tree_commit(struct mem_tree *t);

/* A view of the last commit. NULL: no memory. */
struct mem_view *mem_view_open(struct mem_tree *t);
void mem_view_close(struct mem_view *v);

/* Private to the tree's files. A slot for what mem_kill() may be told by one operation. */
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

/* Within one node (kv_mem_node.c). Position of the first entry with a key >= key in a leaf; count if
 * there is none. */
uint32_t mem_leaf_position(const struct mem_node *leaf, struct bytes key);
/* Which child of an inner node holds key. */
uint32_t mem_child_position(const struct mem_node *node, struct bytes key);
int mem_key_compare(struct bytes key, const struct mem_entry *e);
uint32_t mem_prefix_shared(struct bytes a, struct bytes b);
/* Before key comes in: shortens the prefix if key does not have it, lengthens it now and then. */
void mem_heads_admit(struct mem_node *node, struct bytes key);
void mem_heads_set(struct mem_node *node, uint32_t at, struct bytes key); /* admitted before */
void mem_heads_renew(struct mem_node *node); /* all, with the longest prefix */

/* A path from a root to an entry. Good as long as the root's blocks live. */
struct mem_iter {
    const struct mem_node *root;
    const struct mem_node *nodes[MEM_HEIGHT_MAX]; /* by level */
    uint32_t at[MEM_HEIGHT_MAX];
    bool valid;
};

void mem_iter_init(struct mem_iter *i, const struct mem_node *root); /* not valid until it is moved */
void mem_iter_seek(struct mem_iter *i, struct bytes key);            /* first key >= key */
void mem_iter_seek_before(struct mem_iter *i, struct bytes key);     /* last key < key */
void mem_iter_next(struct mem_iter *i);
void mem_iter_prev(struct mem_iter *i);
const struct mem_entry *mem_iter_entry(const struct mem_iter *i); /* only if valid */

#endif
