/* wal_inspect.h: looking at a log without changing it: what recovery would find, and each record. It is
 * recovery's own reading (wal_recover.c, wal_scan.c), so that both say the same about the same bytes.
 *
 * Promises:
 *   WI1  nothing is submitted to the disk but OPEN without create, READ and CLOSE; nothing is locked
 *   WI2  found, detail, indexes and terms are those that wal_open() would tell, of the same files
 *   WI3  the records marked LIVE are those whose entries wal_open() would give, in the same order */
#ifndef WAL_WAL_INSPECT_H
#define WAL_WAL_INSPECT_H

#include "wal/wal.h"
#include "wal/wal_record.h"

enum wal_fate {
    WAL_FATE_NONE = 0,   /* no entry */
    WAL_FATE_LIVE,       /* an entry of the log */
    WAL_FATE_SUPERSEDED, /* a later record took its index, or voided it */
    WAL_FATE_CUT         /* at or below the base: a snapshot covers it, its segment has not gone yet */
};

struct wal_seen {
    uint64_t life, offset; /* where it begins: segment, and byte in the file */
    struct wal_record rec;
    struct wal_base base; /* of BASE and RESET */
    struct wal_mark mark; /* of STATE */
    enum wal_fate fate;
};

/* seen is borrowed during the call. Non-zero ends the inspection, and is what it returns. */
typedef int (*wal_seen_cb)(void *arg, const struct wal_seen *seen);

struct wal_inspection {
    struct wal_recovery recovery; /* found NEW: no log in there */
    uint64_t member_id;           /* 0: no file says whose it is */
    size_t file_count;            /* segments and state file; 0: nothing of a log is there */
    size_t chain_count; /* segments that the log stands in; the others are prepared or spare */
    size_t segment_count;
    /* Not empty: a copy of the state is not whole, which opening puts right from the other one. */
    char state_detail[DISK_PATH_BYTES_MAX + 80];
};

/* Read the log in dir and judge it as wal_open() would, whoever's it is; then give each record, in the
 * order in which they were written, up to where the log ends or is damaged.
 * cb    NULL: none are given, but all are read.
 * Returns 0, and *out is complete before the first record (damage is no error); what cb returned; or
 * MS_ENOTFOUND (dir), MS_EFOREIGN (files of several members), MS_EVERSION, MS_EACCES, MS_EIO, MS_ENOMEM,
 * MS_ETOOBIG (the path): out->recovery.detail says what and where, if it is known. Blocks. */
int wal_inspect(const char *dir, struct disk *disk, const struct ms_alloc *alloc,
                struct wal_inspection *out, wal_seen_cb cb, void *arg);

/* Whose log it is, and whether its format is known, from headers and state file alone: what wal_open()
 * refuses before it reads a batch. For who has something to open before the log (a database), and must
 * not touch it if the log is going to be refused. out->state is that of the state file, if this is whole.
 * Keeps WI1.
 * Returns 0 (an empty directory, too), or as wal_inspect(); out->detail as there. Blocks. */
int wal_identify(const char *dir, uint64_t member_id, struct disk *disk, const struct ms_alloc *alloc,
                 struct wal_recovery *out);

#endif
