/* test_kv_rocks_model.c: the state machine above RocksDB says what the model says (tests/support/kv_model/kv_model.h).
 * MS_SEED chooses another run. */
#include <stdlib.h>
#include <sys/stat.h>

#include "kv_rocks/kv_rocks.h"
#include "tests/kv_rocks/system_disk.h"
#include "tests/support/kv_model/kv_model.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define OPERATIONS 20000u

TEST(kv_rocks_model, rocksdb_says_what_the_model_says)
{
    const char *seed = getenv("MS_SEED");
    char root[] = "/tmp/test_kv_rocks_model.XXXXXX", dir[96], snap[96], why[256], command[128];
    struct kv_rocks_opts opts;
    struct kv_model_fixture f;
    struct test_alloc a;
    test_alloc_init(&a);
    CHECK(mkdtemp(root));
    snprintf(dir, sizeof dir, "%s/1", root);
    snprintf(snap, sizeof snap, "%s/1/snap", root);
    CHECK(mkdir(dir, 0700) == 0);
    kv_rocks_opts_default(&opts, &system_disk);
    opts.dir = dir;
    opts.snap_dir = snap;
    f.alloc = &a.face;
    CHECK_EQ(kv_rocks_open(&f.engine, &opts, &a.face, NULL, why, sizeof why), 0);
    kv_model_run(&f, seed ? strtoull(seed, NULL, 10) : 7, OPERATIONS);
    CHECK_EQ(a.alive, 0);
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK(system(command) == 0);
}
