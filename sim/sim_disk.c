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
#include "sim/sim_disk_private.h"

#define FREE_WHEN_UNBOUNDED (UINT64_C(1) << 50)

/* --- operations --- */

struct handle *sim_disk_handle_find(const struct sim_disk *d, disk_file file)
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
    struct inode *n = sim_disk_path_walk(d, op->path, false, &dir, text);
    op->file = DISK_FILE_NONE;
    if (n && n->is_dir) return MS_EINVAL;
    if (!n) {
        if (!op->create || !dir) return MS_ENOTFOUND;
        n = sim_disk_inode_create(d, false);
        sim_disk_dir_op_edit(d, sim_disk_dir_op_begin(d), dir, text, n, false);
    }
    d->handles = sim_disk_grow(d, d->handles, d->handle_count, &d->handle_cap, sizeof d->handles[0]);
    n->refs++;
    op->file = d->next_file++;
    d->handles[d->handle_count++] = (struct handle){ .file = op->file, .inode = n };
    op->size_bytes = n->size;
    return 0;
}

int sim_disk_op_write(struct sim_disk *d, struct inode *n, struct disk_op *op)
{
    if (op->len > 0) {
        int rv = sim_disk_blocks_take(d, n, op->offset, op->len);
        if (rv < 0) return rv;
        sim_disk_contents_put(d, n, op->offset, op->buf, op->len);
        if (op->offset + op->len > n->size) n->size = op->offset + op->len;
    }
    op->done_bytes = op->len;
    if (op->sync) sim_disk_contents_sync(d, n);
    return 0;
}

static int op_on_handle(struct sim_disk *d, struct disk_op *op)
{
    struct handle *h = sim_disk_handle_find(d, op->file);
    if (!h) return MS_EINVAL;
    struct inode *n = h->inode;
    switch (op->kind) {
    case DISK_OP_CLOSE:
        d->handle_count--;
        memmove(h, h + 1, (size_t)(d->handles + d->handle_count - h) * sizeof *h);
        sim_disk_inode_drop(d, n);
        return 0;
    case DISK_OP_READ:
        if (sim_disk_contents_spoiled(n, op->offset, op->len)) return MS_EIO;
        op->done_bytes = sim_disk_contents_get(n, false, op->offset, op->buf, op->len);
        return op->done_bytes < op->len ? MS_ESHORT : 0;
    case DISK_OP_WRITE: return sim_disk_op_write(d, n, op);
    case DISK_OP_SYNC: sim_disk_contents_sync(d, n); return 0;
    default: sim_disk_contents_resize(d, n, op->offset); return 0;
    }
}

static int op_rename(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *from, *to;
    char from_text[DISK_NAME_BYTES_MAX], to_text[DISK_NAME_BYTES_MAX];
    struct inode *n = sim_disk_path_walk(d, op->path, false, &from, from_text);
    struct inode *there = sim_disk_path_walk(d, op->path2, false, &to, to_text);
    if (!n || !to) return MS_ENOTFOUND;
    if (!from) return MS_EINVAL; /* the root */
    if (there == n) return 0;
    if (there && (n->is_dir != there->is_dir || there->names.count > 0)) return MS_EEXIST;
    struct dir_op *o = sim_disk_dir_op_begin(d);
    sim_disk_dir_op_edit(d, o, to, to_text, n, false);
    sim_disk_dir_op_edit(d, o, from, from_text, n, true);
    return 0;
}

static int op_link(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *to;
    char to_text[DISK_NAME_BYTES_MAX];
    struct inode *n = sim_disk_path_walk(d, op->path, false, NULL, NULL);
    struct inode *there = sim_disk_path_walk(d, op->path2, false, &to, to_text);
    if (!n || !to) return MS_ENOTFOUND;
    if (n->is_dir) return MS_EINVAL;
    if (there) return MS_EEXIST;
    sim_disk_dir_op_edit(d, sim_disk_dir_op_begin(d), to, to_text, n, false);
    return 0;
}

static int op_remove(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *dir;
    char text[DISK_NAME_BYTES_MAX];
    struct inode *n = sim_disk_path_walk(d, op->path, false, &dir, text);
    if (!n) return MS_ENOTFOUND;
    if (!dir || n->is_dir != (op->kind == DISK_OP_REMOVE_DIR)) return MS_EINVAL;
    if (n->names.count > 0) return MS_EEXIST;
    sim_disk_dir_op_edit(d, sim_disk_dir_op_begin(d), dir, text, n, true);
    return 0;
}

static int op_mkdir(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *dir;
    char text[DISK_NAME_BYTES_MAX];
    if (sim_disk_path_walk(d, op->path, false, &dir, text)) return MS_EEXIST;
    if (!dir) return MS_ENOTFOUND;
    sim_disk_dir_op_edit(d, sim_disk_dir_op_begin(d), dir, text, sim_disk_inode_create(d, true), false);
    return 0;
}

static int op_sync_dir(struct sim_disk *d, const struct disk_op *op)
{
    struct inode *dir = sim_disk_path_dir(d, op->path, false);
    if (!dir) return MS_ENOTFOUND;
    sim_disk_dir_sync(d, dir);
    return 0;
}

static int op_free_space(struct sim_disk *d, struct disk_op *op)
{
    uint64_t used = sim_disk_used_bytes(d), cap = d->opts.capacity_bytes;
    op->size_bytes = cap == 0 ? FREE_WHEN_UNBOUNDED : used < cap ? cap - used : 0;
    op->total_bytes = cap == 0 ? FREE_WHEN_UNBOUNDED : cap;
    return 0;
}

int sim_disk_op_run(struct sim_disk *d, struct disk_op *op)
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
    struct handle *h = sim_disk_handle_find(d, op->file);
    op->status = status;
    if (op->kind == DISK_OP_OPEN) op->file = DISK_FILE_NONE;
    if (!h || status == MS_ENOSPC) return;
    if (op->kind == DISK_OP_WRITE && op->sync) {
        op->sync = false;
        (void)sim_disk_op_write(d, h->inode, op);
        op->sync = true;
        op->done_bytes = 0;
    }
    if (op->kind == DISK_OP_SYNC || (op->kind == DISK_OP_WRITE && op->sync))
        sim_disk_contents_lose(h->inode);
}

void sim_disk_perform(struct sim_disk *d, struct disk_op *op)
{
    int status = d->fault ? d->fault(d->fault_ctx, op) : 0;
    op->done_bytes = 0;
    op->size_bytes = 0;
    if (status < 0)
        op_fail(d, op, status);
    else
        op->status = sim_disk_op_run(d, op);
}

/* The first part of a read or write, and no more. */
static void op_part(struct sim_disk *d, struct disk_op *op, size_t part_bytes)
{
    struct disk_op part = *op;
    MS_ASSERT(part_bytes <= op->len);
    part.sync = false;
    part.len = part_bytes;
    op->status = sim_disk_op_run(d, &part);
    op->done_bytes = part.done_bytes;
}

void sim_disk_perform_as(struct sim_disk *d, struct disk_op *op, enum sim_disk_how how,
                         size_t part_bytes)
{
    bool moves = op->kind == DISK_OP_WRITE || op->kind == DISK_OP_READ;
    bool in_part = moves && (how == SIM_DISK_PART_FAILS || how == SIM_DISK_SHORT);
    bool lies = how == SIM_DISK_LIES && op->kind == DISK_OP_WRITE && op->sync;
    op->done_bytes = 0;
    op->size_bytes = 0;
    if (in_part) {
        op_part(d, op, part_bytes);
        if (how == SIM_DISK_PART_FAILS) op->status = MS_EIO;
    } else if (lies) {
        struct handle *h = sim_disk_handle_find(d, op->file);
        op_part(d, op, op->len);
        if (h) sim_disk_contents_lose(h->inode);
    } else if (how == SIM_DISK_SYNC_FAILS) {
        op_fail(d, op, MS_EIO);
    } else if (how == SIM_DISK_FAILS) {
        op->status = MS_EIO;
        if (op->kind == DISK_OP_OPEN) op->file = DISK_FILE_NONE;
    } else {
        sim_disk_perform(d, op);
    }
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
    struct inode *dir = sim_disk_path_dir(d, path, durable);
    char text[DISK_NAME_BYTES_MAX] = "";
    if (!dir) return MS_ENOTFOUND;
    for (;;) { /* looked up anew each time: cb may change the directory */
        const struct names *names = durable ? &dir->durable_names : &dir->names;
        bool found;
        size_t i = sim_disk_names_find(names, text, &found);
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
    struct inode *dir = sim_disk_path_dir(d, path, false);
    if (!dir) return MS_ENOTFOUND;
    for (size_t i = 0; i < d->locked_count; i++) {
        if (d->locked[i] == dir) return MS_ELOCKED;
    }
    d->locked = sim_disk_grow(d, d->locked, d->locked_count, &d->locked_cap, sizeof(struct inode *));
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

/* --- for the simulator --- */

int64_t sim_disk_durable_read(struct sim_disk *d, const char *path, uint64_t offset, void *dst,
                              size_t len)
{
    const struct inode *n = sim_disk_path_walk(d, path, true, NULL, NULL);
    if (!n || n->is_dir) return MS_ENOTFOUND;
    return (int64_t)sim_disk_contents_get(n, true, offset, dst, len);
}

int64_t sim_disk_visible_read(struct sim_disk *d, const char *path, uint64_t offset, void *dst,
                              size_t len)
{
    const struct inode *n = sim_disk_path_walk(d, path, false, NULL, NULL);
    if (!n || n->is_dir) return MS_ENOTFOUND;
    return (int64_t)sim_disk_contents_get(n, false, offset, dst, len);
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
    struct inode *n = sim_disk_path_walk(d, path, false, NULL, NULL);
    if (!n || n->is_dir) return MS_ENOTFOUND;
    if (offset >= n->size) return MS_EINVAL;
    uint64_t start = offset / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
    uint64_t span = n->size - start < DISK_SECTOR_BYTES ? n->size - start : DISK_SECTOR_BYTES;
    sim_disk_pages_reserve(d, n, n->size);
    struct page *p = &n->pages[start / PAGE_BYTES];
    uint64_t base = start % PAGE_BYTES;
    if (!p->now) p->now = sim_disk_page_take(d);
    if (!p->old && (p->dirty | p->lost)) p->old = sim_disk_page_take(d);
    uint64_t first_at = UINT64_MAX;
    uint8_t first_bit = 0;
    for (uint64_t flips = 1 + ms_rand_below(rand, 3); flips > 0; flips--) {
        uint64_t at = base + ms_rand_below(rand, span);
        uint8_t bit = (uint8_t)(1u << ms_rand_below(rand, 8));
        if (at == first_at && bit == first_bit) continue; /* it would be whole again (seed 50348) */
        if (first_at == UINT64_MAX) {
            first_at = at;
            first_bit = bit;
        }
        p->now[at] ^= bit;
        if (p->old) p->old[at] ^= bit;
    }
    return 0;
}

int sim_disk_spoil(struct sim_disk *d, const char *path, uint64_t offset)
{
    struct inode *n = sim_disk_path_walk(d, path, false, NULL, NULL);
    if (!n || n->is_dir) return MS_ENOTFOUND;
    if (offset >= n->size) return MS_EINVAL;
    sim_disk_pages_reserve(d, n, n->size);
    n->pages[offset / PAGE_BYTES].spoiled |= (uint8_t)(1u << offset % PAGE_BYTES / DISK_SECTOR_BYTES);
    return 0;
}

void sim_disk_keep_lost(struct sim_disk *d)
{
    for (struct inode *n = d->inodes; n; n = n->next) {
        for (size_t i = 0; i < n->touched_count; i++) n->pages[n->touched[i]].lost = 0;
    }
}

void sim_disk_set_crash_odds(struct sim_disk *d, int eighths)
{
    d->crash_odds = eighths;
}

void sim_disk_wipe(struct sim_disk *d)
{
    sim_disk_release_process(d);
    while (d->ops_first) sim_disk_dir_op_end(d, d->ops_first, false);
    sim_disk_names_clear(d, &d->root->names);
    sim_disk_names_clear(d, &d->root->durable_names);
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
    d->root = sim_disk_inode_create(d, true);
    d->root->refs = 1;
    d->next_file = 1;
    d->crash_odds = SIM_DISK_ODDS_DRAWN;
    return d;
}

void sim_disk_destroy(struct sim_disk *d)
{
    if (!d) return;
    sim_disk_wipe(d);
    while (d->inodes) sim_disk_inode_free(d, d->inodes); /* also directories moved into each other */
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

bool sim_disk_changes(const struct disk_op *op)
{
    switch (op->kind) {
    case DISK_OP_OPEN: return op->create;
    case DISK_OP_CLOSE:
    case DISK_OP_READ:
    case DISK_OP_FREE_SPACE: return false;
    default: return true;
    }
}
