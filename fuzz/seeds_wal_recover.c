/* seeds_wal_recover.c: writes a small corpus for fuzz_wal_recover into the directory argv[1]: logs that
 * the real code has written, in the form of the harness. */
#include <stdio.h>

#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "sim/sim_disk.h"
#include "wal/wal_private.h"

#define SEGMENT_BYTES (64u << 10)

static struct disk_op *queue[16];
static unsigned head, tail;

static void submitted(void *ctx, struct disk_op *op)
{
    (void)ctx;
    queue[tail++ % 16] = op;
}

static void settle(struct sim_disk *sim, struct wal *w)
{
    struct wal_event ev;
    while (head != tail) {
        struct disk_op *op = queue[head++ % 16];
        sim_disk_perform(sim, op);
        MS_ASSERT(wal_on_disk(w, op) == 0);
        while (wal_next_event(w, &ev)) {
        }
    }
}

/* One input: every sector of the files that is not blank. */
static void save(struct sim_disk *sim, const char *dir, const char *name)
{
    char path[64];
    struct buf input;
    buf_init(&input, &fuzz_heap, 1u << 24);
    for (unsigned file = 0; file < 5; file++) {
        for (unsigned sector = 0; sector < SEGMENT_BYTES / DISK_SECTOR_BYTES; sector++) {
            uint8_t piece[2 + DISK_SECTOR_BYTES] = { (uint8_t)file, (uint8_t)sector };
            snprintf(path, sizeof path, "log/wal-%016x.seg", file);
            if (file == 0) snprintf(path, sizeof path, "log/state");
            int64_t n = sim_disk_durable_read(sim, path, (uint64_t)sector * DISK_SECTOR_BYTES,
                                              piece + 2, DISK_SECTOR_BYTES);
            bool blank = n <= 0;
            for (unsigned i = 2; i < sizeof piece && n > 0; i++)
                blank = i == 2 ? !piece[i] : blank && !piece[i];
            if (!blank) buf_append(&input, piece, sizeof piece);
        }
    }
    MS_ASSERT(!input.failed);
    seed_save(dir, name, buf_bytes(&input));
    buf_fini(&input);
}

static void batch(struct sim_disk *sim, struct wal *w, uint64_t term, unsigned count, size_t len)
{
    static uint8_t payload[20000];
    struct wal_state state = *wal_state(w);
    wal_batch_begin(w);
    if (state.term != term) {
        state.term = term;
        state.vote = 0;
        wal_batch_state(w, &state);
    }
    for (unsigned i = 0; i < count; i++) {
        payload[0] = (uint8_t)i;
        MS_ASSERT(wal_batch_entry(w, term, wal_last_index(w) + 1, term, bytes_of(payload, len)) == 0);
    }
    wal_batch_commit(w, 1);
    settle(sim, w);
}

int main(int argc, char **argv)
{
    struct sim_disk_opts sim_opts = { .submitted = submitted };
    struct wal_opts opts = { .dir = "log", .member_id = 3, .segment_bytes = SEGMENT_BYTES };
    struct disk_op mkdir = { .kind = DISK_OP_MKDIR, .path = "log" };
    struct disk_op sync = { .kind = DISK_OP_SYNC_DIR, .path = "." };
    struct wal_recovery found;
    struct wal *w;
    struct sim_disk *sim = sim_disk_create(&sim_opts, &fuzz_heap);
    MS_ASSERT(argc == 2 && sim != NULL);
    struct disk *disk = sim_disk_face(sim);
    MS_ASSERT(disk->ops->call(disk, &mkdir) == 0 && disk->ops->call(disk, &sync) == 0);
    save(sim, argv[1], "empty");
    opts.prewrite_bytes = 8192;
    MS_ASSERT(wal_open(&w, &opts, disk, &fuzz_heap, NULL, &found, NULL, NULL) == 0);
    save(sim, argv[1], "new");
    batch(sim, w, 1, 2, 10);
    save(sim, argv[1], "one_batch");
    batch(sim, w, 2, 3, 700);
    batch(sim, w, 3, 1, 20);
    save(sim, argv[1], "batches");
    wal_batch_begin(w);
    MS_ASSERT(wal_batch_entry(w, 4, 3, 3, bytes_of("superseded", 10)) == 0);
    wal_batch_commit(w, 1);
    settle(sim, w);
    wal_cut(w, 2);
    batch(sim, w, 4, 2, 30);
    save(sim, argv[1], "superseded_and_cut");
    wal_batch_begin(w);
    wal_batch_reset(w, 50, 4);
    wal_batch_commit(w, 1);
    settle(sim, w);
    save(sim, argv[1], "reset");
    batch(sim, w, 5, 3, 17000);
    batch(sim, w, 6, 1, 9000);
    save(sim, argv[1], "segments");
    wal_close(w);
    sim_disk_destroy(sim);
    return 0;
}
