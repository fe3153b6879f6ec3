#include "tests/raft/cluster.h"

#include <stdlib.h>

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_entry(uint64_t hash, uint64_t term, struct bytes payload)
{
    return hash_bytes(hash_bytes(hash, &term, sizeof term), payload.data, payload.len);
}

struct raft *cluster_raft(const struct cluster *c, uint64_t id)
{
    CHECK(c->nodes[id].raft != NULL);
    return c->nodes[id].raft;
}

static struct raft_opts raft_opts_of(const struct cluster *c, uint64_t id)
{
    struct raft_opts o = c->opts.raft;
    o.id = id;
    if (!o.election_ms_min) o.election_ms_min = ELECTION_MS;
    if (!o.heartbeat_ms) o.heartbeat_ms = HEARTBEAT_MS;
    if (!o.inflight_count_max) o.inflight_count_max = 16;
    if (!o.inflight_bytes_max) o.inflight_bytes_max = 1u << 20;
    if (!o.append_bytes_max) o.append_bytes_max = 64u << 10;
    if (!o.uncommitted_bytes_max) o.uncommitted_bytes_max = 1u << 20;
    if (!o.cache_bytes_max) o.cache_bytes_max = 1u << 20;
    if (!o.unapplied_bytes_max) o.unapplied_bytes_max = 1u << 20;
    o.seed = c->opts.seed * 100 + id;
    memset(o.cluster_uuid, 0x5a, sizeof o.cluster_uuid);
    return o;
}

static struct config_member member_of(uint64_t id, uint8_t roles)
{
    struct config_member m = { .id = id, .roles = roles };
    snprintf(m.url, sizeof m.url, "http://n%d:1", (int)id);
    return m;
}

static void count_line(void *ctx, enum log_level level, const char *line)
{
    struct cluster *c = ctx;
    CHECK(level >= LOG_INFO && strncmp(line, "raft: ", 6) == 0);
    c->log_lines++;
}

void cluster_init(struct cluster *c, struct cluster_opts opts)
{
    memset(c, 0, sizeof *c);
    c->opts = opts;
    c->now_ms = 1000000;
    c->log = (struct log_sink){ .ctx = c, .level = LOG_INFO, .write = count_line };
    test_alloc_init(&c->alloc);
    test_alloc_init(&c->wire);
    ms_rand_init(&c->rand, opts.seed, 77);
    for (uint64_t id = 1; id <= opts.node_count; id++) {
        struct config_member m = member_of(id, CONFIG_VOTER);
        m.added_index = !opts.found; /* in a snapshot it says which entry that was */
        CHECK(config_add(&c->config, &m) == 0);
    }
    for (uint64_t id = 1; id <= opts.node_count; id++) {
        if (!opts.found) c->nodes[id].disk.snapshot.config = c->config;
        if (!opts.idle) cluster_start(c, id);
    }
}

static void free_entries(struct cluster_entry *entries)
{
    for (uint32_t i = 0; i < INDEX_MAX; i++) free(entries[i].payload);
    memset(entries, 0, INDEX_MAX * sizeof *entries);
}

void cluster_fini(struct cluster *c)
{
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        raft_destroy(c->nodes[id].raft);
        free_entries(c->nodes[id].disk.log);
        free_entries(c->nodes[id].pending);
    }
    cluster_drop_all(c);
    free(c->messages);
    CHECK_EQ(c->alloc.alive, 0);
    CHECK_EQ(c->wire.alive, 0);
}

/* --- disks --- */

static void disk_put(struct cluster_entry *log, uint64_t index, uint64_t term, struct bytes payload)
{
    CHECK(index > 0 && index < INDEX_MAX);
    free(log[index].payload);
    log[index].term = term;
    log[index].len = payload.len;
    log[index].payload = malloc(payload.len + 1);
    memcpy(log[index].payload, payload.data, payload.len);
}

void cluster_disk_hard(struct cluster *c, uint64_t id, uint64_t term, uint64_t vote)
{
    c->nodes[id].disk.term = term;
    c->nodes[id].disk.vote = vote;
}

static struct bytes encode_text(struct buf *b, const struct ms_alloc *alloc, const char *text)
{
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = bytes_of_str(text) };
    buf_init(b, alloc, ENTRY_PAYLOAD_BYTES_MAX);
    entry_encode(b, &e);
    return buf_bytes(b);
}

void cluster_disk_entry(struct cluster *c, uint64_t id, uint64_t term, const char *text)
{
    struct cluster_disk *d = &c->nodes[id].disk;
    struct buf b;
    struct bytes payload = encode_text(&b, &c->wire.face, text);
    disk_put(d->log, ++d->last_index, term, payload);
    if (d->term < term) d->term = term;
    buf_fini(&b);
}

static uint64_t disk_term_at(const struct cluster_disk *d, uint64_t index)
{
    if (index == d->base_index) return d->base_term;
    return index > d->base_index && index <= d->last_index ? d->log[index].term : 0;
}

/* A log that does not hold what the snapshot covers begins anew behind it, as node does. */
static void disk_recover(struct cluster_disk *d)
{
    if (disk_term_at(d, d->snapshot.index) == d->snapshot.term) return;
    d->base_index = d->last_index = d->snapshot.index;
    d->base_term = d->snapshot.term;
}

void cluster_start(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    struct cluster_disk *d = &n->disk;
    struct raft_opts opts = raft_opts_of(c, id);
    CHECK(n->raft == NULL);
    disk_recover(d);
    n->state = d->snapshot;
    struct raft_start start = { .term = d->term,
                                .vote = d->vote,
                                .snapshot_index = d->snapshot.index,
                                .snapshot_term = d->snapshot.term,
                                .config = &d->snapshot.config,
                                .config_index = d->snapshot.config_index,
                                .applied_index = d->snapshot.index };
    CHECK_EQ(raft_create(&n->raft, &opts, &start, &c->alloc.face, &c->log, c->now_ms), 0);
    for (uint64_t i = d->base_index + 1; i <= d->last_index; i++) {
        struct bytes payload = bytes_of(d->log[i].payload, d->log[i].len);
        CHECK_EQ(raft_restore_entry(n->raft, i, d->log[i].term, payload), 0);
    }
    if (c->opts.found && id <= c->opts.node_count) {
        struct raft_input in = { .kind = RAFT_INPUT_FOUND, .config = &c->config };
        CHECK_EQ(cluster_step(c, id, &in), 0);
    }
}

void cluster_crash(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    raft_destroy(n->raft);
    n->raft = NULL;
    n->storing = n->touched = false;
    n->read_count = 0;
    memset(n->fetch, 0, sizeof n->fetch);
    memset(n->snapshot_wanted, 0, sizeof n->snapshot_wanted);
}

/* --- what must hold --- */

static uint64_t highest_commit(const struct cluster *c)
{
    return c->ledger_last;
}

static void check_committed(struct cluster *c, uint64_t id, uint64_t index)
{
    struct entry_ref *e = raft_entry(c->nodes[id].raft, index);
    CHECK(e != NULL);
    uint64_t hash = hash_entry(1, e->term, entry_ref_payload(e));
    CHECK(index < INDEX_MAX);
    if (c->ledger[index].term == 0) {
        c->ledger[index].term = e->term;
        c->ledger[index].hash = hash;
        if (index > c->ledger_last) c->ledger_last = index;
    }
    CHECK_EQ(c->ledger[index].term, e->term);
    CHECK(c->ledger[index].hash == hash);
}

static void check_new_leader(struct cluster *c, uint64_t id)
{
    struct raft *r = c->nodes[id].raft;
    uint64_t term = raft_term(r);
    CHECK(term < sizeof c->leaders / sizeof c->leaders[0]);
    if (c->leaders[term] == id) return;
    CHECK_EQ(c->leaders[term], 0); /* election safety */
    c->leaders[term] = id;
    for (uint64_t i = raft_first_index(r); i <= c->ledger_last; i++) { /* leader completeness */
        if (c->ledger[i].term == 0 || c->ledger[i].term > term) continue;
        CHECK_EQ(raft_term_at(r, i), c->ledger[i].term);
    }
}

static void check_node(struct cluster *c, uint64_t id, uint64_t commit_before)
{
    struct raft *r = c->nodes[id].raft;
    uint64_t i = commit_before < c->nodes[id].state.index ? c->nodes[id].state.index : commit_before;
    if (raft_role(r) == RAFT_LEADER) check_new_leader(c, id);
    while (++i <= raft_commit_index(r)) check_committed(c, id, i);
}

/* Log matching over all pairs of running members. */
void cluster_check(struct cluster *c)
{
    for (uint64_t a = 1; a <= NODES_MAX; a++) {
        for (uint64_t b = a + 1; b <= NODES_MAX; b++) {
            struct raft *x = c->nodes[a].raft, *y = c->nodes[b].raft;
            bool equal = false;
            if (!x || !y) continue;
            uint64_t last =
                raft_last_index(x) < raft_last_index(y) ? raft_last_index(x) : raft_last_index(y);
            for (uint64_t i = last; i > 0; i--) {
                uint64_t s = raft_term_at(x, i), t = raft_term_at(y, i);
                if (s == 0 || t == 0) break;
                if (equal) CHECK_EQ(s, t);
                equal = s == t;
            }
        }
    }
}

/* Nothing leaves that is not on the disk. */
static void check_message(const struct cluster *c, uint64_t id, const struct raft_msg *m)
{
    const struct cluster_disk *d = &c->nodes[id].disk;
    CHECK_EQ(m->from, id);
    if (m->type == RAFT_MSG_VOTE && m->vote.pre) {
        CHECK_EQ(m->term, d->term + 1);
        return;
    }
    CHECK_EQ(m->term, d->term);
    if (m->type == RAFT_MSG_VOTE) CHECK_EQ(d->vote, id);
    if (m->type == RAFT_MSG_VOTE_REPLY && m->vote_reply.granted && !m->vote_reply.pre) {
        CHECK_EQ(d->vote, m->to);
    }
    if (m->type == RAFT_MSG_APPEND_REPLY && m->append_reply.ok) {
        uint64_t index = m->append_reply.match_index, covered = d->snapshot.index;
        CHECK(index <= d->last_index || index <= covered);
        if (index > covered) CHECK_EQ(disk_term_at(d, index), raft_term_at(c->nodes[id].raft, index));
    }
}

/* --- messages --- */

static void enqueue(struct cluster *c, uint64_t from, uint64_t to, struct bytes b)
{
    if (c->message_count == c->message_cap) {
        c->message_cap = c->message_cap ? c->message_cap * 2 : 64;
        c->messages = realloc(c->messages, c->message_cap * sizeof *c->messages);
    }
    struct cluster_message *m = &c->messages[c->message_count++];
    m->from = from;
    m->to = to;
    buf_init(&m->bytes, &c->wire.face, NET_FRAME_BYTES_MAX);
    buf_append(&m->bytes, b.data, b.len);
}

static void put_message(struct cluster *c, uint64_t id, const struct raft_msg *m)
{
    struct buf b;
    check_message(c, id, m);
    c->sent[m->type]++;
    if (m->type == RAFT_MSG_APPEND) c->sent_entries += m->append.count;
    if (c->cut[id][m->to]) return;
    buf_init(&b, &c->wire.face, NET_FRAME_BYTES_MAX);
    raft_msg_encode(&b, m);
    enqueue(c, id, m->to, buf_bytes(&b));
    buf_fini(&b);
}

static void put_read(struct cluster *c, uint64_t id, const struct raft_output_item *item)
{
    struct cluster_node *n = &c->nodes[id];
    for (uint32_t i = 0; i < n->read_count; i++) {
        if (n->reads[i].token != item->read.token || n->reads[i].status != 1) continue;
        n->reads[i].status = item->read.status;
        n->reads[i].index = item->read.index;
        if (item->read.status == 0) CHECK(item->read.index >= n->reads[i].floor_index); /* fresh */
    }
}

static void put_out(struct cluster *c, uint64_t id, const struct raft_output_item *item)
{
    struct cluster_node *n = &c->nodes[id];
    switch (item->kind) {
    case RAFT_OUTPUT_SEND: put_message(c, id, &item->message); break;
    case RAFT_OUTPUT_READ: put_read(c, id, item); break;
    case RAFT_OUTPUT_SNAPSHOT:
        n->snapshot_wanted[item->peer] = true;
        n->snapshot_count++;
        break;
    case RAFT_OUTPUT_FETCH:
        n->fetch[item->fetch.peer].wanted = true;
        n->fetch[item->fetch.peer].first_index = item->fetch.first_index;
        n->fetch[item->fetch.peer].last_index = item->fetch.last_index;
        n->fetch_count++;
        break;
    }
}

int cluster_step(struct cluster *c, uint64_t id, const struct raft_input *in)
{
    struct cluster_node *n = &c->nodes[id];
    uint64_t commit = raft_commit_index(cluster_raft(c, id));
    int rv = raft_step(n->raft, c->now_ms, in, &c->out);
    CHECK(rv > MS_EFATAL);
    CHECK(c->out.count <= RAFT_OUTPUT_PER_STEP_MAX);
    n->touched = n->touched || in->kind != RAFT_INPUT_FLUSH;
    check_node(c, id, commit);
    for (uint32_t i = 0; i < c->out.count; i++) put_out(c, id, &c->out.items[i]);
    if (c->watch) c->watch(c, id, in, rv);
    return rv;
}

int cluster_message(struct cluster *c, const struct raft_msg *m)
{
    struct raft_input in = { .kind = RAFT_INPUT_MESSAGE, .message = m };
    return cluster_step(c, m->to, &in);
}

void cluster_deliver_at(struct cluster *c, uint32_t at, bool keep)
{
    struct raft_msg m;
    struct cluster_message taken = c->messages[at];
    if (keep) enqueue(c, taken.from, taken.to, buf_bytes(&taken.bytes));
    c->message_count--;
    memmove(&c->messages[at], &c->messages[at + 1], (c->message_count - at) * sizeof taken);
    if (c->nodes[taken.to].raft && !c->cut[taken.from][taken.to]) {
        CHECK_EQ(raft_msg_decode(buf_bytes(&taken.bytes), c->decoded, &m), 0);
        int rv = cluster_message(c, &m);
        CHECK(rv == 0 || (rv == MS_ENOMEM && c->alloc.refuse_at));
    }
    buf_fini(&taken.bytes);
}

void cluster_peek_at(struct cluster *c, uint32_t at, struct raft_msg *out)
{
    CHECK_EQ(raft_msg_decode(buf_bytes(&c->messages[at].bytes), c->decoded, out), 0);
}

void cluster_copy_at(struct cluster *c, uint32_t at)
{
    struct cluster_message m = c->messages[at];
    enqueue(c, m.from, m.to, buf_bytes(&m.bytes));
}

void cluster_drop_at(struct cluster *c, uint32_t at)
{
    buf_fini(&c->messages[at].bytes);
    c->message_count--;
    memmove(&c->messages[at], &c->messages[at + 1], (c->message_count - at) * sizeof c->messages[0]);
}

void cluster_drop_all(struct cluster *c)
{
    for (uint32_t i = 0; i < c->message_count; i++) buf_fini(&c->messages[i].bytes);
    c->message_count = 0;
}

bool cluster_take(struct cluster *c, enum raft_msg_type type, uint64_t from, uint64_t to)
{
    for (uint32_t i = 0; i < c->message_count; i++) {
        struct cluster_message *m = &c->messages[i];
        CHECK_EQ(raft_msg_decode(buf_bytes(&m->bytes), c->decoded, &c->last), 0);
        if (c->last.type != type || m->from != from || m->to != to) continue;
        buf_fini(&m->bytes);
        c->message_count--;
        memmove(m, m + 1, (c->message_count - i) * sizeof *m);
        return true;
    }
    return false;
}

/* --- inputs --- */

int cluster_tick(struct cluster *c, uint64_t id)
{
    struct raft_input in = { .kind = RAFT_INPUT_TICK };
    return cluster_step(c, id, &in);
}

int cluster_flush(struct cluster *c, uint64_t id)
{
    struct raft_input in = { .kind = RAFT_INPUT_FLUSH };
    c->nodes[id].touched = false;
    return cluster_step(c, id, &in);
}

int cluster_propose(struct cluster *c, uint64_t id, const char *text)
{
    struct buf b;
    struct raft_input in = { .kind = RAFT_INPUT_PROPOSE };
    in.payload = encode_text(&b, &c->wire.face, text);
    int rv = cluster_step(c, id, &in);
    buf_fini(&b);
    return rv;
}

int cluster_propose_bytes(struct cluster *c, uint64_t id, size_t len)
{
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = 0;
    int rv = cluster_propose(c, id, text);
    free(text);
    return rv;
}

int cluster_change_url(struct cluster *c, uint64_t id, uint64_t member, const char *url)
{
    struct raft_change change = { .change = ENTRY_CHANGE_ADD, .member_id = member };
    struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &change };
    snprintf(change.url, sizeof change.url, "%s", url);
    return cluster_step(c, id, &in);
}

int cluster_change(struct cluster *c, uint64_t id, enum entry_change what, uint64_t member)
{
    struct raft_change change = { .change = what, .member_id = member };
    struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &change };
    if (what == ENTRY_CHANGE_ADD) return cluster_change_url(c, id, member, member_of(member, 0).url);
    return cluster_step(c, id, &in);
}

int cluster_change_set(struct cluster *c, uint64_t id, enum entry_change what, uint32_t members)
{
    struct config wanted = { 0 };
    struct raft_change change = { .change = what, .wanted = &wanted };
    struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &change };
    for (uint64_t member = 1; member <= NODES_MAX; member++) {
        struct config_member m = member_of(member, CONFIG_VOTER);
        if (members >> member & 1) CHECK_EQ(config_add(&wanted, &m), 0);
    }
    return cluster_step(c, id, &in);
}

int cluster_transfer(struct cluster *c, uint64_t id, uint64_t to)
{
    struct raft_input in = { .kind = RAFT_INPUT_TRANSFER, .peer = to };
    return cluster_step(c, id, &in);
}

struct cluster_read *cluster_read(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    if (n->read_count == sizeof n->reads / sizeof n->reads[0]) n->read_count = 0;
    struct cluster_read *read = &n->reads[n->read_count++];
    *read = (struct cluster_read){ .token = ++c->next_token,
                                   .floor_index = highest_commit(c),
                                   .status = 1 };
    struct raft_input in = { .kind = RAFT_INPUT_READ, .read_token = read->token };
    int rv = cluster_step(c, id, &in);
    if (rv < 0) read->status = rv;
    return read;
}

bool cluster_store_begin(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    if (!n->raft || n->storing || !raft_store_begin(n->raft, 4096, SIZE_MAX, &n->store)) return false;
    n->storing = true;
    for (uint64_t i = n->store.first_index; i <= n->store.last_index; i++) {
        struct entry_ref *e = raft_entry(n->raft, i);
        CHECK(e != NULL && e->index == i);
        disk_put(n->pending, i, e->term, entry_ref_payload(e));
    }
    return true;
}

static void disk_take_store(struct cluster_node *n)
{
    struct cluster_disk *d = &n->disk;
    const struct raft_store *s = &n->store;
    d->term = s->term;
    d->vote = s->vote;
    if (s->first_index > s->last_index) return;
    CHECK(s->first_index <= d->last_index + 1 && s->first_index > d->base_index);
    for (uint64_t i = s->first_index; i <= s->last_index; i++) {
        disk_put(d->log, i, n->pending[i].term, bytes_of(n->pending[i].payload, n->pending[i].len));
    }
    d->last_index = s->last_index;
}

void cluster_store_end(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    struct raft_input in = { .kind = RAFT_INPUT_STORED, .store_token = n->store.token };
    if (!n->storing) return;
    n->storing = false;
    disk_take_store(n);
    CHECK_EQ(cluster_step(c, id, &in), 0);
}

void cluster_store_reach(struct cluster *c, uint64_t id)
{
    CHECK(c->nodes[id].storing);
    disk_take_store(&c->nodes[id]);
}

void cluster_store(struct cluster *c, uint64_t id)
{
    cluster_store_end(c, id);
    while (cluster_store_begin(c, id)) cluster_store_end(c, id);
}

void cluster_apply(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    uint64_t last = raft_commit_index(n->raft), first = n->state.index;
    if (last > raft_durable_index(n->raft)) last = raft_durable_index(n->raft);
    while (n->state.index < last) {
        struct entry_ref *ref = raft_entry(n->raft, n->state.index + 1);
        struct entry e;
        CHECK(ref != NULL);
        CHECK_EQ(entry_decode(entry_ref_payload(ref), &e), 0);
        n->state.index = ref->index;
        n->state.term = ref->term;
        n->state.hash = hash_entry(n->state.hash, ref->term, entry_ref_payload(ref));
        if (e.kind != ENTRY_CONFIG && e.kind != ENTRY_INIT) continue;
        struct bytes_reader in = bytes_reader_of(e.body);
        if (e.kind == ENTRY_INIT) in.at += MS_UUID_BYTES;
        CHECK_EQ(config_decode(&in, &n->state.config), 0);
        config_resolve(&n->state.config, ref->index);
        n->state.config_index = ref->index;
    }
    if (n->state.index == first) return;
    struct raft_input in = { .kind = RAFT_INPUT_APPLIED, .index = n->state.index };
    CHECK_EQ(cluster_step(c, id, &in), 0);
}

/* A snapshot of the applied state, then the log is cut up to index. */
void cluster_compact(struct cluster *c, uint64_t id, uint64_t index)
{
    struct cluster_node *n = &c->nodes[id];
    struct cluster_disk *d = &n->disk;
    struct raft_input in = { .kind = RAFT_INPUT_COMPACT, .index = index };
    if (n->storing) return;
    d->snapshot = n->state;
    CHECK_EQ(cluster_step(c, id, &in), 0);
    uint64_t base = raft_first_index(n->raft) - 1;
    if (base <= d->base_index) return;
    d->base_term = raft_term_at(n->raft, base);
    d->base_index = base;
}

void cluster_fetched(struct cluster *c, uint64_t id, uint64_t peer, int status)
{
    struct cluster_node *n = &c->nodes[id];
    struct entry_ref *entries[32];
    struct raft_input in = { .kind = RAFT_INPUT_FETCHED };
    uint32_t count = 0;
    uint64_t i = n->fetch[peer].first_index;
    if (!n->fetch[peer].wanted) return;
    n->fetch[peer].wanted = false;
    if (i <= n->disk.base_index) status = MS_ENOTFOUND;
    for (; status == 0 && i <= n->fetch[peer].last_index && i <= n->disk.last_index && count < 32;
         i++) {
        const struct cluster_entry *e = &n->disk.log[i];
        entries[count] = entry_ref_create(&c->alloc.face, i, e->term, bytes_of(e->payload, e->len));
        if (entries[count])
            count++;
        else
            status = MS_ENOMEM;
    }
    in.fetched.peer = peer;
    in.fetched.entries = entries;
    in.fetched.count = count;
    in.fetched.status = status;
    CHECK_EQ(cluster_step(c, id, &in), 0);
    while (count > 0) entry_ref_drop(&c->alloc.face, entries[--count]);
}

void cluster_install(struct cluster *c, uint64_t id, const struct cluster_state *s)
{
    struct cluster_node *n = &c->nodes[id];
    struct raft_input in = { .kind = RAFT_INPUT_INSTALLED };
    if (s->index <= n->state.index || s->index <= raft_commit_index(n->raft)) return;
    n->disk.snapshot = *s;
    n->state = *s;
    in.installed.index = s->index;
    in.installed.term = s->term;
    in.installed.config_index = s->config_index;
    in.installed.config = &s->config;
    bool anew = raft_term_at(n->raft, s->index) != s->term;
    if (anew) { /* what the store under way holds is of the old log */
        disk_recover(&n->disk);
        n->store.first_index = 1;
        n->store.last_index = 0;
    }
    CHECK_EQ(cluster_step(c, id, &in), 0);
}

void cluster_snapshot_done(struct cluster *c, uint64_t id, uint64_t peer, uint64_t index, int status)
{
    struct raft_input in = { .kind = RAFT_INPUT_SNAPSHOT_DONE };
    in.snapshot_done.peer = peer;
    in.snapshot_done.index = index;
    in.snapshot_done.status = status;
    CHECK_EQ(cluster_step(c, id, &in), 0);
}

void cluster_snapshot(struct cluster *c, uint64_t id, uint64_t peer)
{
    struct cluster_node *n = &c->nodes[id];
    bool reaches = c->nodes[peer].raft && !c->cut[id][peer] && !c->cut[peer][id];
    n->snapshot_wanted[peer] = false;
    if (reaches) cluster_install(c, peer, &n->state);
    cluster_snapshot_done(c, id, peer, n->state.index, reaches ? 0 : MS_ETIMEOUT);
}

/* --- running --- */

static bool pump_node(struct cluster *c, uint64_t id)
{
    struct cluster_node *n = &c->nodes[id];
    bool any = false;
    if (!c->opts.manual_store && (n->storing || cluster_store_begin(c, id))) {
        cluster_store_end(c, id);
        any = true;
    }
    if (!c->opts.manual_apply) cluster_apply(c, id);
    for (uint64_t peer = 1; peer <= NODES_MAX; peer++) {
        if (n->fetch[peer].wanted) cluster_fetched(c, id, peer, 0);
        if (n->snapshot_wanted[peer]) cluster_snapshot(c, id, peer);
    }
    if (!n->touched) return any;
    CHECK_EQ(cluster_flush(c, id), 0);
    return true;
}

void cluster_pump(struct cluster *c)
{
    bool any = true;
    for (uint32_t rounds = 0; any || c->message_count > 0; rounds++) {
        CHECK(rounds < 20000); /* it becomes quiet */
        any = false;
        if (c->message_count > 0) cluster_deliver_at(c, 0, false);
        for (uint64_t id = 1; id <= NODES_MAX; id++) {
            if (c->nodes[id].raft && pump_node(c, id)) any = true;
        }
    }
    cluster_check(c);
}

void cluster_advance(struct cluster *c, uint64_t ms)
{
    uint64_t end = c->now_ms + ms;
    cluster_pump(c);
    while (c->now_ms < end) {
        c->now_ms += end - c->now_ms < 10 ? end - c->now_ms : 10;
        for (uint64_t id = 1; id <= NODES_MAX; id++) {
            if (c->nodes[id].raft && raft_deadline_ms(c->nodes[id].raft) <= c->now_ms)
                cluster_tick(c, id);
        }
        cluster_pump(c);
    }
}

void cluster_isolate(struct cluster *c, uint64_t id)
{
    for (uint64_t other = 1; other <= NODES_MAX; other++) c->cut[id][other] = c->cut[other][id] = true;
}

void cluster_rejoin(struct cluster *c, uint64_t id)
{
    for (uint64_t other = 1; other <= NODES_MAX; other++) c->cut[id][other] = c->cut[other][id] = false;
}

void cluster_heal(struct cluster *c)
{
    memset(c->cut, 0, sizeof c->cut);
}

uint64_t cluster_leader(const struct cluster *c)
{
    uint64_t leader = 0;
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        struct raft *r = c->nodes[id].raft;
        if (!r || raft_role(r) != RAFT_LEADER) continue;
        if (!leader || raft_term(r) > raft_term(c->nodes[leader].raft)) leader = id;
    }
    return leader;
}

/* As if the leader had wished it, or, without one, by a timeout. */
void cluster_elect(struct cluster *c, uint64_t id)
{
    uint64_t leader = cluster_leader(c);
    if (leader == id) return;
    if (leader && !c->cut[leader][id]) {
        struct raft_msg m = { .type = RAFT_MSG_TIMEOUT_NOW, .from = leader, .to = id };
        m.term = raft_term(c->nodes[leader].raft);
        CHECK_EQ(cluster_message(c, &m), 0);
    }
    /* More than once, if a refusal tells it a higher term. */
    for (int i = 0; i < 4; i++) {
        cluster_pump(c);
        if (raft_role(cluster_raft(c, id)) == RAFT_LEADER) return;
        c->now_ms += 2 * ELECTION_MS;
        CHECK_EQ(cluster_tick(c, id), 0);
    }
    cluster_pump(c);
    CHECK_EQ(raft_role(cluster_raft(c, id)), RAFT_LEADER);
}

void cluster_commit(struct cluster *c, const char *text)
{
    uint64_t leader = cluster_leader(c);
    CHECK(leader != 0);
    CHECK_EQ(cluster_propose(c, leader, text), 0);
    uint64_t index = raft_last_index(cluster_raft(c, leader));
    cluster_pump(c);
    CHECK(raft_commit_index(cluster_raft(c, leader)) >= index);
}

static bool is_converged(const struct cluster *c)
{
    uint64_t leader = cluster_leader(c);
    if (!leader) return false;
    const struct cluster_node *l = &c->nodes[leader];
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        const struct cluster_node *n = &c->nodes[id];
        if (!config_find(&l->state.config, id)) continue;
        if (!n->raft || raft_last_index(n->raft) != raft_last_index(l->raft)) return false;
        if (n->state.index != raft_last_index(l->raft) || n->state.hash != l->state.hash) return false;
        if (!config_equal(&n->state.config, &l->state.config)) return false;
    }
    return true;
}

static void print_members(const struct cluster *c)
{
    for (uint64_t id = 1; id <= NODES_MAX; id++) {
        const struct raft *r = c->nodes[id].raft;
        if (!r) continue;
        fprintf(stderr,
                "N%d %s term %d leader %d config %d commit %d durable %d last %d applied %d%s\n",
                (int)id, raft_role_name(raft_role(r)), (int)raft_term(r), (int)raft_leader(r),
                (int)raft_config_index(r), (int)raft_commit_index(r), (int)raft_durable_index(r),
                (int)raft_last_index(r), (int)c->nodes[id].state.index,
                config_is_voter(raft_config(r), id) ? " voter" : "");
    }
}

void cluster_converge(struct cluster *c)
{
    for (int i = 0; i < 400 && !is_converged(c); i++) cluster_advance(c, 100);
    if (!is_converged(c)) print_members(c);
    CHECK(is_converged(c));
}
