#include "tests/member/fake_node.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"

struct node fake_template;
int fake_create_status;

static void note(struct node *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct node *n, const char *format, ...)
{
    va_list args;
    if (n->event_count == FAKE_EVENTS_MAX) return;
    va_start(args, format);
    vsnprintf(n->events[n->event_count++].text, sizeof n->events[0].text, format, args);
    va_end(args);
}

bool fake_saw(const struct node *n, const char *event)
{
    for (uint32_t i = 0; i < n->event_count; i++) {
        if (strcmp(n->events[i].text, event) == 0) return true;
    }
    return false;
}

void fake_answer(struct node *n, uint64_t token, int status, const char *value)
{
    struct node_answer a = { .token = token, .status = status };
    if (value) a.value = bytes_of_str(value);
    n->host.answer(n->host.ctx, &a);
}

int node_create(struct node **out, const struct node_opts *opts, struct kv *kv, struct disk *disk,
                const struct ms_alloc *alloc, const struct log_sink *log, const struct node_host *host,
                uint64_t now_ms, char *why, size_t why_cap)
{
    (void)kv, (void)disk, (void)log, (void)now_ms;
    if (fake_create_status < 0) {
        snprintf(why, why_cap, "the fake was told to fail");
        return fake_create_status;
    }
    struct node *n = ms_alloc(alloc, sizeof *n);
    if (!n) return MS_ENOMEM;
    *n = fake_template;
    n->host = *host;
    n->opts = *opts;
    n->alloc = alloc;
    n->identity.member_id = opts->id;
    snprintf(n->identity.url, sizeof n->identity.url, "http://127.0.0.1:%llu",
             (unsigned long long)(9000 + opts->id));
    *out = n;
    return 0;
}

void node_destroy(struct node *n)
{
    ms_free(n->alloc, n);
}

static int take(struct node *n, enum fake_kind kind, uint64_t token, struct bytes bytes)
{
    if (n->refuse < 0) return n->refuse;
    if (n->request_count == FAKE_REQUESTS_MAX) return MS_EBUSY;
    struct fake_request *r = &n->requests[n->request_count++];
    *r = (struct fake_request){ .kind = kind, .token = token, .len = bytes.len };
    size_t kept = bytes.len < sizeof r->bytes ? bytes.len : sizeof r->bytes;
    if (kept) memcpy(r->bytes, bytes.data, kept);
    return 0;
}

int node_propose_txn(struct node *n, uint64_t now_ms, uint64_t token, struct bytes command)
{
    (void)now_ms;
    return take(n, FAKE_TXN, token, command);
}

int node_txn(struct node *n, uint64_t now_ms, uint64_t token, struct bytes command)
{
    (void)now_ms;
    return take(n, FAKE_ASKING, token, command);
}

int node_compact(struct node *n, uint64_t now_ms, uint64_t token, uint64_t revision)
{
    (void)now_ms;
    int rv = take(n, FAKE_COMPACT, token, bytes_of(NULL, 0));
    if (rv == 0) n->requests[n->request_count - 1].member_id = revision;
    return rv;
}

/* bytes: the key and the end; on: stale; member_id: the revision. */
int node_range(struct node *n, uint64_t now_ms, uint64_t token, const struct kv_op *op, bool stale)
{
    char text[256];
    (void)now_ms;
    int len = snprintf(text, sizeof text, "%.*s %.*s %llu", (int)op->key.len, (const char *)op->key.data,
                       (int)op->range_end.len, op->range_end.len ? (const char *)op->range_end.data : "",
                       (unsigned long long)op->limit);
    int rv = take(n, FAKE_RANGE, token, bytes_of(text, (size_t)len + 1));
    if (rv < 0) return rv;
    n->requests[n->request_count - 1].on = stale;
    n->requests[n->request_count - 1].member_id = op->revision;
    return 0;
}

void node_range_next(struct node *n, uint64_t now_ms, uint64_t token)
{
    (void)now_ms;
    note(n, "more %llu", (unsigned long long)token);
}

void node_range_end(struct node *n, uint64_t now_ms, uint64_t token)
{
    (void)now_ms;
    note(n, "enough %llu", (unsigned long long)token);
}

int node_read(struct node *n, uint64_t now_ms, uint64_t token, struct bytes key)
{
    (void)now_ms;
    return take(n, FAKE_READ, token, key);
}

int node_read_stale(struct node *n, uint64_t now_ms, uint64_t token, struct bytes key)
{
    (void)now_ms;
    return take(n, FAKE_READ_STALE, token, key);
}

int node_change(struct node *n, uint64_t now_ms, uint64_t token, enum entry_change change,
                uint64_t member_id, const char *url)
{
    (void)now_ms;
    int rv = take(n, FAKE_CHANGE, token, bytes_of_str(url ? url : ""));
    if (rv < 0) return rv;
    n->requests[n->request_count - 1].change = change;
    n->requests[n->request_count - 1].member_id = member_id;
    return 0;
}

int node_change_set(struct node *n, uint64_t now_ms, uint64_t token, const struct config *wanted,
                    bool force)
{
    char text[512] = "";
    (void)now_ms;
    for (uint32_t i = 0; i < wanted->member_count; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%llu %s%s", i ? ", " : "",
                 (unsigned long long)wanted->members[i].id, wanted->members[i].url,
                 wanted->members[i].added_index ? " as known" : "");
    }
    int rv = take(n, FAKE_CHANGE_SET, token, bytes_of(text, strlen(text) + 1));
    if (rv == 0) n->requests[n->request_count - 1].on = force;
    return rv;
}

int node_transfer(struct node *n, uint64_t now_ms, uint64_t token, uint64_t target)
{
    (void)now_ms;
    int rv = take(n, FAKE_TRANSFER, token, bytes_of(NULL, 0));
    if (rv == 0) n->requests[n->request_count - 1].member_id = target;
    return rv;
}

int node_set_lease(struct node *n, uint64_t now_ms, uint64_t token, bool on)
{
    (void)now_ms;
    int rv = take(n, FAKE_LEASE, token, bytes_of(NULL, 0));
    if (rv == 0) n->requests[n->request_count - 1].on = on;
    return rv;
}

static int take_lease(struct node *n, uint64_t token, uint64_t id, const char *what)
{
    int rv = take(n, FAKE_LEASES, token, bytes_of(what, strlen(what) + 1));
    if (rv == 0) n->requests[n->request_count - 1].member_id = id;
    return rv;
}

int node_lease_grant(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id, uint64_t ttl_s,
                     struct bytes command)
{
    char what[64];
    (void)now_ms;
    snprintf(what, sizeof what, "grant for %llu with %zu", (unsigned long long)ttl_s, command.len);
    return take_lease(n, token, id, what);
}

int node_lease_revoke(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id)
{
    (void)now_ms;
    return take_lease(n, token, id, "revoke");
}

int node_lease_keep_alive(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id)
{
    (void)now_ms;
    return take_lease(n, token, id, "keep alive");
}

int node_lease_get(struct node *n, uint64_t now_ms, uint64_t token, uint64_t id, size_t keys_bytes)
{
    (void)now_ms, (void)keys_bytes;
    return take_lease(n, token, id, "get");
}

int node_leases_get(struct node *n, uint64_t now_ms, uint64_t token, uint64_t after, uint32_t limit)
{
    char what[64];
    (void)now_ms;
    snprintf(what, sizeof what, "list %u", limit);
    return take_lease(n, token, after, what);
}

void node_on_frame(struct node *n, uint64_t now_ms, uint64_t from, uint8_t type, struct bytes body)
{
    (void)now_ms;
    if (body.len > 32)
        note(n, "frame %llu %u of %zu", (unsigned long long)from, type, body.len);
    else
        note(n, "frame %llu %u %.*s", (unsigned long long)from, type, (int)body.len, body.data);
}

void node_on_link(struct node *n, uint64_t now_ms, uint64_t peer, bool up)
{
    (void)now_ms;
    note(n, "link %llu %s", (unsigned long long)peer, up ? "up" : "down");
}

bool node_frame_is_of_stream(uint8_t type)
{
    return type == FAKE_FRAME_OF_STREAM;
}

void node_on_stream(struct node *n, uint64_t now_ms, uint64_t peer, bool up)
{
    (void)now_ms;
    note(n, "stream %llu %s", (unsigned long long)peer, up ? "up" : "down");
}

void node_on_stream_room(struct node *n, uint64_t now_ms, uint64_t peer)
{
    (void)now_ms;
    note(n, "stream %llu room", (unsigned long long)peer);
}

void node_on_disk(struct node *n, uint64_t now_ms, struct disk_op *op)
{
    (void)now_ms, (void)op;
    note(n, "disk");
}

void node_on_job(struct node *n, uint64_t now_ms, struct kv_job *job)
{
    (void)now_ms, (void)job;
    note(n, "job");
}

void node_on_tick(struct node *n, uint64_t now_ms)
{
    (void)now_ms;
    n->tick_count++;
}

void node_flush(struct node *n, uint64_t now_ms)
{
    (void)now_ms;
    n->flush_count++;
    if (n->on_flush) n->on_flush(n);
}

uint64_t node_deadline_ms(const struct node *n)
{
    return n->deadline_ms;
}

void node_shutdown(struct node *n, uint64_t now_ms)
{
    (void)now_ms;
    n->shutting_down = true;
    n->refuse = MS_ESTOPPED;
}

bool node_is_quiet(const struct node *n)
{
    return n->quiet;
}

void node_identity(const struct node *n, struct node_identity *out)
{
    *out = n->identity;
}

int node_judge_peer(struct node *n, uint64_t now_ms, const struct node_identity *peer, char *why,
                    size_t why_cap)
{
    (void)now_ms;
    n->judged = *peer;
    snprintf(why, why_cap, "%s", n->judge_why ? n->judge_why : "");
    return n->judge;
}

void node_on_removed(struct node *n, uint64_t now_ms, uint64_t by)
{
    (void)now_ms;
    note(n, "removed %llu", (unsigned long long)by);
}

uint32_t node_peers(const struct node *n, struct node_peer *out)
{
    for (uint32_t i = 0; i < n->peer_count; i++) out[i] = n->peers[i];
    return n->peer_count;
}

void node_leadership(const struct node *n, struct node_leadership *out)
{
    *out = (struct node_leadership){ .term = n->status.term, .leader = n->status.leader };
}

void node_status(const struct node *n, struct node_status *out)
{
    *out = n->status;
}

void node_counters(const struct node *n, struct node_counters *out)
{
    *out = n->counters;
}

bool node_peer_lag(const struct node *n, uint64_t peer, uint64_t *lag)
{
    *lag = peer;
    return n->status.role == RAFT_LEADER && peer != n->status.id;
}

const char *raft_role_name(enum raft_role role)
{
    return role == RAFT_LEADER ? "leader" : "follower";
}

int node_backup(struct node *n, uint64_t now_ms, uint64_t token)
{
    (void)now_ms;
    return take(n, FAKE_BACKUP, token, bytes_of(NULL, 0));
}

void node_backup_next(struct node *n, uint64_t now_ms, uint64_t token)
{
    (void)now_ms;
    note(n, "next %llu", (unsigned long long)token);
}

void node_backup_end(struct node *n, uint64_t now_ms, uint64_t token)
{
    (void)now_ms;
    note(n, "end %llu", (unsigned long long)token);
}

int node_watch(struct node *n, uint64_t now_ms, const struct node_watch_opts *opts, void *arg,
               struct node_watcher **out, uint64_t *compacted_revision)
{
    (void)now_ms;
    *compacted_revision = n->compacted_revision;
    if (n->refuse) return n->refuse;
    if (opts->start_revision && opts->start_revision < n->compacted_revision) return MS_ECOMPACTED;
    MS_ASSERT(n->watcher_count < FAKE_WATCHES_MAX);
    struct node_watcher *w = &n->watchers[n->watcher_count++];
    *w = (struct node_watcher){ .live = true, .arg = arg, .opts = *opts };
    MS_ASSERT(opts->key.len < sizeof w->key && opts->range_end.len < sizeof w->end);
    memcpy(w->key, opts->key.data, opts->key.len);
    if (opts->range_end.len) memcpy(w->end, opts->range_end.data, opts->range_end.len);
    *out = w;
    return 0;
}

void node_watch_cancel(struct node *n, struct node_watcher *w)
{
    MS_ASSERT(w->live);
    w->live = false;
    note(n, "cancel %u", (unsigned)(w - n->watchers));
}

void node_watch_resume(struct node *n, uint64_t now_ms, struct node_watcher *w)
{
    (void)now_ms;
    MS_ASSERT(w->live);
    note(n, "resume %u", (unsigned)(w - n->watchers));
}

uint64_t node_watch_progress(const struct node *n, const struct node_watcher *w, bool *in_sync)
{
    (void)n;
    *in_sync = true;
    return w->progress;
}
