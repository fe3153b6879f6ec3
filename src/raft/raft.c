/* raft.c: the life of a replica, and its const views. */
#include "raft/raft_private.h"

static uint32_t at_least_one(uint32_t v)
{
    return v ? v : 1;
}

static void take_opts(struct raft *r, const struct raft_opts *opts)
{
    struct raft_opts *o = &r->opts;
    *o = *opts;
    o->election_ms_min = at_least_one(o->election_ms_min);
    o->heartbeat_ms = at_least_one(o->heartbeat_ms);
    o->inflight_count_max = at_least_one(o->inflight_count_max);
    if (o->inflight_count_max > RAFT_INFLIGHT_MAX) o->inflight_count_max = RAFT_INFLIGHT_MAX;
    if (o->append_bytes_max > ENTRY_PAYLOAD_BYTES_MAX) o->append_bytes_max = ENTRY_PAYLOAD_BYTES_MAX;
    ms_rand_init(&r->rand_election, o->seed, 1);
    ms_rand_init(&r->rand_link, o->seed, 2);
}

/* A snapshot or an entry of a term above the one that was recovered. A snapshot may have been durable
 * first; then nothing was voted in its term, for that would have been durable with the term. An entry
 * cannot: the hard state was lost, what was voted is not known, and the caller lets such a member
 * abstain. */
static void raise_term(struct raft *r, uint64_t term)
{
    if (term <= r->term) return;
    r->term = term;
    r->vote = 0;
}

int raft_create(struct raft **out, const struct raft_opts *opts, const struct raft_start *start,
                const struct ms_alloc *alloc, const struct log_sink *log, uint64_t now_ms)
{
    int rv = MS_ENOMEM;
    *out = NULL;
    MS_ASSERT(opts->id != 0 && start->applied_index >= start->snapshot_index);
    struct raft *r = ms_alloc_zeroed(alloc, sizeof *r);
    if (!r) return MS_ENOMEM;
    r->magic = RAFT_MAGIC;
    r->alloc = alloc;
    r->log_sink = log;
    r->now_ms = now_ms;
    r->role = RAFT_FOLLOWER;
    r->term = r->durable_term = start->term;
    r->vote = r->durable_vote = start->vote;
    raise_term(r, start->snapshot_term);
    r->commit_index = r->applied_index = start->applied_index;
    r->abstain = start->abstain;
    r->room_bytes = UINT64_MAX;
    take_opts(r, opts);
    buf_init(&r->scratch, alloc, ENTRY_PAYLOAD_BYTES_MAX);
    r->peers = ms_alloc_zeroed(alloc, RAFT_PEERS_MAX * sizeof *r->peers);
    if (!r->peers) goto fail_peers;
    rv = raft_log_init(&r->log, alloc, start);
    if (rv < 0) goto fail_log;
    raft_arm_election(r);
    *out = r;
    return 0;
fail_log:
    ms_free(alloc, r->peers);
fail_peers:
    ms_free(alloc, r);
    return rv;
}

void raft_destroy(struct raft *r)
{
    if (!r) return;
    MS_ASSERT(r->magic == RAFT_MAGIC);
    raft_send_release(r);
    raft_log_fini(&r->log);
    buf_fini(&r->scratch);
    ms_free(r->alloc, r->held);
    ms_free(r->alloc, r->pool);
    ms_free(r->alloc, r->peers);
    r->magic = 0;
    ms_free(r->alloc, r);
}

int raft_restore_entry(struct raft *r, uint64_t index, uint64_t term, struct bytes payload)
{
    struct raft_log *l = &r->log;
    MS_ASSERT(!r->started);
    if (index <= l->base_index) return 0; /* covered by the snapshot */
    if (index != l->last_index + 1 || payload.len > ENTRY_PAYLOAD_BYTES_MAX) return MS_ECORRUPT;
    if (term == 0 || term < raft_log_term(l, l->last_index)) return MS_ECORRUPT; /* R8 */
    int rv = raft_log_config_of(payload, index, &r->scratch_config);
    if (rv < 0) return rv == MS_EPROTO ? MS_ECORRUPT : rv;
    rv = raft_log_append(l, term, payload, rv ? &r->scratch_config : NULL);
    if (rv < 0) return rv;
    l->stored_index = index;
    raise_term(r, term);
    if (index > r->applied_index) {
        r->uncommitted_bytes += payload.len;
        r->unapplied_bytes += payload.len;
        return 0;
    }
    raft_log_settle(l, index);
    raft_log_evict(l, index, r->opts.cache_bytes_max);
    return 0;
}

const char *raft_role_name(enum raft_role role)
{
    switch (role) {
    case RAFT_FOLLOWER: return "follower";
    case RAFT_PRE_CANDIDATE: return "pre-candidate";
    case RAFT_CANDIDATE: return "candidate";
    case RAFT_LEADER: return "leader";
    }
    return "unknown";
}

enum raft_role raft_role(const struct raft *r)
{
    return r->role;
}

uint64_t raft_term(const struct raft *r)
{
    return r->term;
}

uint64_t raft_vote(const struct raft *r)
{
    return r->vote;
}

uint64_t raft_leader(const struct raft *r)
{
    return r->leader;
}

bool raft_abstains(const struct raft *r)
{
    return r->abstain;
}

uint64_t raft_commit_index(const struct raft *r)
{
    return r->commit_index;
}

uint64_t raft_last_index(const struct raft *r)
{
    return r->log.last_index;
}

uint64_t raft_durable_index(const struct raft *r)
{
    return raft_log_durable(&r->log);
}

uint64_t raft_agreed_index(const struct raft *r)
{
    uint64_t durable = raft_log_durable(&r->log);
    uint64_t same = r->follow.verified > r->commit_index ? r->follow.verified : r->commit_index;
    return same < durable ? same : durable;
}

uint64_t raft_first_index(const struct raft *r)
{
    return r->log.base_index + 1;
}

uint64_t raft_term_at(const struct raft *r, uint64_t index)
{
    return raft_log_term(&r->log, index);
}

struct entry_ref *raft_entry(const struct raft *r, uint64_t index)
{
    return raft_log_entry(&r->log, index);
}

const struct config *raft_config(const struct raft *r)
{
    return &r->log.config;
}

uint64_t raft_config_index(const struct raft *r)
{
    return r->log.config_index;
}

bool raft_peer_match(const struct raft *r, uint64_t peer, uint64_t *match_index, bool *recent)
{
    const struct raft_peer *p = raft_peer_find(r, peer);
    if (r->role != RAFT_LEADER || !p || p->gone_index) return false;
    *match_index = p->match;
    *recent = raft_peer_live(r, p);
    return true;
}
