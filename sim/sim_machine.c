#include "sim/sim_machine.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/ms_assert.h"
#include "sim/sim_check.h"
#include "sim/sim_enumerate.h"
#include "sim/sim_faults.h"
#include "sim/sim_lease.h"
#include "sim/sim_rocks_env.h"

#define MILLION 1000000u
#define IDLE_TURNS_MAX 1000u
#define SPREADING_AWAY_TIMEOUTS 4u

/* --- queues --- */

static void queue_push(struct sim_queue *q, void *item)
{
    if (q->count == q->cap) {
        uint32_t cap = q->cap ? 2 * q->cap : 16;
        void **items = malloc(cap * sizeof *items);
        MS_ASSERT(items != NULL);
        for (uint32_t i = 0; i < q->count; i++) items[i] = q->items[(q->first + i) & (q->cap - 1)];
        free(q->items);
        q->items = items;
        q->cap = cap;
        q->first = 0;
    }
    q->items[(q->first + q->count++) & (q->cap - 1)] = item;
}

/* The first one that is not done; NULL: none. */
static void *queue_next(const struct sim_queue *q)
{
    return q->done < q->count ? q->items[(q->first + q->done) & (q->cap - 1)] : NULL;
}

static void *queue_take_done(struct sim_queue *q)
{
    MS_ASSERT(q->done > 0);
    void *item = q->items[q->first];
    q->first = (q->first + 1) & (q->cap - 1);
    q->count--;
    q->done--;
    return item;
}

static void queue_reset(struct sim_queue *q)
{
    *q = (struct sim_queue){ .items = q->items, .cap = q->cap };
}

void sim_machine_reset(struct sim_member *m)
{
    for (int i = 0; i < DISK_LANE_COUNT; i++) queue_reset(&m->lanes[i]);
    queue_reset(&m->jobs);
    m->flush_due = m->stop_wanted = false;
    m->tick_us = 0;
}

void sim_machine_fini(struct sim_member *m)
{
    for (int i = 0; i < DISK_LANE_COUNT; i++) free(m->lanes[i].items);
    free(m->jobs.items);
    free(m->held);
}

/* --- time --- */

uint64_t sim_machine_now_ms(const struct sim_member *m)
{
    return sim_clock_us(&m->clock, sim_now_us(m->sim)) / 1000;
}

static void push(struct sim_member *m, uint64_t time_us, enum sim_event_kind kind, uint64_t b)
{
    sim_events_push(&m->sim->events, time_us, kind, m->index, m->life, b);
}

/* K19: a member that again and again wants to be woken at once, however often it is, makes no progress.
 */
static void check_progress(struct sim_member *m, bool at_once)
{
    m->idle_turns = at_once ? m->idle_turns + 1 : 0;
    if (m->idle_turns > IDLE_TURNS_MAX) {
        sim_fail(SIM_FAIL_LIVENESS, "K19", "m%u asks to be woken without end", m->index + 1);
    }
}

/* Ticks come at the deadline or late, never early; one that was overtaken by an earlier one is ignored.
 */
static void arm_tick(struct sim_member *m)
{
    struct sim *s = m->sim;
    uint64_t deadline_ms = member_deadline_ms(m->member), now_ms = sim_machine_now_ms(m), at_us;
    check_progress(m, deadline_ms <= now_ms);
    if (deadline_ms == MS_TIME_NEVER) return;
    at_us = sim_clock_when_us(&m->clock, sim_now_us(s), deadline_ms * 1000);
    if (at_us == UINT64_MAX) return; /* its clock stands */
    at_us += ms_rand_below(&s->cluster->sched_rand, m->late_us ? m->late_us : s->plan.timer_late_us);
    if (m->tick_us != 0 && m->tick_us <= at_us) return;
    m->tick_us = at_us;
    push(m, at_us, SIM_EVENT_MEMBER_TICK, at_us);
}

void sim_machine_clock_changed(struct sim_member *m)
{
    m->tick_us = 0;
    if (!m->flush_due) arm_tick(m);
}

void sim_machine_after(struct sim_member *m)
{
    struct sim *s = m->sim;
    sim_check_member(s, m);
    if (sim_check_spreads(s, m)) push(m, sim_now_us(s), SIM_EVENT_MEMBER_FLUSH, 0);
    if (m->flush_due) return;
    m->flush_due = true;
    m->turn_us = sim_now_us(s);
    uint64_t late_us = s->plan.turn_us ? ms_rand_below(&s->cluster->sched_rand, s->plan.turn_us) : 0;
    push(m, sim_now_us(s) + late_us, SIM_EVENT_MEMBER_FLUSH, 0);
}

/* Long enough for others to elect: who is back at once leads again, with the same in mind (seed 954183853071). */
static uint64_t spreading_away_us(const struct sim *s)
{
    return SPREADING_AWAY_TIMEOUTS * 1000 * (uint64_t)s->plan.member.node.raft.election_ms_min;
}

static void flush(struct sim_member *m)
{
    member_flush(m->member, sim_machine_now_ms(m));
    m->flush_due = false;
    sim_check_member(m->sim, m);
    sim_check_turn(m->sim, m);
    sim_lease_turn(m->sim, m);
    sim_faults_notice(m->sim, m);
    if (m->stop_wanted) {
        sim_machine_stopped(m);
        return;
    }
    if (sim_check_spreads(m->sim, m)) {
        sim_trace(m->sim, "m%u  was about to send a state that differs", m->index + 1);
        sim_member_crash(m->sim, m->index, false);
        sim_member_start_soon(m->sim, m->index, spreading_away_us(m->sim));
        return;
    }
    sim_io_check(m);
    arm_tick(m);
}

static void tick(struct sim_member *m, const struct sim_event *ev)
{
    uint64_t now_ms = sim_machine_now_ms(m);
    if (m->tick_us != ev->b) return;
    m->tick_us = 0;
    if (member_deadline_ms(m->member) > now_ms) {
        arm_tick(m);
        return;
    }
    member_on_tick(m->member, now_ms);
    sim_machine_after(m);
}

/* --- the disk --- */

static uint64_t draw_disk_us(struct sim_member *m, const struct disk_op *op)
{
    const struct sim_plan *p = &m->sim->plan;
    struct ms_rand *r = &m->sim->cluster->disk_rand;
    uint64_t us = op->kind == DISK_OP_READ ? p->read_us : p->write_us;
    if (op->sync || op->kind == DISK_OP_SYNC || op->kind == DISK_OP_SYNC_DIR) us += p->sync_us;
    us = us / 2 + ms_rand_below(r, us + 1);
    if (ms_rand_below(r, MILLION) < p->disk_tail_ppm) us += ms_rand_below(r, p->disk_tail_us + 1);
    return us * m->disk_slow;
}

static void lane_begin(struct sim_member *m, enum disk_lane lane)
{
    struct sim_queue *q = &m->lanes[lane];
    const struct disk_op *op = queue_next(q);
    if (q->busy || !op || m->pauses || m->io.stuck[lane]) return;
    q->busy = true;
    push(m, sim_now_us(m->sim) + draw_disk_us(m, op), SIM_EVENT_DISK_PERFORM, lane);
}

void sim_machine_submit_op(struct sim_member *m, struct disk_op *op)
{
    MS_ASSERT(op->lane < DISK_LANE_COUNT && !m->dying);
    queue_push(&m->lanes[op->lane], op);
    lane_begin(m, op->lane);
}

static void deliver_later(struct sim_member *m, struct sim_queue *q, struct ms_rand *r,
                          enum sim_event_kind kind, uint64_t b)
{
    uint64_t at_us = sim_now_us(m->sim) + 1 + ms_rand_below(r, 50);
    if (at_us < q->deliver_us) at_us = q->deliver_us;
    q->deliver_us = at_us;
    push(m, at_us, kind, b);
}

static uint64_t disk_perform(struct sim_member *m, enum disk_lane lane)
{
    struct sim_queue *q = &m->lanes[lane];
    struct disk_op *op = queue_next(q);
    MS_ASSERT(q->busy && op != NULL);
    if (sim_enumerate_at(m, op, false)) return 0;
    size_t part_bytes;
    enum sim_disk_how how = sim_io_fate(m, op, false, &part_bytes);
    sim_disk_perform_as(m->disk, op, how, part_bytes);
    sim_check_written(m->sim, m, op);
    if (op->kind == DISK_OP_READ) sim_rare(m->sim, SIM_RARE_READ_BACK);
    q->busy = false;
    q->done++;
    if (sim_enumerate_at(m, op, true)) return 0;
    deliver_later(m, q, &m->sim->cluster->disk_rand, SIM_EVENT_DISK_DELIVER, lane);
    lane_begin(m, lane);
    uint64_t hash = op->kind == DISK_OP_WRITE ? XXH3_64bits(op->buf, op->len) : op->len;
    return hash ^ (uint64_t)op->kind << 56 ^ op->offset;
}

static uint64_t disk_deliver(struct sim_member *m, enum disk_lane lane)
{
    struct disk_op *op = queue_take_done(&m->lanes[lane]);
    uint64_t hash = op->kind;
    sim_io_delivered(m, op);
    member_on_disk(m->member, sim_machine_now_ms(m), op);
    sim_machine_after(m);
    return hash;
}

struct disk_op *sim_machine_torn_op(struct sim_member *m)
{
    struct ms_rand *r = &m->sim->cluster->crash_rand;
    enum disk_lane first = (enum disk_lane)ms_rand_below(r, DISK_LANE_COUNT);
    for (uint32_t i = 0; i < DISK_LANE_COUNT; i++) {
        struct sim_queue *q = &m->lanes[(first + i) % DISK_LANE_COUNT];
        if (q->busy) return queue_next(q);
    }
    return NULL;
}

/* --- the engine --- */

static void engine_begin(struct sim_member *m)
{
    struct sim_queue *q = &m->jobs;
    const struct sim_plan *p = &m->sim->plan;
    struct ms_rand *r = &m->sim->cluster->job_rand;
    if (q->busy || !queue_next(q) || m->pauses) return;
    q->busy = true;
    uint64_t us = p->job_us ? p->job_us / 2 + ms_rand_below(r, p->job_us) : 0;
    if (ms_rand_below(r, MILLION) < p->job_tail_ppm) us += ms_rand_below(r, p->job_tail_us + 1);
    if (m->engine_slow > 1) us = (us + 100) * m->engine_slow;
    push(m, sim_now_us(m->sim) + us, SIM_EVENT_JOB_RUN, 0);
}

void sim_machine_submit_job(struct sim_member *m, struct kv_job *job)
{
    MS_ASSERT(!m->dying);
    queue_push(&m->jobs, job);
    engine_begin(m);
}

void sim_machine_resume(struct sim_member *m)
{
    for (int i = 0; i < DISK_LANE_COUNT; i++) lane_begin(m, (enum disk_lane)i);
    engine_begin(m);
}

static uint64_t job_run(struct sim_member *m)
{
    struct sim_queue *q = &m->jobs;
    struct kv_job *job = queue_next(q);
    MS_ASSERT(q->busy && job != NULL);
    sim_check_job_begins(m->sim, m, job);
    if (job->kind == KV_JOB_LOAD_CHUNK) m->alloc.waits = false;
    m->in_job = true;
    kv_run(m->kv, job);
    m->in_job = false;
    if (m->job_failed) {
        sim_check_job_failed(m->sim, m, job);
        sim_member_died_in_job(m);
        return 0;
    }
    if (m->rocks) sim_fold(m->sim, sim_rocks_env_hash(m->rocks));
    sim_check_job_ended(m->sim, m, job);
    q->busy = false;
    q->done++;
    deliver_later(m, q, &m->sim->cluster->job_rand, SIM_EVENT_JOB_DELIVER, 0);
    engine_begin(m);
    return (uint64_t)job->kind << 32 ^ job->count ^ (uint64_t)job->status << 16;
}

static uint64_t job_deliver(struct sim_member *m)
{
    struct kv_job *job = queue_take_done(&m->jobs);
    uint64_t hash = job->kind;
    member_on_job(m->member, sim_machine_now_ms(m), job);
    sim_machine_after(m);
    return hash;
}

uint64_t sim_machine_event(struct sim_member *m, const struct sim_event *ev)
{
    switch (ev->kind) {
    case SIM_EVENT_MEMBER_TICK: tick(m, ev); break;
    case SIM_EVENT_MEMBER_FLUSH: flush(m); break;
    case SIM_EVENT_DISK_PERFORM: return disk_perform(m, (enum disk_lane)ev->b);
    case SIM_EVENT_DISK_DELIVER: return disk_deliver(m, (enum disk_lane)ev->b);
    case SIM_EVENT_JOB_RUN: return job_run(m);
    case SIM_EVENT_JOB_DELIVER: return job_deliver(m);
    default: MS_UNREACHABLE();
    }
    return ev->b;
}
