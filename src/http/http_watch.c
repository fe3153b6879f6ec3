/* http_watch.c: requests for watches, read. Ranges become etcd's: key and range_end. */
#include "http/http_watch.h"

#include <stdio.h>

#include "base/limits.h"
#include "http/http_json.h"
#include "http/http_query.h"
#include "http/http_range.h"
#include "http/http_text.h"

#define NAME_BYTES_MAX 24u
#define REVISION_MAX (UINT64_MAX >> 1)

static const char bad_start[] = "no store has such a revision";

void http_watches_init(struct http_watches *ws, const struct ms_alloc *alloc)
{
    ws->count = 0;
    buf_init(&ws->text, alloc, HTTP_WATCHES_TEXT_BYTES_MAX);
}

void http_watches_fini(struct http_watches *ws)
{
    buf_fini(&ws->text);
}

void http_watch_set_prefix(struct http_watches *ws, struct http_watch *w, struct bytes prefix)
{
    *w = (struct http_watch){ 0 };
    http_keys_set_key(&w->keys, &ws->text, prefix);
    http_keys_set_prefix(&w->keys, &ws->text);
}

/* --- GET --- */

static bool read_last_event(struct bytes id, struct http_watch *w)
{
    uint64_t revision;
    id = http_text_trim(id);
    if (id.len == 0) return true;
    if (!http_text_u64(id, &revision) || revision >= REVISION_MAX) return false;
    w->start_revision = revision + 1;
    return true;
}

static bool refuse(char *why, size_t why_cap, const char *line)
{
    snprintf(why, why_cap, "%s", line);
    return false;
}

bool http_watch_read_query(struct http_query *q, struct bytes key, struct bytes last_event_id,
                           struct http_watches *ws, char *why, size_t why_cap)
{
    struct http_watch *w = &ws->items[0];
    bool prefix = false;
    buf_clear(&ws->text);
    ws->count = 1;
    ws->several = false;
    *w = (struct http_watch){ 0 };
    http_query_flag(q, "prefix", &prefix);
    http_query_u64(q, "rev", &w->start_revision);
    http_query_flag(q, "prev_kv", &w->prev_kv);
    http_query_flag(q, "progress", &w->progress);
    http_query_flag(q, "noput", &w->no_puts);
    http_query_flag(q, "nodelete", &w->no_deletes);
    if (!http_query_end(q)) return refuse(why, why_cap, q->why);
    if (w->start_revision > REVISION_MAX) return refuse(why, why_cap, bad_start);
    if (!read_last_event(last_event_id, w))
        return refuse(why, why_cap, "Last-Event-ID: the id of an event of a watch is a revision");
    if (key.len == 0 && !prefix)
        return refuse(why, why_cap, "the key is empty; ?watch&prefix: of all keys");
    http_keys_set_key(&w->keys, &ws->text, key);
    if (prefix) http_keys_set_prefix(&w->keys, &ws->text);
    return !ws->text.failed || refuse(why, why_cap, "out of memory");
}

/* --- POST --- */

enum field {
    FIELD_ID = 1,
    FIELD_KEY = 2,
    FIELD_PREFIX = 4,
    FIELD_RANGE = 8,
    FIELD_START = 16,
    FIELD_PREV = 32,
    FIELD_PROGRESS = 64,
    FIELD_NO_PUTS = 128,
    FIELD_NO_DELETES = 256,
    FIELD_END = 512,
    FIELD_FROM = 1024
};
#define FIELDS_OF_KEYS (FIELD_KEY | FIELD_PREFIX | FIELD_RANGE | FIELD_FROM)

static const struct http_json_field fields[] = {
    { "id", FIELD_ID, false },
    { "key", FIELD_KEY, true },
    { "end", FIELD_END, true },
    { "from", FIELD_FROM, true },
    { "prefix", FIELD_PREFIX, true },
    { "range", FIELD_RANGE, true },
    { "start_revision", FIELD_START, false },
    { "prev_kv", FIELD_PREV, false },
    { "progress", FIELD_PROGRESS, false },
    { "noput", FIELD_NO_PUTS, false },
    { "nodelete", FIELD_NO_DELETES, false },
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static bool read_bytes(struct http_json *j, bool base64, struct http_watches *ws, size_t *at,
                       size_t *len)
{
    *at = ws->text.len;
    if (!http_json_bytes(j, base64, &ws->text)) return false;
    *len = ws->text.len - *at;
    return *len <= MS_KEY_BYTES_MAX || http_json_refuse(j, "a key is too long");
}

static bool read_key(struct http_json *j, bool base64, struct http_watches *ws, struct http_watch *w)
{
    return read_bytes(j, base64, ws, &w->keys.key_at, &w->keys.key_len);
}

static bool read_end(struct http_json *j, bool base64, struct http_watches *ws, struct http_watch *w)
{
    return read_bytes(j, base64, ws, &w->keys.end_at, &w->keys.end_len);
}

/* ["from", "to"]: without to; an empty to: to the last key. */
static bool read_range(struct http_json *j, bool base64, struct http_watches *ws, struct http_watch *w)
{
    struct http_json_list list;
    static const char two[] =
        "a range is a list of two keys: the first one, and the first one behind it";
    if (!http_json_enter_list(j, &list) || !http_json_item(j, &list)) return http_json_refuse(j, two);
    if (!read_key(j, base64, ws, w)) return false;
    if (!http_json_item(j, &list)) return http_json_refuse(j, two);
    if (!read_end(j, base64, ws, w)) return false;
    if (http_json_item(j, &list)) return http_json_refuse(j, two);
    if (w->keys.key_len == 0) http_keys_set_key(&w->keys, &ws->text, bytes_of("", 1));
    if (w->keys.end_len == 0) http_keys_set_end(&w->keys, &ws->text, bytes_of("", 1));
    return j->why == NULL;
}

static bool read_value(struct http_json *j, enum field field, bool base64, struct http_watches *ws,
                       struct http_watch *w)
{
    switch (field) {
    case FIELD_ID: return http_json_u64(j, &w->id);
    case FIELD_KEY:
        return read_key(j, base64, ws, w) &&
               (w->keys.key_len > 0 || http_json_refuse(j, "the key is empty"));
    case FIELD_PREFIX:
        if (!read_key(j, base64, ws, w)) return false;
        http_keys_set_prefix(&w->keys, &ws->text);
        return true;
    case FIELD_RANGE: return read_range(j, base64, ws, w);
    case FIELD_END: return read_end(j, base64, ws, w);
    case FIELD_FROM:
        if (!read_key(j, base64, ws, w)) return false;
        http_keys_set_from(&w->keys, &ws->text);
        return true;
    case FIELD_START:
        return http_json_u64(j, &w->start_revision) &&
               (w->start_revision <= REVISION_MAX || http_json_refuse(j, bad_start));
    case FIELD_PREV: return http_json_bool(j, &w->prev_kv);
    case FIELD_PROGRESS: return http_json_bool(j, &w->progress);
    case FIELD_NO_PUTS: return http_json_bool(j, &w->no_puts);
    case FIELD_NO_DELETES: return http_json_bool(j, &w->no_deletes);
    }
    return false;
}

static bool read_field(struct http_json *j, const char *name, struct http_watches *ws,
                       struct http_watch *w, uint32_t *seen)
{
    bool base64;
    const struct http_json_field *f = http_json_field_of(fields, FIELD_COUNT, name, &base64);
    if (!f)
        return http_json_refuse(
            j,
            "a watch has an id, a key (with an end), from, prefix or range, start_revision, prev_kv, "
            "progress, noput, nodelete, and nothing else");
    uint32_t clashes = f->bit & FIELDS_OF_KEYS ? FIELDS_OF_KEYS : f->bit;
    if (*seen & clashes)
        return http_json_refuse(j, "a watch says twice what it watches, or a field twice");
    *seen |= f->bit;
    return read_value(j, (enum field)f->bit, base64, ws, w);
}

static bool is_id_used(const struct http_watches *ws, uint64_t id)
{
    for (uint32_t i = 0; i + 1 < ws->count; i++) {
        if (ws->items[i].id == id) return true;
    }
    return false;
}

static bool read_watch(struct http_json *j, struct http_watches *ws)
{
    struct http_json_list object;
    char name[NAME_BYTES_MAX];
    uint32_t seen = 0;
    if (ws->count == HTTP_WATCHES_MAX) return http_json_refuse(j, "too many watches for one stream");
    struct http_watch *w = &ws->items[ws->count++];
    *w = (struct http_watch){ 0 };
    if (!http_json_enter_object(j, &object)) return false;
    while (http_json_name(j, &object, name, sizeof name)) {
        if (!read_field(j, name, ws, w, &seen)) return false;
    }
    if (j->why) return false;
    if (!(seen & FIELD_ID)) return http_json_refuse(j, "each watch of a list has an id");
    if (seen & FIELD_END && !(seen & FIELD_KEY)) return http_json_refuse(j, "an end goes with a key");
    if (!(seen & FIELDS_OF_KEYS))
        return http_json_refuse(j, "a watch has a key, from, a prefix or a range");
    return !is_id_used(ws, w->id) || http_json_refuse(j, "an id is there twice");
}

bool http_watch_read_list(struct bytes body, struct http_watches *ws, char *why, size_t why_cap)
{
    struct http_json j;
    struct http_json_list list;
    buf_clear(&ws->text);
    ws->count = 0;
    ws->several = true;
    http_json_init(&j, body);
    if (http_json_enter_list(&j, &list)) {
        while (http_json_item(&j, &list) && read_watch(&j, ws)) continue;
    }
    if (!j.why && ws->count == 0) http_json_refuse(&j, "no watch is asked for");
    if (!http_json_finish(&j, "watches", why, why_cap)) return false;
    return !ws->text.failed || refuse(why, why_cap, "out of memory");
}
