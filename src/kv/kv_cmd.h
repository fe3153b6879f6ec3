/* kv_cmd.h: the command of the data model, which is a transaction (DESIGN 6): compares, then-ops,
 * else-ops. put and delete are transactions of one operation. Semantics: etcd's v3 API.
 * Bytes: docs/FORMATS.md; fields and limits of the whole of etcd's Txn have their place from the start. */
#ifndef KV_KV_CMD_H
#define KV_KV_CMD_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

enum kv_compare_target { KV_CMP_VERSION, KV_CMP_CREATE, KV_CMP_MOD, KV_CMP_VALUE, KV_CMP_LEASE };
enum kv_compare_result { KV_CMP_EQUAL, KV_CMP_GREATER, KV_CMP_LESS, KV_CMP_NOT_EQUAL };

struct kv_compare {
    enum kv_compare_target target;
    enum kv_compare_result result;
    struct bytes key, range_end; /* range_end empty: one key */
    uint64_t number;             /* all targets but VALUE */
    struct bytes value;
};

enum kv_op_kind { KV_OP_PUT = 1, KV_OP_DELETE = 2, KV_OP_RANGE = 3, KV_OP_TXN = 4 };
enum kv_op_flag { KV_PREV_KV = 1, KV_IGNORE_VALUE = 2, KV_IGNORE_LEASE = 4, KV_KEYS_ONLY = 8,
                  KV_COUNT_ONLY = 16 };

struct kv_op {
    enum kv_op_kind kind;
    uint32_t flags;
    struct bytes key, range_end; /* etcd's ranges: ETCD.md section 2 */
    struct bytes value;          /* PUT */
    uint64_t lease;              /* PUT; 0: none */
    uint64_t limit;              /* RANGE */
    struct bytes txn;            /* TXN: an encoded command */
};

/* A decoded command is read op by op; nothing is allocated. */
struct kv_cmd {
    uint32_t compare_count, then_count, else_count;
    struct bytes compares, then_ops, else_ops; /* encoded runs, checked as a whole by kv_cmd_decode */
};

/* Check all of an encoded command (structure, limits, nesting of at most 4, MS_TXN_OPS_MAX ops in all).
 * MS_ESHORT, MS_ECORRUPT, MS_EVERSION, MS_ETOOBIG. */
int kv_cmd_decode(struct bytes in, struct kv_cmd *out);
/* Next of a run; false at its end. Only on runs of a decoded command. */
bool kv_cmd_next_compare(struct bytes_reader *run, struct kv_compare *out);
bool kv_cmd_next_op(struct bytes_reader *run, struct kv_op *out);

/* Encode a command; counts within the limits, or MS_ETOOBIG. */
int kv_cmd_encode(struct buf *out, const struct kv_compare *compares, uint32_t compare_count,
                  const struct kv_op *then_ops, uint32_t then_count, const struct kv_op *else_ops,
                  uint32_t else_count);
int kv_cmd_encode_put(struct buf *out, struct bytes key, struct bytes value);
int kv_cmd_encode_delete(struct buf *out, struct bytes key);

#endif
