/* seeds_http_txn.c: writes a small corpus for fuzz_http_txn into the directory argv[1]. */
#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "kv/kv_answer.h"

static void save(const char *dir, const char *name, uint8_t which, struct bytes body)
{
    seed_save_parts(dir, name, bytes_of(&which, 1), body);
}

static void save_text(const char *dir, const char *name, uint8_t which, const char *body)
{
    save(dir, name, which, bytes_of_str(body));
}

static void save_items(const char *dir)
{
    const struct kv_answer_item items[] = {
        { .kind = KV_ANSWER_BEGIN, .op = KV_OP_TXN, .flags = KV_ANSWER_SUCCEEDED, .revision = 7 },
        { .kind = KV_ANSWER_BEGIN, .op = KV_OP_RANGE, .revision = 6 },
        { .kind = KV_ANSWER_RECORD,
          .create_revision = 2,
          .mod_revision = 3,
          .version = 4,
          .key = bytes_of_str("k") },
        { .kind = KV_ANSWER_END, .flags = KV_ANSWER_MORE, .count = 9 },
        { .kind = KV_ANSWER_BEGIN, .op = KV_OP_DELETE, .revision = 7 },
        { .kind = KV_ANSWER_RECORD,
          .create_revision = 2,
          .mod_revision = 3,
          .version = 4,
          .key = bytes_of_str("\xff") },
        { .kind = KV_ANSWER_END, .count = 1 },
        { .kind = KV_ANSWER_BEGIN, .op = KV_OP_PUT, .revision = 7 },
        { .kind = KV_ANSWER_RECORD,
          .create_revision = 2,
          .mod_revision = 3,
          .version = 4,
          .key = bytes_of_str("p") },
        { .kind = KV_ANSWER_END },
        { .kind = KV_ANSWER_END, .count = 3 },
    };
    struct buf out;
    buf_init(&out, &fuzz_heap, 10000);
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) kv_answer_append(&out, &items[i]);
    save(dir, "items", 2, buf_bytes(&out));
    buf_fini(&out);
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    save_text(argv[1], "compares", 0,
              "{\"compare\": [{\"key\": \"a\", \"target\": \"mod\", \"op\": \"=\", \"value\": 5}, "
              "{\"prefix_base64\": "
              "\"/w==\", \"target\": \"value\", \"op\": \"!=\", \"value\": \"x\\u00e9\"}, {\"key\": "
              "\"a\", \"end\": \"b\", "
              "\"target\": \"version\", \"op\": \"<\", \"value\": 1}]}");
    save_text(argv[1], "operations", 0,
              "{\"then\": [{\"put\": {\"key\": \"k\", \"value\": \"v\", \"lease\": 7, \"prev_kv\": "
              "true}}, {\"get\": "
              "{\"from\": \"\", \"limit\": 3, \"rev\": 4, \"sort\": \"create\", \"order\": \"desc\", "
              "\"keys_only\": true, "
              "\"min_mod\": 1, \"max_create\": 4}}], \"else\": [{\"delete\": {\"prefix\": \"a\"}}, "
              "{\"put\": {\"key\": "
              "\"i\", \"ignore_value\": true, \"ignore_lease\": true}}]}");
    save_text(argv[1], "nested", 0,
              "{\"then\": [{\"txn\": {\"then\": [{\"txn\": {\"else\": [{\"get\": {\"key\": \"a\", "
              "\"count_only\": true}}]}}]}}]}");
    save_text(argv[1], "cut", 0, "{\"then\": [{\"put\": {\"key\": \"k\", \"value\": \"");
    save_text(argv[1], "compact", 1, "{\"revision\": 5}");
    save_text(argv[1], "compact_bad", 1, "{\"rev\": 5}");
    save_items(argv[1]);
    return 0;
}
