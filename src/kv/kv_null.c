/* kv_null.c: the engine that keeps nothing. A snapshot loaded into it is checked as any other, in the
 * memory of a chunk; what the state machine remembers of it by itself, kv_info(), is all that is left. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/engine.h"

struct null_engine {
    struct engine face;
    const struct ms_alloc *alloc;
};

static int null_get(struct engine *e, struct engine_view *view, struct bytes key, struct buf *out)
{
    (void)e, (void)view, (void)key, (void)out;
    return MS_ENOTFOUND;
}

static int null_put(struct engine *e, struct bytes key, struct bytes value)
{
    (void)e, (void)key, (void)value;
    return 0;
}

static int null_remove(struct engine *e, struct bytes key)
{
    (void)e, (void)key;
    return 0;
}

static int null_step(struct engine *e)
{
    (void)e;
    return 0;
}

static struct engine_view *null_view_open(struct engine *e)
{
    (void)e;
    return NULL;
}

static void null_view_close(struct engine *e, struct engine_view *view)
{
    (void)e, (void)view;
}

static bool nothing(const struct engine_iter *i)
{
    (void)i;
    return false;
}

static int null_iter_status(const struct engine_iter *i)
{
    (void)i;
    return 0;
}

static void stay(struct engine_iter *i)
{
    (void)i;
}

static void seek_nothing(struct engine_iter *i, struct bytes key)
{
    (void)i, (void)key;
}

static struct bytes no_bytes(const struct engine_iter *i)
{
    (void)i;
    MS_UNREACHABLE();
}

/* Iterators have no content, so one that is constant serves all of them. */
static struct engine_iter *null_iter_open(struct engine *e, struct engine_view *view)
{
    (void)view;
    return (struct engine_iter *)(void *)e;
}

static int null_persist(struct engine *e)
{
    (void)e;
    return MS_EINVAL;
}

static int null_replace_end(struct engine *e, bool keep)
{
    (void)e, (void)keep;
    return 0;
}

static uint64_t null_bytes(const struct engine *e)
{
    (void)e;
    return 0;
}

static void null_close(struct engine *e)
{
    struct null_engine *n = (struct null_engine *)e;
    ms_free(n->alloc, n);
}

static const struct engine_ops ops = {
    .get = null_get,
    .put = null_put,
    .remove = null_remove,
    .commit = null_step,
    .view_open = null_view_open,
    .view_close = null_view_close,
    .iter_open = null_iter_open,
    .iter_seek = seek_nothing,
    .iter_seek_before = seek_nothing,
    .iter_next = stay,
    .iter_prev = stay,
    .iter_valid = nothing,
    .iter_key = no_bytes,
    .iter_value = no_bytes,
    .iter_status = null_iter_status,
    .iter_close = stay,
    .persist = null_persist,
    .replace_begin = null_step,
    .replace_end = null_replace_end,
    .bytes = null_bytes,
    .close = null_close,
};

struct engine *kv_null_create(const struct ms_alloc *alloc)
{
    struct null_engine *n = ms_alloc_zeroed(alloc, sizeof *n);
    if (!n) return NULL;
    n->face.ops = &ops;
    n->alloc = alloc;
    return &n->face;
}
