/* fuzz_wal_recover.c: a directory of a log that holds anything. Opening it ends in a clean error or in
 * a log that keeps the promises of wal.h, and looking at it before has found the same (wal_inspect.h,
 * WI2, WI3); a log that was opened takes a batch, and is then found again as it was, with nothing wrong
 * any more, whatever had been found.
 *
 * Input: sectors, each as file u8 (0: the state file; 1 to 4: the segment of that life), sector u8, 512
 * bytes. A file that has a sector has its full size, but is cut behind a sector that is given as the
 * last one of an input with 0x80 in its file. */
#include <stdio.h>

#include "base/crc32c.h"
#include "env/rand.h"
#include "fuzz/support.h"
#include "sim/sim_disk.h"
#include "wal/wal_inspect.h"
#include "wal/wal_private.h"

#define PIECE_BYTES (2u + DISK_SECTOR_BYTES)
#define SEGMENT_BYTES (64u << 10)
#define SECTORS (SEGMENT_BYTES / DISK_SECTOR_BYTES)
#define LARGE_BYTES (1u << 20)
#define FILES 5u
#define NUMBERS_SANE (UINT64_C(1) << 62)

struct rig {
    struct sim_disk *sim;
    struct disk_op *queue[16];
    unsigned head, tail;
    uint64_t next, last_term, hash, hash_before; /* of what was given; before: without the last */
};

static void submitted(void *ctx, struct disk_op *op)
{
    struct rig *r = ctx;
    MS_ASSERT(r->tail - r->head < 16);
    r->queue[r->tail++ % 16] = op;
}

static int must(struct rig *r, struct disk_op *op)
{
    struct disk *d = sim_disk_face(r->sim);
    int rv = d->ops->call(d, op);
    MS_ASSERT(rv == 0);
    return rv;
}

static void path_of(char *out, unsigned file)
{
    if (file == 0)
        snprintf(out, DISK_PATH_BYTES_MAX, "log/state");
    else
        snprintf(out, DISK_PATH_BYTES_MAX, "log/wal-%016x.seg", file);
}

static disk_file open_file(struct rig *r, unsigned file)
{
    struct disk_op op = { .kind = DISK_OP_OPEN, .create = true };
    path_of(op.path, file);
    must(r, &op);
    if (op.size_bytes == 0) {
        struct disk_op grow = { .kind = DISK_OP_TRUNCATE, .file = op.file };
        grow.offset = file == 0 ? WAL_STATE_FILE_BYTES : SEGMENT_BYTES;
        must(r, &grow);
    }
    return op.file;
}

/* Whether the header in a piece, right or wrong, speaks of a large segment: it would be read whole, which
 * takes seconds and is nothing else than reading a small one. */
static bool is_large(const uint8_t *piece)
{
    bool is_header = (piece[0] & 0x7f) % FILES != 0 && piece[1] % SECTORS == 0;
    return is_header && bytes_load_u64(piece + 2 + 64) > LARGE_BYTES;
}

static void build(struct rig *r, const uint8_t *data, size_t len)
{
    struct sim_disk_opts opts = { .submitted = submitted, .ctx = r };
    struct disk_op mkdir = { .kind = DISK_OP_MKDIR, .path = "log" };
    struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "." };
    r->sim = sim_disk_create(&opts, &fuzz_heap);
    MS_ASSERT(r->sim != NULL);
    must(r, &mkdir);
    must(r, &sync);
    for (size_t i = 0; i < len / PIECE_BYTES; i++) {
        const uint8_t *piece = data + i * PIECE_BYTES;
        uint64_t offset = (uint64_t)(piece[1] % SECTORS) * DISK_SECTOR_BYTES;
        disk_file f = open_file(r, (piece[0] & 0x7f) % FILES);
        struct disk_op op = { .kind = DISK_OP_WRITE, .file = f, .offset = offset };
        op.buf = (uint8_t *)(uintptr_t)(piece + 2);
        op.len = DISK_SECTOR_BYTES;
        must(r, &op);
        op = (struct disk_op){ .kind = DISK_OP_TRUNCATE, .file = f };
        op.offset = offset + DISK_SECTOR_BYTES;
        if ((piece[0] & 0x80) && i + 1 == len / PIECE_BYTES) must(r, &op);
        op.kind = DISK_OP_SYNC;
        must(r, &op);
        op.kind = DISK_OP_CLOSE;
        must(r, &op);
    }
}

static int take(void *arg, uint64_t index, uint64_t term, struct bytes payload)
{
    struct rig *r = arg;
    if (r->next != 0) MS_ASSERT(index == r->next);
    MS_ASSERT(term >= r->last_term);
    r->next = index + 1;
    r->last_term = term;
    r->hash_before = r->hash;
    r->hash = r->hash * 31 + term + payload.len;
    for (size_t i = 0; i < payload.len; i++) r->hash = r->hash * 31 + payload.data[i];
    return 0;
}

static int take_seen(void *arg, const struct wal_seen *s)
{
    if (s->fate != WAL_FATE_LIVE) return 0;
    return take(arg, s->rec.index, s->rec.term, s->rec.body);
}

static void begin_taking(struct rig *r)
{
    r->next = r->hash = r->hash_before = r->last_term = 0;
}

static int open_log(struct rig *r, struct wal **w, struct wal_recovery *found)
{
    struct wal_opts opts = { .dir = "log", .member_id = 3, .segment_bytes = SEGMENT_BYTES };
    static struct wal_inspection seen;
    begin_taking(r);
    int looked = wal_inspect("log", sim_disk_face(r->sim), &fuzz_heap, &seen, take_seen, r);
    MS_ASSERT(looked == 0 || looked == MS_EFOREIGN || looked == MS_EVERSION);
    if (looked != 0) MS_ASSERT(seen.recovery.detail[0] != 0);
    uint64_t hash_seen = r->hash, next_seen = r->next;
    begin_taking(r);
    struct wal_recovery who;
    int identified = wal_identify("log", opts.member_id, sim_disk_face(r->sim), &fuzz_heap, &who);
    if (identified != 0) MS_ASSERT(who.detail[0] != 0);
    int rv = wal_open(w, &opts, sim_disk_face(r->sim), &fuzz_heap, NULL, found, take, r);
    if (identified != 0) MS_ASSERT(rv == identified && strcmp(who.detail, found->detail) == 0);
    if (rv < 0) {
        MS_ASSERT(rv == MS_EFOREIGN || rv == MS_EVERSION);
        return rv;
    }
    MS_ASSERT(looked == 0);
    MS_ASSERT(seen.recovery.found == found->found);
    MS_ASSERT(strcmp(seen.recovery.detail, found->detail) == 0);
    MS_ASSERT(seen.recovery.base_index == found->base_index);
    MS_ASSERT(hash_seen == r->hash && next_seen == r->next);
    MS_ASSERT(found->first_index == found->base_index + 1);
    MS_ASSERT(found->last_index >= found->base_index);
    if (r->next != 0) MS_ASSERT(r->next == found->last_index + 1);
    if (r->next == 0) MS_ASSERT(found->last_index == found->base_index);
    MS_ASSERT((found->found == WAL_FOUND_DAMAGED) == (found->detail[0] != 0) ||
              found->found == WAL_FOUND_TORN);
    return 0;
}

/* The last sector of a short batch of its own, and everything in the background. */
static void append_one(struct rig *r, struct wal *w)
{
    struct wal_event ev;
    bool durable = false;
    uint64_t index = wal_last_index(w) + 1;
    wal_batch_begin(w);
    MS_ASSERT(wal_batch_entry(w, UINT64_MAX, index, UINT64_MAX, bytes_of("x", 1)) == 0);
    wal_batch_commit(w, 7);
    while (r->head != r->tail) {
        struct disk_op *op = r->queue[r->head++ % 16];
        sim_disk_perform(r->sim, op);
        MS_ASSERT(wal_on_disk(w, op) == 0);
        while (wal_next_event(w, &ev)) durable |= ev.kind == WAL_EVENT_DURABLE;
    }
    MS_ASSERT(durable && wal_durable_index(w) == index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rig r = { 0 };
    struct wal_recovery found, again;
    struct wal *w;
    for (size_t i = 0; i < len / PIECE_BYTES; i++) {
        if (is_large(data + i * PIECE_BYTES)) return 0;
    }
    build(&r, data, len);
    if (open_log(&r, &w, &found) == 0) {
        bool sane = found.last_index < NUMBERS_SANE && w->life_max < NUMBERS_SANE &&
                    w->next_batch < NUMBERS_SANE && w->mark.seq < NUMBERS_SANE;
        uint64_t hash = r.hash;
        if (sane) append_one(&r, w);
        wal_close(w);
        sim_disk_crash(r.sim, true, NULL, NULL);
        if (sane) {
            int rv = open_log(&r, &w, &again);
            MS_ASSERT(rv == 0);
            MS_ASSERT(again.found == WAL_FOUND_CLEAN);
            MS_ASSERT(again.last_index == found.last_index + 1);
            if (again.base_index == found.base_index) MS_ASSERT(r.hash_before == hash);
            wal_close(w);
        }
    }
    sim_disk_destroy(r.sim);
    return 0;
}

/* --- a mutator that makes checksums good again --- */

static uint8_t *piece_at(uint8_t *data, size_t count, unsigned file, unsigned sector)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = data + i * PIECE_BYTES;
        if ((p[0] & 0x7f) % FILES == file && p[1] % SECTORS == sector) return p + 2;
    }
    return NULL;
}

/* The payload of a batch that begins there, gathered or put back; returns its length, 0: none. */
static size_t batch_payload(uint8_t *data, size_t count, unsigned file, unsigned sector,
                            uint8_t *payload, bool back)
{
    size_t len = 0;
    for (unsigned i = sector; i < SECTORS; i++) {
        uint8_t *s = piece_at(data, count, file, i);
        if (!s) return 0;
        const uint8_t *stamp = s + WAL_SECTOR_PAYLOAD;
        size_t used = bytes_load_u32(stamp + 12) % (WAL_SECTOR_PAYLOAD + 1);
        if (i == sector && !(stamp[14] & WAL_SECTOR_FIRST)) return 0;
        memcpy(back ? s : payload + len, back ? payload + len : s, used);
        len += used;
        if (stamp[14] & WAL_SECTOR_LAST) return len;
    }
    return 0;
}

static void repair_records(uint8_t *payload, size_t len, uint64_t life)
{
    for (size_t at = 0; len - at >= WAL_RECORD_HEADER_BYTES;) {
        size_t left = len - at - WAL_RECORD_HEADER_BYTES;
        size_t body_bytes = bytes_load_u32(payload + at + 4);
        if (body_bytes > left) body_bytes = left;
        bytes_store_u32(payload + at + 4, (uint32_t)body_bytes);
        wal_record_seal(payload + at, life, bytes_load_u64(payload + at + 9));
        at += wal_record_bytes(body_bytes);
    }
}

static void repair_block(uint8_t *sector, size_t len)
{
    static const uint8_t zeros[WAL_HEADER_BYTES];
    bytes_store_u32(sector + 12, 0);
    uint32_t crc = crc32c(0, sector, DISK_SECTOR_BYTES);
    bytes_store_u32(sector + 12, crc32c(crc, zeros, len - DISK_SECTOR_BYTES));
}

static void repair_sector(uint8_t *sector, unsigned file, unsigned number)
{
    uint8_t *at = sector + WAL_SECTOR_PAYLOAD;
    struct wal_stamp stamp = { .batch32 = bytes_load_u32(at + 8) };
    stamp.used = (uint16_t)(bytes_load_u32(at + 12) % (WAL_SECTOR_PAYLOAD + 1));
    stamp.flags = at[14] % 4;
    if (file == 0) repair_block(sector, DISK_SECTOR_BYTES);
    if (file != 0 && number == 0) repair_block(sector, WAL_HEADER_BYTES);
    if (file != 0 && number >= WAL_HEADER_SECTORS) wal_sector_seal(sector, number, file, &stamp);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static uint8_t payload[SEGMENT_BYTES];
    struct ms_rand rand;
    ms_rand_init(&rand, seed, 1);
    if (ms_rand_below(&rand, 8) == 0 || size < PIECE_BYTES)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t count = size / PIECE_BYTES;
    uint8_t *piece = data + ms_rand_below(&rand, count) * PIECE_BYTES;
    uint64_t what = ms_rand_below(&rand, 8);
    if (what == 0) { /* a sector is gone */
        memmove(piece, piece + PIECE_BYTES, (size_t)(data + count * PIECE_BYTES - piece) - PIECE_BYTES);
        return (count - 1) * PIECE_BYTES;
    }
    if (what == 1) { /* stands somewhere else, too */
        if ((count + 1) * PIECE_BYTES > max_size) return size;
        memcpy(data + count * PIECE_BYTES, piece, PIECE_BYTES);
        data[count * PIECE_BYTES + ms_rand_below(&rand, 2)] = (uint8_t)ms_rand_below(&rand, 32);
        return (count + 1) * PIECE_BYTES;
    }
    LLVMFuzzerMutate(piece + (what == 2 ? 0 : 2), what == 2 ? PIECE_BYTES : 300, PIECE_BYTES - 2);
    if (what == 3) return size; /* and it stays damaged */
    unsigned file = (piece[0] & 0x7f) % FILES, sector = piece[1] % SECTORS;
    for (unsigned first = sector + 1; file != 0 && first-- > WAL_HEADER_SECTORS;) {
        size_t len = batch_payload(data, count, file, first, payload, false);
        if (len == 0) continue;
        repair_records(payload, len, file);
        batch_payload(data, count, file, first, payload, true);
        break;
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = data + i * PIECE_BYTES;
        repair_sector(p + 2, (p[0] & 0x7f) % FILES, p[1] % SECTORS);
    }
    return size;
}
