/* script_command.c: what the commands do. */
#include "tests/raft/script_private.h"

#define QUIET_PASSES_MAX 64u
#define WAIT_STEP_MS 10u

/* --- the end of a turn --- */

static bool settle_disk(struct script *s, uint64_t id)
{
    struct cluster *c = &s->cluster;
    bool any = false;
    for (uint64_t peer = 1; peer <= NODES_MAX; peer++) {
        if (!c->nodes[id].fetch[peer].wanted) continue;
        cluster_fetched(c, id, peer, 0);
        any = true;
    }
    while (cluster_store_begin(c, id)) {
        cluster_store_end(c, id);
        any = true;
    }
    return any;
}

static bool settle_node(struct script *s, uint64_t id)
{
    struct cluster *c = &s->cluster;
    bool any = !s->nodes[id].manual_disk && settle_disk(s, id);
    script_take_flights(s, id);
    if (!s->nodes[id].manual_apply) cluster_apply(c, id);
    if (!c->nodes[id].touched) return any;
    return cluster_flush(c, id) == 0;
}

bool script_settle(struct script *s)
{
    bool any = true;
    for (uint32_t pass = 0; any; pass++) {
        if (pass == QUIET_PASSES_MAX) return script_fail(s, "it does not become quiet");
        any = false;
        for (uint64_t id = 1; id <= NODES_MAX; id++) {
            if (s->cluster.nodes[id].raft && settle_node(s, id)) any = true;
        }
    }
    return true;
}

/* --- the cluster and its disks --- */

static bool option(struct script *s, const char *word, struct cluster_opts *o)
{
    const struct {
        const char *name;
        uint32_t *u32;
        uint64_t *u64;
    } options[] = { { "seed", NULL, &o->seed },
                    { "election", &o->raft.election_ms_min, NULL },
                    { "heartbeat", &o->raft.heartbeat_ms, NULL },
                    { "stall", &o->raft.stall_ms, NULL },
                    { "inflight", &o->raft.inflight_count_max, NULL },
                    { "inflight-bytes", NULL, &o->raft.inflight_bytes_max },
                    { "append-bytes", &o->raft.append_bytes_max, NULL },
                    { "uncommitted-bytes", NULL, &o->raft.uncommitted_bytes_max },
                    { "cache-bytes", NULL, &o->raft.cache_bytes_max },
                    { "unapplied-bytes", NULL, &o->raft.unapplied_bytes_max } };
    size_t len = strcspn(word, "=");
    uint64_t v;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strlen(options[i].name) != len || strncmp(options[i].name, word, len) != 0) continue;
        if (word[len] != '=' || !script_number(s, word + len + 1, &v)) break;
        if (options[i].u32) *options[i].u32 = (uint32_t)v;
        if (options[i].u64) *options[i].u64 = v;
        return true;
    }
    return script_fail(s, "%s is no option", word);
}

/* A member takes its first step, and says what comes of it. */
static void start(struct script *s, uint64_t id)
{
    cluster_watch_cb watch = s->cluster.watch;
    s->cluster.watch = NULL; /* ENTRY_INIT comes by a step of its own */
    cluster_start(&s->cluster, id);
    s->cluster.watch = watch;
    script_see(s, id);
    s->cluster.nodes[id].touched = true;
}

static bool do_cluster(struct script *s)
{
    struct cluster_opts o = { .seed = 1, .idle = true };
    uint64_t count;
    bool idle = false;
    if (s->began) return script_fail(s, "there is a cluster already");
    if (!script_number(s, s->words[1], &count)) return false;
    if (count < 1 || count > NODES_MAX) return script_fail(s, "1 to %u members", NODES_MAX);
    o.node_count = (uint32_t)count;
    for (uint32_t i = 2; i < s->word_count; i++) {
        if (strcmp(s->words[i], "idle") == 0)
            idle = true;
        else if (strcmp(s->words[i], "found") == 0)
            o.found = true;
        else if (!option(s, s->words[i], &o))
            return false;
    }
    cluster_init(&s->cluster, o);
    s->began = true;
    s->cluster.watch = script_watch;
    s->cluster.watch_ctx = s;
    for (uint64_t id = 1; id <= count && !idle; id++) start(s, id);
    return true;
}

static bool disk_log(struct script *s, uint64_t id, char *terms)
{
    char *rest;
    for (char *t = strtok_r(terms, ",", &rest); t; t = strtok_r(NULL, ",", &rest)) {
        uint64_t term;
        if (!script_number(s, t, &term)) return false;
        cluster_disk_entry(&s->cluster, id, term, "");
    }
    return true;
}

static bool do_disk(struct script *s)
{
    uint64_t id;
    if (!script_node(s, s->words[1], &id)) return false;
    struct cluster_disk *disk = &s->cluster.nodes[id].disk;
    if (s->cluster.nodes[id].raft) return script_fail(s, "it runs");
    for (uint32_t i = 2; i < s->word_count; i++) {
        char *word = s->words[i];
        bool good = false;
        if (strncmp(word, "term=", 5) == 0) good = script_number(s, word + 5, &disk->term);
        if (strncmp(word, "vote=", 5) == 0) good = script_node(s, word + 5, &disk->vote);
        if (strncmp(word, "log=", 4) == 0) good = disk_log(s, id, word + 4);
        if (!good) return script_fail(s, "%s is on no disk", word);
    }
    return true;
}

static bool do_start(struct script *s)
{
    for (uint32_t i = 1; i < s->word_count; i++) {
        uint64_t id;
        if (!script_node(s, s->words[i], &id)) return false;
        if (s->cluster.nodes[id].raft) return script_fail(s, "it runs");
        start(s, id);
        script_say_member(s, id);
    }
    return true;
}

static bool do_crash(struct script *s)
{
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    bool stored = s->word_count > 2 && strcmp(s->words[2], "stored") == 0;
    if (stored && !s->cluster.nodes[id].storing) return script_fail(s, "no store is under way");
    if (stored) cluster_store_reach(&s->cluster, id);
    cluster_crash(&s->cluster, id);
    script_say_member(s, id);
    return true;
}

/* --- time --- */

static bool do_time(struct script *s)
{
    uint64_t ms;
    if (!script_number(s, s->words[1], &ms)) return false;
    s->cluster.now_ms += ms;
    return true;
}

static bool do_tick(struct script *s)
{
    for (uint32_t i = 1; i < s->word_count; i++) {
        uint64_t id;
        if (!script_running(s, s->words[i], &id)) return false;
        cluster_tick(&s->cluster, id);
    }
    return true;
}

static bool do_timeout(struct script *s)
{
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    uint64_t deadline = raft_deadline_ms(s->cluster.nodes[id].raft);
    if (deadline == MS_TIME_NEVER) return script_fail(s, "it wants never to be woken");
    if (deadline > s->cluster.now_ms) s->cluster.now_ms = deadline;
    cluster_tick(&s->cluster, id);
    return true;
}

static bool do_wait(struct script *s)
{
    struct cluster *c = &s->cluster;
    uint64_t ms;
    if (!script_number(s, s->words[1], &ms) || !script_run_network(s)) return false;
    for (uint64_t end = c->now_ms + ms; c->now_ms < end;) {
        c->now_ms += end - c->now_ms < WAIT_STEP_MS ? end - c->now_ms : WAIT_STEP_MS;
        for (uint64_t id = 1; id <= NODES_MAX; id++) {
            const struct raft *r = c->nodes[id].raft;
            if (r && raft_deadline_ms(r) <= c->now_ms) cluster_tick(c, id);
        }
        if (!script_run_network(s)) return false;
    }
    return true;
}

/* --- the network --- */

static bool do_cut(struct script *s)
{
    uint64_t from, to;
    if (!script_link(s, s->words[1], &from, &to)) return false;
    for (uint64_t a = 1; a <= NODES_MAX; a++) {
        for (uint64_t b = 1; b <= NODES_MAX; b++) {
            bool meant = (from == 0 || a == from) && (to == 0 || b == to);
            if (meant) s->cluster.cut[a][b] = true;
        }
    }
    return true;
}

static bool do_partition(struct script *s)
{
    uint32_t group_of[NODES_MAX + 1] = { 0 }, group = 1;
    for (uint32_t i = 1; i < s->word_count; i++) {
        uint64_t id;
        if (strcmp(s->words[i], "|") == 0) {
            group++;
            continue;
        }
        if (!script_node(s, s->words[i], &id)) return false;
        group_of[id] = group;
    }
    for (uint64_t a = 1; a <= NODES_MAX; a++) {
        for (uint64_t b = 1; b <= NODES_MAX; b++) {
            bool apart = group_of[a] && group_of[b] && group_of[a] != group_of[b];
            if (apart) s->cluster.cut[a][b] = true;
        }
    }
    return true;
}

static bool do_heal(struct script *s)
{
    cluster_heal(&s->cluster);
    return true;
}

static bool do_link(struct script *s)
{
    struct raft_input in = { .kind = RAFT_INPUT_LINK };
    uint64_t id;
    if (!script_running(s, s->words[1], &id) || !script_node(s, s->words[2], &in.link.peer))
        return false;
    in.link.up = strcmp(s->words[3], "up") == 0;
    if (!in.link.up && strcmp(s->words[3], "down") != 0) return script_fail(s, "up or down");
    cluster_step(&s->cluster, id, &in);
    return true;
}

/* --- disks and applying by hand --- */

static bool set_manual(struct script *s, bool manual)
{
    uint64_t id;
    if (!script_node(s, s->words[1], &id)) return false;
    if (strcmp(s->words[2], "disk") == 0)
        s->nodes[id].manual_disk = manual;
    else if (strcmp(s->words[2], "apply") == 0)
        s->nodes[id].manual_apply = manual;
    else
        return script_fail(s, "disk or apply");
    if (!manual && s->cluster.nodes[id].raft) cluster_store_end(&s->cluster, id);
    return true;
}

static bool do_manual(struct script *s)
{
    return set_manual(s, true);
}

static bool do_instant(struct script *s)
{
    return set_manual(s, false);
}

static bool do_store(struct script *s)
{
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    cluster_store(&s->cluster, id);
    return true;
}

static bool do_store_begin(struct script *s)
{
    char vote[16] = "none", entries[64] = "";
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    if (!cluster_store_begin(&s->cluster, id)) return script_fail(s, "nothing to store, or storing");
    const struct raft_store *store = &s->cluster.nodes[id].store;
    if (store->vote) snprintf(vote, sizeof vote, "n%d", (int)store->vote);
    if (store->first_index <= store->last_index) {
        snprintf(entries, sizeof entries, ", entries %d to %d", (int)store->first_index,
                 (int)store->last_index);
    }
    script_say(s, "n%d stores term %d, vote %s%s", (int)id, (int)store->term, vote, entries);
    return true;
}

static bool do_store_end(struct script *s)
{
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    if (!s->cluster.nodes[id].storing) return script_fail(s, "no store is under way");
    cluster_store_end(&s->cluster, id);
    return true;
}

static bool do_apply(struct script *s)
{
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    cluster_apply(&s->cluster, id);
    return true;
}

/* --- requests --- */

static bool propose(struct script *s, uint64_t id, const char *word)
{
    uint64_t bytes;
    if (strncmp(word, "bytes=", 6) != 0) {
        cluster_propose(&s->cluster, id, word);
        return true;
    }
    if (!script_number(s, word + 6, &bytes)) return false;
    if (bytes > MS_TXN_BYTES_MAX) return script_fail(s, "no entry is that large");
    cluster_propose_bytes(&s->cluster, id, bytes);
    return true;
}

static bool do_propose(struct script *s)
{
    uint64_t id, times = 1;
    uint32_t end = s->word_count;
    if (!script_running(s, s->words[1], &id)) return false;
    if (strncmp(s->words[end - 1], "times=", 6) == 0) {
        if (!script_number(s, s->words[--end] + 6, &times)) return false;
    }
    for (uint64_t n = 0; n < times; n++) {
        for (uint32_t i = 2; i < end; i++) {
            if (raft_last_index(s->cluster.nodes[id].raft) + 2 >= INDEX_MAX)
                return script_fail(s, "the log is too long");
            if (!propose(s, id, s->words[i])) return false;
        }
    }
    return true;
}

static bool do_read(struct script *s)
{
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    cluster_read(&s->cluster, id);
    return true;
}

static bool change_set(struct script *s, uint64_t id, enum entry_change what)
{
    uint32_t members = 0;
    for (uint32_t i = 3; i < s->word_count; i++) {
        uint64_t member;
        if (!script_node(s, s->words[i], &member)) return false;
        members |= 1u << member;
    }
    cluster_change_set(&s->cluster, id, what, members);
    return true;
}

static bool change_one(struct script *s, uint64_t id, enum entry_change what)
{
    uint64_t member;
    if (s->word_count < 4) return script_fail(s, "whom?");
    if (!script_node(s, s->words[3], &member)) return false;
    cluster_change(&s->cluster, id, what, member);
    return true;
}

static bool change_lease(struct script *s, uint64_t id)
{
    bool on = s->word_count == 4 && strcmp(s->words[3], "on") == 0;
    if (!on && (s->word_count < 4 || strcmp(s->words[3], "off") != 0))
        return script_fail(s, "on or off");
    cluster_change(&s->cluster, id, ENTRY_CHANGE_LEASE, on);
    return true;
}

static bool do_change(struct script *s)
{
    static const char *const names[] = { "",    "add",       "remove", "promote", "force-remove",
                                         "set", "force-set", "lease",  "exchange" };
    uint64_t id;
    enum entry_change what = 0;
    if (!script_running(s, s->words[1], &id)) return false;
    for (uint32_t i = 1; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(s->words[2], names[i]) == 0) what = (enum entry_change)i;
    }
    switch (what) {
    case ENTRY_CHANGE_ADD:
    case ENTRY_CHANGE_REMOVE:
    case ENTRY_CHANGE_PROMOTE:
    case ENTRY_CHANGE_REMOVE_FORCED: return change_one(s, id, what);
    case ENTRY_CHANGE_SET:
    case ENTRY_CHANGE_SET_FORCED: return change_set(s, id, what);
    case ENTRY_CHANGE_LEASE: return change_lease(s, id);
    case ENTRY_CHANGE_EXCHANGE: cluster_change(&s->cluster, id, what, 0); return true;
    }
    return script_fail(s, "%s is no change", s->words[2]);
}

static bool do_transfer(struct script *s)
{
    uint64_t id, to = 0;
    if (!script_running(s, s->words[1], &id)) return false;
    if (s->word_count > 2 && !script_node(s, s->words[2], &to)) return false;
    cluster_transfer(&s->cluster, id, to);
    return true;
}

static bool do_abstain(struct script *s)
{
    struct raft_input in = { .kind = RAFT_INPUT_ABSTAIN };
    uint64_t id;
    if (!script_running(s, s->words[1], &id)) return false;
    in.abstain = strcmp(s->words[2], "on") == 0;
    if (!in.abstain && strcmp(s->words[2], "off") != 0) return script_fail(s, "on or off");
    cluster_step(&s->cluster, id, &in);
    return true;
}

static bool do_compact(struct script *s)
{
    uint64_t id, index;
    if (!script_running(s, s->words[1], &id) || !script_number(s, s->words[2], &index)) return false;
    if (s->cluster.nodes[id].storing) return script_fail(s, "a store is under way");
    cluster_compact(&s->cluster, id, index);
    return true;
}

/* --- what is said --- */

static bool do_trace(struct script *s)
{
    static const char *const names[] = { "all", "states", "off" };
    for (uint32_t i = SCRIPT_TRACE_ALL; i <= SCRIPT_TRACE_OFF; i++) {
        if (strcmp(s->words[1], names[i]) != 0) continue;
        s->level = (enum script_level)i;
        return true;
    }
    return script_fail(s, "all, states or off");
}

static bool do_show(struct script *s)
{
    for (uint64_t id = 1; id <= NODES_MAX && s->word_count == 1; id++) {
        if (s->cluster.nodes[id].raft) script_say_member(s, id);
    }
    for (uint32_t i = 1; i < s->word_count; i++) {
        uint64_t id;
        if (!script_node(s, s->words[i], &id)) return false;
        script_say_member(s, id);
    }
    return true;
}

static bool do_config(struct script *s)
{
    for (uint32_t i = 1; i < s->word_count; i++) {
        uint64_t id;
        if (!script_running(s, s->words[i], &id)) return false;
        script_say_config(s, id);
    }
    return true;
}

static const struct {
    const char *name;
    uint32_t word_count; /* at least, with the name */
    bool (*carry_out)(struct script *s);
} commands[] = {
    { "cluster", 2, do_cluster },
    { "disk", 3, do_disk },
    { "start", 2, do_start },
    { "crash", 2, do_crash },
    { "time", 2, do_time },
    { "tick", 2, do_tick },
    { "timeout", 2, do_timeout },
    { "run", 1, script_run_network },
    { "wait", 2, do_wait },
    { "deliver", 1, script_deliver },
    { "drop", 1, script_drop },
    { "duplicate", 1, script_duplicate },
    { "hold", 2, script_hold },
    { "release", 1, script_release },
    { "cut", 2, do_cut },
    { "partition", 4, do_partition },
    { "heal", 1, do_heal },
    { "link", 4, do_link },
    { "manual", 3, do_manual },
    { "instant", 3, do_instant },
    { "store", 2, do_store },
    { "store-begin", 2, do_store_begin },
    { "store-end", 2, do_store_end },
    { "apply", 2, do_apply },
    { "propose", 3, do_propose },
    { "read", 2, do_read },
    { "change", 3, do_change },
    { "transfer", 2, do_transfer },
    { "abstain", 3, do_abstain },
    { "compact", 3, do_compact },
    { "trace", 2, do_trace },
    { "show", 1, do_show },
    { "config", 2, do_config },
};

bool script_command(struct script *s)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(s->words[0], commands[i].name) != 0) continue;
        if (s->word_count < commands[i].word_count) return script_fail(s, "a word is missing");
        if (!s->began && commands[i].carry_out != do_cluster)
            return script_fail(s, "cluster comes first");
        return commands[i].carry_out(s) && script_settle(s);
    }
    return script_fail(s, "%s is no command", s->words[0]);
}
