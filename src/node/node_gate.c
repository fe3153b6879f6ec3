/* node_gate.c: who this member is, whether it may vote, and what a leader does about others' identity
 * (DESIGN 4).
 *
 * Fresh: knows no committed entry. The gate: a fresh member without --join may vote only after a
 * majority of the entries of --cluster, itself included, have said of late that they are fresh and have
 * the same list, and nobody it reached knows a committed entry. Passing is durable before raft hears of
 * it; so is having found the cluster running, or a majority that has lost its disks, one after the
 * other, would found a second one.
 */
#include "node/node_private.h"

/* What is written down counts as well: after a restart of the memory engine nothing is applied and
 * nothing known to be committed, whatever the log holds. */
bool node_is_fresh(const struct node *n)
{
    static const uint8_t unknown[MS_UUID_BYTES];
    const struct wal_state *s = &n->store.state;
    if (memcmp(s->cluster_uuid, unknown, MS_UUID_BYTES) != 0) return false;
    if (s->flags & (WAL_FLAG_ATTACHED | WAL_FLAG_DAMAGED | WAL_FLAG_GATE_CLOSED)) return false;
    return raft_commit_index(n->raft) == 0 && n->info.applied_index == 0;
}

const struct kv_binding *node_binding(const struct node *n, uint64_t id, uint64_t added_index)
{
    for (uint32_t i = 0; i < n->info.binding_count; i++) {
        const struct kv_binding *b = &n->info.bindings[i];
        if (b->member_id == id && b->added_index == added_index) return b;
    }
    return NULL;
}

/* FNV-1a over the encoded list: equal lists, equal hash; it is compared among well-meaning peers only.
 */
static int hash_list(struct node *n, uint64_t *out)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    buf_clear(&n->scratch);
    config_encode(&n->scratch, &n->cluster);
    if (n->scratch.failed) return MS_ENOMEM;
    for (size_t i = 0; i < n->scratch.len; i++)
        hash = (hash ^ n->scratch.data[i]) * UINT64_C(0x100000001b3);
    *out = hash;
    return 0;
}

int node_gate_init(struct node *n)
{
    struct node_gatekeeper *g = &n->gate;
    int rv = hash_list(n, &g->list_hash);
    if (rv < 0) return rv;
    for (uint32_t i = 0; i < n->cluster.member_count; i++) g->peers[i].id = n->cluster.members[i].id;
    bool passed = n->store.state.flags & WAL_FLAG_GATE_PASSED;
    bool known = !node_is_fresh(n) || raft_last_index(n->raft) > 0;
    g->closed = n->store.state.flags & WAL_FLAG_GATE_CLOSED;
    g->founding = passed && !known;
    g->wanted = !passed && !known && !n->opts.join;
    if (g->founding) {
        struct raft_input in = { .kind = RAFT_INPUT_FOUND, .config = &n->cluster };
        node_step(n, &in);
    }
    if (g->wanted)
        log_line(n->log, LOG_INFO,
                 "a first start: asking the members of --cluster whether they are fresh");
    else if (n->opts.join && !known)
        log_line(n->log, LOG_INFO, "joining: waiting until a member of the cluster knows this one");
    return 0;
}

static void send_gate(struct node *n, uint64_t to, bool reply_wanted)
{
    struct node_gate m = { .fresh = node_is_fresh(n),
                           .reply_wanted = reply_wanted,
                           .passed = n->store.state.flags & WAL_FLAG_GATE_PASSED,
                           .list_hash = n->gate.list_hash };
    buf_clear(&n->frame);
    node_gate_encode(&n->frame, &m);
    node_send_frame(n, to, NODE_FRAME_GATE);
}

static void try_to_pass(struct node *n)
{
    struct node_gatekeeper *g = &n->gate;
    uint64_t span_ms = NODE_GATE_HEARD_TIMEOUTS * (uint64_t)n->opts.raft.election_ms_min;
    uint32_t fresh = 1;
    for (uint32_t i = 0; i < n->cluster.member_count; i++)
        fresh += g->peers[i].fresh && n->now_ms < g->peers[i].heard_ms + span_ms;
    if (fresh * 2 <= n->cluster.member_count) return;
    g->wanted = false;
    n->store.state.flags |= WAL_FLAG_GATE_PASSED;
    node_state_changed(n);
    g->pass_version = n->store.state_version;
}

void node_gate_tick(struct node *n)
{
    struct node_gatekeeper *g = &n->gate;
    if (!g->wanted || g->ask_ms > n->now_ms) return;
    if (!node_is_fresh(n) || raft_last_index(n->raft) > 0) {
        g->wanted = false; /* a leader has found us */
        return;
    }
    try_to_pass(n);
    if (!g->wanted) return;
    g->ask_ms = n->now_ms + n->opts.raft.heartbeat_ms;
    for (uint32_t i = 0; i < n->cluster.member_count; i++) {
        if (g->peers[i].id != n->opts.id) send_gate(n, g->peers[i].id, true);
    }
}

/* Written down if the other is one of --cluster; a stranger may only have a wrong address. */
void node_gate_close(struct node *n, uint64_t by)
{
    struct node_gatekeeper *g = &n->gate;
    if (!g->wanted) return;
    g->wanted = false;
    g->closed = true;
    log_line(n->log, LOG_WARN,
             "member %llu knows of a cluster that is running already: this directory is new to it, so "
             "this member abstains until the cluster has attached it",
             (unsigned long long)by);
    if (config_find(&n->cluster, by)) {
        n->store.state.flags |= WAL_FLAG_GATE_CLOSED;
        node_state_changed(n);
    }
    node_update_abstain(n);
}

void node_on_gate(struct node *n, uint64_t from, struct bytes body)
{
    struct node_gatekeeper *g = &n->gate;
    struct node_gate m;
    if (node_gate_decode(body, &m) < 0) return;
    if (m.reply_wanted) send_gate(n, from, false);
    if (!g->wanted) return;
    if (!m.fresh) {
        node_gate_close(n, from);
        return;
    }
    for (uint32_t i = 0; i < n->cluster.member_count; i++) {
        if (g->peers[i].id != from) continue;
        if (m.list_hash != g->list_hash && !g->peers[i].heard) {
            log_line(n->log, LOG_WARN, "member %llu was started with another --cluster list",
                     (unsigned long long)from);
        }
        g->peers[i].heard = true;
        g->peers[i].heard_ms = n->now_ms;
        g->peers[i].fresh = m.list_hash == g->list_hash;
    }
}

void node_gate_stored(struct node *n)
{
    struct node_gatekeeper *g = &n->gate;
    if (n->abstain_reason) node_update_abstain(n);
    if (g->pass_version && node_state_durable(n, g->pass_version)) {
        g->pass_version = 0;
        g->founding = true;
        log_line(n->log, LOG_INFO, "a majority of --cluster is fresh: founding the cluster with them");
        struct raft_input in = { .kind = RAFT_INPUT_FOUND, .config = &n->cluster };
        node_step(n, &in);
        node_update_abstain(n);
    }
    node_digest_stored(n);
    if (n->removed && !n->stopped && node_state_durable(n, n->removed_version)) {
        n->stopped = true;
        n->host.stop(n->host.ctx, 0, "this member was removed from the cluster");
    }
}

void node_mark_removed(struct node *n, const char *reason)
{
    if (n->removed) return;
    log_line(n->log, LOG_WARN, "%s: stopping", reason);
    n->removed = true;
    n->store.state.flags |= WAL_FLAG_REMOVED;
    node_state_changed(n);
    n->removed_version = n->store.state_version;
}

/* Why this member's votes and acks do not count; NULL: they do. */
static const char *abstain_reason(const struct node *n)
{
    uint64_t flags = n->store.state.flags, added_index = n->store.state.added_index;
    uint64_t durable = wal_durable_state(n->wal)->flags;
    bool founder = (flags & WAL_FLAG_GATE_PASSED) && n->gate.pass_version == 0;
    /* Until it is written down that it is repaired, or attached: a start before that abstains again, and whoever
     * counted on this member meanwhile would have none. */
    if ((flags | durable) & WAL_FLAG_DAMAGED)
        return "acknowledged data of this member was damaged; being repaired from its peers";
    if (flags & WAL_FLAG_ATTACHED)
        return founder || durable & WAL_FLAG_ATTACHED ? NULL : "its attachment is being written down";
    const struct kv_binding *b = added_index ? node_binding(n, n->opts.id, added_index) : NULL;
    if (b) /* a founder's; another directory was faster */
        return "the cluster knows another data directory as this member: remove it and add it anew";
    if (founder) return NULL;
    return "not attached to its cluster yet";
}

/* As which member this directory takes part is written down once it is known: a founder is the one of
 * the first configuration, others are when their attach was applied. So after a restart this member
 * counts at once, and not only when it has applied its log again, in which earlier lives of its id may
 * stand. */
static void note_attached(struct node *n)
{
    const struct config_member *self = config_find(&n->info.config, n->opts.id);
    struct wal_state *state = &n->store.state;
    if (!self || (state->flags & WAL_FLAG_ATTACHED)) return;
    const struct kv_binding *b = node_binding(n, n->opts.id, self->added_index);
    bool attached = b && memcmp(b->nonce, n->nonce, sizeof b->nonce) == 0;
    bool founder = (state->flags & WAL_FLAG_GATE_PASSED) && self->added_index == 1;
    if (!attached && (!founder || state->added_index == 1)) return;
    if (attached) state->flags |= WAL_FLAG_ATTACHED;
    state->added_index = self->added_index;
    node_state_changed(n);
}

void node_update_abstain(struct node *n)
{
    note_attached(n);
    const char *reason = abstain_reason(n);
    bool abstain = reason != NULL;
    if (reason != n->abstain_reason) {
        if (abstain)
            log_line(n->log, LOG_WARN, "abstaining: %s", reason);
        else
            log_line(n->log, LOG_INFO, "taking full part: votes and acks count");
    }
    n->abstain_reason = reason;
    if (abstain == raft_abstains(n->raft)) return;
    struct raft_input in = { .kind = RAFT_INPUT_ABSTAIN, .abstain = abstain };
    node_step(n, &in);
}

/* --- repair (DESIGN 5): a damaged member holds again what it had acknowledged once it durably holds a
 * leader's log up to the last index that leader had when the damage was reported, and that leader has
 * committed an entry of its own term, and led still when it was asked. --- */

void node_repair_tick(struct node *n)
{
    if (!(n->store.state.flags & WAL_FLAG_DAMAGED)) return;
    if (n->repair_index && n->repair_term == raft_term(n->raft)) {
        /* Damage may have brought back what was replaced since, which is as long. */
        if (raft_agreed_index(n->raft) < n->repair_index) return;
        log_line(n->log, LOG_INFO, "repaired: the log is whole again up to index %llu",
                 (unsigned long long)n->repair_index);
        n->store.state.flags &= ~(uint64_t)WAL_FLAG_DAMAGED;
        node_state_changed(n);
        node_update_abstain(n);
        return;
    }
    uint64_t leader = raft_leader(n->raft);
    if (leader == 0 || leader == n->opts.id || n->repair_ms > n->now_ms) return;
    n->repair_ms = n->now_ms + 2 * (uint64_t)n->opts.raft.heartbeat_ms;
    n->repair_number = n->store.state.incarnation << 32 | ((n->repair_number + 1) & UINT32_MAX);
    if (n->repair_first == 0) n->repair_first = n->repair_number;
    struct node_repair m = { .number = n->repair_number };
    buf_clear(&n->frame);
    node_repair_encode(&n->frame, &m);
    node_send_frame(n, leader, NODE_FRAME_REPAIR);
}

bool node_has_committed(const struct node *n)
{
    return raft_term_at(n->raft, raft_commit_index(n->raft)) == raft_term(n->raft);
}

/* Who has lost its vote may have given it to another since this leader was last in touch with it, and what it has
 * acknowledged may be that one's: so a quorum without it has to follow this leader still (diss. 6.4). */
void node_on_repair(struct node *n, uint64_t from, struct bytes body)
{
    struct node_repair m;
    struct node_repair_asked *asked = NULL;
    if (node_repair_decode(body, &m) < 0 || !node_is_leader(n) || !node_has_committed(n)) return;
    for (uint32_t i = 0; i < MS_MEMBERS_MAX; i++) {
        struct node_repair_asked *a = &n->repairs[i];
        if (a->token == 0) asked = a;
        /* It may be of an earlier start, and so may the round be: asked again. */
        if (a->token != 0 && a->from == from) return;
    }
    if (!asked) return;
    *asked =
        (struct node_repair_asked){ .token = node_read_token(n), .from = from, .number = m.number };
    struct raft_input in = { .kind = RAFT_INPUT_READ, .read_token = asked->token };
    if (node_step(n, &in) < 0) asked->token = 0;
}

void node_repair_confirmed(struct node *n, uint64_t token, int status)
{
    struct node_repair_asked *asked = NULL;
    for (uint32_t i = 0; i < MS_MEMBERS_MAX; i++) {
        if (n->repairs[i].token == token) asked = &n->repairs[i];
    }
    if (!asked) return;
    asked->token = 0;
    if (status < 0) return; /* it leads no more, or was asked too much */
    struct node_repair m = { .number = asked->number,
                             .term = raft_term(n->raft),
                             .last_index = raft_last_index(n->raft) };
    buf_clear(&n->frame);
    node_repair_encode(&n->frame, &m);
    node_send_frame(n, asked->from, NODE_FRAME_REPAIR_REPLY);
}

void node_on_repair_reply(struct node *n, struct bytes body)
{
    struct node_repair m;
    if (node_repair_decode(body, &m) < 0 || n->repair_index) return;
    /* Any answer to a question of this leader's time will do: a round trip may outlast a question. */
    if (n->repair_first == 0 || m.number < n->repair_first || m.number > n->repair_number) return;
    if (m.term != raft_term(n->raft)) return;
    n->repair_term = m.term;
    n->repair_index = m.last_index;
}

/* --- what only a leader does --- */

static const uint8_t *known_nonce(const struct node *n, uint64_t id)
{
    if (id == n->opts.id) return n->nonce;
    for (uint32_t i = 0; i < n->nonce_count; i++) {
        if (n->nonces[i].member_id == id) return n->nonces[i].nonce;
    }
    return NULL;
}

/* Bind every member that has said hello and is not bound yet. Applying judges; to propose one twice is
 * harmless. */
static void propose_attaches(struct node *n)
{
    if (node_own_pending(n, ENTRY_ATTACH)) return;
    for (uint32_t i = 0; i < n->info.config.member_count; i++) {
        const struct config_member *m = &n->info.config.members[i];
        const uint8_t *nonce = known_nonce(n, m->id);
        if (!nonce || node_binding(n, m->id, m->added_index)) continue;
        uint8_t body[16 + MS_UUID_BYTES];
        bytes_store_u64(body, m->id);
        bytes_store_u64(body + 8, m->added_index);
        memcpy(body + 16, nonce, MS_UUID_BYTES);
        if (node_propose_own(n, ENTRY_ATTACH, bytes_of(body, sizeof body)) < 0) return;
    }
}

/* Whoever asked for the exchange has been answered long ago: the log tells why it is not carried out. */
static void log_waiting(struct node *n, int status, uint64_t id)
{
    if (n->exchange_status == status) return;
    n->exchange_status = status;
    if (status == MS_ENOTREADY)
        log_line(n->log, LOG_INFO, "the exchange of members waits: member %llu has not come up yet",
                 (unsigned long long)id);
    else if (status == MS_EBUSY)
        log_line(n->log, LOG_INFO,
                 "the exchange of members waits until those that join have caught up");
    else if (status == MS_ENOQUORUM)
        log_line(n->log, LOG_WARN,
                 "the exchange of members waits: no quorum of the members that are wanted is alive");
}

static void exchange_members(struct node *n)
{
    const struct config *c = raft_config(n->raft);
    struct raft_change change = { .change = ENTRY_CHANGE_EXCHANGE };
    struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &change };
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        if (!(m->roles & CONFIG_JOINS) || node_binding(n, m->id, m->added_index)) continue;
        log_waiting(n, MS_ENOTREADY, m->id);
        return;
    }
    log_waiting(n, node_step(n, &in), 0); /* raft looks whether they have caught up; tried again */
}

/* A learner that is attached and has caught up becomes a voter (diss. 4.2.1); those that join in an
 * exchange all at once. */
static void promote_learners(struct node *n)
{
    const struct config *c = raft_config(n->raft);
    if (config_is_joint(c)) return;
    if (config_has_wish(c)) {
        exchange_members(n);
        return;
    }
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        uint64_t match;
        bool recent;
        if (!(m->roles & CONFIG_LEARNER) || !(m->roles & CONFIG_PROMOTE)) continue;
        if (!node_binding(n, m->id, m->added_index)) continue;
        if (!raft_peer_match(n->raft, m->id, &match, &recent) || !recent) continue;
        struct raft_change change = { .change = ENTRY_CHANGE_PROMOTE, .member_id = m->id };
        struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &change };
        if (node_step(n, &in) == 0) return; /* refused: one behind it may have caught up; tried again */
    }
}

/* History is bounded: it is compacted when it is longer than kept and spare, up to most revisions at a
 * time, one compaction after the other. Refused: it is tried again. */
static void propose_compaction(struct node *n, uint64_t spare, uint64_t most)
{
    uint64_t kept = n->opts.revisions_kept, compacted = n->info.compacted_revision;
    if (kept == 0 || n->info.revision <= compacted + kept + spare) return;
    if (node_own_pending(n, ENTRY_COMPACT)) return;
    uint8_t body[8];
    uint64_t surplus = n->info.revision - kept - compacted;
    bytes_store_u64(body, compacted + (surplus < most ? surplus : most));
    node_propose_own(n, ENTRY_COMPACT, bytes_of(body, sizeof body));
}

/* A compaction is applied as a whole, and what is behind it waits. So where much is kept it goes in small
 * steps; larger ones only where writes come faster than steps are committed. */
#define COMPACT_STEP 256u
#define COMPACT_SHARE 4u
void node_compact_pump(struct node *n)
{
    uint64_t kept = n->opts.revisions_kept, bound = n->info.compacted_revision + kept + COMPACT_STEP;
    if (kept <= COMPACT_STEP || n->info.revision <= bound) return;
    if (!node_is_leader(n) || !node_has_committed(n)) return;
    uint64_t share = (n->info.revision - bound) / COMPACT_SHARE;
    propose_compaction(n, COMPACT_STEP, share > COMPACT_STEP ? share : COMPACT_STEP);
}

void node_leader_tick(struct node *n)
{
    if (!node_is_leader(n) || !node_has_committed(n)) return;
    promote_learners(n);
    node_digest_tick(n);
    if (n->attach_ms > n->now_ms) return;
    n->attach_ms = n->now_ms + 5 * (uint64_t)n->opts.raft.heartbeat_ms;
    propose_attaches(n);
    /* Little is kept: half of it goes once there is twice as much. */
    uint64_t kept = n->opts.revisions_kept;
    if (kept <= COMPACT_STEP) propose_compaction(n, kept, UINT64_MAX);
}
