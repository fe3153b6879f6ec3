/* kv_check.c: no key may be written twice by a transaction, if one of the writes is a put: not by two
 * puts, nor by a put inside the range of a delete (ETCD.md section 2, "duplicate key"). Writes of which
 * never both run, in the two branches of one transaction, do not count. It follows that a key changes
 * at most once in a revision.
 *
 * Here the rule does not look at the order of operations; etcd lets a nested delete pass that stands
 * behind a nested put of its key. */
#include "base/ms_err.h"
#include "kv/kv_private.h"

/* A write and where it stands: a transaction's number and branch for each level down to it. */
struct write {
    struct kv_range range;
    bool put;
    uint8_t levels;
    uint16_t path[KV_CMD_DEPTH_MAX + 1u];
};

struct kv_check {
    struct write writes[MS_TXN_OPS_MAX];
    uint16_t puts[MS_TXN_OPS_MAX], deletes[MS_TXN_OPS_MAX]; /* indexes of writes */
    uint32_t write_count, put_count, delete_count, txn_count;
};

/* Two paths part at the branches of one transaction, at different transactions, or not at all. */
static bool exclusive(const struct write *a, const struct write *b)
{
    uint8_t levels = a->levels < b->levels ? a->levels : b->levels;
    for (uint8_t i = 0; i < levels; i++) {
        if (a->path[i] != b->path[i]) return a->path[i] >> 1 == b->path[i] >> 1;
    }
    return false;
}

static void collect(struct kv_check *c, const struct kv_cmd *cmd, const struct write *above);

static void collect_branch(struct kv_check *c, struct bytes ops, const struct write *at)
{
    struct bytes_reader run = bytes_reader_of(ops);
    struct kv_op op;
    struct kv_cmd nested;
    while (kv_cmd_next_op(&run, &op)) {
        if (op.kind == KV_OP_TXN && kv_cmd_decode(op.txn, &nested) == 0) collect(c, &nested, at);
        if (op.kind != KV_OP_PUT && op.kind != KV_OP_DELETE) continue;
        uint16_t index = (uint16_t)c->write_count++;
        struct write *w = &c->writes[index];
        *w = *at;
        w->range = kv_range_of(op.key, op.range_end);
        w->put = op.kind == KV_OP_PUT;
        if (w->put) {
            c->puts[c->put_count++] = index;
        } else {
            c->deletes[c->delete_count++] = index;
        }
    }
}

static void collect(struct kv_check *c, const struct kv_cmd *cmd, const struct write *above)
{
    struct write at = *above;
    uint32_t number = c->txn_count++;
    at.path[at.levels++] = (uint16_t)(number << 1);
    collect_branch(c, cmd->then_ops, &at);
    at.path[at.levels - 1] |= 1;
    collect_branch(c, cmd->else_ops, &at);
}

static int compare_puts(const struct kv_check *c, uint16_t a, uint16_t b)
{
    return bytes_compare(c->writes[a].range.key, c->writes[b].range.key);
}

static void sift_down(struct kv_check *c, uint32_t at, uint32_t count)
{
    for (uint32_t child = 2 * at + 1; child < count; at = child, child = 2 * at + 1) {
        if (child + 1 < count && compare_puts(c, c->puts[child], c->puts[child + 1]) < 0) child++;
        if (compare_puts(c, c->puts[at], c->puts[child]) >= 0) return;
        uint16_t swapped = c->puts[at];
        c->puts[at] = c->puts[child];
        c->puts[child] = swapped;
    }
}

/* By key; a heap sort: no memory, and no input makes it slow. */
static void sort_puts(struct kv_check *c)
{
    for (uint32_t i = c->put_count / 2; i > 0; i--) sift_down(c, i - 1, c->put_count);
    for (uint32_t last = c->put_count; last > 1; last--) {
        uint16_t largest = c->puts[0];
        c->puts[0] = c->puts[last - 1];
        c->puts[last - 1] = largest;
        sift_down(c, 0, last - 1);
    }
}

/* Puts of one key stand together, and no more than 2^levels of them exclude each other: so the inner
 * loop is short, whatever the command. */
static bool puts_collide(const struct kv_check *c)
{
    for (uint32_t i = 1; i < c->put_count; i++) {
        for (uint32_t j = i; j > 0; j--) {
            const struct write *a = &c->writes[c->puts[i]], *b = &c->writes[c->puts[j - 1]];
            if (!bytes_equal(a->range.key, b->range.key)) break;
            if (!exclusive(a, b)) return true;
        }
    }
    return false;
}

static uint32_t first_put_from(const struct kv_check *c, struct bytes key)
{
    uint32_t low = 0, high = c->put_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (bytes_compare(c->writes[c->puts[middle]].range.key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool delete_collides(const struct kv_check *c, const struct write *d)
{
    for (uint32_t i = first_put_from(c, d->range.key); i < c->put_count; i++) {
        const struct write *p = &c->writes[c->puts[i]];
        if (!kv_range_holds(&d->range, p->range.key)) break;
        if (!exclusive(d, p)) return true;
    }
    return false;
}

int kv_check_duplicates(struct kv *kv, const struct kv_cmd *cmd)
{
    struct write top = { .levels = 0 };
    if (!kv->check) kv->check = ms_alloc(kv->alloc, sizeof *kv->check);
    struct kv_check *c = kv->check;
    if (!c) return MS_ENOMEM;
    c->write_count = c->put_count = c->delete_count = c->txn_count = 0;
    collect(c, cmd, &top);
    sort_puts(c);
    if (puts_collide(c)) return MS_EDUPKEY;
    for (uint32_t i = 0; i < c->delete_count; i++) {
        if (delete_collides(c, &c->writes[c->deletes[i]])) return MS_EDUPKEY;
    }
    return 0;
}
