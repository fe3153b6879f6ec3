/* kv_rocks_reserve.c: room to open the database with, on a disk that has become full.
 *
 * To open RocksDB writes a manifest, its options and the head of its text log. Where the first does not
 * fit, it does not open; where the last does not, and RocksDB was built with assertions, as Debian's is, the next line
 * ends the process. So some room is kept in a file while there is plenty; a start that finds none gives
 * it up, and what finds none all the same is refused before RocksDB is asked. */
#include <inttypes.h>
#include <stdio.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define RESERVE_NAME "reserve"
#define RESERVE_BYTES (1u << 20)
#define OPEN_BYTES (RESERVE_BYTES / 2) /* what an opening takes, with room to spare for a second one */

void rocks_reserve_make(struct kv_rocks *e)
{
    if (!e->reserves || e->reserved || rocks_space_free(e) < 8 * RESERVE_BYTES) return;
    e->reserved = rocks_file_fill(e, RESERVE_NAME, RESERVE_BYTES) == 0;
}

void rocks_reserve_drop(struct kv_rocks *e)
{
    if (e->reserves) (void)rocks_file_remove(e, RESERVE_NAME); /* perhaps there is none */
}

void rocks_reserve_release(struct kv_rocks *e)
{
    if (!e->reserves || rocks_space_free(e) >= OPEN_BYTES) return;
    if (rocks_file_remove(e, RESERVE_NAME) == 0)
        log_line(e->log, LOG_WARN,
                 "rocksdb: the disk is full: the database is opened in what was reserved for that");
}

int rocks_reserve_check(struct kv_rocks *e, const char *path)
{
    uint64_t room = e->reserves ? rocks_space_free(e) : UINT64_MAX;
    if (room >= OPEN_BYTES) return 0;
    return rocks_fail(e, MS_ENOSPC,
                      "no space to open %s: %" PRIu64 " bytes are free, and %u have to be", path, room,
                      OPEN_BYTES);
}
