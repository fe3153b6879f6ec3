/* replay_wrap.c: the functions that the linker puts in front of those of member.h (and of the two of the simulator's
 * disk, and the runtime's clock): what the simulator calls is recorded, what src/rt calls is held. */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "tests/replay/replay.h"

enum replay_mode replay_mode;

/* ---- life ---- */

int __wrap_member_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                         const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap)
{
    switch (replay_mode) {
    case REPLAY_RECORDS: return record_create(out, opts, kv, env, now_ms, why, why_cap);
    case REPLAY_REPLAYS: return input_create(out, opts, kv, env, now_ms, why, why_cap);
    case REPLAY_OFF: break;
    }
    return __real_member_create(out, opts, kv, env, now_ms, why, why_cap);
}

void __wrap_member_destroy(struct member *m)
{
    if (replay_mode == REPLAY_RECORDS) record_died(m);
    __real_member_destroy(m);
}

int __wrap_kv_rocks_open_or_rebuild(struct engine **out, const struct kv_rocks_opts *opts, bool alone,
                                    bool wrong, const struct ms_alloc *alloc,
                                    const struct log_sink *log, char *why, size_t why_cap)
{
    if (replay_mode == REPLAY_RECORDS) record_database(opts);
    return __real_kv_rocks_open_or_rebuild(out, opts, alone, wrong, alloc, log, why, why_cap);
}

bool __wrap_sim_disk_crash(struct sim_disk *d, bool power, struct ms_rand *rand, struct disk_op *torn)
{
    if (replay_mode == REPLAY_RECORDS) record_crashed(d);
    return __real_sim_disk_crash(d, power, rand, torn);
}

void __wrap_sim_disk_perform_as(struct sim_disk *d, struct disk_op *op, enum sim_disk_how how,
                                size_t part_bytes)
{
    __real_sim_disk_perform_as(d, op, how, part_bytes);
    if (replay_mode == REPLAY_RECORDS) record_performed(op);
}

uint64_t __wrap_rt_clock_ms(void)
{
    return replay_mode == REPLAY_REPLAYS ? input_clock_ms() : __real_rt_clock_ms();
}

uint64_t __wrap_member_deadline_ms(const struct member *m)
{
    uint64_t deadline_ms = __real_member_deadline_ms(m);
    return replay_mode == REPLAY_REPLAYS ? input_deadline_ms(deadline_ms) : deadline_ms;
}

void __wrap_rt_net_flush(struct rt_net *n)
{
    input_net_flush(n);
}

/* ---- inputs ---- */

static bool replays(void)
{
    return replay_mode == REPLAY_REPLAYS;
}

/* Note an input about which there is no more to say than its number. */
static struct step *note(const struct member *m, enum step_kind kind, uint64_t now_ms, uint64_t conn,
                         int64_t number)
{
    if (replay_mode != REPLAY_RECORDS) return NULL;
    struct step *s = record_input(m, kind, now_ms, conn);
    if (s) s->numbers[0] = number;
    return s;
}

void __wrap_member_on_accept(struct member *m, uint64_t now_ms, uint64_t conn,
                             enum member_listener listener)
{
    note(m, STEP_ACCEPT, now_ms, conn, listener);
    if (replays())
        input_accept(now_ms, conn, (int)listener);
    else
        __real_member_on_accept(m, now_ms, conn, listener);
}

void __wrap_member_on_dialed(struct member *m, uint64_t now_ms, uint64_t conn, int status)
{
    note(m, STEP_DIALED, now_ms, conn, status);
    if (replays())
        input_dialed(now_ms, conn, status);
    else
        __real_member_on_dialed(m, now_ms, conn, status);
}

void __wrap_member_on_bytes(struct member *m, uint64_t now_ms, uint64_t conn, struct bytes in)
{
    struct step *s = note(m, STEP_BYTES, now_ms, conn, (int64_t)in.len);
    if (s) {
        s->data = malloc(in.len + 1);
        MS_ASSERT(s->data != NULL);
        memcpy(s->data, in.data, in.len);
        s->len = in.len;
    }
    if (replays())
        input_bytes(now_ms, conn, in);
    else
        __real_member_on_bytes(m, now_ms, conn, in);
}

void __wrap_member_on_writable(struct member *m, uint64_t now_ms, uint64_t conn)
{
    note(m, STEP_WRITABLE, now_ms, conn, 0);
    if (replays())
        input_writable(now_ms, conn);
    else
        __real_member_on_writable(m, now_ms, conn);
}

/* The simulator knows no connection of which one side has ended: it never says so. */
void __wrap_member_on_ended(struct member *m, uint64_t now_ms, uint64_t conn)
{
    MS_ASSERT(replay_mode != REPLAY_RECORDS);
    if (replays())
        input_closed(now_ms, conn, true);
    else
        __real_member_on_ended(m, now_ms, conn);
}

void __wrap_member_on_closed(struct member *m, uint64_t now_ms, uint64_t conn)
{
    note(m, STEP_CLOSED, now_ms, conn, 0);
    if (replays())
        input_closed(now_ms, conn, false);
    else
        __real_member_on_closed(m, now_ms, conn);
}

void __wrap_member_on_disk(struct member *m, uint64_t now_ms, struct disk_op *op)
{
    if (replay_mode == REPLAY_RECORDS) record_disk_done(m, now_ms, op);
    if (replays())
        input_disk(now_ms, op);
    else
        __real_member_on_disk(m, now_ms, op);
}

void __wrap_member_on_job(struct member *m, uint64_t now_ms, struct kv_job *job)
{
    if (replay_mode == REPLAY_RECORDS) record_job_done(m, now_ms, job);
    if (replays())
        input_job(now_ms, job);
    else
        __real_member_on_job(m, now_ms, job);
}

void __wrap_member_on_tick(struct member *m, uint64_t now_ms)
{
    note(m, STEP_TICK, now_ms, 0, 0);
    if (replays())
        input_tick(now_ms);
    else
        __real_member_on_tick(m, now_ms);
}

void __wrap_member_flush(struct member *m, uint64_t now_ms)
{
    note(m, STEP_FLUSH, now_ms, 0, 0);
    if (replays())
        input_flush(now_ms);
    else
        __real_member_flush(m, now_ms);
}

/* ---- what the simulator asks of a member itself, and src/rt for callers of the library ---- */

static void ask(const struct member *m, uint64_t now_ms, enum ask call, uint64_t token,
                struct bytes data, const struct kv_op *op, bool stale)
{
    if (replay_mode == REPLAY_RECORDS) record_ask(m, now_ms, call, token, data, op, stale);
}

static int asked(const struct member *m, int result)
{
    if (replay_mode == REPLAY_RECORDS) record_asked(m, result);
    return result;
}

int __wrap_member_propose_txn(struct member *m, uint64_t now_ms, uint64_t token, struct bytes command)
{
    if (replays()) return input_ask(ASK_PROPOSE, now_ms, token, command, NULL, false);
    ask(m, now_ms, ASK_PROPOSE, token, command, NULL, false);
    return asked(m, __real_member_propose_txn(m, now_ms, token, command));
}

int __wrap_member_txn(struct member *m, uint64_t now_ms, uint64_t token, struct bytes command)
{
    if (replays()) return input_ask(ASK_TXN, now_ms, token, command, NULL, false);
    ask(m, now_ms, ASK_TXN, token, command, NULL, false);
    return asked(m, __real_member_txn(m, now_ms, token, command));
}

int __wrap_member_read(struct member *m, uint64_t now_ms, uint64_t token, struct bytes key)
{
    if (replays()) return input_ask(ASK_READ, now_ms, token, key, NULL, false);
    ask(m, now_ms, ASK_READ, token, key, NULL, false);
    return asked(m, __real_member_read(m, now_ms, token, key));
}

int __wrap_member_range(struct member *m, uint64_t now_ms, uint64_t token, const struct kv_op *op,
                        bool stale)
{
    struct bytes none = { 0 };
    if (replays()) return input_ask(ASK_RANGE, now_ms, token, none, op, stale);
    ask(m, now_ms, ASK_RANGE, token, none, op, stale);
    return asked(m, __real_member_range(m, now_ms, token, op, stale));
}

void __wrap_member_range_next(struct member *m, uint64_t now_ms, uint64_t token)
{
    if (replays()) {
        input_range_next(now_ms, token);
        return;
    }
    ask(m, now_ms, ASK_RANGE_NEXT, token, (struct bytes){ 0 }, NULL, false);
    __real_member_range_next(m, now_ms, token);
    asked(m, 0);
}

void __wrap_member_range_end(struct member *m, uint64_t now_ms, uint64_t token)
{
    if (replays()) {
        input_range_end(now_ms);
        return;
    }
    ask(m, now_ms, ASK_RANGE_END, token, (struct bytes){ 0 }, NULL, false);
    __real_member_range_end(m, now_ms, token);
    asked(m, 0);
}
