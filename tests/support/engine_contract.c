/* engine_contract.c: what every engine promises. The random part compares with a model that is an
 * array: all keys there are, sorted, each with a number or nothing; so a view's model is a copy of it.
 */
#include "tests/support/engine_contract.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_err.h"
#include "tests/support/test.h"

#define KEYS 600
#define ABSENT (-1)
#define VIEWS 4

static struct universe {
    uint8_t data[KEYS][16];
    size_t len[KEYS];
    uint32_t count;
} keys;

struct model {
    int32_t value[KEYS];
};

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static struct bytes key_at(uint32_t i)
{
    return bytes_of(keys.data[i], keys.len[i]);
}

static int by_bytes(const void *a, const void *b)
{
    const uint8_t *x = a, *y = b;
    return bytes_compare(bytes_of(x + 1, x[0]), bytes_of(y + 1, y[0]));
}

/* Short keys over a few bytes: many are prefixes of others, and there are NULs and high bytes. */
static void make_universe(void)
{
    static const uint8_t alphabet[] = { 0, 1, 'a', 'b', 0x7f, 0x80, 0xff };
    static uint8_t made[KEYS][16];
    random_state = 7;
    for (uint32_t i = 0; i < KEYS; i++) {
        made[i][0] = (uint8_t)(1 + draw(10));
        for (uint32_t j = 0; j < made[i][0]; j++) made[i][1 + j] = alphabet[draw(sizeof alphabet)];
    }
    qsort(made, KEYS, sizeof made[0], by_bytes);
    keys.count = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        if (i > 0 && by_bytes(made[i - 1], made[i]) == 0) continue;
        keys.len[keys.count] = made[i][0];
        memcpy(keys.data[keys.count++], made[i] + 1, made[i][0]);
    }
}

static void model_clear(struct model *m)
{
    for (uint32_t i = 0; i < KEYS; i++) m->value[i] = ABSENT;
}

/* A value of some length whose bytes all follow from number. */
static struct bytes value_of(int32_t number)
{
    static uint8_t value[300];
    size_t len = (size_t)number % 290 + 4;
    memset(value, number & 0xff, len);
    bytes_store_u32(value, (uint32_t)number);
    return bytes_of(value, number % 17 == 0 ? 0 : len);
}

static struct engine *engine_open(const struct engine_fixture *f)
{
    if (f->wipe) f->wipe(f->ctx);
    struct engine *e = f->open(f->ctx);
    CHECK(e != NULL);
    CHECK_EQ(e->ops->durable, f->durable);
    return e;
}

static void put(struct engine *e, struct bytes key, struct bytes value)
{
    CHECK_EQ(e->ops->put(e, key, value), 0);
}

static void commit(struct engine *e)
{
    CHECK_EQ(e->ops->commit(e), 0);
}

static void check_get(const struct engine_fixture *f, struct engine *e, struct engine_view *v,
                      struct bytes key, int32_t number)
{
    struct buf out;
    buf_init(&out, f->alloc, ENGINE_VALUE_BYTES_MAX + 8);
    buf_append(&out, "front", 5); /* get appends */
    int rv = e->ops->get(e, v, key, &out);
    CHECK_EQ(rv, number == ABSENT ? MS_ENOTFOUND : 0);
    if (number != ABSENT) {
        CHECK(bytes_equal(bytes_of(out.data + 5, out.len - 5), value_of(number)));
    }
    CHECK(memcmp(out.data, "front", 5) == 0);
    buf_fini(&out);
}

static void check_at(struct engine *e, struct engine_iter *i, const struct model *m, int64_t at)
{
    bool there = at >= 0 && at < (int64_t)keys.count;
    CHECK_EQ(e->ops->iter_valid(i), there);
    CHECK_EQ(e->ops->iter_status(i), 0);
    if (!there) return;
    CHECK(bytes_equal(e->ops->iter_key(i), key_at((uint32_t)at)));
    CHECK(bytes_equal(e->ops->iter_value(i), value_of(m->value[at])));
}

/* The next present position from at on, that included, in steps of +1 or -1. */
static int64_t present(const struct model *m, int64_t at, int64_t step)
{
    while (at >= 0 && at < (int64_t)keys.count && m->value[at] == ABSENT) at += step;
    return at;
}

static void check_whole(struct engine *e, struct engine_view *v, const struct model *m)
{
    struct engine_iter *i = e->ops->iter_open(e, v);
    static const uint8_t low = 0, high[20] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                               255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    CHECK(i != NULL);
    e->ops->iter_seek(i, bytes_of(&low, 1));
    int64_t at = present(m, 0, 1);
    for (; at < (int64_t)keys.count; at = present(m, at + 1, 1)) {
        check_at(e, i, m, at);
        e->ops->iter_next(i);
    }
    check_at(e, i, m, at);
    e->ops->iter_seek_before(i, bytes_of(high, sizeof high));
    at = present(m, (int64_t)keys.count - 1, -1);
    for (; at >= 0; at = present(m, at - 1, -1)) {
        check_at(e, i, m, at);
        e->ops->iter_prev(i);
    }
    check_at(e, i, m, at);
    e->ops->iter_close(i);
}

/* Seeks to some places, of keys there and not there, and a few steps to and fro. */
static void check_seeks(struct engine *e, struct engine_view *v, const struct model *m)
{
    struct engine_iter *i = e->ops->iter_open(e, v);
    CHECK(i != NULL);
    for (uint32_t n = 0; n < 8; n++) {
        int64_t target = draw(keys.count);
        bool before = draw(2);
        int64_t at = before ? present(m, target - 1, -1) : present(m, target, 1);
        if (before) e->ops->iter_seek_before(i, key_at((uint32_t)target));
        if (!before) e->ops->iter_seek(i, key_at((uint32_t)target));
        check_at(e, i, m, at);
        for (uint32_t step = 0; step < 6 && at >= 0 && at < (int64_t)keys.count; step++) {
            bool forward = draw(2);
            at = forward ? present(m, at + 1, 1) : present(m, at - 1, -1);
            if (forward) e->ops->iter_next(i);
            if (!forward) e->ops->iter_prev(i);
            check_at(e, i, m, at);
        }
    }
    e->ops->iter_close(i);
}

void engine_contract_order(const struct engine_fixture *f)
{
    make_universe();
    struct engine *e = engine_open(f);
    struct model m;
    model_clear(&m);
    check_whole(e, NULL, &m);
    for (uint32_t i = 0; i < keys.count; i++) {
        uint32_t at = i * 37 % keys.count; /* not in order */
        m.value[at] = (int32_t)at;
        put(e, key_at(at), value_of(m.value[at]));
    }
    for (uint32_t i = 0; i < keys.count; i++) { /* the step may not have reached all */
        if (m.value[i] != ABSENT) continue;
        m.value[i] = (int32_t)i;
        put(e, key_at(i), value_of(m.value[i]));
    }
    commit(e);
    check_whole(e, NULL, &m);
    check_seeks(e, NULL, &m);

    size_t key_len = ENGINE_KEY_BYTES_MAX, value_len = ENGINE_VALUE_BYTES_MAX;
    uint8_t *key = malloc(key_len), *value = malloc(value_len);
    struct buf out;
    buf_init(&out, f->alloc, value_len);
    memset(key, 0xff, key_len);
    memset(value, 0x5a, value_len);
    put(e, bytes_of(key, key_len), bytes_of(value, value_len));
    put(e, bytes_of(key, key_len - 1), bytes_of(NULL, 0));
    commit(e);
    CHECK_EQ(e->ops->get(e, NULL, bytes_of(key, key_len), &out), 0);
    CHECK(bytes_equal(buf_bytes(&out), bytes_of(value, value_len)));
    buf_clear(&out);
    CHECK_EQ(e->ops->get(e, NULL, bytes_of(key, key_len - 1), &out), 0);
    CHECK_EQ(out.len, 0);
    CHECK(e->ops->bytes(e) > 0);
    buf_fini(&out);
    free(key);
    free(value);
    e->ops->close(e);
}

void engine_contract_commit(const struct engine_fixture *f)
{
    make_universe();
    struct engine *e = engine_open(f);
    struct model before, after;
    model_clear(&before);
    for (uint32_t i = 0; i < 40; i++) before.value[i] = 1000 + (int32_t)i;
    for (uint32_t i = 0; i < 40; i++) put(e, key_at(i), value_of(before.value[i]));
    commit(e);
    after = before;
    for (uint32_t i = 20; i < 60; i++) after.value[i] = i < 30 ? ABSENT : 2000 + (int32_t)i;
    for (uint32_t i = 20; i < 60; i++) {
        if (i < 30) CHECK_EQ(e->ops->remove(e, key_at(i)), 0);
        if (i >= 30) put(e, key_at(i), value_of(after.value[i]));
    }
    CHECK_EQ(e->ops->remove(e, key_at(70)), 0); /* absent: fine */
    for (uint32_t i = 0; i < 80; i++) check_get(f, e, NULL, key_at(i), after.value[i]);
    check_whole(e, NULL, &before); /* E2: not committed */
    struct engine_view *v = e->ops->view_open(e);
    CHECK(v != NULL);
    check_whole(e, v, &before);
    commit(e);
    check_whole(e, NULL, &after);
    check_whole(e, v, &before);
    for (uint32_t i = 0; i < 80; i++) check_get(f, e, v, key_at(i), before.value[i]);
    e->ops->view_close(e, v);
    commit(e); /* nothing to commit */
    check_whole(e, NULL, &after);
    e->ops->close(e);
}

void engine_contract_views(const struct engine_fixture *f)
{
    make_universe();
    struct engine *e = engine_open(f);
    struct model m, seen[VIEWS];
    struct engine_view *views[VIEWS];
    struct engine_iter *iters[VIEWS];
    model_clear(&m);
    for (uint32_t n = 0; n < VIEWS; n++) {
        for (uint32_t i = n; i < keys.count; i += 3) {
            m.value[i] = (int32_t)(n * 10000 + i);
            put(e, key_at(i), value_of(m.value[i]));
        }
        commit(e);
        seen[n] = m;
        views[n] = e->ops->view_open(e);
        iters[n] = e->ops->iter_open(e, views[n]);
        CHECK(views[n] && iters[n]);
        e->ops->iter_seek(iters[n], key_at(0));
    }
    for (uint32_t i = 0; i < keys.count; i++) CHECK_EQ(e->ops->remove(e, key_at(i)), 0);
    commit(e);
    model_clear(&m);
    check_whole(e, NULL, &m);
    static const uint32_t order[VIEWS] = { 1, 3, 0, 2 };
    for (uint32_t n = 0; n < VIEWS; n++) {
        uint32_t v = order[n];
        check_whole(e, views[v], &seen[v]);
        /* An iterator of a view goes on where it stood, whatever was committed since. */
        int64_t at = present(&seen[v], 0, 1);
        for (; at < (int64_t)keys.count; at = present(&seen[v], at + 1, 1)) {
            check_at(e, iters[v], &seen[v], at);
            e->ops->iter_next(iters[v]);
        }
        e->ops->iter_close(iters[v]);
        e->ops->view_close(e, views[v]);
    }
    e->ops->close(e);
}

static void change_some(struct engine *e, struct model *m, int32_t round)
{
    uint32_t changes = draw(10) == 0 ? draw(300) : draw(12);
    bool emptying = draw(3) == 0;
    for (uint32_t n = 0; n < changes; n++) {
        uint32_t i = draw(keys.count);
        bool removes = emptying ? draw(4) != 0 : draw(4) == 0;
        m->value[i] = removes ? ABSENT : round * 1000 + (int32_t)n;
        if (removes) CHECK_EQ(e->ops->remove(e, key_at(i)), 0);
        if (!removes) put(e, key_at(i), value_of(m->value[i]));
    }
}

void engine_contract_random(const struct engine_fixture *f)
{
    make_universe();
    struct engine *e = engine_open(f);
    struct model now, committed, seen[VIEWS];
    struct engine_view *views[VIEWS] = { NULL };
    uint32_t rounds = f->rounds ? f->rounds : 300;
    random_state = 99;
    model_clear(&now);
    committed = now;
    for (uint32_t round = 1; round <= rounds; round++) {
        change_some(e, &now, (int32_t)round);
        uint32_t v = draw(VIEWS);
        if (views[v] && draw(3) == 0) {
            check_whole(e, views[v], &seen[v]);
            e->ops->view_close(e, views[v]);
            views[v] = NULL;
        } else if (!views[v]) {
            views[v] = e->ops->view_open(e); /* with changes that are not committed */
            CHECK(views[v] != NULL);
            seen[v] = committed;
        } else {
            check_seeks(e, views[v], &seen[v]);
        }
        check_seeks(e, NULL, &committed);
        for (uint32_t n = 0; n < 10; n++) {
            uint32_t i = draw(keys.count);
            check_get(f, e, NULL, key_at(i), now.value[i]);
        }
        if (draw(4) == 0) continue;
        commit(e);
        committed = now;
        if (draw(8) == 0) check_whole(e, NULL, &committed);
    }
    for (uint32_t v = 0; v < VIEWS; v++) {
        if (!views[v]) continue;
        check_whole(e, views[v], &seen[v]);
        e->ops->view_close(e, views[v]);
    }
    e->ops->close(e);
}

void engine_contract_replace(const struct engine_fixture *f)
{
    make_universe();
    struct engine *e = engine_open(f);
    struct model old, fresh;
    model_clear(&old);
    model_clear(&fresh);
    for (uint32_t i = 0; i < keys.count; i += 2) {
        old.value[i] = 5000 + (int32_t)i;
        put(e, key_at(i), value_of(old.value[i]));
    }
    commit(e);
    struct engine_view *v = e->ops->view_open(e);
    for (int keep = 0; keep < 2; keep++) {
        CHECK_EQ(e->ops->replace_begin(e), 0);
        for (uint32_t i = 0; i < keys.count; i += 3) {
            fresh.value[i] = 7000 + (int32_t)i;
            put(e, key_at(i), value_of(fresh.value[i]));
            if (i % 30 == 0) commit(e);
        }
        commit(e);
        for (uint32_t i = 0; i < 40; i++) check_get(f, e, NULL, key_at(i), old.value[i]);
        check_whole(e, NULL, &old);
        CHECK_EQ(e->ops->replace_end(e, keep), 0);
        check_whole(e, NULL, keep ? &fresh : &old);
        check_whole(e, v, &old); /* E3 */
    }
    for (uint32_t i = 0; i < keys.count; i += 5) {
        fresh.value[i] = 9000 + (int32_t)i;
        put(e, key_at(i), value_of(fresh.value[i]));
    }
    commit(e);
    check_whole(e, v, &old);
    e->ops->view_close(e, v);
    check_whole(e, NULL, &fresh);
    CHECK_EQ(e->ops->replace_begin(e), 0);
    put(e, key_at(0), value_of(1));
    CHECK_EQ(e->ops->replace_end(e, false), 0);
    e->ops->close(e);
    if (!f->durable) return;
    e = f->open(f->ctx);
    CHECK(e != NULL);
    check_whole(e, NULL, &fresh);
    e->ops->close(e);
}

void engine_contract_reopen(const struct engine_fixture *f)
{
    make_universe();
    struct engine *e = engine_open(f);
    struct model m;
    model_clear(&m);
    if (!f->durable) {
        CHECK_EQ(e->ops->persist(e), MS_EINVAL);
        e->ops->close(e);
        return;
    }
    random_state = 3;
    for (int32_t round = 1; round < 6; round++) {
        change_some(e, &m, round);
        commit(e);
        CHECK_EQ(e->ops->persist(e), 0);
        e->ops->close(e);
        e = f->open(f->ctx);
        CHECK(e != NULL);
        check_whole(e, NULL, &m);
    }
    e->ops->close(e);
}

void engine_contract_all(const struct engine_fixture *f)
{
    engine_contract_order(f);
    engine_contract_commit(f);
    engine_contract_views(f);
    engine_contract_random(f);
    engine_contract_replace(f);
    engine_contract_reopen(f);
}
