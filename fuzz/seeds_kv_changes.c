/* seeds_kv_changes.c: writes a small corpus for fuzz_kv_changes into the directory argv[1]. */
#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "kv/kv.h"

static void apply(struct kv *kv, uint64_t index, const struct kv_op *ops, uint32_t count)
{
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION };
    struct kv_result result;
    struct buf command, payload;
    buf_init(&command, &fuzz_heap, MS_TXN_BYTES_MAX);
    buf_init(&payload, &fuzz_heap, ENTRY_PAYLOAD_BYTES_MAX);
    int rv = kv_cmd_encode(&command, NULL, 0, ops, count, NULL, 0);
    MS_ASSERT(rv == 0);
    e.body = buf_bytes(&command);
    entry_encode(&payload, &e);
    struct entry_ref *ref = entry_ref_create(&fuzz_heap, index, 1, buf_bytes(&payload));
    MS_ASSERT(ref);
    struct kv_job job = { .kind = KV_JOB_APPLY, .entries = &ref, .results = &result, .count = 1 };
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && result.changed);
    entry_ref_drop(&fuzz_heap, ref);
    buf_fini(&command);
    buf_fini(&payload);
}

static void save(struct kv *kv, const char *dir, const char *name, struct kv_changes ask)
{
    struct kv_job job = { .kind = KV_JOB_CHANGES, .changes = ask };
    buf_init(&job.chunk, &fuzz_heap, KV_CHANGES_BUF_BYTES_MAX);
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && job.chunk.len > 0);
    seed_save(dir, name, buf_bytes(&job.chunk));
    buf_fini(&job.chunk);
}

int main(int argc, char **argv)
{
    struct bytes a = bytes_of_str("a"), b = bytes_of_str("b"), nul = bytes_of("", 1);
    struct kv_op puts[] = { { .kind = KV_OP_PUT, .key = a, .value = bytes_of_str("one") },
                            { .kind = KV_OP_PUT, .key = b } };
    struct kv_op deletes[] = { { .kind = KV_OP_DELETE, .key = nul, .range_end = nul } };
    struct kv *kv;
    MS_ASSERT(argc == 2);
    int rv = kv_create(&kv, kv_mem_create(&fuzz_heap), &fuzz_heap, NULL);
    MS_ASSERT(rv == 0);
    apply(kv, 1, puts, 2);
    apply(kv, 2, puts, 1);
    apply(kv, 3, deletes, 1);
    save(kv, argv[1], "all", (struct kv_changes){ .prev = true });
    save(kv, argv[1], "put", (struct kv_changes){ .key = b, .no_deletes = true });
    save(kv, argv[1], "deletes", (struct kv_changes){ .no_puts = true });
    kv_destroy(kv);
    return 0;
}
