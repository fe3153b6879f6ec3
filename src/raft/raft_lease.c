/* raft_lease.c: reads by lease (diss. 6.4.1), off unless the configuration says otherwise.
 *
 * A voter that has heard a leader gives its vote to nobody else for lease_ms, closed connections and
 * restarts included. So a leader that a quorum has answered leads alone until lease_ms after it *sent*
 * what they answered, by clocks whose rates differ by less than one part in RAFT_CLOCK_ERROR_DIVISOR.
 * Only who holds the entry that switched leases on, durably, knows of that duty and counts. No lease in
 * a term in which TIMEOUT_NOW was sent: that one releases the voters from their patience. */
#include "raft/raft_private.h"

uint64_t raft_patience_ms(const struct raft *r)
{
    uint64_t lease_ms = r->log.config.lease_ms, own = r->opts.election_ms_min;
    return lease_ms > own ? lease_ms : own;
}

/* Whoever has heard a leader gives its vote to nobody else for so long, itself included, whatever it
 * learns meanwhile: of a closed connection, or of a higher term, which makes it forget who led. Whom it
 * heard before it was started anew it does not know, and waits as long as any lease may last. Nobody
 * else has a say where it is the sole voter. */
bool raft_is_patient(const struct raft *r)
{
    uint64_t until_ms = r->silent_ms;
    if (r->log.config.lease_ms == 0 || raft_is_sole_voter(r)) return false;
    if (r->leader_heard_ms) until_ms = ms_time_max(until_ms, r->leader_heard_ms + raft_patience_ms(r));
    return r->now_ms < until_ms;
}

void raft_round_begin(struct raft *r)
{
    r->round++;
    r->rounds[r->round % RAFT_ROUNDS_KEPT] =
        (struct raft_round){ .number = r->round, .begun_ms = r->now_ms };
}

/* An entry of this term on the peer means that nothing of another leader's stands behind it there: no
 * later configuration, still to be rolled back, tells it that leases are off. */
static uint64_t leased_round(const struct raft *r, uint64_t id)
{
    if (id == r->opts.id) return r->round;
    const struct raft_peer *p = raft_peer_find(r, id);
    if (!p || p->abstains || p->counted_match < r->log.config.lease_index) return 0;
    return raft_log_term(&r->log, p->counted_match) == r->term ? p->counted_round : 0;
}

bool raft_lease_held(const struct raft *r)
{
    uint64_t lease_ms = r->log.config.lease_ms;
    uint64_t error_ms = lease_ms / RAFT_CLOCK_ERROR_DIVISOR + RAFT_CLOCK_GRAIN_MS;
    if (r->role != RAFT_LEADER || lease_ms <= error_ms) return false;
    /* Once it has appended its own removal, a voter that is left alone by that waits for nobody. */
    if (!config_is_voter(&r->log.config, r->opts.id)) return false;
    if (r->transfer_out.sent || !raft_committed_own_term(r)) return false;
    uint64_t number = raft_quorum(r, &r->log.config, leased_round);
    const struct raft_round *round = &r->rounds[number % RAFT_ROUNDS_KEPT];
    if (number == 0 || round->number != number) return false;
    return r->now_ms < round->begun_ms + lease_ms - error_ms;
}

/* Each heartbeat carries a round of its own, so that its answers prolong the lease. */
void raft_lease_flush(struct raft *r)
{
    if (r->log.config.lease_ms == 0 || r->now_ms < r->lease_round_ms) return;
    r->lease_round_ms = r->now_ms + r->opts.heartbeat_ms;
    raft_round_begin(r);
}
