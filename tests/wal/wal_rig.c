#include "tests/wal/wal_rig.h"

#include <stdlib.h>

static void rig_submitted(void *ctx, struct disk_op *op)
{
    struct rig *r = ctx;
    CHECK(r->tail - r->head < RIG_OPS_MAX);
    r->queue[r->tail++ % RIG_OPS_MAX] = op;
}

static void rig_log_write(void *ctx, enum log_level level, const char *line)
{
    struct rig *r = ctx;
    (void)level;
    snprintf(r->last_log, sizeof r->last_log, "%s", line);
}

void rig_init(struct rig *r, uint64_t capacity_bytes)
{
    struct sim_disk_opts opts = { .capacity_bytes = capacity_bytes, .submitted = rig_submitted };
    memset(r, 0, sizeof *r);
    opts.ctx = r;
    test_alloc_init(&r->sim_alloc);
    test_alloc_init(&r->alloc);
    r->sim = sim_disk_create(&opts, &r->sim_alloc.face);
    r->disk = sim_disk_face(r->sim);
    struct disk_op mkdir = { .kind = DISK_OP_MKDIR, .path = "log" };
    struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "." };
    CHECK_EQ(r->disk->ops->call(r->disk, &mkdir), 0);
    CHECK_EQ(r->disk->ops->call(r->disk, &sync), 0);
    r->opts = (struct wal_opts){ .dir = "log",
                                 .member_id = 3,
                                 .nonce = "nonce of member",
                                 .segment_bytes = RIG_SEGMENT_BYTES,
                                 .prewrite_bytes = 16u << 10,
                                 .spare_segments_max = 2 };
    r->log = (struct log_sink){ .ctx = r, .level = LOG_DEBUG, .write = rig_log_write };
    ms_rand_init(&r->order, 1, 77);
}

void rig_fini(struct rig *r)
{
    rig_close(r);
    sim_disk_destroy(r->sim);
    CHECK_EQ(r->sim_alloc.alive, 0);
    CHECK_EQ(r->alloc.alive, 0);
}

static uint8_t rig_byte(uint64_t seed, size_t i)
{
    uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + i / 8 * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint8_t)(z >> (i % 8 * 8) ^ z >> 29);
}

static int rig_take(void *arg, uint64_t index, uint64_t term, struct bytes payload)
{
    struct rig *r = arg;
    struct rig_entry *e = &r->recovered.at[index % RIG_ENTRIES_MAX];
    uint64_t seed = payload.len >= 8 ? bytes_load_u64(payload.data) : 0;
    *e = (struct rig_entry){ .term = term, .seed = seed, .len = payload.len };
    for (size_t i = 8; seed && i < payload.len; i++) CHECK_EQ(payload.data[i], rig_byte(seed, i));
    r->recovered.last_index = index;
    return 0;
}

int rig_open(struct rig *r)
{
    r->recovered.last_index = 0;
    r->failed = 0;
    int rv = wal_open(&r->wal, &r->opts, r->disk, &r->alloc.face, &r->log, &r->found, rig_take, r);
    if (rv < 0) return rv;
    r->recovered.base_index = r->found.base_index;
    r->recovered.state = r->found.state;
    if (r->recovered.last_index != 0) CHECK_EQ(r->recovered.last_index, r->found.last_index);
    r->recovered.last_index = r->found.last_index;
    CHECK_EQ(r->found.first_index, r->found.base_index + 1);
    CHECK_EQ(wal_last_index(r->wal), r->found.last_index);
    CHECK_EQ(wal_durable_index(r->wal), r->found.last_index);
    return 0;
}

void rig_close(struct rig *r)
{
    wal_close(r->wal);
    r->wal = NULL;
    r->head = r->tail = 0;
    r->batch_busy = false;
}

void rig_crash(struct rig *r, bool power, struct ms_rand *rand)
{
    struct disk_op *torn = r->head != r->tail ? r->queue[r->head % RIG_OPS_MAX] : NULL;
    if (torn && rand && ms_rand_below(rand, 3) == 0) torn = r->queue[(r->tail - 1) % RIG_OPS_MAX];
    sim_disk_crash(r->sim, power, rand, torn);
    rig_close(r);
}

/* The next op: the oldest of a lane, and which lane is drawn. */
static struct disk_op *rig_pick(struct rig *r)
{
    unsigned count = r->tail - r->head, nth = (unsigned)ms_rand_below(&r->order, count);
    unsigned at = r->head + nth;
    for (unsigned i = r->head; i != at; i++) {
        if (r->queue[i % RIG_OPS_MAX]->lane == r->queue[at % RIG_OPS_MAX]->lane) at = i;
        if (at == i) break;
    }
    struct disk_op *op = r->queue[at % RIG_OPS_MAX];
    for (unsigned i = at; i != r->head; i--) {
        r->queue[i % RIG_OPS_MAX] = r->queue[(i - 1) % RIG_OPS_MAX];
    }
    r->queue[r->head % RIG_OPS_MAX] = op;
    return op;
}

static void rig_events(struct rig *r)
{
    static struct wal_event ev;
    while (wal_next_event(r->wal, &ev)) {
        if (ev.kind == WAL_EVENT_DURABLE) {
            CHECK(r->batch_busy);
            CHECK_EQ(ev.token, r->token);
            CHECK_EQ(wal_durable_index(r->wal), r->latest.last_index);
            r->batch_busy = false;
            r->acked = r->latest;
        }
        if (ev.kind == WAL_EVENT_READ) {
            r->read = ev;
            r->read_done = true;
        }
    }
}

bool rig_step(struct rig *r)
{
    if (r->head == r->tail || r->failed) return false;
    if (r->crash_at != 0 && r->performed + 1 >= r->crash_at) return false;
    struct disk_op *op = rig_pick(r);
    r->head++;
    r->performed++;
    sim_disk_perform(r->sim, op);
    r->failed = wal_on_disk(r->wal, op);
    if (!r->failed) rig_events(r);
    return true;
}

bool rig_settle(struct rig *r)
{
    for (unsigned i = 0; i < 10000 && rig_step(r); i++) {
    }
    return r->head == r->tail && !r->failed;
}

bool rig_until_ready(struct rig *r)
{
    rig_events(r);
    while (!wal_ready(r->wal)) {
        if (!rig_step(r)) return false;
    }
    return true;
}

void rig_begin(struct rig *r)
{
    wal_batch_begin(r->wal);
    r->latest = r->acked;
}

void rig_entry(struct rig *r, uint64_t index, uint64_t term, size_t len)
{
    static uint8_t payload[64 << 10];
    uint64_t seed = ++r->token * 1000 + index;
    if (r->written_term < term) r->written_term = term;
    if (len < 8) len = 8;
    bytes_store_u64(payload, seed);
    for (size_t i = 8; i < len; i++) payload[i] = rig_byte(seed, i);
    CHECK_EQ(wal_batch_entry(r->wal, r->written_term, index, term, bytes_of(payload, len)), 0);
    r->latest.at[index % RIG_ENTRIES_MAX] =
        (struct rig_entry){ .term = term, .seed = seed, .len = len };
    r->latest.last_index = index;
}

void rig_state(struct rig *r, uint64_t term, uint64_t vote)
{
    r->latest.state.term = term;
    r->latest.state.vote = vote;
    r->latest.state.incarnation++;
    if (r->written_term < term) r->written_term = term;
    wal_batch_state(r->wal, &r->latest.state);
}

void rig_reset(struct rig *r, uint64_t index, uint64_t term)
{
    wal_batch_reset(r->wal, index, term);
    r->latest.base_index = r->latest.last_index = index;
}

void rig_commit(struct rig *r)
{
    r->batch_busy = true;
    wal_batch_commit(r->wal, ++r->token);
    rig_events(r);
}

bool rig_append(struct rig *r, uint64_t term, unsigned count, size_t len)
{
    if (!rig_until_ready(r)) return false;
    rig_begin(r);
    for (unsigned i = 0; i < count; i++) rig_entry(r, r->latest.last_index + 1, term, len);
    rig_commit(r);
    while (r->batch_busy) {
        if (!rig_step(r)) return false;
    }
    return true;
}

void rig_expect_read(struct rig *r, uint64_t first, uint64_t last)
{
    while (first <= last) {
        r->read_done = false;
        CHECK_EQ(wal_read(r->wal, first, last, 20000, first), 0);
        CHECK_EQ(wal_read(r->wal, first, last, 20000, first), MS_EBUSY);
        while (!r->read_done) CHECK(rig_step(r));
        CHECK_EQ(r->read.token, first);
        CHECK_EQ(r->read.status, 0);
        CHECK(r->read.count > 0);
        size_t sum = 0;
        for (uint32_t i = 0; i < r->read.count; i++, first++) {
            struct entry_ref *e = r->read.entries[i];
            const struct rig_entry *want = &r->acked.at[first % RIG_ENTRIES_MAX];
            CHECK_EQ(e->index, first);
            CHECK_EQ(e->term, want->term);
            CHECK_EQ(e->payload_len, want->len);
            CHECK_EQ(bytes_load_u64(e->payload), want->seed);
            for (size_t k = 8; k < want->len; k++) CHECK_EQ(e->payload[k], rig_byte(want->seed, k));
            sum += want->len;
            entry_ref_drop(&r->alloc.face, e);
        }
        CHECK(r->read.count == 1 || sum <= 20000);
    }
}

static bool state_equal(const struct wal_state *a, const struct wal_state *b)
{
    return a->term == b->term && a->vote == b->vote && a->incarnation == b->incarnation &&
           a->flags == b->flags && a->snapshot_index == b->snapshot_index;
}

/* Entries above both bases; a base may lag behind the model's by a cut not yet recorded. */
bool rig_log_equal(const struct rig_log *a, const struct rig_log *b)
{
    uint64_t from = a->base_index > b->base_index ? a->base_index : b->base_index;
    if (a->last_index != b->last_index) return false;
    for (uint64_t i = from + 1; i <= a->last_index; i++) {
        const struct rig_entry *x = &a->at[i % RIG_ENTRIES_MAX], *y = &b->at[i % RIG_ENTRIES_MAX];
        if (x->term != y->term || x->seed != y->seed || x->len != y->len) return false;
    }
    return true;
}

void rig_expect_recovered(struct rig *r)
{
    bool old = rig_log_equal(&r->recovered, &r->acked), new = rig_log_equal(&r->recovered, &r->latest);
    if (!old && !new) {
        fprintf(stderr, "recovered (%llu, %llu], acked (%llu, %llu], latest (%llu, %llu]: %s\n",
                (unsigned long long)r->recovered.base_index,
                (unsigned long long)r->recovered.last_index, (unsigned long long)r->acked.base_index,
                (unsigned long long)r->acked.last_index, (unsigned long long)r->latest.base_index,
                (unsigned long long)r->latest.last_index, r->found.detail);
    }
    CHECK(old || new);
    CHECK(r->recovered.base_index <= (new ? r->latest.base_index : r->acked.base_index));
    CHECK(state_equal(&r->recovered.state, &r->acked.state) ||
          state_equal(&r->recovered.state, &r->latest.state));
}

void rig_adopt(struct rig *r)
{
    r->acked = r->latest = r->recovered;
}

struct nth {
    unsigned want, count;
    char name[DISK_NAME_BYTES_MAX];
};

static int nth_segment(void *arg, const char *name, bool is_dir, uint64_t size)
{
    struct nth *n = arg;
    (void)is_dir;
    (void)size;
    if (strncmp(name, "wal-", 4) != 0) return 0;
    if (n->count++ <= n->want) snprintf(n->name, sizeof n->name, "%s", name);
    return 0;
}

void rig_segment_path(struct rig *r, unsigned nth, char *out, unsigned *count)
{
    struct nth n = { .want = nth };
    CHECK_EQ(r->disk->ops->list(r->disk, "log", nth_segment, &n), 0);
    snprintf(out, DISK_PATH_BYTES_MAX, "log/%s", n.name);
    if (count) *count = n.count;
}
