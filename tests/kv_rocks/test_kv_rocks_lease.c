/* test_kv_rocks_lease.c: leases over RocksDB, which is closed and opened again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv_rocks/kv_rocks.h"
#include "tests/kv/lease_model.h"
#include "tests/kv_rocks/system_disk.h"
#include "tests/support/test.h"

static struct fixture f;
static char root[64], dir[96], snap[96];

static void open_over(void)
{
    struct kv_rocks_opts opts;
    struct engine *engine;
    char why[256];
    kv_rocks_opts_default(&opts, &system_disk);
    opts.dir = dir;
    opts.snap_dir = snap;
    CHECK_EQ(kv_rocks_open(&engine, &opts, &f.alloc.face, NULL, why, sizeof why), 0);
    fixture_init_over(&f, engine);
}

static void restart(struct fixture *fixture)
{
    struct kv_job job = { .kind = KV_JOB_PERSIST };
    kv_run(fixture->kv, &job);
    CHECK_EQ(job.status, 0);
    kv_destroy(fixture->kv);
    open_over();
}

TEST(kv_rocks_lease, random_steps_and_restarts_agree_with_a_model)
{
    char command[128];
    snprintf(root, sizeof root, "/tmp/metastore-test-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(dir, sizeof dir, "%s", root);
    snprintf(snap, sizeof snap, "%s/snap", root);
    memset(&f, 0, sizeof f);
    test_alloc_init(&f.alloc);
    open_over();
    lease_model_reset();
    lease_model_run(&f, 5, 64, restart);
    fixture_fini(&f);
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_EQ(system(command), 0);
}
