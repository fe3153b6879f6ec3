/* kv_apply.c: log entries into the state (S1 to S3). One job is one commit: data, metadata and applied
 * index together (DESIGN 2.10); a second one, as whole, where an answer has to be read from what is committed. A failure in the middle leaves memory ahead of the engine, so it ends
 * the member: to skip what others have applied is to diverge (DESIGN 2.9). */
#include <stdio.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "kv/kv_private.h"

/* Let the origin's window judge. 0 or MS_EDUPLICATE. */
static int accept_origin(struct kv_meta *m, const struct entry_origin *origin)
{
    if (!kv_meta_is_member(m, origin->member_id, origin->added_index)) return MS_EDUPLICATE;
    struct kv_window *w = kv_meta_window(m, origin->member_id);
    if (!w) {
        /* Made at the first proposal: a member that never proposes costs nothing. */
        struct kv_window made = { .member_id = origin->member_id, .added_index = origin->added_index };
        int rv = kv_window_accept(&made, origin);
        if (rv < 0) return rv;
        w = kv_meta_window_add(m, &made);
    } else {
        int rv = kv_window_accept(w, origin);
        if (rv < 0) return rv;
        kv_digest_sub(&m->digest, w->digest);
    }
    w->digest = kv_digest_of_window(w);
    kv_digest_add(&m->digest, w->digest);
    return 0;
}

static int config_digest(struct kv *kv, struct kv_digest *out)
{
    buf_clear(&kv->aux);
    config_encode(&kv->aux, &kv->meta.config);
    if (kv->aux.failed) return MS_ENOMEM;
    *out = kv_digest_of_config(kv->meta.config_index, buf_bytes(&kv->aux));
    return 0;
}

/* Bindings and windows of who is no member any more, or is one anew (DESIGN 3 and 4). */
static int drop_departed(struct kv *kv)
{
    struct kv_meta *m = &kv->meta;
    uint32_t kept = 0;
    int rv = 0;
    for (uint32_t i = 0; i < m->binding_count && rv == 0; i++) {
        const struct kv_binding *b = &m->bindings[i];
        if (kv_meta_is_member(m, b->member_id, b->added_index)) {
            m->bindings[kept++] = *b;
            continue;
        }
        kv_digest_sub(&m->digest, kv_digest_of_binding(b));
        rv = kv_meta_remove_binding(kv, b->member_id);
    }
    m->binding_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < m->window_count && rv == 0; i++) {
        const struct kv_window *w = &m->windows[i];
        if (kv_meta_is_member(m, w->member_id, w->added_index)) {
            m->windows[kept++] = *w;
            continue;
        }
        kv_digest_sub(&m->digest, w->digest);
        rv = kv_meta_remove_window(kv, w->member_id);
    }
    m->window_count = kept;
    return rv;
}

/* Only leaders make configurations; one that cannot be read is of a later program. */
static int apply_config(struct kv *kv, struct bytes_reader *in, uint64_t index)
{
    struct kv_meta *m = &kv->meta;
    struct kv_digest before, after;
    struct config config;
    if (config_decode(in, &config) < 0 || bytes_reader_left(in) > 0) return MS_EUNSUPPORTED;
    int rv = config_digest(kv, &before);
    if (rv < 0) return rv;
    config_resolve(&config, index);
    m->config = config;
    m->config_index = index;
    rv = config_digest(kv, &after);
    if (rv < 0) return rv;
    kv_digest_sub(&m->digest, before);
    kv_digest_add(&m->digest, after);
    rv = drop_departed(kv);
    if (rv < 0) return rv;
    return kv_meta_put_cluster(kv, m);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) any |= bytes[i];
    return any == 0;
}

static int apply_init(struct kv *kv, struct bytes body, uint64_t index, struct kv_result *r)
{
    struct bytes_reader in = bytes_reader_of(body);
    uint8_t uuid[MS_UUID_BYTES];
    if (!is_zero(kv->meta.cluster_uuid, MS_UUID_BYTES)) {
        r->status = MS_EINVAL; /* a cluster begins once */
        return 0;
    }
    if (!bytes_read_copy(&in, uuid, sizeof uuid) || is_zero(uuid, sizeof uuid)) return MS_EUNSUPPORTED;
    memcpy(kv->meta.cluster_uuid, uuid, sizeof uuid);
    r->changed = true;
    return apply_config(kv, &in, index);
}

static int apply_attach(struct kv *kv, struct bytes body, struct kv_result *r)
{
    struct kv_binding b;
    if (kv_binding_decode(body, &b) < 0) {
        r->status = MS_EINVAL;
        return 0;
    }
    if (!kv_meta_is_member(&kv->meta, b.member_id, b.added_index)) return 0;
    if (kv_meta_binding(&kv->meta, b.member_id)) return 0; /* the first one stands (DESIGN 4) */
    kv_meta_binding_add(&kv->meta, &b);
    kv_digest_add(&kv->meta.digest, kv_digest_of_binding(&b));
    r->changed = true;
    return kv_meta_put_binding(kv, &b);
}

static int apply_compact(struct kv *kv, struct bytes body, struct kv_result *r)
{
    if (body.len == 8) return kv_compact_apply(kv, bytes_load_u64(body.data), r);
    r->status = MS_EINVAL;
    return 0;
}

/* answers NULL: nobody asks for what it gave. */
int kv_apply_command(struct kv *kv, struct bytes command, const struct kv_lease *grant,
                     struct buf *answers, struct kv_result *r)
{
    struct kv_txn_answer answer;
    if (!answers) return kv_txn_apply(kv, command, grant, NULL, r);
    kv_txn_answer_init(&answer, kv, answers);
    int rv = kv_txn_apply(kv, command, grant, &answer, r);
    if (rv < 0) return rv;
    r->answer_status = answer.status;
    r->answer_at = answer.begin;
    r->answer_bytes = answers->len - answer.begin;
    kv->answer_keys += answer.looked;
    return 0;
}

/* Returns 0, MS_EUNSUPPORTED, MS_ENOMEM or a fatal error; the entry's own fate is r->status. */
static int apply_entry(struct kv *kv, const struct entry *e, const struct entry_ref *ref,
                       struct buf *answers, struct kv_result *r)
{
    uint64_t index = ref->index;
    struct bytes_reader body = bytes_reader_of(e->body);
    if (e->origin.member_id != 0) r->status = accept_origin(&kv->meta, &e->origin);
    if (e->kind == ENTRY_CONFIG) {
        /* Also if it is a repetition: a configuration is in force from its append on (Raft
         * dissertation, 4.1), and raft knows nothing of windows. What kv holds has to be what raft goes
         * by, or a snapshot would carry a configuration that was not in force at its index. */
        r->changed = true;
        return apply_config(kv, &body, index);
    }
    if (r->status < 0) return 0;
    switch (e->kind) {
    case ENTRY_NOOP:
    case ENTRY_DIGEST: return 0;
    case ENTRY_INIT: return apply_init(kv, e->body, index, r);
    case ENTRY_ATTACH: return apply_attach(kv, e->body, r);
    case ENTRY_TXN: return kv_apply_command(kv, e->body, NULL, answers, r);
    case ENTRY_COMPACT: return apply_compact(kv, e->body, r);
    case ENTRY_LEASE_GRANT: return kv_lease_apply_grant(kv, e->body, index, answers, r);
    case ENTRY_LEASE_REVOKE: return kv_lease_apply_revoke(kv, e->body, ref, r);
    case ENTRY_LEASE_RENEW: return kv_lease_apply_renew(kv, e->body, index, r);
    case ENTRY_LEASE_CHECKPOINT: return kv_lease_apply_marks(kv, e->body, index, r);
    }
    return MS_EUNSUPPORTED; /* a request for a change is never in a log */
}

static int commit(struct kv *kv)
{
    struct kv_meta *m = &kv->meta;
    for (uint32_t i = 0; i < m->window_count; i++) {
        if (!m->windows[i].dirty) continue;
        int rv = kv_meta_put_window(kv, &m->windows[i]);
        if (rv < 0) return rv;
        m->windows[i].dirty = false;
    }
    int rv = kv_meta_put_state(kv, m);
    if (rv == 0 && kv->lease_count_dirty) rv = kv_meta_put_lease_count(kv, m);
    if (rv < 0) return rv;
    rv = kv->engine->ops->commit(kv->engine);
    if (rv < 0) return rv;
    kv_range_forget(kv);
    kv_lease_forget(kv);
    return rv;
}

static bool reads_the_past(const struct entry *e)
{
    struct entry_lease_grant g;
    if (e->kind == ENTRY_TXN) return kv_txn_reads_the_past(e->body);
    return e->kind == ENTRY_LEASE_GRANT && entry_lease_grant_decode(e->body, &g) == 0 &&
           kv_txn_reads_the_past(g.command);
}

/* A range at a revision of its own is read from what is committed. */
static int commit_for(struct kv *kv, const struct entry *e)
{
    bool pending = kv->touched_notes.len > 0 || kv->touched.root;
    if (!pending || !reads_the_past(e)) return 0;
    return commit(kv);
}

static int apply_ref(struct kv *kv, const struct entry_ref *ref, struct buf *answers,
                     struct kv_result *r, bool *info_changed)
{
    struct kv_meta *m = &kv->meta;
    struct entry e;
    *r = (struct kv_result){ .index = ref->index };
    MS_ASSERT(ref->index == m->applied_index + 1); /* S2 */
    if (entry_decode(entry_ref_payload(ref), &e) < 0) return MS_EUNSUPPORTED;
    int rv = answers ? commit_for(kv, &e) : 0;
    if (rv == 0) rv = apply_entry(kv, &e, ref, answers, r);
    if (rv < 0) return rv;
    m->applied_index = ref->index;
    m->applied_term = ref->term;
    r->revision = m->revision;
    r->key_count = m->key_count;
    r->lease_count = m->lease_count;
    r->digest = m->digest;
    bool compacted = e.kind == ENTRY_COMPACT && r->status == 0;
    bool changes_keys =
        e.kind == ENTRY_TXN || e.kind == ENTRY_LEASE_GRANT || e.kind == ENTRY_LEASE_REVOKE;
    if (compacted || (r->changed && !changes_keys)) *info_changed = true;
    return 0;
}

/* No more answers go into this job. */
static bool answers_are_full(const struct kv *kv, const struct kv_job *job)
{
    return job->asked &&
           (job->answers.len > KV_APPLY_ANSWERS_BYTES || kv->answer_keys > KV_APPLY_ANSWERS_KEYS);
}

/* Entries in order, until the job ends: *done of them. */
static int apply_entries(struct kv *kv, struct kv_job *job, uint32_t *done)
{
    int rv = 0;
    kv->answer_keys = 0;
    for (uint32_t i = 0; i < job->count && rv == 0; i++) {
        struct buf *answers = job->asked && job->asked[i] ? &job->answers : NULL;
        rv = apply_ref(kv, job->entries[i], answers, &job->results[i], &job->info_changed);
        *done = i + 1;
        if (answers_are_full(kv, job)) break;
    }
    return rv;
}

void kv_apply_run(struct kv *kv, struct kv_job *job)
{
    char what[64];
    uint32_t done = 0;
    int rv = 0;
    MS_ASSERT(job->count > 0);
    MS_ASSERT(job->count <= KV_APPLY_ENTRIES_MAX);
    job->info_changed = false;
    if (kv->engine->ops->ready && kv->engine->ops->ready(kv->engine) == MS_ENOSPC) {
        job->status = MS_ENOSPC; /* nothing has begun: it comes again */
        return;
    }
    /* Entries are applied to what is here; what was being installed beside it has lost its meaning. */
    if (kv->load) rv = kv_load_abandon(kv);
    kv->lease_events = job->lease_events;
    if (rv == 0) rv = apply_entries(kv, job, &done);
    kv->lease_events = NULL;
    if (rv == 0) rv = commit(kv);
    if (rv < 0) {
        snprintf(what, sizeof what, "apply of entry %llu",
                 (unsigned long long)(kv->meta.applied_index + 1));
        rv = kv_break(kv, rv, what);
    }
    job->status = rv;
    if (rv == 0) job->count = done;
    if (rv == 0 && job->info_changed) kv_job_info(kv, job);
}
