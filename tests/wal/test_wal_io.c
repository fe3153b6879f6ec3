/* Disks that fail: a sync that fails calls clean what it has not written, so that whoever comes back and
 * reads it must write it again before it counts; what cannot be read is damaged. */
#include "tests/wal/wal_rig.h"

static struct rig r;

static enum disk_lane fault_lane;
static int fault_left;
static int fault_on_write(void *ctx, const struct disk_op *op)
{
    (void)ctx;
    return op->lane == fault_lane && op->kind == DISK_OP_WRITE && fault_left-- > 0 ? MS_EIO : 0;
}

static void fail_next(enum disk_lane lane, int count)
{
    fault_lane = lane;
    fault_left = count;
    sim_disk_set_fault(r.sim, fault_on_write, NULL);
}

static void heal(void)
{
    sim_disk_set_fault(r.sim, NULL, NULL);
}

/* Batches, and then one whose sync fails: in the page cache it is whole. */
static void append_and_fail(enum disk_lane lane, int count)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 4; i++) CHECK(rig_append(&r, 1, 2, 700));
    CHECK(rig_settle(&r));
    fail_next(lane, count);
    rig_begin(&r);
    rig_state(&r, 7, 2);
    rig_entry(&r, r.latest.last_index + 1, 7, 3000);
    rig_commit(&r);
    CHECK(!rig_settle(&r));
    CHECK_EQ(r.failed, MS_EIO);
    heal();
}

TEST(wal_io, what_a_failed_sync_lost_is_written_again_before_it_counts)
{
    for (int lane = DISK_LANE_LOG; lane <= DISK_LANE_STATE; lane++) {
        append_and_fail((enum disk_lane)lane, 1);
        rig_crash(&r, false, NULL);
        CHECK_EQ(rig_open(&r), 0);
        rig_expect_recovered(&r);
        CHECK_EQ(r.found.state.term, 7);
        rig_adopt(&r); /* from here on it may have told others */
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        rig_expect_recovered(&r);
        CHECK_EQ(r.found.state.term, 7);
        CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
        rig_fini(&r);
    }
}

/* Both copies of term and vote stand in sectors that two syncs have lost. */
TEST(wal_io, both_copies_of_a_vote_are_written_again)
{
    append_and_fail(DISK_LANE_LOG, 1);
    while (r.head != r.tail) { /* the other one is on its way */
        struct disk_op *op = r.queue[r.head++ % RIG_OPS_MAX];
        fail_next(op->lane, 1);
        sim_disk_perform(r.sim, op);
    }
    heal();
    rig_crash(&r, false, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(rig_open(&r), 0);
        CHECK_EQ(r.found.state.term, 7);
        CHECK_EQ(r.found.state.vote, 2);
        rig_crash(&r, true, NULL);
    }
    rig_fini(&r);
}

/* A start zeroes a torn batch, the sync fails, the next start must not take the page cache's word. */
TEST(wal_io, a_torn_batch_is_zeroed_in_the_end_though_a_sync_failed)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct ms_rand rand;
        ms_rand_init(&rand, seed, 5);
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        CHECK(rig_append(&r, 1, 2, 700));
        rig_begin(&r);
        rig_entry(&r, r.latest.last_index + 1, 1, 6000);
        rig_commit(&r);
        rig_crash(&r, true, &rand);
        fail_next(DISK_LANE_LOG, 1);
        int rv = rig_open(&r);
        heal();
        if (rv < 0) {
            CHECK_EQ(rv, MS_EIO);
            sim_disk_crash(r.sim, false, NULL, NULL);
            CHECK_EQ(rig_open(&r), 0);
        }
        rig_expect_recovered(&r);
        rig_adopt(&r);
        CHECK(rig_append(&r, 1, 1, 20));
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        CHECK(r.found.found != WAL_FOUND_DAMAGED);
        rig_expect_recovered(&r);
        rig_fini(&r);
    }
}

static void put_back(uint64_t offset, uint8_t *sector)
{
    struct disk_op open = { .kind = DISK_OP_OPEN, .path = "log/wal-0000000000000001.seg" };
    CHECK_EQ(r.disk->ops->call(r.disk, &open), 0);
    struct disk_op write = { .kind = DISK_OP_WRITE, .file = open.file, .offset = offset, .sync = true };
    struct disk_op close = { .kind = DISK_OP_CLOSE, .file = open.file };
    write.buf = sector;
    write.len = DISK_SECTOR_BYTES;
    CHECK_EQ(r.disk->ops->call(r.disk, &write), 0);
    CHECK_EQ(r.disk->ops->call(r.disk, &close), 0);
}

/* The zeros stood in the page cache alone, and what was to be written back as well. A shorter batch took the place, and
 * power brings back the end of the one that was torn (seed 954183846654). */
TEST(wal_io, what_is_left_of_a_torn_batch_behind_the_one_in_its_place_is_no_damage)
{
    uint8_t torn[4][DISK_SECTOR_BYTES];
    for (uint64_t left = 1; left < 4; left++) { /* that it begins so many sectors behind */
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        CHECK(rig_append(&r, 1, 2, 700));
        CHECK(rig_settle(&r));
        rig_begin(&r);
        rig_entry(&r, r.latest.last_index + 1, 1, 6000);
        rig_commit(&r);
        CHECK(r.head != r.tail);
        const struct disk_op *op = r.queue[r.head % RIG_OPS_MAX];
        uint64_t offset = op->offset;
        CHECK(op->kind == DISK_OP_WRITE && op->len > sizeof torn);
        memcpy(torn, op->buf, sizeof torn);
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        rig_adopt(&r);
        CHECK(rig_append(&r, 1, 1, 20) && rig_settle(&r));
        for (int i = 0; i < 2; i++) {
            rig_crash(&r, true, NULL);
            if (i == 0) put_back(offset + left * DISK_SECTOR_BYTES, torn[left]);
            CHECK_EQ(rig_open(&r), 0);
            cr_assert(r.found.found != WAL_FOUND_DAMAGED, "%s", r.found.detail);
            rig_expect_recovered(&r);
            CHECK(rig_append(&r, 1, 2, 700) && rig_settle(&r));
        }
        rig_fini(&r);
    }
}

TEST(wal_io, a_short_write_is_a_failed_one)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    CHECK(rig_append(&r, 1, 2, 700));
    CHECK(rig_settle(&r));
    rig_begin(&r);
    rig_entry(&r, r.latest.last_index + 1, 1, 3000);
    rig_commit(&r);
    CHECK(r.head != r.tail);
    struct disk_op *op = r.queue[r.head++ % RIG_OPS_MAX];
    sim_disk_perform_as(r.sim, op, SIM_DISK_SHORT, DISK_SECTOR_BYTES);
    CHECK_EQ(op->status, 0);
    CHECK_EQ(wal_on_disk(r.wal, op), MS_EIO);
    rig_crash(&r, true, NULL);
    CHECK_EQ(rig_open(&r), 0);
    rig_expect_recovered(&r);
    rig_fini(&r);
}

static uint64_t only_offset;
static const char *only_name;
static int unreadable(void *ctx, const struct disk_op *op)
{
    static disk_file file = DISK_FILE_NONE; /* opened last under that name */
    (void)ctx;
    if (op->kind == DISK_OP_OPEN)
        file = strstr(op->path, only_name) ? DISK_FILE_NONE - 1 : DISK_FILE_NONE;
    bool hit =
        op->kind == DISK_OP_READ && op->offset <= only_offset && only_offset < op->offset + op->len;
    return hit && file == DISK_FILE_NONE - 1 ? MS_EIO : 0;
}

/* A sector of the log that cannot be read: as one that has rotted. The log is given up to there. */
TEST(wal_io, a_sector_that_cannot_be_read_is_damaged)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 6; i++) CHECK(rig_append(&r, 1, 2, 700));
    CHECK(rig_settle(&r));
    rig_close(&r);
    only_name = "wal-";
    only_offset = 4096 + 6 * DISK_SECTOR_BYTES;
    sim_disk_set_fault(r.sim, unreadable, NULL);
    CHECK_EQ(rig_open(&r), 0);
    heal();
    CHECK_EQ(r.found.found, WAL_FOUND_DAMAGED);
    CHECK(strstr(r.found.detail, "offset 7168") != NULL);
    CHECK(r.recovered.last_index > 0 && r.recovered.last_index < r.acked.last_index);
    rig_fini(&r);
}

/* One slot of the state file: the other one and the log are there. */
TEST(wal_io, a_slot_that_cannot_be_read_is_written_anew)
{
    for (uint64_t slot = 0; slot < 2; slot++) {
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        for (unsigned i = 0; i < 3; i++) {
            rig_begin(&r);
            rig_state(&r, 2 + i, 1);
            rig_entry(&r, r.latest.last_index + 1, 2 + i, 100);
            rig_commit(&r);
            CHECK(rig_settle(&r));
        }
        rig_close(&r);
        only_name = "state";
        only_offset = slot * 4096;
        sim_disk_set_fault(r.sim, unreadable, NULL);
        CHECK_EQ(rig_open(&r), 0);
        heal();
        CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
        CHECK_EQ(r.found.state.term, 4);
        CHECK(!r.found.state_lost);
        rig_fini(&r);
    }
}
