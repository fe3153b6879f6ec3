/* bench_kv.c: how fast the memory engine and the state machine above it are, and what a key costs.
 * 1M keys of 16 bytes in random order with values of 32 bytes; bench_kv [keys]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/ms_assert.h"
#include "kv/kv.h"

#define VALUE_BYTES 32
#define BATCH 64u

static uint64_t live_bytes; /* as asked for; the allocator's own share is not in it */

/* A header in front of each block remembers its size. */
static void *bench_resize(void *ctx, void *ptr, size_t len)
{
    size_t *block = ptr ? (size_t *)ptr - 2 : NULL;
    (void)ctx;
    if (block) live_bytes -= block[0];
    if (len == 0) {
        free(block);
        return NULL;
    }
    block = realloc(block, len + 2 * sizeof *block);
    MS_ASSERT(block);
    block[0] = len;
    live_bytes += len;
    return block + 2;
}

static const struct ms_alloc alloc = { .resize = bench_resize };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A bijection, so that keys are distinct and in no order. */
static struct bytes key_of(uint64_t i, uint8_t *out)
{
    uint64_t h = i * UINT64_C(0x9e3779b97f4a7c15);
    bytes_store_be64(out, h ^ h >> 32);
    bytes_store_be64(out + 8, i);
    return bytes_of(out, 16);
}

static void report(const char *what, uint64_t count, double begin)
{
    double s = now_s() - begin;
    printf("%-34s %9.0f ops/s  %6.0f ns\n", what, (double)count / s, s * 1e9 / (double)count);
}

static void bench_engine(uint64_t count)
{
    struct engine *e = kv_mem_create(&alloc);
    uint8_t key[16], value[VALUE_BYTES] = { 1 };
    struct buf out;
    buf_init(&out, &alloc, 1 << 16);
    MS_ASSERT(e);
    for (int round = 0; round < 3; round++) {
        static const char *const what[] = { "engine put, new, 64 a commit", "engine put, again",
                                            "engine put, again, under a view" };
        struct engine_view *v = round == 2 ? e->ops->view_open(e) : NULL;
        double begin = now_s();
        for (uint64_t i = 0; i < count; i++) {
            int rv = e->ops->put(e, key_of(i, key), bytes_of(value, sizeof value));
            if (i % BATCH == 0) rv = e->ops->commit(e);
            MS_ASSERT(rv == 0);
        }
        e->ops->commit(e);
        report(what[round], count, begin);
        if (v) e->ops->view_close(e, v);
        if (round == 0)
            printf("%-34s %9.1f bytes a key\n", "  memory", (double)live_bytes / (double)count);
    }
    double begin = now_s();
    for (uint64_t i = 0; i < count; i++) {
        buf_clear(&out);
        int rv = e->ops->get(e, NULL, key_of(i, key), &out);
        MS_ASSERT(rv == 0);
    }
    report("engine get", count, begin);
    begin = now_s();
    struct engine_iter *it = e->ops->iter_open(e, NULL);
    uint64_t seen = 0;
    for (e->ops->iter_seek(it, bytes_of("", 1)); e->ops->iter_valid(it); e->ops->iter_next(it)) seen++;
    MS_ASSERT(seen == count);
    e->ops->iter_close(it);
    report("engine walk", count, begin);
    buf_fini(&out);
    e->ops->close(e);
}

struct batch {
    struct kv *kv;
    uint64_t index;
    struct entry_ref *entries[BATCH];
    struct kv_result results[BATCH];
    struct kv_info info;
};

/* The time is that of kv_run() alone: entries are made before. */
static double apply_puts(struct batch *b, uint64_t from)
{
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = b->entries,
                          .results = b->results,
                          .count = BATCH,
                          .info = &b->info };
    uint8_t key[16], value[VALUE_BYTES] = { 2 };
    struct buf command, payload;
    buf_init(&command, &alloc, 1 << 16);
    buf_init(&payload, &alloc, 1 << 16);
    for (uint32_t i = 0; i < BATCH; i++) {
        struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION };
        buf_clear(&command);
        buf_clear(&payload);
        kv_cmd_encode_put(&command, key_of(from + i, key), bytes_of(value, sizeof value));
        e.body = buf_bytes(&command);
        e.origin = (struct entry_origin){ 1, 1, 1, b->index + 1, b->index > 100 ? b->index - 100 : 0 };
        entry_encode(&payload, &e);
        b->entries[i] = entry_ref_create(&alloc, ++b->index, 1, buf_bytes(&payload));
    }
    double begin = now_s();
    kv_run(b->kv, &job);
    double s = now_s() - begin;
    MS_ASSERT(job.status == 0);
    for (uint32_t i = 0; i < BATCH; i++) {
        MS_ASSERT(b->results[i].status == 0);
        entry_ref_drop(&alloc, b->entries[i]);
    }
    buf_fini(&command);
    buf_fini(&payload);
    return s;
}

/* All keys by one entry: how long it keeps the engine's thread. */
static void bench_delete_all(struct batch *b, uint64_t count)
{
    struct kv_op all = { .kind = KV_OP_DELETE, .key = bytes_of("", 1), .range_end = bytes_of("", 1) };
    struct kv_job job = {
        .kind = KV_JOB_APPLY, .entries = b->entries, .results = b->results, .count = 1, .info = &b->info
    };
    struct buf command, payload;
    buf_init(&command, &alloc, 1 << 16);
    buf_init(&payload, &alloc, 1 << 16);
    kv_cmd_encode(&command, NULL, 0, &all, 1, NULL, 0);
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = buf_bytes(&command) };
    e.origin = (struct entry_origin){ 1, 1, 1, b->index + 1, b->index - 100 };
    entry_encode(&payload, &e);
    b->entries[0] = entry_ref_create(&alloc, ++b->index, 1, buf_bytes(&payload));
    double begin = now_s();
    kv_run(b->kv, &job);
    report("apply delete of all, one entry", count, begin);
    MS_ASSERT(job.status == 0);
    MS_ASSERT(b->results[0].deleted == count);
    entry_ref_drop(&alloc, b->entries[0]);
    buf_fini(&command);
    buf_fini(&payload);
}

static void found(struct batch *b)
{
    struct config c = { .member_count = 1,
                        .members = { { .id = 1, .roles = CONFIG_VOTER, .url = "http://a:1" } } };
    struct buf body, payload;
    struct kv_job job = {
        .kind = KV_JOB_APPLY, .entries = b->entries, .results = b->results, .count = 1, .info = &b->info
    };
    buf_init(&body, &alloc, 1 << 16);
    buf_init(&payload, &alloc, 1 << 16);
    buf_append(&body, "0123456789abcdef", 16);
    config_encode(&body, &c);
    struct entry e = { .kind = ENTRY_INIT, .version = ENTRY_VERSION, .body = buf_bytes(&body) };
    entry_encode(&payload, &e);
    b->entries[0] = entry_ref_create(&alloc, ++b->index, 1, buf_bytes(&payload));
    kv_run(b->kv, &job);
    MS_ASSERT(job.status == 0);
    entry_ref_drop(&alloc, b->entries[0]);
    buf_fini(&body);
    buf_fini(&payload);
}

/* One kv_run() is what keeps the loop for so long: a chunk each. */
struct slices {
    double sum, slowest;
    uint64_t count;
};

static void run_slice(struct kv *kv, struct kv_job *job, struct slices *s)
{
    double at = now_s();
    kv_run(kv, job);
    at = now_s() - at;
    MS_ASSERT(job->status == 0);
    s->sum += at;
    s->count++;
    if (at > s->slowest) s->slowest = at;
}

static void report_slices(const char *what, uint64_t count, uint64_t plain, uint64_t bytes,
                          const struct slices *s)
{
    printf("%-34s %9.0f MB/s, %.1f bytes a key, %.1f as they are stored; a chunk takes %.0f us, the "
           "slowest %.0f us\n",
           what, (double)plain / s->sum / 1e6, (double)plain / (double)count,
           (double)bytes / (double)count, s->sum / (double)s->count * 1e6, s->slowest * 1e6);
}

static void load_one(struct kv *kv, struct kv_job *load, const struct buf *chunk, struct slices *s)
{
    load->kind = KV_JOB_LOAD_CHUNK;
    load->chunk = *chunk;
    run_slice(kv, load, s);
}

/* The state as chunks, each loaded into another state machine as soon as it is read. */
static void bench_snapshot(struct kv *kv, uint64_t count)
{
    struct kv_job job = { .kind = KV_JOB_SNAP_OPEN }, load = { .kind = KV_JOB_LOAD_BEGIN };
    struct slices reading = { 0 }, loading = { 0 };
    uint64_t bytes = 0, plain = 0;
    struct kv *other;
    int rv = kv_create(&other, kv_mem_create(&alloc), &alloc, NULL);
    MS_ASSERT(rv == 0);
    buf_init(&job.chunk, &alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    kv_run(kv, &job);
    kv_run(other, &load);
    for (job.kind = KV_JOB_SNAP_READ; !job.last;) {
        run_slice(kv, &job, &reading);
        bytes += job.chunk.len;
        plain += job.plain_bytes;
        load_one(other, &load, &job.chunk, &loading);
    }
    report_slices("snapshot, read", count, plain, bytes, &reading);
    report_slices("snapshot, loaded", count, plain, bytes, &loading);
    load.kind = KV_JOB_LOAD_END;
    load.last = true;
    kv_run(other, &load);
    MS_ASSERT(load.status == 0);
    job.kind = KV_JOB_SNAP_CLOSE;
    kv_run(kv, &job);
    buf_fini(&job.chunk);
    kv_destroy(other);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    static struct batch b;
    count -= count % BATCH;
    printf("%llu keys of 16 bytes, values of %d bytes\n", (unsigned long long)count, VALUE_BYTES);
    bench_engine(count);
    uint64_t before = live_bytes;
    int rv = kv_create(&b.kv, kv_mem_create(&alloc), &alloc, NULL);
    MS_ASSERT(rv == 0);
    found(&b);
    for (int round = 0; round < 2; round++) {
        double s = 0;
        for (uint64_t i = 0; i < count; i += BATCH) s += apply_puts(&b, i);
        report(round == 0 ? "apply put, new, 64 a job" : "apply put, again", count, now_s() - s);
        printf("%-34s %9.1f bytes a key%s\n", "  memory", (double)(live_bytes - before) / (double)count,
               round ? ", with one old record" : "");
    }
    bench_snapshot(b.kv, count);
    bench_delete_all(&b, count);
    kv_destroy(b.kv);
    return 0;
}
