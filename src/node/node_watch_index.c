/* node_watch_index.c: who watches a key. Watched ranges stand in a treap in order of (key, end); each node knows
 * the range below it that reaches furthest, so that a search leaves out what ends before the key: O(log n) for
 * each range that is found. A watched key is the range up to the next possible key. Watchers of one range share
 * its node. Priorities come from a counter: the shape follows from the order of the calls alone. */
#include "node/node_private.h"

int node_watch_index_ends(const struct node_watch_span *a, const struct node_watch_span *b)
{
    if (a->unbounded || b->unbounded) return (int)a->unbounded - (int)b->unbounded;
    return bytes_compare(a->end, b->end);
}

static int compare_spans(const struct node_watch_span *a, const struct node_watch_span *b)
{
    int order = bytes_compare(a->key, b->key);
    return order ? order : node_watch_index_ends(a, b);
}

static bool ends_above(const struct node_watch_span *s, struct bytes key)
{
    return s->unbounded || bytes_compare(key, s->end) < 0;
}

/* splitmix64: a counter made into something that looks drawn. */
static uint64_t priority_of(uint64_t number)
{
    uint64_t z = number * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void update(struct node_watch_span *s)
{
    s->reach = s;
    if (s->left && node_watch_index_ends(s->left->reach, s->reach) > 0) s->reach = s->left->reach;
    if (s->right && node_watch_index_ends(s->right->reach, s->reach) > 0) s->reach = s->right->reach;
}

static struct node_watch_span *rotate_right(struct node_watch_span *s)
{
    struct node_watch_span *top = s->left;
    s->left = top->right;
    top->right = s;
    update(s);
    update(top);
    return top;
}

static struct node_watch_span *rotate_left(struct node_watch_span *s)
{
    struct node_watch_span *top = s->right;
    s->right = top->left;
    top->left = s;
    update(s);
    update(top);
    return top;
}

static struct node_watch_span *insert(struct node_watch_span *root, struct node_watch_span *s)
{
    if (!root) {
        update(s);
        return s;
    }
    if (compare_spans(s, root) < 0) {
        root->left = insert(root->left, s);
        if (root->left->priority > root->priority) return rotate_right(root);
    } else {
        root->right = insert(root->right, s);
        if (root->right->priority > root->priority) return rotate_left(root);
    }
    update(root);
    return root;
}

/* All of a stands before all of b. */
static struct node_watch_span *merge(struct node_watch_span *a, struct node_watch_span *b)
{
    if (!a || !b) return a ? a : b;
    if (a->priority > b->priority) {
        a->right = merge(a->right, b);
        update(a);
        return a;
    }
    b->left = merge(a, b->left);
    update(b);
    return b;
}

static struct node_watch_span *take_out(struct node_watch_span *root, struct node_watch_span *s)
{
    MS_ASSERT(root != NULL);
    int order = compare_spans(s, root);
    if (order == 0) return merge(root->left, root->right);
    if (order < 0)
        root->left = take_out(root->left, s);
    else
        root->right = take_out(root->right, s);
    update(root);
    return root;
}

static struct node_watch_span *find(struct node_watch_span *root, const struct node_watch_span *s)
{
    while (root) {
        int order = compare_spans(s, root);
        if (order == 0) break;
        root = order < 0 ? root->left : root->right;
    }
    return root;
}

/* Key and end stand behind the struct; the end of a single key is that key and a NUL. */
static struct node_watch_span *span_create(const struct ms_alloc *alloc, struct bytes key,
                                           struct bytes end)
{
    struct node_watch_span *s = ms_alloc_zeroed(alloc, sizeof *s + key.len + end.len + 1);
    if (!s) return NULL;
    uint8_t *bytes = (uint8_t *)(s + 1);
    memcpy(bytes, key.data, key.len);
    ms_list_init(&s->watchers);
    s->key = bytes_of(bytes, key.len);
    s->single = end.len == 0;
    s->unbounded = end.len == 1 && end.data[0] == 0;
    s->end = bytes_of(bytes, key.len + 1);
    if (s->single) return s;
    memcpy(bytes + key.len, end.data, end.len);
    s->end = bytes_of(bytes + key.len, end.len);
    return s;
}

int node_watch_index_add(struct node *n, struct node_watcher *w, struct bytes key, struct bytes end)
{
    struct node_watches *ws = &n->watches;
    struct node_watch_span *s = span_create(n->alloc, key, end);
    if (!s) return MS_ENOMEM;
    /* No end of two spans that are not both single is told from the other by its bytes: [a, a NUL) is a. */
    struct node_watch_span *there = find(ws->root, s);
    if (there) {
        ms_free(n->alloc, s);
        s = there;
    } else {
        s->priority = priority_of(++ws->span_count);
        ws->root = insert(ws->root, s);
    }
    w->span = s;
    ms_list_push(&s->watchers, &w->in_span);
    return 0;
}

void node_watch_index_remove(struct node *n, struct node_watcher *w)
{
    struct node_watch_span *s = w->span;
    ms_list_remove(&w->in_span);
    if (ms_list_first(&s->watchers)) return;
    n->watches.root = take_out(n->watches.root, s);
    ms_free(n->alloc, s);
}

static void visit_span(const struct node_watch_span *s, node_watch_visit visit, void *arg)
{
    for (struct ms_list *at = ms_list_first(&s->watchers); at; at = ms_list_after(&s->watchers, at)) {
        visit(MS_LIST_OF(at, struct node_watcher, in_span), arg);
    }
}

static void search(const struct node_watch_span *s, struct bytes key, node_watch_visit visit, void *arg)
{
    if (!s || !ends_above(s->reach, key)) return;
    search(s->left, key, visit, arg);
    if (bytes_compare(key, s->key) < 0) return;
    if (ends_above(s, key)) visit_span(s, visit, arg);
    search(s->right, key, visit, arg);
}

void node_watch_index_each(const struct node *n, struct bytes key, node_watch_visit visit, void *arg)
{
    search(n->watches.root, key, visit, arg);
}
