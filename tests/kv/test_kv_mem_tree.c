/* test_kv_mem_tree.c: the tree inside of the memory engine: its shape (T6, T7), its blocks (T2, T3: none
 * is lost, none is freed that somebody sees), and refused memory (T4). What it holds is compared with a
 * sorted array in test_kv_mem_model.c. */
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

/* Walks a root; counts blocks, bytes and entries; checks T6 and T7. */
struct walk {
    uint64_t blocks, bytes, entries;
};

static void count_entry(struct walk *w, const struct mem_entry *e)
{
    w->blocks++;
    w->bytes += sizeof *e + e->key_len + e->value_len;
}

static void walk_leaf(struct walk *w, const struct mem_leaf *leaf, const struct mem_entry *low,
                      const struct mem_entry *high)
{
    uint8_t scratch[2][MEM_INLINE_BYTES_MAX];
    struct bytes before = { 0 };
    w->bytes += leaf->block_bytes;
    CHECK(leaf->block_bytes <= MEM_LEAF_BYTES_MAX);
    CHECK(mem_leaf_used(leaf) <= leaf->block_bytes);
    for (uint32_t i = 0; i < leaf->node.count; i++) {
        struct bytes key = mem_leaf_key(leaf, i, scratch[i % 2]);
        const struct mem_entry *e = mem_leaf_entry(leaf, i);
        if (e) count_entry(w, e);
        if (!e) CHECK(key.len + mem_leaf_value(leaf, i).len <= MEM_INLINE_BYTES_MAX);
        w->entries++;
        CHECK(key.len >= leaf->prefix_bytes);
        CHECK(bytes_equal(bytes_of(key.data, leaf->prefix_bytes), mem_leaf_prefix(leaf)));
        if (low) CHECK(bytes_compare(mem_entry_key(low), key) <= 0);
        if (high) CHECK(bytes_compare(key, mem_entry_key(high)) < 0);
        if (i > 0) CHECK(bytes_compare(before, key) < 0);
        before = key;
    }
}

/* Heads are what keys say, and the prefix is everybody's. */
static void check_head(const struct mem_inner *node, uint32_t at)
{
    const struct mem_entry *e = node->keys[at];
    uint32_t head = 0;
    CHECK(e->key_len >= node->prefix_bytes);
    CHECK(memcmp(e->data, node->keys[1]->data, node->prefix_bytes) == 0);
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
    CHECK(node->count > 0);
    if (node->level == 0) {
        walk_leaf(w, (const struct mem_leaf *)node, low, high);
        return;
    }
    w->bytes += sizeof *inner;
    CHECK(node->count > 1 && node->count <= MEM_FANOUT);
    for (uint32_t i = 0; i < node->count; i++) {
        CHECK_EQ(inner->children[i]->level + 1, node->level);
        if (i > 0) {
            count_entry(w, inner->keys[i]);
            check_head(inner, i);
        }
        walk_node(w, inner->children[i], i > 0 ? inner->keys[i] : low,
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
    while (t.unseen) mem_tree_commit(&t);
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
    struct bytes value;
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
            CHECK(mem_tree_find(t.root, key_of(at), &value));
            CHECK_EQ(value.len, at % 5);
            CHECK_EQ(mem_tree_remove(&t, key_of(at)), 0);
            CHECK(!mem_tree_find(t.root, key_of(at), &value));
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

/* Of what the state machine keeps of a key that is put once: its record, in any order, and a change, in
 * rising order. It is what DESIGN 5 calls small: at most 120 bytes in all. */
TEST(kv_mem_tree, small_entries_cost_little_more_than_their_bytes)
{
    enum { COUNT = 100000, RECORD_BYTES = 7 + 32, CHANGE_BYTES = 2 + 16 };
    uint8_t key[17], value[RECORD_BYTES] = { 1 };
    begin();
    for (uint64_t i = 0; i < COUNT; i++) {
        key[0] = 'c';
        bytes_store_be64(key + 1, i * UINT64_C(0x9e3779b97f4a7c15));
        bytes_store_be64(key + 9, i);
        CHECK_EQ(mem_tree_put(&t, bytes_of(key, 17), bytes_of(value, RECORD_BYTES)), 0);
        key[0] = 'r';
        bytes_store_be64(key + 1, i + 2);
        bytes_store_be32(key + 9, 0);
        CHECK_EQ(mem_tree_put(&t, bytes_of(key, 13), bytes_of(value, CHANGE_BYTES)), 0);
        if (i % 64 == 0) mem_tree_commit(&t);
    }
    struct walk w = check_tree();
    CHECK(w.bytes + 8 * w.blocks < 105 * COUNT); /* 8: the allocator's own */
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

TEST(kv_mem_tree, rising_keys_leave_full_leaves_behind)
{
    uint8_t key[8];
    begin();
    for (uint64_t i = 0; i < 10000; i++) {
        bytes_store_be64(key, i << 3);
        CHECK_EQ(mem_tree_put(&t, bytes_of(key, 8), bytes_of("0123456789abcdef", 16)), 0);
        if (i % 3 == 0) mem_tree_commit(&t);
    }
    struct walk w = check_tree();
    CHECK(w.bytes < 10000 * 26); /* a slot of 8 bytes and 16 of value; the key is in prefix and head */
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

/* Large keys with little in common take the prefix from a leaf full of keys that share much. */
TEST(kv_mem_tree, a_foreign_key_beside_a_long_prefix)
{
    char key[300];
    begin();
    memset(key, 'm', sizeof key);
    for (uint32_t i = 0; i < 150; i++) {
        snprintf(key + 250, sizeof key - 250, "%06u", i);
        CHECK_EQ(mem_tree_put(&t, bytes_of(key, 256), bytes_of(NULL, 0)), 0);
    }
    struct walk before = check_tree();
    for (uint32_t i = 249; i-- > 0;) { /* each has less of the prefix, in turns on both sides */
        key[i] = i % 2 ? 'a' : 'z';
        CHECK_EQ(mem_tree_put(&t, bytes_of(key, i + 1), bytes_of("v", 1)), 0);
        check_tree();
        key[i] = 'm';
    }
    CHECK_EQ(before.entries + 249, t.entry_count);
    for (uint32_t i = 0; i < 150; i++) {
        snprintf(key + 250, sizeof key - 250, "%06u", i);
        CHECK_EQ(mem_tree_remove(&t, bytes_of(key, 256)), 0);
        check_tree();
    }
    CHECK_EQ(t.entry_count, 249);
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
        struct bytes value = mem_iter_value(&i);
        for (uint32_t b = 0; b < i.key.len; b++) sum = sum * 31 + i.key.data[b];
        for (uint32_t b = 0; b < value.len; b++) sum = sum * 31 + value.data[b];
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
            if (i.valid) CHECK_EQ(mem_tree_remove(&t, i.key), 0);
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
    CHECK_EQ(kept, 1); /* the leaf */
    mem_view_close(v);
    check_blocks();
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

/* What a long view kept goes in small pieces: its end holds up nobody. */
TEST(kv_mem_tree, a_view_that_kept_much_closes_at_once)
{
    begin();
    for (uint32_t i = 0; i < 20000; i++) put(i);
    mem_tree_commit(&t);
    struct mem_view *v = mem_view_open(&t);
    for (uint32_t i = 0; i < 20000; i += 2) CHECK_EQ(mem_tree_remove(&t, key_of(i)), 0);
    mem_tree_commit(&t);
    uint64_t alive = a.alive, commits = 0;
    mem_view_close(v);
    CHECK_EQ(a.alive, alive - 1); /* the view itself */
    for (; t.unseen; commits++) {
        alive = a.alive;
        mem_tree_commit(&t);
        CHECK(alive - a.alive <= MEM_UNSEEN_PER_COMMIT * (MEM_DEAD_PER_CHUNK + 1u));
    }
    CHECK(commits > 0);
    check_blocks();
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

/* Do one operation with the n-th allocation refused, for each n until none is: each time the content is
 * as before, and the last time the operation is done. */
static void sweep(bool removes, uint32_t number)
{
    static const uint8_t text[MEM_INLINE_BYTES_MAX] = "new value"; /* with the key: not in the leaf */
    struct bytes value = bytes_of(text, number % 7 ? 9 : sizeof text);
    uint64_t before = sum_of(t.root), count = t.entry_count, committed = sum_of(t.committed);
    for (uint64_t n = 1;; n++) {
        a.refuse_at = a.requests + n;
        int rv =
            removes ? mem_tree_remove(&t, key_of(number)) : mem_tree_put(&t, key_of(number), value);
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
    for (uint32_t i = 400; i < 5000; i++) {
        static const uint8_t value[300]; /* few of them in a leaf, so that the tree is high */
        CHECK_EQ(mem_tree_put(&t, key_of(i * 7919 % 9973), bytes_of(value, i % 2 ? 300 : i % 97)), 0);
    }
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
