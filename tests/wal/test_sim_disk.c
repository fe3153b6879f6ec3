/* The simulated disk: the contract of env/disk.h, and the breaking that it may do. */
#include "base/ms_err.h"
#include "sim/sim_disk.h"
#include "tests/support/disk_contract.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define SECTOR DISK_SECTOR_BYTES

static struct rig {
    struct test_alloc alloc;
    struct sim_disk *sim;
    struct disk *disk;
    struct disk_op *queue[64];
    unsigned head, tail;
} rig;

static void rig_submitted(void *ctx, struct disk_op *op)
{
    struct rig *r = ctx;
    r->queue[r->tail++ % 64] = op;
}

static struct disk_op *rig_next(void *ctx)
{
    struct rig *r = ctx;
    CHECK(r->head != r->tail);
    struct disk_op *op = r->queue[r->head++ % 64];
    sim_disk_perform(r->sim, op);
    return op;
}

static void rig_crash(void *ctx)
{
    struct rig *r = ctx;
    sim_disk_crash(r->sim, true, NULL, NULL);
}

static void rig_init(uint64_t capacity)
{
    struct sim_disk_opts opts = { .capacity_bytes = capacity, .submitted = rig_submitted, .ctx = &rig };
    rig = (struct rig){ 0 };
    test_alloc_init(&rig.alloc);
    rig.sim = sim_disk_create(&opts, &rig.alloc.face);
    rig.disk = sim_disk_face(rig.sim);
}

static void rig_fini(void)
{
    sim_disk_destroy(rig.sim);
    CHECK_EQ(rig.alloc.alive, 0);
}

static int do_op(struct disk_op op)
{
    return rig.disk->ops->call(rig.disk, &op);
}

static int do_path(enum disk_op_kind kind, const char *path, const char *path2)
{
    struct disk_op op = { .kind = kind };
    snprintf(op.path, sizeof op.path, "%s", path);
    snprintf(op.path2, sizeof op.path2, "%s", path2 ? path2 : "");
    return do_op(op);
}

static disk_file do_open(const char *path)
{
    struct disk_op op = { .kind = DISK_OP_OPEN, .create = true };
    snprintf(op.path, sizeof op.path, "%s", path);
    return rig.disk->ops->call(rig.disk, &op) == 0 ? op.file : DISK_FILE_NONE;
}

static int do_fill(disk_file f, uint64_t offset, uint8_t byte, size_t len, bool sync)
{
    static uint8_t bytes[64 << 10];
    memset(bytes, byte, len);
    return do_op((struct disk_op){
        .kind = DISK_OP_WRITE, .file = f, .offset = offset, .buf = bytes, .len = len, .sync = sync });
}

/* The byte that fills a sector of one of the images; 256: it is mixed; -1: no such file. */
static int sector_byte(const char *path, uint64_t sector, bool durable)
{
    uint8_t bytes[SECTOR];
    if (durable) {
        if (sim_disk_durable_read(rig.sim, path, sector * SECTOR, bytes, SECTOR) < 0) return -1;
    } else {
        struct disk_op op = { .kind = DISK_OP_OPEN };
        snprintf(op.path, sizeof op.path, "%s", path);
        if (rig.disk->ops->call(rig.disk, &op) < 0) return -1;
        int rv = do_op((struct disk_op){ .kind = DISK_OP_READ,
                                         .file = op.file,
                                         .offset = sector * SECTOR,
                                         .buf = bytes,
                                         .len = SECTOR });
        CHECK(rv == 0 || rv == MS_ESHORT);
        do_op((struct disk_op){ .kind = DISK_OP_CLOSE, .file = op.file });
    }
    for (unsigned i = 1; i < SECTOR; i++) {
        if (bytes[i] != bytes[0]) return 256;
    }
    return bytes[0];
}

TEST(sim_disk, keeps_the_contract)
{
    rig_init(0);
    struct disk_contract c = { .disk = rig.disk, .dir = "m1", .ctx = &rig };
    CHECK_EQ(do_path(DISK_OP_MKDIR, "m1", NULL), 0);
    CHECK_EQ(do_path(DISK_OP_SYNC_DIR, ".", NULL), 0);
    c.next_completion = rig_next;
    c.other = rig.disk;
    c.crash = rig_crash;
    disk_contract_run(&c);
    CHECK_EQ(sim_disk_open_files(rig.sim), 0);
    rig_fini();
}

/* D2, D3: after power loss each sector is what was synced or what was written later, nothing else;
 * every combination occurs; a sync protects. */
TEST(sim_disk, loses_any_subset_of_unsynced_sectors)
{
    enum { SECTORS = 3 };
    unsigned seen = 0, sizes = 0;
    rig_init(0);
    struct ms_rand rand;
    ms_rand_init(&rand, 5, 1);
    for (int round = 0; round < 400; round++) {
        disk_file f = do_open("f");
        CHECK_EQ(do_op((struct disk_op){ .kind = DISK_OP_TRUNCATE, .file = f, .offset = 0 }), 0);
        CHECK_EQ(do_path(DISK_OP_SYNC_DIR, "/", NULL), 0);
        CHECK_EQ(do_fill(f, 0, 1, 2 * SECTOR, true), 0);
        CHECK_EQ(do_fill(f, 0, 2, SECTORS * SECTOR, false), 0);
        CHECK_EQ(sector_byte("f", 0, false), 2);
        CHECK_EQ(sector_byte("f", 0, true), 1);
        bool gone = sim_disk_crash(rig.sim, true, &rand, NULL);
        unsigned kept = 0;
        for (unsigned s = 0; s < SECTORS; s++) {
            int byte = sector_byte("f", s, false);
            CHECK_EQ(sector_byte("f", s, true), byte);
            if (s == 2) {
                if (byte == 256 || byte == 0) sizes |= byte == 0 ? 1 : 2;
                continue;
            }
            CHECK(byte == 1 || byte == 2);
            if (byte == 2) kept |= 1u << s;
        }
        if (kept != 3) CHECK(gone);
        seen |= 1u << kept;
    }
    CHECK_EQ(seen, 0xf);
    CHECK_EQ(sizes, 3);
    rig_fini();
}

/* A kill keeps everything written, frees handles and locks, and power loss later still takes it. */
TEST(sim_disk, a_kill_is_not_power_loss)
{
    struct ms_rand rand;
    ms_rand_init(&rand, 1, 1);
    rig_init(0);
    do_path(DISK_OP_MKDIR, "d", NULL);
    do_path(DISK_OP_SYNC_DIR, ".", NULL);
    CHECK_EQ(rig.disk->ops->lock(rig.disk, "d"), 0);
    disk_file f = do_open("d/f");
    do_fill(f, 0, 7, SECTOR, false);
    CHECK(!sim_disk_crash(rig.sim, false, &rand, NULL));
    CHECK_EQ(sim_disk_open_files(rig.sim), 0);
    CHECK_EQ(do_op((struct disk_op){ .kind = DISK_OP_SYNC, .file = f }), MS_EINVAL);
    CHECK_EQ(rig.disk->ops->lock(rig.disk, "d"), 0);
    CHECK_EQ(sector_byte("d/f", 0, false), 7);
    CHECK_EQ(sector_byte("d/f", 0, true), -1);
    CHECK(sim_disk_crash(rig.sim, true, NULL, NULL));
    CHECK_EQ(sector_byte("d/f", 0, false), -1);
    CHECK(!sim_disk_crash(rig.sim, true, &rand, NULL));
    rig_fini();
}

/* D4: each operation on names survives or not; a rename is never half done; a sync of the directory
 * covers all of them, and a rename between two directories takes the other one's along. */
TEST(sim_disk, loses_any_subset_of_unsynced_names)
{
    unsigned seen = 0;
    struct ms_rand rand;
    ms_rand_init(&rand, 9, 1);
    for (int round = 0; round < 200; round++) {
        rig_init(0);
        do_path(DISK_OP_MKDIR, "a", NULL);
        do_path(DISK_OP_MKDIR, "b", NULL);
        do_open("a/1");
        do_open("a/2");
        do_path(DISK_OP_SYNC_DIR, "a", NULL);
        do_path(DISK_OP_SYNC_DIR, ".", NULL);
        do_path(DISK_OP_RENAME, "a/1", "a/one");
        do_path(DISK_OP_REMOVE, "a/2", NULL);
        do_open("b/3");
        do_path(DISK_OP_RENAME, "b/3", "b/three");
        sim_disk_crash(rig.sim, true, &rand, NULL);
        bool one = sector_byte("a/one", 0, true) >= 0, two = sector_byte("a/2", 0, true) >= 0;
        CHECK_EQ(sector_byte("a/1", 0, true) >= 0, !one);
        bool made = sector_byte("b/3", 0, true) >= 0, three = sector_byte("b/three", 0, true) >= 0;
        CHECK(!(made && three));
        seen |= 1u << (one + 2 * two) | 1u << (4 + made) | 1u << (6 + three);
        rig_fini();
    }
    CHECK_EQ(seen, 0xff);
    rig_init(0);
    do_path(DISK_OP_MKDIR, "a", NULL);
    do_path(DISK_OP_MKDIR, "b", NULL);
    do_path(DISK_OP_SYNC_DIR, ".", NULL);
    do_open("a/x");
    do_path(DISK_OP_RENAME, "a/x", "b/x");
    do_open("a/later");
    do_path(DISK_OP_SYNC_DIR, "b", NULL);
    sim_disk_crash(rig.sim, true, NULL, NULL);
    CHECK_EQ(sector_byte("b/x", 0, true), 0);
    CHECK_EQ(sector_byte("a/x", 0, true), -1);
    CHECK_EQ(sector_byte("a/later", 0, true), -1);
    rig_fini();
}

static int fault_status;
static int fault_on_sync(void *ctx, const struct disk_op *op)
{
    (void)ctx;
    return op->sync || op->kind == DISK_OP_SYNC ? fault_status : 0;
}

/* A sync that failed once succeeds later, and has made nothing durable (BUGS B22). */
TEST(sim_disk, a_failed_sync_loses_what_it_covered)
{
    rig_init(0);
    disk_file f = do_open("f");
    do_fill(f, 0, 1, 2 * SECTOR, true);
    do_path(DISK_OP_SYNC_DIR, ".", NULL);
    sim_disk_set_fault(rig.sim, fault_on_sync, NULL);
    fault_status = MS_EIO;
    CHECK_EQ(do_fill(f, 0, 2, SECTOR, true), MS_EIO);
    fault_status = 0;
    CHECK_EQ(do_op((struct disk_op){ .kind = DISK_OP_SYNC, .file = f }), 0);
    CHECK_EQ(sector_byte("f", 0, false), 2);
    CHECK_EQ(sector_byte("f", 0, true), 1);
    do_fill(f, SECTOR, 3, SECTOR, true); /* another sector of the page is no worse for it */
    CHECK_EQ(sector_byte("f", 1, true), 3);
    sim_disk_crash(rig.sim, true, NULL, NULL);
    CHECK_EQ(sector_byte("f", 0, false), 1);
    CHECK_EQ(sector_byte("f", 1, false), 3);
    rig_fini();
}

TEST(sim_disk, is_full_when_it_is_full)
{
    rig_init(5 * 4096);
    disk_file f = do_open("f"), g = do_open("g");
    CHECK_EQ(do_fill(f, 0, 1, 4 * 4096, true), 0);
    CHECK_EQ(do_fill(g, 0, 1, 2 * 4096, true), MS_ENOSPC);
    CHECK_EQ(do_fill(g, 0, 0, 4096, true), 0); /* zeros take room, too */
    CHECK_EQ(do_fill(g, 4096, 1, 1, false), MS_ENOSPC);
    CHECK_EQ(do_fill(f, 0, 2, 4 * 4096, true), 0); /* allocated already */
    struct disk_op op = { .kind = DISK_OP_FREE_SPACE, .path = "." };
    CHECK_EQ(rig.disk->ops->call(rig.disk, &op), 0);
    CHECK_EQ(op.size_bytes, 0);
    do_op((struct disk_op){ .kind = DISK_OP_TRUNCATE, .file = f, .offset = 4096 });
    do_op((struct disk_op){ .kind = DISK_OP_SYNC, .file = f });
    CHECK_EQ(sim_disk_used_bytes(rig.sim), 2 * 4096);
    do_path(DISK_OP_REMOVE, "g", NULL);
    do_op((struct disk_op){ .kind = DISK_OP_CLOSE, .file = g });
    do_path(DISK_OP_SYNC_DIR, ".", NULL);
    CHECK_EQ(sim_disk_used_bytes(rig.sim), 4096);
    sim_disk_set_capacity(rig.sim, 4096);
    CHECK_EQ(do_fill(f, 4096, 1, 1, false), MS_ENOSPC);
    sim_disk_wipe(rig.sim);
    CHECK_EQ(sim_disk_used_bytes(rig.sim), 0);
    CHECK_EQ(sector_byte("f", 0, false), -1);
    rig_fini();
}

/* A torn op: some of its sectors, also when only the process is killed; rot: both images. */
TEST(sim_disk, tears_and_rots)
{
    unsigned seen = 0;
    uint8_t bytes[2 * SECTOR];
    struct ms_rand rand;
    ms_rand_init(&rand, 3, 1);
    memset(bytes, 9, sizeof bytes);
    rig_init(0);
    for (int round = 0; round < 100; round++) {
        disk_file f = do_open("f");
        do_fill(f, 0, 1, 2 * SECTOR, true);
        struct disk_op op = { .kind = DISK_OP_WRITE, .file = f, .buf = bytes, .len = sizeof bytes };
        sim_disk_crash(rig.sim, false, &rand, &op);
        seen |= 1u << ((sector_byte("f", 0, false) == 9) + 2 * (sector_byte("f", 1, false) == 9));
    }
    CHECK_EQ(seen, 0xf);
    disk_file f = do_open("r");
    do_path(DISK_OP_SYNC_DIR, ".", NULL);
    do_fill(f, 0, 1, 3 * SECTOR, true);
    do_fill(f, 2 * SECTOR, 5, SECTOR, false);
    CHECK_EQ(sim_disk_rot(rig.sim, "r", SECTOR + 10, &rand), 0);
    CHECK_EQ(sim_disk_rot(rig.sim, "r", 2 * SECTOR, &rand), 0);
    CHECK_EQ(sim_disk_rot(rig.sim, "r", 3 * SECTOR, &rand), MS_EINVAL);
    CHECK_EQ(sector_byte("r", 0, true), 1);
    CHECK_EQ(sector_byte("r", 1, true), 256);
    CHECK_EQ(sector_byte("r", 1, false), 256);
    CHECK_EQ(sector_byte("r", 2, true), 256);
    CHECK_EQ(sector_byte("r", 2, false), 256);
    rig_fini();
}

/* Two flips of one bit would leave it whole. */
TEST(sim_disk, what_rots_is_never_what_it_was)
{
    uint8_t before[SECTOR], after[SECTOR];
    struct ms_rand rand;
    ms_rand_init(&rand, 4, 1);
    rig_init(0);
    disk_file f = do_open("f");
    do_fill(f, 0, 1, SECTOR, true);
    CHECK_EQ(sim_disk_visible_read(rig.sim, "f", 0, before, SECTOR), SECTOR);
    for (uint32_t i = 0; i < 100000; i++) {
        CHECK_EQ(sim_disk_rot(rig.sim, "f", 0, &rand), 0);
        CHECK_EQ(sim_disk_visible_read(rig.sim, "f", 0, after, SECTOR), SECTOR);
        CHECK(memcmp(before, after, SECTOR) != 0);
        memcpy(before, after, SECTOR);
    }
    rig_fini();
}
