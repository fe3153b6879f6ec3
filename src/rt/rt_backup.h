/* rt_backup.h: a backup is one file: the chunks of a snapshot, as docs/FORMATS.md 7.4 has them, end to end.
 *
 *   RB1  a file gets its name when it is whole, synced and was read back; until then it is <name>.tmp
 *   RB2  what is read is checked to its end before anything is made of it
 *   RB3  memory is bounded by a chunk, whatever the size of the file; where a state has to be held, as for
 *        the memory engine, by that */
#ifndef RT_RT_BACKUP_H
#define RT_RT_BACKUP_H

#include "env/disk.h"
#include "kv/kv.h"
#include "metastore/metastore.h"

/* --- reading --- */
struct rt_chunks {
    int fd;
    uint64_t size_bytes, offset; /* of the chunk that is here */
    struct buf chunk;
};
/* MS_ENOTFOUND, MS_EACCES, MS_EIO with why (MS_WHY_BYTES), and *c is closed. */
int rt_chunks_open(struct rt_chunks *c, const char *path, char *why);
void rt_chunks_close(struct rt_chunks *c);
/* The next chunk. MS_EEND; MS_ECORRUPT: no chunk begins at offset; MS_ESHORT: the file ends inside of it. */
int rt_chunks_next(struct rt_chunks *c);

/* Load path into kv, which is checked on the way. refound: as in struct kv_job. *offset: how far it got; of
 * the chunk at fault. info: of what is loaded; NULL. MS_ECORRUPT, MS_EVERSION and others, without a why. */
int rt_backup_load(struct rt_chunks *c, struct kv *kv, const struct kv_refound *refound,
                   struct kv_info *info);
/* Check all of path, as ms_snapshot_status(). Also MS_ECORRUPT: damaged; why says where and what. */
int rt_backup_check(const char *path, struct ms_snapshot_report *out, char *why);

/* --- writing (RB1) --- */
struct rt_backup {
    char path[DISK_PATH_BYTES_MAX], temp[DISK_PATH_BYTES_MAX];
    int fd;
    uint64_t bytes, synced_bytes;
};
int rt_backup_create(struct rt_backup *b, const char *path, char *why);
int rt_backup_write(struct rt_backup *b, struct bytes data, char *why);
/* Sync, read back, name. The file is closed in any case, and gone if this fails. */
int rt_backup_finish(struct rt_backup *b, struct ms_snapshot_report *out, char *why);
void rt_backup_abandon(struct rt_backup *b);
/* All chunks of kv as it is now. */
int rt_backup_dump(struct rt_backup *b, struct kv *kv, char *why);

/* why: "what path: the reason". Returns status. */
int rt_backup_fail(int status, const char *what, const char *path, char *why);

#endif
