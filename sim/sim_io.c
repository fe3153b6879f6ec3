#include "sim/sim_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "sim/sim_check.h"
#include "sim/sim_cluster.h"
#include "sim/sim_faults.h"
#include "sim/sim_machine.h"
#include "sim/sim_record.h"

#define GOES_ON_US 1000000u /* so long after a failure it may take a member to stop */
#define MISDIRECT_TRIES 32u /* to find a place where something stands */

static bool is_one_in(struct ms_rand *r, uint64_t n)
{
    return ms_rand_below(r, n) == 0;
}

/* --- failures --- */

/* What changes a disk, or makes it durable. */
static bool changes(const struct disk_op *op)
{
    switch (op->kind) {
    case DISK_OP_OPEN: return op->create;
    case DISK_OP_WRITE:
    case DISK_OP_SYNC:
    case DISK_OP_TRUNCATE:
    case DISK_OP_RENAME:
    case DISK_OP_SYNC_DIR: return true;
    default: return false;
    }
}

static bool reads(const struct disk_op *op)
{
    return op->kind == DISK_OP_READ || (op->kind == DISK_OP_OPEN && !op->create);
}

static bool is_trapped(const struct sim_io *io, const struct disk_op *op, bool starting)
{
    if (starting != (io->trap == SIM_TRAP_START)) return false;
    switch (io->trap) {
    case SIM_TRAP_LOG: return op->lane == DISK_LANE_LOG && changes(op);
    case SIM_TRAP_STATE: return op->lane == DISK_LANE_STATE && changes(op);
    case SIM_TRAP_BULK: return op->lane == DISK_LANE_BULK && changes(op);
    case SIM_TRAP_READ: return op->lane == DISK_LANE_BULK && reads(op);
    case SIM_TRAP_START: return changes(op);
    default: return false;
    }
}

static enum sim_disk_how draw_how(struct ms_rand *r, const struct disk_op *op, size_t *part_bytes)
{
    static const enum sim_disk_how writes[] = { SIM_DISK_PART_FAILS, SIM_DISK_SHORT,
                                                SIM_DISK_SYNC_FAILS, SIM_DISK_SYNC_FAILS };
    bool moves = op->kind == DISK_OP_WRITE || op->kind == DISK_OP_READ;
    if (op->kind == DISK_OP_SYNC) return SIM_DISK_SYNC_FAILS;
    if (!moves || op->len == 0) return SIM_DISK_FAILS;
    uint64_t end =
        op->offset + ms_rand_below(r, op->len); /* the kernel does whole pages; here sectors */
    end -= end % DISK_SECTOR_BYTES;
    *part_bytes = end > op->offset ? (size_t)(end - op->offset) : 0;
    return writes[ms_rand_below(r, op->sync ? 4 : 2)];
}

static enum sim_disk_how fail(struct sim_member *m, const struct disk_op *op, bool starting,
                              size_t *part_bytes)
{
    struct sim *s = m->sim;
    enum sim_disk_how how = draw_how(&m->io.rand, op, part_bytes);
    sim_trace(s, "m%u  %s: disk operation %d of lane %d", m->index + 1,
              how == SIM_DISK_SHORT ? "short" : "fails", op->kind, op->lane);
    sim_record(s, SIM_FAULT_EIO, SIM_RECORD_FAILED, m->index, op->kind);
    m->io.trap = is_one_in(&m->io.rand, 2) ? SIM_TRAP_NONE : m->io.trap; /* or the next one, too */
    m->io.failed = true;
    if (how == SIM_DISK_SYNC_FAILS) sim_rare(s, SIM_RARE_IO_FAILED_SYNC);
    if (how == SIM_DISK_SHORT) sim_rare(s, SIM_RARE_IO_SHORT);
    if (starting) sim_rare(s, SIM_RARE_IO_FAILED_START);
    if (!starting && reads(op)) sim_rare(s, SIM_RARE_IO_FAILED_READ);
    if (!starting && op->lane == DISK_LANE_BULK && changes(op)) sim_rare(s, SIM_RARE_IO_FAILED_BULK);
    return how;
}

/* --- lies --- */

struct choice {
    struct sim_member *member;
    uint64_t bytes;
    uint32_t seen;
};

static int consider(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct choice *c = arg;
    struct sim_io *io = &c->member->io;
    if (is_dir || size_bytes < 2 * DISK_SECTOR_BYTES || strcmp(name, "state") == 0) return 0;
    if (ms_rand_below(&io->rand, ++c->seen) != 0) return 0;
    snprintf(io->place.path, sizeof io->place.path, SIM_LOG_DIR "/%s", name);
    c->bytes = size_bytes;
    return 0;
}

static bool is_blank(struct sim_member *m, const char *path, uint64_t offset)
{
    uint8_t sector[DISK_SECTOR_BYTES] = { 0 };
    sim_disk_visible_read(m->disk, path, offset, sector, sizeof sector);
    for (size_t i = 0; i < sizeof sector; i++) {
        if (sector[i] != 0) return false;
    }
    return true;
}

/* A segment, this one or another, and in it mostly where something stands. */
static void choose_place(struct sim_member *m, const struct disk_op *op)
{
    struct sim_lie_place *p = &m->io.place;
    struct choice c = { .member = m };
    struct disk *d = sim_disk_face(m->disk);
    p->len = 0;
    if (d->ops->list(d, SIM_LOG_DIR, consider, &c) < 0 || c.seen == 0) return;
    for (uint32_t i = 0; i < MISDIRECT_TRIES; i++) {
        p->offset = ms_rand_below(&m->io.rand, c.bytes / DISK_SECTOR_BYTES) * DISK_SECTOR_BYTES;
        if (!is_blank(m, p->path, p->offset)) break;
    }
    p->len = op->len < c.bytes - p->offset ? op->len : (size_t)(c.bytes - p->offset);
    p->before = realloc(p->before, p->len);
    MS_ASSERT(p->before != NULL);
    sim_disk_visible_read(m->disk, p->path, p->offset, p->before, p->len);
}

/* The batch is in the page cache, and called durable. */
static void lie(struct sim_member *m, const struct disk_op *op)
{
    struct sim *s = m->sim;
    m->io.lied = m->io.lie;
    m->io.lie = SIM_LIE_NONE;
    m->io.lied_bytes = realloc(m->io.lied_bytes, op->len);
    MS_ASSERT(m->io.lied_bytes != NULL);
    memcpy(m->io.lied_bytes, op->buf, op->len);
    if (m->io.lied == SIM_LIE_MISDIRECTED) choose_place(m, op);
    bool lost = m->io.lied == SIM_LIE_LOST;
    sim_trace(s, "m%u  a batch at %llu is %s", m->index + 1, (unsigned long long)op->offset,
              lost ? "not written" : "written to somewhere else");
    sim_record(s, lost ? SIM_FAULT_LOSTWRITE : SIM_FAULT_MISDIRECT, SIM_RECORD_LIE, m->index,
               (int64_t)op->offset);
    sim_faults_lied(s, m);
}

static bool is_lie(struct sim_member *m, const struct disk_op *op)
{
    struct sim_io *io = &m->io;
    if (io->lie == SIM_LIE_NONE || op->lane != DISK_LANE_LOG || !op->sync) return false;
    if (io->lie_skip > 0) {
        io->lie_skip--;
        return false;
    }
    if (sim_faults_may_lie(m->sim, m->index) && sim_check_lied(m->sim, m, op)) return true;
    io->lie = SIM_LIE_NONE;
    return false;
}

enum sim_disk_how sim_io_fate(struct sim_member *m, const struct disk_op *op, bool starting,
                              size_t *part_bytes)
{
    *part_bytes = 0;
    if (is_trapped(&m->io, op, starting)) {
        if (m->io.trap_skip == 0) return fail(m, op, starting, part_bytes);
        m->io.trap_skip--;
    }
    if (starting || !is_lie(m, op)) return SIM_DISK_DONE;
    lie(m, op);
    return SIM_DISK_LIES;
}

void sim_io_delivered(struct sim_member *m, const struct disk_op *op)
{
    bool is_short = op->kind == DISK_OP_WRITE && op->status == 0 && op->done_bytes < op->len;
    if (!changes(op) || (op->status != MS_EIO && !is_short) || m->io.must_stop_us != 0) return;
    m->io.must_stop_us = sim_now_us(m->sim);
}

void sim_io_check(struct sim_member *m)
{
    if (m->io.must_stop_us == 0 || sim_now_us(m->sim) < m->io.must_stop_us + GOES_ON_US) return;
    sim_fail(SIM_FAIL_SAFETY, "K17", "m%u goes on though a write or sync of its disk has failed",
             m->index + 1);
}

void sim_io_died(struct sim_member *m)
{
    struct sim_io *io = &m->io;
    io->failed = false;
    io->must_stop_us = io->stuck_term = 0;
    if (io->trap != SIM_TRAP_START) io->trap = SIM_TRAP_NONE;
    io->lie = SIM_LIE_NONE;
}

/* --- power --- */

static int call(struct sim_member *m, struct disk_op *op)
{
    struct disk *d = sim_disk_face(m->disk);
    return d->ops->call(d, op);
}

/* What was lost is found there, unless something else was written to that place since. */
static void misdirect(struct sim_member *m)
{
    const struct sim_lie_place *p = &m->io.place;
    uint8_t *now = malloc(p->len + 1);
    MS_ASSERT(now != NULL);
    bool same = p->len > 0 &&
                sim_disk_durable_read(m->disk, p->path, p->offset, now, p->len) == (int64_t)p->len &&
                memcmp(now, p->before, p->len) == 0;
    free(now);
    if (!same) return;
    struct disk_op open = { .kind = DISK_OP_OPEN };
    memcpy(open.path, p->path, sizeof p->path);
    MS_ASSERT(call(m, &open) == 0);
    struct disk_op op = { .kind = DISK_OP_WRITE, .file = open.file, .offset = p->offset, .sync = true };
    op.buf = m->io.lied_bytes;
    op.len = p->len;
    struct disk_op close = { .kind = DISK_OP_CLOSE, .file = open.file };
    MS_ASSERT(call(m, &op) == 0 && call(m, &close) == 0);
    sim_rare(m->sim, SIM_RARE_MISDIRECTED);
    sim_trace(m->sim, "m%u  the lost batch is found in %s at %llu", m->index + 1, p->path,
              (unsigned long long)p->offset);
}

void sim_io_settle(struct sim_member *m)
{
    struct sim_io *io = &m->io;
    io->trap = SIM_TRAP_NONE;
    io->lie = SIM_LIE_NONE;
    if (io->lied == SIM_LIE_NONE) return;
    io->lied = SIM_LIE_NONE;
    sim_disk_keep_lost(m->disk);
    sim_check_lie_over(m->sim, m);
    sim_record(m->sim, SIM_FAULT_LOSTWRITE, SIM_RECORD_WHOLE, m->index, 0);
}

bool sim_io_power_cut(struct sim_member *m, struct ms_rand *rand, struct disk_op *torn)
{
    struct sim *s = m->sim;
    enum sim_lie lied = m->io.lied;
    if (lied != SIM_LIE_NONE && !sim_check_lie_stands(s, m)) {
        sim_trace(s, "m%u  the lost batch is not lost", m->index + 1);
        sim_io_settle(m);
        lied = SIM_LIE_NONE;
    }
    if (lied != SIM_LIE_NONE) {
        sim_check_harmed(s, m);
        sim_rare(s, SIM_RARE_LIED);
    }
    bool gone = sim_disk_crash(m->disk, true, rand, torn);
    if (lied == SIM_LIE_MISDIRECTED) misdirect(m);
    m->io.lie_true |= lied != SIM_LIE_NONE;
    m->io.lied = SIM_LIE_NONE;
    return gone;
}

/* --- standing still --- */

void sim_io_hold(struct sim_member *m, uint32_t lanes)
{
    bool leads = m->state == SIM_MEMBER_UP && raft_role(node_raft(sim_member_node(m))) == RAFT_LEADER;
    for (uint32_t i = 0; i < DISK_LANE_COUNT; i++) m->io.stuck[i] += lanes >> i & 1;
    if (!leads || !(lanes & 1u << DISK_LANE_LOG)) return;
    m->io.stuck_term = raft_term(node_raft(sim_member_node(m)));
    sim_rare(m->sim, SIM_RARE_STUCK_LEADER);
}

void sim_io_release(struct sim_member *m, uint32_t lanes)
{
    for (uint32_t i = 0; i < DISK_LANE_COUNT; i++) {
        MS_ASSERT(!(lanes >> i & 1) || m->io.stuck[i] > 0);
        m->io.stuck[i] -= lanes >> i & 1;
    }
    if (m->io.stuck_term && sim_cluster_term(m->sim) > m->io.stuck_term)
        sim_rare(m->sim, SIM_RARE_STUCK_DEPOSED);
    m->io.stuck_term = 0;
    if (m->state == SIM_MEMBER_UP && m->pauses == 0) sim_machine_resume(m);
}

void sim_io_fini(struct sim_member *m)
{
    free(m->io.lied_bytes);
    free(m->io.place.before);
}
