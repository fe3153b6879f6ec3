/* fuzz_kv_cmd.c: a command as a client's member may propose it. What decodes is encoded again to the
 * same bytes, at every level of nesting; and applied to a small state it keeps what kv.h promises, be
 * it refused or not, and is answered with what can be read. The bytes are also read as an answer. */
#include <stdlib.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "kv/kv.h"

static uint32_t read_ops(struct bytes run, struct kv_op *out)
{
    struct bytes_reader in = bytes_reader_of(run);
    uint32_t count = 0;
    for (; kv_cmd_next_op(&in, &out[count]); count++) MS_ASSERT(count + 1 < MS_TXN_OPS_MAX + 1);
    return count;
}

static void check_round_trip(struct bytes encoded)
{
    struct kv_compare *compares = calloc(MS_TXN_OPS_MAX + 1, sizeof *compares);
    struct kv_op *ops = calloc(2 * (MS_TXN_OPS_MAX + 1), sizeof *ops);
    struct kv_op *else_ops = ops + MS_TXN_OPS_MAX + 1;
    struct kv_cmd cmd;
    struct buf again;
    MS_ASSERT(compares && ops && kv_cmd_decode(encoded, &cmd) == 0);
    struct bytes_reader run = bytes_reader_of(cmd.compares);
    uint32_t compare_count = 0;
    while (kv_cmd_next_compare(&run, &compares[compare_count])) compare_count++;
    MS_ASSERT(compare_count == cmd.compare_count);
    MS_ASSERT(read_ops(cmd.then_ops, ops) == cmd.then_count);
    MS_ASSERT(read_ops(cmd.else_ops, else_ops) == cmd.else_count);
    buf_init(&again, &fuzz_heap, MS_TXN_BYTES_MAX);
    int rv =
        kv_cmd_encode(&again, compares, compare_count, ops, cmd.then_count, else_ops, cmd.else_count);
    MS_ASSERT(rv == 0);
    MS_ASSERT(bytes_equal(buf_bytes(&again), encoded));
    buf_fini(&again);
    for (uint32_t i = 0; i < cmd.then_count; i++) {
        if (ops[i].kind == KV_OP_TXN) check_round_trip(ops[i].txn);
    }
    for (uint32_t i = 0; i < cmd.else_count; i++) {
        if (else_ops[i].kind == KV_OP_TXN) check_round_trip(else_ops[i].txn);
    }
    free(compares);
    free(ops);
}

/* What is read, is written again to the same bytes. How it ends, and whether that was the end. */
static int read_answer(struct bytes in, bool *done)
{
    struct kv_answer_reader r;
    struct kv_answer_item item;
    struct buf again;
    int rv;
    buf_init(&again, &fuzz_heap, MS_TXN_BYTES_MAX + KV_ANSWER_BYTES_MAX);
    kv_answer_reader_init(&r);
    kv_answer_reader_feed(&r, in);
    while ((rv = kv_answer_next(&r, &item)) == 0) kv_answer_append(&again, &item);
    MS_ASSERT(!again.failed && again.len == r.in.at);
    MS_ASSERT(again.len == 0 || memcmp(again.data, in.data, again.len) == 0);
    buf_fini(&again);
    *done = r.done;
    return rv;
}

static void check_answer(const struct kv_job *job)
{
    const struct kv_result *r = job->results;
    bool done;
    if (job->status < 0) return;
    MS_ASSERT(r->answer_status == 0 || r->answer_status == MS_ETOOBIG);
    MS_ASSERT((r->answer_bytes > 0) == (r->status == 0 && r->answer_status == 0));
    if (r->answer_bytes == 0) return;
    int rv = read_answer(bytes_of(job->answers.data + r->answer_at, r->answer_bytes), &done);
    MS_ASSERT(rv == MS_EEND && done);
}

static struct kv_result apply(struct kv *kv, uint64_t index, struct bytes command, int *status)
{
    static const bool asked[] = { true };
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = command };
    struct kv_result result;
    struct kv_info info;
    struct buf payload;
    buf_init(&payload, &fuzz_heap, ENTRY_PAYLOAD_BYTES_MAX);
    entry_encode(&payload, &e);
    struct entry_ref *ref = entry_ref_create(&fuzz_heap, index, 1, buf_bytes(&payload));
    MS_ASSERT(ref);
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = &ref,
                          .results = &result,
                          .count = 1,
                          .asked = asked,
                          .info = &info };
    buf_init(&job.answers, &fuzz_heap, KV_APPLY_ANSWERS_BYTES_MAX);
    kv_run(kv, &job);
    *status = job.status;
    check_answer(&job);
    buf_fini(&job.answers);
    entry_ref_drop(&fuzz_heap, ref);
    buf_fini(&payload);
    return result;
}

/* Keys a, b, c, and the command twice: the second time it meets what the first has done. */
static void check_apply(struct bytes command, int decoded)
{
    struct kv *kv;
    struct buf put;
    int status, rv = kv_create(&kv, kv_mem_create(&fuzz_heap), &fuzz_heap, NULL);
    uint64_t revision = 4;
    MS_ASSERT(rv == 0);
    buf_init(&put, &fuzz_heap, 1000);
    for (uint64_t i = 0; i < 3; i++) {
        uint8_t key = (uint8_t)('a' + i);
        buf_clear(&put);
        rv = kv_cmd_encode_put(&put, bytes_of(&key, 1), bytes_of_str("v"));
        MS_ASSERT(rv == 0);
        apply(kv, i + 1, buf_bytes(&put), &status);
        MS_ASSERT(status == 0);
    }
    buf_fini(&put);
    for (uint64_t i = 4; i < 6; i++) {
        struct kv_result r = apply(kv, i, command, &status);
        struct kv_digest scanned;
        if (decoded == MS_EVERSION) MS_ASSERT(status == MS_EUNSUPPORTED);
        if (decoded == MS_EVERSION) break;
        MS_ASSERT(status == 0);
        MS_ASSERT(r.status == 0 || r.status == MS_EINVAL || r.status == MS_EDUPKEY ||
                  r.status == MS_ENOTFOUND || r.status == MS_ENOLEASE || r.status == MS_EFUTURE);
        if (decoded < 0) MS_ASSERT(r.status == MS_EINVAL);
        if (r.status < 0) MS_ASSERT(!r.changed);
        revision += r.changed;
        MS_ASSERT(r.revision == revision);
        rv = kv_digest_by_scan(kv, &scanned);
        MS_ASSERT(rv == 0);
        MS_ASSERT(scanned.hi == r.digest.hi && scanned.lo == r.digest.lo);
    }
    kv_destroy(kv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct kv_cmd cmd = { .compare_count = 77 };
    if (len > MS_TXN_BYTES_MAX) return 0;
    int rv = kv_cmd_decode(bytes_of(data, len), &cmd);
    if (rv < 0) {
        MS_ASSERT(rv == MS_ESHORT || rv == MS_ECORRUPT || rv == MS_EVERSION || rv == MS_ETOOBIG);
        MS_ASSERT(cmd.compare_count == 77);
    } else {
        check_round_trip(bytes_of(data, len));
    }
    check_apply(bytes_of(data, len), rv);
    bool done;
    rv = read_answer(bytes_of(data, len), &done);
    MS_ASSERT(rv == MS_EEND || rv == MS_ECORRUPT);
    return 0;
}
