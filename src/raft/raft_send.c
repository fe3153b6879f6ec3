/* raft_send.c: messages out, and a leader's appends: entries, heartbeats, commit news and read rounds
 * all travel in the same message, one a peer and turn.
 *
 * A heartbeat's prev is the last entry sent, not the last acknowledged. So if anything under way was
 * lost, the next heartbeat is rejected and the peer probed from where it really is; if nothing was, it
 * costs nothing. No timer has to guess. */
#include "raft/raft_private.h"

bool raft_has_room(const struct raft *r)
{
    return r->out->count < RAFT_OUTPUT_PER_STEP_MAX - RAFT_OUTPUT_LAST_MAX;
}

static struct raft_output_item *put(struct raft *r, enum raft_output_kind kind)
{
    MS_ASSERT(r->out->count < RAFT_OUTPUT_PER_STEP_MAX);
    struct raft_output_item *item = &r->out->items[r->out->count++];
    memset(item, 0, sizeof *item);
    item->kind = kind;
    return item;
}

void raft_send(struct raft *r, struct raft_msg *m)
{
    MS_ASSERT(raft_term_is_durable(r)); /* nothing of a term leaves before it is durable */
    m->from = r->opts.id;
    if (m->term == 0) m->term = r->term;
    put(r, RAFT_OUTPUT_SEND)->message = *m;
}

/* Room in the pool for one more entry of an append. */
static bool pool_grow(struct raft *r)
{
    if (r->pool_count < r->pool_cap) return true;
    uint32_t cap = r->pool_cap ? r->pool_cap * 2 : 256;
    struct raft_msg_entry *pool = ms_resize(r->alloc, r->pool, cap * sizeof *pool);
    if (!pool) return false;
    r->pool = pool;
    r->pool_cap = cap;
    return true;
}

/* The pool may have moved while it grew: only now are the addresses final. */
void raft_send_fixup(struct raft *r)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < r->out->count; i++) {
        struct raft_output_item *item = &r->out->items[i];
        if (item->kind != RAFT_OUTPUT_SEND || item->message.type != RAFT_MSG_APPEND) continue;
        if (item->message.append.count == 0) continue;
        item->message.append.entries = r->pool + at;
        at += item->message.append.count;
    }
    MS_ASSERT(at == r->pool_count);
}

void raft_send_release(struct raft *r)
{
    for (uint32_t i = 0; i < r->held_count; i++) entry_ref_drop(r->alloc, r->held[i]);
    r->held_count = r->pool_count = 0;
}

static void pool_add(struct raft *r, struct entry_ref *e)
{
    r->pool[r->pool_count++] =
        (struct raft_msg_entry){ .term = e->term, .payload = entry_ref_payload(e), .ref = e };
}

/* Whether an entry of len bytes goes into an append of count entries and bytes so far. */
static bool fits_append(const struct raft *r, uint32_t count, uint64_t bytes, uint64_t len)
{
    if (count == 0) return true; /* one entry always fits */
    return count < RAFT_MSG_ENTRIES_MAX && bytes + len <= r->opts.append_bytes_max;
}

/* Collect entries from p->next on into the pool. Returns how many. */
static uint32_t collect(struct raft *r, const struct raft_peer *p, uint64_t *bytes)
{
    uint32_t count = 0;
    *bytes = 0;
    for (uint64_t i = p->next; i <= r->log.last_index; i++, count++) {
        struct entry_ref *e = raft_log_entry(&r->log, i); /* consecutive (BUGS B24) */
        if (!e || !fits_append(r, count, *bytes, e->payload_len) || !pool_grow(r)) break;
        *bytes += e->payload_len;
        pool_add(r, e);
    }
    return count;
}

/* An append of the last count entries of the pool, which follow prev. */
static void put_append(struct raft *r, struct raft_peer *p, uint64_t prev, uint32_t count)
{
    struct raft_msg m = { .type = RAFT_MSG_APPEND, .to = p->id };
    m.append.prev_index = prev;
    m.append.prev_term = raft_log_term(&r->log, prev);
    m.append.commit_index = r->commit_index;
    m.append.round = r->round;
    m.append.count = count;
    if (p->state == RAFT_PEER_SNAPSHOT && m.append.commit_index > p->match)
        m.append.commit_index = p->match;
    MS_ASSERT(prev == 0 || m.append.prev_term != 0);
    raft_send(r, &m);
    p->heartbeat_ms = r->now_ms + r->opts.heartbeat_ms;
    p->sent_round = r->round;
    p->sent_commit = r->commit_index;
}

/* A heartbeat, a new round, or news of the commit index (a member that waits for its own entry to be
 * committed hears of it at once). */
static bool is_due(const struct raft *r, const struct raft_peer *p)
{
    if (p->heartbeat_ms <= r->now_ms || p->sent_round < r->round) return true;
    return p->sent_commit < r->commit_index && p->match > p->sent_commit;
}

/* Whether p is there to take a snapshot: a transfer holds a view of the state and a piece of the log,
 * and who is down would hold them for ever. Heartbeats find out when it is back. */
static bool answers(const struct raft *r, const struct raft_peer *p)
{
    return p->reply_ms != 0 && r->now_ms < p->reply_ms + r->opts.election_ms_min;
}

static void ask_snapshot(struct raft *r, struct raft_peer *p)
{
    p->snapshot_ms = r->now_ms + 2 * (uint64_t)r->opts.election_ms_min; /* in case the wish is lost */
    put(r, RAFT_OUTPUT_SNAPSHOT)->peer = p->id;
}

static void ask_fetch(struct raft *r, struct raft_peer *p)
{
    uint64_t last = r->log.ring_first - 1, most = p->next + RAFT_MSG_ENTRIES_MAX - 1;
    struct raft_output_item *item = put(r, RAFT_OUTPUT_FETCH);
    item->fetch.peer = p->id;
    item->fetch.first_index = p->next;
    item->fetch.last_index = last < most ? last : most;
    p->fetching = true;
}

/* Those with room do without it, so it keeps what it holds back. */
static bool is_spared(const struct raft *r, const struct raft_peer *p)
{
    return p->closed && r->transfer_out.to != p->id && raft_has_spare_quorum(r);
}

/* True: an append with entries was put out, and there may be more for this peer. */
static bool send_entries(struct raft *r, struct raft_peer *p)
{
    uint64_t bytes, prev = p->next - 1;
    if (is_spared(r, p)) return false;
    if (p->state == RAFT_PEER_SNAPSHOT || p->next > r->log.last_index) return false;
    if (p->state == RAFT_PEER_PROBE && p->probe_sent) return false;
    if (p->state == RAFT_PEER_REPLICATE && !raft_peer_window_open(r, p)) return false;
    uint32_t count = collect(r, p, &bytes);
    if (count == 0) return false;
    put_append(r, p, prev, count);
    raft_peer_sent(p, prev + count, bytes);
    return true;
}

static bool wants_fetch(const struct raft *r, const struct raft_peer *p)
{
    if (p->state != RAFT_PEER_REPLICATE || p->fetching || is_spared(r, p)) return false;
    if (r->now_ms < p->fetch_ms) return false;
    return p->next < r->log.ring_first && p->next <= r->log.last_index && raft_peer_window_open(r, p);
}

/* The first message of this step to p, if any is due. True: more may follow. */
static bool send_first(struct raft *r, struct raft_peer *p)
{
    bool due = is_due(r, p);
    if (p->heartbeat_ms <= r->now_ms) p->probe_sent = false;
    if (p->state != RAFT_PEER_SNAPSHOT && p->next - 1 < r->log.base_index) {
        p->state = RAFT_PEER_SNAPSHOT;
        p->snapshot_ms = r->now_ms;
    }
    if (p->state == RAFT_PEER_SNAPSHOT && p->snapshot_ms <= r->now_ms && answers(r, p) && !p->full)
        ask_snapshot(r, p); /* a snapshot needs room in any case */
    if (wants_fetch(r, p)) ask_fetch(r, p);
    if (send_entries(r, p)) return true;
    if (p->state == RAFT_PEER_PROBE && !p->probe_sent) due = true;
    if (!due) return false;
    put_append(r, p, p->state == RAFT_PEER_SNAPSHOT ? 0 : p->next - 1, 0);
    if (p->state == RAFT_PEER_PROBE) p->probe_sent = true;
    return false;
}

void raft_send_flush(struct raft *r)
{
    bool more[RAFT_PEERS_MAX], any = true;
    for (uint32_t i = 0; i < r->peer_count; i++) more[i] = send_first(r, &r->peers[i]);
    for (uint32_t pass = 1; pass < RAFT_SEND_PASSES_MAX && any; pass++) {
        any = false;
        for (uint32_t i = 0; i < r->peer_count; i++) {
            if (!more[i] || !raft_has_room(r)) continue;
            more[i] = send_entries(r, &r->peers[i]);
            any = any || more[i];
        }
    }
}

static bool hold(struct raft *r, struct entry_ref *e)
{
    if (r->held_count == r->held_cap) {
        uint32_t cap = r->held_cap ? r->held_cap * 2 : 64;
        struct entry_ref **held = ms_resize(r->alloc, r->held, cap * sizeof *held);
        if (!held) return false;
        r->held = held;
        r->held_cap = cap;
    }
    r->held[r->held_count++] = entry_ref_hold(e);
    return true;
}

/* One append of fetched entries from p->next on. Returns how many entries it carries. */
static uint32_t send_fetched(struct raft *r, struct raft_peer *p, struct entry_ref **entries,
                             uint32_t most)
{
    uint64_t bytes = 0, prev = p->next - 1;
    uint32_t count = 0;
    for (; count < most; count++) {
        struct entry_ref *e = entries[count];
        if (e->index != p->next + count || e->term != raft_log_term(&r->log, e->index)) break;
        if (!fits_append(r, count, bytes, e->payload_len) || !pool_grow(r) || !hold(r, e)) break;
        bytes += e->payload_len;
        pool_add(r, e);
    }
    if (count == 0) return 0;
    put_append(r, p, prev, count);
    raft_peer_sent(p, prev + count, bytes);
    return count;
}

/* Entries from disk go out at once, as far as the window allows; what it does not allow is fetched
 * again later. A completion for somebody who is not waiting for it any more changes nothing. */
int raft_on_fetched(struct raft *r, const struct raft_input *in)
{
    struct raft_peer *p = raft_peer_find(r, in->fetched.peer);
    if (r->role != RAFT_LEADER || !p) return 0;
    p->fetching = false;
    /* By time, not with the next heartbeat: while reads are served an append leaves before any is due. */
    if (in->fetched.status < 0) p->fetch_ms = r->now_ms + r->opts.heartbeat_ms;
    uint32_t at = 0;
    while (in->fetched.status >= 0 && at < in->fetched.count && p->state == RAFT_PEER_REPLICATE) {
        bool fits = raft_peer_window_open(r, p) && r->out->count < RAFT_OUTPUT_PER_STEP_MAX / 4;
        if (!fits || p->next - 1 < r->log.base_index) break;
        uint32_t sent = send_fetched(r, p, in->fetched.entries + at, in->fetched.count - at);
        if (sent == 0) break;
        at += sent;
    }
    return 0;
}
