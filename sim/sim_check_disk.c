/* sim_check_disk.c: the ghost of what each member's disk durably holds, made from the bytes of its
 * writes.
 *
 * Two ways lead to it and have to agree. While a member runs, each write to the log that has been
 * carried out is decoded, and counts from the moment a sync has covered it. When it comes back, a log
 * is opened on a copy of what would survive a power cut in this very moment: what that recovery finds
 * is compared with the ghost (K17), and is the ghost from then on. The core's own idea of what is
 * durable is never asked. */
#include <stdio.h>

#include "node/node_private.h"
#include "sim/sim_check_private.h"
#include "wal/wal_record.h"

void chk_batch_fini(struct chk_batch *b)
{
    free(b->entries);
    free(b->bytes);
    *b = (struct chk_batch){ 0 };
}

static void batch_clear(struct chk_batch *b)
{
    b->has_hard = b->has_reset = b->lost = b->first = false;
    b->count = 0;
    b->len = 0;
}

/* --- bytes to records --- */

static void batch_add(struct chk_batch *b, const struct wal_record *rec)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 64;
        b->entries = realloc(b->entries, b->cap * sizeof *b->entries);
        MS_ASSERT(b->entries != NULL);
    }
    b->entries[b->count].index = rec->index;
    b->entries[b->count].term = rec->term;
    b->entries[b->count++].hash = chk_hash(rec->body);
}

static void batch_record(struct chk_batch *b, const struct wal_record *rec)
{
    struct wal_mark mark;
    struct bytes_reader in = bytes_reader_of(rec->body);
    switch (rec->type) {
    case WAL_RECORD_ENTRY: batch_add(b, rec); break;
    case WAL_RECORD_STATE:
        MS_ASSERT(wal_mark_decode(&in, &mark) == 0);
        b->has_hard = true;
        b->hard = (struct chk_hard){ .term = mark.state.term, .vote = mark.state.vote };
        b->seq = mark.seq;
        break;
    case WAL_RECORD_RESET:
        b->has_reset = true;
        b->reset_index = rec->index;
        b->reset_term = rec->term;
        break;
    default: break; /* BASE says where the log begins, and changes nothing */
    }
}

static void batch_payload(struct chk_batch *b, const uint8_t *data, size_t len)
{
    if (b->len + len > b->bytes_cap) {
        b->bytes_cap = 2 * (b->len + len);
        b->bytes = realloc(b->bytes, b->bytes_cap);
        MS_ASSERT(b->bytes != NULL);
    }
    memcpy(b->bytes + b->len, data, len);
    b->len += len;
}

/* Cut the sectors of a write into records. False: it is no write of a batch. */
static bool batch_decode(struct chk_batch *b, const struct disk_op *op)
{
    const uint8_t *at = op->buf;
    uint64_t life = 0;
    b->len = 0;
    b->first = op->offset == WAL_HEADER_BYTES;
    if (op->offset % DISK_SECTOR_BYTES || op->len % DISK_SECTOR_BYTES || op->len == 0) return false;
    for (size_t i = 0; i < op->len / DISK_SECTOR_BYTES; i++, at += DISK_SECTOR_BYTES) {
        struct wal_stamp stamp;
        life = bytes_load_u32(at + WAL_SECTOR_PAYLOAD + 4); /* lives stay below 2^32 here */
        uint64_t sector = op->offset / DISK_SECTOR_BYTES + i;
        if (life == 0 || wal_sector_judge(at, sector, life, &stamp) != WAL_SECTOR_OURS) return false;
        batch_payload(b, at, stamp.used);
    }
    struct bytes_reader in = bytes_reader_of(bytes_of(b->bytes, b->len));
    struct wal_record rec;
    while (bytes_reader_left(&in) > 0) {
        int rv = wal_record_decode(&in, life, &rec);
        if (rv < 0) sim_fail(SIM_FAIL_SAFETY, "K17", "a batch holds no record: %s", ms_err_text(rv));
        batch_record(b, &rec);
    }
    return true;
}

bool chk_batch_look(const struct disk_op *op, bool *resets)
{
    struct chk_batch b = { 0 };
    bool is_batch = op->kind == DISK_OP_WRITE && batch_decode(&b, op);
    *resets = b.has_reset;
    chk_batch_fini(&b);
    return is_batch;
}

/* --- records to the ghost --- */

/* R5, on disk: an entry that is committed, and held, is not written over by a later term. By an earlier one it may be,
 * where a disk carries out late what was asked before the commit (seed 239747784786); whether it might be asked for,
 * K6 judges in memory. */
static void check_superseded(struct sim *s, const struct sim_member *m, const struct chk_log *l,
                             uint64_t index, uint64_t term)
{
    const struct chk_entry *committed = chk_at(&s->check->ledger, index), *held = chk_at(l, index);
    if (!committed || !held || held->chain != committed->chain || term == committed->term) return;
    if (term <= chk_applied_at(s->check, index)->commit_term) return;
    sim_fail(SIM_FAIL_SAFETY, "K6", "m%u writes over entry %llu, which is committed", m->index + 1,
             (unsigned long long)index);
}

static void log_apply(struct sim *s, const struct sim_member *m, struct chk_log *l,
                      const struct chk_batch *b)
{
    if (b->has_reset) {
        const struct chk_entry *e = chk_at(&s->check->ledger, b->reset_index);
        if (!e || e->term != b->reset_term) {
            sim_fail(SIM_FAIL_SAFETY, "K16", "m%u begins its log behind %llu, which is not committed",
                     m->index + 1, (unsigned long long)b->reset_index);
        }
        chk_reset(l, b->reset_index, e);
    }
    for (size_t i = 0; i < b->count; i++) {
        uint64_t index = b->entries[i].index;
        if (index <= l->base || index > chk_last(l) + 1) {
            sim_fail(SIM_FAIL_SAFETY, "K17", "m%u writes entry %llu; its log holds %llu to %llu",
                     m->index + 1, (unsigned long long)index, (unsigned long long)l->base + 1,
                     (unsigned long long)chk_last(l));
        }
        check_superseded(s, m, l, index, b->entries[i].term);
        chk_cut(l, index - 1);
        chk_append(l, b->entries[i].term, b->entries[i].hash);
    }
}

static void synced(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->written_open) return;
    if (c->written.first && c->written.has_hard) {
        chk_copy(&c->before_first, &c->durable);
        c->hard_before_first = c->log_copy;
        c->first_seq = c->written.seq;
    }
    log_apply(s, m, &c->durable, &c->written);
    if (c->written.has_hard) c->log_copy = c->written.hard;
    c->lie_batches++;
    batch_clear(&c->written);
    c->written_open = false;
}

static void state_written(struct sim *s, struct sim_member *m, const struct disk_op *op)
{
    struct wal_slot slot;
    if (op->len != WAL_SLOT_BYTES || !op->sync) return;
    if (wal_slot_decode(bytes_of(op->buf, op->len), &slot) < 0) return;
    if (slot.mark.seq > chk_member(s, m)->file_seq) chk_member(s, m)->file_seq = slot.mark.seq;
    chk_member(s, m)->file_copy =
        (struct chk_hard){ .term = slot.mark.state.term, .vote = slot.mark.state.vote };
    if (slot.mark.state.added_index != 0) m->attached = true;
    if (slot.mark.state.flags & WAL_FLAG_ATTACHED) m->bound = true;
}

/* What a write has brought that failed may be there or not; and no sync covers it any more, since the
 * kernel calls it clean, until it is written again. */
static void failed(struct chk_member *c, const struct disk_op *op)
{
    if (op->lane != DISK_LANE_LOG) return;
    if (op->kind == DISK_OP_WRITE) {
        batch_clear(&c->written);
        if (!batch_decode(&c->written, op)) return;
        c->written_open = true;
        c->written.file = op->file;
    }
    c->written.lost = true;
}

void sim_check_written(struct sim *s, struct sim_member *m, const struct disk_op *op)
{
    struct chk_member *c = chk_member(s, m);
    if (op->status < 0 || (op->kind == DISK_OP_WRITE && op->done_bytes < op->len)) {
        failed(c, op);
        return;
    }
    if (op->lane == DISK_LANE_STATE && op->kind == DISK_OP_WRITE) state_written(s, m, op);
    if (op->kind == DISK_OP_SYNC_DIR && strcmp(op->path, SIM_SNAP_DIR) == 0) chk_snap_look(s, m);
    if (op->lane != DISK_LANE_LOG) return;
    if (op->kind == DISK_OP_WRITE) {
        if (c->written.lost) batch_clear(&c->written); /* it comes again */
        if (batch_decode(&c->written, op)) {
            c->written_open = true;
            c->written.file = op->file;
        }
    }
    bool covers = op->kind == DISK_OP_SYNC || (op->kind == DISK_OP_WRITE && op->sync);
    if (covers && !c->written.lost && c->written_open && c->written.file == op->file) synced(s, m);
}

/* --- coming back --- */

void sim_check_crash(struct sim *s, struct sim_member *m, bool power, const struct disk_op *torn)
{
    struct chk_member *c = chk_member(s, m);
    struct chk_batch b = { 0 };
    struct wal_slot slot;
    (void)power;
    if (torn && torn->kind == DISK_OP_WRITE && torn->lane == DISK_LANE_LOG && batch_decode(&b, torn)) {
        c->torn = true;
        chk_copy(&c->torn_log, &c->durable);
        log_apply(s, m, &c->torn_log, &b);
        if (b.has_hard) c->torn_hard = b.hard;
    } else if (torn && torn->kind == DISK_OP_WRITE && torn->lane == DISK_LANE_STATE &&
               torn->len == WAL_SLOT_BYTES &&
               wal_slot_decode(bytes_of(torn->buf, torn->len), &slot) == 0) {
        c->torn_hard = (struct chk_hard){ .term = slot.mark.state.term, .vote = slot.mark.state.vote };
    }
    chk_batch_fini(&b);
    if (c->written_open && !c->torn) { /* written, not synced: as if torn */
        c->torn = true;
        chk_copy(&c->torn_log, &c->durable);
        log_apply(s, m, &c->torn_log, &c->written);
        if (c->written.has_hard) c->torn_hard = c->written.hard;
    }
    batch_clear(&c->written);
    c->written_open = false;
}

struct recovered {
    struct sim *sim;
    struct sim_member *member;
    struct wal_recovery found;
    struct chk_log log;
    bool begun;
    bool useless; /* the damaged log begins behind what is not committed: a piece that nobody can use */
};

static void recovered_begin(struct recovered *r)
{
    struct chk_member *c = chk_member(r->sim, r->member);
    const struct chk_entry nothing = { 0 }, *e = &nothing;
    uint64_t base = r->found.base_index;
    if (r->begun) return;
    r->begun = true;
    if (base > 0) e = chk_at(&r->sim->check->ledger, base);
    r->useless = !e && r->found.found == WAL_FOUND_DAMAGED && c->was_harmed;
    if (r->useless) {
        e = &nothing;
        base = 0;
    }
    if (!e) {
        sim_fail(SIM_FAIL_SAFETY, "K17", "m%u recovers a log behind entry %llu, which is not committed",
                 r->member->index + 1, (unsigned long long)base);
    }
    chk_reset(&r->log, base, e);
    chk_config_rebase(r->sim, c, base);
}

static int recovered_entry(void *arg, uint64_t index, uint64_t term, struct bytes payload)
{
    struct recovered *r = arg;
    recovered_begin(r);
    if (r->useless) return 0;
    if (index != chk_last(&r->log) + 1) {
        sim_fail(SIM_FAIL_SAFETY, "K17", "m%u recovers entry %llu behind entry %llu",
                 r->member->index + 1, (unsigned long long)index,
                 (unsigned long long)chk_last(&r->log));
    }
    chk_append(&r->log, term, chk_hash(payload));
    chk_config_seen(r->sim, chk_member(r->sim, r->member), index, term, payload);
    return 0;
}

struct copying {
    struct sim_disk *from, *to;
    bool visible;   /* what the member sees; else what would survive */
    bool two_lives; /* a segment has sectors of an earlier life behind those of this one */
};

static uint64_t life_at(const uint8_t *segment, uint64_t sector)
{
    return bytes_load_u32(segment + sector * DISK_SECTOR_BYTES + WAL_SECTOR_PAYLOAD + 4);
}

/* A sector that has rotted may count by chance: this says what was reached, and judges nothing. */
static bool has_two_lives(const uint8_t *segment, uint64_t len)
{
    uint64_t sectors = len / DISK_SECTOR_BYTES;
    if (sectors <= WAL_HEADER_SECTORS) return false;
    uint64_t life = life_at(segment, WAL_HEADER_SECTORS);
    for (uint64_t i = WAL_HEADER_SECTORS + 1; i < sectors; i++) {
        uint64_t other = life_at(segment, i);
        if (other != 0 && other < life) return true;
    }
    return false;
}

static int copy_file(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct copying *c = arg;
    struct disk *d = sim_disk_face(c->to);
    struct disk_op op = { .kind = DISK_OP_OPEN, .create = true };
    if (is_dir) return 0;
    snprintf(op.path, sizeof op.path, SIM_LOG_DIR "/%s", name);
    uint8_t *data = malloc(size_bytes + 1);
    MS_ASSERT(data != NULL && d->ops->call(d, &op) == 0);
    int64_t len = c->visible ? sim_disk_visible_read(c->from, op.path, 0, data, size_bytes)
                             : sim_disk_durable_read(c->from, op.path, 0, data, size_bytes);
    MS_ASSERT(len == (int64_t)size_bytes);
    c->two_lives |= has_two_lives(data, size_bytes);
    struct disk_op write = { .kind = DISK_OP_WRITE, .file = op.file, .buf = data, .len = size_bytes };
    struct disk_op close = { .kind = DISK_OP_CLOSE, .file = op.file };
    MS_ASSERT(d->ops->call(d, &write) == 0 && d->ops->call(d, &close) == 0);
    free(data);
    return 0;
}

/* Open the log on a copy of what is durable now; of what is called so, where a disk lies. */
static void recover_copy(struct recovered *r)
{
    struct sim *s = r->sim;
    struct sim_disk_opts opts = { 0 };
    struct copying c = { .from = r->member->disk, .to = sim_disk_create(&opts, &s->alloc.face) };
    c.visible = chk_member(s, r->member)->lie_open;
    struct disk *d = sim_disk_face(c.to);
    struct disk_op mkdir = { .kind = DISK_OP_MKDIR, .path = SIM_LOG_DIR };
    struct wal_opts wo = { .dir = SIM_LOG_DIR,
                           .member_id = r->member->id,
                           .segment_bytes = s->plan.member.node.wal_segment_bytes,
                           .prewrite_bytes = s->plan.member.node.wal_prewrite_bytes,
                           .spare_segments_max = 2 };
    struct wal *w;
    MS_ASSERT(d->ops->call(d, &mkdir) == 0);
    MS_ASSERT(sim_disk_durable_list(c.from, SIM_LOG_DIR, copy_file, &c) == 0);
    int rv = wal_open(&w, &wo, d, &s->alloc.face, NULL, &r->found, recovered_entry, r);
    if (rv < 0) {
        sim_fail(SIM_FAIL_SAFETY, "K17", "m%u: its durable log does not open: %s", r->member->index + 1,
                 ms_err_text(rv));
    }
    recovered_begin(r);
    if (c.two_lives) sim_rare(s, SIM_RARE_RECYCLED);
    wal_close(w);
    sim_disk_destroy(c.to);
}

bool chk_same_log(const struct chk_log *a, const struct chk_log *b)
{
    uint64_t base = a->base > b->base ? a->base : b->base;
    if (chk_last(a) != chk_last(b)) return false;
    if (chk_last(a) < base) return false;
    return chk_at(a, chk_last(a))->chain == chk_at(b, chk_last(b))->chain;
}

bool chk_hard_at_least(const struct chk_hard *now, const struct chk_hard *before)
{
    if (now->term != before->term) return now->term > before->term;
    return before->vote == 0 || now->vote == before->vote;
}

/* A segment has vanished, or its first batch has rotted, before the state file told of it: nothing of it was promised. */
static bool is_first_unpromised(const struct recovered *r, const struct chk_member *c,
                                const struct chk_hard *hard)
{
    return c->was_harmed && c->first_seq > c->file_seq && chk_same_log(&r->log, &c->before_first) &&
           chk_hard_at_least(hard, &c->hard_before_first);
}

/* The member itself says that its disk is damaged. */
static bool is_noticed(const struct recovered *r)
{
    if (r->found.found == WAL_FOUND_DAMAGED || r->found.state_lost) return true;
    return raft_abstains(node_raft(sim_member_node(r->member)));
}

/* A member that calls itself damaged abstains, and enough of them are no cluster: only where something of it
 * was. Its log, say, may not begin behind what its state reaches. */
static void check_found_whole(const struct recovered *r, const struct chk_member *c)
{
    const struct node *n = sim_member_node(r->member);
    if (c->was_harmed || c->differs || !(n->store.state.flags & WAL_FLAG_DAMAGED)) return;
    sim_fail(SIM_FAIL_SAFETY, "K17", "m%u abstains as damaged, and nothing of it was",
             r->member->index + 1);
}

static void check_recovered(const struct recovered *r, struct chk_member *c)
{
    uint32_t id = r->member->index + 1;
    struct chk_hard hard = { .term = r->found.state.term, .vote = r->found.state.vote };
    if (c->was_harmed && is_noticed(r)) {
        if (c->lie_lost) sim_rare(r->sim, SIM_RARE_LIE_NOTICED);
        return;
    }
    if (r->found.found == WAL_FOUND_DAMAGED || r->found.state_lost) {
        sim_fail(SIM_FAIL_SAFETY, "K17", "m%u: recovery finds damage where there is none: %s", id,
                 r->found.detail);
    }
    if (is_first_unpromised(r, c, &hard)) return;
    if (!chk_same_log(&r->log, &c->durable) && !(c->torn && chk_same_log(&r->log, &c->torn_log)) &&
        !chk_lie_explains(r->sim, c, &r->log)) {
        sim_fail(SIM_FAIL_SAFETY, "K17",
                 "m%u had durably entries %llu to %llu, it recovers %llu to %llu%s%s", id,
                 (unsigned long long)c->durable.base + 1, (unsigned long long)chk_last(&c->durable),
                 (unsigned long long)r->log.base + 1, (unsigned long long)chk_last(&r->log),
                 chk_last(&r->log) == chk_last(&c->durable) ? ", others" : "",
                 c->harmed ? ", and does not notice the damage" : "");
    }
    /* What the state file alone had was promised to nobody (W6), and its newest slot may have rotted. */
    bool behind_file = !c->harmed && !chk_hard_at_least(&hard, &c->file_copy);
    if (!chk_hard_at_least(&hard, &c->log_copy) || behind_file) {
        sim_fail(SIM_FAIL_SAFETY, "K3", "m%u comes back in term %llu, vote %llu, behind what it held",
                 id, (unsigned long long)hard.term, (unsigned long long)hard.vote);
    }
}

void chk_disk_restart(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    struct recovered r = { .sim = s, .member = m };
    recover_copy(&r);
    if (c->harmed) c->snap_index = c->persisted_index = 0; /* what is left of them is looked for */
    chk_snap_look(s, m);
    if (c->started) check_recovered(&r, c);
    check_found_whole(&r, c);
    if (!r.useless && wal_last_index(node_wal(sim_member_node(m))) != chk_last(&r.log)) {
        sim_fail(SIM_FAIL_SAFETY, "K8", "m%u goes on with a log up to %llu, durable are %llu entries",
                 m->index + 1, (unsigned long long)wal_last_index(node_wal(sim_member_node(m))),
                 (unsigned long long)chk_last(&r.log));
    }
    chk_damage_found(s, m, &r.log, is_noticed(&r));
    chk_copy(&c->durable, &r.log);
    c->log_copy = (struct chk_hard){ .term = r.found.state.term, .vote = r.found.state.vote };
    c->file_copy = c->log_copy;
    c->torn = c->lie_lost = c->lie_last = false;
    c->first_seq = 0;
    chk_log_fini(&r.log);
}
