/* kv_select.c: which of the records of a range are given, and in which order (ETCD.md section 2).
 *
 * count tells all keys of the range, whatever else is asked for. Filters by revision come first, then the
 * order, then the limit. An order other than by key needs all records before the first one can be given:
 * they are kept in a heap with the one that would be given last on top, so that of a limit no more than
 * that many are kept. Records that are equal by what they are sorted by stand by key, ascending. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

#define HEAP_AT_FIRST 64u

struct kv_selected {
    struct kv_answer_item item;
    size_t bytes; /* of this block */
    uint8_t data[];
};

void kv_select_init(struct kv_select *s, struct kv *kv, const struct kv_op *op)
{
    *s = (struct kv_select){ .kv = kv,
                             .limit = op->limit,
                             .mod_min = op->mod_min,
                             .mod_max = op->mod_max,
                             .create_min = op->create_min,
                             .create_max = op->create_max,
                             .target = op->sort_target,
                             .keys_only = op->flags & KV_KEYS_ONLY,
                             .count_only = op->flags & KV_COUNT_ONLY };
    s->descend = op->sort_order == KV_SORT_DESCEND;
    /* By key is the order of the walk, which can go both ways. */
    s->sorted = !s->count_only && op->sort_target != KV_SORT_KEY;
}

static void release(struct kv_select *s, struct kv_selected *e)
{
    s->bytes -= e->bytes;
    s->kv->selected_bytes -= e->bytes;
    ms_free(s->kv->alloc, e);
}

void kv_select_fini(struct kv_select *s)
{
    for (uint32_t i = 0; i < s->len; i++) release(s, s->heap[i]);
    s->kv->selected_bytes -= s->cap * sizeof *s->heap;
    ms_free(s->kv->alloc, s->heap);
    s->heap = NULL;
    s->len = s->cap = 0;
}

static int order_of_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Below 0: a is given before b. */
static int order(const struct kv_select *s, const struct kv_answer_item *a,
                 const struct kv_answer_item *b)
{
    int by = 0;
    switch (s->target) {
    case KV_SORT_KEY: by = bytes_compare(a->key, b->key); break;
    case KV_SORT_VERSION: by = order_of_numbers(a->version, b->version); break;
    case KV_SORT_CREATE: by = order_of_numbers(a->create_revision, b->create_revision); break;
    case KV_SORT_MOD: by = order_of_numbers(a->mod_revision, b->mod_revision); break;
    case KV_SORT_VALUE: by = bytes_compare(a->value, b->value); break;
    }
    if (by != 0) return s->descend ? -by : by;
    return bytes_compare(a->key, b->key);
}

/* Whether heap[a] belongs above heap[b]: the last one on top while it is filled, the first one when it is
 * emptied. */
static bool above(const struct kv_select *s, uint32_t a, uint32_t b)
{
    int by = order(s, &s->heap[a]->item, &s->heap[b]->item);
    return s->draining ? by < 0 : by > 0;
}

static void swap(struct kv_select *s, uint32_t a, uint32_t b)
{
    struct kv_selected *swapped = s->heap[a];
    s->heap[a] = s->heap[b];
    s->heap[b] = swapped;
}

static void sift_down(struct kv_select *s, uint32_t at)
{
    for (uint32_t child = 2 * at + 1; child < s->len; at = child, child = 2 * at + 1) {
        if (child + 1 < s->len && above(s, child + 1, child)) child++;
        if (!above(s, child, at)) return;
        swap(s, at, child);
    }
}

static void sift_up(struct kv_select *s, uint32_t at)
{
    for (; at > 0 && above(s, at, (at - 1) / 2); at = (at - 1) / 2) swap(s, at, (at - 1) / 2);
}

/* Account for more bytes. MS_ETOOBIG: this range needs more than one may; MS_EBUSY: all of them together
 * do. */
static int take_bytes(struct kv_select *s, size_t more)
{
    if (more > KV_SELECT_BYTES_MAX - s->bytes - s->cap * sizeof *s->heap) return MS_ETOOBIG;
    if (more > KV_SELECT_BYTES_IN_ALL_MAX - s->kv->selected_bytes) return MS_EBUSY;
    s->kv->selected_bytes += more;
    return 0;
}

static int grow(struct kv_select *s)
{
    uint32_t cap = s->cap ? 2 * s->cap : HEAP_AT_FIRST;
    size_t more = (cap - s->cap) * sizeof *s->heap;
    int rv = take_bytes(s, more);
    if (rv < 0) return rv;
    struct kv_selected **heap = ms_resize(s->kv->alloc, s->heap, cap * sizeof *heap);
    if (!heap) {
        s->kv->selected_bytes -= more;
        return MS_ENOMEM;
    }
    s->heap = heap;
    s->cap = cap;
    return 0;
}

static int copy(struct kv_select *s, const struct kv_answer_item *item, struct kv_selected **out)
{
    bool with_value = !s->keys_only || s->target == KV_SORT_VALUE;
    size_t value_len = with_value ? item->value.len : 0;
    size_t bytes = sizeof **out + item->key.len + value_len;
    int rv = take_bytes(s, bytes);
    if (rv < 0) return rv;
    struct kv_selected *e = ms_alloc(s->kv->alloc, bytes);
    if (!e) {
        s->kv->selected_bytes -= bytes;
        return MS_ENOMEM;
    }
    s->bytes += bytes;
    e->item = *item;
    e->bytes = bytes;
    memcpy(e->data, item->key.data, item->key.len);
    if (value_len) memcpy(e->data + item->key.len, item->value.data, value_len);
    e->item.key = bytes_of(e->data, item->key.len);
    e->item.value = bytes_of(e->data + item->key.len, value_len);
    *out = e;
    return 0;
}

static int keep(struct kv_select *s, const struct kv_answer_item *item)
{
    struct kv_selected *e;
    bool full = s->limit > 0 && s->len >= s->limit;
    if (full && order(s, item, &s->heap[0]->item) >= 0) return 0; /* it would be cut */
    int rv = full || s->len < s->cap ? 0 : grow(s);
    if (rv == 0) rv = copy(s, item, &e);
    if (rv < 0) return rv;
    if (full) {
        release(s, s->heap[0]);
        s->heap[0] = e;
        sift_down(s, 0);
    } else {
        s->heap[s->len++] = e;
        sift_up(s, s->len - 1);
    }
    return 0;
}

static bool passes(const struct kv_select *s, const struct kv_record *r)
{
    if (s->mod_min > 0 && r->mod_revision < s->mod_min) return false;
    if (s->mod_max > 0 && r->mod_revision > s->mod_max) return false;
    if (s->create_min > 0 && r->create_revision < s->create_min) return false;
    return s->create_max == 0 || r->create_revision <= s->create_max;
}

int kv_select_add(struct kv_select *s, struct bytes key, const struct kv_record *r,
                  struct kv_answer_item *out)
{
    MS_ASSERT(!s->draining);
    s->count++;
    if (s->count_only || !passes(s, r)) return 0;
    s->matched++;
    *out = (struct kv_answer_item){ .kind = KV_ANSWER_RECORD,
                                    .create_revision = r->create_revision,
                                    .mod_revision = r->mod_revision,
                                    .version = r->version,
                                    .lease = r->lease,
                                    .key = key,
                                    .value = r->value };
    if (s->sorted) return keep(s, out);
    if (s->keys_only) out->value = bytes_of(NULL, 0);
    return s->limit == 0 || s->matched <= s->limit ? 1 : 0;
}

void kv_select_drain(struct kv_select *s)
{
    s->draining = true;
    for (uint32_t i = s->len / 2; i > 0; i--) sift_down(s, i - 1);
}

bool kv_select_next(struct kv_select *s, struct kv_answer_item *out)
{
    MS_ASSERT(s->draining);
    if (s->len == 0) return false;
    *out = s->heap[0]->item;
    if (s->keys_only) out->value = bytes_of(NULL, 0);
    return true;
}

void kv_select_drop(struct kv_select *s)
{
    release(s, s->heap[0]);
    s->heap[0] = s->heap[--s->len];
    sift_down(s, 0);
}

void kv_select_end(const struct kv_select *s, struct kv_answer_item *out)
{
    bool more = s->limit > 0 && s->matched > s->limit;
    *out = (struct kv_answer_item){ .kind = KV_ANSWER_END,
                                    .flags = more ? KV_ANSWER_MORE : 0,
                                    .count = s->count };
}
