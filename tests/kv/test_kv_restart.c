/* test_kv_restart.c: a state machine made over an engine that holds something: as a durable one after a
 * restart. Here the memory engine is kept from being closed. */
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f;
static struct engine_ops ops; /* of the memory engine, without its close */

static void keep_open(struct engine *e)
{
    (void)e;
}

/* Destroy the state machine and make it anew over the same engine. */
static int restart(void)
{
    struct engine *e = f.kv->engine;
    const struct engine_ops *real = e->ops;
    ops = *real;
    ops.close = keep_open;
    e->ops = &ops;
    kv_destroy(f.kv);
    e->ops = real;
    f.kv = NULL;
    int rv = kv_create(&f.kv, e, &f.alloc.face, NULL);
    if (rv < 0) e->ops->close(e);
    return rv;
}

TEST(kv_restart, the_state_is_what_the_engine_holds)
{
    fixture_init(&f);
    CHECK_EQ(restart(), 0); /* nothing at all */
    fixture_found(&f, 3);
    uint8_t attach[32] = { 2 };
    attach[8] = 1;
    fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 32));
    struct entry_origin o = {
        .member_id = 3, .added_index = 1, .incarnation = 7, .seq = 9, .low_seq = 2
    };
    fixture_apply(&f, ENTRY_NOOP, &o, bytes_of(NULL, 0));
    o.member_id = 2;
    fixture_apply(&f, ENTRY_NOOP, &o, bytes_of(NULL, 0));
    fixture_put(&f, "k", "1");
    fixture_put(&f, "k", "2");
    fixture_compact(&f, 2);
    struct config c = config_of(2);
    fixture_config(&f, &c, NULL); /* with it a window goes */
    struct kv_info before = (kv_info(f.kv, &f.info), f.info);
    CHECK_EQ(restart(), 0);
    fixture_check_digest(&f);
    CHECK_EQ(f.info.applied_index, before.applied_index);
    CHECK_EQ(f.info.applied_term, before.applied_term);
    CHECK_EQ(f.info.revision, 3);
    CHECK_EQ(f.info.compacted_revision, 2);
    CHECK_EQ(f.info.config_index, before.config_index);
    CHECK_EQ(f.info.key_count, 1);
    CHECK(config_equal(&f.info.config, &before.config));
    CHECK(memcmp(f.info.cluster_uuid, before.cluster_uuid, MS_UUID_BYTES) == 0);
    CHECK_EQ(f.info.binding_count, before.binding_count);
    CHECK(kv_digest_equal(f.info.digest, before.digest));
    CHECK(!kv_origin_applied(f.kv, 3, 7, 9)); /* removed */
    /* It goes on. */
    fixture_put(&f, "k", "3");
    CHECK(fixture_has(&f, "k", "3"));
    fixture_check_digest(&f);
    struct kv_job job = { .kind = KV_JOB_PERSIST, .info = &f.info };
    kv_run(f.kv, &job);
    CHECK_EQ(job.status, MS_EINVAL); /* memory has nothing that lasts */
    fixture_fini(&f);
}

static int restart_with(const char *key, size_t key_len, const char *value, size_t value_len)
{
    fixture_init(&f);
    fixture_found(&f, 2);
    struct engine *e = f.kv->engine;
    CHECK_EQ(e->ops->put(e, bytes_of(key, key_len), bytes_of(value, value_len)), 0);
    CHECK_EQ(e->ops->commit(e), 0);
    int rv = restart();
    if (rv == 0) kv_destroy(f.kv);
    CHECK_EQ(f.alloc.alive, 0);
    return rv;
}

TEST(kv_restart, damaged_metadata_is_refused)
{
    CHECK_EQ(restart_with("x", 1, "", 0), 0); /* not metadata */
    CHECK_EQ(restart_with("ms", 2, "", 0), MS_ECORRUPT);
    CHECK_EQ(restart_with("ms", 2, "\2", 1), MS_EVERSION);
    CHECK_EQ(restart_with("ms", 2, "\1", 1), MS_ECORRUPT);
    CHECK_EQ(restart_with("mc", 2, "", 0), MS_ECORRUPT);
    CHECK_EQ(restart_with("mc", 2, "0123456789abcdef\0\0\0\0\0\0\0\0\2\0", 26), MS_EVERSION);
    CHECK_EQ(restart_with("mc", 2,
                          "0123456789abcdef\0\0\0\0\0\0\0\0\1\0"
                          "\0\0\0\0\0\0\0\0\0\0\0\0",
                          38),
             0);
    CHECK_EQ(restart_with("mc", 2, "0123456789abcdef\0\0\0\0\0\0\0\0\1\0x", 27), MS_ECORRUPT);
    CHECK_EQ(restart_with("mb\0\0\0\0\0\0\0\1", 10, "", 0), MS_ECORRUPT);
    CHECK_EQ(restart_with("mw\0\0\0\0\0\0\0\1", 10, "", 0), MS_ECORRUPT);
    CHECK_EQ(restart_with("mz", 2, "", 0), MS_EVERSION); /* a later program's */
    CHECK_EQ(restart_with("m", 1, "", 0), MS_ECORRUPT);
    /* Keys, but no state record. */
    fixture_init(&f);
    struct engine *e = f.kv->engine;
    CHECK_EQ(e->ops->put(e, bytes_of_str("cfoo"), bytes_of_str("bar")), 0);
    CHECK_EQ(e->ops->commit(e), 0);
    CHECK_EQ(restart(), MS_ECORRUPT);
    CHECK_EQ(f.alloc.alive, 0);
}
