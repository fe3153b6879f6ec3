#include "rt/rt_engine.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "rt/rt_clock.h"
#include "rt/rt_thread.h"

static void *engine_main(void *arg)
{
    struct rt_engine *e = arg;
    struct engine_stats stats = { 0 };
    uint64_t look_ms = 0;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!e->stopping && rt_ring_is_empty(&e->queue)) pthread_cond_wait(&e->wake, &e->lock);
        if (e->stopping) break;
        struct kv_job *job = rt_ring_pop(&e->queue);
        pthread_mutex_unlock(&e->lock);
        kv_run(e->kv, job);
        uint64_t now_ms = rt_clock_ms();
        bool looks = now_ms >= look_ms;
        if (looks) kv_engine_stats(e->kv, &stats);
        if (looks) look_ms = now_ms + RT_ENGINE_LOOK_MS;
        pthread_mutex_lock(&e->lock);
        if (looks) e->stats = stats;
        rt_ring_push(&e->done, job);
        uv_async_send(&e->async); /* under the lock: rt_engine_stop() closes it only after this */
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

static void on_async(uv_async_t *async)
{
    struct rt_engine *e = async->data;
    for (;;) {
        pthread_mutex_lock(&e->lock);
        struct kv_job *job = rt_ring_pop(&e->done);
        pthread_mutex_unlock(&e->lock);
        if (!job) return;
        e->away = false;
        e->completed(e->ctx, job);
    }
}

int rt_engine_init(struct rt_engine *e, uv_loop_t *loop, bool threaded,
                   void (*completed)(void *ctx, struct kv_job *job), void *ctx)
{
    *e = (struct rt_engine){ .threaded = threaded, .completed = completed, .ctx = ctx };
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->wake, NULL);
    if (uv_async_init(loop, &e->async, on_async) != 0) return MS_ENOMEM;
    e->async.data = e;
    return 0;
}

/* Give the job to the thread, which is started with the first one. False: it cannot be. */
static bool hand_over(struct rt_engine *e, struct kv_job *job)
{
    pthread_mutex_lock(&e->lock);
    MS_ASSERT(!e->stopping);
    if (!e->started &&
        rt_thread_start(&e->thread, "ms-engine", RT_LOOP_STACK_BYTES, engine_main, e) == 0)
        e->started = true;
    if (e->started) {
        rt_ring_push(&e->queue, job);
        pthread_cond_signal(&e->wake);
    }
    pthread_mutex_unlock(&e->lock);
    return e->started;
}

static void refuse(struct rt_engine *e, struct kv_job *job)
{
    job->status = MS_ENOMEM;
    pthread_mutex_lock(&e->lock);
    rt_ring_push(&e->done, job);
    uv_async_send(&e->async);
    pthread_mutex_unlock(&e->lock);
}

void rt_engine_submit(struct rt_engine *e, struct kv_job *job)
{
    if (!e->threaded) {
        rt_ring_push(&e->waiting, job);
    } else if (!hand_over(e, job)) {
        refuse(e, job);
    }
}

/* Whether the engine is the loop's to touch. */
static bool is_here(const struct rt_engine *e)
{
    return !e->threaded && !e->away;
}

void rt_engine_stats(struct rt_engine *e, struct engine_stats *out)
{
    pthread_mutex_lock(&e->lock);
    if (is_here(e)) kv_engine_stats(e->kv, &e->stats);
    *out = e->stats;
    pthread_mutex_unlock(&e->lock);
}

bool rt_engine_run(struct rt_engine *e)
{
    if (!rt_engine_can_run(e)) return false;
    struct kv_job *job = rt_ring_pop(&e->waiting);
    e->away = kv_job_is_long(e->kv, job) && hand_over(e, job);
    if (e->away) return false;
    kv_run(e->kv, job);
    e->completed(e->ctx, job);
    return true;
}

bool rt_engine_can_run(const struct rt_engine *e)
{
    return is_here(e) && !rt_ring_is_empty(&e->waiting);
}

void rt_engine_stop(struct rt_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    if (e->started) pthread_join(e->thread, NULL);
    uv_close((uv_handle_t *)&e->async, NULL);
}

void rt_engine_fini(struct rt_engine *e)
{
    rt_ring_fini(&e->waiting);
    rt_ring_fini(&e->queue);
    rt_ring_fini(&e->done);
    pthread_cond_destroy(&e->wake);
    pthread_mutex_destroy(&e->lock);
}
