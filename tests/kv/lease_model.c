#include "tests/kv/lease_model.h"

#include <stdlib.h>

#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "tests/support/test.h"

#define LEASES 6u /* ids 1 to 6 */
#define KEYS 12u

static struct {
    struct {
        bool alive;
        uint64_t ttl, remaining, renewed;
    } leases[LEASES + 1];
    struct {
        bool present;
        uint64_t lease;
    } keys[KEYS];
    uint64_t revision;
} model;
static uint64_t random_state;
static struct buf events;
static struct kv_lease_event expected[FIXTURE_BATCH_MAX];
static uint32_t expected_count;
static int statuses[FIXTURE_BATCH_MAX];

static uint32_t draw(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

/* In order; NULs, and prefixes of each other. */
static struct bytes key_at(uint32_t i)
{
    static const struct {
        const char *data;
        size_t len;
    } table[KEYS] = { { "\0", 1 },  { "\0\0", 2 },  { "\1", 1 },   { "a", 1 },
                      { "a\0", 2 }, { "aa", 2 },    { "aaaa", 4 }, { "b", 1 },
                      { "c", 1 },   { "c\xff", 2 }, { "d", 1 },    { "\xff", 1 } };
    return bytes_of(table[i].data, table[i].len);
}

void lease_model_reset(void)
{
    memset(&model, 0, sizeof model);
    model.revision = 1;
}

void lease_model_refound(uint64_t revision)
{
    for (uint32_t id = 1; id <= LEASES; id++) model.leases[id].remaining = model.leases[id].ttl;
    model.revision = revision;
}

static void expect(enum kv_lease_event_kind kind, uint64_t index, uint64_t id, uint64_t ms)
{
    expected[expected_count++] =
        (struct kv_lease_event){ .kind = kind, .index = index, .id = id, .ms = ms };
}

static void step_grant(struct fixture *f, struct buf *body)
{
    struct entry_lease_grant g = { .id = 1 + draw(LEASES), .ttl_ms = 1 + draw(100000) };
    entry_lease_grant_encode(body, &g);
    fixture_add(f, ENTRY_LEASE_GRANT, NULL, buf_bytes(body));
    statuses[f->count - 1] = model.leases[g.id].alive ? MS_EEXIST : 0;
    if (model.leases[g.id].alive) return;
    model.leases[g.id].alive = true;
    model.leases[g.id].ttl = model.leases[g.id].remaining = g.ttl_ms;
    model.leases[g.id].renewed = f->index;
    expect(KV_LEASE_GRANTED, f->index, g.id, g.ttl_ms);
}

static void step_renew(struct fixture *f, struct buf *body)
{
    uint32_t count = 1 + draw(3);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = 1 + draw(LEASES);
        buf_append_u64(body, id);
        if (model.leases[id].alive) {
            model.leases[id].remaining = model.leases[id].ttl;
            model.leases[id].renewed = f->index + 1;
            expect(KV_LEASE_RENEWED, f->index + 1, id, model.leases[id].ttl);
        } else {
            expect(KV_LEASE_UNKNOWN, f->index + 1, id, 0);
        }
    }
    fixture_add(f, ENTRY_LEASE_RENEW, NULL, buf_bytes(body));
    statuses[f->count - 1] = 0;
}

static void step_mark(struct fixture *f, struct buf *body)
{
    struct entry_lease_mark m = { .id = 1 + draw(LEASES), .remaining_ms = draw(100000) };
    m.renewed_index = model.leases[m.id].renewed + (draw(4) == 0);
    entry_lease_mark_encode(body, &m);
    fixture_add(f, ENTRY_LEASE_CHECKPOINT, NULL, buf_bytes(body));
    statuses[f->count - 1] = 0;
    if (!model.leases[m.id].alive || m.renewed_index != model.leases[m.id].renewed) return;
    if (m.remaining_ms >= model.leases[m.id].remaining) return;
    model.leases[m.id].remaining = m.remaining_ms;
    expect(KV_LEASE_MARKED, f->index, m.id, m.remaining_ms);
}

/* The fixture's entries are of term 1. */
static void step_revoke(struct fixture *f, struct buf *body)
{
    struct entry_lease_revoke v = { .id = 1 + draw(LEASES), .expired = draw(2), .term = 1 };
    v.renewed_index = model.leases[v.id].renewed;
    bool fenced = v.expired && draw(3) == 0;
    if (fenced && draw(2)) v.term++;
    if (fenced && v.term == 1) v.renewed_index--;
    entry_lease_revoke_encode(body, &v);
    fixture_add(f, ENTRY_LEASE_REVOKE, NULL, buf_bytes(body));
    bool alive = model.leases[v.id].alive;
    statuses[f->count - 1] = !alive ? MS_ENOLEASE : fenced ? MS_ECONFLICT : 0;
    if (!alive || fenced) return;
    bool any = false;
    for (uint32_t i = 0; i < KEYS; i++) {
        if (!model.keys[i].present || model.keys[i].lease != v.id) continue;
        model.keys[i].present = false;
        any = true;
    }
    model.leases[v.id].alive = false;
    model.revision += any;
    expect(KV_LEASE_REVOKED, f->index, v.id, 0);
}

/* Two puts and a delete in one. */
static void step_txn(struct fixture *f, struct buf *body)
{
    uint32_t at = draw(KEYS - 2), wanted = 1 + draw(3);
    struct kv_op ops[3] = { { .kind = KV_OP_PUT, .lease = draw(LEASES + 1) },
                            { .kind = KV_OP_DELETE },
                            { .kind = KV_OP_PUT, .lease = draw(3) ? 0 : draw(LEASES + 1) } };
    bool keeps = draw(4) == 0, dead = false, absent = false, changed = false;
    if (keeps) ops[2] = (struct kv_op){ .kind = KV_OP_PUT, .flags = KV_IGNORE_LEASE };
    for (uint32_t i = 0; i < wanted; i++) {
        ops[i].key = key_at(at + i);
        if (ops[i].lease && !model.leases[ops[i].lease].alive) dead = true;
    }
    if (wanted == 3 && keeps && !model.keys[at + 2].present) absent = true;
    CHECK_EQ(kv_cmd_encode(body, NULL, 0, ops, wanted, NULL, 0), 0);
    fixture_add(f, ENTRY_TXN, NULL, buf_bytes(body));
    statuses[f->count - 1] = dead ? MS_ENOLEASE : absent ? MS_ENOTFOUND : 0;
    if (dead || absent) return;
    for (uint32_t i = 0; i < wanted; i++) {
        if (ops[i].kind == KV_OP_DELETE) {
            changed |= model.keys[at + i].present;
            model.keys[at + i].present = false;
            continue;
        }
        changed = true;
        if (!(ops[i].flags & KV_IGNORE_LEASE)) model.keys[at + i].lease = ops[i].lease;
        model.keys[at + i].present = true;
    }
    model.revision += changed;
}

static void step(struct fixture *f)
{
    struct buf body;
    buf_init(&body, &f->alloc.face, 1 << 20);
    switch (draw(12)) {
    case 0:
    case 1: step_grant(f, &body); break;
    case 2: step_renew(f, &body); break;
    case 3: step_mark(f, &body); break;
    case 4:
    case 5: step_revoke(f, &body); break;
    default: step_txn(f, &body); break;
    }
    buf_fini(&body);
}

static uint64_t keys_of(uint64_t id)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++) count += model.keys[i].present && model.keys[i].lease == id;
    return count;
}

static void check_lease(struct fixture *f, uint64_t id)
{
    struct kv_job job = { .kind = KV_JOB_LEASE, .lease = id, .limit = 1u << 20 };
    struct bytes key;
    buf_init(&job.value, &f->alloc.face, 1u << 20);
    kv_run(f->kv, &job);
    CHECK_EQ(job.status, model.leases[id].alive ? 0 : MS_ENOTFOUND);
    struct bytes_reader keys = bytes_reader_of(buf_bytes(&job.value));
    for (uint32_t i = 0; i < KEYS && model.leases[id].alive; i++) {
        if (!model.keys[i].present || model.keys[i].lease != id) continue;
        CHECK(kv_range_next_key(&keys, &key));
        CHECK(bytes_equal(key, key_at(i)));
    }
    CHECK_EQ(bytes_reader_left(&keys), 0);
    buf_fini(&job.value);
    if (!model.leases[id].alive) return;
    CHECK(job.last);
    CHECK_EQ(job.the_lease.ttl_ms, model.leases[id].ttl);
    CHECK_EQ(job.the_lease.remaining_ms, model.leases[id].remaining);
    CHECK_EQ(job.the_lease.renewed_index, model.leases[id].renewed);
    CHECK_EQ(job.the_lease.key_count, keys_of(id));
}

static void check_list(struct fixture *f)
{
    struct kv_job job = { .kind = KV_JOB_LEASES, .limit = 2 };
    struct kv_lease l;
    uint64_t seen = 0, alive = 0;
    buf_init(&job.value, &f->alloc.face, 1u << 20);
    for (uint64_t id = 1; id <= LEASES; id++) alive += model.leases[id].alive;
    while (!job.last) {
        buf_clear(&job.value);
        kv_run(f->kv, &job);
        CHECK_EQ(job.status, 0);
        for (size_t at = 0; at < job.value.len; at += sizeof l) {
            memcpy(&l, job.value.data + at, sizeof l);
            CHECK(l.id > job.lease && l.id <= LEASES);
            CHECK(model.leases[l.id].alive);
            job.lease = l.id;
            seen++;
        }
    }
    buf_fini(&job.value);
    CHECK_EQ(seen, alive);
    CHECK_EQ(f->info.lease_count, alive);
}

void lease_model_check(struct fixture *f)
{
    uint64_t present = 0;
    fixture_check_digest(f);
    CHECK_EQ(f->info.revision, model.revision);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct kv_job job;
        fixture_read(f, key_at(i), &job);
        CHECK_EQ(job.status, model.keys[i].present ? 0 : MS_ENOTFOUND);
        if (model.keys[i].present) CHECK_EQ(job.lease, model.keys[i].lease);
        present += model.keys[i].present;
        buf_fini(&job.value);
    }
    CHECK_EQ(f->info.key_count, present);
    for (uint64_t id = 1; id <= LEASES; id++) check_lease(f, id);
    check_list(f);
}

static void run_batch(struct fixture *f, uint32_t count)
{
    buf_init(&events, &f->alloc.face, 1u << 20);
    f->lease_events = &events;
    expected_count = 0;
    for (uint32_t i = 0; i < count; i++) step(f);
    CHECK_EQ(fixture_run(f), 0);
    for (uint32_t i = 0; i < count; i++) CHECK_EQ(f->results[i].status, statuses[i]);
    CHECK_EQ(events.len, expected_count * sizeof expected[0]);
    for (uint32_t i = 0; i < expected_count; i++) {
        struct kv_lease_event e;
        memcpy(&e, events.data + i * sizeof e, sizeof e);
        CHECK_EQ(e.kind, expected[i].kind);
        CHECK(e.index == expected[i].index && e.id == expected[i].id && e.ms == expected[i].ms);
    }
    f->lease_events = NULL;
    buf_fini(&events);
}

void lease_model_run(struct fixture *f, uint64_t seed, uint32_t steps,
                     void (*restart)(struct fixture *f))
{
    random_state = seed;
    for (uint32_t i = 0; i < steps; i++) {
        run_batch(f, 1 + draw(20));
        if (i % 4 == 0) lease_model_check(f);
        if (restart && i % 16 == 0) {
            restart(f);
            lease_model_check(f);
        }
    }
    lease_model_check(f);
}
