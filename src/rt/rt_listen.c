/* rt_listen.c: which addresses a member serves.
 *
 * Without --listen: the loopback, and the host of the own peer URL, nowhere else (SPEC 2). A host that
 * is a name may have several addresses: all that this machine has are bound. */
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_private.h"

#define ADDRS_MAX (RT_ENDPOINTS_MAX * RT_ADDRS_MAX)

struct bind_list {
    union rt_addr addrs[ADDRS_MAX];
    bool optional[ADDRS_MAX]; /* one of several of its name: may be absent on this machine */
    uint32_t count;
};

static bool is_wildcard(const union rt_addr *a)
{
    static const struct in6_addr any6 = IN6ADDR_ANY_INIT;
    if (a->any.sa_family == AF_INET) return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return memcmp(&a->v6.sin6_addr, &any6, sizeof any6) == 0;
}

/* The wildcard of IPv6 takes IPv4 too. Binding what it covers beside it would fail. */
static bool covers(const union rt_addr *a, const union rt_addr *b)
{
    if (rt_addr_equal(a, b)) return true;
    if (!is_wildcard(a) || a->v4.sin_port != b->v4.sin_port)
        return false; /* the port lies alike in v6 */
    return a->any.sa_family == AF_INET6 || b->any.sa_family == AF_INET;
}

static void bind_list_add(struct bind_list *l, const union rt_addr *addr, bool optional)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        if (covers(&l->addrs[i], addr)) return;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        if (covers(addr, &l->addrs[i])) continue;
        l->addrs[kept] = l->addrs[i];
        l->optional[kept++] = l->optional[i];
    }
    l->addrs[kept] = *addr;
    l->optional[kept] = optional;
    l->count = kept + 1;
}

static int bind_list_resolve(struct ms_member *m, struct bind_list *l, const struct rt_endpoint *at,
                             bool optional)
{
    struct rt_addrs found;
    char reason[128];
    int rv = rt_resolve_now(at->host, at->port, &found, reason, sizeof reason);
    if (rv < 0) {
        snprintf(m->why, MS_WHY_BYTES, "cannot listen on %s: %s", at->host, reason);
        return rv;
    }
    for (uint32_t i = 0; i < found.count && l->count < ADDRS_MAX; i++)
        bind_list_add(l, &found.list[i], optional || found.count > 1);
    return 0;
}

static void serving_add(struct ms_member *m, const char *format, const char *text)
{
    size_t len = strlen(m->serving);
    snprintf(m->serving + len, sizeof m->serving - len, format, text);
}

static int bind_list_listen(struct ms_member *m, const struct bind_list *l, enum member_listener tag)
{
    uint32_t bound = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        char text[RT_ADDR_TEXT_BYTES];
        int rv = rt_net_listen(&m->net, &l->addrs[i], tag, m->why, MS_WHY_BYTES);
        if (rv == MS_ENOTFOUND && l->optional[i]) {
            log_line(&m->log.sink, LOG_WARN, "%s; going on without it", m->why);
            continue;
        }
        if (rv < 0) return rv == MS_ENOTFOUND ? MS_EADDR : rv;
        rt_addr_text(&l->addrs[i], text);
        serving_add(m, bound++ ? ", %s" : " %s", text);
    }
    return bound > 0 ? 0 : MS_EADDR;
}

static int listen_api(struct ms_member *m)
{
    const struct rt_setup *s = &m->setup;
    struct rt_endpoint own = s->own, loopback = { .host = "127.0.0.1", .port = s->options.http_port };
    struct bind_list list = { 0 };
    int rv = 0;
    for (uint32_t i = 0; rv == 0 && i < s->api_count; i++)
        rv = bind_list_resolve(m, &list, &s->api[i], false);
    if (s->api_count == 0) {
        /* With an address for peers of its own, the URL's host may be a gateway's and not ours. */
        own.port = s->options.http_port;
        rv = bind_list_resolve(m, &list, &loopback, false);
        if (rv == 0) rv = bind_list_resolve(m, &list, &own, s->options.listen_peer != NULL);
    }
    if (rv < 0) return rv;
    serving_add(m, "%s", "clients on");
    return bind_list_listen(m, &list, MEMBER_LISTENER_CLIENT);
}

int rt_listen(struct ms_member *m)
{
    struct bind_list peers = { 0 };
    int rv = m->setup.options.http ? listen_api(m) : 0;
    if (rv == 0) rv = bind_list_resolve(m, &peers, &m->setup.peer, false);
    if (rv < 0) return rv;
    serving_add(m, "%s", m->setup.options.http ? ", peers on" : "peers on");
    return bind_list_listen(m, &peers, MEMBER_LISTENER_PEER);
}

void rt_listen_announce(struct ms_member *m)
{
    const struct ms_options *o = &m->setup.options;
    log_line(&m->log.sink, LOG_INFO, "member %llu (%s) serves %s; data in %s",
             (unsigned long long)o->id, o->storage == MS_STORAGE_ROCKSDB ? "rocksdb" : "memory",
             m->serving, m->dirs.home);
}
