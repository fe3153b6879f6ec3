/* test_rt_disk.c: the real disk keeps the promises of env/disk.h, and its errors are the right ones. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_disk.h"
#include "tests/rt/rt_support.h"
#include "tests/support/disk_contract.h"
#include "tests/support/test.h"

struct fixture {
    uv_loop_t loop;
    struct rt_disk disk, other;
    struct rt_ring completed;
    char dir[TEMP_DIR_BYTES];
};

static void on_completed(void *ctx, struct disk_op *op)
{
    struct fixture *f = ctx;
    rt_ring_push(&f->completed, op);
}

static struct disk_op *next_completion(void *ctx)
{
    struct fixture *f = ctx;
    while (rt_ring_is_empty(&f->completed)) uv_run(&f->loop, UV_RUN_ONCE);
    return rt_ring_pop(&f->completed);
}

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    temp_dir_make(f->dir);
    CHECK_EQ(uv_loop_init(&f->loop), 0);
    CHECK_EQ(rt_disk_init(&f->disk, &f->loop, on_completed, f), 0);
    CHECK_EQ(rt_disk_init(&f->other, &f->loop, on_completed, f), 0);
}

static void fixture_fini(struct fixture *f)
{
    rt_disk_stop(&f->disk);
    rt_disk_stop(&f->other);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    CHECK_EQ(uv_loop_close(&f->loop), 0);
    rt_disk_fini(&f->disk);
    rt_disk_fini(&f->other);
    rt_ring_fini(&f->completed);
    temp_dir_remove(f->dir);
}

TEST(rt_disk, keeps_the_contract)
{
    static struct fixture f;
    fixture_init(&f);
    struct disk_contract c = { .disk = &f.disk.face,
                               .dir = f.dir,
                               .ctx = &f,
                               .next_completion = next_completion,
                               .other = &f.other.face };
    disk_contract_run(&c);
    fixture_fini(&f);
}

TEST(rt_disk, errors_of_the_system_are_told_apart)
{
    static const struct {
        int errno_value, status;
    } rows[] = { { ENOSPC, MS_ENOSPC }, { EDQUOT, MS_ENOSPC },    { ENOENT, MS_ENOTFOUND },
                 { EACCES, MS_EACCES }, { EPERM, MS_EACCES },     { EROFS, MS_EACCES },
                 { EEXIST, MS_EEXIST }, { ENOTEMPTY, MS_EEXIST }, { EIO, MS_EIO },
                 { EBADF, MS_EIO } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_EQ(rt_disk_error(rows[i].errno_value), rows[i].status);
}

/* No byte of it can be written, which the system tells at once, and no sync saves it. */
TEST(rt_disk, a_full_disk_and_a_failed_sync)
{
    uint8_t bytes[512] = { 1 };
    struct disk_op op = { .kind = DISK_OP_OPEN, .path = "/dev/full" };
    rt_disk_execute(&op);
    CHECK_EQ(op.status, 0);
    op.kind = DISK_OP_WRITE;
    op.buf = bytes;
    op.len = sizeof bytes;
    op.sync = true;
    rt_disk_execute(&op);
    CHECK_EQ(op.status, MS_ENOSPC);
    op.kind = DISK_OP_SYNC; /* a device that cannot be synced: EINVAL */
    rt_disk_execute(&op);
    CHECK_EQ(op.status, MS_EIO);
    op.kind = DISK_OP_CLOSE;
    rt_disk_execute(&op);
    CHECK_EQ(op.status, 0);
    op.file = -1;
    op.kind = DISK_OP_SYNC;
    rt_disk_execute(&op);
    CHECK_EQ(op.status, MS_EIO);
    /* Takes every byte and can sync none: so a write that shall be synced fails, and it alone. */
    op = (struct disk_op){ .kind = DISK_OP_OPEN, .path = "/dev/null" };
    rt_disk_execute(&op);
    op.kind = DISK_OP_WRITE;
    op.buf = bytes;
    op.len = sizeof bytes;
    rt_disk_execute(&op);
    CHECK_EQ(op.status, 0);
    CHECK_EQ(op.done_bytes, sizeof bytes);
    op.sync = true;
    rt_disk_execute(&op);
    CHECK_EQ(op.status, MS_EIO);
    op.kind = DISK_OP_CLOSE;
    rt_disk_execute(&op);
}

/* D6: one lane is a queue; three lanes go on beside each other; what is not taken back at a stop is
 * nobody's any more. */
TEST(rt_disk, lanes_keep_their_order_and_stop_with_work_left)
{
    enum { OPS = 300 };
    static struct fixture f;
    static struct disk_op ops[DISK_LANE_COUNT][OPS];
    uint64_t next[DISK_LANE_COUNT] = { 0 };
    fixture_init(&f);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < OPS; i++) {
            for (int lane = 0; lane < DISK_LANE_COUNT; lane++) {
                struct disk_op *op = &ops[lane][i];
                *op = (struct disk_op){ .kind = DISK_OP_FREE_SPACE, .lane = (enum disk_lane)lane };
                op->token = (uint64_t)i;
                snprintf(op->path, sizeof op->path, "%s", f.dir);
                f.disk.face.ops->submit(&f.disk.face, op);
            }
        }
        if (pass == 1) break;
        for (int i = 0; i < OPS * DISK_LANE_COUNT; i++) {
            const struct disk_op *op = next_completion(&f);
            CHECK_EQ(op->status, 0);
            CHECK(op->size_bytes > 0);
            CHECK_EQ(op->token, next[op->lane]++);
        }
    }
    fixture_fini(&f);
}

/* Who stops over an opening that nobody has heard of, or a closing that waits, leaves nothing open. */
TEST(rt_disk, a_stop_leaves_no_file_open)
{
    enum { OPS = 100 };
    static struct fixture f;
    static struct disk_op opens[OPS], busy[OPS], closes[OPS];
    fixture_init(&f);
    uint32_t before = open_descriptors();
    for (int i = 0; i < OPS; i++) {
        opens[i] = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_STATE, .create = true };
        snprintf(opens[i].path, sizeof opens[i].path, "%s/file", f.dir);
        closes[i] = opens[i];
        rt_disk_execute(&closes[i]);
        CHECK_EQ(closes[i].status, 0);
        closes[i].kind = DISK_OP_CLOSE;
        closes[i].lane = DISK_LANE_LOG;
        busy[i] =
            (struct disk_op){ .kind = DISK_OP_SYNC, .lane = DISK_LANE_LOG, .file = closes[0].file };
    }
    for (int i = 0; i < OPS; i++) f.disk.face.ops->submit(&f.disk.face, &opens[i]);
    for (int i = 0; i < OPS; i++) f.disk.face.ops->submit(&f.disk.face, &busy[i]);
    for (int i = 0; i < OPS; i++) f.disk.face.ops->submit(&f.disk.face, &closes[i]);
    rt_disk_stop(&f.disk);
    CHECK_EQ(open_descriptors(), before);
    rt_disk_stop(&f.other);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    CHECK_EQ(uv_loop_close(&f.loop), 0);
    rt_disk_fini(&f.disk);
    rt_disk_fini(&f.other);
    rt_ring_fini(&f.completed);
    temp_dir_remove(f.dir);
}
