/* sim_disk_contents.c: what stands in files, in both images (S1, S2), and the pages it stands in. */
#include "sim/sim_disk_private.h"

/* --- memory --- */

void *sim_disk_take(struct sim_disk *d, void *old, size_t len)
{
    void *p = ms_resize(d->alloc, old, len);
    MS_ASSERT(p != NULL);
    return p;
}

/* Make room for one more element of an array. */
void *sim_disk_grow(struct sim_disk *d, void *array, size_t count, size_t *cap, size_t element_bytes)
{
    if (count < *cap) return array;
    *cap = *cap ? 2 * *cap : 8;
    return sim_disk_take(d, array, *cap * element_bytes);
}

uint8_t *sim_disk_page_take(struct sim_disk *d)
{
    uint8_t *p = d->free_pages;
    if (p)
        memcpy(&d->free_pages, p, sizeof d->free_pages);
    else
        p = sim_disk_take(d, NULL, PAGE_BYTES);
    memset(p, 0, PAGE_BYTES);
    return p;
}

void sim_disk_page_give(struct sim_disk *d, uint8_t **page)
{
    if (!*page) return;
    memcpy(*page, &d->free_pages, sizeof d->free_pages);
    d->free_pages = *page;
    *page = NULL;
}

/* --- contents --- */

void sim_disk_pages_reserve(struct sim_disk *d, struct inode *n, uint64_t size)
{
    size_t want = (size_t)((size + PAGE_BYTES - 1) / PAGE_BYTES);
    if (want <= n->page_count) return;
    if (want < 2 * n->page_count) want = 2 * n->page_count;
    n->pages = sim_disk_take(d, n->pages, want * sizeof n->pages[0]);
    memset(&n->pages[n->page_count], 0, (want - n->page_count) * sizeof n->pages[0]);
    n->page_count = want;
}

/* Remember the durable bytes of a sector that is about to change. */
static void sector_touch(struct sim_disk *d, struct inode *n, size_t page_index, unsigned sector)
{
    struct page *p = &n->pages[page_index];
    uint8_t bit = (uint8_t)(1u << sector);
    if (!((p->dirty | p->lost) & bit) && (p->now || p->old)) {
        if (!p->old) p->old = sim_disk_page_take(d);
        uint8_t *old = p->old + sector * DISK_SECTOR_BYTES;
        if (p->now)
            memcpy(old, p->now + sector * DISK_SECTOR_BYTES, DISK_SECTOR_BYTES);
        else
            memset(old, 0, DISK_SECTOR_BYTES);
    }
    p->dirty |= bit;
    p->lost &= (uint8_t)~bit;
    p->spoiled &= (uint8_t)~bit;
    if (p->listed) return;
    p->listed = true;
    n->touched = sim_disk_grow(d, n->touched, n->touched_count, &n->touched_cap, sizeof n->touched[0]);
    n->touched[n->touched_count++] = (uint32_t)page_index;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Put bytes (NULL: zeros) into the visible image; the size is the caller's affair. */
void sim_disk_contents_put(struct sim_disk *d, struct inode *n, uint64_t offset, const uint8_t *src,
                           size_t len)
{
    sim_disk_pages_reserve(d, n, offset + len);
    while (len > 0) {
        size_t page_index = (size_t)(offset / PAGE_BYTES), at = (size_t)(offset % PAGE_BYTES);
        size_t part = PAGE_BYTES - at < len ? PAGE_BYTES - at : len;
        struct page *p = &n->pages[page_index];
        for (size_t s = at / DISK_SECTOR_BYTES; s <= (at + part - 1) / DISK_SECTOR_BYTES; s++) {
            sector_touch(d, n, page_index, (unsigned)s);
        }
        if (!p->now && src && !all_zero(src, part)) p->now = sim_disk_page_take(d);
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
        sim_disk_page_give(d, &p->old);
        if ((uint64_t)n->touched[i] * PAGE_BYTES < n->size || !p->allocated) continue;
        sim_disk_page_give(d, &p->now);
        p->allocated = false;
        d->allocated_pages--;
    }
    n->touched_count = kept;
}

void sim_disk_contents_sync(struct sim_disk *d, struct inode *n)
{
    for (size_t i = 0; i < n->touched_count; i++) n->pages[n->touched[i]].dirty = 0;
    n->durable_size = n->size;
    pages_settle(d, n);
}

/* A sync that fails: what it should have written is called clean, and is not durable. */
void sim_disk_contents_lose(struct inode *n)
{
    for (size_t i = 0; i < n->touched_count; i++) {
        struct page *p = &n->pages[n->touched[i]];
        p->lost |= p->dirty;
        p->dirty = 0;
    }
}

bool sim_disk_contents_spoiled(const struct inode *n, uint64_t offset, size_t len)
{
    uint64_t end = offset + len < n->size ? offset + len : n->size;
    for (uint64_t at = offset; at < end; at = (at / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES) {
        if (at / PAGE_BYTES >= n->page_count) return false;
        if (n->pages[at / PAGE_BYTES].spoiled >> at % PAGE_BYTES / DISK_SECTOR_BYTES & 1) return true;
    }
    return false;
}

void sim_disk_contents_resize(struct sim_disk *d, struct inode *n, uint64_t size)
{
    uint64_t end = (uint64_t)n->page_count * PAGE_BYTES;
    if (n->size < end) end = n->size;
    if (size < end) sim_disk_contents_put(d, n, size, NULL, (size_t)(end - size));
    n->size = size;
}

/* Bytes of one image, zeros behind its end; returns how many were there. */
size_t sim_disk_contents_get(const struct inode *n, bool durable, uint64_t offset, uint8_t *dst,
                             size_t len)
{
    uint64_t size = durable ? n->durable_size : n->size;
    size_t there = offset >= size ? 0 : size - offset < len ? (size_t)(size - offset) : len;
    size_t done = 0;
    while (done < there && (offset + done) / PAGE_BYTES < n->page_count) {
        uint64_t at = offset + done;
        const struct page *p = &n->pages[at / PAGE_BYTES];
        size_t in_page = (size_t)(at % PAGE_BYTES);
        bool by_sector = durable && (p->dirty | p->lost);
        size_t unit = by_sector ? DISK_SECTOR_BYTES : PAGE_BYTES, part = unit - in_page % unit;
        if (part > there - done) part = there - done;
        uint8_t bit = (uint8_t)(1u << in_page / DISK_SECTOR_BYTES);
        const uint8_t *src = by_sector && (p->dirty | p->lost) & bit ? p->old : p->now;
        if (src)
            memcpy(dst + done, src + in_page, part);
        else
            memset(dst + done, 0, part);
        done += part;
    }
    if (done < len) memset(dst + done, 0, len - done);
    return there;
}

/* Blocks for a write; overwriting never needs any. */
int sim_disk_blocks_take(struct sim_disk *d, struct inode *n, uint64_t offset, size_t len)
{
    uint64_t first = offset / PAGE_BYTES, last = (offset + len - 1) / PAGE_BYTES, need = 0;
    sim_disk_pages_reserve(d, n, offset + len);
    for (uint64_t i = first; i <= last; i++) need += !n->pages[i].allocated;
    if (need && d->opts.capacity_bytes &&
        (d->allocated_pages + need) * PAGE_BYTES > d->opts.capacity_bytes) {
        return MS_ENOSPC;
    }
    for (uint64_t i = first; i <= last; i++) n->pages[i].allocated = true;
    d->allocated_pages += need;
    return 0;
}
