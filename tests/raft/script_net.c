/* script_net.c: messages and snapshots on the way, and which of them a command means. */
#include "tests/raft/script_private.h"

/* --- picks --- */

static bool is_which(const char *word, struct script_pick *p)
{
    if (strcmp(word, "all") == 0)
        p->all = true;
    else if (strcmp(word, "last") == 0)
        p->nth = SCRIPT_NTH_LAST;
    else
        return false;
    return true;
}

static bool is_kind(const char *word, struct script_pick *p)
{
    for (uint32_t kind = 1; kind <= SCRIPT_SNAPSHOT; kind++) {
        if (strcmp(word, script_kind_name(kind)) != 0) continue;
        p->kind = kind;
        return true;
    }
    return false;
}

static bool parse_pick(struct script *s, struct script_pick *p)
{
    uint64_t nth;
    *p = (struct script_pick){ .nth = 1 };
    for (uint32_t i = 1; i < s->word_count; i++) {
        const char *word = s->words[i];
        if (strchr(word, '>')) {
            if (!script_link(s, word, &p->from, &p->to)) return false;
        } else if (!is_kind(word, p) && !is_which(word, p)) {
            if (!script_number(s, word, &nth)) return script_fail(s, "%s picks nothing", word);
            p->nth = (uint32_t)nth;
        }
    }
    return true;
}

static bool matches(const struct script_pick *p, uint64_t from, uint64_t to, uint32_t kind)
{
    if (p->from && p->from != from) return false;
    if (p->to && p->to != to) return false;
    return p->kind == 0 || p->kind == kind;
}

/* One thing on the way: a message, or behind all messages a snapshot. */
struct script_item {
    uint64_t from, to;
    uint32_t kind, at;
};

static uint32_t item_count(const struct script *s)
{
    return s->cluster.message_count + s->flight_count;
}

static struct script_item item_at(struct script *s, uint32_t at)
{
    struct raft_msg m;
    uint32_t messages = s->cluster.message_count;
    if (at >= messages) {
        const struct script_flight *f = &s->flights[at - messages];
        return (struct script_item){ f->from, f->to, SCRIPT_SNAPSHOT, at };
    }
    cluster_peek_at(&s->cluster, at, &m);
    return (struct script_item){ m.from, m.to, script_kind_of(&m), at };
}

static bool find(struct script *s, const struct script_pick *p, struct script_item *out)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < item_count(s); i++) {
        struct script_item item = item_at(s, i);
        if (!matches(p, item.from, item.to, item.kind)) continue;
        *out = item;
        if (++found == p->nth) return true;
    }
    return found > 0 && p->nth == SCRIPT_NTH_LAST;
}

/* --- arriving and getting lost --- */

static void flight_remove(struct script *s, uint32_t at)
{
    s->flight_count--;
    memmove(&s->flights[at], &s->flights[at + 1], (s->flight_count - at) * sizeof s->flights[0]);
}

static void flight_end(struct script *s, uint32_t at, int status)
{
    struct script_flight f = s->flights[at];
    flight_remove(s, at);
    if (s->cluster.nodes[f.from].raft) {
        cluster_snapshot_done(&s->cluster, f.from, f.to, f.state.index, status);
    }
}

static bool is_lost(const struct script *s, uint64_t from, uint64_t to)
{
    return !s->cluster.nodes[to].raft || s->cluster.cut[from][to];
}

static void flight_arrive(struct script *s, uint32_t at, bool say)
{
    struct script_flight f = s->flights[at];
    bool lost = is_lost(s, f.from, f.to) || s->cluster.cut[f.to][f.from];
    if (lost || say) script_say_flight(s, lost ? "lost: " : "arrives: ", &f);
    if (!lost) cluster_install(&s->cluster, f.to, &f.state);
    flight_end(s, at, lost ? MS_ETIMEOUT : 0);
}

static void arrive(struct script *s, struct script_item item, bool say)
{
    struct raft_msg m;
    if (item.kind == SCRIPT_SNAPSHOT) {
        flight_arrive(s, item.at - s->cluster.message_count, say);
        return;
    }
    bool lost = is_lost(s, item.from, item.to);
    cluster_peek_at(&s->cluster, item.at, &m);
    if (lost || say) script_say_message(s, lost ? "lost: " : "arrives: ", &m);
    cluster_deliver_at(&s->cluster, item.at, false);
}

static void lose(struct script *s, struct script_item item)
{
    struct raft_msg m;
    if (item.kind == SCRIPT_SNAPSHOT) {
        uint32_t at = item.at - s->cluster.message_count;
        script_say_flight(s, "lost: ", &s->flights[at]);
        flight_end(s, at, MS_ETIMEOUT);
        return;
    }
    cluster_peek_at(&s->cluster, item.at, &m);
    script_say_message(s, "lost: ", &m);
    cluster_drop_at(&s->cluster, item.at);
}

static bool arrive_or_lose(struct script *s, bool arrives)
{
    struct script_pick p;
    struct script_item item;
    if (!parse_pick(s, &p)) return false;
    uint32_t count = 0, most = p.all ? item_count(s) : 1; /* not what comes of it */
    for (; count < most && find(s, &p, &item); count++) {
        if (arrives)
            arrive(s, item, true);
        else
            lose(s, item);
    }
    return count > 0 || script_fail(s, "nothing like that is on the way");
}

bool script_deliver(struct script *s)
{
    return arrive_or_lose(s, true);
}

bool script_drop(struct script *s)
{
    return arrive_or_lose(s, false);
}

bool script_duplicate(struct script *s)
{
    struct script_pick p;
    struct script_item item;
    if (!parse_pick(s, &p)) return false;
    if (!find(s, &p, &item)) return script_fail(s, "nothing like that is on the way");
    if (item.kind != SCRIPT_SNAPSHOT) {
        cluster_copy_at(&s->cluster, item.at);
        return true;
    }
    if (s->flight_count == SCRIPT_FLIGHTS_MAX) return script_fail(s, "too many snapshots");
    s->flights[s->flight_count++] = s->flights[item.at - s->cluster.message_count];
    return true;
}

/* --- holding --- */

bool script_hold(struct script *s)
{
    struct script_pick p;
    if (!parse_pick(s, &p)) return false;
    if (s->hold_count == SCRIPT_HOLDS_MAX) return script_fail(s, "too many holds");
    s->holds[s->hold_count++] = p;
    return true;
}

bool script_release(struct script *s)
{
    struct script_pick p;
    uint32_t before = s->hold_count, kept = 0;
    if (!parse_pick(s, &p)) return false;
    for (uint32_t i = 0; i < s->hold_count && s->word_count > 1; i++) {
        const struct script_pick *h = &s->holds[i];
        if (h->from != p.from || h->to != p.to || h->kind != p.kind) s->holds[kept++] = *h;
    }
    s->hold_count = kept;
    return kept < before || script_fail(s, "nothing like that is held");
}

static bool is_held(const struct script *s, const struct script_item *item)
{
    for (uint32_t i = 0; i < s->hold_count; i++) {
        if (matches(&s->holds[i], item->from, item->to, item->kind)) return true;
    }
    return false;
}

/* --- snapshots --- */

static bool is_flying(const struct script *s, uint64_t from, uint64_t to)
{
    for (uint32_t i = 0; i < s->flight_count; i++) {
        if (s->flights[i].from == from && s->flights[i].to == to) return true;
    }
    return false;
}

void script_take_flights(struct script *s, uint64_t id)
{
    struct cluster_node *n = &s->cluster.nodes[id];
    for (uint64_t peer = 1; peer <= NODES_MAX; peer++) {
        if (!n->snapshot_wanted[peer]) continue;
        n->snapshot_wanted[peer] = false;
        if (is_flying(s, id, peer) || s->flight_count == SCRIPT_FLIGHTS_MAX) continue;
        struct script_flight *f = &s->flights[s->flight_count++];
        *f = (struct script_flight){ .from = id, .to = peer, .state = n->state };
        script_say_flight(s, "", f);
    }
}

static bool next_free(struct script *s, struct script_item *out)
{
    for (uint32_t i = 0; i < item_count(s); i++) {
        *out = item_at(s, i);
        if (!is_held(s, out)) return true;
    }
    return false;
}

bool script_run_network(struct script *s)
{
    struct script_item item;
    if (!script_settle(s)) return false;
    for (uint32_t turn = 0; next_free(s, &item); turn++) {
        if (turn == SCRIPT_TURNS_MAX) return script_fail(s, "it does not become quiet");
        arrive(s, item, false);
        if (!script_settle(s)) return false;
    }
    return true;
}
