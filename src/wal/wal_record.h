/* wal_record.h: the bytes of the log: records, the stamps of sectors, segment headers, slots of the
 * state file. Encoders and decoders only, no I/O (docs/FORMATS.md, "The log").
 *
 * A decoder trusts nothing: on error neither its input position nor its output has changed. */
#ifndef WAL_WAL_RECORD_H
#define WAL_WAL_RECORD_H

#include "base/bytes.h"
#include "base/limits.h"
#include "env/disk.h"
#include "wal/wal.h"

#define WAL_FORMAT_VERSION 1u
/* Lives, batches and indexes count up from 1 and do not get here: so none of them wraps. */
#define WAL_NUMBER_END (UINT64_C(1) << 63)

/* --- records --- */

enum wal_record_type {
    WAL_RECORD_ENTRY = 1, /* body: an entry's payload */
    WAL_RECORD_STATE = 2, /* body: struct wal_mark */
    WAL_RECORD_BASE = 3,  /* the log begins behind (index, term); body: struct wal_base */
    WAL_RECORD_RESET = 4  /* the same, and whatever stood in the log before is void */
};

struct wal_record {
    uint8_t type;
    uint64_t batch, written_term, term, index;
    struct bytes body; /* borrowed */
};

#define WAL_RECORD_HEADER_BYTES 41u

/* life: of the segment; the checksum covers it, so that a record of an earlier life is none of this. */
void wal_record_encode(struct bytes_writer *out, uint64_t life, const struct wal_record *rec);
/* Decode the record at the reader's position; out->body is borrowed from it. Returns 0 and moves past
 * it; MS_EEND      nothing but zeros is left: the honest end MS_ESHORT    the bytes end inside the
 * record MS_ECORRUPT  the bytes are there and wrong */
int wal_record_decode(struct bytes_reader *in, uint64_t life, struct wal_record *out);
/* Finish a record laid out with wal_record_encode() for batch and life 0. */
void wal_record_seal(uint8_t *record, uint64_t life, uint64_t batch);
static inline size_t wal_record_bytes(size_t body_bytes)
{
    return WAL_RECORD_HEADER_BYTES + body_bytes;
}

/* The state with its number: each change takes the next one, so that of two copies the newer is known.
 */
struct wal_mark {
    uint64_t seq;
    uint64_t life; /* of the segment whose batch brings it: at least up to there the log once reached */
    struct wal_state state;
};

#define WAL_MARK_BYTES 89u
void wal_mark_encode(struct bytes_writer *out, const struct wal_mark *mark);
int wal_mark_decode(struct bytes_reader *in,
                    struct wal_mark *out); /* MS_ESHORT, MS_EVERSION, MS_ECORRUPT */

/* Body of BASE and RESET. The first batch of a segment has one: from there on it can be read alone. */
struct wal_base {
    uint64_t index, term;           /* in the record's header: nothing up to here is needed */
    uint64_t first_life;            /* the oldest segment that holds something needed */
    uint64_t last_index, last_term; /* of the log, before this batch */
    uint64_t last_written_term;
    uint64_t prev_life;   /* first batch of a segment: the one before it, 0: none; else 0 */
    uint64_t prev_sector; /* and where that one ends: what lies behind is void */
};

#define WAL_BASE_BODY_BYTES 48u
void wal_base_encode(struct bytes_writer *out, const struct wal_base *base);
int wal_base_decode(const struct wal_record *rec, struct wal_base *out); /* MS_ECORRUPT */

/* --- sectors --- */

#define WAL_STAMP_BYTES 16u
#define WAL_SECTOR_PAYLOAD (DISK_SECTOR_BYTES - WAL_STAMP_BYTES)
#define WAL_SECTOR_FIRST 1u
#define WAL_SECTOR_LAST 2u

struct wal_stamp {
    uint32_t batch32; /* the low half of the batch number */
    uint16_t used;    /* bytes of payload */
    uint16_t flags;
};

enum wal_sector_kind {
    WAL_SECTOR_BLANK = 1, /* zeros: never written */
    WAL_SECTOR_OLD,       /* whole, of an earlier life of this segment */
    WAL_SECTOR_OURS,      /* whole, of this life */
    WAL_SECTOR_BAD        /* none of these: damaged */
};

/* Stamp the sector whose payload is in place; sector: its number in the segment. */
void wal_sector_seal(uint8_t *bytes, uint64_t sector, uint64_t life, const struct wal_stamp *stamp);
/* stamp: filled for OURS. */
enum wal_sector_kind wal_sector_judge(const uint8_t *bytes, uint64_t sector, uint64_t life,
                                      struct wal_stamp *stamp);
/* Sectors for that many bytes of payload. */
static inline uint64_t wal_sectors_for(size_t payload_bytes)
{
    return (payload_bytes + WAL_SECTOR_PAYLOAD - 1) / WAL_SECTOR_PAYLOAD;
}

/* --- segment headers --- */

#define WAL_HEADER_BYTES 4096u
#define WAL_HEADER_SECTORS (WAL_HEADER_BYTES / DISK_SECTOR_BYTES)
#define WAL_SEGMENT_BYTES_MIN (64u << 10)
#define WAL_SEGMENT_BYTES_MAX (1u << 30) /* so that a place in it fits 32 bits */
/* A segment gets its name when it is at least this long, so a shorter one was cut by something else. */
#define WAL_SEGMENT_BYTES_LEAST 8192u

struct wal_header {
    uint64_t member_id;
    uint8_t nonce[MS_UUID_BYTES];
    uint8_t cluster_uuid[MS_UUID_BYTES]; /* zero: not known yet */
    uint64_t life;
    uint64_t segment_bytes;
};

/* out: WAL_HEADER_BYTES. */
void wal_header_encode(uint8_t *out, const struct wal_header *header);
/* MS_ECORRUPT, MS_EVERSION */
int wal_header_decode(struct bytes in, struct wal_header *out);

/* --- the state file --- */

#define WAL_SLOT_BYTES DISK_SECTOR_BYTES
#define WAL_SLOT_STRIDE 4096u /* each slot in a page of its own */
#define WAL_STATE_FILE_BYTES (2u * WAL_SLOT_STRIDE)

struct wal_slot {
    uint64_t member_id;
    uint8_t nonce[MS_UUID_BYTES];
    struct wal_mark mark;
};

/* out: WAL_SLOT_BYTES. */
void wal_slot_encode(uint8_t *out, const struct wal_slot *slot);
/* MS_ECORRUPT, MS_EVERSION */
int wal_slot_decode(struct bytes in, struct wal_slot *out);

#endif
