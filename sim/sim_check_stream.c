/* sim_check_stream.c: K16 for snapshots on their way, from the frames that leave and the chunks that
 * are loaded: a stream's chunks leave in order, none left out, each the same whenever it is sent; they
 * go on where the answer to an offer says; what is loaded are the chunks of the one stream that was
 * answered last, in order, from the first; what is acknowledged was loaded, and to the leader of the
 * own term only. */
#include <xxhash.h>

#include "sim/sim_check_private.h"

static struct chk_stream *stream_find(struct sim *s, uint64_t from, uint64_t term, uint64_t number)
{
    struct sim_check *k = s->check;
    for (size_t i = k->stream_count; i-- > 0;) {
        struct chk_stream *st = k->streams[i];
        if (st->from == from && st->term == term && st->number == number) return st;
    }
    return NULL;
}

static struct chk_stream *stream_add(struct sim *s, uint64_t from, uint64_t term, uint64_t number)
{
    struct sim_check *k = s->check;
    if (k->stream_count == k->stream_cap) {
        k->stream_cap = k->stream_cap ? 2 * k->stream_cap : 16;
        k->streams = realloc(k->streams, k->stream_cap * sizeof k->streams[0]);
        MS_ASSERT(k->streams != NULL);
    }
    struct chk_stream *st = calloc(1, sizeof *st);
    MS_ASSERT(st != NULL);
    *st = (struct chk_stream){ .from = from, .term = term, .number = number };
    return k->streams[k->stream_count++] = st;
}

static void chunk_add(struct chk_stream *st, uint64_t hash)
{
    if (st->count == st->cap) {
        st->cap = st->cap ? 2 * st->cap : 16;
        st->chunks = realloc(st->chunks, st->cap * sizeof st->chunks[0]);
        MS_ASSERT(st->chunks != NULL);
    }
    st->chunks[st->count++] = hash;
}

void chk_streams_fini(struct sim_check *k)
{
    for (size_t i = 0; i < k->stream_count; i++) {
        free(k->streams[i]->chunks);
        free(k->streams[i]);
    }
    free(k->streams);
}

/* --- what leaves --- */

static void offer_sent(struct sim *s, const struct sim_member *m, struct bytes body)
{
    struct node_snap_offer o;
    MS_ASSERT(node_snap_offer_decode(body, &o) == 0);
    struct chk_stream *st = stream_find(s, m->id, o.term, o.stream);
    if (!st) st = stream_add(s, m->id, o.term, o.stream);
    st->offer = o.number;
    st->quiet = true;
    st->due = false;
    chk_member(s, m)->spreads = chk_member(s, m)->differs;
}

/* The sender hears where to go on. What is acknowledged meanwhile need not be sent. */
static void ack_heard(struct sim *s, const struct sim_member *m, struct bytes body)
{
    struct node_snap_ack a;
    if (node_snap_ack_decode(body, &a) < 0 || a.status < 0 || a.installed) return;
    struct chk_stream *st = stream_find(s, m->id, a.term, a.stream);
    if (!st) return;
    bool counts =
        a.offer == 0 || a.offer == st->offer; /* an answer to an earlier offer says nothing any more */
    if (counts && a.taken > st->taken) st->taken = a.taken;
    if (a.offer != 0 && a.offer == st->offer && st->quiet) {
        st->due = true;
        st->due_seq = a.next;
    }
    /* An answer may come behind an acknowledgement that was said after it. */
    if (st->due && st->due_seq < st->taken) st->due_seq = st->taken;
}

static void chunk_sent(struct sim *s, const struct sim_member *m, struct bytes body)
{
    struct node_snap_chunk c;
    MS_ASSERT(node_snap_chunk_decode(body, &c) == 0);
    struct chk_stream *st = stream_find(s, m->id, c.term, c.stream);
    uint64_t hash = XXH3_64bits(c.chunk.data, c.chunk.len);
    if (!st) st = stream_add(s, m->id, c.term, c.stream);
    if (st->due && c.seq != st->due_seq) {
        sim_fail(SIM_FAIL_SAFETY, "K16",
                 "m%u goes on with chunk %llu of stream %llu, asked for is %llu", m->index + 1,
                 (unsigned long long)c.seq, (unsigned long long)c.stream,
                 (unsigned long long)st->due_seq);
    }
    st->due = st->quiet = false;
    if (c.seq > st->count) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u sends chunk %llu of stream %llu, it has sent %llu so far",
                 m->index + 1, (unsigned long long)c.seq, (unsigned long long)c.stream,
                 (unsigned long long)st->count);
    }
    if (c.seq == st->count) {
        chunk_add(st, hash);
    } else if (st->chunks[c.seq] != hash) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u sends another chunk %llu of stream %llu than before",
                 m->index + 1, (unsigned long long)c.seq, (unsigned long long)c.stream);
    }
}

static void ack_sent(struct sim *s, const struct sim_member *m, uint64_t to, struct bytes body)
{
    struct chk_member *c = chk_member(s, m);
    struct node_snap_ack a;
    MS_ASSERT(node_snap_ack_decode(body, &a) == 0);
    if (a.status < 0) {
        if (a.status == MS_EEXIST) sim_rare(s, SIM_RARE_SNAP_REFUSED);
        return;
    }
    struct chk_stream *st = stream_find(s, to, a.term, a.stream);
    if (a.installed) {
        if (st && st->resumed) sim_rare(s, SIM_RARE_SNAP_RESUMED);
        return;
    }
    if (a.term != raft_term(node_raft(sim_member_node(m)))) {
        sim_fail(SIM_FAIL_SAFETY, "K16",
                 "m%u takes a snapshot from the leader of term %llu, its own is %llu", m->index + 1,
                 (unsigned long long)a.term,
                 (unsigned long long)raft_term(node_raft(sim_member_node(m))));
    }
    if (a.offer == 0 && (!st || st != c->load || a.taken > c->loaded)) {
        sim_fail(SIM_FAIL_SAFETY, "K16",
                 "m%u acknowledges %llu chunks of stream %llu, it has loaded %llu", m->index + 1,
                 (unsigned long long)a.taken, (unsigned long long)a.stream,
                 (unsigned long long)(st && st == c->load ? c->loaded : 0));
    }
    if (a.offer != 0) c->invited = st ? st : stream_add(s, to, a.term, a.stream);
    if (a.offer != 0 && a.next > 0) c->invited->resumed = true;
}

void chk_stream_frame(struct sim *s, const struct sim_member *m, bool out, uint64_t peer, uint8_t type,
                      struct bytes body)
{
    if (!out) {
        if (type == NODE_FRAME_SNAP_ACK) ack_heard(s, m, body);
        return;
    }
    if (type == NODE_FRAME_SNAP_OFFER) offer_sent(s, m, body);
    if (type == NODE_FRAME_SNAP_CHUNK) chunk_sent(s, m, body);
    if (type == NODE_FRAME_SNAP_ACK) ack_sent(s, m, peer, body);
}

/* --- what is loaded --- */

void chk_load_begins(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    c->load = c->invited;
    c->loaded = 0;
}

void chk_load_chunk(struct sim *s, const struct sim_member *m, struct bytes chunk)
{
    struct chk_member *c = chk_member(s, m);
    const struct chk_stream *st = c->load;
    uint64_t hash = XXH3_64bits(chunk.data, chunk.len);
    if (!st || c->loaded >= st->count || st->chunks[c->loaded] != hash) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u loads as chunk %llu what stream %llu does not have there",
                 m->index + 1, (unsigned long long)c->loaded,
                 (unsigned long long)(st ? st->number : 0));
    }
    c->loaded++;
}

void chk_load_restart(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    c->invited = c->load = NULL;
    c->loaded = 0;
}
