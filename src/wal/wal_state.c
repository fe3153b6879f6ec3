/* wal_state.c: the state file, the second copy of term and vote and what goes with them.
 *
 * Two slots, written in turn: number n goes into slot n % 2. A slot is one sector, so a crash leaves it
 * old or new; one that is neither has rotted. It is made under another name, both slots whole, and
 * renamed: so if the file is there, both slots have always been whole. */
#include "wal/wal_private.h"

static uint64_t slot_offset(unsigned slot)
{
    return (uint64_t)slot * WAL_SLOT_STRIDE;
}

static void slot_fill(const struct wal *w, uint8_t *out, uint64_t seq)
{
    struct wal_slot slot = { .member_id = w->member_id, .mark = w->mark };
    memcpy(slot.nonce, w->nonce, MS_UUID_BYTES);
    slot.mark.seq = seq;
    wal_slot_encode(out, &slot);
}

/* Judge one slot. */
static int slot_take(const struct wal *w, const uint8_t *bytes, unsigned i, struct wal_state_file *out)
{
    struct wal_slot slot;
    int rv = wal_slot_decode(bytes_of(bytes, WAL_SLOT_BYTES), &slot);
    if (rv == MS_EVERSION) return rv;
    if (rv < 0 || (slot.mark.seq > 0 && slot.mark.seq % 2 != i)) return 0;
    uint64_t owner = w->member_id != 0 ? w->member_id : out->member_id;
    if (owner != 0 && slot.member_id != owner) {
        out->foreign_id = slot.member_id;
        return MS_EFOREIGN;
    }
    if (out->known && memcmp(out->nonce, slot.nonce, MS_UUID_BYTES) != 0) return MS_EFOREIGN;
    out->slot_whole[i] = true;
    if (!out->known || slot.mark.seq > out->mark.seq) out->mark = slot.mark;
    memcpy(out->nonce, slot.nonce, MS_UUID_BYTES);
    out->member_id = slot.member_id;
    out->known = true;
    return 0;
}

/* Each by itself: one that cannot be read is damaged, the other may be whole. */
static int slots_read(struct wal *w, disk_file file, uint8_t *bytes)
{
    struct disk_op *op = &w->state_op;
    int rv = 0;
    for (unsigned i = 0; i < 2 && (rv == 0 || rv == MS_ESHORT); i++) {
        *op = (struct disk_op){ .kind = DISK_OP_READ, .lane = DISK_LANE_STATE, .file = file };
        op->offset = slot_offset(i);
        op->buf = bytes + slot_offset(i);
        op->len = WAL_SLOT_BYTES;
        rv = wal_call(w, op);
        if (rv != MS_EIO) continue;
        memset(bytes + slot_offset(i), WAL_UNREADABLE_BYTE, WAL_SLOT_BYTES);
        log_line(w->log, LOG_ERROR, "the state in %s, offset %llu: cannot be read", w->dir,
                 (unsigned long long)slot_offset(i));
        rv = 0;
    }
    return rv;
}

int wal_state_load(struct wal *w, struct wal_state_file *out)
{
    uint8_t bytes[WAL_SLOT_STRIDE + WAL_SLOT_BYTES];
    struct disk_op *op = &w->state_op;
    *out = (struct wal_state_file){ 0 };
    *op = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_STATE };
    wal_path_name(w, op->path, WAL_STATE_NAME);
    int rv = wal_call(w, op);
    if (rv == MS_ENOTFOUND) return 0;
    if (rv < 0) return rv;
    disk_file file = op->file;
    out->present = true;
    rv = slots_read(w, file, bytes);
    *op = (struct disk_op){ .kind = DISK_OP_CLOSE, .lane = DISK_LANE_STATE, .file = file };
    int closed = wal_call(w, op);
    if (rv < 0 && rv != MS_ESHORT) return rv;
    if (closed < 0) return closed;
    for (unsigned i = 0; i < 2; i++) {
        rv = slot_take(w, bytes + slot_offset(i), i, out);
        if (rv < 0) return rv;
    }
    out->trusted = out->slot_whole[0] && out->slot_whole[1];
    return 0;
}

static int slot_write(struct wal *w, disk_file file, unsigned slot, uint64_t seq)
{
    struct disk_op *op = &w->state_op;
    slot_fill(w, w->slot, seq);
    *op =
        (struct disk_op){ .kind = DISK_OP_WRITE, .lane = DISK_LANE_STATE, .file = file, .sync = true };
    op->offset = slot_offset(slot);
    op->buf = w->slot;
    op->len = WAL_SLOT_BYTES;
    return wal_call(w, op);
}

/* Both slots, under another name, then the name. */
static int file_create(struct wal *w)
{
    struct disk_op *op = &w->state_op;
    uint64_t seq = w->mark.seq;
    *op = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_STATE, .create = true };
    wal_path_name(w, op->path, WAL_STATE_NAME WAL_TEMP_SUFFIX);
    int rv = wal_call(w, op);
    if (rv < 0) return rv;
    disk_file file = op->file;
    rv = slot_write(w, file, (unsigned)(seq % 2), seq);
    if (rv == 0) rv = slot_write(w, file, (unsigned)((seq + 1) % 2), seq > 0 ? seq - 1 : 0);
    *op = (struct disk_op){ .kind = DISK_OP_CLOSE, .lane = DISK_LANE_STATE, .file = file };
    int closed = wal_call(w, op);
    if (rv < 0) return rv;
    if (closed < 0) return closed;
    *op = (struct disk_op){ .kind = DISK_OP_RENAME, .lane = DISK_LANE_STATE };
    wal_path_name(w, op->path, WAL_STATE_NAME WAL_TEMP_SUFFIX);
    wal_path_name(w, op->path2, WAL_STATE_NAME);
    rv = wal_call(w, op);
    if (rv < 0) return rv;
    *op = (struct disk_op){ .kind = DISK_OP_SYNC_DIR, .lane = DISK_LANE_STATE };
    wal_path_name(w, op->path, ".");
    return wal_call(w, op);
}

int wal_state_open(struct wal *w)
{
    struct disk_op *op = &w->state_op;
    *op = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_STATE };
    wal_path_name(w, op->path, WAL_STATE_NAME);
    int rv = wal_call(w, op);
    w->state_file = rv < 0 ? DISK_FILE_NONE : op->file;
    return rv;
}

int wal_state_repair(struct wal *w, const struct wal_state_file *found)
{
    uint64_t seq = w->mark.seq;
    unsigned newest = (unsigned)(seq % 2);
    if (!found->present) {
        int rv = file_create(w);
        return rv < 0 ? rv : wal_state_open(w);
    }
    int rv = wal_state_open(w);
    /* Also when it is there: what was read may stand in the page cache only, and be called clean since a
     * sync over it has failed. Then only what is written again is durable. */
    if (rv == 0) rv = slot_write(w, w->state_file, newest, seq);
    /* The other slot may be older: what counts is that it is whole. */
    if (rv == 0 && !found->slot_whole[!newest]) {
        rv = slot_write(w, w->state_file, !newest, seq > 0 ? seq - 1 : 0);
    }
    return rv;
}

void wal_state_submit(struct wal *w)
{
    struct disk_op *op = &w->state_op;
    slot_fill(w, w->slot, w->mark.seq);
    *op = (struct disk_op){ .kind = DISK_OP_WRITE, .lane = DISK_LANE_STATE, .sync = true };
    op->file = w->state_file;
    op->offset = slot_offset((unsigned)(w->mark.seq % 2));
    op->buf = w->slot;
    op->len = WAL_SLOT_BYTES;
    wal_submit(w, op);
}
