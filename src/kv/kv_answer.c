/* kv_answer.c: the codec of answers. */
#include "kv/kv_answer.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

static void append_sized(struct buf *out, struct bytes b)
{
    buf_append_u32(out, (uint32_t)b.len);
    buf_append(out, b.data, b.len);
}

void kv_answer_append(struct buf *out, const struct kv_answer_item *item)
{
    buf_append_u8(out, (uint8_t)item->kind);
    switch (item->kind) {
    case KV_ANSWER_BEGIN:
        buf_append_u8(out, (uint8_t)item->op);
        buf_append_u8(out, (uint8_t)item->flags);
        buf_append_u64(out, item->revision);
        break;
    case KV_ANSWER_RECORD:
        buf_append_u64(out, item->create_revision);
        buf_append_u64(out, item->mod_revision);
        buf_append_u64(out, item->version);
        buf_append_u64(out, item->lease);
        append_sized(out, item->key);
        append_sized(out, item->value);
        break;
    case KV_ANSWER_END:
        buf_append_u8(out, (uint8_t)item->flags);
        buf_append_u64(out, item->count);
        break;
    }
}

size_t kv_answer_item_bytes(const struct kv_answer_item *item)
{
    if (item->kind == KV_ANSWER_BEGIN) return KV_ANSWER_BEGIN_BYTES;
    if (item->kind == KV_ANSWER_END) return KV_ANSWER_END_BYTES;
    return KV_ANSWER_RECORD_BYTES + item->key.len + item->value.len;
}

void kv_answer_patch(struct buf *out, size_t at, uint32_t flags, uint64_t revision)
{
    MS_ASSERT(at + KV_ANSWER_BEGIN_BYTES <= out->len);
    MS_ASSERT(out->data[at] == KV_ANSWER_BEGIN);
    out->data[at + 2] = (uint8_t)flags;
    bytes_store_u64(out->data + at + 3, revision);
}

void kv_answer_reader_init(struct kv_answer_reader *r)
{
    *r = (struct kv_answer_reader){ .depth = 0 };
}

void kv_answer_reader_feed(struct kv_answer_reader *r, struct bytes piece)
{
    r->in = bytes_reader_of(piece);
}

static uint32_t flags_allowed(enum kv_answer_kind kind, enum kv_op_kind op)
{
    if (kind == KV_ANSWER_BEGIN && op == KV_OP_TXN) return KV_ANSWER_SUCCEEDED;
    if (kind == KV_ANSWER_BEGIN && op == KV_OP_RANGE) return KV_ANSWER_KEYS_ONLY;
    if (kind == KV_ANSWER_END && op == KV_OP_RANGE) return KV_ANSWER_MORE;
    return 0;
}

static bool read_sized(struct bytes_reader *in, size_t max, struct bytes *out)
{
    uint32_t len;
    return bytes_read_u32(in, &len) && len <= max && bytes_read_span(in, len, out);
}

static bool read_begin(struct bytes_reader *in, struct kv_answer_item *item)
{
    uint8_t op, flags;
    if (!bytes_read_u8(in, &op) || !bytes_read_u8(in, &flags)) return false;
    if (op < KV_OP_PUT || op > KV_OP_TXN || !bytes_read_u64(in, &item->revision)) return false;
    item->op = (enum kv_op_kind)op;
    item->flags = flags;
    return (flags & ~flags_allowed(KV_ANSWER_BEGIN, item->op)) == 0;
}

static bool read_record(struct bytes_reader *in, struct kv_answer_item *item)
{
    if (!bytes_read_u64(in, &item->create_revision) || !bytes_read_u64(in, &item->mod_revision)) {
        return false;
    }
    if (!bytes_read_u64(in, &item->version) || !bytes_read_u64(in, &item->lease)) return false;
    if (!read_sized(in, MS_KEY_BYTES_MAX, &item->key) || item->key.len == 0) return false;
    return read_sized(in, MS_VALUE_BYTES_MAX, &item->value);
}

static bool read_end(struct bytes_reader *in, enum kv_op_kind op, struct kv_answer_item *item)
{
    uint8_t flags;
    if (!bytes_read_u8(in, &flags) || !bytes_read_u64(in, &item->count)) return false;
    item->flags = flags;
    return (flags & ~flags_allowed(KV_ANSWER_END, op)) == 0;
}

/* An item that may stand where the reader is. */
static bool read_item(struct kv_answer_reader *r, struct bytes_reader *in, struct kv_answer_item *item)
{
    uint8_t kind;
    enum kv_op_kind op = r->depth ? (enum kv_op_kind)r->ops[r->depth - 1] : KV_OP_TXN;
    if (!bytes_read_u8(in, &kind) || r->done) return false;
    item->kind = (enum kv_answer_kind)kind;
    switch (kind) {
    case KV_ANSWER_BEGIN: /* outermost, or in a transaction */
        return op == KV_OP_TXN && r->depth < KV_ANSWER_DEPTH_MAX && read_begin(in, item);
    case KV_ANSWER_RECORD: return op != KV_OP_TXN && read_record(in, item);
    case KV_ANSWER_END: return r->depth > 0 && read_end(in, op, item);
    }
    return false;
}

int kv_answer_next(struct kv_answer_reader *r, struct kv_answer_item *out)
{
    struct bytes_reader in = r->in;
    struct kv_answer_item item = { .flags = 0 };
    if (bytes_reader_left(&in) == 0) return MS_EEND;
    if (!read_item(r, &in, &item)) return MS_ECORRUPT;
    r->in = in;
    if (item.kind == KV_ANSWER_BEGIN) r->ops[r->depth++] = (uint8_t)item.op;
    if (item.kind == KV_ANSWER_END) r->done = --r->depth == 0;
    *out = item;
    return 0;
}
