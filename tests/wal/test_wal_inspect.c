/* Looking at a log: it finds what opening finds, tells each record and its fate, and changes nothing. */
#include "base/crc32c.h"
#include "tests/wal/wal_rig.h"
#include "wal/wal_inspect.h"

static struct rig r;

/* --- a disk that can only be read --- */

struct read_only {
    struct disk face;
    struct disk *under;
    unsigned reads;
};

static int ro_call(struct disk *d, struct disk_op *op)
{
    struct read_only *ro = (struct read_only *)d;
    CHECK(op->kind == DISK_OP_OPEN || op->kind == DISK_OP_READ || op->kind == DISK_OP_CLOSE);
    CHECK(!op->create);
    ro->reads += op->kind == DISK_OP_READ;
    return ro->under->ops->call(ro->under, op);
}

static void ro_submit(struct disk *d, struct disk_op *op)
{
    (void)d, (void)op;
    CHECK(!"WI1: nothing is submitted");
}

static int ro_lock(struct disk *d, const char *path)
{
    (void)d, (void)path;
    CHECK(!"WI1: nothing is locked");
    return 0;
}

static int ro_list(struct disk *d, const char *path,
                   int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes), void *arg)
{
    struct read_only *ro = (struct read_only *)d;
    return ro->under->ops->list(ro->under, path, cb, arg);
}

static const struct disk_ops ro_ops = {
    .submit = ro_submit, .call = ro_call, .list = ro_list, .lock = ro_lock
};

/* --- what was seen --- */

#define SEEN_MAX 512u
static struct seen {
    uint64_t life, offset, index, term, written_term, batch, seed;
    uint8_t type;
    enum wal_fate fate;
} seen[SEEN_MAX];
static unsigned seen_count;
static struct wal_inspection found;
static struct rig_log live;

static int note(void *arg, const struct wal_seen *s)
{
    const struct wal_record *rec = &s->rec;
    (void)arg;
    CHECK(seen_count < SEEN_MAX);
    struct seen *at = &seen[seen_count++];
    *at = (struct seen){ .life = s->life, .offset = s->offset, .index = rec->index };
    at->term = rec->term;
    at->written_term = rec->written_term;
    at->batch = rec->batch;
    at->type = rec->type;
    at->fate = s->fate;
    CHECK_EQ(s->fate == WAL_FATE_NONE, rec->type != WAL_RECORD_ENTRY);
    if (rec->body.len >= 8) at->seed = bytes_load_u64(rec->body.data);
    if (s->fate != WAL_FATE_LIVE) return 0;
    CHECK_EQ(rec->index, live.last_index + 1); /* WI3 */
    live.last_index = rec->index;
    live.at[rec->index % RIG_ENTRIES_MAX] =
        (struct rig_entry){ .term = rec->term, .seed = at->seed, .len = rec->body.len };
    return 0;
}

static int look(void)
{
    struct read_only ro = { .face.ops = &ro_ops, .under = r.disk };
    seen_count = 0;
    int rv = wal_inspect("log", &ro.face, &r.alloc.face, &found, NULL, NULL);
    live.base_index = live.last_index = found.recovery.base_index;
    struct wal_inspection first = found;
    int again = wal_inspect("log", &ro.face, &r.alloc.face, &found, note, NULL);
    CHECK_EQ(again, rv);
    CHECK(memcmp(&first, &found, sizeof found) == 0); /* looking changes nothing for who looks again */
    CHECK_EQ(r.alloc.alive, 0);
    CHECK_EQ(sim_disk_open_files(r.sim), 0);
    return rv;
}

/* Look, then open: both find the same (WI2, WI3). */
static void look_and_open(void)
{
    CHECK_EQ(look(), 0);
    CHECK_EQ(rig_open(&r), 0);
    const struct wal_recovery *a = &found.recovery, *b = &r.found;
    CHECK_EQ(a->found, b->found);
    CHECK(strcmp(a->detail, b->detail) == 0);
    CHECK_EQ(a->base_index, b->base_index);
    CHECK_EQ(a->last_index, b->last_index);
    CHECK_EQ(a->state_lost, b->state_lost);
    CHECK_EQ(a->state.term, b->state.term);
    CHECK_EQ(a->state.flags | (a->found == WAL_FOUND_DAMAGED ? WAL_FLAG_DAMAGED : 0), b->state.flags);
    CHECK(rig_log_equal(&live, &r.recovered));
    rig_close(&r);
}

static unsigned count_of(enum wal_fate fate)
{
    unsigned n = 0;
    for (unsigned i = 0; i < seen_count; i++) n += seen[i].fate == fate;
    return n;
}

static void start(void)
{
    rig_init(&r, 0);
    CHECK_EQ(rig_open(&r), 0);
}

/* --- */

TEST(wal_inspect, an_empty_directory_holds_no_log)
{
    rig_init(&r, 0);
    CHECK_EQ(look(), 0);
    CHECK_EQ(found.recovery.found, WAL_FOUND_NEW);
    CHECK_EQ(found.file_count, 0);
    CHECK_EQ(found.member_id, 0);
    CHECK_EQ(seen_count, 0);
    rig_fini(&r);
}

TEST(wal_inspect, a_directory_that_is_not_there_is_said)
{
    struct wal_inspection out;
    char path[DISK_PATH_BYTES_MAX + 1];
    rig_init(&r, 0);
    CHECK_EQ(wal_inspect("nowhere", r.disk, &r.alloc.face, &out, NULL, NULL), MS_ENOTFOUND);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    CHECK_EQ(wal_inspect(path, r.disk, &r.alloc.face, &out, NULL, NULL), MS_ETOOBIG);
    rig_fini(&r);
}

TEST(wal_inspect, each_record_is_given_with_its_place_and_its_fate)
{
    start();
    CHECK(rig_append(&r, 1, 3, 200));
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    rig_state(&r, 2, 1);
    rig_entry(&r, 2, 2, 700); /* supersedes 2 and 3 */
    rig_commit(&r);
    CHECK(rig_settle(&r));
    rig_close(&r);
    look_and_open();
    CHECK_EQ(found.member_id, 3);
    CHECK_EQ(found.recovery.found, WAL_FOUND_CLEAN);
    CHECK_EQ(found.chain_count, 1);
    /* Base and state of the first batch, three entries; state and entry of the second. */
    CHECK_EQ(seen_count, 7);
    CHECK(seen[0].type == WAL_RECORD_BASE && seen[0].offset == WAL_HEADER_BYTES);
    CHECK(seen[1].type == WAL_RECORD_STATE && seen[1].batch == 1);
    CHECK_EQ(seen[1].offset, WAL_HEADER_BYTES + wal_record_bytes(WAL_BASE_BODY_BYTES));
    CHECK(seen[2].index == 1 && seen[2].fate == WAL_FATE_LIVE);
    CHECK(seen[3].index == 2 && seen[3].fate == WAL_FATE_SUPERSEDED && seen[3].term == 1);
    CHECK(seen[4].index == 3 && seen[4].fate == WAL_FATE_SUPERSEDED);
    CHECK(seen[5].type == WAL_RECORD_STATE && seen[5].batch == 2);
    CHECK(seen[6].index == 2 && seen[6].fate == WAL_FATE_LIVE && seen[6].written_term == 2);
    CHECK_EQ(seen[5].offset % DISK_SECTOR_BYTES, 0); /* W5: a batch begins at a sector of its own */
    rig_fini(&r);
}

TEST(wal_inspect, what_a_snapshot_covers_is_cut_and_what_a_reset_voids_superseded)
{
    start();
    CHECK(rig_append(&r, 1, 6, 100));
    wal_cut(r.wal, 3);
    r.acked.base_index = 3;
    CHECK(rig_append(&r, 1, 1, 100));
    rig_close(&r);
    look_and_open();
    CHECK_EQ(found.recovery.base_index, 3);
    CHECK_EQ(count_of(WAL_FATE_CUT), 3);
    CHECK_EQ(count_of(WAL_FATE_LIVE), 4);
    CHECK_EQ(rig_open(&r), 0);
    rig_adopt(&r);
    CHECK(rig_until_ready(&r));
    rig_begin(&r);
    rig_reset(&r, 5, 2);
    rig_entry(&r, 6, 2, 100);
    rig_commit(&r);
    CHECK(rig_settle(&r));
    rig_close(&r);
    look_and_open();
    CHECK_EQ(count_of(WAL_FATE_CUT), 5);        /* 1 to 5 */
    CHECK_EQ(count_of(WAL_FATE_SUPERSEDED), 2); /* the old 6 and 7 */
    CHECK_EQ(count_of(WAL_FATE_LIVE), 1);
    rig_fini(&r);
}

TEST(wal_inspect, a_recycled_segment_gives_nothing_of_its_earlier_life)
{
    unsigned count;
    char path[DISK_PATH_BYTES_MAX];
    start();
    for (unsigned i = 0; i < 60; i++) {
        CHECK(rig_append(&r, 1, 2, 9000));
        CHECK(rig_settle(&r));
        wal_cut(r.wal, r.acked.last_index - 1);
        r.acked.base_index = r.acked.last_index - 1;
    }
    CHECK(rig_append(&r, 1, 1, 100));
    CHECK(rig_settle(&r));
    rig_close(&r);
    rig_segment_path(&r, 0, path, &count);
    look_and_open();
    CHECK_EQ(found.segment_count, count);
    CHECK(found.chain_count <= count);
    CHECK(seen[0].life > 4); /* the files of the first lives were used again */
    CHECK_EQ(seen[0].type, WAL_RECORD_BASE);
    for (unsigned i = 1; i < seen_count; i++) {
        CHECK(seen[i].batch >= seen[i - 1].batch);
        CHECK(seen[i].life > seen[i - 1].life || seen[i].offset > seen[i - 1].offset);
    }
    rig_fini(&r);
}

TEST(wal_inspect, a_torn_batch_is_told_and_not_given)
{
    struct ms_rand rand;
    unsigned torn = 0;
    for (unsigned seed = 1; seed <= 60; seed++) {
        start();
        CHECK(rig_append(&r, 1, 3, 300));
        CHECK(rig_settle(&r));
        rig_begin(&r);
        rig_entry(&r, 4, 1, 9000);
        rig_commit(&r);
        ms_rand_init(&rand, 5, seed);
        rig_crash(&r, true, &rand);
        look_and_open();
        if (found.recovery.found == WAL_FOUND_TORN) {
            torn++;
            CHECK(strstr(found.recovery.detail, "batch 2 was torn") != NULL);
            CHECK_EQ(live.last_index, 3);
        }
        rig_fini(&r);
    }
    CHECK(torn > 5);
}

static void build(void)
{
    start();
    for (unsigned i = 0; i < 8; i++) CHECK(rig_append(&r, 1 + i / 3, 1 + i % 3, i % 2 ? 9000 : 200));
    CHECK(rig_settle(&r));
    rig_close(&r);
}

/* Each sector of each file rots in turn; whatever opening says, looking has said before. */
TEST(wal_inspect, looking_says_what_opening_says_of_any_damage)
{
    unsigned count = 1, damaged = 0;
    char path[DISK_PATH_BYTES_MAX];
    for (unsigned nth = 0; nth < count; nth++) {
        for (uint64_t s = 0; s < RIG_SEGMENT_BYTES / DISK_SECTOR_BYTES; s += s < 40 ? 1 : 7) {
            struct ms_rand rand;
            build();
            rig_segment_path(&r, nth, path, &count);
            ms_rand_init(&rand, nth + 1, s);
            CHECK_EQ(sim_disk_rot(r.sim, path, s * DISK_SECTOR_BYTES, &rand), 0);
            look_and_open();
            damaged += found.recovery.found == WAL_FOUND_DAMAGED;
            rig_fini(&r);
        }
    }
    CHECK(damaged > 20);
}

TEST(wal_inspect, a_segment_that_is_missing_is_named)
{
    struct disk_op op = { .kind = DISK_OP_REMOVE };
    build();
    rig_segment_path(&r, 0, op.path, NULL);
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
    look_and_open();
    CHECK_EQ(found.recovery.found, WAL_FOUND_DAMAGED);
    CHECK(strncmp(found.recovery.detail, op.path, strlen(op.path)) == 0);
    CHECK(strstr(found.recovery.detail, "missing") != NULL);
    rig_fini(&r);
}

/* A copy of the state that rotted: opening rewrites it from the log, so it is no damage; but told. */
TEST(wal_inspect, a_copy_of_the_state_that_is_not_whole_is_told)
{
    struct disk_op op = { .kind = DISK_OP_REMOVE, .path = "log/state" };
    struct ms_rand rand;
    build();
    CHECK_EQ(look(), 0);
    CHECK(found.state_detail[0] == 0);
    ms_rand_init(&rand, 1, 1);
    CHECK_EQ(sim_disk_rot(r.sim, "log/state", 4096, &rand), 0);
    CHECK_EQ(look(), 0);
    CHECK_EQ(found.recovery.found, WAL_FOUND_CLEAN);
    CHECK(strcmp(found.state_detail, "log/state, offset 4096: a copy of the state is damaged") == 0);
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
    CHECK_EQ(look(), 0);
    CHECK(strcmp(found.state_detail, "log/state: the file is missing") == 0);
    look_and_open();
    CHECK_EQ(look(), 0);
    CHECK(found.state_detail[0] == 0);
    rig_fini(&r);
}

static void overwrite(const char *path, uint64_t offset, void *bytes, size_t len)
{
    struct disk_op op = { .kind = DISK_OP_OPEN };
    snprintf(op.path, sizeof op.path, "%s", path);
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
    struct disk_op write = { .kind = DISK_OP_WRITE, .file = op.file, .offset = offset, .sync = true };
    write.buf = bytes;
    write.len = len;
    CHECK_EQ(r.disk->ops->call(r.disk, &write), 0);
    op.kind = DISK_OP_CLOSE;
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
}

TEST(wal_inspect, files_of_several_members_are_refused)
{
    struct wal_header h = { .member_id = 9, .life = 9, .segment_bytes = RIG_SEGMENT_BYTES };
    static uint8_t bytes[WAL_HEADER_BYTES];
    struct disk_op op = { .kind = DISK_OP_OPEN,
                          .create = true,
                          .path = "log/wal-0000000000000009.seg" };
    build();
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
    op.kind = DISK_OP_CLOSE;
    CHECK_EQ(r.disk->ops->call(r.disk, &op), 0);
    wal_header_encode(bytes, &h);
    overwrite("log/wal-0000000000000009.seg", 0, bytes, sizeof bytes);
    CHECK_EQ(look(), MS_EFOREIGN);
    CHECK(strcmp(found.recovery.detail, "its files are of several members, 9 and 3") == 0);
    rig_fini(&r);
}

/* As fuzz_wal_recover's mutator: the checksum over a block whose field for it is zero. */
TEST(wal_inspect, another_version_of_the_format_is_refused_by_name)
{
    static uint8_t bytes[WAL_HEADER_BYTES];
    char path[DISK_PATH_BYTES_MAX];
    build();
    rig_segment_path(&r, 0, path, NULL);
    CHECK(sim_disk_durable_read(r.sim, path, 0, bytes, sizeof bytes) == sizeof bytes);
    bytes_store_u32(bytes + 8, WAL_FORMAT_VERSION + 1);
    bytes_store_u32(bytes + 12, 0);
    bytes_store_u32(bytes + 12, crc32c(0, bytes, sizeof bytes));
    overwrite(path, 0, bytes, sizeof bytes);
    CHECK_EQ(look(), MS_EVERSION);
    CHECK(strncmp(found.recovery.detail, path, strlen(path)) == 0);
    CHECK(strstr(found.recovery.detail, "a version of the format that this program does not know"));
    CHECK_EQ(rig_open(&r), MS_EVERSION); /* and opening says it in the same words */
    CHECK(strcmp(found.recovery.detail, r.found.detail) == 0);
    rig_fini(&r);
}

/* Memory refused at each request in turn: a clean error, nothing left. */
TEST(wal_inspect, refused_memory_is_an_error)
{
    struct wal_inspection out;
    int rv = MS_ENOMEM;
    build();
    for (uint64_t n = 1; rv == MS_ENOMEM; n++) {
        CHECK(n < 200);
        r.alloc.refuse_at = r.alloc.requests + n;
        rv = wal_inspect("log", r.disk, &r.alloc.face, &out, NULL, NULL);
        CHECK(rv == 0 || rv == MS_ENOMEM);
        CHECK_EQ(r.alloc.alive, 0);
        CHECK_EQ(sim_disk_open_files(r.sim), 0);
    }
    r.alloc.refuse_at = 0;
    rig_fini(&r);
}

static int unreadable(void *ctx, const struct disk_op *op)
{
    return op->kind == DISK_OP_OPEN && strcmp(op->path, ctx) == 0 ? MS_EIO : 0;
}

TEST(wal_inspect, a_segment_that_cannot_be_opened_is_named)
{
    char path[DISK_PATH_BYTES_MAX];
    unsigned count;
    build();
    rig_segment_path(&r, 0, path, &count);
    rig_segment_path(&r, count - 1, path, NULL);
    sim_disk_set_fault(r.sim, unreadable, path);
    CHECK_EQ(look(), MS_EIO);
    CHECK(strstr(found.recovery.detail, path) != NULL);
    sim_disk_set_fault(r.sim, NULL, NULL);
    rig_fini(&r);
}

static int stop(void *arg, const struct wal_seen *s)
{
    unsigned *left = arg;
    (void)s;
    return --*left == 0 ? 77 : 0;
}

TEST(wal_inspect, a_taker_can_end_it)
{
    struct wal_inspection out;
    unsigned left = 3;
    build();
    CHECK_EQ(wal_inspect("log", r.disk, &r.alloc.face, &out, stop, &left), 77);
    CHECK_EQ(left, 0);
    CHECK_EQ(r.alloc.alive, 0);
    rig_fini(&r);
}
