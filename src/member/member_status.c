/* member_status.c: what this member tells about itself and its cluster: GET /status, /_/members,
 * /_/settings. A picture of this member alone, taken without asking anybody; no part of it is
 * linearizable. */
#include <stdio.h>

#include "member/member_private.h"

const char *storage_name(enum node_storage storage)
{
    return storage == NODE_STORAGE_ROCKSDB ? "rocksdb" : "memory";
}

/* Zero: not known yet (DESIGN 4). */
static void json_uuid(struct json_write *w, const char *name, const uint8_t uuid[MS_UUID_BYTES])
{
    static const uint8_t zero[MS_UUID_BYTES];
    if (memcmp(uuid, zero, MS_UUID_BYTES) == 0)
        json_field_null(w, name);
    else
        json_field_hex(w, name, bytes_of(uuid, MS_UUID_BYTES));
}

static const char *link_name(const struct member *m, uint64_t id)
{
    if (id == m->opts.node.id) return "self";
    const struct link *l = links_find(m, id);
    return l && l->state == LINK_UP ? "up" : "down";
}

static void json_member(struct member *m, struct json_write *w, const struct config_member *member,
                        bool links)
{
    const struct link *l = links ? links_find(m, member->id) : NULL;
    json_object_begin(w);
    json_field_u64(w, "id", member->id);
    json_field_text(w, "url", member->url);
    json_field_text(w, "role", config_part_name(member->roles));
    if (links) json_field_text(w, "link", link_name(m, member->id));
    /* What the other side has said, where it is that keeps the link down: a lost disk, another cluster. */
    if (l && l->why[0]) json_field_text(w, "refused", l->why);
    json_object_end(w);
}

/* links: say what the own link to each is, too. */
static void json_members(struct member *m, struct json_write *w, const struct config *c, bool links)
{
    json_list_begin(w);
    for (uint32_t i = 0; i < c->member_count; i++) json_member(m, w, &c->members[i], links);
    json_list_end(w);
}

void members_json(struct member *m, struct buf *out)
{
    struct json_write w;
    struct node_status s;
    node_status(m->node, &s);
    json_write_init(&w, out, 1);
    json_members(m, &w, &s.config, false);
    buf_append_u8(out, '\n');
}

/* As POST /_/settings takes it. */
void settings_json(struct member *m, struct buf *out)
{
    struct json_write w;
    struct node_status s;
    node_status(m->node, &s);
    json_write_init(&w, out, 0);
    json_object_begin(&w);
    json_field_bool(&w, "lease_reads", s.lease_ms != 0);
    json_object_end(&w);
    buf_append_u8(out, '\n');
}

static void json_indexes(struct json_write *w, const struct node_status *s)
{
    char digest[33];
    json_field_u64(w, "commit_index", s->commit_index);
    json_field_u64(w, "applied_index", s->applied_index);
    json_field_u64(w, "last_index", s->last_index);
    json_field_u64(w, "durable_index", s->durable_index);
    json_field_u64(w, "snapshot_index", s->snapshot_index);
    json_field_u64(w, "log_bytes", s->log_bytes);
    json_field_u64(w, "revision", s->revision);
    json_field_u64(w, "compacted_revision", s->compacted_revision);
    json_field_u64(w, "keys", s->key_count);
    json_field_u64(w, "leases", s->lease_count);
    snprintf(digest, sizeof digest, "%016llx%016llx", (unsigned long long)s->digest.hi,
             (unsigned long long)s->digest.lo);
    json_field_text(w, "digest", digest);
}

static void json_id(struct json_write *w, const char *name, uint64_t id)
{
    if (id)
        json_field_u64(w, name, id);
    else
        json_field_null(w, name);
}

/* Where the leadership is going, why it went, and what reads rest on. */
static void json_leadership(struct json_write *w, const struct node_status *s)
{
    json_id(w, "transfer_target", s->transfer_target);
    json_field_bool(w, "disk_stalled", s->disk_stalled);
    json_field_u64(w, "stall_transfers", s->stall_transfers);
    json_field_bool(w, "lease_reads", s->lease_ms != 0);
    json_field_u64(w, "lease_ms", s->lease_ms);
    json_field_bool(w, "lease_held", s->lease_held);
}

static void json_space(struct json_write *w, const struct node_status *s)
{
    json_field_bool(w, "disk_full", s->disk_full);
    if (s->disk_free_bytes == UINT64_MAX)
        json_field_null(w, "disk_free_bytes");
    else
        json_field_u64(w, "disk_free_bytes", s->disk_free_bytes);
    json_field_bool(w, "quorum_full", s->quorum_full);
    json_field_u64(w, "space_transfers", s->space_transfers);
}

static void json_counters(struct json_write *w, const struct member *m)
{
    json_field_u64(w, "clients", m->slots.count);
    json_field_u64(w, "clients_refused", m->counters.clients_refused);
    json_field_u64(w, "hellos_refused", m->counters.hellos_refused);
    json_field_u64(w, "frames_corrupt", m->counters.frames_corrupt);
    json_field_u64(w, "frames_dropped", m->counters.frames_dropped);
}

/* Of the process and its engine; left out where nothing is measured. */
static void json_measured(struct json_write *w, const struct member *m)
{
    struct member_measured p = { 0 };
    if (!m->env.host.measure) return;
    m->env.host.measure(m->env.host.ctx, &p);
    json_field_u64(w, "engine_bytes", p.engine.content_bytes);
    json_field_u64(w, "resident_bytes", p.resident_bytes);
    json_field_u64(w, "started_unix_s", p.started_s);
}

void status_json(struct member *m, struct buf *out)
{
    struct json_write w;
    struct node_status s;
    node_status(m->node, &s);
    json_write_init(&w, out, 2);
    json_object_begin(&w);
    json_field_u64(&w, "id", s.id);
    json_uuid(&w, "cluster", s.cluster_uuid);
    json_field_text(&w, "storage", storage_name(s.storage));
    json_field_text(&w, "role", s.learner ? "learner" : raft_role_name(s.role));
    json_field_u64(&w, "term", s.term);
    json_id(&w, "leader", s.leader);
    json_field_bool(&w, "ready", s.ready);
    json_field_bool(&w, "quorum_contact", s.has_quorum_contact);
    json_field_bool(&w, "abstains", s.abstains);
    json_field_text(&w, "abstain_reason", s.abstain_reason);
    json_leadership(&w, &s);
    json_space(&w, &s);
    json_indexes(&w, &s);
    json_field_text(&w, "version", m->opts.version);
    json_measured(&w, m);
    json_counters(&w, m);
    json_name(&w, "members");
    json_members(m, &w, &s.config, true);
    json_object_end(&w);
    buf_append_u8(out, '\n');
}
