#include "tests/support/kv_model/kv_model.h"

#include <stdlib.h>

#include "base/ms_err.h"
#include "tests/support/test.h"

#define KEY(text)                                                                                      \
    {                                                                                                  \
        .data = (const uint8_t *)(text), .len = sizeof(text) - 1                                       \
    }
/* NULs, prefixes of others, and what stands last: their order has to be kept in the history. */
const struct bytes model_keys[MODEL_KEYS] = {
    KEY("\0"),   KEY("\0\0"),  KEY("\0\1"),     KEY("\0\xff"),   KEY("\1"),      KEY("a"),
    KEY("a\0"),  KEY("a\0\0"), KEY("a\0\1"),    KEY("a\0\1\1"),  KEY("a\0\xff"), KEY("a\0\xff\xff"),
    KEY("a\1"),  KEY("aa"),    KEY("aaa"),      KEY("ab"),       KEY("b"),       KEY("b\0"),
    KEY("b/"),   KEY("b/1"),   KEY("b/2"),      KEY("b/3"),      KEY("b0"),      KEY("c"),
    KEY("d0"),   KEY("d1"),    KEY("d2"),       KEY("d3"),       KEY("d4"),      KEY("d5"),
    KEY("d6"),   KEY("d7"),    KEY("d8"),       KEY("d9"),       KEY("e"),       KEY("\xc3\xa9"),
    KEY("\xfe"), KEY("\xff"),  KEY("\xff\xfe"), KEY("\xff\xff"),
};

void model_init(struct model *m)
{
    *m = (struct model){ .revision = 1 };
}

void model_fini(struct model *m)
{
    for (uint32_t k = 0; k < MODEL_KEYS; k++) free(m->keys[k].versions);
    free(m->items);
}

static bool in_range(struct bytes key, struct bytes from, struct bytes end)
{
    if (end.len == 0) return bytes_equal(key, from);
    if (bytes_compare(key, from) < 0) return false;
    if (end.len == 1 && end.data[0] == 0) return true;
    return bytes_compare(key, end) < 0;
}

const struct model_version *model_at(const struct model *m, uint32_t key, uint64_t revision)
{
    for (uint32_t i = m->keys[key].count; i > 0; i--) {
        const struct model_version *v = &m->keys[key].versions[i - 1];
        if (v->mod > revision) continue;
        return v->superseded == 0 || v->superseded > revision ? v : NULL;
    }
    return NULL;
}

static void put_item(struct model *m, struct kv_answer_item item)
{
    if (m->item_count == m->item_cap) {
        m->item_cap = 2 * m->item_cap + 64;
        m->items = realloc(m->items, m->item_cap * sizeof *m->items);
        CHECK(m->items != NULL);
    }
    m->items[m->item_count++] = item;
}

static struct kv_answer_item record_of(uint32_t key, const struct model_version *v)
{
    return (struct kv_answer_item){ .kind = KV_ANSWER_RECORD,
                                    .create_revision = v->create,
                                    .mod_revision = v->mod,
                                    .version = v->version,
                                    .key = model_keys[key],
                                    .value = v->value };
}

/* ---- Ranges. */
static int by_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_by(const struct kv_op *op, const struct kv_answer_item *a,
                      const struct kv_answer_item *b)
{
    int by = 0;
    if (op->sort_target == KV_SORT_KEY) by = bytes_compare(a->key, b->key);
    if (op->sort_target == KV_SORT_VERSION) by = by_number(a->version, b->version);
    if (op->sort_target == KV_SORT_CREATE) by = by_number(a->create_revision, b->create_revision);
    if (op->sort_target == KV_SORT_MOD) by = by_number(a->mod_revision, b->mod_revision);
    if (op->sort_target == KV_SORT_VALUE) by = bytes_compare(a->value, b->value);
    if (op->sort_order == KV_SORT_DESCEND) by = -by;
    return by ? by : bytes_compare(a->key, b->key);
}

static bool filtered(const struct kv_op *op, const struct model_version *v)
{
    if (op->mod_min && v->mod < op->mod_min) return true;
    if (op->mod_max && v->mod > op->mod_max) return true;
    if (op->create_min && v->create < op->create_min) return true;
    return op->create_max && v->create > op->create_max;
}

/* Records sorted into items behind at, as they come. */
static void range_items(struct model *m, const struct kv_op *op)
{
    uint32_t at = m->item_count;
    uint64_t revision = op->revision ? op->revision : MODEL_NOW, count = 0, flags = 0;
    for (uint32_t k = 0; k < MODEL_KEYS; k++) {
        const struct model_version *v = model_at(m, k, revision);
        if (!v || !in_range(model_keys[k], op->key, op->range_end)) continue;
        count++;
        if (filtered(op, v) || (op->flags & KV_COUNT_ONLY)) continue;
        put_item(m, record_of(k, v));
        for (uint32_t i = m->item_count - 1; i > at; i--) {
            if (compare_by(op, &m->items[i - 1], &m->items[i]) <= 0) break;
            struct kv_answer_item swapped = m->items[i];
            m->items[i] = m->items[i - 1];
            m->items[i - 1] = swapped;
        }
    }
    if (op->limit && m->item_count - at > op->limit) {
        m->item_count = at + (uint32_t)op->limit;
        flags = KV_ANSWER_MORE;
    }
    for (uint32_t i = at; (op->flags & KV_KEYS_ONLY) && i < m->item_count; i++)
        m->items[i].value.len = 0;
    put_item(
        m, (struct kv_answer_item){ .kind = KV_ANSWER_END, .flags = (uint32_t)flags, .count = count });
}

static void range_answer(struct model *m, const struct kv_op *op, uint64_t revision)
{
    put_item(m, (struct kv_answer_item){ .kind = KV_ANSWER_BEGIN,
                                         .op = KV_OP_RANGE,
                                         .flags = op->flags & KV_KEYS_ONLY ? KV_ANSWER_KEYS_ONLY : 0,
                                         .revision = revision });
    range_items(m, op);
}

static int range_status(const struct model *m, const struct kv_op *op)
{
    if (op->revision > m->revision) return MS_EFUTURE;
    return op->revision > 0 && op->revision < m->compacted ? MS_ECOMPACTED : 0;
}

int model_range(struct model *m, const struct kv_op *op)
{
    int rv = range_status(m, op);
    if (rv == 0) range_answer(m, op, m->revision);
    return rv;
}

int model_compact(struct model *m, uint64_t revision)
{
    if (revision > m->revision) return MS_EFUTURE;
    if (revision <= m->compacted) return MS_ECOMPACTED;
    m->compacted = revision;
    return 0;
}

/* ---- Transactions. */
static bool compare_one(const struct kv_compare *c, const struct model_version *v)
{
    int order = 0;
    uint64_t number = 0;
    if (c->target == KV_CMP_VALUE && !v) return false;
    if (v && c->target == KV_CMP_VERSION) number = v->version;
    if (v && c->target == KV_CMP_CREATE) number = v->create;
    if (v && c->target == KV_CMP_MOD) number = v->mod;
    if (c->target == KV_CMP_VALUE)
        order = bytes_compare(v->value, c->value);
    else
        order = by_number(number, c->number);
    if (c->result == KV_CMP_EQUAL) return order == 0;
    if (c->result == KV_CMP_NOT_EQUAL) return order != 0;
    return c->result == KV_CMP_GREATER ? order > 0 : order < 0;
}

static bool compare(const struct model *m, const struct kv_compare *c)
{
    bool any = false, all = true;
    for (uint32_t k = 0; k < MODEL_KEYS; k++) {
        const struct model_version *v = model_at(m, k, MODEL_NOW);
        if (!v || !in_range(model_keys[k], c->key, c->range_end)) continue;
        any = true;
        all = all && compare_one(c, v);
    }
    return any ? all : compare_one(c, NULL);
}

static bool is_present(const struct model *m, struct bytes key)
{
    for (uint32_t k = 0; k < MODEL_KEYS; k++) {
        if (bytes_equal(model_keys[k], key)) return model_at(m, k, MODEL_NOW) != NULL;
    }
    return false;
}

/* All compares before anything runs; and the first reason why what would run cannot. */
static int plan(struct model *m, struct model_txn *t)
{
    t->outcome = true;
    for (uint32_t i = 0; i < t->compare_count; i++)
        t->outcome = t->outcome && compare(m, &t->compares[i]);
    int branch = t->outcome ? 0 : 1, rv = 0;
    for (uint32_t i = 0; i < t->op_count[branch] && rv == 0; i++) {
        const struct kv_op *op = &t->ops[branch][i];
        bool keeps = op->flags & (KV_IGNORE_VALUE | KV_IGNORE_LEASE);
        if (op->kind == KV_OP_TXN) rv = plan(m, t->nested[branch][i]);
        if (op->kind == KV_OP_RANGE) rv = range_status(m, op);
        if (op->kind == KV_OP_PUT && op->lease != 0) rv = MS_ENOLEASE;
        if (rv == 0 && op->kind == KV_OP_PUT && keeps && !is_present(m, op->key)) rv = MS_ENOTFOUND;
    }
    return rv;
}

static bool writes_collide(const struct kv_op *x, const struct kv_op *y)
{
    if (x->kind == KV_OP_PUT && y->kind == KV_OP_PUT) return bytes_equal(x->key, y->key);
    if (x->kind == KV_OP_PUT && y->kind == KV_OP_DELETE) return in_range(x->key, y->key, y->range_end);
    if (x->kind == KV_OP_DELETE && y->kind == KV_OP_PUT) return in_range(y->key, x->key, x->range_end);
    return false;
}

/* Whether op, or one in it, collides with what stands at [branch][i] of t, or in it. */
static bool ops_collide(const struct kv_op *op, const struct model_txn *inside,
                        const struct model_txn *t, int branch, uint32_t i)
{
    const struct model_txn *other = t->nested[branch][i];
    for (int b = 0; inside && b < 2; b++) {
        for (uint32_t n = 0; n < inside->op_count[b]; n++) {
            if (ops_collide(&inside->ops[b][n], inside->nested[b][n], t, branch, i)) return true;
        }
    }
    for (int b = 0; other && b < 2; b++) {
        for (uint32_t n = 0; n < other->op_count[b]; n++) {
            if (ops_collide(op, inside, other, b, n)) return true;
        }
    }
    return writes_collide(op, &t->ops[branch][i]);
}

static bool collides(const struct model_txn *t)
{
    for (int branch = 0; branch < 2; branch++) {
        for (uint32_t i = 0; i < t->op_count[branch]; i++) {
            const struct model_txn *inside = t->nested[branch][i];
            if (inside && collides(inside)) return true;
            for (uint32_t j = 0; j < i; j++) {
                if (ops_collide(&t->ops[branch][i], inside, t, branch, j)) return true;
            }
        }
    }
    return false;
}

static void change(struct model *m, uint32_t key, uint64_t revision, const struct kv_op *put)
{
    struct model_version *old = (struct model_version *)(uintptr_t)model_at(m, key, MODEL_NOW);
    struct model_version next = { .create = revision, .mod = revision, .version = 1 };
    if (old) {
        old->superseded = revision;
        next.create = old->create;
        next.version = old->version + 1;
        next.value = old->value;
    }
    if (!put) return;
    if (!(put->flags & KV_IGNORE_VALUE)) next.value = put->value;
    if (m->keys[key].count == m->keys[key].cap) {
        m->keys[key].cap = 2 * m->keys[key].cap + 16;
        m->keys[key].versions =
            realloc(m->keys[key].versions, m->keys[key].cap * sizeof *m->keys[key].versions);
        CHECK(m->keys[key].versions != NULL);
    }
    m->keys[key].versions[m->keys[key].count++] = next;
}

struct running {
    uint64_t revision, changes, deleted;
};

/* The writes of one operation, with what they replace. How many keys were touched. */
static uint64_t write_keys(struct model *m, const struct kv_op *op, struct running *r)
{
    uint64_t count = 0;
    for (uint32_t k = 0; k < MODEL_KEYS; k++) {
        const struct model_version *old = model_at(m, k, MODEL_NOW);
        bool put = op->kind == KV_OP_PUT;
        if (put ? !bytes_equal(model_keys[k], op->key)
                : !old || !in_range(model_keys[k], op->key, op->range_end))
            continue;
        if (old && (op->flags & KV_PREV_KV)) put_item(m, record_of(k, old));
        change(m, k, r->revision, put ? op : NULL);
        count++;
    }
    r->changes += count;
    if (op->kind == KV_OP_DELETE) r->deleted += count;
    return count;
}

static void run(struct model *m, const struct model_txn *t, struct running *r);

static void run_op(struct model *m, const struct kv_op *op, const struct model_txn *nested,
                   struct running *r)
{
    uint32_t at = m->item_count;
    uint64_t count = 0;
    if (nested) {
        run(m, nested, r);
        return;
    }
    if (op->kind == KV_OP_RANGE) {
        range_answer(m, op, r->revision - (r->changes == 0));
        return;
    }
    put_item(m, (struct kv_answer_item){ .kind = KV_ANSWER_BEGIN, .op = op->kind });
    count = write_keys(m, op, r);
    m->items[at].revision = r->revision - (r->changes == 0);
    put_item(m, (struct kv_answer_item){ .kind = KV_ANSWER_END,
                                         .count = op->kind == KV_OP_PUT ? 0 : count });
}

static void run(struct model *m, const struct model_txn *t, struct running *r)
{
    int branch = t->outcome ? 0 : 1;
    uint32_t at = m->item_count;
    put_item(m, (struct kv_answer_item){ .kind = KV_ANSWER_BEGIN,
                                         .op = KV_OP_TXN,
                                         .flags = t->outcome ? KV_ANSWER_SUCCEEDED : 0 });
    for (uint32_t i = 0; i < t->op_count[branch]; i++) {
        run_op(m, &t->ops[branch][i], t->nested[branch][i], r);
    }
    m->items[at].revision = r->revision - (r->changes == 0);
    put_item(m, (struct kv_answer_item){ .kind = KV_ANSWER_END, .count = t->op_count[branch] });
}

struct kv_result model_apply(struct model *m, struct model_txn *t, bool asked)
{
    struct running r = { .revision = m->revision + 1 };
    uint32_t at = m->item_count;
    int rv = collides(t) ? MS_EDUPKEY : plan(m, t);
    if (rv < 0) return (struct kv_result){ .status = rv, .revision = m->revision };
    run(m, t, &r);
    if (!asked) m->item_count = at;
    if (r.changes > 0) m->revision++;
    return (struct kv_result){
        .succeeded = t->outcome, .changed = r.changes > 0, .deleted = r.deleted, .revision = m->revision
    };
}
