/* raft_snapshot.c: the log's head goes when a snapshot covers it, and a snapshot that was installed
 * takes the place of the log (Raft, section 7). */
#include "raft/raft_private.h"

/* Only what is applied and in the store may go: the rest is still needed from here. */
int raft_on_compact(struct raft *r, uint64_t index)
{
    if (index > r->applied_index) index = r->applied_index;
    if (index > r->log.stored_index) index = r->log.stored_index;
    raft_log_compact(&r->log, index);
    return 0;
}

/* Nothing of the old log is left, and nothing that is under way to the store counts any more. */
static void begin_anew(struct raft *r, const struct raft_input *in)
{
    uint64_t index = in->installed.index;
    if (r->role != RAFT_FOLLOWER) raft_become_follower(r, r->term, 0);
    raft_store_superseded(r, 1);
    raft_log_reset(&r->log, index, in->installed.term, in->installed.config,
                   in->installed.config_index);
    r->uncommitted_bytes = r->unapplied_bytes = 0;
    r->commit_index = r->applied_index = index;
    if (r->follow.verified > index) r->follow.verified = index; /* what stood behind it is gone */
    log_line(r->log_sink, LOG_INFO, "raft: the log begins anew behind index %llu, term %llu",
             (unsigned long long)index, (unsigned long long)r->term);
}

int raft_on_installed(struct raft *r, const struct raft_input *in)
{
    uint64_t index = in->installed.index, term = in->installed.term;
    if (index <= r->applied_index) return 0; /* reached meanwhile in the ordinary way */
    if (term > r->term) raft_become_follower(r, term, 0);
    bool same = raft_log_term(&r->log, index) == term;
    if (same) { /* a prefix of this log: what follows stays (Raft, fig. 13, step 6) */
        raft_commit_to(r, index);
        if (r->log.covered_index < index) r->log.covered_index = index;
        raft_applied_to(r, index);
    } else {
        /* A snapshot holds committed entries. A leader has all of those, and nobody has others. */
        if (r->role == RAFT_LEADER || index <= r->commit_index) return MS_EDIVERGED;
        begin_anew(r, in);
    }
    if (r->leader != 0) r->follow.ack_due = true;
    return 0;
}

/* The stream to a peer has ended. If it went well the peer says itself how far it is by its ack; asking
 * from behind the snapshot on finds out if that ack was lost. */
int raft_on_snapshot_done(struct raft *r, const struct raft_input *in)
{
    struct raft_peer *p = raft_peer_find(r, in->snapshot_done.peer);
    if (r->role != RAFT_LEADER || !p || p->state != RAFT_PEER_SNAPSHOT) return 0;
    if (in->snapshot_done.status < 0) {
        bool no_room =
            in->snapshot_done.status == MS_ENOSPC; /* it comes less soon than anything else */
        uint64_t wait_ms = no_room ? 2 * (uint64_t)r->opts.election_ms_min : r->opts.heartbeat_ms;
        p->snapshot_ms = r->now_ms + wait_ms; /* asked for again, but not at once */
        return 0;
    }
    uint64_t next = p->next, index = in->snapshot_done.index;
    if (index <= r->log.last_index && index >= next) next = index + 1;
    if (next <= p->match) next = p->match + 1;
    raft_peer_probe(p, next);
    return 0;
}
