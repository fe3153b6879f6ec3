/* kv_rocks.h: the RocksDB engine (engine.h) through rocksdb/c.h; the one folder that includes it.
 *
 * On disk:
 *   dir/db-<n>       a generation: one whole RocksDB database
 *   dir/CURRENT-DB   the pointer: which generation counts, or that it is known to be damaged
 *   snap_dir/cp-<n>  the checkpoint of the last persist: hard links, complete and synced
 * RocksDB's own log is off: after a crash a generation holds what was flushed last, and the replica's
 * log is replayed behind it. */
#ifndef KV_ROCKS_KV_ROCKS_H
#define KV_ROCKS_KV_ROCKS_H

#include "env/alloc.h"
#include "env/disk.h"
#include "env/log.h"
#include "kv/engine.h"

/* Which column of the option table (kv_rocks_opts.c). */
enum kv_rocks_profile {
    KV_ROCKS_PRODUCTION,
    KV_ROCKS_SIMULATION /* nothing happens but what the caller asks for: two runs are equal */
};

struct kv_rocks_opts {
    const char *dir;      /* ./data/{id}: exists; holds db-<n> generations and the pointer CURRENT-DB */
    const char *snap_dir; /* ./data/{id}/snap: checkpoints; made if absent */
    /* Directories, pointer and copies go through it, and it says what is free, by blocking calls from the thread that uses the
     * engine; borrowed until the engine is closed. */
    struct disk *disk;
    /* RocksDB's own files: an Env that is registered with its ObjectLibrary under this name, and
     * outlives the engine. NULL: the system's files. disk and env have to show the same files. */
    const char *env;
    /* Wait until the threads of env have nothing to do: called after whatever leaves them work, so that
     * what they do comes at a known time. NULL: nobody has to know. */
    void (*settle)(void *ctx);
    void *settle_ctx;
    uint64_t write_buffer_bytes; /* one buffer; up to three are alive while the disk is behind */
    uint64_t block_cache_bytes;  /* blocks read, with their indexes and filters */
    uint64_t beside_bytes;       /* of the same disk the replica may take so much at once: a segment of its log.
                                    No flush or compaction is begun that would not find room behind that */
    enum kv_rocks_profile profile;
    /* For profiles in which RocksDB does nothing by itself: each so-manieth commit is flushed, each
     * so-manieth persist compacts everything; 0: none. */
    uint32_t flush_every, compact_every;
};
/* Where the content of an engine came from when it was opened. */
enum kv_rocks_source { KV_ROCKS_FROM_NEWEST, KV_ROCKS_FROM_CHECKPOINT, KV_ROCKS_FROM_NOTHING };
enum kv_rocks_source kv_rocks_source(const struct engine *engine);

void kv_rocks_opts_default(struct kv_rocks_opts *o, struct disk *disk);

/* Open the newest generation, else the checkpoint, else (nothing there) a new one.
 * opts   borrowed for this call; alloc, log borrowed until the engine is closed
 * why    why_cap bytes (256 are enough) that say what failed and where; empty on success
 * MS_ECORRUPT: nothing that opens: the caller rebuilds from a peer (kv_rocks_wipe), never best effort.
 * MS_ENOTFOUND (dir), MS_EACCES, MS_ELOCKED, MS_ENOSPC, MS_EINVAL, MS_ENOMEM, MS_EIO: nothing has been
 * decided about the data, another start may find it whole. */
int kv_rocks_open(struct engine **out, const struct kv_rocks_opts *opts, const struct ms_alloc *alloc,
                  const struct log_sink *log, char *why, size_t why_cap);

/* As kv_rocks_open(); and a database that does not open, not even from its checkpoint, is begun anew:
 * its replica is rebuilt from the log, if that is whole from the beginning, else by its peers, and
 * abstains until then. alone: there are no peers; what is there is left as it is, for a person to look
 * at (MS_ECORRUPT). wrong: so is one that opens, as the members have found that it is not what they have. */
int kv_rocks_open_or_rebuild(struct engine **out, const struct kv_rocks_opts *opts, bool alone,
                             bool wrong, const struct ms_alloc *alloc, const struct log_sink *log,
                             char *why, size_t why_cap);

/* Remove every generation and checkpoint, so that the next open starts empty: for the caller who has
 * decided to rebuild this replica from a peer. May be repeated after a crash in its middle.
 * MS_EINVAL, MS_EACCES, MS_EIO with why. */
int kv_rocks_wipe(const struct kv_rocks_opts *opts, const struct log_sink *log, char *why,
                  size_t why_cap);

/* Make directories to->dir and to->snap_dir (on the same file system) with the content of from, which is
 * only read: tables as hard links, the rest as bytes. Whoever opens the copy finds what opening from would
 * have found. Nobody has from open meanwhile. MS_ECORRUPT: nothing there that could open; others as
 * kv_rocks_open(). What was made on failure is kv_rocks_wipe()'s to remove. */
int kv_rocks_copy(const struct kv_rocks_opts *from, const struct kv_rocks_opts *to,
                  const struct log_sink *log, char *why, size_t why_cap);

#endif
