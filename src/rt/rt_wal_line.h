/* rt_wal_line.h: a record of the log as a line for people, or as one JSON object.
 *
 * A line is printable ASCII. Keys and URLs stand in it as they stand in an URL: what is not printable
 * ASCII, and % " \ and the blank, as %XX; so a key can be taken from here into a request. */
#ifndef RT_RT_WAL_LINE_H
#define RT_RT_WAL_LINE_H

#include "format/buf.h"
#include "wal/wal_inspect.h"

/* No line is longer: a command of MS_TXN_BYTES_MAX, each byte of its keys as %XX, and its words. */
#define RT_WAL_LINE_BYTES_MAX (32u << 20)

/* Of a line for people; JSON has all of it. */
#define RT_WAL_LINE_OPS_MAX 4u
#define RT_WAL_LINE_KEY_BYTES_MAX 64u

/* Append the line of one record, without a newline; out->failed tells of memory. Returns 0; MS_EVERSION,
 * MS_ECORRUPT: an entry is of an unknown kind or cannot be decoded, and the line says so. */
int rt_wal_line(struct buf *out, const struct wal_seen *seen, bool json);

/* Can the entry be decoded, body and all? 0, MS_EVERSION or MS_ECORRUPT. */
int rt_wal_entry_check(const struct wal_seen *seen);

#endif
