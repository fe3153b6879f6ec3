/* raft_role.c: becoming follower, candidate, leader.
 *
 * A campaign runs only from durable state: no store under way, nothing unstored (BUGS B08). If the time
 * comes earlier, the wish is kept in campaign_wanted and fulfilled by the step that reports the store.
 * The vote for oneself counts, and the requests leave, when the new term and vote are durable. */
#include "raft/raft_private.h"

bool raft_term_is_durable(const struct raft *r)
{
    return r->durable_term == r->term;
}

bool raft_committed_own_term(const struct raft *r)
{
    return r->commit_index > 0 && raft_log_term(&r->log, r->commit_index) == r->term;
}

/* Not by a learner, not by one who was removed or knows no configuration (BUGS B66, B67), not while
 * abstaining (DESIGN 4). */
bool raft_may_campaign(const struct raft *r)
{
    if (r->abstain) return false;
    if (config_is_voter(&r->log.config, r->opts.id)) return true;
    /* A voter whose removal is not committed may be the only one whose log can win: it goes on starting
     * elections, without counting itself, until it is (diss. 4.2.2). */
    bool removal_is_open = r->log.config_index > r->commit_index;
    return removal_is_open && raft_log_was_voter(&r->log, r->opts.id);
}

void raft_arm_election(struct raft *r)
{
    uint64_t min = raft_patience_ms(r);
    r->election_ms = r->now_ms + min + ms_rand_below(&r->rand_election, min); /* Raft, 5.2 */
}

static void forget_leadership(struct raft *r)
{
    r->peer_count = 0;
    r->transfer_out = (struct raft_transfer){ 0 };
    r->remote_count = 0; /* the askers notice by themselves that the leader is another one */
    r->round = 0;
}

static void log_follower(const struct raft *r)
{
    unsigned long long leader = r->leader, term = r->term;
    if (leader)
        log_line(r->log_sink, LOG_INFO, "raft: follower of %llu in term %llu", leader, term);
    else
        log_line(r->log_sink, LOG_INFO, "raft: follower without a leader in term %llu", term);
}

void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader)
{
    bool was_leader = r->role == RAFT_LEADER, was_follower = r->role == RAFT_FOLLOWER;
    bool other_term = term != r->term, other_leader = leader != r->leader;
    MS_ASSERT(term >= r->term); /* R3 */
    if (was_leader) forget_leadership(r);
    r->role = RAFT_FOLLOWER;
    r->tally.count = 0;
    r->ask_due = r->doubting = false;
    r->campaign_wanted = RAFT_CAMPAIGN_NONE;
    r->transfer = false;
    if (other_term) {
        r->term = term;
        r->vote = 0; /* in a new term only (BUGS B41) */
        r->deferred_count = 0;
    }
    r->leader = leader;
    if (other_term || other_leader) {
        r->follow = (struct raft_follow){ 0 };
        raft_reads_fail(r);
    }
    if (other_term) raft_doubt_next(r);
    /* Only a role that did not wait for an election gets a fresh timeout: merely hearing of a higher
     * term does not put the election off (BUGS B83). */
    if (!was_follower) raft_arm_election(r);
    if (was_leader || other_leader || !was_follower) {
        log_follower(r);
    }
}

void raft_follow_leader(struct raft *r, uint64_t term, uint64_t leader)
{
    if (r->role != RAFT_FOLLOWER || r->term != term || r->leader != leader) {
        raft_become_follower(r, term, leader);
    }
    r->campaign_wanted = RAFT_CAMPAIGN_NONE;
    raft_doubt_heard(r);
    r->leader_heard_ms = r->now_ms;
    r->leader_link_down = false;
    r->handed_to = 0;
    raft_arm_election(r);
}

static void become_candidate(struct raft *r, enum raft_campaign kind)
{
    if (r->role == RAFT_LEADER) forget_leadership(r);
    if (r->leader != 0) raft_reads_fail(r);
    r->leader = 0;
    r->tally.count = 0; /* nothing of an earlier campaign counts (BUGS B40, B61) */
    r->ask_due = true;
    r->doubting = false;
    r->follow = (struct raft_follow){ 0 };
    r->transfer = kind == RAFT_CAMPAIGN_TRANSFER;
    if (kind == RAFT_CAMPAIGN_PRE) { /* term and vote stay as they are (diss. 9.6) */
        r->role = RAFT_PRE_CANDIDATE;
        log_line(r->log_sink, LOG_INFO, "raft: pre-candidate in term %llu",
                 (unsigned long long)r->term);
        return;
    }
    r->role = RAFT_CANDIDATE;
    r->term++;
    raft_doubt_next(r);
    r->vote = r->opts.id;
    r->deferred_count = 0;
    log_line(r->log_sink, LOG_INFO, "raft: candidate in term %llu", (unsigned long long)r->term);
}

void raft_campaign(struct raft *r, enum raft_campaign kind)
{
    MS_ASSERT(r->role != RAFT_LEADER);
    raft_arm_election(r);
    if (!raft_may_campaign(r)) return;
    if (kind != RAFT_CAMPAIGN_TRANSFER && raft_is_patient(r))
        return; /* the timeout was armed before it knew */
    /* Nobody else has a say: no pre-vote. */
    if (kind == RAFT_CAMPAIGN_PRE && raft_is_sole_voter(r)) kind = RAFT_CAMPAIGN_VOTE;
    if (!raft_is_clean(r)) {
        if (kind > r->campaign_wanted) r->campaign_wanted = kind;
        return;
    }
    r->campaign_wanted = RAFT_CAMPAIGN_NONE;
    become_candidate(r, kind);
}

void raft_campaign_stored(struct raft *r)
{
    enum raft_campaign wanted = r->campaign_wanted;
    if (wanted == RAFT_CAMPAIGN_NONE || !raft_is_clean(r)) return;
    r->campaign_wanted = RAFT_CAMPAIGN_NONE; /* may it not: then the timeout asks again */
    raft_campaign(r, wanted);
}

/* The requests of the campaign, and the vote for oneself, once the state behind them is durable. */
void raft_campaign_flush(struct raft *r)
{
    bool pre = r->role != RAFT_CANDIDATE; /* of a pre-candidate, or a follower that doubts */
    if (!r->ask_due || !raft_term_is_durable(r)) return;
    if (!pre && r->durable_vote != r->opts.id) return;
    r->ask_due = false;
    const struct config *c = &r->log.config;
    uint64_t last = raft_log_durable(&r->log);
    for (uint32_t i = 0; i < c->member_count; i++) {
        uint64_t id = c->members[i].id;
        if (id == r->opts.id || !config_is_voter(c, id)) continue;
        struct raft_msg m = { .type = RAFT_MSG_VOTE, .to = id, .term = r->term + pre };
        m.vote.pre = pre;
        m.vote.transfer = r->transfer;
        m.vote.last_index = last;
        m.vote.last_term = raft_log_term(&r->log, last);
        raft_send(r, &m);
    }
    raft_tally_add(r, r->opts.id, true);
    raft_tally_decide(r);
}

void raft_tally_add(struct raft *r, uint64_t id, bool granted)
{
    struct raft_tally *t = &r->tally;
    if (!config_is_voter(&r->log.config, id)) return;
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->ids[i] == id) return; /* one voter, one vote (BUGS B61) */
    }
    MS_ASSERT(t->count < MS_MEMBERS_MAX);
    t->ids[t->count] = id;
    t->ballots[t->count++] = granted ? RAFT_BALLOT_GRANTED : RAFT_BALLOT_REFUSED;
}

static enum raft_ballot ballot_of(const struct raft *r, uint64_t id)
{
    for (uint32_t i = 0; i < r->tally.count; i++) {
        if (r->tally.ids[i] == id) return r->tally.ballots[i];
    }
    return RAFT_BALLOT_NONE;
}

static uint64_t has_granted(const struct raft *r, uint64_t id)
{
    return ballot_of(r, id) == RAFT_BALLOT_GRANTED;
}

static uint64_t may_grant(const struct raft *r, uint64_t id)
{
    return ballot_of(r, id) != RAFT_BALLOT_REFUSED;
}

/* The first entry of a cluster names it and its members; every later leader begins with an entry of its
 * own term, which lets it commit what it inherited (Raft, section 8). */
static int first_entry(struct raft *r)
{
    struct entry e = { .kind = ENTRY_NOOP, .version = ENTRY_VERSION };
    bool founds = r->log.last_index == 0 && r->log.config_index == 0;
    struct buf members;
    buf_init(&members, r->alloc, MS_UUID_BYTES + CONFIG_ENCODED_BYTES_MAX);
    if (founds) {
        e.kind = ENTRY_INIT;
        buf_append(&members, r->opts.cluster_uuid, MS_UUID_BYTES);
        config_encode(&members, &r->log.config);
        e.body = buf_bytes(&members);
    }
    buf_clear(&r->scratch);
    entry_encode(&r->scratch, &e);
    int rv = members.failed || r->scratch.failed ? MS_ENOMEM : 0;
    buf_fini(&members);
    if (rv < 0) return rv;
    if (founds) {
        r->scratch_config = r->log.config;
        config_resolve(&r->scratch_config, 1);
    }
    return raft_append(r, r->term, buf_bytes(&r->scratch), founds ? &r->scratch_config : NULL);
}

static void become_leader(struct raft *r)
{
    MS_ASSERT(r->role == RAFT_CANDIDATE && r->vote == r->opts.id);
    MS_ASSERT(raft_is_clean(r));
    r->role = RAFT_LEADER;
    r->leader = r->opts.id;
    r->campaign_wanted = RAFT_CAMPAIGN_NONE; /* of a timeout before the votes came */
    r->tally.count = 0;
    r->round = 0;
    memset(r->rounds, 0, sizeof r->rounds);
    r->lease_round_ms = 0;
    r->check_ms = r->now_ms + r->opts.election_ms_min;
    log_line(r->log_sink, LOG_INFO, "raft: leader in term %llu, last index %llu, commit index %llu",
             (unsigned long long)r->term, (unsigned long long)r->log.last_index,
             (unsigned long long)r->commit_index);
    raft_peers_begin(r);
    raft_transfer_again(r);
    if (first_entry(r) == 0) {
        raft_peers_resolve(r);
        return;
    }
    log_line(r->log_sink, LOG_WARN, "raft: no memory to begin term %llu", (unsigned long long)r->term);
    raft_become_follower(r, r->term, 0);
}

void raft_tally_decide(struct raft *r)
{
    const struct config *c = &r->log.config;
    if (raft_quorum(r, c, has_granted)) {
        if (r->role == RAFT_CANDIDATE)
            become_leader(r);
        else
            raft_campaign(r, RAFT_CAMPAIGN_VOTE); /* no longer a wish only (diss. 9.6) */
    } else if (raft_quorum(r, c, may_grant) == 0) {
        if (r->doubting)
            r->doubting = false;
        else
            raft_become_follower(r, r->term, 0); /* cannot win any more: another timeout decides */
    }
}

int raft_lead_append(struct raft *r, struct bytes payload, const struct config *config)
{
    MS_ASSERT(r->role == RAFT_LEADER);
    int rv = raft_append(r, r->term, payload, config);
    if (rv == 0 && config) raft_peers_sync(r);
    return rv;
}
