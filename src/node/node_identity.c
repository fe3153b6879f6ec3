/* node_identity.c: handshakes: what this member says of itself, and how it judges others (DESIGN 4).
 * Zero means "not known yet"; any other difference is refused. */
#include <stdio.h>

#include "node/node_private.h"

static bool is_zero(const uint8_t id[MS_UUID_BYTES])
{
    static const uint8_t zero[MS_UUID_BYTES];
    return memcmp(id, zero, MS_UUID_BYTES) == 0;
}

/* As which member this directory took part. After a restart the log may know it before anything of it
 * is applied; but only of a directory that took part: the log of one that catches up may speak of an
 * earlier life of its id. */
static uint64_t own_added_index(const struct node *n)
{
    const struct config_member *applied = config_find(&n->info.config, n->opts.id);
    const struct config_member *logged = config_find(raft_config(n->raft), n->opts.id);
    if (applied && n->info.config_index) return applied->added_index;
    bool took_part = n->store.state.flags & (WAL_FLAG_ATTACHED | WAL_FLAG_GATE_PASSED);
    return took_part && logged ? logged->added_index : 0;
}

void node_identity(const struct node *n, struct node_identity *out)
{
    *out = (struct node_identity){ .member_id = n->opts.id };
    out->added_index = own_added_index(n);
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

static int judge_membership(const struct node *n, const struct node_identity *peer, char *why,
                            size_t why_cap)
{
    unsigned long long id = peer->member_id;
    if (n->info.config_index == 0) { /* nothing applied yet: only --cluster tells */
        if (n->opts.join || config_find(&n->cluster, peer->member_id)) return 0;
        if (config_find(raft_config(n->raft), peer->member_id)) return 0;
        snprintf(why, why_cap, "member %llu is not in the --cluster list of member %llu", id,
                 (unsigned long long)n->opts.id);
        return MS_EFOREIGN;
    }
    const struct config_member *m = config_find(&n->info.config, peer->member_id);
    if (m && (peer->added_index == 0 || peer->added_index >= m->added_index)) return 0;
    if (peer->added_index != 0 && peer->added_index <= n->info.applied_index) {
        snprintf(why, why_cap, "member %llu, as added at index %llu, was removed from the cluster", id,
                 (unsigned long long)peer->added_index);
        return MS_EREMOVED;
    }
    if (config_find(raft_config(n->raft), peer->member_id)) return 0;
    snprintf(why, why_cap, "member %llu is not in the configuration: add it with POST /%llu", id, id);
    return MS_EFOREIGN;
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
    if (!is_zero(own) && !is_zero(peer->cluster_uuid) &&
        memcmp(own, peer->cluster_uuid, MS_UUID_BYTES) != 0) {
        snprintf(why, why_cap, "member %llu belongs to another cluster",
                 (unsigned long long)peer->member_id);
        return MS_EFOREIGN;
    }
    int rv = judge_membership(n, peer, why, why_cap);
    if (rv < 0) return rv;
    const struct config_member *m = config_find(&n->info.config, peer->member_id);
    const struct kv_binding *b = m ? node_binding(n, m->id, m->added_index) : NULL;
    if (b && memcmp(b->nonce, peer->nonce, MS_UUID_BYTES) != 0) {
        snprintf(why, why_cap,
                 "member %llu comes with another data directory than the cluster knows (lost disk?): "
                 "DELETE /%llu, then add it anew",
                 (unsigned long long)peer->member_id, (unsigned long long)peer->member_id);
        return MS_EFOREIGN;
    }
    if (!b && !is_zero(peer->nonce)) note_nonce(n, peer);
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
    return count;
}
