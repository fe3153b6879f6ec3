/* kv_model.h: what a state machine has to say, said by a model as plain as can be: of each key all that it
 * ever was, in an array. Semantics: etcd's. Random transactions, ranges and compactions are given to both.
 *
 * kv_model.c is the model, kv_model_draw.c makes operations, kv_model_run.c gives them to both. */
#ifndef TESTS_SUPPORT_KV_MODEL_H
#define TESTS_SUPPORT_KV_MODEL_H

#include "env/alloc.h"
#include "kv/kv.h"

struct kv_model_fixture {
    struct engine *engine; /* an empty one; given */
    const struct ms_alloc *alloc;
};

/* Prints the seed when it fails. */
void kv_model_run(const struct kv_model_fixture *f, uint64_t seed, uint32_t operations);

/* ---- The inside. */
#define MODEL_KEYS 40u
#define MODEL_OPS_MAX 4u
#define MODEL_TXNS_MAX 32u
#define MODEL_NOW UINT64_MAX

extern const struct bytes model_keys[MODEL_KEYS]; /* in order */

struct model_txn {
    struct kv_compare compares[3];
    struct kv_op ops[2][MODEL_OPS_MAX]; /* then, else */
    struct model_txn *nested[2][MODEL_OPS_MAX];
    uint32_t compare_count, op_count[2];
    bool outcome;
    struct buf encoded;
};

/* What a key was from revision mod on, until superseded (0: it still is). */
struct model_version {
    uint64_t create, mod, version, superseded;
    struct bytes value; /* of static storage */
};

struct model {
    struct {
        struct model_version *versions;
        uint32_t count, cap;
    } keys[MODEL_KEYS];
    uint64_t revision, compacted;
    struct kv_answer_item *items; /* the answer that is expected */
    uint32_t item_count, item_cap;
};

void model_init(struct model *m);
void model_fini(struct model *m);
/* What t gives; with items, the answer follows those that are there. */
struct kv_result model_apply(struct model *m, struct model_txn *t, bool asked);
int model_compact(struct model *m, uint64_t revision);
/* Likewise of a range by itself; its status. */
int model_range(struct model *m, const struct kv_op *op);
const struct model_version *model_at(const struct model *m, uint32_t key, uint64_t revision);

struct model_draw {
    uint64_t state;
    struct model_txn txns[MODEL_TXNS_MAX];
    uint32_t txn_count;
    const struct ms_alloc *alloc;
};
uint32_t model_draw(struct model_draw *d, uint32_t below);
struct model_txn *model_draw_txn(struct model_draw *d, const struct model *m, uint32_t depth);
void model_draw_free(struct model_draw *d); /* all transactions that were drawn */
void model_draw_range(struct model_draw *d, const struct model *m, struct kv_op *op);

#endif
