/* test_kv_mem_tree.c: the tree inside of the memory engine: its shape (T6), its blocks (T2, T3: none is
 * lost, none is freed that somebody sees), and refused memory (T4). */
#include <stdlib.h>

#include "base/ms_err.h"
#include "kv/kv_mem_tree.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc a;
static struct mem_tree t;
static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static void begin(void)
{
    test_alloc_init(&a);
    mem_tree_init(&t, &a.face);
    random_state = 5;
}

/* Keys of three kinds: with prefixes in common, of different lengths, with NULs. */
static struct bytes key_of(uint32_t number)
{
    static char key[24];
    uint32_t kind = number % 3;
    const char *format = kind == 0 ? "a/common/prefix/%06u" : kind == 1 ? "b%u" : "b/%c%06u";
    int len = kind == 2 ? snprintf(key, sizeof key, format, 0, number)
                        : snprintf(key, sizeof key, format, number);
    return bytes_of(key, (size_t)len);
}

/* Walks a root; counts blocks, bytes and entries; checks T6. */
struct walk {
    uint64_t blocks, bytes, entries;
};

/* Heads are what keys say, and the prefix is everybody's. */
static void check_head(const struct mem_node *node, uint32_t at, const struct mem_entry *e,
                       const struct mem_entry *first)
{
    uint32_t head = 0;
    CHECK(e->key_len >= node->prefix_bytes);
    CHECK(memcmp(e->data, first->data, node->prefix_bytes) == 0);
    for (uint32_t i = node->prefix_bytes; i < node->prefix_bytes + 4; i++) {
        head = head << 8 | (i < e->key_len ? e->data[i] : 0);
    }
    CHECK_EQ(node->heads[at], head);
}

static void walk_node(struct walk *w, const struct mem_node *node, const struct mem_entry *low,
                      const struct mem_entry *high)
{
    const struct mem_inner *inner = (const struct mem_inner *)node;
    w->blocks++;
    w->bytes += node->level ? sizeof(struct mem_inner) : sizeof(struct mem_node);
    CHECK(node->count > 0 && node->count <= MEM_FANOUT);
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->level == 0) {
            const struct mem_entry *e = node->slots[i];
            w->blocks++;
            w->entries++;
            w->bytes += sizeof *e + e->key_len + e->value_len;
            check_head(node, i, e, node->slots[0]);
            if (low) CHECK(bytes_compare(mem_entry_key(low), mem_entry_key(e)) <= 0);
            if (high) CHECK(bytes_compare(mem_entry_key(e), mem_entry_key(high)) < 0);
            if (i > 0) CHECK(bytes_compare(mem_entry_key(node->slots[i - 1]), mem_entry_key(e)) < 0);
            continue;
        }
        CHECK(node->count > 1);
        CHECK_EQ(((const struct mem_node *)node->slots[i])->level + 1, node->level);
        if (i > 0) {
            w->blocks++;
            w->bytes += sizeof *inner->keys[i] + inner->keys[i]->key_len;
            check_head(node, i, inner->keys[i], inner->keys[1]);
        }
        walk_node(w, node->slots[i], i > 0 ? inner->keys[i] : low,
                  i + 1 < node->count ? inner->keys[i + 1] : high);
    }
}

static struct walk check_tree(void)
{
    struct walk w = { 0 };
    if (t.root) walk_node(&w, t.root, NULL, NULL);
    CHECK_EQ(w.entries, t.entry_count);
    CHECK_EQ(w.bytes, t.bytes);
    return w;
}

/* With no view open and all committed, what is alive is what can be reached. */
static void check_blocks(void)
{
    struct walk w = check_tree();
    CHECK(t.dead == NULL);
    CHECK_EQ(a.alive, w.blocks + t.spare_count);
}

static void put(uint32_t number)
{
    CHECK_EQ(mem_tree_put(&t, key_of(number), bytes_of("value", number % 5)), 0);
}

TEST(kv_mem_tree, grows_and_shrinks_in_any_order)
{
    enum { COUNT = 20000 };
    for (int order = 0; order < 9; order++) {
        begin();
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t at = order / 3 == 0 ? i : order / 3 == 1 ? COUNT - 1 - i : i * 7919 % COUNT;
            put(at);
            if (i % 100 == 0) mem_tree_commit(&t);
            if (i % 4000 == 0) check_tree();
        }
        mem_tree_commit(&t);
        check_blocks();
        CHECK_EQ(t.entry_count, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t at = order % 3 == 0 ? i : order % 3 == 1 ? COUNT - 1 - i : i * 7919 % COUNT;
            CHECK(mem_tree_find(t.root, key_of(at)) != NULL);
            CHECK_EQ(mem_tree_remove(&t, key_of(at)), 0);
            CHECK(mem_tree_find(t.root, key_of(at)) == NULL);
            if (i % 100 == 0) mem_tree_commit(&t);
            if (i % 4000 == 0) check_tree();
        }
        CHECK(t.root == NULL);
        CHECK_EQ(t.bytes, 0);
        mem_tree_commit(&t);
        check_blocks();
        mem_tree_fini(&t);
        CHECK_EQ(a.alive, 0);
    }
}

TEST(kv_mem_tree, rising_keys_leave_full_leaves_behind)
{
    uint8_t key[8];
    begin();
    for (uint64_t i = 0; i < 6300; i++) {
        bytes_store_be64(key, i << 3);
        CHECK_EQ(mem_tree_put(&t, bytes_of(key, 8), bytes_of(NULL, 0)), 0);
    }
    struct walk w = check_tree();
    CHECK(w.blocks < 6300 + 2 * 6300 / 60 + 10); /* a leaf and a separator for 63 entries */
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

/* The sum over a root's entries: a view that lost one, or saw a later one, has another sum. */
static uint64_t sum_of(const struct mem_node *root)
{
    struct mem_iter i;
    uint64_t sum = 0;
    mem_iter_init(&i, root);
    for (mem_iter_seek(&i, bytes_of("", 1)); i.valid; mem_iter_next(&i)) {
        const struct mem_entry *e = mem_iter_entry(&i);
        for (uint32_t b = 0; b < e->key_len + e->value_len; b++) sum = sum * 31 + e->data[b];
    }
    return sum;
}

TEST(kv_mem_tree, frees_a_block_when_its_last_view_closes)
{
    enum { VIEWS = 8 };
    struct mem_view *views[VIEWS] = { NULL };
    uint64_t sums[VIEWS];
    begin();
    for (uint32_t i = 0; i < 5000; i++) put(draw(1000000));
    mem_tree_commit(&t);
    for (uint32_t round = 0; round < 600; round++) {
        uint32_t v = draw(VIEWS);
        for (uint32_t n = draw(40); n > 0; n--) {
            if (draw(2)) put(draw(1000000));
            struct mem_iter i; /* remove what is there, anywhere */
            mem_iter_init(&i, t.root);
            mem_iter_seek(&i, key_of(draw(1000000)));
            if (i.valid) CHECK_EQ(mem_tree_remove(&t, mem_entry_key(mem_iter_entry(&i))), 0);
        }
        if (draw(3)) mem_tree_commit(&t);
        if (views[v]) {
            CHECK_EQ(sum_of(views[v]->root), sums[v]);
            mem_view_close(views[v]);
            views[v] = NULL;
        } else {
            views[v] = mem_view_open(&t);
            sums[v] = sum_of(views[v]->root);
        }
        if (round % 100 != 99) continue;
        for (uint32_t i = 0; i < VIEWS; i++) { /* in an order that differs */
            uint32_t at = (i * 3 + round / 100) % VIEWS;
            if (!views[at]) continue;
            CHECK_EQ(sum_of(views[at]->root), sums[at]);
            mem_view_close(views[at]);
            views[at] = NULL;
        }
        mem_tree_commit(&t);
        check_blocks();
    }
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

/* A view opened in the middle of a step keeps what it sees, and nothing that was put since the commit.
 */
TEST(kv_mem_tree, a_view_keeps_no_more_than_it_sees)
{
    uint64_t kept = 0;
    begin();
    put(1);
    mem_tree_commit(&t);
    put(1);
    struct mem_view *v = mem_view_open(&t);
    for (int i = 0; i < 200; i++) {
        put(1);
        if (i % 2) mem_tree_commit(&t);
    }
    mem_tree_commit(&t);
    for (const struct mem_dead *d = v->dead; d; d = d->next) kept += d->count;
    CHECK_EQ(kept, 2); /* a leaf and an entry */
    mem_view_close(v);
    check_blocks();
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

/* Do one operation with the n-th allocation refused, for each n until none is: each time the content is
 * as before, and the last time the operation is done. */
static void sweep(bool removes, uint32_t number)
{
    uint64_t before = sum_of(t.root), count = t.entry_count, committed = sum_of(t.committed);
    for (uint64_t n = 1;; n++) {
        a.refuse_at = a.requests + n;
        int rv = removes ? mem_tree_remove(&t, key_of(number))
                         : mem_tree_put(&t, key_of(number), bytes_of("new value", 9));
        bool refused = a.requests >= a.refuse_at;
        a.refuse_at = 0;
        CHECK_EQ(rv, refused ? MS_ENOMEM : 0);
        check_tree();
        CHECK_EQ(sum_of(t.committed), committed);
        if (rv == 0) break;
        CHECK_EQ(sum_of(t.root), before);
        CHECK_EQ(t.entry_count, count);
        if (n % 2 == 0) { /* what was copied before counts anew */
            mem_tree_commit(&t);
            committed = before;
        }
        CHECK(n < 100);
    }
}

TEST(kv_mem_tree, refused_memory_changes_nothing)
{
    begin();
    /* Splits of the leaf, of inner nodes and of the root are on the way of these. */
    for (uint32_t i = 0; i < 400; i++) {
        sweep(false, i * 7919 % 9973);
        if (i % 3 == 0) mem_tree_commit(&t);
    }
    for (uint32_t i = 400; i < 5000; i++) put(i * 7919 % 9973);
    mem_tree_commit(&t);
    CHECK_EQ(t.root->level, 2);
    for (uint32_t i = 5000; i-- > 0;) {
        bool sweeps = i % 40 == 0 || i < 200;
        if (sweeps) sweep(true, i * 7919 % 9973);
        if (!sweeps) CHECK_EQ(mem_tree_remove(&t, key_of(i * 7919 % 9973)), 0);
        if (i % 3 == 0) mem_tree_commit(&t);
    }
    CHECK(t.root == NULL);
    struct mem_view *v;
    a.refuse_at = a.requests + 1;
    CHECK(mem_view_open(&t) == NULL);
    v = mem_view_open(&t);
    CHECK(v != NULL);
    mem_view_close(v);
    mem_tree_commit(&t);
    check_blocks();
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}
