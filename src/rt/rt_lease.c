/* rt_lease.c: leases for the library's callers. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/ms_err.h"
#include "rt/rt_private.h"

static_assert(MS_LEASE_MAX_ID == MS_LEASE_ID_MAX, "one bound for ids");

/* The keys of an answer, in one block: the list of them, then their bytes. */
static int take_keys(struct ms_lease *l, struct bytes value)
{
    struct bytes_reader keys = bytes_reader_of(value);
    struct bytes key;
    uint32_t len;
    size_t count = 0, at = 0;
    while (bytes_read_u32(&keys, &len) && bytes_read_span(&keys, len, &key)) count++;
    if (count == 0) return 0;
    l->keys = malloc(count * sizeof *l->keys + value.len);
    if (!l->keys) return MS_ENOMEM;
    uint8_t *bytes = (uint8_t *)(l->keys + count);
    keys = bytes_reader_of(value);
    while (bytes_read_u32(&keys, &len) && bytes_read_span(&keys, len, &key)) {
        memcpy(bytes + at, key.data, key.len);
        l->keys[l->key_total++] = (struct ms_bytes){ .data = bytes + at, .len = key.len };
        at += key.len;
    }
    return 0;
}

int rt_lease_take(struct rt_request *r, const struct node_answer *answer)
{
    struct ms_lease *l = &r->lease;
    *l = (struct ms_lease){ .id = answer->lease, .ttl = answer->ttl_s };
    if (r->kind != RT_REQUEST_LEASE_GET) return 0;
    l->id = answer->the_lease.id;
    l->ttl = answer->the_lease.remaining_ms / 1000u;
    l->granted_ttl = answer->the_lease.ttl_ms / 1000u;
    l->key_count = answer->the_lease.key_count;
    return take_keys(l, answer->value);
}

void ms_lease_free(struct ms_lease *lease)
{
    free(lease->keys);
    lease->keys = NULL;
    lease->key_total = 0;
}

static int create(enum rt_request_kind kind, uint64_t id, uint64_t ttl, struct rt_request **out)
{
    bool grants = kind == RT_REQUEST_LEASE_GRANT;
    if (id > MS_LEASE_ID_MAX || (id == 0 && !grants)) return MS_EINVAL;
    if (grants && (ttl == 0 || ttl > MS_LEASE_TTL_S_MAX)) return MS_EINVAL;
    *out = rt_request_create(kind);
    if (!*out) return MS_ENOMEM;
    (*out)->lease = (struct ms_lease){ .id = id, .granted_ttl = ttl };
    return 0;
}

static int start(struct ms_member *m, enum rt_request_kind kind, uint64_t id, uint64_t ttl,
                 ms_lease_cb cb, void *arg)
{
    struct rt_request *r;
    int rv = create(kind, id, ttl, &r);
    if (rv < 0) return rv;
    r->lease_cb = cb;
    r->arg = arg;
    return rt_request_submit(m, r);
}

/* out NULL: nobody wants to know. */
static int wait(struct ms_member *m, enum rt_request_kind kind, uint64_t id, uint64_t ttl,
                struct ms_lease *out)
{
    struct rt_request *r;
    if (out) *out = (struct ms_lease){ 0 };
    int rv = create(kind, id, ttl, &r);
    if (rv == 0) rv = rt_request_wait(m, r);
    if (rv < 0) return rv;
    rv = r->status;
    if (rv == 0 && out) {
        *out = r->lease;
        r->lease.keys = NULL; /* the caller's, for ms_lease_free() */
    }
    rt_request_free(r);
    return rv;
}

int ms_lease_grant(struct ms_member *member, uint64_t id, uint64_t ttl, ms_lease_cb cb, void *arg)
{
    return start(member, RT_REQUEST_LEASE_GRANT, id, ttl, cb, arg);
}

int ms_lease_grant_wait(struct ms_member *member, uint64_t id, uint64_t ttl, struct ms_lease *out)
{
    return wait(member, RT_REQUEST_LEASE_GRANT, id, ttl, out);
}

int ms_lease_keep_alive(struct ms_member *member, uint64_t id, ms_lease_cb cb, void *arg)
{
    return start(member, RT_REQUEST_LEASE_KEEP_ALIVE, id, 0, cb, arg);
}

int ms_lease_keep_alive_wait(struct ms_member *member, uint64_t id, struct ms_lease *out)
{
    return wait(member, RT_REQUEST_LEASE_KEEP_ALIVE, id, 0, out);
}

int ms_lease_time_to_live(struct ms_member *member, uint64_t id, ms_lease_cb cb, void *arg)
{
    return start(member, RT_REQUEST_LEASE_GET, id, 0, cb, arg);
}

int ms_lease_time_to_live_wait(struct ms_member *member, uint64_t id, struct ms_lease *out)
{
    return wait(member, RT_REQUEST_LEASE_GET, id, 0, out);
}

int ms_lease_revoke(struct ms_member *member, uint64_t id, ms_done_cb cb, void *arg)
{
    struct rt_request *r;
    int rv = create(RT_REQUEST_LEASE_REVOKE, id, 0, &r);
    if (rv < 0) return rv;
    r->done_cb = cb;
    r->arg = arg;
    return rt_request_submit(member, r);
}

int ms_lease_revoke_wait(struct ms_member *member, uint64_t id)
{
    return wait(member, RT_REQUEST_LEASE_REVOKE, id, 0, NULL);
}
