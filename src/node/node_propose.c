/* node_propose.c: proposals of this member's clients, forwarded to the leader and applied at most once
 * (DESIGN 3, Forwarding; Raft dissertation, 6.3).
 *
 * A proposal carries (origin, added_index, incarnation, seq) and is resent to each new leader; what
 * makes the repetition harmless is the window in the state machine. It is answered when this member has
 * applied it, or at its deadline: MS_ENOLEADER if it was certainly never in a log, else MS_EUNKNOWN. */
#include "node/node_private.h"

#define PROPOSALS_AT_FIRST 16u

#define RESEND_DOUBLINGS_MAX 6u

/* After so long without having applied it, a proposal is sent again, as frames can be lost: each time after
 * twice as long. A leader whose commits take longer than the first interval would else be kept from them by
 * what it is sent, and the more so the longer they take. */
static uint64_t resend_ms(const struct node *n, uint32_t repeats)
{
    uint64_t first_ms = 10u * (uint64_t)n->opts.raft.heartbeat_ms;
    return first_ms << (repeats < RESEND_DOUBLINGS_MAX ? repeats : RESEND_DOUBLINGS_MAX);
}

static struct node_proposal *slot_of(const struct node_proposals *p, uint64_t seq)
{
    return &p->slots[seq & (p->capacity - 1)];
}

int node_proposals_init(struct node *n)
{
    struct node_proposals *p = &n->proposals;
    *p = (struct node_proposals){
        .low_seq = 1, .next_seq = 1, .unsent_seq = 1, .resend_ms = MS_TIME_NEVER
    };
    p->slots = ms_alloc_zeroed(n->alloc, PROPOSALS_AT_FIRST * sizeof *p->slots);
    if (!p->slots) return MS_ENOMEM;
    p->capacity = PROPOSALS_AT_FIRST;
    return 0;
}

static void free_bytes(struct node *n, struct bytes *b)
{
    ms_free(n->alloc, (void *)(uintptr_t)b->data);
    *b = (struct bytes){ 0 };
}

void node_proposals_fini(struct node *n)
{
    struct node_proposals *p = &n->proposals;
    for (uint64_t seq = p->low_seq; p->slots && seq < p->next_seq; seq++) {
        free_bytes(n, &slot_of(p, seq)->body);
        free_bytes(n, &slot_of(p, seq)->payload);
        node_renewals_free(n, slot_of(p, seq)->renewals);
    }
    ms_free(n->alloc, p->slots);
    p->slots = NULL;
}

/* Twice the slots; each keeps the place its seq gives it. */
static int grow(struct node *n)
{
    struct node_proposals *p = &n->proposals, old = *p;
    if (p->capacity == ORIGIN_WINDOW) return MS_EBUSY;
    struct node_proposal *slots = ms_alloc_zeroed(n->alloc, 2 * p->capacity * sizeof *slots);
    if (!slots) return MS_ENOMEM;
    p->slots = slots;
    p->capacity *= 2;
    for (uint64_t seq = old.low_seq; seq < old.next_seq; seq++) *slot_of(p, seq) = *slot_of(&old, seq);
    ms_free(n->alloc, old.slots);
    return 0;
}

static bool copy_bytes(struct node *n, struct bytes from, struct bytes *to)
{
    uint8_t *data = ms_alloc(n->alloc, from.len ? from.len : 1);
    if (!data) return false;
    if (from.len) memcpy(data, from.data, from.len);
    *to = bytes_of(data, from.len);
    return true;
}

/* A wish for a change names its configuration, and a compaction gives room. */
static bool is_write(uint8_t kind)
{
    return kind == ENTRY_TXN || (kind >= ENTRY_LEASE_GRANT && kind <= ENTRY_LEASE_RENEW);
}

int node_propose(struct node *n, uint64_t token, uint8_t kind, struct bytes body)
{
    struct node_proposals *p = &n->proposals;
    if (is_write(kind) && node_space_is_lacking(n)) return MS_ENOSPC;
    if (is_write(kind) && node_space_is_closed(n))
        return MS_ENOTREADY; /* P1: it would not be applied */
    if (p->live_count >= n->opts.requests_max) return MS_EBUSY;
    if (p->next_seq - p->low_seq >= p->capacity) {
        int rv = grow(n);
        if (rv < 0) return rv; /* MS_EBUSY: the window is full (DESIGN 3) */
    }
    struct node_proposal next = { .token = token, .kind = kind, .live = true };
    next.deadline_ms = n->now_ms + n->opts.request_ms_max;
    if (!copy_bytes(n, body, &next.body)) return MS_ENOMEM;
    *slot_of(p, p->next_seq++) = next;
    p->live_count++;
    n->counters.proposals++;
    return 0;
}

int node_propose_asking(struct node *n, uint64_t token, uint8_t kind, struct bytes body)
{
    struct node_proposals *p = &n->proposals;
    int rv = node_propose(n, token, kind, body);
    if (rv < 0) return rv;
    slot_of(p, p->next_seq - 1)->asks = true;
    p->asking_count++;
    return 0;
}

bool node_proposal_asks(const struct node *n, uint64_t seq)
{
    const struct node_proposals *p = &n->proposals;
    if (seq < p->low_seq || seq >= p->next_seq) return false;
    return slot_of(p, seq)->live && slot_of(p, seq)->asks;
}

int node_propose_compaction(struct node *n, uint64_t token, struct bytes body, uint64_t revision)
{
    struct node_proposals *p = &n->proposals;
    int rv = node_propose(n, token, ENTRY_COMPACT, body);
    if (rv == 0) slot_of(p, p->next_seq - 1)->compact_to = revision;
    return rv;
}

int node_propose_renewals(struct node *n, struct node_renewals *renewals, struct bytes body)
{
    int rv = node_propose(n, 0, ENTRY_LEASE_RENEW, body);
    if (rv == 0) slot_of(&n->proposals, n->proposals.next_seq - 1)->renewals = renewals;
    return rv;
}

/* Nothing more is expected of seq: everything below low_seq is settled. */
static void settle(struct node *n, uint64_t seq)
{
    struct node_proposals *p = &n->proposals;
    struct node_proposal *s = slot_of(p, seq);
    MS_ASSERT(s->live);
    s->live = false;
    p->live_count--;
    if (s->asks) p->asking_count--;
    free_bytes(n, &s->body);
    free_bytes(n, &s->payload);
    while (p->low_seq < p->next_seq && !slot_of(p, p->low_seq)->live) p->low_seq++;
    if (p->unsent_seq < p->low_seq) p->unsent_seq = p->low_seq;
}

/* Its end. Who waits for it is told; lease_events: as of node_proposal_applied(). */
static void settle_and_answer(struct node *n, uint64_t seq, struct node_answer *a,
                              struct bytes lease_events)
{
    struct node_proposal *s = slot_of(&n->proposals, seq);
    struct node_renewals *renewals = s->renewals;
    s->renewals = NULL;
    a->token = s->token;
    settle(n, seq);
    if (renewals)
        node_renewals_answer(n, renewals, a, lease_events);
    else
        n->host.answer(n->host.ctx, a);
}

static void settle_with(struct node *n, uint64_t seq, int status, const char *text)
{
    struct node_answer a = { .status = status, .text = text };
    n->counters.proposals_failed++;
    settle_and_answer(n, seq, &a, bytes_of(NULL, 0));
}

/* A wish for a change names the configuration it was made for, so that one that comes late (from an
 * earlier connection, or resent) is not carried out upon another. It is one that was applied: an index in the
 * log might yet come to hold another. */
static bool encode_body(struct node *n, struct node_proposal *s, struct buf *out)
{
    if (s->kind == ENTRY_CHANGE_REQUEST) {
        s->named_config = n->info.config_index;
        s->snapshots_before = n->counters.snapshots_received;
        buf_append_u64(out, s->named_config);
    }
    buf_append(out, s->body.data, s->body.len);
    return !out->failed;
}

static bool encode(struct node *n, uint64_t seq, struct node_proposal *s)
{
    buf_clear(&n->frame);
    if (!encode_body(n, s, &n->frame)) return false;
    struct entry e = { .kind = s->kind, .version = ENTRY_VERSION, .body = buf_bytes(&n->frame) };
    e.origin = (struct entry_origin){ .member_id = n->opts.id,
                                      .added_index = n->store.state.added_index,
                                      .incarnation = n->store.state.incarnation,
                                      .seq = seq,
                                      .low_seq = n->proposals.low_seq };
    buf_clear(&n->scratch);
    entry_encode(&n->scratch, &e);
    if (n->scratch.failed || !copy_bytes(n, buf_bytes(&n->scratch), &s->payload)) return false;
    if (s->kind != ENTRY_CHANGE_REQUEST) free_bytes(n, &s->body); /* those may be encoded anew */
    return true;
}

/* Members will have to dial it. */
static bool is_dialable(const char *url)
{
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    return config_url_parse(url, host, sizeof host, &port) == 0;
}

static int read_wanted(struct bytes_reader *in, struct config *wanted)
{
    int rv = config_decode(in, wanted);
    for (uint32_t i = 0; rv == 0 && i < wanted->member_count; i++) {
        const struct config_member *m = &wanted->members[i];
        if (m->roles != CONFIG_VOTER || !is_dialable(m->url)) rv = MS_EINVAL;
    }
    return rv;
}

static int step_change(struct node *n, const struct entry *e)
{
    struct bytes_reader in = bytes_reader_of(e->body);
    struct raft_change c = { .origin = e->origin };
    uint64_t config_index;
    uint8_t change, url_len;
    if (!bytes_read_u64(&in, &config_index)) return MS_EPROTO;
    if (!bytes_read_u8(&in, &change) || !bytes_read_u64(&in, &c.member_id)) return MS_EPROTO;
    if (!bytes_read_u8(&in, &url_len) || !bytes_read_copy(&in, c.url, url_len)) return MS_EPROTO;
    if (change < ENTRY_CHANGE_ADD || change > ENTRY_CHANGE_LEASE) return MS_EPROTO;
    c.change = (enum entry_change)change;
    if (c.change == ENTRY_CHANGE_ADD && !is_dialable(c.url)) return MS_EINVAL;
    struct config wanted;
    if (c.change == ENTRY_CHANGE_SET || c.change == ENTRY_CHANGE_SET_FORCED) {
        int rv = read_wanted(&in, &wanted);
        if (rv < 0) return rv == MS_ESHORT || rv == MS_ECORRUPT ? MS_EPROTO : rv;
        c.wanted = &wanted;
    }
    if (bytes_reader_left(&in) > 0) return MS_EPROTO;
    /* One of the two has not seen what the other has: it is asked again with what is known then. */
    if (config_index != raft_config_index(n->raft)) return MS_EBUSY;
    struct raft_input input = { .kind = RAFT_INPUT_CHANGE, .change = &c };
    return node_step(n, &input);
}

/* Hand an encoded proposal to our own raft, as its leader. */
static int step_proposal(struct node *n, struct bytes payload)
{
    struct entry e;
    int rv = entry_decode(payload, &e);
    if (rv < 0) return rv;
    if (e.kind == ENTRY_CHANGE_REQUEST) return step_change(n, &e); /* small, and may be the way out */
    if (raft_lacks_room(n->raft)) return MS_ENOSPC;
    struct raft_input in = { .kind = RAFT_INPUT_PROPOSE, .payload = payload };
    return node_step(n, &in);
}

/* A refusal by the leader that no repetition changes, for a proposal that is certainly in no log. */
static bool is_final_refusal(int status)
{
    /* Of these MS_ENOSPC is one only for who has not let the proposal out: see refused(). */
    return status != MS_ENOLEADER && status != MS_EBUSY && status != MS_ENOMEM &&
           status != MS_ENOTREADY && status != MS_ESTOPPED;
}

/* The sending number attempt of seq was refused. If it was the only one, the proposal is in no log. */
static void refused(struct node *n, uint64_t seq, uint64_t attempt, int status)
{
    struct node_proposal *s = slot_of(&n->proposals, seq);
    if (attempt != s->attempt || s->sends == 0) return; /* of an older sending: says nothing now */
    if (attempt == s->refused)
        return; /* the same reply again: an earlier sending is not refused by it */
    s->refused = attempt;
    s->sends--;
    s->refusal = (int16_t)status;
    if (s->sends > 0) return; /* an earlier sending may be in a log: only applying or time will tell */
    /* A frame may come twice, or late: when there is room again what has left may still be taken. */
    bool may_come_again = status == MS_ENOSPC && s->left;
    if (is_final_refusal(status) && !may_come_again) settle_with(n, seq, status, NULL);
}

/* A wish for a change names a configuration, and no leader takes it but as the next one behind that. Once
 * another is known to be the next one, no copy of it is carried out any more, and it may be asked for
 * anew. (What came in a snapshot may be its own.) */
static void renew_overtaken(struct node *n, struct node_proposal *s)
{
    if (!s->live || s->kind != ENTRY_CHANGE_REQUEST || !s->payload.data) return;
    bool overtaken =
        n->info.config_index > s->named_config && n->counters.snapshots_received == s->snapshots_before;
    if ((s->left || s->sends > 0) && !overtaken) return;
    s->sends = 0;
    s->left = false;
    free_bytes(n, &s->payload);
}

static void try_again_soon(struct node *n)
{
    uint64_t soon = n->now_ms + n->opts.raft.heartbeat_ms / 2 + 1;
    n->proposals.resend_ms = ms_time_min(n->proposals.resend_ms, soon);
}

/* Whether a sending is due: none counts, it went to another leader, or long ago (frames can be lost). In the
 * own log of a leader it stays as long as that leads (Raft, 5.3). */
static bool is_due(const struct node *n, const struct node_proposal *s)
{
    if (!s->live) return false;
    if (s->sends == 0 || s->sent_term != raft_term(n->raft)) return true;
    if (node_is_leader(n)) return false;
    return s->sent_ms + resend_ms(n, s->repeats) <= n->now_ms;
}

/* Send seq to the present leader. False: not possible now. */
static bool send_one(struct node *n, uint64_t seq)
{
    struct node_proposal *s = slot_of(&n->proposals, seq);
    uint64_t leader = raft_leader(n->raft);
    if (!s->payload.data && !encode(n, seq, s)) return false;
    bool repeats = s->sends > 0 && s->sent_term == raft_term(n->raft);
    s->repeats = repeats ? s->repeats + 1 : 0;
    s->attempt++;
    s->sends++;
    s->sent_ms = n->now_ms;
    s->sent_term = raft_term(n->raft);
    if (leader == n->opts.id) {
        bool is_change = s->kind == ENTRY_CHANGE_REQUEST;
        int rv = step_proposal(n, s->payload);
        if (rv < 0) refused(n, seq, s->attempt, rv);
        if (rv < 0 && is_change)
            try_again_soon(n); /* it waits for another change, not those behind it */
        return rv == 0 || is_change || is_final_refusal(rv);
    }
    struct node_forward m = { .attempt = s->attempt, .payload = s->payload };
    buf_clear(&n->frame);
    node_forward_encode(&n->frame, &m);
    bool queued =
        !n->frame.failed && n->host.send(n->host.ctx, leader, NODE_FRAME_FORWARD, buf_bytes(&n->frame));
    if (!queued) { /* it never left */
        s->sends--;
        s->refused = s->attempt;
    }
    s->left = s->left || queued;
    return queued;
}

/* Decided before it is proposed: no leader ever got it. */
static bool refuse_for_space(struct node *n, uint64_t seq)
{
    const struct node_proposal *s = slot_of(&n->proposals, seq);
    if (!s->live || !is_write(s->kind) || s->left || s->sends > 0) return false;
    if (!node_space_is_lacking(n)) return false;
    settle_with(n, seq, MS_ENOSPC, NULL);
    return true;
}

/* Send everything that the present leader has not got yet. */
void node_propose_pump(struct node *n)
{
    struct node_proposals *p = &n->proposals;
    if (n->failed || raft_leader(n->raft) == 0 || p->unsent_seq == p->next_seq) return;
    if (n->store.state.added_index == 0) return; /* not yet known as a member: nobody would take it */
    if (!node_state_durable(n, 1)) return;       /* the incarnation has to be */
    uint64_t term = raft_term(n->raft), end = p->next_seq;
    while (p->unsent_seq < end) {
        uint64_t seq = p->unsent_seq;
        if (refuse_for_space(n, seq)) {
            if (p->unsent_seq <= seq) p->unsent_seq = seq + 1;
            continue;
        }
        renew_overtaken(n, slot_of(p, seq));
        if (is_due(n, slot_of(p, seq)) && !send_one(n, seq)) break;
        if (n->failed || raft_term(n->raft) != term) return; /* unsent_seq has been set back */
        if (p->unsent_seq <= seq) p->unsent_seq = seq + 1;
    }
    p->resend_ms = ms_time_min(p->resend_ms, n->now_ms + resend_ms(n, 0));
}

void node_propose_again(struct node *n)
{
    n->proposals.unsent_seq = n->proposals.low_seq;
    n->proposals.resend_ms = MS_TIME_NEVER;
}

void node_propose_relink(struct node *n)
{
    struct node_proposals *p = &n->proposals;
    for (uint64_t seq = p->low_seq; seq < p->next_seq; seq++) slot_of(p, seq)->repeats = 0;
    node_propose_again(n);
}

/* Deadlines come in the order of seq, since all wait equally long. */
void node_propose_tick(struct node *n)
{
    struct node_proposals *p = &n->proposals;
    for (uint64_t seq = p->low_seq; seq < p->next_seq; seq++) {
        struct node_proposal *s = slot_of(p, seq);
        if (!s->live) continue;
        if (s->deadline_ms > n->now_ms) break;
        renew_overtaken(n, s);
        /* What has left this process is not taken back by a refusal: a frame may come twice, or late from an
         * earlier connection, and the refusal be that of its copy. */
        if (s->sends > 0 || s->left) {
            settle_with(
                n, seq, MS_EUNKNOWN,
                s->refusal == MS_EBUSY
                    ? "the leader was busy, or another change was in progress: it may still be done"
                    : "no answer in time: it may or may not be done");
        } else if (s->refusal == MS_EBUSY) {
            settle_with(n, seq, MS_EBUSY,
                        "the leader had no room for it, or another change was in progress");
        } else {
            settle_with(n, seq, MS_ENOLEADER, "no leader was found within the request timeout");
        }
    }
    if (p->resend_ms <= n->now_ms) node_propose_again(n);
}

uint64_t node_propose_deadline(const struct node *n)
{
    const struct node_proposals *p = &n->proposals;
    if (p->live_count == 0) return MS_TIME_NEVER;
    return ms_time_min(slot_of(p, p->low_seq)->deadline_ms, p->resend_ms);
}

static void reply_refusal(struct node *n, uint64_t to, const struct entry *e, uint64_t attempt,
                          int status)
{
    struct node_forward_reply m = { .incarnation = e->origin.incarnation,
                                    .seq = e->origin.seq,
                                    .attempt = attempt,
                                    .status = (int16_t)status };
    buf_clear(&n->frame);
    node_forward_reply_encode(&n->frame, &m);
    node_send_frame(n, to, NODE_FRAME_FORWARD_REPLY);
}

/* What clients can ask for; that a lease has expired says a leader, for itself. */
static bool is_forwarded(const struct entry *e)
{
    struct entry_lease_revoke v;
    switch (e->kind) {
    case ENTRY_TXN:
    case ENTRY_COMPACT:
    case ENTRY_LEASE_GRANT:
    case ENTRY_LEASE_RENEW:
    case ENTRY_CHANGE_REQUEST: return true;
    case ENTRY_LEASE_REVOKE: return entry_lease_revoke_decode(e->body, &v) == 0 && !v.expired;
    }
    return false;
}

static bool is_same_origin(const struct entry_origin *a, const struct entry_origin *b)
{
    return a->member_id == b->member_id && a->added_index == b->added_index &&
           a->incarnation == b->incarnation && a->seq == b->seq;
}

/* What was said of an earlier copy; 0: nothing final. */
static int refused_before(const struct node *n, const struct entry *e)
{
    for (uint32_t i = 0; i < NODE_REFUSED_MAX; i++) {
        const struct node_refused *r = &n->refused[i];
        if (r->status != 0 && is_same_origin(&r->origin, &e->origin)) return r->status;
    }
    return 0;
}

static int step_forwarded(struct node *n, const struct entry *e, struct bytes payload)
{
    if (!node_is_leader(n)) return MS_ENOLEADER;
    if (e->kind != ENTRY_CHANGE_REQUEST) return step_proposal(n, payload);
    int rv = refused_before(n, e);
    if (rv < 0) return rv;
    rv = step_proposal(n, payload);
    if (rv < 0 && is_final_refusal(rv)) {
        n->refused[n->refused_next++ % NODE_REFUSED_MAX] =
            (struct node_refused){ .origin = e->origin, .status = (int16_t)rv };
    }
    return rv;
}

void node_on_forward(struct node *n, uint64_t from, struct bytes body)
{
    struct node_forward m;
    struct entry e;
    int rv = node_forward_decode(body, &m);
    if (rv == 0) rv = entry_decode(m.payload, &e);
    if (rv == 0 && !is_forwarded(&e)) rv = MS_EPROTO;
    if (rv == 0 && e.origin.member_id != from) rv = MS_EPROTO; /* nobody proposes for another */
    if (rv < 0) {
        log_line(n->log, LOG_WARN, "a forwarded proposal from member %llu was refused: %s",
                 (unsigned long long)from, ms_err_text(rv));
        return;
    }
    rv = step_forwarded(n, &e, m.payload);
    if (rv < 0) reply_refusal(n, from, &e, m.attempt, rv);
}

void node_on_forward_reply(struct node *n, struct bytes body)
{
    struct node_proposals *p = &n->proposals;
    struct node_forward_reply m;
    if (node_forward_reply_decode(body, &m) < 0) return;
    if (m.incarnation != n->store.state.incarnation) return;
    if (m.seq < p->low_seq || m.seq >= p->next_seq || !slot_of(p, m.seq)->live) return;
    refused(n, m.seq, m.attempt, m.status);
    try_again_soon(n); /* not at once: the leader is busy or about to change */
}

/* Our own proposal seq came out of the log. */
void node_proposal_applied(struct node *n, uint64_t seq, const struct kv_result *result,
                           struct bytes items, struct bytes lease_events)
{
    struct node_proposals *p = &n->proposals;
    if (seq < p->low_seq || seq >= p->next_seq || !slot_of(p, seq)->live) return; /* a repetition */
    if (result->status == MS_EDUPLICATE) {
        /* Applied before without our having seen the result (it came in a snapshot), or refused. */
        settle_with(n, seq, MS_EUNKNOWN, "applied by a snapshot, or refused: its result is not known");
        return;
    }
    const struct node_proposal *s = slot_of(p, seq);
    uint64_t compact_to = s->compact_to;
    struct kv_lease_event granted;
    struct node_answer a = { .token = s->token,
                             .status = result->status,
                             .index = result->index,
                             .revision = result->revision,
                             .items = items,
                             .items_status = result->answer_status,
                             .compacted_revision = n->info.compacted_revision,
                             .lease = result->lease,
                             .result = *result };
    if (result->lease && lease_events.len == sizeof granted) {
        memcpy(&granted, lease_events.data, sizeof granted);
        node_lease_answer_time(n, granted.ms, s->deadline_ms - n->opts.request_ms_max, &a);
    }
    if (compact_to) {
        settle(n, seq);
        node_compact_applied(n, a.token, compact_to, a.status);
    } else {
        settle_and_answer(n, seq, &a, lease_events);
    }
}

int node_propose_own(struct node *n, uint8_t kind, struct bytes body)
{
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    buf_clear(&n->scratch);
    entry_encode(&n->scratch, &e);
    if (n->scratch.failed) return MS_ENOMEM;
    struct raft_input in = { .kind = RAFT_INPUT_PROPOSE, .payload = buf_bytes(&n->scratch) };
    int rv = node_step(n, &in);
    if (rv < 0) return rv;
    if (n->own_term != raft_term(n->raft)) memset(n->own_index, 0, sizeof n->own_index);
    n->own_term = raft_term(n->raft);
    n->own_index[kind] = raft_last_index(n->raft);
    return 0;
}

bool node_own_pending(const struct node *n, uint8_t kind)
{
    return n->own_term == raft_term(n->raft) && n->own_index[kind] > n->info.applied_index;
}
