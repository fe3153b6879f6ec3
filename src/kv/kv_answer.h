/* kv_answer.h: what operations found, as bytes: the answer to a range (KV_JOB_RANGE) and to a transaction
 * (struct kv_result). One form for both, made where the state is and read where clients are spoken to.
 *
 * An answer is a run of items. That of an operation is BEGIN, what it found, END. Between the two stand of a
 * RANGE the records found, of a PUT or DELETE those it replaced, if they were asked for, and of a TXN the
 * answers of the operations of its branch, in their order.
 *
 * It lives in memory, between the parts of one program. Bytes: docs/FORMATS.md, 7.5. */
#ifndef KV_KV_ANSWER_H
#define KV_KV_ANSWER_H

#include "base/bytes.h"
#include "format/buf.h"
#include "kv/kv_cmd.h"

enum kv_answer_kind { KV_ANSWER_BEGIN = 1, KV_ANSWER_RECORD, KV_ANSWER_END };
enum kv_answer_flag {
    KV_ANSWER_SUCCEEDED = 1, /* BEGIN of a TXN: its compares held */
    KV_ANSWER_KEYS_ONLY = 2, /* BEGIN of a RANGE: its records have no values */
    KV_ANSWER_MORE = 4       /* END of a RANGE: the limit has cut */
};

struct kv_answer_item {
    enum kv_answer_kind kind;
    uint32_t flags;
    /* BEGIN */
    enum kv_op_kind op;
    uint64_t
        revision; /* the store's when the operation was done; of a range by itself: when it was asked */
    /* RECORD */
    uint64_t create_revision, mod_revision, version, lease;
    struct bytes key, value;
    /* END: keys in the range, deleted keys, or the operations of a transaction's branch; 0 for a PUT */
    uint64_t count;
};

#define KV_ANSWER_BEGIN_BYTES 11u
#define KV_ANSWER_END_BYTES 10u
#define KV_ANSWER_RECORD_BYTES 41u /* beside key and value */
#define KV_ANSWER_ITEM_BYTES_MAX (KV_ANSWER_RECORD_BYTES + MS_KEY_BYTES_MAX + MS_VALUE_BYTES_MAX)

/* Append one item. A refused allocation shows in out->failed. */
void kv_answer_append(struct buf *out, const struct kv_answer_item *item);
size_t kv_answer_item_bytes(const struct kv_answer_item *item);
/* Of the BEGIN at offset at, when only what came behind it shows what they are. */
void kv_answer_patch(struct buf *out, size_t at, uint32_t flags, uint64_t revision);

/* Reads an answer, whole or in pieces, of which each holds whole items. */
#define KV_ANSWER_DEPTH_MAX (KV_CMD_DEPTH_MAX + 2u) /* the transaction, nested ones, an operation */
struct kv_answer_reader {
    struct bytes_reader in;
    uint8_t ops[KV_ANSWER_DEPTH_MAX]; /* enum kv_op_kind of what has begun and not ended */
    uint32_t depth;
    bool done; /* the outermost operation has ended */
};
void kv_answer_reader_init(struct kv_answer_reader *r);
/* The next piece; borrowed until it is read. What was left of the one before is forgotten. */
void kv_answer_reader_feed(struct kv_answer_reader *r, struct bytes piece);
/* 0 and the next item, whose spans are borrowed; MS_EEND: the piece is read; MS_ECORRUPT: it is no answer,
 * or goes on behind its end. */
int kv_answer_next(struct kv_answer_reader *r, struct kv_answer_item *out);

#endif
