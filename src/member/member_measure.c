/* member_measure.c: requests as they are counted: what they were, how they ended, how long they took. Nothing
 * depends on it but GET /metrics. */
#include "member/member_private.h"

static const char *const class_names[MEASURE_CLASSES] = {
    [MEASURE_MALFORMED] = "malformed",
    [MEASURE_REFUSED] = "refused",
    [MEASURE_GET] = "get",
    [MEASURE_PUT] = "put",
    [MEASURE_DELETE] = "delete",
    [MEASURE_RANGE] = "range",
    [MEASURE_TXN] = "txn",
    [MEASURE_LEASES] = "leases",
    [MEASURE_COMPACT] = "compact",
    [MEASURE_MEMBERS] = "members",
    [MEASURE_LEADER] = "leader",
    [MEASURE_SETTINGS] = "settings",
    [MEASURE_SNAPSHOT] = "snapshot",
    [MEASURE_WATCH] = "watch",
    [MEASURE_PAGE] = "page",
    [MEASURE_OTHER] = "other",
};

const char *measure_class_name(enum measure_class class)
{
    return class_names[class];
}

static enum measure_class class_of(enum http_route_kind kind)
{
    switch (kind) {
    case HTTP_ROUTE_ERROR: return MEASURE_REFUSED;
    case HTTP_ROUTE_KEY_GET:
    case HTTP_ROUTE_KEY_AT: return MEASURE_GET;
    case HTTP_ROUTE_KEY_PUT: return MEASURE_PUT;
    case HTTP_ROUTE_KEY_DELETE:
    case HTTP_ROUTE_RANGE_DELETE: return MEASURE_DELETE;
    case HTTP_ROUTE_RANGE: return MEASURE_RANGE;
    case HTTP_ROUTE_TXN: return MEASURE_TXN;
    case HTTP_ROUTE_LEASE_GRANT:
    case HTTP_ROUTE_LEASES_GET:
    case HTTP_ROUTE_LEASE_GET:
    case HTTP_ROUTE_LEASE_KEEP_ALIVE:
    case HTTP_ROUTE_LEASE_REVOKE: return MEASURE_LEASES;
    case HTTP_ROUTE_COMPACT: return MEASURE_COMPACT;
    case HTTP_ROUTE_MEMBER_ADD:
    case HTTP_ROUTE_MEMBER_REMOVE:
    case HTTP_ROUTE_MEMBERS_GET:
    case HTTP_ROUTE_MEMBERS_SET: return MEASURE_MEMBERS;
    case HTTP_ROUTE_TRANSFER: return MEASURE_LEADER;
    case HTTP_ROUTE_SETTINGS_GET:
    case HTTP_ROUTE_SETTINGS_SET: return MEASURE_SETTINGS;
    case HTTP_ROUTE_SNAPSHOT: return MEASURE_SNAPSHOT;
    case HTTP_ROUTE_WATCH: return MEASURE_WATCH;
    case HTTP_ROUTE_ROOT:
    case HTTP_ROUTE_STATUS:
    case HTTP_ROUTE_HEALTH:
    case HTTP_ROUTE_LIVEZ:
    case HTTP_ROUTE_READYZ:
    case HTTP_ROUTE_VERSION:
    case HTTP_ROUTE_METRICS: return MEASURE_PAGE;
    default: return MEASURE_OTHER;
    }
}

/* Where nothing is measured, times are those of the turns. */
static uint64_t now_us(const struct member *m)
{
    const struct member_host *host = &m->env.host;
    return host->now_us ? host->now_us(host->ctx) : 1000 * m->now_ms;
}

void measure_request(struct member *m, struct client *c, enum http_route_kind kind)
{
    MS_ASSERT(c->class == MEASURE_MALFORMED);
    c->class = class_of(kind);
    c->asked_us = now_us(m);
    m->measure.in_flight++;
}

static uint64_t *counter_of(struct measure *s, enum measure_class class, int status)
{
    uint32_t at = 0;
    while (at < MEASURE_STATUSES - 1 && s->statuses[at] != 0 && s->statuses[at] != status) at++;
    s->statuses[at] = status;
    return &s->requests[class].by_status[at];
}

void measure_answer(void *client, int status)
{
    struct client *c = client;
    struct member *m = c->member;
    (*counter_of(&m->measure, c->class, status))++;
    if (c->class == MEASURE_MALFORMED) return;
    histogram_add(&m->measure.requests[c->class].took, now_us(m) - c->asked_us);
    c->class = MEASURE_MALFORMED;
    m->measure.in_flight--;
}

void measure_gone(struct member *m, struct client *c)
{
    if (c->class == MEASURE_MALFORMED) return;
    c->class = MEASURE_MALFORMED;
    m->measure.in_flight--;
}
