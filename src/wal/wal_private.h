/* wal_private.h: the inside of the log.
 *
 * One batch is under way at a time; what is slow (zeroing ahead, preparing the next segment, dropping
 * old ones) is done by one background job at a time, in the lane for bulk work. */
#ifndef WAL_WAL_PRIVATE_H
#define WAL_WAL_PRIVATE_H

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "wal/wal.h"
#include "wal/wal_record.h"

#define WAL_MAGIC UINT64_C(0x77616c2e68206d73)
#define WAL_STATE_NAME "state"
#define WAL_TEMP_SUFFIX ".tmp"
/* What a batch may begin with: BASE or RESET, and STATE. */
#define WAL_PREFIX_BYTES (2u * WAL_RECORD_HEADER_BYTES + WAL_BASE_BODY_BYTES + WAL_MARK_BYTES)
/* Ready means that at least this much can be written without waiting. */
#define WAL_READY_SECTORS 8u
/* Recovery has this for what cannot be read: no sector that is whole ends with it. */
#define WAL_UNREADABLE_BYTE 0xff
#define WAL_READ_BYTES_FIRST (64u << 10) /* first try for a single entry of unknown length */

/* --- wal_index.c: where entries are, and their terms --- */

struct wal_place {
    uint32_t life32; /* low half of the segment's life */
    uint32_t at;     /* sector times WAL_SECTOR_PAYLOAD, plus the offset in its payload */
};

struct wal_run {
    uint64_t index, term; /* entries from index on are of this term, up to the next run */
};

struct wal_index {
    const struct ms_alloc *alloc;
    uint64_t base_index, base_term;
    struct wal_place *places; /* of base_index + 1 + i: places[skip + i] */
    size_t skip, count, cap;
    struct wal_run *runs; /* rising, of entries only */
    size_t run_count, run_cap;
};

void wal_index_init(struct wal_index *x, const struct ms_alloc *alloc);
void wal_index_fini(struct wal_index *x);
static inline uint64_t wal_index_last(const struct wal_index *x)
{
    return x->base_index + x->count;
}
/* Of an index from base_index to the last one. */
uint64_t wal_index_term(const struct wal_index *x, uint64_t index);
struct wal_place *wal_index_place(struct wal_index *x, uint64_t index);
/* Make room, so that one append cannot fail. MS_ENOMEM */
int wal_index_reserve(struct wal_index *x);
/* index is the last one + 1, term not below the last one's; room was reserved. */
void wal_index_append(struct wal_index *x, uint64_t index, uint64_t term, struct wal_place place);
void wal_index_drop_from(struct wal_index *x, uint64_t index);            /* index > base_index */
void wal_index_drop_to(struct wal_index *x, uint64_t index);              /* index <= the last one */
void wal_index_reset(struct wal_index *x, uint64_t index, uint64_t term); /* empty behind index */
void wal_index_check(const struct wal_index *x);

/* --- wal_segment.c --- */

enum wal_segment_use {
    WAL_SEGMENT_LIVE = 1, /* part of the log; the current one too */
    WAL_SEGMENT_NEXT,     /* prepared, empty */
    WAL_SEGMENT_DOOMED,   /* behind damage: void once the next batch, which says so, is durable */
    WAL_SEGMENT_SPARE     /* not part of the log: to be recycled or removed */
};

struct wal_segment {
    uint64_t life;
    enum wal_segment_use use;
    uint64_t bytes;      /* full size */
    uint64_t zeroed;     /* from the start on allocated, and zero or of an earlier life */
    uint64_t end_sector; /* where its durable batches end */
    bool sealed;         /* takes no more batches: damaged behind its end */
    disk_file file;      /* open in the current and in the next one */
};

static inline uint64_t wal_segment_sectors(const struct wal_segment *s)
{
    return s->bytes / DISK_SECTOR_BYTES;
}

struct wal_segment *wal_segment_find(struct wal *w, uint64_t life);
/* Make room for one more. MS_ENOMEM */
int wal_segment_reserve(struct wal *w);
/* Add one with a life above all others; room was reserved. */
void wal_segment_add(struct wal *w, const struct wal_segment *s);
void wal_segment_forget(struct wal *w, uint64_t life);
uint64_t wal_segment_life(const struct wal *w, uint32_t life32);
/* Sectors that can be written at its end without waiting. The last allocated sector is kept back until
 * the file has its full size: so a file that ends where its data ends was cut by somebody else. */
uint64_t wal_segment_room(const struct wal_segment *s);

/* Paths; out: DISK_PATH_BYTES_MAX. life 0: the name under which a segment is made. */
void wal_path_segment(const struct wal *w, char *out, uint64_t life);
void wal_path_name(const struct wal *w, char *out, const char *name);
bool wal_name_parse(const char *name, uint64_t *life);

/* --- wal_state.c: the state file --- */

struct wal_state_file {
    bool present, trusted; /* trusted: both slots whole, so its newest is what was written last */
    bool known;            /* mark is whole, if perhaps old */
    bool slot_whole[2];
    struct wal_mark mark;
    uint8_t nonce[MS_UUID_BYTES];
    uint64_t member_id;
    uint64_t foreign_id; /* MS_EFOREIGN: whose it is, if it is another member's */
};

/* Blocking. MS_EFOREIGN, MS_EVERSION, MS_EIO, MS_ENOMEM; damage is told in out. */
int wal_state_load(struct wal *w, struct wal_state_file *out);
/* Blocking: make both slots whole again, from the wal's mark. */
int wal_state_repair(struct wal *w, const struct wal_state_file *found);
int wal_state_open(struct wal *w);
void wal_state_submit(struct wal *w);

/* --- the rest --- */

enum wal_phase {
    WAL_IDLE = 1,
    WAL_OPEN,    /* between begin and commit */
    WAL_WAITING, /* committed, and waits for a segment to be prepared */
    WAL_SYNCING  /* handed to the disk */
};

struct wal_batch {
    enum wal_phase phase;
    uint64_t token;
    uint8_t *bytes;  /* ENTRY records from WAL_PREFIX_BYTES on; then, in place, sectors */
    size_t cap, len; /* len: of the records */
    bool reset;
    uint64_t low_index; /* lowest index written in it; 0: none */
    /* The log as it was before. */
    uint64_t before_index, before_term, before_written_term;
    /* Under way. */
    uint64_t life, sector_count, first_life, base_index, last_index;
    bool with_base, log_done, state_done;
};

enum wal_bulk_step {
    WAL_BULK_OPEN = 1,
    WAL_BULK_EMPTY, /* cut what an interrupted attempt left */
    WAL_BULK_HEADER,
    WAL_BULK_FIRST, /* zero the first piece of a new one */
    WAL_BULK_RENAME,
    WAL_BULK_SYNC_DIR,
    WAL_BULK_GIVE_UP_CLOSE, /* out of space: give back what there is of it */
    WAL_BULK_GIVE_UP_REMOVE,
    WAL_BULK_ZERO, /* a piece of the current or the next one */
    WAL_BULK_REMOVE,
    WAL_BULK_REMOVE_SYNC, /* while space is short: given back for good */
    WAL_BULK_CLOSE
};

struct wal_bulk {
    struct disk_op op;
    bool started; /* nothing is done before the first batch: until then an open log is only read */
    bool busy;
    bool lacking;  /* ran out of space; tried again when something may have changed */
    bool is_short; /* likewise, until something has grown again: what the log has told */
    bool thrifty;
    enum wal_bulk_step step;
    uint64_t life;      /* of the segment that is made, zeroed or removed */
    uint64_t from_life; /* recycled from; 0: a new file */
    disk_file file;
    uint64_t size;
    uint8_t *zeros; /* a piece */
    uint8_t *header;
};

struct wal_reader {
    struct disk_op op;
    bool busy;
    enum { WAL_READ_OPEN = 1, WAL_READ_DATA, WAL_READ_CLOSE } step;
    uint64_t first_index, count, life;
    size_t bytes_max;
    disk_file file;
    uint64_t sector, sector_count;
    uint8_t *buf;
    uint64_t token;
    int status;
};

struct wal {
    uint64_t magic;
    struct disk *disk;
    const struct ms_alloc *alloc;
    const struct log_sink *log;
    char dir[DISK_PATH_BYTES_MAX];
    uint64_t member_id, segment_bytes;
    uint32_t prewrite_bytes, spare_segments_max;
    uint8_t nonce[MS_UUID_BYTES];

    struct wal_segment *segments; /* by rising life */
    size_t segment_count, segment_cap;
    uint64_t current_life; /* 0: none: the next one takes the first batch */
    uint64_t next_life;    /* 0: not prepared */
    uint64_t life_max;     /* of all that ever had one, as far as is known */

    struct wal_index index;
    uint64_t durable_index, last_written_term;
    uint64_t next_batch;
    uint64_t recorded_base; /* what the newest BASE or RESET in the log says */

    struct wal_mark mark;         /* the newest state, committed to a batch or about to be */
    struct wal_mark durable_mark; /* the newest that both copies have, or that recovery found */
    uint64_t log_seq;             /* of the newest in the log */
    bool file_behind;             /* the mark has changed since the state file was written */
    disk_file state_file;
    uint8_t slot[WAL_SLOT_BYTES];
    struct disk_op log_op, state_op;

    struct wal_batch batch;
    struct wal_bulk bulk;
    struct wal_reader reader;

    bool durable_pending, ready_pending, read_pending, failed;
    char failed_path[DISK_PATH_BYTES_MAX];
    uint64_t failed_offset;
    uint64_t durable_token;
    struct wal_event read_event;
};

/* An op of this wal on its way. */
void wal_submit(struct wal *w, struct disk_op *op);
/* Do one now. */
int wal_call(struct wal *w, struct disk_op *op);
/* Log and remember that the wal is of no more use. life: of the segment; 0: it is the state file.
 * Returns status, made fatal. */
int wal_fail(struct wal *w, int status, const char *what, uint64_t life, const struct disk_op *op);

/* wal_append.c */
int wal_batch_init(struct wal *w);
int wal_batch_on_disk(struct wal *w, struct disk_op *op);
void wal_batch_try(struct wal *w); /* a waiting batch may be able to go on */

/* wal_bulk.c */
int wal_bulk_init(struct wal *w);
void wal_bulk_kick(struct wal *w); /* start the next job, if there is one and none is under way */
int wal_bulk_on_disk(struct wal *w);
/* Blocking: create a segment of that life and make it durable. */
int wal_bulk_create(struct wal *w, uint64_t life);

/* wal_read.c */
int wal_reader_on_disk(struct wal *w);
/* Copy len bytes of payload from place at on; bytes holds the sectors from sector on, whole ones. */
void wal_gather(const uint8_t *bytes, uint64_t sector, uint64_t at, uint8_t *dst, size_t len);

/* Invariants W1 to W6 of wal.h, as far as memory shows them. */
void wal_check(const struct wal *w);

#endif
