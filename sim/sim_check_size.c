/* sim_check_size.c: K19 of logs: at rest a member keeps no more of its log than what it promises.
 *
 * A snapshot is taken as soon as the log behind the last one is larger than the options say, and than that snapshot
 * was; of the log before it stays what others may still need. How large snapshots were is known from the
 * views that are read for them, wherever they were taken. */
#include "sim/sim_check_private.h"
#include "sim/sim_core.h"

#define RETAINED_ENTRIES 64u /* behind a snapshot, for those a little behind (node_private.h) */
#define KEPT_FACTOR 2u       /* of snapshot and segment, for those a snapshot is sent to (node_snap_send.c) */

static struct chk_view *view_of(struct chk_member *c, const void *view)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (c->views[i].view == view) return &c->views[i];
    }
    return NULL;
}

void chk_size_closes(struct sim *s, const struct sim_member *m, const struct kv_job *job)
{
    struct chk_view *v = job->snapshot ? view_of(chk_member(s, m), job->snapshot) : NULL;
    if (v) v->view = NULL;
}

void chk_size_read(struct sim *s, const struct sim_member *m, const struct kv_job *job)
{
    struct chk_member *c = chk_member(s, m);
    if (job->status < 0) return;
    struct chk_view *v = view_of(c, job->snapshot);
    if (!v) v = view_of(c, NULL);
    MS_ASSERT(v != NULL);
    if (!v->view) *v = (struct chk_view){ .view = job->snapshot };
    v->bytes += job->plain_bytes;
    if (v->bytes > s->check->state_bytes_max) s->check->state_bytes_max = v->bytes;
}

void chk_size_applied(struct sim *s, const struct kv_job *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        uint64_t bytes = entry_ref_payload(job->entries[i]).len;
        if (bytes > s->check->entry_bytes_max) s->check->entry_bytes_max = bytes;
    }
}

void chk_size_restart(struct sim *s, const struct sim_member *m)
{
    memset(chk_member(s, m)->views, 0, sizeof chk_member(s, m)->views);
}

uint64_t sim_check_log_max(const struct sim *s)
{
    const struct node_opts *o = &s->plan.member.node;
    uint64_t size = o->snapshot_log_bytes;
    if (s->check->state_bytes_max > size) size = s->check->state_bytes_max;
    uint64_t entry = s->check->entry_bytes_max + 3 * (uint64_t)DISK_SECTOR_BYTES; /* a batch of its own */
    uint64_t kept = KEPT_FACTOR * (size + o->wal_segment_bytes) + RETAINED_ENTRIES * entry;
    return kept + size;
}

const struct sim_member *sim_check_large_log(struct sim *s, uint64_t *bytes)
{
    if (s->core != SIM_CORE_ALL) return NULL; /* outsiders may be sent snapshots for ever */
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct sim_member *m = sim_member_at(s, i);
        if (m->state != SIM_MEMBER_UP || !sim_core_expects(s, i)) continue;
        *bytes = wal_live_bytes(node_wal(sim_member_node(m)));
        if (*bytes > sim_check_log_max(s)) return m;
    }
    return NULL;
}
