/* wal_recover.h: what recovery knows while it reads; shared by wal_scan.c (one segment) and
 * wal_recover.c (all of them). */
#ifndef WAL_WAL_RECOVER_H
#define WAL_WAL_RECOVER_H

#include "wal/wal_private.h"

/* A segment as found on disk. */
struct wal_found_segment {
    uint64_t life;  /* by its name */
    uint64_t size;  /* of the file */
    uint64_t bytes; /* by its header, else its size */
    bool header_whole, base_whole;
    struct wal_header header;
    struct wal_base base; /* of its first batch */
    bool in_chain, has_successor;
    bool usable;           /* whole header, and nothing in it: can take the first batch of its life */
    uint64_t missing_life; /* the segment that should come before it and is not there; 0: none */
    uint64_t limit_sector; /* where it ends, as its successor says; 0: unknown */
    uint64_t end_sector;   /* behind the last batch taken from it */
    uint64_t last_sector;  /* where that batch begins */
    uint64_t
        dirty_sector; /* behind the last sector there that has to be zeroed before it is written; 0 */
};

struct wal_recover {
    struct wal *w;
    struct wal_recovery *out;
    struct wal_found_segment *at; /* by rising life */
    size_t count, cap;
    uint8_t *buf; /* one segment */
    size_t buf_bytes;
    uint64_t loaded_life; /* which one; 0: none */
    uint8_t *scratch;     /* one record */
    size_t scratch_bytes;

    bool any_member; /* the log is only looked at, whoever's it is: w->member_id is found, not given */
    struct wal_state_file file;
    struct wal_mark mark; /* the newest one in the log, if mark_known */
    bool mark_known, nonce_known;

    /* The newest BASE or RESET of the newest segment that has batches. */
    struct wal_base newest;
    uint64_t newest_batch;
    bool newest_known, newest_is_reset, newest_reached;

    uint64_t next_batch;             /* 0: any */
    uint64_t stop_life, stop_sector; /* a batch there has records that cannot be; 0: none known */
    size_t last;                     /* the newest segment that has a batch, if any_batch */
    bool any_batch, damaged, torn;
    size_t entry_segment; /* of the entry given last */
};

/* A run of sectors that looks like a batch. */
struct wal_run_of_sectors {
    uint64_t count;      /* 0: none begins here */
    uint64_t bad_sector; /* count 0: the first sector that is not what it should be */
    uint32_t batch32;
    size_t payload_bytes;
};

/* wal_recover.c; wal_inspect.c uses these to look at a log without opening it */

/* Read what says whose the log is: the state file, and of each segment the header and the base of its
 * first batch. Writes nothing. MS_EFOREIGN, MS_EVERSION, MS_EIO, MS_ENOMEM; out->detail says where. */
int wal_recover_look_around(struct wal_recover *r);
/* Read all there is and judge it: chain, damage, torn batch, index, state. Writes nothing to the disk.
 * With r->any_member and w->member_id 0, the latter says in the end whose it is.
 * MS_EFOREIGN, MS_EVERSION, MS_EIO, MS_ENOMEM; out->detail says where. */
int wal_recover_judge(struct wal_recover *r);
/* Fill *out from what was judged. */
void wal_recover_tell(struct wal_recover *r);
void wal_recover_fini(struct wal_recover *r);

/* wal_scan.c */

/* Read a whole segment (zeros behind the end of the file) unless it is the loaded one. */
int wal_scan_load(struct wal_recover *r, const struct wal_found_segment *f);
/* Read its header and the base of its first batch. */
int wal_scan_head(struct wal_recover *r, struct wal_found_segment *f);
/* Look over the loaded segment, damaged or not, for the newest state and base. any_batch: it has a
 * whole batch; any_ours: a whole sector of this life. */
int wal_scan_loose(struct wal_recover *r, const struct wal_found_segment *f, bool *any_batch,
                   bool *any_ours);
/* Take its batches in order. Stops at its limit, at its end or where no batch begins; damage is told to
 * wal_scan_damage(). MS_ECORRUPT: a batch was taken in part; begin anew, and stop before it. */
int wal_scan_batches(struct wal_recover *r, struct wal_found_segment *f);
/* What stands behind the last batch of the newest segment (or in a prepared one): nothing, a batch that
 * was torn, or damage. */
int wal_scan_tail(struct wal_recover *r, struct wal_found_segment *f);
/* Nothing of this life in the loaded segment, and no damage. */
bool wal_scan_is_clean(const struct wal_recover *r, const struct wal_found_segment *f);
/* Note damage at a sector; only the first is kept. */
void wal_scan_damage(struct wal_recover *r, uint64_t life, uint64_t sector, const char *what);
/* Say in detail what is of another version: MS_EVERSION. */
int wal_scan_refuse_version(struct wal_recover *r, const char *path, const char *what);
/* Give each record of the batches that were taken from f, in order; rec is borrowed during the call.
 * What cb returns, if it is not 0, ends it and is returned. */
typedef int (*wal_scan_record_cb)(void *arg, const struct wal_found_segment *f, struct wal_place place,
                                  const struct wal_record *rec);
int wal_scan_records(struct wal_recover *r, const struct wal_found_segment *f, wal_scan_record_cb cb,
                     void *arg);
/* The entry at index, out of the right segment; payload is borrowed until the next call. Indexes rise
 * from call to call. */
int wal_scan_entry(struct wal_recover *r, uint64_t index, uint64_t *term, struct bytes *payload);

#endif
