/* raft_transfer.c: a leader hands over to another voter (diss. 3.10): it takes no more proposals,
 * brings the other up to date, then tells it to campaign at once. If that has not worked within an
 * election timeout it goes on leading. The reasons: an operator's wish, a shutdown, its own removal, a
 * log that does not answer any more while heartbeats still flow, a disk without room. */
#include "raft/raft_private.h"

/* Whether or not a store has been begun: the log may be busy for its owner's sake, or have no segment to go on in. */
bool raft_is_stalled(const struct raft *r)
{
    uint64_t most = r->opts.stall_ms;
    if (most == 0) most = RAFT_STALL_TIMEOUTS * (uint64_t)r->opts.election_ms_min;
    return !raft_is_clean(r) && r->now_ms >= r->store.owed_ms + most;
}

/* One with room on its disk comes before one without; then the length of the log decides. */
static bool is_better(const struct raft_peer *p, const struct raft_peer *than)
{
    if (p->full != than->full) return than->full;
    return p->counted_match > than->counted_match;
}

/* The best voter to take over, of those who answer. leaving: of those too that will be voters no more. */
static const struct raft_peer *best_voter(const struct raft *r, const struct config *after, bool leaving)
{
    const struct raft_peer *best = NULL;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];
        const struct config_member *m = config_find(after, p->id);
        if (!m || !(m->roles & CONFIG_VOTER)) continue;
        if ((m->roles & CONFIG_LEAVES) && !leaving) continue;
        if (!config_is_voter(&r->log.config, p->id) || !raft_peer_live(r, p)) continue;
        if (r->now_ms < p->rest_ms) continue;
        if (!best || is_better(p, best)) best = p;
    }
    return best;
}

static const struct raft_peer *successor(const struct raft *r, const struct config *after)
{
    return best_voter(r, after, false);
}

/* Who is to leave may have long to wait for that, until all that join have caught up. */
static const struct raft_peer *successor_in_need(const struct raft *r)
{
    const struct raft_peer *p = successor(r, &r->log.config);
    return p ? p : best_voter(r, &r->log.config, true);
}

static void begin(struct raft *r, const struct raft_peer *p, const char *why)
{
    r->transfer_out.to = p->id;
    r->transfer_out.until_ms = r->now_ms + r->opts.election_ms_min;
    r->transfer_out.resend_ms = r->now_ms;
    log_line(r->log_sink, LOG_INFO, "raft: handing over to member %llu in term %llu: %s",
             (unsigned long long)p->id, (unsigned long long)r->term, why);
}

int raft_on_transfer(struct raft *r, uint64_t to)
{
    if (r->role != RAFT_LEADER) return MS_ENOLEADER;
    if (to == r->opts.id) return MS_EEXIST;
    if (to && !config_find(&r->log.config, to)) return MS_ENOTFOUND;
    if (to && !config_is_voter(&r->log.config, to)) return MS_ECONFLICT;
    if (r->transfer_out.to) return r->transfer_out.to == to ? 0 : MS_EBUSY;
    const struct raft_peer *p = to ? raft_peer_find(r, to) : successor(r, &r->log.config);
    if (!p || !raft_peer_live(r, p) || r->now_ms < p->rest_ms) return MS_EBUSY;
    begin(r, p, "asked for");
    return 0;
}

/* A leader that is to be removed lets another carry that out, so that nobody leads without being a
 * member (diss. 4.2.2). Once that has failed it does so itself. */
bool raft_hand_over_first(struct raft *r, const struct config *after)
{
    const struct config_member *self = config_find(after, r->opts.id);
    bool stays = self && (self->roles & CONFIG_VOTER) && !(self->roles & CONFIG_LEAVES);
    if (stays || r->transfer_out.failed) return false;
    if (r->transfer_out.to) return true;
    const struct raft_peer *p = successor(r, after);
    if (p) begin(r, p, "about to be removed");
    return p != NULL;
}

static uint64_t lives_beside(const struct raft *r, uint64_t id)
{
    return id != r->opts.id && raft_lives(r, id);
}

/* While its log stalls a leader commits by the others' disks, but answers nobody: it must not hold the
 * cluster hostage only because its heartbeats still flow. But its vote cannot become durable either:
 * where the others are no quorum by themselves nobody could win, and the reads it serves would end. */
static void leave_if_stalled(struct raft *r)
{
    if (!raft_is_stalled(r) || !raft_quorum(r, &r->log.config, lives_beside)) return;
    const struct raft_peer *p = successor_in_need(r);
    if (!p) return;
    log_line(r->log_sink, LOG_WARN, "raft: the log has not answered for %llu ms",
             (unsigned long long)(r->now_ms - r->store.owed_ms));
    r->stall_transfers++;
    begin(r, p, "the own log stalls");
}

/* A leader whose disk is full could go on for as long as its log has room; another has more of it. Not
 * where nobody gains: with the others alone there has to be a quorum that has room. */
static void leave_if_full(struct raft *r)
{
    if (!raft_may_leave_full(r)) return;
    const struct raft_peer *p = successor_in_need(r);
    if (!p || p->full) return;
    r->space_transfers++;
    begin(r, p, "the own disk is full");
}

/* Each attempt keeps proposals waiting, so who has failed is not asked again at once. */
static void give_up(struct raft *r)
{
    struct raft_transfer *t = &r->transfer_out;
    struct raft_peer *p = raft_peer_find(r, t->to);
    log_line(r->log_sink, LOG_WARN, "raft: member %llu has not taken over: leading on in term %llu",
             (unsigned long long)t->to, (unsigned long long)r->term);
    if (p) p->rest_ms = r->now_ms + RAFT_TRANSFER_REST * (uint64_t)r->opts.election_ms_min;
    t->failed = true;
    t->to = r->handed_to = 0;
}

/* It leads again, and nobody did in between: whom it told to take over has ended the term before, and could
 * not win. To ask that one anew would end this term, too, and so for ever. */
void raft_transfer_again(struct raft *r)
{
    if (r->handed_to == 0) return;
    struct raft_peer *p = raft_peer_find(r, r->handed_to);
    if (p) p->rest_ms = r->handed_ms + RAFT_TRANSFER_REST * (uint64_t)r->opts.election_ms_min;
    r->transfer_out.failed = true;
    r->handed_to = 0;
}

void raft_transfer_lost(struct raft *r, uint64_t peer)
{
    if (r->transfer_out.to == peer) give_up(r);
}

void raft_transfer_tick(struct raft *r)
{
    struct raft_transfer *t = &r->transfer_out;
    if (t->to && t->until_ms <= r->now_ms) give_up(r);
    if (t->to == 0) leave_if_stalled(r);
    if (t->to == 0) leave_if_full(r);
}

static void send_timeout_now(struct raft *r, uint64_t to)
{
    struct raft_msg m = { .type = RAFT_MSG_TIMEOUT_NOW, .to = to };
    r->transfer_out.sent = true;
    r->handed_to = to;
    r->handed_ms = r->now_ms;
    raft_send(r, &m);
}

void raft_transfer_flush(struct raft *r)
{
    struct raft_transfer *t = &r->transfer_out;
    if (t->to == 0 || t->resend_ms > r->now_ms || !raft_has_room(r)) return;
    const struct raft_peer *p = raft_peer_find(r, t->to);
    if (!p || p->counted_match < r->log.last_index) return;
    t->resend_ms = r->now_ms + r->opts.heartbeat_ms;
    send_timeout_now(r, t->to);
}

void raft_transfer_last(struct raft *r)
{
    const struct raft_peer *p = successor(r, &r->log.config);
    if (p && p->counted_match >= r->log.config_index) send_timeout_now(r, p->id);
}

void raft_leadership(const struct raft *r, struct raft_leadership *out)
{
    *out = (struct raft_leadership){ .transfer_to = r->transfer_out.to,
                                     .stall_transfers = r->stall_transfers,
                                     .space_transfers = r->space_transfers,
                                     .stalled = raft_is_stalled(r),
                                     .lease_held = raft_lease_held(r) };
}
