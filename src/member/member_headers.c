/* member_headers.c: what answers about the store say in their headers: at which revision it is, in which term, who
 * leads it; and of a key, when it was written. A header that would say nothing is left out. */
#include "member/member_private.h"

void headers_add(struct headers *h, const char *name, const char *value)
{
    MS_ASSERT(h->count < HEADERS_MAX);
    h->items[h->count++] = (struct http_header){ name, value };
}

static void add_number(struct headers *h, const char *name, uint64_t value, bool quoted)
{
    char *text = h->texts[h->count], *to = text;
    if (quoted) *to++ = '"';
    to += http_text_from_u64((uint8_t *)to, value);
    if (quoted) *to++ = '"';
    *to = 0;
    headers_add(h, name, text);
}

void headers_add_u64(struct headers *h, const char *name, uint64_t value)
{
    add_number(h, name, value, false);
}

void headers_add_etag(struct headers *h, uint64_t revision)
{
    add_number(h, "ETag", revision, true);
}

void headers_add_store(struct headers *h, const struct member *m, uint64_t revision)
{
    struct node_leadership l;
    node_leadership(m->node, &l);
    if (revision) headers_add_u64(h, "Metastore-Revision", revision);
    headers_add_u64(h, "Metastore-Term", l.term);
    if (l.leader) headers_add_u64(h, "Metastore-Leader", l.leader);
}
