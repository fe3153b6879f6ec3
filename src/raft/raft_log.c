/* raft_log.c: the log as consensus sees it: entries that are in memory, terms of all, configurations.
 *
 *   L1  runs tile base_index + 1 to last_index; their terms rise
 *   L2  the ring holds ring_first to last_index, consecutively; ring_first <= last_index + 1
 *   L3  config is the newest configuration in the log, else settled (R6); config_at lists the indexes
 *       of those above settled_index, all of which are in memory, so that each can be decoded again
 *   L4  stored_index <= last_index; covered_index <= last_index */
#include "raft/raft_private.h"

#define RING_AT_FIRST 64u

int raft_log_init(struct raft_log *l, const struct ms_alloc *alloc, const struct raft_start *start)
{
    *l = (struct raft_log){ .alloc = alloc };
    l->base_index = l->last_index = l->stored_index = l->covered_index = start->snapshot_index;
    l->base_term = start->snapshot_term;
    l->ring_first = l->last_index + 1;
    if (start->config) l->config = l->settled = *start->config;
    l->config_index = l->settled_index = start->config_index;
    l->ring = ms_alloc_zeroed(alloc, RING_AT_FIRST * sizeof *l->ring);
    if (!l->ring) return MS_ENOMEM;
    l->ring_cap = RING_AT_FIRST;
    return 0;
}

static struct entry_ref **slot_of(const struct raft_log *l, uint64_t index)
{
    return &l->ring[index & (l->ring_cap - 1)];
}

static uint64_t cost_of(const struct entry_ref *e)
{
    return sizeof *e + e->payload_len;
}

static void drop_entry(struct raft_log *l, uint64_t index)
{
    struct entry_ref **slot = slot_of(l, index);
    l->ring_bytes -= cost_of(*slot);
    entry_ref_drop(l->alloc, *slot);
    *slot = NULL;
}

static void drop_all(struct raft_log *l)
{
    for (uint64_t i = l->ring_first; i <= l->last_index; i++) drop_entry(l, i);
    l->ring_first = l->last_index + 1;
}

void raft_log_fini(struct raft_log *l)
{
    if (l->ring) drop_all(l);
    ms_free(l->alloc, l->ring);
    ms_free(l->alloc, l->runs);
    ms_free(l->alloc, l->config_at);
    *l = (struct raft_log){ .alloc = l->alloc };
}

/* The position of the run that covers index, which lies in the log. */
static uint32_t run_of(const struct raft_log *l, uint64_t index)
{
    uint32_t lo = 0, hi = l->run_count;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->runs[mid].first_index <= index)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

uint64_t raft_log_term(const struct raft_log *l, uint64_t index)
{
    if (index == l->base_index) return l->base_term;
    if (index < l->base_index || index > l->last_index) return 0;
    return l->runs[run_of(l, index)].term;
}

struct entry_ref *raft_log_entry(const struct raft_log *l, uint64_t index)
{
    if (index < l->ring_first || index > l->last_index) return NULL;
    return *slot_of(l, index);
}

/* What a snapshot covers is durable, also where the store has not got to it. */
uint64_t raft_log_durable(const struct raft_log *l)
{
    return l->stored_index > l->covered_index ? l->stored_index : l->covered_index;
}

uint64_t raft_log_find_term(const struct raft_log *l, uint64_t index, uint64_t term)
{
    if (index > l->last_index) index = l->last_index;
    while (index > l->base_index) {
        const struct raft_term_run *run = &l->runs[run_of(l, index)];
        if (run->term <= term) return index;
        index = run->first_index - 1;
    }
    return l->base_index;
}

/* Room for one more element of size bytes behind count. */
static bool grow(const struct ms_alloc *alloc, void **array, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap) return true;
    uint32_t more = *cap ? *cap * 2 : 8;
    void *moved = ms_resize(alloc, *array, more * size);
    if (!moved) return false;
    *array = moved;
    *cap = more;
    return true;
}

static bool ring_grow(struct raft_log *l)
{
    if (l->last_index + 1 - l->ring_first < l->ring_cap) return true;
    uint64_t cap = l->ring_cap * 2;
    struct entry_ref **ring = ms_alloc_zeroed(l->alloc, cap * sizeof *ring);
    if (!ring) return false;
    for (uint64_t i = l->ring_first; i <= l->last_index; i++) ring[i & (cap - 1)] = *slot_of(l, i);
    ms_free(l->alloc, l->ring);
    l->ring = ring;
    l->ring_cap = cap;
    return true;
}

/* Free the slots before config_first once they are half of the array. */
static void config_at_pack(struct raft_log *l)
{
    if (l->config_first == 0 || l->config_first < l->config_end / 2) return;
    l->config_end -= l->config_first;
    memmove(l->config_at, l->config_at + l->config_first, l->config_end * sizeof *l->config_at);
    l->config_first = 0;
}

int raft_log_append(struct raft_log *l, uint64_t term, struct bytes payload,
                    const struct config *config)
{
    uint64_t index = l->last_index + 1;
    bool same_run = l->run_count > 0 && l->runs[l->run_count - 1].term == term;
    MS_ASSERT(term >= raft_log_term(l, l->last_index)); /* R8 */
    if (!ring_grow(l)) return MS_ENOMEM;
    if (!grow(l->alloc, (void **)&l->runs, l->run_count, &l->run_cap, sizeof *l->runs))
        return MS_ENOMEM;
    if (config) {
        config_at_pack(l);
        void **array = (void **)&l->config_at;
        if (!grow(l->alloc, array, l->config_end, &l->config_cap, sizeof *l->config_at))
            return MS_ENOMEM;
    }
    struct entry_ref *e = entry_ref_create(l->alloc, index, term, payload);
    if (!e) return MS_ENOMEM;
    if (!same_run) l->runs[l->run_count++] = (struct raft_term_run){ index, term };
    l->last_index = index;
    *slot_of(l, index) = e;
    l->ring_bytes += cost_of(e);
    if (config) { /* in force from now on (diss. 4.1) */
        l->config = *config;
        l->config_index = index;
        l->config_at[l->config_end++] = index;
    }
    return 0;
}

int raft_log_config_of(struct bytes payload, uint64_t index, struct config *out)
{
    struct entry e;
    int rv = entry_decode(payload, &e);
    if (rv == MS_EVERSION) return MS_EUNSUPPORTED;
    if (rv < 0 || e.kind == ENTRY_CHANGE_REQUEST) return MS_EPROTO;
    if (e.kind != ENTRY_CONFIG && e.kind != ENTRY_INIT) return 0;
    struct bytes_reader in = bytes_reader_of(e.body);
    struct bytes uuid;
    if (e.kind == ENTRY_INIT && !bytes_read_span(&in, MS_UUID_BYTES, &uuid)) return MS_EPROTO;
    rv = config_decode(&in, out);
    if (rv == MS_EVERSION) return MS_EUNSUPPORTED;
    if (rv < 0 || bytes_reader_left(&in) != 0) return MS_EPROTO;
    config_resolve(out, index);
    return 1;
}

/* Decode the configuration at index, which was checked when it was appended. */
static void config_again(const struct raft_log *l, uint64_t index, struct config *out)
{
    struct entry_ref *e = raft_log_entry(l, index);
    MS_ASSERT(e != NULL);
    int rv = raft_log_config_of(entry_ref_payload(e), index, out);
    MS_ASSERT(rv == 1);
}

bool raft_log_was_voter(const struct raft_log *l, uint64_t id)
{
    struct config c;
    for (uint32_t i = l->config_first; i + 1 < l->config_end; i++) {
        config_again(l, l->config_at[i], &c);
        if (config_is_voter(&c, id)) return true;
    }
    return config_is_voter(&l->settled, id);
}

void raft_log_truncate(struct raft_log *l, uint64_t from_index)
{
    MS_ASSERT(from_index > l->base_index && from_index <= l->last_index);
    MS_ASSERT(from_index >= l->ring_first);
    while (l->last_index >= from_index) drop_entry(l, l->last_index--);
    while (l->run_count > 0 && l->runs[l->run_count - 1].first_index >= from_index) l->run_count--;
    if (l->stored_index >= from_index) l->stored_index = from_index - 1;
    MS_ASSERT(l->covered_index <= l->last_index);
    if (l->config_index < from_index) return;
    while (l->config_end > l->config_first && l->config_at[l->config_end - 1] >= from_index) {
        l->config_end--;
    }
    if (l->config_end > l->config_first) { /* the one before is in force again (diss. 4.1) */
        l->config_index = l->config_at[l->config_end - 1];
        config_again(l, l->config_index, &l->config);
    } else {
        l->config_index = l->settled_index;
        l->config = l->settled;
    }
}

void raft_log_settle(struct raft_log *l, uint64_t applied_index)
{
    uint64_t newest = 0;
    while (l->config_first < l->config_end && l->config_at[l->config_first] <= applied_index) {
        newest = l->config_at[l->config_first++];
    }
    if (newest == 0) return;
    l->settled_index = newest;
    if (newest == l->config_index)
        l->settled = l->config;
    else
        config_again(l, newest, &l->settled);
}

void raft_log_compact(struct raft_log *l, uint64_t index)
{
    if (index <= l->base_index) return;
    MS_ASSERT(index <= l->stored_index && index <= l->last_index);
    uint64_t term = raft_log_term(l, index);
    while (l->ring_first <= index) drop_entry(l, l->ring_first++);
    uint32_t keep = index == l->last_index ? l->run_count : run_of(l, index + 1);
    l->run_count -= keep;
    if (keep) memmove(l->runs, l->runs + keep, l->run_count * sizeof *l->runs);
    if (l->run_count > 0 && l->runs[0].first_index <= index) l->runs[0].first_index = index + 1;
    l->base_index = index;
    l->base_term = term;
    if (l->covered_index < index) l->covered_index = index;
}

void raft_log_evict(struct raft_log *l, uint64_t upto_index, uint64_t bytes_max)
{
    if (upto_index > l->stored_index) upto_index = l->stored_index;
    while (l->ring_bytes > bytes_max && l->ring_first <= upto_index) drop_entry(l, l->ring_first++);
}

void raft_log_reset(struct raft_log *l, uint64_t index, uint64_t term, const struct config *config,
                    uint64_t config_index)
{
    drop_all(l);
    l->base_index = l->last_index = l->stored_index = l->covered_index = index;
    l->base_term = term;
    l->ring_first = index + 1;
    l->run_count = 0;
    l->config_first = l->config_end = 0;
    l->config = l->settled = *config;
    l->config_index = l->settled_index = config_index;
}
