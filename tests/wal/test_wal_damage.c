/* Damage: each sector of a log rots in turn, files are cut short or vanish, copies of the state are
 * lost. What was acknowledged is found, or its loss is told with file and offset; never is it lost in
 * silence. */
#include "tests/wal/wal_rig.h"

#include <stdlib.h>

static struct rig r;

/* Three segments with batches of one and of several sectors, and a prepared one. */
static void build(void)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 16; i++) {
        CHECK(rig_until_ready(&r));
        rig_begin(&r);
        if (i % 5 == 0) rig_state(&r, 1 + i / 5, 2);
        for (unsigned k = 0; k <= i % 3; k++) {
            rig_entry(&r, r.latest.last_index + 1, 1 + i / 5, i % 2 ? 9000 : 200);
        }
        rig_commit(&r);
        CHECK(rig_settle(&r));
    }
    rig_close(&r);
}

struct spot {
    char path[DISK_PATH_BYTES_MAX];
    uint64_t offset;
};

/* The recovered log is a beginning of the acknowledged one. */
static void expect_prefix(void)
{
    CHECK(r.recovered.last_index <= r.acked.last_index);
    for (uint64_t i = r.recovered.base_index + 1; i <= r.recovered.last_index; i++) {
        const struct rig_entry *a = &r.recovered.at[i], *b = &r.acked.at[i];
        CHECK(a->seed == b->seed && a->term == b->term && a->len == b->len);
    }
}

/* A damaged log is given up to the damage, says so at each start, takes a new batch behind it and
 * keeps saying so in its flags; the next start then finds nothing wrong. */
static void expect_damage_and_go_on(const char *path, uint64_t offset, bool state_lost)
{
    char where[DISK_PATH_BYTES_MAX + 40];
    snprintf(where, sizeof where, "%s, offset %llu:", path, (unsigned long long)offset);
    CHECK_EQ(r.found.found, WAL_FOUND_DAMAGED);
    if (strncmp(r.found.detail, where, strlen(where)) != 0) {
        fprintf(stderr, "told '%s', not '%s'\n", r.found.detail, where);
    }
    CHECK(strncmp(r.found.detail, where, strlen(where)) == 0);
    CHECK(r.found.state.flags & WAL_FLAG_DAMAGED);
    CHECK_EQ(r.found.state_lost, state_lost);
    if (!state_lost) CHECK_EQ(r.found.state.term, r.acked.state.term);
    expect_prefix();
    rig_crash(&r, true, NULL);
    CHECK_EQ(rig_open(&r), 0); /* nothing was changed by looking */
    CHECK_EQ(r.found.found, WAL_FOUND_DAMAGED);
    CHECK(strncmp(r.found.detail, where, strlen(where)) == 0);
    rig_adopt(&r);
    r.written_term = 50;
    CHECK(rig_append(&r, 50, 2, 4000));
    rig_crash(&r, true, NULL);
    CHECK_EQ(rig_open(&r), 0);
    CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
    CHECK(r.found.state.flags & WAL_FLAG_DAMAGED);
    CHECK(rig_log_equal(&r.recovered, &r.acked));
    rig_adopt(&r);
    for (unsigned i = 0; i < 8; i++) CHECK(rig_append(&r, 50, 2, 9000));
    CHECK(rig_settle(&r));
    rig_expect_read(&r, r.acked.base_index + 1, r.acked.last_index);
    rig_close(&r);
    CHECK_EQ(rig_open(&r), 0);
    CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
    CHECK(rig_log_equal(&r.recovered, &r.acked));
    /* What is damaged is cut away, and does not come back with another life. */
    wal_cut(r.wal, r.acked.last_index);
    r.acked.base_index = r.acked.last_index;
    for (unsigned i = 0; i < 3; i++) {
        CHECK(rig_append(&r, 50, 1, 10));
        CHECK(rig_settle(&r));
        rig_crash(&r, true, NULL);
        CHECK_EQ(rig_open(&r), 0);
        CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
        CHECK(rig_log_equal(&r.recovered, &r.acked));
    }
}

static uint64_t used_sectors(const char *path)
{
    uint8_t sector[DISK_SECTOR_BYTES];
    uint64_t n = 0;
    for (uint64_t i = 0; i < RIG_SEGMENT_BYTES / DISK_SECTOR_BYTES; i++) {
        CHECK(sim_disk_durable_read(r.sim, path, i * DISK_SECTOR_BYTES, sector, sizeof sector) >= 0);
        for (unsigned k = 0; k < sizeof sector; k++) {
            if (sector[k] != 0) n = i + 1;
        }
    }
    return n;
}

TEST(wal_damage, each_sector_rots_in_turn)
{
    unsigned count = 1, damaged = 0, harmless = 0;
    char path[DISK_PATH_BYTES_MAX];
    for (unsigned nth = 0; nth < count; nth++) {
        uint64_t sectors = 1;
        for (uint64_t s = 0; s < RIG_SEGMENT_BYTES / DISK_SECTOR_BYTES; s++) {
            struct ms_rand rand;
            if (s > sectors + 2 && s % 16 != 0) continue; /* much the same behind the end */
            if (s > 12 && s < sectors && s % 3) continue; /* and in a long batch */
            ms_rand_init(&rand, s, nth);
            build();
            rig_segment_path(&r, nth, path, &count);
            sectors = used_sectors(path);
            CHECK_EQ(sim_disk_rot(r.sim, path, s * DISK_SECTOR_BYTES, &rand), 0);
            CHECK_EQ(rig_open(&r), 0);
            if (s >= 8 && s < sectors) { /* a batch that was acknowledged */
                expect_damage_and_go_on(path, s * DISK_SECTOR_BYTES, false);
                damaged++;
            } else if (r.found.found == WAL_FOUND_DAMAGED) {
                uint64_t told = strtoull(strstr(r.found.detail, "offset ") + 7, NULL, 10);
                CHECK(told == s * DISK_SECTOR_BYTES || (told == 0 && s < 8));
                expect_damage_and_go_on(path, told, false);
                damaged++;
            } else {
                CHECK(rig_log_equal(&r.recovered, &r.acked));
                rig_adopt(&r);
                CHECK(rig_append(&r, 50, 3, 9000));
                CHECK(rig_settle(&r));
                harmless++;
            }
            rig_fini(&r);
        }
    }
    CHECK_EQ(count, 4);
    CHECK(damaged > 100);
    CHECK(harmless > 20);
}

/* A file that was cut short where a batch ends, or in one, or in its header, or vanished. */
TEST(wal_damage, files_are_cut_short_and_vanish)
{
    char path[DISK_PATH_BYTES_MAX];
    unsigned count = 1;
    for (unsigned nth = 0; nth < count; nth++) {
        for (uint64_t size = 0; size <= RIG_SEGMENT_BYTES; size += size < 16384 ? 512 : 3584) {
            build();
            rig_segment_path(&r, nth, path, &count);
            uint64_t sectors = used_sectors(path);
            struct disk_op op = { .kind = DISK_OP_OPEN };
            snprintf(op.path, sizeof op.path, "%s", path);
            CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
            op.kind = DISK_OP_TRUNCATE;
            op.offset = size;
            CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
            op.kind = DISK_OP_CLOSE;
            CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
            CHECK_EQ(rig_open(&r), 0);
            if (size < sectors * DISK_SECTOR_BYTES) {
                CHECK_EQ(r.found.found, WAL_FOUND_DAMAGED);
                CHECK(strncmp(r.found.detail, path, strlen(path)) == 0);
                expect_prefix();
            } else if (r.found.found != WAL_FOUND_DAMAGED) {
                CHECK(rig_log_equal(&r.recovered, &r.acked));
            }
            rig_fini(&r);
        }
        build();
        rig_segment_path(&r, nth, path, &count);
        struct disk_op op = { .kind = DISK_OP_REMOVE };
        snprintf(op.path, sizeof op.path, "%s", path);
        CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
        CHECK_EQ(rig_open(&r), 0);
        if (nth + 1 < count)
            expect_damage_and_go_on(path, 0, false);
        else
            CHECK(rig_log_equal(&r.recovered, &r.acked)); /* the prepared one was empty */
        rig_fini(&r);
    }
}

static void rot_state(uint64_t slot)
{
    struct ms_rand rand;
    ms_rand_init(&rand, slot, 9);
    CHECK_EQ(sim_disk_rot(r.sim, "log/state", slot * 4096, &rand), 0);
}

static void remove_file(const char *path)
{
    struct disk_op op = { .kind = DISK_OP_REMOVE };
    snprintf(op.path, sizeof op.path, "%s", path);
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
}

/* One copy of the state is enough, whichever it is, and the other one is made whole again; when the log
 * is damaged and the file as well, nobody knows whether there was a later vote. */
TEST(wal_damage, copies_of_the_state)
{
    char path[DISK_PATH_BYTES_MAX];
    unsigned count;
    for (unsigned what = 1; what < 5; what++) {
        build();
        if (what & 1) rot_state(0);
        if (what & 2) rot_state(1);
        if (what == 4) remove_file("log/state");
        CHECK_EQ(rig_open(&r), 0);
        CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
        CHECK(!r.found.state_lost);
        rig_expect_recovered(&r);
        rig_crash(&r, true, NULL);
        rig_segment_path(&r, 0, path, &count);
        remove_file(path); /* now it is the log that is damaged */
        CHECK_EQ(rig_open(&r), 0);
        expect_damage_and_go_on(path, 0, false);
        rig_fini(&r);

        build();
        if (what & 1) rot_state(0);
        if (what & 2) rot_state(1);
        if (what == 4) remove_file("log/state");
        rig_segment_path(&r, 2, path, &count);
        struct ms_rand rand;
        ms_rand_init(&rand, 1, 1);
        CHECK_EQ(sim_disk_rot(r.sim, path, 4096, &rand), 0);
        CHECK_EQ(rig_open(&r), 0);
        expect_damage_and_go_on(path, 4096, true);
        rig_fini(&r);
    }
    build();
    for (count = 1; count > 0;) {
        rig_segment_path(&r, 0, path, &count);
        if (count > 0) remove_file(path);
    }
    CHECK_EQ(rig_open(&r), 0); /* the state file alone */
    CHECK_EQ(r.found.found, WAL_FOUND_DAMAGED);
    CHECK(!r.found.state_lost);
    CHECK_EQ(r.found.state.term, r.acked.state.term);
    CHECK_EQ(r.found.last_index, 0);
    rig_adopt(&r);
    CHECK(rig_append(&r, 50, 2, 10));
    CHECK(rig_settle(&r));
    rig_fini(&r);
}

/* Rot where a segment is no longer needed is no damage. */
TEST(wal_damage, of_what_is_cut_away_does_not_matter)
{
    char path[DISK_PATH_BYTES_MAX];
    struct ms_rand rand;
    ms_rand_init(&rand, 1, 1);
    build();
    CHECK_EQ(rig_open(&r), 0);
    wal_cut(r.wal, r.acked.last_index - 1);
    r.acked.base_index = r.acked.last_index - 1;
    CHECK(rig_append(&r, 9, 1, 10));
    rig_crash(&r, false, NULL); /* before anything is recycled */
    rig_segment_path(&r, 0, path, NULL);
    for (uint64_t s = 0; s < 20; s++) {
        CHECK_EQ(sim_disk_rot(r.sim, path, s * DISK_SECTOR_BYTES, &rand), 0);
    }
    CHECK_EQ(rig_open(&r), 0);
    CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
    rig_expect_recovered(&r);
    rig_adopt(&r);
    for (unsigned i = 0; i < 12; i++) { /* and it does not come back in another life */
        CHECK(rig_append(&r, 9, 3, 9000));
        CHECK(rig_settle(&r));
        rig_close(&r);
        CHECK_EQ(rig_open(&r), 0);
        CHECK_EQ(r.found.found, WAL_FOUND_CLEAN);
        CHECK(rig_log_equal(&r.recovered, &r.acked));
    }
    rig_fini(&r);
}

/* A write that was acknowledged and is not there: seen by what came after it. */
TEST(wal_damage, a_lost_write_is_seen_when_another_followed)
{
    static uint8_t zeros[DISK_SECTOR_BYTES];
    char path[DISK_PATH_BYTES_MAX];
    uint64_t sectors = 20, last_batch = 0;
    for (uint64_t s = 8; s < sectors; s++) {
        rig_init(&r, 0);
        CHECK_EQ(rig_open(&r), 0);
        for (unsigned i = 0; i < 6; i++) {
            rig_segment_path(&r, 0, path, NULL);
            last_batch = used_sectors(path);
            CHECK(rig_append(&r, 1, 1 + i % 2, 700));
        }
        sectors = used_sectors(path);
        rig_close(&r);
        struct disk_op op = { .kind = DISK_OP_OPEN };
        snprintf(op.path, sizeof op.path, "%s", path);
        CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
        op.kind = DISK_OP_WRITE;
        op.offset = s * DISK_SECTOR_BYTES;
        op.buf = zeros;
        op.len = sizeof zeros;
        op.sync = true;
        CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
        CHECK_EQ(rig_open(&r), 0);
        if (s < last_batch)
            expect_damage_and_go_on(path, op.offset, false);
        else
            CHECK_EQ(r.found.found, WAL_FOUND_TORN); /* nothing tells it from one that was torn */
        expect_prefix();
        rig_fini(&r);
    }
    CHECK(sectors > 20);
}

/* Not even a segment vanishes unseen that has brought no change of the state. */
TEST(wal_damage, the_newest_segment_vanishes)
{
    char path[DISK_PATH_BYTES_MAX];
    unsigned count;
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
    for (unsigned i = 0; i < 4; i++) CHECK(rig_append(&r, 1, 3, 6000));
    CHECK(rig_settle(&r));
    rig_close(&r);
    rig_segment_path(&r, 1, path, &count);
    CHECK_EQ(count, 3);
    remove_file(path);
    CHECK_EQ(rig_open(&r), 0);
    expect_damage_and_go_on(path, 0, false);
    rig_fini(&r);
}
