#include "tests/support/disk_contract.h"

#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "tests/support/test.h"

#define SECTOR DISK_SECTOR_BYTES

static void path_of(const struct disk_contract *c, char *out, const char *name)
{
    int n = snprintf(out, DISK_PATH_BYTES_MAX, "%s/%s", c->dir, name);
    CHECK(n > 0 && n < DISK_PATH_BYTES_MAX);
}

static int call(const struct disk_contract *c, struct disk_op *op)
{
    int rv = c->disk->ops->call(c->disk, op);
    CHECK_EQ(rv, op->status);
    return rv;
}

/* An op on one or two names below the directory. */
static int on_names(const struct disk_contract *c, enum disk_op_kind kind, const char *name,
                    const char *name2)
{
    struct disk_op op = { .kind = kind, .lane = DISK_LANE_BULK };
    path_of(c, op.path, name);
    if (name2) path_of(c, op.path2, name2);
    return call(c, &op);
}

static int open_file(const struct disk_contract *c, const char *name, bool create, disk_file *out,
                     uint64_t *size)
{
    struct disk_op op = { .kind = DISK_OP_OPEN, .lane = DISK_LANE_BULK, .create = create };
    path_of(c, op.path, name);
    int rv = call(c, &op);
    *out = op.file;
    if (size) *size = op.size_bytes;
    return rv;
}

static int on_file(const struct disk_contract *c, enum disk_op_kind kind, disk_file file,
                   uint64_t offset)
{
    struct disk_op op = { .kind = kind, .lane = DISK_LANE_BULK, .file = file, .offset = offset };
    return call(c, &op);
}

static int write_at(const struct disk_contract *c, disk_file file, uint64_t offset, const void *data,
                    size_t len, bool sync)
{
    struct disk_op op = { .kind = DISK_OP_WRITE, .lane = DISK_LANE_BULK, .file = file, .sync = sync };
    op.offset = offset;
    op.buf = (void *)(uintptr_t)data;
    op.len = len;
    int rv = call(c, &op);
    if (rv == 0) CHECK_EQ(op.done_bytes, len);
    return rv;
}

/* Read and compare; there: how many bytes the file has from offset on, at most len. */
static void expect_bytes(const struct disk_contract *c, disk_file file, uint64_t offset,
                         const void *want, size_t len, size_t there)
{
    uint8_t got[4 * SECTOR];
    struct disk_op op = {
        .kind = DISK_OP_READ, .lane = DISK_LANE_BULK, .file = file, .offset = offset
    };
    CHECK(len <= sizeof got);
    memset(got, 0xee, sizeof got);
    op.buf = got;
    op.len = len;
    CHECK_EQ(call(c, &op), there < len ? MS_ESHORT : 0);
    CHECK_EQ(op.done_bytes, there);
    CHECK(memcmp(got, want, there) == 0);
    for (size_t i = there; i < len; i++) CHECK_EQ(got[i], 0); /* D1 */
}

struct names {
    char text[512];
    int stop_after;
};

static int names_add(void *arg, const char *name, bool is_dir, uint64_t size)
{
    struct names *n = arg;
    size_t at = strlen(n->text);
    snprintf(n->text + at, sizeof n->text - at, "%s%s:%d ", name, is_dir ? "/" : "",
             is_dir ? 0 : (int)size);
    return --n->stop_after == 0 ? 7 : 0;
}

static void expect_names(const struct disk_contract *c, const char *name, const char *want)
{
    struct names n = { .stop_after = 0 };
    char path[DISK_PATH_BYTES_MAX];
    path_of(c, path, name);
    CHECK_EQ(c->disk->ops->list(c->disk, path, names_add, &n), 0);
    if (strcmp(n.text, want) != 0) fprintf(stderr, "names are '%s', not '%s'\n", n.text, want);
    CHECK(strcmp(n.text, want) == 0);
}

/* D1, sizes, truncation, a second handle. */
static void check_bytes(const struct disk_contract *c)
{
    disk_file f, g;
    uint64_t size;
    static const uint8_t zeros[2 * SECTOR], cut[20] = "Je";
    CHECK_EQ(open_file(c, "absent", false, &f, NULL), MS_ENOTFOUND);
    CHECK_EQ(open_file(c, "no-dir/f", true, &f, NULL), MS_ENOTFOUND);
    CHECK_EQ(open_file(c, "f", true, &f, &size), 0);
    CHECK(f >= 0);
    CHECK_EQ(size, 0);
    expect_bytes(c, f, 0, zeros, 10, 0);
    CHECK_EQ(write_at(c, f, 5, "hello", 5, false), 0);
    expect_bytes(c, f, 0, "\0\0\0\0\0hello", 10, 10);
    expect_bytes(c, f, 5, "hello", 20, 5);
    expect_bytes(c, f, 100, zeros, 20, 0);
    CHECK_EQ(write_at(c, f, 3 * SECTOR - 2, "abcd", 4, true), 0); /* over a border, after a hole */
    expect_bytes(c, f, 3 * SECTOR - 4, "\0\0abcd", 8, 6);
    expect_bytes(c, f, 10, zeros, 2 * SECTOR, 2 * SECTOR);
    CHECK_EQ(open_file(c, "f", false, &g, &size), 0);
    CHECK_EQ(size, 3 * SECTOR + 2);
    CHECK_EQ(write_at(c, g, 5, "J", 1, false), 0);
    expect_bytes(c, f, 5, "Jello", 5, 5);
    CHECK_EQ(on_file(c, DISK_OP_TRUNCATE, f, 7), 0);
    expect_bytes(c, g, 5, "Je", 5, 2);
    CHECK_EQ(on_file(c, DISK_OP_TRUNCATE, f, 20), 0); /* what was cut off does not come back */
    expect_bytes(c, g, 5, cut, 20, 15);
    CHECK_EQ(on_file(c, DISK_OP_SYNC, f, 0), 0);
    CHECK_EQ(on_file(c, DISK_OP_CLOSE, f, 0), 0);
    expect_bytes(c, g, 5, "Je", 2, 2);
    CHECK_EQ(on_file(c, DISK_OP_CLOSE, g, 0), 0);
}

/* Names: what each operation does, what it refuses, and that lists are sorted. */
static void check_names(const struct disk_contract *c)
{
    disk_file f;
    struct names n = { .stop_after = 2 };
    char path[DISK_PATH_BYTES_MAX];
    CHECK_EQ(on_names(c, DISK_OP_MKDIR, "d", NULL), 0);
    CHECK_EQ(on_names(c, DISK_OP_MKDIR, "d", NULL), MS_EEXIST);
    CHECK_EQ(on_names(c, DISK_OP_MKDIR, "no/d", NULL), MS_ENOTFOUND);
    static const char *const names[] = { "d/b", "d/a", "d/c" };
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(open_file(c, names[i], true, &f, NULL), 0);
        CHECK_EQ(write_at(c, f, 0, "xyz", (size_t)i + 1, false), 0);
        CHECK_EQ(on_file(c, DISK_OP_CLOSE, f, 0), 0);
    }
    CHECK_EQ(on_names(c, DISK_OP_MKDIR, "d/aa", NULL), 0);
    expect_names(c, "d", "a:2 aa/:0 b:1 c:3 ");
    path_of(c, path, "d");
    CHECK_EQ(c->disk->ops->list(c->disk, path, names_add, &n), 7);
    CHECK(strcmp(n.text, "a:2 aa/:0 ") == 0);
    CHECK_EQ(on_names(c, DISK_OP_RENAME, "d/b", "d/c"), 0); /* replaces it */
    expect_names(c, "d", "a:2 aa/:0 c:1 ");
    CHECK_EQ(on_names(c, DISK_OP_RENAME, "d/b", "d/x"), MS_ENOTFOUND);
    CHECK_EQ(on_names(c, DISK_OP_LINK, "d/a", "d/aa/z"), 0);
    CHECK_EQ(on_names(c, DISK_OP_LINK, "d/a", "d/c"), MS_EEXIST);
    CHECK(on_names(c, DISK_OP_REMOVE_DIR, "d/aa", NULL) < 0); /* not empty */
    CHECK_EQ(open_file(c, "d/a", false, &f, NULL), 0);
    CHECK_EQ(on_names(c, DISK_OP_REMOVE, "d/a", NULL), 0);
    CHECK_EQ(on_names(c, DISK_OP_REMOVE, "d/a", NULL), MS_ENOTFOUND);
    CHECK_EQ(on_names(c, DISK_OP_REMOVE, "d/aa/z", NULL), 0);
    expect_bytes(c, f, 0, "xy", 2, 2); /* the last name is gone, the handle holds the file */
    CHECK_EQ(on_file(c, DISK_OP_CLOSE, f, 0), 0);
    CHECK_EQ(on_names(c, DISK_OP_RENAME, "d/aa", "d/dir"), 0);
    CHECK_EQ(on_names(c, DISK_OP_REMOVE_DIR, "d/dir", NULL), 0);
    CHECK_EQ(on_names(c, DISK_OP_REMOVE_DIR, "d/dir", NULL), MS_ENOTFOUND);
    CHECK_EQ(on_names(c, DISK_OP_SYNC_DIR, "d", NULL), 0);
    expect_names(c, "d", "c:1 ");
    path_of(c, path, "no");
    CHECK_EQ(c->disk->ops->list(c->disk, path, names_add, &n), MS_ENOTFOUND);
    struct disk_op op = { .kind = DISK_OP_FREE_SPACE };
    path_of(c, op.path, "d");
    CHECK_EQ(call(c, &op), 0);
    CHECK(op.size_bytes > 0);
}

/* D6, D7: everything comes back once, in order within a lane, with what the submitter put in. */
static void check_lanes(const struct disk_contract *c)
{
    enum { EACH = 16, ALL = EACH * DISK_LANE_COUNT };
    static struct disk_op ops[ALL];
    static uint8_t bytes[ALL][SECTOR];
    disk_file f;
    int owner, next[DISK_LANE_COUNT] = { 0 };
    CHECK_EQ(open_file(c, "lanes", true, &f, NULL), 0);
    for (int i = 0; i < ALL; i++) {
        int lane = i % DISK_LANE_COUNT, nth = i / DISK_LANE_COUNT;
        memset(bytes[i], nth + 1, SECTOR);
        ops[i] = (struct disk_op){ .kind = DISK_OP_WRITE, .lane = (enum disk_lane)lane, .file = f };
        ops[i].offset = (uint64_t)lane * SECTOR; /* a lane writes one place again and again */
        ops[i].buf = bytes[i];
        ops[i].len = SECTOR;
        ops[i].sync = nth % 4 == 3;
        ops[i].token = (uint64_t)i;
        ops[i].owner = &owner;
        c->disk->ops->submit(c->disk, &ops[i]);
    }
    for (int i = 0; i < ALL; i++) {
        struct disk_op *op = c->next_completion(c->ctx);
        CHECK_EQ(op->status, 0);
        CHECK(op->owner == &owner && op == &ops[op->token]);
        CHECK_EQ(op->done_bytes, SECTOR);
        CHECK_EQ(op->token / DISK_LANE_COUNT, next[op->lane]++);
    }
    for (int lane = 0; lane < DISK_LANE_COUNT; lane++) {
        expect_bytes(c, f, (uint64_t)lane * SECTOR, bytes[ALL - 1], SECTOR, SECTOR);
    }
    CHECK_EQ(on_file(c, DISK_OP_CLOSE, f, 0), 0);
    struct disk_op refused = { .kind = DISK_OP_REMOVE, .lane = DISK_LANE_LOG };
    path_of(c, refused.path, "absent");
    c->disk->ops->submit(c->disk, &refused); /* a refusal is a completion, too */
    CHECK(c->next_completion(c->ctx) == &refused);
    CHECK_EQ(refused.status, MS_ENOTFOUND);
}

static void check_lock(const struct disk_contract *c)
{
    char path[DISK_PATH_BYTES_MAX];
    path_of(c, path, "no");
    CHECK_EQ(c->disk->ops->lock(c->disk, path), MS_ENOTFOUND);
    CHECK_EQ(on_names(c, DISK_OP_MKDIR, "locked", NULL), 0);
    path_of(c, path, "locked");
    CHECK_EQ(c->disk->ops->lock(c->disk, path), 0);
    if (c->other) CHECK_EQ(c->other->ops->lock(c->other, path), MS_ELOCKED);
}

/* D2, D4 by what has to be there after power loss; that the rest is gone belongs to this crash, which
 * keeps nothing. */
static void check_crash(const struct disk_contract *c)
{
    disk_file f;
    CHECK_EQ(on_names(c, DISK_OP_MKDIR, "crash", NULL), 0);
    CHECK_EQ(open_file(c, "crash/kept", true, &f, NULL), 0);
    CHECK_EQ(write_at(c, f, 0, "one", 3, false), 0);
    CHECK_EQ(on_file(c, DISK_OP_SYNC, f, 0), 0);
    CHECK_EQ(write_at(c, f, SECTOR, "two", 3, true), 0);
    CHECK_EQ(on_names(c, DISK_OP_SYNC_DIR, "crash", NULL), 0);
    CHECK_EQ(on_names(c, DISK_OP_SYNC_DIR, ".", NULL), 0);
    CHECK_EQ(write_at(c, f, 2 * SECTOR, "three", 5, false), 0);
    CHECK_EQ(write_at(c, f, 0, "four", 4, false), 0);
    CHECK_EQ(on_names(c, DISK_OP_RENAME, "crash/kept", "crash/renamed"), 0);
    c->crash(c->ctx);
    CHECK_EQ(open_file(c, "crash/kept", false, &f, NULL), 0);
    expect_bytes(c, f, 0, "one", 4, 4);
    expect_bytes(c, f, SECTOR, "two", 10, 3);
    CHECK_EQ(on_names(c, DISK_OP_RENAME, "crash/kept", "crash/renamed"), 0);
    CHECK_EQ(on_names(c, DISK_OP_SYNC_DIR, "crash", NULL), 0);
    c->crash(c->ctx);
    expect_names(c, "crash", "renamed:515 ");
}

void disk_contract_run(const struct disk_contract *c)
{
    check_bytes(c);
    check_names(c);
    check_lanes(c);
    check_lock(c);
    if (c->crash) check_crash(c);
}
