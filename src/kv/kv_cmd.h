/* kv_cmd.h: the command of the data model, which is a transaction (DESIGN 6): compares, then-ops,
 * else-ops. put and delete are transactions of one operation. Semantics: etcd's v3 API.
 * Bytes: docs/FORMATS.md; fields and limits of the whole of etcd's Txn have their place from the start.
 */
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
enum kv_op_flag {
    KV_PREV_KV = 1,
    KV_IGNORE_VALUE = 2,
    KV_IGNORE_LEASE = 4,
    KV_KEYS_ONLY = 8,
    KV_COUNT_ONLY = 16
};

enum kv_sort_order { KV_SORT_NONE, KV_SORT_ASCEND, KV_SORT_DESCEND };
enum kv_sort_target { KV_SORT_KEY, KV_SORT_VERSION, KV_SORT_CREATE, KV_SORT_MOD, KV_SORT_VALUE };

/* A put of the transaction that goes with the grant of a lease: attached to that one. */
#define KV_LEASE_OF_GRANT UINT64_MAX

struct kv_op {
    enum kv_op_kind kind;
    uint32_t flags;
    struct bytes key, range_end;   /* etcd's ranges: ETCD.md section 2 */
    struct bytes value;            /* PUT */
    uint64_t lease;                /* PUT; 0: none; KV_LEASE_OF_GRANT */
    uint64_t limit;                /* RANGE; 0: none */
    struct bytes txn;              /* TXN: an encoded command */
    uint64_t revision;             /* RANGE; 0: now */
    enum kv_sort_order sort_order; /* RANGE, as the rest */
    enum kv_sort_target sort_target;
    uint64_t mod_min, mod_max, create_min, create_max; /* 0: no bound */
};

/* A decoded command is read op by op; nothing is allocated. */
struct kv_cmd {
    uint32_t compare_count, then_count, else_count;
    struct bytes compares, then_ops, else_ops; /* encoded runs, checked as a whole by kv_cmd_decode */
};

#define KV_CMD_DEPTH_MAX 4u /* transactions inside of transactions */

/* Check all of an encoded command: structure; keys and values within the limits, keys not empty;
 * nesting of at most KV_CMD_DEPTH_MAX; at most MS_TXN_OPS_MAX operations and as many compares in all,
 * those of nested ones included. MS_ESHORT, MS_ECORRUPT, MS_EVERSION, MS_ETOOBIG. */
int kv_cmd_decode(struct bytes in, struct kv_cmd *out);
/* Next of a run; false at its end. Only on runs of a decoded command. */
bool kv_cmd_next_compare(struct bytes_reader *run, struct kv_compare *out);
bool kv_cmd_next_op(struct bytes_reader *run, struct kv_op *out);

/* Encode a command. MS_ETOOBIG: beyond a limit; MS_EINVAL: kv_cmd_decode would refuse it for another
 * reason (an empty key, a flag that does not belong to the kind); MS_ENOMEM. On error out is as before.
 */
int kv_cmd_encode(struct buf *out, const struct kv_compare *compares, uint32_t compare_count,
                  const struct kv_op *then_ops, uint32_t then_count, const struct kv_op *else_ops,
                  uint32_t else_count);
int kv_cmd_encode_put(struct buf *out, struct bytes key, struct bytes value);
int kv_cmd_encode_delete(struct buf *out, struct bytes key);

#endif
