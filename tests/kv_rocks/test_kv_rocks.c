/* What only a durable engine promises (engine.h, E4 and E5): restarts, kills, damage, replacing. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks.h"
#include "tests/kv_rocks/system_disk.h"
#include "tests/support/engine_contract.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

/* A scratch directory, the options that point into it, and what the last open said. */
struct scratch {
    char root[64], dir[96], snap[96], why[256];
    struct kv_rocks_opts opts;
    struct test_alloc alloc;
    struct log_sink log;
    uint32_t refused_options;
};

static void scratch_log(void *ctx, enum log_level level, const char *line)
{
    struct scratch *s = ctx;
    if (level == LOG_WARN && strstr(line, "does not take")) s->refused_options++;
}

static void scratch_init(struct scratch *s)
{
    memset(s, 0, sizeof *s);
    test_alloc_init(&s->alloc);
    snprintf(s->root, sizeof s->root, "/tmp/test_kv_rocks.XXXXXX");
    CHECK(mkdtemp(s->root));
    snprintf(s->dir, sizeof s->dir, "%s/1", s->root);
    snprintf(s->snap, sizeof s->snap, "%s/1/snap", s->root);
    CHECK(mkdir(s->dir, 0700) == 0);
    kv_rocks_opts_default(&s->opts, &system_disk);
    s->opts.dir = s->dir;
    s->opts.snap_dir = s->snap;
    s->log = (struct log_sink){ .ctx = s, .level = LOG_INFO, .write = scratch_log };
}

/* Run a shell command in the data directory; its exit status. */
static int scratch_sh(struct scratch *s, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", s->dir, command);
    int status = system(line);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void scratch_fini(struct scratch *s)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", s->root);
    CHECK(system(line) == 0);
    CHECK_EQ(s->alloc.alive, 0);
}

static int scratch_try(struct scratch *s, struct engine **out)
{
    return kv_rocks_open(out, &s->opts, &s->alloc.face, &s->log, s->why, sizeof s->why);
}

static struct engine *scratch_open(struct scratch *s)
{
    struct engine *e = NULL;
    int rv = scratch_try(s, &e);
    if (rv < 0) fprintf(stderr, "open: %s\n", s->why);
    CHECK_EQ(rv, 0);
    CHECK(s->why[0] == '\0');
    return e;
}

static void put(struct engine *e, const char *key, const char *value)
{
    CHECK_EQ(e->ops->put(e, bytes_of_str(key), bytes_of_str(value)), 0);
}

static void put_committed(struct engine *e, const char *key, const char *value)
{
    put(e, key, value);
    CHECK_EQ(e->ops->commit(e), 0);
}

/* Whether key has this value; value NULL: is absent. */
static bool has_in(struct engine *e, struct engine_view *view, const char *key, const char *value)
{
    struct test_alloc a;
    struct buf b;
    test_alloc_init(&a);
    buf_init(&b, &a.face, 1 << 20);
    int rv = e->ops->get(e, view, bytes_of_str(key), &b);
    CHECK(rv == 0 || rv == MS_ENOTFOUND);
    bool same = value ? rv == 0 && bytes_equal(buf_bytes(&b), bytes_of_str(value)) : rv == MS_ENOTFOUND;
    buf_fini(&b);
    return same;
}

static bool has(struct engine *e, const char *key, const char *value)
{
    return has_in(e, NULL, key, value);
}

static struct engine *contract_open(void *ctx)
{
    return scratch_open(ctx);
}

static void contract_wipe(void *ctx)
{
    struct scratch *s = ctx;
    CHECK_EQ(kv_rocks_wipe(&s->opts, NULL, s->why, sizeof s->why), 0);
}

TEST(kv_rocks, keeps_the_contract_of_engines)
{
    static const enum kv_rocks_profile profiles[] = { KV_ROCKS_PRODUCTION, KV_ROCKS_SIMULATION };
    for (size_t i = 0; i < 2; i++) {
        struct scratch s;
        struct test_alloc buffers;
        scratch_init(&s);
        test_alloc_init(&buffers);
        s.opts.profile = profiles[i];
        struct engine_fixture f = { .ctx = &s,
                                    .open = contract_open,
                                    .wipe = contract_wipe,
                                    .alloc = &buffers.face,
                                    .durable = true,
                                    .rounds = 100 };
        engine_contract_all(&f);
        CHECK_EQ(buffers.alive, 0);
        CHECK_EQ(s.refused_options, 0); /* the RocksDB we test with knows the whole table */
        scratch_fini(&s);
    }
}

/* Do body in a child that is killed at its end: no close, no flush, the locks go with it. Only before
 * this process has opened a database itself: RocksDB's background threads do not come along in a fork.
 */
static void killed(struct scratch *s, void (*body)(struct scratch *s))
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body(s);
        raise(SIGKILL);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void body_persist_then_more(struct scratch *s)
{
    struct engine *e = scratch_open(s);
    put_committed(e, "a", "1");
    put(e, "b", "2");
    CHECK_EQ(e->ops->remove(e, bytes_of_str("a")), 0);
    CHECK_EQ(e->ops->commit(e), 0);
    CHECK_EQ(e->ops->persist(e), 0);
    put(e, "c", "3");
    put(e, "d", "4");
    CHECK_EQ(e->ops->commit(e), 0);
    put(e, "e", "never committed");
}

/* E4: a killed process leaves the content after some commit, no earlier than the last persist. */
TEST(kv_rocks, finds_after_a_kill_what_was_persisted)
{
    struct scratch s;
    scratch_init(&s);
    killed(&s, body_persist_then_more);
    struct engine *e = scratch_open(&s);
    CHECK(e->ops->bytes(e) > 0 && e->ops->durable);
    CHECK(has(e, "a", NULL) && has(e, "b", "2") && has(e, "e", NULL));
    CHECK(has(e, "c", "3") == has(e, "d", "4"));
    e->ops->close(e);

    /* A second one on the same directory is refused, and that is no damage. */
    e = scratch_open(&s);
    struct engine *second = NULL;
    CHECK_EQ(scratch_try(&s, &second), MS_ELOCKED);
    CHECK(s.why[0] != '\0');
    put_committed(e, "f", "5");
    e->ops->close(e);
    e = scratch_open(&s);
    CHECK(has(e, "f", "5")); /* a clean close keeps everything */
    e->ops->close(e);
    scratch_fini(&s);
}

/* DESIGN 5: a database that does not open is not mended, the checkpoint takes its place. */
TEST(kv_rocks, falls_back_to_the_checkpoint)
{
    static const char *const damages[] = {
        "rm db-*/MANIFEST-*",
        "rm db-*/CURRENT",
        "rm -r db-*",
        "for f in db-*/MANIFEST-*; do echo rot > $f; done",
        "rm CURRENT-DB",
        "echo nonsense > CURRENT-DB",
        "echo db-17 > CURRENT-DB",
        "sed -i 's/$/ damaged/' CURRENT-DB",
        "rm db-*/*.sst",
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct scratch s;
        scratch_init(&s);
        struct engine *e = scratch_open(&s);
        put_committed(e, "a", "1");
        CHECK_EQ(e->ops->persist(e), 0);
        put_committed(e, "b", "2");
        CHECK_EQ(e->ops->persist(e), 0);
        put_committed(e, "c", "3");
        e->ops->close(e);
        CHECK_EQ(scratch_sh(&s, "test $(ls snap) = cp-2"), 0); /* the newest alone is kept */

        CHECK_EQ(scratch_sh(&s, damages[i]), 0);
        for (int start = 0; start < 2; start++) {
            e = scratch_open(&s);
            CHECK(has(e, "a", "1") && has(e, "b", "2") && has(e, "c", NULL));
            e->ops->close(e);
        }
        CHECK_EQ(scratch_sh(&s, "test $(ls -d db-* | wc -l) = 1"), 0);

        /* The restored one goes on like any other. */
        e = scratch_open(&s);
        put_committed(e, "d", "4");
        CHECK_EQ(e->ops->persist(e), 0);
        e->ops->close(e);
        CHECK_EQ(scratch_sh(&s, "rm db-*/MANIFEST-*"), 0);
        e = scratch_open(&s);
        CHECK(has(e, "d", "4"));
        e->ops->close(e);
        scratch_fini(&s);
    }
}

/* Nothing that opens is an error, never an empty store, until the caller decides to rebuild. */
TEST(kv_rocks, reports_damage_it_cannot_replace)
{
    struct scratch s;
    struct engine *e = NULL;
    scratch_init(&s);
    e = scratch_open(&s);
    put_committed(e, "a", "1");
    CHECK_EQ(e->ops->persist(e), 0);
    e->ops->close(e);
    CHECK_EQ(scratch_sh(&s, "rm db-*/MANIFEST-* snap/cp-*/MANIFEST-*"), 0);
    for (int start = 0; start < 2; start++) {
        CHECK_EQ(scratch_try(&s, &e), MS_ECORRUPT);
        CHECK(strstr(s.why, s.dir));
    }
    CHECK_EQ(kv_rocks_wipe(&s.opts, NULL, s.why, sizeof s.why), 0);
    CHECK_EQ(scratch_sh(&s, "test -z \"$(ls -d db-* snap/* CURRENT-DB 2>/dev/null)\""), 0);
    e = scratch_open(&s);
    CHECK(has(e, "a", NULL));
    e->ops->close(e);

    /* The tables of a checkpoint are those of the database: rot in one shows in both, and is found
     * before the restored copy is trusted. */
    e = scratch_open(&s);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%d", i);
        put(e, key, "some value that takes room");
    }
    CHECK_EQ(e->ops->commit(e), 0);
    CHECK_EQ(e->ops->persist(e), 0);
    e->ops->close(e);
    CHECK_EQ(
        scratch_sh(&s, "for f in db-*/*.sst; do"
                       " printf rottenrotten | dd of=$f bs=1 seek=3000 conv=notrunc status=none; done"),
        0);
    e = scratch_open(&s); /* opening reads no data */
    struct engine_iter *i = e->ops->iter_open(e, NULL);
    e->ops->iter_seek(i, bytes_of_str("a"));
    while (e->ops->iter_valid(i)) e->ops->iter_next(i);
    CHECK_EQ(e->ops->iter_status(i), MS_ELOSTDATA);
    e->ops->iter_close(i);
    e->ops->close(e);
    CHECK_EQ(scratch_try(&s, &e), MS_ECORRUPT); /* and is not trusted again */
    scratch_fini(&s);

    /* The caller's directory has to be there. */
    scratch_init(&s);
    CHECK_EQ(rmdir(s.dir), 0);
    CHECK_EQ(scratch_try(&s, &e), MS_ENOTFOUND);
    CHECK(strstr(s.why, s.dir));
    CHECK(mkdir(s.dir, 0700) == 0);
    scratch_fini(&s);
}

/* A checkpoint that cannot be made is an error of that persist, and of nothing else. */
TEST(kv_rocks, outlives_a_checkpoint_that_fails)
{
    struct scratch s;
    scratch_init(&s);
    struct engine *e = scratch_open(&s);
    put_committed(e, "a", "1");
    CHECK_EQ(e->ops->persist(e), 0);
    CHECK_EQ(scratch_sh(&s, "mv snap away && touch snap"), 0);
    put_committed(e, "b", "2");
    CHECK_EQ(e->ops->persist(e), MS_EIO);
    CHECK_EQ(scratch_sh(&s, "rm snap && mv away snap && mkdir snap/cp-new && touch snap/cp-new/x"), 0);
    CHECK(has(e, "b", "2"));
    put_committed(e, "c", "3");
    CHECK_EQ(e->ops->persist(e), 0);
    e->ops->close(e);
    CHECK_EQ(scratch_sh(&s, "test $(ls snap) = cp-2 && rm db-*/CURRENT"), 0);
    e = scratch_open(&s);
    CHECK(has(e, "a", "1") && has(e, "b", "2") && has(e, "c", "3"));
    e->ops->close(e);
    scratch_fini(&s);
}

static void body_replace_unfinished(struct scratch *s)
{
    struct engine *e = scratch_open(s);
    put_committed(e, "old", "1");
    CHECK_EQ(e->ops->persist(e), 0);
    CHECK_EQ(e->ops->replace_begin(e), 0);
    put_committed(e, "new", "1");
}

static void body_replace_finished(struct scratch *s)
{
    struct engine *e = scratch_open(s);
    CHECK_EQ(e->ops->replace_begin(e), 0);
    put_committed(e, "new", "1");
    CHECK_EQ(e->ops->replace_end(e, true), 0);
}

/* E5: a replace is all or nothing, also for a process that dies in it. */
TEST(kv_rocks, replaces_the_content_as_one_step)
{
    struct scratch s;
    scratch_init(&s);
    killed(&s, body_replace_unfinished);
    struct engine *e = scratch_open(&s);
    CHECK(has(e, "old", "1") && has(e, "new", NULL));
    CHECK_EQ(scratch_sh(&s, "test $(ls -d db-* | wc -l) = 1"), 0);

    /* A view of the old content outlives the switch, and its directory goes with it. */
    struct engine_view *view = e->ops->view_open(e);
    CHECK_EQ(e->ops->replace_begin(e), 0);
    put(e, "new", "2");
    CHECK(has(e, "new", NULL));
    CHECK_EQ(e->ops->commit(e), 0);
    CHECK(has(e, "new", NULL) && has(e, "old", "1"));
    CHECK_EQ(e->ops->replace_end(e, false), 0);
    CHECK(has(e, "new", NULL) && has(e, "old", "1"));
    CHECK_EQ(e->ops->replace_begin(e), 0);
    put_committed(e, "new", "3");
    CHECK_EQ(e->ops->replace_end(e, true), 0);
    CHECK(has(e, "new", "3") && has(e, "old", NULL));
    CHECK(has_in(e, view, "old", "1") && has_in(e, view, "new", NULL));
    CHECK_EQ(scratch_sh(&s, "test $(ls -d db-* | wc -l) = 2"), 0);
    struct engine_iter *i = e->ops->iter_open(e, view);
    e->ops->view_close(e, view);
    e->ops->iter_seek(i, bytes_of_str("a"));
    CHECK(e->ops->iter_valid(i) && bytes_equal(e->ops->iter_key(i), bytes_of_str("old")));
    e->ops->iter_close(i);
    CHECK_EQ(scratch_sh(&s, "test $(ls -d db-* | wc -l) = 1"), 0);
    e->ops->close(e);
    scratch_fini(&s);
}

TEST(kv_rocks, replaces_durably_with_a_checkpoint)
{
    struct scratch s;
    struct engine *e = NULL;
    scratch_init(&s);
    killed(&s, body_replace_unfinished);
    killed(&s, body_replace_finished);
    /* What was replaced is durable, and so is a checkpoint of it: the log before it is gone. */
    CHECK_EQ(scratch_sh(&s, "rm db-*/MANIFEST-*"), 0);
    e = scratch_open(&s);
    CHECK(has(e, "old", NULL) && has(e, "new", "1"));
    e->ops->close(e);
    scratch_fini(&s);
}

/* A first start that was cut short anywhere is a first start again. */
TEST(kv_rocks, starts_anew_after_a_first_start_cut_short)
{
    static const char *const leftovers[] = { "true", "mkdir db-1",
                                             "mkdir db-1 && echo x > db-1/CURRENT",
                                             "mkdir snap snap/cp-new && echo x > snap/cp-new/CURRENT",
                                             "echo db- > CURRENT-DB.tmp" };
    for (size_t i = 0; i < sizeof leftovers / sizeof leftovers[0]; i++) {
        struct scratch s;
        scratch_init(&s);
        CHECK_EQ(scratch_sh(&s, leftovers[i]), 0);
        struct engine *e = scratch_open(&s);
        put_committed(e, "a", "1");
        CHECK_EQ(e->ops->persist(e), 0);
        CHECK(has(e, "a", "1"));
        e->ops->close(e);
        scratch_fini(&s);
    }
}

/* Its disk has room for no flush. */
static struct engine *open_full(struct scratch *s)
{
    scratch_init(s);
    s->opts.write_buffer_bytes = 1 << 20;
    struct engine *e = scratch_open(s);
    put_committed(e, "first", "1");
    disk_room = 100000;
    CHECK_EQ(e->ops->persist(e), MS_ENOSPC);
    return e;
}

/* Nearly four write buffers, all in memory. */
static void fill_memory(struct engine *e, const char *value)
{
    uint32_t count = 0;
    for (; count < 1000 && e->ops->ready(e) == 0; count++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", count);
        put_committed(e, key, value);
    }
    CHECK(count > 300 && count < 400);
}

/* After a flush that failed RocksDB would take nothing more: so none is begun without room for it. */
TEST(kv_rocks, begins_nothing_that_a_full_disk_would_end)
{
    struct scratch s;
    static char value[10000];
    struct engine *e = open_full(&s);
    memset(value, 'v', sizeof value - 1);
    fill_memory(e, value);
    CHECK_EQ(e->ops->ready(e), MS_ENOSPC);
    CHECK_EQ(e->ops->persist(e), MS_ENOSPC);
    CHECK(has(e, "first", "1") && has(e, "k3", value)); /* what is there is served */
    disk_room = UINT64_MAX;
    CHECK_EQ(e->ops->ready(e), 0);
    put_committed(e, "then", "2");
    CHECK_EQ(e->ops->persist(e), 0);
    CHECK_EQ(e->ops->ready(e), 0);
    e->ops->close(e);
    e = scratch_open(&s);
    CHECK(has(e, "k3", value) && has(e, "then", "2"));
    e->ops->close(e);
    scratch_fini(&s);
}

/* What was switched for the database before does not hold for one that has taken its place. */
TEST(kv_rocks, begins_nothing_either_once_the_content_was_replaced)
{
    struct scratch s;
    static char value[10000];
    struct engine *e = open_full(&s);
    memset(value, 'v', sizeof value - 1);
    disk_room = UINT64_MAX;
    CHECK_EQ(e->ops->replace_begin(e), 0);
    put_committed(e, "new", "1");
    disk_room = 1 << 20; /* enough for that */
    CHECK_EQ(e->ops->replace_end(e, true), 0);
    disk_room = 100000;
    CHECK_EQ(scratch_sh(&s, "test $(ls db-*/*.sst | wc -l) = 1"), 0);
    fill_memory(e, value);
    CHECK_EQ(scratch_sh(&s, "test $(ls db-*/*.sst | wc -l) = 1"), 0); /* nothing was flushed */
    CHECK_EQ(scratch_sh(&s, "grep -q disable_auto_compactions=true $(ls -t db-*/OPTIONS-* | head -1)"),
             0);
    disk_room = UINT64_MAX;
    e->ops->close(e);
    scratch_fini(&s);
}

/* The log beside it takes a segment at once, between two looks at what is free. */
TEST(kv_rocks, leaves_room_for_the_log_beside_it)
{
    struct scratch s;
    scratch_init(&s);
    s.opts.write_buffer_bytes = 1 << 20;
    s.opts.beside_bytes = 16u << 20;
    struct engine *e = scratch_open(&s);
    put_committed(e, "k", "v");
    disk_room = (16u << 20) + (1u << 20); /* more than enough, were it alone */
    CHECK_EQ(e->ops->persist(e), MS_ENOSPC);
    disk_room = 20u << 20;
    CHECK_EQ(e->ops->persist(e), 0);
    disk_room = UINT64_MAX;
    e->ops->close(e);
    scratch_fini(&s);
}

/* Every allocation of ours may be refused: a clean error, or the same result. */
TEST(kv_rocks, survives_refused_memory)
{
    struct scratch s;
    scratch_init(&s);
    for (uint64_t refuse = 1, done = 0; !done; refuse++) {
        struct engine *e = NULL;
        s.alloc.requests = 0;
        s.alloc.refuse_at = refuse;
        int rv = scratch_try(&s, &e);
        if (rv < 0) {
            CHECK_EQ(rv, MS_ENOMEM);
            CHECK_EQ(s.alloc.alive, 0);
            continue;
        }
        struct engine_view *view = e->ops->view_open(e);
        struct engine_iter *i = view ? e->ops->iter_open(e, view) : NULL;
        rv = e->ops->replace_begin(e);
        CHECK(rv == 0 || rv == MS_ENOMEM);
        if (rv == 0) CHECK_EQ(e->ops->replace_end(e, false), 0);
        done = view && i && rv == 0;
        if (i) e->ops->iter_close(i);
        if (view) e->ops->view_close(e, view);
        e->ops->close(e);
    }
    s.alloc.refuse_at = 0;
    scratch_fini(&s);
}
