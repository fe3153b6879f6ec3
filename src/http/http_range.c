/* http_range.c: ranges of keys, read from queries. Two prefixes of a query, and two words, mean the same as a
 * key and a range_end of etcd. */
#include "http/http_range.h"

#include <stdio.h>

#include "base/limits.h"

void http_keys_set_key(struct http_keys *k, struct buf *text, struct bytes key)
{
    k->key_at = text->len;
    k->key_len = key.len;
    buf_append(text, key.data, key.len);
}

void http_keys_set_end(struct http_keys *k, struct buf *text, struct bytes end)
{
    k->end_at = text->len;
    k->end_len = end.len;
    buf_append(text, end.data, end.len);
}

void http_keys_set_from(struct http_keys *k, struct buf *text)
{
    if (k->key_len == 0) http_keys_set_key(k, text, bytes_of("", 1)); /* the least key */
    http_keys_set_end(k, text, bytes_of("", 1));
}

void http_keys_set_prefix(struct http_keys *k, struct buf *text)
{
    size_t len = k->key_len;
    if (text->failed) return;
    while (len > 0 && text->data[k->key_at + len - 1] == 0xff) len--;
    if (len == 0) {
        http_keys_set_from(k, text); /* nothing is larger */
        return;
    }
    if (!buf_reserve(text, len)) return; /* as it moves, what is appended must not */
    http_keys_set_end(k, text, bytes_of(text->data + k->key_at, len));
    if (!text->failed) text->data[k->end_at + len - 1]++;
}

bool http_sort_target_of(struct bytes word, enum kv_sort_target *out)
{
    static const char *const words[] = { [KV_SORT_KEY] = "key",
                                         [KV_SORT_VERSION] = "version",
                                         [KV_SORT_CREATE] = "create",
                                         [KV_SORT_MOD] = "mod",
                                         [KV_SORT_VALUE] = "value" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!bytes_equal(word, bytes_of_str(words[i]))) continue;
        *out = (enum kv_sort_target)i;
        return true;
    }
    return false;
}

bool http_sort_order_of(struct bytes word, enum kv_sort_order *out)
{
    bool down = bytes_equal(word, bytes_of_str("desc"));
    *out = down ? KV_SORT_DESCEND : KV_SORT_ASCEND;
    return down || bytes_equal(word, bytes_of_str("asc"));
}

static bool refuse(struct http_query *q, const char *why)
{
    if (!q->why[0]) snprintf(q->why, sizeof q->why, "%s", why);
    return false;
}

bool http_range_read_keys(struct http_query *q, struct buf *text, struct http_keys *k)
{
    struct bytes key, prefix, from, end;
    bool has_key = http_query_bytes(q, "key", &key),
         has_prefix = http_query_bytes(q, "prefix", &prefix);
    bool has_from = http_query_bytes(q, "from", &from), has_end = http_query_bytes(q, "end", &end);
    *k = (struct http_keys){ 0 };
    buf_clear(text);
    if (q->why[0]) return false;
    if (has_key + has_prefix + has_from != 1)
        return refuse(q, "a range has one of key, prefix and from: ?prefix= is all keys");
    if (has_end && !has_key) return refuse(q, "end goes with key: from key on, to what is below end");
    if (has_key && key.len == 0) return refuse(q, "key: the key is empty");
    http_keys_set_key(k, text, has_key ? key : has_prefix ? prefix : from);
    if (k->key_len > MS_KEY_BYTES_MAX || (has_end && end.len > MS_KEY_BYTES_MAX))
        return refuse(q, "a key is too long");
    if (has_prefix) http_keys_set_prefix(k, text);
    if (has_from) http_keys_set_from(k, text);
    if (has_end) http_keys_set_end(k, text, end.len ? end : bytes_of("", 1));
    return !text->failed || refuse(q, "out of memory");
}

void http_range_read_consistency(struct http_query *q, bool *stale)
{
    struct bytes value;
    if (!http_query_bytes(q, "consistency", &value)) return;
    *stale = bytes_equal(value, bytes_of_str("stale"));
    if (!*stale && !bytes_equal(value, bytes_of_str("linearizable")))
        http_query_refuse(q, "consistency", "linearizable or stale");
}

static void read_sort(struct http_query *q, struct kv_op *op)
{
    struct bytes word;
    if (http_query_bytes(q, "sort", &word) && !http_sort_target_of(word, &op->sort_target))
        http_query_refuse(q, "sort", "key, version, create, mod or value");
    if (http_query_bytes(q, "order", &word) && !http_sort_order_of(word, &op->sort_order))
        http_query_refuse(q, "order", "asc or desc");
}

bool http_range_read_options(struct http_query *q, struct kv_op *op, bool *stale)
{
    bool keys_only = false, count_only = false;
    op->kind = KV_OP_RANGE;
    http_query_u64(q, "limit", &op->limit);
    http_query_u64(q, "rev", &op->revision);
    read_sort(q, op);
    http_query_flag(q, "keys_only", &keys_only);
    http_query_flag(q, "count_only", &count_only);
    http_query_u64(q, "min_mod", &op->mod_min);
    http_query_u64(q, "max_mod", &op->mod_max);
    http_query_u64(q, "min_create", &op->create_min);
    http_query_u64(q, "max_create", &op->create_max);
    http_range_read_consistency(q, stale);
    op->flags = (keys_only ? (uint32_t)KV_KEYS_ONLY : 0u) | (count_only ? (uint32_t)KV_COUNT_ONLY : 0u);
    return http_query_end(q);
}
