/* node_lease_calls.c: what clients ask about leases.
 *
 * Renewals that come in one turn are one entry, with the ids side by side; each client is answered when it
 * is applied here. How much time is left then is told by what the entry may have cost on its way (TL1). */
#include "node/node_private.h"

#define RENEWALS_AT_FIRST 16u

/* One wish to renew. */
struct node_renewal {
    uint64_t token, id;
};

/* Those of one entry, in its order. */
struct node_renewals {
    uint32_t count, capacity;
    uint64_t accepted_ms;
    struct node_renewal items[];
};

void node_renewals_free(struct node *n, struct node_renewals *r)
{
    ms_free(n->alloc, r);
}

/* Whole seconds that are left of ttl_ms when it is answered now; 0: too few to be worth a word. Any member may
 * have applied it right after it was accepted. */
static uint64_t seconds_left(const struct node *n, uint64_t ttl_ms, uint64_t accepted_ms)
{
    uint64_t took = n->now_ms - accepted_ms, free_ms = NODE_LEASE_GRACE_MS / 2;
    uint64_t late = took > free_ms ? took - free_ms : 0;
    return ttl_ms > late ? (ttl_ms - late) / 1000u : 0;
}

void node_lease_answer_time(const struct node *n, uint64_t ttl_ms, uint64_t accepted_ms,
                            struct node_answer *a)
{
    a->ttl_s = seconds_left(n, ttl_ms, accepted_ms);
    if (a->ttl_s > 0 || ttl_ms < 1000) return;
    a->status = MS_EUNKNOWN;
    a->text = "it took so long that the lease may be about to expire";
}

static uint64_t ttl_least_s(const struct node *n)
{
    return (3u * (uint64_t)n->opts.raft.election_ms_min / 2u + 999u) / 1000u;
}

int node_lease_grant(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id, uint64_t ttl_s,
                     struct bytes command)
{
    struct entry_lease_grant g = { .id = id, .command = command };
    struct buf *body = &n->leases.grant;
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (id > MS_LEASE_ID_MAX || ttl_s > MS_LEASE_TTL_S_MAX) return MS_EINVAL;
    if (command.len > n->opts.request_bytes_max) return MS_ETOOBIG;
    g.ttl_ms = 1000u * ms_time_max(ttl_s, ttl_least_s(n));
    buf_clear(body);
    entry_lease_grant_encode(body, &g);
    if (body->failed)
        rv = MS_ENOMEM;
    else if (command.len > 0)
        rv = node_propose_asking(n, token, ENTRY_LEASE_GRANT, buf_bytes(body));
    else
        rv = node_propose(n, token, ENTRY_LEASE_GRANT, buf_bytes(body));
    if (body->cap > NODE_LEASE_BODY_KEPT_BYTES) buf_fini(body);
    return rv;
}

int node_lease_revoke(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id)
{
    struct entry_lease_revoke v = { .id = id };
    struct buf *body = &n->leases.body;
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (id == 0 || id > MS_LEASE_ID_MAX) return MS_EINVAL;
    buf_clear(body);
    entry_lease_revoke_encode(body, &v);
    return body->failed ? MS_ENOMEM : node_propose(n, token, ENTRY_LEASE_REVOKE, buf_bytes(body));
}

/* --- keep-alives --- */

static struct node_renewals *with_room(struct node *n, struct node_renewals *r)
{
    if (r && r->count < r->capacity) return r;
    uint32_t capacity = r ? 2 * r->capacity : RENEWALS_AT_FIRST;
    struct node_renewals *larger = ms_resize(n->alloc, r, sizeof *r + capacity * sizeof r->items[0]);
    if (!larger) return NULL;
    if (!r) *larger = (struct node_renewals){ .accepted_ms = n->now_ms };
    larger->capacity = capacity;
    return larger;
}

/* 0: they are on their way. Else they still wait. */
static int propose_renewals(struct node *n)
{
    struct node_leases *ls = &n->leases;
    struct node_renewals *r = ls->renewals;
    buf_clear(&ls->body);
    for (uint32_t i = 0; i < r->count; i++) buf_append_u64(&ls->body, r->items[i].id);
    int rv = ls->body.failed ? MS_ENOMEM : node_propose_renewals(n, r, buf_bytes(&ls->body));
    if (rv == 0) ls->renewals = NULL;
    return rv;
}

int node_lease_keep_alive(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id)
{
    struct node_leases *ls = &n->leases;
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (id == 0 || id > MS_LEASE_ID_MAX) return MS_EINVAL;
    if (ls->renewal_count >= n->opts.requests_max) return MS_EBUSY;
    if (ls->renewals && ls->renewals->count == MS_LEASE_BATCH_MAX) rv = propose_renewals(n);
    if (rv < 0) return rv;
    struct node_renewals *r = with_room(n, ls->renewals);
    if (!r) return MS_ENOMEM;
    ls->renewals = r;
    r->items[r->count++] = (struct node_renewal){ .token = token, .id = id };
    ls->renewal_count++;
    return 0;
}

/* All that came in this turn becomes one proposal. */
void node_renewals_pump(struct node *n)
{
    struct node_renewals *r = n->leases.renewals;
    int rv = r ? propose_renewals(n) : 0;
    if (rv == 0) return;
    n->leases.renewals = NULL;
    node_renewals_answer(n, r, &(struct node_answer){ .status = rv }, bytes_of(NULL, 0));
}

/* events: of its entry; there is one for each, in their order, if it was applied. */
void node_renewals_answer(struct node *n, struct node_renewals *r, const struct node_answer *answer,
                          struct bytes events)
{
    if (answer->status == 0) MS_ASSERT(events.len == r->count * sizeof(struct kv_lease_event));
    for (uint32_t i = 0; i < r->count; i++) {
        struct node_answer a = *answer;
        struct kv_lease_event e;
        a.token = r->items[i].token;
        if (a.status == 0) {
            memcpy(&e, events.data + i * sizeof e, sizeof e);
            MS_ASSERT(e.id == r->items[i].id);
            a.lease = e.id;
            if (e.kind == KV_LEASE_UNKNOWN)
                a.status = MS_ENOLEASE;
            else
                node_lease_answer_time(n, e.ms, r->accepted_ms, &a);
        }
        n->leases.renewal_count--;
        n->host.answer(n->host.ctx, &a);
    }
    node_renewals_free(n, r);
}

/* --- reads --- */

int node_lease_get(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id, size_t keys_bytes)
{
    struct node_read_wish wish = { .kind = KV_JOB_LEASE, .lease = id, .limit = keys_bytes };
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (id == 0 || id > MS_LEASE_ID_MAX || keys_bytes > NODE_LEASE_KEYS_BYTES_MAX) return MS_EINVAL;
    return node_read_begin_wish(n, token, &wish);
}

int node_leases_get(struct node *n, uint64_t now_ms, uint64_t token, uint64_t after, uint32_t limit)
{
    struct node_read_wish wish = { .kind = KV_JOB_LEASES, .lease = after, .limit = limit };
    int rv = node_accept(n, now_ms);
    if (rv < 0) return rv;
    if (after > MS_LEASE_ID_MAX || limit == 0 || limit > NODE_LEASES_LISTED_MAX) return MS_EINVAL;
    return node_read_begin_wish(n, token, &wish);
}

/* What a job has read of leases, with the time that is left now by this member's clock. */
void node_lease_read_done(struct node *n, struct kv_job *job, struct node_answer *a)
{
    a->last = job->last;
    if (job->kind == KV_JOB_LEASE) {
        a->the_lease = job->the_lease;
        a->the_lease.remaining_ms = node_lease_remaining_ms(n, &job->the_lease);
        return;
    }
    for (size_t at = 0; at < job->value.len; at += sizeof(struct kv_lease)) {
        struct kv_lease l;
        memcpy(&l, job->value.data + at, sizeof l);
        l.remaining_ms = node_lease_remaining_ms(n, &l);
        memcpy(job->value.data + at, &l, sizeof l);
    }
}
