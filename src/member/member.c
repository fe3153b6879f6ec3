/* member.c: the life of a member, where its inputs go, the end of a turn, and stopping. */
#include <stdio.h>

#include "member/member_private.h"

/* Number of rounds of one turn in which answered connections go on and the node is flushed. */
static_assert(MEMBER_ROUNDS_PER_TURN_MAX >= 2, "requests begun by an answer leave in the same turn");

void member_opts_default(struct member_opts *o)
{
    *o = (struct member_opts){
        .clients_max = 10000,
        .key_bytes_max = MS_KEY_BYTES_MAX,
        .value_bytes_max = 1536u << 10,
        .watch_queue_bytes_max = 64u << 10,
        .watch_beat_ms = 15000,
        .clients_bytes_max = 256u << 20,
        .client_idle_ms_max = 30000,
        .client_queue_bytes_max = 8u << 20,
        .dial_ms_max = 2000,
        .redial_ms_min = 50,
        .redial_ms_max = 1000,
    };
    o->node = (struct node_opts){
        .id = 1,
        .storage = NODE_STORAGE_MEMORY,
        .request_ms_max = 5000,
        .snapshot_bytes_per_s = SNAP_BYTES_PER_S_DEFAULT,
        .snapshot_log_bytes = 64u << 20,
        .requests_max = 16384,
        .watches_max = 100000,
        .request_bytes_max = 1536u << 10,
        .revisions_kept = 10000,
        .digest_ms = 10000,
        .wal_segment_bytes = WAL_SEGMENT_BYTES_DEFAULT,
        .wal_prewrite_bytes = 1u << 20,
        .raft = {
            .election_ms_min = 1000,
            .heartbeat_ms = 100,
            .inflight_count_max = 256,
            .inflight_bytes_max = 16u << 20,
            .append_bytes_max = 1u << 20,
            .uncommitted_bytes_max = 64u << 20,
            .cache_bytes_max = 16u << 20,
            .unapplied_bytes_max = 64u << 20,
        },
    };
}

/* --- small things the other files use --- */

void member_timer_set(struct ms_list *list, struct member_timer *t, uint64_t at_ms)
{
    ms_list_remove(&t->node);
    t->at_ms = at_ms;
    ms_list_push(list, &t->node);
}

uint64_t member_timer_first_ms(const struct ms_list *list)
{
    if (list->next == list) return MS_TIME_NEVER;
    return MS_LIST_OF(list->next, struct member_timer, node)->at_ms;
}

void member_refuse(struct member *m, uint64_t conn, int status, bool retry_after, const char *line)
{
    struct buf *text = &m->text;
    buf_clear(text);
    buf_append_text(text, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n",
                    status, http_status_text(status), strlen(line) + 1);
    buf_append_text(text, "%sConnection: close\r\n\r\n%s\n", retry_after ? "Retry-After: 1\r\n" : "",
                    line);
    if (!text->failed) member_net_send(m, conn, text->data, text->len);
    member_net_close(m, conn, !text->failed);
}

void member_hello(const struct member *m, struct http_hello *out, uint64_t to_id)
{
    struct node_identity self;
    node_identity(m->node, &self);
    *out = (struct http_hello){ .version_min = PEER_PROTOCOL_VERSION,
                                .version_max = PEER_PROTOCOL_VERSION,
                                .member_id = self.member_id,
                                .to_id = to_id,
                                .added_index = self.added_index };
    memcpy(out->cluster_uuid, self.cluster_uuid, sizeof out->cluster_uuid);
    memcpy(out->nonce, self.nonce, sizeof out->nonce);
    memcpy(out->url, self.url, sizeof out->url);
}

/* --- what the node calls (M5) --- */

static bool host_send(void *ctx, uint64_t to, uint8_t type, struct bytes body)
{
    return links_send(ctx, to, type, body);
}

static void host_stream(void *ctx, uint64_t to, bool wanted)
{
    streams_want(ctx, to, wanted);
}

static bool host_send_stream(void *ctx, uint64_t to, uint8_t type, struct bytes body)
{
    return streams_send(ctx, to, type, body);
}

static void host_answer(void *ctx, const struct node_answer *answer)
{
    struct member *m = ctx;
    if (answer->token & MEMBER_TOKEN_LOCAL)
        m->env.host.answer(m->env.host.ctx, answer);
    else
        clients_answer(m, answer);
}

static void host_backup(void *ctx, uint64_t token, int status, struct bytes chunk, bool last)
{
    clients_backup(ctx, token, status, chunk, last);
}

static void host_range(void *ctx, const struct node_range_piece *piece)
{
    struct member *m = ctx;
    if (piece->token & MEMBER_TOKEN_LOCAL)
        m->env.host.range(m->env.host.ctx, piece);
    else
        clients_range(m, piece);
}

static bool host_watch(void *ctx, const struct node_watch_news *news)
{
    struct member *m = ctx;
    const struct watch_owner *owner = news->arg;
    if (owner->local) return m->env.host.watch(m->env.host.ctx, news->arg, news);
    return watches_tell(m, news);
}

static void host_submit_job(void *ctx, struct kv_job *job)
{
    struct member *m = ctx;
    m->env.host.submit_job(m->env.host.ctx, job);
}

static void host_peers_changed(void *ctx)
{
    struct member *m = ctx;
    m->peers_changed = true;
    m->sync_ms = 0;
}

static void host_stop(void *ctx, int status, const char *reason)
{
    struct member *m = ctx;
    if (m->stop_wanted) return; /* the first reason is the cause */
    m->stop_wanted = true;
    m->stop_status = status;
    snprintf(m->stop_reason, sizeof m->stop_reason, "%s", reason);
}

/* --- life --- */

static void member_init(struct member *m, const struct member_opts *opts, const struct member_env *env,
                        uint64_t now_ms)
{
    m->magic = MEMBER_MAGIC;
    m->now_ms = now_ms;
    m->opts = *opts;
    if (!m->opts.version) m->opts.version = "unknown";
    if (!m->opts.commit) m->opts.commit = "unknown";
    m->env = *env;
    m->phase = MEMBER_RUNNING;
    m->peers_changed = true; /* the first turn dials */
    m->drain_ms = MS_TIME_NEVER;
    m->slots = (struct client_slots){ .max = opts->clients_max, .first_free = SLOT_NONE };
    ms_rand_init(&m->rand, opts->node.seed, MEMBER_RAND_REDIAL);
    conn_table_init(&m->table, env->alloc);
    ms_list_init(&m->handshakes);
    ms_list_init(&m->idle);
    ms_list_init(&m->ready);
    ms_list_init(&m->dirty);
    buf_init(&m->key, env->alloc, 2 * MS_KEY_BYTES_MAX + 16); /* and the end of a range */
    buf_init(&m->command, env->alloc, MS_TXN_BYTES_MAX);
    buf_init(&m->text, env->alloc, MEMBER_SCRATCH_KEPT_BYTES);
    watches_init(m);
    buf_init(&m->query, env->alloc, HTTP_QUERY_BYTES_MAX);
}

int member_create(struct member **out, const struct member_opts *opts, struct kv *kv,
                  const struct member_env *env, uint64_t now_ms, char *why, size_t why_cap)
{
    struct member *m = ms_alloc_zeroed(env->alloc, sizeof *m);
    *out = NULL;
    if (!m) {
        snprintf(why, why_cap, "%s", ms_err_text(MS_ENOMEM));
        return MS_ENOMEM;
    }
    member_init(m, opts, env, now_ms);
    struct node_host host = { .ctx = m,
                              .send = host_send,
                              .stream = host_stream,
                              .send_stream = host_send_stream,
                              .answer = host_answer,
                              .backup = host_backup,
                              .range = host_range,
                              .watch = host_watch,
                              .submit_job = host_submit_job,
                              .peers_changed = host_peers_changed,
                              .stop = host_stop };
    int rv = node_create(&m->node, &m->opts.node, kv, env->disk, env->alloc, env->log, &host, now_ms,
                         why, why_cap);
    if (rv < 0) {
        ms_free(env->alloc, m);
        return rv;
    }
    *out = m;
    return 0;
}

void member_destroy(struct member *m)
{
    MS_ASSERT(m->magic == MEMBER_MAGIC);
    m->magic = 0;
    clients_fini(m);
    peers_fini(m);
    links_fini(m);
    streams_fini(m);
    node_destroy(m->node);
    watches_fini(m);
    conn_table_fini(&m->table);
    buf_fini(&m->key);
    buf_fini(&m->command);
    buf_fini(&m->text);
    buf_fini(&m->query);
    ms_free(m->env.alloc, m);
}

const struct node *member_node(const struct member *m)
{
    return m->node;
}

/* --- inputs --- */

/* False: the member has stopped, inputs are late and mean nothing. */
static bool turn(struct member *m, uint64_t now_ms)
{
    MS_ASSERT(m->magic == MEMBER_MAGIC);
    MS_ASSERT(now_ms >= m->now_ms);
    m->now_ms = now_ms;
    return m->phase != MEMBER_STOPPED;
}

void member_on_accept(struct member *m, uint64_t now_ms, uint64_t conn, enum member_listener listener)
{
    if (!turn(m, now_ms))
        member_net_close(m, conn, false);
    else if (listener == MEMBER_LISTENER_PEER)
        peer_accept(m, conn);
    else
        client_accept(m, conn);
}

/* What of ours stands behind a number; NULL: nothing any more, the input came too late. */
static struct conn *conn_of(struct member *m, uint64_t now_ms, uint64_t number)
{
    return turn(m, now_ms) ? conn_table_find(&m->table, number) : NULL;
}

void member_on_dialed(struct member *m, uint64_t now_ms, uint64_t conn, int status)
{
    struct conn *c = conn_of(m, now_ms, conn);
    if (!c) return;
    MS_ASSERT(c->kind == CONN_LINK);
    link_on_dialed(m, (struct link *)c, status);
}

void member_on_bytes(struct member *m, uint64_t now_ms, uint64_t conn, struct bytes in)
{
    struct conn *c = conn_of(m, now_ms, conn);
    if (!c) return;
    switch (c->kind) {
    case CONN_LINK: link_on_bytes(m, (struct link *)c, in); break;
    case CONN_PEER: peer_on_bytes(m, (struct peer *)c, in); break;
    case CONN_CLIENT: client_on_bytes(m, (struct client *)c, in); break;
    }
}

void member_on_writable(struct member *m, uint64_t now_ms, uint64_t conn)
{
    struct conn *c = conn_of(m, now_ms, conn);
    if (!c) return;
    if (c->kind == CONN_CLIENT) /* which this may end */
        client_on_writable(m, (struct client *)c);
    else if (c->kind == CONN_LINK && ((struct link *)c)->is_stream)
        stream_on_writable(m, (struct link *)c);
}

/* A client may say that it has asked all it wants, and read on. Peers do not. */
void member_on_ended(struct member *m, uint64_t now_ms, uint64_t conn)
{
    struct conn *c = conn_of(m, now_ms, conn);
    if (!c) return;
    if (c->kind == CONN_CLIENT) {
        client_on_ended(m, (struct client *)c);
        return;
    }
    member_net_close(m, conn, false);
    member_on_closed(m, now_ms, conn);
}

void member_on_closed(struct member *m, uint64_t now_ms, uint64_t conn)
{
    struct conn *c = conn_of(m, now_ms, conn);
    if (!c) return;
    switch (c->kind) {
    case CONN_LINK: link_on_closed(m, (struct link *)c); break;
    case CONN_PEER: peer_on_closed(m, (struct peer *)c); break;
    case CONN_CLIENT: client_on_closed(m, (struct client *)c); break;
    }
}

void member_on_disk(struct member *m, uint64_t now_ms, struct disk_op *op)
{
    if (turn(m, now_ms)) node_on_disk(m->node, now_ms, op);
}

void member_on_job(struct member *m, uint64_t now_ms, struct kv_job *job)
{
    if (turn(m, now_ms)) node_on_job(m->node, now_ms, job);
}

void member_on_tick(struct member *m, uint64_t now_ms)
{
    if (!turn(m, now_ms)) return;
    node_on_tick(m->node, now_ms);
    links_tick(m);
    streams_tick(m);
    peers_tick(m);
    clients_tick(m);
    watches_tick(m);
}

/* --- requests of this process --- */

int member_propose_txn(struct member *m, uint64_t now_ms, uint64_t token, struct bytes command)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_propose_txn(m->node, now_ms, token, command) : MS_ESTOPPED;
}

int member_read(struct member *m, uint64_t now_ms, uint64_t token, struct bytes key)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_read(m->node, now_ms, token, key) : MS_ESTOPPED;
}

int member_lease_grant(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id, uint64_t ttl_s)
{
    struct bytes none = { 0 };
    return turn(m, now_ms) ? node_lease_grant(m->node, now_ms, token, id, ttl_s, none) : MS_ESTOPPED;
}

int member_lease_revoke(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id)
{
    return turn(m, now_ms) ? node_lease_revoke(m->node, now_ms, token, id) : MS_ESTOPPED;
}

int member_lease_keep_alive(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id)
{
    return turn(m, now_ms) ? node_lease_keep_alive(m->node, now_ms, token, id) : MS_ESTOPPED;
}

int member_lease_get(struct member *m, uint64_t now_ms, uint64_t token, uint64_t id)
{
    const size_t keys_bytes = NODE_LEASE_KEYS_BYTES_MAX;
    return turn(m, now_ms) ? node_lease_get(m->node, now_ms, token, id, keys_bytes) : MS_ESTOPPED;
}

int member_txn(struct member *m, uint64_t now_ms, uint64_t token, struct bytes command)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_txn(m->node, now_ms, token, command) : MS_ESTOPPED;
}

int member_compact(struct member *m, uint64_t now_ms, uint64_t token, uint64_t revision)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_compact(m->node, now_ms, token, revision) : MS_ESTOPPED;
}

int member_range(struct member *m, uint64_t now_ms, uint64_t token, const struct kv_op *op, bool stale)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_range(m->node, now_ms, token, op, stale) : MS_ESTOPPED;
}

void member_range_next(struct member *m, uint64_t now_ms, uint64_t token)
{
    if (turn(m, now_ms)) node_range_next(m->node, now_ms, token);
}

void member_range_end(struct member *m, uint64_t now_ms, uint64_t token)
{
    if (turn(m, now_ms)) node_range_end(m->node, now_ms, token);
}

int member_change(struct member *m, uint64_t now_ms, uint64_t token, enum entry_change change,
                  uint64_t member_id, const char *url)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_change(m->node, now_ms, token, change, member_id, url) : MS_ESTOPPED;
}

int member_complete(const struct member *m, struct config *wanted, uint64_t *unknown)
{
    struct node_status s;
    node_status(m->node, &s);
    for (uint32_t i = 0; i < wanted->member_count; i++) {
        struct config_member *member = &wanted->members[i];
        const struct config_member *known = config_find(&s.config, member->id);
        if (member->url[0]) continue;
        *unknown = member->id;
        if (!known) return MS_ENOTFOUND;
        if (config_find_url(wanted, known->url)) return MS_ECONFLICT;
        memcpy(member->url, known->url, sizeof member->url);
        member->added_index = known->added_index;
    }
    return 0;
}

int member_change_set(struct member *m, uint64_t now_ms, uint64_t token, const struct config *wanted,
                      bool force)
{
    uint64_t unknown;
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    if (!turn(m, now_ms)) return MS_ESTOPPED;
    m->wanted = *wanted;
    int rv = member_complete(m, &m->wanted, &unknown);
    return rv < 0 ? rv : node_change_set(m->node, now_ms, token, &m->wanted, force);
}

int member_transfer(struct member *m, uint64_t now_ms, uint64_t token, uint64_t target)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_transfer(m->node, now_ms, token, target) : MS_ESTOPPED;
}

int member_set_lease(struct member *m, uint64_t now_ms, uint64_t token, bool on)
{
    MS_ASSERT(token & MEMBER_TOKEN_LOCAL);
    return turn(m, now_ms) ? node_set_lease(m->node, now_ms, token, on) : MS_ESTOPPED;
}

/* --- watches of this process --- */

int member_watch(struct member *m, uint64_t now_ms, const struct node_watch_opts *opts,
                 struct member_watch *w, uint64_t *compacted_revision)
{
    if (!turn(m, now_ms)) return MS_ESTOPPED;
    w->owner.local = true;
    return node_watch(m->node, now_ms, opts, w, &w->watcher, compacted_revision);
}

void member_watch_cancel(struct member *m, struct member_watch *w)
{
    node_watch_cancel(m->node, w->watcher);
    w->watcher = NULL;
}

void member_watch_resume(struct member *m, uint64_t now_ms, struct member_watch *w)
{
    if (turn(m, now_ms)) node_watch_resume(m->node, now_ms, w->watcher);
}

uint64_t member_watch_progress(const struct member *m, const struct member_watch *w)
{
    bool in_sync;
    return node_watch_progress(m->node, w->watcher, &in_sync);
}

/* --- the end of a turn, and of the member --- */

static void member_stop(struct member *m, int status, const char *reason)
{
    m->phase = MEMBER_DRAINING; /* for the last answers: they close */
    clients_close(m);
    peers_close(m);
    links_close(m);
    streams_close(m);
    m->phase = MEMBER_STOPPED;
    m->env.host.stopped(m->env.host.ctx, status, reason);
}

static bool sync_is_due(const struct member *m)
{
    return m->peers_changed && m->now_ms >= m->sync_ms;
}

/* All that was accepted is answered, and no client can say that it had no time to hear of the end; or
 * patience is over. */
static bool is_drained(const struct member *m)
{
    if (m->now_ms >= m->drain_ms) return true;
    if (m->slots.count > 0 && m->now_ms < m->grace_ms) return false;
    return node_is_quiet(m->node) && !clients_any_busy(m);
}

void member_flush(struct member *m, uint64_t now_ms)
{
    if (!turn(m, now_ms)) return;
    for (uint32_t round = 0; round < MEMBER_ROUNDS_PER_TURN_MAX; round++) {
        if (sync_is_due(m)) links_sync(m);
        clients_resume(m);
        watches_resume(m);
        node_flush(m->node, now_ms);
        if (!sync_is_due(m) && !ms_list_first(&m->ready)) break;
    }
    links_flush(m);
    streams_flush(m);
    clients_flush(m);
    watches_flushed(m);
    if (m->stop_wanted) {
        member_stop(m, m->stop_status, m->stop_reason);
    } else if (m->phase == MEMBER_DRAINING && is_drained(m)) {
        member_stop(m, 0, "shut down as asked");
    }
}

void member_shutdown(struct member *m, uint64_t now_ms)
{
    if (!turn(m, now_ms) || m->phase != MEMBER_RUNNING) return;
    m->phase = MEMBER_DRAINING;
    m->drain_ms = now_ms + m->opts.node.request_ms_max;
    m->grace_ms = now_ms + MEMBER_GRACE_MS;
    node_shutdown(m->node, now_ms);
}

uint64_t member_deadline_ms(const struct member *m)
{
    if (m->phase == MEMBER_STOPPED) return MS_TIME_NEVER;
    if (m->ready.next != &m->ready || watches_can_resume(m)) return m->now_ms;
    uint64_t at = ms_time_min(node_deadline_ms(m->node), links_deadline_ms(m));
    at = ms_time_min(at, streams_deadline_ms(m));
    at = ms_time_min(at, member_timer_first_ms(&m->handshakes));
    at = ms_time_min(at, member_timer_first_ms(&m->idle));
    at = ms_time_min(at, member_timer_first_ms(&m->watch_beats));
    if (m->phase == MEMBER_DRAINING && m->now_ms < m->grace_ms) at = ms_time_min(at, m->grace_ms);
    return ms_time_min(at, m->drain_ms);
}
