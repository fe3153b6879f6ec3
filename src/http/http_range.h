/* http_range.h: what a query says about a range of keys (docs/API.md):
 *
 *   GET /_/range?key=a&end=b | ?prefix=a | ?from=a | ?key=a     GET /<prefix>?prefix     GET /<key>?rev=N
 *     &limit=N &rev=N &sort=key|version|create|mod|value &order=asc|desc &keys_only &count_only
 *     &min_mod=N &max_mod=N &min_create=N &max_create=N &consistency=linearizable|stale
 */
#ifndef HTTP_HTTP_RANGE_H
#define HTTP_HTTP_RANGE_H

#include "format/buf.h"
#include "http/http_query.h"
#include "kv/kv_cmd.h"

/* etcd's key and range_end, in a text that may still move. */
struct http_keys {
    size_t key_at, key_len, end_at, end_len;
};
void http_keys_set_key(struct http_keys *k, struct buf *text, struct bytes key);
void http_keys_set_end(struct http_keys *k, struct buf *text, struct bytes end);
/* From the key that is set on, to the first one that is larger and does not begin with it: all that do. */
void http_keys_set_prefix(struct http_keys *k, struct buf *text);
void http_keys_set_from(struct http_keys *k, struct buf *text); /* from the key on, to the last one */
static inline struct bytes http_keys_key(const struct http_keys *k, const struct buf *text)
{
    return bytes_of(text->data + k->key_at, k->key_len);
}
static inline struct bytes http_keys_end(const struct http_keys *k, const struct buf *text)
{
    return k->end_len ? bytes_of(text->data + k->end_at, k->end_len) : bytes_of(NULL, 0);
}

/* The words of sort and order. False: none of them. */
bool http_sort_target_of(struct bytes word, enum kv_sort_target *out);
bool http_sort_order_of(struct bytes word, enum kv_sort_order *out);

/* Which keys a query names, into text, which is cleared: key, end, prefix, from. False: q->why. */
bool http_range_read_keys(struct http_query *q, struct buf *text, struct http_keys *k);
/* How they are wanted, and whether a stale answer will do; ends the query. False: q->why. */
bool http_range_read_options(struct http_query *q, struct kv_op *op, bool *stale);
/* ?consistency=linearizable|stale */
void http_range_read_consistency(struct http_query *q, bool *stale);

#endif
