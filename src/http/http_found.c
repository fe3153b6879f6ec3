/* http_found.c: answers as JSON. An operation is an object; those in a transaction are items of its list, each
 * in an object with the name that it had in the request. */
#include "http/http_found.h"

#include "base/ms_err.h"

void http_found_init(struct http_found *f, struct buf *out)
{
    *f = (struct http_found){ 0 };
    kv_answer_reader_init(&f->in);
    json_write_init(&f->out, out, 0);
}

bool http_found_is_done(const struct http_found *f)
{
    return f->in.done;
}

static const char *name_of(enum kv_op_kind op)
{
    switch (op) {
    case KV_OP_PUT: return "put";
    case KV_OP_DELETE: return "delete";
    case KV_OP_RANGE: return "get";
    case KV_OP_TXN: break;
    }
    return "txn";
}

static void write_begin(struct http_found *f, const struct kv_answer_item *item)
{
    uint32_t depth = f->in.depth - 1, bit = 1u << depth;
    f->listed &= ~bit;
    f->keys_only = item->flags & KV_ANSWER_KEYS_ONLY ? f->keys_only | bit : f->keys_only & ~bit;
    json_object_begin(&f->out);
    if (depth > 0) json_field_object(&f->out, name_of(item->op));
    json_field_u64(&f->out, "revision", item->revision);
    if (item->op == KV_OP_TXN) {
        json_field_bool(&f->out, "succeeded", item->flags & KV_ANSWER_SUCCEEDED);
        json_field_list(&f->out, "responses");
    }
    if (item->op == KV_OP_RANGE) json_field_list(&f->out, "kvs");
}

static void write_record(struct http_found *f, const struct kv_answer_item *item)
{
    uint32_t depth = f->in.depth - 1, bit = 1u << depth;
    enum kv_op_kind op = (enum kv_op_kind)f->in.ops[depth];
    if (op == KV_OP_DELETE && !(f->listed & bit)) json_field_list(&f->out, "prev_kvs");
    f->listed |= bit;
    if (op == KV_OP_PUT)
        json_field_object(&f->out, "prev_kv");
    else
        json_object_begin(&f->out);
    json_field_bytes(&f->out, "key", item->key);
    json_field_u64(&f->out, "create_revision", item->create_revision);
    json_field_u64(&f->out, "mod_revision", item->mod_revision);
    json_field_u64(&f->out, "version", item->version);
    json_field_u64(&f->out, "lease", item->lease);
    if (!(f->keys_only & bit)) json_field_bytes(&f->out, "value", item->value);
    json_object_end(&f->out);
}

static void write_end(struct http_found *f, const struct kv_answer_item *item)
{
    uint32_t depth = f->in.depth; /* of what has just ended */
    enum kv_op_kind op = (enum kv_op_kind)f->in.ops[depth];
    bool listed = op == KV_OP_DELETE && (f->listed & 1u << depth);
    if (op == KV_OP_RANGE || op == KV_OP_TXN || listed) json_list_end(&f->out);
    if (op == KV_OP_RANGE) {
        json_field_u64(&f->out, "count", item->count);
        json_field_bool(&f->out, "more", item->flags & KV_ANSWER_MORE);
    }
    if (op == KV_OP_DELETE) json_field_u64(&f->out, "deleted", item->count);
    json_object_end(&f->out);
    if (depth > 0) json_object_end(&f->out);
}

bool http_found_write(struct http_found *f, struct bytes items)
{
    struct kv_answer_item item;
    int rv;
    kv_answer_reader_feed(&f->in, items);
    while ((rv = kv_answer_next(&f->in, &item)) == 0) {
        switch (item.kind) {
        case KV_ANSWER_BEGIN: write_begin(f, &item); break;
        case KV_ANSWER_RECORD: write_record(f, &item); break;
        case KV_ANSWER_END: write_end(f, &item); break;
        }
    }
    if (f->in.done) buf_append_u8(f->out.out, '\n');
    return rv == MS_EEND;
}
