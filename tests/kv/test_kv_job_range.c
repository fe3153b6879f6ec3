/* test_kv_job_range.c: ranges in slices, and answers of transactions: the cases that deserve a name. What
 * they hold is compared with a model in test_kv_model.c. */
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f;

static void put_many(uint32_t count, size_t value_len)
{
    static char value[100000];
    struct buf command;
    char key[16];
    memset(value, 'v', value_len);
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(key, sizeof key, "k%06u", i);
        buf_clear(&command);
        CHECK_EQ(kv_cmd_encode_put(&command, bytes_of_str(key), bytes_of(value, value_len)), 0);
        fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
        if (f.count == FIXTURE_BATCH_MAX || i + 1 == count) CHECK_EQ(fixture_run(&f), 0);
    }
    buf_fini(&command);
}

static struct kv_op all(void)
{
    return (struct kv_op){ .kind = KV_OP_RANGE, .key = bytes_of("", 1), .range_end = bytes_of("", 1) };
}

static void begin_slices(struct kv_job *job, const struct kv_op *op, size_t slice_bytes)
{
    *job = (struct kv_job){ .kind = KV_JOB_RANGE, .range = op, .slice_bytes = slice_bytes };
    buf_init(&job->answer, &f.alloc.face, KV_RANGE_ANSWER_BYTES_MAX);
    kv_run(f.kv, job);
}

static void begin(struct kv_job *job, const struct kv_op *op)
{
    begin_slices(job, op, 0);
}

/* What a whole range says. */
struct said {
    uint32_t slices, records, longest;
    uint64_t count, revision;
    bool more, ordered;
    char first[16], last[16];
};

static void note(struct said *s, const struct kv_answer_item *item)
{
    char key[16] = "";
    if (item->kind == KV_ANSWER_BEGIN) s->revision = item->revision;
    if (item->kind == KV_ANSWER_END) {
        s->count = item->count;
        s->more = item->flags & KV_ANSWER_MORE;
    }
    if (item->kind != KV_ANSWER_RECORD) return;
    memcpy(key, item->key.data, item->key.len);
    if (s->records++ == 0) {
        strcpy(s->first, key);
        s->ordered = true;
    } else if (strcmp(key, s->last) <= 0) {
        s->ordered = false;
    }
    strcpy(s->last, key);
}

static struct said rest(struct kv_job *job)
{
    struct said s = { 0 };
    struct kv_answer_reader r;
    struct kv_answer_item item;
    kv_answer_reader_init(&r);
    for (;;) {
        CHECK_EQ(job->status, 0);
        s.slices++;
        if (job->answer.len > s.longest) s.longest = (uint32_t)job->answer.len;
        kv_answer_reader_feed(&r, buf_bytes(&job->answer));
        while (kv_answer_next(&r, &item) == 0) note(&s, &item);
        CHECK_EQ(bytes_reader_left(&r.in), 0);
        if (job->last) break;
        buf_clear(&job->answer);
        kv_run(f.kv, job);
    }
    CHECK(r.done);
    CHECK(job->scan == NULL);
    buf_fini(&job->answer);
    return s;
}

static struct said whole(const struct kv_op *op)
{
    struct kv_job job;
    begin(&job, op);
    return rest(&job);
}

static int refused(const struct kv_op *op)
{
    struct kv_job job;
    begin(&job, op);
    CHECK(job.status < 0 && job.scan == NULL);
    buf_fini(&job.answer);
    return job.status;
}

TEST(kv_job_range, is_read_in_slices_of_one_moment)
{
    struct kv_op op = all();
    struct kv_job job;
    fixture_init(&f);
    put_many(20000, 10);
    begin(&job, &op);
    CHECK(!job.last && job.scan);
    /* What is written meanwhile does not show, nor does compaction take anything away. */
    fixture_put(&f, "a", "new");
    fixture_delete(&f, "k010000");
    fixture_compact(&f, f.results[0].revision);
    struct said s = rest(&job);
    CHECK_EQ(s.records, 20000);
    CHECK_EQ(s.count, 20000);
    CHECK_EQ(s.revision, 20001);
    CHECK(s.ordered && !s.more);
    CHECK(strcmp(s.first, "k000000") == 0 && strcmp(s.last, "k019999") == 0);
    CHECK(s.slices > 4);
    CHECK(s.longest < KV_RANGE_SLICE_BYTES + 200);
    op.limit = 3;
    op.sort_order = KV_SORT_DESCEND;
    s = whole(&op);
    CHECK(s.records == 3 && s.more && strcmp(s.last, "k019997") == 0);
    CHECK_EQ(s.count, 20000); /* of all, whatever the limit */
    CHECK(s.slices > 4);      /* which takes its time */
    fixture_fini(&f);
}

TEST(kv_job_range, a_small_one_takes_one_job_and_no_view)
{
    struct kv_op op = all();
    fixture_init(&f);
    put_many(500, 10);
    uint64_t alive = f.alloc.alive;
    struct said s = whole(&op);
    CHECK_EQ(s.slices, 1);
    CHECK_EQ(s.records, 500);
    CHECK_EQ(f.alloc.alive, alive);
    op = (struct kv_op){ .kind = KV_OP_RANGE, .key = bytes_of_str("k000007") };
    s = whole(&op);
    CHECK(s.records == 1 && s.count == 1 && s.slices == 1);
    fixture_fini(&f);
}

TEST(kv_job_range, of_a_key_alone_ends_behind_its_record)
{
    struct kv_op op = { .kind = KV_OP_RANGE, .key = bytes_of_str("k000000") };
    fixture_init(&f);
    put_many(1, 100000); /* a slice by itself */
    struct buf command;
    buf_init(&command, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode_put(&command, bytes_of("k000000", 8), bytes_of_str("behind")), 0);
    fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    struct said s = whole(&op);
    CHECK(s.records == 1 && s.count == 1);
    fixture_fini(&f);
}

TEST(kv_job_range, says_why_it_is_refused)
{
    struct kv_op op = all();
    fixture_init(&f);
    put_many(10, 10);
    fixture_compact(&f, 5);
    op.revision = 12;
    CHECK_EQ(refused(&op), MS_EFUTURE);
    op.revision = 4;
    CHECK_EQ(refused(&op), MS_ECOMPACTED);
    op.revision = 5; /* at the compacted revision itself it is read */
    CHECK_EQ(whole(&op).records, 4);
    op.key = bytes_of(NULL, 0);
    CHECK_EQ(refused(&op), MS_EINVAL);
    op = all();
    op.sort_order = (enum kv_sort_order)3;
    CHECK_EQ(refused(&op), MS_EINVAL);
    op = all();
    op.flags = KV_PREV_KV;
    CHECK_EQ(refused(&op), MS_EINVAL);
    fixture_fini(&f);
}

TEST(kv_job_range, only_so_many_are_under_way)
{
    static struct kv_job jobs[KV_RANGES_MAX];
    struct kv_op op = all();
    fixture_init(&f);
    put_many(10000, 10);
    for (uint32_t i = 0; i < KV_RANGES_MAX; i++) {
        begin(&jobs[i], &op);
        CHECK_EQ(jobs[i].status, 0);
        CHECK(jobs[i].scan);
    }
    CHECK_EQ(refused(&op), MS_EBUSY);
    op.range_end = bytes_of_str("k000100"); /* those that need no view go on */
    CHECK_EQ(whole(&op).records, 100);
    jobs[3].kind = KV_JOB_RANGE_CLOSE;
    kv_run(f.kv, &jobs[3]);
    CHECK(jobs[3].scan == NULL);
    buf_fini(&jobs[3].answer);
    op = all();
    CHECK_EQ(whole(&op).records, 10000);
    /* The others go with the state machine. */
    for (uint32_t i = 0; i < KV_RANGES_MAX; i++) buf_fini(&jobs[i].answer);
    fixture_fini(&f);
}

TEST(kv_job_range, what_has_to_be_sorted_is_bounded)
{
    struct kv_op op = all();
    fixture_init(&f);
    put_many(300, 60000); /* 18 MB */
    op.sort_target = KV_SORT_MOD;
    op.sort_order = KV_SORT_DESCEND;
    CHECK_EQ(refused(&op), MS_ETOOBIG);
    CHECK_EQ(f.kv->selected_bytes, 0);
    op.limit = 200; /* of a limit no more than that many are kept */
    struct said s = whole(&op);
    CHECK(s.records == 200 && s.count == 300 && s.more);
    CHECK(strcmp(s.first, "k000299") == 0 && strcmp(s.last, "k000100") == 0);
    CHECK(s.longest < KV_RANGE_SLICE_BYTES + 61000); /* given in slices, too */
    op.limit = 0;
    op.flags = KV_KEYS_ONLY;
    CHECK_EQ(whole(&op).records, 300);
    op.sort_target = KV_SORT_KEY; /* needs nothing to be kept */
    op.flags = 0;
    CHECK_EQ(whole(&op).records, 300);
    CHECK_EQ(f.kv->selected_bytes, 0);
    fixture_fini(&f);
}

TEST(kv_job_range, without_memory_nothing_is_left_behind)
{
    struct kv_op op = all();
    fixture_init(&f);
    put_many(3000, 100);
    op.sort_target = KV_SORT_VALUE;
    uint64_t alive = f.alloc.alive;
    bool ended = false;
    for (uint64_t at = 1; !ended; at += 1 + at / 8) {
        struct kv_job job;
        f.alloc.refuse_at = f.alloc.requests + at;
        begin(&job, &op);
        for (; job.status == 0 && !job.last; kv_run(f.kv, &job)) buf_clear(&job.answer);
        if (job.status < 0) CHECK_EQ(job.status, MS_ENOMEM);
        CHECK(job.scan == NULL);
        ended = f.alloc.requests < f.alloc.refuse_at;
        buf_fini(&job.answer);
        CHECK_EQ(f.kv->selected_bytes, 0);
        if (ended) CHECK(job.last);
        CHECK(f.alloc.alive <= alive + 2); /* scratch buffers of kv, which it keeps */
    }
    f.alloc.refuse_at = 0;
    fixture_fini(&f);
}

/* Each request of a range for memory is refused once: it ends with that, or says all that it says else. */
static void refused_one_by_one(const struct kv_op *op)
{
    struct said all_of_it = whole(op);
    bool ended = false;
    for (uint64_t at = 1; !ended; at++) {
        struct kv_job job;
        buf_fini(&f.kv->key); /* its memory is asked for anew */
        f.alloc.refuse_at = f.alloc.requests + at;
        begin(&job, op);
        ended = f.alloc.requests < f.alloc.refuse_at;
        f.alloc.refuse_at = 0;
        if (job.status == 0) {
            struct said s = rest(&job);
            CHECK(s.records == all_of_it.records && s.count == all_of_it.count);
            CHECK_EQ(s.revision, all_of_it.revision);
            continue;
        }
        CHECK_EQ(job.status, MS_ENOMEM);
        buf_fini(&job.answer);
    }
}

TEST(kv_job_range, where_memory_is_refused_nothing_is_left_out)
{
    static uint8_t behind_a[1000];
    struct kv_op op = all();
    fixture_init(&f);
    fixture_put(&f, "a", "below it");
    fixture_put(&f, "b", "in it");
    fixture_put(&f, "b1", "not there yet");
    memset(behind_a, 'a', sizeof behind_a);
    op.revision = 3;
    op.key = bytes_of(behind_a, sizeof behind_a); /* the place to begin at is long */
    CHECK_EQ(whole(&op).records, 1);
    refused_one_by_one(&op);
    put_many(20000, 10);
    op.key = bytes_of_str("k0"); /* whole slices of what was not there yet */
    CHECK(whole(&op).slices > 2 && whole(&op).count == 0);
    refused_one_by_one(&op);
    fixture_fini(&f);
}

/* ---- Damage: one place of one space that iterators cannot read. */
static const struct engine_ops *sound;
static uint8_t rotten_space;
static struct bytes rotten_key;

static bool rotten_at(const struct engine_iter *i)
{
    if (!sound->iter_valid(i)) return false;
    struct bytes at = sound->iter_key(i);
    return at.data[0] == rotten_space && at.len > rotten_key.len &&
           memcmp(at.data + 1, rotten_key.data, rotten_key.len) == 0;
}

static bool rotten_valid(const struct engine_iter *i)
{
    return sound->iter_valid(i) && !rotten_at(i);
}

static int rotten_status(const struct engine_iter *i)
{
    return rotten_at(i) ? MS_ELOSTDATA : sound->iter_status(i);
}

/* What became of it in the end. */
static int read_through(const struct kv_op *op, size_t slice_bytes)
{
    struct kv_job job;
    int rv;
    begin_slices(&job, op, slice_bytes);
    for (; job.status == 0 && !job.last; kv_run(f.kv, &job)) buf_clear(&job.answer);
    rv = job.status;
    CHECK(job.scan == NULL);
    buf_fini(&job.answer);
    return rv;
}

/* Whichever space it is in, and wherever the slices end: the other space is not given for the whole. */
TEST(kv_job_range, what_cannot_be_read_is_not_left_out)
{
    static const size_t slices[] = { 1, 100, 0 };
    struct kv_op op = all();
    struct engine_ops ops;
    char key[16];
    fixture_init(&f);
    put_many(20, 30); /* revisions 2 to 21 */
    for (uint32_t i = 0; i < 20; i += 2) {
        snprintf(key, sizeof key, "k%06u", i);
        fixture_put(&f, key, "new");
    }
    sound = f.kv->engine->ops;
    ops = *sound;
    ops.iter_valid = rotten_valid;
    ops.iter_status = rotten_status;
    f.kv->engine->ops = &ops;
    op.revision = 21;
    rotten_key = bytes_of_str("k");
    rotten_space = 0; /* none: all is well */
    CHECK_EQ(read_through(&op, 1), 0);
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%06u", i);
        rotten_key = bytes_of_str(key);
        for (uint32_t k = 0; k < 6; k++) {
            op.sort_order = k < 3 ? KV_SORT_NONE : KV_SORT_DESCEND;
            rotten_space = KV_SPACE_CURRENT;
            CHECK_EQ(read_through(&op, slices[k % 3]), MS_ELOSTDATA);
            rotten_space = KV_SPACE_HISTORY; /* there are only those that were put again */
            CHECK_EQ(read_through(&op, slices[k % 3]), i % 2 ? 0 : MS_ELOSTDATA);
        }
    }
    f.kv->engine->ops = sound;
    fixture_fini(&f);
}

/* ---- Answers of transactions. */
static struct kv_result results[FIXTURE_BATCH_MAX];

/* One job with the same command count times, all asked for; answers are left in out. */
static uint32_t ask(const struct kv_op *ops, uint32_t op_count, uint32_t count, struct buf *out)
{
    static const bool asked[FIXTURE_BATCH_MAX] = { [0 ... FIXTURE_BATCH_MAX - 1] = true };
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, ops, op_count, NULL, 0), 0);
    for (uint32_t i = 0; i < count; i++) fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = f.entries,
                          .asked = asked,
                          .results = results,
                          .count = count,
                          .info = &f.info };
    buf_init(out, &f.alloc.face, KV_APPLY_ANSWERS_BYTES_MAX);
    job.answers = *out;
    kv_run(f.kv, &job);
    *out = job.answers;
    CHECK_EQ(job.status, 0);
    for (uint32_t i = 0; i < count; i++) entry_ref_drop(&f.alloc.face, f.entries[i]);
    f.count = 0;
    f.index = results[job.count - 1].index; /* what was not applied is no entry */
    fixture_check_digest(&f);
    return job.count;
}

static uint32_t records_in(const struct buf *answers, const struct kv_result *r)
{
    struct kv_answer_reader in;
    struct kv_answer_item item;
    uint32_t count = 0;
    int rv;
    kv_answer_reader_init(&in);
    kv_answer_reader_feed(&in, bytes_of(answers->data + r->answer_at, r->answer_bytes));
    while ((rv = kv_answer_next(&in, &item)) == 0) count += item.kind == KV_ANSWER_RECORD;
    CHECK_EQ(rv, MS_EEND);
    CHECK(in.done);
    return count;
}

TEST(kv_job_range, an_answer_that_is_too_large_fails_nothing_else)
{
    struct kv_op ops[] = { all(), { .kind = KV_OP_PUT, .key = bytes_of_str("z") } };
    struct buf answers;
    fixture_init(&f);
    put_many(100, 90000); /* 9 MB */
    CHECK_EQ(ask(ops, 2, 2, &answers), 2);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(results[i].status, 0);
        CHECK(results[i].changed);
        CHECK_EQ(results[i].answer_status, MS_ETOOBIG);
        CHECK_EQ(results[i].answer_bytes, 0);
    }
    CHECK(fixture_has(&f, "z", ""));
    buf_fini(&answers);
    ops[0].flags = KV_COUNT_ONLY;
    CHECK_EQ(ask(ops, 2, 1, &answers), 1);
    CHECK_EQ(results[0].answer_status, 0);
    buf_fini(&answers);
    put_many(KV_ANSWER_KEYS_MAX + 1, 1);
    CHECK_EQ(ask(ops, 2, 1, &answers), 1); /* too many keys to be looked at */
    CHECK_EQ(results[0].answer_status, MS_ETOOBIG);
    buf_fini(&answers);
    fixture_fini(&f);
}

TEST(kv_job_range, a_job_ends_when_its_answers_are_long)
{
    struct kv_op op = all();
    struct buf answers;
    fixture_init(&f);
    put_many(10, 50000);
    CHECK_EQ(ask(&op, 1, 10, &answers), 3); /* half a megabyte each */
    CHECK_EQ(f.info.applied_index, 13);
    for (int i = 0; i < 3; i++) CHECK_EQ(records_in(&answers, &results[i]), 10);
    buf_fini(&answers);
    CHECK_EQ(ask(&op, 1, 1, &answers), 1);
    buf_fini(&answers);
    fixture_fini(&f);
}

TEST(kv_job_range, an_answer_without_memory_fails_nothing_else)
{
    struct kv_op ops[] = { all(),
                           { .kind = KV_OP_DELETE,
                             .flags = KV_PREV_KV,
                             .key = bytes_of_str("k"),
                             .range_end = bytes_of_str("l") } };
    struct kv_txn_answer a;
    struct kv_answer_item end;
    struct buf out;
    fixture_init(&f);
    put_many(300, 100);
    ops[0].sort_target = KV_SORT_VALUE;
    int last = MS_ENOMEM;
    for (uint64_t at = 1; last == MS_ENOMEM; at++) {
        buf_init(&out, &f.alloc.face, KV_APPLY_ANSWERS_BYTES_MAX);
        kv_txn_answer_init(&a, f.kv, &out);
        f.alloc.refuse_at = f.alloc.requests + at;
        size_t begin_at = kv_txn_answer_begin(&a, KV_OP_RANGE, 0);
        CHECK_EQ(kv_txn_answer_range(&a, &ops[0], &end), 0);
        kv_txn_answer_end(&a, begin_at, 1, end.flags, end.count);
        last = a.status;
        if (last < 0) CHECK(out.len == 0 && last == MS_ENOMEM);
        CHECK_EQ(f.kv->selected_bytes, 0);
        buf_fini(&out);
    }
    CHECK_EQ(last, 0);
    f.alloc.refuse_at = 0;
    CHECK_EQ(ask(ops + 1, 1, 1, &out), 1);
    CHECK_EQ(results[0].deleted, 300);
    CHECK_EQ(records_in(&out, &results[0]), 300);
    buf_fini(&out);
    fixture_fini(&f);
}

TEST(kv_job_range, reads_of_the_past_see_what_the_job_has_done)
{
    struct kv_op put = { .kind = KV_OP_PUT, .key = bytes_of_str("a"), .value = bytes_of_str("1") };
    struct kv_op past[] = { put, { .kind = KV_OP_RANGE, .key = bytes_of_str("a"), .revision = 2 } };
    static const bool asked[] = { false, true };
    struct kv_answer_reader in;
    struct kv_answer_item item;
    struct buf command;
    fixture_init(&f);
    buf_init(&command, &f.alloc.face, 1000);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, &put, 1, NULL, 0), 0);
    fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command)); /* revision 2, in the same job */
    buf_clear(&command);
    past[0].value = bytes_of_str("2");
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, past, 2, NULL, 0), 0);
    fixture_add(&f, ENTRY_TXN, NULL, buf_bytes(&command));
    buf_fini(&command);
    struct kv_job job = { .kind = KV_JOB_APPLY,
                          .entries = f.entries,
                          .asked = asked,
                          .results = results,
                          .count = 2,
                          .info = &f.info };
    buf_init(&job.answers, &f.alloc.face, KV_APPLY_ANSWERS_BYTES_MAX);
    kv_run(f.kv, &job);
    CHECK_EQ(results[1].status, 0);
    kv_answer_reader_init(&in);
    kv_answer_reader_feed(&in, buf_bytes(&job.answers));
    while (kv_answer_next(&in, &item) == 0 && item.kind != KV_ANSWER_RECORD) continue;
    CHECK_EQ(item.kind, KV_ANSWER_RECORD);
    CHECK_EQ(item.mod_revision, 2);
    CHECK(bytes_equal(item.value, bytes_of_str("1")));
    buf_fini(&job.answers);
    for (uint32_t i = 0; i < 2; i++) entry_ref_drop(&f.alloc.face, f.entries[i]);
    f.count = 0;
    fixture_check_digest(&f);
    fixture_fini(&f);
}
