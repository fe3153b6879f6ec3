/* raft_room.c: members whose disks are full (DESIGN 5, Running out of space).
 *
 * Who is full says so in each reply, and goes on answering heartbeats, read rounds and votes. It takes
 * entries as long as its log has room that is prepared; before that ends it is *closed*, and its leader
 * leaves the entries to the others for as long as these are a quorum. When they are none the leader takes
 * no proposals; what is in the log by then, and the first entry of a later leader, go to everybody, into
 * what the closed ones have kept for this. */
#include "raft/raft_private.h"

int raft_on_room(struct raft *r, const struct raft_input *in)
{
    bool news = r->full != in->room.full || r->closed != in->room.closed;
    if (news && r->role == RAFT_FOLLOWER && r->leader != 0) r->follow.ack_due = true;
    r->full = in->room.full;
    r->closed = in->room.closed;
    r->room_bytes = in->room.bytes;
    /* Who is full itself gains nothing by another leader; who was until now has yet to tell this one. */
    bool lacks = in->room.lacks && !in->room.full;
    if (lacks != r->lacks) r->lacks_ms = r->now_ms;
    r->lacks = lacks;
    return 0;
}

/* --- a leader's view of all disks; for raft_quorum() --- */

static uint64_t has_room(const struct raft *r, uint64_t id)
{
    const struct raft_peer *p = raft_peer_find(r, id);
    if (id == r->opts.id) return !r->full;
    return p && !p->full && raft_peer_live(r, p);
}

/* Who is so new that it has said nothing yet is given the benefit of the doubt. */
static uint64_t may_have_room(const struct raft *r, uint64_t id)
{
    const struct raft_peer *p = raft_peer_find(r, id);
    if (id == r->opts.id) return !r->full;
    return p && !p->full && raft_peer_recent(r, p);
}

static uint64_t has_room_beside(const struct raft *r, uint64_t id)
{
    return id != r->opts.id && has_room(r, id);
}

bool raft_has_spare_quorum(const struct raft *r)
{
    return raft_quorum(r, &r->log.config, has_room) != 0;
}

bool raft_may_leave_full(const struct raft *r)
{
    return r->full && raft_quorum(r, &r->log.config, has_room_beside) != 0;
}

bool raft_lacks_room(const struct raft *r)
{
    if (r->role != RAFT_LEADER) return false;
    const struct config *c = &r->log.config;
    return raft_quorum(r, c, raft_may_live) != 0 && raft_quorum(r, c, may_have_room) == 0;
}

/* --- the own disk --- */

static uint64_t unstored_bytes(const struct raft *r)
{
    uint64_t bytes = 0;
    for (uint64_t i = r->log.stored_index + 1; i <= r->log.last_index; i++) {
        const struct entry_ref *e = raft_log_entry(&r->log, i);
        MS_ASSERT(e != NULL); /* what is not durable stays in memory */
        bytes += e->payload_len + RAFT_STORE_AROUND_BYTES;
    }
    return bytes;
}

bool raft_has_room_for(const struct raft *r, uint64_t payload_len)
{
    if (r->room_bytes == UINT64_MAX) return true;
    return unstored_bytes(r) + payload_len + RAFT_STORE_AROUND_BYTES <= r->room_bytes;
}

uint32_t raft_room_for(const struct raft *r, const struct raft_msg *m)
{
    uint32_t count = m->append.count, fits = 0;
    if (r->room_bytes == UINT64_MAX || count == 0) return count;
    uint64_t bytes = unstored_bytes(r);
    for (; fits < count; fits++) {
        const struct raft_msg_entry *e = &m->append.entries[fits];
        if (m->append.prev_index + 1 + fits <= r->log.last_index) continue; /* there already, mostly */
        bytes += e->payload.len + RAFT_STORE_AROUND_BYTES;
        if (bytes > r->room_bytes) break;
    }
    return fits;
}
