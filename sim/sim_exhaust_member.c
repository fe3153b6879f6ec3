/* sim_exhaust_member.c: members whose memory can be taken and put back.
 *
 * A member allocates from an arena of its own, at addresses that never change, so that a copy of the arena
 * put back is the member as it was, pointers and all. Most of those bytes decide nothing: room for peers
 * that nobody has, configurations that here never differ. These holes are not copied. */
#include "sim/sim_exhaust_private.h"

#include <stdlib.h>

#include "base/ms_assert.h"
#include "raft/raft_private.h"

#define ARENA_BYTES (512u << 10)
#define CLASS_SHIFT_MIN 5u /* blocks of 32 bytes and up, in powers of two */
#define CLASSES 16u
#define HOLES_MAX 8u

struct block {
    uint32_t class, room;
    struct block *next_free;
};
#define BLOCK_HEAD_BYTES 16u
static_assert(sizeof(struct block) == BLOCK_HEAD_BYTES, "blocks stay aligned for any type");

struct exh_arena {
    struct ms_alloc face;
    size_t used;
    struct block *free[CLASSES];
    _Alignas(16) uint8_t bytes[ARENA_BYTES];
};

struct hole {
    size_t begin, end;
};

struct exh_saved {
    size_t used;
    struct block *free[CLASSES];
    struct hole holes[HOLES_MAX + 1]; /* by address; the last begins where what is used ends */
    uint32_t hole_count;
    uint8_t bytes[ARENA_BYTES];
};

/* --- bytes that occur --- */

static uint64_t hash_of(struct bytes b)
{
    uint64_t h = b.len + 1;
    for (size_t i = 0; i < b.len; i++) h = (h ^ b.data[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static void pool_place(struct exh_pool *p, uint32_t number)
{
    uint32_t at = (uint32_t)p->items[number].hash & (p->table_cap - 1);
    while (p->table[at]) at = (at + 1) & (p->table_cap - 1);
    p->table[at] = number + 1;
}

static void pool_grow(struct exh_pool *p)
{
    p->cap = p->cap ? p->cap * 2 : 1024;
    p->items = realloc(p->items, p->cap * sizeof *p->items);
    free(p->table);
    p->table_cap = p->cap * 2;
    p->table = calloc(p->table_cap, sizeof *p->table);
    MS_ASSERT(p->items && p->table);
    for (uint32_t i = 0; i < p->count; i++) pool_place(p, i);
}

uint32_t exh_pool_add(struct exh_pool *p, struct bytes b)
{
    uint64_t hash = hash_of(b);
    if (p->count == p->cap) pool_grow(p);
    for (uint32_t at = (uint32_t)hash & (p->table_cap - 1); p->table[at];
         at = (at + 1) & (p->table_cap - 1)) {
        uint32_t number = p->table[at] - 1;
        if (p->items[number].hash == hash && bytes_equal(exh_pool_at(p, number), b)) return number;
    }
    p->items[p->count].data = malloc(b.len + 1);
    MS_ASSERT(p->items[p->count].data != NULL);
    if (b.len > 0) memcpy(p->items[p->count].data, b.data, b.len);
    p->items[p->count].len = (uint32_t)b.len;
    p->items[p->count].hash = hash;
    pool_place(p, p->count);
    return p->count++;
}

struct bytes exh_pool_at(const struct exh_pool *p, uint32_t number)
{
    return bytes_of(p->items[number].data, p->items[number].len);
}

void exh_pool_fini(struct exh_pool *p)
{
    for (uint32_t i = 0; i < p->count; i++) free(p->items[i].data);
    free(p->items);
    free(p->table);
    *p = (struct exh_pool){ 0 };
}

/* --- arenas --- */

static void *arena_take(struct exh_arena *a, size_t len)
{
    uint64_t class = 0;
    while (((size_t)1 << (class + CLASS_SHIFT_MIN)) < len) class ++;
    MS_ASSERT(class < CLASSES);
    struct block *b = a->free[class];
    if (b && b->room >= len) {
        a->free[class] = b->next_free;
        return b + 1;
    }
    /* Few ask for much: no need to round that up. */
    size_t room = len > 4096 ? (len + 15) & ~(size_t)15 : (size_t)1 << (class + CLASS_SHIFT_MIN);
    MS_ASSERT(a->used + BLOCK_HEAD_BYTES + room <= ARENA_BYTES);
    b = (struct block *)(a->bytes + a->used);
    a->used += BLOCK_HEAD_BYTES + room;
    b->class = (uint32_t) class;
    b->room = (uint32_t)room;
    b->next_free = NULL;
    return b + 1;
}

static void *arena_resize(void *ctx, void *ptr, size_t len)
{
    struct exh_arena *a = ctx;
    struct block *old = ptr ? (struct block *)ptr - 1 : NULL;
    if (len == 0 && old) {
        old->next_free = a->free[old->class];
        a->free[old->class] = old;
        return NULL;
    }
    void *more = arena_take(a, len);
    if (!old) return more;
    memcpy(more, ptr, old->room < len ? old->room : len);
    arena_resize(a, ptr, 0);
    return more;
}

void exh_members_init(struct exh *x)
{
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        x->arenas[id] = calloc(1, sizeof *x->arenas[id]);
        MS_ASSERT(x->arenas[id] != NULL);
        x->arenas[id]->face = (struct ms_alloc){ .ctx = x->arenas[id], .resize = arena_resize };
    }
}

void exh_members_fini(struct exh *x)
{
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) free(x->arenas[id]);
}

/* --- lives --- */

static struct raft_opts opts_of(uint32_t id)
{
    struct raft_opts o = { .id = id,
                           .election_ms_min = EXH_ELECTION_MS,
                           .heartbeat_ms = EXH_HEARTBEAT_MS,
                           .stall_ms = EXH_STALL_MS,
                           .inflight_count_max = 16,
                           .inflight_bytes_max = 1u << 20,
                           .append_bytes_max = EXH_APPEND_BYTES,
                           .uncommitted_bytes_max = 1u << 20,
                           .cache_bytes_max = 1u << 20,
                           .unapplied_bytes_max = 1u << 20,
                           .seed = 100 + id }; /* all of it as in tests/raft/cluster.c */
    memset(o.cluster_uuid, 0x5a, sizeof o.cluster_uuid);
    return o;
}

void exh_member_start(struct exh *x, uint32_t id)
{
    struct exh_arena *a = x->arenas[id];
    const struct exh_disk *d = &x->world.nodes[id].disk;
    struct raft_opts opts = opts_of(id);
    struct raft_start start = { .term = d->term, .vote = d->vote, .config = &x->config };
    a->used = 0;
    memset(a->free, 0, sizeof a->free);
    int rv = raft_create(&x->rafts[id], &opts, &start, &a->face, NULL, x->world.now_ms);
    MS_ASSERT(rv == 0);
    for (uint32_t i = 1; i <= d->log.last_index; i++) {
        struct bytes payload = exh_pool_at(&x->pool, d->log.at[i].payload);
        rv = raft_restore_entry(x->rafts[id], i, d->log.at[i].term, payload);
        MS_ASSERT(rv == 0);
    }
}

/* --- copies --- */

struct exh_saved *exh_saved_create(void)
{
    struct exh_saved *s = malloc(sizeof *s);
    MS_ASSERT(s != NULL);
    return s;
}

void exh_saved_destroy(struct exh_saved *s)
{
    free(s);
}

static void add_hole(struct exh_saved *s, const struct exh_arena *a, const void *begin, const void *end)
{
    size_t from = (size_t)((const uint8_t *)begin - a->bytes),
           to = (size_t)((const uint8_t *)end - a->bytes);
    uint32_t at = s->hole_count++;
    MS_ASSERT(at < HOLES_MAX && from <= to && to <= a->used);
    for (; at > 0 && s->holes[at - 1].begin > from; at--) s->holes[at] = s->holes[at - 1];
    s->holes[at] = (struct hole){ from, to };
}

/* The configuration is the same from the first step to the last, in each of its copies; when rounds began
 * is looked at for leases only; the rest is room behind what is in use, and what the last step put out. */
static void find_holes(struct exh_saved *s, const struct exh_arena *a, const struct raft *r)
{
    s->hole_count = 0;
    add_hole(s, a, &r->log.config, &r->log.config + 1);
    add_hole(s, a, &r->log.settled, &r->log.settled + 1);
    add_hole(s, a, r->rounds, r->rounds + RAFT_ROUNDS_KEPT);
    add_hole(s, a, r->reads + r->read_count, r->reads + RAFT_READS_MAX);
    add_hole(s, a, r->remote + r->remote_count, r->remote + RAFT_REMOTE_READS_MAX);
    add_hole(s, a, &r->scratch_config, &r->scratch_config + 1);
    add_hole(s, a, r->peers + r->peer_count, r->peers + RAFT_PEERS_MAX);
    if (r->pool) add_hole(s, a, r->pool, r->pool + r->pool_cap);
    s->holes[s->hole_count] = (struct hole){ a->used, a->used };
}

void exh_member_save(const struct exh *x, uint32_t id, struct exh_saved *out)
{
    const struct exh_arena *a = x->arenas[id];
    size_t from = 0, at = 0;
    out->used = a->used;
    memcpy(out->free, a->free, sizeof a->free);
    find_holes(out, a, x->rafts[id]);
    for (uint32_t i = 0; i <= out->hole_count; i++) {
        memcpy(out->bytes + at, a->bytes + from, out->holes[i].begin - from);
        at += out->holes[i].begin - from;
        from = out->holes[i].end;
    }
}

void exh_member_restore(struct exh *x, uint32_t id, const struct exh_saved *s)
{
    struct exh_arena *a = x->arenas[id];
    size_t from = 0, at = 0;
    a->used = s->used;
    memcpy(a->free, s->free, sizeof a->free);
    for (uint32_t i = 0; i <= s->hole_count; i++) {
        memcpy(a->bytes + from, s->bytes + at, s->holes[i].begin - from);
        at += s->holes[i].begin - from;
        from = s->holes[i].end;
    }
}
