#include "sim/sim_truth.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/entry_lease.h"

#define NOW UINT64_MAX
#define TXNS_MAX (MS_TXN_OPS_MAX + 1u)

void sim_truth_init(struct sim_truth *t)
{
    *t = (struct sim_truth){ .revision = 1 };
}

void sim_truth_fini(struct sim_truth *t)
{
    for (size_t i = 0; i < t->count; i++) free(t->keys[i].versions);
    free(t->keys);
}

static void *grown(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return items;
    *cap = 2 * *cap + 16;
    items = realloc(items, *cap * size);
    MS_ASSERT(items != NULL);
    return items;
}

static uint64_t hash_of(struct bytes b)
{
    return XXH3_64bits(b.len ? b.data : (const uint8_t *)"", b.len);
}

void sim_truth_add(struct sim_truth_items *items, struct sim_truth_item item)
{
    items->items = grown(items->items, items->count, &items->cap, sizeof *items->items);
    items->items[items->count++] = item;
}

/* --- keys --- */

static struct bytes name_of(const struct sim_truth_key *k)
{
    return bytes_of_str(k->name);
}

static struct sim_truth_key *key_of(struct sim_truth *t, struct bytes name)
{
    size_t at = 0;
    MS_ASSERT(name.len < SIM_TRUTH_KEY_BYTES && !memchr(name.data, 0, name.len));
    while (at < t->count && bytes_compare(name_of(&t->keys[at]), name) < 0) at++;
    if (at < t->count && bytes_equal(name_of(&t->keys[at]), name)) return &t->keys[at];
    t->keys = grown(t->keys, t->count, &t->cap, sizeof *t->keys);
    memmove(&t->keys[at + 1], &t->keys[at], (t->count - at) * sizeof *t->keys);
    t->keys[at] = (struct sim_truth_key){ .count = 0 };
    memcpy(t->keys[at].name, name.data, name.len);
    t->count++;
    return &t->keys[at];
}

static const struct sim_truth_version *version_at(const struct sim_truth_key *k, uint64_t revision)
{
    for (size_t i = k->count; i > 0; i--) {
        const struct sim_truth_version *v = &k->versions[i - 1];
        if (v->mod > revision) continue;
        return v->superseded == 0 || v->superseded > revision ? v : NULL;
    }
    return NULL;
}

const struct sim_truth_version *sim_truth_at(const struct sim_truth *t, struct bytes key,
                                             uint64_t revision)
{
    for (size_t i = 0; i < t->count; i++) {
        if (bytes_equal(name_of(&t->keys[i]), key)) return version_at(&t->keys[i], revision);
    }
    return NULL;
}

static bool in_range(struct bytes key, struct bytes from, struct bytes end)
{
    if (end.len == 0) return bytes_equal(key, from);
    if (bytes_compare(key, from) < 0) return false;
    return (end.len == 1 && end.data[0] == 0) || bytes_compare(key, end) < 0;
}

static struct sim_truth_item record_of(const struct sim_truth_key *k, const struct sim_truth_version *v)
{
    struct sim_truth_item item = { .kind = KV_ANSWER_RECORD,
                                   .create_revision = v->create,
                                   .mod_revision = v->mod,
                                   .version = v->version,
                                   .lease = v->lease,
                                   .value_hash = v->value_hash };
    memcpy(item.key, k->name, sizeof item.key);
    return item;
}

/* --- ranges --- */

static int by_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_items(const struct kv_op *op, const struct sim_truth_item *a,
                         const struct sim_truth_item *b)
{
    int by = 0;
    switch (op->sort_target) {
    case KV_SORT_KEY: by = strcmp(a->key, b->key); break;
    case KV_SORT_VERSION: by = by_number(a->version, b->version); break;
    case KV_SORT_CREATE: by = by_number(a->create_revision, b->create_revision); break;
    case KV_SORT_MOD: by = by_number(a->mod_revision, b->mod_revision); break;
    case KV_SORT_VALUE: MS_UNREACHABLE(); /* hashes have no order: nobody asks for it */
    }
    if (op->sort_order == KV_SORT_DESCEND) by = -by;
    return by ? by : strcmp(a->key, b->key);
}

static bool passes(const struct kv_op *op, const struct sim_truth_version *v)
{
    if ((op->mod_min && v->mod < op->mod_min) || (op->mod_max && v->mod > op->mod_max)) return false;
    return !(op->create_min && v->create < op->create_min) &&
           !(op->create_max && v->create > op->create_max);
}

/* Into its place among those from at on. */
static void insert(struct sim_truth_items *out, size_t at, const struct kv_op *op,
                   struct sim_truth_item item)
{
    sim_truth_add(out, item);
    for (size_t i = out->count - 1; i > at && compare_items(op, &out->items[i - 1], &item) > 0; i--) {
        out->items[i] = out->items[i - 1];
        out->items[i - 1] = item;
    }
}

void sim_truth_range(const struct sim_truth *t, const struct kv_op *op, uint64_t revision,
                     struct sim_truth_items *out)
{
    bool keys_only = op->flags & KV_KEYS_ONLY;
    struct sim_truth_item end = { .kind = KV_ANSWER_END };
    sim_truth_add(out, (struct sim_truth_item){ .kind = KV_ANSWER_BEGIN,
                                                .op = KV_OP_RANGE,
                                                .flags = keys_only ? KV_ANSWER_KEYS_ONLY : 0,
                                                .revision = revision });
    size_t at = out->count;
    for (size_t i = 0; i < t->count; i++) {
        const struct sim_truth_version *v = version_at(&t->keys[i], op->revision ? op->revision : NOW);
        if (!v || !in_range(name_of(&t->keys[i]), op->key, op->range_end)) continue;
        end.count++;
        if ((op->flags & KV_COUNT_ONLY) || !passes(op, v)) continue;
        struct sim_truth_item item = record_of(&t->keys[i], v);
        if (keys_only) item.value_hash = hash_of(bytes_of(NULL, 0));
        insert(out, at, op, item);
    }
    if (op->limit && out->count - at > op->limit) {
        out->count = at + op->limit;
        end.flags = KV_ANSWER_MORE;
    }
    sim_truth_add(out, end);
}

/* --- transactions --- */

struct run {
    struct sim_truth *t;
    uint64_t revision, grant; /* of its changes; the lease that is granted with it */
    uint64_t changes;
    struct sim_truth_items *found;
    uint32_t planned, done;
    bool outcome[TXNS_MAX];
};

static void found(struct run *r, struct sim_truth_item item)
{
    if (r->found) sim_truth_add(r->found, item);
}

static bool compare_one(const struct kv_compare *c, const struct sim_truth_version *v)
{
    uint64_t number = 0;
    if (c->target == KV_CMP_VALUE) { /* hashes have no order, and nobody asks for it */
        MS_ASSERT(c->result == KV_CMP_EQUAL || c->result == KV_CMP_NOT_EQUAL);
        return v && (v->value_hash == hash_of(c->value)) == (c->result == KV_CMP_EQUAL);
    }
    if (v && c->target == KV_CMP_VERSION) number = v->version;
    if (v && c->target == KV_CMP_CREATE) number = v->create;
    if (v && c->target == KV_CMP_MOD) number = v->mod;
    if (v && c->target == KV_CMP_LEASE) number = v->lease;
    switch (c->result) {
    case KV_CMP_EQUAL: return number == c->number;
    case KV_CMP_NOT_EQUAL: return number != c->number;
    case KV_CMP_GREATER: return number > c->number;
    case KV_CMP_LESS: return number < c->number;
    }
    return false;
}

static bool compare_holds(const struct sim_truth *t, const struct kv_compare *c)
{
    bool any = false, all = true;
    for (size_t i = 0; i < t->count; i++) {
        const struct sim_truth_version *v = version_at(&t->keys[i], NOW);
        if (!v || !in_range(name_of(&t->keys[i]), c->key, c->range_end)) continue;
        any = true;
        all = all && compare_one(c, v);
    }
    return any ? all : compare_one(c, NULL);
}

/* All compares see what was before. */
static void plan(struct run *r, const struct kv_cmd *cmd)
{
    struct bytes_reader compares = bytes_reader_of(cmd->compares);
    struct kv_compare c;
    struct kv_op op;
    struct kv_cmd nested;
    bool holds = true;
    while (kv_cmd_next_compare(&compares, &c)) holds = holds && compare_holds(r->t, &c);
    MS_ASSERT(r->planned < TXNS_MAX);
    r->outcome[r->planned++] = holds;
    struct bytes_reader ops = bytes_reader_of(holds ? cmd->then_ops : cmd->else_ops);
    while (kv_cmd_next_op(&ops, &op)) {
        if (op.kind == KV_OP_TXN && kv_cmd_decode(op.txn, &nested) == 0) plan(r, &nested);
    }
}

static void change(struct run *r, struct sim_truth_key *k, const struct kv_op *put)
{
    struct sim_truth_version *old = (struct sim_truth_version *)(uintptr_t)version_at(k, NOW);
    struct sim_truth_version next = { .create = r->revision, .mod = r->revision, .version = 1 };
    r->changes++;
    if (old) {
        old->superseded = r->revision;
        next.create = old->create;
        next.version = old->version + 1;
    }
    if (!put) return;
    next.value_hash = put->flags & KV_IGNORE_VALUE ? old->value_hash : hash_of(put->value);
    next.lease = put->flags & KV_IGNORE_LEASE      ? old->lease
                 : put->lease == KV_LEASE_OF_GRANT ? r->grant
                                                   : put->lease;
    k->versions = grown(k->versions, k->count, &k->cap, sizeof *k->versions);
    k->versions[k->count++] = next;
}

static uint64_t told_revision(const struct run *r)
{
    return r->changes ? r->revision : r->t->revision;
}

static void run_write(struct run *r, const struct kv_op *op)
{
    size_t at = r->found ? r->found->count : 0;
    uint64_t deleted = 0;
    found(r, (struct sim_truth_item){ .kind = KV_ANSWER_BEGIN, .op = op->kind });
    if (op->kind == KV_OP_PUT) key_of(r->t, op->key);
    for (size_t i = 0; i < r->t->count; i++) {
        struct sim_truth_key *k = &r->t->keys[i];
        const struct sim_truth_version *old = version_at(k, NOW);
        if (!in_range(name_of(k), op->key, op->range_end) || (op->kind == KV_OP_DELETE && !old))
            continue;
        if (old && (op->flags & KV_PREV_KV)) found(r, record_of(k, old));
        change(r, k, op->kind == KV_OP_PUT ? op : NULL);
        deleted += op->kind == KV_OP_DELETE;
    }
    if (r->found) r->found->items[at].revision = told_revision(r);
    found(r, (struct sim_truth_item){ .kind = KV_ANSWER_END, .count = deleted });
}

static void run_txn(struct run *r, const struct kv_cmd *cmd)
{
    bool holds = r->outcome[r->done++];
    struct bytes_reader ops = bytes_reader_of(holds ? cmd->then_ops : cmd->else_ops);
    size_t at = r->found ? r->found->count : 0;
    struct kv_cmd nested;
    struct kv_op op;
    found(r, (struct sim_truth_item){
                 .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .flags = holds ? KV_ANSWER_SUCCEEDED : 0 });
    while (kv_cmd_next_op(&ops, &op)) {
        if (op.kind == KV_OP_TXN && kv_cmd_decode(op.txn, &nested) == 0) run_txn(r, &nested);
        if (op.kind == KV_OP_RANGE && r->found) sim_truth_range(r->t, &op, told_revision(r), r->found);
        if (op.kind == KV_OP_PUT || op.kind == KV_OP_DELETE) run_write(r, &op);
    }
    if (r->found) r->found->items[at].revision = told_revision(r);
    found(r, (struct sim_truth_item){ .kind = KV_ANSWER_END,
                                      .count = holds ? cmd->then_count : cmd->else_count });
}

static void apply_command(struct run *r, struct bytes command)
{
    struct kv_cmd cmd;
    if (kv_cmd_decode(command, &cmd) < 0) return;
    plan(r, &cmd);
    run_txn(r, &cmd);
}

/* The keys that hang on it go with it. */
static void apply_revoke(struct run *r, uint64_t id)
{
    for (size_t i = 0; i < r->t->count; i++) {
        const struct sim_truth_version *v = version_at(&r->t->keys[i], NOW);
        if (v && v->lease == id) change(r, &r->t->keys[i], NULL);
    }
}

bool sim_truth_apply(struct sim_truth *t, const struct entry *e, const struct kv_result *r,
                     struct sim_truth_items *out)
{
    struct run run = { .t = t, .revision = t->revision + 1, .grant = r->lease, .found = out };
    struct entry_lease_grant grant;
    struct entry_lease_revoke revoke;
    if (r->status < 0) return r->revision == t->revision;
    if (e->kind == ENTRY_TXN) apply_command(&run, e->body);
    if (e->kind == ENTRY_LEASE_GRANT && entry_lease_grant_decode(e->body, &grant) == 0 &&
        grant.command.len)
        apply_command(&run, grant.command);
    if (e->kind == ENTRY_LEASE_REVOKE && entry_lease_revoke_decode(e->body, &revoke) == 0)
        apply_revoke(&run, revoke.id);
    if (e->kind == ENTRY_COMPACT) t->compacted = bytes_load_u64(e->body.data);
    if (run.changes) t->revision++;
    return r->revision == t->revision;
}

/* --- answers --- */

bool sim_truth_hear(struct kv_answer_reader *in, struct bytes piece, struct sim_truth_items *out)
{
    struct kv_answer_item item;
    int rv;
    kv_answer_reader_feed(in, piece);
    while ((rv = kv_answer_next(in, &item)) == 0) {
        struct sim_truth_item heard = { .kind = item.kind,
                                        .op = item.op,
                                        .flags = item.flags,
                                        .revision = item.revision,
                                        .create_revision = item.create_revision,
                                        .mod_revision = item.mod_revision,
                                        .version = item.version,
                                        .lease = item.lease,
                                        .count = item.count };
        if (item.kind == KV_ANSWER_RECORD) {
            if (item.key.len >= sizeof heard.key) return false;
            memcpy(heard.key, item.key.data, item.key.len);
            heard.value_hash = hash_of(item.value);
        }
        sim_truth_add(out, heard);
    }
    return rv == MS_EEND;
}

static bool same(const struct sim_truth_item *a, const struct sim_truth_item *b)
{
    return a->kind == b->kind && a->op == b->op && a->flags == b->flags && a->revision == b->revision &&
           a->create_revision == b->create_revision && a->mod_revision == b->mod_revision &&
           a->version == b->version && a->lease == b->lease && a->count == b->count &&
           a->value_hash == b->value_hash && strcmp(a->key, b->key) == 0;
}

size_t sim_truth_difference(const struct sim_truth_items *a, const struct sim_truth_items *b)
{
    size_t at = 0;
    while (at < a->count && at < b->count && same(&a->items[at], &b->items[at])) at++;
    return at == a->count && at == b->count ? SIZE_MAX : at;
}
