/* replay_trace.c: a life as a list of steps. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "tests/replay/replay.h"

static const struct {
    const char *name, *numbers[STEP_NUMBERS_MAX + 1];
} kinds[] = {
#define X(name, text, ...) { text, { __VA_ARGS__ } },
    STEP_MAP(X)
#undef X
};

bool step_is_input(enum step_kind kind)
{
    return kind < STEP_DIAL;
}

const char *step_name(enum step_kind kind)
{
    return kinds[kind].name;
}

void step_text(const struct step *s, char *out, size_t cap)
{
    size_t at = (size_t)snprintf(out, cap, "%s", kinds[s->kind].name);
    if (s->conn && at < cap)
        at += (size_t)snprintf(out + at, cap - at, " conn %llu", (unsigned long long)s->conn);
    for (int i = 0; kinds[s->kind].numbers[i] && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, " %s %lld", kinds[s->kind].numbers[i],
                               (long long)s->numbers[i]);
    if (s->text && at < cap) at += (size_t)snprintf(out + at, cap - at, " \"%s\"", s->text);
    if (s->hash && at < cap)
        at += (size_t)snprintf(out + at, cap - at, " hash %016llx", (unsigned long long)s->hash);
    if (step_is_input(s->kind) && at < cap)
        snprintf(out + at, cap - at, " at %llu ms", (unsigned long long)s->now_ms);
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool step_equal(const struct step *a, const struct step *b)
{
    return a->kind == b->kind && a->now_ms == b->now_ms && a->conn == b->conn && a->hash == b->hash &&
           memcmp(a->numbers, b->numbers, sizeof a->numbers) == 0 && text_equal(a->text, b->text);
}

void step_fini(struct step *s)
{
    free(s->text);
    free(s->data);
    free(s->op);
}

uint64_t step_hash(const void *data, size_t len)
{
    return len == 0 ? 0 : XXH3_64bits(data, len);
}

/* ---- what steps are made of ---- */

bool step_op_has_file(enum disk_op_kind kind)
{
    return kind == DISK_OP_CLOSE || kind == DISK_OP_READ || kind == DISK_OP_WRITE ||
           kind == DISK_OP_SYNC || kind == DISK_OP_TRUNCATE;
}

/* Fields that the kind does not use hold what an earlier op has left there. */
void step_of_op(struct step *s, const struct disk_op *op)
{
    bool moves = op->kind == DISK_OP_READ || op->kind == DISK_OP_WRITE;
    bool two = op->kind == DISK_OP_RENAME || op->kind == DISK_OP_LINK;
    s->numbers[1] = op->kind;
    if (s->kind == STEP_SUBMIT) s->numbers[2] = op->lane;
    if (step_op_has_file(op->kind)) s->numbers[3] = op->file;
    if (moves || op->kind == DISK_OP_TRUNCATE) s->numbers[4] = (int64_t)op->offset;
    if (moves) s->numbers[5] = (int64_t)op->len;
    if (op->kind == DISK_OP_WRITE) s->numbers[6] = op->sync;
    if (op->kind == DISK_OP_WRITE) s->hash = step_hash(op->buf, op->len);
    if (op->kind == DISK_OP_OPEN) s->numbers[7] = op->create;
    if (!step_op_has_file(op->kind))
        s->text = replay_text("%s%s%s", op->path, two ? " " : "", two ? op->path2 : "");
}

void step_of_result(struct step *s, const struct disk_op *op)
{
    bool call = s->kind == STEP_CALL, reads = op->kind == DISK_OP_READ;
    s->numbers[1] = op->kind;
    s->numbers[call ? 0 : 2] = op->status;
    if (reads || op->kind == DISK_OP_WRITE) s->numbers[call ? 2 : 3] = (int64_t)op->done_bytes;
    bool opened = op->kind == DISK_OP_OPEN && op->status == 0;
    if (opened) s->numbers[call ? 8 : 4] = (int64_t)op->size_bytes;
    s->opened = opened ? op->file : DISK_FILE_NONE;
    if (reads && (op->status == 0 || op->status == MS_ESHORT)) s->hash = step_hash(op->buf, op->len);
}

static struct bytes job_bytes(const struct kv_job *job)
{
    switch (job->kind) {
    case KV_JOB_READ:
    case KV_JOB_LEASES:
    case KV_JOB_LEASE: return buf_bytes(&job->value);
    case KV_JOB_RANGE: return buf_bytes(&job->answer);
    case KV_JOB_SNAP_READ:
    case KV_JOB_CHANGES: return buf_bytes(&job->chunk);
    default: return (struct bytes){ 0 };
    }
}

void step_of_job_done(struct step *s, const struct kv_job *job, uint64_t number)
{
    bool lasts = job->kind == KV_JOB_RANGE || job->kind == KV_JOB_SNAP_READ;
    s->numbers[0] = (int64_t)number;
    s->numbers[1] = job->kind;
    s->numbers[2] = job->status;
    if (job->kind == KV_JOB_APPLY) s->numbers[3] = job->count;
    if (lasts && job->status == 0) s->numbers[4] = job->last;
    if (job->kind == KV_JOB_READ) s->numbers[5] = (int64_t)job->revision;
    struct bytes b = job->status == 0 ? job_bytes(job) : (struct bytes){ 0 };
    s->hash = step_hash(b.data, b.len);
}

void step_of_answer(struct step *s, const struct node_answer *a)
{
    s->numbers[0] = (int64_t)a->token;
    s->numbers[1] = a->status;
    s->numbers[2] = (int64_t)a->index;
    s->numbers[3] = (int64_t)a->revision;
    s->numbers[4] = (int64_t)a->mod_revision;
    s->numbers[5] = (int64_t)a->lease;
    s->hash = step_hash(a->value.data, a->value.len) ^ step_hash(a->items.data, a->items.len);
    s->text = a->text ? replay_text("%s", a->text) : NULL;
}

void step_of_piece(struct step *s, const struct node_range_piece *p)
{
    s->numbers[0] = (int64_t)p->token;
    s->numbers[1] = p->status;
    s->numbers[2] = p->last;
    s->numbers[3] = (int64_t)p->revision;
    s->numbers[4] = (int64_t)p->compacted_revision;
    s->hash = step_hash(p->items.data, p->items.len);
    s->text = p->text ? replay_text("%s", p->text) : NULL;
}

/* ---- lives ---- */

struct step *life_add(struct life *l, struct step s)
{
    l->steps = replay_grow(l->steps, l->count, &l->cap, sizeof *l->steps);
    l->steps[l->count] = s;
    l->inputs += step_is_input(s.kind);
    return &l->steps[l->count++];
}

void life_destroy(struct life *l)
{
    for (size_t i = 0; i < l->count; i++) step_fini(&l->steps[i]);
    image_fini(&l->first);
    image_fini(&l->last);
    free(l->steps);
    free(l->performed);
    free(l);
}

void *replay_grow(void *items, size_t count, size_t *cap, size_t item_bytes)
{
    if (count < *cap) return items;
    *cap = *cap ? 2 * *cap : 16;
    items = realloc(items, *cap * item_bytes);
    MS_ASSERT(items != NULL);
    return items;
}

char *replay_text(const char *format, ...)
{
    char text[2 * DISK_PATH_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *out = strdup(text);
    MS_ASSERT(out != NULL);
    return out;
}
