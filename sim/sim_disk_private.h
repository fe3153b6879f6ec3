/* sim_disk_private.h: the inside of the simulated disk.
 *   sim_disk.c           operations, the face, what the simulator does to it
 *   sim_disk_names.c     directories      sim_disk_contents.c  files      sim_disk_crash.c  power loss */
#ifndef SIM_SIM_DISK_PRIVATE_H
#define SIM_SIM_DISK_PRIVATE_H

#include "sim/sim_disk.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#include <string.h>

#define PAGE_BYTES 4096u
#define SECTORS_PER_PAGE (PAGE_BYTES / DISK_SECTOR_BYTES)

struct page {
    uint8_t *now;        /* what a process sees; NULL: zeros */
    uint8_t *old;        /* durable bytes of sectors in dirty or lost; NULL: zeros */
    uint8_t dirty, lost; /* a bit a sector */
    uint8_t spoiled;     /* likewise: cannot be read */
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
    int crash_odds; /* in eighths; SIM_DISK_ODDS_DRAWN */
    int (*fault)(void *ctx, const struct disk_op *op);
    void *fault_ctx;
};

/* --- sim_disk_contents.c --- */
void *sim_disk_take(struct sim_disk *d, void *old, size_t len);
void *sim_disk_grow(struct sim_disk *d, void *array, size_t count, size_t *cap, size_t element_bytes);
uint8_t *sim_disk_page_take(struct sim_disk *d);
void sim_disk_page_give(struct sim_disk *d, uint8_t **page);
void sim_disk_pages_reserve(struct sim_disk *d, struct inode *n, uint64_t size);
void sim_disk_contents_put(struct sim_disk *d, struct inode *n, uint64_t offset, const uint8_t *src,
                           size_t len);
void sim_disk_contents_sync(struct sim_disk *d, struct inode *n);
void sim_disk_contents_lose(struct inode *n);
bool sim_disk_contents_spoiled(const struct inode *n, uint64_t offset, size_t len);
void sim_disk_contents_resize(struct sim_disk *d, struct inode *n, uint64_t size);
size_t sim_disk_contents_get(const struct inode *n, bool durable, uint64_t offset, uint8_t *dst,
                             size_t len);
int sim_disk_blocks_take(struct sim_disk *d, struct inode *n, uint64_t offset, size_t len);

/* --- sim_disk_names.c --- */
struct inode *sim_disk_inode_create(struct sim_disk *d, bool is_dir);
void sim_disk_inode_drop(struct sim_disk *d, struct inode *n);
void sim_disk_inode_free(struct sim_disk *d, struct inode *n);
void sim_disk_names_clear(struct sim_disk *d, struct names *names);
size_t sim_disk_names_find(const struct names *names, const char *text, bool *found);
struct dir_op *sim_disk_dir_op_begin(struct sim_disk *d);
void sim_disk_dir_op_edit(struct sim_disk *d, struct dir_op *o, struct inode *dir, const char *text,
                          struct inode *inode, bool gone);
void sim_disk_dir_op_end(struct sim_disk *d, struct dir_op *o, bool durable);
void sim_disk_dir_sync(struct sim_disk *d, struct inode *dir);
struct inode *sim_disk_path_walk(const struct sim_disk *d, const char *path, bool durable,
                                 struct inode **parent, char *last);
struct inode *sim_disk_path_dir(const struct sim_disk *d, const char *path, bool durable);

/* --- sim_disk.c --- */
struct handle *sim_disk_handle_find(const struct sim_disk *d, disk_file file);
int sim_disk_op_run(struct sim_disk *d, struct disk_op *op);
int sim_disk_op_write(struct sim_disk *d, struct inode *n, struct disk_op *op);

/* --- sim_disk_crash.c --- */
void sim_disk_release_process(struct sim_disk *d);

#endif
