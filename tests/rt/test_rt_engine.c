/* test_rt_engine.c: the memory engine's jobs on the loop, and what may be long on the thread. */
#include "rt/rt_engine.h"

#include <string.h>

#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

#define KEYS 2000u

static uv_loop_t loop;
static struct rt_engine engine;
static struct fixture f;
static struct kv_job apply, read_job;
static struct kv_info info;
static struct kv_job *done[4];
static uint32_t done_count;

static void on_completed(void *ctx, struct kv_job *job)
{
    (void)ctx;
    done[done_count++] = job;
}

static void setup(void)
{
    done_count = 0;
    fixture_init(&f);
    fixture_found(&f, 1);
    CHECK_EQ(uv_loop_init(&loop), 0);
    CHECK_EQ(rt_engine_init(&engine, &loop, false, on_completed, NULL), 0);
    engine.kv = f.kv;
}

static void teardown(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_EQ(uv_loop_close(&loop), 0);
    rt_engine_fini(&engine);
    for (uint32_t i = 0; i < f.count; i++) entry_ref_drop(&f.alloc.face, f.entries[i]);
    buf_fini(&read_job.value);
    fixture_fini(&f);
}

static void fill(void)
{
    char key[16];
    for (uint32_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%05u", i);
        fixture_put(&f, key, "v");
    }
}

static void submit_apply(void)
{
    apply = (struct kv_job){ .kind = KV_JOB_APPLY,
                             .entries = f.entries,
                             .results = f.results,
                             .count = f.count,
                             .info = &info };
    rt_engine_submit(&engine, &apply);
}

static void submit_op(const struct kv_op *op)
{
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, op, 1, NULL, 0), 0);
    fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    submit_apply();
}

static void submit_read(void)
{
    read_job = (struct kv_job){ .kind = KV_JOB_READ, .key = bytes_of_str("k01999") };
    buf_init(&read_job.value, &f.alloc.face, MS_VALUE_BYTES_MAX);
    rt_engine_submit(&engine, &read_job);
}

static const struct kv_op delete_range = { .kind = KV_OP_DELETE,
                                           .key = { (const uint8_t *)"k", 1 },
                                           .range_end = { (const uint8_t *)"l", 1 } };

/* The loop does not do it; and who reads behind it, finds all of it done. */
TEST(rt_engine, a_deleted_range_does_not_keep_the_loop)
{
    setup();
    fill();
    submit_op(&delete_range);
    submit_read();
    CHECK(rt_engine_can_run(&engine));
    CHECK(!rt_engine_run(&engine));
    CHECK_EQ(done_count, 0);
    CHECK(!rt_engine_can_run(&engine)); /* the read waits, whatever the thread is doing */
    CHECK(!rt_engine_run(&engine));
    struct engine_stats stats;
    rt_engine_stats(&engine, &stats);
    while (done_count == 0) uv_run(&loop, UV_RUN_ONCE);
    CHECK(done[0] == &apply);
    CHECK_EQ(apply.status, 0);
    CHECK_EQ(f.results[0].deleted, KEYS);
    CHECK(rt_engine_run(&engine));
    CHECK(done[1] == &read_job);
    CHECK_EQ(read_job.status, MS_ENOTFOUND);
    CHECK(!rt_engine_can_run(&engine));
    rt_engine_stop(&engine);
    teardown();
}

TEST(rt_engine, short_jobs_run_on_the_loop)
{
    static const struct kv_op one = { .kind = KV_OP_DELETE, .key = { (const uint8_t *)"k01999", 6 } };
    setup();
    fill();
    submit_op(&one);
    submit_read();
    CHECK(rt_engine_run(&engine));
    CHECK(rt_engine_run(&engine));
    CHECK(!rt_engine_run(&engine));
    CHECK_EQ(done_count, 2);
    CHECK_EQ(read_job.status, MS_ENOTFOUND);
    CHECK(!engine.started);
    rt_engine_stop(&engine);
    teardown();
}

/* The job under way is finished, nobody hears of it, and what waited is forgotten. */
TEST(rt_engine, stops_while_a_job_is_away)
{
    setup();
    fill();
    submit_op(&delete_range);
    submit_read();
    CHECK(!rt_engine_run(&engine));
    rt_engine_stop(&engine);
    teardown();
    CHECK_EQ(done_count, 0);
}
