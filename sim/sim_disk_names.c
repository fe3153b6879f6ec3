/* sim_disk_names.c: names: what each directory calls what, in both images, and the operations on names that
 * no sync has covered (S3, S4). */
#include "sim/sim_disk_private.h"

/* --- inodes and names --- */

struct inode *sim_disk_inode_create(struct sim_disk *d, bool is_dir)
{
    struct inode *n = sim_disk_take(d, NULL, sizeof *n);
    *n = (struct inode){ .next = d->inodes, .is_dir = is_dir };
    if (d->inodes) d->inodes->prev = n;
    d->inodes = n;
    return n;
}

void sim_disk_names_clear(struct sim_disk *d, struct names *names)
{
    for (size_t i = 0; i < names->count; i++) sim_disk_inode_drop(d, names->at[i].inode);
    names->count = 0;
}

void sim_disk_inode_free(struct sim_disk *d, struct inode *n)
{
    for (size_t i = 0; i < n->page_count; i++) {
        sim_disk_page_give(d, &n->pages[i].now);
        sim_disk_page_give(d, &n->pages[i].old);
        if (n->pages[i].allocated) d->allocated_pages--;
    }
    *(n->prev ? &n->prev->next : &d->inodes) = n->next;
    if (n->next) n->next->prev = n->prev;
    ms_free(d->alloc, n->pages);
    ms_free(d->alloc, n->touched);
    ms_free(d->alloc, n->names.at);
    ms_free(d->alloc, n->durable_names.at);
    ms_free(d->alloc, n);
}

void sim_disk_inode_drop(struct sim_disk *d, struct inode *n)
{
    MS_ASSERT(n->refs > 0);
    if (--n->refs > 0) return;
    sim_disk_names_clear(d, &n->names);
    sim_disk_names_clear(d, &n->durable_names);
    sim_disk_inode_free(d, n);
}

/* Where text stands, or would stand. */
size_t sim_disk_names_find(const struct names *names, const char *text, bool *found)
{
    size_t lo = 0, hi = names->count;
    *found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(names->at[mid].text, text);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) lo = mid + 1;
        if (order > 0) hi = mid;
    }
    return lo;
}

static struct inode *names_get(const struct names *names, const char *text)
{
    bool found;
    size_t i = sim_disk_names_find(names, text, &found);
    return found ? names->at[i].inode : NULL;
}

static void names_apply(struct sim_disk *d, struct names *names, const struct edit *e)
{
    bool found;
    size_t i = sim_disk_names_find(names, e->text, &found);
    if (e->gone) {
        if (!found || names->at[i].inode != e->inode) return;
        names->count--;
        memmove(&names->at[i], &names->at[i + 1], (names->count - i) * sizeof names->at[0]);
        sim_disk_inode_drop(d, e->inode);
        return;
    }
    e->inode->refs++;
    if (found) {
        struct inode *old = names->at[i].inode;
        names->at[i].inode = e->inode;
        sim_disk_inode_drop(d, old);
        return;
    }
    names->at = sim_disk_grow(d, names->at, names->count, &names->cap, sizeof names->at[0]);
    memmove(&names->at[i + 1], &names->at[i], (names->count - i) * sizeof names->at[0]);
    names->count++;
    names->at[i].inode = e->inode;
    memcpy(names->at[i].text, e->text, sizeof e->text);
}

/* Begin an operation on names. */
struct dir_op *sim_disk_dir_op_begin(struct sim_disk *d)
{
    struct dir_op *o = sim_disk_take(d, NULL, sizeof *o);
    *o = (struct dir_op){ .prev = d->ops_last };
    *(d->ops_last ? &d->ops_last->next : &d->ops_first) = o;
    d->ops_last = o;
    return o;
}

/* Add a change to it and make it visible. */
void sim_disk_dir_op_edit(struct sim_disk *d, struct dir_op *o, struct inode *dir, const char *text,
                          struct inode *inode, bool gone)
{
    struct edit *e = &o->edits[o->edit_count++];
    *e = (struct edit){ .dir = dir, .inode = inode, .gone = gone };
    memcpy(e->text, text, strlen(text) + 1);
    dir->refs++;
    inode->refs++;
    names_apply(d, &dir->names, e);
}

/* Take an operation out of the log, durable or forgotten. */
void sim_disk_dir_op_end(struct sim_disk *d, struct dir_op *o, bool durable)
{
    *(o->prev ? &o->prev->next : &d->ops_first) = o->next;
    *(o->next ? &o->next->prev : &d->ops_last) = o->prev;
    for (unsigned i = 0; durable && i < o->edit_count; i++) {
        names_apply(d, &o->edits[i].dir->durable_names, &o->edits[i]);
    }
    for (unsigned i = 0; i < o->edit_count; i++) {
        sim_disk_inode_drop(d, o->edits[i].inode);
        sim_disk_inode_drop(d, o->edits[i].dir);
    }
    ms_free(d->alloc, o);
}

/* A sync of dir covers its operations. One that moves a name between two directories is one whole, so
 * what stood before it in the other directory goes with it, as in a journal (S3). */
void sim_disk_dir_sync(struct sim_disk *d, struct inode *dir)
{
    struct dir_op *next;
    dir->chosen = true;
    for (struct dir_op *o = d->ops_last; o; o = o->prev) {
        for (unsigned i = 0; i < o->edit_count; i++) o->chosen |= o->edits[i].dir->chosen;
        for (unsigned i = 0; o->chosen && i < o->edit_count; i++) o->edits[i].dir->chosen = true;
    }
    for (struct dir_op *o = d->ops_first; o; o = o->next) {
        for (unsigned i = 0; i < o->edit_count; i++) o->edits[i].dir->chosen = false;
    }
    dir->chosen = false;
    for (struct dir_op *o = d->ops_first; o; o = next) {
        next = o->next;
        if (o->chosen) sim_disk_dir_op_end(d, o, true);
    }
}

/* --- paths --- */

/* Walk path from the root, in one of the images. parent and last (of DISK_NAME_BYTES_MAX) may be NULL;
 * else they are where the path's last name stands or would stand, NULL if there is no such directory.
 */
struct inode *sim_disk_path_walk(const struct sim_disk *d, const char *path, bool durable,
                                 struct inode **parent, char *last)
{
    struct inode *at = d->root, *dir = NULL;
    char text[DISK_NAME_BYTES_MAX] = "";
    bool broken = false; /* a part is missing on the way */
    for (const char *p = path;;) {
        size_t len;
        while (*p == '/') p++;
        len = strcspn(p, "/");
        if (len == 0) break;
        if (len != 1 || p[0] != '.') {
            broken = broken || !at || !at->is_dir || len >= sizeof text;
            if (broken) break;
            dir = at;
            memcpy(text, p, len);
            text[len] = 0;
            at = names_get(durable ? &dir->durable_names : &dir->names, text);
        }
        p += len;
    }
    if (parent) *parent = broken ? NULL : dir;
    if (last) memcpy(last, text, sizeof text);
    return broken ? NULL : at;
}

struct inode *sim_disk_path_dir(const struct sim_disk *d, const char *path, bool durable)
{
    struct inode *n = sim_disk_path_walk(d, path, durable, NULL, NULL);
    return n && n->is_dir ? n : NULL;
}
