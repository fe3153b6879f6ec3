/* wal_recover.c: opening the log.
 *
 * 1. Every segment's header and the base of its first batch; the state file.
 * 2. From the newest segment down to one that has a whole batch: that is the end of the log. Its newest
 * base says with which segment the log begins, and each first batch says which segment was before it
 * and where that one ended: the chain. What is not in the chain is spare.
 * 3. The chain is read in order, batch by batch, and behind its end it is decided whether a batch was
 * torn or what was acknowledged is damaged (wal_scan.c).
 * 4. Of the two copies of the state the newer is taken; a torn batch is zeroed, so that its sectors
 * never meet those of another batch with its number; entries are given to the caller.
 *
 * When damage was found nothing is written to any segment: the operator of a single member may yet
 * bring the file back. The first batch then goes to a new segment, and its base says where the log was
 * left. */
#include "wal/wal_recover.h"

#include <stdio.h>

/* --- 1. what there is --- */

static int add_found(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct wal_recover *r = arg;
    struct wal_found_segment f = { .size = size_bytes, .end_sector = WAL_HEADER_SECTORS };
    if (is_dir || !wal_name_parse(name, &f.life)) return 0;
    if (r->count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 8;
        struct wal_found_segment *p = ms_resize(r->w->alloc, r->at, cap * sizeof *p);
        if (!p) return MS_ENOMEM;
        r->at = p;
        r->cap = cap;
    }
    r->at[r->count++] = f; /* names are sorted, so lives are */
    return 0;
}

static int refuse_foreign(struct wal_recover *r, uint64_t member_id)
{
    unsigned long long theirs = member_id, ours = r->w->member_id;
    if (!r->any_member)
        snprintf(r->out->detail, sizeof r->out->detail, "it is member %llu's, and this is member %llu",
                 theirs, ours);
    else
        snprintf(r->out->detail, sizeof r->out->detail,
                 "its files are of several members, %llu and %llu", theirs,
                 ours != 0 ? ours : r->file.member_id);
    return MS_EFOREIGN;
}

static int check_identity(struct wal_recover *r, uint64_t member_id, const uint8_t *nonce)
{
    struct wal *w = r->w;
    if (r->any_member && w->member_id == 0) w->member_id = member_id;
    if (member_id != w->member_id) return refuse_foreign(r, member_id);
    if (r->nonce_known && memcmp(nonce, w->nonce, MS_UUID_BYTES) != 0) {
        snprintf(r->out->detail, sizeof r->out->detail, "its files are of several directories");
        return MS_EFOREIGN;
    }
    memcpy(w->nonce, nonce, MS_UUID_BYTES);
    r->nonce_known = true;
    return 0;
}

/* Slots of both copies that do not belong together, a version this program does not know. */
static int refuse_state_file(struct wal_recover *r, int status)
{
    if (r->file.foreign_id) return refuse_foreign(r, r->file.foreign_id);
    if (status == MS_EFOREIGN)
        snprintf(r->out->detail, sizeof r->out->detail, "its files are of several directories");
    if (status == MS_EVERSION) {
        char path[DISK_PATH_BYTES_MAX];
        wal_path_name(r->w, path, WAL_STATE_NAME);
        return wal_scan_refuse_version(r, path, "the state");
    }
    return status;
}

int wal_recover_look_around(struct wal_recover *r)
{
    struct wal *w = r->w;
    int rv = w->disk->ops->list(w->disk, w->dir, add_found, r);
    if (rv < 0) return rv;
    rv = wal_state_load(w, &r->file);
    if (rv < 0) return refuse_state_file(r, rv);
    if (r->file.known) rv = check_identity(r, r->file.member_id, r->file.nonce);
    if (r->file.known) w->life_max = r->file.mark.life;
    for (size_t i = 0; rv == 0 && i < r->count; i++) {
        struct wal_found_segment *f = &r->at[i];
        rv = wal_scan_head(r, f);
        if (rv < 0) return rv;
        if (f->life > w->life_max) w->life_max = f->life;
        if (f->header.life > w->life_max) w->life_max = f->header.life; /* a rename that was lost */
        if (f->header.life != 0) rv = check_identity(r, f->header.member_id, f->header.nonce);
    }
    return rv;
}

/* --- 2. the chain --- */

static int find_end(struct wal_recover *r)
{
    for (size_t i = r->count; i-- > 0 && !r->any_batch;) {
        bool any_ours;
        int rv = wal_scan_load(r, &r->at[i]);
        if (rv == 0) rv = wal_scan_loose(r, &r->at[i], &r->any_batch, &any_ours);
        if (rv < 0) return rv;
        if (r->any_batch) r->last = i;
    }
    return 0;
}

/* The segment with that life; or else the nearest one below it. */
static bool find_at_or_below(const struct wal_recover *r, uint64_t life, size_t *out)
{
    for (size_t i = r->count; i-- > 0;) {
        if (r->at[i].life > life) continue;
        *out = i;
        return true;
    }
    return false;
}

/* With which segment the log begins. */
static uint64_t first_life(const struct wal_recover *r)
{
    if (r->newest_known) return r->newest.first_life;
    for (size_t i = r->last + 1; i-- > 0;) {
        if (r->at[i].base_whole) return r->at[i].base.first_life;
    }
    return 0;
}

static void build_chain(struct wal_recover *r)
{
    uint64_t first = first_life(r);
    size_t i = r->last, prev;
    r->at[i].in_chain = true;
    while (r->at[i].life > first) {
        struct wal_found_segment *f = &r->at[i];
        uint64_t want = f->life - 1; /* a guess, if the first sector is damaged */
        bool told = f->base_whole && f->base.prev_life < f->life;
        if (told) want = f->base.prev_life;
        bool found = want != 0 && find_at_or_below(r, want, &prev) && r->at[prev].life >= first;
        if (told && (!found || r->at[prev].life != want)) f->missing_life = want != 0 ? want : first;
        if (!told && !found && first != 0) f->missing_life = first;
        if (!found) break;
        struct wal_found_segment *p = &r->at[prev];
        p->in_chain = true;
        p->has_successor = true;
        if (told && p->life == want) p->limit_sector = f->base.prev_sector;
        i = prev;
    }
}

/* --- 3. reading it --- */

/* Damage that shows before its batches are read. */
static void check_head(struct wal_recover *r, const struct wal_found_segment *f)
{
    if (f->missing_life != 0) {
        wal_scan_damage(r, f->missing_life, 0, "the segment is missing");
    } else if (f->size < WAL_SEGMENT_BYTES_LEAST) {
        wal_scan_damage(r, f->life, f->size / DISK_SECTOR_BYTES, "the file is cut short");
    } else if (!f->header_whole) {
        wal_scan_damage(r, f->life, 0, "the header is damaged");
    } else if (f->in_chain && !f->base_whole) {
        wal_scan_damage(r, f->life, WAL_HEADER_SECTORS,
                        "the first sector of the first batch is damaged");
    }
}

static int read_chain_once(struct wal_recover *r)
{
    for (size_t i = 0; i < r->count && !r->damaged; i++) {
        struct wal_found_segment *f = &r->at[i];
        if (!f->in_chain) continue;
        check_head(r, f);
        if (r->damaged) return 0;
        int rv = wal_scan_load(r, f);
        if (rv == 0) rv = wal_scan_batches(r, f);
        if (rv < 0) return rv;
        if (!r->damaged && f->limit_sector != 0 && f->end_sector != f->limit_sector) {
            wal_scan_damage(r, f->life, f->end_sector, "the segment ends too early");
        }
        if (!r->damaged && i == r->last) rv = wal_scan_tail(r, f);
        if (rv < 0) return rv;
    }
    return 0;
}

/* Sectors that are whole and records that cannot be: no rot does this, but whatever did, no part of
 * such a batch may stay. What was read is forgotten, and read again up to there. */
static int read_chain(struct wal_recover *r)
{
    int rv = read_chain_once(r);
    if (rv != MS_ECORRUPT) return rv;
    wal_index_reset(&r->w->index, 0, 0);
    r->w->last_written_term = 0;
    r->next_batch = 0;
    r->newest_reached = false;
    for (size_t i = 0; i < r->count; i++) {
        r->at[i].end_sector = WAL_HEADER_SECTORS;
        r->at[i].last_sector = 0;
    }
    return read_chain_once(r);
}

/* Segments above the last one with a whole batch: prepared ones, and perhaps a torn first batch. */
static int read_prepared(struct wal_recover *r)
{
    struct wal_found_segment *first = NULL;
    for (size_t i = r->any_batch ? r->last + 1 : 0; i < r->count; i++) {
        struct wal_found_segment *f = &r->at[i];
        int rv = wal_scan_load(r, f);
        if (rv < 0) return rv;
        bool clean = wal_scan_is_clean(r, f), was_torn = r->torn;
        f->usable = clean && f->header_whole && f->size >= WAL_SEGMENT_BYTES_LEAST;
        if (r->damaged || f->usable) {
            if (f->usable && !first) first = f;
            continue;
        }
        if (f->size < WAL_SEGMENT_BYTES_LEAST || !clean) check_head(r, f);
        if (r->damaged || clean) continue; /* clean, but its header is gone: nothing was ever in it */
        bool any_batch, any_ours;
        rv = wal_scan_loose(r, f, &any_batch, &any_ours);
        if (rv < 0) return rv;
        if (any_ours && (first || was_torn)) {
            wal_scan_damage(r, first ? first->life : r->at[r->last].life,
                            first ? first->end_sector : r->at[r->last].end_sector,
                            "an acknowledged batch is gone, a later one is there");
        } else if (!first) {
            rv = wal_scan_tail(r, f);
            f->usable = !r->damaged;
            first = f;
        } else {
            f->dirty_sector = f->bytes / DISK_SECTOR_BYTES; /* rotten, and nothing was in it */
        }
        if (rv < 0) return rv;
    }
    return 0;
}

/* The state file knows more than one change of state that the log does not: so the log has lost some.
 */
static void compare_with_state_file(struct wal_recover *r)
{
    uint64_t log_seq = r->mark_known ? r->mark.seq : 0;
    const struct wal_mark *m = &r->file.mark;
    const struct wal_found_segment *end = r->any_batch ? &r->at[r->last] : NULL;
    size_t i;
    if (r->damaged || !r->file.known || m->seq <= log_seq) return;
    bool present = m->life == 0 || (find_at_or_below(r, m->life, &i) && r->at[i].life == m->life);
    if (!present) {
        wal_scan_damage(r, m->life, 0, "the segment is missing");
    } else if (m->seq > log_seq + 1) {
        wal_scan_damage(r, end ? end->life : m->life, end ? end->end_sector : WAL_HEADER_SECTORS,
                        "the state file has seen later batches");
    }
}

/* --- 4. what follows --- */

/* When the newest base stands behind damage: it still says what the log begins behind. */
static void settle_base(struct wal_recover *r)
{
    struct wal_index *x = &r->w->index;
    const struct wal_base *b = &r->newest;
    if (!r->damaged || !r->newest_known || r->newest_reached || b->index <= x->base_index) return;
    bool agrees =
        !r->newest_is_reset && b->index <= wal_index_last(x) && wal_index_term(x, b->index) == b->term;
    if (agrees)
        wal_index_drop_to(x, b->index);
    else
        wal_index_reset(x, b->index, b->term);
}

/* The newer copy; and of the terms in any case the higher one, of votes one that was given. */
static void settle_state(struct wal_recover *r)
{
    struct wal *w = r->w;
    const struct wal_mark *log = &r->mark, *file = &r->file.mark, *other;
    bool log_newer = r->mark_known && (!r->file.known || log->seq >= file->seq);
    if (!r->mark_known && !r->file.known) return;
    w->mark = log_newer ? *log : *file;
    other = log_newer ? file : log;
    struct wal_state *s = &w->mark.state;
    if (r->mark_known && r->file.known &&
        (other->state.term > s->term || (other->state.term == s->term && s->vote == 0))) {
        s->term = other->state.term;
        s->vote = other->state.vote;
    }
    w->log_seq = r->mark_known ? log->seq : 0;
}

static int check_cluster(const struct wal_recover *r)
{
    static const uint8_t zero[MS_UUID_BYTES];
    const uint8_t *known = r->w->mark.state.cluster_uuid;
    for (size_t i = 0; i < r->count; i++) {
        const uint8_t *uuid = r->at[i].header.cluster_uuid;
        if (memcmp(known, zero, MS_UUID_BYTES) == 0 || memcmp(uuid, zero, MS_UUID_BYTES) == 0) continue;
        if (memcmp(known, uuid, MS_UUID_BYTES) == 0) continue;
        snprintf(r->out->detail, sizeof r->out->detail, "its files are of several clusters");
        return MS_EFOREIGN;
    }
    return 0;
}

/* What is allocated of a segment that is written on. The last piece may not have been synced, so it is
 * zeroed once more. */
static uint64_t zeroed_bytes(const struct wal *w, const struct wal_found_segment *f)
{
    uint64_t end = f->end_sector * DISK_SECTOR_BYTES;
    if (f->size >= f->bytes || f->size == 0) return f->size > 0 ? f->bytes : 0;
    uint64_t whole = (f->size - 1) / w->prewrite_bytes * w->prewrite_bytes;
    return whole > end ? whole : end;
}

/* After damage nothing is zeroed, so what is not clean stays: what is written next has to be newer. */
static bool can_be_written(const struct wal_recover *r, const struct wal_found_segment *f)
{
    if (!r->damaged) return f->usable;
    return f->usable && f->dirty_sector == 0 && f == &r->at[r->count - 1];
}

static int adopt(struct wal_recover *r, const struct wal_found_segment *f)
{
    struct wal *w = r->w;
    struct wal_segment s = { .life = f->life, .bytes = f->bytes, .file = DISK_FILE_NONE };
    s.end_sector = f->end_sector;
    s.zeroed = zeroed_bytes(w, f);
    bool has_batches = f->in_chain && f->end_sector > WAL_HEADER_SECTORS;
    bool usable = can_be_written(r, f);
    if (has_batches) {
        s.use = WAL_SEGMENT_LIVE;
        w->current_life = f->life;
    } else if (usable && w->current_life == 0 && !r->any_batch && !r->damaged) {
        s.use = WAL_SEGMENT_LIVE;
        w->current_life = f->life;
    } else if (usable && w->next_life == 0 && f->bytes == w->segment_bytes) {
        s.use = WAL_SEGMENT_NEXT;
        w->next_life = f->life;
    } else {
        s.use = r->damaged && f->life >= first_life(r) ? WAL_SEGMENT_DOOMED : WAL_SEGMENT_SPARE;
        s.bytes = w->segment_bytes;
        s.zeroed = 0; /* removed, not recycled: nothing that may be rotten gets a new life */
        s.end_sector = WAL_HEADER_SECTORS;
    }
    int rv = wal_segment_reserve(w);
    if (rv == 0) wal_segment_add(w, &s);
    return rv;
}

static int adopt_all(struct wal_recover *r)
{
    struct wal *w = r->w;
    for (size_t i = 0; i < r->count; i++) {
        int rv = adopt(r, &r->at[i]);
        if (rv < 0) return rv;
    }
    struct wal_segment *current = wal_segment_find(w, w->current_life);
    if (current) current->sealed = r->damaged;
    return 0;
}

static int open_segment(struct wal *w, uint64_t life)
{
    struct wal_segment *s = wal_segment_find(w, life);
    if (!s || s->file != DISK_FILE_NONE) return 0;
    struct disk_op *op = &w->log_op;
    *op = (struct disk_op){ .kind = DISK_OP_OPEN, .lane = DISK_LANE_LOG };
    wal_path_segment(w, op->path, life);
    int rv = wal_call(w, op);
    if (rv == 0) s->file = op->file;
    return rv;
}

static int write_now(struct wal *w, disk_file file, uint64_t offset, uint8_t *src, uint64_t len,
                     bool sync)
{
    struct disk_op *op = &w->log_op;
    *op = (struct disk_op){ .kind = DISK_OP_WRITE, .lane = DISK_LANE_LOG, .file = file, .sync = sync };
    op->offset = offset;
    op->buf = src;
    op->len = (size_t)len;
    return wal_call(w, op);
}

/* Zero what is left of a torn batch. If power fails on the way, it is still torn the next time. If a
 * sync fails, it is written back: else the next start would see zeros in the page cache that the disk
 * may not have. */
static int zero_torn(struct wal_recover *r, const struct wal_found_segment *f)
{
    struct wal *w = r->w;
    const struct wal_segment *s = wal_segment_find(w, f->life);
    uint64_t first = f->end_sector * DISK_SECTOR_BYTES, end = f->dirty_sector * DISK_SECTOR_BYTES;
    if (first >= end) return 0;
    int rv = wal_scan_load(r, f);
    if (rv == 0) rv = open_segment(w, f->life);
    if (rv < 0) return rv;
    for (uint64_t at = first, part; rv == 0 && at < end; at += part) {
        part = end - at < w->prewrite_bytes ? end - at : w->prewrite_bytes;
        rv = write_now(w, s->file, at, w->bulk.zeros, part, true);
    }
    if (rv < 0) (void)write_now(w, s->file, first, r->buf + first, end - first, false);
    return rv;
}

/* The last batch, as it is. It may stand in the page cache only, and be called clean since a sync over
 * it has failed: then no sync makes it durable before it is written again. None before it can be so (W5).
 */
static int rewrite_last(struct wal_recover *r)
{
    struct wal *w = r->w;
    const struct wal_segment *s = wal_segment_find(w, w->current_life);
    for (size_t i = 0; s && i < r->count; i++) {
        const struct wal_found_segment *f = &r->at[i];
        uint64_t at = f->last_sector * DISK_SECTOR_BYTES, end = f->end_sector * DISK_SECTOR_BYTES;
        if (f->life != s->life || f->last_sector == 0) continue;
        int rv = wal_scan_load(r, f);
        return rv < 0 ? rv : write_now(w, s->file, at, r->buf + at, end - at, true);
    }
    return 0;
}

static int sync_now(struct wal *w, enum disk_op_kind kind, disk_file file)
{
    struct disk_op *op = &w->log_op;
    if (kind == DISK_OP_SYNC && file == DISK_FILE_NONE) return 0;
    *op = (struct disk_op){ .kind = kind, .lane = DISK_LANE_LOG, .file = file };
    wal_path_name(w, op->path, ".");
    return wal_call(w, op);
}

/* What was read may stand in the page cache only: a process that was killed had written it, and the
 * sync did not come. From here on it counts as durable (W4), so it has to be: the state file, the
 * current and the next segment, and names. */
static int sync_found(struct wal *w)
{
    int rv = sync_now(w, DISK_OP_SYNC, w->state_file);
    for (size_t i = 0; rv == 0 && i < w->segment_count; i++) {
        rv = sync_now(w, DISK_OP_SYNC, w->segments[i].file);
    }
    return rv < 0 ? rv : sync_now(w, DISK_OP_SYNC_DIR, DISK_FILE_NONE);
}

static int make_writable(struct wal_recover *r)
{
    struct wal *w = r->w;
    int rv = 0;
    if (r->damaged && r->file.present)
        rv = wal_state_open(w);
    else
        rv = wal_state_repair(w, &r->file);
    if (rv == 0 && !r->damaged && w->current_life == 0 && w->next_life == 0) {
        rv = wal_bulk_create(w, w->life_max + 1);
    }
    if (rv == 0) rv = open_segment(w, w->current_life);
    if (rv == 0) rv = open_segment(w, w->next_life);
    for (size_t i = 0; rv == 0 && !r->damaged && i < r->count; i++) rv = zero_torn(r, &r->at[i]);
    if (rv == 0 && !r->damaged) rv = rewrite_last(r);
    return rv < 0 ? rv : sync_found(w);
}

static int give_entries(struct wal_recover *r, wal_entry_cb cb, void *arg)
{
    const struct wal_index *x = &r->w->index;
    for (uint64_t i = x->base_index + 1; i <= wal_index_last(x); i++) {
        struct bytes payload;
        uint64_t term;
        int rv = wal_scan_entry(r, i, &term, &payload);
        if (rv == 0 && cb) rv = cb(arg, i, term, payload);
        if (rv != 0) return rv;
    }
    return 0;
}

void wal_recover_tell(struct wal_recover *r)
{
    const struct wal *w = r->w;
    struct wal_recovery *out = r->out;
    out->found = WAL_FOUND_CLEAN;
    if (r->torn) out->found = WAL_FOUND_TORN;
    if (!r->any_batch && !r->torn && w->mark.seq == 0) out->found = WAL_FOUND_NEW;
    if (r->damaged) out->found = WAL_FOUND_DAMAGED;
    out->state = w->mark.state;
    out->state_lost = r->damaged && !r->file.trusted;
    memcpy(out->nonce, w->nonce, MS_UUID_BYTES);
    out->base_index = w->index.base_index;
    out->base_term = w->index.base_term;
    out->first_index = out->base_index + 1;
    out->last_index = wal_index_last(&w->index);
}

static void log_found(const struct wal_recover *r)
{
    const struct wal *w = r->w;
    const struct wal_recovery *out = r->out;
    if (r->damaged) log_line(w->log, LOG_ERROR, "acknowledged data is damaged: %s", out->detail);
    if (out->found == WAL_FOUND_TORN)
        log_line(w->log, LOG_INFO, "the last batch is cut: %s", out->detail);
    if (out->state_lost)
        log_line(w->log, LOG_ERROR, "log in %s: both copies of the state are damaged", w->dir);
}

int wal_recover_judge(struct wal_recover *r)
{
    int rv = wal_recover_look_around(r);
    if (rv == 0) rv = find_end(r);
    if (rv < 0) return rv;
    if (r->any_batch) build_chain(r);
    if (r->count == 0 && r->file.present && (!r->file.known || r->file.mark.seq > 0)) {
        wal_scan_damage(r, r->file.mark.life ? r->file.mark.life : 1, 0, "the segment is missing");
    }
    rv = read_chain(r);
    if (rv == 0) rv = read_prepared(r);
    if (rv < 0) return rv;
    compare_with_state_file(r);
    settle_base(r);
    settle_state(r);
    return check_cluster(r);
}

void wal_recover_fini(struct wal_recover *r)
{
    const struct ms_alloc *alloc = r->w->alloc;
    ms_free(alloc, r->at);
    ms_free(alloc, r->buf);
    ms_free(alloc, r->scratch);
}

static int recover(struct wal_recover *r, wal_entry_cb cb, void *arg)
{
    struct wal *w = r->w;
    int rv = wal_recover_judge(r);
    if (rv == 0) rv = adopt_all(r);
    if (rv < 0) return rv;
    w->durable_index = wal_index_last(&w->index);
    w->recorded_base = w->index.base_index;
    w->next_batch = r->next_batch != 0 ? r->next_batch : 1;
    if (w->mark.life > w->life_max) w->life_max = w->mark.life;
    w->durable_mark = w->mark;
    if (r->damaged) {
        w->mark.seq++;
        w->mark.state.flags |= WAL_FLAG_DAMAGED;
        w->file_behind = true;
    }
    rv = make_writable(r);
    if (rv < 0) return rv;
    wal_recover_tell(r); /* before the first entry: its taker looks at what was found */
    log_found(r);
    return give_entries(r, cb, arg);
}

static int wal_init(struct wal *w, const struct wal_opts *opts)
{
    uint32_t piece = opts->prewrite_bytes / WAL_HEADER_BYTES * WAL_HEADER_BYTES;
    size_t len = strlen(opts->dir);
    if (opts->segment_bytes < WAL_SEGMENT_BYTES_MIN || opts->segment_bytes > WAL_SEGMENT_BYTES_MAX ||
        opts->segment_bytes % WAL_HEADER_BYTES != 0 || len + 64 > DISK_PATH_BYTES_MAX) {
        return MS_EINVAL;
    }
    if (piece < WAL_SEGMENT_BYTES_LEAST) piece = WAL_SEGMENT_BYTES_LEAST;
    if (piece > opts->segment_bytes) piece = (uint32_t)opts->segment_bytes;
    memcpy(w->dir, opts->dir, len + 1);
    w->member_id = opts->member_id;
    w->segment_bytes = opts->segment_bytes;
    w->prewrite_bytes = piece;
    w->spare_segments_max = opts->spare_segments_max;
    memcpy(w->nonce, opts->nonce, MS_UUID_BYTES);
    wal_index_init(&w->index, w->alloc);
    int rv = wal_batch_init(w);
    return rv < 0 ? rv : wal_bulk_init(w);
}

int wal_open(struct wal **out, const struct wal_opts *opts, struct disk *disk,
             const struct ms_alloc *alloc, const struct log_sink *log, struct wal_recovery *found,
             wal_entry_cb cb, void *arg)
{
    struct wal *w = ms_alloc_zeroed(alloc, sizeof *w);
    struct wal_recover r = { .w = w, .out = found };
    *found = (struct wal_recovery){ 0 };
    *out = NULL;
    if (!w) return MS_ENOMEM;
    w->magic = WAL_MAGIC;
    w->disk = disk;
    w->alloc = alloc;
    w->log = log;
    w->state_file = DISK_FILE_NONE;
    w->reader.file = DISK_FILE_NONE;
    int rv = wal_init(w, opts);
    if (rv == 0) rv = recover(&r, cb, arg);
    wal_recover_fini(&r);
    if (rv != 0) {
        wal_close(w);
        return rv;
    }
    wal_check(w);
    *out = w;
    return 0;
}
