/* limits.h: every hard bound of the system, and the relations between them.
 *
 * Hard limits are constants of the formats: apply never depends on an option (DESIGN 2.9). Options may
 * only start lower, and are checked when proposing. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <assert.h>
#include <stdint.h>

/* The data model. */
#define MS_KEY_BYTES_MAX (64u << 10)
#define MS_VALUE_BYTES_MAX (2u << 20)
#define MS_TXN_BYTES_MAX (4u << 20) /* an encoded command; --max-request-bytes starts at 1.5 MiB */
#define MS_TXN_OPS_MAX 1024u

/* Leases. */
#define MS_LEASE_ID_MAX (UINT64_MAX >> 1)
#define MS_LEASE_TTL_S_MAX UINT64_C(9000000000) /* etcd's */
#define MS_LEASE_TTL_MS_MAX (MS_LEASE_TTL_S_MAX * 1000u)
#define MS_LEASES_MAX (1u << 20) /* at a time */
/* Attached to one: its end deletes them all in one step. The transaction that reaches it is not cut. */
#define MS_LEASE_KEYS_MAX (1u << 16)
#define MS_LEASE_BATCH_MAX 4096u /* renewed, or marked, by one entry */

/* The cluster. */
#define MS_MEMBERS_MAX 32u
#define MS_URL_BYTES_MAX 255u
#define MS_MEMBER_ID_MAX UINT64_C(9999999999999999999) /* 19 digits: a path that is a member */

/* An entry's payload: header, origin and body (format/entry.h). */
#define ENTRY_HEADER_BYTES_MAX 64u
#define ENTRY_PAYLOAD_BYTES_MAX (MS_TXN_BYTES_MAX + ENTRY_HEADER_BYTES_MAX)

/* The at-most-once window of one origin: proposals it may have under way (DESIGN 3, Forwarding). */
#define ORIGIN_WINDOW 4096u

/* The log on disk. */
#define WAL_BODY_BYTES_MAX (MS_TXN_BYTES_MAX + 4096u)
#define WAL_SEGMENT_BYTES_DEFAULT (16u << 20)
#define WAL_SEGMENT_BYTES_LEAST_OPTION (8u << 20) /* of a real member; tests go lower with small entries */
static_assert(WAL_SEGMENT_BYTES_LEAST_OPTION > WAL_BODY_BYTES_MAX + (1u << 20), "any entry fits a segment");
#define WAL_BATCH_BYTES_MAX (2u * WAL_BODY_BYTES_MAX)
static_assert(WAL_BODY_BYTES_MAX >= ENTRY_PAYLOAD_BYTES_MAX, "an entry fits a record");

/* Frames between members. */
#define NET_FRAME_BYTES_MAX (2u * WAL_BODY_BYTES_MAX)
static_assert(NET_FRAME_BYTES_MAX > WAL_BODY_BYTES_MAX + 4096u, "one entry always fits one frame");

/* Snapshots. */
#define SNAP_CHUNK_BYTES_MAX (64u << 10) /* before its codec: to read or load one takes a millisecond */
#define SNAP_CHUNK_BYTES_HARD_MAX (MS_VALUE_BYTES_MAX + MS_KEY_BYTES_MAX + 4096u) /* one record */
static_assert(SNAP_CHUNK_BYTES_HARD_MAX < NET_FRAME_BYTES_MAX, "a chunk fits a frame");
#define SNAP_WINDOW_CHUNKS_MAX 32u /* of one transfer: sent, or ready to be, and not acknowledged */
#define SNAP_WINDOW_BYTES_MAX (2u << 20) /* no more is read beyond it */
#define SNAP_BYTES_PER_S_DEFAULT (UINT64_C(64) << 20) /* half of what a gigabit line carries */
#define SNAP_BYTES_PER_S_MAX (UINT64_C(1) << 40)

#endif
