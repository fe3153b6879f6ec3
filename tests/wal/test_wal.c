/* The log: appending, recovering, superseding, rolling, cutting, resetting, reading back. */
#include "tests/wal/wal_rig.h"

static struct rig r;

static void reopen(void)
{
    rig_close(&r);
    CHECK_EQ(rig_open(&r), 0);
    rig_expect_recovered(&r);
    rig_adopt(&r);
}

TEST(wal, a_new_log_is_empty_and_stays_new_until_something_is_committed)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    CHECK_EQ(r.found.found, WAL_FOUND_NEW);
    CHECK_EQ(r.found.first_index, 1);
    CHECK_EQ(r.found.last_index, 0);
    CHECK(memcmp(r.found.nonce, "nonce of member", 16) == 0);
    CHECK(wal_quiet(r.wal) && wal_ready(r.wal));
    r.opts.nonce[0] = 'x';
    reopen();
    CHECK_EQ(r.found.found, WAL_FOUND_NEW);
    CHECK(memcmp(wal_nonce(r.wal), "nonce of member", 16) == 0); /* the one found counts */
    rig_begin(&r);
    rig_state(&r, 1, 3);
    rig_commit(&r);
    CHECK(!wal_ready(r.wal));
    CHECK_EQ(wal_state(r.wal)->term, 1);
    CHECK_EQ(wal_durable_state(r.wal)->term, 0);
    CHECK(rig_settle(&r));
    CHECK_EQ(wal_durable_state(r.wal)->term, 1);
    reopen();
    CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
    CHECK_EQ(r.found.state.vote, 3);
    rig_close(&r);
    r.opts.member_id = 4;
    CHECK_EQ(rig_open(&r), MS_EFOREIGN);
    CHECK(strstr(r.found.detail, "'s, and this is member 4")); /* whose it is, for a person */
    rig_fini(&r);
}

TEST(wal, finds_again_what_was_appended)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    static const size_t lens[] = { 8, 455, 456, 496, 900, 5000, 20000, 25000 };
    for (unsigned i = 0; i < 8; i++) {
        CHECK(rig_append(&r, 1 + i / 3, i % 3 + 1, lens[i]));
        if (i % 3 == 2) reopen();
    }
    CHECK(rig_settle(&r));
    rig_expect_read(&r, 1, r.acked.last_index);
    for (uint64_t i = 1; i <= r.acked.last_index; i++) rig_expect_read(&r, i, i);
    reopen();
    rig_expect_read(&r, 1, r.acked.last_index);
    rig_fini(&r);
}

/* docs/decisions/0001: in term 4 somebody brings (index 2, term 2) to a log that holds (2, 3): a lower
 * term of the entry, a higher one of the writer. */
TEST(wal, a_lower_term_written_later_supersedes)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    CHECK(rig_append(&r, 1, 1, 10));
    CHECK(rig_append(&r, 3, 2, 10));
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    r.written_term = 4;
    rig_entry(&r, 2, 2, 30);
    CHECK_EQ(wal_last_index(r.wal), 2);
    CHECK_EQ(wal_durable_index(r.wal), 1); /* W3: what it replaces is no longer there */
    rig_entry(&r, 3, 2, 30);
    rig_entry(&r, 4, 3, 30);
    rig_entry(&r, 3, 3, 700); /* and again, within the batch */
    rig_commit(&r);
    CHECK(rig_settle(&r));
    CHECK_EQ(wal_durable_index(r.wal), 3);
    rig_expect_read(&r, 1, 3);
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    r.written_term = 5;
    rig_entry(&r, 4, 3, 40); /* and below what the batch began with */
    rig_entry(&r, 2, 2, 50);
    rig_entry(&r, 3, 3, 700);
    rig_commit(&r);
    CHECK(rig_settle(&r));
    CHECK_EQ(wal_durable_index(r.wal), 3);
    rig_expect_read(&r, 1, 3);
    reopen();
    CHECK_EQ(r.found.last_index, 3);
    CHECK_EQ(r.acked.at[2].term, 2);
    CHECK_EQ(r.acked.at[3].len, 700);
    rig_expect_read(&r, 1, 3);
    rig_fini(&r);
}

static unsigned segments(void)
{
    char path[DISK_PATH_BYTES_MAX];
    unsigned count;
    rig_segment_path(&r, 0, path, &count);
    return count;
}

/* A batch that does not fit rolls to the prepared segment; a cut lets go of old segments, some of which
 * are used again, under a new life; what is on disk stays bounded. */
TEST(wal, rolls_cuts_and_recycles)
{
    char path[DISK_PATH_BYTES_MAX], oldest[DISK_PATH_BYTES_MAX];
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    CHECK_EQ(segments(), 1);
    for (unsigned i = 0; i < 20; i++) CHECK(rig_append(&r, 1 + i / 7, 3, 5000));
    CHECK(rig_settle(&r));
    CHECK_EQ(segments(), 8); /* three batches in each, and the next one */
    CHECK_EQ(wal_disk_bytes(r.wal), 8 * RIG_SEGMENT_BYTES);
    rig_expect_read(&r, 1, 60);
    reopen();
    rig_expect_read(&r, 1, 60);
    rig_segment_path(&r, 0, oldest, NULL);
    uint64_t live = wal_live_bytes(r.wal);
    wal_cut(r.wal, 40);
    r.acked.base_index = r.latest.base_index = 40;
    CHECK(wal_live_bytes(r.wal) < live / 2);
    CHECK_EQ(wal_read(r.wal, 40, 41, 1000, 1), MS_ENOTFOUND);
    CHECK(rig_settle(&r));
    CHECK_EQ(segments(), 8); /* not before a batch has said so */
    CHECK(rig_append(&r, 4, 1, 10));
    CHECK(rig_settle(&r));
    CHECK_EQ(segments(), 6); /* four are not needed, two of them are kept */
    rig_segment_path(&r, 0, path, NULL);
    CHECK(strcmp(path, oldest) != 0);
    reopen();
    CHECK_EQ(r.found.base_index, 40);
    CHECK_EQ(r.found.base_term, 2);
    for (unsigned i = 0; i < 60; i++) {
        CHECK(rig_append(&r, 5, 3, 5000));
        wal_cut(r.wal, r.acked.last_index - 10);
        r.acked.base_index = r.latest.base_index = r.acked.last_index - 10;
        CHECK(segments() <= 6);
        if (i % 17 == 3) {
            CHECK(rig_settle(&r));
            reopen();
        }
    }
    CHECK(rig_settle(&r));
    rig_expect_read(&r, r.acked.base_index + 1, r.acked.last_index);
    uint64_t durable = r.acked.last_index;
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    rig_entry(&r, durable + 1, 5, 10);
    rig_commit(&r);
    wal_cut(r.wal, UINT64_MAX - 1); /* more than there is: all that is durable */
    CHECK(rig_settle(&r));
    rig_expect_read(&r, durable + 1, durable + 1);
    wal_cut(r.wal, UINT64_MAX - 1);
    CHECK_EQ(wal_live_bytes(r.wal), 0);
    CHECK(rig_append(&r, 5, 1, 10));
    CHECK(rig_settle(&r));
    CHECK_EQ(segments(), 4);
    rig_fini(&r);
}

/* Nothing more may come to be written while what the cut gives back is lacking. */
TEST(wal, a_batch_of_nothing_but_a_cut_gives_segments_back)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 20; i++) CHECK(rig_append(&r, 1, 3, 5000));
    CHECK(rig_settle(&r) && segments() == 8 && !wal_cut_waits(r.wal));
    wal_cut(r.wal, 40);
    r.acked.base_index = r.latest.base_index = 40;
    CHECK(wal_cut_waits(r.wal));
    rig_begin(&r);
    rig_commit(&r);
    CHECK(rig_settle(&r) && segments() == 6 && !wal_cut_waits(r.wal));
    reopen();
    CHECK(r.found.base_index == 40 && r.found.last_index == 60);
    rig_expect_read(&r, 41, 60);
    rig_fini(&r);
}

/* A snapshot was installed: the log begins anew behind it, in the same batch as what follows. */
TEST(wal, begins_anew_behind_a_snapshot)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 8; i++) CHECK(rig_append(&r, 2, 3, 5000));
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    rig_reset(&r, 500, 6);
    rig_state(&r, 7, 0);
    rig_entry(&r, 501, 7, 100);
    rig_commit(&r);
    CHECK(rig_settle(&r));
    CHECK_EQ(wal_read(r.wal, 500, 501, 100, 1), MS_ENOTFOUND);
    rig_expect_read(&r, 501, 501);
    CHECK(segments() <= 4);
    reopen();
    CHECK_EQ(r.found.base_index, 500);
    CHECK_EQ(r.found.base_term, 6);
    CHECK_EQ(r.found.last_index, 501);
    rig_begin(&r);
    rig_entry(&r, 502, 7, 10);
    rig_reset(&r, 400, 3); /* backwards, and what the batch had is void */
    rig_commit(&r);
    CHECK(rig_settle(&r));
    reopen();
    CHECK_EQ(r.found.first_index, 401);
    CHECK_EQ(r.found.last_index, 400);
    rig_fini(&r);
}

/* The largest batch there is, one byte more, and a batch of nothing. */
TEST(wal, bounds_its_batches)
{
    static uint8_t payload[64 << 10];
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    size_t most = wal_batch_bytes_max(r.wal) - WAL_ENTRY_OVERHEAD;
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    CHECK_EQ(wal_batch_entry(r.wal, 1, 1, 1, bytes_of(payload, most + 1)), MS_ETOOBIG);
    rig_entry(&r, 1, 1, most);
    CHECK_EQ(wal_batch_entry(r.wal, 1, 2, 1, bytes_of(payload, 0)), MS_ETOOBIG);
    rig_commit(&r);
    CHECK(rig_settle(&r));
    CHECK(rig_append(&r, 1, 1, most));
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    rig_commit(&r);
    CHECK(!r.batch_busy);
    CHECK(rig_settle(&r));
    reopen();
    rig_expect_read(&r, 1, 2);
    rig_fini(&r);
}

/* Entries that are cut while they are read are not there; others are read although the segment they are
 * in ceases to be the current one. */
TEST(wal, reads_while_the_log_goes_on)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 6; i++) CHECK(rig_append(&r, 1, 4, 5000));
    CHECK(rig_settle(&r));
    CHECK_EQ(wal_read(r.wal, 1, 2, 1000, 9), 0);
    CHECK(!wal_quiet(r.wal));
    wal_cut(r.wal, 20);
    r.acked.base_index = 20;
    CHECK(rig_append(&r, 1, 1, 10));
    CHECK(rig_settle(&r));
    CHECK(r.read_done);
    CHECK(r.read.status == 0 || r.read.status == MS_ENOTFOUND);
    for (uint32_t i = 0; i < r.read.count; i++) entry_ref_drop(&r.alloc.face, r.read.entries[i]);
    r.read_done = false;
    CHECK_EQ(wal_read(r.wal, 22, 25, 100000, 10), 0);
    rig_close(&r); /* in the middle of it */
    CHECK_EQ(rig_open(&r), 0);
    CHECK_EQ(sim_disk_open_files(r.sim), 3); /* state, current, next: a handle was not lost */
    rig_fini(&r);
}

/* What is read is what stands there when it is given: not what a new leader has superseded while the disk was read. */
TEST(wal, a_read_of_entries_that_are_superseded_meanwhile_finds_none)
{
    for (unsigned held = 0; held < 2; held++) {
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        for (unsigned i = 0; i < 6; i++) CHECK(rig_append(&r, 1, 4, 500));
        CHECK(rig_settle(&r));
        CHECK_EQ(wal_read(r.wal, 10, 12, 10000, 9), 0);
        if (held) CHECK(rig_step(&r)); /* the segment is open, nothing has been read */
        CHECK(!r.read_done);
        rig_begin(&r);
        for (uint64_t index = 10; index < 30; index++) rig_entry(&r, index, 2, 300);
        rig_commit(&r);
        CHECK(rig_settle(&r));
        CHECK(r.read_done && r.read.count == 0);
        CHECK_EQ(r.read.status, MS_ENOTFOUND);
        r.read_done = false;
        rig_expect_read(&r, 8, 29);
        rig_fini(&r);
    }
}

/* No room for another segment: the log goes on in what it has, and does so again when there is room. */
TEST(wal, waits_for_space)
{
    rig_init(&r, 4 * RIG_SEGMENT_BYTES + 16384);
    CHECK_EQ(rig_open(&r), 0);
    unsigned batches = 0;
    while (rig_append(&r, 1, 2, 5000)) batches++;
    CHECK(!r.failed);
    CHECK(batches >= 4 * 4 && batches <= 4 * 6);
    CHECK(rig_settle(&r) && !wal_ready(r.wal) && wal_quiet(r.wal));
    wal_retry(r.wal);
    CHECK(rig_settle(&r) && !wal_ready(r.wal)); /* still none */
    sim_disk_set_capacity(r.sim, 16 * RIG_SEGMENT_BYTES);
    wal_retry(r.wal);
    CHECK(rig_settle(&r) && !r.batch_busy && wal_ready(r.wal));
    CHECK(rig_append(&r, 1, 2, 5000));
    CHECK(rig_settle(&r));
    reopen();
    CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
    rig_expect_read(&r, 1, r.acked.last_index);
    rig_fini(&r);
}

/* A failed write or sync is final (D5): of a batch, of the state, of a piece zeroed ahead. */
static enum disk_lane fault_lane;
static int fault_status;
static int fault_on_lane(void *ctx, const struct disk_op *op)
{
    (void)ctx;
    return op->lane == fault_lane && op->kind == DISK_OP_WRITE ? fault_status : 0;
}

TEST(wal, stops_at_a_failed_write)
{
    for (int lane = 0; lane < DISK_LANE_COUNT; lane++) {
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        sim_disk_set_fault(r.sim, fault_on_lane, NULL);
        fault_lane = (enum disk_lane)lane;
        fault_status = MS_EIO;
        rig_begin(&r);
        rig_state(&r, 1, 1);
        rig_entry(&r, 1, 1, 10);
        rig_commit(&r);
        CHECK(!rig_settle(&r));
        CHECK_EQ(r.failed, MS_EIO);
        CHECK(!wal_ready(r.wal));
        CHECK(strstr(r.last_log, "failed") != NULL);
        sim_disk_set_fault(r.sim, NULL, NULL);
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        rig_expect_recovered(&r);
        rig_fini(&r);
    }
}

/* Each allocation refused in turn: a clean MS_ENOMEM or success, nothing lost on disk, nothing left
 * over. */
TEST(wal, survives_refused_allocations)
{
    for (uint64_t at = 1, refused = 1; refused; at++) {
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        for (unsigned i = 0; i < 8; i++) CHECK(rig_append(&r, 1, 3, 5000));
        CHECK(rig_settle(&r));
        rig_close(&r);
        r.alloc.requests = 0;
        r.alloc.refuse_at = at;
        int rv = rig_open(&r);
        if (rv < 0) {
            CHECK_EQ(rv, MS_ENOMEM);
            CHECK_EQ(r.alloc.alive, 0);
        } else {
            static uint8_t payload[40000];
            CHECK(rig_until_ready(&r));
            rig_begin(&r);
            uint64_t last = wal_last_index(r.wal);
            rv = wal_batch_entry(r.wal, 9, last + 1, 9, bytes_of(payload, sizeof payload));
            CHECK(rv == 0 || rv == MS_ENOMEM);
            CHECK_EQ(wal_last_index(r.wal), last + (rv == 0));
            r.latest.last_index += rv == 0;
            rig_commit(&r);
            rv = wal_read(r.wal, 1, 24, 100000, 5);
            CHECK(rv == 0 || rv == MS_ENOMEM);
            r.read_done = false;
            while (rig_step(&r)) {
            }
            CHECK(r.failed == 0 || r.failed == MS_EIO);
            for (uint32_t i = 0; r.read_done && i < r.read.count; i++) {
                entry_ref_drop(&r.alloc.face, r.read.entries[i]);
            }
        }
        refused = r.alloc.requests >= at;
        r.alloc.refuse_at = 0;
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        CHECK(r.found.last_index >= 24);
        rig_fini(&r);
    }
}

/* Damage that a read meets is told with file and offset, and is final. */
TEST(wal, a_read_that_meets_damage_stops_the_member)
{
    static const char where[] = "log/wal-0000000000000001.seg, offset 5120";
    struct ms_rand rand;
    ms_rand_init(&rand, 1, 1);
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    CHECK(rig_append(&r, 1, 4, 900));
    CHECK(rig_settle(&r));
    CHECK_EQ(sim_disk_rot(r.sim, "log/wal-0000000000000001.seg", 5120, &rand), 0);
    CHECK_EQ(wal_read(r.wal, 1, 4, 10000, 1), 0);
    CHECK(!rig_settle(&r));
    CHECK_EQ(r.failed, MS_ELOSTDATA);
    CHECK(strncmp(r.last_log, where, strlen(where)) == 0);
    rig_fini(&r);
}
