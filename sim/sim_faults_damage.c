/* sim_faults_damage.c: disks that rot and lose files, all of it detectable. The machine is down when it
 * happens; what it finds at its next start is another disk than the one it left. */
#include <stdio.h>

#include "sim/sim_check.h"
#include "sim/sim_faults_private.h"

#define TRIES 32u /* to find a sector that is not empty */

struct choice {
    struct sim *sim;
    struct sim_member *member;
    const char *dir;
    bool whole; /* the state file has to stay as it is */
    char path[DISK_PATH_BYTES_MAX], path_dir[DISK_PATH_BYTES_MAX];
    uint64_t bytes;
    uint32_t seen;
};

static int consider(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct choice *c = arg;
    bool state = strcmp(name, "state") == 0;
    if (is_dir || size_bytes == 0 || (state && c->whole)) return 0;
    if (ms_rand_below(faults_rand(c->sim), ++c->seen) != 0) return 0;
    snprintf(c->path, sizeof c->path, "%s/%s", c->dir, name);
    snprintf(c->path_dir, sizeof c->path_dir, "%s", c->dir);
    c->bytes = size_bytes;
    return 0;
}

/* Every file of RocksDB is as likely, in whichever directory it stands. */
static int consider_database(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct choice *c = arg;
    char path[DISK_PATH_BYTES_MAX];
    const char *above = c->dir;
    if (!is_dir) return consider(arg, name, is_dir, size_bytes);
    struct disk *d = sim_disk_face(c->member->disk);
    snprintf(path, sizeof path, "%s/%s", above, name);
    c->dir = path;
    int rv = d->ops->list(d, path, consider, c);
    c->dir = above;
    return rv;
}

static bool choose_database_file(struct sim_member *m, struct choice *c)
{
    struct disk *d = sim_disk_face(m->disk);
    c->dir = SIM_DATA_DIR;
    if (d->ops->list(d, SIM_DATA_DIR, consider_database, c) < 0) return false;
    c->dir = SIM_SNAP_DIR;
    return d->ops->list(d, SIM_SNAP_DIR, consider_database, c) == 0 && c->seen > 0;
}

/* A file of the log mostly, or of the snapshots. */
/* The newest segment gone and the state file with it is an honest disk of an earlier time (zone c): one
 * disk loses either the one or the other. */
static bool choose_file(struct sim *s, struct sim_member *m, bool whole, struct choice *c)
{
    struct disk *d = sim_disk_face(m->disk);
    *c = (struct choice){ .sim = s,
                          .member = m,
                          .whole = whole,
                          .dir = ms_rand_below(faults_rand(s), 5) ? SIM_LOG_DIR : SIM_SNAP_DIR };
    if (m->on_rocks && strcmp(c->dir, SIM_SNAP_DIR) == 0) {
        sim_check_database_harmed(s, m);
        return choose_database_file(m, c);
    }
    return d->ops->list(d, c->dir, consider, c) == 0 && c->seen > 0;
}

static int call(struct sim_member *m, struct disk_op *op)
{
    struct disk *d = sim_disk_face(m->disk);
    return d->ops->call(d, op);
}

static bool is_empty_sector(struct sim_member *m, const char *path, uint64_t offset)
{
    uint8_t sector[DISK_SECTOR_BYTES];
    int64_t len = sim_disk_durable_read(m->disk, path, offset, sector, sizeof sector);
    for (int64_t i = 0; i < len; i++) {
        if (sector[i] != 0) return false;
    }
    return true;
}

static void rot(struct sim *s, struct sim_member *m, bool spoils)
{
    struct choice c;
    for (uint64_t sectors = 1 + ms_rand_below(faults_rand(s), 3); sectors > 0; sectors--) {
        if (!choose_file(s, m, m->disk_loses, &c)) return;
        uint64_t at = 0;
        for (uint32_t i = 0; i < TRIES; i++) {
            at = ms_rand_below(faults_rand(s), c.bytes) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
            if (!is_empty_sector(m, c.path, at)) break;
        }
        MS_ASSERT(sim_disk_rot(m->disk, c.path, at, faults_rand(s)) == 0);
        if (spoils) MS_ASSERT(sim_disk_spoil(m->disk, c.path, at) == 0);
        if (spoils) sim_rare(s, SIM_RARE_UNREADABLE);
        sim_trace(s, "m%u  %s %s at %llu", m->index + 1, c.path, spoils ? "is unreadable" : "rots",
                  (unsigned long long)at);
        sim_record(s, spoils ? SIM_FAULT_EIO : SIM_FAULT_ROT, SIM_RECORD_ROT, m->index,
                   (int64_t)(at / DISK_SECTOR_BYTES));
    }
}

static void vanish(struct sim *s, struct sim_member *m, const struct choice *c)
{
    struct disk_op op = { .kind = DISK_OP_REMOVE }, sync = { .kind = DISK_OP_SYNC_DIR };
    snprintf(op.path, sizeof op.path, "%s", c->path);
    snprintf(sync.path, sizeof sync.path, "%s", c->path_dir);
    MS_ASSERT(call(m, &op) == 0 && call(m, &sync) == 0);
    sim_trace(s, "m%u  %s vanishes", m->index + 1, c->path);
    sim_record(s, SIM_FAULT_LOSEFILE, SIM_RECORD_GONE, m->index, (int64_t)c->bytes);
}

static void cut(struct sim *s, struct sim_member *m, const struct choice *c)
{
    struct disk_op open = { .kind = DISK_OP_OPEN };
    snprintf(open.path, sizeof open.path, "%s", c->path);
    MS_ASSERT(call(m, &open) == 0);
    struct disk_op op = { .kind = DISK_OP_TRUNCATE, .file = open.file };
    struct disk_op sync = { .kind = DISK_OP_SYNC, .file = open.file };
    struct disk_op close = { .kind = DISK_OP_CLOSE, .file = open.file };
    op.offset = ms_rand_below(faults_rand(s), c->bytes);
    MS_ASSERT(call(m, &op) == 0 && call(m, &sync) == 0 && call(m, &close) == 0);
    sim_trace(s, "m%u  %s is cut to %llu bytes", m->index + 1, c->path, (unsigned long long)op.offset);
    sim_record(s, SIM_FAULT_LOSEFILE, SIM_RECORD_CUT, m->index, (int64_t)op.offset);
}

void faults_damage(struct sim *s, enum sim_fault_kind kind, uint32_t target)
{
    struct sim_member *m = sim_member_at(s, target);
    struct choice c;
    MS_ASSERT(m->state == SIM_MEMBER_DOWN);
    faults_note_damage(s, kind, target);
    sim_disk_crash(m->disk, true, &s->cluster->crash_rand, NULL); /* whatever it died of */
    if (m->io.lie_true) return; /* it would take what tells of the lost write */
    if (sim_check_differs(s, target)) return; /* or that its state is wrong, and leave the state */
    sim_check_harmed(s, m);
    if (!m->disk_loses && kind == SIM_FAULT_LOSEFILE) kind = SIM_FAULT_ROT;
    if (kind != SIM_FAULT_LOSEFILE) {
        rot(s, m, kind == SIM_FAULT_EIO);
    } else if (choose_file(s, m, true, &c)) {
        if (ms_rand_below(faults_rand(s), 2))
            vanish(s, m, &c);
        else
            cut(s, m, &c);
    }
}

/* Zone b: all machines lose power, and disks of a majority are damaged, of all as often as not. */
void faults_disaster(struct sim *s)
{
    uint32_t n = s->cluster->count, first = (uint32_t)ms_rand_below(faults_rand(s), n);
    uint32_t most = ms_rand_below(faults_rand(s), 2) ? n : n / 2 + 1;
    for (uint32_t i = 0; i < n; i++) {
        if (sim_member_at(s, i)->state != SIM_MEMBER_UP) continue;
        faults_note_crash(s, i, true, 0);
        sim_member_crash(s, i, true);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t target = (first + i) % n;
        if (sim_member_at(s, target)->state != SIM_MEMBER_DOWN) continue;
        for (uint64_t k = 1 + ms_rand_below(faults_rand(s), 3); k > 0 && i < most; k--) {
            faults_damage(s, ms_rand_below(faults_rand(s), 3) ? SIM_FAULT_ROT : SIM_FAULT_LOSEFILE,
                          target);
        }
        uint64_t down_us = faults_around(s, s->plan.fault_len_us);
        faults_note_start(s, target, down_us);
        sim_member_start_soon(s, target, down_us);
    }
}
