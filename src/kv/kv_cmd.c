/* kv_cmd.c: the codec of commands. One encoding for each command: what decodes, encodes to the same
 * bytes again, so that nothing hides between the fields.
 * Bytes: docs/FORMATS.md. Nesting is bounded before it is followed, and counts before they are used. */
#include "kv/kv_cmd.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define CMD_VERSION 1u
#define CMD_HEADER_BYTES 7u
#define FLAGS_PUT (KV_PREV_KV | KV_IGNORE_VALUE | KV_IGNORE_LEASE)
#define FLAGS_DELETE KV_PREV_KV
#define FLAGS_RANGE (KV_KEYS_ONLY | KV_COUNT_ONLY)

/* What is left to a command, nested ones included. */
struct budget {
    uint32_t ops, compares, depth;
};

/* A length u32 and as many bytes, at most max. */
static int read_sized(struct bytes_reader *in, size_t max, struct bytes *out)
{
    uint32_t len;
    if (!bytes_read_u32(in, &len)) return MS_ESHORT;
    if (len > max) return MS_ETOOBIG;
    return bytes_read_span(in, len, out) ? 0 : MS_ESHORT;
}

static int read_key(struct bytes_reader *in, struct bytes *out)
{
    int rv = read_sized(in, MS_KEY_BYTES_MAX, out);
    if (rv < 0) return rv;
    return out->len > 0 ? 0 : MS_ECORRUPT;
}

static int read_key_range(struct bytes_reader *in, struct bytes *key, struct bytes *range_end)
{
    int rv = read_key(in, key);
    if (rv < 0) return rv;
    return read_sized(in, MS_KEY_BYTES_MAX, range_end);
}

static int read_compare(struct bytes_reader *in, struct kv_compare *out)
{
    struct kv_compare c = { 0 };
    uint8_t target, result;
    if (!bytes_read_u8(in, &target) || !bytes_read_u8(in, &result)) return MS_ESHORT;
    if (target > KV_CMP_LEASE || result > KV_CMP_NOT_EQUAL) return MS_ECORRUPT;
    c.target = (enum kv_compare_target)target;
    c.result = (enum kv_compare_result)result;
    int rv = read_key_range(in, &c.key, &c.range_end);
    if (rv < 0) return rv;
    if (c.target == KV_CMP_VALUE) {
        rv = read_sized(in, MS_VALUE_BYTES_MAX, &c.value);
        if (rv < 0) return rv;
    } else if (!bytes_read_u64(in, &c.number)) {
        return MS_ESHORT;
    }
    *out = c;
    return 0;
}

static bool put_is_valid(const struct kv_op *op)
{
    if (op->flags & ~(uint32_t)FLAGS_PUT) return false;
    if ((op->flags & KV_IGNORE_VALUE) && op->value.len > 0) return false;
    return !(op->flags & KV_IGNORE_LEASE) || op->lease == 0;
}

static int read_put(struct bytes_reader *in, struct kv_op *op)
{
    int rv = read_key(in, &op->key);
    if (rv < 0) return rv;
    if (!bytes_read_u64(in, &op->lease)) return MS_ESHORT;
    rv = read_sized(in, MS_VALUE_BYTES_MAX, &op->value);
    if (rv < 0) return rv;
    return put_is_valid(op) ? 0 : MS_ECORRUPT;
}

static bool range_is_valid(const struct kv_op *op)
{
    if (op->flags & ~(uint32_t)FLAGS_RANGE) return false;
    return op->sort_order <= KV_SORT_DESCEND && op->sort_target <= KV_SORT_VALUE;
}

static int read_range(struct bytes_reader *in, struct kv_op *op)
{
    uint8_t order, target;
    int rv = read_key_range(in, &op->key, &op->range_end);
    if (rv < 0) return rv;
    if (!bytes_read_u8(in, &order) || !bytes_read_u8(in, &target)) return MS_ESHORT;
    if (!bytes_read_u64(in, &op->limit) || !bytes_read_u64(in, &op->revision)) return MS_ESHORT;
    if (!bytes_read_u64(in, &op->mod_min) || !bytes_read_u64(in, &op->mod_max)) return MS_ESHORT;
    if (!bytes_read_u64(in, &op->create_min) || !bytes_read_u64(in, &op->create_max)) return MS_ESHORT;
    op->sort_order = (enum kv_sort_order)order;
    op->sort_target = (enum kv_sort_target)target;
    return range_is_valid(op) ? 0 : MS_ECORRUPT;
}

static int read_op(struct bytes_reader *in, struct kv_op *out)
{
    struct kv_op op = { 0 };
    uint8_t kind, flags;
    int rv = MS_ECORRUPT;
    if (!bytes_read_u8(in, &kind) || !bytes_read_u8(in, &flags)) return MS_ESHORT;
    op.flags = flags;
    op.kind = (enum kv_op_kind)kind;
    switch (kind) {
    case KV_OP_PUT: rv = read_put(in, &op); break;
    case KV_OP_DELETE:
        if (flags & ~(uint32_t)FLAGS_DELETE) return MS_ECORRUPT;
        rv = read_key_range(in, &op.key, &op.range_end);
        break;
    case KV_OP_RANGE: rv = read_range(in, &op); break;
    case KV_OP_TXN:
        if (flags) return MS_ECORRUPT;
        rv = read_sized(in, MS_TXN_BYTES_MAX, &op.txn);
        break;
    }
    if (rv == 0) *out = op;
    return rv;
}

static int decode(struct bytes in, struct budget *left, struct kv_cmd *out);

static int check_compares(struct bytes_reader *in, uint32_t count, struct budget *left)
{
    struct kv_compare compare;
    if (count > left->compares) return MS_ETOOBIG;
    left->compares -= count;
    for (uint32_t i = 0; i < count; i++) {
        int rv = read_compare(in, &compare);
        if (rv < 0) return rv;
    }
    return 0;
}

static int check_ops(struct bytes_reader *in, uint32_t count, struct budget *left)
{
    struct kv_op op;
    struct kv_cmd nested;
    if (count > left->ops) return MS_ETOOBIG;
    left->ops -= count;
    for (uint32_t i = 0; i < count; i++) {
        int rv = read_op(in, &op);
        if (rv < 0) return rv;
        if (op.kind != KV_OP_TXN) continue;
        if (left->depth == 0) return MS_ETOOBIG;
        left->depth--;
        rv = decode(op.txn, left, &nested);
        if (rv == MS_ESHORT) rv = MS_ECORRUPT; /* its length said that all of it is there */
        if (rv < 0) return rv;
        left->depth++;
    }
    return 0;
}

/* Recursion ends by left->depth. */
static int decode(struct bytes in, struct budget *left, struct kv_cmd *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_cmd cmd = { 0 };
    uint8_t version;
    uint16_t compares, then_ops, else_ops;
    if (!bytes_read_u8(&at, &version)) return MS_ESHORT;
    if (version != CMD_VERSION) return MS_EVERSION;
    if (!bytes_read_u16(&at, &compares) || !bytes_read_u16(&at, &then_ops)) return MS_ESHORT;
    if (!bytes_read_u16(&at, &else_ops)) return MS_ESHORT;
    size_t begin = at.at;
    int rv = check_compares(&at, compares, left);
    if (rv < 0) return rv;
    cmd.compares = bytes_of(in.data + begin, at.at - begin);
    begin = at.at;
    rv = check_ops(&at, then_ops, left);
    if (rv < 0) return rv;
    cmd.then_ops = bytes_of(in.data + begin, at.at - begin);
    begin = at.at;
    rv = check_ops(&at, else_ops, left);
    if (rv < 0) return rv;
    cmd.else_ops = bytes_of(in.data + begin, at.at - begin);
    if (bytes_reader_left(&at) > 0) return MS_ECORRUPT;
    cmd.compare_count = compares;
    cmd.then_count = then_ops;
    cmd.else_count = else_ops;
    *out = cmd;
    return 0;
}

int kv_cmd_decode(struct bytes in, struct kv_cmd *out)
{
    struct budget left = { .ops = MS_TXN_OPS_MAX,
                           .compares = MS_TXN_OPS_MAX,
                           .depth = KV_CMD_DEPTH_MAX };
    if (in.len > MS_TXN_BYTES_MAX) return MS_ETOOBIG;
    return decode(in, &left, out);
}

bool kv_cmd_next_compare(struct bytes_reader *run, struct kv_compare *out)
{
    if (bytes_reader_left(run) == 0) return false;
    int rv = read_compare(run, out);
    MS_ASSERT(rv == 0); /* kv_cmd_decode() has seen it */
    return true;
}

bool kv_cmd_next_op(struct bytes_reader *run, struct kv_op *out)
{
    if (bytes_reader_left(run) == 0) return false;
    int rv = read_op(run, out);
    MS_ASSERT(rv == 0);
    return true;
}

static void append_sized(struct buf *out, struct bytes b)
{
    buf_append_u32(out, (uint32_t)b.len);
    buf_append(out, b.data, b.len);
}

static void append_key_range(struct buf *out, struct bytes key, struct bytes range_end)
{
    append_sized(out, key);
    append_sized(out, range_end);
}

static void append_compare(struct buf *out, const struct kv_compare *c)
{
    buf_append_u8(out, (uint8_t)c->target);
    buf_append_u8(out, (uint8_t)c->result);
    append_key_range(out, c->key, c->range_end);
    if (c->target == KV_CMP_VALUE) {
        append_sized(out, c->value);
    } else {
        buf_append_u64(out, c->number);
    }
}

static void append_range(struct buf *out, const struct kv_op *op)
{
    append_key_range(out, op->key, op->range_end);
    buf_append_u8(out, (uint8_t)op->sort_order);
    buf_append_u8(out, (uint8_t)op->sort_target);
    buf_append_u64(out, op->limit);
    buf_append_u64(out, op->revision);
    buf_append_u64(out, op->mod_min);
    buf_append_u64(out, op->mod_max);
    buf_append_u64(out, op->create_min);
    buf_append_u64(out, op->create_max);
}

static void append_op(struct buf *out, const struct kv_op *op)
{
    buf_append_u8(out, (uint8_t)op->kind);
    buf_append_u8(out, (uint8_t)op->flags);
    switch (op->kind) {
    case KV_OP_PUT:
        append_sized(out, op->key);
        buf_append_u64(out, op->lease);
        append_sized(out, op->value);
        break;
    case KV_OP_DELETE: append_key_range(out, op->key, op->range_end); break;
    case KV_OP_RANGE: append_range(out, op); break;
    case KV_OP_TXN: append_sized(out, op->txn); break;
    }
}

/* Lengths beyond their limits must not reach the sums below. */
static bool sizes_fit(struct bytes key, struct bytes range_end, struct bytes value)
{
    return key.len <= MS_KEY_BYTES_MAX && range_end.len <= MS_KEY_BYTES_MAX &&
           value.len <= MS_VALUE_BYTES_MAX;
}

static int sum_compares(const struct kv_compare *compares, uint32_t count, size_t *bytes)
{
    if (count > MS_TXN_OPS_MAX) return MS_ETOOBIG;
    for (uint32_t i = 0; i < count; i++) {
        const struct kv_compare *c = &compares[i];
        if (!sizes_fit(c->key, c->range_end, c->value)) return MS_ETOOBIG;
        *bytes += 10 + c->key.len + c->range_end.len;
        *bytes += c->target == KV_CMP_VALUE ? 4 + c->value.len : 8;
    }
    return 0;
}

static int sum_ops(const struct kv_op *ops, uint32_t count, size_t *bytes)
{
    if (count > MS_TXN_OPS_MAX) return MS_ETOOBIG;
    for (uint32_t i = 0; i < count; i++) {
        const struct kv_op *op = &ops[i];
        if (!sizes_fit(op->key, op->range_end, op->value)) return MS_ETOOBIG;
        if (op->txn.len > MS_TXN_BYTES_MAX) return MS_ETOOBIG;
        if (op->kind < KV_OP_PUT || op->kind > KV_OP_TXN || op->flags > UINT8_MAX) return MS_EINVAL;
        switch (op->kind) {
        case KV_OP_PUT: *bytes += 18 + op->key.len + op->value.len; break;
        case KV_OP_DELETE: *bytes += 10 + op->key.len + op->range_end.len; break;
        case KV_OP_RANGE: *bytes += 60 + op->key.len + op->range_end.len; break;
        case KV_OP_TXN: *bytes += 6 + op->txn.len; break;
        }
    }
    return 0;
}

static void append_command(struct buf *out, const struct kv_compare *compares, uint32_t compare_count,
                           const struct kv_op *then_ops, uint32_t then_count,
                           const struct kv_op *else_ops, uint32_t else_count)
{
    buf_append_u8(out, CMD_VERSION);
    buf_append_u16(out, (uint16_t)compare_count);
    buf_append_u16(out, (uint16_t)then_count);
    buf_append_u16(out, (uint16_t)else_count);
    for (uint32_t i = 0; i < compare_count; i++) append_compare(out, &compares[i]);
    for (uint32_t i = 0; i < then_count; i++) append_op(out, &then_ops[i]);
    for (uint32_t i = 0; i < else_count; i++) append_op(out, &else_ops[i]);
}

int kv_cmd_encode(struct buf *out, const struct kv_compare *compares, uint32_t compare_count,
                  const struct kv_op *then_ops, uint32_t then_count, const struct kv_op *else_ops,
                  uint32_t else_count)
{
    size_t begin = out->len, bytes = CMD_HEADER_BYTES;
    struct kv_cmd cmd;
    int rv = sum_compares(compares, compare_count, &bytes);
    if (rv == 0) rv = sum_ops(then_ops, then_count, &bytes);
    if (rv == 0) rv = sum_ops(else_ops, else_count, &bytes);
    if (rv < 0) return rv;
    if (bytes > MS_TXN_BYTES_MAX || bytes > out->max - begin) return MS_ETOOBIG;
    if (out->failed) return MS_ENOMEM;
    if (!buf_reserve(out, bytes)) {
        out->failed = false;
        return MS_ENOMEM;
    }
    append_command(out, compares, compare_count, then_ops, then_count, else_ops, else_count);
    MS_ASSERT(out->len - begin == bytes);
    rv = kv_cmd_decode(bytes_of(out->data + begin, out->len - begin), &cmd);
    if (rv == 0) return 0;
    out->len = begin;
    return rv == MS_ETOOBIG ? rv : MS_EINVAL; /* what we would not read, we do not write */
}

int kv_cmd_encode_put(struct buf *out, struct bytes key, struct bytes value)
{
    struct kv_op op = { .kind = KV_OP_PUT, .key = key, .value = value };
    return kv_cmd_encode(out, NULL, 0, &op, 1, NULL, 0);
}

int kv_cmd_encode_delete(struct buf *out, struct bytes key)
{
    struct kv_op op = { .kind = KV_OP_DELETE, .key = key };
    return kv_cmd_encode(out, NULL, 0, &op, 1, NULL, 0);
}
