/* rt_engine.h: where the state machine runs (DESIGN 2.4): kv_run() on the loop for the memory engine,
 * on a thread of its own for RocksDB, whose reads and flushes may wait for the disk. Jobs in order, one
 * at a time.
 *
 * What may be long (kv_job_is_long()) runs on the thread whatever the engine: it cannot be done in parts, and
 * the loop has heartbeats to send meanwhile. While it is away the jobs behind it wait. */
#ifndef RT_RT_ENGINE_H
#define RT_RT_ENGINE_H

#include <pthread.h>
#include <uv.h>

#include "kv/kv.h"
#include "rt/rt_ring.h"

struct rt_engine {
    struct kv *kv;          /* borrowed */
    bool threaded;          /* all jobs run on the thread */
    bool away;              /* not threaded: the thread has a job. The loop's, as is waiting */
    struct rt_ring waiting; /* not threaded: in order, the one that is away apart */
    bool started, stopping;
    pthread_mutex_t lock; /* of all below, and of stopping */
    pthread_cond_t wake;
    pthread_t thread;
    uv_async_t async;
    struct rt_ring queue, done;
    struct engine_stats stats;                        /* when it was looked at last */
    void (*completed)(void *ctx, struct kv_job *job); /* on the loop thread */
    void *ctx;
};

int rt_engine_init(struct rt_engine *e, uv_loop_t *loop, bool threaded,
                   void (*completed)(void *ctx, struct kv_job *job), void *ctx);
/* Loop thread. Never runs the job inside this call. */
void rt_engine_submit(struct rt_engine *e, struct kv_job *job);
/* What the engine needs: while the thread has it, it is looked at again with a job that ends
 * RT_ENGINE_LOOK_MS after the last look. Loop thread. */
#define RT_ENGINE_LOOK_MS 2000u
void rt_engine_stats(struct rt_engine *e, struct engine_stats *out);
/* Not threaded: run the next job and report it. False: none is left for the loop to run now, as there is none,
 * or the thread has one, perhaps since this call. */
bool rt_engine_run(struct rt_engine *e);
bool rt_engine_can_run(const struct rt_engine *e); /* is there one to run, or to give to the thread? */
/* Waits for the job that runs, forgets the others; no completion comes after this. The loop has to turn
 * once more before rt_engine_fini(). */
void rt_engine_stop(struct rt_engine *e);
void rt_engine_fini(struct rt_engine *e);

#endif
