/* rt_request.c: requests of the library's callers: from their threads to the loop, into the member, and
 * back to ms_poll() or to who waits (R3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "http/http_members.h"
#include "kv/kv_cmd.h"
#include "rt/rt_alloc.h"
#include "rt/rt_clock.h"
#include "rt/rt_private.h"

/* The first one, taken out; NULL: there is none. */
static struct rt_request *pop(struct ms_list *list)
{
    struct ms_list *node = ms_list_pop(list);
    return node ? MS_LIST_OF(node, struct rt_request, in_list) : NULL;
}

/* ---- one request ---- */

struct rt_request *rt_request_create(enum rt_request_kind kind)
{
    struct rt_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->kind = kind;
    buf_init(&r->input, rt_alloc_heap(), ENTRY_PAYLOAD_BYTES_MAX);
    return r;
}

void rt_request_free(struct rt_request *r)
{
    buf_fini(&r->input);
    free(r->value);
    ms_lease_free(&r->lease);
    ms_range_free(&r->range);
    ms_txn_free(&r->txn);
    if (r->kind == RT_REQUEST_RANGE) buf_fini(&r->answer);
    free(r);
}

/* The end of a request, on the loop thread. With a waiter, r is the waiter's from here on. */
static void request_end(struct ms_member *m, struct rt_request *r, int status)
{
    struct rt_waiter *w = r->waiter;
    bool so_already =
        status == MS_EEXIST && r->kind != RT_REQUEST_LEASE_GRANT; /* an administrator's wish */
    r->status = so_already ? 0 : status;
    pthread_mutex_lock(&m->lock);
    m->request_count--;
    m->request_bytes -= r->bytes;
    if (!w) {
        bool first = !ms_list_first(&m->done) && !rt_watches_any(m);
        m->request_count++; /* it counts until its callback runs */
        ms_list_push(&m->done, &r->in_list);
        if (first) rt_wake_raise(&m->wake);
    }
    pthread_mutex_unlock(&m->lock);
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* ---- loop thread ---- */

static int slots_open(struct ms_member *m)
{
    if (m->slots) return 0;
    m->slots = calloc(1, sizeof *m->slots);
    if (!m->slots) return MS_ENOMEM;
    for (uint32_t i = 0; i < RT_REQUESTS_MAX; i++)
        m->slots->free_items[i] = (uint16_t)(RT_REQUESTS_MAX - 1 - i);
    m->slots->free_count = RT_REQUESTS_MAX;
    return 0;
}

static int hand_in_set(struct ms_member *m, const struct rt_request *r, uint64_t token)
{
    struct config wanted; /* copied: a buffer's bytes are not aligned for it */
    MS_ASSERT(r->input.len == sizeof wanted);
    memcpy(&wanted, r->input.data, sizeof wanted);
    return member_change_set(m->core, rt_clock_ms(), token, &wanted, r->on);
}

static int hand_in(struct ms_member *m, struct rt_request *r, uint64_t token)
{
    uint64_t now_ms = rt_clock_ms();
    struct bytes input = buf_bytes(&r->input);
    switch (r->kind) {
    case RT_REQUEST_TXN: return member_propose_txn(m->core, now_ms, token, input);
    case RT_REQUEST_ASKING: return member_txn(m->core, now_ms, token, input);
    case RT_REQUEST_READ: return member_read(m->core, now_ms, token, input);
    case RT_REQUEST_CHANGE:
        return member_change(m->core, now_ms, token, r->change, r->member_id, (const char *)input.data);
    case RT_REQUEST_CHANGE_SET: return hand_in_set(m, r, token);
    case RT_REQUEST_TRANSFER: return member_transfer(m->core, now_ms, token, r->member_id);
    case RT_REQUEST_LEASE: return member_set_lease(m->core, now_ms, token, r->on);
    case RT_REQUEST_LEASE_GRANT:
        return member_lease_grant(m->core, now_ms, token, r->lease.id, r->lease.granted_ttl);
    case RT_REQUEST_LEASE_REVOKE: return member_lease_revoke(m->core, now_ms, token, r->lease.id);
    case RT_REQUEST_LEASE_KEEP_ALIVE:
        return member_lease_keep_alive(m->core, now_ms, token, r->lease.id);
    case RT_REQUEST_LEASE_GET: return member_lease_get(m->core, now_ms, token, r->lease.id);
    case RT_REQUEST_RANGE: return rt_range_hand_in(m, r, token);
    case RT_REQUEST_COMPACT: return member_compact(m->core, now_ms, token, r->revision);
    case RT_REQUEST_WATCH:
    case RT_REQUEST_STATUS: break;
    }
    MS_UNREACHABLE();
}

static void take_one(struct ms_member *m, struct rt_request *r)
{
    if (r->kind == RT_REQUEST_STATUS) {
        rt_status_fill(m, r->status_out);
        request_end(m, r, 0);
        return;
    }
    if (r->watcher) {
        request_end(m, r, rt_watch_take(m, r));
        return;
    }
    int rv = slots_open(m);
    if (rv < 0) {
        request_end(m, r, rv);
        return;
    }
    MS_ASSERT(m->slots->free_count > 0); /* as many as there may be requests */
    uint16_t slot = m->slots->free_items[--m->slots->free_count];
    m->slots->items[slot] = r;
    rv = hand_in(m, r, MEMBER_TOKEN_LOCAL | slot);
    if (rv == 0) return;
    m->slots->items[slot] = NULL;
    m->slots->free_items[m->slots->free_count++] = slot;
    request_end(m, r, rv);
}

void rt_requests_take(struct ms_member *m)
{
    struct ms_list list;
    pthread_mutex_lock(&m->lock);
    ms_list_take(&m->commands, &list);
    pthread_mutex_unlock(&m->lock);
    for (struct rt_request *r; (r = pop(&list));) take_one(m, r);
    rt_ranges_resume(m);
    rt_watches_resume(m);
}

static int value_take(struct rt_request *r, struct bytes value)
{
    r->value = malloc(value.len ? value.len : 1);
    if (!r->value) return MS_ENOMEM;
    if (value.len > 0) memcpy(r->value, value.data, value.len);
    r->value_len = value.len;
    return 0;
}

struct rt_request *rt_request_of(const struct ms_member *m, uint64_t token)
{
    uint64_t slot = token & ~MEMBER_TOKEN_LOCAL;
    MS_ASSERT(m->slots && slot < RT_REQUESTS_MAX && m->slots->items[slot]);
    return m->slots->items[slot];
}

void rt_request_slot_end(struct ms_member *m, uint64_t token, int status)
{
    struct rt_request *r = rt_request_of(m, token);
    uint64_t slot = token & ~MEMBER_TOKEN_LOCAL;
    m->slots->items[slot] = NULL;
    m->slots->free_items[m->slots->free_count++] = (uint16_t)slot;
    request_end(m, r, status);
}

void rt_requests_answer(struct ms_member *m, const struct node_answer *answer)
{
    struct rt_request *r = rt_request_of(m, answer->token);
    int status = answer->status;
    if (r->kind == RT_REQUEST_READ) {
        r->revision = answer->mod_revision;
        if (status == 0) status = value_take(r, answer->value);
    } else if (r->kind >= RT_REQUEST_LEASE_GRANT) {
        status = status == 0 ? rt_lease_take(r, answer) : status == MS_ENOTFOUND ? MS_ENOLEASE : status;
    } else {
        r->revision = answer->revision;
        if (r->kind == RT_REQUEST_ASKING) rt_txn_take(r, answer);
    }
    rt_request_slot_end(m, answer->token, status);
}

/* What the member had in hand may still be applied by the cluster; what it had not, will not be. */
void rt_requests_abort(struct ms_member *m)
{
    struct ms_status last = { 0 };
    struct ms_list list;
    if (m->core) rt_status_fill(m, &last);
    pthread_mutex_lock(&m->lock);
    m->loop_over = true;
    m->last_status = last;
    ms_list_take(&m->commands, &list);
    pthread_mutex_unlock(&m->lock);
    for (struct rt_request *r; (r = pop(&list));) {
        if (r->kind == RT_REQUEST_STATUS) *r->status_out = last;
        request_end(m, r, r->kind == RT_REQUEST_STATUS ? 0 : MS_ESTOPPED);
    }
    for (uint32_t i = 0; m->slots && i < RT_REQUESTS_MAX; i++) {
        struct rt_request *r = m->slots->items[i];
        if (!r) continue;
        bool reads = r->kind == RT_REQUEST_READ || r->kind == RT_REQUEST_LEASE_GET ||
                     r->kind == RT_REQUEST_RANGE;
        request_end(m, r, reads ? MS_ESTOPPED : MS_EUNKNOWN);
    }
    free(m->slots);
    m->slots = NULL;
    m->ranges_due = NULL;
    rt_watches_abort(m);
    pthread_mutex_lock(&m->lock);
    if (m->core_stopped) {
        m->stop_status = m->core_status == 0 ? MS_EREMOVED : m->core_status;
        memcpy(m->stop_reason, m->core_reason, sizeof m->stop_reason);
        rt_wake_raise(&m->wake);
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- the callers' threads ---- */

int rt_request_submit(struct ms_member *m, struct rt_request *r)
{
    int rv = 0;
    r->bytes = sizeof *r + r->input.cap;
    pthread_mutex_lock(&m->lock);
    if (m->loop_over || m->close_wanted) {
        rv = MS_ESTOPPED;
    } else if (m->request_count >= RT_REQUESTS_MAX ||
               r->bytes > RT_REQUEST_BYTES_MAX - m->request_bytes) {
        rv = MS_EBUSY;
    } else {
        bool first = !ms_list_first(&m->commands);
        m->request_count++;
        m->request_bytes += r->bytes;
        ms_list_push(&m->commands, &r->in_list);
        if (first) uv_async_send(&m->async); /* under the lock: loop_over comes before its closing */
    }
    pthread_mutex_unlock(&m->lock);
    if (rv < 0) rt_request_free(r);
    return rv;
}

/* Submit and wait for its end; then *r is the caller's, to be freed. */
int rt_request_wait(struct ms_member *m, struct rt_request *r)
{
    struct rt_waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
    r->waiter = &w;
    int rv = rt_request_submit(m, r);
    if (rv < 0) return rv;
    pthread_mutex_lock(&w.lock);
    while (!w.ended) pthread_cond_wait(&w.wake, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.wake);
    return 0;
}

static int key_check(const struct ms_member *m, struct ms_bytes key)
{
    if (key.len == 0 || !key.data) return MS_EINVAL;
    return key.len <= m->setup.options.key_bytes_max ? 0 : MS_ETOOBIG;
}

/* value NULL: a delete. lease: of a put, 0: none. */
static int txn_create(const struct ms_member *m, struct ms_bytes key, const struct ms_bytes *value,
                      uint64_t lease, struct rt_request **out)
{
    int rv = key_check(m, key);
    if (rv == 0 && value && value->len > m->setup.options.value_bytes_max) rv = MS_ETOOBIG;
    if (rv < 0) return rv;
    struct rt_request *r = rt_request_create(RT_REQUEST_TXN);
    if (!r) return MS_ENOMEM;
    struct bytes k = bytes_of(key.data, key.len);
    if (value) {
        struct kv_op op = {
            .kind = KV_OP_PUT, .key = k, .lease = lease, .value = bytes_of(value->data, value->len)
        };
        rv = kv_cmd_encode(&r->input, NULL, 0, &op, 1, NULL, 0);
    } else {
        rv = kv_cmd_encode_delete(&r->input, k);
    }
    if (rv == 0 && r->input.failed) rv = MS_ENOMEM;
    if (rv == 0 && r->input.len > m->setup.options.request_bytes_max) rv = MS_ETOOBIG;
    if (rv < 0) {
        rt_request_free(r);
        return rv;
    }
    *out = r;
    return 0;
}

static int read_create(const struct ms_member *m, struct ms_bytes key, struct rt_request **out)
{
    int rv = key_check(m, key);
    if (rv < 0) return rv;
    struct rt_request *r = rt_request_create(RT_REQUEST_READ);
    if (!r) return MS_ENOMEM;
    buf_append(&r->input, key.data, key.len);
    if (r->input.failed) {
        rt_request_free(r);
        return MS_ENOMEM;
    }
    *out = r;
    return 0;
}

static int txn_start(struct ms_member *m, struct ms_bytes key, const struct ms_bytes *value,
                     uint64_t lease, ms_put_cb cb, void *arg)
{
    struct rt_request *r;
    int rv = txn_create(m, key, value, lease, &r);
    if (rv < 0) return rv;
    r->put_cb = cb;
    r->arg = arg;
    return rt_request_submit(m, r);
}

static int txn_wait(struct ms_member *m, struct ms_bytes key, const struct ms_bytes *value,
                    uint64_t lease, uint64_t *revision)
{
    struct rt_request *r;
    int rv = txn_create(m, key, value, lease, &r);
    if (rv == 0) rv = rt_request_wait(m, r);
    if (rv < 0) return rv;
    rv = r->status;
    if (rv == 0 && revision) *revision = r->revision;
    rt_request_free(r);
    return rv;
}

int ms_put(struct ms_member *member, struct ms_bytes key, struct ms_bytes value, ms_put_cb cb,
           void *arg)
{
    return txn_start(member, key, &value, 0, cb, arg);
}

int ms_put_wait(struct ms_member *member, struct ms_bytes key, struct ms_bytes value,
                uint64_t *revision)
{
    return txn_wait(member, key, &value, 0, revision);
}

int ms_put_leased(struct ms_member *member, struct ms_bytes key, struct ms_bytes value, uint64_t lease,
                  ms_put_cb cb, void *arg)
{
    if (lease > MS_LEASE_ID_MAX) return MS_EINVAL;
    return txn_start(member, key, &value, lease, cb, arg);
}

int ms_put_leased_wait(struct ms_member *member, struct ms_bytes key, struct ms_bytes value,
                       uint64_t lease, uint64_t *revision)
{
    if (lease > MS_LEASE_ID_MAX) return MS_EINVAL;
    return txn_wait(member, key, &value, lease, revision);
}

int ms_delete(struct ms_member *member, struct ms_bytes key, ms_put_cb cb, void *arg)
{
    return txn_start(member, key, NULL, 0, cb, arg);
}

int ms_delete_wait(struct ms_member *member, struct ms_bytes key, uint64_t *revision)
{
    return txn_wait(member, key, NULL, 0, revision);
}

int ms_get(struct ms_member *member, struct ms_bytes key, ms_get_cb cb, void *arg)
{
    struct rt_request *r;
    int rv = read_create(member, key, &r);
    if (rv < 0) return rv;
    r->get_cb = cb;
    r->arg = arg;
    return rt_request_submit(member, r);
}

int ms_get_wait(struct ms_member *member, struct ms_bytes key, struct ms_bytes *value,
                uint64_t *mod_revision)
{
    struct rt_request *r;
    *value = (struct ms_bytes){ 0 };
    int rv = read_create(member, key, &r);
    if (rv == 0) rv = rt_request_wait(member, r);
    if (rv < 0) return rv;
    rv = r->status;
    if (rv == 0) {
        *value = (struct ms_bytes){ .data = r->value, .len = r->value_len };
        if (mod_revision) *mod_revision = r->revision;
        r->value = NULL; /* the caller's, for ms_value_free() */
    }
    rt_request_free(r);
    return rv;
}

void ms_value_free(struct ms_bytes value)
{
    free((void *)(uintptr_t)value.data);
}

static int change_wait(struct ms_member *m, enum entry_change change, uint64_t id, const char *url)
{
    if (id == 0 || id > MS_MEMBER_ID_MAX) return MS_EINVAL;
    struct rt_request *r = rt_request_create(RT_REQUEST_CHANGE);
    if (!r) return MS_ENOMEM;
    r->change = change;
    r->member_id = id;
    buf_append(&r->input, url, strlen(url) + 1);
    if (r->input.failed) {
        rt_request_free(r);
        return MS_ENOMEM;
    }
    int rv = rt_request_wait(m, r);
    if (rv < 0) return rv;
    rv = r->status;
    rt_request_free(r);
    return rv;
}

int ms_member_add_wait(struct ms_member *member, uint64_t id, const char *url)
{
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    if (!url || config_url_parse(url, host, sizeof host, &port) < 0) return MS_EINVAL;
    return change_wait(member, ENTRY_CHANGE_ADD, id, url);
}

int ms_member_remove_wait(struct ms_member *member, uint64_t id, bool force)
{
    return change_wait(member, force ? ENTRY_CHANGE_REMOVE_FORCED : ENTRY_CHANGE_REMOVE, id, "");
}

/* ---- administrative requests ---- */

/* Start r with a callback. */
static int start_done(struct ms_member *m, struct rt_request *r, ms_done_cb cb, void *arg)
{
    r->done_cb = cb;
    r->arg = arg;
    return rt_request_submit(m, r);
}

/* Or wait for its end. */
static int wait_done(struct ms_member *m, struct rt_request *r)
{
    int rv = rt_request_wait(m, r);
    if (rv < 0) return rv;
    rv = r->status;
    rt_request_free(r);
    return rv;
}

static int voter_add(struct config *c, const struct ms_voter *v)
{
    struct config_member m = { .id = v->id, .roles = CONFIG_VOTER };
    const char *why;
    if (v->id == 0 || v->id > MS_MEMBER_ID_MAX) return MS_EINVAL;
    if (v->url && !http_read_url(bytes_of_str(v->url), m.url, &why)) return MS_EINVAL;
    return http_wanted_insert(c, &m) ? MS_EINVAL : 0;
}

static int set_create(const struct ms_voter *voters, uint32_t count, bool force,
                      struct rt_request **out)
{
    struct config wanted = { 0 };
    if (!voters || count == 0 || count > MS_VOTERS_MAX) return MS_EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        int rv = voter_add(&wanted, &voters[i]);
        if (rv < 0) return rv;
    }
    struct rt_request *r = rt_request_create(RT_REQUEST_CHANGE_SET);
    if (!r) return MS_ENOMEM;
    r->on = force;
    buf_append(&r->input, &wanted, sizeof wanted);
    if (r->input.failed) {
        rt_request_free(r);
        return MS_ENOMEM;
    }
    *out = r;
    return 0;
}

int ms_change_members(struct ms_member *member, const struct ms_voter *voters, uint32_t count,
                      bool force, ms_done_cb cb, void *arg)
{
    struct rt_request *r;
    int rv = set_create(voters, count, force, &r);
    return rv < 0 ? rv : start_done(member, r, cb, arg);
}

int ms_change_members_wait(struct ms_member *member, const struct ms_voter *voters, uint32_t count,
                           bool force)
{
    struct rt_request *r;
    int rv = set_create(voters, count, force, &r);
    return rv < 0 ? rv : wait_done(member, r);
}

static struct rt_request *transfer_create(uint64_t target)
{
    struct rt_request *r = rt_request_create(RT_REQUEST_TRANSFER);
    if (r) r->member_id = target;
    return r;
}

int ms_transfer(struct ms_member *member, uint64_t target, ms_done_cb cb, void *arg)
{
    if (target > MS_MEMBER_ID_MAX) return MS_EINVAL;
    struct rt_request *r = transfer_create(target);
    return r ? start_done(member, r, cb, arg) : MS_ENOMEM;
}

int ms_transfer_wait(struct ms_member *member, uint64_t target)
{
    if (target > MS_MEMBER_ID_MAX) return MS_EINVAL;
    struct rt_request *r = transfer_create(target);
    return r ? wait_done(member, r) : MS_ENOMEM;
}

static struct rt_request *lease_create(bool on)
{
    struct rt_request *r = rt_request_create(RT_REQUEST_LEASE);
    if (r) r->on = on;
    return r;
}

int ms_set_lease_reads(struct ms_member *member, bool on, ms_done_cb cb, void *arg)
{
    struct rt_request *r = lease_create(on);
    return r ? start_done(member, r, cb, arg) : MS_ENOMEM;
}

int ms_set_lease_reads_wait(struct ms_member *member, bool on)
{
    struct rt_request *r = lease_create(on);
    return r ? wait_done(member, r) : MS_ENOMEM;
}

static struct rt_request *compact_create(uint64_t revision)
{
    struct rt_request *r = rt_request_create(RT_REQUEST_COMPACT);
    if (r) r->revision = revision;
    return r;
}

int ms_compact(struct ms_member *member, uint64_t revision, ms_done_cb cb, void *arg)
{
    struct rt_request *r = revision ? compact_create(revision) : NULL;
    if (revision == 0) return MS_EINVAL;
    return r ? start_done(member, r, cb, arg) : MS_ENOMEM;
}

int ms_compact_wait(struct ms_member *member, uint64_t revision)
{
    struct rt_request *r = revision ? compact_create(revision) : NULL;
    if (revision == 0) return MS_EINVAL;
    return r ? wait_done(member, r) : MS_ENOMEM;
}

int ms_status(struct ms_member *member, struct ms_status *out)
{
    struct rt_request *r = rt_request_create(RT_REQUEST_STATUS);
    if (!r) return MS_ENOMEM;
    r->status_out = out;
    int rv = rt_request_wait(member, r);
    if (rv == 0) {
        rt_request_free(r);
    } else if (rv == MS_ESTOPPED) {
        pthread_mutex_lock(&member->lock);
        *out = member->last_status;
        pthread_mutex_unlock(&member->lock);
        rv = 0;
    }
    return rv;
}

/* ---- ms_poll ---- */

static void deliver(struct rt_request *r)
{
    if (r->put_cb) r->put_cb(r->arg, r->status, r->revision);
    if (r->done_cb) r->done_cb(r->arg, r->status);
    if (r->lease_cb) r->lease_cb(r->arg, r->status, r->status == 0 ? &r->lease : NULL);
    if (r->range_cb) r->range_cb(r->arg, r->status, &r->range);
    if (r->txn_cb) r->txn_cb(r->arg, r->status, &r->txn);
    if (r->get_cb) {
        struct ms_bytes value = { .data = r->value, .len = r->value_len };
        r->get_cb(r->arg, r->status, value, r->revision);
    }
    rt_request_free(r);
}

int ms_poll(struct ms_member *member)
{
    struct ms_list done, watchers;
    int count = 0;
    pthread_mutex_lock(&member->lock);
    int stop_status = member->stop_status;
    ms_list_take(&member->done, &done);
    ms_list_take(&member->watch_ready, &watchers);
    if (stop_status == 0) rt_wake_clear(&member->wake); /* once it has stopped it stays raised */
    for (struct ms_list *at = ms_list_first(&done); at; at = ms_list_after(&done, at))
        member->request_count--;
    pthread_mutex_unlock(&member->lock);
    for (struct rt_request *r; (r = pop(&done)); count++) deliver(r);
    count += rt_watches_poll(member, &watchers);
    return count > 0 ? count : stop_status;
}

void rt_requests_free(struct ms_member *m)
{
    for (struct rt_request *r; (r = pop(&m->done));) rt_request_free(r);
}
