/* fuzz_kv_lease.c: entries about leases, as a log may hold them: kind u8, length u16, body, one after the
 * other. Whatever they say, the state keeps what kv.h promises (S4, S6), and its snapshot brings all of it. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "fuzz/support.h"
#include "kv/kv.h"

#define ENTRIES_MAX 64u

static struct kv_result apply(struct kv *kv, uint64_t index, uint8_t kind, struct bytes body)
{
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    struct kv_result result;
    struct kv_info info;
    struct buf payload, events;
    buf_init(&payload, &fuzz_heap, ENTRY_PAYLOAD_BYTES_MAX);
    buf_init(&events, &fuzz_heap, 1u << 20);
    entry_encode(&payload, &e);
    struct entry_ref *ref = entry_ref_create(&fuzz_heap, index, 1, buf_bytes(&payload));
    MS_ASSERT(ref);
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = &ref,
                          .results = &result,
                          .count = 1,
                          .lease_events = &events,
                          .info = &info };
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 || job.status == MS_EUNSUPPORTED); /* the command of a later program */
    if (job.status < 0) result.status = job.status;
    entry_ref_drop(&fuzz_heap, ref);
    buf_fini(&payload);
    buf_fini(&events);
    return result;
}

/* S6, seen from the leases. */
static uint64_t count_keys(struct kv *kv, const struct kv_lease *l)
{
    struct kv_job job = { .kind = KV_JOB_LEASE, .lease = l->id, .limit = 1u << 20 };
    uint64_t count = 0;
    uint32_t key_len;
    struct bytes key;
    buf_init(&job.value, &fuzz_heap, 8u << 20);
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && job.last);
    struct bytes_reader keys = bytes_reader_of(buf_bytes(&job.value));
    for (; bytes_read_u32(&keys, &key_len) && bytes_read_span(&keys, key_len, &key); count++) {
        struct kv_job read = { .kind = KV_JOB_READ, .key = key };
        buf_init(&read.value, &fuzz_heap, MS_VALUE_BYTES_MAX);
        kv_run(kv, &read);
        MS_ASSERT(read.status == 0 && read.lease == l->id);
        buf_fini(&read.value);
    }
    buf_fini(&job.value);
    return count;
}

static void check(struct kv *kv)
{
    struct kv_job job = { .kind = KV_JOB_LEASES, .limit = UINT64_MAX };
    struct kv_digest scanned;
    struct kv_info info;
    struct kv_lease l;
    kv_info(kv, &info);
    int rv = kv_digest_by_scan(kv, &scanned);
    MS_ASSERT(rv == 0 && scanned.hi == info.digest.hi && scanned.lo == info.digest.lo);
    buf_init(&job.value, &fuzz_heap, 1u << 20);
    kv_run(kv, &job);
    MS_ASSERT(job.status == 0 && job.value.len == info.lease_count * sizeof l);
    for (size_t at = 0; at < job.value.len; at += sizeof l) {
        memcpy(&l, job.value.data + at, sizeof l);
        MS_ASSERT(count_keys(kv, &l) == l.key_count);
    }
    buf_fini(&job.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes_reader in = bytes_reader_of(bytes_of(data, len));
    struct kv *kv;
    uint8_t kind;
    uint16_t body_len;
    struct bytes body;
    uint64_t index = 0;
    int rv = kv_create(&kv, kv_mem_create(&fuzz_heap), &fuzz_heap, NULL);
    MS_ASSERT(rv == 0);
    while (index < ENTRIES_MAX && bytes_read_u8(&in, &kind) && bytes_read_u16(&in, &body_len)) {
        if (body_len > bytes_reader_left(&in)) body_len = (uint16_t)bytes_reader_left(&in);
        bytes_read_span(&in, body_len, &body);
        kind = kind % 5 == 0 ? ENTRY_TXN : (uint8_t)(ENTRY_LEASE_GRANT + kind % 5 - 1);
        if (apply(kv, ++index, kind, body).status == MS_EUNSUPPORTED) break;
        check(kv);
    }
    kv_destroy(kv);
    return 0;
}
