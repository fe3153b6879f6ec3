/* raft_commit.c: how commit and applied index move, and the two ways in which the log changes at its
 * end. Bytes above the two indexes are counted here and nowhere else. */
#include "raft/raft_private.h"

/* Payload bytes of entries after lo up to hi; all of them are in memory. */
static uint64_t bytes_between(const struct raft *r, uint64_t lo, uint64_t hi)
{
    uint64_t sum = 0;
    for (uint64_t i = lo + 1; i <= hi; i++) {
        const struct entry_ref *e = raft_log_entry(&r->log, i);
        MS_ASSERT(e != NULL); /* what is not applied stays in memory */
        sum += e->payload_len;
    }
    return sum;
}

void raft_commit_to(struct raft *r, uint64_t index)
{
    if (index <= r->commit_index) return;
    MS_ASSERT(index <= r->log.last_index); /* R1 */
    r->uncommitted_bytes -= bytes_between(r, r->commit_index, index);
    r->commit_index = index;
    r->waiting_ms = r->now_ms;
    if (r->role == RAFT_LEADER) raft_peers_committed(r);
}

/* A leader counts itself by its durable index, like everybody else (BUGS B50), and only where it is a
 * voter: raft_quorum() asks for members of the configuration only (diss. 4.2.2, BUGS B65). */
static uint64_t counted_match(const struct raft *r, uint64_t id)
{
    if (id == r->opts.id) return raft_log_durable(&r->log);
    const struct raft_peer *p = raft_peer_find(r, id);
    return p && !p->abstains ? p->counted_match : 0;
}

void raft_commit_advance(struct raft *r)
{
    uint64_t index = raft_quorum(r, &r->log.config, counted_match);
    if (index > r->log.last_index) index = r->log.last_index;
    if (index <= r->commit_index) return;
    /* Never by counting copies of an entry of an older term (Raft, 5.4.2 and figure 8; BUGS B09). */
    if (raft_log_term(&r->log, index) != r->term) return;
    raft_commit_to(r, index);
}

void raft_applied_to(struct raft *r, uint64_t index)
{
    if (index <= r->applied_index) return;
    r->unapplied_bytes -= bytes_between(r, r->applied_index, index);
    r->applied_index = index;
    raft_log_settle(&r->log, index);
    raft_log_evict(&r->log, index, r->opts.cache_bytes_max);
}

/* What is not committed does not count here: it is bounded by the leader's limit, and to refuse it
 * could keep it from ever being committed. */
bool raft_is_far_ahead(const struct raft *r)
{
    return r->unapplied_bytes - r->uncommitted_bytes > r->opts.unapplied_bytes_max;
}

void raft_truncate(struct raft *r, uint64_t from_index)
{
    MS_ASSERT(r->role != RAFT_LEADER);       /* R4 */
    MS_ASSERT(from_index > r->commit_index); /* R5 */
    uint64_t bytes = bytes_between(r, from_index - 1, r->log.last_index);
    uint64_t config_index = r->log.config_index;
    r->uncommitted_bytes -= bytes;
    r->unapplied_bytes -= bytes;
    raft_store_superseded(r, from_index);
    raft_log_truncate(&r->log, from_index);
    if (r->log.config_index != config_index) {
        log_line(r->log_sink, LOG_INFO,
                 "raft: configuration of index %llu is rolled back to that of index %llu, term %llu",
                 (unsigned long long)config_index, (unsigned long long)r->log.config_index,
                 (unsigned long long)r->term);
    }
}

#define CONFIG_TEXT_BYTES 800u /* of a log line; all ids of 19 digits fit */

static void log_config(const struct raft *r)
{
    const struct config *c = &r->log.config;
    char text[CONFIG_TEXT_BYTES];
    config_describe(c, text, sizeof text);
    log_line(r->log_sink, LOG_INFO, "raft: configuration of index %llu in force, term %llu: %s%s",
             (unsigned long long)r->log.config_index, (unsigned long long)r->term, text,
             config_is_joint(c) ? "; joint" : "");
}

int raft_append(struct raft *r, uint64_t term, struct bytes payload, const struct config *config)
{
    int rv = raft_log_append(&r->log, term, payload, config);
    if (rv < 0) return rv;
    if (r->log.last_index == r->commit_index + 1) r->waiting_ms = r->now_ms;
    r->uncommitted_bytes += payload.len;
    r->unapplied_bytes += payload.len;
    if (config) log_config(r);
    return 0;
}
