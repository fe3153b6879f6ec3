/* node_space.c: running out of space (DESIGN 2.11 and 5).
 *
 * The free space below the log and the snapshots is looked at now and then. Below the low-water mark, or
 * when the log could not grow, this member is *full*: raft says so to the leader, and segments that wait to
 * be recycled are given back. It follows in the segments that are prepared, and serves, until these are
 * nearly used up; then it is *closed*, and others keep the entries while they are a quorum. A last part is
 * for term and vote only. Nothing stops: votes, heartbeats and reads need no room that is not there.
 *
 * A leader that has no quorum of members with room says so to the others, so that each of them refuses
 * writes before they are proposed: 507 promises that they never will be applied, and what has once left
 * for the leader is not taken back by anything the leader says (a frame may come twice). Raft hears of it as well:
 * who has room doubts such a leader (raft_doubt.c).
 *
 * All of it ends by itself, once there is space. */
#include <stdio.h>

#include "node/node_private.h"

#define SPACE_POLL_MS 500u
#define SPACE_KEPT_DIVISOR 4u /* of a segment: kept for term and vote */
#define SPACE_CLOSED_DIVISOR                                                                           \
    2u                         /* of a segment: kept for these, and for when the others are no quorum */
#define SPACE_DIRS 2u          /* the log's, the snapshots' */
#define SPACE_AUTO_SEGMENTS 2u /* NODE_SPACE_LOW_AUTO */
#define SPACE_AUTO_DIVISOR 8u
#define SPACE_ABOVE_DIVISOR                                                                            \
    4u /* of the mark: so far above it space has to be before it is enough again */

static const char *dir_of(const struct node *n, uint32_t i)
{
    return i == 0 ? n->log_dir : n->snap_dir;
}

static void poll_dir(struct node *n)
{
    struct node_space *sp = &n->space;
    sp->busy = true;
    sp->op = (struct disk_op){ .kind = DISK_OP_FREE_SPACE, .lane = DISK_LANE_BULK, .owner = n };
    snprintf(sp->op.path, sizeof sp->op.path, "%s", dir_of(n, sp->dir));
    n->disk->ops->submit(n->disk, &sp->op);
}

static uint64_t low_mark(const struct node *n)
{
    uint64_t mark = n->opts.space_low_bytes, segment = n->opts.wal_segment_bytes;
    if (mark != NODE_SPACE_LOW_AUTO) return mark;
    mark = SPACE_AUTO_SEGMENTS * segment;
    if (n->space.total_bytes / SPACE_AUTO_DIVISOR < mark)
        mark = n->space.total_bytes / SPACE_AUTO_DIVISOR;
    return mark > segment ? mark : segment;
}

static bool has_too_little(const struct node *n)
{
    uint64_t mark = low_mark(n);
    if (mark == 0) return false;
    if (n->space.full) mark += mark / SPACE_ABOVE_DIVISOR;
    return wal_is_short(n->wal) || n->space.free_bytes < mark;
}

static void log_change(const struct node *n)
{
    const struct node_space *sp = &n->space;
    if (sp->full)
        log_line(n->log, LOG_WARN,
                 "disk full: %llu bytes are free below %s, and %llu have to be%s: going on in what is "
                 "prepared of the log",
                 (unsigned long long)sp->free_bytes, dir_of(n, sp->least_dir),
                 (unsigned long long)low_mark(n),
                 wal_is_short(n->wal) ? ", and the log could not grow" : "");
    else
        log_line(n->log, LOG_INFO, "disk no longer full: %llu bytes are free",
                 (unsigned long long)sp->free_bytes);
}

static void judge(struct node *n)
{
    struct node_space *sp = &n->space;
    bool full = has_too_little(n);
    if (full == sp->full) return;
    sp->full = full;
    sp->closed = false;
    log_change(n);
    wal_set_thrifty(n->wal, full);
}

static void judge_log(struct node *n)
{
    struct node_space *sp = &n->space;
    bool closed = sp->full && wal_batch_room(n->wal) < n->opts.wal_segment_bytes / SPACE_CLOSED_DIVISOR;
    if (closed == sp->closed) return;
    sp->closed = closed;
    if (closed)
        log_line(
            n->log, LOG_WARN,
            "disk full: what is prepared of the log is nearly used up: entries are left to the others, "
            "and this member falls behind");
}

void node_space_on_disk(struct node *n)
{
    struct node_space *sp = &n->space;
    sp->busy = false;
    uint64_t free_bytes =
        sp->op.status < 0 ? UINT64_MAX : sp->op.size_bytes; /* cannot be told: enough */
    if (sp->dir == 0 && sp->op.status == 0) sp->total_bytes = sp->op.total_bytes;
    if (sp->dir == 0 || free_bytes < sp->seen_bytes) {
        sp->seen_bytes = free_bytes;
        sp->seen_dir = sp->dir;
    }
    if (++sp->dir < SPACE_DIRS) {
        poll_dir(n);
        return;
    }
    sp->dir = 0;
    sp->free_bytes = sp->seen_bytes;
    sp->least_dir = sp->seen_dir;
    if (wal_is_short(n->wal) && sp->free_bytes >= low_mark(n)) wal_retry(n->wal);
    judge(n);
}

/* What raft may take of entries that are not durable yet. */
static uint64_t room_bytes(const struct node *n)
{
    uint64_t kept = n->opts.wal_segment_bytes / SPACE_KEPT_DIVISOR, room = wal_batch_room(n->wal);
    if (!n->space.full) return UINT64_MAX;
    return room > kept ? room - kept : 0;
}

/* --- the cluster's room --- */

bool node_space_is_lacking(const struct node *n)
{
    const struct node_space *sp = &n->space;
    if (node_is_leader(n)) return raft_lacks_room(n->raft);
    return sp->heard_term == raft_term(n->raft) && raft_leader(n->raft) != 0 && sp->lacks &&
           n->now_ms < sp->lacks_until_ms;
}

bool node_space_is_closed(const struct node *n)
{
    return n->space.closed && !node_is_leader(n);
}

static void tell(struct node *n, bool lacks)
{
    const struct config *c = node_config(n);
    struct node_room m = { .term = raft_term(n->raft), .number = ++n->space.number, .lacks = lacks };
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].id == n->opts.id) continue;
        buf_clear(&n->frame);
        node_room_encode(&n->frame, &m);
        node_send_frame(n, c->members[i].id, NODE_FRAME_ROOM);
    }
}

/* What is said holds for an election timeout: a leader that is gone says nothing more. */
void node_on_room(struct node *n, uint64_t from, struct bytes body)
{
    struct node_space *sp = &n->space;
    struct node_room m;
    if (node_room_decode(body, &m) < 0) return;
    if (m.term != raft_term(n->raft) || from != raft_leader(n->raft) || from == n->opts.id) return;
    if (m.term == sp->heard_term && m.number <= sp->heard_number) return; /* it came late, or twice */
    sp->heard_term = m.term;
    sp->heard_number = m.number;
    sp->lacks = m.lacks;
    sp->lacks_until_ms = n->now_ms + n->opts.raft.election_ms_min;
}

static void notice_cluster(struct node *n)
{
    struct node_space *sp = &n->space;
    bool lacks = node_space_is_lacking(n);
    if (node_is_leader(n) && (lacks || sp->told)) {
        tell(n, lacks);
        sp->told = lacks;
    }
    if (lacks == sp->logged) return;
    sp->logged = lacks;
    if (lacks)
        log_line(
            n->log, LOG_WARN,
            "no quorum of the members has room on its disks: writes are refused (507) until one has");
    else
        log_line(n->log, LOG_INFO, "writes are no longer refused for lack of room on disks");
}

/* --- time --- */

void node_space_init(struct node *n)
{
    n->space.free_bytes = n->space.total_bytes = UINT64_MAX;
    n->space.room_bytes = UINT64_MAX;
}

void node_space_tick(struct node *n)
{
    struct node_space *sp = &n->space;
    notice_cluster(n);
    if (n->opts.space_low_bytes == 0 || sp->busy || sp->poll_ms > n->now_ms || n->shutting_down) return;
    sp->poll_ms = n->now_ms + SPACE_POLL_MS;
    poll_dir(n);
}

void node_space_pump(struct node *n)
{
    struct node_space *sp = &n->space;
    judge(n);
    judge_log(n);
    uint64_t room = room_bytes(n);
    bool lacks = !node_is_leader(n) && node_space_is_lacking(n);
    bool same = sp->told_full == sp->full && sp->told_closed == sp->closed && sp->told_lacks == lacks;
    if (same && sp->room_bytes == room) return;
    sp->told_full = sp->full;
    sp->told_closed = sp->closed;
    sp->told_lacks = lacks;
    sp->room_bytes = room;
    struct raft_input in = { .kind = RAFT_INPUT_ROOM };
    in.room.full = sp->full;
    in.room.closed = sp->closed;
    in.room.bytes = room;
    in.room.lacks = lacks;
    node_step(n, &in);
}
