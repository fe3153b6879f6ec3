/* member_answer.c: what the node says, as HTTP says it (SPEC 3). The status tells what became of a
 * write: 2xx it is committed; 4xx, 503, 507 it is not applied and never will be; 504 nobody knows. A
 * read is never 504. The body of a refusal is one line that says what to do. */
#include <stdio.h>

#include "member/member_private.h"

static bool is_about_store(const struct client *c)
{
    bool is_out = http_conn_request(c->http) != NULL; /* else it is about what came, and not whole */
    switch (c->request) {
    case CLIENT_READ:
    case CLIENT_WRITE:
    case CLIENT_RANGE:
    case CLIENT_TXN:
    case CLIENT_RANGE_DELETE:
    case CLIENT_COMPACT: return is_out;
    default: return is_out && c->request >= CLIENT_LEASE_GRANT;
    }
}

void answer_line(const struct member *m, struct client *c, int status, const char *line,
                 const struct http_header *headers, uint32_t header_count)
{
    char body[MEMBER_LINE_BYTES];
    struct headers all = { .count = 0 };
    if (status == 503) headers_add(&all, "Retry-After", "1");
    for (uint32_t i = 0; i < header_count; i++) headers_add(&all, headers[i].name, headers[i].value);
    if (is_about_store(c)) headers_add_store(&all, m, c->revision);
    int len = snprintf(body, sizeof body, "%s\n", line);
    if (len >= (int)sizeof body) len = (int)sizeof body - 1;
    struct http_answer a = { .status = status,
                             .content_type = "text/plain",
                             .body = bytes_of(body, (size_t)len),
                             .headers = all.items,
                             .header_count = all.count,
                             .close = m->phase != MEMBER_RUNNING };
    http_conn_answer(c->http, &a);
}

static void answer_retry(const struct member *m, struct client *c, const char *line)
{
    answer_line(m, c, 503, line, NULL, 0);
}

static void answer_unknown(const struct member *m, struct client *c, const char *line)
{
    static const struct http_header outcome = { "Metastore-Outcome", "unknown" };
    answer_line(m, c, 504, line, &outcome, 1);
}

void answer_no_such_member(const struct member *m, struct client *c, const char *what)
{
    char line[MEMBER_LINE_BYTES];
    struct node_status s;
    int at = snprintf(line, sizeof line, "%s; the members are", what);
    node_status(m->node, &s);
    /* Bounded: MS_MEMBERS_MAX ids of at most 20 digits. */
    for (uint32_t i = 0; i < s.config.member_count; i++) {
        at += snprintf(line + at, sizeof line - (size_t)at, " %llu",
                       (unsigned long long)s.config.members[i].id);
    }
    answer_line(m, c, 404, line, NULL, 0);
}

/* Whoever asked goes on at the compacted revision, or behind it. */
static void answer_compacted(const struct member *m, struct client *c)
{
    struct headers h = { .count = 0 };
    char line[MEMBER_LINE_BYTES];
    headers_add_u64(&h, "Metastore-Compact-Revision", c->compacted_revision);
    snprintf(line, sizeof line, "the revision has been compacted, as all below %llu",
             (unsigned long long)c->compacted_revision);
    answer_line(m, c, 410, line, h.items, h.count);
}

static void answer_not_found(const struct member *m, struct client *c, const char *text)
{
    if (text)
        answer_line(m, c, 404, text, NULL, 0);
    else if (c->request == CLIENT_TXN)
        answer_line(m, c, 400, "a put keeps the value or the lease of a key that does not exist", NULL,
                    0);
    else if (c->request == CLIENT_CHANGE || c->request == CLIENT_TRANSFER)
        answer_no_such_member(m, c, "no such member");
    else if (c->request >= CLIENT_LEASE_GRANT)
        answer_line(m, c, 404, ms_err_text(MS_ENOLEASE), NULL, 0);
    else
        answer_line(m, c, 404, "no such key", NULL, 0);
}

static void answer_no_outcome(const struct member *m, struct client *c, const char *text)
{
    if (client_only_reads(c))
        answer_retry(m, c, text ? text : "the read could not be confirmed in time; try again");
    else if (c->request == CLIENT_TRANSFER) /* it can be asked for as often as one likes */
        answer_retry(m, c, text ? text : "the leadership was not handed over in time; see /status");
    else
        answer_unknown(m, c, text ? text : "it may or may not be applied; read before writing again");
}

static void answer_too_big(const struct member *m, struct client *c)
{
    char line[128];
    snprintf(line, sizeof line, "the request is larger than the %zu bytes this member accepts",
             m->opts.node.request_bytes_max);
    answer_line(m, c, 413, line, NULL, 0);
}

static void answer_done(const struct member *m, struct client *c)
{
    http_conn_answer(c->http,
                     &(struct http_answer){ .status = 204, .close = m->phase != MEMBER_RUNNING });
}

/* What to do about a refusal that comes again another time. */
static const char *retry_line(int code)
{
    switch (code) {
    case MS_EBUSY: return "too many requests are under way; try again";
    case MS_ENOLEADER: return "no leader was found in time; try again";
    case MS_ENOTREADY: return "this member is still recovering, or its disk is full; ask another one";
    case MS_ESTOPPED: return "this member is stopping; ask another one";
    default: return ms_err_text(code);
    }
}

static const char *conflict_line(const struct client *c)
{
    if (c->request == CLIENT_TRANSFER)
        return "it is no voter, or there is no other one that could lead";
    if (c->request == CLIENT_CHANGE)
        return "the URL is another member's, the last voter would go, or there is no room for more";
    return ms_err_text(MS_ECONFLICT);
}

void answer_failure(const struct member *m, struct client *c, int code, const char *text)
{
    const char *line = text ? text : ms_err_text(code);
    switch (code) {
    case MS_EEXIST:
        if (c->request == CLIENT_CHANGE || c->request == CLIENT_SETTING)
            answer_done(m, c); /* it is so already */
        else
            answer_line(m, c, 409, line, NULL, 0);
        break;
    case MS_ENOTFOUND: answer_not_found(m, c, text); break;
    case MS_ENOLEASE: answer_line(m, c, 404, line, NULL, 0); break;
    case MS_EUNKNOWN:
    case MS_ETIMEOUT: answer_no_outcome(m, c, text); break;
    case MS_ETOOBIG: answer_too_big(m, c); break;
    case MS_ECONFLICT: answer_line(m, c, 409, text ? text : conflict_line(c), NULL, 0); break;
    case MS_ELEASEFULL:
    case MS_ENOQUORUM: answer_line(m, c, 409, line, NULL, 0); break;
    case MS_EINVAL:
    case MS_EFUTURE:
    case MS_EDUPKEY: answer_line(m, c, 400, line, NULL, 0); break;
    case MS_ECOMPACTED: answer_compacted(m, c); break;
    case MS_ENOSPC:
        answer_line(m, c, 507, text ? text : "no quorum of members has disk space left", NULL, 0);
        break;
    default: answer_retry(m, c, text ? text : retry_line(code)); break; /* node.h P2: not applied */
    }
}

/* There was no memory for what is to be told. Who has read may ask again; all else is done by now, and a refusal
 * would say that it is not. */
static void answer_untold(const struct member *m, struct client *c)
{
    if (client_only_reads(c))
        answer_failure(m, c, MS_ENOMEM, NULL);
    else
        answer_unknown(m, c, "it is done; there was no memory to tell what came of it");
}

void answer_store_json(const struct member *m, struct client *c, const struct buf *text)
{
    struct headers h = { .count = 0 };
    headers_add_store(&h, m, c->revision);
    if (text->failed) {
        answer_untold(m, c);
        return;
    }
    http_conn_answer(c->http, &(struct http_answer){ .status = 200,
                                                     .content_type = MEMBER_JSON_TYPE,
                                                     .body = buf_bytes(text),
                                                     .headers = h.items,
                                                     .header_count = h.count,
                                                     .close = m->phase != MEMBER_RUNNING });
}

static void answer_condition_failed(const struct member *m, struct client *c, uint64_t etag)
{
    struct headers h = { .count = 0 };
    if (etag) headers_add_etag(&h, etag);
    answer_line(m, c, 412, "the key is not as If-Match and If-None-Match demand it", h.items, h.count);
}

/* What a read found, or mod_revision 0: nothing. False: the conditions say otherwise, and the answer is out. */
static bool conditions_hold(const struct member *m, struct client *c, uint64_t mod_revision)
{
    const struct http_request *r = http_conn_request(c->http);
    struct http_conditions conditions;
    if (!r->if_match.data && !r->if_none_match.data) return true;
    const char *why = http_conditions_read(r, &conditions);
    MS_ASSERT(!why); /* the router has seen it */
    switch (http_conditions_judge(&conditions, true, mod_revision)) {
    case HTTP_VERDICT_GO: return true;
    case HTTP_VERDICT_FAILED: answer_condition_failed(m, c, mod_revision); return false;
    case HTTP_VERDICT_NOT_MODIFIED: break;
    }
    struct headers h = { .count = 0 };
    headers_add_etag(&h, mod_revision);
    headers_add_store(&h, m, c->revision);
    http_conn_answer(c->http, &(struct http_answer){ .status = 304,
                                                     .headers = h.items,
                                                     .header_count = h.count,
                                                     .close = m->phase != MEMBER_RUNNING });
    return false;
}

static void answer_read(const struct member *m, struct client *c, const struct node_answer *answer)
{
    struct headers h = { .count = 0 };
    if (!conditions_hold(m, c, answer->mod_revision)) return;
    headers_add_etag(&h, answer->mod_revision);
    headers_add_store(&h, m, c->revision);
    headers_add_u64(&h, "Metastore-Create-Revision", answer->create_revision);
    headers_add_u64(&h, "Metastore-Version", answer->version);
    if (answer->lease) headers_add_u64(&h, "Metastore-Lease", answer->lease);
    http_conn_answer(c->http, &(struct http_answer){ .status = 200,
                                                     .content_type = "application/octet-stream",
                                                     .body = answer->value,
                                                     .headers = h.items,
                                                     .header_count = h.count,
                                                     .close = m->phase != MEMBER_RUNNING });
}

/* A put always changes the key, to the revision it took; what has deleted leaves no key that could have a tag. */
static void answer_write(const struct member *m, struct client *c, const struct node_answer *answer)
{
    struct headers h = { .count = 0 };
    bool held = answer->result.succeeded != (c->condition == CLIENT_CONDITION_INVERTED);
    if (c->condition != CLIENT_CONDITION_NONE && !held) {
        /* It did nothing. 412 without an ETag would say that there is no such key. */
        if (answer->items_status < 0)
            answer_failure(m, c, MS_ENOMEM, NULL);
        else
            answer_condition_failed(m, c, condition_found(answer->items));
        return;
    }
    if (http_conn_request(c->http)->method == HTTP_METHOD_PUT) headers_add_etag(&h, answer->revision);
    if (answer->lease) {
        headers_add_u64(&h, "Metastore-Lease", answer->lease);
        headers_add_u64(&h, "Metastore-Lease-Ttl", answer->ttl_s);
    }
    headers_add_store(&h, m, c->revision);
    http_conn_answer(c->http, &(struct http_answer){ .status = 204,
                                                     .headers = h.items,
                                                     .header_count = h.count,
                                                     .close = m->phase != MEMBER_RUNNING });
}

static void answer_revoked(const struct member *m, struct client *c)
{
    struct headers h = { .count = 0 };
    headers_add_store(&h, m, c->revision);
    http_conn_answer(c->http, &(struct http_answer){ .status = 204,
                                                     .headers = h.items,
                                                     .header_count = h.count,
                                                     .close = m->phase != MEMBER_RUNNING });
}

static void answer_absent(const struct member *m, struct client *c, const struct node_answer *answer)
{
    if (conditions_hold(m, c, 0)) answer_failure(m, c, answer->status, answer->text);
}

void answer_request(const struct member *m, struct client *c, const struct node_answer *answer)
{
    c->revision = answer->revision;
    c->compacted_revision = answer->compacted_revision;
    if (c->request == CLIENT_READ && answer->status == MS_ENOTFOUND)
        answer_absent(m, c, answer);
    else if (answer->status < 0)
        answer_failure(m, c, answer->status, answer->text);
    else if (c->request == CLIENT_LEASE_REVOKE)
        answer_revoked(m, c);
    else if (c->request >= CLIENT_LEASE_GRANT)
        lease_answer(m, c, answer);
    else if (c->request == CLIENT_READ)
        answer_read(m, c, answer);
    else if (c->request == CLIENT_WRITE)
        answer_write(m, c, answer);
    else if (c->request == CLIENT_TXN)
        answer_txn(m, c, answer);
    else if (c->request == CLIENT_RANGE_DELETE)
        answer_range_delete(m, c, answer);
    else if (c->request == CLIENT_COMPACT)
        answer_compact(m, c, answer);
    else
        answer_done(m, c);
}
