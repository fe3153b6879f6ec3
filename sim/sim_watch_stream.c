/* sim_watch_stream.c: what a watching client asks and hears, as bytes: HTTP in chunks, server-sent events, JSON.
 * Written from the API's description and RFC 9112, with nothing of the server's but the reader of JSON. */
#include <stdio.h>

#include <xxhash.h>

#include "http/http_json.h"
#include "sim/sim_watch_private.h"

_Noreturn static void malformed(const struct sim_watch *w, const char *what, struct bytes text)
{
    sim_fail(SIM_FAIL_SAFETY, "HTTP", "c%u, watching, gets %s: %.*s", w->client, what,
             (int)(text.len < 200 ? text.len : 200), (const char *)text.data);
}

/* --- out --- */

void sim_watch_request(struct sim *s, struct sim_watch *w)
{
    char text[256];
    int len = snprintf(text, sizeof text, "GET /%s?watch%s%s%s%s%s", w->key, w->prefix ? "&prefix" : "",
                       w->prev ? "&prev_kv" : "", w->progress ? "&progress" : "",
                       w->no_puts ? "&noput" : "", w->no_deletes ? "&nodelete" : "");
    w->asked_revision = w->has_id ? w->last_id + 1 : w->next_revision;
    if (!w->has_id && w->next_revision)
        len += snprintf(text + len, sizeof text - (size_t)len, "&rev=%llu",
                        (unsigned long long)w->next_revision);
    len += snprintf(text + len, sizeof text - (size_t)len, " HTTP/1.1\r\nHost: m%u\r\n", w->target + 1);
    if (w->has_id)
        len += snprintf(text + len, sizeof text - (size_t)len, "Last-Event-ID: %llu\r\n",
                        (unsigned long long)w->last_id);
    len += snprintf(text + len, sizeof text - (size_t)len, "\r\n");
    MS_ASSERT((size_t)len < sizeof text);
    w->cursor = w->safe; /* what came without an id comes again */
    sim_net_send(s->net, w->conn, text, (size_t)len);
}

/* --- events --- */

/* Values are compared by their hashes. */
static void read_value(struct http_json *j, bool base64, struct sim_watch_record *r)
{
    struct buf value;
    buf_init(&value, &sim_alloc_heap, MS_VALUE_BYTES_MAX);
    http_json_bytes(j, base64, &value);
    r->value = XXH3_64bits(value.data, value.len);
    r->value_bytes = value.len;
    buf_fini(&value);
}

static void read_key(struct http_json *j, char key[SIM_WATCH_KEY_BYTES])
{
    http_json_text(j, key, SIM_WATCH_KEY_BYTES);
}

static bool read_field(struct http_json *j, const char *name, struct sim_watch_record *r)
{
    if (strcmp(name, "value") == 0 || strcmp(name, "value_base64") == 0) {
        read_value(j, name[5] == '_', r);
        return true;
    }
    uint64_t *to = strcmp(name, "create_revision") == 0 ? &r->create_revision
                   : strcmp(name, "mod_revision") == 0  ? &r->mod_revision
                   : strcmp(name, "version") == 0       ? &r->version
                   : strcmp(name, "lease") == 0         ? &r->lease
                                                        : NULL;
    return to && http_json_u64(j, to);
}

static bool read_prev(struct http_json *j, struct sim_watch_heard *h)
{
    struct http_json_list object;
    char name[24], key[SIM_WATCH_KEY_BYTES] = "";
    h->has_prev = true;
    if (!http_json_enter_object(j, &object)) return false;
    while (http_json_name(j, &object, name, sizeof name)) {
        if (strcmp(name, "key") == 0)
            read_key(j, key);
        else if (!read_field(j, name, &h->prev))
            return false;
    }
    return strcmp(key, h->key) == 0;
}

static bool read_data(struct bytes data, struct sim_watch_heard *h)
{
    struct http_json j;
    struct http_json_list object;
    char name[24];
    http_json_init(&j, data);
    if (!http_json_enter_object(&j, &object)) return false;
    while (http_json_name(&j, &object, name, sizeof name)) {
        if (strcmp(name, "key") == 0)
            read_key(&j, h->key);
        else if (strcmp(name, "prev") == 0 ? !read_prev(&j, h) : !read_field(&j, name, &h->now))
            return false;
    }
    return http_json_end(&j);
}

/* {"name": number} */
static uint64_t read_number(const struct sim_watch *w, struct bytes data, const char *name)
{
    struct http_json j;
    struct http_json_list object;
    char got[24] = "", more[24];
    uint64_t number = 0;
    http_json_init(&j, data);
    bool good = http_json_enter_object(&j, &object) && http_json_name(&j, &object, got, sizeof got) &&
                http_json_u64(&j, &number) && !http_json_name(&j, &object, more, sizeof more) &&
                http_json_end(&j);
    if (!good || strcmp(got, name) != 0) malformed(w, "an event with other data", data);
    return number;
}

struct block {
    struct bytes event, data, id, comment;
};

/* A line of an event: field, colon, space, value. */
static bool read_line(struct bytes line, struct block *b)
{
    static const char *const names[] = { "event", "data", "id" };
    struct bytes *const to[] = { &b->event, &b->data, &b->id };
    if (line.len >= 2 && memcmp(line.data, ": ", 2) == 0) {
        b->comment = bytes_of(line.data + 2, line.len - 2);
        return true;
    }
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(names[i]);
        if (line.len < len + 2 || memcmp(line.data, names[i], len) != 0 ||
            memcmp(line.data + len, ": ", 2) != 0)
            continue;
        if (to[i]->data) return false;
        *to[i] = bytes_of(line.data + len + 2, line.len - len - 2);
        return true;
    }
    return false;
}

static uint64_t number_of(struct bytes text)
{
    uint64_t v = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(text.data[i] - '0');
    return v;
}

static void take_event(struct sim *s, struct sim_watch *w, const struct block *b)
{
    struct sim_watch_heard h = { .has_id = b->id.data != NULL, .id = number_of(b->id) };
    h.put = bytes_equal(b->event, bytes_of_str("put"));
    if (bytes_equal(b->event, bytes_of_str("progress"))) {
        if (h.has_id) malformed(w, "progress with an id", b->data);
        sim_watch_judge_mark(s, w, read_number(w, b->data, "revision"), true);
    } else if (bytes_equal(b->event, bytes_of_str("compacted"))) {
        sim_watch_judge_compacted(s, w, read_number(w, b->data, "compact_revision"));
        sim_rare(s, SIM_RARE_WATCH_OVERTAKEN);
    } else if (!h.put && !bytes_equal(b->event, bytes_of_str("delete"))) {
        malformed(w, "an event of a kind that is not known", b->event);
    } else {
        if (!read_data(b->data, &h)) malformed(w, "an event that cannot be read", b->data);
        sim_fold(s, h.now.mod_revision);
        sim_watch_judge(s, w, &h);
    }
}

static void take_block(struct sim *s, struct sim_watch *w, struct bytes text)
{
    struct block b = { 0 };
    while (text.len > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        if (!read_line(bytes_of(text.data, len), &b)) malformed(w, "a line of no event", text);
        size_t used = end ? len + 1 : len;
        text = bytes_of(text.data + used, text.len - used);
    }
    if (b.comment.data) sim_watch_judge_mark(s, w, number_of(b.comment), false);
    if (b.event.data) take_event(s, w, &b);
}

static void take_blocks(struct sim *s, struct sim_watch *w)
{
    size_t at = 0;
    for (size_t i = 0; i + 1 < w->text.len; i++) {
        if (w->text.data[i] != '\n' || w->text.data[i + 1] != '\n') continue;
        take_block(s, w, bytes_of(w->text.data + at, i - at));
        at = i + 2;
        i++;
    }
    buf_drop_front(&w->text, at);
}

/* --- chunks --- */

/* One chunk, if it is whole. -1: it was the last one. */
static int take_chunk(struct sim_watch *w)
{
    size_t size = 0, at = 0;
    while (at < w->in.len && w->in.data[at] != '\r') {
        char digit[2] = { (char)w->in.data[at++], 0 };
        size = size * 16 + strtoul(digit, NULL, 16);
    }
    if (w->in.len < at + 2 + size + 2) return 0;
    buf_append(&w->text, w->in.data + at + 2, size);
    if (memcmp(w->in.data + at + 2 + size, "\r\n", 2) != 0)
        malformed(w, "a bad chunk", buf_bytes(&w->in));
    buf_drop_front(&w->in, at + 2 + size + 2);
    return size ? 1 : -1;
}

/* --- the head --- */

static bool header(const char *head, const char *name, uint64_t *value)
{
    const char *at = strstr(head, name);
    if (at) *value = strtoull(at + strlen(name), NULL, 10);
    return at != NULL;
}

static void refused(struct sim *s, struct sim_watch *w, int status, const char *head)
{
    uint64_t compacted = 0;
    if (status == 410 && header(head, "\nMetastore-Compact-Revision: ", &compacted)) {
        sim_watch_judge_compacted(s, w, compacted);
        sim_rare(s, SIM_RARE_WATCH_COMPACTED);
    } else if (status != 503 && status != 408) {
        sim_fail(SIM_FAIL_SAFETY, "HTTP", "c%u, watching, gets the answer %d", w->client, status);
    }
    sim_watch_rest(s, w, 200);
}

/* False: there is none yet, or it is a refusal. */
static bool take_head(struct sim *s, struct sim_watch *w)
{
    char head[1024] = "";
    uint64_t revision = 0;
    size_t len = w->in.len < sizeof head - 1 ? w->in.len : sizeof head - 1;
    memcpy(head, w->in.data, len);
    char *end = strstr(head, "\r\n\r\n");
    if (!end) return false;
    end[4] = 0;
    int status = (int)strtol(head + 9, NULL, 10);
    if (status != 200) {
        refused(s, w, status, head);
        return false;
    }
    if (!strstr(head, "text/event-stream") || !header(head, "\nMetastore-Revision: ", &revision))
        malformed(w, "a head that is none of a watch", bytes_of_str(head));
    if (w->next_revision == 0) sim_watch_place(s, w, revision + 1);
    buf_drop_front(&w->in, (size_t)(end + 4 - head));
    w->has_head = true;
    w->state = SIM_WATCH_STREAMING;
    return true;
}

void sim_watch_read(struct sim *s, struct sim_watch *w, struct bytes in)
{
    int more = 1;
    w->heard_us = sim_now_us(s);
    buf_append(&w->in, in.data, in.len);
    MS_ASSERT(!w->in.failed);
    if (!w->has_head && !take_head(s, w)) return;
    while (more > 0) more = take_chunk(w);
    take_blocks(s, w);
    if (more < 0) sim_watch_rest(s, w, 100);
}
