/* sim_lease.c: clients of leases. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_core.h"
#include "sim/sim_lease_private.h"
#include "sim/sim_workload.h"

#define PURPOSE_CLIENTS 31u
#define ALIVE_MAX 10u
#define PROBE_PAUSE_US 50000u
#define PROBE_AGE_US 2000000u /* then less is left of a lease than the state says */
#define PROBE_TTL_S 6u
#define RECENT 12u /* leases that are talked about: the newest ones */

bool sim_is_lease_client(uint32_t client)
{
    return client >= SIM_LEASE_CLIENT_FIRST && client < SIM_LEASE_CLIENT_FIRST + SIM_LEASE_CLIENTS_MAX;
}

static struct lease_client *client_of(struct sim *s, uint32_t client)
{
    return &s->leases->clients[client - SIM_LEASE_CLIENT_FIRST];
}

static void wake_in(struct sim *s, struct lease_client *c, uint64_t delay_us)
{
    sim_events_push(&s->events, sim_now_us(s) + delay_us, SIM_EVENT_CLIENT_WAKE,
                    sim_client_owner(c->index), ++c->wake, 0);
}

static void drop(struct sim *s, struct lease_client *c)
{
    if (c->conn) sim_net_close(s->net, c->conn, false);
    c->conn = 0;
}

/* What the probe does with a lease, each step through the next member. */
static const enum lease_op probe_ops[] = { LEASE_GRANT, LEASE_GET, LEASE_KEEP_ALIVE, LEASE_REVOKE };
#define PROBE_STEPS (sizeof probe_ops / sizeof probe_ops[0])

bool sim_leases_probed(const struct sim *s)
{
    return s->leases->client_count == 0 || s->leases->probe_step == PROBE_STEPS;
}

static void rest(struct sim *s, struct lease_client *c)
{
    c->state = LEASE_RESTING;
    if (s->leases->healed) {
        drop(s, c); /* its place is for the probe */
        if (c->index != SIM_LEASE_CLIENT_FIRST || sim_leases_probed(s)) return;
        bool reads = probe_ops[s->leases->probe_step] == LEASE_GET;
        wake_in(s, c, reads ? PROBE_AGE_US : PROBE_PAUSE_US);
        return;
    }
    wake_in(s, c, ms_rand_below(&s->leases->rand, 2 * (uint64_t)s->plan.lease_think_us + 1));
}

void sim_leases_create(struct sim *s)
{
    struct sim_leases *ls = calloc(1, sizeof *ls);
    MS_ASSERT(ls != NULL);
    s->leases = ls;
    ms_rand_init(&ls->rand, s->plan.seed, PURPOSE_CLIENTS);
    ls->client_count = s->plan.lease_clients;
    for (uint32_t i = 0; i < ls->client_count; i++) {
        struct lease_client *c = &ls->clients[i];
        c->index = SIM_LEASE_CLIENT_FIRST + i;
        rest(s, c);
    }
}

void sim_leases_destroy(struct sim *s)
{
    free(s->leases->ghosts);
    free(s->leases);
    s->leases = NULL;
}

void sim_leases_heal(struct sim *s)
{
    s->leases->healed = true;
    for (uint32_t i = 0; i < s->leases->client_count; i++) {
        struct lease_client *c = &s->leases->clients[i];
        if (c->state == LEASE_RESTING) rest(s, c);
    }
}

bool sim_leases_over(const struct sim *s)
{
    const struct sim_leases *ls = s->leases;
    for (uint32_t i = 0; i < ls->client_count; i++) {
        if (ls->clients[i].state != LEASE_RESTING) return false;
    }
    return ls->alive == 0;
}

/* --- what --- */

static uint64_t draw_lease(struct sim_leases *ls)
{
    size_t recent = ls->count < RECENT ? ls->count : RECENT;
    return recent ? ls->ghosts[ls->count - 1 - ms_rand_below(&ls->rand, recent)].id : 0;
}

/* Times so short that keep-alives come too late, and some that are written down before they end. */
static uint64_t draw_ttl(struct sim_leases *ls)
{
    static const uint64_t seconds[] = { 1, 1, 1, 2, 2, 3, 5, 11, 13 };
    return seconds[ms_rand_below(&ls->rand, sizeof seconds / sizeof seconds[0])];
}

static void draw_op(struct sim *s, struct lease_client *c)
{
    struct sim_leases *ls = s->leases;
    uint64_t dice = ms_rand_below(&ls->rand, 100);
    c->key = (uint32_t)ms_rand_below(&ls->rand, LEASE_KEYS);
    c->lease = draw_lease(ls);
    c->ttl_s = draw_ttl(ls);
    bool full = ls->alive >= ALIVE_MAX;
    if (c->lease == 0 || (dice < 15 && !full)) {
        c->op = LEASE_GRANT;
        c->lease = ms_rand_below(&ls->rand, 3) ? ++ls->next_id : 0;
    } else if (dice < 20 && !full) {
        c->op = LEASE_PUT_TTL;
        c->lease = 0;
    } else if (dice < 45) {
        c->op = LEASE_PUT;
    } else if (dice < 50) {
        c->op = ms_rand_below(&ls->rand, 2) ? LEASE_DELETE : LEASE_PUT_FREE;
    } else if (dice < 94) {
        c->op = LEASE_KEEP_ALIVE;
    } else {
        c->op = LEASE_REVOKE;
    }
}

static size_t append(char *out, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, cap, format, args);
    va_end(args);
    MS_ASSERT(len > 0 && (size_t)len < cap);
    return (size_t)len;
}

static size_t build(const struct lease_client *c, char *out, size_t cap)
{
    unsigned long long lease = c->lease, ttl = c->ttl_s;
    char line[128], body[64] = "";
    switch (c->op) {
    case LEASE_GRANT:
        append(line, sizeof line, "POST /_/leases");
        if (c->lease)
            append(body, sizeof body, "{\"ttl\": %llu, \"id\": %llu}", ttl, lease);
        else
            append(body, sizeof body, "{\"ttl\": %llu}", ttl);
        break;
    case LEASE_PUT: append(line, sizeof line, "PUT /l%u?lease=%llu", c->key, lease); break;
    case LEASE_PUT_TTL: append(line, sizeof line, "PUT /l%u?ttl=%llu", c->key, ttl); break;
    case LEASE_PUT_FREE: append(line, sizeof line, "PUT /l%u", c->key); break;
    case LEASE_DELETE: append(line, sizeof line, "DELETE /l%u", c->key); break;
    case LEASE_KEEP_ALIVE: append(line, sizeof line, "POST /_/leases/%llu/keep-alive", lease); break;
    case LEASE_REVOKE: append(line, sizeof line, "DELETE /_/leases/%llu", lease); break;
    case LEASE_GET: append(line, sizeof line, "GET /_/leases/%llu", lease); break;
    }
    return append(out, cap, "%s HTTP/1.1\r\nHost: m%u\r\nContent-Length: %zu\r\n\r\n%s", line,
                  c->target + 1, strlen(body), body);
}

static void send_request(struct sim *s, struct lease_client *c)
{
    char request[512];
    size_t len = build(c, request, sizeof request);
    c->state = LEASE_WAITING;
    c->in_len = 0;
    c->answered_us = 0;
    sim_net_send(s->net, c->conn, request, len);
}

static void begin_with(struct sim *s, struct lease_client *c, uint32_t target)
{
    struct sim_leases *ls = s->leases;
    if (target != c->target) drop(s, c);
    c->target = target;
    c->begin_us = sim_now_us(s);
    c->epoch = ls->epochs[target];
    const struct lease_ghost *g = lease_find(ls, c->lease);
    c->was_alive = g && g->alive;
    wake_in(s, c, (uint64_t)s->plan.client_timeout_ms * 1000);
    if (c->conn) {
        send_request(s, c);
        return;
    }
    c->state = LEASE_DIALING;
    c->conn = sim_net_dial(s->net, sim_client_owner(c->index), c->target);
}

static void begin(struct sim *s, struct lease_client *c)
{
    struct sim_leases *ls = s->leases;
    uint32_t target =
        ms_rand_below(&ls->rand, 4) ? c->target : (uint32_t)ms_rand_below(&ls->rand, s->cluster->count);
    draw_op(s, c);
    begin_with(s, c, target);
}

/* --- the probe: all is healed, and members have to serve leases (K18) --- */

static void probe(struct sim *s, struct lease_client *c)
{
    struct sim_leases *ls = s->leases;
    uint32_t count = s->cluster->count;
    for (uint32_t i = 0; i < count && !sim_workload_asks(s, ls->probe_turn % count); i++)
        ls->probe_turn++;
    c->op = probe_ops[ls->probe_step];
    if (c->op == LEASE_GRANT) ls->probe_lease = ++ls->next_id;
    c->lease = ls->probe_lease;
    c->ttl_s = PROBE_TTL_S;
    c->probes = true;
    begin_with(s, c, ls->probe_turn % count);
}

/* What took so long that its lease is dead begins anew. */
static void probe_told(struct sim *s, int status)
{
    struct sim_leases *ls = s->leases;
    if (status == 404) ls->probe_step = 0;
    if (status != 200 && status != 204) return;
    ls->probe_step++;
    ls->probe_turn++;
}

uint64_t sim_lease_event(struct sim *s, const struct sim_event *ev)
{
    struct lease_client *c = client_of(s, ev->who - SIM_MEMBERS_MAX);
    if (ev->a != c->wake) return 0;
    if (c->state != LEASE_RESTING) { /* timed out */
        drop(s, c);
        rest(s, c);
    } else if (!s->leases->healed) {
        begin(s, c);
    } else if (c->index == SIM_LEASE_CLIENT_FIRST && !sim_leases_probed(s)) {
        probe(s, c);
    }
    return ev->a;
}

void sim_lease_dialed(struct sim *s, uint32_t client, uint64_t conn, int status)
{
    struct lease_client *c = client_of(s, client);
    if (c->conn != conn || c->state != LEASE_DIALING) return;
    if (status == 0) {
        send_request(s, c);
        return;
    }
    c->conn = 0;
    c->target = (uint32_t)ms_rand_below(&s->leases->rand, s->cluster->count);
    rest(s, c);
}

void sim_lease_closed(struct sim *s, uint32_t client, uint64_t conn)
{
    struct lease_client *c = client_of(s, client);
    if (c->conn != conn) return;
    c->conn = 0;
    if (c->state != LEASE_RESTING) rest(s, c);
}

/* --- answers --- */

/* The first bytes of the answer leave: what it says is promised from when it was worked out. */
void sim_lease_member_sends(struct sim *s, uint64_t conn, uint64_t since_us)
{
    if (!s->leases) return;
    for (uint32_t i = 0; i < s->leases->client_count; i++) {
        struct lease_client *c = &s->leases->clients[i];
        if (c->conn == conn && c->state == LEASE_WAITING && c->answered_us == 0)
            c->answered_us = since_us;
    }
}

static bool number_behind(const char *in, const char *name, uint64_t *out)
{
    const char *at = strstr(in, name);
    if (!at) return false;
    *out = strtoull(at + strlen(name), NULL, 10);
    return true;
}

/* A keep-alive that was told that it is one. */
static void check_renewed(struct sim *s, const struct lease_client *c)
{
    const struct lease_ghost *g = lease_find(s->leases, c->lease);
    s->leases->renewals++;
    sim_rare(s, SIM_RARE_LEASE_RENEWED);
    if (g && g->renewed_us >= c->begin_us) return;
    sim_fail(SIM_FAIL_SAFETY, "K14",
             "client %u is told that lease %llu is renewed, and no entry says so", c->index,
             (unsigned long long)c->lease);
}

/* Of the probe: nobody else knows the lease. */
static void read_told(struct sim *s, const struct lease_client *c)
{
    uint64_t left_s;
    if (c->epoch != s->leases->epochs[c->target])
        return; /* it has another clock, or state, since */
    if (number_behind(c->in, "\"ttl\": ", &left_s)) {
        lease_check_read(s, c->target, c->lease, left_s, c->begin_us);
        return;
    }
    sim_fail(SIM_FAIL_SAFETY, "HTTP", "client %u is not told what is left of a lease: %s", c->index,
             c->in);
}

static void succeeded(struct sim *s, const struct lease_client *c)
{
    uint64_t id = 0, ttl_s = 0;
    if (c->op == LEASE_GET) read_told(s, c);
    bool put = c->op == LEASE_PUT_TTL;
    if (c->op == LEASE_PUT || c->op == LEASE_PUT_FREE)
        lease_check_put(s, c->op == LEASE_PUT ? c->lease : 0, c->key, c->begin_us);
    if (c->op != LEASE_GRANT && c->op != LEASE_KEEP_ALIVE && !put) return;
    bool told = number_behind(c->in, put ? "Metastore-Lease: " : "\"id\": ", &id) &&
                number_behind(c->in, put ? "Metastore-Lease-Ttl: " : "\"ttl\": ", &ttl_s);
    if (!told || (c->lease && id != c->lease)) {
        sim_fail(SIM_FAIL_SAFETY, "HTTP",
                 "client %u is not told which lease it has, and for how long: %s", c->index, c->in);
    }
    if (c->op == LEASE_KEEP_ALIVE)
        check_renewed(s, c);
    else
        lease_check_granted(s, id, c->ttl_s);
    if (put) lease_check_put(s, id, c->key, c->begin_us);
    lease_check_told(s, id, ttl_s, c->begin_us);
    lease_promised(s, id, ttl_s, c->answered_us);
}

static void not_found(struct sim *s, const struct lease_client *c)
{
    const struct lease_ghost *g = lease_find(s->leases, c->lease);
    bool names = c->op == LEASE_PUT || c->op >= LEASE_KEEP_ALIVE;
    if (names && !(c->was_alive && g && g->alive)) return;
    sim_fail(SIM_FAIL_SAFETY, "K14", "client %u does not find lease %llu, which lives", c->index,
             (unsigned long long)c->lease);
}

static void judge(struct sim *s, const struct lease_client *c, int status)
{
    switch (status) {
    case 200:
    case 204: succeeded(s, c); return;
    case 404: not_found(s, c); return;
    case 409: /* a grant that was repeated by nobody: the id is one that a lost answer has granted */
    case 408:
    case 503:
    case 504:
    case 507: return;
    }
    sim_fail(SIM_FAIL_SAFETY, "HTTP", "client %u gets the answer %d: %.*s", c->index, status, 200,
             c->in);
}

/* Whether all of the answer is there. */
static bool is_whole(const struct lease_client *c)
{
    const char *end = strstr(c->in, "\r\n\r\n");
    uint64_t len = 0;
    if (!end) return false;
    number_behind(c->in, "Content-Length: ", &len);
    return c->in_len >= (size_t)(end + 4 - c->in) + len;
}

void sim_lease_bytes(struct sim *s, uint32_t client, uint64_t conn, struct bytes in)
{
    struct lease_client *c = client_of(s, client);
    if (c->conn != conn) return;
    if (c->state != LEASE_WAITING) { /* refused, or timed out */
        drop(s, c);
        return;
    }
    MS_ASSERT(c->in_len + in.len <= LEASE_ANSWER_BYTES_MAX);
    memcpy(c->in + c->in_len, in.data, in.len);
    c->in_len += in.len;
    c->in[c->in_len] = 0;
    if (!is_whole(c)) return;
    int status = c->in_len > 12 ? (int)strtol(c->in + 9, NULL, 10) : 0;
    sim_trace(s, "c%u  %d for lease %llu, operation %u", c->index, status, (unsigned long long)c->lease,
              (unsigned)c->op);
    judge(s, c, status);
    if (c->probes) probe_told(s, status);
    if (strstr(c->in, "Connection: close")) drop(s, c);
    rest(s, c);
}
