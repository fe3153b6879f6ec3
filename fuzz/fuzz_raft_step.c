/* fuzz_raft_step.c: one replica under a script: messages that two or three peers may or may not send,
 * in any order, and everything its own member does with it. raft_check() inside each step is the
 * oracle; besides, nothing may leave that is not durable, and memory may be refused at any moment.
 *
 * input: operations of one byte and its parameters, a byte each; missing ones are 0. Numbers in
 * messages are small differences to what the replica has, so that scripts get somewhere. */
#include <stdlib.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "raft/raft.h"

#define SELF 1u
#define INDEX_MAX 200u
#define TERM_MAX 200u
#define STEPS_MAX 400u
#define PAYLOAD_BYTES_MAX 256u

struct disk_entry {
    uint64_t term;
    uint8_t payload[PAYLOAD_BYTES_MAX];
    size_t len;
};

struct disk {
    uint64_t term, vote, base_index, base_term, last_index, applied_index;
    uint64_t snapshot_index, snapshot_term, config_index;
    struct config config; /* at the snapshot */
    struct disk_entry log[INDEX_MAX + 16];
};

static struct {
    struct bytes_reader in;
    struct raft *r;
    uint64_t now_ms, refuse_in, token, applied_index;
    bool abstain, storing, done;
    struct raft_store store;
    struct disk disk;
    struct disk_entry pending[INDEX_MAX + 16];
    bool fetching;
    uint64_t fetch_first, fetch_last, fetch_peer;
    struct raft_output out;
    struct raft_msg_entry entries[RAFT_MSG_ENTRIES_MAX], decoded[RAFT_MSG_ENTRIES_MAX];
    uint8_t payloads[8][64];
} f;

static void *resize(void *ctx, void *ptr, size_t len)
{
    (void)ctx;
    if (len == 0) {
        free(ptr);
        return NULL;
    }
    if (f.refuse_in > 0 && --f.refuse_in == 0) return NULL;
    return realloc(ptr, len);
}

static const struct ms_alloc alloc = { .resize = resize };

static uint8_t next(void)
{
    uint8_t v = 0;
    bytes_read_u8(&f.in, &v);
    return v;
}

/* base moved by -3 to 4, by the low bits of a byte; a high bit takes it as it is. */
static uint64_t near_to(uint64_t base)
{
    uint8_t v = next();
    if (v & 0x80) return base;
    uint64_t moved = base + (v & 7) - 3;
    return moved > base + 4 ? 0 : moved;
}

static struct config config_of(uint8_t roles)
{
    struct config c = { 0 };
    for (uint64_t id = 1; id <= 4; id++, roles >>= 2) {
        static const uint8_t kinds[] = { CONFIG_VOTER, CONFIG_LEARNER | CONFIG_PROMOTE, 0,
                                         CONFIG_VOTER | CONFIG_OUTGOING };
        struct config_member m = { .id = id, .roles = kinds[roles & 3], .url = "http://n1:1" };
        m.url[8] = (char)('0' + id);
        if (m.roles) config_add(&c, &m);
    }
    return c;
}

/* --- what the replica puts out --- */

static void check_message(const struct raft_msg *m)
{
    struct buf b;
    struct raft_msg again;
    bool pre = m->type == RAFT_MSG_VOTE && m->vote.pre;
    MS_ASSERT(m->from == SELF && m->to != SELF && m->to != 0);
    MS_ASSERT(m->term == f.disk.term + pre); /* nothing of a term leaves before it is durable */
    if (m->type == RAFT_MSG_VOTE && !pre) MS_ASSERT(f.disk.vote == SELF);
    if (m->type == RAFT_MSG_VOTE_REPLY && m->vote_reply.granted && !m->vote_reply.pre) {
        MS_ASSERT(f.disk.vote == m->to);
    }
    if (m->type == RAFT_MSG_APPEND_REPLY && m->append_reply.ok) {
        uint64_t match = m->append_reply.match_index;
        MS_ASSERT(match <= f.disk.last_index || match <= f.disk.snapshot_index);
    }
    f.refuse_in = 0;
    buf_init(&b, &alloc, NET_FRAME_BYTES_MAX);
    raft_msg_encode(&b, m);
    MS_ASSERT(raft_msg_decode(buf_bytes(&b), f.decoded, &again) == 0);
    buf_fini(&b);
}

static int step(const struct raft_input *in)
{
    if (f.done) return MS_ESTOPPED;
    int rv = raft_step(f.r, f.now_ms, in, &f.out);
    if (rv <= MS_EFATAL) {
        f.done = true; /* the member stops */
        return rv;
    }
    for (uint32_t i = 0; i < f.out.count; i++) {
        const struct raft_output_item *item = &f.out.items[i];
        if (item->kind == RAFT_OUTPUT_SEND) check_message(&item->message);
        if (item->kind != RAFT_OUTPUT_FETCH) continue;
        f.fetching = true;
        f.fetch_peer = item->fetch.peer;
        f.fetch_first = item->fetch.first_index;
        f.fetch_last = item->fetch.last_index;
        MS_ASSERT(f.fetch_first <= f.fetch_last && f.fetch_last <= f.disk.last_index);
        MS_ASSERT(f.fetch_first > f.disk.base_index);
    }
    if (raft_last_index(f.r) >= INDEX_MAX || raft_term(f.r) >= TERM_MAX) f.done = true;
    return rv;
}

static int step_kind(enum raft_input_kind kind)
{
    struct raft_input in = { .kind = kind };
    return step(&in);
}

/* --- its life --- */

static void start(void)
{
    struct disk *d = &f.disk;
    struct raft_opts opts = { .id = SELF,
                              .election_ms_min = 100,
                              .heartbeat_ms = 10,
                              .inflight_count_max = 3,
                              .inflight_bytes_max = 200,
                              .append_bytes_max = 100,
                              .uncommitted_bytes_max = 500,
                              .cache_bytes_max = 300,
                              .unapplied_bytes_max = 200,
                              .seed = 7 };
    if (d->snapshot_index > d->last_index || d->snapshot_index < d->base_index) {
        d->base_index = d->last_index = d->snapshot_index;
        d->base_term = d->snapshot_term;
    } else if (d->snapshot_index > d->base_index &&
               d->log[d->snapshot_index].term != d->snapshot_term) {
        d->base_index = d->last_index = d->snapshot_index;
        d->base_term = d->snapshot_term;
    }
    struct raft_start begin = { .term = d->term,
                                .vote = d->vote,
                                .snapshot_index = d->snapshot_index,
                                .snapshot_term = d->snapshot_term,
                                .config = &d->config,
                                .config_index = d->config_index,
                                .applied_index = d->snapshot_index,
                                .abstain = f.abstain };
    f.refuse_in = 0;
    f.storing = f.fetching = false;
    f.applied_index = d->snapshot_index;
    int rv = raft_create(&f.r, &opts, &begin, &alloc, NULL, f.now_ms);
    MS_ASSERT(rv == 0);
    for (uint64_t i = d->base_index + 1; i <= d->last_index; i++) {
        rv = raft_restore_entry(f.r, i, d->log[i].term, bytes_of(d->log[i].payload, d->log[i].len));
        MS_ASSERT(rv == 0);
    }
}

static void restart(void)
{
    raft_destroy(f.r);
    start();
}

static void store_begin(void)
{
    if (f.storing || !raft_store_begin(f.r, next(), SIZE_MAX, &f.store)) return;
    f.storing = true;
    for (uint64_t i = f.store.first_index; i <= f.store.last_index; i++) {
        const struct entry_ref *e = raft_entry(f.r, i);
        MS_ASSERT(e != NULL && e->index == i && e->payload_len <= sizeof f.pending[i].payload);
        f.pending[i].term = e->term;
        f.pending[i].len = e->payload_len;
        memcpy(f.pending[i].payload, e->payload, e->payload_len);
    }
}

static void store_end(void)
{
    struct disk *d = &f.disk;
    if (!f.storing) return;
    f.storing = false;
    d->term = f.store.term;
    d->vote = f.store.vote;
    if (f.store.first_index <= f.store.last_index) {
        MS_ASSERT(f.store.first_index > d->base_index && f.store.first_index <= d->last_index + 1);
        for (uint64_t i = f.store.first_index; i <= f.store.last_index; i++) d->log[i] = f.pending[i];
        d->last_index = f.store.last_index;
    }
    struct raft_input in = { .kind = RAFT_INPUT_STORED, .store_token = f.store.token };
    step(&in);
}

static void apply(void)
{
    uint64_t last = raft_commit_index(f.r), durable = raft_durable_index(f.r);
    if (last > durable) last = durable;
    if (f.applied_index < last) f.applied_index++;
    if (next() & 1) f.applied_index = last > f.applied_index ? last : f.applied_index;
    struct raft_input in = { .kind = RAFT_INPUT_APPLIED, .index = f.applied_index };
    step(&in);
}

/* The configuration that was in force at index, from the disk. */
static void config_at(uint64_t index, struct config *config, uint64_t *config_index)
{
    struct disk *d = &f.disk;
    for (uint64_t i = d->base_index + 1; i <= index && i <= d->last_index; i++) {
        struct entry e;
        if (entry_decode(bytes_of(d->log[i].payload, d->log[i].len), &e) < 0) continue;
        struct bytes_reader in = bytes_reader_of(e.body);
        if (i <= *config_index || (e.kind != ENTRY_CONFIG && e.kind != ENTRY_INIT)) continue;
        if (e.kind == ENTRY_INIT) in.at += MS_UUID_BYTES;
        MS_ASSERT(config_decode(&in, config) == 0); /* raft has taken it */
        config_resolve(config, i);
        *config_index = i;
    }
}

/* A snapshot of the applied state, if the disk has the entry that it ends with. */
static void compact(void)
{
    struct disk *d = &f.disk;
    uint64_t index = f.applied_index;
    if (f.storing || index <= d->snapshot_index || index > d->last_index) return;
    if (d->log[index].term != raft_term_at(f.r, index)) return;
    config_at(index, &d->config, &d->config_index);
    d->snapshot_index = index;
    d->snapshot_term = raft_term_at(f.r, index);
    struct raft_input in = { .kind = RAFT_INPUT_COMPACT, .index = near_to(index) };
    step(&in);
    if (f.done) return;
    uint64_t base = raft_first_index(f.r) - 1;
    d->base_term = raft_term_at(f.r, base);
    d->base_index = base;
}

static void installed(void)
{
    struct disk *d = &f.disk;
    struct config config = config_of(next());
    struct raft_input in = { .kind = RAFT_INPUT_INSTALLED };
    uint64_t index = near_to(raft_last_index(f.r) + 1), term = near_to(raft_term(f.r));
    if (index <= f.applied_index || index <= raft_commit_index(f.r) || index >= INDEX_MAX) return;
    if (term == 0 || term > raft_term(f.r)) return;
    if (raft_role(f.r) == RAFT_LEADER) return; /* nobody sends one to a leader */
    bool same = raft_term_at(f.r, index) == term;
    config_resolve(&config, 1);
    in.installed.index = index;
    in.installed.term = term;
    in.installed.config = &config;
    in.installed.config_index = index;
    d->snapshot_index = index;
    d->snapshot_term = term;
    d->config = config;
    d->config_index = index;
    f.applied_index = index;
    if (!same) { /* what the store under way holds is of the old log */
        d->base_index = d->last_index = index;
        d->base_term = term;
        f.store.first_index = 1;
        f.store.last_index = 0;
    }
    step(&in);
}

static void fetched(void)
{
    struct entry_ref *refs[16];
    struct raft_input in = { .kind = RAFT_INPUT_FETCHED };
    uint32_t count = 0;
    int status = next() & 1 ? MS_EIO : 0;
    if (!f.fetching) return;
    f.fetching = false;
    f.refuse_in = 0;
    for (uint64_t i = f.fetch_first; i <= f.fetch_last && count < 16; i++) {
        if (i <= f.disk.base_index || i > f.disk.last_index) break;
        refs[count++] = entry_ref_create(&alloc, i, f.disk.log[i].term,
                                         bytes_of(f.disk.log[i].payload, f.disk.log[i].len));
    }
    in.fetched.peer = f.fetch_peer;
    in.fetched.entries = refs;
    in.fetched.count = count;
    in.fetched.status = status;
    step(&in);
    f.refuse_in = 0;
    while (count > 0) entry_ref_drop(&alloc, refs[--count]);
}

/* --- messages --- */

static struct raft_msg message(enum raft_msg_type type)
{
    struct raft_msg m = { .type = type, .from = 2 + next() % 3, .to = SELF };
    m.term = near_to(raft_term(f.r));
    return m;
}

static void hand_in(const struct raft_msg *m)
{
    struct raft_input in = { .kind = RAFT_INPUT_MESSAGE, .message = m };
    step(&in);
}

static void vote(void)
{
    struct raft_msg m = message(RAFT_MSG_VOTE);
    uint8_t flags = next();
    m.vote.pre = flags & 1;
    m.vote.transfer = flags >> 1 & 1;
    m.vote.last_index = near_to(raft_durable_index(f.r));
    m.vote.last_term = near_to(raft_term_at(f.r, raft_durable_index(f.r)));
    hand_in(&m);
}

static void vote_reply(void)
{
    struct raft_msg m = message(RAFT_MSG_VOTE_REPLY);
    uint8_t flags = next();
    m.vote_reply.pre = flags & 1;
    m.vote_reply.granted = flags >> 1 & 1;
    m.vote_reply.abstain = flags >> 2 & 1;
    m.vote_reply.asked_term = near_to(raft_term(f.r));
    hand_in(&m);
}

static struct bytes payload(uint32_t slot)
{
    struct buf b;
    struct config c;
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = bytes_of_str("body") };
    uint8_t kind = next();
    struct buf members;
    f.refuse_in = 0;
    buf_init(&b, &alloc, sizeof f.payloads[0]);
    buf_init(&members, &alloc, CONFIG_ENCODED_BYTES_MAX);
    if (kind >= 0xf8) return bytes_of(&f.in.data[0], f.in.len < 5 ? f.in.len : 5); /* no entry at all */
    if (kind & 0x40) {
        c = config_of(kind & 0x3f);
        if (c.member_count > 2) c.member_count = 2; /* what fits */
        e.kind = ENTRY_CONFIG;
        config_encode(&members, &c);
        e.body = buf_bytes(&members);
    }
    entry_encode(&b, &e);
    size_t len = b.failed ? 0 : b.len;
    if (len) memcpy(f.payloads[slot], b.data, len);
    buf_fini(&b);
    buf_fini(&members);
    return bytes_of(f.payloads[slot], len);
}

static void append(void)
{
    struct raft_msg m = message(RAFT_MSG_APPEND);
    uint8_t how = next();
    m.append.prev_index = near_to(how & 1 ? raft_commit_index(f.r) : raft_last_index(f.r));
    m.append.prev_term = raft_term_at(f.r, m.append.prev_index);
    if (how & 2) m.append.prev_term = near_to(m.append.prev_term);
    m.append.commit_index = near_to(how & 4 ? raft_last_index(f.r) : raft_commit_index(f.r));
    m.append.round = how >> 4;
    uint64_t term = m.append.prev_term;
    m.append.count = next() % 5;
    for (uint32_t i = 0; i < m.append.count; i++) {
        uint8_t v = next();
        term = v & 1 ? m.term : v & 2 ? term + 1 : v & 4 ? near_to(term) : term;
        f.entries[i] = (struct raft_msg_entry){ .term = term, .payload = payload(i) };
    }
    m.append.entries = f.entries;
    hand_in(&m);
}

static void append_reply(void)
{
    struct raft_msg m = message(RAFT_MSG_APPEND_REPLY);
    uint8_t flags = next();
    m.append_reply.ok = flags & 1;
    m.append_reply.abstain = flags >> 1 & 1;
    m.append_reply.full = flags >> 2 & 1;
    m.append_reply.closed = flags >> 3 & 1;
    m.append_reply.match_index = near_to(raft_last_index(f.r));
    m.append_reply.prev_index = near_to(raft_last_index(f.r));
    m.append_reply.hint_index = next() % 16;
    m.append_reply.hint_term = near_to(raft_term(f.r));
    m.append_reply.round = flags >> 4;
    hand_in(&m);
}

static void read_messages(void)
{
    uint8_t kind = next();
    struct raft_msg m = message(kind % 3 == 0   ? RAFT_MSG_READ
                                : kind % 3 == 1 ? RAFT_MSG_READ_REPLY
                                                : RAFT_MSG_TIMEOUT_NOW);
    if (m.type == RAFT_MSG_READ) m.read.token = next();
    if (m.type == RAFT_MSG_READ_REPLY) {
        m.read_reply.token = near_to(f.token);
        m.read_reply.index = next();
        m.read_reply.status = kind & 0x40 ? MS_EBUSY : 0;
    }
    hand_in(&m);
}

/* --- requests --- */

static void propose(void)
{
    struct raft_input in = { .kind = RAFT_INPUT_PROPOSE, .payload = payload(0) };
    step(&in);
}

static void change(void)
{
    struct raft_change c = { .change = 1 + next() % 4,
                             .member_id = 1 + next() % 5,
                             .url = "http://n1:1" };
    c.url[8] = (char)('0' + next() % 6);
    struct raft_input in = { .kind = RAFT_INPUT_CHANGE, .change = &c };
    step(&in);
}

static void ask(void)
{
    struct raft_input in = { .kind = RAFT_INPUT_READ, .read_token = ++f.token };
    step(&in);
}

static void link_or_snapshot(void)
{
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    uint8_t how = next();
    in.link.peer = 2 + next() % 3;
    in.link.up = how & 1;
    if (how & 2) {
        in = (struct raft_input){ .kind = RAFT_INPUT_SNAPSHOT_DONE };
        in.snapshot_done.peer = 2 + next() % 3;
        in.snapshot_done.index = f.disk.snapshot_index;
        in.snapshot_done.status = how & 4 ? MS_ETIMEOUT : 0;
    }
    step(&in);
}

static void abstain_or_found(void)
{
    uint8_t how = next();
    struct config c = config_of(how >> 2);
    struct raft_input in = { .kind = RAFT_INPUT_ABSTAIN, .abstain = how & 1 };
    if (how & 2) {
        in = (struct raft_input){ .kind = RAFT_INPUT_FOUND, .config = &c };
    } else {
        f.abstain = how & 1;
    }
    step(&in);
}

static void operate(uint8_t op)
{
    switch (op % 20) {
    case 0: f.now_ms += next(), step_kind(RAFT_INPUT_TICK); break;
    case 1: vote(); break;
    case 2: vote_reply(); break;
    case 3:
    case 4: append(); break;
    case 5:
    case 6: append_reply(); break;
    case 7: read_messages(); break;
    case 8: store_begin(); break;
    case 9: store_end(); break;
    case 10: propose(); break;
    case 11: change(); break;
    case 12: ask(); break;
    case 13: apply(); break;
    case 14: link_or_snapshot(); break;
    case 15: next() & 1 ? compact() : installed(); break;
    case 16: fetched(); break;
    case 17: abstain_or_found(); break;
    case 18: step_kind(RAFT_INPUT_FLUSH); break;
    case 19: next() & 1 ? restart() : (void)(f.refuse_in = next()); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    memset(&f, 0, sizeof f);
    f.in = bytes_reader_of(bytes_of(data, len));
    f.now_ms = 1000;
    f.disk.config = config_of(next());
    start();
    for (uint32_t i = 0; i < STEPS_MAX && !f.done && bytes_reader_left(&f.in) > 0; i++) operate(next());
    f.refuse_in = 0;
    raft_destroy(f.r);
    return 0;
}
