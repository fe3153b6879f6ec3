/* sim_truth.h: what the state has to be, by a model as plain as can be: of each key all that it ever was. It is
 * given each entry once, when the first member applies it, and knows nothing of the state machine's inside: so what
 * any member says of any revision can be held against it. Values are known by their hashes. */
#ifndef SIM_SIM_TRUTH_H
#define SIM_SIM_TRUTH_H

#include "format/entry.h"
#include "kv/kv.h"

#define SIM_TRUTH_KEY_BYTES 32u

/* What is expected in an answer, or was heard in one. */
struct sim_truth_item {
    enum kv_answer_kind kind;
    enum kv_op_kind op;
    uint32_t flags;
    uint64_t revision, create_revision, mod_revision, version, lease, count;
    uint64_t value_hash;
    char key[SIM_TRUTH_KEY_BYTES];
};
struct sim_truth_items {
    struct sim_truth_item *items;
    size_t count, cap;
};

struct sim_truth_version {
    uint64_t create, mod, version, lease, superseded; /* superseded 0: it is what the key is now */
    uint64_t value_hash;
};
struct sim_truth_key {
    char name[SIM_TRUTH_KEY_BYTES];
    struct sim_truth_version *versions;
    size_t count, cap;
};
struct sim_truth {
    struct sim_truth_key *keys; /* in order of names */
    size_t count, cap;
    uint64_t revision, compacted;
};

void sim_truth_init(struct sim_truth *t);
void sim_truth_fini(struct sim_truth *t);
/* An entry, applied with this result. found: NULL, or what its operations have to be answered is appended.
 * False: by the model the store's revision behind it is another. */
bool sim_truth_apply(struct sim_truth *t, const struct entry *e, const struct kv_result *r,
                     struct sim_truth_items *found);
/* What a range has to be answered, told at revision; op->revision: of the state, 0: now. */
void sim_truth_range(const struct sim_truth *t, const struct kv_op *op, uint64_t revision,
                     struct sim_truth_items *out);

/* What a key was at a revision; NULL: there was none. */
const struct sim_truth_version *sim_truth_at(const struct sim_truth *t, struct bytes key,
                                             uint64_t revision);

void sim_truth_add(struct sim_truth_items *items, struct sim_truth_item item);
/* An answer as items; false: it is none. piece: whole items of it. */
bool sim_truth_hear(struct kv_answer_reader *in, struct bytes piece, struct sim_truth_items *out);
/* The first that differs; SIZE_MAX: they are the same. */
size_t sim_truth_difference(const struct sim_truth_items *a, const struct sim_truth_items *b);

#endif
