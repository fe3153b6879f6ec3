#ifdef __linux__
#define _GNU_SOURCE /* pthread_setname_np() */
#endif
#include "rt/rt_thread.h"

#include <signal.h>
#include <stdbool.h>

#include "base/ms_err.h"

/* Sanitizers put guards around every local: their frames need several times the room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_FACTOR 8
#else
#define STACK_FACTOR 1
#endif

/* The mask is inherited, so it is set around the creation: no signal can slip in between. */
static int create_masked(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rv = pthread_create(out, attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv == 0 ? 0 : MS_ENOMEM;
}

static int start(pthread_t *out, const char *name, size_t stack_bytes, bool detached,
                 void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) return MS_ENOMEM;
    pthread_attr_setstacksize(&attr, stack_bytes * STACK_FACTOR);
    if (detached) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int rv = create_masked(out, &attr, fn, arg);
    pthread_attr_destroy(&attr);
#ifdef __linux__
    if (rv == 0 && !detached) pthread_setname_np(*out, name);
#else
    (void)name;
#endif
    return rv;
}

int rt_thread_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*fn)(void *),
                    void *arg)
{
    return start(out, name, stack_bytes, false, fn, arg);
}

int rt_thread_detach(const char *name, size_t stack_bytes, void *(*fn)(void *), void *arg)
{
    pthread_t ignored;
    return start(&ignored, name, stack_bytes, true, fn, arg);
}
