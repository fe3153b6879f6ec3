/* rt_resolve.h: host names to addresses, off the loop.
 *
 * getaddrinfo() may block for as long as name servers are silent, and cannot be cancelled; closing a
 * member must not wait for it. So each look-up has a detached thread of its own, which shares nothing
 * with the member but a small counted block, and finds out there whether anybody still listens.
 * (libuv's pool would have to be waited for, and is shared by the whole process.) */
#ifndef RT_RT_RESOLVE_H
#define RT_RT_RESOLVE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define RT_ADDRS_MAX 8u
#define RT_RESOLVES_MAX 64u /* look-ups under way */
#define RT_HOST_BYTES_MAX 256u

union rt_addr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct rt_addrs {
    uint32_t count;
    union rt_addr list[RT_ADDRS_MAX];
};

struct rt_resolve_shared;
struct rt_resolver {
    uv_async_t async;
    struct rt_resolve_shared *shared;
    /* tag: as given. status 0 and addresses, or MS_EADDR. On the loop thread. */
    void (*resolved)(void *ctx, uint64_t tag, int status, const struct rt_addrs *addrs);
    void *ctx;
};

/* Is host an address (v4, v6 without brackets, with an optional %scope)? Then *out. */
bool rt_addr_parse(const char *host, uint16_t port, union rt_addr *out);
/* "1.2.3.4:5" or "[::1]:5". */
#define RT_ADDR_TEXT_BYTES 80
void rt_addr_text(const union rt_addr *addr, char out[RT_ADDR_TEXT_BYTES]);
bool rt_addr_equal(const union rt_addr *a, const union rt_addr *b);
/* Blocks. MS_EADDR: no such name; why, at least 128 bytes, says what the system says. */
int rt_resolve_now(const char *host, uint16_t port, struct rt_addrs *out, char *why, size_t why_cap);

/* ctx: as for resolved. MS_ENOMEM. */
int rt_resolver_init(struct rt_resolver *r, uv_loop_t *loop,
                     void (*resolved)(void *ctx, uint64_t tag, int status,
                                      const struct rt_addrs *addrs),
                     void *ctx);
/* MS_EBUSY: too many under way; MS_ENOMEM. */
int rt_resolve_start(struct rt_resolver *r, const char *host, uint16_t port, uint64_t tag);
/* Nothing is reported from here on. The loop has to turn once more before r may go. */
void rt_resolver_stop(struct rt_resolver *r);

#endif
