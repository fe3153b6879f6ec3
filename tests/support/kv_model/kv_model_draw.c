#include "tests/support/kv_model/kv_model.h"
#include "tests/support/test.h"

static const char *const short_values[] = { "", "0", "1", "22", "333" };
static uint8_t long_value[40000];

uint32_t model_draw(struct model_draw *d, uint32_t below)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(d->state >> 33) % below;
}

static struct bytes draw_key(struct model_draw *d)
{
    return model_keys[model_draw(d, MODEL_KEYS)];
}

static struct bytes draw_value(struct model_draw *d)
{
    /* So long that some ranges need several slices. */
    if (model_draw(d, 12) == 0) return bytes_of(long_value, sizeof long_value - model_draw(d, 3));
    return bytes_of_str(short_values[model_draw(d, 5)]);
}

static struct bytes draw_range_end(struct model_draw *d)
{
    static const uint8_t ends[][2] = { "b", "c", "e", { 0xff, 0xff } };
    switch (model_draw(d, 8)) {
    case 0: return bytes_of("\0", 1);
    case 1:
    case 2: return draw_key(d); /* also one that is not above the key */
    case 3: return bytes_of(ends[model_draw(d, 3)], 1);
    }
    return bytes_of(NULL, 0);
}

static uint64_t draw_revision(struct model_draw *d, const struct model *m)
{
    uint64_t from = m->compacted > 2 ? m->compacted - 2 : 0;
    if (model_draw(d, 3) == 0) return m->revision - model_draw(d, m->revision > 40 ? 40 : 1);
    return from + model_draw(d, (uint32_t)(m->revision - from) + 3);
}

static uint64_t draw_bound(struct model_draw *d, const struct model *m)
{
    return model_draw(d, 8) ? 0 : m->revision - model_draw(d, m->revision > 100 ? 100 : 1);
}

void model_draw_range(struct model_draw *d, const struct model *m, struct kv_op *op)
{
    *op = (struct kv_op){ .kind = KV_OP_RANGE, .key = draw_key(d), .range_end = draw_range_end(d) };
    if (model_draw(d, 4) == 0) op->key = op->range_end = bytes_of("\0", 1);
    if (model_draw(d, 2)) op->limit = model_draw(d, 12);
    if (model_draw(d, 2)) op->revision = draw_revision(d, m);
    op->sort_order = (enum kv_sort_order)model_draw(d, 3);
    if (model_draw(d, 2)) op->sort_target = (enum kv_sort_target)model_draw(d, 5);
    if (model_draw(d, 4) == 0) op->flags |= KV_KEYS_ONLY;
    if (model_draw(d, 6) == 0) op->flags |= KV_COUNT_ONLY;
    op->mod_min = draw_bound(d, m);
    op->mod_max = draw_bound(d, m);
    op->create_min = draw_bound(d, m);
    op->create_max = draw_bound(d, m);
}

static void draw_compare(struct model_draw *d, const struct model *m, struct kv_compare *c)
{
    *c = (struct kv_compare){ .target = (enum kv_compare_target)model_draw(d, 5),
                              .result = (enum kv_compare_result)model_draw(d, 4),
                              .key = draw_key(d),
                              .range_end = draw_range_end(d) };
    const struct model_version *v = model_at(m, model_draw(d, MODEL_KEYS), MODEL_NOW);
    if (c->target == KV_CMP_VALUE) c->value = draw_value(d);
    if (c->target == KV_CMP_VERSION) c->number = model_draw(d, 3);
    if (c->target == KV_CMP_CREATE || c->target == KV_CMP_MOD) {
        c->number = v && model_draw(d, 3) ? v->mod : model_draw(d, 2);
    }
}

static void draw_op(struct model_draw *d, const struct model *m, struct model_txn *t, int branch,
                    uint32_t i, uint32_t depth)
{
    struct kv_op *op = &t->ops[branch][i];
    uint32_t what = model_draw(d, 20);
    *op = (struct kv_op){ .kind = KV_OP_PUT, .key = draw_key(d) };
    t->nested[branch][i] = NULL;
    if (what < 3 && depth > 0 && d->txn_count < MODEL_TXNS_MAX) {
        t->nested[branch][i] = model_draw_txn(d, m, depth - 1);
        *op = (struct kv_op){ .kind = KV_OP_TXN, .txn = buf_bytes(&t->nested[branch][i]->encoded) };
    } else if (what < 8) {
        op->kind = KV_OP_DELETE;
        if (model_draw(d, 4) == 0) op->range_end = draw_range_end(d); /* else nothing would live long */
        if (model_draw(d, 2)) op->flags = KV_PREV_KV;
    } else if (what < 11) {
        model_draw_range(d, m, op);
        if (model_draw(d, 2)) op->revision = 0;
    } else if (what == 11) {
        op->flags = KV_IGNORE_VALUE | (model_draw(d, 2) ? KV_IGNORE_LEASE : 0);
    } else {
        op->value = draw_value(d);
        if (model_draw(d, 2)) op->flags = KV_PREV_KV;
        if (model_draw(d, 200) == 0) op->lease = 5; /* there is no such lease */
    }
}

struct model_txn *model_draw_txn(struct model_draw *d, const struct model *m, uint32_t depth)
{
    struct model_txn *t = &d->txns[d->txn_count++];
    t->compare_count = model_draw(d, 3);
    for (uint32_t i = 0; i < t->compare_count; i++) draw_compare(d, m, &t->compares[i]);
    for (int branch = 0; branch < 2; branch++) {
        t->op_count[branch] =
            model_draw(d, 3) ? model_draw(d, 2) + 1 : model_draw(d, MODEL_OPS_MAX + 1);
        for (uint32_t i = 0; i < t->op_count[branch]; i++) draw_op(d, m, t, branch, i, depth);
    }
    buf_init(&t->encoded, d->alloc, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&t->encoded, t->compares, t->compare_count, t->ops[0], t->op_count[0],
                           t->ops[1], t->op_count[1]),
             0);
    return t;
}

void model_draw_free(struct model_draw *d)
{
    for (uint32_t i = 0; i < d->txn_count; i++) buf_fini(&d->txns[i].encoded);
    d->txn_count = 0;
}
