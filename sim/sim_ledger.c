/* sim_ledger.c: what clients asked for, what they were told, and what was applied. The judges of K11
 * (on-line, by position in the log), K12 and K22. */
#include <stdio.h>

#include "kv/kv_cmd.h"
#include "sim/sim_lease.h"
#include "sim/sim_limits.h"
#include "sim/sim_watch.h"
#include "sim/sim_reads.h"
#include "sim/sim_workload_private.h"

uint64_t sim_ledger_begin(struct sim *s, const struct sim_op *op)
{
    struct sim_workload *w = s->workload;
    if (w->op_count == w->op_cap) {
        w->op_cap = w->op_cap ? 2 * w->op_cap : 1024;
        w->ops = realloc(w->ops, w->op_cap * sizeof *w->ops);
        MS_ASSERT(w->ops != NULL);
    }
    struct sim_op *o = &w->ops[w->op_count++];
    *o = *op;
    o->outcome = SIM_OUT_PENDING;
    o->begin_us = sim_now_us(s);
    o->floor = w->registers[op->key].floor;
    o->bound = sim_check_commit(s);
    o->oldest = sim_reads_truth(s)->revision;
    s->totals.ops_begun++;
    return w->op_count;
}

struct sim_op *sim_ledger_op(struct sim *s, uint64_t number)
{
    MS_ASSERT(number >= 1 && number <= s->workload->op_count);
    return &s->workload->ops[number - 1];
}

/* --- values --- */

size_t sim_ledger_value(struct sim *s, uint64_t number, char *out, size_t cap)
{
    size_t len = sim_ledger_op(s, number)->value_bytes;
    MS_ASSERT(len < cap);
    int head = snprintf(out, cap, "u%llu.", (unsigned long long)number);
    for (size_t i = (size_t)head; i < len; i++) out[i] = (char)(number * 7 + i);
    MS_ASSERT((size_t)head <= len);
    return len;
}

uint64_t sim_ledger_writer(struct sim *s, struct bytes value)
{
    struct sim_workload *w = s->workload;
    uint64_t number = 0;
    size_t at = 1;
    if (value.len < 3 || value.data[0] != 'u') return 0;
    for (; at < value.len && value.data[at] >= '0' && value.data[at] <= '9' && at < 20; at++) {
        number = number * 10 + (uint64_t)(value.data[at] - '0');
    }
    if (number == 0 || number > w->op_count || value.len != w->ops[number - 1].value_bytes) return 0;
    if (w->ops[number - 1].kind != SIM_OP_PUT || value.data[at] != '.') return 0;
    for (at++; at < value.len; at++) {
        if (value.data[at] != (uint8_t)(number * 7 + at)) return 0;
    }
    return number;
}

bool sim_key_number(struct bytes key, char letter, uint32_t count, uint32_t *out)
{
    uint32_t v = 0;
    if (key.len < 2 || key.len > 4 || key.data[0] != letter) return false;
    for (size_t i = 1; i < key.len; i++) {
        if (key.data[i] < '0' || key.data[i] > '9') return false;
        v = v * 10 + (uint32_t)(key.data[i] - '0');
    }
    *out = v;
    return v < count;
}

/* --- K12, K11: what was applied --- */

static void put_applied(struct sim *s, uint32_t key, struct bytes value, const struct kv_result *result)
{
    uint64_t index = result->index;
    uint64_t number = sim_ledger_writer(s, value);
    if (number == 0) {
        sim_fail(SIM_FAIL_SAFETY, "K12", "entry %llu writes a value that no client sent",
                 (unsigned long long)index);
    }
    struct sim_op *op = sim_ledger_op(s, number);
    if (op->key != key)
        sim_fail(SIM_FAIL_SAFETY, "K12", "operation %llu lands on another key",
                 (unsigned long long)number);
    if (++op->applied > 1) {
        sim_fail(SIM_FAIL_SAFETY, "K12", "operation %llu is applied again at %llu, it was at %llu",
                 (unsigned long long)number, (unsigned long long)index, (unsigned long long)op->index);
    }
    if (op->outcome == SIM_OUT_NO) {
        sim_fail(SIM_FAIL_SAFETY, "K12",
                 "operation %llu is applied at %llu, its client was told that it never is",
                 (unsigned long long)number, (unsigned long long)index);
    }
    if (sim_limits_exceeds(&s->plan, key, op->value_bytes)) {
        sim_fail(SIM_FAIL_SAFETY, "K12", "operation %llu is applied, its %u bytes are more than is allowed",
                 (unsigned long long)number, op->value_bytes);
    }
    if (s->plan.limits && sim_limits_exceeds(&s->plan, key, op->value_bytes + 1))
        sim_rare(s, SIM_RARE_AT_LIMIT);
    if (op->outcome == SIM_OUT_UNKNOWN) sim_rare(s, SIM_RARE_UNKNOWN_APPLIED);
    if (index <= op->floor && !sim_is_muted(s, SIM_MUTE_ORDER)) {
        sim_fail(SIM_FAIL_SAFETY, "K11",
                 "operation %llu takes effect before what had ended when it began",
                 (unsigned long long)number);
    }
    op->index = index;
    op->revision = result->revision;
    sim_condition_applied(s, number, op, true);
    hist_applied(&s->workload->registers[key], index, number);
}

/* What stands in the branch that was not taken. */
static void not_done(struct sim *s, struct bytes ops, const struct kv_result *result)
{
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    uint32_t key;
    while (kv_cmd_next_op(&run, &op)) {
        if (op.kind != KV_OP_PUT || !sim_key_number(op.key, 'k', SIM_KEYS_MAX, &key)) continue;
        uint64_t number = sim_ledger_writer(s, op.value);
        if (number == 0) continue;
        struct sim_op *of = sim_ledger_op(s, number);
        of->denied = true;
        of->revision = result->revision;
        sim_condition_applied(s, number, of, false);
    }
}

void sim_workload_applied(struct sim *s, struct bytes payload, const struct kv_result *result)
{
    struct entry e;
    struct kv_cmd cmd;
    struct kv_op op;
    uint32_t key;
    if (result->status == MS_EDUPLICATE) sim_rare(s, SIM_RARE_DUPLICATE_REFUSED);
    if (entry_decode(payload, &e) < 0) return;
    sim_trace(s, "entry %llu: kind %u, origin m%llu/%llu, status %d, revision %llu",
              (unsigned long long)result->index, e.kind, (unsigned long long)e.origin.member_id,
              (unsigned long long)e.origin.seq, result->status, (unsigned long long)result->revision);
    sim_watch_applied(s, &e, result);
    sim_reads_applied(s, &e, result);
    if (e.kind == ENTRY_ATTACH && result->changed) sim_check_attach(s, e.body);
    if (e.kind == ENTRY_COMPACT) sim_rare(s, SIM_RARE_COMPACTED);
    if (e.kind != ENTRY_TXN || result->status != 0) return;
    if (kv_cmd_decode(e.body, &cmd) < 0) return;
    struct bytes_reader first = bytes_reader_of(cmd.then_ops);
    if (kv_cmd_next_op(&first, &op) && op.kind == KV_OP_PUT && sim_reads_is_key(op.key)) return; /* theirs */
    if (cmd.compare_count) not_done(s, result->succeeded ? cmd.else_ops : cmd.then_ops, result);
    struct bytes_reader run = bytes_reader_of(result->succeeded ? cmd.then_ops : cmd.else_ops);
    while (kv_cmd_next_op(&run, &op)) {
        if (sim_watch_is_txn_key(op.key)) continue;
        if (sim_lease_key(op.key)) continue;
        if (!sim_key_number(op.key, 'k', SIM_KEYS_MAX, &key)) {
            sim_fail(SIM_FAIL_SAFETY, "K12", "entry %llu is about a key that no client named",
                     (unsigned long long)result->index);
        }
        if (op.kind == KV_OP_PUT) put_applied(s, key, op.value, result);
        if (op.kind != KV_OP_DELETE) continue;
        hist_applied(&s->workload->registers[key], result->index, 0);
        sim_told_deletion(s->workload, key, result->revision);
    }
}

/* --- K11, K12: what a client is told --- */

static void write_ended(struct sim *s, uint64_t number, struct sim_op *op)
{
    struct hist_register *r = &s->workload->registers[op->key];
    if (op->kind == SIM_OP_DELETE) {
        if (!hist_delete_ended(r, op->floor)) {
            sim_fail(SIM_FAIL_SAFETY, "K12", "operation %llu, a delete, is acknowledged and in no log",
                     (unsigned long long)number);
        }
        return;
    }
    if (op->applied != 1) {
        sim_fail(SIM_FAIL_SAFETY, "K12", "operation %llu is acknowledged and was not applied",
                 (unsigned long long)number);
    }
    if (!sim_check_committed(s, op->index)) {
        sim_fail(SIM_FAIL_SAFETY, "K8",
                 "operation %llu is acknowledged, and entry %llu is not committed",
                 (unsigned long long)number, (unsigned long long)op->index);
    }
    if (!hist_write_ended(r, op->floor, op->index) && !sim_is_muted(s, SIM_MUTE_ORDER)) {
        sim_fail(SIM_FAIL_SAFETY, "K11", "operation %llu took effect before it began",
                 (unsigned long long)number);
    }
}

static void read_ended(struct sim *s, uint64_t number, struct sim_op *op)
{
    op->exempt = sim_check_may_lie(s, op->target, op->begin_us);
    if (op->exempt || sim_is_muted(s, SIM_MUTE_ORDER)) return;
    if (op->value != 0 && sim_ledger_op(s, op->value)->key != op->key) {
        sim_fail(SIM_FAIL_SAFETY, "K11", "operation %llu reads the value of another key",
                 (unsigned long long)number);
    }
    if (!hist_read_ended(&s->workload->registers[op->key], op->floor, op->value)) {
        sim_fail(SIM_FAIL_SAFETY, "K11",
                 "operation %llu reads k%u as written by operation %llu, which was over when it began",
                 (unsigned long long)number, op->key, (unsigned long long)op->value);
    }
}

/* --- K22 --- */

void sim_ledger_sent(struct sim *s, uint64_t number)
{
    struct sim_workload *w = s->workload;
    const struct sim_op *op = sim_ledger_op(s, number);
    struct sim_read read = { .key = op->key, .number = number, .bound = op->bound };
    if (w->reads[op->target].count == w->reads[op->target].cap) {
        size_t cap = w->reads[op->target].cap ? 2 * w->reads[op->target].cap : 16;
        w->reads[op->target].cap = cap;
        w->reads[op->target].items = realloc(w->reads[op->target].items, cap * sizeof read);
        MS_ASSERT(w->reads[op->target].items != NULL);
    }
    w->reads[op->target].items[w->reads[op->target].count++] = read;
}

/* Answered: the member has served it. Given up: it may serve it still, as long as it lives. */
static void forget_read(struct sim *s, const struct sim_op *op, uint64_t number, bool answered)
{
    struct sim_workload *w = s->workload;
    for (size_t i = 0; i < w->reads[op->target].count; i++) {
        struct sim_read *r = &w->reads[op->target].items[i];
        if (r->number != number) continue;
        r->given_up = true;
        if (answered) *r = w->reads[op->target].items[--w->reads[op->target].count];
        return;
    }
}

void sim_workload_member_died(struct sim *s, uint32_t index)
{
    s->workload->reads[index].count = 0;
}

/* Which of the requests for this key is being served is not known here: the mildest bound holds for
 * all. */
void sim_workload_read_runs(struct sim *s, const struct sim_member *m, struct bytes key,
                            uint64_t applied)
{
    struct sim_workload *w = s->workload;
    uint64_t bound = UINT64_MAX, number = 0;
    uint32_t k;
    if (!sim_key_number(key, 'k', SIM_KEYS_MAX, &k)) return;
    for (size_t i = 0; i < w->reads[m->index].count; i++) {
        const struct sim_read *r = &w->reads[m->index].items[i];
        if (r->key != k || r->bound >= bound) continue;
        bound = r->bound;
        number = r->number;
    }
    if (number == 0 || applied >= bound || sim_is_muted(s, SIM_MUTE_K22)) return;
    sim_fail(
        SIM_FAIL_SAFETY, "K22",
        "m%u serves operation %llu, a read of k%u, at index %llu; %llu was committed when it began",
        m->index + 1, (unsigned long long)number, k, (unsigned long long)applied,
        (unsigned long long)bound);
}

static void ended_well(struct sim *s, uint64_t number, struct sim_op *op)
{
    s->totals.ops_ok++;
    if (op->kind == SIM_OP_GET)
        read_ended(s, number, op);
    else if (op->kind <= SIM_OP_DELETE)
        write_ended(s, number, op);
    if (op->kind <= SIM_OP_DELETE) sim_told_judge(s, number, op);
}

void sim_ledger_end(struct sim *s, uint64_t number, enum sim_outcome outcome)
{
    struct sim_op *op = sim_ledger_op(s, number);
    MS_ASSERT(op->outcome == SIM_OUT_PENDING);
    op->outcome = outcome;
    op->end_us = sim_now_us(s);
    if (op->kind == SIM_OP_GET) forget_read(s, op, number, outcome != SIM_OUT_UNKNOWN);
    if (op->kind > SIM_OP_DELETE) sim_admin_told(s, op, outcome);
    if (outcome == SIM_OUT_OK) {
        ended_well(s, number, op);
        return;
    }
    if (outcome == SIM_OUT_NO && op->told.status == 412)
        s->totals.ops_ok++; /* it is what was asked for */
    else if (outcome == SIM_OUT_NO)
        s->totals.ops_failed++;
    else
        s->totals.ops_unknown++;
    if (outcome == SIM_OUT_UNKNOWN && op->kind != SIM_OP_GET) sim_rare(s, SIM_RARE_OUTCOME_UNKNOWN);
    if (outcome == SIM_OUT_NO && op->applied > 0) {
        sim_fail(SIM_FAIL_SAFETY, "K12",
                 "operation %llu was applied at %llu, its client is told that it never is",
                 (unsigned long long)number, (unsigned long long)op->index);
    }
}

void sim_ledger_fini(struct sim_workload *w)
{
    for (uint32_t i = 0; i < SIM_KEYS_MAX; i++) hist_register_fini(&w->registers[i]);
    sim_told_fini(w);
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) free(w->reads[i].items);
    free(w->ops);
}

/* --- the page --- */

static void print_op(FILE *f, const struct sim_op *op, size_t number)
{
    bool change = op->kind > SIM_OP_DELETE;
    uint64_t value = op->kind == SIM_OP_GET ? op->value : change ? op->member_id : 0;
    fprintf(f, "%llu,%llu,%u,%d,%u,%d,%d,%llu,%llu,%zu", (unsigned long long)op->begin_us,
            (unsigned long long)op->end_us, op->client, op->kind, op->target,
            change ? -1 : (int)op->key, op->outcome, (unsigned long long)value,
            (unsigned long long)op->index, number);
}

void sim_workload_print_numbers(const struct sim *s, FILE *f, uint64_t from_us)
{
    const struct sim_workload *w = s->workload;
    const char *comma = "";
    for (size_t i = 0; w && i < w->op_count; i++) {
        if (w->ops[i].outcome != SIM_OUT_PENDING && w->ops[i].end_us < from_us) continue;
        fputs(comma, f);
        print_op(f, &w->ops[i], i + 1);
        comma = ",";
    }
}
