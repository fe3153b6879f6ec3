/* member_status.c: what this member tells about itself and its cluster: GET /status, /_/members,
 * /_/settings. A picture of this member alone, taken without asking anybody; no part of it is
 * linearizable. */
#include <stdio.h>

#include "member/member_private.h"

static const char *storage_name(enum node_storage storage)
{
    return storage == NODE_STORAGE_ROCKSDB ? "rocksdb" : "memory";
}

/* A JSON string (RFC 8259, 7). */
static void json_text(struct buf *out, const char *text)
{
    buf_append_u8(out, '"');
    for (const char *p = text; *p; p++) {
        unsigned char ch = (unsigned char)*p;
        if (ch == '"' || ch == '\\')
            buf_append_text(out, "\\%c", ch);
        else if (ch < 0x20)
            buf_append_text(out, "\\u%04x", ch);
        else
            buf_append_u8(out, ch);
    }
    buf_append_u8(out, '"');
}

static void json_number(struct buf *out, const char *name, uint64_t value)
{
    buf_append_text(out, "  \"%s\": %llu,\n", name, (unsigned long long)value);
}

static void json_bool(struct buf *out, const char *name, bool value)
{
    buf_append_text(out, "  \"%s\": %s,\n", name, value ? "true" : "false");
}

static void json_string(struct buf *out, const char *name, const char *value)
{
    buf_append_text(out, "  \"%s\": ", name);
    if (value)
        json_text(out, value);
    else
        buf_append_text(out, "null");
    buf_append_text(out, ",\n");
}

static void json_uuid(struct buf *out, const char *name, const uint8_t uuid[MS_UUID_BYTES])
{
    char hex[2 * MS_UUID_BYTES + 1];
    uint8_t any = 0;
    for (int i = 0; i < MS_UUID_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", uuid[i]);
        any |= uuid[i];
    }
    json_string(out, name, any ? hex : NULL); /* zero: not known yet (DESIGN 4) */
}

static const char *link_name(const struct member *m, uint64_t id)
{
    if (id == m->opts.node.id) return "self";
    const struct link *l = links_find(m, id);
    return l && l->state == LINK_UP ? "up" : "down";
}

/* What the other side has said, where it is that keeps the link down: a lost disk, another cluster. */
static void json_refusal(const struct member *m, struct buf *out, uint64_t id)
{
    const struct link *l = links_find(m, id);
    if (!l || !l->why[0]) return;
    buf_append_text(out, ", \"refused\": ");
    json_text(out, l->why);
}

/* As a list; indent: of its lines. links: say what the own link to each is, too. */
static void json_members(struct member *m, struct buf *out, const struct config *c, const char *indent,
                         bool links)
{
    buf_append_u8(out, '[');
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *member = &c->members[i];
        buf_append_text(out, "%s\n%s  {\"id\": %llu, \"url\": ", i ? "," : "", indent,
                        (unsigned long long)member->id);
        json_text(out, member->url);
        buf_append_text(out, ", \"role\": \"%s\"", config_part_name(member->roles));
        if (links) buf_append_text(out, ", \"link\": \"%s\"", link_name(m, member->id));
        if (links) json_refusal(m, out, member->id);
        buf_append_u8(out, '}');
    }
    buf_append_text(out, "%s%s]\n", c->member_count ? "\n" : "", c->member_count ? indent : "");
}

void members_json(struct member *m, struct buf *out)
{
    struct node_status s;
    node_status(m->node, &s);
    json_members(m, out, &s.config, "", false);
}

/* As POST /_/settings takes it. */
void settings_json(struct member *m, struct buf *out)
{
    struct node_status s;
    node_status(m->node, &s);
    buf_append_text(out, "{\"lease_reads\": %s}\n", s.lease_ms ? "true" : "false");
}

static void json_indexes(struct buf *out, const struct node_status *s)
{
    json_number(out, "commit_index", s->commit_index);
    json_number(out, "applied_index", s->applied_index);
    json_number(out, "last_index", s->last_index);
    json_number(out, "durable_index", s->durable_index);
    json_number(out, "snapshot_index", s->snapshot_index);
    json_number(out, "log_bytes", s->log_bytes);
    json_number(out, "revision", s->revision);
    json_number(out, "compacted_revision", s->compacted_revision);
    json_number(out, "keys", s->key_count);
    buf_append_text(out, "  \"digest\": \"%016llx%016llx\",\n", (unsigned long long)s->digest.hi,
                    (unsigned long long)s->digest.lo);
}

static void json_id(struct buf *out, const char *name, uint64_t id)
{
    if (id)
        json_number(out, name, id);
    else
        json_string(out, name, NULL);
}

/* Where the leadership is going, why it went, and what reads rest on. */
static void json_leadership(struct buf *out, const struct node_status *s)
{
    json_id(out, "transfer_target", s->transfer_target);
    json_bool(out, "disk_stalled", s->disk_stalled);
    json_number(out, "stall_transfers", s->stall_transfers);
    json_bool(out, "lease_reads", s->lease_ms != 0);
    json_number(out, "lease_ms", s->lease_ms);
    json_bool(out, "lease_held", s->lease_held);
}

static void json_space(struct buf *out, const struct node_status *s)
{
    json_bool(out, "disk_full", s->disk_full);
    if (s->disk_free_bytes == UINT64_MAX)
        json_string(out, "disk_free_bytes", NULL);
    else
        json_number(out, "disk_free_bytes", s->disk_free_bytes);
    json_bool(out, "quorum_full", s->quorum_full);
    json_number(out, "space_transfers", s->space_transfers);
}

static void json_counters(struct buf *out, const struct member *m)
{
    json_number(out, "clients", m->slots.count);
    json_number(out, "clients_refused", m->counters.clients_refused);
    json_number(out, "hellos_refused", m->counters.hellos_refused);
    json_number(out, "frames_corrupt", m->counters.frames_corrupt);
    json_number(out, "frames_dropped", m->counters.frames_dropped);
}

void status_json(struct member *m, struct buf *out)
{
    struct node_status s;
    node_status(m->node, &s);
    buf_append_text(out, "{\n");
    json_number(out, "id", s.id);
    json_uuid(out, "cluster", s.cluster_uuid);
    json_string(out, "storage", storage_name(s.storage));
    json_string(out, "role", s.learner ? "learner" : raft_role_name(s.role));
    json_number(out, "term", s.term);
    json_id(out, "leader", s.leader);
    json_bool(out, "ready", s.ready);
    json_bool(out, "quorum_contact", s.has_quorum_contact);
    json_bool(out, "abstains", s.abstains);
    json_string(out, "abstain_reason", s.abstain_reason);
    json_leadership(out, &s);
    json_space(out, &s);
    json_indexes(out, &s);
    json_counters(out, m);
    buf_append_text(out, "  \"members\": ");
    json_members(m, out, &s.config, "  ", true);
    buf_append_text(out, "}\n");
}
