/* raft_step.c: one input in, then everything out that may leave by now. */
#include "raft/raft_private.h"

/* A message that is not for us, from nobody, or with numbers no correct peer reaches. */
static bool is_plausible(const struct raft *r, const struct raft_msg *m)
{
    if (m->to != r->opts.id || m->from == 0 || m->from == r->opts.id) return false;
    if (m->term == 0 && m->type != RAFT_MSG_VOTE_REPLY) return false; /* a new member's answer */
    return m->from <= MS_MEMBER_ID_MAX && m->term <= RAFT_NUMBER_MAX;
}

static int on_message(struct raft *r, const struct raft_msg *m)
{
    if (!is_plausible(r, m)) return MS_EPROTO;
    switch (m->type) {
    case RAFT_MSG_VOTE: return raft_recv_vote(r, m);
    case RAFT_MSG_VOTE_REPLY: return raft_recv_vote_reply(r, m);
    case RAFT_MSG_APPEND: return raft_recv_append(r, m);
    case RAFT_MSG_APPEND_REPLY: return raft_recv_append_reply(r, m);
    case RAFT_MSG_READ: return raft_recv_read(r, m);
    case RAFT_MSG_READ_REPLY: return raft_recv_read_reply(r, m);
    case RAFT_MSG_TIMEOUT_NOW: return raft_recv_timeout_now(r, m);
    }
    return MS_EPROTO;
}

/* Configurations come in by RAFT_INPUT_CHANGE only, which knows when they may. */
static int on_propose(struct raft *r, struct bytes payload)
{
    struct entry e;
    int rv = entry_decode(payload, &e);
    if (rv < 0) return MS_EINVAL;
    if (e.kind == ENTRY_INIT || e.kind == ENTRY_CONFIG || e.kind == ENTRY_CHANGE_REQUEST)
        return MS_EINVAL;
    if (r->role != RAFT_LEADER) return MS_ENOLEADER;
    bool over = r->uncommitted_bytes + payload.len > r->opts.uncommitted_bytes_max;
    if ((over && r->uncommitted_bytes > 0) || raft_is_far_ahead(r)) return MS_EBUSY;
    if (r->transfer_out.to) return MS_EBUSY; /* its successor could never catch up (diss. 3.10) */
    if (!raft_has_room_for(r, payload.len)) return MS_EBUSY;
    return raft_lead_append(r, payload, NULL);
}

static void campaign_alone(struct raft *r)
{
    if (r->role != RAFT_FOLLOWER || !raft_may_campaign(r) || !raft_is_sole_voter(r)) return;
    raft_campaign(r, RAFT_CAMPAIGN_PRE); /* whom should it wait for? */
}

/* The bootstrap configuration is in force until the log has one: index 0, never in any log. */
static int on_found(struct raft *r, const struct config *config)
{
    struct raft_log *l = &r->log;
    if (l->last_index > 0 || l->config_index > 0 || r->commit_index > 0) return 0; /* found already */
    l->config = l->settled = *config;
    raft_arm_election(r);
    campaign_alone(r);
    return 0;
}

static int on_abstain(struct raft *r, bool abstain)
{
    if (r->abstain == abstain) return 0;
    r->abstain = abstain;
    log_line(r->log_sink, LOG_INFO, "raft: %s in term %llu",
             abstain ? "abstaining" : "taking full part", (unsigned long long)r->term);
    if (abstain && r->role != RAFT_FOLLOWER) raft_become_follower(r, r->term, 0);
    if (abstain)
        r->campaign_wanted = RAFT_CAMPAIGN_NONE;
    else
        campaign_alone(r);
    return 0;
}

static int dispatch(struct raft *r, const struct raft_input *in)
{
    switch (in->kind) {
    case RAFT_INPUT_TICK: return raft_on_tick(r);
    case RAFT_INPUT_MESSAGE: return on_message(r, in->message);
    case RAFT_INPUT_STORED: return raft_on_stored(r, in->store_token);
    case RAFT_INPUT_PROPOSE: return on_propose(r, in->payload);
    case RAFT_INPUT_CHANGE: return raft_on_change(r, in->change);
    case RAFT_INPUT_TRANSFER: return raft_on_transfer(r, in->peer);
    case RAFT_INPUT_READ: return raft_on_read(r, in->read_token);
    case RAFT_INPUT_APPLIED:
        MS_ASSERT(in->index <= r->commit_index && in->index <= raft_log_durable(&r->log));
        raft_applied_to(r, in->index);
        return 0;
    case RAFT_INPUT_LINK: return raft_on_link(r, in->link.peer, in->link.up);
    case RAFT_INPUT_COMPACT: return raft_on_compact(r, in->index);
    case RAFT_INPUT_INSTALLED: return raft_on_installed(r, in);
    case RAFT_INPUT_SNAPSHOT_DONE: return raft_on_snapshot_done(r, in);
    case RAFT_INPUT_FETCHED: return raft_on_fetched(r, in);
    case RAFT_INPUT_FOUND: return on_found(r, in->config);
    case RAFT_INPUT_ABSTAIN: return on_abstain(r, in->abstain);
    case RAFT_INPUT_ROOM: return raft_on_room(r, in);
    case RAFT_INPUT_FLUSH: return 0;
    }
    return MS_EINVAL;
}

/* A leader that removed itself leads until the change is committed, then goes, and wishes the best of
 * the others to take over at once (diss. 4.2.2 and 3.10; BUGS B65). */
static void leave_if_removed(struct raft *r)
{
    if (r->role != RAFT_LEADER || config_is_voter(&r->log.config, r->opts.id)) return;
    if (r->log.config_index > r->commit_index) return;
    raft_transfer_last(r);
    log_line(r->log_sink, LOG_INFO, "raft: no voter any more: stepping down in term %llu",
             (unsigned long long)r->term);
    raft_become_follower(r, r->term, 0);
}

/* Put out what is due and may leave. Appends leave at the end of a turn, so that all that a turn
 * brought goes in one message a peer; so do acks, unless a store has ended. */
static void flush(struct raft *r, enum raft_input_kind kind)
{
    bool turn_ends = kind == RAFT_INPUT_FLUSH || kind == RAFT_INPUT_TICK;
    raft_campaign_flush(r);
    raft_vote_flush(r);
    if (turn_ends || kind == RAFT_INPUT_STORED) raft_append_flush(r);
    if (turn_ends) raft_reads_begin_round(r);
    raft_reads_flush(r);
    if (r->role != RAFT_LEADER || !turn_ends) return;
    raft_peers_expire(r);
    raft_leave_joint(r);
    raft_lease_flush(r);
    raft_transfer_tick(r); /* each turn: who sends all the time is woken for no heartbeat */
    raft_send_flush(r);
    raft_transfer_flush(r);
    leave_if_removed(r);
}

/* What was recovered is complete: look whether it holds together. */
static int begin(struct raft *r)
{
    r->started = true;
    r->seen = (struct raft_seen){ .term = r->term,
                                  .vote = r->vote,
                                  .commit_index = r->commit_index,
                                  .applied_index = r->applied_index,
                                  .role = r->role };
    if (r->applied_index > r->log.last_index) return MS_ELOSTDATA; /* the state is ahead of the log */
    r->silent_ms = r->log.last_index > 0 ? r->now_ms + r->log.config.lease_ms : 0;
    if (raft_patience_ms(r) > r->opts.election_ms_min) raft_arm_election(r); /* known only now */
    campaign_alone(r);
    return 0;
}

int raft_step(struct raft *r, uint64_t now_ms, const struct raft_input *in, struct raft_output *out)
{
    MS_ASSERT(r->magic == RAFT_MAGIC);
    MS_ASSERT(now_ms >= r->now_ms);
    r->now_ms = now_ms;
    if (raft_is_clean(r)) r->store.owed_ms = now_ms;
    r->out = out;
    out->count = 0;
    raft_send_release(r);
    int rv = r->started ? 0 : begin(r);
    if (rv == 0) rv = dispatch(r, in);
    if (rv > MS_EFATAL) {
        flush(r, in->kind);
        raft_send_fixup(r);
        raft_check(r);
    }
    r->out = NULL;
    return rv;
}
