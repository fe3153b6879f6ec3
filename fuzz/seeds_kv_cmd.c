/* seeds_kv_cmd.c: writes a small corpus for fuzz_kv_cmd into the directory argv[1]. */
#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "kv/kv_answer.h"

static struct buf out;

static void save(const char *dir, const char *name, int rv)
{
    MS_ASSERT(rv == 0);
    seed_save(dir, name, buf_bytes(&out));
    buf_clear(&out);
}

static void save_answer(const char *dir)
{
    const struct kv_answer_item items[] = {
        { .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .flags = KV_ANSWER_SUCCEEDED, .revision = 7 },
        { .kind = KV_ANSWER_BEGIN, .op = KV_OP_RANGE, .revision = 6 },
        { .kind = KV_ANSWER_RECORD,
          .create_revision = 2,
          .mod_revision = 3,
          .version = 4,
          .key = bytes_of_str("key"),
          .value = bytes_of_str("value") },
        { .kind = KV_ANSWER_END, .flags = KV_ANSWER_MORE, .count = 9 },
        { .kind = KV_ANSWER_END, .count = 1 },
    };
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) kv_answer_append(&out, &items[i]);
    save(dir, "answer", 0);
}

int main(int argc, char **argv)
{
    struct bytes a = bytes_of_str("a"), b = bytes_of_str("b"), v = bytes_of_str("v"),
                 nul = bytes_of("", 1);
    struct kv_compare compares[] = {
        { .target = KV_CMP_VALUE, .result = KV_CMP_EQUAL, .key = a, .value = v },
        { .target = KV_CMP_MOD, .result = KV_CMP_GREATER, .key = a, .range_end = nul, .number = 1 },
        { .target = KV_CMP_VERSION, .result = KV_CMP_LESS, .key = b, .number = 9 },
    };
    struct kv_op ops[] = {
        { .kind = KV_OP_PUT, .key = a, .value = v },
        { .kind = KV_OP_PUT, .key = bytes_of_str("b"), .flags = KV_IGNORE_VALUE | KV_PREV_KV },
        { .kind = KV_OP_DELETE, .key = bytes_of_str("c"), .range_end = nul },
        { .kind = KV_OP_RANGE,
          .key = nul,
          .range_end = nul,
          .limit = 3,
          .revision = 2,
          .sort_order = KV_SORT_ASCEND,
          .sort_target = KV_SORT_MOD },
        { .kind = KV_OP_TXN },
    };
    struct buf nested;
    MS_ASSERT(argc == 2);
    buf_init(&out, &fuzz_heap, MS_TXN_BYTES_MAX);
    buf_init(&nested, &fuzz_heap, MS_TXN_BYTES_MAX);
    save(argv[1], "put", kv_cmd_encode_put(&out, a, v));
    save(argv[1], "delete", kv_cmd_encode_delete(&out, bytes_of_str("absent")));
    save(argv[1], "nothing", kv_cmd_encode(&out, NULL, 0, NULL, 0, NULL, 0));
    save(argv[1], "compares", kv_cmd_encode(&out, compares, 3, ops, 1, ops + 2, 1));
    save(argv[1], "all", kv_cmd_encode(&out, compares + 1, 1, ops, 4, ops + 1, 2));
    save(argv[1], "duplicate",
         kv_cmd_encode(&out, NULL, 0, (struct kv_op[]){ ops[0], ops[0] }, 2, NULL, 0));
    MS_ASSERT(kv_cmd_encode(&nested, compares, 2, ops, 2, ops + 2, 2) == 0);
    ops[4].txn = buf_bytes(&nested);
    save(argv[1], "nested", kv_cmd_encode(&out, compares, 1, ops + 4, 1, ops + 3, 2));
    save_answer(argv[1]);
    buf_fini(&nested);
    buf_fini(&out);
    return 0;
}
