/* node_store.c: what goes to the log, and what comes back from it.
 *
 * Group commit is here: while a batch is being synced everything new gathers in raft, and the next
 * batch takes all of it (DESIGN 8). */
#include "node/node_private.h"

void node_state_changed(struct node *n)
{
    n->store.state_dirty = true;
    n->store.state_version++;
}

bool node_state_durable(const struct node *n, uint64_t version)
{
    return version != 0 && n->store.stored_version >= version;
}

static void batch_entries(struct node *n, const struct raft_store *s)
{
    uint64_t written_term = raft_term(n->raft);
    for (uint64_t i = s->first_index; i <= s->last_index; i++) {
        struct entry_ref *e = raft_entry(n->raft, i);
        MS_ASSERT(e != NULL); /* what is not durable stays in memory */
        int rv = wal_batch_entry(n->wal, written_term, e->index, e->term, entry_ref_payload(e));
        if (rv < 0) {
            node_fail(n, rv == MS_ENOMEM ? MS_EFATAL : MS_EIO, "the log does not take an entry");
            return;
        }
    }
}

/* A batch lies in one segment, with a state record and the sectors' stamps beside its entries. */
static size_t store_bytes_max(const struct node *n)
{
    uint64_t half = n->opts.wal_segment_bytes / 2;
    return half < NODE_STORE_BYTES_MAX ? (size_t)half : NODE_STORE_BYTES_MAX;
}

/* Where the disk is full writes are refused, and no other batch may come that makes a cut durable. */
static bool gives_back(const struct node *n)
{
    return n->space.full && wal_cut_waits(n->wal);
}

/* Begin the next batch if there is anything for it and the log is ready. */
void node_store_pump(struct node *n)
{
    struct node_store *st = &n->store;
    struct raft_store s;
    if (n->failed || st->busy || !wal_ready(n->wal)) return;
    bool with_raft = raft_store_begin(n->raft, store_bytes_max(n), wal_batch_room(n->wal), &s);
    if (!with_raft && !st->state_dirty && !st->reset_wanted && !gives_back(n)) return;
    if (with_raft && s.hard_changed) {
        st->state.term = s.term;
        st->state.vote = s.vote;
        node_state_changed(n);
    }
    wal_batch_begin(n->wal);
    if (st->reset_wanted) wal_batch_reset(n->wal, st->reset_index, st->reset_term);
    st->reset_wanted = false;
    if (st->state_dirty) wal_batch_state(n->wal, &st->state);
    st->state_dirty = false;
    st->batch_version = st->state_version;
    if (with_raft) batch_entries(n, &s);
    if (n->failed) return;
    st->raft_token = with_raft ? s.token : 0;
    st->busy = true;
    wal_batch_commit(n->wal, ++st->batch_token);
}

static void batch_durable(struct node *n, uint64_t token)
{
    struct node_store *st = &n->store;
    MS_ASSERT(st->busy && token == st->batch_token);
    st->busy = false;
    st->stored_version = st->batch_version;
    if (st->raft_token) {
        struct raft_input in = { .kind = RAFT_INPUT_STORED, .store_token = st->raft_token };
        node_step(n, &in);
    }
    node_take_stored(n);
    node_gate_stored(n);
}

static void fetch_done(struct node *n, struct wal_event *ev)
{
    struct node_fetches *f = &n->fetches;
    MS_ASSERT(f->busy && ev->token == f->token);
    f->busy = false;
    struct raft_input in = { .kind = RAFT_INPUT_FETCHED };
    in.fetched.peer = f->busy_peer;
    in.fetched.entries = ev->entries;
    in.fetched.count = ev->count;
    in.fetched.status = ev->status;
    node_step(n, &in);
    for (uint32_t i = 0; i < ev->count; i++) entry_ref_drop(n->alloc, ev->entries[i]);
}

void node_store_events(struct node *n)
{
    struct wal_event ev;
    while (!n->failed && wal_next_event(n->wal, &ev)) {
        switch (ev.kind) {
        case WAL_EVENT_DURABLE: batch_durable(n, ev.token); break;
        case WAL_EVENT_READ: fetch_done(n, &ev); break;
        case WAL_EVENT_READY: break; /* the next flush looks at wal_ready() */
        }
    }
}

/* Raft asks at most once a peer until it was answered. */
void node_fetch(struct node *n, uint64_t peer, uint64_t first_index, uint64_t last_index)
{
    struct node_fetches *f = &n->fetches;
    uint32_t i = 0;
    while (i < f->count && f->wanted[i].peer != peer) i++;
    if (i == MS_MEMBERS_MAX) return;
    f->wanted[i].peer = peer;
    f->wanted[i].first_index = first_index;
    f->wanted[i].last_index = last_index;
    if (i == f->count) f->count++;
}

static void fetch_failed(struct node *n, uint64_t peer, int status)
{
    struct raft_input in = { .kind = RAFT_INPUT_FETCHED };
    in.fetched.peer = peer;
    in.fetched.status = status;
    node_step(n, &in);
}

void node_fetch_pump(struct node *n)
{
    struct node_fetches *f = &n->fetches;
    if (n->failed || f->busy || f->count == 0) return;
    f->busy_peer = f->wanted[0].peer;
    f->busy_first = f->wanted[0].first_index;
    f->busy_last = f->wanted[0].last_index;
    f->count--;
    memmove(&f->wanted[0], &f->wanted[1], f->count * sizeof f->wanted[0]);
    int rv = wal_read(n->wal, f->busy_first, f->busy_last, NODE_FETCH_BYTES_MAX, ++f->token);
    if (rv < 0)
        fetch_failed(n, f->busy_peer, rv);
    else
        f->busy = true;
}
