/* test_kv_rocks_changes.c: KV_JOB_CHANGES on RocksDB, as tests/kv/test_kv_changes.c has it in memory. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kv_rocks/kv_rocks.h"
#include "tests/kv/changes_model.h"
#include "tests/kv_rocks/system_disk.h"
#include "tests/support/test.h"

TEST(kv_rocks_changes, are_those_of_a_list_of_all_that_was_done)
{
    struct fixture f;
    struct test_alloc alloc;
    struct kv_rocks_opts opts;
    struct engine *engine;
    char root[64] = "/tmp/test_kv_rocks.XXXXXX", snap[96], line[128], why[256];
    test_alloc_init(&alloc);
    CHECK(mkdtemp(root));
    snprintf(snap, sizeof snap, "%s/snap", root);
    kv_rocks_opts_default(&opts, &system_disk);
    opts.dir = root;
    opts.snap_dir = snap;
    CHECK_EQ(kv_rocks_open(&engine, &opts, &alloc.face, NULL, why, sizeof why), 0);
    fixture_init_on(&f, engine);
    changes_model_run(&f, 7, 300);
    fixture_fini(&f);
    CHECK_EQ(alloc.alive, 0);
    snprintf(line, sizeof line, "rm -rf %s", root);
    CHECK(system(line) == 0);
}
