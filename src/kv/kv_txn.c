/* kv_txn.c: a transaction, in three passes (etcd's semantics: ETCD.md sections 2 and 6).
 *
 *   check  the command by itself; what is refused has no effect
 *   plan   all compares, nested ones too, against the state before; then whether each operation of the
 *          branches chosen can be done. What is refused has no effect
 *   run    the operations in order, at one new revision, if anything changes (S5)
 *
 * Each pass looks at nothing but the command and the state (S1). Ranges are planned, as a bad revision
 * refuses the whole transaction on every member, but read only where somebody asks (kv_txn_answer.c). */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

struct txn {
    struct kv *kv;
    struct kv_txn_answer *answer; /* NULL: nobody asks for it */
    uint64_t revision;            /* of the changes */
    uint32_t sub;                 /* changes so far */
    uint64_t deleted;
    const struct kv_lease *grant; /* goes with it; NULL: none does */
    bool granted;                 /* something of what runs hangs on it */
    uint32_t planned, run; /* transactions, this one and nested ones, in the order of their branches */
    bool outcome[MS_TXN_OPS_MAX + 1u];
};

static bool order_holds(enum kv_compare_result wanted, int order)
{
    switch (wanted) {
    case KV_CMP_EQUAL: return order == 0;
    case KV_CMP_GREATER: return order > 0;
    case KV_CMP_LESS: return order < 0;
    case KV_CMP_NOT_EQUAL: return order != 0;
    }
    return false;
}

/* r NULL: the key is absent; its value compares as false, its numbers are 0. */
static bool compare_holds(const struct kv_compare *c, const struct kv_record *r)
{
    uint64_t number = 0;
    switch (c->target) {
    case KV_CMP_VALUE: return r && order_holds(c->result, bytes_compare(r->value, c->value));
    case KV_CMP_VERSION: number = r ? r->version : 0; break;
    case KV_CMP_CREATE: number = r ? r->create_revision : 0; break;
    case KV_CMP_MOD: number = r ? r->mod_revision : 0; break;
    case KV_CMP_LEASE: number = r ? r->lease : 0; break;
    }
    return order_holds(c->result, (number > c->number) - (number < c->number));
}

static int compare_one(struct kv *kv, const struct kv_compare *c, bool *holds)
{
    struct kv_record record;
    int rv = kv_store_get(kv, c->key, &record);
    if (rv < 0 && rv != MS_ENOTFOUND) return rv;
    *holds = compare_holds(c, rv == 0 ? &record : NULL);
    return 0;
}

struct range_compare {
    const struct kv_compare *compare;
    bool holds, any;
};

static int visit_compare(struct kv *kv, struct bytes key, void *arg)
{
    struct range_compare *rc = arg;
    struct kv_compare one = *rc->compare;
    one.key = key;
    rc->any = true;
    int rv = compare_one(kv, &one, &rc->holds);
    if (rv < 0) return rv;
    return rc->holds ? 0 : 1;
}

static int compare_evaluate(struct kv *kv, const struct kv_compare *c, bool *holds)
{
    struct kv_range range = kv_range_of(c->key, c->range_end);
    struct range_compare rc = { .compare = c };
    if (range.single) return compare_one(kv, c, holds);
    int rv = kv_range_each(kv, &range, visit_compare, &rc);
    if (rv < 0) return rv;
    *holds = rc.any ? rc.holds : compare_holds(c, NULL);
    return 0;
}

static int plan_put(struct txn *t, const struct kv_op *op)
{
    struct kv *kv = t->kv;
    struct kv_record record;
    if (op->lease == KV_LEASE_OF_GRANT) {
        if (!t->grant) return MS_ENOLEASE;
        t->granted = true;
    } else if (op->lease != 0) {
        int planned = kv_lease_plan(kv, op);
        if (planned < 0) return planned;
    }
    if (!(op->flags & (KV_IGNORE_VALUE | KV_IGNORE_LEASE))) return 0;
    return kv_store_get(kv, op->key, &record);
}

static int plan(struct txn *t, const struct kv_cmd *cmd);

static int plan_op(struct txn *t, const struct kv_op *op)
{
    struct kv_cmd nested;
    switch (op->kind) {
    case KV_OP_PUT: return plan_put(t, op);
    case KV_OP_DELETE: return 0;
    case KV_OP_RANGE: return kv_range_revision(t->kv, op->revision);
    case KV_OP_TXN: break;
    }
    int rv = kv_cmd_decode(op->txn, &nested);
    MS_ASSERT(rv == 0); /* decoding the whole command has seen it */
    return plan(t, &nested);
}

static int plan(struct txn *t, const struct kv_cmd *cmd)
{
    struct bytes_reader compares = bytes_reader_of(cmd->compares);
    struct kv_compare compare;
    struct kv_op op;
    bool holds = true;
    while (holds && kv_cmd_next_compare(&compares, &compare)) {
        int rv = compare_evaluate(t->kv, &compare, &holds);
        if (rv < 0) return rv;
    }
    t->outcome[t->planned++] = holds;
    struct bytes_reader ops = bytes_reader_of(holds ? cmd->then_ops : cmd->else_ops);
    while (kv_cmd_next_op(&ops, &op)) {
        int rv = plan_op(t, &op);
        if (rv < 0) return rv;
    }
    return 0;
}

static uint64_t revision_so_far(const struct txn *t)
{
    return t->sub > 0 ? t->revision : t->kv->meta.revision;
}

static size_t answer_begin(struct txn *t, enum kv_op_kind op, uint32_t flags)
{
    return t->answer ? kv_txn_answer_begin(t->answer, op, flags) : 0;
}

static void answer_end(struct txn *t, size_t at, uint32_t flags, uint64_t count)
{
    if (t->answer) kv_txn_answer_end(t->answer, at, revision_so_far(t), flags, count);
}

static int answer_prev(struct txn *t, const struct kv_op *op, struct bytes key)
{
    return t->answer && (op->flags & KV_PREV_KV) ? kv_txn_answer_prev(t->answer, key) : 0;
}

static int run_put(struct txn *t, const struct kv_op *op)
{
    struct kv_op put = *op;
    size_t at = answer_begin(t, KV_OP_PUT, 0);
    int rv = answer_prev(t, op, op->key);
    if (rv < 0) return rv;
    if (put.lease == KV_LEASE_OF_GRANT) put.lease = t->grant->id;
    rv = kv_store_put(t->kv, &put, t->revision, t->sub);
    MS_ASSERT(rv != MS_ENOTFOUND); /* planned, and no other write has touched the key */
    if (rv < 0) return rv;
    t->sub++;
    answer_end(t, at, 0, 0);
    return kv_range_note(t->kv, op->key);
}

struct deletion {
    struct txn *txn;
    const struct kv_op *op;
};

static int delete_key(const struct deletion *d, struct bytes key)
{
    struct txn *t = d->txn;
    int rv = answer_prev(t, d->op, key);
    if (rv == 0) rv = kv_store_delete(t->kv, key, t->revision, t->sub);
    if (rv < 0) return rv;
    t->sub++;
    t->deleted++;
    return 0;
}

static int visit_delete(struct kv *kv, struct bytes key, void *arg)
{
    int rv = delete_key(arg, key);
    if (rv < 0) return rv;
    return kv_range_touch(kv, key);
}

static int delete_range(const struct deletion *d)
{
    struct kv *kv = d->txn->kv;
    struct kv_range range = kv_range_of(d->op->key, d->op->range_end);
    if (!range.single) return kv_range_each(kv, &range, visit_delete, (void *)(uintptr_t)d);
    int rv = delete_key(d, d->op->key);
    if (rv < 0) return rv == MS_ENOTFOUND ? 0 : rv;
    return kv_range_note(kv, d->op->key);
}

static int run_delete(struct txn *t, const struct kv_op *op)
{
    struct deletion d = { .txn = t, .op = op };
    uint64_t before = t->deleted;
    size_t at = answer_begin(t, KV_OP_DELETE, 0);
    int rv = delete_range(&d);
    if (rv < 0) return rv;
    answer_end(t, at, 0, t->deleted - before);
    return 0;
}

static int run_range(struct txn *t, const struct kv_op *op)
{
    struct kv_answer_item end;
    if (!t->answer) return 0;
    size_t at = answer_begin(t, KV_OP_RANGE, op->flags & KV_KEYS_ONLY ? KV_ANSWER_KEYS_ONLY : 0);
    int rv = kv_txn_answer_range(t->answer, op, &end);
    if (rv < 0) return rv;
    answer_end(t, at, end.flags, end.count);
    return 0;
}

static int run(struct txn *t, const struct kv_cmd *cmd);

static int run_op(struct txn *t, const struct kv_op *op)
{
    struct kv_cmd nested;
    switch (op->kind) {
    case KV_OP_PUT: return run_put(t, op);
    case KV_OP_DELETE: return run_delete(t, op);
    case KV_OP_RANGE: return run_range(t, op);
    case KV_OP_TXN: break;
    }
    int rv = kv_cmd_decode(op->txn, &nested);
    MS_ASSERT(rv == 0);
    return run(t, &nested);
}

static int run(struct txn *t, const struct kv_cmd *cmd)
{
    struct kv_op op;
    MS_ASSERT(t->run < t->planned);
    bool holds = t->outcome[t->run++];
    struct bytes_reader ops = bytes_reader_of(holds ? cmd->then_ops : cmd->else_ops);
    size_t at = answer_begin(t, KV_OP_TXN, holds ? KV_ANSWER_SUCCEEDED : 0);
    while (kv_cmd_next_op(&ops, &op)) {
        int rv = run_op(t, &op);
        if (rv < 0) return rv;
    }
    answer_end(t, at, 0, holds ? cmd->then_count : cmd->else_count);
    return 0;
}

/* Of most transactions: one operation cannot collide with itself. */
static bool is_simple(const struct kv_cmd *cmd)
{
    struct bytes_reader ops = bytes_reader_of(cmd->then_count ? cmd->then_ops : cmd->else_ops);
    struct kv_op op;
    if (cmd->then_count + cmd->else_count > 1) return false;
    return !kv_cmd_next_op(&ops, &op) || op.kind != KV_OP_TXN;
}

void kv_take_revision(struct kv *kv, uint64_t revision)
{
    struct kv_meta *m = &kv->meta;
    kv_digest_sub(&m->digest, kv_digest_of_revisions(m->revision, m->compacted_revision));
    m->revision = revision;
    kv_digest_add(&m->digest, kv_digest_of_revisions(m->revision, m->compacted_revision));
}

/* What the command or the state refuses, in the same way everywhere. */
static bool is_refusal(int rv)
{
    return rv == MS_EINVAL || rv == MS_EDUPKEY || rv == MS_ENOTFOUND || rv == MS_ENOLEASE ||
           rv == MS_ELEASEFULL || rv == MS_EFUTURE || rv == MS_ECOMPACTED;
}

int kv_txn_apply(struct kv *kv, struct bytes command, const struct kv_lease *grant,
                 struct kv_txn_answer *answer, struct kv_result *r)
{
    struct txn t = { .kv = kv, .answer = answer, .revision = kv->meta.revision + 1, .grant = grant };
    struct kv_cmd cmd;
    int rv = kv_cmd_decode(command, &cmd);
    if (rv == MS_EVERSION) return MS_EUNSUPPORTED; /* of a later program: to skip it is to diverge */
    if (rv < 0) rv = MS_EINVAL;
    if (rv == 0 && !is_simple(&cmd)) rv = kv_check_duplicates(kv, &cmd);
    if (rv == 0) rv = plan(&t, &cmd);
    if (is_refusal(rv)) r->status = rv;
    if (rv < 0) return is_refusal(rv) ? 0 : rv;
    if (t.granted) rv = kv_lease_add(kv, grant);
    if (rv == 0) rv = run(&t, &cmd);
    if (rv < 0) return rv;
    r->lease = t.granted ? grant->id : 0;
    r->succeeded = t.outcome[0];
    r->changed = t.sub > 0;
    r->deleted = t.deleted;
    if (r->changed) kv_take_revision(kv, t.revision);
    return 0;
}
