/* replay_input.c: what src/rt hands in is checked, noted, and given to the member when it is its turn: within the
 * call of src/rt if it comes in that moment, else by the director. */
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "tests/replay/replay_private.h"

#define BREAK_LATE_MS 1000u

/* ---- the clock ---- */

/* The life's; behind its end it goes on, so that src/rt comes to an end, too. */
uint64_t input_clock_ms(void)
{
    uint64_t over_ms = atomic_load(&replay.over_ms);
    return atomic_load(&replay.now_ms) + (over_ms ? replay_real_us() / 1000 - over_ms : 0);
}

uint64_t input_deadline_ms(uint64_t deadline_ms)
{
    bool late = replay.opts->breaks == BREAK_LATE_TICK && deadline_ms != MS_TIME_NEVER;
    return late ? deadline_ms + BREAK_LATE_MS : deadline_ms;
}

/* ---- giving ---- */

static int ask(const struct step *s)
{
    struct member *m = replay.core;
    struct bytes data = bytes_of(s->data, s->len);
    uint64_t token = (uint64_t)s->numbers[1];
    switch ((enum ask)s->numbers[0]) {
    case ASK_PROPOSE: return __real_member_propose_txn(m, s->now_ms, token, data);
    case ASK_TXN: return __real_member_txn(m, s->now_ms, token, data);
    case ASK_READ: return __real_member_read(m, s->now_ms, token, data);
    case ASK_RANGE: return __real_member_range(m, s->now_ms, token, s->op, s->numbers[2]);
    case ASK_RANGE_NEXT: __real_member_range_next(m, s->now_ms, token); return 0;
    case ASK_RANGE_END: __real_member_range_end(m, s->now_ms, token); return 0;
    }
    MS_UNREACHABLE();
}

static int asked(const struct step *call, int result)
{
    const struct step *s = replay_next();
    if (!s || s->kind != STEP_ASKED || s->numbers[0] != result)
        replay_fail("a call of the member returns %d, and did not in its life", result);
    replay.at++;
    replay.totals->steps[STEP_ASKED]++;
    library_asked(call, result);
    return result;
}

/* Results of src/rt's, or of the state machine's, against the recorded ones. */
static void result_check(const struct step *s, struct step made)
{
    char is[600], was[600];
    made.now_ms = s->now_ms;
    if (step_equal(s, &made)) return;
    step_text(&made, is, sizeof is);
    step_text(s, was, sizeof was);
    replay_fail("a result differs\n  in its life: %s\n  now:         %s", was, is);
}

static void perform_disk(const struct step *s)
{
    struct replay_op *o = &replay.ops[s->numbers[0]];
    struct step made = { .kind = STEP_DISK_DONE, .numbers = { s->numbers[0] } };
    step_of_result(&made, o->op);
    result_check(s, made);
    if (o->op->kind == DISK_OP_OPEN && o->op->status == 0) taps_opened(o->op->file, s->opened);
    o->taken = true;
    __real_member_on_disk(replay.core, s->now_ms, o->op);
}

static void perform_job(const struct step *s)
{
    struct kv_job *job = replay.jobs[s->numbers[0]].job;
    struct step made = { .kind = STEP_JOB_DONE };
    step_of_job_done(&made, job, (uint64_t)s->numbers[0]);
    result_check(s, made);
    __real_member_on_job(replay.core, s->now_ms, job);
}

static void perform_bytes(const struct step *s, const struct bytes *in)
{
    struct end *e = end_of(s->conn);
    struct bytes held = bytes_of(e->in + e->taken, s->len);
    e->taken += s->len;
    __real_member_on_bytes(replay.core, s->now_ms, s->conn, in ? *in : held);
}

/* The status of a dial that fails is the recorded one: src/rt knows less about why than the simulator. */
static void perform_dialed(const struct step *s)
{
    struct end *e = end_of(s->conn);
    if (s->numbers[0] == 0) end_take(e);
    if (s->numbers[0] < 0) e->told = true;
    __real_member_on_dialed(replay.core, s->now_ms, s->conn, (int)s->numbers[0]);
}

/* Who was told that the other side has ended closes by itself (net.h N2); the member was told that it is closed. */
static void perform_closed(const struct step *s)
{
    struct end *e = end_of(s->conn);
    e->told = true;
    replay.totals->ended += e->ended;
    replay.totals->reset += !e->ended;
    uint64_t real = e->real;
    bool ended = e->ended;
    __real_member_on_closed(replay.core, s->now_ms, s->conn);
    if (ended) replay.below.net->ops->close(replay.below.net, real, false);
}

static void perform_writable(const struct step *s)
{
    struct end *e = end_of(s->conn);
    e->writable = false;
    e->told_writable = true;
    __real_member_on_writable(replay.core, s->now_ms, s->conn);
}

int input_perform(const struct step *s, const struct bytes *in)
{
    int result = 0;
    MS_ASSERT(!replay.within && replay_next() == s);
    replay.at++;
    replay.totals->steps[s->kind]++;
    replay.within = true;
    switch (s->kind) {
    case STEP_ACCEPT:
        __real_member_on_accept(replay.core, s->now_ms, s->conn, (enum member_listener)s->numbers[0]);
        break;
    case STEP_DIALED: perform_dialed(s); break;
    case STEP_BYTES: perform_bytes(s, in); break;
    case STEP_WRITABLE: perform_writable(s); break;
    case STEP_CLOSED: perform_closed(s); break;
    case STEP_DISK_DONE: perform_disk(s); break;
    case STEP_JOB_DONE: perform_job(s); break;
    case STEP_TICK: __real_member_on_tick(replay.core, s->now_ms); break;
    case STEP_FLUSH: __real_member_flush(replay.core, s->now_ms); break;
    case STEP_ASK:
        library_continued(s);
        result = asked(s, ask(s));
        break;
    default: MS_UNREACHABLE();
    }
    replay.within = false;
    replay_moved();
    const struct step *next = replay_next();
    char was[1500];
    if (!next || step_is_input(next->kind)) return result;
    step_text(next, was, sizeof was);
    replay_fail("the member does not ask for what it asked for in its life: %s", was);
}

bool input_is_here(const struct step *s)
{
    const struct end *e = s->conn ? end_find(s->conn) : NULL;
    switch (s->kind) {
    case STEP_DIALED: return e && e->dialed;
    case STEP_BYTES: return e && e->heard - e->taken >= s->len;
    case STEP_WRITABLE: return e && (e->writable || e->told_writable);
    case STEP_CLOSED: return e && (e->closed || e->ended);
    case STEP_DISK_DONE: return replay.ops[s->numbers[0]].back;
    case STEP_JOB_DONE: return replay.jobs[s->numbers[0]].back;
    case STEP_ASK: return !library_ask(s) || library_goes_on(s);
    default: return false;
    }
}

/* ---- what src/rt calls ---- */

/* False: the life is over. The time is what src/rt says it is. */
bool input_called(uint64_t now_ms)
{
    if (replay.over) return false;
    if (replay.within) replay_fail("src/rt calls the member from inside of what that has asked for");
    if (now_ms != replay.now_ms)
        replay_fail("src/rt hands something in at %llu ms, and it is %llu", (unsigned long long)now_ms,
                    (unsigned long long)replay.now_ms);
    replay.owed = true;
    replay.owed_by_disk = false;
    return true;
}

/* It is handed in, and it is its turn. */
static void arrived(enum step_kind kind, uint64_t conn, const struct bytes *in)
{
    const struct step *s = replay_next();
    if (s && s->kind == kind && s->conn == conn && input_is_here(s)) input_perform(s, in);
}

int input_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                 const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap)
{
    const struct life *l = replay.life;
    struct member_opts o = l->opts;
    struct member_env tapped;
    o.node.cluster = &l->cluster;
    o.node.log_dir = opts->node.log_dir;
    o.node.snap_dir = opts->node.snap_dir;
    if (opts->node.id != l->opts.node.id || opts->node.storage != l->opts.node.storage ||
        now_ms != l->now_ms)
        replay_fail("src/rt makes another member than was asked for");
    replay.host = env->host.ctx;
    taps_env(env, &tapped);
    replay.within = true;
    int rv = __real_member_create(out, &o, kv, &tapped, now_ms, why, why_cap);
    replay.within = false;
    if (rv != l->status)
        replay_fail("the member starts with %s (%s), in its life with %s", ms_err_text(rv), why,
                    ms_err_text(l->status));
    replay.core = *out;
    if (rv == 0) director_start();
    return rv;
}

void input_accept(uint64_t now_ms, uint64_t real, int listener)
{
    const struct step *s = replay_next();
    if (!input_called(now_ms)) return;
    struct end *e = s && s->kind == STEP_ACCEPT ? end_find(s->conn) : NULL;
    if (!e || e->real != 0) replay_fail("src/rt has accepted a connection that nobody has made");
    if (listener != s->numbers[0])
        replay_fail("src/rt calls listener %d what is the other one", listener);
    e->real = real;
    input_perform(s, NULL);
}

void input_dialed(uint64_t now_ms, uint64_t real, int status)
{
    if (!input_called(now_ms)) return;
    struct end *e = end_of_real(real);
    if (e->accepted || e->dialed) replay_fail("src/rt tells twice of a dial");
    if ((status < 0) != e->dial_fails)
        replay_fail("src/rt says of a dial: %s; %s", ms_err_text(status),
                    e->dial_fails ? "nobody listens" : "it has come about");
    e->dialed = true;
    arrived(STEP_DIALED, e->conn, NULL);
}

void input_bytes(uint64_t now_ms, uint64_t real, struct bytes in)
{
    if (!input_called(now_ms)) return;
    struct end *e = end_of_real(real);
    if (replay.opts->breaks == BREAK_DROP_BYTE && in.len > 1) in.len--;
    if (e->paused) replay_fail("src/rt delivers bytes of a connection that is paused (RP2)");
    if (e->closed || e->ended) replay_fail("src/rt delivers bytes behind the end of a connection");
    if (in.len == 0 || in.len > e->written - e->heard || memcmp(e->in + e->heard, in.data, in.len) != 0)
        replay_fail(
            "src/rt delivers %zu bytes on connection %llu that are not the next of the %zu sent (RP2)",
            in.len, (unsigned long long)e->conn, e->written - e->heard);
    bool whole = e->heard == e->taken;
    e->heard += in.len;
    replay_moved();
    replay.totals->bytes_in += in.len;
    const struct step *s = replay_next();
    arrived(STEP_BYTES, e->conn, whole && s && s->len == in.len ? &in : NULL);
}

void input_writable(uint64_t now_ms, uint64_t real)
{
    if (!input_called(now_ms)) return;
    struct end *e = end_of_real(real);
    if (replay.opts->breaks == BREAK_NO_WRITABLE) return;
    size_t queued = replay.below.net->ops->queued(replay.below.net, real);
    if (queued > 0 || e->out_len == 0)
        replay_fail("src/rt calls connection %llu writable: %zu bytes are queued, %zu were sent",
                    (unsigned long long)e->conn, queued, e->out_len);
    e->writable = true;
    arrived(STEP_WRITABLE, e->conn, NULL);
}

void input_closed(uint64_t now_ms, uint64_t real, bool ended)
{
    if (!input_called(now_ms)) return;
    struct end *e = end_of_real(real);
    if (e->broken == END_WHOLE || e->closed || e->ended ||
        (ended && !(e->accepted && e->broken == END_FIN)))
        replay_fail("src/rt says that connection %llu %s, which it has not",
                    (unsigned long long)e->conn, ended ? "has ended" : "was closed");
    e->ended = ended;
    e->closed = !ended;
    arrived(STEP_CLOSED, e->conn, NULL);
}

void input_disk(uint64_t now_ms, struct disk_op *op)
{
    size_t i = replay.op_count;
    if (!input_called(now_ms)) return;
    while (i > 0 && (replay.ops[i - 1].op != op || replay.ops[i - 1].back)) i--;
    if (i == 0) replay_fail("src/rt hands in an operation of the disk that nobody has submitted");
    if (replay.opts->breaks == BREAK_OFFSET && op->kind == DISK_OP_WRITE)
        op->offset -= DISK_SECTOR_BYTES;
    replay.ops[i - 1].back = true;
    replay.ops_out--;
    replay_moved();
    replay.owed_by_disk = true;
    const struct step *s = replay_next();
    if (s && s->kind == STEP_DISK_DONE && s->numbers[0] == (int64_t)(i - 1)) input_perform(s, NULL);
}

void input_job(uint64_t now_ms, struct kv_job *job)
{
    size_t i = replay.job_count;
    if (!input_called(now_ms)) return;
    while (i > 0 && (replay.jobs[i - 1].job != job || replay.jobs[i - 1].back)) i--;
    if (i == 0) replay_fail("src/rt hands in a job that nobody has submitted");
    replay.jobs[i - 1].back = true;
    const struct step *s = replay_next();
    if (s && s->kind == STEP_JOB_DONE && s->numbers[0] == (int64_t)(i - 1)) input_perform(s, NULL);
}

/* One that comes before its turn is the timer's, which was armed at an earlier time: it means nothing. */
void input_tick(uint64_t now_ms)
{
    const struct step *s = replay_next();
    if (!input_called(now_ms)) return;
    if (s && s->kind == STEP_TICK) input_perform(s, NULL);
}

void input_flush(uint64_t now_ms)
{
    const struct step *s = replay_next();
    bool lost = replay.opts->breaks == BREAK_NO_FLUSH && replay.owed_by_disk;
    if (lost || !input_called(now_ms)) return;
    replay.owed = false;
    replay.owed_turns = 0;
    if (s && s->kind == STEP_FLUSH) input_perform(s, NULL);
}

/* What is sent meanwhile is written by this call, or by the next one. */
void input_net_flush(struct rt_net *n)
{
    replay.writes = true;
    __real_rt_net_flush(n);
    replay.writes = false;
    ends_written();
}
