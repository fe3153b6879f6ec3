/* raft_progress.c: what a leader knows of its peers: how far their logs agree with its own, and how
 * much is under way to them (Raft, 5.3; diss. 10.2.2, pipelining).
 *
 *   match  durable on the peer and equal to ours; it never falls in a term, except for a peer that says
 *          it abstains: that one may have lost what it once had, and its acks do not count (DESIGN 4)
 *   next   the next entry to send; in REPLICATE it runs ahead of match, and what lies between is in the
 *          inflight window */
#include "raft/raft_private.h"

struct raft_peer *raft_peer_find(const struct raft *r, uint64_t id)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == id) return &r->peers[i];
    }
    return NULL;
}

bool raft_peer_recent(const struct raft *r, const struct raft_peer *p)
{
    return !p->abstains && r->now_ms < p->heard_ms + r->opts.election_ms_min;
}

bool raft_peer_live(const struct raft *r, const struct raft_peer *p)
{
    return p->answered && raft_peer_recent(r, p);
}

uint64_t raft_lives(const struct raft *r, uint64_t id)
{
    const struct raft_peer *p = raft_peer_find(r, id);
    return id == r->opts.id || (p && raft_peer_live(r, p));
}

uint64_t raft_may_live(const struct raft *r, uint64_t id)
{
    const struct raft_peer *p = raft_peer_find(r, id);
    return id == r->opts.id || (p && raft_peer_recent(r, p));
}

static void inflight_clear(struct raft_peer *p)
{
    p->inflight_first = p->inflight_count = 0;
    p->inflight_bytes = 0; /* nothing of the window may leak (BUGS B76) */
}

static void inflight_free_to(struct raft_peer *p, uint64_t match)
{
    while (p->inflight_count > 0 && p->inflight[p->inflight_first].last_index <= match) {
        p->inflight_bytes -= p->inflight[p->inflight_first].bytes;
        p->inflight_first = (p->inflight_first + 1) % RAFT_INFLIGHT_MAX;
        p->inflight_count--;
    }
}

bool raft_peer_window_open(const struct raft *r, const struct raft_peer *p)
{
    if (p->inflight_count >= r->opts.inflight_count_max) return false;
    return p->inflight_count == 0 || p->inflight_bytes < r->opts.inflight_bytes_max;
}

void raft_peer_sent(struct raft_peer *p, uint64_t last_index, uint64_t bytes)
{
    if (p->state == RAFT_PEER_PROBE) {
        p->probe_sent = true;
        p->probe_last = last_index;
        p->probe_bytes = bytes;
        return;
    }
    uint32_t at = (p->inflight_first + p->inflight_count++) % RAFT_INFLIGHT_MAX;
    MS_ASSERT(p->inflight_count <= RAFT_INFLIGHT_MAX);
    p->inflight[at] = (struct raft_inflight){ last_index, bytes };
    p->inflight_bytes += bytes;
    p->next = last_index + 1; /* optimistic: it will arrive */
}

void raft_peer_probe(struct raft_peer *p, uint64_t next)
{
    MS_ASSERT(next > p->match);
    p->state = RAFT_PEER_PROBE;
    p->next = next;
    p->probe_sent = false;
    p->probe_last = 0;
    inflight_clear(p);
}

/* The probe was taken, and with it what it carried, though that may not be durable yet. */
static void replicate(struct raft_peer *p)
{
    p->state = RAFT_PEER_REPLICATE;
    p->probe_sent = false;
    if (p->probe_last >= p->next) raft_peer_sent(p, p->probe_last, p->probe_bytes);
}

void raft_peer_took(struct raft *r, struct raft_peer *p, uint64_t match)
{
    if (match > p->match) p->match = match; /* acks may come out of order (BUGS B37) */
    p->doubt_round = 0;
    if (!p->abstains && match > p->counted_match) p->counted_match = match;
    if (p->next <= p->match) p->next = p->match + 1;
    inflight_free_to(p, p->match);
    if (p->state == RAFT_PEER_SNAPSHOT && p->match >= r->log.base_index) {
        raft_peer_probe(p, p->match + 1); /* it has what it needs, from wherever */
    }
    if (p->state == RAFT_PEER_PROBE) replicate(p);
    if (p->gone_round && p->gone_index <= match && p->counted_round >= p->gone_round) {
        p->gone_ms = r->now_ms; /* it knows that it was removed */
    }
    raft_commit_advance(r);
}

static void match_anew(struct raft_peer *p)
{
    p->match = p->counted_match = p->seen_match = 0;
    p->doubt_round = 0;
}

/* Whether a refusal shows a log without what its peer has acknowledged in this term: shorter, or with an entry
 * of an earlier term there. What it shows is its newest entry up to the one that was tried (Raft, 5.3). */
static bool lacks_match(const struct raft *r, const struct raft_peer *p, const struct raft_msg *m)
{
    return m->append_reply.hint_index < p->match ||
           m->append_reply.hint_term < raft_log_term(&r->log, p->match);
}

/* Only one that abstains may say so of itself: damage cut its log, or brought back what it had replaced. Its
 * match begins anew (K18, seed 2005000287). */
static void forget_match(const struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
    if (p->abstains && lacks_match(r, p, m)) match_anew(p);
}

/* It refuses what it has acknowledged in this term. A refusal of a round begun after the acknowledgement
 * came is no late one: its disk has lost what it had called durable, and nobody can have noticed. Who
 * insists on the old match never reaches it again (K18, seed 720000001). */
static bool has_lost(struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
    uint64_t prev = m->append_reply.prev_index;
    if (prev > p->match || !lacks_match(r, p, m)) return false;
    if (p->state != RAFT_PEER_PROBE || prev != p->next - 1) return false;
    if (p->doubt_round != 0) return m->append_reply.round >= p->doubt_round;
    raft_round_begin(r);
    p->doubt_round = r->round;
    return false;
}

/* Our newest entry up to index whose term is at most term; below the base nothing is known, and whoever
 * has to go there needs a snapshot. */
static uint64_t newest_of_term(const struct raft_log *l, uint64_t index, uint64_t term)
{
    if (index < l->base_index) return index;
    index = raft_log_find_term(l, index, term);
    return index == l->base_index && l->base_term > term ? index - 1 : index;
}

void raft_peer_rejected(struct raft *r, struct raft_peer *p, const struct raft_msg *m)
{
    uint64_t prev = m->append_reply.prev_index, hint = m->append_reply.hint_index;
    forget_match(r, p, m);
    if (has_lost(r, p, m)) match_anew(p);
    if (prev <= p->match) return; /* of an append long overtaken */
    if (p->state == RAFT_PEER_SNAPSHOT) return;
    if (p->state == RAFT_PEER_PROBE && prev != p->next - 1) return; /* of an earlier probe */
    /* Our newest entry up to the hint whose term is at most the hint's: what lies between belongs to
     * terms the peer does not have there (Raft, 5.3 at its end). */
    uint64_t agree = hint < prev ? hint : prev;
    agree = newest_of_term(&r->log, agree, m->append_reply.hint_term);
    if (agree < p->match) agree = p->match;
    bool stuck = p->state == RAFT_PEER_PROBE && agree + 1 == p->next;
    raft_peer_probe(p, agree + 1);
    p->probe_sent = stuck; /* it takes nothing now: the next heartbeat asks again */
}

/* --- the set of peers --- */

static struct raft_peer *peer_of_member(const struct raft *r, const struct config_member *m)
{
    struct raft_peer *p = raft_peer_find(r, m->id);
    return p && p->added_index == m->added_index ? p : NULL;
}

static void peer_remove(struct raft *r, struct raft_peer *p)
{
    uint32_t at = (uint32_t)(p - r->peers);
    r->peer_count--;
    memmove(p, p + 1, (r->peer_count - at) * sizeof *p);
}

/* The place for one more: of the removed peers the oldest has had the longest time to hear of it. */
static struct raft_peer *peer_add(struct raft *r)
{
    for (uint32_t i = 0; r->peer_count == RAFT_PEERS_MAX && i < r->peer_count; i++) {
        if (r->peers[i].gone_index) peer_remove(r, &r->peers[i]);
    }
    MS_ASSERT(r->peer_count < RAFT_PEERS_MAX); /* members without oneself are fewer */
    return &r->peers[r->peer_count++];
}

static void peer_begin(struct raft *r, const struct config_member *m)
{
    struct raft_peer *old = raft_peer_find(r, m->id);
    if (old) peer_remove(r, old); /* an earlier life of this id */
    struct raft_peer *p = peer_add(r);
    memset(p, 0, sizeof *p);
    p->id = m->id;
    p->added_index = m->added_index;
    p->heard_ms = r->now_ms; /* a grace of one election timeout */
    p->heartbeat_ms = r->now_ms;
    raft_peer_probe(p, r->log.last_index + 1);
}

/* The leader that founds a cluster has its peers before the entry that adds them has an index. */
void raft_peers_resolve(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct config_member *m = config_find(&r->log.config, r->peers[i].id);
        if (r->peers[i].added_index == 0 && m) r->peers[i].added_index = m->added_index;
    }
}

void raft_peers_sync(struct raft *r)
{
    const struct config *c = &r->log.config;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        const struct config_member *m = config_find(c, p->id);
        bool member = m && m->added_index == p->added_index;
        if (!member && p->gone_index == 0) p->gone_index = r->log.config_index;
    }
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        if (m->id != r->opts.id && !peer_of_member(r, m)) peer_begin(r, m);
    }
}

void raft_peers_begin(struct raft *r)
{
    r->peer_count = 0;
    raft_peers_sync(r);
}

/* A peer whose removal is committed is served until it has acknowledged that in a round begun after it,
 * or until a bound has passed (DESIGN 3). */
void raft_peers_committed(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (p->gone_index == 0 || p->gone_round || p->gone_index > r->commit_index) continue;
        raft_round_begin(r);
        p->gone_round = r->round;
        p->gone_ms = r->now_ms + (uint64_t)RAFT_GONE_TIMEOUTS * r->opts.election_ms_min;
    }
}

void raft_peers_expire(struct raft *r)
{
    for (uint32_t i = r->peer_count; i-- > 0;) {
        struct raft_peer *p = &r->peers[i];
        if (p->gone_round && p->gone_ms <= r->now_ms) peer_remove(r, p);
    }
}
