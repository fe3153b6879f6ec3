/* sim_disk_crash.c: what is left of everything that was not synced when power goes. */
#include "sim/sim_disk_private.h"

/* How likely each thing that was not synced survives, in eighths; drawn once a crash, so that "all of
 * it" and "nothing of it" are common. */
static unsigned crash_odds(const struct sim_disk *d, struct ms_rand *rand)
{
    static const unsigned odds[] = { 0, 1, 4, 7, 8 };
    if (d->crash_odds != SIM_DISK_ODDS_DRAWN) return (unsigned)d->crash_odds;
    return rand ? odds[ms_rand_below(rand, 5)] : 0;
}

static bool survives(struct ms_rand *rand, unsigned odds)
{
    return rand && ms_rand_below(rand, 8) < odds;
}

/* The op that was under way: the sectors it got to are as if written; a name changes or does not. */
static void crash_torn(struct sim_disk *d, struct ms_rand *rand, struct disk_op *op)
{
    struct handle *h = sim_disk_handle_find(d, op->file);
    if (op->kind == DISK_OP_CLOSE || op->kind == DISK_OP_READ) return;
    if (op->kind == DISK_OP_SYNC || op->kind == DISK_OP_SYNC_DIR) return; /* the drawing does it */
    if (op->kind != DISK_OP_WRITE) {
        if (survives(rand, 4)) sim_disk_op_run(d, op);
        return;
    }
    if (!h || op->len == 0) return;
    unsigned odds = crash_odds(d, rand);
    for (size_t at = 0, part; at < op->len; at += part) {
        struct disk_op piece = { .kind = DISK_OP_WRITE, .offset = op->offset + at };
        part = DISK_SECTOR_BYTES - (size_t)(piece.offset % DISK_SECTOR_BYTES);
        if (part > op->len - at) part = op->len - at;
        piece.buf = (uint8_t *)op->buf + at;
        piece.len = part;
        if (survives(rand, odds)) (void)sim_disk_op_write(d, h->inode, &piece);
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
        if (p->old && !p->now) p->now = sim_disk_page_take(d);
        gone |= crash_page(p, rand, was_cut ? 0 : odds);
    }
    n->size = end > size ? end : size;
    sim_disk_contents_resize(d, n, size);
    sim_disk_contents_sync(d, n);
    return gone;
}

/* The visible names become the durable ones. */
static void crash_names(struct sim_disk *d, struct inode *dir)
{
    const struct names *from = &dir->durable_names;
    for (size_t i = 0; i < from->count; i++) from->at[i].inode->refs++;
    sim_disk_names_clear(d, &dir->names);
    if (dir->names.cap < from->count) {
        dir->names.at = sim_disk_take(d, dir->names.at, from->count * sizeof from->at[0]);
        dir->names.cap = from->count;
    }
    if (from->count) memcpy(dir->names.at, from->at, from->count * sizeof from->at[0]);
    dir->names.count = from->count;
}

/* What a dead process held. */
void sim_disk_release_process(struct sim_disk *d)
{
    for (size_t i = 0; i < d->handle_count; i++) sim_disk_inode_drop(d, d->handles[i].inode);
    for (size_t i = 0; i < d->locked_count; i++) sim_disk_inode_drop(d, d->locked[i]);
    d->handle_count = d->locked_count = 0;
}

bool sim_disk_crash(struct sim_disk *d, bool power, struct ms_rand *rand, struct disk_op *torn)
{
    bool gone = false;
    if (torn) crash_torn(d, rand, torn);
    sim_disk_release_process(d);
    if (!power) return false;
    unsigned odds = crash_odds(d, rand);
    while (d->ops_first) {
        bool keep = survives(rand, odds);
        gone |= !keep;
        sim_disk_dir_op_end(d, d->ops_first, keep);
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
        sim_disk_inode_drop(d, n);
    }
    return gone;
}
