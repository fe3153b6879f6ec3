/* wal.h: the replicated log on disk, a directory of segments, plus the state file (layout:
 * docs/FORMATS.md). Sans-IO over env/disk.h: opening blocks, everything later is submitted.
 *
 * Invariants, asserted by number in wal_check():
 *   W1  indexes in the log are consecutive; a record at or below last_index supersedes the suffix from
 *       there on, in the batch that appends it; the writer's term never falls along the log
 *       (docs/decisions/0001: it is the writer's term that rises, not the entry's)
 *   W2  terms of entries never fall as indexes rise
 *   W3  durable_index <= last_index; it falls only by W1
 *   W4  what is at or below durable_index survives power loss
 *   W5  at most one batch is unsynced; a batch begins at a sector of its own, so that no sector that
 *       was acknowledged is ever written again in this life of its segment, but by recovery, which
 *       writes the last batch once more as it found it
 *   W6  term and vote are durable when both copies are: the log's record and the state file
 * Owns its segment handles and buffers. Borrows the disk, which outlives it. */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include "base/bytes.h"
#include "env/alloc.h"
#include "env/disk.h"
#include "env/log.h"
#include "format/entry.h"

struct wal; /* opaque; wal_private.h */

/* What a member has to remember beside the log. One record type and the state file hold all of it. */
enum wal_flag {
    WAL_FLAG_GATE_PASSED = 1, /* DESIGN 4: may vote without having been attached */
    WAL_FLAG_REMOVED = 2,     /* removed from its cluster: exits at each start */
    WAL_FLAG_DAMAGED = 4,     /* acknowledged data was found damaged; abstains until repaired */
    WAL_FLAG_ATTACHED = 8,    /* its own attach entry was committed: this directory may vote */
    WAL_FLAG_GATE_CLOSED =
        16, /* it found its cluster running: it founds nothing, whoever is fresh later */
    WAL_FLAG_STATE_WRONG =
        32 /* its state is not what a majority has: the next start leaves it, and builds it anew */
};

struct wal_state {
    uint64_t term, vote;
    uint64_t incarnation;                   /* +1 at each start */
    uint64_t snapshot_index, snapshot_term; /* a snapshot at least this new exists, or existed */
    uint64_t flags;
    uint64_t
        added_index; /* of the entry that added the member that this directory is; 0: not known yet */
    uint8_t cluster_uuid[MS_UUID_BYTES]; /* zero: not known yet */
};

struct wal_opts {
    const char *dir; /* exists; locked by the caller */
    uint64_t member_id;
    uint8_t nonce[MS_UUID_BYTES]; /* random; used if the directory is new, else the one found counts */
    uint64_t segment_bytes;       /* a multiple of 4096, at least 64 KiB; a batch has to fit */
    uint32_t prewrite_bytes;      /* size of a piece zeroed ahead in the background */
    uint32_t spare_segments_max;  /* kept for recycling */
};

/* What recovery found; WAL_FOUND_* says what, where and what it means, and is logged too. */
enum wal_found {
    WAL_FOUND_NEW = 1, /* the directory was empty */
    WAL_FOUND_CLEAN,   /* every batch whole */
    WAL_FOUND_TORN,    /* the last batch was torn, never acknowledged, and is cut */
    WAL_FOUND_DAMAGED  /* acknowledged data is damaged; the log up to it is given, flags say it */
};

struct wal_recovery {
    enum wal_found found;
    struct wal_state state;
    bool state_lost; /* both copies of the state were damaged: abstain */
    uint8_t nonce[MS_UUID_BYTES];
    uint64_t first_index,
        last_index;                 /* of the log; first > last: empty, and first is where it goes on */
    uint64_t base_index, base_term; /* the log begins behind it (a snapshot's), 0, 0 from the start */
    char detail[DISK_PATH_BYTES_MAX +
                160]; /* TORN, DAMAGED: file, offset, what; MS_EFOREIGN: whose it is */
};

/* Called for each live entry in order of index once recovery knows which records survive; *found is
 * complete before the first call. */
typedef int (*wal_entry_cb)(void *arg, uint64_t index, uint64_t term, struct bytes payload);

/* Open or create the log. MS_EFOREIGN (another member's), MS_EVERSION, MS_EIO, MS_ENOMEM, MS_ENOSPC;
 * what is damaged is no error here but said in *found. The state file is rewritten from the log, or the
 * other way round, when one of them is behind or damaged. */
int wal_open(struct wal **out, const struct wal_opts *opts, struct disk *disk,
             const struct ms_alloc *alloc, const struct log_sink *log, struct wal_recovery *found,
             wal_entry_cb cb, void *arg);
/* Blocking, does not wait for what is under way: the caller has seen to that, or the process ends. */
void wal_close(struct wal *w);

/* A batch: all between begin and commit becomes durable as one. Only while wal_ready(). wal_batch_entry
 * fails with MS_ETOOBIG when the batch would not fit a segment: commit what there is, and go on in the
 * next one. A batch with nothing in it is durable at once. What goes beyond the room prepared waits for
 * it. */
bool wal_ready(const struct wal *w); /* no batch under way, and a segment has room */
/* What one batch holds: payloads, and WAL_ENTRY_OVERHEAD for each. */
#define WAL_ENTRY_OVERHEAD 41u
size_t wal_batch_bytes_max(const struct wal *w);
/* What one batch may hold now without waiting for room to be prepared. */
size_t wal_batch_room(const struct wal *w);
void wal_batch_begin(struct wal *w);
void wal_batch_state(struct wal *w, const struct wal_state *state);
/* written_term: the writer's term now. index is at most last_index + 1. */
int wal_batch_entry(struct wal *w, uint64_t written_term, uint64_t index, uint64_t term,
                    struct bytes payload);
/* The log begins anew behind (index, term), which a durable snapshot covers. Entries that this batch
 * had so far are dropped, too. */
void wal_batch_reset(struct wal *w, uint64_t index, uint64_t term);
void wal_batch_commit(struct wal *w, uint64_t token);

/* Entries up to index (if durable) are covered by a durable snapshot or checkpoint, and can no longer
 * be read: segments that hold nothing else are recycled or removed, in the background, once the next
 * batch has made the cut durable. */
void wal_cut(struct wal *w, uint64_t index);
/* A cut waits for that batch, which may have nothing else in it. */
bool wal_cut_waits(const struct wal *w);
/* Space may have become free: whatever stopped for lack of it is tried again. Call it now and then; an
 * ended batch and a cut do the same. */
void wal_retry(struct wal *w);
/* The last attempt to grow met a full disk, and none has succeeded since. */
bool wal_is_short(const struct wal *w);
/* While space is short: segments that could be recycled are given back, but for one. */
void wal_set_thrifty(struct wal *w, bool thrifty);

/* Read entries first to at most last, at most bytes_max of payloads (at least one entry), from disk.
 * One read at a time: MS_EBUSY. The result is an event. The caller sees to it that they are durable. */
int wal_read(struct wal *w, uint64_t first_index, uint64_t last_index, size_t bytes_max,
             uint64_t token);

/* Every completion whose op->owner is the wal is handed in here. Returns 0, or an error at or below
 * MS_EFATAL: the member stops (D5). */
int wal_on_disk(struct wal *w, struct disk_op *op);
/* Behind such an error: the file, borrowed, and where in it; NULL before. */
const char *wal_failure(const struct wal *w, uint64_t *offset);

enum wal_event_kind {
    WAL_EVENT_DURABLE = 1, /* token: of the batch */
    WAL_EVENT_READ,        /* token, status, entries, count: references are given to the taker */
    WAL_EVENT_READY        /* wal_ready() has become true without a batch having ended */
};
#define WAL_READ_ENTRIES_MAX 1024u
struct wal_event {
    enum wal_event_kind kind;
    uint64_t token;
    int status;
    struct entry_ref *entries[WAL_READ_ENTRIES_MAX];
    uint32_t count;
};
/* Take the next event, if any. */
bool wal_next_event(struct wal *w, struct wal_event *out);

uint64_t wal_last_index(const struct wal *w);
uint64_t wal_durable_index(const struct wal *w);
uint32_t wal_segments(const struct wal *w);    /* files, spare ones too */
uint64_t wal_disk_bytes(const struct wal *w);  /* of all segments, spare ones too */
uint64_t wal_live_bytes(const struct wal *w);  /* records behind the last cut */
const uint8_t *wal_nonce(const struct wal *w); /* of the data directory */
/* The state last committed to a batch, and the state that is durable. */
const struct wal_state *wal_state(const struct wal *w);
const struct wal_state *wal_durable_state(const struct wal *w);
bool wal_quiet(const struct wal *w); /* nothing under way at all: may be closed */

#endif
