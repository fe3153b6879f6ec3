/* sim_watch_truth.c: the history as a model has it, and K13. */
#include <stdio.h>

#include <xxhash.h>

#include "format/entry_lease.h"
#include "kv/kv_cmd.h"
#include "sim/sim_watch_private.h"

/* --- the model --- */

static struct sim_watch_record *record_of(struct sim_watches *ws, struct bytes key)
{
    char name[SIM_WATCH_KEY_BYTES] = "";
    uint32_t at = 0;
    MS_ASSERT(key.len > 0 && key.len < sizeof name);
    memcpy(name, key.data, key.len);
    while (at < ws->key_count && strcmp(ws->keys[at].name, name) < 0) at++;
    if (at < ws->key_count && strcmp(ws->keys[at].name, name) == 0) return &ws->keys[at].record;
    MS_ASSERT(ws->key_count < SIM_WATCH_KEYS_MAX);
    memmove(&ws->keys[at + 1], &ws->keys[at], (ws->key_count - at) * sizeof ws->keys[0]);
    memset(&ws->keys[at], 0, sizeof ws->keys[0]);
    memcpy(ws->keys[at].name, name, sizeof name);
    ws->key_count++;
    return &ws->keys[at].record;
}

static struct sim_watch_event *add_event(struct sim_watches *ws, const char *key, bool put,
                                         const struct sim_watch_record *prev)
{
    if (ws->history_count == ws->history_cap) {
        ws->history_cap = ws->history_cap ? 2 * ws->history_cap : 1024;
        ws->history = realloc(ws->history, ws->history_cap * sizeof *ws->history);
        MS_ASSERT(ws->history != NULL);
    }
    struct sim_watch_event *e = &ws->history[ws->history_count++];
    *e = (struct sim_watch_event){ .revision = ws->revision, .put = put, .prev = *prev };
    snprintf(e->key, sizeof e->key, "%s", key);
    return e;
}

static void do_put(struct sim_watches *ws, const struct kv_op *op)
{
    char name[SIM_WATCH_KEY_BYTES] = "";
    struct sim_watch_record *r = record_of(ws, op->key), before = *r;
    memcpy(name, op->key.data, op->key.len);
    *r = (struct sim_watch_record){ .present = true,
                                    .create_revision =
                                        before.present ? before.create_revision : ws->revision,
                                    .mod_revision = ws->revision,
                                    .version = before.version + 1,
                                    .lease = op->lease,
                                    .value = XXH3_64bits(op->value.data, op->value.len),
                                    .value_bytes = op->value.len };
    add_event(ws, name, true, &before)->now = *r;
}

static void do_delete(struct sim_watches *ws, uint32_t i)
{
    struct sim_watch_record before = ws->keys[i].record;
    if (!before.present) return;
    memset(&ws->keys[i].record, 0, sizeof ws->keys[i].record);
    add_event(ws, ws->keys[i].name, false, &before);
}

static void do_delete_range(struct sim_watches *ws, const struct kv_op *op)
{
    for (uint32_t i = 0; i < ws->key_count; i++) {
        struct bytes name = bytes_of_str(ws->keys[i].name);
        if (bytes_compare(name, op->key) < 0) continue;
        bool in =
            op->range_end.len ? bytes_compare(name, op->range_end) < 0 : bytes_equal(name, op->key);
        if (in) do_delete(ws, i);
    }
}

/* granted: the lease that goes with it; 0: none does. */
static void do_txn(struct sim_watches *ws, struct bytes command, bool succeeded, uint64_t granted)
{
    struct kv_cmd cmd;
    struct kv_op op;
    if (kv_cmd_decode(command, &cmd) < 0) return;
    struct bytes_reader run = bytes_reader_of(succeeded ? cmd.then_ops : cmd.else_ops);
    while (kv_cmd_next_op(&run, &op)) {
        MS_ASSERT(op.kind != KV_OP_TXN); /* nobody here nests them */
        if (op.lease == KV_LEASE_OF_GRANT) op.lease = granted;
        if (op.kind == KV_OP_PUT) do_put(ws, &op);
        if (op.kind == KV_OP_DELETE) do_delete_range(ws, &op);
    }
}

static void do_revoke(struct sim_watches *ws, struct bytes body)
{
    struct entry_lease_revoke v;
    if (entry_lease_revoke_decode(body, &v) < 0) return;
    for (uint32_t i = 0; i < ws->key_count; i++) {
        if (ws->keys[i].record.present && ws->keys[i].record.lease == v.id) do_delete(ws, i);
    }
}

void sim_watch_applied(struct sim *s, const struct entry *e, const struct kv_result *result)
{
    struct sim_watches *ws = s->watches;
    if (ws->count == 0) return;
    if (e->kind == ENTRY_COMPACT && result->status == 0) {
        uint64_t revision = bytes_load_u64(e->body.data);
        if (revision > ws->compacted) ws->compacted = revision;
    }
    if (result->status != 0 || !result->changed) return;
    struct entry_lease_grant grant = { 0 };
    if (e->kind == ENTRY_LEASE_GRANT && entry_lease_grant_decode(e->body, &grant) < 0) return;
    if (e->kind != ENTRY_TXN && e->kind != ENTRY_LEASE_REVOKE && e->kind != ENTRY_LEASE_GRANT) return;
    MS_ASSERT(result->revision == ws->revision + 1);
    size_t before = ws->history_count;
    ws->revision = result->revision;
    if (e->kind == ENTRY_TXN)
        do_txn(ws, e->body, result->succeeded, 0);
    else if (e->kind == ENTRY_LEASE_GRANT)
        do_txn(ws, grant.command, result->succeeded, result->lease);
    else
        do_revoke(ws, e->body);
    MS_ASSERT(ws->history_count > before); /* a revision is taken for what changes */
}

/* --- K13 --- */

static bool wants(const struct sim_watch *w, const struct sim_watch_event *e)
{
    if (e->put ? w->no_puts : w->no_deletes) return false;
    if (w->prefix) return strncmp(e->key, w->key, strlen(w->key)) == 0;
    return strcmp(e->key, w->key) == 0;
}

/* The next one from at on that it may hear; the end: history_count. */
static size_t next_wanted(const struct sim_watches *ws, const struct sim_watch *w, size_t at)
{
    while (at < ws->history_count && !wants(w, &ws->history[at])) at++;
    return at;
}

bool sim_watch_has_all(const struct sim *s, const struct sim_watch *w)
{
    return next_wanted(s->watches, w, w->cursor) == s->watches->history_count;
}

void sim_watch_place(struct sim *s, struct sim_watch *w, uint64_t revision)
{
    const struct sim_watches *ws = s->watches;
    size_t at = 0;
    while (at < ws->history_count && ws->history[at].revision < revision) at++;
    w->next_revision = revision;
    w->cursor = w->safe = at;
}

_Noreturn static void wrong(const struct sim_watch *w, const char *what, uint64_t revision,
                            const char *key)
{
    sim_fail(SIM_FAIL_SAFETY, "K13", "c%u, watching %s%s at m%u, %s: revision %llu, key %s", w->client,
             w->key, w->prefix ? "*" : "", w->target + 1, what, (unsigned long long)revision, key);
}

/* Of a member whose state had become another one the value alone may differ (K24). */
static bool same(const struct sim *s, const struct sim_watch *w, const struct sim_watch_record *a,
                 const struct sim_watch_record *b)
{
    bool value = a->value == b->value || sim_check_may_lie(s, w->target, w->dialed_us);
    return a->create_revision == b->create_revision && a->mod_revision == b->mod_revision &&
           a->version == b->version && a->lease == b->lease && value &&
           a->value_bytes == b->value_bytes;
}

static void judge_prev(struct sim *s, const struct sim_watch *w, const struct sim_watch_heard *h,
                       const struct sim_watch_event *e)
{
    bool gone = e->revision <= s->watches->compacted; /* then it may be missing */
    if (h->has_prev && (!w->prev || !e->prev.present))
        wrong(w, "hears a record before that there was not, or that it did not ask for", e->revision,
              e->key);
    if (h->has_prev && !same(s, w, &h->prev, &e->prev))
        wrong(w, "hears a wrong record before", e->revision, e->key);
    if (!h->has_prev && w->prev && e->prev.present && !gone)
        wrong(w, "does not hear the record before", e->revision, e->key);
}

void sim_watch_judge(struct sim *s, struct sim_watch *w, const struct sim_watch_heard *h)
{
    const struct sim_watches *ws = s->watches;
    size_t at = next_wanted(ws, w, w->cursor);
    sim_trace(s, "c%u  hears of revision %llu, %s%s", w->client,
              (unsigned long long)h->now.mod_revision, h->key, h->has_id ? ", the last" : "");
    if (at == ws->history_count) wrong(w, "hears what has not happened", h->now.mod_revision, h->key);
    const struct sim_watch_event *e = &ws->history[at];
    if (h->now.mod_revision > e->revision) wrong(w, "has missed", e->revision, e->key);
    if (h->now.mod_revision < e->revision)
        wrong(w, "hears again, or out of order", h->now.mod_revision, h->key);
    if (h->put != e->put || strcmp(h->key, e->key) != 0)
        wrong(w, "hears another event of", e->revision, e->key);
    if (h->put && !same(s, w, &h->now, &e->now))
        wrong(w, "hears a wrong record of", e->revision, e->key);
    judge_prev(s, w, h, e);
    size_t next = next_wanted(ws, w, at + 1);
    bool last = next == ws->history_count || ws->history[next].revision != e->revision;
    if (h->has_id != last)
        wrong(w, last ? "gets no id with the last event of" : "gets an id too early in", e->revision,
              e->key);
    w->cursor = at + 1;
    if (!last) return;
    if (h->id != e->revision) wrong(w, "gets a wrong id", h->id, e->key);
    w->safe = w->cursor;
    w->last_id = h->id;
    w->has_id = true;
}

void sim_watch_judge_mark(struct sim *s, struct sim_watch *w, uint64_t revision, bool marked)
{
    const struct sim_watches *ws = s->watches;
    size_t next = next_wanted(ws, w, w->cursor);
    sim_trace(s, "c%u  hears that all up to revision %llu was told", w->client,
              (unsigned long long)revision);
    if (revision == 0) return;
    if (revision > ws->revision) wrong(w, "is told of progress to a future revision", revision, "");
    if (marked && !w->progress) wrong(w, "is told of progress and did not ask", revision, "");
    if (revision < w->asked_revision) wrong(w, "is told of progress before it begins", revision, "");
    if (next < ws->history_count && ws->history[next].revision <= revision)
        wrong(w, "is told of progress ahead of", ws->history[next].revision, ws->history[next].key);
}

/* Where it goes on is compacted: it begins anew at the first revision that is not. */
void sim_watch_judge_compacted(struct sim *s, struct sim_watch *w, uint64_t revision)
{
    if (revision > s->watches->compacted)
        wrong(w, "is told of a compaction that was not", revision, "");
    if (w->asked_revision >= revision)
        wrong(w, "is told that what it asked for is compacted", revision, "");
    w->has_id = false;
    sim_watch_place(s, w, revision);
}
