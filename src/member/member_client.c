/* member_client.c: connections of clients: requests in, node calls, answers out.
 *
 *   L1  one request of a connection is under way at a time; what is pipelined behind it waits unread
 *   L2  output of a turn leaves in one send, at the end of the turn
 *   L3  a client that does not read is not read from: above CLIENT_PAUSE_BYTES of waiting output
 *       nothing more is begun; if less than CLIENT_PROGRESS_BYTES leave in client_idle_ms_max the connection is cut.
 *       One that ends with its last answer is given as much time for that: it is closed when little of it waits
 *   L4  a client in the middle of a request is timed, an idle one is not: it has to finish, or to send
 *       CLIENT_PROGRESS_BYTES, in each client_idle_ms_max. Those that are timed stand in one list in order of
 *       time, so that a tick looks only at those that are due
 *   L5  a backup, or a range, is read as fast as its client takes it: the next chunk is asked for when the one
 *       before has left, and no more than CLIENT_PAUSE_BYTES wait
 *
 *   L9  no connection has more than CLIENT_REQUESTS_PER_ROUND_MAX requests carried out before all others that
 *       have some had their turn; and when all together hold more than clients_bytes_max, who holds more than
 *       CLIENT_SMALL_BYTES is cut
 *
 * A request whose connection closes goes on in the node; its answer then finds nobody (M6). */
#include <stdio.h>

#include "http/http_txn.h"
#include "member/member_private.h"

static void client_account(struct member *m, struct client *c)
{
    uint64_t held = http_conn_memory(c->http) + member_net_queued(m, c->conn.number) + range_memory(c);
    m->clients_bytes += held - c->held_bytes;
    c->held_bytes = held;
}

/* All of them hold too much, and c is one of those that it comes from. */
static bool client_is_excessive(const struct member *m, const struct client *c)
{
    return m->clients_bytes > m->opts.clients_bytes_max && c->held_bytes > CLIENT_SMALL_BYTES;
}

static void client_time(struct member *m, struct client *c)
{
    bool progress = c->moved || c->heard_bytes >= CLIENT_PROGRESS_BYTES;
    if (!c->stalled && !http_conn_in_request(c->http)) {
        ms_list_remove(&c->timer.node);
    } else if (progress || !ms_list_has(&c->timer.node)) {
        c->heard_bytes = 0;
        c->moved = false;
        member_timer_set(&m->idle, &c->timer, m->now_ms + m->opts.client_idle_ms_max);
    }
}

/* Set what follows from the state of c: reading or not, timed or not, what it holds. */
static void client_update(struct member *m, struct client *c)
{
    bool pause = c->stalled || !http_conn_wants_input(c->http);
    if (pause != c->paused) {
        c->paused = pause;
        m->env.net->ops->pause(m->env.net, c->conn.number, pause);
    }
    client_account(m, c);
    client_time(m, c);
}

void client_set_ready(struct member *m, struct client *c)
{
    if (!ms_list_has(&c->ready)) ms_list_push(&m->ready, &c->ready);
}

void client_set_dirty(struct member *m, struct client *c)
{
    bool some =
        http_conn_output(c->http)->len > 0 || c->wants_chunk; /* the chunk may have been empty */
    if (some && !ms_list_has(&c->dirty)) ms_list_push(&m->dirty, &c->dirty);
}

static void client_free(struct member *m, struct client *c)
{
    ms_list_remove(&c->timer.node);
    ms_list_remove(&c->ready);
    ms_list_remove(&c->dirty);
    watch_free(m, c);
    range_free(m, c);
    slots_remove(&m->slots, c);
    measure_gone(m, c);
    m->clients_bytes -= c->held_bytes;
    http_conn_destroy(c->http);
    ms_free(m->env.alloc, c);
}

static void client_push(struct member *m, struct client *c)
{
    const struct buf *out = http_conn_output(c->http);
    if (out->len == 0) return;
    member_net_send(m, c->conn.number, out->data, out->len);
    c->sent_bytes += out->len;
    m->measure.sent_bytes += out->len;
    http_conn_sent(c->http);
}

/* Who takes it goes, or could not be given the beginning. */
static void client_end_stream(struct member *m, struct client *c)
{
    bool gone = c->busy || c->refused;
    c->refused = false;
    if (gone && c->request == CLIENT_BACKUP) node_backup_end(m->node, m->now_ms, c->token);
    if (gone && c->request == CLIENT_RANGE) node_range_end(m->node, m->now_ms, c->token);
}

static void client_close(struct member *m, struct client *c, bool flush)
{
    client_end_stream(m, c);
    if (flush) client_push(m, c);
    conn_table_remove(&m->table, c->conn.number);
    member_net_close(m, c->conn.number, flush);
    client_free(m, c);
}

static void client_stall(struct client *c, size_t queued)
{
    c->stalled = true;
    c->stall_drained = c->sent_bytes - queued;
}

static void client_cut(struct member *m, struct client *c);

/* It has had its last answer. The host is patient with a connection that is closed for a moment only: one where
 * much waits is closed when that has left (L3). */
static void client_leave(struct member *m, struct client *c)
{
    watch_free(m, c); /* nothing is said on its stream any more */
    client_push(m, c);
    size_t queued = member_net_queued(m, c->conn.number);
    if (queued <= CLIENT_SMALL_BYTES) {
        client_close(m, c, true);
        return;
    }
    client_stall(c, queued);
    client_update(m, c);
    if (client_is_excessive(m, c)) client_cut(m, c);
}

/* --- accepting --- */

static int client_create(struct member *m, uint64_t number, struct client **out)
{
    /* What an operator may say does not depend on how large values may be; the router has both limits.
     */
    size_t body_bytes_max = m->opts.value_bytes_max;
    if (body_bytes_max < HTTP_OPERATOR_BODY_BYTES_MAX) body_bytes_max = HTTP_OPERATOR_BODY_BYTES_MAX;
    struct http_conn_opts opts = { .body_bytes_max = body_bytes_max, .on_answer = measure_answer };
    struct client *c = ms_alloc_zeroed(m->env.alloc, sizeof *c);
    int rv;
    if (!c) return MS_ENOMEM;
    c->member = m;
    opts.arg = c;
    c->conn = (struct conn){ .number = number, .kind = CONN_CLIENT };
    rv = http_conn_create(&c->http, &opts, m->env.alloc);
    if (rv < 0) goto fail_http;
    rv = slots_add(&m->slots, m->env.alloc, c);
    if (rv < 0) goto fail_slot;
    rv = conn_table_add(&m->table, &c->conn);
    if (rv < 0) goto fail_table;
    *out = c;
    return 0;
fail_table:
    slots_remove(&m->slots, c);
fail_slot:
    http_conn_destroy(c->http);
fail_http:
    ms_free(m->env.alloc, c);
    return rv;
}

void client_accept(struct member *m, uint64_t conn)
{
    struct client *c;
    int rv = m->phase == MEMBER_RUNNING ? client_create(m, conn, &c) : MS_ESTOPPED;
    if (rv == 0) {
        m->measure.clients_accepted++;
        return;
    }
    m->counters.clients_refused++;
    const char *line = rv == MS_EBUSY      ? "too many connections to this member; try again"
                       : rv == MS_ESTOPPED ? "this member is stopping; ask another one"
                                           : "out of memory; try again";
    member_refuse(m, conn, 503, true, line);
}

/* --- requests --- */

static const char backups_line[] =
    "as many backups as may be at a time are being saved; try again later";

static void answer_page(struct member *m, struct client *c, const char *type, struct bytes body)
{
    struct http_answer a = {
        .status = 200, .content_type = type, .body = body, .close = m->phase != MEMBER_RUNNING
    };
    http_conn_answer(c->http, &a);
}

static void answer_text(struct member *m, struct client *c, const char *type,
                        void (*write)(struct member *, struct buf *))
{
    buf_clear(&m->text);
    write(m, &m->text);
    if (m->text.failed)
        answer_failure(m, c, MS_ENOMEM, NULL);
    else
        answer_page(m, c, type, buf_bytes(&m->text));
}

static void answer_json(struct member *m, struct client *c,
                        void (*write)(struct member *, struct buf *))
{
    answer_text(m, c, MEMBER_JSON_TYPE, write);
}

static void answer_refused_route(struct member *m, struct client *c, const struct http_route *route)
{
    struct http_header allow = { "Allow", route->allow };
    answer_line(m, c, route->status, route->text, &allow, route->allow ? 1 : 0);
}

static int propose(struct member *m, uint64_t token, int encoded)
{
    if (encoded < 0) return encoded;
    if (m->command.failed) return MS_ENOMEM;
    return node_propose_txn(m->node, m->now_ms, token, buf_bytes(&m->command));
}

static int submit_write(struct member *m, struct client *c, const struct http_route *route,
                        struct bytes body)
{
    struct kv_op op = { .kind = KV_OP_DELETE, .key = buf_bytes(&m->key) };
    int encoded;
    if (route->kind == HTTP_ROUTE_KEY_PUT) {
        op.kind = KV_OP_PUT;
        op.value = body;
        op.lease = route->ttl_s ? KV_LEASE_OF_GRANT : route->lease;
    }
    if (route->conditional)
        encoded = condition_encode(&m->command, &route->conditions, &op, &c->condition);
    else
        encoded = kv_cmd_encode(&m->command, NULL, 0, &op, 1, NULL, 0);
    if (encoded >= 0 && route->conditional && !route->ttl_s)
        return m->command.failed ? MS_ENOMEM
                                 : node_txn(m->node, m->now_ms, c->token, buf_bytes(&m->command));
    if (encoded < 0 || !route->ttl_s) return propose(m, c->token, encoded);
    return node_lease_grant(m->node, m->now_ms, c->token, 0, route->ttl_s, buf_bytes(&m->command));
}

static int submit_range_delete(struct member *m, const struct client *c, const struct http_route *route)
{
    struct kv_op op = { .kind = KV_OP_DELETE, .key = route->range.key };
    op.range_end = route->range.range_end;
    return propose(m, c->token, kv_cmd_encode(&m->command, NULL, 0, &op, 1, NULL, 0));
}

static int submit_read(struct member *m, const struct client *c, const struct http_route *route)
{
    struct bytes key = buf_bytes(&m->key);
    return route->stale ? node_read_stale(m->node, m->now_ms, c->token, key)
                        : node_read(m->node, m->now_ms, c->token, key);
}

/* What the end of a request of this kind means. */
static enum client_request request_of(enum http_route_kind kind)
{
    switch (kind) {
    case HTTP_ROUTE_KEY_GET:
    case HTTP_ROUTE_KEY_AT: return CLIENT_READ;
    case HTTP_ROUTE_RANGE: return CLIENT_RANGE;
    case HTTP_ROUTE_RANGE_DELETE: return CLIENT_RANGE_DELETE;
    case HTTP_ROUTE_TXN: return CLIENT_TXN;
    case HTTP_ROUTE_COMPACT: return CLIENT_COMPACT;
    case HTTP_ROUTE_KEY_PUT:
    case HTTP_ROUTE_KEY_DELETE: return CLIENT_WRITE;
    case HTTP_ROUTE_TRANSFER: return CLIENT_TRANSFER;
    case HTTP_ROUTE_SETTINGS_SET: return CLIENT_SETTING;
    case HTTP_ROUTE_SNAPSHOT: return CLIENT_BACKUP;
    case HTTP_ROUTE_HEALTH:
    case HTTP_ROUTE_READYZ: return CLIENT_PROBE;
    case HTTP_ROUTE_LEASE_GRANT: return CLIENT_LEASE_GRANT;
    case HTTP_ROUTE_LEASE_KEEP_ALIVE: return CLIENT_LEASE_KEEP_ALIVE;
    case HTTP_ROUTE_LEASE_REVOKE: return CLIENT_LEASE_REVOKE;
    case HTTP_ROUTE_LEASE_GET: return CLIENT_LEASE_GET;
    case HTTP_ROUTE_LEASES_GET: return CLIENT_LEASES_GET;
    default: return CLIENT_CHANGE;
    }
}

/* Hand a request to the node. 0: its answer will come. */
static int client_submit(struct member *m, struct client *c, const struct http_route *route,
                         struct bytes body)
{
    uint64_t token = c->token = slots_begin(&m->slots, c), id = route->member_id;
    enum entry_change change = ENTRY_CHANGE_ADD;
    switch (route->kind) {
    case HTTP_ROUTE_KEY_GET: return submit_read(m, c, route);
    case HTTP_ROUTE_KEY_PUT:
    case HTTP_ROUTE_KEY_DELETE: return submit_write(m, c, route, body);
    case HTTP_ROUTE_KEY_AT:
    case HTTP_ROUTE_RANGE: return range_begin(m, c, route);
    case HTTP_ROUTE_RANGE_DELETE: return submit_range_delete(m, c, route);
    case HTTP_ROUTE_TXN: return node_txn(m->node, m->now_ms, token, buf_bytes(&m->command));
    case HTTP_ROUTE_COMPACT: return node_compact(m->node, m->now_ms, token, route->revision);
    case HTTP_ROUTE_MEMBER_ADD: return node_change(m->node, m->now_ms, token, change, id, route->url);
    case HTTP_ROUTE_MEMBER_REMOVE:
        change = route->force ? ENTRY_CHANGE_REMOVE_FORCED : ENTRY_CHANGE_REMOVE;
        return node_change(m->node, m->now_ms, token, change, id, NULL);
    case HTTP_ROUTE_MEMBERS_SET:
        return node_change_set(m->node, m->now_ms, token, &m->wanted, route->force);
    case HTTP_ROUTE_TRANSFER: return node_transfer(m->node, m->now_ms, token, id);
    case HTTP_ROUTE_SETTINGS_SET: return node_set_lease(m->node, m->now_ms, token, route->lease_reads);
    case HTTP_ROUTE_SNAPSHOT: return node_backup(m->node, m->now_ms, token);
    case HTTP_ROUTE_HEALTH:
    case HTTP_ROUTE_READYZ: return node_read(m->node, m->now_ms, token, bytes_of_str("health"));
    case HTTP_ROUTE_LEASE_GRANT:
    case HTTP_ROUTE_LEASE_KEEP_ALIVE:
    case HTTP_ROUTE_LEASE_REVOKE:
    case HTTP_ROUTE_LEASE_GET:
    case HTTP_ROUTE_LEASES_GET: return lease_submit(m, c, route);
    default: MS_UNREACHABLE();
    }
}

static bool puts_fit(const struct member *m, struct bytes command);

static bool ops_fit(const struct member *m, struct bytes ops)
{
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    while (kv_cmd_next_op(&run, &op)) {
        if (op.kind == KV_OP_TXN && !puts_fit(m, op.txn)) return false;
        if (op.kind != KV_OP_PUT) continue;
        if (op.key.len > m->opts.key_bytes_max || op.value.len > m->opts.value_bytes_max) return false;
    }
    return true;
}

/* What a PUT may not write, a transaction may not either. */
static bool puts_fit(const struct member *m, struct bytes command)
{
    struct kv_cmd cmd;
    int rv = kv_cmd_decode(command, &cmd);
    MS_ASSERT(rv == 0); /* it was encoded here */
    return ops_fit(m, cmd.then_ops) && ops_fit(m, cmd.else_ops);
}

/* The body of a transaction, into m->command. False: it is none, and the answer is out. */
static bool txn_read(struct member *m, struct client *c, struct http_route *route, struct bytes body)
{
    int rv = http_read_txn(body, m->env.alloc, &m->command, route->text, sizeof route->text);
    if (rv == MS_EINVAL)
        answer_line(m, c, 400, route->text, NULL, 0);
    else if (rv < 0)
        answer_failure(m, c, rv, NULL);
    if (rv < 0 || puts_fit(m, buf_bytes(&m->command))) return rv == 0;
    answer_line(m, c, 413, "a key or a value of a put is too large", NULL, 0);
    return false;
}

/* False: the set cannot be asked for, and the answer is out. */
static bool wanted_complete(struct member *m, struct client *c)
{
    char what[96];
    uint64_t unknown;
    switch (member_complete(m, &m->wanted, &unknown)) {
    case 0: return true;
    case MS_ENOTFOUND:
        snprintf(what, sizeof what, "member %llu is not known, so its url is needed",
                 (unsigned long long)unknown);
        answer_no_such_member(m, c, what);
        return false;
    default: answer_failure(m, c, MS_ECONFLICT, "a url of the list is another member's already");
    }
    return false;
}

/* What is answered at once, without the node. False: it is none of that. */
static bool answer_at_once(struct member *m, struct client *c, const struct http_route *route)
{
    switch (route->kind) {
    case HTTP_ROUTE_ERROR: answer_refused_route(m, c, route); return true;
    case HTTP_ROUTE_ROOT: answer_page(m, c, "text/plain", bytes_of_str(http_root_text)); return true;
    case HTTP_ROUTE_STATUS: answer_json(m, c, status_json); return true;
    case HTTP_ROUTE_VERSION: answer_json(m, c, version_json); return true;
    case HTTP_ROUTE_METRICS: answer_text(m, c, METRICS_CONTENT_TYPE, metrics_text); return true;
    case HTTP_ROUTE_MEMBERS_GET: answer_json(m, c, members_json); return true;
    case HTTP_ROUTE_SETTINGS_GET: answer_json(m, c, settings_json); return true;
    default: return false;
    }
}

static void client_request(struct member *m, struct client *c)
{
    const struct http_request *r = http_conn_request(c->http);
    struct http_limits limits = { .key_bytes_max = m->opts.key_bytes_max,
                                  .value_bytes_max = m->opts.value_bytes_max };
    struct http_route route;
    int rv;
    route.key = &m->key;
    route.wanted = &m->wanted;
    route.query = &m->query;
    route.watches = &m->watches;
    c->request = CLIENT_NONE;
    c->condition = CLIENT_CONDITION_NONE;
    c->revision = c->compacted_revision = 0;
    buf_clear(&m->command);
    http_route(r, &limits, &route);
    measure_request(m, c, route.kind);
    if (answer_at_once(m, c, &route)) return;
    switch (route.kind) {
    case HTTP_ROUTE_HEALTH:
    case HTTP_ROUTE_LIVEZ:
    case HTTP_ROUTE_READYZ:
        if (health_request(m, c, &route)) return;
        break;
    case HTTP_ROUTE_WATCH:
        c->request = CLIENT_WATCH;
        watch_begin(m, c, &m->watches);
        return;
    case HTTP_ROUTE_MEMBERS_SET:
        if (!wanted_complete(m, c)) return;
        break;
    case HTTP_ROUTE_TXN:
        if (!txn_read(m, c, &route, r->body)) return;
        break;
    default: break;
    }
    c->request = request_of(route.kind);
    rv = client_submit(m, c, &route, r->body);
    if (rv < 0 && c->request == CLIENT_PROBE)
        health_answer(m, c, rv);
    else if (rv < 0)
        answer_failure(m, c, rv, rv == MS_EBUSY && c->request == CLIENT_BACKUP ? backups_line : NULL);
    else
        c->busy = true;
    if (m->command.cap > MEMBER_SCRATCH_KEPT_BYTES) buf_fini(&m->command);
}

static void client_cut(struct member *m, struct client *c)
{
    log_line(m->env.log, LOG_INFO, "a client was cut off: connections hold %llu bytes",
             (unsigned long long)m->clients_bytes);
    m->measure.clients_cut++;
    if (!c->stalled && http_conn_in_request(c->http))
        answer_failure(m, c, MS_EBUSY, "too many bytes of requests and answers are waiting; try again");
    client_close(m, c, !c->stalled);
}

/* Read requests until one is under way, the input is used up, the client does not read, or others wait.
 * An enum http_event, or negative: the connection is of no use any more. */
static int client_take(struct member *m, struct client *c)
{
    uint32_t count = 0;
    int event = HTTP_REQUEST;
    while (event == HTTP_REQUEST && !c->busy && !c->stalled) {
        c->held = http_conn_output(c->http)->len > CLIENT_PAUSE_BYTES;
        if (c->held) break; /* the rest when this has been sent */
        if (count++ == CLIENT_REQUESTS_PER_ROUND_MAX) {
            client_set_ready(m, c);
            break;
        }
        event = http_conn_next(c->http);
        if (event != HTTP_REQUEST) break;
        c->moved = true;
        client_request(m, c);
    }
    return event;
}

static void client_run(struct member *m, struct client *c)
{
    c->held = false;
    if (c->refused) client_end_stream(m, c);
    if (c->broken) {
        client_close(m, c, false);
        return;
    }
    int event = client_take(m, c);
    if (event < 0) {
        client_close(m, c, false);
        return;
    }
    bool over = c->ended && event == HTTP_NEED_MORE && !c->busy;
    if (over || event == HTTP_REFUSED || event == HTTP_CLOSED) {
        client_leave(m, c);
        return;
    }
    client_set_dirty(m, c);
    client_update(m, c);
    if (client_is_excessive(m, c) && http_conn_in_request(c->http)) client_cut(m, c);
}

void client_on_bytes(struct member *m, struct client *c, struct bytes in)
{
    m->measure.received_bytes += in.len;
    if (c->heard_bytes < CLIENT_PROGRESS_BYTES)
        c->heard_bytes += in.len < CLIENT_PROGRESS_BYTES ? (uint32_t)in.len : CLIENT_PROGRESS_BYTES;
    if (http_conn_input(c->http, in) < 0) {
        client_close(m, c, true);
        return;
    }
    client_update(m, c);
    client_run(m, c);
}

/* What it has asked is answered first. Who watches has no end to wait for: it is taken at its word. */
void client_on_ended(struct member *m, struct client *c)
{
    c->ended = true;
    if (c->watch)
        client_close(m, c, false);
    else
        client_run(m, c);
}

void client_on_closed(struct member *m, struct client *c)
{
    client_end_stream(m, c);
    conn_table_remove(&m->table, c->conn.number);
    client_free(m, c);
}

/* --- answers --- */

void clients_answer(struct member *m, const struct node_answer *answer)
{
    struct client *c = slots_find(&m->slots, answer->token);
    if (!c) return;
    c->busy = false;
    if (c->request == CLIENT_PROBE)
        health_answer(m, c, answer->status);
    else
        answer_request(m, c, answer);
    client_set_ready(m, c);
    client_set_dirty(m, c);
}

static bool stream_chunk(struct client *c, struct bytes chunk)
{
    if (!c->streaming && !http_conn_stream_begin(c->http, "application/octet-stream", NULL, 0))
        return false;
    c->streaming = true;
    return http_conn_stream_part(c->http, chunk);
}

void clients_backup(struct member *m, uint64_t token, int status, struct bytes chunk, bool last)
{
    struct client *c = slots_find(&m->slots, token);
    if (!c) return;
    bool untold = status == 0 && !stream_chunk(c, chunk);
    if (untold) status = MS_ENOMEM;
    if (status < 0 && c->streaming) {
        c->broken = true; /* the head of the answer is out: there is no other way to say so */
    } else if (status < 0) {
        c->busy = false;
        c->refused = untold;
        answer_failure(m, c, status, status == MS_EBUSY ? backups_line : NULL);
    } else if (last) {
        c->busy = c->streaming = false;
        http_conn_stream_end(c->http);
    }
    c->wants_chunk = status == 0 && !last;
    if (!c->wants_chunk) client_set_ready(m, c);
    client_set_dirty(m, c);
}

void clients_resume(struct member *m)
{
    struct ms_list round, *node;
    /* Only those that are in the list now: answers that come meanwhile are for the next round. */
    ms_list_take(&m->ready, &round);
    while ((node = ms_list_pop(&round))) client_run(m, MS_LIST_OF(node, struct client, ready));
}

static void client_next_chunk(struct member *m, struct client *c)
{
    if (!c->wants_chunk || c->stalled) return;
    c->wants_chunk = false;
    if (c->request == CLIENT_TXN)
        txn_next(m, c);
    else if (c->request == CLIENT_RANGE)
        node_range_next(m->node, m->now_ms, c->token);
    else
        node_backup_next(m->node, m->now_ms, c->token);
}

static void client_flush(struct member *m, struct client *c)
{
    size_t queued = member_net_queued(m, c->conn.number);
    /* Before its answer is added, which may be larger than that by itself. */
    if (queued > m->opts.client_queue_bytes_max && http_conn_output(c->http)->len > 0) {
        log_line(m->env.log, LOG_INFO, "a client that does not read its answers was cut off");
        m->measure.clients_cut++;
        client_close(m, c, false);
        return;
    }
    client_push(m, c);
    queued = member_net_queued(m, c->conn.number);
    if (queued > CLIENT_PAUSE_BYTES && !c->stalled) client_stall(c, queued);
    if (c->held && !c->stalled) client_set_ready(m, c);
    client_next_chunk(m, c);
    watch_sent(m, c);
    client_update(m, c);
    if (c->stalled && client_is_excessive(m, c)) client_cut(m, c);
}

void clients_flush(struct member *m)
{
    struct ms_list *node;
    while ((node = ms_list_pop(&m->dirty))) client_flush(m, MS_LIST_OF(node, struct client, dirty));
}

void client_on_writable(struct member *m, struct client *c)
{
    bool was_stalled = c->stalled;
    c->stalled = false;
    watch_sent(m, c);
    if (!was_stalled) return;
    client_next_chunk(m, c);
    client_run(m, c);
}

/* --- time --- */

static void client_expired(struct member *m, struct client *c)
{
    uint64_t drained = c->sent_bytes - member_net_queued(m, c->conn.number);
    if (!c->stalled) {
        m->measure.clients_cut++;
        answer_line(m, c, 408, "the rest of the request did not come in time", NULL, 0);
        client_close(m, c, true);
    } else if (drained < c->stall_drained + CLIENT_PROGRESS_BYTES) {
        m->measure.clients_cut++;
        client_close(m, c, false);
    } else {
        c->stall_drained = drained;
        member_timer_set(&m->idle, &c->timer, m->now_ms + m->opts.client_idle_ms_max);
    }
}

void clients_tick(struct member *m)
{
    struct ms_list *node;
    while ((node = ms_list_first(&m->idle))) {
        struct client *c = MS_LIST_OF(node, struct client, timer.node);
        if (m->now_ms < c->timer.at_ms) break;
        client_expired(m, c);
    }
}

/* --- the end --- */

bool clients_any_busy(const struct member *m)
{
    for (uint32_t i = 0; i < m->slots.capacity; i++) {
        const struct client *c = m->slots.items[i].client;
        if (c && c->busy) return true;
    }
    return false;
}

void clients_close(struct member *m)
{
    for (uint32_t i = 0; i < m->slots.capacity; i++) {
        struct client *c = m->slots.items[i].client;
        if (!c) continue;
        bool asks = c->busy || http_conn_in_request(c->http); /* one not yet whole is not carried out */
        bool unknown = c->busy && !client_only_reads(c);
        if (asks && !c->streaming) answer_failure(m, c, unknown ? MS_EUNKNOWN : MS_ESTOPPED, NULL);
        client_close(m, c, !c->streaming);
    }
}

void clients_fini(struct member *m)
{
    for (uint32_t i = 0; i < m->slots.capacity; i++) {
        if (m->slots.items[i].client) client_free(m, m->slots.items[i].client);
    }
    ms_free(m->env.alloc, m->slots.items);
    m->slots = (struct client_slots){ .first_free = SLOT_NONE };
}
