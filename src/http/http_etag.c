/* http_etag.c: conditions of a request (http.h). */
#include "http/http.h"

#include "http/http_text.h"

static const char malformed[] =
    "If-Match and If-None-Match can be: * or a list of revisions in quotes, \"17\"";
static const char too_many[] = "too many revisions in If-Match or If-None-Match";

/* RFC 9110, 8.8.3: what stands between the quotes. */
static bool is_etagc(uint8_t ch)
{
    return ch == 0x21 || (ch >= 0x23 && ch != 0x7f);
}

/* As we write revisions, so without leading zeros; 0 is no key's. */
static bool is_revision(struct bytes text, uint64_t *out)
{
    return text.len > 0 && text.data[0] != '0' && http_text_u64(text, out);
}

/* Read a tag at *at. False: there is none. */
static bool read_tag(struct bytes list, size_t *at, bool *weak, struct bytes *opaque)
{
    size_t from = *at;
    *weak = list.len - from >= 2 && list.data[from] == 'W' && list.data[from + 1] == '/';
    if (*weak) from += 2;
    if (from == list.len || list.data[from] != '"') return false;
    size_t to = ++from;
    while (to < list.len && is_etagc(list.data[to])) to++;
    if (to == list.len || list.data[to] != '"') return false;
    *opaque = bytes_of(list.data + from, to - from);
    *at = to + 1;
    return true;
}

static void skip_blanks(struct bytes list, size_t *at)
{
    while (*at < list.len && (list.data[*at] == ' ' || list.data[*at] == '\t')) (*at)++;
}

/* RFC 9110, 13.1.1 and 13.1.2: If-Match compares strongly, so that no weak tag matches; If-None-Match weakly. */
static const char *read_list(struct bytes list, bool weak_counts, struct http_condition *out)
{
    bool some = false;
    for (size_t at = 0;;) {
        struct bytes opaque;
        uint64_t revision;
        bool weak;
        skip_blanks(list, &at);
        if (at == list.len) return some ? NULL : malformed;
        if (list.data[at] == ',') { /* RFC 9110, 5.6.1: empty items count for nothing */
            at++;
            continue;
        }
        if (!read_tag(list, &at, &weak, &opaque)) return malformed;
        some = true;
        skip_blanks(list, &at);
        if (at < list.len && list.data[at] != ',') return malformed;
        if ((weak && !weak_counts) || !is_revision(opaque, &revision)) continue;
        if (out->count == HTTP_ETAGS_MAX) return too_many;
        out->revisions[out->count++] = revision;
    }
}

static const char *read_condition(struct bytes value, bool weak_counts, struct http_condition *out)
{
    out->given = value.data != NULL;
    out->any = false;
    out->count = 0;
    if (!out->given) return NULL;
    out->any = value.len == 1 && value.data[0] == '*';
    return out->any ? NULL : read_list(value, weak_counts, out);
}

const char *http_conditions_read(const struct http_request *r, struct http_conditions *out)
{
    const char *why = read_condition(r->if_match, false, &out->match);
    return why ? why : read_condition(r->if_none_match, true, &out->none_match);
}

static bool has(const struct http_condition *c, uint64_t mod_revision)
{
    if (mod_revision == 0) return false;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->revisions[i] == mod_revision) return true;
    }
    return c->any;
}

/* RFC 9110, 13.2.2: If-Match comes first. */
enum http_verdict http_conditions_judge(const struct http_conditions *c, bool is_read,
                                        uint64_t mod_revision)
{
    if (c->match.given && !has(&c->match, mod_revision)) return HTTP_VERDICT_FAILED;
    if (!c->none_match.given || !has(&c->none_match, mod_revision)) return HTTP_VERDICT_GO;
    return is_read ? HTTP_VERDICT_NOT_MODIFIED : HTTP_VERDICT_FAILED;
}
