/* kv_mem.c: the memory engine: engine.h over the tree of kv_mem_tree.h.
 *
 * A replacement is a second tree. The first one stays until its last view is closed, so that a view is
 * good across a replace, too (E3). */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/engine.h"
#include "kv/kv_mem_tree.h"

struct kv_mem_content {
    struct mem_tree tree;
    uint32_t view_count;
    bool retired; /* replaced: goes with its last view */
};

struct kv_mem {
    struct engine face;
    const struct ms_alloc *alloc;
    struct kv_mem_content *present;
    struct kv_mem_content *next; /* being built; NULL: no replace under way */
};

struct engine_view {
    struct mem_view *view;
    struct kv_mem_content *content;
};

struct engine_iter {
    const struct ms_alloc *alloc;
    struct mem_iter iter;
};

static struct kv_mem *kv_mem_of(struct engine *e)
{
    return (struct kv_mem *)e; /* face is the first field */
}

static struct kv_mem_content *content_create(const struct ms_alloc *alloc)
{
    struct kv_mem_content *c = ms_alloc(alloc, sizeof *c);
    if (!c) return NULL;
    *c = (struct kv_mem_content){ 0 };
    mem_tree_init(&c->tree, alloc);
    return c;
}

static void content_destroy(const struct ms_alloc *alloc, struct kv_mem_content *c)
{
    mem_tree_fini(&c->tree);
    ms_free(alloc, c);
}

static struct mem_tree *written_tree(struct engine *e)
{
    struct kv_mem *m = kv_mem_of(e);
    return m->next ? &m->next->tree : &m->present->tree;
}

static int mem_get(struct engine *e, struct engine_view *view, struct bytes key, struct buf *out)
{
    const struct mem_node *root = view ? view->view->root : kv_mem_of(e)->present->tree.root;
    struct bytes value;
    if (!mem_tree_find(root, key, &value)) return MS_ENOTFOUND;
    buf_append(out, value.data, value.len);
    return out->failed ? MS_ENOMEM : 0;
}

static int mem_put(struct engine *e, struct bytes key, struct bytes value)
{
    MS_ASSERT(key.len > 0 && key.len <= ENGINE_KEY_BYTES_MAX);
    MS_ASSERT(value.len <= ENGINE_VALUE_BYTES_MAX);
    return mem_tree_put(written_tree(e), key, value);
}

static int mem_remove(struct engine *e, struct bytes key)
{
    return mem_tree_remove(written_tree(e), key);
}

static int mem_commit(struct engine *e)
{
    mem_tree_commit(written_tree(e));
    return 0;
}

static struct engine_view *mem_engine_view_open(struct engine *e)
{
    struct kv_mem *m = kv_mem_of(e);
    struct engine_view *v = ms_alloc(m->alloc, sizeof *v);
    if (!v) return NULL;
    v->content = m->present;
    v->view = mem_view_open(&m->present->tree);
    if (!v->view) {
        ms_free(m->alloc, v);
        return NULL;
    }
    v->content->view_count++;
    return v;
}

static void mem_engine_view_close(struct engine *e, struct engine_view *v)
{
    const struct ms_alloc *alloc = kv_mem_of(e)->alloc;
    struct kv_mem_content *c = v->content;
    mem_view_close(v->view);
    ms_free(alloc, v);
    c->view_count--;
    if (c->retired && c->view_count == 0) content_destroy(alloc, c);
}

static struct engine_iter *mem_iter_open(struct engine *e, struct engine_view *view)
{
    struct kv_mem *m = kv_mem_of(e);
    struct engine_iter *i = ms_alloc(m->alloc, sizeof *i);
    if (!i) return NULL;
    i->alloc = m->alloc;
    mem_iter_init(&i->iter, view ? view->view->root : m->present->tree.committed);
    return i;
}

static void mem_engine_iter_seek(struct engine_iter *i, struct bytes key)
{
    mem_iter_seek(&i->iter, key);
}

static void mem_engine_iter_seek_before(struct engine_iter *i, struct bytes key)
{
    mem_iter_seek_before(&i->iter, key);
}

static void mem_engine_iter_next(struct engine_iter *i)
{
    mem_iter_next(&i->iter);
}

static void mem_engine_iter_prev(struct engine_iter *i)
{
    mem_iter_prev(&i->iter);
}

static bool mem_iter_valid(const struct engine_iter *i)
{
    return i->iter.valid;
}

static struct bytes mem_engine_iter_key(const struct engine_iter *i)
{
    return i->iter.key;
}

static struct bytes mem_engine_iter_value(const struct engine_iter *i)
{
    return mem_iter_value(&i->iter);
}

static int mem_iter_status(const struct engine_iter *i)
{
    (void)i;
    return 0; /* memory does not fail to be read */
}

static void mem_iter_close(struct engine_iter *i)
{
    ms_free(i->alloc, i);
}

static int mem_persist(struct engine *e)
{
    (void)e;
    return MS_EINVAL;
}

static int mem_replace_begin(struct engine *e)
{
    struct kv_mem *m = kv_mem_of(e);
    MS_ASSERT(!m->next);
    m->next = content_create(m->alloc);
    return m->next ? 0 : MS_ENOMEM;
}

static int mem_replace_end(struct engine *e, bool keep)
{
    struct kv_mem *m = kv_mem_of(e);
    struct kv_mem_content *gone = keep ? m->present : m->next;
    MS_ASSERT(m->next);
    if (keep) m->present = m->next;
    m->next = NULL;
    if (gone->view_count > 0) {
        gone->retired = true;
    } else {
        content_destroy(m->alloc, gone);
    }
    return 0;
}

static uint64_t mem_bytes(const struct engine *e)
{
    return ((const struct kv_mem *)e)->present->tree.bytes;
}

static void mem_close(struct engine *e)
{
    struct kv_mem *m = kv_mem_of(e);
    if (m->next) content_destroy(m->alloc, m->next);
    content_destroy(m->alloc, m->present);
    ms_free(m->alloc, m);
}

static const struct engine_ops mem_ops = {
    .get = mem_get,
    .put = mem_put,
    .remove = mem_remove,
    .commit = mem_commit,
    .view_open = mem_engine_view_open,
    .view_close = mem_engine_view_close,
    .iter_open = mem_iter_open,
    .iter_seek = mem_engine_iter_seek,
    .iter_seek_before = mem_engine_iter_seek_before,
    .iter_next = mem_engine_iter_next,
    .iter_prev = mem_engine_iter_prev,
    .iter_valid = mem_iter_valid,
    .iter_key = mem_engine_iter_key,
    .iter_value = mem_engine_iter_value,
    .iter_status = mem_iter_status,
    .iter_close = mem_iter_close,
    .persist = mem_persist,
    .replace_begin = mem_replace_begin,
    .replace_end = mem_replace_end,
    .bytes = mem_bytes,
    .durable = false,
    .close = mem_close,
};

struct engine *kv_mem_create(const struct ms_alloc *alloc)
{
    struct kv_mem *m = ms_alloc(alloc, sizeof *m);
    if (!m) return NULL;
    *m = (struct kv_mem){ .face = { .ops = &mem_ops }, .alloc = alloc };
    m->present = content_create(alloc);
    if (!m->present) {
        ms_free(alloc, m);
        return NULL;
    }
    return &m->face;
}
