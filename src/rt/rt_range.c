/* rt_range.c: ranges of the library: pieces are gathered on the loop's thread, within the bound that the caller has
 * set, and told as one to ms_poll() or to who waits. A piece comes in a callback of the member, which must not be
 * called from there: the next one is asked for when the loop comes to it (rt_ranges_resume()). */
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "http/http_range.h"
#include "kv/kv_answer.h"
#include "rt/rt_alloc.h"
#include "rt/rt_clock.h"
#include "rt/rt_private.h"

#define RANGE_BYTES_DEFAULT (64u << 20)

/* ---- loop thread ---- */

static void set_due(struct ms_member *m, struct rt_request *r)
{
    bool first = !m->ranges_due;
    r->due_next = m->ranges_due;
    m->ranges_due = r;
    if (first) uv_async_send(&m->async);
}

struct ms_kv rt_kv_make(const struct kv_answer_item *item, uint8_t **to)
{
    uint8_t *key = *to, *value = key + item->key.len;
    memcpy(key, item->key.data, item->key.len);
    if (item->value.len) memcpy(value, item->value.data, item->value.len);
    *to = value + item->value.len;
    return (struct ms_kv){ .key = { .data = key, .len = item->key.len },
                           .record = { .create_revision = item->create_revision,
                                       .mod_revision = item->mod_revision,
                                       .version = item->version,
                                       .lease = item->lease,
                                       .value = { .data = value, .len = item->value.len } } };
}

/* All of it is there, as one block: records, then what they point to. */
static int result_make(struct rt_request *r)
{
    struct ms_range_result *out = &r->range;
    struct kv_answer_reader in;
    struct kv_answer_item item;
    size_t count = 0, bytes = 0;
    kv_answer_reader_init(&in);
    kv_answer_reader_feed(&in, buf_bytes(&r->answer));
    while (kv_answer_next(&in, &item) == 0) {
        count += item.kind == KV_ANSWER_RECORD;
        bytes += item.key.len + item.value.len;
    }
    MS_ASSERT(in.done);
    out->kvs = malloc(count * sizeof *out->kvs + bytes + 1);
    if (!out->kvs) return MS_ENOMEM;
    uint8_t *to = (uint8_t *)(out->kvs + count);
    kv_answer_reader_init(&in);
    kv_answer_reader_feed(&in, buf_bytes(&r->answer));
    while (kv_answer_next(&in, &item) == 0) {
        if (item.kind == KV_ANSWER_END) {
            out->count = item.count;
            out->more = item.flags & KV_ANSWER_MORE;
        }
        if (item.kind != KV_ANSWER_RECORD) continue;
        out->kvs[out->kv_count++] = rt_kv_make(&item, &to);
    }
    return 0;
}

void rt_range_piece(void *ctx, const struct node_range_piece *p)
{
    struct ms_member *m = ctx;
    struct rt_request *r = rt_request_of(m, p->token);
    int status = p->status;
    r->range.revision = p->revision;
    r->range.compacted_revision = p->compacted_revision;
    if (status == 0) buf_append(&r->answer, p->items.data, p->items.len);
    /* That it is too long is known here, or that memory was refused: the buffer says only that it failed. */
    if (r->answer.failed)
        status = r->answer.len + p->items.len > r->answer.max ? MS_ETOOBIG : MS_ENOMEM;
    if (p->last) {
        if (status == 0) status = result_make(r);
        buf_fini(&r->answer);
        rt_request_slot_end(m, p->token, status);
        return;
    }
    r->status = status;
    set_due(m, r);
}

void rt_ranges_resume(struct ms_member *m)
{
    struct rt_request *due = m->ranges_due;
    m->ranges_due = NULL;
    while (due) {
        struct rt_request *r = due;
        due = r->due_next;
        if (r->status == 0) {
            member_range_next(m->core, rt_clock_ms(), r->token);
            continue;
        }
        member_range_end(m->core, rt_clock_ms(), r->token);
        buf_fini(&r->answer);
        rt_request_slot_end(m, r->token, r->status);
    }
}

int rt_range_hand_in(struct ms_member *m, struct rt_request *r, uint64_t token)
{
    r->token = token;
    r->op.key = bytes_of(r->input.data, r->key_len);
    r->op.range_end = bytes_of(r->input.data + r->key_len, r->input.len - r->key_len);
    return member_range(m->core, rt_clock_ms(), token, &r->op, r->on);
}

/* ---- the callers' threads ---- */

void ms_range_options_init(struct ms_range_options *options)
{
    *options =
        (struct ms_range_options){ .struct_bytes = sizeof *options, .bytes_max = RANGE_BYTES_DEFAULT };
}

int rt_keys_make(struct buf *text, struct ms_bytes key, struct ms_bytes range_end, bool prefix,
                 struct bytes *key_out, struct bytes *end_out)
{
    struct http_keys k = { 0 };
    if (key.len > MS_KEY_BYTES_MAX || range_end.len > MS_KEY_BYTES_MAX) return MS_ETOOBIG;
    if (key.len == 0 && !prefix) return MS_EINVAL;
    *key_out = bytes_of(key.data, key.len);
    *end_out = bytes_of(range_end.data, range_end.len);
    if (!prefix) return 0;
    http_keys_set_key(&k, text, *key_out);
    http_keys_set_prefix(&k, text);
    if (text->failed) return MS_ENOMEM;
    *key_out = http_keys_key(&k, text);
    *end_out = http_keys_end(&k, text);
    return 0;
}

static int set_keys(struct rt_request *r, const struct ms_range_options *o)
{
    struct bytes key, end;
    struct buf text;
    buf_init(&text, rt_alloc_heap(), 4 * MS_KEY_BYTES_MAX);
    int rv = rt_keys_make(&text, o->key, o->range_end, o->prefix, &key, &end);
    if (rv == 0) {
        r->key_len = key.len;
        buf_append(&r->input, key.data, key.len);
        if (end.len) buf_append(&r->input, end.data, end.len);
        if (r->input.failed) rv = MS_ENOMEM;
    }
    buf_fini(&text);
    return rv;
}

int rt_range_op(const struct ms_range_options *o, struct kv_op *op)
{
    if (o->struct_bytes != sizeof *o || o->sort < MS_SORT_KEY || o->sort > MS_SORT_VALUE)
        return MS_EINVAL;
    op->kind = KV_OP_RANGE;
    op->limit = o->limit;
    op->revision = o->revision;
    op->sort_target = (enum kv_sort_target)(KV_SORT_KEY + (o->sort - MS_SORT_KEY));
    op->sort_order = o->descend ? KV_SORT_DESCEND : KV_SORT_ASCEND;
    op->flags =
        (o->keys_only ? (uint32_t)KV_KEYS_ONLY : 0u) | (o->count_only ? (uint32_t)KV_COUNT_ONLY : 0u);
    op->mod_min = o->mod_min;
    op->mod_max = o->mod_max;
    op->create_min = o->create_min;
    op->create_max = o->create_max;
    return 0;
}

static int request_make(const struct ms_range_options *o, struct rt_request **out)
{
    struct kv_op op = { 0 };
    int rv = rt_range_op(o, &op);
    if (rv < 0) return rv;
    struct rt_request *r = rt_request_create(RT_REQUEST_RANGE);
    if (!r) return MS_ENOMEM;
    rv = set_keys(r, o);
    if (rv < 0) {
        rt_request_free(r);
        return rv;
    }
    r->op = op;
    r->on = o->stale;
    buf_init(&r->answer, rt_alloc_heap(), o->bytes_max);
    *out = r;
    return 0;
}

int ms_range(struct ms_member *member, const struct ms_range_options *options, ms_range_cb cb,
             void *arg)
{
    struct rt_request *r;
    int rv = request_make(options, &r);
    if (rv < 0) return rv;
    r->range_cb = cb;
    r->arg = arg;
    return rt_request_submit(member, r);
}

int ms_range_wait(struct ms_member *member, const struct ms_range_options *options,
                  struct ms_range_result *out)
{
    struct rt_request *r;
    *out = (struct ms_range_result){ 0 };
    int rv = request_make(options, &r);
    if (rv == 0) rv = rt_request_wait(member, r);
    if (rv < 0) return rv;
    rv = r->status;
    *out = r->range;
    r->range.kvs = NULL;
    rt_request_free(r);
    return rv;
}

void ms_range_free(struct ms_range_result *result)
{
    free(result->kvs);
    *result = (struct ms_range_result){ 0 };
}
