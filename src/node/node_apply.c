/* node_apply.c: committed entries into the state machine, and what follows from their being applied. */
#include "node/node_private.h"

static uint64_t applicable_index(const struct node *n)
{
    uint64_t commit = raft_commit_index(n->raft), durable = raft_durable_index(n->raft);
    return commit < durable ? commit : durable; /* P4 */
}

/* The number of this member's own proposal in this life; 0: another's. */
static uint64_t own_seq(const struct node *n, const struct entry_ref *ref)
{
    struct entry e;
    if (entry_decode(entry_ref_payload(ref), &e) < 0) return 0; /* apply judges it */
    if (e.origin.member_id != n->opts.id) return 0;
    /* A directory that is new to an old id counts its starts from one again: what it applies of the
     * id's earlier life is not its own, though the numbers may be the same. */
    if (e.origin.added_index != n->store.state.added_index) return 0;
    if (e.origin.incarnation != n->store.state.incarnation) return 0;
    return e.origin.seq;
}

/* Which entries of the job are asked for what they find. False: none. */
static bool note_asked(struct node *n)
{
    struct node_apply *a = &n->apply;
    bool any = false;
    if (n->proposals.asking_count == 0) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        a->asked[i] = node_proposal_asks(n, own_seq(n, a->entries[i]));
        any |= a->asked[i];
    }
    return any;
}

/* One job at a time: entries behind the applied index, up to the bounds of a job. */
void node_apply_pump(struct node *n)
{
    struct node_apply *a = &n->apply;
    uint64_t last = applicable_index(n), bytes = 0;
    if (node_digest_is_wrong(n)) return;
    if (n->failed || a->busy || a->held || n->info.applied_index >= last) return;
    if (a->retry_ms > n->now_ms) return;
    uint32_t count = 0;
    for (uint64_t i = n->info.applied_index + 1; i <= last && count < KV_APPLY_ENTRIES_MAX; i++) {
        struct entry_ref *e = raft_entry(n->raft, i);
        MS_ASSERT(e != NULL && e->index == i); /* what is not applied stays in memory */
        bytes += e->payload_len;
        if (count > 0 && bytes > NODE_APPLY_BYTES_MAX) break;
        a->entries[count++] = entry_ref_hold(e);
    }
    a->job = (struct kv_job){ .kind = KV_JOB_APPLY,
                              .owner = n,
                              .entries = a->entries,
                              .results = a->results,
                              .count = count,
                              .lease_events = &a->lease_events,
                              .info = &a->info };
    a->count = count;
    if (note_asked(n)) {
        a->job.asked = a->asked;
        buf_init(&a->job.answers, n->alloc, KV_APPLY_ANSWERS_BYTES_MAX);
    }
    buf_clear(&a->lease_events);
    a->busy = true;
    n->host.submit_job(n->host.ctx, &a->job);
}

static void note_departed(struct node *n, const struct config *before, const struct config *after)
{
    for (uint32_t i = 0; i < before->member_count; i++) {
        const struct config_member *m = &before->members[i];
        if (m->id == n->opts.id || config_find(after, m->id)) continue;
        if (n->departed_count == MS_MEMBERS_MAX) return;
        struct node_departed *d = &n->departed[n->departed_count++];
        d->peer.id = m->id;
        memcpy(d->peer.url, m->url, sizeof d->peer.url);
        d->until_ms = n->now_ms + NODE_DEPARTED_MS;
    }
}

/* Whether c has this member in the life that this directory is: only then does its absence from the
 * next configuration mean that it was removed. A member that catches up reads of earlier lives of its
 * id. */
static bool has_self(const struct node *n, const struct config *c)
{
    const struct config_member *self = config_find(c, n->opts.id);
    return self && n->store.state.added_index != 0 && self->added_index == n->store.state.added_index;
}

/* A note of a data directory serves until its member is bound; one of an earlier life of an id must not
 * be bound to the next. */
static void purge_nonces(struct node *n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n->nonce_count; i++) {
        uint64_t id = n->nonces[i].member_id;
        const struct config_member *m = config_find(&n->info.config, id);
        bool wanted =
            m ? !node_binding(n, id, m->added_index) : config_find(raft_config(n->raft), id) != NULL;
        if (wanted) n->nonces[kept++] = n->nonces[i];
    }
    n->nonce_count = kept;
}

/* Take over the state machine's configuration, bindings and cluster. */
void node_info_changed(struct node *n, const struct kv_info *info)
{
    const struct config before = n->info.config;
    bool was_member = has_self(n, &before);
    bool config_changed = n->info.config_index != info->config_index;
    n->info = *info;
    if (memcmp(n->store.state.cluster_uuid, info->cluster_uuid, MS_UUID_BYTES) != 0) {
        memcpy(n->store.state.cluster_uuid, info->cluster_uuid, MS_UUID_BYTES);
        node_state_changed(n);
    }
    if (config_changed) {
        /* Who was a guest is judged anew, by what is known now: a member, or one that was removed. */
        memset(n->guests, 0, sizeof n->guests);
        note_departed(n, &before, &info->config);
        if (was_member && !has_self(n, &info->config)) {
            node_mark_removed(n, "the cluster has removed this member");
        }
        n->host.peers_changed(n->host.ctx);
        node_propose_again(n); /* wishes for changes that waited for this one */
    }
    purge_nonces(n);
    node_update_abstain(n);
}

/* What the entry at index did to leases: the first of *events. */
static struct bytes take_lease_events(struct node *n, struct bytes *events, uint64_t index)
{
    struct kv_lease_event e;
    size_t len = 0;
    for (; len < events->len; len += sizeof e) {
        memcpy(&e, events->data + len, sizeof e);
        if (e.index != index) break;
        node_lease_event(n, &e);
    }
    struct bytes own = bytes_of(events->data, len);
    if (len > 0) *events = bytes_of(events->data + len, events->len - len);
    return own;
}

static void answer_own(struct node *n, uint32_t i, struct bytes lease_events)
{
    const struct kv_result *r = &n->apply.results[i];
    struct bytes items = { 0 };
    uint64_t seq = own_seq(n, n->apply.entries[i]);
    if (seq == 0) return;
    if (r->answer_bytes > 0)
        items = bytes_of(n->apply.job.answers.data + r->answer_at, r->answer_bytes);
    node_proposal_applied(n, seq, r, items, lease_events);
}

/* Of the job that has ended; raft keeps those that it did not come to. */
static void drop_entries(struct node *n)
{
    struct node_apply *a = &n->apply;
    for (uint32_t i = 0; i < a->count; i++) entry_ref_drop(n->alloc, a->entries[i]);
    a->count = 0;
    if (a->job.asked) buf_fini(&a->job.answers);
}

void node_apply_done(struct node *n)
{
    struct node_apply *a = &n->apply;
    struct kv_job *job = &a->job;
    MS_ASSERT(a->busy);
    a->busy = false;
    a->retry_ms = job->status == MS_ENOSPC ? n->now_ms + NODE_APPLY_RETRY_MS : 0;
    if (job->status < 0) {
        drop_entries(n);
        if (job->status == MS_ENOSPC) return; /* nothing was begun, and raft keeps the entries */
        node_fail(n, job->status <= MS_EFATAL ? job->status : MS_EIO, "an entry could not be applied");
        return;
    }
    const struct kv_result *last = &a->results[job->count - 1];
    if (job->info_changed) node_info_changed(n, &a->info);
    n->info.applied_index = last->index;
    n->info.applied_term = a->entries[job->count - 1]->term;
    n->info.revision = last->revision;
    n->info.key_count = last->key_count;
    n->info.lease_count = last->lease_count;
    n->info.digest = last->digest;
    if (n->host.probe) n->host.probe(n->host.ctx, n, "applied", last->index, 0);
    struct bytes events = buf_bytes(&a->lease_events);
    for (uint32_t i = 0; i < job->count; i++) {
        struct bytes own = take_lease_events(n, &events, a->results[i].index);
        if (entry_ref_kind(a->entries[i]) == ENTRY_DIGEST) node_digest_applied(n, &a->results[i]);
        answer_own(n, i, own);
    }
    drop_entries(n);
    if (a->lease_events.cap > NODE_LEASE_BODY_KEPT_BYTES) buf_fini(&a->lease_events);
    struct raft_input in = { .kind = RAFT_INPUT_APPLIED, .index = last->index };
    node_step(n, &in);
}
