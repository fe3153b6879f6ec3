/* rt_dirs.h: where a member's data lies (SPEC 2), and whose it is.
 *
 *   memory    <data>/metaStore-<id>/ (log), <data>/metaStore-<id>-snap/ (snapshots)
 *   rocksdb   <data>/data/<id>/ (RocksDB), in it wal/ (log) and snap/ (checkpoints); <data>/data exists
 *
 * The first directory of each is the one that is locked. */
#ifndef RT_RT_DIRS_H
#define RT_RT_DIRS_H

#include "env/disk.h"
#include "rt/rt_options.h"

struct rt_dirs {
    char home[DISK_PATH_BYTES_MAX]; /* made and locked first */
    char log[DISK_PATH_BYTES_MAX], snap[DISK_PATH_BYTES_MAX];
};

/* Look only: the names, that the parents are there, that the other engine has no data here.
 * MS_ENOTFOUND, MS_EFOREIGN, MS_EACCES, with why (MS_WHY_BYTES). */
int rt_dirs_find(struct rt_dirs *out, const struct rt_setup *s, struct disk *disk, char *why);
/* Make home if it is absent, durably, and lock it; it holds nothing more than before. MS_ELOCKED, MS_EACCES,
 * MS_ENOSPC, MS_EIO, with why. Not of where a backup is being restored, or was until something ended that:
 * MS_ELOSTDATA. */
int rt_dirs_lock(const struct rt_dirs *dirs, const struct rt_setup *s, struct disk *disk, char *why);
/* Make the others that are absent, durably. Likewise. */
int rt_dirs_make(const struct rt_dirs *dirs, struct disk *disk, char *why);

/* The file in home that stands there while a backup is being restored. */
void rt_dirs_partial(const struct rt_dirs *dirs, char out[DISK_PATH_BYTES_MAX]);
/* Whether it is absent: 0, or MS_ELOSTDATA with why. */
int rt_dirs_partial_check(const struct rt_dirs *dirs, char *why);

#endif
