/* rt_loop.c: the loop thread: inputs of the member, the turn, stopping.
 *
 * libuv runs timers, then the prepare callback, then waits for I/O and runs its callbacks: so the
 * prepare callback comes after all inputs of a round and before the next wait, and a turn ends there
 * (R4). */
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_clock.h"
#include "rt/rt_measure.h"
#include "rt/rt_private.h"

/* ---- inputs: from the runtime into the member ---- */

/* Once the member has stopped, what still comes is late and means nothing. */
static bool takes_input(struct ms_member *m)
{
    if (m->core_stopped || !m->core) return false;
    m->dirty = true;
    return true;
}

static void on_accepted(void *ctx, uint64_t conn, int tag)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_accept(m->core, rt_clock_ms(), conn, (enum member_listener)tag);
}

static void on_dialed(void *ctx, uint64_t conn, int status)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_dialed(m->core, rt_clock_ms(), conn, status);
}

static void on_bytes(void *ctx, uint64_t conn, struct bytes in)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_bytes(m->core, rt_clock_ms(), conn, in);
}

static void on_writable(void *ctx, uint64_t conn)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_writable(m->core, rt_clock_ms(), conn);
}

static void on_ended(void *ctx, uint64_t conn)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_ended(m->core, rt_clock_ms(), conn);
}

static void on_closed(void *ctx, uint64_t conn)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_closed(m->core, rt_clock_ms(), conn);
}

void rt_loop_on_disk(void *ctx, struct disk_op *op)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_disk(m->core, rt_clock_ms(), op);
}

void rt_loop_on_job(void *ctx, struct kv_job *job)
{
    struct ms_member *m = ctx;
    if (takes_input(m)) member_on_job(m->core, rt_clock_ms(), job);
}

static void on_timer(uv_timer_t *timer)
{
    struct ms_member *m = timer->data;
    if (takes_input(m)) member_on_tick(m->core, rt_clock_ms());
}

/* ---- outputs: what the member asks of its host ---- */

static void host_submit_job(void *ctx, struct kv_job *job)
{
    struct ms_member *m = ctx;
    rt_engine_submit(&m->engine, job);
}

static void host_stopped(void *ctx, int status, const char *reason)
{
    struct ms_member *m = ctx;
    if (m->core_stopped) return;
    m->core_stopped = true;
    m->core_status = status;
    snprintf(m->core_reason, sizeof m->core_reason, "%s", reason ? reason : ms_err_text(status));
}

static void host_answer(void *ctx, const struct node_answer *answer)
{
    rt_requests_answer(ctx, answer);
}

void rt_loop_wire(struct ms_member *m, struct rt_net_events *events, struct member_host *host)
{
    *events = (struct rt_net_events){ .ctx = m,
                                      .accepted = on_accepted,
                                      .dialed = on_dialed,
                                      .bytes = on_bytes,
                                      .writable = on_writable,
                                      .ended = on_ended,
                                      .closed = on_closed };
    *host = (struct member_host){ .ctx = m,
                                  .submit_job = host_submit_job,
                                  .stopped = host_stopped,
                                  .answer = host_answer,
                                  .range = rt_range_piece,
                                  .watch = rt_watch_told,
                                  .now_us = rt_measure_now_us,
                                  .measure = rt_measure };
}

/* ---- stopping ---- */

static void go_down(struct ms_member *m)
{
    m->phase = RT_PHASE_DOWN;
    uv_stop(&m->loop);
}

static void on_stop_timer(uv_timer_t *timer);

/* The member has nothing more to say; its last answers are on their way. */
static void begin_flushing(struct ms_member *m)
{
    m->phase = RT_PHASE_FLUSHING;
    rt_net_unlisten(&m->net, 0);
    uv_timer_start(&m->stop_timer, on_stop_timer, RT_STOP_FLUSH_MS, 0);
    m->linger_until_ms = rt_clock_ms() + RT_STOP_LINGER_MS;
}

/* The last answers are out, and who got them has closed its side or had time to: a connection that is
 * closed earlier may be reset, and its last answer lost (rt_net_io.c). */
static bool is_flushed(const struct ms_member *m)
{
    if (rt_net_unwritten(&m->net) > 0) return false;
    return !rt_net_lingers(&m->net) || rt_clock_ms() >= m->linger_until_ms;
}

static void on_stop_timer(uv_timer_t *timer)
{
    struct ms_member *m = timer->data;
    if (m->phase == RT_PHASE_DRAINING) {
        log_line(&m->log.sink, LOG_WARN,
                 "stopping although not all that was accepted could be finished");
        host_stopped(m, MS_ESTOPPED, "stopped");
        begin_flushing(m);
    } else {
        go_down(m);
    }
}

static void begin_draining(struct ms_member *m)
{
    m->phase = RT_PHASE_DRAINING;
    log_line(&m->log.sink, LOG_INFO, "stopping: finishing what was accepted");
    rt_net_unlisten(&m->net, MEMBER_LISTENER_CLIENT);
    uv_timer_start(&m->stop_timer, on_stop_timer, m->setup.options.request_ms + RT_STOP_GRACE_MS, 0);
    if (takes_input(m)) member_shutdown(m->core, rt_clock_ms());
}

void rt_loop_on_command(uv_async_t *async)
{
    struct ms_member *m = async->data;
    pthread_mutex_lock(&m->lock);
    bool close_wanted = m->close_wanted;
    pthread_mutex_unlock(&m->lock);
    if (m->core_stopped) return; /* what waits is ended by rt_requests_abort() */
    m->dirty = true;
    rt_requests_take(m);
    if (close_wanted && m->phase == RT_PHASE_RUNNING) begin_draining(m);
}

/* ---- the turn ---- */

/* One slice of the memory engine's work. A turn that did all of it would delay heartbeats. */
static void run_jobs(struct ms_member *m, uint64_t began_ms)
{
    while (rt_clock_ms() - began_ms < RT_TURN_MS_MAX && rt_engine_run(&m->engine)) continue;
}

static void work(struct ms_member *m)
{
    uint64_t began_ms = rt_clock_ms();
    for (uint32_t round = 0; round < RT_TURN_ROUNDS_MAX && !m->core_stopped; round++) {
        if (m->dirty) {
            m->dirty = false;
            member_flush(m->core, rt_clock_ms());
        }
        run_jobs(m, began_ms);
        if (m->dirty) continue; /* a job has ended: its answers go out together with these */
        rt_net_flush(&m->net);
        if (!m->dirty) return;
    }
    rt_net_flush(&m->net);
}

/* Keeps the loop from waiting; the work is in the prepare callback. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void arm(struct ms_member *m)
{
    uint64_t now = rt_clock_ms();
    uint64_t deadline = m->linger_until_ms > now ? m->linger_until_ms : MS_TIME_NEVER;
    if (!m->core_stopped) deadline = member_deadline_ms(m->core);
    if (deadline == MS_TIME_NEVER) {
        uv_timer_stop(&m->timer);
    } else {
        uv_update_time(&m->loop); /* libuv counts from the beginning of its round */
        uv_timer_start(&m->timer, on_timer, deadline > now ? deadline - now : 0, 0);
    }
    if (!m->core_stopped && (m->dirty || rt_engine_can_run(&m->engine))) {
        uv_idle_start(&m->idle, on_idle);
    } else {
        uv_idle_stop(&m->idle);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct ms_member *m = prepare->data;
    work(m);
    arm(m);
    if (m->core_stopped && m->phase < RT_PHASE_FLUSHING) begin_flushing(m);
    if (m->phase == RT_PHASE_FLUSHING && is_flushed(m)) go_down(m);
}

static void started(struct ms_member *m, int status)
{
    pthread_mutex_lock(&m->lock);
    m->start_status = status;
    m->why = NULL;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void *rt_loop_main(void *arg)
{
    struct ms_member *m = arg;
    int rv = rt_start(m);
    if (rv < 0) {
        rt_unstart(m);
        started(m, rv);
        return NULL;
    }
    m->phase = RT_PHASE_RUNNING;
    m->dirty = true;
    uv_prepare_start(&m->prepare, on_prepare);
    rt_listen_announce(m);
    started(m, 0);
    uv_run(&m->loop, UV_RUN_DEFAULT);
    rt_unstart(m);
    log_line(&m->log.sink, LOG_INFO, "stopped");
    return NULL;
}
