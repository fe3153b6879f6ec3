/* sim_disk.c: files in memory with two images, what a process sees and what survives power loss.
 *
 * A file is a run of pages; a page keeps the bytes that a process sees, and for each sector that was
 * not synced the bytes it had before. So a write costs two copies, a sync only drops what was kept, and
 * a crash puts back what it takes away. A directory keeps its names twice; operations on names that no
 * sync has covered stand in one log, in order, and survive a crash each on its own:
 *
 *   S1  a sector that is neither dirty nor lost is the same in both images
 *   S2  outside of the file's size bytes are zero, in both images
 *   S3  names of one directory become durable in the order of the operations
 *   S4  every inode's refs counts its names in both images, operations in the log, and open handles
 *
 * A sector is lost when a sync over it failed: the kernel calls the page clean then, and a second sync
 * succeeds without writing it ("fsyncgate"). The simulator's own memory running out is a panic: the
 * allocator given must not refuse. */
#include "sim/sim_disk.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#include <string.h>

#define PAGE_BYTES 4096u
#define SECTORS_PER_PAGE (PAGE_BYTES / DISK_SECTOR_BYTES)
#define FREE_WHEN_UNBOUNDED (UINT64_C(1) << 50)

struct page {
    uint8_t *now;        /* what a process sees; NULL: zeros */
    uint8_t *old;        /* durable bytes of sectors in dirty or lost; NULL: zeros */
    uint8_t dirty, lost; /* a bit a sector */
    bool allocated, listed;
};

struct name {
    struct inode *inode;
    char text[DISK_NAME_BYTES_MAX];
};

struct names {
    struct name *at; /* sorted */
    size_t count, cap;
};

struct inode {
    struct inode *prev, *next; /* all inodes of the disk */
    uint32_t refs;
    bool is_dir, chosen; /* chosen: by dir_sync(), while it runs */
    uint64_t size, durable_size;
    struct page *pages;
    size_t page_count;
    uint32_t *touched; /* pages with dirty or lost sectors, each once */
    size_t touched_count, touched_cap;
    struct names names, durable_names;
};

/* One change of one directory: name now means inode, or (gone) no longer does. */
struct edit {
    struct inode *dir, *inode;
    bool gone;
    char text[DISK_NAME_BYTES_MAX];
};

struct dir_op {
    struct dir_op *prev, *next;
    bool chosen;
    unsigned edit_count;
    struct edit edits[2]; /* a rename has both, and they survive together */
};

struct handle {
    disk_file file;
    struct inode *inode;
};

struct sim_disk {
    struct disk face; /* first: what the core borrows */
    struct sim_disk_opts opts;
    const struct ms_alloc *alloc;
    struct inode *inodes, *root;
    struct dir_op *ops_first, *ops_last;
    struct handle
        *handles; /* sorted: numbers only rise, so that a stale one is never taken for another */
    size_t handle_count, handle_cap;
    disk_file next_file;
    struct inode **locked;
    size_t locked_count, locked_cap;
    uint8_t *free_pages; /* chained through their first bytes */
    uint64_t allocated_pages;
    int (*fault)(void *ctx, const struct disk_op *op);
    void *fault_ctx;
};

/* --- memory --- */

static void *take(struct sim_disk *d, void *old, size_t len)
{
    void *p = ms_resize(d->alloc, old, len);
    MS_ASSERT(p != NULL);
    return p;
}

/* Make room for one more element of an array. */
static void *grow(struct sim_disk *d, void *array, size_t count, size_t *cap, size_t element_bytes)
{
    if (count < *cap) return array;
    *cap = *cap ? 2 * *cap : 8;
    return take(d, array, *cap * element_bytes);
}

static uint8_t *page_take(struct sim_disk *d)
{
    uint8_t *p = d->free_pages;
    if (p)
        memcpy(&d->free_pages, p, sizeof d->free_pages);
    else
        p = take(d, NULL, PAGE_BYTES);
    memset(p, 0, PAGE_BYTES);
    return p;
}

static void page_give(struct sim_disk *d, uint8_t **page)
{
    if (!*page) return;
    memcpy(*page, &d->free_pages, sizeof d->free_pages);
    d->free_pages = *page;
    *page = NULL;
}

/* --- inodes and names --- */

static struct inode *inode_create(struct sim_disk *d, bool is_dir)
{
    struct inode *n = take(d, NULL, sizeof *n);
    *n = (struct inode){ .next = d->inodes, .is_dir = is_dir };
    if (d->inodes) d->inodes->prev = n;
    d->inodes = n;
    return n;
}

static void inode_drop(struct sim_disk *d, struct inode *n);

static void names_clear(struct sim_disk *d, struct names *names)
{
    for (size_t i = 0; i < names->count; i++) inode_drop(d, names->at[i].inode);
    names->count = 0;
}

static void inode_free(struct sim_disk *d, struct inode *n)
{
    for (size_t i = 0; i < n->page_count; i++) {
        page_give(d, &n->pages[i].now);
        page_give(d, &n->pages[i].old);
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

static void inode_drop(struct sim_disk *d, struct inode *n)
{
    MS_ASSERT(n->refs > 0);
    if (--n->refs > 0) return;
    names_clear(d, &n->names);
    names_clear(d, &n->durable_names);
    inode_free(d, n);
}

/* Where text stands, or would stand. */
static size_t names_find(const struct names *names, const char *text, bool *found)
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
    size_t i = names_find(names, text, &found);
    return found ? names->at[i].inode : NULL;
}

static void names_apply(struct sim_disk *d, struct names *names, const struct edit *e)
{
    bool found;
    size_t i = names_find(names, e->text, &found);
    if (e->gone) {
        if (!found || names->at[i].inode != e->inode) return;
        names->count--;
        memmove(&names->at[i], &names->at[i + 1], (names->count - i) * sizeof names->at[0]);
        inode_drop(d, e->inode);
        return;
    }
    e->inode->refs++;
    if (found) {
        struct inode *old = names->at[i].inode;
        names->at[i].inode = e->inode;
        inode_drop(d, old);
        return;
    }
    names->at = grow(d, names->at, names->count, &names->cap, sizeof names->at[0]);
    memmove(&names->at[i + 1], &names->at[i], (names->count - i) * sizeof names->at[0]);
    names->count++;
    names->at[i].inode = e->inode;
    memcpy(names->at[i].text, e->text, sizeof e->text);
}

/* Begin an operation on names. */
static struct dir_op *dir_op_begin(struct sim_disk *d)
{
    struct dir_op *o = take(d, NULL, sizeof *o);
    *o = (struct dir_op){ .prev = d->ops_last };
    *(d->ops_last ? &d->ops_last->next : &d->ops_first) = o;
    d->ops_last = o;
    return o;
}

/* Add a change to it and make it visible. */
static void dir_op_edit(struct sim_disk *d, struct dir_op *o, struct inode *dir, const char *text,
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
static void dir_op_end(struct sim_disk *d, struct dir_op *o, bool durable)
{
    *(o->prev ? &o->prev->next : &d->ops_first) = o->next;
    *(o->next ? &o->next->prev : &d->ops_last) = o->prev;
    for (unsigned i = 0; durable && i < o->edit_count; i++) {
        names_apply(d, &o->edits[i].dir->durable_names, &o->edits[i]);
    }
    for (unsigned i = 0; i < o->edit_count; i++) {
        inode_drop(d, o->edits[i].inode);
        inode_drop(d, o->edits[i].dir);
    }
    ms_free(d->alloc, o);
}

/* A sync of dir covers its operations. One that moves a name between two directories is one whole, so
 * what stood before it in the other directory goes with it, as in a journal (S3). */
static void dir_sync(struct sim_disk *d, struct inode *dir)
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
        if (o->chosen) dir_op_end(d, o, true);
    }
}

/* --- paths --- */

/* Walk path from the root, in one of the images. parent and last (of DISK_NAME_BYTES_MAX) may be NULL;
 * else they are where the path's last name stands or would stand, NULL if there is no such directory.
 */
static struct inode *path_walk(const struct sim_disk *d, const char *path, bool durable,
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

static struct inode *path_dir(const struct sim_disk *d, const char *path, bool durable)
{
    struct inode *n = path_walk(d, path, durable, NULL, NULL);
    return n && n->is_dir ? n : NULL;
}

/* --- contents --- */

static void pages_reserve(struct sim_disk *d, struct inode *n, uint64_t size)
{
    size_t want = (size_t)((size + PAGE_BYTES - 1) / PAGE_BYTES);
    if (want <= n->page_count) return;
    if (want < 2 * n->page_count) want = 2 * n->page_count;
    n->pages = take(d, n->pages, want * sizeof n->pages[0]);
    memset(&n->pages[n->page_count], 0, (want - n->page_count) * sizeof n->pages[0]);
    n->page_count = want;
}

/* Remember the durable bytes of a sector that is about to change. */
static void sector_touch(struct sim_disk *d, struct inode *n, size_t page_index, unsigned sector)
{
    struct page *p = &n->pages[page_index];
    uint8_t bit = (uint8_t)(1u << sector);
    if (!((p->dirty | p->lost) & bit) && (p->now || p->old)) {
        if (!p->old) p->old = page_take(d);
        uint8_t *old = p->old + sector * DISK_SECTOR_BYTES;
        if (p->now)
            memcpy(old, p->now + sector * DISK_SECTOR_BYTES, DISK_SECTOR_BYTES);
        else
            memset(old, 0, DISK_SECTOR_BYTES);
    }
    p->dirty |= bit;
    p->lost &= (uint8_t)~bit;
    if (p->listed) return;
    p->listed = true;
    n->touched = grow(d, n->touched, n->touched_count, &n->touched_cap, sizeof n->touched[0]);
    n->touched[n->touched_count++] = (uint32_t)page_index;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Put bytes (NULL: zeros) into the visible image; the size is the caller's affair. */
static void contents_put(struct sim_disk *d, struct inode *n, uint64_t offset, const uint8_t *src,
                         size_t len)
{
    pages_reserve(d, n, offset + len);
    while (len > 0) {
        size_t page_index = (size_t)(offset / PAGE_BYTES), at = (size_t)(offset % PAGE_BYTES);
        size_t part = PAGE_BYTES - at < len ? PAGE_BYTES - at : len;
        struct page *p = &n->pages[page_index];
        for (size_t s = at / DISK_SECTOR_BYTES; s <= (at + part - 1) / DISK_SECTOR_BYTES; s++) {
            sector_touch(d, n, page_index, (unsigned)s);
        }
        if (!p->now && src && !all_zero(src, part)) p->now = page_take(d);
        if (p->now && src) memcpy(p->now + at, src, part);
        if (p->now && !src) memset(p->now + at, 0, part);
        if (src) src += part;
        offset += part;
        len -= part;
    }
}

/* Drop what was kept for pages without dirty and lost sectors, and blocks behind the end of the file.
 */
static void pages_settle(struct sim_disk *d, struct inode *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->touched_count; i++) {
        struct page *p = &n->pages[n->touched[i]];
        if (p->dirty | p->lost) {
            n->touched[kept++] = n->touched[i];
            continue;
        }
        p->listed = false;
        page_give(d, &p->old);
        if ((uint64_t)n->touched[i] * PAGE_BYTES < n->size || !p->allocated) continue;
        page_give(d, &p->now);
        p->allocated = false;
        d->allocated_pages--;
    }
    n->touched_count = kept;
}

static void contents_sync(struct sim_disk *d, struct inode *n)
{
    for (size_t i = 0; i < n->touched_count; i++) n->pages[n->touched[i]].dirty = 0;
    n->durable_size = n->size;
    pages_settle(d, n);
}

/* A sync that fails: what it should have written is called clean, and is not durable. */
static void contents_lose(struct inode *n)
{
    for (size_t i = 0; i < n->touched_count; i++) {
        struct page *p = &n->pages[n->touched[i]];
        p->lost |= p->dirty;
        p->dirty = 0;
    }
}

static void contents_resize(struct sim_disk *d, struct inode *n, uint64_t size)
{
    uint64_t end = (uint64_t)n->page_count * PAGE_BYTES;
    if (n->size < end) end = n->size;
    if (size < end) contents_put(d, n, size, NULL, (size_t)(end - size));
    n->size = size;
}

/* Bytes of one image, zeros behind its end; returns how many were there. */
static size_t contents_get(const struct inode *n, bool durable, uint64_t offset, uint8_t *dst,
                           size_t len)
{
    uint64_t size = durable ? n->durable_size : n->size;
    size_t there = offset >= size ? 0 : size - offset < len ? (size_t)(size - offset) : len;
    if (len) memset(dst, 0, len);
    for (size_t done = 0; done < there;) {
        uint64_t at = offset + done;
        size_t in_sector = (size_t)(at % DISK_SECTOR_BYTES), part = DISK_SECTOR_BYTES - in_sector;
        size_t in_page = (size_t)(at % PAGE_BYTES);
        if (part > there - done) part = there - done;
        if (at / PAGE_BYTES >= n->page_count) break;
        const struct page *p = &n->pages[at / PAGE_BYTES];
        uint8_t bit = (uint8_t)(1u << in_page / DISK_SECTOR_BYTES);
        const uint8_t *src = durable && (p->dirty | p->lost) & bit ? p->old : p->now;
        if (src) memcpy(dst + done, src + in_page, part);
        done += part;
    }
    return there;
}

/* Blocks for a write; overwriting never needs any. */
static int blocks_take(struct sim_disk *d, struct inode *n, uint64_t offset, size_t len)
{
    uint64_t first = offset / PAGE_BYTES, last = (offset + len - 1) / PAGE_BYTES, need = 0;
    pages_reserve(d, n, offset + len);
    for (uint64_t i = first; i <= last; i++) need += !n->pages[i].allocated;
    if (need && d->opts.capacity_bytes &&
        (d->allocated_pages + need) * PAGE_BYTES > d->opts.capacity_bytes) {
        return MS_ENOSPC;
    }
    for (uint64_t i = first; i <= last; i++) n->pages[i].allocated = true;
    d->allocated_pages += need;
    return 0;
}

/* --- operations --- */

static struct handle *handle_find(const struct sim_disk *d, disk_file file)
{
    for (size_t lo = 0, hi = d->handle_count; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->handles[mid].file == file) return &d->handles[mid];
        if (d->handles[mid].file < file) lo = mid + 1;
        if (d->handles[mid].file > file) hi = mid;
    }
    return NULL;
}

static int op_open(struct sim_disk *d, struct disk_op *op)
{
    struct inode *dir;
    char text[DISK_NAME_BYTES_MAX];
    struct inode *n = path_walk(d, op->path, false, &dir, text);
    op->file = DISK_FILE_NONE;
    if (n && n->is_dir) return MS_EINVAL;
    if (!n) {
        if (!op->create || !dir) return MS_ENOTFOUND;
        n = inode_create(d, false);
        dir_op_edit(d, dir_op_begin(d), dir, text, n, false);
    }
    d->handles = grow(d, d->handles, d->handle_count, &d->handle_cap, sizeof d->handles[0]);
    n->refs++;
    op->file = d->next_file++;
    d->handles[d->handle_count++] = (struct handle){ .file = op->file, .inode = n };
    op->size_bytes = n->size;
    return 0;
}

static int op_write(struct sim_disk *d, struct inode *n, struct disk_op *op)
{
    if (op->len > 0) {
        int rv = blocks_take(d, n, op->offset, op->len);
        if (rv < 0) return rv;
        contents_put(d, n, op->offset, op->buf, op->len);
        if (op->offset + op->len > n->size) n->size = op->offset + op->len;
    }
    op->done_bytes = op->len;
    if (op->sync) contents_sync(d, n);
    return 0;
}

static int op_on_handle(struct sim_disk *d, struct disk_op *op)
{
    struct handle *h = handle_find(d, op->file);
    if (!h) return MS_EINVAL;
    struct inode *n = h->inode;
    switch (op->kind) {
    case DISK_OP_CLOSE:
        d->handle_count--;
        memmove(h, h + 1, (size_t)(d->handles + d->handle_count - h) * sizeof *h);
        inode_drop(d, n);
        return 0;
    case DISK_OP_READ:
        op->done_bytes = contents_get(n, false, op->offset, op->buf, op->len);
        return op->done_bytes < op->len ? MS_ESHORT : 0;
    case DISK_OP_WRITE: return op_write(d, n, op);
    case DISK_OP_SYNC: contents_sync(d, n); return 0;
    default: contents_resize(d, n, op->offset); return 0;
    }
}

static int op_rename(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *from, *to;
    char from_text[DISK_NAME_BYTES_MAX], to_text[DISK_NAME_BYTES_MAX];
    struct inode *n = path_walk(d, op->path, false, &from, from_text);
    struct inode *there = path_walk(d, op->path2, false, &to, to_text);
    if (!n || !to) return MS_ENOTFOUND;
    if (!from) return MS_EINVAL; /* the root */
    if (there == n) return 0;
    if (there && (n->is_dir != there->is_dir || there->names.count > 0)) return MS_EEXIST;
    struct dir_op *o = dir_op_begin(d);
    dir_op_edit(d, o, to, to_text, n, false);
    dir_op_edit(d, o, from, from_text, n, true);
    return 0;
}

static int op_link(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *to;
    char to_text[DISK_NAME_BYTES_MAX];
    struct inode *n = path_walk(d, op->path, false, NULL, NULL);
    struct inode *there = path_walk(d, op->path2, false, &to, to_text);
    if (!n || !to) return MS_ENOTFOUND;
    if (n->is_dir) return MS_EINVAL;
    if (there) return MS_EEXIST;
    dir_op_edit(d, dir_op_begin(d), to, to_text, n, false);
    return 0;
}

static int op_remove(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *dir;
    char text[DISK_NAME_BYTES_MAX];
    struct inode *n = path_walk(d, op->path, false, &dir, text);
    if (!n) return MS_ENOTFOUND;
    if (!dir || n->is_dir != (op->kind == DISK_OP_REMOVE_DIR)) return MS_EINVAL;
    if (n->names.count > 0) return MS_EEXIST;
    dir_op_edit(d, dir_op_begin(d), dir, text, n, true);
    return 0;
}

static int op_mkdir(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *dir;
    char text[DISK_NAME_BYTES_MAX];
    if (path_walk(d, op->path, false, &dir, text)) return MS_EEXIST;
    if (!dir) return MS_ENOTFOUND;
    dir_op_edit(d, dir_op_begin(d), dir, text, inode_create(d, true), false);
    return 0;
}

static int op_sync_dir(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *dir = path_dir(d, op->path, false);
    if (!dir) return MS_ENOTFOUND;
    dir_sync(d, dir);
    return 0;
}

static int op_free_space(struct sim_disk *d, struct disk_op *op)
{
    uint64_t used = sim_disk_used_bytes(d), cap = d->opts.capacity_bytes;
    op->size_bytes = cap == 0 ? FREE_WHEN_UNBOUNDED : used < cap ? cap - used : 0;
    return 0;
}

static int op_run(struct sim_disk *d, struct disk_op *op)
{
    switch (op->kind) {
    case DISK_OP_OPEN: return op_open(d, op);
    case DISK_OP_CLOSE:
    case DISK_OP_READ:
    case DISK_OP_WRITE:
    case DISK_OP_SYNC:
    case DISK_OP_TRUNCATE: return op_on_handle(d, op);
    case DISK_OP_RENAME: return op_rename(d, op);
    case DISK_OP_LINK: return op_link(d, op);
    case DISK_OP_REMOVE:
    case DISK_OP_REMOVE_DIR: return op_remove(d, op);
    case DISK_OP_MKDIR: return op_mkdir(d, op);
    case DISK_OP_SYNC_DIR: return op_sync_dir(d, op);
    case DISK_OP_FREE_SPACE: return op_free_space(d, op);
    }
    return MS_EINVAL;
}

/* A write with a sync may fail in the sync: then what was written is seen, and is not durable. */
static void op_fail(struct sim_disk *d, struct disk_op *op, int status)
{
    struct handle *h = handle_find(d, op->file);
    op->status = status;
    if (op->kind == DISK_OP_OPEN) op->file = DISK_FILE_NONE;
    if (!h || status == MS_ENOSPC) return;
    if (op->kind == DISK_OP_WRITE && op->sync) {
        op->sync = false;
        (void)op_write(d, h->inode, op);
        op->sync = true;
        op->done_bytes = 0;
    }
    if (op->kind == DISK_OP_SYNC || (op->kind == DISK_OP_WRITE && op->sync)) contents_lose(h->inode);
}

void sim_disk_perform(struct sim_disk *d, struct disk_op *op)
{
    int status = d->fault ? d->fault(d->fault_ctx, op) : 0;
    op->done_bytes = 0;
    op->size_bytes = 0;
    if (status < 0)
        op_fail(d, op, status);
    else
        op->status = op_run(d, op);
}

/* --- the face --- */

static void face_submit(struct disk *face, struct disk_op *op)
{
    struct sim_disk *d = (struct sim_disk *)face;
    MS_ASSERT(d->opts.submitted != NULL);
    d->opts.submitted(d->opts.ctx, op);
}

static int face_call(struct disk *face, struct disk_op *op)
{
    sim_disk_perform((struct sim_disk *)face, op);
    return op->status;
}

static int image_list(struct sim_disk *d, const char *path, bool durable,
                      int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                      void *arg)
{
    struct inode *dir = path_dir(d, path, durable);
    char text[DISK_NAME_BYTES_MAX] = "";
    if (!dir) return MS_ENOTFOUND;
    for (;;) { /* looked up anew each time: cb may change the directory */
        const struct names *names = durable ? &dir->durable_names : &dir->names;
        bool found;
        size_t i = names_find(names, text, &found);
        i += found;
        if (i >= names->count) return 0;
        const struct inode *n = names->at[i].inode;
        memcpy(text, names->at[i].text, sizeof text);
        int rv = cb(arg, text, n->is_dir, durable ? n->durable_size : n->size);
        if (rv != 0) return rv;
    }
}

static int face_list(struct disk *face, const char *path,
                     int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                     void *arg)
{
    return image_list((struct sim_disk *)face, path, false, cb, arg);
}

static int face_lock(struct disk *face, const char *path)
{
    struct sim_disk *d = (struct sim_disk *)face;
    struct inode *dir = path_dir(d, path, false);
    if (!dir) return MS_ENOTFOUND;
    for (size_t i = 0; i < d->locked_count; i++) {
        if (d->locked[i] == dir) return MS_ELOCKED;
    }
    d->locked = grow(d, d->locked, d->locked_count, &d->locked_cap, sizeof(struct inode *));
    d->locked[d->locked_count++] = dir;
    dir->refs++;
    return 0;
}

static const struct disk_ops face_ops = {
    .submit = face_submit,
    .call = face_call,
    .list = face_list,
    .lock = face_lock,
};

/* --- crashes --- */

/* How likely each thing that was not synced survives, in eighths; drawn once a crash, so that "all of
 * it" and "nothing of it" are common. */
static unsigned crash_odds(struct ms_rand *rand)
{
    static const unsigned odds[] = { 0, 1, 4, 7, 8 };
    return rand ? odds[ms_rand_below(rand, 5)] : 0;
}

static bool survives(struct ms_rand *rand, unsigned odds)
{
    return rand && ms_rand_below(rand, 8) < odds;
}

/* The op that was under way: the sectors it got to are as if written; a name changes or does not. */
static void crash_torn(struct sim_disk *d, struct ms_rand *rand, struct disk_op *op)
{
    struct handle *h = handle_find(d, op->file);
    if (op->kind == DISK_OP_CLOSE || op->kind == DISK_OP_READ) return;
    if (op->kind == DISK_OP_SYNC || op->kind == DISK_OP_SYNC_DIR) return; /* the drawing does it */
    if (op->kind != DISK_OP_WRITE) {
        if (survives(rand, 4)) op_run(d, op);
        return;
    }
    if (!h || op->len == 0) return;
    unsigned odds = crash_odds(rand);
    for (size_t at = 0, part; at < op->len; at += part) {
        struct disk_op piece = { .kind = DISK_OP_WRITE, .offset = op->offset + at };
        part = DISK_SECTOR_BYTES - (size_t)(piece.offset % DISK_SECTOR_BYTES);
        if (part > op->len - at) part = op->len - at;
        piece.buf = (uint8_t *)op->buf + at;
        piece.len = part;
        if (survives(rand, odds)) (void)op_write(d, h->inode, &piece);
    }
}

static bool crash_page(struct page *p, struct ms_rand *rand, unsigned odds)
{
    bool gone = false;
    for (unsigned s = 0; s < SECTORS_PER_PAGE; s++) {
        uint8_t *now = p->now ? p->now + s * DISK_SECTOR_BYTES : NULL;
        if (!((p->dirty | p->lost) >> s & 1) || survives(rand, odds)) continue;
        if (!now && !p->old) continue; /* zeros over zeros */
        gone = true;
        MS_ASSERT(now != NULL);
        if (p->old)
            memcpy(now, p->old + s * DISK_SECTOR_BYTES, DISK_SECTOR_BYTES);
        else
            memset(now, 0, DISK_SECTOR_BYTES);
    }
    p->dirty = p->lost = 0;
    return gone;
}

/* The size survives, or does not, or in part if the file has grown. What a cut took away follows it. */
static uint64_t crash_size(const struct inode *n, struct ms_rand *rand, unsigned odds)
{
    if (n->size == n->durable_size || survives(rand, odds)) return n->size;
    if (n->size < n->durable_size || !survives(rand, 4)) return n->durable_size;
    return ms_rand_between(rand, n->durable_size, n->size);
}

static bool crash_file(struct sim_disk *d, struct inode *n, struct ms_rand *rand, unsigned odds)
{
    uint64_t size = crash_size(n, rand, odds), end = n->size > size ? n->size : n->durable_size;
    bool gone = size != n->size;
    for (size_t i = 0; i < n->touched_count; i++) {
        struct page *p = &n->pages[n->touched[i]];
        bool was_cut = (uint64_t)n->touched[i] * PAGE_BYTES >= n->size;
        if (was_cut && size == n->size) p->dirty = p->lost = 0;
        if (p->old && !p->now) p->now = page_take(d);
        gone |= crash_page(p, rand, was_cut ? 0 : odds);
    }
    n->size = end > size ? end : size;
    contents_resize(d, n, size);
    contents_sync(d, n);
    return gone;
}

/* The visible names become the durable ones. */
static void crash_names(struct sim_disk *d, struct inode *dir)
{
    const struct names *from = &dir->durable_names;
    for (size_t i = 0; i < from->count; i++) from->at[i].inode->refs++;
    names_clear(d, &dir->names);
    if (dir->names.cap < from->count) {
        dir->names.at = take(d, dir->names.at, from->count * sizeof from->at[0]);
        dir->names.cap = from->count;
    }
    if (from->count) memcpy(dir->names.at, from->at, from->count * sizeof from->at[0]);
    dir->names.count = from->count;
}

/* What a dead process held. */
static void release_process(struct sim_disk *d)
{
    for (size_t i = 0; i < d->handle_count; i++) inode_drop(d, d->handles[i].inode);
    for (size_t i = 0; i < d->locked_count; i++) inode_drop(d, d->locked[i]);
    d->handle_count = d->locked_count = 0;
}

bool sim_disk_crash(struct sim_disk *d, bool power, struct ms_rand *rand, struct disk_op *torn)
{
    bool gone = false;
    if (torn) crash_torn(d, rand, torn);
    release_process(d);
    if (!power) return false;
    unsigned odds = crash_odds(rand);
    while (d->ops_first) {
        bool keep = survives(rand, odds);
        gone |= !keep;
        dir_op_end(d, d->ops_first, keep);
    }
    for (struct inode *n = d->inodes; n; n = n->next) n->refs++; /* none goes away during the walk */
    for (struct inode *n = d->inodes; n; n = n->next) {
        if (n->is_dir)
            crash_names(d, n);
        else
            gone |= crash_file(d, n, rand, odds);
    }
    for (struct inode *n = d->inodes, *next; n; n = next) {
        next = n->next; /* still held */
        inode_drop(d, n);
    }
    return gone;
}

/* --- for the simulator --- */

int64_t sim_disk_durable_read(struct sim_disk *d, const char *path, uint64_t offset, void *dst,
                              size_t len)
{
    const struct inode *n = path_walk(d, path, true, NULL, NULL);
    if (!n || n->is_dir) return MS_ENOTFOUND;
    return (int64_t)contents_get(n, true, offset, dst, len);
}

int sim_disk_durable_list(struct sim_disk *d, const char *path,
                          int (*cb)(void *arg, const char *name, bool is_dir, uint64_t size_bytes),
                          void *arg)
{
    return image_list(d, path, true, cb, arg);
}

void sim_disk_set_fault(struct sim_disk *d, int (*fault)(void *ctx, const struct disk_op *op),
                        void *ctx)
{
    d->fault = fault;
    d->fault_ctx = ctx;
}

int sim_disk_rot(struct sim_disk *d, const char *path, uint64_t offset, struct ms_rand *rand)
{
    struct inode *n = path_walk(d, path, false, NULL, NULL);
    if (!n || n->is_dir) return MS_ENOTFOUND;
    if (offset >= n->size) return MS_EINVAL;
    uint64_t start = offset / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
    uint64_t span = n->size - start < DISK_SECTOR_BYTES ? n->size - start : DISK_SECTOR_BYTES;
    pages_reserve(d, n, n->size);
    struct page *p = &n->pages[start / PAGE_BYTES];
    uint64_t base = start % PAGE_BYTES;
    if (!p->now) p->now = page_take(d);
    if (!p->old && (p->dirty | p->lost)) p->old = page_take(d);
    for (uint64_t flips = 1 + ms_rand_below(rand, 3); flips > 0; flips--) {
        uint64_t at = base + ms_rand_below(rand, span);
        uint8_t bit = (uint8_t)(1u << ms_rand_below(rand, 8));
        p->now[at] ^= bit;
        if (p->old) p->old[at] ^= bit;
    }
    return 0;
}

void sim_disk_wipe(struct sim_disk *d)
{
    release_process(d);
    while (d->ops_first) dir_op_end(d, d->ops_first, false);
    names_clear(d, &d->root->names);
    names_clear(d, &d->root->durable_names);
}

void sim_disk_set_capacity(struct sim_disk *d, uint64_t capacity_bytes)
{
    d->opts.capacity_bytes = capacity_bytes;
}

uint64_t sim_disk_used_bytes(const struct sim_disk *d)
{
    return d->allocated_pages * PAGE_BYTES;
}

uint32_t sim_disk_open_files(const struct sim_disk *d)
{
    return (uint32_t)d->handle_count;
}

struct sim_disk *sim_disk_create(const struct sim_disk_opts *opts, const struct ms_alloc *alloc)
{
    struct sim_disk *d = ms_alloc_zeroed(alloc, sizeof *d);
    if (!d) return NULL;
    d->face.ops = &face_ops;
    d->opts = *opts;
    d->alloc = alloc;
    d->root = inode_create(d, true);
    d->root->refs = 1;
    d->next_file = 1;
    return d;
}

void sim_disk_destroy(struct sim_disk *d)
{
    if (!d) return;
    sim_disk_wipe(d);
    while (d->inodes) inode_free(d, d->inodes); /* also directories moved into each other */
    while (d->free_pages) {
        uint8_t *p = d->free_pages;
        memcpy(&d->free_pages, p, sizeof d->free_pages);
        ms_free(d->alloc, p);
    }
    ms_free(d->alloc, d->handles);
    ms_free(d->alloc, d->locked);
    ms_free(d->alloc, d);
}

struct disk *sim_disk_face(struct sim_disk *d)
{
    return &d->face;
}
