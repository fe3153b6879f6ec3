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
