/* test_kv_cmd.c: the codec of commands: what goes in comes out, limits hold, damage is refused. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "kv/kv_cmd.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc a;
static struct buf out;

static void begin(size_t max)
{
    test_alloc_init(&a);
    buf_init(&out, &a.face, max);
}

static void end(void)
{
    buf_fini(&out);
    CHECK_EQ(a.alive, 0);
}

static bool ops_equal(const struct kv_op *x, const struct kv_op *y)
{
    return x->kind == y->kind && x->flags == y->flags && bytes_equal(x->key, y->key) &&
           bytes_equal(x->range_end, y->range_end) && bytes_equal(x->value, y->value) &&
           bytes_equal(x->txn, y->txn) && x->lease == y->lease && x->limit == y->limit &&
           x->revision == y->revision && x->sort_order == y->sort_order &&
           x->sort_target == y->sort_target && x->mod_min == y->mod_min && x->mod_max == y->mod_max &&
           x->create_min == y->create_min && x->create_max == y->create_max;
}

static const struct kv_op some_ops[] = {
    { .kind = KV_OP_PUT,
      .key = { (const uint8_t *)"k\0y", 3 },
      .value = { (const uint8_t *)"v", 1 },
      .lease = 77,
      .flags = KV_PREV_KV },
    { .kind = KV_OP_PUT,
      .key = { (const uint8_t *)"k", 1 },
      .flags = KV_IGNORE_VALUE | KV_IGNORE_LEASE },
    { .kind = KV_OP_DELETE,
      .key = { (const uint8_t *)"d", 1 },
      .range_end = { (const uint8_t *)"", 1 } },
    { .kind = KV_OP_RANGE,
      .key = { (const uint8_t *)"r", 1 },
      .range_end = { (const uint8_t *)"s", 1 },
      .limit = 1,
      .revision = 2,
      .sort_order = KV_SORT_DESCEND,
      .sort_target = KV_SORT_VALUE,
      .mod_min = 3,
      .mod_max = 4,
      .create_min = 5,
      .create_max = UINT64_MAX,
      .flags = KV_COUNT_ONLY },
};
static const struct kv_compare some_compares[] = {
    { .target = KV_CMP_VALUE,
      .result = KV_CMP_LESS,
      .key = { (const uint8_t *)"a", 1 },
      .value = { (const uint8_t *)"val", 3 } },
    { .target = KV_CMP_LEASE,
      .result = KV_CMP_NOT_EQUAL,
      .key = { (const uint8_t *)"b", 1 },
      .range_end = { (const uint8_t *)"c", 1 },
      .number = 9 },
};

TEST(kv_cmd, what_is_encoded_is_decoded)
{
    struct kv_cmd cmd;
    struct kv_op op;
    struct kv_compare compare;
    begin(MS_TXN_BYTES_MAX);
    buf_append(&out, "front", 5); /* it is appended */
    CHECK_EQ(kv_cmd_encode(&out, some_compares, 2, some_ops, 4, some_ops, 3), 0);
    struct bytes encoded = bytes_of(out.data + 5, out.len - 5);
    CHECK_EQ(kv_cmd_decode(encoded, &cmd), 0);
    CHECK(cmd.compare_count == 2 && cmd.then_count == 4 && cmd.else_count == 3);
    struct bytes_reader run = bytes_reader_of(cmd.compares);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(kv_cmd_next_compare(&run, &compare));
        CHECK(compare.target == some_compares[i].target && compare.result == some_compares[i].result);
        CHECK(bytes_equal(compare.key, some_compares[i].key));
        CHECK(bytes_equal(compare.range_end, some_compares[i].range_end));
        CHECK(bytes_equal(compare.value, some_compares[i].value));
        CHECK_EQ(compare.number, some_compares[i].number);
    }
    CHECK(!kv_cmd_next_compare(&run, &compare));
    for (uint32_t branch = 0; branch < 2; branch++) {
        run = bytes_reader_of(branch == 0 ? cmd.then_ops : cmd.else_ops);
        for (uint32_t i = 0; i < 4 - branch; i++) {
            CHECK(kv_cmd_next_op(&run, &op));
            CHECK(ops_equal(&op, &some_ops[i]));
        }
        CHECK(!kv_cmd_next_op(&run, &op));
    }
    /* Cut anywhere, or with something behind it, it is no command; *out stays. */
    struct kv_cmd before = cmd;
    for (size_t len = 0; len < encoded.len; len++) {
        uint8_t *exact = malloc(len + 1); /* so that a read beyond the end is seen */
        memcpy(exact, encoded.data, len);
        int rv = kv_cmd_decode(bytes_of(exact, len), &cmd);
        CHECK(rv == MS_ESHORT || rv == MS_ECORRUPT);
        CHECK(memcmp(&cmd, &before, sizeof cmd) == 0);
        free(exact);
    }
    buf_append_u8(&out, 0);
    CHECK_EQ(kv_cmd_decode(bytes_of(out.data + 5, out.len - 5), &cmd), MS_ECORRUPT);
    out.data[5] = 2;
    CHECK_EQ(kv_cmd_decode(bytes_of(out.data + 5, out.len - 6), &cmd), MS_EVERSION);
    end();
}

static int nest(uint32_t depth)
{
    struct kv_op op = some_ops[2];
    struct buf nested[8];
    int rv = 0;
    for (uint32_t i = 0; i < depth && rv == 0; i++) {
        buf_init(&nested[i], &a.face, MS_TXN_BYTES_MAX);
        rv = kv_cmd_encode(&nested[i], NULL, 0, &op, 1, NULL, 0);
        op = (struct kv_op){ .kind = KV_OP_TXN, .txn = buf_bytes(&nested[i]) };
    }
    if (rv == 0) rv = kv_cmd_encode(&out, NULL, 0, &op, 1, NULL, 0);
    for (uint32_t i = 0; i < depth; i++) buf_fini(&nested[i]);
    return rv;
}

TEST(kv_cmd, limits_hold)
{
    static uint8_t large[MS_VALUE_BYTES_MAX + 1];
    static struct kv_op many[MS_TXN_OPS_MAX + 1];
    static struct kv_compare compares[MS_TXN_OPS_MAX + 1];
    begin(2 * MS_TXN_BYTES_MAX);
    memset(large, 'x', sizeof large);
    struct bytes key = bytes_of(large, MS_KEY_BYTES_MAX), value = bytes_of(large, MS_VALUE_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode_put(&out, key, value), 0);
    CHECK_EQ(kv_cmd_encode_put(&out, bytes_of(large, key.len + 1), value), MS_ETOOBIG);
    CHECK_EQ(kv_cmd_encode_put(&out, key, bytes_of(large, value.len + 1)), MS_ETOOBIG);
    CHECK_EQ(kv_cmd_encode_put(&out, bytes_of(NULL, 0), value), MS_EINVAL);
    CHECK_EQ(kv_cmd_encode_delete(&out, bytes_of(NULL, 0)), MS_EINVAL);
    size_t len = out.len;

    struct kv_op op = some_ops[0];
    op.flags = KV_KEYS_ONLY; /* of another kind */
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, &op, 1, NULL, 0), MS_EINVAL);
    op.flags = KV_IGNORE_VALUE; /* and gives one */
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, &op, 1, NULL, 0), MS_EINVAL);
    op.flags = 256;
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, &op, 1, NULL, 0), MS_EINVAL);
    op = some_ops[3];
    op.sort_order = (enum kv_sort_order)3;
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, &op, 1, NULL, 0), MS_EINVAL);
    op.kind = (enum kv_op_kind)5;
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, &op, 1, NULL, 0), MS_EINVAL);

    for (uint32_t i = 0; i <= MS_TXN_OPS_MAX; i++) many[i] = some_ops[2];
    for (uint32_t i = 0; i <= MS_TXN_OPS_MAX; i++) compares[i] = some_compares[1];
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, many, MS_TXN_OPS_MAX + 1, NULL, 0), MS_ETOOBIG);
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, many, MS_TXN_OPS_MAX - 1, many, 2), MS_ETOOBIG);
    CHECK_EQ(kv_cmd_encode(&out, compares, MS_TXN_OPS_MAX + 1, NULL, 0, NULL, 0), MS_ETOOBIG);
    struct kv_op large_puts[2] = { { .kind = KV_OP_PUT, .key = bytes_of_str("a"), .value = value },
                                   { .kind = KV_OP_PUT, .key = bytes_of_str("b"), .value = value } };
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, large_puts, 2, NULL, 0), MS_ETOOBIG); /* together */
    CHECK_EQ(out.len, len); /* nothing was left of what was refused */
    CHECK(!out.failed);
    CHECK_EQ(kv_cmd_encode(&out, compares, MS_TXN_OPS_MAX, many, MS_TXN_OPS_MAX - 1, many, 1), 0);
    buf_clear(&out);

    CHECK_EQ(nest(KV_CMD_DEPTH_MAX), 0);
    CHECK_EQ(nest(KV_CMD_DEPTH_MAX + 1), MS_ETOOBIG);
    /* Operations are counted together, at whatever depth. */
    struct buf half;
    buf_init(&half, &a.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&half, NULL, 0, many, MS_TXN_OPS_MAX / 2, NULL, 0), 0);
    struct kv_op two[2] = { { .kind = KV_OP_TXN, .txn = buf_bytes(&half) },
                            { .kind = KV_OP_TXN, .txn = buf_bytes(&half) } };
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, two, 2, NULL, 0), MS_ETOOBIG);
    CHECK_EQ(kv_cmd_encode(&out, NULL, 0, two, 1, many, MS_TXN_OPS_MAX / 2 - 1), 0);
    buf_fini(&half);
    end();

    begin(40); /* a buffer that is too small, and memory that is refused */
    CHECK_EQ(kv_cmd_encode_put(&out, bytes_of_str("k"), bytes_of_str("0123456789012345")), MS_ETOOBIG);
    a.refuse_at = a.requests + 1;
    CHECK_EQ(kv_cmd_encode_put(&out, bytes_of_str("k"), bytes_of_str("v")), MS_ENOMEM);
    CHECK_EQ(kv_cmd_encode_put(&out, bytes_of_str("k"), bytes_of_str("v")), 0);
    end();
}
