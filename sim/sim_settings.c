#include "sim/sim_settings.h"

#include <stddef.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_lease.h"
#include "sim/sim_limits.h"

#define RAFT(field) member.node.raft.field
#define NODE(field) member.node.field
#define MEMBER(field) member.field

/* name (as in protocol stories, where they have it), field, calm value, least, most */
#define SETTING_MAP(X)                                                                                 \
    X("clients", client_count, 1, 1, SIM_LEASE_CLIENT_FIRST - 1)                                       \
    X("watches", watch_count, 0, 0, 8)                                                                 \
    X("watch-scan", NODE(watch_scan_max), 0, 0, 65536)                                                 \
    X("watch-bytes", NODE(watch_bytes_max), 0, 0, 1u << 30)                                            \
    X("watch-queue", MEMBER(watch_queue_bytes_max), 65536, 1, 1u << 30)                                \
    X("watch-beat", MEMBER(watch_beat_ms), 15000, 1, 1000000)                                          \
    X("keys", key_count, 8, 1, 64)                                                                     \
    X("value-bytes", value_bytes_max, 32, 13, 65536)                                                   \
    X("limits", limits, SIM_LIMITS_NONE, SIM_LIMITS_NONE, SIM_LIMITS_REQUEST)                           \
    X("client-timeout", client_timeout_ms, 3000, 1, 1000000)                                           \
    X("operator", admin_us, 0, 0, UINT32_MAX)                                                          \
    X("beyond", beyond, 0, 0, 1)                                                                       \
    X("reads", reads, 0, 0, 1)                                                                         \
    X("backups", backups, 0, 0, 1)                                                                     \
    X("range-piece", NODE(range_piece_bytes), 0, 0, 1u << 20)                                          \
    X("tight", tight, 0, 0, 1)                                                                         \
    X("leases", leases, 0, 0, 1)                                                                       \
    X("election", RAFT(election_ms_min), 300, 10, 1000000)                                             \
    X("heartbeat", RAFT(heartbeat_ms), 40, 1, 1000000)                                                 \
    X("stall", RAFT(stall_ms), 0, 0, 1000000)                                                          \
    X("inflight", RAFT(inflight_count_max), 64, 1, 65536)                                              \
    X("inflight-bytes", RAFT(inflight_bytes_max), 1u << 20, 1, 1u << 30)                               \
    X("append-bytes", RAFT(append_bytes_max), 65536, 1, 1u << 30)                                      \
    X("uncommitted-bytes", RAFT(uncommitted_bytes_max), 64u << 20, 1, 1u << 30)                        \
    X("cache-bytes", RAFT(cache_bytes_max), 16u << 20, 0, 1u << 30)                                    \
    X("unapplied-bytes", RAFT(unapplied_bytes_max), 64u << 20, 1, 1u << 30)                            \
    X("request-bytes", NODE(request_bytes_max), 4096, 4096, 1u << 20)                                  \
    X("segment-bytes", NODE(wal_segment_bytes), 1u << 20, 73728, 1u << 30)                             \
    X("prewrite-bytes", NODE(wal_prewrite_bytes), 65536, 4096, 1u << 30)                               \
    X("snapshot-bytes", NODE(snapshot_log_bytes), 1u << 20, 1, 1u << 30)                               \
    X("requests", NODE(requests_max), 16384, 1, 65536)                                                 \
    X("request-time", NODE(request_ms_max), 2000, 1, 1000000)                                          \
    X("revisions", NODE(revisions_kept), 10000, 0, 1u << 30)                                           \
    X("digests", NODE(digest_ms), 0, 0, 1000000)                                                       \
    X("connections", MEMBER(clients_max), 10000, 1, 65536)                                             \
    X("dial-time", MEMBER(dial_ms_max), 1000, 1, 1000000)                                              \
    X("redial-least", MEMBER(redial_ms_min), 20, 1, 1000000)                                           \
    X("redial-most", MEMBER(redial_ms_max), 500, 1, 1000000)                                           \
    X("idle-time", MEMBER(client_idle_ms_max), 30000, 1, 1000000)                                      \
    X("answer-bytes", MEMBER(client_queue_bytes_max), 8u << 20, 4096, 1u << 30)                        \
    X("latency", latency_us, 500, 1, 10000000)                                                         \
    X("jitter", jitter_us, 0, 0, 10000000)                                                             \
    X("client-latency", client_latency_us, 100, 1, 10000000)                                           \
    X("cuts", net.cut_odds, 0, 0, 255)                                                                 \
    X("socket-bytes", net.socket_bytes, 65536, 0, 1u << 30)                                            \
    X("delivery-bytes", net.deliver_bytes_max, 65536, 1, 1u << 24)                                     \
    X("drop-odds", odds.lose, 0, 0, 1000000)                                                           \
    X("delay-odds", odds.delay, 0, 0, 200000)                                                          \
    X("duplicate-odds", odds.duplicate, 0, 0, 200000)                                                  \
    X("replay-odds", odds.replay, 0, 0, 200000)                                                        \
    X("delay-most", odds.delay_us_max, 2000, 1, 10000000)                                              \
    X("write-time", write_us, 50, 1, 10000000)                                                         \
    X("read-time", read_us, 50, 1, 10000000)                                                           \
    X("sync-time", sync_us, 200, 1, 10000000)                                                          \
    X("disk-tails", disk_tail_ppm, 0, 0, 1000000)                                                      \
    X("disk-tail", disk_tail_us, 5000, 1, 10000000)                                                    \
    X("job-time", job_us, 0, 0, 10000000)                                                              \
    X("job-tails", job_tail_ppm, 0, 0, 1000000)                                                        \
    X("job-tail", job_tail_us, 5000, 1, 10000000)                                                      \
    X("turn-time", turn_us, 0, 0, 10000000)                                                            \
    X("chunk-bytes", NODE(snapshot_chunk_bytes), 0, 0, 1u << 20)                                       \
    X("snapshot-rate", NODE(snapshot_bytes_per_s), 0, 0, 1u << 30)                                     \
    X("late", timer_late_us, 100, 1, 10000000)                                                         \
    X("space-low", NODE(space_low_bytes), 0, 0, 1u << 30)                                              \
    X("storage", storage, SIM_STORAGE_MEMORY, SIM_STORAGE_MEMORY, SIM_STORAGE_MIXED)                   \
    X("flush-every", flush_every, 0, 0, 1000000)                                                       \
    X("compact-every", compact_every, 0, 0, 1000)                                                      \
    X("lease-clients", lease_clients, 0, 0, SIM_LEASE_CLIENTS_MAX)                                     \
    X("lease-think", lease_think_us, 200000, 1, 10000000)

struct setting {
    const char *name;
    size_t offset, bytes;
    uint64_t calm, least, most;
};

static const struct setting settings[] = {
#define X(name, field, calm, least, most)                                                              \
    { name, offsetof(struct sim_plan, field), sizeof((struct sim_plan *)0)->field, calm, least, most },
    SETTING_MAP(X)
#undef X
};

#define SETTINGS ((uint32_t)(sizeof settings / sizeof settings[0]))
/* Clocks that run at rates of their own from the beginning are a fault of the plan. */
#define DRIFT SETTINGS

uint32_t sim_setting_count(void)
{
    return SETTINGS + 1;
}

const char *sim_setting_name(uint32_t i)
{
    return i == DRIFT ? "drift" : settings[i].name;
}

uint32_t sim_setting_find(const char *name, size_t len)
{
    for (uint32_t i = 0; i <= DRIFT; i++) {
        const char *n = sim_setting_name(i);
        if (strlen(n) == len && memcmp(n, name, len) == 0) return i;
    }
    return SIM_SETTINGS_NONE;
}

uint64_t sim_setting_get(const struct sim_plan *p, uint32_t i)
{
    const char *at = (const char *)p;
    uint64_t v64;
    uint32_t v32;
    if (i == DRIFT) return p->faults >> SIM_FAULT_DRIFT & 1;
    at += settings[i].offset;
    if (settings[i].bytes == 1) return *(const bool *)at;
    if (settings[i].bytes == 4) return memcpy(&v32, at, 4), v32;
    return memcpy(&v64, at, 8), v64;
}

bool sim_setting_set(struct sim_plan *p, uint32_t i, uint64_t v)
{
    char *at = (char *)p;
    uint32_t v32 = (uint32_t)v;
    if (i == DRIFT) {
        p->faults = v ? p->faults | 1u << SIM_FAULT_DRIFT : p->faults & ~(1u << SIM_FAULT_DRIFT);
        return v <= 1;
    }
    if (v < settings[i].least || v > settings[i].most) return false;
    at += settings[i].offset;
    if (settings[i].bytes == 1) *(bool *)at = v != 0;
    if (settings[i].bytes == 4) memcpy(at, &v32, 4);
    if (settings[i].bytes == 8) memcpy(at, &v, 8);
    return true;
}

void sim_plan_calm(struct sim_plan *p)
{
    *p = (struct sim_plan){ .node_count = 3 };
    member_opts_default(&p->member);
    p->member.key_bytes_max = 256;
    for (uint32_t i = 0; i < SETTINGS; i++) {
        bool good = sim_setting_set(p, i, settings[i].calm);
        MS_ASSERT(good);
    }
    sim_limits_fit(p);
}
