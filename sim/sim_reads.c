/* sim_reads.c: what is asked, and the judge of what is told (K23). */
#include "sim/sim_reads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "sim/sim_check.h"
#include "sim/sim_machine.h"
#include "sim/sim_workload.h"

#define PURPOSE_READS 305u
#define TOKEN_READS (MEMBER_TOKEN_LOCAL | UINT64_C(1) << 62)
#define GAP_US 60000u
#define ASKED_MAX 32u
#define FORGET_US 8000000u /* a member that died answers nobody */
#define PROBE_PAUSE_US 50000u
#define PROBE_STEPS (2 * SIM_MEMBERS_MAX) /* a range through each member, a transaction through each */
#define OPS_MAX 4u
#define OWN_KEYS 8u

enum fate { FATE_OPEN, FATE_APPLIED, FATE_REFUSED };

struct asked {
    uint64_t token; /* 0: free */
    uint32_t member;
    bool txn, stale;
    uint64_t floor, begin_us; /* the store's revision, and the time, when it was asked for */
    struct kv_op op;          /* a range; borrows from what is static */
    struct kv_answer_reader in;
    struct sim_truth_items heard, wanted; /* wanted: of a transaction, when it was applied */
    bool applied;
};

struct sim_reads {
    struct ms_rand rand;
    struct sim_truth truth;
    struct asked asked[ASKED_MAX];
    uint8_t *fates; /* of transactions, by number */
    uint64_t number, fate_cap;
    uint32_t probe_step;
    uint64_t probe_token; /* of what the probe has asked last */
};

static uint64_t draw(struct sim *s, uint64_t below)
{
    return ms_rand_below(&s->reads->rand, below);
}

void sim_reads_create(struct sim *s)
{
    struct sim_reads *r = calloc(1, sizeof *r);
    MS_ASSERT(r != NULL);
    s->reads = r;
    ms_rand_init(&r->rand, s->plan.seed, PURPOSE_READS);
    sim_truth_init(&r->truth);
    if (s->plan.reads)
        sim_events_push(&s->events, sim_now_us(s) + draw(s, 2 * GAP_US), SIM_EVENT_READ, SIM_NOBODY, 0,
                        0);
}

static void forget(struct asked *a)
{
    free(a->heard.items);
    free(a->wanted.items);
    *a = (struct asked){ 0 };
}

void sim_reads_destroy(struct sim *s)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++) forget(&s->reads->asked[i]);
    sim_truth_fini(&s->reads->truth);
    free(s->reads->fates);
    free(s->reads);
    s->reads = NULL;
}

static struct asked *asked_of(struct sim *s, uint64_t token)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++) {
        if (s->reads->asked[i].token == token) return &s->reads->asked[i];
    }
    return NULL;
}

static bool is_up(const struct sim_member *m)
{
    return m->state == SIM_MEMBER_UP && m->member && m->pauses == 0 && !m->starting;
}

/* --- what is asked --- */

static const char *const names[] = { "k0", "k1", "k2", "k3", "q0", "q1",
                                     "q2", "q3", "q4", "q5", "q6", "q7" };
#define NAMES (sizeof names / sizeof names[0])

static void draw_keys(struct sim *s, struct kv_op *op)
{
    static const char *const ends[][2] = {
        { "k", "l" }, { "q", "r" }, { "k1", "q4" }, { "q2", "q6" }, { "k", "z" }
    };
    uint64_t which = draw(s, 8);
    if (which < 5) {
        op->key = bytes_of_str(ends[which][0]);
        op->range_end = bytes_of_str(ends[which][1]);
    } else if (which == 5) {
        op->key = op->range_end = bytes_of("", 1);
    } else {
        op->key = bytes_of_str(names[draw(s, NAMES)]);
        if (which == 6) op->range_end = bytes_of("", 1);
    }
}

static void draw_range(struct sim *s, struct kv_op *op)
{
    const struct sim_truth *t = &s->reads->truth;
    uint64_t from = t->compacted > 2 ? t->compacted - 2 : 0;
    *op = (struct kv_op){ .kind = KV_OP_RANGE };
    draw_keys(s, op);
    if (draw(s, 2)) op->limit = draw(s, 8);
    if (draw(s, 2)) op->revision = from + draw(s, t->revision - from + 3);
    op->sort_order = (enum kv_sort_order)draw(s, 3);
    if (draw(s, 2)) op->sort_target = (enum kv_sort_target)draw(s, KV_SORT_MOD + 1);
    if (draw(s, 4) == 0) op->flags |= KV_KEYS_ONLY;
    if (draw(s, 6) == 0) op->flags |= KV_COUNT_ONLY;
    if (draw(s, 6) == 0) op->mod_min = 1 + draw(s, t->revision);
    if (draw(s, 6) == 0) op->create_max = 1 + draw(s, t->revision);
}

static void draw_op(struct sim *s, struct kv_op *op, struct bytes value, uint32_t i)
{
    *op = (struct kv_op){ .kind = KV_OP_PUT, .value = value, .flags = draw(s, 2) ? KV_PREV_KV : 0 };
    switch (draw(s, 4)) {
    case 0: op->key = bytes_of_str(names[4 + draw(s, OWN_KEYS)]); break;
    case 1:
        *op = (struct kv_op){ .kind = KV_OP_DELETE, .flags = draw(s, 2) ? KV_PREV_KV : 0 };
        op->key = bytes_of_str(names[4 + draw(s, OWN_KEYS)]);
        if (draw(s, 2)) op->range_end = bytes_of_str(names[4 + draw(s, OWN_KEYS)]);
        break;
    default: draw_range(s, op); break;
    }
    if (i == 0) { /* that tells whose it is */
        *op = (struct kv_op){
            .kind = KV_OP_PUT, .key = bytes_of_str("q"), .value = value, .flags = KV_PREV_KV
        };
    }
}

static void draw_compare(struct sim *s, struct kv_compare *c)
{
    /* One statement each: initialisers have no order. */
    *c = (struct kv_compare){ .target = (enum kv_compare_target)draw(s, KV_CMP_VALUE) };
    c->result = (enum kv_compare_result)draw(s, 4);
    c->key = bytes_of_str(names[draw(s, NAMES)]);
    if (draw(s, 2)) c->range_end = bytes_of_str("q5");
    c->number = c->target == KV_CMP_VERSION ? draw(s, 3) : draw(s, s->reads->truth.revision + 1);
}

/* The number of a transaction stands in the value of its first put, whichever branch that is in. */
static int propose(struct sim *s, struct sim_member *m, struct asked *a)
{
    struct kv_op ops[2][OPS_MAX];
    struct kv_compare compares[2];
    char value[32];
    struct buf nested, command;
    uint32_t count[2], compare_count = (uint32_t)draw(s, 3);
    snprintf(value, sizeof value, "r%llu", (unsigned long long)(a->token & ~TOKEN_READS));
    for (uint32_t i = 0; i < compare_count; i++) draw_compare(s, &compares[i]);
    for (uint32_t b = 0; b < 2; b++) {
        count[b] = 1 + (uint32_t)draw(s, OPS_MAX);
        for (uint32_t i = 0; i < count[b]; i++) draw_op(s, &ops[b][i], bytes_of_str(value), i);
    }
    buf_init(&nested, &sim_alloc_heap, MS_TXN_BYTES_MAX);
    buf_init(&command, &sim_alloc_heap, MS_TXN_BYTES_MAX);
    bool nests =
        draw(s, 3) == 0 && s->plan.watch_count == 0; /* the history of K13 knows none that nest */
    if (count[0] > 1 && nests) {
        int rv = kv_cmd_encode(&nested, compares, compare_count, &ops[0][1], 1, NULL, 0);
        MS_ASSERT(rv == 0);
        ops[0][1] = (struct kv_op){ .kind = KV_OP_TXN, .txn = buf_bytes(&nested) };
    }
    int rv = kv_cmd_encode(&command, compares, compare_count, ops[0], count[0], ops[1], count[1]);
    MS_ASSERT(rv == 0);
    rv = member_txn(m->member, sim_machine_now_ms(m), a->token, buf_bytes(&command));
    buf_fini(&nested);
    buf_fini(&command);
    return rv;
}

static void note_fate(struct sim *s, uint64_t number, enum fate fate)
{
    struct sim_reads *r = s->reads;
    if (number >= r->fate_cap) {
        uint64_t cap = 2 * number + 64;
        r->fates = realloc(r->fates, cap);
        MS_ASSERT(r->fates != NULL);
        memset(r->fates + r->fate_cap, FATE_OPEN, cap - r->fate_cap);
        r->fate_cap = cap;
    }
    r->fates[number] = (uint8_t)fate;
}

static void ask(struct sim *s, struct sim_member *m, struct asked *a, bool txn, bool stale)
{
    struct sim_reads *r = s->reads;
    *a = (struct asked){ .token = TOKEN_READS | ++r->number,
                         .member = m->index,
                         .txn = txn,
                         .stale = stale,
                         .begin_us = sim_now_us(s) };
    a->floor = r->truth.revision;
    kv_answer_reader_init(&a->in);
    note_fate(s, r->number, FATE_OPEN);
    if (!a->txn) draw_range(s, &a->op);
    int rv = a->txn ? propose(s, m, a)
                    : member_range(m->member, sim_machine_now_ms(m), a->token, &a->op, a->stale);
    if (rv < 0) {
        note_fate(s, r->number, FATE_REFUSED);
        forget(a);
    }
    sim_machine_after(m);
}

/* The next piece of a long one, or none. */
static void go_on(struct sim *s, uint64_t token)
{
    struct asked *a = asked_of(s, token);
    if (!a) return;
    struct sim_member *m = sim_member_at(s, a->member);
    if (!is_up(m)) return;
    if (draw(s, 20) == 0) {
        member_range_end(m->member, sim_machine_now_ms(m), token);
        forget(a);
    } else {
        member_range_next(m->member, sim_machine_now_ms(m), token);
    }
    sim_machine_after(m);
}

static void forget_old(struct sim *s)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++) {
        struct asked *a = &s->reads->asked[i];
        if (a->token && a->begin_us + FORGET_US < sim_now_us(s)) forget(a);
    }
}

bool sim_reads_probed(const struct sim *s)
{
    return !s->plan.reads || s->reads->probe_step == PROBE_STEPS;
}

/* K18: all is healed, and each member has to give a whole range and to do a transaction, at some time. It may be
 * too busy for the one or the other, but not for ever. */
static void probe(struct sim *s)
{
    struct sim_reads *r = s->reads;
    while (r->probe_step < PROBE_STEPS && !sim_workload_asks(s, r->probe_step % SIM_MEMBERS_MAX))
        r->probe_step++;
    if (r->probe_step == PROBE_STEPS) return;
    sim_events_push(&s->events, sim_now_us(s) + PROBE_PAUSE_US, SIM_EVENT_READ, SIM_NOBODY, 0, 0);
    forget_old(s);
    struct sim_member *m = sim_member_at(s, r->probe_step % SIM_MEMBERS_MAX);
    struct asked *a = asked_of(s, 0);
    bool waits = r->probe_token && asked_of(s, r->probe_token);
    if (waits || !a || !is_up(m)) return;
    ask(s, m, a, r->probe_step >= SIM_MEMBERS_MAX, false);
    r->probe_token = TOKEN_READS | r->number;
}

/* It was answered as it has to be. */
static void answered(struct sim *s, const struct asked *a)
{
    struct sim_reads *r = s->reads;
    if (a->token != r->probe_token) return;
    r->probe_token = 0;
    r->probe_step++;
}

void sim_reads_event(struct sim *s, const struct sim_event *ev)
{
    if (ev->a) {
        go_on(s, ev->a);
        return;
    }
    if (s->phase != SIM_PHASE_SAFETY) { /* from now on nobody asks for anything new but the probe */
        probe(s);
        return;
    }
    sim_events_push(&s->events, sim_now_us(s) + 1000 + draw(s, 2 * GAP_US), SIM_EVENT_READ, SIM_NOBODY,
                    0, 0);
    struct sim_member *m = sim_member_at(s, (uint32_t)draw(s, s->cluster->count));
    forget_old(s);
    struct asked *a = asked_of(s, 0);
    if (!a || !is_up(m)) return;
    bool txn = draw(s, 3) == 0, stale = !txn && draw(s, 3) == 0;
    ask(s, m, a, txn, stale);
}

/* --- what is told --- */

const struct sim_truth *sim_reads_truth(const struct sim *s)
{
    return &s->reads->truth;
}

bool sim_reads_is_key(struct bytes key)
{
    return key.len >= 1 && key.data[0] == 'q';
}

_Noreturn static void differs(const struct asked *a, const struct sim_truth_items *wanted, size_t at)
{
    const struct sim_truth_item none = { .kind = 0 };
    const struct sim_truth_item *h = at < a->heard.count ? &a->heard.items[at] : &none;
    const struct sim_truth_item *w = at < wanted->count ? &wanted->items[at] : &none;
    sim_fail(
        SIM_FAIL_SAFETY, "K23",
        "m%u answers %s %llu otherwise than the state was: item %zu is %u %s mod %llu rev %llu count "
        "%llu flags "
        "%u, not %u %s mod %llu rev %llu count %llu flags %u",
        a->member + 1, a->txn ? "transaction" : "range", (unsigned long long)(a->token & ~TOKEN_READS),
        at, h->kind, h->key, (unsigned long long)h->mod_revision, (unsigned long long)h->revision,
        (unsigned long long)h->count, h->flags, w->kind, w->key, (unsigned long long)w->mod_revision,
        (unsigned long long)w->revision, (unsigned long long)w->count, w->flags);
}

static void judge_refusal(struct sim *s, const struct asked *a, const struct node_range_piece *p)
{
    const struct sim_truth *t = &s->reads->truth;
    bool wrong =
        (p->status == MS_ECOMPACTED && (a->op.revision == 0 || a->op.revision >= t->compacted)) ||
        (p->status == MS_EFUTURE && !a->stale && a->op.revision <= a->floor) ||
        p->status == MS_EINVAL || p->status == MS_ETOOBIG;
    if (wrong)
        sim_fail(SIM_FAIL_SAFETY, "K23", "m%u refuses range %llu at revision %llu: %s", a->member + 1,
                 (unsigned long long)(a->token & ~TOKEN_READS), (unsigned long long)a->op.revision,
                 ms_err_text(p->status));
    if (p->status == MS_ECOMPACTED) sim_rare(s, SIM_RARE_READ_COMPACTED);
}

static void judge_range(struct sim *s, struct asked *a, uint64_t revision)
{
    const struct sim_truth *t = &s->reads->truth;
    struct sim_truth_items wanted = { 0 };
    struct kv_op op = a->op;
    if (revision > t->revision || (!a->stale && revision < a->floor))
        sim_fail(SIM_FAIL_SAFETY, "K23",
                 "m%u reads a range at revision %llu; it was %llu when it began, and is %llu",
                 a->member + 1, (unsigned long long)revision, (unsigned long long)a->floor,
                 (unsigned long long)t->revision);
    if (op.revision == 0) op.revision = revision; /* as it was then */
    if (op.revision > revision)
        sim_fail(SIM_FAIL_SAFETY, "K23", "m%u reads a revision that is still to come", a->member + 1);
    sim_truth_range(t, &op, revision, &wanted);
    size_t at = sim_truth_difference(&a->heard, &wanted);
    if (at != SIZE_MAX && !sim_check_may_lie(s, a->member, a->begin_us)) differs(a, &wanted, at);
    free(wanted.items);
    if (a->stale && revision < a->floor) sim_rare(s, SIM_RARE_READ_STALE);
    if (a->op.revision && a->op.revision < revision) sim_rare(s, SIM_RARE_READ_OLD);
}

void sim_reads_range(struct sim_member *m, const struct node_range_piece *p)
{
    struct sim *s = m->sim;
    struct asked *a = asked_of(s, p->token);
    if (!a) return;
    if (p->status < 0) {
        judge_refusal(s, a, p);
        forget(a);
        return;
    }
    if (!sim_truth_hear(&a->in, p->items, &a->heard))
        sim_fail(SIM_FAIL_SAFETY, "K23", "m%u gives an answer that is none", m->index + 1);
    if (p->last) {
        judge_range(s, a, p->revision);
        answered(s, a);
        forget(a);
        return;
    }
    sim_rare(s, SIM_RARE_READ_LONG);
    sim_events_push(&s->events, sim_now_us(s) + 1 + draw(s, GAP_US), SIM_EVENT_READ, SIM_NOBODY,
                    p->token, 0);
}

static void judge_txn(struct sim *s, struct asked *a, const struct node_answer *answer)
{
    if (!a->applied)
        sim_fail(SIM_FAIL_SAFETY, "K23", "m%u says that transaction %llu is done, and it is in no log",
                 a->member + 1, (unsigned long long)(a->token & ~TOKEN_READS));
    if (answer->items_status == MS_ENOMEM) return;
    bool whole =
        answer->items_status == 0 && sim_truth_hear(&a->in, answer->items, &a->heard) && a->in.done;
    if (!whole) sim_fail(SIM_FAIL_SAFETY, "K23", "m%u gives an answer that is none", a->member + 1);
    size_t at = sim_truth_difference(&a->heard, &a->wanted);
    if (at != SIZE_MAX && !sim_check_may_lie(s, a->member, a->begin_us)) differs(a, &a->wanted, at);
}

/* Of a transaction that can be done: what else may be said of it says that it never is. */
static bool is_about_content(int status)
{
    return status == MS_EDUPKEY || status == MS_EFUTURE || status == MS_ECOMPACTED;
}

void sim_reads_answer(struct sim_member *m, const struct node_answer *answer)
{
    struct sim *s = m->sim;
    struct asked *a = asked_of(s, answer->token);
    if (!a) return;
    uint64_t number = a->token & ~TOKEN_READS;
    if (answer->status == 0) {
        judge_txn(s, a, answer);
        answered(s, a);
    } else if (answer->status != MS_EUNKNOWN && !is_about_content(answer->status)) {
        if (a->applied)
            sim_fail(SIM_FAIL_SAFETY, "K23",
                     "m%u says that transaction %llu never is done, and it was: %s", m->index + 1,
                     (unsigned long long)number, ms_err_text(answer->status));
        note_fate(s, number, FATE_REFUSED);
    }
    forget(a);
}

/* Whose transaction it is; 0: none of these. */
static uint64_t number_of(const struct entry *e)
{
    struct kv_cmd cmd;
    struct kv_op op;
    if (e->kind != ENTRY_TXN || kv_cmd_decode(e->body, &cmd) < 0) return 0;
    struct bytes_reader run = bytes_reader_of(cmd.then_ops);
    if (!kv_cmd_next_op(&run, &op) || op.kind != KV_OP_PUT || !bytes_equal(op.key, bytes_of_str("q")))
        return 0;
    uint64_t number = 0;
    for (size_t i = 1; i < op.value.len; i++) number = number * 10 + (uint64_t)(op.value.data[i] - '0');
    return number;
}

/* So many revisions are kept, by each leader: what it compacts of its own lies behind them. */
static void judge_compaction(const struct sim *s, const struct entry *e, const struct kv_result *result)
{
    uint64_t kept = s->plan.member.node.revisions_kept, to = bytes_load_u64(e->body.data);
    if (e->origin.member_id != 0 || result->status != 0) return;
    if (kept != 0 && to + kept <= result->revision) return;
    sim_fail(SIM_FAIL_SAFETY, "K23",
             "entry %llu compacts up to revision %llu of %llu, %llu are to be kept (0: all)",
             (unsigned long long)result->index, (unsigned long long)to,
             (unsigned long long)result->revision, (unsigned long long)kept);
}

void sim_reads_applied(struct sim *s, const struct entry *e, const struct kv_result *result)
{
    if (e->kind == ENTRY_COMPACT) judge_compaction(s, e, result);
    struct sim_reads *r = s->reads;
    uint64_t number = number_of(e);
    struct asked *a = number ? asked_of(s, TOKEN_READS | number) : NULL;
    if (number && result->status == 0) {
        if (r->fates[number] != FATE_OPEN)
            sim_fail(
                SIM_FAIL_SAFETY, "K23", "transaction %llu is applied %s", (unsigned long long)number,
                r->fates[number] == FATE_APPLIED ? "again" : "though it was said that it never is");
        note_fate(s, number, FATE_APPLIED);
        if (a) a->applied = true;
    }
    if (!sim_truth_apply(&r->truth, e, result, a && result->status == 0 ? &a->wanted : NULL))
        sim_fail(SIM_FAIL_SAFETY, "K23",
                 "behind entry %llu the store is at revision %llu, and has to be at %llu",
                 (unsigned long long)result->index, (unsigned long long)result->revision,
                 (unsigned long long)r->truth.revision);
}
