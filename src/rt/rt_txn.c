/* rt_txn.c: transactions of the library. On the caller's thread what it has written down becomes a command
 * (kv/kv_cmd.h), transactions inside first; on the loop's what came of it becomes results, all in one block. */
#include <stdlib.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_answer.h"
#include "rt/rt_alloc.h"
#include "rt/rt_private.h"

/* ---- the callers' threads: the command ---- */

/* What is left to a transaction, those inside included: a caller may have one inside of many. */
struct budget {
    size_t compares, ops;
    uint32_t depth;
};

/* One transaction as it is encoded. extras: for each compare, then each operation, what its spans point to beside
 * the caller's own bytes. */
struct level {
    struct kv_compare *compares;
    struct kv_op *ops;
    struct buf *extras;
    size_t compare_count, op_count;
};

static int encode(const struct ms_member *m, const struct ms_transaction *t, struct budget *left,
                  struct buf *out);

static void level_fini(struct level *l)
{
    for (size_t i = 0; l->extras && i < l->compare_count + l->op_count; i++) buf_fini(&l->extras[i]);
    free(l->compares);
    free(l->ops);
    free(l->extras);
}

static int level_init(struct level *l, size_t compare_count, size_t op_count)
{
    size_t extras = compare_count + op_count;
    *l = (struct level){ .compare_count = compare_count, .op_count = op_count };
    l->compares = calloc(compare_count + 1, sizeof *l->compares);
    l->ops = calloc(op_count + 1, sizeof *l->ops);
    l->extras = calloc(extras + 1, sizeof *l->extras);
    if (!l->compares || !l->ops || !l->extras) return MS_ENOMEM;
    for (size_t i = 0; i < extras; i++) buf_init(&l->extras[i], rt_alloc_heap(), MS_TXN_BYTES_MAX);
    return 0;
}

static int compare_make(const struct ms_compare *from, struct buf *extra, struct kv_compare *to)
{
    if (from->target < MS_COMPARE_VERSION || from->target > MS_COMPARE_LEASE) return MS_EINVAL;
    if (from->order < MS_COMPARE_EQUAL || from->order > MS_COMPARE_NOT_EQUAL) return MS_EINVAL;
    to->target = (enum kv_compare_target)(KV_CMP_VERSION + (from->target - MS_COMPARE_VERSION));
    to->result = (enum kv_compare_result)(KV_CMP_EQUAL + (from->order - MS_COMPARE_EQUAL));
    to->number = from->number;
    to->value = bytes_of(from->value.data, from->value.len);
    return rt_keys_make(extra, from->key, from->range_end, from->prefix, &to->key, &to->range_end);
}

static int put_make(const struct ms_member *m, const struct ms_op *from, struct kv_op *op)
{
    if (from->key.len == 0 || from->range_end.len > 0 || from->prefix) return MS_EINVAL;
    if (from->lease > MS_LEASE_ID_MAX) return MS_EINVAL;
    if (from->key.len > m->setup.options.key_bytes_max) return MS_ETOOBIG;
    if (from->value.len > m->setup.options.value_bytes_max) return MS_ETOOBIG;
    if (from->ignore_value) op->flags |= KV_IGNORE_VALUE;
    if (from->ignore_lease) op->flags |= KV_IGNORE_LEASE;
    op->key = bytes_of(from->key.data, from->key.len);
    op->value = bytes_of(from->value.data, from->value.len);
    op->lease = from->lease;
    return 0;
}

static int range_make(const struct ms_range_options *from, struct buf *extra, struct kv_op *op)
{
    int rv = from ? rt_range_op(from, op) : MS_EINVAL;
    if (rv < 0) return rv;
    return rt_keys_make(extra, from->key, from->range_end, from->prefix, &op->key, &op->range_end);
}

static int nested_make(const struct ms_member *m, const struct ms_transaction *from,
                       struct budget *left, struct buf *extra, struct kv_op *op)
{
    int rv = from ? encode(m, from, left, extra) : MS_EINVAL;
    op->txn = buf_bytes(extra);
    return rv;
}

static int op_make(const struct ms_member *m, const struct ms_op *from, struct budget *left,
                   struct buf *extra, struct kv_op *op)
{
    bool writes = from->kind == MS_OP_PUT || from->kind == MS_OP_DELETE;
    if (from->prev_kv && !writes) return MS_EINVAL;
    *op = (struct kv_op){ .flags = from->prev_kv ? (uint32_t)KV_PREV_KV : 0u };
    switch (from->kind) {
    case MS_OP_PUT: op->kind = KV_OP_PUT; return put_make(m, from, op);
    case MS_OP_DELETE:
        op->kind = KV_OP_DELETE;
        return rt_keys_make(extra, from->key, from->range_end, from->prefix, &op->key, &op->range_end);
    case MS_OP_RANGE: op->kind = KV_OP_RANGE; return range_make(from->range, extra, op);
    case MS_OP_TXN: op->kind = KV_OP_TXN; return nested_make(m, from->txn, left, extra, op);
    }
    return MS_EINVAL;
}

static int level_fill(const struct ms_member *m, const struct ms_transaction *t, struct budget *left,
                      struct level *l)
{
    struct buf *extra = l->extras;
    for (size_t i = 0; i < l->compare_count; i++) {
        int rv = compare_make(&t->compares[i], extra++, &l->compares[i]);
        if (rv < 0) return rv;
    }
    for (size_t i = 0; i < l->op_count; i++) {
        const struct ms_op *from =
            i < t->then_count ? &t->then_ops[i] : &t->else_ops[i - t->then_count];
        int rv = op_make(m, from, left, extra++, &l->ops[i]);
        if (rv < 0) return rv;
    }
    return 0;
}

/* Within the budget, and no more is taken from it than there is. */
static bool take_budget(struct budget *left, const struct ms_transaction *t)
{
    if (left->depth == 0 || t->compare_count > left->compares) return false;
    if (t->then_count > left->ops || t->else_count > left->ops - t->then_count) return false;
    left->compares -= t->compare_count;
    left->ops -= t->then_count + t->else_count;
    return true;
}

/* Recursion ends by left->depth. */
static int encode(const struct ms_member *m, const struct ms_transaction *t, struct budget *left,
                  struct buf *out)
{
    struct level l;
    if (!take_budget(left, t)) return MS_ETOOBIG;
    left->depth--;
    int rv = level_init(&l, t->compare_count, t->then_count + t->else_count);
    if (rv == 0) rv = level_fill(m, t, left, &l);
    if (rv == 0)
        rv = kv_cmd_encode(out, l.compares, (uint32_t)t->compare_count, l.ops, (uint32_t)t->then_count,
                           l.ops + t->then_count, (uint32_t)t->else_count);
    level_fini(&l);
    left->depth++;
    return rv;
}

static int request_make(const struct ms_member *m, const struct ms_transaction *t,
                        struct rt_request **out)
{
    struct budget left = { .compares = MS_TXN_OPS_MAX,
                           .ops = MS_TXN_OPS_MAX,
                           .depth = KV_CMD_DEPTH_MAX + 1u };
    struct rt_request *r = rt_request_create(RT_REQUEST_ASKING);
    if (!r) return MS_ENOMEM;
    int rv = encode(m, t, &left, &r->input);
    if (rv == 0 && r->input.len > m->setup.options.request_bytes_max) rv = MS_ETOOBIG;
    if (rv < 0) {
        rt_request_free(r);
        return rv;
    }
    *out = r;
    return 0;
}

/* ---- loop thread: the results ---- */

#define ANSWERS_MAX (MS_TXN_OPS_MAX + 1u) /* of the transaction, and of all that can run in it */

/* The operations of an answer, numbered in the order in which they begin; 0 is the transaction. The results of those
 * inside one stand side by side, in a list of all: */
struct layout {
    struct kv_answer_reader in;
    uint16_t first[ANSWERS_MAX], count[ANSWERS_MAX]; /* by number */
    uint16_t open[KV_ANSWER_DEPTH_MAX];              /* numbers of what has begun and not ended */
    uint32_t begun;
    size_t kv_count, bytes;
};

static void layout_begin(struct layout *l, struct bytes items)
{
    kv_answer_reader_init(&l->in);
    kv_answer_reader_feed(&l->in, items);
    l->begun = 0;
}

/* The next item. BEGIN: open[depth - 1] is its number. */
static bool layout_next(struct layout *l, struct kv_answer_item *item)
{
    if (kv_answer_next(&l->in, item) < 0) return false;
    if (item->kind == KV_ANSWER_BEGIN) {
        MS_ASSERT(l->begun < ANSWERS_MAX);
        l->open[l->in.depth - 1] = (uint16_t)l->begun++;
    }
    return true;
}

static void layout_measure(struct layout *l, struct bytes items)
{
    struct kv_answer_item item;
    uint32_t at = 0;
    *l = (struct layout){ 0 };
    layout_begin(l, items);
    while (layout_next(l, &item)) {
        if (item.kind == KV_ANSWER_BEGIN && l->in.depth > 1) l->count[l->open[l->in.depth - 2]]++;
        if (item.kind != KV_ANSWER_RECORD) continue;
        l->kv_count++;
        l->bytes += item.key.len + item.value.len;
    }
    MS_ASSERT(l->in.done);
    for (uint32_t i = 0; i < l->begun; i++) {
        l->first[i] = (uint16_t)at;
        at += l->count[i];
    }
}

static enum ms_op_kind kind_of(enum kv_op_kind op)
{
    switch (op) {
    case KV_OP_PUT: return MS_OP_PUT;
    case KV_OP_DELETE: return MS_OP_DELETE;
    case KV_OP_RANGE: return MS_OP_RANGE;
    case KV_OP_TXN: break;
    }
    return MS_OP_TXN;
}

/* An operation inside another one has begun: its result. */
static void result_begin(struct layout *l, struct ms_op_result *all, const struct kv_answer_item *item,
                         struct ms_op_result **open)
{
    uint16_t above = l->open[l->in.depth - 2], number = l->open[l->in.depth - 1];
    struct ms_op_result *r = &all[l->first[above]++];
    *r = (struct ms_op_result){ .kind = kind_of(item->op),
                                .revision = item->revision,
                                .succeeded = item->flags & KV_ANSWER_SUCCEEDED };
    if (r->kind == MS_OP_TXN) {
        r->results = &all[l->first[number]]; /* nothing inside it has begun yet */
        r->result_count = l->count[number];
    }
    *open = r;
}

static void results_fill(struct layout *l, struct bytes items, struct ms_op_result *all)
{
    struct ms_op_result *open[KV_ANSWER_DEPTH_MAX] = { 0 };
    struct ms_kv *kv = (struct ms_kv *)(all + l->begun - 1);
    uint8_t *to = (uint8_t *)(kv + l->kv_count);
    struct kv_answer_item item;
    layout_begin(l, items);
    while (layout_next(l, &item)) {
        /* Of the outermost one only the caller's struct knows. An END has left its depth already. */
        uint32_t depth = item.kind == KV_ANSWER_END ? l->in.depth : l->in.depth - 1;
        if (depth == 0) continue;
        if (item.kind == KV_ANSWER_BEGIN) result_begin(l, all, &item, &open[depth]);
        struct ms_op_result *r = open[depth];
        if (item.kind == KV_ANSWER_RECORD) {
            if (r->kv_count++ == 0) r->kvs = kv;
            *kv++ = rt_kv_make(&item, &to);
        }
        if (item.kind == KV_ANSWER_END && r->kind != MS_OP_TXN) r->count = item.count;
        if (item.kind == KV_ANSWER_END) r->more = item.flags & KV_ANSWER_MORE;
    }
}

void rt_txn_take(struct rt_request *r, const struct node_answer *answer)
{
    struct ms_txn_result *out = &r->txn;
    struct layout l;
    *out = (struct ms_txn_result){ .succeeded = answer->result.succeeded,
                                   .revision = answer->revision,
                                   .compacted_revision = answer->compacted_revision };
    if (answer->status < 0) return;
    out->untold = answer->items_status < 0;
    if (out->untold) return;
    layout_measure(&l, answer->items);
    out->results =
        malloc((l.begun - 1) * sizeof *out->results + l.kv_count * sizeof(struct ms_kv) + l.bytes + 1);
    out->untold = !out->results; /* it is done all the same */
    if (out->untold) return;
    out->result_count = l.count[0];
    results_fill(&l, answer->items, out->results);
}

/* ---- the callers' threads ---- */

int ms_txn(struct ms_member *member, const struct ms_transaction *txn, ms_txn_cb cb, void *arg)
{
    struct rt_request *r;
    int rv = request_make(member, txn, &r);
    if (rv < 0) return rv;
    r->txn_cb = cb;
    r->arg = arg;
    return rt_request_submit(member, r);
}

int ms_txn_wait(struct ms_member *member, const struct ms_transaction *txn, struct ms_txn_result *out)
{
    struct rt_request *r;
    *out = (struct ms_txn_result){ 0 };
    int rv = request_make(member, txn, &r);
    if (rv == 0) rv = rt_request_wait(member, r);
    if (rv < 0) return rv;
    rv = r->status;
    *out = r->txn;
    r->txn.results = NULL; /* the caller's, for ms_txn_free() */
    rt_request_free(r);
    return rv;
}

void ms_txn_free(struct ms_txn_result *result)
{
    free(result->results);
    *result = (struct ms_txn_result){ 0 };
}
