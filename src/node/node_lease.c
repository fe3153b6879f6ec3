/* node_lease.c: time for leases.
 *
 * Each member times each lease from when it applied its grant, its last renewal, or what a leader has
 * written down of it. Only the leader acts on it, by entries: an expiry is fenced by its term and by the
 * last renewal it knows, so a renewal that stands before it in the log wins.
 *
 *   TL1  no member takes a lease for expired before NODE_LEASE_GRACE_MS and its time, stretched by the
 *        bound for clocks, have passed since it applied the renewal. A renewal is acknowledged at most half
 *        the grace after it was accepted, or with as much less time (node_lease_calls.c); and it was accepted
 *        before any member applied it. So as long as no clock runs faster than true time by more than
 *        1 / NODE_LEASE_RATE, no key dies less than the time acknowledged after the acknowledgement, whoever
 *        leads. The other half is for what a turn takes
 *   TL2  a new leader goes on from what it has timed itself. What a restart, or a state installed, makes of
 *        a lease's time is what was written down last: at most mark_after_ms() more than was left
 *   TL3  the table holds what the state holds, once the scan is through */
#include "node/node_private.h"

#define SCAN_LEASES_MAX 1024u /* read by one job */
#define REVOKES_MAX 256u      /* proposed before the ones before are applied */
#define MARKS_MAX 1024u       /* likewise */
static_assert(MARKS_MAX <= MS_LEASE_BATCH_MAX, "they fit one entry");

/* How long to wait, by this clock, for ms to have passed by any that keeps to the bound. */
static uint64_t stretched(uint64_t ms)
{
    return ms + ms / NODE_LEASE_RATE + 1;
}

/* What is left of a lease, of which so much is to be waited yet: the other way round, and never less. */
static uint64_t unstretched(uint64_t ms)
{
    return ms - ms / (NODE_LEASE_RATE + 1);
}

static uint64_t deadline_of(const struct node *n, uint64_t ms)
{
    return n->now_ms + stretched(ms) + NODE_LEASE_GRACE_MS;
}

/* What remains is written down when so much has gone since: leases that are renewed in time never are, and
 * long ones every five minutes. It is what a restart may give back. */
static uint64_t mark_after_ms(uint64_t ttl_ms)
{
    uint64_t ms = ttl_ms / 64 > 300000 ? ttl_ms / 64 : 300000;
    if (ms > ttl_ms / 2) ms = ttl_ms / 2;
    return ms > 5000 ? ms : 5000;
}

static uint64_t remaining_at(const struct node *n, const struct node_lease *l)
{
    uint64_t end = l->deadline_ms - NODE_LEASE_GRACE_MS;
    uint64_t left = end > n->now_ms ? unstretched(end - n->now_ms) : 0;
    return left < l->ttl_ms ? left : l->ttl_ms;
}

/* Timed anew from now: it has so much left. */
static void time_anew(struct node *n, struct node_lease *l, uint64_t left_ms)
{
    l->deadline_ms = deadline_of(n, left_ms);
    l->mark_ms = n->now_ms + mark_after_ms(l->ttl_ms);
    node_lease_set_due(&n->leases.table, l, ms_time_min(l->deadline_ms, l->mark_ms));
}

static void add(struct node *n, const struct kv_lease *lease)
{
    struct node_lease *l = node_lease_add(&n->leases.table, lease->id, MS_TIME_NEVER);
    if (!l) {
        node_fail(n, MS_EFATAL, "no memory to time a lease");
        return;
    }
    l->ttl_ms = lease->ttl_ms;
    l->renewed_index = lease->renewed_index;
    time_anew(n, l, lease->remaining_ms);
}

static void renewed(struct node *n, const struct kv_lease_event *e)
{
    struct node_lease *l = node_lease_find(&n->leases.table, e->id);
    struct kv_lease lease = {
        .id = e->id, .ttl_ms = e->ms, .remaining_ms = e->ms, .renewed_index = e->index
    };
    if (!l) {
        add(n, &lease);
        return;
    }
    l->renewed_index = e->index;
    time_anew(n, l, e->ms);
}

/* A leader has said how much is left. Its own clock is as good as ours: the earlier end counts. */
static void marked(struct node *n, const struct kv_lease_event *e)
{
    struct node_lease *l = node_lease_find(&n->leases.table, e->id);
    if (!l) return; /* the scan will find it so */
    l->deadline_ms = ms_time_min(l->deadline_ms, deadline_of(n, e->ms));
    l->mark_ms = n->now_ms + mark_after_ms(l->ttl_ms);
    node_lease_set_due(&n->leases.table, l, ms_time_min(l->deadline_ms, l->mark_ms));
}

void node_lease_event(struct node *n, const struct kv_lease_event *e)
{
    struct node_lease *l;
    switch (e->kind) {
    case KV_LEASE_GRANTED:
    case KV_LEASE_RENEWED: renewed(n, e); break;
    case KV_LEASE_MARKED: marked(n, e); break;
    case KV_LEASE_UNKNOWN: break;
    case KV_LEASE_REVOKED:
        l = node_lease_find(&n->leases.table, e->id);
        if (l) node_lease_remove(&n->leases.table, l);
        break;
    }
}

uint64_t node_lease_remaining_ms(const struct node *n, const struct kv_lease *lease)
{
    const struct node_lease *l = node_lease_find(&n->leases.table, lease->id);
    return l ? remaining_at(n, l) : lease->remaining_ms;
}

bool node_lease_time(const struct node *n, uint64_t id, uint64_t *deadline_ms, uint64_t *renewed_index)
{
    const struct node_lease *l = node_lease_find(&n->leases.table, id);
    if (!l) return false;
    *deadline_ms = l->deadline_ms;
    *renewed_index = l->renewed_index;
    return true;
}

/* --- the scan: what the state holds at the start, or after one was installed --- */

void node_leases_init(struct node *n)
{
    struct node_leases *ls = &n->leases;
    node_lease_table_init(&ls->table, n->alloc);
    buf_init(&ls->body, n->alloc, MS_LEASE_BATCH_MAX * 24u);
    buf_init(&ls->grant, n->alloc, MS_TXN_BYTES_MAX + 64u);
    buf_init(&ls->job.value, n->alloc, SCAN_LEASES_MAX * sizeof(struct kv_lease));
    ls->scanned = true;
}

void node_leases_fini(struct node *n)
{
    struct node_leases *ls = &n->leases;
    node_renewals_free(n, ls->renewals);
    node_lease_table_fini(&ls->table);
    buf_fini(&ls->body);
    buf_fini(&ls->grant);
    buf_fini(&ls->job.value);
}

void node_leases_replaced(struct node *n)
{
    struct node_leases *ls = &n->leases;
    node_lease_table_fini(&ls->table);
    ls->scanned = n->info.lease_count == 0;
    ls->scan_after = 0;
    ls->scan_again = ls->scanning; /* it may have read before */
}

static void scan_pump(struct node *n)
{
    struct node_leases *ls = &n->leases;
    if (ls->scanned || ls->scanning || ls->scan_ms > n->now_ms) return;
    struct buf value = ls->job.value;
    buf_clear(&value);
    ls->job = (struct kv_job){ .kind = KV_JOB_LEASES,
                               .owner = n,
                               .lease = ls->scan_after,
                               .limit = SCAN_LEASES_MAX,
                               .value = value };
    ls->scanning = true;
    n->host.submit_job(n->host.ctx, &ls->job);
}

/* Jobs end in the order in which they run: what is known already, an entry behind the start has brought. */
void node_lease_on_job(struct node *n)
{
    struct node_leases *ls = &n->leases;
    struct kv_lease lease;
    ls->scanning = false;
    if (ls->scan_again) {
        ls->scan_again = false;
        return;
    }
    if (ls->job.status == MS_ENOMEM) {
        ls->scan_ms = n->now_ms + n->opts.raft.heartbeat_ms;
        return;
    }
    if (ls->job.status < 0) {
        node_fail(n, ls->job.status <= MS_EFATAL ? ls->job.status : MS_EFATAL,
                  "leases could not be read");
        return;
    }
    for (size_t at = 0; at < ls->job.value.len && !n->failed; at += sizeof lease) {
        memcpy(&lease, ls->job.value.data + at, sizeof lease);
        if (!node_lease_find(&ls->table, lease.id)) add(n, &lease);
        ls->scan_after = lease.id;
    }
    ls->scanned = ls->job.last;
    if (ls->scanned) buf_fini(&ls->job.value);
}

/* --- what only a leader does --- */

static int propose_expiry(struct node *n, const struct node_lease *l)
{
    struct entry_lease_revoke v = {
        .id = l->id, .expired = true, .term = raft_term(n->raft), .renewed_index = l->renewed_index
    };
    struct buf *body = &n->leases.body;
    buf_clear(body);
    entry_lease_revoke_encode(body, &v);
    return body->failed ? MS_ENOMEM : node_propose_own(n, ENTRY_LEASE_REVOKE, buf_bytes(body));
}

static bool may_propose(const struct node *n)
{
    const struct node_leases *ls = &n->leases;
    if (!node_is_leader(n) || !node_has_committed(n) || n->failed) return false;
    return ls->asked_term != raft_term(n->raft) || ls->asked_index <= n->info.applied_index;
}

/* What is due of what has expired, up to REVOKES_MAX. 0, or why no more could be proposed. */
static int expire(struct node *n, uint32_t *proposed)
{
    struct node_leases *ls = &n->leases;
    struct node_lease *l;
    while (*proposed < REVOKES_MAX && (l = node_lease_first(&ls->table)) && l->due_ms <= n->now_ms) {
        if (l->deadline_ms > n->now_ms) return 0;
        int rv = propose_expiry(n, l);
        if (rv < 0) return rv;
        ++*proposed;
        /* If nothing comes of it, there was another leader in between. */
        node_lease_set_due(&ls->table, l, n->now_ms + n->opts.raft.election_ms_min);
    }
    return 0;
}

/* They were refused: all of them are due still. */
static void mark_later(struct node *n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct entry_lease_mark m = entry_lease_mark_at(buf_bytes(&n->leases.body), i);
        struct node_lease *l = node_lease_find(&n->leases.table, m.id);
        l->mark_ms = n->now_ms;
        node_lease_set_due(&n->leases.table, l, n->now_ms);
    }
}

/* One entry with what remains of those that are due for it. */
static int mark(struct node *n, uint32_t *proposed)
{
    struct node_leases *ls = &n->leases;
    struct node_lease *l;
    uint32_t count = 0;
    buf_clear(&ls->body);
    while (count < MARKS_MAX && (l = node_lease_first(&ls->table)) && l->due_ms <= n->now_ms) {
        if (l->deadline_ms <= n->now_ms) break;
        struct entry_lease_mark m = { .id = l->id,
                                      .renewed_index = l->renewed_index,
                                      .remaining_ms = remaining_at(n, l) };
        entry_lease_mark_encode(&ls->body, &m);
        if (ls->body.failed) break; /* it is due still */
        l->mark_ms = n->now_ms + mark_after_ms(l->ttl_ms);
        node_lease_set_due(&ls->table, l, ms_time_min(l->deadline_ms, l->mark_ms));
        count++;
    }
    if (count == 0 && !ls->body.failed) return 0;
    int rv = MS_ENOMEM;
    if (!ls->body.failed) rv = node_propose_own(n, ENTRY_LEASE_CHECKPOINT, buf_bytes(&ls->body));
    if (rv < 0)
        mark_later(n, count);
    else
        *proposed += count;
    return rv;
}

static void leader_pump(struct node *n)
{
    struct node_leases *ls = &n->leases;
    const struct node_lease *first = node_lease_first(&ls->table);
    uint32_t proposed = 0;
    int rv = 0;
    if (!first || first->due_ms > n->now_ms || ls->retry_ms > n->now_ms || !may_propose(n)) return;
    if (raft_lacks_room(n->raft) || node_space_is_closed(n)) rv = MS_ENOSPC;
    if (rv == 0) rv = mark(n, &proposed);
    if (rv == 0) rv = expire(n, &proposed);
    if (rv < 0) ls->retry_ms = n->now_ms + n->opts.raft.heartbeat_ms;
    if (proposed == 0) return;
    ls->asked_term = raft_term(n->raft);
    ls->asked_index = raft_last_index(n->raft);
}

void node_lease_pump(struct node *n)
{
    if (n->failed) return;
    scan_pump(n);
    node_renewals_pump(n);
    leader_pump(n);
}

uint64_t node_lease_deadline(const struct node *n)
{
    const struct node_leases *ls = &n->leases;
    const struct node_lease *first = node_lease_first(&ls->table);
    uint64_t scan_ms = ls->scanned || ls->scanning ? MS_TIME_NEVER : ls->scan_ms;
    if (!first || !may_propose(n)) return scan_ms; /* what it waits for else wakes the node by itself */
    return ms_time_min(scan_ms, ms_time_max(first->due_ms, ls->retry_ms));
}
