/* member_metrics.c: GET /metrics, in Prometheus' text format. docs/METRICS.md describes each family, and a test
 * holds the two to each other. Numbers of this member alone, taken without asking anybody. */
#include <stdio.h>

#include "member/member_private.h"

#define LABELS_BYTES 96u

/* --- requests --- */

static void put_request_counts(const struct measure *s, struct buf *out)
{
    static const char name[] = "metastore_http_requests_total";
    char labels[LABELS_BYTES];
    metrics_family(out, name, METRICS_COUNTER,
                   "Requests that were answered, by what they were and the answer's status.");
    for (unsigned class = 0; class < MEASURE_CLASSES; class ++) {
        for (unsigned at = 0; at < MEASURE_STATUSES; at++) {
            uint64_t count = s->requests[class].by_status[at];
            if (count == 0) continue;
            snprintf(labels, sizeof labels, "route=\"%s\",code=\"%d\"",
                     measure_class_name((enum measure_class) class), s->statuses[at]);
            metrics_sample(out, name, labels, count);
        }
    }
}

static void put_request_times(const struct measure *s, struct buf *out)
{
    static const char name[] = "metastore_http_request_duration_seconds";
    char labels[LABELS_BYTES];
    metrics_family(out, name, METRICS_HISTOGRAM,
                   "Time from a whole request to its answer, or to a stream's beginning.");
    for (unsigned class = 0; class < MEASURE_CLASSES; class ++) {
        if (s->requests[class].took.count == 0) continue;
        snprintf(labels, sizeof labels, "route=\"%s\"", measure_class_name((enum measure_class) class));
        metrics_sample_histogram(out, name, labels, &s->requests[class].took);
    }
}

static void put_clients(const struct member *m, struct buf *out)
{
    const struct measure *s = &m->measure;
    metrics_gauge(out, "metastore_http_requests_in_flight", s->in_flight,
                  "Requests that are not answered yet.");
    metrics_gauge(out, "metastore_http_connections", m->slots.count, "Connections of clients.");
    metrics_gauge(out, "metastore_http_connections_max", m->opts.clients_max,
                  "How many connections of clients there may be.");
    metrics_counter(out, "metastore_http_connections_accepted_total", s->clients_accepted,
                    "Connections of clients that were accepted.");
    metrics_counter(out, "metastore_http_connections_refused_total", m->counters.clients_refused,
                    "Connections of clients that were refused because there were too many.");
    metrics_counter(
        out, "metastore_http_connections_cut_total", s->clients_cut,
        "Connections that were cut because the client did not read, or did not finish a request.");
    metrics_gauge(out, "metastore_http_held_bytes", m->clients_bytes,
                  "Bytes held for clients: requests that are not whole, answers that are not read.");
    metrics_gauge(out, "metastore_http_held_bytes_max", m->opts.clients_bytes_max,
                  "Above so many, clients that hold much are cut off.");
    metrics_counter(out, "metastore_http_received_bytes_total", s->received_bytes,
                    "Bytes from clients.");
    metrics_counter(out, "metastore_http_sent_bytes_total", s->sent_bytes, "Bytes to clients.");
}

/* --- peers --- */

static void put_peer_sample(struct buf *out, const char *name, uint64_t peer_id, uint64_t value)
{
    char labels[LABELS_BYTES];
    snprintf(labels, sizeof labels, "peer=\"%llu\"", (unsigned long long)peer_id);
    metrics_sample(out, name, labels, value);
}

static void put_lags(const struct member *m, const struct config *c, struct buf *out)
{
    static const char name[] = "metastore_raft_peer_lag_entries";
    uint64_t lag;
    metrics_family(out, name, METRICS_GAUGE,
                   "On the leader: entries that a peer's log is not known to hold.");
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (node_peer_lag(m->node, c->members[i].id, &lag))
            put_peer_sample(out, name, c->members[i].id, lag);
    }
}

static void put_links(const struct member *m, struct buf *out)
{
    static const char name[] = "metastore_peer_link_up";
    metrics_family(out, name, METRICS_GAUGE, "Whether this member's connection to a peer is up.");
    for (uint32_t i = 0; i < m->link_count; i++)
        put_peer_sample(out, name, m->links[i]->peer_id, m->links[i]->state == LINK_UP);
    const struct measure *s = &m->measure;
    metrics_counter(out, "metastore_peer_sent_bytes_total", s->peer_sent_bytes, "Bytes to peers.");
    metrics_counter(out, "metastore_peer_received_bytes_total", s->peer_received_bytes,
                    "Bytes from peers.");
    metrics_counter(out, "metastore_peer_frames_dropped_total", m->counters.frames_dropped,
                    "Frames that were not sent: no connection, or its queue was full.");
    metrics_counter(out, "metastore_peer_frames_corrupt_total", m->counters.frames_corrupt,
                    "Frames that did not pass their checks.");
    metrics_counter(out, "metastore_peer_hellos_refused_total", m->counters.hellos_refused,
                    "Connections to the peers' port that were no peer's.");
}

/* --- raft --- */

static void put_role(const struct node_status *s, struct buf *out)
{
    static const char name[] = "metastore_raft_role";
    char labels[LABELS_BYTES];
    snprintf(labels, sizeof labels, "role=\"%s\"", s->learner ? "learner" : raft_role_name(s->role));
    metrics_family(out, name, METRICS_GAUGE, "1, with the role this member has.");
    metrics_sample(out, name, labels, 1);
    metrics_gauge(out, "metastore_raft_is_leader", s->role == RAFT_LEADER,
                  "Whether this member leads.");
    metrics_gauge(out, "metastore_raft_has_leader", s->leader != 0, "Whether it knows a leader.");
    metrics_gauge(out, "metastore_raft_abstains", s->abstains,
                  "Whether its votes and acks do not count.");
}

static void put_raft(const struct node_status *s, const struct node_counters *n, struct buf *out)
{
    put_role(s, out);
    metrics_gauge(out, "metastore_raft_term", s->term, "The term this member is in.");
    metrics_counter(out, "metastore_raft_leader_changes_total", n->leader_changes,
                    "Terms in which it has seen a leader.");
    metrics_gauge(out, "metastore_raft_commit_index", s->commit_index,
                  "The last entry known to be committed.");
    metrics_gauge(out, "metastore_raft_applied_index", s->applied_index, "The last entry applied.");
    metrics_gauge(out, "metastore_raft_last_index", s->last_index, "The last entry of its log.");
    metrics_gauge(out, "metastore_raft_durable_index", s->durable_index,
                  "The last entry that survives power loss here.");
    metrics_gauge(out, "metastore_raft_snapshot_index", s->snapshot_index,
                  "What its last snapshot holds.");
    metrics_counter(out, "metastore_proposals_total", n->proposals,
                    "Writes and changes its clients asked for.");
    metrics_counter(out, "metastore_proposals_failed_total", n->proposals_failed,
                    "Writes and changes that ended with an error, or without a known outcome.");
    metrics_gauge(out, "metastore_proposals_pending", n->proposals_pending,
                  "Writes and changes that have not ended yet.");
    metrics_counter(out, "metastore_reads_total", n->reads, "Reads its clients asked for.");
    metrics_gauge(out, "metastore_reads_pending", n->reads_pending, "Reads that have not ended yet.");
    metrics_counter(out, "metastore_raft_stall_transfers_total", s->stall_transfers,
                    "Leaderships given away because the own log stalled.");
    metrics_counter(out, "metastore_raft_space_transfers_total", s->space_transfers,
                    "Leaderships given away because the own disk was full.");
}

/* --- store and disk --- */

static void put_store(const struct node_status *s, const struct node_counters *n, struct buf *out)
{
    metrics_gauge(out, "metastore_store_revision", s->revision, "The store's revision.");
    metrics_gauge(out, "metastore_store_compacted_revision", s->compacted_revision,
                  "Up to where history is compacted.");
    metrics_gauge(out, "metastore_store_keys", s->key_count, "Keys in the store.");
    metrics_counter(out, "metastore_snapshots_taken_total", n->snapshots_taken, "Snapshots stored.");
    metrics_counter(out, "metastore_snapshots_sent_total", n->snapshots_sent,
                    "Snapshots sent to peers.");
    metrics_counter(out, "metastore_snapshots_received_total", n->snapshots_received,
                    "Snapshots received and installed.");
    metrics_gauge(out, "metastore_wal_bytes", s->log_bytes, "Disk space of the log's files.");
    metrics_gauge(out, "metastore_wal_segments", n->log_segments, "Files of the log, spare ones too.");
    metrics_gauge(out, "metastore_disk_full", s->disk_full,
                  "Whether there is too little room for entries.");
    metrics_gauge(out, "metastore_disk_stalled", s->disk_stalled,
                  "Whether the log does not answer now.");
    metrics_gauge(out, "metastore_quorum_full", s->quorum_full,
                  "Whether writes are refused for lack of room.");
    metrics_family(out, "metastore_disk_free_bytes", METRICS_GAUGE,
                   "Free space of the member's disk, once it is known.");
    if (s->disk_free_bytes != UINT64_MAX)
        metrics_sample(out, "metastore_disk_free_bytes", "", s->disk_free_bytes);
}

static void put_watches(const struct member *m, const struct node_status *s, struct buf *out)
{
    const struct node_watch_stats *w = &s->watch;
    metrics_gauge(out, "metastore_watches", w->watchers, "Watches there are.");
    metrics_gauge(out, "metastore_watches_behind", w->behind,
                  "Watches that catch up, from the history.");
    metrics_gauge(out, "metastore_watches_paused", w->paused,
                  "Watches whose client does not read fast enough.");
    metrics_gauge(out, "metastore_watch_queued_bytes", m->watch_bytes,
                  "Bytes of events that wait for clients.");
    metrics_counter(out, "metastore_watch_events_total", w->events,
                    "Events that were told to watches.");
    metrics_counter(out, "metastore_watches_compacted_total", w->overtaken,
                    "Watches that ended because what they had not been told was compacted.");
    metrics_gauge(out, "metastore_leases", s->lease_count, "Leases that are alive.");
}

static void put_measured(const struct member_measured *p, struct buf *out)
{
    static const char cpu[] = "process_cpu_seconds_total",
                      wal[] = "metastore_wal_write_duration_seconds";
    metrics_family(out, wal, METRICS_HISTOGRAM, "Time to write and sync a batch of the log.");
    metrics_sample_histogram(out, wal, "", &p->log_write);
    metrics_counter(out, "metastore_wal_written_bytes_total", p->log_written_bytes,
                    "Bytes of the batches of the log.");
    metrics_gauge(out, "metastore_engine_bytes", p->engine.content_bytes,
                  "About how large the state is in its engine.");
    metrics_gauge(out, "metastore_engine_file_bytes", p->engine.file_bytes,
                  "RocksDB: its tables on disk. 0 in memory.");
    metrics_gauge(out, "metastore_engine_cache_bytes", p->engine.cache_bytes,
                  "RocksDB: its block cache. 0 in memory.");
    metrics_gauge(out, "metastore_engine_buffer_bytes", p->engine.buffer_bytes,
                  "RocksDB: what is not flushed to tables yet. 0 in memory.");
    metrics_family(out, cpu, METRICS_COUNTER, "User and system CPU time of the process.");
    metrics_sample_us(out, cpu, "", p->cpu_us);
    metrics_gauge(out, "process_resident_memory_bytes", p->resident_bytes, "Memory of the process.");
    metrics_gauge(out, "process_open_fds", p->open_files, "Files and sockets the process has open.");
    metrics_gauge(out, "process_max_fds", p->files_max,
                  "How many files and sockets the process may have open.");
    metrics_gauge(out, "process_start_time_seconds", p->started_s,
                  "When the member was started, in Unix time.");
}

static void put_build(const struct member *m, const struct node_status *s, struct buf *out)
{
    static const char name[] = "metastore_build_info";
    char labels[2 * LABELS_BYTES];
    snprintf(labels, sizeof labels, "version=\"%s\",commit=\"%s\",storage=\"%s\"", m->opts.version,
             m->opts.commit, storage_name(s->storage));
    metrics_family(out, name, METRICS_GAUGE, "1, with what this is.");
    metrics_sample(out, name, labels, 1);
}

void metrics_text(struct member *m, struct buf *out)
{
    struct node_status s;
    struct node_counters n;
    struct member_measured p = { 0 };
    node_status(m->node, &s);
    node_counters(m->node, &n);
    put_build(m, &s, out);
    put_request_counts(&m->measure, out);
    put_request_times(&m->measure, out);
    put_clients(m, out);
    put_raft(&s, &n, out);
    put_lags(m, &s.config, out);
    put_links(m, out);
    put_store(&s, &n, out);
    put_watches(m, &s, out);
    if (!m->env.host.measure) return;
    m->env.host.measure(m->env.host.ctx, &p);
    put_measured(&p, out);
}
