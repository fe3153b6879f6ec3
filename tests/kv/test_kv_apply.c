/* test_kv_apply.c: entries into the state: data, configuration, bindings, windows (S1 to S3, S5). */
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f;

static uint32_t binding_count(void)
{
    kv_info(f.kv, &f.info);
    return f.info.binding_count;
}

TEST(kv_apply, puts_and_deletes_take_revisions_when_they_change_something)
{
    fixture_init(&f);
    CHECK_EQ(f.info.revision, 1); /* S5 */
    struct kv_result r = fixture_put(&f, "foo", "a");
    CHECK(r.succeeded && r.changed);
    CHECK_EQ(r.revision, 2);
    CHECK_EQ(fixture_put(&f, "foo", "a").revision, 3); /* an equal value is a change, too */
    CHECK_EQ(fixture_put(&f, "bar", "").revision, 4);
    r = fixture_delete(&f, "none");
    CHECK_EQ(r.revision, 4);
    CHECK(!r.changed && r.deleted == 0 && r.succeeded);

    struct kv_job job;
    fixture_read(&f, bytes_of_str("foo"), &job);
    CHECK_EQ(job.status, 0);
    CHECK_EQ(job.create_revision, 2);
    CHECK_EQ(job.mod_revision, 3);
    CHECK_EQ(job.version, 2);
    CHECK_EQ(job.revision, 4);
    buf_fini(&job.value);
    CHECK(fixture_has(&f, "bar", ""));
    CHECK(fixture_has(&f, "fo", NULL));

    r = fixture_delete(&f, "foo");
    CHECK_EQ(r.revision, 5);
    CHECK_EQ(r.deleted, 1);
    CHECK(fixture_has(&f, "foo", NULL));
    fixture_put(&f, "foo", "again");
    fixture_read(&f, bytes_of_str("foo"), &job);
    CHECK_EQ(job.create_revision, 6);
    CHECK_EQ(job.version, 1); /* versions start anew after a delete */
    buf_fini(&job.value);
    fixture_read(&f, bytes_of(NULL, 0), &job);
    CHECK_EQ(job.status, MS_EINVAL);
    buf_fini(&job.value);
    fixture_check_digest(&f);
    CHECK_EQ(f.info.key_count, 2);
    fixture_fini(&f);
}

TEST(kv_apply, configurations_and_bindings)
{
    fixture_init(&f);
    struct kv_result r = fixture_found(&f, 3);
    CHECK_EQ(r.status, 0);
    CHECK(r.changed && f.info_changed);
    CHECK_EQ(f.info.config_index, 1);
    CHECK_EQ(f.info.config.member_count, 3);
    CHECK_EQ(f.info.config.members[0].added_index, 1); /* resolved */
    CHECK(memcmp(f.info.cluster_uuid, "0123456789abcdef", 16) == 0);
    CHECK_EQ(fixture_found(&f, 2).status, MS_EINVAL); /* a cluster begins once */
    CHECK_EQ(f.info.config.member_count, 3);

    uint8_t attach[32] = { 2 };
    bytes_store_u64(attach + 8, 7);
    CHECK_EQ(fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 32)).status, 0);
    CHECK_EQ(binding_count(), 0); /* under another index it is no member */
    bytes_store_u64(attach + 8, 1);
    memcpy(attach + 16, "first nonce     ", 16);
    r = fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 32));
    CHECK(r.changed && f.info_changed);
    CHECK_EQ(binding_count(), 1);
    memcpy(attach + 16, "another nonce   ", 16);
    r = fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 32));
    CHECK(!r.changed);
    CHECK(memcmp(f.info.bindings[0].nonce, "first nonce     ", 16) == 0);
    CHECK_EQ(fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 31)).status, MS_EINVAL);
    fixture_check_digest(&f);

    struct config c = f.info.config;
    CHECK_EQ(config_remove(&c, 2), 0);
    r = fixture_config(&f, &c, NULL);
    CHECK(r.changed && f.info_changed);
    CHECK_EQ(binding_count(), 0);
    fixture_check_digest(&f);
    struct config_member back = { .id = 2, .roles = CONFIG_LEARNER, .url = "http://new:1" };
    CHECK_EQ(config_add(&c, &back), 0);
    fixture_config(&f, &c, NULL);
    CHECK_EQ(config_find(&f.info.config, 2)->added_index, f.index);
    CHECK_EQ(config_find(&f.info.config, 1)->added_index, 1);
    CHECK_EQ(binding_count(), 0);
    bytes_store_u64(attach + 8, f.index);
    CHECK(fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 32)).changed);
    fixture_check_digest(&f);
    r = fixture_apply(&f, ENTRY_NOOP, NULL, bytes_of(NULL, 0));
    CHECK(!r.changed && !f.info_changed && r.status == 0);
    struct kv_result same = fixture_apply(&f, ENTRY_DIGEST, NULL, bytes_of(NULL, 0));
    CHECK(kv_digest_equal(r.digest, same.digest));
    fixture_fini(&f);
}

static struct kv_result put_by(struct entry_origin o, const char *value)
{
    struct buf command;
    buf_init(&command, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str("k"), bytes_of_str(value)), 0);
    struct kv_result r = fixture_apply(&f, ENTRY_TXN, &o, buf_bytes(&command));
    buf_fini(&command);
    fixture_check_digest(&f);
    return r;
}

static int status_by(struct entry_origin o)
{
    struct kv_digest before = f.info.digest;
    struct kv_result r = put_by(o, "v");
    if (r.status < 0) CHECK(!r.changed && kv_digest_equal(before, r.digest)); /* no effect at all */
    return r.status;
}

#define ORIGIN(id, added, life, s, low)                                                                \
    ((struct entry_origin){                                                                            \
        .member_id = id, .added_index = added, .incarnation = life, .seq = s, .low_seq = low })

TEST(kv_apply, a_proposal_is_applied_at_most_once)
{
    fixture_init(&f);
    CHECK_EQ(status_by(ORIGIN(1, 1, 1, 1, 1)), MS_EDUPLICATE); /* nobody is a member yet */
    fixture_fini(&f);
    fixture_init(&f);
    fixture_found(&f, 3);
    fixture_check_digest(&f);
    CHECK_EQ(status_by(ORIGIN(9, 1, 1, 1, 1)), MS_EDUPLICATE); /* not a member */
    CHECK_EQ(status_by(ORIGIN(1, 2, 1, 1, 1)), MS_EDUPLICATE); /* not under that index */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 3, 1)), 0);
    CHECK(kv_origin_applied(f.kv, 1, 5, 3));
    CHECK(!kv_origin_applied(f.kv, 1, 5, 2));
    CHECK(!kv_origin_applied(f.kv, 1, 4, 3));
    CHECK(!kv_origin_applied(f.kv, 2, 5, 3));
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 3, 1)), MS_EDUPLICATE); /* applied before */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 3, 3)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 1, 1)), 0); /* out of order is fine */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 2, 1)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 4, 4, 1)), MS_EDUPLICATE); /* an earlier life */
    CHECK_EQ(status_by(ORIGIN(2, 1, 1, 3, 1)), 0);             /* another origin's numbers */

    /* The window, its end and its movement. */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, ORIGIN_WINDOW + 1, 1)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, ORIGIN_WINDOW, 1)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, ORIGIN_WINDOW, 1)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 100, 70)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 69, 1)), MS_EDUPLICATE); /* below the low-water mark */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 70, 1)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 70 + ORIGIN_WINDOW, 1)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 69 + ORIGIN_WINDOW, 1)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, ORIGIN_WINDOW, 2)), MS_EDUPLICATE); /* still remembered */
    /* A place of the ring is used again only when it is clean. */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 100 + 65 * 64, 99 + 65 * 64)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 101 + 65 * 64, 99 + 65 * 64)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 99 + 65 * 64, 99 + 65 * 64)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 99 + 65 * 64, 99 + 65 * 64)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 9000000, 8999999)), 0); /* far away */
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, UINT64_MAX, UINT64_MAX)), MS_EDUPLICATE);

    CHECK_EQ(status_by(ORIGIN(1, 1, 6, 3, 1)), 0); /* a new life begins with an empty window */
    CHECK_EQ(status_by(ORIGIN(1, 1, 6, 3, 1)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 6, 4, 1)), 0);
    CHECK_EQ(status_by(ORIGIN(1, 1, 5, 9000001, 1)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(1, 1, 7, 4, 1)), 0); /* a number that the life before used */
    CHECK_EQ(status_by(ORIGIN(1, 1, 7, 3, 1)), 0);
    fixture_fini(&f);
}

TEST(kv_apply, removal_ends_the_proposals_of_that_life)
{
    fixture_init(&f);
    fixture_found(&f, 3);
    CHECK_EQ(status_by(ORIGIN(2, 1, 1, 1, 1)), 0);
    struct config c = f.info.config;
    CHECK_EQ(config_remove(&c, 2), 0);
    fixture_config(&f, &c, NULL);
    CHECK_EQ(status_by(ORIGIN(2, 1, 1, 2, 1)), MS_EDUPLICATE);
    struct config_member back = { .id = 2, .roles = CONFIG_VOTER, .url = "http://h2:1" };
    CHECK_EQ(config_add(&c, &back), 0);
    fixture_config(&f, &c, NULL);
    CHECK_EQ(status_by(ORIGIN(2, 1, 1, 2, 1)), MS_EDUPLICATE); /* of its former life */
    CHECK_EQ(status_by(ORIGIN(2, f.info.config_index, 1, 1, 1)), 0);
    uint64_t added = config_find(&f.info.config, 2)->added_index;
    CHECK_EQ(status_by(ORIGIN(2, added, 1, 1, 1)), MS_EDUPLICATE);

    /* Replaced in one step: the same id under a new index is another member. */
    CHECK_EQ(config_remove(&c, 2), 0);
    CHECK_EQ(config_add(&c, &back), 0);
    fixture_config(&f, &c, NULL);
    CHECK_EQ(status_by(ORIGIN(2, added, 1, 2, 1)), MS_EDUPLICATE);
    CHECK_EQ(status_by(ORIGIN(2, f.info.config_index, 1, 1, 1)), 0);

    /* A repeated configuration is in force all the same: raft has it since its append. */
    struct entry_origin o = ORIGIN(1, 1, 1, 1, 1);
    CHECK_EQ(config_remove(&c, 3), 0);
    CHECK_EQ(fixture_config(&f, &c, &o).status, 0);
    CHECK_EQ(config_remove(&c, 2), 0);
    struct kv_result r = fixture_config(&f, &c, &o);
    CHECK_EQ(r.status, MS_EDUPLICATE);
    CHECK(r.changed && f.info_changed);
    CHECK_EQ(f.info.config.member_count, 1);
    CHECK_EQ(f.info.config_index, f.index);
    fixture_check_digest(&f);

    /* A command that is refused has used up its number. */
    o.seq = 2;
    CHECK_EQ(fixture_apply(&f, ENTRY_TXN, &o, bytes_of_str("\x01")).status, MS_EINVAL);
    CHECK_EQ(fixture_apply(&f, ENTRY_TXN, &o, bytes_of_str("\x01")).status, MS_EDUPLICATE);
    fixture_fini(&f);
}

/* S4: everything that is in the digest, changes it. */
TEST(kv_apply, the_digest_sees_each_part_of_the_state)
{
    struct kv_digest seen[16];
    uint32_t count = 0;
    uint8_t attach[32] = { 2, 0, 0, 0, 0, 0, 0, 0, 1 };
    fixture_init(&f);
    seen[count++] = f.info.digest;
    seen[count++] = fixture_found(&f, 2).digest;
    seen[count++] = fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, 32)).digest;
    struct entry_origin o = ORIGIN(1, 1, 1, 1, 1);
    seen[count++] = fixture_apply(&f, ENTRY_NOOP, &o, bytes_of(NULL, 0)).digest;
    seen[count++] = fixture_put(&f, "k", "v").digest;
    seen[count++] = fixture_put(&f, "k", "v").digest;
    seen[count++] = fixture_put(&f, "l", "v").digest;
    seen[count++] = fixture_compact(&f, 2).digest;
    seen[count++] = fixture_compact(&f, 3).digest;
    seen[count++] = fixture_config(&f, &f.info.config, NULL).digest; /* its index */
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            CHECK(seen[i].hi != seen[j].hi && seen[i].lo != seen[j].lo);
        }
    }
    /* And nothing else does: index, term and history. */
    struct kv_digest last = seen[count - 1];
    CHECK(kv_digest_equal(last, fixture_apply(&f, ENTRY_NOOP, NULL, bytes_of(NULL, 0)).digest));
    fixture_fini(&f);
}

static int status_of_payload(const char *payload, size_t len)
{
    int status;
    fixture_init(&f);
    f.entries[0] = entry_ref_create(&f.alloc.face, 1, 1, bytes_of(payload, len));
    f.count = 1;
    status = fixture_run(&f);
    if (status < 0) {
        /* Broken for good: nothing is answered from a state that is half of something. */
        struct kv_job job;
        fixture_read(&f, bytes_of_str("k"), &job);
        CHECK_EQ(job.status, status);
        buf_fini(&job.value);
    }
    fixture_fini(&f);
    return status;
}

TEST(kv_apply, what_it_does_not_know_stops_the_member)
{
    CHECK_EQ(status_of_payload("\x01\x01\x00", 3), 0);
    CHECK_EQ(status_of_payload("\x0c\x01\x00", 3), MS_EUNSUPPORTED); /* kind */
    CHECK_EQ(status_of_payload("\x01\x02\x00", 3), MS_EUNSUPPORTED); /* version */
    CHECK_EQ(status_of_payload("\x01\x01\x02", 3), MS_EUNSUPPORTED); /* flag */
    CHECK_EQ(status_of_payload("\x01\x01", 2), MS_EUNSUPPORTED);
    CHECK_EQ(status_of_payload("\xc8\x01\x00", 3), MS_EUNSUPPORTED); /* a request, never in a log */
    CHECK_EQ(status_of_payload("\x03\x01\x00\x02\x00", 5), MS_EUNSUPPORTED); /* configuration */
    CHECK_EQ(status_of_payload("\x03\x01\x00\x01\x00\0\0\0\0\0\0\0\0\0\0\0\0", 17), 0);
    CHECK_EQ(status_of_payload("\x03\x01\x00\x01\x00\x00", 6), MS_EUNSUPPORTED);
    CHECK_EQ(status_of_payload("\x05\x01\x00\x02", 4), MS_EUNSUPPORTED); /* command version */
    CHECK_EQ(status_of_payload("\x05\x01\x00\x01", 4), 0);               /* refused, not fatal */
    CHECK_EQ(status_of_payload("\x02\x01\x00"
                               "0123456789abcdef"
                               "\x01",
                               20),
             MS_EUNSUPPORTED);
    CHECK_EQ(status_of_payload("\x06\x01\x00", 3), 0); /* refused */
}

TEST(kv_apply, compaction_forgets_what_nobody_may_ask_for)
{
    fixture_init(&f);
    CHECK_EQ(fixture_compact(&f, 2).status, MS_EFUTURE); /* the future */
    CHECK_EQ(fixture_compact(&f, 1).status, 0);
    for (int i = 0; i < 6; i++) fixture_put(&f, "k", "v");
    fixture_delete(&f, "k");
    fixture_put(&f, "k", "w"); /* revision 9 */
    uint64_t full = f.kv->engine->ops->bytes(f.kv->engine);
    struct kv_result r = fixture_compact(&f, 8);
    CHECK_EQ(r.status, 0);
    CHECK(!r.changed && r.revision == 9);
    fixture_check_digest(&f);
    CHECK_EQ(f.info.compacted_revision, 8);
    CHECK(f.kv->engine->ops->bytes(f.kv->engine) < full);
    CHECK_EQ(fixture_compact(&f, 3).status, MS_ECOMPACTED);
    kv_info(f.kv, &f.info);
    CHECK_EQ(f.info.compacted_revision, 8); /* it never falls */
    struct buf out;
    struct kv_change change;
    buf_init(&out, &f.alloc.face, 1000);
    kv_key_rev(&f.kv->key, 8, 0); /* the delete at the compacted revision is still told */
    CHECK_EQ(f.kv->engine->ops->get(f.kv->engine, NULL, buf_bytes(&f.kv->key), &out), 0);
    CHECK_EQ(kv_change_decode(buf_bytes(&out), &change), 0);
    CHECK(change.mark == KV_CHANGE_DELETE && change.prev_mod_revision == 7);
    kv_key_rev(&f.kv->key, 7, 0);
    CHECK_EQ(f.kv->engine->ops->get(f.kv->engine, NULL, buf_bytes(&f.kv->key), &out), MS_ENOTFOUND);
    buf_fini(&out);
    /* In one job with the changes it compacts. */
    struct buf command;
    uint8_t body[8];
    buf_init(&command, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str("k"), bytes_of_str("x")), 0);
    for (int i = 0; i < 3; i++) fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    bytes_store_u64(body, 12);
    fixture_add(&f, ENTRY_COMPACT, NULL, bytes_of(body, 8));
    CHECK_EQ(fixture_run(&f), 0);
    CHECK_EQ(f.results[3].status, 0);
    fixture_check_digest(&f);
    struct engine_iter *i = f.kv->engine->ops->iter_open(f.kv->engine, NULL);
    f.kv->engine->ops->iter_seek(i, bytes_of_str("h"));
    CHECK_EQ(f.kv->engine->ops->iter_key(i).data[0], 'm'); /* no history is left */
    f.kv->engine->ops->iter_close(i);
    buf_fini(&command);
    fixture_fini(&f);
}
