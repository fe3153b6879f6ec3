#include "rt/rt_resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_thread.h"

/* ---- addresses ---- */

bool rt_addr_parse(const char *host, uint16_t port, union rt_addr *out)
{
    memset(out, 0, sizeof *out);
    return uv_ip4_addr(host, port, &out->v4) == 0 || uv_ip6_addr(host, port, &out->v6) == 0;
}

void rt_addr_text(const union rt_addr *addr, char out[RT_ADDR_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (addr->any.sa_family == AF_INET6) {
        uv_ip6_name(&addr->v6, host, sizeof host);
        snprintf(out, RT_ADDR_TEXT_BYTES, "[%s]:%u", host, ntohs(addr->v6.sin6_port));
    } else {
        uv_ip4_name(&addr->v4, host, sizeof host);
        snprintf(out, RT_ADDR_TEXT_BYTES, "%s:%u", host, ntohs(addr->v4.sin_port));
    }
}

bool rt_addr_equal(const union rt_addr *a, const union rt_addr *b)
{
    if (a->any.sa_family != b->any.sa_family) return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
           memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

static void addrs_take(struct rt_addrs *out, const struct addrinfo *info)
{
    out->count = 0;
    for (; info && out->count < RT_ADDRS_MAX; info = info->ai_next) {
        union rt_addr addr = { 0 };
        if (info->ai_addrlen > sizeof addr) continue;
        memcpy(&addr, info->ai_addr, info->ai_addrlen);
        out->list[out->count++] = addr;
    }
}

int rt_resolve_now(const char *host, uint16_t port, struct rt_addrs *out, char *why, size_t why_cap)
{
    struct addrinfo *info = NULL, hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    char service[8];
    if (rt_addr_parse(host, port, &out->list[0])) {
        out->count = 1;
        return 0;
    }
    snprintf(service, sizeof service, "%u", port);
    int rv = getaddrinfo(host, service, &hints, &info);
    if (rv != 0) {
        snprintf(why, why_cap, "%s", gai_strerror(rv));
        return MS_EADDR;
    }
    addrs_take(out, info);
    freeaddrinfo(info);
    if (out->count == 0) snprintf(why, why_cap, "no address of a known family");
    return out->count > 0 ? 0 : MS_EADDR;
}

/* ---- look-ups in the background ---- */

struct rt_resolve {
    struct rt_resolve_shared *shared;
    struct rt_resolve *next;
    char host[RT_HOST_BYTES_MAX];
    uint16_t port;
    uint64_t tag;
    int status;
    struct rt_addrs addrs;
};

struct rt_resolve_shared {
    pthread_mutex_t lock;
    uint32_t refs;                /* the resolver's and one a look-up */
    struct rt_resolver *resolver; /* NULL: it has stopped */
    struct rt_resolve *done;
    uint32_t under_way;
};

/* The lock is held; it is given up here, and with the last reference the block goes. */
static void shared_release(struct rt_resolve_shared *s)
{
    bool last = --s->refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last) return;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void *resolve_main(void *arg)
{
    struct rt_resolve *q = arg;
    struct rt_resolve_shared *s = q->shared;
    char why[128];
    q->status = rt_resolve_now(q->host, q->port, &q->addrs, why, sizeof why);
    pthread_mutex_lock(&s->lock);
    if (s->resolver) {
        q->next = s->done;
        s->done = q;
        uv_async_send(&s->resolver->async);
    } else {
        free(q);
    }
    shared_release(s);
    return NULL;
}

static void on_async(uv_async_t *async)
{
    struct rt_resolver *r = async->data;
    for (;;) {
        pthread_mutex_lock(&r->shared->lock);
        struct rt_resolve *q = r->shared->done;
        if (q) {
            r->shared->done = q->next;
            r->shared->under_way--;
        }
        pthread_mutex_unlock(&r->shared->lock);
        if (!q) return;
        r->resolved(r->ctx, q->tag, q->status, &q->addrs);
        free(q);
    }
}

int rt_resolver_init(struct rt_resolver *r, uv_loop_t *loop,
                     void (*resolved)(void *ctx, uint64_t tag, int status,
                                      const struct rt_addrs *addrs),
                     void *ctx)
{
    *r = (struct rt_resolver){ .resolved = resolved, .ctx = ctx };
    r->shared = calloc(1, sizeof *r->shared);
    if (!r->shared) return MS_ENOMEM;
    if (uv_async_init(loop, &r->async, on_async) != 0) {
        free(r->shared);
        return MS_ENOMEM;
    }
    r->async.data = r;
    pthread_mutex_init(&r->shared->lock, NULL);
    r->shared->refs = 1;
    r->shared->resolver = r;
    return 0;
}

int rt_resolve_start(struct rt_resolver *r, const char *host, uint16_t port, uint64_t tag)
{
    struct rt_resolve_shared *s = r->shared;
    struct rt_resolve *q = calloc(1, sizeof *q);
    if (!q) return MS_ENOMEM;
    *q = (struct rt_resolve){ .shared = s, .port = port, .tag = tag };
    snprintf(q->host, sizeof q->host, "%s", host);
    pthread_mutex_lock(&s->lock);
    int rv = s->under_way < RT_RESOLVES_MAX ? 0 : MS_EBUSY;
    if (rv == 0) rv = rt_thread_detach("ms-resolve", RT_WORKER_STACK_BYTES, resolve_main, q);
    if (rv == 0) {
        s->under_way++;
        s->refs++;
    }
    pthread_mutex_unlock(&s->lock);
    if (rv < 0) free(q);
    return rv;
}

void rt_resolver_stop(struct rt_resolver *r)
{
    struct rt_resolve_shared *s = r->shared;
    pthread_mutex_lock(&s->lock);
    s->resolver = NULL;
    while (s->done) {
        struct rt_resolve *next = s->done->next;
        free(s->done);
        s->done = next;
    }
    shared_release(s);
    uv_close((uv_handle_t *)&r->async, NULL);
}
