/* kv_rocks_space.c: RocksDB and a full disk (DESIGN 5, Running out of space).
 *
 * After a flush or a compaction that found no room RocksDB takes no more writes until it is opened anew,
 * whatever becomes free. So neither is begun where it might not find room: before the write buffer is full
 * the free space is asked for, from the disk and not from RocksDB's words; when it does not hold what lies
 * in the buffers the write buffer is made larger, so that nothing is flushed (a replica whose disk is full
 * takes no more than its log has prepared room for), and compaction is switched off. Should the larger
 * buffer fill up, too, no batch is taken: the replica keeps the entries, and serves what it has. All of
 * it goes on when there is room.
 *
 * The log of the same replica is on that disk, too, and takes a segment between two looks. A flush that fails all the
 * same, because somebody else was faster, is final. */
#include <inttypes.h>
#include <stdio.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define SPACE_LOOKS 8u         /* times a write buffer's worth that the space is looked at */
#define SPACE_BUFFER_FACTOR 4u /* so much larger is the write buffer while nothing can be flushed */
#define SPACE_EXTRA_BYTES (2u << 20) /* beside tables: manifest, checkpoint, what rounding takes */
#define SPACE_COMPACTION_BYTES (UINT64_C(1) << 31) /* more than one compaction of RocksDB's own takes */

static uint64_t number_in(struct rocks_gen *g, const char *property)
{
    uint64_t v = 0;
    rocksdb_property_int(g->db, property, &v);
    return v;
}

static uint64_t number_of(struct kv_rocks *e, const char *property)
{
    return number_in(e->current, property);
}

uint64_t rocks_space_free(struct kv_rocks *e)
{
    struct disk_op op = { .kind = DISK_OP_FREE_SPACE };
    snprintf(op.path, sizeof op.path, "%s", e->dir);
    return e->disk->ops->call(e->disk, &op) == 0 ? op.size_bytes : UINT64_MAX;
}

/* All that lies in buffers, as tables: not larger than in memory; and what the log may take first. */
static uint64_t flush_bytes(struct kv_rocks *e)
{
    return number_of(e, "rocksdb.cur-size-all-mem-tables") + SPACE_EXTRA_BYTES + e->beside_bytes;
}

/* It holds at once. An error tells that it could not be written down for the next start, which sets its
 * own anyway. */
static void set_option(struct kv_rocks *e, const char *key, const char *value)
{
    char *err = NULL;
    rocksdb_set_options(e->current->db, 1, &key, &value, &err);
    if (err) rocksdb_free(err);
    rocks_settle(e);
}

/* RocksDB's own compactions write up to the live data anew before anything goes, but no more than a
 * bound at a time. */
static void switch_compaction(struct kv_rocks *e, uint64_t room)
{
    uint64_t live = number_of(e, "rocksdb.estimate-live-data-size");
    uint64_t need = (live < SPACE_COMPACTION_BYTES ? live : SPACE_COMPACTION_BYTES) + flush_bytes(e);
    bool off = room < need + (e->compaction_off ? need / 4 : 0);
    if (!e->compacts_itself || off == e->compaction_off) return;
    set_option(e, "disable_auto_compactions", off ? "true" : "false");
    e->compaction_off = off;
    log_line(e->log, off ? LOG_WARN : LOG_INFO,
             "rocksdb: compaction is switched %s: %" PRIu64 " bytes are free", off ? "off" : "on again",
             room);
}

static uint64_t buffer_bytes(const struct kv_rocks *e)
{
    return e->write_buffer_bytes * (e->starved ? SPACE_BUFFER_FACTOR : 1);
}

static void switch_buffer(struct kv_rocks *e)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, buffer_bytes(e));
    set_option(e, "write_buffer_size", text);
}

static void look(struct kv_rocks *e, uint64_t room)
{
    bool starved = room < flush_bytes(e) + e->write_buffer_bytes / SPACE_LOOKS;
    e->written_bytes = 0;
    bool changed = starved != e->starved;
    if (changed)
        log_line(e->log, starved ? LOG_WARN : LOG_INFO,
                 starved ? "rocksdb: no room to flush, %" PRIu64
                           " bytes are free: what is in memory stays there"
                         : "rocksdb: there is room to flush again, %" PRIu64 " bytes are free",
                 room);
    e->starved = starved;
    if (changed) switch_buffer(e);
    if (!starved) rocks_reserve_make(e);
    switch_compaction(e, room);
}

/* It was opened with a buffer of the usual size, and compacts. */
void rocks_space_replaced(struct kv_rocks *e)
{
    e->starved = e->compaction_off = false;
    look(e, rocks_space_free(e));
}

static bool buffer_is_nearly_full(struct kv_rocks *e)
{
    uint64_t most = buffer_bytes(e) - e->write_buffer_bytes / 4;
    return number_of(e, "rocksdb.cur-size-active-mem-table") >= most;
}

int rocks_space_ready(struct kv_rocks *e)
{
    if (e->next)
        return 0; /* what is built beside is flushed at its end, which may fail for want of room */
    if (e->starved || e->written_bytes >= e->write_buffer_bytes / SPACE_LOOKS)
        look(e, rocks_space_free(e));
    return e->starved && buffer_is_nearly_full(e) ? MS_ENOSPC : 0;
}

void rocks_space_written(struct kv_rocks *e)
{
    size_t len = 0;
    (void)rocksdb_writebatch_wi_data(e->batch, &len);
    e->written_bytes += len;
}

int rocks_space_for_flush(struct kv_rocks *e)
{
    look(e, rocks_space_free(e));
    return e->starved ? MS_ENOSPC : 0;
}

int rocks_space_judge(struct kv_rocks *e, struct rocks_gen *g, int status)
{
    uint64_t need = number_in(g, "rocksdb.cur-size-all-mem-tables") + SPACE_EXTRA_BYTES;
    return status == MS_EIO && rocks_space_free(e) < need ? MS_ENOSPC : status;
}

bool rocks_space_for_compaction(struct kv_rocks *e)
{
    return rocks_space_free(e) >= number_of(e, "rocksdb.estimate-live-data-size") + flush_bytes(e);
}
