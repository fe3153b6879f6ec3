/* kv_mem_view.c: commits, views and the blocks that only old states still see (T2, T3, T5).
 *
 * Counting references would mean to touch all children of a node each time it is copied. Births and
 * deaths say the same: a block is seen by the views opened between the two, and by no other. */
#include "base/ms_assert.h"
#include "kv/kv_mem_tree.h"

/* put and remove copy and drop at most four blocks a level, and two entries. */
#define DEATHS_PER_OP_MAX (4u * MEM_HEIGHT_MAX + 2u)
#define SPARE_MIN (DEATHS_PER_OP_MAX / MEM_DEAD_PER_CHUNK + 1u)
#define SPARE_MAX (4u * SPARE_MIN)

static uint64_t birth_of(const void *block)
{
    return *(const uint64_t *)block; /* the first field of every block */
}

bool mem_dead_reserve(struct mem_tree *t)
{
    while (t->spare_count < SPARE_MIN) {
        struct mem_dead *chunk = ms_alloc(t->alloc, sizeof *chunk);
        if (!chunk) return false;
        *chunk = (struct mem_dead){ .next = t->spare };
        t->spare = chunk;
        t->spare_count++;
    }
    return true;
}

static void chunk_release(struct mem_tree *t, struct mem_dead *chunk)
{
    if (t->spare_count >= SPARE_MAX) {
        ms_free(t->alloc, chunk);
        return;
    }
    chunk->count = 0;
    chunk->next = t->spare;
    t->spare = chunk;
    t->spare_count++;
}

void mem_kill(struct mem_tree *t, void *block)
{
    if (birth_of(block) == t->epoch) {
        ms_free(t->alloc, block);
        return;
    }
    if (!t->dead || t->dead->count == MEM_DEAD_PER_CHUNK) {
        struct mem_dead *chunk = t->spare;
        MS_ASSERT(chunk); /* mem_dead_reserve() came before */
        t->spare = chunk->next;
        t->spare_count--;
        chunk->next = t->dead;
        t->dead = chunk;
    }
    t->dead->blocks[t->dead->count++] = block;
}

/* Free what of list nobody sees: v sees births up to its epoch, NULL sees nothing. v takes the rest. */
static void dead_pass(struct mem_tree *t, struct mem_dead *list, struct mem_view *v)
{
    while (list) {
        struct mem_dead *chunk = list;
        uint64_t kept = 0;
        list = chunk->next;
        for (uint64_t i = 0; i < chunk->count; i++) {
            void *block = chunk->blocks[i];
            if (v && birth_of(block) <= v->epoch) {
                chunk->blocks[kept++] = block;
            } else {
                ms_free(t->alloc, block);
            }
        }
        chunk->count = kept;
        if (kept == 0) {
            chunk_release(t, chunk);
        } else {
            chunk->next = v->dead;
            v->dead = chunk;
        }
    }
}

/* Nobody sees what is on list. To free all of what a long view kept would hold up the writes behind. */
static void unseen_add(struct mem_tree *t, struct mem_dead *list)
{
    struct mem_dead **end = &list;
    while (*end) end = &(*end)->next;
    *end = t->unseen;
    t->unseen = list;
}

static void unseen_free(struct mem_tree *t, uint32_t chunks)
{
    for (; t->unseen && chunks > 0; chunks--) {
        struct mem_dead *chunk = t->unseen;
        t->unseen = chunk->next;
        chunk->next = NULL;
        dead_pass(t, chunk, NULL);
    }
}

void mem_tree_commit(struct mem_tree *t)
{
    unseen_free(t, MEM_UNSEEN_PER_COMMIT);
    dead_pass(t, t->dead, t->newest);
    t->dead = NULL;
    t->committed = t->root;
    t->edge = NULL;
    t->epoch++;
}

struct mem_view *mem_view_open(struct mem_tree *t)
{
    struct mem_view *v = ms_alloc(t->alloc, sizeof *v);
    if (!v) return NULL;
    *v =
        (struct mem_view){ .tree = t, .root = t->committed, .epoch = t->epoch - 1, .older = t->newest };
    if (v->older) v->older->newer = v;
    t->newest = v;
    return v;
}

void mem_view_close(struct mem_view *v)
{
    struct mem_tree *t = v->tree;
    struct mem_dead *dead = v->dead;
    if (v->older) v->older->newer = v->newer;
    if (v->newer) v->newer->older = v->older;
    if (t->newest == v) t->newest = v->older;
    if (v->older) {
        dead_pass(t, dead, v->older);
    } else {
        unseen_add(t, dead);
    }
    ms_free(t->alloc, v);
}

void mem_tree_init(struct mem_tree *t, const struct ms_alloc *alloc)
{
    *t = (struct mem_tree){ .alloc = alloc, .epoch = 1 };
}

static void free_leaf(struct mem_tree *t, struct mem_leaf *leaf)
{
    for (uint32_t i = 0; i < leaf->node.count; i++) ms_free(t->alloc, mem_leaf_entry(leaf, i));
    ms_free(t->alloc, leaf);
}

static void free_node(struct mem_tree *t, struct mem_node *node)
{
    struct mem_inner *inner = (struct mem_inner *)node;
    if (node->level == 0) {
        free_leaf(t, (struct mem_leaf *)node);
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        free_node(t, inner->children[i]); /* as deep as the tree is high */
        if (i > 0) ms_free(t->alloc, inner->keys[i]);
    }
    ms_free(t->alloc, inner);
}

void mem_tree_fini(struct mem_tree *t)
{
    MS_ASSERT(!t->newest);
    if (t->root) free_node(t, t->root);
    dead_pass(t, t->dead, NULL);
    unseen_free(t, UINT32_MAX);
    while (t->spare) {
        struct mem_dead *chunk = t->spare;
        t->spare = chunk->next;
        ms_free(t->alloc, chunk);
    }
    mem_tree_init(t, t->alloc);
}
