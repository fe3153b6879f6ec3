/* Power loss before every operation of a recorded run, with several choices of what survives:
 * everything acknowledged is found again and nothing else, and the log goes on from there
 * (SIMULATION 5.6). */
#include "tests/wal/wal_rig.h"

static struct rig r;

static bool do_batch(unsigned i)
{
    uint64_t term = 1 + i / 4;
    if (!rig_until_ready(&r)) return false;
    rig_begin(&r);
    if (i % 4 == 0) rig_state(&r, term, 1 + i % 3);
    if (i % 9 == 7 && r.latest.last_index > r.latest.base_index + 3) {
        r.written_term = term + 1; /* supersede the last two */
        rig_entry(&r, r.latest.last_index - 1, term, 300);
    }
    if (i % 30 == 21) rig_reset(&r, r.latest.last_index + 10, term);
    for (unsigned k = 0; k < i % 3 + (i % 4 != 0); k++) {
        rig_entry(&r, r.latest.last_index + 1, term, i % 5 == 4 ? 15000 : 900);
    }
    rig_commit(&r);
    while (r.batch_busy) {
        if (!rig_step(&r)) return false;
    }
    return true;
}

/* The run: rolls, cuts, recycles, supersedes, resets. False: stopped by crash_at. */
static bool script(void)
{
    for (unsigned i = 0; i < 64; i++) {
        if (!do_batch(i)) return false;
        if (i % 6 == 5 && r.acked.last_index > r.acked.base_index + 4) {
            r.latest.base_index = r.acked.base_index = r.acked.last_index - 3;
            wal_cut(r.wal, r.acked.base_index);
        }
        for (unsigned k = 0; k < i % 4; k++) {
            if (!rig_step(&r) && r.head != r.tail) return false;
        }
    }
    return rig_settle(&r);
}

/* Opening fails at each of its operations in turn, with the power: then it is opened again. */
static uint64_t fail_after;
static int fail_later(void *ctx, const struct disk_op *op)
{
    (void)ctx;
    (void)op;
    if (fail_after == 0) return MS_EIO;
    fail_after--;
    return 0;
}

static void open_with_power_cuts(struct ms_rand *rand, uint64_t cuts)
{
    for (uint64_t i = 0; i < cuts; i++) {
        fail_after = ms_rand_below(rand, 24);
        sim_disk_set_fault(r.sim, fail_later, NULL);
        int rv = rig_open(&r);
        sim_disk_set_fault(r.sim, NULL, NULL);
        CHECK(rv == 0 || rv == MS_EIO);
        rig_crash(&r, true, ms_rand_below(rand, 2) ? rand : NULL);
    }
    CHECK_EQ(rig_open(&r), 0);
}

/* After a crash: look, go on, and look once more. */
static void recover_and_go_on(struct ms_rand *rand, uint64_t cuts, unsigned *torn)
{
    open_with_power_cuts(rand, cuts);
    *torn += r.found.found == WAL_FOUND_TORN;
    if (r.found.found == WAL_FOUND_DAMAGED) fprintf(stderr, "found damage: %s\n", r.found.detail);
    CHECK(r.found.found != WAL_FOUND_DAMAGED);
    CHECK(!r.found.state_lost);
    rig_expect_recovered(&r);
    if (rig_log_equal(&r.recovered, &r.latest) && !rig_log_equal(&r.recovered, &r.acked)) {
        CHECK_EQ(r.recovered.state.term, r.latest.state.term); /* one batch is one whole */
    }
    rig_adopt(&r);
    r.crash_at = 0;
    uint64_t term = r.acked.state.term + 20;
    r.written_term = term;
    CHECK(rig_append(&r, term, 1, 10)); /* shorter than what may have been torn */
    CHECK(rig_append(&r, term, 3, 9000));
    if (ms_rand_below(rand, 2)) CHECK(rig_settle(&r));
    rig_crash(&r, ms_rand_below(rand, 2), NULL);
    CHECK_EQ(rig_open(&r), 0);
    CHECK(r.found.found == WAL_FOUND_CLEAN);
    CHECK(rig_log_equal(&r.recovered, &r.acked));
    rig_expect_read(&r, r.acked.base_index + 1, r.acked.last_index);
}

static uint64_t sweep(uint64_t seed, bool power, bool lose_all, uint64_t cuts, unsigned *torn)
{
    uint64_t at = 1;
    for (bool done = false; !done; at++) {
        struct ms_rand rand;
        ms_rand_init(&rand, seed * 10000 + at, 5);
        rig_init(&r, 0);
        ms_rand_init(&r.order, seed, 6);
        r.opts.spare_segments_max = seed % 2; /* removed at once, or used again */
        CHECK_EQ(rig_open(&r), 0);
        r.crash_at = at;
        done = script();
        rig_crash(&r, power, lose_all ? NULL : &rand);
        recover_and_go_on(&rand, cuts, torn);
        rig_fini(&r);
    }
    return at;
}

TEST(wal_crash, power_loss_before_every_operation)
{
    unsigned torn = 0;
    CHECK(sweep(1, true, true, 0, &torn) > 100);
    CHECK_EQ(torn, 0); /* nothing survived in part */
    for (uint64_t seed = 2; seed < 5; seed++) CHECK(sweep(seed, true, false, 0, &torn) > 100);
    CHECK(torn > 20);
}

TEST(wal_crash, killed_before_every_operation)
{
    unsigned torn = 0;
    CHECK(sweep(7, false, false, 0, &torn) > 100);
}

TEST(wal_crash, power_loss_while_recovering)
{
    unsigned torn = 0;
    CHECK(sweep(11, true, false, 3, &torn) > 100);
}

/* One start after the other dies when its first batch is durable in the state file only: the file is
 * then ahead of the log, and that is no damage, however often it happens. */
TEST(wal_crash, the_state_file_gets_ahead_again_and_again)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    CHECK(rig_append(&r, 1, 1, 10));
    for (unsigned i = 0; i < 5; i++) {
        rig_begin(&r);
        rig_state(&r, r.acked.state.term + 1, 2);
        rig_commit(&r);
        for (bool done = false; !done;) { /* until the batch has what it waits for */
            for (unsigned k = r.head; k != r.tail && !done; k++) {
                struct disk_op *op = r.queue[k % RIG_OPS_MAX];
                done = op->lane == DISK_LANE_STATE;
                if (done) sim_disk_perform(r.sim, op);
            }
            if (!done) CHECK(rig_step(&r));
        }
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
        CHECK_EQ(r.found.state.term, i + 1);
        rig_expect_recovered(&r);
        rig_adopt(&r);
    }
    CHECK(rig_append(&r, 9, 1, 10));
    rig_crash(&r, true, NULL);
    CHECK_EQ(rig_open(&r), 0);
    rig_expect_recovered(&r);
    rig_fini(&r);
}
