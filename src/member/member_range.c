/* member_range.c: what operations on several keys found, as JSON: ranges, which are told piece by piece as their
 * client takes them (L5); transactions, deletes of ranges and compactions, which are told at once, but for what of a
 * transaction is too long for that. */
#include "http/http_found.h"
#include "member/member_private.h"

/* Of a piece, and of a whole transaction: each byte may need two, or four for three where it is not text. */
#define FOUND_TEXT_BYTES_MAX (4u * KV_ANSWER_BYTES_MAX)
static_assert(2u * KV_RANGE_ANSWER_BYTES_MAX < FOUND_TEXT_BYTES_MAX, "any piece has room");

/* An answer that is longer is streamed; a shorter one has a Content-Length. */
#define FOUND_WHOLE_BYTES_MAX (64u << 10)

struct client_found {
    struct http_found json;
    struct buf text; /* of a piece, or of all of them so far; all that a transaction found */
    size_t told;     /* of a transaction's */
};

void range_free(const struct member *m, struct client *c)
{
    if (!c->found) return;
    buf_fini(&c->found->text);
    ms_free(m->env.alloc, c->found);
    c->found = NULL;
}

uint64_t range_memory(const struct client *c)
{
    return c->found ? c->found->text.cap : 0;
}

static bool found_create(const struct member *m, struct client *c)
{
    c->found = ms_alloc_zeroed(m->env.alloc, sizeof *c->found);
    if (!c->found) return false;
    buf_init(&c->found->text, m->env.alloc, FOUND_TEXT_BYTES_MAX);
    http_found_init(&c->found->json, &c->found->text);
    return true;
}

int range_begin(struct member *m, struct client *c, const struct http_route *route)
{
    if (c->request == CLIENT_RANGE && !found_create(m, c)) return MS_ENOMEM;
    int rv = node_range(m->node, m->now_ms, c->token, &route->range, route->stale);
    if (rv < 0) range_free(m, c);
    return rv;
}

/* --- ranges --- */

/* A key alone, as it was: what a read would have said then. */
static void answer_key(struct member *m, struct client *c, const struct node_range_piece *p)
{
    struct node_answer a = { .status = p->status, .revision = p->revision, .text = p->text };
    struct kv_answer_reader in;
    struct kv_answer_item item;
    MS_ASSERT(p->last);
    if (p->status == 0) a.status = MS_ENOTFOUND;
    a.compacted_revision = p->compacted_revision;
    kv_answer_reader_init(&in);
    kv_answer_reader_feed(&in, p->items);
    while (kv_answer_next(&in, &item) == 0) {
        if (item.kind != KV_ANSWER_RECORD) continue;
        a.status = 0;
        a.value = item.value;
        a.create_revision = item.create_revision;
        a.mod_revision = item.mod_revision;
        a.version = item.version;
        a.lease = item.lease;
    }
    c->busy = false;
    answer_request(m, c, &a);
}

static const char *range_refusal(int status)
{
    switch (status) {
    case MS_EBUSY: return "as many long ranges as may be at a time are being read; try again";
    case MS_ETOOBIG: return "more than can be sorted: ask with a limit, or for the order of keys";
    default: return NULL;
    }
}

static void refuse_range(struct member *m, struct client *c, const struct node_range_piece *p,
                         int status)
{
    const char *text = p->text ? p->text : range_refusal(status);
    if (c->streaming) {
        c->broken = true; /* the head of the answer is out: there is no other way to say so */
        return;
    }
    c->busy = false;
    c->refused = p->status == 0;
    if (status == MS_ETOOBIG)
        answer_line(m, c, 400, text, NULL, 0);
    else
        answer_failure(m, c, status, text);
}

/* More of an answer that goes in chunks. False: no memory. */
static bool stream(const struct member *m, struct client *c, struct bytes part)
{
    struct headers h = { .count = 0 };
    headers_add_store(&h, m, c->revision);
    if (!c->streaming && !http_conn_stream_begin(c->http, MEMBER_JSON_TYPE, h.items, h.count))
        return false;
    c->streaming = true;
    return http_conn_stream_part(c->http, part);
}

static int tell_piece(struct member *m, struct client *c, const struct node_range_piece *p)
{
    struct client_found *f = c->found;
    bool good = http_found_write(&f->json, p->items);
    MS_ASSERT(good);
    if (f->text.failed) return MS_ENOMEM;
    if (p->last && !c->streaming) {
        c->busy = false;
        answer_store_json(m, c, &f->text);
        return 0;
    }
    if (!p->last && !c->streaming && f->text.len < FOUND_WHOLE_BYTES_MAX) return 0;
    if (!stream(m, c, buf_bytes(&f->text))) return MS_ENOMEM;
    buf_clear(&f->text);
    if (!p->last) return 0;
    c->busy = c->streaming = false;
    http_conn_stream_end(c->http);
    return 0;
}

void clients_range(struct member *m, const struct node_range_piece *p)
{
    struct client *c = slots_find(&m->slots, p->token);
    int status = p->status;
    if (!c) return;
    c->revision = p->revision;
    c->compacted_revision = p->compacted_revision;
    c->wants_chunk = false;
    if (c->request == CLIENT_READ) {
        answer_key(m, c, p);
    } else {
        if (status == 0) status = tell_piece(m, c, p);
        if (status < 0) refuse_range(m, c, p, status);
        c->wants_chunk = status == 0 && !p->last;
        if (!c->wants_chunk) range_free(m, c);
    }
    if (!c->wants_chunk) client_set_ready(m, c);
    client_set_dirty(m, c);
}

/* --- transactions --- */

static void outcome_begin(const struct member *m, const struct node_answer *a, struct buf *text,
                          struct json_write *w)
{
    buf_init(text, m->env.alloc, FOUND_TEXT_BYTES_MAX);
    json_write_init(w, text, 0);
    json_object_begin(w);
    json_field_u64(w, "revision", a->revision);
}

static void outcome_end(const struct member *m, struct client *c, struct buf *text,
                        struct json_write *w)
{
    json_object_end(w);
    buf_append_u8(text, '\n');
    answer_store_json(m, c, text);
    buf_fini(text);
}

/* It is done, whatever can be said of it. */
static void answer_outcome(const struct member *m, struct client *c, const struct node_answer *a)
{
    struct json_write w;
    struct buf text;
    outcome_begin(m, a, &text, &w);
    json_field_bool(&w, "succeeded", a->result.succeeded);
    json_field_null(&w, "responses");
    json_field_text(&w, "error",
                    a->items_status == MS_ETOOBIG
                        ? "it is committed; what it found is more than can be told, 8 MiB or 65536 keys"
                        : "it is committed; there was no memory to tell what it found");
    outcome_end(m, c, &text, &w);
}

/* All that it found, as text. False: it cannot be told. */
static bool txn_write(const struct member *m, struct client *c, const struct node_answer *a)
{
    if (a->items_status < 0 || !found_create(m, c)) return false;
    struct client_found *f = c->found;
    bool good = http_found_write(&f->json, a->items);
    MS_ASSERT(good && http_found_is_done(&f->json));
    return !f->text.failed;
}

/* Its next part; with the last one the request has ended. False: no memory. */
static bool txn_stream(const struct member *m, struct client *c)
{
    struct client_found *f = c->found;
    size_t len = f->text.len - f->told;
    if (len > FOUND_WHOLE_BYTES_MAX) len = FOUND_WHOLE_BYTES_MAX;
    if (!stream(m, c, bytes_of(f->text.data + f->told, len))) return false;
    f->told += len;
    c->busy = c->wants_chunk = f->told < f->text.len;
    if (c->busy) return true;
    c->streaming = false;
    http_conn_stream_end(c->http);
    range_free(m, c);
    return true;
}

void txn_next(struct member *m, struct client *c)
{
    c->broken = !txn_stream(m, c);
    if (c->broken || !c->busy) client_set_ready(m, c);
    client_set_dirty(m, c);
}

void answer_txn(const struct member *m, struct client *c, const struct node_answer *a)
{
    bool written = txn_write(m, c, a);
    /* What does not fit into the queue of a client would cut it off. */
    if (written && c->found->text.len > m->opts.client_queue_bytes_max / 2) {
        if (txn_stream(m, c)) return;
        c->broken = c->streaming; /* the head of the answer is out: there is no other way to say so */
        written = false;
    }
    if (written)
        answer_store_json(m, c, &c->found->text);
    else if (!c->broken)
        answer_outcome(m, c, a);
    range_free(m, c);
}

void answer_range_delete(const struct member *m, struct client *c, const struct node_answer *a)
{
    struct json_write w;
    struct buf text;
    outcome_begin(m, a, &text, &w);
    json_field_u64(&w, "deleted", a->result.deleted);
    outcome_end(m, c, &text, &w);
}

void answer_compact(const struct member *m, struct client *c, const struct node_answer *a)
{
    struct json_write w;
    struct buf text;
    outcome_begin(m, a, &text, &w);
    json_field_u64(&w, "compacted_revision", a->compacted_revision);
    outcome_end(m, c, &text, &w);
}
