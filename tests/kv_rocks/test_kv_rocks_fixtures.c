/* test_kv_rocks_fixtures.c: the snapshots of format 1 that are kept in git, installed into RocksDB; the
 * state machine finds there what the memory engine finds (tests/kv/test_kv_fixtures.c), also when the
 * database is opened again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_err.h"
#include "kv/kv.h"
#include "kv_rocks/kv_rocks.h"
#include "tests/kv_rocks/system_disk.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define STREAM_BYTES_MAX (1u << 20)

static uint8_t read_in[STREAM_BYTES_MAX];
static struct test_alloc memory;
static char root[64], dir[96], snap[96];

static int run(struct kv *kv, struct kv_job *job, enum kv_job_kind kind)
{
    job->kind = kind;
    kv_run(kv, job);
    return job->status;
}

static void install(struct kv *kv, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/v1/%s", MS_FIXTURES, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    struct bytes left = bytes_of(read_in, fread(read_in, 1, sizeof read_in, file));
    fclose(file);
    struct kv_info info;
    struct kv_job job = { .last = true, .info = &info };
    buf_init(&job.chunk, &memory.face, SNAP_CHUNK_BYTES_HARD_MAX);
    CHECK_EQ(run(kv, &job, KV_JOB_LOAD_BEGIN), 0);
    while (left.len > 0) {
        int64_t len = kv_snap_chunk_bytes(left);
        CHECK(len > 0 && (uint64_t)len <= left.len);
        buf_clear(&job.chunk);
        buf_append(&job.chunk, left.data, (size_t)len);
        CHECK_EQ(run(kv, &job, KV_JOB_LOAD_CHUNK), 0);
        left = bytes_of(left.data + len, left.len - (size_t)len);
    }
    CHECK_EQ(run(kv, &job, KV_JOB_LOAD_END),
             0); /* the digest of the stream is that of what stands there now */
    buf_fini(&job.chunk);
}

static struct kv *open_kv(void)
{
    struct kv_rocks_opts opts;
    struct engine *engine;
    struct kv *kv;
    char why[256];
    kv_rocks_opts_default(&opts, &system_disk);
    opts.dir = dir;
    opts.snap_dir = snap;
    CHECK_EQ(kv_rocks_open(&engine, &opts, &memory.face, NULL, why, sizeof why), 0);
    CHECK_EQ(kv_create(&kv, engine, &memory.face, NULL), 0);
    return kv;
}

static void check_kv(struct kv *kv, uint64_t index, uint64_t revision, const char *last)
{
    struct kv_info info;
    struct kv_job job = { .kind = KV_JOB_READ, .key = bytes_of_str("last") };
    kv_info(kv, &info);
    CHECK_EQ(info.applied_index, index);
    CHECK_EQ(info.revision, revision);
    CHECK_EQ(info.key_count, 35);
    CHECK_EQ(info.config.member_count, 2);
    buf_init(&job.value, &memory.face, 1024);
    CHECK_EQ(run(kv, &job, KV_JOB_READ), 0);
    CHECK(bytes_equal(buf_bytes(&job.value), bytes_of_str(last)));
    buf_fini(&job.value);
}

static void installed_and_opened_again(const char *name, uint64_t index, uint64_t revision,
                                       const char *last)
{
    char line[128];
    test_alloc_init(&memory);
    snprintf(root, sizeof root, "/tmp/kv-rocks-fixtures-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(dir, sizeof dir, "%s", root);
    snprintf(snap, sizeof snap, "%s/snap", root);
    struct kv *kv = open_kv();
    install(kv, name);
    check_kv(kv, index, revision, last);
    kv_destroy(kv);
    kv = open_kv();
    check_kv(kv, index, revision, last);
    kv_destroy(kv);
    CHECK_EQ(memory.alive, 0);
    snprintf(line, sizeof line, "rm -rf %s", root);
    CHECK(system(line) == 0);
}

TEST(kv_rocks_fixtures, a_plain_stream_of_format_1)
{
    installed_and_opened_again("rocksdb-stream.snap", 344, 329, "129");
}

TEST(kv_rocks_fixtures, a_compressed_stream_of_format_1)
{
    installed_and_opened_again("rocksdb-stream-zstd.snap", 320, 304, "105");
}
