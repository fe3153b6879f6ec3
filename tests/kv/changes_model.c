#include "tests/kv/changes_model.h"

#include <stdlib.h>

#include "base/ms_err.h"
#include "tests/support/test.h"

#define KEY_COUNT 12u
#define CHANGES_MAX 20000u
#define VALUE_BYTES_MAX 3000u

struct state {
    bool present;
    uint64_t create_revision, mod_revision, version;
};
struct change {
    uint64_t revision;
    uint32_t sub, key;
    bool put, has_prev;
    struct state now, prev;
};

static struct {
    struct state keys[KEY_COUNT];
    struct change changes[CHANGES_MAX];
    uint32_t count;
    uint64_t revision, compacted;
    uint64_t random;
} model;

static uint32_t draw(uint32_t below)
{
    model.random = model.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(model.random >> 33) % below;
}

/* Keys are "k", then a letter; every third one ends with a NUL. */
static char key_bytes[KEY_COUNT][3];

static struct bytes key_at(uint32_t i)
{
    memcpy(key_bytes[i], (char[]){ 'k', (char)('a' + i), 0 }, 3);
    return bytes_of(key_bytes[i], i % 3 == 0 ? 3 : 2);
}

/* What is put under a key at a revision follows from both. */
static struct bytes value_of(uint32_t key, uint64_t revision)
{
    static uint8_t pattern[VALUE_BYTES_MAX + 256u];
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)i;
    size_t len = (size_t)((revision * 31 + key * 7) % 40);
    if (revision % 17 == 0) len = VALUE_BYTES_MAX;
    return bytes_of(pattern + (revision + key) % 256, len);
}

static void note(uint32_t key, bool put, uint32_t sub)
{
    struct state *s = &model.keys[key];
    CHECK(model.count < CHANGES_MAX);
    struct change *c = &model.changes[model.count++];
    *c = (struct change){ .revision = model.revision, .sub = sub, .key = key, .put = put };
    c->has_prev = s->present;
    c->prev = *s;
    *s = put ? (struct state){ .present = true,
                               .create_revision = s->present ? s->create_revision : model.revision,
                               .mod_revision = model.revision,
                               .version = s->present ? s->version + 1 : 1 }
             : (struct state){ 0 };
    c->now = *s;
}

/* ---- What is done. */

static void apply_ops(struct fixture *f, const struct kv_op *ops, uint32_t count)
{
    struct buf command;
    buf_init(&command, &f->alloc.face, MS_TXN_BYTES_MAX);
    CHECK_EQ(kv_cmd_encode(&command, NULL, 0, ops, count, NULL, 0), 0);
    struct kv_result r = fixture_apply(f, ENTRY_TXN, NULL, buf_bytes(&command));
    CHECK_EQ(r.status, 0);
    CHECK_EQ(r.revision, model.revision);
    buf_fini(&command);
}

/* A deletion of the keys below cut, then puts of some of those above it. */
static void do_txn(struct fixture *f)
{
    struct kv_op ops[KEY_COUNT + 1];
    uint32_t cut = draw(3) ? 0 : draw(KEY_COUNT), count = 0, sub = 0;
    model.revision++;
    if (cut > 0)
        ops[count++] =
            (struct kv_op){ .kind = KV_OP_DELETE, .key = key_at(0), .range_end = key_at(cut) };
    for (uint32_t i = 0; i < cut; i++) {
        if (model.keys[i].present) note(i, false, sub++);
    }
    uint32_t one_in = draw(4) ? KEY_COUNT : 2;
    for (uint32_t i = cut; i < KEY_COUNT; i++) {
        if (draw(one_in)) continue;
        ops[count++] =
            (struct kv_op){ .kind = KV_OP_PUT, .key = key_at(i), .value = value_of(i, model.revision) };
        note(i, true, sub++);
    }
    if (sub == 0) model.revision--;
    apply_ops(f, ops, count);
}

static void do_compact(struct fixture *f)
{
    uint64_t span = model.revision - model.compacted;
    uint64_t further = draw((uint32_t)span / 3 + 1);
    model.compacted += further;
    if (model.compacted == 0) return;
    CHECK_EQ(fixture_compact(f, model.compacted).status, further > 0 ? 0 : MS_ECOMPACTED);
}

/* ---- What is looked at. */

struct look {
    struct kv_changes ask;
    struct kv_range range;
    uint32_t at;   /* the next change of the model */
    bool repeated; /* the next event is one that was seen: the hole begins behind it */
    uint64_t jobs;
};

static void check_record(const struct kv_event_record *r, uint32_t key, const struct state *s)
{
    CHECK_EQ(r->create_revision, s->create_revision);
    CHECK_EQ(r->mod_revision, s->mod_revision);
    CHECK_EQ(r->version, s->version);
    CHECK_EQ(r->lease, 0);
    CHECK(bytes_equal(r->value, value_of(key, s->mod_revision)));
}

static bool is_wanted(const struct look *l, const struct change *c)
{
    if (c->put ? l->ask.no_puts : l->ask.no_deletes) return false;
    return l->ask.key.len == 0 || kv_range_holds(&l->range, key_at(c->key));
}

static const struct change *next_wanted(struct look *l)
{
    while (l->at < model.count && !is_wanted(l, &model.changes[l->at])) l->at++;
    return l->at < model.count ? &model.changes[l->at] : NULL;
}

static void check_event(struct look *l, const struct kv_event *e)
{
    const struct change *c = next_wanted(l);
    CHECK(c != NULL);
    CHECK_EQ(e->revision, c->revision);
    CHECK_EQ(e->sub, c->sub);
    CHECK_EQ(e->put, c->put);
    CHECK(bytes_equal(e->key, key_at(c->key)));
    if (c->put) check_record(&e->now, c->key, &c->now);
    CHECK_EQ(e->has_prev, l->ask.prev && c->has_prev && c->revision > model.compacted);
    if (e->has_prev) check_record(&e->prev, c->key, &c->prev);
    l->at++;
}

/* One job. False: all has been seen. */
static bool look_once(struct fixture *f, struct look *l)
{
    struct kv_job job = { .kind = KV_JOB_CHANGES, .changes = l->ask };
    struct kv_event e = { 0 };
    uint64_t first_revision = 0;
    uint32_t last_sub = 0, events = 0;
    buf_init(&job.chunk, &f->alloc.face, KV_CHANGES_BUF_BYTES_MAX);
    kv_run(f->kv, &job);
    CHECK_EQ(job.status, 0);
    CHECK_EQ(job.revision, model.revision);
    struct bytes_reader in = bytes_reader_of(buf_bytes(&job.chunk));
    for (; kv_event_next(&in, &e) == 0; events++) {
        if (events == 0) first_revision = e.revision;
        if (events == 0 && l->ask.resume_sub) l->at--; /* it comes again */
        check_event(l, &e);
        last_sub = e.sub;
    }
    CHECK_EQ(bytes_reader_left(&in), 0);
    struct kv_place next = job.changes.next;
    if (next.sub > 0 && events > 0) { /* KC3 */
        CHECK_EQ(first_revision, next.revision);
        CHECK_EQ(e.revision, next.revision);
        CHECK(last_sub < next.sub);
    }
    bool further = next.revision > l->ask.from.revision || next.sub > l->ask.from.sub;
    CHECK(further || l->ask.from.revision > model.revision);
    if (l->ask.resume_sub && next.revision == l->ask.from.revision)
        CHECK(next.sub >= l->ask.resume_sub);
    bool hole = next.sub > 0 && events > 0 && draw(2);
    l->ask.from = hole ? (struct kv_place){ .revision = next.revision, .sub = last_sub } : next;
    l->ask.resume_sub = hole ? next.sub : 0;
    buf_fini(&job.chunk);
    return next.revision <= model.revision;
}

static void look_from(struct fixture *f, uint64_t revision)
{
    struct look l = { .ask = { .from = { .revision = revision } } };
    uint32_t from = draw(KEY_COUNT), to = draw(KEY_COUNT);
    l.ask.prev = draw(2);
    l.ask.no_puts = draw(5) == 0;
    l.ask.no_deletes = draw(5) == 0;
    if (draw(2)) l.ask.key = key_at(from);
    if (l.ask.key.len && draw(3)) l.ask.range_end = draw(2) ? key_at(to) : bytes_of("", 1);
    l.range = kv_range_of(l.ask.key, l.ask.range_end);
    l.ask.scan_max = draw(2) ? 0 : 2 + draw(draw(2) ? 2 : 20);
    l.ask.bytes_max = draw(2) ? 0 : 1 + draw(400);
    while (l.at < model.count && model.changes[l.at].revision < revision) l.at++;
    while (look_once(f, &l)) continue;
    CHECK(next_wanted(&l) == NULL); /* nothing is missing */
}

static void look_compacted(struct fixture *f)
{
    struct kv_job job = { .kind = KV_JOB_CHANGES };
    if (model.compacted == 0) return;
    job.changes.from.revision = model.compacted - 1;
    buf_init(&job.chunk, &f->alloc.face, KV_CHANGES_BUF_BYTES_MAX);
    kv_run(f->kv, &job);
    CHECK_EQ(job.status, MS_ECOMPACTED);
    CHECK_EQ(job.changes.compacted_revision, model.compacted);
    CHECK_EQ(job.chunk.len, 0);
    buf_fini(&job.chunk);
}

void changes_model_check(struct fixture *f)
{
    look_compacted(f);
    for (uint64_t at = model.compacted; at <= model.revision + 2; at++) look_from(f, at);
}

void changes_model_run(struct fixture *f, uint64_t seed, uint32_t rounds)
{
    memset(&model, 0, sizeof model);
    model.revision = 1;
    model.random = seed;
    for (uint32_t i = 0; i < rounds; i++) {
        if (draw(12))
            do_txn(f);
        else
            do_compact(f);
        uint64_t span = model.revision - model.compacted;
        look_from(f, model.compacted + draw((uint32_t)span + 2));
        look_compacted(f);
    }
    changes_model_check(f);
}
