/* test_kv_refound.c: a state taken over by a new cluster, and streams checked without being kept. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f, g;

#define DUMP_BYTES_MAX (1u << 20)
#define BUMP 1000u

static void fill(void)
{
    struct entry_origin o = { .member_id = 1, .added_index = 1, .incarnation = 1, .seq = 1 };
    uint8_t attach[32] = { 2, 0, 0, 0, 0, 0, 0, 0, 1 };
    fixture_init(&f);
    fixture_found(&f, 3);
    fixture_apply(&f, ENTRY_ATTACH, NULL, bytes_of(attach, sizeof attach));
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str("a"), bytes_of_str("1")), 0);
    CHECK_EQ(fixture_apply(&f, ENTRY_TXN, &o, buf_bytes(&command)).status, 0);
    buf_fini(&command);
    fixture_put(&f, "a", "2");
    fixture_put(&f, "b", "3");
    fixture_delete(&f, "b");
    fixture_put(&f, "c", "4");
    kv_info(f.kv, &f.info);
    CHECK(f.info.binding_count == 1 && f.info.config.member_count == 3);
}

static struct kv_refound refound_of(uint64_t bump)
{
    struct kv_refound r = { .member_id = 7, .url = "http://new:1", .revision_bump = bump };
    memcpy(r.cluster_uuid, "another cluster.", MS_UUID_BYTES);
    memcpy(r.nonce, "its directory...", MS_UUID_BYTES);
    return r;
}

static int load(struct bytes stream, const struct kv_refound *r)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN, .refound = r, .info = &g.info };
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, 0);
    while (stream.len > 0) {
        int64_t len = kv_snap_chunk_bytes(stream);
        CHECK(len > 0);
        job.kind = KV_JOB_LOAD_CHUNK;
        job.chunk = (struct buf){ .data = (uint8_t *)(uintptr_t)stream.data, .len = (size_t)len };
        kv_run(g.kv, &job);
        CHECK_EQ(job.status, 0);
        stream = bytes_of(stream.data + len, stream.len - (size_t)len);
    }
    job.kind = KV_JOB_LOAD_END;
    job.last = true;
    kv_run(g.kv, &job);
    return job.status;
}

static void dump(struct fixture *from, struct buf *out)
{
    buf_init(out, &from->alloc.face, DUMP_BYTES_MAX);
    CHECK_EQ(fixture_dump_cut(from, 300, out), 0);
}

TEST(kv_refound, keys_stay_and_whose_they_are_does_not)
{
    struct buf stream, again;
    struct kv_refound r = refound_of(BUMP);
    fill();
    fixture_init(&g);
    dump(&f, &stream);
    CHECK_EQ(load(buf_bytes(&stream), &r), 0);
    const struct kv_info *was = &f.info, *is = &g.info;
    CHECK_EQ(is->applied_index, was->applied_index);
    CHECK_EQ(is->revision, was->revision + BUMP);
    CHECK_EQ(is->compacted_revision,
             is->revision); /* no revision of the old cluster can be asked for */
    CHECK_EQ(is->key_count, was->key_count);
    CHECK(memcmp(is->cluster_uuid, r.cluster_uuid, MS_UUID_BYTES) == 0);
    CHECK(is->config.member_count == 1 && is->config.members[0].id == 7);
    CHECK(strcmp(is->config.members[0].url, "http://new:1") == 0);
    CHECK(is->config.members[0].roles == CONFIG_VOTER);
    CHECK(is->config_index == is->applied_index &&
          is->config.members[0].added_index == is->config_index);
    CHECK(is->config.lease_ms == 0);
    CHECK(is->binding_count == 1 && is->bindings[0].member_id == 7);
    CHECK_EQ(is->bindings[0].added_index, is->config_index);
    CHECK(memcmp(is->bindings[0].nonce, r.nonce, MS_UUID_BYTES) == 0);
    CHECK_EQ(g.kv->meta.window_count, 0);
    CHECK(fixture_has(&g, "a", "2") && fixture_has(&g, "b", NULL) && fixture_has(&g, "c", "4"));
    fixture_check_digest(&g);

    /* A key keeps its revisions; the next write takes one that the old cluster never gave. */
    struct kv_job before, after;
    fixture_read(&f, bytes_of_str("a"), &before);
    fixture_read(&g, bytes_of_str("a"), &after);
    CHECK(before.mod_revision == after.mod_revision && before.version == after.version);
    CHECK_EQ(before.create_revision, after.create_revision);
    buf_fini(&before.value);
    buf_fini(&after.value);
    g.index = g.info.applied_index;
    CHECK_EQ(fixture_put(&g, "a", "5").revision, was->revision + BUMP + 1);
    CHECK_EQ(fixture_compact(&g, was->revision + BUMP + 1).status, 0);
    fixture_check_digest(&g);
    dump(&g, &again); /* and it is a state as any other */
    CHECK_EQ(load(buf_bytes(&again), NULL), 0);
    buf_fini(&again);
    buf_fini(&stream);
    fixture_fini(&f);
    fixture_fini(&g);
}

TEST(kv_refound, what_cannot_be_taken_over_is_refused)
{
    struct buf stream;
    struct kv_refound r = refound_of(KV_REVISION_MAX);
    fill();
    fixture_init(&g);
    dump(&f, &stream);
    fixture_put(&g, "old", "state");
    CHECK_EQ(load(buf_bytes(&stream), &r), MS_ETOOBIG);
    r.revision_bump = KV_REVISION_MAX - f.info.revision + 1;
    CHECK_EQ(load(buf_bytes(&stream), &r), MS_ETOOBIG);
    CHECK(fixture_has(&g, "old", "state"));
    r.revision_bump--;
    CHECK_EQ(load(buf_bytes(&stream), &r), 0);
    CHECK_EQ(g.info.revision, KV_REVISION_MAX);
    buf_fini(&stream);
    fixture_fini(&f);

    fixture_init(&f); /* the state of no cluster */
    dump(&f, &stream);
    CHECK_EQ(load(buf_bytes(&stream), &r), MS_EINVAL);
    buf_fini(&stream);
    fixture_fini(&f);
    fixture_fini(&g);
}

TEST(kv_refound, a_stream_is_checked_without_being_kept)
{
    struct buf stream;
    struct kv *kv = NULL;
    fill();
    dump(&f, &stream);
    fixture_init(&g);
    struct kv *kept = g.kv;
    CHECK_EQ(kv_create(&kv, kv_null_create(&g.alloc.face), &g.alloc.face, NULL), 0);
    g.kv = kv;
    uint64_t alive = g.alloc.alive;
    CHECK_EQ(load(buf_bytes(&stream), NULL), 0);
    CHECK_EQ(g.info.revision, f.info.revision);
    CHECK(kv_digest_equal(g.info.digest, f.info.digest));
    CHECK_EQ(g.alloc.alive, alive + (kv->key.data != NULL) + (kv->aux.data != NULL) +
                                (kv->record.data != NULL) + (kv->old.data != NULL));
    stream.data[stream.len - 1] ^= 1;
    CHECK_EQ(fixture_load(&g, buf_bytes(&stream)), MS_ECORRUPT);
    kv_destroy(kv);
    g.kv = kept;
    buf_fini(&stream);
    fixture_fini(&f);
    fixture_fini(&g);
}
