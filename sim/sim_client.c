/* sim_client.c: one client's connection: requests out, answers in. */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "sim/sim_limits.h"
#include "sim/sim_schedule.h"
#include "sim/sim_workload_private.h"

static size_t append(const struct sim_workload *w, size_t len, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(w->request + len, w->request_cap - len, format, args);
    va_end(args);
    MS_ASSERT(more >= 0 && (size_t)more < w->request_cap - len);
    return len + (size_t)more;
}

/* The request for an operation; returns its length. */
static size_t build_request(struct sim *s, const struct sim_client *c, const struct sim_op *op)
{
    const struct sim_workload *w = s->workload;
    static const char *const methods[] = { "",       "PUT",  "GET",  "DELETE", "POST",
                                           "DELETE", "POST", "POST", "POST" };
    bool change = op->kind > SIM_OP_DELETE;
    char path[32] = "", body[1024] = "", conditions[256] = "";
    if (change) sim_admin_request(op, path, body, sizeof body);
    size_t len = append(w, 0, "%s /", methods[op->kind]);
    if (change)
        len = append(w, len, "%s", path);
    else
        len = append(w, len, "k%u", op->key);
    len = append(w, len, " HTTP/1.1\r\nHost: m%u\r\n", c->target + 1);
    if (op->kind == SIM_OP_PUT) len = append(w, len, "Content-Length: %u\r\n", op->value_bytes);
    if (change) len = append(w, len, "Content-Length: %zu\r\n", strlen(body));
    sim_condition_headers(&op->demand, conditions, sizeof conditions);
    len = append(w, len, "%s\r\n%s", conditions, body);
    if (op->kind != SIM_OP_PUT) return len;
    return len + sim_ledger_value(s, c->number, w->request + len, w->request_cap - len);
}

static void send_request(struct sim *s, struct sim_client *c)
{
    struct sim_op *op = sim_ledger_op(s, c->number);
    size_t len = build_request(s, c, op);
    c->state = SIM_CLIENT_WAITING;
    c->sent = true;
    c->in_len = 0;
    if (op->kind == SIM_OP_GET) sim_ledger_sent(s, c->number);
    sim_net_send(s->net, c->conn, s->workload->request, len);
}

void sim_client_request(struct sim *s, struct sim_client *c)
{
    c->sent = false;
    if (c->conn) {
        send_request(s, c);
        return;
    }
    c->state = SIM_CLIENT_DIALING;
    c->conn = sim_net_dial(s->net, sim_client_owner(c->index), c->target);
}

void sim_client_drop(struct sim *s, struct sim_client *c)
{
    if (c->conn) sim_net_close(s->net, c->conn, false);
    c->conn = 0;
}

void sim_client_dialed(struct sim *s, uint32_t client, uint64_t number, int status)
{
    struct sim_client *c = &s->workload->clients[client];
    if (c->conn != number || c->state != SIM_CLIENT_DIALING) return;
    if (status == 0) {
        send_request(s, c);
        return;
    }
    c->conn = 0;
    c->target_bad = true;
    sim_client_done(s, c, SIM_OUT_NO);
}

void sim_client_closed(struct sim *s, uint32_t client, uint64_t number)
{
    struct sim_client *c = &s->workload->clients[client];
    if (c->conn != number) return;
    c->conn = 0;
    if (c->state == SIM_CLIENT_RESTING) return;
    c->target_bad = true;
    sim_client_done(s, c, c->sent ? SIM_OUT_UNKNOWN : SIM_OUT_NO);
}

/* --- answers --- */

struct answer {
    int status;
    struct sim_told told;
    struct bytes body;
    bool close;
    size_t bytes; /* of all of it */
};

static bool header_is(const char *line, size_t len, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') return false;
    *value = line + n + 1;
    while (**value == ' ') (*value)++;
    return true;
}

static uint64_t number_in(const char *value)
{
    return strtoull(value, NULL, 10);
}

/* Numbers are ended by the line. */
static void parse_told(struct sim_told *t, const char *line, size_t len)
{
    const char *value;
    if (header_is(line, len, "ETag", &value) && *value == '"') t->etag = number_in(value + 1);
    if (header_is(line, len, "Metastore-Revision", &value)) t->revision = number_in(value);
    if (header_is(line, len, "Metastore-Create-Revision", &value))
        t->create_revision = number_in(value);
    if (header_is(line, len, "Metastore-Version", &value)) t->version = number_in(value);
}

static void parse_header(struct answer *a, const char *line, size_t len)
{
    const char *value;
    if (header_is(line, len, "Content-Length", &value)) a->body.len = strtoul(value, NULL, 10);
    if (header_is(line, len, "Connection", &value)) a->close = strncasecmp(value, "close", 5) == 0;
    parse_told(&a->told, line, len);
}

/* False: more is needed. */
static bool parse_answer(const struct sim_client *c, struct answer *a)
{
    const char *in = (const char *)c->in, *end = strstr(in, "\r\n\r\n"), *line, *next;
    *a = (struct answer){ 0 };
    if (!end) return false;
    if (c->in_len < 12 || memcmp(in, "HTTP/1.1 ", 9) != 0) {
        sim_fail(SIM_FAIL_SAFETY, "HTTP", "client %u gets something that is no answer", c->index);
    }
    a->status = (int)strtol(in + 9, NULL, 10);
    for (line = strchr(in, '\n') + 1; line < end + 2; line = next + 1) {
        next = strchr(line, '\n'); /* there is one: the blank line ends with it */
        parse_header(a, line, (size_t)(next - line));
    }
    a->body.data = (const uint8_t *)end + 4;
    a->bytes = (size_t)(end + 4 - in) + a->body.len;
    return a->bytes <= c->in_len;
}

static enum sim_outcome judge_read(struct sim *s, struct sim_op *op, const struct answer *a)
{
    if (a->status == 404) {
        op->value = 0;
        return SIM_OUT_OK;
    }
    op->value = sim_ledger_writer(s, a->body);
    if (op->value == 0 && !sim_check_may_lie(s, op->target, op->begin_us)) {
        sim_fail(SIM_FAIL_SAFETY, "K11", "client %u reads %zu bytes of k%u that nobody wrote",
                 op->client, a->body.len, op->key);
    }
    return SIM_OUT_OK;
}

/* Not without a disk that was full at some time; and a read needs no room. */
static void check_refused(struct sim *s, const struct sim_op *op)
{
    sim_rare(s, SIM_RARE_QUORUM_FULL);
    if (op->kind != SIM_OP_GET && s->totals.faults[SIM_FAULT_NOSPACE] > 0) return;
    if (op->kind != SIM_OP_GET && sim_replays(s)) return;
    sim_fail(SIM_FAIL_SAFETY, "K18",
             "client %u is told that there is no room, and there is, or it reads", op->client);
}

/* SPEC 3: what the status says about the operation. */
static enum sim_outcome judge(struct sim *s, struct sim_op *op, const struct answer *a)
{
    bool get = op->kind == SIM_OP_GET;
    if (get && (a->status == 200 || a->status == 404)) return judge_read(s, op, a);
    if (!get && a->status == 204) return SIM_OUT_OK;
    if (!get && a->status == 504) return SIM_OUT_UNKNOWN;
    bool change = op->kind > SIM_OP_DELETE;
    if (change && (a->status == 404 || a->status == 409)) return SIM_OUT_NO;
    if (a->status == 412 && op->demand.condition) {
        sim_told_denied(s, s->workload->clients[op->client].number, op);
        return SIM_OUT_NO;
    }
    if (a->status == 507) check_refused(s, op);
    if (a->status == 413 && op->kind == SIM_OP_PUT &&
        sim_limits_exceeds(&s->plan, op->key, op->value_bytes)) {
        sim_rare(s, SIM_RARE_BEYOND_LIMIT);
        return SIM_OUT_NO;
    }
    if (a->status == 503 || a->status == 507 || a->status == 408) return SIM_OUT_NO;
    sim_fail(SIM_FAIL_SAFETY, "HTTP", "client %u gets the answer %d: %.*s", op->client, a->status,
             (int)(a->body.len < 200 ? a->body.len : 200), (const char *)a->body.data);
}

void sim_client_bytes(struct sim *s, uint32_t client, uint64_t number, struct bytes in)
{
    struct sim_client *c = &s->workload->clients[client];
    struct answer a;
    if (c->conn != number) return;
    if (c->in_len + in.len > c->in_cap) {
        c->in_cap = 2 * (c->in_len + in.len);
        MS_ASSERT(c->in_cap < SIM_RESPONSE_BYTES_MAX);
        c->in = realloc(c->in, c->in_cap + 1);
        MS_ASSERT(c->in != NULL);
    }
    memcpy(c->in + c->in_len, in.data, in.len);
    c->in_len += in.len;
    c->in[c->in_len] = 0; /* so that numbers in it end */
    if (!parse_answer(c, &a)) return;
    if (c->state != SIM_CLIENT_WAITING) { /* an idle connection that is refused or timed out */
        sim_client_drop(s, c);
        return;
    }
    struct sim_op *op = sim_ledger_op(s, c->number);
    op->told = a.told;
    op->told.status = a.status;
    enum sim_outcome outcome = judge(s, op, &a);
    sim_trace(s, "c%u  %d for operation %llu", client, a.status, (unsigned long long)c->number);
    if (a.bytes != c->in_len) sim_fail(SIM_FAIL_SAFETY, "HTTP", "client %u gets two answers", client);
    if (a.close) sim_client_drop(s, c);
    c->target_bad = outcome != SIM_OUT_OK && a.status != 412;
    sim_client_done(s, c, outcome);
}
