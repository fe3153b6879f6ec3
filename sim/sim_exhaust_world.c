/* sim_exhaust_world.c: what may happen to the cluster, and what it does. A turn is that of the protocol
 * stories (tests/raft/script_command.c), so that a story gives the same. */
#include "sim/sim_exhaust_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "sim/sim.h"

#define STORE_BYTES_MAX 4096u

/* --- one step of one member --- */

static bool is_cut(const struct exh_world *w, uint32_t from, uint32_t to)
{
    return w->cut && from != to && (w->cut == from || w->cut == to);
}

static void put_on_way(struct exh_world *w, struct exh_on_way what)
{
    MS_ASSERT(w->way_count < EXH_WAY_MAX);
    w->way[w->way_count++] = what;
}

static void put_message(struct exh *x, uint32_t id, const struct raft_msg *m)
{
    static uint8_t bytes[4096];
    struct buf b;
    exh_check_message(x, id, m);
    if (is_cut(&x->world, id, (uint32_t)m->to)) return;
    buf_init(&b, NULL, sizeof bytes);
    b.data = bytes; /* room enough: nothing is allocated */
    b.cap = sizeof bytes;
    raft_msg_encode(&b, m);
    MS_ASSERT(!b.failed);
    uint32_t message = exh_pool_add(&x->pool, buf_bytes(&b));
    put_on_way(&x->world, (struct exh_on_way){ message, (uint8_t)id, (uint8_t)m->to, false });
}

static void put_out(struct exh *x, uint32_t id, const struct raft_output_item *item)
{
    switch (item->kind) {
    case RAFT_OUTPUT_SEND: put_message(x, id, &item->message); break;
    case RAFT_OUTPUT_READ:
        exh_check_read(x, item->read.token, item->read.index, item->read.status);
        break;
    case RAFT_OUTPUT_SNAPSHOT:
    case RAFT_OUTPUT_FETCH: MS_ASSERT(!"all of the log is in memory"); break;
    }
}

static void read_log(struct exh *x, uint32_t id)
{
    const struct raft *r = x->rafts[id];
    struct exh_log *l = &x->world.nodes[id].log;
    MS_ASSERT(raft_last_index(r) <= EXH_LOG_MAX && raft_first_index(r) == 1);
    l->last_index = (uint32_t)raft_last_index(r);
    for (uint32_t i = 1; i <= l->last_index; i++) {
        const struct entry_ref *e = raft_entry(r, i);
        l->at[i].term = e->term;
        l->at[i].payload = exh_pool_add(&x->pool, entry_ref_payload(e));
    }
}

static int step(struct exh *x, uint32_t id, const struct raft_input *in)
{
    struct exh_node *n = &x->world.nodes[id];
    uint64_t commit = raft_commit_index(x->rafts[id]);
    int rv = raft_step(x->rafts[id], x->world.now_ms, in, &x->out);
    if (rv <= MS_EFATAL) sim_fail(SIM_FAIL_SAFETY, "K21", "n%u: the step gave %d", id, rv);
    n->touched = n->touched || in->kind != RAFT_INPUT_FLUSH;
    read_log(x, id);
    exh_check_step(x, id, commit);
    for (uint32_t i = 0; i < x->out.count; i++) put_out(x, id, &x->out.items[i]);
    return rv;
}

/* --- disks --- */

static bool store_begin(struct exh *x, uint32_t id)
{
    struct exh_node *n = &x->world.nodes[id];
    if (n->storing || !raft_store_begin(x->rafts[id], STORE_BYTES_MAX, SIZE_MAX, &n->store))
        return false;
    n->storing = true;
    for (uint64_t i = n->store.first_index; i <= n->store.last_index; i++) n->pending[i] = n->log.at[i];
    return true;
}

static void store_reach(struct exh_node *n)
{
    n->disk.term = n->store.term;
    n->disk.vote = n->store.vote;
    if (n->store.first_index > n->store.last_index) return;
    MS_ASSERT(n->store.first_index <= n->disk.log.last_index + 1);
    for (uint64_t i = n->store.first_index; i <= n->store.last_index; i++)
        n->disk.log.at[i] = n->pending[i];
    n->disk.log.last_index = (uint32_t)n->store.last_index;
}

static void store_end(struct exh *x, uint32_t id)
{
    struct exh_node *n = &x->world.nodes[id];
    struct raft_input in = { .kind = RAFT_INPUT_STORED, .store_token = n->store.token };
    MS_ASSERT(n->storing);
    n->storing = false;
    store_reach(n);
    step(x, id, &in);
}

/* --- the end of a turn --- */

static void apply(struct exh *x, uint32_t id)
{
    struct exh_node *n = &x->world.nodes[id];
    uint64_t index = raft_commit_index(x->rafts[id]), durable = raft_durable_index(x->rafts[id]);
    if (index > durable) index = durable;
    if (index <= n->applied_index) return;
    struct raft_input in = { .kind = RAFT_INPUT_APPLIED, .index = index };
    n->applied_index = index;
    step(x, id, &in);
}

static void settle(struct exh *x, uint32_t id)
{
    struct exh_node *n = &x->world.nodes[id];
    struct raft_input flush = { .kind = RAFT_INPUT_FLUSH };
    bool any = true;
    while (any) {
        any = false;
        while (!x->bounds.manual && store_begin(x, id)) {
            store_end(x, id);
            any = true;
        }
        apply(x, id);
        if (!n->touched) continue;
        n->touched = false;
        step(x, id, &flush);
        any = true;
    }
    if (x->bounds.manual && store_begin(x, id)) {
        x->world.stores_begun |= 1u << id;
        put_on_way(&x->world, (struct exh_on_way){ 0, (uint8_t)id, (uint8_t)id, false });
    }
    exh_check_logs(x, id);
}

/* --- choices --- */

static uint32_t add(struct exh_choice *out, uint32_t count, struct exh_choice c)
{
    MS_ASSERT(count < EXH_CHOICES_MAX);
    out[count] = c;
    return count + 1;
}

static struct exh_choice choice_of_way(const struct exh_world *w, enum exh_kind kind, uint32_t at)
{
    const struct exh_on_way *what = &w->way[at];
    struct exh_choice c = { (uint8_t)kind, what->to, what->from, (uint8_t)at, 1 };
    for (uint32_t i = 0; i < at; i++) c.nth += w->way[i].from == what->from && w->way[i].to == what->to;
    return c;
}

/* One that is held and equal to this. */
static bool is_held_before(const struct exh_world *w, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        const struct exh_on_way *a = &w->way[i], *b = &w->way[at];
        if (a->held && a->message == b->message && a->from == b->from && a->to == b->to) return true;
    }
    return false;
}

static uint32_t way_choices(const struct exh *x, struct exh_choice *out, uint32_t n)
{
    const struct exh_world *w = &x->world;
    bool first = true;
    for (uint32_t at = 0; at < w->way_count; at++) {
        const struct exh_on_way *what = &w->way[at];
        if (what->held ? is_held_before(w, at) : !first) continue;
        n = add(out, n, choice_of_way(w, EXH_ARRIVE, at));
        if (what->held) continue;
        first = false;
        if (is_cut(w, what->from, what->to)) continue;
        if (w->late < x->bounds.late) n = add(out, n, choice_of_way(w, EXH_HOLD, at));
        bool twice = what->from != what->to && w->faults < x->bounds.faults;
        if (twice) n = add(out, n, choice_of_way(w, EXH_REPEAT, at));
    }
    return n;
}

static uint32_t member_choices(const struct exh *x, uint32_t id, struct exh_choice *out, uint32_t n)
{
    const struct exh_world *w = &x->world;
    const struct raft *r = x->rafts[id];
    struct exh_choice c = { .member = (uint8_t)id };
    bool may[EXH_HEAL + 1] = { 0 };
    bool fault = w->faults < x->bounds.faults;
    may[EXH_TIMEOUT] = raft_deadline_ms(r) != MS_TIME_NEVER && w->timeouts < x->bounds.timeouts;
    may[EXH_WRITE] = raft_role(r) == RAFT_LEADER && w->writes < x->bounds.writes;
    may[EXH_READ] = w->reads < x->bounds.reads;
    may[EXH_CRASH] = fault;
    may[EXH_CRASH_STORED] = fault && w->nodes[id].storing;
    may[EXH_CUT] = fault && w->cut == 0;
    may[EXH_HEAL] = w->cut == id;
    for (c.kind = EXH_TIMEOUT; c.kind <= EXH_HEAL; c.kind++) {
        if (may[c.kind]) n = add(out, n, c);
    }
    return n;
}

uint32_t exh_choices(const struct exh *x, struct exh_choice *out)
{
    uint32_t n = way_choices(x, out, 0);
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) n = member_choices(x, id, out, n);
    return n;
}

static struct exh_on_way take_from_way(struct exh_world *w, uint32_t at)
{
    MS_ASSERT(at < w->way_count);
    struct exh_on_way taken = w->way[at];
    w->way_count--;
    memmove(&w->way[at], &w->way[at + 1], (w->way_count - at) * sizeof taken);
    return taken;
}

static void arrive(struct exh *x, uint32_t at)
{
    static struct raft_msg_entry entries[RAFT_MSG_ENTRIES_MAX];
    struct raft_msg m;
    struct raft_input in = { .kind = RAFT_INPUT_MESSAGE, .message = &m };
    struct exh_on_way what = take_from_way(&x->world, at);
    if (what.from == what.to) {
        store_end(x, what.to);
        return;
    }
    if (is_cut(&x->world, what.from, what.to)) return;
    int rv = raft_msg_decode(exh_pool_at(&x->pool, what.message), entries, &m);
    MS_ASSERT(rv == 0);
    rv = step(x, what.to, &in);
    if (rv == 0) return;
    sim_fail(SIM_FAIL_SAFETY, "K4", "n%u takes what n%u has sent for wrong", what.to, what.from);
}

static void repeat(struct exh *x, uint32_t at)
{
    struct exh_on_way copy = x->world.way[at];
    copy.held = true;
    x->world.faults++;
    put_on_way(&x->world, copy);
    arrive(x, at);
}

static void write_to(struct exh *x, uint32_t id)
{
    char text[8];
    uint8_t bytes[64];
    struct buf b;
    snprintf(text, sizeof text, "w%u", ++x->world.writes);
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = bytes_of_str(text) };
    buf_init(&b, NULL, sizeof bytes);
    b.data = bytes;
    b.cap = sizeof bytes;
    entry_encode(&b, &e);
    struct raft_input in = { .kind = RAFT_INPUT_PROPOSE, .payload = buf_bytes(&b) };
    step(x, id, &in);
}

static void read_from(struct exh *x, uint32_t id)
{
    struct exh_world *w = &x->world;
    struct raft_input in = { .kind = RAFT_INPUT_READ, .read_token = ++w->reads };
    w->read[w->reads] = (struct exh_read){ .floor_index = w->ledger_last, .open = true };
    step(x, id, &in);
}

static void wake(struct exh *x, uint32_t id)
{
    struct raft_input in = { .kind = RAFT_INPUT_TICK };
    uint64_t deadline = raft_deadline_ms(x->rafts[id]);
    if (deadline > x->world.now_ms) x->world.now_ms = deadline;
    x->world.timeouts++;
    step(x, id, &in);
}

static void start(struct exh *x, uint32_t id)
{
    struct exh_node *n = &x->world.nodes[id];
    exh_member_start(x, id);
    n->storing = false;
    n->applied_index = 0;
    n->touched = true;
    read_log(x, id);
}

static void crash(struct exh *x, uint32_t id, bool stored)
{
    struct exh_world *w = &x->world;
    w->faults++;
    if (stored) store_reach(&w->nodes[id]);
    for (uint32_t at = w->way_count; at-- > 0;) {
        if (w->way[at].from == id && w->way[at].to == id)
            take_from_way(w, at); /* nobody hears its end */
    }
    start(x, id);
}

static void carry_out(struct exh *x, struct exh_choice c)
{
    struct exh_world *w = &x->world;
    switch (c.kind) {
    case EXH_ARRIVE: arrive(x, c.at); break;
    case EXH_HOLD:
        w->way[c.at].held = true;
        w->late++;
        return;
    case EXH_REPEAT: repeat(x, c.at); break;
    case EXH_TIMEOUT: wake(x, c.member); break;
    case EXH_WRITE: write_to(x, c.member); break;
    case EXH_READ: read_from(x, c.member); break;
    case EXH_CRASH: crash(x, c.member, false); break;
    case EXH_CRASH_STORED: crash(x, c.member, true); break;
    case EXH_CUT:
        w->cut = c.member;
        w->faults++;
        return;
    case EXH_HEAL: w->cut = 0; return;
    }
    settle(x, c.member);
}

void exh_choose(struct exh *x, struct exh_choice c)
{
    MS_ASSERT(x->path_len < EXH_PATH_MAX);
    x->path[++x->path_len] = c;
    x->path_open = true;
    x->world.stores_begun = 0;
    carry_out(x, c);
    x->path_stores[x->path_len] = x->world.stores_begun;
    x->path_open = false;
}

/* --- how it begins --- */

static void put_entry(struct exh *x, uint32_t id, uint64_t term)
{
    static const uint8_t payload[] = { ENTRY_TXN, ENTRY_VERSION, 0 }; /* no origin, no body */
    struct exh_log *l = &x->world.nodes[id].disk.log;
    l->at[++l->last_index] = (struct exh_entry){ term, exh_pool_add(&x->pool, bytes_of(payload, 3)) };
}

static void put_hard(struct exh *x, uint32_t id, uint64_t term, uint64_t vote)
{
    x->world.nodes[id].disk.term = term;
    x->world.nodes[id].disk.vote = vote;
    x->world.vote_of[id][term] = vote;
}

/* n1, leader of term 2, stored 2@2, n3, leader of term 3 by n2, stored 2@3, both on nobody else: the shape
 * of figure 8 of the Raft paper at (b). */
static void put_conflict(struct exh *x)
{
    put_hard(x, 1, 2, 1);
    put_hard(x, 2, 3, 3);
    put_hard(x, 3, 3, 3);
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) put_entry(x, id, 1);
    put_entry(x, 1, 2);
    put_entry(x, 3, 3);
    x->world.leader_of[2] = 1;
    x->world.leader_of[3] = 3;
}

static void put_config(struct exh *x)
{
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        struct config_member m = { .id = id, .added_index = 1, .roles = CONFIG_VOTER };
        snprintf(m.url, sizeof m.url, "http://n%u:1", id);
        int rv = config_add(&x->config, &m);
        MS_ASSERT(rv == 0);
    }
}

/* The calm way to a leader: n1 is woken, then all that is sent arrives, and all that is stored ends. */
static void elect(struct exh *x)
{
    struct exh_choice c[EXH_CHOICES_MAX];
    struct sim_exhaust_bounds bounds = x->bounds;
    x->bounds = (struct sim_exhaust_bounds){ .manual = bounds.manual };
    exh_choose(x, (struct exh_choice){ .kind = EXH_TIMEOUT, .member = 1 });
    while (exh_choices(x, c) > 0) exh_choose(x, c[0]);
    x->bounds = bounds;
    x->world.timeouts = 0;
}

void exh_init(struct exh *x, const struct sim_exhaust_bounds *bounds)
{
    memset(x, 0, sizeof *x);
    x->bounds = *bounds;
    x->world.now_ms = 1000000;
    exh_pool_add(&x->pool, bytes_of(NULL, 0)); /* number 0 is nothing */
    put_config(x);
    exh_members_init(x);
    if (bounds->start == 2) put_conflict(x);
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) start(x, id);
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) settle(x, id);
    x->path_stores[0] = x->world.stores_begun;
    if (bounds->start == 1) elect(x);
}

void exh_fini(struct exh *x)
{
    exh_members_fini(x);
    exh_pool_fini(&x->pool);
}
