/* kv_long.c: which jobs may take long. Most entries are bounded by their own bytes; these are bounded by
 * the state alone: a range of keys is as long as what it finds. They cannot be cut: all that an entry does
 * is one revision, and nobody may see a part of it (S2). */
#include "format/entry_lease.h"
#include "kv/kv_private.h"

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

static bool entry_is_long(const struct entry_ref *ref)
{
    struct entry e;
    struct entry_lease_grant grant;
    switch (entry_ref_kind(ref)) {
    case ENTRY_COMPACT:
    case ENTRY_LEASE_REVOKE: return true;
    case ENTRY_TXN: return entry_decode(entry_ref_payload(ref), &e) == 0 && command_is_long(e.body);
    case ENTRY_LEASE_GRANT:
        if (entry_decode(entry_ref_payload(ref), &e) < 0) return false;
        return entry_lease_grant_decode(e.body, &grant) == 0 && command_is_long(grant.command);
    default: return false;
    }
}

bool kv_job_is_long(const struct kv_job *job)
{
    if (job->kind == KV_JOB_LOAD_END) return true; /* all of the old state is freed */
    if (job->kind != KV_JOB_APPLY) return false;
    for (uint32_t i = 0; i < job->count; i++) {
        if (entry_is_long(job->entries[i])) return true;
    }
    return false;
}
