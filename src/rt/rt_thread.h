/* rt_thread.h: threads of the runtime.
 *
 * All of them block all signals: a host process keeps its signals for threads of its own, and a write
 * to a closed socket (libuv 1.44 writes without MSG_NOSIGNAL) ends as EPIPE, not as SIGPIPE. */
#ifndef RT_RT_THREAD_H
#define RT_RT_THREAD_H

#include <pthread.h>
#include <stddef.h>

#define RT_WORKER_STACK_BYTES (256u << 10)
#define RT_LOOP_STACK_BYTES (1u << 20) /* also the engine's: RocksDB opens and flushes on it */

/* Start fn(arg) with a stack of its own size. name: at most 15 bytes, for ps and debuggers.
 * MS_ENOMEM: the system gives no thread. */
int rt_thread_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*fn)(void *),
                    void *arg);
/* As rt_thread_start; nobody joins it. */
int rt_thread_detach(const char *name, size_t stack_bytes, void *(*fn)(void *), void *arg);

#endif
