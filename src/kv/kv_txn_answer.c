/* kv_txn_answer.c: what a transaction found, for the member that proposed it: made while it is applied,
 * since a range sees what operations before it have done, and what was replaced is at hand only then.
 *
 * Only that member makes it. So it reads and never writes, and where there is no memory for it, or it gets
 * too large, it is given up while the transaction goes on (S1). */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

void kv_txn_answer_init(struct kv_txn_answer *a, struct kv *kv, struct buf *out)
{
    *a = (struct kv_txn_answer){ .kv = kv, .out = out, .begin = out->len };
}

static void give_up(struct kv_txn_answer *a, int status)
{
    a->status = status;
    a->out->failed = false;
    a->out->len = a->begin;
}

static void append(struct kv_txn_answer *a, const struct kv_answer_item *item)
{
    if (a->status < 0) return;
    if (a->out->len - a->begin + kv_answer_item_bytes(item) > KV_ANSWER_BYTES_MAX) {
        give_up(a, MS_ETOOBIG);
        return;
    }
    kv_answer_append(a->out, item);
    if (a->out->failed) give_up(a, MS_ENOMEM);
}

/* What kept the answer from being made is its own affair; what says that the state is lost is not. */
static int judge(struct kv_txn_answer *a, int rv)
{
    if (rv >= 0) return 0;
    if (rv == MS_ECORRUPT || rv == MS_EVERSION || rv <= MS_EFATAL) return rv;
    give_up(a, rv == MS_ENOMEM ? rv : MS_ETOOBIG);
    return 0;
}

size_t kv_txn_answer_begin(struct kv_txn_answer *a, enum kv_op_kind op, uint32_t flags)
{
    struct kv_answer_item item = { .kind = KV_ANSWER_BEGIN, .op = op, .flags = flags };
    size_t at = a->out->len;
    append(a, &item);
    return at;
}

void kv_txn_answer_end(struct kv_txn_answer *a, size_t at, uint64_t revision, uint32_t flags,
                       uint64_t count)
{
    struct kv_answer_item item = { .kind = KV_ANSWER_END, .flags = flags, .count = count };
    append(a, &item);
    if (a->status == 0) kv_answer_patch(a->out, at, a->out->data[at + 2], revision);
}

int kv_txn_answer_prev(struct kv_txn_answer *a, struct bytes key)
{
    struct kv_record r;
    if (a->status < 0) return 0;
    int rv = kv_store_get(a->kv, key, &r);
    if (rv < 0) return rv == MS_ENOTFOUND ? 0 : judge(a, rv);
    struct kv_answer_item item = { .kind = KV_ANSWER_RECORD,
                                   .create_revision = r.create_revision,
                                   .mod_revision = r.mod_revision,
                                   .version = r.version,
                                   .lease = r.lease,
                                   .key = key,
                                   .value = r.value };
    append(a, &item);
    return 0;
}

struct reading {
    struct kv_txn_answer *answer;
    struct kv_select select;
};

/* 0; 1: nothing more is wanted. */
static int take(struct reading *r, struct bytes key, const struct kv_record *record)
{
    struct kv_txn_answer *a = r->answer;
    struct kv_answer_item item;
    if (++a->looked > KV_ANSWER_KEYS_MAX) return MS_ETOOBIG;
    int rv = kv_select_add(&r->select, key, record, &item);
    if (rv > 0) append(a, &item);
    if (rv < 0) return rv;
    return a->status < 0 ? 1 : 0;
}

static int visit_now(struct kv *kv, struct bytes key, void *arg)
{
    struct kv_record record;
    int rv = kv_store_get(kv, key, &record);
    return rv < 0 ? rv : take(arg, key, &record);
}

/* What the transaction has written so far is not committed, and at no revision that can be asked for; all
 * before it is committed (kv_apply.c sees to it). Downwards is for the select to do, which keeps it short. */
static int read_past(struct reading *r, const struct kv_range *range, uint64_t revision)
{
    struct kv_record record;
    struct kv_walk w;
    struct bytes key;
    int rv = kv_walk_open(&w, r->answer->kv, NULL, range, false, revision);
    if (rv < 0) return rv;
    while ((rv = kv_walk_next(&w, &key, &record)) > 0) {
        if (rv == KV_WALK_RECORD) rv = take(r, key, &record);
        if (rv == KV_WALK_NOTHING && ++r->answer->looked > KV_ANSWER_KEYS_MAX) rv = MS_ETOOBIG;
        if (rv < 0 || r->answer->status < 0) break;
    }
    kv_walk_close(&w);
    return rv < 0 ? rv : 0;
}

static int read_now(struct reading *r, const struct kv_range *range, struct bytes key)
{
    if (!range->single) return kv_range_each(r->answer->kv, range, visit_now, r);
    int rv = visit_now(r->answer->kv, key, r);
    return rv == MS_ENOTFOUND || rv > 0 ? 0 : rv;
}

int kv_txn_answer_range(struct kv_txn_answer *a, const struct kv_op *op, struct kv_answer_item *end)
{
    struct kv_range range = kv_range_of(op->key, op->range_end);
    struct reading r = { .answer = a };
    struct kv_answer_item item;
    *end = (struct kv_answer_item){ .kind = KV_ANSWER_END };
    if (a->status < 0) return 0;
    kv_select_init(&r.select, a->kv, op);
    /* Here all goes upwards, so that downwards by key is an order like others. */
    if (op->sort_order == KV_SORT_DESCEND && !r.select.count_only) r.select.sorted = true;
    int rv = op->revision > 0 ? read_past(&r, &range, op->revision) : read_now(&r, &range, op->key);
    if (rv == 0) {
        kv_select_drain(&r.select);
        for (; a->status == 0 && kv_select_next(&r.select, &item); kv_select_drop(&r.select)) {
            append(a, &item);
        }
        kv_select_end(&r.select, end);
    }
    kv_select_fini(&r.select);
    return judge(a, rv);
}

static bool reads_the_past(const struct kv_cmd *cmd);

static bool op_reads_the_past(const struct kv_op *op)
{
    struct kv_cmd nested;
    if (op->kind == KV_OP_RANGE) return op->revision > 0;
    if (op->kind != KV_OP_TXN) return false;
    return kv_cmd_decode(op->txn, &nested) == 0 && reads_the_past(&nested);
}

static bool reads_the_past(const struct kv_cmd *cmd)
{
    struct bytes_reader then_ops = bytes_reader_of(cmd->then_ops);
    struct bytes_reader else_ops = bytes_reader_of(cmd->else_ops);
    struct kv_op op;
    bool any = false;
    while (!any && kv_cmd_next_op(&then_ops, &op)) any = op_reads_the_past(&op);
    while (!any && kv_cmd_next_op(&else_ops, &op)) any = op_reads_the_past(&op);
    return any;
}

bool kv_txn_reads_the_past(struct bytes command)
{
    struct kv_cmd cmd;
    return kv_cmd_decode(command, &cmd) == 0 && reads_the_past(&cmd);
}
