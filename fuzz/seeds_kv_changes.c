/* seeds_kv_changes.c: writes a small corpus for fuzz_kv_changes into the directory argv[1]. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ms_assert.h"
#include "kv/kv.h"

static void *seeds_resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len > 0) return realloc(ptr, len);
    free(ptr);
    return NULL;
}

static const struct ms_alloc alloc = { .resize = seeds_resize };

static void apply(struct kv *kv, uint64_t index, const struct kv_op *ops, uint32_t count)
{
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION };
    struct kv_result result;
    struct buf command, payload;
    buf_init(&command, &alloc, MS_TXN_BYTES_MAX);
    buf_init(&payload, &alloc, ENTRY_PAYLOAD_BYTES_MAX);
    int rv = kv_cmd_encode(&command, NULL, 0, ops, count, NULL, 0);
    MS_ASSERT(rv == 0);
    e.body = buf_bytes(&command);
    entry_encode(&payload, &e);
    struct entry_ref *ref = entry_ref_create(&alloc, index, 1, buf_bytes(&payload));
    MS_ASSERT(ref);
    struct kv_job job = { .kind = KV_JOB_APPLY, .entries = &ref, .results = &result, .count = 1 };
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && result.changed);
    entry_ref_drop(&alloc, ref);
    buf_fini(&command);
    buf_fini(&payload);
}

static void save(struct kv *kv, const char *dir, const char *name, struct kv_changes ask)
{
    char path[512];
    struct kv_job job = { .kind = KV_JOB_CHANGES, .changes = ask };
    buf_init(&job.chunk, &alloc, KV_CHANGES_BUF_BYTES_MAX);
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && job.chunk.len > 0);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    MS_ASSERT(f != NULL);
    MS_ASSERT(fwrite(job.chunk.data, 1, job.chunk.len, f) == job.chunk.len);
    MS_ASSERT(fclose(f) == 0);
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
    int rv = kv_create(&kv, kv_mem_create(&alloc), &alloc, NULL);
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
