#include "rt/rt_wal_line.h"

#include <stdio.h>

#include "base/ms_err.h"
#include "format/config.h"
#include "format/entry_lease.h"
#include "format/json_write.h"
#include "kv/kv_cmd.h"

static unsigned long long number(uint64_t v)
{
    return (unsigned long long)v; /* what %llu takes */
}

/* --- words --- */

static const char *fate_name(enum wal_fate fate)
{
    switch (fate) {
    case WAL_FATE_LIVE: return "live";
    case WAL_FATE_SUPERSEDED: return "superseded";
    case WAL_FATE_CUT: return "cut";
    case WAL_FATE_NONE: break;
    }
    return "";
}

static const char *record_name(uint8_t type)
{
    static const char *const names[] = { [WAL_RECORD_ENTRY] = "entry",
                                         [WAL_RECORD_STATE] = "state",
                                         [WAL_RECORD_BASE] = "base",
                                         [WAL_RECORD_RESET] = "reset" };
    return names[type]; /* recovery takes no others */
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[ENTRY_KIND_MAX + 1] = {
        "",
        "noop",
        "init",
        "config", /* as in enum entry_kind */
        "attach",
        "txn",
        "compact",
        "digest",
        "lease-grant",
        "lease-revoke",
        "lease-renew",
        "lease-checkpoint",
    };
    return kind <= ENTRY_KIND_MAX ? names[kind] : "";
}

static const char *op_name(enum kv_op_kind kind)
{
    static const char *const names[] = { "", "put", "delete", "range", "txn" };
    return names[kind];
}

static const char *target_name(enum kv_compare_target target)
{
    static const char *const names[] = { "version", "create_revision", "mod_revision", "value",
                                         "lease" };
    return names[target];
}

static const char *result_name(enum kv_compare_result result)
{
    static const char *const names[] = { "=", ">", "<", "!=" };
    return names[result];
}

/* --- pieces --- */

static void put_key(struct buf *out, struct bytes key, bool json)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = !json && key.len > RT_WAL_LINE_KEY_BYTES_MAX ? RT_WAL_LINE_KEY_BYTES_MAX : key.len;
    for (size_t i = 0; i < len; i++) {
        uint8_t ch = key.data[i];
        uint8_t escaped[3] = { '%', (uint8_t)hex[ch >> 4], (uint8_t)hex[ch & 15] };
        bool plain = ch > ' ' && ch < 0x7f && ch != '%' && ch != '"' && ch != '\\';
        if (plain)
            buf_append_u8(out, ch);
        else
            buf_append(out, escaped, sizeof escaped);
    }
    if (len < key.len) buf_append_text(out, "...(%zu bytes)", key.len);
}

static void put_uuid(struct buf *out, const uint8_t *uuid)
{
    for (unsigned i = 0; i < MS_UUID_BYTES; i++) buf_append_text(out, "%02x", uuid[i]);
}

static bool is_zero(const uint8_t *uuid)
{
    static const uint8_t zero[MS_UUID_BYTES];
    return memcmp(uuid, zero, MS_UUID_BYTES) == 0;
}

/* --- the bodies of entries --- */

struct body {
    uint8_t uuid[MS_UUID_BYTES]; /* INIT, ATTACH: the nonce */
    struct config config;        /* INIT, CONFIG */
    uint64_t number, added_index;
    uint32_t lease_count; /* LEASE_RENEW, LEASE_CHECKPOINT */
    struct entry_lease_grant grant;
    struct entry_lease_revoke revoke;
    struct kv_cmd cmd; /* TXN; LEASE_GRANT: if it has one */
};

static int config_read(struct bytes_reader *in, uint64_t index, struct config *out)
{
    int rv = config_decode(in, out);
    if (rv < 0) return rv;
    config_resolve(out, index);
    return 0;
}

static int grant_decode(const struct entry *e, struct body *out)
{
    int rv = entry_lease_grant_decode(e->body, &out->grant);
    if (rv < 0 || out->grant.command.len == 0) return rv;
    return kv_cmd_decode(out->grant.command, &out->cmd);
}

static int body_decode(const struct entry *e, uint64_t index, struct body *out)
{
    struct bytes_reader in = bytes_reader_of(e->body);
    bool whole = true;
    int rv = 0;
    switch (e->kind) {
    case ENTRY_INIT:
        whole = bytes_read_copy(&in, out->uuid, MS_UUID_BYTES);
        if (whole) rv = config_read(&in, index, &out->config);
        break;
    case ENTRY_CONFIG: rv = config_read(&in, index, &out->config); break;
    case ENTRY_ATTACH:
        whole = bytes_read_u64(&in, &out->number) && bytes_read_u64(&in, &out->added_index) &&
                bytes_read_copy(&in, out->uuid, MS_UUID_BYTES);
        break;
    case ENTRY_TXN: return kv_cmd_decode(e->body, &out->cmd);
    case ENTRY_LEASE_GRANT: return grant_decode(e, out);
    case ENTRY_LEASE_REVOKE: return entry_lease_revoke_decode(e->body, &out->revoke);
    case ENTRY_LEASE_RENEW: return entry_lease_ids_count(e->body, &out->lease_count);
    case ENTRY_LEASE_CHECKPOINT: return entry_lease_marks_count(e->body, &out->lease_count);
    case ENTRY_COMPACT: whole = bytes_read_u64(&in, &out->number); break;
    case ENTRY_NOOP:
    case ENTRY_DIGEST: break;
    default: return MS_EVERSION; /* ENTRY_CHANGE_REQUEST stands in no log */
    }
    if (rv < 0) return rv;
    return whole && bytes_reader_left(&in) == 0 ? 0 : MS_ECORRUPT;
}

/* Whatever is wrong with bytes whose checksums are right, it is one of two things. */
static int decode(const struct wal_seen *seen, struct entry *e, struct body *body)
{
    *e = (struct entry){ 0 };
    int rv = entry_decode(seen->rec.body, e);
    if (rv == 0) rv = body_decode(e, seen->rec.index, body);
    return rv == 0 || rv == MS_EVERSION ? rv : MS_ECORRUPT;
}

int rt_wal_entry_check(const struct wal_seen *seen)
{
    struct entry e;
    struct body body;
    return seen->rec.type == WAL_RECORD_ENTRY ? decode(seen, &e, &body) : 0;
}

/* --- for people --- */

static void text_config(struct buf *out, const struct config *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        buf_append_text(out, "%s%s %llu=", i ? ", " : " ", config_part_name(m->roles), number(m->id));
        put_key(out, bytes_of_str(m->url), false);
    }
    if (c->lease_ms) buf_append_text(out, "; reads by lease of %u ms", c->lease_ms);
}

static void text_op(struct buf *out, const struct kv_op *op)
{
    struct kv_cmd nested;
    buf_append_text(out, " %s", op_name(op->kind));
    if (op->kind == KV_OP_TXN) {
        if (kv_cmd_decode(op->txn, &nested) < 0) return; /* it was checked with what it stands in */
        buf_append_text(out, " of %u compares, %u and %u operations", nested.compare_count,
                        nested.then_count, nested.else_count);
        return;
    }
    buf_append_u8(out, ' ');
    put_key(out, op->key, false);
    if (op->range_end.len > 0) {
        buf_append_text(out, " to ");
        put_key(out, op->range_end, false);
    }
    if (op->kind == KV_OP_PUT) buf_append_text(out, " (%zu bytes)", op->value.len);
}

static void text_ops(struct buf *out, struct bytes ops, uint32_t count)
{
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    for (uint32_t i = 0; i < count && i < RT_WAL_LINE_OPS_MAX && kv_cmd_next_op(&run, &op); i++) {
        if (i > 0) buf_append_u8(out, ',');
        text_op(out, &op);
    }
    if (count > RT_WAL_LINE_OPS_MAX) buf_append_text(out, " and %u more", count - RT_WAL_LINE_OPS_MAX);
}

static void text_txn(struct buf *out, const struct kv_cmd *cmd)
{
    if (cmd->compare_count > 0) buf_append_text(out, " if %u compares:", cmd->compare_count);
    text_ops(out, cmd->then_ops, cmd->then_count);
    if (cmd->else_count == 0) return;
    buf_append_text(out, "; else");
    text_ops(out, cmd->else_ops, cmd->else_count);
}

static void text_lease(struct buf *out, const struct entry *e, const struct body *b)
{
    const struct entry_lease_revoke *v = &b->revoke;
    if (e->kind == ENTRY_LEASE_GRANT) {
        if (b->grant.id) buf_append_text(out, " %llu", number(b->grant.id));
        buf_append_text(out, " for %llu ms", number(b->grant.ttl_ms));
        if (b->grant.command.len > 0) text_txn(out, &b->cmd);
    } else if (e->kind == ENTRY_LEASE_REVOKE) {
        buf_append_text(out, " %llu", number(v->id));
        if (!v->expired) return;
        buf_append_text(out, ", expired in term %llu, not renewed since entry %llu", number(v->term),
                        number(v->renewed_index));
    } else {
        buf_append_text(out, " of %u", b->lease_count);
    }
}

static void text_body(struct buf *out, const struct entry *e, const struct body *b)
{
    buf_append_text(out, "%s", kind_name(e->kind));
    switch (e->kind) {
    case ENTRY_INIT:
        buf_append_text(out, " cluster ");
        put_uuid(out, b->uuid);
        buf_append_u8(out, ',');
        text_config(out, &b->config);
        break;
    case ENTRY_CONFIG: text_config(out, &b->config); break;
    case ENTRY_ATTACH:
        buf_append_text(out, " member %llu, added at %llu, directory ", number(b->number),
                        number(b->added_index));
        put_uuid(out, b->uuid);
        break;
    case ENTRY_TXN: text_txn(out, &b->cmd); break;
    case ENTRY_COMPACT: buf_append_text(out, " below revision %llu", number(b->number)); break;
    case ENTRY_LEASE_GRANT:
    case ENTRY_LEASE_REVOKE:
    case ENTRY_LEASE_RENEW:
    case ENTRY_LEASE_CHECKPOINT: text_lease(out, e, b); break;
    default: break;
    }
    const struct entry_origin *o = &e->origin;
    if (o->member_id == 0) return;
    buf_append_text(out, "; from member %llu, start %llu, number %llu", number(o->member_id),
                    number(o->incarnation), number(o->seq));
}

static int text_entry(struct buf *out, const struct wal_seen *seen)
{
    struct entry e;
    struct body body;
    const struct wal_record *rec = &seen->rec;
    int rv = decode(seen, &e, &body);
    buf_append_text(out, " %llu term %llu written %llu %s: ", number(rec->index), number(rec->term),
                    number(rec->written_term), fate_name(seen->fate));
    if (rv == 0)
        text_body(out, &e, &body);
    else
        buf_append_text(out, "%zu bytes: %s", rec->body.len, ms_err_text(rv));
    return rv;
}

static const struct flag_name {
    uint64_t flag;
    const char *name;
} flag_names[] = { { WAL_FLAG_GATE_PASSED, "gate_passed" },
                   { WAL_FLAG_GATE_CLOSED, "gate_closed" },
                   { WAL_FLAG_ATTACHED, "attached" },
                   { WAL_FLAG_DAMAGED, "damaged" },
                   { WAL_FLAG_STATE_WRONG, "state_wrong" },
                   { WAL_FLAG_REMOVED, "removed" } };
#define FLAG_NAMES (sizeof flag_names / sizeof *flag_names)

static void put_flags(struct buf *out, uint64_t flags)
{
    const char *before = ", ";
    for (size_t i = 0; i < FLAG_NAMES; i++) {
        if (!(flags & flag_names[i].flag)) continue;
        buf_append_text(out, "%s%s", before, flag_names[i].name);
        before = " ";
    }
}

static void text_state(struct buf *out, const struct wal_mark *mark)
{
    const struct wal_state *s = &mark->state;
    buf_append_text(out, " %llu: term %llu", number(mark->seq), number(s->term));
    if (s->vote)
        buf_append_text(out, ", vote for %llu", number(s->vote));
    else
        buf_append_text(out, ", no vote");
    buf_append_text(out, ", start %llu", number(s->incarnation));
    if (s->snapshot_index)
        buf_append_text(out, ", snapshot at %llu of term %llu", number(s->snapshot_index),
                        number(s->snapshot_term));
    if (s->added_index) buf_append_text(out, ", added at %llu", number(s->added_index));
    if (!is_zero(s->cluster_uuid)) {
        buf_append_text(out, ", cluster ");
        put_uuid(out, s->cluster_uuid);
    }
    put_flags(out, s->flags);
}

static void text_base(struct buf *out, const struct wal_base *b)
{
    buf_append_text(out, ": the log begins behind %llu of term %llu, in segment %llu", number(b->index),
                    number(b->term), number(b->first_life));
    buf_append_text(out, "; it had reached %llu of term %llu", number(b->last_index),
                    number(b->last_term));
    if (b->prev_life)
        buf_append_text(out, "; segment %llu before it ends at %llu", number(b->prev_life),
                        number(b->prev_sector * DISK_SECTOR_BYTES));
}

static int text_line(struct buf *out, const struct wal_seen *seen)
{
    buf_append_text(out, "wal-%016llx.seg:%llu batch %llu %s", number(seen->life), number(seen->offset),
                    number(seen->rec.batch), record_name(seen->rec.type));
    switch (seen->rec.type) {
    case WAL_RECORD_ENTRY: return text_entry(out, seen);
    case WAL_RECORD_STATE: text_state(out, &seen->mark); break;
    default: text_base(out, &seen->base); break;
    }
    return 0;
}

/* --- JSON --- */

/* Keys and URLs as the text form has them, whole. */
static void json_escaped(struct json_write *w, const char *name, struct bytes text)
{
    json_name(w, name);
    json_string_begin(w);
    put_key(w->out, text, true);
    json_string_end(w);
}

static void json_config(struct json_write *w, const struct config *c)
{
    json_field_list(w, "members");
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        json_object_begin(w);
        json_field_u64(w, "id", m->id);
        json_field_text(w, "role", config_part_name(m->roles));
        json_field_u64(w, "added_index", m->added_index);
        json_escaped(w, "url", bytes_of_str(m->url));
        json_object_end(w);
    }
    json_list_end(w);
    json_field_u64(w, "lease_ms", c->lease_ms);
}

static void json_compares(struct json_write *w, const struct kv_cmd *cmd)
{
    struct bytes_reader run = bytes_reader_of(cmd->compares);
    struct kv_compare c;
    json_field_list(w, "compares");
    for (uint32_t i = 0; i < cmd->compare_count && kv_cmd_next_compare(&run, &c); i++) {
        json_object_begin(w);
        json_field_text(w, "target", target_name(c.target));
        json_field_text(w, "result", result_name(c.result));
        json_escaped(w, "key", c.key);
        if (c.range_end.len > 0) json_escaped(w, "range_end", c.range_end);
        if (c.target == KV_CMP_VALUE)
            json_field_u64(w, "value_bytes", c.value.len);
        else
            json_field_u64(w, "number", c.number);
        json_object_end(w);
    }
    json_list_end(w);
}

static void json_txn(struct json_write *w, const struct kv_cmd *cmd, unsigned depth);

static void json_op(struct json_write *w, const struct kv_op *op, unsigned depth)
{
    struct kv_cmd nested;
    json_object_begin(w);
    json_field_text(w, "op", op_name(op->kind));
    if (op->kind == KV_OP_TXN) {
        if (depth < KV_CMD_DEPTH_MAX && kv_cmd_decode(op->txn, &nested) == 0)
            json_txn(w, &nested, depth + 1);
    } else {
        json_escaped(w, "key", op->key);
        if (op->range_end.len > 0) json_escaped(w, "range_end", op->range_end);
        if (op->kind == KV_OP_PUT) json_field_u64(w, "value_bytes", op->value.len);
    }
    json_object_end(w);
}

static void json_ops(struct json_write *w, const char *name, struct bytes ops, uint32_t count,
                     unsigned depth)
{
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    json_field_list(w, name);
    for (uint32_t i = 0; i < count && kv_cmd_next_op(&run, &op); i++) json_op(w, &op, depth);
    json_list_end(w);
}

static void json_txn(struct json_write *w, const struct kv_cmd *cmd, unsigned depth)
{
    json_compares(w, cmd);
    json_ops(w, "then", cmd->then_ops, cmd->then_count, depth);
    json_ops(w, "else", cmd->else_ops, cmd->else_count, depth);
}

static void json_lease(struct json_write *w, const struct entry *e, const struct body *b)
{
    const struct entry_lease_revoke *v = &b->revoke;
    if (e->kind == ENTRY_LEASE_GRANT) {
        json_field_u64(w, "lease", b->grant.id);
        json_field_u64(w, "ttl_ms", b->grant.ttl_ms);
        if (b->grant.command.len > 0) json_txn(w, &b->cmd, 1);
    } else if (e->kind == ENTRY_LEASE_REVOKE) {
        json_field_u64(w, "lease", v->id);
        if (!v->expired) return;
        json_field_u64(w, "expired_in_term", v->term);
        json_field_u64(w, "renewed_index", v->renewed_index);
    } else {
        json_field_u64(w, "count", b->lease_count);
    }
}

static void json_body(struct json_write *w, const struct entry *e, const struct body *b)
{
    const struct entry_origin *o = &e->origin;
    json_field_text(w, "kind", kind_name(e->kind));
    if (o->member_id != 0) {
        json_field_object(w, "origin");
        json_field_u64(w, "member", o->member_id);
        json_field_u64(w, "added_index", o->added_index);
        json_field_u64(w, "incarnation", o->incarnation);
        json_field_u64(w, "seq", o->seq);
        json_field_u64(w, "low_seq", o->low_seq);
        json_object_end(w);
    }
    switch (e->kind) {
    case ENTRY_INIT:
        json_field_hex(w, "cluster", bytes_of(b->uuid, MS_UUID_BYTES));
        json_config(w, &b->config);
        break;
    case ENTRY_CONFIG: json_config(w, &b->config); break;
    case ENTRY_ATTACH:
        json_field_u64(w, "member", b->number);
        json_field_u64(w, "added_index", b->added_index);
        json_field_hex(w, "nonce", bytes_of(b->uuid, MS_UUID_BYTES));
        break;
    case ENTRY_TXN: json_txn(w, &b->cmd, 1); break;
    case ENTRY_COMPACT: json_field_u64(w, "revision", b->number); break;
    case ENTRY_LEASE_GRANT:
    case ENTRY_LEASE_REVOKE:
    case ENTRY_LEASE_RENEW:
    case ENTRY_LEASE_CHECKPOINT: json_lease(w, e, b); break;
    default: break;
    }
}

static int json_entry(struct json_write *w, const struct wal_seen *seen)
{
    struct entry e;
    struct body body;
    int rv = decode(seen, &e, &body);
    json_field_u64(w, "index", seen->rec.index);
    json_field_u64(w, "term", seen->rec.term);
    json_field_u64(w, "written_term", seen->rec.written_term);
    json_field_text(w, "fate", fate_name(seen->fate));
    json_field_u64(w, "bytes", seen->rec.body.len);
    if (rv == 0)
        json_body(w, &e, &body);
    else
        json_field_text(w, "error", ms_err_text(rv));
    return rv;
}

static void json_state(struct json_write *w, const struct wal_mark *mark)
{
    const struct wal_state *s = &mark->state;
    json_field_u64(w, "seq", mark->seq);
    json_field_u64(w, "term", s->term);
    json_field_u64(w, "vote", s->vote);
    json_field_u64(w, "incarnation", s->incarnation);
    json_field_u64(w, "snapshot_index", s->snapshot_index);
    json_field_u64(w, "snapshot_term", s->snapshot_term);
    json_field_u64(w, "added_index", s->added_index);
    json_field_hex(w, "cluster", bytes_of(s->cluster_uuid, MS_UUID_BYTES));
    json_field_list(w, "flags");
    for (size_t i = 0; i < FLAG_NAMES; i++) {
        if (s->flags & flag_names[i].flag) json_text(w, flag_names[i].name);
    }
    json_list_end(w);
}

static void json_base(struct json_write *w, const struct wal_base *b)
{
    json_field_u64(w, "index", b->index);
    json_field_u64(w, "term", b->term);
    json_field_u64(w, "first_segment", b->first_life);
    json_field_u64(w, "last_index", b->last_index);
    json_field_u64(w, "last_term", b->last_term);
    json_field_u64(w, "last_written_term", b->last_written_term);
    json_field_u64(w, "previous_segment", b->prev_life);
    json_field_u64(w, "previous_end", b->prev_sector * DISK_SECTOR_BYTES);
}

static int json_line(struct buf *out, const struct wal_seen *seen)
{
    struct json_write line, *w = &line;
    int rv = 0;
    json_write_init(w, out, 0);
    json_object_begin(w);
    json_name(w, "segment");
    json_string_begin(w);
    buf_append_text(out, "wal-%016llx.seg", number(seen->life));
    json_string_end(w);
    json_field_u64(w, "offset", seen->offset);
    json_field_u64(w, "batch", seen->rec.batch);
    json_field_text(w, "record", record_name(seen->rec.type));
    switch (seen->rec.type) {
    case WAL_RECORD_ENTRY: rv = json_entry(w, seen); break;
    case WAL_RECORD_STATE: json_state(w, &seen->mark); break;
    default: json_base(w, &seen->base); break;
    }
    json_object_end(w);
    return rv;
}

int rt_wal_line(struct buf *out, const struct wal_seen *seen, bool json)
{
    return json ? json_line(out, seen) : text_line(out, seen);
}
