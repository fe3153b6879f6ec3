/* test_kv_mem_model.c: the tree inside of the memory engine against a sorted array: random puts and
 * removes of keys and values of all sizes up to the engine's limits, commits, views that must stay what
 * they were, and seeks to both sides of a random place. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "kv/engine.h"
#include "kv/kv_mem_tree.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define PAIRS_MAX 4096u
#define VIEWS_MAX 4u

struct pair {
    uint8_t *key; /* key and value, one block; NULL in none of the array */
    size_t key_len, value_len;
};
struct model {
    struct pair pairs[PAIRS_MAX];
    uint32_t count;
};

static struct test_alloc a;
static struct mem_tree t;
static uint64_t random_state;
static struct model now, committed;
static struct {
    struct mem_view *view;
    struct model content;
} views[VIEWS_MAX];

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static struct bytes pair_key(const struct pair *p)
{
    return bytes_of(p->key, p->key_len);
}

static struct bytes pair_value(const struct pair *p)
{
    return bytes_of(p->key + p->key_len, p->value_len);
}

static struct pair pair_copy(struct bytes key, struct bytes value)
{
    struct pair p = { .key = malloc(key.len + value.len + 1),
                      .key_len = key.len,
                      .value_len = value.len };
    memcpy(p.key, key.data, key.len);
    if (value.len) memcpy(p.key + key.len, value.data, value.len);
    return p;
}

static uint32_t model_position(const struct model *m, struct bytes key)
{
    uint32_t low = 0, high = m->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (bytes_compare(pair_key(&m->pairs[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool model_has(const struct model *m, uint32_t at, struct bytes key)
{
    return at < m->count && bytes_equal(pair_key(&m->pairs[at]), key);
}

static void model_put(struct model *m, struct bytes key, struct bytes value)
{
    uint32_t at = model_position(m, key);
    if (model_has(m, at, key)) {
        free(m->pairs[at].key);
    } else {
        memmove(&m->pairs[at + 1], &m->pairs[at], (m->count - at) * sizeof m->pairs[0]);
        m->count++;
    }
    m->pairs[at] = pair_copy(key, value);
}

static void model_remove(struct model *m, struct bytes key)
{
    uint32_t at = model_position(m, key);
    if (!model_has(m, at, key)) return;
    free(m->pairs[at].key);
    m->count--;
    memmove(&m->pairs[at], &m->pairs[at + 1], (m->count - at) * sizeof m->pairs[0]);
}

static void model_clear(struct model *m)
{
    while (m->count > 0) free(m->pairs[--m->count].key);
}

static void model_copy(struct model *to, const struct model *from)
{
    model_clear(to);
    for (; to->count < from->count; to->count++) {
        const struct pair *p = &from->pairs[to->count];
        to->pairs[to->count] = pair_copy(pair_key(p), pair_value(p));
    }
}

/* All of root, forwards and backwards, and what find says. */
static void check_same(const struct mem_node *root, const struct model *m)
{
    static const uint8_t last[2] = { 255, 255 };
    struct mem_iter i;
    struct bytes value;
    uint32_t at = 0;
    mem_iter_init(&i, root);
    for (mem_iter_seek(&i, bytes_of(NULL, 0)); i.valid; mem_iter_next(&i)) {
        CHECK(at < m->count);
        CHECK(bytes_equal(i.key, pair_key(&m->pairs[at])));
        CHECK(bytes_equal(mem_iter_value(&i), pair_value(&m->pairs[at])));
        CHECK(mem_tree_find(root, pair_key(&m->pairs[at]), &value));
        CHECK(bytes_equal(value, pair_value(&m->pairs[at])));
        at++;
    }
    CHECK_EQ(at, m->count);
    for (mem_iter_seek_before(&i, bytes_of(last, 2)); i.valid; mem_iter_prev(&i)) {
        CHECK(at > 0);
        at--;
        CHECK(bytes_equal(i.key, pair_key(&m->pairs[at])));
    }
    CHECK_EQ(at, 0);
}

static void check_seeks(const struct mem_node *root, const struct model *m, struct bytes key)
{
    uint32_t at = model_position(m, key);
    struct bytes value;
    struct mem_iter i;
    mem_iter_init(&i, root);
    mem_iter_seek(&i, key);
    CHECK_EQ(i.valid, at < m->count);
    if (i.valid) CHECK(bytes_equal(i.key, pair_key(&m->pairs[at])));
    mem_iter_seek_before(&i, key);
    CHECK_EQ(i.valid, at > 0);
    if (i.valid) CHECK(bytes_equal(i.key, pair_key(&m->pairs[at - 1])));
    CHECK_EQ(mem_tree_find(root, key, &value), model_has(m, at, key));
}

/* What kind of keys and values a run has. */
struct sizes {
    uint32_t key_len_max, value_len_max;
    uint32_t prefix_len; /* many keys share so much */
    uint32_t letters;    /* few: keys that are much alike, and begin each other */
    uint32_t pairs_max, steps;
    bool rising; /* many keys are above all others, as revisions are */
};

static uint8_t key_bytes[ENGINE_KEY_BYTES_MAX], value_bytes[ENGINE_VALUE_BYTES_MAX];

/* Mostly small, now and then up to the maximum, often beside a border of the leaf's. */
static uint32_t draw_len(uint32_t max)
{
    static const uint32_t borders[] = { 1, 4, 5, 8, MEM_PREFIX_BYTES_MAX, MEM_INLINE_BYTES_MAX };
    uint32_t kind = draw(16), len = 1 + draw(24);
    if (kind == 0) len = 1 + draw(max);
    if (kind < 3) len = borders[draw(6)] + draw(3);
    if (kind == 3) len = max;
    return len < max ? len : max;
}

static struct bytes draw_key(const struct sizes *s)
{
    if (s->rising && now.count > 0 && draw(3) > 0) {
        struct bytes last = pair_key(&now.pairs[now.count - 1]);
        memcpy(key_bytes, last.data, last.len);
        if (last.len < s->key_len_max) {
            key_bytes[last.len] = (uint8_t)draw(255);
            return bytes_of(key_bytes, last.len + 1);
        }
        for (uint32_t i = s->key_len_max; i-- > 0 && ++key_bytes[i] == 0;) continue;
        key_bytes[0] &= 0x7f;
        return bytes_of(key_bytes, last.len);
    }
    uint32_t len = draw_len(s->key_len_max), from = draw(4) ? s->prefix_len : draw(s->prefix_len + 1);
    memset(key_bytes, 'p', s->prefix_len);
    if (draw(8) == 0) from = 0;
    for (uint32_t i = from; i < len; i++)
        key_bytes[i] = (uint8_t)(draw(s->letters) * (255 / s->letters));
    key_bytes[0] &= 0x7f; /* what begins with two 255 is behind all */
    return bytes_of(key_bytes, len);
}

/* What is there, too: most random keys are not. */
static struct bytes draw_known(const struct sizes *s)
{
    if (now.count == 0 || draw(3) == 0) return draw_key(s);
    struct bytes key = pair_key(&now.pairs[draw(now.count)]);
    memcpy(key_bytes, key.data, key.len);
    return bytes_of(key_bytes, key.len);
}

static struct bytes draw_value(const struct sizes *s)
{
    uint32_t len = draw(5) ? draw_len(s->value_len_max) : 0;
    if (len > 0) memset(value_bytes, (int)draw(256), len);
    return bytes_of(value_bytes, len);
}

static void step_view(void)
{
    uint32_t v = draw(VIEWS_MAX);
    if (views[v].view) {
        check_same(views[v].view->root, &views[v].content);
        mem_view_close(views[v].view);
        views[v].view = NULL;
        return;
    }
    views[v].view = mem_view_open(&t);
    model_copy(&views[v].content, &committed);
}

static void step_write(const struct sizes *s, uint32_t step)
{
    /* It grows and shrinks in turns, from and to nearly nothing. */
    bool grows = step / (s->steps / 4) % 2 == 0;
    if (now.count < s->pairs_max && draw(10) < (grows ? 8u : 3u)) {
        struct bytes key = draw_known(s), value = draw_value(s);
        CHECK_EQ(mem_tree_put(&t, key, value), 0);
        model_put(&now, key, value);
    } else {
        struct bytes key = draw_known(s);
        CHECK_EQ(mem_tree_remove(&t, key), 0);
        model_remove(&now, key);
    }
}

static void run(const struct sizes *s, uint64_t seed)
{
    test_alloc_init(&a);
    mem_tree_init(&t, &a.face);
    random_state = seed;
    for (uint32_t step = 0; step < s->steps; step++) {
        step_write(s, step);
        check_seeks(t.root, &now, draw_key(s));
        CHECK_EQ(t.entry_count, now.count);
        if (draw(8) == 0) {
            mem_tree_commit(&t);
            model_copy(&committed, &now);
            if (draw(8) == 0) step_view();
        }
        if (step % 500 == 0) check_same(t.root, &now);
        if (step % 500 == 0) check_same(t.committed, &committed);
    }
    check_same(t.root, &now);
    for (uint32_t v = 0; v < VIEWS_MAX; v++) {
        if (!views[v].view) continue;
        check_same(views[v].view->root, &views[v].content);
        mem_view_close(views[v].view);
        views[v].view = NULL;
        model_clear(&views[v].content);
    }
    model_clear(&now);
    model_clear(&committed);
    mem_tree_fini(&t);
    CHECK_EQ(a.alive, 0);
}

TEST(kv_mem_model, small_pairs)
{
    static const struct sizes alike = { 24, 40, 3, 3, 1500, 12000, false };
    static const struct sizes mixed = { 600, 600, 12, 200, 1500, 12000, false };
    static const struct sizes rising = { 13, 300, 3, 200, 3000, 12000, true };
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run(&alike, seed);
        run(&mixed, seed);
        run(&rising, seed);
    }
}

TEST(kv_mem_model, long_prefixes)
{
    static const struct sizes around_inline = { MEM_INLINE_BYTES_MAX + 8, 8, 300, 2, 400, 8000, false };
    static const struct sizes around_prefix = { 300, 4, 250, 3, 600, 8000, false };
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run(&around_inline, seed);
        run(&around_prefix, seed);
    }
}

TEST(kv_mem_model, the_largest_pairs)
{
    static const struct sizes keys = { ENGINE_KEY_BYTES_MAX, 100, 70000, 2, 60, 1500, false };
    static const struct sizes values = { 20, ENGINE_VALUE_BYTES_MAX, 2, 200, 12, 400, false };
    run(&keys, 1);
    run(&values, 1);
}
