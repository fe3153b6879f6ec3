/* raft_store.c: what has to become durable, one store at a time (etcd-io/raft: asynchronous storage
 * writes). A store is known by its token; if a part of what it holds is superseded while it is under
 * way, that part does not count when it ends. */
#include "raft/raft_private.h"

static bool hard_is_durable(const struct raft *r)
{
    return r->durable_term == r->term && r->durable_vote == r->vote;
}

bool raft_is_clean(const struct raft *r)
{
    return !r->store.under_way && hard_is_durable(r) && r->log.stored_index == r->log.last_index;
}

/* The last of the unstored entries that fit, at least one if there is room for it. */
static uint64_t last_that_fits(const struct raft *r, size_t bytes_max, size_t room_bytes)
{
    uint64_t index = r->log.stored_index, bytes = 0;
    while (index < r->log.last_index) {
        const struct entry_ref *e = raft_log_entry(&r->log, index + 1);
        MS_ASSERT(e != NULL);
        bytes += e->payload_len + RAFT_STORE_AROUND_BYTES;
        if (bytes > room_bytes) break;
        if (index > r->log.stored_index && bytes > bytes_max) break;
        index++;
    }
    return index;
}

bool raft_store_begin(struct raft *r, size_t bytes_max, size_t room_bytes, struct raft_store *out)
{
    MS_ASSERT(r->magic == RAFT_MAGIC);
    bool hard_changed = !hard_is_durable(r);
    if (r->store.under_way) return false;
    r->store.owed_ms = r->now_ms;
    if (!hard_changed && r->log.stored_index == r->log.last_index) return false;
    uint64_t last = last_that_fits(r, bytes_max, room_bytes);
    if (!hard_changed && last == r->log.stored_index) return false;
    r->store = (struct raft_store_way){ .under_way = true,
                                        .token = ++r->next_token,
                                        .term = r->term,
                                        .vote = r->vote,
                                        .last_index = last,
                                        .owed_ms = r->now_ms };
    *out = (struct raft_store){ .token = r->store.token,
                                .hard_changed = hard_changed,
                                .term = r->term,
                                .vote = r->vote,
                                .first_index = r->log.stored_index + 1,
                                .last_index = last };
    return true;
}

void raft_store_superseded(struct raft *r, uint64_t from_index)
{
    if (r->store.last_index >= from_index) r->store.last_index = from_index - 1;
}

int raft_on_stored(struct raft *r, uint64_t token)
{
    uint64_t durable = raft_log_durable(&r->log);
    MS_ASSERT(r->store.under_way && r->store.token == token);
    r->store.under_way = false;
    r->durable_term = r->store.term; /* one that has moved on since is still to be stored (BUGS B52) */
    r->durable_vote = r->store.vote;
    if (r->store.last_index > r->log.stored_index) r->log.stored_index = r->store.last_index;
    raft_log_evict(&r->log, r->applied_index, r->opts.cache_bytes_max);
    if (r->role == RAFT_LEADER)
        raft_commit_advance(r);
    else if (raft_log_durable(&r->log) > durable)
        r->follow.ack_due = true;
    r->store.owed_ms = r->now_ms;
    raft_campaign_stored(r);
    return 0;
}
