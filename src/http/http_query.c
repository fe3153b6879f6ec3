/* http_query.c: see http_query.h. */
#include "http/http_query.h"

#include <stdio.h>

#include "base/ms_err.h"
#include "http/http_path.h"
#include "http/http_text.h"

#define SHOWN_NAME_BYTES_MAX 40u

static bool refuse(struct http_query *q, const char *why)
{
    if (!q->why[0]) snprintf(q->why, sizeof q->why, "%s", why);
    return false;
}

/* A name as it can stand in a line: what is not printable ASCII becomes '?', and a long one is cut. */
static void refuse_named(struct http_query *q, const char *before, struct bytes name,
                         const char *behind)
{
    char shown[SHOWN_NAME_BYTES_MAX + 4];
    size_t len = name.len < SHOWN_NAME_BYTES_MAX ? name.len : SHOWN_NAME_BYTES_MAX;
    if (q->why[0]) return;
    for (size_t i = 0; i < len; i++) {
        bool printable = name.data[i] > ' ' && name.data[i] < 0x7f;
        shown[i] = printable ? (char)name.data[i] : '?';
    }
    snprintf(shown + len, sizeof shown - len, "%s", len < name.len ? "..." : "");
    snprintf(q->why, sizeof q->why, "%s%s%s", before, shown, behind);
}

/* Decode a piece into text, which has room and so does not move. */
static bool decode(struct http_query *q, struct bytes raw, struct buf *text, struct bytes *out)
{
    size_t from = text->len;
    if (http_percent_decode(raw, raw.len, text) < 0)
        return refuse(q, "a bad percent-escape in the query");
    *out = bytes_of(text->data + from, text->len - from);
    return true;
}

static bool add(struct http_query *q, struct bytes part, struct buf *text)
{
    const uint8_t *equals = memchr(part.data, '=', part.len);
    size_t name_len = equals ? (size_t)(equals - part.data) : part.len;
    if (name_len == 0) return refuse(q, "a query parameter without a name");
    if (q->count == HTTP_QUERY_PARAMS_MAX) return refuse(q, "too many query parameters");
    struct http_param *p = &q->params[q->count];
    *p = (struct http_param){ .has_value = equals != NULL };
    if (!decode(q, bytes_of(part.data, name_len), text, &p->name)) return false;
    if (equals && !decode(q, bytes_of(equals + 1, part.len - name_len - 1), text, &p->value))
        return false;
    q->count++;
    return true;
}

bool http_query_init(struct http_query *q, struct bytes raw, struct buf *text)
{
    q->count = 0;
    q->why[0] = 0;
    buf_clear(text);
    if (raw.len == 0) return true;
    if (raw.len > HTTP_QUERY_BYTES_MAX) return refuse(q, "the query is too long");
    if (!buf_reserve(text, raw.len)) return refuse(q, "out of memory");
    for (size_t at = 0; at < raw.len;) {
        const uint8_t *part = raw.data + at, *end = memchr(part, '&', raw.len - at);
        size_t len = end ? (size_t)(end - part) : raw.len - at;
        if (len && !add(q, bytes_of(part, len), text)) return false;
        at += len + 1;
    }
    return true;
}

const struct http_param *http_query_take(struct http_query *q, const char *name)
{
    struct http_param *found = NULL;
    struct bytes wanted = bytes_of_str(name);
    if (q->why[0]) return NULL;
    for (uint32_t i = 0; i < q->count; i++) {
        struct http_param *p = &q->params[i];
        if (!bytes_equal(p->name, wanted)) continue;
        if (found) {
            refuse_named(q, "the query parameter ", wanted, " is there more than once");
            return NULL;
        }
        found = p;
    }
    if (found) found->taken = true;
    return found;
}

bool http_query_refuse(struct http_query *q, const char *name, const char *can_be)
{
    char behind[HTTP_QUERY_WHY_BYTES];
    snprintf(behind, sizeof behind, " can only be: %s", can_be);
    refuse_named(q, "the query parameter ", bytes_of_str(name), behind);
    return false;
}

bool http_query_flag(struct http_query *q, const char *name, bool *out)
{
    const struct http_param *p = http_query_take(q, name);
    if (!p) return false;
    bool yes = !p->has_value || bytes_equal(p->value, bytes_of_str("true"));
    if (!yes && !bytes_equal(p->value, bytes_of_str("false"))) {
        return http_query_refuse(q, name, "there without a value, or true, or false");
    }
    *out = yes;
    return true;
}

bool http_query_u64(struct http_query *q, const char *name, uint64_t *out)
{
    const struct http_param *p = http_query_take(q, name);
    if (!p) return false;
    if (!http_text_u64(p->value, out)) return http_query_refuse(q, name, "a number");
    return true;
}

bool http_query_bytes(struct http_query *q, const char *name, struct bytes *out)
{
    const struct http_param *p = http_query_take(q, name);
    if (!p) return false;
    if (!p->has_value) return http_query_refuse(q, name, "there with a value");
    *out = p->value;
    return true;
}

bool http_query_end(struct http_query *q)
{
    for (uint32_t i = 0; i < q->count && !q->why[0]; i++) {
        if (!q->params[i].taken) {
            refuse_named(q, "unknown query parameter: ", q->params[i].name, "");
        }
    }
    return !q->why[0];
}
