/* test_kv_txn.c: transactions against a model of etcd's semantics (ETCD.md sections 2 and 6) that is as
 * plain as can be: an array of keys, a list of what was, a list of changes. Random transactions,
 * nested, with ranges; several in one job, so that later ones have to see earlier ones. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

/* ---- Random transactions. */
#define KEY_COUNT 20
#define OPS_MAX 4
#define TXNS_MAX 64
#define CHANGES_MAX 60000

struct txn {
    struct kv_compare compares[3];
    struct kv_op ops[2][OPS_MAX]; /* then, else */
    struct txn *nested[2][OPS_MAX];
    uint32_t compare_count, op_count[2];
    struct buf encoded;
    bool outcome;
};

static struct txn txns[TXNS_MAX];
static uint32_t txn_count;
static struct fixture f;
static uint64_t random_state;

/* In order. NULs and prefixes: their order must be kept in the history. */
static const struct {
    const char *data;
    size_t len;
} key_table[KEY_COUNT] = {
    { "\0", 1 },      { "\0\0", 2 },        { "\0\1", 2 },  { "\0\xff", 2 }, { "\1", 1 },
    { "a", 1 },       { "a\0", 2 },         { "a\0\0", 3 }, { "a\0\1", 3 },  { "a\0\1\1", 4 },
    { "a\0\xff", 3 }, { "a\0\xff\xff", 4 }, { "a\1", 2 },   { "aa", 2 },     { "ab", 2 },
    { "b", 1 },       { "b\0", 2 },         { "c", 1 },     { "\xfe", 1 },   { "\xff\xff", 2 },
};
static const char *const values[] = { "", "0", "1", "22", "333" };

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static struct bytes key_at(uint32_t i)
{
    return bytes_of(key_table[i].data, key_table[i].len);
}

static struct bytes draw_range_end(void)
{
    switch (draw(6)) {
    case 0: return bytes_of("\0", 1);
    case 1:
    case 2: return key_at(draw(KEY_COUNT)); /* also one that is not above the key */
    }
    return bytes_of(NULL, 0);
}

/* ---- The model. */
struct model_key {
    bool present;
    uint64_t create_revision, mod_revision, version;
    struct bytes value;
};
struct model_change {
    uint64_t revision;
    uint32_t sub, key;
    bool put;
    uint64_t superseded_mod; /* 0: none */
    struct model_key superseded;
};
static struct {
    struct model_key keys[KEY_COUNT];
    uint64_t revision, compacted;
} model;
static struct model_change changes[CHANGES_MAX];
static uint32_t change_count;

static bool in_range(struct bytes key, struct bytes from, struct bytes end)
{
    if (end.len == 0) return bytes_equal(key, from);
    if (bytes_compare(key, from) < 0) return false;
    if (end.len == 1 && end.data[0] == 0) return true;
    return bytes_compare(key, end) < 0;
}

static bool model_compare_one(const struct kv_compare *c, const struct model_key *k)
{
    int order = 0;
    uint64_t number = 0;
    if (c->target == KV_CMP_VALUE && !k->present) return false;
    if (k->present && c->target == KV_CMP_VERSION) number = k->version;
    if (k->present && c->target == KV_CMP_CREATE) number = k->create_revision;
    if (k->present && c->target == KV_CMP_MOD) number = k->mod_revision;
    if (c->target == KV_CMP_VALUE) {
        order = bytes_compare(k->value, c->value);
    } else {
        order = number < c->number ? -1 : number > c->number;
    }
    if (c->result == KV_CMP_EQUAL) return order == 0;
    if (c->result == KV_CMP_NOT_EQUAL) return order != 0;
    return c->result == KV_CMP_GREATER ? order > 0 : order < 0;
}

static bool model_compare(const struct kv_compare *c)
{
    static const struct model_key absent;
    bool any = false, all = true;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        if (!in_range(key_at(i), c->key, c->range_end)) continue;
        if (c->range_end.len > 0 && !model.keys[i].present) continue;
        any = true;
        all = all && model_compare_one(c, &model.keys[i]);
    }
    return any ? all : model_compare_one(c, &absent);
}

/* All compares before anything runs; and the first reason why what would run cannot. */
static int model_plan(struct txn *t)
{
    int rv = 0;
    t->outcome = true;
    for (uint32_t i = 0; i < t->compare_count; i++) {
        t->outcome = t->outcome && model_compare(&t->compares[i]);
    }
    uint32_t branch = t->outcome ? 0 : 1;
    for (uint32_t i = 0; i < t->op_count[branch] && rv == 0; i++) {
        const struct kv_op *op = &t->ops[branch][i];
        if (op->kind == KV_OP_TXN) rv = model_plan(t->nested[branch][i]);
        if (op->kind == KV_OP_PUT && op->lease != 0) rv = MS_ENOLEASE;
        if (op->kind == KV_OP_RANGE && op->revision > model.revision) rv = MS_EFUTURE;
        if (op->kind == KV_OP_RANGE && op->revision > 0 && op->revision < model.compacted) {
            rv = MS_ECOMPACTED;
        }
        if (op->kind != KV_OP_PUT || !(op->flags & (KV_IGNORE_VALUE | KV_IGNORE_LEASE))) continue;
        for (uint32_t k = 0; k < KEY_COUNT; k++) {
            if (!bytes_equal(key_at(k), op->key) || model.keys[k].present) continue;
            if (rv == 0) rv = MS_ENOTFOUND;
        }
    }
    return rv;
}

/* Whether a write of a and one of b touch a key, one of them being a put; a and b can both run. */
static bool ops_collide(const struct txn *a, int abranch, uint32_t ai, const struct txn *b, int bbranch,
                        uint32_t bi)
{
    const struct kv_op *x = &a->ops[abranch][ai], *y = &b->ops[bbranch][bi];
    for (int branch = 0; branch < 2; branch++) {
        const struct txn *n = a->nested[abranch][ai], *m = b->nested[bbranch][bi];
        for (uint32_t i = 0; x->kind == KV_OP_TXN && i < n->op_count[branch]; i++) {
            if (ops_collide(n, branch, i, b, bbranch, bi)) return true;
        }
        for (uint32_t i = 0; x->kind != KV_OP_TXN && y->kind == KV_OP_TXN && i < m->op_count[branch];
             i++) {
            if (ops_collide(a, abranch, ai, m, branch, i)) return true;
        }
    }
    if (x->kind == KV_OP_PUT && y->kind == KV_OP_PUT) return bytes_equal(x->key, y->key);
    if (x->kind == KV_OP_PUT && y->kind == KV_OP_DELETE) return in_range(x->key, y->key, y->range_end);
    if (x->kind == KV_OP_DELETE && y->kind == KV_OP_PUT) return in_range(y->key, x->key, x->range_end);
    return false;
}

static bool model_collides(const struct txn *t)
{
    for (int branch = 0; branch < 2; branch++) {
        for (uint32_t i = 0; i < t->op_count[branch]; i++) {
            if (t->ops[branch][i].kind == KV_OP_TXN && model_collides(t->nested[branch][i]))
                return true;
            for (uint32_t j = 0; j < i; j++) {
                if (ops_collide(t, branch, i, t, branch, j)) return true;
            }
        }
    }
    return false;
}

static void model_change(uint32_t key, uint64_t revision, uint32_t *sub, const struct kv_op *put)
{
    struct model_key *k = &model.keys[key];
    CHECK(change_count < CHANGES_MAX);
    changes[change_count++] = (struct model_change){ .revision = revision,
                                                     .sub = (*sub)++,
                                                     .key = key,
                                                     .put = put != NULL,
                                                     .superseded_mod = k->present ? k->mod_revision : 0,
                                                     .superseded = *k };
    if (!put) {
        k->present = false;
        return;
    }
    k->create_revision = k->present ? k->create_revision : revision;
    k->version = k->present ? k->version + 1 : 1;
    k->mod_revision = revision;
    k->present = true;
    if (!(put->flags & KV_IGNORE_VALUE)) k->value = put->value;
}

static void model_run(const struct txn *t, uint64_t revision, uint32_t *sub, uint64_t *deleted)
{
    int branch = t->outcome ? 0 : 1;
    for (uint32_t i = 0; i < t->op_count[branch]; i++) {
        const struct kv_op *op = &t->ops[branch][i];
        if (op->kind == KV_OP_TXN) model_run(t->nested[branch][i], revision, sub, deleted);
        for (uint32_t k = 0; k < KEY_COUNT; k++) {
            if (op->kind == KV_OP_PUT && bytes_equal(op->key, key_at(k))) {
                model_change(k, revision, sub, op);
            }
            if (op->kind != KV_OP_DELETE || !model.keys[k].present) continue;
            if (!in_range(key_at(k), op->key, op->range_end)) continue;
            model_change(k, revision, sub, NULL);
            ++*deleted;
        }
    }
}

static struct kv_result model_apply(struct txn *t)
{
    struct kv_result r = { .revision = model.revision };
    uint32_t sub = 0;
    r.status = model_collides(t) ? MS_EDUPKEY : model_plan(t);
    if (r.status < 0) return r;
    model_run(t, model.revision + 1, &sub, &r.deleted);
    r.succeeded = t->outcome;
    r.changed = sub > 0;
    if (r.changed) r.revision = ++model.revision;
    return r;
}

/* ---- Making them. */
static void draw_compare(struct kv_compare *c)
{
    *c = (struct kv_compare){ .target = (enum kv_compare_target)draw(5),
                              .result = (enum kv_compare_result)draw(4),
                              .key = key_at(draw(KEY_COUNT)),
                              .range_end = draw_range_end() };
    if (c->target == KV_CMP_VALUE) c->value = bytes_of_str(values[draw(5)]);
    if (c->target == KV_CMP_VERSION) c->number = draw(3);
    if (c->target == KV_CMP_CREATE || c->target == KV_CMP_MOD) {
        c->number = draw(3) ? model.keys[draw(KEY_COUNT)].mod_revision : draw(2);
    }
}

static struct txn *draw_txn(uint32_t depth);

static void draw_op(struct txn *t, int branch, uint32_t i, uint32_t depth)
{
    struct kv_op *op = &t->ops[branch][i];
    uint32_t what = draw(20);
    *op = (struct kv_op){ .kind = KV_OP_PUT, .key = key_at(draw(KEY_COUNT)) };
    t->nested[branch][i] = NULL;
    if (what < 3 && depth > 0 && txn_count < TXNS_MAX) {
        t->nested[branch][i] = draw_txn(depth - 1);
        *op = (struct kv_op){ .kind = KV_OP_TXN, .txn = buf_bytes(&t->nested[branch][i]->encoded) };
    } else if (what < 9) {
        op->kind = KV_OP_DELETE;
        op->range_end = draw_range_end();
    } else if (what == 9) {
        op->kind = KV_OP_RANGE;
        op->range_end = draw_range_end();
        op->revision = draw(2) ? model.revision - 2 + draw(4) : 0;
    } else if (what == 10) {
        op->flags = KV_IGNORE_VALUE | (draw(2) ? KV_IGNORE_LEASE : 0);
    } else {
        op->value = bytes_of_str(values[draw(5)]);
        if (draw(200) == 0) op->lease = 5;
    }
}

static struct txn *draw_txn(uint32_t depth)
{
    struct txn *t = &txns[txn_count++];
    t->compare_count = draw(3);
    for (uint32_t i = 0; i < t->compare_count; i++) draw_compare(&t->compares[i]);
    for (int branch = 0; branch < 2; branch++) {
        t->op_count[branch] = draw(3) ? draw(2) + 1 : draw(OPS_MAX + 1);
        for (uint32_t i = 0; i < t->op_count[branch]; i++) draw_op(t, branch, i, depth);
    }
    buf_init(&t->encoded, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&t->encoded, t->compares, t->compare_count, t->ops[0], t->op_count[0],
                           t->ops[1], t->op_count[1]),
             0);
    return t;
}

static void free_txns(void)
{
    for (uint32_t i = 0; i < txn_count; i++) buf_fini(&txns[i].encoded);
    txn_count = 0;
}

/* ---- Comparing. */
static void check_keys(void)
{
    uint64_t count = 0;
    struct kv_job job;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        const struct model_key *k = &model.keys[i];
        fixture_read(&f, key_at(i), &job);
        CHECK_EQ(job.status, k->present ? 0 : MS_ENOTFOUND);
        CHECK_EQ(job.revision, model.revision);
        count += k->present;
        if (k->present) {
            CHECK_EQ(job.create_revision, k->create_revision);
            CHECK_EQ(job.mod_revision, k->mod_revision);
            CHECK_EQ(job.version, k->version);
            CHECK(bytes_equal(buf_bytes(&job.value), k->value));
        }
        buf_fini(&job.value);
    }
    CHECK_EQ(f.info.key_count, count);
}

static void check_changes(struct engine_iter *i)
{
    const struct engine_ops *ops = f.kv->engine->ops;
    ops->iter_seek(i, bytes_of_str("r"));
    for (uint32_t n = 0; n < change_count; n++) {
        struct kv_change change;
        uint64_t revision;
        uint32_t sub;
        if (changes[n].revision < model.compacted) continue;
        CHECK(ops->iter_valid(i));
        CHECK(kv_key_rev_decode(ops->iter_key(i), &revision, &sub));
        CHECK_EQ(revision, changes[n].revision);
        CHECK_EQ(sub, changes[n].sub);
        CHECK_EQ(kv_change_decode(ops->iter_value(i), &change), 0);
        CHECK_EQ(change.mark, changes[n].put ? KV_CHANGE_PUT : KV_CHANGE_DELETE);
        CHECK_EQ(change.prev_mod_revision, changes[n].superseded_mod);
        CHECK(bytes_equal(change.key, key_at(changes[n].key)));
        ops->iter_next(i);
    }
    CHECK(!ops->iter_valid(i));
}

/* The history by key, then by revision: its keys in the engine have that order. */
static void check_history(struct engine_iter *i)
{
    const struct engine_ops *ops = f.kv->engine->ops;
    struct buf key;
    buf_init(&key, &f.alloc.face, 100);
    ops->iter_seek(i, bytes_of_str("h"));
    for (uint32_t k = 0; k < KEY_COUNT; k++) {
        for (uint32_t n = 0; n < change_count; n++) {
            const struct model_change *c = &changes[n];
            struct kv_old_record old;
            uint64_t mod_revision;
            if (c->key != k || c->superseded_mod == 0 || c->revision <= model.compacted) continue;
            CHECK(ops->iter_valid(i));
            CHECK(kv_key_history_decode(ops->iter_key(i), &key, &mod_revision));
            CHECK(bytes_equal(buf_bytes(&key), key_at(k)));
            CHECK_EQ(mod_revision, c->superseded_mod);
            CHECK_EQ(kv_old_record_decode(ops->iter_value(i), &old), 0);
            CHECK_EQ(old.superseded_revision, c->revision);
            CHECK_EQ(old.record.create_revision, c->superseded.create_revision);
            CHECK_EQ(old.record.version, c->superseded.version);
            CHECK(bytes_equal(old.record.value, c->superseded.value));
            ops->iter_next(i);
        }
    }
    CHECK(ops->iter_valid(i) && ops->iter_key(i).data[0] == 'm');
    buf_fini(&key);
}

static void check_all(void)
{
    struct engine_iter *i = f.kv->engine->ops->iter_open(f.kv->engine, NULL);
    check_changes(i);
    check_history(i);
    f.kv->engine->ops->iter_close(i);
}

static void check_result(const struct kv_result *got, const struct kv_result *wanted)
{
    CHECK_EQ(got->status, wanted->status);
    CHECK_EQ(got->succeeded, wanted->succeeded);
    CHECK_EQ(got->changed, wanted->changed);
    CHECK_EQ(got->deleted, wanted->deleted);
    CHECK_EQ(got->revision, wanted->revision);
}

static void one_job(void)
{
    struct kv_result wanted[8];
    uint32_t count = 1 + draw(8);
    for (uint32_t i = 0; i < count; i++) {
        if (draw(40) == 0) {
            uint8_t body[8];
            uint64_t revision = model.revision - draw(20) % model.revision;
            bytes_store_u64(body, revision);
            fixture_add(&f, ENTRY_COMPACT, NULL, bytes_of(body, 8));
            wanted[i] = (struct kv_result){ .revision = model.revision };
            if (revision <= model.compacted) wanted[i].status = MS_ECOMPACTED;
            if (revision > model.compacted) model.compacted = revision;
            continue;
        }
        struct txn *t = draw_txn(draw(5));
        fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&t->encoded));
        wanted[i] = model_apply(t);
        free_txns();
    }
    CHECK_EQ(fixture_run(&f), 0);
    for (uint32_t i = 0; i < count; i++) check_result(&f.results[i], &wanted[i]);
}

TEST(kv_txn, does_what_the_model_does)
{
    const char *seed = getenv("MS_SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : 4;
    fixture_init(&f);
    model.revision = 1;
    uint32_t refused = 0;
    for (uint32_t round = 0; round < 1500; round++) {
        one_job();
        refused += f.results[0].status < 0;
        fixture_check_digest(&f);
        check_keys();
        if (round % 50 == 0) check_all();
    }
    check_all();
    CHECK(refused > 50 && refused < 1200); /* both are tried */
    fixture_fini(&f);
}

/* ---- Cases that deserve a name. */
static struct kv_result apply_ops(const struct kv_compare *c, uint32_t compare_count,
                                  const struct kv_op *ops, uint32_t count)
{
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, c, compare_count, ops, count, NULL, 0), 0);
    struct kv_result r = fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    fixture_check_digest(&f);
    return r;
}

#define PUT(k)                                                                                         \
    {                                                                                                  \
        .kind = KV_OP_PUT, .key = bytes_of_str(k), .value = bytes_of_str("v")                          \
    }
#define DELETE(k, end)                                                                                 \
    {                                                                                                  \
        .kind = KV_OP_DELETE, .key = bytes_of_str(k), .range_end = bytes_of_str(end)                   \
    }

TEST(kv_txn, a_key_is_written_once)
{
    fixture_init(&f);
    fixture_put(&f, "b", "1");
    struct kv_op twice[] = { PUT("a"), PUT("c"), PUT("a") };
    CHECK_EQ(apply_ops(NULL, 0, twice, 3).status, MS_EDUPKEY);
    struct kv_op inside[] = { DELETE("a", "c"), PUT("b") };
    CHECK_EQ(apply_ops(NULL, 0, inside, 2).status, MS_EDUPKEY);
    struct kv_op beside[] = { DELETE("a", "c"), PUT("c") };
    struct kv_result r = apply_ops(NULL, 0, beside, 2);
    CHECK_EQ(r.status, 0);
    CHECK_EQ(r.deleted, 1);
    CHECK_EQ(r.revision, 3); /* one revision for all */
    struct kv_op from[] = {
        { .kind = KV_OP_DELETE, .key = bytes_of_str("b"), .range_end = bytes_of("", 1) }, PUT("zz")
    };
    CHECK_EQ(apply_ops(NULL, 0, from, 2).status, MS_EDUPKEY);
    struct kv_op leased[] = { PUT("x"), PUT("y") };
    leased[1].lease = 1;
    CHECK_EQ(apply_ops(NULL, 0, leased, 2).status, MS_ENOLEASE);
    CHECK(fixture_has(&f, "x", NULL));

    /* Many puts of one key in branches that exclude each other, and one that does not. */
    struct buf nested[5];
    struct kv_op op = PUT("n");
    for (uint32_t depth = 0; depth < 5; depth++) {
        buf_init(&nested[depth], &f.alloc.face, MS_TXN_BYTES_MAX);
        CHECK_EQ(kv_cmd_encode(&nested[depth], NULL, 0, &op, 1, &op, 1), 0);
        op = (struct kv_op){ .kind = KV_OP_TXN, .txn = buf_bytes(&nested[depth]) };
    }
    CHECK_EQ(fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&nested[4])).status, 0);
    CHECK(fixture_has(&f, "n", "v"));
    struct buf both;
    buf_init(&both, &f.alloc.face, MS_TXN_BYTES_MAX);
    struct kv_op pair[] = { { .kind = KV_OP_TXN, .txn = buf_bytes(&nested[3]) }, PUT("n") };
    CHECK_EQ(kv_cmd_encode(&both, NULL, 0, pair, 2, NULL, 0), 0);
    CHECK_EQ(fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&both)).status, MS_EDUPKEY);
    buf_fini(&both);
    for (uint32_t depth = 0; depth < 5; depth++) buf_fini(&nested[depth]);
    fixture_fini(&f);
}

TEST(kv_txn, ranges_larger_than_a_batch)
{
    char key[16];
    fixture_init(&f);
    for (int i = 0; i < 700; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        fixture_put(&f, key, "v");
    }
    struct kv_compare all = { .target = KV_CMP_VALUE,
                              .key = bytes_of_str("k"),
                              .range_end = bytes_of_str("l"),
                              .value = bytes_of_str("v") };
    struct kv_op drop[] = { DELETE("k1", "k7") };
    struct kv_op half[] = { PUT("z") };
    fixture_put(&f, "k699", "other");
    CHECK(!apply_ops(&all, 1, half, 1).succeeded);
    fixture_put(&f, "k699", "v");
    CHECK(apply_ops(&all, 1, half, 1).succeeded);
    CHECK_EQ(apply_ops(NULL, 0, drop, 1).deleted, 600);
    CHECK(fixture_has(&f, "k099", "v"));
    CHECK(fixture_has(&f, "k100", NULL));
    CHECK_EQ(f.info.key_count, 101);
    /* Not committed yet: put, then deleted, in one job. */
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "k%03d", 60 + i);
        buf_clear(&command);
        CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str(key), bytes_of_str("v")), 0);
        fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    }
    struct kv_op rest = { .kind = KV_OP_DELETE, .key = bytes_of("", 1), .range_end = bytes_of("", 1) };
    buf_clear(&command);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, &rest, 1, NULL, 0), 0);
    fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    CHECK_EQ(fixture_run(&f), 0);
    CHECK_EQ(f.results[50].deleted, 111);
    CHECK_EQ(f.results[51].deleted, 0);
    CHECK(!f.results[51].changed);
    fixture_check_digest(&f);
    CHECK_EQ(f.info.key_count, 0);
    buf_fini(&command);
    fixture_fini(&f);
}
