/* kv_long.c: which jobs may take long. Most entries are bounded by their own bytes; these are bounded by
 * the state alone: a range of keys is as long as what it finds. They cannot be cut: all that an entry does
 * is one revision, and nobody may see a part of it (S2). */
#include "base/ms_err.h"
#include "format/entry_lease.h"
#include "kv/kv_private.h"

#define KV_SHORT_REVISIONS 512u /* a compaction that forgets more may take long ... */
#define KV_SHORT_CHANGES 8u     /* ... and so may one of a revision that made more changes */

static bool command_is_long(struct bytes command);

static bool run_is_long(struct bytes ops)
{
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    while (kv_cmd_next_op(&run, &op)) {
        if (op.range_end.len > 0) return true;
        if (op.kind == KV_OP_TXN && command_is_long(op.txn)) return true;
    }
    return false;
}

/* As deep as commands are nested. */
static bool command_is_long(struct bytes command)
{
    struct kv_cmd cmd;
    struct kv_compare compare;
    if (kv_cmd_decode(command, &cmd) < 0) return false; /* it has no effect */
    struct bytes_reader compares = bytes_reader_of(cmd.compares);
    while (kv_cmd_next_compare(&compares, &compare)) {
        if (compare.range_end.len > 0) return true;
    }
    return run_is_long(cmd.then_ops) || run_is_long(cmd.else_ops);
}

/* Members compact by themselves, after every few hundred writes, and most of that forgets a change or two at each
 * of as many revisions: it is not worth a thread. [revision, sub] are consecutive, so one look tells whether a
 * revision made many. */
static bool compaction_is_long(struct kv *kv, struct bytes body)
{
    uint64_t from = kv->meta.compacted_revision, to = body.len == 8 ? bytes_load_u64(body.data) : 0;
    if (to <= from || to > kv->meta.revision) return false; /* it has no effect */
    if (to - from > KV_SHORT_REVISIONS) return true;
    for (uint64_t at = from; at <= to; at++) {
        kv_key_rev(&kv->key, at, KV_SHORT_CHANGES);
        buf_clear(&kv->old);
        if (kv->key.failed) return true;
        if (kv->engine->ops->get(kv->engine, NULL, buf_bytes(&kv->key), &kv->old) != MS_ENOTFOUND)
            return true;
    }
    return false;
}

static bool entry_is_long(struct kv *kv, const struct entry_ref *ref)
{
    struct entry e;
    struct entry_lease_grant grant;
    switch (entry_ref_kind(ref)) {
    case ENTRY_COMPACT:
        return entry_decode(entry_ref_payload(ref), &e) == 0 && compaction_is_long(kv, e.body);
    case ENTRY_LEASE_REVOKE: return true;
    case ENTRY_TXN: return entry_decode(entry_ref_payload(ref), &e) == 0 && command_is_long(e.body);
    case ENTRY_LEASE_GRANT:
        if (entry_decode(entry_ref_payload(ref), &e) < 0) return false;
        return entry_lease_grant_decode(e.body, &grant) == 0 && command_is_long(grant.command);
    default: return false;
    }
}

bool kv_job_is_long(struct kv *kv, const struct kv_job *job)
{
    if (job->kind == KV_JOB_LOAD_END) return true; /* all of the old state is freed */
    if (job->kind != KV_JOB_APPLY) return false;
    for (uint32_t i = 0; i < job->count; i++) {
        if (entry_is_long(kv, job->entries[i])) return true;
    }
    return false;
}
