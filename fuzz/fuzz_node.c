/* fuzz_node.c: one real node (raft, wal, kv_mem on a simulated disk) under a script: frames of every
 * type from two peers, plausible and garbage, requests of clients, time, completions of its disk one by
 * one, power cuts and restarts. No frame may make an assertion fire; node_check() holds after every
 * turn; a request is answered at most once; and whatever peers say, a restart finds no damage, since
 * this disk has none.
 *
 * input: operations of one byte and its parameters, a byte each; missing ones are 0. Numbers in frames
 * are small differences to what the node has, so that scripts get somewhere. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "node/node_private.h"
#include "sim/sim_disk.h"

#define SELF 1u
#define STEPS_MAX 300u
#define OPS_MAX 64u
#define JOBS_MAX 1024u
#define TOKENS_MAX 512u
#define TERM_MAX 1000u
#define DONOR_INDEX 30u
#define INDEX_MAX 400u

static const char uuid[MS_UUID_BYTES + 1] = "uuid of the fuzz";

static struct {
    struct bytes_reader in;
    struct ms_alloc alloc;
    struct sim_disk *sim;
    struct disk *disk;
    struct node *n;
    struct kv *kv;
    struct config cluster;
    uint64_t now_ms, starts;
    bool stopped;
    struct disk_op *ops[OPS_MAX];
    struct kv_job *jobs[JOBS_MAX];
    uint32_t op_first, op_count, job_first, job_count;
    uint64_t token;
    uint8_t open[TOKENS_MAX]; /* accepted and not answered */
    struct buf frame, payloads[4];
    struct buf donor_chunk; /* a whole snapshot at DONOR_INDEX, term 1 */
} z;

static uint8_t next(void)
{
    uint8_t v = 0;
    bytes_read_u8(&z.in, &v);
    return v;
}

/* base and a small difference, never below 0. */
static uint64_t near(uint64_t base)
{
    int8_t by = (int8_t)next();
    return by < 0 && (uint64_t)-by > base ? 0 : base + (uint64_t)(int64_t)by;
}

/* --- what the node calls --- */

static void op_submitted(void *ctx, struct disk_op *op)
{
    (void)ctx;
    MS_ASSERT(z.op_count < OPS_MAX);
    z.ops[(z.op_first + z.op_count++) % OPS_MAX] = op;
}

static bool host_send(void *ctx, uint64_t to, uint8_t type, struct bytes body)
{
    (void)ctx;
    (void)type;
    MS_ASSERT(to != SELF && body.len <= NET_FRAME_BYTES_MAX);
    return true;
}

static void host_stream(void *ctx, uint64_t to, bool wanted)
{
    (void)ctx;
    (void)wanted;
    MS_ASSERT(to != SELF);
}

static bool host_send_stream(void *ctx, uint64_t to, uint8_t type, struct bytes body)
{
    MS_ASSERT(node_frame_is_of_stream(type));
    return host_send(ctx, to, type, body);
}

static void host_answer(void *ctx, const struct node_answer *a)
{
    (void)ctx;
    MS_ASSERT(a->token < TOKENS_MAX && z.open[a->token]);
    z.open[a->token] = 0;
}

static void host_submit_job(void *ctx, struct kv_job *job)
{
    (void)ctx;
    MS_ASSERT(z.job_count < JOBS_MAX);
    z.jobs[(z.job_first + z.job_count++) % JOBS_MAX] = job;
}

static void host_peers_changed(void *ctx)
{
    (void)ctx;
}

static void host_stop(void *ctx, int status, const char *reason)
{
    (void)ctx;
    MS_ASSERT(status <= 0 && reason[0] != 0 && !z.stopped);
    z.stopped = true;
}

/* --- its life --- */

static struct node_opts options(void)
{
    struct node_opts o = { .id = SELF,
                           .storage = NODE_STORAGE_MEMORY,
                           .log_dir = "log",
                           .snap_dir = "snap",
                           .cluster = &z.cluster,
                           .request_ms_max = 500,
                           .snapshot_log_bytes = 2000,
                           .requests_max = 100,
                           .request_bytes_max = 4096,
                           .revisions_kept = 5,
                           .digest_ms = 100,
                           .wal_segment_bytes = 80u << 10,
                           .wal_prewrite_bytes = 16u << 10,
                           .raft = { .election_ms_min = 100,
                                     .heartbeat_ms = 20,
                                     .inflight_count_max = 8,
                                     .inflight_bytes_max = 64u << 10,
                                     .append_bytes_max = 4096,
                                     .uncommitted_bytes_max = 64u << 10,
                                     .cache_bytes_max = 2000,
                                     .unapplied_bytes_max = 64u << 10 },
                           .seed = ++z.starts };
    memcpy(o.entropy, "nonce of a start", MS_UUID_BYTES);
    memcpy(o.entropy + MS_UUID_BYTES, uuid, MS_UUID_BYTES);
    return o;
}

static bool start(void)
{
    const struct node_host host = { .send = host_send,
                                    .stream = host_stream,
                                    .send_stream = host_send_stream,
                                    .answer = host_answer,
                                    .submit_job = host_submit_job,
                                    .peers_changed = host_peers_changed,
                                    .stop = host_stop };
    char why[NODE_WHY_BYTES];
    struct node_opts opts = options();
    z.op_count = z.job_count = 0;
    memset(z.open, 0, sizeof z.open);
    MS_ASSERT(kv_create(&z.kv, kv_mem_create(&z.alloc), &z.alloc, NULL) == 0);
    int rv = node_create(&z.n, &opts, z.kv, z.disk, &z.alloc, NULL, &host, z.now_ms, why, sizeof why);
    if (rv < 0) {
        MS_ASSERT(why[0] != 0 && (rv == MS_EREMOVED || rv == MS_EUNSUPPORTED));
        kv_destroy(z.kv);
        return false;
    }
    MS_ASSERT(!(z.n->store.state.flags & WAL_FLAG_DAMAGED));
    return true;
}

static void stop(bool power)
{
    sim_disk_crash(z.sim, power, NULL, z.op_count ? z.ops[z.op_first % OPS_MAX] : NULL);
    node_destroy(z.n);
    z.n = NULL;
    MS_ASSERT(sim_disk_open_files(z.sim) == 0);
}

static void make_disk(void)
{
    const struct sim_disk_opts opts = { .submitted = op_submitted };
    static const char *const dirs[] = { "log", "snap" };
    z.sim = sim_disk_create(&opts, &z.alloc);
    z.disk = sim_disk_face(z.sim);
    for (int i = 0; i < 2; i++) {
        struct disk_op mkdir = { .kind = DISK_OP_MKDIR };
        snprintf(mkdir.path, sizeof mkdir.path, "%s", dirs[i]);
        MS_ASSERT(z.disk->ops->call(z.disk, &mkdir) == 0);
    }
    struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "." };
    MS_ASSERT(z.disk->ops->call(z.disk, &sync) == 0);
}

static bool complete_op(void)
{
    if (z.op_count == 0 || z.stopped) return false;
    struct disk_op *op = z.ops[z.op_first++ % OPS_MAX];
    z.op_count--;
    sim_disk_perform(z.sim, op);
    node_on_disk(z.n, z.now_ms, op);
    return true;
}

static bool complete_job(void)
{
    if (z.job_count == 0 || z.stopped) return false;
    struct kv_job *job = z.jobs[z.job_first++ % JOBS_MAX];
    z.job_count--;
    kv_run(z.kv, job);
    node_on_job(z.n, z.now_ms, job);
    return true;
}

static void turn(uint32_t completions)
{
    if (!z.stopped) node_flush(z.n, z.now_ms);
    for (uint32_t i = 0; i < completions; i++) {
        bool moved = complete_job();
        moved |= complete_op();
        if (!moved) break;
        if (!z.stopped) node_flush(z.n, z.now_ms);
    }
    MS_ASSERT(!z.n->failed || z.stopped);
    node_check(z.n);
}

/* --- entries --- */

static void add_config_body(struct buf *out)
{
    struct config c = z.cluster;
    switch (next() % 4) {
    case 0: break;
    case 1: config_remove(&c, 3); break;
    case 2: config_remove(&c, SELF); break;
    case 3: {
        struct config_member m = { .id = 4, .roles = CONFIG_LEARNER | CONFIG_PROMOTE };
        snprintf(m.url, sizeof m.url, "http://127.0.0.1:9004");
        config_add(&c, &m);
    }
    }
    for (uint32_t i = 0; i < c.member_count; i++) c.members[i].added_index = c.members[i].id != 4;
    config_encode(out, &c);
}

static void encode_entry(struct buf *out, uint8_t kind, struct bytes body, bool own)
{
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    if (kind == ENTRY_TXN || kind == ENTRY_CHANGE_REQUEST) {
        e.origin = (struct entry_origin){ .member_id = own ? SELF : 2u + next() % 2,
                                          .added_index = 1,
                                          .incarnation = near(z.n ? z.n->store.state.incarnation : 1),
                                          .seq = near(z.n ? z.n->proposals.next_seq : 1) };
        if (e.origin.incarnation == 0) e.origin.incarnation = 1;
        if (e.origin.seq == 0) e.origin.seq = 1;
        e.origin.low_seq = e.origin.seq > 3 ? e.origin.seq - 3 : 1;
    }
    buf_clear(out);
    entry_encode(out, &e);
}

static void make_entry(struct buf *out, uint64_t index)
{
    struct buf body;
    uint8_t small[40];
    buf_init(&body, &z.alloc, ENTRY_PAYLOAD_BYTES_MAX);
    uint8_t kind = next();
    if (index == 1) kind = 1;
    switch (kind % 8) {
    case 0: encode_entry(out, ENTRY_NOOP, buf_bytes(&body), false); break;
    case 1:
        buf_append(&body, uuid, MS_UUID_BYTES);
        config_encode(&body, &z.cluster);
        encode_entry(out, ENTRY_INIT, buf_bytes(&body), false);
        break;
    case 2:
        add_config_body(&body);
        encode_entry(out, ENTRY_CONFIG, buf_bytes(&body), false);
        break;
    case 3:
        bytes_store_u64(small, 1 + next() % 4);
        bytes_store_u64(small + 8, 1);
        memcpy(small + 16, next() % 2 ? "nonce of a start" : "nonce of another", MS_UUID_BYTES);
        encode_entry(out, ENTRY_ATTACH, bytes_of(small, 32), false);
        break;
    case 4:
        bytes_store_u64(small, near(z.n->info.revision));
        encode_entry(out, ENTRY_COMPACT, bytes_of(small, 8), false);
        break;
    case 5:
        small[0] = next();
        encode_entry(out, ENTRY_TXN, bytes_of(small, small[0] % 40), next() % 2);
        break;
    default:
        small[0] = (uint8_t)('a' + next() % 4);
        MS_ASSERT(kv_cmd_encode_put(&body, bytes_of(small, 1), bytes_of("value", next() % 6)) == 0);
        encode_entry(out, ENTRY_TXN, buf_bytes(&body), next() % 2);
        break;
    }
    buf_fini(&body);
}

/* --- frames --- */

static void give(uint64_t from, uint8_t type)
{
    struct bytes body = buf_bytes(&z.frame);
    MS_ASSERT(!z.frame.failed);
    if (!z.stopped) node_on_frame(z.n, z.now_ms, from, type, body);
}

static void fill_append(struct raft_msg *m, struct raft_msg_entry entries[4])
{
    m->append.prev_index = near(raft_last_index(z.n->raft));
    m->append.prev_term = raft_term_at(z.n->raft, m->append.prev_index);
    if (next() % 8 == 0) m->append.prev_term = near(m->append.prev_term);
    m->append.commit_index = near(raft_commit_index(z.n->raft));
    m->append.round = next();
    m->append.count = next() % 5;
    if (m->append.prev_index > INDEX_MAX) m->append.count = 0;
    for (uint32_t i = 0; i < m->append.count; i++) {
        make_entry(&z.payloads[i], m->append.prev_index + 1 + i);
        entries[i] = (struct raft_msg_entry){ .term = m->term, .payload = buf_bytes(&z.payloads[i]) };
    }
    m->append.entries = entries;
}

static void raft_frame(uint64_t from)
{
    struct raft_msg_entry entries[4];
    struct raft_msg m = { .type = (enum raft_msg_type)(1 + next() % 7), .from = from, .to = SELF };
    m.term = near(raft_term(z.n->raft));
    if (m.term > TERM_MAX) m.term = 1;
    switch (m.type) {
    case RAFT_MSG_VOTE:
        m.vote.pre = next() % 2;
        m.vote.transfer = next() % 2;
        m.vote.last_index = near(raft_last_index(z.n->raft));
        m.vote.last_term = near(m.term);
        break;
    case RAFT_MSG_VOTE_REPLY:
        m.vote_reply.pre = next() % 2;
        m.vote_reply.granted = next() % 4;
        m.vote_reply.abstain = next() % 4 == 3;
        m.vote_reply.asked_term = near(m.term);
        break;
    case RAFT_MSG_APPEND: fill_append(&m, entries); break;
    case RAFT_MSG_APPEND_REPLY:
        m.append_reply.ok = next() % 4;
        m.append_reply.abstain = next() % 4 == 3;
        m.append_reply.match_index = near(raft_last_index(z.n->raft));
        m.append_reply.prev_index = near(raft_last_index(z.n->raft));
        m.append_reply.hint_index = near(raft_last_index(z.n->raft));
        m.append_reply.hint_term = near(m.term);
        m.append_reply.round = next();
        break;
    case RAFT_MSG_READ: m.read.token = next(); break;
    case RAFT_MSG_READ_REPLY:
        m.read_reply.token = z.n->store.state.incarnation << 32 | near(z.n->reads.next_token);
        m.read_reply.index = near(raft_commit_index(z.n->raft));
        m.read_reply.status = next() % 2 ? MS_ENOLEADER : 0;
        break;
    case RAFT_MSG_TIMEOUT_NOW: break;
    }
    raft_msg_encode(&z.frame, &m);
    give(from, NODE_FRAME_RAFT);
}

static void forward_frame(uint64_t from)
{
    struct buf body;
    buf_init(&body, &z.alloc, 4096);
    uint8_t what = next();
    if (what % 2) {
        make_entry(&z.payloads[0], 2);
    } else { /* a wish for a change */
        buf_append_u64(&body, near(raft_config_index(z.n->raft)));
        buf_append_u8(&body, 1 + next() % 4);
        buf_append_u64(&body, next() % 6);
        buf_append_u8(&body, 21);
        buf_append_text(&body, "http://127.0.0.1:90%02u", next() % 10u);
        encode_entry(&z.payloads[0], ENTRY_CHANGE_REQUEST, buf_bytes(&body), false);
    }
    struct node_forward m = { .attempt = next(), .payload = buf_bytes(&z.payloads[0]) };
    node_forward_encode(&z.frame, &m);
    give(from, NODE_FRAME_FORWARD);
    buf_fini(&body);
}

static void reply_frame(uint64_t from)
{
    static const int16_t statuses[] = { MS_ENOLEADER, MS_EBUSY, MS_ECONFLICT, MS_EEXIST, MS_EPROTO };
    struct node_forward_reply m = { .incarnation = near(z.n->store.state.incarnation),
                                    .seq = near(z.n->proposals.next_seq),
                                    .attempt = next() % 4,
                                    .status = statuses[next() % 5] };
    node_forward_reply_encode(&z.frame, &m);
    give(from, NODE_FRAME_FORWARD_REPLY);
}

static void gate_frame(uint64_t from)
{
    uint8_t bits = next();
    struct node_gate m = { .fresh = bits & 1,
                           .passed = bits & 2,
                           .reply_wanted = bits & 4,
                           .list_hash = z.n->gate.list_hash ^ (bits >> 7) };
    node_gate_encode(&z.frame, &m);
    give(from, NODE_FRAME_GATE);
}

static void chunk_frame(uint64_t from)
{
    struct node_snap_chunk m = { .term = near(raft_term(z.n->raft)),
                                 .stream = next() % 4,
                                 .index = DONOR_INDEX,
                                 .snap_term = 1,
                                 .seq = next() % 3,
                                 .chunk = buf_bytes(&z.donor_chunk) };
    uint8_t what = next();
    m.last = what % 4 != 3;
    if (what % 8 == 1) m.index = near(DONOR_INDEX);
    if (what % 8 == 2) m.chunk.len -= 1 + next() % 20;
    if (m.term == 0) m.term = 1;
    if (m.index == 0) m.index = 1;
    node_snap_chunk_encode(&z.frame, &m);
    if (what % 8 == 4)
        z.frame.data[z.frame.len - 1 - next() % m.chunk.len] ^= (uint8_t)(1u << next() % 8);
    give(from, NODE_FRAME_SNAP_CHUNK);
}

static void offer_frame(uint64_t from)
{
    struct node_snap_offer m = { .term = near(raft_term(z.n->raft)),
                                 .stream = next() % 4,
                                 .index = near(DONOR_INDEX),
                                 .snap_term = 1,
                                 .number = 1 };
    if (m.term == 0) m.term = 1;
    if (m.index == 0) m.index = 1;
    node_snap_offer_encode(&z.frame, &m);
    give(from, NODE_FRAME_SNAP_OFFER);
}

static void ack_frame(uint64_t from)
{
    struct node_snap_ack m = { .term = near(raft_term(z.n->raft)), .stream = near(z.n->next_stream) };
    m.offer = next() % 3;
    m.taken = next() % 3;
    m.next = m.taken + next() % 2;
    m.status = (int16_t) - (next() % 12);
    m.installed = next() % 2;
    node_snap_ack_encode(&z.frame, &m);
    give(from, NODE_FRAME_SNAP_ACK);
}

static void repair_frame(uint64_t from, uint8_t type)
{
    struct node_repair m = { .number = near(z.n->repair_number),
                             .term = near(raft_term(z.n->raft)),
                             .last_index = near(raft_last_index(z.n->raft)) };
    node_repair_encode(&z.frame, &m);
    give(from, type);
}

static void garbage_frame(uint64_t from)
{
    uint8_t type = next(), len = next();
    for (uint8_t i = 0; i < len; i++) buf_append_u8(&z.frame, next());
    give(from, type);
}

static void any_frame(uint8_t op)
{
    uint64_t from = 2 + (op & 1);
    buf_clear(&z.frame);
    switch (op >> 1 & 7) {
    case 0: garbage_frame(from); break;
    case 1:
    case 2: raft_frame(from); break;
    case 3: forward_frame(from); break;
    case 4: reply_frame(from); break;
    case 5: gate_frame(from); break;
    case 6: chunk_frame(from); break;
    case 7: {
        uint8_t what = next() % 4;
        if (what == 3)
            offer_frame(from);
        else if (what == 0)
            ack_frame(from);
        else
            repair_frame(from, what == 1 ? NODE_FRAME_REPAIR : NODE_FRAME_REPAIR_REPLY);
    }
    }
}

/* --- everything else that happens to a node --- */

static void request(void)
{
    struct buf cmd;
    uint8_t what = next(), key[1] = { (uint8_t)('a' + next() % 4) };
    int rv = MS_EBUSY;
    if (++z.token >= TOKENS_MAX || z.stopped) return;
    buf_init(&cmd, &z.alloc, 4096);
    z.open[z.token] = 1;
    switch (what % 4) {
    case 0:
    case 1:
        MS_ASSERT(kv_cmd_encode_put(&cmd, bytes_of(key, 1), bytes_of("value", what % 6)) == 0);
        rv = node_propose_txn(z.n, z.now_ms, z.token, buf_bytes(&cmd));
        break;
    case 2: rv = node_read(z.n, z.now_ms, z.token, bytes_of(key, 1)); break;
    case 3:
        rv = node_change(z.n, z.now_ms, z.token, (enum entry_change)(1 + what / 4 % 4), next() % 6,
                         "http://127.0.0.1:9004");
        break;
    }
    MS_ASSERT(z.open[z.token] == 1);
    if (rv < 0) z.open[z.token] = 0;
    buf_fini(&cmd);
}

static void shake_hands(void)
{
    struct node_identity peer = { .member_id = 2 + next() % 3, .added_index = near(1) };
    char why[NODE_WHY_BYTES] = "";
    uint8_t what = next();
    if (z.stopped) return;
    if (what & 1) memcpy(peer.cluster_uuid, uuid, MS_UUID_BYTES);
    if (what & 2) memset(peer.nonce, what, MS_UUID_BYTES);
    snprintf(peer.url, sizeof peer.url, "http://127.0.0.1:900%u", (unsigned)peer.member_id);
    int rv = node_judge_peer(z.n, z.now_ms, &peer, why, sizeof why);
    MS_ASSERT(rv == 0 || why[0] != 0);
    node_on_link(z.n, z.now_ms, peer.member_id, rv == 0 && what & 4);
}

static void stream_event(uint8_t op)
{
    uint64_t peer = 2 + (op >> 3 & 1);
    if (z.stopped) return;
    if (op >> 4 & 1)
        node_on_stream_room(z.n, z.now_ms, peer);
    else
        node_on_stream(z.n, z.now_ms, peer, op >> 5 & 1);
}

static bool other(uint8_t op)
{
    switch (op & 7) {
    case 0:
        z.now_ms += next() * 4u;
        if (!z.stopped) node_on_tick(z.n, z.now_ms);
        break;
    case 1: request(); break;
    case 2: turn(op >> 3); break;
    case 3: turn(200); break;
    case 4: shake_hands(); break;
    case 5:
        if (op >> 3 & 3) return true; /* not too often */
        stop(op >> 5 & 1);
        return !z.stopped && start();
    case 6:
        if ((op >> 3 & 7) == 7 && !z.stopped) node_on_removed(z.n, z.now_ms, 2);
        break;
    case 7: stream_event(op); break;
    }
    return true;
}

/* A snapshot of the cluster the scripts speak of. */
static void make_donor(void)
{
    struct kv *kv = NULL;
    struct kv_info info;
    struct kv_result result;
    struct buf body;
    MS_ASSERT(kv_create(&kv, kv_mem_create(&z.alloc), &z.alloc, NULL) == 0);
    buf_init(&body, &z.alloc, 8192);
    for (uint64_t i = 1; i <= DONOR_INDEX; i++) {
        buf_clear(&body);
        if (i == 1) {
            buf_append(&body, uuid, MS_UUID_BYTES);
            config_encode(&body, &z.cluster);
        } else {
            char key[8];
            snprintf(key, sizeof key, "%u", (unsigned)i);
            MS_ASSERT(kv_cmd_encode_put(&body, bytes_of_str(key), bytes_of_str("given")) == 0);
        }
        encode_entry(&z.payloads[0], i == 1 ? ENTRY_INIT : ENTRY_TXN, buf_bytes(&body), false);
        struct entry_ref *e = entry_ref_create(&z.alloc, i, 1, buf_bytes(&z.payloads[0]));
        struct kv_job job = {
            .kind = KV_JOB_APPLY, .entries = &e, .results = &result, .count = 1, .info = &info
        };
        kv_run(kv, &job);
        MS_ASSERT(job.status == 0);
        entry_ref_drop(&z.alloc, e);
    }
    struct kv_job snap = { .kind = KV_JOB_SNAP_OPEN, .info = &info };
    buf_init(&snap.chunk, &z.alloc, SNAP_CHUNK_BYTES_HARD_MAX);
    kv_run(kv, &snap);
    snap.kind = KV_JOB_SNAP_READ;
    kv_run(kv, &snap);
    MS_ASSERT(snap.status == 0 && snap.last);
    z.donor_chunk = snap.chunk;
    snap.kind = KV_JOB_SNAP_CLOSE;
    kv_run(kv, &snap);
    buf_fini(&body);
    kv_destroy(kv);
}

static void setup(void)
{
    z.alloc = fuzz_heap;
    z.now_ms = 1000;
    for (uint64_t id = 1; id <= 3; id++) {
        struct config_member m = { .id = id, .roles = CONFIG_VOTER };
        snprintf(m.url, sizeof m.url, "http://127.0.0.1:900%u", (unsigned)id);
        MS_ASSERT(config_add(&z.cluster, &m) == 0);
    }
    buf_init(&z.frame, &z.alloc, NET_FRAME_BYTES_MAX);
    for (int i = 0; i < 4; i++) buf_init(&z.payloads[i], &z.alloc, ENTRY_PAYLOAD_BYTES_MAX);
    make_donor();
    make_disk();
}

static void teardown(void)
{
    sim_disk_destroy(z.sim);
    buf_fini(&z.frame);
    buf_fini(&z.donor_chunk);
    for (int i = 0; i < 4; i++) buf_fini(&z.payloads[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    memset(&z, 0, sizeof z);
    setup();
    z.in = bytes_reader_of(bytes_of(data, len));
    bool up = start();
    for (uint32_t i = 0; up && i < STEPS_MAX && bytes_reader_left(&z.in) > 0; i++) {
        uint8_t op = next();
        if (op & 0x80)
            any_frame(op);
        else
            up = other(op);
        /* Most turns end by themselves; some inputs come together. */
        if (up && !(op & 0x40)) turn(op & 0x20 ? 1 : 50);
    }
    if (z.n) stop(false);
    teardown();
    return 0;
}
