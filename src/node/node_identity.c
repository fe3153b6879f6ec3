/* node_identity.c: handshakes: what this member says of itself, and how it judges others (DESIGN 4).
 * Zero means "not known yet"; any other difference is refused. */
#include <stdio.h>

#include "node/node_private.h"

static bool is_zero(const uint8_t id[MS_UUID_BYTES])
{
    static const uint8_t zero[MS_UUID_BYTES];
    return memcmp(id, zero, MS_UUID_BYTES) == 0;
}

static const char *own_url(const struct node *n)
{
    const struct config *sources[] = { raft_config(n->raft), &n->info.config, &n->cluster };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        const struct config_member *self = config_find(sources[i], n->opts.id);
        if (self) return self->url;
    }
    return "";
}

/* added_index is what is written down of this directory, never what the log says of its id: the log of
 * one that catches up speaks of earlier lives of the id. */
void node_identity(const struct node *n, struct node_identity *out)
{
    *out = (struct node_identity){ .member_id = n->opts.id };
    out->added_index = n->store.state.added_index;
    snprintf(out->url, sizeof out->url, "%s", own_url(n));
    memcpy(out->cluster_uuid, n->store.state.cluster_uuid, MS_UUID_BYTES);
    memcpy(out->nonce, n->nonce, MS_UUID_BYTES);
}

/* Remember the data directory of a member that is not bound yet, so that as a leader we can attach it.
 */
static void note_nonce(struct node *n, const struct node_identity *peer)
{
    uint32_t i = 0;
    while (i < n->nonce_count && n->nonces[i].member_id != peer->member_id) i++;
    if (i == MS_MEMBERS_MAX) i = 0; /* more ids than members: the oldest notes matter least */
    n->nonces[i].member_id = peer->member_id;
    memcpy(n->nonces[i].nonce, peer->nonce, MS_UUID_BYTES);
    if (i == n->nonce_count) n->nonce_count++;
}

/* A peer outside of the configuration that was applied here: this member is behind, and has to be able to
 * answer. That the newest one in the log has it does not help: that may be rolled back. The one that was heard least
 * recently makes room. */
static void note_guest(struct node *n, const struct node_identity *peer)
{
    uint32_t at = 0;
    if (config_find(&n->info.config, peer->member_id) || peer->url[0] == 0) return;
    for (uint32_t i = 0; i < NODE_GUESTS_MAX; i++) {
        if (n->guests[i].until_ms < n->guests[at].until_ms) at = i;
    }
    for (uint32_t i = 0; i < NODE_GUESTS_MAX; i++) {
        if (n->guests[i].peer.id == peer->member_id) at = i;
    }
    n->guests[at].peer.id = peer->member_id;
    memcpy(n->guests[at].peer.url, peer->url, sizeof peer->url);
    n->guests[at].until_ms = n->now_ms + NODE_GUEST_MS;
    n->host.peers_changed(n->host.ctx);
}

void node_guest_heard(struct node *n, uint64_t id)
{
    for (uint32_t i = 0; i < NODE_GUESTS_MAX; i++) {
        if (n->guests[i].peer.id == id) n->guests[i].until_ms = n->now_ms + NODE_GUEST_MS;
    }
}

static int judge_membership(const struct node *n, const struct node_identity *peer, bool same_cluster,
                            char *why, size_t why_cap)
{
    unsigned long long id = peer->member_id;
    const struct config_member *m = config_find(&n->info.config, peer->member_id);
    if (same_cluster && peer->added_index > n->info.applied_index)
        return 0;                    /* it knows more than this one */
    if (n->info.config_index == 0) { /* nothing applied yet: only --cluster tells */
        /* One that has found a running cluster waits for it like one that was told to join: the leader
         * may be a member that its command line does not know. */
        if (n->opts.join || n->gate.closed || config_find(&n->cluster, peer->member_id)) return 0;
        if (config_find(raft_config(n->raft), peer->member_id)) return 0;
        snprintf(why, why_cap, "member %llu is not in the --cluster list of member %llu", id,
                 (unsigned long long)n->opts.id);
        return MS_EFOREIGN;
    }
    if (m && (peer->added_index == 0 || peer->added_index >= m->added_index)) return 0;
    if (same_cluster && peer->added_index != 0) {
        snprintf(why, why_cap, "member %llu, as added at index %llu, was removed from the cluster", id,
                 (unsigned long long)peer->added_index);
        return MS_EREMOVED;
    }
    if (config_find(raft_config(n->raft), peer->member_id)) return 0;
    snprintf(why, why_cap, "member %llu is not in the configuration: add it with POST /%llu", id, id);
    return MS_EFOREIGN;
}

/* Whether its data directory is another one than the cluster knows. A life of the id that is not known
 * here yet has a binding of its own. */
static bool is_other_directory(const struct node *n, const struct node_identity *peer)
{
    const struct config_member *m = config_find(&n->info.config, peer->member_id);
    if (!m || (peer->added_index != 0 && peer->added_index != m->added_index)) return false;
    const struct kv_binding *b = node_binding(n, m->id, m->added_index);
    return b && memcmp(b->nonce, peer->nonce, MS_UUID_BYTES) != 0;
}

static bool is_bound(const struct node *n, uint64_t id)
{
    const struct config_member *m = config_find(&n->info.config, id);
    return m && node_binding(n, id, m->added_index);
}

/* Of a cluster that this member does not know to be its own yet, only because it has nothing applied: a founder
 * whose log was never written. It takes the word of members of --cluster, so that one which was added since may
 * lead it. */
static bool is_of_listed(const struct node *n, const uint8_t uuid[MS_UUID_BYTES])
{
    return is_zero(n->store.state.cluster_uuid) && !is_zero(uuid) &&
           memcmp(n->gate.cluster_uuid, uuid, MS_UUID_BYTES) == 0;
}

int node_judge_peer(struct node *n, uint64_t now_ms, const struct node_identity *peer, char *why,
                    size_t why_cap)
{
    n->now_ms = now_ms;
    if (peer->member_id == n->opts.id) {
        snprintf(why, why_cap, "this is member %llu itself", (unsigned long long)peer->member_id);
        return MS_EFOREIGN;
    }
    const uint8_t *own = n->store.state.cluster_uuid;
    bool both_known = !is_zero(own) && !is_zero(peer->cluster_uuid);
    bool same_cluster = both_known && memcmp(own, peer->cluster_uuid, MS_UUID_BYTES) == 0;
    if (both_known && !same_cluster) {
        snprintf(why, why_cap, "member %llu belongs to another cluster",
                 (unsigned long long)peer->member_id);
        return MS_EFOREIGN;
    }
    if (!is_zero(peer->cluster_uuid)) node_gate_close(n, peer->member_id);
    same_cluster |= is_of_listed(n, peer->cluster_uuid);
    int rv = judge_membership(n, peer, same_cluster, why, why_cap);
    if (rv < 0) return rv;
    if (is_other_directory(n, peer)) {
        snprintf(why, why_cap,
                 "member %llu comes with another data directory than the cluster knows (lost disk?): "
                 "DELETE /%llu, then add it anew",
                 (unsigned long long)peer->member_id, (unsigned long long)peer->member_id);
        return MS_EFOREIGN;
    }
    if (!is_zero(peer->cluster_uuid) && config_find(&n->cluster, peer->member_id))
        memcpy(n->gate.cluster_uuid, peer->cluster_uuid, MS_UUID_BYTES);
    if (!is_bound(n, peer->member_id) && !is_zero(peer->nonce)) note_nonce(n, peer);
    note_guest(n, peer);
    return 0;
}

void node_on_removed(struct node *n, uint64_t now_ms, uint64_t by)
{
    char reason[NODE_WHY_BYTES];
    n->now_ms = now_ms;
    if (n->failed) return;
    snprintf(reason, sizeof reason, "member %llu says that this member was removed from the cluster",
             (unsigned long long)by);
    node_mark_removed(n, reason);
}

static void add_peer(struct node_peer *out, uint32_t *count, uint64_t id, const char *url)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (out[i].id == id) return;
    }
    if (*count == MS_MEMBERS_MAX) return;
    out[*count].id = id;
    memcpy(out[*count].url, url, strlen(url) + 1);
    (*count)++;
}

/* The configuration in force first, then what is applied, then who has just left; --cluster only while
 * nothing else is known (data that exists wins, DESIGN 4). */
uint32_t node_peers(const struct node *n, struct node_peer *out)
{
    const struct config *sources[] = { raft_config(n->raft), &n->info.config, &n->cluster };
    uint32_t count = 0;
    bool known = raft_config(n->raft)->member_count > 0 || n->info.config.member_count > 0;
    for (uint32_t s = 0; s < (known ? 2u : 3u); s++) {
        for (uint32_t i = 0; i < sources[s]->member_count; i++) {
            const struct config_member *m = &sources[s]->members[i];
            if (m->id != n->opts.id) add_peer(out, &count, m->id, m->url);
        }
    }
    for (uint32_t i = 0; i < n->departed_count; i++) {
        add_peer(out, &count, n->departed[i].peer.id, n->departed[i].peer.url);
    }
    for (uint32_t i = 0; i < NODE_GUESTS_MAX; i++) {
        const struct node_departed *g = &n->guests[i];
        if (g->until_ms > n->now_ms) add_peer(out, &count, g->peer.id, g->peer.url);
    }
    return count;
}
