#include <stdlib.h>

#include "base/ms_err.h"
#include "tests/support/kv_model/kv_model.h"
#include "tests/support/test.h"

#define BATCH_MAX 6u

static struct run {
    struct kv *kv;
    const struct ms_alloc *alloc;
    struct model model;
    struct model_draw draw;
    uint64_t index, seed, seen[2]; /* refused and accepted transactions */
    uint32_t operations, slices;
    /* One job: what was given, and what is expected of it. */
    struct entry_ref *entries[BATCH_MAX];
    bool asked[BATCH_MAX];
    struct kv_result wanted[BATCH_MAX], results[BATCH_MAX];
    uint32_t item_at[BATCH_MAX + 1]; /* in model.items */
    uint32_t count;
} run;

static void explain(const char *what)
{
    fprintf(stderr, "kv_model: %s; again: MS_SEED=%llu (operation %u)\n", what,
            (unsigned long long)run.seed, run.operations);
}

#define SAME(a, b)                                                                                     \
    do {                                                                                               \
        if ((long long)(a) != (long long)(b)) explain(#a " is not " #b);                               \
        CHECK_EQ(a, b);                                                                                \
    } while (0)

static void same_bytes(struct bytes got, struct bytes wanted)
{
    if (!bytes_equal(got, wanted)) explain("a key or value differs");
    CHECK(bytes_equal(got, wanted));
}

static void same_item(const struct kv_answer_item *got, const struct kv_answer_item *wanted)
{
    SAME(got->kind, wanted->kind);
    SAME(got->flags, wanted->flags);
    SAME(got->op, wanted->op);
    SAME(got->revision, wanted->revision);
    SAME(got->create_revision, wanted->create_revision);
    SAME(got->mod_revision, wanted->mod_revision);
    SAME(got->version, wanted->version);
    SAME(got->lease, wanted->lease);
    SAME(got->count, wanted->count);
    same_bytes(got->key, wanted->key);
    same_bytes(got->value, wanted->value);
}

/* A piece of an answer is what the model says from *at on. */
static void same_piece(struct kv_answer_reader *r, struct bytes piece, uint32_t *at)
{
    struct kv_answer_item got;
    int rv;
    kv_answer_reader_feed(r, piece);
    while ((rv = kv_answer_next(r, &got)) == 0) same_item(&got, &run.model.items[(*at)++]);
    SAME(rv, MS_EEND);
}

/* ---- Entries. */
static void add_entry(uint8_t kind, struct bytes body)
{
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    struct buf payload;
    buf_init(&payload, run.alloc, ENTRY_PAYLOAD_BYTES_MAX);
    entry_encode(&payload, &e);
    run.entries[run.count] = entry_ref_create(run.alloc, ++run.index, 1, buf_bytes(&payload));
    CHECK(run.entries[run.count] != NULL);
    buf_fini(&payload);
    run.count++;
}

static void add_compaction(void)
{
    struct model *m = &run.model;
    uint8_t body[8];
    uint64_t from = m->compacted > 1 ? m->compacted - 1 : 0;
    uint64_t revision = from + model_draw(&run.draw, (uint32_t)(m->revision - from) + 2);
    if (model_draw(&run.draw, 3)) revision = m->revision - model_draw(&run.draw, 20) % m->revision;
    bytes_store_u64(body, revision);
    add_entry(ENTRY_COMPACT, bytes_of(body, 8));
    int rv = model_compact(m, revision);
    run.asked[run.count - 1] = false;
    run.wanted[run.count - 1] = (struct kv_result){ .status = rv, .revision = m->revision };
}

static void add_txn(void)
{
    uint32_t at = run.count;
    struct model_txn *t = model_draw_txn(&run.draw, &run.model, model_draw(&run.draw, 5));
    add_entry(ENTRY_TXN, buf_bytes(&t->encoded));
    run.asked[at] = model_draw(&run.draw, 3) > 0;
    run.wanted[at] = model_apply(&run.model, t, run.asked[at]);
    run.seen[run.wanted[at].status == 0]++;
    model_draw_free(&run.draw);
}

static void same_result(uint32_t i, const struct buf *answers)
{
    const struct kv_result *got = &run.results[i], *wanted = &run.wanted[i];
    uint32_t at = run.item_at[i];
    struct kv_answer_reader r;
    SAME(got->status, wanted->status);
    SAME(got->succeeded, wanted->succeeded);
    SAME(got->deleted, wanted->deleted);
    SAME(got->revision, wanted->revision);
    SAME(got->answer_status, 0);
    if (!run.asked[i]) SAME(got->answer_bytes, 0);
    if (got->answer_bytes == 0) return;
    kv_answer_reader_init(&r);
    same_piece(&r, bytes_of(answers->data + got->answer_at, got->answer_bytes), &at);
    SAME(r.done, true);
    SAME(at, run.item_at[i + 1]);
}

/* A job may end before its last entry, when the answers have become long. */
static void run_entries(void)
{
    uint32_t done = 0;
    while (done < run.count) {
        struct kv_info info;
        struct kv_job job = { .kind = KV_JOB_APPLY,
                              .entries = run.entries + done,
                              .asked = run.asked + done,
                              .results = run.results + done,
                              .count = run.count - done,
                              .info = &info };
        buf_init(&job.answers, run.alloc, KV_APPLY_ANSWERS_BYTES_MAX);
        kv_run(run.kv, &job);
        SAME(job.status, 0);
        CHECK(job.count > 0);
        for (uint32_t i = 0; i < job.count; i++) same_result(done + i, &job.answers);
        done += job.count;
        buf_fini(&job.answers);
    }
    for (uint32_t i = 0; i < run.count; i++) entry_ref_drop(run.alloc, run.entries[i]);
}

static void write_some(void)
{
    uint32_t count = 1 + model_draw(&run.draw, BATCH_MAX);
    run.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        run.item_at[i] = run.model.item_count;
        if (model_draw(&run.draw, 30) == 0)
            add_compaction();
        else
            add_txn();
        run.item_at[i + 1] = run.model.item_count;
    }
    run.operations += count;
    run_entries();
}

/* ---- Ranges. */
/* Slices of one range, with writes between them that must not show. */
static void read_range(void)
{
    struct kv_op op;
    struct kv_answer_reader r;
    struct kv_job job = { .kind = KV_JOB_RANGE, .range = &op };
    uint32_t at = run.model.item_count;
    model_draw_range(&run.draw, &run.model, &op);
    if (model_draw(&run.draw, 4) == 0) job.slice_bytes = 1 + model_draw(&run.draw, 300);
    int rv = model_range(&run.model, &op);
    run.operations++;
    buf_init(&job.answer, run.alloc, KV_RANGE_ANSWER_BYTES_MAX);
    kv_answer_reader_init(&r);
    kv_run(run.kv, &job);
    SAME(job.status, rv);
    SAME(job.revision, run.model.revision);
    SAME(job.compacted_revision, run.model.compacted);
    while (job.status == 0 && !job.last) {
        same_piece(&r, buf_bytes(&job.answer), &at);
        run.slices++;
        write_some();
        buf_clear(&job.answer);
        if (model_draw(&run.draw, 20) == 0) job.kind = KV_JOB_RANGE_CLOSE;
        kv_run(run.kv, &job);
        SAME(job.status, 0);
        if (job.kind == KV_JOB_RANGE_CLOSE) break;
    }
    if (job.last) same_piece(&r, buf_bytes(&job.answer), &at);
    if (job.last) SAME(r.done, true);
    CHECK(job.scan == NULL);
    buf_fini(&job.answer);
}

static void check_digest(void)
{
    struct kv_info info;
    struct kv_digest scanned;
    kv_info(run.kv, &info);
    SAME(kv_digest_by_scan(run.kv, &scanned), 0);
    SAME(scanned.hi == info.digest.hi && scanned.lo == info.digest.lo, true);
}

void kv_model_run(const struct kv_model_fixture *f, uint64_t seed, uint32_t operations)
{
    run = (struct run){ .alloc = f->alloc, .seed = seed };
    run.draw = (struct model_draw){ .state = seed, .alloc = f->alloc };
    model_init(&run.model);
    CHECK_EQ(kv_create(&run.kv, f->engine, f->alloc, NULL), 0);
    for (uint32_t round = 0; run.operations < operations; round++) {
        run.model.item_count = 0;
        if (model_draw(&run.draw, 3) == 0)
            write_some();
        else
            read_range();
        if (round % 256 == 0) check_digest();
    }
    check_digest();
    kv_destroy(run.kv);
    model_fini(&run.model);
    /* All that there is was tried. */
    CHECK(run.seen[0] * 10 > run.seen[1] && run.seen[1] * 4 > run.seen[0]);
    CHECK(run.slices > operations / 1000);
}
