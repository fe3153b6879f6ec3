/* member_lease.c: requests about leases, and what becomes of them as JSON. */
#include "format/json_write.h"
#include "member/member_private.h"

#define KEYS_BYTES_MAX (256u << 10) /* of the keys of a lease that one answer lists */
#define ANSWER_BYTES_MAX (8u << 20) /* escapes make keys longer, six times at most */
static_assert(KEYS_BYTES_MAX + MS_KEY_BYTES_MAX <= NODE_LEASE_KEYS_BYTES_MAX, "the node gives as many");

int lease_submit(struct member *m, const struct client *c, const struct http_route *route)
{
    struct node *n = m->node;
    switch (route->kind) {
    case HTTP_ROUTE_LEASE_GRANT:
        return node_lease_grant(n, m->now_ms, c->token, route->lease, route->ttl_s, bytes_of(NULL, 0));
    case HTTP_ROUTE_LEASE_KEEP_ALIVE:
        return node_lease_keep_alive(n, m->now_ms, c->token, route->lease);
    case HTTP_ROUTE_LEASE_REVOKE: return node_lease_revoke(n, m->now_ms, c->token, route->lease);
    case HTTP_ROUTE_LEASE_GET:
        return node_lease_get(n, m->now_ms, c->token, route->lease, KEYS_BYTES_MAX);
    case HTTP_ROUTE_LEASES_GET:
        return node_leases_get(n, m->now_ms, c->token, route->lease, (uint32_t)route->limit);
    default: MS_UNREACHABLE();
    }
}

static void write_lease(struct json_write *w, const struct kv_lease *l)
{
    json_field_u64(w, "id", l->id);
    json_field_u64(w, "ttl", l->remaining_ms / 1000u);
    json_field_u64(w, "granted_ttl", l->ttl_ms / 1000u);
}

static void write_one(struct json_write *w, const struct node_answer *answer)
{
    struct bytes_reader keys = bytes_reader_of(answer->value);
    uint32_t len;
    struct bytes key;
    write_lease(w, &answer->the_lease);
    json_field_u64(w, "key_count", answer->the_lease.key_count);
    json_field_list(w, "keys");
    while (bytes_read_u32(&keys, &len) && bytes_read_span(&keys, len, &key)) {
        json_object_begin(w);
        json_field_bytes(w, "key", key);
        json_object_end(w);
    }
    json_list_end(w);
    json_field_bool(w, "more", !answer->last);
}

static void write_list(struct json_write *w, const struct node_answer *answer)
{
    struct kv_lease l;
    json_field_list(w, "leases");
    for (size_t at = 0; at < answer->value.len; at += sizeof l) {
        memcpy(&l, answer->value.data + at, sizeof l);
        json_object_begin(w);
        write_lease(w, &l);
        json_object_end(w);
    }
    json_list_end(w);
    json_field_bool(w, "more", !answer->last);
}

static void write_granted(struct json_write *w, const struct node_answer *answer)
{
    json_field_u64(w, "id", answer->lease);
    json_field_u64(w, "ttl", answer->ttl_s);
}

void lease_answer(const struct member *m, struct client *c, const struct node_answer *answer)
{
    struct json_write w;
    struct buf text;
    buf_init(&text, m->env.alloc, ANSWER_BYTES_MAX);
    json_write_init(&w, &text, 0);
    json_object_begin(&w);
    if (c->request == CLIENT_LEASE_GET)
        write_one(&w, answer);
    else if (c->request == CLIENT_LEASES_GET)
        write_list(&w, answer);
    else
        write_granted(&w, answer);
    json_object_end(&w);
    buf_append_u8(&text, '\n');
    answer_store_json(m, c, &text);
    buf_fini(&text);
}
