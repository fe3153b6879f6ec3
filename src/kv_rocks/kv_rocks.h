/* kv_rocks.h: the RocksDB engine (engine.h) through rocksdb/c.h; the one folder that includes it. */
#ifndef KV_ROCKS_KV_ROCKS_H
#define KV_ROCKS_KV_ROCKS_H

#include "env/alloc.h"
#include "env/log.h"
#include "kv/engine.h"

struct kv_rocks_opts {
    const char *dir;       /* ./data/{id}: exists; holds db-<n> generations and the pointer CURRENT-DB */
    const char *snap_dir;  /* ./data/{id}/snap: checkpoints; made if absent */
    uint64_t write_buffer_bytes, block_cache_bytes;
};
void kv_rocks_opts_default(struct kv_rocks_opts *o);

/* Open the newest generation, else the checkpoint, else (nothing there) a new one. MS_ECORRUPT: nothing
 * that opens: the caller rebuilds from a peer, never best effort. why (256 bytes) says what and where. */
int kv_rocks_open(struct engine **out, const struct kv_rocks_opts *opts, const struct ms_alloc *alloc,
                  const struct log_sink *log, char *why, size_t why_cap);

#endif
