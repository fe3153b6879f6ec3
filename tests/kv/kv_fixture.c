#include "tests/kv/kv_fixture.h"

#include <string.h>

#include "base/ms_err.h"
#include "tests/support/test.h"

void fixture_init(struct fixture *f)
{
    fixture_init_on(f, NULL);
}

void fixture_init_on(struct fixture *f, struct engine *e)
{
    memset(f, 0, sizeof *f);
    test_alloc_init(&f->alloc);
    if (!e) e = kv_mem_create(&f->alloc.face);
    fixture_init_over(f, e);
}

void fixture_init_over(struct fixture *f, struct engine *e)
{
    CHECK(e != NULL);
    CHECK_EQ(kv_create(&f->kv, e, &f->alloc.face, NULL), 0);
    kv_info(f->kv, &f->info);
    f->index = f->info.applied_index;
}

static void drop_entries(struct fixture *f)
{
    for (uint32_t i = 0; i < f->count; i++) entry_ref_drop(&f->alloc.face, f->entries[i]);
}

void fixture_fini(struct fixture *f)
{
    kv_destroy(f->kv);
    CHECK_EQ(f->alloc.alive, 0);
}

void fixture_add(struct fixture *f, uint8_t kind, const struct entry_origin *origin, struct bytes body)
{
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    struct buf payload;
    CHECK(f->count < FIXTURE_BATCH_MAX);
    if (origin) e.origin = *origin;
    buf_init(&payload, &f->alloc.face, ENTRY_PAYLOAD_BYTES_MAX);
    entry_encode(&payload, &e);
    CHECK(!payload.failed);
    f->entries[f->count] = entry_ref_create(&f->alloc.face, ++f->index, 1, buf_bytes(&payload));
    CHECK(f->entries[f->count++] != NULL);
    buf_fini(&payload);
}

int fixture_run(struct fixture *f)
{
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = f->entries,
                          .results = f->results,
                          .count = f->count,
                          .lease_events = f->lease_events,
                          .info = &f->info };
    kv_run(f->kv, &job);
    f->info_changed = job.info_changed;
    /* What a job remembers of its changes goes with its commit. */
    if (job.status == 0) CHECK(!f->kv->touched.root && f->kv->touched_notes.len == 0);
    drop_entries(f);
    f->count = 0;
    return job.status;
}

struct kv_result fixture_apply(struct fixture *f, uint8_t kind, const struct entry_origin *origin,
                               struct bytes body)
{
    CHECK_EQ(f->count, 0);
    fixture_add(f, kind, origin, body);
    CHECK_EQ(fixture_run(f), 0);
    return f->results[0];
}

struct kv_result fixture_put(struct fixture *f, const char *key, const char *value)
{
    struct buf command;
    buf_init(&command, &f->alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str(key), bytes_of_str(value)), 0);
    struct kv_result r = fixture_apply(f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    return r;
}

struct kv_result fixture_delete(struct fixture *f, const char *key)
{
    struct buf command;
    buf_init(&command, &f->alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode_delete(&command, bytes_of_str(key)), 0);
    struct kv_result r = fixture_apply(f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    return r;
}

struct kv_result fixture_compact(struct fixture *f, uint64_t revision)
{
    uint8_t body[8];
    bytes_store_u64(body, revision);
    return fixture_apply(f, ENTRY_COMPACT, NULL, bytes_of(body, sizeof body));
}

struct config config_of(uint32_t count)
{
    struct config c = { 0 };
    for (uint32_t i = 1; i <= count; i++) {
        struct config_member m = { .id = i, .roles = CONFIG_VOTER };
        snprintf(m.url, sizeof m.url, "http://h%u:1", i);
        CHECK_EQ(config_add(&c, &m), 0);
    }
    return c;
}

struct kv_result fixture_found(struct fixture *f, uint32_t count)
{
    struct config c = config_of(count);
    struct buf body;
    buf_init(&body, &f->alloc.face, 1 << 16);
    buf_append(&body, "0123456789abcdef", MS_UUID_BYTES);
    config_encode(&body, &c);
    struct kv_result r = fixture_apply(f, ENTRY_INIT, NULL, buf_bytes(&body));
    buf_fini(&body);
    return r;
}

struct kv_result fixture_config(struct fixture *f, const struct config *c,
                                const struct entry_origin *origin)
{
    struct buf body;
    buf_init(&body, &f->alloc.face, 1 << 16);
    config_encode(&body, c);
    struct kv_result r = fixture_apply(f, ENTRY_CONFIG, origin, buf_bytes(&body));
    buf_fini(&body);
    return r;
}

void fixture_read(struct fixture *f, struct bytes key, struct kv_job *job)
{
    *job = (struct kv_job){ .kind = KV_JOB_READ, .key = key };
    buf_init(&job->value, &f->alloc.face, MS_VALUE_BYTES_MAX);
    kv_run(f->kv, job);
}

bool fixture_has(struct fixture *f, const char *key, const char *value)
{
    struct kv_job job;
    fixture_read(f, bytes_of_str(key), &job);
    bool has = value ? job.status == 0 && bytes_equal(buf_bytes(&job.value), bytes_of_str(value))
                     : job.status == MS_ENOTFOUND;
    buf_fini(&job.value);
    return has;
}

void fixture_check_digest(struct fixture *f)
{
    struct kv_digest scanned;
    kv_info(f->kv, &f->info);
    CHECK_EQ(kv_digest_by_scan(f->kv, &scanned), 0);
    CHECK(kv_digest_equal(f->info.digest, scanned));
}

int fixture_dump(struct fixture *f, struct buf *out)
{
    return fixture_dump_cut(f, 0, out);
}

int fixture_dump_cut(struct fixture *f, size_t chunk_bytes_max, struct buf *out)
{
    struct kv_job job = { .kind = KV_JOB_SNAP_OPEN,
                          .info = &f->info,
                          .chunk_bytes_max = chunk_bytes_max };
    buf_init(&job.chunk, &f->alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    kv_run(f->kv, &job);
    int rv = job.status;
    while (rv == 0 && !job.last) {
        job.kind = KV_JOB_SNAP_READ;
        kv_run(f->kv, &job);
        rv = job.status;
        if (rv == 0) buf_append(out, job.chunk.data, job.chunk.len);
        if (out->failed) rv = MS_ENOMEM;
    }
    job.kind = KV_JOB_SNAP_CLOSE;
    if (job.snapshot) kv_run(f->kv, &job);
    buf_fini(&job.chunk);
    return rv;
}

int fixture_load(struct fixture *f, struct bytes chunks)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN, .info = &f->info };
    buf_init(&job.chunk, &f->alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    kv_run(f->kv, &job);
    int rv = job.status;
    bool begun = rv == 0;
    while (rv == 0 && chunks.len > 0) {
        int64_t len = kv_snap_chunk_bytes(chunks);
        if (len <= 0 || (uint64_t)len > chunks.len) len = (int64_t)chunks.len;
        buf_clear(&job.chunk);
        buf_append(&job.chunk, chunks.data, (size_t)len);
        chunks = bytes_of(chunks.data + len, chunks.len - (size_t)len);
        job.kind = KV_JOB_LOAD_CHUNK;
        if (job.chunk.failed) rv = MS_ENOMEM;
        if (rv == 0) kv_run(f->kv, &job);
        if (rv == 0) rv = job.status;
    }
    job.kind = KV_JOB_LOAD_END;
    job.last = rv == 0;
    if (begun) kv_run(f->kv, &job);
    if (rv == 0) rv = job.status;
    if (rv == 0) f->index = f->info.applied_index;
    buf_fini(&job.chunk);
    return rv;
}
